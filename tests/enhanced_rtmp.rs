//! What encoders of Enhanced RTMP send arrives at viewers bit by bit, whatever its codec.
//!
//! Here: every codec beside H.264 and AAC, in every container that carries it. Not here: what the
//! headers of tags may look like (`ingest`).

mod support;

use std::time::Duration;

use support::House;
use support::api::Live;
use support::enhanced::{AAC, AC3, AV1, EAC3, Encoding, FLAC, H264, HEVC, MP3, OPUS, SECONDS, VP9};
use support::fingerprint::{Filters, Fingerprint, H264_UNITS, HEVC_UNITS};
use support::page::Page;
use support::playlist::Watch;
use support::rtmp::{Client, Endless};
use support::wait;

/// Far more than the server needs to read eight seconds of media.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A browser on a busy two-core machine, from its start to a second of pictures.
const PLAYED_WITHIN: Duration = Duration::from_secs(60);

/// FFmpeg's filter that changes nothing.
const AS_IT_IS: &str = "null";

#[test]
fn hevc_and_aac_arrive_bit_by_bit_in_both_containers() {
    let filters = Filters { video: HEVC_UNITS, audio: "aac_adtstoasc" };
    let (house, live) = arrives_in_fmp4(HEVC, AAC, filters, "hvc1.1.6.L60.90,mp4a.40.2");
    arrives_in_mpeg_ts(&house, &live, HEVC, AAC, filters);
}

#[test]
fn av1_and_opus_arrive_bit_by_bit_and_never_in_mpeg_ts() {
    let filters = Filters { video: AS_IT_IS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(AV1, OPUS, filters, "av01.0.00M.08,Opus");
    is_not_in_mpeg_ts(&house, &live);
}

#[test]
fn vp9_and_opus_arrive_bit_by_bit_and_never_in_mpeg_ts() {
    let filters = Filters { video: AS_IT_IS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(VP9, OPUS, filters, "vp09.00.11.08,Opus");
    is_not_in_mpeg_ts(&house, &live);
}

#[test]
fn h264_and_flac_arrive_bit_by_bit_and_never_in_mpeg_ts() {
    let filters = Filters { video: H264_UNITS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(H264, FLAC, filters, "avc1.64000c,fLaC");
    is_not_in_mpeg_ts(&house, &live);
}

#[test]
fn h264_and_mp3_arrive_bit_by_bit_in_both_containers() {
    let filters = Filters { video: H264_UNITS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(H264, MP3, filters, "avc1.64000c,mp4a.40.34");
    arrives_in_mpeg_ts(&house, &live, H264, MP3, filters);
}

#[test]
fn h264_and_ac3_arrive_bit_by_bit_in_both_containers() {
    let filters = Filters { video: H264_UNITS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(H264, AC3, filters, "avc1.64000c,ac-3");
    arrives_in_mpeg_ts(&house, &live, H264, AC3, filters);
}

#[test]
fn h264_and_eac3_arrive_bit_by_bit_in_both_containers() {
    let filters = Filters { video: H264_UNITS, audio: AS_IT_IS };
    let (house, live) = arrives_in_fmp4(H264, EAC3, filters, "avc1.64000c,ec-3");
    arrives_in_mpeg_ts(&house, &live, H264, EAC3, filters);
}

#[test]
fn an_encoder_that_can_reconnect_is_asked_to_when_the_server_goes_down() {
    let mut house = House::start();
    let live = house.live();
    let tags = Encoding { video: HEVC, audio: AAC }.tags();
    let mut client = Client::connect(house.rtmp);
    client.announce_reconnect();
    client.publish(&live.key).expect("the key opens the live");
    client.send(&tags, 0);
    wait::until_true("it is live", READ_WITHIN, || live.state() == "live");

    house.terminate();
    assert_eq!(client.status_code(), "NetConnection.Connect.ReconnectRequest");
    // Up to its next key frame it may go on; then it leaves by itself.
    client.send(&tags[..10], SECONDS * 1_000);
    drop(client);
    assert!(house.wait_for_exit(READ_WITHIN).success(), "{}", house.log());

    house.restart_in_place();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the live waited for its encoder");
}

#[test]
fn chromium_plays_what_it_can_decode() {
    for (video, audio) in [(AV1, OPUS), (VP9, OPUS), (H264, FLAC)] {
        let tags = Encoding { video, audio }.tags();
        let house = House::start();
        let live = house.live();
        // First the browser, whose start takes as long as the machine likes; then the encoder, which
        // does not stop while somebody watches.
        let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
        page.hear();
        let mut client = Client::connect(house.rtmp);
        client.publish(&live.key).expect("the key opens the live");
        let mut source = Endless::begin(tags, SECONDS * 1_000);
        wait::until_true("the picture moves", PLAYED_WITHIN, || {
            source.send_due(&mut client);
            page.ask("state")["current_time"].as_f64().is_some_and(|at_s| at_s > 1.0)
        });
    }
}

/// Publishes a source of these codecs, reads it back from fMP4, and checks its `CODECS`.
#[track_caller]
fn arrives_in_fmp4(
    video: &'static [&'static str],
    audio: &'static [&'static str],
    filters: Filters,
    codecs: &str,
) -> (House, Live) {
    let encoding = Encoding { video, audio };
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.send(&encoding.tags(), 0);
    client.unpublish();
    wait::until_true("the server has read everything", READ_WITHIN, || {
        live.state() == "interrupted"
    });
    live.stop();
    let playlist = house.get(&live.fmp4()).text();
    assert!(playlist.contains(&format!("CODECS=\"{codecs}\"")), "{playlist}");
    compare(&house, &live.fmp4(), encoding, filters, "fMP4");
    (house, live)
}

#[track_caller]
fn arrives_in_mpeg_ts(
    house: &House,
    live: &Live,
    video: &'static [&'static str],
    audio: &'static [&'static str],
    filters: Filters,
) {
    compare(house, &live.ts(), Encoding { video, audio }, filters, "MPEG-TS");
}

#[track_caller]
fn compare(house: &House, path: &str, encoding: Encoding, filters: Filters, container: &str) {
    let mut watch = Watch::begin(house.http, path);
    watch.poll_to_end(READ_WITHIN);
    let segments = watch.segments.len();
    assert_eq!(
        segments,
        SECONDS as usize / 2 + 1,
        "{container}: one for each key frame, and the first"
    );
    let file = house.folder().join(container);
    std::fs::write(&file, watch.whole()).expect("a file for the segments");
    let viewed = Fingerprint::through(&file.display().to_string(), filters);
    let source = Fingerprint::through(&encoding.mp4().display().to_string(), filters);
    viewed.assert_same_as(&source, container);
}

#[track_caller]
fn is_not_in_mpeg_ts(house: &House, live: &Live) {
    let answer = house.get(&live.ts());
    assert_eq!(answer.status, 404, "{}", answer.text());
    assert_eq!(answer.json()["code"], "not_in_mpegts");
}
