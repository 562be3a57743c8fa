//! HEVC: the `HEVCDecoderConfigurationRecord` (ISO/IEC 14496-15 §8.3.3.1) and what of a sequence
//! parameter set (ITU-T H.265 §7.3.2.2) says size and rate.

use bytes::Bytes;

pub use super::nal::NalUnits;
use super::{
    Picture,
    bits::Bits,
    check_len,
    nal::{self, take_array, take_parameter_sets},
};
use crate::Error;

/// NAL unit types of ITU-T H.265 table 7-1 that change what we do.
pub mod nal_type {
    use std::ops::RangeInclusive;

    /// Coded slices of pictures from which decoding may start: BLA, IDR, CRA, and two reserved.
    pub const IRAP: RangeInclusive<u8> = 16..=23;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
}

/// A parsed `HEVCDecoderConfigurationRecord`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The record as it came, for the `hvcC` box.
    #[serde(with = "crate::kept::bytes_in_hex")]
    pub record: Bytes,
    /// `general_profile_space`, `general_tier_flag` and `general_profile_idc`, as one byte.
    pub profile: u8,
    /// `general_profile_compatibility_flags`.
    pub compatibility: u32,
    /// `general_constraint_indicator_flags`.
    pub constraints: [u8; 6],
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
    /// Bytes of the length before each NAL unit: 1, 2 or 4.
    pub nal_length_size: usize,
    /// Video parameter sets, NAL header included.
    #[serde(with = "crate::kept::rows_in_hex")]
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, NAL header included.
    #[serde(with = "crate::kept::rows_in_hex")]
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, NAL header included.
    #[serde(with = "crate::kept::rows_in_hex")]
    pub pps: Vec<Bytes>,
    /// What the first sequence parameter set says.
    pub picture: Picture,
}

impl Config {
    /// Longest record accepted. Those of x265 have some 2 500 bytes, its settings in clear included.
    pub const MAX_LEN: usize = 16 * 1024;

    /// Reads an `HEVCDecoderConfigurationRecord`.
    ///
    /// # Errors
    /// When it is truncated, has not a parameter set of each kind, or its picture is larger than
    /// 16 384 pixels a side.
    pub fn parse(record: Bytes) -> Result<Self, Error> {
        const WHAT: &str = "HEVCDecoderConfigurationRecord";
        check_len(WHAT, record.len(), Self::MAX_LEN)?;
        let mut rest = record.clone();
        let [version, profile] = take_array(&mut rest, WHAT)?;
        if version != 1 {
            let value = version.into();
            return Err(Error::Unsupported { what: "HEVC configuration version", value });
        }
        let compatibility = u32::from_be_bytes(take_array(&mut rest, WHAT)?);
        let constraints = take_array(&mut rest, WHAT)?;
        // Level; segmentation, parallelism, chroma, depths, average rate: what nobody fills in.
        let [level, _, _, _, _, _, _, _, _, length, arrays] = take_array(&mut rest, WHAT)?;
        let (mut vps, mut sps, mut pps) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..arrays {
            let [kind, high, low] = take_array(&mut rest, WHAT)?;
            let count = u16::from_be_bytes([high, low]);
            let sets = take_parameter_sets(&mut rest, count, "HEVC parameter set")?;
            match kind & 0x3f {
                nal_type::VPS => vps.extend(sets),
                nal_type::SPS => sps.extend(sets),
                nal_type::PPS => pps.extend(sets),
                _ => {}
            }
        }
        let missing = |kind| Error::Malformed { what: WHAT, reason: format!("no {kind}") };
        let first = sps.first().ok_or_else(|| missing("sequence parameter set"))?;
        if vps.is_empty() {
            return Err(missing("video parameter set"));
        }
        if pps.is_empty() {
            return Err(missing("picture parameter set"));
        }
        Ok(Self {
            profile,
            compatibility,
            constraints,
            level,
            nal_length_size: nal::length_size(length)?,
            picture: read_picture(first)?,
            vps,
            sps,
            pps,
            record,
        })
    }

    /// RFC 6381 form (ISO/IEC 14496-15 Annex E.3), such as `hvc1.1.6.L93.B0`.
    pub fn codec_string(&self) -> String {
        let space = ["", "A", "B", "C"].get(usize::from(self.profile >> 6)).copied();
        let tier = if self.profile & 0x20 == 0 { 'L' } else { 'H' };
        let mut text = format!(
            "hvc1.{}{}.{:x}.{tier}{}",
            space.unwrap_or_default(),
            self.profile & 0x1f,
            self.compatibility.reverse_bits(),
            self.level
        );
        let said = self.constraints.iter().rposition(|&byte| byte != 0).map_or(0, |at| at + 1);
        for byte in self.constraints.iter().take(said) {
            text.push_str(&format!(".{byte:X}"));
        }
        text
    }

    /// The NAL units of an access unit in AVCC form.
    pub fn nal_units(&self, access_unit: Bytes) -> NalUnits {
        NalUnits::new(access_unit, self.nal_length_size)
    }
}

/// The `nal_unit_type` of a NAL unit; 0 for an empty one.
pub fn nal_unit_type(nal: &[u8]) -> u8 {
    nal.first().map_or(0, |header| header >> 1 & 0x3f)
}

const SPS: &str = "HEVC sequence parameter set";

/// Size, and rate when it is told.
fn read_picture(sps: &[u8]) -> Result<Picture, Error> {
    let rbsp = without_emulation_prevention(sps);
    let mut bits = Bits::new(SPS, &rbsp);
    // NAL header, sps_video_parameter_set_id.
    bits.skip(16 + 4)?;
    let sub_layers = bits.take(3)?;
    bits.skip(1)?;
    skip_profile_tier_level(&mut bits, sub_layers)?;
    bits.ue()?;
    let chroma = bits.ue()?;
    if chroma == 3 {
        bits.skip(1)?;
    }
    let (mut width, mut height) = (bits.ue()?, bits.ue()?);
    if bits.flag()? {
        // The conformance window counts in chroma samples (table 6-1).
        let across = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let down = if chroma == 1 { 2 } else { 1 };
        let mut edges = || Ok::<_, Error>(bits.ue()?.saturating_add(bits.ue()?));
        let (sides, top_bottom) = (edges()?, edges()?);
        width = width.saturating_sub(sides.saturating_mul(across));
        height = height.saturating_sub(top_bottom.saturating_mul(down));
    }
    // What comes after the size is only needed for the rate, which may be unknown.
    let fps = read_fps(&mut bits, sub_layers).ok().flatten();
    Picture::new(SPS, width, height, fps)
}

/// `profile_tier_level(1, sub_layers)` (§7.3.3).
fn skip_profile_tier_level(bits: &mut Bits<'_>, sub_layers: u32) -> Result<(), Error> {
    const PROFILE: u32 = 88;
    const LEVEL: u32 = 8;
    bits.skip(PROFILE + LEVEL)?;
    let mut lengths = 0;
    for _ in 0..sub_layers {
        lengths += if bits.flag()? { PROFILE } else { 0 };
        lengths += if bits.flag()? { LEVEL } else { 0 };
    }
    if sub_layers > 0 {
        bits.skip(2 * (8 - sub_layers))?;
    }
    bits.skip(lengths)
}

/// From after the conformance window to the timing information of the VUI (Annex E.2.1).
fn read_fps(bits: &mut Bits<'_>, sub_layers: u32) -> Result<Option<f64>, Error> {
    // Bit depths.
    bits.ue()?;
    bits.ue()?;
    let poc_bits = bits.ue()?.saturating_add(4);
    let ordered = if bits.flag()? { sub_layers + 1 } else { 1 };
    // Three numbers a sub-layer, six on block sizes.
    for _ in 0..ordered * 3 + 6 {
        bits.ue()?;
    }
    if bits.flag()? && bits.flag()? {
        skip_scaling_lists(bits)?;
    }
    // amp, sao
    bits.skip(2)?;
    if bits.flag()? {
        bits.skip(8)?;
        bits.ue()?;
        bits.ue()?;
        bits.skip(1)?;
    }
    skip_short_term_sets(bits)?;
    if bits.flag()? {
        for _ in 0..at_most(bits.ue()?, 32)? {
            bits.skip(poc_bits)?;
            bits.skip(1)?;
        }
    }
    // temporal_mvp, strong_intra_smoothing
    bits.skip(2)?;
    if !bits.flag()? {
        return Ok(None);
    }
    skip_vui_before_timing(bits)?;
    if !bits.flag()? {
        return Ok(None);
    }
    let (units_in_tick, time_scale) = (bits.take(32)?, bits.take(32)?);
    Ok((units_in_tick > 0).then(|| f64::from(time_scale) / f64::from(units_in_tick)))
}

/// `scaling_list_data()` (§7.3.4).
fn skip_scaling_lists(bits: &mut Bits<'_>) -> Result<(), Error> {
    for size in 0..4_u32 {
        for _ in 0..if size == 3 { 2 } else { 6 } {
            if !bits.flag()? {
                bits.ue()?;
                continue;
            }
            let coefficients = (1_u32 << (4 + 2 * size)).min(64);
            let direct = u32::from(size > 1);
            for _ in 0..coefficients + direct {
                bits.se()?;
            }
        }
    }
    Ok(())
}

/// Every `st_ref_pic_set()` (§7.3.7): each may be told by its difference from the one before.
fn skip_short_term_sets(bits: &mut Bits<'_>) -> Result<(), Error> {
    let mut pictures = 0;
    for set in 0..at_most(bits.ue()?, 64)? {
        if set > 0 && bits.flag()? {
            bits.skip(1)?;
            bits.ue()?;
            let mut kept = 0;
            for _ in 0..=pictures {
                // used_by_curr_pic_flag, else use_delta_flag.
                kept += u32::from(bits.flag()? || bits.flag()?);
            }
            pictures = at_most(kept, 32)?;
        } else {
            let (before, after) = (at_most(bits.ue()?, 16)?, at_most(bits.ue()?, 16)?);
            pictures = before + after;
            for _ in 0..pictures {
                bits.ue()?;
                bits.skip(1)?;
            }
        }
    }
    Ok(())
}

fn skip_vui_before_timing(bits: &mut Bits<'_>) -> Result<(), Error> {
    const EXTENDED_ASPECT_RATIO: u32 = 255;
    if bits.flag()? && bits.take(8)? == EXTENDED_ASPECT_RATIO {
        bits.skip(32)?;
    }
    if bits.flag()? {
        bits.skip(1)?;
    }
    if bits.flag()? {
        bits.skip(4)?;
        if bits.flag()? {
            bits.skip(24)?;
        }
    }
    if bits.flag()? {
        bits.ue()?;
        bits.ue()?;
    }
    // neutral_chroma, field_seq, frame_field_info
    bits.skip(3)?;
    if bits.flag()? {
        for _ in 0..4 {
            bits.ue()?;
        }
    }
    Ok(())
}

fn at_most(count: u32, max: u32) -> Result<u32, Error> {
    if count > max {
        let reason = format!("{count} of what there are at most {max}");
        return Err(Error::Malformed { what: SPS, reason });
    }
    Ok(count)
}

/// A NAL unit without the 3 after each two zeros (§7.3.1.1).
fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut rbsp = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        rbsp.push(byte);
    }
    rbsp
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by ffmpeg 5.1 (libx265 Main, 320x180 at 25 fps), taken from its MP4, without the SEI
    /// in which x265 tells its settings.
    const X265_180P25: &[u8] = &[
        0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00,
        0xfc, 0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01,
        0x0c, 0x01, 0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00,
        0x00, 0x03, 0x00, 0x3c, 0x95, 0x94, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01,
        0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c,
        0xa0, 0x0a, 0x08, 0x0c, 0x1f, 0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00,
        0x00, 0x03, 0x00, 0x02, 0x00, 0x00, 0x03, 0x00, 0x32, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06,
        0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
    ];

    fn parse(bytes: &'static [u8]) -> Result<Config, Error> {
        Config::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn the_record_of_x265_gives_size_rate_and_codec() {
        let config = parse(X265_180P25).unwrap();
        let picture = Picture { width: 320, height: 180, declared_fps: Some(25.0) };
        assert_eq!(config.picture, picture);
        assert_eq!(config.codec_string(), "hvc1.1.6.L60.90");
        assert_eq!(config.nal_length_size, 4);
        assert_eq!((config.vps.len(), config.sps.len(), config.pps.len()), (1, 1, 1));
    }

    #[test]
    fn the_codec_string_spells_space_tier_and_constraints() {
        let mut config = parse(X265_180P25).unwrap();
        config.profile = 0x40 | 0x20 | 4;
        config.compatibility = 0x0800_0000;
        config.constraints = [0x9d, 0, 0x08, 0, 0, 0];
        config.level = 153;
        assert_eq!(config.codec_string(), "hvc1.A4.10.H153.9D.0.8");
        config.constraints = [0; 6];
        assert_eq!(config.codec_string(), "hvc1.A4.10.H153");
    }

    #[test]
    fn a_record_cut_anywhere_is_an_error() {
        for len in 0..X265_180P25.len() {
            assert!(parse(&X265_180P25[..len]).is_err(), "{len} bytes");
        }
    }

    #[test]
    fn a_parameter_set_cut_after_the_size_still_tells_the_size() {
        let config = parse(X265_180P25).unwrap();
        let picture = read_picture(&config.sps[0][..24]).unwrap();
        assert_eq!(picture, Picture { width: 320, height: 180, declared_fps: None });
    }

    #[test]
    fn a_record_without_one_of_the_parameter_sets_is_an_error() {
        for (at, kind) in [(23, 0xa0), (52, 0xa1), (100, 0xa2)] {
            let mut record = X265_180P25.to_vec();
            assert_eq!(record[at], kind);
            record[at] = 0xa7;
            let error = Config::parse(record.into()).unwrap_err();
            assert!(error.to_string().contains("parameter set"), "{error}");
        }
    }

    #[test]
    fn the_types_of_nal_units_are_read_from_six_bits() {
        assert_eq!(nal_unit_type(&[0x40, 0x01]), nal_type::VPS);
        assert_eq!(nal_unit_type(&[0x46, 0x01, 0x50]), nal_type::AUD);
        assert!(nal_type::IRAP.contains(&nal_unit_type(&[0x26, 0x01])));
        assert!(!nal_type::IRAP.contains(&nal_unit_type(&[0x02, 0x01])));
        assert_eq!(nal_unit_type(&[]), 0);
    }

    proptest! {
        #[test]
        fn no_record_panics(mut bytes: Vec<u8>) {
            if let Some(first) = bytes.first_mut() {
                *first = 1;
            }
            let _ = Config::parse(bytes.into());
        }

        #[test]
        fn no_mutation_of_a_real_record_panics(at in 0..X265_180P25.len(), byte: u8) {
            let mut bytes = X265_180P25.to_vec();
            bytes[at] = byte;
            if let Ok(config) = Config::parse(bytes.into()) {
                prop_assert!(!config.codec_string().is_empty());
            }
        }
    }
}
