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

    /// How far media came; 0 before any.
    pub fn now_ms(&self) -> i64 {
        self.points().map(|point| point.latest_ms).fold(0, i64::max)
    }

    /// Where the RTMP time of what is neither picture nor sound lies on the line, which it never
    /// moves. A time far from those of media, as of a sender that stamps everything zero, is of no
    /// known clock: it is said now.
    pub fn beside(&self, raw_ms: u32) -> i64 {
        let places = self.points().map(|point| (point.place(raw_ms), point.at_ms));
        let nearest = places.min_by_key(|(at_ms, media_ms)| at_ms.abs_diff(*media_ms));
        match nearest {
            Some((at_ms, media_ms)) if (at_ms - media_ms).abs() <= MAX_STEP_FORWARD_MS => {
                at_ms.max(0)
            }
            _ => self.now_ms(),
        }
    }

    fn points(&self) -> impl Iterator<Item = Point> {
        self.video.into_iter().chain(self.sounds.into_iter().flatten())
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

/// How far counted samples may stay behind RTMP time before the count jumps: beyond this, sound is
/// missing. RTMP rounds to milliseconds and encoders stamp in bursts.
const MAX_DRIFT_MS: i64 = 100;
/// Sound missing by this much is made up for although it is little: less than one lost frame (21 ms),
/// far more than the rounding of RTMP.
const LASTING_DRIFT_MS: i64 = 15;
/// Too much sound by this much, or by half a frame where that is more, is left out: less than anybody
/// notices (45 ms, ITU-R BT.1359), more than a file's last frame reaches into its next round.
const SURPLUS_MS: i64 = 35;
/// Little enough to be left alone once frames are being stretched.
const MENDED_DRIFT_MS: i64 = 2;
/// How long frames must all be stamped after their count, or all before it, until something is done.
/// Frames stamped in bursts touch zero with one frame of each burst.
const LASTING_MS: i64 = 2_000;
/// By how much frames are stretched: a thousandth part, a millisecond a second; a tick for each frame
/// of AAC.
///
/// Never the other way: behind ingest an audio frame takes no less than its samples, for players play
/// them all.
const STRETCH: i64 = 1_024;

/// Times audio by counting its samples, anchored to RTMP time.
pub(super) struct AudioCounter {
    timescale: Timescale,
    next_ticks: Option<i64>,
    /// Frames to leave out: there is too much sound.
    surplus: i64,
    lasting: LastingDrift,
}

/// The drift that is left when jitter is not counted: the least and the most of some seconds.
#[derive(Default)]
struct LastingDrift {
    /// Since when they are looked for; 0 before the first frame.
    span_ticks: i64,
    /// RTMP time of the first frame.
    since_ticks: i64,
    least_ticks: i64,
    most_ticks: i64,
    /// Whether frames are being stretched.
    stretches: bool,
    /// Ticks stretched over that do not make a tick of stretch yet.
    owed_ticks: i64,
}

/// What lasted.
enum Lasting {
    /// Nothing, or what is being mended.
    Nothing,
    /// Sound is missing: a stretch begins.
    Missing,
    /// There are so many frames too many.
    Surplus(i64),
}

/// The time of an audio frame.
pub(super) struct Stamp {
    /// In ticks of the track. Grows with every frame. `None` if the frame is to be left out.
    pub dts_ticks: Option<i64>,
    /// Whether the count was moved to meet RTMP time.
    pub repaired: bool,
}

impl AudioCounter {
    pub fn new(timescale: Timescale) -> Self {
        Self { timescale, next_ticks: None, surplus: 0, lasting: LastingDrift::default() }
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
    /// Ahead of it by less, but all the time, each frame is stretched a little until they agree.
    /// Behind it by [`SURPLUS_MS`] all the time, there is more sound than time, as of a card whose clock
    /// is fast: frames are left out. Otherwise the count is exact.
    pub fn stamp(&mut self, at_ms: i64, frame_ticks: u32) -> Stamp {
        let frame_ticks = i64::from(frame_ticks);
        if self.surplus > 0 {
            self.surplus -= 1;
            return Stamp { dts_ticks: None, repaired: true };
        }
        let rtmp_ticks = Timescale::MILLIS.rescale(at_ms.max(0), self.timescale);
        let counted = self.next_ticks.unwrap_or(rtmp_ticks);
        let is_missing =
            rtmp_ticks - counted > Timescale::MILLIS.rescale(MAX_DRIFT_MS, self.timescale);
        let dts_ticks = if is_missing { rtmp_ticks } else { counted };
        let lasting = self.lasting.note(rtmp_ticks, dts_ticks, frame_ticks, self.timescale);
        if let Lasting::Surplus(frames) = lasting {
            self.surplus = frames;
        }
        self.next_ticks = Some(dts_ticks + frame_ticks + self.lasting.stretch(frame_ticks));
        let repaired = is_missing || matches!(lasting, Lasting::Missing);
        Stamp { dts_ticks: Some(dts_ticks), repaired }
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

    /// Notes the times of one frame; tells what lasted.
    fn note(
        &mut self,
        rtmp_ticks: i64,
        dts_ticks: i64,
        frame_ticks: i64,
        timescale: Timescale,
    ) -> Lasting {
        let drift_ticks = rtmp_ticks - dts_ticks;
        if self.span_ticks == 0 {
            (self.since_ticks, self.least_ticks, self.most_ticks) =
                (rtmp_ticks, drift_ticks, drift_ticks);
        }
        self.least_ticks = self.least_ticks.min(drift_ticks);
        self.most_ticks = self.most_ticks.max(drift_ticks);
        self.span_ticks += frame_ticks;
        if self.span_ticks < Timescale::MILLIS.rescale(LASTING_MS, timescale) {
            return Lasting::Nothing;
        }
        let span_ticks = std::mem::take(&mut self.span_ticks);
        let ticks = |ms| Timescale::MILLIS.rescale(ms, timescale);
        let bearable_ms = if self.stretches { MENDED_DRIFT_MS } else { LASTING_DRIFT_MS };
        let stretched_before = self.stretches;
        self.stretches = self.least_ticks > ticks(bearable_ms);
        // A clock that stands still tells nothing.
        let goes_on = rtmp_ticks - self.since_ticks >= span_ticks / 2;
        let surplus_ticks = -self.most_ticks;
        if goes_on && surplus_ticks > ticks(SURPLUS_MS).max(frame_ticks / 2) {
            Lasting::Surplus((surplus_ticks / frame_ticks.max(1)).max(1))
        } else if self.stretches && !stretched_before {
            Lasting::Missing
        } else {
            Lasting::Nothing
        }
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

    #[test]
    fn what_is_said_beside_media_is_placed_on_its_line_and_never_moves_it() {
        let mut clock = Clock::default();
        assert_eq!(clock.beside(5_000), 0, "before media there is no time but its beginning");
        read_all(&mut clock, Kind::Video, &[u32::MAX - 39, 0]);
        let first = i64::from(u32::MAX - 39);
        // Across the wrap, and a little ahead.
        assert_eq!([clock.beside(u32::MAX), clock.beside(30)], [first + 39, first + 70]);
        // Of another clock.
        assert_eq!([clock.beside(900_000), clock.beside(2_000_000_000)], [first + 40; 2]);
        assert_eq!(clock.read(Kind::Video, 40).at_ms, first + 80);
    }

    #[test]
    fn what_is_said_after_a_jump_goes_by_the_track_that_jumped() {
        let mut clock = Clock::default();
        read_all(&mut clock, Kind::Audio, &[0, 23]);
        read_all(&mut clock, Kind::Video, &[0, 40, 900_080]);
        assert_eq!([clock.beside(900_090), clock.beside(46)], [90, 46]);
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
            assert_eq!((stamp.dts_ticks.unwrap(), stamp.repaired), (frame * 1024, false));
        }
    }

    #[test]
    fn he_aac_is_counted_at_its_core_rate() {
        let mut counter = counter(24_000);
        assert_eq!(counter.stamp(0, AAC).dts_ticks, Some(0));
        assert_eq!(counter.stamp(43, AAC).dts_ticks, Some(1024));
        assert_eq!(counter.timescale.get(), 24_000);
    }

    #[test]
    fn missing_sound_moves_the_count_forward() {
        let mut counter = counter(48_000);
        counter.stamp(0, AAC);
        let stamp = counter.stamp(500, AAC);
        assert_eq!((stamp.dts_ticks.unwrap(), stamp.repaired), (24_000, true));
    }

    #[test]
    fn frames_stamped_in_bursts_are_spread_out() {
        let mut counter = counter(48_000);
        for frame in 0..1_000_i64 {
            // Eight frames of 21.3 ms each carry the time of the first.
            let stamp = counter.stamp(frame / 8 * 8 * 64 / 3, AAC);
            assert_eq!((stamp.dts_ticks.unwrap(), stamp.repaired), (frame * 1024, false));
        }
    }

    /// The count after `frames` frames stamped by `at_ms`, and how often it was repaired.
    fn count(counter: &mut AudioCounter, frames: i64, at_ms: impl Fn(i64) -> i64) -> (i64, u32) {
        let (mut last, mut repairs) = (-1, 0);
        for frame in 0..frames {
            let stamp = counter.stamp(at_ms(frame), AAC);
            let dts_ticks = stamp.dts_ticks.expect("no frame is left out");
            let step = dts_ticks - last;
            assert!(frame == 0 || (1_024..=1_025).contains(&step), "frame {frame}: {step} ticks");
            last = dts_ticks;
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

    /// The furthest that sound is from RTMP time after the start, in milliseconds, and how many frames
    /// were left out, in ten minutes of frames of so many ticks from a card that is `ppm` fast.
    fn of_a_fast_card(ppm: i64, frame_ticks: u32) -> (i64, i64) {
        let mut counter = counter(48_000);
        let (mut worst_ms, mut left_out, mut last) = (0, 0, -1);
        for frame in 0..600 * 48_000 / i64::from(frame_ticks) {
            let at_ms = frame * i64::from(frame_ticks) * 1_000_000 / 48 / (1_000_000 + ppm);
            match counter.stamp(at_ms, frame_ticks).dts_ticks {
                Some(dts_ticks) => {
                    assert!(last == -1 || dts_ticks >= last + i64::from(frame_ticks));
                    last = dts_ticks;
                    worst_ms = worst_ms.max((dts_ticks / 48 - at_ms).abs());
                }
                None => left_out += 1,
            }
        }
        (worst_ms, left_out)
    }

    #[test]
    fn of_too_much_sound_frames_are_left_out_and_what_stays_never_overlaps() {
        // 120 ms too much in ten minutes: five frames and a half, less what is bearable.
        assert_eq!(of_a_fast_card(200, AAC), (36, 4));
        // Two percent: a card that is broken.
        let (worst_ms, left_out) = of_a_fast_card(20_000, AAC);
        assert!((540..=560).contains(&left_out) && worst_ms < 110, "{worst_ms} ms, {left_out}");
        // Opus at 20 ms, HE-AAC, AC-3; and FLAC at 96 ms.
        for (frame_ticks, most_ms) in [(960, 36), (2_048, 36), (1_536, 36), (4_608, 50)] {
            let (worst_ms, _) = of_a_fast_card(200, frame_ticks);
            assert!(worst_ms <= most_ms, "{frame_ticks}: {worst_ms} ms");
        }
    }

    #[test]
    fn of_a_clock_that_stands_still_nothing_is_left_out() {
        let mut counter = counter(48_000);
        for frame in 0..1_000 {
            assert_eq!(counter.stamp(0, AAC).dts_ticks, Some(frame * 1_024));
        }
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
                let stamp = counter.stamp(true_ms + late_ms, frame_ticks);
                last = stamp.dts_ticks.unwrap() - true_ms * 48;
                assert!(true_ms > 10_000 || (0..48).contains(&last), "{frame_ticks}: {last} ticks");
            }
            let behind_ms = 20 - last / 48;
            assert!((-1..=3).contains(&behind_ms), "{frame_ticks}: {behind_ms} ms behind");
        }
    }
}
