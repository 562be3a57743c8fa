//! What each clause tests.
//!
//! Here: one check for each name in the table of clauses. Checks on one answer run before the witness
//! learns from it, so that memory is what came before; checks on the whole run come at its end. Not
//! here: how things are read or remembered.

mod blocking;
mod control;
mod dates;
mod delivery;
mod delta;
mod edge;
mod hints;
mod listing;
mod loads;
mod parts;
mod renditions;
mod samples;
mod variants;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

pub use blocking::blocking;
pub use delivery::delivery;
pub use listing::numbers_from;
pub use parts::first_index;
pub use variants::multivariant;

use super::exchange::Exchange;
use super::memory::{Load, Rendition};
use super::playlist::{Fault, Media};
use super::report::Report;
use super::witness::{MultivariantSeen, Settings};

/// Slack for sums of decimal numbers.
const EPSILON_S: f64 = 1e-6;

/// A media playlist that came, and what is needed to judge it.
pub struct Answer<'a> {
    /// How it came.
    pub exchange: &'a Exchange,
    /// What it says.
    pub media: &'a Media,
    /// The other media playlists of its multivariant playlist.
    pub others: &'a [String],
    /// What is allowed.
    pub settings: Settings,
}

/// Everything that was seen.
pub struct Ground<'a> {
    /// What is allowed.
    pub settings: Settings,
    /// When nothing could be in time.
    pub silences: &'a [(Duration, Duration)],
    /// By the path of their media playlist.
    pub renditions: &'a BTreeMap<String, Rendition>,
    /// In order.
    pub multivariants: &'a [MultivariantSeen],
    /// By path.
    pub loads: &'a HashMap<String, Vec<Load>>,
    /// Whether the live was ended.
    pub must_end: bool,
}

impl Ground<'_> {
    /// Whether two media playlists are of one multivariant playlist.
    fn are_together(&self, one: &str, other: &str) -> bool {
        self.multivariants.iter().any(|seen| {
            let paths = seen.media_playlists();
            [one, other].iter().all(|path| paths.iter().any(|listed| listed == path))
        })
    }

    /// Whether nothing could be in time at some time between two moments.
    fn was_silent(&self, from: Duration, until: Duration) -> bool {
        overlaps(self.silences, from, until)
    }

    /// The first whole answer under a path.
    fn loaded(&self, path: &str) -> Option<&Load> {
        self.loads.get(path)?.iter().find(|load| load.content.is_some())
    }
}

/// Whether one of these spans has a moment between two others.
pub fn overlaps(spans: &[(Duration, Duration)], from: Duration, until: Duration) -> bool {
    spans.iter().any(|(start, end)| *start < until && from < *end)
}

/// Judges a media playlist. False when its numbers contradict what was seen before, so that nothing
/// should be learnt from it.
pub fn playlist(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) -> bool {
    let before = report.violations();
    let media = answer.media;
    text(report, answer.exchange, &media.faults, SYNTAX);
    let (least, most) = media.version_called_for;
    version(report, answer.exchange, media.version, least, most);
    if !listing::listing(report, answer, rendition) {
        return false;
    }
    dates::dates(report, answer, rendition);
    parts::parts(report, answer, rendition);
    control::control(report, answer, rendition);
    hints::hints(report, answer, rendition);
    delta::delta(report, answer, rendition);
    // What another clause has found wrong makes two playlists of one state differ, too.
    if media.skip.is_none() && report.violations() == before {
        same_edge(report, answer, rendition);
    }
    true
}

/// Judges the whole run.
pub fn whole_run(report: &mut Report, ground: &Ground<'_>) {
    for rendition in ground.renditions.values() {
        edge::pace(report, ground, rendition);
        edge::end(report, ground, rendition);
        delta::whole_run(report, rendition);
        hints::whole_run(report, ground, rendition);
        loads::whole_run(report, ground, rendition);
        samples::whole_run(report, ground, rendition);
    }
    loads::strangers(report, ground);
    variants::whole_run(report, ground);
    renditions::whole_run(report, ground);
}

/// Clauses on the text of any playlist; a text without their fault keeps them.
const TEXT: &[&str] = &[
    "extm3u_is_the_first_line",
    "attribute_lists_are_well_formed",
    "required_attributes_are_there",
    "version_appears_once",
];

/// Clauses on the text of a media playlist.
const SYNTAX: &[&str] = &[
    "playlist_is_plain_utf8",
    "extm3u_is_the_first_line",
    "attribute_lists_are_well_formed",
    "required_attributes_are_there",
    "version_appears_once",
    "media_playlist_tags_appear_once",
    "every_segment_has_extinf",
    "sequence_numbers_stand_before_the_first_segment",
];

fn text(report: &mut Report, exchange: &Exchange, faults: &[Fault], clauses: &[&'static str]) {
    for name in clauses {
        let fault = faults.iter().find(|(clause, _)| clause == name);
        report.check(name, fault.is_none(), || {
            format!("{}: {}", exchange.what(), fault.map_or("", |(_, words)| words))
        });
    }
}

fn version(report: &mut Report, exchange: &Exchange, said: Option<u64>, least: u64, most: u64) {
    let version = said.unwrap_or(1);
    let words = || format!("{}: {said:?}, called for: {least}..={most}", exchange.what());
    report.check("version_is_high_enough", version >= least, words);
    report.check("version_is_no_higher_than_needed", version <= most, words);
}

fn same_edge(report: &mut Report, answer: &Answer<'_>, rendition: &Rendition) {
    let media = answer.media;
    let key = (media.media_sequence.unwrap_or(0), media.edge(), media.ended);
    let Some(known) = rendition.wholes.get(&key) else { return };
    let canon = rendition.canon(media);
    // Date ranges and hints of a map come and go between segments.
    let map_hint = |words: &&String| !words.contains("kind: \"MAP\"");
    let rest = |rest: &[String]| rest.iter().filter(map_hint).cloned().collect::<Vec<_>>();
    let same = canon.segments == known.segments && rest(&canon.rest) == rest(&known.rest);
    report.check("same_edge_same_playlist", same, || {
        format!("{}\n{known:#?}\nthen\n{canon:#?}", answer.exchange.what())
    });
}
