//! What viewers of a live that is on may go back to (ADR 48).
//!
//! Here: every segment of its epoch that is on the disk or in the window, as playlists that go on from segment to
//! segment; where the bytes lie of those that left the window. Not here: what the lines of such a list are
//! (`packager::rewind`), HTTP (`delivery`).
//!
//! Nobody pays for it before somebody goes back: then the index of the recording is read once, and what comes later
//! is taken from the window of the channel, which every segment passes. The disk is asked again for the place of
//! something that has left it. What a list said once it says until it leaves: it is written at its end, and its
//! oldest pieces are taken away.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs::{self, File},
    io,
    os::unix::fs::FileExt as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use hub::{Channel, Playlist, Scroll};
use media::Labels;
use packager::{
    Rendition,
    rewind::{self, Entry, Head, Pen, SKIP_TARGETS},
    vod::{self, Offer},
};

use crate::{
    Content, Error,
    index::{self, Index, Place, Record},
    recording::{Alone, Blob, Folder, offer, renditions},
    writer::{INDEX, has_own_bytes, volume_path},
};

/// Segments of a piece of a list: it is compressed once, and leaves as a whole.
const PIECE_SEGMENTS: u64 = 128;
/// Segments listed at most, whatever the window: a day of them.
const LISTED_MAX: usize = 43_200;
/// Segments known at most: those that left the list are asked for as long as somebody has an older one.
const KNOWN_MAX: usize = 2 * LISTED_MAX;
/// Bytes of an index that are read at once.
const READ_BYTES: usize = 1 << 20;
/// Nobody begins nearer to the end of a list, in target durations (rfc8216bis §4.4.2.2).
const START_TARGETS: u64 = 3;

/// What viewers of a live may go back to.
#[derive(Debug)]
pub struct Rewind {
    folder: Folder,
    epoch: String,
    /// How far back lists reach; to the beginning without.
    window: Option<Duration>,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Where the next line of the index begins.
    read_to: u64,
    inits: HashMap<(Rendition, u32), index::Init>,
    rows: VecDeque<Row>,
    /// The Media Sequence Number of the first row.
    first_msn: u64,
    target_duration_s: u32,
    labels: Arc<Labels>,
    /// Volumes that were looked for, and those that are in the bucket alone.
    volumes: HashSet<u32>,
    far_volumes: HashSet<u32>,
    rolls: HashMap<Rendition, Roll>,
    /// The multivariant playlists, of all and of the sound, up to a segment.
    multivariant: HashMap<bool, (u64, Arc<Playlist>)>,
}

/// One segment.
#[derive(Debug)]
struct Row {
    segment: index::Segment,
    /// Discontinuities from the beginning of the epoch to it, its own included.
    discontinuities: u64,
    /// Neither the window nor the disk has it.
    is_lost: bool,
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

/// Where the bytes of something are.
#[derive(Debug)]
pub enum Sought {
    /// There is no such thing.
    Unknown,
    /// Nobody looked at the disk since it came.
    Unread,
    /// Here.
    Found(Content),
}

impl Rewind {
    pub(crate) fn new(folder: Folder, epoch: &str, window: Option<Duration>) -> Self {
        Self { folder, epoch: epoch.to_owned(), window, known: Mutex::default() }
    }

    pub(crate) fn epoch(&self) -> &str {
        &self.epoch
    }

    /// Reads what was written since the last time. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn read(&self) -> Result<(), Error> {
        let index = match File::open(self.folder.path.join(INDEX)) {
            Ok(index) => index,
            // Nothing was written yet.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(Error::Disk(error)),
        };
        let mut bytes = vec![0; READ_BYTES];
        loop {
            // Some at a time: others ask meanwhile.
            let mut known = self.lock();
            let len = read_at(&index, &mut bytes, known.read_to).map_err(Error::Disk)?;
            let read = Index::read(bytes.get(..len).unwrap_or_default());
            let is_full = len == bytes.len();
            known.read_to += match read.whole_len {
                // Damage, longer than any line.
                0 if is_full => len as u64,
                // What is being written is read again.
                whole_len => whole_len,
            };
            for record in read.records {
                self.take(&mut known, record);
            }
            if !is_full {
                return Ok(());
            }
        }
    }

    fn take(&self, known: &mut Known, record: Record) {
        for place in record.places() {
            if known.volumes.insert(place.volume)
                && fs::metadata(volume_path(&self.folder.path, place.volume)).is_err()
            {
                known.far_volumes.insert(place.volume);
            }
        }
        match record {
            Record::Init(init) if init.epoch == self.epoch => known.add_init(init),
            Record::Segment(segment) if segment.epoch == self.epoch => known.add(segment),
            Record::Labels(called) => known.labels = Arc::new(index::labels(&called)),
            _ => {}
        }
    }

    /// Takes what is complete from the window of the live. False where something before that was not read yet, if
    /// it may have been written: where it was not, it is `lost`.
    pub(crate) fn follow(&self, channel: &Channel, lost: bool) -> bool {
        let Some(last) = channel.state().last_msn else { return true };
        let mut known = self.lock();
        while known.next_msn().is_none_or(|next| next <= last) {
            let held = known.next_msn().and_then(|next| channel.segment(next));
            let segment = match held {
                Some(segment) => segment,
                None if !lost => return false,
                None => {
                    // The oldest that is there.
                    let from = known.next_msn().unwrap_or(0);
                    let newer = (from..=last).rev().map_while(|msn| channel.segment(msn));
                    let Some(oldest) = newer.last() else { return true };
                    oldest
                }
            };
            for init in segment.renditions().into_iter().filter_map(|it| segment.init(it)) {
                if !known.inits.contains_key(&(init.rendition, init.id)) {
                    known.add_init(index::Init::of(&self.epoch, &init, Place::default()));
                }
            }
            known.add(index::Segment::of(&self.epoch, &segment));
        }
        known.labels = channel.labels();
        true
    }

    /// The media playlist of a rendition, or a delta update of it; `None` where there is nothing of it.
    pub fn media_playlist(
        &self,
        rendition: Rendition,
        is_delta: bool,
        has_ended: bool,
    ) -> Option<Arc<Playlist>> {
        let mut known = self.lock();
        let has_media = |row: &Row| row.segment.stored(rendition).is_some_and(|it| it.bytes > 0);
        if !known.rolls.contains_key(&rendition) && !known.rows.iter().any(has_media) {
            return None;
        }
        let mut roll = known.rolls.remove(&rendition).unwrap_or_default();
        roll.go_on(&known, rendition, self.window);
        let playlist = roll.playlist(&known, rendition, &self.epoch, is_delta, has_ended);
        known.rolls.insert(rendition, roll);
        playlist
    }

    /// The multivariant playlist, of all or of its sounds alone; where a date is given, in Unix milliseconds, that
    /// is where players begin. Its URIs are those of a live's.
    pub fn multivariant_playlist(
        &self,
        name: &str,
        of_sound: bool,
        from_ms: Option<i64>,
    ) -> Option<Arc<Playlist>> {
        let mut known = self.lock();
        let next_msn = known.next_msn()?;
        let at_hand = known.multivariant.get(&of_sound).filter(|(msn, _)| *msn == next_msn);
        let playlist = match at_hand {
            Some((_, playlist)) => Arc::clone(playlist),
            None => {
                let offers: Vec<Offer> = renditions()
                    .filter(|it| !of_sound || matches!(it, Rendition::Audio(_)))
                    .filter_map(|it| known.offer(it))
                    .collect();
                let uri =
                    |rendition| format!("{name}/{}/{}", self.epoch, rewind::file_name(rendition));
                let text = vod::multivariant(&offers, &known.labels, uri)?;
                let etag = format!("W/\"{}.r{next_msn}.m\"", self.epoch);
                let playlist = Arc::new(Playlist::new(text, etag, known.target_duration_s));
                known.multivariant.insert(of_sound, (next_msn, Arc::clone(&playlist)));
                playlist
            }
        };
        let Some(from_ms) = from_ms else { return Some(playlist) };
        let start = rewind::start(known.offset_us(from_ms, self.window));
        Some(Arc::new(playlist.with_start(&start, &from_ms.max(0).to_string())))
    }

    /// A segment by the number in its name.
    pub fn segment(&self, rendition: Rendition, number: u64) -> Sought {
        let known = self.lock();
        // Numbers grow like Media Sequence Numbers.
        let at = known.rows.partition_point(|row| row.segment.msn < number);
        let row = known.rows.get(at).filter(|row| row.segment.msn == number);
        let Some(row) = row.filter(|row| !row.is_lost) else { return Sought::Unknown };
        let Some(stored) = row.segment.stored(rendition) else { return Sought::Unknown };
        if stored.bytes == 0 {
            return Sought::Found(Content::Nothing);
        }
        let lies_in = if has_own_bytes(rendition) { rendition } else { Rendition::Source };
        let place = row.segment.stored(lies_in).and_then(|stored| stored.place.as_ref());
        let Some(place) = place else { return Sought::Unread };
        let blob = self.blob(&known, place);
        if lies_in == rendition {
            return Sought::Found(Content::Stored(blob));
        }
        let init = stored.init.and_then(|id| known.inits.get(&(rendition, id)));
        let Some(init) = init else { return Sought::Unknown };
        let alone = Alone::new(blob, rendition, init.timescale(), stored.bytes);
        Sought::Found(Content::Alone(alone))
    }

    /// An init segment.
    pub fn init(&self, rendition: Rendition, id: u32) -> Sought {
        let known = self.lock();
        match known.inits.get(&(rendition, id)) {
            None => Sought::Unknown,
            Some(init) if init.place.len == 0 => Sought::Unread,
            Some(init) => Sought::Found(Content::Stored(self.blob(&known, &init.place))),
        }
    }

    fn blob(&self, known: &Known, place: &Place) -> Blob {
        let is_far = known.far_volumes.contains(&place.volume);
        Blob::new(self.folder.clone(), place.clone(), is_far)
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn held_bytes(&self) -> usize {
        const ROW_BYTES: usize = 640;
        let known = self.lock();
        let texts = known.rolls.values().map(|roll| roll.scroll.held_bytes() + roll.open.len());
        known.rows.len() * ROW_BYTES + texts.sum::<usize>()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn next_msn(&self) -> Option<u64> {
        (!self.rows.is_empty()).then(|| self.first_msn + self.rows.len() as u64)
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

    /// The first segment that is listed, in every rendition: that of the newest piece behind which there is a whole
    /// window, or as much as is listed at most.
    fn first_listed(&self, window: Option<Duration>) -> u64 {
        let window_us = window.map_or(u128::MAX, |window| window.as_micros());
        let mut behind_us = 0;
        for (at, row) in self.rows.iter().enumerate().rev() {
            behind_us += u128::from(row.segment.listed(Rendition::Source).duration_us);
            let msn = self.first_msn + at as u64;
            let is_much = self.rows.len() - at >= LISTED_MAX;
            if msn.is_multiple_of(PIECE_SEGMENTS) && (behind_us >= window_us || is_much) {
                return msn;
            }
        }
        self.first_msn
    }

    /// One whose place is known takes the place of one whose is not.
    fn add_init(&mut self, init: index::Init) {
        let name = (init.rendition, init.id);
        if self.inits.get(&name).is_none_or(|known| known.place.len == 0) {
            self.inits.insert(name, init);
        }
    }

    fn add(&mut self, mut segment: index::Segment) {
        // One that an earlier version wrote does not say where it was listed.
        let Some(kept) = segment.kept.take() else { return };
        let (msn, discontinuities) = (kept.msn(), kept.discontinuities());
        self.target_duration_s = kept.target_duration_s();
        segment.epoch = String::new();
        let row = Row { segment, discontinuities, is_lost: false };
        match self.next_msn() {
            None => self.first_msn = msn,
            Some(next) if msn < next => return self.write_again(msn, row),
            Some(next) if msn > next => self.lose(next, msn, &row),
            Some(_) => {}
        }
        self.rows.push_back(row);
        while self.rows.len() > KNOWN_MAX {
            self.rows.pop_front();
            self.first_msn += 1;
        }
    }

    /// Something that was listed already: where it lies; or another segment, with which the live went on after a
    /// restart.
    fn write_again(&mut self, msn: u64, row: Row) {
        let at = msn.checked_sub(self.first_msn).and_then(|at| usize::try_from(at).ok());
        let Some(known) = at.and_then(|at| self.rows.get_mut(at)) else { return };
        if known.segment.msn == row.segment.msn {
            let has_places = |row: &Row| row.segment.renditions.iter().any(|it| it.place.is_some());
            if !has_places(known) || known.is_lost {
                known.segment.renditions = row.segment.renditions;
                known.is_lost = false;
            }
        } else if self.rolls.is_empty() {
            // Nobody was told of what came after.
            self.rows.truncate(at.unwrap_or(0));
            self.rows.push_back(row);
        }
    }

    /// Lists as gaps what neither the window nor the disk has any more, up to a segment that is there.
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
                (stored.bytes, stored.place) = (0, None);
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
            self.rows.push_back(Row { segment, discontinuities, is_lost: true });
            date_ms = date_ms.saturating_add_unsigned(each_ms);
        }
    }

    fn offer(&self, rendition: Rendition) -> Option<Offer> {
        let inits =
            self.rows.iter().rev().filter_map(|row| {
                self.inits.get(&(rendition, row.segment.stored(rendition)?.init?))
            });
        let segments = self.rows.iter().map(|row| &row.segment);
        offer(rendition, segments, inits, self.target_duration_s)
    }

    /// How far into the list something that was live at a date is, in microseconds.
    fn offset_us(&self, date_ms: i64, window: Option<Duration>) -> u64 {
        let (mut offset_us, mut total_us) = (0_u64, 0_u64);
        for (_, row) in self.rows_from(self.first_listed(window)) {
            let listed = row.segment.listed(Rendition::Source);
            let into_ms = date_ms.saturating_sub(listed.program_date_time_ms);
            if let Ok(into_ms) = u64::try_from(into_ms) {
                offset_us = total_us + into_ms.saturating_mul(1_000).min(listed.duration_us);
            }
            total_us += listed.duration_us;
        }
        let margin_us = START_TARGETS * u64::from(self.target_duration_s) * 1_000_000;
        offset_us.min(total_us.saturating_sub(margin_us))
    }
}

impl Roll {
    /// The Media Sequence Number of the first segment that is listed.
    fn first_msn(&self) -> u64 {
        self.pieces.front().copied().unwrap_or(self.open_msn)
    }

    /// Writes what came since; what is too old leaves.
    fn go_on(&mut self, known: &Known, rendition: Rendition, window: Option<Duration>) {
        if self.next_msn < known.first_msn {
            *self =
                Self { next_msn: known.first_msn, open_msn: known.first_msn, ..Self::default() };
        }
        for (msn, row) in known.rows_from(self.next_msn) {
            let listed = row.segment.listed(rendition);
            let entry =
                Entry { number: row.segment.msn, listed, discontinuity: row.segment.discontinuity };
            self.pen.write(&mut self.open, rendition, &entry);
            self.next_msn = msn + 1;
            if self.next_msn.is_multiple_of(PIECE_SEGMENTS) {
                self.scroll.push(std::mem::take(&mut self.open));
                self.pieces.push_back(self.open_msn);
                (self.open_msn, self.pen) = (self.next_msn, Pen::default());
            }
        }
        let first = known.first_listed(window);
        while self.pieces.get(1).copied().unwrap_or(self.open_msn) <= first
            && !self.pieces.is_empty()
        {
            self.pieces.pop_front();
            self.scroll.drop_first();
        }
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
        let next_msn = self.next_msn;
        let mut tail = String::new();
        let etag = |form: &str| format!("W/\"{epoch}.r{next_msn}{form}\"");
        if skipped > 0 {
            let from = first_msn + skipped as u64;
            let before = known.row(from - 1)?.segment.listed(rendition).init_id;
            let mut pen = Pen::after(before);
            for (_, row) in known.rows_from(from) {
                let listed = row.segment.listed(rendition);
                let discontinuity = row.segment.discontinuity;
                pen.write(
                    &mut tail,
                    rendition,
                    &Entry { number: row.segment.msn, listed, discontinuity },
                );
            }
            let delta = Scroll::default().playlist(
                head.to_string(),
                tail,
                etag(".d"),
                known.target_duration_s,
            );
            self.delta = Some(Arc::new(delta));
            return self.delta.clone();
        }
        tail.push_str(&self.open);
        tail.push_str(if has_ended { rewind::ENDLIST } else { "" });
        let form = if has_ended { ".e" } else { "" };
        let whole =
            self.scroll.playlist(head.to_string(), tail, etag(form), known.target_duration_s);
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
