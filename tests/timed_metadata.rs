//! What an encoder says at a time reaches viewers at that time.
//!
//! Here: RTMP data messages in, and what `mp4-atom`, ffprobe and hls.js in Chromium find of them in
//! each rendition. Not here: the bytes of tags and boxes (`packager`), what is refused (`ingest`).

mod support;

use std::process::Command;
use std::time::Duration;

use mp4_atom::{Any, ReadFrom};
use serde_json::{Value, json};
use support::House;
use support::api::Live;
use support::fingerprint::Fingerprint;
use support::http;
use support::page::Page;
use support::peer::output_of;
use support::playlist::Watch;
use support::rtmp::{Client, Endless, amf};
use support::source::{Source, USUAL, VIDEO, Video};
use support::{flv, packets, wait};

/// Far more than the server needs to read twelve seconds of media.
const READ_WITHIN: Duration = Duration::from_secs(30);

/// A browser on a busy two-core machine, from its start to three cues.
const PLAYED_WITHIN: Duration = Duration::from_secs(90);

/// Every picture is shown when it is decoded: times are the same in every reader.
const SOURCE: Source = Source { video: Some(Video { b_frames: 0, ..VIDEO }), ..USUAL };

/// How long a picture is shown. What is said while the last one of a part is may be said with the next,
/// since the part does not wait for it.
const PICTURE_MS: u64 = 34;

/// RTMP message types.
const DATA_AMF0: u8 = 18;
const DATA_AMF3: u8 = 15;

/// When each is said, in milliseconds, its name, and what viewers read.
fn script() -> [(u32, &'static str, Value); 3] {
    [
        (1_500, "onTextData", json!({"text": "Bonsoir à tous"})),
        (5_000, "onCuePoint", json!({"name": "but", "time": 5})),
        (9_250, "onScore", json!([2, "1"])),
    ]
}

#[test]
fn what_is_said_is_in_every_rendition_at_its_time() {
    let (house, live) = published();
    let start_ms = flv::tags(&SOURCE.flv()).iter().find(|tag| tag.is_idr()).map(|tag| tag.at_ms);
    let expected: Vec<(u64, String, Value)> = script()
        .map(|(at_ms, name, value)| (u64::from(at_ms - start_ms.unwrap()), name.to_owned(), value))
        .into();
    let mut watch = Watch::begin(house.http, &live.fmp4());
    watch.poll_to_end(READ_WITHIN);
    assert_said(&in_fmp4(&watch), &expected, 0..=PICTURE_MS);

    let audio = live.fmp4().replace(".m3u8", "-audio.m3u8");
    let mut watch = Watch::begin(house.http, &audio);
    watch.poll_to_end(READ_WITHIN);
    let sound: Vec<_> = in_fmp4(&watch);
    // Sound begins at most a frame beside the picture.
    let early_ms = 25;
    let expected: Vec<_> =
        expected.into_iter().map(|(at, name, value)| (at - early_ms, name, value)).collect();
    assert_said(&sound, &expected, 0..=2 * early_ms + PICTURE_MS);
}

fn assert_said(
    found: &[(u64, String, Value)],
    expected: &[(u64, String, Value)],
    late_ms: std::ops::RangeInclusive<u64>,
) {
    assert_eq!(found.len(), expected.len(), "{found:?}");
    for ((at, said, what), (at_ms, name, value)) in found.iter().zip(expected) {
        assert_eq!((said, what), (name, value));
        assert!(at.checked_sub(*at_ms).is_some_and(|late| late_ms.contains(&late)), "{found:?}");
    }
}

#[test]
fn ffprobe_finds_timed_id3_in_mpeg_ts() {
    let (house, live) = published();
    let mut watch = Watch::begin(house.http, &live.ts());
    watch.poll_to_end(READ_WITHIN);
    for msn in watch.segments.keys().filter(|msn| **msn != 1) {
        packets::assert_segment(watch.body(*msn), &format!("MSN {msn}"));
    }
    let file = house.folder().join("live.ts");
    std::fs::write(&file, watch.whole()).expect("a file for the segments");
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-loglevel", "error", "-print_format", "json", "-show_packets", "-show_data"]);
    // Said after the first seconds: to be found, it must be looked for that long.
    ffprobe.args(["-probesize", "50M", "-analyzeduration", "60M", "-show_streams"]);
    ffprobe.arg(&file);
    let found: Value =
        serde_json::from_slice(&output_of(ffprobe, READ_WITHIN)).expect("ffprobe says JSON");
    let tracks = found["streams"].as_array().expect("tracks");
    let codecs: Vec<_> = tracks.iter().filter_map(|track| track["codec_name"].as_str()).collect();
    assert_eq!(codecs, ["h264", "aac", "timed_id3"], "{found}");
    let packets = found["packets"].as_array().expect("packets");
    let of = |kind: &str| {
        let packets = packets.iter().filter(move |packet| packet["codec_type"] == kind);
        packets.map(|packet| (seconds(&packet["pts_time"]), packet)).collect::<Vec<_>>()
    };
    let start_s = of("video")[0].0;
    let said: Vec<_> = of("data").iter().map(|(at_s, _)| (at_s - start_s) * 1_000.0).collect();
    let start_ms = flv::tags(&SOURCE.flv()).iter().find(|tag| tag.is_idr()).map(|tag| tag.at_ms);
    for (said_ms, (at_ms, ..)) in said.iter().zip(script()) {
        let expected = f64::from(at_ms - start_ms.unwrap());
        let late_ms = said_ms - expected;
        assert!((-1.0..=PICTURE_MS as f64).contains(&late_ms), "{said_ms} and not {expected}");
    }
    assert_eq!(said.len(), 3);
}

#[test]
fn media_arrives_whole_beside_what_is_said() {
    let (house, live) = published();
    let source = Fingerprint::of(&SOURCE.flv().display().to_string());
    for path in [live.fmp4(), live.ts()] {
        Fingerprint::of(&house.url(&path)).assert_same_as(&source, &path);
        let mut gst = Command::new("gst-launch-1.0");
        gst.args(["--quiet", "playbin"]).arg(format!("uri={}", house.url(&path)));
        gst.args(["video-sink=fakesink", "audio-sink=fakesink"]);
        output_of(gst, READ_WITHIN);
    }
}

#[test]
fn hls_js_in_chromium_shows_what_is_said_when_its_picture_is_shown() {
    chromium_hears(Live::fmp4);
}

#[test]
fn hls_js_in_chromium_shows_what_is_said_in_mpeg_ts_too() {
    chromium_hears(Live::ts);
}

#[test]
fn what_is_said_is_counted_and_what_is_too_much_of_it_too() {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    let tags = flv::tags(&SOURCE.flv());
    let half = tags.len() / 2;
    client.send(&tags[..half], 0);
    for _ in 0..80 {
        client.say(DATA_AMF0, tags[half].at_ms, &amf::string("onScore"));
    }
    client.send(&tags[half..], 0);
    client.unpublish();
    wait::until_true("it is counted", READ_WITHIN, || {
        let metrics = http::get(house.metrics, "/metrics").text();
        metrics.contains("ingest_metadata_total 50\n")
            && metrics.contains("ingest_dropped_metadata_total 30\n")
    });
    let told = house.log().lines().filter(|line| line.contains("timed metadata dropped")).count();
    assert_eq!(told, 1);
}

/// A live that is over, in which everything of the script was said.
fn published() -> (House, Live) {
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    let object = |properties: &[_]| amf::object(properties);
    let mut said = vec![
        (
            1_500,
            DATA_AMF0,
            amf::string("onTextData"),
            object(&[("text", amf::string("Bonsoir à tous"))]),
        ),
        (
            5_000,
            DATA_AMF0,
            [amf::string("@setDataFrame"), amf::string("onCuePoint")].concat(),
            object(&[("name", amf::string("but")), ("time", amf::number(5.0))]),
        ),
        (9_250, DATA_AMF3, amf::string("onScore"), [amf::number(2.0), amf::string("1")].concat()),
    ]
    .into_iter()
    .peekable();
    for tag in flv::tags(&SOURCE.flv()) {
        while let Some((at_ms, kind, name, value)) = said.next_if(|it| it.0 <= tag.at_ms) {
            client.say(kind, at_ms, &[name, value].concat());
        }
        client.send([&tag], 0);
    }
    client.unpublish();
    wait::until_true("the server has read everything", READ_WITHIN, || {
        live.state() == "interrupted"
    });
    live.stop();
    (house, live)
}

/// What is said in fMP4: milliseconds after its first sample, name, value.
fn in_fmp4(watch: &Watch) -> Vec<(u64, String, Value)> {
    let (mut start_ms, mut said) = (None, Vec::new());
    for msn in watch.segments.keys() {
        let mut rest = watch.body(*msn);
        while let Ok(atom) = Any::read_from(&mut rest) {
            match atom {
                Any::Emsg(emsg) => {
                    let head = emsg_times(watch.body(*msn), rest, emsg.message_data.len());
                    said.push((head, name_and_value(&emsg.message_data)));
                }
                Any::Moof(moof) => {
                    let at = moof.traf[0].tfdt.as_ref().expect("tfdt").base_media_decode_time;
                    start_ms.get_or_insert(at);
                }
                _ => {}
            }
        }
    }
    let start = start_ms.expect("media");
    let said = said.into_iter().map(|((at, timescale), (name, value))| {
        ((at - start) * 1_000 / u64::from(timescale), name, value)
    });
    said.collect()
}

/// `presentation_time` and `timescale` of the version 1 `emsg` that ends where `rest` begins, which
/// `mp4-atom` reads and does not tell.
fn emsg_times(segment: &[u8], rest: &[u8], message_len: usize) -> (u64, u32) {
    const HEAD_LEN: usize = 32 + "https://aomedia.org/emsg/ID3\0".len() + 1;
    let end = segment.len() - rest.len();
    let emsg = &segment[end - HEAD_LEN - message_len..end];
    assert_eq!((&emsg[4..8], emsg[8]), (&b"emsg"[..], 1));
    let timescale = u32::from_be_bytes(emsg[12..16].try_into().expect("four bytes"));
    (u64::from_be_bytes(emsg[16..24].try_into().expect("eight bytes")), timescale)
}

/// Description and value of the one TXXX frame of a tag.
fn name_and_value(tag: &[u8]) -> (String, Value) {
    assert!(tag.starts_with(b"ID3\x04") && tag[10..].starts_with(b"TXXX"), "{tag:?}");
    let text = std::str::from_utf8(&tag[21..]).expect("UTF-8");
    let (name, value) = text.split_once('\0').expect("a description");
    (name.to_owned(), serde_json::from_str(value).expect("JSON"))
}

fn seconds(value: &Value) -> f64 {
    value.as_str().and_then(|text| text.parse().ok()).expect("a time")
}

/// Plays a rendition in Chromium while every half second its time is said; compares each cue with
/// the wall clock of the playlist.
#[track_caller]
fn chromium_hears(rendition: impl Fn(&Live) -> String) {
    let house = House::start();
    let live = house.live();
    // First the browser, whose start takes as long as the machine likes; then the encoder, which
    // does not stop while somebody watches.
    let mut page = Page::open("metadata.mjs", &house, &rendition(&live));
    page.hear();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    let mut source = Endless::begin(flv::tags(&SOURCE.flv()), SOURCE.seconds * 1_000);
    let mut said = 0;
    let mut send = || {
        // Before the media of its time, however late this turn is.
        while said * 500 + 100 <= source.now_ms() {
            let at_ms = said * 500 + 100;
            let text = amf::object(&[("at_ms", amf::number(f64::from(at_ms)))]);
            client.say(DATA_AMF0, at_ms, &[amf::string("onTextData"), text].concat());
            said += 1;
        }
        source.send_due(&mut client);
    };
    wait::until_true("it can be played", READ_WITHIN, || {
        send();
        house.get(&rendition(&live)).status == 200
    });
    let watch = Watch::begin(house.http, &live.fmp4());
    let begun_ms = first_date_ms(&house.get(&watch.path).text());
    page.ask("play");
    let heard = wait::until("cues are active", PLAYED_WITHIN, || {
        send();
        let heard = page.ask("state");
        (heard["cues"].as_array()?.len() >= 4).then_some(heard)
    });
    assert_eq!(heard["errors"], json!([]), "{heard}");
    assert!(heard["parsed"].as_u64() >= Some(4), "{heard}");
    let mut last = None;
    for cue in heard["cues"].as_array().expect("cues") {
        assert_eq!(cue["name"], "onTextData");
        let value: Value =
            serde_json::from_str(cue["value"].as_str().expect("text")).expect("JSON");
        let at_ms = value["at_ms"].as_f64().expect("a number");
        // hls.js adds its cues again when it loads a part a second time, as it may on a busy machine.
        assert!(last.is_none_or(|last| at_ms >= last), "in order: {heard}");
        last = Some(at_ms);
        let date = cue["date"].as_f64().expect("a number") - begun_ms;
        assert!((date - at_ms).abs() < 120.0, "said at {at_ms} ms, shown at {date} ms: {heard}");
        let (start, seen) = (cue["start"].as_f64(), cue["seen"].as_f64());
        assert!(start <= seen.map(|seen| seen + 0.1), "never before its picture: {cue}");
    }
}

/// The wall clock of the first segment of a live, in Unix milliseconds, by a playlist that lists it.
#[track_caller]
fn first_date_ms(playlist: &str) -> f64 {
    let playlist = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).expect("a playlist");
    assert_eq!(playlist.media_sequence, 0, "the first segment has left");
    let date = playlist.segments[0].program_date_time.expect("EXT-X-PROGRAM-DATE-TIME");
    date.timestamp_millis() as f64
}
