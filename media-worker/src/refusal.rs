//! Why a job is refused: a code and a reason, and what FFmpeg's and the kernel's errors mean.

use std::io;

use worker::protocol::Code;

/// The end of a job that comes to nothing.
#[derive(Debug)]
pub struct Refusal {
    pub code: Code,
    pub reason: String,
}

impl Refusal {
    pub fn new(code: Code, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// What an error says while something is read.
    pub fn unreadable(error: ffmpeg::Error) -> Self {
        Self::ffmpeg(Code::Unreadable, error)
    }

    /// What an error says while something is written.
    pub fn output(error: ffmpeg::Error) -> Self {
        Self::ffmpeg(Code::Output, error)
    }

    /// What an error says while a file is written.
    pub fn write(error: &io::Error) -> Self {
        Self::new(Code::Output, error.to_string())
    }

    /// More pixels than `limit`.
    pub fn too_many_pixels(width: u32, height: u32, limit: u64) -> Self {
        let reason = format!("{width}x{height} pixels, more than {limit}");
        Self::new(Code::TooManyPixels, reason)
    }

    /// Longer than `limit_ms`.
    pub fn too_long(ms: u64, limit_ms: u64) -> Self {
        Self::new(Code::TooLong, format!("{ms} ms, more than {limit_ms}"))
    }

    fn ffmpeg(code: Code, error: ffmpeg::Error) -> Self {
        let code = match error {
            ffmpeg::Error::Other { errno: libc::ENOMEM } => Code::TooMuchMemory,
            ffmpeg::Error::Other { errno: libc::ENOSPC | libc::EDQUOT } => Code::Output,
            _ => code,
        };
        Self::new(code, error.to_string())
    }
}
