//! AC-3 and E-AC-3: the head of a synchronisation frame (ETSI TS 102 366 §4.3, Annex E.1.2).
//!
//! They have no configuration record: every frame says what it is.

use bytes::Bytes;

use super::{Sound, bits::Bits};
use crate::{Error, Timescale};

/// What the head of a frame says of the sound.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Whether it is E-AC-3.
    pub is_enhanced: bool,
    /// `fscod`: which sample rate; 3 for the halved ones of E-AC-3.
    pub rate_code: u8,
    /// `bsid`: which version of the bitstream.
    pub bitstream_id: u8,
    /// `bsmod`: what kind of service. 0, the main one, where E-AC-3 tells it late.
    pub bitstream_mode: u8,
    /// `acmod`: which loudspeakers.
    pub channel_mode: u8,
    /// Whether there is one for low frequencies.
    pub has_lfe: bool,
    /// Half of `frmsizecod`: the bit rate of AC-3.
    pub bit_rate_code: u8,
    /// Kilobits per second.
    pub bit_rate_kbps: u16,
    /// Samples per second: the timescale of the track.
    pub sample_rate_hz: u32,
}

/// A frame and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Frame {
    config: Config,
    /// Its length in bytes.
    len: usize,
    /// Its length in samples.
    ticks: u32,
}

const HEAD: &str = "AC-3 synchronisation frame";
/// What is read of a frame, at most.
const HEAD_LEN: usize = 8;
const RATES_HZ: [u32; 3] = [48_000, 44_100, 32_000];
/// Samples of a block; AC-3 has six of them in a frame.
const BLOCK_TICKS: u32 = 256;

impl Config {
    /// The track's timescale: its sample rate.
    pub fn timescale(&self) -> Timescale {
        Timescale::new(self.sample_rate_hz).unwrap_or(Timescale::MILLIS)
    }

    /// What is heard.
    pub fn sound(&self) -> Sound {
        const CHANNELS: [u8; 8] = [2, 1, 2, 3, 3, 4, 4, 5];
        let full = CHANNELS.get(usize::from(self.channel_mode)).copied().unwrap_or(2);
        Sound { sample_rate_hz: self.sample_rate_hz, channels: full + u8::from(self.has_lfe) }
    }

    /// Whether it is the same sound as `other`, at whatever bit rate: a decoder need not be told.
    pub fn continues(&self, other: &Self) -> bool {
        let at_rate_of_other = Self {
            bit_rate_code: other.bit_rate_code,
            bit_rate_kbps: other.bit_rate_kbps,
            ..self.clone()
        };
        at_rate_of_other == *other
    }
}

impl Frame {
    fn read(frame: &[u8]) -> Result<Self, Error> {
        let mut bits = Bits::new(HEAD, frame);
        if bits.take(16)? != 0x0b77 {
            return Err(malformed("no synchronisation"));
        }
        // In the same place in both.
        let mut ahead = bits.clone();
        ahead.skip(24)?;
        let bitstream_id = ahead.take(5)? as u8;
        match bitstream_id {
            0..=8 => Self::read_plain(bits, bitstream_id),
            11..=16 => Self::read_enhanced(bits, bitstream_id),
            _ => Err(Error::Unsupported { what: "AC-3 bitstream", value: bitstream_id.into() }),
        }
    }

    /// `syncinfo()` and `bsi()` of AC-3.
    fn read_plain(mut bits: Bits<'_>, bitstream_id: u8) -> Result<Self, Error> {
        const KBPS: [u16; 19] = [
            32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384, 448, 512, 576, 640,
        ];
        bits.skip(16)?;
        let (rate_code, size_code) = (bits.take(2)? as u8, bits.take(6)?);
        let rate = RATES_HZ.get(usize::from(rate_code));
        let (Some(&sample_rate_hz), Some(&kbps)) = (rate, KBPS.get(size_code as usize / 2)) else {
            return Err(malformed("of a reserved rate"));
        };
        bits.skip(5)?;
        let (bitstream_mode, channel_mode) = (bits.take(3)? as u8, bits.take(3)? as u8);
        // Mix levels: of three in front, of a surround, of Dolby Surround.
        let mut mix_bits = if channel_mode & 1 == 1 && channel_mode != 1 { 2 } else { 0 };
        mix_bits += if channel_mode & 4 != 0 { 2 } else { 0 };
        mix_bits += if channel_mode == 2 { 2 } else { 0 };
        bits.skip(mix_bits)?;
        let words = 96_000 * u32::from(kbps) / sample_rate_hz
            + if sample_rate_hz == 44_100 { size_code & 1 } else { 0 };
        Ok(Self {
            config: Config {
                is_enhanced: false,
                rate_code,
                bitstream_id,
                bitstream_mode,
                channel_mode,
                has_lfe: bits.flag()?,
                bit_rate_code: (size_code / 2) as u8,
                bit_rate_kbps: kbps,
                sample_rate_hz,
            },
            len: words as usize * 2,
            ticks: 6 * BLOCK_TICKS,
        })
    }

    /// `syncinfo()` and `bsi()` of E-AC-3.
    fn read_enhanced(mut bits: Bits<'_>, bitstream_id: u8) -> Result<Self, Error> {
        const DEPENDENT: u32 = 1;
        let (kind, substream) = (bits.take(2)?, bits.take(3)?);
        if kind == DEPENDENT || substream != 0 {
            // More than 5.1, or several programmes: nothing that plays HLS takes them.
            return Err(Error::Unsupported { what: "E-AC-3 substream", value: substream.into() });
        }
        let len = (bits.take(11)? as usize + 1) * 2;
        if len < HEAD_LEN {
            return Err(malformed("shorter than its own head"));
        }
        let rate_code = bits.take(2)? as u8;
        let (rate, blocks) = match (rate_code, bits.take(2)?) {
            (3, half) => (RATES_HZ.get(half as usize).map(|rate| rate / 2), 6),
            (code, 3) => (RATES_HZ.get(usize::from(code)).copied(), 6),
            (code, count) => (RATES_HZ.get(usize::from(code)).copied(), count + 1),
        };
        let sample_rate_hz = rate.ok_or_else(|| malformed("of a reserved rate"))?;
        let ticks = blocks * BLOCK_TICKS;
        let kbps = len as u64 * 8 * u64::from(sample_rate_hz) / u64::from(ticks) / 1_000;
        Ok(Self {
            config: Config {
                is_enhanced: true,
                rate_code,
                bitstream_id,
                bitstream_mode: 0,
                channel_mode: bits.take(3)? as u8,
                has_lfe: bits.flag()?,
                bit_rate_code: 0,
                // The field of `dec3` has 13 bits.
                bit_rate_kbps: kbps.min(0x1fff) as u16,
                sample_rate_hz,
            },
            len,
            ticks,
        })
    }
}

/// How many samples the frames in `data` hold together; `None` if something else is there.
pub fn data_ticks(data: &[u8]) -> Option<u32> {
    let (mut rest, mut ticks) = (data, 0_u32);
    while !rest.is_empty() {
        let frame = Frame::read(rest).ok()?;
        rest = rest.get(frame.len..)?;
        ticks = ticks.saturating_add(frame.ticks);
    }
    Some(ticks).filter(|&ticks| ticks > 0)
}

/// Takes what makes a sample off the front of `rest`, which is not empty: a frame of AC-3, or as many
/// frames of E-AC-3 as make six blocks.
///
/// # Errors
/// When what is there is not a frame, or cut short, or of a kind that is not carried; `rest` is then
/// empty.
pub fn take_sample(rest: &mut Bytes) -> Result<(Config, Bytes), Error> {
    match measure_sample(rest) {
        Ok((config, len)) => Ok((config, rest.split_to(len))),
        Err(error) => {
            rest.clear();
            Err(error)
        }
    }
}

fn measure_sample(data: &[u8]) -> Result<(Config, usize), Error> {
    let first = Frame::read(data)?;
    let (mut len, mut ticks) = (first.len, first.ticks);
    while ticks < 6 * BLOCK_TICKS
        && let Some(rest) = data.get(len..).filter(|rest| !rest.is_empty())
    {
        let next = Frame::read(rest)?;
        len += next.len;
        ticks += next.ticks;
    }
    if len > data.len() {
        return Err(Error::Truncated { what: "AC-3 frame", need: len, have: data.len() });
    }
    Ok((first.config, len))
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { what: HEAD, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By ffmpeg 5.1: stereo, 48 kHz, 192 kbit/s.
    const AC3: &[u8] = &[0x0b, 0x77, 0xfe, 0x95, 0x14, 0x40, 0x43, 0xe1];
    /// The same as E-AC-3.
    const EAC3: &[u8] = &[0x0b, 0x77, 0x01, 0x7f, 0x34, 0x87, 0xc0, 0x00];

    fn frame(head: &[u8], len: usize) -> Vec<u8> {
        let mut frame = head.to_vec();
        frame.resize(len, 0);
        frame
    }

    #[test]
    fn the_head_of_an_ac3_frame_says_everything() {
        let Frame { config, len, ticks } = Frame::read(AC3).unwrap();
        assert_eq!(config.sound(), Sound { sample_rate_hz: 48_000, channels: 2 });
        assert_eq!((config.bitstream_id, config.channel_mode, config.bit_rate_code), (8, 2, 10));
        assert_eq!((len, ticks), (768, 1_536));
    }

    #[test]
    fn five_channels_and_low_frequencies_are_six() {
        // acmod 7: two mix levels come before lfeon.
        let config = Frame::read(&[0x0b, 0x77, 0, 0, 0x14, 0x40, 0xe1, 0]).unwrap().config;
        assert_eq!(config.sound().channels, 6);
    }

    #[test]
    fn frames_at_44100_alternate_in_length() {
        let len =
            |code: u8| Frame::read(&[0x0b, 0x77, 0, 0, 0x40 | code, 0x40, 0x40, 0]).unwrap().len;
        assert_eq!((len(20), len(21)), (834, 836));
    }

    #[test]
    fn the_head_of_an_eac3_frame_says_everything() {
        let Frame { config, len, ticks } = Frame::read(EAC3).unwrap();
        assert!(config.is_enhanced && !config.has_lfe);
        assert_eq!(config.sound(), Sound { sample_rate_hz: 48_000, channels: 2 });
        assert_eq!((config.bit_rate_kbps, config.bitstream_id), (192, 16));
        assert_eq!((len, ticks), (768, 1_536));
    }

    #[test]
    fn short_frames_of_eac3_make_a_sample_together() {
        // numblkscod 1: two blocks.
        let two_blocks = frame(&[0x0b, 0x77, 0x00, 0x7f, 0x14, 0x87], 256);
        let mut rest = Bytes::from(two_blocks.repeat(4));
        assert_eq!(data_ticks(&rest), Some(2_048));
        assert_eq!(take_sample(&mut rest).unwrap().1.len(), 768);
        assert_eq!(take_sample(&mut rest).unwrap().1.len(), 256);
        assert!(rest.is_empty());
    }

    #[test]
    fn another_bit_rate_is_still_the_same_sound() {
        let config = Frame::read(AC3).unwrap().config;
        let faster = Config { bit_rate_code: 12, bit_rate_kbps: 256, ..config.clone() };
        assert!(faster.continues(&config));
        assert!(!Config { has_lfe: true, ..config.clone() }.continues(&config));
    }

    #[test]
    fn frames_are_taken_one_by_one_and_a_cut_one_is_an_error() {
        let whole = frame(AC3, 768);
        let mut rest = Bytes::from([&whole[..], &whole[..700]].concat());
        assert_eq!(take_sample(&mut rest).unwrap().1, whole);
        let error = take_sample(&mut rest).unwrap_err();
        assert_eq!(error, Error::Truncated { what: "AC-3 frame", need: 768, have: 700 });
        assert!(rest.is_empty());
    }

    #[test]
    fn a_frame_of_eac3_that_says_it_is_shorter_than_its_head_is_an_error() {
        let mut rest = Bytes::from_static(&[0x0b, 0x77, 0, 0, 0x32, 0x5e, 0xee, 0xbf, 0]);
        assert!(take_sample(&mut rest).is_err() && rest.is_empty());
    }

    #[test]
    fn what_is_not_carried_or_no_frame_is_an_error() {
        for head in [
            // Reserved rate and size; half rates of bsid 9; a dependent substream.
            &[0x0b, 0x77, 0, 0, 0xd4, 0x40, 0x43, 0xe1][..],
            &[0x0b, 0x77, 0, 0, 0x26, 0x40, 0x43, 0xe1],
            &[0x0b, 0x77, 0, 0, 0x14, 0x48, 0x43, 0xe1],
            &[0x0b, 0x77, 0x41, 0x7f, 0x34, 0x87, 0xc0, 0],
            &[0x77, 0x0b, 0, 0, 0x14, 0x40, 0x43, 0xe1],
            &[0x0b, 0x77, 0, 0, 0x14],
        ] {
            assert!(Frame::read(head).is_err(), "{head:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_sample_takes_some(mut bytes: Vec<u8>) {
            for (byte, sync) in bytes.iter_mut().zip([0x0b, 0x77]) {
                *byte = sync;
            }
            let _ = data_ticks(&bytes);
            let mut rest = Bytes::from(bytes);
            while !rest.is_empty() {
                let before = rest.len();
                let _ = take_sample(&mut rest);
                prop_assert!(rest.len() < before);
            }
        }
    }
}
