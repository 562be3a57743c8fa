//! A segment: a whole number of parts.
//!
//! Here: what a segment is, open and complete, and its other forms, made from its fMP4 when first
//! asked for. Not here: where it ends (`segmenter`), how long it is kept (`window`).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use media::Kind;

use crate::{
    Rendition,
    metadata::Said,
    part::{Part, Timed},
    tracks::TrackSet,
    ts,
};

/// A segment to which parts are still added.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub head: Head,
    /// The bytes of its parts, one after the other. In one allocation from the beginning: a window
    /// is a row of large blocks, where ten small ones a segment, between the buffers of messages,
    /// leave a heap full of holes; and a segment goes to a socket in one piece.
    pub bytes: Vec<u8>,
    /// Copies of parts that were asked for: the block they lie in may still move. They go when the
    /// segment closes, from which on parts are slices of it.
    copies: Vec<(Rendition, u32, Bytes)>,
}

/// What is said of a segment, open or complete.
#[derive(Debug)]
pub(crate) struct Head {
    pub msn: u64,
    pub tracks: Arc<TrackSet>,
    pub discontinuity: bool,
    /// Discontinuities from the beginning of the epoch to this segment, its own included.
    pub discontinuity_number: u64,
    pub independent: bool,
    pub program_date_time_ms: i64,
    pub parts: Vec<Part>,
}

impl Head {
    /// Length of a part in a rendition, in microseconds.
    pub fn part_us(&self, part: &Part, rendition: Rendition) -> u64 {
        match self.tracks.get(Kind::Audio).filter(|_| rendition == Rendition::Audio) {
            Some(track) if part.has_audio() => micros(part.audio_ticks, track.timescale.get()),
            _ => micros(part.duration_ticks, self.tracks.timescale.get()),
        }
    }

    /// Whether a part holds nothing for a rendition.
    pub fn is_gap(&self, part: &Part, rendition: Rendition) -> bool {
        match rendition {
            Rendition::Source | Rendition::SourceTs => part.is_gap(),
            Rendition::Audio => !part.has_audio(),
        }
    }

    /// Whether something in a part can be decoded alone.
    pub fn is_independent(&self, part: &Part, rendition: Rendition) -> bool {
        match rendition {
            Rendition::Source | Rendition::SourceTs => part.independent,
            // Every frame of sound can.
            Rendition::Audio => part.has_audio(),
        }
    }

    /// Wall-clock time of the first sample in a rendition, in Unix milliseconds.
    pub fn program_date_time_ms(&self, rendition: Rendition) -> i64 {
        let at = self.program_date_time_ms;
        let starts = self.parts.first().map(Part::starts);
        let audio = self.tracks.get(Kind::Audio).filter(|_| rendition == Rendition::Audio);
        let (Some(track), Some((Some(picture), Some(sound)))) = (audio, starts) else { return at };
        let picture = self.tracks.timescale.rescale(picture, track.timescale);
        let later = track.timescale.rescale(sound - picture, media::Timescale::MILLIS);
        at.saturating_add(later)
    }

    fn duration_ticks(&self) -> u64 {
        self.parts.iter().map(|part| part.duration_ticks).sum()
    }
}

impl OpenSegment {
    /// A segment without parts, with room for `capacity` bytes.
    pub fn new(head: Head, capacity: usize) -> Self {
        Self { head, bytes: Vec::with_capacity(capacity), copies: Vec::new() }
    }

    /// Makes a part of these samples, and of what is said meanwhile.
    pub fn add(&mut self, sequence: u32, video: &[Timed], audio: &[Timed], said: &[Said]) {
        let part = Part::write(&mut self.bytes, sequence, &self.head.tracks, video, audio, said);
        self.head.parts.push(part);
    }

    /// Adds a part of this length without media.
    pub fn add_gap(&mut self, duration_ticks: u64) {
        self.head.parts.push(Part::gap(self.bytes.len(), duration_ticks));
    }

    /// Ticks of the main track so far.
    pub fn duration_ticks(&self) -> u64 {
        self.head.duration_ticks()
    }

    /// A part in one rendition, copied at the first call.
    pub fn part(&mut self, index: u32, rendition: Rendition) -> Option<Bytes> {
        let known = self.copies.iter().find(|(r, at, _)| (*r, *at) == (rendition, index));
        if let Some((.., bytes)) = known {
            return Some(bytes.clone());
        }
        let part = self.head.parts.get(index as usize)?;
        if self.head.is_gap(part, rendition) {
            return None;
        }
        let bytes = match rendition {
            Rendition::Source => Bytes::copy_from_slice(part.bytes(&self.bytes)),
            Rendition::Audio => {
                let mut alone = Vec::new();
                part.write_audio(&self.bytes, &self.head.tracks, &mut alone);
                alone.into()
            }
            Rendition::SourceTs => return None,
        };
        self.copies.push((rendition, index, bytes.clone()));
        Some(bytes)
    }

    /// Closes it. `before` is where MPEG-TS stands after all segments before it.
    pub fn close(mut self, before: ts::Position) -> Segment {
        self.head.parts.shrink_to_fit();
        self.bytes.shrink_to_fit();
        let head = self.head;
        let is_gap = head.parts.iter().all(Part::is_gap);
        let (ts_start, ts_end) = if is_gap {
            (before, before)
        } else {
            before.through(&head.tracks, &head.parts, &self.bytes)
        };
        let duration_us = micros(head.duration_ticks(), head.tracks.timescale.get());
        Segment {
            head,
            bytes: self.bytes.into(),
            duration_us,
            ts_start,
            ts_end,
            ts: OnceLock::new(),
            audio: OnceLock::new(),
        }
    }
}

/// A complete Media Segment (rfc8216bis §3): immutable, except that its other forms are made when
/// first asked for.
#[derive(Debug)]
pub struct Segment {
    head: Head,
    /// All its parts, one after the other.
    bytes: Bytes,
    duration_us: u64,
    ts_start: ts::Position,
    ts_end: ts::Position,
    ts: OnceLock<Bytes>,
    audio: OnceLock<Audio>,
}

/// The sound of a segment alone.
#[derive(Debug)]
struct Audio {
    bytes: Bytes,
    /// Where each part ends.
    ends: Box<[usize]>,
}

impl Segment {
    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.head.msn
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
        self.head.discontinuity
    }

    /// Whether it opens on an IDR, so that it can be decoded alone.
    pub fn independent(&self) -> bool {
        self.head.independent
    }

    /// Whether it holds nothing for a rendition (`EXT-X-GAP`).
    pub fn is_gap(&self, rendition: Rendition) -> bool {
        self.head.parts.iter().all(|part| self.head.is_gap(part, rendition))
    }

    /// Wall-clock time of its first sample, in Unix milliseconds.
    pub fn program_date_time_ms(&self) -> i64 {
        self.head.program_date_time_ms
    }

    /// The init segment it needs; see [`Packager::init`](crate::Packager::init).
    pub fn init_id(&self) -> u32 {
        self.head.tracks.init_id
    }

    /// Bytes it takes in a rendition, known without making it.
    pub fn size_bytes(&self, rendition: Rendition) -> usize {
        match rendition {
            Rendition::Source => self.bytes.len(),
            Rendition::SourceTs => {
                let packets = self.ts_end.packets.total() - self.ts_start.packets.total();
                usize::try_from(packets).unwrap_or(0) * ts::PACKET_LEN
            }
            Rendition::Audio => self.head.parts.iter().map(Part::audio_len).sum(),
        }
    }

    /// Its bytes in a rendition. `None` where that has a gap.
    pub fn bytes(&self, rendition: Rendition) -> Option<Bytes> {
        match rendition {
            _ if self.is_gap(rendition) => None,
            Rendition::Source => Some(self.bytes.clone()),
            Rendition::SourceTs => Some(self.ts()),
            Rendition::Audio if !self.has_video() => Some(self.bytes.clone()),
            Rendition::Audio => Some(self.audio().bytes.clone()),
        }
    }

    /// One of its parts in a rendition: a slice of its bytes. `None` where that has a gap, and in
    /// MPEG-TS, which has no parts.
    pub fn part(&self, index: u32, rendition: Rendition) -> Option<Bytes> {
        let index = index as usize;
        let part = self.head.parts.get(index)?;
        match rendition {
            Rendition::SourceTs => None,
            _ if self.head.is_gap(part, rendition) => None,
            Rendition::Audio if self.has_video() => {
                let audio = self.audio();
                let end = *audio.ends.get(index)?;
                let start = index.checked_sub(1).and_then(|before| audio.ends.get(before));
                Some(audio.bytes.slice(start.copied().unwrap_or(0)..end))
            }
            _ => Some(self.bytes.slice(part.at..part.at + part.len)),
        }
    }

    /// How many parts it has.
    pub fn part_count(&self) -> u32 {
        u32::try_from(self.head.parts.len()).unwrap_or(u32::MAX)
    }

    /// Whether it has a MPEG-TS form: one of its codecs may be unknown there.
    pub fn has_ts(&self) -> bool {
        self.head.tracks.ts.is_some()
    }

    /// Its MPEG-TS form, made at the first call; some 0.2 ms a megabyte. Empty if it has none.
    fn ts(&self) -> Bytes {
        let make = || {
            let head = &self.head;
            let capacity = self.size_bytes(Rendition::SourceTs);
            let (start, discontinuity) = (self.ts_start, head.discontinuity);
            ts::mux(&head.tracks, &head.parts, &self.bytes, discontinuity, start, capacity)
        };
        self.ts.get_or_init(make).clone()
    }

    fn audio(&self) -> &Audio {
        self.audio.get_or_init(|| {
            let mut bytes = Vec::with_capacity(self.size_bytes(Rendition::Audio));
            let mut write = |part: &Part| {
                part.write_audio(&self.bytes, &self.head.tracks, &mut bytes);
                bytes.len()
            };
            let ends = self.head.parts.iter().map(&mut write).collect();
            Audio { bytes: bytes.into(), ends }
        })
    }

    /// Bytes held now, the other forms included once they exist.
    pub(crate) fn held_bytes(&self) -> usize {
        self.bytes.len()
            + self.ts.get().map_or(0, Bytes::len)
            + self.audio.get().map_or(0, |audio| audio.bytes.len())
    }

    pub(crate) fn head(&self) -> &Head {
        &self.head
    }

    pub(crate) fn tracks(&self) -> &Arc<TrackSet> {
        &self.head.tracks
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.head.parts
    }

    /// Where MPEG-TS stands after it.
    pub(crate) fn ts_end(&self) -> ts::Position {
        self.ts_end
    }

    /// Pictures it holds.
    pub(crate) fn pictures(&self) -> u64 {
        self.head.parts.iter().map(|part| u64::from(part.pictures)).sum()
    }

    pub(crate) fn has_video(&self) -> bool {
        self.head.tracks.main == Kind::Video
    }
}

/// To the nearest microsecond.
fn micros(ticks: u64, per_second: u32) -> u64 {
    let per_second = u128::from(per_second);
    u64::try_from((u128::from(ticks) * 1_000_000 + per_second / 2) / per_second).unwrap_or(u64::MAX)
}
