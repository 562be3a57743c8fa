//! A live that goes on after the server was started again, with the playlists that its viewers have.
//!
//! Here: what is kept of a segment for that ([`Kept`]), the window made of it again ([`Packager::revive`]), the
//! numbers in the names of what comes later ([`Numbers`]). Not here: where it is kept (`recorder`), which lives
//! go on (`src`).
//!
//! All that was written down is listed again as it was. What was listed after it, and is lost, is told of as
//! gaps; nobody knows how much that was, so it is given names that nothing had before.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use media::{
    Kind, Labels, SoundNumber, Track,
    id::{Epoch, PlaybackName},
};
use serde::{Deserialize, Serialize};

use crate::{
    Config, Packager, Segment,
    output::Output,
    part::Part,
    segment::{Head, OtherSound},
    segmenter::Promise,
    sounds::SoundSet,
    tracks::{Announced, TrackSet},
    ts,
};

/// What is kept of a segment beside its bytes and what playlists say of it, so that its live can go on.
///
/// There is one for every two seconds of every recording: it is written as a row, not by the names of its fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Row", into = "Row")]
pub struct Kept {
    /// Its Media Sequence Number: where it is listed, whatever it is called.
    msn: u64,
    /// Discontinuities from the beginning of the epoch to it.
    discontinuities: u64,
    target_duration_s: u32,
    part_target_ms: u32,
    /// The sounds that had come so far.
    sounds: SoundSet,
    picture_delay_ms: i64,
    start_ticks: Option<i64>,
    /// How long each part is listed, on the main track.
    ticks: Vec<u64>,
    /// Bytes of each part: of the source, then of each sound beside the first.
    lens: Vec<Vec<usize>>,
    ts: ts::Position,
}

/// A segment of the past.
#[derive(Debug, Clone)]
pub struct PastSegment {
    /// What was kept of it.
    pub kept: Kept,
    /// The number in its URLs.
    pub number: u64,
    /// Whether timestamps or configuration break before it.
    pub discontinuity: bool,
    /// Whether it opens on an IDR.
    pub independent: bool,
    /// When it begins in the source, in Unix milliseconds.
    pub program_date_time_ms: i64,
    /// The source, then each sound beside the first.
    pub tracks: Vec<PastTracks>,
}

/// One rendition of a segment of the past that has bytes of its own.
#[derive(Debug, Clone)]
pub struct PastTracks {
    /// The number of the sound; the first stands for the source.
    pub number: SoundNumber,
    /// Its init segment.
    pub init_id: u32,
    /// What that declares.
    pub tracks: Vec<Arc<Track>>,
    /// Nothing in a gap.
    pub bytes: Bytes,
}

/// What is left of a live.
#[derive(Debug, Clone)]
pub struct Past {
    /// The epoch it goes on in.
    pub epoch: Epoch,
    /// What its sounds were called.
    pub labels: Labels,
    /// Its newest segments, one after the other.
    pub segments: Vec<PastSegment>,
    /// The highest number that any segment of the epoch had.
    pub last_number: u64,
}

/// The fields of [`Kept`], in their order.
type Row =
    ((u64, u64), (u32, u32), SoundSet, (i64, Option<i64>), Vec<u64>, Vec<Vec<usize>>, ts::Position);

impl From<Row> for Kept {
    fn from(row: Row) -> Self {
        let (
            (msn, discontinuities),
            (target_duration_s, part_target_ms),
            sounds,
            (picture_delay_ms, start_ticks),
            ticks,
            lens,
            ts,
        ) = row;
        Self {
            msn,
            discontinuities,
            target_duration_s,
            part_target_ms,
            sounds,
            picture_delay_ms,
            start_ticks,
            ticks,
            lens,
            ts,
        }
    }
}

impl From<Kept> for Row {
    fn from(it: Kept) -> Self {
        (
            (it.msn, it.discontinuities),
            (it.target_duration_s, it.part_target_ms),
            it.sounds,
            (it.picture_delay_ms, it.start_ticks),
            it.ticks,
            it.lens,
            it.ts,
        )
    }
}

impl Kept {
    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.msn
    }

    /// Discontinuities from the beginning of the epoch to it, its own included.
    pub fn discontinuities(&self) -> u64 {
        self.discontinuities
    }

    /// `EXT-X-TARGETDURATION` of its live, in seconds.
    pub fn target_duration_s(&self) -> u32 {
        self.target_duration_s
    }
}

impl Segment {
    /// What is to be kept of it so that its live can go on.
    pub fn kept(&self) -> Kept {
        let head = self.head();
        let lens = |parts: &[Part]| parts.iter().map(|part| part.len).collect();
        let (promise, sounds) = self.listed_with.unwrap_or_default();
        Kept {
            msn: head.msn,
            discontinuities: head.discontinuity_number,
            target_duration_s: promise.target_duration_s,
            part_target_ms: promise.part_target_ms,
            sounds,
            picture_delay_ms: head.picture_delay_ms,
            start_ticks: head.start_ticks,
            ticks: head.parts.iter().map(|part| part.duration_ticks).collect(),
            lens: std::iter::once(lens(&head.parts))
                .chain(head.others.iter().map(|other| lens(&other.parts)))
                .collect(),
            ts: self.ts_start(),
        }
    }
}

/// The numbers in the names of segments.
///
/// A segment is listed at its Media Sequence Number, and called by it too, until the server is started again:
/// what was listed last may be lost then, and be listed otherwise. So that no name ever has other bytes, names go
/// on at a number far beyond any that was used; the list has no hole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Numbers {
    /// From which Media Sequence Number on, which number; in their order.
    runs: Vec<(u64, u64)>,
}

impl Numbers {
    /// The number of the segment at a Media Sequence Number.
    pub fn of(&self, msn: u64) -> u64 {
        let run = self.runs.iter().rfind(|(first, _)| *first <= msn);
        run.map_or(msn, |(first, number)| number.saturating_add(msn - first))
    }

    /// The Media Sequence Number of the segment with a number, if there can be one.
    pub fn msn(&self, number: u64) -> Option<u64> {
        let Some(at) = self.runs.iter().rposition(|(_, first)| *first <= number) else {
            return self.runs.is_empty().then_some(number);
        };
        let (first_msn, first) = self.runs.get(at)?;
        let msn = first_msn.checked_add(number - first)?;
        let next = self.runs.get(at + 1);
        next.is_none_or(|(next, _)| msn < *next).then_some(msn)
    }

    fn add(&mut self, msn: u64, number: u64) {
        if self.runs.is_empty() || self.of(msn) != number {
            self.runs.push((msn, number));
        }
    }
}

impl Packager {
    /// The packager of a live that goes on where its past ends, at `now_ms` (Unix time). `random` bits make new
    /// names. `None` if the past is none: then its viewers have to begin anew, in another epoch.
    ///
    /// The time since the end of what was kept is listed as gaps, in more segments than may have been listed in
    /// that time.
    pub fn revive(
        config: Config,
        name: PlaybackName,
        past: Past,
        now_ms: i64,
        random: u64,
    ) -> Option<Self> {
        let mut output = Output::new(config);
        let mut sets = Sets::default();
        for segment in past.segments {
            // Lists have no holes.
            if output.window.newest().is_some_and(|last| last.msn() + 1 != segment.kept.msn) {
                return None;
            }
            output.numbers.add(segment.kept.msn, segment.number);
            let segment = sets.segment(segment)?;
            output.relist(segment)?;
        }
        let last = output.window.newest().cloned()?;
        // Neither had by any segment before; small enough for players that count in floats.
        let beyond = |bits: u64| (1 << 20) + bits % (1 << 36);
        let number = past.last_number.checked_add(beyond(random))?;
        output.numbers.add(last.msn() + 1, number);
        let next_id = u32::try_from(random >> 40).ok()?.max(1) << 8;
        sets.give(&mut output, next_id);
        output.sounds.labels = Arc::new(past.labels);
        // Two playlists of one revision are the same.
        output.counts.labellings = number;
        let end_ms = output.end_wall_ms.unwrap_or(now_ms);
        output.add_lost(u64::try_from(now_ms.saturating_sub(end_ms)).unwrap_or(0));
        Some(Self::going_on(name, past.epoch, output, last.msn()))
    }
}

/// The sets of tracks of the past, by sound and id.
#[derive(Default)]
struct Sets(HashMap<(SoundNumber, u32), Arc<TrackSet>>);

impl Sets {
    fn of(&mut self, past: &PastTracks) -> Option<Arc<TrackSet>> {
        let id = (past.number, past.init_id);
        if let Some(known) = self.0.get(&id) {
            return Some(known.clone());
        }
        let mut announced = Announced::default();
        past.tracks.iter().for_each(|track| _ = announced.set(track.clone()));
        let set = Arc::new(TrackSet::new(past.init_id, announced).ok()?);
        self.0.insert(id, set.clone());
        Some(set)
    }

    fn segment(&mut self, past: PastSegment) -> Option<Segment> {
        let PastSegment { kept, number, discontinuity, independent, .. } = past;
        let (source, others) = past.tracks.split_first()?;
        let (of_source, of_others) = kept.lens.split_first()?;
        let tracks = self.of(source)?;
        let parts = parts(of_source, &kept.ticks, &source.bytes, &tracks)?;
        if others.len() != of_others.len() {
            return None;
        }
        let sound = |(other, lens): (&PastTracks, &Vec<usize>)| {
            let tracks = self.of(other)?;
            let parts = self::parts(lens, &kept.ticks, &other.bytes, &tracks)?;
            Some(OtherSound { number: other.number, tracks, parts })
        };
        let sounds = others.iter().zip(of_others).map(sound).collect::<Option<_>>()?;
        let head = Head {
            msn: kept.msn,
            number,
            tracks,
            discontinuity,
            discontinuity_number: kept.discontinuities,
            independent,
            program_date_time_ms: past.program_date_time_ms,
            picture_delay_ms: kept.picture_delay_ms,
            start_ticks: kept.start_ticks,
            parts,
            others: sounds,
        };
        let other_bytes = others.iter().map(|other| other.bytes.clone()).collect();
        let mut segment = Segment::new(head, source.bytes.clone(), other_bytes, kept.ts);
        let Kept { target_duration_s, part_target_ms, sounds, .. } = kept;
        segment.listed_with = Some((Promise { target_duration_s, part_target_ms }, sounds));
        Some(segment)
    }

    /// Gives an output the sets that what it lists needs.
    fn give(self, output: &mut Output, next_id: u32) {
        for number in SoundNumber::all() {
            let of_it = self.0.iter().filter(|((of, _), _)| *of == number);
            let sets: Vec<_> = of_it.map(|(_, set)| set.clone()).collect();
            if number == SoundNumber::FIRST {
                output.inits = crate::tracks::Inits::of(&sets, next_id);
            } else if !sets.is_empty() {
                let end = output.end_of_other(number);
                output.sounds.revive(number, &sets, end, next_id);
            }
        }
    }
}

/// The parts of a rendition, found in its bytes again.
fn parts(
    lens: &[usize],
    ticks: &[u64],
    bytes: &Bytes,
    tracks: &Arc<TrackSet>,
) -> Option<Vec<Part>> {
    let mut at = 0_usize;
    let part = |(len, ticks): (&usize, &u64)| {
        let range = at..at.checked_add(*len)?;
        at = range.end;
        Part::read(bytes, range, *ticks, tracks)
    };
    let parts: Vec<_> = lens.iter().zip(ticks).map(part).collect::<Option<_>>()?;
    (at == bytes.len() && parts.len() == ticks.len() && !parts.is_empty()).then_some(parts)
}

impl Output {
    /// Lists a segment as it was listed before. `None` if it says no promise.
    fn relist(&mut self, segment: Segment) -> Option<()> {
        let (promise, sounds) = segment.listed_with?;
        if promise.target_duration_s == 0 || promise.part_target_ms == 0 {
            return None;
        }
        let head = segment.head();
        for kind in [Kind::Video, Kind::Audio] {
            let bytes = segment.source();
            let end = head.parts.iter().rev().find_map(|part| part.end_ticks(bytes, kind));
            if let (Some(end), Some(track)) = (end, head.tracks.get(kind)) {
                self.ends.set(kind, (end, track.timescale));
            }
        }
        let sequences = head.parts.iter().rev().find_map(|part| part.sequence(segment.source()));
        self.moof_sequence = sequences.unwrap_or(self.moof_sequence);
        self.edge = Some(crate::Edge {
            msn: head.msn,
            part: u32::try_from(head.parts.len().saturating_sub(1)).ok()?,
        });
        self.promise = Some(promise);
        self.sounds.packaged = sounds;
        self.counts.discontinuities = head.discontinuity_number;
        self.counts.segments = head.msn + 1;
        self.next_msn = head.msn + 1;
        self.note_listed(&segment);
        self.window.push(segment, &self.config, promise.target_duration_s);
        Some(())
    }

    /// Where a sound beside the first ends.
    fn end_of_other(&self, number: SoundNumber) -> Option<(i64, media::Timescale)> {
        self.window.listed().rev().find_map(|segment| {
            let (other, bytes) = segment.others().find(|(other, _)| other.number == number)?;
            let parts = other.parts.iter().rev();
            let end = parts.filter_map(|part| part.end_ticks(bytes, Kind::Audio)).next()?;
            Some((end, other.tracks.timescale))
        })
    }
}
