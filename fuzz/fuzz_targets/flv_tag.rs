//! FLV tags, one after another, into the demuxer: the order and times of samples must hold whatever
//! the tags say.

#![no_main]

use bytes::Bytes;
use communiconnect_ingest::{
    demux::{Demuxer, data::MAX_VALUE_LEN},
    flv::tag,
    rtmp::message::Data,
};
use communiconnect_media::{Event, Kind, Sample, SoundNumber, Timescale, Track};
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
                for value in &values {
                    demuxer.metadata(value, &mut events);
                }
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
    const PICTURE: usize = SoundNumber::COUNT;
    let mut last = [0_i64; PICTURE + 1];
    let mut timescales: [Option<Timescale>; PICTURE + 1] = [None; PICTURE + 1];
    let first = |kind| if kind == Kind::Video { PICTURE } else { 0 };
    for event in events {
        match event {
            Event::TrackChanged(track) => {
                changed(&mut last, &mut timescales, first(track.kind()), track)
            }
            Event::OtherSoundChanged(number, track) => {
                assert_eq!(track.kind(), Kind::Audio);
                changed(&mut last, &mut timescales, other(*number), track);
            }
            Event::Metadata(said) => assert!(said.at_ms >= 0 && said.value.len() <= MAX_VALUE_LEN),
            Event::Sample(sample) => came(&mut last, &timescales, first(sample.kind), sample),
            Event::OtherSound(number, sample) => {
                assert_eq!(sample.kind, Kind::Audio);
                came(&mut last, &timescales, other(*number), sample);
            }
            Event::SoundsLabelled(_) => {}
        }
    }
}

fn other(number: SoundNumber) -> usize {
    assert_ne!(number, SoundNumber::FIRST);
    number.index()
}

fn changed(last: &mut [i64], timescales: &mut [Option<Timescale>], at: usize, track: &Track) {
    if timescales[at].replace(track.timescale) != Some(track.timescale) {
        last[at] = 0;
    }
}

fn came(last: &mut [i64], timescales: &[Option<Timescale>], at: usize, sample: &Sample) {
    assert!(timescales[at].is_some(), "a sample of a track never announced");
    assert!(sample.dts_ticks >= last[at] && !sample.data.is_empty());
    last[at] = sample.dts_ticks;
}
