use std::sync::Arc;

use bytes::Bytes;
use media::{
    Event, Kind, Label, Language, Name, Sample as Pushed, Track,
    codec::{aac, h264},
    id::{Epoch, PlaybackName},
};
use mp4_atom::{Stbl, StszSamples, Trak};

use super::*;
use crate::{Config, Packager, Rendition, Segment};

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const SOUND: SoundNumber = SoundNumber::FIRST;

fn picture(level: u8) -> Event {
    let mut record = AVCC.to_vec();
    record[3] = level;
    record[11] = level;
    let config = h264::Config::parse(Bytes::from(record)).unwrap();
    Event::TrackChanged(Arc::new(Track::h264(config)))
}

fn sound(asc: [u8; 2]) -> Event {
    let config = aac::Config::parse(Bytes::copy_from_slice(&asc)).unwrap();
    Event::TrackChanged(Arc::new(Track::aac(config)))
}

/// AAC-LC in stereo at 48 000 and 44 100 Hz.
const AT_48: [u8; 2] = [0x11, 0x90];
const AT_44: [u8; 2] = [0x12, 0x10];

/// Pictures and sound of so many milliseconds, as a publisher numbers them; an IDR every two seconds. With
/// pictures that are seen later than they are decoded, where `delay` is not zero.
fn media(until_ms: i64, delay: i32, rate: i64) -> Vec<Event> {
    let video = (0..until_ms / 40).map(|n| {
        let (dts, cts) = (n * 3_600, if n % 2 == 0 { delay } else { delay * 2 });
        (n * 40, pushed(Kind::Video, dts, cts, n % 50 == 0, n))
    });
    let audio = (0..).map(|n| (n * 1_024 * 1_000 / rate, n)).take_while(|(at, _)| *at < until_ms);
    let audio = audio.map(|(at, n)| (at, pushed(Kind::Audio, n * 1_024, 0, true, n)));
    let mut all: Vec<_> = video.chain(audio).collect();
    all.sort_by_key(|(at, _)| *at);
    all.into_iter().map(|(_, sample)| Event::Sample(sample)).collect()
}

fn pushed(kind: Kind, dts_ticks: i64, cts_ticks: i32, is_sync: bool, n: i64) -> Pushed {
    let data = match kind {
        Kind::Video => {
            let nal = if is_sync { 0x65 } else { 0x41 };
            let rest = &[7; 51][..(n % 40) as usize + 11];
            let len = 1 + 8 + rest.len() as u8;
            [&[0, 0, 0, len, nal][..], &n.to_be_bytes(), rest].concat()
        }
        Kind::Audio => [&n.to_be_bytes()[..], &vec![9; (n % 30) as usize]].concat(),
    };
    Pushed { kind, dts_ticks, cts_ticks, is_sync, data: data.into() }
}

/// The segments of several publishers, one after the other.
fn live(publishers: Vec<Vec<Event>>) -> Vec<Arc<Segment>> {
    let name: PlaybackName = "a".parse().unwrap();
    let config = Config { window_ms: 3_600_000, ..Config::default() };
    let mut packager = Packager::new(config, name, Epoch::from_random([1; 5]));
    for (n, events) in (0..).zip(publishers) {
        packager.begin(1_700_000_000_000 + n * 60_000);
        for event in events {
            packager.push(event).unwrap();
        }
        packager.interrupt();
    }
    packager.finish();
    (0..)
        .map_while(|msn| packager.segment(msn))
        .filter(|it| !it.is_gap(Rendition::Source))
        .collect()
}

/// A film of segments, as a file and taken apart.
struct Film {
    bytes: Vec<u8>,
    moov: Moov,
}

impl Film {
    fn of(segments: &[Arc<Segment>], labels: &Labels) -> Self {
        let init = |it: &Arc<Segment>| it.init(Rendition::Source).unwrap().bytes;
        let declared: Vec<_> =
            segments.iter().map(|it| Declared::read(&init(it)).unwrap()).collect();
        let (mut tables, mut payload) = (Tables::of(&declared), Vec::new());
        for segment in segments {
            if segment.discontinuity() {
                tables.break_off();
            }
            add(&mut tables, segment, &Take::ALL, &mut payload);
        }
        Self::made(tables, payload, labels)
    }

    fn made(tables: Tables, payload: Vec<u8>, labels: &Labels) -> Self {
        let mut bytes = tables.head(labels, 1_700_000_000_000).unwrap().to_vec();
        bytes.extend(payload);
        let mut rest = &bytes[..];
        Ftyp::read_from(&mut rest).unwrap();
        let moov = Moov::read_from(&mut rest).unwrap();
        let mdat_len = u32::from_be_bytes(rest[..4].try_into().unwrap());
        assert_eq!(
            (&rest[4..8], mdat_len as usize),
            (&b"mdat"[..], rest.len()),
            "and nothing after"
        );
        Self { bytes, moov }
    }

    /// The samples of a track: its sample entry, when it is seen by the edits, in ticks, and its bytes.
    fn samples(&self, at: usize) -> Vec<(u32, i64, &[u8])> {
        let trak = &self.moov.trak[at];
        let edits = &trak.edts.as_ref().unwrap().elst.as_ref().unwrap().entries;
        let timescale = Timescale::new(trak.mdia.mdhd.timescale).unwrap();
        let (mut late, mut from) = (0, 0);
        for edit in edits {
            match edit.media_time {
                None => late = FILM.rescale(edit.segment_duration as i64, timescale),
                Some(at) => from = at as i64,
            }
        }
        let Stbl { stts, ctts, stsc, stsz, stco, .. } = &trak.mdia.minf.stbl;
        let steps = stts
            .entries
            .iter()
            .flat_map(|it| vec![i64::from(it.sample_delta); it.sample_count as usize]);
        let mut offsets = ctts
            .iter()
            .flat_map(|it| &it.entries)
            .flat_map(|it| vec![it.sample_offset; it.sample_count as usize]);
        let chunks = &stco.as_ref().unwrap().entries;
        let mut sizes: Vec<u32> = match &stsz.samples {
            StszSamples::Different { sizes } => sizes.clone(),
            StszSamples::Identical { count, size } => vec![*size; *count as usize],
        };
        sizes.reverse();
        let mut samples = Vec::new();
        for (n, chunk) in chunks.iter().enumerate() {
            let run =
                stsc.entries.iter().rev().find(|it| it.first_chunk as usize <= n + 1).unwrap();
            let mut at = *chunk as usize;
            for _ in 0..run.samples_per_chunk {
                let size = sizes.pop().unwrap() as usize;
                samples.push((run.sample_description_index, &self.bytes[at..at + size]));
                at += size;
            }
        }
        assert!(sizes.is_empty(), "every sample is in a chunk");
        let mut dts = 0;
        let timed = samples.into_iter().zip(steps).map(|((entry, bytes), step)| {
            let seen = dts + offsets.next().unwrap_or(0) - from + late;
            dts += step;
            (entry, seen, bytes)
        });
        timed.collect()
    }

    fn track(&self, at: usize) -> &Trak {
        &self.moov.trak[at]
    }
}

fn add(tables: &mut Tables, segment: &Segment, take: &Take, payload: &mut Vec<u8>) {
    let declared = Declared::read(&segment.init(Rendition::Source).unwrap().bytes).unwrap();
    let bytes = segment.bytes(Rendition::Source).unwrap();
    for piece in tables.add(SOUND, &declared, &bytes, take).unwrap() {
        match piece {
            Piece::Stored(span) => payload.extend_from_slice(&bytes[span]),
            Piece::Sets(sets) => payload.extend_from_slice(&sets),
        }
    }
}

/// The bytes of all samples of a kind that were pushed.
fn data(events: &[Event], kind: Kind) -> Vec<Bytes> {
    let data = |event: &Event| match event {
        Event::Sample(sample) if sample.kind == kind => Some(sample.data.clone()),
        _ => None,
    };
    events.iter().filter_map(data).collect()
}

fn with_tracks(tracks: [Event; 2], media: Vec<Event>) -> Vec<Event> {
    tracks.into_iter().chain(media).collect()
}

#[test]
fn a_film_has_every_sample_that_was_sent_at_its_time() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(9_000, 3_600, 48_000));
    let film = Film::of(&live(vec![sent.clone()]), &Labels::default());
    assert_eq!(film.moov.trak.len(), 2);
    let pictures = film.samples(0);
    let sounds = film.samples(1);
    assert!(pictures.iter().map(|it| it.2).eq(data(&sent, Kind::Video)));
    assert!(sounds.iter().map(|it| it.2).eq(data(&sent, Kind::Audio)));
    // Sound is first; pictures are seen 40 ms after they are decoded, every other one 80 ms.
    let seen = |n: i64| n * 3_600 + if n % 2 == 0 { 3_600 } else { 7_200 };
    assert!(pictures.iter().map(|it| it.1).eq((0..225).map(seen)));
    assert!(sounds.iter().map(|it| it.1).eq((0..).map(|n| n * 1_024).take(sounds.len())));
    let sync = film.track(0).mdia.minf.stbl.stss.as_ref().unwrap();
    assert_eq!(sync.entries, [1, 51, 101, 151, 201]);
    assert_eq!(film.track(1).mdia.minf.stbl.stss, None, "every sound can be");
    assert_eq!(film.moov.mvhd.duration / 90, 9_040, "to the end of the last picture");
    let rows = &film.track(1).mdia.minf.stbl.stts.entries;
    assert_eq!(rows.len(), 1, "alike steps are told once: {rows:?}");
}

#[test]
fn after_a_break_sound_and_picture_go_on_together_with_nothing_between() {
    let first = with_tracks([picture(31), sound(AT_48)], media(5_000, 3_600, 48_000));
    let second = with_tracks([picture(31), sound(AT_48)], media(4_000, 7_200, 48_000));
    let film = Film::of(&live(vec![first.clone(), second.clone()]), &Labels::default());
    let (pictures, sounds) = (film.samples(0), film.samples(1));
    let both = |kind| [data(&first, kind), data(&second, kind)].concat();
    assert!(pictures.iter().map(|it| it.2).eq(both(Kind::Video)));
    assert!(sounds.iter().map(|it| it.2).eq(both(Kind::Audio)));
    let (first_pictures, first_sounds) = (125, data(&first, Kind::Audio).len());
    // Where the picture of the second publisher stands to his sound: as he sent them.
    let picture_us = pictures[first_pictures].1 * 1_000_000 / 90_000;
    let sound_us = sounds[first_sounds].1 * 1_000_000 / 48_000;
    assert!((picture_us - sound_us - 80_000).abs() < 30, "{picture_us} {sound_us}");
    // The last picture of the first is seen until 5 040 ms, and 40 ms longer than the next of its kind.
    let end_us = pictures[..first_pictures].iter().map(|it| it.1 + 3_600).max().unwrap() * 100 / 9;
    assert!((sound_us - end_us).abs() < 30, "{sound_us} after {end_us}");
    assert!(pictures.is_sorted_by_key(|it| it.1 / 7_200), "in their order");
}

#[test]
fn another_configuration_is_another_sample_entry_of_the_same_track() {
    let first = with_tracks([picture(31), sound(AT_48)], media(4_000, 0, 48_000));
    let second = with_tracks([picture(40), sound(AT_44)], media(4_000, 0, 44_100));
    let sent = [first.clone(), second.clone()].concat();
    let film = Film::of(&live(vec![first.clone(), second.clone()]), &Labels::default());
    assert_eq!(film.moov.trak.len(), 2);
    let entry_levels = |at: usize| -> Vec<u8> {
        let entries = film.track(at).mdia.minf.stbl.stsd.codecs.iter();
        entries
            .map(|it| match it {
                Codec::Avc1(it) => it.avcc.avc_level_indication,
                _ => 0,
            })
            .collect()
    };
    assert_eq!(entry_levels(0), [31, 40]);
    let pictures = film.samples(0);
    // Each keyframe begins with the sets of its configuration, which its record has.
    let sets = [&[0, 0, 0, 26][..], &AVCC[8..34], &[0, 0, 0, 6], &AVCC[37..43]].concat();
    let sets_of = |level: u8| {
        let mut sets = sets.clone();
        sets[7] = level;
        sets
    };
    let with_sets = data(&sent, Kind::Video).into_iter().enumerate().map(|(n, data)| match n {
        0 | 50 => [&sets_of(31)[..], &data].concat(),
        100 | 150 => [&sets_of(40)[..], &data].concat(),
        _ => data.to_vec(),
    });
    assert!(pictures.iter().map(|it| it.2.to_vec()).eq(with_sets));
    assert_eq!(pictures.iter().filter(|it| it.0 == 2).count(), 100);
    let sounds = film.samples(1);
    assert!(sounds.iter().map(|it| it.2).eq(data(&sent, Kind::Audio)));
    assert_eq!(film.track(1).mdia.mdhd.timescale, 48_000);
    // 44 100 Hz in ticks of 48 000: rounded each by itself, so that no error adds up.
    let at = data(&first, Kind::Audio).len();
    for (n, (entry, seen, _)) in (0..).zip(&sounds[at..]) {
        assert_eq!(*entry, 2);
        let true_ticks = sounds[at].1 + n * 1_024 * 48_000 / 44_100;
        assert!((seen - true_ticks).abs() <= 1, "{n}");
    }
}

#[test]
fn a_picture_that_nobody_sends_any_more_leaves_the_sound_whole() {
    let first = with_tracks([picture(31), sound(AT_48)], media(4_000, 0, 48_000));
    let second: Vec<Event> =
        [sound(AT_48)]
            .into_iter()
            .chain(media(4_000, 0, 48_000).into_iter().filter(
                |event| matches!(event, Event::Sample(sample) if sample.kind == Kind::Audio),
            ))
            .collect();
    let sent = [first.clone(), second.clone()].concat();
    let film = Film::of(&live(vec![first, second]), &Labels::default());
    assert!(film.samples(1).iter().map(|it| it.2).eq(data(&sent, Kind::Audio)));
    assert_eq!(film.samples(0).len(), 100);
}

#[test]
fn a_sound_is_named_as_its_publisher_named_it() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(3_000, 0, 48_000));
    let mut labels = Labels::default();
    labels.0[0] = Label { language: Language::parse("fr"), name: Name::parse("Commentaire") };
    let film = Film::of(&live(vec![sent]), &labels);
    let mdia = &film.track(1).mdia;
    assert_eq!((mdia.mdhd.language.as_str(), mdia.hdlr.name.as_str()), ("fra", "Commentaire"));
    assert_eq!(film.track(0).mdia.mdhd.language, "und");
}

#[test]
fn what_is_taken_begins_with_a_keyframe_and_the_sound_of_its_time() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(8_000, 3_600, 48_000));
    let segments = live(vec![sent.clone()]);
    let (mut tables, mut payload) = (Tables::default(), Vec::new());
    let all_keys: Vec<Key> = segments
        .iter()
        .flat_map(|it| {
            let declared = Declared::read(&it.init(Rendition::Source).unwrap().bytes).unwrap();
            keys(&declared, &it.bytes(Rendition::Source).unwrap()).unwrap().1
        })
        .collect();
    assert_eq!(all_keys.len(), 4);
    let (from, until) = (all_keys[1], all_keys[2]);
    let take =
        Take { pictures: from.decoded_ns..until.decoded_ns, sound: from.shown_ns..until.shown_ns };
    for segment in &segments {
        add(&mut tables, segment, &take, &mut payload);
    }
    let film = Film::made(tables, payload, &Labels::default());
    let pictures: Vec<_> = film.samples(0).iter().map(|it| it.2.to_vec()).collect();
    assert_eq!(pictures, data(&sent, Kind::Video)[50..100]);
    let sounds = film.samples(1);
    let of_sound = data(&sent, Kind::Audio);
    // 2 040 ms, when the keyframe is seen, are 95.6 frames of sound.
    assert_eq!(sounds.first().unwrap().2, of_sound[96]);
    assert_eq!(sounds.len(), 94);
    let late_us = sounds[0].1 * 1_000_000 / 48_000 - film.samples(0)[0].1 * 1_000_000 / 90_000;
    assert!((late_us - 8_000).abs() < 30, "as far apart as they were sent: {late_us}");
}

#[test]
fn offsets_below_zero_change_nothing_of_when_a_picture_is_seen() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(4_000, -3_600, 48_000));
    let film = Film::of(&live(vec![sent]), &Labels::default());
    let (pictures, sounds) = (film.samples(0), film.samples(1));
    let seen = |n: i64| n * 3_600 - if n % 2 == 0 { 3_600 } else { 7_200 };
    let first = pictures.iter().map(|it| it.1).min().unwrap();
    assert_eq!(first, 0, "it begins with a picture");
    let apart = pictures[0].1 - seen(0);
    assert!(pictures.iter().map(|it| it.1).eq((0..100).map(|n| seen(n) + apart)));
    assert!((sounds[0].1 * 90_000 / 48_000 - apart).abs() <= 2, "{} {apart}", sounds[0].1);
}

#[test]
fn bytes_that_are_no_segment_change_nothing() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(3_000, 0, 48_000));
    let segments = live(vec![sent]);
    let declared = Declared::read(&segments[0].init(Rendition::Source).unwrap().bytes).unwrap();
    let bytes = segments[1].bytes(Rendition::Source).unwrap();
    let mut tables = Tables::default();
    for len in [1, 7, 8, 100, bytes.len() - 1] {
        assert_eq!(tables.add(SOUND, &declared, &bytes[..len], &Take::ALL), None, "{len}");
    }
    let mut turned = bytes.to_vec();
    for at in 0..400 {
        turned[at] ^= 0xff;
        let _ = Tables::default().add(SOUND, &declared, &turned, &Take::ALL);
        turned[at] ^= 0xff;
    }
    assert_eq!((tables.payload_len(), tables.held_bytes()), (0, 0));
    assert!(tables.head(&Labels::default(), 0).is_err(), "a film of nothing");
    assert!(Declared::read(&bytes).is_none() && Declared::read(b"").is_none());
}

#[test]
fn beyond_four_gigabytes_offsets_have_64_bits() {
    let sent = with_tracks([picture(31), sound(AT_48)], media(3_000, 0, 48_000));
    let segments = live(vec![sent]);
    let mut tables = Tables::default();
    add(&mut tables, &segments[0], &Take::ALL, &mut Vec::new());
    let first_len = tables.payload_len;
    tables.payload_len = 5 << 30;
    add(&mut tables, &segments[1], &Take::ALL, &mut Vec::new());
    let payload_len = tables.payload_len();
    let head = tables.head(&Labels::default(), 0).unwrap();
    let mut rest = &head[..];
    Ftyp::read_from(&mut rest).unwrap();
    let moov = Moov::read_from(&mut rest).unwrap();
    assert_eq!(rest.len(), 16);
    assert_eq!(rest[..8], [0, 0, 0, 1, b'm', b'd', b'a', b't']);
    assert_eq!(u64::from_be_bytes(rest[8..].try_into().unwrap()), payload_len + 16);
    let chunks = &moov.trak[0].mdia.minf.stbl.co64.as_ref().unwrap().entries;
    assert_eq!(chunks[0], head.len() as u64);
    assert!(chunks[0] + first_len < 1 << 30 && chunks.last().unwrap() > &(5 << 30));
}

#[test]
fn pictures_that_wait_longer_after_a_break_are_decoded_no_faster() {
    let of = |delay: i32| -> Vec<Event> {
        let is_picture =
            |event: &Event| !matches!(event, Event::Sample(it) if it.kind == Kind::Audio);
        let media = media(4_000, delay, 48_000).into_iter().filter(is_picture);
        [picture(31)].into_iter().chain(media).collect()
    };
    let (first, second) = (of(0), of(14_400));
    let film = Film::of(&live(vec![first.clone(), second.clone()]), &Labels::default());
    let sent = [data(&first, Kind::Video), data(&second, Kind::Video)].concat();
    assert!(film.samples(0).iter().map(|it| it.2).eq(sent));
    let steps = &film.track(0).mdia.minf.stbl.stts.entries;
    assert!(steps.iter().all(|run| run.sample_delta >= 3_600), "{steps:?}");
}
