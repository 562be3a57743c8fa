//! What a URL under `/hls/` names.
//!
//! Here: the one grammar of media URLs, a pure function of the path. Not here: whether the thing
//! exists. Every URL has one spelling: a number with leading zeros or an escaped letter names nothing,
//! so that a cache never holds the same bytes twice.

use media::{SoundNumber, id::PlaybackName};
use packager::{Rendition, rewind};

use crate::Ticket;

/// The resource that a path names. Borrows from the path; allocates nothing.
///
/// Of a private live everything below the epoch stands in a folder that is called like a ticket:
/// `/hls/{name}/{epoch}/{ticket}/source.m3u8`. What a playlist there names is then asked for under the same
/// ticket, though the text is the same for all. The multivariant playlist has it in its query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaPath<'a> {
    /// `/hls/{name}.m3u8`, `/hls/{name}-ts.m3u8`, `/hls/{name}-audio.m3u8`: the multivariant playlist.
    Multivariant {
        /// Playback name.
        name: &'a str,
        /// The rendition it offers first.
        rendition: Rendition,
    },
    /// `/hls/{name}-rewind.m3u8`, `/hls/{name}-audio-rewind.m3u8`: the multivariant playlist of what viewers may go
    /// back to.
    Rewind {
        /// Playback name.
        name: &'a str,
        /// The rendition it offers first.
        rendition: Rendition,
    },
    /// `/hls/{name}/{epoch}/source-rewind.m3u8`, `video-rewind.m3u8`, `audio-rewind.m3u8`,
    /// `audio-2-rewind.m3u8`: a media playlist of it.
    RewindMedia {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// The ticket for a private live.
        ticket: Option<&'a str>,
        /// What it lists.
        rendition: Rendition,
    },
    /// `/hls/{name}/{epoch}/source.m3u8`, `source-ts.m3u8`, `video.m3u8`, `audio.m3u8`,
    /// `audio-2.m3u8`: a media playlist. Sounds are counted from one, and the first has no number.
    Media {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// The ticket for a private live.
        ticket: Option<&'a str>,
        /// What it lists.
        rendition: Rendition,
    },
    /// `/hls/{name}/{epoch}/init-{id}.mp4`, `video-init-{id}.mp4`, `audio-init-{id}.mp4`,
    /// `audio-2-init-{id}.mp4`: an init segment.
    Init {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// The ticket for a private live.
        ticket: Option<&'a str>,
        /// Of which rendition.
        rendition: Rendition,
        /// Which configuration of the tracks.
        id: u32,
    },
    /// `/hls/{name}/{epoch}/{number}.m4s`, `{number}.ts`, `video-{number}.m4s`, `audio-{number}.m4s`,
    /// `audio-2-{number}.m4s`: a segment.
    Segment {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// The ticket for a private live.
        ticket: Option<&'a str>,
        /// Of which rendition.
        rendition: Rendition,
        /// What it is called; see [`packager::Numbers`].
        number: u64,
    },
    /// `/hls/{name}/{epoch}/{number}.{index}.m4s`, `video-{number}.{index}.m4s`,
    /// `audio-{number}.{index}.m4s`, `audio-2-{number}.{index}.m4s`: a part.
    Part {
        /// Playback name.
        name: &'a str,
        /// Which run of the packager.
        epoch: &'a str,
        /// The ticket for a private live.
        ticket: Option<&'a str>,
        /// Of which rendition.
        rendition: Rendition,
        /// What its segment is called.
        number: u64,
        /// Its place there, from 0.
        index: u32,
    },
}

impl<'a> MediaPath<'a> {
    /// Longest path worth reading: a name, an epoch, a ticket and two numbers with room to spare.
    pub const MAX_LEN: usize = 192;

    /// Longest epoch accepted; ours have eight characters.
    pub(crate) const MAX_EPOCH_LEN: usize = 16;

    /// Reads the path of a URL, query string already removed. `None` when it names nothing of ours.
    ///
    /// Names and epochs are lowercase letters and digits, so none can climb out of anything.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path.len() > Self::MAX_LEN {
            return None;
        }
        let path = path.strip_prefix("/hls/")?;
        let Some((name, rest)) = path.split_once('/') else {
            let stem = path.strip_suffix(".m3u8")?;
            let (name, rendition, is_rewind) = match stem.split_once('-') {
                None => (stem, Rendition::Source, false),
                Some((name, "ts")) => (name, Rendition::SourceTs, false),
                Some((name, "audio")) => (name, Rendition::SOUND, false),
                Some((name, "rewind")) => (name, Rendition::Source, true),
                Some((name, "audio-rewind")) => (name, Rendition::SOUND, true),
                Some(_) => return None,
            };
            return is_word(name, PlaybackName::MAX_LEN).then_some(match is_rewind {
                true => Self::Rewind { name, rendition },
                false => Self::Multivariant { name, rendition },
            });
        };
        let (epoch, rest) = rest.split_once('/')?;
        let (ticket, file) = match rest.split_once('/') {
            Some((ticket, file)) => (Some(ticket), file),
            None => (None, rest),
        };
        if !is_word(name, PlaybackName::MAX_LEN) || !is_word(epoch, Self::MAX_EPOCH_LEN) {
            return None;
        }
        if ticket.is_some_and(|ticket| Ticket::parse(ticket).is_none()) {
            return None;
        }
        Self::file(name, epoch, ticket, file)
    }

    /// What a file below an epoch is.
    pub(crate) fn file(
        name: &'a str,
        epoch: &'a str,
        ticket: Option<&'a str>,
        file: &'a str,
    ) -> Option<Self> {
        if let Some(stem) = file.strip_suffix(rewind::SUFFIX) {
            let rendition = Self::rendition_of(stem).filter(|it| *it != Rendition::SourceTs)?;
            return Some(Self::RewindMedia { name, epoch, ticket, rendition });
        }
        if file.ends_with(".m3u8") {
            let rendition = Self::playlist(file)?;
            return Some(Self::Media { name, epoch, ticket, rendition });
        }
        if let Some(number) = file.strip_suffix(".ts") {
            let (rendition, number) = (Rendition::SourceTs, self::number(number)?);
            return Some(Self::Segment { name, epoch, ticket, rendition, number });
        }
        let (rendition, file) = of_one_track(file);
        if let Some(id) = file.strip_prefix("init-") {
            let id = small_number(id.strip_suffix(".mp4")?)?;
            return Some(Self::Init { name, epoch, ticket, rendition, id });
        }
        let numbers = file.strip_suffix(".m4s")?;
        Some(match numbers.split_once('.') {
            None => {
                let number = number(numbers)?;
                Self::Segment { name, epoch, ticket, rendition, number }
            }
            Some((number, index)) => {
                let (number, index) = (self::number(number)?, small_number(index)?);
                Self::Part { name, epoch, ticket, rendition, number, index }
            }
        })
    }

    /// The rendition whose media playlist a file is.
    pub(crate) fn playlist(file: &str) -> Option<Rendition> {
        Self::rendition_of(file.strip_suffix(".m3u8")?)
    }

    /// The rendition that a media playlist is called after.
    fn rendition_of(stem: &str) -> Option<Rendition> {
        Some(match stem {
            "source" => Rendition::Source,
            "source-ts" => Rendition::SourceTs,
            "video" => Rendition::Video,
            "audio" => Rendition::SOUND,
            other => Rendition::Audio(sound_number(other.strip_prefix("audio-")?)?),
        })
    }

    /// The playback name in it.
    pub fn name(&self) -> &'a str {
        match self {
            Self::Multivariant { name, .. }
            | Self::Rewind { name, .. }
            | Self::RewindMedia { name, .. }
            | Self::Media { name, .. }
            | Self::Init { name, .. }
            | Self::Segment { name, .. }
            | Self::Part { name, .. } => name,
        }
    }

    /// The rendition it is of.
    pub fn rendition(&self) -> Rendition {
        match self {
            Self::Multivariant { rendition, .. }
            | Self::Rewind { rendition, .. }
            | Self::RewindMedia { rendition, .. }
            | Self::Media { rendition, .. }
            | Self::Init { rendition, .. }
            | Self::Segment { rendition, .. }
            | Self::Part { rendition, .. } => *rendition,
        }
    }

    /// The epoch in it; multivariant playlists have none.
    pub fn epoch(&self) -> Option<&'a str> {
        match self {
            Self::Multivariant { .. } | Self::Rewind { .. } => None,
            Self::RewindMedia { epoch, .. }
            | Self::Media { epoch, .. }
            | Self::Init { epoch, .. }
            | Self::Segment { epoch, .. }
            | Self::Part { epoch, .. } => Some(epoch),
        }
    }

    /// The ticket in it, of whatever worth.
    pub fn ticket(&self) -> Option<&'a str> {
        match self {
            Self::Multivariant { .. } | Self::Rewind { .. } => None,
            Self::RewindMedia { ticket, .. }
            | Self::Media { ticket, .. }
            | Self::Init { ticket, .. }
            | Self::Segment { ticket, .. }
            | Self::Part { ticket, .. } => *ticket,
        }
    }
}

/// The rendition that the name of a file of fMP4 begins with, and what is left of the name.
fn of_one_track(file: &str) -> (Rendition, &str) {
    if let Some(file) = file.strip_prefix("video-") {
        return (Rendition::Video, file);
    }
    let Some(file) = file.strip_prefix("audio-") else { return (Rendition::Source, file) };
    let numbered = file
        .split_once('-')
        .and_then(|(number, file)| Some((Rendition::Audio(sound_number(number)?), file)));
    numbered.unwrap_or((Rendition::SOUND, file))
}

/// The number of a sound beside the first.
fn sound_number(text: &str) -> Option<SoundNumber> {
    let index = number(text)?.checked_sub(1).filter(|index| *index > 0)?;
    SoundNumber::new(u8::try_from(index).ok()?)
}

pub(crate) fn is_word(text: &str, max_len: usize) -> bool {
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

fn small_number(text: &str) -> Option<u32> {
    u32::try_from(number(text)?).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_media_url_is_understood() {
        let (name, epoch, ticket) = ("abc234", "e9", None);
        let read = MediaPath::parse;
        let multivariant = |rendition| Some(MediaPath::Multivariant { name, rendition });
        assert_eq!(read("/hls/abc234.m3u8"), multivariant(Rendition::Source));
        assert_eq!(read("/hls/abc234-ts.m3u8"), multivariant(Rendition::SourceTs));
        assert_eq!(read("/hls/abc234-audio.m3u8"), multivariant(Rendition::SOUND));
        let rewind = |rendition| Some(MediaPath::Rewind { name, rendition });
        assert_eq!(read("/hls/abc234-rewind.m3u8"), rewind(Rendition::Source));
        assert_eq!(read("/hls/abc234-audio-rewind.m3u8"), rewind(Rendition::SOUND));
        let rewound = |rendition| Some(MediaPath::RewindMedia { name, epoch, ticket, rendition });
        for (rendition, path) in [
            (Rendition::Source, "/hls/abc234/e9/source-rewind.m3u8"),
            (Rendition::Video, "/hls/abc234/e9/video-rewind.m3u8"),
            (Rendition::SOUND, "/hls/abc234/e9/audio-rewind.m3u8"),
            (Rendition::Audio(SoundNumber::new(1).unwrap()), "/hls/abc234/e9/audio-2-rewind.m3u8"),
        ] {
            assert_eq!(read(path), rewound(rendition));
            assert!(path.ends_with(&format!("/{}", rewind::file_name(rendition))));
        }
        let media = |rendition| Some(MediaPath::Media { name, epoch, ticket, rendition });
        assert_eq!(read("/hls/abc234/e9/source.m3u8"), media(Rendition::Source));
        assert_eq!(read("/hls/abc234/e9/source-ts.m3u8"), media(Rendition::SourceTs));
        assert_eq!(read("/hls/abc234/e9/audio.m3u8"), media(Rendition::SOUND));
        let second = Rendition::Audio(SoundNumber::new(1).unwrap());
        assert_eq!(read("/hls/abc234/e9/video.m3u8"), media(Rendition::Video));
        assert_eq!(read("/hls/abc234/e9/audio-2.m3u8"), media(second));
        let init = |rendition| Some(MediaPath::Init { name, epoch, ticket, rendition, id: 3 });
        assert_eq!(read("/hls/abc234/e9/init-3.mp4"), init(Rendition::Source));
        assert_eq!(read("/hls/abc234/e9/audio-init-3.mp4"), init(Rendition::SOUND));
        assert_eq!(read("/hls/abc234/e9/video-init-3.mp4"), init(Rendition::Video));
        assert_eq!(read("/hls/abc234/e9/audio-2-init-3.mp4"), init(second));
        let segment =
            |number, rendition| Some(MediaPath::Segment { name, epoch, ticket, rendition, number });
        assert_eq!(read("/hls/abc234/e9/0.m4s"), segment(0, Rendition::Source));
        assert_eq!(read("/hls/abc234/e9/17.ts"), segment(17, Rendition::SourceTs));
        assert_eq!(read("/hls/abc234/e9/audio-17.m4s"), segment(17, Rendition::SOUND));
        assert_eq!(read("/hls/abc234/e9/video-17.m4s"), segment(17, Rendition::Video));
        assert_eq!(read("/hls/abc234/e9/audio-2-17.m4s"), segment(17, second));
        let part = |rendition| {
            Some(MediaPath::Part { name, epoch, ticket, rendition, number: 17, index: 4 })
        };
        assert_eq!(read("/hls/abc234/e9/17.4.m4s"), part(Rendition::Source));
        assert_eq!(read("/hls/abc234/e9/audio-17.4.m4s"), part(Rendition::SOUND));
        assert_eq!(read("/hls/abc234/e9/video-17.4.m4s"), part(Rendition::Video));
        assert_eq!(read("/hls/abc234/e9/audio-2-17.4.m4s"), part(second));
    }

    #[test]
    fn what_is_below_an_epoch_may_stand_under_a_ticket() {
        let ticket = format!("10{}", "ab".repeat(20));
        for file in ["source.m3u8", "init-3.mp4", "0.m4s", "17.ts", "audio-17.4.m4s"] {
            let path = format!("/hls/abc234/e9/{ticket}/{file}");
            let found = MediaPath::parse(&path).expect(file);
            assert_eq!((found.name(), found.epoch()), ("abc234", Some("e9")));
            assert_eq!(found.ticket(), Some(&*ticket));
        }
        for odd in
            [&ticket[1..], &ticket.to_uppercase(), &"20".repeat(21), &format!("{ticket}/{ticket}")]
        {
            assert_eq!(MediaPath::parse(&format!("/hls/abc234/e9/{odd}/0.m4s")), None, "{odd}");
        }
        let longest = format!(
            "/hls/{}/{}/{ticket}/audio-8-{}.{}.m4s",
            "a".repeat(PlaybackName::MAX_LEN),
            "e".repeat(MediaPath::MAX_EPOCH_LEN),
            u64::MAX,
            u32::MAX
        );
        assert!(MediaPath::parse(&longest).is_some());
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
            "/hls/a-ts-rewind.m3u8",
            "/hls/-rewind.m3u8",
            "/hls/a/e/rewind.m3u8",
            "/hls/a/e/source-ts-rewind.m3u8",
            "/hls/a/e/source-rewind-rewind.m3u8",
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
            "/hls/a/e/audio-ts.m3u8",
            "/hls/a/e/audio-1.ts",
            "/hls/a/e/audio-0.m3u8",
            "/hls/a/e/audio-1.m3u8",
            "/hls/a/e/audio-02.m3u8",
            "/hls/a/e/audio-9.m3u8",
            "/hls/a/e/audio-257.m3u8",
            "/hls/a/e/audio-1-1.m4s",
            "/hls/a/e/audio-9-1.m4s",
            "/hls/a/e/audio-2-.m4s",
            "/hls/a/e/audio-2-video-1.m4s",
            "/hls/a/e/video-audio-1.m4s",
            "/hls/a/e/video-1.ts",
            "/hls/a/e/video-2.m3u8",
            "/hls/a/e/audio-audio-1.m4s",
            "/hls/a/e/1..m4s",
            "/hls/a/e/1.2.3.m4s",
            "/hls/a/e/1.02.m4s",
            "/hls/a/e/1.4294967296.m4s",
            "/hls/a/e/1.2.ts",
            "/hls/a-audio-ts.m3u8",
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
        fn a_segment_url_has_one_spelling(number: u64) {
            let path = format!("/hls/a/e/{number}.m4s");
            let rendition = Rendition::Source;
            let segment = MediaPath::Segment { name: "a", epoch: "e", ticket: None, rendition, number };
            prop_assert_eq!(MediaPath::parse(&path), Some(segment));
            let padded = format!("/hls/a/e/0{number}.m4s");
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
