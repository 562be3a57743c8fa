//! Recordings that go into a bucket, leave the disk and are read from there.

use std::{collections::HashMap, path::PathBuf, sync::atomic::Ordering};

use tokio::task::JoinHandle;

use self::server::Server;
use super::*;
use crate::{
    library::Taken,
    uploaded::{UPLOADED, Uploaded},
};

#[path = "../../../storage/tests/server/mod.rs"]
mod server;

/// Bytes of a picture: a second is 5 MB, and a part of an upload as much.
const PICTURE_BYTES: usize = 200_000;
const MIB: u64 = 1024 * 1024;

/// A server of recordings whose bucket is at a real store. Its live is called `a`.
struct Site {
    server: Server,
    folder: TempDir,
    config: Config,
    /// Where the storage keeps what it receives.
    _incoming: TempDir,
    depot: storage::Depot,
    recordings: Library,
    uploader: Uploader,
    running: JoinHandle<()>,
}

impl Site {
    async fn with(config: Config) -> Self {
        let server = Server::start().await;
        let folder = tempfile::tempdir().unwrap();
        // Its own tries are over soon: then ours begin.
        let (storage, incoming) = server.storage(1);
        let depot = storage.depot("recordings", u64::MAX).unwrap();
        let library = open(&folder, &depot);
        let uploader = Uploader::new(library.clone(), &config).unwrap();
        let running = tokio::spawn(uploader.clone().run());
        Self {
            server,
            folder,
            config,
            _incoming: incoming,
            depot,
            recordings: library,
            uploader,
            running,
        }
    }

    async fn new() -> Self {
        Self::with(Config { free_min_bytes: 0, ..Config::default() }).await
    }

    /// One with a recording of so many seconds.
    async fn recorded(seconds: i64) -> Self {
        let site = Self::new().await;
        site.record(seconds).await;
        site
    }

    /// Records a live of so many seconds, to its end.
    async fn record(&self, seconds: i64) {
        let (recorder, channel) = self.begin();
        let _publisher = publish_large(&channel, seconds);
        channel.end();
        recorder.finished(channel.name()).await;
    }

    fn begin(&self) -> (Recorder, Arc<Channel>) {
        let disk = Arc::new(System);
        let recorder = Recorder::start(self.recordings.clone(), self.config.clone(), disk).unwrap();
        let packager = packager::Config { window_max_bytes: 1 << 30, ..Default::default() };
        let channel = live(1, packager);
        recorder.record(&channel);
        (recorder, channel)
    }

    /// As after the process was killed and started again, on this folder.
    fn restart_on(&mut self, folder: TempDir) {
        self.running.abort();
        self.folder = folder;
        self.recordings = open(&self.folder, &self.depot);
        self.uploader = Uploader::new(self.recordings.clone(), &self.config).unwrap();
        self.running = tokio::spawn(self.uploader.clone().run());
    }

    fn restart(&mut self) {
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().unwrap());
        self.restart_on(folder);
    }

    fn recorded_in(&self) -> PathBuf {
        self.folder.path().join("recordings/a")
    }

    fn uploaded(&self) -> Uploaded {
        Uploaded::read(&self.recorded_in()).unwrap().unwrap_or_default()
    }

    /// The files of the recording on the disk that belong into the bucket, and their bytes.
    fn on_disk(&self) -> HashMap<String, Vec<u8>> {
        let entries = fs::read_dir(self.recorded_in()).unwrap().map(Result::unwrap);
        let files = entries.map(|it| (it.file_name().into_string().unwrap(), it.path()));
        let files = files.filter(|(name, _)| !name.starts_with(UPLOADED));
        files.map(|(name, path)| (name, fs::read(path).unwrap())).collect()
    }

    /// The files of the recording in the bucket, by their names in its folder, and their bytes.
    async fn in_bucket(&self) -> HashMap<String, Vec<u8>> {
        let mut files = HashMap::new();
        for (path, facts) in self.depot.list("a").await.unwrap() {
            let (mark, name) = path.split_once('/').unwrap();
            assert!(mark.len() == 32, "{mark}");
            let path = format!("a/{path}");
            let bytes = match facts.size_bytes {
                0 => Vec::new(),
                len => self.depot.read(&path, 0..len).await.unwrap().to_vec(),
            };
            assert!(files.insert(name.to_owned(), bytes).is_none(), "{name}");
        }
        files
    }

    /// Waits until nothing is to be sent any more.
    async fn until_up(&self) {
        until(async || self.recordings.is_up("a")).await;
    }

    /// Has the volumes leave the disk.
    async fn leave(&self) {
        let config = Config { local_max_bytes: Some(0), ..self.config.clone() };
        let library = self.recordings.clone();
        let sweep = move || library.sweep(&config, SystemTime::now(), &HashMap::new());
        let deleted = tokio::task::spawn_blocking(sweep).await.unwrap();
        assert_eq!(deleted, []);
        until(async || !self.on_disk().keys().any(|name| name.ends_with("volume"))).await;
    }

    /// The segments of what is stored as it is served, by this server's own names.
    fn segments_here(&self) -> HashMap<Rendition, Vec<Bytes>> {
        let recording = Recording::open(&self.recorded_in()).unwrap();
        let segments = |rendition| {
            let names = listed(&recording, rendition).into_iter();
            let contents = names.map(|(name, _)| segment(&recording, rendition, &name));
            (rendition, contents.map(|content| bytes_of(content).unwrap()).collect())
        };
        [Rendition::Source, Rendition::Audio(SECOND)].map(segments).into()
    }

    /// All segments, as viewers get them.
    async fn segments(&self) -> Result<Vec<Bytes>, Error> {
        let recording = self.recordings.recording("a").await?;
        let mut segments = Vec::new();
        for (name, _) in listed(&recording, Rendition::Source) {
            let content = segment(&recording, Rendition::Source, &name);
            let is_far = content.is_far();
            segments.push(self.recordings.read_from(is_far, move || bytes_of(content)).await?);
        }
        Ok(segments)
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.running.abort();
    }
}

fn open(folder: &TempDir, depot: &storage::Depot) -> Library {
    let root = folder.path().join("recordings");
    Library::open_with(root, Some(depot.clone())).unwrap()
}

/// A segment of a recording, by its name in the playlist of a rendition.
fn segment(recording: &Recording, rendition: Rendition, name: &str) -> Content {
    let (epoch, file) = name.split_once('/').unwrap();
    let msn = file.strip_suffix(".m4s").unwrap().rsplit('-').next().unwrap();
    recording.segment(epoch, rendition, msn.parse().unwrap()).unwrap()
}

async fn until(reached: impl AsyncFn() -> bool) {
    let wait = async {
        while !reached().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(SOON, wait).await.expect("soon");
}

/// So many seconds with a picture and no sound, 5 MB each.
fn publish_large(channel: &Arc<Channel>, seconds: i64) -> Publisher {
    let mut publisher = channel.claim(1_700_000_000_000);
    let video = h264::Config::parse(Bytes::from_static(AVCC)).unwrap();
    publisher.push(&mut vec![Event::TrackChanged(Arc::new(Track::h264(video)))]).unwrap();
    publisher.push(&mut large(0..seconds * 25)).unwrap();
    publisher
}

fn large(numbers: Range<i64>) -> Vec<Event> {
    let picture = |n: i64| {
        let is_sync = n % 50 == 0;
        let len = u32::try_from(PICTURE_BYTES).unwrap().to_be_bytes();
        let mut data = [&len[..], &[if is_sync { 0x65 } else { 0x41 }]].concat();
        data.resize(4 + PICTURE_BYTES, n as u8);
        let (kind, dts_ticks, cts_ticks) = (Kind::Video, n * 3_600, 0);
        Event::Sample(Sample { kind, dts_ticks, cts_ticks, is_sync, data: data.into() })
    };
    numbers.map(picture).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn volumes_go_up_while_a_live_is_on_and_the_rest_when_it_is_over() {
    let config = Config { free_min_bytes: 0, volume_max_s: 4, ..Config::default() };
    let site = Site::with(config).await;
    let (recorder, channel) = site.begin();
    let mut publisher = publish_large(&channel, 11);
    until(async || recorder.progress(channel.name()).unwrap().written == 5).await;
    // As it does every half minute.
    site.recordings.due_again(true);
    // It may be at it since before the second was complete.
    until(async || site.uploaded().volumes.len() == 2 && site.uploaded().index.is_some()).await;
    let (here, there) = (site.on_disk(), site.in_bucket().await);
    let names = |files: &HashMap<String, Vec<u8>>| {
        let mut names: Vec<_> = files.keys().cloned().collect();
        names.sort();
        names
    };
    assert_eq!(names(&here), ["00000.volume", "00001.volume", "00002.volume", "index"]);
    assert_eq!(names(&there), ["00000.volume", "00001.volume", "index"], "none that is written to");
    assert!(["00000.volume", "00001.volume"].iter().all(|name| here[*name] == there[*name]));
    publisher.push(&mut large(11 * 25..14 * 25)).unwrap();
    channel.end();
    recorder.finished(channel.name()).await;
    site.until_up().await;
    assert!(site.in_bucket().await == site.on_disk());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_dies_in_the_midst_of_an_upload_is_given_the_rest_when_it_is_back() {
    let mut site = Site::new().await;
    let passed = Arc::clone(&site.server.passed);
    let before = passed.up.load(Ordering::Relaxed);
    tokio::join!(site.record(14), passed.grows(&passed.up, 8 * MIB));
    site.server.die().await;
    until(async || !site.uploader.is_there()).await;
    assert_ne!(site.uploaded().volumes.len(), 2, "not all of it was up");
    site.server.live().await;
    site.until_up().await;
    assert!(site.uploader.is_there());
    assert!(site.in_bucket().await == site.on_disk());
    let sent = passed.up.load(Ordering::Relaxed) - before;
    assert!(sent > 60 * MIB, "{sent}: of 14 s all are there");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_in_the_midst_of_an_upload_goes_on_with_what_is_missing() {
    let mut site = Site::new().await;
    let passed = Arc::clone(&site.server.passed);
    let upload = passed.grows(&passed.up, 40 * MIB);
    tokio::join!(site.record(14), upload);
    let volumes = site.uploaded().volumes;
    assert_eq!(volumes.keys().collect::<Vec<_>>(), [&0], "the first one is up");
    let mark = site.uploaded().mark;
    site.restart();
    let before = passed.up.load(Ordering::Relaxed);
    site.until_up().await;
    let sent = passed.up.load(Ordering::Relaxed) - before;
    assert!(sent < volumes[&0], "{sent}: the first volume is not sent again");
    assert_eq!(site.uploaded().mark, mark);
    assert!(site.in_bucket().await == site.on_disk());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_left_the_disk_is_read_from_the_bucket_also_after_the_store_died_and_came_back() {
    let mut site = Site::recorded(8).await;
    let here = site.segments().await.unwrap();
    site.until_up().await;
    site.leave().await;
    assert_eq!(site.recordings.recording("a").await.unwrap().summary().segments, here.len() as u64);
    assert!(site.segments().await.unwrap() == here);
    assert!(fs::metadata(site.recorded_in().join("index")).is_ok());

    site.server.die().await;
    let away = site.segments().await;
    assert!(matches!(away, Err(Error::Away(_))), "{away:?}");
    site.server.live().await;
    assert!(site.segments().await.unwrap() == here);
    site.restart();
    assert!(site.segments().await.unwrap() == here);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_the_bucket_holds_leaves_the_disk() {
    let site = Site::recorded(14).await;
    site.until_up().await;
    let mark = site.uploaded().mark;
    // As by somebody else who cleans up.
    site.depot.delete(&format!("a/{mark}/00001.volume")).await.unwrap();
    let here = site.segments().await.unwrap();
    let config = Config { local_max_bytes: Some(0), ..site.config.clone() };
    site.recordings.sweep(&config, SystemTime::now(), &HashMap::new());
    until(async || !site.recorded_in().join("00000.volume").exists()).await;
    until(async || site.recordings.is_settled()).await;
    assert!(site.recorded_in().join("00001.volume").exists());
    assert!(site.segments().await.unwrap() == here);
    let files = site.depot.list(&format!("a/{mark}")).await.unwrap();
    assert!(files.iter().any(|(file, _)| file == "00001.volume"), "it was sent again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_byte_that_turned_in_the_bucket_is_never_served() {
    let site = Site::recorded(8).await;
    site.until_up().await;
    site.leave().await;
    let path = site.uploaded().path(&"a".parse().unwrap(), "00000.volume");
    let len = site.uploaded().volumes[&0];
    let mut bytes = site.depot.read(&path, 0..len).await.unwrap().to_vec();
    // Zeros fill up its last block.
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end - 1_000] ^= 1;
    let turned = site.folder.path().join("turned");
    fs::write(&turned, bytes).unwrap();
    site.depot.put(&path, &turned, len, None).await.unwrap();
    assert!(matches!(site.segments().await, Err(Error::Damaged)));
    // In pieces, too.
    let recording = site.recordings.recording("a").await.unwrap();
    let (name, _) = listed(&recording, Rendition::Source).pop().unwrap();
    let Content::Stored(blob) = segment(&recording, Rendition::Source, &name) else { panic!() };
    let last = blob.len() - 1;
    let read = move || blob.open()?.read(last..last + 1);
    assert!(matches!(site.recordings.read_from(true, read).await, Err(Error::Damaged)));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_disk_serves_the_recordings_that_are_in_the_bucket() {
    let mut site = Site::recorded(8).await;
    site.until_up().await;
    let here = site.segments().await.unwrap();
    let files = site.depot.list("a").await.unwrap();
    let (_, sent) = files.iter().find(|(path, _)| path.ends_with("/index")).unwrap();
    site.restart_on(tempfile::tempdir().unwrap());
    assert!(matches!(site.recordings.recording("a").await, Err(Error::Unknown)));
    let found = site.uploader.look_for_unknown().await.unwrap();
    assert_eq!(found.iter().map(PlaybackName::as_str).collect::<Vec<_>>(), ["a"]);
    site.recordings.found_far(found.clone());
    assert!(site.recordings.is_far(&found[0]) && !site.recorded_in().exists());
    assert!(site.segments().await.unwrap() == here);
    // From now on it is known here.
    assert!(site.recorded_in().join("index").exists() && !site.recordings.is_far(&found[0]));
    let changed = fs::metadata(site.recorded_in().join("index")).unwrap().modified().unwrap();
    let changed = changed.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    assert_eq!(changed.as_millis() as i64, sent.modified_ms, "as old as it was");
    assert_eq!(site.uploader.look_for_unknown().await.unwrap(), []);
    site.restart();
    assert!(site.segments().await.unwrap() == here);
    site.until_up().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_for_everybody_is_led_to_where_the_public_reads_the_bucket_and_nothing_private() {
    for access in [Access::Everyone, Access::Ticket] {
        let mut site = Site::new().await;
        site.depot = site.depot.clone().read_by_the_public("https://cdn.test/public/");
        site.restart();
        let disk = Arc::new(System);
        let recorder = Recorder::start(site.recordings.clone(), site.config.clone(), disk).unwrap();
        let name: PlaybackName = "a".parse().unwrap();
        let packager = Packager::new(Default::default(), name.clone(), Epoch::from_random([1; 5]));
        let channel = Hub::new().open(name, packager, access).unwrap();
        recorder.record(&channel);
        let _publisher = publish_two_sounds(&channel, 0..8_100);
        channel.end();
        recorder.finished(channel.name()).await;
        site.until_up().await;
        let here = site.segments_here();
        let recording = site.recordings.recording("a").await.unwrap();
        let mark = format!("https://cdn.test/public/recordings/a/{}/", site.uploaded().mark);
        for rendition in [Rendition::Source, Rendition::Audio(SECOND)] {
            let playlist = text(recording.media_playlist(rendition));
            if access == Access::Ticket {
                assert!(
                    !playlist.contains("https:") && !playlist.contains("BYTERANGE"),
                    "{playlist}"
                );
                continue;
            }
            assert!(
                playlist.contains(&format!("#EXT-X-MAP:URI=\"{mark}00000.volume\",BYTERANGE=\""))
            );
            let mut segments = Vec::new();
            for (url, tags) in listed(&recording, rendition) {
                let range = tags.iter().find_map(|tag| tag.strip_prefix("#EXT-X-BYTERANGE:"));
                let (len, at) = range.unwrap().split_once('@').unwrap();
                let (len, at): (u64, u64) = (len.parse().unwrap(), at.parse().unwrap());
                let path = url.strip_prefix("https://cdn.test/public/recordings/").unwrap();
                segments.push(site.depot.read(path, at..at + len).await.unwrap());
            }
            assert!(segments == here[&rendition], "{playlist}");
        }
        // They are made of others.
        let playlist = text(recording.media_playlist(Rendition::Video));
        assert!(!playlist.contains("https:") && !playlist.contains("BYTERANGE"), "{playlist}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_that_goes_on_after_its_volumes_left_the_disk_writes_over_none() {
    let site = Site::recorded(8).await;
    let here = site.segments().await.unwrap();
    site.until_up().await;
    site.leave().await;
    let recorder =
        Recorder::start(site.recordings.clone(), site.config.clone(), Arc::new(System)).unwrap();
    let channel = live(2, packager::Config::default());
    recorder.record(&channel);
    let _publisher = publish_large(&channel, 4);
    channel.end();
    recorder.finished(channel.name()).await;
    site.until_up().await;
    let all = site.segments().await.unwrap();
    assert!(all.len() > here.len() && all[..here.len()] == here);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_recording_leaves_the_bucket_also_when_the_store_was_away_and_the_server_killed()
{
    let mut site = Site::recorded(8).await;
    site.until_up().await;
    site.server.die().await;
    let name: PlaybackName = "a".parse().unwrap();
    assert!(site.recordings.delete(&name).unwrap());
    until(async || !site.uploader.is_there()).await;
    assert!(!site.recorded_in().exists());
    site.restart();
    assert_eq!(site.recordings.standing("a"), Standing::Unknown);
    site.server.live().await;
    let left = site.folder.path().join("recordings/.deleted-a");
    until(async || site.depot.list("a").await.unwrap().is_empty() && !left.exists()).await;

    // And one that the disk never knew.
    site.record(2).await;
    site.until_up().await;
    site.restart_on(tempfile::tempdir().unwrap());
    site.recordings.found_far(vec![name.clone()]);
    assert!(site.recordings.delete(&name).unwrap());
    until(async || site.depot.list("a").await.unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_deleted_is_not_found_again_in_the_bucket() {
    let mut site = Site::recorded(2).await;
    site.until_up().await;
    // Nobody deletes it there for now.
    let _taken: Taken = {
        site.running.abort();
        site.recordings.due("a".parse().unwrap());
        site.recordings.take_due().await
    };
    assert!(site.recordings.delete(&"a".parse().unwrap()).unwrap());
    assert_eq!(site.depot.folders().await.unwrap(), ["a"]);
    assert_eq!(site.uploader.look_for_unknown().await.unwrap(), []);
    site.restart();
    until(async || site.depot.folders().await.unwrap().is_empty()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_to_go_up_nothing_does() {
    let config = Config { free_min_bytes: 0, upload: false, ..Config::default() };
    let site = Site::with(config).await;
    site.record(4).await;
    until(async || site.recordings.is_settled()).await;
    assert_eq!(site.depot.folders().await.unwrap(), [""; 0]);
    assert_eq!(site.uploaded(), Uploaded::default());
}
