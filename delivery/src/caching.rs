//! How long an answer may be kept (rfc8216bis appendix B).
//!
//! A playlist: half a target duration. A failure: a second, which is at most one target duration
//! whatever that is; a segment asked for a moment too early exists a moment later. A segment: see
//! [`Config::segment_max_age_s`].

use http::HeaderValue;

use crate::Config;

/// The entity tag of everything whose URL never names two contents. A tag has to tell apart the
/// representations of one URL only (RFC 9110 §8.8.3), and there is one.
pub(crate) const IMMUTABLE_ETAG: &str = "\"1\"";

/// `Cache-Control` of a failure that may pass.
pub(crate) const FAILURE: HeaderValue = HeaderValue::from_static("public, max-age=1");

/// `Cache-Control` of a failure that says something about this server, now.
pub(crate) const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// `Cache-Control` of a playlist: half its target duration, rounded down to whole seconds.
pub(crate) fn playlist(target_duration_s: u32) -> HeaderValue {
    HeaderValue::from_static(match target_duration_s {
        0..2 => "public, max-age=0",
        2..4 => "public, max-age=1",
        4..6 => "public, max-age=2",
        6..8 => "public, max-age=3",
        8..10 => "public, max-age=4",
        10.. => "public, max-age=5",
    })
}

/// `Cache-Control` of a segment.
pub(crate) fn segment(config: &Config) -> HeaderValue {
    HeaderValue::try_from(format!("public, max-age={}, immutable", config.segment_max_age_s))
        .expect("letters and digits make a header")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_is_never_kept_longer_than_half_its_target_duration() {
        for target_duration_s in 0..30 {
            let value = playlist(target_duration_s);
            let seconds = value.to_str().unwrap().strip_prefix("public, max-age=").unwrap();
            assert!(seconds.parse::<u32>().unwrap() * 2 <= target_duration_s);
        }
    }

    #[test]
    fn a_segment_is_immutable() {
        assert_eq!(segment(&Config::default()), "public, max-age=3600, immutable");
    }
}
