//! Takes the picture of a film that is little more than one: what a live looks like now.
//!
//! Here: two sizes of it, as cheaply as they can be had, since a hundred lives want one every ten seconds. Not
//! here: which picture, and how often (`pictures`, in the server).

use std::path::Path;

use ffmpeg::format::Pixel;
use ffmpeg::frame;
use image::DynamicImage;
use worker::protocol::{Code, Job, Still};

use crate::poster;
use crate::refusal::Refusal;
use crate::size::Bounds;
use crate::source::{self, Source};
use crate::still;
use crate::video::{Shrinker, quarter_turns};

/// The poster: a card on a telephone, lying or standing.
const POSTER: Bounds = Bounds { long: 480, short: 360 };
/// The thumbnail beside a seek bar.
const TILE: Bounds = Bounds { long: 160, short: 120 };
/// Nobody looks at either for long, and data is dear.
const POSTER_QUALITY: u8 = 72;
/// It is laid into a sheet, and loses again there.
const TILE_QUALITY: u8 = 82;

/// Does the job.
pub fn take(job: &Job, into: &Path) -> Result<Still, Refusal> {
    let picture = first(&mut Source::open(&job.input)?, job)?;
    let picture =
        picture.ok_or_else(|| Refusal::new(Code::NoPicture, "no picture could be decoded"))?;
    let (width, height) = TILE.fit(picture.width(), picture.height());
    let tile = picture.thumbnail_exact(width, height);
    Ok(Still {
        large: still::jpeg_file(&picture, "large", POSTER_QUALITY, into)?,
        small: still::jpeg_file(&tile, "small", TILE_QUALITY, into)?,
        blurhash: still::blurhash(&tile)?,
    })
}

/// The first picture that comes out, no larger than a poster.
fn first(source: &mut Source, job: &Job) -> Result<Option<DynamicImage>, Refusal> {
    let (stream, mut decoder) = source.video_to_be_small(&job.limits)?;
    let track = stream.index();
    let mut shrinker = Shrinker::within(POSTER, Pixel::RGB24, quarter_turns(&stream));
    let mut picture = None;
    loop {
        let packet = source.packet();
        if packet.as_ref().is_some_and(|packet| packet.stream() != track) {
            continue;
        }
        source::decode(&mut decoder, packet.as_ref(), frame::Video::empty, |it| {
            if picture.is_none() {
                picture = Some(DynamicImage::ImageRgb8(poster::image(&shrinker.shrink(&it)?)));
            }
            Ok(())
        })?;
        if picture.is_some() || packet.is_none() {
            return Ok(picture);
        }
    }
}
