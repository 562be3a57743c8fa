//! Writes a picture in two sizes, and its BlurHash. Only pixels come in: nothing else can go out.
//!
//! Here: size, colours, transparency, files. Not here: decoding (`picture`, `poster`).

use std::fs;
use std::path::Path;

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::imageops::FilterType as Resampling;
use image::{DynamicImage, ExtendedColorType, ImageEncoder as _, RgbaImage};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};
use worker::protocol::{Code, FileName, Image, ImageFormat, Still};

use crate::refusal::Refusal;
use crate::size::{self, Bounds};

/// The large rendition: 1080p, standing or lying.
pub const LARGE: Bounds = Bounds { long: 1920, short: 1080 };
/// The width of the small one: a column of a telephone.
const SMALL_WIDTH: u32 = 480;
const JPEG_QUALITY: u8 = 85;
/// A BlurHash has a handful of waves; a few pixels hold them.
const BLURHASH_WIDTH: u32 = 32;

/// What is known of a picture beside its pixels.
#[derive(Debug, Default)]
pub struct Origin {
    /// What its numbers mean as colours; sRGB without it.
    pub icc_profile: Option<Vec<u8>>,
    /// It came without loss (PNG, GIF): it may have sharp edges, and stays PNG where that costs nothing.
    pub is_lossless: bool,
}

/// Writes `image` as `large.*` and `small.*` into a folder: JPEG, or PNG for what is transparent
/// somewhere.
pub fn write(image: DynamicImage, origin: &Origin, into: &Path) -> Result<Still, Refusal> {
    let (width, height) = LARGE.fit(image.width(), image.height());
    let mut large = shrink(image, width, height);
    if let Some(profile) = &origin.icc_profile {
        to_srgb(&mut large, profile);
    }
    let large = without_needless_alpha(large);
    let (width, height) = size::at_most_wide(SMALL_WIDTH, large.width(), large.height());
    let small = shrink(large.clone(), width, height);
    let blurhash = blurhash(&small)?;
    Ok(Still {
        large: file(&large, "large", origin.is_lossless, into)?,
        small: file(&small, "small", origin.is_lossless, into)?,
        blurhash,
    })
}

/// Resizes to 8 bits a channel, RGB or RGBA.
fn shrink(image: DynamicImage, width: u32, height: u32) -> DynamicImage {
    let has_alpha = image.color().has_alpha();
    let is_same = (image.width(), image.height()) == (width, height);
    let image = match (has_alpha, is_same) {
        (true, true) => return DynamicImage::ImageRgba8(image.into_rgba8()),
        (false, true) => return DynamicImage::ImageRgb8(image.into_rgb8()),
        // The colour of what cannot be seen shall not show at its edge.
        (true, false) => {
            let mut rgba = image.into_rgba8();
            multiply(&mut rgba);
            DynamicImage::ImageRgba8(rgba)
        }
        (false, false) => image,
    };
    // Twice the size by averages, in a small part of the time and memory of the good filter.
    let (rough_width, rough_height) = (width.saturating_mul(2), height.saturating_mul(2));
    let is_huge = image.width() > rough_width && image.height() > rough_height;
    let image = if is_huge { image.thumbnail_exact(rough_width, rough_height) } else { image };
    let image = image.resize_exact(width, height, Resampling::Lanczos3);
    if has_alpha {
        let mut rgba = image.into_rgba8();
        divide(&mut rgba);
        DynamicImage::ImageRgba8(rgba)
    } else {
        DynamicImage::ImageRgb8(image.into_rgb8())
    }
}

fn multiply(image: &mut RgbaImage) {
    for pixel in image.pixels_mut() {
        let [.., alpha] = pixel.0;
        for colour in pixel.0.iter_mut().take(3) {
            *colour = rounded(u32::from(*colour) * u32::from(alpha), 255);
        }
    }
}

fn divide(image: &mut RgbaImage) {
    for pixel in image.pixels_mut() {
        let [.., alpha] = pixel.0;
        for colour in pixel.0.iter_mut().take(3) {
            *colour = rounded(u32::from(*colour) * 255, u32::from(alpha).max(1));
        }
    }
}

fn rounded(numerator: u32, denominator: u32) -> u8 {
    u8::try_from((numerator + denominator / 2) / denominator).unwrap_or(u8::MAX)
}

/// Telephones photograph in wider colours than sRGB, and say so in the profile that is not kept.
/// A profile that is of no use leaves the colours as they are.
fn to_srgb(image: &mut DynamicImage, profile: &[u8]) {
    let Ok(profile) = ColorProfile::new_from_slice(profile) else { return };
    if profile.color_space != DataColorSpace::Rgb {
        return;
    }
    let layout = if image.color().has_alpha() { Layout::Rgba } else { Layout::Rgb };
    let to = ColorProfile::new_srgb();
    let Ok(transform) =
        profile.create_transform_8bit(layout, &to, layout, TransformOptions::default())
    else {
        return;
    };
    let from = image.as_bytes().to_vec();
    let pixels: Option<&mut [u8]> = match image {
        DynamicImage::ImageRgb8(rgb) => Some(rgb),
        DynamicImage::ImageRgba8(rgba) => Some(rgba),
        _ => None,
    };
    if let Some(pixels) = pixels {
        let _ = transform.transform(&from, pixels);
    }
}

/// An alpha channel that hides nothing is none.
fn without_needless_alpha(image: DynamicImage) -> DynamicImage {
    match image {
        DynamicImage::ImageRgba8(rgba) if rgba.pixels().all(|pixel| pixel.0.ends_with(&[255])) => {
            DynamicImage::ImageRgb8(DynamicImage::ImageRgba8(rgba).into_rgb8())
        }
        other => other,
    }
}

/// A few colours of a picture, in 20 to 30 letters.
pub fn blurhash(small: &DynamicImage) -> Result<String, Refusal> {
    let (width, height) = size::at_most_wide(BLURHASH_WIDTH, small.width(), small.height());
    let rgba = small.thumbnail_exact(width, height.min(BLURHASH_WIDTH * 4)).into_rgba8();
    let (across, down) = if width >= height { (4, 3) } else { (3, 4) };
    blurhash::encode(across, down, rgba.width(), rgba.height(), &rgba)
        .map_err(|error| Refusal::new(Code::Output, error.to_string()))
}

fn file(
    image: &DynamicImage,
    stem: &str,
    is_lossless: bool,
    into: &Path,
) -> Result<Image, Refusal> {
    let (format, bytes) = if image.color().has_alpha() {
        (ImageFormat::Png, png(image)?)
    } else {
        let jpeg = jpeg(image, JPEG_QUALITY)?;
        let png = if is_lossless { Some(png(image)?) } else { None };
        match png.filter(|png| png.len() <= jpeg.len()) {
            Some(png) => (ImageFormat::Png, png),
            None => (ImageFormat::Jpeg, jpeg),
        }
    };
    save(image, format, &bytes, stem, into)
}

/// Writes a picture without transparency as JPEG.
pub fn jpeg_file(
    image: &DynamicImage,
    stem: &str,
    quality: u8,
    into: &Path,
) -> Result<Image, Refusal> {
    save(image, ImageFormat::Jpeg, &jpeg(image, quality)?, stem, into)
}

fn save(
    image: &DynamicImage,
    format: ImageFormat,
    bytes: &[u8],
    stem: &str,
    into: &Path,
) -> Result<Image, Refusal> {
    let extension = match format {
        ImageFormat::Jpeg => "jpg",
        ImageFormat::Png => "png",
    };
    let name = FileName::try_from(format!("{stem}.{extension}"));
    let file = name.map_err(|why| Refusal::new(Code::Output, why))?;
    fs::write(into.join(file.as_str()), bytes).map_err(|error| Refusal::write(&error))?;
    let (width, height) = (image.width(), image.height());
    Ok(Image { file, format, width, height, size_bytes: bytes.len() as u64 })
}

/// Progressive: a few per cent smaller, and something to see early on a slow link.
fn jpeg(image: &DynamicImage, quality: u8) -> Result<Vec<u8>, Refusal> {
    let cannot = |why: String| Refusal::new(Code::Output, format!("JPEG: {why}"));
    let side = |side: u32| u16::try_from(side).map_err(|error| cannot(error.to_string()));
    let mut bytes = Vec::new();
    let mut encoder = Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(SamplingFactor::R_4_2_0);
    encoder.set_progressive(true);
    encoder
        .encode(image.as_bytes(), side(image.width())?, side(image.height())?, ColorType::Rgb)
        .map_err(|error| cannot(error.to_string()))?;
    Ok(bytes)
}

fn png(image: &DynamicImage) -> Result<Vec<u8>, Refusal> {
    let mut bytes = Vec::new();
    let colour: ExtendedColorType = image.color().into();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(image.as_bytes(), image.width(), image.height(), colour)
        .map_err(|error| Refusal::new(Code::Output, format!("PNG: {error}")))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use image::{Rgb, RgbImage, Rgba};

    use super::*;

    #[test]
    fn what_cannot_be_seen_does_not_colour_the_edge() {
        // Red, beside a green that is wholly transparent.
        let picture = RgbaImage::from_fn(400, 400, |x, _| {
            if x < 203 { Rgba([255, 0, 0, 255]) } else { Rgba([0, 255, 0, 0]) }
        });
        let small = shrink(DynamicImage::ImageRgba8(picture), 40, 40).into_rgba8();
        let greenest = small.pixels().filter(|it| it.0[3] > 8).map(|it| it.0[1]).max();
        assert!(greenest < Some(40), "{greenest:?}");
    }

    #[test]
    fn a_drawing_stays_png_and_a_photograph_does_not() {
        let folder = tempfile::tempdir().unwrap();
        let origin = Origin { is_lossless: true, ..Origin::default() };
        let drawing = RgbImage::from_fn(300, 300, |x, _| Rgb([(x / 100 * 100) as u8, 0, 0]));
        let still = write(DynamicImage::ImageRgb8(drawing), &origin, folder.path()).unwrap();
        assert_eq!(still.large.format, ImageFormat::Png);
        let mut noise = 1_u32;
        let photograph = RgbImage::from_fn(300, 300, |_, _| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            Rgb([(noise >> 24) as u8, (noise >> 16) as u8, (noise >> 8) as u8])
        });
        let still = write(DynamicImage::ImageRgb8(photograph), &origin, folder.path()).unwrap();
        assert_eq!(still.large.format, ImageFormat::Jpeg);
    }

    #[test]
    fn wide_colours_become_those_of_srgb() {
        let profile = ColorProfile::new_display_p3().encode().unwrap();
        let grass = RgbImage::from_pixel(8, 8, Rgb([100, 200, 100]));
        let mut image = DynamicImage::ImageRgb8(grass);
        to_srgb(&mut image, &profile);
        let [red, green, _] = image.into_rgb8().get_pixel(0, 0).0;
        // The same green needs less red and more green in sRGB.
        assert!(red < 90 && green > 200, "{red} {green}");
    }
}
