//! What users of other servers asked for, each as a test.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use communiconnect_packager::{Config, Error, Rendition};
use media::{Event, Kind, Sample};
use support::*;

fn playlist(viewer: &Viewer) -> m3u8_rs::MediaPlaylist {
    media_playlist(viewer.playlist())
}

fn discontinuities(viewer: &Viewer) -> Vec<u64> {
    viewer.all().filter(|segment| segment.discontinuity()).map(|segment| segment.msn()).collect()
}

/// Samples of `source`, moved and changed one by one.
fn changed(source: &Source, mut change: impl FnMut(&mut Sample)) -> Vec<Event> {
    let change = move |event| match event {
        Event::Sample(mut sample) => {
            change(&mut sample);
            Event::Sample(sample)
        }
        other => other,
    };
    source.events().into_iter().map(change).collect()
}

#[test]
fn a_republish_goes_on_counting_with_one_discontinuity() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source::default().events());
    viewer.interrupt();
    let before = viewer.all().count() as u64;
    viewer.publish(Source { start_ms: 77_000, ..Source::default() }.events());
    viewer.finish();
    assert_eq!(discontinuities(&viewer), [before]);
    assert_eq!(playlist(&viewer).media_sequence, 0);
    // Nothing changed but the clock: the init segment is the same.
    assert_eq!(viewer.inits.len(), 1);
}

#[test]
fn decode_times_never_collide_over_a_republish() {
    let mut viewer = Viewer::new(packager());
    for _ in 0..3 {
        viewer.publish(Source { seconds: 5, ..Source::default() }.events());
    }
    viewer.finish();
    let all: Vec<_> = viewer.all().flat_map(|segment| read_fmp4(segment).0).collect();
    assert!(all.is_sorted_by(|a, b| a.dts < b.dts));
}

#[test]
fn discontinuities_are_counted_when_they_leave_the_list() {
    let mut viewer = Viewer::new(packager());
    for _ in 0..6 {
        viewer.publish(Source { seconds: 10, ..Source::default() }.events());
    }
    viewer.finish();
    let last = playlist(&viewer);
    let listed = last.segments.iter().filter(|segment| segment.discontinuity).count() as u64;
    assert!(last.discontinuity_sequence > 0);
    assert_eq!(last.discontinuity_sequence + listed, 5);
}

#[test]
fn target_durations_are_frozen_with_the_first_segment() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { gop: 60, seconds: 8, ..Source::default() }.events());
    let part_target = viewer.packager.part_target_ms();
    viewer.publish(Source { gop: 400, fps: (24, 1), seconds: 40, ..Source::default() }.events());
    viewer.finish();
    assert_eq!(viewer.packager.part_target_ms(), part_target);
    for text in &viewer.playlists {
        assert_eq!(media_playlist(text).target_duration, 2);
    }
}

#[test]
fn a_gop_longer_than_the_target_duration_is_cut_and_said_to_be() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 8, ..Source::default() }.events());
    viewer.publish(Source { gop: 300, seconds: 12, ..Source::default() }.events());
    assert!(!viewer.playlist().contains("EXT-X-INDEPENDENT-SEGMENTS"));
    let report = viewer.packager.report();
    assert!(report.dependent_segments_total > 0);
    assert_eq!(report.longest_recent_gop_ms, Some(10_000));
    // Once they have left, all can be decoded alone again.
    viewer.publish(Source { seconds: 60, ..Source::default() }.events());
    assert!(viewer.playlist().contains("EXT-X-INDEPENDENT-SEGMENTS"));
}

#[test]
fn the_target_duration_follows_the_gop_that_the_encoder_announces() {
    for (gop, target) in [(30, 2), (60, 2), (90, 3), (120, 4), (250, 6), (600, 6)] {
        let source = Source { gop, seconds: 30, ..Source::default() };
        let mut viewer = Viewer::new(packager());
        viewer.publish(changed(&source, |sample| {
            if sample.is_sync && sample.kind == Kind::Video {
                let sei = format!("\x06\x05\x30x264 - core 164 - options: keyint={gop} bframes=0");
                let len = (sei.len() as u32).to_be_bytes();
                sample.data = [&len, sei.as_bytes(), &sample.data].concat().into();
            }
        }));
        assert_eq!(playlist(&viewer).target_duration, target, "gop {gop}");
        let whole = viewer.all().skip(2).filter(|segment| segment.independent()).count();
        assert_eq!(whole == viewer.segments.len() - 2, gop <= 120, "gop {gop}");
    }
}

#[test]
fn a_viewer_has_something_to_play_after_the_first_part() {
    let mut viewer = Viewer::new(packager());
    let mut events = Source { seconds: 3, ..Source::default() }.events();
    let rest = events.split_off(events.len() / 3);
    viewer.publish(events);
    let first = &playlist(&viewer).segments[0];
    assert_eq!((first.uri.as_str(), first.duration), ("0.m4s", 0.2));
    assert!(viewer.segments[&0].independent());
    assert_eq!(viewer.packager.media_playlist(Rendition::SourceTs), None);
    // The second one ends where it would have without that.
    viewer.push(rest);
    assert_eq!(viewer.segments[&1].duration_us(), 1_800_000);
    assert!(viewer.packager.media_playlist(Rendition::SourceTs).is_some());
}

#[test]
fn gops_that_do_not_divide_the_target_are_cut_at_idrs_all_the_same() {
    // An IDR every 1.4 s: two would be too much. What follows the first part opens on no IDR.
    let viewer = Viewer::of(&Source { gop: 42, seconds: 20, ..Source::default() });
    assert!(viewer.all().skip(2).all(|segment| segment.independent()));
    // An IDR at 0.3 s and 2.2 s in turn: never past the target duration.
    let source = Source { gop: 1, seconds: 30, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    let mut n = 0;
    viewer.publish(changed(&source, |sample| {
        if sample.kind == Kind::Video {
            sample.is_sync = matches!(n % 75, 0 | 9);
            n += 1;
        }
    }));
    viewer.finish();
    assert!(viewer.all().skip(2).all(|segment| segment.independent()));
}

#[test]
fn jitter_and_equal_timestamps_are_repaired_without_loss() {
    let source = Source { b_frames: true, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    let mut n = 0_i64;
    viewer.publish(changed(&source, |sample| {
        n += 1;
        if n % 5 == 0 {
            sample.dts_ticks -= sample.dts_ticks.min(4_000);
        }
    }));
    viewer.finish();
    let sent = source.samples().len() as u64;
    let report = viewer.packager.report();
    assert_eq!((report.samples_total, report.samples_dropped_total), (sent, 0));
    assert!(report.samples_repaired_total > 0);
    assert_eq!(discontinuities(&viewer), []);
    let all: Vec<_> = viewer.all().flat_map(|segment| read_fmp4(segment).0).collect();
    assert!(all.is_sorted_by(|a, b| a.dts < b.dts));
}

#[test]
fn composition_offsets_below_zero_stay_in_fmp4_and_pts_never_precedes_dts_in_ts() {
    let source = Source { b_frames: true, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    viewer.publish(changed(&source, |sample| {
        if sample.kind == Kind::Video {
            sample.cts_ticks -= 6_000;
        }
    }));
    viewer.finish();
    for segment in viewer.all() {
        assert!(read_fmp4(segment).0.iter().any(|sample| sample.cts < 0));
        let pictures = read_ts(&segment.bytes(Rendition::SourceTs).unwrap()).0;
        assert!(pictures.iter().all(|pes| pes.pts >= pes.dts));
        assert!(pictures.is_sorted_by(|a, b| a.dts < b.dts));
    }
}

#[test]
fn composition_offsets_that_turn_negative_late_do_not_set_ts_back() {
    let source = Source { b_frames: true, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    // From 4 s to 6 s pictures are reordered, and what is shown before its decode time says so.
    viewer.publish(changed(&source, |sample| {
        if sample.kind == Kind::Video {
            let reordered = (360_000..540_000).contains(&sample.dts_ticks);
            sample.cts_ticks = if reordered { sample.cts_ticks - 3_000 } else { 0 };
        }
    }));
    viewer.finish();
    let pictures: Vec<_> = viewer
        .all()
        .flat_map(|segment| read_ts(&segment.bytes(Rendition::SourceTs).unwrap()).0)
        .collect();
    assert!(pictures.is_sorted_by(|a, b| a.dts < b.dts));
    let sent = viewer.all().flat_map(|segment| read_fmp4(segment).0);
    assert!(sent.map(|sample| (sample.dts + sample.cts) as u64).eq(pictures.iter().map(|p| p.pts)));
    assert!(pictures.iter().all(|pes| pes.pts >= pes.dts));
}

#[test]
fn a_timestamp_jump_is_a_discontinuity_and_no_segment_is_absurd() {
    let both = Source { seconds: 20, ..Source::default() };
    let picture = Source { audio: None, ..both.clone() };
    let sound = Source { video: None, ..both.clone() };
    for (source, jump_s) in
        [&both, &picture, &sound].into_iter().flat_map(|it| [(it, 47_727), (it, -5)])
    {
        let mut viewer = Viewer::new(packager());
        viewer.publish(changed(source, |sample| {
            let rate = if sample.kind == Kind::Video { 90_000 } else { 48_000 };
            if sample.dts_ticks > 7 * rate {
                sample.dts_ticks += jump_s * rate;
            }
        }));
        viewer.finish();
        assert_eq!(discontinuities(&viewer).len(), 1, "{jump_s} s");
        assert!(viewer.all().all(|segment| segment.duration_s() < 2.5));
        let span = viewer.all().last().unwrap().program_date_time_ms() - NOON_MS;
        assert!((17_000..60_000).contains(&span), "the wall clock did not jump: {span} ms");
    }
}

#[test]
fn silence_of_some_seconds_moves_the_wall_clock() {
    let mut viewer = Viewer::new(packager());
    let source = Source { seconds: 20, ..Source::default() };
    viewer.publish(changed(&source, |sample| {
        let rate = if sample.kind == Kind::Video { 90_000 } else { 48_000 };
        if sample.dts_ticks >= 8 * rate {
            sample.dts_ticks += 5 * rate;
        }
    }));
    viewer.finish();
    let at = discontinuities(&viewer)[0];
    assert_eq!(viewer.segments[&at].program_date_time_ms(), NOON_MS + 13_000);
}

#[test]
fn the_clock_of_mpeg_ts_wraps_and_ours_does_not() {
    // The timeline is at 10 s; 26.5 hours of 33 bits are some 95 443.7 s.
    let mut viewer = Viewer::new(packager());
    viewer.packager.begin(NOON_MS);
    let source = Source { seconds: 2, gop: 1, audio: None, fps: (1, 1), ..Source::default() };
    viewer.push(source.events());
    let mut number = 0;
    for second in 2..95_450 {
        number += 1;
        let sample = picture(second * 90_000, 0, true, number, 1);
        viewer.push([Event::Sample(sample)]);
    }
    viewer.finish();
    let tail: Vec<_> = viewer.all().rev_take(12);
    let fmp4: Vec<_> =
        tail.iter().flat_map(|segment| read_fmp4(segment).0).map(|s| s.dts).collect();
    assert!(fmp4.is_sorted() && *fmp4.last().unwrap() > 1 << 33);
    let ts: Vec<_> = tail
        .iter()
        .flat_map(|segment| read_ts(&segment.bytes(Rendition::SourceTs).unwrap()).0)
        .map(|p| p.pts)
        .collect();
    assert!(!ts.is_sorted() && ts.iter().all(|&pts| pts < 1 << 33));
    assert!(ts.iter().zip(&fmp4).all(|(&ts, &fmp4)| ts == fmp4 as u64 % (1 << 33)));
}

trait RevTake<'a, T: 'a>: Iterator<Item = &'a T> + Sized {
    fn rev_take(self, count: usize) -> Vec<&'a T> {
        let all: Vec<_> = self.collect();
        all[all.len().saturating_sub(count)..].to_vec()
    }
}

impl<'a, T: 'a, I: Iterator<Item = &'a T>> RevTake<'a, T> for I {}

#[test]
fn sound_that_is_announced_and_never_comes_is_not_declared() {
    let mut viewer = Viewer::new(packager());
    let events = Source::default().events();
    viewer.publish(
        events
            .into_iter()
            .filter(|event| !matches!(event, Event::Sample(sample) if sample.kind == Kind::Audio)),
    );
    viewer.finish();
    assert!(viewer.all().count() >= 5);
    let multivariant = viewer.packager.multivariant_playlist(Rendition::Source).unwrap();
    assert!(multivariant.contains("CODECS=\"avc1.64001f\""), "{multivariant}");
}

#[test]
fn pictures_that_are_announced_and_never_come_leave_the_sound() {
    let mut viewer = Viewer::new(packager());
    let events = Source::default().events();
    viewer.publish(
        events
            .into_iter()
            .filter(|event| !matches!(event, Event::Sample(sample) if sample.kind == Kind::Video)),
    );
    viewer.finish();
    let sum: f64 = viewer.all().map(|segment| segment.duration_s()).sum();
    assert!(sum > 9.9, "nothing is lost by the wait: {sum}");
    let multivariant = viewer.packager.multivariant_playlist(Rendition::SourceTs).unwrap();
    assert!(multivariant.contains("CODECS=\"mp4a.40.2\""), "{multivariant}");
    assert!(!multivariant.contains("RESOLUTION"));
}

#[test]
fn audio_only_and_video_only_lives_work() {
    for (source, codecs) in [
        (Source { audio: None, ..Source::default() }, "avc1.64001f"),
        (Source { video: None, ..Source::default() }, "mp4a.40.2"),
        (Source::default(), "avc1.64001f,mp4a.40.2"),
    ] {
        let viewer = Viewer::of(&source);
        assert_eq!(playlist(&viewer).target_duration, 2);
        assert!(viewer.all().count() >= 5);
        let multivariant = viewer.packager.multivariant_playlist(Rendition::Source).unwrap();
        assert!(multivariant.contains(&format!("CODECS=\"{codecs}\"")), "{multivariant}");
    }
}

#[test]
fn sound_that_comes_late_is_declared_from_the_next_idr_on() {
    let mut viewer = Viewer::new(packager());
    let events = Source::default().events();
    viewer.publish(events.into_iter().filter(|event| {
        !matches!(event, Event::Sample(s) if s.kind == Kind::Audio && s.dts_ticks < 5 * 48_000)
    }));
    viewer.finish();
    let [at] = discontinuities(&viewer)[..] else { panic!("one discontinuity") };
    let silent: Vec<_> = viewer.segments.range(..at).map(|(_, s)| read_fmp4(s).1.len()).collect();
    assert!(silent.iter().all(|&frames| frames == 0));
    assert!(viewer.segments.range(at..).all(|(_, segment)| !read_fmp4(segment).1.is_empty()));
    assert_eq!(viewer.inits.len(), 2);
}

#[test]
fn sound_that_falls_silent_is_no_longer_declared_and_pictures_that_stop_leave_the_sound() {
    let gone = |kind, rate: i64| {
        let mut viewer = Viewer::new(packager());
        let source = Source { seconds: 30, ..Source::default() };
        viewer.publish(source.events().into_iter().filter(|event| {
            !matches!(event, Event::Sample(s) if s.kind == kind
                && (8 * rate..20 * rate).contains(&s.dts_ticks))
        }));
        viewer.finish();
        viewer
    };
    for viewer in [gone(Kind::Audio, 48_000), gone(Kind::Video, 90_000)] {
        assert_eq!(discontinuities(&viewer).len(), 2);
        let sum: f64 = viewer.all().map(|segment| segment.duration_s()).sum();
        assert!((26.0..31.0).contains(&sum), "{sum}");
        let order: Vec<_> = viewer.all().map(|segment| segment.init_id()).collect();
        assert_eq!((order.first(), order.last()), (Some(&0), Some(&0)), "both are back: {order:?}");
        assert!(order.contains(&1));
    }
}

#[test]
fn a_repeated_sequence_header_changes_nothing() {
    let mut viewer = Viewer::new(packager());
    let events = Source::default().events().into_iter().flat_map(|event| {
        let repeat = matches!(&event, Event::Sample(s) if s.kind == Kind::Video && s.is_sync);
        let again = repeat.then(|| [video_track(), audio_track()].map(Event::TrackChanged));
        again.into_iter().flatten().chain([event])
    });
    viewer.publish(events.collect::<Vec<_>>());
    viewer.finish();
    assert_eq!(discontinuities(&viewer), []);
    assert_eq!(viewer.inits.len(), 1);
}

#[test]
fn a_real_change_of_configuration_is_a_discontinuity_with_its_own_init() {
    let mut viewer = Viewer::new(packager());
    let mut events = Source::default().events();
    let at = events.iter().position(|event| {
        matches!(event, Event::Sample(s) if s.kind == Kind::Video && s.dts_ticks == 6 * 90_000)
    });
    events.insert(at.unwrap(), Event::TrackChanged(other_video_track()));
    viewer.publish(events);
    viewer.finish();
    assert_eq!(discontinuities(&viewer), [4]);
    assert_eq!((viewer.segments[&3].init_id(), viewer.segments[&4].init_id()), (0, 1));
    let text = viewer.playlist();
    assert!(text.contains("#EXT-X-DISCONTINUITY\n#EXT-X-MAP:URI=\"init-1.mp4\"\n"), "{text}");
    // The clock went on: nothing was lost, nothing moved.
    assert_eq!(viewer.packager.report().samples_dropped_total, 0);
}

#[test]
fn he_aac_is_named_in_playlists_described_in_fmp4_and_cored_in_ts() {
    // SBR signalled explicitly: 24 kHz core, 48 kHz heard, stereo.
    let track = aac_track(&[0x2b, 0x11, 0x88, 0x00]);
    let viewer = Viewer::of(&Source { audio: Some(track), ..Source::default() });
    let multivariant = viewer.packager.multivariant_playlist(Rendition::Source).unwrap();
    assert!(multivariant.contains("mp4a.40.5"), "{multivariant}");
    let init = viewer.packager.init(Rendition::Source, 0).unwrap();
    assert!(init.windows(4).any(|bytes| bytes == [0x2b, 0x11, 0x88, 0x00]));
    let segment = viewer.all().next().unwrap();
    let (_, sounds) = read_ts(&segment.bytes(Rendition::SourceTs).unwrap());
    for (about, _) in sounds.iter().flat_map(|pes| adts_frames(&pes.data)) {
        assert_eq!(about, (1, 6, 2), "AAC-LC, 24 kHz, stereo");
    }
    // A frame is 1 024 core samples: no gap at the joins.
    let all: Vec<_> = viewer.all().flat_map(|segment| read_fmp4(segment).1).collect();
    assert!(all.windows(2).all(|pair| pair[1].dts - pair[0].dts == 1_024));
}

#[test]
fn a_window_is_bounded_and_what_left_it_stays_a_while() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(Source { seconds: 120, ..Source::default() }.events());
    let report = viewer.packager.report();
    assert_eq!((report.segments_listed, report.listed_ms), (15, 30_000));
    let first = playlist(&viewer).media_sequence;
    assert!(viewer.packager.segment(first - 3).is_some());
    assert!(viewer.packager.segment(first - 4).is_none());
    assert!(viewer.packager.segment(u64::MAX).is_none());
}

#[test]
fn a_fat_live_keeps_three_target_durations_whatever_its_bytes() {
    let config = Config { window_max_bytes: 1 << 20, ..Config::default() };
    let mut viewer = Viewer::new(packager_with(config));
    viewer.publish(Source { seconds: 60, picture_size: 2_500, ..Source::default() }.events());
    // 2 s of it are 150 kB.
    let length: f64 = playlist(&viewer).segments.iter().map(|s| f64::from(s.duration)).sum();
    assert!((6.0..16.0).contains(&length), "{length}");
    assert!(viewer.packager.report().bytes_held < 2 << 20);
}

#[test]
fn mpeg_ts_forms_count_once_they_were_asked_for() {
    let config = Config { window_max_bytes: 2 << 20, ..Config::default() };
    let listed = |asks_for_ts: bool| {
        let mut viewer = Viewer::new(packager_with(config.clone()));
        viewer.packager.begin(NOON_MS);
        // 30 s of it are 2 MB in one form, 4 MB in both.
        for event in (Source { seconds: 60, picture_size: 2_000, ..Source::default() }).events() {
            viewer.push([event]);
            let newest = viewer.segments.last_entry();
            if let Some(newest) = newest.filter(|_| asks_for_ts) {
                newest.get().bytes(Rendition::SourceTs);
            }
            // Only the packager holds them.
            viewer.segments.clear();
        }
        viewer.packager.report()
    };
    let (fmp4, both) = (listed(false), listed(true));
    assert!(both.segments_listed < fmp4.segments_listed, "{both:?}, {fmp4:?}");
    assert!(both.bytes_held < 3 << 20, "{both:?}");
}

#[test]
fn a_segment_without_end_is_refused() {
    let config = Config { segment_max_bytes: 200_000, ..Config::default() };
    let mut packager = packager_with(config);
    packager.begin(NOON_MS);
    let source = Source { picture_size: 20_000, ..Source::default() };
    let refused = source.events().into_iter().find_map(|event| packager.push(event).err());
    assert!(matches!(refused, Some(Error::SegmentTooLarge { .. })));
    // What was packaged before is still served.
    assert!(packager.interrupt().segment);
    assert!(packager.media_playlist(Rendition::Source).is_some());
}

#[test]
fn nothing_is_taken_before_begin_or_after_the_end() {
    let mut packager = packager();
    let event = || Event::TrackChanged(video_track());
    assert_eq!(packager.push(event()), Err(Error::NotBegun));
    packager.begin(NOON_MS);
    assert!(packager.push(event()).is_ok());
    packager.interrupt();
    assert_eq!(packager.push(event()), Err(Error::NotBegun));
    packager.finish();
    packager.begin(NOON_MS);
    assert_eq!(packager.push(event()), Err(Error::Finished));
}

#[test]
fn malformed_samples_are_dropped_and_the_live_goes_on() {
    let mut viewer = Viewer::new(packager());
    let mut n = 0;
    viewer.publish(changed(&Source::default(), |sample| {
        n += 1;
        if n % 10 == 0 {
            sample.data = bytes::Bytes::from_static(&[0xff; 9_000]);
        }
    }));
    viewer.finish();
    assert!(viewer.packager.report().samples_dropped_total > 0);
    assert_eq!(discontinuities(&viewer), []);
}
