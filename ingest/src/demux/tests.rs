use media::Codec;
use proptest::prelude::*;

use super::*;

/// An `AVCDecoderConfigurationRecord` of libx264 (High@3.1, 1280x720 at 30 fps).
const AVC_CONFIG: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const AAC_48000: &[u8] = &[0x11, 0x90];
const IDR: &[u8] = &[0, 0, 0, 2, 0x65, 1];
const SLICE: &[u8] = &[0, 0, 0, 2, 0x41, 1];

fn tag(header: &[u8], body: &[u8]) -> Bytes {
    [header, body].concat().into()
}

fn avc_config(record: &[u8]) -> Bytes {
    tag(&[0x17, 0, 0, 0, 0], record)
}

fn frame(cts_ms: i32, avcc: &[u8]) -> Bytes {
    let [_, a, b, c] = cts_ms.to_be_bytes();
    tag(&[0x27, 1, a, b, c], avcc)
}

/// A demuxer that knows both tracks.
fn demuxer() -> Demuxer {
    let mut demuxer = Demuxer::default();
    let mut events = Vec::new();
    demuxer.video(0, avc_config(AVC_CONFIG), &mut events).unwrap();
    demuxer.audio(0, tag(&[0xAF, 0], AAC_48000), &mut events).unwrap();
    assert_eq!(events.len(), 2);
    demuxer
}

fn samples(events: Vec<Event>) -> Vec<Sample> {
    let samples = events.into_iter().filter_map(|event| match event {
        Event::Sample(sample) => Some(sample),
        Event::TrackChanged(_) => None,
    });
    samples.collect()
}

fn video(demuxer: &mut Demuxer, at_ms: u32, cts_ms: i32, avcc: &[u8]) -> Option<Sample> {
    let mut events = Vec::new();
    demuxer.video(at_ms, frame(cts_ms, avcc), &mut events).unwrap();
    samples(events).pop()
}

fn audio(demuxer: &mut Demuxer, at_ms: u32) -> Option<Sample> {
    let mut events = Vec::new();
    demuxer.audio(at_ms, tag(&[0xAF, 1], b"aac"), &mut events).unwrap();
    samples(events).pop()
}

#[test]
fn a_video_frame_becomes_a_sample_of_ninety_ticks_a_millisecond() {
    let sample = video(&mut demuxer(), 40, -33, IDR).unwrap();
    assert_eq!((sample.dts_ticks, sample.cts_ticks), (3_600, -2_970));
    assert_eq!((sample.kind, &sample.data[..]), (Kind::Video, IDR));
}

#[test]
fn a_sync_sample_is_one_with_an_idr_picture_whatever_the_tag_claims() {
    let mut demuxer = demuxer();
    let mut events = Vec::new();
    let claims_key = tag(&[0x17, 1, 0, 0, 0], SLICE);
    demuxer.video(0, claims_key, &mut events).unwrap();
    assert!(!samples(events)[0].is_sync);
    let with_sei = [&[0, 0, 0, 1, 6][..], IDR].concat();
    assert!(video(&mut demuxer, 40, 0, &with_sei).unwrap().is_sync);
}

#[test]
fn a_repeated_sequence_header_is_no_event_and_a_changed_one_is() {
    let mut demuxer = demuxer();
    let mut events = Vec::new();
    demuxer.video(40, avc_config(AVC_CONFIG), &mut events).unwrap();
    demuxer.audio(40, tag(&[0xAF, 0], AAC_48000), &mut events).unwrap();
    assert_eq!(events, []);
    demuxer.audio(40, tag(&[0xAF, 0], &[0x12, 0x10]), &mut events).unwrap();
    let [Event::TrackChanged(track)] = &events[..] else { panic!("{events:?}") };
    assert!(matches!(&track.codec, Codec::Aac(config) if config.sample_rate_hz == 44_100));
}

#[test]
fn sound_goes_on_in_the_ticks_of_its_new_configuration() {
    let mut demuxer = demuxer();
    audio(&mut demuxer, 0);
    demuxer.audio(21, tag(&[0xAF, 0], &[0x12, 0x10]), &mut Vec::new()).unwrap();
    let sample = audio(&mut demuxer, 21).unwrap();
    assert_eq!(sample.dts_ticks, 1024 * 44_100 / 48_000);
}

#[test]
fn tags_before_their_configuration_are_dropped_and_counted() {
    let mut demuxer = Demuxer::default();
    assert_eq!(video(&mut demuxer, 0, 0, IDR), None);
    assert_eq!(audio(&mut demuxer, 0), None);
    assert_eq!((demuxer.counts().tags, demuxer.counts().dropped_tags), (2, 2));
}

#[test]
fn malformed_tags_are_dropped_counted_and_not_fatal() {
    let mut demuxer = demuxer();
    let overrun = [0, 0, 0, 9, 0x65, 1];
    assert_eq!(video(&mut demuxer, 0, 0, &overrun), None);
    assert_eq!(video(&mut demuxer, 0, 0, &[]), None);
    assert_eq!(video(&mut demuxer, 0, 0, &[0, 0, 0, 0]), None);
    let mut events = Vec::new();
    for body in [&b""[..], b"\x17", b"\x17\x09\0\0\0"] {
        demuxer.video(0, Bytes::from_static(body), &mut events).unwrap();
    }
    for body in [&b""[..], b"\xAF", b"\xAF\x07", b"\xAF\x01"] {
        demuxer.audio(0, Bytes::from_static(body), &mut events).unwrap();
    }
    assert_eq!(events, []);
    assert_eq!(demuxer.counts().dropped_tags, 10);
    assert!(video(&mut demuxer, 40, 0, IDR).is_some());
}

#[test]
fn nothing_is_carried_under_a_configuration_that_another_one_replaced_even_if_unreadable() {
    let mut demuxer = demuxer();
    video(&mut demuxer, 40, 0, IDR);
    let mut events = Vec::new();
    demuxer.video(40, avc_config(&AVC_CONFIG[..20]), &mut events).unwrap();
    demuxer.audio(40, tag(&[0xAF, 0], &[0x12]), &mut events).unwrap();
    assert_eq!(events, []);
    assert_eq!(video(&mut demuxer, 80, 0, IDR), None);
    let reason = demuxer.counts().last_drop.clone().unwrap();
    assert!(reason.contains("parameter set is truncated"), "{reason}");
    assert_eq!(audio(&mut demuxer, 80), None);
    let reason = demuxer.counts().last_drop.clone().unwrap();
    assert!(reason.contains("AudioSpecificConfig"), "{reason}");
    assert_eq!(demuxer.counts().dropped_tags, 4);
}

#[test]
fn an_empty_configuration_changes_nothing() {
    let mut demuxer = demuxer();
    demuxer.video(0, avc_config(&[]), &mut Vec::new()).unwrap();
    demuxer.audio(0, tag(&[0xAF, 0], &[]), &mut Vec::new()).unwrap();
    assert!(video(&mut demuxer, 0, 0, IDR).is_some() && audio(&mut demuxer, 0).is_some());
    assert_eq!(demuxer.counts().dropped_tags, 2);
}

#[test]
fn a_configuration_that_can_be_read_again_goes_on_where_time_was() {
    let mut demuxer = demuxer();
    video(&mut demuxer, 400, 0, IDR);
    audio(&mut demuxer, 400);
    let mut events = Vec::new();
    demuxer.video(400, avc_config(b"junk"), &mut events).unwrap();
    demuxer.video(400, avc_config(AVC_CONFIG), &mut events).unwrap();
    demuxer.audio(400, tag(&[0xAF, 0], &[0x12]), &mut events).unwrap();
    demuxer.audio(400, tag(&[0xAF, 0], AAC_48000), &mut events).unwrap();
    assert_eq!(events.len(), 2);
    assert_eq!(video(&mut demuxer, 360, 0, IDR).unwrap().dts_ticks, 36_000);
    assert_eq!(audio(&mut demuxer, 421).unwrap().dts_ticks, 400 * 48 + 1024);
}

#[test]
fn h264_in_a_form_that_is_not_carried_is_an_error_that_names_it() {
    let mut record = AVC_CONFIG.to_vec();
    record[0] = 2;
    let error = demuxer().video(0, avc_config(&record), &mut Vec::new()).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Video, "AVC configuration version 2"));
    record[0] = 1;
    record[4] = 0xFE;
    let error = demuxer().video(0, avc_config(&record), &mut Vec::new()).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Video, "NAL length size 3"));
}

#[test]
fn an_end_of_sequence_is_neither_event_nor_drop() {
    let mut demuxer = demuxer();
    let mut events = Vec::new();
    demuxer.video(0, tag(&[0x17, 2, 0, 0, 0], &[]), &mut events).unwrap();
    assert_eq!((events, demuxer.counts().dropped_tags), (vec![], 0));
}

#[test]
fn another_codec_is_an_error_that_names_it() {
    let mut events = Vec::new();
    let error = demuxer().video(0, Bytes::from_static(b"\x90hvc1"), &mut events).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Video, "HEVC (hvc1)"));
    let error = demuxer().audio(0, Bytes::from_static(b"\x2F"), &mut events).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Audio, "MP3 (FLV id 2)"));
    // AAC Main, which no browser plays.
    let main = tag(&[0xAF, 0], &[0x0A, 0x10]);
    let error = demuxer().audio(0, main, &mut events).unwrap_err();
    assert!(error.to_string().contains("AAC"), "{error}");
}

#[test]
fn a_dts_that_goes_back_is_held_and_the_picture_shown_when_it_was_meant() {
    let mut demuxer = demuxer();
    video(&mut demuxer, 100, 0, IDR);
    let held = video(&mut demuxer, 60, 0, SLICE).unwrap();
    assert_eq!((held.dts_ticks, held.cts_ticks), (9_000, -3_600));
    assert_eq!(demuxer.counts().timestamp_repairs, 1);
}

#[test]
fn a_composition_offset_beyond_belief_is_taken_for_none() {
    let mut demuxer = demuxer();
    assert_eq!(video(&mut demuxer, 0, 8_000_000, IDR).unwrap().cts_ticks, 0);
    assert_eq!(demuxer.counts().timestamp_repairs, 1);
}

#[test]
fn a_live_goes_on_past_the_extended_timestamp_and_the_32_bit_wrap() {
    for around in [0xFF_FFFF_u32, u32::MAX] {
        let mut demuxer = demuxer();
        let mut last = None;
        for step in 0..20 {
            let at_ms = around.wrapping_sub(400).wrapping_add(step * 40);
            let dts = video(&mut demuxer, at_ms, 0, IDR).unwrap().dts_ticks;
            assert!(last.is_none_or(|last| dts - last == 3_600), "{step}");
            last = Some(dts);
            audio(&mut demuxer, at_ms);
        }
        assert_eq!(demuxer.counts().timestamp_jumps, 0);
    }
}

#[test]
fn a_jump_of_thirteen_hours_is_bridged_in_both_tracks() {
    let mut demuxer = demuxer();
    let mut video_dts = Vec::new();
    let mut audio_dts = Vec::new();
    for frame in 0..100 {
        let base = if frame < 50 { 0 } else { 47_727_000 };
        video_dts.push(video(&mut demuxer, base + frame * 40, 0, SLICE).unwrap().dts_ticks);
        audio_dts.push(audio(&mut demuxer, base + frame * 64 / 3).unwrap().dts_ticks);
    }
    assert!(video_dts.windows(2).all(|pair| (1..=9_000).contains(&(pair[1] - pair[0]))));
    assert!(audio_dts.windows(2).all(|pair| (1..=9_600).contains(&(pair[1] - pair[0]))));
    assert_eq!(demuxer.counts().timestamp_jumps, 2);
}

proptest! {
    #[test]
    fn dts_never_decreases_and_never_leaps_whatever_the_clock_does(
        tags in prop::collection::vec((any::<bool>(), any::<u32>(), -200_i32..200), 1..200),
        near in prop::collection::vec(-1_500_i32..12_000, 200),
    ) {
        let mut demuxer = demuxer();
        let mut last = [None::<i64>; 2];
        let mut furthest = None;
        let mut at_ms = 0_u32;
        for ((is_video, far, cts_ms), near) in tags.into_iter().zip(near) {
            at_ms = if far % 8 == 0 { far } else { at_ms.wrapping_add_signed(near) };
            let sample = if is_video {
                video(&mut demuxer, at_ms, cts_ms, SLICE)
            } else {
                audio(&mut demuxer, at_ms)
            };
            let dts = sample.unwrap().dts_ticks;
            prop_assert!(dts >= 0);
            let last = &mut last[usize::from(is_video)];
            let second = if is_video { 90_000 } else { 48_000 };
            prop_assert!(last.is_none_or(|last| dts >= last));
            *last = Some(dts);
            // A track may leap to its companion's side after a pause, but no further.
            let seconds = dts / second;
            prop_assert!(furthest.is_none_or(|furthest| seconds <= furthest + 12));
            furthest = furthest.max(Some(seconds));
        }
    }

    #[test]
    fn no_tag_panics(bodies in prop::collection::vec((any::<bool>(), any::<u32>(), any::<Vec<u8>>()), 0..20)) {
        let mut demuxer = demuxer();
        let mut events = Vec::new();
        for (is_video, at_ms, body) in bodies {
            let _ = if is_video {
                demuxer.video(at_ms, body.into(), &mut events)
            } else {
                demuxer.audio(at_ms, body.into(), &mut events)
            };
        }
    }
}
