//! Takes one picture out of a video.

use std::path::Path;

use ffmpeg::format::Pixel;
use ffmpeg::{Rescale as _, frame, rescale};
use image::{DynamicImage, RgbImage};
use worker::protocol::{Code, Job, Still};

use crate::refusal::Refusal;
use crate::source::{self, Source};
use crate::still::{self, Origin};
use crate::video::{Shrinker, quarter_turns};

/// Where a video is looked at if nobody says: behind what many begin with, black and a shaking hand.
const USUAL_MS: u64 = 3_000;
/// How many pictures are looked at from there for one that shows something.
const CANDIDATES: usize = 60;
/// The spread of brightness (standard deviation, of 255) from which a picture shows something.
const ENOUGH_SPREAD: f64 = 12.0;

/// Does the job.
pub fn take(job: &Job, into: &Path, at_ms: Option<u64>) -> Result<Still, Refusal> {
    let mut source = Source::open(&job.input)?;
    let usual_ms = source.duration_ms().map_or(0, |it| USUAL_MS.min(it / 4));
    // A file that cannot be sought in, or is damaged there, is read from its beginning.
    let picture = match search(&mut source, job, at_ms.unwrap_or(usual_ms), at_ms.is_some())? {
        Some(picture) => Some(picture),
        None => search(&mut Source::open(&job.input)?, job, 0, false)?,
    };
    let picture =
        picture.ok_or_else(|| Refusal::new(Code::NoPicture, "no picture could be decoded"))?;
    still::write(picture, &Origin::default(), into)
}

/// The first picture from a time on; if it need not be that very one, the first that shows something,
/// or else the one that shows most.
fn search(
    source: &mut Source,
    job: &Job,
    at_ms: u64,
    is_exact: bool,
) -> Result<Option<DynamicImage>, Refusal> {
    let (stream, mut decoder) = source.video(&job.limits)?;
    let (track, clock) = (stream.index(), stream.time_base());
    let start_us = source::start(&stream, (1, 1_000_000)).unwrap_or(0);
    let mut shrinker = Shrinker::new(Pixel::RGB24, quarter_turns(&stream));
    let wanted_us =
        start_us.saturating_add(i64::try_from(at_ms).unwrap_or(i64::MAX).saturating_mul(1000));
    if at_ms > 0 {
        let _ = source.input().seek(wanted_us, ..wanted_us);
    }
    let mut best: Option<(f64, DynamicImage)> = None;
    let mut seen = 0;
    let enough = |best: &Option<(f64, DynamicImage)>, seen| {
        let spread = best.as_ref().map(|(spread, _)| *spread);
        spread.is_some_and(|it| is_exact || it >= ENOUGH_SPREAD) || seen >= CANDIDATES
    };
    while !enough(&best, seen) {
        let packet = source.packet();
        if packet.as_ref().is_some_and(|packet| packet.stream() != track) {
            continue;
        }
        source::decode(&mut decoder, packet.as_ref(), frame::Video::empty, |it| {
            let at_us = it.timestamp().map(|at| at.rescale(clock, rescale::TIME_BASE));
            if at_us.is_some_and(|at| at < wanted_us) || enough(&best, seen) {
                return Ok(());
            }
            seen += 1;
            let picture = image(&shrinker.shrink(&it)?);
            let spread = spread(&picture);
            if best.as_ref().is_none_or(|(most, _)| spread > *most) {
                best = Some((spread, DynamicImage::ImageRgb8(picture)));
            }
            Ok(())
        })?;
        if packet.is_none() {
            break;
        }
    }
    Ok(best.map(|(_, picture)| picture))
}

/// Our copy of a picture of FFmpeg's.
pub fn image(frame: &frame::Video) -> RgbImage {
    let mut image = RgbImage::new(frame.width(), frame.height());
    let rows = frame.data(0).chunks(frame.stride(0));
    for (to, from) in image.rows_mut().zip(rows) {
        for (to, from) in to.zip(from.chunks_exact(3)) {
            to.0.copy_from_slice(from);
        }
    }
    image
}

/// How much brightness varies: nothing in a black picture, or a white one.
fn spread(picture: &RgbImage) -> f64 {
    const SAMPLES: usize = 10_000;
    let count = (picture.width() * picture.height()) as usize;
    let green = || picture.pixels().step_by((count / SAMPLES).max(1)).map(|it| f64::from(it.0[1]));
    let taken = green().count().max(1) as f64;
    let mean = green().sum::<f64>() / taken;
    (green().map(|it| (it - mean).powi(2)).sum::<f64>() / taken).sqrt()
}
