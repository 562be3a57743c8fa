//! What of a recording is in the bucket, as its folder remembers it.
//!
//! Here: the file `uploaded`. Not here: who sends what (`uploader`), who reads it from there (`recording`).
//!
//! It is written after the store took something, so that it never says too much; what it misses is sent again,
//! over the same bytes. The folder in the bucket has a name that nobody can guess beside that of the live: the
//! bucket may be one that everybody reads, and private lives are not for those who only know what they are called.
//!
//! ```text
//! recordings/<playback name>/<32 digits>/index  00000.volume …
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    time::{SystemTime, UNIX_EPOCH},
};

use media::id::PlaybackName;
use serde::{Deserialize, Serialize};

use crate::{index, writer};

/// The file that says what is in the bucket.
pub(crate) const UPLOADED: &str = "uploaded";
/// What it is called while it is written.
const PARTIAL: &str = "uploaded.partial";
/// Longest file that is read: a million volumes.
const MAX_BYTES: u64 = 32 * 1024 * 1024;

/// What of a recording is in the bucket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Uploaded {
    /// The folder below that of its live.
    pub mark: String,
    /// The volumes, and their lengths in bytes.
    pub volumes: BTreeMap<u32, u64>,
    /// The index as it was sent last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<IndexState>,
}

/// By what two states of an index are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct IndexState {
    pub bytes: u64,
    /// When it was written to, in Unix milliseconds.
    pub changed_ms: u64,
}

impl Uploaded {
    /// What the folder of a recording remembers; `None` where that is nothing.
    ///
    /// # Errors
    /// [`io::ErrorKind::InvalidData`] where it is damaged: taken for nothing, it would be written anew, and the volumes
    /// under the mark that it names be lost. Those of the disk.
    pub fn read(folder: &Path) -> io::Result<Option<Self>> {
        let path = folder.join(UPLOADED);
        let bytes = match fs::metadata(&path) {
            Ok(file) if file.len() <= MAX_BYTES => fs::read(&path)?,
            Ok(_) => return Err(io::ErrorKind::InvalidData.into()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let uploaded = index::from_line(bytes.trim_ascii());
        uploaded.map(Some).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Has the folder remember it, also after a power cut.
    ///
    /// # Errors
    /// Those of the disk.
    pub fn write(&self, folder: &Path) -> io::Result<()> {
        let partial = folder.join(PARTIAL);
        let mut file = writer::options().create(true).truncate(true).open(&partial)?;
        file.write_all(index::line_of(self).as_bytes())?;
        file.sync_data()?;
        fs::rename(&partial, folder.join(UPLOADED))?;
        File::open(folder)?.sync_all()
    }

    /// Where a file of the recording of a name is in the bucket.
    pub fn path(&self, name: &PlaybackName, file: &str) -> String {
        format!("{name}/{}/{file}", self.mark)
    }
}

impl IndexState {
    /// That of an index on the disk.
    pub fn of(file: &fs::Metadata) -> io::Result<Self> {
        let changed = file.modified()?.duration_since(UNIX_EPOCH).unwrap_or_default();
        let changed_ms = u64::try_from(changed.as_millis()).unwrap_or(u64::MAX);
        Ok(Self { bytes: file.len(), changed_ms })
    }

    pub fn changed(&self) -> SystemTime {
        UNIX_EPOCH + std::time::Duration::from_millis(self.changed_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_remembered_is_read_again_and_what_was_damaged_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Uploaded::read(folder.path()).unwrap(), None);
        let index = Some(IndexState { bytes: 7, changed_ms: 9 });
        let volumes = BTreeMap::from([(0, 5), (12, 99)]);
        let uploaded = Uploaded { mark: "ab".into(), volumes, index };
        uploaded.write(folder.path()).unwrap();
        assert_eq!(Uploaded::read(folder.path()).unwrap().as_ref(), Some(&uploaded));
        let path = folder.path().join(UPLOADED);
        let mut bytes = fs::read(&path).unwrap();
        let at = bytes.len() / 2;
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let damaged = Uploaded::read(folder.path()).unwrap_err();
        assert_eq!(damaged.kind(), io::ErrorKind::InvalidData);
    }
}
