//! When the next picture is due.
//!
//! Encoders send pictures at a steady pace, so that the end of a part is known with its last picture
//! and need not wait for the one after it (ADR 27). Not here: what ends (`segmenter`).

use media::Timescale;

/// Steps between two pictures that make a pace.
const ENOUGH: usize = 4;
/// Steps remembered: in so many, milliseconds show the shortest that a common rate has of them.
const REMEMBERED: usize = 8;
/// Timestamps in milliseconds make 33 and 34 of a thirtieth of a second; an encoder whose steps differ
/// more than that keeps no pace.
const BLUR_MS: i64 = 2;

/// The latest steps between the pictures of one run.
#[derive(Debug)]
pub(crate) struct Cadence {
    recent: [u32; REMEMBERED],
    noted: usize,
    /// When the newest picture came, as its timestamp said.
    newest: Option<i64>,
    blur_ticks: u32,
}

impl Cadence {
    pub fn new(timescale: Timescale) -> Self {
        let blur_ticks = u32::try_from(Timescale::MILLIS.rescale(BLUR_MS, timescale)).unwrap_or(0);
        Self { recent: [0; REMEMBERED], noted: 0, newest: None, blur_ticks }
    }

    /// How much rounding may move a picture.
    pub fn blur_ticks(&self) -> u32 {
        self.blur_ticks
    }

    /// The next picture came, with this timestamp.
    pub fn came(&mut self, dts_ticks: i64) {
        let step = self.newest.replace(dts_ticks).map(|newest| dts_ticks.saturating_sub(newest));
        let Some(step_ticks) = step else { return };
        // What is longer than can be said is no pace.
        let step_ticks = u32::try_from(step_ticks).unwrap_or(u32::MAX);
        if let Some(slot) = self.recent.get_mut(self.noted % REMEMBERED) {
            *slot = step_ticks;
        }
        self.noted = self.noted.wrapping_add(1);
    }

    /// How soon the next one may come, in ticks: the shortest of late, where all were about alike.
    pub fn next_step(&self) -> Option<u32> {
        let recent = self.recent.get(..self.noted.min(REMEMBERED))?;
        let (shortest, longest) = (*recent.iter().min()?, *recent.iter().max()?);
        let is_steady = recent.len() >= ENOUGH && longest - shortest <= self.blur_ticks;
        (is_steady && shortest > 0).then_some(shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next_ms(steps_ms: &[u32]) -> Option<u32> {
        let mut cadence = Cadence::new(Timescale::VIDEO);
        cadence.came(0);
        let mut at = 0;
        for ms in steps_ms {
            at += i64::from(ms * 90);
            cadence.came(at);
        }
        cadence.next_step().map(|ticks| ticks / 90)
    }

    #[test]
    fn a_steady_pace_tells_the_earliest_time_of_the_next_picture() {
        assert_eq!(next_ms(&[33, 34, 33, 33]), Some(33));
        assert_eq!(next_ms(&[42, 42, 41, 42, 42, 42, 42]), Some(41));
        assert_eq!(next_ms(&[20; 30]), Some(20));
    }

    #[test]
    fn there_is_no_pace_in_too_few_or_unlike_steps() {
        assert_eq!(next_ms(&[33, 34, 33]), None);
        assert_eq!(next_ms(&[33, 34, 33, 67]), None);
        assert_eq!(next_ms(&[0, 0, 0, 0]), None);
    }

    #[test]
    fn a_lost_picture_is_forgotten_after_eight() {
        let mut steps = vec![67];
        steps.extend([33; 7]);
        assert_eq!(next_ms(&steps), None);
        steps.push(33);
        assert_eq!(next_ms(&steps), Some(33));
    }
}
