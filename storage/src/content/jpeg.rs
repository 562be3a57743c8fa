//! JPEG (ITU-T T.81 annex B).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, picture, source::Source};

/// Follows the markers to the end of the image. Phones append a second picture, a film or notes of
/// their own, which is not part of it.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    source.skip(2)?;
    let mut frame = None;
    let mut is_scanned = false;
    let mut marker = next_marker(source)?;
    loop {
        match marker {
            // EOI
            0xd9 => {
                let (width, height) = frame.filter(|_| is_scanned).ok_or(Refused::Broken)?;
                return picture(Kind::Jpeg, source.at(), width, height);
            }
            // SOS: its header, then coded data up to a marker that is none of its own.
            0xda if frame.is_some() => {
                segment(source)?;
                is_scanned = true;
                marker = after_scan(source)?;
                continue;
            }
            // SOFn, of which DHT, JPG and DAC are none.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let after = source.at() + u64::from(source.u16_be()?);
                source.skip(1)?;
                let height = source.u16_be()?;
                let width = source.u16_be()?;
                frame = Some((u32::from(width), u32::from(height)));
                if source.at() > after {
                    return Err(Refused::Broken);
                }
                source.go_to(after)?;
            }
            // Tables, APPn, COM.
            0xc4 | 0xc8 | 0xcc | 0xdb..=0xdf | 0xe0..=0xfe => segment(source)?,
            // TEM
            0x01 => {}
            _ => return Err(Refused::Broken),
        }
        marker = next_marker(source)?;
    }
}

fn segment<R: Read + Seek>(source: &mut Source<R>) -> Result<(), Refused> {
    let len = u64::from(source.u16_be()?).checked_sub(2).ok_or(Refused::Broken)?;
    source.skip(len)
}

fn next_marker<R: Read + Seek>(source: &mut Source<R>) -> Result<u8, Refused> {
    if source.u8()? != 0xff {
        return Err(Refused::Broken);
    }
    filled(source)
}

/// A marker may be preceded by any number of fill bytes.
fn filled<R: Read + Seek>(source: &mut Source<R>) -> Result<u8, Refused> {
    loop {
        match source.u8()? {
            0xff => {}
            marker => return Ok(marker),
        }
    }
}

fn after_scan<R: Read + Seek>(source: &mut Source<R>) -> Result<u8, Refused> {
    loop {
        source.skip_past(0xff)?;
        match filled(source)? {
            // A coded 0xff, or RSTn.
            0x00 | 0xd0..=0xd7 => {}
            marker => return Ok(marker),
        }
    }
}
