//! Objects: put, read, looked at, deleted, listed.
//!
//! Here: the same few things over a folder and over S3. Not here: who may do them.

use std::{
    fs, io,
    ops::Range,
    os::unix::fs::DirBuilderExt as _,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use futures_util::{StreamExt as _, stream::BoxStream};
use object_store::{
    Attribute, Attributes, BackoffConfig, ClientOptions, GetOptions, GetResultPayload, ObjectMeta,
    ObjectStore, ObjectStoreExt as _, PutMultipartOptions, PutOptions, RetryConfig, WriteMultipart,
    aws::AmazonS3Builder, local::LocalFileSystem, path::Path,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncSeekExt as _},
    sync::Semaphore,
};
use tokio_util::io::ReaderStream;

use crate::{Arrived, Bench, Config, Incoming, ObjectName, Partial, S3, Urls};

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
/// What a reader of a folder is given at a time. Bounds his memory here, however slow he is.
const READ_BYTES: usize = 64 * 1024;

/// How long a connection to the store may take to open.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the store may be silent: it stores a piece within a few seconds.
const SILENCE: Duration = Duration::from_secs(30);
/// The wait before the second try; each further one waits up to twice as long, until [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MAX: Duration = Duration::from_secs(2);
/// Tries of one request. The time they may take (`s3.retry_s`) ends them first.
const TRIES: usize = 1000;

/// What S3 tells those who read from it directly. A name never names two contents.
const FOREVER: &str = "public, max-age=31536000, immutable";

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
    puts: Semaphore,
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
    #[error("{}: {source}", path.display())]
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
    #[error("the store failed: {0}")]
    Store(object_store::Error),
    /// The work ended before its time.
    #[error("the work was interrupted")]
    Interrupted,
}

impl Storage {
    /// Opens the storage that `config` names and makes the folders that are missing, for the server
    /// alone. What a former run left half received is removed, but for what comes in pieces. Nothing is asked of S3 yet.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] or [`Error::File`].
    pub fn open(config: &Config, data_dir: &FilePath) -> Result<Self, Error> {
        config.validate().map_err(Error::Setting)?;
        // Programs that look at files in it have another working folder.
        let data_dir = &std::path::absolute(data_dir)?;
        let incoming = data_dir.join(INCOMING);
        let partial = incoming.join(PARTIAL);
        make_folder(&partial)?;
        let work = incoming.join(WORK);
        remove_folder(&work)?;
        make_folder(&work)?;
        empty(&incoming).map_err(|source| Error::File { path: incoming.clone(), source })?;
        let objects: Arc<dyn ObjectStore> = match &config.s3 {
            Some(s3) => Arc::new(bucket(s3)?.build().map_err(setting)?),
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
            puts: Semaphore::new(PUTS_AT_ONCE),
            urls: Arc::new(Urls::new(config)),
        })))
    }

    /// Where clients find what is stored.
    pub fn urls(&self) -> &Arc<Urls> {
        &self.0.urls
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

    /// What has come of the file that comes in pieces under the number `id`: nothing, for a new one.
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

    /// A new folder in which something is made of a file.
    ///
    /// # Errors
    ///
    /// When the disk refuses.
    pub fn bench(&self) -> Result<Bench, Error> {
        let fails = |source| Error::File { path: self.0.work.clone(), source };
        Bench::in_folder(&self.0.work).map_err(fails)
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

    /// Stores a file that has come in, whole or not at all. Once begun it goes on to its end, even if
    /// the caller no longer waits: half of it would lie unseen in the store.
    ///
    /// # Errors
    ///
    /// [`Error::Store`] when the store does not take it, after as many tries as fit into
    /// `s3.retry_s` for each piece.
    pub async fn put(&self, name: &ObjectName, file: Arrived) -> Result<(), Error> {
        let (inner, name) = (Arc::clone(&self.0), name.clone());
        let work = tokio::spawn(async move { inner.put(&name, &file).await });
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
    /// [`Error::NotFound`], [`Error::Store`]; the latter also in the midst of the bytes, when the store
    /// goes and does not come back within `s3.retry_s`.
    pub async fn read(
        &self,
        name: &ObjectName,
        range: Range<u64>,
    ) -> Result<BoxStream<'static, Result<Bytes, Error>>, Error> {
        let wanted = GetOptions::new().with_range(Some(range));
        let found = self.0.objects.get_opts(&at(name), wanted).await?;
        match found.payload {
            GetResultPayload::File(file, path) => {
                let fails = move |source| Error::File { path: path.clone(), source };
                let mut file = tokio::fs::File::from_std(file);
                file.seek(io::SeekFrom::Start(found.range.start)).await.map_err(&fails)?;
                let file = file.take(found.range.end - found.range.start);
                let pieces = ReaderStream::with_capacity(file, READ_BYTES);
                Ok(pieces.map(move |piece| piece.map_err(&fails)).boxed())
            }
            GetResultPayload::Stream(pieces) => {
                Ok(pieces.map(|piece| piece.map_err(Error::from)).boxed())
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

    /// Everything there is, in no order. What is not called as objects are is passed over.
    pub fn list(&self) -> BoxStream<'static, Result<(ObjectName, Facts), Error>> {
        let named = |meta: ObjectMeta| {
            let name = meta.location.as_ref().parse::<ObjectName>().ok()?;
            Some((name, Facts::of(&meta)))
        };
        let found = self.0.objects.list(None);
        found
            .filter_map(move |entry| {
                let entry = entry.map_err(Error::Store).map(named).transpose();
                async move { entry }
            })
            .boxed()
    }
}

impl Inner {
    async fn put(&self, name: &ObjectName, file: &Arrived) -> Result<(), Error> {
        let _turn = self.puts.acquire().await.map_err(|_| Error::Interrupted)?;
        if file.len() <= PART_BYTES as u64 {
            let bytes = tokio::fs::read(file.path()).await.map_err(unread(file))?;
            let attributes = self.attributes(name);
            let options = PutOptions { attributes, ..PutOptions::default() };
            self.objects.put_opts(&at(name), bytes.into(), options).await?;
            return Ok(());
        }
        let attributes = self.attributes(name);
        let options = PutMultipartOptions { attributes, ..PutMultipartOptions::default() };
        let upload = self.objects.put_multipart_opts(&at(name), options).await?;
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART_BYTES);
        match send(file, &mut upload).await {
            Ok(()) => upload.finish().await.map(drop).map_err(Error::Store),
            Err(fault) => {
                if let Err(error) = upload.abort().await {
                    tracing::warn!(%error, object = %name, "pieces of an upload stay in the store");
                }
                Err(fault)
            }
        }
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

/// Hands a file to the store, piece by piece, never more than the bound in memory.
async fn send(file: &Arrived, upload: &mut WriteMultipart) -> Result<(), Error> {
    let mut opened = tokio::fs::File::open(file.path()).await.map_err(unread(file))?;
    loop {
        upload.wait_for_capacity(PARTS_AT_ONCE).await?;
        let mut piece = Vec::with_capacity(PART_BYTES);
        let piece_len = PART_BYTES as u64;
        (&mut opened).take(piece_len).read_to_end(&mut piece).await.map_err(unread(file))?;
        if piece.is_empty() {
            return Ok(());
        }
        upload.put(piece.into());
    }
}

impl Facts {
    fn of(meta: &ObjectMeta) -> Self {
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

fn at(name: &ObjectName) -> Path {
    Path::from(name.as_str())
}

fn bucket(s3: &S3) -> Result<AmazonS3Builder, Error> {
    let mut builder = AmazonS3Builder::new()
        .with_bucket_name(&s3.bucket)
        .with_region(&s3.region)
        .with_access_key_id(&s3.key_id)
        .with_secret_access_key(s3.secret.reveal())
        .with_virtual_hosted_style_request(!s3.path_style)
        // One object at a time is all that is ever deleted.
        .with_disable_bulk_delete(true)
        .with_retry(RetryConfig {
            backoff: BackoffConfig { init_backoff: RETRY_FIRST, max_backoff: RETRY_MAX, base: 2.0 },
            max_retries: TRIES,
            retry_timeout: Duration::from_secs(s3.retry_s),
        });
    let mut client = ClientOptions::new()
        // A slow reader may take as long as he likes; silence of the store may not.
        .with_timeout_disabled()
        .with_read_timeout(SILENCE)
        .with_connect_timeout(CONNECT);
    if let Some(endpoint) = &s3.endpoint {
        client = client.with_allow_http(endpoint.starts_with("http://"));
        builder = builder.with_endpoint(hosted(endpoint.trim_end_matches('/'), s3));
    }
    Ok(builder.with_client_options(client))
}

/// The address that requests go to, but for the bucket where it stands in the path.
fn hosted(endpoint: &str, s3: &S3) -> String {
    match endpoint.split_once("://") {
        Some((scheme, host)) if !s3.path_style => format!("{scheme}://{}.{host}", s3.bucket),
        _ => endpoint.to_owned(),
    }
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

fn empty(folder: &FilePath) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_file() {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn setting(fault: object_store::Error) -> Error {
    Error::Setting(fault.to_string())
}

fn unread(file: &Arrived) -> impl Fn(io::Error) -> Error + '_ {
    move |source| Error::File { path: file.path().to_owned(), source }
}
