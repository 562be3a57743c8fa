//! H.264 in byte-stream form (ITU-T H.264 Annex B), made from AVCC.
//!
//! In MPEG-TS every access unit opens with a delimiter (ISO/IEC 13818-1 §2.14.1), and an IDR
//! carries its parameter sets, so that a viewer may start at any segment.

use bytes::Bytes;
use media::codec::h264::{Config, nal_type, nal_unit_type};

const START_CODE: [u8; 4] = [0, 0, 0, 1];
/// An access unit delimiter that allows any slice type.
const AUD: [u8; 2] = [nal_type::AUD, 0xf0];

/// What goes before the NAL units of a picture.
#[derive(Debug, Default)]
pub(crate) struct Prefixes {
    /// Delimiter, parameter sets.
    idr: Bytes,
    /// Delimiter.
    other: Bytes,
}

impl Prefixes {
    pub fn new(config: Option<&Config>) -> Self {
        let Some(config) = config else { return Self::default() };
        let other = [&START_CODE[..], &AUD].concat();
        let mut idr = other.clone();
        for set in config.sps.iter().chain(&config.pps) {
            idr.extend_from_slice(&START_CODE);
            idr.extend_from_slice(set);
        }
        Self { idr: idr.into(), other: other.into() }
    }

    fn of(&self, is_sync: bool, brings_sps: bool) -> &[u8] {
        if is_sync && !brings_sps { &self.idr } else { &self.other }
    }
}

/// Bytes an access unit takes as PES payload; `None` if it is not well-formed AVCC with at least
/// one NAL unit.
pub(crate) fn payload_len(
    avcc: &[u8],
    length_size: usize,
    is_sync: bool,
    prefixes: &Prefixes,
) -> Option<u32> {
    let (mut len, mut brings_sps, mut any) = (0_usize, false, false);
    let mut nals = NalUnits::new(avcc, length_size);
    for nal in &mut nals {
        any = true;
        brings_sps |= nal_unit_type(nal) == nal_type::SPS;
        if nal_unit_type(nal) != nal_type::AUD {
            len += START_CODE.len() + nal.len();
        }
    }
    if nals.malformed || !any {
        return None;
    }
    u32::try_from(len + prefixes.of(is_sync, brings_sps).len()).ok()
}

/// Gives the payload of [`payload_len`] piece by piece.
pub(crate) fn write(
    avcc: &[u8],
    length_size: usize,
    is_sync: bool,
    prefixes: &Prefixes,
    mut put: impl FnMut(&[u8]),
) {
    let brings_sps =
        is_sync && NalUnits::new(avcc, length_size).any(|nal| nal_unit_type(nal) == nal_type::SPS);
    put(prefixes.of(is_sync, brings_sps));
    for nal in NalUnits::new(avcc, length_size) {
        if nal_unit_type(nal) != nal_type::AUD {
            put(&START_CODE);
            put(nal);
        }
    }
}

/// Borrowed NAL units of an access unit in AVCC form, empty ones left out.
struct NalUnits<'a> {
    rest: &'a [u8],
    length_size: usize,
    malformed: bool,
}

impl<'a> NalUnits<'a> {
    fn new(avcc: &'a [u8], length_size: usize) -> Self {
        Self { rest: avcc, length_size, malformed: false }
    }

    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let Some((head, tail)) = self.rest.split_at_checked(len) else {
            self.malformed = true;
            self.rest = &[];
            return None;
        };
        self.rest = tail;
        Some(head)
    }
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while !self.rest.is_empty() {
            let length = self.take(self.length_size)?;
            let len = length.iter().fold(0_usize, |len, &byte| len << 8 | usize::from(byte));
            let nal = self.take(len)?;
            if !nal.is_empty() {
                return Some(nal);
            }
        }
        None
    }
}
