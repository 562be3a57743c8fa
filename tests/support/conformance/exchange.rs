//! One request and its answer, as a viewer saw them.

use std::time::Duration;

/// What a viewer asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// The multivariant playlist.
    Multivariant,
    /// A media playlist, with or without directives.
    Playlist,
    /// A segment.
    Segment,
    /// A partial segment, listed or hinted.
    Part,
    /// An init segment.
    Map,
}

/// One observation. Times are since the start of the run.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// What it is about.
    pub asked: Asked,
    /// Path without its query.
    pub path: String,
    /// The query, without the question mark.
    pub query: String,
    /// Whether `Accept-Encoding: gzip` was sent.
    pub gzip_welcome: bool,
    /// When the request went out.
    pub sent: Duration,
    /// When the first byte of the body came.
    pub first_byte: Duration,
    /// When the last byte of the body came.
    pub received: Duration,
    /// The status.
    pub status: u16,
    /// The headers of the answer.
    pub headers: Vec<(String, String)>,
    /// The body, out of its codings.
    pub body: Vec<u8>,
}

/// Delivery directives (rfc8216bis §6.2.5).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Directives {
    /// `_HLS_msn`.
    pub msn: Option<u64>,
    /// `_HLS_part`.
    pub part: Option<usize>,
    /// `_HLS_skip`.
    pub skip: Option<SkipAsked>,
}

/// The value of `_HLS_skip`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SkipAsked {
    /// `YES`.
    Segments,
    /// `v2`.
    SegmentsAndDateRanges,
}

impl Exchange {
    /// The first header of that name, in any case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// How long caches may keep the answer; `no-store` and `no-cache` are no time at all.
    pub fn max_age_s(&self) -> Option<u64> {
        let value = self.header("cache-control")?;
        let mut words = value.split(',').map(str::trim);
        if words.clone().any(|word| word == "no-store" || word == "no-cache") {
            return Some(0);
        }
        words.find_map(|word| word.strip_prefix("max-age="))?.parse().ok()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// What the query asks.
    pub fn directives(&self) -> Directives {
        let mut directives = Directives::default();
        for pair in self.query.split('&') {
            match pair.split_once('=') {
                Some(("_HLS_msn", value)) => directives.msn = value.parse().ok(),
                Some(("_HLS_part", value)) => directives.part = value.parse().ok(),
                Some(("_HLS_skip", "YES")) => directives.skip = Some(SkipAsked::Segments),
                Some(("_HLS_skip", "v2")) => {
                    directives.skip = Some(SkipAsked::SegmentsAndDateRanges);
                }
                _ => {}
            }
        }
        directives
    }

    /// From the request to the last byte.
    pub fn took(&self) -> Duration {
        self.received.saturating_sub(self.sent)
    }

    /// For the report.
    pub fn what(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let (sent, received) = (self.sent.as_secs_f64(), self.received.as_secs_f64());
        format!("{sent:.3}..{received:.3} s {}{query} -> {}", self.path, self.status)
    }
}

/// The path of `reference` as found in the document at `base` (RFC 3986 §5.2, without dot segments
/// beyond a leading `../`).
pub fn resolve(base: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    if let Some((_, after)) = reference.split_once("://") {
        return after.find('/').map_or_else(|| "/".to_owned(), |at| after[at..].to_owned());
    }
    let mut folder = base.rfind('/').map_or("", |at| &base[..at]);
    let mut rest = reference;
    while let Some(after) = rest.strip_prefix("../") {
        folder = folder.rfind('/').map_or("", |at| &folder[..at]);
        rest = after;
    }
    format!("{folder}/{rest}")
}

/// A URL without its query, of which every viewer may have his own.
pub fn bare(url: &str) -> &str {
    url.split_once('?').map_or(url, |(path, _)| path)
}
