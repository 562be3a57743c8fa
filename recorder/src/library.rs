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
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use media::id::PlaybackName;
use tokio::{sync::Semaphore, task::spawn_blocking, time::timeout};

use crate::{Config, Error, Film, Recording, When, film::Cut, writer};

/// Reads at once, each on a thread: a disk is no faster with more, and what waits beside it has to go on.
const READS_AT_ONCE: usize = 32;
/// Longest wait for such a place.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// What is known of recordings that were asked for lately: at most so many, of about so many bytes.
const OPEN_MAX: usize = 256;
const OPEN_MAX_BYTES: usize = 128 * 1024 * 1024;
/// The same of those that were asked for as one file: the head of one is of some 3 MB an hour.
const FILMS_MAX: usize = 64;
const FILMS_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Films that are made at once, each from all bytes of its recording.
const FILMS_MADE_AT_ONCE: usize = 2;
/// Longest wait for one that another request has made, or for the turn to make one.
const FILM_WITHIN: Duration = Duration::from_secs(60);
/// What a folder is called from when it is to go until it is gone.
const DELETED: &str = ".deleted-";
/// The empty file that says that a recording became media of its post.
const SHOWN: &str = "shown";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// All recordings. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    shelves: Mutex<Shelves>,
    reads: Arc<Semaphore>,
    making: Semaphore,
}

#[derive(Debug, Default)]
struct Shelves {
    known: HashMap<Box<str>, Known>,
    open: Lately<Recording>,
    films: Lately<Film>,
}

/// What was asked for lately. The one asked for last comes last.
#[derive(Debug)]
struct Lately<T>(VecDeque<(PlaybackName, Arc<T>)>);

#[derive(Debug, Default)]
struct Known {
    is_written: bool,
    is_shown: bool,
    size: Option<Size>,
    /// Whose turn it is to open it: the others find it open.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// The same to make a film of it.
    filming: Arc<tokio::sync::Mutex<()>>,
}

/// What a recording takes on the disk.
#[derive(Debug, Clone, Copy)]
struct Size {
    bytes: u64,
    /// When it was last written to.
    changed: SystemTime,
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
        let making = Semaphore::new(FILMS_MADE_AT_ONCE);
        Ok(Self(Arc::new(Inner { root, shelves: Mutex::new(shelves), reads, making })))
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
        let opening = {
            let mut shelves = self.lock();
            if let Some(open) = shelves.open.find(&name) {
                return Ok(open);
            }
            let known = shelves.known.get(name.as_str()).filter(|known| !known.is_written);
            Arc::clone(&known.ok_or(Error::Unknown)?.opening)
        };
        let _turn = timeout(PLACE_WITHIN, opening.lock()).await.map_err(|_| Error::Busy)?;
        if let Some(open) = self.lock().open.find(&name) {
            return Ok(open);
        }
        let folder = self.folder(&name);
        let recording = Arc::new(self.read(move || Recording::open(&folder)).await?);
        let mut shelves = self.lock();
        // It may be written again, or gone, since it was opened.
        if shelves.is_finished(&name) {
            let held_bytes = Recording::held_bytes;
            shelves.open.keep(name, &recording, OPEN_MAX, OPEN_MAX_BYTES, held_bytes);
        }
        Ok(recording)
    }

    /// A recording that is finished, as one MP4. Who asks first waits until all of it was read once.
    ///
    /// # Errors
    /// As [`Library::recording`]; [`Error::TooLong`].
    pub async fn film(&self, name: &str) -> Result<Arc<Film>, Error> {
        let recording = self.recording(name).await?;
        let name: PlaybackName = name.parse().map_err(|_| Error::Unknown)?;
        let filming = {
            let mut shelves = self.lock();
            if let Some(film) = shelves.films.find(&name) {
                return Ok(film);
            }
            let known = shelves.known.get(name.as_str());
            Arc::clone(&known.ok_or(Error::Unknown)?.filming)
        };
        let _turn = timeout(FILM_WITHIN, filming.lock()).await.map_err(|_| Error::Busy)?;
        if let Some(film) = self.lock().films.find(&name) {
            return Ok(film);
        }
        let film = Arc::new(self.make(recording, None).await?);
        let mut shelves = self.lock();
        if shelves.is_finished(&name) {
            shelves.films.keep(name, &film, FILMS_MAX, FILMS_MAX_BYTES, Film::held_bytes);
        }
        Ok(film)
    }

    /// The film of a recording turned out to be damaged: the next one is made without what cannot be read.
    pub fn forget_film(&self, name: &str) {
        self.lock().films.0.retain(|(held, _)| held.as_str() != name);
    }

    /// What is played of a recording between two times, as one MP4: from the keyframe at or before the first to the one at or after the second.
    ///
    /// # Errors
    /// As [`Library::film`]; [`Error::Empty`] where nothing is played then.
    pub async fn clip(&self, name: &str, wanted: Range<When>) -> Result<Arc<Film>, Error> {
        let recording = self.recording(name).await?;
        let looked_at = Arc::clone(&recording);
        let cut = self.read(move || Cut::at_keyframes(&looked_at, wanted)).await?;
        self.make(recording, Some(cut)).await.map(Arc::new)
    }

    async fn make(&self, recording: Arc<Recording>, cut: Option<Cut>) -> Result<Film, Error> {
        let turn = timeout(FILM_WITHIN, self.0.making.acquire()).await;
        let _turn = turn.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let film = self.make_film(recording, cut).await?;
        if film.left_out() > 0 {
            tracing::warn!(segments = film.left_out(), "a film was made without what is damaged");
        }
        Ok(film)
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

    /// The names of all recordings that can be read.
    pub fn finished(&self) -> Vec<PlaybackName> {
        let shelves = self.lock();
        let finished = shelves.known.iter().filter(|(_, known)| !known.is_written);
        finished.filter_map(|(name, _)| name.parse().ok()).collect()
    }

    /// Whether [`Library::set_shown`] was ever told of a recording, also by an earlier run of the server. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn is_shown(&self, name: &PlaybackName) -> io::Result<bool> {
        if self.lock().known.get(name.as_str()).is_some_and(|known| known.is_shown) {
            return Ok(true);
        }
        let is_shown = self.folder(name).join(SHOWN).try_exists()?;
        self.note_shown(name, is_shown);
        Ok(is_shown)
    }

    /// Notes that a recording became media of its post, so that one whose media was deleted is not taken for one
    /// that never was. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn set_shown(&self, name: &PlaybackName) -> io::Result<()> {
        let folder = self.folder(name);
        writer::options().create(true).truncate(false).open(folder.join(SHOWN))?;
        fs::File::open(&folder)?.sync_all()?;
        self.note_shown(name, true);
        Ok(())
    }

    fn note_shown(&self, name: &PlaybackName, is_shown: bool) {
        if let Some(known) = self.lock().known.get_mut(name.as_str()) {
            known.is_shown = is_shown;
        }
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

    /// Deletes what is too old, and the oldest of what is too much; never what is being written, nor what cannot be
    /// looked at. Gives the names of what it deleted. What fails is logged, and holds up no other. Blocks.
    pub fn sweep(&self, config: &Config, now: SystemTime) -> Vec<PlaybackName> {
        self.remove_deleted();
        let (mut kept, mut total) = (Vec::new(), 0_u64);
        for (name, is_written, size) in self.sizes() {
            total = total.saturating_add(size.bytes);
            if !is_written {
                kept.push((size.changed, size.bytes, name));
            }
        }
        ::metrics::gauge!("recordings_bytes").set(total as f64);
        kept.sort_unstable_by_key(|(changed, ..)| *changed);
        let oldest = config.max_age_days.and_then(|days| now.checked_sub(DAY * days));
        let mut deleted = Vec::new();
        for (changed, bytes, name) in kept {
            let is_old = oldest.is_some_and(|oldest| changed < oldest);
            let is_much = config.max_bytes.is_some_and(|max| total > max);
            if !is_old && !is_much {
                continue;
            }
            if let Err(error) = self.delete(&name) {
                tracing::error!(%name, %error, "cannot delete a recording");
            }
            // Also where some of its files are left: nobody reads it any more.
            if self.standing(name.as_str()) == Standing::Unknown {
                tracing::info!(%name, bytes, is_old, "a recording gave way");
                total = total.saturating_sub(bytes);
                deleted.push(name);
            }
        }
        deleted
    }

    pub(crate) fn folder(&self, name: &PlaybackName) -> PathBuf {
        self.0.root.join(name.as_str())
    }

    /// A recording is being written from now on; nobody reads it.
    pub(crate) fn begin(&self, name: &PlaybackName) {
        let mut shelves = self.lock();
        shelves.forget(name);
        shelves.known.insert(name.as_str().into(), Known { is_written: true, ..Known::default() });
    }

    /// It is written no more; it is there if anything was written of it.
    pub(crate) fn finish(&self, name: &PlaybackName, is_there: bool) {
        let mut shelves = self.lock();
        shelves.forget(name);
        if is_there {
            shelves.known.insert(name.as_str().into(), Known::default());
        }
    }

    /// The size of each recording that can be looked at; looked at where it is not known.
    fn sizes(&self) -> Vec<(PlaybackName, bool, Size)> {
        let known: Vec<_> = {
            let shelves = self.lock();
            let all = shelves.known.iter();
            all.filter_map(|(name, it)| Some((name.parse().ok()?, it.is_written, it.size)))
                .collect()
        };
        let sized = known.into_iter().filter_map(|(name, is_written, size)| {
            let size = size.or_else(|| self.look_at(&name, is_written))?;
            Some((name, is_written, size))
        });
        sized.collect()
    }

    fn look_at(&self, name: &PlaybackName, is_written: bool) -> Option<Size> {
        let size = match size_of(&self.folder(name)) {
            Ok(size) => size,
            // Nothing was written yet, or somebody took it away.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::error!(%name, %error, "cannot look at a recording");
                return None;
            }
        };
        let mut shelves = self.lock();
        let known = shelves.known.get_mut(name.as_str()).filter(|it| !it.is_written);
        if let Some(known) = known.filter(|_| !is_written) {
            known.size = Some(size);
        }
        Some(size)
    }

    /// Removes what deletions left.
    fn remove_deleted(&self) {
        let left = fs::read_dir(&self.0.root).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let left = left.unwrap_or_else(|error| {
            tracing::error!(%error, "cannot look for what is left of recordings");
            Vec::new()
        });
        let is_left = |name: &str| name.starts_with(DELETED);
        for entry in left.iter().filter(|it| it.file_name().to_str().is_some_and(is_left)) {
            match fs::remove_dir_all(entry.path()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    let path = entry.path();
                    tracing::error!(path = %path.display(), %error, "cannot remove what is left of a recording");
                }
                _ => {}
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn is_finished(&self, name: &PlaybackName) -> bool {
        self.known.get(name.as_str()).is_some_and(|known| !known.is_written)
    }

    fn forget(&mut self, name: &PlaybackName) {
        self.known.remove(name.as_str());
        self.open.0.retain(|(open, _)| open != name);
        self.films.0.retain(|(film, _)| film != name);
    }
}

impl<T> Default for Lately<T> {
    fn default() -> Self {
        Self(VecDeque::new())
    }
}

impl<T> Lately<T> {
    fn find(&mut self, name: &PlaybackName) -> Option<Arc<T>> {
        let at = self.0.iter().position(|(held, _)| held == name)?;
        let found = self.0.remove(at)?;
        let held = Arc::clone(&found.1);
        self.0.push_back(found);
        Some(held)
    }

    /// Keeps at most so many, of so many bytes together, but always this one.
    fn keep(
        &mut self,
        name: PlaybackName,
        new: &Arc<T>,
        max: usize,
        max_bytes: usize,
        held_bytes: impl Fn(&T) -> usize,
    ) {
        self.0.retain(|(held, _)| *held != name);
        self.0.push_back((name, Arc::clone(new)));
        let bytes = |all: &VecDeque<(_, Arc<T>)>| -> usize {
            all.iter().map(|(_, held)| held_bytes(held)).sum()
        };
        while self.0.len() > max || self.0.len() > 1 && bytes(&self.0) > max_bytes {
            self.0.pop_front();
        }
    }
}

fn size_of(folder: &Path) -> io::Result<Size> {
    let mut bytes = 0;
    for number in writer::volumes(folder)? {
        bytes += fs::metadata(writer::volume_path(folder, number))?.len();
    }
    let index = match fs::metadata(folder.join(writer::INDEX)) {
        // The folder is as old as what is left in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(folder)?,
        index => index?,
    };
    Ok(Size { bytes: bytes + index.len(), changed: index.modified()? })
}
