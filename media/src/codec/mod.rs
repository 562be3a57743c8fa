//! Configuration records of the codecs we carry, and as much of their samples as must be read to
//! carry them: where decoding may start, how long a sound lasts. No picture is ever decoded here.

pub mod aac;
pub mod ac3;
pub mod av1;
mod bits;
pub mod flac;
pub mod h264;
pub mod hevc;
pub mod mp3;
mod nal;
pub mod opus;
pub mod vp9;
pub mod x264;

use crate::Error;

/// What a picture looks like, whatever its codec.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Picture {
    /// Width in pixels, cropped.
    pub width: u32,
    /// Height in pixels, cropped.
    pub height: u32,
    /// Frames per second as the configuration declares them; many encoders declare none.
    #[serde(with = "crate::kept::rate_in_bits")]
    pub declared_fps: Option<f64>,
}

impl Picture {
    const MAX_SIDE_PIXELS: u32 = 16_384;
    /// Rates outside of this are mistakes of an encoder.
    const BELIEVABLE_FPS: std::ops::RangeInclusive<f64> = 1.0..=480.0;

    /// A picture of which `what` says the size.
    fn new(
        what: &'static str,
        width: u32,
        height: u32,
        declared_fps: Option<f64>,
    ) -> Result<Self, Error> {
        let side = 1..=Self::MAX_SIDE_PIXELS;
        if !side.contains(&width) || !side.contains(&height) {
            let reason = format!("a picture of {width}x{height}");
            return Err(Error::Malformed { what, reason });
        }
        let declared_fps = declared_fps.filter(|fps| Self::BELIEVABLE_FPS.contains(fps));
        Ok(Self { width, height, declared_fps })
    }
}

/// What a sound is like, whatever its codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sound {
    /// Samples per second heard.
    pub sample_rate_hz: u32,
    /// Loudspeakers fed.
    pub channels: u8,
}

/// A record of `len` bytes, refused before any of it is read when that is beyond belief.
fn check_len(what: &'static str, len: usize, max: usize) -> Result<(), Error> {
    if len > max {
        return Err(Error::Malformed { what, reason: format!("{len} bytes, at most {max}") });
    }
    Ok(())
}
