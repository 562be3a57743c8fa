//! Decodes pictures in Rust: JPEG, PNG, GIF, WebP.
//!
//! Here: limits, orientation, what moves and what does not. Not here: sizes and files (`still`), H.264
//! (`moving`). FFmpeg is not asked: these decoders cannot be made to write where they should not.

use std::fs::File;
use std::io::{BufReader, Seek as _};
use std::path::Path;

use image::codecs::gif::GifDecoder;
use image::codecs::webp::WebPDecoder;
use image::error::LimitErrorKind;
use image::metadata::Orientation;
use image::{
    AnimationDecoder as _, DynamicImage, Frames, ImageDecoder, ImageError, ImageFormat, ImageReader,
};
use worker::protocol::{Code, Limits, Picture};

use crate::moving;
use crate::refusal::Refusal;
use crate::still::{self, Origin};

/// The formats that are read.
const FORMATS: &[ImageFormat] =
    &[ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Gif, ImageFormat::WebP];

/// Does the job.
pub fn shrink(input: File, limits: &Limits, into: &Path) -> Result<Picture, Refusal> {
    let mut input = BufReader::new(input);
    let format = recognise(&mut input)?
        .ok_or_else(|| Refusal::new(Code::Unsupported, "neither JPEG nor PNG nor GIF nor WebP"))?;
    let (image, origin) = decode(&mut input, format, limits)?;
    let moving = match frames(&mut input, format, limits)? {
        Some(frames) => moving::write(frames, limits, into)?,
        None => None,
    };
    Ok(Picture { still: still::write(image, &origin, into)?, moving })
}

/// Which of the formats this is, by its first bytes.
pub fn recognise(input: &mut BufReader<File>) -> Result<Option<ImageFormat>, Refusal> {
    let unreadable = |error: std::io::Error| Refusal::new(Code::Unreadable, error.to_string());
    let format = ImageReader::new(&mut *input).with_guessed_format().map_err(unreadable)?.format();
    input.rewind().map_err(unreadable)?;
    Ok(format.filter(|format| FORMATS.contains(format)))
}

/// The decoder of a picture, once its size is known to be allowed.
pub fn decoder<'a>(
    input: &'a mut BufReader<File>,
    format: ImageFormat,
    limits: &Limits,
) -> Result<impl ImageDecoder + 'a, Refusal> {
    let mut reader = ImageReader::with_format(input, format);
    let mut allocations = image::Limits::no_limits();
    // The other half of the address space is for what becomes of the pixels.
    allocations.max_alloc = Some(limits.memory_bytes / 2);
    reader.limits(allocations);
    let decoder = reader.into_decoder().map_err(refusal)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > limits.pixels {
        return Err(Refusal::too_many_pixels(width, height, limits.pixels));
    }
    Ok(decoder)
}

/// The picture, or the first of several, the way up that its camera was.
fn decode(
    input: &mut BufReader<File>,
    format: ImageFormat,
    limits: &Limits,
) -> Result<(DynamicImage, Origin), Refusal> {
    let mut decoder = decoder(input, format, limits)?;
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let origin = Origin {
        icc_profile: decoder.icc_profile().unwrap_or(None),
        is_lossless: matches!(format, ImageFormat::Png | ImageFormat::Gif),
    };
    let mut image = DynamicImage::from_decoder(decoder).map_err(refusal)?;
    image.apply_orientation(orientation);
    Ok((image, origin))
}

/// The pictures of one that may move. An animated PNG is its first picture.
fn frames<'a>(
    input: &'a mut BufReader<File>,
    format: ImageFormat,
    limits: &Limits,
) -> Result<Option<Frames<'a>>, Refusal> {
    let rewound = input.rewind();
    rewound.map_err(|error| Refusal::new(Code::Unreadable, error.to_string()))?;
    let mut allocations = image::Limits::no_limits();
    allocations.max_alloc = Some(limits.memory_bytes / 2);
    Ok(match format {
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(input).map_err(refusal)?;
            decoder.set_limits(allocations).map_err(refusal)?;
            Some(decoder.into_frames())
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(input).map_err(refusal)?;
            decoder.set_limits(allocations).map_err(refusal)?;
            decoder.has_animation().then(|| decoder.into_frames())
        }
        _ => None,
    })
}

/// What an error of a decoder says.
pub fn refusal(error: ImageError) -> Refusal {
    let code = match &error {
        ImageError::Limits(limit) if limit.kind() == LimitErrorKind::InsufficientMemory => {
            Code::TooMuchMemory
        }
        ImageError::Limits(_) => Code::TooManyPixels,
        ImageError::Unsupported(_) => Code::Unsupported,
        _ => Code::Unreadable,
    };
    Refusal::new(code, error.to_string())
}
