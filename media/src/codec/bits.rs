//! Reading bits, most significant first: what the headers of all codecs are made of.
//!
//! Here: fixed fields and the variable-length codes of H.264, HEVC and AV1. Not here: what a field
//! means.

use crate::Error;

/// A cursor over bits. Every read past the end is an [`Error::Truncated`] that names the structure.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    what: &'static str,
    bytes: &'a [u8],
    at_bit: usize,
}

impl<'a> Bits<'a> {
    /// A cursor at the first bit of `bytes`, which are `what`.
    pub fn new(what: &'static str, bytes: &'a [u8]) -> Self {
        Self { what, bytes, at_bit: 0 }
    }

    /// The next `count` bits as a number; at most 32.
    pub fn take(&mut self, count: u32) -> Result<u32, Error> {
        let mut value = 0;
        for _ in 0..count {
            value = value << 1 | u32::from(self.flag()?);
        }
        Ok(value)
    }

    /// The next bit.
    pub fn flag(&mut self) -> Result<bool, Error> {
        let at_byte = self.at_bit / 8;
        let byte = self.bytes.get(at_byte).ok_or(Error::Truncated {
            what: self.what,
            need: at_byte + 1,
            have: self.bytes.len(),
        })?;
        let bit = byte >> (7 - self.at_bit % 8) & 1;
        self.at_bit += 1;
        Ok(bit == 1)
    }

    /// Passes over `count` bits.
    pub fn skip(&mut self, count: u32) -> Result<(), Error> {
        self.at_bit = self.at_bit.saturating_add(count as usize);
        let need = self.at_bit.div_ceil(8);
        if need > self.bytes.len() {
            return Err(Error::Truncated { what: self.what, need, have: self.bytes.len() });
        }
        Ok(())
    }

    /// `ue(v)`: an unsigned Exp-Golomb code (ITU-T H.265 §9.2), `uvlc()` of AV1 (§4.10.3).
    pub fn ue(&mut self) -> Result<u32, Error> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return Err(Error::Malformed {
                    what: self.what,
                    reason: "a variable-length code of more than 32 bits".into(),
                });
            }
        }
        Ok(((1_u32 << zeros) - 1).saturating_add(self.take(zeros)?))
    }

    /// `se(v)`: a signed Exp-Golomb code (ITU-T H.265 §9.2.2).
    pub fn se(&mut self) -> Result<i64, Error> {
        let code = i64::from(self.ue()?);
        Ok(if code % 2 == 1 { code / 2 + 1 } else { -(code / 2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits(bytes: &[u8]) -> Bits<'_> {
        Bits::new("test", bytes)
    }

    #[test]
    fn exp_golomb_codes_are_those_of_the_standard() {
        // 1, 010, 011, 00100, 00101: 0 to 4.
        let mut read = bits(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| read.ue().unwrap()), [0, 1, 2, 3, 4]);
        let mut read = bits(&[0b1010_0110, 0b0100_0010, 0b1000_0000]);
        assert_eq!([0; 5].map(|_| read.se().unwrap()), [0, 1, -1, 2, -2]);
    }

    #[test]
    fn a_code_of_nothing_but_zeros_is_an_error() {
        assert!(bits(&[0; 16]).ue().is_err());
        assert_eq!(bits(&[0, 0, 0, 1, 255, 255, 255, 255]).ue(), Ok(u32::MAX - 1));
    }

    #[test]
    fn the_end_is_an_error_that_says_how_much_there_was() {
        let mut read = bits(&[0xff]);
        assert_eq!(read.take(8), Ok(255));
        assert_eq!(read.take(1), Err(Error::Truncated { what: "test", need: 2, have: 1 }));
        assert!(bits(&[1]).skip(9).is_err());
        assert!(bits(&[1]).skip(8).is_ok());
    }
}
