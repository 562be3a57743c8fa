//! Every codec that FFmpeg encodes, as the tags of Enhanced RTMP v2 that carry it.
//!
//! FFmpeg 5.1 muxes none of them into FLV. So the samples are read back from a fragmented MP4 of its
//! making, by `mp4-atom`, and the tags are written here, by the specification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Any, Codec, Moov, Traf};

use super::flv::{Kind, Tag};
use super::peer::output_of;
use super::source::ffmpeg;
use super::{boxes, cache};

/// AV1 and HEVC take a multiple of this on one busy core.
const ENCODE_WITHIN: Duration = Duration::from_secs(110);

/// A test picture and a tone, coded by other codecs than H.264 and AAC.
#[derive(Debug, Clone, Copy)]
pub struct Encoding {
    /// How FFmpeg codes the picture.
    pub video: &'static [&'static str],
    /// How FFmpeg codes the sound.
    pub audio: &'static [&'static str],
}

/// Its length. An IDR every two seconds, 25 pictures a second, whose times RTMP can say exactly.
pub const SECONDS: u32 = 8;

/// H.264 as most encoders send it.
pub const H264: &[&str] = &["libx264", "-preset", "veryfast", "-bf", "2"];
/// HEVC with B-frames, whose key frames are clean random access pictures and not IDRs.
pub const HEVC: &[&str] = &[
    "libx265",
    "-tag:v",
    "hvc1",
    "-preset",
    "ultrafast",
    "-x265-params",
    "log-level=error:keyint=50:min-keyint=50:scenecut=0:bframes=2:open-gop=1",
];
/// AV1.
pub const AV1: &[&str] = &["libsvtav1", "-preset", "12"];
/// VP9 with alternative reference frames inside superframes.
pub const VP9: &[&str] =
    &["libvpx-vp9", "-deadline", "good", "-cpu-used", "8", "-auto-alt-ref", "1", "-b:v", "400k"];
/// AAC.
pub const AAC: &[&str] = &["aac"];
/// Opus in packets of 20 ms.
pub const OPUS: &[&str] = &["libopus"];
/// FLAC.
pub const FLAC: &[&str] = &["flac"];
/// MP3.
pub const MP3: &[&str] = &["libmp3lame"];
/// AC-3.
pub const AC3: &[&str] = &["ac3"];
/// E-AC-3.
pub const EAC3: &[&str] = &["eac3"];

impl Encoding {
    /// The samples as FFmpeg wrote them; encoded when they are asked for the first time.
    pub fn mp4(&self) -> PathBuf {
        let name = format!("enhanced-{}-{}-{SECONDS}s.mp4", self.video[0], self.audio[0]);
        cached(&name, |ffmpeg| {
            ffmpeg.args(["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=25"]);
            let tone = "sine=frequency=440:beep_factor=4:sample_rate=48000";
            ffmpeg.args(["-f", "lavfi", "-i", tone]);
            ffmpeg.args(["-pix_fmt", "yuv420p", "-g", "50", "-keyint_min", "50"]);
            ffmpeg.args(["-sc_threshold", "0", "-c:v"]).args(self.video);
            ffmpeg.args(["-ac", "2", "-c:a"]).args(self.audio);
            ffmpeg.args(["-bsf:v", FROM_ZERO, "-bsf:a", FROM_ZERO]);
        })
    }

    /// The samples as tags, in the order of their decode times.
    pub fn tags(&self) -> Vec<Tag> {
        Sounds { first: *self, others: &[], form: Form::OneTrack }.tags()
    }
}

/// A tone alone, coded by one of the codecs, in a file of the same kind.
#[derive(Debug, Clone, Copy)]
pub struct Tone {
    /// How FFmpeg codes it.
    pub audio: &'static [&'static str],
    /// Its pitch; that beside a picture has 440 Hz.
    pub hz: u32,
}

impl Tone {
    /// The samples as FFmpeg wrote them; encoded when they are asked for the first time.
    pub fn mp4(&self) -> PathBuf {
        let name = format!("enhanced-tone-{}-{}Hz-{SECONDS}s.mp4", self.audio[0], self.hz);
        cached(&name, |ffmpeg| {
            let tone = format!("sine=frequency={}:beep_factor=2:sample_rate=48000", self.hz);
            ffmpeg.args(["-f", "lavfi", "-i", &tone]);
            ffmpeg.args(["-ac", "2", "-c:a"]).args(self.audio);
            ffmpeg.args(["-bsf:a", FROM_ZERO]);
        })
    }
}

/// How a multitrack packet holds its tracks (`AvMultitrackType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// One, with its number. The first sound is in packets of no number, as FFmpeg and OBS write it.
    OneTrack,
    /// All of one codec that begin together.
    ManyTracks,
    /// All that begin together.
    ManyTracksManyCodecs,
}

/// A source with several sounds.
#[derive(Debug, Clone, Copy)]
pub struct Sounds {
    /// The picture and its first sound.
    pub first: Encoding,
    /// The sounds beside it, numbered from 1.
    pub others: &'static [Tone],
    /// How their packets look.
    pub form: Form,
}

impl Sounds {
    /// All samples as tags, in the order of their decode times.
    pub fn tags(&self) -> Vec<Tag> {
        let mut units = units(&self.first.mp4(), 0);
        for (number, tone) in (1..).zip(self.others) {
            units.extend(self::units(&tone.mp4(), number));
        }
        // Stable: a configuration stays before the first sample of its track.
        units.sort_by_key(|unit| unit.at_us);
        let are_together = |one: &Unit, next: &Unit| {
            self.form != Form::OneTrack
                && one.kind == Kind::Audio
                && (one.kind, one.at_ms, one.packet_type)
                    == (next.kind, next.at_ms, next.packet_type)
        };
        units.chunk_by(are_together).map(|units| self.tag(units)).collect()
    }

    fn tag(&self, units: &[Unit]) -> Tag {
        let Unit { kind, at_ms, first_byte, four_cc, packet_type, .. } = units[0];
        let mut body = BytesMut::new();
        if kind == Kind::Video || self.form == Form::OneTrack && units[0].number == 0 {
            body.put_u8(first_byte | packet_type);
            body.put_slice(four_cc);
            body.put_slice(&units[0].data);
        } else {
            const MULTITRACK: u8 = 5;
            body.put_u8(first_byte | MULTITRACK);
            body.put_u8((self.form as u8) << 4 | packet_type);
            if self.form != Form::ManyTracksManyCodecs {
                assert!(units.iter().all(|unit| unit.four_cc == four_cc), "one codec");
                body.put_slice(four_cc);
            }
            for unit in units {
                if self.form == Form::ManyTracksManyCodecs {
                    body.put_slice(unit.four_cc);
                }
                body.put_u8(unit.number);
                if self.form != Form::OneTrack {
                    body.put_slice(&(unit.data.len() as u32).to_be_bytes()[1..]);
                }
                body.put_slice(&unit.data);
            }
        }
        Tag { kind, at_ms, body: body.freeze() }
    }
}

/// Both tracks begin at zero: with an earlier sample, the muxer would move the others, or stretch that
/// one.
const FROM_ZERO: &str = "setts=pts=PTS-STARTDTS:dts=DTS-STARTDTS";

/// A fragmented MP4 of some seconds, made when it is asked for the first time.
fn cached(name: &str, encode: impl FnOnce(&mut Command)) -> PathBuf {
    let path = cache().join(name);
    if !path.exists() {
        let part = tempfile::NamedTempFile::new_in(cache()).expect("a file in the cache");
        let mut ffmpeg = ffmpeg();
        ffmpeg.args(["-loglevel", "error"]);
        encode(&mut ffmpeg);
        let movflags = "frag_keyframe+delay_moov+default_base_moof";
        ffmpeg.args(["-movflags", movflags, "-use_editlist", "0", "-strict", "-2"]);
        ffmpeg.args(["-t", &SECONDS.to_string()]);
        ffmpeg.args(["-f", "mp4"]).arg(part.path());
        output_of(ffmpeg, ENCODE_WITHIN);
        part.persist(&path).expect("the source takes its name");
    }
    path
}

/// What of a track its tags say again and again.
struct Track {
    kind: Kind,
    timescale: u64,
    four_cc: &'static [u8; 4],
    /// What configures it; none for what configures itself.
    record: Option<Bytes>,
}

/// A configuration or a sample, and where in a tag it goes.
struct Unit {
    /// For its order among others, in microseconds.
    at_us: u64,
    at_ms: u32,
    kind: Kind,
    /// Of a sound: its number.
    number: u8,
    four_cc: &'static [u8; 4],
    /// What the first byte of its tag says beside the packet type.
    first_byte: u8,
    packet_type: u8,
    data: Bytes,
}

/// All that a file holds, track by track; its sound has this number.
fn units(path: &Path, number: u8) -> Vec<Unit> {
    let file = Bytes::from(std::fs::read(path).expect("a readable MP4 file"));
    let tracks = tracks(&file);
    let mut units: Vec<Unit> = Vec::new();
    for track in tracks.values() {
        if let Some(record) = &track.record {
            units.push(track.unit((0, 0), number, Packet::SequenceStart, record));
        }
    }
    let mut at = 0;
    for atom in boxes::atoms(&file) {
        let len = u32::from_be_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
        if let Any::Moof(moof) = atom {
            for traf in &moof.traf {
                units.extend(tracks[&traf.tfhd.track_id].fragment(&file[at..], traf, number));
            }
        }
        at += len;
    }
    units
}

fn tracks(file: &Bytes) -> BTreeMap<u32, Track> {
    let moov: Moov = boxes::moov(file);
    let traks = moov.trak.iter().map(|trak| {
        let codec = trak.mdia.minf.stbl.stsd.codecs.first().expect("a sample entry");
        let box_of = |name: &[u8; 4]| Some(body_of_box(file, name));
        let (kind, four_cc, record) = match codec {
            Codec::Avc1(_) => (Kind::Video, b"avc1", box_of(b"avcC")),
            Codec::Hvc1(_) => (Kind::Video, b"hvc1", box_of(b"hvcC")),
            Codec::Av01(_) => (Kind::Video, b"av01", box_of(b"av1C")),
            // Without the version and flags of the box.
            Codec::Vp09(_) => (Kind::Video, b"vp09", box_of(b"vpcC").map(|body| body.slice(4..))),
            Codec::Mp4a(mp4a) => match mp4a.esds.es_desc.dec_config.dec_specific.as_ref() {
                Some(specific) => (Kind::Audio, b"mp4a", Some(specific.raw.clone().into())),
                None => (Kind::Audio, b".mp3", None),
            },
            Codec::Opus(opus) => (Kind::Audio, b"Opus", Some(opus_head(&opus.dops))),
            Codec::Flac(_) => {
                let blocks = body_of_box(file, b"dfLa").slice(4..);
                (Kind::Audio, b"fLaC", Some([b"fLaC", &blocks[..]].concat().into()))
            }
            Codec::Ac3(_) => (Kind::Audio, b"ac-3", None),
            Codec::Eac3(_) => (Kind::Audio, b"ec-3", None),
            other => panic!("no FourCC for {other:?}"),
        };
        let timescale = trak.mdia.mdhd.timescale.into();
        (trak.tkhd.track_id, Track { kind, timescale, four_cc, record })
    });
    traks.collect()
}

/// The one box of that name in the `moov`, which comes first in the file.
fn body_of_box(file: &Bytes, name: &[u8; 4]) -> Bytes {
    let at = file.windows(4).position(|bytes| bytes == name).expect("the box is there");
    let len = u32::from_be_bytes(file[at - 4..at].try_into().expect("four bytes")) as usize;
    file.slice(at + 4..at - 4 + len)
}

/// The identification header that a `dOps` box was made of (RFC 7845 §5.1).
fn opus_head(dops: &mp4_atom::Dops) -> Bytes {
    let mut head = BytesMut::from(&b"OpusHead\x01"[..]);
    head.put_u8(dops.output_channel_count);
    head.put_u16_le(dops.pre_skip);
    head.put_u32_le(dops.input_sample_rate);
    head.put_i16_le(dops.output_gain);
    head.put_u8(0);
    head.freeze()
}

/// A packet of Enhanced RTMP.
enum Packet {
    SequenceStart,
    CodedFrames { is_key: bool, cts_ms: i64 },
}

impl Track {
    /// The samples of one fragment, which begins where `moof` does.
    fn fragment(&self, moof: &[u8], traf: &Traf, number: u8) -> Vec<Unit> {
        let to_ms = |ticks: i64| {
            let timescale = self.timescale as i64;
            (ticks * 1_000 + timescale / 2).div_euclid(timescale)
        };
        let defaults = &traf.tfhd;
        let mut dts = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
        let mut units = Vec::new();
        for trun in &traf.trun {
            let mut at = usize::try_from(trun.data_offset.expect("an offset")).expect("inside");
            for entry in trun.samples.iter() {
                let size = entry.size.or(defaults.default_sample_size).expect("a size") as usize;
                let flags = entry.flags.or(defaults.default_sample_flags).unwrap_or_default();
                // sample_is_non_sync_sample
                let is_key = flags & 0x0001_0000 == 0;
                let at_ms = to_ms(dts as i64);
                let cts_ms = to_ms(dts as i64 + entry.cts.unwrap_or_default()) - at_ms;
                let packet = Packet::CodedFrames { is_key, cts_ms };
                let at_us = dts * 1_000_000 / self.timescale;
                units.push(self.unit((at_us, at_ms), number, packet, &moof[at..at + size]));
                at += size;
                let duration = entry.duration.or(defaults.default_sample_duration);
                dts += u64::from(duration.expect("a duration"));
            }
        }
        units
    }

    fn unit(&self, (at_us, at_ms): (u64, i64), number: u8, packet: Packet, body: &[u8]) -> Unit {
        let mut data = BytesMut::new();
        let (packet_type, is_key) = match packet {
            Packet::SequenceStart => (0, true),
            Packet::CodedFrames { is_key, .. } => (1, is_key),
        };
        if let Packet::CodedFrames { cts_ms, .. } = packet
            && matches!(self.four_cc, b"avc1" | b"hvc1")
        {
            data.put_slice(&(cts_ms as i32).to_be_bytes()[1..]);
        }
        data.put_slice(body);
        Unit {
            at_us,
            at_ms: u32::try_from(at_ms).expect("times begin at zero"),
            kind: self.kind,
            number,
            four_cc: self.four_cc,
            first_byte: match self.kind {
                Kind::Video => 0x80 | if is_key { 0x10 } else { 0x20 },
                _ => 0x90,
            },
            packet_type,
            data: data.freeze(),
        }
    }
}
