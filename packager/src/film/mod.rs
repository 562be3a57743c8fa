//! An MP4 of recorded segments: `ftyp` and `moov`, then one `mdat` (ISO/IEC 14496-12 §8).
//!
//! Here: the tables of its samples, and which bytes of the segments it consists of. Not here: where these bytes
//! lie and who reads them (`recorder`).
//!
//! No sample is changed or moved: the `mdat` is the payload of the fragments, end to end, with parameter sets before
//! keyframes where settings change. What a playlist tells by
//! `EXT-X-DISCONTINUITY` a film has no word for: it is one timeline, on which each *stretch*, from one
//! discontinuity to the next, follows the one before as a whole, so that sound and picture stay together (ADR 45).

mod language;
mod table;
#[cfg(test)]
mod tests;

use std::{
    mem::{self, discriminant},
    ops::Range,
};

use bytes::Bytes;
use media::{Kind, Labels, SoundNumber, Timescale};
use mp4_atom::{Codec, Encode, FourCC, Ftyp, Moov, Mvhd, ReadFrom as _};

use self::table::{Kept, Table};
use crate::{
    Error,
    fmp4::{
        AUDIO_TRACK_ID, VIDEO_TRACK_ID,
        fragment::{self, Entry},
    },
    part::Run,
};

/// What times are compared in, whatever their tracks count in.
const NANOS: Timescale = match Timescale::new(1_000_000_000) {
    Some(nanos) => nanos,
    None => Timescale::MILLIS,
};
/// Ticks per second of the film as a whole: of its edits and lengths.
const FILM: Timescale = Timescale::VIDEO;
/// From 1904, where MP4 begins, to 1970, in seconds.
const EPOCH_1904_S: i64 = 2_082_844_800;

/// The tracks that an init segment declares.
#[derive(Debug, Clone)]
pub struct Declared(Vec<DeclaredTrack>);

#[derive(Debug, Clone)]
struct DeclaredTrack {
    kind: Kind,
    timescale: Timescale,
    entry: Codec,
}

impl Declared {
    /// Reads an init segment written here; `None` if this is none.
    pub fn read(mut init: &[u8]) -> Option<Self> {
        Ftyp::read_from(&mut init).ok()?;
        let moov = Moov::read_from(&mut init).ok()?;
        let track = |trak: mp4_atom::Trak| {
            let kind = match trak.tkhd.track_id {
                VIDEO_TRACK_ID => Kind::Video,
                AUDIO_TRACK_ID => Kind::Audio,
                _ => return None,
            };
            let timescale = Timescale::new(trak.mdia.mdhd.timescale)?;
            let entry = trak.mdia.minf.stbl.stsd.codecs.into_iter().next()?;
            Some(DeclaredTrack { kind, timescale, entry })
        };
        moov.trak.into_iter().map(track).collect::<Option<_>>().map(Self)
    }

    fn track(&self, kind: Kind) -> Option<&DeclaredTrack> {
        self.0.iter().find(|track| track.kind == kind)
    }
}

/// Bytes that come next in the `mdat`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Those of the segment.
    Stored(Range<usize>),
    /// Parameter sets, which the segment has in its init segment alone.
    Sets(Bytes),
}

/// What is taken of segments, in nanoseconds of the timeline of their epoch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Take {
    /// Pictures that are decoded then.
    pub pictures: Range<i64>,
    /// Sound that begins to be heard then.
    pub sound: Range<i64>,
}

impl Take {
    /// Everything.
    pub const ALL: Self = Self { pictures: i64::MIN..i64::MAX, sound: i64::MIN..i64::MAX };

    fn of(&self, kind: Kind) -> &Range<i64> {
        match kind {
            Kind::Video => &self.pictures,
            Kind::Audio => &self.sound,
        }
    }
}

/// Where a segment may be cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Key {
    /// When it is decoded, in nanoseconds of the timeline of its epoch.
    pub decoded_ns: i64,
    /// When it is seen or heard, likewise.
    pub shown_ns: i64,
}

/// Where a segment begins by the track it was cut by, in nanoseconds of the timeline of its epoch, and where it may
/// be cut: before its keyframes; where it declares no picture, before each of its samples. `None` if these are not
/// the bytes of a segment with something of that track.
pub fn keys(declared: &Declared, segment: &[u8]) -> Option<(i64, Vec<Key>)> {
    let main = if declared.track(Kind::Video).is_some() { Kind::Video } else { Kind::Audio };
    let (mut begin_ns, mut keys) = (i64::MAX, Vec::new());
    for row in rows(declared, segment)?.iter().filter(|row| row.track.kind == main) {
        for sample in &row.samples {
            let decoded_ns = row.ns(sample.dts_ticks);
            begin_ns = begin_ns.min(decoded_ns);
            if sample.is_sync {
                keys.push(Key { decoded_ns, shown_ns: row.ns(sample.pts_ticks()) });
            }
        }
    }
    (begin_ns < i64::MAX).then_some((begin_ns, keys))
}

/// The samples of one track in one fragment.
struct Row<'a> {
    track: &'a DeclaredTrack,
    /// Where the first lies in the segment.
    at: usize,
    samples: Vec<Sample>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    dts_ticks: i64,
    cts_ticks: i32,
    duration_ticks: u32,
    size: u32,
    is_sync: bool,
}

impl Sample {
    fn pts_ticks(&self) -> i64 {
        self.dts_ticks.saturating_add(self.cts_ticks.into())
    }
}

impl Row<'_> {
    fn ns(&self, ticks: i64) -> i64 {
        self.track.timescale.rescale(ticks, NANOS)
    }

    /// The same with the samples alone that are taken, which lie side by side.
    fn taken(mut self, take: &Take) -> Self {
        let taken = take.of(self.track.kind);
        let time = |sample: &Sample| self.track.timescale.rescale(sample.dts_ticks, NANOS);
        let before = self.samples.iter().take_while(|it| time(it) < taken.start);
        let (count, bytes) = before.fold((0, 0_usize), |(count, bytes), sample| {
            (count + 1, bytes.saturating_add(sample.size as usize))
        });
        let until = self.samples.iter().position(|it| time(it) >= taken.end);
        self.samples.truncate(until.unwrap_or(usize::MAX));
        self.samples.drain(..count.min(self.samples.len()));
        self.at = self.at.saturating_add(bytes);
        self
    }
}

/// All rows of a segment, the bytes of each of which are there.
fn rows<'a>(declared: &'a Declared, segment: &[u8]) -> Option<Vec<Row<'a>>> {
    let (mut all, mut at) = (Vec::new(), 0_usize);
    while let Some(rest) = segment.get(at..).filter(|rest| !rest.is_empty()) {
        let said = fragment::boxes(rest).take_while(|it| it.kind == *b"emsg");
        let said_len: usize = said.map(|it| it.whole.len()).sum();
        let (fragment, _) = fragment::split(rest.get(said_len..)?)?;
        let start = at.checked_add(said_len)?;
        let runs = fragment::read(fragment)?;
        let runs = [(Kind::Video, runs.video), (Kind::Audio, runs.audio)];
        for (kind, run) in runs.into_iter().filter_map(|(kind, run)| Some((kind, run?))) {
            let samples = samples(kind, &run, fragment)?;
            let len: usize = samples.iter().map(|sample| sample.size as usize).sum();
            fragment.get(run.data..run.data.checked_add(len)?)?;
            let row = Row { track: declared.track(kind)?, at: start + run.data, samples };
            all.push(row);
        }
        at = start.checked_add(fragment.len())?;
    }
    Some(all)
}

fn samples(kind: Kind, run: &Run, fragment: &[u8]) -> Option<Vec<Sample>> {
    let entry_len = match kind {
        Kind::Video => fragment::VIDEO_ENTRY_LEN,
        Kind::Audio => fragment::AUDIO_ENTRY_LEN,
    };
    let table_len = run.count.checked_mul(entry_len)?;
    let table = fragment.get(run.table..run.table.checked_add(table_len)?)?;
    let mut dts_ticks = run.dts_ticks;
    let entries = table.chunks_exact(entry_len).map(|entry| {
        let Entry { duration_ticks, size, is_sync, cts_ticks } = Entry::read(entry)?;
        let sample = Sample { dts_ticks, cts_ticks, duration_ticks, size, is_sync };
        dts_ticks = dts_ticks.checked_add(duration_ticks.into())?;
        Some(sample)
    });
    entries.collect()
}

/// The tables of a film that is being made.
#[derive(Debug, Default)]
pub struct Tables {
    tables: Vec<Table>,
    /// Added to the times of the stretch that is on, in nanoseconds; `None` before its first sample.
    shift_ns: Option<i64>,
    /// Bytes of the `mdat` so far.
    payload_len: u64,
    /// Keyframes bring their parameter sets.
    brings_sets: bool,
}

impl Tables {
    /// Tables of segments that declare these, in any order.
    ///
    /// Where the settings of H.264 or HEVC change, all keyframes bring their parameter sets: Chromium knows one sample
    /// entry, and gives its sets to the decoder once.
    pub fn of<'a>(declared: impl IntoIterator<Item = &'a Declared>) -> Self {
        let mut entries: Vec<&Codec> = Vec::new();
        for track in declared.into_iter().filter_map(|it| it.track(Kind::Video)) {
            if !entries.contains(&&track.entry) {
                entries.push(&track.entry);
            }
        }
        let is_changed = entries.iter().enumerate().any(|(at, entry)| {
            entries.iter().skip(at + 1).any(|other| discriminant(*entry) == discriminant(*other))
        });
        Self { brings_sets: is_changed, ..Self::default() }
    }

    /// What comes next continues no timeline.
    pub fn break_off(&mut self) {
        self.shift_ns = None;
    }

    /// Adds what is taken of a segment of the source (`number` is that of the first sound) or of a sound beside the
    /// first; says which bytes come next in the `mdat`. `None`, and nothing changes, if these are not the
    /// bytes of a segment.
    pub fn add(
        &mut self,
        number: SoundNumber,
        declared: &Declared,
        segment: &[u8],
        take: &Take,
    ) -> Option<Vec<Piece>> {
        let rows = rows(declared, segment)?.into_iter().map(|row| row.taken(take));
        let rows: Vec<Row<'_>> = rows.filter(|row| !row.samples.is_empty()).collect();
        let shift_ns = match self.shift_ns {
            Some(shift_ns) => shift_ns,
            None if rows.is_empty() => return Some(Vec::new()),
            None => *self.shift_ns.insert(self.landing(number, &rows)),
        };
        let mut pieces: Vec<Piece> = Vec::new();
        for row in &rows {
            let at = self.payload_len;
            let is_cut = self.brings_sets && row.samples.iter().any(|sample| sample.is_sync);
            let sets = if is_cut { table::parameter_sets(&row.track.entry) } else { Bytes::new() };
            let sets_len = sets.len() as u32;
            self.table(number, row.track).add_chunk(row, at, shift_ns, sets_len);
            let mut from = row.at;
            for sample in &row.samples {
                if sample.is_sync && !sets.is_empty() {
                    pieces.push(Piece::Sets(sets.clone()));
                    self.payload_len = self.payload_len.saturating_add(sets.len() as u64);
                }
                let stored = from..from + sample.size as usize;
                from = stored.end;
                self.payload_len = self.payload_len.saturating_add(sample.size.into());
                match pieces.last_mut() {
                    Some(Piece::Stored(last)) if last.end == stored.start => last.end = stored.end,
                    _ => pieces.push(Piece::Stored(stored)),
                }
            }
        }
        Some(pieces)
    }

    /// What is added to the times of a new stretch, whose first rows these are: it is seen and heard from when
    /// all before has been, and none of its tracks is decoded before its last sample was.
    fn landing(&self, number: SoundNumber, rows: &[Row<'_>]) -> i64 {
        let shown = rows.iter().flat_map(|row| row.samples.iter().map(|it| row.ns(it.pts_ticks())));
        let first_shown_ns = shown.min().unwrap_or(0);
        let Some(end_ns) = self.tables.iter().map(Table::shown_until_ns).max() else {
            let decoded =
                rows.iter().filter_map(|row| Some(row.ns(row.samples.first()?.dts_ticks)));
            return 0_i64.saturating_sub(decoded.min().unwrap_or(0).min(first_shown_ns));
        };
        let pushed = rows.iter().filter_map(|row| {
            let table = self.tables.iter().find(|table| table.is_of(number, row.track))?;
            let first_ns = row.ns(row.samples.first()?.dts_ticks);
            Some(table.decoded_until_ns().saturating_sub(first_ns))
        });
        end_ns.saturating_sub(first_shown_ns).max(pushed.max().unwrap_or(i64::MIN))
    }

    fn table(&mut self, number: SoundNumber, track: &DeclaredTrack) -> &mut Table {
        let known = self.tables.iter().position(|table| table.is_of(number, track));
        let at = known.unwrap_or_else(|| {
            self.tables.push(Table::new(number, track));
            self.tables.len() - 1
        });
        self.tables.get_mut(at).expect("it was found or pushed")
    }

    /// Bytes that the tables take in memory, about; the head takes as many.
    pub fn held_bytes(&self) -> usize {
        self.tables.iter().map(Table::held_bytes).sum()
    }

    /// Bytes of the `mdat`, without its own head.
    pub fn payload_len(&self) -> u64 {
        self.payload_len
    }

    /// All that comes before the bytes of the segments: `ftyp`, `moov` and the head of the `mdat`. `began_ms` is when
    /// its first picture was taken, in Unix milliseconds.
    ///
    /// # Errors
    /// [`Error::Init`] where nothing was added, or boxes cannot hold it.
    pub fn head(mut self, labels: &Labels, began_ms: i64) -> Result<Bytes, Error> {
        let failed = |error: mp4_atom::Error| Error::Init(error.to_string());
        if self.tables.is_empty() {
            return Err(Error::Init("a film of nothing".into()));
        }
        self.tables.sort_by_key(Table::order);
        let begin_ns = self.tables.iter().map(Table::shown_from_ns).min().unwrap_or(0);
        let is_one_each = self.tables.windows(2).all(|pair| match pair {
            [one, other] => !one.is_sequel(other),
            _ => true,
        });
        // The `mdat` may be as long as 32 bits say; what comes before it is shorter than the rest of them.
        let is_large = self.payload_len > u64::from(u32::MAX) / 2;
        let payload_len = self.payload_len;
        let kept = Kept { labels, begin_ns, is_one_each, is_large };
        let tables = mem::take(&mut self.tables);
        let traks = (1..).zip(tables).map(|(id, table)| table.trak(id, &kept)).collect::<Vec<_>>();
        let seconds = began_ms.div_euclid(1_000).saturating_add(EPOCH_1904_S);
        let began_s = u64::try_from(seconds).unwrap_or(0);
        let mut moov = Moov {
            mvhd: Mvhd {
                creation_time: began_s,
                modification_time: began_s,
                timescale: FILM.get(),
                duration: traks.iter().map(|trak| trak.tkhd.duration).max().unwrap_or(0),
                rate: 1.into(),
                volume: 1.into(),
                next_track_id: traks.len() as u32 + 1,
                ..Default::default()
            },
            trak: traks,
            ..Default::default()
        };
        let mut head = Vec::new();
        ftyp().encode(&mut head).map_err(failed)?;
        let ftyp_len = head.len();
        moov.encode(&mut head).map_err(failed)?;
        let mdat_head_len = if is_large { 16 } else { 8 };
        let before = (head.len() + mdat_head_len) as u64;
        for trak in &mut moov.trak {
            let stbl = &mut trak.mdia.minf.stbl;
            stbl.stco.iter_mut().flat_map(|it| &mut it.entries).for_each(|at| *at += before as u32);
            stbl.co64.iter_mut().flat_map(|it| &mut it.entries).for_each(|at| *at += before);
        }
        head.truncate(ftyp_len);
        moov.encode(&mut head).map_err(failed)?;
        let mdat_len = payload_len.saturating_add(mdat_head_len as u64);
        match u32::try_from(mdat_len).ok().filter(|_| !is_large) {
            Some(len) => {
                head.extend_from_slice(&len.to_be_bytes());
                head.extend_from_slice(b"mdat");
            }
            None => {
                head.extend_from_slice(&1_u32.to_be_bytes());
                head.extend_from_slice(b"mdat");
                head.extend_from_slice(&mdat_len.to_be_bytes());
            }
        }
        head.shrink_to_fit();
        Ok(head.into())
    }
}

fn ftyp() -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(b"isom"),
        minor_version: 0x200,
        // `iso4` knows composition offsets below zero.
        compatible_brands: [b"isom", b"iso4", b"mp41", b"mp42"].map(FourCC::new).to_vec(),
    }
}
