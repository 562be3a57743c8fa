//! The storage over a real server of the S3 protocol, which dies at the worst moments.

#![allow(clippy::unwrap_used)]

// Under the short name the other crates use.
extern crate communiconnect_storage as storage;

use std::sync::atomic::Ordering;

use futures_util::StreamExt as _;
use storage::{Arrived, Config, Error, Kind, ObjectName, S3, Secret, Storage};
use tempfile::TempDir;

use self::server::{SOON, Server};

mod server;

const MIB: usize = 1024 * 1024;

/// Bytes that repeat nowhere near.
fn bytes(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        bytes.extend_from_slice(&next());
    }
    bytes.truncate(len);
    bytes
}

async fn arrived(storage: &Storage, content: &[u8]) -> Arrived {
    let mut incoming = storage.receive().await.unwrap();
    for piece in content.chunks(64 * 1024) {
        incoming.write(piece).await.unwrap();
    }
    incoming.finish().await.unwrap()
}

async fn put(storage: &Storage, content: &[u8]) -> Result<ObjectName, Error> {
    let name = ObjectName::draw(Kind::Mp4).unwrap();
    storage.put(&name, arrived(storage, content).await).await.map(|()| name)
}

async fn read(storage: &Storage, name: &ObjectName, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut pieces = storage.read(name, range).await.unwrap();
    let mut all = Vec::new();
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    all
}

/// Files on their way in that are not to come in pieces.
fn in_incoming(folder: &TempDir) -> usize {
    let entries = std::fs::read_dir(folder.path().join("incoming")).unwrap();
    entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
}

/// What can be done with objects, whatever holds them.
async fn objects_are_put_read_and_deleted(storage: &Storage) {
    let mut names = Vec::new();
    for len in [1, 100_000, 5 * MIB, 5 * MIB + 1, 12 * MIB] {
        let content = bytes(len);
        let name = put(storage, &content).await.unwrap();
        let facts = storage.head(&name).await.unwrap().unwrap();
        assert_eq!(facts.size_bytes, len as u64);
        assert!(facts.modified_ms > 1_700_000_000_000, "{facts:?}");
        assert!(read(storage, &name, 0..len as u64).await == content, "{len}");
        let (from, to) = (len / 3, len / 2 + 1);
        let part = read(storage, &name, from as u64..to as u64).await;
        assert!(part == content[from..to], "{len}");
        names.push(name);
    }
    for name in &names {
        storage.delete(name).await.unwrap();
        storage.delete(name).await.unwrap();
        assert_eq!(storage.head(name).await.unwrap(), None);
        assert!(matches!(storage.read(name, 0..1).await, Err(Error::NotFound)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_holds_objects() {
    let server = Server::start().await;
    let (storage, _folder) = server.storage(30);
    objects_are_put_read_and_deleted(&storage).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_holds_objects_for_the_server_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(&Config::default(), folder.path()).unwrap();
    objects_are_put_read_and_deleted(&storage).await;
    for name in ["media", "incoming"] {
        let mode = std::fs::metadata(folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{name}");
    }
    assert_eq!(in_incoming(&folder), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_former_run_left_half_received_is_gone_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(&Config::default(), folder.path()).unwrap();
    let name = put(&storage, b"kept").await.unwrap();
    let mut half = storage.receive().await.unwrap();
    half.write(b"half").await.unwrap();
    std::mem::forget(half);
    storage.partial(7).await.unwrap().write(b"a piece").await.unwrap();
    assert_eq!(in_incoming(&folder), 1);
    let storage = Storage::open(&Config::default(), folder.path()).unwrap();
    assert_eq!(in_incoming(&folder), 0);
    let mut partial = storage.partial(7).await.unwrap();
    partial.write(b", another").await.unwrap();
    assert_eq!(partial.head(100).await.unwrap(), b"a piece, another");
    storage.give_up(7).await.unwrap();
    assert!(storage.partial(7).await.unwrap().is_empty());
    assert_eq!(read(&storage, &name, 0..4).await, b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_run_left_half_stored_is_gone_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::open(&Config::default(), folder.path()).unwrap();
    let name = put(&storage, b"kept").await.unwrap();
    let path = |name: &str| folder.path().join("media").join(name);
    let half = format!("{}#1", name.as_str());
    let others = ["notes#1".to_owned(), format!("{}#x", name.as_str()), "notes".to_owned()];
    for name in others.iter().chain([&half]) {
        std::fs::write(path(name), b"half").unwrap();
    }
    let storage = Storage::open(&Config::default(), folder.path()).unwrap();
    assert!(!path(&half).exists());
    assert!(others.iter().all(|name| path(name).exists()));
    assert_eq!(read(&storage, &name, 0..4).await, b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn so_many_files_are_read_at_once_and_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let config = Config { reads_at_once: 2, ..Config::default() };
    let storage = Storage::open(&config, folder.path()).unwrap();
    let name = put(&storage, b"kept").await.unwrap();
    let first = storage.read(&name, 0..4).await.unwrap();
    let _second = storage.read(&name, 0..4).await.unwrap();
    assert!(matches!(storage.read(&name, 0..4).await, Err(Error::Busy)));
    drop(first);
    assert_eq!(read(&storage, &name, 0..4).await, b"kept");
    assert_eq!(read(&storage, &name, 0..4).await, b"kept");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_secret_is_refused_at_once_and_told_nobody() {
    let server = Server::start().await;
    let s3 = S3 { secret: Secret::new("another-secret"), ..server.s3() };
    let (storage, _folder) = server.storage_of(s3);
    let refused = tokio::time::timeout(SOON, put(&storage, b"abc")).await.expect("no retry");
    let error = refused.unwrap_err();
    let told = format!("{error} {error:?} {storage:?}");
    assert!(matches!(error, Error::Store(_)), "{told}");
    assert!(!told.contains("another-secret"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_goes_on_when_the_store_dies_in_its_midst_and_comes_back() {
    let mut server = Server::start().await;
    let (storage, _folder) = server.storage(60);
    let content = bytes(24 * MIB);
    let passed = server.passed.clone();
    let upload = tokio::spawn({
        let (storage, content) = (storage.clone(), content.clone());
        async move { put(&storage, &content).await }
    });
    passed.grows(&passed.up, 8 * MIB as u64).await;
    server.die().await;
    server.live().await;
    let name = upload.await.unwrap().unwrap();
    assert!(read(&storage, &name, 0..content.len() as u64).await == content);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_a_store_that_stays_away_fails_in_time_and_leaves_no_object() {
    let mut server = Server::start().await;
    let (storage, folder) = server.storage(2);
    let content = bytes(24 * MIB);
    let passed = server.passed.clone();
    let name = ObjectName::draw(Kind::Mp4).unwrap();
    let upload = tokio::spawn({
        let (storage, name) = (storage.clone(), name.clone());
        async move { storage.put(&name, arrived(&storage, &content).await).await }
    });
    passed.grows(&passed.up, 8 * MIB as u64).await;
    server.die().await;
    let failed = tokio::time::timeout(SOON, upload).await.expect("no longer than it may take");
    assert!(matches!(failed.unwrap(), Err(Error::Store(_))));
    assert_eq!(in_incoming(&folder), 0);
    server.live().await;
    assert_eq!(storage.head(&name).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_gives_up_does_not_cut_an_upload() {
    let server = Server::start().await;
    let (storage, _folder) = server.storage(30);
    let name = ObjectName::draw(Kind::Mp4).unwrap();
    let file = arrived(&storage, &bytes(12 * MIB)).await;
    let passed = server.passed.clone();
    tokio::select! {
        _ = storage.put(&name, file) => panic!("it was to be given up"),
        () = passed.grows(&passed.up, 6 * MIB as u64) => {}
    }
    let stored = async { while storage.head(&name).await.unwrap().is_none() {} };
    tokio::time::timeout(SOON, stored).await.expect("the upload goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_goes_on_when_the_store_dies_in_its_midst_and_comes_back() {
    let mut server = Server::start().await;
    let (storage, _folder) = server.storage(60);
    let content = bytes(32 * MIB);
    let name = put(&storage, &content).await.unwrap();
    let mut pieces = storage.read(&name, 0..content.len() as u64).await.unwrap();
    let mut all = pieces.next().await.unwrap().unwrap().to_vec();
    server.die().await;
    server.live().await;
    while let Some(piece) = pieces.next().await {
        all.extend_from_slice(&piece.unwrap());
    }
    assert!(all == content, "{} of {}", all.len(), content.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_from_a_store_that_stays_away_ends_with_an_error_and_not_short() {
    let mut server = Server::start().await;
    let (storage, _folder) = server.storage(2);
    let len = 32 * MIB;
    let name = put(&storage, &bytes(len)).await.unwrap();
    let mut pieces = storage.read(&name, 0..len as u64).await.unwrap();
    let mut read = pieces.next().await.unwrap().unwrap().len();
    server.die().await;
    let ends = async {
        loop {
            match pieces.next().await {
                Some(Ok(piece)) => read += piece.len(),
                ended => return ended,
            }
        }
    };
    let ended = tokio::time::timeout(SOON, ends).await.expect("no longer than it may take");
    assert!(matches!(ended, Some(Err(Error::Store(_)))), "{read} bytes of {len}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_who_takes_nothing_is_not_read_ahead_for() {
    let server = Server::start().await;
    let (storage, _folder) = server.storage(30);
    let len = 48 * MIB;
    let name = put(&storage, &bytes(len)).await.unwrap();
    let before = server.passed.down.load(Ordering::Relaxed);
    let mut pieces = storage.read(&name, 0..len as u64).await.unwrap();
    pieces.next().await.unwrap().unwrap();
    // Another takes as much by the same way: whatever would have come of itself has come by then.
    read(&storage, &name, 0..len as u64).await;
    let ahead = server.passed.down.load(Ordering::Relaxed) - before - len as u64;
    // What sockets hold between two processes, and no more.
    assert!(ahead < 16 * MIB as u64, "{ahead} bytes");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_room_keeps_files_in_the_bucket_by_paths_of_its_own() {
    let server = Server::start().await;
    let (storage, folder) = server.storage(30);
    let depot = storage.depot("kept", u64::MAX).unwrap();
    let file = folder.path().join("file");
    let content = bytes(7 * MIB);
    std::fs::write(&file, &content).unwrap();
    depot.put("a/x/large", &file, content.len() as u64, Some("video/mp4")).await.unwrap();
    // One that grew meanwhile is sent as far as was said.
    depot.put("a/small", &file, 1_000, None).await.unwrap();
    depot.put("b/empty", &file, 0, None).await.unwrap();
    let mut folders = depot.folders().await.unwrap();
    folders.sort();
    assert_eq!(folders, ["a", "b"]);
    let listed = async |folder: &str| {
        let files = depot.list(folder).await.unwrap();
        let mut files: Vec<_> = files.into_iter().map(|(path, it)| (path, it.size_bytes)).collect();
        files.sort();
        files
    };
    let large = content.len() as u64;
    assert_eq!(listed("a").await, [("small".to_owned(), 1_000), ("x/large".to_owned(), large)]);
    assert_eq!(listed("a/x").await, [("large".to_owned(), large)]);
    assert!(depot.read("a/x/large", 100..300).await.unwrap() == content[100..300]);
    assert!(matches!(depot.read("a/none", 0..1).await, Err(Error::NotFound)));
    let short = depot.put("a/short", &file, large + 1, None).await;
    assert!(matches!(short, Err(Error::File { .. })), "{short:?}");
    depot.delete("a/small").await.unwrap();
    depot.delete("a/small").await.unwrap();
    assert_eq!(listed("a").await, [("x/large".to_owned(), large)]);
    let in_a_folder = Storage::open(&Config::default(), folder.path()).unwrap();
    assert!(in_a_folder.depot("kept", u64::MAX).is_none());
}
