//! What is in the bucket alone: volumes, and whole recordings that a disk knows nothing of.
//!
//! Here: bytes of volumes, for threads that block; how a recording is found again; how long a store may take. Not
//! here: which volumes these are (`uploaded`), how many are read at once (`library`), whether the bytes are right
//! (`recording`).

use std::{
    collections::BTreeMap,
    fs::{self, DirBuilder, File},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::Path,
    time::Duration,
};

use bytes::Bytes;
use media::id::PlaybackName;
use storage::Depot;
use tokio::{runtime::Handle, time::timeout};

use crate::{
    Error,
    recording::MAX_INDEX_BYTES,
    uploaded::{IndexState, Uploaded},
    writer::{self, INDEX},
};

/// Longest wait for the store. A store that restarts is back within it; a player asks again after it.
pub(crate) const WITHIN: Duration = Duration::from_secs(10);

/// A volume in the bucket.
#[derive(Debug)]
pub(crate) struct Far {
    depot: Depot,
    path: String,
}

impl Far {
    /// The volume of a number of the recording in `folder`. Blocks.
    ///
    /// # Errors
    /// [`Error::Unknown`] where it is not there; those of the disk.
    pub fn find(folder: &Path, depot: Depot, volume: u32) -> Result<Self, Error> {
        let uploaded = Uploaded::read(folder)?.ok_or(Error::Unknown)?;
        let name = folder.file_name().and_then(|name| name.to_str());
        let name: PlaybackName = name.and_then(|it| it.parse().ok()).ok_or(Error::Unknown)?;
        if !uploaded.volumes.contains_key(&volume) {
            return Err(Error::Unknown);
        }
        Ok(Self { depot, path: uploaded.path(&name, &writer::volume_name(volume)) })
    }

    /// Reads all of `bytes` from an offset on. Blocks, in a thread of a runtime.
    ///
    /// # Errors
    /// [`Error::Away`] when the store does not give them in time, [`Error::Damaged`] when it has not got them.
    pub fn read(&self, bytes: &mut [u8], at: u64) -> Result<(), Error> {
        if bytes.is_empty() {
            // No range says so.
            return Ok(());
        }
        let runtime = Handle::try_current().map_err(|_| Error::Busy)?;
        let range = at..at.saturating_add(bytes.len() as u64);
        let read = runtime.block_on(within(self.depot.read(&self.path, range)))?;
        if read.len() != bytes.len() {
            return Err(Error::Damaged);
        }
        bytes.copy_from_slice(&read);
        Ok(())
    }
}

/// What a disk is to know of a recording that is in the bucket alone.
#[derive(Debug)]
pub(crate) struct Found {
    uploaded: Uploaded,
    state: IndexState,
    index: Bytes,
}

impl Found {
    /// Looks for the recording of a name, and reads its index. Of several the one written to last is taken: the
    /// others are what a disk held that was lost before its live was over.
    ///
    /// # Errors
    /// [`Error::Unknown`] where there is none with an index, [`Error::Away`].
    pub async fn look(depot: &Depot, name: &PlaybackName) -> Result<Self, Error> {
        let files = within(depot.list(name.as_str())).await?;
        let files = || files.iter().filter_map(|(path, it)| Some((path.split_once('/')?, *it)));
        let indexes = files().filter(|((_, file), _)| *file == INDEX);
        let newest = indexes.max_by_key(|(_, it)| it.modified_ms);
        let ((mark, _), index) = newest.ok_or(Error::Unknown)?;
        if index.size_bytes > MAX_INDEX_BYTES {
            return Err(Error::Disk(io::ErrorKind::FileTooLarge.into()));
        }
        let changed_ms = index.modified_ms.max(0).unsigned_abs();
        let state = IndexState { bytes: index.size_bytes, changed_ms };
        let mut uploaded =
            Uploaded { mark: mark.to_owned(), index: Some(state), ..Uploaded::default() };
        let mut volumes = BTreeMap::new();
        for ((_, file), it) in files().filter(|((of, _), _)| *of == mark) {
            volumes.extend(writer::volume_number(file).map(|number| (number, it.size_bytes)));
        }
        uploaded.volumes = volumes;
        let path = uploaded.path(name, INDEX);
        let index = within(depot.read(&path, 0..state.bytes)).await?;
        Ok(Self { uploaded, state, index })
    }

    /// Writes it down in `folder`, by way of another one beside it: there all at once. Blocks.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn keep(self, folder: &Path, beside: &Path) -> io::Result<()> {
        match fs::remove_dir_all(beside) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        DirBuilder::new().mode(0o700).create(beside)?;
        let mut index = writer::options().create_new(true).open(beside.join(INDEX))?;
        index.write_all(&self.index)?;
        // It is as old as it is, and as it was sent.
        index.set_modified(self.state.changed())?;
        index.sync_all()?;
        self.uploaded.write(beside)?;
        fs::rename(beside, folder)?;
        folder.parent().map_or(Ok(()), |root| File::open(root)?.sync_all())
    }
}

/// What the store answers within [`WITHIN`].
pub(crate) async fn within<T>(
    answer: impl Future<Output = Result<T, storage::Error>>,
) -> Result<T, Error> {
    match timeout(WITHIN, answer).await {
        Ok(Ok(answer)) => Ok(answer),
        // It was there, and nobody deletes it but with the recording.
        Ok(Err(storage::Error::NotFound)) => Err(Error::Damaged),
        Ok(Err(fault)) => Err(Error::Away(fault)),
        Err(_) => Err(Error::Away(storage::Error::TooSlow)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_store_that_hangs_is_waited_for_so_long_and_no_longer() {
        let begun = tokio::time::Instant::now();
        let hung: Result<(), _> = within(std::future::pending()).await;
        assert!(matches!(hung, Err(Error::Away(storage::Error::TooSlow))), "{hung:?}");
        assert_eq!(begun.elapsed(), WITHIN);
    }
}
