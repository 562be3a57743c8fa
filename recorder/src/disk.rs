//! What the recorder asks of a disk.

use std::{fmt, fs::File, io, os::unix::fs::FileExt as _, path::Path};

/// A disk, which may be slow, full or gone. Every call may block.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Writes `bytes` at an offset of a file.
    ///
    /// # Errors
    /// Those of the system.
    fn write(&self, file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
        file.write_all_at(bytes, at)
    }

    /// Has what was written to a file, or to a folder, outlive a power cut.
    ///
    /// # Errors
    /// Those of the system.
    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    /// Bytes that may still be written below a folder.
    ///
    /// # Errors
    /// Those of the system.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let free = rustix::fs::statvfs(folder)?;
        Ok(free.f_bavail.saturating_mul(free.f_frsize))
    }
}

/// The disk of the system.
#[derive(Debug, Clone, Copy, Default)]
pub struct System;

impl Disk for System {}
