//! Why a connection ended.

use std::{io, time::Duration};

use crate::{demux::UnsupportedCodec, rtmp};

/// Why a connection, or the live on it, ended otherwise than by the encoder's wish.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The socket failed.
    #[error("the connection failed: {0}")]
    Io(#[from] io::Error),
    /// The peer broke the protocol or passed a limit of it.
    #[error("protocol: {0}")]
    Protocol(#[from] rtmp::Error),
    /// The peer closed the connection before it asked to publish.
    #[error("the peer left before it asked to publish")]
    Left,
    /// The peer took too long from connecting to asking to publish.
    #[error("no publish within {} s of connecting", .0.as_secs())]
    PublishTimeout(Duration),
    /// The peer does not read what we answer.
    #[error("the peer did not read our answers for {} s", .0.as_secs())]
    WriteTimeout(Duration),
    /// Not one byte came for too long.
    #[error("silent for {} s", .0.as_secs())]
    Silent(Duration),
    /// More bits per second than a live may have.
    #[error("{bits_per_second} bit/s, at most {max} are accepted")]
    TooFast {
        /// What was measured.
        bits_per_second: u64,
        /// The ceiling.
        max: u64,
    },
    /// A codec we do not carry.
    #[error(transparent)]
    UnsupportedCodec(#[from] UnsupportedCodec),
}
