//! Media that has begun: samples become parts, parts become segments.
//!
//! One track is the main one, by which everything is cut: the picture, or the sound when it is
//! alone. Its samples are held back by one, because the length of a sample is known when the next
//! one comes; only the last of a part is not, while the pace is steady. Sound beside a picture waits, too, until the part of its time is closed.
//!
//! Not here: which tracks there are (`intake`), the decision to cut (`segmenter`).

use std::{collections::VecDeque, sync::Arc};

use media::{Kind, Sample, Timescale, Track};

use crate::{
    Error, Progress,
    cadence::Cadence,
    intake::SAMPLE_OVERHEAD_BYTES,
    metadata::Said,
    output::{Opening, Output},
    part::Timed,
    segmenter::{Cut, Pace, Segmenter},
    sounds::MainTrack,
    timeline::{self, Lane, Place},
    tracks::TrackSet,
};

/// Composition offsets beyond this are not believed: no encoder reorders over five seconds.
const MAX_CTS_MS: i64 = 5_000;
/// Length of a last picture when no two ever told it: a thirtieth of a second.
const UNKNOWN_PICTURE_MS: i64 = 33;
/// Parts of pictures that last longer than this do not end ahead: the sound of that time is still to
/// come.
const SHORT_PICTURE_MS: i64 = 50;
/// A continued run may leave this much silence before it; else it lands anew.
const MAX_CONTINUED_GAP_S: i64 = 10;

/// One run of media with the same tracks.
#[derive(Debug)]
pub(crate) struct Running {
    tracks: Arc<TrackSet>,
    main: Lane,
    side: Option<Lane>,
    segmenter: Segmenter,
    held: Option<Timed>,
    /// Where the next sample is expected, when the part before it ended ahead of it.
    expected: Option<i64>,
    /// How much later than expected the first sample of the open part came, as far as that is listed.
    late_ticks: u64,
    cadence: Cadence,
    /// Samples of the open part.
    part: Vec<Timed>,
    /// Bytes of `part`, `held` and `waiting`, with their overhead.
    pending_bytes: usize,
    /// Sound for this part or a later one.
    waiting: VecDeque<Timed>,
    /// Length of the last sample of the main track.
    last_duration: u32,
    /// Where the main track is.
    newest: i64,
    /// Where the main track was when the sound beside it was last heard.
    heard: i64,
    /// A track that is announced but not declared has samples.
    returning: bool,
    start: i64,
    start_wall_ms: i64,
    /// How much later than it is decoded the first picture is seen.
    picture_delay_ms: i64,
}

/// What became of a sample.
#[derive(Debug)]
pub(crate) enum Step {
    /// Taken, or dropped and counted.
    Done(Progress),
    /// Media cannot go on as it is: closed, and these samples must go through the intake again.
    Break(Progress, Vec<Sample>),
}

/// How a run starts.
pub(crate) struct Start {
    pub tracks: Arc<TrackSet>,
    /// The publisher's time of the first sample of the main track.
    pub first_dts_ticks: i64,
    pub wall_ms: i64,
    /// The way the main track took before an interruption within the same publisher.
    pub before: Option<Way>,
}

/// A track's way onto the timeline, to be kept across a break if it still fits.
#[derive(Debug, Clone)]
pub(crate) struct Way {
    lane: Lane,
    timescale: Timescale,
}

impl Running {
    pub fn new(start: Start, out: &mut Output) -> Self {
        let Start { tracks, first_dts_ticks, wall_ms, before } = start;
        let timescale = tracks.timescale;
        let pace = Pace {
            timescale,
            is_video: tracks.main == Kind::Video,
            fps: tracks.video.as_ref().and_then(|track| track.picture()?.declared_fps),
        };
        let to = landing(before, first_dts_ticks, &tracks, out);
        out.gops.restart();
        out.sounds.restart();
        Self {
            main: Lane::new(timescale, first_dts_ticks, to, out.config.max_gap_ms),
            side: None,
            segmenter: Segmenter::new(&out.config, out.promise, pace),
            held: None,
            expected: None,
            late_ticks: 0,
            cadence: Cadence::new(timescale),
            part: std::mem::take(&mut out.samples.0),
            pending_bytes: 0,
            waiting: VecDeque::new(),
            last_duration: 0,
            newest: to,
            heard: to,
            returning: false,
            start: to,
            start_wall_ms: wall_ms,
            picture_delay_ms: 0,
            tracks,
        }
    }

    /// The tracks it declares.
    pub fn tracks(&self) -> &Arc<TrackSet> {
        &self.tracks
    }

    /// The way of the main track.
    pub fn way(&self) -> Way {
        Way { lane: self.main.clone(), timescale: self.tracks.timescale }
    }

    /// Takes a sample of a track that was announced.
    pub fn push(&mut self, sample: Sample, out: &mut Output) -> Result<Step, Error> {
        let kind = sample.kind;
        let Some(track) = self.tracks.get(kind).cloned() else {
            return Ok(self.undeclared(sample, out));
        };
        let Some(shape) = Shape::of(&sample, &track, &self.tracks) else {
            out.counts.dropped += 1;
            return Ok(Step::Done(Progress::default()));
        };
        let size = sample.data.len() + SAMPLE_OVERHEAD_BYTES;
        let total = out.open_bytes().saturating_add(self.pending_bytes).saturating_add(size);
        if total > out.config.segment_max_bytes {
            return Err(Error::SegmentTooLarge {
                size_bytes: total,
                limit_bytes: out.config.segment_max_bytes,
            });
        }
        Ok(if kind == self.tracks.main {
            self.push_main(sample, &track, shape, out)
        } else {
            self.push_side(sample, &track, shape, out)
        })
    }

    /// Closes the open part and segment, all that waits included.
    pub fn close(mut self, out: &mut Output) -> Progress {
        self.flush(None, out);
        let progress = self.finish_segment(None, out);
        self.give_back(out);
        progress
    }

    /// Closes the open part and segment; sound that belongs after them is given back, as the
    /// publisher sent it.
    fn close_before(&mut self, next: Option<i64>, out: &mut Output) -> (Progress, Vec<Sample>) {
        self.flush(next, out);
        let boundary =
            next.unwrap_or_else(|| self.newest.saturating_add(self.last_duration.into()));
        let progress = self.finish_segment(Some(boundary), out);
        let lane = self.side.take();
        let back = self.waiting.drain(..).map(|timed| Sample {
            kind: Kind::Audio,
            dts_ticks: lane.as_ref().map_or(timed.dts_ticks, |lane| lane.unmap(timed.dts_ticks)),
            cts_ticks: 0,
            is_sync: true,
            data: timed.data,
        });
        (progress, back.collect())
    }

    /// As [`Running::close`], for a change of the configuration of one track: what waits of the
    /// other is given back.
    pub fn close_for_change(mut self, changed: Kind, out: &mut Output) -> (Progress, Vec<Sample>) {
        if changed == Kind::Audio {
            return (self.close(out), Vec::new());
        }
        let closed = self.close_before(None, out);
        self.give_back(out);
        closed
    }

    fn give_back(&mut self, out: &mut Output) {
        out.samples.0 = std::mem::take(&mut self.part);
    }

    fn undeclared(&mut self, sample: Sample, out: &mut Output) -> Step {
        if sample.kind == Kind::Video && sample.is_sync {
            // The picture comes, or comes back: it becomes the main track.
            let (progress, mut back) = self.close_before(None, out);
            self.give_back(out);
            back.push(sample);
            return Step::Break(progress, back);
        }
        self.returning |= sample.kind == Kind::Audio;
        out.counts.dropped += 1;
        Step::Done(Progress::default())
    }

    fn push_main(&mut self, sample: Sample, track: &Track, shape: Shape, out: &mut Output) -> Step {
        let mapped = self.main.map(sample.dts_ticks);
        let Place::At(dts_ticks) = self.main.place(sample.dts_ticks, shape.step_ticks()) else {
            let progress = self.close_all(out);
            return Step::Break(progress, vec![sample]);
        };
        if sample.is_sync && self.declared_wrongly(dts_ticks, out) {
            out.gops.complete(self.tracks.timescale);
            let (progress, mut back) = self.close_before(Some(dts_ticks), out);
            self.give_back(out);
            back.insert(0, sample);
            return Step::Break(progress, back);
        }
        let cts = i64::from(sample.cts_ticks).saturating_sub(dts_ticks.saturating_sub(mapped));
        let cts_ticks = self.believable_cts(cts, track.timescale);
        if dts_ticks != mapped || i64::from(cts_ticks) != cts {
            out.counts.repaired += 1;
        }
        self.pending_bytes += sample.data.len() + SAMPLE_OVERHEAD_BYTES;
        self.cadence.came(dts_ticks);
        let (dts_ticks, cts_ticks) = self.unblurred(dts_ticks, cts_ticks);
        let next = Timed {
            dts_ticks,
            cts_ticks,
            // A picture's length is known when the next one comes.
            duration_ticks: shape.sound_ticks,
            is_sync: sample.is_sync,
            ts_len: shape.ts_len,
            data: sample.data,
        };
        let mut progress = Progress::default();
        if let Some(mut held) = self.held.take() {
            held.duration_ticks = step_between(held.dts_ticks, dts_ticks);
            progress |= self.add(held, out);
            progress |= self
                .cut(self.segmenter.after(self.last_duration, next.is_sync, &mut out.gops), out);
        } else if let Some(expected) = self.expected.take() {
            let late_ticks = u64::try_from(next.dts_ticks - expected).unwrap_or(0);
            let cut = self.segmenter.after_ahead(late_ticks, next.is_sync, &mut out.gops);
            progress |= self.cut(cut, out);
            progress |= out.expect_more_parts();
            self.late_ticks = self.segmenter.begin_late(late_ticks);
        }
        self.newest = dts_ticks;
        progress |= self.end_ahead(next, out);
        Step::Done(progress)
    }

    /// A picture that comes a millisecond later than expected, as rounding has it, is decoded when it was
    /// expected, so that media has no holes, and shown at its time.
    fn unblurred(&self, dts_ticks: i64, cts_ticks: i32) -> (i64, i32) {
        let Some(expected) = self.expected.filter(|_| self.tracks.main == Kind::Video) else {
            return (dts_ticks, cts_ticks);
        };
        match u32::try_from(dts_ticks - expected) {
            Ok(late) if late <= self.cadence.blur_ticks() => {
                (expected, cts_ticks.saturating_add(late as i32))
            }
            _ => (dts_ticks, cts_ticks),
        }
    }

    /// Ends the part with this sample if it ends whatever comes next, and when that comes is as good
    /// as known; else holds the sample until it does. Viewers have the part one picture earlier.
    ///
    /// A next sample that comes later makes the sample before it longer (ISO/IEC 14496-12 §8.8.12); one
    /// that is earlier than it can be is decoded later, and shown at its time.
    fn end_ahead(&mut self, sample: Timed, out: &mut Output) -> Progress {
        let short_ticks = self.ticks(SHORT_PICTURE_MS);
        let step = match self.tracks.main {
            Kind::Video => self.cadence.next_step().filter(|step| i64::from(*step) <= short_ticks),
            Kind::Audio => Some(sample.duration_ticks),
        };
        let cut = step.map_or(Cut::Nothing, |step| self.segmenter.ahead(step, &out.gops));
        let (Some(step), true) = (step, cut != Cut::Nothing) else {
            self.held = Some(sample);
            return Progress::default();
        };
        let expected = sample.dts_ticks.saturating_add(step.into());
        self.main.wait_until(expected);
        self.expected = Some(expected);
        let mut progress = self.add(Timed { duration_ticks: step, ..sample }, out);
        progress |= self.cut(cut, out);
        progress
    }

    fn push_side(&mut self, sample: Sample, track: &Track, shape: Shape, out: &mut Output) -> Step {
        let absent_ms = i64::from(out.config.track_absent_ms);
        let start = self.tracks.timescale.rescale(self.start, track.timescale);
        let lane = match &mut self.side {
            Some(lane) => lane,
            None => {
                let floor = out.ends.of(Kind::Audio, track.timescale).unwrap_or(0);
                let lane =
                    self.main.beside(track.timescale, sample.dts_ticks, self.newest, &out.config);
                self.side.insert(lane.not_before(floor))
            }
        };
        let mapped = lane.map(sample.dts_ticks);
        if mapped.saturating_add(shape.sound_ticks.into()) <= start {
            // From before the first IDR.
            out.counts.dropped += 1;
            return Step::Done(Progress::default());
        }
        if lane.ahead_ms(mapped, self.newest, self.tracks.timescale) > absent_ms {
            return self.side_runs_ahead(sample, out);
        }
        let Place::At(dts_ticks) = lane.place_after_silence(sample.dts_ticks, shape.step_ticks())
        else {
            let progress = self.close_all(out);
            return Step::Break(progress, vec![sample]);
        };
        if dts_ticks != mapped {
            out.counts.repaired += 1;
        }
        self.heard = self.newest;
        self.pending_bytes += sample.data.len() + SAMPLE_OVERHEAD_BYTES;
        self.waiting.push_back(Timed {
            dts_ticks,
            cts_ticks: 0,
            duration_ticks: shape.sound_ticks,
            is_sync: true,
            ts_len: shape.ts_len,
            data: sample.data,
        });
        Step::Done(Progress::default())
    }

    /// Sound that is far ahead of the picture: either the picture is gone, and sound that was
    /// already waiting goes on alone; or the sound's clock jumped.
    fn side_runs_ahead(&mut self, sample: Sample, out: &mut Output) -> Step {
        let went_silently = self.waiting.back().is_some_and(|last| {
            let gap_ms = self.side.as_ref().map_or(0, |lane| {
                lane.ahead_ms(lane.map(sample.dts_ticks), last.dts_ticks, self.side_timescale())
            });
            gap_ms <= out.config.max_gap_ms.into()
        });
        let (progress, mut back) = if went_silently {
            self.close_before(None, out)
        } else {
            (self.close_all(out), Vec::new())
        };
        self.give_back(out);
        back.push(sample);
        Step::Break(progress, back)
    }

    fn close_all(&mut self, out: &mut Output) -> Progress {
        self.flush(None, out);
        let progress = self.finish_segment(None, out);
        self.give_back(out);
        progress
    }

    /// Whether the declared tracks are not those that come: sound is missing, or is there after
    /// all. Asked before an IDR, where it can be mended.
    fn declared_wrongly(&self, now: i64, out: &Output) -> bool {
        if self.tracks.main != Kind::Video {
            return false;
        }
        if self.tracks.audio.is_none() {
            return self.returning;
        }
        let silent =
            self.tracks.timescale.rescale(now.saturating_sub(self.heard), Timescale::MILLIS);
        silent > i64::from(out.config.track_absent_ms)
    }

    fn side_timescale(&self) -> Timescale {
        self.tracks.audio.as_ref().map_or(Timescale::MILLIS, |track| track.timescale)
    }

    fn believable_cts(&self, cts_ticks: i64, timescale: Timescale) -> i32 {
        let limit = Timescale::MILLIS.rescale(MAX_CTS_MS, timescale);
        if self.tracks.main == Kind::Audio || cts_ticks.saturating_abs() > limit {
            return 0;
        }
        i32::try_from(cts_ticks).unwrap_or(0)
    }

    /// Adds the held sample: a sound is as long as it says, a picture as the one before it.
    fn flush(&mut self, next: Option<i64>, out: &mut Output) -> Progress {
        let Some(mut held) = self.held.take() else { return Progress::default() };
        let unknown = self.ticks(UNKNOWN_PICTURE_MS);
        let usual = match self.tracks.main {
            Kind::Audio => held.duration_ticks,
            Kind::Video if self.last_duration > 0 => self.last_duration,
            Kind::Video => u32::try_from(unknown).unwrap_or(1),
        };
        held.duration_ticks = next
            .map_or_else(
                || self.segmenter.last_duration(usual),
                |next| step_between(held.dts_ticks, next),
            )
            .max(1);
        self.add(held, out)
    }

    /// Adds a sample of known length to the open part, which may end before it.
    fn add(&mut self, sample: Timed, out: &mut Output) -> Progress {
        let progress = self.cut(self.segmenter.before(sample.duration_ticks), out);
        if sample.dts_ticks == self.start {
            let delay = self.tracks.timescale.rescale(sample.cts_ticks.into(), Timescale::MILLIS);
            self.picture_delay_ms = delay;
        }
        // What is late is listed with the segment that it opens, so that this begins where the one before ends.
        let late_ticks = i64::try_from(self.late_ticks).unwrap_or(0);
        self.open_segment(sample.dts_ticks.saturating_sub(late_ticks), sample.is_sync, out);
        self.segmenter.add(sample.is_sync, sample.duration_ticks, &mut out.gops);
        self.last_duration = sample.duration_ticks;
        self.part.push(sample);
        progress
    }

    /// Opens a segment, if none is open.
    fn open_segment(&self, at_ticks: i64, independent: bool, out: &mut Output) {
        if out.open.is_some() {
            return;
        }
        let since = at_ticks.saturating_sub(self.start);
        let since_ms = self.tracks.timescale.rescale(since, Timescale::MILLIS);
        let opening = Opening {
            discontinuity: since == 0,
            independent,
            program_date_time_ms: self.start_wall_ms.saturating_add(since_ms),
            picture_delay_ms: self.picture_delay_ms,
            start_ticks: Some(at_ticks),
        };
        out.open_segment(&self.tracks, opening);
    }

    fn cut(&mut self, cut: Cut, out: &mut Output) -> Progress {
        let boundary = self.part.last().map(|last| {
            let end = last.dts_ticks.saturating_add(last.duration_ticks.into());
            // Whether it ends ahead or not, a part has no sound of the time of its last picture: that
            // may be on its way still, and lists of sound alone want parts alike.
            match self.tracks.main {
                Kind::Video => last.dts_ticks.max(end - self.ticks(SHORT_PICTURE_MS)),
                Kind::Audio => end,
            }
        });
        if cut != Cut::Nothing && self.part.is_empty() {
            // What was late is not counted in the part that begins now.
            self.late_ticks = 0;
        }
        let progress = match cut {
            Cut::Nothing => Progress::default(),
            Cut::Part => self.finish_part(boundary, out),
            Cut::LastPart => {
                let progress = self.finish_part(boundary, out);
                out.expect_no_more_parts();
                progress
            }
            Cut::Segment => self.finish_segment(boundary, out),
        };
        self.segmenter.done(cut);
        progress
    }

    fn finish_segment(&mut self, boundary: Option<i64>, out: &mut Output) -> Progress {
        let mut progress = self.finish_part(boundary, out);
        progress |= out.close_segment();
        if let Some(promise) = out.promise {
            self.segmenter.promise(promise);
        }
        progress
    }

    /// Closes the open part, with the sound before `boundary` (all of it without one).
    fn finish_part(&mut self, boundary: Option<i64>, out: &mut Output) -> Progress {
        let main = MainTrack {
            lane: &self.main,
            timescale: self.tracks.timescale,
            newest: self.newest,
            until: boundary,
        };
        let side_timescale = self.side_timescale();
        let belongs = |sample: &Timed| main.is_before_end(sample.dts_ticks, side_timescale);
        let mut others_end = None;
        if self.part.is_empty() {
            let Some(expected) = self.expected else { return Progress::default() };
            others_end = out.sounds.waiting_end(&main, &out.config);
            if others_end.is_none() && !self.waiting.front().is_some_and(belongs) {
                return Progress::default();
            }
            // All ends here, and the sound of the last picture came after its part had ended ahead.
            self.open_segment(expected, false, out);
        }
        let mut side = std::mem::take(&mut out.samples.1);
        while let Some(sample) = self.waiting.pop_front_if(|sample| belongs(sample)) {
            side.push(sample);
        }
        set_durations(&mut side);
        let late_ticks = match self.part.is_empty() {
            false => std::mem::take(&mut self.late_ticks),
            true => self.segmenter.listed(self.beyond_main(&side, others_end)),
        };
        // Nothing can be said in a gap.
        let is_gap = self.part.is_empty() && side.is_empty();
        let said = if is_gap { Vec::new() } else { self.said(out) };
        let progress = match self.tracks.main {
            Kind::Video => out.add_part(&self.part, &side, &said, late_ticks, &main),
            Kind::Audio => out.add_part(&[], &self.part, &said, late_ticks, &main),
        };
        let added = self.part.iter().chain(&side).map(|s| s.data.len() + SAMPLE_OVERHEAD_BYTES);
        self.pending_bytes = self.pending_bytes.saturating_sub(added.sum());
        self.part.clear();
        side.clear();
        out.samples.1 = side;
        progress
    }

    /// Ticks of the main track.
    fn ticks(&self, millis: i64) -> i64 {
        Timescale::MILLIS.rescale(millis, self.tracks.timescale)
    }

    /// How far sound reaches beyond the main track, in its ticks: a millisecond at least, since a part has a
    /// length.
    fn beyond_main(&self, side: &[Timed], others_end: Option<i64>) -> u64 {
        let side_end = side.last().map(|last| {
            let end = last.dts_ticks.saturating_add(last.duration_ticks.into());
            self.side_timescale().rescale(end, self.tracks.timescale)
        });
        let end = side_end.max(others_end).unwrap_or(0);
        let beyond = end.saturating_sub(self.expected.unwrap_or(end)).max(self.ticks(1));
        u64::try_from(beyond).unwrap_or(0)
    }

    /// What is said before the end of the open part. A part holds nothing from before it (AOM, ID3 in
    /// CMAF): what came too late for its own is said at the start of this one.
    fn said(&self, out: &mut Output) -> Vec<Said> {
        let (start, end) = match (self.part.first(), self.part.last()) {
            (Some(first), Some(last)) => {
                (first.dts_ticks, last.dts_ticks.saturating_add(last.duration_ticks.into()))
            }
            // Sound alone, at the end of all.
            _ => (self.expected.unwrap_or(self.newest), i64::MAX),
        };
        let timescale = self.tracks.timescale;
        let place = |at_ms| self.main.map(Timescale::MILLIS.rescale(at_ms, timescale));
        let mut said = Vec::new();
        while let Some((at_ms, tag)) = out.metadata.pop_if(|at_ms| place(at_ms) < end) {
            let id = (out.counts.metadata as u32).wrapping_add(said.len() as u32);
            said.push(Said { at_ticks: place(at_ms).max(start), id, tag });
        }
        said
    }
}

/// Within a part the length of an audio frame is the time to the next, so that their sum is exact.
pub(crate) fn set_durations(side: &mut [Timed]) {
    let mut next: Option<i64> = None;
    for sample in side.iter_mut().rev() {
        if let Some(next) = next {
            sample.duration_ticks = step_between(sample.dts_ticks, next);
        }
        next = Some(sample.dts_ticks);
    }
}

fn step_between(from: i64, to: i64) -> u32 {
    u32::try_from(to.saturating_sub(from)).unwrap_or(1)
}

/// Where the first sample lands: on the way it had before, if that continues what was packaged.
fn landing(before: Option<Way>, first: i64, tracks: &TrackSet, out: &Output) -> i64 {
    let timescale = tracks.timescale;
    let next_second = out.next_second();
    if let Some(way) = before.filter(|way| way.timescale == timescale) {
        let mapped = way.lane.map(first);
        let end = |kind| out.ends.of(kind, timescale).unwrap_or(0);
        let latest =
            next_second.saturating_add(MAX_CONTINUED_GAP_S).saturating_mul(timescale.get().into());
        // The sound beside a picture may be some frames ahead; its own lane sees to it.
        let other = end(if tracks.main == Kind::Video { Kind::Audio } else { Kind::Video });
        let other = other.saturating_sub(i64::from(timescale.get()) / 10);
        if (end(tracks.main).max(other)..=latest).contains(&mapped) {
            return mapped;
        }
    }
    timeline::landing(first, timescale, next_second)
}

/// What must be known of a well-formed sample to place it.
#[derive(Debug, Clone, Copy)]
struct Shape {
    /// How long it sounds; 0 for a picture.
    sound_ticks: u32,
    /// Bytes it takes as PES payload in MPEG-TS, if its tracks are carried there.
    ts_len: u32,
}

impl Shape {
    /// `None` if the sample is malformed.
    fn of(sample: &Sample, track: &Track, tracks: &TrackSet) -> Option<Self> {
        let sound_ticks = match sample.kind {
            Kind::Video => 0,
            Kind::Audio => track.sound_ticks(&sample.data)?,
        };
        let ts_len = match &tracks.ts {
            Some(ts) => ts.payload_len(sample)?,
            None => track.is_well_formed(&sample.data).then_some(0)?,
        };
        Some(Self { sound_ticks, ts_len })
    }

    /// Least distance to the next sample.
    fn step_ticks(self) -> u32 {
        self.sound_ticks.max(1)
    }
}
