//! MP3: MPEG-1 and MPEG-2 audio, layer III (ISO/IEC 11172-3 §2.4.1.3, ISO/IEC 13818-3 §2.4.1.3), and
//! the lower rates that encoders added as "2.5".
//!
//! It has no configuration record: every frame says what it is.

use bytes::Bytes;

use super::Sound;
use crate::{Error, Timescale};

/// What the header of a frame says of the sound.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Samples per second: the timescale of the track.
    pub sample_rate_hz: u32,
    /// Loudspeakers fed.
    pub channels: u8,
    /// Whether it is of the full rates of MPEG-1; else of the lower ones of MPEG-2.
    pub is_mpeg1: bool,
}

/// A frame and what it says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// What its header says.
    pub config: Config,
    /// Its length in bytes; `None` when the bit rate is "free", and the length not told.
    pub len: Option<usize>,
}

const HEADER: &str = "MP3 frame header";

impl Config {
    /// The track's timescale: its sample rate.
    pub fn timescale(&self) -> Timescale {
        Timescale::new(self.sample_rate_hz).unwrap_or(Timescale::MILLIS)
    }

    /// What is heard.
    pub fn sound(&self) -> Sound {
        Sound { sample_rate_hz: self.sample_rate_hz, channels: self.channels }
    }

    /// Samples of a frame.
    pub fn frame_ticks(&self) -> u32 {
        if self.is_mpeg1 { 1_152 } else { 576 }
    }
}

impl Frame {
    /// Reads the header of a frame.
    ///
    /// # Errors
    /// When it is truncated, or not that of a frame of layer III.
    pub fn read(frame: &[u8]) -> Result<Self, Error> {
        const LAYER_III: u8 = 1;
        /// Kilobits per second by `bitrate_index`.
        const MPEG1_KBPS: [u32; 15] =
            [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
        const MPEG2_KBPS: [u32; 15] =
            [0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
        const RATES_HZ: [u32; 3] = [44_100, 48_000, 32_000];
        let &[sync, version_layer, rates, mode] = frame.first_chunk().ok_or(Error::Truncated {
            what: HEADER,
            need: 4,
            have: frame.len(),
        })?;
        if sync != 0xff || version_layer & 0xe0 != 0xe0 {
            return Err(malformed("no synchronisation"));
        }
        if version_layer >> 1 & 3 != LAYER_III {
            return Err(malformed("not of layer III"));
        }
        let (halvings, is_mpeg1) = match version_layer >> 3 & 3 {
            3 => (0, true),
            2 => (1, false),
            0 => (2, false),
            _ => return Err(malformed("of a reserved version")),
        };
        let rate = RATES_HZ.get(usize::from(rates >> 2 & 3));
        let table = if is_mpeg1 { MPEG1_KBPS } else { MPEG2_KBPS };
        let (Some(rate), Some(kbps)) = (rate, table.get(usize::from(rates >> 4))) else {
            return Err(malformed("of a reserved rate"));
        };
        let sample_rate_hz = rate >> halvings;
        const MONO: u8 = 3;
        let channels = if mode >> 6 == MONO { 1 } else { 2 };
        let config = Config { sample_rate_hz, channels, is_mpeg1 };
        let bytes = config.frame_ticks() / 8 * kbps * 1_000 / sample_rate_hz;
        let len = (*kbps > 0).then_some(bytes as usize + usize::from(rates >> 1 & 1));
        Ok(Self { config, len })
    }
}

/// Takes the next frame off the front of `rest`, which may hold several, and is not empty.
///
/// # Errors
/// When what is there is not a frame, or cut short; `rest` is then empty.
pub fn take_frame(rest: &mut Bytes) -> Result<(Config, Bytes), Error> {
    let have = rest.len();
    let whole = Frame::read(rest).and_then(|Frame { config, len }| {
        let need = len.unwrap_or(have);
        if need > have {
            Err(Error::Truncated { what: "MP3 frame", need, have })
        } else {
            Ok((config, need))
        }
    });
    match whole {
        Ok((config, len)) => Ok((config, rest.split_to(len))),
        Err(error) => {
            rest.clear();
            Err(error)
        }
    }
}

fn malformed(reason: &str) -> Error {
    Error::Malformed { what: HEADER, reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_header_of_a_frame_says_everything() {
        let read = |header: [u8; 4]| Frame::read(&header).unwrap();
        // LAME: MPEG-1, 128 kbit/s, 48 kHz, joint stereo.
        let frame = read([0xff, 0xfb, 0x94, 0x64]);
        assert_eq!(frame.config.sound(), Sound { sample_rate_hz: 48_000, channels: 2 });
        assert_eq!((frame.config.frame_ticks(), frame.len), (1_152, Some(384)));
        // 44.1 kHz with padding.
        assert_eq!(read([0xff, 0xfb, 0x92, 0x64]).len, Some(418));
        // MPEG-2, 24 kHz, mono; MPEG-2.5, 8 kHz, with checksum.
        let frame = read([0xff, 0xf3, 0x84, 0xc4]);
        assert_eq!(frame.config.sound(), Sound { sample_rate_hz: 24_000, channels: 1 });
        assert_eq!((frame.config.frame_ticks(), frame.len), (576, Some(192)));
        assert_eq!(read([0xff, 0xe2, 0x18, 0xc4]).config.sample_rate_hz, 8_000);
        assert_eq!(read([0xff, 0xfb, 0x04, 0x64]).len, None, "a free bit rate");
    }

    #[test]
    fn what_is_not_layer_three_is_an_error() {
        for bytes in [
            &[0xff, 0xfd, 0x94, 0x64][..],
            &[0xff, 0xff, 0x94, 0x64],
            &[0xff, 0xeb, 0x94, 0x64],
            &[0xff, 0xfb, 0xf4, 0x64],
            &[0xff, 0xfb, 0x9c, 0x64],
            &[0xfe, 0xfb, 0x94, 0x64],
            &[0xff, 0xfb, 0x94],
            b"ID3\x04",
        ] {
            assert!(Frame::read(bytes).is_err(), "{bytes:x?}");
        }
    }

    #[test]
    fn frames_are_taken_one_by_one_and_a_cut_one_is_an_error() {
        let frame = [&[0xff, 0xfb, 0x94, 0x64][..], &[0; 380]].concat();
        let mut rest = Bytes::from([&frame[..], &frame, &frame[..100]].concat());
        assert_eq!(take_frame(&mut rest).unwrap().1, frame);
        assert_eq!(take_frame(&mut rest).unwrap().1, frame);
        let error = take_frame(&mut rest).unwrap_err();
        assert_eq!(error, Error::Truncated { what: "MP3 frame", need: 384, have: 100 });
        assert!(rest.is_empty());
    }

    proptest! {
        #[test]
        fn no_bytes_panic_and_every_frame_takes_some(mut bytes: Vec<u8>) {
            for (byte, sync) in bytes.iter_mut().zip([0xff, 0xfb]) {
                *byte |= sync;
            }
            let mut rest = Bytes::from(bytes);
            while !rest.is_empty() {
                let before = rest.len();
                let _ = take_frame(&mut rest);
                prop_assert!(rest.len() < before);
            }
        }
    }
}
