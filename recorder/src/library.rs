//! Which recordings there are, and those that are being read.
//!
//! Here: names, what is kept open, how many read at once, which go first. Not here: what a recording is
//! (`recording`), who writes one (`recorder`).
//!
//! Names are read once, when the server starts: a request for a name that nobody has never reaches the disk.
//! How large each is, is looked at later and once: what is finished does not change. Which are in a bucket alone
//! is asked of that once, and told here; their indexes are fetched when somebody wants to read them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use hub::{Channel, Playlist};
use media::id::{PlaybackName, UserId};
use packager::Rendition;
use storage::Depot;
use tokio::{
    sync::{Notify, Semaphore},
    task::spawn_blocking,
    time::timeout,
};

use crate::{
    Config, Disk as _, Error, Film, Recording, Rewind, System, When,
    far::Found,
    film::Cut,
    recording::Folder,
    uploaded::{UPLOADED, Uploaded},
    writer,
};

/// Reads at once, each on a thread: a disk is no faster with more, and what waits beside it has to go on.
const READS_AT_ONCE: usize = 32;
/// Reads from the bucket at once, each on a thread, too: a store that hangs takes none from the disk. With 30 ms
/// for 256 KiB they are 500 MB a second.
const FAR_READS_AT_ONCE: usize = 64;
/// Longest wait for such a place.
const PLACE_WITHIN: Duration = Duration::from_secs(10);
/// What is known of recordings that were asked for lately: at most so many, of about so many bytes.
const OPEN_MAX: usize = 256;
const OPEN_MAX_BYTES: usize = 128 * 1024 * 1024;
/// The same of those that were asked for as one file: the head of one is of some 3 MB an hour.
const FILMS_MAX: usize = 64;
const FILMS_MAX_BYTES: usize = 256 * 1024 * 1024;
/// The same of those of lives that are on, where somebody went back.
const REWINDS_MAX: usize = 256;
const REWINDS_MAX_BYTES: usize = 256 * 1024 * 1024;
/// Films that are made at once, each from all bytes of its recording.
const FILMS_MADE_AT_ONCE: usize = 2;
/// Longest wait for one to be made, and for the turn to make one: proxies wait for no more than a minute.
const FILM_WITHIN: Duration = Duration::from_secs(20);
/// What a folder is called from when it is to go until it is gone.
const DELETED: &str = ".deleted-";
/// What the folder of a recording that comes out of the bucket is called from until it is whole.
const ADOPTED: &str = ".adopted-";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// All recordings. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Library(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    root: PathBuf,
    /// Where recordings go, and where they may be alone.
    depot: Option<Depot>,
    shelves: Mutex<Shelves>,
    reads: Arc<Semaphore>,
    far_reads: Arc<Semaphore>,
    /// Something is due.
    came: Notify,
    making: Semaphore,
}

#[derive(Debug, Default)]
struct Shelves {
    known: HashMap<Box<str>, Known>,
    open: Lately<Recording>,
    films: Lately<Film>,
    rewinds: Lately<Rewind>,
    /// How often something was written of any recording.
    editions: u64,
    due: Due,
}

/// Recordings whose copies in the bucket may differ from what is here. One at a time is seen to by one.
#[derive(Debug, Default)]
struct Due {
    order: VecDeque<PlaybackName>,
    names: HashSet<PlaybackName>,
    taken: HashSet<PlaybackName>,
}

/// A recording that is being seen to, until this is dropped.
#[derive(Debug)]
pub(crate) struct Taken {
    recordings: Library,
    pub name: PlaybackName,
}

/// What was asked for lately. The one asked for last comes last.
#[derive(Debug)]
struct Lately<T>(VecDeque<(PlaybackName, Arc<T>)>);

#[derive(Debug, Default)]
struct Known {
    is_written: bool,
    /// It is in the bucket alone, its index too.
    is_far: bool,
    /// All of it is in the bucket.
    is_up: bool,
    /// Its volumes may leave the disk.
    may_leave: bool,
    size: Option<Size>,
    /// Another one each time that something was written of it.
    edition: u64,
    /// Whose turn it is to open it: the others find it open.
    opening: Arc<tokio::sync::Mutex<()>>,
    /// The same to make a film of it.
    filming: Arc<tokio::sync::Mutex<()>>,
}

/// What a recording takes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    pub bytes: u64,
    /// Those of its volumes that are on the disk.
    pub here_bytes: u64,
    /// When it was last written to.
    pub changed: SystemTime,
}

/// A recording and its size.
#[derive(Debug)]
struct Sized {
    name: PlaybackName,
    is_written: bool,
    is_up: bool,
    size: Size,
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
        Self::open_with(root, None)
    }

    /// The same, where their volumes may be in a bucket alone. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn open_with(root: PathBuf, depot: Option<Depot>) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&root)?;
        let mut shelves = Shelves::default();
        for entry in fs::read_dir(&root)? {
            let file_name = entry?.file_name();
            let Some(name) = file_name.to_str() else { continue };
            let deleted = name.strip_prefix(DELETED);
            // Whatever else lies there is none of ours.
            if let Ok(name) = deleted.unwrap_or(name).parse::<PlaybackName>() {
                if deleted.is_none() {
                    shelves.known.insert(name.as_str().into(), Known::default());
                }
                if depot.is_some() {
                    shelves.due.push(name);
                }
            }
        }
        let [reads, far_reads] =
            [READS_AT_ONCE, FAR_READS_AT_ONCE].map(|places| Arc::new(Semaphore::new(places)));
        let making = Semaphore::new(FILMS_MADE_AT_ONCE);
        let (shelves, came) = (Mutex::new(shelves), Notify::new());
        Ok(Self(Arc::new(Inner { root, depot, shelves, reads, far_reads, came, making })))
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
    /// [`Error::Unknown`], [`Error::Empty`], [`Error::Busy`], [`Error::Away`]; those of the disk.
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
        if self.is_far(&name) {
            self.adopt(&name).await?;
        }
        let (folder, depot) = (self.folder(&name), self.0.depot.clone());
        let open = move || match Recording::open_with(&folder, depot) {
            Err(Error::Unknown) if !folder.try_exists()? => Ok(None),
            recording => recording.map(Some),
        };
        let recording = self.read(open).await?.map(Arc::new);
        let mut shelves = self.lock();
        let Some(recording) = recording else {
            // The disk was lost, or somebody cleaned up: it may be in the bucket, where nobody looks for what is known here.
            if shelves.is_finished(&name) {
                shelves.forget(&name);
            }
            return Err(Error::Unknown);
        };
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
        let turn = timeout(FILM_WITHIN, filming.lock_owned()).await.map_err(|_| Error::Busy)?;
        if let Some(film) = self.lock().films.find(&name) {
            return Ok(film);
        }
        let library = self.clone();
        // It goes on when who asked waits no more, and he finds it made when he comes again.
        let made = tokio::spawn(async move {
            let _turn = turn;
            let film = Arc::new(library.make(recording, None).await?);
            let mut shelves = library.lock();
            if shelves.is_finished(&name) {
                shelves.films.keep(name, &film, FILMS_MAX, FILMS_MAX_BYTES, Film::held_bytes);
            }
            Ok(film)
        });
        timeout(FILM_WITHIN, made).await.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?
    }

    /// The film of a recording turned out to be damaged: the next one is made without what cannot be read.
    pub fn forget_film(&self, name: &str) {
        self.lock().films.0.retain(|(held, _)| held.as_str() != name);
    }

    /// What is played of a recording between two times, as one MP4: from the keyframe at or before the first to the one at or after the second.
    ///
    /// # Errors
    /// As [`Library::film`]; [`Error::Empty`] where nothing is played then, [`Error::NoKeyframe`] where it would be much
    /// longer than that.
    pub async fn clip(&self, name: &str, wanted: Range<When>) -> Result<Arc<Film>, Error> {
        let recording = self.recording(name).await?;
        let looked_at = Arc::clone(&recording);
        let is_far = recording.is_far();
        let cut = self.read_from(is_far, move || Cut::at_keyframes(&looked_at, wanted)).await?;
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

    /// What viewers of a live may go back to, so far as `window` reaches, up to the newest segment that is written.
    ///
    /// # Errors
    /// [`Error::Unknown`] where it is not recorded, [`Error::Busy`]; those of the disk.
    pub async fn rewind(
        &self,
        channel: &Channel,
        window: Option<Duration>,
    ) -> Result<Arc<Rewind>, Error> {
        let (name, epoch) = (channel.name(), channel.epoch().as_str());
        let at_hand = || {
            let mut shelves = self.lock();
            let known = shelves.known.get(name.as_str()).ok_or(Error::Unknown)?;
            let (opening, edition) = (Arc::clone(&known.opening), known.edition);
            let rewind = shelves.rewinds.find(name).filter(|rewind| rewind.epoch() == epoch);
            Ok::<_, Error>((opening, edition, rewind))
        };
        let (opening, edition, rewind) = at_hand()?;
        if let Some(rewind) = rewind.filter(|rewind| rewind.edition() == edition) {
            return Ok(rewind);
        }
        let _turn = timeout(PLACE_WITHIN, opening.lock()).await.map_err(|_| Error::Busy)?;
        let (_, edition, rewind) = at_hand()?;
        let rewind = match rewind {
            Some(rewind) if rewind.edition() == edition => return Ok(rewind),
            Some(rewind) => rewind,
            None => {
                let folder = Folder { path: self.folder(name), depot: self.0.depot.clone() };
                Arc::new(Rewind::new(folder, epoch, window))
            }
        };
        let reading = Arc::clone(&rewind);
        self.read(move || reading.read(edition)).await?;
        let mut shelves = self.lock();
        if shelves.known.contains_key(name.as_str()) {
            let (name, held_bytes) = (name.clone(), Rewind::held_bytes);
            shelves.rewinds.keep(name, &rewind, REWINDS_MAX, REWINDS_MAX_BYTES, held_bytes);
        }
        Ok(rewind)
    }

    /// A media playlist of it: see [`Rewind::media_playlist`]. The first one of a long live is written on a thread
    /// that may block.
    ///
    /// # Errors
    /// [`Error::Busy`].
    pub async fn rewind_playlist(
        &self,
        rewind: &Arc<Rewind>,
        rendition: Rendition,
        is_delta: bool,
        has_ended: bool,
    ) -> Result<Option<Arc<Playlist>>, Error> {
        if rewind.is_long(rendition) {
            let writing = Arc::clone(rewind);
            let write = move || {
                writing.write(rendition);
                Ok(())
            };
            self.read(write).await?;
        }
        Ok(rewind.media_playlist(rendition, is_delta, has_ended))
    }

    /// Runs what blocks on a thread for that, when there is a place.
    ///
    /// # Errors
    /// [`Error::Busy`] where none becomes free in time; those of `read`.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.read_from(false, read).await
    }

    /// The same, also for what is in the bucket: that has places of its own.
    ///
    /// # Errors
    /// As [`Library::read`].
    pub async fn read_from<T: Send + 'static>(
        &self,
        is_far: bool,
        read: impl FnOnce() -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let places = if is_far { &self.0.far_reads } else { &self.0.reads };
        let place = timeout(PLACE_WITHIN, Arc::clone(places).acquire_owned()).await;
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

    /// The names of all recordings, also of those that are being written.
    pub fn names(&self) -> Vec<PlaybackName> {
        self.lock().known.keys().filter_map(|name| name.parse().ok()).collect()
    }

    /// Whether a recording is in the bucket alone.
    pub fn is_far(&self, name: &PlaybackName) -> bool {
        self.lock().known.get(name.as_str()).is_some_and(|known| known.is_far)
    }

    /// Remembers recordings that are in the bucket and were not known here.
    pub fn found_far(&self, names: Vec<PlaybackName>) {
        for name in names {
            let known = Known { is_far: true, ..Known::default() };
            self.lock().known.entry(name.as_str().into()).or_insert(known);
            // How large it is.
            self.due(name);
        }
    }

    /// Deletes a recording that is finished; says whether there was one. Blocks. What is read of it now from the
    /// disk is read to its end. What is in the bucket is deleted by and by: until then an empty folder is left.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn delete(&self, name: &PlaybackName) -> io::Result<bool> {
        if self.standing(name.as_str()) != Standing::Finished {
            return Ok(false);
        }
        let gone = self.tombstone(name);
        if self.is_far(name) {
            fs::create_dir_all(&gone)?;
            writer::options().create(true).truncate(false).open(gone.join(UPLOADED))?;
        }
        match fs::rename(self.folder(name), &gone) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        self.lock().forget(name);
        self.remove_deleted(&gone)?;
        self.due(name.clone());
        Ok(true)
    }

    /// Deletes what is too old, and the oldest of what is too much, in all and of one of `owners`; never what is being
    /// written, nor what cannot be looked at. Gives the names of what it deleted. What is in the bucket too leaves the
    /// disk, the oldest first, as that has too much of it. What fails is logged, and holds up no other. Blocks.
    pub fn sweep(
        &self,
        config: &Config,
        now: SystemTime,
        owners: &HashMap<PlaybackName, UserId>,
    ) -> Vec<PlaybackName> {
        self.remove_all_deleted();
        let mut shelf = self.sizes();
        shelf.sort_unstable_by_key(|it| it.size.changed);
        let deleted = self.give_way(&shelf, config, now, owners);
        shelf.retain(|it| !deleted.contains(&it.name));
        self.have_leave(&shelf, config);
        deleted.into_iter().collect()
    }

    fn give_way(
        &self,
        shelf: &[Sized],
        config: &Config,
        now: SystemTime,
        owners: &HashMap<PlaybackName, UserId>,
    ) -> HashSet<PlaybackName> {
        let mut total: u64 = shelf.iter().map(|it| it.size.bytes).sum();
        ::metrics::gauge!("recordings_bytes").set(total as f64);
        let mut totals: HashMap<UserId, u64> = HashMap::new();
        for it in shelf {
            if let Some(owner) = owners.get(&it.name) {
                *totals.entry(*owner).or_default() += it.size.bytes;
            }
        }
        let oldest = config.max_age_days.and_then(|days| now.checked_sub(DAY * days));
        let mut deleted = HashSet::new();
        for Sized { name, size: Size { bytes, changed, .. }, .. } in
            shelf.iter().filter(|it| !it.is_written)
        {
            let of_owner = owners.get(name).and_then(|owner| totals.get_mut(owner));
            let is_old = oldest.is_some_and(|oldest| *changed < oldest);
            let is_much = config.max_bytes.is_some_and(|max| total > max);
            let is_much_of_one = config
                .max_bytes_per_user
                .zip(of_owner.as_deref())
                .is_some_and(|(max, it)| *it > max);
            if !is_old && !is_much && !is_much_of_one {
                continue;
            }
            if let Err(error) = self.delete(name) {
                tracing::error!(%name, %error, "cannot delete a recording");
            }
            // Also where some of its files are left: nobody reads it any more.
            if self.standing(name.as_str()) == Standing::Unknown {
                tracing::info!(%name, bytes, is_old, is_much_of_one, "a recording gave way");
                total = total.saturating_sub(*bytes);
                if let Some(of_owner) = of_owner {
                    *of_owner = of_owner.saturating_sub(*bytes);
                }
                deleted.insert(name.clone());
            }
        }
        deleted
    }

    /// Chooses what leaves the disk, since it is in the bucket: what is too much, and what keeps the disk from having
    /// twice the room without which nothing is recorded.
    fn have_leave(&self, shelf: &[Sized], config: &Config) {
        let here: u64 = shelf.iter().map(|it| it.size.here_bytes).sum();
        ::metrics::gauge!("recordings_here_bytes").set(here as f64);
        let room = config.free_min_bytes.saturating_mul(2);
        let missing = System.free_bytes(&self.0.root).map_or(0, |free| room.saturating_sub(free));
        let much = config.local_max_bytes.map_or(0, |max| here.saturating_sub(max));
        let mut to_leave = much.max(missing);
        for it in shelf.iter().filter(|it| it.is_up && !it.is_written && it.size.here_bytes > 0) {
            if to_leave == 0 {
                break;
            }
            to_leave = to_leave.saturating_sub(it.size.here_bytes);
            if let Some(known) = self.lock().known.get_mut(it.name.as_str()) {
                known.may_leave = true;
            }
            self.due(it.name.clone());
        }
    }

    /// Has the index of a recording that is in the bucket alone.
    async fn adopt(&self, name: &PlaybackName) -> Result<(), Error> {
        let depot = self.0.depot.as_ref().ok_or(Error::Unknown)?;
        let place = timeout(PLACE_WITHIN, self.0.far_reads.acquire()).await;
        let place = place.map_err(|_| Error::Busy)?.map_err(|_| Error::Busy)?;
        let found = Found::look(depot, name).await?;
        drop(place);
        let (folder, beside) = (self.folder(name), self.0.root.join(format!("{ADOPTED}{name}")));
        self.read(move || Ok(found.keep(&folder, &beside)?)).await?;
        if let Some(known) = self.lock().known.get_mut(name.as_str()) {
            known.is_far = false;
        }
        self.due(name.clone());
        Ok(())
    }

    /// Its copy in the bucket may differ.
    pub(crate) fn due(&self, name: PlaybackName) {
        if self.0.depot.is_some() {
            self.lock().due.push(name);
            self.0.came.notify_one();
        }
    }

    /// What is due next; waits for it.
    pub(crate) async fn take_due(&self) -> Taken {
        loop {
            let came = self.0.came.notified();
            let next = {
                let mut shelves = self.lock();
                let next = shelves.due.take();
                let waiting = shelves.due.order.len();
                ::metrics::gauge!("recorder_upload_waiting").set(waiting as f64);
                next
            };
            if let Some(name) = next {
                // One word may stand for several that are due.
                self.0.came.notify_one();
                return Taken { recordings: self.clone(), name };
            }
            came.await;
        }
    }

    /// All that is written, or else all that is not in the bucket, is due.
    pub(crate) fn due_again(&self, is_written: bool) {
        let names: Vec<PlaybackName> = {
            let shelves = self.lock();
            let due = shelves.known.iter().filter(|(_, known)| match is_written {
                true => known.is_written,
                false => !known.is_up,
            });
            due.filter_map(|(name, _)| name.parse().ok()).collect()
        };
        names.into_iter().for_each(|name| self.due(name));
    }

    /// All of a recording is in the bucket. Says whether its volumes may leave the disk.
    pub(crate) fn note_up(&self, name: &PlaybackName) -> bool {
        let mut shelves = self.lock();
        let known = shelves.known.get_mut(name.as_str()).filter(|known| !known.is_written);
        let Some(known) = known else { return false };
        let (is_new, may_leave) = (!std::mem::replace(&mut known.is_up, true), known.may_leave);
        if is_new {
            // Its playlists may lead there now.
            shelves.forget_read(name);
        }
        may_leave
    }

    /// Volumes of a recording left the disk.
    pub(crate) fn note_left(&self, name: &PlaybackName) {
        let mut shelves = self.lock();
        shelves.forget_read(name);
        if let Some(known) = shelves.known.get_mut(name.as_str()) {
            (known.may_leave, known.size) = (false, None);
        }
    }

    /// How large a recording is that is in the bucket alone.
    pub(crate) fn note_far_size(&self, name: &PlaybackName, size: Size) {
        if let Some(known) = self.lock().known.get_mut(name.as_str()).filter(|it| it.is_far) {
            (known.size, known.is_up) = (Some(size), true);
        }
    }

    #[cfg(test)]
    pub(crate) fn is_up(&self, name: &str) -> bool {
        self.lock().known.get(name).is_some_and(|known| known.is_up)
    }

    /// Whether nothing is due or seen to.
    #[cfg(test)]
    pub(crate) fn is_settled(&self) -> bool {
        let shelves = self.lock();
        shelves.due.order.is_empty() && shelves.due.taken.is_empty()
    }

    pub(crate) fn depot(&self) -> Option<&Depot> {
        self.0.depot.as_ref()
    }

    /// The folder that a deleted recording leaves while something of it is in the bucket.
    pub(crate) fn tombstone(&self, name: &PlaybackName) -> PathBuf {
        self.0.root.join(format!("{DELETED}{name}"))
    }

    /// The names of those. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub(crate) fn tombstones(&self) -> io::Result<HashSet<PlaybackName>> {
        let name = |entry: io::Result<fs::DirEntry>| {
            let name = entry.map(|entry| entry.file_name());
            name.map(|name| name.to_str()?.strip_prefix(DELETED)?.parse().ok())
        };
        fs::read_dir(&self.0.root)?.filter_map(|entry| name(entry).transpose()).collect()
    }

    /// The folder of a recording: what is kept beside its volumes goes with them. It is there once anything was
    /// written of its live.
    pub fn folder(&self, name: &PlaybackName) -> PathBuf {
        self.0.root.join(name.as_str())
    }

    /// A recording is being written from now on; nobody reads it.
    pub(crate) fn begin(&self, name: &PlaybackName) {
        let mut shelves = self.lock();
        shelves.forget(name);
        let edition = shelves.next_edition();
        let known = Known { is_written: true, edition, ..Known::default() };
        shelves.known.insert(name.as_str().into(), known);
    }

    /// Something was written of it: who goes back in its live reads it.
    pub(crate) fn wrote(&self, name: &PlaybackName) {
        let mut shelves = self.lock();
        let edition = shelves.next_edition();
        if let Some(known) = shelves.known.get_mut(name.as_str()) {
            known.edition = edition;
        }
    }

    /// It is written no more; it is there if anything was written of it.
    pub(crate) fn finish(&self, name: &PlaybackName, is_there: bool) {
        let mut shelves = self.lock();
        shelves.forget(name);
        if is_there {
            let edition = shelves.next_edition();
            shelves.known.insert(name.as_str().into(), Known { edition, ..Known::default() });
        }
        drop(shelves);
        self.due(name.clone());
    }

    /// The size of each recording that can be looked at; looked at where it is not known.
    fn sizes(&self) -> Vec<Sized> {
        let known: Vec<_> = {
            let shelves = self.lock();
            let all = shelves.known.iter().filter(|(_, it)| !it.is_far || it.size.is_some());
            let all = all.map(|(name, it)| (name.parse(), it.is_written, it.is_up, it.size));
            all.collect()
        };
        let sized = known.into_iter().filter_map(|(name, is_written, is_up, size)| {
            let name: PlaybackName = name.ok()?;
            let size = size.or_else(|| self.look_at(&name, is_written))?;
            Some(Sized { name, is_written, is_up, size })
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
    fn remove_all_deleted(&self) {
        let left = self.tombstones().unwrap_or_else(|error| {
            tracing::error!(%error, "cannot look for what is left of recordings");
            HashSet::new()
        });
        for name in left {
            if let Err(error) = self.remove_deleted(&self.tombstone(&name)) {
                tracing::error!(%name, %error, "cannot remove what is left of a recording");
            }
            // What could not be deleted from the bucket is tried again.
            self.due(name);
        }
    }

    /// Removes what a deletion left, but for what says that something is in the bucket.
    fn remove_deleted(&self, gone: &Path) -> io::Result<()> {
        let unless_gone = |outcome: io::Result<()>| match outcome {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        if !gone.join(UPLOADED).try_exists()? {
            return unless_gone(fs::remove_dir_all(gone));
        }
        for entry in fs::read_dir(gone)? {
            let (path, is_folder) =
                entry.and_then(|it| Ok((it.path(), it.file_type()?.is_dir())))?;
            unless_gone(match path.ends_with(UPLOADED) {
                true => Ok(()),
                false if is_folder => fs::remove_dir_all(path),
                false => fs::remove_file(path),
            })?;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    /// One that no recording had.
    fn next_edition(&mut self) -> u64 {
        self.editions += 1;
        self.editions
    }

    fn is_finished(&self, name: &PlaybackName) -> bool {
        self.known.get(name.as_str()).is_some_and(|known| !known.is_written)
    }

    fn forget(&mut self, name: &PlaybackName) {
        self.known.remove(name.as_str());
        self.forget_read(name);
    }

    /// What was read of it is read anew.
    fn forget_read(&mut self, name: &PlaybackName) {
        self.open.0.retain(|(open, _)| open != name);
        self.films.0.retain(|(film, _)| film != name);
        self.rewinds.0.retain(|(rewind, _)| rewind != name);
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

impl Due {
    fn push(&mut self, name: PlaybackName) {
        if self.names.insert(name.clone()) {
            self.order.push_back(name);
        }
    }

    fn take(&mut self) -> Option<PlaybackName> {
        let at = self.order.iter().position(|name| !self.taken.contains(name))?;
        let name = self.order.remove(at)?;
        self.names.remove(&name);
        self.taken.insert(name.clone());
        Some(name)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        self.recordings.lock().due.taken.remove(&self.name);
        // It may have become due again.
        self.recordings.0.came.notify_one();
    }
}

fn size_of(folder: &Path) -> io::Result<Size> {
    let mut volumes = Uploaded::read(folder)?.unwrap_or_default().volumes;
    let mut here_bytes = 0;
    for number in writer::volumes(folder)? {
        let len = fs::metadata(writer::volume_path(folder, number))?.len();
        here_bytes += len;
        volumes.insert(number, len);
    }
    let index = match fs::metadata(folder.join(writer::INDEX)) {
        // The folder is as old as what is left in it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => fs::metadata(folder)?,
        index => index?,
    };
    let bytes = volumes.values().sum::<u64>() + index.len();
    Ok(Size { bytes, here_bytes, changed: index.modified()? })
}
