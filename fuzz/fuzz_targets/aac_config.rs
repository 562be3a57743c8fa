//! The `AudioSpecificConfig`.

#![no_main]

use bytes::Bytes;
use communiconnect_media::codec::aac::Config;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(config) = Config::parse(Bytes::copy_from_slice(data)) else { return };
    assert_eq!(config.timescale().get(), config.sample_rate_hz);
    assert!((1..=8).contains(&config.channel_count()));
    assert!(config.codec_string().starts_with("mp4a.40."));
});
