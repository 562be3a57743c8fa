//! Parts end with their last picture, where the next one's time is as good as known.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use communiconnect_packager::{Progress, Rendition};
use media::{Event, Kind, Sample};
use support::*;

/// What a viewer at the edge sees: the part that a playlist hints at, and the time of the sample that
/// completed it.
struct Followed {
    viewer: Viewer,
    /// What was hinted at with the part before.
    hints: Vec<String>,
    /// What was hinted at last, before the part came.
    last_hints: Vec<String>,
    parts: Vec<String>,
    /// In milliseconds of the publisher, of each part.
    completed_by: Vec<i64>,
}

/// Publishes without an end, noting what is hinted at and what comes.
fn follow(events: impl IntoIterator<Item = Event>) -> Followed {
    follow_on(Viewer::new(packager()), events)
}

/// The same of one more publisher.
fn follow_on(mut viewer: Viewer, events: impl IntoIterator<Item = Event>) -> Followed {
    viewer.packager.begin(NOON_MS);
    let (mut hints, mut last_hints) = (Vec::new(), Vec::new());
    let (mut parts, mut completed_by) = (Vec::new(), Vec::new());
    let mut playlist = None;
    let (mut read_at, mut hinted) = (None, None);
    for event in events {
        let at_ms = time_ms(&event);
        // As a viewer has it: read again when something is said to have changed.
        let hinted_last = playlist.as_deref().map(hint_of);
        let progress = viewer.packager.push(event).unwrap();
        viewer.look(progress);
        let revision = viewer.packager.playlist_revision(Rendition::Source);
        if progress != Progress::default() {
            assert!(read_at.replace(revision) != Some(revision), "{progress:?} is a change");
            playlist = viewer.packager.media_playlist(Rendition::Source);
        }
        if !progress.part {
            continue;
        }
        last_hints.extend(hinted_last);
        let edge = viewer.packager.edge().unwrap();
        parts.push(format!("{}.{}.m4s", edge.msn, edge.part));
        completed_by.push(at_ms);
        hints.extend(hinted.take());
        hinted = playlist.as_deref().map(hint_of);
    }
    Followed { viewer, hints, last_hints, parts, completed_by }
}

fn time_ms(event: &Event) -> i64 {
    match event {
        Event::Sample(sample) if sample.kind == Kind::Video => sample.dts_ticks / 90,
        Event::Sample(sample) => sample.dts_ticks / 48,
        _ => 0,
    }
}

fn hint_of(playlist: &str) -> String {
    let (_, after) = playlist.split_once("TYPE=PART,URI=\"").unwrap();
    after.split('"').next().unwrap().to_owned()
}

fn pictures(source: &Source, change: impl Fn(usize, &mut Sample)) -> Vec<Event> {
    let mut at = 0;
    let changed = source.events().into_iter().map(|event| match event {
        Event::Sample(mut sample) if sample.kind == Kind::Video => {
            change(at, &mut sample);
            at += 1;
            Event::Sample(sample)
        }
        other => other,
    });
    changed.collect()
}

#[test]
fn a_part_is_complete_with_its_last_picture() {
    let live = follow(Source { seconds: 12, ..Source::default() }.events());
    // Parts of six pictures, each complete when its sixth is there, 167 ms after its first. Only where
    // an IDR may come that nothing tells of is the next picture waited for: in the first two GOPs.
    for (n, at_ms) in live.completed_by.iter().enumerate().filter(|(n, _)| *n == 0 || *n >= 20) {
        assert_eq!(*at_ms, ((n as i64 * 6 + 5) * 100 + 1) / 3, "part {n}");
    }
    assert_eq!(live.hints, live.parts[1..]);
    assert!(live.viewer.all().skip(2).all(|segment| segment.independent()));
}

#[test]
fn nothing_is_waited_for_when_the_encoder_announces_its_gop() {
    let sei = b"\x06\x05\x30x264 - core 164 - options: keyint=60 bframes=0";
    let live = follow(pictures(&Source { seconds: 6, ..Source::default() }, |_, sample| {
        if sample.is_sync {
            let len = (sei.len() as u32).to_be_bytes();
            sample.data = [&len[..], sei, &sample.data].concat().into();
        }
    }));
    for (n, at_ms) in live.completed_by.iter().enumerate() {
        assert_eq!(*at_ms, ((n as i64 * 6 + 5) * 100 + 1) / 3, "part {n}");
    }
    assert_eq!(live.hints, live.parts[1..]);
}

#[test]
fn an_idr_where_none_was_due_belies_one_hint_and_ends_the_segment() {
    // A change of scene in every second GOP, with the end of a part: the one IDR that nobody expects.
    let source = Source { seconds: 33, gop: 1, ..Source::default() };
    let live = follow(pictures(&source, |n, sample| sample.is_sync = matches!(n % 96, 0 | 36)));
    let dependent: Vec<_> =
        live.viewer.all().filter(|s| !s.independent()).map(|s| s.msn()).collect();
    // Before the target duration met the second GOP.
    assert_eq!(dependent, [1, 2]);
    let belied =
        live.hints.iter().zip(&live.parts[1..]).filter(|(hint, part)| hint != part).count();
    assert!((1..=10).contains(&belied), "{belied} of {}", live.hints.len());
    assert_eq!(live.last_hints, live.parts[1..], "the picture that belies a hint takes it back");
}

#[test]
fn an_idr_that_was_due_and_does_not_come_belies_one_hint_and_no_more() {
    // From one second the encoder goes over to more: with the end of a segment, or in the midst of one,
    // which then is thought to end where it does not.
    for (last, gop, belied) in [(300, 60, 0), (330, 40, 1)] {
        let source = Source { seconds: 30, gop: 1, ..Source::default() };
        let live = follow(pictures(&source, |n, sample| {
            sample.is_sync = if n <= last { n % 30 == 0 } else { (n - last) % gop == 0 };
        }));
        assert!(live.viewer.all().skip(2).all(|segment| segment.independent()));
        let wrong = live.hints.iter().zip(&live.parts[1..]).filter(|(hint, part)| hint != part);
        assert_eq!(wrong.count(), belied);
        let known_last = "the picture that belies a hint takes it back";
        assert_eq!(live.last_hints, live.parts[1..], "{known_last}");
    }
}

#[test]
fn a_segment_that_has_no_room_for_another_picture_ends_with_its_last_part() {
    // GOPs of half a minute, which are cut: with the part after which nothing fits, whatever comes.
    let live = follow(Source { seconds: 40, gop: 900, ..Source::default() }.events());
    assert_eq!(live.hints, live.parts[1..]);
}

#[test]
fn another_encoder_is_not_expected_to_keep_the_distance_of_the_one_before() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 12, ..Source::default() }.events());
    viewer.interrupt();
    let live = follow_on(viewer, Source { seconds: 12, gop: 30, ..Source::default() }.events());
    assert_eq!(live.hints, live.parts[1..]);
}

#[test]
fn a_lost_picture_lengthens_the_one_before_it_in_the_lists_too() {
    // The first picture of every tenth part is lost.
    let source = Source { seconds: 20, ..Source::default() };
    let mut at = 0;
    let events = source.events().into_iter().filter(|event| match event {
        Event::Sample(sample) if sample.kind == Kind::Video => {
            at += 1;
            (at - 1) % 60 != 54
        }
        _ => true,
    });
    let live = follow(events);
    let segments: Vec<_> = live.viewer.all().collect();
    for pair in segments.windows(2).skip(1) {
        let [before, after] = pair else { unreachable!() };
        let between_us = (after.program_date_time_ms() - before.program_date_time_ms()) * 1_000;
        let length_us = i64::try_from(before.duration_us()).unwrap();
        assert!((between_us - length_us).abs() <= 3_000, "{length_us} µs in {between_us}");
    }
}

#[test]
fn a_segment_whose_first_picture_is_late_is_dated_where_the_one_before_ends() {
    // From the fourth on every IDR is 60 ms late, and so are those after it.
    let source = Source { seconds: 30, ..Source::default() };
    let mut events = pictures(&source, |n, sample| {
        sample.dts_ticks += (n as i64 / 60 - 3).max(0) * 60 * 90;
    });
    events.sort_by_key(time_ms);
    let live = follow(events);
    let segments: Vec<_> = live.viewer.all().collect();
    let late = segments.windows(2).skip(1).filter(|pair| {
        let [before, after] = pair else { unreachable!() };
        let date_ms = before.program_date_time_ms() + before.duration_us() as i64 / 1_000;
        let date_off_ms = after.program_date_time_ms() - date_ms;
        assert!(date_off_ms.abs() <= 3, "{}: {date_off_ms} ms", after.msn());
        let (pictures, sounds) = read_fmp4(after);
        let [seen_ms, heard_ms] = [pictures[0].dts / 90, sounds[0].dts / 48];
        // Of what can be heard, dates are those of before: noon is second 10 of the timeline.
        assert!((after.program_date_time_ms() - NOON_MS + 10_000 - heard_ms).abs() <= 60);
        seen_ms > heard_ms + 40
    });
    assert!(late.count() > 3);
}

#[test]
fn a_picture_that_comes_before_its_time_is_shown_at_its_own() {
    // The picture after every part is 20 ms early, once the pace is known.
    let source = Source { seconds: 8, in_millis: true, ..Source::default() };
    let early = |n: usize| n > 150 && n.is_multiple_of(6) && !n.is_multiple_of(60);
    let mut live = follow(pictures(&source, |n, sample| {
        if early(n) {
            sample.dts_ticks -= 20 * 90;
        }
    }));
    live.viewer.finish();
    let all: Vec<_> = live.viewer.all().flat_map(|segment| read_fmp4(segment).0).collect();
    assert!(all.is_sorted_by(|a, b| a.dts < b.dts));
    let first = all[0].dts;
    for (n, read) in all.iter().enumerate() {
        let sent = (n as i64 * 100 + 1) / 3 * 90 - if early(n) { 20 * 90 } else { 0 };
        assert!((read.dts + read.cts - first - sent).abs() <= 90, "picture {n}");
    }
}

#[test]
fn pictures_without_a_pace_are_waited_for() {
    let source = Source { seconds: 4, ..Source::default() };
    let live = follow(pictures(&source, |n, sample| sample.dts_ticks += (n as i64 % 3) * 8 * 90));
    let on_pace = live.completed_by.iter().filter(|at_ms| (*at_ms + 34) % 200 < 2).count();
    assert_eq!(on_pace, 0, "{:?}", live.completed_by);
    assert_eq!(live.hints, live.parts[1..]);
}

#[test]
fn the_sound_of_the_last_picture_is_kept_when_all_ends() {
    for seconds in [6, 7] {
        let source = Source { seconds, ..Source::default() };
        let viewer = Viewer::of(&source);
        let heard: usize = viewer.all().map(|segment| read_fmp4(segment).1.len()).sum();
        let sent = source.samples().iter().filter(|sample| sample.kind == Kind::Audio).count();
        assert_eq!(heard, sent, "{seconds} s");
        assert_eq!(viewer.packager.report().samples_dropped_total, 0);
    }
}

#[test]
fn whatever_pictures_are_lost_parts_and_segments_keep_to_what_was_promised() {
    for seed in 1..40_u64 {
        let source =
            Source { seconds: 40, gop: [30, 60, 72][seed as usize % 3], ..Source::default() };
        let (mut random, mut lost, mut at) = (seed, 0, 0);
        let mut next = || {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            random >> 33
        };
        // Now and then up to 1.6 s of pictures, often in a row; never the first second.
        let events = source.events().into_iter().filter(|event| match event {
            Event::Sample(sample) if sample.kind == Kind::Video => {
                at += 1;
                if lost == 0 && at > 30 && next() % 9 == 0 {
                    lost = [1, 2, 3, 4, 12, 45][next() as usize % 6];
                }
                lost = u64::saturating_sub(lost, 1);
                lost == 0
            }
            _ => true,
        });
        let mut viewer = Viewer::new(packager());
        viewer.packager.begin(NOON_MS);
        for event in events {
            let progress = viewer.packager.push(event).unwrap();
            if !progress.part {
                continue;
            }
            for rendition in [Rendition::Source, Rendition::SOUND] {
                let text = viewer.packager.media_playlist(rendition).unwrap();
                let target_s = f64::from(viewer.packager.part_target_ms().unwrap()) / 1_000.0;
                let parts = text.lines().filter_map(|l| l.strip_prefix("#EXT-X-PART:DURATION="));
                for part in parts.filter(|_| rendition == Rendition::Source) {
                    let length_s: f64 = part.split(',').next().unwrap().parse().unwrap();
                    // A picture that stands still is as long as it is.
                    let stands = length_s > target_s && length_s > 1.5 * target_s;
                    assert!(length_s <= target_s || stands, "seed {seed}: {part}");
                }
                let playlist = media_playlist(&text);
                for segment in &playlist.segments {
                    let length = segment.duration.round() as u64;
                    assert!(
                        length <= playlist.target_duration,
                        "seed {seed}, {rendition:?}\n{text}"
                    );
                }
            }
        }
    }
}
