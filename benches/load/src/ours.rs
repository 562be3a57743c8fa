//! CommuniConnect Live under measurement: its settings, accounts and lives.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    http::Client,
    playlist::{Playlist, resolve},
    server::{Server, free_address},
};

/// The application name of the ingest.
pub const APP: &str = "live";
const HEALTH: &str = "/api/health/";

/// A running server with a data folder of its own.
pub struct Ours {
    /// Its process tree.
    pub server: Server,
    /// Where it receives RTMP.
    pub rtmp: SocketAddr,
    /// Where it serves API and HLS.
    pub http: SocketAddr,
    /// Where it tells its metrics.
    metrics: SocketAddr,
    /// Database and whatever else it keeps; removed with it.
    _folder: Option<TempDir>,
}

/// A live that was started through the API.
pub struct Live {
    /// The secret to publish with.
    pub key: String,
    /// Path of its multivariant playlist.
    pub playlist: String,
}

impl Ours {
    /// Starts `binary` in a new data folder.
    ///
    /// # Errors
    /// When it does not start or does not answer its health check.
    pub fn start(binary: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
        let mut ours = Self::start_in(binary, folder.path())?;
        ours._folder = Some(folder);
        Ok(ours)
    }

    /// The same, and has it record its lives, which it does not elsewhere: what is compared is not the disk.
    ///
    /// # Errors
    /// As [`Ours::start`].
    pub fn start_recording(binary: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
        let mut ours = Self::start_recording_in(binary, folder.path())?;
        ours._folder = Some(folder);
        Ok(ours)
    }

    /// The same, in a data folder that may hold recordings already.
    ///
    /// # Errors
    /// As [`Ours::start`].
    pub fn start_recording_in(binary: &Path, folder: &Path) -> Result<Self> {
        Self::start_as(binary, folder, None, true)
    }

    /// Starts `binary` in a data folder that may hold a database already.
    ///
    /// # Errors
    /// As [`Ours::start`].
    pub fn start_in(binary: &Path, folder: &Path) -> Result<Self> {
        Self::start_on(binary, folder, None)
    }

    /// Starts `binary` on a database elsewhere, if one is named.
    ///
    /// # Errors
    /// As [`Ours::start`].
    pub fn start_on(binary: &Path, folder: &Path, database: Option<&str>) -> Result<Self> {
        Self::start_as(binary, folder, database, false)
    }

    fn start_as(
        binary: &Path,
        folder: &Path,
        database: Option<&str>,
        is_recording: bool,
    ) -> Result<Self> {
        let (rtmp, http, metrics) = (free_address()?, free_address()?, free_address()?);
        let file = folder.join("bench.toml");
        std::fs::write(&file, settings(folder, rtmp, http, metrics, is_recording))?;
        let mut command = Command::new(binary);
        command.arg("--config").arg(file).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(database.map(|url| ("DATABASE_URL", url)));
        let server = Server::start(command, http, HEALTH)?;
        Ok(Self { server, rtmp, http, metrics, _folder: None })
    }

    /// Makes an account for each of `count` lives and starts them.
    ///
    /// # Errors
    /// When the API refuses.
    pub fn lives(&self, count: usize) -> Result<Vec<Live>> {
        let mut client = Client::connect(self.http)?;
        (0..count)
            .map(|n| {
                let token = register(&mut client, n, Some(1))?;
                let live =
                    client.post("/api/posts/live/start/", &token, &json!({"title": "Mesure"}))?;
                let playlist = resolve("/", &text(&live, "hls_url")?);
                Ok(Live { key: text(&live, "stream_key")?, playlist })
            })
            .collect()
    }

    /// Makes so many accounts, one after the other in the quartiers there are, the last in none. Gives
    /// their tokens.
    ///
    /// # Errors
    /// When the API refuses.
    pub fn members(&self, count: usize) -> Result<Vec<String>> {
        let mut client = Client::connect(self.http)?;
        let quartier = |n: usize| (n + 1 < count).then_some(1 + n * 5 % QUARTIERS);
        (0..count).map(|n| register(&mut client, n, quartier(n))).collect()
    }

    /// Bytes of the init and media segments that the media playlist of `live` lists now.
    ///
    /// # Errors
    /// When the playlist or a segment cannot be had.
    pub fn listed_bytes(&self, live: &Live) -> Result<usize> {
        let mut client = Client::connect(self.http)?;
        let (_, body) = client.get(&live.playlist)?;
        let rendition =
            Playlist::parse(&String::from_utf8(body)?).rendition.context("no rendition")?;
        let media = resolve(&live.playlist, &rendition);
        let (_, body) = client.get(&media)?;
        let playlist = Playlist::parse(&String::from_utf8(body)?);
        let addresses =
            playlist.init.iter().chain(playlist.segments.iter().map(|(address, _)| address));
        addresses.map(|address| client.size_bytes(&resolve(&media, address))).sum()
    }

    /// The value of a gauge on `/metrics`, summed over its labels; `None` when there is no such gauge.
    pub fn metric(&self, name: &str) -> Option<f64> {
        let (_, body) = Client::connect(self.metrics).ok()?.get("/metrics").ok()?;
        let text = String::from_utf8(body).ok()?;
        let values = text.lines().filter_map(|line| {
            let (left, value) = line.rsplit_once(' ')?;
            let matches = left
                .strip_prefix(name)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('{'));
            matches.then(|| value.parse::<f64>().ok())?
        });
        values.fold(None, |sum, value| Some(sum.unwrap_or(0.0) + value))
    }
}

/// Places the server knows from the start.
const QUARTIERS: usize = 77;

/// The gauge of the bytes of all segments a server holds.
pub const HELD_BYTES: &str = "packager_window_bytes";
/// The metric that counts the bytes it has recorded.
pub const RECORDED_BYTES: &str = "recorder_bytes_total";

/// What `binary --version` says.
pub fn version(binary: &Path) -> String {
    let output = Command::new(binary).arg("--version").output();
    output
        .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
        .unwrap_or_default()
}

/// The release binary beside this workspace, as `cargo` names it.
pub fn default_binary() -> PathBuf {
    PathBuf::from("target/release/communiconnect-live")
}

/// All traffic of the bench comes from one address, so what is limited per address is raised out of the way;
/// and a hundred accounts are not worth a hundred slow hashes. The rest is the default.
fn settings(
    folder: &Path,
    rtmp: SocketAddr,
    http: SocketAddr,
    metrics: SocketAddr,
    is_recording: bool,
) -> String {
    let rate = "{ burst = 1000000, per_minute = 60000000 }";
    format!(
        r#"data_dir = "{}"
[http]
listen = "{http}"
max_connections_per_address = 20000
[delivery]
max_waiting_per_address = 100000
[metrics]
listen = "{metrics}"
[ingest]
listen = "{rtmp}"
[recording]
enabled = {is_recording}
[api]
public_rtmp_port = {}
[api.limits]
address = {rate}
register_address = {rate}
live_start = {rate}
user = {rate}
writing = {rate}
watch_address = {rate}
[api.realtime]
max_clients_per_address = 20000
max_clients_per_member = 20000
[api.passwords]
memory_kib = 64
passes = 1
"#,
        folder.display(),
        rtmp.port()
    )
}

/// Makes an account; gives its access token.
fn register(client: &mut Client, n: usize, quartier: Option<usize>) -> Result<String> {
    let account = json!({
        "username": format!("bench{n}"), "email": format!("bench{n}@example.org"),
        "password": "un long mot de passe", "password_confirm": "un long mot de passe",
        "first_name": "Aïssatou", "last_name": "Diallo", "quartier": quartier,
    });
    let account = client.post("/api/users/register/", "", &account)?;
    text(&account["tokens"], "access")
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}
