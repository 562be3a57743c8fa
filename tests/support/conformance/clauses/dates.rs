//! Program dates and date ranges (§4.4.4.6, §4.4.5.1, §6.2.1).

use super::super::attributes::{Attributes, Date};
use super::super::memory::Rendition;
use super::super::playlist::Segment;
use super::super::report::Report;
use super::Answer;

/// How far a date may stray from the sum of the durations before it: milliseconds round, and EXTINF
/// does too.
const DRIFT_S: f64 = 0.1;

/// Judges the dates of a playlist.
pub fn dates(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let what = || answer.exchange.what();
    let dated: Vec<&Segment> = media.segments.iter().filter(|s| s.date.is_some()).collect();
    let open_is_dated = media.open.date.is_some();
    if !media.segments.is_empty() {
        report.check("every_playlist_has_dates", open_is_dated || !dated.is_empty(), what);
    }
    for segment in &dated {
        let exact = segment.date().is_some_and(|date| date.is_exact);
        report.check("dates_have_a_zone_and_milliseconds", exact, || {
            format!("{}: {:?}", what(), segment.date)
        });
    }
    let has_any = !dated.is_empty() || open_is_dated;
    for segment in
        media.segments.iter().chain((!media.open.parts.is_empty()).then_some(&media.open))
    {
        if segment.discontinuity && has_any {
            report.check("every_discontinuity_has_a_date", segment.date.is_some(), || {
                format!("{}: MSN {}", what(), segment.msn)
            });
        }
    }
    sequence(report, answer);
    ranges(report, answer, rendition);
}

/// Whether each date is where the segment before it ends.
fn sequence(report: &mut Report, answer: &Answer<'_>) {
    let media = answer.media;
    for pair in media.segments.windows(2) {
        let [segment, next] = pair else { continue };
        let (Some(date), Some(next_date)) = (segment.date(), next.date()) else { continue };
        let overlap_s = date.at_s + segment.duration_s() - next_date.at_s;
        let words = || {
            let msn = next.msn;
            format!(
                "{}: MSN {msn}: {overlap_s:.3} s before the end of {pair:?}",
                answer.exchange.what()
            )
        };
        let unambiguous = overlap_s < 1.0 && next_date.at_s > date.at_s;
        report.check("dates_are_unambiguous", unambiguous, words);
        if unambiguous && !next.discontinuity {
            report.check("dates_follow_durations", overlap_s.abs() <= DRIFT_S, words);
        }
    }
}

fn ranges(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    if !media.dateranges.is_empty() {
        let dated = media.segments.iter().chain([&media.open]).any(|s| s.date.is_some());
        report.check("dateranges_come_with_dates", dated, || answer.exchange.what());
    }
    let (Some(first), Some(last)) = (media.segments.first(), media.segments.last()) else { return };
    let (Some(from), Some(until)) = (first.date(), last.date()) else { return };
    let until_s = until.at_s + last.duration_s();
    for (id, range) in &rendition.dateranges_said {
        let known = rendition.dateranges.get(id);
        // An answer that was asked for before the range came does not miss it.
        let came_before = known.is_some_and(|known| known.by <= answer.exchange.sent);
        if media.skip.is_some() || !came_before {
            continue;
        }
        let listed = media.dateranges.iter().any(|one| one.quoted("ID") == Some(id));
        let Some((start_s, end_s)) = span(range) else { continue };
        if start_s <= until_s && end_s >= from.at_s {
            report.check("dateranges_stay_while_they_map", listed, || {
                format!("{}: {id} is gone", answer.exchange.what())
            });
        }
    }
}

/// When a date range begins and ends.
fn span(range: &Attributes) -> Option<(f64, f64)> {
    let start_s = Date::parse(range.quoted("START-DATE")?)?.at_s;
    let end = range.quoted("END-DATE").and_then(Date::parse).map(|date| date.at_s);
    let length_s = range.decimal("DURATION").unwrap_or(0.0);
    Some((start_s, end.unwrap_or(start_s + length_s)))
}
