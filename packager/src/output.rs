//! What outlives publishers: the window, what was promised, the end of the timeline, the counts.
//!
//! Here: closed parts becoming segments, closed segments being listed. Not here: when they close
//! (`running`, `segmenter`).

use std::sync::Arc;

use media::{Kind, SoundNumber, Timescale};

use crate::{
    Config, Edge, Progress, Rendition,
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
    next_msn: u64,
    last_size_bytes: usize,
    moof_sequence: u32,
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
                *self.ends.slot(kind) = Some((end, track.timescale));
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
        let segment = open.close(self.ts_end);
        self.ts_end = segment.ts_end();
        if !segment.is_gap(Rendition::Source) {
            self.last_size_bytes = segment.size_bytes(Rendition::Source);
        }
        self.counts.segments += 1;
        let start_ms = segment.program_date_time_ms();
        self.end_wall_ms = Some(start_ms.saturating_add((segment.duration_us() / 1_000) as i64));
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
        self.window.push(segment, &self.config, promise.target_duration_s);
        Progress { segment: true, ..Progress::default() }
    }

    /// Lists parts without media for a silence of so many milliseconds, where nothing else is open.
    /// Players are told of it and need not ask again and again for what does not come.
    pub fn add_gaps(&mut self, silent_ms: u64) -> Progress {
        let mut progress = Progress::default();
        let (Some(promise), Some(last)) = (self.promise, self.window.newest().cloned()) else {
            return progress;
        };
        let part_ms = promise.part_target_ms.min(self.config.part_target_ms);
        let part_ticks = u64::from(part_ms) * u64::from(last.tracks().timescale.get()) / 1_000;
        let target_ticks =
            u64::from(promise.target_duration_s) * u64::from(last.tracks().timescale.get());
        // Bounded: a silence is never longer than the grace of a live.
        let longest_ms = silent_ms.min(MAX_SILENCE_MS);
        while self.gap_ms.saturating_add(part_ms.into()) <= longest_ms {
            let at_ms = self.end_wall_ms.unwrap_or(last.program_date_time_ms());
            let opening = Opening {
                discontinuity: false,
                independent: false,
                program_date_time_ms: at_ms,
                picture_delay_ms: last.head().picture_delay_ms,
                start_ticks: None,
            };
            self.open_segment(last.tracks(), opening);
            let Some(open) = &mut self.open else { break };
            open.add_gap(part_ticks);
            self.edge = Some(edge_of(open));
            self.gap_ms += u64::from(part_ms);
            self.counts.gaps += 1;
            progress.part = true;
            if open.duration_ticks() + part_ticks > target_ticks {
                progress |= self.close_segment();
            }
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
