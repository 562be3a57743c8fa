//! Has the worker make one thing, and takes what it made.
//!
//! Here: how many at once, files on their way, deadlines. Not here: what is asked for, and what becomes of it.

use std::{
    fs,
    io::{self, Read as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    task::spawn_blocking,
};
use worker::{
    Bench, Worker,
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
        Ok(Self { worker, places, deadline, scratch })
    }

    /// A place for a picture of a live, if there is one now.
    pub fn place(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.places).try_acquire_owned().ok()
    }

    /// What a film of one picture shows.
    pub async fn thumbnail(&self, film: Vec<u8>) -> Result<Thumbnail, Failed> {
        let bench = self.bench(vec![film.into()]).await?;
        let into = bench.path().to_owned();
        let Outcome::Thumbnail(still) = self.run(&bench, Task::Thumbnail { into }).await? else {
            return Err(Failed::Nonsense);
        };
        let size = (still.small.width, still.small.height);
        if size.0 == 0 || size.1 == 0 || size.0.max(size.1) > 160 {
            return Err(Failed::Nonsense);
        }
        let (poster, tile) = (take(&bench, still.large).await?, take(&bench, still.small).await?);
        Ok(Thumbnail { poster, blurhash: still.blurhash, tile, size })
    }

    /// Tiles of one size side by side.
    pub async fn sheet(&self, tiles: Vec<Bytes>, columns: u32) -> Result<Bytes, Failed> {
        let lengths = tiles.iter().map(|it| u32::try_from(it.len()).unwrap_or(u32::MAX)).collect();
        let bench = self.bench(tiles).await?;
        let into = bench.path().to_owned();
        match self.run(&bench, Task::Sheet { into, lengths, columns }).await? {
            Outcome::Sheet(sheet) => take(&bench, sheet).await,
            _ => Err(Failed::Nonsense),
        }
    }

    async fn run(&self, bench: &Bench, task: Task) -> Result<Outcome, Failed> {
        let limits = Limits::of(&task);
        let job = Job { input: bench.path().join(INPUT), task, limits };
        Ok(self.worker.run(&job, self.deadline, |_| ()).await?.outcome)
    }

    /// A folder for one job, with what it is to read.
    async fn bench(&self, input: Vec<Bytes>) -> Result<Bench, Failed> {
        let scratch = self.scratch.clone();
        let make = move || {
            let bench = Bench::in_folder(&scratch)?;
            fs::write(bench.path().join(INPUT), input.concat())?;
            Ok::<_, io::Error>(bench)
        };
        Ok(spawn_blocking(make).await.map_err(io::Error::other)??)
    }
}

const INPUT: &str = "input";

async fn take(bench: &Bench, image: Image) -> Result<Bytes, Failed> {
    let path = bench.made(image.file.as_str()).await.map_err(|_| Failed::Nonsense)?;
    spawn_blocking(move || picture(&path)).await.map_err(io::Error::other)?
}

/// The JPEG in a file that somebody may have made who is not who he says.
fn picture(path: &Path) -> Result<Bytes, Failed> {
    const MARK: &[u8] = &[0xff, 0xd8, 0xff];
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(PICTURE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    let is_small = bytes.len() as u64 <= PICTURE_MAX_BYTES;
    if is_small && bytes.starts_with(MARK) { Ok(bytes.into()) } else { Err(Failed::Nonsense) }
}
