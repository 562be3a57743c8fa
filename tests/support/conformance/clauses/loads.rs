//! Whether what is listed is there, stays there, and stays the same (§6.2.1, §6.2.2, §6.2.6).

use std::time::Duration;

use super::super::exchange::Asked;
use super::super::memory::{Known, KnownPart, Load, Rendition};
use super::super::report::Report;
use super::Ground;

/// A request that took longer than this was held until its part was whole.
const HELD: Duration = Duration::from_millis(30);

/// Judges every answer to a request for media of a rendition.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    let loads = |path: &str| ground.loads.get(path).into_iter().flatten();
    for known in rendition.segments.values() {
        for load in loads(&known.path) {
            segment(report, known, load);
        }
        unchanged(report, "segment_bytes_never_change", loads(&known.path));
    }
    let target_s = rendition.target_s.unwrap_or(1);
    for known in rendition.parts.values() {
        let path = known.path.split('#').next().unwrap_or_default();
        // A range of a larger resource is asked for by another name.
        if known.part.byte_range.is_some() {
            continue;
        }
        for load in loads(path) {
            part(report, known, load, Duration::from_secs(3 * target_s));
            hinted(report, ground, rendition, known, load);
        }
        unchanged(report, "part_bytes_never_change", loads(path));
    }
    let mut maps: Vec<&String> =
        rendition.segments.values().filter_map(|known| known.segment.map.as_ref()).collect();
    maps.sort();
    maps.dedup();
    for load in maps.into_iter().flat_map(|path| loads(path)) {
        report.check("listed_maps_are_there", load.status == 200, || load.words.clone());
    }
}

/// Judges answers to requests for what no playlist ever named.
pub fn strangers(report: &mut Report, ground: &Ground<'_>) {
    for (path, loads) in ground.loads {
        let known = ground.renditions.values().any(|rendition| {
            rendition.msn_of.contains_key(path)
                || rendition.part_of.keys().any(|part| part.split('#').next() == Some(path))
                || rendition.hinted.contains_key(path)
                || rendition.segments.values().any(|one| one.segment.map.as_ref() == Some(path))
        });
        let of_media = |load: &&Load| matches!(load.asked, Asked::Segment | Asked::Part);
        for load in loads.iter().filter(of_media).filter(|_| !known) {
            let took = load.received.saturating_sub(load.sent);
            let timed = !ground.was_silent(load.sent, load.received);
            let refused = load.status == 404 && (!timed || took <= ground.settings.prompt);
            report.check("a_resource_neither_listed_nor_hinted_is_404", refused, || {
                load.words.clone()
            });
        }
    }
}

fn segment(report: &mut Report, known: &Known, load: &Load) {
    let words = || format!("{}; listed {:?}, gone {:?}", load.words, known.seen, known.removed_by);
    if load.sent >= known.seen.by && load.sent <= known.last_listed && !known.segment.gap {
        report.check("listed_segments_are_there", load.status == 200, words);
    }
    if known.removed_by.is_some_and(|gone| load.sent >= gone) {
        let lasts_s = known.segment.duration_s() + known.longest_s;
        let until = known.seen.not_before + Duration::from_secs_f64(lasts_s);
        if load.received <= until && !known.segment.gap {
            report.check("removed_segments_stay_for_a_playlist", load.status == 200, words);
        }
    }
}

fn part(report: &mut Report, known: &KnownPart, load: &Load, longer: Duration) {
    let words = || format!("{}; listed {:?}, gone {:?}", load.words, known.seen, known.removed_by);
    if known.part.gap {
        return;
    }
    if load.sent >= known.seen.by && load.sent <= known.last_listed {
        report.check("listed_parts_are_there", load.status == 200, words);
    }
    let gone = known.removed_by.is_some_and(|gone| load.sent >= gone);
    if gone && load.received <= known.last_listed + longer {
        report.check("removed_parts_stay_for_three_targets", load.status == 200, words);
    }
}

/// A part asked for on a hint, before it was listed.
fn hinted(
    report: &mut Report,
    ground: &Ground<'_>,
    rendition: &Rendition,
    known: &KnownPart,
    load: &Load,
) {
    let hinted = rendition.hinted.get(&known.path).is_some_and(|since| load.sent >= *since);
    if !hinted || load.sent >= known.seen.by || known.part.gap {
        return;
    }
    // A part that the encoder does not send may be given up.
    if ground.was_silent(load.sent, load.received) {
        return;
    }
    report.check("hinted_resources_are_served", load.status == 200, || load.words.clone());
    if load.status == 200 && load.received.saturating_sub(load.sent) > HELD {
        let lasted = load.received.saturating_sub(load.first_byte);
        report.check("held_parts_come_at_full_speed", lasted <= ground.settings.full_speed, || {
            format!("{}: its bytes took {lasted:?}", load.words)
        });
    }
}

fn unchanged<'a>(report: &mut Report, name: &'static str, loads: impl Iterator<Item = &'a Load>) {
    let mut whole = loads.filter_map(|load| Some((load, load.content.as_ref()?)));
    let Some((_, first)) = whole.next() else { return };
    for (load, content) in whole {
        let same = (first.len, first.digest) == (content.len, content.digest);
        report
            .check(name, same, || format!("{}: {} bytes, {}", load.words, first.len, content.len));
    }
}
