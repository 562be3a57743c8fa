//! How long an answer may be kept (rfc8216bis appendix B).
//!
//! A playlist: half a target duration, or six if its URL names a position. A failure: a second, which is at most one target duration
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

/// `Cache-Control` of what is one viewer's own.
pub(crate) const OWN: HeaderValue = HeaderValue::from_static("private, no-store");

/// `Cache-Control` of playlists: as many seconds as they are good for.
#[derive(Debug)]
pub(crate) struct MaxAge(Vec<HeaderValue>);

impl MaxAge {
    /// Six times the longest target duration.
    const MAX_S: u32 = 360;
    /// A blocking playlist answers one position, which soon nobody asks for.
    const BLOCKING_TARGETS: u32 = 6;

    pub(crate) fn new() -> Self {
        let value = |seconds| HeaderValue::try_from(format!("public, max-age={seconds}"));
        Self((0..=Self::MAX_S).map_while(|seconds| value(seconds).ok()).collect())
    }

    /// A playlist as it is now: half its target duration, rounded down to whole seconds.
    pub(crate) fn plain(&self, target_duration_s: u32) -> HeaderValue {
        self.seconds(target_duration_s / 2)
    }

    /// One that was waited for until it had come to a position.
    pub(crate) fn blocking(&self, target_duration_s: u32) -> HeaderValue {
        self.seconds(target_duration_s.saturating_mul(Self::BLOCKING_TARGETS))
    }

    fn seconds(&self, seconds: u32) -> HeaderValue {
        let at = seconds.min(Self::MAX_S) as usize;
        self.0.get(at).cloned().unwrap_or(NEVER)
    }
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
    fn a_playlist_is_kept_half_its_target_duration_and_six_at_a_position() {
        let max_age = MaxAge::new();
        for (target_duration_s, plain, blocking) in
            [(1, 0, 6), (2, 1, 12), (5, 2, 30), (60, 30, 360)]
        {
            assert_eq!(max_age.plain(target_duration_s), format!("public, max-age={plain}"));
            assert_eq!(max_age.blocking(target_duration_s), format!("public, max-age={blocking}"));
        }
        assert_eq!(max_age.blocking(u32::MAX), "public, max-age=360");
    }

    #[test]
    fn a_segment_is_immutable() {
        assert_eq!(segment(&Config::default()), "public, max-age=3600, immutable");
    }
}
