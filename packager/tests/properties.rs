//! What holds whatever a publisher sends.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::collections::BTreeMap;

use bytes::Bytes;
use communiconnect_packager::{Config, Rendition};
use media::{Event, Kind, Sample};
use proptest::prelude::*;
use support::*;

fn sources() -> impl Strategy<Value = Source> {
    let fps = prop_oneof![
        Just((24_000, 1_001)),
        Just((25, 1)),
        Just((30_000, 1_001)),
        Just((30, 1)),
        Just((50, 1)),
        Just((60, 1)),
        Just((15, 1)),
        Just((7, 1)),
    ];
    let tracks = prop_oneof![
        4 => Just((Some(video_track()), Some(audio_track()))),
        2 => Just((Some(video_track()), Some(audio_track_44100()))),
        1 => Just((Some(video_track()), None)),
        1 => Just((None, Some(audio_track_44100()))),
    ];
    let shape = (fps, 10_i64..150, any::<bool>(), any::<bool>(), any::<bool>());
    (shape, tracks, 1_i64..12, 0_i64..100_000).prop_map(
        |((fps, gop, b_frames, in_millis, declares), (video, audio), seconds, start_ms)| Source {
            fps,
            gop,
            b_frames,
            in_millis,
            video: video.map(|_| video_track_at(declares.then(|| fps.0 as f64 / fps.1 as f64))),
            audio,
            seconds,
            start_ms,
            ..Source::default()
        },
    )
}

/// What a publisher may do to a packager.
#[derive(Debug, Clone)]
enum Act {
    Publish(Source),
    /// The same publisher goes on, later by this much.
    Jump(Source, i64),
    OtherConfig(Source),
    Interrupt,
    Jitter(Source, Vec<i8>),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        3 => sources().prop_map(Act::Publish),
        1 => (sources(), -100_000_i64..10_000_000).prop_map(|(source, ms)| Act::Jump(source, ms)),
        1 => sources().prop_map(Act::OtherConfig),
        1 => Just(Act::Interrupt),
        1 => (sources(), prop::collection::vec(any::<i8>(), 1..20))
            .prop_map(|(source, jitter)| Act::Jitter(source, jitter)),
    ];
    prop::collection::vec(act, 1..6)
}

fn act(viewer: &mut Viewer, act: Act) {
    match act {
        Act::Publish(source) => viewer.publish(source.events()),
        Act::Jump(source, ms) => {
            let mut source = source;
            source.start_ms += ms;
            let published = viewer.packager.edge().is_some() && !viewer.packager.is_finished();
            if !published || viewer.packager.push(Event::Sample(sound(-1, 0))).is_err() {
                viewer.packager.begin(NOON_MS);
            }
            viewer.push(source.events());
        }
        Act::OtherConfig(mut source) => {
            source.video = source.video.map(|_| other_video_track());
            viewer.packager.begin(NOON_MS + 60_000);
            viewer.push(source.events());
        }
        Act::Interrupt => viewer.interrupt(),
        Act::Jitter(source, jitter) => {
            viewer.packager.begin(NOON_MS);
            let mut jitter = jitter.into_iter().cycle();
            viewer.push(source.events().into_iter().map(|event| match event {
                Event::Sample(mut sample) => {
                    let off = i64::from(jitter.next().unwrap_or(0));
                    sample.dts_ticks += off * 90;
                    sample.cts_ticks -= off as i32 * 90;
                    Event::Sample(sample)
                }
                other => other,
            }));
        }
    }
}

/// Checks one segment in both forms; gives the samples of its fMP4.
fn check_segment(viewer: &Viewer, msn: u64) -> (Vec<Read>, Vec<Read>) {
    let segment = &viewer.segments[&msn];
    assert_eq!(
        segment.bytes(Rendition::Source).unwrap().len(),
        segment.size_bytes(Rendition::Source)
    );
    let joined: Vec<u8> = parts(segment).flatten().collect();
    assert_eq!(joined, segment.bytes(Rendition::Source).unwrap());
    let (video, audio) = read_fmp4(segment);
    let main = if video.is_empty() { &audio } else { &video };
    if segment.independent() {
        assert!(main[0].is_sync, "segment {msn} opens on an IDR");
    }
    if let (Some(first), Some(last)) = (video.first(), video.last()) {
        let span = (last.dts + i64::from(last.duration) - first.dts) as f64 / 90_000.0;
        let sum = video.iter().map(|sample| f64::from(sample.duration)).sum::<f64>() / 90_000.0;
        let length = segment.duration_s();
        assert!(sum < length + 1e-6, "{sum} s in {length} s");
        // What its first picture was late is its own, too; and so is sound after its last.
        let sound_alone = parts(segment).any(|part| read_part(&part).0.is_empty());
        let late = if sound_alone { 0.11 + 0.22 } else { 0.11 };
        assert!(length < span + late + 1e-6, "{span} s in {length} s");
    }
    let ts = segment.bytes(Rendition::SourceTs).unwrap();
    assert_eq!(ts.len(), segment.size_bytes(Rendition::SourceTs), "the size was known beforehand");
    let (pictures, sounds) = read_ts(&ts);
    assert_eq!(pictures.len(), video.len());
    for (pes, sample) in pictures.iter().zip(&video) {
        let units = nal_units(&pes.data);
        assert_eq!(units[0], [9, 0xf0], "a delimiter first");
        let rest = if sample.is_sync { &units[3..] } else { &units[1..] };
        let mut avcc = Vec::new();
        for unit in rest {
            avcc.extend_from_slice(&(unit.len() as u32).to_be_bytes());
            avcc.extend_from_slice(unit);
        }
        assert!(avcc == sample.data, "picture at {} of segment {msn}", sample.dts);
        // A picture that should have been shown before one already sent is shown when it is decoded.
        let shown = ((sample.dts + sample.cts) as u64) & 0x1_ffff_ffff;
        assert!(pes.pts == shown || (pes.pts == pes.dts && pes.pts > shown));
    }
    let frames = sounds.iter().flat_map(|pes| adts_frames(&pes.data)).map(|(_, data)| data);
    assert!(frames.eq(audio.into_iter().map(|sample| sample.data)));
    let (video, audio) = read_fmp4(segment);
    (video, audio)
}

/// What a row of playlists must never do.
fn check_playlists(playlists: &[String]) {
    let parsed: Vec<_> = playlists.iter().map(|text| media_playlist(text)).collect();
    let mut numbers: BTreeMap<u64, u64> = BTreeMap::new();
    for (text, playlist) in playlists.iter().zip(&parsed) {
        assert_eq!(playlist.target_duration, parsed[0].target_duration);
        let mut discontinuities = playlist.discontinuity_sequence;
        for (msn, segment) in (playlist.media_sequence..).zip(&playlist.segments) {
            discontinuities += u64::from(segment.discontinuity);
            let before = *numbers.entry(msn).or_insert(discontinuities);
            assert_eq!(before, discontinuities, "segment {msn} keeps its number in\n{text}");
            assert!(segment.duration.round() as u64 <= playlist.target_duration, "{text}");
            assert!(segment.program_date_time.is_some());
        }
    }
    for pair in parsed.windows(2) {
        assert!(pair[0].media_sequence <= pair[1].media_sequence);
        assert!(pair[0].discontinuity_sequence <= pair[1].discontinuity_sequence);
        let end = |p: &m3u8_rs::MediaPlaylist| p.media_sequence + p.segments.len() as u64;
        assert!(end(&pair[0]) <= end(&pair[1]));
        let dates = pair[1].segments.iter().map(|s| s.program_date_time);
        assert!(dates.is_sorted());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_calm_live_comes_out_as_it_went_in(source in sources()) {
        let viewer = Viewer::of(&source);
        let (mut video, mut audio) = (Vec::new(), Vec::new());
        for &msn in viewer.segments.keys() {
            let (mut v, mut a) = check_segment(&viewer, msn);
            if let (Some(first), Some(last)) = (v.first(), v.last()) {
                let span = (last.dts + i64::from(last.duration) - first.dts) as f64 / 90_000.0;
                let length = viewer.segments[&msn].duration_s();
                let sound_alone = parts(&viewer.segments[&msn]).any(|p| read_part(&p).0.is_empty());
                prop_assert!(sound_alone || (length - span).abs() < 1e-6, "{span} s in {length} s");
            }
            video.append(&mut v);
            audio.append(&mut a);
        }
        check_playlists(&viewer.playlists);
        for (kind, read) in [(Kind::Video, &video), (Kind::Audio, &audio)] {
            let sent: Vec<_> = source.samples().into_iter().filter(|s| s.kind == kind).collect();
            prop_assert_eq!(read.len(), sent.len());
            for (read, sent) in read.iter().zip(&sent) {
                prop_assert!(read.data == sent.data, "{:?} at {}", kind, sent.dts_ticks);
                // A picture that begins a part may be decoded by as little earlier as milliseconds
                // hide; it is shown at its time.
                let earlier = read.cts - i64::from(sent.cts_ticks);
                let most = if kind == Kind::Video { 2 * 90 } else { 0 };
                prop_assert!((0..=most).contains(&earlier), "{:?} {} ticks earlier", kind, earlier);
                prop_assert_eq!(read.is_sync, sent.is_sync);
                // One offset for all, a whole number of seconds: nothing moved.
                prop_assert_eq!(read.dts + earlier - sent.dts_ticks, video.first().filter(|_| kind == Kind::Video)
                    .map_or_else(|| audio[0].dts - source.samples().iter().find(|s| s.kind == Kind::Audio).unwrap().dts_ticks,
                        |first| first.dts - source.start_ms * 90));
            }
            // Durations add up exactly: each sample ends where the next begins.
            for pair in read.windows(2) {
                prop_assert_eq!(pair[0].dts + i64::from(pair[0].duration), pair[1].dts);
            }
        }
        if let (Some(picture), Some(sound)) = (video.first(), audio.first()) {
            let sent = source.samples();
            let first = |kind| sent.iter().find(|s: &&Sample| s.kind == kind).unwrap().dts_ticks;
            let rate = i64::from(source.audio.as_ref().unwrap().timescale.get());
            let picture_s = (picture.dts - first(Kind::Video)) / 90_000;
            prop_assert_eq!((sound.dts - first(Kind::Audio)) / rate, picture_s, "sound and picture stay together");
            prop_assert_eq!((picture.dts - first(Kind::Video)) % 90_000, 0);
        }
    }

    #[test]
    fn parts_keep_to_their_target(source in sources()) {
        let viewer = Viewer::of(&source);
        let Some(target_ms) = viewer.packager.part_target_ms() else { return Ok(()) };
        for segment in viewer.all() {
            let parts: Vec<_> = parts(segment).map(|part| read_part(&part)).collect();
            for (at, (video, audio)) in parts.iter().enumerate() {
                let (main, rate) = match source.video {
                    Some(_) => (video, 90_000.0),
                    None => (audio, 44_100.0),
                };
                let ms = main.iter().map(|s| f64::from(s.duration)).sum::<f64>() * 1_000.0 / rate;
                prop_assert!(ms <= f64::from(target_ms), "{ms} ms, target {target_ms}");
                let last = at + 1 == parts.len();
                prop_assert!(last || segment.msn() == 0 || ms >= 0.85 * f64::from(target_ms),
                    "{ms} ms, target {target_ms}");
            }
        }
    }

    #[test]
    fn whatever_publishers_do_playlists_and_segments_hold(acts in acts()) {
        let mut viewer = Viewer::new(packager());
        for next in acts {
            act(&mut viewer, next);
        }
        viewer.finish();
        let mut ends = BTreeMap::new();
        let decoded = viewer.all().flat_map(|segment| read_ts(&segment.bytes(Rendition::SourceTs).unwrap()).0).map(|pes| pes.dts);
        prop_assert!(decoded.is_sorted_by(|a, b| a < b), "DTS never goes back");
        for &msn in &viewer.segments.keys().copied().collect::<Vec<_>>() {
            let (video, audio) = check_segment(&viewer, msn);
            for (kind, samples) in [(1, video), (2, audio)] {
                for sample in samples {
                    // Rates differ between runs; the timeline in seconds does not go back.
                    if kind == 1 {
                        let end = ends.insert(kind, sample.dts + i64::from(sample.duration));
                        prop_assert!(end.is_none_or(|end| end <= sample.dts));
                    }
                }
            }
        }
        if !viewer.playlists.is_empty() {
            check_playlists(&viewer.playlists);
            prop_assert!(viewer.playlist().ends_with("#EXT-X-ENDLIST\n"));
        }
    }

    #[test]
    fn continuity_counters_go_on_from_segment_to_segment(source in sources()) {
        let viewer = Viewer::of(&source);
        let mut last: BTreeMap<u16, u8> = BTreeMap::new();
        for segment in viewer.all() {
            for (pid, counters) in continuity(&segment.bytes(Rendition::SourceTs).unwrap()) {
                for counter in counters {
                    let before = last.insert(pid, counter);
                    prop_assert!(before.is_none_or(|before| (before + 1) & 15 == counter), "pid {pid}");
                }
            }
        }
    }

    #[test]
    fn no_row_of_events_panics(events in prop::collection::vec(events(), 0..400)) {
        let config = Config { segment_max_bytes: 100_000, ..Config::default() };
        let mut packager = packager_with(config);
        for event in events {
            match event {
                Wild::Begin(at_ms) => packager.begin(at_ms),
                Wild::Interrupt => { packager.interrupt(); }
                Wild::Track(track) => { let _ = packager.push(Event::TrackChanged(track)); }
                Wild::Sample(sample) => { let _ = packager.push(Event::Sample(sample)); }
            }
            packager.report();
            if let Some(edge) = packager.edge()
                && let Some(segment) = packager.segment(edge.msn)
            {
                prop_assert_eq!(segment.bytes(Rendition::SourceTs).unwrap().len(), segment.size_bytes(Rendition::SourceTs));
            }
        }
        packager.finish();
        for container in [Rendition::Source, Rendition::SourceTs] {
            packager.media_playlist(container);
            packager.multivariant_playlist(container);
        }
    }
}

#[derive(Debug, Clone)]
enum Wild {
    Begin(i64),
    Interrupt,
    Track(std::sync::Arc<media::Track>),
    Sample(Sample),
}

fn events() -> impl Strategy<Value = Wild> {
    let tracks = prop_oneof![
        Just(video_track()),
        Just(other_video_track()),
        Just(audio_track()),
        Just(audio_track_44100()),
    ];
    let dts = prop_oneof![5 => 0_i64..900_000, 1 => any::<i64>(), 1 => Just(i64::MIN), 1 => Just(i64::MAX)];
    let cts = prop_oneof![3 => -9_000_i32..9_000, 1 => any::<i32>()];
    let kind = prop_oneof![Just(Kind::Video), Just(Kind::Audio)];
    let data = prop_oneof![
        4 => (0_u32..9).prop_map(|n| picture(0, 0, true, n, 20).data),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Bytes::from),
        1 => Just(Bytes::from_static(&[0; 9_000])),
    ];
    let sample = (kind, dts, cts, any::<bool>(), data).prop_map(
        |(kind, dts_ticks, cts_ticks, is_sync, data)| {
            Wild::Sample(Sample { kind, dts_ticks, cts_ticks, is_sync, data })
        },
    );
    prop_oneof![
        1 => any::<i64>().prop_map(Wild::Begin),
        1 => Just(Wild::Interrupt),
        3 => tracks.prop_map(Wild::Track),
        40 => sample,
    ]
}
