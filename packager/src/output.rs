//! What outlives publishers: the window, what was promised, the end of the timeline, the counts.
//!
//! Here: closed parts becoming segments, closed segments being listed. Not here: when they close
//! (`running`, `segmenter`).

use std::sync::Arc;

use media::{Kind, SoundNumber, Timescale};

use crate::{
    Config, Edge, Numbers, Progress, Rendition, Segment,
    metadata::{Pending, Said},
    part::Timed,
    segment::{Head, OpenSegment},
    segmenter::{FirstSegment, Gops, Promise},
    sounds::{MainTrack, OtherSounds},
    timeline,
    tracks::{Inits, TrackSet},
    ts,
    window::Window,
};

/// Longest silence that is listed: the longest grace.
const MAX_SILENCE_MS: u64 = 3_600_000;

#[derive(Debug)]
pub(crate) struct Output {
    pub config: Config,
    pub window: Window,
    pub inits: Inits,
    /// The sounds beside the first.
    pub sounds: OtherSounds,
    pub gops: Gops,
    pub counts: Counts,
    /// Frozen with the first segment.
    pub promise: Option<Promise>,
    pub open: Option<OpenSegment>,
    pub edge: Option<Edge>,
    /// End of what was packaged, per track, on the timeline.
    pub ends: Ends,
    /// Wall-clock time of that end.
    pub end_wall_ms: Option<i64>,
    /// How much of the present silence is listed, in milliseconds.
    gap_ms: u64,
    pub next_msn: u64,
    /// How segments are called.
    pub numbers: Numbers,
    last_size_bytes: usize,
    pub moof_sequence: u32,
    /// Where MPEG-TS stands after the last complete segment.
    ts_end: ts::Position,
    /// Metadata for the open part or a later one, in the present publisher's time.
    pub metadata: Pending,
    /// Spare room for the samples of the next part.
    pub samples: (Vec<Timed>, Vec<Timed>),
}

/// Counts since the beginning.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub segments: u64,
    pub parts: u64,
    /// Parts without media.
    pub gaps: u64,
    /// Hints at a part that did not come, seen by the picture that came in its place.
    pub belied_hints: u64,
    pub discontinuities: u64,
    pub dependent_segments: u64,
    pub samples: u64,
    pub dropped: u64,
    pub repaired: u64,
    pub metadata: u64,
    pub metadata_dropped: u64,
    /// Times the sounds were called otherwise.
    pub labellings: u64,
}

/// Ends of both tracks on the timeline.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ends {
    video: Option<(i64, Timescale)>,
    audio: Option<(i64, Timescale)>,
}

impl Ends {
    fn slot(&mut self, kind: Kind) -> &mut Option<(i64, Timescale)> {
        match kind {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        }
    }

    /// Notes where a track ends.
    pub fn set(&mut self, kind: Kind, end: (i64, Timescale)) {
        *self.slot(kind) = Some(end);
    }

    /// Moves both ends to a later time.
    pub fn put_off(&mut self, millis: i64) {
        for (ticks, timescale) in self.video.iter_mut().chain(&mut self.audio) {
            *ticks = ticks.saturating_add(Timescale::MILLIS.rescale(millis, *timescale));
        }
    }

    /// The end of one track, in ticks of `timescale`.
    pub fn of(&self, kind: Kind, timescale: Timescale) -> Option<i64> {
        let end = match kind {
            Kind::Video => self.video?,
            Kind::Audio => self.audio?,
        };
        Some(timeline::end_in(end, timescale))
    }

    /// The first whole second at or after both ends.
    pub fn next_second(&self) -> i64 {
        let ends = self.video.into_iter().chain(self.audio);
        ends.map(timeline::whole_second_after).fold(timeline::START_S, i64::max)
    }
}

/// How a segment opens.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opening {
    /// Timestamps or configuration of the main track break before it.
    pub discontinuity: bool,
    pub independent: bool,
    pub program_date_time_ms: i64,
    pub picture_delay_ms: i64,
    /// Where it begins on the main track; `None` if it will have no sample.
    pub start_ticks: Option<i64>,
}

impl Output {
    pub fn new(config: Config) -> Self {
        Self {
            config,
            window: Window::default(),
            inits: Inits::default(),
            sounds: OtherSounds::default(),
            gops: Gops::default(),
            counts: Counts::default(),
            promise: None,
            open: None,
            edge: None,
            ends: Ends::default(),
            end_wall_ms: None,
            gap_ms: 0,
            next_msn: 0,
            numbers: Numbers::default(),
            last_size_bytes: 0,
            moof_sequence: 0,
            ts_end: ts::Position::default(),
            metadata: Pending::default(),
            samples: Default::default(),
        }
    }

    /// Opens a segment, if none is open.
    pub fn open_segment(&mut self, tracks: &Arc<TrackSet>, opening: Opening) {
        if self.open.is_some() {
            return;
        }
        let Opening {
            discontinuity,
            independent,
            program_date_time_ms,
            picture_delay_ms,
            start_ticks,
        } = opening;
        let (others, changed) = match start_ticks {
            Some(at_ticks) if !self.sounds.is_empty() => self.sounds.declare(at_ticks),
            _ => (Vec::new(), false),
        };
        let discontinuity = (discontinuity || changed) && self.next_msn > 0;
        self.counts.discontinuities += u64::from(discontinuity);
        self.counts.dependent_segments += u64::from(!independent);
        let head = Head {
            msn: self.next_msn,
            number: self.numbers.of(self.next_msn),
            tracks: tracks.clone(),
            discontinuity,
            discontinuity_number: self.counts.discontinuities,
            independent,
            program_date_time_ms,
            picture_delay_ms,
            start_ticks,
            parts: Vec::new(),
            others,
        };
        // About as large as the last one; what is left over is given back when it closes.
        let capacity = self.last_size_bytes + self.last_size_bytes / 8;
        self.open = Some(OpenSegment::new(head, capacity));
        self.next_msn += 1;
    }

    /// Makes a part of these samples, and of what is said meanwhile, and adds it to the open segment,
    /// listed `late_ticks` longer than its samples are, with what waits of the other sounds for the same time.
    pub fn add_part(
        &mut self,
        video: &[Timed],
        audio: &[Timed],
        said: &[Said],
        late_ticks: u64,
        main: &MainTrack<'_>,
    ) -> Progress {
        let Some(open) = &mut self.open else { return Progress::default() };
        let tracks = open.head.tracks.clone();
        self.moof_sequence = self.moof_sequence.wrapping_add(1);
        open.add(self.moof_sequence, video, audio, said, late_ticks);
        if !self.sounds.is_empty() {
            open.add_others(self.moof_sequence, |other, room| {
                self.counts.dropped += self.sounds.take(other, main, &self.config, room);
                self.counts.samples += room.len() as u64;
            });
        }
        self.edge = Some(edge_of(open));
        self.gap_ms = 0;
        self.counts.parts += 1;
        self.counts.metadata += said.len() as u64;
        self.counts.samples += (video.len() + audio.len()) as u64;
        if !audio.is_empty() {
            self.sounds.packaged.insert(SoundNumber::FIRST);
        }
        for (kind, samples) in [(Kind::Video, video), (Kind::Audio, audio)] {
            if let (Some(last), Some(track)) = (samples.last(), tracks.get(kind)) {
                let end = last.dts_ticks.saturating_add(last.duration_ticks.into());
                self.ends.set(kind, (end, track.timescale));
            }
        }
        Progress { part: true, ..Progress::default() }
    }

    /// The part that was just added is the last of its segment, as far as is known.
    pub fn expect_no_more_parts(&mut self) {
        if let Some(open) = &mut self.open {
            open.seems_full = true;
        }
    }

    /// It is not: the segment goes on, though playlists may hint at the next one.
    pub fn expect_more_parts(&mut self) -> Progress {
        let open = self.open.as_mut();
        let hint = open.is_some_and(|open| std::mem::take(&mut open.seems_full));
        self.counts.belied_hints += u64::from(hint);
        Progress { hint, ..Progress::default() }
    }

    /// The part that comes next, as far as is known.
    pub fn next_part(&self) -> Edge {
        let open = self.open.as_ref().filter(|open| !open.head.parts.is_empty());
        match open {
            Some(open) if open.seems_full => Edge { msn: open.head.msn + 1, part: 0 },
            Some(open) => {
                let part = u32::try_from(open.head.parts.len()).unwrap_or(u32::MAX);
                Edge { msn: open.head.msn, part }
            }
            None => Edge { msn: self.window.newest().map_or(0, |last| last.msn() + 1), part: 0 },
        }
    }

    /// Closes the open segment and lists it. The first one freezes the promise.
    pub fn close_segment(&mut self) -> Progress {
        let Some(open) = self.open.take_if(|open| !open.head.parts.is_empty()) else {
            return Progress::default();
        };
        let mut segment = open.close(self.ts_end);
        self.counts.segments += 1;
        self.note_listed(&segment);
        let promise = *self.promise.get_or_insert_with(|| {
            let micros = |ticks: u64| {
                let per_second = u128::from(segment.tracks().timescale.get());
                (u128::from(ticks) * 1_000_000).div_ceil(per_second) as u64
            };
            let longest = segment.parts().iter().map(|part| part.duration_ticks).max();
            let first = FirstSegment {
                duration_us: segment.duration_us(),
                longest_part_us: micros(longest.unwrap_or(0)),
                gop_ms: self.gops.longest_ms().or(self.gops.hint_ms),
            };
            Promise::after_first(&self.config, first)
        });
        segment.listed_with = Some((promise, self.sounds.packaged));
        self.window.push(segment, &self.config, promise.target_duration_s);
        Progress { segment: true, ..Progress::default() }
    }

    /// What follows goes on where a segment ends.
    pub fn note_listed(&mut self, segment: &Segment) {
        self.ts_end = segment.ts_end();
        if !segment.is_gap(Rendition::Source) {
            self.last_size_bytes = segment.size_bytes(Rendition::Source);
        }
        let start_ms = segment.program_date_time_ms();
        self.end_wall_ms = Some(start_ms.saturating_add((segment.duration_us() / 1_000) as i64));
    }

    /// Lists parts without media for a silence of so many milliseconds, where nothing else is open.
    /// Players are told of it and need not ask again and again for what does not come.
    pub fn add_gaps(&mut self, silent_ms: u64) -> Progress {
        let mut progress = Progress::default();
        let (Some(promise), Some(last)) = (self.promise, self.window.newest().cloned()) else {
            return progress;
        };
        let part_ms = self.gap_part_ms(promise);
        // Bounded: a silence is never longer than the grace of a live.
        let longest_ms = silent_ms.min(MAX_SILENCE_MS);
        while self.gap_ms.saturating_add(part_ms) <= longest_ms {
            let most_ms = u64::from(promise.target_duration_s) * 1_000;
            progress |= self.add_gap_part(&last, part_ms, most_ms);
        }
        progress
    }

    /// Lists gaps for what was listed last and is lost, of which no more is known than that it was no longer
    /// than `lost_ms`: in segments of half a usual one, so that there are more than there can have been, and in two
    /// at least, for one that was open and one that was complete.
    pub fn add_lost(&mut self, lost_ms: u64) {
        let (Some(promise), Some(last)) = (self.promise, self.window.newest().cloned()) else {
            return;
        };
        let lost_ms = lost_ms.min(MAX_SILENCE_MS);
        let part_ms = self.gap_part_ms(promise);
        let usual_ms = u64::from(promise.target_duration_s) * 1_000;
        let usual_ms = usual_ms.min(self.config.segment_target_ms.into());
        let most_ms = lost_ms.min(usual_ms) / 2;
        let (segments, mut listed_ms) = (self.counts.segments, 0);
        while listed_ms < lost_ms || self.counts.segments < segments + 2 {
            self.add_gap_part(&last, part_ms, most_ms);
            listed_ms += part_ms;
        }
        self.close_segment();
        // It may have been heard and seen: what comes is later.
        self.ends.put_off(i64::try_from(listed_ms).unwrap_or(0));
        self.gap_ms = 0;
    }

    fn gap_part_ms(&self, promise: Promise) -> u64 {
        promise.part_target_ms.min(self.config.part_target_ms).into()
    }

    /// Lists a part without media, of a segment as long as it is allowed to be.
    fn add_gap_part(&mut self, last: &Segment, part_ms: u64, most_ms: u64) -> Progress {
        let ticks = |ms: u64| ms * u64::from(last.tracks().timescale.get()) / 1_000;
        let opening = Opening {
            discontinuity: false,
            independent: false,
            program_date_time_ms: self.end_wall_ms.unwrap_or(last.program_date_time_ms()),
            picture_delay_ms: last.head().picture_delay_ms,
            start_ticks: None,
        };
        self.gap_ms += part_ms;
        self.open_segment(last.tracks(), opening);
        let Some(open) = &mut self.open else { return Progress::default() };
        open.add_gap(ticks(part_ms));
        self.edge = Some(edge_of(open));
        self.counts.gaps += 1;
        let is_full = open.duration_ticks() + ticks(part_ms) > ticks(most_ms);
        let mut progress = Progress { part: true, ..Progress::default() };
        if is_full {
            progress |= self.close_segment();
        }
        progress
    }

    /// Bytes of the open segment.
    pub fn open_bytes(&self) -> usize {
        self.open.as_ref().map_or(0, OpenSegment::held_bytes)
    }

    /// The first whole second after all that was packaged.
    pub fn next_second(&self) -> i64 {
        self.ends.next_second().max(self.sounds.next_second())
    }
}

fn edge_of(open: &OpenSegment) -> Edge {
    let part = u32::try_from(open.head.parts.len().saturating_sub(1)).unwrap_or(u32::MAX);
    Edge { msn: open.head.msn, part }
}
