//! Reads one recording: what it lists, and its bytes.
//!
//! Here: what of a folder is whole, its playlists, pieces of its volumes. Not here: which recordings there
//! are (`library`), HTTP (`delivery`).
//!
//! Nothing of a folder is believed. A line counts if its checksum is right, a segment if its volume is long
//! enough, a piece of it if its own checksum is right when it is read: a byte that turned on the disk makes a
//! segment unreadable and never another picture.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io,
    ops::Range,
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::SystemTime,
};

use bytes::Bytes;
use hub::{Access, Playlist};
use media::{Kind, Labels, SoundNumber, id::PlaybackName};
use packager::{
    Rendition,
    vod::{self, Entry, Offer, Outside},
};
use storage::Depot;

use crate::{
    Error,
    far::Far,
    index::{self, Index, Place, Record, Stored},
    uploaded::Uploaded,
    writer::{INDEX, has_own_bytes, volume_name, volume_path},
};

/// Longest index read: that of a live of a week.
pub(crate) const MAX_INDEX_BYTES: u64 = 224 * 1024 * 1024;
/// A run of the server that did not end in order may have left lines on the disk that came there before the bytes
/// they tell of; what was synced did not. These are of its last seconds, so the newest so many bytes of each run
/// are looked at.
pub(crate) const UNSURE_BYTES: u64 = 64 * 1024 * 1024;

/// A recording that is not being written.
#[derive(Debug)]
pub struct Recording {
    folder: Folder,
    access: Access,
    epochs: Vec<String>,
    inits: HashMap<InitName, index::Init>,
    /// Those with media, in their order, each with the number of its epoch.
    segments: Vec<(usize, index::Segment)>,
    /// Volumes that were in the bucket alone when it was opened.
    far_volumes: HashSet<u32>,
    /// What was in the bucket then.
    uploaded: Uploaded,
    by_msn: HashMap<(usize, u64), usize>,
    labels: Labels,
    summary: Summary,
    /// `EXT-X-TARGETDURATION` of every rendition, in seconds.
    target_duration_s: OnceLock<u32>,
    multivariant: OnceLock<Option<Arc<Playlist>>>,
    media: [OnceLock<Option<Arc<Playlist>>>; RENDITIONS],
}

impl Folder {
    /// What the recording is called.
    pub(crate) fn name(&self) -> Option<PlaybackName> {
        self.path.file_name()?.to_str()?.parse().ok()
    }
}

/// What is told of a recording in few words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// How long it plays.
    pub duration_ms: u64,
    /// Its bytes as the source.
    pub bytes: u64,
    /// Width and height of its last picture, in pixels.
    pub picture: Option<(u32, u32)>,
    /// Segments that are there.
    pub segments: u64,
    /// Lines, and segments, that were there and cannot be read.
    pub damaged: u64,
}

/// An init segment: the number of its epoch, its rendition, its id there.
pub(crate) type InitName = (usize, Rendition, u32);

/// Source, picture alone, and a place for each sound.
const RENDITIONS: usize = 2 + SoundNumber::COUNT;

/// Something of a recording, and its bytes when they are asked for.
#[derive(Debug)]
pub enum Content {
    /// A gap: no bytes.
    Nothing,
    /// Bytes as they lie in a volume.
    Stored(Blob),
    /// One track of them alone.
    Alone(Alone),
}

/// Bytes in a volume. Reading blocks.
#[derive(Debug)]
pub struct Blob {
    folder: Folder,
    place: Place,
    is_far: bool,
}

/// Where a recording is.
#[derive(Debug, Clone)]
pub(crate) struct Folder {
    pub path: PathBuf,
    /// Where its volumes may be that are not there.
    pub depot: Option<Depot>,
}

/// A segment that opens on a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment<'a> {
    /// Names the segment, with its number.
    pub epoch: &'a str,
    /// See [`Moment::epoch`].
    pub msn: u64,
    /// How far into the recording a player shows it.
    pub at_ms: u64,
    /// When it was live, in Unix milliseconds.
    pub date_ms: i64,
}

/// The picture that a segment opens on. Reading blocks.
#[derive(Debug)]
pub struct Opening {
    init: Blob,
    segment: Blob,
}

/// One track of a segment. Reading blocks.
#[derive(Debug)]
pub struct Alone {
    source: Blob,
    kind: Kind,
    timescale: media::Timescale,
    len: u64,
}

impl Recording {
    /// Opens the recording in a folder. Blocks.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none, [`Error::Empty`] where nothing of it can be played; those of
    /// the disk.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        Self::open_with(folder, None)
    }

    /// The same, where volumes may be in a bucket alone.
    pub(crate) fn open_with(folder: &Path, depot: Option<Depot>) -> Result<Self, Error> {
        let (index, _) = read_index(folder)?;
        let mut recording = Self {
            folder: Folder { path: folder.to_owned(), depot },
            far_volumes: HashSet::new(),
            uploaded: Uploaded::default(),
            // What cannot be read is for nobody who has no ticket.
            access: Access::Ticket,
            epochs: Vec::new(),
            inits: HashMap::new(),
            segments: Vec::new(),
            by_msn: HashMap::new(),
            labels: Labels::default(),
            summary: Summary { damaged: index.damaged as u64, ..Summary::default() },
            target_duration_s: OnceLock::new(),
            multivariant: OnceLock::new(),
            media: Default::default(),
        };
        let mut whole = Whole::of(&recording.folder, &index.records);
        for record in index.records {
            if !whole.is_whole(&record) {
                recording.summary.damaged += u64::from(matches!(record, Record::Segment(_)));
                continue;
            }
            recording.take(record);
        }
        (recording.uploaded, recording.far_volumes) = whole.in_bucket();
        recording.link();
        match recording.segments.is_empty() {
            true => Err(Error::Empty),
            false => Ok(recording),
        }
    }

    fn take(&mut self, record: Record) {
        match record {
            Record::Live(live) if live.public => self.access = Access::Everyone,
            Record::Live(_) => {}
            Record::Init(init) => {
                let key = (self.epoch(&init.epoch), init.rendition, init.id);
                self.inits.entry(key).or_insert(init);
            }
            // A silence: see `packager::vod`.
            Record::Segment(segment) if segment.is_gap() => {}
            Record::Segment(segment) => {
                let key = (self.epoch(&segment.epoch), segment.msn);
                if !self.by_msn.contains_key(&key) {
                    self.by_msn.insert(key, self.segments.len());
                    self.segments.push((key.0, segment));
                }
            }
            Record::Labels(called) => self.labels = index::labels(&called),
            Record::Lost { .. } | Record::End { .. } | Record::Resumed => {}
        }
    }

    /// Leaves out what nothing decodes, tells of breaks where something is missing, and sums up.
    fn link(&mut self) {
        let Self { segments, inits, by_msn, .. } = self;
        segments.retain(|(epoch, segment)| {
            let init = |stored: &Stored| {
                stored.init.is_some_and(|id| inits.contains_key(&(*epoch, stored.rendition, id)))
            };
            segment.stored(Rendition::Source).is_some_and(init)
        });
        by_msn.clear();
        let mut before = None;
        for (at, (epoch, segment)) in segments.iter_mut().enumerate() {
            let follows = before.is_none_or(|(e, msn): (usize, u64)| {
                (e, msn.saturating_add(1)) == (*epoch, segment.msn)
            });
            segment.discontinuity |= !follows;
            before = Some((*epoch, segment.msn));
            by_msn.insert((*epoch, segment.msn), at);
        }
        let source = || self.segments.iter().filter_map(|(_, it)| it.stored(Rendition::Source));
        let last_init = self.segments.iter().rev().find_map(|(epoch, segment)| {
            let init = segment.stored(Rendition::Source)?.init?;
            self.inits.get(&(*epoch, Rendition::Source, init))?.picture
        });
        let duration_us: u64 = source().map(|stored| stored.duration_us).sum();
        self.summary = Summary {
            duration_ms: duration_us / 1_000,
            bytes: source().map(|stored| stored.bytes).sum(),
            picture: last_init.map(|size| (size.width, size.height)),
            segments: self.segments.len() as u64,
            ..self.summary
        };
    }

    /// The number of an epoch, a new one for one that is new.
    fn epoch(&mut self, name: &str) -> usize {
        let known = self.epochs.iter().rposition(|epoch| epoch == name);
        known.unwrap_or_else(|| {
            self.epochs.push(name.to_owned());
            self.epochs.len() - 1
        })
    }

    /// Who may read it.
    pub fn access(&self) -> Access {
        self.access
    }

    /// What it is in few words.
    pub fn summary(&self) -> Summary {
        self.summary
    }

    /// Bytes that it takes in memory, about.
    pub(crate) fn held_bytes(&self) -> usize {
        const SEGMENT_BYTES: usize = 512;
        const TEXT_BYTES: usize = 256;
        self.segments.len() * (SEGMENT_BYTES + TEXT_BYTES)
    }

    /// Its multivariant playlist.
    pub fn multivariant_playlist(&self) -> Option<Arc<Playlist>> {
        let make = || {
            let offers: Vec<Offer> = renditions().filter_map(|it| self.offer(it)).collect();
            let text = vod::multivariant(&offers, &self.labels, vod::file_name)?;
            Some(self.playlist(text, "m", self.target_duration_s()))
        };
        self.multivariant.get_or_init(make).clone()
    }

    /// The media playlist of a rendition; `None` where there is nothing of it.
    pub fn media_playlist(&self, rendition: Rendition) -> Option<Arc<Playlist>> {
        let place = renditions().position(|it| it == rendition)?;
        let make = || {
            self.is_offered(rendition).then(|| {
                let volumes = self.volumes_outside(rendition);
                let entries: Vec<_> = self.entries_outside(rendition, &volumes).collect();
                let target_duration_s = self.target_duration_s();
                let text = vod::media(rendition, target_duration_s, entries.into_iter());
                self.playlist(text, &place.to_string(), target_duration_s)
            })
        };
        self.media.get(place)?.get_or_init(make).clone()
    }

    /// A segment, named as while it was live.
    pub fn segment(&self, epoch: &str, rendition: Rendition, msn: u64) -> Option<Content> {
        let epoch = self.epochs.iter().position(|it| it == epoch)?;
        let (_, segment) = self.segments.get(*self.by_msn.get(&(epoch, msn))?)?;
        let stored = segment.stored(rendition);
        if stored.is_none_or(|stored| stored.bytes == 0) {
            return self.is_offered(rendition).then_some(Content::Nothing);
        }
        if has_own_bytes(rendition) {
            return Some(Content::Stored(self.blob(stored?.place.as_ref()?)));
        }
        let (stored, len) = (stored?, stored?.bytes);
        let timescale = self.inits.get(&(epoch, rendition, stored.init?))?.timescale();
        let source = self.blob(segment.stored(Rendition::Source)?.place.as_ref()?);
        Some(Content::Alone(Alone::new(source, rendition, timescale, len)))
    }

    /// An init segment, named as while it was live.
    pub fn init(&self, epoch: &str, rendition: Rendition, id: u32) -> Option<Content> {
        let epoch = self.epochs.iter().position(|it| it == epoch)?;
        let init = self.inits.get(&(epoch, rendition, id))?;
        Some(Content::Stored(self.blob(&init.place)))
    }

    /// Reads every byte. Gives the names of what is not as it was written. Blocks, for as long as a disk takes.
    ///
    /// # Errors
    /// [`Error::Away`] where something is in a bucket that does not answer.
    pub fn damaged(&self) -> Result<Vec<String>, Error> {
        let is_damaged = |place: &Place| match self.blob(place).open().and_then(|it| it.check()) {
            Ok(()) => Ok(false),
            Err(Error::Away(error)) => Err(Error::Away(error)),
            Err(_) => Ok(true),
        };
        let mut damaged = Vec::new();
        for ((epoch, rendition, id), init) in &self.inits {
            let epoch = self.epochs.get(*epoch).map_or("", String::as_str);
            if is_damaged(&init.place)? {
                damaged
                    .push(format!("{epoch}, init segment {id} of {}", vod::file_name(*rendition)));
            }
        }
        for (epoch, segment) in &self.segments {
            let epoch = self.epochs.get(*epoch).map_or("", String::as_str);
            for place in segment.renditions.iter().filter_map(|stored| stored.place.as_ref()) {
                if is_damaged(place)? {
                    damaged.push(format!("{epoch}, segment {}", segment.msn));
                    break;
                }
            }
        }
        damaged.sort();
        Ok(damaged)
    }

    /// The segments that open on a picture, in their order.
    pub fn moments(&self) -> impl Iterator<Item = Moment<'_>> {
        let mut begins_us = 0;
        self.segments.iter().filter_map(move |(epoch, segment)| {
            let source = segment.stored(Rendition::Source)?;
            let at_ms = begins_us / 1_000;
            begins_us += source.duration_us;
            let has_picture = segment.stored(Rendition::Video).is_some_and(|it| it.bytes > 0);
            (has_picture && !segment.dependent).then(|| Moment {
                epoch: self.epochs.get(*epoch).map_or("", String::as_str),
                msn: segment.msn,
                at_ms,
                date_ms: source.date_ms,
            })
        })
    }

    /// The picture that a segment opens on.
    pub fn opening(&self, moment: &Moment<'_>) -> Option<Opening> {
        let epoch = self.epochs.iter().position(|it| it == moment.epoch)?;
        let (_, segment) = self.segments.get(*self.by_msn.get(&(epoch, moment.msn))?)?;
        let picture = segment.stored(Rendition::Video)?;
        let init = self.inits.get(&(epoch, Rendition::Video, picture.init?))?;
        let segment = self.blob(segment.stored(Rendition::Source)?.place.as_ref()?);
        Some(Opening { init: self.blob(&init.place), segment })
    }

    /// Whether some of it is in the bucket alone.
    pub(crate) fn is_far(&self) -> bool {
        !self.far_volumes.is_empty()
    }

    /// How many segments there are.
    pub(crate) fn segments_count(&self) -> usize {
        self.segments.len()
    }

    /// Whether timestamps or configuration break before a segment.
    pub(crate) fn begins_stretch(&self, at: usize) -> bool {
        self.segments.get(at).is_none_or(|(_, segment)| segment.discontinuity)
    }

    /// Whether a segment opens on a picture that needs others.
    pub(crate) fn is_dependent(&self, at: usize) -> bool {
        self.segments.get(at).is_some_and(|(_, segment)| segment.dependent)
    }

    /// When a segment was on, in Unix milliseconds.
    pub(crate) fn date_ms(&self, at: usize) -> i64 {
        let segment = self.segments.get(at);
        segment.and_then(|(_, it)| it.stored(Rendition::Source)).map_or(0, |stored| stored.date_ms)
    }

    /// The segment that is played at a time of the whole, and how far into it that is, in microseconds.
    pub(crate) fn at_us(&self, mut at_us: u64) -> Option<(usize, u64)> {
        for at in 0..self.segments.len() {
            let length_us = self.length_us(at);
            if at_us < length_us {
                return Some((at, at_us));
            }
            at_us -= length_us;
        }
        None
    }

    /// How long a segment is played, in microseconds.
    pub(crate) fn length_us(&self, at: usize) -> u64 {
        let stored = self.segments.get(at).and_then(|(_, it)| it.stored(Rendition::Source));
        stored.map_or(0, |stored| stored.duration_us)
    }

    /// When what was live at a date is played, in microseconds from the beginning: where nothing was recorded then,
    /// what was recorded next.
    pub(crate) fn played_us(&self, date_ms: i64) -> u64 {
        let mut before_us = 0_u64;
        for (_, segment) in &self.segments {
            let Some(stored) = segment.stored(Rendition::Source) else { continue };
            let into_ms = u64::try_from(date_ms.saturating_sub(stored.date_ms)).unwrap_or(0);
            let into_us = into_ms.saturating_mul(1_000);
            if into_us < stored.duration_us {
                return before_us.saturating_add(into_us);
            }
            before_us = before_us.saturating_add(stored.duration_us);
        }
        before_us
    }

    /// The bytes that were written of a segment in a rendition, if any were.
    pub(crate) fn own_bytes(&self, at: usize, rendition: Rendition) -> Option<Blob> {
        let (_, segment) = self.segments.get(at)?;
        Some(self.blob(segment.stored(rendition)?.place.as_ref()?))
    }

    /// The init segment that a segment needs in a rendition.
    pub(crate) fn init_of(&self, at: usize, rendition: Rendition) -> Option<(InitName, Blob)> {
        let (epoch, segment) = self.segments.get(at)?;
        let name = (*epoch, rendition, segment.stored(rendition)?.init?);
        Some((name, self.blob(&self.inits.get(&name)?.place)))
    }

    /// What its sounds are called.
    pub(crate) fn labels(&self) -> &Labels {
        &self.labels
    }

    fn blob(&self, place: &Place) -> Blob {
        let is_far = self.far_volumes.contains(&place.volume);
        Blob { folder: self.folder.clone(), place: place.clone(), is_far }
    }

    fn is_offered(&self, rendition: Rendition) -> bool {
        let has_media = |stored: &Stored| stored.bytes > 0;
        self.segments.iter().any(|(_, it)| it.stored(rendition).is_some_and(has_media))
    }

    /// The segments as a rendition lists them; a gap where it has nothing.
    fn entries(&self, rendition: Rendition) -> impl ExactSizeIterator<Item = Entry<'_>> + Clone {
        self.segments.iter().map(move |(epoch, segment)| Entry {
            epoch: self.epochs.get(*epoch).map_or("", String::as_str),
            msn: segment.msn,
            listed: segment.listed(rendition),
            discontinuity: segment.discontinuity,
            independent: !segment.dependent,
            outside: None,
            init_outside: None,
        })
    }

    /// The addresses at which viewers get the volumes of a recording for everybody: of its renditions that are
    /// stored as they are served.
    fn volumes_outside(&self, rendition: Rendition) -> HashMap<u32, String> {
        if self.access != Access::Everyone || !has_own_bytes(rendition) {
            return HashMap::new();
        }
        let depot = self.folder.depot.as_ref();
        let address = |volume: u32| {
            let path = self.uploaded.path(&self.folder.name()?, &volume_name(volume));
            Some((volume, depot?.address(&path)?))
        };
        self.uploaded.volumes.keys().filter_map(|volume| address(*volume)).collect()
    }

    /// The same as [`Recording::entries`], those in `volumes` at their addresses.
    fn entries_outside<'a>(
        &'a self,
        rendition: Rendition,
        volumes: &'a HashMap<u32, String>,
    ) -> impl Iterator<Item = Entry<'a>> {
        let outside = |place: &Place| {
            let is_there = *self.uploaded.volumes.get(&place.volume)? >= place.end();
            let url = volumes.get(&place.volume).filter(|_| is_there)?;
            Some(Outside { url, at: place.at, len: place.len })
        };
        self.entries(rendition).zip(&self.segments).map(move |(entry, (epoch, segment))| {
            let stored = segment.stored(rendition).filter(|stored| stored.bytes > 0);
            let init = |id: u32| self.inits.get(&(*epoch, rendition, id));
            Entry {
                outside: stored.and_then(|it| outside(it.place.as_ref()?)),
                init_outside: entry.listed.init_id.and_then(|id| outside(&init(id)?.place)),
                ..entry
            }
        })
    }

    /// That of the rendition with the longest segment (rfc8216bis §6.2.4: the same for all).
    fn target_duration_s(&self) -> u32 {
        let longest = || {
            let offered = renditions().filter(|it| self.is_offered(*it));
            offered.map(|it| vod::target_duration_s(self.entries(it))).max().unwrap_or(1)
        };
        *self.target_duration_s.get_or_init(longest)
    }

    fn offer(&self, rendition: Rendition) -> Option<Offer> {
        let inits = self.segments.iter().rev().filter_map(|(epoch, segment)| {
            self.inits.get(&(*epoch, rendition, segment.stored(rendition)?.init?))
        });
        let segments = self.segments.iter().map(|(_, segment)| segment);
        offer(rendition, segments, inits, self.target_duration_s())
    }

    fn playlist(&self, text: String, mark: &str, target_duration_s: u32) -> Arc<Playlist> {
        let etag = format!("W/\"{:08x}.{mark}\"", crc32fast::hash(text.as_bytes()));
        Arc::new(Playlist::new(text, etag, target_duration_s))
    }
}

/// What a multivariant playlist says of a rendition of segments; `None` where there is nothing of it. `inits` are
/// those that they need, the newest first.
pub(crate) fn offer<'a>(
    rendition: Rendition,
    segments: impl Iterator<Item = &'a index::Segment> + Clone,
    inits: impl Iterator<Item = &'a index::Init> + Clone,
    target_duration_s: u32,
) -> Option<Offer> {
    let stored = segments.clone().filter_map(|it| it.stored(rendition));
    let sizes = stored.filter(|it| it.bytes > 0).map(|it| (it.bytes, it.duration_us));
    sizes.clone().next()?;
    let mut codecs: Vec<String> = Vec::new();
    let mut last = None;
    for init in inits.clone() {
        // Nearly always that of the segment after.
        if last.replace(init).is_some_and(|last| std::ptr::eq(last, init)) {
            continue;
        }
        for codec in &init.codecs {
            if !codecs.contains(codec) {
                codecs.push(codec.clone());
            }
        }
    }
    let picture = inits.clone().find_map(|init| init.picture);
    let shown = segments.filter(|segment| segment.pictures > 0);
    let (pictures, shown_us) = shown.fold((0, 0), |(pictures, us), segment| {
        let source = segment.stored(Rendition::Source);
        (pictures + segment.pictures, us + source.map_or(0, |it| it.duration_us))
    });
    let declared = picture.and_then(|size| size.fps);
    Some(Offer {
        rendition,
        bandwidth: vod::bandwidth(sizes, target_duration_s),
        codecs,
        picture: picture.map(Into::into),
        fps: picture.and_then(|_| vod::frame_rate(pictures, shown_us, declared)),
        channels: inits.clone().find_map(|init| init.channels),
    })
}

/// The index of the recording in a folder, and when it was last written to.
///
/// # Errors
/// Those of the disk.
pub(crate) fn read_index(folder: &Path) -> Result<(Index, SystemTime), Error> {
    let path = folder.join(INDEX);
    let file = fs::metadata(&path)?;
    if file.len() > MAX_INDEX_BYTES {
        return Err(Error::Disk(io::ErrorKind::FileTooLarge.into()));
    }
    Ok((Index::read(&fs::read(&path)?), file.modified()?))
}

/// All that a recording may be offered as.
pub(crate) fn renditions() -> impl Iterator<Item = Rendition> {
    let sounds = SoundNumber::all().map(Rendition::Audio);
    [Rendition::Source, Rendition::Video].into_iter().chain(sounds)
}

impl Content {
    /// Whether its bytes are in the bucket: see [`crate::Library::read_from`].
    pub fn is_far(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Stored(blob) => blob.is_far(),
            Self::Alone(alone) => alone.is_far(),
        }
    }
}

impl Blob {
    pub(crate) fn new(folder: Folder, place: Place, is_far: bool) -> Self {
        Self { folder, place, is_far }
    }

    /// What lies at a place of a volume in a folder.
    pub(crate) fn in_folder(folder: &Path, place: Place) -> Self {
        let folder = Folder { path: folder.to_owned(), depot: None };
        Self { folder, place, is_far: false }
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.place.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.place.len == 0
    }

    /// Whether they are in the bucket: see [`crate::Library::read_from`].
    pub fn is_far(&self) -> bool {
        self.is_far
    }

    /// Opens its volume. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(self) -> Result<Open, Error> {
        let path = volume_path(&self.folder.path, self.place.volume);
        let volume = match (File::open(&path), self.folder.depot) {
            (Err(error), Some(depot)) if error.kind() == io::ErrorKind::NotFound => {
                Volume::Far(Far::find(&self.folder.path, depot, self.place.volume)?)
            }
            (file, _) => Volume::Here(file?),
        };
        Ok(Open { volume, place: self.place })
    }
}

/// Bytes of a volume that is open. Reading blocks.
#[derive(Debug)]
pub struct Open {
    volume: Volume,
    place: Place,
}

#[derive(Debug)]
enum Volume {
    Here(File),
    Far(Far),
}

impl Open {
    /// The bytes from `range.start` on, to the end of the piece that these are in or to the end of the range:
    /// at most 256 KiB. Nothing beyond the end.
    ///
    /// # Errors
    /// [`Error::Damaged`] when they are not what was written; those of the disk.
    pub fn read(&self, range: Range<u64>) -> Result<Bytes, Error> {
        let range = range.start..range.end.min(self.place.len);
        if range.is_empty() {
            return Ok(Bytes::new());
        }
        let piece = range.start / Place::PIECE as u64;
        let start = piece * Place::PIECE as u64;
        let end = start.saturating_add(Place::PIECE as u64).min(self.place.len);
        let len = usize::try_from(end - start).map_err(|_| Error::Damaged)?;
        let mut bytes = vec![0; len];
        self.volume.read(&mut bytes, self.place.at.saturating_add(start))?;
        let crc = usize::try_from(piece).ok().and_then(|piece| self.place.crc.get(piece));
        if crc != Some(&crc32fast::hash(&bytes)) {
            return Err(Error::Damaged);
        }
        let within = |at: u64| usize::try_from(at - start).unwrap_or(len).min(len);
        Ok(Bytes::from(bytes).slice(within(range.start)..within(range.end)))
    }

    /// Reads all bytes, and keeps none.
    fn check(&self) -> Result<(), Error> {
        let mut at = 0;
        while at < self.place.len {
            match self.read(at..self.place.len)?.len() {
                0 => return Err(Error::Damaged),
                len => at += len as u64,
            }
        }
        Ok(())
    }

    /// Whether they are in the bucket: see [`crate::Library::read_from`].
    pub fn is_far(&self) -> bool {
        matches!(self.volume, Volume::Far(_))
    }

    /// All bytes.
    ///
    /// # Errors
    /// As [`Open::read`].
    pub fn read_all(&self) -> Result<Vec<u8>, Error> {
        if let Volume::Far(far) = &self.volume {
            return self.read_all_far(far);
        }
        let mut all = Vec::new();
        while (all.len() as u64) < self.place.len {
            let piece = self.read(all.len() as u64..self.place.len)?;
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    /// The same in one request: the store's time is for all of it.
    fn read_all_far(&self, far: &Far) -> Result<Vec<u8>, Error> {
        let len = usize::try_from(self.place.len).map_err(|_| Error::Damaged)?;
        let mut all = vec![0; len];
        far.read(&mut all, self.place.at)?;
        let crcs = all.chunks(Place::PIECE).map(crc32fast::hash);
        match crcs.eq(self.place.crc.iter().copied()) {
            true => Ok(all),
            false => Err(Error::Damaged),
        }
    }
}

impl Volume {
    fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), Error> {
        match self {
            Self::Here(file) => file.read_exact_at(bytes, at).map_err(|error| match error.kind() {
                io::ErrorKind::UnexpectedEof => Error::Damaged,
                _ => error.into(),
            }),
            Self::Far(far) => far.read(bytes, at),
        }
    }
}

impl Alone {
    /// One track, of so many bytes, of those of a segment.
    pub(crate) fn new(
        source: Blob,
        rendition: Rendition,
        timescale: media::Timescale,
        len: u64,
    ) -> Self {
        let kind = if rendition == Rendition::Video { Kind::Video } else { Kind::Audio };
        Self { source, kind, timescale, len }
    }

    /// Whether it is made of what is in the bucket: see [`crate::Library::read_from`].
    pub fn is_far(&self) -> bool {
        self.source.is_far
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether it has no bytes.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Makes its bytes. Blocks.
    ///
    /// # Errors
    /// As [`Open::read`].
    pub fn read(self) -> Result<Bytes, Error> {
        let source = self.source.open()?.read_all()?;
        let alone = packager::alone(self.kind, &source, self.timescale);
        let alone = alone.filter(|alone| alone.len() as u64 == self.len);
        alone.map(Bytes::from).ok_or(Error::Damaged)
    }
}

impl Opening {
    /// Whether its bytes are in the bucket: see [`crate::Library::read_from`].
    pub fn is_far(&self) -> bool {
        self.init.is_far || self.segment.is_far
    }

    /// A film of this one picture. Of its segment no more is read than that takes. Blocks.
    ///
    /// # Errors
    /// As [`Open::read`].
    pub fn read(self) -> Result<Vec<u8>, Error> {
        let mut film = self.init.open()?.read_all()?;
        let (len, segment) = (self.segment.len(), self.segment.open()?);
        let mut head = Vec::new();
        while (head.len() as u64) < len {
            head.extend_from_slice(&segment.read(head.len() as u64..len)?);
            if let Some(picture) = packager::opening_picture(&head) {
                film.extend_from_slice(&picture);
                return Ok(film);
            }
        }
        Err(Error::Damaged)
    }
}

/// Tells what lies whole in the volumes of a recording. What is in the bucket is not read for that: the store
/// keeps what it took.
#[derive(Debug)]
pub(crate) struct Whole {
    folder: Folder,
    /// What is in the bucket.
    uploaded: Uploaded,
    /// Length of each volume that was looked at, and whether it is in the bucket alone.
    lens: HashMap<u32, (u64, bool)>,
    /// Bytes that are looked at: in each volume all from an offset on.
    unsure_from: HashMap<u32, u64>,
}

impl Whole {
    /// One that looks at nothing unless it is told to. Blocks.
    pub(crate) fn new(folder: &Folder) -> Self {
        let uploaded = match &folder.depot {
            // Damaged, it says nothing of what is on the disk.
            Some(_) => Uploaded::read(&folder.path).ok().flatten().unwrap_or_default(),
            None => Uploaded::default(),
        };
        let (lens, unsure_from) = (HashMap::new(), HashMap::new());
        Self { folder: folder.clone(), uploaded, lens, unsure_from }
    }

    /// A power cut may have come before each place where another run of the server went on, and before the end
    /// of what has none.
    fn of(folder: &Folder, records: &[Record]) -> Self {
        let mut unsure_from = HashMap::new();
        let has_end = matches!(records.last(), Some(Record::End { .. }));
        let mut unsure = if has_end { 0 } else { UNSURE_BYTES };
        for record in records.iter().rev() {
            if *record == Record::Resumed {
                unsure = UNSURE_BYTES;
            }
            for place in record.places() {
                if unsure == 0 {
                    break;
                }
                let from = unsure_from.entry(place.volume).or_insert(place.at);
                *from = place.at.min(*from);
                unsure = unsure.saturating_sub(place.len);
            }
        }
        Self { unsure_from, ..Self::new(folder) }
    }

    /// What is in the bucket, and the volumes that are there alone.
    fn in_bucket(self) -> (Uploaded, HashSet<u32>) {
        let far = self.lens.into_iter().filter(|(_, (_, is_far))| *is_far);
        (self.uploaded, far.map(|(volume, _)| volume).collect())
    }

    /// Whether a volume is in the bucket alone.
    pub(crate) fn is_far(&self, volume: u32) -> bool {
        self.lens.get(&volume).is_some_and(|(_, is_far)| *is_far)
    }

    pub(crate) fn is_whole(&mut self, record: &Record) -> bool {
        // All segments hang on them, and the second copy is of use only if the first is looked at.
        let is_init = matches!(record, Record::Init(_));
        record.places().into_iter().all(|place| self.lies_whole(place, is_init))
    }

    /// Whether something is there; every byte of it where it is to be read.
    pub(crate) fn lies_whole(&mut self, place: &Place, is_read: bool) -> bool {
        let Self { folder, uploaded, lens, unsure_from } = self;
        let look = || match fs::metadata(volume_path(&folder.path, place.volume)) {
            Ok(file) => (file.len(), false),
            Err(_) => uploaded.volumes.get(&place.volume).map_or((0, false), |len| (*len, true)),
        };
        let volume = lens.entry(place.volume).or_insert_with(look);
        if volume.0 < place.end() {
            // It grows while it is written.
            *volume = look();
        }
        let (len, is_far) = *volume;
        let is_unsure =
            is_read || unsure_from.get(&place.volume).is_some_and(|from| place.at >= *from);
        let blob = || Blob { folder: folder.clone(), place: place.clone(), is_far };
        let can_be_read = || blob().open()?.read_all();
        place.end() <= len && (is_far || !is_unsure || can_be_read().is_ok())
    }
}
