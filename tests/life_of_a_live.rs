//! The life of a live: encoders come, go, come back and lie; viewers go on watching.
//!
//! Here: republish, takeover, loss, change of configuration, refusals, the end, crashes, strangers.
//! Every playlist is followed by a `Watch`, which fails as soon as a sequence number goes back, a
//! listed segment changes, or two parsers disagree. Not here: whether the bytes are the encoder's
//! (`publish_to_viewer.rs`).

mod support;

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use support::api::Live;
use support::fingerprint::Fingerprint;
use support::flv::{self, Kind, Tag};
use support::peer::{Peer, output_of};
use support::playlist::Watch;
use support::rtmp::{self, Client};
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{House, READY_WITHIN, boxes, http, wait};

/// An IDR every second, for tests in which time has to pass.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), ..USUAL };

/// Another picture size, and the same sound.
const LARGER: Source = Source { video: Some(Video { size: "426x240", ..VIDEO }), ..USUAL };

/// What OBS sends when nobody has told it otherwise: an IDR every 250 pictures.
const OBS_DEFAULT: Source = Source {
    video: Some(Video { gop: 250, b_frames: 0, ..VIDEO }),
    audio_hz: Some(48_000),
    seconds: 20,
};

/// For anything the server does at once.
const SOON: Duration = Duration::from_secs(10);

/// For a few segments of a second, from an encoder in real time.
const A_FEW_SEGMENTS: Duration = Duration::from_secs(20);

#[test]
fn a_publisher_back_within_the_grace_goes_on_in_the_same_playlist() {
    let house = House::start();
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll();
    // Six GOPs, and the first part of the live.
    assert_eq!(watch.segments.len(), 7, "{:?}", watch.segments);

    publish_whole(&house, &live, &USUAL);
    watch.poll();
    assert_eq!(watch.segments.len(), 13, "{:?}", watch.segments);
    let listed = (watch.segments.len() + watch.gaps.len()) as u64;
    assert_eq!(watch.newest(), Some(listed - 1), "sequence numbers go on");
    assert!(watch.nth(7).discontinuity, "{:?}", watch.segments);
    assert_eq!(watch.discontinuities(), 1);
    live.stop();
    watch.poll_to_end(SOON);
}

#[test]
fn discontinuities_that_left_the_window_stay_counted() {
    let house = House::start();
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    let mut fmp4 = Watch::begin(house.http, &live.fmp4());
    let mut ts = Watch::begin(house.http, &live.ts());
    for _ in 0..5 {
        publish_whole(&house, &live, &USUAL);
        fmp4.poll();
        ts.poll();
    }
    for watch in [fmp4, ts] {
        let newest = *watch.segments.keys().next_back().expect("segments");
        let listed = watch.segments.len() + watch.gaps.len();
        assert!(watch.segments.len() <= 37 && newest > 30, "some left between two polls: {listed}");
        assert_eq!(watch.segments[&newest].discontinuity_number, 5);
    }
}

#[test]
fn a_second_encoder_with_the_key_takes_over_at_once() {
    let house = brisk_house(&[]);
    let live = house.live();
    let mut first = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(2, A_FEW_SEGMENTS);

    let mut second = push_endlessly(&house, &live);
    first.wait(SOON);
    let before = watch.segments.len();
    watch.poll_until("the live goes on", A_FEW_SEGMENTS, |watch| {
        watch.segments.len() >= before + 3 && watch.discontinuities() == 1
    });
    assert!(second.is_alive(), "the newcomer stays: {}", second.log());
    assert_eq!(live.state(), "live");
}

#[test]
fn a_lingering_connection_is_told_and_closed_when_its_key_comes_again() {
    let house = House::start();
    let live = house.live();
    let tags = flv::tags(&USUAL.flv());
    let mut lingering = Client::connect(house.rtmp);
    lingering.publish(&live.key).expect("the key is good");
    lingering.send(&tags, 0);
    let mut watch = Watch::begin(house.http, &live.ts());
    watch.poll_until("five segments", SOON, |watch| watch.segments.len() >= 5);

    let mut newcomer = Client::connect(house.rtmp);
    newcomer.publish(&live.key).expect("the key is good, whoever else holds it");
    let code = lingering.status_code();
    assert!(code.starts_with("NetStream."), "{code}");
    lingering.wait_for_close(SOON);
    newcomer.send(&tags, 0);
    watch.poll_until("the live goes on", SOON, |watch| watch.segments.len() >= 11);
    assert_eq!(watch.discontinuities(), 1);
}

#[test]
fn a_killed_encoder_leaves_its_window_and_may_come_back() {
    let house = brisk_house(&[]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    encoder.kill();
    wait::until_true("the loss is seen", SOON, || live.state() == "interrupted");
    watch.poll();
    assert!(!watch.ended, "viewers wait with it");

    let _encoder = push_endlessly(&house, &live);
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    assert_eq!(watch.discontinuities(), 1);
    assert_eq!(live.state(), "live");
}

#[test]
fn a_publisher_that_falls_silent_is_let_go() {
    let house = House::start_with(&[("INGEST__SILENCE_TIMEOUT_MS", "1000")]);
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    client.send(&flv::tags(&USUAL.flv()), 0);
    client.wait_for_close(SOON);
    wait::until_true("the live is interrupted", SOON, || live.state() == "interrupted");
}

#[test]
fn a_live_without_publisher_past_its_grace_ends() {
    let house = House::start_with(&[("LIVES__GRACE_S", "1")]);
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_to_end(SOON);
    wait::until_true("its state says so", SOON, || live.state() == "ended");
    assert_refused(&house, &live.key);
}

#[test]
fn another_picture_size_after_a_republish_has_its_own_init_segment() {
    let house = House::start();
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    publish_whole(&house, &live, &LARGER);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll();
    assert_eq!(watch.discontinuities(), 1);
    assert_eq!(widths(&watch), [320, 426]);
    assert_eq!(count_samples(&watch), count_tags(&[&USUAL, &LARGER]));
}

#[test]
fn a_change_of_configuration_on_the_way_is_a_discontinuity_and_loses_nothing() {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    client.send(&flv::tags(&USUAL.flv()), 0);
    // Without a gap, as an encoder does that changes the picture and goes on with the sound.
    client.send(&flv::tags(&LARGER.flv()), USUAL.seconds * 1000);
    client.unpublish();
    wait::until_true("everything is read", SOON, || live.state() == "interrupted");
    live.stop();
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_to_end(SOON);
    assert_eq!(watch.discontinuities(), 1, "{:?}", watch.segments);
    assert_eq!(widths(&watch), [320, 426]);
    assert_eq!(count_samples(&watch), count_tags(&[&USUAL, &LARGER]));
}

#[test]
fn the_same_sequence_headers_again_change_nothing() {
    let house = House::start();
    let live = house.live();
    let tags = flv::tags(&USUAL.flv());
    let headers: Vec<&Tag> = tags.iter().filter(|tag| tag.is_configuration()).collect();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    for tag in &tags {
        if tag.is_idr() {
            for header in &headers {
                client.send([&Tag { at_ms: tag.at_ms, ..(*header).clone() }], 0);
            }
        }
        client.send([tag], 0);
    }
    client.unpublish();
    wait::until_true("everything is read", SOON, || live.state() == "interrupted");
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll();
    assert_eq!(watch.discontinuities(), 0, "{:?}", watch.segments);
    assert_eq!(watch.segments.len(), 7);
}

#[test]
fn an_unknown_key_is_refused_with_its_reason_and_the_connection_closes() {
    let house = House::start();
    let live = house.live();
    let wrong_secret = format!("{}x", &live.key[..live.key.len() - 1]);
    // Least of all the name by which everybody watches it.
    for key in [&wrong_secret, &live.name, "live_1_", "", "{}", &"k".repeat(5000)] {
        assert_refused(&house, key);
    }
    assert_eq!(live.state(), "created");
}

#[test]
fn ffmpeg_is_refused_a_wrong_key_and_ends() {
    let house = House::start();
    let url = house.rtmp_url("live_1_0123456789abcdef0123456789abcdef");
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Endless, house.folder());
    let status = encoder.wait(SOON);
    assert!(!status.success(), "{}", encoder.log());
    assert!(encoder.log().contains("Server error"), "it says why: {}", encoder.log());
}

#[test]
fn a_codec_we_do_not_carry_is_refused_by_its_name() {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    // VideoTagHeader: key frame, CodecID 2, Sorenson H.263 (Adobe FLV v10.1, E.4.3.1).
    let body = [0x12, 0, 0, 0x84, 0].as_slice().to_vec().into();
    client.send([&Tag { kind: Kind::Video, at_ms: 0, body }], 0);
    let code = client.status_code();
    assert!(code.starts_with("NetStream.Publish."), "{code}");
    client.wait_for_close(SOON);
    wait::until_true("the log names it", SOON, || house.log().contains("Sorenson"));
}

#[test]
fn play_is_refused() {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    let refusal = client.play(&live.name).expect_err("viewers watch over HLS");
    assert!(refusal.starts_with("NetStream."), "{refusal}");
}

#[test]
fn before_the_first_segment_viewers_are_told_to_come_back() {
    let house = House::start_with(&[("DELIVERY__FIRST_SEGMENT_WAIT_MS", "100")]);
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    for path in [live.fmp4(), live.ts()] {
        let answer = house.get(&path);
        assert_eq!(answer.status, 404, "{path}");
        assert!(answer.header("retry-after").is_some(), "{path}: {answer:?}");
        assert!(answer.header("access-control-allow-origin").is_some(), "{path}: {answer:?}");
        assert!(answer.json().is_object(), "{path}: a reason in JSON");
    }
    assert_eq!(house.get("/hls/nobody.m3u8").status, 404);
    client.send(&flv::tags(&USUAL.flv()), 0);
    Watch::begin(house.http, &live.fmp4()).poll();
}

#[test]
fn a_viewer_who_comes_early_waits_for_the_first_segment() {
    let house = House::start();
    let live = house.live();
    let (server, path) = (house.http, live.fmp4());
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    let early = std::thread::spawn(move || http::get(server, &path));
    client.send(&flv::tags(&USUAL.flv()), 0);
    assert_eq!(early.join().expect("an answer").status, 200);
}

#[test]
fn the_key_may_stand_in_the_name_or_in_the_address_with_or_without_a_query() {
    let house = House::start();
    let live = house.live();
    for (app, name) in [
        ("live".to_owned(), format!("{}?quality=720p", live.key)),
        (format!("live/{}", live.key), String::new()),
        (format!("live/{}?quality=720p", live.key), String::new()),
    ] {
        let mut client = Client::connect_to(house.rtmp, &app);
        let verdict = client.publish(&name);
        assert_eq!(verdict, Ok(()), "application {app:?}, name {name:?}");
    }
    assert_eq!(live.answer["rtmp_url"], house.rtmp_url(&live.key), "what the author is told");
}

#[test]
fn a_gop_of_eight_seconds_plays_and_its_author_is_warned() {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    client.send(&flv::tags(&OBS_DEFAULT.flv()), 0);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    // 250 pictures at 30 a second: a segment of the longest target duration, and what is left.
    watch.poll_until("two whole GOPs", SOON, |watch| watch.segments.len() >= 5);
    let gop_ms =
        |from: usize| -> u64 { (from..from + 2).map(|at| watch.nth(at).duration_ms).sum() };
    assert!((gop_ms(1) + watch.nth(0).duration_ms).abs_diff(8_333) <= 3, "{:?}", watch.segments);
    assert!(gop_ms(3).abs_diff(8_333) <= 3, "cut elsewhere than at an IDR: {:?}", watch.segments);
    let warnings = live.status()["incoming"]["warnings"].clone();
    assert_eq!(warnings[0]["code"], "gop_too_long", "{warnings}");
}

#[test]
fn the_author_ends_his_live_and_viewers_finish_the_window() {
    let house = brisk_house(&[("PACKAGER__WINDOW_MS", "8000")]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    live.stop();
    watch.poll_to_end(SOON);
    encoder.wait(SOON);
    assert_eq!(live.state(), "ended");
    assert_eq!(live.member.stop(live.id).status, 404, "already stopped");
    assert_refused(&house, &live.key);
    for segment in watch.segments.values() {
        assert_eq!(house.get(&segment.path).status, 200, "{} after the end", segment.path);
    }
    wait::until_true("it is a recording after one more window", Duration::from_secs(15), || {
        let leads_on = || house.get(&live.fmp4()).text().contains("../vod/");
        house.get(&watch.path).status == 404 && leads_on()
    });
}

#[test]
fn somebody_else_cannot_end_a_live() {
    let house = House::start();
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    assert_eq!(house.member().stop(live.id).status, 403);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll();
    assert!(!watch.ended);
}

#[test]
fn a_member_has_one_live_at_a_time() {
    let house = House::start();
    let unused = house.live();
    let live = unused.member.start_live();
    assert_refused(&house, &unused.key);
    publish_whole(&house, &live, &USUAL);
    assert_eq!(live.member.try_start_live().status, 409, "a live that was published goes on");
    live.stop();
    live.member.start_live();
}

#[test]
fn two_lives_at_once_do_not_mix() {
    let house = House::start();
    let (one, other) = (house.live(), house.live());
    let sources = [(&one, &USUAL), (&other, &LARGER)];
    let mut encoders = sources.map(|(live, source)| {
        let url = house.rtmp_url(&live.key);
        source::push_by_ffmpeg(&source.flv(), &url, Pace::Unpaced, house.folder())
    });
    encoders.iter_mut().for_each(|encoder| encoder.wait_success(SOON));
    for (live, source) in sources {
        wait::until_true("everything is read", SOON, || live.state() == "interrupted");
        live.stop();
        let viewed = Fingerprint::of(&house.url(&live.fmp4()));
        let original = Fingerprint::of(&source.flv().display().to_string());
        viewed.assert_same_as(&original, &live.name);
    }
}

#[test]
fn strangers_who_send_nonsense_do_not_disturb_a_live() {
    let mut house = brisk_house(&[("INGEST__PUBLISH_TIMEOUT_MS", "3000")]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(2, A_FEW_SEGMENTS);

    let mut strangers = Vec::new();
    for number in 0..10_u32 {
        strangers.push(raw(&house, &[]));
        strangers.push(raw(&house, b"GET / HTTP/1.1\r\n\r\n"));
        strangers.push(raw(&house, &noise(number, 20_000)));
        strangers.push(raw(&house, &[&[3][..], &noise(number, 3_000)].concat()));
        strangers.push(past_handshake(&house, &noise(number, 20_000)));
        strangers.push(past_handshake(&house, &nested_arrays()));
        strangers.push(past_handshake(&house, &lone_set_data_frame()));
        strangers.push(past_handshake(&house, &command_with_too_little()));
        strangers.push(past_handshake(&house, &announced_and_never_sent()));
    }
    for mut stranger in strangers {
        rtmp::wait_for_close(&mut stranger, SOON);
    }
    watch.poll_for_more(2, A_FEW_SEGMENTS);
    assert!(house.is_alive() && encoder.is_alive());
    assert_eq!(watch.discontinuities(), 0);
}

#[test]
fn a_server_asked_to_stop_lets_everybody_go() {
    let mut house = brisk_house(&[]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(2, A_FEW_SEGMENTS);
    house.terminate();
    // A viewer asks on, until the door is shut: never is he told that there is no such live.
    wait::until_true("the server no longer answers", SOON, || {
        let answer = http::try_send(house.http, "GET", &watch.path, &[], b"");
        assert!(answer.as_ref().map_or(true, |answer| answer.status == 200), "{answer:?}");
        answer.is_err()
    });
    let status = house.wait_for_exit(SOON);
    assert!(status.success(), "{status}:\n{}", house.log());
    encoder.wait(SOON);

    house.restart();
    let member = live.member.sign_in_again(house.http);
    let state = member.status_of(live.id)["status"].clone();
    assert_eq!(state, "interrupted", "a restart is an interruption");
}

#[test]
fn a_live_cut_by_a_crash_of_the_server_waits_for_its_publisher_again() {
    let mut house = brisk_house(&[]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut before = Watch::begin(house.http, &live.fmp4());
    before.poll_for_more(2, A_FEW_SEGMENTS);
    house.crash();
    encoder.wait(SOON);

    house.restart_in_place();
    let member = live.member.sign_in_again(house.http);
    assert_eq!(member.status_of(live.id)["status"], "interrupted");
    // Who stayed is told of no end and of no hole, and of what he has nothing else.
    before.poll();
    let _encoder = push_endlessly(&house, &live);
    before.poll_for_more(3, A_FEW_SEGMENTS);
    assert_eq!(before.discontinuities(), 1);
    let mut after = Watch::begin(house.http, &live.fmp4());
    after.poll();
    let without_session = |watch: &Watch| watch.path.split('?').next().map(str::to_owned);
    assert_eq!(without_session(&before), without_session(&after), "who comes now gets the same");
    assert_eq!(member.status_of(live.id)["status"], "live");
}

#[test]
fn an_orderly_restart_is_a_pause_in_the_same_playlist() {
    let mut house = brisk_house(&[]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    house.terminate();
    assert!(house.wait_for_exit(SOON).success(), "{}", house.log());
    encoder.wait(SOON);
    house.restart_in_place();
    watch.poll();
    let _encoder = push_endlessly(&house, &live);
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    assert_eq!(watch.discontinuities(), 1);
}

#[test]
fn a_live_that_is_not_recorded_begins_anew_after_a_crash() {
    let mut house = brisk_house(&[("RECORDING__ENABLED", "false")]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut before = Watch::begin(house.http, &live.fmp4());
    before.poll_for_more(2, A_FEW_SEGMENTS);
    house.crash();
    encoder.wait(SOON);
    house.restart();
    let _encoder = push_endlessly(&house, &live);
    let mut after = Watch::begin(house.http, &live.fmp4());
    after.poll_until("segments", A_FEW_SEGMENTS, |watch| watch.segments.len() >= 2);
    assert_ne!(before.path, after.path, "no URL names two contents");
}

#[test]
fn a_live_whose_grace_ended_while_the_server_was_away_has_ended_and_can_be_watched() {
    let mut house = brisk_house(&[("LIVES__GRACE_S", "1")]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(3, A_FEW_SEGMENTS);
    house.crash();
    encoder.wait(SOON);
    let crashed = std::time::Instant::now();
    wait::until_true("the grace is over", SOON, || crashed.elapsed().as_secs() >= 2);
    house.restart();
    let member = live.member.sign_in_again(house.http);
    let status = member.status_of(live.id);
    assert_eq!(status["status"], "ended", "{status}");
    wait::until_true("its post shows it", SOON, || {
        let post = member.get(&format!("/api/posts/{}/", live.id)).json();
        post["live_stream"]["file"].as_str().is_some()
    });
    assert!(house.get(&live.fmp4()).text().contains("../vod/"), "its address goes on");
    member.start_live();
}

#[test]
fn a_live_left_by_a_crash_ends_when_nobody_comes_back() {
    let mut house = House::start_with(&[("LIVES__GRACE_S", "2")]);
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    wait::until_true("the live is on", SOON, || live.state() == "live");
    house.crash();
    house.restart();
    let member = live.member.sign_in_again(house.http);
    wait::until_true("the live ends", READY_WITHIN, || {
        member.status_of(live.id)["status"] == "ended"
    });
    member.start_live();
}

#[test]
fn the_key_appears_in_no_log_and_no_playlist() {
    let mut house = House::start_with(&[("LOG__FILTER", "debug")]);
    let live = house.live();
    publish_whole(&house, &live, &USUAL);
    assert_refused(&house, &format!("{}0", live.key));
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll();
    live.stop();
    house.terminate();
    house.wait_for_exit(SOON);
    let secret = live.key.rsplit('_').next().expect("live_<user>_<secret>");
    assert!(secret.len() >= 20, "128 bits or more: {}", secret.len());
    assert!(!live.name.contains(secret) && !secret.contains(&live.name));
    assert!(!house.log().contains(secret), "the log tells the key");
    assert!(!house.log().contains("testpass123"), "the log tells a password");
}

#[test]
fn the_whole_path_runs_on_postgresql() {
    let server = std::env::var("TEST_DATABASE_URL").expect(
        "TEST_DATABASE_URL is not set: use `make test`, or eval \"$(scripts/postgres.sh start)\"",
    );
    let database = Database::create(&server);
    let mut house = brisk_house(&[("DATABASE_URL", &database.url)]);
    let live = house.live();
    let mut encoder = push_endlessly(&house, &live);
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_for_more(2, A_FEW_SEGMENTS);
    encoder.kill();
    wait::until_true("the loss is written", SOON, || live.state() == "interrupted");
    let encoder = push_endlessly(&house, &live);
    watch.poll_for_more(2, A_FEW_SEGMENTS);
    live.stop();
    watch.poll_to_end(SOON);
    drop(encoder);
    assert_eq!(live.state(), "ended");
    house.terminate();
    assert!(house.wait_for_exit(SOON).success());
    house.restart();
    let member = live.member.sign_in_again(house.http);
    assert_eq!(member.status_of(live.id)["status"], "ended");
    house.crash();
}

/// A server with segments of one second.
fn brisk_house(settings: &[(&str, &str)]) -> House {
    let shorter = [("PACKAGER__SEGMENT_TARGET_MS", "1000"), ("PACKAGER__MAX_GAP_MS", "1000")];
    House::start_with(&[&shorter, settings].concat())
}

fn push_endlessly(house: &House, live: &Live) -> Peer {
    let url = house.rtmp_url(&live.key);
    source::push_by_ffmpeg(&BRISK.flv(), &url, Pace::Endless, house.folder())
}

/// Publishes a source from its first sample to its last, and waits until the server has them.
#[track_caller]
fn publish_whole(house: &House, live: &Live, source: &Source) {
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&source.flv(), &url, Pace::Unpaced, house.folder());
    encoder.wait_success(SOON);
    wait::until_true("everything is read", SOON, || live.state() == "interrupted");
}

#[track_caller]
fn assert_refused(house: &House, key: &str) {
    let mut client = Client::connect(house.rtmp);
    let code = client.publish(key).expect_err("the key is not good");
    let known = ["NetStream.Publish.BadName", "NetStream.Publish.Unauthorized"];
    assert!(known.contains(&code.as_str()), "{code} for a key of {} bytes", key.len());
    client.wait_for_close(SOON);
}

/// The picture widths of a live, in the order in which its init segments came.
fn widths(watch: &Watch) -> Vec<u16> {
    let mut seen = BTreeSet::new();
    let inits = watch.segments.values().filter_map(|segment| segment.init.as_ref());
    let new = inits.filter(|path| seen.insert((*path).clone()));
    new.map(|path| boxes::width(watch.init(path))).collect()
}

fn count_samples(watch: &Watch) -> usize {
    watch.segments.keys().map(|msn| boxes::count_samples(watch.body(*msn))).sum()
}

fn count_tags(sources: &[&Source]) -> usize {
    let media = |tag: &Tag| tag.kind != Kind::Script && !tag.is_configuration();
    // FFmpeg's FLV ends its video with an empty "end of sequence" (AVCPacketType 2).
    let end = |tag: &Tag| tag.kind == Kind::Video && tag.body.get(1) == Some(&2);
    let of = |source: &&Source| {
        let tags = flv::tags(&source.flv());
        tags.iter().filter(|tag| media(tag) && !end(tag)).count()
    };
    sources.iter().map(of).sum()
}

fn raw(house: &House, bytes: &[u8]) -> TcpStream {
    let mut socket = TcpStream::connect(house.rtmp).expect("the RTMP port");
    // The server may well close before it has read everything.
    let _ = socket.write_all(bytes);
    socket
}

fn past_handshake(house: &House, bytes: &[u8]) -> TcpStream {
    let (mut socket, _) = rtmp::shake_hands(house.rtmp);
    let _ = socket.write_all(bytes);
    socket
}

/// Bytes without meaning, the same in every run (xorshift32).
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state as u8
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// A command whose argument is an array in an array in an array, 60 KB deep.
fn nested_arrays() -> Vec<u8> {
    let array = [0x0A, 0, 0, 0, 1];
    let body = [amf_string("connect"), amf_number(1.0), array.repeat(12_000)].concat();
    message(20, &body)
}

/// `@setDataFrame` and nothing after it.
fn lone_set_data_frame() -> Vec<u8> {
    message(18, &amf_string("@setDataFrame"))
}

/// A command without transaction id and object.
fn command_with_too_little() -> Vec<u8> {
    message(20, &amf_string("connect"))
}

/// A chunk size of 2^31-1, and a message of 16 MB of which the first byte comes.
fn announced_and_never_sent() -> Vec<u8> {
    let chunk_size = [2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0x7F, 0xFF, 0xFF, 0xFF];
    let header = [4, 0, 0, 0, 0xFF, 0xFF, 0xFF, 9, 1, 0, 0, 0, 0x17];
    [&chunk_size[..], &header[..]].concat()
}

/// One message on chunk stream 3, in chunks of 128 bytes.
fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    let [_, a, b, c] = (body.len() as u32).to_be_bytes();
    let mut bytes = vec![3, 0, 0, 0, a, b, c, kind, 0, 0, 0, 0];
    for (number, chunk) in body.chunks(128).enumerate() {
        if number > 0 {
            bytes.push(0xC3);
        }
        bytes.extend_from_slice(chunk);
    }
    bytes
}

fn amf_string(text: &str) -> Vec<u8> {
    [&[2][..], &(text.len() as u16).to_be_bytes(), text.as_bytes()].concat()
}

fn amf_number(number: f64) -> Vec<u8> {
    [&[0][..], &number.to_be_bytes()].concat()
}

/// An empty database on the test's PostgreSQL, dropped with the value.
struct Database {
    server: String,
    name: String,
    url: String,
}

impl Database {
    fn create(server: &str) -> Self {
        let name = format!("house_{}", std::process::id());
        psql(server, &format!("create database {name}"));
        let (address, _) = server.rsplit_once('/').expect("postgres://host/database");
        Self { server: server.to_owned(), url: format!("{address}/{name}"), name }
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        psql(&self.server, &format!("drop database if exists {} with (force)", self.name));
    }
}

fn psql(server: &str, statement: &str) {
    let mut command = Command::new("psql");
    command.args(["--quiet", "--no-psqlrc", "--command", statement, server]);
    output_of(command, SOON);
}
