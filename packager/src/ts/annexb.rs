//! H.264 and HEVC in byte-stream form (ITU-T H.264 and H.265, Annex B), made from AVCC.
//!
//! In MPEG-TS every access unit opens with a delimiter (ISO/IEC 13818-1 §2.14.1, §2.17.1), and a
//! picture from which decoding may start carries its parameter sets, so that a viewer may start at
//! any segment.

use bytes::Bytes;
use media::codec::{h264, hevc};

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// How the access units of a track become byte streams.
#[derive(Debug)]
pub(crate) struct AnnexB {
    syntax: Syntax,
    /// Bytes of the length before each NAL unit.
    length_size: usize,
    /// What goes before a picture from which decoding may start: delimiter, parameter sets.
    sync: Bytes,
    /// What goes before any other: the delimiter.
    other: Bytes,
}

/// Where the type of a NAL unit stands, and which ones matter.
#[derive(Debug, Clone, Copy)]
enum Syntax {
    H264,
    Hevc,
}

impl Syntax {
    /// A delimiter that allows any slice type.
    fn delimiter(self) -> &'static [u8] {
        match self {
            Self::H264 => &[h264::nal_type::AUD, 0xf0],
            // Layer 0, temporal id 0.
            Self::Hevc => &[hevc::nal_type::AUD << 1, 1, 0x50],
        }
    }

    fn is_delimiter(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => h264::nal_unit_type(nal) == h264::nal_type::AUD,
            Self::Hevc => hevc::nal_unit_type(nal) == hevc::nal_type::AUD,
        }
    }

    fn is_sps(self, nal: &[u8]) -> bool {
        match self {
            Self::H264 => h264::nal_unit_type(nal) == h264::nal_type::SPS,
            Self::Hevc => hevc::nal_unit_type(nal) == hevc::nal_type::SPS,
        }
    }
}

impl AnnexB {
    pub fn h264(config: &h264::Config) -> Self {
        let sets = config.sps.iter().chain(&config.pps);
        Self::new(Syntax::H264, config.nal_length_size, sets)
    }

    pub fn hevc(config: &hevc::Config) -> Self {
        let sets = config.vps.iter().chain(&config.sps).chain(&config.pps);
        Self::new(Syntax::Hevc, config.nal_length_size, sets)
    }

    fn new<'a>(syntax: Syntax, length_size: usize, sets: impl Iterator<Item = &'a Bytes>) -> Self {
        let other = [&START_CODE[..], syntax.delimiter()].concat();
        let mut sync = other.clone();
        for set in sets {
            sync.extend_from_slice(&START_CODE);
            sync.extend_from_slice(set);
        }
        Self { syntax, length_size, sync: sync.into(), other: other.into() }
    }

    /// Bytes an access unit takes as PES payload; `None` if it is not well-formed AVCC with at least
    /// one NAL unit.
    pub fn payload_len(&self, avcc: &[u8], is_sync: bool) -> Option<u32> {
        let (mut len, mut brings_sps, mut any) = (0_usize, false, false);
        let mut nals = NalUnits::new(avcc, self.length_size);
        for nal in &mut nals {
            any = true;
            brings_sps |= self.syntax.is_sps(nal);
            if !self.syntax.is_delimiter(nal) {
                len += START_CODE.len() + nal.len();
            }
        }
        if nals.malformed || !any {
            return None;
        }
        u32::try_from(len + self.prefix(is_sync, brings_sps).len()).ok()
    }

    /// Gives the payload of [`AnnexB::payload_len`] piece by piece.
    pub fn write(&self, avcc: &[u8], is_sync: bool, mut put: impl FnMut(&[u8])) {
        let mut nals = NalUnits::new(avcc, self.length_size);
        let brings_sps = is_sync && nals.any(|nal| self.syntax.is_sps(nal));
        put(self.prefix(is_sync, brings_sps));
        for nal in NalUnits::new(avcc, self.length_size) {
            if !self.syntax.is_delimiter(nal) {
                put(&START_CODE);
                put(nal);
            }
        }
    }

    fn prefix(&self, is_sync: bool, brings_sps: bool) -> &[u8] {
        if is_sync && !brings_sps { &self.sync } else { &self.other }
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
