//! GIF (GIF89a).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, picture, source::Source};

/// Follows the blocks to the trailer, which ends the file.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    source.skip(6)?;
    let (width, height) = (source.u16_le()?, source.u16_le()?);
    let flags = source.u8()?;
    source.skip(2)?;
    colours(source, flags)?;
    let mut has_image = false;
    loop {
        match source.u8()? {
            // An extension: its label, then its data.
            0x21 => {
                source.skip(1)?;
                data(source)?;
            }
            // An image: place and size, colours, the least code size, data.
            0x2c => {
                source.skip(8)?;
                let flags = source.u8()?;
                colours(source, flags)?;
                source.skip(1)?;
                data(source)?;
                has_image = true;
            }
            0x3b if has_image && source.is_at_end() => {
                return picture(Kind::Gif, source.at(), width.into(), height.into());
            }
            _ => return Err(Refused::Broken),
        }
    }
}

fn colours<R: Read + Seek>(source: &mut Source<R>, flags: u8) -> Result<(), Refused> {
    if flags & 0x80 == 0 { Ok(()) } else { source.skip(3 << ((flags & 7) + 1)) }
}

/// Blocks of data up to an empty one.
fn data<R: Read + Seek>(source: &mut Source<R>) -> Result<(), Refused> {
    loop {
        match source.u8()? {
            0 => return Ok(()),
            len => source.skip(len.into())?,
        }
    }
}
