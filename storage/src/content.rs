//! What a file is, told from its content alone.
//!
//! Here: the kinds that members may bring, and the walk through the structure of each, to its end:
//! a file that only begins like a picture is none. Not here: pixels and sound, which nobody decodes;
//! what a file was called or declared to be, which nobody asks.
//!
//! | kind | source |
//! | --- | --- |
//! | JPEG | ITU-T T.81 annex B |
//! | PNG | W3C PNG, third edition, §5 |
//! | GIF | GIF89a, CompuServe 1990 |
//! | WebP | RFC 9649 |
//! | MP4, QuickTime | ISO/IEC 14496-12; QuickTime File Format |
//! | WebM | RFC 8794 (EBML), RFC 9559 (Matroska) |
//! | AVI | Microsoft RIFF, AVI |

mod avi;
mod bmff;
mod gif;
mod jpeg;
mod notes;
mod png;
mod source;
mod webm;
mod webp;

use std::io::{self, Read, Seek};

pub use notes::blank_notes;
use source::Source;

/// What members may bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A picture.
    Jpeg,
    /// A picture.
    Png,
    /// A picture, perhaps a moving one.
    Gif,
    /// A picture, perhaps a moving one.
    WebP,
    /// A video.
    Mp4,
    /// A video.
    QuickTime,
    /// A video.
    WebM,
    /// A video.
    Avi,
}

/// What a file was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Content {
    /// Its kind.
    pub kind: Kind,
    /// Where it ends, in bytes: before the end of the file when a phone appends something.
    pub len: u64,
    /// Width and height in pixels, as shown; unknown where the file does not say so for certain.
    pub dimensions: Option<(u32, u32)>,
    /// How long it plays; unknown likewise, and for pictures.
    pub duration_ms: Option<u64>,
}

/// Why a file is not taken for what it seems.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// None of the kinds.
    #[error("none of the kinds that are taken")]
    Unknown,
    /// It begins as one of them and does not go on as one.
    #[error("damaged or cut short")]
    Broken,
    /// A picture of more pixels than may be.
    #[error("too many pixels")]
    TooManyPixels,
    /// The file cannot be read.
    #[error("not readable: {0}")]
    Unreadable(#[from] io::Error),
}

impl Kind {
    const ALL: [Self; 8] = [
        Self::Jpeg,
        Self::Png,
        Self::Gif,
        Self::WebP,
        Self::Mp4,
        Self::QuickTime,
        Self::WebM,
        Self::Avi,
    ];

    /// Bytes at the beginning of a file from which its kind may be guessed.
    pub const HEAD_BYTES: usize = 12;

    /// What a file that begins like this is, if it is anything that is taken. Whether it is, only
    /// [`examine`] knows.
    pub fn guess(head: &[u8]) -> Option<Self> {
        match head {
            [0xff, 0xd8, 0xff, ..] => Some(Self::Jpeg),
            [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(Self::Png),
            [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(Self::Gif),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(Self::WebP),
            [b'R', b'I', b'F', b'F', _, _, _, _, b'A', b'V', b'I', b' ', ..] => Some(Self::Avi),
            [0x1a, 0x45, 0xdf, 0xa3, ..] => Some(Self::WebM),
            _ => bmff::guess(head),
        }
    }

    /// The extension of files of this kind.
    pub fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
            Self::Gif => "gif",
            Self::WebP => "webp",
            Self::Mp4 => "mp4",
            Self::QuickTime => "mov",
            Self::WebM => "webm",
            Self::Avi => "avi",
        }
    }

    /// The kind whose files have this extension.
    pub fn of_extension(extension: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.extension() == extension)
    }

    /// The media type.
    pub fn mime(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
            Self::Gif => "image/gif",
            Self::WebP => "image/webp",
            Self::Mp4 => "video/mp4",
            Self::QuickTime => "video/quicktime",
            Self::WebM => "video/webm",
            Self::Avi => "video/x-msvideo",
        }
    }

    /// Whether it is a picture; else it is a video.
    pub fn is_picture(self) -> bool {
        matches!(self, Self::Jpeg | Self::Png | Self::Gif | Self::WebP)
    }
}

/// Says what a file of `len` bytes is, having followed its structure to the end.
///
/// # Errors
///
/// Why it is nothing that is taken.
pub fn examine(file: impl Read + Seek, len: u64, max_pixels: u64) -> Result<Content, Refused> {
    let mut source = Source::new(file, len)?;
    let head_len = len.min(Kind::HEAD_BYTES as u64) as usize;
    let mut head = [0; Kind::HEAD_BYTES];
    let head = head.get_mut(..head_len).ok_or(Refused::Unknown)?;
    source.read(head)?;
    let kind = Kind::guess(head).ok_or(Refused::Unknown)?;
    source.go_to(0)?;
    let content = match kind {
        Kind::Jpeg => jpeg::examine(&mut source),
        Kind::Png => png::examine(&mut source),
        Kind::Gif => gif::examine(&mut source),
        Kind::WebP => webp::examine(&mut source),
        Kind::Mp4 | Kind::QuickTime => bmff::examine(&mut source, kind),
        Kind::WebM => webm::examine(&mut source),
        Kind::Avi => avi::examine(&mut source),
    }?;
    match content.dimensions {
        Some((width, height)) if u64::from(width) * u64::from(height) > max_pixels => {
            Err(Refused::TooManyPixels)
        }
        _ => Ok(content),
    }
}

/// A picture of this size, which must have one.
fn picture(kind: Kind, len: u64, width: u32, height: u32) -> Result<Content, Refused> {
    if width == 0 || height == 0 {
        return Err(Refused::Broken);
    }
    Ok(Content { kind, len, dimensions: Some((width, height)), duration_ms: None })
}

#[cfg(test)]
mod tests;
