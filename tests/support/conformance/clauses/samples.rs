//! What is inside init segments, segments and parts (§3, §3.1.1, §3.1.2, §3.2, §4.4.2.1, §4.4.4.3).

use std::collections::BTreeMap;

use super::super::attributes::rounding_s;
use super::super::boxes::{self, Init, Run, Sample};
use super::super::memory::{Content, Digest, Known, KnownPart, Rendition};
use super::super::playlist::Part;
use super::super::report::Report;
use super::{EPSILON_S, Ground};

/// How far a duration in a playlist may be from that of the samples: a millisecond is what RTMP
/// counts in, and presentation does not end exactly where decoding does.
const OFF_S: f64 = 0.002;

/// Sound is counted in samples and follows the encoder's clock of milliseconds: where the two drift
/// apart, a frame moves by a tick, which the last one of a fragment cannot know.
const SLIP_TICKS: u64 = 1;

/// Judges all media of a rendition that was loaded.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    maps(report, ground, rendition);
    let mut next = Continuation::default();
    for (msn, known) in &rendition.segments {
        let content = ground.loaded(&known.path).and_then(|load| load.content.as_ref());
        let Some(content) = content else {
            next = Continuation::default();
            continue;
        };
        let Some(map) = &known.segment.map else {
            if known.path.ends_with(".ts") {
                let opens = content.opens_with_tables;
                report.check("ts_segments_open_with_their_tables", opens, || known.path.clone());
            }
            in_bytes(report, ground, rendition, *msn, content);
            continue;
        };
        let Some(init) = init_of(ground, map) else { continue };
        let Some(runs) = well_formed(report, &known.path, content, init) else { continue };
        if known.segment.discontinuity {
            next.broken(report, known, init);
        }
        let gap_s = gap_s(rendition, *msn);
        if gap_s > 0.0 {
            // What is missing has no timestamps to continue.
            next = Continuation::default();
        } else {
            next.go_on(report, known, init, &runs);
        }
        // The segment that a live ends in may be listed whole without its parts, the last of which
        // nobody was told of, be it a gap.
        let is_told = rendition.segments.range(msn + 1..).next().is_some()
            || all_told(rendition, *msn, known);
        let parts = loaded_parts(report, ground, rendition, *msn, init).filter(|_| is_told);
        segment(report, known, init, &runs, is_told.then_some(gap_s));
        if let Some(parts) = parts {
            whole(report, known, content, &runs, &parts);
        }
    }
}

/// Where each track goes on.
#[derive(Default)]
struct Continuation {
    decode_times: BTreeMap<u32, u64>,
    init: Option<Init>,
}

impl Continuation {
    /// A discontinuity was announced.
    fn broken(&mut self, report: &mut Report, known: &Known, init: &Init) {
        if let Some(before) = self.init.take()
            && before != *init
        {
            report.check("another_encoding_is_a_discontinuity", true, || known.path.clone());
        }
        self.decode_times.clear();
    }

    fn go_on(&mut self, report: &mut Report, known: &Known, init: &Init, runs: &[Run]) {
        if let Some(before) = &self.init {
            let same = before == init;
            report.check("another_encoding_is_a_discontinuity", same, || {
                format!("{}: {before:?}, then {init:?}", known.path)
            });
            if !same {
                self.decode_times.clear();
            }
        }
        for run in runs {
            if let Some(expected) = self.decode_times.get(&run.track) {
                let track = init.tracks.get(&run.track);
                let slip = track.map_or(0, |track| u64::from(track.handler == "soun"));
                let holds = expected.abs_diff(run.decode_time) <= slip * SLIP_TICKS;
                report.check("media_continues_from_segment_to_segment", holds, || {
                    let Run { track, decode_time, .. } = run;
                    format!("{}: track {track} at {decode_time}, not {expected}", known.path)
                });
            }
            self.decode_times.insert(run.track, run.decode_time + run.duration());
        }
        self.init = Some(init.clone());
    }
}

fn maps(report: &mut Report, ground: &Ground<'_>, rendition: &Rendition) {
    let mut paths: Vec<&String> =
        rendition.segments.values().filter_map(|known| known.segment.map.as_ref()).collect();
    paths.sort();
    paths.dedup();
    for path in paths {
        if let Some(content) = ground.loaded(path).and_then(|load| load.content.as_ref()) {
            let init = &content.init;
            report.check("maps_are_well_formed", init.is_ok(), || format!("{path}: {init:?}"));
        }
    }
}

fn init_of<'a>(ground: &Ground<'a>, path: &str) -> Option<&'a Init> {
    let loads = ground.loads.get(path)?;
    loads.iter().find_map(|load| load.content.as_ref()?.init.as_ref().ok())
}

fn well_formed(
    report: &mut Report,
    path: &str,
    content: &Content,
    init: &Init,
) -> Option<Vec<Run>> {
    let runs = content.fragments.clone().and_then(|all| boxes::resolve(&all, init));
    let error = runs.as_ref().err();
    report.check("fragments_are_well_formed", error.is_none(), || format!("{path}: {error:?}"));
    runs.ok()
}

/// How much of a segment its parts leave out.
fn gap_s(rendition: &Rendition, msn: u64) -> f64 {
    let parts = rendition.parts.range((msn, 0)..(msn + 1, 0)).map(|(_, known)| &known.part);
    parts.filter(|part| part.gap).map(Part::duration_s).sum()
}

/// What a segment must be by itself. Where nobody was told what its parts leave out, it may be more than
/// its samples.
fn segment(report: &mut Report, known: &Known, init: &Init, runs: &[Run], gap_s: Option<f64>) {
    let path = || known.path.clone();
    if let Some(duration_s) = duration_s(init, runs) {
        let duration_s = duration_s + gap_s.unwrap_or(0.0);
        let more_s = known.segment.duration_s() - duration_s;
        // What sounds at the end of all, in a part without pictures, may count.
        let beyond_s = beyond_s(init, runs).unwrap_or(0.0).clamp(0.0, LAST_WORD_S);
        let off_s = if gap_s.is_some() { (more_s - beyond_s).max(-more_s) } else { -more_s };
        let holds = off_s <= OFF_S + rounding_s(&known.segment.duration) + EPSILON_S;
        report.check("extinf_is_the_duration_of_the_samples", holds, || {
            format!("{}: {duration_s:.6} s, EXTINF {}", path(), known.segment.duration)
        });
    }
    if let Some((track, _)) = init.video() {
        let pictures: Vec<Sample> = samples_of(runs, track).collect();
        let any = pictures.iter().any(|sample| sample.is_sync);
        report.check("every_segment_has_a_sync_sample", any, path);
        if known.said_independent {
            let first = pictures.first().is_some_and(|sample| sample.is_sync);
            report.check("independent_segments_open_on_a_sync_sample", first, path);
        }
    }
}

struct LoadedPart {
    runs: Vec<Run>,
    digest: Digest,
}

/// All parts of a segment, when all were loaded.
fn loaded_parts(
    report: &mut Report,
    ground: &Ground<'_>,
    rendition: &Rendition,
    msn: u64,
    init: &Init,
) -> Option<Vec<LoadedPart>> {
    let mut all = Vec::new();
    let mut complete = true;
    for (_, part) in rendition.parts.range((msn, 0)..(msn + 1, 0)) {
        let content = ground.loaded(&part.path).and_then(|load| load.content.as_ref());
        let runs = content.and_then(|content| well_formed(report, &part.path, content, init));
        let (Some(content), Some(runs)) = (content, runs) else {
            complete = false;
            continue;
        };
        one_part(report, part, init, &runs);
        all.push(LoadedPart { runs, digest: content.digest });
    }
    // A segment whose first parts were gone when it was first seen has an unknown number of them.
    let first = rendition.parts.range((msn, 0)..(msn + 1, 0)).next();
    let from_the_first = first.is_some_and(|((_, index), _)| *index == 0);
    (complete && from_the_first).then_some(all)
}

/// Whether the parts that were listed of a segment are as long as it is.
fn all_told(rendition: &Rendition, msn: u64, known: &Known) -> bool {
    let parts = rendition.parts.range((msn, 0)..(msn + 1, 0));
    let told_s: f64 = parts.map(|(_, part)| part.part.duration_s()).sum();
    told_s + EPSILON_S >= known.segment.duration_s()
}

fn one_part(report: &mut Report, part: &KnownPart, init: &Init, runs: &[Run]) {
    let path = || part.path.clone();
    if let Some((track, _)) = init.video() {
        let any = samples_of(runs, track).any(|sample| sample.is_sync);
        if part.part.independent {
            report.check("independent_parts_hold_a_sync_sample", any, path);
        } else {
            report.check("parts_with_a_sync_sample_are_independent", !any, path);
        }
    }
    if let Some(duration_s) = duration_s(init, runs) {
        let off_s = (duration_s - part.part.duration_s()).abs();
        let holds = off_s <= OFF_S + rounding_s(&part.part.duration) + EPSILON_S;
        report.check("part_duration_is_that_of_its_samples", holds, || {
            format!("{}: {duration_s:.6} s, DURATION {}", path(), part.part.duration)
        });
    }
}

/// A segment against its parts.
fn whole(
    report: &mut Report,
    known: &Known,
    content: &Content,
    runs: &[Run],
    parts: &[LoadedPart],
) {
    let by_track = |runs: &mut dyn Iterator<Item = &Run>| {
        let mut tracks: BTreeMap<u32, (u64, Vec<Sample>)> = BTreeMap::new();
        for run in runs {
            let track = tracks.entry(run.track).or_insert_with(|| (run.decode_time, Vec::new()));
            track.1.extend(&run.samples);
        }
        tracks
    };
    let of_segment = by_track(&mut runs.iter());
    let of_parts = by_track(&mut parts.iter().flat_map(|part| &part.runs));
    let same = of_segment == of_parts;
    report.check("parts_hold_the_samples_of_their_segment", same, || known.path.clone());
    if same {
        let joined = parts.iter().fold(Digest::default(), |all, part| all.then(part.digest));
        let same = joined == content.digest;
        report.check("parts_are_the_bytes_of_their_segment", same, || known.path.clone());
    }
}

/// A segment that is not fMP4 against its parts.
fn in_bytes(
    report: &mut Report,
    ground: &Ground<'_>,
    rendition: &Rendition,
    msn: u64,
    content: &Content,
) {
    let parts = rendition.parts.range((msn, 0)..(msn + 1, 0));
    let digests: Option<Vec<Digest>> =
        parts.map(|(_, part)| Some(ground.loaded(&part.path)?.content.as_ref()?.digest)).collect();
    let has_first = rendition.parts.contains_key(&(msn, 0));
    if let Some(digests) = digests.filter(|_| has_first) {
        let joined = digests.into_iter().fold(Digest::default(), Digest::then);
        let same = joined == content.digest;
        report.check("parts_are_the_bytes_of_their_segment", same, || format!("MSN {msn}"));
    }
}

/// The duration of the track that EXTINF speaks of.
fn duration_s(init: &Init, runs: &[Run]) -> Option<f64> {
    let (id, track) = init.main_track()?;
    let ticks: u64 = runs.iter().filter(|run| run.track == id).map(Run::duration).sum();
    (ticks > 0).then(|| ticks as f64 / f64::from(track.timescale))
}

/// The longest part without pictures at the end of a publication.
const LAST_WORD_S: f64 = 0.25;

/// How far the longest track reaches beyond the one that EXTINF speaks of, where the last part has
/// nothing of that one.
fn beyond_s(init: &Init, runs: &[Run]) -> Option<f64> {
    let (main, _) = init.main_track()?;
    if !matches!(runs, [.., one, other] if one.track != main && other.track != main) {
        return None;
    }
    let end_s = |run: &Run| {
        let timescale = init.tracks.get(&run.track)?.timescale;
        Some((run.decode_time + run.duration()) as f64 / f64::from(timescale))
    };
    let of_main = runs.iter().filter(|run| run.track == main).filter_map(end_s);
    let main_s = of_main.fold(f64::NEG_INFINITY, f64::max);
    let all_s = runs.iter().filter_map(end_s).fold(f64::NEG_INFINITY, f64::max);
    Some(all_s - main_s)
}

fn samples_of(runs: &[Run], track: u32) -> impl Iterator<Item = Sample> {
    let of_track = runs.iter().filter(move |run| run.track == track);
    of_track.flat_map(|run| run.samples.iter().copied())
}
