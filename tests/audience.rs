//! Who is watching, and what the house says of it.
//!
//! Here: real players counted while they play, on the page of the author, on that of the viewers, in
//! the list of posts and in the metrics; a private live played with a ticket and not without. Not here:
//! what makes a session or a ticket good (`delivery`), who is given one (`api`).

mod support;

use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::api::{Live, Member};
use support::peer::{Peer, output_of};
use support::playlist::Watch;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{House, http, wait};

/// An IDR every second.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), ..USUAL };

/// For anything the server does at once.
const SOON: Duration = Duration::from_secs(10);

/// A viewer who left is missed after four target durations, or ten seconds.
const MISSED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn viewers_are_counted_while_they_watch_and_nobody_after_the_end() {
    let house = House::start();
    let live = house.live();
    let _encoder = push_endlessly(&house, &live);
    let mut stays = Watch::begin(house.http, &live.fmp4());
    let mut leaves = Watch::begin(house.http, &live.ts());
    wait::until_true("both are counted", SOON, || {
        stays.poll();
        leaves.poll();
        viewers(&house, &live) == 2
    });
    told_everywhere(&house, &live, 2);

    wait::until_true("who asks no more has left", MISSED_WITHIN, || {
        stays.poll();
        viewers(&house, &live) == 1
    });
    live.stop();
    stays.poll_to_end(SOON);
    assert_eq!(viewers(&house, &live), 0);
    told_everywhere(&house, &live, 0);
}

#[test]
fn a_house_that_counts_nobody_says_so_and_shares_its_playlists() {
    let house = House::start_with(&[("DELIVERY__COUNT_VIEWERS", "false")]);
    let live = house.live();
    let _encoder = push_endlessly(&house, &live);
    let watch = Watch::begin(house.http, &live.fmp4());
    assert!(!watch.path.contains('?'), "{}", watch.path);
    let playlist = house.get(&live.fmp4());
    assert_eq!(playlist.header("cache-control"), Some("public, max-age=1"));
    assert_eq!(live.status()["viewers_count"], Value::Null);
}

#[test]
fn a_live_for_the_quartier_plays_with_a_ticket_and_not_without() {
    let mut house = House::start();
    let live = house.member().start_live_for("quartier");
    let encoder = push_endlessly(&house, &live);
    assert_eq!(house.get(&format!("/api/lives/{}/", live.name)).status, 403);
    // Every new member of a house lives in the same quartier.
    let neighbour = house.member();
    plays(&house, &neighbour, &live);

    house.crash();
    drop(encoder);
    house.restart();
    let _encoder = push_endlessly(&house, &live);
    plays(&house, &neighbour.sign_in_again(house.http), &live);
}

/// Plays a private live as a member, once it is there, and is refused without his ticket.
#[track_caller]
fn plays(house: &House, member: &Member, live: &Live) {
    let watched = member.get(&format!("/api/lives/{}/", live.name));
    assert_eq!(watched.status, 200, "{}", watched.text());
    let url = watched.json()["hls_url"].as_str().expect("an address").to_owned();
    let path = url.strip_prefix(&house.url("")).expect("of this house");
    let mut watch = Watch::begin(house.http, path);
    watch.poll_for_more(2, 2 * SOON);
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0", &url]);
    let tracks = String::from_utf8(output_of(ffprobe, SOON)).expect("UTF-8");
    assert!(tracks.contains("h264") && tracks.contains("aac"), "{tracks}");

    let (folder, file) = watch.path.rsplit_once('/').expect("a path");
    let (folder, _ticket) = folder.rsplit_once('/').expect("a folder");
    let listed = watch.nth(0).path.rsplit_once('/').expect("a path").1;
    for path in [live.fmp4(), format!("{folder}/{file}"), format!("{folder}/{listed}")] {
        let refused = house.get(&path);
        assert_eq!(refused.status, 403, "{path}");
        assert_eq!(refused.header("access-control-allow-origin"), Some("*"), "{path}");
    }
}

fn viewers(house: &House, live: &Live) -> u64 {
    let watched = house.get(&format!("/api/lives/{}/", live.name)).json();
    watched["viewers_count"].as_u64().unwrap_or_else(|| panic!("no count: {watched}"))
}

#[track_caller]
fn told_everywhere(house: &House, live: &Live, count: u64) {
    assert_eq!(live.status()["viewers_count"], count);
    let posts = live.member.get("/api/posts/").json();
    assert_eq!(posts.pointer("/results/0/live/viewers_count"), Some(&count.into()), "{posts}");
    let figures = http::get(house.metrics, "/metrics").text();
    assert!(figures.lines().any(|line| line == format!("lives_viewers {count}")), "{figures}");
}

fn push_endlessly(house: &House, live: &Live) -> Peer {
    let url = house.rtmp_url(&live.key);
    source::push_by_ffmpeg(&BRISK.flv(), &url, Pace::Endless, house.folder())
}
