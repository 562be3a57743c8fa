//! What a URL under `/hls/` names.
//!
//! Here: the one grammar of media URLs, a pure function of the path. Not here: whether the thing
//! exists. Every URL has one spelling: a number with leading zeros or an escaped letter names nothing,
//! so that a cache never holds the same bytes twice.

use media::id::PlaybackName;
use packager::Container;

/// The resource that a path names. Borrows from the path; allocates nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPath<'a> {
    /// `/hls/{name}.m3u8`, `/hls/{name}-ts.m3u8`: the multivariant playlist.
    Multivariant {
        /// Playback name.
        name: &'a str,
        /// What its renditions are made of.
        container: Container,
    },
    /// `/hls/{name}/{epoch}/source.m3u8`, `source-ts.m3u8`: the media playlist.
    Media {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// What its segments are made of.
        container: Container,
    },
    /// `/hls/{name}/{epoch}/init-{id}.mp4`: an init segment.
    Init {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// Which configuration of the tracks.
        id: u32,
    },
    /// `/hls/{name}/{epoch}/{msn}.m4s`, `{msn}.ts`: a segment.
    Segment {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// Media Sequence Number.
        msn: u64,
        /// What it is made of.
        container: Container,
    },
}

impl<'a> MediaPath<'a> {
    /// Longest path worth reading: a name, an epoch and a number with room to spare.
    pub const MAX_LEN: usize = 160;

    /// Longest epoch accepted; ours have eight characters.
    const MAX_EPOCH_LEN: usize = 16;

    /// Reads the path of a URL, query string already removed. `None` when it names nothing of ours.
    ///
    /// Names and epochs are lowercase letters and digits, so none can climb out of anything.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path.len() > Self::MAX_LEN {
            return None;
        }
        let path = path.strip_prefix("/hls/")?;
        let Some((name, rest)) = path.split_once('/') else {
            let (name, container) = playlist_stem(path)?;
            return is_word(name, PlaybackName::MAX_LEN)
                .then_some(Self::Multivariant { name, container });
        };
        let (epoch, file) = rest.split_once('/')?;
        if !is_word(name, PlaybackName::MAX_LEN) || !is_word(epoch, Self::MAX_EPOCH_LEN) {
            return None;
        }
        if let Some(msn) = file.strip_suffix(".m4s") {
            return Some(Self::Segment {
                name,
                epoch,
                msn: number(msn)?,
                container: Container::Fmp4,
            });
        }
        if let Some(msn) = file.strip_suffix(".ts") {
            return Some(Self::Segment {
                name,
                epoch,
                msn: number(msn)?,
                container: Container::Ts,
            });
        }
        if let Some(id) = file.strip_prefix("init-").and_then(|file| file.strip_suffix(".mp4")) {
            let id = u32::try_from(number(id)?).ok()?;
            return Some(Self::Init { name, epoch, id });
        }
        match playlist_stem(file)? {
            ("source", container) => Some(Self::Media { name, epoch, container }),
            _ => None,
        }
    }

    /// The playback name in it.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Multivariant { name, .. }
            | Self::Media { name, .. }
            | Self::Init { name, .. }
            | Self::Segment { name, .. } => name,
        }
    }

    /// The epoch in it; the multivariant playlist has none.
    pub fn epoch(&self) -> Option<&'a str> {
        match self {
            Self::Multivariant { .. } => None,
            Self::Media { epoch, .. } | Self::Init { epoch, .. } | Self::Segment { epoch, .. } => {
                Some(epoch)
            }
        }
    }
}

/// `x.m3u8` or `x-ts.m3u8`: what `x` is, and which container it means.
fn playlist_stem(file: &str) -> Option<(&str, Container)> {
    let stem = file.strip_suffix(".m3u8")?;
    Some(match stem.strip_suffix("-ts") {
        Some(stem) => (stem, Container::Ts),
        None => (stem, Container::Fmp4),
    })
}

fn is_word(text: &str, max_len: usize) -> bool {
    !text.is_empty()
        && text.len() <= max_len
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// A decimal number in its one spelling.
fn number(text: &str) -> Option<u64> {
    let canonical = text == "0" || !text.starts_with('0');
    // `parse` would take a leading `+`.
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    if canonical && digits { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_media_url_is_understood() {
        let (name, epoch) = ("abc234", "e9");
        let read = MediaPath::parse;
        let multivariant = |container| Some(MediaPath::Multivariant { name, container });
        assert_eq!(read("/hls/abc234.m3u8"), multivariant(Container::Fmp4));
        assert_eq!(read("/hls/abc234-ts.m3u8"), multivariant(Container::Ts));
        let media = |container| Some(MediaPath::Media { name, epoch, container });
        assert_eq!(read("/hls/abc234/e9/source.m3u8"), media(Container::Fmp4));
        assert_eq!(read("/hls/abc234/e9/source-ts.m3u8"), media(Container::Ts));
        let init = Some(MediaPath::Init { name, epoch, id: 3 });
        assert_eq!(read("/hls/abc234/e9/init-3.mp4"), init);
        let segment = |msn, container| Some(MediaPath::Segment { name, epoch, msn, container });
        assert_eq!(read("/hls/abc234/e9/0.m4s"), segment(0, Container::Fmp4));
        assert_eq!(read("/hls/abc234/e9/17.ts"), segment(17, Container::Ts));
    }

    #[test]
    fn what_is_not_a_media_url_names_nothing() {
        for path in [
            "",
            "/",
            "/hls",
            "/hls/",
            "/hls/.m3u8",
            "/hls/-ts.m3u8",
            "/hls/A.m3u8",
            "/hls/a-b.m3u8",
            "/hls/a-ts-ts.m3u8",
            "/hls/a.m3u8/",
            "/hls//e/1.ts",
            "/hls/a//1.ts",
            "/hls/a/e/",
            "/hls/a/e/.ts",
            "/hls/a/e/01.ts",
            "/hls/a/e/+1.ts",
            "/hls/a/e/-1.ts",
            "/hls/a/e/18446744073709551616.ts",
            "/hls/a/e/init-4294967296.mp4",
            "/hls/a/e/init-.mp4",
            "/hls/a/e/other.m3u8",
            "/hls/a/e/x/1.ts",
            "/hls/../e/1.ts",
            "/hls/%61.m3u8",
            "/vod/a.m3u8",
        ] {
            assert_eq!(MediaPath::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn a_segment_url_has_one_spelling(msn: u64) {
            let path = format!("/hls/a/e/{msn}.m4s");
            let segment =
                MediaPath::Segment { name: "a", epoch: "e", msn, container: Container::Fmp4 };
            prop_assert_eq!(MediaPath::parse(&path), Some(segment));
            let padded = format!("/hls/a/e/0{msn}.m4s");
            prop_assert_eq!(MediaPath::parse(&padded), None);
        }

        #[test]
        fn no_path_panics(path in "(/hls/)?[a-z0-9/.\\-é]{0,40}(\\.m3u8|\\.ts|\\.m4s|\\.mp4)?") {
            if let Some(path) = MediaPath::parse(&path) {
                prop_assert!(path.name().parse::<PlaybackName>().is_ok());
            }
        }
    }
}
