//! Players that go on, and how far behind they are: the page's own hls.js, and Shaka Player.
//!
//! Here: what a viewer sees while his encoder or the server dies and comes back, and how late. Not here: that other
//! programs can publish and play at all (`interop.rs`), what the playlists say meanwhile
//! (`life_of_a_live.rs`, `hls_conformance.rs`); how late exactly (`make latency`).

mod support;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use support::api::Live;
use support::gstreamer;
use support::page::Page;
use support::peer::{Peer, output_of};
use support::playlist::Watch;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{House, wait};

/// For a player, on a busy machine, to show something new.
const SHOWN_WITHIN: Duration = Duration::from_secs(30);

/// An IDR every second: nobody waits long for a picture.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), ..USUAL };

/// Everything that an encoder may change between two connections.
const CHANGED: Source = Source {
    video: Some(Video {
        size: "426x240",
        rate: "25",
        gop: 25,
        b_frames: 0,
        profile: "baseline",
        ..VIDEO
    }),
    audio_hz: Some(44_100),
    seconds: 12,
};

/// Of the ten, the one after a pause that the page had to explain.
const AFTER_A_PAUSE: usize = 2;

/// Ten lives of one encoder: what it sends, and at which of its hours it begins.
const RESTARTS: [(&Source, u64); 10] = [
    (&BRISK, 0),
    (&BRISK, 0),
    (&CHANGED, 0),
    (&BRISK, 0),
    (&BRISK, 0),
    // Its clock had run for five hours, starts again from zero, then jumps by one.
    (&BRISK, 5),
    (&BRISK, 0),
    (&BRISK, 1),
    (&BRISK, 0),
    (&BRISK, 0),
];

#[test]
fn chromium_plays_on_through_ten_deaths_of_the_encoder() {
    let house = House::start();
    let live = house.live();
    let mut encoder = push(&house, &live, &BRISK, 0);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
    let opened = page.hear()["opened_ms"].clone();
    wait::until_true("the page plays", SHOWN_WITHIN, || is_playing(&page.ask("state")));

    for (restarts, (source, hours)) in (1..).zip(RESTARTS) {
        encoder.kill();
        wait::until_true("the loss is seen", SHOWN_WITHIN, || live.state() == "interrupted");
        if restarts == AFTER_A_PAUSE {
            wait::until_true("the page says so", SHOWN_WITHIN, || {
                page.ask("state")["state"] == "interrupted"
            });
        }
        let before = page.ask("state");
        encoder = push(&house, &live, source, hours);
        let shown = wait::until("pictures of the new connection", SHOWN_WITHIN, || {
            let shown = page.ask("state");
            let is_new = seconds(&shown, "current_time") > seconds(&before, "buffered_to") + 1.0;
            (is_new && is_playing(&shown)).then_some(shown)
        });
        let width: u64 = if source.video == CHANGED.video { 426 } else { 320 };
        assert_eq!(shown["width"], width, "restart {restarts}: {shown}");
        assert_eq!(shown["error"], Value::Null, "restart {restarts}: {shown}");
        // It follows one URL, and fails as soon as a sequence number goes back.
        watch.poll_until("one discontinuity for each restart", SHOWN_WITHIN, |watch| {
            watch.discontinuities() == restarts
        });
    }
    let shown = page.ask("state");
    assert_eq!(shown["opened_ms"], opened, "the page was never loaded again: {shown}");
    let seen = shown["seen"].as_array().expect("what the player said");
    assert!(!seen.iter().any(|state| state == "error" || state == "ended"), "{shown}");
}

#[test]
fn chromium_plays_on_through_three_deaths_of_the_server() {
    let mut house = House::start();
    let live = house.live();
    let mut encoder = push(&house, &live, &BRISK, 0);
    let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
    let opened = page.hear()["opened_ms"].clone();
    wait::until_true("the page plays", SHOWN_WITHIN, || is_playing(&page.ask("state")));
    for death in 1..=3 {
        match death {
            2 => {
                house.terminate();
                assert!(house.wait_for_exit(SHOWN_WITHIN).success());
            }
            _ => house.crash(),
        }
        let before = page.ask("state");
        house.restart_in_place();
        drop(encoder);
        encoder = push(&house, &live, &BRISK, 0);
        let shown = wait::until("pictures of the new connection", 2 * SHOWN_WITHIN, || {
            let shown = page.ask("state");
            let is_new = seconds(&shown, "current_time") > seconds(&before, "buffered_to") + 1.0;
            (is_new && is_playing(&shown)).then_some(shown)
        });
        assert_eq!(shown["error"], Value::Null, "death {death}: {shown}");
        assert_eq!(shown["opened_ms"], opened, "the page was never loaded again: {shown}");
    }
    let seen = page.ask("state")["seen"].clone();
    let seen = seen.as_array().expect("what the player said");
    assert!(!seen.iter().any(|state| state == "error" || state == "ended"), "{seen:?}");
}

#[test]
fn chromium_hears_a_live_without_its_picture_and_is_not_offered_the_sound_it_has() {
    let house = House::start();
    let live = house.live();
    let _encoder = push(&house, &live, &BRISK, 0);
    Watch::begin(house.http, &live.fmp4()).poll_for_more(2, SHOWN_WITHIN);
    let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
    wait::until_true("it is offered", SHOWN_WITHIN, || {
        let shown = page.ask("state");
        is_playing(&shown) && shown["offers_sound"] == true
    });
    page.ask("tap sound-only");
    let shown = wait::until("the sound alone", SHOWN_WITHIN, || {
        let shown = page.ask("state");
        (shown["width"] == 0 && is_playing(&shown)).then_some(shown)
    });
    assert_eq!(shown["offers_sound"], false, "{shown}");
}

#[test]
fn gstreamer_plays_across_the_return_of_an_encoder() {
    let house = House::start();
    let live = house.live();
    for _ in 0..2 {
        let url = house.rtmp_url(&live.key);
        let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, house.folder());
        encoder.wait_success(SHOWN_WITHIN);
        wait::until_true("everything is read", SHOWN_WITHIN, || live.state() == "interrupted");
    }
    live.stop();
    // The older demuxer (`playbin`) plays across it too, and now and then stands still at the end of fMP4.
    for path in [live.fmp4(), live.ts()] {
        let played = gstreamer::pictures_played(&house, "playbin3", &path);
        assert_eq!(played, 2 * 360, "pictures of {path}");
    }
}

/// A busy machine draws late: what is measured on an idle one is a second.
const LATE_MS: u64 = 3_000;

#[test]
fn chromium_shows_the_page_of_a_live_soon_after_its_encoder_with_the_date_of_its_clock() {
    let (house, live, _encoder) = clock();
    let report = latency(&house, "page", &live.watch_page());
    assert_soon(&report);
    let [dated, drawn] = ["date", "clock"].map(|by| report[by]["median"].as_u64());
    let (dated, drawn) = (dated.expect("a date"), drawn.expect("a clock that can be read"));
    assert!(dated.abs_diff(drawn) < 1_000, "PROGRAM-DATE-TIME is not the encoder's: {report}");
}

#[test]
fn shaka_player_shows_a_live_soon_after_its_encoder() {
    let (house, live, _encoder) = clock();
    assert_soon(&latency(&house, "shaka", &live.fmp4()));
}

/// A live of an encoder that shows the time, past its first segments: Shaka Player reads the middle one of
/// those listed, or the next one where that is a gap for the sound alone, and gives up if it is still open.
fn clock() -> (House, Live, Peer) {
    let house = House::start();
    let live = house.live();
    let encoder = source::push_clock(&house.rtmp_url(&live.key), house.folder());
    Watch::begin(house.http, &live.fmp4()).poll_for_more(4, SHOWN_WITHIN);
    (house, live, encoder)
}

/// What `latency.mjs` measured in a quarter of a minute.
fn latency(house: &House, player: &str, path: &str) -> Value {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("web/e2e/latency.mjs");
    let mut node = Command::new("node");
    node.arg(script).args([player, &house.url(path), "15"]);
    let report = output_of(node, SHOWN_WITHIN + Duration::from_secs(15));
    serde_json::from_slice(&report).expect("one line of JSON")
}

#[track_caller]
fn assert_soon(report: &Value) {
    let median = report["clock"]["median"].as_u64();
    assert!(median.is_some_and(|ms| ms < LATE_MS), "{report}");
    assert!(report["errors"].as_array().is_some_and(Vec::is_empty), "{report}");
    // Ten seconds of pictures, even from a browser that must leave some out.
    assert!(report["clock"]["pictures"].as_u64() > Some(100), "{report}");
}

/// FFmpeg with the key of `live`, its timestamps some hours from zero.
fn push(house: &House, live: &Live, source: &Source, hours: u64) -> Peer {
    let starts_at = Duration::from_secs(hours * 3600);
    source::push_from(&source.flv(), &house.rtmp_url(&live.key), starts_at, house.folder())
}

fn is_playing(shown: &Value) -> bool {
    shown["state"] == "playing" && seconds(shown, "current_time") > 0.0
}

fn seconds(shown: &Value, name: &str) -> f64 {
    shown[name].as_f64().unwrap_or_else(|| panic!("no {name} in {shown}"))
}
