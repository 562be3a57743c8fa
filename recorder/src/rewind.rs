//! What viewers of a live that is on may go back to (ADR 48).
//!
//! Here: every segment of its epoch that the index of its recording tells of, as playlists that go on from segment to
//! segment; where the bytes lie of those that left the window. Not here: what the lines of such a list are
//! (`packager::rewind`), HTTP (`delivery`).
//!
//! Nobody pays for it before somebody goes back: then the index is read once, and read on when more was written. A
//! segment is listed once it is told of there, so that what is listed can be had: who goes back needs no edge. What a
//! list said once it says until it leaves: it is written at its end, and its oldest pieces are taken away.
//!
//! The disk is read by threads that may block, one at a time, under a lock of their own. That of what was read is held
//! as long as some of it is taken in, or a piece of a list is written.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::File,
    io,
    os::unix::fs::FileExt as _,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use hub::{Playlist, Scroll};
use media::Labels;
use packager::{
    Rendition,
    rewind::{self, Entry, Head, Pen, SKIP_TARGETS},
    vod::{self, Offer},
};

use crate::{
    Content, Error,
    index::{self, Index, Place, Record, Stored},
    recording::{Alone, Blob, Folder, UNSURE_BYTES, Whole, offer, renditions},
    writer::{INDEX, has_own_bytes},
};

/// Segments of a piece of a list: it is compressed once, and leaves as a whole.
const PIECE_SEGMENTS: u64 = 128;
/// Segments listed at most, whatever the window: a day of them.
const LISTED_MAX: u64 = 43_200;
/// So many init segments are known without a look at which of them are needed.
const INITS_FEW: usize = 64;
/// The multivariant playlist sums up all that is listed: it is made again when that grew by one in so many.
const OFFER_GROWTH: u64 = 16;
/// Bytes of an index that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Nobody begins nearer to the end of a list, in target durations (rfc8216bis §4.4.2.2).
const START_TARGETS: u64 = 3;

/// What viewers of a live may go back to.
#[derive(Debug)]
pub struct Rewind {
    folder: Folder,
    epoch: String,
    /// What had been written when the index was read last.
    edition: AtomicU64,
    held_bytes: AtomicUsize,
    /// Locked while the disk is read.
    reader: Mutex<Reader>,
    told: Mutex<Told>,
}

#[derive(Debug, Default)]
struct Reader {
    /// Where the next line of the index begins.
    read_to: u64,
    whole: Option<Whole>,
}

#[derive(Debug)]
struct Told {
    known: Known,
    lists: Lists,
}

/// What the index tells.
#[derive(Debug)]
struct Known {
    /// How far back lists reach.
    window_us: u64,
    inits: HashMap<(Rendition, u32), index::Init>,
    rows: VecDeque<Row>,
    /// The Media Sequence Number of the first row.
    first_msn: u64,
    /// The pieces that are listed, and how long all of them are.
    pieces: VecDeque<Piece>,
    listed_us: u64,
    target_duration_s: u32,
    labels: Labels,
    /// What was ever in it.
    offered: HashSet<Rendition>,
    /// Volumes that are in the bucket alone.
    far_volumes: HashSet<u32>,
}

/// One segment.
#[derive(Debug)]
struct Row {
    segment: index::Segment,
    /// Discontinuities from the beginning of the epoch to it, its own included.
    discontinuities: u64,
    /// The disk does not have it.
    is_lost: bool,
}

/// Segments that come to a list one by one, and leave it at once.
#[derive(Debug, Clone, Copy)]
struct Piece {
    first_msn: u64,
    length_us: u64,
}

#[derive(Debug, Default)]
struct Lists {
    rolls: HashMap<Rendition, Roll>,
    /// The multivariant playlists, of all and of the sound, and up to which segment; nothing where more is offered.
    multivariant: [Option<Arc<Playlist>>; 2],
    offered_msn: Option<u64>,
}

/// The list of one rendition, written as far as it goes.
#[derive(Debug, Default)]
struct Roll {
    pen: Pen,
    /// Pieces that are full, and the first segment of each.
    scroll: Scroll,
    pieces: VecDeque<u64>,
    /// The piece that is not, and its first segment.
    open: String,
    open_msn: u64,
    next_msn: u64,
    /// What was rendered last, and up to which segment; whether the live was over.
    rendered: Option<(u64, bool)>,
    whole: Option<Arc<Playlist>>,
    delta: Option<Arc<Playlist>>,
}

impl Rewind {
    pub(crate) fn new(folder: Folder, epoch: &str, window: Option<Duration>) -> Self {
        let micros = |window: Duration| u64::try_from(window.as_micros()).unwrap_or(u64::MAX);
        let known = Known::new(window.map_or(u64::MAX, micros));
        Self {
            folder,
            epoch: epoch.to_owned(),
            edition: AtomicU64::default(),
            held_bytes: AtomicUsize::default(),
            reader: Mutex::default(),
            told: Mutex::new(Told { known, lists: Lists::default() }),
        }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// What of the recording was read, as the library counts it.
    pub(crate) fn edition(&self) -> u64 {
        self.edition.load(Ordering::Acquire)
    }

    /// Reads what was written since the last time: an `edition` of the recording. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(&self, edition: u64) -> Result<(), Error> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        match File::open(self.folder.path.join(INDEX)) {
            Ok(index) => self.read_on(&index, &mut reader)?,
            // Nothing was written yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::Disk(error)),
        }
        let mut told = self.lock();
        if let Some(name) = self.folder.name() {
            told.offer(name.as_str(), &self.epoch);
        }
        self.held_bytes.store(told.held_bytes(), Ordering::Relaxed);
        self.edition.store(edition, Ordering::Release);
        Ok(())
    }

    fn read_on(&self, index: &File, reader: &mut Reader) -> Result<(), Error> {
        let Reader { read_to, whole } = reader;
        let whole = whole.get_or_insert_with(|| Whole::new(&self.folder));
        let mut bytes = vec![0; READ_BYTES];
        loop {
            let len = read_at(index, &mut bytes, *read_to).map_err(Error::Disk)?;
            let read = Index::read(bytes.get(..len).unwrap_or_default());
            let is_full = len == bytes.len();
            *read_to += match read.whole_len {
                // Damage, longer than any line.
                0 if is_full => len as u64,
                // What is being written is read again.
                whole_len => whole_len,
            };
            let mut records = Vec::new();
            for record in read.records {
                match record {
                    Record::Init(index::Init { ref epoch, .. })
                    | Record::Segment(index::Segment { ref epoch, .. })
                        if *epoch != self.epoch => {}
                    Record::Resumed => {
                        self.take(std::mem::take(&mut records), whole);
                        self.check_newest(whole);
                    }
                    record if whole.is_whole(&record) => records.push(record),
                    _ => {}
                }
            }
            self.take(records, whole);
            if !is_full {
                return Ok(());
            }
        }
    }

    fn take(&self, records: Vec<Record>, whole: &Whole) {
        let mut told = self.lock();
        for record in records {
            let far = record.places().into_iter().map(|place| place.volume);
            told.known.far_volumes.extend(far.filter(|volume| whole.is_far(*volume)));
            told.take(record);
        }
    }

    /// A power cut may have come before another run of the server went on: what is told of may not be there.
    fn check_newest(&self, whole: &mut Whole) {
        let newest = self.lock().known.newest_places(UNSURE_BYTES);
        let mut is_lost = |places: &[Place]| !places.iter().all(|it| whole.lies_whole(it, true));
        let lost = newest.into_iter().filter(|(_, places)| is_lost(places));
        let lost: Vec<u64> = lost.map(|(msn, _)| msn).collect();
        if !lost.is_empty() {
            let Told { known, lists } = &mut *self.lock();
            known.lose_bytes(&lost);
            lists.rolls.clear();
        }
    }

    /// Whether there is more to write of the list of a rendition than one piece of it.
    pub(crate) fn is_long(&self, rendition: Rendition) -> bool {
        let told = self.lock();
        let written = told.lists.rolls.get(&rendition).map_or(0, |roll| roll.next_msn);
        let from = written.max(told.known.first_listed());
        let left = told.known.next_msn().map_or(0, |next| next.saturating_sub(from));
        left > PIECE_SEGMENTS && told.known.offered.contains(&rendition)
    }

    /// Writes the list of a rendition to its end, if it is offered.
    pub(crate) fn write(&self, rendition: Rendition) {
        // A piece at a time: others ask meanwhile.
        while !self.lock().write(rendition) {}
    }

    /// The media playlist of a rendition, or a delta update of it; `None` where there is nothing of it.
    pub fn media_playlist(
        &self,
        rendition: Rendition,
        is_delta: bool,
        has_ended: bool,
    ) -> Option<Arc<Playlist>> {
        let mut told = self.lock();
        while !told.write(rendition) {}
        let Told { known, lists } = &mut *told;
        let roll = lists.rolls.get_mut(&rendition)?;
        roll.playlist(known, rendition, &self.epoch, is_delta, has_ended)
    }

    /// The multivariant playlist, of all or of its sounds alone; where a date is given, in Unix milliseconds, that
    /// is where players begin. Its URIs are those of a live's.
    pub fn multivariant_playlist(
        &self,
        of_sound: bool,
        from_ms: Option<i64>,
    ) -> Option<Arc<Playlist>> {
        let told = self.lock();
        let playlist = Arc::clone(told.lists.multivariant.get(usize::from(of_sound))?.as_ref()?);
        let Some(from_ms) = from_ms else { return Some(playlist) };
        let start = rewind::start(told.known.offset_us(from_ms));
        Some(Arc::new(playlist.with_start(&start, &from_ms.max(0).to_string())))
    }

    /// A segment by the number in its name.
    pub fn segment(&self, rendition: Rendition, number: u64) -> Option<Content> {
        let told = self.lock();
        let known = &told.known;
        // Numbers grow like Media Sequence Numbers.
        let at = known.rows.partition_point(|row| row.segment.msn < number);
        let row = known.rows.get(at).filter(|row| row.segment.msn == number && !row.is_lost)?;
        let stored = row.segment.stored(rendition)?;
        if stored.bytes == 0 {
            return Some(Content::Nothing);
        }
        let lies_in = if has_own_bytes(rendition) { rendition } else { Rendition::Source };
        let blob = self.blob(known, row.segment.stored(lies_in)?.place.as_ref()?);
        if lies_in == rendition {
            return Some(Content::Stored(blob));
        }
        let init = known.inits.get(&(rendition, stored.init?))?;
        Some(Content::Alone(Alone::new(blob, rendition, init.timescale(), stored.bytes)))
    }

    /// An init segment.
    pub fn init(&self, rendition: Rendition, id: u32) -> Option<Content> {
        let told = self.lock();
        let known = &told.known;
        let init = known.inits.get(&(rendition, id))?;
        Some(Content::Stored(self.blob(known, &init.place)))
    }

    fn blob(&self, known: &Known, place: &Place) -> Blob {
        let is_far = known.far_volumes.contains(&place.volume);
        Blob::new(self.folder.clone(), place.clone(), is_far)
    }

    /// Bytes that it took in memory when it was read last, about.
    pub(crate) fn held_bytes(&self) -> usize {
        self.held_bytes.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Told {
    fn take(&mut self, record: Record) {
        let Self { known, lists } = self;
        match record {
            Record::Init(init) => {
                let is_new = known.add_init(init);
                if is_new {
                    lists.offered_msn = None;
                }
            }
            Record::Segment(segment) => {
                let offered = known.offered.len();
                if !known.add(segment) {
                    // They list something else.
                    lists.rolls.clear();
                }
                if known.offered.len() > offered {
                    lists.offered_msn = None;
                }
            }
            Record::Labels(called) => {
                (known.labels, lists.offered_msn) = (index::labels(&called), None);
            }
            _ => {}
        }
    }

    /// Makes the multivariant playlists, where those made no longer say what there is.
    fn offer(&mut self, name: &str, epoch: &str) {
        let Self { known, lists } = self;
        let Some(next_msn) = known.next_msn() else { return };
        let lasts = |made: u64| next_msn <= made.saturating_add(made / OFFER_GROWTH);
        if lists.offered_msn.is_some_and(lasts) {
            return;
        }
        lists.offered_msn = Some(next_msn);
        let offers: Vec<Offer> = renditions().filter_map(|it| known.offer(it)).collect();
        let is_of_sound = |offer: &&Offer| matches!(offer.rendition, Rendition::Audio(_));
        let of_sound: Vec<Offer> = offers.iter().filter(is_of_sound).cloned().collect();
        let uri = |rendition| format!("{name}/{epoch}/{}", rewind::file_name(rendition));
        lists.multivariant = [offers, of_sound].map(|offers| {
            let text = vod::multivariant(&offers, &known.labels, uri)?;
            let etag = format!("W/\"{epoch}.m{:08x}\"", crc32fast::hash(text.as_bytes()));
            Some(Arc::new(Playlist::new(text, etag, known.target_duration_s)))
        });
    }

    /// Writes some more of the list of a rendition. True at its end, and where it is not offered.
    fn write(&mut self, rendition: Rendition) -> bool {
        let Self { known, lists } = self;
        let is_offered = known.offered.contains(&rendition);
        !is_offered || lists.rolls.entry(rendition).or_default().go_on(known, rendition)
    }

    fn held_bytes(&self) -> usize {
        let Self { known, lists } = self;
        // The checksums of a place lie by themselves.
        let stored = size_of::<Stored>() + 2 * size_of::<u64>();
        let renditions = known.rows.back().map_or(0, |row| row.segment.renditions.len());
        let rows = known.rows.len() * (size_of::<Row>() + renditions * stored);
        let inits = known.inits.len() * 2 * size_of::<index::Init>();
        rows + inits + lists.rolls.values().map(Roll::held_bytes).sum::<usize>()
    }
}

impl Known {
    fn new(window_us: u64) -> Self {
        Self {
            window_us,
            inits: HashMap::new(),
            rows: VecDeque::new(),
            first_msn: 0,
            pieces: VecDeque::new(),
            listed_us: 0,
            target_duration_s: 0,
            labels: Labels::default(),
            offered: HashSet::new(),
            far_volumes: HashSet::new(),
        }
    }

    fn next_msn(&self) -> Option<u64> {
        (!self.rows.is_empty()).then(|| self.first_msn + self.rows.len() as u64)
    }

    /// The first segment that is listed, in every rendition.
    fn first_listed(&self) -> u64 {
        self.pieces.front().map_or(self.first_msn, |piece| piece.first_msn)
    }

    fn row(&self, msn: u64) -> Option<&Row> {
        self.rows.get(usize::try_from(msn.checked_sub(self.first_msn)?).ok()?)
    }

    /// Rows from a Media Sequence Number on.
    fn rows_from(&self, msn: u64) -> impl Iterator<Item = (u64, &Row)> + Clone {
        let skipped = usize::try_from(msn.saturating_sub(self.first_msn)).unwrap_or(usize::MAX);
        let rows = self.rows.range(skipped.min(self.rows.len())..);
        (msn.max(self.first_msn)..).zip(rows)
    }

    /// The newest copy counts: an older one was written before a disk failed. True where there was none.
    fn add_init(&mut self, init: index::Init) -> bool {
        self.inits.insert((init.rendition, init.id), init).is_none()
    }

    /// False where something else was told of before at its Media Sequence Number, which is forgotten with all
    /// after it: the live went on there after a restart.
    fn add(&mut self, mut segment: index::Segment) -> bool {
        // One that an earlier version wrote does not say where it was listed.
        let Some(kept) = segment.kept.take() else { return true };
        let (msn, discontinuities) = (kept.msn(), kept.discontinuities());
        self.target_duration_s = kept.target_duration_s();
        segment.epoch = String::new();
        let row = Row { segment, discontinuities, is_lost: false };
        let mut is_new = true;
        match self.next_msn() {
            None => self.first_msn = msn,
            Some(next) if msn < next => {
                let at = msn.checked_sub(self.first_msn).and_then(|at| usize::try_from(at).ok());
                let Some(known) = at.and_then(|at| self.rows.get_mut(at)) else { return true };
                if known.segment.msn == row.segment.msn {
                    // Written again after a disk failed.
                    *known = row;
                    return true;
                }
                is_new = false;
                while self.next_msn().is_some_and(|next| next > msn) {
                    self.pop_newest();
                }
            }
            // Longer than anything is listed.
            Some(next) if msn - next > LISTED_MAX => {
                self.rows.clear();
                self.pieces.clear();
                (self.first_msn, self.listed_us) = (msn, 0);
            }
            Some(next) if msn > next => self.lose(next, msn, &row),
            Some(_) => {}
        }
        self.push(row);
        self.slide();
        is_new
    }

    fn push(&mut self, row: Row) {
        let msn = self.first_msn + self.rows.len() as u64;
        let length_us = row.length_us();
        match self.pieces.back_mut().filter(|_| !msn.is_multiple_of(PIECE_SEGMENTS)) {
            Some(piece) => piece.length_us += length_us,
            None => self.pieces.push_back(Piece { first_msn: msn, length_us }),
        }
        self.listed_us += length_us;
        let with_media = row.segment.renditions.iter().filter(|stored| stored.bytes > 0);
        self.offered.extend(with_media.map(|stored| stored.rendition));
        self.rows.push_back(row);
    }

    fn pop_newest(&mut self) {
        let Some(row) = self.rows.pop_back() else { return };
        let msn = self.first_msn + self.rows.len() as u64;
        let length_us = row.length_us();
        let Some(piece) = self.pieces.back_mut() else { return };
        piece.length_us = piece.length_us.saturating_sub(length_us);
        self.listed_us = self.listed_us.saturating_sub(length_us);
        if piece.first_msn == msn {
            self.pieces.pop_back();
        }
    }

    /// A piece leaves the list once there is a whole window behind it, or as much as is listed at most. It is asked
    /// for as long as somebody has an older list: as many segments as that are known longer.
    fn slide(&mut self) {
        let next = self.first_msn + self.rows.len() as u64;
        let list_len = next - self.first_listed();
        let mut leaves = false;
        while let (Some(first), Some(second)) = (self.pieces.front(), self.pieces.get(1)) {
            let behind_us = self.listed_us.saturating_sub(first.length_us);
            if behind_us < self.window_us && next - second.first_msn < LISTED_MAX {
                break;
            }
            self.listed_us = behind_us;
            self.pieces.pop_front();
            leaves = true;
        }
        if !leaves {
            return;
        }
        let first_known = self.first_listed().saturating_sub(list_len);
        while self.first_msn < first_known && self.rows.pop_front().is_some() {
            self.first_msn += 1;
        }
        if self.inits.len() > INITS_FEW {
            let stored = self.rows.iter().flat_map(|row| &row.segment.renditions);
            let needed: HashSet<_> =
                stored.filter_map(|it| Some((it.rendition, it.init?))).collect();
            let newest = needed.iter().map(|(_, id)| *id).max();
            // What comes next is told of before the segments that need it.
            self.inits.retain(|name, _| needed.contains(name) || Some(name.1) > newest);
        }
    }

    /// The newest segments of so many bytes, and where they lie.
    fn newest_places(&self, bytes: u64) -> Vec<(u64, Vec<Place>)> {
        let (mut newest, mut left) = (Vec::new(), bytes);
        for (at, row) in self.rows.iter().enumerate().rev().filter(|(_, row)| !row.is_lost) {
            let places: Vec<Place> =
                row.segment.renditions.iter().filter_map(|it| it.place.clone()).collect();
            let len: u64 = places.iter().map(|place| place.len).sum();
            newest.push((self.first_msn + at as u64, places));
            left = left.saturating_sub(len);
            if left == 0 {
                break;
            }
        }
        newest
    }

    /// Lists as gaps what was told of and is not there.
    fn lose_bytes(&mut self, lost: &[u64]) {
        for msn in lost {
            let at = msn.checked_sub(self.first_msn).and_then(|at| usize::try_from(at).ok());
            if let Some(row) = at.and_then(|at| self.rows.get_mut(at)) {
                row.lose();
            }
        }
    }

    /// Lists as gaps what the disk does not have, up to a segment that is there.
    fn lose(&mut self, from: u64, to: u64, next: &Row) {
        let Some(last) = self.rows.back() else { return };
        let [last_source, next_source] =
            [last, next].map(|row| row.segment.stored(Rendition::Source));
        let (Some(last_source), Some(next_source)) = (last_source, next_source) else { return };
        let length_ms = i64::try_from(last_source.duration_us / 1_000).unwrap_or(0);
        let mut date_ms = last_source.date_ms.saturating_add(length_ms);
        let lost_ms = u64::try_from(next_source.date_ms.saturating_sub(date_ms)).unwrap_or(0);
        let longest_ms = u64::from(self.target_duration_s) * 1_000;
        let each_ms = (lost_ms / (to - from)).clamp(1, longest_ms.max(1));
        let (number, mut discontinuities) = (last.segment.msn, last.discontinuities);
        let before_next = next.discontinuities.saturating_sub(next.segment.discontinuity.into());
        let renditions = last.segment.renditions.clone();
        for number in (number + 1..).take(usize::try_from(to - from).unwrap_or(0)) {
            let discontinuity = discontinuities < before_next;
            discontinuities += u64::from(discontinuity);
            let mut renditions = renditions.clone();
            for stored in &mut renditions {
                (stored.date_ms, stored.duration_us) = (date_ms, each_ms * 1_000);
            }
            let segment = index::Segment {
                epoch: String::new(),
                msn: number,
                discontinuity,
                dependent: false,
                pictures: 0,
                renditions,
                kept: None,
            };
            let mut row = Row { segment, discontinuities, is_lost: false };
            row.lose();
            self.push(row);
            date_ms = date_ms.saturating_add_unsigned(each_ms);
        }
    }

    fn offer(&self, rendition: Rendition) -> Option<Offer> {
        let listed = self.rows_from(self.first_listed()).map(|(_, row)| &row.segment);
        let inits =
            self.rows.iter().rev().filter_map(|row| {
                self.inits.get(&(rendition, row.segment.stored(rendition)?.init?))
            });
        offer(rendition, listed, inits, self.target_duration_s)
    }

    /// How far into the list something that was live at a date is, in microseconds.
    fn offset_us(&self, date_ms: i64) -> u64 {
        let after = self.rows.partition_point(|row| row.date_ms() <= date_ms);
        let msn = (self.first_msn + after as u64).saturating_sub(1).max(self.first_listed());
        let piece_msn = |piece: &&Piece| piece.first_msn <= msn;
        let before_us: u64 = self.pieces.iter().take_while(piece_msn).map(|it| it.length_us).sum();
        let piece = self.pieces.iter().take_while(piece_msn).last();
        let Some((piece, row)) = piece.zip(self.row(msn)) else { return 0 };
        let in_piece = self.rows_from(piece.first_msn).take_while(|(at, _)| *at < msn);
        let in_piece_us: u64 = in_piece.map(|(_, row)| row.length_us()).sum();
        let into_ms = u64::try_from(date_ms.saturating_sub(row.date_ms())).unwrap_or(0);
        let into_us = into_ms.saturating_mul(1_000).min(row.length_us());
        let margin_us = START_TARGETS * u64::from(self.target_duration_s) * 1_000_000;
        let offset_us = before_us.saturating_sub(piece.length_us) + in_piece_us + into_us;
        offset_us.min(self.listed_us.saturating_sub(margin_us))
    }
}

impl Row {
    /// As a rendition lists it.
    fn entry(&self, rendition: Rendition) -> Entry {
        let index::Segment { msn: number, discontinuity, .. } = self.segment;
        Entry { number, listed: self.segment.listed(rendition), discontinuity }
    }

    fn length_us(&self) -> u64 {
        self.segment.listed(Rendition::Source).duration_us
    }

    fn date_ms(&self) -> i64 {
        self.segment.listed(Rendition::Source).program_date_time_ms
    }

    /// Its bytes are not there.
    fn lose(&mut self) {
        self.is_lost = true;
        for stored in &mut self.segment.renditions {
            (stored.bytes, stored.place) = (0, None);
        }
    }
}

impl Roll {
    /// The Media Sequence Number of the first segment that is listed.
    fn first_msn(&self) -> u64 {
        self.pieces.front().copied().unwrap_or(self.open_msn)
    }

    /// Writes what came since, a piece of it at most; what is too old leaves. True at the end.
    fn go_on(&mut self, known: &Known, rendition: Rendition) -> bool {
        let first = known.first_listed();
        if self.next_msn < first {
            *self = Self { next_msn: first, open_msn: first, ..Self::default() };
        }
        for (msn, row) in known.rows_from(self.next_msn) {
            self.pen.write(&mut self.open, rendition, &row.entry(rendition));
            self.next_msn = msn + 1;
            if self.next_msn.is_multiple_of(PIECE_SEGMENTS) {
                self.scroll.push(std::mem::take(&mut self.open));
                self.pieces.push_back(self.open_msn);
                (self.open_msn, self.pen) = (self.next_msn, Pen::default());
                break;
            }
        }
        while self.pieces.get(1).copied().unwrap_or(self.open_msn) <= first
            && !self.pieces.is_empty()
        {
            self.pieces.pop_front();
            self.scroll.drop_first();
        }
        known.next_msn().is_none_or(|next| self.next_msn >= next)
    }

    fn playlist(
        &mut self,
        known: &Known,
        rendition: Rendition,
        epoch: &str,
        is_delta: bool,
        has_ended: bool,
    ) -> Option<Arc<Playlist>> {
        if self.rendered != Some((self.next_msn, has_ended)) {
            self.rendered = Some((self.next_msn, has_ended));
            (self.whole, self.delta) = (None, None);
        }
        let skipped = if is_delta && !has_ended { self.skippable(known, rendition) } else { 0 };
        let held = if skipped > 0 { &self.delta } else { &self.whole };
        if let Some(held) = held {
            return Some(Arc::clone(held));
        }
        let first_msn = self.first_msn();
        let first = known.row(first_msn)?;
        let left = first.discontinuities - u64::from(first.segment.discontinuity);
        let rows = known.rows_from(first_msn);
        // Owed from the first segment on that leaves a list with a discontinuity in it (§6.2.2).
        let is_owed = || first_msn > 0 && rows.clone().any(|(_, row)| row.segment.discontinuity);
        let is_of_sound = matches!(rendition, Rendition::Audio(_));
        let head = Head {
            rendition,
            target_duration_s: known.target_duration_s,
            first_msn,
            discontinuity_sequence: (left > 0 || is_owed()).then_some(left),
            independent: is_of_sound || rows.clone().all(|(_, row)| !row.segment.dependent),
            skipped,
        };
        let mark = format!("{epoch}.r{first_msn}-{}", self.next_msn);
        let mut tail = String::new();
        if skipped > 0 {
            let from = first_msn + skipped as u64;
            // Word for word the end of the whole: as that was written, from the beginning of a piece.
            let mut pen = Pen::default();
            for (msn, row) in known.rows_from((from - from % PIECE_SEGMENTS).max(first_msn)) {
                if msn.is_multiple_of(PIECE_SEGMENTS) {
                    pen = Pen::default();
                }
                if msn == from {
                    tail.clear();
                }
                pen.write(&mut tail, rendition, &row.entry(rendition));
            }
            let delta =
                Scroll::default().playlist(head.to_string(), tail, &mark, known.target_duration_s);
            self.delta = Some(Arc::new(delta));
            return self.delta.clone();
        }
        tail.push_str(&self.open);
        tail.push_str(if has_ended { rewind::ENDLIST } else { "" });
        let whole = self.scroll.playlist(head.to_string(), tail, &mark, known.target_duration_s);
        self.whole = Some(Arc::new(whole));
        self.whole.clone()
    }

    /// How many segments a delta update leaves out: those that end further from the end than the skip boundary
    /// (§6.2.5.1).
    fn skippable(&self, known: &Known, rendition: Rendition) -> usize {
        let boundary_us = SKIP_TARGETS * u64::from(known.target_duration_s) * 1_000_000;
        let mut end_us = 0_u64;
        let mut kept = 0;
        for row in known.rows.iter().rev() {
            if end_us > boundary_us {
                break;
            }
            end_us += row.segment.listed(rendition).duration_us;
            kept += 1;
        }
        let listed = usize::try_from(self.next_msn - self.first_msn()).unwrap_or(0);
        listed.saturating_sub(kept)
    }

    /// Bytes that it takes in memory.
    fn held_bytes(&self) -> usize {
        let made = [&self.whole, &self.delta].into_iter().flatten();
        let made = made.map(|playlist| playlist.text().len() + playlist.gzip().len());
        self.scroll.held_bytes() + self.open.len() + made.sum::<usize>()
    }
}

/// Reads from an offset on, until `bytes` are full or the file ends. Says how many there were.
fn read_at(file: &File, bytes: &mut [u8], at: u64) -> io::Result<usize> {
    let mut len = 0;
    while let Some(room) = bytes.get_mut(len..).filter(|room| !room.is_empty()) {
        match file.read_at(room, at + len as u64) {
            Ok(0) => break,
            Ok(read) => len += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}
