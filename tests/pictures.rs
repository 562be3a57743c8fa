//! What lives and recordings look like, by the real media worker.
//!
//! Here: posters and thumbnails of lives in every codec, where players find them, who may see them, what is left
//! of them after the end. Not here: workers that die, hang or lie (`pictures`), the page (`pages.rs`).

mod support;

use std::fs;
use std::time::Duration;

use support::House;
use support::api::Live;
use support::enhanced::{AAC, AV1, Encoding, H264, HEVC, OPUS, VP9};
use support::http::{self, Response};
use support::playlist::resolve;
use support::rtmp::Client;
use support::source::{self, Pace, USUAL};
use support::{wait, worker};

const SEEN_WITHIN: Duration = Duration::from_secs(60);

#[test]
fn a_live_shows_what_it_looks_like_and_its_recording_keeps_it() {
    let mut house = worker::start(&[("PACKAGER__WINDOW_MS", "12000"), ("PICTURES__EVERY_S", "4")]);
    let live = house.live();
    assert_eq!(code(&house.get(&poster("hls", &live))), (404, "no_picture".into()));
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::RealTime, house.folder());
    wait::until_true("there is a picture", SEEN_WITHIN, || {
        house.get(&poster("hls", &live)).status == 200
    });
    let shown = house.get(&poster("hls", &live));
    assert_eq!(size_of(&shown.body), (320, 180));
    for (header, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "public, max-age=4"),
        ("access-control-allow-origin", "*"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(shown.header(header), Some(value), "{header}");
    }
    let etag = shown.header("etag").expect("a tag of this very picture").to_owned();
    let path = poster("hls", &live);
    let changed = || http::send(house.http, "GET", &path, &[("If-None-Match", &etag)], b"").status;
    wait::until_true("another picture takes its place", SEEN_WITHIN, || changed() == 200);
    let post = live.member.get(&format!("/api/posts/{}/", live.id)).json();
    let thumbnail = post["live"]["thumbnail_url"].as_str().expect("a picture of the live");
    assert!(thumbnail.starts_with(&house.url(&format!("{path}?v="))), "{thumbnail}");
    let watched = house.get(&format!("/api/lives/{}/", live.name)).json();
    assert_eq!(watched["thumbnail_url"], thumbnail);

    let cues = cues(&house, &format!("/hls/{}/thumbnails.vtt", live.name));
    assert_eq!(cues[0].0, "00:00:00.000");
    let (_, tile) = &cues[0];
    assert!(tile.ends_with("#xywh=0,0,160,90"), "{tile}");
    let tile = house.get(tile.split('#').next().unwrap_or_default());
    assert_eq!(size_of(&tile.body), (160, 90));
    assert_eq!(tile.header("cache-control"), Some("public, max-age=3600, immutable"));

    encoder.wait_success(SEEN_WITHIN);
    let stopped = live.member.stop(live.id).json();
    let media = format!("/api/posts/media/{}/", stopped["video_id"]);
    let url = house.url(&poster("vod", &live));
    wait::until_true("its media has a thumbnail", SEEN_WITHIN, || {
        live.member.get(&media).json()["thumbnail_url"] == *url
    });
    assert!(live.member.get(&media).json()["blur_hash"].is_string());
    let kept = house.get(&poster("vod", &live));
    assert_eq!((kept.status, size_of(&kept.body)), (200, (320, 180)));
    wait::until_true("the address of the live goes on", SEEN_WITHIN, || {
        house.get(&poster("hls", &live)).body == kept.body
    });
    let watched = house.get(&format!("/api/lives/{}/", live.name)).json();
    assert_eq!(watched["recording"]["thumbnail_url"], *url, "{watched:#}");

    let of_live = house.get(&format!("/hls/{}/thumbnails.vtt", live.name));
    assert_eq!(code(&of_live), (404, "no_picture".into()), "they may be others now");

    let index = format!("/vod/{}/thumbnails.vtt", live.name);
    let of_recording = self::cues(&house, &index);
    assert!((3..=4).contains(&of_recording.len()), "twelve seconds: {of_recording:?}");
    let (_, sheet) = &of_recording[0];
    let sheet = sheet.split('#').next().unwrap_or_default().to_owned();
    let columns = u32::try_from(of_recording.len()).expect("few");
    assert_eq!(size_of(&house.get(&sheet).body), (160 * columns, 90));

    house.crash();
    house.restart_in_place();
    assert_eq!(house.get(&poster("vod", &live)).body, kept.body);
    assert_eq!(self::cues(&house, &index), of_recording);
    let bearer = live.member.sign_in_again(house.http).bearer();
    let path = format!("/api/posts/{}/", live.id);
    let gone = http::send(house.http, "DELETE", &path, &[("Authorization", &bearer)], b"");
    assert_eq!(gone.status, 204);
    wait::until_true("they go with it", SEEN_WITHIN, || {
        [&poster("vod", &live), &index, &sheet].iter().all(|it| house.get(it).status == 404)
    });
}

#[test]
fn lives_of_every_codec_have_pictures() {
    let house = worker::start(&[]);
    for (video, audio) in [(H264, AAC), (HEVC, AAC), (AV1, OPUS), (VP9, OPUS)] {
        let live = house.live();
        let mut client = Client::connect(house.rtmp);
        client.publish(&live.key).expect("the key opens the live");
        client.send(&Encoding { video, audio }.tags(), 0);
        let codec = video[0];
        wait::until_true(&format!("a picture of {codec}"), SEEN_WITHIN, || {
            house.get(&poster("hls", &live)).status == 200
        });
        let shown = house.get(&poster("hls", &live));
        assert_eq!(size_of(&shown.body), (320, 180), "{codec}");
        client.unpublish();
        live.stop();
    }
}

#[test]
fn pictures_of_a_private_live_want_a_ticket() {
    let house = worker::start(&[("PACKAGER__WINDOW_MS", "12000")]);
    let live = house.member().start_live_for("quartier");
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::RealTime, house.folder());
    let path = format!("/api/lives/{}/", live.name);
    let shown = wait::until("there is a picture for its author", SEEN_WITHIN, || {
        let watched = live.member.get(&path).json();
        Some(watched["thumbnail_url"].as_str()?.to_owned())
    });
    let shown = shown.strip_prefix(&house.url("")).expect("an address of the server");
    let answer = house.get(shown);
    assert_eq!((answer.status, answer.header("cache-control")), (200, Some("private, max-age=10")));
    assert_eq!(code(&house.get(&poster("hls", &live))), (403, "no_ticket".into()));
    let (_, ticket) = shown.split_once("ticket=").expect("a ticket");
    for root in ["hls", "vod"] {
        let folder = format!("/{root}/{}", live.name);
        let index = format!("{folder}/{ticket}/thumbnails.vtt");
        if root == "vod" {
            encoder.wait_success(SEEN_WITHIN);
            live.stop();
            wait::until_true("the recording has pictures", SEEN_WITHIN, || {
                house.get(&index).status == 200
            });
        }
        let kept = if root == "hls" { "private, max-age=10" } else { "private, max-age=300" };
        assert_eq!(house.get(&index).header("cache-control"), Some(kept));
        let cues = cues(&house, &index);
        let tile = cues[0].1.split('#').next().expect("an address").to_owned();
        assert_eq!(house.get(&tile).status, 200, "{tile}");
        for path in [&index, &tile] {
            let (bare, forged) =
                (path.replace(&format!("{ticket}/"), ""), path.replacen("/10", "/12", 1));
            for refused in [&bare, &forged, &format!("{bare}?ticket={ticket}")] {
                assert_eq!(code(&house.get(refused)), (403, "no_ticket".into()), "{refused}");
            }
        }
    }
}

#[test]
fn without_a_worker_there_are_no_pictures_and_that_is_said_once() {
    let house = House::start_with(&[("API__WORKSHOP__WORKER", "off")]);
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, house.folder());
    encoder.wait_success(SEEN_WITHIN);
    let post = live.member.get(&format!("/api/posts/{}/", live.id)).json();
    assert!(post["live"]["thumbnail_url"].is_null(), "{post:#}");
    assert_eq!(code(&house.get(&poster("hls", &live))), (404, "no_picture".into()));
    live.stop();
    let said = "lives and recordings have no pictures";
    assert_eq!(house.log().matches(said).count(), 1);
}

#[test]
fn a_recording_of_a_time_without_a_worker_gets_its_pictures_later() {
    let mut house = worker::start(&[("PICTURES__ENABLED", "false")]);
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, house.folder());
    encoder.wait_success(SEEN_WITHIN);
    wait::until_true("all of it is read", SEEN_WITHIN, || live.state() == "interrupted");
    let stopped = live.member.stop(live.id).json();
    assert_eq!(stopped["video_saved"], true);
    assert!(!fs::exists(house.folder().join("data/pictures")).expect("the folder"));
    house.crash();
    house.restart_in_place_with(&[("PICTURES__ENABLED", "true"), ("PICTURES__EVERY_S", "4")]);
    wait::until_true("it has pictures", SEEN_WITHIN, || {
        house.get(&format!("/vod/{}/thumbnails.vtt", live.name)).status == 200
    });
    assert_eq!(cues(&house, &format!("/vod/{}/thumbnails.vtt", live.name)).len(), 3);
}

fn poster(root: &str, live: &Live) -> String {
    format!("/{root}/{}/poster.jpg", live.name)
}

fn code(answer: &Response) -> (u16, String) {
    (answer.status, answer.json()["code"].as_str().unwrap_or_default().to_owned())
}

/// Where each thumbnail begins, and where it is.
fn cues(house: &House, path: &str) -> Vec<(String, String)> {
    let answer = house.get(path);
    assert_eq!(answer.header("content-type"), Some("text/vtt; charset=utf-8"));
    let text = answer.text();
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("WEBVTT"));
    let mut cues = Vec::new();
    while let Some(line) = lines.next() {
        let Some((from, _)) = line.split_once(" --> ") else { continue };
        let address = lines.next().expect("an address after its time");
        cues.push((from.to_owned(), resolve(path.split('?').next().unwrap_or(path), address)));
    }
    cues
}

/// Width and height of a JPEG: of its frame header (ITU-T T.81 B.2.2).
fn size_of(jpeg: &[u8]) -> (u32, u32) {
    let frame = |it: &&[u8]| it[0] == 0xff && matches!(it[1], 0xc0..=0xc2);
    let header = jpeg.windows(9).find(frame).expect("a JPEG");
    let number = |at: usize| u32::from(header[at]) << 8 | u32::from(header[at + 1]);
    (number(7), number(5))
}
