//! From the publisher's timestamps to the timeline of the live.
//!
//! The timeline is one 64-bit clock for the whole epoch: it starts at [`START_S`], never goes back
//! and never collides, whatever the publishers' clocks do. A new run of timestamps (a new
//! publisher, a jump) continues on the next whole second after all that was packaged. Whole
//! seconds, because these are exact in every timescale: sound and picture stay as they were.
//!
//! Not here: what a break means for segments (`running`), the 33-bit clock of MPEG-TS (`ts`).

use media::Timescale;

use crate::Config;

/// Where the timeline starts, in seconds: room for composition offsets below zero and for the PCR,
/// which runs before the first picture.
pub(crate) const START_S: i64 = 10;

/// Decode times beyond this, in ticks, are not believed: a thousand years at 90 kHz, and no sum of
/// a few of them overflows.
const MAX_TICKS: i64 = 1 << 51;

/// Whether a decode time can be true.
pub(crate) fn is_believable(dts_ticks: i64) -> bool {
    (-MAX_TICKS..=MAX_TICKS).contains(&dts_ticks)
}

/// The end of a track in ticks of another timescale. Upward, so that nothing starts before it.
pub(crate) fn end_in((ticks, from): (i64, Timescale), timescale: Timescale) -> i64 {
    if from == timescale { ticks } else { from.rescale(ticks, timescale).saturating_add(1) }
}

/// The first whole second at or after the end of a track.
pub(crate) fn whole_second_after((ticks, timescale): (i64, Timescale)) -> i64 {
    -(-ticks).div_euclid(i64::from(timescale.get()))
}

/// One track's way onto the timeline.
#[derive(Debug, Clone)]
pub(crate) struct Lane {
    timescale: Timescale,
    /// Added to the publisher's ticks.
    offset_ticks: i64,
    /// Longest step that is not a break.
    max_gap_ticks: i64,
    /// The earliest place of the next sample.
    floor_ticks: i64,
}

/// Where a sample goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// At this time.
    At(i64),
    /// Its time continues nothing: the publisher's clock jumped.
    Break,
}

impl Lane {
    /// A lane whose sample at `from_ticks` (publisher) lands on `to_ticks` (timeline).
    pub fn new(timescale: Timescale, from_ticks: i64, to_ticks: i64, max_gap_ms: u32) -> Self {
        Self {
            timescale,
            offset_ticks: to_ticks.saturating_sub(from_ticks),
            max_gap_ticks: Timescale::MILLIS.rescale(max_gap_ms.into(), timescale),
            floor_ticks: to_ticks,
        }
    }

    /// The same lane, whose next sample is at `dts_ticks`.
    pub fn starting_at(mut self, dts_ticks: i64) -> Self {
        self.floor_ticks = self.map(dts_ticks);
        self
    }

    /// The same lane, but with nothing before `floor_ticks`.
    pub fn not_before(mut self, floor_ticks: i64) -> Self {
        self.wait_until(floor_ticks);
        self
    }

    /// From now on there is nothing before `floor_ticks`.
    pub fn wait_until(&mut self, floor_ticks: i64) {
        self.floor_ticks = self.floor_ticks.max(floor_ticks);
    }

    /// The lane of another track of the same publisher, whose next sample is at `dts_ticks`: this
    /// one's, unless their clocks have nothing to do with each other; then that sample is taken to
    /// belong to `newest`, where this one's track is.
    pub fn beside(
        &self,
        timescale: Timescale,
        dts_ticks: i64,
        newest: i64,
        config: &Config,
    ) -> Self {
        let per_second = i64::from(self.timescale.get());
        let offset = self.offset_ticks;
        let whole_s = offset.div_euclid(per_second);
        let rest = self.timescale.rescale(offset.rem_euclid(per_second), timescale);
        let offset = whole_s.saturating_mul(timescale.get().into()).saturating_add(rest);
        let lane = |to| Self::new(timescale, dts_ticks, to, config.max_gap_ms);
        let common = dts_ticks.saturating_add(offset);
        let apart_ms = lane(common).ahead_ms(common, newest, self.timescale);
        if apart_ms.saturating_abs() <= config.track_absent_ms.into() {
            return lane(common);
        }
        lane(self.timescale.rescale(newest, timescale))
    }

    /// Where a publisher's time lies on the timeline, unrepaired.
    pub fn map(&self, dts_ticks: i64) -> i64 {
        dts_ticks.saturating_add(self.offset_ticks)
    }

    /// The publisher's time of a place: the inverse of [`Lane::map`].
    pub fn unmap(&self, ticks: i64) -> i64 {
        ticks.saturating_sub(self.offset_ticks)
    }

    /// Takes the next place: at its own time, or as soon after the one before as may be. The sample
    /// after it comes `step_ticks` later at least: a tick after a picture, its length after a sound.
    pub fn place(&mut self, dts_ticks: i64, step_ticks: u32) -> Place {
        let mapped = self.map(dts_ticks);
        let ahead = mapped.saturating_sub(self.floor_ticks);
        if ahead > self.max_gap_ticks || ahead < -self.max_gap_ticks {
            return Place::Break;
        }
        self.take(mapped, step_ticks)
    }

    /// As [`Lane::place`], but silence of any length is no break: for sound beside a picture,
    /// which is judged by the picture's clock.
    pub fn place_after_silence(&mut self, dts_ticks: i64, step_ticks: u32) -> Place {
        let mapped = self.map(dts_ticks);
        if mapped.saturating_sub(self.floor_ticks) < -self.max_gap_ticks {
            return Place::Break;
        }
        self.take(mapped, step_ticks)
    }

    fn take(&mut self, mapped: i64, step_ticks: u32) -> Place {
        let at = mapped.max(self.floor_ticks);
        self.floor_ticks = at.saturating_add(step_ticks.into());
        Place::At(at)
    }

    /// How far a place on this lane lies after a time, in milliseconds.
    pub fn ahead_ms(&self, ticks: i64, of: i64, of_timescale: Timescale) -> i64 {
        let here = self.timescale.rescale(ticks, Timescale::MILLIS);
        here.saturating_sub(of_timescale.rescale(of, Timescale::MILLIS))
    }
}

/// Where a new run goes: a whole number of seconds added to the publisher's time, so that its
/// first sample lands on or after `end_s`.
pub(crate) fn landing(first_dts_ticks: i64, timescale: Timescale, end_s: i64) -> i64 {
    let per_second = i64::from(timescale.get());
    let seconds = end_s.saturating_sub(first_dts_ticks.div_euclid(per_second));
    first_dts_ticks.saturating_add(seconds.saturating_mul(per_second))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane() -> Lane {
        Lane::new(Timescale::VIDEO, 0, 900_000, 2_000)
    }

    #[test]
    fn a_run_lands_on_a_whole_second_and_keeps_its_fraction() {
        assert_eq!(landing(45_000, Timescale::VIDEO, 10), 945_000);
        assert_eq!(landing(-45_000, Timescale::VIDEO, 10), 945_000);
    }

    #[test]
    fn equal_times_are_set_one_tick_apart_until_the_clock_catches_up() {
        let mut lane = lane();
        let places: Vec<_> = [0, 0, 0, 3_000].map(|dts| lane.place(dts, 1)).into();
        assert_eq!(places, [900_000, 900_001, 900_002, 903_000].map(Place::At));
    }

    #[test]
    fn a_jump_either_way_is_a_break() {
        let mut lane = lane();
        assert_eq!(lane.place(0, 1), Place::At(900_000));
        assert_eq!(lane.place(90_000 * 47_727, 1), Place::Break);
        assert_eq!(lane.place(-90_000 * 3, 1), Place::Break);
        assert_eq!(lane.place(90_000, 1), Place::At(990_000));
    }
}
