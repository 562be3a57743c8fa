//! A recording, or a part of it, as one MP4 that is written nowhere.
//!
//! Here: which segments it is made of, and where each of its bytes comes from. Not here: its tables
//! (`packager::film`), how many are kept (`library`), HTTP (`delivery`).
//!
//! To make the tables all segments are read once, so that what is damaged is known before a length is told, and
//! is left out with what needs it. What is kept is the head of the file and where the rest lies.

use std::{collections::HashMap, ops::Range, sync::Arc};

use bytes::Bytes;
use media::SoundNumber;
use packager::{
    Rendition,
    film::{Declared, Piece, Tables, Take, keys},
};

use crate::{
    Error, Library, Recording,
    recording::{InitName, Open},
};

/// Most bytes that the tables of one film may take: those of a live of two days.
const TABLES_MAX_BYTES: usize = 128 * 1024 * 1024;
/// Segments that are read in one go, before others have their turn.
const GO: usize = 8;
/// How far from where a clip was asked to begin or to end its keyframe may be. Encoders send one every two seconds, some
/// every ten; all up to it is read before, and is in the clip.
const KEYFRAME_WITHIN_US: u64 = 30_000_000;

/// A recording as one MP4: `ftyp` and `moov` first, then one `mdat`.
#[derive(Debug)]
pub struct Film {
    recording: Arc<Recording>,
    head: Bytes,
    extents: Vec<Extent>,
    /// Bytes that lie in no segment.
    made: Vec<Bytes>,
    len: u64,
    etag: String,
    left_out: usize,
}

/// Bytes that lie side by side in a film, and where they come from.
#[derive(Debug, Clone, Copy)]
struct Extent {
    /// Where they begin in the film, after its head.
    out: u64,
    of: Of,
    /// Where they lie in that.
    at: u32,
    len: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Segment(u32, Rendition),
    /// One of [`Film::made`].
    Made(u32),
}

impl Film {
    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes, which never happens.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Its entity tag: another one for every other sequence of bytes.
    pub fn etag(&self) -> &str {
        &self.etag
    }

    /// Segments that were left out because something of them is damaged.
    pub fn left_out(&self) -> usize {
        self.left_out
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn held_bytes(&self) -> usize {
        let made = self.made.len() * 128;
        self.head.len() + size_of_val(&*self.extents) + made
    }

    /// Something to read it with.
    pub fn reel(self: Arc<Self>) -> Reel {
        Reel { film: self, open: None }
    }
}

/// Reads one film, best from front to back. Reading blocks.
#[derive(Debug)]
pub struct Reel {
    film: Arc<Film>,
    /// What was read last.
    open: Option<(Of, Open)>,
}

impl Reel {
    /// The most bytes of a head that are given at once.
    const HEAD_PIECE: u64 = 256 * 1024;

    /// Whether some of it is in the bucket: see [`Library::read_from`].
    pub fn is_far(&self) -> bool {
        self.film.recording.is_far()
    }

    /// Bytes from `range.start` on: some, and at most some 256 KiB, as they lie side by side on the disk; none
    /// beyond the end.
    ///
    /// # Errors
    /// As [`Open::read`].
    pub fn read(&mut self, range: Range<u64>) -> Result<Bytes, Error> {
        let Film { recording, head, extents, made, len, .. } = &*self.film;
        let head_len = head.len() as u64;
        let range = range.start..range.end.min(*len);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        if range.start < head_len {
            let end = range.end.min(head_len).min(range.start.saturating_add(Self::HEAD_PIECE));
            let within = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(head.len());
            return Ok(head.slice(within(range.start)..within(end)));
        }
        let (from, until) = (range.start - head_len, range.end - head_len);
        let first = extents.partition_point(|it| it.out <= from).saturating_sub(1);
        let rest = extents.get(first..).unwrap_or_default();
        let extent = rest.first().ok_or(Error::Damaged)?;
        let lies = extent.of;
        let (segment, rendition) = match lies {
            Of::Segment(segment, rendition) => (segment as usize, rendition),
            Of::Made(number) => {
                let bytes = made.get(number as usize).ok_or(Error::Damaged)?;
                let within =
                    |at: u64| usize::try_from(at - extent.out).map(|at| at.min(bytes.len()));
                let (at, end) = (within(from), within(until));
                return Ok(bytes.slice(at.unwrap_or(0)..end.unwrap_or(0)));
            }
        };
        if self.open.as_ref().is_none_or(|(open, _)| *open != lies) {
            let blob = recording.own_bytes(segment, rendition).ok_or(Error::Damaged)?;
            self.open = Some((lies, blob.open()?));
        }
        let (_, open) = self.open.as_ref().ok_or(Error::Damaged)?;
        let start = u64::from(extent.at) + (from - extent.out);
        let piece = open.read(start..u64::MAX)?;
        let mut bytes = Vec::with_capacity(piece.len());
        for extent in rest.iter().take_while(|it| it.of == lies) {
            let skipped = from.saturating_sub(extent.out);
            let wanted = until.saturating_sub(extent.out).min(extent.len.into());
            if skipped >= wanted {
                break;
            }
            let within = |at: u64| usize::try_from(u64::from(extent.at) + at - start);
            let (Ok(at), Ok(end)) = (within(skipped), within(wanted)) else { break };
            let Some(found) = piece.get(at..end.min(piece.len())) else { break };
            bytes.extend_from_slice(found);
            if end > piece.len() {
                break;
            }
        }
        // The place of an extent is within its blob, so that some of it is in the piece.
        if bytes.is_empty() { Err(Error::Damaged) } else { Ok(bytes.into()) }
    }
}

/// A time in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// So many milliseconds after its beginning, as it is played.
    PlayedMs(u64),
    /// When it was live, in Unix milliseconds.
    DateMs(i64),
}

/// Makes a film of segments of a recording, which are added in their order.
struct Maker {
    recording: Arc<Recording>,
    declared: HashMap<InitName, Arc<Declared>>,
    tables: Tables,
    extents: Vec<Extent>,
    made: Vec<Bytes>,
    /// The segment that comes first, whatever it opens on.
    begin: usize,
    /// The one added last.
    last: Option<usize>,
    left_out: usize,
}

/// Segments of a recording, and what is taken of the first stretch of them and of the last.
#[derive(Debug, Clone)]
pub(crate) struct Cut {
    segments: Range<usize>,
    first: Take,
    /// Where the first stretch ends.
    first_until: usize,
    last: Take,
    /// Where the last one begins.
    last_from: usize,
}

impl Library {
    /// Makes a film of a recording, or of a cut of it.
    pub(crate) async fn make_film(
        &self,
        recording: Arc<Recording>,
        cut: Option<Cut>,
    ) -> Result<Film, Error> {
        let cut = cut.unwrap_or_else(|| Cut::whole(&recording));
        let mut maker = Maker::of(recording, cut.segments.start);
        let all = cut.segments.clone();
        let is_far = maker.recording.is_far();
        maker = self.read_from(is_far, move || maker.expect(all)).await?;
        let mut segments = cut.segments.clone();
        while !segments.is_empty() {
            let go: Vec<usize> = segments.by_ref().take(GO).collect();
            let cut = cut.clone();
            let add = move || {
                for at in go {
                    maker.add(at, &cut.take(at))?;
                }
                Ok(maker)
            };
            maker = self.read_from(is_far, add).await?;
            if maker.tables.held_bytes() > TABLES_MAX_BYTES {
                return Err(Error::TooLong);
            }
        }
        self.read_from(is_far, move || maker.finish()).await
    }
}

impl Maker {
    fn of(recording: Arc<Recording>, begin: usize) -> Self {
        Self {
            recording,
            declared: HashMap::new(),
            tables: Tables::default(),
            extents: Vec::new(),
            made: Vec::new(),
            begin,
            last: None,
            left_out: 0,
        }
    }

    /// Looks at what these segments declare.
    fn expect(mut self, segments: Range<usize>) -> Result<Self, Error> {
        for at in segments {
            self.declared(at, Rendition::Source)?;
        }
        self.tables = Tables::of(self.declared.values().map(|declared| &**declared));
        Ok(self)
    }

    /// Adds a segment, if it is whole and can be decoded after what was added before it.
    fn add(&mut self, at: usize, take: &Take) -> Result<(), Error> {
        let follows = at.checked_sub(1) == self.last && !self.recording.begins_stretch(at);
        // Pictures that need some that are not there.
        if !follows && at != self.begin && self.recording.is_dependent(at) {
            self.left_out += 1;
            return Ok(());
        }
        if !follows {
            self.tables.break_off();
        }
        if self.add_sound_or_source(at, Rendition::Source, take)? {
            self.last = Some(at);
        } else {
            self.left_out += 1;
            return Ok(());
        }
        // What is missing of one of the other sounds is silence.
        for number in SoundNumber::all().skip(1) {
            self.add_sound_or_source(at, Rendition::Audio(number), take)?;
        }
        Ok(())
    }

    /// Whether its bytes are whole.
    fn add_sound_or_source(
        &mut self,
        at: usize,
        rendition: Rendition,
        take: &Take,
    ) -> Result<bool, Error> {
        let Some(blob) = self.recording.own_bytes(at, rendition) else { return Ok(false) };
        let number = match rendition {
            Rendition::Audio(number) => number,
            _ => SoundNumber::FIRST,
        };
        let Some(declared) = self.declared(at, rendition)? else { return Ok(false) };
        let bytes = match blob.open()?.read_all() {
            Ok(bytes) => bytes,
            Err(Error::Damaged) => return Ok(false),
            Err(error) => return Err(error),
        };
        let before = self.tables.payload_len();
        let Some(pieces) = self.tables.add(number, &declared, &bytes, take) else {
            return Ok(false);
        };
        let mut out = before;
        let fits = |number: usize| u32::try_from(number).map_err(|_| Error::Damaged);
        let segment = Of::Segment(fits(at)?, rendition);
        for piece in pieces {
            let (of, at, len) = match piece {
                Piece::Stored(span) => (segment, fits(span.start)?, fits(span.len())?),
                Piece::Sets(sets) => {
                    let len = fits(sets.len())?;
                    (Of::Made(fits(self.made(sets))?), 0, len)
                }
            };
            self.extents.push(Extent { out, of, at, len });
            out += u64::from(len);
        }
        Ok(true)
    }

    /// The number of bytes that lie in no segment, which are kept once.
    fn made(&mut self, bytes: Bytes) -> usize {
        let known = self.made.iter().rposition(|made| *made == bytes);
        known.unwrap_or_else(|| {
            self.made.push(bytes);
            self.made.len() - 1
        })
    }

    fn declared(
        &mut self,
        at: usize,
        rendition: Rendition,
    ) -> Result<Option<Arc<Declared>>, Error> {
        let Some((name, blob)) = self.recording.init_of(at, rendition) else { return Ok(None) };
        if let Some(known) = self.declared.get(&name) {
            return Ok(Some(Arc::clone(known)));
        }
        let declared = match blob.open()?.read_all() {
            Ok(bytes) => Declared::read(&bytes),
            Err(Error::Damaged) => None,
            Err(error) => return Err(error),
        };
        let Some(declared) = declared.map(Arc::new) else { return Ok(None) };
        self.declared.insert(name, Arc::clone(&declared));
        Ok(Some(declared))
    }

    fn finish(mut self) -> Result<Film, Error> {
        let first = self.extents.iter().find_map(|extent| match extent.of {
            Of::Segment(segment, _) => Some(segment as usize),
            Of::Made(_) => None,
        });
        let began_ms = self.recording.date_ms(first.ok_or(Error::Empty)?);
        let payload_len = self.tables.payload_len();
        let head = self.tables.head(self.recording.labels(), began_ms);
        let head = head.map_err(|error| {
            tracing::error!(%error, "a recording cannot be told as one file");
            Error::Damaged
        })?;
        self.extents.shrink_to_fit();
        let len = payload_len.saturating_add(head.len() as u64);
        // The head says where each sample lies and how long it is, and segments never change.
        let etag = format!("\"{:08x}-{len:x}\"", crc32fast::hash(&head));
        let Self { recording, extents, made, left_out, .. } = self;
        Ok(Film { recording, head, extents, made, len, etag, left_out })
    }
}

impl Cut {
    fn whole(recording: &Recording) -> Self {
        let segments = 0..recording.segments_count();
        let (first, last) = (Take::ALL, Take::ALL);
        Self { segments, first, first_until: 0, last, last_from: usize::MAX }
    }

    /// The cut that holds `wanted`: from the keyframe at or before its
    /// beginning to the one at or after its end, or to the next break. Blocks.
    ///
    /// # Errors
    /// [`Error::Empty`] where there is nothing then; [`Error::NoKeyframe`] where it would be much longer; those of the
    /// disk.
    pub(crate) fn at_keyframes(
        recording: &Arc<Recording>,
        wanted: Range<When>,
    ) -> Result<Self, Error> {
        let us = |when: When| match when {
            When::PlayedMs(ms) => ms.saturating_mul(1_000),
            When::DateMs(date_ms) => recording.played_us(date_ms),
        };
        if us(wanted.end) <= us(wanted.start) {
            return Err(Error::Empty);
        }
        let mut maker = Maker::of(Arc::clone(recording), 0);
        let (first, into_us) = recording.at_us(us(wanted.start)).ok_or(Error::Empty)?;
        let (begin, from) = maker.key_before(first, into_us)?.unwrap_or((first, Take::ALL));
        let end_us = us(wanted.end).saturating_sub(1);
        let last = recording.at_us(end_us).unwrap_or((recording.segments_count() - 1, u64::MAX));
        let (end, until) = maker.key_after(last.0, last.1.saturating_add(1))?;
        let mut breaks = (begin + 1..=end).filter(|at| recording.begins_stretch(*at));
        let first_until = breaks.clone().next().unwrap_or(end + 1);
        let last_from = breaks.next_back().unwrap_or(begin);
        let segments = begin..end + 1;
        Ok(Self { segments, first: from, first_until, last: until, last_from })
    }

    fn take(&self, at: usize) -> Take {
        let mut take = Take::ALL;
        if at < self.first_until {
            take.pictures.start = self.first.pictures.start;
            take.sound.start = self.first.sound.start;
        }
        if at >= self.last_from {
            take.pictures.end = self.last.pictures.end;
            take.sound.end = self.last.sound.end;
        }
        take
    }
}

impl Maker {
    /// The segment with the last keyframe at or before `into_us` of this one, and what is taken from there.
    fn key_before(&mut self, segment: usize, into_us: u64) -> Result<Option<(usize, Take)>, Error> {
        let mut at = segment;
        // From the beginning of that segment.
        let mut walked_us = into_us;
        loop {
            if let Some((begin_ns, keys)) = self.keys(at)? {
                let target_ns = match at == segment {
                    true => begin_ns.saturating_add(nanos(into_us)),
                    false => i64::MAX,
                };
                let before = |key: &&packager::film::Key| key.decoded_ns <= target_ns;
                if let Some(key) = keys.iter().rev().find(before) {
                    let (pictures, sound) = (key.decoded_ns..i64::MAX, key.shown_ns..i64::MAX);
                    return Ok(Some((at, Take { pictures, sound })));
                }
            }
            if at == 0 || self.recording.begins_stretch(at) {
                return Ok(None);
            }
            if walked_us > KEYFRAME_WITHIN_US {
                return Err(Error::NoKeyframe);
            }
            at -= 1;
            walked_us = walked_us.saturating_add(self.recording.length_us(at));
        }
    }

    /// The segment with the first keyframe at or after `into_us` of this one, and what is taken until there; the last
    /// segment of the stretch where there is none.
    fn key_after(&mut self, segment: usize, into_us: u64) -> Result<(usize, Take), Error> {
        let mut at = segment;
        // To the end of that segment.
        let mut walked_us = self.recording.length_us(at).saturating_sub(into_us);
        loop {
            if let Some((begin_ns, keys)) = self.keys(at)? {
                let target_ns = match at == segment {
                    true => begin_ns.saturating_add(nanos(into_us)),
                    false => i64::MIN,
                };
                if let Some(key) = keys.iter().find(|key| key.decoded_ns >= target_ns) {
                    let (pictures, sound) = (i64::MIN..key.decoded_ns, i64::MIN..key.shown_ns);
                    return Ok((at, Take { pictures, sound }));
                }
            }
            let next = at + 1;
            if next == self.recording.segments_count() || self.recording.begins_stretch(next) {
                return Ok((at, Take::ALL));
            }
            if walked_us > KEYFRAME_WITHIN_US {
                return Err(Error::NoKeyframe);
            }
            at = next;
            walked_us = walked_us.saturating_add(self.recording.length_us(at));
        }
    }

    fn keys(&mut self, at: usize) -> Result<Option<(i64, Vec<packager::film::Key>)>, Error> {
        let Some(declared) = self.declared(at, Rendition::Source)? else { return Ok(None) };
        let Some(blob) = self.recording.own_bytes(at, Rendition::Source) else { return Ok(None) };
        match blob.open()?.read_all() {
            Ok(bytes) => Ok(keys(&declared, &bytes)),
            Err(Error::Damaged) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn nanos(us: u64) -> i64 {
    i64::try_from(us.saturating_mul(1_000)).unwrap_or(i64::MAX)
}
