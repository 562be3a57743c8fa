//! Objects: put, read, looked at, deleted.
//!
//! Here: the same few things over a folder and over S3, and how many at once. Not here: who may do
//! them.

use std::{
    fmt, fs, io,
    ops::Range,
    os::unix::fs::DirBuilderExt as _,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Stream, StreamExt as _, stream::BoxStream};
use object_store::{
    Attribute, Attributes, GetOptions, GetResultPayload, ObjectMeta, ObjectStore,
    ObjectStoreExt as _, PutMultipartOptions, PutOptions, WriteMultipart, local::LocalFileSystem,
    path::Path,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _, Take},
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};
use tokio_util::io::ReaderStream;

use crate::{
    Arrived, Config, Depot, Incoming, ObjectName, Partial, Urls,
    depot::Pace,
    name::{RANDOM_BYTES, SHOWN},
};

/// Where files come in, below the data folder.
const INCOMING: &str = "incoming";
/// Where files lie that come in pieces, below it.
const PARTIAL: &str = "partial";
/// Where something is made of them, below it.
const WORK: &str = "work";

/// The pieces in which a large file goes to the store: the smallest that S3 takes.
const PART_BYTES: usize = 5 * 1024 * 1024;
/// Pieces of one file in memory at once.
const PARTS_AT_ONCE: usize = 2;
/// Files on their way to the store at once; the others wait on the disk. With their pieces they
/// bound the memory: 40 MiB.
const PUTS_AT_ONCE: usize = 4;
/// How long a file may be on its way to the store, its wait for a turn included: 500 MB at 3 Mbit/s.
pub const PUT_LONGEST: Duration = Duration::from_secs(30 * 60);
/// What a reader of a folder is given at a time. Bounds his memory here, however slow he is.
const READ_BYTES: usize = 64 * 1024;

/// What S3 tells those who read from it directly. A name never names two contents.
pub(crate) const FOREVER: &str = "public, max-age=31536000, immutable";

/// The place where objects are. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Storage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    objects: Arc<dyn ObjectStore>,
    is_remote: bool,
    incoming: PathBuf,
    partial: PathBuf,
    work: PathBuf,
    puts: Arc<Semaphore>,
    reads: Arc<Semaphore>,
    urls: Arc<Urls>,
}

/// What is known of an object without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Facts {
    /// Its length.
    pub size_bytes: u64,
    /// When it was stored, in Unix milliseconds.
    pub modified_ms: i64,
}

/// Why the storage did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A setting cannot work.
    #[error("{0}")]
    Setting(String),
    /// A folder or file of ours.
    #[error("{}: {source}", Nameless(path.display()))]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The disk.
    #[error("the disk failed: {0}")]
    Disk(#[from] io::Error),
    /// There is no such object.
    #[error("no such object")]
    NotFound,
    /// The store does not answer, or refuses.
    #[error("the store failed: {}", Nameless(.0))]
    Store(object_store::Error),
    /// The store took longer than it may.
    #[error("the store takes too long")]
    TooSlow,
    /// So many read at once that there is no room for one more.
    #[error("too many files are read at once")]
    Busy,
    /// The work ended before its time.
    #[error("the work was interrupted")]
    Interrupted,
}

impl Storage {
    /// Opens the storage that `config` names and makes the folders that are missing, for the server
    /// alone. What a former run left half received or half stored is removed, but for what comes in
    /// pieces. Nothing is asked of S3 yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] or [`Error::File`].
    pub fn open(config: &Config, data_dir: &FilePath) -> Result<Self, Error> {
        let storage = Self::join(config, data_dir)?;
        remove_folder(&storage.0.work)?;
        make_folder(&storage.0.work)?;
        clear(&storage.0.incoming, |_| true)?;
        if config.s3.is_none() {
            clear(&data_dir.join(&config.folder), is_half_stored)?;
        }
        Ok(storage)
    }

    /// The same beside a server that may run: nothing is removed.
    ///
    /// # Errors
    ///
    /// As [`Storage::open`].
    pub fn join(config: &Config, data_dir: &FilePath) -> Result<Self, Error> {
        config.validate().map_err(Error::Setting)?;
        // Programs that look at files in it have another working folder.
        let data_dir = &std::path::absolute(data_dir)?;
        let incoming = data_dir.join(INCOMING);
        let partial = incoming.join(PARTIAL);
        make_folder(&partial)?;
        let work = incoming.join(WORK);
        let objects: Arc<dyn ObjectStore> = match &config.s3 {
            #[cfg(feature = "s3")]
            Some(s3) => crate::s3::open(s3)?,
            #[cfg(not(feature = "s3"))]
            Some(_) => return Err(Error::Setting("s3: this program was built without it".into())),
            None => {
                let folder = data_dir.join(&config.folder);
                make_folder(&folder)?;
                let folder = LocalFileSystem::new_with_prefix(&folder).map_err(setting)?;
                Arc::new(folder.with_fsync(true))
            }
        };
        Ok(Self(Arc::new(Inner {
            objects,
            is_remote: config.s3.is_some(),
            incoming,
            partial,
            work,
            puts: Arc::new(Semaphore::new(PUTS_AT_ONCE)),
            reads: Arc::new(Semaphore::new(config.reads_at_once.min(Semaphore::MAX_PERMITS))),
            urls: Arc::new(Urls::new(config)),
        })))
    }

    /// Where clients find what is stored.
    pub fn urls(&self) -> &Arc<Urls> {
        &self.0.urls
    }

    /// What a room keeps below a folder of the bucket, by paths of its own, sent at most so fast; `None` where
    /// there is no bucket.
    pub fn depot(&self, folder: &str, max_bytes_per_s: u64) -> Option<Depot> {
        let objects = || Arc::clone(&self.0.objects);
        self.0.is_remote.then(|| Depot::new(objects(), folder, max_bytes_per_s))
    }

    /// A new file to receive into.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn receive(&self) -> Result<Incoming, Error> {
        let folder = &self.0.incoming;
        let fails = |source| Error::File { path: folder.clone(), source };
        Incoming::in_folder(folder).await.map_err(fails)
    }

    /// Bytes that have come of the file that comes in pieces under the number `id`: 0 for a new one.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn partial_len(&self, id: u128) -> Result<u64, Error> {
        match tokio::fs::metadata(self.partial_path(id)).await {
            Ok(facts) => Ok(facts.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error.into()),
        }
    }

    /// The numbers of all files that come in pieces and of which something has come, in no order.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn partials(&self) -> Result<Vec<u128>, Error> {
        let mut entries = tokio::fs::read_dir(&self.0.partial).await?;
        let mut ids = Vec::new();
        while let Some(entry) = entries.next_entry().await? {
            let name = entry.file_name();
            ids.extend(name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok()));
        }
        Ok(ids)
    }

    /// The file that comes in pieces under the number `id`, to go on with; it is made if it is new.
    /// One at a time: this is for the caller to see to.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn partial(&self, id: u128) -> Result<Partial, Error> {
        Ok(Partial::at(&self.partial_path(id)).await?)
    }

    /// The file that has come in pieces, now that it is whole. What has come stays until it is
    /// [given up](Self::give_up).
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn whole(&self, id: u128) -> Result<Arrived, Error> {
        Ok(Arrived::of_partial(&self.partial_path(id), &self.0.incoming).await?)
    }

    /// Gives up what has come of a file. One of which nothing has come is given up.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn give_up(&self, id: u128) -> Result<(), Error> {
        match tokio::fs::remove_file(self.partial_path(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The folder in which programs make something of files. It is empty when the server starts.
    pub fn work_folder(&self) -> &std::path::Path {
        &self.0.work
    }

    /// Takes what was made there, as a file that has come.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub async fn take_made(&self, path: &std::path::Path) -> Result<Arrived, Error> {
        Ok(Arrived::of_made(path, &self.0.work).await?)
    }

    /// Brings an object back among the files that have come, for a program that looks at it.
    ///
    /// # Errors
    ///
    /// As [`Storage::read`]; when the disk refuses.
    pub async fn bring_back(&self, name: &ObjectName) -> Result<Arrived, Error> {
        let facts = self.head(name).await?.ok_or(Error::NotFound)?;
        let mut incoming = self.receive().await?;
        let mut pieces = self.read(name, 0..facts.size_bytes).await?;
        while let Some(piece) = pieces.next().await {
            incoming.write(&piece?).await?;
        }
        Ok(incoming.finish().await?)
    }

    fn partial_path(&self, id: u128) -> PathBuf {
        self.0.partial.join(format!("{id:032x}"))
    }

    /// Stores a file that has come in, whole or not at all, within [`PUT_LONGEST`]. Once begun it goes
    /// on to its end, even if the caller no longer waits: half of it would lie unseen in the store. While
    /// it waits for its turn it goes with its caller, so that no more than a few are left without one.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store does not take it, after as many tries as fit into
    /// `s3.retry_s` for each piece; [`Error::TooSlow`].
    pub async fn put(&self, name: &ObjectName, file: Arrived) -> Result<(), Error> {
        self.put_before(Instant::now() + PUT_LONGEST, name, file).await
    }

    async fn put_before(
        &self,
        end: Instant,
        name: &ObjectName,
        file: Arrived,
    ) -> Result<(), Error> {
        let turn = timeout_at(end, Arc::clone(&self.0.puts).acquire_owned()).await;
        let turn = turn.map_err(|_| Error::TooSlow)?.map_err(|_| Error::Interrupted)?;
        let (inner, name) = (Arc::clone(&self.0), name.clone());
        let work = tokio::spawn(async move {
            let stored = inner.put(&name, &file, end).await;
            drop(turn);
            stored
        });
        work.await.unwrap_or(Err(Error::Interrupted))
    }

    /// What is known of an object; `None` when there is none.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn head(&self, name: &ObjectName) -> Result<Option<Facts>, Error> {
        match self.0.objects.head(&at(name)).await {
            Ok(meta) => Ok(Some(Facts::of(&meta))),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(fault) => Err(Error::Store(fault)),
        }
    }

    /// Reads some bytes of an object, a small piece at a time, each when the one before is taken.
    /// The range must lie within the object.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when `reads_at_once` are read; each is, until it ends or is dropped.
    /// [`Error::NotFound`], [`Error::Store`]; the latter also in the midst of the bytes, when the store
    /// goes and does not come back within `s3.retry_s`.
    pub async fn read(
        &self,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let place = Arc::clone(&self.0.reads).try_acquire_owned().map_err(|_| Error::Busy)?;
        let wanted = GetOptions::new().with_range(Some(range));
        let found = self.0.objects.get_opts(&at(name), wanted).await?;
        match found.payload {
            GetResultPayload::File(file, path) => {
                let fails = move |source| Error::File { path: path.clone(), source };
                let mut file = tokio::fs::File::from_std(file);
                file.seek(io::SeekFrom::Start(found.range.start)).await.map_err(&fails)?;
                let file = file.take(found.range.end - found.range.start);
                let pieces = ReaderStream::with_capacity(file, READ_BYTES);
                Ok(holding(place, pieces.map(move |piece| piece.map_err(&fails))))
            }
            GetResultPayload::Stream(pieces) => {
                Ok(holding(place, pieces.map(|piece| piece.map_err(Error::from))))
            }
        }
    }

    /// Deletes an object. One that is not there is deleted.
    ///
    /// # Errors
    ///
    /// [`Error::Store`].
    pub async fn delete(&self, name: &ObjectName) -> Result<(), Error> {
        match self.0.objects.delete(&at(name)).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(fault) => Err(Error::Store(fault)),
        }
    }
}

impl Inner {
    async fn put(&self, name: &ObjectName, file: &Arrived, end: Instant) -> Result<(), Error> {
        let file = Outgoing { path: file.path(), len: file.len(), pace: None };
        file.put(&*self.objects, &at(name), self.attributes(name), end).await
    }

    /// What the store is told of an object. A folder remembers nothing.
    fn attributes(&self, name: &ObjectName) -> Attributes {
        if !self.is_remote {
            return Attributes::default();
        }
        Attributes::from_iter([
            (Attribute::ContentType, name.kind().mime()),
            (Attribute::CacheControl, FOREVER),
        ])
    }
}

/// A file on its way to the store.
pub(crate) struct Outgoing<'a> {
    pub path: &'a FilePath,
    /// So many of its bytes are sent: it may grow meanwhile.
    pub len: u64,
    /// How fast, together with others.
    pub pace: Option<&'a Pace>,
}

impl Outgoing<'_> {
    /// Puts it, whole or not at all.
    pub async fn put(
        &self,
        objects: &dyn ObjectStore,
        to: &Path,
        attributes: Attributes,
        end: Instant,
    ) -> Result<(), Error> {
        if self.len <= PART_BYTES as u64 {
            let mut file = self.open().await?.take(self.len);
            let piece = self.piece(&mut file, self.len).await?;
            let options = PutOptions { attributes, ..PutOptions::default() };
            let put = objects.put_opts(to, piece.into(), options);
            timeout_at(end, put).await.map_err(|_| Error::TooSlow)??;
            return Ok(());
        }
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let begun = objects.put_multipart_opts(to, options);
        let upload = timeout_at(end, begun).await.map_err(|_| Error::TooSlow)??;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        let sent = timeout_at(end, self.send(&mut upload)).await;
        match sent.unwrap_or(Err(Error::TooSlow)) {
            Ok(()) => {
                let finished = timeout_at(end, upload.finish()).await;
                finished.map_err(|_| Error::TooSlow)?.map(drop).map_err(Error::Store)
            }
            Err(fault) => {
                if let Err(error) = upload.abort().await {
                    let (error, object) = (Nameless(error), Nameless(to));
                    tracing::warn!(%error, %object, "pieces of an upload stay in the store");
                }
                Err(fault)
            }
        }
    }

    /// Hands it to the store, piece by piece, never more than the bound in memory.
    async fn send(&self, upload: &mut WriteMultipart) -> Result<(), Error> {
        let mut file = self.open().await?.take(self.len);
        let mut left = self.len;
        while left > 0 {
            upload.wait_for_capacity(PARTS_AT_ONCE).await?;
            let len = left.min(PART_BYTES as u64);
            upload.put(self.piece(&mut file, len).await?.into());
            left -= len;
        }
        Ok(())
    }

    async fn open(&self) -> Result<tokio::fs::File, Error> {
        tokio::fs::File::open(self.path).await.map_err(|source| self.unread(source))
    }

    /// The next bytes, all of them, when it is their turn.
    async fn piece(&self, file: &mut Take<tokio::fs::File>, len: u64) -> Result<Vec<u8>, Error> {
        if let Some(pace) = self.pace {
            pace.wait(len).await;
        }
        let mut piece =
            Vec::with_capacity(PART_BYTES.min(usize::try_from(len).unwrap_or(PART_BYTES)));
        file.take(len).read_to_end(&mut piece).await.map_err(|source| self.unread(source))?;
        match piece.len() as u64 == len {
            true => Ok(piece),
            false => Err(self.unread(io::ErrorKind::UnexpectedEof.into())),
        }
    }

    fn unread(&self, source: io::Error) -> Error {
        Error::File { path: self.path.to_owned(), source }
    }
}

impl Facts {
    pub(crate) fn of(meta: &ObjectMeta) -> Self {
        Self { size_bytes: meta.size, modified_ms: meta.last_modified.timestamp_millis() }
    }
}

impl From<object_store::Error> for Error {
    fn from(fault: object_store::Error) -> Self {
        match fault {
            object_store::Error::NotFound { .. } => Self::NotFound,
            fault => Self::Store(fault),
        }
    }
}

/// What is told without the names of objects, which are all that admits to them: of a name the first
/// digits stand, as in a name that prints itself.
struct Nameless<T>(T);

impl<T: fmt::Display> fmt::Display for Nameless<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.to_string();
        let mut rest = text.as_str();
        while let Some(first) = rest.chars().next() {
            let is_digit = |letter: char| letter.is_ascii_hexdigit();
            let len = rest.find(|letter| is_digit(letter) != is_digit(first));
            let (run, after) = rest.split_at(len.unwrap_or(rest.len()));
            if is_digit(first) && run.len() >= 2 * RANDOM_BYTES {
                write!(f, "{}…", run.get(..SHOWN).unwrap_or_default())?;
            } else {
                f.write_str(run)?;
            }
            rest = after;
        }
        Ok(())
    }
}

fn at(name: &ObjectName) -> Path {
    Path::from(name.as_str())
}

fn make_folder(path: &FilePath) -> Result<(), Error> {
    let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| Error::File { path: path.to_owned(), source })
}

fn remove_folder(path: &FilePath) -> Result<(), Error> {
    match fs::remove_dir_all(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(Error::File { path: path.to_owned(), source })
        }
        _ => Ok(()),
    }
}

/// Removes files of a folder, by their names.
fn clear(folder: &FilePath, is_left_over: impl Fn(&str) -> bool) -> Result<(), Error> {
    let fails = |source| Error::File { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(fails)? {
        let entry = entry.map_err(fails)?;
        let is_file = entry.file_type().map_err(fails)?.is_file();
        if is_file && entry.file_name().to_str().is_some_and(&is_left_over) {
            fs::remove_file(entry.path()).map_err(fails)?;
        }
    }
    Ok(())
}

/// Whether a file of the folder is one that was being put when the server was killed: `object_store`
/// writes beside the name, and a number behind it.
fn is_half_stored(name: &str) -> bool {
    name.split_once('#').is_some_and(|(name, number)| {
        name.parse::<ObjectName>().is_ok() && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// A stream that keeps a place until it is dropped.
fn holding<S>(place: OwnedSemaphorePermit, pieces: S) -> BoxStream<'static, S::Item>
where
    S: Stream + Send + 'static,
{
    pieces
        .inspect(move |_| {
            let _ = &place;
        })
        .boxed()
}

pub(crate) fn setting(fault: object_store::Error) -> Error {
    Error::Setting(fault.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Kind, S3};

    async fn arrived(storage: &Storage, len: usize) -> Arrived {
        let mut incoming = storage.receive().await.unwrap();
        incoming.write(&vec![7; len]).await.unwrap();
        incoming.finish().await.unwrap()
    }

    /// A store that takes connections and never answers.
    async fn silent() -> (Storage, tempfile::TempDir, tokio::net::TcpListener) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let s3 = S3 {
            endpoint: Some(format!("http://{}", listener.local_addr().unwrap())),
            bucket: "media".into(),
            key_id: "id".into(),
            secret: crate::Secret::new("secret"),
            ..S3::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let config = Config { s3: Some(s3), ..Config::default() };
        (Storage::open(&config, folder.path()).unwrap(), folder, listener)
    }

    #[tokio::test]
    async fn a_put_ends_in_its_time_whether_it_waits_for_its_turn_or_for_the_store() {
        let (storage, _folder, _listener) = silent().await;
        let name = ObjectName::draw(Kind::Mp4).unwrap();
        for len in [1, PART_BYTES + 1] {
            let file = arrived(&storage, len).await;
            let put = storage.put_before(Instant::now(), &name, file).await;
            assert!(matches!(put, Err(Error::TooSlow)), "{len}: {put:?}");
        }
        let _all = storage.0.puts.acquire_many(PUTS_AT_ONCE as u32).await.unwrap();
        let file = arrived(&storage, 1).await;
        let put = storage.put_before(Instant::now(), &name, file).await;
        assert!(matches!(put, Err(Error::TooSlow)), "{put:?}");
    }

    #[tokio::test]
    async fn what_waits_for_the_store_goes_with_who_brought_it_but_for_what_is_on_its_way() {
        let (storage, folder, listener) = silent().await;
        let in_incoming = || {
            let entries = fs::read_dir(folder.path().join(INCOMING)).unwrap();
            entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
        };
        let mut held = Vec::new();
        for n in 0..2 * PUTS_AT_ONCE {
            let name = ObjectName::draw(Kind::Mp4).unwrap();
            let file = arrived(&storage, 1).await;
            assert_eq!(in_incoming(), n.min(PUTS_AT_ONCE) + 1);
            let mut put = Box::pin(storage.put(&name, file));
            tokio::select! {
                _ = &mut put => panic!("a store that never answers took a file"),
                connection = listener.accept() => held.push(connection.unwrap()),
                () = turns_of_others(), if n >= PUTS_AT_ONCE => {}
            }
        }
        assert_eq!((held.len(), in_incoming()), (PUTS_AT_ONCE, PUTS_AT_ONCE));
    }

    async fn turns_of_others() {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn what_the_store_says_of_an_object_never_tells_its_name() {
        let (mut config, folder) = (Config::default(), tempfile::tempdir().unwrap());
        config.folder = "objects".into();
        let storage = Storage::open(&config, folder.path()).unwrap();
        fs::remove_dir(folder.path().join("objects")).unwrap();
        fs::write(folder.path().join("objects"), b"no folder").unwrap();
        let name = ObjectName::draw(Kind::Mp4).unwrap();
        let error = storage.head(&name).await.unwrap_err().to_string();
        assert!(error.contains(&name.as_str()[..SHOWN]), "{error}");
        assert!(!error.contains(&name.as_str()[..2 * RANDOM_BYTES]), "{error}");
    }

    #[test]
    fn a_text_without_names_is_told_as_it_is() {
        let text = "é deadbeef/0123456789abcdef0123456789abcde fin";
        assert_eq!(Nameless(text).to_string(), text);
        let digits = "0123456789abcdef".repeat(3);
        assert_eq!(Nameless(format!("({digits}.mp4)")).to_string(), "(01234567….mp4)");
    }
}
