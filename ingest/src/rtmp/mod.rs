//! The RTMP protocol as values: bytes in, events and reply bytes out. No socket, no clock.
//!
//! | what | source |
//! | --- | --- |
//! | handshake, chunks, messages, commands | Adobe RTMP 1.0 §5, §6, §7 |
//! | what `connect` announces, requests to reconnect | Enhanced RTMP v2 |
//! | command and data values | AMF 0 (2007) and, for scalars, AMF 3 (2013) |
//! | what encoders really expect of a server | librtmp, FFmpeg `rtmpproto.c`, GStreamer `rtmp2`, OBS |

pub mod amf0;
pub mod chunk;
pub mod enhanced;
pub mod handshake;
pub mod message;
pub mod session;

pub use session::{Event, Publish, Session};

/// Why a peer's bytes end its connection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The first bytes are not an RTMP handshake.
    #[error("not an RTMP handshake: {0}")]
    Handshake(String),
    /// A chunk header that refers to a header never sent.
    #[error(
        "chunk stream {chunk_stream} begins with a header of type {format}, which says no length"
    )]
    NoHeaderBefore {
        /// The chunk stream.
        chunk_stream: u32,
        /// The type of the header, 2 or 3.
        format: u8,
    },
    /// A message longer than its kind may be here.
    #[error("a message of type {kind} announces {len} bytes, at most {max} are accepted here")]
    MessageTooLong {
        /// Message type id.
        kind: u8,
        /// The announced length in bytes.
        len: usize,
        /// The longest accepted.
        max: usize,
    },
    /// More of something than one connection may have.
    #[error("more than {max} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How much is accepted.
        max: usize,
    },
    /// A control message whose body is shorter than its type demands.
    #[error("{what} is truncated: {need} bytes needed, {have} present")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// How many bytes it needs.
        need: usize,
        /// How many there are.
        have: usize,
    },
    /// `publish` came before `connect`.
    #[error("publish before connect")]
    NotConnected,
    /// The peer wants to watch. It was told that this server only receives.
    #[error("the peer asked to play; this server only receives")]
    PlayRefused,
}
