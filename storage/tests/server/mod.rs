//! A real server of the S3 protocol that can die, with a relay before it that counts bytes, so that a test knows when
//! it is in the midst of something.
//!
//! The server is a process of its own (`scripts/peers.sh tests` installs it).

#![allow(clippy::unwrap_used, dead_code, reason = "tests, each of which uses its own part of it")]

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use storage::{Config, S3, Secret, Storage};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    process::{Child, Command},
    sync::watch,
};

pub const KEY_ID: &str = "communiconnect";
pub const SECRET: &str = "a-secret-for-tests";
pub const BUCKET: &str = "media";

/// For anything the server does at once, on a busy machine.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Server {
    child: Option<Child>,
    behind: SocketAddr,
    /// Where the storage asks.
    before: SocketAddr,
    pub passed: Arc<Passed>,
    folder: TempDir,
}

/// Bytes that passed the relay, and whether it lets any pass.
pub struct Passed {
    pub up: AtomicU64,
    pub down: AtomicU64,
    moved: watch::Sender<()>,
    is_open: watch::Sender<bool>,
}

impl Server {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(BUCKET)).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let before = listener.local_addr().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let behind = free.local_addr().unwrap();
        drop(free);
        let passed = Arc::new(Passed {
            up: AtomicU64::new(0),
            down: AtomicU64::new(0),
            moved: watch::Sender::new(()),
            is_open: watch::Sender::new(true),
        });
        tokio::spawn(relay(listener, behind, passed.clone()));
        let mut server = Self { child: None, behind, before, passed, folder };
        server.live().await;
        server
    }

    /// Starts the server, for the first time or again, on what it had.
    pub async fn live(&mut self) {
        let mut child = Command::new(binary())
            .args(["--host", "127.0.0.1", "--port", &self.behind.port().to_string()])
            .args(["--access-key", KEY_ID, "--secret-key", SECRET])
            .arg(self.folder.path())
            .env("RUST_LOG", "s3s_fs=info")
            .env("NO_COLOR", "1")
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the S3 server: scripts/peers.sh tests installs it");
        let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
        self.child = Some(child);
        let listens = async {
            while !said.next_line().await.unwrap().expect("it lives").contains("running") {}
        };
        tokio::time::timeout(SOON, listens).await.expect("the S3 server listens");
        self.passed.is_open.send_replace(true);
    }

    /// As by a power cut, with every connection to it.
    pub async fn die(&mut self) {
        self.child.take().unwrap().kill().await.unwrap();
        self.passed.is_open.send_replace(false);
    }

    /// Where the storage asks.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.before)
    }

    /// Whether anything is stored below a path.
    pub fn holds(&self, path: &str) -> bool {
        fn has_file(folder: &Path) -> bool {
            let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
            entries.map(|entry| entry.path()).any(|path| path.is_file() || has_file(&path))
        }
        has_file(&self.folder.path().join(BUCKET).join(path))
    }

    pub fn storage(&self, retry_s: u64) -> (Storage, TempDir) {
        self.storage_of(S3 { retry_s, ..self.s3() })
    }

    pub fn storage_of(&self, s3: S3) -> (Storage, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let config = Config { s3: Some(s3), ..Config::default() };
        (Storage::open(&config, folder.path()).unwrap(), folder)
    }

    pub fn s3(&self) -> S3 {
        S3 {
            endpoint: Some(self.endpoint()),
            bucket: BUCKET.into(),
            key_id: KEY_ID.into(),
            secret: Secret::new(SECRET),
            ..S3::default()
        }
    }
}

impl Passed {
    /// Waits until `count` has grown by so many bytes.
    pub async fn grows(&self, count: &AtomicU64, bytes: u64) {
        let goal = count.load(Ordering::Relaxed) + bytes;
        let mut moved = self.moved.subscribe();
        let reached = moved.wait_for(|()| count.load(Ordering::Relaxed) >= goal);
        drop(tokio::time::timeout(SOON, reached).await.expect("bytes move").unwrap());
    }
}

fn binary() -> PathBuf {
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let home = || PathBuf::from(std::env::var_os("HOME").unwrap_or_default()).join(".cache");
    cache.unwrap_or_else(home).join("communiconnect-live/s3/bin/s3s-fs")
}

async fn relay(listener: TcpListener, behind: SocketAddr, passed: Arc<Passed>) {
    while let Ok((client, _)) = listener.accept().await {
        let passed = passed.clone();
        tokio::spawn(async move {
            let mut is_open = passed.is_open.subscribe();
            let talk = async {
                let Ok(server) = TcpStream::connect(behind).await else { return };
                let (from_client, to_client) = client.into_split();
                let (from_server, to_server) = server.into_split();
                tokio::join!(
                    pass(from_client, to_server, &passed.up, &passed.moved),
                    pass(from_server, to_client, &passed.down, &passed.moved),
                );
            };
            tokio::select! {
                () = talk => {}
                _ = is_open.wait_for(|is_open| !is_open) => {}
            }
        });
    }
}

async fn pass(
    mut from: impl tokio::io::AsyncRead + Unpin,
    mut to: impl tokio::io::AsyncWrite + Unpin,
    count: &AtomicU64,
    moved: &watch::Sender<()>,
) {
    let mut bytes = vec![0; 16 * 1024];
    while let Ok(len @ 1..) = from.read(&mut bytes).await {
        if to.write_all(&bytes[..len]).await.is_err() {
            break;
        }
        count.fetch_add(len as u64, Ordering::Relaxed);
        moved.send_replace(());
    }
    let _ = to.shutdown().await;
}
