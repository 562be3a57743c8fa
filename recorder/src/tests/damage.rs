//! Recordings that were cut short or changed on the disk.

use super::*;

/// A recording of some seconds in two sounds, and what it gives.
struct Sound {
    house: House,
    /// Every segment of every rendition, by its epoch, number and rendition.
    all: Vec<(u64, Rendition, Bytes)>,
    /// Every init segment, by its rendition and id.
    inits: Vec<(Rendition, u32, Bytes)>,
}

impl Sound {
    async fn new() -> Self {
        let house = House::new();
        let _publisher = publish_two_sounds(&house.channel, 0..6_100);
        house.end().await;
        let last = house.channel.state().last_msn.unwrap();
        let segments = (0..=last).map(|msn| house.channel.segment(msn).unwrap());
        let mut inits: Vec<(Rendition, u32, Bytes)> = Vec::new();
        for segment in segments.clone() {
            for init in segment.renditions().into_iter().filter_map(|it| segment.init(it)) {
                if !inits
                    .iter()
                    .any(|(rendition, id, _)| (*rendition, *id) == (init.rendition, init.id))
                {
                    inits.push((init.rendition, init.id, init.bytes));
                }
            }
        }
        let all = segments
            .flat_map(|segment| {
                let of = |rendition| {
                    let bytes = segment.bytes(rendition).unwrap_or_default();
                    (segment.msn(), rendition, bytes)
                };
                segment.renditions().into_iter().map(of).collect::<Vec<_>>()
            })
            .collect();
        Self { house, all, inits }
    }

    /// Opens what is left in the folder; fails if it gives other bytes than were written, or a segment whose init
    /// segment cannot be read. Says which segments are lost in any rendition.
    fn lost(&self) -> Vec<u64> {
        let recording = match Recording::open(&self.house.recorded()) {
            Ok(recording) => recording,
            Err(Error::Empty | Error::Unknown) => {
                let mut all: Vec<u64> = self.all.iter().map(|(msn, ..)| *msn).collect();
                all.dedup();
                return all;
            }
            Err(error) => panic!("{error}"),
        };
        let epoch = self.house.channel.epoch().as_str();
        let mut lost = Vec::new();
        for (msn, rendition, written) in &self.all {
            let content = recording.segment(epoch, *rendition, *msn);
            match content.map(bytes_of) {
                Some(Ok(bytes)) => assert_eq!(bytes, written, "{rendition:?} {msn}"),
                Some(Err(Error::Damaged)) | None => lost.push(*msn),
                Some(Err(error)) => panic!("{error}"),
            }
        }
        lost.dedup();
        for (rendition, id, written) in &self.inits {
            let init = recording.init(epoch, *rendition, *id);
            let init = init.map(|init| bytes_of(init).unwrap());
            assert_eq!(init.as_ref(), Some(written), "{rendition:?}, init segment {id}");
        }
        let _ = (recording.multivariant_playlist(), recording.media_playlist(Rendition::Source));
        lost
    }
}

#[tokio::test]
async fn an_index_cut_anywhere_gives_all_that_was_told_of_before() {
    let sound = Sound::new().await;
    let path = sound.house.recorded().join("index");
    let index = fs::read(&path).unwrap();
    let ends: Vec<usize> = {
        let mut at = 0;
        let lines = index.split_inclusive(|byte| *byte == b'\n').map(|line| {
            at += line.len();
            (line, at)
        });
        let is_segment = |line: &[u8]| line.windows(10).any(|it| it == b"{\"segment\"");
        lines.filter(|(line, _)| is_segment(line)).map(|(_, end)| end).collect()
    };
    assert!(ends.len() >= 4);
    for len in (0..index.len()).rev().step_by(7) {
        fs::write(&path, &index[..len]).unwrap();
        let told = ends.iter().filter(|end| **end <= len).count() as u64;
        let expected: Vec<u64> = (told..ends.len() as u64).collect();
        assert_eq!(sound.lost(), expected, "cut at {len}");
    }
}

#[tokio::test]
async fn a_volume_cut_anywhere_gives_all_that_lies_before() {
    let sound = Sound::new().await;
    let path = sound.house.recorded().join("00000.volume");
    let volume = fs::read(&path).unwrap();
    let mut before = 0;
    for len in (0..volume.len()).rev().step_by(37) {
        fs::write(&path, &volume[..len]).unwrap();
        let lost = sound.lost();
        let last = sound.all.last().unwrap().0;
        let tail: Vec<u64> = (last + 1 - lost.len() as u64..=last).collect();
        assert_eq!(lost, tail, "cut at {len}: the last ones and no other");
        assert!(lost.len() - before <= 1, "one after the other");
        before = lost.len();
    }
}

#[tokio::test]
async fn a_byte_turned_anywhere_costs_one_segment_at_most() {
    let sound = Sound::new().await;
    for (file, step) in [("index", 5), ("00000.volume", 101)] {
        let path = sound.house.recorded().join(file);
        let bytes = fs::read(&path).unwrap();
        for at in (0..bytes.len()).step_by(step) {
            let mut turned = bytes.clone();
            turned[at] ^= 1 << (at % 8);
            fs::write(&path, &turned).unwrap();
            let lost = sound.lost();
            assert!(lost.len() <= 1, "{file}, byte {at}: {lost:?}");
        }
        fs::write(&path, &bytes).unwrap();
    }
    assert!(sound.lost().is_empty());
}

#[tokio::test]
async fn a_power_cut_that_kept_the_index_and_not_the_bytes_is_seen() {
    let sound = Sound::new().await;
    let folder = sound.house.recorded();
    let index = fs::read_to_string(folder.join("index")).unwrap();
    let (open, _) = index.split_once("\n1 ").map(|_| index.rsplit_once("\n\n1 ").unwrap()).unwrap();
    fs::write(folder.join("index"), format!("{open}\n")).unwrap();
    // The length came to the disk, the last bytes did not.
    let mut volume = fs::read(folder.join("00000.volume")).unwrap();
    // Zeros fill up its last block.
    let len = volume.iter().rposition(|byte| *byte != 0).unwrap();
    volume[len - 100..].fill(0);
    fs::write(folder.join("00000.volume"), volume).unwrap();
    let recording = Recording::open(&folder).unwrap();
    let last = sound.all.last().unwrap().0;
    assert_eq!(recording.summary().segments, last, "the last one is not even listed");
    assert_eq!(recording.summary().damaged, 1);
    drop(recording);

    // Also when the live went on after it, to its end.
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let house = House::in_folder(sound.house.folder, config, Arc::new(System), 2);
    let _publisher = publish(&house.channel, 0..4_100);
    let recording = house.end().await;
    let after = house.channel.state().last_msn.unwrap() + 1;
    assert_eq!(recording.summary().segments, last + after);
    assert_eq!(recording.summary().damaged, 1);
}
