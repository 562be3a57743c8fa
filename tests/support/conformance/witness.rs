//! Follows one live as its viewers see it, and puts every clause to the test.
//!
//! Here: the order of things: what an answer is about, which clauses look at it, what is remembered of
//! it. Not here: the clauses (`clauses`), the requests (`client`).

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use super::clauses::{self, Ground};
use super::exchange::{Asked, Exchange, SkipAsked, bare, resolve};
use super::memory::{
    DateRangeSeen, Hinted, Known, KnownPart, Load, Rendition, Reported, Seen, Snapshot, State,
};
use super::multivariant::Multivariant;
use super::playlist::{Media, Part, Segment};
use super::report::Report;

/// What is allowed for what the draft does not bound.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How late media may come on the way from the encoder: its own jitter, and this machine's.
    pub allowance: Duration,
    /// What "at once" means for an answer.
    pub prompt: Duration,
    /// What the full speed of the link means for one part.
    pub full_speed: Duration,
    /// Whether the server knows of another map before it has media for it: an encoder that changes its
    /// mind tells nobody beforehand, and a hint that was given stands.
    pub changes_are_planned: bool,
}

/// A multivariant playlist and when it was seen.
#[derive(Debug, Clone)]
pub struct MultivariantSeen {
    /// Its path.
    pub path: String,
    /// When it was asked for.
    pub sent: Duration,
    /// When it was there.
    pub received: Duration,
    /// What it says.
    pub playlist: Multivariant,
    /// For the report.
    pub words: String,
}

impl MultivariantSeen {
    /// The paths of all media playlists in it, without the queries, which each viewer has his own of.
    pub fn media_playlists(&self) -> Vec<String> {
        let urls = self.playlist.media_playlists(&self.path);
        let unique: BTreeSet<String> = urls.iter().map(|url| bare(url).to_owned()).collect();
        unique.into_iter().collect()
    }
}

/// The memory of a run.
#[derive(Debug)]
pub struct Witness {
    settings: Settings,
    report: Report,
    multivariants: Vec<MultivariantSeen>,
    renditions: BTreeMap<String, Rendition>,
    loads: HashMap<String, Vec<Load>>,
    silences: Vec<(Duration, Duration)>,
    must_end: bool,
}

impl Witness {
    /// A witness who has seen nothing.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            report: Report::default(),
            multivariants: Vec::new(),
            renditions: BTreeMap::new(),
            loads: HashMap::new(),
            silences: Vec::new(),
            must_end: false,
        }
    }

    /// Nothing could be in time between these moments: the encoder sent nothing, or the machine that
    /// watches had stalled.
    pub fn silence(&mut self, from: Duration, until: Duration) {
        self.silences.push((from, until));
    }

    /// The live was ended: its playlists must say so.
    pub fn ended(&mut self) {
        self.must_end = true;
    }

    /// Takes one observation; they come in the order in which they were received.
    pub fn observe(&mut self, exchange: &Exchange) {
        let target_s = self.target_s(&exchange.path);
        let rendition = self.renditions.get(&exchange.path);
        clauses::delivery(&mut self.report, exchange, target_s, rendition);
        match exchange.asked {
            Asked::Multivariant => self.multivariant(exchange),
            Asked::Playlist => self.playlist(exchange),
            Asked::Segment | Asked::Part | Asked::Map => {
                let load = Load::of(exchange);
                self.loads.entry(exchange.path.clone()).or_default().push(load);
            }
        }
    }

    /// What only the whole run can tell, and the report.
    pub fn finish(mut self) -> Report {
        let ground = Ground {
            settings: self.settings,
            silences: &self.silences,
            renditions: &self.renditions,
            multivariants: &self.multivariants,
            loads: &self.loads,
            must_end: self.must_end,
        };
        clauses::whole_run(&mut self.report, &ground);
        self.report
    }

    /// The target duration that caching is reckoned by: of this playlist, else of any.
    fn target_s(&self, path: &str) -> Option<u64> {
        let own = self.renditions.get(path).and_then(|rendition| rendition.target_s);
        own.or_else(|| self.renditions.values().find_map(|rendition| rendition.target_s))
    }

    fn multivariant(&mut self, exchange: &Exchange) {
        if exchange.status != 200 {
            return;
        }
        let playlist = Multivariant::parse(&exchange.text());
        clauses::multivariant(&mut self.report, exchange, &playlist);
        self.multivariants.push(MultivariantSeen {
            path: exchange.path.clone(),
            sent: exchange.sent,
            received: exchange.received,
            playlist,
            words: exchange.what(),
        });
    }

    fn playlist(&mut self, exchange: &Exchange) {
        let media = (exchange.status == 200).then(|| Media::parse(&exchange.text()));
        if let Some(media) = &media {
            let others = self.others(&exchange.path);
            let multivariant = self.multivariants.last().map(|seen| &seen.playlist);
            let says = multivariant.is_some_and(|playlist| playlist.independent_segments);
            let rendition = self.renditions.entry(exchange.path.clone()).or_default();
            rendition.path.clone_from(&exchange.path);
            let sound = clauses::playlist(
                &mut self.report,
                &clauses::Answer { exchange, media, others: &others, settings: self.settings },
                rendition,
            );
            if sound {
                learn(rendition, exchange, media, says);
            }
        }
        if let Some(rendition) = self.renditions.get(&exchange.path) {
            let timed = !clauses::overlaps(&self.silences, exchange.sent, exchange.received);
            let settings = self.settings;
            let media = media.as_ref();
            clauses::blocking(&mut self.report, exchange, media, rendition, settings, timed);
        }
    }

    /// The other media playlists of the same multivariant playlist.
    fn others(&self, path: &str) -> Vec<String> {
        let newest = self.multivariants.iter().rev().map(MultivariantSeen::media_playlists);
        let mut own = newest.filter(|paths| paths.iter().any(|other| other == path));
        own.next().unwrap_or_default().into_iter().filter(|other| other != path).collect()
    }
}

/// Remembers what a playlist says.
fn learn(rendition: &mut Rendition, exchange: &Exchange, media: &Media, independent: bool) {
    let seen = rendition.seen(exchange);
    rendition.target_s = rendition.target_s.or(media.target_s);
    rendition.part_target_s = rendition.part_target_s.or(media.part_target_s);
    if rendition.control.is_none() {
        rendition.control.clone_from(&media.control);
    }
    rendition.says_independent |= media.independent_segments;
    let media_sequence = media.media_sequence.unwrap_or(0);
    rendition.first_msn.get_or_insert(media_sequence);
    learn_segments(rendition, exchange, media, seen, independent);
    learn_parts(rendition, exchange, media, seen);
    learn_departures(rendition, exchange, media);
    learn_hints(rendition, exchange, media);
    learn_dateranges(rendition, exchange, media);

    let edge = media.edge();
    let key = (media_sequence, edge, media.ended);
    let canon = rendition.canon(media);
    if media.skip.is_some() {
        let of_ranges = exchange.directives().skip == Some(SkipAsked::SegmentsAndDateRanges);
        rendition.deltas.push((key, canon, of_ranges, exchange.what()));
    } else {
        rendition.wholes.entry(key).or_insert(canon);
    }
    let discontinuity_sequence = media.discontinuity_sequence.unwrap_or(0);
    let before = rendition.state();
    rendition.newest_request = rendition.newest_request.max(exchange.sent);
    rendition.snapshots.push(Snapshot {
        sent: exchange.sent,
        received: exchange.received,
        media_sequence,
        discontinuity_sequence,
        edge,
        ended: media.ended,
        furthest: State {
            media_sequence: before.media_sequence.max(media_sequence),
            discontinuity_sequence: before.discontinuity_sequence.max(discontinuity_sequence),
            edge: before.edge.max(edge),
            ended: before.ended || media.ended,
        },
    });
}

fn learn_segments(
    rendition: &mut Rendition,
    exchange: &Exchange,
    media: &Media,
    seen: Seen,
    independent: bool,
) {
    let duration_s: f64 = rendition.durations_s(media).iter().sum();
    let mut number = clauses::numbers_from(rendition, media);
    for segment in &media.segments {
        number += u64::from(segment.discontinuity);
        let path = resolve(&rendition.path, &segment.uri);
        let map = rendition.map_of(media, segment);
        rendition.msn_of.entry(path.clone()).or_insert(segment.msn);
        let known = rendition.segments.entry(segment.msn).or_insert_with(|| Known {
            path,
            segment: Segment { map, parts: Vec::new(), ..segment.clone() },
            number,
            seen,
            last_listed: exchange.sent,
            removed_by: None,
            longest_s: 0.0,
            said_independent: false,
        });
        known.said_independent |= media.independent_segments || independent;
    }
    let first = media.media_sequence.unwrap_or(0);
    for (_, known) in rendition.segments.range_mut(first..media.edge().open) {
        known.last_listed = known.last_listed.max(exchange.sent);
        known.longest_s = known.longest_s.max(duration_s);
    }
}

fn learn_parts(rendition: &mut Rendition, exchange: &Exchange, media: &Media, seen: Seen) {
    for segment in media.segments.iter().chain([&media.open]) {
        let map = rendition.map_of(media, segment);
        let first = clauses::first_index(rendition, segment);
        for (index, part) in (first..).zip(&segment.parts) {
            let path = part_path(rendition, part);
            rendition.part_of.entry(path.clone()).or_insert((segment.msn, index));
            let known = rendition.parts.entry((segment.msn, index)).or_insert_with(|| KnownPart {
                path,
                part: part.clone(),
                map: map.clone(),
                seen,
                last_listed: exchange.sent,
                removed_by: None,
            });
            known.last_listed = known.last_listed.max(exchange.sent);
        }
    }
}

fn part_path(rendition: &Rendition, part: &Part) -> String {
    // Parts of one resource are told apart by their range.
    let range = part.byte_range.as_ref().map_or(String::new(), |range| format!("#{range}"));
    resolve(&rendition.path, &part.uri) + &range
}

/// Notes what a playlist lists no more. Answers older than that may still come in.
fn learn_departures(rendition: &mut Rendition, exchange: &Exchange, media: &Media) {
    let first = media.media_sequence.unwrap_or(0);
    for (_, known) in rendition.segments.range_mut(..first) {
        known.removed_by.get_or_insert(exchange.received);
    }
    if media.skip.is_some() {
        return;
    }
    let listed = media.segments.iter().chain([&media.open]);
    let oldest = listed
        .filter(|segment| !segment.parts.is_empty())
        .map(|segment| (segment.msn, clauses::first_index(rendition, segment)));
    let oldest = oldest.min().unwrap_or((media.edge().open, 0));
    for (_, known) in rendition.parts.range_mut(..oldest) {
        known.removed_by.get_or_insert(exchange.received);
    }
}

fn learn_hints(rendition: &mut Rendition, exchange: &Exchange, media: &Media) {
    let path = |kind| media.hint(kind).map(|hint| resolve(&rendition.path, &hint.uri));
    let hinted = Hinted { part: path("PART"), map: path("MAP") };
    for path in hinted.part.iter().chain(&hinted.map) {
        rendition.hinted.entry(path.clone()).or_insert(exchange.received);
    }
    let known = rendition.hints.entry(media.edge()).or_default();
    if hinted != Hinted::default() && !known.contains(&hinted) {
        known.push(hinted);
    }
    let own = media.edge();
    for report in &media.reports {
        let Some(uri) = report.quoted("URI") else { continue };
        // What is the same as in this playlist may be left out (§4.4.5.4).
        let parts_before = rendition.parts_of(own.open.saturating_sub(1));
        let (own_msn, own_part) = match own.parts {
            0 => (own.open.saturating_sub(1), parts_before.checked_sub(1)),
            parts => (own.open, Some(parts - 1)),
        };
        let part = report.integer("LAST-PART").and_then(|part| usize::try_from(part).ok());
        rendition.reported.push(Reported {
            received: exchange.received,
            of: resolve(&rendition.path, uri),
            msn: report.integer("LAST-MSN").unwrap_or(own_msn),
            part: part.or(own_part),
            words: exchange.what(),
        });
    }
}

fn learn_dateranges(rendition: &mut Rendition, exchange: &Exchange, media: &Media) {
    let mut listed = Vec::new();
    for range in &media.dateranges {
        let Some(id) = range.quoted("ID") else { continue };
        listed.push(id);
        rendition.dateranges_said.entry(id.to_owned()).or_insert_with(|| range.clone());
        let seen = rendition
            .dateranges
            .entry(id.to_owned())
            .or_insert(DateRangeSeen { by: exchange.received, ..DateRangeSeen::default() });
        seen.last_listed = seen.last_listed.max(exchange.sent);
    }
    let skips_ranges = exchange.directives().skip == Some(SkipAsked::SegmentsAndDateRanges);
    if media.skip.is_some() && skips_ranges {
        return;
    }
    for (id, seen) in &mut rendition.dateranges {
        if !listed.contains(&id.as_str()) && seen.last_listed <= exchange.sent {
            let gone = Seen { not_before: seen.last_listed, by: exchange.received };
            seen.gone.get_or_insert(gone);
        }
    }
}
