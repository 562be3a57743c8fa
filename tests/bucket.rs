//! Recordings that live in a bucket: the whole house beside a real S3 server that dies.
//!
//! Here: what players and operators see. Not here: which bytes are sent when (`recorder`).

mod support;

use std::time::{Duration, Instant};

use server::Server;
use support::House;
use support::api::Live;
use support::fingerprint::Fingerprint;
use support::source::{self, Pace, USUAL};
use support::wait;

#[path = "../storage/tests/server/mod.rs"]
mod server;

const PUSHED_WITHIN: Duration = Duration::from_secs(40);
const UPLOADED_WITHIN: Duration = Duration::from_secs(60);
/// Recordings are looked at every minute.
const LEFT_WITHIN: Duration = Duration::from_secs(90);
/// Ten seconds for a place, and ten for the store, on a busy machine.
const TOLD_WITHIN: Duration = Duration::from_secs(30);

fn settings(server: &Server) -> Vec<(&'static str, String)> {
    vec![
        ("STORAGE__S3__ENDPOINT", server.endpoint()),
        ("STORAGE__S3__BUCKET", server::BUCKET.to_owned()),
        ("STORAGE__S3__KEY_ID", server::KEY_ID.to_owned()),
        ("STORAGE__S3__SECRET", server::SECRET.to_owned()),
        ("STORAGE__S3__RETRY_S", "2".to_owned()),
        ("PACKAGER__WINDOW_MS", "12000".to_owned()),
    ]
}

fn recorded(house: &House) -> Live {
    let live = house.live();
    let folder = tempfile::tempdir().expect("a temp folder");
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, folder.path());
    encoder.wait_success(PUSHED_WITHIN);
    wait::until_true("the server has read everything", PUSHED_WITHIN, || {
        live.state() == "interrupted"
    });
    let stopped = live.member.stop(live.id).json();
    assert_eq!(stopped["video_saved"], true, "{stopped}");
    live
}

fn has_volumes(folder: &std::path::Path) -> bool {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    files.map(|file| file.file_name()).any(|name| name.to_string_lossy().ends_with(".volume"))
}

fn first_segment(house: &House, live: &Live) -> String {
    let path = format!("/vod/{}/source.m3u8", live.name);
    let text = house.get(&path).text();
    let segment = text.lines().find(|line| !line.starts_with('#')).expect("a segment");
    format!("/vod/{}/{segment}", live.name)
}

#[test]
fn a_recording_is_watched_from_the_bucket_through_the_death_of_the_store_and_the_loss_of_the_disk()
{
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut server = runtime.block_on(Server::start());
    let of_server = settings(&server);
    let mut given: Vec<(&str, &str)> = of_server.iter().map(|(k, v)| (*k, v.as_str())).collect();
    given.push(("RECORDING__LOCAL_MAX_BYTES", "0"));
    let mut house = House::start_with(&given);
    let live = recorded(&house);
    let url = house.url(&format!("/vod/{}/index.m3u8", live.name));
    let original = Fingerprint::of(&USUAL.flv().display().to_string());
    Fingerprint::of(&url).assert_same_as(&original, "from the disk");

    let folder = house.folder().join("data/recordings").join(&live.name);
    wait::until_true("its volumes left the disk", LEFT_WITHIN, || !has_volumes(&folder));
    Fingerprint::of(&url).assert_same_as(&original, "from the bucket");

    let segment = first_segment(&house, &live);
    runtime.block_on(server.die());
    let begun = Instant::now();
    let away = house.get(&segment);
    assert!(begun.elapsed() < TOLD_WITHIN, "{:?}", begun.elapsed());
    assert_eq!((away.status, away.json()["code"].as_str()), (503, Some("store_away")));
    assert_eq!(
        (away.header("retry-after"), away.header("cache-control")),
        (Some("5"), Some("no-store"))
    );
    runtime.block_on(server.live());
    Fingerprint::of(&url).assert_same_as(&original, "from a store that came back");

    // Another machine with the database alone.
    house.crash();
    std::fs::remove_dir_all(house.folder().join("data/recordings")).expect("it was there");
    house.restart_in_place();
    wait::until_true("it is found in the bucket", UPLOADED_WITHIN, || {
        house.get(&segment).status == 200
    });
    Fingerprint::of(&url).assert_same_as(&original, "with an empty disk");

    // And it goes from there with its post.
    let bearer = live.member.bearer();
    let path = format!("/api/posts/{}/", live.id);
    let gone = support::http::send(house.http, "DELETE", &path, &[("Authorization", &bearer)], b"");
    assert_eq!(gone.status, 204);
    wait::until_true("nothing of it is in the bucket", UPLOADED_WITHIN, || {
        !server.holds(&format!("recordings/{}", live.name)) && house.get(&segment).status == 404
    });
}

#[test]
fn what_the_bucket_has_of_a_live_whose_disk_was_lost_is_shown_when_it_is_over() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let server = runtime.block_on(Server::start());
    let of_server = settings(&server);
    let mut given: Vec<(&str, &str)> = of_server.iter().map(|(k, v)| (*k, v.as_str())).collect();
    // A volume every six seconds.
    given.push(("RECORDING__VOLUME_MAX_S", "6"));
    let house = House::start_with(&given);
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
    let folder = house.folder().join("data/recordings").join(&live.name);
    // It is looked at every 30 s.
    wait::until_true("some of it is in the bucket", UPLOADED_WITHIN, || {
        let text = std::fs::read_to_string(folder.join("uploaded")).unwrap_or_default();
        text.contains("\"index\"")
    });
    drop(encoder);
    wait::until_true("its encoder is gone", PUSHED_WITHIN, || live.state() == "interrupted");
    std::fs::remove_dir_all(&folder).expect("it was there");
    let stopped = live.member.stop(live.id).json();
    wait::until_true("its post shows what is left", LEFT_WITHIN, || {
        let post = live.member.get(&format!("/api/posts/{}/", live.id)).json();
        post["live_stream"]["media_type"] == "live"
    });
    assert_eq!(stopped["video_saved"], true, "at once: {stopped}");
    let segment = first_segment(&house, &live);
    assert_eq!(house.get(&segment).status, 200);
}

#[test]
fn a_store_that_is_away_is_told_and_given_everything_later_also_by_the_next_run() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let mut server = runtime.block_on(Server::start());
    let of_server = settings(&server);
    let given: Vec<(&str, &str)> = of_server.iter().map(|(k, v)| (*k, v.as_str())).collect();
    let mut house = House::start_with(&given);
    assert_eq!(house.get("/api/health/").json()["bucket"], "on");
    runtime.block_on(server.die());
    let live = recorded(&house);
    wait::until_true("it is told", UPLOADED_WITHIN, || {
        house.get("/api/health/").json()["bucket"] == "away"
    });
    assert_eq!(house.log().matches("do not reach the bucket").count(), 1, "{}", house.log());
    let url = house.url(&format!("/vod/{}/index.m3u8", live.name));
    let original = Fingerprint::of(&USUAL.flv().display().to_string());
    Fingerprint::of(&url).assert_same_as(&original, "from the disk");
    house.crash();
    runtime.block_on(server.live());
    house.restart_in_place();
    let uploaded = house.folder().join("data/recordings").join(&live.name).join("uploaded");
    wait::until_true("all of it is in the bucket", UPLOADED_WITHIN, || {
        let text = std::fs::read_to_string(&uploaded).unwrap_or_default();
        text.contains("\"index\"")
    });
    assert!(server.holds(&format!("recordings/{}", live.name)));
    assert_eq!(house.get("/api/health/").json()["bucket"], "on");
}
