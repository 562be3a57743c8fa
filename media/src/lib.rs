//! The vocabulary every room shares: ids, time, tracks, samples and codec configuration.
//!
//! Here: what a live, a track and a sample *are*, and the parsers of the configuration records that
//! describe them. Not here: anything that reads a socket, a file or a clock.
//!
//! | what | source |
//! | --- | --- |
//! | `AVCDecoderConfigurationRecord`, NAL units | ISO/IEC 14496-15 §5.3.3, ITU-T H.264 §7.3 |
//! | `HEVCDecoderConfigurationRecord` | ISO/IEC 14496-15 §8.3.3, ITU-T H.265 §7.3 |
//! | `AV1CodecConfigurationRecord`, OBUs | AV1 in ISOBMFF v1.3, AV1 bitstream §5 |
//! | `VPCodecConfigurationRecord`, frame headers | VP codec ISOBMFF binding v1.0, VP9 bitstream §6 |
//! | `AudioSpecificConfig` | ISO/IEC 14496-3 §1.6.2.1 |
//! | `OpusHead`, packets | RFC 7845 §5.1, RFC 6716 §3 |
//! | `STREAMINFO`, frame headers | RFC 9639 §8.2, §9.1 |
//! | MP3 frame headers | ISO/IEC 11172-3 §2.4, ISO/IEC 13818-3 §2.4 |
//! | AC-3 and E-AC-3 frame headers | ETSI TS 102 366 §4.3, Annex E |
//! | codec strings | RFC 6381 §3.3 |
//! | language tags | RFC 5646 §2.1 |

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

pub mod codec;
pub mod id;
mod kept;
mod label;
mod sample;
mod time;
mod track;

pub use label::{Label, Labels, Language, Name, SoundNumber};
pub use sample::{Event, Metadata, Sample};
pub use time::Timescale;
pub use track::{Codec, Kind, Track};

/// Why bytes that describe media were not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The bytes end before the structure they promise.
    #[error("{what} is truncated: {need} bytes needed, {have} present")]
    Truncated {
        /// The structure being read.
        what: &'static str,
        /// How many bytes it needs.
        need: usize,
        /// How many there are.
        have: usize,
    },
    /// A value that the standard reserves or that we do not carry.
    #[error("{what}: {value} is not supported")]
    Unsupported {
        /// The field.
        what: &'static str,
        /// What it held.
        value: u64,
    },
    /// A parameter set or record that contradicts itself.
    #[error("{what} is malformed: {reason}")]
    Malformed {
        /// The structure being read.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}
