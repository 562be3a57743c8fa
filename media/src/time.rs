//! Units of media time.

use std::num::NonZeroU32;

/// Ticks per second of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Timescale(NonZeroU32);

impl Timescale {
    /// One tick a millisecond: the unit of RTMP.
    pub const MILLIS: Self = Self::literal(1_000);
    /// The unit of MPEG-TS, and of our video tracks (ISO/IEC 13818-1 §2.4.2.2).
    pub const VIDEO: Self = Self::literal(90_000);

    const fn literal(ticks_per_second: u32) -> Self {
        Self(NonZeroU32::new(ticks_per_second).expect("a literal above zero"))
    }

    /// A timescale of `ticks_per_second`; `None` for zero.
    pub const fn new(ticks_per_second: u32) -> Option<Self> {
        match NonZeroU32::new(ticks_per_second) {
            Some(ticks) => Some(Self(ticks)),
            None => None,
        }
    }

    /// Ticks per second.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// Converts `ticks` of this timescale into ticks of `to`, rounding toward −∞.
    /// Saturates at the ends of `i64`.
    pub fn rescale(self, ticks: i64, to: Self) -> i64 {
        let scaled = (i128::from(ticks) * i128::from(to.get())).div_euclid(i128::from(self.get()));
        scaled.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
    }

    /// `ticks` of this timescale in seconds, for people and playlists.
    pub fn seconds(self, ticks: i64) -> f64 {
        ticks as f64 / f64::from(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rescaling_rounds_toward_minus_infinity() {
        assert_eq!(Timescale::VIDEO.rescale(-1, Timescale::MILLIS), -1);
        assert_eq!(Timescale::VIDEO.rescale(89, Timescale::MILLIS), 0);
        assert_eq!(Timescale::MILLIS.rescale(33, Timescale::VIDEO), 2970);
    }

    #[test]
    fn rescaling_saturates_instead_of_wrapping() {
        assert_eq!(Timescale::MILLIS.rescale(i64::MAX, Timescale::VIDEO), i64::MAX);
    }
}
