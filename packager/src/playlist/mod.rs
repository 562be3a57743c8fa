//! Playlists (rfc8216bis §4): what viewers read.
//!
//! Here: text. Not here: what is listed (`window`), when a playlist is made or kept (the rooms
//! above).

pub(crate) mod media;
pub(crate) mod multivariant;
pub(crate) mod rates;
pub mod recorded;
pub mod rewind;
mod wall_clock;
