//! The `HEVCDecoderConfigurationRecord`, and the access units read by its length size.
//!
//! The first two bytes are the length of the record; the rest is an access unit.

#![no_main]

use bytes::Bytes;
use communiconnect_media::codec::hevc::{Config, nal_unit_type};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((len, rest)) = data.split_first_chunk::<2>() else { return };
    let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
    let (record, access_unit) = rest.split_at(len);
    let Ok(config) = Config::parse(Bytes::copy_from_slice(record)) else { return };
    assert!(config.picture.width > 0 && config.picture.height > 0);
    assert!(config.codec_string().starts_with("hvc1."));
    let mut read = 0;
    for nal in config.nal_units(Bytes::copy_from_slice(access_unit)) {
        let Ok(nal) = nal else { return };
        assert!(nal_unit_type(&nal) < 64);
        read += config.nal_length_size + nal.len();
    }
    assert!(read <= access_unit.len());
});
