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
mod carriage;
mod decoding;
mod packet;
mod pes;
mod psi;

use bytes::Bytes;
use media::{Kind, Timescale};
use serde::{Deserialize, Serialize};

pub(crate) use carriage::Carriage;
pub(crate) use packet::PACKET_LEN;

use decoding::Decoding;

use crate::{
    metadata::Said,
    part::{Part, PartSample, Timed},
    tracks::TrackSet,
};

/// Packets of each PID.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Packets {
    pub psi: u64,
    pub video: u64,
    pub audio: u64,
    pub metadata: u64,
}

impl Packets {
    /// What the samples and metadata of one part take; nothing if its tracks are not carried.
    pub fn count(tracks: &TrackSet, video: &[Timed], audio: &[Timed], said: &[Said]) -> Self {
        let Some(carriage) = &tracks.ts else { return Self::default() };
        let audio = carriage.audio.as_ref().map_or(0, |carried| {
            let shape = pes::Shape::new(tracks, carried);
            let samples =
                audio.iter().map(|it| shape.sample(it.dts_ticks, it.duration_ticks, &it.data));
            shape.group(samples).map(|group| shape.audio_packets(group.payload_len)).sum()
        });
        Self {
            psi: 0,
            video: video.iter().map(|sample| pes::video_packets(sample.ts_len as usize)).sum(),
            audio,
            metadata: said.iter().map(|said| pes::metadata_packets(said.tag.len())).sum(),
        }
    }

    pub fn total(self) -> u64 {
        self.psi + self.video + self.audio + self.metadata
    }
}

impl std::ops::AddAssign for Packets {
    fn add_assign(&mut self, other: Self) {
        self.psi += other.psi;
        self.video += other.video;
        self.audio += other.audio;
        self.metadata += other.metadata;
    }
}

/// Where MPEG-TS stands between two segments.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub(crate) struct Position {
    pub packets: Packets,
    decoding: Decoding,
}

/// A position as it is kept.
type Row = ([u64; 4], Decoding);

impl From<Row> for Position {
    fn from(([psi, video, audio, metadata], decoding): Row) -> Self {
        Self { packets: Packets { psi, video, audio, metadata }, decoding }
    }
}

impl From<Position> for Row {
    fn from(Position { packets, decoding }: Position) -> Self {
        let Packets { psi, video, audio, metadata } = packets;
        ([psi, video, audio, metadata], decoding)
    }
}

impl Position {
    /// From here through a segment of these parts: where it starts, room for its composition offsets
    /// made, and where it ends.
    pub fn through(self, tracks: &TrackSet, parts: &[Part], segment: &[u8]) -> (Self, Self) {
        if tracks.ts.is_none() {
            return (self, self);
        }
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

/// Muxes a segment, given as its fMP4, that goes from `start` and takes `capacity` bytes; see
/// [`Position::through`]. Nothing comes of one whose tracks are not carried.
pub(crate) fn mux(
    tracks: &TrackSet,
    parts: &[Part],
    segment: &[u8],
    discontinuity: bool,
    start: Position,
    capacity: usize,
) -> Bytes {
    let Some(carriage) = &tracks.ts else { return Bytes::new() };
    let mut out = packet::Writer::new(capacity, start.packets);
    // Declared from the first metadata of the live on, for good.
    let has_metadata =
        start.packets.metadata > 0 || parts.iter().any(|part| part.ts_packets.metadata > 0);
    psi::write(&mut out, tracks, carriage, has_metadata);
    let mut decoding = start.decoding;
    let mut first = true;
    for part in parts {
        if let Some(video) = &carriage.video {
            for picture in part.samples(segment, Kind::Video) {
                let times_90k = decoding.next(times_90k(tracks, &picture));
                pes::write_video(&mut out, video, &picture, times_90k, discontinuity && first);
                first = false;
            }
        }
        if let Some(audio) = &carriage.audio {
            let shape = pes::Shape::new(tracks, audio);
            let mut frames = part.samples(segment, Kind::Audio);
            let samples = part
                .samples(segment, Kind::Audio)
                .map(|frame| shape.sample(frame.dts_ticks, frame.duration_ticks, frame.data));
            for group in shape.group(samples) {
                let flag = discontinuity && first && tracks.main == Kind::Audio;
                shape.write_audio(&mut out, &group, frames.by_ref().take(group.frames), flag);
                first = false;
            }
        }
        // After the PCR of its part, which runs half a second ahead.
        for emsg in part.metadata(segment) {
            let pts_90k = tracks.timescale.rescale(emsg.at_ticks, Timescale::VIDEO);
            pes::write_metadata(&mut out, emsg.tag, pts_90k);
        }
    }
    debug_assert_eq!(out.len(), capacity, "the packets counted are those written");
    out.finish()
}

#[cfg(test)]
mod tests;
