//! What a viewer's request headers ask for.
//!
//! Here: pure readers of `Range`, `Accept-Encoding` and `If-None-Match` (RFC 9110). Not here: what
//! is answered.

use std::ops::Range;

use http::{
    HeaderMap,
    header::{ACCEPT_ENCODING, IF_NONE_MATCH},
};

/// What of a body a `Range` header asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// All of it: no range, one we do not understand, or several.
    Whole,
    /// These bytes; never empty, always inside the body.
    Part(Range<u64>),
    /// Bytes the body does not have: 416.
    Nothing,
}

impl Wanted {
    /// Reads a `Range` header (RFC 9110 §14.2) for a body of `len` bytes.
    ///
    /// A malformed header or another unit than bytes is ignored, as the RFC asks. Several ranges are
    /// answered with the whole, as it allows: no player sends them.
    pub fn parse(header: &[u8], len: u64) -> Self {
        Self::parse_bytes_range(header, len).unwrap_or(Self::Whole)
    }

    fn parse_bytes_range(header: &[u8], len: u64) -> Option<Self> {
        let (unit, ranges) = std::str::from_utf8(header).ok()?.split_once('=')?;
        if !unit.trim().eq_ignore_ascii_case("bytes") {
            return None;
        }
        let (first, last) = ranges.split_once('-')?;
        let (first, last) = (first.trim(), last.trim());
        if first.is_empty() {
            let suffix_len = position(last)?.min(len);
            return Some(Self::between(len - suffix_len, len));
        }
        let first = position(first)?;
        let end = if last.is_empty() {
            len
        } else {
            let last = position(last)?;
            if last < first {
                return None;
            }
            last.saturating_add(1).min(len)
        };
        Some(Self::between(first, end))
    }

    fn between(start: u64, end: u64) -> Self {
        if start < end { Self::Part(start..end) } else { Self::Nothing }
    }
}

/// A decimal number. One too large for a `u64` is beyond any body all the same.
fn position(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

/// Whether a gzip body is welcome (RFC 9110 §12.5.3): named with a weight above zero, or covered by
/// `*`, and not less welcome than the plain one.
pub fn accepts_gzip(headers: &HeaderMap) -> bool {
    let (mut gzip, mut identity, mut any) = (None, None, None);
    for coding in headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
    {
        let mut fields = coding.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let name = fields.next().unwrap_or_default();
        let weight = fields.find_map(weight_thousandths).unwrap_or(1000);
        let slot = match name {
            _ if name.eq_ignore_ascii_case(b"gzip") || name.eq_ignore_ascii_case(b"x-gzip") => {
                &mut gzip
            }
            _ if name.eq_ignore_ascii_case(b"identity") => &mut identity,
            b"*" => &mut any,
            _ => continue,
        };
        *slot = Some(weight);
    }
    let gzip = gzip.or(any).unwrap_or(0);
    gzip > 0 && gzip >= identity.unwrap_or(0)
}

/// `q=0.5` as 500. `None` for another parameter; a weight that cannot be read counts as zero.
fn weight_thousandths(parameter: &[u8]) -> Option<u32> {
    let weight = parameter.strip_prefix(b"q=").or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, fraction) = match weight.iter().position(|&b| b == b'.') {
        Some(dot) => weight.split_at(dot),
        None => (weight, &b"."[..]),
    };
    let fraction = fraction.get(1..).unwrap_or_default();
    if fraction.len() > 3 || !fraction.iter().all(u8::is_ascii_digit) {
        return Some(0);
    }
    Some(match whole {
        b"1" => 1000,
        b"0" => fraction
            .iter()
            .zip([100, 10, 1])
            .map(|(digit, place)| u32::from(digit - b'0') * place)
            .sum(),
        _ => 0,
    })
}

/// Whether the client holds the representation with this entity tag (RFC 9110 §13.1.2, weak
/// comparison).
pub fn holds(headers: &HeaderMap, etag: &[u8]) -> bool {
    let etag = opaque(etag);
    headers
        .get_all(IF_NONE_MATCH)
        .iter()
        // Our entity tags hold no comma.
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .map(<[u8]>::trim_ascii)
        .any(|candidate| candidate == b"*" || opaque(candidate) == etag)
}

fn opaque(etag: &[u8]) -> &[u8] {
    etag.strip_prefix(b"W/").unwrap_or(etag)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        for (header, wanted) in [
            ("bytes=0-0", Wanted::Part(0..1)),
            ("bytes=0-", Wanted::Part(0..100)),
            ("bytes=10-19", Wanted::Part(10..20)),
            ("Bytes = 10 - 19", Wanted::Part(10..20)),
            ("bytes=90-1000", Wanted::Part(90..100)),
            ("bytes=90-99999999999999999999999", Wanted::Part(90..100)),
            ("bytes=-1", Wanted::Part(99..100)),
            ("bytes=-1000", Wanted::Part(0..100)),
            ("bytes=-0", Wanted::Nothing),
            ("bytes=100-", Wanted::Nothing),
            ("bytes=100-200", Wanted::Nothing),
            ("bytes=99999999999999999999999-", Wanted::Nothing),
            ("bytes=5-4", Wanted::Whole),
            ("bytes=-", Wanted::Whole),
            ("bytes=", Wanted::Whole),
            ("bytes", Wanted::Whole),
            ("bytes=a-b", Wanted::Whole),
            ("bytes=+1-2", Wanted::Whole),
            ("bytes=0-1,3-4", Wanted::Whole),
            ("seconds=0-1", Wanted::Whole),
        ] {
            assert_eq!(Wanted::parse(header.as_bytes(), 100), wanted, "{header}");
        }
    }

    #[test]
    fn gzip_is_sent_only_where_it_is_welcome() {
        for (accept, welcome) in [
            ("gzip", true),
            ("GZIP", true),
            ("x-gzip", true),
            ("gzip, deflate, br", true),
            ("br;q=1.0, gzip;q=0.001", true),
            ("*", true),
            ("gzip;q=1.000", true),
            ("gzip ; q=0.5", true),
            ("deflate, *;q=0.5", true),
            ("", false),
            ("br", false),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=0, *", false),
            ("*;q=0", false),
            ("identity", false),
            ("gzip;q=0.5, identity", false),
            ("gzip;q=nonsense", false),
            ("gzipped", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(accept));
            assert_eq!(accepts_gzip(&headers), welcome, "{accept}");
        }
        assert!(!accepts_gzip(&HeaderMap::new()));
    }

    #[test]
    fn an_entity_tag_matches_weakly_and_anywhere_in_the_list() {
        for (header, held) in [
            ("W/\"a.1\"", true),
            ("\"a.1\"", true),
            ("\"x\", W/\"a.1\"", true),
            ("*", true),
            ("\"a.2\"", false),
            ("a.1", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_static(header));
            assert_eq!(holds(&headers, b"W/\"a.1\""), held, "{header}");
        }
    }

    proptest! {
        #[test]
        fn a_part_is_never_empty_and_always_inside(header in "bytes=[0-9]{0,22}-[0-9]{0,22}", len: u64) {
            if let Wanted::Part(range) = Wanted::parse(header.as_bytes(), len) {
                prop_assert!(range.start < range.end && range.end <= len);
            }
        }

        #[test]
        fn no_header_panics(header: Vec<u8>, len: u64) {
            let _ = Wanted::parse(&header, len);
            if let Ok(value) = HeaderValue::from_bytes(&header) {
                let mut headers = HeaderMap::new();
                headers.insert(ACCEPT_ENCODING, value.clone());
                headers.insert(IF_NONE_MATCH, value);
                let _ = (accepts_gzip(&headers), holds(&headers, b"W/\"a.1\""));
            }
        }
    }
}
