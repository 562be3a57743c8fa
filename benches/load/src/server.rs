//! A server under measurement: a child process that does not outlive us.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

use crate::{account, http};

/// How long a server may take to listen, or to end when asked.
const PATIENCE: Duration = Duration::from_secs(10);
/// Between two attempts to connect to a server that starts: a twentieth of what is to be resolved.
const POLL: Duration = Duration::from_micros(500);

/// A running server; it is ended when dropped, with every process it started.
pub struct Server {
    child: Child,
    /// From just before it was started until it accepted a connection.
    pub listening_after: Duration,
    /// From just before it was started until it answered 200.
    pub answering_after: Duration,
}

impl Server {
    /// Starts `command` and waits until `address` accepts connections and `path` answers 200. An empty path is
    /// not asked for.
    ///
    /// # Errors
    /// When it cannot be started, ends, or does not answer within 10 s.
    pub fn start(mut command: Command, address: SocketAddr, path: &str) -> Result<Self> {
        let begun = Instant::now();
        let child = command
            .stdin(Stdio::null())
            .spawn()
            .with_context(|| format!("cannot start {}", command.get_program().display()))?;
        let mut server =
            Self { child, listening_after: Duration::ZERO, answering_after: Duration::ZERO };
        while TcpStream::connect(address).is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{} ended: {status}", command.get_program().display());
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} does not listen", command.get_program().display());
            }
            std::thread::sleep(POLL);
        }
        server.listening_after = begun.elapsed();
        while !path.is_empty() {
            let answer = http::Client::connect(address).and_then(|mut client| client.get(path));
            if matches!(answer, Ok((200, _))) {
                break;
            }
            if begun.elapsed() > PATIENCE {
                bail!("{} does not answer {path}", command.get_program().display());
            }
            std::thread::sleep(POLL);
        }
        server.answering_after = begun.elapsed();
        Ok(server)
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let tree = account::tree(self.child.id());
        signal(self.child.id(), Signal::TERM);
        let asked = Instant::now();
        while asked.elapsed() < PATIENCE / 5 {
            if let Ok(Some(_)) = self.child.try_wait() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Ok(None) = self.child.try_wait() {
            for pid in tree {
                signal(pid, Signal::KILL);
            }
        }
        let _ = self.child.wait();
    }
}

fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, signal);
    }
}

/// A loopback address nobody listens on.
///
/// # Errors
/// When the system has none left.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
