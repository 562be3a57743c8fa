//! The uncompressed header of a VP9 frame, and a `VPCodecConfigurationRecord` for its size.
//!
//! The first byte is the length of the record; the rest is a frame.

#![no_main]

use bytes::Bytes;
use communiconnect_media::codec::vp9::{Config, Frame};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&len, rest)) = data.split_first() else { return };
    let (record, frame) = rest.split_at(usize::from(len).min(rest.len()));
    let Ok(Frame { key: Some(picture) }) = Frame::read(frame) else { return };
    assert!(picture.width > 0 && picture.height > 0);
    let Ok(config) = Config::parse(&Bytes::copy_from_slice(record), picture) else { return };
    assert!(config.level > 0 && config.codec_string().starts_with("vp09."));
});
