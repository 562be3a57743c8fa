//! The list of segments, and how it may change (§4.4.3, §6.2.1, §6.2.2).

use super::super::exchange::resolve;
use super::super::memory::{Known, Rendition, State};
use super::super::playlist::{Media, Segment};
use super::super::report::Report;
use super::{Answer, EPSILON_S};

/// Judges a playlist by those before it. False when it contradicts them.
pub fn listing(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) -> bool {
    let prior = rendition.state_at(answer.exchange.sent).unwrap_or_default();
    head(report, answer, rendition);
    if !sequence(report, answer, rendition, prior) || !numbering(report, answer, rendition) {
        return false;
    }
    progress(report, answer, rendition, prior);
    let mut number = numbers_from(rendition, answer.media);
    // A tag that came or went is a fault of its own, and shifts every number after it.
    let (mut shifted, mut sound) = (false, true);
    for segment in &answer.media.segments {
        number += u64::from(segment.discontinuity);
        shape(report, answer, rendition, segment);
        if let Some(known) = rendition.segments.get(&segment.msn) {
            kept(report, answer, rendition, segment, known);
            shifted |= segment.discontinuity != known.segment.discontinuity;
            if !shifted {
                kept_number(report, answer, number, known);
                sound &= number == known.number;
            }
        }
    }
    sound
}

/// The discontinuity sequence number before the first segment that `media` does not skip: skipped
/// discontinuities still count (§4.4.5.2).
pub fn numbers_from(rendition: &Rendition, media: &Media) -> u64 {
    let first = media.media_sequence.unwrap_or(0);
    let skipped = media.skip.as_ref().map_or(0, |skip| skip.segments);
    let known = rendition.segments.range(first..first + skipped);
    let passed = known.filter(|(_, known)| known.segment.discontinuity).count() as u64;
    media.discontinuity_sequence.unwrap_or(0) + passed
}

fn head(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let what = || answer.exchange.what();
    let at_least_one = media.target_s.is_some_and(|target_s| target_s >= 1);
    report.check("target_duration_is_there", at_least_one, what);
    if let (Some(before), Some(target_s)) = (rendition.target_s, media.target_s) {
        report.check("target_duration_never_changes", before == target_s, || {
            format!("{}: {before} s, then {target_s} s", what())
        });
    }
    report.check("live_has_no_playlist_type", !media.has_type, what);
}

/// Whether the sequence numbers may stand where they do.
fn sequence(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, prior: State) -> bool {
    let media = answer.media;
    let what = || answer.exchange.what();
    if prior.media_sequence > 0 {
        let there = media.media_sequence.is_some();
        report.check("media_sequence_is_there_after_removals", there, what);
        if !there {
            return false;
        }
    }
    let media_sequence = media.media_sequence.unwrap_or(0);
    let holds = media_sequence >= prior.media_sequence;
    report.check("media_sequence_never_decreases", holds, || {
        format!("{}: {media_sequence} after {}", what(), prior.media_sequence)
    });
    if !holds {
        return false;
    }
    let number = media.discontinuity_sequence.unwrap_or(0);
    let holds = number >= prior.discontinuity_sequence;
    report.check("discontinuity_sequence_never_decreases", holds, || {
        format!("{}: {number} after {}", what(), prior.discontinuity_sequence)
    });
    if !holds {
        return false;
    }
    let listed = media.segments.iter().any(|segment| segment.discontinuity);
    if listed && rendition.removed_at(media_sequence) {
        let there = media.discontinuity_sequence.is_some();
        report.check("discontinuity_sequence_is_there_after_removals", there, what);
    }
    true
}

/// Whether each URI stands under the number it had before.
fn numbering(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) -> bool {
    let media = answer.media;
    let path = |segment: &Segment| resolve(&rendition.path, &segment.uri);
    let known = |msn: u64| rendition.segments.get(&msn).map(|known| known.path.clone());
    // What was found to name two segments before names them still.
    let moved = |segment: &&Segment| {
        let path = path(segment);
        let before = rendition.msn_of.get(&path);
        before.is_some_and(|before| *before != segment.msn) && known(segment.msn) != Some(path)
    };
    let moved: Vec<&Segment> = media.segments.iter().filter(moved).collect();
    let words = || {
        let uris: Vec<_> = moved.iter().map(|one| format!("{} {}", one.msn, one.uri)).collect();
        format!("{}: {uris:?}", answer.exchange.what())
    };
    let displaced = moved.iter().any(|segment| known(segment.msn).is_some());
    if rendition.removed_at(media.media_sequence.unwrap_or(0)) || displaced {
        report.check("media_sequence_counts_removals", !displaced, words);
    }
    report.check("uri_names_one_segment", moved.is_empty() || displaced, words);
    !displaced
}

/// Whether the list only grew at its end.
fn progress(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, prior: State) {
    let media = answer.media;
    let edge = media.edge();
    let words = || format!("{}: {edge:?} after {:?}", answer.exchange.what(), prior.edge);
    if prior.ended {
        let final_ = media.ended && edge == prior.edge;
        report.check("endlist_is_final", final_, words);
    } else {
        report.check("listed_segments_stay_until_removed", edge >= prior.edge, words);
    }
    let removed = rendition.removed_at(media.media_sequence.unwrap_or(0));
    if let (Some(target_s), true, false) = (media.target_s, removed, media.ended) {
        let duration_s: f64 = rendition.durations_s(media).iter().sum();
        let enough = duration_s + EPSILON_S >= 3.0 * target_s as f64;
        report.check("window_holds_three_targets", enough, || {
            format!("{}: {duration_s} s of {target_s} s targets", answer.exchange.what())
        });
    }
}

/// What one segment must be, whatever was before.
fn shape(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition, segment: &Segment) {
    let media = answer.media;
    let words = || format!("{}: MSN {}", answer.exchange.what(), segment.msn);
    // The target is said to be a whole number: a fault of its own when it is not.
    let target_s = media.target_s.or(rendition.target_s).unwrap_or(u64::MAX);
    let within = segment.duration_s().round() <= target_s as f64;
    report.check("extinf_rounds_within_the_target", within, || {
        format!("{}: {} s, target {target_s} s", words(), segment.duration)
    });
    if !segment.uri.ends_with(".ts") {
        let has_map = rendition.map_of(media, segment).is_some();
        report.check("every_fmp4_segment_has_a_map", has_map, words);
    }
    if segment.gap && !segment.parts.is_empty() {
        let all = segment.parts.iter().all(|part| part.gap);
        report.check("gap_segments_have_gap_parts", all, words);
    }
}

/// Whether a segment is what it was when it was listed first. In a delta update the clause is that it
/// is the rest of the whole.
fn kept(
    report: &mut Report,
    answer: &Answer<'_>,
    rendition: &Rendition,
    segment: &Segment,
    known: &Known,
) {
    let is_delta = answer.media.skip.is_some();
    let mut check = |name: &'static str, before: &str, now: &str| {
        let name = if is_delta { "a_delta_is_the_rest_of_the_whole" } else { name };
        report.check(name, before == now, || {
            let msn = segment.msn;
            format!("{}: MSN {msn}: {before}, then {now}", answer.exchange.what())
        });
    };
    let path = resolve(&rendition.path, &segment.uri);
    check("listed_segment_keeps_its_uri", &known.path, &path);
    check("listed_segment_keeps_its_duration", &known.segment.duration, &segment.duration);
    let discontinuity = |segment: &Segment| format!("discontinuity: {}", segment.discontinuity);
    check(
        "listed_segment_keeps_its_discontinuity",
        &discontinuity(&known.segment),
        &discontinuity(segment),
    );
    let tags = |segment: &Segment, map: Option<String>| {
        format!("{:?} {:?} {} {:?}", map, segment.date, segment.gap, segment.other_tags)
    };
    check(
        "listed_segment_keeps_its_tags",
        &tags(&known.segment, known.segment.map.clone()),
        &tags(segment, rendition.map_of(answer.media, segment)),
    );
}

fn kept_number(report: &mut Report, answer: &Answer<'_>, number: u64, known: &Known) {
    let words = || {
        let msn = known.segment.msn;
        format!("{}: MSN {msn}: {number} was {}", answer.exchange.what(), known.number)
    };
    if answer.media.skip.is_some() {
        report.check("skip_leaves_the_discontinuity_sequence", number == known.number, words);
    } else if answer.media.media_sequence.unwrap_or(0) > 0 {
        report.check("discontinuity_sequence_counts_removals", number == known.number, words);
    }
}
