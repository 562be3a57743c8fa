//! Live channels: one publisher, many readers. All shared state of the media path.
//!
//! Here: which lives are open, who may publish to one now, what its readers see, and how they
//! learn of something new. Not here: how samples become segments (`packager`), who owns a key
//! (`src`), HTTP (`delivery`).
//!
//! A [`Channel`] holds one [`packager::Packager`] behind one `std::sync::Mutex`, held for
//! microseconds and never across an `.await`. Its publisher pushes batches of events, one lock a
//! batch. Its readers clone references out and wait on a `watch` of [`State`]: a slow reader costs
//! the publisher nothing. Who watches is remembered beside it, under a lock of its own.
//!
//! ```text
//! Hub ── name ──▶ Channel ──▶ Mutex<Packager + renderings>
//!                   ▲  └────▶ watch<State> ──▶ readers
//!               Publisher
//! ```

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod channel;
mod playlist;
mod publisher;
mod registry;
mod scroll;
mod viewers;

pub use channel::{Access, Awaited, Channel, Complete, State, Targets};
pub use playlist::Playlist;
pub use publisher::{Publisher, Revoked};
pub use registry::{Hub, OpenError};
pub use scroll::Scroll;

/// Why a publisher's events were not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer connection with the same key publishes to this live now.
    #[error("another connection took over this live")]
    Superseded,
    /// The live is over.
    #[error("the live has ended")]
    Ended,
    /// The packager refused an event. The connection is to be closed; the live may resume.
    #[error(transparent)]
    Packager(#[from] packager::Error),
    /// The packager panicked: a defect of ours. This live has ended; the others go on.
    #[error("the packager failed; the live has ended")]
    Failed,
}
