//! From an encoder to a viewer, bit by bit.
//!
//! Here: files of many kinds, pushed by encoders of three families, read back over HLS by FFmpeg in
//! both containers: every sample is there, once, in order, unchanged, in time. And what independent
//! parsers think of the bytes in between. Not here: what happens when a publisher goes away
//! (`life_of_a_live.rs`); OBS and browsers (`interop.rs`).

mod support;

use std::path::Path;
use std::time::Duration;

use support::House;
use support::api::Live;
use support::fingerprint::Fingerprint;
use support::peer::Peer;
use support::playlist::Watch;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::{boxes, flv, packets, rtmp, wait};

/// Pushing a source faster than real time, with every encoder's own start and end.
const PUSHED_WITHIN: Duration = Duration::from_secs(40);

/// From the author's word to the end in the playlist.
const ENDED_WITHIN: Duration = Duration::from_secs(5);

#[test]
fn thirty_pictures_a_second_without_b_frames_arrive_whole() {
    let video = Video { b_frames: 0, ..VIDEO };
    arrives_whole(Source { video: Some(video), ..USUAL });
}

#[test]
fn b_frames_at_29_97_beside_44_1_khz_arrive_whole() {
    let video = Video { rate: "30000/1001", b_frames: 3, ..VIDEO };
    let source = Source { video: Some(video), audio_hz: Some(44_100), ..USUAL };
    arrives_whole(source);
}

#[test]
fn sixty_pictures_a_second_with_b_frames_arrive_whole() {
    let video = Video { rate: "60", gop: 120, ..VIDEO };
    arrives_whole(Source { video: Some(video), ..USUAL });
}

#[test]
fn sound_alone_arrives_whole() {
    arrives_whole(Source { video: None, audio_hz: Some(44_100), ..USUAL });
}

#[test]
fn a_picture_without_sound_arrives_whole() {
    arrives_whole(Source { audio_hz: None, ..USUAL });
}

#[test]
fn what_gstreamer_sends_with_rtmp2sink_arrives_whole() {
    let video = Video { b_frames: 0, ..VIDEO };
    let (original, viewed) = by_gstreamer(Source { video: Some(video), ..USUAL }, "rtmp2sink");
    for (container, viewed) in viewed {
        viewed.assert_same_as(&original, container);
    }
}

#[test]
fn b_frames_that_gstreamer_sends_with_rtmp2sink_arrive_whole() {
    let (original, viewed) = by_gstreamer(USUAL, "rtmp2sink");
    for (container, viewed) in viewed {
        viewed.assert_samples_of(&original, container);
    }
}

#[test]
fn what_librtmp_sends_arrives_whole() {
    let video = Video { rate: "30000/1001", b_frames: 0, ..VIDEO };
    let source = Source { video: Some(video), audio_hz: Some(44_100), ..USUAL };
    let (original, viewed) = by_gstreamer(source, "rtmpsink");
    for (container, viewed) in viewed {
        viewed.assert_same_as(&original, container);
    }
}

#[test]
fn a_publisher_without_metadata_arrives_whole() {
    let house = House::start();
    let live = house.live();
    let tags = flv::tags(&USUAL.flv());
    let mut client = rtmp::Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key is good");
    client.send(&tags, 0);
    client.unpublish();
    wait::until_true("the server has read everything", PUSHED_WITHIN, || {
        live.state() == "interrupted"
    });
    live.stop();
    let source = Fingerprint::of(&USUAL.flv().display().to_string());
    let viewed = Fingerprint::of(&house.url(&live.fmp4()));
    viewed.assert_same_as(&source, "rml_rtmp");
}

#[test]
fn every_segment_stands_on_its_own_in_both_containers() {
    let house = House::start();
    let live = house.live();
    publish(&house, &live, &USUAL, by_ffmpeg);
    let mut fmp4 = Watch::begin(house.http, &live.fmp4());
    let mut ts = Watch::begin(house.http, &live.ts());
    fmp4.poll_to_end(ENDED_WITHIN);
    ts.poll_to_end(ENDED_WITHIN);

    let msns: Vec<u64> = fmp4.segments.keys().copied().collect();
    assert_eq!(msns, ts.segments.keys().copied().collect::<Vec<_>>(), "one segmenter for both");
    assert_eq!(msns.len(), 7, "twelve seconds in segments of two: {:?}", fmp4.segments);
    // The first part of a live is a segment of its own: what follows it opens on no IDR.
    for msn in msns.into_iter().filter(|msn| *msn != 1) {
        let (listed, listed_ts) = (&fmp4.segments[&msn], &ts.segments[&msn]);
        assert_eq!(listed.duration_ms, listed_ts.duration_ms, "EXTINF of MSN {msn}");
        let init = listed.init.as_ref().expect("fMP4 has an init segment");
        boxes::assert_segment(fmp4.init(init), fmp4.body(msn), &format!("MSN {msn}"));
        packets::assert_segment(ts.body(msn), &format!("MSN {msn}"));
    }
    boxes::assert_continuous(&fmp4);
}

#[test]
fn the_multivariant_playlist_tells_what_is_sent() {
    let house = House::start();
    let live = house.live();
    publish(&house, &live, &USUAL, by_ffmpeg);
    for path in [live.fmp4(), live.ts()] {
        let answer = house.get(&path);
        assert_eq!(answer.header("content-type"), Some("application/vnd.apple.mpegurl"));
        let playlist = m3u8_rs::parse_master_playlist_res(&answer.body).expect("a playlist");
        let variant = &playlist.variants[0];
        let text = answer.text();
        assert_eq!(variant.codecs.as_deref(), Some("avc1.64000d,mp4a.40.2"), "{text}");
        let size = variant.resolution.map(|size| (size.width, size.height));
        assert_eq!(size, Some((320, 180)), "{text}");
        assert!(text.contains("FRAME-RATE=30.000"), "{text}");
        let average = variant.average_bandwidth.expect("AVERAGE-BANDWIDTH");
        let file_bytes = std::fs::metadata(USUAL.flv()).expect("the source").len();
        let sent_bps = file_bytes * 8 / u64::from(USUAL.seconds);
        assert!(variant.bandwidth >= average, "{text}");
        assert!((sent_bps * 9 / 10..sent_bps * 13 / 10).contains(&average), "{sent_bps}: {text}");
    }
}

fn by_ffmpeg(source: &Source, url: &str, folder: &Path) -> Peer {
    source::push_by_ffmpeg(&source.flv(), url, Pace::Unpaced, folder)
}

/// Publishes `source` by FFmpeg and reads it back.
#[track_caller]
fn arrives_whole(source: Source) {
    let (original, viewed) = publish_and_view(&source, by_ffmpeg);
    for (container, viewed) in viewed {
        viewed.assert_same_as(&original, container);
    }
}

/// Publishes `source` by GStreamer through `sink` and reads it back.
#[track_caller]
fn by_gstreamer(source: Source, sink: &str) -> (Fingerprint, [(&'static str, Fingerprint); 2]) {
    publish_and_view(&source, |source, url, folder| {
        source::push_by_gstreamer(source, url, sink, folder)
    })
}

/// Publishes `source` by `push`; gives what was sent, and what viewers got in both containers.
#[track_caller]
fn publish_and_view(
    source: &Source,
    push: impl FnOnce(&Source, &str, &Path) -> Peer,
) -> (Fingerprint, [(&'static str, Fingerprint); 2]) {
    let house = House::start();
    let live = house.live();
    publish(&house, &live, source, push);
    let viewed = [("fMP4", live.fmp4()), ("MPEG-TS", live.ts())].map(|(container, path)| {
        let mut watch = Watch::begin(house.http, &path);
        watch.poll_to_end(ENDED_WITHIN);
        // From one file: FFmpeg's own reader of playlists gives the second AAC frame of a TS
        // without pictures the time of the first (seen with 5.1, and with playlists of its own).
        let file = house.folder().join(container);
        std::fs::write(&file, watch.whole()).expect("a file for the segments");
        (container, Fingerprint::of(&file.display().to_string()))
    });
    (Fingerprint::of(&source.flv().display().to_string()), viewed)
}

/// Publishes `source` by `push` from its first sample to its last, and ends the live.
#[track_caller]
fn publish(
    house: &House,
    live: &Live,
    source: &Source,
    push: impl FnOnce(&Source, &str, &Path) -> Peer,
) {
    let mut encoder = push(source, &house.rtmp_url(&live.key), house.folder());
    encoder.wait_success(PUSHED_WITHIN);
    // An encoder that is gone may have left bytes in the socket that the server has yet to read.
    wait::until_true("the server has read everything", PUSHED_WITHIN, || {
        live.state() == "interrupted"
    });
    live.stop();
}
