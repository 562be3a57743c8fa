//! What the tests share: sources of samples, and independent readers of what comes out.

#![allow(dead_code, clippy::unwrap_used, reason = "tests: each file uses its part")]

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use communiconnect_packager::{Config, Packager, Progress, Rendition, Segment};
use media::{
    Event, Kind, Sample, SoundNumber, Track,
    codec::{aac, h264},
    id::{Epoch, PlaybackName},
};
use mp4_atom::{Any, Emsg, Encode, ReadFrom};
use mpeg2ts::{
    pes::{PesPacketReader, ReadPesPacket},
    ts::{ReadTsPacket, TsPacketReader, TsPayload},
};

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps), taken from its MP4.
const X264_720P30: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];

/// 2026-11-23T12:00:00Z.
pub const NOON_MS: i64 = 1_795_435_200_000;

pub fn video_track() -> Arc<Track> {
    Arc::new(Track::h264(h264::Config::parse(Bytes::from_static(X264_720P30)).unwrap()))
}

/// The same, declaring another picture rate, or none.
pub fn video_track_at(fps: Option<f64>) -> Arc<Track> {
    let mut config = h264::Config::parse(Bytes::from_static(X264_720P30)).unwrap();
    config.declared_fps = fps;
    Arc::new(Track::h264(config))
}

/// The same picture under another picture parameter set: a real change.
pub fn other_video_track() -> Arc<Track> {
    let mut record = X264_720P30.to_vec();
    *record.last_mut().unwrap() = 0xd0;
    Arc::new(Track::h264(h264::Config::parse(record.into()).unwrap()))
}

/// AAC-LC at 48 kHz, stereo.
pub fn audio_track() -> Arc<Track> {
    aac_track(&[0x11, 0x90])
}

/// AAC-LC at 44.1 kHz, stereo.
pub fn audio_track_44100() -> Arc<Track> {
    aac_track(&[0x12, 0x10])
}

pub fn aac_track(asc: &'static [u8]) -> Arc<Track> {
    Arc::new(Track::aac(aac::Config::parse(Bytes::from_static(asc)).unwrap()))
}

pub fn packager() -> Packager {
    packager_with(Config::default())
}

pub fn packager_with(config: Config) -> Packager {
    Packager::new(config, "demo".parse::<PlaybackName>().unwrap(), Epoch::from_random([0; 5]))
}

/// An access unit whose payload no other shares: two NAL units, the second numbered.
pub fn picture(dts_ticks: i64, cts_ticks: i32, is_sync: bool, number: u32, size: usize) -> Sample {
    let mut data = vec![0, 0, 0, 2, 0x06, 0x05];
    // No zero byte in it, as after emulation prevention.
    let name = format!("{number:08}");
    let nal_len = (1 + name.len() + size) as u32;
    data.extend_from_slice(&nal_len.to_be_bytes());
    data.push(if is_sync { 0x65 } else { 0x41 });
    data.extend_from_slice(name.as_bytes());
    data.resize(data.len() + size, 1 + (number % 250) as u8);
    Sample { kind: Kind::Video, dts_ticks, cts_ticks, is_sync, data: data.into() }
}

pub fn sound(dts_ticks: i64, number: u32) -> Sample {
    let mut data = vec![0x21; 40 + (number % 7) as usize];
    data[..4].copy_from_slice(&number.to_be_bytes());
    Sample { kind: Kind::Audio, dts_ticks, cts_ticks: 0, is_sync: true, data: data.into() }
}

/// A well-behaved publisher.
#[derive(Debug, Clone)]
pub struct Source {
    pub video: Option<Arc<Track>>,
    pub audio: Option<Arc<Track>>,
    /// Pictures per second, as a fraction.
    pub fps: (i64, i64),
    pub gop: i64,
    pub b_frames: bool,
    /// Whether timestamps are rounded to milliseconds, as RTMP has them.
    pub in_millis: bool,
    pub seconds: i64,
    pub start_ms: i64,
    pub picture_size: usize,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            video: Some(video_track()),
            audio: Some(audio_track()),
            fps: (30, 1),
            gop: 60,
            b_frames: false,
            in_millis: true,
            seconds: 10,
            start_ms: 0,
            picture_size: 300,
        }
    }
}

impl Source {
    pub fn samples(&self) -> Vec<Sample> {
        let mut samples = Vec::new();
        if self.video.is_some() {
            let count = self.seconds * self.fps.0 / self.fps.1;
            for n in 0..count {
                let at = |n: i64| {
                    let exact = n * 90_000 * self.fps.1 / self.fps.0 + self.start_ms * 90;
                    if self.in_millis { (exact + 45).div_euclid(90) * 90 } else { exact }
                };
                // Decode order I P B B P B B: shown one picture later than decoded.
                let shown = match (self.b_frames, n % self.gop, n % 3) {
                    (false, ..) => n,
                    (true, 0, _) => n + 1,
                    (true, _, 1) => n + 3,
                    (true, ..) => n,
                };
                let cts = i32::try_from(at(shown) - at(n)).unwrap();
                samples.push(picture(at(n), cts, n % self.gop == 0, n as u32, self.picture_size));
            }
        }
        if let Some(track) = &self.audio {
            let rate = i64::from(track.timescale.get());
            let start = self.start_ms * rate / 1_000;
            for n in 0..self.seconds * rate / 1_024 {
                samples.push(sound(start + n * 1_024, n as u32));
            }
        }
        samples.sort_by_key(|s| {
            let rate = match s.kind {
                Kind::Video => 90_000,
                Kind::Audio => i64::from(self.audio.as_ref().unwrap().timescale.get()),
            };
            (s.dts_ticks * 90_000 / rate, s.kind == Kind::Audio)
        });
        samples
    }

    pub fn events(&self) -> Vec<Event> {
        let tracks = self.video.iter().chain(&self.audio).cloned().map(Event::TrackChanged);
        tracks.chain(self.samples().into_iter().map(Event::Sample)).collect()
    }
}

/// The number of the second sound.
pub fn second() -> SoundNumber {
    SoundNumber::new(1).unwrap()
}

/// The second sound of a publisher: AAC at 44.1 kHz, in samples that no other sound has.
pub fn second_sound(seconds: std::ops::Range<i64>) -> Vec<Sample> {
    let frames = seconds.start * 44_100 / 1_024..seconds.end * 44_100 / 1_024;
    frames.map(|n| sound(n * 1_024, 1_000_000 + n as u32)).collect()
}

/// `source` with a second sound beside it, interleaved by time, announced with its first sample.
pub fn with_second(source: &Source, track: &Arc<Track>, samples: Vec<Sample>) -> Vec<Event> {
    let mut announced = Some(Event::OtherSoundChanged(second(), track.clone()));
    let rate = i64::from(track.timescale.get());
    let mut waiting = samples.into_iter().peekable();
    let mut events = Vec::new();
    for event in source.events() {
        if let Event::Sample(sample) = &event {
            let rate_of_this = if sample.kind == Kind::Video { 90_000 } else { 48_000 };
            let at_ms = sample.dts_ticks * 1_000 / rate_of_this;
            while let Some(next) = waiting.next_if(|it| it.dts_ticks * 1_000 / rate <= at_ms) {
                events.extend(announced.take());
                events.push(Event::OtherSound(second(), next));
            }
        }
        events.push(event);
    }
    events
}

/// A publisher with two sounds, of 48 and 44.1 kHz.
pub fn bilingual(seconds: i64) -> Vec<Event> {
    let source = Source { seconds, ..Source::default() };
    with_second(&source, &audio_track_44100(), second_sound(0..seconds))
}

/// Pushes events; keeps every segment ever completed, and every playlist ever seen.
pub struct Viewer {
    pub packager: Packager,
    pub segments: BTreeMap<u64, Arc<Segment>>,
    pub inits: BTreeMap<u32, Bytes>,
    pub playlists: Vec<String>,
}

impl Viewer {
    pub fn new(packager: Packager) -> Self {
        Self { packager, segments: BTreeMap::new(), inits: BTreeMap::new(), playlists: Vec::new() }
    }

    /// A whole live of one source, finished.
    pub fn of(source: &Source) -> Self {
        let mut viewer = Self::new(packager());
        viewer.publish(source.events());
        viewer.finish();
        viewer
    }

    pub fn publish(&mut self, events: impl IntoIterator<Item = Event>) {
        self.packager.begin(NOON_MS);
        self.push(events);
    }

    pub fn push(&mut self, events: impl IntoIterator<Item = Event>) {
        for event in events {
            let progress = self.packager.push(event).unwrap();
            self.look(progress);
        }
    }

    pub fn interrupt(&mut self) {
        let progress = self.packager.interrupt();
        self.look(progress);
    }

    pub fn finish(&mut self) {
        let progress = self.packager.finish();
        self.look(progress);
    }

    pub fn look(&mut self, progress: Progress) {
        if !progress.segment {
            return;
        }
        let Some(text) = self.packager.media_playlist(Rendition::Source) else { return };
        let playlist = media_playlist(&text);
        for (msn, entry) in (playlist.media_sequence..).zip(&playlist.segments) {
            assert_eq!(entry.uri, format!("{msn}.m4s"));
            let segment = self.packager.segment(msn).expect("every listed segment is there");
            let init =
                self.packager.init(Rendition::Source, segment.init_id()).expect("and its init");
            if let Some(before) = self.inits.insert(segment.init_id(), init.clone()) {
                assert_eq!(before, init, "init-{}.mp4 names one content", segment.init_id());
            }
            if let Some(before) = self.segments.insert(msn, segment.clone()) {
                assert!(Arc::ptr_eq(&before, &segment), "{msn}.m4s names one content");
            }
        }
        self.playlists.push(text);
    }

    pub fn playlist(&self) -> &str {
        self.playlists.last().expect("something was listed")
    }

    pub fn all(&self) -> impl Iterator<Item = &Arc<Segment>> {
        self.segments.values()
    }
}

pub fn media_playlist(text: &str) -> m3u8_rs::MediaPlaylist {
    let (rest, playlist) =
        m3u8_rs::parse_media_playlist(text.as_bytes()).expect("m3u8-rs reads it");
    assert!(rest.is_empty());
    playlist
}

/// A sample read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    pub dts: i64,
    pub cts: i64,
    pub duration: u32,
    pub is_sync: bool,
    pub data: Vec<u8>,
}

/// What is said at the start of a part, as `mp4-atom` reads it, with its presentation time; and the
/// part's `moof` and `mdat`.
pub fn read_said(mut part: &[u8]) -> (Vec<(u64, Emsg)>, &[u8]) {
    let mut said = Vec::new();
    let mut rest = part;
    while let Any::Emsg(emsg) = Any::read_from(&mut rest).unwrap() {
        // What it makes of the time it does not tell: it is where version 1 has it.
        let mut written = Vec::new();
        emsg.encode(&mut written).unwrap();
        assert_eq!(written, part[..part.len() - rest.len()], "it would write the same");
        assert_eq!(written[8], 1, "version 1");
        said.push((u64::from_be_bytes(written[16..24].try_into().unwrap()), emsg));
        part = rest;
    }
    (said, part)
}

/// Reads one part (`moof`, `mdat`) with `mp4-atom`: video, audio.
pub fn read_part(part: &[u8]) -> (Vec<Read>, Vec<Read>) {
    let (_, part) = read_said(part);
    let mut rest = part;
    let Any::Moof(moof) = Any::read_from(&mut rest).unwrap() else {
        panic!("samples open on a moof")
    };
    let Any::Mdat(_) = Any::read_from(&mut rest).unwrap() else { panic!("then comes an mdat") };
    assert!(rest.is_empty());
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for traf in moof.traf {
        let mut dts = traf.tfdt.unwrap().base_media_decode_time as i64;
        let trun = &traf.trun[0];
        let mut at = trun.data_offset.unwrap() as usize;
        let into = if traf.tfhd.track_id == 1 { &mut video } else { &mut audio };
        for entry in trun.samples.iter() {
            let size = entry.size.unwrap() as usize;
            let duration = entry.duration.unwrap();
            let flags = entry.flags.or(traf.tfhd.default_sample_flags).unwrap();
            into.push(Read {
                dts,
                cts: entry.cts.unwrap_or(0),
                duration,
                is_sync: flags & 0x1_0000 == 0,
                data: part[at..at + size].to_vec(),
            });
            at += size;
            dts += i64::from(duration);
        }
    }
    (video, audio)
}

/// The parts of a segment.
pub fn parts(segment: &Segment) -> impl Iterator<Item = Bytes> {
    (0..segment.part_count()).map_while(|index| segment.part(index, Rendition::Source))
}

/// All samples of a segment: video, audio.
pub fn read_fmp4(segment: &Segment) -> (Vec<Read>, Vec<Read>) {
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    for part in parts(segment) {
        let (mut v, mut a) = read_part(&part);
        video.append(&mut v);
        audio.append(&mut a);
    }
    (video, audio)
}

/// A PES read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pes {
    pub pts: u64,
    pub dts: u64,
    pub data: Vec<u8>,
}

/// Reads a segment's MPEG-TS form with `mpeg2ts`: video and audio PES, in order.
pub fn read_ts(bytes: &[u8]) -> (Vec<Pes>, Vec<Pes>) {
    let mut reader = PesPacketReader::new(TsPacketReader::new(bytes));
    let (mut video, mut audio) = (Vec::new(), Vec::new());
    while let Some(packet) = reader.read_pes_packet().expect("mpeg2ts reads it") {
        let pts = packet.header.pts.unwrap().as_u64();
        let dts = packet.header.dts.map_or(pts, |dts| dts.as_u64());
        let into = if packet.header.stream_id.is_video() { &mut video } else { &mut audio };
        into.push(Pes { pts, dts, data: packet.data });
    }
    (video, audio)
}

/// The continuity counters of the packets with payload, per PID; the first packets are PAT and PMT.
pub fn continuity(bytes: &[u8]) -> BTreeMap<u16, Vec<u8>> {
    let mut reader = TsPacketReader::new(bytes);
    let mut counters: BTreeMap<u16, Vec<u8>> = BTreeMap::new();
    let mut first = Vec::new();
    while let Some(packet) = reader.read_ts_packet().unwrap() {
        if first.len() < 2 {
            first.push(packet.payload.clone());
        }
        let counter = packet.header.continuity_counter.as_u8();
        counters.entry(packet.header.pid.as_u16()).or_default().push(counter);
    }
    assert!(matches!(first[..], [Some(TsPayload::Pat(_)), Some(TsPayload::Pmt(_))]));
    counters
}

/// The NAL units of an Annex B access unit.
pub fn nal_units(annexb: &[u8]) -> Vec<Vec<u8>> {
    let mut units: Vec<Vec<u8>> = Vec::new();
    let mut at = 0;
    while at < annexb.len() {
        if annexb[at..].starts_with(&[0, 0, 0, 1]) {
            units.push(Vec::new());
            at += 4;
        } else {
            units.last_mut().expect("opens on a start code").push(annexb[at]);
            at += 1;
        }
    }
    units
}

/// The frames of a run of ADTS: profile, rate index, channels of each, and its data.
pub fn adts_frames(mut data: &[u8]) -> Vec<((u8, u8, u8), Vec<u8>)> {
    let mut frames = Vec::new();
    while !data.is_empty() {
        assert_eq!((data[0], data[1] & 0xf6), (0xff, 0xf0));
        let len =
            usize::from(data[3] & 3) << 11 | usize::from(data[4]) << 3 | usize::from(data[5] >> 5);
        let about = (data[2] >> 6, data[2] >> 2 & 15, (data[2] & 1) << 2 | data[3] >> 6);
        frames.push((about, data[7..len].to_vec()));
        data = &data[len..];
    }
    frames
}
