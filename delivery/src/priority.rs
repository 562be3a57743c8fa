//! How urgent an answer is (RFC 9218).
//!
//! Here: what each kind of thing deserves, what the client asks for, and what intermediaries are
//! told. Not here: who gives way to whom on a connection (`turns`).
//!
//! The low-latency server profile wants playlists at urgency 1 and media between 2 and 6
//! (rfc8216bis appendix B): a player that learns late of a part fetches it late.

use axum::{body::Body, response::Response};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, request::Parts};

use crate::{
    metrics::Kind,
    turns::{Paced, Turns},
};

const PRIORITY: HeaderName = HeaderName::from_static("priority");

/// From 0, the most urgent, to 7 (RFC 9218 §4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Urgency(u8);

impl Urgency {
    const LEAST: u8 = 7;

    #[cfg(test)]
    pub(crate) fn new(urgency: u8) -> Self {
        Self(urgency)
    }

    /// What a kind of thing deserves, and how it is said.
    fn of(kind: Kind) -> Option<(Self, HeaderValue)> {
        match kind {
            Kind::Multivariant | Kind::Media => Some((Self(1), HeaderValue::from_static("u=1"))),
            Kind::Init => Some((Self(2), HeaderValue::from_static("u=2"))),
            Kind::Part => Some((Self(2), HeaderValue::from_static("u=2"))),
            Kind::Segment => Some((Self(3), HeaderValue::from_static("u=3"))),
            // A live cannot wait, and what is over can.
            Kind::Recording => Some((Self(4), HeaderValue::from_static("u=4"))),
            Kind::Picture => Some((Self(5), HeaderValue::from_static("u=5"))),
            Kind::Other => None,
        }
    }

    /// What the client asks for. What cannot be read is not there (RFC 9218 §4).
    fn asked(headers: &HeaderMap) -> Option<Self> {
        let members =
            headers.get_all(PRIORITY).iter().flat_map(|v| v.as_bytes().split(|&b| b == b','));
        // The last of several counts (RFC 8941 §3.2).
        members.filter_map(|member| Self::member(member.trim_ascii())).next_back()
    }

    fn member(member: &[u8]) -> Option<Self> {
        let value = member.strip_prefix(b"u=")?.split(|&b| b == b';').next()?;
        let [digit @ b'0'..=b'9'] = value.trim_ascii_end() else { return None };
        let urgency = digit - b'0';
        (urgency <= Self::LEAST).then_some(Self(urgency))
    }
}

/// Tells intermediaries how urgent `response` is and, on a connection that carries several answers,
/// has it give way to more urgent ones.
///
/// The client may call something less urgent than we do, such as a segment fetched ahead. It cannot
/// make it more urgent: browsers ask for playlists and segments alike, with `u=1`.
pub(crate) fn apply(kind: Kind, asked: &Parts, mut response: Response) -> Response {
    let is_told = response.status().is_success() || response.status() == StatusCode::NOT_MODIFIED;
    let Some((deserved, said)) = Urgency::of(kind).filter(|_| is_told) else { return response };
    response.headers_mut().insert(PRIORITY, said);
    let Some(turns) = asked.extensions.get::<Turns>() else { return response };
    let urgency = Urgency::asked(&asked.headers).map_or(deserved, |asked| asked.max(deserved));
    let turn = turns.turn(urgency);
    response.map(|body| Body::new(Paced::new(body, turn)))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt as _;

    use super::*;

    fn asked(values: &[&'static str]) -> Option<u8> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(PRIORITY, HeaderValue::from_static(value));
        }
        Urgency::asked(&headers).map(|Urgency(urgency)| urgency)
    }

    #[test]
    fn the_urgency_asked_for_is_read_as_rfc_9218_says() {
        for (value, urgency) in [
            ("u=0", Some(0)),
            ("u=7, i", Some(7)),
            ("i, u=2", Some(2)),
            ("i,u=2;x=1", Some(2)),
            ("u=1, u=5", Some(5)),
            ("i", None),
            ("", None),
            ("u=8", None),
            ("u=-1", None),
            ("u=10", None),
            ("u=a", None),
            ("u", None),
            ("U=1", None),
        ] {
            assert_eq!(asked(&[value]), urgency, "{value}");
        }
        assert_eq!(asked(&["u=1", "u=4"]), Some(4), "several headers are one list");
        assert_eq!(asked(&[]), None);
    }

    const BYTES: usize = 100_000;

    /// An answer to a request of such a connection, its header and its first frame's length.
    async fn answered(kind: Kind, status: StatusCode, turns: Option<Turns>) -> (String, usize) {
        let mut request = http::Request::new(());
        if let Some(turns) = turns {
            request.extensions_mut().insert(turns);
        }
        let mut response = Response::new(Body::from(vec![0; BYTES]));
        *response.status_mut() = status;
        let response = apply(kind, &request.into_parts().0, response);
        let said = response.headers().get(PRIORITY).map(|said| said.to_str().unwrap().to_owned());
        let frame = response.into_body().frame().await.unwrap().unwrap();
        (said.unwrap_or_default(), frame.into_data().unwrap().len())
    }

    #[tokio::test]
    async fn without_other_answers_beside_it_a_body_leaves_whole() {
        let alone = answered(Kind::Segment, StatusCode::OK, None).await;
        assert_eq!(alone, ("u=3".to_owned(), BYTES));
        let (_, frame) = answered(Kind::Segment, StatusCode::OK, Some(Turns::default())).await;
        assert!(frame < BYTES);
    }

    #[tokio::test]
    async fn every_kind_says_how_urgent_it_is_unless_it_failed() {
        for (kind, status, said) in [
            (Kind::Multivariant, StatusCode::OK, "u=1"),
            (Kind::Media, StatusCode::OK, "u=1"),
            (Kind::Media, StatusCode::NOT_MODIFIED, "u=1"),
            (Kind::Init, StatusCode::OK, "u=2"),
            (Kind::Segment, StatusCode::PARTIAL_CONTENT, "u=3"),
            (Kind::Segment, StatusCode::NOT_FOUND, ""),
            (Kind::Other, StatusCode::OK, ""),
        ] {
            assert_eq!(answered(kind, status, None).await.0, said, "{kind:?} {status}");
        }
    }
}
