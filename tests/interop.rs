//! The programs that our users have: OBS, GStreamer, FFmpeg's tools, curl, a browser.
//!
//! Here: each is given a live as a person would give it, and does what that person expects; and the
//! sound of an encoder that FFmpeg lacks here, HE-AAC. Not here: whether every sample of FFmpeg's own
//! survived (`publish_to_viewer.rs`).

mod support;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use support::House;
use support::api::Live;
use support::fingerprint::Fingerprint;
use support::gstreamer;
use support::obs::Obs;
use support::page::Page;
use support::peer::{Peer, all_output_of, output_of};
use support::playlist::Watch;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{boxes, flv, wait};

/// OBS starts in software in a few seconds; then come its first GOPs, in real time.
const OBS_WITHIN: Duration = Duration::from_secs(60);

/// A player that reads six segments, decoding them.
const PLAYED_WITHIN: Duration = Duration::from_secs(45);

/// What a phone sends: enough picture for a screenshot worth keeping.
const PHONE: Source = Source {
    video: Some(Video { size: "640x360", b_frames: 0, ..VIDEO }),
    audio_hz: Some(44_100),
    seconds: 20,
};

/// How long the browser has to play without a stall.
const BROWSER_PLAYS_S: u32 = 30;

/// Sound of an encoder that FFmpeg does not have here, from `tests/testdata/`.
struct HeAac {
    name: &'static str,
    /// What a playlist says: all that the `AudioSpecificConfig` says, no more.
    codecs: &'static str,
    heard_hz: u64,
}

/// HE-AAC v1 and v2, each with the three ways of signalling SBR and PS.
const HE_AAC: [HeAac; 6] = [
    HeAac { name: "he-aac-v1", codecs: "mp4a.40.5", heard_hz: 48_000 },
    HeAac { name: "he-aac-v1-backward-compatible", codecs: "mp4a.40.5", heard_hz: 48_000 },
    HeAac { name: "he-aac-v1-implicit", codecs: "mp4a.40.2", heard_hz: 48_000 },
    HeAac { name: "he-aac-v2", codecs: "mp4a.40.29", heard_hz: 44_100 },
    HeAac { name: "he-aac-v2-backward-compatible", codecs: "mp4a.40.29", heard_hz: 44_100 },
    HeAac { name: "he-aac-v2-implicit", codecs: "mp4a.40.2", heard_hz: 44_100 },
];

impl HeAac {
    fn file(&self) -> PathBuf {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testdata");
        folder.join(self.name).with_extension("flv")
    }

    /// What its encoder made of it: an `AudioSpecificConfig`, and how many access units.
    fn encoded(&self) -> (Vec<u8>, u64) {
        const TAG_HEADER_LEN: usize = 2;
        let (configurations, units): (Vec<_>, Vec<_>) =
            flv::tags(&self.file()).into_iter().partition(flv::Tag::is_configuration);
        (configurations[0].body[TAG_HEADER_LEN..].to_vec(), units.len() as u64)
    }

    /// Each access unit stands for 2048 samples once SBR has doubled them.
    fn samples(&self) -> u64 {
        self.encoded().1 * 2048
    }
}

#[test]
fn obs_publishes_a_live_that_plays() {
    let house = House::start();
    let live = house.live();
    let mut obs = Obs::publish(&house.rtmp_server(), &live.key, house.folder());
    wait::until_true("OBS publishes", OBS_WITHIN, || {
        assert!(obs.is_alive(), "OBS ended:\n{}", obs.log());
        live.state() == "live"
    });
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(3, OBS_WITHIN);
    assert_eq!(watch.discontinuities(), 0, "{:?}", watch.segments);
    let incoming = &live.status()["incoming"];
    assert_eq!(incoming["video"]["width"], 640, "{incoming}");
    assert_eq!(incoming["video"]["height"], 360, "{incoming}");
    assert_eq!(incoming["audio"]["sample_rate_hz"], 48_000, "{incoming}");
    drop(obs);
    wait::until_true("its loss is seen", OBS_WITHIN, || live.state() == "interrupted");
    live.stop();
    let tracks = probe(&house.url(&live.fmp4()));
    assert_eq!(tracks[0], ("h264".into(), "640x360".into()));
    assert_eq!(tracks[1..], [ALONE_TOO; 2].map(owned));
    decodes_cleanly(&house.url(&live.ts()));
}

#[test]
fn obs_is_told_why_its_key_is_refused_and_stops() {
    let house = House::start();
    let key = "live_1_0123456789abcdef0123456789abcdef";
    let obs = Obs::publish(&house.rtmp_server(), key, house.folder());
    wait::until_true("OBS stops", OBS_WITHIN, || obs.log().contains("Streaming Stop"));
    assert!(obs.log().contains("NetStream.Publish.Unauthorized"), "it says why:\n{}", obs.log());
    assert!(!obs.log().contains("==== Streaming Start"), "it never counts as started");
    assert!(house.log().contains("publisher refused"), "{}", house.log());
}

/// The sound beside the picture; fMP4 offers it alone, too.
const ALONE_TOO: (&str, &str) = ("aac", "48000");

fn owned((codec, shape): (&str, &str)) -> (String, String) {
    (codec.to_owned(), shape.to_owned())
}

#[test]
fn ffprobe_reads_both_containers() {
    let (house, live) = published(&USUAL);
    for path in [live.fmp4(), live.ts()] {
        let tracks = probe(&house.url(&path));
        assert_eq!(tracks[0], ("h264".into(), "320x180".into()), "{path}");
        let sounds = if path == live.fmp4() { 2 } else { 1 };
        assert_eq!(tracks[1..], vec![owned(ALONE_TOO); sounds], "{path}");
    }
}

#[test]
fn gstreamer_hlsdemux_plays_both_containers() {
    let (house, live) = published(&USUAL);
    for path in [live.fmp4(), live.ts()] {
        assert_eq!(gstreamer::pictures_played(&house, "playbin", &path), 360, "pictures of {path}");
    }
}

#[test]
fn gstreamer_hlsdemux2_plays_both_containers() {
    let (house, live) = published(&USUAL);
    for path in [live.fmp4(), live.ts()] {
        assert_eq!(
            gstreamer::pictures_played(&house, "playbin3", &path),
            360,
            "pictures of {path}"
        );
    }
}

#[test]
fn curl_reads_playlists_over_http_1_and_2_plain_and_gzipped() {
    let (house, live) = published(&USUAL);
    // A viewer has a session of his own in his playlist, and keeps the one he brings.
    let own = house.get(&live.fmp4()).text();
    let (_, session) = own.trim_end().rsplit_once('?').expect("a session");
    let url = house.url(&format!("{}?{session}", live.fmp4()));
    for (version, expected) in [("--http1.1", "1.1"), ("--http2-prior-knowledge", "2")] {
        let plain = curl(&[version, &url]);
        assert!(plain.starts_with("#EXTM3U"), "{version}: {plain}");
        assert_eq!(curl(&[version, "--compressed", &url]), plain, "gzip says the same");
        let about = ["--output", "/dev/null", "--write-out", "%{http_version} %{http_code}"];
        let said = curl(&[&[version][..], &about, &[&url]].concat());
        assert_eq!(said, format!("{expected} 200"));
    }
}

#[test]
fn chromium_plays_half_a_minute_of_a_live() {
    let house = House::start();
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&PHONE.flv(), &url, Pace::Endless, house.folder());
    Watch::begin(house.http, &live.fmp4()).poll_for_more(2, OBS_WITHIN);

    let screenshot = support::artefacts().join("watch.png");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/e2e/watch.mjs");
    assert!(script.exists(), "{} drives the browser", script.display());
    let mut node = Command::new("node");
    node.arg(script).arg(house.url(&live.watch_page()));
    node.arg(BROWSER_PLAYS_S.to_string()).arg(&screenshot);
    let mut browser = Peer::spawn("browser", node, house.folder());
    browser.wait_success(Duration::from_secs(u64::from(BROWSER_PLAYS_S) + 50));
    let report = browser.log();
    let report: Value = report
        .lines()
        .rev()
        .find_map(|line| serde_json::from_str(line).ok())
        .unwrap_or_else(|| panic!("no report: {report}"));
    // One is the machine's: how long pages play without any is measured (`make latency`).
    assert!(report["stalls"].as_u64().is_some_and(|stalls| stalls <= 1), "{report}");
    assert_eq!(report["videoWidth"], 640, "{report}");
    assert!(report["errors"].as_array().is_some_and(Vec::is_empty), "{report}");
    let played_s = report["seconds_played"].as_f64().unwrap_or_default();
    assert!(played_s >= f64::from(BROWSER_PLAYS_S), "{report}");
    // Thirty pictures a second: nothing was leapt over.
    let pictures = report["total_frames"].as_u64().unwrap_or_default();
    assert!(pictures >= 29 * u64::from(BROWSER_PLAYS_S), "{report}");
    assert!(screenshot.exists() && encoder.is_alive());
}

#[test]
fn a_member_goes_live_through_the_pages_in_chromium_and_stops() {
    let house = House::start();
    let mut page = Page::open("journey.mjs", &house, "");
    let told = page.hear();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    assert_eq!(text("server"), house.rtmp_server(), "{told}");
    assert_eq!(text("url"), house.rtmp_url(&text("key")), "{told}");
    assert!(text("watch_url").starts_with(&house.url("/live/")), "{told}");

    let mut encoder =
        source::push_by_ffmpeg(&PHONE.flv(), &text("url"), Pace::Endless, house.folder());
    let shown = wait::until("the page tells what comes", OBS_WITHIN, || {
        let shown = page.ask("state");
        let size = shown["incoming"]["size"].as_str().unwrap_or_default();
        (shown["state"] == "live" && size.contains("640")).then_some(shown)
    });
    let incoming = shown["incoming"].to_string();
    for expected in ["H.264", "AAC", "640", "360"] {
        assert!(incoming.contains(expected), "{expected} in {incoming}");
    }
    assert_eq!(page.ask("stop")["state"], "ended");
    encoder.wait(OBS_WITHIN);
}

#[test]
fn a_live_for_the_quartier_plays_in_chromium_for_its_author_and_not_for_a_stranger() {
    let house = House::start();
    let mut author = Page::open_with("journey.mjs", &house, "", &["quartier"]);
    let told = author.hear();
    let text = |name: &str| told[name].as_str().unwrap_or_default().to_owned();
    let _encoder =
        source::push_by_ffmpeg(&PHONE.flv(), &text("url"), Pace::Endless, house.folder());
    wait::until_true("the preview plays, and is a viewer", OBS_WITHIN, || {
        let shown = author.ask("state");
        shown["player"] == "playing" && shown["viewers"] == "1 spectateur"
    });
    author.ask("watch");
    wait::until_true("the page plays", OBS_WITHIN, || author.ask("state")["player"] == "playing");

    let page = text("watch_url").replace(&house.url(""), "");
    let mut stranger = Page::open("viewer.mjs", &house, &page);
    stranger.hear();
    wait::until_true("he is told", OBS_WITHIN, || stranger.ask("state")["state"] == "refused");
}

#[test]
fn chromium_plays_on_after_the_server_was_away() {
    let mut house = House::start();
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let push =
        |house: &House| source::push_by_ffmpeg(&PHONE.flv(), &url, Pace::Endless, house.folder());
    let mut encoder = push(&house);
    Watch::begin(house.http, &live.fmp4()).poll_for_more(2, OBS_WITHIN);
    let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
    page.hear();
    wait::until_true("the page plays", OBS_WITHIN, || page.ask("state")["state"] == "playing");

    house.terminate();
    assert!(house.wait_for_exit(OBS_WITHIN).success(), "{}", house.log());
    encoder.wait(OBS_WITHIN);
    wait::until_true("the page has played what it had, and nobody answers", OBS_WITHIN, || {
        page.ask("state")["state"] == "error"
    });

    house.restart_in_place();
    let _encoder = push(&house);
    let shown = wait::until("the page plays again", OBS_WITHIN, || {
        let shown = page.ask("state");
        (shown["state"] == "playing").then_some(shown)
    });
    let seen = shown["seen"].as_array().expect("what the player said");
    assert!(
        !seen.iter().any(|state| state == "ended"),
        "never is the live said to be over: {shown}"
    );
}

#[test]
fn he_aac_arrives_whole_however_it_is_signalled() {
    for sound in HE_AAC {
        arrives_whole(&sound.file());
    }
}

#[test]
fn he_aac_beside_a_picture_arrives_whole() {
    for sound in HE_AAC {
        let seconds = sound.samples() / sound.heard_hz;
        arrives_whole(&source::beside_a_picture(&sound.file(), seconds));
    }
}

#[test]
fn the_multivariant_playlist_names_he_aac_as_it_is_signalled() {
    for sound in HE_AAC {
        let (house, live) = published_file(&sound.file());
        for path in [live.fmp4(), live.ts()] {
            let answer = house.get(&path);
            let playlist = m3u8_rs::parse_master_playlist_res(&answer.body).expect("a playlist");
            let codecs = playlist.variants[0].codecs.as_deref();
            assert_eq!(codecs, Some(sound.codecs), "{} in {path}", sound.name);
        }
    }
}

#[test]
fn the_init_segment_holds_the_configuration_of_he_aac_as_it_came() {
    for sound in HE_AAC {
        let (house, live) = published_file(&sound.file());
        let mut watch = Watch::begin(house.http, &live.fmp4());
        watch.poll_to_end(PLAYED_WITHIN);
        let path = watch.segments[&0].init.as_ref().expect("fMP4 has an init segment");
        let came = boxes::audio_specific_config(watch.init(path));
        assert_eq!(came, sound.encoded().0, "{}", sound.name);
    }
}

#[test]
fn he_aac_lasts_as_long_as_its_samples_at_the_rate_that_is_heard() {
    for sound in HE_AAC {
        let (house, live) = published_file(&sound.file());
        for path in [live.fmp4(), live.ts()] {
            let mut watch = Watch::begin(house.http, &path);
            watch.poll_to_end(PLAYED_WITHIN);
            let listed_ms: u64 = watch.segments.values().map(|listed| listed.duration_ms).sum();
            let lasts_ms = sound.samples() * 1000 / sound.heard_hz;
            let rounding_ms = watch.segments.len() as u64;
            assert!(listed_ms.abs_diff(lasts_ms) <= rounding_ms, "{}: {listed_ms}", sound.name);
            assert!(rounding_ms > 1, "{}: several segments", sound.name);
        }
    }
}

#[test]
fn he_aac_goes_on_from_segment_to_segment_without_a_gap() {
    for sound in HE_AAC {
        let (house, live) = published_file(&sound.file());
        let source = decoded(&sound.file().display().to_string());
        // Two channels of 16 bits.
        assert_eq!(source.len() as u64, sound.samples() * 4, "{}: its length", sound.name);
        for path in [live.fmp4(), live.ts()] {
            assert!(decoded(&house.url(&path)) == source, "{}: sound of {path}", sound.name);
        }
        let mut watch = Watch::begin(house.http, &live.fmp4());
        watch.poll_to_end(PLAYED_WITHIN);
        boxes::assert_continuous(&watch);
    }
}

/// A live that was published whole and ended, still served.
fn published(source: &Source) -> (House, Live) {
    published_file(&source.flv())
}

/// [`published`] for a file that was not made here.
fn published_file(file: &Path) -> (House, Live) {
    let house = House::start();
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(file, &url, Pace::Unpaced, house.folder());
    encoder.wait_success(PLAYED_WITHIN);
    wait::until_true("everything is read", PLAYED_WITHIN, || live.state() == "interrupted");
    live.stop();
    Watch::begin(house.http, &live.fmp4()).poll_to_end(PLAYED_WITHIN);
    (house, live)
}

/// Publishes `file` and reads it back in both containers.
#[track_caller]
fn arrives_whole(file: &Path) {
    let (house, live) = published_file(file);
    let original = Fingerprint::of(&file.display().to_string());
    for path in [live.fmp4(), live.ts()] {
        let mut watch = Watch::begin(house.http, &path);
        watch.poll_to_end(PLAYED_WITHIN);
        let viewed = house.folder().join("viewed");
        std::fs::write(&viewed, watch.whole()).expect("a file for the segments");
        let what = format!("{} in {path}", file.display());
        Fingerprint::of(&viewed.display().to_string()).assert_same_as(&original, &what);
    }
}

/// The sound of a file or a live as 16-bit samples, decoded without a word of complaint.
fn decoded(input: &str) -> Vec<u8> {
    let mut ffmpeg = source::ffmpeg();
    ffmpeg.args(["-xerror"]);
    if input.starts_with("http") {
        ffmpeg.args(["-live_start_index", "0"]);
    }
    ffmpeg.args(["-i", input, "-vn", "-f", "s16le", "-"]);
    let (sound, complaints) = all_output_of(ffmpeg, PLAYED_WITHIN);
    assert_eq!(complaints, "", "{input}");
    sound
}

/// Codec and picture size or sampling rate of each track, as ffprobe finds them.
fn probe(url: &str) -> Vec<(String, String)> {
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-loglevel", "error", "-print_format", "json", "-show_streams", url]);
    let answer: Value =
        serde_json::from_slice(&output_of(ffprobe, PLAYED_WITHIN)).expect("ffprobe says JSON");
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let streams = answer["streams"].as_array().cloned().unwrap_or_default();
    let mut tracks: Vec<(String, String)> = streams
        .iter()
        .map(|track| match text(&track["codec_type"]).as_str() {
            "video" => {
                let size = format!("{}x{}", track["width"], track["height"]);
                (text(&track["codec_name"]), size)
            }
            _ => (text(&track["codec_name"]), text(&track["sample_rate"])),
        })
        .collect();
    tracks.sort_by(|one, other| other.0.cmp(&one.0));
    tracks
}

/// Every picture and sound decodes without a word of complaint.
fn decodes_cleanly(url: &str) {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-loglevel", "error", "-xerror", "-i", url, "-f", "null", "-"]);
    output_of(ffmpeg, PLAYED_WITHIN);
}

fn curl(arguments: &[&str]) -> String {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail"]).args(arguments);
    String::from_utf8(output_of(curl, PLAYED_WITHIN)).expect("text")
}
