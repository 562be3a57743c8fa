//! NAL units and the records that configure them: what H.264 and HEVC have in common.
//!
//! Here: units in length-prefixed form (ISO/IEC 14496-15 §5.3.2), parameter sets inside a record.
//! Not here: what a unit holds (`h264`, `hevc`).

use bytes::{Buf, Bytes};

use crate::Error;

/// Iterates over NAL units in AVCC form. Ends after the first error.
#[derive(Debug, Clone)]
pub struct NalUnits {
    rest: Bytes,
    length_size: usize,
}

impl NalUnits {
    pub(crate) fn new(access_unit: Bytes, length_size: usize) -> Self {
        Self { rest: access_unit, length_size }
    }
}

impl Iterator for NalUnits {
    type Item = Result<Bytes, Error>;

    /// The next non-empty NAL unit, its header included.
    fn next(&mut self) -> Option<Self::Item> {
        const WHAT: &str = "access unit";
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let have = self.rest.len();
            let nal_len = if have >= self.length_size {
                self.rest.get_uint(self.length_size) as usize
            } else {
                self.rest.clear();
                return Some(Err(Error::Truncated { what: WHAT, need: self.length_size, have }));
            };
            if nal_len > self.rest.len() {
                let have = self.rest.len();
                self.rest.clear();
                return Some(Err(Error::Truncated { what: WHAT, need: nal_len, have }));
            }
            let nal = self.rest.split_to(nal_len);
            if !nal.is_empty() {
                return Some(Ok(nal));
            }
        }
    }
}

/// The bytes of the length before each NAL unit, from the two bits a record has for it.
pub(crate) fn length_size(length_size_minus_one: u8) -> Result<usize, Error> {
    match usize::from(length_size_minus_one & 3) + 1 {
        3 => Err(Error::Unsupported { what: "NAL length size", value: 3 }),
        size => Ok(size),
    }
}

/// Takes `count` parameter sets, each behind its length in 16 bits, off the front of `rest`.
pub(crate) fn take_parameter_sets(
    rest: &mut Bytes,
    count: u16,
    what: &'static str,
) -> Result<Vec<Bytes>, Error> {
    (0..count)
        .map(|_| {
            let need = usize::from(u16::from_be_bytes(take_array(rest, what)?));
            if need > rest.len() {
                return Err(Error::Truncated { what, need, have: rest.len() });
            }
            if need == 0 {
                return Err(Error::Malformed { what, reason: "empty".into() });
            }
            Ok(rest.split_to(need))
        })
        .collect()
}

/// Takes the next `N` bytes off the front of `rest`.
pub(crate) fn take_array<const N: usize>(
    rest: &mut Bytes,
    what: &'static str,
) -> Result<[u8; N], Error> {
    let array =
        *rest.first_chunk::<N>().ok_or(Error::Truncated { what, need: N, have: rest.len() })?;
    rest.advance(N);
    Ok(array)
}
