//! Reads `multipart/form-data` (RFC 7578).
//!
//! Here: parts into the fields a JSON body would have, and the bounds on both. Not here: pictures,
//! of which only the presence is told.

use std::collections::BTreeSet;

use axum::extract::{
    DefaultBodyLimit, FromRequest, Multipart, Request,
    multipart::{Field, MultipartError},
};
use http::StatusCode;
use serde_json::{Map, Value};

use crate::{error::Error, json::Fields, router::Shared};

/// Most parts of a form: several times what any screen sends.
const PARTS_MAX: usize = 64;
/// Bytes of a form with its files. The web client lets pictures of 5 MB through; they are read and
/// dropped piece by piece, because a browser shows no answer that comes before its form is sent.
const FORM_MAX_BYTES: usize = 6 * 1024 * 1024;

const UNREADABLE: &str = "Formulaire illisible.";

/// The texts of a form, and the names under which it brought files.
pub struct Form {
    /// Every part that is no file.
    pub fields: Fields,
    /// The names of the parts that are files with something in them.
    pub files: BTreeSet<String>,
}

impl FromRequest<Shared> for Form {
    type Rejection = Error;

    async fn from_request(mut request: Request, api: &Shared) -> Result<Self, Error> {
        DefaultBodyLimit::max(FORM_MAX_BYTES).apply(&mut request);
        let mut parts = Multipart::from_request(request, api).await.map_err(|_| unreadable())?;
        let mut values = Map::new();
        let mut files = BTreeSet::new();
        let mut text_room = api.config.body_max_bytes;
        for _ in 0..=PARTS_MAX {
            let Some(part) = parts.next_field().await.map_err(unread)? else {
                return Ok(Self { fields: values.into(), files });
            };
            let name = part.name().unwrap_or_default().to_owned();
            text_room = text_room.checked_sub(name.len()).ok_or(Error::TooLarge)?;
            if part.file_name().is_some() {
                if drain(part).await? {
                    files.insert(name);
                }
            } else {
                let text = text(part, &mut text_room).await?;
                values.insert(name, Value::String(text));
            }
        }
        Err(Error::TooLarge)
    }
}

/// Reads a file to its end; whether there was anything in it. A browser sends an empty file for a
/// picture that was not chosen.
async fn drain(mut part: Field<'_>) -> Result<bool, Error> {
    let mut found = false;
    while let Some(bytes) = part.chunk().await.map_err(unread)? {
        found |= !bytes.is_empty();
    }
    Ok(found)
}

async fn text(mut part: Field<'_>, room: &mut usize) -> Result<String, Error> {
    let mut text = Vec::new();
    while let Some(bytes) = part.chunk().await.map_err(unread)? {
        *room = room.checked_sub(bytes.len()).ok_or(Error::TooLarge)?;
        text.extend_from_slice(&bytes);
    }
    String::from_utf8(text).map_err(|_| unreadable())
}

fn unread(error: MultipartError) -> Error {
    if error.status() == StatusCode::PAYLOAD_TOO_LARGE { Error::TooLarge } else { unreadable() }
}

fn unreadable() -> Error {
    Error::field("non_field_errors", UNREADABLE)
}
