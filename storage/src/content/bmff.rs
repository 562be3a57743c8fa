//! MP4 and QuickTime: boxes (ISO/IEC 14496-12; QuickTime File Format).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, source::Source};

/// Boxes by which a QuickTime file from before brands begins.
const OLD_QUICKTIME: [&[u8; 4]; 6] = [b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"];
/// Brands of what is no video: pictures (HEIF, AVIF, Canon raw) and sound alone.
const NO_VIDEO: [&[u8; 3]; 7] = [b"hei", b"hev", b"mif", b"msf", b"avi", b"crx", b"M4A"];
/// Boxes of one level. Films in fragments of a tenth of a second, an hour long, have fewer.
const BOXES_MAX: usize = 100_000;

/// What a file whose first box is this is.
pub fn guess(head: &[u8]) -> Option<Kind> {
    let (name, brand) = (head.get(4..8)?, head.get(8..12)?);
    if name == b"ftyp" {
        return match brand {
            b"qt  " => Some(Kind::QuickTime),
            _ if NO_VIDEO.iter().any(|other| brand.starts_with(other.as_slice())) => None,
            _ if brand.iter().all(|byte| matches!(byte, b' '..=b'~')) => Some(Kind::Mp4),
            _ => None,
        };
    }
    OLD_QUICKTIME.iter().any(|old| name == old.as_slice()).then_some(Kind::QuickTime)
}

#[derive(Default)]
struct Film {
    duration_ms: Option<u64>,
    has_header: bool,
    has_fragments: bool,
    tracks: Vec<Track>,
}

#[derive(Default)]
struct Track {
    size: Option<(u32, u32)>,
    is_picture: bool,
}

/// Follows the boxes to the end of the file and reads what `moov` says. A film has a track of
/// pictures, and data.
pub fn examine<R: Read + Seek>(source: &mut Source<R>, kind: Kind) -> Result<Content, Refused> {
    let mut film = None;
    let mut has_data = false;
    let len = source.len();
    boxes(source, len, |source, name, end| {
        match name {
            b"moov" if film.is_none() => film = Some(read_film(source, end)?),
            b"mdat" => has_data = true,
            _ => {}
        }
        Ok(())
    })?;
    let film = film.filter(|film| has_data && film.has_header).ok_or(Refused::Broken)?;
    let Some(track) = film.tracks.iter().find(|track| track.is_picture) else {
        return Err(Refused::Unknown);
    };
    let is_size = |(width, height): &(u32, u32)| *width > 0 && *height > 0;
    Ok(Content {
        kind,
        len,
        dimensions: track.size.filter(is_size),
        // A film in fragments says the duration of what comes before them.
        duration_ms: film.duration_ms.filter(|_| !film.has_fragments),
    })
}

/// Calls `visit` on each box up to `end`, with its name and where it ends.
fn boxes<R: Read + Seek>(
    source: &mut Source<R>,
    end: u64,
    mut visit: impl FnMut(&mut Source<R>, &[u8; 4], u64) -> Result<(), Refused>,
) -> Result<(), Refused> {
    for _ in 0..BOXES_MAX {
        let begin = source.at();
        if begin >= end {
            return if begin == end { Ok(()) } else { Err(Refused::Broken) };
        }
        let short = source.u32_be()?;
        let name = source.take::<4>()?;
        let len = match short {
            0 => end - begin,
            1 => source.u64_be()?,
            len => len.into(),
        };
        let after = begin.checked_add(len).filter(|after| *after <= end && *after >= source.at());
        let after = after.ok_or(Refused::Broken)?;
        visit(source, &name, after)?;
        if source.at() > after {
            return Err(Refused::Broken);
        }
        source.go_to(after)?;
    }
    Err(Refused::Broken)
}

fn read_film<R: Read + Seek>(source: &mut Source<R>, end: u64) -> Result<Film, Refused> {
    let mut film = Film::default();
    boxes(source, end, |source, name, end| {
        match name {
            b"mvhd" => {
                film.duration_ms = read_duration(source)?;
                film.has_header = true;
            }
            b"mvex" => film.has_fragments = true,
            b"trak" => film.tracks.push(read_track(source, end)?),
            _ => {}
        }
        Ok(())
    })?;
    Ok(film)
}

fn read_track<R: Read + Seek>(source: &mut Source<R>, end: u64) -> Result<Track, Refused> {
    let mut track = Track::default();
    boxes(source, end, |source, name, end| {
        match name {
            b"tkhd" => track.size = Some(read_size(source)?),
            b"mdia" => boxes(source, end, |source, name, _| {
                if name == b"hdlr" {
                    source.skip(8)?;
                    track.is_picture = source.take()? == *b"vide";
                }
                Ok(())
            })?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(track)
}

/// The duration of `mvhd` (§8.2.2); zero and all ones are none.
fn read_duration<R: Read + Seek>(source: &mut Source<R>) -> Result<Option<u64>, Refused> {
    let [version, _, _, _] = source.take()?;
    let (timescale, duration) = if version == 1 {
        source.skip(16)?;
        (source.u32_be()?, source.u64_be()?)
    } else {
        source.skip(8)?;
        let (timescale, duration) = (source.u32_be()?, source.u32_be()?);
        (timescale, if duration == u32::MAX { u64::MAX } else { duration.into() })
    };
    if timescale == 0 || duration == 0 || duration == u64::MAX {
        return Ok(None);
    }
    let ms = u128::from(duration) * 1000 / u128::from(timescale);
    // Nothing that fits into a file is a year long.
    const YEAR_MS: u64 = 366 * 24 * 3600 * 1000;
    Ok(u64::try_from(ms).ok().filter(|ms| *ms < YEAR_MS))
}

/// Width and height of `tkhd` (§8.3.2), as they are shown: telephones film lying down and say so in
/// the matrix.
fn read_size<R: Read + Seek>(source: &mut Source<R>) -> Result<(u32, u32), Refused> {
    let [version, _, _, _] = source.take()?;
    source.skip(if version == 1 { 32 } else { 20 })?;
    // Reserved, layer, group, volume, reserved.
    source.skip(16)?;
    let a = source.u32_be()?;
    source.skip(12)?;
    let d = source.u32_be()?;
    source.skip(16)?;
    let (width, height) = (source.u32_be()? >> 16, source.u32_be()? >> 16);
    Ok(if a == 0 && d == 0 { (height, width) } else { (width, height) })
}
