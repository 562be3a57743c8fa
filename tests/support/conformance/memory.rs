//! What a witness remembers of one rendition, and of the resources it names.
//!
//! Here: what was seen when, and between which bounds it must have happened. Not here: whether it may
//! (`clauses`).

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::attributes::Attributes;
use super::boxes::{self, Fragment, Init};
use super::exchange::{Asked, Exchange, resolve};
use super::playlist::{Edge, Media, Part, Segment};

/// A request that took longer than this, with `_HLS_msn`, was held: its answer tells when its edge
/// came.
const HELD: Duration = Duration::from_millis(30);

/// Bounds of a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Seen {
    /// It was not before this.
    pub not_before: Duration,
    /// It was by then.
    pub by: Duration,
}

/// The state of a playlist in one answer, and the furthest of all answers until then.
#[derive(Debug, Clone, Copy, Default)]
pub struct Snapshot {
    /// When it was asked for.
    pub sent: Duration,
    /// When it was there.
    pub received: Duration,
    /// Its first MSN.
    pub media_sequence: u64,
    /// Its `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: u64,
    /// Its edge.
    pub edge: Edge,
    /// Whether it has ended.
    pub ended: bool,
    /// The furthest so far of the four above.
    pub furthest: State,
}

/// How far a playlist has come.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct State {
    /// The greatest first MSN.
    pub media_sequence: u64,
    /// The greatest discontinuity sequence.
    pub discontinuity_sequence: u64,
    /// The furthest edge.
    pub edge: Edge,
    /// Whether it ended.
    pub ended: bool,
}

/// A segment as it was first listed.
#[derive(Debug, Clone)]
pub struct Known {
    /// Its path.
    pub path: String,
    /// As listed first, the map resolved.
    pub segment: Segment,
    /// Its discontinuity sequence number.
    pub number: u64,
    /// When it came into the list.
    pub seen: Seen,
    /// When the newest answer that lists it was asked for.
    pub last_listed: Duration,
    /// When the first answer came that lists it no more.
    pub removed_by: Option<Duration>,
    /// The longest playlist that lists it, in seconds.
    pub longest_s: f64,
    /// Whether a playlist said of it that it is independent.
    pub said_independent: bool,
}

/// A part as it was first listed.
#[derive(Debug, Clone)]
pub struct KnownPart {
    /// Its path.
    pub path: String,
    /// As listed first.
    pub part: Part,
    /// Path of the map that applies.
    pub map: Option<String>,
    /// When it came into the list.
    pub seen: Seen,
    /// When the newest answer that lists it was asked for.
    pub last_listed: Duration,
    /// When the first answer came that lists it no more.
    pub removed_by: Option<Duration>,
}

/// Hints given at one edge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hinted {
    /// Path of the part.
    pub part: Option<String>,
    /// Path of the map.
    pub map: Option<String>,
}

/// A rendition report.
#[derive(Debug, Clone)]
pub struct Reported {
    /// When the report was there.
    pub received: Duration,
    /// The media playlist it speaks of.
    pub of: String,
    /// `LAST-MSN`.
    pub msn: u64,
    /// `LAST-PART`.
    pub part: Option<usize>,
    /// For the report on the report.
    pub words: String,
}

/// A date range of a playlist.
#[derive(Debug, Clone, Copy, Default)]
pub struct DateRangeSeen {
    /// When it was listed first.
    pub by: Duration,
    /// When an answer came without it.
    pub gone: Option<Seen>,
    /// Sent, of the newest answer with it.
    pub last_listed: Duration,
}

/// What one playlist said, in a form that may be compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Canon {
    /// Its segments, by MSN, skipped ones left out.
    pub segments: BTreeMap<u64, String>,
    /// Everything else that its edge determines.
    pub rest: Vec<String>,
    /// Its date ranges.
    pub dateranges: Vec<Vec<(String, String)>>,
    /// Its version.
    pub version: u64,
}

/// Which state of a playlist: first MSN, edge, end.
pub type Key = (u64, Edge, bool);

/// One rendition.
#[derive(Debug, Default)]
pub struct Rendition {
    /// Path of its media playlist.
    pub path: String,
    /// Its target duration, as first said.
    pub target_s: Option<u64>,
    /// Its part target, as first said.
    pub part_target_s: Option<f64>,
    /// Whether it ever had `EXT-X-INDEPENDENT-SEGMENTS` of its own.
    pub says_independent: bool,
    /// Its server control, as first said.
    pub control: Option<Attributes>,
    /// The first MSN of the first answer.
    pub first_msn: Option<u64>,
    /// When the newest request of an answer until now went out.
    pub newest_request: Duration,
    /// Every answer.
    pub snapshots: Vec<Snapshot>,
    /// Every segment.
    pub segments: BTreeMap<u64, Known>,
    /// Every part.
    pub parts: BTreeMap<(u64, usize), KnownPart>,
    /// Segments by path.
    pub msn_of: HashMap<String, u64>,
    /// Parts by path.
    pub part_of: HashMap<String, (u64, usize)>,
    /// Hints by the edge at which they were given.
    pub hints: HashMap<Edge, Vec<Hinted>>,
    /// Paths ever hinted.
    pub hinted: HashMap<String, Duration>,
    /// Rendition reports in it.
    pub reported: Vec<Reported>,
    /// Date ranges by their ID.
    pub dateranges: BTreeMap<String, DateRangeSeen>,
    /// Date ranges as they were said first.
    pub dateranges_said: BTreeMap<String, Attributes>,
    /// Whole playlists by their state.
    pub wholes: HashMap<Key, Canon>,
    /// Delta updates that wait for the whole of their state.
    pub deltas: Vec<(Key, Canon, bool, String)>,
}

impl Rendition {
    /// How far it had come in answers that were there at `at`.
    pub fn state_at(&self, at: Duration) -> Option<State> {
        let count = self.snapshots.partition_point(|snapshot| snapshot.received <= at);
        Some(self.snapshots.get(count.checked_sub(1)?)?.furthest)
    }

    /// How far it has come.
    pub fn state(&self) -> State {
        self.snapshots.last().map(|snapshot| snapshot.furthest).unwrap_or_default()
    }

    /// How many parts a segment is known to have.
    pub fn parts_of(&self, msn: u64) -> usize {
        self.parts.range((msn, 0)..(msn + 1, 0)).count()
    }

    /// Whether segments left the list since the first answer.
    pub fn removed_at(&self, media_sequence: u64) -> bool {
        self.first_msn.is_some_and(|first| media_sequence > first)
    }

    /// Whether an edge holds segment `msn`, or its part `part` (§6.2.5.2).
    pub fn holds(&self, edge: Edge, msn: u64, part: Option<usize>) -> bool {
        let Some(part) = part else { return edge.open > msn };
        if edge.open == msn {
            return edge.parts > part;
        }
        // Past the last part of a segment is part 0 of the next one.
        let count = self.parts_of(msn);
        edge.open > msn && (count == 0 || part < count || edge.open > msn + 1 || edge.parts > 0)
    }

    /// When the answer could first have held what came new with it.
    pub fn seen(&self, exchange: &Exchange) -> Seen {
        let held = exchange.directives().msn.is_some() && exchange.took() > HELD;
        let not_before = if held { exchange.received } else { self.newest_request };
        Seen { not_before: not_before.min(exchange.received), by: exchange.received }
    }

    /// The map that applies to a segment of `media`, as a path: a delta update leaves out what
    /// skipped segments said.
    pub fn map_of(&self, media: &Media, segment: &Segment) -> Option<String> {
        if let Some(map) = &segment.map {
            return Some(resolve(&self.path, map));
        }
        media.skip.as_ref()?;
        let first = media.segments.first().map_or(segment.msn, |first| first.msn);
        self.segments.get(&first.checked_sub(1)?)?.segment.map.clone()
    }

    /// The durations of everything `media` lists, skipped segments too.
    pub fn durations_s(&self, media: &Media) -> Vec<f64> {
        let first = media.media_sequence.unwrap_or(0);
        let skipped = media.skip.as_ref().map_or(0, |skip| skip.segments);
        let known = |msn| self.segments.get(&msn).map_or(0.0, |known| known.segment.duration_s());
        let skipped = (first..first + skipped).map(known);
        skipped.chain(media.segments.iter().map(Segment::duration_s)).collect()
    }

    /// A form of `media` that may be compared with others of the same edge.
    pub fn canon(&self, media: &Media) -> Canon {
        let words = |segment: &Segment| {
            let map = self.map_of(media, segment);
            format!(
                "{} {} {} discontinuity={} map={map:?} date={:?} gap={} {:?} {:?}",
                segment.msn,
                segment.uri,
                segment.duration,
                segment.discontinuity,
                segment.date,
                segment.gap,
                segment.other_tags,
                segment.parts
            )
        };
        let mut rest = vec![
            format!("{:?} {:?}", media.target_s, media.part_target_s),
            format!("independent={} type={}", media.independent_segments, media.has_type),
            format!("open: {}", words(&media.open)),
        ];
        rest.extend(media.hints.iter().map(|hint| format!("{hint:?}")));
        Canon {
            segments: media.segments.iter().map(|s| (s.msn, words(s))).collect(),
            rest,
            dateranges: media.dateranges.iter().map(Attributes::sorted).collect(),
            version: media.version.unwrap_or(1),
        }
    }
}

/// One answer to a request for media.
#[derive(Debug, Clone)]
pub struct Load {
    /// What was asked.
    pub asked: Asked,
    /// When.
    pub sent: Duration,
    /// When the body began to come.
    pub first_byte: Duration,
    /// When it was there.
    pub received: Duration,
    /// The status.
    pub status: u16,
    /// For the report.
    pub words: String,
    /// The body.
    pub content: Option<Content>,
}

/// A body, by what clauses need of it.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its length.
    pub len: u64,
    /// Its digest.
    pub digest: Digest,
    /// Its fragments, when it is a segment or part of fMP4.
    pub fragments: Result<Vec<Fragment>, String>,
    /// Its tracks, when it is an init segment.
    pub init: Result<Init, String>,
    /// Whether it opens as MPEG-TS should.
    pub opens_with_tables: bool,
}

impl Load {
    /// Reads an answer.
    pub fn of(exchange: &Exchange) -> Self {
        let body = exchange.body.as_slice();
        let content = (exchange.status == 200).then(|| Content {
            len: body.len() as u64,
            digest: Digest::of(body),
            fragments: match exchange.asked {
                Asked::Segment | Asked::Part => boxes::fragments(body),
                _ => Err("not media".into()),
            },
            init: match exchange.asked {
                Asked::Map => boxes::init(body),
                _ => Err("no init segment".into()),
            },
            opens_with_tables: boxes::opens_with_tables(body),
        });
        Self {
            asked: exchange.asked,
            sent: exchange.sent,
            first_byte: exchange.first_byte,
            received: exchange.received,
            status: exchange.status,
            words: exchange.what(),
            content,
        }
    }
}

/// A digest of bytes that can be had of a whole from those of its pieces: a polynomial modulo a prime.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest {
    value: u64,
    /// The base to the power of the length.
    shift: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self { value: 0, shift: 1 }
    }
}

impl Digest {
    const PRIME: u128 = (1 << 61) - 1;
    const BASE: u64 = 0x0bad_5eed_cafe_f00d;

    /// Of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        bytes.iter().fold(Self::default(), |digest, byte| {
            digest.then(Self { value: u64::from(*byte) + 1, shift: Self::BASE })
        })
    }

    /// Of these bytes and then `next`.
    pub fn then(self, next: Self) -> Self {
        let value = times(self.value, next.shift) + u128::from(next.value);
        Self {
            value: u64::try_from(value % Self::PRIME).expect("less than the prime"),
            shift: u64::try_from(times(self.shift, next.shift)).expect("less than the prime"),
        }
    }
}

fn times(a: u64, b: u64) -> u128 {
    u128::from(a) * u128::from(b) % Digest::PRIME
}
