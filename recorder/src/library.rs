//! Which recordings there are, and those that are being read.
//!
//! Here: names, what is kept open, how many read at once, which go first. Not here: what a recording is
//! (`recording`), who writes one (`recorder`).
//!
//! Names are read once, when the server starts: a request for a name that nobody has never reaches the disk.
//! How large each is, is looked at later and once: what is finished does not change.

use std::{
    collections::{HashMap, VecDeque},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use media::id::PlaybackName;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{Config, Error, Recording, writer};

/// Reads at once, each on a thread: a disk is no faster with more, and what waits beside it has to go on.
const READS_AT_ONCE: usize = 32;
/// Longest wait for such a place.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// What is known of recordings that were asked for lately: at most so many, of about so many bytes.
const OPEN_MAX: usize = 256;
const OPEN_MAX_BYTES: usize = 128 * 1024 * 1024;
/// What a folder is called from when it is to go until it is gone.
const DELETED: &str = ".deleted-";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// All recordings. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    shelves: Mutex<Shelves>,
    reads: Arc<Semaphore>,
}

#[derive(Debug, Default)]
struct Shelves {
    known: HashMap<Box<str>, Known>,
    /// The one asked for last comes last.
    open: VecDeque<(PlaybackName, Arc<Recording>)>,
}

#[derive(Debug, Default)]
struct Known {
    is_written: bool,
    size: Option<Size>,
}

/// What a recording takes on the disk.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    bytes: u64,
    /// When it was last written to.
    changed: Option<SystemTime>,
}

/// Where the recording of a name stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// There is none.
    Unknown,
    /// Its live is on.
    Written,
    /// It can be read.
    Finished,
}

impl Library {
    /// The recordings below a folder, which is made if it is not there. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open(root: PathBuf) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let mut shelves = Shelves::default();
        for entry in fs::read_dir(&root)? {
            let name = entry?.file_name();
            // Whatever else lies there is none of ours.
            if let Some(name) = name.to_str().and_then(|name| name.parse::<PlaybackName>().ok()) {
                shelves.known.insert(name.as_str().into(), Known::default());
            }
        }
        let reads = Arc::new(Semaphore::new(READS_AT_ONCE));
        Ok(Self(Arc::new(Inner { root, shelves: Mutex::new(shelves), reads })))
    }

    /// Where the recording of a name stands.
    pub fn standing(&self, name: &str) -> Standing {
        match self.lock().known.get(name) {
            None => Standing::Unknown,
            Some(known) if known.is_written => Standing::Written,
            Some(_) => Standing::Finished,
        }
    }

    /// A recording that is finished.
    ///
    /// # Errors
    /// [`Error::Unknown`], [`Error::Empty`], [`Error::Busy`]; those of the disk.
    pub async fn recording(&self, name: &str) -> Result<Arc<Recording>, Error> {
        let name: PlaybackName = name.parse().map_err(|_| Error::Unknown)?;
        if self.standing(name.as_str()) != Standing::Finished {
            return Err(Error::Unknown);
        }
        if let Some(open) = self.lock().find(&name) {
            return Ok(open);
        }
        let folder = self.folder(&name);
        let recording = Arc::new(self.read(move || Recording::open(&folder)).await?);
        self.lock().keep(name, &recording);
        Ok(recording)
    }

    /// Runs what blocks on a thread for that, when there is a place.
    ///
    /// # Errors
    /// [`Error::Busy`] where none becomes free in time; those of `read`.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let place = timeout(PLACE_WITHIN, Arc::clone(&self.0.reads).acquire_owned()).await;
        let place = place.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let run = move || {
            // The place is taken as long as the thread is, whoever still waits for it.
            let _place = place;
            read()
        };
        spawn_blocking(run).await.map_err(|_| Error::Busy)?
    }

    /// Deletes a recording that is finished; says whether there was one. Blocks. What is read of it now is
    /// read to its end.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete(&self, name: &PlaybackName) -> io::Result<bool> {
        if self.standing(name.as_str()) != Standing::Finished {
            return Ok(false);
        }
        let gone = self.0.root.join(format!("{DELETED}{name}"));
        match fs::rename(self.folder(name), &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.lock().forget(name);
        match fs::remove_dir_all(&gone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(true),
        }
    }

    /// Deletes what is too old, and the oldest of what is too much; never what is being written. Gives the
    /// names of what it deleted. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn sweep(&self, config: &Config, now: SystemTime) -> io::Result<Vec<PlaybackName>> {
        self.remove_deleted()?;
        let (mut kept, mut total) = (Vec::new(), 0_u64);
        for (name, is_written, size) in self.sizes() {
            total = total.saturating_add(size.bytes);
            if !is_written {
                kept.push((size.changed.unwrap_or(UNIX_EPOCH), size.bytes, name));
            }
        }
        ::metrics::gauge!("recordings_bytes").set(total as f64);
        kept.sort_unstable_by_key(|(changed, ..)| *changed);
        let oldest = config.max_age_days.and_then(|days| now.checked_sub(DAY * days));
        let mut deleted = Vec::new();
        for (changed, bytes, name) in kept {
            let is_old = oldest.is_some_and(|oldest| changed < oldest);
            let is_much = config.max_bytes.is_some_and(|max| total > max);
            if (is_old || is_much) && self.delete(&name)? {
                tracing::info!(%name, bytes, is_old, "a recording gave way");
                total = total.saturating_sub(bytes);
                deleted.push(name);
            }
        }
        Ok(deleted)
    }

    pub(crate) fn folder(&self, name: &PlaybackName) -> PathBuf {
        self.0.root.join(name.as_str())
    }

    /// A recording is being written from now on; nobody reads it.
    pub(crate) fn begin(&self, name: &PlaybackName) {
        let mut shelves = self.lock();
        shelves.forget(name);
        shelves.known.insert(name.as_str().into(), Known { is_written: true, size: None });
    }

    /// It is written no more; it is there if anything was written of it.
    pub(crate) fn finish(&self, name: &PlaybackName, is_there: bool) {
        let mut shelves = self.lock();
        shelves.forget(name);
        if is_there {
            shelves.known.insert(name.as_str().into(), Known::default());
        }
    }

    /// The size of each recording; looked at where it is not known.
    fn sizes(&self) -> Vec<(PlaybackName, bool, Size)> {
        let known: Vec<_> = {
            let shelves = self.lock();
            let all = shelves.known.iter();
            all.filter_map(|(name, it)| Some((name.parse().ok()?, it.is_written, it.size)))
                .collect()
        };
        let look = |(name, is_written, size): (PlaybackName, bool, Option<Size>)| {
            let size = size.unwrap_or_else(|| {
                let size = size_of(&self.folder(&name)).unwrap_or_default();
                let mut shelves = self.lock();
                let known = shelves.known.get_mut(name.as_str()).filter(|it| !it.is_written);
                if let Some(known) = known.filter(|_| !is_written) {
                    known.size = Some(size);
                }
                size
            });
            (name, is_written, size)
        };
        known.into_iter().map(look).collect()
    }

    fn remove_deleted(&self) -> io::Result<()> {
        for entry in fs::read_dir(&self.0.root)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| name.starts_with(DELETED)) {
                fs::remove_dir_all(entry.path())?;
            }
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn find(&mut self, name: &PlaybackName) -> Option<Arc<Recording>> {
        let at = self.open.iter().position(|(open, _)| open == name)?;
        let found = self.open.remove(at)?;
        let recording = Arc::clone(&found.1);
        self.open.push_back(found);
        Some(recording)
    }

    fn keep(&mut self, name: PlaybackName, recording: &Arc<Recording>) {
        // It may be written again, or gone, since it was opened.
        if self.known.get(name.as_str()).is_none_or(|known| known.is_written) {
            return;
        }
        self.open.retain(|(open, _)| *open != name);
        self.open.push_back((name, Arc::clone(recording)));
        let bytes = |open: &VecDeque<(_, Arc<Recording>)>| -> usize {
            open.iter().map(|(_, recording)| recording.held_bytes()).sum()
        };
        while self.open.len() > OPEN_MAX
            || self.open.len() > 1 && bytes(&self.open) > OPEN_MAX_BYTES
        {
            self.open.pop_front();
        }
    }

    fn forget(&mut self, name: &PlaybackName) {
        self.known.remove(name.as_str());
        self.open.retain(|(open, _)| open != name);
    }
}

fn size_of(folder: &Path) -> io::Result<Size> {
    let mut size = Size::default();
    for number in writer::volumes(folder)? {
        size.bytes += fs::metadata(writer::volume_path(folder, number))?.len();
    }
    let index = fs::metadata(folder.join(writer::INDEX))?;
    Ok(Size { bytes: size.bytes + index.len(), changed: index.modified().ok() })
}
