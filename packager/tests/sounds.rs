//! Several sounds in one live: what a second one is to viewers, and what it never does to the first.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::sync::Arc;

use communiconnect_packager::{Packager, Rendition, Segment};
use media::{Event, Kind, Label, Labels, Language, Name, SoundNumber};
use proptest::prelude::*;
use support::*;

fn other() -> Rendition {
    Rendition::Audio(second())
}

fn watch(events: Vec<Event>) -> Viewer {
    let mut viewer = Viewer::new(packager());
    viewer.publish(events);
    viewer
}

fn media(viewer: &Viewer, rendition: Rendition) -> m3u8_rs::MediaPlaylist {
    media_playlist(&viewer.packager.media_playlist(rendition).unwrap())
}

fn multivariant(packager: &Packager, rendition: Rendition) -> m3u8_rs::MasterPlaylist {
    let text = packager.multivariant_playlist(rendition).unwrap();
    m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap().1
}

fn read_alone(segment: &Segment, rendition: Rendition) -> (Vec<Read>, Vec<Read>) {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for part in (0..segment.part_count()).filter_map(|index| segment.part(index, rendition)) {
        let (mut v, mut a) = read_part(&part);
        video.append(&mut v);
        audio.append(&mut a);
    }
    (video, audio)
}

#[test]
fn every_sample_of_every_sound_arrives_once_and_in_time() {
    let mut viewer = watch(bilingual(7));
    viewer.finish();
    let all = |rendition| {
        let alone = viewer.all().map(|segment| read_alone(segment, rendition));
        let (video, audio): (Vec<_>, Vec<_>) = alone.unzip();
        (video.concat(), audio.concat())
    };
    let (video, nothing) = all(Rendition::Video);
    assert!(nothing.is_empty());
    let muxed: Vec<_> = viewer.all().flat_map(|segment| read_fmp4(segment).0).collect();
    assert_eq!(video, muxed);
    let (_, audio) = all(other());
    let sent = second_sound(0..7);
    assert_eq!(audio.len(), sent.len());
    for (read, sent) in audio.iter().zip(&sent) {
        assert_eq!(read.data, sent.data);
        assert_eq!(read.dts, sent.dts_ticks + 10 * 44_100, "on the timeline of the picture");
    }
    for segment in viewer.all().filter(|segment| !segment.is_gap(other())) {
        for rendition in [Rendition::Video, Rendition::SOUND, other()] {
            let bytes = segment.bytes(rendition).unwrap();
            assert_eq!(bytes.len(), segment.size_bytes(rendition));
            let parts = (0..segment.part_count()).filter_map(|at| segment.part(at, rendition));
            assert_eq!(parts.collect::<Vec<_>>().concat(), bytes);
        }
    }
}

#[test]
fn a_second_sound_changes_no_byte_of_the_source() {
    let (one, two) = (Viewer::of(&Source::default()), watch(bilingual(10)));
    for (segment, other) in one.all().zip(two.all()) {
        assert_eq!(segment.bytes(Rendition::Source), other.bytes(Rendition::Source));
        assert_eq!(segment.bytes(Rendition::SourceTs), other.bytes(Rendition::SourceTs));
    }
}

#[test]
fn all_renditions_list_the_same_segments_and_parts() {
    let viewer = watch(bilingual(7));
    let lines = |rendition| {
        let text = viewer.packager.media_playlist(rendition).unwrap();
        let strip =
            |line: &str| line.replace("video-", "").replace("audio-2-", "").replace("audio-", "");
        let is_named = |line: &&str| !line.starts_with('#') || line.contains("URI=\"");
        let named = text.lines().filter(is_named).filter(|line| !line.contains("REPORT"));
        named
            .map(|line| strip(line.split("URI=").last().unwrap().split(',').next().unwrap()))
            .collect::<Vec<_>>()
    };
    for rendition in [Rendition::SOUND, other()] {
        assert_eq!(lines(Rendition::Video), lines(rendition));
    }
    for (rendition, others) in [
        (Rendition::Video, ["audio.m3u8", "audio-2.m3u8"]),
        (Rendition::SOUND, ["video.m3u8", "audio-2.m3u8"]),
        (other(), ["video.m3u8", "audio.m3u8"]),
    ] {
        let text = viewer.packager.media_playlist(rendition).unwrap();
        let reports = text.lines().filter(|line| line.contains("RENDITION-REPORT"));
        let reported: Vec<_> = reports.map(|line| line.split('"').nth(1).unwrap()).collect();
        assert_eq!(reported, others);
    }
}

#[test]
fn a_part_of_the_open_segment_is_what_it_is_once_that_is_complete() {
    let mut packager = packager();
    packager.begin(NOON_MS);
    let mut copies = Vec::new();
    for event in bilingual(5) {
        if packager.push(event).unwrap().part {
            let edge = packager.edge().unwrap();
            for rendition in [Rendition::Video, Rendition::SOUND, other()] {
                copies.push((rendition, edge, packager.part(rendition, edge.msn, edge.part)));
            }
        }
    }
    packager.finish();
    assert!(copies.len() > 60);
    for (rendition, edge, copy) in copies {
        let segment = packager.segment(edge.msn).unwrap();
        assert_eq!(segment.part(edge.part, rendition), copy);
    }
}

#[test]
fn a_live_with_several_sounds_offers_its_picture_alone_and_the_sounds_to_choose_from() {
    let viewer = watch(bilingual(7));
    let source = multivariant(&viewer.packager, Rendition::Source);
    let [video, audio] = &source.variants[..] else { panic!("{source:?}") };
    assert_eq!(video.uri, "demo/aaaaaaaa/video.m3u8");
    assert_eq!(video.codecs.as_deref(), Some("avc1.64001f,mp4a.40.2"));
    assert_eq!(audio.uri, "demo/aaaaaaaa/audio.m3u8");
    assert_eq!(audio.codecs.as_deref(), Some("mp4a.40.2"));
    assert!(source.variants.iter().all(|variant| variant.audio.as_deref() == Some("sound")));
    let said = |playlist: &m3u8_rs::MasterPlaylist| {
        let alternatives = playlist.alternatives.iter();
        alternatives.map(|it| (it.name.clone(), it.default, it.uri.clone())).collect::<Vec<_>>()
    };
    let uri = |file: &str| Some(format!("demo/aaaaaaaa/{file}"));
    let sounds = [
        ("Piste 1".to_owned(), true, uri("audio.m3u8")),
        ("Piste 2".to_owned(), false, uri("audio-2.m3u8")),
    ];
    assert_eq!(said(&source), sounds);
    let alone = multivariant(&viewer.packager, Rendition::SOUND);
    assert_eq!((alone.variants.len(), said(&alone)), (1, sounds.to_vec()));
    let ts = multivariant(&viewer.packager, Rendition::SourceTs);
    assert_eq!(
        (ts.variants.len(), ts.alternatives.len()),
        (1, 0),
        "its first sound travels with it"
    );
}

#[test]
fn sounds_are_called_as_the_publisher_calls_them_and_never_alike() {
    let label = |language: &str, name: &str| Label {
        language: Language::parse(language),
        name: Name::parse(name),
    };
    for (first, other, expected) in [
        (
            label("fr", "Français"),
            label("kab", ""),
            [("Français", "fr", true), ("kab", "kab", true)],
        ),
        (label("", "Live"), label("", "Live"), [("Live", "", true), ("Live (2)", "", false)]),
        (
            label("fr", "Normal"),
            label("fr", "Lent"),
            [("Normal", "fr", true), ("Lent", "fr", false)],
        ),
    ] {
        let mut labels = Labels::default();
        [labels.0[0], labels.0[1]] = [first, other];
        let mut viewer = watch(bilingual(3));
        let before = viewer.packager.segments_revision();
        viewer.push([Event::SoundsLabelled(Arc::new(labels))]);
        assert!(viewer.packager.segments_revision() > before);
        let playlist = multivariant(&viewer.packager, Rendition::Source);
        let said = playlist.alternatives.iter().map(|it| {
            (it.name.as_str(), it.language.as_deref().unwrap_or_default(), it.autoselect)
        });
        assert_eq!(said.collect::<Vec<_>>(), expected);
    }
}

#[test]
fn a_sound_that_comes_late_joins_with_the_next_segment_and_breaks_nothing() {
    let source = Source { seconds: 9, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    let events = with_second(&source, &audio_track_44100(), second_sound(3..9));
    let mut promises = Vec::new();
    viewer.packager.begin(NOON_MS);
    for event in events {
        viewer.push([event]);
        let packager = &viewer.packager;
        promises.extend(packager.target_duration_s().zip(packager.part_target_ms()));
    }
    promises.dedup();
    assert_eq!(promises.len(), 1, "what was promised holds");
    let listed = media(&viewer, other());
    let has_media: Vec<_> = listed
        .segments
        .iter()
        .map(|it| !it.unknown_tags.iter().any(|tag| tag.tag == "X-GAP"))
        .collect();
    // The first part, and the segments of 2 s from 0, 2, 4 and 6 s on.
    assert_eq!(has_media, [false, false, false, true, true]);
    assert!(listed.segments.iter().all(|segment| !segment.discontinuity));
    let (_, audio) = read_alone(viewer.segments.get(&3).unwrap(), other());
    let begins_ms = audio[0].dts * 1_000 / 44_100 - 10_000;
    assert!((3_970..=4_000).contains(&begins_ms), "nothing from before it: {begins_ms}");
    assert_eq!(viewer.packager.report().discontinuities_total, 0);
}

#[test]
fn a_sound_that_stops_leaves_gaps_and_the_others_go_on() {
    let source = Source { seconds: 9, ..Source::default() };
    let mut sounds = second_sound(0..3);
    sounds.extend(second_sound(7..9));
    let viewer = watch(with_second(&source, &audio_track_44100(), sounds));
    let gaps = |rendition| viewer.all().map(|it| it.is_gap(rendition)).collect::<Vec<_>>();
    assert_eq!(gaps(other()), [false, false, false, true, false]);
    assert_eq!(gaps(Rendition::SOUND), [false; 5]);
    assert_eq!(viewer.packager.report().discontinuities_total, 0);
    let text = viewer.packager.media_playlist(other()).unwrap();
    assert!(text.contains("GAP=YES"));
}

#[test]
fn the_end_of_a_sound_is_kept_where_the_first_has_none_left() {
    let first_ends = |event: &Event| match event {
        Event::Sample(sample) if sample.kind == Kind::Audio => sample.dts_ticks < 5 * 48_000,
        _ => true,
    };
    let mut viewer = watch(bilingual(6).into_iter().filter(first_ends).collect());
    let [source, sounds] =
        [Rendition::Source, other()].map(|it| viewer.packager.media_playlist(it).unwrap());
    viewer.interrupt();
    let heard: Vec<_> = viewer.all().flat_map(|it| read_alone(it, other()).1).collect();
    let sent = second_sound(0..6);
    assert_eq!(heard.len(), sent.len());
    assert_eq!(heard.last().unwrap().data, sent.last().unwrap().data);
    assert_eq!(viewer.packager.report().samples_dropped_total, 0);
    // It is a part more, of which the picture has nothing.
    let newest_part = |text: &str| {
        text.lines().rfind(|line| line.starts_with("#EXT-X-PART:")).unwrap().to_owned()
    };
    let [source, sounds] =
        [(Rendition::Source, source), (other(), sounds)].map(|(rendition, before)| {
            let after = viewer.packager.media_playlist(rendition).unwrap();
            assert_ne!(newest_part(&after), newest_part(&before));
            newest_part(&after)
        });
    assert!(source.ends_with("GAP=YES") && !sounds.ends_with("GAP=YES"), "{source}\n{sounds}");
    let last = viewer.all().last().unwrap();
    assert!(!last.is_gap(Rendition::Source) && !last.is_gap(other()));
}

#[test]
fn an_encoder_that_comes_back_with_fewer_sounds_leaves_gaps() {
    let mut viewer = watch(bilingual(5));
    viewer.packager.begin(NOON_MS + 10_000);
    viewer.push(Source { seconds: 5, ..Source::default() }.events());
    let [source, sound] = [Rendition::Video, other()].map(|rendition| media(&viewer, rendition));
    assert_eq!(source.segments.len(), sound.segments.len());
    let breaks = |playlist: &m3u8_rs::MediaPlaylist| {
        playlist.segments.iter().map(|segment| segment.discontinuity).collect::<Vec<_>>()
    };
    assert_eq!(breaks(&source), breaks(&sound));
    assert!(viewer.all().last().unwrap().is_gap(other()));
    let playlist = multivariant(&viewer.packager, Rendition::Source);
    assert_eq!(playlist.alternatives.len(), 2, "some of it is still listed");
    // Once nothing is, new viewers are not offered it; those who chose it go on.
    viewer.packager.begin(NOON_MS + 20_000);
    viewer.push(Source { seconds: 50, ..Source::default() }.events());
    let playlist = multivariant(&viewer.packager, Rendition::Source);
    assert_eq!(playlist.alternatives.len(), 0);
    assert_eq!(playlist.variants[0].uri, "demo/aaaaaaaa/source.m3u8");
    for rendition in [Rendition::Video, other()] {
        assert!(viewer.packager.media_playlist(rendition).is_some());
    }
}

#[test]
fn another_configuration_of_a_sound_is_a_discontinuity_of_all_with_the_next_segment() {
    let source = Source { seconds: 9, ..Source::default() };
    let mut events = with_second(&source, &audio_track_44100(), second_sound(0..9));
    let at = events.len() / 3;
    events.insert(at, Event::OtherSoundChanged(second(), aac_track(&[0x12, 0x08])));
    let viewer = watch(events);
    let breaks: Vec<_> = viewer.all().map(|segment| segment.discontinuity()).collect();
    assert_eq!(breaks, [false, false, false, true, false]);
    let text = viewer.packager.media_playlist(other()).unwrap();
    let maps: Vec<_> = text.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
    assert_eq!(maps.len(), 2);
    assert_ne!(maps[0], maps[1]);
    for id in [0, 1] {
        assert!(viewer.packager.init(other(), id).is_some());
    }
    let pictures: usize = viewer.all().map(|segment| read_fmp4(segment).0.len()).sum();
    assert!(pictures > 230, "no picture is lost for it: {pictures}");
}

#[test]
fn a_sound_whose_clock_jumps_is_set_right_alone() {
    let source = Source { seconds: 9, ..Source::default() };
    let mut sounds = second_sound(0..9);
    for sample in &mut sounds[200..] {
        sample.dts_ticks += 3_600 * 44_100;
    }
    let mut events = Vec::new();
    let mut late = second_sound(0..9).into_iter();
    // Interleaved by what they were before the jump.
    for event in with_second(&source, &audio_track_44100(), late.by_ref().collect()) {
        events.push(match event {
            Event::OtherSound(number, _) => Event::OtherSound(number, sounds.remove(0)),
            event => event,
        });
    }
    let viewer = watch(events);
    assert_eq!(viewer.packager.report().discontinuities_total, 0);
    let sounds: Vec<_> = viewer.all().flat_map(|segment| read_alone(segment, other()).1).collect();
    assert!(sounds.len() > 300, "{}", sounds.len());
    assert!(sounds.windows(2).all(|pair| pair[1].dts > pair[0].dts));
    assert!(sounds.last().unwrap().dts < (10 + 9) * 44_100);
}

#[test]
fn a_sound_that_waited_long_for_the_first_picture_is_heard_with_it() {
    let source = Source { audio: None, seconds: 20, ..Source::default() };
    let events = with_second(&source, &audio_track_44100(), second_sound(0..20));
    let late = events
        .into_iter()
        .filter(|event| !matches!(event, Event::Sample(picture) if picture.dts_ticks < 8 * 90_000));
    let viewer = watch(late.collect());
    let first = viewer.all().find(|segment| !segment.is_gap(other())).unwrap();
    let picture = read_fmp4(first).0.remove(0).dts * 1_000 / 90_000;
    let (_, sounds) = read_alone(first, other());
    assert!((sounds[0].dts * 1_000 / 44_100 - picture).abs() < 30);
    let sent = second_sound(0..20).into_iter().find(|sample| sample.data == sounds[0].data);
    let sent_ms = sent.unwrap().dts_ticks * 1_000 / 44_100;
    assert!((8_000 - 30..8_500).contains(&sent_ms), "{sent_ms}");
}

#[test]
fn dates_of_pictures_and_sounds_tell_the_same_media_time() {
    let source = Source { b_frames: true, seconds: 7, ..Source::default() };
    let viewer = watch(with_second(&source, &audio_track_44100(), second_sound(0..7)));
    let dates = |rendition| {
        let segments = media(&viewer, rendition).segments;
        let dates = segments.iter().map(|it| it.program_date_time.unwrap().timestamp_millis());
        dates.collect::<Vec<_>>()
    };
    let (pictures, sounds) = (dates(Rendition::Video), dates(other()));
    for (segment, (picture_ms, sound_ms)) in viewer.all().zip(pictures.iter().zip(&sounds)) {
        let (_, audio) = read_alone(segment, other());
        let heard_ms = audio[0].dts * 1_000 / 44_100;
        let epoch_ms = sound_ms - heard_ms;
        let (video, _) = read_alone(segment, Rendition::Video);
        if video[0].is_sync {
            let seen_ms = (video[0].dts + video[0].cts) * 1_000 / 90_000;
            assert!((picture_ms - seen_ms - epoch_ms).abs() <= 2);
        }
    }
}

#[test]
fn sounds_alone_are_offered_together() {
    let source = Source { video: None, seconds: 7, ..Source::default() };
    let viewer = watch(with_second(&source, &audio_track_44100(), second_sound(0..7)));
    let playlist = multivariant(&viewer.packager, Rendition::Source);
    let uris: Vec<_> = playlist.variants.iter().map(|variant| variant.uri.as_str()).collect();
    assert_eq!((uris, playlist.alternatives.len()), (vec!["demo/aaaaaaaa/audio.m3u8"], 2));
    assert!(viewer.packager.media_playlist(Rendition::Video).is_none());
    assert!(!media(&viewer, other()).segments.is_empty());
}

#[test]
fn what_a_hostile_encoder_says_of_a_second_sound_is_dropped() {
    let mut viewer = watch(bilingual(3));
    let dropped = viewer.packager.report().samples_dropped_total;
    let mut wild = sound(i64::MAX, 1);
    viewer.push([Event::OtherSound(second(), wild.clone())]);
    wild.data = bytes::Bytes::new();
    viewer.push([Event::OtherSound(second(), wild)]);
    viewer.push([Event::OtherSound(SoundNumber::new(7).unwrap(), sound(0, 1))]);
    assert_eq!(viewer.packager.report().samples_dropped_total, dropped + 3);
    // A flood of the same instant stays within its bound.
    let flood = (0..100_000).map(|n| Event::OtherSound(second(), sound(600 * 44_100, n)));
    viewer.push(flood);
    assert!(viewer.packager.report().samples_dropped_total > dropped + 50_000);
}

/// What a second sound may do at once, of its own accord or by a defect.
#[derive(Debug, Clone)]
enum Whim {
    /// So many frames are lost.
    Silence(u8),
    /// Its clock jumps by so many milliseconds.
    Jump(i64),
    /// So many frames come together, for later.
    Burst(u8),
    /// It is of another configuration.
    Change(bool),
}

fn whims() -> impl Strategy<Value = Vec<(u16, Whim)>> {
    let whim = prop_oneof![
        any::<u8>().prop_map(Whim::Silence),
        prop_oneof![-5_000..5_000_i64, any::<i64>()].prop_map(Whim::Jump),
        any::<u8>().prop_map(Whim::Burst),
        any::<bool>().prop_map(Whim::Change),
    ];
    prop::collection::vec((0_u16..400, whim), 0..6)
}

/// The events of a source, and beside them a second sound with these whims, by the frame at which it
/// has them.
fn with_whims(source: &Source, whims: &[(u16, Whim)]) -> Vec<Event> {
    let tracks = [aac_track(&[0x12, 0x10]), aac_track(&[0x12, 0x08])];
    let mut events = vec![Event::OtherSoundChanged(second(), tracks[0].clone())];
    let (mut number, mut dts_ticks) = (0_u32, 0_i64);
    for event in source.events() {
        events.push(event);
        let mut count = 1;
        for (_, whim) in whims.iter().filter(|(at, _)| u32::from(*at) == number) {
            match whim {
                Whim::Silence(frames) => {
                    dts_ticks = dts_ticks.saturating_add(1_024 * i64::from(*frames))
                }
                Whim::Jump(ms) => dts_ticks = dts_ticks.saturating_add(ms.saturating_mul(44)),
                Whim::Burst(frames) => count += u32::from(*frames),
                Whim::Change(mono) => {
                    let track = tracks[usize::from(*mono)].clone();
                    events.push(Event::OtherSoundChanged(second(), track));
                }
            }
        }
        for _ in 0..count {
            events.push(Event::OtherSound(second(), sound(dts_ticks, number)));
            dts_ticks = dts_ticks.saturating_add(1_024);
            number += 1;
        }
    }
    events
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn whatever_a_second_sound_does_the_source_stays_as_it_is(whims in whims()) {
        let source = Source { seconds: 5, ..Source::default() };
        let alone = Viewer::of(&source);
        let mut viewer = watch(with_whims(&source, &whims));
        viewer.finish();
        let bytes = |viewer: &Viewer, rendition| {
            viewer.all().map(|segment| segment.bytes(rendition)).collect::<Vec<_>>()
        };
        prop_assert_eq!(bytes(&alone, Rendition::Source), bytes(&viewer, Rendition::Source));
        let promise = |viewer: &Viewer| (viewer.packager.target_duration_s(), viewer.packager.part_target_ms());
        prop_assert_eq!(promise(&alone), promise(&viewer));
        let mut last = 0;
        for segment in viewer.all() {
            let parts = (0..segment.part_count()).filter_map(|at| segment.part(at, other()));
            let joined = parts.collect::<Vec<_>>().concat();
            prop_assert_eq!(joined, segment.bytes(other()).unwrap_or_default());
            prop_assert_eq!(segment.size_bytes(other()), segment.bytes(other()).unwrap_or_default().len());
            for frame in read_alone(segment, other()).1 {
                prop_assert!(frame.dts > last, "no time is used twice");
                last = frame.dts;
            }
        }
    }
}
