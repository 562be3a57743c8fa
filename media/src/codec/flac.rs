//! FLAC: the `STREAMINFO` block and the length of a frame (RFC 9639 §8.2, §9.1).

use bytes::Bytes;

use super::{Sound, bits::Bits, check_len};
use crate::{Error, Timescale};

/// A parsed `STREAMINFO`.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The block without its header, for the `dfLa` box.
    #[serde(with = "crate::kept::block_in_hex")]
    pub stream_info: [u8; STREAM_INFO_LEN],
    /// Samples per second: the timescale of the track.
    pub sample_rate_hz: u32,
    /// Loudspeakers fed.
    pub channels: u8,
    /// Bits of a sample.
    pub bits_per_sample: u8,
    /// Samples of a frame, at most; of all but the last one where frames are alike.
    pub max_block_ticks: u16,
}

/// Bytes of a `STREAMINFO` without its header.
pub const STREAM_INFO_LEN: usize = 34;
const STREAM_INFO: &str = "FLAC STREAMINFO";

impl Config {
    /// Longest record accepted: comments and pictures may follow what we read.
    pub const MAX_LEN: usize = 256 * 1024;

    /// Reads a `STREAMINFO` block: bare, behind its block header, or behind the `fLaC` signature as
    /// Enhanced RTMP asks for.
    ///
    /// # Errors
    /// When it is truncated, another block comes first, or it says a rate, depth or length of zero.
    pub fn parse(record: Bytes) -> Result<Self, Error> {
        check_len(STREAM_INFO, record.len(), Self::MAX_LEN)?;
        let blocks = record.strip_prefix(b"fLaC").unwrap_or(&record);
        let block = match blocks.split_first_chunk() {
            // The top bit of the type says that no other block follows.
            Some((&[kind, 0, 0, 34], rest)) if kind & 0x7f == 0 => rest,
            _ if blocks.len() == STREAM_INFO_LEN => blocks,
            _ if blocks.len() < STREAM_INFO_LEN => {
                let (need, have) = (STREAM_INFO_LEN, blocks.len());
                return Err(Error::Truncated { what: STREAM_INFO, need, have });
            }
            _ => return Err(malformed("another block comes first")),
        };
        let stream_info: [u8; STREAM_INFO_LEN] = *block.first_chunk().ok_or(Error::Truncated {
            what: STREAM_INFO,
            need: STREAM_INFO_LEN,
            have: block.len(),
        })?;
        let mut bits = Bits::new(STREAM_INFO, &stream_info);
        bits.skip(16)?;
        let max_block_ticks = bits.take(16)? as u16;
        bits.skip(48)?;
        let sample_rate_hz = bits.take(20)?;
        let channels = bits.take(3)? as u8 + 1;
        let bits_per_sample = bits.take(5)? as u8 + 1;
        // The shortest frames the standard knows have 16 samples.
        if sample_rate_hz == 0 || max_block_ticks < 16 || bits_per_sample < 4 {
            return Err(malformed("no sound is like that"));
        }
        Ok(Self { stream_info, sample_rate_hz, channels, bits_per_sample, max_block_ticks })
    }

    /// The track's timescale: its sample rate.
    pub fn timescale(&self) -> Timescale {
        Timescale::new(self.sample_rate_hz).unwrap_or(Timescale::MILLIS)
    }

    /// What is heard.
    pub fn sound(&self) -> Sound {
        Sound { sample_rate_hz: self.sample_rate_hz, channels: self.channels }
    }
}

/// How many samples a frame holds; `None` if it is not one.
pub fn frame_ticks(frame: &[u8]) -> Option<u32> {
    // Fifteen bits of synchronisation, then whether frames are of different lengths.
    let (&[0xff, 0xf8 | 0xf9, sizes, _], rest) = frame.split_first_chunk()? else { return None };
    // The number of the frame, coded as UTF-8 codes characters.
    let number_len = match rest.first()?.leading_ones() {
        0 => 1,
        ones @ 2..=7 => ones as usize,
        _ => return None,
    };
    let tail = rest.get(number_len..)?;
    Some(match sizes >> 4 {
        0 => return None,
        1 => 192,
        code @ 2..=5 => 144 << code,
        6 => u32::from(*tail.first()?) + 1,
        7 => u32::from(u16::from_be_bytes(*tail.first_chunk()?)) + 1,
        code => 1 << code,
    })
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { what: STREAM_INFO, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by ffmpeg 5.1 for stereo at 48 kHz in 24 bits: 4 608 samples a frame.
    const STREAM: [u8; STREAM_INFO_LEN] = [
        0x12, 0x00, 0x12, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4a, 0x58, 0x0b, 0xb8, 0x02, 0xf0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];

    fn parse(pieces: &[&[u8]]) -> Result<Config, Error> {
        Config::parse(pieces.concat().into())
    }

    #[test]
    fn stream_info_is_read_in_all_its_wrappings() {
        let config = parse(&[&STREAM]).unwrap();
        assert_eq!((config.sample_rate_hz, config.channels), (48_000, 2));
        assert_eq!((config.bits_per_sample, config.max_block_ticks), (16, 4_608));
        for head in [&b"\x80\0\0\x22"[..], b"fLaC\0\0\0\x22", b"fLaC"] {
            assert_eq!(parse(&[head, &STREAM]), Ok(config.clone()), "{head:x?}");
        }
        assert_eq!(parse(&[b"fLaC\0\0\0\x22", &STREAM, b"\x84\0\0\0"]), Ok(config));
    }

    #[test]
    fn what_is_short_or_not_stream_info_is_an_error() {
        for len in 0..STREAM_INFO_LEN {
            assert!(parse(&[b"fLaC\0\0\0\x22", &STREAM[..len]]).is_err(), "{len}");
            assert!(parse(&[&STREAM[..len]]).is_err(), "{len}");
        }
        assert!(parse(&[b"fLaC\x04\0\0\x22", &STREAM]).is_err());
        assert!(parse(&[&[0; STREAM_INFO_LEN]]).is_err());
    }

    #[test]
    fn the_header_of_a_frame_tells_its_length() {
        for (frame, ticks) in [
            // As ffmpeg writes it: code 5, 4 608.
            (&[0xff, 0xf8, 0x5a, 0x88, 0x00, 0x37][..], Some(4_608)),
            (&[0xff, 0xf8, 0x1a, 0x18, 0x00], Some(192)),
            (&[0xff, 0xf9, 0xca, 0x18, 0xc4, 0x80], Some(4_096)),
            (&[0xff, 0xf8, 0x6a, 0x18, 0x00, 0x0f], Some(16)),
            (&[0xff, 0xf8, 0x7a, 0x18, 0xc4, 0x80, 0x12, 0x33], Some(4_660)),
            (&[0xff, 0xf8, 0x7a, 0x18, 0x00, 0x12], None),
            (&[0xff, 0xf8, 0x0a, 0x18, 0x00], None),
            (&[0xff, 0xf8, 0x5a, 0x18, 0x80], None),
            (&[0xff, 0xfb, 0x5a, 0x18, 0x00], None),
            (&[0xff, 0xf8, 0x5a], None),
        ] {
            assert_eq!(frame_ticks(frame), ticks, "{frame:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(mut bytes: Vec<u8>) {
            let _ = Config::parse(bytes.clone().into());
            for (byte, sync) in bytes.iter_mut().zip([0xff, 0xf8]) {
                *byte = sync;
            }
            let _ = frame_ticks(&bytes);
        }
    }
}
