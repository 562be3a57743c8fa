//! AVI: RIFF lists.

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, source::Source};

/// Chunks of one level: a handful of lists, and an index.
const CHUNKS_MAX: usize = 10_000;

/// What the header says.
#[derive(Default)]
struct Header {
    picture_us: u32,
    pictures: u32,
    width: u32,
    height: u32,
    is_there: bool,
    has_pictures: bool,
}

/// Reads the list of headers and finds the list of data. A film has a stream of pictures.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    let len = source.len();
    source.skip(4)?;
    let form = u64::from(source.u32_le()?);
    let end = (form + 8).min(len + form % 2);
    if form < 4 || form + 8 > len + form % 2 {
        return Err(Refused::Broken);
    }
    source.skip(4)?;
    let mut header = Header::default();
    let mut has_data = false;
    chunks(source, end.min(len), |source, name, end| {
        if name == b"LIST" {
            match &source.take::<4>()? {
                b"hdrl" => read_header(source, end, &mut header)?,
                b"movi" => has_data = true,
                _ => {}
            }
        }
        Ok(())
    })?;
    if !header.is_there || !has_data {
        return Err(Refused::Broken);
    }
    if !header.has_pictures {
        return Err(Refused::Unknown);
    }
    // Beyond its first gigabyte a film goes on in further forms, which the header does not count.
    let is_all = end >= len;
    let duration_ms = u64::from(header.picture_us) * u64::from(header.pictures) / 1000;
    Ok(Content {
        kind: Kind::Avi,
        len,
        dimensions: Some((header.width, header.height)).filter(|(w, h)| *w > 0 && *h > 0),
        duration_ms: Some(duration_ms).filter(|ms| is_all && *ms > 0),
    })
}

fn read_header<R: Read + Seek>(
    source: &mut Source<R>,
    end: u64,
    header: &mut Header,
) -> Result<(), Refused> {
    chunks(source, end, |source, name, end| {
        match name {
            b"avih" => {
                header.picture_us = source.u32_le()?;
                source.skip(12)?;
                header.pictures = source.u32_le()?;
                source.skip(12)?;
                header.width = source.u32_le()?;
                header.height = source.u32_le()?;
                header.is_there = true;
            }
            b"LIST" if source.take::<4>()? == *b"strl" => {
                chunks(source, end, |source, name, _| {
                    if name == b"strh" {
                        header.has_pictures |= source.take::<4>()? == *b"vids";
                    }
                    Ok(())
                })?
            }
            _ => {}
        }
        Ok(())
    })
}

/// Calls `visit` on each chunk up to `end`, with its name and where it ends.
fn chunks<R: Read + Seek>(
    source: &mut Source<R>,
    end: u64,
    mut visit: impl FnMut(&mut Source<R>, &[u8; 4], u64) -> Result<(), Refused>,
) -> Result<(), Refused> {
    for _ in 0..CHUNKS_MAX {
        if source.at() + 8 > end {
            return Ok(());
        }
        let name = source.take::<4>()?;
        let len = u64::from(source.u32_le()?);
        let after = source.at() + len;
        if after > end {
            return Err(Refused::Broken);
        }
        visit(source, &name, after)?;
        if source.at() > after {
            return Err(Refused::Broken);
        }
        source.go_to((after + len % 2).min(end))?;
    }
    Err(Refused::Broken)
}
