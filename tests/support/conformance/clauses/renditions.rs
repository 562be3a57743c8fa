//! The same media in several playlists (§6.2.4, appendix B.1).

use super::super::memory::{Known, Rendition};
use super::super::report::Report;
use super::Ground;

/// Within this, two dates are of the same segment: sound is cut where pictures are decoded, which is
/// before the first of them is seen by as long as B-frames take; and a picture before that, since a
/// part does not wait for the sound of its last picture.
const SAME_S: f64 = 0.15;

/// Judges every pair of renditions.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>) {
    let all: Vec<&Rendition> = ground.renditions.values().collect();
    for (index, one) in all.iter().enumerate() {
        for other in &all[index + 1..] {
            pair(report, ground, one, other);
        }
    }
}

fn pair(report: &mut Report, ground: &Ground<'_>, one: &Rendition, other: &Rendition) {
    let words = || format!("{} and {}", one.path, other.path);
    if let (Some(first), Some(second)) = (one.target_s, other.target_s) {
        report.check("renditions_share_the_target_duration", first == second, words);
    }
    let are_together = ground.are_together(&one.path, &other.path);
    if are_together && (one.control.is_some() || other.control.is_some()) {
        let sorted = |rendition: &Rendition| rendition.control.as_ref().map(|c| c.sorted());
        let same = sorted(one) == sorted(other);
        report.check("server_control_is_the_same_in_all", same, || {
            format!("{}: {:?} {:?}", words(), one.control, other.control)
        });
    }
    let (dated_one, dated_other) = (dated(one), dated(other));
    let span = |dated: &[(f64, &Known)]| Some((dated.first()?.0, dated.last()?.0));
    let (Some(first), Some(second)) = (span(&dated_one), span(&dated_other)) else { return };
    // What one of them showed before the other was looked at, or after, has no match.
    let from_s = first.0.max(second.0) - SAME_S;
    let until_s = first.1.min(second.1) + SAME_S;
    for (at_s, known) in dated_one {
        if !(from_s..=until_s).contains(&at_s) {
            continue;
        }
        let near = dated_other.iter().map(|(s, one)| ((s - at_s).abs(), *one));
        let nearest = near.min_by(|(one, _), (other, _)| one.total_cmp(other));
        let matching = nearest.filter(|(off_s, _)| *off_s <= SAME_S).map(|(_, one)| one);
        report.check("renditions_share_dates", matching.is_some(), || {
            format!("{}: nothing at the date of {}", words(), known.path)
        });
        let Some(matching) = matching else { continue };
        let details = || format!("{}: {} and {}", words(), known.path, matching.path);
        let same = known.number == matching.number;
        report.check("renditions_share_discontinuities", same, details);
        let same = known.segment.msn == matching.segment.msn;
        report.check("renditions_share_sequence_numbers", same, details);
    }
    if are_together {
        in_step(report, ground, one, other);
    }
}

/// Whether the same parts came at the same time, by the nearest bounds.
fn in_step(report: &mut Report, ground: &Ground<'_>, one: &Rendition, other: &Rendition) {
    let Some(target_s) = one.part_target_s else { return };
    let most_s = target_s + ground.settings.allowance.as_secs_f64();
    for (at, part) in &one.parts {
        let Some(twin) = other.parts.get(at) else { continue };
        let (first, second) = (part.seen, twin.seen);
        let since = first.not_before.min(second.not_before);
        if ground.was_silent(since, first.by.max(second.by)) {
            continue;
        }
        let apart_s = f64::max(
            first.not_before.as_secs_f64() - second.by.as_secs_f64(),
            second.not_before.as_secs_f64() - first.by.as_secs_f64(),
        );
        report.check("renditions_move_in_step", apart_s <= most_s, || {
            format!("{} and {}: at least {apart_s:.3} s apart", part.path, twin.path)
        });
    }
}

/// Its segments and their dates: said, or reckoned from the segment before (§4.4.4.6).
fn dated(rendition: &Rendition) -> Vec<(f64, &Known)> {
    let mut end: Option<(u64, f64)> = None;
    let mut all = Vec::new();
    for known in rendition.segments.values() {
        let msn = known.segment.msn;
        let reckoned = end.filter(|(next, _)| *next == msn).map(|(_, at_s)| at_s);
        let Some(at_s) = known.segment.date().map(|date| date.at_s).or(reckoned) else { continue };
        end = Some((msn + 1, at_s + known.segment.duration_s()));
        all.push((at_s, known));
    }
    all
}
