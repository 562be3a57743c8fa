//! Who is watching, and what the house says of it.
//!
//! Here: real players counted while they play, on the page of the author, on that of the viewers, in
//! the list of posts and in the metrics. Not here: what makes a session good (`delivery`).

mod support;

use std::time::Duration;

use serde_json::Value;
use support::api::Live;
use support::peer::Peer;
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
