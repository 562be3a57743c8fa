//! FLV tags, one after another, into the demuxer: the order and times of samples must hold whatever
//! the tags say.

#![no_main]

use bytes::Bytes;
use communiconnect_ingest::{
    demux::{Demuxer, data::MAX_VALUE_LEN},
    flv::tag,
    rtmp::message::Data,
};
use communiconnect_media::{Event, Kind, Timescale};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut rest = Bytes::copy_from_slice(data);
    let mut demuxer = Demuxer::default();
    let mut events = Vec::new();
    while let Some(tag) = tag::next(&mut rest) {
        let result = match tag.kind {
            8 => demuxer.audio(tag.at_ms, tag.body, &mut events),
            9 => demuxer.video(tag.at_ms, tag.body, &mut events),
            18 => {
                let values = Data::read(&tag.body).values;
                demuxer.data(tag.at_ms, "onTextData".to_owned(), Some(&values), &mut events);
                Ok(())
            }
            _ => Ok(()),
        };
        if result.is_err() {
            break;
        }
    }
    check(&events);
});

/// DTS never decreases in a track. A new configuration may bring a new timescale: times are compared
/// within one.
fn check(events: &[Event]) {
    let mut last = [0_i64; 2];
    let mut timescales: [Option<Timescale>; 2] = [None; 2];
    for event in events {
        match event {
            Event::TrackChanged(track) => {
                let at = usize::from(track.kind() == Kind::Video);
                if timescales[at].replace(track.timescale) != Some(track.timescale) {
                    last[at] = 0;
                }
            }
            Event::Sample(sample) => {
                let at = usize::from(sample.kind == Kind::Video);
                assert!(timescales[at].is_some(), "a sample of a track never announced");
                assert!(sample.dts_ticks >= last[at] && !sample.data.is_empty());
                last[at] = sample.dts_ticks;
            }
            Event::Metadata(said) => assert!(said.at_ms >= 0 && said.value.len() <= MAX_VALUE_LEN),
        }
    }
}
