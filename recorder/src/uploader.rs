//! Has what is in the bucket follow what is on the disk.
//!
//! Here: which files go up and when, what becomes of failures, how volumes leave the disk, how what was deleted goes
//! from the bucket. Not here: how a file is sent and how fast (`storage`), what has too much room (`library`).
//!
//! One recording at a time is held against what its folder remembers of the bucket, and what differs is sent: volumes
//! that nobody writes to any more, then the index. So there is one way for a live that is
//! on, one that is over, and one that a killed server left; what is sent twice are the same bytes. Nothing of it
//! touches the threads that write: it looks at folders.

use std::{
    collections::HashMap,
    fs, io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

use media::id::PlaybackName;
use storage::Depot;
use tokio::{
    task::{JoinSet, spawn_blocking},
    time::{interval, sleep},
};

use crate::{
    Config, Library, Standing,
    library::Size,
    uploaded::{IndexState, UPLOADED, Uploaded},
    writer::{INDEX, volume_name, volume_path, volumes},
};

/// Recordings sent at once. With their pieces they bound the memory: 30 MiB.
const AT_ONCE: usize = 2;
/// How often a live that is on is looked at: it fills a volume in a minute.
const EVERY: Duration = Duration::from_secs(30);
/// So many of these later, what failed for a reason of its own is tried again.
const LOOKS_BETWEEN_RETRIES: u32 = 20;
/// How often the index of a live that is on is sent. It is sent whole: more often it would be as much as the live.
const INDEX_EVERY_MS: u64 = 10 * 60 * 1_000;
/// The wait after the store took nothing; twice as long after each further time, up to the longest.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(60);
/// What volumes are to those who read them in the bucket.
const VOLUME_TYPE: &str = "video/mp4";

/// Sends recordings into the bucket. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Uploader(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recordings: Library,
    depot: Depot,
    /// Otherwise nothing new is sent.
    is_on: bool,
    /// Times in a row that the store took nothing.
    failures: AtomicU32,
    is_away: AtomicBool,
}

/// Why a recording is not in the bucket as it is on the disk.
#[derive(Debug, thiserror::Error)]
enum Fault {
    #[error(transparent)]
    Store(storage::Error),
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// What is to be sent of a recording.
#[derive(Debug, Default)]
struct Plan {
    uploaded: Uploaded,
    volumes: Vec<(u32, u64)>,
    index: Option<IndexState>,
}

impl Uploader {
    /// One for the recordings of a library; `None` where they have no bucket.
    pub fn new(library: Library, config: &Config) -> Option<Self> {
        let depot = library.depot()?.clone();
        let (failures, is_away) = (AtomicU32::new(0), AtomicBool::new(false));
        let is_on = config.upload;
        Some(Self(Arc::new(Inner { recordings: library, depot, is_on, failures, is_away })))
    }

    /// Whether the store took what it was given last.
    pub fn is_there(&self) -> bool {
        !self.0.is_away.load(Ordering::Relaxed)
    }

    /// The names of the recordings that are in the bucket and not known here. They may be those of another server
    /// that uses it.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn look_for_unknown(&self) -> Result<Vec<PlaybackName>, storage::Error> {
        let Inner { recordings: library, depot, .. } = &*self.0;
        let deleted = blocking({
            let library = library.clone();
            move || Ok(library.tombstones()?)
        });
        // What cannot be looked at now is not taken for what was not deleted.
        let deleted = deleted.await.map_err(|_| storage::Error::Interrupted)?;
        let names = depot.folders().await?.into_iter().filter_map(|name| name.parse().ok());
        let is_unknown = |name: &PlaybackName| {
            library.standing(name.as_str()) == Standing::Unknown && !deleted.contains(name)
        };
        Ok(names.filter(is_unknown).collect())
    }

    /// Sends what is due, until it is dropped.
    pub async fn run(self) {
        ::metrics::gauge!("recorder_bucket_up").set(1.0);
        let mut workers = JoinSet::new();
        for _ in 0..AT_ONCE {
            workers.spawn(self.clone().work());
        }
        let mut looks = interval(EVERY);
        for look in 1_u32.. {
            tokio::select! {
                _ = looks.tick() => {}
                // A defect of ours: what it was at is due again later.
                Some(_) = workers.join_next() => {
                    workers.spawn(self.clone().work());
                }
            }
            self.0.recordings.due_again(true);
            if look.is_multiple_of(LOOKS_BETWEEN_RETRIES) {
                self.0.recordings.due_again(false);
            }
        }
    }

    async fn work(self) {
        loop {
            let taken = self.0.recordings.take_due().await;
            match self.see_to(&taken.name).await {
                Ok(()) => {}
                Err(Fault::Disk(error)) => {
                    let name = &taken.name;
                    if self.0.recordings.standing(name.as_str()) == Standing::Unknown {
                        // It was deleted meanwhile, which is due.
                        continue;
                    }
                    tracing::error!(%name, %error, "a recording cannot be read to be uploaded: it will be tried again");
                }
                Err(Fault::Store(error)) => {
                    self.0.recordings.due(taken.name.clone());
                    drop(taken);
                    sleep(self.failed(&error)).await;
                }
            }
        }
    }

    /// Has the bucket hold of a recording what the disk does, and of one that was deleted nothing.
    async fn see_to(&self, name: &PlaybackName) -> Result<(), Fault> {
        let Inner { recordings: library, is_on, .. } = &*self.0;
        let tombstone = library.tombstone(name).join(UPLOADED);
        if blocking(move || Ok(tombstone.try_exists()?)).await? {
            self.remove(name).await?;
        }
        if library.is_far(name) {
            return self.measure(name).await;
        }
        if library.standing(name.as_str()) == Standing::Unknown {
            return Ok(());
        }
        let is_written = library.standing(name.as_str()) == Standing::Written;
        let folder = library.folder(name);
        let mut plan = blocking(move || Ok(Plan::of(&folder, is_written)?)).await?;
        if !plan.is_empty() {
            if !is_on {
                return Ok(());
            }
            self.send(name, &mut plan).await?;
        }
        match !is_written && library.note_up(name) {
            true => self.have_leave(name, plan.uploaded).await,
            false => Ok(()),
        }
    }

    async fn send(&self, name: &PlaybackName, plan: &mut Plan) -> Result<(), Fault> {
        let Plan { uploaded, volumes, index } = plan;
        if uploaded.mark.is_empty() {
            uploaded.mark = Depot::draw_name()?;
            // Before anything is there: what is deleted from here on is looked for.
            self.remember(name, uploaded).await?;
        }
        for (number, len) in std::mem::take(volumes) {
            self.put(name, uploaded, &volume_name(number), len, Some(VOLUME_TYPE)).await?;
            uploaded.volumes.insert(number, len);
            self.remember(name, uploaded).await?;
        }
        if let Some(state) = index.take() {
            self.put(name, uploaded, INDEX, state.bytes, None).await?;
            uploaded.index = Some(state);
            self.remember(name, uploaded).await?;
        }
        Ok(())
    }

    async fn put(
        &self,
        name: &PlaybackName,
        uploaded: &Uploaded,
        file: &str,
        len: u64,
        final_type: Option<&'static str>,
    ) -> Result<(), Fault> {
        let Inner { recordings: library, depot, .. } = &*self.0;
        let from = library.folder(name).join(file);
        depot.put(&uploaded.path(name, file), &from, len, final_type).await?;
        ::metrics::counter!("recorder_uploaded_bytes_total").increment(len);
        self.succeeded();
        Ok(())
    }

    async fn remember(&self, name: &PlaybackName, uploaded: &Uploaded) -> Result<(), Fault> {
        let (folder, uploaded) = (self.0.recordings.folder(name), uploaded.clone());
        blocking(move || Ok(uploaded.write(&folder)?)).await
    }

    /// Removes the volumes that are in the bucket from the disk. The bucket is asked: what it lost stays, and is sent
    /// again.
    async fn have_leave(&self, name: &PlaybackName, mut uploaded: Uploaded) -> Result<(), Fault> {
        let Inner { recordings: library, depot, .. } = &*self.0;
        let there = depot.list(&format!("{name}/{}", uploaded.mark)).await?;
        let there: HashMap<String, u64> =
            there.into_iter().map(|(file, it)| (file, it.size_bytes)).collect();
        let folder = library.folder(name);
        let (left, lost) = blocking(move || {
            let (mut left, mut lost) = (0_u64, Vec::new());
            for (number, len) in &uploaded.volumes {
                let path = volume_path(&folder, *number);
                match fs::metadata(&path) {
                    Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                    Err(error) => return Err(error.into()),
                    // It was written to since: it will be sent.
                    Ok(file) if file.len() != *len => {}
                    Ok(_) if there.get(&volume_name(*number)) != Some(len) => lost.push(*number),
                    Ok(_) => {
                        fs::remove_file(&path)?;
                        left += 1;
                    }
                }
            }
            uploaded.volumes.retain(|number, _| !lost.contains(number));
            if !lost.is_empty() {
                uploaded.write(&folder)?;
            }
            Ok((left, lost.len()))
        })
        .await?;
        library.note_left(name);
        if lost > 0 {
            tracing::warn!(%name, volumes = lost, "the bucket lost volumes of a recording: they are sent again");
            library.due(name.clone());
        }
        tracing::info!(%name, volumes = left, "a recording left the disk: it is in the bucket");
        Ok(())
    }

    /// Learns how large a recording is that is in the bucket alone.
    async fn measure(&self, name: &PlaybackName) -> Result<(), Fault> {
        let files = self.0.depot.list(name.as_str()).await?;
        let bytes = files.iter().map(|(_, it)| it.size_bytes).sum();
        let changed_ms = files.iter().map(|(_, it)| it.modified_ms).max().unwrap_or(0);
        let changed = UNIX_EPOCH + Duration::from_millis(changed_ms.max(0).unsigned_abs());
        self.0.recordings.note_far_size(name, Size { bytes, here_bytes: 0, changed });
        self.succeeded();
        Ok(())
    }

    /// Deletes what the bucket has of a recording that was deleted, also of one that is not known here. Says whether
    /// nothing of it is there now.
    pub async fn delete(&self, name: &PlaybackName) -> bool {
        match self.remove(name).await {
            Ok(()) => true,
            Err(Fault::Store(error)) => {
                self.failed(&error);
                false
            }
            Err(Fault::Disk(error)) => {
                tracing::error!(%name, %error, "a deleted recording has left something on the disk");
                false
            }
        }
    }

    /// Deletes what the bucket has of a recording that was deleted.
    async fn remove(&self, name: &PlaybackName) -> Result<(), Fault> {
        let Inner { recordings: library, depot, .. } = &*self.0;
        for (path, _) in depot.list(name.as_str()).await? {
            depot.delete(&format!("{name}/{path}")).await?;
        }
        self.succeeded();
        let tombstone = library.tombstone(name);
        let remove = move || match fs::remove_dir_all(tombstone) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        };
        blocking(remove).await
    }

    /// Says so once, and after how long it makes sense to ask again.
    fn failed(&self, error: &storage::Error) -> Duration {
        ::metrics::counter!("recorder_upload_failures_total").increment(1);
        let failures = self.0.failures.fetch_add(1, Ordering::Relaxed).min(16);
        if !self.0.is_away.swap(true, Ordering::Relaxed) {
            ::metrics::gauge!("recorder_bucket_up").set(0.0);
            tracing::error!(%error, "recordings do not reach the bucket: they stay on the disk and are sent later");
        }
        RETRY_FIRST.saturating_mul(1 << failures).min(RETRY_LONGEST)
    }

    fn succeeded(&self) {
        self.0.failures.store(0, Ordering::Relaxed);
        if self.0.is_away.swap(false, Ordering::Relaxed) {
            ::metrics::gauge!("recorder_bucket_up").set(1.0);
            tracing::info!("recordings reach the bucket again");
        }
    }
}

impl Plan {
    /// What is to be sent of the recording in a folder. Blocks.
    fn of(folder: &Path, is_written: bool) -> io::Result<Self> {
        // Before the volumes: of what it says then all is in them.
        let index = match fs::metadata(folder.join(INDEX)) {
            Ok(file) => Some(IndexState::of(&file)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        let uploaded = Uploaded::read(folder)?.unwrap_or_default();
        let mut numbers = volumes(folder)?;
        numbers.sort_unstable();
        if is_written {
            // The last one is written to.
            numbers.pop();
        }
        let mut to_send = Vec::new();
        for number in numbers {
            let len = fs::metadata(volume_path(folder, number))?.len();
            if uploaded.volumes.get(&number) != Some(&len) {
                to_send.push((number, len));
            }
        }
        let is_new = |state: &IndexState| match &uploaded.index {
            Some(sent) if is_written => {
                state.changed_ms.saturating_sub(sent.changed_ms) >= INDEX_EVERY_MS
            }
            // Without volumes it is of no use.
            None if is_written => !uploaded.volumes.is_empty() || !to_send.is_empty(),
            sent => *sent != Some(*state),
        };
        let index = index.filter(is_new);
        Ok(Self { uploaded, volumes: to_send, index })
    }

    fn is_empty(&self) -> bool {
        self.volumes.is_empty() && self.index.is_none()
    }
}

impl From<storage::Error> for Fault {
    fn from(error: storage::Error) -> Self {
        match error {
            storage::Error::File { source, .. } | storage::Error::Disk(source) => {
                Self::Disk(source)
            }
            error => Self::Store(error),
        }
    }
}

/// Runs what waits for the disk.
async fn blocking<T: Send + 'static>(
    run: impl FnOnce() -> Result<T, Fault> + Send + 'static,
) -> Result<T, Fault> {
    let interrupted = |_| Fault::Disk(io::ErrorKind::Interrupted.into());
    spawn_blocking(run).await.map_err(interrupted)?
}
