//! Blocking playlist reload (§6.2.5.2).

use std::time::Duration;

use super::super::exchange::{Directives, Exchange};
use super::super::memory::{Rendition, State};
use super::super::playlist::Media;
use super::super::report::Report;
use super::super::witness::Settings;

/// How much farther than the limit a request must reach before it is surely too far: the edge may have
/// moved since it was seen last.
const SURELY_SEGMENTS: u64 = 3;

/// Judges an answer to `_HLS_msn` and `_HLS_part`; `rendition` knows it already. `timed`: how long it
/// took tells something.
pub fn blocking(
    report: &mut Report,
    exchange: &Exchange,
    media: Option<&Media>,
    rendition: &Rendition,
    settings: Settings,
    timed: bool,
) {
    let directives = exchange.directives();
    let offered = rendition.control.as_ref().is_some_and(|c| c.is_yes("CAN-BLOCK-RELOAD"));
    let Some(state) = rendition.state_at(exchange.sent).filter(|_| offered) else { return };
    let case = Case { exchange, media, rendition, settings, timed, directives, state };
    match (directives.msn, directives.part) {
        (None, Some(_)) => {
            // After the end the same section asks for both: to ignore and to refuse.
            if !state.ended && media.is_none_or(|media| !media.ended) {
                let refused = exchange.status == 400;
                report.check("part_without_msn_is_400", refused, || exchange.what());
            }
        }
        (Some(_), _) if state.ended => case.after_the_end(report),
        (Some(msn), part) => case.while_live(report, msn, part),
        (None, None) => {}
    }
}

struct Case<'a> {
    exchange: &'a Exchange,
    media: Option<&'a Media>,
    rendition: &'a Rendition,
    settings: Settings,
    timed: bool,
    directives: Directives,
    /// What was known when the request went out.
    state: State,
}

impl Case<'_> {
    fn words(&self) -> String {
        format!("{}; known: {:?}", self.exchange.what(), self.state.edge)
    }

    fn at_once(&self) -> bool {
        !self.timed || self.exchange.took() <= self.settings.prompt
    }

    fn after_the_end(&self, report: &mut Report) {
        let whole = self.media.is_some_and(|media| media.ended && media.skip.is_none());
        let ignored = whole && self.at_once();
        report.check("directives_are_ignored_after_the_end", ignored, || self.words());
    }

    fn while_live(&self, report: &mut Report, msn: u64, part: Option<usize>) {
        let edge = self.state.edge;
        // An edge of n is the segment after the last one listed.
        let farthest = edge.open + 1;
        let limit = self.advance_part_limit();
        if msn > farthest + SURELY_SEGMENTS {
            // The live may have ended meanwhile.
            if !self.media.is_some_and(|media| media.ended) {
                let refused = self.exchange.status == 400 && self.at_once();
                report.check("a_far_msn_is_400_at_once", refused, || self.words());
            }
            return;
        }
        let surely_far = edge.parts + 2 * limit + 2;
        if msn == edge.open && part.is_some_and(|part| part > surely_far) {
            // Once the segment is complete, a part past its last one is the next segment's first.
            if self.media.is_some_and(|media| media.ended || media.edge().open > msn) {
                return;
            }
            let refused = self.exchange.status == 400 && self.at_once();
            report.check("a_far_part_is_400_at_once", refused, || self.words());
            return;
        }
        let near_part = part.is_none_or(|part| match msn {
            _ if msn < edge.open => true,
            _ if msn == edge.open => part < edge.parts + limit,
            _ => part == 0,
        });
        if msn <= farthest && near_part {
            let accepted = self.exchange.status != 400;
            report.check("what_comes_soon_is_not_refused", accepted, || self.words());
        }
        if self.rendition.holds(edge, msn, part) {
            let there = self.exchange.status == 200 && self.at_once();
            let complete = self.media.is_some_and(|media| {
                media.edge() >= edge && (self.directives.skip.is_some() || media.skip.is_none())
            });
            report.check("what_is_there_is_answered_at_once", there && complete, || self.words());
        } else {
            self.held(report, msn, part);
        }
        self.contents(report, msn, part);
    }

    /// An answer holds what was asked for.
    fn contents(&self, report: &mut Report, msn: u64, part: Option<usize>) {
        let Some(media) = self.media.filter(|media| !media.ended) else { return };
        let edge = media.edge();
        let words = || format!("{}; answered: {edge:?}", self.words());
        let Some(index) = part else {
            report.check("msn_alone_waits_for_the_segment", edge.open > msn, words);
            return;
        };
        let holds = self.rendition.holds(edge, msn, part);
        let count = self.rendition.parts_of(msn);
        if edge.open > msn && count > 0 && index >= count {
            report.check("past_the_last_part_is_the_next_segment", holds, words);
        } else {
            report.check("msn_and_part_wait_for_the_part", holds, words);
        }
    }

    /// A request that had to wait.
    fn held(&self, report: &mut Report, msn: u64, part: Option<usize>) {
        let exchange = self.exchange;
        if let Some(target_s) = self.rendition.target_s {
            let longest = Duration::from_secs(3 * target_s);
            let (took, prompt) = (exchange.took(), self.settings.prompt);
            let gave_up = exchange.status == 503;
            if gave_up || took > longest {
                let in_time = took <= longest + prompt && (!gave_up || took + prompt >= longest);
                report.check("blocking_ends_with_503", in_time, || self.words());
            }
        }
        if !self.timed || self.media.is_none_or(|media| media.ended) {
            return;
        }
        let came = |edge| self.rendition.holds(edge, msn, part);
        let first = self.rendition.snapshots.iter().find(|snapshot| came(snapshot.edge));
        if let Some(first) = first {
            let latest = first.received + self.settings.prompt;
            report.check(
                "a_blocked_request_wakes_with_its_edge",
                exchange.received <= latest,
                || format!("{}; its edge was seen at {:?}", self.words(), first.received),
            );
        }
    }

    /// How many parts beyond the last one may be asked for.
    fn advance_part_limit(&self) -> usize {
        match self.rendition.part_target_s {
            Some(target_s) if target_s < 1.0 && target_s > 0.0 => (3.0 / target_s).floor() as usize,
            _ => 3,
        }
    }
}
