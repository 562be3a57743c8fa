//! A segment: a whole number of parts.
//!
//! Here: what a segment is, open and complete. Not here: where it ends (`segmenter`), how long it
//! is kept (`window`).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use media::Kind;

use crate::{
    part::{Part, Timed},
    tracks::TrackSet,
    ts,
};

/// A segment to which parts are still added.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub msn: u64,
    pub tracks: Arc<TrackSet>,
    pub discontinuity: bool,
    /// Discontinuities from the beginning of the epoch to this segment, its own included.
    pub discontinuity_number: u64,
    pub independent: bool,
    pub program_date_time_ms: i64,
    pub parts: Vec<Part>,
    /// The bytes of `parts`, one after the other. In one allocation from the beginning: a window
    /// is a row of large blocks, where ten small ones a segment, between the buffers of messages,
    /// leave a heap full of holes; and a segment goes to a socket in one piece.
    pub bytes: Vec<u8>,
}

impl OpenSegment {
    /// Makes a part of these samples.
    pub fn add(&mut self, sequence: u32, video: &[Timed], audio: &[Timed]) {
        let part = Part::write(&mut self.bytes, sequence, &self.tracks, video, audio);
        self.parts.push(part);
    }

    pub fn duration_ticks(&self) -> u64 {
        self.parts.iter().map(|part| part.duration_ticks).sum()
    }

    /// Closes it. `before` is where MPEG-TS stands after all segments before it.
    pub fn close(mut self, before: ts::Position) -> Segment {
        self.parts.shrink_to_fit();
        self.bytes.shrink_to_fit();
        let bytes = Bytes::from(std::mem::take(&mut self.bytes));
        let mut at = 0;
        for part in &mut self.parts {
            part.bytes = bytes.slice(at..at + part.len);
            at += part.len;
        }
        let (ts_start, ts_end) = before.through(&self.tracks, &self.parts);
        let micros = u128::from(self.duration_ticks()) * 1_000_000;
        let per_second = u128::from(self.tracks.timescale.get());
        let duration_us = u64::try_from((micros + per_second / 2) / per_second).unwrap_or(u64::MAX);
        Segment { open: self, bytes, duration_us, ts_start, ts_end, ts: OnceLock::new() }
    }
}

/// A complete Media Segment (rfc8216bis §3): immutable, except that its MPEG-TS form is made when
/// first asked for.
#[derive(Debug)]
pub struct Segment {
    open: OpenSegment,
    /// All its parts, one after the other.
    bytes: Bytes,
    duration_us: u64,
    ts_start: ts::Position,
    ts_end: ts::Position,
    ts: OnceLock<Bytes>,
}

impl Segment {
    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.open.msn
    }

    /// Its length in seconds, as `EXTINF` says it: the sum of its samples' durations.
    pub fn duration_s(&self) -> f64 {
        self.duration_us as f64 / 1e6
    }

    /// Its length in microseconds.
    pub fn duration_us(&self) -> u64 {
        self.duration_us
    }

    /// Whether timestamps or configuration break before it (`EXT-X-DISCONTINUITY`).
    pub fn discontinuity(&self) -> bool {
        self.open.discontinuity
    }

    /// Whether it opens on an IDR, so that it can be decoded alone.
    pub fn independent(&self) -> bool {
        self.open.independent
    }

    /// Wall-clock time of its first sample, in Unix milliseconds.
    pub fn program_date_time_ms(&self) -> i64 {
        self.open.program_date_time_ms
    }

    /// The init segment it needs; see [`Packager::init`](crate::Packager::init).
    pub fn init_id(&self) -> u32 {
        self.open.tracks.init_id
    }

    /// Bytes of its fMP4 form.
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of its MPEG-TS form, known without making it.
    pub fn ts_size_bytes(&self) -> usize {
        let packets = self.ts_end.packets.total() - self.ts_start.packets.total();
        usize::try_from(packets).unwrap_or(0) * ts::PACKET_LEN
    }

    /// Its fMP4 form.
    pub fn fmp4(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The fMP4 form of its parts, in order: slices of [`Segment::fmp4`].
    pub fn part_bytes(&self) -> impl ExactSizeIterator<Item = Bytes> + '_ {
        self.open.parts.iter().map(|part| part.bytes.clone())
    }

    /// Whether it has a MPEG-TS form: one of its codecs may be unknown there.
    pub fn has_ts(&self) -> bool {
        self.open.tracks.ts.is_some()
    }

    /// Its MPEG-TS form, made at the first call; some 0.2 ms a megabyte. Empty if it has none.
    pub fn ts(&self) -> Bytes {
        let make = || {
            let open = &self.open;
            let capacity = self.ts_size_bytes();
            ts::mux(&open.tracks, &open.parts, open.discontinuity, self.ts_start, capacity)
        };
        self.ts.get_or_init(make).clone()
    }

    /// Bytes held now, the MPEG-TS form included once it exists.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len() + self.ts.get().map_or(0, Bytes::len)
    }

    pub(crate) fn discontinuity_number(&self) -> u64 {
        self.open.discontinuity_number
    }

    pub(crate) fn tracks(&self) -> &Arc<TrackSet> {
        &self.open.tracks
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.open.parts
    }

    /// Where MPEG-TS stands after it.
    pub(crate) fn ts_end(&self) -> ts::Position {
        self.ts_end
    }

    /// Pictures it holds.
    pub(crate) fn pictures(&self) -> u64 {
        self.open.parts.iter().map(|part| u64::from(part.pictures)).sum()
    }

    pub(crate) fn has_video(&self) -> bool {
        self.open.tracks.main == Kind::Video
    }
}
