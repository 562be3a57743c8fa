//! Playlist delta updates (§4.4.5.2, §6.2.5.1).

use std::time::Duration;

use super::super::exchange::SkipAsked;
use super::super::memory::{Canon, Rendition};
use super::super::report::Report;
use super::Answer;

/// Renditions that skip the same segments differ by a frame of sound in how long these are.
const SLACK_S: f64 = 0.05;

/// Judges an answer to a request with, or without, `_HLS_skip`.
pub fn delta(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let asked = answer.exchange.directives().skip;
    let boundary_s = media.control.as_ref().and_then(|control| control.decimal("CAN-SKIP-UNTIL"));
    let may_skip = asked.is_some() && !media.ended && boundary_s.is_some();
    if asked.is_some() && !may_skip {
        let ignored = media.skip.is_none();
        report.check("skip_is_ignored_when_it_must", ignored, || answer.exchange.what());
    }
    let (Some(asked), Some(boundary_s), true) = (asked, boundary_s, may_skip) else { return };
    boundary(report, answer, rendition, boundary_s);
    let Some(skip) = &media.skip else { return };
    report.check("skip_appears_once", skip.times == 1, || answer.exchange.what());
    // Who was not offered v2 should not ask for it, and is owed no list.
    let offered = media.control.as_ref().is_some_and(|c| c.is_yes("CAN-SKIP-DATERANGES"));
    if offered && asked == SkipAsked::SegmentsAndDateRanges {
        dateranges(report, answer, rendition, boundary_s);
    }
}

/// How many segments lie beyond the boundary, by their nearer and by their farther end: the draft
/// does not say which end counts.
fn boundary(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, boundary_s: f64) {
    let durations_s = rendition.durations_s(answer.media);
    let mut to_end_s: f64 = durations_s.iter().sum();
    let (mut must, mut may) = (0, 0);
    for duration_s in durations_s {
        may += u64::from(to_end_s > boundary_s - SLACK_S);
        to_end_s -= duration_s;
        must += u64::from(to_end_s > boundary_s + SLACK_S);
    }
    let skip = answer.media.skip.as_ref();
    let skipped = skip.map_or(0, |skip| skip.segments);
    let words = || format!("{}: {skipped} skipped, of {must}..={may}", answer.exchange.what());
    if must > 0 {
        report.check("a_delta_is_given_when_asked", skip.is_some(), words);
    }
    if skip.is_some() {
        report.check("all_beyond_the_skip_boundary_is_skipped", skipped >= must, words);
        report.check("nothing_within_the_skip_boundary_is_skipped", skipped <= may, words);
    }
}

fn dateranges(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, boundary_s: f64) {
    let media = answer.media;
    let words = || format!("{}: {:?}", answer.exchange.what(), media.skip);
    let removed = media.skip.as_ref().and_then(|skip| skip.removed_dateranges.as_ref());
    let boundary = Duration::from_secs_f64(boundary_s);
    let since = answer.exchange.received.saturating_sub(boundary);
    let recent = rendition.dateranges.iter().filter(|(_, seen)| {
        let gone = seen.gone.filter(|gone| gone.by <= answer.exchange.sent);
        gone.is_some_and(|gone| gone.not_before > since)
    });
    let told = removed.is_some_and(|removed| recent.clone().all(|(id, _)| removed.contains(id)));
    report.check("v2_tells_the_removed_dateranges", told, || {
        format!("{}; recently removed: {:?}", words(), recent.collect::<Vec<_>>())
    });
    let since = answer.exchange.sent.saturating_sub(boundary);
    for (id, seen) in &rendition.dateranges {
        if seen.by < since && seen.gone.is_none() {
            let listed = media.dateranges.iter().any(|one| one.quoted("ID") == Some(id));
            report.check("v2_leaves_out_old_dateranges", !listed, || format!("{}: {id}", words()));
        }
    }
}

/// Whether each delta update, put onto what was skipped, is the whole playlist of the same state.
pub fn whole_run(report: &mut Report, rendition: &Rendition) {
    for (key, canon, of_ranges, words) in &rendition.deltas {
        let first = canon.segments.keys().next().map_or(key.1.open, |first| *first);
        let all_known = (key.0..first).all(|msn| rendition.segments.contains_key(&msn));
        let Some(whole) = rendition.wholes.get(key).filter(|_| all_known) else { continue };
        compare(report, whole, canon, *of_ranges, words);
    }
}

fn compare(report: &mut Report, whole: &Canon, delta: &Canon, of_ranges: bool, words: &str) {
    let first = delta.segments.keys().next().copied().unwrap_or(u64::MAX);
    let rest = whole.segments.range(first..).map(|(msn, words)| (*msn, words.clone())).collect();
    let complete = Canon {
        segments: rest,
        dateranges: if of_ranges { delta.dateranges.clone() } else { whole.dateranges.clone() },
        version: delta.version,
        ..whole.clone()
    };
    report.check("a_delta_is_the_rest_of_the_whole", complete == *delta, || {
        format!("{words}\nthe whole:\n{complete:#?}\nthe delta update:\n{delta:#?}")
    });
    let left_out = whole.dateranges.iter().any(|range| !delta.dateranges.contains(range));
    if of_ranges && left_out {
        report.check("version_is_high_enough", delta.version >= 10, || {
            format!("{words}: version {} leaves out date ranges", delta.version)
        });
    }
}
