//! Recordings of lives, with disks of every kind.

use std::collections::HashMap;

use super::*;

/// A disk that takes nothing while it is shut.
#[derive(Debug, Default)]
pub(super) struct Gate {
    shut: Mutex<Shut>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Shut {
    is_shut: bool,
    waiting: usize,
}

impl Gate {
    pub(super) fn set(&self, is_shut: bool) {
        self.shut.lock().unwrap().is_shut = is_shut;
        self.changed.notify_all();
    }

    /// Waits until somebody waits for the disk.
    pub(super) fn until_awaited(&self) {
        let shut = self.shut.lock().unwrap();
        let (shut, _) =
            self.changed.wait_timeout_while(shut, SOON, |shut| shut.waiting == 0).unwrap();
        assert_eq!(shut.waiting, 1);
    }
}

impl Disk for Gate {
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut shut = self.shut.lock().unwrap();
        shut.waiting += 1;
        self.changed.notify_all();
        let mut shut = self.changed.wait_while(shut, |shut| shut.is_shut).unwrap();
        shut.waiting -= 1;
        drop(shut);
        System.write(file, bytes, at)
    }
}

/// A disk that has as much room as it is told.
#[derive(Debug, Default)]
struct Small(Mutex<u64>);

impl Disk for Small {
    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(*self.0.lock().unwrap())
    }
}

/// A disk whose next writes fail.
#[derive(Debug, Default)]
struct Faulty(Mutex<u32>);

impl Disk for Faulty {
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        let mut left = self.0.lock().unwrap();
        if *left > 0 {
            *left -= 1;
            // Half of it is there all the same.
            System.write(file, &bytes[..bytes.len() / 2], at)?;
            return Err(io::Error::other("a bad block"));
        }
        drop(left);
        System.write(file, bytes, at)
    }
}

#[tokio::test]
async fn a_recording_gives_back_every_byte_its_viewers_got() {
    let house = House::new();
    let mut publisher = publish_two_sounds(&house.channel, 0..4_500);
    let (name, value) = ("onCuePoint".into(), "{}".into());
    let said = media::Metadata { at_ms: 4_600, name, value };
    publisher.push(&mut vec![Event::Metadata(said)]).unwrap();
    publisher.push(&mut media_in_two_sounds(4_500..9_000)).unwrap();
    gives_back_all(&house).await;
    let last = house.channel.state().last_msn.unwrap();
    let renditions = house.channel.segment(last).unwrap().renditions();
    assert_eq!(renditions.len(), 4, "{renditions:?}");
}

#[tokio::test]
async fn a_recording_of_one_track_gives_back_every_byte_its_viewers_got() {
    for kind in [Kind::Video, Kind::Audio] {
        let is_it = |event: &Event| match event {
            Event::TrackChanged(track) => track.kind() == kind,
            Event::Sample(sample) => sample.kind == kind,
            _ => false,
        };
        let house = House::new();
        let mut publisher = house.channel.claim(1_700_000_000_000);
        publisher.push(&mut tracks().into_iter().filter(is_it).collect()).unwrap();
        publisher.push(&mut media(0..9_000).into_iter().filter(is_it).collect()).unwrap();
        gives_back_all(&house).await;
    }
}

/// Ends a live, and compares its window with its recording.
async fn gives_back_all(house: &House) {
    let recording = house.end().await;
    let epoch = house.channel.epoch().as_str();
    let last = house.channel.state().last_msn.unwrap();
    assert_eq!(recording.summary().segments, last + 1);
    for msn in 0..=last {
        let segment = house.channel.segment(msn).unwrap();
        for rendition in segment.renditions() {
            let content = recording.segment(epoch, rendition, msn).unwrap();
            let live = segment.bytes(rendition).unwrap_or_default();
            assert_eq!(bytes_of(content).unwrap(), live, "{rendition:?} {msn}");
            let id = segment.listed(rendition).init_id.unwrap();
            let init = bytes_of(recording.init(epoch, rendition, id).unwrap()).unwrap();
            assert_eq!(Some(init), house.channel.init(rendition, id), "{rendition:?} {id}");
        }
    }
}

#[tokio::test]
async fn a_live_that_is_recorded_holds_no_more_than_one_that_is_not() {
    let house = House::new();
    let other = live(1, packager::Config::default());
    let _publishers = [&house.channel, &other].map(|channel| publish(channel, 0..4_100));
    house.until(|progress| progress.written == 3).await;
    assert_eq!(house.channel.report().bytes_held, other.report().bytes_held);
}

#[tokio::test]
async fn a_recording_lists_what_its_live_listed_and_ends() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..6_500);
    let recording = house.end().await;
    let vod = text(recording.media_playlist(Rendition::Source));
    for tag in ["#EXT-X-PLAYLIST-TYPE:VOD\n", "#EXT-X-ENDLIST\n", "#EXT-X-MEDIA-SEQUENCE:0\n"] {
        assert!(vod.contains(tag), "{vod}");
    }
    // The same durations and dates, of segments in a folder of their epoch.
    let live = text(house.channel.media_playlist(Rendition::Source));
    let told = |text: &str| -> Vec<String> {
        let is_told = |line: &&str| line.starts_with("#EXTINF") || line.contains("DATE-TIME");
        text.lines().filter(is_told).map(str::to_owned).collect()
    };
    assert_eq!(told(&vod), told(&live));
    assert!(vod.contains(&format!("\n{}/0.m4s\n", house.channel.epoch())), "{vod}");
    let multivariant = text(recording.multivariant_playlist());
    let live = text(house.channel.multivariant_playlist(Rendition::Source));
    let folder = format!("a/{}/", house.channel.epoch());
    assert_eq!(multivariant, live.replace(&folder, ""));
    assert_eq!(recording.summary().picture, Some((1_280, 720)));
    let last = house.channel.state().last_msn.unwrap();
    let us: u64 = (0..=last).map(|msn| house.channel.segment(msn).unwrap().duration_us()).sum();
    assert_eq!(recording.summary().duration_ms, us / 1_000);
}

#[tokio::test]
async fn a_recording_of_several_sounds_offers_them_as_its_live_did() {
    let house = House::new();
    let mut publisher = publish_two_sounds(&house.channel, 0..4_000);
    let mut labels = media::Labels::default();
    labels.0[1].language = media::Language::parse("ar");
    publisher.push(&mut vec![Event::SoundsLabelled(Arc::new(labels))]).unwrap();
    publisher.push(&mut media_in_two_sounds(4_000..8_000)).unwrap();
    let recording = house.end().await;
    let live = text(house.channel.multivariant_playlist(Rendition::Source));
    let folder = format!("a/{}/", house.channel.epoch());
    assert_eq!(text(recording.multivariant_playlist()), live.replace(&folder, ""));
    assert!(live.contains("LANGUAGE=\"ar\""), "{live}");
}

#[tokio::test]
async fn all_renditions_of_a_recording_say_the_same_target_duration() {
    let house = House::new();
    let _publisher = publish_two_sounds(&house.channel, 0..6_000);
    house.end().await;
    // As where the second sound of one segment ends long after its picture.
    let path = house.recorded().join("index");
    let mut records = index::Index::read(&fs::read(&path).unwrap()).records;
    for record in &mut records {
        if let index::Record::Segment(segment) = record
            && segment.msn == 1
        {
            segment.renditions.last_mut().unwrap().duration_us = 5_600_000;
        }
    }
    fs::write(&path, records.iter().map(index::Record::line).collect::<String>()).unwrap();
    let recording = Recording::open(&house.recorded()).unwrap();
    for rendition in
        [Rendition::Source, Rendition::Video, Rendition::SOUND, Rendition::Audio(SECOND)]
    {
        let text = text(recording.media_playlist(rendition));
        assert!(text.contains("#EXT-X-TARGETDURATION:6\n"), "{rendition:?} {text}");
    }
}

#[tokio::test]
async fn a_silence_is_left_out_and_what_comes_after_it_is_a_discontinuity() {
    let house = House::new();
    drop(publish(&house.channel, 0..4_000));
    for silent_ms in (0..6_000).step_by(500) {
        house.channel.gap(Duration::from_millis(silent_ms));
    }
    let mut publisher = house.channel.claim(1_700_000_010_000);
    publisher.push(&mut tracks()).unwrap();
    publisher.push(&mut media(0..4_000)).unwrap();
    let recording = house.end().await;
    let last = house.channel.state().last_msn.unwrap();
    let all = (0..=last).map(|msn| house.channel.segment(msn).unwrap());
    assert!(all.clone().any(|segment| segment.is_gap(Rendition::Source)));
    let with_media: Vec<_> =
        all.filter(|it| !it.is_gap(Rendition::Source)).map(|it| it.msn()).collect();
    let listed = listed(&recording, Rendition::Source);
    let named: Vec<_> =
        with_media.iter().map(|msn| format!("{}/{msn}.m4s", house.channel.epoch())).collect();
    assert_eq!(listed.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), named);
    let broken: Vec<_> = listed
        .iter()
        .filter(|(_, tags)| tags.contains(&"#EXT-X-DISCONTINUITY".to_owned()))
        .collect();
    let [(_, tags)] = broken[..] else { panic!("{broken:?}") };
    assert!(
        tags.contains(&"#EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:30.000Z".to_owned()),
        "{tags:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_stands_still_stops_no_live_and_the_recording_goes_on_with_an_idr() {
    let gate = Arc::new(Gate::default());
    let house = House::with(Config { free_min_bytes: 0, ..Config::default() }, gate.clone());
    let mut publisher = publish(&house.channel, 0..4_100);
    house.until(|progress| progress.written == 3).await;
    gate.set(true);
    publisher.push(&mut media(4_100..6_100)).unwrap();
    gate.until_awaited();
    // Two minutes and a half of live, many times the window, while the disk takes nothing.
    for second in 0..150 {
        let from = 6_100 + second * 1_000;
        let progress = publisher.push(&mut media_with_idr(10_000, from..from + 1_000)).unwrap();
        assert!(progress.part, "the live goes on");
    }
    assert!(house.channel.segment(3).is_none(), "which is far beyond its window");
    let last = house.channel.state().last_msn.unwrap();
    let mut held = (0..=last).filter_map(|msn| house.channel.segment(msn)).peekable();
    let oldest_msn = held.peek().unwrap().msn();
    let opens_at = held.find(|segment| segment.independent()).unwrap().msn();
    assert!(oldest_msn < opens_at, "the oldest cannot be decoded alone");
    house.until(|progress| progress.state == State::Behind).await;
    gate.set(false);
    house.until(|progress| progress.lost > 0 && progress.state == State::Recording).await;
    publisher.push(&mut media_with_idr(10_000, 156_100..161_100)).unwrap();
    let recording = house.end().await;
    let listed = listed(&recording, Rendition::Source);
    let broken: Vec<_> = listed
        .iter()
        .filter(|(_, tags)| tags.contains(&"#EXT-X-DISCONTINUITY".to_owned()))
        .collect();
    let [(after, _)] = broken[..] else { panic!("one gap: {broken:?}") };
    let msn: u64 = after.split(['/', '.']).nth(1).unwrap().parse().unwrap();
    assert_eq!(msn, opens_at);
    // All that was in the window then is there.
    let last = house.channel.state().last_msn.unwrap();
    assert_eq!(listed.last().unwrap().0, format!("{}/{last}.m4s", house.channel.epoch()));
    assert!((listed.len() as u64) < last, "{} of {last}", listed.len());
}

#[tokio::test]
async fn below_the_floor_nothing_is_recorded_and_above_it_again() {
    let disk = Arc::new(Small(Mutex::new(1 << 20)));
    let config = Config { free_min_bytes: 1 << 30, ..Config::default() };
    let house = House::with(config, disk.clone());
    let mut publisher = publish(&house.channel, 0..4_100);
    house.until(|progress| progress.state == State::NoRoom).await;
    assert!(!house.recorded().exists(), "not even a folder");
    *disk.0.lock().unwrap() = 1 << 31;
    house.until(|progress| progress.state == State::Recording && progress.written == 3).await;
    publisher.push(&mut media(4_100..6_100)).unwrap();
    let recording = house.end().await;
    assert_eq!(recording.summary().segments, house.channel.state().last_msn.unwrap() + 1);
}

#[tokio::test]
async fn what_a_disk_took_in_half_is_written_again() {
    let disk = Arc::new(Faulty(Mutex::new(0)));
    let house = House::with(Config { free_min_bytes: 0, ..Config::default() }, disk.clone());
    let mut publisher = publish(&house.channel, 0..4_100);
    house.until(|progress| progress.written == 3).await;
    *disk.0.lock().unwrap() = 1;
    publisher.push(&mut media(4_100..6_100)).unwrap();
    house.until(|progress| progress.state == State::Failing).await;
    house.until(|progress| progress.state == State::Recording).await;
    let recording = house.end().await;
    let last = house.channel.state().last_msn.unwrap();
    for msn in 0..=last {
        let epoch = house.channel.epoch().as_str();
        let content = recording.segment(epoch, Rendition::Source, msn).unwrap();
        let live = house.channel.segment(msn).unwrap().bytes(Rendition::Source).unwrap();
        assert_eq!(bytes_of(content).unwrap(), live);
    }
}

#[tokio::test]
async fn a_live_that_goes_on_after_a_restart_goes_on_in_its_recording() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..4_100);
    house.until(|progress| progress.written == 3).await;
    // As a crash leaves it: no end, and a line half written.
    let House { folder, recorder, channel, .. } = house;
    let first_epoch = channel.epoch().to_string();
    let draining = recorder.drain();
    channel.end();
    draining.await;
    let index = folder.path().join("recordings/a/index");
    let written = fs::read(&index).unwrap();
    assert!(!String::from_utf8_lossy(&written).contains("\"end\""), "it is not over");
    fs::write(&index, [&written[..], b"\n1 00000000 {\"seg"].concat()).unwrap();

    let config = Config { free_min_bytes: 0, ..Config::default() };
    let house = House::in_folder(folder, config, Arc::new(System), 2);
    assert_eq!(house.recordings.standing("a"), Standing::Written);
    let _publisher = publish(&house.channel, 0..4_100);
    let recording = house.end().await;
    let listed = listed(&recording, Rendition::Source);
    let epoch_of = |(name, _): &(String, Vec<String>)| name.split_once('/').unwrap().0.to_owned();
    let at = listed.iter().position(|it| epoch_of(it) != first_epoch).unwrap();
    assert!(
        at >= 2 && listed[at..].iter().all(|it| epoch_of(it) == house.channel.epoch().as_str())
    );
    assert!(listed[at].1.contains(&"#EXT-X-DISCONTINUITY".to_owned()), "{listed:?}");
    assert_eq!(recording.summary().damaged, 0);
    for (name, _) in &listed {
        let (epoch, file) = name.split_once('/').unwrap();
        let msn = file.trim_end_matches(".m4s").parse().unwrap();
        bytes_of(recording.segment(epoch, Rendition::Source, msn).unwrap()).unwrap();
    }
}

#[tokio::test]
async fn a_live_that_nobody_published_leaves_nothing() {
    let house = House::new();
    house.channel.end();
    house.recorder.finished(house.channel.name()).await;
    assert_eq!(house.recordings.standing("a"), Standing::Unknown);
    assert!(!house.recorded().exists());
}

#[tokio::test]
async fn those_who_ask_for_a_recording_at_once_read_it_once() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..4_100);
    house.channel.end();
    house.recorder.finished(house.channel.name()).await;
    let ask = || house.recordings.recording("a");
    let (first, second, third) = tokio::join!(ask(), ask(), ask());
    let first = first.unwrap();
    assert!([second, third].iter().all(|it| Arc::ptr_eq(it.as_ref().unwrap(), &first)));
}

#[tokio::test]
async fn a_long_recording_lies_in_few_files_of_a_decent_size() {
    let config = Config { free_min_bytes: 0, volume_max_s: 20, ..Config::default() };
    let house = House::with(config, Arc::new(System));
    let mut publisher = publish(&house.channel, 0..0);
    for from in (0..100_000).step_by(2_000) {
        publisher.push(&mut media(from..from + 2_000)).unwrap();
        let last = house.channel.state().last_msn;
        house.until(|progress| last.is_none_or(|last| progress.written > last)).await;
    }
    let recording = house.end().await;
    assert_eq!(recording.summary().duration_ms / 1_000, 100);
    let files = fs::read_dir(house.recorded()).unwrap().count();
    assert_eq!(files, 1 + 5, "an index, and a volume for every twenty seconds");
}

#[tokio::test]
async fn the_oldest_recordings_give_way_and_never_one_that_is_written() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..4_100);
    house.until(|progress| progress.written == 3).await;
    // Others, of known sizes and ages.
    let root = house.folder.path().join("recordings");
    let now = SystemTime::now();
    let day = Duration::from_secs(86_400);
    for (name, days) in [("b", 40), ("c", 20), ("d", 10)] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("00000.volume"), vec![0; 1_000]).unwrap();
        let index = File::create(root.join(name).join("index")).unwrap();
        index.set_modified(now - days * day).unwrap();
    }
    let library = Library::open(root.clone()).unwrap();
    library.begin(house.channel.name());
    let names = |deleted: Vec<PlaybackName>| -> Vec<String> {
        deleted.iter().map(ToString::to_string).collect()
    };
    let config = Config { max_age_days: Some(30), ..Config::default() };
    assert_eq!(names(library.sweep(&config, now, &HashMap::new())), ["b"]);
    assert!(!root.join("b").exists() && library.standing("b") == Standing::Unknown);
    let bytes = |name: &str| -> u64 {
        let files = fs::read_dir(root.join(name)).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    };
    let config = Config { max_bytes: Some(bytes("a") + 1_500), ..Config::default() };
    assert_eq!(names(library.sweep(&config, now, &HashMap::new())), ["c"]);
    let config = Config { max_bytes: Some(1), ..Config::default() };
    assert_eq!(names(library.sweep(&config, now, &HashMap::new())), ["d"]);
    assert!(root.join("a").exists(), "its live is on");
}

#[test]
fn the_oldest_recordings_of_one_member_give_way_to_his_own_and_never_one_that_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let now = SystemTime::now();
    for (name, days) in [("a", 5), ("b", 4), ("c", 3), ("d", 2), ("e", 1)] {
        fs::create_dir(root.join(name)).unwrap();
        fs::write(root.join(name).join("00000.volume"), vec![0; 1_000]).unwrap();
        let index = File::create(root.join(name).join("index")).unwrap();
        index.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
    }
    let library = Library::open(root.to_owned()).unwrap();
    // The oldest is that of somebody whom nobody knows, and the next one's live is on.
    library.begin(&"b".parse().unwrap());
    let (one, other) = (UserId::new(1), UserId::new(2));
    let owners = [("b", one), ("c", one), ("d", other), ("e", one)];
    let owners = owners.into_iter().map(|(name, owner)| (name.parse().unwrap(), owner)).collect();
    let sweep = |max| {
        let config = Config { max_bytes_per_user: Some(max), ..Config::default() };
        let deleted = library.sweep(&config, now, &owners);
        let mut names: Vec<_> = deleted.iter().map(ToString::to_string).collect();
        names.sort();
        names
    };
    assert_eq!(sweep(3_000), [""; 0]);
    assert_eq!(sweep(2_000), ["c"]);
    assert_eq!(sweep(999), ["d", "e"]);
    assert!(root.join("a").exists() && root.join("b").exists());
}

#[test]
fn a_recording_that_cannot_be_deleted_or_looked_at_stays_and_holds_up_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    let now = SystemTime::now();
    for (name, days) in [("b", 40), ("c", 35)] {
        fs::create_dir(root.join(name)).unwrap();
        let index = File::create(root.join(name).join("index")).unwrap();
        index.set_modified(now - Duration::from_secs(days * 86_400)).unwrap();
    }
    // Files where folders should be: neither can be removed as one, nor looked into.
    fs::write(root.join(".deleted-b"), "").unwrap();
    fs::write(root.join("d"), "").unwrap();
    let library = Library::open(root.to_owned()).unwrap();
    let config = Config { max_age_days: Some(30), ..Config::default() };
    let deleted = library.sweep(&config, now, &HashMap::new());
    assert_eq!(deleted.iter().map(PlaybackName::as_str).collect::<Vec<_>>(), ["c"]);
    assert!(root.join("b").exists() && root.join("d").exists() && !root.join("c").exists());
}

#[tokio::test]
async fn recordings_are_for_the_server_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let house = House::new();
    let _publisher = publish(&house.channel, 0..4_100);
    house.end().await;
    for entry in fs::read_dir(house.recorded()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
    }
}

#[test]
fn ten_thousand_recordings_are_no_weight_for_a_start() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10_000 {
        // Links to nowhere: whoever looked into one would fail.
        std::os::unix::fs::symlink("nowhere", folder.path().join(format!("k{number}"))).unwrap();
    }
    let library = Library::open(folder.path().to_owned()).unwrap();
    assert_eq!(library.standing("k9999"), Standing::Finished);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pictures_that_segments_open_on_are_found_with_their_times_however_large_they_are() {
    let house = House::new();
    let mut publisher = house.channel.claim(1_700_000_000_000);
    publisher.push(&mut tracks()).unwrap();
    let large = |event: Event| match event {
        Event::Sample(sample) if sample.kind == Kind::Video && sample.is_sync => {
            // Larger than what is read at once.
            let nal = vec![(sample.dts_ticks / 180_000) as u8; 300_000];
            let data = [&300_001_u32.to_be_bytes()[..], &[0x65], &nal].concat().into();
            Event::Sample(Sample { data, ..sample })
        }
        event => event,
    };
    publisher.push(&mut media(0..6_100).into_iter().map(large).collect()).unwrap();
    let recording = house.end().await;
    let moments: Vec<_> = recording.moments().collect();
    let times: Vec<_> = moments.iter().map(|it| (it.msn, it.at_ms, it.date_ms)).collect();
    // The first segment of a live is its first part.
    let begins = listed(&recording, Rendition::Source).len();
    assert_eq!(times.first(), Some(&(0, 0, 1_700_000_000_000)));
    assert!(times.len() < begins, "segments that open on no picture are left out: {times:?}");
    for moment in &moments {
        assert_eq!(moment.date_ms - 1_700_000_000_000, moment.at_ms as i64);
        let film = recording.opening(moment).unwrap().read().unwrap();
        let picture = vec![(moment.at_ms / 2_000) as u8; 300_000];
        assert!(film.ends_with(&picture), "{moment:?}");
        assert!(film.len() < 302_000, "and nothing else: {} bytes", film.len());
    }
}
