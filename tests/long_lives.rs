//! Hours of a live in seconds: media is made up, and every time comes from it.
//!
//! Here: what no test has the time to wait for, from tags to segments. Not here: the wraps of clocks,
//! which need no hours (`ingest`, `packager`).

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use ingest::demux::Demuxer;
use mp4_atom::{Any, ReadFrom};
use packager::{Packager, Rendition};
use support::rtmp::Client;
use support::source::USUAL;
use support::{House, flv, http, wait};

/// x264, High at level 3.1, 1280x720.
const AVC_CONFIG: &[u8] = &[
    0x17, 0, 0, 0, 0, 0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac,
    0xd9, 0x40, 0x50, 0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03,
    0xc0, 0xf1, 0x83, 0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
/// AAC-LC at 32 kHz, stereo: frames of 32 ms.
const AAC_CONFIG: &[u8] = &[0xaf, 0, 0x12, 0x90];
const IDR: &[u8] = &[0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 1];
const SLICE: &[u8] = &[0x27, 1, 0, 0, 0, 0, 0, 0, 2, 0x41, 1];
/// Samples of an AAC frame, and of a second.
const FRAME: u64 = 1_024;
const RATE: u64 = 32_000;
/// A picture; few are enough.
const PICTURE_MS: u64 = 400;

/// A live from its tags to its segments.
struct Live {
    demuxer: Demuxer,
    packager: Packager,
    events: Vec<media::Event>,
}

impl Live {
    fn begin() -> Self {
        let epoch = media::id::Epoch::from_random([0; 5]);
        let packager = Packager::new(packager::Config::default(), "demo".parse().unwrap(), epoch);
        let mut live = Self { demuxer: Demuxer::default(), packager, events: Vec::new() };
        live.packager.begin(0);
        live.video(0, AVC_CONFIG);
        live.audio(0, AAC_CONFIG.into());
        live
    }

    fn video(&mut self, at_ms: u64, body: &'static [u8]) {
        self.demuxer.video(at_ms as u32, Bytes::from_static(body), &mut self.events).unwrap();
        self.package();
    }

    fn audio(&mut self, at_ms: u64, body: Vec<u8>) {
        self.demuxer.audio(at_ms as u32, body.into(), &mut self.events).unwrap();
        self.package();
    }

    fn package(&mut self) {
        for event in self.events.drain(..) {
            self.packager.push(event).unwrap();
        }
    }
}

/// The number a frame of sound carries.
fn frame(number: u64) -> Vec<u8> {
    [&[0xaf, 1][..], &number.to_be_bytes()].concat()
}

/// How far sound is from its pictures in a segment, in milliseconds: where its frames lie against
/// when, by the encoder's clock, they were heard.
fn lip_sync_ms(segment: &[u8], heard_ms: impl Fn(u64) -> f64) -> Vec<f64> {
    const START_MS: f64 = 10_000.0;
    let mut rest = segment;
    let mut found = Vec::new();
    while !rest.is_empty() {
        let before = rest;
        let Ok(Any::Moof(moof)) = Any::read_from(&mut rest) else { continue };
        let traf = moof.traf.iter().find(|traf| traf.tfhd.track_id == 2).expect("sound");
        let at = traf.tfdt.as_ref().unwrap().base_media_decode_time;
        let data = traf.trun[0].data_offset.unwrap() as usize;
        let number = u64::from_be_bytes(before[data..data + 8].try_into().unwrap());
        found.push(at as f64 * 1_000.0 / RATE as f64 - START_MS - heard_ms(number));
    }
    found
}

/// Twelve hours of a live whose sound card runs `ppm` millionths fast by the clock that stamps it.
#[track_caller]
fn twelve_hours(ppm: f64) {
    let heard_ms = |number: u64| (number * FRAME) as f64 * 1e3 / RATE as f64 / (1.0 + ppm / 1e6);
    let mut live = Live::begin();
    let (mut sounds, mut worst, mut segments) = (0, 0.0_f64, 0);
    for picture in 0..12 * 3_600 * 1_000 / PICTURE_MS {
        let at_ms = picture * PICTURE_MS;
        while heard_ms(sounds) <= at_ms as f64 {
            live.audio(heard_ms(sounds) as u64, frame(sounds));
            sounds += 1;
        }
        live.video(at_ms, if picture % 5 == 0 { IDR } else { SLICE });
        let total = live.packager.report().segments_total;
        if total >= segments + 15 {
            segments = total;
            let segment = live.packager.segment(live.packager.last_msn().unwrap()).unwrap();
            let apart = lip_sync_ms(&segment.bytes(Rendition::Source).unwrap(), heard_ms);
            worst = apart.into_iter().map(f64::abs).fold(worst, f64::max);
        }
    }
    let (report, counts) = (live.packager.report(), live.demuxer.counts());
    assert!(worst <= 45.0, "{worst} ms");
    assert_eq!((report.discontinuities_total, counts.timestamp_jumps), (0, 0));
    // Nothing is left to the packager, which would move every frame.
    assert_eq!((report.samples_repaired_total, report.samples_dropped_total), (0, 0));
    // Over eight seconds and a half, mended in steps of 13 to 32 ms.
    assert!((200..700).contains(&counts.timestamp_repairs), "{counts:?}");
}

#[test]
fn sound_of_a_fast_card_stays_with_its_pictures_for_twelve_hours() {
    twelve_hours(200.0);
}

#[test]
fn sound_of_a_slow_card_stays_with_its_pictures_for_twelve_hours() {
    twelve_hours(-200.0);
}

#[test]
fn a_gop_of_two_hours_goes_on_in_parts_and_holds_no_more_than_a_window() {
    let mut live = Live::begin();
    let (mut sounds, mut longest_playlist, mut most_held) = (0, 0, 0);
    for picture in 0..2 * 3_600 * 25_u64 {
        let at_ms = picture * 40;
        while sounds * FRAME * 1_000 / RATE <= at_ms {
            live.audio(sounds * FRAME * 1_000 / RATE, frame(sounds));
            sounds += 1;
        }
        live.video(at_ms, if picture == 0 { IDR } else { SLICE });
        if picture % 1_500 == 1_499 {
            let report = live.packager.report();
            let text = live.packager.media_playlist(Rendition::Source).unwrap();
            longest_playlist = longest_playlist.max(text.len());
            most_held = most_held.max(report.bytes_held);
            assert!(report.longest_recent_gop_ms >= Some(at_ms - 1_000), "its author is warned");
            assert!(report.parts_total >= at_ms / 200, "{at_ms} ms: {report:?}");
        }
    }
    let report = live.packager.report();
    let text = live.packager.media_playlist(Rendition::Source).unwrap();
    let playlist = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
    let target_s = playlist.target_duration as f32;
    assert!(playlist.segments.iter().all(|segment| segment.duration.round() <= target_s));
    assert!((30_000..60_000).contains(&report.listed_ms), "{report:?}");
    assert!(longest_playlist < 20_000 && most_held < 1_000_000, "{longest_playlist} {most_held}");
    assert_eq!((report.discontinuities_total, report.samples_dropped_total), (0, 0));
}

#[test]
fn what_is_mended_is_counted_each_time_and_told_once() {
    const READ_WITHIN: Duration = Duration::from_secs(30);
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    for mut tag in flv::tags(&USUAL.flv()) {
        if tag.kind == flv::Kind::Audio {
            // Two percent more sound than time: a frame too much each second.
            tag.at_ms = tag.at_ms * 98 / 100;
        }
        client.send([&tag], 0);
    }
    client.unpublish();
    wait::until_true("it is counted", READ_WITHIN, || {
        let metrics = http::get(house.metrics, "/metrics").text();
        let mut counts =
            metrics.lines().filter_map(|line| line.strip_prefix("ingest_timestamp_repairs_total "));
        counts.next().is_some_and(|count| count.parse::<u32>().is_ok_and(|count| count >= 5))
    });
    let told = house.log().lines().filter(|line| line.contains("mended and counted")).count();
    assert_eq!(told, 1);
}
