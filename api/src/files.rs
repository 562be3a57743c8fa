//! Stored files over HTTP: `/media/<name>`.
//!
//! Here: whole files and ranges of them (RFC 9110 §14), who need not be sent them again, and what
//! browsers may make of them: nothing but what they are. Not here: whose they are; a name that
//! nobody can guess is what admits.

use std::{
    ops::Range,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    response::{IntoResponse, Response},
    routing::get,
};
use futures_util::TryStreamExt as _;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode,
    header::{
        ACCEPT_RANGES, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_RANGE,
        CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE,
        LAST_MODIFIED, RANGE, RETRY_AFTER, X_CONTENT_TYPE_OPTIONS,
    },
};
use storage::{Facts, ObjectName, Storage};
use tower_http::cors::{Any, CorsLayer};

/// A name never names two contents.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const NOT_KEPT: HeaderValue = HeaderValue::from_static("no-store");
/// A file that is opened by itself runs nothing, and belongs to no site.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; sandbox");
const CORP: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// When a request that found too many others may come again, in seconds.
const BUSY_RETRY_S: HeaderValue = HeaderValue::from_static("5");

/// Everything under `/media/`: for whoever has a name, from whatever page.
pub fn files(storage: Storage) -> Router {
    let cors = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::HEAD])
        .allow_headers([RANGE, IF_RANGE, IF_NONE_MATCH, IF_MODIFIED_SINCE])
        .expose_headers([ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, ETAG, LAST_MODIFIED])
        .max_age(Duration::from_secs(86_400));
    let serve = get(serve).with_state::<()>(storage);
    Router::new().route_service("/media/{name}", serve).layer(cors)
}

/// What a request is answered.
#[derive(Debug, PartialEq, Eq)]
enum Answer {
    NotModified,
    Whole,
    Part(Range<u64>),
    NoSuchPart,
}

async fn serve(
    State(storage): State<Storage>,
    Path(name): Path<String>,
    method: Method,
    asked: HeaderMap,
) -> Response {
    let Ok(name) = name.parse::<ObjectName>() else { return failed(StatusCode::NOT_FOUND) };
    let facts = match storage.head(&name).await {
        Ok(Some(facts)) => facts,
        Ok(None) => return failed(StatusCode::NOT_FOUND),
        Err(error) => {
            tracing::error!(%error, object = %name, "a file cannot be looked at");
            return failed(StatusCode::SERVICE_UNAVAILABLE);
        }
    };
    let about = About { name: &name, facts };
    let (status, range) = match about.decide(&method, &asked) {
        Answer::NotModified => return (StatusCode::NOT_MODIFIED, about.headers()).into_response(),
        Answer::NoSuchPart => {
            let range = [(CONTENT_RANGE, format!("bytes */{}", facts.size_bytes))];
            return (range, failed(StatusCode::RANGE_NOT_SATISFIABLE)).into_response();
        }
        Answer::Whole => (StatusCode::OK, 0..facts.size_bytes),
        Answer::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
    };
    let mut headers = about.headers();
    headers.insert(CONTENT_LENGTH, (range.end - range.start).into());
    if status == StatusCode::PARTIAL_CONTENT {
        let (first, last, size) = (range.start, range.end - 1, facts.size_bytes);
        set(&mut headers, CONTENT_RANGE, &format!("bytes {first}-{last}/{size}"));
    }
    if method == Method::HEAD {
        return (status, headers).into_response();
    }
    match storage.read(&name, range).await {
        Ok(pieces) => {
            let told = name.clone();
            let pieces = pieces.inspect_err(move |error| {
                tracing::error!(%error, object = %told, "a file was read in part only");
            });
            (status, headers, Body::from_stream(pieces)).into_response()
        }
        Err(storage::Error::NotFound) => failed(StatusCode::NOT_FOUND),
        Err(storage::Error::Busy) => {
            ([(RETRY_AFTER, BUSY_RETRY_S)], failed(StatusCode::SERVICE_UNAVAILABLE)).into_response()
        }
        Err(error) => {
            tracing::error!(%error, object = %name, "a file cannot be read");
            failed(StatusCode::SERVICE_UNAVAILABLE)
        }
    }
}

/// A file and what is known of it.
struct About<'a> {
    name: &'a ObjectName,
    facts: Facts,
}

impl About<'_> {
    fn headers(&self) -> HeaderMap {
        let mut headers = HeaderMap::from_iter([
            (CONTENT_TYPE, HeaderValue::from_static(self.name.kind().mime())),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (CONTENT_SECURITY_POLICY, POLICY),
            (CORP, HeaderValue::from_static("cross-origin")),
            (CACHE_CONTROL, FOREVER),
            (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        ]);
        let name = self.name.as_str();
        set(&mut headers, CONTENT_DISPOSITION, &format!("inline; filename=\"{name}\""));
        set(&mut headers, ETAG, &self.etag());
        set(&mut headers, LAST_MODIFIED, &self.modified());
        headers
    }

    fn decide(&self, method: &Method, asked: &HeaderMap) -> Answer {
        if self.is_known(asked) {
            return Answer::NotModified;
        }
        match one(asked, RANGE) {
            Some(range) if method == Method::GET && self.is_same(asked) => {
                part(range, self.facts.size_bytes)
            }
            _ => Answer::Whole,
        }
    }

    /// Whether the client has it already (RFC 9110 §13.1.2, §13.1.3).
    fn is_known(&self, asked: &HeaderMap) -> bool {
        if asked.contains_key(IF_NONE_MATCH) {
            let etag = self.etag();
            let lines = asked.get_all(IF_NONE_MATCH).iter().filter_map(|line| line.to_str().ok());
            return lines
                .flat_map(|line| line.split(','))
                .map(|known| known.trim().trim_start_matches("W/"))
                .any(|known| known == "*" || known == etag);
        }
        let since = one(asked, IF_MODIFIED_SINCE).and_then(|at| httpdate::parse_http_date(at).ok());
        since.is_some_and(|since| self.modified_at() <= since)
    }

    /// Whether a part is wanted of the very file that there is (§13.1.5).
    fn is_same(&self, asked: &HeaderMap) -> bool {
        one(asked, IF_RANGE).is_none_or(|known| known == self.etag() || known == self.modified())
    }

    /// The name, which never names two contents.
    fn etag(&self) -> String {
        format!("\"{}\"", self.name.as_str())
    }

    fn modified(&self) -> String {
        httpdate::fmt_http_date(self.modified_at())
    }

    /// HTTP knows whole seconds.
    fn modified_at(&self) -> SystemTime {
        let seconds = u64::try_from(self.facts.modified_ms.div_euclid(1000)).unwrap_or(0);
        UNIX_EPOCH + Duration::from_secs(seconds.min(u32::MAX.into()))
    }
}

/// The part that `bytes=…` asks for. Several parts at once, and what is no range, are answered by
/// the whole, as a server may (RFC 9110 §14.2).
fn part(range: &str, size: u64) -> Answer {
    let Some((first, last)) = range.strip_prefix("bytes=").and_then(|spec| spec.split_once('-'))
    else {
        return Answer::Whole;
    };
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| text.parse().unwrap_or(u64::MAX))
    };
    let (first, last) = (first.trim(), last.trim());
    let range = match (number(first), number(last)) {
        // The last so many bytes.
        (None, Some(count)) if first.is_empty() => size.saturating_sub(count)..size,
        (Some(first), None) if last.is_empty() => first..size,
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        _ => return Answer::Whole,
    };
    if range.start < range.end { Answer::Part(range) } else { Answer::NoSuchPart }
}

/// The value of a header that came once and is text.
fn one(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then_some(value)
}

fn set(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

fn failed(status: StatusCode) -> Response {
    let headers = [
        (CACHE_CONTROL, NOT_KEPT),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONTENT_SECURITY_POLICY, POLICY),
    ];
    (status, headers).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_was_asked_for_within_the_file() {
        for (range, found) in [
            ("bytes=0-0", 0..1),
            ("bytes=2-4", 2..5),
            ("bytes=2-", 2..10),
            ("bytes=2-99999999999999999999999", 2..10),
            ("bytes=-3", 7..10),
            ("bytes=-99", 0..10),
        ] {
            assert_eq!(part(range, 10), Answer::Part(found), "{range}");
        }
    }

    #[test]
    fn a_part_outside_the_file_is_refused() {
        for range in ["bytes=10-", "bytes=10-12", "bytes=-0", "bytes=99999999999999999999999-"] {
            assert_eq!(part(range, 10), Answer::NoSuchPart, "{range}");
        }
    }

    #[test]
    fn what_is_no_range_or_several_is_answered_by_the_whole() {
        for range in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "items=0-1",
            "bytes=a-b",
            "bytes=4-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "bytes=0x1-2",
            "bytes=1--2",
        ] {
            assert_eq!(part(range, 10), Answer::Whole, "{range}");
        }
    }
}
