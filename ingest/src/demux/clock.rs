//! RTMP time to media time.
//!
//! Here: the wrap at 2^32, jumps of an encoder's clock, and the counting of audio samples. Not here:
//! composition offsets, what is done with the times.

use media::{Kind, SoundNumber, Timescale};

/// A step back beyond this is a new clock, not jitter: jitter is a few frames.
const MAX_STEP_BACK_MS: i64 = 1_000;
/// A step forward beyond this is a new clock, not a pause: an encoder that pauses this long is about
/// to be given up (15 s of silence).
const MAX_STEP_FORWARD_MS: i64 = 10_000;
/// The step assumed across a jump when none was seen before, and the longest one believed: one frame
/// at 25 and at 10 frames per second.
const USUAL_STEP_MS: i64 = 40;
const MAX_USUAL_STEP_MS: i64 = 100;

/// One time line for all tracks, which share the encoder's clock.
#[derive(Default)]
pub(super) struct Clock {
    video: Option<Point>,
    sounds: [Option<Point>; SoundNumber::COUNT],
}

/// What a track's clock showed last.
#[derive(Clone, Copy)]
struct Point {
    raw_ms: u32,
    /// The same instant on the time line.
    at_ms: i64,
    /// The furthest the track came.
    latest_ms: i64,
    /// Its last step forward.
    step_ms: i64,
}

/// A time read from the clock.
pub(super) struct Reading {
    /// Milliseconds on a line that does not wrap. May step back by up to a second.
    pub at_ms: i64,
    /// Whether the encoder's clock jumped and the time line was bridged.
    pub jumped: bool,
}

impl Clock {
    /// Places the RTMP time of a tag on the time line.
    ///
    /// When the clock jumps, the track goes on where it was; the other track, when it jumps after it,
    /// goes by the same new clock, so that picture and sound stay together.
    pub fn read(&mut self, kind: Kind, raw_ms: u32) -> Reading {
        match kind {
            Kind::Video => {
                let [first, ..] = self.sounds;
                Self::place(&mut self.video, first, raw_ms)
            }
            Kind::Audio => self.read_sound(SoundNumber::FIRST, raw_ms),
        }
    }

    /// The same for any sound: those beside the first go by that one, or by the picture.
    pub fn read_sound(&mut self, number: SoundNumber, raw_ms: u32) -> Reading {
        let [first, others @ ..] = &mut self.sounds;
        match number.index().checked_sub(1).and_then(|at| others.get_mut(at)) {
            Some(own) => Self::place(own, first.or(self.video), raw_ms),
            None => Self::place(first, self.video, raw_ms),
        }
    }

    fn place(own: &mut Option<Point>, other: Option<Point>, raw_ms: u32) -> Reading {
        let (at_ms, jumped) = match (*own, other) {
            (Some(own), other) => own.follow(other, raw_ms),
            (None, Some(other)) => other.join(raw_ms),
            (None, None) => (i64::from(raw_ms), false),
        };
        let (latest_ms, step_ms) = match *own {
            Some(own) => own.advance(at_ms),
            None => (at_ms, USUAL_STEP_MS),
        };
        *own = Some(Point { raw_ms, at_ms, latest_ms, step_ms });
        Reading { at_ms, jumped }
    }
}

impl Point {
    /// Where `raw_ms` lies if the clock went on from here. The difference is taken in 32 bits: it
    /// survives the wrap.
    fn place(self, raw_ms: u32) -> i64 {
        self.at_ms + i64::from(raw_ms.wrapping_sub(self.raw_ms) as i32)
    }

    /// Whether the track may be at `at_ms` now: a small step from where it was or, after a pause of its
    /// own, near its companion.
    fn plausible(self, other: Option<Point>, at_ms: i64) -> bool {
        let step = at_ms - self.latest_ms;
        let beside = |other: Point| (at_ms - other.latest_ms).abs() <= MAX_STEP_FORWARD_MS;
        step >= -MAX_STEP_BACK_MS && (step <= MAX_STEP_FORWARD_MS || other.is_some_and(beside))
    }

    fn follow(self, other: Option<Point>, raw_ms: u32) -> (i64, bool) {
        let at_ms = self.place(raw_ms);
        if self.plausible(other, at_ms) {
            return (at_ms, false);
        }
        let by_other = other.map(|other| other.place(raw_ms));
        let by_other = by_other.filter(|at_ms| self.plausible(other, *at_ms));
        (by_other.unwrap_or(self.latest_ms + self.step_ms), true)
    }

    /// The first time of a track whose companion is here already.
    fn join(self, raw_ms: u32) -> (i64, bool) {
        let at_ms = self.place(raw_ms);
        let apart = (at_ms - self.at_ms).abs() > MAX_STEP_FORWARD_MS;
        if apart { (self.at_ms, true) } else { (at_ms.max(0), false) }
    }

    fn advance(self, at_ms: i64) -> (i64, i64) {
        let step_ms = at_ms - self.latest_ms;
        let usual = (1..=MAX_USUAL_STEP_MS).contains(&step_ms);
        (self.latest_ms.max(at_ms), if usual { step_ms } else { self.step_ms })
    }
}

/// How far counted samples and RTMP time may part before one gives in. RTMP rounds to milliseconds
/// and encoders stamp in bursts; beyond this, lips and voice begin to part too.
const MAX_DRIFT_MS: i64 = 100;
/// How long frames in a row must run ahead before the count is slowed: longer than any burst of frames
/// stamped alike.
const AHEAD_MS: i64 = 1_000;
/// Sound missing by this much is made up for although it is little: less than one lost frame (21 ms),
/// far more than the rounding of RTMP.
const LASTING_DRIFT_MS: i64 = 15;
/// Little enough to be left alone once frames are being stretched.
const MENDED_DRIFT_MS: i64 = 2;
/// How long frames must all be stamped after their count before they are stretched. Frames stamped in
/// bursts touch zero with one frame of each burst.
const LASTING_MS: i64 = 2_000;
/// By how much frames are stretched: a thousandth part, a millisecond a second; a tick for each frame
/// of AAC.
///
/// Never the other way: behind ingest an audio frame takes no less than its samples.
const STRETCH: i64 = 1_024;

/// Times audio by counting its samples, anchored to RTMP time.
pub(super) struct AudioCounter {
    timescale: Timescale,
    next_ticks: Option<i64>,
    /// For how long frames have run ahead.
    ahead_ticks: i64,
    /// Whether the count advances at half speed until RTMP time has caught up.
    slowed: bool,
    lasting: LastingDrift,
}

/// The drift that is left when jitter is not counted: the least of some seconds.
#[derive(Default)]
struct LastingDrift {
    /// Since when the least is looked for; 0 before the first frame.
    span_ticks: i64,
    least_ticks: i64,
    /// Whether frames are being stretched.
    stretches: bool,
    /// Ticks stretched over that do not make a tick of stretch yet.
    owed_ticks: i64,
}

/// The time of an audio frame.
pub(super) struct Stamp {
    /// In ticks of the track. Grows with every frame.
    pub dts_ticks: i64,
    /// Whether the count was moved to meet RTMP time.
    pub repaired: bool,
}

impl AudioCounter {
    pub fn new(timescale: Timescale) -> Self {
        Self {
            timescale,
            next_ticks: None,
            ahead_ticks: 0,
            slowed: false,
            lasting: LastingDrift::default(),
        }
    }

    /// The counter of the track's next configuration: time goes on.
    pub fn rescaled(&self, timescale: Timescale) -> Self {
        let mut counter = Self::new(timescale);
        counter.next_ticks = self.next_ticks.map(|t| self.timescale.rescale(t, counter.timescale));
        counter
    }

    /// Times a frame of `frame_ticks` that RTMP places at `at_ms`.
    ///
    /// Ahead of the count by more than [`MAX_DRIFT_MS`], sound is missing: the count jumps forward.
    /// Behind it for a second, the count runs at half speed until they meet: no frame is lost, and
    /// time never goes back. Ahead of it by less, but all the time, each frame is stretched a little
    /// until they agree; otherwise the count is exact.
    pub fn stamp(&mut self, at_ms: i64, frame_ticks: u32) -> Stamp {
        let frame_ticks = i64::from(frame_ticks);
        let rtmp_ticks = Timescale::MILLIS.rescale(at_ms.max(0), self.timescale);
        let max_drift = Timescale::MILLIS.rescale(MAX_DRIFT_MS, self.timescale);
        let counted = self.next_ticks.unwrap_or(rtmp_ticks);
        let drift = rtmp_ticks - counted;
        let mut repaired = false;
        let mut dts_ticks = counted;
        if drift > max_drift {
            dts_ticks = rtmp_ticks;
            repaired = true;
        }
        self.ahead_ticks =
            if drift < -max_drift { self.ahead_ticks.saturating_add(frame_ticks) } else { 0 };
        if self.ahead_ticks >= Timescale::MILLIS.rescale(AHEAD_MS, self.timescale) && !self.slowed {
            self.slowed = true;
            repaired = true;
        }
        self.slowed &= drift < 0;
        repaired |= self.lasting.note(rtmp_ticks - dts_ticks, frame_ticks, self.timescale);
        let stretch = self.lasting.stretch(frame_ticks);
        let step = if self.slowed { frame_ticks / 2 } else { frame_ticks + stretch };
        self.next_ticks = Some(dts_ticks + step);
        Stamp { dts_ticks, repaired }
    }
}

impl LastingDrift {
    /// What a frame is stretched by. Short frames take turns.
    fn stretch(&mut self, frame_ticks: i64) -> i64 {
        if !self.stretches {
            return 0;
        }
        self.owed_ticks += frame_ticks;
        let stretch = self.owed_ticks / STRETCH;
        self.owed_ticks %= STRETCH;
        stretch
    }

    /// Notes the drift of one frame; true when a stretch begins.
    fn note(&mut self, drift_ticks: i64, frame_ticks: i64, timescale: Timescale) -> bool {
        let least_ticks = if self.span_ticks == 0 { i64::MAX } else { self.least_ticks };
        self.least_ticks = least_ticks.min(drift_ticks);
        self.span_ticks += frame_ticks;
        if self.span_ticks < Timescale::MILLIS.rescale(LASTING_MS, timescale) {
            return false;
        }
        self.span_ticks = 0;
        let bearable_ms = if self.stretches { MENDED_DRIFT_MS } else { LASTING_DRIFT_MS };
        let stretched_before = self.stretches;
        self.stretches = self.least_ticks > Timescale::MILLIS.rescale(bearable_ms, timescale);
        self.stretches && !stretched_before
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(clock: &mut Clock, kind: Kind, times: &[u32]) -> Vec<i64> {
        times.iter().map(|raw| clock.read(kind, *raw).at_ms).collect()
    }

    #[test]
    fn time_goes_on_across_the_32_bit_wrap() {
        let times = read_all(&mut Clock::default(), Kind::Video, &[u32::MAX - 39, 0, 40]);
        let first = i64::from(u32::MAX - 39);
        assert_eq!(times, [first, first + 40, first + 80]);
    }

    #[test]
    fn a_jump_either_way_is_bridged_by_the_usual_step() {
        let mut clock = Clock::default();
        let times = read_all(&mut clock, Kind::Video, &[0, 33, 50_000_000, 50_000_033, 7, 40]);
        assert_eq!(times, [0, 33, 66, 99, 132, 165]);
    }

    #[test]
    fn the_other_track_follows_a_jump_by_the_same_clock() {
        let mut clock = Clock::default();
        read_all(&mut clock, Kind::Video, &[0, 40]);
        read_all(&mut clock, Kind::Audio, &[0, 23]);
        assert_eq!(clock.read(Kind::Video, 900_080).at_ms, 80);
        assert_eq!(clock.read(Kind::Audio, 900_046).at_ms, 46);
    }

    #[test]
    fn a_second_sound_follows_a_jump_of_the_first() {
        let mut clock = Clock::default();
        let second = SoundNumber::new(1).unwrap();
        read_all(&mut clock, Kind::Audio, &[0, 20]);
        assert_eq!([0, 20].map(|raw| clock.read_sound(second, raw).at_ms), [0, 20]);
        assert_eq!(clock.read(Kind::Audio, 900_040).at_ms, 40);
        assert_eq!(clock.read_sound(second, 900_040).at_ms, 40);
    }

    #[test]
    fn a_track_whose_clock_differs_from_the_start_begins_with_its_companion() {
        let mut clock = Clock::default();
        read_all(&mut clock, Kind::Video, &[0, 40]);
        assert_eq!(read_all(&mut clock, Kind::Audio, &[3_000_000_000, 3_000_000_023]), [40, 63]);
    }

    #[test]
    fn a_pause_shorter_than_ten_seconds_stays_a_pause() {
        assert_eq!(read_all(&mut Clock::default(), Kind::Video, &[0, 9_000]), [0, 9_000]);
    }

    #[test]
    fn a_picture_that_pauses_while_sound_goes_on_comes_back_beside_it() {
        let mut clock = Clock::default();
        read_all(&mut clock, Kind::Video, &[0, 40]);
        let sound: Vec<_> = (0..2_800).map(|frame| frame * 64 / 3).collect();
        read_all(&mut clock, Kind::Audio, &sound);
        let back = clock.read(Kind::Video, 59_720);
        assert_eq!((back.at_ms, back.jumped), (59_720, false));
    }

    #[test]
    fn one_wild_time_does_not_part_picture_and_sound() {
        let mut clock = Clock::default();
        read_all(&mut clock, Kind::Video, &[0, 40]);
        read_all(&mut clock, Kind::Audio, &[0, 21, 43]);
        assert_eq!(read_all(&mut clock, Kind::Video, &[3_000_000, 120]), [80, 120]);
    }

    /// Samples of an AAC frame.
    const AAC: u32 = 1_024;

    fn counter(sample_rate_hz: u32) -> AudioCounter {
        AudioCounter::new(Timescale::new(sample_rate_hz).unwrap())
    }

    #[test]
    fn aac_is_exact_although_rtmp_rounds_to_milliseconds() {
        let mut counter = counter(44_100);
        for frame in 0..10_000_i64 {
            let stamp = counter.stamp(frame * 1024 * 1000 / 44_100, AAC);
            assert_eq!((stamp.dts_ticks, stamp.repaired), (frame * 1024, false));
        }
    }

    #[test]
    fn he_aac_is_counted_at_its_core_rate() {
        let mut counter = counter(24_000);
        assert_eq!(counter.stamp(0, AAC).dts_ticks, 0);
        assert_eq!(counter.stamp(43, AAC).dts_ticks, 1024);
        assert_eq!(counter.timescale.get(), 24_000);
    }

    #[test]
    fn missing_sound_moves_the_count_forward() {
        let mut counter = counter(48_000);
        counter.stamp(0, AAC);
        let stamp = counter.stamp(500, AAC);
        assert_eq!((stamp.dts_ticks, stamp.repaired), (24_000, true));
    }

    #[test]
    fn frames_stamped_in_bursts_are_spread_out() {
        let mut counter = counter(48_000);
        for frame in 0..1_000_i64 {
            // Eight frames of 21.3 ms each carry the time of the first.
            let stamp = counter.stamp(frame / 8 * 8 * 64 / 3, AAC);
            assert_eq!((stamp.dts_ticks, stamp.repaired), (frame * 1024, false));
        }
    }

    /// The count after `frames` frames stamped by `at_ms`, and how often it was repaired.
    fn count(counter: &mut AudioCounter, frames: i64, at_ms: impl Fn(i64) -> i64) -> (i64, u32) {
        let (mut last, mut repairs) = (-1, 0);
        for frame in 0..frames {
            let stamp = counter.stamp(at_ms(frame), AAC);
            let step = stamp.dts_ticks - last;
            assert!(frame == 0 || (1_024..=1_025).contains(&step), "frame {frame}: {step} ticks");
            last = stamp.dts_ticks;
            repairs += u32::from(stamp.repaired);
        }
        (last, repairs)
    }

    #[test]
    fn sound_late_by_a_frame_from_the_start_is_still_counted_exactly() {
        // flvmux: the first two frames are stamped zero, because the first lies before it.
        let at_ms = |frame: i64| ((frame - 1) * 64 / 3).max(0);
        assert_eq!(count(&mut counter(48_000), 3_000, at_ms), (2_999 * 1024, 0));
    }

    #[test]
    fn a_lost_frame_is_made_up_for_within_half_a_minute() {
        let at_ms = |frame: i64| (frame + i64::from(frame > 10)) * 64 / 3;
        let (last, repairs) = count(&mut counter(48_000), 1_500, at_ms);
        let early_ticks = 1_500 * 1024 - last;
        assert!((0..=3 * 48).contains(&early_ticks), "{early_ticks} ticks early");
        assert_eq!(repairs, 1);
    }

    #[test]
    fn a_sound_card_that_is_a_ten_thousandth_slow_stays_with_the_clock() {
        let at_ms = |frame: i64| frame * 64 * 1_000_100 / 3_000_000;
        let (last, _) = count(&mut counter(48_000), 100_000, at_ms);
        let drift_ms = at_ms(99_999) - last / 48;
        assert!((-1..=LASTING_DRIFT_MS + 1).contains(&drift_ms), "{drift_ms} ms");
    }

    #[test]
    fn jitter_around_the_truth_never_moves_the_count() {
        for jitter_ms in [1, 20, 60] {
            // A fixed disorder: multiples of a prime.
            let at_ms =
                |frame: i64| frame * 64 / 3 + frame * 7_919 % (2 * jitter_ms + 1) - jitter_ms;
            let (last, repairs) = count(&mut counter(48_000), 5_000, |f| at_ms(f + 200));
            assert_eq!((last - at_ms(200) * 48, repairs), (4_999 * 1024, 0), "{jitter_ms} ms");
        }
    }

    #[test]
    fn sound_that_runs_ahead_is_slowed_until_time_catches_up_and_never_goes_back() {
        let mut counter = counter(48_000);
        let mut last = -1;
        let mut drift_ms = 0;
        for frame in 0..3_000_i64 {
            // The encoder sends 2 % more samples than its clock says.
            let at_ms = frame * 21_333 / 1_000 * 98 / 100;
            let stamp = counter.stamp(at_ms, AAC);
            assert!(stamp.dts_ticks > last);
            last = stamp.dts_ticks;
            drift_ms = Timescale::new(48_000).unwrap().rescale(last, Timescale::MILLIS) - at_ms;
            assert!(drift_ms < 150, "frame {frame}: {drift_ms} ms");
        }
        assert!(drift_ms > -50);
    }

    #[test]
    fn frames_of_any_length_are_counted_and_mended_in_the_same_time() {
        // Opus at 2.5 and 60 ms, FLAC at 96 ms; from the tenth second on, 20 ms more.
        for frame_ticks in [120, 2_880, 4_608] {
            let mut counter = counter(48_000);
            let mut last = 0;
            for frame in 0..60 * 48_000 / i64::from(frame_ticks) {
                let true_ms = frame * i64::from(frame_ticks) / 48;
                let late_ms = if true_ms > 10_000 { 20 } else { 0 };
                last = counter.stamp(true_ms + late_ms, frame_ticks).dts_ticks - true_ms * 48;
                assert!(true_ms > 10_000 || (0..48).contains(&last), "{frame_ticks}: {last} ticks");
            }
            let behind_ms = 20 - last / 48;
            assert!((-1..=3).contains(&behind_ms), "{frame_ticks}: {behind_ms} ms behind");
        }
    }
}
