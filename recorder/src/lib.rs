//! Lives written down while they are on, and read back.
//!
//! Here: the format of a recording, its one writer, its readers, how many recordings are kept. Not here: how
//! samples become segments and what playlists say (`packager`), which lives there are (`src`), HTTP
//! (`delivery`), the database.
//!
//! ```text
//! hub::Channel ──▶ Follower ──▶ Queue ──▶ Writer ──▶ recordings/<playback name>/ ──▶ Uploader ──▶ bucket
//!     window        cursor      threads                      │                                      │
//!                                     Library ──▶ Recording ◀┴──────────────────────────────────────┘
//!                                        │            └────▶ Film
//!                                        └─────────────────▶ Rewind
//! ```
//!
//! Segments are written as they are, so that a recording is what its viewers saw: nothing is remuxed again
//! (ADR 40).

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod blocks;
mod config;
mod disk;
mod far;
mod film;
mod index;
mod library;
mod past;
mod queue;
mod recorder;
mod recording;
mod rewind;
mod uploaded;
mod uploader;
mod writer;

use std::io;

pub use config::Config;
pub use disk::{Disk, System};
pub use film::{Film, Reel, When};
pub use library::{Library, Standing};
pub use past::Left;
pub use recorder::{Progress, Recorder, State};
pub use recording::{Alone, Blob, Content, Moment, Open, Opening, Recording, Summary};
pub use rewind::Rewind;
pub use uploader::Uploader;

/// Why a recording cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is none of this name that is finished.
    #[error("there is no such recording")]
    Unknown,
    /// Nothing of it can be played.
    #[error("nothing of the recording can be played")]
    Empty,
    /// Bytes are not what was written.
    #[error("the recording is damaged")]
    Damaged,
    /// Too many read already.
    #[error("too many read recordings at once")]
    Busy,
    /// It is too long to be told as one file.
    #[error("the recording is too long to be told as one file")]
    TooLong,
    /// It has no keyframe near where it is to be cut.
    #[error("the recording has no keyframe where it is to be cut")]
    NoKeyframe,
    /// The disk failed.
    #[error(transparent)]
    Disk(io::Error),
    /// It is in a bucket, whose store does not answer.
    #[error("the store of the recording does not answer: {0}")]
    Away(storage::Error),
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Unknown,
            _ => Self::Disk(error),
        }
    }
}

#[cfg(test)]
mod tests;
