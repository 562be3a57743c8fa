//! Samples in; parts, segments and playlists out.
//!
//! Here: where parts and segments end, their two encodings (fMP4 and MPEG-TS), what is listed, and
//! the playlists that say so. Not here: sockets, files, clocks, tasks, locks. The wall clock comes
//! in once per publisher ([`Packager::begin`]); every other time comes from the samples.
//!
//! | what | source |
//! | --- | --- |
//! | playlists | draft-pantos-hls-rfc8216bis-22 |
//! | fMP4 | ISO/IEC 14496-12 §8.8, CMAF (ISO/IEC 23000-19) |
//! | codecs in fMP4 | ISO/IEC 14496-14, ISO/IEC 14496-15; the ISOBMFF bindings of AV1, VP9, Opus and FLAC; ETSI TS 102 366 Annex F |
//! | MPEG-TS | ISO/IEC 13818-1 §2.4; AAC in ADTS: ISO/IEC 14496-3 §1.A.2.2; AC-3: ATSC A/53 part 3 |
//! | timed metadata | ID3v2.4.0; ISO/IEC 23009-1 §5.10.3.3; Apple, Timed Metadata for HTTP Live Streaming |

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod cadence;
mod config;
pub mod film;
mod fmp4;
mod intake;
mod metadata;
mod output;
mod packager;
mod part;
mod past;
mod playlist;
mod recorded;
mod report;
mod running;
mod segment;
mod segmenter;
mod sounds;
mod timeline;
mod tracks;
mod ts;
mod window;

pub use config::Config;
pub use packager::Packager;
pub use past::{Kept, Numbers, Past, PastSegment, PastTracks};
pub use playlist::{recorded as vod, rewind};
pub use recorded::{Init, Listed, alone, opening_picture};
pub use report::{AudioReport, Report, VideoReport};
pub use segment::Segment;

use media::SoundNumber;

/// One of the encodings a live is offered in, all from the same samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rendition {
    /// What the publisher sends, as fragmented MP4 (CMAF), with parts for low latency: its picture and
    /// its first sound.
    Source,
    /// The same as MPEG-TS, for players that know nothing else.
    SourceTs,
    /// Its picture alone, as fragmented MP4 with parts, to be heard with one of several sounds.
    Video,
    /// One of its sounds alone, in the same form: a twentieth of the data.
    Audio(SoundNumber),
}

impl Rendition {
    /// The sound that is in the source.
    pub const SOUND: Self = Self::Audio(SoundNumber::FIRST);

    /// Whether only some lives are offered as it: those with several sounds.
    pub fn is_of_some_lives(self) -> bool {
        match self {
            Self::Source | Self::SourceTs | Self::SOUND => false,
            Self::Video | Self::Audio(_) => true,
        }
    }

    /// Whether it is offered in parts, and by low-latency rules.
    pub fn has_parts(self) -> bool {
        self != Self::SourceTs
    }
}

/// The newest complete part of a window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Edge {
    /// Its segment, which may still be open.
    pub msn: u64,
    /// Its index in that segment, from 0.
    pub part: u32,
}

/// What one step completed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// At least one part: the [`Edge`] moved.
    pub part: bool,
    /// At least one segment, or the end of the live: the media playlists changed.
    pub segment: bool,
    /// Another part comes next than was hinted at.
    pub hint: bool,
}

impl std::ops::BitOrAssign for Progress {
    fn bitor_assign(&mut self, other: Self) {
        self.part |= other.part;
        self.segment |= other.segment;
        self.hint |= other.hint;
    }
}

/// Why the packager takes no more from this publisher.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nobody said [`Packager::begin`] since the last interruption.
    #[error("media before the publisher began")]
    NotBegun,
    /// The live is over.
    #[error("the live is finished")]
    Finished,
    /// The open segment outgrew `segment_max_bytes`.
    #[error(
        "a segment of {size_bytes} bytes passes the limit of {limit_bytes}: too much media between two keyframes"
    )]
    SegmentTooLarge {
        /// What it had grown to.
        size_bytes: usize,
        /// The setting.
        limit_bytes: usize,
    },
    /// A configuration that no init segment can describe.
    #[error("the init segment could not be written: {0}")]
    Init(String),
}
