//! One process, from its start to its end.
//!
//! Here: pipes, bounds, the deadline, what an end means. Not here: which jobs there are (`protocol`),
//! how many run at once.

use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group, setpriority_process};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, ChildStdin, Command};

use crate::protocol::{Code, Done, Line};
use crate::{Failed, Resource};

/// What a worker may say in all. A probe of many tracks takes 20 KB, progress 40 bytes a line.
const WORDS_BYTES: usize = 1024 * 1024;
/// The longest line.
const LINE_BYTES: usize = 64 * 1024;
/// How much of the end of stderr is kept for the operator.
const STDERR_KEPT_BYTES: usize = 4 * 1024;

/// A child that does not outlive this value, nor does what it started.
struct Group(Child);

impl Drop for Group {
    fn drop(&mut self) {
        // An id is there until the child is waited for: until then it cannot name anybody else's group.
        let id = self.0.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        if let Some(id) = id {
            let _ = kill_process_group(id, Signal::KILL);
        }
    }
}

/// Starts `program`, hands it `order`, and listens until it is done or `deadline` has passed.
pub(crate) async fn run(
    program: &Path,
    order: &[u8],
    deadline: Duration,
    progress: impl FnMut(u16),
) -> Result<Done, Failed> {
    let mut group = start(program).map_err(|error| Failed::NotStarted(error.to_string()))?;
    tokio::time::timeout(deadline, talk(&mut group.0, order, progress))
        .await
        .unwrap_or(Err(Failed::TimedOut(deadline)))
}

/// Lives come first: a worker gets what they leave. It says so itself too, but half of a short job is over by
/// then.
const NICENESS: i32 = 19;

/// The worker has nothing of the server's environment, and a process group of its own.
fn start(program: &Path) -> std::io::Result<Group> {
    let child = Command::new(program)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        // tokio reaps it after `Group` has killed it.
        .kill_on_drop(true)
        .spawn()?;
    let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if id.is_some() {
        // Without, it is a worse neighbour, nothing more.
        let _ = setpriority_process(id, NICENESS);
    }
    Ok(Group(child))
}

/// How a conversation ended.
enum Last {
    Done(Box<Done>),
    Refused { code: Code, reason: String },
}

async fn talk(child: &mut Child, order: &[u8], progress: impl FnMut(u16)) -> Result<Done, Failed> {
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(Failed::NotStarted("no pipes".into()));
    };
    let ((), last, stderr) =
        tokio::try_join!(say(stdin, order), listen(stdout, progress), keep_end(stderr))?;
    let status = child.wait().await.map_err(|error| crashed(error.to_string(), &stderr))?;
    match last {
        Some(Ok(Last::Refused { code, reason })) => Err(Failed::Refused { code, reason }),
        Some(Ok(Last::Done(done))) if status.success() => Ok(*done),
        Some(Err(nonsense)) => Err(crashed(nonsense, &stderr)),
        Some(Ok(Last::Done(_))) | None => Err(what_ended_it(status, &stderr)),
    }
}

/// A worker that does not listen will be heard of in another way.
async fn say(mut stdin: ChildStdin, order: &[u8]) -> Result<(), Failed> {
    let _ = stdin.write_all(order).await;
    Ok(())
}

/// Reads lines until stdout is closed; the first line that is no progress is the last that counts.
async fn listen(
    mut stdout: impl AsyncRead + Unpin,
    mut progress: impl FnMut(u16),
) -> Result<Option<Result<Last, String>>, Failed> {
    let mut last = None;
    let mut waiting = Vec::new();
    let mut total_bytes = 0;
    while let Some(came) = more(&mut stdout, &mut waiting).await {
        total_bytes += came;
        if total_bytes > WORDS_BYTES {
            return Err(Failed::TooMuch(Resource::Words));
        }
        while let Some(end) = waiting.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = waiting.drain(..=end).collect();
            if last.is_none() {
                last = match serde_json::from_slice(&line) {
                    Ok(Line::Progress { permille }) => {
                        progress(permille.min(1000));
                        None
                    }
                    Ok(Line::Done(done)) => Some(Ok(Last::Done(done))),
                    Ok(Line::Error { code, reason }) => Some(Ok(Last::Refused { code, reason })),
                    Err(error) => Some(Err(format!("a line that is not of the protocol: {error}"))),
                };
            }
        }
        if waiting.len() > LINE_BYTES {
            return Err(Failed::TooMuch(Resource::Words));
        }
    }
    Ok(last)
}

/// The end of what is said on stderr.
async fn keep_end(mut stderr: impl AsyncRead + Unpin) -> Result<String, Failed> {
    let mut kept = Vec::new();
    let mut total_bytes = 0;
    while let Some(came) = more(&mut stderr, &mut kept).await {
        total_bytes += came;
        if total_bytes > WORDS_BYTES {
            return Err(Failed::TooMuch(Resource::Words));
        }
        let superfluous = kept.len().saturating_sub(STDERR_KEPT_BYTES);
        kept.drain(..superfluous);
    }
    Ok(String::from_utf8_lossy(&kept).trim().to_owned())
}

/// Appends what came; `None` at the end.
async fn more(pipe: &mut (impl AsyncRead + Unpin), to: &mut Vec<u8>) -> Option<usize> {
    let mut buffer = [0; 4096];
    let came = pipe.read(&mut buffer).await.ok().filter(|came| *came > 0)?;
    to.extend_from_slice(buffer.get(..came)?);
    Some(came)
}

/// What the kernel's way of ending a process says about why.
fn what_ended_it(status: ExitStatus, stderr: &str) -> Failed {
    let is = |signal: Signal| status.signal() == Some(signal.as_raw());
    if is(Signal::XCPU) {
        return Failed::TooMuch(Resource::Cpu);
    }
    if is(Signal::XFSZ) {
        return Failed::TooMuch(Resource::Disk);
    }
    // How Rust ends a program that asked for more than its limit.
    if is(Signal::ABORT) && stderr.contains("memory allocation of") {
        return Failed::TooMuch(Resource::Memory);
    }
    crashed(status.to_string(), stderr)
}

fn crashed(how: String, stderr: &str) -> Failed {
    Failed::Crashed { how, stderr: stderr.to_owned() }
}
