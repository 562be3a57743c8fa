//! Lives that can be watched when they are over, bit by bit.
//!
//! Here: what players get below `/vod/`, after an ordinary end, after a publisher that went and came back, after
//! another codec, and after a server that was killed. Not here: disks that are slow, full or damaged
//! (`recorder`), requests in every form (`delivery`).

mod support;

use std::process::Command;
use std::time::Duration;

use support::House;
use support::api::Live;
use support::enhanced::{AAC, Encoding, Form, H264, OPUS, Sounds, Tone};
use support::fingerprint::Fingerprint;
use support::http;
use support::peer::output_of;
use support::playlist::resolve;
use support::rtmp::Client;
use support::source::{self, Pace, USUAL};
use support::wait;

const PUSHED_WITHIN: Duration = Duration::from_secs(40);
/// From the end of a live to its recording: a line in a file.
const KEPT_WITHIN: Duration = Duration::from_secs(10);
const PLAYED_WITHIN: Duration = Duration::from_secs(60);
const GONE_WITHIN: Duration = Duration::from_secs(60);

fn recording(live: &Live) -> String {
    format!("/vod/{}/index.m3u8", live.name)
}

fn kept(house: &House, live: &Live) {
    wait::until_true("the live can be watched again", KEPT_WITHIN, || {
        house.get(&recording(live)).status == 200
    });
}

fn publish(house: &House, live: &Live) {
    let folder = tempfile::tempdir().expect("a temp folder");
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, folder.path());
    encoder.wait_success(PUSHED_WITHIN);
    wait::until_true("the server has read everything", PUSHED_WITHIN, || {
        live.state() == "interrupted"
    });
}

#[test]
fn a_live_that_is_over_is_watched_again_bit_by_bit() {
    // A channel goes when its viewers had time for a window.
    let house = House::start_with(&[("PACKAGER__WINDOW_MS", "12000")]);
    let live = house.live();
    publish(&house, &live);
    let early = house.get(&recording(&live));
    assert_eq!((early.status, early.json()["code"].as_str()), (404, Some("not_finished")));
    live.stop();
    kept(&house, &live);
    let original = Fingerprint::of(&USUAL.flv().display().to_string());
    Fingerprint::of(&house.url(&recording(&live))).assert_same_as(&original, "recording");

    // The address of the live goes on, once its channel is gone.
    wait::until_true("the channel is gone", GONE_WITHIN, || {
        house.get(&live.fmp4()).text().contains("../vod/")
    });
    Fingerprint::of(&house.url(&live.fmp4())).assert_same_as(&original, "the address of the live");
}

#[test]
fn a_live_becomes_a_video_of_its_post_and_goes_with_it() {
    let house = House::start();
    let live = house.live();
    publish(&house, &live);
    let stopped = live.member.stop(live.id).json();
    assert_eq!(stopped["video_saved"], true, "{stopped}");
    let post = live.member.get(&format!("/api/posts/{}/", live.id)).json();
    let shown = &post["live_stream"];
    assert_eq!(shown["id"], stopped["video_id"], "{post:#}");
    assert_eq!((&shown["width"], &shown["height"]), (&320.into(), &180.into()), "{shown:#}");
    assert!(shown["duration"].as_str().is_some_and(|it| it.starts_with("00:00:12")), "{shown:#}");
    let file = shown["file"].as_str().expect("where it is");
    assert_eq!(file, house.url(&recording(&live)));
    assert_eq!(post["hls_url"], house.url(&live.fmp4()), "it goes on");
    Fingerprint::of(file)
        .assert_same_as(&Fingerprint::of(&USUAL.flv().display().to_string()), "it");

    // Media of his, like any other.
    let media = format!("/api/posts/media/{}/", stopped["video_id"]);
    assert_eq!(live.member.get(&media).status, 200);
    let path = format!("/api/posts/{}/", live.id);
    let bearer = live.member.bearer();
    let deleted = http::send(house.http, "DELETE", &path, &[("Authorization", &bearer)], b"");
    assert_eq!(deleted.status, 204);
    wait::until_true("nothing is left of it", KEPT_WITHIN, || {
        house.get(&recording(&live)).status == 404 && live.member.get(&media).status == 404
    });
}

#[test]
fn what_a_crash_prevented_is_done_after_the_next_start_also_where_nothing_is_recorded_any_more() {
    let mut house = House::start_with(&[("PACKAGER__WINDOW_MS", "12000")]);
    let [unshown, deleted, lost, strange] = std::array::from_fn(|_| {
        let live = house.live();
        publish(&house, &live);
        assert_eq!(live.member.stop(live.id).json()["video_saved"], true);
        live
    });
    house.crash();
    // As after a crash before one became media, and after two were deleted and before they were gone; and as with
    // a copy of the database from before one of the lives.
    let said = format!(
        "delete from media where name in ('{unshown}', '{deleted}');
         delete from lives where playback_name in ('{lost}', '{strange}');
         delete from deleted_recordings where name in ('{unshown}', '{strange}')",
        unshown = unshown.name,
        deleted = deleted.name,
        lost = lost.name,
        strange = strange.name,
    );
    let mut python = Command::new("python3");
    let run = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(\
        'pragma foreign_keys = on; ' + sys.argv[2])";
    let data = house.folder().join("data");
    python.args(["-c", run]).arg(data.join("communiconnect.sqlite")).arg(said);
    output_of(python, KEPT_WITHIN);
    let folder = |live: &Live| data.join("recordings").join(&live.name);
    let [of_unshown, of_deleted, of_lost] = [&unshown, &deleted, &lost].map(folder);

    house.restart_in_place_with(&[("RECORDING__ENABLED", "false")]);
    wait::until_true("the deleted ones are gone", KEPT_WITHIN, || {
        !of_deleted.exists() && !of_lost.exists()
    });
    for live in [&deleted, &lost] {
        assert_eq!(house.get(&recording(live)).status, 404);
    }
    let path = format!("/api/posts/{}/", unshown.id);
    wait::until_true("the other one is shown", KEPT_WITHIN, || {
        !unshown.member.get(&path).json()["live_stream"].is_null()
    });
    assert_eq!(house.get(&recording(&strange)).status, 200, "nobody said that this is to go");
    let post = unshown.member.get(&path).json();
    assert_eq!(post["live_stream"]["file"], house.url(&recording(&unshown)), "{post:#}");
    let bearer = unshown.member.bearer();
    let gone = http::send(house.http, "DELETE", &path, &[("Authorization", &bearer)], b"");
    assert_eq!(gone.status, 204);
    wait::until_true("it goes with its post", KEPT_WITHIN, || {
        house.get(&recording(&unshown)).status == 404 && !of_unshown.exists()
    });
}

#[test]
fn the_oldest_recording_of_a_member_gives_way_to_his_newer_one_and_to_nobody_elses() {
    let mut house = House::start();
    let live_of = |member: &support::api::Member, house: &House| {
        let live = member.start_live();
        publish(house, &live);
        assert_eq!(live.member.stop(live.id).json()["video_saved"], true);
        live
    };
    let (one, other) = (house.member(), house.member());
    let [others, older, newer] = [&other, &one, &one].map(|member| live_of(member, &house));
    let folder = house.folder().join("data/recordings").join(&newer.name);
    let files = std::fs::read_dir(folder).expect("it is there").flatten();
    let bytes: u64 = files.map(|it| it.metadata().map_or(0, |it| it.len())).sum();
    house.crash();
    let most = (bytes * 3 / 2).to_string();
    house.restart_in_place_with(&[("RECORDING__MAX_BYTES_PER_USER", &most)]);
    wait::until_true("the older one is shown no more", KEPT_WITHIN, || {
        older.member.get(&format!("/api/posts/{}/", older.id)).json()["live_stream"].is_null()
    });
    assert_eq!(house.get(&recording(&older)).status, 404);
    for live in [&newer, &others] {
        assert_eq!(house.get(&recording(live)).status, 200);
    }
}

#[test]
fn every_sound_of_a_live_is_in_its_recording() {
    const SOUNDS: Sounds = Sounds {
        first: Encoding { video: H264, audio: AAC },
        others: &[Tone { audio: OPUS, hz: 660 }],
        form: Form::OneTrack,
    };
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.send(&SOUNDS.tags(), 0);
    client.unpublish();
    wait::until_true("all of it is read", PUSHED_WITHIN, || live.state() == "interrupted");
    live.stop();
    kept(&house, &live);
    for rendition in ["source", "video", "audio", "audio-2"] {
        let path = format!("/vod/{}/{rendition}.m3u8", live.name);
        let text = house.get(&path).text();
        let of_live = live_playlist(&house, &live, rendition);
        let named = text.lines().filter_map(|line| match line.strip_prefix("#EXT-X-MAP:URI=\"") {
            Some(init) => init.strip_suffix('"'),
            None => (!line.starts_with('#')).then_some(line),
        });
        let mut bytes = 0;
        for name in named {
            let (_epoch, file) = name.split_once('/').expect("in a folder of its epoch");
            let (again, first) =
                (house.get(&resolve(&path, name)), house.get(&resolve(&of_live, file)));
            assert_eq!((again.status, first.status), (200, 200), "{name}");
            assert!(again.body == first.body, "{name}");
            bytes += again.body.len();
        }
        assert!(bytes > 10_000, "{rendition}: {text}");
    }
    let text = house.get(&recording(&live)).text();
    assert!(text.contains("URI=\"audio-2.m3u8\""), "{text}");
}

#[test]
fn a_publisher_that_came_back_is_a_discontinuity_of_the_recording_and_nothing_is_missing() {
    let house = House::start();
    let live = house.live();
    publish(&house, &live);
    publish(&house, &live);
    live.stop();
    kept(&house, &live);
    let path = format!("/vod/{}/source.m3u8", live.name);
    let text = house.get(&path).text();
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    assert!(!text.contains("#EXT-X-GAP"), "{text}");
    assert!(text.ends_with("#EXT-X-ENDLIST\n") && text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n"));
    assert_eq!(packets(&house.url(&path)), 2 * packets(&USUAL.flv().display().to_string()));
}

#[test]
fn another_codec_in_the_middle_is_in_the_recording() {
    let house = House::start();
    let live = house.live();
    publish(&house, &live);
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.send(
        &support::enhanced::Encoding { video: support::enhanced::HEVC, audio: AAC }.tags(),
        0,
    );
    client.unpublish();
    wait::until_true("all of it is read", PUSHED_WITHIN, || live.state() == "interrupted");
    live.stop();
    kept(&house, &live);
    let text = house.get(&recording(&live)).text();
    assert!(text.contains("avc1.") && text.contains("hvc1."), "{text}");
    let media = house.get(&format!("/vod/{}/source.m3u8", live.name)).text();
    let inits: Vec<_> = media.lines().filter(|line| line.starts_with("#EXT-X-MAP")).collect();
    assert_eq!(inits.len(), 2, "{media}");
    for line in media.lines().filter(|line| !line.starts_with('#')) {
        let path = resolve(&recording(&live), line);
        assert_eq!(house.get(&path).status, 200, "{path}");
    }
}

#[test]
fn a_killed_server_leaves_a_recording_that_can_be_watched() {
    let mut house = House::start_with(&[("LIVES__GRACE_S", "1")]);
    let live = house.live();
    let folder = tempfile::tempdir().expect("a temp folder");
    let url = house.rtmp_url(&live.key);
    let _encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::RealTime, folder.path());
    let listed = wait::until("three segments are listed", PUSHED_WITHIN, || {
        let path = live_playlist_if_any(&house, &live, "source")?;
        let text = house.get(&path).text();
        let names: Vec<String> =
            text.lines().filter(|line| line.ends_with(".m4s")).map(str::to_owned).collect();
        (names.len() >= 3).then(|| {
            let bodies = names.iter().map(|name| house.get(&resolve(&path, name)).body);
            names.iter().cloned().zip(bodies.collect::<Vec<_>>()).collect::<Vec<_>>()
        })
    });
    house.crash();
    house.restart();
    wait::until_true("the live is over", KEPT_WITHIN, || {
        house.get(&recording(&live)).status == 200
    });
    let media = house.get(&format!("/vod/{}/source.m3u8", live.name)).text();
    // The newest may have been listed in the instant before.
    for (name, body) in &listed[..listed.len() - 1] {
        let again = media.lines().find(|line| line.ends_with(&format!("/{name}")));
        let path = resolve(&recording(&live), again.unwrap_or_else(|| panic!("{name} in {media}")));
        assert!(house.get(&path).body == *body, "{path}");
    }
    assert!(packets(&house.url(&recording(&live))) > 0);
}

#[test]
fn a_recording_of_a_private_live_wants_a_ticket() {
    let house = House::start();
    let live = house.member().start_live_for("quartier");
    publish(&house, &live);
    live.stop();
    wait::until_true("it is kept", KEPT_WITHIN, || house.get(&recording(&live)).status == 403);
    let watched = live.member.get(&format!("/api/lives/{}/", live.name)).json();
    let url = watched["hls_url"].as_str().expect("an address of his own");
    let (_, ticket) = url.split_once("?ticket=").expect("a ticket");
    let vod = format!("{}?ticket={ticket}", recording(&live));
    assert!(packets(&house.url(&vod)) > 0);
    let bare = house.get(&format!("/vod/{}/source.m3u8", live.name));
    assert_eq!((bare.status, bare.json()["code"].as_str()), (403, Some("no_ticket")));
}

fn live_playlist(house: &House, live: &Live, rendition: &str) -> String {
    live_playlist_if_any(house, live, rendition).expect("the live is listed")
}

/// The media playlist of a rendition of a live, wherever the multivariant playlist leads.
fn live_playlist_if_any(house: &House, live: &Live, rendition: &str) -> Option<String> {
    let text = house.get(&live.fmp4()).text();
    let uri = text.lines().find(|line| !line.starts_with('#') && line.contains(".m3u8"))?;
    let path = resolve(&live.fmp4(), uri);
    let (folder, _) = path.rsplit_once('/')?;
    Some(format!("{folder}/{rendition}.m3u8"))
}

/// How many packets ffprobe reads.
fn packets(input: &str) -> u64 {
    let mut ffprobe = Command::new("ffprobe");
    let wanted = ["-show_entries", "stream=nb_read_packets", "-print_format", "json"];
    ffprobe.args(["-loglevel", "error", "-count_packets"]).args(wanted).arg(input);
    let told: serde_json::Value =
        serde_json::from_slice(&output_of(ffprobe, PLAYED_WITHIN)).expect("ffprobe says JSON");
    let tracks = told["streams"].as_array().expect("streams").iter();
    tracks.filter_map(|track| track["nb_read_packets"].as_str()?.parse::<u64>().ok()).sum()
}
