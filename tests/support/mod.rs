//! The whole house, as tests see it: the real binary on ports of its own, real encoders and players.
//!
//! Here: starting the server (`House`), its accounts and lives (`api`), peers as processes (`peer`),
//! pages in a browser (`page`), a mail server (`mail`), an independent RTMP client (`rtmp`), what a
//! playlist promised from one poll to the next (`playlist`), every other codec (`enhanced`), and
//! bit-exact comparison (`fingerprint`). Not here: what is claimed of the server; that is said in the
//! tests, one sentence each.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

pub mod api;
pub mod boxes;
pub mod enhanced;
pub mod fingerprint;
pub mod flv;
pub mod gstreamer;
pub mod http;
pub mod mail;
pub mod obs;
pub mod packets;
pub mod page;
pub mod peer;
pub mod playlist;
pub mod rtmp;
pub mod source;
pub mod wait;
pub mod worker;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::Duration;

use tempfile::TempDir;

use api::{Live, Member};
use peer::Peer;

/// Debug builds on a busy two-core machine: several times what an idle one needs.
pub const READY_WITHIN: Duration = Duration::from_secs(30);

/// One running server with a data folder of its own, gone with the value.
pub struct House {
    server: Peer,
    settings: Vec<(String, String)>,
    /// Where HTTP is served.
    pub http: SocketAddr,
    /// Where encoders connect.
    pub rtmp: SocketAddr,
    /// Where Prometheus reads.
    pub metrics: SocketAddr,
    folder: TempDir,
}

impl House {
    /// Starts the server on its defaults.
    pub fn start() -> Self {
        Self::start_with(&[])
    }

    /// Starts the server with these environment variables on top, without their common prefix:
    /// `("LIVES__GRACE_MS", "2000")`.
    pub fn start_with(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::Builder::new().prefix("house-").tempdir().expect("a temp folder");
        let settings: Vec<(String, String)> =
            settings.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let (server, addresses) = launch(folder.path(), &settings);
        let [http, rtmp, metrics] = addresses;
        Self { server, settings, http, rtmp, metrics, folder }
    }

    /// Starts the server again on the same data folder, after it ended.
    pub fn restart(&mut self) {
        assert!(!self.server.is_alive(), "the server still runs");
        let (server, addresses) = launch(self.folder.path(), &self.settings);
        self.server = server;
        [self.http, self.rtmp, self.metrics] = addresses;
    }

    /// Starts the server again on the same data folder and the same ports, after it ended: those who
    /// knew it find it again.
    pub fn restart_in_place(&mut self) {
        let addresses = [("HTTP", self.http), ("INGEST", self.rtmp), ("METRICS", self.metrics)];
        let listen =
            addresses.map(|(room, address)| (format!("{room}__LISTEN"), address.to_string()));
        self.settings.extend(listen);
        self.restart();
    }

    /// The same, with settings beside those it had.
    pub fn restart_in_place_with(&mut self, settings: &[(&str, &str)]) {
        self.settings.extend(settings.iter().map(|(key, value)| ((*key).into(), (*value).into())));
        self.restart_in_place();
    }

    /// Where HTTPS is served, by a server that was told to.
    #[track_caller]
    pub fn https(&self) -> SocketAddr {
        let announced = self.folder.path().join("data").join("addresses.json");
        let text = std::fs::read_to_string(announced).expect("the server announced its addresses");
        let json: serde_json::Value = serde_json::from_str(&text).expect("addresses.json is JSON");
        let address = json.get("https").and_then(serde_json::Value::as_str);
        address
            .and_then(|address| address.parse().ok())
            .unwrap_or_else(|| panic!("addresses.json has no address for https: {text}"))
    }

    /// Asks the server to read its files again.
    #[track_caller]
    pub fn hang_up(&self) {
        self.server.hang_up();
    }

    /// Kills the server as a crash would.
    #[track_caller]
    pub fn crash(&mut self) {
        self.server.kill();
        // A thread that waits for the disk outlives the signal, and the folder is the server's until then.
        let lock = std::fs::File::open(self.folder.path().join("data/lock")).expect("it was taken");
        wait::until_true("the data folder is free", READY_WITHIN, || lock.try_lock().is_ok());
    }

    /// Asks the server to end, as an operator does.
    pub fn terminate(&self) {
        self.server.terminate();
    }

    /// How the server ended.
    #[track_caller]
    pub fn wait_for_exit(&mut self, within: Duration) -> ExitStatus {
        self.server.wait(within)
    }

    /// Whether the server runs.
    pub fn is_alive(&mut self) -> bool {
        self.server.is_alive()
    }

    /// The most memory that the server has had so far.
    #[track_caller]
    pub fn peak_memory_kib(&self) -> u64 {
        self.server.peak_memory_kib()
    }

    /// What the server logged since it was started.
    pub fn log(&self) -> String {
        self.server.log()
    }

    /// The environment under which a command works on the data of this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        let data = self.folder.path().join("data").display().to_string();
        let mut environment = vec![("COMMUNICONNECT_DATA_DIR".to_owned(), data)];
        environment.extend(self.settings.iter().map(|(key, value)| variable(key, value)));
        environment
    }

    /// A folder for the files of one test.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Registers a new member.
    pub fn member(&self) -> Member {
        Member::register(self.http)
    }

    /// A new member's new live, not yet published.
    pub fn live(&self) -> Live {
        self.member().start_live()
    }

    /// The address and key in one, as most encoders take it.
    pub fn rtmp_url(&self, key: &str) -> String {
        format!("{}/{key}", self.rtmp_server())
    }

    /// The address alone, as OBS takes it.
    pub fn rtmp_server(&self) -> String {
        format!("rtmp://{}/live", self.rtmp)
    }

    /// The absolute URL of `path` on this server.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.http)
    }

    /// One request without an account.
    pub fn get(&self, path: &str) -> http::Response {
        http::get(self.http, path)
    }
}

/// The folder that survives between runs: sources are encoded once.
pub fn cache() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// Kept after the run, for people to look at; ignored by git.
pub fn artefacts() -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artefacts");
    std::fs::create_dir_all(&folder).expect("the artefacts folder");
    folder
}

/// A setting as an environment variable.
fn variable(key: &str, value: &str) -> (String, String) {
    let prefix = if key == "DATABASE_URL" { "" } else { "COMMUNICONNECT_" };
    (format!("{prefix}{key}"), value.to_owned())
}

fn launch(folder: &Path, settings: &[(String, String)]) -> (Peer, [SocketAddr; 3]) {
    let data = folder.join("data");
    let announced = data.join("addresses.json");
    // What an earlier run left there must not be taken for this one's.
    let _ = std::fs::remove_file(&announced);
    let mut command = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"));
    for (key, _) in std::env::vars() {
        if key.starts_with("COMMUNICONNECT_") || key == "DATABASE_URL" {
            command.env_remove(key);
        }
    }
    command
        .current_dir(folder)
        .env("COMMUNICONNECT_DATA_DIR", &data)
        .env("COMMUNICONNECT_HTTP__LISTEN", "127.0.0.1:0")
        .env("COMMUNICONNECT_INGEST__LISTEN", "127.0.0.1:0")
        .env("COMMUNICONNECT_METRICS__LISTEN", "127.0.0.1:0");
    for (key, value) in settings {
        let (key, value) = variable(key, value);
        command.env(key, value);
    }
    let mut server = Peer::spawn("server", command, folder);
    let addresses = wait::until("the server announces its addresses", READY_WITHIN, || {
        assert!(server.is_alive(), "the server ended at start:\n{}", server.log());
        let text = std::fs::read_to_string(&announced).ok()?;
        let json: serde_json::Value = serde_json::from_str(&text).expect("addresses.json is JSON");
        Some(["http", "rtmp", "metrics"].map(|name| {
            let address = json.get(name).and_then(serde_json::Value::as_str);
            address
                .and_then(|address| address.parse().ok())
                .unwrap_or_else(|| panic!("addresses.json has no address for {name}: {text}"))
        }))
    });
    (server, addresses)
}
