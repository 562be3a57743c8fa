//! AV1: the `AV1CodecConfigurationRecord` (AV1 in ISOBMFF §2.3.3), the sequence header, and what of
//! a temporal unit says whether decoding may start there (AV1 bitstream §5).

use bytes::Bytes;

use super::{Picture, bits::Bits, check_len};
use crate::Error;

/// A configuration whose picture is known.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Config {
    /// The record, its sequence header included, for the `av1C` box.
    #[serde(with = "crate::kept::bytes_in_hex")]
    pub record: Bytes,
    /// What the sequence header says.
    pub picture: Picture,
}

/// What a sequence header OBU says.
#[derive(Debug, Clone, PartialEq)]
pub struct SequenceHeader {
    /// Largest size of its frames, and their rate.
    pub picture: Picture,
    /// The OBU's payload.
    payload: Bytes,
}

/// What must be known of a temporal unit: the OBUs of one time.
#[derive(Debug, Clone, PartialEq)]
pub struct TemporalUnit {
    /// Whether its first frame is a key frame that is shown.
    pub is_sync: bool,
    /// The sequence header in front of such a frame.
    pub sequence_header: Option<SequenceHeader>,
}

/// `obu_type` (§6.2.2).
mod obu_type {
    pub const SEQUENCE_HEADER: u8 = 1;
    pub const TEMPORAL_DELIMITER: u8 = 2;
    pub const FRAME_HEADER: u8 = 3;
    pub const FRAME: u8 = 6;
}

const RECORD: &str = "AV1CodecConfigurationRecord";
const SEQUENCE_HEADER: &str = "AV1 sequence header";
/// Marker, version, profile, level and form: what comes before the OBUs of a record.
const RECORD_HEAD_LEN: usize = 4;

impl Config {
    /// Longest record accepted. Real ones have some 20 bytes.
    pub const MAX_LEN: usize = 4 * 1024;

    /// Reads an `AV1CodecConfigurationRecord`. Some encoders leave the sequence header out of it: the
    /// one `in_band`, before a key frame, then takes its place. `None` while there is neither.
    ///
    /// # Errors
    /// When the record is truncated or contradicts itself, or its picture is larger than 16 384
    /// pixels a side.
    pub fn parse(record: Bytes, in_band: Option<&SequenceHeader>) -> Result<Option<Self>, Error> {
        check_len(RECORD, record.len(), Self::MAX_LEN)?;
        let head: &[u8; RECORD_HEAD_LEN] = record.first_chunk().ok_or(Error::Truncated {
            what: RECORD,
            need: RECORD_HEAD_LEN,
            have: record.len(),
        })?;
        let [marker_version, profile_level, form, delay] = *head;
        if marker_version != 0x81 {
            let value = marker_version.into();
            return Err(Error::Unsupported { what: "AV1 configuration version", value });
        }
        if let Some(header) = in_band {
            // Reserved bits, which some leave set, are cleared: nothing behind us accepts them.
            let mut bytes = vec![marker_version, profile_level, form, delay & 0x1f];
            header.write(&mut bytes);
            return Ok(Some(Self { record: bytes.into(), picture: header.picture }));
        }
        let own = Obus::new(RECORD, record.slice(RECORD_HEAD_LEN..));
        for obu in own {
            let (kind, payload) = obu?;
            if kind == obu_type::SEQUENCE_HEADER {
                return Self::parse(record, Some(&SequenceHeader::parse(payload)?));
            }
        }
        Ok(None)
    }

    /// RFC 6381 form (AV1 in ISOBMFF §5), such as `av01.0.04M.08`. What it may leave out it does:
    /// colours are in the sequence header, where decoders look for them.
    pub fn codec_string(&self) -> String {
        let byte = |at: usize| self.record.get(at).copied().unwrap_or_default();
        let (profile, level) = (byte(1) >> 5, byte(1) & 0x1f);
        let tier = if byte(2) & 0x80 == 0 { 'M' } else { 'H' };
        let depth = match (byte(2) & 0x40 != 0, byte(2) & 0x20 != 0) {
            (true, true) => 12,
            (true, false) => 10,
            (false, _) => 8,
        };
        format!("av01.{profile}.{level:02}{tier}.{depth:02}")
    }
}

impl TemporalUnit {
    /// Reads the heads of a temporal unit's OBUs, up to the first frame.
    ///
    /// # Errors
    /// When an OBU is longer than the rest, or there is no frame.
    pub fn read(data: &Bytes) -> Result<Self, Error> {
        const WHAT: &str = "AV1 temporal unit";
        let mut sequence_header = None;
        for obu in Obus::new(WHAT, data.clone()) {
            let (kind, payload) = obu?;
            match kind {
                obu_type::SEQUENCE_HEADER => sequence_header = Some(payload),
                obu_type::FRAME_HEADER | obu_type::FRAME => {
                    let mut bits = Bits::new("AV1 frame header", &payload);
                    // show_existing_frame 0, frame_type KEY_FRAME, show_frame 1 (§5.9.2).
                    let is_sync = bits.take(4)? == 0b0001;
                    let sequence_header = sequence_header.filter(|_| is_sync);
                    let sequence_header = sequence_header.map(SequenceHeader::parse).transpose()?;
                    return Ok(Self { is_sync, sequence_header });
                }
                _ => {}
            }
        }
        Err(Error::Malformed { what: WHAT, reason: "no frame".into() })
    }
}

/// `data` without the temporal delimiter in front: files and fragments have none (AV1 in ISOBMFF
/// §2.4).
pub fn without_delimiter(data: Bytes) -> Bytes {
    const DELIMITER: [u8; 2] = [obu_type::TEMPORAL_DELIMITER << 3 | 2, 0];
    if data.starts_with(&DELIMITER) { data.slice(DELIMITER.len()..) } else { data }
}

impl SequenceHeader {
    /// Reads `sequence_header_obu()` (§5.5) up to the size.
    fn parse(payload: Bytes) -> Result<Self, Error> {
        let mut bits = Bits::new(SEQUENCE_HEADER, &payload);
        // seq_profile, still_picture
        bits.skip(3 + 1)?;
        let mut fps = None;
        if bits.flag()? {
            bits.skip(5)?;
        } else {
            fps = skip_operating_points(&mut bits)?;
        }
        let (width_bits, height_bits) = (bits.take(4)? + 1, bits.take(4)? + 1);
        let width = bits.take(width_bits)?.saturating_add(1);
        let height = bits.take(height_bits)?.saturating_add(1);
        let picture = Picture::new(SEQUENCE_HEADER, width, height, fps)?;
        Ok(Self { picture, payload })
    }

    /// Appends it as an OBU with its size.
    fn write(&self, out: &mut Vec<u8>) {
        out.push(obu_type::SEQUENCE_HEADER << 3 | 2);
        let mut len = self.payload.len();
        while len > 0x7f {
            out.push(len as u8 | 0x80);
            len >>= 7;
        }
        out.push(len as u8);
        out.extend_from_slice(&self.payload);
    }
}

/// Timing, decoder model and operating points; gives the rate, if all frames last the same.
fn skip_operating_points(bits: &mut Bits<'_>) -> Result<Option<f64>, Error> {
    let mut fps = None;
    let mut delay_bits = None;
    if bits.flag()? {
        let (units_in_tick, time_scale) = (bits.take(32)?, bits.take(32)?);
        if bits.flag()? {
            let ticks = f64::from(bits.ue()?) + 1.0;
            fps = (units_in_tick > 0)
                .then(|| f64::from(time_scale) / (f64::from(units_in_tick) * ticks));
        }
        if bits.flag()? {
            delay_bits = Some(bits.take(5)? + 1);
            bits.skip(32 + 5 + 5)?;
        }
    }
    let has_display_delay = bits.flag()?;
    for _ in 0..=bits.take(5)? {
        bits.skip(12)?;
        // Levels above 3.3 have a tier.
        if bits.take(5)? > 7 {
            bits.skip(1)?;
        }
        if let Some(delay_bits) = delay_bits
            && bits.flag()?
        {
            bits.skip(2 * delay_bits + 1)?;
        }
        if has_display_delay && bits.flag()? {
            bits.skip(4)?;
        }
    }
    Ok(fps)
}

/// Iterates over OBUs: type and payload. Ends after the first error.
struct Obus {
    what: &'static str,
    rest: Bytes,
}

impl Obus {
    fn new(what: &'static str, bytes: Bytes) -> Self {
        Self { what, rest: bytes }
    }

    fn read(&mut self) -> Result<(u8, Bytes), Error> {
        let have = self.rest.len();
        let truncated = |need| Error::Truncated { what: self.what, need, have };
        let header = *self.rest.first().ok_or(truncated(1))?;
        let mut at = if header & 4 == 0 { 1 } else { 2 };
        let len = if header & 2 == 0 {
            // The last one may go to the end without saying so.
            have.checked_sub(at).ok_or(truncated(at))?
        } else {
            let mut len = 0_usize;
            // leb128() (§4.10.5): seven bits a byte, at most 32 in all.
            for shift in (0..).step_by(7) {
                let byte = *self.rest.get(at).ok_or(truncated(at + 1))?;
                at += 1;
                if shift > 28 {
                    let reason = "an OBU size of more than 32 bits".into();
                    return Err(Error::Malformed { what: self.what, reason });
                }
                len |= usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    break;
                }
            }
            len
        };
        let end = at.saturating_add(len);
        if end > have {
            return Err(truncated(end));
        }
        let payload = self.rest.split_to(end).slice(at..);
        Ok((header >> 3 & 15, payload))
    }
}

impl Iterator for Obus {
    type Item = Result<(u8, Bytes), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let obu = self.read();
        if obu.is_err() {
            self.rest.clear();
        }
        Some(obu)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Written by ffmpeg 5.1 (libsvtav1, 320x180), taken from its MP4.
    const SVT_180P: &[u8] = &[
        0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0x02, 0xf8,
        0x00, 0x40,
    ];

    fn parse(bytes: &'static [u8]) -> Result<Option<Config>, Error> {
        Config::parse(Bytes::from_static(bytes), None)
    }

    fn unit(obus: &[&[u8]]) -> Result<TemporalUnit, Error> {
        TemporalUnit::read(&obus.concat().into())
    }

    const DELIMITER: &[u8] = &[0x12, 0x00];
    /// A frame whose header begins as that of a key frame that is shown.
    const KEY: &[u8] = &[0x32, 0x02, 0x10, 0x00];
    /// An inter frame that is shown.
    const INTER: &[u8] = &[0x32, 0x02, 0x30, 0x00];

    #[test]
    fn the_record_of_svt_gives_size_and_codec() {
        let config = parse(SVT_180P).unwrap().unwrap();
        assert_eq!((config.picture.width, config.picture.height), (320, 180));
        assert_eq!(config.codec_string(), "av01.0.00M.08");
        assert_eq!(config.record, SVT_180P);
    }

    #[test]
    fn ten_bits_in_the_high_tier_are_named() {
        let mut record = SVT_180P.to_vec();
        record[1] = 0x0d;
        record[2] |= 0xc0;
        let config = Config::parse(record.into(), None).unwrap().unwrap();
        assert_eq!(config.codec_string(), "av01.0.13H.10");
    }

    #[test]
    fn a_record_without_sequence_header_waits_for_the_one_before_a_key_frame() {
        assert_eq!(parse(&SVT_180P[..4]), Ok(None));
        let key = unit(&[DELIMITER, &SVT_180P[4..], KEY]).unwrap();
        assert!(key.is_sync);
        let record = Bytes::from_static(&SVT_180P[..4]);
        let config = Config::parse(record, key.sequence_header.as_ref()).unwrap().unwrap();
        assert_eq!(config.record, SVT_180P, "it is put in its place");
    }

    #[test]
    fn decoding_starts_at_a_key_frame_that_is_shown_and_nowhere_else() {
        assert!(unit(&[KEY, INTER]).unwrap().is_sync);
        for first in [INTER, &[0x1a, 0x01, 0x88], &[0x32, 0x01, 0x00]] {
            assert!(!unit(&[DELIMITER, first, KEY]).unwrap().is_sync, "{first:x?}");
        }
    }

    #[test]
    fn the_last_obu_may_leave_its_size_out() {
        assert!(unit(&[DELIMITER, &[0x30, 0x10, 1, 2, 3]]).unwrap().is_sync);
    }

    #[test]
    fn a_temporal_delimiter_is_taken_off() {
        let data = [DELIMITER, KEY].concat();
        assert_eq!(without_delimiter(data.into()), KEY);
        assert_eq!(without_delimiter(Bytes::from_static(KEY)), KEY);
    }

    #[test]
    fn a_unit_without_frame_or_with_an_obu_beyond_its_end_is_an_error() {
        for bytes in [&[][..], DELIMITER, &[0x32, 0x09, 0x10], &[0x32], &[0x36], &[0x32, 0xff]] {
            assert!(unit(&[bytes]).is_err(), "{bytes:x?}");
        }
        assert!(unit(&[&[0x32, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, 0x10]]).is_err());
    }

    #[test]
    fn a_record_cut_anywhere_in_its_sequence_header_is_an_error() {
        for len in (0..4).chain(5..15) {
            assert!(parse(&SVT_180P[..len]).is_err(), "{len} bytes");
        }
    }

    proptest! {
        #[test]
        fn no_record_and_no_unit_panics(mut bytes: Vec<u8>) {
            let _ = TemporalUnit::read(&bytes.clone().into());
            if let Some(first) = bytes.first_mut() {
                *first = 0x81;
            }
            let _ = Config::parse(bytes.into(), None);
        }

        #[test]
        fn no_mutation_of_a_real_record_panics(at in 0..SVT_180P.len(), byte: u8) {
            let mut bytes = SVT_180P.to_vec();
            bytes[at] = byte;
            let _ = Config::parse(bytes.into(), None);
        }
    }
}
