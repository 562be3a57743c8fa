use std::{
    io::Write as _,
    ops::Range,
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use hub::{Access, Hub, Publisher};
use media::{Event, Kind, Sample, Track, codec::h264, id::Epoch};
use packager::Packager;
use recorder::{Recorder, System};
use tempfile::TempDir;

use super::*;

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
const SOON: Duration = Duration::from_secs(30);

/// A worker that decodes nothing: what it is given it writes down, and its pictures are three bytes and a name.
const HONEST: &str = r#"
order=$(/bin/cat)
into=${order#*\"into\":\"}; into=${into%%\"*}
sandbox='"sandbox":{"rlimits":true,"no_new_privs":true,"seccomp":true,"landlock":"full","network_namespace":true}'
image() {
    printf '\377\330\377%s' "$1" >"$into/$1.jpg"
    printf '{"file":"%s.jpg","format":"jpeg","width":160,"height":90,"size_bytes":9}' "$1"
}
case $order in
*thumbnail*)
    /bin/cp "$into/input" "$0.film"
    echo thumbnail >>"$0.log"
    large=$(image large) small=$(image small)
    echo '{"line":"done","outcome":{"kind":"thumbnail","large":'"$large"',"small":'"$small"',"blurhash":"LEHV6n"},'"$sandbox"'}' ;;
*sheet*)
    echo sheet >>"$0.log"
    sheet=$(image sheet)
    echo '{"line":"done","outcome":{"kind":"sheet",'"${sheet#?}"','"$sandbox"'}' ;;
esac
"#;

/// A server's folder, one live called `a`, and a worker that is a script of the shell.
struct House {
    folder: TempDir,
    recordings: Library,
    recorder: Recorder,
    pictures: Pictures,
    channel: Arc<Channel>,
}

impl House {
    fn with(script: &str, config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        // Written by a child: what this process held open for writing, a fork of another test could keep
        // open, and then it cannot be run.
        let mut writer = Command::new("sh")
            .args(["-c", r#"cat >"$0" && chmod +x "$0""#])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/bin/sh\n{script}\n");
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());

        let library = Library::open(folder.path().join("recordings")).unwrap();
        let disk = recorder::Config { free_min_bytes: 0, ..recorder::Config::default() };
        let recorder = Recorder::start(library.clone(), disk, Arc::new(System)).unwrap();
        let scratch = folder.path().join("pictures");
        let worker = Some(Worker::at(path, 3));
        let pictures = Pictures::open(config, worker, library.clone(), scratch).unwrap();
        let name: PlaybackName = "a".parse().unwrap();
        // All that a test pushes at once is there for the recorder.
        let window = packager::Config { window_ms: 300_000, ..packager::Config::default() };
        let packager = Packager::new(window, name.clone(), Epoch::from_random([1; 5]));
        let channel = Hub::new().open(name, packager, Access::Everyone).unwrap();
        recorder.record(&channel);
        Self { folder, recordings: library, recorder, pictures, channel }
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What the worker was asked for.
    fn asked(&self) -> Vec<String> {
        let log = fs::read_to_string(self.file("worker.log")).unwrap_or_default();
        log.lines().map(str::to_owned).collect()
    }

    async fn end(&self) -> Arc<recorder::Recording> {
        self.channel.end();
        self.recorder.finished(self.channel.name()).await;
        self.recordings.recording("a").await.unwrap()
    }

    async fn make(&self, recording: &recorder::Recording) -> Result<Option<Poster>, Failed> {
        self.pictures.make(self.channel.name(), recording).await
    }
}

/// The name of a sheet of one, which a worker called so.
fn named(date_ms: u64, what: &[u8]) -> SheetName {
    SheetName { date_ms, count: 1, sum: sheet::sum(&[b"\xff\xd8\xff", what].concat()) }
}

fn text(index: &hub::Playlist) -> String {
    String::from_utf8(index.text().to_vec()).unwrap()
}

async fn until(what: impl Fn() -> bool) {
    let reached = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(SOON, reached).await.expect("soon");
}

/// Milliseconds `range` of 25 pictures a second, an IDR every two seconds.
fn publish(channel: &Arc<Channel>, range: Range<i64>) -> Publisher {
    let config = h264::Config::parse(Bytes::from_static(AVCC)).unwrap();
    let mut events = vec![Event::TrackChanged(Arc::new(Track::h264(config)))];
    for at_ms in range.step_by(40) {
        let is_sync = at_ms % 2_000 == 0;
        let nal = if is_sync { 0x65 } else { 0x41 };
        let data = [&[0, 0, 0, 40, nal][..], &[(at_ms / 2_000) as u8; 39]].concat().into();
        let (kind, cts_ticks) = (Kind::Video, 0);
        events.push(Event::Sample(Sample {
            kind,
            dts_ticks: at_ms * 90,
            cts_ticks,
            is_sync,
            data,
        }));
    }
    let mut publisher = channel.claim(1_700_000_000_000);
    publisher.push(&mut events).unwrap();
    publisher
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_shows_the_picture_that_its_newest_segment_opens_on_and_no_other_byte_of_it_is_handed_over()
 {
    let house = House::with(HONEST, Config::default());
    let _publisher = publish(&house.channel, 0..4_100);
    house.pictures.follow(&house.channel);
    let album = house.pictures.album("a").unwrap();
    until(|| album.poster().is_some()).await;
    let poster = album.poster().unwrap();
    assert_eq!(&poster.bytes[3..], b"large");
    assert_eq!(poster.date_ms, 1_700_000_002_000);
    let name = named(poster.date_ms, b"small");
    let index = album.index(10_000).unwrap();
    let cue = format!("00:00:00.000 --> 00:00:10.000\nthumbnails/{name}#xywh=0,0,160,90\n");
    assert_eq!(index.text(), &format!("WEBVTT\n\n{cue}"));
    assert!(Arc::ptr_eq(&index, &album.index(10_000).unwrap()), "rendered once");
    assert!(matches!(album.sheet(name), Some(Found::Here(bytes)) if bytes.ends_with(b"small")));

    let film = fs::read(house.file("worker.film")).unwrap();
    let mdat = [&[0, 0, 0, 52][..], b"mdat", &[0, 0, 0, 40, 0x65], &[1; 39]].concat();
    assert!(film.ends_with(&mdat), "one picture, the second IDR");
    assert!(film.windows(4).any(|it| it == b"avcC"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_keeps_the_pictures_of_its_live() {
    let house = House::with(HONEST, Config { every_s: 3_600, ..Config::default() });
    let _publisher = publish(&house.channel, 0..20_100);
    house.pictures.follow(&house.channel);
    let album = house.pictures.album("a").unwrap();
    until(|| album.poster().is_some()).await;
    let recording = house.end().await;
    let poster = house.make(&recording).await.unwrap().unwrap();
    assert_eq!(poster.blurhash, "LEHV6n");
    assert_eq!(house.asked(), ["thumbnail", "sheet"], "none was made for it");
    assert!(house.pictures.album("a").is_none());

    let made = house.pictures.made("a").await.unwrap();
    let index = text(&made.index(&recording).unwrap());
    let name = named(album.poster().unwrap().date_ms, b"sheet");
    assert!(index.contains(&format!("thumbnails/{name}#xywh=0,0,160,90")), "{index}");
    assert!(made.has(name));
    assert!(house.pictures.file("a", Some(name)).await.unwrap().ends_with(b"sheet"));
    assert!(house.pictures.file("a", None).await.unwrap().ends_with(b"large"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_whose_live_got_none_is_given_them_and_once() {
    let house = House::with(HONEST, Config::default());
    let _publisher = publish(&house.channel, 0..140_100);
    let recording = house.end().await;
    assert!(matches!(house.pictures.made("a").await, Err(recorder::Error::Unknown)));
    let poster = house.make(&recording).await.unwrap();
    let asked = house.asked();
    let of = |what: &str| asked.iter().filter(|it| *it == what).count();
    assert_eq!((of("thumbnail"), of("sheet")), (15, 2));
    let made = house.pictures.made("a").await.unwrap();
    let index = made.index(&recording).unwrap();
    assert!(Arc::ptr_eq(&index, &made.index(&recording).unwrap()), "rendered once");
    let index = text(&index);
    let begins: Vec<&str> =
        index.lines().filter_map(|line| line.split_once(" --> ")).map(|it| it.0).collect();
    assert_eq!(begins.len(), 15);
    assert_eq!(begins[..3], ["00:00:00.000", "00:00:10.000", "00:00:20.000"]);
    assert!(index.contains("00:02:20.000 --> 00:02:20.120"), "the last one ends with it: {index}");
    let last = SheetName { count: 3, ..named(1_700_000_120_000, b"sheet") };
    assert!(index.contains(&format!("{last}#xywh=320,0,160,90")), "{index}");

    // Also by another run of the server.
    let scratch = house.file("pictures-2");
    let worker = Some(Worker::at(house.file("worker"), 1));
    let library = house.recordings.clone();
    let later = Pictures::open(Config::default(), worker, library, scratch).unwrap();
    assert_eq!(later.make(house.channel.name(), &recording).await.unwrap(), poster);
    assert_eq!(house.asked().len(), 17);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sheet_that_is_made_again_and_shows_something_else_has_another_name() {
    let house = House::with(HONEST, Config::default());
    let _publisher = publish(&house.channel, 0..4_100);
    let recording = house.end().await;
    house.make(&recording).await.unwrap().unwrap();
    let before = text(&house.pictures.made("a").await.unwrap().index(&recording).unwrap());
    // As when the disk was lost, and somebody else's encoder is at work.
    shelf::clear(&house.recordings.folder(house.channel.name())).unwrap();
    house.pictures.forget(house.channel.name());
    let other = HONEST.replace("sheet=$(image sheet)", "sheet=$(image other)");
    let path = house.file("worker");
    let text_of_it = format!("#!/bin/sh\n{other}\n");
    let rewritten = Command::new("sh")
        .args(["-c", r#"printf '%s' "$1" >"$0""#])
        .args([path.as_os_str(), text_of_it.as_ref()])
        .status();
    assert!(rewritten.unwrap().success());
    house.make(&recording).await.unwrap().unwrap();
    let made = house.pictures.made("a").await.unwrap();
    let after = text(&made.index(&recording).unwrap());
    let name_of = |index: &str| -> SheetName {
        let (_, rest) = index.split_once("thumbnails/").unwrap();
        rest.split_once('#').unwrap().0.parse().unwrap()
    };
    let (before, after) = (name_of(&before), name_of(&after));
    assert_eq!((before.date_ms, before.count), (after.date_ms, after.count));
    assert_ne!(before, after);
    assert!(made.has(after) && !made.has(before));
    assert!(house.pictures.file("a", Some(after)).await.unwrap().ends_with(b"other"));
    assert!(house.pictures.file("a", Some(before)).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_dies_of_a_live_costs_its_pictures_and_nothing_else() {
    let house = House::with("echo x >>$0.log; kill -SEGV $$", Config::default());
    house.pictures.follow(&house.channel);
    let mut publisher = publish(&house.channel, 0..4_100);
    until(|| !house.asked().is_empty()).await;
    publisher.push(&mut Vec::new()).unwrap();
    assert!(house.pictures.album("a").unwrap().poster().is_none());
    let recording = house.end().await;
    assert_eq!(house.make(&recording).await.unwrap(), None);
    // It has had its chance.
    let made = house.pictures.made("a").await.unwrap();
    assert!(made.index(&recording).is_none() && made.poster().is_none());
    assert!(house.pictures.is_complete(house.channel.name(), true).await);
    let tries = house.asked().len();
    assert_eq!(house.make(&recording).await.unwrap(), None);
    assert_eq!(house.asked().len(), tries);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_hangs_is_ended_and_holds_its_place_no_longer() {
    let config = Config { at_once: 1, timeout_s: 1, ..Config::default() };
    let house = House::with("echo $$ >>$0.log; exec /usr/bin/tail -f /dev/null", config);
    let _publisher = publish(&house.channel, 0..4_100);
    house.pictures.follow(&house.channel);
    until(|| !house.asked().is_empty()).await;
    let desk = house.pictures.0.desk.clone().unwrap();
    assert!(desk.place().is_none(), "another live is passed over meanwhile");
    until(|| desk.place().is_some()).await;
    let process = house.asked().first().unwrap().clone();
    let stat = format!("/proc/{process}/stat");
    until(|| fs::read_to_string(&stat).map_or(true, |it| it.contains(") Z"))).await;
    assert!(!house.channel.state().ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_is_in_other_hands_gets_no_other_file_shown() {
    for deed in
        [r#"/bin/ln -sf /etc/passwd "$into/large.jpg""#, r#"printf '<svg>' >"$into/large.jpg""#]
    {
        let script =
            HONEST.replace("small=$(image small)", &format!("small=$(image small); {deed}"));
        let house = House::with(&script, Config::default());
        let desk = house.pictures.0.desk.clone().unwrap();
        let made = desk.thumbnail(b"film".to_vec()).await;
        assert!(matches!(made, Err(Failed::Nonsense)), "{deed}: {made:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recording_waits_for_a_worker_that_cannot_be_started() {
    let house = House::with(HONEST, Config::default());
    let _publisher = publish(&house.channel, 0..4_100);
    let recording = house.end().await;
    fs::rename(house.file("worker"), house.file("away")).unwrap();
    let failed = house.make(&recording).await.unwrap_err();
    assert!(failed.is_ours(), "{failed}");
    assert!(!house.pictures.is_complete(house.channel.name(), true).await);
    fs::rename(house.file("away"), house.file("worker")).unwrap();
    assert!(house.make(&recording).await.unwrap().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_a_crash_tore_loses_a_line() {
    let house = House::with(HONEST, Config::default());
    let _publisher = publish(&house.channel, 0..4_100);
    let recording = house.end().await;
    house.make(&recording).await.unwrap().unwrap();
    let folder = house.recordings.folder(house.channel.name());
    let index = folder.join("pictures/index");
    let text = fs::read(&index).unwrap();
    for len in 0..text.len() {
        fs::write(&index, &text[..len]).unwrap();
        let whole = len + 1 == text.len();
        let kept = shelf::read(&folder).unwrap();
        assert!(kept.sheets.len() <= 1 && kept.poster.is_some() == whole, "{len}");
    }
}
