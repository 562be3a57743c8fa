//! A live that goes on after a restart: what viewers have stays, and nothing new has an old name.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::{collections::BTreeSet, ops::Range};

use bytes::Bytes;
use communiconnect_packager::{
    Config, Numbers, Packager, Past, PastSegment, PastTracks, Rendition, Segment,
};
use media::{Event, Labels, Metadata, SoundNumber, id::Epoch};
use support::*;

const RANDOM: u64 = 0x0123_4567_89ab_cdef;
const RENDITIONS: [Rendition; 5] = [
    Rendition::Source,
    Rendition::SourceTs,
    Rendition::Video,
    Rendition::SOUND,
    Rendition::Audio(SoundNumber::new(1).unwrap()),
];

/// What a recorder would have of these segments.
fn past(packager: &Packager, msns: Range<u64>) -> Past {
    let segments: Vec<_> = msns.map(|msn| kept(&packager.segment(msn).unwrap())).collect();
    let last_number = segments.iter().map(|segment| segment.number).max().unwrap_or(0);
    let epoch = packager.epoch().clone();
    Past { epoch, labels: Labels::clone(packager.labels()), segments, last_number }
}

fn kept(segment: &Segment) -> PastSegment {
    let own = segment
        .renditions()
        .into_iter()
        .filter(|it| !matches!(*it, Rendition::Video | Rendition::SOUND));
    let tracks = own.map(|rendition| {
        let init = segment.init(rendition).unwrap();
        PastTracks {
            number: match rendition {
                Rendition::Audio(number) => number,
                _ => SoundNumber::FIRST,
            },
            init_id: init.id,
            tracks: init.tracks,
            bytes: segment.bytes(rendition).unwrap_or_default(),
        }
    });
    PastSegment {
        kept: segment.kept(),
        number: segment.number(),
        discontinuity: segment.discontinuity(),
        independent: segment.independent(),
        program_date_time_ms: segment.program_date_time_ms(),
        tracks: tracks.collect(),
    }
}

fn end_ms(packager: &Packager) -> i64 {
    let last = packager.segment(packager.last_msn().unwrap()).unwrap();
    last.program_date_time_ms() + (last.duration_us() / 1_000) as i64
}

/// The packager after a restart right after its last segment, or so much later.
fn revived(packager: &Packager, later_ms: i64) -> Packager {
    let last = packager.last_msn().unwrap();
    let first = (0..=last).find(|msn| packager.segment(*msn).is_some()).unwrap();
    let past = past(packager, first..last + 1);
    let name = packager.name().clone();
    Packager::revive(Config::default(), name, past, end_ms(packager) + later_ms, RANDOM).unwrap()
}

/// The lines that say what is listed, without parts, which leave a list before their segment, and without
/// what comes.
fn lines(packager: &Packager, rendition: Rendition) -> Vec<String> {
    let text = packager.media_playlist(rendition).unwrap_or_default();
    let passing = ["#EXT-X-PART:", "#EXT-X-PRELOAD-HINT", "#EXT-X-RENDITION-REPORT"];
    let stays = |line: &&str| !passing.iter().any(|tag| line.starts_with(tag));
    text.lines().filter(stays).map(str::to_owned).collect()
}

/// Every kind of live: with pictures shown out of order, without any, with two sounds, with metadata, with a
/// silence and another encoder, longer than its window.
fn lives() -> Vec<(&'static str, Packager)> {
    let usual = Source { seconds: 9, ..Source::default() };
    let one = |source: Source| {
        let mut viewer = Viewer::new(packager());
        viewer.publish(source.events());
        viewer.interrupt();
        viewer.packager
    };
    let mut two_sounds = Viewer::new(packager());
    two_sounds.publish(bilingual(9));
    two_sounds.interrupt();
    let mut said = Viewer::new(packager());
    let (name, value) = ("onTextData".into(), "1".into());
    let mut events = usual.events();
    events.insert(2, Event::Metadata(Metadata { at_ms: 3_100, name, value }));
    said.publish(events);
    said.interrupt();
    let mut again = Viewer::new(packager());
    again.publish(usual.events());
    again.interrupt();
    again.packager.gap(5_000);
    again.publish(Source { video: Some(other_video_track()), ..usual.clone() }.events());
    again.interrupt();
    vec![
        ("usual", one(usual.clone())),
        ("out of order", one(Source { b_frames: true, ..usual.clone() })),
        ("sound alone", one(Source { video: None, ..usual.clone() })),
        ("two sounds", two_sounds.packager),
        ("metadata", said.packager),
        ("another encoder", again.packager),
        ("long", one(Source { seconds: 70, ..usual })),
    ]
}

#[test]
fn what_is_listed_stays_as_it_was_and_what_is_new_comes_after_it() {
    for (what, before) in lives() {
        let after = revived(&before, 0);
        for rendition in RENDITIONS {
            assert_eq!(after.offers(rendition), before.offers(rendition), "{what} {rendition:?}");
            let (was, is) = (lines(&before, rendition), lines(&after, rendition));
            assert!(is.starts_with(&was), "{what} {rendition:?}:\n{was:#?}\n{is:#?}");
            for line in is.iter().skip(was.len()).filter(|line| line.starts_with('#')) {
                let is_of_a_gap = ["#EXT-X-GAP", "#EXTINF", "#EXT-X-PROGRAM-DATE-TIME"];
                assert!(is_of_a_gap.iter().any(|tag| line.starts_with(tag)), "{what}: {line}");
            }
        }
        let (was, is) =
            [&before, &after].map(|it| it.multivariant_playlist(Rendition::Source)).into();
        assert_eq!(was, is, "{what}");
        assert_eq!(after.labels(), before.labels());
    }
}

#[test]
fn no_byte_of_what_was_listed_changes() {
    for (what, before) in lives() {
        let mut after = revived(&before, 3_000);
        let mut compared = 0;
        for msn in 0..=before.last_msn().unwrap() {
            let (Some(was), Some(is)) = (before.segment(msn), after.segment(msn)) else { continue };
            compared += 1;
            assert_eq!(was.kept(), is.kept(), "{what} {msn}");
            for rendition in RENDITIONS {
                let called = format!("{what} {msn} {rendition:?}");
                assert!(was.bytes(rendition) == is.bytes(rendition), "{called}");
                assert_eq!(was.size_bytes(rendition), is.size_bytes(rendition), "{called}");
                for part in 0..was.part_count() {
                    assert_eq!(was.part(part, rendition), is.part(part, rendition), "{called}");
                    assert_eq!(after.part(rendition, msn, part), is.part(part, rendition));
                }
                if let Some(init) = was.init(rendition) {
                    assert_eq!(
                        after.init(rendition, init.id).as_ref(),
                        Some(&init.bytes),
                        "{called}"
                    );
                }
            }
        }
        assert!(compared >= 5, "{what}");
    }
}

#[test]
fn its_publisher_comes_back_after_a_discontinuity_and_under_names_that_nothing_had() {
    for (what, before) in lives() {
        let mut after = revived(&before, 3_000);
        let mut names: BTreeSet<u64> = (0..=before.last_msn().unwrap() + 20).collect();
        let gaps = before.last_msn().unwrap() + 1..after.last_msn().unwrap() + 1;
        let had = before.segment(before.last_msn().unwrap()).unwrap();
        let sound_alone = had.init(Rendition::Video).is_none();
        let video = if sound_alone { None } else { Some(video_track()) };
        after.begin(NOON_MS);
        for event in (Source { video, seconds: 9, ..Source::default() }).events() {
            after.push(event).unwrap();
        }
        after.interrupt();
        let first = after.segment(gaps.end).unwrap();
        assert!(first.discontinuity(), "{what}");
        for msn in gaps.start..=after.last_msn().unwrap() {
            let segment = after.segment(msn).unwrap();
            assert_eq!((segment.msn(), segment.number()), (msn, after.numbers().of(msn)), "{what}");
            assert!(names.insert(segment.number()), "{what}: {msn} has an old name");
            assert_eq!(segment.is_gap(Rendition::Source), gaps.contains(&msn), "{what} {msn}");
            assert!(msn == gaps.end || !segment.discontinuity(), "{what} {msn}");
        }
        let of_before = had.init_id();
        let is_same = what != "another encoder";
        assert_eq!(
            first.init_id() == of_before,
            is_same,
            "{what}: the init of the same tracks stays"
        );
        let ((video, audio), (late_video, late_audio)) = (read_fmp4(&had), read_fmp4(&first));
        for (was, is) in [(video, late_video), (audio, late_audio)] {
            if let (Some(was), Some(is)) = (was.last(), is.first()) {
                assert!(was.dts < is.dts, "{what}: decode times go on");
            }
        }
    }
}

#[test]
fn what_may_have_been_listed_and_is_lost_is_a_gap() {
    let (_, before) = lives().remove(0);
    for (later_ms, most) in [(0, 2), (900, 3), (4_000, 5), (30_000, 31)] {
        let after = revived(&before, later_ms);
        let gaps = before.last_msn().unwrap() + 1..=after.last_msn().unwrap();
        let segments: Vec<_> = gaps.map(|msn| after.segment(msn).unwrap()).collect();
        // Usual segments are of two seconds.
        let least = (later_ms / 2_000 + 2) as usize;
        assert!((least..=most).contains(&segments.len()), "{later_ms}: {}", segments.len());
        assert!(segments.iter().all(|segment| segment.is_gap(Rendition::Source)));
        let lasted_ms: u64 = segments.iter().map(|segment| segment.duration_us() / 1_000).sum();
        assert!(
            lasted_ms + 1 >= later_ms as u64 && lasted_ms <= later_ms as u64 + 400,
            "{lasted_ms}"
        );
        assert_eq!(after.target_duration_s(), before.target_duration_s());
        assert_eq!(after.part_target_ms(), before.part_target_ms());
        assert!(after.segments_revision() > before.segments_revision() + (1 << 20));
    }
}

#[test]
fn a_live_goes_on_as_often_as_it_must() {
    let (_, first) = lives().remove(5);
    let mut packager = revived(&first, 1_000);
    packager.begin(NOON_MS);
    for event in Source::default().events() {
        packager.push(event).unwrap();
    }
    packager.interrupt();
    let again = revived(&packager, 0);
    for rendition in [Rendition::Source, Rendition::SourceTs, Rendition::SOUND] {
        let (was, is) = (lines(&packager, rendition), lines(&again, rendition));
        assert!(is.starts_with(&was), "{rendition:?}:\n{was:#?}\n{is:#?}");
    }
    let last = packager.last_msn().unwrap();
    for msn in last - 8..=last {
        let number = again.numbers().of(msn);
        assert_eq!((number, again.numbers().msn(number)), (packager.numbers().of(msn), Some(msn)));
    }
    assert!(again.numbers().of(last + 1) > packager.numbers().of(last) + (1 << 20));
}

#[test]
fn a_number_between_two_runs_names_nothing() {
    let numbers = Numbers::default();
    assert_eq!((numbers.of(7), numbers.msn(7)), (7, Some(7)));
    let after = revived(&lives().remove(0).1, 0);
    let last = after.segment(after.last_msn().unwrap()).unwrap();
    assert_eq!(after.numbers().msn(last.number()), Some(last.msn()));
    assert_eq!(after.numbers().msn(last.msn()), None);
    assert_eq!(after.numbers().msn(1 << 20), None);
}

#[test]
fn a_past_with_a_hole_or_of_other_bytes_is_none() {
    let (_, before) = lives().remove(0);
    let name = before.name().clone();
    let revive = |past| Packager::revive(Config::default(), name.clone(), past, NOON_MS, RANDOM);
    let whole = past(&before, 0..4);
    assert!(revive(whole.clone()).is_some());
    let mut hole = whole.clone();
    hole.segments.remove(2);
    let mut cut = whole.clone();
    let bytes = &mut cut.segments[2].tracks[0].bytes;
    *bytes = bytes.slice(..bytes.len() - 1);
    let mut other = whole.clone();
    let bytes = &mut other.segments[2].tracks[0].bytes;
    *bytes = Bytes::from(vec![0xff; bytes.len()]);
    let nothing = Past { segments: Vec::new(), ..whole };
    for past in [hole, cut, other, nothing] {
        assert!(revive(past).is_none());
    }
    assert!("../etc".parse::<Epoch>().is_err());
}
