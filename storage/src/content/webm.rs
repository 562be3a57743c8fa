//! WebM: EBML elements (RFC 8794, RFC 9559).

use std::io::{Read, Seek};

use super::{Content, Kind, Refused, source::Source};

const EBML: u32 = 0x1a45_dfa3;
const DOC_TYPE: u32 = 0x4282;
const SEGMENT: u32 = 0x1853_8067;
const INFO: u32 = 0x1549_a966;
const TIMESTAMP_SCALE: u32 = 0x2a_d7b1;
const DURATION: u32 = 0x4489;
const TRACKS: u32 = 0x1654_ae6b;
const TRACK_ENTRY: u32 = 0xae;
const TRACK_TYPE: u32 = 0x83;
const VIDEO: u32 = 0xe0;
const PIXEL_WIDTH: u32 = 0xb0;
const PIXEL_HEIGHT: u32 = 0xba;
const CLUSTER: u32 = 0x1f43_b675;

/// Elements of one level before the first cluster: a handful.
const ELEMENTS_MAX: usize = 10_000;

#[derive(Default)]
struct Film {
    /// Nanoseconds of one tick.
    scale_ns: Option<u64>,
    duration_ticks: Option<f64>,
    has_tracks: bool,
    tracks: Vec<Track>,
}

#[derive(Default)]
struct Track {
    kind: u64,
    width: u64,
    height: u64,
}

/// Reads what stands before the first cluster. A film has a track of pictures, and clusters.
pub fn examine<R: Read + Seek>(source: &mut Source<R>) -> Result<Content, Refused> {
    let len = source.len();
    let (id, size) = (id(source)?, size(source)?);
    let end = within(source, size, len)?;
    let mut is_webm = false;
    elements(source, end, |source, id, size| {
        if id == DOC_TYPE {
            is_webm = text_is(source, size, b"webm")?;
        }
        Ok(true)
    })?;
    // Matroska in general holds what no browser plays.
    if id != EBML || !is_webm {
        return Err(Refused::Unknown);
    }
    let (id, size) = (self::id(source)?, self::size(source)?);
    if id != SEGMENT {
        return Err(Refused::Broken);
    }
    let end = within(source, size, len)?;
    let mut film = Film::default();
    let mut has_clusters = false;
    elements(source, end, |source, id, size| {
        match id {
            INFO => read_info(source, size, end, &mut film)?,
            TRACKS => read_tracks(source, size, end, &mut film)?,
            CLUSTER => has_clusters = true,
            _ => {}
        }
        Ok(id != CLUSTER)
    })?;
    if !has_clusters || !film.has_tracks {
        return Err(Refused::Broken);
    }
    let track = film.tracks.iter().find(|track| track.kind == 1).ok_or(Refused::Unknown)?;
    let side = |pixels| u32::try_from(pixels).ok().filter(|pixels| *pixels > 0);
    Ok(Content {
        kind: Kind::WebM,
        len,
        dimensions: side(track.width).zip(side(track.height)),
        duration_ms: film.duration_ms(),
    })
}

impl Film {
    fn duration_ms(&self) -> Option<u64> {
        let ms = self.duration_ticks? * self.scale_ns.unwrap_or(1_000_000) as f64 / 1e6;
        // Browsers that record write none, or zero.
        (1.0..1e11).contains(&ms).then_some(ms as u64)
    }
}

fn read_info<R: Read + Seek>(
    source: &mut Source<R>,
    size: Option<u64>,
    end: u64,
    film: &mut Film,
) -> Result<(), Refused> {
    let end = within(source, Some(size.ok_or(Refused::Broken)?), end)?;
    elements(source, end, |source, id, size| {
        match id {
            TIMESTAMP_SCALE => film.scale_ns = Some(number(source, size)?),
            DURATION => film.duration_ticks = Some(float(source, size)?),
            _ => {}
        }
        Ok(true)
    })
}

fn read_tracks<R: Read + Seek>(
    source: &mut Source<R>,
    size: Option<u64>,
    end: u64,
    film: &mut Film,
) -> Result<(), Refused> {
    film.has_tracks = true;
    let end = within(source, Some(size.ok_or(Refused::Broken)?), end)?;
    elements(source, end, |source, id, size| {
        if id == TRACK_ENTRY {
            let end = within(source, Some(size.ok_or(Refused::Broken)?), end)?;
            film.tracks.push(read_track(source, end)?);
        }
        Ok(true)
    })
}

fn read_track<R: Read + Seek>(source: &mut Source<R>, end: u64) -> Result<Track, Refused> {
    let mut track = Track::default();
    elements(source, end, |source, id, size| {
        match id {
            TRACK_TYPE => track.kind = number(source, size)?,
            VIDEO => {
                let end = within(source, Some(size.ok_or(Refused::Broken)?), end)?;
                elements(source, end, |source, id, size| {
                    match id {
                        PIXEL_WIDTH => track.width = number(source, size)?,
                        PIXEL_HEIGHT => track.height = number(source, size)?,
                        _ => {}
                    }
                    Ok(true)
                })?;
            }
            _ => {}
        }
        Ok(true)
    })?;
    Ok(track)
}

/// Calls `visit` on each element up to `end`, until it says that this is enough.
fn elements<R: Read + Seek>(
    source: &mut Source<R>,
    end: u64,
    mut visit: impl FnMut(&mut Source<R>, u32, Option<u64>) -> Result<bool, Refused>,
) -> Result<(), Refused> {
    for _ in 0..ELEMENTS_MAX {
        if source.at() >= end {
            return if source.at() == end { Ok(()) } else { Err(Refused::Broken) };
        }
        let (id, size) = (id(source)?, size(source)?);
        let begin = source.at();
        if !visit(source, id, size)? {
            return Ok(());
        }
        // Only segments and clusters may be of unknown size.
        let after = begin.checked_add(size.ok_or(Refused::Broken)?).ok_or(Refused::Broken)?;
        if after > end || source.at() > after {
            return Err(Refused::Broken);
        }
        source.go_to(after)?;
    }
    Err(Refused::Broken)
}

/// Where an element of this size ends, which is not after `end`; at `end` when it is unknown.
fn within<R: Read + Seek>(source: &Source<R>, size: Option<u64>, end: u64) -> Result<u64, Refused> {
    let Some(size) = size else { return Ok(end) };
    source.at().checked_add(size).filter(|after| *after <= end).ok_or(Refused::Broken)
}

/// An element's id, its marker included: one to four bytes.
fn id<R: Read + Seek>(source: &mut Source<R>) -> Result<u32, Refused> {
    let first = source.u8()?;
    let more = first.leading_zeros();
    if more > 3 {
        return Err(Refused::Broken);
    }
    let mut id = u32::from(first);
    for _ in 0..more {
        id = id << 8 | u32::from(source.u8()?);
    }
    Ok(id)
}

/// An element's size: one to eight bytes; all ones say that it is unknown.
fn size<R: Read + Seek>(source: &mut Source<R>) -> Result<Option<u64>, Refused> {
    let first = source.u8()?;
    let more = first.leading_zeros();
    if more > 7 {
        return Err(Refused::Broken);
    }
    let mut size = u64::from(first) & (0x7f >> more);
    for _ in 0..more {
        size = size << 8 | u64::from(source.u8()?);
    }
    let unknown = (1u64 << (7 * (more + 1))) - 1;
    Ok((size != unknown).then_some(size))
}

fn number<R: Read + Seek>(source: &mut Source<R>, size: Option<u64>) -> Result<u64, Refused> {
    let size = size.filter(|size| *size <= 8).ok_or(Refused::Broken)?;
    let mut number = 0;
    for _ in 0..size {
        number = number << 8 | u64::from(source.u8()?);
    }
    Ok(number)
}

fn float<R: Read + Seek>(source: &mut Source<R>, size: Option<u64>) -> Result<f64, Refused> {
    match size {
        Some(4) => source.u32_be().map(|bits| f32::from_bits(bits).into()),
        Some(8) => source.u64_be().map(f64::from_bits),
        _ => Err(Refused::Broken),
    }
}

fn text_is<R: Read + Seek>(
    source: &mut Source<R>,
    size: Option<u64>,
    wanted: &[u8; 4],
) -> Result<bool, Refused> {
    // A text may be padded with zeros.
    if size.is_none_or(|size| !(4..=16).contains(&size)) {
        return Ok(false);
    }
    Ok(source.take::<4>()? == *wanted)
}
