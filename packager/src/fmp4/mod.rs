//! Fragmented MP4: init segments and fragments.
//!
//! Here: boxes (ISO/IEC 14496-12). Not here: which samples go together (`segmenter`, `part`).

pub(crate) mod emsg;
pub(crate) mod fragment;
pub(crate) mod init;
mod sample_entry;

/// `track_ID` of the picture in every init segment and fragment.
pub(crate) const VIDEO_TRACK_ID: u32 = 1;
/// `track_ID` of the sound.
pub(crate) const AUDIO_TRACK_ID: u32 = 2;

fn clamp_u16(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}
