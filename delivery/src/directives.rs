//! Delivery Directives: what a low-latency player asks of a media playlist (rfc8216bis §6.2.5).
//!
//! Here: reading the query string, and whether a position is reached or out of reach. Not here:
//! waiting (`waiting`), what is answered (`router`). Parameters that are none of ours are nobody's
//! business: tokens, trackers, cache busters.

use std::time::Duration;

use hub::State;
use packager::Edge;

/// What is asked of a media playlist beside itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Directives {
    /// What it must list (`_HLS_msn`, `_HLS_part`).
    pub position: Option<Position>,
    /// A delta update will do (`_HLS_skip`). We list no date range, so that `YES` and `v2` ask for
    /// the same.
    pub skip: bool,
}

/// Where a playlist must have come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// This segment is complete.
    Segment(u64),
    /// This part is complete. One past the last part of its segment means the first of the next one,
    /// which is what comparing positions makes of it.
    Part(Edge),
}

/// Directives that mean nothing: a number that is none, or a part of no segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Malformed;

impl Directives {
    /// Reads a query string. The first of two alike counts.
    ///
    /// # Errors
    /// When a number cannot be read, or `_HLS_part` stands without `_HLS_msn`.
    pub fn parse(query: Option<&str>) -> Result<Self, Malformed> {
        let (mut msn, mut part, mut skip) = (None, None, None);
        for pair in query.unwrap_or_default().split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "_HLS_msn" => &mut msn,
                "_HLS_part" => &mut part,
                "_HLS_skip" => &mut skip,
                _ => continue,
            };
            slot.get_or_insert(value);
        }
        let msn = msn.map(number).transpose()?;
        let part = part.map(number).transpose()?;
        let position = match (msn, part) {
            (Some(msn), Some(part)) => {
                // No segment has so many parts; those past the last are the next segment's.
                let part = u32::try_from(part).unwrap_or(u32::MAX);
                Some(Position::Part(Edge { msn, part }))
            }
            (Some(msn), None) => Some(Position::Segment(msn)),
            (None, Some(_)) => return Err(Malformed),
            (None, None) => None,
        };
        Ok(Self { position, skip: matches!(skip, Some("YES" | "v2")) })
    }
}

impl Position {
    /// Whether a playlist lists it now.
    pub fn is_reached(&self, state: &State) -> bool {
        match *self {
            Self::Segment(msn) => state.last_msn.is_some_and(|last| last >= msn),
            Self::Part(at) => state.edge.is_some_and(|edge| edge >= at),
        }
    }

    /// Whether it is so far ahead that no player would ask for it (§6.2.5.2): more than two segments
    /// past the last one, or more parts past the last than the Advance Part Limit.
    pub fn is_too_far(&self, state: &State, part_target: Duration) -> bool {
        let (msn, part) = match *self {
            Self::Segment(msn) => (msn, None),
            Self::Part(at) => (at.msn, Some(at.part)),
        };
        if state.last_msn.is_some_and(|last| msn > last.saturating_add(2)) {
            return true;
        }
        let (Some(part), Some(next)) = (part, state.next_part) else { return false };
        // In whole parts: three seconds of them, or three where a part is that long.
        let limit = match part_target.as_millis() {
            target @ 1..1_000 => u32::try_from(3_000 / target).unwrap_or(u32::MAX),
            _ => 3,
        };
        let listed = if msn == next.msn { next.part } else { 0 };
        msn >= next.msn && part >= listed.saturating_add(limit)
    }
}

/// The value of the first parameter of that name in a query string.
pub(crate) fn parameter<'a>(query: Option<&'a str>, name: &str) -> Option<&'a str> {
    let pairs = query?.split('&').filter_map(|pair| pair.split_once('='));
    pairs.filter(|(key, _)| *key == name).map(|(_, value)| value).next()
}

fn number(text: &str) -> Result<u64, Malformed> {
    // `parse` would take a leading `+`.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or(Malformed)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PART_TARGET: Duration = Duration::from_millis(217);

    /// Segment 5 is complete, with parts 0 to 9; of segment 6 there are parts 0 to 3.
    fn state() -> State {
        let edge = Some(Edge { msn: 6, part: 3 });
        let next_part = Some(Edge { msn: 6, part: 4 });
        State { edge, next_part, last_msn: Some(5), ..State::default() }
    }

    fn at(msn: u64, part: u32) -> Position {
        Position::Part(Edge { msn, part })
    }

    #[test]
    fn directives_are_read_wherever_they_stand() {
        let read = |query| Directives::parse(Some(query)).unwrap();
        assert_eq!(Directives::parse(None), Ok(Directives::default()));
        assert_eq!(read(""), Directives::default());
        assert_eq!(read("token=a&_HLS_msn=7").position, Some(Position::Segment(7)));
        assert_eq!(read("_HLS_part=2&_HLS_msn=7&x").position, Some(at(7, 2)));
        assert!(read("_HLS_skip=YES").skip && read("_HLS_skip=v2&_HLS_msn=1").skip);
        assert!(!read("_HLS_skip=no").skip && !read("_hls_skip=YES").skip);
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for query in
            ["_HLS_part=1", "_HLS_msn=", "_HLS_msn", "_HLS_msn=+1", "_HLS_msn=-1", "_HLS_msn=1.5"]
        {
            assert_eq!(Directives::parse(Some(query)), Err(Malformed), "{query}");
        }
        assert!(Directives::parse(Some("_HLS_msn=1&_HLS_part=x")).is_err());
        assert!(Directives::parse(Some("_HLS_msn=18446744073709551616")).is_err());
    }

    #[test]
    fn a_position_is_reached_when_it_is_listed() {
        let reached = |position: Position| position.is_reached(&state());
        assert!(reached(Position::Segment(5)) && reached(Position::Segment(0)));
        assert!(!reached(Position::Segment(6)), "which has parts, and is not complete");
        assert!(reached(at(6, 3)) && !reached(at(6, 4)) && !reached(at(7, 0)));
        assert!(reached(at(5, 10)), "past its last part: the first part of segment 6");
    }

    #[test]
    fn a_position_far_ahead_is_told_from_one_that_comes() {
        let too_far = |position: Position| position.is_too_far(&state(), PART_TARGET);
        assert!(!too_far(Position::Segment(7)) && too_far(Position::Segment(8)));
        assert!(!too_far(at(6, 3 + 13)) && too_far(at(6, 3 + 14)));
        assert!(!too_far(at(7, 0)) && !too_far(at(7, 12)) && too_far(at(7, 13)));
        assert!(!too_far(at(5, 1_000)), "past the last part of a complete segment");
        let slow = Duration::from_secs(1);
        assert!(!at(6, 6).is_too_far(&state(), slow) && at(6, 7).is_too_far(&state(), slow));
    }

    proptest! {
        #[test]
        fn no_query_panics(query: String, msn: u64, part: u32) {
            let query = format!("{query}&_HLS_msn={msn}&_HLS_part={part}");
            if let Ok(Directives { position: Some(position), .. }) = Directives::parse(Some(&query)) {
                let _ = (position.is_reached(&state()), position.is_too_far(&state(), PART_TARGET));
            }
        }
    }
}
