//! Going back in lives that are on, bit by bit.
//!
//! Here: what FFmpeg decodes of a live from its beginning while it goes on, and what is left for who went back when it
//! is over or the server was started again. Not here: the lists, line by line (`recorder`, `hls_conformance.rs`),
//! requests in every form (`delivery`), the page (`pages.rs`).

mod support;

use std::time::Duration;

use support::House;
use support::api::Live;
use support::fingerprint::Fingerprint;
use support::http;
use support::peer::output_of;
use support::source::{self, Pace, USUAL};
use support::wait;

const SHORT_WINDOW: &[(&str, &str)] = &[("PACKAGER__WINDOW_MS", "12000")];
const GONE_ON_WITHIN: Duration = Duration::from_secs(60);
const READ_WITHIN: Duration = Duration::from_secs(60);
const ENDED_WITHIN: Duration = Duration::from_secs(60);

/// The address of the first media playlist of a multivariant one.
#[track_caller]
fn media(house: &House, multivariant: &str) -> String {
    let answer = house.get(multivariant);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let uri = text.lines().find(|line| !line.starts_with('#')).expect("a media playlist");
    format!("/hls/{uri}")
}

/// Waits until the list of the live begins at that segment or later.
fn goes_on(house: &House, live: &Live, first_msn: u64) {
    let path = wait::until("there is a playlist", GONE_ON_WITHIN, || {
        (house.get(&live.fmp4()).status == 200).then(|| media(house, &live.fmp4()))
    });
    wait::until_true("the beginning left the window", GONE_ON_WITHIN, || {
        let list = house.get(&path).text();
        let first = list.lines().find_map(|line| line.strip_prefix("#EXT-X-MEDIA-SEQUENCE:"));
        first.is_some_and(|it| it.parse().is_ok_and(|msn: u64| msn >= first_msn))
    });
}

/// The hashes of the pictures that FFmpeg decodes in the first seconds of a playlist.
fn first_pictures(url: &str, seconds: &str) -> Vec<String> {
    let mut ffmpeg = source::ffmpeg();
    ffmpeg.args(["-loglevel", "error", "-live_start_index", "0", "-i", url, "-t", seconds]);
    ffmpeg.args(["-map", "0:v:0", "-fps_mode", "passthrough", "-f", "framemd5", "-"]);
    let said = String::from_utf8(output_of(ffmpeg, READ_WITHIN)).expect("text");
    let lines = said.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

#[test]
fn a_live_is_decoded_from_its_beginning_while_it_is_on_and_goes_on_to_its_end() {
    let house = House::start_with(SHORT_WINDOW);
    let live = house.live();
    let url = house.rtmp_url(&live.key);
    let encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
    goes_on(&house, &live, 3);
    let watched = house.get(&format!("/api/lives/{}/", live.name)).json();
    assert_eq!(watched["rewind"]["hls_url"], house.url(&live.rewind()), "{watched:#}");
    assert_eq!(watched["rewind"]["from"], watched["started_at"]);

    let original = Fingerprint::of(&USUAL.flv().display().to_string());
    let hashes: Vec<_> = original.pictures.iter().map(|it| it.hash.clone()).collect();
    let decoded = first_pictures(&house.url(&live.rewind()), "8");
    // The sound begins a little before the first picture.
    assert!((8 * 30 - 3..=8 * 30).contains(&decoded.len()), "{}", decoded.len());
    assert!(hashes.starts_with(&decoded), "the pictures of the source, one by one");
    let list = media(&house, &live.rewind());
    let during = house.get(&list).text();
    assert!(during.contains("#EXT-X-MEDIA-SEQUENCE:0\n") && !during.contains("ENDLIST"));

    drop(encoder);
    live.stop();
    wait::until_true("the list ends", ENDED_WITHIN, || {
        house.get(&list).text().ends_with("#EXT-X-ENDLIST\n")
    });
    let after = house.get(&list).text();
    assert!(after.starts_with(&during), "it went on where it was");
    wait::until_true("the live is gone", ENDED_WITHIN, || {
        house.get(&live.fmp4()).text().contains("../vod/")
    });
    let folder = list.rsplit_once('/').map_or("", |(folder, _)| folder);
    for file in after.lines().filter(|line| !line.starts_with('#')) {
        assert_eq!(house.get(&format!("{folder}/{file}")).status, 200, "{file}");
    }
}

#[test]
fn who_goes_back_after_a_restart_finds_the_first_beginning() {
    let mut house = House::start_with(SHORT_WINDOW);
    let live = house.live();
    let folder = tempfile::tempdir().expect("a folder");
    let url = house.rtmp_url(&live.key);
    let encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, folder.path());
    goes_on(&house, &live, 3);
    let list = media(&house, &live.rewind());
    let before = house.get(&list).text();
    drop(encoder);
    house.crash();
    house.restart_in_place();
    wait::until_true("the live is there again", GONE_ON_WITHIN, || house.get(&list).status == 200);
    let again = tempfile::tempdir().expect("a folder");
    let url = house.rtmp_url(&live.key);
    let _encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, again.path());
    wait::until_true("its encoder is back", GONE_ON_WITHIN, || {
        house.get(&list).text().contains("#EXT-X-DISCONTINUITY\n")
    });
    let after = house.get(&list).text();
    // What was listed when the server died may be a gap now; what was written is as it was.
    let written = before.lines().count() - 6;
    assert!(
        after.lines().zip(before.lines()).take(written).all(|(is, was)| is == was),
        "{before}\n{after}"
    );
    let original = Fingerprint::of(&USUAL.flv().display().to_string());
    let hashes: Vec<_> = original.pictures.iter().map(|it| it.hash.clone()).collect();
    let decoded = first_pictures(&house.url(&live.rewind()), "8");
    assert!((8 * 30 - 3..=8 * 30).contains(&decoded.len()), "{}", decoded.len());
    assert!(hashes.starts_with(&decoded), "the pictures of the source, one by one");
}

#[test]
fn where_nothing_is_recorded_or_nobody_may_there_is_no_way_back() {
    for setting in [("RECORDING__ENABLED", "false"), ("DELIVERY__REWIND_S", "0")] {
        let house = House::start_with(&[setting]);
        let live = house.live();
        let url = house.rtmp_url(&live.key);
        let _encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
        wait::until_true("it plays", GONE_ON_WITHIN, || house.get(&live.fmp4()).status == 200);
        let refused = http::send(house.http, "GET", &live.rewind(), &[], b"");
        assert_eq!((refused.status, refused.json()["code"].as_str()), (404, Some("no_rewind")));
        assert!(refused.text().contains("enregistré"), "{}", refused.text());
        let watched = house.get(&format!("/api/lives/{}/", live.name)).json();
        assert!(watched["rewind"].is_null(), "{watched:#}");
    }
}
