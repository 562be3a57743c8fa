//! What lives and recordings look like: a poster, and thumbnails for those who seek.
//!
//! Here: which picture of a live is taken and when, what becomes of it, how players are told where in time it
//! belongs. Not here: decoding (`media-worker`), running that (`worker`), recordings themselves (`recorder`),
//! HTTP (`delivery`), what a post shows (`src`).
//!
//! ```text
//! hub::Channel ──▶ Follower ──┐ one keyframe     ┌──▶ tile, poster ──▶ Album ──▶ a sheet for every dozen
//!     window                  ├──▶ Desk ──▶ worker                      │
//! recorder::Recording ──▶ make┘   places                                ▼
//!                                             recordings/<playback name>/pictures/
//! ```
//!
//! Nobody waits for a picture, and nothing queues for one: a live whose turn finds no place is passed over
//! until its next segment. What goes wrong with one is logged, counted, and the end of it (ADR 46).

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod album;
mod config;
mod desk;
mod follower;
mod recorded;
mod sheet;
mod shelf;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fs, io,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use hub::Channel;
use media::id::PlaybackName;
use recorder::Library;
use tokio::{runtime::Handle, sync::watch};
use worker::Worker;

pub use album::{Album, Found, Picture};
pub use config::Config;
pub use recorded::Made;
pub use sheet::{Poster, SheetName};

use desk::Desk;

/// Why there is no picture.
#[derive(Debug, thiserror::Error)]
pub enum Failed {
    /// The worker, or what it was given.
    #[error(transparent)]
    Job(#[from] worker::Failed),
    /// The worker said what cannot be.
    #[error("the worker made something else")]
    Nonsense,
    /// The disk.
    #[error(transparent)]
    Disk(#[from] io::Error),
    /// What is recorded cannot be read.
    #[error(transparent)]
    Recording(#[from] recorder::Error),
}

impl Failed {
    /// Whether it may go better another time, whatever the picture.
    fn is_ours(&self) -> bool {
        match self {
            Self::Job(failed) => {
                matches!(failed, worker::Failed::NotStarted(_) | worker::Failed::Busy(_))
            }
            Self::Disk(_) => true,
            Self::Recording(error) => {
                use recorder::Error::{Away, Busy, Disk};
                matches!(error, Away(_) | Busy | Disk(_))
            }
            Self::Nonsense => false,
        }
    }
}

/// All pictures. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Pictures(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    /// Where they are made, if they are.
    desk: Option<Arc<Desk>>,
    recordings: Library,
    runtime: Handle,
    shelves: Mutex<Shelves>,
}

#[derive(Debug, Default)]
struct Shelves {
    /// Those of lives that are on, and a word of their end.
    live: HashMap<PlaybackName, (Arc<Album>, watch::Receiver<()>)>,
    /// Recordings that are known to have all that they will have.
    complete: HashSet<PlaybackName>,
    /// Those asked for lately, the last one last.
    made: VecDeque<(PlaybackName, Arc<Made>)>,
}

/// So many recordings are kept in mind: some 50 KB each, where they are long.
const MADE_MAX: usize = 64;

impl Pictures {
    /// Pictures by `worker`, if there is one, of lives and of what `library` holds. `scratch` is a folder of
    /// their own, made where it is not there, in which nothing outlives a run of the server. Its tasks are of
    /// the runtime it is made in. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn open(
        config: Config,
        worker: Option<Worker>,
        library: Library,
        scratch: PathBuf,
    ) -> io::Result<Self> {
        if config.enabled && worker.is_none() {
            tracing::warn!("there is no media worker: lives and recordings have no pictures");
        }
        let desk = match worker.filter(|_| config.enabled) {
            Some(worker) => Some(Arc::new(Desk::open(&config, worker, scratch)?)),
            None => None,
        };
        let (runtime, shelves) = (Handle::current(), Mutex::default());
        Ok(Self(Arc::new(Inner { config, desk, recordings: library, runtime, shelves })))
    }

    /// Takes pictures of a live from now on to its end.
    pub fn follow(&self, channel: &Arc<Channel>) {
        let Some(desk) = self.0.desk.clone() else { return };
        let (alive, ended) = watch::channel(());
        let album = Arc::new(Album::default());
        {
            let mut shelves = self.lock();
            if shelves.live.contains_key(channel.name()) {
                return;
            }
            shelves.forget(channel.name());
            shelves.live.insert(channel.name().clone(), (Arc::clone(&album), ended));
        }
        let (pictures, channel) = (self.clone(), Arc::clone(channel));
        self.0.runtime.spawn(follower::follow(pictures, desk, channel, album, alive));
    }

    /// The pictures of a live that is on.
    pub fn album(&self, name: &str) -> Option<Arc<Album>> {
        let name: PlaybackName = name.parse().ok()?;
        self.lock().live.get(&name).map(|(album, _)| Arc::clone(album))
    }

    /// The pictures of a recording, once it has all that it will have.
    ///
    /// # Errors
    /// [`recorder::Error::Unknown`] where there are none; those of [`Library::read`] and the disk.
    pub async fn made(&self, name: &str) -> Result<Arc<Made>, recorder::Error> {
        let name: PlaybackName = name.parse().map_err(|_| recorder::Error::Unknown)?;
        if let Some(made) = self.lock().find(&name) {
            return Ok(made);
        }
        let folder = self.0.recordings.folder(&name);
        let made = Arc::new(self.0.recordings.read(move || Ok(Made::read(&folder)?)).await?);
        self.lock().keep(name, &made);
        Ok(made)
    }

    /// A file of the pictures of a recording, or of a live whose recording holds it already.
    ///
    /// # Errors
    /// As [`Pictures::made`].
    pub async fn file(
        &self,
        name: &str,
        sheet: Option<SheetName>,
    ) -> Result<Bytes, recorder::Error> {
        let name: PlaybackName = name.parse().map_err(|_| recorder::Error::Unknown)?;
        let folder = self.0.recordings.folder(&name);
        let path = match sheet {
            Some(sheet) => shelf::sheet_path(&folder, sheet),
            None => shelf::poster_path(&folder),
        };
        self.0.recordings.read(move || Ok(fs::read(path)?.into())).await
    }

    /// Seconds between two pictures of a live.
    pub fn every_s(&self) -> u32 {
        self.0.config.every_s
    }

    /// Forgets what is known of a recording that is deleted.
    pub fn forget(&self, name: &PlaybackName) {
        self.lock().forget(name);
    }

    fn lock(&self) -> MutexGuard<'_, Shelves> {
        self.0.shelves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shelves {
    fn find(&mut self, name: &PlaybackName) -> Option<Arc<Made>> {
        let at = self.made.iter().position(|(made, _)| made == name)?;
        let found = self.made.remove(at)?;
        let made = Arc::clone(&found.1);
        self.made.push_back(found);
        Some(made)
    }

    fn keep(&mut self, name: PlaybackName, made: &Arc<Made>) {
        // It may be live again since.
        if self.live.contains_key(&name) {
            return;
        }
        self.made.retain(|(kept, _)| *kept != name);
        self.made.push_back((name, Arc::clone(made)));
        if self.made.len() > MADE_MAX {
            self.made.pop_front();
        }
    }

    fn forget(&mut self, name: &PlaybackName) {
        self.complete.remove(name);
        self.made.retain(|(made, _)| made != name);
    }
}

#[cfg(test)]
mod tests;
