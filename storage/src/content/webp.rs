//! WebP (RFC 9649).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, picture, source::Source};

/// Follows the chunks to the end of the RIFF form, which is the end of the file.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    source.skip(4)?;
    let form = u64::from(source.u32_le()?);
    // "RIFF" and the size itself; a form of odd length may be padded.
    let end = form + 8;
    if end != source.len() && end + form % 2 != source.len() {
        return Err(Refused::Broken);
    }
    source.skip(4)?;
    let mut size = None;
    let mut has_image = false;
    while source.at() + 8 <= end {
        let name = source.take::<4>()?;
        let len = u64::from(source.u32_le()?);
        let begin = source.at();
        let found = match &name {
            b"VP8X" => Some(extended(source)?),
            b"VP8L" => Some(lossless(source)?),
            b"VP8 " => Some(lossy(source)?),
            _ => None,
        };
        has_image |= matches!(&name, b"VP8L" | b"VP8 " | b"ANMF");
        // The first says it for the whole; an image alone has only its own.
        size = size.or(found);
        source.go_to(begin)?;
        source.skip(len + len % 2)?;
    }
    let (width, height) = size.filter(|_| has_image).ok_or(Refused::Broken)?;
    picture(Kind::WebP, source.len(), width, height)
}

fn extended<R: Read + Seek>(source: &mut Source<R>) -> Result<(u32, u32), Refused> {
    source.skip(4)?;
    let mut side = || {
        let [a, b, c] = source.take()?;
        Ok::<_, Refused>(u32::from_le_bytes([a, b, c, 0]) + 1)
    };
    Ok((side()?, side()?))
}

fn lossless<R: Read + Seek>(source: &mut Source<R>) -> Result<(u32, u32), Refused> {
    if source.u8()? != 0x2f {
        return Err(Refused::Broken);
    }
    let bits = source.u32_le()?;
    Ok(((bits & 0x3fff) + 1, ((bits >> 14) & 0x3fff) + 1))
}

/// The header of a key frame (RFC 6386 §9.1).
fn lossy<R: Read + Seek>(source: &mut Source<R>) -> Result<(u32, u32), Refused> {
    let [tag, _, _] = source.take()?;
    if tag & 1 != 0 || source.take()? != [0x9d, 0x01, 0x2a] {
        return Err(Refused::Broken);
    }
    let (width, height) = (source.u16_le()?, source.u16_le()?);
    Ok((u32::from(width & 0x3fff), u32::from(height & 0x3fff)))
}
