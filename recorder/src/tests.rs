use std::{
    fs::{self, File},
    io,
    ops::Range,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use hub::{Access, Channel, Hub, Publisher};
use media::{
    Event, Kind, Sample, SoundNumber, Track,
    codec::{aac, h264},
    id::{Epoch, PlaybackName, UserId},
};
use packager::{Packager, Rendition};
use tempfile::TempDir;

use super::*;

mod bucket;
mod damage;
mod films;
mod lives;
mod past;
mod rewind;

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const SECOND: SoundNumber = SoundNumber::new(1).expect("there are eight");
/// Longer than any disk of a test takes.
const SOON: Duration = Duration::from_secs(30);

/// A recorder with its folder, and one live called `a`.
struct House {
    folder: TempDir,
    recorder: Recorder,
    recordings: Library,
    channel: Arc<Channel>,
}

impl House {
    fn new() -> Self {
        Self::with(Config { free_min_bytes: 0, ..Config::default() }, Arc::new(System))
    }

    fn with(config: Config, disk: Arc<dyn Disk>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::in_folder(folder, config, disk, 1)
    }

    fn in_folder(folder: TempDir, config: Config, disk: Arc<dyn Disk>, epoch: u8) -> Self {
        let library = Library::open(folder.path().join("recordings")).unwrap();
        let recorder = Recorder::start(library.clone(), config, disk).unwrap();
        let channel = live(epoch, packager::Config::default());
        recorder.record(&channel);
        Self { folder, recorder, recordings: library, channel }
    }

    /// Ends the live, and waits for what is left of it.
    async fn end(&self) -> Arc<Recording> {
        self.channel.end();
        self.recorder.finished(self.channel.name()).await;
        self.recordings.recording("a").await.unwrap()
    }

    fn recorded(&self) -> std::path::PathBuf {
        self.folder.path().join("recordings/a")
    }

    async fn until(&self, enough: impl Fn(Progress) -> bool) {
        until(&self.recorder, &self.channel, enough).await;
    }
}

async fn until(recorder: &Recorder, channel: &Channel, enough: impl Fn(Progress) -> bool) {
    let reached = async {
        while !enough(recorder.progress(channel.name()).unwrap()) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, reached).await.expect("soon");
}

fn live(epoch: u8, config: packager::Config) -> Arc<Channel> {
    let name: PlaybackName = "a".parse().unwrap();
    let packager = Packager::new(config, name.clone(), Epoch::from_random([epoch; 5]));
    Hub::new().open(name, packager, Access::Everyone).unwrap()
}

fn tracks() -> Vec<Event> {
    let video = h264::Config::parse(Bytes::from_static(AVCC)).unwrap();
    let audio = aac::Config::parse(Bytes::from_static(&[0x11, 0x90])).unwrap();
    [Track::h264(video), Track::aac(audio)].map(|t| Event::TrackChanged(Arc::new(t))).to_vec()
}

/// Milliseconds `range` of 25 pictures a second, an IDR every two seconds, and AAC at 48 kHz.
fn media(range: Range<i64>) -> Vec<Event> {
    media_with_idr(2_000, range)
}

/// The same with an IDR every so many milliseconds.
fn media_with_idr(every_ms: i64, range: Range<i64>) -> Vec<Event> {
    let audio = (0..)
        .map(|n| (n * 1024 * 1000 / 48_000, n))
        .skip_while(|(at_ms, _)| *at_ms < range.start)
        .take_while(|(at_ms, _)| *at_ms < range.end)
        .map(|(at_ms, n)| (at_ms, sample(Kind::Audio, n * 1024, true, n)));
    let video = range
        .clone()
        .filter(|at_ms| at_ms % 40 == 0)
        .map(|at_ms| (at_ms, sample(Kind::Video, at_ms * 90, at_ms % every_ms == 0, at_ms / 40)));
    let mut all: Vec<_> = audio.chain(video).collect();
    all.sort_by_key(|(at_ms, _)| *at_ms);
    all.into_iter().map(|(_, sample)| Event::Sample(sample)).collect()
}

/// The same with a second sound.
fn media_in_two_sounds(range: Range<i64>) -> Vec<Event> {
    let with_second = |event: Event| match &event {
        Event::Sample(sample) if sample.kind == Kind::Audio => {
            let mut other = sample.clone();
            other.data = Bytes::from(vec![0x21; 25]);
            vec![event, Event::OtherSound(SECOND, other)]
        }
        _ => vec![event],
    };
    media(range).into_iter().flat_map(with_second).collect()
}

fn sample(kind: Kind, dts_ticks: i64, is_sync: bool, n: i64) -> Sample {
    let nal = if is_sync { 0x65 } else { 0x41 };
    let data = match kind {
        Kind::Video => [&[0, 0, 0, 40, nal][..], &[n as u8; 39]].concat(),
        Kind::Audio => vec![n as u8; 30],
    };
    Sample { kind, dts_ticks, cts_ticks: 0, is_sync, data: data.into() }
}

fn publish(channel: &Arc<Channel>, range: Range<i64>) -> Publisher {
    let mut publisher = channel.claim(1_700_000_000_000);
    publisher.push(&mut tracks()).unwrap();
    publisher.push(&mut media(range)).unwrap();
    publisher
}

fn publish_two_sounds(channel: &Arc<Channel>, range: Range<i64>) -> Publisher {
    let mut publisher = channel.claim(1_700_000_000_000);
    let second = aac::Config::parse(Bytes::from_static(&[0x11, 0x90])).unwrap();
    let mut events = tracks();
    events.push(Event::OtherSoundChanged(SECOND, Arc::new(Track::aac(second))));
    publisher.push(&mut events).unwrap();
    publisher.push(&mut media_in_two_sounds(range)).unwrap();
    publisher
}

/// All bytes of something.
fn bytes_of(content: Content) -> Result<Bytes, Error> {
    match content {
        Content::Nothing => Ok(Bytes::new()),
        Content::Stored(blob) => blob.open()?.read_all().map(Bytes::from),
        Content::Alone(alone) => alone.read(),
    }
}

fn text(playlist: Option<Arc<hub::Playlist>>) -> String {
    String::from_utf8(playlist.unwrap().text().to_vec()).unwrap()
}

/// The segments a media playlist lists, and the tags before each.
fn listed(recording: &Recording, rendition: Rendition) -> Vec<(String, Vec<String>)> {
    let (mut segments, mut tags) = (Vec::new(), Vec::new());
    for line in text(recording.media_playlist(rendition)).lines() {
        match line.starts_with('#') {
            true => tags.push(line.to_owned()),
            false => segments.push((line.to_owned(), std::mem::take(&mut tags))),
        }
    }
    segments
}
