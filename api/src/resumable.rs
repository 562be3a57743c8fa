//! Files that come in pieces: tus 1.0.0 (tus.io), core, creation, expiration and termination.
//!
//! Here: the protocol, for links that break. Not here: what a file may be and how it is kept, which is
//! as for forms (`form`, `uploads`).

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    extract::{FromRequestParts, Request, State},
    middleware::Next,
    response::{IntoResponse, Response},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use futures_util::StreamExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{CACHE_CONTROL, LOCATION},
    request::Parts,
};
use serde_json::json;
use storage::{Kind, Partial};
use store::{Media, Upload, User};
use tokio::sync::oneshot;
use tracing::Instrument as _;

use crate::{
    attachments::{self, DESCRIPTION, TITLE},
    auth::AuthUser,
    error::Error,
    form::{self, Failure, Refusal, Wanted},
    json::{Fields, content_type, path_param},
    openapi::{Body, Routes, Says, head, member, owner, post},
    random::random_bytes,
    router::{Api, Shared},
    site::Site,
    uploads::{self, Said, Slot},
};

/// Everything of this protocol is below.
pub const ROOT: &str = "/api/uploads";

/// The media type of a piece.
pub const PIECE: &str = "application/offset+octet-stream";

/// How long an upload waits for its next piece: a day without a network.
const WAIT_MS: i64 = 24 * 60 * 60 * 1000;
/// Uploads that one member may have open: two posts of five.
const OPEN_MAX: i64 = 10;
/// Characters of `Upload-Metadata` that are looked at.
const METADATA_MAX: usize = 16 * 1024;

const VERSION: HeaderValue = HeaderValue::from_static("1.0.0");
const EXTENSIONS: HeaderValue = HeaderValue::from_static("creation,expiration,termination");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");

pub const TUS_RESUMABLE: HeaderName = HeaderName::from_static("tus-resumable");
pub const TUS_VERSION: HeaderName = HeaderName::from_static("tus-version");
pub const TUS_EXTENSION: HeaderName = HeaderName::from_static("tus-extension");
pub const UPLOAD_OFFSET: HeaderName = HeaderName::from_static("upload-offset");
pub const UPLOAD_LENGTH: HeaderName = HeaderName::from_static("upload-length");
pub const UPLOAD_METADATA: HeaderName = HeaderName::from_static("upload-metadata");
pub const UPLOAD_EXPIRES: HeaderName = HeaderName::from_static("upload-expires");
/// Not of the protocol: the id of the media that an upload has become.
pub const MEDIA_ID: HeaderName = HeaderName::from_static("media-id");

const NOT_SPOKEN: Error = Error::Status(StatusCode::PRECONDITION_FAILED, "Tus-Resumable: 1.0.0");
const ELSEWHERE: Error =
    Error::Status(StatusCode::CONFLICT, "Upload-Offset n'est pas là où le fichier s'est arrêté.");
const BUSY: Error =
    Error::Status(StatusCode::LOCKED, "Ce fichier est déjà en train d'être envoyé. Réessayez.");
const NOT_YOURS: &str = "Vous ne pouvez envoyer que vos propres fichiers";
const TOO_MANY: &str = "Trop d'envois sont ouverts : terminez-en un d'abord.";
const BAD_LENGTH: &str = "Un nombre entier d'octets est requis.";

/// The routes of files that come in pieces.
pub fn router() -> Routes {
    let spoken = |says: Says| says.header("Tus-Resumable", true, json!({"const": "1.0.0"})).or(412);
    let number = || json!({"type": "integer", "minimum": 0});
    Routes::about("Envois en morceaux (tus 1.0.0)")
        .route(
            "/api/uploads",
            post(
                create,
                spoken(member("Annoncer un fichier"))
                    .header("Upload-Length", true, json!({"type": "integer", "minimum": 1}))
                    .header("Upload-Metadata", false, json!({"type": "string"}))
                    .empty(StatusCode::CREATED)
                    .tells(&["Location", "Upload-Expires"])
                    .or(400)
                    .or(413),
            ),
        )
        .route(
            "/api/uploads/{upload_id}",
            head(
                look,
                spoken(owner("Ce qui en est arrivé")).gone().tells(&[
                    "Upload-Offset",
                    "Upload-Length",
                    "Upload-Expires",
                    "Media-Id",
                ]),
            )
            .patch(
                go_on,
                spoken(owner("Le morceau suivant"))
                    .header("Upload-Offset", true, number())
                    .takes_as(PIECE, Body::default())
                    .gone()
                    .tells(&["Upload-Offset", "Upload-Expires", "Media-Id"])
                    .or(409)
                    .or(423),
            )
            .delete(give_up, spoken(owner("Y renoncer")).gone().or(423)),
        )
}

/// Says of every answer that it is of this protocol, and to who asks what there is, what there is.
pub async fn announce(request: Request, next: Next) -> Response {
    if !request.uri().path().starts_with(ROOT) {
        return next.run(request).await;
    }
    let is_question = request.method() == Method::OPTIONS;
    let mut response = next.run(request).await;
    let is_unspoken = response.status() == StatusCode::PRECONDITION_FAILED;
    let headers = response.headers_mut();
    headers.insert(TUS_RESUMABLE, VERSION);
    if is_question || is_unspoken {
        headers.insert(TUS_VERSION, VERSION);
        headers.insert(TUS_EXTENSION, EXTENSIONS);
    }
    response
}

/// The client speaks this version.
struct Spoken;

impl FromRequestParts<Shared> for Spoken {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &Shared) -> Result<Self, Error> {
        if parts.headers.get(TUS_RESUMABLE) == Some(&VERSION) { Ok(Self) } else { Err(NOT_SPOKEN) }
    }
}

/// The member's own upload that the path names, in its turn: nothing else is done to it meanwhile, and
/// what is known of it stays true.
struct Own {
    user: User,
    upload: Upload,
    number: u128,
    _turn: Turn,
}

impl FromRequestParts<Shared> for Own {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let AuthUser(user) = AuthUser::from_request_parts(parts, api).await?;
        let id = path_param(parts, api, "upload_id").await?;
        let number = number_of(&id).ok_or(Error::NotFound)?;
        let turn = api.turns.take(number).ok_or(BUSY)?;
        let upload = api.store.upload(&id).await?.ok_or(Error::NotFound)?;
        if upload.owner != user.id {
            return Err(Error::Forbidden(NOT_YOURS));
        }
        Spoken::from_request_parts(parts, api).await?;
        Ok(Self { user, upload, number, _turn: turn })
    }
}

async fn create(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    _: Spoken,
    site: Site,
    headers: HeaderMap,
) -> Result<Response, Error> {
    let now_ms = api.clock.now_ms();
    let length = number(&headers, UPLOAD_LENGTH).filter(|length| *length > 0);
    let length = length.ok_or_else(|| Error::field("Upload-Length", BAD_LENGTH))?;
    if length > wanted(&api).max_bytes() {
        return Err(Error::TooLarge);
    }
    let mut fields = metadata(&headers)?;
    let title = fields.text("title", TITLE);
    let description = fields.text("description", DESCRIPTION);
    fields.finish()?;
    api.limits.upload(user.id, now_ms).await?;
    let number = u128::from_be_bytes(
        random_bytes().map_err(|fault| Error::fault(uploads::NOT_STORED, fault))?,
    );
    let upload = Upload {
        id: id_of(number),
        owner: user.id,
        length_bytes: i64::try_from(length).unwrap_or(i64::MAX),
        title: title.unwrap_or_default(),
        description: description.unwrap_or_default(),
        media: None,
        expires_ms: now_ms.saturating_add(WAIT_MS),
    };
    let max_bytes = uploads::member_max_bytes(&api);
    let made = api.store.create_upload(&upload, OPEN_MAX, max_bytes).await;
    if !made.map_err(attachments::gone)? {
        return Err(Error::field("non_field_errors", TOO_MANY));
    }
    let mut answer = StatusCode::CREATED.into_response();
    set(answer.headers_mut(), LOCATION, &site.at(&format!("{ROOT}/{}/", upload.id)));
    set(answer.headers_mut(), UPLOAD_EXPIRES, &expires(upload.expires_ms));
    Ok(answer)
}

/// How much has come. What has come whole and is not media, since nobody was there to hear of it or the
/// storage was away, becomes media now: who hears that all is there does not come back.
async fn look(State(api): State<Shared>, own: Own) -> Result<Response, Error> {
    let length = own.length();
    let mut answer = match own.upload.media {
        Some(media) => own.answer(length, Some(media.get())),
        None => match api.storage.partial_len(own.number).await? {
            offset if offset < length => own.answer(offset, None),
            _ => {
                let slot = api.slots.enter(own.user.id)?;
                to_its_end(async move { conclude(&api, &own, slot).await }).await?
            }
        },
    };
    answer.headers_mut().insert(UPLOAD_LENGTH, length.into());
    answer.headers_mut().insert(CACHE_CONTROL, NO_STORE);
    Ok(answer)
}

/// Takes what comes next. What came of a piece that broke off is kept.
async fn go_on(State(api): State<Shared>, own: Own, request: Request) -> Result<Response, Error> {
    if content_type(&request).as_deref() != Some(PIECE) {
        return Err(Error::MediaType(content_type(&request).unwrap_or_default()));
    }
    let offset = number(request.headers(), UPLOAD_OFFSET);
    let offset = offset.ok_or_else(|| Error::field("Upload-Offset", BAD_LENGTH))?;
    if let Some(media) = own.upload.media {
        return if offset == own.length() {
            Ok(own.answer(offset, Some(media.get())))
        } else {
            Err(ELSEWHERE)
        };
    }
    if offset != api.storage.partial_len(own.number).await? {
        return Err(ELSEWHERE);
    }
    let slot = api.slots.enter(own.user.id)?;
    let (_is_heard, leaves) = oneshot::channel();
    to_its_end(receive(api, own, slot, request, leaves)).await
}

/// Does what must not be left halfway, even if nobody waits for it any more.
async fn to_its_end(
    work: impl Future<Output = Result<Response, Error>> + Send + 'static,
) -> Result<Response, Error> {
    let done = tokio::spawn(work.in_current_span()).await;
    done.unwrap_or(Err(Error::Storage(storage::Error::Interrupted)))
}

async fn receive(
    api: Shared,
    mut own: Own,
    slot: Slot,
    request: Request,
    leaves: oneshot::Receiver<()>,
) -> Result<Response, Error> {
    own.upload.expires_ms = api.clock.now_ms().saturating_add(WAIT_MS);
    if !api.store.prolong_upload(&own.upload.id, own.upload.expires_ms).await? {
        return Err(Error::NotFound);
    }
    let mut partial = api.storage.partial(own.number).await?;
    match take(&api, &mut partial, own.length(), request, leaves).await {
        Ok(()) if partial.len() < own.length() => Ok(own.answer(partial.len(), None)),
        Ok(()) => conclude(&api, &own, slot).await,
        Err(failure) => Err(refuse(&api, &own, failure).await),
    }
}

/// Has a file that is whole become media, and says so.
async fn conclude(api: &Shared, own: &Own, slot: Slot) -> Result<Response, Error> {
    let made = finish(api, own).await;
    drop(slot);
    match made {
        Ok(media) => {
            api.storage.give_up(own.number).await?;
            Ok(own.answer(own.length(), Some(media.id.get())))
        }
        Err(failure) => Err(refuse(api, own, failure).await),
    }
}

/// Forgets a file that is refused: what it has shown itself to be it will not cease to be.
async fn refuse(api: &Api, own: &Own, failure: Failure) -> Error {
    if let Failure::File(_) = failure
        && let Err(error) = discard(api, own).await
    {
        return error;
    }
    failure.of_field("file")
}

async fn give_up(State(api): State<Shared>, own: Own) -> Result<StatusCode, Error> {
    discard(&api, &own).await?;
    Ok(StatusCode::NO_CONTENT)
}

impl Own {
    fn length(&self) -> u64 {
        u64::try_from(self.upload.length_bytes).unwrap_or(0)
    }

    fn answer(&self, offset: u64, media: Option<i64>) -> Response {
        let mut answer = StatusCode::NO_CONTENT.into_response();
        let headers = answer.headers_mut();
        headers.insert(UPLOAD_OFFSET, offset.into());
        set(headers, UPLOAD_EXPIRES, &expires(self.upload.expires_ms));
        if let Some(media) = media {
            headers.insert(MEDIA_ID, media.into());
        }
        answer
    }
}

/// Puts a piece down as it comes, no further than the file may go, until its sender leaves. What was
/// begun to be written is written before that; who leaves when all of the file has come has sent it.
async fn take(
    api: &Shared,
    partial: &mut Partial,
    length: u64,
    request: Request,
    mut leaves: oneshot::Receiver<()>,
) -> Result<(), Failure> {
    let patience = Duration::from_secs(api.config.uploads.stalled_s);
    let wanted = wanted(api);
    let mut head = partial.head(Kind::HEAD_BYTES).await.map_err(storage::Error::from)?;
    let mut pieces = request.into_body().into_data_stream();
    loop {
        let piece = tokio::select! {
            piece = tokio::time::timeout(patience, pieces.next()) => piece.ok(),
            _ = &mut leaves => None,
        };
        let piece = match piece {
            Some(Some(Ok(piece))) => piece,
            Some(None) => return Ok(()),
            _ if partial.len() == length => return Ok(()),
            Some(Some(Err(_))) | None => return Err(Error::Timeout.into()),
        };
        if partial.len() + piece.len() as u64 > length {
            return Err(Error::TooLarge.into());
        }
        if head.len() < Kind::HEAD_BYTES {
            let room = Kind::HEAD_BYTES - head.len();
            head.extend_from_slice(piece.get(..room).unwrap_or(&piece));
            if head.len() == Kind::HEAD_BYTES {
                let (kind, max_bytes) = wanted.limit(&head)?;
                if length > max_bytes {
                    return Err(Refusal::TooLarge(kind, max_bytes).into());
                }
            }
        }
        partial.write(&piece).await.map_err(storage::Error::from)?;
    }
}

/// The file is whole: what it is, and its media.
async fn finish(api: &Shared, own: &Own) -> Result<Media, Failure> {
    let arrived = api.storage.whole(own.number).await?;
    let file = form::examine(api, arrived).await?;
    let said =
        Said { title: own.upload.title.clone(), description: own.upload.description.clone() };
    let longest_s = api.config.uploads.video_max_s;
    let new = uploads::put_media(api, own.user.id, file, longest_s, said).await?;
    let media = api.store.finish_upload(&own.upload.id, new).await;
    let media = media.map_err(attachments::gone)?.ok_or(Error::NotFound)?;
    api.workshop.wake();
    Ok(media)
}

/// Forgets an upload and what has come of it.
async fn discard(api: &Api, own: &Own) -> Result<(), Error> {
    api.storage.give_up(own.number).await?;
    Ok(api.store.delete_upload(&own.upload.id).await?)
}

/// The uploads that something is done to: one thing at a time to each, else pieces would be mixed, and
/// what was just given up begun again.
#[derive(Default)]
pub struct Turns(Arc<Mutex<HashSet<u128>>>);

/// A turn, given back on drop.
struct Turn {
    number: u128,
    turns: Arc<Mutex<HashSet<u128>>>,
}

impl Turns {
    fn take(&self, number: u128) -> Option<Turn> {
        let is_free = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(number);
        is_free.then(|| Turn { number, turns: Arc::clone(&self.0) })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

fn wanted(api: &Api) -> Wanted {
    Wanted {
        name: "file",
        kinds: &uploads::ALL,
        picture_max_bytes: api.config.uploads.image_max_bytes,
        video_max_bytes: api.config.uploads.video_max_bytes,
    }
}

/// The id of this number.
pub fn id_of(number: u128) -> String {
    format!("{number:032x}")
}

/// An id is a number of 32 hexadecimal digits.
fn number_of(id: &str) -> Option<u128> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    let number = (id.len() == 32 && id.bytes().all(is_digit)).then(|| u128::from_str_radix(id, 16));
    number?.ok()
}

/// `key base64,key base64`: a file's name is its title unless it has one.
fn metadata(headers: &HeaderMap) -> Result<Fields, Error> {
    let unreadable = || Error::field("Upload-Metadata", "Illisible.");
    let mut values = serde_json::Map::new();
    let Some(line) = headers.get(UPLOAD_METADATA) else { return Ok(values.into()) };
    let line = line.to_str().ok().filter(|line| line.len() <= METADATA_MAX);
    for pair in line.ok_or_else(unreadable)?.split(',').filter(|pair| !pair.trim().is_empty()) {
        let (key, value) = pair.trim().split_once(' ').unwrap_or((pair.trim(), ""));
        let value = STANDARD.decode(value.trim()).map_err(|_| unreadable())?;
        let value = String::from_utf8(value).map_err(|_| unreadable())?;
        values.insert(key.to_owned(), value.into());
    }
    if let Some(name) = values.get("filename").cloned() {
        values.entry("title").or_insert(name);
    }
    Ok(values.into())
}

fn number(headers: &HeaderMap, name: HeaderName) -> Option<u64> {
    let text = headers.get(name)?.to_str().ok()?;
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn expires(at_ms: i64) -> String {
    let at = u64::try_from(at_ms.div_euclid(1000)).unwrap_or(0).min(u32::MAX.into());
    let at: SystemTime = UNIX_EPOCH + Duration::from_secs(at);
    httpdate::fmt_http_date(at)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}
