//! Recordings as one file, bit by bit.
//!
//! Here: what a download and a clip hold, for FFmpeg and for a browser, after an ordinary live, after breaks, and
//! after other codecs. Not here: their tables (`packager::film`), damage (`recorder`), requests in every form
//! (`delivery`), who may have them (`api`).

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use support::House;
use support::api::Live;
use support::enhanced::{
    AAC, AC3, AV1, EAC3, Encoding, FLAC, Form, H264, HEVC, MP3, OPUS, SECONDS, Sounds, Tone, VP9,
};
use support::fingerprint::{Filters, Fingerprint, H264_UNITS, HEVC_UNITS, Unit};
use support::flv::{Kind, Tag};
use support::http::{self, Response};
use support::page::Page;
use support::peer::{all_output_of, output_of};
use support::rtmp::Client;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{wait, worker};

const PUSHED_WITHIN: Duration = Duration::from_secs(40);
const KEPT_WITHIN: Duration = Duration::from_secs(10);
const READ_WITHIN: Duration = Duration::from_secs(60);
/// What an encoder sends whose owner changed everything but the codecs.
const CHANGED: Source = Source {
    video: Some(Video { size: "426x240", rate: "25", gop: 50, profile: "main", ..VIDEO }),
    audio_hz: Some(44_100),
    seconds: 8,
};
/// FFmpeg's filter that changes nothing.
const AS_IT_IS: &str = "null";
const ANY: Filters = Filters { video: AS_IT_IS, audio: AS_IT_IS };

fn push(house: &House, live: &Live, source: &Source) {
    let folder = tempfile::tempdir().expect("a temp folder");
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&source.flv(), &url, Pace::Unpaced, folder.path());
    encoder.wait_success(PUSHED_WITHIN);
    is_read(live);
}

fn send(house: &House, live: &Live, tags: &[Tag]) {
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.send(tags, 0);
    client.unpublish();
    is_read(live);
}

fn is_read(live: &Live) {
    wait::until_true("all of it is read", PUSHED_WITHIN, || live.state() == "interrupted");
}

/// Ends a live; where its recording is had as a file.
fn over(house: &House, live: &Live) -> String {
    live.stop();
    wait::until_true("the live can be watched again", KEPT_WITHIN, || {
        house.get(&format!("/vod/{}/index.m3u8", live.name)).status == 200
    });
    let answer = post(house, live, "download", &json!({}));
    assert_eq!(answer.status, 201, "{}", answer.text());
    let url = answer.json()["url"].as_str().expect("an address").to_owned();
    url.strip_prefix(&house.url("")).expect("of this server").to_owned()
}

fn post(house: &House, live: &Live, what: &str, body: &Value) -> Response {
    let headers = [("Authorization", &*live.member.bearer()), ("Content-Type", "application/json")];
    let path = format!("/api/posts/live/{}/{what}/", live.id);
    http::send(house.http, "POST", &path, &headers, body.to_string().as_bytes())
}

/// The file, which FFmpeg reads and decodes without a word.
#[track_caller]
fn film(house: &House, path: &str) -> PathBuf {
    let answer = house.get(path);
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("content-length"), Some(&*answer.body.len().to_string()));
    is_faststart(&answer.body);
    let file = house.folder().join("film.mp4");
    std::fs::write(&file, &answer.body).expect("a file");
    decodes(&file);
    file
}

#[track_caller]
fn decodes(file: &Path) {
    let mut ffmpeg = source::ffmpeg();
    ffmpeg.args(["-loglevel", "warning", "-i"]).arg(file).args(["-map", "0", "-f", "null", "-"]);
    let (_, said) = all_output_of(ffmpeg, READ_WITHIN);
    assert_eq!(said, "", "FFmpeg complains");
}

/// `ftyp`, `moov`, `mdat`, and nothing else.
#[track_caller]
fn is_faststart(mut bytes: &[u8]) {
    let mut boxes = Vec::new();
    while !bytes.is_empty() {
        let len = u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")) as usize;
        boxes.push(String::from_utf8_lossy(&bytes[4..8]).into_owned());
        bytes = &bytes[len..];
    }
    assert_eq!(boxes, ["ftyp", "moov", "mdat"]);
}

/// What `ffprobe` says.
fn probed(file: &Path, entries: &str) -> Value {
    let mut ffprobe = std::process::Command::new("ffprobe");
    ffprobe.args(["-loglevel", "error", "-of", "json", "-show_entries", entries]).arg(file);
    serde_json::from_slice(&output_of(ffprobe, READ_WITHIN)).expect("JSON")
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

fn hashes<'a>(units: impl IntoIterator<Item = &'a [Unit]>) -> Vec<&'a str> {
    units.into_iter().flatten().map(|unit| &*unit.hash).collect()
}

#[test]
fn a_live_is_had_as_a_file_bit_by_bit_and_a_browser_plays_it_from_anywhere() {
    let house = House::start();
    let live = house.live();
    push(&house, &live, &USUAL);
    let path = over(&house, &live);
    assert!(path.contains("/marche-de-madina-20"), "{path}");
    let file = film(&house, &path);
    let original = Fingerprint::of(&text(&USUAL.flv()));
    Fingerprint::of(&text(&file)).assert_same_as(&original, "the file");
    let said = probed(&file, "format=duration,format_name:stream=codec_name,nb_frames");
    assert!((number(&said["format"]["duration"]) - 12.0).abs() < 0.1, "{said}");
    assert_eq!(said["streams"][0]["nb_frames"], original.video.len().to_string(), "{said}");
    let mut page = Page::open_with("film.mjs", &house, &path, &["0", "7.5", "2", "10"]);
    let shown = page.hear();
    assert!((number(&shown["duration"]) - 12.0).abs() < 0.1, "{shown}");
    assert_eq!(shown["at"], json!([0, 7.5, 2, 10]), "{shown}");
    assert!(
        shown["frames"].as_array().is_some_and(|it| it.iter().all(|n| n.as_u64() > Some(2))),
        "{shown}"
    );
}

fn number(value: &Value) -> f64 {
    value.as_f64().or_else(|| value.as_str()?.parse().ok()).unwrap_or(f64::NAN)
}

#[test]
fn every_codec_is_in_a_file_bit_by_bit() {
    for (video, audio, filters) in [
        (H264, AAC, Filters { video: H264_UNITS, audio: "aac_adtstoasc" }),
        (HEVC, AAC, Filters { video: HEVC_UNITS, audio: "aac_adtstoasc" }),
        (AV1, OPUS, ANY),
        (VP9, OPUS, ANY),
        (H264, FLAC, Filters { video: H264_UNITS, audio: AS_IT_IS }),
        (H264, MP3, Filters { video: H264_UNITS, audio: AS_IT_IS }),
        (H264, AC3, Filters { video: H264_UNITS, audio: AS_IT_IS }),
        (H264, EAC3, Filters { video: H264_UNITS, audio: AS_IT_IS }),
    ] {
        let encoding = Encoding { video, audio };
        let house = House::start();
        let live = house.live();
        send(&house, &live, &encoding.tags());
        let file = film(&house, &over(&house, &live));
        let original = Fingerprint::through(&text(&encoding.mp4()), filters);
        let got = Fingerprint::through(&text(&file), filters);
        got.assert_same_as(&original, &format!("{} {}", video[0], audio[0]));
    }
}

#[test]
fn every_sound_is_a_track_with_its_language() {
    const SOUNDS: Sounds = Sounds {
        first: Encoding { video: H264, audio: AAC },
        others: &[Tone { audio: OPUS, hz: 660 }],
        form: Form::OneTrack,
    };
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.tell_languages("fr", "ff");
    client.send(&SOUNDS.tags(), 0);
    client.unpublish();
    is_read(&live);
    let file = film(&house, &over(&house, &live));
    let said = probed(&file, "stream=codec_name:stream_tags=language:stream_disposition=default");
    let streams = said["streams"].as_array().expect("streams");
    let tracks: Vec<_> =
        streams.iter().map(|it| (&it["codec_name"], &it["tags"]["language"])).collect();
    let (aac, opus) = (json!("aac"), json!("opus"));
    let (french, fula) = (json!("fra"), json!("ful"));
    assert_eq!(tracks[1..], [(&aac, &french), (&opus, &fula)], "{said}");
    assert_eq!(streams[2]["disposition"]["default"], 0, "{said}");
    let second = |input: &Path, track: &str| {
        let mut ffmpeg = source::ffmpeg();
        ffmpeg.args(["-loglevel", "error", "-i"]).arg(input);
        ffmpeg.args(["-map", track, "-c", "copy", "-f", "md5", "-"]);
        String::from_utf8(output_of(ffmpeg, READ_WITHIN)).expect("an MD5")
    };
    assert_eq!(second(&file, "0:a:1"), second(&SOUNDS.others[0].mp4(), "0:a:0"));
}

#[test]
fn an_encoder_that_came_back_with_other_settings_goes_on_in_the_same_file() {
    let house = House::start();
    let live = house.live();
    push(&house, &live, &USUAL);
    push(&house, &live, &CHANGED);
    push(&house, &live, &USUAL);
    let path = over(&house, &live);
    let file = film(&house, &path);
    let (one, other) =
        (Fingerprint::of(&text(&USUAL.flv())), Fingerprint::of(&text(&CHANGED.flv())));
    let got = Fingerprint::of(&text(&file));
    for (kind, sent) in [
        ("video", hashes([&*one.video, &other.video, &one.video])),
        ("audio", hashes([&*one.audio, &other.audio, &one.audio])),
    ] {
        let got = if kind == "video" { &got.video } else { &got.audio };
        assert!(hashes([&**got]) == sent, "{kind}: {} of {}", got.len(), sent.len());
    }
    let (usual, changed) = (pictures(&USUAL.flv()), pictures(&CHANGED.flv()));
    assert!(pictures(&file) == [&*usual, &changed, &usual].concat(), "decoded, in both sizes");
    // Each encoder's sound stands to its picture as it was sent, and nothing is between them.
    let (mut shown, mut heard, mut end_s) = (0, 0, got.video[0].pts_s.min(got.audio[0].pts_s));
    for sent in [&one, &other, &one] {
        let apart = |it: &Fingerprint, n: usize, m: usize| it.audio[m].pts_s - it.video[n].pts_s;
        let (as_sent, came) = (apart(sent, 0, 0), apart(&got, shown, heard));
        assert!((as_sent - came).abs() < 0.0015, "{as_sent} s and {came} s");
        let begins_s = got.video[shown].pts_s.min(got.audio[heard].pts_s);
        assert!((begins_s - end_s).abs() < 0.06, "{begins_s} s after {end_s} s");
        shown += sent.video.len();
        heard += sent.audio.len();
        let last = |units: &[Unit]| units.iter().map(|it| it.pts_s).fold(0.0, f64::max);
        end_s = last(&got.video[..shown]).max(last(&got.audio[..heard])) + 0.03;
    }
    let mut page = Page::open_with("film.mjs", &house, &path, &["1", "13", "21", "3", "14"]);
    let shown = page.hear();
    assert!(
        shown["frames"].as_array().is_some_and(|it| it.iter().all(|n| n.as_u64() > Some(2))),
        "{shown}"
    );
    let (usual, changed) = ([320, 180], [426, 240]);
    assert_eq!(shown["sizes"], json!([usual, changed, usual, usual, changed]), "{shown}");
}

/// Every picture, decoded, in its own size.
fn pictures(input: &Path) -> Vec<String> {
    let mut ffmpeg = source::ffmpeg();
    ffmpeg.args(["-loglevel", "error", "-i"]).arg(input).args(["-map", "0:v:0", "-autoscale", "0"]);
    ffmpeg.args(["-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let told = String::from_utf8(output_of(ffmpeg, READ_WITHIN)).expect("text");
    let lines = told.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| line.rsplit(',').next()).map(|it| it.trim().to_owned()).collect()
}

#[test]
fn another_codec_is_another_track_and_every_picture_is_there() {
    let house = House::start();
    let live = house.live();
    let first = Encoding { video: H264, audio: AAC };
    let second = Encoding { video: HEVC, audio: OPUS };
    send(&house, &live, &first.tags());
    send(&house, &live, &second.tags());
    let file = film(&house, &over(&house, &live));
    let said = probed(&file, "stream=codec_name,nb_frames,start_time,duration");
    let streams = said["streams"].as_array().expect("streams");
    let codecs: Vec<_> =
        streams.iter().map(|it| it["codec_name"].as_str().unwrap_or_default()).collect();
    assert_eq!(codecs, ["h264", "hevc", "aac", "opus"], "{said}");
    for (at, units) in [(0, H264_UNITS), (1, HEVC_UNITS)] {
        let of = |input: &Path, track: &str| {
            let mut ffmpeg = source::ffmpeg();
            ffmpeg
                .args(["-loglevel", "error", "-i"])
                .arg(input)
                .args(["-map", track, "-c", "copy"]);
            ffmpeg.args(["-bsf:v", units, "-f", "md5", "-"]);
            String::from_utf8(output_of(ffmpeg, READ_WITHIN)).expect("an MD5")
        };
        let sent = [first, second][at].mp4();
        assert_eq!(of(&file, &format!("0:v:{at}")), of(&sent, "0:v:0"), "{}", codecs[at]);
    }
    // What came second is seen when what came first has been.
    let begins_s = |at: usize| number(&streams[at]["start_time"]);
    assert!((begins_s(1) - begins_s(0) - f64::from(SECONDS)).abs() < 0.2, "{said}");
    assert!((begins_s(3) - begins_s(1)).abs() < 0.15, "{said}");
}

#[test]
fn a_clip_is_a_video_of_its_own_that_begins_at_a_keyframe() {
    let house = worker::start(&[]);
    let live = house.live();
    push(&house, &live, &USUAL);
    over(&house, &live);
    let made = post(&house, &live, "clip", &json!({"start": 3, "end": 7.5, "content": "But !"}));
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let video = &made["media_files"][0];
    assert_eq!(video["approval_status"], "approved", "{made:#}");
    assert!(video["thumbnail_url"].is_string(), "{made:#}");
    assert_eq!((&video["width"], &video["height"]), (&json!(320), &json!(180)), "{made:#}");
    let url = video["file_url"].as_str().expect("an address");
    let path = url.strip_prefix(&house.url("")).expect("of this server");
    let file = film(&house, path);
    let got = Fingerprint::of(&text(&file));
    let original = Fingerprint::of(&text(&USUAL.flv()));
    // A keyframe every two seconds, 30 pictures a second: from second 2 to second 8.
    assert_eq!(got.video.len(), 180);
    let at =
        original.video.iter().position(|it| it.hash == got.video[0].hash).expect("one of them");
    assert!(hashes([&*got.video]) == hashes([&original.video[at..at + got.video.len()]]));
    let at = original.pictures.iter().position(|it| it.hash == got.pictures[0].hash).expect("one");
    assert!(hashes([&*got.pictures]) == hashes([&original.pictures[at..at + got.pictures.len()]]));
    let beyond = post(&house, &live, "clip", &json!({"start": 300, "end": 310}));
    assert_eq!(beyond.status, 400, "{}", beyond.text());
}

#[test]
fn one_address_has_so_many_downloads_and_a_trusted_proxy_says_which_it_is() {
    let house = House::start_with(&[
        ("API__TRUSTED_PROXIES", r#"["127.0.0.1"]"#),
        ("DELIVERY__DOWNLOADS_PER_ADDRESS", "1"),
    ]);
    let live = house.live();
    // More than a connection takes on its way: each picture has filler data (H.264 §7.3.2.7) behind it.
    let mut tags = support::flv::tags(&USUAL.flv());
    let filler = [&60_000_u32.to_be_bytes()[..], &[12], &[0xff; 59_998], &[0x80]].concat();
    for tag in tags.iter_mut().filter(|it| it.kind == Kind::Video && !it.is_configuration()) {
        tag.body = [&tag.body[..], &filler].concat().into();
    }
    send(&house, &live, &tags);
    let path = over(&house, &live);
    let from =
        |address: &str| http::send(house.http, "GET", &path, &[("X-Forwarded-For", address)], b"");
    assert_eq!(from("198.51.100.7").status, 200);
    // One who takes no more than the beginning of the answer.
    let mut held = TcpStream::connect(house.http).expect("the server listens");
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 198.51.100.7\r\n\r\n");
    held.write_all(request.as_bytes()).expect("it is sent");
    let mut head = [0; 12];
    held.read_exact(&mut head).expect("an answer");
    assert_eq!(&head, b"HTTP/1.1 200");
    let refused = from("198.51.100.7");
    assert_eq!(refused.status, 429, "{}", refused.text());
    assert_eq!(refused.header("retry-after"), Some("60"));
    assert_eq!(refused.json()["code"], "too_many_downloads");
    assert_eq!(from("198.51.100.8").status, 200, "another one");
    drop(held);
    wait::until_true("it is free again", KEPT_WITHIN, || from("198.51.100.7").status == 200);
}
