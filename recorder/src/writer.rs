//! Writes one recording: segments into volumes, what is known of them into the index.
//!
//! Here: the folder of one live. Not here: when something is written, and by which thread (`recorder`).
//!
//! ```text
//! recordings/k3v9…/index          lines, appended (`index`)
//!                  00000.volume   init segments and segments, end to end, as viewers got them; zeros to a whole block
//!                  00001.volume
//!                  uploaded       what of it is in the bucket (`uploaded`)
//! ```
//!
//! Bytes are written at offsets that are counted, so that what failed half-way is overwritten (volumes: `blocks`). A
//! segment is told of in the index after its bytes are in the volume; both are synced together, and its
//! checksums tell whether the one came to the disk without the other. A writer that finds a recording goes
//! on in a new volume, and cuts what the last one left half written off the index.

use std::{
    collections::HashSet,
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use media::Labels;
use packager::Rendition;

use crate::{
    Config, Disk,
    blocks::{Blocks, Buffer},
    index::{self, Index, Place, Record},
    uploaded::Uploaded,
};

/// The file of the index.
pub(crate) const INDEX: &str = "index";
const VOLUME_EXTENSION: &str = "volume";

/// What is written of one live, in one go.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub epoch: String,
    /// Segments before the first of [`Batch::segments`] that never will be.
    pub lost: Option<(u64, u64)>,
    pub segments: Vec<Arc<packager::Segment>>,
    pub labels: Arc<Labels>,
    /// When the live ended, in Unix milliseconds, if it did.
    pub ended_ms: Option<i64>,
}

/// The one writer of a recording.
#[derive(Debug)]
pub(crate) struct Writer {
    folder: PathBuf,
    disk: Arc<dyn Disk>,
    volume_max_bytes: u64,
    volume_max_us: u64,
    index: File,
    index_len: u64,
    volume: Option<Volume>,
    next_volume: u32,
    /// Init segments told of.
    inits: HashSet<(String, Rendition, u32)>,
    labels: Arc<Labels>,
    /// Files were made since the folder was synced.
    has_new_files: bool,
    /// The folder was made since the one it is in was synced.
    is_new_folder: bool,
}

#[derive(Debug)]
struct Volume {
    number: u32,
    blocks: Blocks,
    duration_us: u64,
}

/// What is to be written into a volume, in one go.
#[derive(Debug, Default)]
struct Pieces {
    volume: u32,
    end: u64,
    bytes: Vec<Bytes>,
}

impl Pieces {
    fn after(volume: u32, end: u64) -> Self {
        Self { volume, end, bytes: Vec::new() }
    }

    fn add(&mut self, bytes: Bytes) -> Place {
        let place = Place::of(&bytes, self.volume, self.end);
        self.end = place.end();
        self.bytes.push(bytes);
        place
    }
}

impl Writer {
    /// Opens the recording in `folder` to add to it, or makes it.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(
        folder: PathBuf,
        public: bool,
        config: &Config,
        disk: Arc<dyn Disk>,
    ) -> io::Result<Self> {
        let is_new_folder = !folder.try_exists()?;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let known = match fs::read(folder.join(INDEX)) {
            Ok(bytes) => Index::read(&bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
            Err(error) => return Err(error),
        };
        // Volumes that are in the bucket alone have their numbers, too.
        let uploaded = Uploaded::read(&folder)?.and_then(|it| it.volumes.into_keys().max());
        let last_volume = volumes(&folder)?.into_iter().max().max(uploaded);
        let next_volume = last_volume.map_or(0, |last| last.saturating_add(1));
        let index = options().create(true).truncate(false).open(folder.join(INDEX))?;
        index.set_len(known.whole_len)?;
        let mut writer = Self {
            folder,
            disk,
            volume_max_bytes: config.volume_max_bytes,
            volume_max_us: u64::from(config.volume_max_s) * 1_000_000,
            index,
            index_len: known.whole_len,
            volume: None,
            next_volume,
            inits: HashSet::new(),
            labels: Arc::default(),
            has_new_files: true,
            is_new_folder,
        };
        match known.records.is_empty() {
            true => {
                let live = Record::Live(index::Live { public }).line();
                writer.append_lines(&[live.as_str(), &live].concat())?;
            }
            false => writer.append_lines(&Record::Resumed.line())?,
        }
        Ok(writer)
    }

    /// Writes a batch, without waiting for it to outlive a power cut: see [`Writer::sync`]. Says how many
    /// of its segments were written, also when one after them failed.
    pub fn append(&mut self, batch: &Batch, buffer: &mut Buffer) -> (usize, io::Result<()>) {
        let mut written = 0;
        let mut append = || {
            if let Some((first, last)) = batch.lost {
                let lost = Record::Lost { epoch: batch.epoch.clone(), first, last };
                self.append_lines(&lost.line())?;
            }
            if *batch.labels != *self.labels {
                let called = Record::Labels(index::called(&batch.labels));
                self.append_lines(&called.line())?;
                self.labels = Arc::clone(&batch.labels);
            }
            for segment in &batch.segments {
                self.append_segment(&batch.epoch, segment, buffer)?;
                written += 1;
            }
            match batch.ended_ms {
                Some(at_ms) => self.append_lines(&Record::End { at_ms }.line()),
                None => Ok(()),
            }
        };
        let outcome = append();
        (written, outcome)
    }

    /// Has what was written outlive a power cut.
    ///
    /// # Errors
    /// Those of the disk. What was written since the last sync may be lost then, whatever comes later; the
    /// writer goes on in a new volume.
    pub fn sync(&mut self) -> io::Result<()> {
        let synced = self.sync_files();
        if synced.is_err() {
            self.volume = None;
            // They may be lost with it.
            self.inits.clear();
        }
        synced
    }

    fn sync_files(&mut self) -> io::Result<()> {
        if let Some(volume) = &self.volume {
            self.disk.sync(volume.blocks.file())?;
        }
        self.disk.sync(&self.index)?;
        if self.has_new_files {
            self.disk.sync(&File::open(&self.folder)?)?;
            self.has_new_files = false;
        }
        if self.is_new_folder
            && let Some(parent) = self.folder.parent()
        {
            self.disk.sync(&File::open(parent)?)?;
            self.is_new_folder = false;
        }
        Ok(())
    }

    fn append_segment(
        &mut self,
        epoch: &str,
        segment: &packager::Segment,
        buffer: &mut Buffer,
    ) -> io::Result<()> {
        let mut record = index::Segment::of(epoch, segment);
        let mut lines = String::new();
        let mut new_inits = Vec::new();
        let mut pieces = Pieces::default();
        let has_bytes = |it: &Rendition| has_own_bytes(*it) && !segment.is_gap(*it);
        let writes_bytes = segment.renditions().iter().any(has_bytes);
        if writes_bytes {
            let volume = self.volume_with_room()?;
            pieces = Pieces::after(volume.number, volume.blocks.len());
        }
        for stored in &mut record.renditions {
            let rendition = stored.rendition;
            let init = segment.init(rendition).filter(|_| writes_bytes);
            let name = init.as_ref().map(|init| (epoch.to_owned(), rendition, init.id));
            if let (Some(init), Some(name)) = (init, name)
                && !self.inits.contains(&name)
            {
                // Twice, the bytes too: all segments hang on it.
                for _ in 0..2 {
                    let place = pieces.add(init.bytes.clone());
                    lines.push_str(&Record::Init(index::Init::of(epoch, &init, place)).line());
                }
                new_inits.push(name);
            }
            let bytes = has_own_bytes(rendition).then(|| segment.bytes(rendition)).flatten();
            stored.place = bytes.map(|bytes| pieces.add(bytes));
        }
        if let Some(volume) = self.volume.as_mut().filter(|_| writes_bytes) {
            volume.blocks.append(&pieces.bytes, &*self.disk, buffer)?;
        }
        lines.push_str(&Record::Segment(record).line());
        self.append_lines(&lines)?;
        self.inits.extend(new_inits);
        if let Some(volume) = &mut self.volume {
            volume.duration_us += segment.duration_us();
        }
        Ok(())
    }

    fn volume_with_room(&mut self) -> io::Result<&Volume> {
        let (max_bytes, max_us) = (self.volume_max_bytes, self.volume_max_us);
        let has_room = |it: &Volume| it.blocks.len() < max_bytes && it.duration_us < max_us;
        let volume = match self.volume.take() {
            Some(volume) if has_room(&volume) => volume,
            full => {
                if let Some(full) = &full
                    && let Err(error) = self.disk.sync(full.blocks.file())
                {
                    // They may be lost with it.
                    self.inits.clear();
                    return Err(error);
                }
                let number = self.next_volume;
                let path = volume_path(&self.folder, number);
                let blocks = Blocks::create(path, &mut options())?;
                self.next_volume = number.checked_add(1).ok_or(io::ErrorKind::FileTooLarge)?;
                self.has_new_files = true;
                Volume { number, blocks, duration_us: 0 }
            }
        };
        Ok(self.volume.insert(volume))
    }

    fn append_lines(&mut self, lines: &str) -> io::Result<()> {
        self.disk.write(&self.index, lines.as_bytes(), self.index_len)?;
        self.index_len += lines.len() as u64;
        Ok(())
    }
}

/// Whether a rendition is no other form of the source.
pub(crate) fn has_own_bytes(rendition: Rendition) -> bool {
    !matches!(rendition, Rendition::Video | Rendition::SOUND)
}

/// Where a volume of a recording is.
pub(crate) fn volume_path(folder: &Path, number: u32) -> PathBuf {
    folder.join(volume_name(number))
}

/// What a volume is called.
pub(crate) fn volume_name(number: u32) -> String {
    format!("{number:05}.{VOLUME_EXTENSION}")
}

/// The numbers of the volumes in a folder.
pub(crate) fn volumes(folder: &Path) -> io::Result<Vec<u32>> {
    let number = |entry: io::Result<fs::DirEntry>| {
        let name = entry.map(|entry| entry.file_name());
        name.map(|name| volume_number(name.to_str()?))
    };
    fs::read_dir(folder)?.filter_map(|entry| number(entry).transpose()).collect()
}

/// The number of the volume that a file is, if it is one.
pub(crate) fn volume_number(name: &str) -> Option<u32> {
    name.strip_suffix(VOLUME_EXTENSION)?.strip_suffix('.')?.parse().ok()
}

/// Recordings are for the server alone: not all of them are for everybody.
pub(crate) fn options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}
