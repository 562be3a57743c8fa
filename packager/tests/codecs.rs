//! Codecs beside H.264 and AAC: what their init segments, playlists and MPEG-TS say.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::sync::Arc;

use bytes::Bytes;
use communiconnect_packager::{Packager, Rendition};
use media::{
    Event, Kind, Sample, Track,
    codec::{Picture, ac3, av1, flac, hevc, mp3, opus, vp9},
};
use mp4_atom::{Any, ReadFrom};
use support::{NOON_MS, audio_track, packager, picture, sound, video_track};

/// Written by ffmpeg 5.1 (libx265 Main, 320x180 at 25 fps), without the SEI of x265.
const X265: &[u8] = &[
    0x01, 0x01, 0x60, 0x00, 0x00, 0x00, 0x90, 0x00, 0x00, 0x00, 0x00, 0x00, 0x3c, 0xf0, 0x00, 0xfc,
    0xfd, 0xf8, 0xf8, 0x00, 0x00, 0x0f, 0x03, 0xa0, 0x00, 0x01, 0x00, 0x18, 0x40, 0x01, 0x0c, 0x01,
    0xff, 0xff, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00,
    0x3c, 0x95, 0x94, 0x09, 0xa1, 0x00, 0x01, 0x00, 0x2b, 0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00,
    0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3c, 0xa0, 0x0a, 0x08, 0x0c, 0x1f,
    0x3e, 0x59, 0x59, 0x52, 0x93, 0x0b, 0xc0, 0x5a, 0x02, 0x00, 0x00, 0x03, 0x00, 0x02, 0x00, 0x00,
    0x03, 0x00, 0x32, 0x10, 0xa2, 0x00, 0x01, 0x00, 0x06, 0x44, 0x01, 0xc0, 0x73, 0xc1, 0x89,
];
/// Written by ffmpeg 5.1 (libsvtav1, 320x180).
const SVT: &[u8] = &[
    0x81, 0x00, 0x0c, 0x00, 0x0a, 0x0b, 0x00, 0x00, 0x00, 0x04, 0x3c, 0xfe, 0xcc, 0x02, 0xf8, 0x00,
    0x40,
];

/// A track, a sample of it that decoding may start at, and one that it may not.
struct Case {
    track: Arc<Track>,
    sync: Vec<u8>,
    other: Vec<u8>,
}

impl Case {
    fn new(track: Track, sync: impl Into<Vec<u8>>, other: impl Into<Vec<u8>>) -> Self {
        Self { track: Arc::new(track), sync: sync.into(), other: other.into() }
    }

    fn sound(track: Track, frame: impl Into<Vec<u8>>) -> Self {
        let frame = frame.into();
        Self::new(track, frame.clone(), frame)
    }

    fn sample(&self, dts_ticks: i64, is_sync: bool) -> Event {
        let data = if is_sync { self.sync.clone() } else { self.other.clone() };
        let kind = self.track.kind();
        Event::Sample(Sample { kind, dts_ticks, cts_ticks: 0, is_sync, data: data.into() })
    }
}

fn hevc() -> Case {
    let config = hevc::Config::parse(Bytes::from_static(X265)).unwrap();
    Case::new(Track::hevc(config), [0, 0, 0, 3, 0x26, 1, 9], [0, 0, 0, 3, 0x02, 1, 9])
}

fn av1() -> Case {
    let config = av1::Config::parse(Bytes::from_static(SVT), None).unwrap().unwrap();
    Case::new(Track::av1(config), [0x32, 2, 0x10, 0], [0x32, 2, 0x30, 0])
}

fn vp9() -> Case {
    let record = Bytes::from_static(&[0x00, 0x0b, 0x82, 0x02, 0x02, 0x02, 0x00, 0x00]);
    let picture = Picture { width: 320, height: 180, declared_fps: None };
    let config = vp9::Config::parse(&record, picture).unwrap();
    let key = [0x82, 0x49, 0x83, 0x42, 0x00, 0x13, 0xf0, 0x0b, 0x30, 0x00];
    Case::new(Track::vp9(config), key, [0x86, 0])
}

fn opus() -> Case {
    Case::sound(Track::opus(opus::Config::stereo()), [0xfc, 1, 2])
}

fn flac() -> Case {
    let mut info = vec![0x12, 0, 0x12, 0, 0, 0, 0, 0, 0, 0, 0x0b, 0xb8, 0x02, 0xf0];
    info.resize(flac::STREAM_INFO_LEN, 0);
    let config = flac::Config::parse(info.into()).unwrap();
    Case::sound(Track::flac(config), [0xff, 0xf8, 0x5a, 0x88, 0x00, 0x37])
}

fn mp3() -> Case {
    let frame = [&[0xff, 0xfb, 0x94, 0x64][..], &[0; 380]].concat();
    let (config, _) = mp3::take_frame(&mut frame.clone().into()).unwrap();
    Case::sound(Track::mp3(config), frame)
}

fn ac3() -> Case {
    let frame = [&[0x0b, 0x77, 0xfe, 0x95, 0x14, 0x40, 0x43, 0xe1][..], &[0; 760]].concat();
    let (config, _) = ac3::take_sample(&mut frame.clone().into()).unwrap();
    Case::sound(Track::ac3(config), frame)
}

fn ec3() -> Case {
    let frame = [&[0x0b, 0x77, 0x01, 0x7f, 0x34, 0x87, 0xc0, 0x00][..], &[0; 760]].concat();
    let (config, _) = ac3::take_sample(&mut frame.clone().into()).unwrap();
    Case::sound(Track::ac3(config), frame)
}

/// Two segments of a picture at 25 a second, an IDR every second, beside sound.
fn packaged(video: &Case, audio: &Case) -> Packager {
    let mut packager = packager();
    packager.begin(NOON_MS);
    for case in [video, audio] {
        packager.push(Event::TrackChanged(case.track.clone())).unwrap();
    }
    let frame_ticks = i64::from(audio.track.sound_ticks(&audio.sync).unwrap());
    let per_second = i64::from(audio.track.timescale.get());
    let mut sounds = 0;
    for number in 0..125_i64 {
        while sounds * frame_ticks * 25 <= number * per_second {
            packager.push(audio.sample(sounds * frame_ticks, true)).unwrap();
            sounds += 1;
        }
        packager.push(video.sample(number * 3_600, number % 25 == 0)).unwrap();
    }
    assert_eq!(packager.report().samples_dropped_total, 0);
    packager
}

fn h264() -> Case {
    let bytes = |is_sync| picture(0, 0, is_sync, 0, 50).data.to_vec();
    Case { track: video_track(), sync: bytes(true), other: bytes(false) }
}

fn aac() -> Case {
    let frame = sound(0, 1).data.to_vec();
    Case { track: audio_track(), sync: frame.clone(), other: frame }
}

/// The sample entries of the init segment, as `mp4-atom` reads them back.
fn entries(packager: &Packager) -> Vec<mp4_atom::Codec> {
    let init = packager.init(Rendition::Source, 0).unwrap();
    let mut rest = &*init;
    let mut entries = Vec::new();
    while let Ok(Some(atom)) = Option::<Any>::read_from(&mut rest) {
        if let Any::Moov(moov) = atom {
            for trak in moov.trak {
                entries.extend(trak.mdia.minf.stbl.stsd.codecs);
            }
        }
    }
    entries
}

#[test]
fn every_codec_is_named_in_the_playlist_and_described_in_the_init_segment() {
    for (video, audio, names, fourccs) in [
        (hevc(), aac(), "hvc1.1.6.L60.90,mp4a.40.2", [*b"hvc1", *b"mp4a"]),
        (av1(), opus(), "av01.0.00M.08,Opus", [*b"av01", *b"Opus"]),
        (vp9(), opus(), "vp09.00.11.08,Opus", [*b"vp09", *b"Opus"]),
        (h264(), flac(), "avc1.64001f,fLaC", [*b"avc1", *b"fLaC"]),
        (h264(), mp3(), "avc1.64001f,mp4a.40.34", [*b"avc1", *b"mp4a"]),
        (h264(), ac3(), "avc1.64001f,ac-3", [*b"avc1", *b"ac-3"]),
        (hevc(), ec3(), "hvc1.1.6.L60.90,ec-3", [*b"hvc1", *b"ec-3"]),
    ] {
        let packager = packaged(&video, &audio);
        let playlist = packager.multivariant_playlist(Rendition::Source).unwrap();
        assert!(playlist.contains(&format!("CODECS=\"{names}\"")), "{playlist}");
        let size = video.track.picture().unwrap();
        let resolution = format!("RESOLUTION={}x{}", size.width, size.height);
        assert!(playlist.contains(&resolution), "{playlist}");
        assert!(playlist.contains("FRAME-RATE=25.000"), "{playlist}");
        assert_eq!(entries(&packager).len(), 2, "{names}");
        let init = packager.init(Rendition::Source, 0).unwrap();
        for fourcc in fourccs {
            assert!(init.windows(4).any(|bytes| bytes == fourcc), "{names}");
        }
    }
}

#[test]
fn mpeg_ts_exists_exactly_where_both_codecs_have_a_place_in_it() {
    for (video, audio, offered) in [
        (h264(), aac(), true),
        (hevc(), aac(), true),
        (h264(), mp3(), true),
        (h264(), ac3(), true),
        (hevc(), ec3(), true),
        (h264(), opus(), false),
        (h264(), flac(), false),
        (av1(), aac(), false),
        (vp9(), aac(), false),
    ] {
        let packager = packaged(&video, &audio);
        let names = [&video, &audio].map(|case| case.track.codec_string());
        assert_eq!(packager.offers(Rendition::SourceTs), offered, "{names:?}");
        assert_eq!(
            packager.multivariant_playlist(Rendition::SourceTs).is_some(),
            offered,
            "{names:?}"
        );
        assert_eq!(packager.media_playlist(Rendition::SourceTs).is_some(), offered, "{names:?}");
        let segment = packager.segment(0).unwrap();
        assert_eq!(segment.has_ts(), offered, "{names:?}");
        assert_eq!(!segment.bytes(Rendition::SourceTs).unwrap().is_empty(), offered, "{names:?}");
        assert_eq!(
            segment.bytes(Rendition::SourceTs).unwrap().len(),
            segment.size_bytes(Rendition::SourceTs),
            "{names:?}"
        );
        assert!(packager.offers(Rendition::Source), "{names:?}");
    }
}

#[test]
fn the_tables_of_mpeg_ts_name_the_type_of_each_track() {
    for (video, audio, types) in [
        (h264(), aac(), [0x1b, 0x0f]),
        (hevc(), aac(), [0x24, 0x0f]),
        (h264(), mp3(), [0x1b, 0x03]),
        (h264(), ac3(), [0x1b, 0x81]),
        (hevc(), ec3(), [0x24, 0x87]),
    ] {
        let ts = packaged(&video, &audio).segment(0).unwrap().bytes(Rendition::SourceTs).unwrap();
        // The PMT is the second packet: header, pointer, twelve bytes, then five for each track.
        let pmt = &ts[188 + 5 + 12..];
        assert_eq!([pmt[0], pmt[5]], types);
    }
}

#[test]
fn mpeg_ts_is_offered_again_once_what_it_does_not_carry_has_left_the_list() {
    let mut packager = packaged(&h264(), &opus());
    packager.interrupt();
    assert!(!packager.offers(Rendition::SourceTs));
    packager.begin(NOON_MS + 60_000);
    let (video, audio) = (h264(), aac());
    for case in [&video, &audio] {
        packager.push(Event::TrackChanged(case.track.clone())).unwrap();
    }
    let (mut number, mut sounds) = (0, 0);
    while !packager.offers(Rendition::SourceTs) {
        while sounds * 1_024 * 25 <= number * 48_000 {
            packager.push(audio.sample(sounds * 1_024, true)).unwrap();
            sounds += 1;
        }
        packager.push(video.sample(number * 3_600, number % 50 == 0)).unwrap();
        number += 1;
        assert!(number < 25 * 120, "two minutes on, the first segments are still listed");
    }
    assert!(number > 25 * 20, "while they were listed, it was not");
    let playlist = packager.media_playlist(Rendition::SourceTs).unwrap();
    assert!(playlist.contains("#EXT-X-MEDIA-SEQUENCE:4"), "numbers went on: {playlist}");
}

#[test]
fn sound_whose_frames_differ_keeps_their_lengths() {
    let case = opus();
    let mut packager = packager();
    packager.begin(NOON_MS);
    packager.push(Event::TrackChanged(case.track.clone())).unwrap();
    // Packets of 20 ms and of 10 ms by turns: in 4 s as many of either.
    let mut dts_ticks = 0;
    for number in 0..400 {
        let (toc, ticks) = if number % 2 == 0 { (0xfc, 960) } else { (0xf4, 480) };
        let data = vec![toc, 1, 2].into();
        let sample = Sample { kind: Kind::Audio, dts_ticks, cts_ticks: 0, is_sync: true, data };
        packager.push(Event::Sample(sample)).unwrap();
        dts_ticks += ticks;
    }
    packager.finish();
    let listed = (0..).map_while(|msn| packager.segment(msn));
    let total: u64 = listed.map(|segment| segment.duration_us()).sum();
    assert_eq!(total, 6_000_000);
    assert_eq!(packager.report().samples_repaired_total, 0);
}

#[test]
fn samples_that_are_not_of_their_codec_are_dropped_and_counted() {
    for (video, audio) in [(av1(), opus()), (vp9(), flac()), (hevc(), mp3()), (h264(), ac3())] {
        let mut packager = packaged(&video, &audio);
        let junk = |kind| {
            let data = Bytes::from_static(&[0, 0, 0, 9, 0xff]);
            let sample = Sample { kind, dts_ticks: 450_000, cts_ticks: 0, is_sync: true, data };
            Event::Sample(sample)
        };
        packager.push(junk(Kind::Video)).unwrap();
        packager.push(junk(Kind::Audio)).unwrap();
        let dropped = packager.report().samples_dropped_total;
        // A byte of zero begins an Opus packet like any other.
        let expected = if audio.track.codec_string() == "Opus" { 1 } else { 2 };
        assert_eq!(dropped, expected, "{}", audio.track.codec_string());
    }
}
