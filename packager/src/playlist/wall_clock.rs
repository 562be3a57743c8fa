//! Dates of `EXT-X-PROGRAM-DATE-TIME` (rfc8216bis §4.4.4.6; ISO 8601).

use std::fmt;

/// A moment in Unix milliseconds; shown in UTC, to the millisecond.
pub(crate) struct WallClock(pub i64);

const DAY_MS: i64 = 86_400_000;
/// The last millisecond of the year 9999: ISO 8601 has no more digits.
const LAST_MS: i64 = 253_402_300_799_999;

impl fmt::Display for WallClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at_ms = self.0.clamp(0, LAST_MS);
        let (days, in_day_ms) = (at_ms / DAY_MS, at_ms % DAY_MS);
        let (year, month, day) = civil(days);
        let (hours, minutes) = (in_day_ms / 3_600_000, in_day_ms / 60_000 % 60);
        let (seconds, millis) = (in_day_ms / 1_000 % 60, in_day_ms % 1_000);
        write!(f, "{year:04}-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{millis:03}Z")
    }
}

/// Year, month and day of a day since 1970. Years are counted from March, so that the day that
/// comes and goes is the last of its year.
fn civil(days: i64) -> (i64, i64, i64) {
    const ERA_DAYS: i64 = 146_097;
    const MARCH_0000: i64 = 719_468;
    let since = days + MARCH_0000;
    let (era, of_era) = (since / ERA_DAYS, since % ERA_DAYS);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_written_as_known() {
        for (at_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_798_761_599_999, "2026-12-31T23:59:59.999Z"),
            (i64::MAX, "9999-12-31T23:59:59.999Z"),
            (i64::MIN, "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(WallClock(at_ms).to_string(), text);
        }
    }
}
