//! Recordings as files: `/vod/{name}/{ticket}/{title}.mp4`.
//!
//! Here: who may have one, its headers, its ranges. Not here: what its bytes are (`recorder`), whom it is given to
//! and what it is called (`api`).
//!
//! An address is given for each download, signed and good for an hour, since a browser that fetches a file sends
//! nothing that says who asks (ADR 45).

use std::{ops::Range, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderName, HeaderValue, Method,
    header::{CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS},
    request::Parts,
};
use metrics::Counter;
use recorder::{Error, Library, Reel};

use crate::{
    answer, caching,
    failure::Failure,
    router::{Delivery, now_s},
    vod::{Pieces, Reader, VodPath, find, pieces, unreadable},
};

const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

impl Pieces for Reel {
    fn piece(&mut self, range: Range<u64>) -> Result<Bytes, Error> {
        self.read(range)
    }

    fn is_far(&self) -> bool {
        Reel::is_far(self)
    }
}

impl Delivery {
    /// A recording as a file, for who has a ticket for it.
    pub(crate) async fn film(
        &self,
        library: &Library,
        path: VodPath<'_>,
        file: &str,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let ticket = path.ticket.ok_or(Failure::NoDownload)?;
        let client = self.client(asked);
        if !self.tickets.admits_download(ticket, (path.name, file), client, now_s()) {
            return Err(Failure::NoDownload);
        }
        find(library, path.name).await?;
        // Before the tables are made: whoever finds no place has cost nothing.
        let share = |client| self.download_shares.take(client).ok_or(Failure::TooManyDownloads);
        let share = client.map(share).transpose()?;
        let place = Arc::clone(&self.downloads).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let place = (place, share);
        let film = library.film(path.name).await.map_err(unreadable(path.name))?;
        let (mut response, range) =
            answer::ranged_head(film.len(), film.etag(), "video/mp4", caching::OWN, &asked.headers);
        let disposition = HeaderValue::try_from(format!("attachment; filename=\"{file}\""));
        response.headers_mut().extend([
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (CONTENT_SECURITY_POLICY, HeaderValue::from_static("default-src 'none'; sandbox")),
            (CORP, HeaderValue::from_static("cross-origin")),
        ]);
        let Some(range) = range else { return Ok(response) };
        let disposition = disposition.ok().map(|value| (CONTENT_DISPOSITION, value));
        response.headers_mut().extend(disposition);
        let len = range.end - range.start;
        if asked.method == Method::HEAD || range.is_empty() {
            return Ok(answer::with_length(response, Body::empty(), len));
        }
        let (mut reel, from) = (film.reel(), range.clone());
        // Before the head is sent: what cannot be read is told.
        let is_far = reel.is_far();
        let read = move || Ok((reel.read(from)?, reel));
        let first = library.read_from(is_far, read).await;
        let first = first.inspect_err(|error| forget(library, path.name, error));
        let (first, reel) = first.map_err(unreadable(path.name))?;
        let (library, name) = (library.clone(), path.name.to_owned());
        let reader = Reader { recordings: library, name, sent_bytes };
        let body = pieces(reader, reel, place, first, range);
        Ok(answer::with_length(response, body, len))
    }
}

/// The next film of a recording that turned out to be damaged is made without what cannot be read.
pub(crate) fn forget(library: &Library, name: &str, error: &Error) {
    if matches!(error, Error::Damaged) {
        library.forget_film(name);
    }
}

#[cfg(test)]
mod tests;
