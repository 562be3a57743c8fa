//! MPEG-TS: a segment as 188-byte packets, made from its parts when first asked for.
//!
//! Here: PAT, PMT, PES and packets (ISO/IEC 13818-1 §2.4). Not here: which samples go together
//! (`segmenter`), when it is made (`segment`).
//!
//! Every segment opens with a PAT and a PMT and can be decoded alone. Continuity counters go on
//! from segment to segment all the same: how many packets a segment takes is known when its parts
//! are closed, so the counters it starts with are known before any packet exists.

mod adts;
mod annexb;
mod packet;
mod pes;
mod psi;

use bytes::Bytes;
use media::Kind;

pub(crate) use adts::MAX_FRAME_LEN as MAX_AAC_FRAME_LEN;
pub(crate) use annexb::{Prefixes, payload_len};
pub(crate) use packet::PACKET_LEN;

use crate::{
    part::{Part, Timed},
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

/// Muxes a segment. `before` counts the packets of all segments before it; `packets` its own.
pub(crate) fn mux(
    tracks: &TrackSet,
    parts: &[Part],
    discontinuity: bool,
    before: Packets,
    packets: Packets,
) -> Bytes {
    let capacity = usize::try_from(packets.total()).unwrap_or(0) * PACKET_LEN;
    let mut out = packet::Writer::new(capacity, before);
    psi::write(&mut out, tracks);
    let shape = pes::Shape::new(tracks);
    let pictures = || parts.iter().flat_map(|part| part.samples(Kind::Video));
    let shift_ticks = pes::dts_shift(pictures());
    let mut first = true;
    for part in parts {
        for picture in part.samples(Kind::Video) {
            pes::write_video(&mut out, tracks, &picture, shift_ticks, discontinuity && first);
            first = false;
        }
        let samples = || part.samples(Kind::Audio);
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
