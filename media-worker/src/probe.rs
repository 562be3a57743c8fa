//! Says what a file is.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};

use ffmpeg::format::stream::Disposition;
use ffmpeg::{Rational, Rescale as _, Stream, codec, media};
use image::{ColorType, ImageDecoder as _, ImageFormat};
use worker::protocol::{Code, Job, Limits, Medium, Probe, Track};

use crate::picture;
use crate::refusal::Refusal;
use crate::source::{Source, Stored};
use crate::video::quarter_turns;

const MILLISECONDS: (i32, i32) = (1, 1000);
/// What a player leaves out at both ends: what a decoder of sound needs before its first sample, pictures
/// outside an edit.
const EDGE_MS: u64 = 1000;
/// So many tracks are described.
const MOST_TRACKS: usize = 64;

/// Does the job.
pub fn probe(input: File, job: &Job) -> Result<Probe, Refusal> {
    let size_bytes = input.metadata().map_err(|error| Refusal::write(&error))?.len();
    let mut input = BufReader::new(input);
    match picture::recognise(&mut input)? {
        Some(format) => picture(&mut input, format, size_bytes, &job.limits),
        None => film(&mut input, job, size_bytes),
    }
}

fn picture(
    input: &mut BufReader<File>,
    format: ImageFormat,
    size_bytes: u64,
    limits: &Limits,
) -> Result<Probe, Refusal> {
    let decoder = picture::decoder(input, format, limits)?;
    let (width, height) = decoder.dimensions();
    let name = format.extensions_str().last().copied().unwrap_or_default();
    let track = Track {
        kind: "video".into(),
        codec: name.into(),
        width: Some(width),
        height: Some(height),
        pixel_format: Some(colours(decoder.color_type()).into()),
        ..Track::default()
    };
    Ok(Probe {
        medium: Medium::Picture,
        container: name.into(),
        size_bytes,
        duration_ms: None,
        tracks: vec![track],
        track_count: 1,
        faststart: false,
        plays_in_browsers: true,
    })
}

fn colours(colour: ColorType) -> &'static str {
    match (colour.has_color(), colour.has_alpha()) {
        (true, true) => "rgba",
        (true, false) => "rgb",
        (false, true) => "gray-alpha",
        (false, false) => "gray",
    }
}

fn film(input: &mut BufReader<File>, job: &Job, size_bytes: u64) -> Result<Probe, Refusal> {
    let mut source = Source::open(&job.input)?;
    let said_ms = source.duration_ms();
    let input_format = source.input();
    let container = container(input_format.format().name(), input);
    let track_count = u64::from(input_format.nb_streams());
    let tracks: Vec<Track> =
        input_format.streams().take(MOST_TRACKS).map(|it| track(&it)).collect();
    let is_film = |it: &Stream| {
        it.parameters().medium() == media::Type::Video
            && !it.disposition().contains(Disposition::ATTACHED_PIC)
    };
    let medium = if input_format.streams().any(|it| is_film(&it)) {
        Medium::Video
    } else if tracks.iter().any(|it| it.kind == "audio") {
        Medium::Sound
    } else {
        return Err(Refusal::new(Code::Unsupported, "neither pictures nor sound"));
    };
    // What it says may be a lie, and recorders say nothing.
    let measured_ms = measured_ms(&mut source);
    let duration_ms = match (said_ms, measured_ms) {
        (Some(said), Some(measured)) if measured <= said.saturating_add(EDGE_MS) => Some(said),
        _ => said_ms.max(measured_ms),
    };
    let faststart = container == "mp4" && is_faststart(input).unwrap_or(false);
    let plays_in_browsers = faststart && medium == Medium::Video && tracks.iter().all(is_plain);
    Ok(Probe {
        medium,
        container,
        size_bytes,
        duration_ms,
        tracks,
        track_count,
        faststart,
        plays_in_browsers,
    })
}

/// From where the first track begins to where the last ends, by the times of all that is in them.
fn measured_ms(source: &mut Source) -> Option<u64> {
    let bases: Vec<Rational> = source.input().streams().map(|it| it.time_base()).collect();
    let mut span: Option<(i64, i64)> = None;
    while let Some(packet) = source.packet() {
        let (Some(base), Some(at)) = (bases.get(packet.stream()), packet.pts().or(packet.dts()))
        else {
            continue;
        };
        let begin = at.rescale(*base, MILLISECONDS);
        let end = at.saturating_add(packet.duration()).rescale(*base, MILLISECONDS);
        let (first, last) = span.unwrap_or((begin, end));
        span = Some((first.min(begin), last.max(end)));
    }
    let (first, last) = span?;
    u64::try_from(last.saturating_sub(first)).ok().filter(|it| *it > 0)
}

/// The container alone, where FFmpeg reads several that are alike: QuickTime has a brand of its own (or
/// none), WebM is a Matroska that says so (RFC 8794 §11.2.6, DocType).
fn container(names: &str, input: &mut (impl Read + Seek)) -> String {
    const HEAD_BYTES: u64 = 64;
    let mut head = Vec::new();
    // What cannot be read says nothing.
    let _ = input.rewind().and_then(|()| input.take(HEAD_BYTES).read_to_end(&mut head));
    let first = names.split(',').next().unwrap_or_default();
    let name = match first {
        "mov" => match (head.get(4..8), head.get(8..12)) {
            (Some(b"ftyp"), Some(brand)) if brand != b"qt  " => "mp4",
            _ => "mov",
        },
        "matroska" if head.windows(4).any(|it| it == b"webm") => "webm",
        other => other,
    };
    name.to_owned()
}

/// Every browser decodes it. Other tracks may say where a camera was: they are left out by transcoding.
fn is_plain(track: &Track) -> bool {
    match track.kind.as_str() {
        "video" => {
            let is_plain = |it: &str| matches!(it, "yuv420p" | "yuvj420p");
            track.codec == "h264" && track.pixel_format.as_deref().is_some_and(is_plain)
        }
        "audio" => track.codec == "aac",
        _ => false,
    }
}

fn track(stream: &Stream) -> Track {
    let parameters = stream.parameters();
    let kind = match parameters.medium() {
        media::Type::Video => "video",
        media::Type::Audio => "audio",
        media::Type::Subtitle => "subtitle",
        media::Type::Data => "data",
        media::Type::Attachment | media::Type::Unknown => "unknown",
    };
    let mut track =
        Track { kind: kind.into(), codec: parameters.id().name().into(), ..Track::default() };
    // Of a context that is never opened.
    let Ok(context) = codec::Context::from_parameters(parameters) else { return track };
    let stored = Stored::of(&context);
    match kind {
        "video" => {
            track.width = Some(stored.width);
            track.height = Some(stored.height);
            track.pixel_format = stored.pixels.descriptor().map(|it| it.name().into());
            track.frame_rate = rate(stream.avg_frame_rate());
            track.rotation = Some(u16::from(quarter_turns(stream)) * 90);
        }
        "audio" => {
            track.sample_rate = Some(stored.sample_rate);
            track.channels = Some(stored.channels);
        }
        _ => {}
    }
    track
}

fn rate(rate: Rational) -> Option<f64> {
    let (numerator, denominator) = (rate.numerator(), rate.denominator());
    (numerator > 0 && denominator > 0).then(|| f64::from(numerator) / f64::from(denominator))
}

/// Whether `moov` stands before the first `mdat` (ISO/IEC 14496-12 §4.2: a size and a name a box).
fn is_faststart(input: &mut (impl Read + Seek)) -> std::io::Result<bool> {
    /// A file has a handful of boxes at its top.
    const MOST_BOXES: usize = 64;
    let mut at = 0_u64;
    for _ in 0..MOST_BOXES {
        input.seek(SeekFrom::Start(at))?;
        let (mut size, mut name) = ([0; 4], [0; 4]);
        input.read_exact(&mut size)?;
        input.read_exact(&mut name)?;
        let size = match u32::from_be_bytes(size) {
            1 => {
                let mut large = [0; 8];
                input.read_exact(&mut large)?;
                u64::from_be_bytes(large)
            }
            size => u64::from(size),
        };
        match &name {
            b"moov" => return Ok(true),
            b"mdat" => return Ok(false),
            _ if size < 8 => return Ok(false),
            _ => at = at.saturating_add(size),
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::is_faststart;

    fn boxes(names: &[&str]) -> Vec<u8> {
        names
            .iter()
            .flat_map(|name| [&12_u32.to_be_bytes(), name.as_bytes(), b"1234"].concat())
            .collect()
    }

    #[test]
    fn an_index_in_front_is_seen_and_one_behind_is_not() {
        assert!(is_faststart(&mut Cursor::new(boxes(&["ftyp", "free", "moov", "mdat"]))).unwrap());
        assert!(!is_faststart(&mut Cursor::new(boxes(&["ftyp", "mdat", "moov"]))).unwrap());
    }

    #[test]
    fn boxes_that_lead_nowhere_are_no_index() {
        assert!(!is_faststart(&mut Cursor::new([0; 64])).unwrap());
        assert!(is_faststart(&mut Cursor::new(boxes(&["ftyp"]))).is_err());
        let endless = [&[0, 0, 0, 1], b"free".as_slice(), &[255; 8]].concat();
        assert!(is_faststart(&mut Cursor::new(endless)).is_err());
    }
}
