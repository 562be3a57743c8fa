//! FLV tags (Adobe FLV v10.1, Annex E): what RTMP audio and video messages carry.
//!
//! | what | source |
//! | --- | --- |
//! | tag header | Annex E.4.1 |
//! | `AUDIODATA`, `AACAUDIODATA` | Annex E.4.2 |
//! | `VIDEODATA`, `AVCVIDEOPACKET` | Annex E.4.3 |
//! | extended headers, FourCC | Enhanced RTMP v2 |

pub mod audio;
mod enhanced;
pub mod tag;
pub mod video;

use bytes::{Buf, Bytes};

/// Why a tag is not passed on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The tag ends before its header does.
    #[error("{what} is truncated: {need} bytes needed, {have} present")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// How many bytes it needs.
        need: usize,
        /// How many there are.
        have: usize,
    },
    /// A packet type the standard does not know.
    #[error("{what}: type {value} is unknown")]
    Unknown {
        /// The field.
        what: &'static str,
        /// What it held.
        value: u8,
    },
    /// A codec we do not carry. Not a bad tag: everything that follows will be like it.
    #[error("codec {0} is not supported")]
    Codec(String),
}

/// Name of a FourCC of enhanced RTMP, readable whatever its bytes are.
fn four_cc_name(four_cc: [u8; 4]) -> String {
    let known = match &four_cc {
        b"avc1" => "H.264 (avc1)",
        b"hvc1" => "HEVC (hvc1)",
        b"vvc1" => "VVC (vvc1)",
        b"av01" => "AV1 (av01)",
        b"vp08" => "VP8 (vp08)",
        b"vp09" => "VP9 (vp09)",
        _ => return format!("\"{}\"", four_cc.escape_ascii()),
    };
    known.to_owned()
}

/// Takes the next `N` bytes off the front of `body`.
fn take<const N: usize>(body: &mut Bytes, what: &'static str) -> Result<[u8; N], Error> {
    let array = *body.first_chunk().ok_or(Error::Truncated { what, need: N, have: body.len() })?;
    body.advance(N);
    Ok(array)
}
