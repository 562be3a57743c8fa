//! A segment: a whole number of parts.
//!
//! Here: what a segment is, open and complete, and its other forms, made from its fMP4 when first
//! asked for. Not here: where it ends (`segmenter`), how long it is kept (`window`).

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use media::{Kind, SoundNumber, Track};

use crate::{
    Rendition,
    metadata::Said,
    part::{Part, Timed},
    segmenter::Promise,
    sounds::SoundSet,
    tracks::TrackSet,
    ts,
};

/// A segment to which parts are still added.
#[derive(Debug)]
pub(crate) struct OpenSegment {
    pub head: Head,
    /// The part that comes next is expected to begin another segment.
    pub seems_full: bool,
    /// The bytes of its parts, one after the other. In one allocation from the beginning: a window
    /// is a row of large blocks, where ten small ones a segment, between the buffers of messages,
    /// leave a heap full of holes; and a segment goes to a socket in one piece.
    pub bytes: Vec<u8>,
    /// The same of each sound beside the first.
    other_bytes: Vec<Vec<u8>>,
    /// Copies of parts that were asked for: the block they lie in may still move. They go when the
    /// segment closes, from which on parts are slices of it.
    copies: Vec<(Rendition, u32, Bytes)>,
}

/// What is said of a segment, open or complete.
#[derive(Debug)]
pub(crate) struct Head {
    pub msn: u64,
    /// The number in its URLs; see [`Numbers`](crate::Numbers).
    pub number: u64,
    pub tracks: Arc<TrackSet>,
    pub discontinuity: bool,
    /// Discontinuities from the beginning of the epoch to this segment, its own included.
    pub discontinuity_number: u64,
    pub independent: bool,
    pub program_date_time_ms: i64,
    /// How much later than it is decoded the first picture of its run is seen.
    pub picture_delay_ms: i64,
    /// Where it begins on the main track, by its lengths in the list; `None` without media.
    pub start_ticks: Option<i64>,
    pub parts: Vec<Part>,
    /// The sounds beside the first. Most lives have none.
    pub others: Vec<OtherSound>,
}

/// A sound beside the first, in one segment.
#[derive(Debug)]
pub(crate) struct OtherSound {
    pub number: SoundNumber,
    /// That sound alone.
    pub tracks: Arc<TrackSet>,
    /// One for each part of the segment, in bytes of its own.
    pub parts: Vec<Part>,
}

/// A part as a rendition lists it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown {
    pub length_us: u64,
    /// It holds nothing for the rendition.
    pub is_gap: bool,
    /// Something in it can be decoded alone.
    pub is_independent: bool,
}

impl Head {
    /// Its parts as a rendition lists them.
    pub fn shown(&self, rendition: Rendition) -> impl Iterator<Item = Shown> {
        let sound = match rendition {
            Rendition::Audio(number) => self.sound(number),
            _ => None,
        };
        self.parts.iter().enumerate().map(move |(at, part)| {
            let length_us = micros(part.duration_ticks, self.tracks.timescale.get());
            let is_cut_by_it = sound.is_some() && self.tracks.main == Kind::Audio;
            let is_independent = part.independent;
            match rendition {
                Rendition::Source | Rendition::SourceTs => {
                    Shown { length_us, is_gap: part.is_gap(), is_independent }
                }
                Rendition::Video => {
                    let is_gap = !part.has(Kind::Video);
                    Shown { length_us, is_gap, is_independent: is_independent && !is_gap }
                }
                Rendition::Audio(_) => {
                    let part = sound.and_then(|(track, parts)| Some((track, parts.get(at)?)));
                    match part.filter(|(_, part)| part.has(Kind::Audio)) {
                        Some((track, part)) => Shown {
                            length_us: match is_cut_by_it && rendition == Rendition::SOUND {
                                true => length_us,
                                false => micros(part.audio_ticks, track.timescale.get()),
                            },
                            is_gap: false,
                            // Every frame of sound can.
                            is_independent: true,
                        },
                        None => Shown { length_us, is_gap: true, is_independent: false },
                    }
                }
            }
        })
    }

    /// A sound and the parts it is in; `None` if it is not declared here.
    pub fn sound(&self, number: SoundNumber) -> Option<(&Arc<Track>, &[Part])> {
        if number == SoundNumber::FIRST {
            return Some((self.tracks.audio.as_ref()?, &self.parts));
        }
        let other = self.others.iter().find(|other| other.number == number)?;
        Some((other.tracks.audio.as_ref()?, &other.parts))
    }

    /// The init segment that a rendition of it needs; `None` if there is none.
    pub fn init_id(&self, rendition: Rendition) -> Option<u32> {
        let tracks = &self.tracks;
        match rendition {
            Rendition::Source => Some(tracks.init_id),
            Rendition::SourceTs => None,
            Rendition::Video => tracks.video.as_ref().map(|_| tracks.init_id),
            Rendition::SOUND => tracks.audio.as_ref().map(|_| tracks.init_id),
            Rendition::Audio(number) => {
                let other = self.others.iter().find(|other| other.number == number);
                other.map(|other| other.tracks.init_id)
            }
        }
    }

    /// Wall-clock time at which it begins in a rendition, in Unix milliseconds.
    pub fn program_date_time_ms(&self, rendition: Rendition) -> i64 {
        let at = self.program_date_time_ms;
        let number = match rendition {
            Rendition::Source | Rendition::SourceTs => return at,
            // Beside sounds of their own, dates are of what is seen and heard (rfc8216bis §6.2.4):
            // hls.js places the sounds by them, and waits for ever where it places them too late.
            Rendition::Video => return at.saturating_add(self.picture_delay_ms),
            Rendition::Audio(number) => number,
        };
        let sound = self.sound(number);
        let sound =
            sound.and_then(|(track, parts)| Some((track, parts.first()?.start(Kind::Audio)?)));
        let (Some(start), Some((track, sound))) = (self.start_ticks, sound) else { return at };
        let start = self.tracks.timescale.rescale(start, track.timescale);
        let later = track.timescale.rescale(sound - start, media::Timescale::MILLIS);
        at.saturating_add(later)
    }

    fn duration_ticks(&self) -> u64 {
        self.parts.iter().map(|part| part.duration_ticks).sum()
    }
}

impl OpenSegment {
    /// A segment without parts, with room for `capacity` bytes.
    pub fn new(head: Head, capacity: usize) -> Self {
        let other_bytes = head.others.iter().map(|_| Vec::new()).collect();
        let bytes = Vec::with_capacity(capacity);
        Self { head, seems_full: false, bytes, other_bytes, copies: Vec::new() }
    }

    /// Makes a part of these samples, and of what is said meanwhile, that is listed `late_ticks` longer
    /// than they are: so long the sample before them is shown beyond its own part. Without any it is a
    /// gap, beside what the other sounds still have.
    pub fn add(
        &mut self,
        sequence: u32,
        video: &[Timed],
        audio: &[Timed],
        said: &[Said],
        late_ticks: u64,
    ) {
        let part = if video.is_empty() && audio.is_empty() {
            Part::gap(self.bytes.len(), late_ticks)
        } else {
            let tracks = &self.head.tracks;
            let mut part = Part::write(&mut self.bytes, sequence, tracks, video, audio, said);
            part.duration_ticks = part.duration_ticks.saturating_add(late_ticks);
            part
        };
        self.head.parts.push(part);
    }

    /// Makes the part of the same time of each sound beside the first, of the samples that `take`
    /// puts into its empty room; a gap where it puts none.
    pub fn add_others(
        &mut self,
        sequence: u32,
        mut take: impl FnMut(&OtherSound, &mut Vec<Timed>),
    ) {
        let mut room = Vec::new();
        let length = self.head.parts.last().map_or(0, |part| part.duration_ticks);
        for (other, bytes) in self.head.others.iter_mut().zip(&mut self.other_bytes) {
            take(other, &mut room);
            let part = match room.is_empty() {
                true => Part::gap(bytes.len(), length),
                false => Part::write(bytes, sequence, &other.tracks, &[], &room, &[]),
            };
            other.parts.push(part);
            room.clear();
        }
    }

    /// Adds a part of this length without media.
    pub fn add_gap(&mut self, duration_ticks: u64) {
        self.head.parts.push(Part::gap(self.bytes.len(), duration_ticks));
    }

    /// Ticks of the main track so far.
    pub fn duration_ticks(&self) -> u64 {
        self.head.duration_ticks()
    }

    /// Bytes of its parts.
    pub fn held_bytes(&self) -> usize {
        self.bytes.len() + self.other_bytes.iter().map(Vec::len).sum::<usize>()
    }

    /// A part in one rendition, copied at the first call.
    pub fn part(&mut self, index: u32, rendition: Rendition) -> Option<Bytes> {
        let known = self.copies.iter().find(|(r, at, _)| (*r, *at) == (rendition, index));
        if let Some((.., bytes)) = known {
            return Some(bytes.clone());
        }
        let at = index as usize;
        let part = self.head.parts.get(at)?;
        if self.head.shown(rendition).nth(at)?.is_gap {
            return None;
        }
        let alone = |kind| {
            let mut alone = Vec::new();
            part.write_alone(kind, &self.bytes, &self.head.tracks, &mut alone);
            Bytes::from(alone)
        };
        let bytes = match rendition {
            Rendition::Source => Bytes::copy_from_slice(part.bytes(&self.bytes)),
            Rendition::SourceTs => return None,
            Rendition::Video => alone(Kind::Video),
            Rendition::SOUND => alone(Kind::Audio),
            Rendition::Audio(number) => {
                let at_hand = self.head.others.iter().zip(&self.other_bytes);
                let (other, bytes) = at_hand.into_iter().find(|(it, _)| it.number == number)?;
                Bytes::copy_from_slice(other.parts.get(at)?.bytes(bytes))
            }
        };
        self.copies.push((rendition, index, bytes.clone()));
        Some(bytes)
    }

    /// Closes it. `before` is where MPEG-TS stands after all segments before it.
    pub fn close(mut self, before: ts::Position) -> Segment {
        self.head.parts.shrink_to_fit();
        self.bytes.shrink_to_fit();
        let other_bytes = self.other_bytes.into_iter().map(Bytes::from).collect();
        Segment::new(self.head, self.bytes.into(), other_bytes, before)
    }
}

/// A complete Media Segment (rfc8216bis §3): immutable, except that its other forms are made when
/// first asked for.
#[derive(Debug)]
pub struct Segment {
    head: Head,
    /// All its parts, one after the other.
    bytes: Bytes,
    /// The same of each sound beside the first.
    other_bytes: Box<[Bytes]>,
    duration_us: u64,
    /// What was promised, and which sounds there had been, when it was listed.
    pub(crate) listed_with: Option<(Promise, SoundSet)>,
    ts_start: ts::Position,
    ts_end: ts::Position,
    ts: OnceLock<Bytes>,
    video: OnceLock<Alone>,
    audio: OnceLock<Alone>,
}

/// One track of a segment alone.
#[derive(Debug)]
struct Alone {
    bytes: Bytes,
    /// Where each part ends.
    ends: Box<[usize]>,
}

impl Segment {
    /// A segment of these bytes. `before` is where MPEG-TS stands after all segments before it.
    pub(crate) fn new(
        head: Head,
        bytes: Bytes,
        other_bytes: Box<[Bytes]>,
        before: ts::Position,
    ) -> Self {
        let is_gap = head.parts.iter().all(Part::is_gap);
        let (ts_start, ts_end) = if is_gap {
            (before, before)
        } else {
            before.through(&head.tracks, &head.parts, &bytes)
        };
        let duration_us = micros(head.duration_ticks(), head.tracks.timescale.get());
        Self {
            head,
            bytes,
            other_bytes,
            duration_us,
            listed_with: None,
            ts_start,
            ts_end,
            ts: OnceLock::new(),
            video: OnceLock::new(),
            audio: OnceLock::new(),
        }
    }

    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.head.msn
    }

    /// The number in its URLs; see [`Numbers`](crate::Numbers).
    pub fn number(&self) -> u64 {
        self.head.number
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
        self.head.shown(rendition).all(|part| part.is_gap)
    }

    /// Wall-clock time at which it begins, in Unix milliseconds.
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
            Rendition::Video => self.alone_len(Kind::Video),
            Rendition::SOUND => self.alone_len(Kind::Audio),
            Rendition::Audio(number) => self.other(number).map_or(0, |(_, bytes)| bytes.len()),
        }
    }

    fn alone_len(&self, kind: Kind) -> usize {
        self.head.parts.iter().map(|part| part.alone_len(kind)).sum()
    }

    /// Its bytes in a rendition. `None` where that has a gap.
    pub fn bytes(&self, rendition: Rendition) -> Option<Bytes> {
        match rendition {
            _ if self.is_gap(rendition) => None,
            Rendition::Source => Some(self.bytes.clone()),
            Rendition::SourceTs => Some(self.ts()),
            Rendition::Video => Some(self.bytes_alone(Kind::Video)),
            Rendition::SOUND => Some(self.bytes_alone(Kind::Audio)),
            Rendition::Audio(number) => Some(self.other(number)?.1.clone()),
        }
    }

    /// One of its parts in a rendition: a slice of its bytes. `None` where that has a gap, and in
    /// MPEG-TS, which has no parts.
    pub fn part(&self, index: u32, rendition: Rendition) -> Option<Bytes> {
        let index = index as usize;
        if self.head.shown(rendition).nth(index)?.is_gap {
            return None;
        }
        let slice = |part: &Part, bytes: &Bytes| bytes.slice(part.at..part.at + part.len);
        match rendition {
            Rendition::Source => Some(slice(self.head.parts.get(index)?, &self.bytes)),
            Rendition::SourceTs => None,
            Rendition::Video => self.part_alone(index, Kind::Video),
            Rendition::SOUND => self.part_alone(index, Kind::Audio),
            Rendition::Audio(number) => {
                let (other, bytes) = self.other(number)?;
                Some(slice(other.parts.get(index)?, bytes))
            }
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

    /// One of its tracks alone, made at the first call; `None` where it is all there is.
    fn alone(&self, kind: Kind) -> Option<&Alone> {
        let (cell, other) = match kind {
            Kind::Video => (&self.video, Kind::Audio),
            Kind::Audio => (&self.audio, Kind::Video),
        };
        self.head.tracks.get(other)?;
        let make = || {
            let mut bytes = Vec::with_capacity(self.alone_len(kind));
            let mut write = |part: &Part| {
                part.write_alone(kind, &self.bytes, &self.head.tracks, &mut bytes);
                bytes.len()
            };
            let ends = self.head.parts.iter().map(&mut write).collect();
            Alone { bytes: bytes.into(), ends }
        };
        Some(cell.get_or_init(make))
    }

    fn bytes_alone(&self, kind: Kind) -> Bytes {
        self.alone(kind).map_or(&self.bytes, |alone| &alone.bytes).clone()
    }

    fn part_alone(&self, index: usize, kind: Kind) -> Option<Bytes> {
        let Some(alone) = self.alone(kind) else {
            let part = self.head.parts.get(index)?;
            return Some(self.bytes.slice(part.at..part.at + part.len));
        };
        let end = *alone.ends.get(index)?;
        let start = index.checked_sub(1).and_then(|before| alone.ends.get(before));
        Some(alone.bytes.slice(start.copied().unwrap_or(0)..end))
    }

    fn other(&self, number: SoundNumber) -> Option<(&OtherSound, &Bytes)> {
        self.others().find(|(other, _)| other.number == number)
    }

    /// Bytes held now, the other forms included once they exist.
    pub(crate) fn held_bytes(&self) -> usize {
        let alone = |cell: &OnceLock<Alone>| cell.get().map_or(0, |alone| alone.bytes.len());
        self.bytes.len()
            + self.other_bytes.iter().map(Bytes::len).sum::<usize>()
            + self.ts.get().map_or(0, Bytes::len)
            + alone(&self.video)
            + alone(&self.audio)
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

    /// Its bytes as the source, to find its parts in.
    pub(crate) fn source(&self) -> &Bytes {
        &self.bytes
    }

    /// The bytes of each sound beside the first.
    pub(crate) fn others(&self) -> impl Iterator<Item = (&OtherSound, &Bytes)> {
        self.head.others.iter().zip(&self.other_bytes)
    }

    /// Where MPEG-TS stands before it: where it stood after the segment before, with room made.
    pub(crate) fn ts_start(&self) -> ts::Position {
        self.ts_start
    }

    /// Where MPEG-TS stands after it.
    pub(crate) fn ts_end(&self) -> ts::Position {
        self.ts_end
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
