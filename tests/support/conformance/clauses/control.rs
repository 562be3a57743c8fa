//! `EXT-X-SERVER-CONTROL` (§4.4.3.8).

use super::super::memory::Rendition;
use super::super::report::Report;
use super::{Answer, EPSILON_S};

/// Judges the server control of a playlist.
pub fn control(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let words = || format!("{}: {:?}", answer.exchange.what(), media.control);
    if let Some(before) = &rendition.control {
        let same = media.control.as_ref().is_some_and(|now| now.sorted() == before.sorted());
        report.check("server_control_never_changes", same, words);
        if !same {
            return;
        }
    }
    let of = |name| media.control.as_ref().and_then(|control| control.decimal(name));
    let has = |name| media.control.as_ref().is_some_and(|control| control.has(name));
    // Where a target changes, that is a fault of its own.
    let part_target_s = rendition.part_target_s.or(media.part_target_s);
    if let (true, Some(part_target_s)) = (media.has_parts(), part_target_s) {
        let blocks = media.control.as_ref().is_some_and(|c| c.is_yes("CAN-BLOCK-RELOAD"));
        report.check("reload_may_block", blocks, words);
        let hold_back_s = of("PART-HOLD-BACK");
        report.check("part_hold_back_comes_with_parts", hold_back_s.is_some(), words);
        if let Some(hold_back_s) = hold_back_s {
            let twice = hold_back_s + EPSILON_S >= 2.0 * part_target_s;
            report.check("part_hold_back_is_two_part_targets", twice, words);
            if twice {
                let thrice = hold_back_s + EPSILON_S >= 3.0 * part_target_s;
                report.check("part_hold_back_is_three_part_targets", thrice, words);
            }
        }
    }
    let target_s = rendition.target_s.or(media.target_s);
    let (Some(target_s), Some(_)) = (target_s, &media.control) else { return };
    let target_s = target_s as f64;
    // Its absence implies three target durations.
    let hold_back_s = of("HOLD-BACK").unwrap_or(3.0 * target_s);
    let enough = hold_back_s + EPSILON_S >= 3.0 * target_s;
    report.check("hold_back_is_three_targets", enough, words);
    if let Some(boundary_s) = of("CAN-SKIP-UNTIL") {
        let enough = boundary_s + EPSILON_S >= 6.0 * target_s;
        report.check("skip_boundary_is_six_targets", enough, words);
    }
    if has("CAN-SKIP-DATERANGES") {
        report.check("skipping_dateranges_needs_skipping", has("CAN-SKIP-UNTIL"), words);
    }
}
