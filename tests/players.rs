//! Players that go on, and how far behind they are: the page's own hls.js.
//!
//! Here: what a viewer sees while his encoder dies and comes back. Not here: that other programs can
//! publish and play at all (`interop.rs`), what the playlists say meanwhile (`life_of_a_live.rs`,
//! `hls_conformance.rs`).

mod support;

use std::time::Duration;

use serde_json::Value;

use support::api::Live;
use support::page::Page;
use support::peer::Peer;
use support::playlist::Watch;
use support::source::{self, Source, USUAL, VIDEO, Video};
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
