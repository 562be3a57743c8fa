//! Responses: their headers and bodies.
//!
//! Here: everything that is the same for all answers of a kind. Not here: what to answer
//! (`router`). CORS goes on every answer, errors included: without it a browser hides the reason
//! from the page.

use std::ops::Range;

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, StatusCode,
    header::{
        ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
        ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
        CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG,
        IF_RANGE, RANGE, RETRY_AFTER, VARY, X_CONTENT_TYPE_OPTIONS,
    },
};
use http_body::Body as _;
use hub::Playlist;
use metrics::Counter;

use crate::{
    body::Counted,
    caching,
    failure::Failure,
    headers::{Wanted, accepts_gzip, holds},
};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, OPTIONS");

/// The answer to a question about CORS (Fetch Standard §3.2.2): anybody may read anything here, by
/// ranges too.
pub(crate) fn preflight() -> Response {
    answer(
        StatusCode::NO_CONTENT,
        [
            (ACCESS_CONTROL_ALLOW_METHODS, METHODS),
            (
                ACCESS_CONTROL_ALLOW_HEADERS,
                HeaderValue::from_static("Range, If-Range, If-None-Match, Cache-Control"),
            ),
            // Chromium forgets after two hours whatever it is told; Firefox after a day.
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400")),
            (ALLOW, METHODS),
        ],
        Body::empty(),
    )
}

/// A playlist, gzipped where that is welcome.
pub(crate) fn playlist(
    playlist: &Playlist,
    cache_control: HeaderValue,
    asked: &HeaderMap,
    sent_bytes: Counter,
) -> Response {
    text(playlist, "application/vnd.apple.mpegurl", cache_control, asked, sent_bytes)
}

/// The same of any text that is rendered like a playlist.
pub(crate) fn text(
    playlist: &Playlist,
    content_type: &'static str,
    cache_control: HeaderValue,
    asked: &HeaderMap,
    sent_bytes: Counter,
) -> Response {
    let etag = HeaderValue::from_maybe_shared(playlist.etag().clone())
        .expect("an epoch and a number between quotes make a header");
    let headers = [
        (ETAG, etag),
        (CACHE_CONTROL, cache_control),
        (VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    if holds(asked, playlist.etag()) {
        return answer(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    let gzip = accepts_gzip(asked);
    let body = if gzip { playlist.gzip() } else { playlist.text() };
    let mut response = answer(StatusCode::OK, headers, Body::empty());
    let filled = response.headers_mut();
    filled.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if gzip {
        filled.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    with_body(response, body.clone(), sent_bytes)
}

/// Bytes whose URL names others later; `number` tells these from those.
pub(crate) fn newest(
    body: Bytes,
    number: u64,
    content_type: &'static str,
    cache_control: HeaderValue,
    asked: &HeaderMap,
    sent_bytes: Counter,
) -> Response {
    let etag = format!("\"{number}\"");
    let value = HeaderValue::try_from(&etag).expect("digits between quotes make a header");
    let headers = [(ETAG, value), (CACHE_CONTROL, cache_control)];
    if holds(asked, etag.as_bytes()) {
        return answer(StatusCode::NOT_MODIFIED, headers, Body::empty());
    }
    let mut response = answer(StatusCode::OK, headers, Body::empty());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    with_body(response, body, sent_bytes)
}

/// A picture, which is nothing else whatever its bytes look like: a worker that strangers' media passes
/// through made it.
pub(crate) fn picture(mut response: Response) -> Response {
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Bytes whose URL never names anything else, whole or the range asked for.
pub(crate) fn immutable(
    body: Bytes,
    content_type: &'static str,
    cache_control: HeaderValue,
    asked: &HeaderMap,
    sent_bytes: Counter,
) -> Response {
    let (response, range) = immutable_head(body.len() as u64, content_type, cache_control, asked);
    match range {
        Some(range) => with_body(response, slice(&body, range), sent_bytes),
        None => response,
    }
}

/// The same without its body, and which of its `len` bytes that is to have; none where the answer is
/// complete without.
pub(crate) fn immutable_head(
    len: u64,
    content_type: &'static str,
    cache_control: HeaderValue,
    asked: &HeaderMap,
) -> (Response, Option<Range<u64>>) {
    ranged_head(len, caching::IMMUTABLE_ETAG, content_type, cache_control, asked)
}

/// The same of bytes whose URL may name others later, under another entity tag.
pub(crate) fn ranged_head(
    len: u64,
    etag: &str,
    content_type: &'static str,
    cache_control: HeaderValue,
    asked: &HeaderMap,
) -> (Response, Option<Range<u64>>) {
    let said =
        HeaderValue::try_from(etag).expect("digits and letters between quotes make a header");
    let headers = [
        (ETAG, said),
        (CACHE_CONTROL, cache_control),
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ];
    if holds(asked, etag.as_bytes()) {
        return (answer(StatusCode::NOT_MODIFIED, headers, Body::empty()), None);
    }
    let (status, range, content_range) = match wanted(asked, etag, len) {
        Wanted::Whole => (StatusCode::OK, 0..len, None),
        Wanted::Part(range) => {
            let said = format!("bytes {}-{}/{len}", range.start, range.end - 1);
            (StatusCode::PARTIAL_CONTENT, range, Some(said))
        }
        Wanted::Nothing => return (failure(Failure::Range { len }), None),
    };
    let mut response = answer(status, headers, Body::empty());
    let filled = response.headers_mut();
    filled.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if let Some(said) = content_range.and_then(|said| HeaderValue::try_from(said).ok()) {
        filled.insert(CONTENT_RANGE, said);
    }
    (response, Some(range))
}

/// An answer with a body of so many bytes.
pub(crate) fn with_length(mut response: Response, body: Body, len: u64) -> Response {
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    *response.body_mut() = body;
    response
}

/// A failure, told in JSON.
pub(crate) fn failure(failure: Failure) -> Response {
    let headers = [
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, failure.cache_control()),
    ];
    let mut response = answer(failure.status(), headers, Body::empty());
    let filled = response.headers_mut();
    filled.extend(failure.retry_after().map(|after| (RETRY_AFTER, after)));
    match failure {
        Failure::Method => {
            filled.insert(ALLOW, METHODS);
        }
        Failure::Range { len } => {
            let said = HeaderValue::try_from(format!("bytes */{len}"));
            filled.extend(said.ok().map(|said| (CONTENT_RANGE, said)));
        }
        _ => {}
    }
    with_body(response, Bytes::from_static(failure.json().as_bytes()), Counter::noop())
}

/// The same answer without its body, which the length is said of (RFC 9110 §9.3.2).
pub(crate) fn head(mut response: Response) -> Response {
    let body = std::mem::take(response.body_mut());
    if response.status() != StatusCode::NOT_MODIFIED
        && !response.headers().contains_key(CONTENT_LENGTH)
        && let Some(len) = body.size_hint().exact()
    {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    }
    response
}

/// The same answer, which no cache may repeat.
pub(crate) fn unkept(mut response: Response) -> Response {
    response.headers_mut().insert(CACHE_CONTROL, caching::NEVER);
    response
}

/// What a request asks of `len` bytes with an entity tag. A condition on another one asks for the whole
/// (RFC 9110 §13.1.5).
fn wanted(asked: &HeaderMap, etag: &str, len: u64) -> Wanted {
    let Some(range) = asked.get(RANGE) else { return Wanted::Whole };
    match asked.get(IF_RANGE) {
        Some(condition) if condition != etag => Wanted::Whole,
        _ => Wanted::parse(range.as_bytes(), len),
    }
}

fn answer<const N: usize>(
    status: StatusCode,
    headers: [(HeaderName, HeaderValue); N],
    body: Body,
) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let filled = response.headers_mut();
    // CORS, what is given, and up to three that the callers add: one allocation.
    filled.reserve(N + 5);
    filled.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    filled.insert(
        ACCESS_CONTROL_EXPOSE_HEADERS,
        HeaderValue::from_static("Content-Length, Content-Range, Date, Age, ETag, Retry-After"),
    );
    filled.extend(headers);
    response
}

/// How long it is the connection says: a header made here would be made for each answer, and copied.
fn with_body(mut response: Response, body: Bytes, sent_bytes: Counter) -> Response {
    *response.body_mut() = Body::new(Counted::new(body, sent_bytes));
    response
}

/// The bytes of `range`, not copied. What lies beyond the end is not there.
pub(crate) fn slice(bytes: &Bytes, range: Range<u64>) -> Bytes {
    let within = |at: u64| usize::try_from(at).map_or(bytes.len(), |at| at.min(bytes.len()));
    let (start, end) = (within(range.start), within(range.end));
    if start < end { bytes.slice(start..end) } else { Bytes::new() }
}
