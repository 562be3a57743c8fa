//! Timed metadata, in all three renditions.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use communiconnect_packager::{Packager, Rendition, Segment};
use media::{Event, Metadata};
use mpeg2ts::{
    pes::{PesPacketReader, ReadPesPacket},
    ts::{ReadTsPacket, TsPacketReader, TsPayload, payload::Pmt},
};
use support::{Source, Viewer, audio_track, packager, parts, read_part, read_said};

/// Where the timeline starts, in milliseconds.
const START_MS: i64 = 10_000;

fn said(at_ms: i64, value: &str) -> Event {
    let (name, value) = ("onTextData".to_owned(), value.to_owned());
    Event::Metadata(Metadata { at_ms, name, value })
}

/// The events of `source`, and each of these as soon as media has come as far as its first time says;
/// its second is the one it bears.
fn with(source: &Source, said: impl IntoIterator<Item = (i64, Event)>) -> Vec<Event> {
    let mut events = source.events();
    for (after_ms, metadata) in said {
        let comes_later = |event: &Event| match event {
            Event::Sample(sample) => {
                let rate = if sample.kind == media::Kind::Video { 90 } else { 48 };
                sample.dts_ticks > after_ms * rate
            }
            _ => false,
        };
        let at = events.iter().position(comes_later).unwrap_or(events.len());
        events.insert(at, metadata);
    }
    events
}

fn live(source: &Source, said: impl IntoIterator<Item = (i64, Event)>) -> Viewer {
    let mut viewer = Viewer::new(packager());
    viewer.publish(with(source, said));
    viewer.finish();
    viewer
}

/// A tag as another reader would take it apart: description and value of its one TXXX frame.
fn txxx(tag: &[u8]) -> (String, String) {
    let size = |bytes: &[u8]| bytes.iter().fold(0, |size, byte| size << 7 | usize::from(*byte));
    assert_eq!((&tag[..6], size(&tag[6..10])), (&b"ID3\x04\0\0"[..], tag.len() - 10));
    let frame = &tag[10..];
    assert_eq!((&frame[..4], size(&frame[4..8])), (&b"TXXX"[..], frame.len() - 10));
    assert_eq!(&frame[8..11], [0, 0, 3], "no flags, UTF-8");
    let text = std::str::from_utf8(&frame[11..]).unwrap();
    let (name, value) = text.split_once('\0').unwrap();
    (name.to_owned(), value.to_owned())
}

/// What is said in a part, and when, in milliseconds.
fn in_part(part: &[u8], timescale: u32) -> Vec<(u64, String)> {
    let said = read_said(part).0.into_iter().map(|(at, emsg)| {
        assert_eq!(emsg.timescale, timescale);
        assert_eq!(
            (emsg.scheme_id_uri.as_str(), emsg.value.as_str()),
            ("https://aomedia.org/emsg/ID3", "")
        );
        let (name, value) = txxx(&emsg.message_data);
        assert_eq!((name.as_str(), emsg.event_duration), ("onTextData", u32::MAX));
        (at * 1_000 / u64::from(timescale), value)
    });
    said.collect()
}

fn in_fmp4(viewer: &Viewer) -> Vec<(u64, String)> {
    viewer
        .all()
        .flat_map(|segment| parts(segment))
        .flat_map(|part| in_part(&part, 90_000))
        .collect()
}

/// The PES of private_stream_1: time in milliseconds and what is said.
fn in_ts(segment: &Segment) -> Vec<(u64, String)> {
    let bytes = segment.bytes(Rendition::SourceTs).unwrap();
    let mut reader = PesPacketReader::new(TsPacketReader::new(&bytes[..]));
    let mut said = Vec::new();
    while let Some(packet) = reader.read_pes_packet().unwrap() {
        if packet.header.stream_id.as_u8() == 0xbd {
            assert!(packet.header.data_alignment_indicator);
            said.push((packet.header.pts.unwrap().as_u64() / 90, txxx(&packet.data).1));
        }
    }
    said
}

fn pmt(segment: &Segment) -> Pmt {
    let bytes = segment.bytes(Rendition::SourceTs).unwrap();
    let mut reader = TsPacketReader::new(&bytes[..]);
    while let Some(packet) = reader.read_ts_packet().unwrap() {
        if let Some(TsPayload::Pmt(pmt)) = packet.payload {
            return pmt;
        }
    }
    panic!("no PMT");
}

#[test]
fn what_is_said_stands_before_the_moof_of_the_part_of_its_time() {
    let times = [40, 1_010, 1_020, 5_555];
    let viewer = live(&Source::default(), times.map(|at| (at, said(at, &format!("{at}")))));
    let expected = times.map(|at| ((START_MS + at) as u64, at.to_string()));
    assert_eq!(in_fmp4(&viewer), expected);
    for segment in viewer.all() {
        for part in parts(segment) {
            let (video, _) = read_part(&part);
            let until = video.last().map(|it| it.dts + i64::from(it.duration)).unwrap();
            for (at_ms, _) in in_part(&part, 90_000) {
                assert!((video[0].dts..until).contains(&(at_ms as i64 * 90)), "{at_ms}");
            }
        }
    }
    assert_eq!(viewer.packager.report().metadata_total, 4);
}

#[test]
fn every_one_has_an_id_of_its_own() {
    let viewer = live(&Source::default(), [10, 10, 3_000].map(|at| (at, said(at, "1"))));
    let all = viewer.all().flat_map(|segment| parts(segment));
    let ids: Vec<u32> = all.flat_map(|part| read_said(&part).0).map(|(_, emsg)| emsg.id).collect();
    assert_eq!(ids, [0, 1, 2]);
}

#[test]
fn a_segment_is_its_parts_one_after_the_other() {
    let viewer = live(&Source::default(), (0..90).map(|n| (n * 100, said(n * 100, "1"))));
    for segment in viewer.all() {
        for rendition in [Rendition::Source, Rendition::SOUND] {
            let parts = (0..segment.part_count()).filter_map(|at| segment.part(at, rendition));
            let joined: Vec<u8> = parts.flatten().collect();
            assert_eq!(joined, segment.bytes(rendition).unwrap());
            assert_eq!(joined.len(), segment.size_bytes(rendition));
        }
    }
}

#[test]
fn media_is_the_same_with_and_without_it() {
    let source = Source { b_frames: true, ..Source::default() };
    let plain = live(&source, []);
    let said = live(&source, [(3_000, said(3_000, "1")), (3_010, said(3_010, "2"))]);
    for (plain, said) in plain.all().zip(said.all()) {
        for (plain, said) in parts(plain).zip(parts(said)) {
            assert_eq!(plain, read_said(&said).1);
        }
        if plain.msn() < 2 {
            let ts = |segment: &Segment| segment.bytes(Rendition::SourceTs);
            assert_eq!(ts(plain), ts(said), "before the first of it");
        }
    }
}

#[test]
fn the_sound_alone_says_it_too_in_its_own_timescale() {
    let viewer = live(&Source::default(), [(1_500, said(1_500, "1"))]);
    let found = viewer.all().flat_map(|segment| {
        let parts = (0..segment.part_count()).filter_map(|at| segment.part(at, Rendition::SOUND));
        parts.flat_map(|part| in_part(&part, 48_000)).collect::<Vec<_>>()
    });
    assert_eq!(found.collect::<Vec<_>>(), [(11_500, "1".to_owned())]);
    // And where there is no picture at all.
    let source = Source { video: None, audio: Some(audio_track()), ..Source::default() };
    let viewer = live(&source, [(1_500, said(1_500, "1"))]);
    let found = viewer.all().flat_map(|segment| parts(segment)).flat_map(|p| in_part(&p, 48_000));
    assert_eq!(found.collect::<Vec<_>>(), [(11_500, "1".to_owned())]);
}

#[test]
fn a_part_asked_for_while_its_segment_is_open_holds_it() {
    let mut viewer = Viewer::new(packager());
    viewer.publish(with(&Source { seconds: 3, ..Source::default() }, [(2_300, said(2_300, "1"))]));
    let edge = viewer.packager.edge().unwrap();
    let mut found = |rendition, timescale| -> Vec<(u64, String)> {
        let open = (0..=edge.part).filter_map(|at| viewer.packager.part(rendition, edge.msn, at));
        open.flat_map(|part| in_part(&part, timescale)).collect()
    };
    let expected = [(12_300, "1".to_owned())];
    assert_eq!(found(Rendition::Source, 90_000), expected);
    assert_eq!(found(Rendition::SOUND, 48_000), expected);
}

#[test]
fn mpeg_ts_carries_it_and_declares_it_from_the_first_on() {
    let long = "x".repeat(16_000);
    let viewer = live(
        &Source::default(),
        [(3_000, said(3_000, "1")), (3_100, said(3_100, &long)), (7_000, said(7_000, "3"))],
    );
    let said: Vec<_> = viewer.all().flat_map(|segment| in_ts(segment)).collect();
    assert_eq!(said, [(13_000, "1".to_owned()), (13_100, long), (17_000, "3".to_owned())]);
    let first = viewer.all().position(|segment| !in_ts(segment).is_empty()).unwrap();
    for (number, segment) in viewer.all().enumerate() {
        let pmt = pmt(segment);
        let declared: Vec<_> = pmt.es_info.iter().map(|es| es.stream_type as u8).collect();
        let id3 = b"\xff\xffID3 \xffID3 \0";
        if number < first {
            assert_eq!((declared, pmt.version_number.as_u8()), (vec![0x1b, 0x0f], 0));
            assert!(pmt.program_info.is_empty());
        } else {
            assert_eq!((declared, pmt.version_number.as_u8()), (vec![0x1b, 0x0f, 0x15], 16));
            let [pointer] = &pmt.program_info[..] else { panic!("{:?}", pmt.program_info) };
            assert_eq!(
                (pointer.tag, &pointer.data[..]),
                (0x25, &[&id3[..], &[0x1f, 0, 1]].concat()[..])
            );
            let [about] = &pmt.es_info[2].descriptors[..] else { panic!("{:?}", pmt.es_info) };
            assert_eq!((about.tag, &about.data[..]), (0x26, &[&id3[..], &[0x0f]].concat()[..]));
        }
        let (bytes, size) =
            (segment.bytes(Rendition::SourceTs), segment.size_bytes(Rendition::SourceTs));
        assert_eq!(bytes.unwrap().len(), size);
    }
    let counters = viewer.all().flat_map(|segment| {
        let bytes = segment.bytes(Rendition::SourceTs).unwrap();
        support::continuity(&bytes).remove(&0x102).unwrap_or_default()
    });
    let counters: Vec<u8> = counters.collect();
    assert!(counters.len() > 80 && counters.windows(2).all(|it| it[1] == (it[0] + 1) % 16));
}

#[test]
fn what_comes_after_its_part_is_said_at_the_start_of_the_open_one() {
    let viewer = live(&Source::default(), [(5_000, said(1_000, "late"))]);
    let [(at_ms, value)] = &in_fmp4(&viewer)[..] else { panic!("not once") };
    assert_eq!(value, "late");
    assert!((START_MS as u64 + 4_700..=START_MS as u64 + 5_000).contains(at_ms), "{at_ms}");
}

#[test]
fn what_comes_before_its_part_waits_for_it() {
    let viewer =
        live(&Source::default(), [(10, said(7_000, "early")), (20, said(6_000, "earlier"))]);
    assert_eq!(in_fmp4(&viewer), [(16_000, "earlier".to_owned()), (17_000, "early".to_owned())]);
}

#[test]
fn what_is_said_before_media_is_said_as_it_begins() {
    let viewer = live(&Source::default(), [(-1, said(0, "hello"))]);
    assert_eq!(in_fmp4(&viewer), [(10_000, "hello".to_owned())]);
}

#[test]
fn what_its_publisher_did_not_stay_for_is_dropped_and_counted() {
    let source = Source { seconds: 3, ..Source::default() };
    let viewer = live(&source, [(10, said(9_000, "never")), (20, said(1_000, "said"))]);
    let report = viewer.packager.report();
    assert_eq!((report.metadata_total, report.metadata_dropped_total), (1, 1));
}

#[test]
fn it_goes_on_across_a_change_of_tracks_and_another_publisher() {
    let source = Source { seconds: 3, ..Source::default() };
    let mut viewer = Viewer::new(packager());
    for round in 0..3 {
        viewer.publish(with(&source, [(1_500, said(1_500, &round.to_string()))]));
        viewer.interrupt();
    }
    viewer.finish();
    let fmp4 = in_fmp4(&viewer);
    let values: Vec<_> = fmp4.iter().map(|(_, value)| value.as_str()).collect();
    assert_eq!(values, ["0", "1", "2"]);
    assert_eq!(fmp4, viewer.all().flat_map(|segment| in_ts(segment)).collect::<Vec<_>>());
}

#[test]
fn a_thousand_that_wait_are_a_hundred() {
    let mut packager: Packager = packager();
    packager.begin(support::NOON_MS);
    for number in 0..1_000 {
        packager.push(said(number, "1")).unwrap();
    }
    assert_eq!(packager.report().metadata_dropped_total, 900);
}
