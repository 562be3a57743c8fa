//! Preload hints and rendition reports (§4.4.5.3, §4.4.5.4, §6.2.6, appendix B.1).

use std::time::Duration;

use super::super::exchange::resolve;
use super::super::memory::{KnownPart, Rendition, Reported};
use super::super::playlist::Edge;
use super::super::report::Report;
use super::{Answer, Ground};

/// Judges the hints and reports of a playlist.
pub fn hints(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let words = || format!("{}: {:?}", answer.exchange.what(), media.hints);
    if media.ended {
        if rendition.part_target_s.is_some() {
            report.check("no_hint_after_the_end", media.hints.is_empty(), words);
        }
    } else if media.has_parts() {
        report.check("a_part_is_hinted_while_live", media.hint("PART").is_some(), words);
    }
    if !media.hints.is_empty() {
        let count = |kind: &str| media.hints.iter().filter(|hint| hint.kind == kind).count();
        let single = media.hints.iter().all(|hint| count(&hint.kind) == 1);
        report.check("one_hint_of_each_type", single, words);
    }
    reports(report, answer, rendition);
}

fn reports(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let words = || format!("{}: {:?}", answer.exchange.what(), media.reports);
    let of = |path: &String| {
        let path_of = |uri| resolve(&rendition.path, uri);
        let about = media
            .reports
            .iter()
            .filter(|one| one.quoted("URI").map(path_of).as_ref() == Some(path));
        about.count()
    };
    // Of use to those who switch, as long as there is something to come.
    if media.has_parts() && !media.ended {
        for other in answer.others {
            report.check("every_other_rendition_is_reported", of(other) == 1, || {
                format!("{other} in {}", words())
            });
        }
    }
    for one in &media.reports {
        let uri = one.quoted("URI").unwrap_or_default();
        let relative = !uri.is_empty() && !uri.contains("://") && !uri.starts_with("//");
        report.check("reports_have_relative_uris", relative, words);
        // Left out where the value is the same as in this playlist; a number where it is not.
        let number = |name| !one.has(name) || one.integer(name).is_some();
        let told = number("LAST-MSN") && number("LAST-PART");
        report.check("reports_tell_msn_and_part", told, words);
    }
}

/// What became of the hints and reports of a rendition.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    let mut before: Option<((u64, usize), &KnownPart)> = None;
    for (at, part) in &rendition.parts {
        if let Some((before_at, before)) = before {
            fulfilled(report, ground, rendition, (before_at, before), (*at, part));
        }
        before = Some((*at, part));
    }
    for reported in &rendition.reported {
        if let Some(other) = ground.renditions.get(&reported.of) {
            up_to_date(report, ground, reported, other);
        }
    }
}

/// Whether the part that came after `before` is the one that was hinted.
fn fulfilled(
    report: &mut Report,
    ground: &Ground<'_>,
    rendition: &Rendition,
    before: ((u64, usize), &KnownPart),
    next: ((u64, usize), &KnownPart),
) {
    let ((before_msn, before_index), before) = before;
    let ((msn, index), part) = next;
    // A hint after the last part of a segment may be given before the segment is closed, or after.
    let edges =
        [Edge { open: before_msn, parts: before_index + 1 }, Edge { open: msn, parts: index }];
    let closed_first = edges[0] != edges[1];
    let given = edges.iter().take(1 + usize::from(closed_first));
    let given = given.filter_map(|edge| rendition.hints.get(edge)).flatten();
    for hinted in given {
        let Some(hinted_part) = &hinted.part else { continue };
        let path = part.path.split('#').next().unwrap_or_default();
        let came = hinted_part == path;
        let is_new =
            |msn| rendition.segments.get(&msn).is_some_and(|known| known.segment.discontinuity);
        let is_silent = rendition.parts.get(&(before_msn + 1, 0)).is_some_and(|one| one.part.gap);
        // A server may drop a hint when its plan changes (§6.2.6): media that breaks off is such a
        // change, and so is what still comes before it does.
        let is_last = msn == before_msn && !rendition.parts.contains_key(&(msn, index + 1));
        let is_last_word = is_last && (is_new(msn + 1) || is_silent);
        let breaks = is_new(msn) || is_last_word;
        if came || !breaks {
            report.check("the_hinted_part_comes_next", came, || {
                format!("{hinted_part} was hinted, {path} ({msn}.{index}) came")
            });
        }
        if ground.settings.changes_are_planned && came && part.map != before.map {
            report.check("a_new_map_is_hinted", hinted.map == part.map, || {
                format!("{path} needs {:?}; hinted: {:?}", part.map, hinted.map)
            });
        }
    }
}

fn up_to_date(report: &mut Report, ground: &Ground<'_>, reported: &Reported, other: &Rendition) {
    let target_s = other.part_target_s.unwrap_or_default();
    let lag = Duration::from_secs_f64(target_s) + ground.settings.allowance;
    let words = |known: &str| {
        let Reported { of, msn, part, words, .. } = reported;
        format!("{words}: {of} at {msn}.{part:?}; it {known}")
    };
    let long_known = reported.received.checked_sub(lag).and_then(|at| other.state_at(at));
    let timed = !ground.was_silent(reported.received.saturating_sub(lag), reported.received);
    if let Some(state) = long_known.filter(|_| timed) {
        let last = last_of(other, state.edge);
        let current = (reported.msn, reported.part.unwrap_or(0)) >= last;
        report.check("reports_are_up_to_date", current, || words(&format!("was at {last:?}")));
    }
    let later = other.snapshots.iter().find(|snapshot| snapshot.sent >= reported.received);
    if let Some(later) = later {
        // A list that has ended names no parts: of its last segment nobody may have been told all.
        let has_whole = later.ended && reported.msn < later.edge.open;
        let there = has_whole || other.holds(later.edge, reported.msn, reported.part);
        report.check("reports_are_up_to_date", there, || {
            words(&format!("had come to {:?} later", later.edge))
        });
    }
}

/// The last segment and part before an edge.
fn last_of(rendition: &Rendition, edge: Edge) -> (u64, usize) {
    match edge.parts.checked_sub(1) {
        Some(part) => (edge.open, part),
        None => {
            let msn = edge.open.saturating_sub(1);
            (msn, rendition.parts_of(msn).saturating_sub(1))
        }
    }
}
