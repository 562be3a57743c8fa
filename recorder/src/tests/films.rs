//! Recordings as one file, whole and in clips.

use mp4_atom::{Ftyp, Moov, ReadFrom as _, Stbl, StszSamples, Trak};
use packager::film::{Declared, Piece, Tables, Take};

use super::*;

/// A disk that takes whatever comes, and swears by nothing.
#[derive(Debug)]
struct Unsynced;

impl Disk for Unsynced {
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
}

/// All bytes of a film, read in pieces as they come.
fn read(film: Arc<Film>) -> Result<Vec<u8>, Error> {
    let (len, mut reel, mut all) = (film.len(), film.reel(), Vec::new());
    while (all.len() as u64) < len {
        let piece = reel.read(all.len() as u64..len)?;
        assert!(!piece.is_empty() && piece.len() <= 256 * 1024);
        all.extend_from_slice(&piece);
    }
    assert!(reel.read(len..len + 1)?.is_empty(), "nothing beyond the end");
    Ok(all)
}

/// What a film of these segments of the source is, were it made at once in memory.
fn film_of(house: &House, msns: &[u64], take: &Take) -> Vec<u8> {
    let (mut tables, mut payload, mut last) = (Tables::default(), Vec::new(), None);
    let mut began_ms = None;
    for msn in msns {
        let segment = house.channel.segment(*msn).unwrap();
        if last.replace(*msn).is_some_and(|last: u64| last + 1 != *msn) || segment.discontinuity() {
            tables.break_off();
        }
        let bytes = segment.bytes(Rendition::Source).unwrap();
        let declared = Declared::read(&segment.init(Rendition::Source).unwrap().bytes).unwrap();
        append(&mut payload, &bytes, tables.add(SoundNumber::FIRST, &declared, &bytes, take));
        let date_ms = segment.listed(Rendition::Source).program_date_time_ms;
        if !payload.is_empty() {
            began_ms.get_or_insert(date_ms);
        }
        if let Some(bytes) = segment.bytes(Rendition::Audio(SECOND)) {
            let init = segment.init(Rendition::Audio(SECOND)).unwrap();
            let declared = Declared::read(&init.bytes).unwrap();
            append(&mut payload, &bytes, tables.add(SECOND, &declared, &bytes, take));
        }
    }
    let head = tables.head(&house.channel.labels(), began_ms.unwrap()).unwrap();
    [&head[..], &payload].concat()
}

fn append(payload: &mut Vec<u8>, segment: &[u8], pieces: Option<Vec<Piece>>) {
    for piece in pieces.unwrap() {
        match piece {
            Piece::Stored(span) => payload.extend_from_slice(&segment[span]),
            Piece::Sets(sets) => payload.extend_from_slice(&sets),
        }
    }
}

fn all_msns(house: &House) -> Vec<u64> {
    (0..=house.channel.state().last_msn.unwrap()).collect()
}

#[tokio::test]
async fn a_film_is_all_of_its_recording_and_any_range_is_a_part_of_it() {
    let house = House::new();
    let _publisher = publish_two_sounds(&house.channel, 0..9_100);
    house.end().await;
    let film = house.recordings.film("a").await.unwrap();
    let whole = read(Arc::clone(&film)).unwrap();
    assert!(whole == film_of(&house, &all_msns(&house), &Take::ALL), "as made at once");
    assert_eq!(&whole[4..8], b"ftyp");
    assert!(
        whole.windows(4).position(|it| it == b"moov")
            < whole.windows(4).position(|it| it == b"mdat")
    );
    let len = whole.len() as u64;
    for start in (0..len).step_by(977) {
        let range = start..(start + 1_500).min(len);
        let (mut reel, mut got) = (Arc::clone(&film).reel(), Vec::new());
        while (got.len() as u64) < range.end - range.start {
            got.extend_from_slice(&reel.read(range.start + got.len() as u64..range.end).unwrap());
        }
        assert_eq!(got, &whole[range.start as usize..range.end as usize], "{range:?}");
    }
}

#[tokio::test]
async fn a_film_is_made_once_for_all_who_ask_for_it() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..5_000);
    house.end().await;
    let both = tokio::join!(house.recordings.film("a"), house.recordings.film("a"));
    let (one, other) = (both.0.unwrap(), both.1.unwrap());
    assert!(Arc::ptr_eq(&one, &other));
    assert!(Arc::ptr_eq(&one, &house.recordings.film("a").await.unwrap()));
    house.recordings.delete(house.channel.name()).unwrap();
    assert!(matches!(house.recordings.film("a").await, Err(Error::Unknown)));
}

#[tokio::test]
async fn what_is_damaged_is_left_out_with_what_needs_it_and_the_rest_is_whole() {
    let house = House::new();
    // An IDR every nine seconds: segments are cut between them, and need the one before.
    let mut publisher = house.channel.claim(1_700_000_000_000);
    publisher.push(&mut tracks()).unwrap();
    publisher.push(&mut media_with_idr(9_000, 0..26_500)).unwrap();
    house.end().await;
    let msns = all_msns(&house);
    let is_independent = |msn: &u64| house.channel.segment(*msn).unwrap().independent();
    let hurt = *msns.iter().skip(1).find(|msn| !is_independent(msn)).unwrap();
    let next_good = *msns.iter().find(|msn| **msn > hurt && is_independent(msn)).unwrap();
    assert!(next_good > hurt + 1, "something needs it");
    let sound = house.recordings.film("a").await.unwrap();
    let bytes = house.channel.segment(hurt).unwrap().bytes(Rendition::Source).unwrap();
    let volume = house.recorded().join("00000.volume");
    let mut written = fs::read(&volume).unwrap();
    let at = written.windows(64).position(|it| it == &bytes[..64]).unwrap();
    written[at + 70] ^= 1;
    fs::write(&volume, written).unwrap();
    assert!(matches!(read(sound), Err(Error::Damaged)), "no other byte is given");
    house.recordings.forget_film("a");
    let film = house.recordings.film("a").await.unwrap();
    assert_eq!(film.left_out() as u64, next_good - hurt);
    let kept: Vec<u64> = msns.into_iter().filter(|msn| *msn < hurt || *msn >= next_good).collect();
    assert!(read(film).unwrap() == film_of(&house, &kept, &Take::ALL));
}

#[tokio::test]
async fn a_clip_is_from_the_keyframe_before_to_the_one_after() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..12_000);
    house.end().await;
    let s = |seconds: f64| (seconds * 1e9) as i64;
    // The timeline of an epoch begins at ten seconds.
    let taken = |from: f64, until: f64| {
        let range = || s(10.0 + from)..s(10.0 + until);
        Take { pictures: range(), sound: range() }
    };
    let played = |from, until| When::PlayedMs(from)..When::PlayedMs(until);
    let dated = |from: i64, until: i64| {
        When::DateMs(1_700_000_000_000 + from)..When::DateMs(1_700_000_000_000 + until)
    };
    let msns = all_msns(&house);
    for (wanted, from, until) in [
        (played(2_000, 4_000), 2.0, 4.0),
        (played(3_999, 4_001), 2.0, 6.0),
        (played(0, 1), 0.0, 2.0),
        (dated(5_000, 7_000), 4.0, 8.0),
    ] {
        let clip = house.recordings.clip("a", wanted.clone()).await.unwrap();
        let take = taken(from, until);
        let holds = |msn: &u64| {
            let segment = house.channel.segment(*msn).unwrap();
            let at_ms = segment.program_date_time_ms() - 1_700_000_000_000;
            let end_ms = at_ms + (segment.duration_us() / 1_000) as i64;
            at_ms <= (until * 1e3) as i64 && end_ms > (from * 1e3) as i64
        };
        let msns: Vec<u64> = msns.iter().copied().filter(holds).collect();
        assert!(read(clip).unwrap() == film_of(&house, &msns, &take), "{wanted:?}");
    }
    let to_the_end = house.recordings.clip("a", played(9_000, 99_000)).await.unwrap();
    let after = Take { pictures: s(18.0)..i64::MAX, sound: s(18.0)..i64::MAX };
    let of_the_end: Vec<u64> = msns.iter().copied().rev().take(2).rev().collect();
    assert!(read(to_the_end).unwrap() == film_of(&house, &of_the_end, &after));
    for nothing in [played(13_000, 14_000), played(3, 3), played(5, 1), dated(90_000, 99_000)] {
        let clip = house.recordings.clip("a", nothing.clone()).await;
        assert!(matches!(clip, Err(Error::Empty)), "{nothing:?}");
    }
}

#[tokio::test]
async fn a_clip_does_not_grow_by_minutes_for_want_of_keyframes() {
    let house = House::new();
    // Two, a minute and a half apart, and nothing after the second.
    let mut publisher = house.channel.claim(1_700_000_000_000);
    publisher.push(&mut tracks()).unwrap();
    for from_ms in (0..130_000).step_by(10_000) {
        let until_ms = from_ms + 10_000;
        publisher.push(&mut media_with_idr(90_000, from_ms..until_ms)).unwrap();
        // Before it leaves the window.
        let complete = house.channel.state().last_msn.map_or(0, |last| last + 1);
        house.until(|it| it.written >= complete).await;
    }
    house.end().await;
    let played =
        |from_s: u64, until_s: u64| When::PlayedMs(from_s * 1_000)..When::PlayedMs(until_s * 1_000);
    let clip = async |wanted| house.recordings.clip("a", wanted).await;
    for (from_s, until_s) in [(10, 80), (20, 89), (95, 129)] {
        let made = clip(played(from_s, until_s)).await;
        assert!(made.is_ok(), "{from_s} to {until_s}: {made:?}");
    }
    for (from_s, until_s) in [(60, 80), (10, 30), (50, 51), (92, 94)] {
        let made = clip(played(from_s, until_s)).await;
        assert!(matches!(made, Err(Error::NoKeyframe)), "{from_s} to {until_s}: {made:?}");
    }
}

/// A second of a small live: ten pictures, and sound at 8 kHz, each of which says its number.
fn second(at_s: i64, sent: &mut [Vec<Vec<u8>>; 2]) -> Vec<Event> {
    let picture = |n: i64| (n * 100, Kind::Video, n * 9_000, n % 20 == 0, n);
    let frames = |ms: i64| (ms * 8 + 1_023) / 1_024;
    let sound = |n: i64| (n * 1_024 / 8, Kind::Audio, n * 1_024, true, n);
    let pictures = (at_s * 10..at_s * 10 + 10).map(picture);
    let sounds = (frames(at_s * 1_000)..frames(at_s * 1_000 + 1_000)).map(sound);
    let mut all: Vec<_> = pictures.chain(sounds).collect();
    all.sort_by_key(|(at_ms, ..)| *at_ms);
    let event = |(_, kind, dts_ticks, is_sync, n): (i64, Kind, i64, bool, i64)| {
        let number = (sent[kind as usize].len() as u64).to_be_bytes();
        let data = match kind {
            Kind::Video => {
                let nal = if is_sync { 0x65 } else { 0x41 };
                let rest = vec![7; (n % 13) as usize];
                let len = 9 + rest.len() as u8;
                [&[0, 0, 0, len, nal], &number[..], &rest].concat()
            }
            Kind::Audio => [&number[..], &vec![9; (n % 7) as usize]].concat(),
        };
        sent[kind as usize].push(data.clone());
        Event::Sample(Sample { kind, dts_ticks, cts_ticks: 0, is_sync, data: data.into() })
    };
    all.into_iter().map(event).collect()
}

/// The samples of a track of a film: its sample entry, when it is decoded, in ticks, and its bytes.
fn samples<'a>(trak: &Trak, film: &'a [u8]) -> Vec<(u32, u64, &'a [u8])> {
    let Stbl { stts, stsc, stsz, stco, .. } = &trak.mdia.minf.stbl;
    let StszSamples::Different { sizes } = &stsz.samples else { panic!("all of one size") };
    let steps = stts.entries.iter();
    let mut steps =
        steps.flat_map(|it| std::iter::repeat_n(it.sample_delta, it.sample_count as usize));
    let (mut found, mut dts, mut run) = (Vec::with_capacity(sizes.len()), 0, 0);
    for (n, chunk) in stco.as_ref().unwrap().entries.iter().enumerate() {
        while stsc.entries.get(run + 1).is_some_and(|it| it.first_chunk as usize <= n + 1) {
            run += 1;
        }
        let mut at = *chunk as usize;
        for _ in 0..stsc.entries[run].samples_per_chunk {
            let size = sizes[found.len()] as usize;
            found.push((stsc.entries[run].sample_description_index, dts, &film[at..at + size]));
            at += size;
            dts += u64::from(steps.next().unwrap());
        }
    }
    assert_eq!(found.len(), sizes.len());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn three_hours_with_a_silence_and_other_settings_are_there_to_the_last_picture() {
    const SILENCE_AT_S: i64 = 3_600;
    const CHANGE_AT_S: i64 = 7_200;
    const END_S: i64 = 10_800;
    let house = House::with(Config { free_min_bytes: 0, ..Config::default() }, Arc::new(Unsynced));
    let of_level = |level: u8| {
        let mut record = AVCC.to_vec();
        (record[3], record[11]) = (level, level);
        let video = h264::Config::parse(record.into()).unwrap();
        let audio = aac::Config::parse(Bytes::from_static(&[0x15, 0x88])).unwrap();
        [Track::h264(video), Track::aac(audio)].map(|it| Event::TrackChanged(Arc::new(it))).to_vec()
    };
    let mut sent = [Vec::new(), Vec::new()];
    let mut publisher = house.channel.claim(1_700_000_000_000);
    publisher.push(&mut of_level(31)).unwrap();
    for at_s in 0..END_S {
        if at_s == SILENCE_AT_S {
            drop(publisher);
            for silent_ms in (0..20_000).step_by(500) {
                house.channel.gap(Duration::from_millis(silent_ms));
            }
            publisher = house.channel.claim(1_700_000_020_000 + at_s * 1_000);
            publisher.push(&mut of_level(31)).unwrap();
        }
        if at_s == CHANGE_AT_S {
            publisher.push(&mut of_level(40)).unwrap();
        }
        publisher.push(&mut second(at_s, &mut sent)).unwrap();
        if at_s % 10 == 9 {
            // As far as the disk is in a live that takes its time.
            let complete = house.channel.state().last_msn.unwrap();
            house.until(|progress| progress.written + 1 >= complete).await;
        }
    }
    let recording = house.end().await;
    assert_eq!(house.recorder.progress(house.channel.name()).map_or(0, |it| it.lost), 0);
    let film = house.recordings.film("a").await.unwrap();
    assert_eq!(film.left_out(), 0);
    let whole = read(film).unwrap();
    let mut rest = &whole[..];
    Ftyp::read_from(&mut rest).unwrap();
    let moov = Moov::read_from(&mut rest).unwrap();
    let [video, audio] = &moov.trak[..] else { panic!("two tracks") };
    let (pictures, sounds) = (samples(video, &whole), samples(audio, &whole));
    // Keyframes begin with the parameter sets that are theirs, and nothing else is new.
    let sets_len = 4 + 26 + 4 + 6;
    for (n, (_, _, bytes)) in pictures.iter().enumerate() {
        let bytes = if n % 20 == 0 { &bytes[sets_len..] } else { bytes };
        assert!(bytes == sent[0][n], "picture {n}");
    }
    assert!(sounds.iter().map(|it| it.2).eq(sent[1].iter().map(Vec::as_slice)), "sounds");
    assert_eq!(pictures.len(), 108_000);
    let changed = pictures.iter().position(|it| it.0 == 2).unwrap();
    assert_eq!(changed, 72_000);
    // Ten a second, to the tick, but for what a break takes until the sound before it has ended.
    let off_ticks = |n: usize| pictures[n].1.abs_diff(n as u64 * 9_000);
    assert_eq!((off_ticks(35_999), off_ticks(1)), (0, 0));
    assert!(
        off_ticks(71_999) < 90_000 / 5 && off_ticks(107_999) < 90_000 / 5,
        "{}",
        off_ticks(107_999)
    );
    let apart_us = |n: usize| {
        let sound_us = sounds[n * 25 / 32].1 * 125;
        (pictures[n].1 * 100 / 9).abs_diff(sound_us)
    };
    assert!(apart_us(107_968).abs_diff(apart_us(0)) < 200, "sound and picture are where they were");
    // The playlist has the same: what is in its segments, end to end, is the film.
    let listed = listed(&recording, Rendition::Source);
    let broken =
        listed.iter().filter(|(_, tags)| tags.iter().any(|it| it == "#EXT-X-DISCONTINUITY"));
    assert_eq!(broken.count(), 2);
    let mut payload = &rest[8..];
    let is_sets = |bytes: &[u8]| bytes.starts_with(&[0, 0, 0, 26, 0x67]);
    for (name, _) in &listed {
        let (epoch, file) = name.split_once('/').unwrap();
        let msn = file.strip_suffix(".m4s").unwrap().parse().unwrap();
        let bytes = bytes_of(recording.segment(epoch, Rendition::Source, msn).unwrap()).unwrap();
        let mut bytes = &bytes[..];
        while !bytes.is_empty() {
            let len = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
            if &bytes[4..8] == b"mdat" {
                if is_sets(payload) {
                    payload = &payload[sets_len..];
                }
                assert!(payload.starts_with(&bytes[8..len]), "segment {msn}");
                payload = &payload[len - 8..];
            }
            bytes = &bytes[len..];
        }
    }
    assert!(payload.is_empty(), "the film has nothing else");
    assert_eq!(recording.summary().duration_ms / 1_000, 10_800);
}
