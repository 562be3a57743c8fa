//! Turns a picture that moves into a silent MP4: a tenth of the bytes, and telephones decode it in
//! hardware.
//!
//! Here: times, and white behind what is transparent. Not here: decoding (`picture`), encoding (`mp4`).

use std::path::Path;

use ffmpeg::format::Pixel;
use ffmpeg::frame;
use image::{Frames, RgbaImage};
use worker::protocol::{Limits, Video};

use crate::mp4::{Mp4, TICKS_PER_SECOND};
use crate::picture;
use crate::refusal::Refusal;
use crate::video::{Pace, Shrinker};

/// What browsers take a delay below [`SHORTEST_DELAY_MS`] for.
const USUAL_DELAY_MS: u64 = 100;
/// Files say 0 or 10 ms and mean "do not care".
const SHORTEST_DELAY_MS: u64 = 20;
/// The rest of a long last picture begins here before its end.
const ONE_PICTURE_MS: u64 = 33;

/// Writes `video.mp4`, or nothing if there is one picture only.
pub fn write(mut frames: Frames, limits: &Limits, into: &Path) -> Result<Option<Video>, Refusal> {
    let first = frames.next().transpose().map_err(picture::refusal)?;
    // What is damaged behind the first picture ends the film, as it does in a browser.
    let second = frames.next().and_then(Result::ok);
    let (Some(first), Some(second)) = (first, second) else { return Ok(None) };

    let mut shrinker = Shrinker::new(Pixel::YUV420P, 0);
    let mut pace = Pace::default();
    let mut film: Option<Mp4> = None;
    let mut damaged = false;
    let mut last = None;
    let mut at_ms = 0;
    let rest = std::iter::from_fn(|| match frames.next()? {
        Ok(frame) => Some(frame),
        Err(_) => {
            damaged = true;
            None
        }
    });
    for picture in [first, second].into_iter().chain(rest) {
        let (numerator, denominator) = picture.delay().numer_denom_ms();
        let delay_ms = u64::from(numerator / denominator.max(1));
        let delay_ms = if delay_ms < SHORTEST_DELAY_MS { USUAL_DELAY_MS } else { delay_ms };
        let end_ms = at_ms + delay_ms;
        if end_ms > limits.duration_ms {
            return Err(Refusal::too_long(end_ms, limits.duration_ms));
        }
        if pace.takes(ticks(at_ms)) {
            let mut small = shrinker.shrink(&on_white(picture.buffer()))?;
            let film = match &mut film {
                Some(film) => film,
                None => film.insert(Mp4::create(into, &small, false)?),
            };
            film.picture(&mut small, ticks(at_ms))?;
            last = Some(small);
        }
        at_ms = end_ms;
    }
    // A sample has no duration of its own: the last picture is there once more where it ends.
    if let (Some(film), Some(mut last)) = (&mut film, last) {
        film.picture(&mut last, ticks(at_ms.saturating_sub(ONE_PICTURE_MS)))?;
    }
    film.map(|film| film.finish(damaged)).transpose()
}

fn ticks(ms: u64) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX).saturating_mul(TICKS_PER_SECOND / 1000)
}

/// FFmpeg's copy of a picture, opaque.
fn on_white(picture: &RgbaImage) -> frame::Video {
    let mut frame = frame::Video::new(Pixel::RGB24, picture.width(), picture.height());
    let stride = frame.stride(0);
    let rows = frame.data_mut(0).chunks_mut(stride);
    for (row, pixels) in rows.zip(picture.rows()) {
        for (to, from) in row.chunks_exact_mut(3).zip(pixels) {
            let [colours @ .., alpha] = from.0;
            for (to, colour) in to.iter_mut().zip(colours) {
                let mixed = u32::from(colour) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
                *to = u8::try_from((mixed + 127) / 255).unwrap_or(u8::MAX);
            }
        }
    }
    frame
}
