//! Partial segments in the list (§3.2, §4.4.3.7, §4.4.4.9, §6.2.2).

use super::super::attributes::rounding_s;
use super::super::exchange::resolve;
use super::super::memory::Rendition;
use super::super::playlist::{Part, Segment};
use super::super::report::Report;
use super::{Answer, EPSILON_S};

/// Where the exceptions end.
const LEAST_SHARE: f64 = 0.85;

/// Judges the parts of a playlist.
pub fn parts(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let what = || answer.exchange.what();
    placed(report, answer);
    if !media.has_parts() {
        return;
    }
    report.check("part_inf_comes_with_parts", media.part_target_s.is_some(), what);
    if let (Some(before), Some(target_s)) = (rendition.part_target_s, media.part_target_s) {
        report.check("part_target_never_changes", before == target_s, || {
            format!("{}: {before} s, then {target_s} s", what())
        });
    }
    for segment in &media.segments {
        durations(report, answer, rendition, segment, segment.parts.len().saturating_sub(1));
        sum(report, answer, rendition, segment);
    }
    // The last one listed may be the last of its segment.
    let open = &media.open;
    durations(report, answer, rendition, open, open.parts.len().saturating_sub(1));
    for segment in media.segments.iter().chain([open]) {
        kept(report, answer, rendition, segment);
    }
    order(report, answer, rendition);
    if let Some(target_s) = media.target_s {
        age(report, answer, 3.0 * target_s as f64);
    }
}

/// The index of the first listed part of a segment: parts that left its front still count (§3.2).
pub fn first_index(rendition: &Rendition, segment: &Segment) -> usize {
    let Some(first) = segment.parts.first() else { return 0 };
    let range = first.byte_range.as_ref().map_or(String::new(), |range| format!("#{range}"));
    let path = resolve(&rendition.path, &first.uri) + &range;
    let known = rendition.part_of.get(&path);
    known.filter(|(msn, _)| *msn == segment.msn).map_or(0, |(_, index)| *index)
}

/// Tags that shape a segment stand before its first part; the reader of the text saw where.
fn placed(report: &mut Report, answer: &Answer<'_>) {
    const NAME: &str = "segment_tags_stand_before_the_first_part";
    if answer.media.has_parts() {
        let fault = answer.media.faults.iter().find(|(clause, _)| *clause == NAME);
        report.check(NAME, fault.is_none(), || format!("{}: {fault:?}", answer.exchange.what()));
    }
}

fn durations(
    report: &mut Report,
    answer: &Answer<'_>,
    rendition: &Rendition,
    segment: &Segment,
    full: usize,
) {
    let Some(target_s) = answer.media.part_target_s.or(rendition.part_target_s) else { return };
    for (index, part) in segment.parts.iter().enumerate() {
        let duration_s = part.duration_s();
        let words = || {
            let what = answer.exchange.what();
            format!("{what}: part {index} of MSN {}: {part:?} of {target_s} s", segment.msn)
        };
        // A part that was listed before, and may not change, was judged then.
        let at = (segment.msn, first_index(rendition, segment) + index);
        if !rendition.parts.contains_key(&at) {
            let within = duration_s <= target_s + EPSILON_S;
            report.check("part_is_within_the_part_target", within, words);
        }
        let before_gap = segment.parts.get(index + 1).is_some_and(|next| next.gap);
        if index < full && !part.independent && !part.gap && !before_gap {
            let enough = duration_s + EPSILON_S >= LEAST_SHARE * target_s;
            report.check("part_is_at_least_85_percent", enough, words);
        }
    }
}

/// The parts of a complete segment, all of them listed, are as long as it.
fn sum(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, segment: &Segment) {
    let whole = first_index(rendition, segment) == 0 && !segment.parts.is_empty();
    if !whole || segment.parts.len() < rendition.parts_of(segment.msn) {
        return;
    }
    let sum_s: f64 = segment.parts.iter().map(Part::duration_s).sum();
    let rounding: f64 = segment.parts.iter().map(|part| rounding_s(&part.duration)).sum();
    let off_s = (sum_s - segment.duration_s()).abs();
    let most_s = rounding + rounding_s(&segment.duration) + EPSILON_S;
    report.check("extinf_is_the_sum_of_its_parts", off_s <= most_s, || {
        let (what, msn) = (answer.exchange.what(), segment.msn);
        format!("{what}: MSN {msn}: {sum_s:.6} s in parts, EXTINF {}", segment.duration)
    });
}

fn kept(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, segment: &Segment) {
    let first = first_index(rendition, segment);
    for (index, part) in (first..).zip(&segment.parts) {
        let words = || format!("{}: {}.{index}: {part:?}", answer.exchange.what(), segment.msn);
        let path = resolve(&rendition.path, &part.uri);
        if let Some(known) = rendition.parts.get(&(segment.msn, index)) {
            // The URI may be written in another way; the rest may not.
            let same = Part { uri: known.part.uri.clone(), ..part.clone() } == known.part;
            let same = same && known.path.split('#').next() == Some(&path);
            report.check("listed_part_never_changes", same, || {
                format!("{} was {:?}", words(), known.part)
            });
        } else if part.byte_range.is_none() {
            let free = !rendition.part_of.contains_key(&path);
            report.check("uri_names_one_part", free, words);
        }
    }
}

/// Once parts are listed, all later ones are: they leave from the front (§6.2.2).
fn order(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let mut begun = false;
    for segment in &media.segments {
        let known = rendition.parts_of(segment.msn);
        let first = first_index(rendition, segment);
        let to_the_end = first + segment.parts.len() >= known;
        let whole = segment.parts.len() >= known;
        let holds = if begun { whole } else { segment.parts.is_empty() || to_the_end };
        if known > 0 && (begun || !segment.parts.is_empty()) {
            report.check("parts_leave_in_order", holds, || {
                let (what, msn) = (answer.exchange.what(), segment.msn);
                format!("{what}: MSN {msn}: {} of {known} parts", segment.parts.len())
            });
        }
        begun |= !segment.parts.is_empty();
    }
}

/// No part is listed that ends too far from the end of the playlist.
fn age(report: &mut Report, answer: &Answer<'_>, most_s: f64) {
    let media = answer.media;
    let mut after_s: f64 = media.open.parts.iter().map(Part::duration_s).sum();
    for segment in media.segments.iter().rev() {
        let mut distance_s = after_s;
        for part in segment.parts.iter().rev() {
            report.check(
                "part_tags_leave_after_three_targets",
                distance_s <= most_s + EPSILON_S,
                || {
                    let (what, msn) = (answer.exchange.what(), segment.msn);
                    format!("{what}: {} of MSN {msn} ends {distance_s:.3} s from the end", part.uri)
                },
            );
            distance_s += part.duration_s();
        }
        after_s += segment.duration_s();
    }
}
