//! A part: samples of 200 ms or so, copied once, into one `moof` and `mdat`.
//!
//! Here: what a part holds and how its samples are found again in its own bytes. Not here: where
//! it ends (`segmenter`), how the boxes look (`fmp4`).

use bytes::Bytes;
use media::Kind;

use crate::{fmp4::fragment, tracks::TrackSet, ts};

/// A sample on the timeline of the live, not yet in a part.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    pub dts_ticks: i64,
    pub cts_ticks: i32,
    pub duration_ticks: u32,
    pub is_sync: bool,
    /// Bytes it takes as PES payload in MPEG-TS.
    pub ts_len: u32,
    pub data: Bytes,
}

/// A complete part (rfc8216bis §4.4.4.9).
///
/// It keeps no table of its samples: the `trun` inside its bytes is that table, at known places.
#[derive(Debug)]
pub(crate) struct Part {
    /// Bytes it takes in its segment.
    pub len: usize,
    /// Its bytes, a slice of its segment's; none while that is open.
    pub bytes: Bytes,
    /// Length on the main track.
    pub duration_ticks: u64,
    /// Video samples it holds.
    pub pictures: u32,
    pub ts_packets: ts::Packets,
    video: Option<Run>,
    audio: Option<Run>,
}

/// Where the samples of one track lie in the bytes of a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Decode time of the first.
    pub dts_ticks: i64,
    /// Offset of the first `trun` entry.
    pub table: usize,
    pub count: usize,
    /// Offset of the first payload byte.
    pub data: usize,
}

impl Part {
    /// Copies the samples into a part at the end of `segment`. Both tracks in decode order; `main`
    /// is the kind the part is cut by.
    pub fn write(
        segment: &mut Vec<u8>,
        sequence: u32,
        tracks: &TrackSet,
        video: &[Timed],
        audio: &[Timed],
    ) -> Self {
        let start = segment.len();
        let (video_run, audio_run) = fragment::write(segment, sequence, video, audio);
        let main = if tracks.main == Kind::Video { video } else { audio };
        Self {
            len: segment.len() - start,
            bytes: Bytes::new(),
            duration_ticks: main.iter().map(|sample| u64::from(sample.duration_ticks)).sum(),
            pictures: u32::try_from(video.len()).unwrap_or(u32::MAX),
            ts_packets: ts::Packets::count(tracks, video, audio),
            video: video_run,
            audio: audio_run,
        }
    }

    /// The samples of one track, read back from the part's bytes.
    pub fn samples(&self, kind: Kind) -> impl Iterator<Item = PartSample<'_>> {
        let (run, entry_len) = match kind {
            Kind::Video => (self.video, fragment::VIDEO_ENTRY_LEN),
            Kind::Audio => (self.audio, fragment::AUDIO_ENTRY_LEN),
        };
        let bytes = &*self.bytes;
        let table = run.and_then(|run| bytes.get(run.table..run.table + run.count * entry_len));
        let mut dts_ticks = run.map_or(0, |run| run.dts_ticks);
        let mut at = run.map_or(0, |run| run.data);
        table.unwrap_or_default().chunks_exact(entry_len).filter_map(move |entry| {
            let entry = fragment::Entry::read(entry)?;
            let data = bytes.get(at..at + entry.size as usize)?;
            let sample = PartSample {
                dts_ticks,
                cts_ticks: entry.cts_ticks,
                duration_ticks: entry.duration_ticks,
                is_sync: entry.is_sync,
                data,
            };
            at += data.len();
            dts_ticks += i64::from(entry.duration_ticks);
            Some(sample)
        })
    }
}

/// A sample inside a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartSample<'a> {
    pub dts_ticks: i64,
    pub cts_ticks: i32,
    pub duration_ticks: u32,
    pub is_sync: bool,
    pub data: &'a [u8],
}
