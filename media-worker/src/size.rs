//! How large what is written may be.

/// A box for pictures of either orientation: one side may be `long`, the other `short`.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub long: u32,
    pub short: u32,
}

impl Bounds {
    /// The largest size of the same shape within these bounds; never larger than it was, never nothing.
    pub fn fit(self, width: u32, height: u32) -> (u32, u32) {
        let (longer, shorter) = (width.max(height).max(1), width.min(height).max(1));
        let by_long = (self.long.min(longer), longer);
        let by_short = (self.short.min(shorter), shorter);
        // The smaller of the two ratios, compared without dividing.
        let product = |(a, _): (u32, u32), (_, d): (u32, u32)| u64::from(a) * u64::from(d);
        let ratio = if product(by_long, by_short) <= product(by_short, by_long) {
            by_long
        } else {
            by_short
        };
        (scaled(width, ratio), scaled(height, ratio))
    }
}

/// The size that is at most `most` wide.
pub fn at_most_wide(most: u32, width: u32, height: u32) -> (u32, u32) {
    let ratio = (most.min(width), width.max(1));
    (scaled(width, ratio), scaled(height, ratio))
}

/// Even, as 4:2:0 wants it.
pub fn even((width, height): (u32, u32)) -> (u32, u32) {
    ((width & !1).max(2), (height & !1).max(2))
}

fn scaled(side: u32, (numerator, denominator): (u32, u32)) -> u32 {
    let (side, half) = (u64::from(side), u64::from(denominator) / 2);
    let scaled = (side * u64::from(numerator) + half) / u64::from(denominator);
    u32::try_from(scaled).unwrap_or(u32::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL_HD: Bounds = Bounds { long: 1920, short: 1080 };

    #[test]
    fn a_picture_keeps_its_shape_whichever_way_it_stands() {
        assert_eq!(FULL_HD.fit(4000, 3000), (1440, 1080));
        assert_eq!(FULL_HD.fit(3000, 4000), (1080, 1440));
        assert_eq!(FULL_HD.fit(3840, 2160), (1920, 1080));
        assert_eq!(FULL_HD.fit(6000, 1000), (1920, 320));
    }

    #[test]
    fn a_small_picture_is_left_alone() {
        assert_eq!(FULL_HD.fit(640, 480), (640, 480));
        assert_eq!(at_most_wide(480, 200, 900), (200, 900));
    }

    #[test]
    fn no_side_becomes_nothing() {
        assert_eq!(FULL_HD.fit(60_000, 1), (1920, 1));
        assert_eq!(FULL_HD.fit(0, 0), (1, 1));
        assert_eq!(FULL_HD.fit(u32::MAX, u32::MAX), (1080, 1080));
        assert_eq!(even((1, 7)), (2, 6));
    }
}
