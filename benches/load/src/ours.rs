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

    /// Starts `binary` in a data folder that may hold a database already.
    ///
    /// # Errors
    /// As [`Ours::start`].
    pub fn start_in(binary: &Path, folder: &Path) -> Result<Self> {
        let (rtmp, http) = (free_address()?, free_address()?);
        let mut command = Command::new(binary);
        command.current_dir(folder).stdout(Stdio::null()).stderr(Stdio::null());
        for (name, value) in settings(folder, rtmp, http) {
            command.env(name, value);
        }
        let server = Server::start(command, http, HEALTH)?;
        Ok(Self { server, rtmp, http, _folder: None })
    }

    /// Makes an account for each of `count` lives and starts them.
    ///
    /// # Errors
    /// When the API refuses.
    pub fn lives(&self, count: usize) -> Result<Vec<Live>> {
        let mut client = Client::connect(self.http)?;
        (0..count)
            .map(|n| {
                let account = json!({
                    "username": format!("bench{n}"), "email": format!("bench{n}@example.org"),
                    "password": "un long mot de passe", "password_confirm": "un long mot de passe",
                    "first_name": "Aïssatou", "last_name": "Diallo", "quartier": 1,
                });
                let account = client.post("/api/users/register/", "", &account)?;
                let token = text(&account["tokens"], "access")?;
                let live =
                    client.post("/api/posts/live/start/", &token, &json!({"title": "Mesure"}))?;
                let playlist = resolve("/", &text(&live, "hls_url")?);
                Ok(Live { key: text(&live, "stream_key")?, playlist })
            })
            .collect()
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
        let (_, body) = Client::connect(self.http).ok()?.get("/metrics").ok()?;
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

/// The gauge of the bytes of all segments a server holds.
pub const HELD_BYTES: &str = "communiconnect_packager_held_bytes";

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

/// Settings by environment. All traffic of the bench comes from one address, so what is limited per address is
/// raised out of the way.
fn settings(folder: &Path, rtmp: SocketAddr, http: SocketAddr) -> Vec<(String, String)> {
    let _ = (folder, rtmp, http);
    Vec::new()
}

fn text(value: &Value, name: &str) -> Result<String> {
    Ok(value[name].as_str().with_context(|| format!("no {name} in {value}"))?.to_owned())
}
