//! VP9: the `VPCodecConfigurationRecord` (VP codec ISOBMFF binding) and the uncompressed header of a
//! frame (VP9 bitstream §6.2).

use bytes::Bytes;

use super::{Picture, bits::Bits, check_len};
use crate::Error;

/// A configuration whose picture is known: the record does not say how large it is.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// Profile, 0 to 3.
    pub profile: u8,
    /// Ten times the level; 0 when the encoder did not say.
    pub level: u8,
    /// Bits of a colour sample.
    pub bit_depth: u8,
    /// How colours are sampled: 0 and 1 are 4:2:0.
    pub chroma_subsampling: u8,
    /// Whether colours use the full range.
    pub full_range: bool,
    /// Primaries, transfer and matrix (ISO/IEC 23001-8).
    pub colour: [u8; 3],
    /// What the last key frame said.
    pub picture: Picture,
}

/// What must be known of a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Frame {
    /// The size, if it is a key frame: decoding may start there.
    pub key: Option<Picture>,
}

const HEADER: &str = "VP9 frame header";

impl Config {
    /// Longest record accepted. Real ones have 8 or 12 bytes: VP9 has no initialisation data.
    pub const MAX_LEN: usize = 4 * 1024;

    /// Reads a `VPCodecConfigurationRecord` for frames of this size.
    ///
    /// # Errors
    /// When it is truncated, or of a profile or bit depth that VP9 does not have.
    pub fn parse(record: &Bytes, picture: Picture) -> Result<Self, Error> {
        const WHAT: &str = "VPCodecConfigurationRecord";
        const WITHOUT_SUBSAMPLING: u8 = 3;
        const UNSPECIFIED: u8 = 2;
        check_len(WHAT, record.len(), Self::MAX_LEN)?;
        // ffmpeg sends the version and flags of the box with it.
        let fields = record.strip_prefix(&[1, 0, 0, 0]).unwrap_or(record);
        let fields: &[u8; 8] = fields.first_chunk().ok_or(Error::Truncated {
            what: WHAT,
            need: 8,
            have: fields.len(),
        })?;
        let [profile, level, form, primaries, transfer, matrix, _, _] = *fields;
        let (bit_depth, chroma_subsampling) = (form >> 4, form >> 1 & 7);
        if profile > 3 {
            return Err(Error::Unsupported { what: "VP9 profile", value: profile.into() });
        }
        if !matches!(bit_depth, 8 | 10 | 12) {
            return Err(Error::Unsupported { what: "VP9 bit depth", value: bit_depth.into() });
        }
        if chroma_subsampling > WITHOUT_SUBSAMPLING {
            let value = chroma_subsampling.into();
            return Err(Error::Unsupported { what: "VP9 chroma subsampling", value });
        }
        // A matrix of 0 is RGB, which is never subsampled: who says so means that he does not know.
        let is_rgb = chroma_subsampling == WITHOUT_SUBSAMPLING;
        let matrix = if matrix == 0 && !is_rgb { UNSPECIFIED } else { matrix };
        Ok(Self {
            profile,
            level: if level == 0 { least_level(picture) } else { level },
            bit_depth,
            chroma_subsampling,
            full_range: form & 1 == 1,
            colour: [primaries, transfer, matrix],
            picture,
        })
    }

    /// RFC 6381 form, such as `vp09.00.11.08`.
    pub fn codec_string(&self) -> String {
        format!("vp09.{:02}.{:02}.{:02}", self.profile, self.level, self.bit_depth)
    }
}

impl Frame {
    /// Reads the uncompressed header of a frame, or of the first one of a superframe.
    ///
    /// # Errors
    /// When it is truncated or not that of a VP9 frame.
    pub fn read(data: &[u8]) -> Result<Self, Error> {
        const FRAME_MARKER: u32 = 2;
        const SYNC_CODE: u32 = 0x49_83_42;
        let malformed = |reason: &str| Error::Malformed { what: HEADER, reason: reason.into() };
        let mut bits = Bits::new(HEADER, data);
        if bits.take(2)? != FRAME_MARKER {
            return Err(malformed("no frame marker"));
        }
        let profile = u32::from(bits.flag()?) | u32::from(bits.flag()?) << 1;
        if profile == 3 {
            bits.skip(1)?;
        }
        let (shows_existing, is_inter) = (bits.flag()?, bits.flag()?);
        if shows_existing || is_inter {
            return Ok(Self { key: None });
        }
        // show_frame, error_resilient_mode
        bits.skip(2)?;
        if bits.take(24)? != SYNC_CODE {
            return Err(malformed("a key frame without sync code"));
        }
        skip_colours(&mut bits, profile)?;
        let (width, height) = (bits.take(16)? + 1, bits.take(16)? + 1);
        Ok(Self { key: Some(Picture::new(HEADER, width, height, None)?) })
    }
}

/// `color_config()` (§6.2.2).
fn skip_colours(bits: &mut Bits<'_>, profile: u32) -> Result<(), Error> {
    const RGB: u32 = 7;
    if profile >= 2 {
        bits.skip(1)?;
    }
    let says_sampling = profile & 1 == 1;
    if bits.take(3)? == RGB {
        return bits.skip(u32::from(says_sampling));
    }
    bits.skip(if says_sampling { 4 } else { 1 })
}

/// The lowest level whose pictures are that large (VP9 levels): a codec string must name one, and
/// browsers know no level 0.
fn least_level(picture: Picture) -> u8 {
    const LARGEST: [(u32, u8); 9] = [
        (36_864, 10),
        (73_728, 11),
        (122_880, 20),
        (245_760, 21),
        (552_960, 30),
        (983_040, 31),
        (2_228_224, 40),
        (8_912_896, 50),
        (35_651_584, 60),
    ];
    let pixels = picture.width.saturating_mul(picture.height);
    LARGEST.iter().find(|(largest, _)| pixels <= *largest).map_or(62, |&(_, level)| level)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by ffmpeg 5.1 (libvpx-vp9, 320x180), taken from its MP4: a box's version and flags,
    /// then the record.
    const VPX: &[u8] = &[1, 0, 0, 0, 0x00, 0x0b, 0x82, 0x02, 0x02, 0x02, 0x00, 0x00];
    const SMALL: Picture = Picture { width: 320, height: 180, declared_fps: None };
    /// The first bytes of a key frame of libvpx, 320x180.
    const KEY: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30, 0x00];

    #[test]
    fn the_record_is_read_with_and_without_the_head_of_its_box() {
        let config = Config::parse(&Bytes::from_static(VPX), SMALL).unwrap();
        assert_eq!(config.codec_string(), "vp09.00.11.08");
        assert_eq!((config.bit_depth, config.chroma_subsampling), (8, 1));
        assert_eq!(Config::parse(&Bytes::from_static(&VPX[4..]), SMALL), Ok(config));
    }

    #[test]
    fn a_level_that_is_not_told_follows_from_the_size() {
        let mut record = VPX.to_vec();
        record[5] = 0;
        let record = record.into();
        for (width, height, level) in [(256, 144, 10), (1280, 720, 31), (16_384, 16_384, 62)] {
            let picture = Picture { width, height, declared_fps: None };
            assert_eq!(Config::parse(&record, picture).unwrap().level, level);
        }
    }

    #[test]
    fn records_that_are_short_or_not_of_vp9_are_errors() {
        for len in [0, 3, 4, 7, 11] {
            assert!(Config::parse(&Bytes::from_static(&VPX[..len]), SMALL).is_err(), "{len}");
        }
        for (at, value) in [(4, 4), (6, 0x92), (6, 0x88)] {
            let mut record = VPX.to_vec();
            record[at] = value;
            let result = Config::parse(&record.into(), SMALL);
            assert!(matches!(result, Err(Error::Unsupported { .. })));
        }
    }

    #[test]
    fn a_key_frame_tells_its_size() {
        assert_eq!(Frame::read(KEY), Ok(Frame { key: Some(SMALL) }));
    }

    #[test]
    fn other_frames_tell_nothing() {
        for bytes in [&[0x86][..], &[0x8a], &[0x84, 0x00]] {
            assert_eq!(Frame::read(bytes), Ok(Frame { key: None }), "{bytes:x?}");
        }
    }

    #[test]
    fn what_is_not_a_frame_is_an_error() {
        for bytes in [&[][..], &[0x42], &[0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0, 0], &KEY[..8]] {
            assert!(Frame::read(bytes).is_err(), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Frame::read(&bytes);
            let _ = Config::parse(&bytes.into(), SMALL);
        }

        #[test]
        fn no_mutation_of_a_key_frame_panics(at in 0..KEY.len(), byte: u8) {
            let mut bytes = KEY.to_vec();
            bytes[at] = byte;
            let _ = Frame::read(&bytes);
        }
    }
}
