//! What a room keeps in the bucket by paths of its own.
//!
//! Here: files put, pieces of them read, folders listed, and how fast files go up. Not here: what they are, and
//! what becomes of those that fail (`recorder`).

use std::{
    io,
    ops::Range,
    path::Path as FilePath,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::{Attribute, Attributes, ObjectStore, ObjectStoreExt as _, path::Path};
use tokio::time::{Instant, sleep_until};

use crate::{
    Error, Facts, PUT_LONGEST,
    storage::{FOREVER, Outgoing},
};

/// A folder of the bucket. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Depot {
    objects: Arc<dyn ObjectStore>,
    folder: Path,
    pace: Arc<Pace>,
    /// Where the public reads the bucket.
    public_base_url: Option<Arc<str>>,
}

impl Depot {
    pub(crate) fn new(objects: Arc<dyn ObjectStore>, folder: &str, max_bytes_per_s: u64) -> Self {
        let next = Mutex::new(Instant::now());
        let pace = Pace { bytes_per_s: max_bytes_per_s.max(1), next };
        let (folder, pace) = (Path::from(folder), Arc::new(pace));
        Self { objects, folder, pace, public_base_url: None }
    }

    /// The same, which the public reads below an address.
    pub fn read_by_the_public(self, base_url: &str) -> Self {
        Self { public_base_url: Some(base_url.trim_end_matches('/').into()), ..self }
    }

    /// The address of a file, where the public may read it.
    pub fn address(&self, path: &str) -> Option<String> {
        self.public_base_url.as_ref().map(|base| format!("{base}/{}", self.at(path)))
    }

    /// A name that nobody can guess: 32 hexadecimal digits.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn draw_name() -> io::Result<String> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(|fault| io::Error::other(fault.to_string()))?;
        Ok(format!("{:032x}", u128::from_be_bytes(bytes)))
    }

    /// Puts the first `len` bytes of a file, whole or not at all, in the place of what was there. What never
    /// changes any more has a type, and may be cached for ever.
    ///
    /// # Errors
    ///
    /// [`Error::File`] when the file cannot be read or is shorter; [`Error::Store`] when the store does not take
    /// it, after as many tries as fit into `s3.retry_s` for each piece; [`Error::TooSlow`].
    pub async fn put(
        &self,
        path: &str,
        file: &FilePath,
        len: u64,
        final_type: Option<&'static str>,
    ) -> Result<(), Error> {
        let mut attributes = Attributes::default();
        if let Some(content_type) = final_type {
            attributes.insert(Attribute::ContentType, content_type.into());
            attributes.insert(Attribute::CacheControl, FOREVER.into());
        }
        let outgoing = Outgoing { path: file, len, pace: Some(&self.pace) };
        // A few share the pace.
        let end = Instant::now() + PUT_LONGEST + self.pace.takes(len).saturating_mul(4);
        outgoing.put(&*self.objects, &self.at(path), attributes, end).await
    }

    /// Some bytes of a file, all of them, or those up to its end.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`], [`Error::Store`].
    pub async fn read(&self, path: &str, range: Range<u64>) -> Result<Bytes, Error> {
        Ok(self.objects.get_range(&self.at(path), range).await?)
    }

    /// The names of the folders in this one, in no order.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn folders(&self) -> Result<Vec<String>, Error> {
        let listed = self.objects.list_with_delimiter(Some(&self.folder)).await?;
        let name = |path: &Path| path.filename().map(str::to_owned);
        Ok(listed.common_prefixes.iter().filter_map(name).collect())
    }

    /// The files below a folder in this one, by their paths from there on, and what is known of them.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn list(&self, folder: &str) -> Result<Vec<(String, Facts)>, Error> {
        let folder = self.at(folder);
        let mut found = self.objects.list(Some(&folder));
        let mut files = Vec::new();
        while let Some(meta) = found.try_next().await? {
            let below = meta.location.as_ref().strip_prefix(folder.as_ref());
            if let Some(path) = below.and_then(|path| path.strip_prefix('/')) {
                files.push((path.to_owned(), Facts::of(&meta)));
            }
        }
        Ok(files)
    }

    /// Deletes a file. One that is not there is deleted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn delete(&self, path: &str) -> Result<(), Error> {
        match self.objects.delete(&self.at(path)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(fault) => Err(Error::Store(fault)),
        }
    }

    fn at(&self, path: &str) -> Path {
        Path::from(format!("{}/{path}", self.folder))
    }
}

/// How fast files go up, all together.
#[derive(Debug)]
pub(crate) struct Pace {
    bytes_per_s: u64,
    /// When what was let pass so far has passed.
    next: Mutex<Instant>,
}

impl Pace {
    /// Waits until so many bytes may go.
    pub async fn wait(&self, bytes: u64) {
        let turn = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let turn = (*next).max(Instant::now());
            *next = turn + self.takes(bytes);
            turn
        };
        sleep_until(turn).await;
    }

    fn takes(&self, bytes: u64) -> Duration {
        let ms = u128::from(bytes) * 1_000 / u128::from(self.bytes_per_s);
        // Longer than anything lives, and no overflow of an instant.
        Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX).min(365 * 24 * 3_600 * 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_goes_up_goes_no_faster_than_it_may_together() {
        let (bytes_per_s, next) = (1_000, Mutex::new(Instant::now()));
        let pace = Arc::new(Pace { bytes_per_s, next });
        let begun = Instant::now();
        let all = (0..4).map(|_| {
            let pace = Arc::clone(&pace);
            tokio::spawn(async move { pace.wait(500).await })
        });
        for one in all.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        // The first one goes at once.
        assert_eq!(begun.elapsed(), Duration::from_millis(1_500));
    }
}
