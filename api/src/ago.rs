//! How long ago something was, in French.
//!
//! Here: the two ways the clients show it. Not here: moments (`json`).

/// For shares: `À l'instant`, `Il y a 5min`, `Il y a 3h`, `Il y a 2j`.
pub fn briefly(at_ms: i64, now_ms: i64) -> String {
    match Age::of(at_ms, now_ms) {
        Age::Now => "À l'instant".to_owned(),
        Age::Minutes(n) => format!("Il y a {n}min"),
        Age::Hours(n) => format!("Il y a {n}h"),
        Age::Days(n) => format!("Il y a {n}j"),
    }
}

/// For notifications: `à l'instant`, `il y a 5 minutes`, `il y a 1 jour`.
pub fn in_words(at_ms: i64, now_ms: i64) -> String {
    let (n, unit) = match Age::of(at_ms, now_ms) {
        Age::Now => return "à l'instant".to_owned(),
        Age::Minutes(n) => (n, "minute"),
        Age::Hours(n) => (n, "heure"),
        Age::Days(n) => (n, "jour"),
    };
    let plural = if n > 1 { "s" } else { "" };
    format!("il y a {n} {unit}{plural}")
}

/// An age in the largest unit that it fills.
enum Age {
    Now,
    Minutes(i64),
    Hours(i64),
    Days(i64),
}

impl Age {
    /// A clock that went back makes nothing younger than now.
    fn of(at_ms: i64, now_ms: i64) -> Self {
        match now_ms.saturating_sub(at_ms) / 60_000 {
            ..=0 => Self::Now,
            minutes @ 1..60 => Self::Minutes(minutes),
            minutes @ 60..1440 => Self::Hours(minutes / 60),
            minutes => Self::Days(minutes / 1440),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: i64 = 60_000;

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_it_fills() {
        for (age_ms, brief, words) in [
            (MINUTE - 1, "À l'instant", "à l'instant"),
            (MINUTE, "Il y a 1min", "il y a 1 minute"),
            (59 * MINUTE, "Il y a 59min", "il y a 59 minutes"),
            (60 * MINUTE, "Il y a 1h", "il y a 1 heure"),
            (24 * 60 * MINUTE - 1, "Il y a 23h", "il y a 23 heures"),
            (24 * 60 * MINUTE, "Il y a 1j", "il y a 1 jour"),
            (100 * 24 * 60 * MINUTE, "Il y a 100j", "il y a 100 jours"),
        ] {
            assert_eq!((&*briefly(7, 7 + age_ms), &*in_words(7, 7 + age_ms)), (brief, words));
        }
    }

    #[test]
    fn what_is_yet_to_come_is_now() {
        assert_eq!(briefly(i64::MAX, 0), "À l'instant");
        assert_eq!(in_words(i64::MAX, i64::MIN), "à l'instant");
    }
}
