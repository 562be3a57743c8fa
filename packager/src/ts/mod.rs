//! MPEG-TS: a segment as 188-byte packets, made from its parts when first asked for.
//!
//! Here: PAT, PMT, PES and packets (ISO/IEC 13818-1 §2.4). Not here: which samples go together
//! (`segmenter`), when it is made (`segment`).
//!
//! Every segment opens with a PAT and a PMT and can be decoded alone. Continuity counters go on
//! from segment to segment all the same, and decode times never go back: both follow from the parts
//! ([`Position`]), so they are known before any packet of the segments before exists.

mod adts;
mod annexb;
mod decoding;
mod packet;
mod pes;
mod psi;

use bytes::Bytes;
use media::{Kind, Timescale};

pub(crate) use adts::MAX_FRAME_LEN as MAX_AAC_FRAME_LEN;
pub(crate) use annexb::{Prefixes, payload_len};
pub(crate) use packet::PACKET_LEN;

use decoding::Decoding;

use crate::{
    part::{Part, PartSample, Timed},
    tracks::TrackSet,
};

/// Packets of each PID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Packets {
    pub psi: u64,
    pub video: u64,
    pub audio: u64,
}

impl Packets {
    /// What the samples of one part take.
    pub fn count(tracks: &TrackSet, video: &[Timed], audio: &[Timed]) -> Self {
        let shape = pes::Shape::new(tracks);
        let audio = audio.iter().map(|sample| pes::AudioSample {
            dts_ticks: sample.dts_ticks,
            duration_ticks: sample.duration_ticks,
            len: sample.data.len(),
        });
        Self {
            psi: 0,
            video: video.iter().map(|sample| pes::video_packets(sample.ts_len as usize)).sum(),
            audio: shape.group(audio).map(|group| shape.audio_packets(group.payload_len)).sum(),
        }
    }

    pub fn total(self) -> u64 {
        self.psi + self.video + self.audio
    }
}

impl std::ops::AddAssign for Packets {
    fn add_assign(&mut self, other: Self) {
        self.psi += other.psi;
        self.video += other.video;
        self.audio += other.audio;
    }
}

/// Where MPEG-TS stands between two segments.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Position {
    pub packets: Packets,
    decoding: Decoding,
}

impl Position {
    /// From here through a segment of these parts: where it starts, room for its composition offsets
    /// made, and where it ends.
    pub fn through(self, tracks: &TrackSet, parts: &[Part], segment: &[u8]) -> (Self, Self) {
        let pictures = || parts.iter().flat_map(|part| part.samples(segment, Kind::Video));
        let mut start = self;
        start.decoding.make_room(pictures().map(|picture| times_90k(tracks, &picture)));
        let mut end = start;
        for picture in pictures() {
            end.decoding.next(times_90k(tracks, &picture));
        }
        end.packets += Packets { psi: 2, ..Packets::default() };
        for part in parts {
            end.packets += part.ts_packets;
        }
        (start, end)
    }
}

/// DTS and PTS of a picture.
fn times_90k(tracks: &TrackSet, picture: &PartSample<'_>) -> (i64, i64) {
    let to_90k = |ticks| tracks.timescale.rescale(ticks, Timescale::VIDEO);
    let pts_ticks = picture.dts_ticks.saturating_add(picture.cts_ticks.into());
    (to_90k(picture.dts_ticks), to_90k(pts_ticks))
}

/// Muxes a segment, given as its fMP4, that goes from `start` and takes `capacity` bytes; see [`Position::through`].
pub(crate) fn mux(
    tracks: &TrackSet,
    parts: &[Part],
    segment: &[u8],
    discontinuity: bool,
    start: Position,
    capacity: usize,
) -> Bytes {
    let mut out = packet::Writer::new(capacity, start.packets);
    psi::write(&mut out, tracks);
    let shape = pes::Shape::new(tracks);
    let mut decoding = start.decoding;
    let mut first = true;
    for part in parts {
        for picture in part.samples(segment, Kind::Video) {
            let times_90k = decoding.next(times_90k(tracks, &picture));
            pes::write_video(&mut out, tracks, &picture, times_90k, discontinuity && first);
            first = false;
        }
        let samples = || part.samples(segment, Kind::Audio);
        let mut frames = samples();
        for group in shape.group(samples().map(|sample| pes::AudioSample {
            dts_ticks: sample.dts_ticks,
            duration_ticks: sample.duration_ticks,
            len: sample.data.len(),
        })) {
            let flag = discontinuity && first && tracks.main == Kind::Audio;
            shape.write_audio(&mut out, tracks, &group, frames.by_ref().take(group.frames), flag);
            first = false;
        }
    }
    debug_assert_eq!(out.len(), capacity, "the packets counted are those written");
    out.finish()
}

#[cfg(test)]
mod tests;
