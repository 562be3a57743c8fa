//! Lays thumbnails side by side: one file for players to load, and one for a disk to keep, in place of a dozen.

use std::fs::File;
use std::io::{Cursor, Read as _};
use std::path::Path;

use image::{DynamicImage, GenericImage as _, ImageFormat, ImageReader, RgbImage};
use worker::protocol::{Code, Image, Limits};

use crate::refusal::Refusal;
use crate::still;

const QUALITY: u8 = 68;

/// Does the job.
pub fn lay(
    mut input: File,
    limits: &Limits,
    lengths: &[u32],
    columns: u32,
    into: &Path,
) -> Result<Image, Refusal> {
    let bad = |why: &str| Refusal::new(Code::BadJob, why);
    let count = u32::try_from(lengths.len()).map_err(|_| bad("too many pictures"))?;
    if count == 0 || columns == 0 {
        return Err(bad("no pictures, or none in a row"));
    }
    let rows = count.div_ceil(columns);
    let mut sheet: Option<(RgbImage, (u32, u32))> = None;
    for (place, length) in (0..count).zip(lengths) {
        let tile = next(&mut input, *length, limits)?;
        let size = (tile.width(), tile.height());
        let (sheet, of_first) = match &mut sheet {
            Some(sheet) => sheet,
            None => {
                let (width, height) =
                    (size.0.saturating_mul(columns.min(count)), size.1.saturating_mul(rows));
                if u64::from(width) * u64::from(height) > limits.pixels {
                    return Err(Refusal::too_many_pixels(width, height, limits.pixels));
                }
                sheet.insert((RgbImage::new(width, height), size))
            }
        };
        if size != *of_first {
            return Err(bad("pictures of different sizes"));
        }
        let (x, y) = (place % columns * size.0, place / columns * size.1);
        sheet.copy_from(&tile, x, y).map_err(|error| bad(&error.to_string()))?;
    }
    let (sheet, _) = sheet.ok_or_else(|| bad("no pictures"))?;
    still::jpeg_file(&DynamicImage::ImageRgb8(sheet), "sheet", QUALITY, into)
}

/// The JPEG of so many bytes that comes next.
fn next(input: &mut File, length: u32, limits: &Limits) -> Result<RgbImage, Refusal> {
    let unreadable = |why: String| Refusal::new(Code::Unreadable, why);
    let mut bytes = Vec::new();
    let read = input.take(length.into()).read_to_end(&mut bytes);
    read.map_err(|error| unreadable(error.to_string()))?;
    let mut reader = ImageReader::with_format(Cursor::new(bytes), ImageFormat::Jpeg);
    let mut allocations = image::Limits::no_limits();
    allocations.max_alloc = Some(limits.pixels.saturating_mul(4));
    reader.limits(allocations);
    let picture = reader.decode().map_err(|error| unreadable(error.to_string()))?;
    Ok(picture.into_rgb8())
}
