//! Runs the media worker: one process a job, bounded in everything.
//!
//! Here: finding the program, handing it one job, believing nothing it says without looking, and ending
//! it in time ([`Worker`]); folders in which it makes things ([`Bench`]); the words both sides speak ([`protocol`]). Not here: FFmpeg, pictures,
//! who may upload what.
//!
//! The other side is `media-worker/`. It decodes what strangers sent, so it is taken for one that may be
//! in their hands: it gets an empty environment and three pipes, the sum of what it says is bounded, the
//! names of files it answers cannot leave the folder it was given, and its whole process group is killed
//! at the deadline or when nobody waits for it any more.
//!
//! No call here blocks a thread; a future of [`Worker::run`] that is dropped leaves no process behind. Nor
//! does a server that is killed: the worker asks the kernel to end it then.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod bench;
mod child;
pub mod protocol;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

pub use bench::Bench;

use protocol::{Code, Done, Job};

/// The name of the program.
pub const PROGRAM: &str = "communiconnect-media-worker";

/// The program, and how many jobs may run at once. Cheap to clone; all clones share the places.
#[derive(Debug, Clone)]
pub struct Worker {
    program: PathBuf,
    places: Arc<Semaphore>,
}

/// Why a job came to nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Failed {
    /// The worker looked at the input and says why it is of no use.
    #[error("refused ({code}): {reason}")]
    Refused {
        /// What kind of reason: stable, to be matched.
        code: Code,
        /// The same in English, with the numbers.
        reason: String,
    },
    /// The job took more than it was given.
    #[error("too much {0}")]
    TooMuch(Resource),
    /// No place was free for so long: nothing was tried.
    #[error("no place free within {} s", .0.as_secs_f32())]
    Busy(Duration),
    /// Not done at its deadline.
    #[error("not done within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// The worker died, or said what no worker says: for the operator, with the end of its stderr.
    #[error("crashed ({how}): {stderr}")]
    Crashed {
        /// By which signal or exit code, or what was wrong with its words.
        how: String,
        /// The last of what it wrote on stderr, at most 4 KiB.
        stderr: String,
    },
    /// The program could not be started, or the job not be said to it.
    #[error("the media worker does not start: {0}")]
    NotStarted(String),
}

/// What a job can take too much of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resource {
    /// Bytes of memory.
    Memory,
    /// Seconds of a processor.
    Cpu,
    /// Bytes of a file in the output folder.
    Disk,
    /// Words: what it says on stdout or stderr.
    Words,
}

impl std::fmt::Display for Resource {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Memory => "memory",
            Self::Cpu => "processor time",
            Self::Disk => "room for its output",
            Self::Words => "output on its pipes",
        })
    }
}

impl Worker {
    /// The program that `setting` names; without a setting the one beside the running binary, then the
    /// first of `PATH`. At most `at_once` jobs run at a time, at least one.
    ///
    /// `None` where there is none: a server does without, it only has no pictures and no videos.
    #[must_use]
    pub fn find(setting: Option<&Path>, at_once: usize) -> Option<Self> {
        let beside = || {
            let own = std::env::current_exe().ok()?;
            Some(own.parent()?.join(PROGRAM)).filter(|path| is_program(path))
        };
        let on_path = || {
            let path = std::env::var_os("PATH")?;
            std::env::split_paths(&path)
                .map(|folder| folder.join(PROGRAM))
                .find(|it| is_program(it))
        };
        let program = match setting {
            Some(named) => Some(named.to_owned()).filter(|path| is_program(path)),
            None => beside().or_else(on_path),
        };
        Some(Self::at(program?, at_once))
    }

    /// The worker at this path; a relative one begins where the server is now.
    #[must_use]
    pub fn at(program: PathBuf, at_once: usize) -> Self {
        // The worker begins elsewhere. An empty path has no absolute one, and no program.
        let program = std::path::absolute(&program).unwrap_or(program);
        Self { program, places: Arc::new(Semaphore::new(at_once.max(1))) }
    }

    /// Where the program is.
    #[must_use]
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Does one job, within `deadline` from its start, and calls `progress` with thousandths as they
    /// come. Waits first until one of the places is free, as long as the job itself may take and no longer.
    ///
    /// The kernel ends the worker when the thread ends that polled this first: that should be one of the
    /// runtime, which lives as long as the server.
    ///
    /// After a failure the output folder may hold half of something: it is the caller's to empty.
    ///
    /// # Errors
    /// Every [`Failed`].
    pub async fn run(
        &self,
        job: &Job,
        deadline: Duration,
        progress: impl FnMut(u16),
    ) -> Result<Done, Failed> {
        let not_started = |why: String| Failed::NotStarted(why);
        let order = serde_json::to_vec(job).map_err(|error| not_started(error.to_string()))?;
        let place = tokio::time::timeout(deadline, self.places.acquire())
            .await
            .map_err(|_| Failed::Busy(deadline))?
            .map_err(|error| not_started(error.to_string()))?;
        let done = child::run(&self.program, &order, deadline, progress).await;
        drop(place);
        done
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    path.metadata().is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
}
