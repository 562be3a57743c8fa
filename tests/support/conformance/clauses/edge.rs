//! The pace at which a playlist grows, and its end (§6.2.1).
//!
//! A viewer knows only bounds of the moment when something was listed: after the newest request whose
//! answer lacked it, and before the first answer that had it. A pace is too slow when it is so by the
//! nearest of those bounds.

use super::super::memory::{Rendition, Seen};
use super::super::report::Report;
use super::Ground;

/// Whether new segments and parts came in time.
pub fn pace(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    let target_s = rendition.target_s.unwrap_or(u64::MAX) as f64;
    let segments = rendition.segments.iter().map(|(msn, known)| (format!("MSN {msn}"), known.seen));
    follow(report, ground, "new_segment_comes_in_time", 1.5 * target_s, segments);
    if let Some(part_target_s) = rendition.part_target_s {
        let parts = rendition.parts.iter();
        let parts = parts.map(|((msn, part), known)| (format!("part {msn}.{part}"), known.seen));
        follow(report, ground, "new_part_comes_in_time", part_target_s, parts);
    }
    still_coming(report, ground, rendition, 1.5 * target_s);
}

fn follow(
    report: &mut Report,
    ground: &Ground<'_>,
    name: &'static str,
    most_s: f64,
    seen: impl Iterator<Item = (String, Seen)>,
) {
    let most_s = most_s + ground.settings.allowance.as_secs_f64();
    let mut before: Option<Seen> = None;
    for (which, seen) in seen {
        if let Some(before) = before
            && !ground.was_silent(before.not_before, seen.by)
            && before.by < seen.by
        {
            let least_s = seen.not_before.as_secs_f64() - before.by.as_secs_f64();
            report.check(name, least_s <= most_s, || {
                format!("{which}: at least {least_s:.3} s after the one before, of {most_s:.3} s")
            });
        }
        before = Some(seen);
    }
}

/// A playlist that stops growing shows no new segment to be late.
fn still_coming(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition, most_s: f64) {
    let Some(newest) = rendition.segments.values().next_back() else { return };
    let asked = rendition.snapshots.iter().filter(|snapshot| !snapshot.ended);
    let Some(last_asked) = asked.map(|snapshot| snapshot.sent).max() else { return };
    if ground.was_silent(newest.seen.not_before, last_asked) {
        return;
    }
    let since_s = last_asked.saturating_sub(newest.seen.by).as_secs_f64();
    let most_s = most_s + ground.settings.allowance.as_secs_f64();
    report.check("new_segment_comes_in_time", since_s <= most_s, || {
        format!("{}: none in the last {since_s:.3} s, of {most_s:.3} s", rendition.path)
    });
}

/// Whether a live that was ended says so.
pub fn end(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    if ground.must_end {
        let ended = rendition.state().ended;
        report.check("ended_live_has_endlist", ended, || rendition.path.clone());
    }
}
