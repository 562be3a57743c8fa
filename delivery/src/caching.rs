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

/// `Cache-Control` of a failure that says something about this server or this viewer, now.
pub(crate) const NEVER: HeaderValue = HeaderValue::from_static("no-store");

/// `Cache-Control` of what is one viewer's own.
pub(crate) const OWN: HeaderValue = HeaderValue::from_static("private, no-store");

/// Who may keep an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeper {
    /// Any cache on the way.
    Anybody,
    /// The viewer's own alone: it is of a private live.
    Viewer,
}

/// `Cache-Control` of what is served, made once.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Of playlists: as many seconds as they are good for.
    playlists: Vec<HeaderValue>,
    /// Of segments.
    pub(crate) segment: HeaderValue,
}

impl Kept {
    /// Six times the longest target duration.
    const MAX_S: u32 = 360;
    /// A blocking playlist answers one position, which soon nobody asks for.
    const BLOCKING_TARGETS: u32 = 6;

    pub(crate) fn new(by: Keeper, config: &Config) -> Self {
        let by = match by {
            Keeper::Anybody => "public",
            Keeper::Viewer => "private",
        };
        let value = |seconds| HeaderValue::try_from(format!("{by}, max-age={seconds}"));
        let segment = format!("{by}, max-age={}, immutable", config.segment_max_age_s);
        Self {
            playlists: (0..=Self::MAX_S).map_while(|seconds| value(seconds).ok()).collect(),
            segment: HeaderValue::try_from(segment).expect("letters and digits make a header"),
        }
    }

    /// A playlist as it is now: half its target duration, rounded down to whole seconds.
    pub(crate) fn plain(&self, target_duration_s: u32) -> HeaderValue {
        self.seconds(target_duration_s / 2)
    }

    /// One that was waited for until it had come to a position.
    pub(crate) fn blocking(&self, target_duration_s: u32) -> HeaderValue {
        self.seconds(target_duration_s.saturating_mul(Self::BLOCKING_TARGETS))
    }

    /// For so many seconds.
    pub(crate) fn seconds(&self, seconds: u32) -> HeaderValue {
        let at = seconds.min(Self::MAX_S) as usize;
        self.playlists.get(at).cloned().unwrap_or(NEVER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_is_kept_half_its_target_duration_and_six_at_a_position() {
        let kept = Kept::new(Keeper::Anybody, &Config::default());
        for (target_duration_s, plain, blocking) in
            [(1, 0, 6), (2, 1, 12), (5, 2, 30), (60, 30, 360)]
        {
            assert_eq!(kept.plain(target_duration_s), format!("public, max-age={plain}"));
            assert_eq!(kept.blocking(target_duration_s), format!("public, max-age={blocking}"));
        }
        assert_eq!(kept.blocking(u32::MAX), "public, max-age=360");
    }

    #[test]
    fn a_segment_is_immutable() {
        let segment = |by| Kept::new(by, &Config::default()).segment;
        assert_eq!(segment(Keeper::Anybody), "public, max-age=3600, immutable");
        assert_eq!(segment(Keeper::Viewer), "private, max-age=3600, immutable");
    }
}
