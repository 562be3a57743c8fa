//! Files on their way in.
//!
//! Here: bytes put down in a folder of their own as they come, at once or in pieces; what has come whole.
//! Not here: how many there may be (`api` counts), where
//! they go (`storage`).

use std::{
    fs, io,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
};

use tokio::{
    fs::File,
    io::{AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _},
};

use crate::content::{Content, Refused, blank_notes, examine};

/// Bytes that wait in memory for the disk, for each file.
const BUFFER_BYTES: usize = 128 * 1024;

/// A file that is coming in. What is not [finished](Incoming::finish) is gone when this is dropped.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: Temporary,
    len: u64,
}

/// A file that has come whole, until it is put away or dropped.
#[derive(Debug)]
pub struct Arrived {
    path: Temporary,
    len: u64,
}

/// A file that comes in pieces, over several requests and runs of the server.
#[derive(Debug)]
pub struct Partial {
    file: File,
    len: u64,
}

/// A file that goes with the value.
#[derive(Debug)]
struct Temporary(PathBuf);

impl Incoming {
    /// Makes an empty file in `folder` for the server's eyes only.
    ///
    /// # Errors
    ///
    /// When the system refuses.
    pub(crate) async fn in_folder(folder: &Path) -> io::Result<Self> {
        let path = Temporary::in_folder(folder)?;
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path.0)?;
        let mut file = File::from_std(file);
        file.set_max_buf_size(BUFFER_BYTES);
        Ok(Self { file, path, len: 0 })
    }

    /// Bytes that have come.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Puts down what comes next.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.len += bytes.len() as u64;
        Ok(())
    }

    /// All has come.
    ///
    /// # Errors
    ///
    /// When the disk refused what was still on its way to it.
    pub async fn finish(mut self) -> io::Result<Arrived> {
        self.file.flush().await?;
        Ok(Arrived { path: self.path, len: self.len })
    }
}

impl Partial {
    /// What has come of a file so far.
    pub(crate) async fn at(path: &Path) -> io::Result<Self> {
        let mut options = fs::OpenOptions::new();
        let options = options.read(true).append(true).create(true).mode(0o600);
        let mut file = File::from_std(options.open(path)?);
        file.set_max_buf_size(BUFFER_BYTES);
        let len = file.metadata().await?.len();
        Ok(Self { file, len })
    }

    /// Bytes that have come.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing has come.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The first bytes, at most `max`.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn head(&mut self, max: usize) -> io::Result<Vec<u8>> {
        let mut head = Vec::with_capacity(max);
        self.file.seek(io::SeekFrom::Start(0)).await?;
        (&mut self.file).take(max as u64).read_to_end(&mut head).await?;
        Ok(head)
    }

    /// Puts down what comes next; it is there even if nothing comes after it.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes).await?;
        self.file.flush().await?;
        self.len += bytes.len() as u64;
        Ok(())
    }
}

impl Temporary {
    /// A path that nobody else has.
    fn in_folder(folder: &Path) -> io::Result<Self> {
        Ok(Self(folder.join(random_name()?)))
    }
}

fn random_name() -> io::Result<String> {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).map_err(|fault| io::Error::other(fault.to_string()))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
}

impl Arrived {
    /// What has come in pieces, at `path`, which stays until it is given up: the storage may not take
    /// it at the first try.
    pub(crate) async fn of_partial(path: &Path, folder: &Path) -> io::Result<Self> {
        let second = Temporary::in_folder(folder)?;
        tokio::fs::hard_link(path, &second.0).await?;
        let len = tokio::fs::metadata(&second.0).await?.len();
        Ok(Self { path: second, len })
    }

    /// What was made of another file, at `path`, from where it goes.
    pub(crate) async fn of_made(path: &Path, folder: &Path) -> io::Result<Self> {
        let own = Temporary::in_folder(folder)?;
        tokio::fs::rename(path, &own.0).await?;
        let len = tokio::fs::metadata(&own.0).await?.len();
        Ok(Self { path: own, len })
    }

    /// Its length in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Says what the file is, cuts off what follows its end where a phone appends something, and overwrites
    /// what cameras note in it.
    ///
    /// # Errors
    ///
    /// What it is not.
    pub async fn examine(&mut self, max_pixels: u64) -> Result<Content, Refused> {
        let (path, len) = (self.path.0.clone(), self.len);
        let work = move || {
            let file = fs::OpenOptions::new().read(true).write(true).open(path)?;
            let content = examine(&file, len, max_pixels)?;
            blank_notes(&file, &content)?;
            if content.len < len {
                file.set_len(content.len)?;
            }
            Ok::<_, Refused>(content)
        };
        let interrupted = |_| Refused::Unreadable(io::Error::other("the reading was interrupted"));
        let content = tokio::task::spawn_blocking(work).await.map_err(interrupted)??;
        self.len = content.len;
        Ok(content)
    }

    /// Where it lies meanwhile, for a program that looks at it.
    pub fn path(&self) -> &Path {
        &self.path.0
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.0)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, path = %self.0.display(), "a file that came in stays behind");
        }
    }
}
