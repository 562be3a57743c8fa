//! The `AV1CodecConfigurationRecord`, and temporal units that may complete it.
//!
//! The first byte is the length of the record; the rest is a temporal unit.

#![no_main]

use bytes::Bytes;
use communiconnect_media::codec::av1::{Config, TemporalUnit, without_delimiter};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&len, rest)) = data.split_first() else { return };
    let (record, unit) = rest.split_at(usize::from(len).min(rest.len()));
    let record = Bytes::copy_from_slice(record);
    let unit = without_delimiter(Bytes::copy_from_slice(unit));
    let unit = TemporalUnit::read(&unit).ok();
    let header = unit.as_ref().and_then(|unit| unit.sequence_header.as_ref());
    for header in [None, header] {
        let Ok(Some(config)) = Config::parse(record.clone(), header) else { continue };
        assert!(config.picture.width > 0 && config.picture.height > 0);
        assert!(config.codec_string().starts_with("av01."));
        // What was put together is read again the same.
        assert_eq!(Config::parse(config.record.clone(), None), Ok(Some(config)));
    }
});
