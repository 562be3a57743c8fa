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
        _ => None,
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
    let error = demuxer().video(0, Bytes::from_static(b"\x90vp08"), &mut events).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Video, "VP8 (vp08)"));
    let error = demuxer().audio(0, Bytes::from_static(b"\xB6"), &mut events).unwrap_err();
    assert_eq!((error.kind, error.codec.as_str()), (Kind::Audio, "Speex (FLV id 11)"));
    // AAC Main, which no browser plays.
    let main = tag(&[0xAF, 0], &[0x0A, 0x10]);
    let error = demuxer().audio(0, main, &mut events).unwrap_err();
    assert!(error.to_string().contains("AAC"), "{error}");
}

/// Written by ffmpeg 5.1 (libx265 Main, 320x180 at 25 fps), without the SEI of x265.
const HEVC_CONFIG: &[u8] = &[
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x94, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
];
/// Written by ffmpeg 5.1 (libsvtav1, 320x180).
const AV1_CONFIG: &[u8] = &[
    0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0x02, 0xf8, 0x00,
    0x40,
];
/// A delimiter, and a frame that begins as a key frame that is shown.
const AV1_KEY: &[u8] = &[0x12, 0x00, 0x32, 0x02, 0x10, 0x00];
/// Written by ffmpeg 5.1 (libvpx-vp9): the record, and the first bytes of a key frame of 320x180.
const VP9_CONFIG: &[u8] = &[0x00, 0x0b, 0x82, 0x02, 0x02, 0x02, 0x00, 0x00];
const VP9_KEY: &[u8] = &[0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30, 0x00];

/// What a new demuxer makes of these tags.
fn demux(tags: &[(Kind, u32, Bytes)]) -> (Vec<Event>, Counts) {
    let mut demuxer = Demuxer::default();
    let mut events = Vec::new();
    for (kind, at_ms, body) in tags {
        let taken = match kind {
            Kind::Video => demuxer.video(*at_ms, body.clone(), &mut events),
            Kind::Audio => demuxer.audio(*at_ms, body.clone(), &mut events),
        };
        taken.unwrap();
    }
    (events, demuxer.counts().clone())
}

fn codecs(events: &[Event]) -> Vec<String> {
    let tracks = events.iter().filter_map(|event| match event {
        Event::TrackChanged(track) => Some(track.codec_string()),
        _ => None,
    });
    tracks.collect()
}

#[test]
fn hevc_decodes_from_a_clean_random_access_picture_on_and_keeps_its_composition_time() {
    let (cra, trail) = ([0, 0, 0, 3, 0x2a, 1, 9], [0, 0, 0, 3, 0x02, 1, 9]);
    let (events, counts) = demux(&[
        (Kind::Video, 0, tag(b"\x90hvc1", HEVC_CONFIG)),
        (Kind::Video, 0, tag(b"\x91hvc1\x00\x00\x42", &cra)),
        (Kind::Video, 40, tag(b"\xA3hvc1", &trail)),
    ]);
    assert_eq!((codecs(&events), counts.dropped_tags), (vec!["hvc1.1.6.L60.90".into()], 0));
    let samples = samples(events);
    assert_eq!(samples.iter().map(|it| it.is_sync).collect::<Vec<_>>(), [true, false]);
    assert_eq!(samples.iter().map(|it| it.cts_ticks).collect::<Vec<_>>(), [5_940, 0]);
}

#[test]
fn nanoseconds_refine_when_a_picture_is_shown() {
    let (events, _) = demux(&[
        (Kind::Video, 0, tag(b"\x90hvc1", HEVC_CONFIG)),
        (Kind::Video, 33, tag(b"\x97\x02\x05\x16\x15\x03hvc1", &[0, 0, 0, 3, 0x26, 1, 9])),
    ]);
    // 333 333 ns are thirty ticks of 90 kHz: a thirtieth of a second, exactly.
    let sample = &samples(events)[0];
    assert_eq!((sample.dts_ticks, sample.cts_ticks), (2_970, 30));
}

#[test]
fn av1_goes_on_without_its_delimiters() {
    let (events, _) = demux(&[
        (Kind::Video, 0, tag(b"\x90av01", AV1_CONFIG)),
        (Kind::Video, 0, tag(b"\x91av01", AV1_KEY)),
    ]);
    assert_eq!(codecs(&events), ["av01.0.00M.08"]);
    let sample = &samples(events)[0];
    assert_eq!((sample.is_sync, &sample.data[..]), (true, &AV1_KEY[2..]));
}

#[test]
fn a_size_that_the_record_does_not_say_comes_with_the_first_key_frame() {
    let in_band = [&AV1_CONFIG[4..], &AV1_KEY[2..]].concat();
    for (four_cc, record, inter, key) in [
        (b"av01", &AV1_CONFIG[..4], &[0x32, 2, 0x30, 0][..], &in_band[..]),
        (b"vp09", VP9_CONFIG, &[0x86, 0], VP9_KEY),
    ] {
        let start = tag(&[0x90], four_cc);
        let (events, counts) = demux(&[
            (Kind::Video, 0, tag(&start, record)),
            (Kind::Video, 0, tag(&tag(&[0xA1], four_cc), inter)),
            (Kind::Video, 40, tag(&tag(&[0x91], four_cc), key)),
            (Kind::Video, 80, tag(&tag(&[0xA1], four_cc), inter)),
            (Kind::Video, 120, tag(&tag(&[0x91], four_cc), key)),
        ]);
        assert_eq!(counts.dropped_tags, 1, "{:?}", counts.last_drop);
        let [Event::TrackChanged(track), Event::Sample(first), ..] = &events[..] else {
            panic!("{events:?}")
        };
        let picture = track.picture().unwrap();
        assert_eq!((picture.width, picture.height), (320, 180));
        assert!(first.is_sync);
        assert_eq!((events.len(), codecs(&events).len()), (4, 1), "said once");
    }
}

#[test]
fn a_key_frame_of_another_size_is_a_change_of_the_track() {
    let mut larger = VP9_KEY.to_vec();
    larger[6] = 0xf1;
    let (events, _) = demux(&[
        (Kind::Video, 0, tag(b"\x90vp09", VP9_CONFIG)),
        (Kind::Video, 0, tag(b"\x91vp09", VP9_KEY)),
        (Kind::Video, 40, tag(b"\x91vp09", &larger)),
    ]);
    assert_eq!(codecs(&events).len(), 2);
}

#[test]
fn a_picture_of_another_codec_than_its_configuration_is_dropped() {
    let (events, counts) = demux(&[
        (Kind::Video, 0, avc_config(AVC_CONFIG)),
        (Kind::Video, 0, tag(b"\x91av01", AV1_KEY)),
    ]);
    assert_eq!((samples(events), counts.dropped_tags), (vec![], 1));
}

#[test]
fn opus_is_timed_by_what_each_packet_says() {
    let head = b"OpusHead\x01\x02\x38\x01\x80\xbb\0\0\0\0\0";
    for record in [&head[..], b""] {
        let (events, _) = demux(&[
            (Kind::Audio, 0, tag(b"\x90Opus", record)),
            (Kind::Audio, 0, tag(b"\x91Opus", &[0xfc, 1])),
            (Kind::Audio, 20, tag(b"\x91Opus", &[0xf4, 1])),
            (Kind::Audio, 30, tag(b"\x91Opus", &[0xfc, 1])),
            (Kind::Audio, 50, tag(b"\x91Opus", &[])),
        ]);
        assert_eq!(codecs(&events), ["Opus"]);
        let times: Vec<_> = samples(events).iter().map(|it| it.dts_ticks).collect();
        assert_eq!(times, [0, 960, 1_440]);
    }
}

#[test]
fn flac_is_timed_by_its_blocks() {
    let mut record = b"fLaC\x80\0\0\x22\x12\0\x12\0\0\0\0\0\x4a\x58\x0b\xb8\x02\xf0".to_vec();
    record.resize(8 + 34, 0);
    let frame = [0xff, 0xf8, 0x5a, 0x88, 0x00, 0x37];
    let (events, counts) = demux(&[
        (Kind::Audio, 0, tag(b"\x90fLaC", &record)),
        (Kind::Audio, 0, tag(b"\x91fLaC", &frame)),
        (Kind::Audio, 96, tag(b"\x91fLaC", &frame)),
        (Kind::Audio, 192, tag(b"\x91fLaC", b"noise")),
    ]);
    assert_eq!((codecs(&events), counts.dropped_tags), (vec!["fLaC".into()], 1));
    let times: Vec<_> = samples(events).iter().map(|it| it.dts_ticks).collect();
    assert_eq!(times, [0, 4_608]);
}

#[test]
fn frames_that_configure_themselves_need_no_configuration_and_may_come_together() {
    let mp3 = [&[0xff, 0xfb, 0x94, 0x64][..], &[0; 380]].concat();
    let ac3 = [&[0x0b, 0x77, 0xfe, 0x95, 0x14, 0x40, 0x43, 0xe1][..], &[0; 760]].concat();
    for (header, frame, codec, ticks) in [
        (&b"\x2F"[..], &mp3, "mp4a.40.34", 1_152),
        (b"\x91.mp3", &mp3, "mp4a.40.34", 1_152),
        (b"\x91ac-3", &ac3, "ac-3", 1_536),
    ] {
        let (events, counts) = demux(&[
            (Kind::Audio, 0, tag(header, &frame.repeat(2))),
            (Kind::Audio, 2 * ticks / 48, tag(header, frame)),
            (Kind::Audio, 3 * ticks / 48, tag(header, &frame[..100])),
        ]);
        assert_eq!((codecs(&events), counts.dropped_tags), (vec![codec.into()], 1));
        let samples = samples(events);
        let times: Vec<_> = samples.iter().map(|it| it.dts_ticks).collect();
        assert_eq!(times, [0, 1, 2].map(|number| number * i64::from(ticks)));
        assert!(samples.iter().all(|sample| sample.data == *frame));
    }
}

#[test]
fn another_rate_of_mp3_is_a_change_of_the_track() {
    let at_48000 = [&[0xff, 0xfb, 0x94, 0x64][..], &[0; 380]].concat();
    let at_44100 = [&[0xff, 0xfb, 0x90, 0x64][..], &[0; 413]].concat();
    let (events, _) = demux(&[
        (Kind::Audio, 0, tag(b"\x2F", &at_48000)),
        (Kind::Audio, 24, tag(b"\x2E", &at_44100)),
    ]);
    let [_, _, Event::TrackChanged(track), Event::Sample(sample)] = &events[..] else {
        panic!("{events:?}")
    };
    assert_eq!((track.timescale.get(), sample.dts_ticks), (44_100, 1_152 * 44_100 / 48_000));
}

#[test]
fn sound_in_a_form_that_is_not_carried_is_an_error_that_names_it() {
    let mut demuxer = Demuxer::default();
    let dependent = tag(b"\x91ec-3", &[0x0b, 0x77, 0x41, 0x7f, 0x34, 0x87, 0xc0, 0]);
    let error = demuxer.audio(0, dependent.clone(), &mut Vec::new()).unwrap_err();
    assert_eq!(error.codec, "E-AC-3 substream 0");
    // Among good frames it is noise.
    let good = [&[0x0b, 0x77, 0x01, 0x7f, 0x34, 0x87][..], &[0; 762]].concat();
    demuxer.audio(0, tag(b"\x91ec-3", &good), &mut Vec::new()).unwrap();
    demuxer.audio(32, dependent, &mut Vec::new()).unwrap();
    assert_eq!(demuxer.counts().dropped_tags, 1);
}

/// Two sounds in one packet of the given type, of AAC and Opus.
fn two_sounds(packet_type: u8, aac: &[u8], opus: &[u8]) -> Bytes {
    let track = |four_cc: &[u8; 4], id: u8, body: &[u8]| {
        [&four_cc[..], &[id, 0, 0, body.len() as u8], body].concat()
    };
    let header = [0x95, 0x20 | packet_type];
    [&header[..], &track(b"mp4a", 0, aac), &track(b"Opus", 2, opus)].concat().into()
}

#[test]
fn each_sound_has_its_configuration_and_counts_its_own_samples() {
    let (events, counts) = demux(&[
        (Kind::Audio, 0, two_sounds(0, AAC_48000, b"")),
        (Kind::Audio, 0, two_sounds(1, b"aac", &[0xfc, 1])),
        (Kind::Audio, 20, tag(b"\x95\x01Opus\x02", &[0xfc, 2])),
        (Kind::Audio, 21, tag(b"\xAF\x01", b"aac")),
    ]);
    let third = SoundNumber::new(2).unwrap();
    let said: Vec<_> = events
        .iter()
        .map(|event| match event {
            Event::TrackChanged(track) => (SoundNumber::FIRST, track.codec_string(), None),
            Event::Sample(sample) => (SoundNumber::FIRST, String::new(), Some(sample.dts_ticks)),
            Event::OtherSoundChanged(number, track) => (*number, track.codec_string(), None),
            Event::OtherSound(number, sample) => (*number, String::new(), Some(sample.dts_ticks)),
            Event::SoundsLabelled(_) | Event::Metadata(_) => panic!("{event:?}"),
        })
        .collect();
    let changed = |number, codec: &str| (number, codec.to_owned(), None);
    let sample = |number, dts_ticks| (number, String::new(), Some(dts_ticks));
    let expected = [
        changed(SoundNumber::FIRST, "mp4a.40.2"),
        changed(third, "Opus"),
        sample(SoundNumber::FIRST, 0),
        sample(third, 0),
        sample(third, 960),
        sample(SoundNumber::FIRST, 1_024),
    ];
    assert_eq!((&said[..], counts.dropped_tags, counts.other_tracks), (&expected[..], 0, 0));
}

#[test]
fn a_sound_beside_the_first_that_is_not_carried_ends_nothing() {
    let (events, counts) = demux(&[
        (Kind::Audio, 0, tag(b"\x95\x00mp4a\x00", AAC_48000)),
        (Kind::Audio, 0, tag(b"\x95\x01dtsc\x01", b"dts")),
        (Kind::Audio, 0, tag(b"\x95\x01mp4a\x08", b"the ninth")),
        (Kind::Audio, 0, tag(b"\x95\x01mp4a\x03", b"before its configuration")),
        (Kind::Audio, 0, tag(b"\x95\x01mp4a\x00", b"aac")),
    ]);
    assert_eq!((counts.other_tracks, counts.dropped_tags), (2, 1));
    assert_eq!(samples(events).len(), 1);
}

#[test]
fn labels_are_told_when_they_change() {
    let mut demuxer = Demuxer::default();
    let mut events = Vec::new();
    let french = Value::object([("language", Value::string("fr"))]);
    for metadata in [Value::Null, french.clone(), french, Value::Null] {
        demuxer.metadata(&metadata, &mut events);
    }
    assert!(matches!(&events[..], [Event::SoundsLabelled(_), Event::SoundsLabelled(_)]));
}

#[test]
fn other_pictures_are_counted_and_the_first_goes_on() {
    let many = b"\x96\x10hvc1\x01\0\0\x01x\x00\0\0";
    let many = [&many[..], &[HEVC_CONFIG.len() as u8], HEVC_CONFIG].concat();
    let (events, counts) = demux(&[(Kind::Video, 0, many.into())]);
    assert_eq!((codecs(&events).len(), counts.other_tracks, counts.dropped_tags), (1, 1, 0));
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

/// When a score said at `at_ms` is said on the line of media, if it is passed on.
fn said(demuxer: &mut Demuxer, at_ms: u32) -> Option<i64> {
    let mut events = Vec::new();
    demuxer.data(at_ms, "onScore".to_owned(), Some(&[Value::Number(1.0)]), &mut events);
    events.pop().map(|event| match event {
        Event::Metadata(metadata) => metadata.at_ms,
        event => panic!("{event:?}"),
    })
}

#[test]
fn metadata_is_said_at_its_own_time_and_moves_no_other() {
    let mut demuxer = demuxer();
    video(&mut demuxer, 1_000, 0, IDR);
    assert_eq!([1_020, 990].map(|at| said(&mut demuxer, at)), [Some(1_020), Some(990)]);
    // Of no known clock: now.
    assert_eq!([500_000, u32::MAX].map(|at| said(&mut demuxer, at)), [Some(1_000), Some(0)]);
    assert_eq!(video(&mut demuxer, 1_040, 0, SLICE).unwrap().dts_ticks, 1_040 * 90);
    assert_eq!((demuxer.counts().timestamp_jumps, demuxer.counts().metadata), (0, 4));
}

#[test]
fn metadata_follows_media_across_a_jump_and_the_wrap() {
    for base in [0, u32::MAX - 500] {
        let mut demuxer = demuxer();
        for frame in 0..50 {
            let at_ms = base.wrapping_add(frame * 40);
            let dts = video(&mut demuxer, at_ms, 0, SLICE).unwrap().dts_ticks;
            assert_eq!(said(&mut demuxer, at_ms.wrapping_add(10)), Some(dts / 90 + 10), "{frame}");
        }
    }
    let mut demuxer = demuxer();
    video(&mut demuxer, 0, 0, IDR);
    let dts = video(&mut demuxer, 47_727_000, 0, SLICE).unwrap().dts_ticks;
    assert_eq!(said(&mut demuxer, 47_727_010), Some(dts / 90 + 10));
}

#[test]
fn what_is_too_much_is_dropped_and_counted() {
    let mut demuxer = demuxer();
    video(&mut demuxer, 1_000, 0, IDR);
    let passed = (0..80).filter(|_| said(&mut demuxer, 1_000).is_some()).count();
    let counts = demuxer.counts();
    assert_eq!((passed as u64, counts.dropped_metadata), (counts.metadata, 30));
    assert_eq!(counts.last_metadata_drop, Some(data::Dropped::TooMany));
    // What is for the server is neither.
    let mut events = Vec::new();
    demuxer.data(1_000, "onFI".to_owned(), Some(&[]), &mut events);
    assert_eq!((events, demuxer.counts().dropped_metadata), (vec![], 30));
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
