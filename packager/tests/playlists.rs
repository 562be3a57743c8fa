//! Playlists as viewers get them, kept word for word in `golden/` and read by two parsers that are
//! not ours.
//!
//! To accept a change on purpose: `UPDATE_GOLDEN=1 cargo test -p communiconnect-packager`.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::BTreeMap, sync::Arc};

use communiconnect_packager::{Packager, Rendition};
use media::{Event, Label, Labels, Language, Name};
use quick_m3u8::{HlsLine, Reader, config::ParsingOptionsBuilder};
use support::*;

fn golden(name: &str, text: &str) {
    let path = format!("{}/tests/golden/{name}.m3u8", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        write(&path, text);
    }
    assert_eq!(read(&path), text, "{name}");
    read_by_both(text);
}

#[expect(clippy::disallowed_methods, reason = "golden files are files")]
fn read(path: &str) -> String {
    std::fs::read_to_string(path).expect("a golden file; see the head of this file")
}

#[expect(clippy::disallowed_methods, reason = "golden files are files")]
fn write(path: &str, text: &str) {
    std::fs::write(path, text).expect("a golden file is written");
}

/// Every line means something to `quick-m3u8`, and `m3u8-rs` reads it all.
fn read_by_both(text: &str) {
    let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
    let mut reader = Reader::from_str(text, options);
    while let Some(line) = reader.read_line().expect("quick-m3u8 reads it") {
        assert!(matches!(line, HlsLine::KnownTag(_) | HlsLine::Uri(_)), "{line:?}");
    }
    let (rest, _) = m3u8_rs::parse_playlist(text.as_bytes()).expect("m3u8-rs reads it");
    assert!(rest.is_empty());
}

/// What a live with one sound is offered in.
const OFFERED: [Rendition; 3] = [Rendition::Source, Rendition::SourceTs, Rendition::SOUND];

fn media(viewer: &Viewer, rendition: Rendition) -> String {
    viewer.packager.media_playlist(rendition).unwrap()
}

#[test]
fn a_live_from_its_beginning() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 7, ..Source::default() }.events());
    golden("live-fmp4", &media(&viewer, Rendition::Source));
    golden("live-ts", &media(&viewer, Rendition::SourceTs));
}

#[test]
fn a_live_at_29_97_with_b_frames_that_ended() {
    let source = Source { fps: (30_000, 1_001), b_frames: true, seconds: 7, ..Source::default() };
    golden("ended-29.97", &media(&Viewer::of(&source), Rendition::Source));
}

#[test]
fn a_live_with_a_republish_and_a_change_long_after() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 9, ..Source::default() }.events());
    viewer.packager.begin(NOON_MS + 20_000);
    viewer.push(Source { seconds: 5, ..Source::default() }.events());
    viewer.packager.begin(NOON_MS + 40_000);
    let other = Source { seconds: 26, video: Some(other_video_track()), ..Source::default() };
    viewer.push(other.events());
    golden("republish-fmp4", &media(&viewer, Rendition::Source));
    golden("republish-ts", &media(&viewer, Rendition::SourceTs));
}

#[test]
fn a_gop_that_outgrew_the_target_duration() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 4, ..Source::default() }.events());
    viewer.packager.begin(NOON_MS + 10_000);
    viewer.push(Source { gop: 200, seconds: 9, ..Source::default() }.events());
    golden("long-gop", &media(&viewer, Rendition::Source));
}

#[test]
fn sound_alone() {
    let source = Source { video: None, audio: Some(audio_track_44100()), ..Source::default() };
    golden("audio-only", &media(&Viewer::of(&source), Rendition::SourceTs));
}

#[test]
fn multivariant_playlists_name_what_is_really_there() {
    let viewer = Viewer::of(&Source { fps: (30_000, 1_001), ..Source::default() });
    for (rendition, name) in
        [(Rendition::Source, "multivariant-fmp4"), (Rendition::SourceTs, "multivariant-ts")]
    {
        golden(name, &viewer.packager.multivariant_playlist(rendition).unwrap());
    }
    let sound = Viewer::of(&Source { video: None, ..Source::default() });
    golden("multivariant-audio", &sound.packager.multivariant_playlist(Rendition::Source).unwrap());
}

#[test]
fn a_live_in_two_languages() {
    let mut labels = Labels::default();
    let [first, second, ..] = &mut labels.0;
    *first = Label { language: Language::parse("fr"), name: Name::parse("Français") };
    *second = Label { language: Language::parse("kab"), name: None };
    let mut viewer = Viewer::new(packager());
    viewer.publish(bilingual(5));
    viewer.push([Event::SoundsLabelled(Arc::new(labels))]);
    let other = Rendition::Audio(support::second());
    golden("sounds-video", &media(&viewer, Rendition::Video));
    golden("sounds-second", &media(&viewer, other));
    for (rendition, name) in [
        (Rendition::Source, "multivariant-sounds"),
        (Rendition::SOUND, "multivariant-sounds-alone"),
    ] {
        golden(name, &viewer.packager.multivariant_playlist(rendition).unwrap());
    }
}

#[test]
fn there_is_no_playlist_before_the_first_segment_and_both_right_after() {
    let mut packager = packager();
    packager.begin(NOON_MS);
    for event in (Source { seconds: 3, ..Source::default() }).events() {
        let at = match &event {
            Event::Sample(sample) => sample.dts_ticks,
            _ => 0,
        };
        let progress = packager.push(event).unwrap();
        for rendition in OFFERED {
            let listed = packager.media_playlist(rendition).is_some();
            assert_eq!(listed, packager.multivariant_playlist(rendition).is_some());
            let enough = if rendition == Rendition::SourceTs { 1 } else { 0 };
            assert_eq!(listed, packager.report().segments_total > enough);
        }
        if progress.segment {
            // The sixth picture closes the first part; the IDR at 2 s, which nothing announced, the
            // second segment: nothing later is waited for.
            assert!(at == 15_030 || at == 180_000, "{at}");
        }
    }
}

#[test]
fn the_playlists_keep_their_revision_until_they_change() {
    let mut packager = packager();
    let read = |packager: &Packager| {
        let media = OFFERED.map(|rendition| {
            let playlists =
                (packager.media_playlist(rendition), packager.media_playlist_delta(rendition));
            (packager.playlist_revision(rendition), playlists)
        });
        let multivariant = OFFERED.map(|r| packager.multivariant_playlist(r));
        (media, (packager.segments_revision(), multivariant))
    };
    let mut media_seen: [BTreeMap<_, _>; 3] = Default::default();
    let mut multivariant_seen = BTreeMap::new();
    let mut look = |packager: &Packager| {
        let (media, (revision, multivariant)) = read(packager);
        for (seen, (revision, text)) in media_seen.iter_mut().zip(media) {
            assert_eq!(*seen.entry(revision).or_insert_with(|| text.clone()), text);
        }
        let first = multivariant_seen.entry(revision).or_insert_with(|| multivariant.clone());
        assert_eq!(*first, multivariant);
    };
    for at in [0, 1] {
        packager.begin(NOON_MS + at * 20_000);
        for event in (Source { seconds: 7, ..Source::default() }).events() {
            packager.push(event).unwrap();
            look(&packager);
        }
        packager.gap(2_000);
        look(&packager);
    }
    packager.finish();
    look(&packager);
    let [source, source_ts, _] = media_seen;
    assert!(source.len() > 70 && source_ts.len() < 20, "{} and {}", source.len(), source_ts.len());
    let ended = packager.segments_revision();
    packager.finish();
    assert_eq!(packager.segments_revision(), ended);
}

#[test]
fn bandwidth_covers_every_segment() {
    let viewer = Viewer::of(&Source { picture_size: 9_000, ..Source::default() });
    for rendition in [Rendition::Source, Rendition::SourceTs] {
        let text = viewer.packager.multivariant_playlist(rendition).unwrap();
        let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        let variant = &playlist.variants[0];
        for segment in viewer.all() {
            let size = segment.size_bytes(rendition);
            let rate = size as f64 * 8.0 / segment.duration_s();
            assert!(rate < variant.bandwidth as f64 && rate > variant.bandwidth as f64 * 0.8);
        }
        assert!(variant.average_bandwidth.unwrap() <= variant.bandwidth);
    }
}

#[test]
fn codecs_are_those_of_all_that_is_listed_and_the_picture_the_newest() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 5, ..Source::default() }.events());
    let sound = aac_track(&[0x2b, 0x11, 0x88, 0x00]);
    viewer.packager.begin(NOON_MS + 10_000);
    viewer
        .push(Source { video: None, audio: Some(sound), seconds: 5, ..Source::default() }.events());
    for rendition in [Rendition::Source, Rendition::SourceTs] {
        let text = viewer.packager.multivariant_playlist(rendition).unwrap();
        let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).unwrap();
        let variant = &playlist.variants[0];
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64001f,mp4a.40.5,mp4a.40.2"));
        assert_eq!(variant.resolution.map(|shown| shown.height), Some(720));
        assert_eq!(variant.frame_rate, Some(30.0));
    }
}
