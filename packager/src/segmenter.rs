//! Decides where parts and segments end.
//!
//! Here: durations, IDR alignment, the part target. Not here: bytes (`fmp4`, `ts`), what is still
//! listed (`window`), the clock: every time comes from the samples.

use std::collections::VecDeque;

use media::Timescale;

use crate::Config;

/// What ends before the next sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Nothing: the sample joins the open part.
    Nothing,
    /// The part.
    Part,
    /// The part, the last of its segment, which ends with the IDR that is due.
    LastPart,
    /// The part and the segment.
    Segment,
}

/// What is promised in playlists, and so never changes within an epoch once it was listed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Promise {
    /// `EXT-X-TARGETDURATION`.
    pub target_duration_s: u32,
    /// `PART-TARGET`, in milliseconds.
    pub part_target_ms: u32,
}

impl Promise {
    /// What to promise after the first segment.
    ///
    /// The target duration is the GOP's length where that is known, or the segment target if that is
    /// longer. The part target leaves every full part between 85 and 100 % of it (rfc8216bis
    /// §4.4.3.7): a twelfth above what parts are cut at, it has room for six pictures at 29.97 a second
    /// (200.2 ms) and five at 24 (208 ms), and for the sound of 200 ms whether that is nine frames of
    /// 1024 samples at 48 kHz or ten (192 and 213 ms), eight at 44.1 kHz or nine (186 and 209 ms).
    /// Slow pictures that make other parts get another target.
    pub fn after_first(config: &Config, first: FirstSegment) -> Self {
        let rounded = |millis: u64| u32::try_from((millis + 500) / 1_000).unwrap_or(u32::MAX);
        let target_duration_s = rounded(config.segment_target_ms.into())
            .max(rounded(first.duration_us.div_ceil(1_000)))
            .max(rounded(first.gop_ms.unwrap_or(0)));
        let longest_ms = u32::try_from(first.longest_part_us.div_ceil(1_000)).unwrap_or(u32::MAX);
        let usual_ms = with_room(config.part_target_ms);
        let fits = longest_ms <= usual_ms && longest_ms >= usual_ms - usual_ms / 8;
        // Only an end comes before half of it.
        let is_cut_short = longest_ms < usual_ms / 2;
        Self {
            target_duration_s: target_duration_s.clamp(1, config.target_duration_max_s.max(1)),
            part_target_ms: if fits || is_cut_short { usual_ms } else { with_room(longest_ms) },
        }
    }
}

/// A twelfth more.
fn with_room(part_ms: u32) -> u32 {
    part_ms.saturating_add(part_ms.div_ceil(12))
}

/// What the first segment taught.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FirstSegment {
    /// Its length, in microseconds.
    pub duration_us: u64,
    /// Its longest part, in microseconds.
    pub longest_part_us: u64,
    /// Distance between IDRs in milliseconds, as seen or as the encoder announces it.
    pub gop_ms: Option<u64>,
}

/// Distances between IDRs, in milliseconds.
#[derive(Debug, Default)]
pub(crate) struct Gops {
    recent: VecDeque<u64>,
    /// Length of the open GOP; `None` before the first IDR of a run.
    open_ticks: Option<u64>,
    /// What the encoder announces, in milliseconds.
    pub hint_ms: Option<u64>,
}

impl Gops {
    /// Enough to see a pattern of short and long GOPs, few enough to forget an old setting.
    const REMEMBERED: usize = 8;
    /// What rounding makes of equal distances.
    const BLUR_MS: u64 = 4;

    /// A new run: the open GOP will never be complete.
    pub fn restart(&mut self) {
        self.open_ticks = None;
    }

    /// The next picture is an IDR: the open GOP is complete.
    pub fn complete(&mut self, timescale: Timescale) {
        if let Some(ticks) = self.open_ticks.take() {
            if self.recent.len() == Self::REMEMBERED {
                self.recent.pop_front();
            }
            self.recent.push_back(millis(ticks, timescale));
        }
    }

    fn note(&mut self, is_sync: bool, duration_ticks: u64) {
        if is_sync {
            self.open_ticks = Some(0);
        }
        if let Some(ticks) = &mut self.open_ticks {
            *ticks = ticks.saturating_add(duration_ticks);
        }
    }

    /// The last complete one.
    pub fn last_ms(&self) -> Option<u64> {
        self.recent.back().copied()
    }

    /// The longest recent one.
    pub fn longest_ms(&self) -> Option<u64> {
        self.recent.iter().max().copied()
    }

    /// Whether the picture that comes `step_ticks` from now is an IDR; `None` where there is no telling.
    ///
    /// The longest distance is the encoder's setting, once it was seen twice or announced: it may put
    /// IDRs in between, where the scene changes, but none later.
    fn next_is_sync(&self, step_ticks: u64, timescale: Timescale) -> Option<bool> {
        let usual_ms = self.longest_ms().or(self.hint_ms)?;
        let alike = |ms: &u64| ms.abs_diff(usual_ms) <= Self::BLUR_MS;
        let needed = if self.recent.is_empty() { 1 } else { 2 };
        if self.recent.iter().chain(&self.hint_ms).filter(|ms| alike(ms)).count() < needed {
            return None;
        }
        let next = self.open_ticks?.saturating_add(step_ticks);
        let usual = ticks(usual_ms, timescale);
        if next.saturating_add(step_ticks / 2) < usual {
            return Some(false);
        }
        (next <= usual.saturating_add(step_ticks / 2)).then_some(true)
    }

    /// The open one.
    pub fn open_ms(&self, timescale: Timescale) -> Option<u64> {
        self.open_ticks.map(|ticks| millis(ticks, timescale))
    }
}

/// Follows the samples of the main track of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Segmenter {
    timescale: Timescale,
    /// Only pictures have GOPs: sound can be cut anywhere.
    has_gops: bool,
    /// Parts are made about this long.
    part_target: u64,
    /// And never longer than this.
    part_limit: u64,
    /// Samples of a full part, when the picture rate is declared.
    part_samples: Option<u32>,
    /// Nothing is listed yet: the first part is a segment of its own.
    is_first: bool,
    /// A segment this long ends before the next IDR.
    segment_target: u64,
    /// A segment reaches no further, so that `EXTINF` rounds to the target duration or less.
    segment_limit: u64,
    part: u64,
    samples: u32,
    segment: u64,
    /// How much later than expected the sample came that is about to be added.
    late: u64,
}

/// What the segmenter must know of the main track.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    pub timescale: Timescale,
    pub is_video: bool,
    /// Pictures per second, as declared.
    pub fps: Option<f64>,
}

impl Segmenter {
    /// An IDR that comes up to a twentieth early is the one the target meant: timestamps are
    /// rounded to milliseconds, and 29.97 pictures a second do not add up to 2 s.
    const EARLY: u64 = 20;

    /// Timestamps in milliseconds make six pictures at 29.97 a second 200 ms long, or 201. Full
    /// parts must be alike, so the declared rate tells how many pictures they take; without one,
    /// parts may pass the target by a twenty-fifth, where a millisecond changes nothing.
    const BLUR: u32 = 25;

    pub fn new(config: &Config, promise: Option<Promise>, pace: Pace) -> Self {
        let timescale = pace.timescale;
        let target_ms = config.part_target_ms;
        let declared = pace.fps.filter(|_| pace.is_video);
        let part_samples =
            declared.map(|fps| ((fps * f64::from(target_ms) / 1_000.0).round() as u32).max(1));
        let blur_ms = if pace.is_video { target_ms / Self::BLUR } else { 0 };
        let mut segmenter = Self {
            timescale,
            has_gops: pace.is_video,
            part_target: ticks((target_ms + blur_ms).into(), timescale),
            part_limit: ticks(with_room(target_ms).into(), timescale),
            part_samples,
            is_first: promise.is_none(),
            segment_target: ticks(config.segment_target_ms.into(), timescale),
            segment_limit: limit_ticks(config.target_duration_max_s, pace.is_video, timescale),
            part: 0,
            samples: 0,
            segment: 0,
            late: 0,
        };
        if let Some(promise) = promise {
            segmenter.promise(promise);
        }
        segmenter
    }

    /// Holds all that follows to what was promised.
    pub fn promise(&mut self, promise: Promise) {
        self.is_first = false;
        self.part_limit = ticks(promise.part_target_ms.into(), self.timescale);
        self.part_target = self.part_target.min(self.part_limit);
        self.segment_limit = limit_ticks(promise.target_duration_s, self.has_gops, self.timescale);
    }

    /// A length for a last sample of about `usual` ticks, whose own nobody knows: a little less
    /// where that keeps it in the open part.
    pub fn last_duration(&self, usual: u32) -> u32 {
        let room = self
            .part_limit
            .saturating_sub(self.part)
            .min(self.segment_limit.saturating_sub(self.segment));
        match u32::try_from(room) {
            Ok(room) if room < usual && room >= usual / 2 => room.max(1),
            _ => usual,
        }
    }

    /// What must end before a sample of this length may be added.
    pub fn before(&self, duration_ticks: u32) -> Cut {
        let duration = u64::from(duration_ticks);
        if self.segment > 0 && self.segment.saturating_add(duration) > self.segment_limit {
            Cut::Segment
        } else if self.part > 0
            && (self.part.saturating_add(duration) > self.part_limit || self.has_all_samples())
        {
            self.part_cut()
        } else {
            Cut::Nothing
        }
    }

    /// Adds a sample to the open part.
    pub fn add(&mut self, is_sync: bool, duration_ticks: u32, gops: &mut Gops) {
        let duration = u64::from(duration_ticks);
        self.count(duration);
        if self.has_gops {
            gops.note(is_sync, duration);
        }
    }

    fn count(&mut self, duration: u64) {
        self.part = self.part.saturating_add(duration);
        self.samples = self.samples.saturating_add(1);
        self.segment = self.segment.saturating_add(duration);
        self.late = 0;
    }

    /// What ends with a sample of `duration_ticks` that is not added yet, whether or not the next one
    /// is an IDR, or because it is as good as known to be: what [`Segmenter::after`] will say once it
    /// is there.
    pub fn ahead(&self, duration_ticks: u32, gops: &Gops) -> Cut {
        if self.before(duration_ticks) != Cut::Nothing {
            return Cut::Nothing;
        }
        let duration = u64::from(duration_ticks);
        let mut then = *self;
        then.count(duration);
        let open_ms =
            gops.open_ticks.map(|open| millis(open.saturating_add(duration), self.timescale));
        let longest_ms = gops.longest_ms().max(open_ms);
        let at_sync = then.end(duration, true, longest_ms);
        let otherwise = then.end(duration, false, longest_ms);
        match (at_sync, otherwise) {
            _ if at_sync == otherwise || !self.has_gops => at_sync,
            (Cut::Segment, Cut::Part) => match gops.next_is_sync(duration, self.timescale) {
                Some(true) => Cut::LastPart,
                Some(false) => Cut::Part,
                None => Cut::Nothing,
            },
            // It would be a short part if the IDR did not come.
            _ => Cut::Nothing,
        }
    }

    /// What else ends when the sample after the one that ended ahead is here, `late_ticks` later than
    /// expected: the segment, before an IDR.
    pub fn after_ahead(&self, late_ticks: u64, is_sync: bool, gops: &mut Gops) -> Cut {
        if !self.has_gops {
            return Cut::Nothing;
        }
        gops.note(false, late_ticks);
        if !is_sync {
            return Cut::Nothing;
        }
        gops.complete(self.timescale);
        let is_full = self.segment > 0 && self.segment_is_full(0, gops.longest_ms());
        if is_full { Cut::Segment } else { Cut::Nothing }
    }

    /// The part that begins does so `late_ticks` later than expected. Says how many of them to list
    /// with it: the rest is missing from the lists, where a part may be no longer than promised.
    pub fn begin_late(&mut self, late_ticks: u64) -> u64 {
        let listed = late_ticks.min(self.part_limit / 2);
        self.part = self.part.saturating_add(listed);
        // All of it: the sound of that time is in the segment.
        self.segment = self.segment.saturating_add(late_ticks);
        self.late = late_ticks;
        listed
    }

    /// How long a part that holds no sample of the main track may be listed.
    pub fn listed(&self, ticks: u64) -> u64 {
        ticks.min(self.part_limit).min(self.segment_limit.saturating_sub(self.segment)).max(1)
    }

    /// What ends after a sample of `duration_ticks` was added, now that the next is known to be an
    /// IDR or not. Earlier by a sample than [`Segmenter::before`] could tell.
    pub fn after(&self, duration_ticks: u32, next_is_sync: bool, gops: &mut Gops) -> Cut {
        if next_is_sync && self.has_gops {
            gops.complete(self.timescale);
        }
        self.end(duration_ticks.into(), next_is_sync, gops.longest_ms())
    }

    fn end(&self, duration: u64, next_is_sync: bool, gop_ms: Option<u64>) -> Cut {
        if next_is_sync && self.segment_is_full(duration, gop_ms) {
            return Cut::Segment;
        }
        let nearly_full = self.part >= self.part_target - self.part_target / 10;
        let overfull = self.part.saturating_add(duration) > self.part_target;
        let is_full = match self.part_samples {
            Some(_) => self.has_all_samples() || nearly_full && self.passes_limit(duration),
            None => nearly_full && overfull,
        };
        match is_full {
            false => Cut::Nothing,
            // Whatever comes next begins another.
            true if self.segment.saturating_add(duration) > self.segment_limit => Cut::Segment,
            true => self.part_cut(),
        }
    }

    fn passes_limit(&self, duration: u64) -> bool {
        self.part.saturating_add(duration) > self.part_limit
    }

    /// The first part ends the first segment too: viewers have something to play after 200 ms, and
    /// many players take no playlist without a whole segment.
    fn part_cut(&self) -> Cut {
        if self.is_first { Cut::Segment } else { Cut::Part }
    }

    /// Notes that what was decided was done.
    pub fn done(&mut self, cut: Cut) {
        match cut {
            Cut::Nothing => {}
            Cut::Part | Cut::LastPart => (self.part, self.samples) = (0, 0),
            // Sound that came before the sample that was late waits for it.
            Cut::Segment => (self.part, self.samples, self.segment) = (0, 0, self.late),
        }
    }

    fn has_all_samples(&self) -> bool {
        self.part_samples.is_some_and(|samples| self.samples >= samples)
    }

    /// `gop_ms` is the longest distance between IDRs of late.
    fn segment_is_full(&self, last_duration: u64, gop_ms: Option<u64>) -> bool {
        if !self.has_gops {
            return self.segment.saturating_add(last_duration) > self.segment_target;
        }
        if self.segment >= self.segment_target - self.segment_target / Self::EARLY {
            return true;
        }
        // The next IDR is expected to be as far.
        let expected = ticks(gop_ms.unwrap_or(0), self.timescale);
        self.segment > 0 && self.segment.saturating_add(expected) > self.segment_limit
    }
}

/// The most ticks whose seconds still round to `target_s`, with a hair's breadth for the decimals
/// of `EXTINF`, or more beside pictures: the sound of a segment may be longer than they are by one of
/// them and by one of its own frames.
fn limit_ticks(target_s: u32, beside_pictures: bool, timescale: Timescale) -> u64 {
    let breadth_us = if beside_pictures { 70_000 } else { 10 };
    let micros = i64::from(target_s) * 1_000_000 + 500_000 - breadth_us;
    scale(micros.unsigned_abs(), 1_000_000, timescale.get())
}

fn ticks(millis: u64, timescale: Timescale) -> u64 {
    scale(millis, 1_000, timescale.get())
}

fn millis(ticks: u64, timescale: Timescale) -> u64 {
    scale(ticks, timescale.get(), 1_000)
}

fn scale(value: u64, from: u32, to: u32) -> u64 {
    let scaled = u128::from(value) * u128::from(to) / u128::from(from.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds samples of `duration`, an IDR each `gop`; gives what ended, with the part's samples.
    fn cuts(fps: Option<f64>, duration: u32, gop: usize, count: usize) -> Vec<(Cut, usize)> {
        let pace = Pace { timescale: Timescale::VIDEO, is_video: true, fps };
        let mut segmenter = Segmenter::new(&Config::default(), None, pace);
        let (mut gops, mut cuts, mut samples) = (Gops::default(), Vec::new(), 0);
        let mut note = |cut, samples: &mut usize| {
            if cut != Cut::Nothing {
                cuts.push((cut, std::mem::take(samples)));
            }
        };
        for n in 0..count {
            let before = segmenter.before(duration);
            segmenter.done(before);
            note(before, &mut samples);
            segmenter.add(n % gop == 0, duration, &mut gops);
            samples += 1;
            let after = segmenter.after(duration, (n + 1) % gop == 0, &mut gops);
            segmenter.done(after);
            note(after, &mut samples);
            if before == Cut::Segment || after == Cut::Segment {
                segmenter.promise(promise(200_000, None));
            }
        }
        cuts
    }

    #[test]
    fn parts_of_common_picture_rates_are_all_alike() {
        for (fps, duration, samples) in [
            (25.0, 3_600, 5),
            (24.0, 3_750, 5),
            (29.97, 3_003, 6),
            (30.0, 3_000, 6),
            (50.0, 1_800, 10),
            (60.0, 1_500, 12),
        ] {
            let cuts = cuts(Some(fps), duration, 1_000, 60);
            assert_eq!(cuts[0], (Cut::Segment, samples));
            assert!(cuts[1..].iter().all(|&cut| cut == (Cut::Part, samples)), "{fps}: {cuts:?}");
        }
    }

    #[test]
    fn a_segment_ends_before_the_first_idr_past_the_target() {
        let ends = |gop| {
            let cuts = cuts(Some(30.0), 3_000, gop, 200);
            assert_eq!(cuts[0], (Cut::Segment, 6), "the first part is a segment of its own");
            let at = cuts.iter().skip(1).position(|(cut, _)| *cut == Cut::Segment);
            cuts[..=1 + at.unwrap()].iter().map(|(_, samples)| samples).sum::<usize>()
        };
        // After a GOP of 50 another one would pass the target duration.
        assert_eq!((ends(30), ends(60), ends(70), ends(50)), (60, 60, 70, 50));
    }

    #[test]
    fn the_part_target_leaves_full_parts_between_85_and_100_percent_of_it() {
        for longest_part_us in [200_200, 200_000, 208_334, 166_667, 142_858, 185_760, 333_334] {
            let target = promise(longest_part_us, None).part_target_ms;
            let share = longest_part_us as f64 / 1_000.0 / f64::from(target);
            assert!((0.85..=1.0).contains(&share), "{longest_part_us}: {target}");
        }
    }

    #[test]
    fn the_part_target_has_room_for_the_sound_beside_pictures() {
        let target_ms = f64::from(promise(200_000, None).part_target_ms);
        for (rate_hz, frames) in [(48_000.0, [9.0, 10.0]), (44_100.0, [8.0, 9.0])] {
            for frames in frames {
                let share = frames * 1_024_000.0 / rate_hz / target_ms;
                assert!((0.85..=1.0).contains(&share), "{frames} frames at {rate_hz}: {share}");
            }
        }
    }

    #[test]
    fn a_first_part_that_was_cut_short_teaches_nothing() {
        assert_eq!(promise(33_334, None), promise(200_000, None));
    }

    #[test]
    fn the_target_duration_is_the_gop_the_encoder_announces_within_bounds() {
        let target_s = |gop_ms| promise(200_000, gop_ms).target_duration_s;
        assert_eq!([None, Some(500), Some(2_002)].map(target_s), [2, 2, 2]);
        assert_eq!([Some(4_000), Some(8_333)].map(target_s), [4, 6]);
    }

    fn promise(longest_part_us: u64, gop_ms: Option<u64>) -> Promise {
        let first = FirstSegment { duration_us: longest_part_us, longest_part_us, gop_ms };
        Promise::after_first(&Config::default(), first)
    }

    #[test]
    fn no_segment_rounds_to_more_than_its_target_duration() {
        for timescale in [7_350, 44_100, 48_000, 90_000, u32::MAX] {
            let timescale = Timescale::new(timescale).unwrap();
            for target_s in [1, 2, 10] {
                let limit =
                    scale(limit_ticks(target_s, false, timescale), timescale.get(), 1_000_000);
                assert!(limit < u64::from(target_s) * 1_000_000 + 500_000);
            }
        }
    }
}
