//! Opus: the identification header (RFC 7845 §5.1) and the length of a packet (RFC 6716 §3.1).

use bytes::{Buf, Bytes};

use super::{Sound, check_len};
use crate::{Error, Timescale};

/// A parsed identification header (`OpusHead`).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Loudspeakers fed.
    pub channels: u8,
    /// Samples to leave out at the start.
    pub pre_skip: u16,
    /// The rate before encoding, for people: decoding is at 48 kHz.
    pub input_sample_rate_hz: u32,
    /// Gain in 256ths of a decibel.
    pub output_gain: i16,
    /// How coded channels become loudspeakers; mono and stereo need none.
    pub mapping: Option<Mapping>,
}

/// A channel mapping table (RFC 7845 §5.1.1).
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Mapping {
    /// Its family; never 0.
    pub family: u8,
    /// Opus packets in each of ours.
    pub streams: u8,
    /// How many of them are stereo.
    pub coupled: u8,
    /// The decoded channel of each loudspeaker, 255 for none.
    #[serde(with = "crate::kept::bytes_in_hex")]
    pub table: Bytes,
}

const HEAD: &str = "OpusHead";
/// Opus decodes at 48 kHz, whatever went in.
const SAMPLE_RATE_HZ: u32 = 48_000;
/// Longest packet: 120 ms (RFC 6716 §3.2.5).
const MAX_PACKET_TICKS: u32 = 5_760;

impl Config {
    /// Longest header accepted: eight channels take 29 bytes.
    pub const MAX_LEN: usize = 64;

    /// Stereo: what is meant by an empty header (Enhanced RTMP v2, `AudioPacketType.SequenceStart`).
    pub fn stereo() -> Self {
        Self {
            channels: 2,
            pre_skip: 0,
            input_sample_rate_hz: SAMPLE_RATE_HZ,
            output_gain: 0,
            mapping: None,
        }
    }

    /// Reads an identification header, its signature included.
    ///
    /// # Errors
    /// When it is truncated or contradicts itself, or its channels are neither mono, stereo nor of
    /// the Vorbis order (mapping families 0 and 1).
    pub fn parse(mut head: Bytes) -> Result<Self, Error> {
        const FIXED_LEN: usize = 19;
        check_len(HEAD, head.len(), Self::MAX_LEN)?;
        let fixed: &[u8; FIXED_LEN] = head.first_chunk().ok_or(Error::Truncated {
            what: HEAD,
            need: FIXED_LEN,
            have: head.len(),
        })?;
        let [b'O', b'p', b'u', b's', b'H', b'e', b'a', b'd', version, channels, fields @ ..] =
            *fixed
        else {
            return Err(malformed("no signature"));
        };
        let [skip_low, skip_high, a, b, c, d, gain_low, gain_high, family] = fields;
        // The upper half of the version is the incompatible one.
        if version >> 4 != 0 {
            return Err(Error::Unsupported { what: "Opus version", value: version.into() });
        }
        head.advance(FIXED_LEN);
        let (most, mapping) = match family {
            0 => (2, None),
            1 => (8, Some(Mapping::parse(family, channels, head)?)),
            _ => {
                let value = family.into();
                return Err(Error::Unsupported { what: "Opus channel mapping family", value });
            }
        };
        if !(1..=most).contains(&channels) {
            return Err(malformed(&format!("{channels} channels in mapping family {family}")));
        }
        Ok(Self {
            channels,
            pre_skip: u16::from_le_bytes([skip_low, skip_high]),
            input_sample_rate_hz: u32::from_le_bytes([a, b, c, d]),
            output_gain: i16::from_le_bytes([gain_low, gain_high]),
            mapping,
        })
    }

    /// The track's timescale: 48 kHz.
    pub fn timescale(&self) -> Timescale {
        Timescale::new(SAMPLE_RATE_HZ).unwrap_or(Timescale::MILLIS)
    }

    /// What is heard.
    pub fn sound(&self) -> Sound {
        Sound { sample_rate_hz: SAMPLE_RATE_HZ, channels: self.channels }
    }
}

impl Mapping {
    fn parse(family: u8, channels: u8, rest: Bytes) -> Result<Self, Error> {
        let need = 2 + usize::from(channels);
        let have = rest.len();
        let Some((&[streams, coupled], _)) = rest.split_first_chunk().filter(|_| have >= need)
        else {
            return Err(Error::Truncated { what: "Opus channel mapping", need, have });
        };
        let table = rest.slice(2..need);
        let decoded = u16::from(streams) + u16::from(coupled);
        let known = |&channel: &u8| channel == 255 || u16::from(channel) < decoded;
        if streams == 0 || coupled > streams || !table.iter().all(known) {
            return Err(malformed("a channel mapping of channels that are not there"));
        }
        Ok(Self { family, streams, coupled, table })
    }
}

/// How long a packet lasts, in samples of 48 kHz; `None` if it is not one.
pub fn packet_ticks(packet: &[u8]) -> Option<u32> {
    let (&toc, rest) = packet.split_first()?;
    // Table 2 of RFC 6716: SILK, hybrid, CELT.
    let sizes: [u32; 4] = match toc >> 3 {
        0..12 => [480, 960, 1_920, 2_880],
        12..16 => [480, 960, 480, 960],
        _ => [120, 240, 480, 960],
    };
    let frame_ticks = sizes.get(usize::from(toc >> 3 & 3))?;
    let frames = match toc & 3 {
        0 => 1,
        1 | 2 => 2,
        _ => u32::from(rest.first()? & 0x3f),
    };
    let ticks = frame_ticks * frames;
    (1..=MAX_PACKET_TICKS).contains(&ticks).then_some(ticks)
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { what: HEAD, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// As libopus writes it for stereo at 48 kHz.
    const STEREO: &[u8] = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    /// 5.1 in the order of Vorbis.
    const SURROUND: &[u8] =
        b"OpusHead\x01\x06\x38\x01\x80\xbb\0\0\0\0\x01\x04\x02\x00\x04\x01\x02\x03\x05";

    fn parse(bytes: &'static [u8]) -> Result<Config, Error> {
        Config::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn stereo_needs_no_mapping() {
        let config = parse(STEREO).unwrap();
        assert_eq!((config.channels, config.pre_skip, config.mapping.clone()), (2, 312, None));
        assert_eq!(config.sound(), Sound { sample_rate_hz: 48_000, channels: 2 });
    }

    #[test]
    fn surround_brings_its_mapping() {
        let mapping = parse(SURROUND).unwrap().mapping.unwrap();
        assert_eq!((mapping.streams, mapping.coupled), (4, 2));
        assert_eq!(mapping.table, [0, 4, 1, 2, 3, 5][..]);
    }

    #[test]
    fn a_header_cut_anywhere_is_an_error() {
        for len in 0..SURROUND.len() {
            assert!(parse(&SURROUND[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn headers_that_contradict_themselves_are_errors() {
        for (at, value) in
            [(0, b'o'), (8, 0x10), (9, 0), (9, 9), (18, 2), (19, 0), (20, 5), (22, 7)]
        {
            let mut head = SURROUND.to_vec();
            head[at] = value;
            assert!(Config::parse(head.into()).is_err(), "{value} at {at}");
        }
    }

    #[test]
    fn the_first_byte_of_a_packet_tells_its_length() {
        for (packet, ticks) in [
            (&[0xfc][..], Some(960)),
            (&[0x80], Some(120)),
            (&[0x18], Some(2_880)),
            (&[0x60], Some(480)),
            (&[0x79], Some(1_920)),
            (&[0xfb, 0x04], Some(3_840)),
            (&[0x1b, 0x02], Some(5_760)),
            (&[0x1b, 0x03], None),
            (&[0xfb, 0x00], None),
            (&[0xfb], None),
            (&[], None),
        ] {
            assert_eq!(packet_ticks(packet), ticks, "{packet:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(tail: Vec<u8>) {
            let _ = packet_ticks(&tail);
            let head = [&STEREO[..8], &tail].concat();
            let _ = Config::parse(head.into());
        }
    }
}
