//! A live in two languages, from its encoder to its viewers.
//!
//! Here: every form of packet that brings several sounds, and players that choose one. Not here: what
//! else a second sound may do (`packager`), every clause of the draft (`hls_conformance`).

mod support;

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use support::House;
use support::api::Live;
use support::enhanced::{AAC, Encoding, Form, H264, OPUS, SECONDS, Sounds, Tone};
use support::fingerprint::{Filters, Fingerprint, H264_UNITS};
use support::flv::{Kind, Tag};
use support::page::Page;
use support::peer::{all_output_of, output_of};
use support::playlist::{Watch, resolve};
use support::rtmp::{Client, Endless};
use support::wait;

/// Far more than the server needs to read eight seconds of media.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// A player reads a live that is over about as fast as it is served.
const PLAYED_WITHIN: Duration = Duration::from_secs(60);
/// All that a viewer does, on a busy machine; a test ends after two minutes.
const WATCHED_WITHIN: Duration = Duration::from_secs(100);

const FIRST: Encoding = Encoding { video: H264, audio: AAC };
const HIGHER: Tone = Tone { audio: AAC, hz: 880 };
const IN_OPUS: Tone = Tone { audio: OPUS, hz: 660 };

const IN_ONE_TRACK_EACH: Sounds = Sounds { first: FIRST, others: &[IN_OPUS], form: Form::OneTrack };
const IN_MANY_TRACKS: Sounds = Sounds { first: FIRST, others: &[HIGHER], form: Form::ManyTracks };
const IN_MANY_CODECS: Sounds =
    Sounds { first: FIRST, others: &[IN_OPUS, HIGHER], form: Form::ManyTracksManyCodecs };

#[test]
fn sounds_in_packets_of_one_track_arrive_bit_by_bit() {
    arrive(&IN_ONE_TRACK_EACH);
}

#[test]
fn sounds_in_packets_of_many_tracks_arrive_bit_by_bit() {
    arrive(&IN_MANY_TRACKS);
}

#[test]
fn sounds_in_packets_of_many_codecs_arrive_bit_by_bit() {
    arrive(&IN_MANY_CODECS);
}

#[test]
fn players_list_both_languages() {
    let (house, live) = published(&IN_MANY_TRACKS);
    let url = house.url(&live.fmp4());
    let mut ffprobe = Command::new("ffprobe");
    ffprobe.args(["-loglevel", "error", "-print_format", "json", "-show_streams", &url]);
    let found: serde_json::Value =
        serde_json::from_slice(&output_of(ffprobe, PLAYED_WITHIN)).expect("ffprobe says JSON");
    let tracks = found["streams"].as_array().expect("streams");
    let mut languages: Vec<&str> = tracks
        .iter()
        .filter(|track| track["codec_type"] == "audio")
        .filter_map(|track| track["tags"]["language"].as_str())
        .collect();
    // The sound of the variant without picture is one of them.
    languages.sort_unstable();
    languages.dedup();
    assert_eq!(languages, ["ar", "fr"], "{found:#}");

    // GStreamer plays the first, and knows of both.
    let mut gst = Command::new("gst-launch-1.0");
    gst.env("GST_PLUGIN_FEATURE_RANK", "hlsdemux2:MAX,hlsdemux:NONE");
    gst.envs([("GST_DEBUG", "adaptivedemux2:5"), ("GST_DEBUG_NO_COLOR", "1")]);
    gst.args(["--messages", "playbin3"]).arg(format!("uri={url}"));
    gst.args(["video-sink=fakesink", "audio-sink=fakesink"]);
    let (told, log) = all_output_of(gst, PLAYED_WITHIN);
    let told = String::from_utf8_lossy(&told);
    let selected = told.lines().find(|line| line.contains("(streams-selected)"));
    assert!(selected.is_some_and(|line| line.contains("audio-fr")), "{selected:?}");
    for language in ["fr", "ar"] {
        let listed = format!("Adding 'audio-{language}' to collection");
        assert!(log.contains(&listed), "{listed}");
    }
}

#[test]
fn a_viewer_of_a_private_live_may_hear_every_language() {
    let (house, live) = published_for("quartier", &IN_MANY_TRACKS);
    let watched = live.member.get(&format!("/api/lives/{}/", live.name)).json();
    let url = watched["hls_url"].as_str().expect("an address of his own");
    let path = url.strip_prefix(&house.url("")).expect("of this house");
    let text = house.get(path).text();
    let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).expect("a playlist");
    let uris = playlist.alternatives.iter().filter_map(|sound| sound.uri.as_deref());
    let uris: Vec<_> = uris.chain([playlist.variants[0].uri.as_str()]).collect();
    assert_eq!(uris.len(), 3, "{text}");
    for uri in uris {
        watched_to_its_end(&house, &resolve(path, uri));
        let (bare, _) = uri.split_once('?').expect("a session");
        let (folder, file) = bare.rsplit_once('/').expect("a folder");
        let (folder, _ticket) = folder.rsplit_once('/').expect("a ticket");
        let refused = house.get(&resolve(path, &format!("{folder}/{file}")));
        assert_eq!(refused.status, 403, "{uri}");
    }
}

#[test]
fn a_second_sound_does_not_hide_that_the_picture_is_gone() {
    /// `AudioPacketType.Multitrack`, in the low bits of the header of an audio tag.
    const MULTITRACK: u8 = 5;
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    let tags = IN_ONE_TRACK_EACH.tags();
    client.send(&tags, 0);
    let is_second = |tag: &Tag| tag.kind == Kind::Audio && tag.body[0] & 0x0F == MULTITRACK;
    let second = tags.into_iter().filter(is_second).collect();
    let mut source = Endless::begin(second, SECONDS * 1_000);
    wait::until_true("viewers are told of a gap", READ_WITHIN, || {
        source.send_due(&mut client);
        let text = house.get(&live.fmp4()).text();
        let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).expect("a playlist");
        let picture = resolve(&live.fmp4(), &playlist.variants[0].uri);
        house.get(&picture).text().contains("GAP=YES")
    });
}

#[test]
fn chromium_plays_one_language_and_then_the_other() {
    let tags = IN_MANY_TRACKS.tags();
    let house = House::start();
    let live = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.tell_languages("fr", "ar");
    // The encoder does not stop while somebody watches.
    let mut source = Endless::begin(tags, SECONDS * 1_000);
    wait::until_true("both sounds are listed", PLAYED_WITHIN, || {
        source.send_due(&mut client);
        house.get(&live.fmp4()).text().contains("audio-2.m3u8")
    });
    let sending = Arc::new(AtomicBool::new(true));
    let encoder = {
        let sending = sending.clone();
        thread::spawn(move || {
            wait::until_true("the viewer has seen enough", WATCHED_WITHIN, || {
                source.send_due(&mut client);
                !sending.load(Ordering::Relaxed)
            });
        })
    };

    let mut page = Page::open("viewer.mjs", &house, &live.watch_page());
    page.hear();
    goes_on(&mut page, "the first language is heard", "audio-", "");
    let page_says = page.ask("state");
    assert_eq!(page_says["sounds"], serde_json::json!(["Français", "Arabe"]));
    page.ask("hear 1");
    goes_on(&mut page, "the second language is heard", "audio-2-", "audio-");
    page.ask("alone");
    goes_on(&mut page, "the second language is heard alone", "audio-2-", "video-");
    page.ask("hear 0");
    goes_on(&mut page, "the first language is heard alone", "audio-", "audio-2-");
    sending.store(false, Ordering::Relaxed);
    encoder.join().expect("the encoder was never refused");
}

/// Waits until the player has gone on for two seconds on media of one sound, loaded meanwhile, and none
/// of what is not wanted any more.
#[track_caller]
fn goes_on(page: &mut Page, what: &str, sound: &str, unwanted: &str) {
    let mut since = None;
    wait::until_true(what, PLAYED_WITHIN, || {
        let says = page.ask("state");
        let loaded: Vec<String> = serde_json::from_value(says["loaded"].clone()).expect("names");
        let is_of = |file: &String, prefix: &str| {
            let rest = file.strip_prefix(prefix).filter(|_| !prefix.is_empty());
            rest.is_some_and(|rest| !rest.contains('-'))
        };
        let right = loaded.iter().any(|file| is_of(file, sound));
        let wrong = loaded.iter().any(|file| is_of(file, unwanted));
        let at_s = says["current_time"].as_f64().unwrap_or_default();
        if wrong || (since.is_none() && !right) {
            since = None;
            return false;
        }
        let begun_s = *since.get_or_insert(at_s);
        says["state"] == "playing" && at_s - begun_s > 2.0
    });
}

/// Publishes a source in two languages, and ends the live.
#[track_caller]
fn published(source: &Sounds) -> (House, Live) {
    published_for("public", source)
}

/// The same, for an audience.
#[track_caller]
fn published_for(audience: &str, source: &Sounds) -> (House, Live) {
    let house = House::start();
    let live = house.member().start_live_for(audience);
    let mut client = Client::connect(house.rtmp);
    client.publish(&live.key).expect("the key opens the live");
    client.tell_languages("fr", "ar");
    client.send(&source.tags(), 0);
    client.unpublish();
    wait::until_true("the server has read everything", READ_WITHIN, || {
        live.state() == "interrupted"
    });
    live.stop();
    (house, live)
}

#[track_caller]
fn arrive(source: &Sounds) {
    let (house, live) = published(source);
    let text = house.get(&live.fmp4()).text();
    let (_, playlist) = m3u8_rs::parse_master_playlist(text.as_bytes()).expect("a playlist");
    let video = &playlist.variants[0];
    assert_eq!(playlist.alternatives.len(), 1 + source.others.len(), "{text}");
    let languages = playlist.alternatives[..2].iter().map(|it| it.language.as_deref());
    assert!(languages.eq([Some("fr"), Some("ar")]), "{text}");
    assert!(playlist.alternatives.iter().all(|it| Some(&it.group_id) == video.audio.as_ref()));

    let original = read(&FIRST.mp4().display().to_string());
    let picture = watched(&house, &live, &video.uri);
    let others = source.others.iter().map(|tone| read(&tone.mp4().display().to_string()));
    let sounds = std::iter::once(sound_of(&original)).chain(others);
    for (number, (sound, offered)) in sounds.zip(&playlist.alternatives).enumerate() {
        let uri = offered.uri.as_deref().expect("sounds have lists of their own");
        // A player puts them together; so does this, on one timeline.
        let viewed = together(&picture, watched(&house, &live, uri));
        let sent = together(&original, sound);
        viewed.assert_same_as(&sent, &format!("{:?}: sound {number}", source.form));
    }

    let mut ts = Watch::begin(house.http, &live.ts());
    ts.poll_to_end(READ_WITHIN);
    let first = file(&house, &ts);
    Fingerprint::of(&first).assert_same_as(&original, "MPEG-TS has the first sound");
}

/// Reads one rendition to its end.
#[track_caller]
fn watched(house: &House, live: &Live, uri: &str) -> Fingerprint {
    let watch = watched_to_its_end(house, &resolve(&live.fmp4(), uri));
    let expected = if uri.contains("/video.m3u8") { "video/mp4" } else { "audio/mp4" };
    let answer = house.get(&watch.nth(0).path);
    assert_eq!(answer.header("content-type"), Some(expected), "{uri}");
    read(&file(house, &watch))
}

/// Watches a media playlist to its end.
#[track_caller]
fn watched_to_its_end(house: &House, path: &str) -> Watch {
    let mut watch = Watch::of_media_playlist(house.http, path);
    watch.poll_to_end(READ_WITHIN);
    let segments = watch.segments.len();
    assert_eq!(segments, SECONDS as usize / 2 + 1, "{path}: as many as of the picture");
    watch
}

fn file(house: &House, watch: &Watch) -> String {
    let file = house.folder().join(watch.path.replace('/', "-"));
    std::fs::write(&file, watch.whole()).expect("a file for the segments");
    file.display().to_string()
}

fn read(file: &str) -> Fingerprint {
    Fingerprint::through(file, Filters { video: H264_UNITS, audio: "null" })
}

fn sound_of(all: &Fingerprint) -> Fingerprint {
    Fingerprint {
        video: Vec::new(),
        audio: all.audio.clone(),
        pictures: Vec::new(),
        sound: all.sound.clone(),
    }
}

fn together(picture: &Fingerprint, sound: Fingerprint) -> Fingerprint {
    Fingerprint { video: picture.video.clone(), pictures: picture.pictures.clone(), ..sound }
}
