//! Other programs as processes: the server, encoders, players, browsers.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::wait;

/// No peer outlives this, even when the test that started it was killed and could not clean up.
const LIFETIME_S: u64 = 150;

/// How many minutes longer than usual a run was asked to last.
pub fn extra_minutes() -> u64 {
    let minutes = std::env::var("CONFORMANCE_MINUTES");
    minutes.ok().and_then(|minutes| minutes.parse().ok()).unwrap_or(0)
}

/// How long a peer that was asked to end may take: more than the server, which lets its viewers go.
const KILL_AFTER_S: &str = "20";

/// How much of a peer's log a failing test shows.
const LOG_TAIL_LINES: usize = 40;

/// A process with a log, in a process group of its own, killed on drop.
///
/// It runs under `timeout` (coreutils), which makes that group, passes TERM on to it, reports the
/// program's own exit status, and ends it after [`LIFETIME_S`].
pub struct Peer {
    name: String,
    child: Child,
    log: PathBuf,
    ended: Option<ExitStatus>,
}

impl Peer {
    /// Starts `command`; its output goes to a log in `folder`.
    #[track_caller]
    pub fn spawn(name: &str, command: Command, folder: &Path) -> Self {
        Self::spawn_with_input(name, command, folder, Stdio::null())
    }

    /// Starts `command` with something to read.
    #[track_caller]
    pub fn spawn_with_input(name: &str, command: Command, folder: &Path, input: Stdio) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let log = folder.join(format!("{name}-{count}.log"));
        let output = File::create(&log).expect("a log file");
        let error_output = output.try_clone().expect("a second handle of the log");
        let mut bounded = under_timeout(&command);
        // A browser that is killed leaves its profile behind.
        bounded.env("TMPDIR", folder);
        let child = bounded.stdin(input).stdout(output).stderr(error_output).spawn();
        let child = child.unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        Self { name: name.into(), child, log, ended: None }
    }

    /// Whether it still runs.
    pub fn is_alive(&mut self) -> bool {
        self.poll().is_none()
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// Writes a line to the standard input of a peer that was given a pipe.
    #[track_caller]
    pub fn tell(&mut self, line: &str) {
        let input = self.child.stdin.as_mut().expect("a piped standard input");
        let told = writeln!(input, "{line}").and_then(|()| input.flush());
        told.unwrap_or_else(|error| panic!("{} does not listen: {error}", self.name));
    }

    /// Waits for it to end by itself.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        wait::until(&format!("{} ends", self.name), within, || self.poll())
    }

    /// Waits for it to end by itself, well.
    #[track_caller]
    pub fn wait_success(&mut self, within: Duration) {
        let status = self.wait(within);
        assert!(status.success(), "{} ended with {status}:\n{}", self.name, self.log());
    }

    /// Asks it to end (SIGTERM).
    pub fn terminate(&self) {
        signal("TERM", &self.child.id().to_string());
    }

    /// Sends it SIGHUP: to the program itself, since `timeout` takes one for its own end.
    #[track_caller]
    pub fn hang_up(&self) {
        signal("HUP", &self.program());
    }

    /// The most memory that the program has had so far.
    #[track_caller]
    pub fn peak_memory_kib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.program()));
        let status = status.expect("the kernel knows the program");
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let peak = peak.and_then(|peak| peak.trim().strip_suffix(" kB")?.parse().ok());
        peak.expect("a number of kB")
    }

    /// The id of the program below `timeout`.
    #[track_caller]
    fn program(&self) -> String {
        let id = self.child.id();
        let children = std::fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.expect("the kernel lists children");
        children.split_whitespace().next().expect("the program runs").to_owned()
    }

    /// Ends it as a crash or a power cut would (SIGKILL to the whole group).
    pub fn kill(&mut self) {
        signal("KILL", &format!("-{}", self.child.id()));
        self.wait(Duration::from_secs(10));
    }

    /// Stops it in its tracks without closing anything: a machine that lost its network.
    pub fn freeze(&self) {
        signal("STOP", &format!("-{}", self.child.id()));
    }

    fn poll(&mut self) -> Option<ExitStatus> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait().expect("our own child can be waited for");
        }
        self.ended
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if self.poll().is_none() {
            signal("KILL", &format!("-{}", self.child.id()));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
        if std::thread::panicking() {
            let log = self.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
            eprintln!("--- last of {}'s log ---\n{}\n---", self.name, tail.join("\n"));
        }
    }
}

/// Runs a command to its end within `within` and gives its standard output.
#[track_caller]
pub fn output_of(command: Command, within: Duration) -> Vec<u8> {
    all_output_of(command, within).0
}

/// [`output_of`], and what the command had to say beside it.
#[track_caller]
pub fn all_output_of(mut command: Command, within: Duration) -> (Vec<u8>, String) {
    let folder = tempfile::tempdir().expect("a temp folder");
    let (out, err) = (folder.path().join("out"), folder.path().join("err"));
    command.stdin(Stdio::null());
    let mut bounded = under_timeout(&command);
    bounded.stdin(Stdio::null()).env("TMPDIR", folder.path());
    bounded.stdout(File::create(&out).expect("a file for output"));
    bounded.stderr(File::create(&err).expect("a file for errors"));
    let mut child = bounded.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let pid = child.id();
    let status = wait::until(&format!("{command:?} ends"), within, || {
        child.try_wait().expect("our own child can be waited for")
    });
    signal("KILL", &format!("-{pid}"));
    let errors = String::from_utf8_lossy(&std::fs::read(&err).unwrap_or_default()).into_owned();
    assert!(status.success(), "{command:?} ended with {status}:\n{errors}");
    (std::fs::read(&out).expect("the output"), errors)
}

fn under_timeout(command: &Command) -> Command {
    let mut bounded = Command::new("timeout");
    let lifetime_s = (LIFETIME_S + 60 * extra_minutes()).to_string();
    bounded.args(["--kill-after", KILL_AFTER_S, &lifetime_s]).arg(command.get_program());
    bounded.args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => bounded.env(key, value),
            None => bounded.env_remove(key),
        };
    }
    if let Some(folder) = command.get_current_dir() {
        bounded.current_dir(folder);
    }
    bounded
}

/// `kill(1)`, since signals are unsafe calls otherwise. The target is always a process we started.
fn signal(name: &str, target: &str) {
    let _ = Command::new("kill")
        .args(["-s", name, "--", target])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
}
