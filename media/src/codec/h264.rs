//! H.264: the `AVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §5.3.3.1) and NAL units in AVCC
//! form (§5.3.2).

use bytes::Bytes;
use h264_reader::{
    nal::sps::SeqParameterSet,
    rbsp::{BitReader, decode_nal},
};

pub use super::nal::NalUnits;
use super::{
    Picture, check_len,
    nal::{self, take_array, take_parameter_sets},
};
use crate::Error;

/// NAL unit types of ITU-T H.264 table 7-1 that change what we do.
pub mod nal_type {
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
}

/// A parsed `AVCDecoderConfigurationRecord`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The record as it came, for the `avcC` box.
    #[serde(with = "crate::kept::bytes_in_hex")]
    pub record: Bytes,
    /// `profile_idc`, the constraint flags and `level_idc` of the first parameter set.
    pub profile_level: [u8; 3],
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_size: usize,
    /// Sequence parameter sets, NAL header included.
    #[serde(with = "crate::kept::rows_in_hex")]
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included.
    #[serde(with = "crate::kept::rows_in_hex")]
    pub pps: Vec<Bytes>,
    /// Width of the cropped picture, in pixels.
    pub width: u32,
    /// Height of the cropped picture, in pixels.
    pub height: u32,
    /// Frames per second as the parameter set declares them; many encoders declare none.
    #[serde(with = "crate::kept::rate_in_bits")]
    pub declared_fps: Option<f64>,
}

impl Config {
    /// Longest record accepted. Real ones have some 40 bytes.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Reads an `AVCDecoderConfigurationRecord`.
    ///
    /// # Errors
    /// When it is truncated, has no parameter set, or its picture is larger than 16 384 pixels a
    /// side.
    pub fn parse(record: Bytes) -> Result<Self, Error> {
        const WHAT: &str = "AVCDecoderConfigurationRecord";
        check_len(WHAT, record.len(), Self::MAX_LEN)?;
        let mut rest = record.clone();
        let [version, profile, constraints, level, length, sps_count] =
            take_array(&mut rest, WHAT)?;
        if version != 1 {
            return Err(Error::Unsupported {
                what: "AVC configuration version",
                value: version.into(),
            });
        }
        let nal_length_size = nal::length_size(length)?;
        let sps =
            take_parameter_sets(&mut rest, (sps_count & 0x1f).into(), "sequence parameter set")?;
        let [pps_count] = take_array(&mut rest, WHAT)?;
        let pps = take_parameter_sets(&mut rest, pps_count.into(), "picture parameter set")?;
        let first =
            sps.first().ok_or_else(|| malformed(WHAT, "no sequence parameter set".into()))?;
        if pps.is_empty() {
            return Err(malformed(WHAT, "no picture parameter set".into()));
        }
        let picture = read_picture(first)?;
        Ok(Self {
            profile_level: [profile, constraints, level],
            nal_length_size,
            width: picture.width,
            height: picture.height,
            declared_fps: picture.declared_fps,
            sps,
            pps,
            record,
        })
    }

    /// The size of its picture, and the rate if it declares one.
    pub fn picture(&self) -> Picture {
        Picture { width: self.width, height: self.height, declared_fps: self.declared_fps }
    }

    /// RFC 6381 form, such as `avc1.64001f`.
    pub fn codec_string(&self) -> String {
        let [profile, constraints, level] = self.profile_level;
        format!("avc1.{profile:02x}{constraints:02x}{level:02x}")
    }

    /// The NAL units of an access unit in AVCC form.
    pub fn nal_units(&self, avcc: Bytes) -> NalUnits {
        NalUnits::new(avcc, self.nal_length_size)
    }
}

/// The `nal_unit_type` of a NAL unit; 0 for an empty one.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header & 0x1f)
}

fn read_picture(sps: &[u8]) -> Result<Picture, Error> {
    const WHAT: &str = "sequence parameter set";
    let rbsp = decode_nal(sps).map_err(|e| malformed(WHAT, e.to_string()))?;
    let sps = SeqParameterSet::from_bits(BitReader::new(&*rbsp))
        .map_err(|e| malformed(WHAT, format!("{e:?}")))?;
    let (width, height) = sps.pixel_dimensions().map_err(|e| malformed(WHAT, format!("{e:?}")))?;
    Picture::new(WHAT, width, height, sps.fps())
}

fn malformed(what: &'static str, reason: String) -> Error {
    Error::Malformed { what, reason }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps), taken from its
    /// MP4, without the chroma extension at its end.
    const X264_720P30: &[u8] = &[
        0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40,
        0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0,
        0xf1, 0x83, 0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
    ];

    fn parse(bytes: &'static [u8]) -> Result<Config, Error> {
        Config::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn the_record_of_x264_gives_size_rate_and_codec() {
        let config = parse(X264_720P30).unwrap();
        assert_eq!((config.width, config.height), (1280, 720));
        assert_eq!(config.declared_fps, Some(30.0));
        assert_eq!(config.codec_string(), "avc1.64001f");
        assert_eq!(config.nal_length_size, 4);
    }

    #[test]
    fn a_record_cut_anywhere_before_its_last_parameter_set_ends_is_an_error() {
        for len in 0..X264_720P30.len() {
            assert!(parse(&X264_720P30[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn nal_units_come_without_their_lengths_and_empty_ones_are_skipped() {
        let config = parse(X264_720P30).unwrap();
        let avcc = Bytes::from_static(&[0, 0, 0, 2, 0x65, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x41]);
        let nals: Result<Vec<_>, _> = config.nal_units(avcc).collect();
        assert_eq!(nals.unwrap(), [&[0x65, 1][..], &[0x41]]);
    }

    #[test]
    fn a_nal_unit_longer_than_the_rest_is_an_error_and_the_last_item() {
        let config = parse(X264_720P30).unwrap();
        let mut nals = config.nal_units(Bytes::from_static(&[0xff, 0xff, 0xff, 0xff, 1]));
        assert!(nals.next().is_some_and(|nal| nal.is_err()));
        assert!(nals.next().is_none());
    }

    proptest! {
        #[test]
        fn no_record_panics(mut bytes: Vec<u8>, version in 0_u8..2) {
            if let Some(first) = bytes.first_mut() {
                *first = version;
            }
            let _ = Config::parse(bytes.into());
        }

        #[test]
        fn no_mutation_of_a_real_record_panics(at in 0..X264_720P30.len(), byte: u8) {
            let mut bytes = X264_720P30.to_vec();
            bytes[at] = byte;
            let _ = Config::parse(bytes.into());
        }
    }
}
