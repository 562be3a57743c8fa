//! Folders in which the worker makes things.

use std::{
    fs, io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

/// A folder for one job. Gone when this is dropped, with what is left in it.
#[derive(Debug)]
pub struct Bench(PathBuf);

impl Bench {
    /// Makes an empty folder in `folder`, for the server's eyes only. Nothing of an earlier run may be left there.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let path = folder.join(MADE.fetch_add(1, Ordering::Relaxed).to_string());
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where that is which was made in it under this name. The name has no path.
    ///
    /// # Errors
    /// When there is none, or what is there is no file: who made it may have been somebody else's tool, and a link may
    /// lead anywhere.
    pub async fn made(&self, name: &str) -> io::Result<PathBuf> {
        let made = self.0.join(name);
        match tokio::fs::symlink_metadata(&made).await?.is_file() {
            true => Ok(made),
            false => Err(io::Error::other("what was made is no file")),
        }
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
        // Gigabytes take a while to let go of. What a server that ends leaves, the next one removes.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(remove)),
            Err(_) => remove(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_made_is_taken_from_a_folder_of_its_own_and_no_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (one, other) =
            (Bench::in_folder(folder.path()).unwrap(), Bench::in_folder(folder.path()).unwrap());
        fs::write(one.path().join("large.jpg"), b"x").unwrap();
        assert_eq!(one.made("large.jpg").await.unwrap(), one.path().join("large.jpg"));
        assert_eq!(other.made("large.jpg").await.unwrap_err().kind(), io::ErrorKind::NotFound);
        std::os::unix::fs::symlink("/etc/passwd", other.path().join("large.jpg")).unwrap();
        assert!(other.made("large.jpg").await.is_err());
    }

    #[test]
    fn nothing_is_left_of_it() {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench::in_folder(folder.path()).unwrap();
        fs::write(bench.path().join("half"), b"x").unwrap();
        drop(bench);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
