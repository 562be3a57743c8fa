//! PNG (W3C, third edition, §5).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, picture, source::Source};

const SIGNATURE_LEN: u64 = 8;
/// Each chunk ends with a checksum.
const CRC_LEN: u64 = 4;

/// Follows the chunks from IHDR to IEND, which ends the file.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    source.skip(SIGNATURE_LEN)?;
    if source.take::<8>()? != *b"\x00\x00\x00\x0dIHDR" {
        return Err(Refused::Broken);
    }
    let (width, height) = (source.u32_be()?, source.u32_be()?);
    source.skip(5 + CRC_LEN)?;
    let mut has_data = false;
    loop {
        let len = u64::from(source.u32_be()?);
        let name = source.take::<4>()?;
        if !name.iter().all(u8::is_ascii_alphabetic) {
            return Err(Refused::Broken);
        }
        source.skip(len)?;
        source.skip(CRC_LEN)?;
        match &name {
            b"IDAT" => has_data = true,
            b"IEND" if has_data && source.is_at_end() => {
                return picture(Kind::Png, source.at(), width, height);
            }
            b"IEND" => return Err(Refused::Broken),
            _ => {}
        }
    }
}
