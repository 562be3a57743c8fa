//! Has the worker make one thing, and takes what it made.
//!
//! Here: how many at once, files on their way, deadlines. Not here: what is asked for, and what becomes of it.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use worker::{
    Worker,
    protocol::{Image, Job, Limits, Outcome, Task},
};

use crate::{Config, Failed};

/// No picture of ours is larger.
const PICTURE_MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Where pictures are made.
#[derive(Debug)]
pub(crate) struct Desk {
    worker: Worker,
    /// Of lives. Those of recordings are made one after the other, beside them.
    places: Arc<Semaphore>,
    deadline: Duration,
    scratch: PathBuf,
    jobs: AtomicU64,
}

/// A picture in two sizes.
#[derive(Debug)]
pub(crate) struct Thumbnail {
    pub poster: Bytes,
    pub blurhash: String,
    pub tile: Bytes,
    /// Pixels of the tile.
    pub size: (u32, u32),
}

impl Desk {
    /// Empties `scratch`, and makes it.
    pub fn open(config: &Config, worker: Worker, scratch: PathBuf) -> io::Result<Self> {
        use std::os::unix::fs::DirBuilderExt as _;
        match fs::remove_dir_all(&scratch) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&scratch)?;
        // Its program is told where its files are and begins elsewhere.
        let scratch = std::path::absolute(scratch)?;
        let places = Arc::new(Semaphore::new(config.at_once));
        let deadline = Duration::from_secs(config.timeout_s.into());
        Ok(Self { worker, places, deadline, scratch, jobs: AtomicU64::new(0) })
    }

    /// A place for a picture of a live, if there is one now.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// What a film of one picture shows.
    pub async fn thumbnail(&self, film: Vec<u8>) -> Result<Thumbnail, Failed> {
        let bench = self.bench(vec![film.into()]).await?;
        let into = bench.0.clone();
        let Outcome::Thumbnail(still) = self.run(&bench, Task::Thumbnail { into }).await? else {
            return Err(Failed::Nonsense);
        };
        let size = (still.small.width, still.small.height);
        if size.0 == 0 || size.1 == 0 || size.0.max(size.1) > 160 {
            return Err(Failed::Nonsense);
        }
        let (poster, tile) = (bench.take(still.large).await?, bench.take(still.small).await?);
        Ok(Thumbnail { poster, blurhash: still.blurhash, tile, size })
    }

    /// Tiles of one size side by side.
    pub async fn sheet(&self, tiles: Vec<Bytes>, columns: u32) -> Result<Bytes, Failed> {
        let lengths = tiles.iter().map(|it| u32::try_from(it.len()).unwrap_or(u32::MAX)).collect();
        let bench = self.bench(tiles).await?;
        let into = bench.0.clone();
        match self.run(&bench, Task::Sheet { into, lengths, columns }).await? {
            Outcome::Sheet(sheet) => bench.take(sheet).await,
            _ => Err(Failed::Nonsense),
        }
    }

    async fn run(&self, bench: &Bench, task: Task) -> Result<Outcome, Failed> {
        let limits = Limits::of(&task);
        let job = Job { input: bench.0.join(INPUT), task, limits };
        Ok(self.worker.run(&job, self.deadline, |_| ()).await?.outcome)
    }

    /// A folder for one job, with what it is to read.
    async fn bench(&self, input: Vec<Bytes>) -> Result<Bench, Failed> {
        let number = self.jobs.fetch_add(1, Ordering::Relaxed);
        let path = self.scratch.join(number.to_string());
        let make = move || {
            use std::os::unix::fs::DirBuilderExt as _;
            fs::DirBuilder::new().mode(0o700).create(&path)?;
            let bench = Bench(path);
            fs::write(bench.0.join(INPUT), input.concat())?;
            Ok::<_, io::Error>(bench)
        };
        Ok(spawn_blocking(make).await.map_err(io::Error::other)??)
    }
}

const INPUT: &str = "input";

/// A folder that goes with this value.
#[derive(Debug)]
struct Bench(PathBuf);

impl Bench {
    async fn take(&self, image: Image) -> Result<Bytes, Failed> {
        let path = self.0.join(image.file.as_str());
        spawn_blocking(move || picture(&path)).await.map_err(io::Error::other)?
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let path = std::mem::take(&mut self.0);
        let remove = move || {
            if let Err(error) = fs::remove_dir_all(&path) {
                tracing::warn!(%error, path = %path.display(), "a folder of work stays behind");
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

/// The JPEG in a file that somebody may have made who is not who he says.
fn picture(path: &Path) -> Result<Bytes, Failed> {
    const MARK: &[u8] = &[0xff, 0xd8, 0xff];
    // Not what a link leads to.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(Failed::Nonsense);
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(PICTURE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    let is_small = bytes.len() as u64 <= PICTURE_MAX_BYTES;
    if is_small && bytes.starts_with(MARK) { Ok(bytes.into()) } else { Err(Failed::Nonsense) }
}
