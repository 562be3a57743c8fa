//! nginx with its RTMP module, set up as fairly as we can: no log, `sendfile`, a worker per core.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread::available_parallelism,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::server::{Server, free_address};

/// Name of the RTMP application that makes HLS.
pub const HLS_APP: &str = "hls";
/// Name of the RTMP application that makes HLS and records.
pub const RECORD_APP: &str = "record";
/// Name of the RTMP application that only receives.
pub const PLAIN_APP: &str = "plain";
const MODULES: [&str; 2] =
    ["/usr/lib/nginx/modules/ngx_rtmp_module.so", "/usr/share/nginx/modules/ngx_rtmp_module.so"];
/// In memory: no disk takes part in what is measured.
const MEMORY_FOLDER: &str = "/dev/shm";

/// A running nginx.
pub struct Nginx {
    /// Its process tree.
    pub server: Server,
    /// Where it receives RTMP.
    pub rtmp: SocketAddr,
    /// Where it serves HLS.
    pub http: SocketAddr,
    folder: TempDir,
    /// What it records, on the disk.
    recordings: TempDir,
}

impl Nginx {
    /// Whether nginx and the module are installed.
    pub fn is_installed() -> bool {
        module().is_some() && Command::new("nginx").arg("-v").stderr(Stdio::null()).status().is_ok()
    }

    /// Writes a configuration and starts nginx with it.
    ///
    /// # Errors
    /// When nginx or the module is missing, or nginx does not start.
    pub fn start() -> Result<Self> {
        let folder =
            tempfile::Builder::new().prefix("communiconnect-load-").tempdir_in(MEMORY_FOLDER)?;
        let recordings = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
        let (rtmp, http) = (free_address()?, free_address()?);
        let module =
            module().context("the RTMP module of nginx is missing (Debian: libnginx-mod-rtmp)")?;
        for name in ["hls", "recorded"] {
            fs::create_dir(folder.path().join(name))?;
        }
        fs::write(folder.path().join("hls/up"), "up\n")?;
        let path = folder.path().join("nginx.conf");
        fs::write(&path, configuration(folder.path(), recordings.path(), &module, rtmp, http))?;
        let mut command = Command::new("nginx");
        command.arg("-p").arg(folder.path()).arg("-c").arg(&path).args(["-g", "daemon off;"]);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let server = Server::start(command, http, "/hls/up")?;
        Ok(Self { server, rtmp, http, folder, recordings })
    }

    /// What `nginx -v` says.
    pub fn version() -> String {
        let output = Command::new("nginx").arg("-v").output();
        let text = output.map(|output| String::from_utf8_lossy(&output.stderr).into_owned());
        text.unwrap_or_default().trim().trim_start_matches("nginx version: ").to_owned()
    }

    /// Bytes of the HLS files in memory, which are in no process.
    pub fn files_bytes(&self) -> u64 {
        bytes_in(&self.folder.path().join("hls"))
    }

    /// Bytes it has recorded.
    pub fn recorded_bytes(&self) -> u64 {
        bytes_in(self.recordings.path())
    }
}

fn bytes_in(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| Some(entry.metadata().ok()?.len())).sum()
}

fn module() -> Option<PathBuf> {
    MODULES.iter().map(PathBuf::from).find(|path| path.exists())
}

fn configuration(
    folder: &Path,
    recordings: &Path,
    module: &Path,
    rtmp: SocketAddr,
    http: SocketAddr,
) -> String {
    let workers = available_parallelism().map_or(1, usize::from);
    let (folder, recordings, module) = (folder.display(), recordings.display(), module.display());
    // Only root may name the user of its workers; to others the line is a warning.
    let user = if rustix::process::geteuid().is_root() { "user root;" } else { "" };
    format!(
        "load_module {module};
{user}
worker_processes {workers};
worker_rlimit_nofile 20000;
pid {folder}/nginx.pid;
error_log /dev/null crit;
events {{ worker_connections 8192; }}
rtmp {{
    access_log off;
    server {{
        listen {rtmp};
        chunk_size 4096;
        application {PLAIN_APP} {{ live on; }}
        application {HLS_APP} {{
            live on;
            hls on;
            hls_path {folder}/hls;
            hls_fragment 2s;
            hls_playlist_length 30s;
        }}
        application {RECORD_APP} {{
            live on;
            hls on;
            hls_path {folder}/recorded;
            hls_fragment 2s;
            hls_playlist_length 30s;
            record all;
            record_path {recordings};
        }}
    }}
}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    tcp_nodelay on;
    keepalive_timeout 75s;
    keepalive_requests 1000000;
    client_body_temp_path {folder}/t1;
    proxy_temp_path {folder}/t2;
    fastcgi_temp_path {folder}/t3;
    uwsgi_temp_path {folder}/t4;
    scgi_temp_path {folder}/t5;
    types {{ application/vnd.apple.mpegurl m3u8; video/mp2t ts; }}
    server {{
        listen {http} reuseport backlog=4096;
        root {folder};
    }}
}}
"
    )
}
