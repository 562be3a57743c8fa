//! Lives that go on after the server was started again.

use std::time::UNIX_EPOCH;

use media::Labels;

use super::*;

const RANDOM: u64 = 0x0123_4567_89ab_cdef;
const LATER_MS: i64 = 3_000;

/// A live in two sounds, of which all was recorded when the server stopped.
pub(super) struct Stopped {
    folder: TempDir,
    pub(super) channel: Arc<Channel>,
    end_ms: i64,
}

impl Stopped {
    async fn new() -> Self {
        let house = House::new();
        let _publisher = publish_two_sounds(&house.channel, 0..6_100);
        Self::of(house).await
    }

    pub(super) async fn of(house: House) -> Self {
        let House { folder, recorder, channel, .. } = house;
        let drained = recorder.drain();
        channel.suspend();
        drained.await;
        let last = channel.segment(channel.state().last_msn.unwrap()).unwrap();
        let end_ms = last.program_date_time_ms() + (last.duration_us() / 1_000) as i64;
        Self { folder, channel, end_ms }
    }

    fn recorded(&self) -> std::path::PathBuf {
        self.folder.path().join("recordings/a")
    }

    pub(super) fn recordings(&self) -> Library {
        Library::open(self.folder.path().join("recordings")).unwrap()
    }

    async fn left(&self) -> Result<Left, Error> {
        self.recordings().left(self.channel.name(), &packager::Config::default()).await
    }

    pub(super) async fn revived(&self) -> Option<Packager> {
        let (config, name) = (packager::Config::default(), self.channel.name().clone());
        self.left().await.ok()?.revive(config, name, self.end_ms + LATER_MS, RANDOM)
    }

    /// Fails if the past of `packager` has other bytes than were listed.
    fn assert_same(&self, packager: &Packager) {
        for msn in 0..=packager.past_msn().unwrap() {
            let Some(is) = packager.segment(msn) else { continue };
            let was = self.channel.segment(msn).unwrap();
            assert_eq!(was.kept(), is.kept());
            for rendition in was.renditions().into_iter().chain([Rendition::SourceTs]) {
                assert!(was.bytes(rendition) == is.bytes(rendition), "{msn} {rendition:?}");
            }
        }
    }
}

fn renditions() -> [Rendition; 4] {
    [Rendition::SourceTs, Rendition::Video, Rendition::SOUND, Rendition::Audio(SECOND)]
}

/// What a media playlist lists, without parts and without what comes.
fn lines(channel: &Channel, rendition: Rendition) -> Vec<String> {
    let passing = ["#EXT-X-PART:", "#EXT-X-PRELOAD-HINT", "#EXT-X-RENDITION-REPORT"];
    let text = text(channel.media_playlist(rendition));
    let stays = |line: &&str| !passing.iter().any(|tag| line.starts_with(tag));
    text.lines().filter(stays).map(str::to_owned).collect()
}

#[tokio::test]
async fn a_live_is_read_back_and_its_recording_goes_on_with_it() {
    let stopped = Stopped::new().await;
    let left = stopped.left().await.unwrap();
    let now_ms = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis() as i64;
    assert!(!left.is_over && (now_ms - 60_000..=now_ms).contains(&left.written_ms));
    let packager = stopped.revived().await.unwrap();
    stopped.assert_same(&packager);
    let past_msn = packager.past_msn().unwrap();
    assert_eq!(Some(past_msn), stopped.channel.state().last_msn);

    // What viewers ask for is there before any publisher is.
    let name = stopped.channel.name().clone();
    let channel = Hub::new().open(name, packager, Access::Everyone).unwrap();
    for rendition in renditions() {
        let (was, is) = (lines(&stopped.channel, rendition), lines(&channel, rendition));
        assert!(is.starts_with(&was), "{rendition:?}:\n{was:#?}\n{is:#?}");
    }
    let state = channel.state();
    assert!(state.edge.is_some() && state.last_msn > Some(past_msn) && !state.published);
    assert_eq!(state.targets, stopped.channel.targets());

    let library = stopped.recordings();
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let recorder = Recorder::start(library.clone(), config, Arc::new(System)).unwrap();
    recorder.resume(&channel, past_msn + 1);
    let _publisher = publish_two_sounds(&channel, 0..6_100);
    channel.end();
    recorder.finished(channel.name()).await;
    let recording = library.recording("a").await.unwrap();
    assert_eq!((recording.summary().damaged, recording.damaged().unwrap()), (0, vec![]));
    let listed = listed(&recording, Rendition::Source);
    let breaks =
        listed.iter().filter(|(_, tags)| tags.iter().any(|it| it == "#EXT-X-DISCONTINUITY"));
    assert_eq!(breaks.count(), 1, "{listed:#?}");
    let gaps = channel.state().last_msn.unwrap() + 1 - listed.len() as u64;
    assert!((2..=5).contains(&gaps), "{gaps}");
    let epoch = stopped.channel.epoch();
    assert!(listed.iter().all(|(uri, _)| uri.starts_with(&format!("{epoch}/"))), "{listed:#?}");
    for msn in 0..=channel.state().last_msn.unwrap() {
        let segment = channel.segment(msn).unwrap();
        let content = recording.segment(epoch.as_str(), Rendition::Source, segment.number());
        let bytes = content.map_or(Bytes::new(), |content| bytes_of(content).unwrap());
        assert_eq!(bytes, segment.bytes(Rendition::Source).unwrap_or_default(), "{msn}");
    }
}

#[tokio::test]
async fn a_live_goes_on_a_second_time() {
    let stopped = Stopped::new().await;
    let packager = stopped.revived().await.unwrap();
    let next_msn = packager.past_msn().unwrap() + 1;
    let channel =
        Hub::new().open(stopped.channel.name().clone(), packager, Access::Everyone).unwrap();
    let library = stopped.recordings();
    let config = Config { free_min_bytes: 0, ..Config::default() };
    let recorder = Recorder::start(library.clone(), config, Arc::new(System)).unwrap();
    recorder.resume(&channel, next_msn);
    let _publisher = publish_two_sounds(&channel, 0..4_100);
    let again =
        Stopped::of(House { folder: stopped.folder, recorder, recordings: library, channel }).await;
    let packager = again.revived().await.unwrap();
    again.assert_same(&packager);
    assert_eq!(packager.past_msn(), again.channel.state().last_msn);
    let number = |packager: &Packager| packager.numbers().of(packager.last_msn().unwrap());
    let newest = again.channel.numbers().of(again.channel.state().last_msn.unwrap());
    assert!(number(&packager) > newest + (1 << 20));
}

#[tokio::test]
async fn names_and_labels_of_sounds_are_kept() {
    let house = House::new();
    let mut publisher = publish_two_sounds(&house.channel, 0..3_000);
    let mut labels = Labels::default();
    labels.0[1].language = media::Language::parse("pu");
    publisher.push(&mut vec![Event::SoundsLabelled(Arc::new(labels.clone()))]).unwrap();
    publisher.push(&mut media_in_two_sounds(3_000..6_100)).unwrap();
    let stopped = Stopped::of(house).await;
    assert_eq!(**stopped.revived().await.unwrap().labels(), labels);
}

#[tokio::test]
async fn an_index_cut_anywhere_gives_what_was_listed_or_nothing() {
    let stopped = Stopped::new().await;
    let path = stopped.recorded().join("index");
    let bytes = fs::read(&path).unwrap();
    let (mut revived, mut lasts) = (0, std::collections::BTreeSet::new());
    for len in (0..=bytes.len()).step_by(61).chain([bytes.len()]) {
        fs::write(&path, &bytes[..len]).unwrap();
        if let Some(packager) = stopped.revived().await {
            stopped.assert_same(&packager);
            lasts.insert(packager.past_msn());
            revived += 1;
        }
    }
    let segments = stopped.channel.state().last_msn.unwrap() as usize + 1;
    assert!(revived > 10 && lasts.len() == segments, "{revived} {lasts:?}");
}

#[tokio::test]
async fn what_a_power_cut_took_of_the_newest_is_a_gap() {
    let stopped = Stopped::new().await;
    let path = stopped.recorded().join("00000.volume");
    let mut volume = fs::read(&path).unwrap();
    // Zeros fill up its last block.
    let len = volume.iter().rposition(|byte| *byte != 0).unwrap();
    volume[len - 100..].fill(0);
    fs::write(&path, &volume).unwrap();
    let packager = stopped.revived().await.unwrap();
    stopped.assert_same(&packager);
    let last = stopped.channel.state().last_msn.unwrap();
    assert_eq!(packager.past_msn(), Some(last - 1));
    assert!(packager.last_msn().unwrap() > last);
    assert!(packager.segment(last).unwrap().is_gap(Rendition::Source));
    assert_ne!(packager.segment(last).unwrap().number(), last);
    // In the middle: what is before it can no longer be asked for.
    volume[len / 2] ^= 1;
    fs::write(&path, volume).unwrap();
    let packager = stopped.revived().await.unwrap();
    assert!(packager.segment(0).is_none() && packager.segment(last - 1).is_some());
    stopped.assert_same(&packager);
}

#[tokio::test]
async fn a_live_of_which_nothing_or_too_little_is_left_begins_anew() {
    let stopped = Stopped::new().await;
    for number in 0..2 {
        let _ = fs::remove_file(stopped.recorded().join(format!("{number:05}.volume")));
    }
    assert!(stopped.revived().await.is_none());
    fs::remove_dir_all(stopped.recorded()).unwrap();
    assert!(matches!(stopped.left().await, Err(Error::Unknown)));
}

#[tokio::test]
async fn a_live_that_is_over_is_said_to_be() {
    let house = House::new();
    let _publisher = publish(&house.channel, 0..4_100);
    house.end().await;
    let left = house.recordings.left(house.channel.name(), &packager::Config::default()).await;
    assert!(left.unwrap().is_over);
}

#[tokio::test]
async fn no_more_is_read_back_than_a_window_holds() {
    let house = House::new();
    let mut publisher = publish(&house.channel, 0..2_000);
    for n in 1..40 {
        publisher.push(&mut media(n * 2_000..(n + 1) * 2_000)).unwrap();
        house.until(|progress| progress.written >= n as u64).await;
    }
    let stopped = Stopped::of(house).await;
    let read = stopped.left().await.unwrap().past.unwrap().segments.len();
    // Thirty seconds in segments of two, and some that are only asked for.
    assert!((15..=20).contains(&read), "{read}");
    stopped.assert_same(&stopped.revived().await.unwrap());
}
