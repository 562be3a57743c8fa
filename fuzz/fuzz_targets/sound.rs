//! Configurations and frames of sound beside AAC.
//!
//! The first byte says which codec the rest is of.

#![no_main]

use bytes::Bytes;
use communiconnect_media::codec::{ac3, flac, mp3, opus};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&codec, rest)) = data.split_first() else { return };
    let mut bytes = Bytes::copy_from_slice(rest);
    match codec % 4 {
        0 => {
            assert!(opus::packet_ticks(&bytes).is_none_or(|ticks| (1..=5_760).contains(&ticks)));
            if let Ok(config) = opus::Config::parse(bytes) {
                assert!((1..=8).contains(&config.channels));
            }
        }
        1 => {
            assert!(flac::frame_ticks(&bytes).is_none_or(|ticks| (1..=65_536).contains(&ticks)));
            if let Ok(config) = flac::Config::parse(bytes) {
                assert_eq!(config.timescale().get(), config.sample_rate_hz);
            }
        }
        2 => {
            while !bytes.is_empty() {
                let before = bytes.len();
                let taken = mp3::take_frame(&mut bytes);
                assert!(bytes.len() < before, "each turn takes some");
                assert!(taken.is_err() || before - bytes.len() == taken.unwrap().1.len());
            }
        }
        _ => {
            while !bytes.is_empty() {
                let before = bytes.len();
                if let Ok((config, sample)) = ac3::take_sample(&mut bytes) {
                    assert!(config.continues(&config) && config.sound().channels <= 6);
                    assert!(ac3::data_ticks(&sample).is_some());
                }
                assert!(bytes.len() < before, "each turn takes some");
            }
        }
    }
});
