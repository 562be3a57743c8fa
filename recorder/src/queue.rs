//! What waits to be written, and the threads that write it.
//!
//! Here: blocking. Each live has one piece of work here at a time, so that the queue is never longer than
//! there are lives; what comes meanwhile waits in the window of its channel. A piece of work is written, then
//! synced once, however many segments it holds: a disk is asked less often the slower it is.

use std::{
    collections::VecDeque,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::Instant,
};

use tokio::sync::oneshot;

use crate::{
    Config, Disk,
    blocks::Buffer,
    writer::{Batch, Writer},
};

/// Threads that write: while one waits for its syncs another one writes.
const THREADS: usize = 2;

/// The queue. Its threads end with it.
#[derive(Debug)]
pub(crate) struct Queue {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: Config,
    disk: Arc<dyn Disk>,
    waiting: Mutex<Waiting>,
    came: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    work: VecDeque<Work>,
    is_closed: bool,
}

/// Something to be written.
#[derive(Debug)]
pub(crate) struct Work {
    pub folder: PathBuf,
    pub public: bool,
    /// Who wrote there before.
    pub writer: Option<Writer>,
    pub batch: Batch,
    pub done: oneshot::Sender<Done>,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Done {
    pub writer: Option<Writer>,
    /// Segments of the batch that were written.
    pub written: usize,
    pub outcome: Result<(), Failure>,
}

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error("{free_bytes} bytes are free on the disk")]
    NoRoom { free_bytes: u64 },
    #[error(transparent)]
    Disk(#[from] io::Error),
}

impl Queue {
    /// Starts the threads.
    ///
    /// # Errors
    /// When the system gives none.
    pub fn start(config: Config, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let waiting = Mutex::default();
        let shared = Arc::new(Shared { config, disk, waiting, came: Condvar::new() });
        for number in 0..THREADS {
            let shared = Arc::clone(&shared);
            thread::Builder::new()
                .name(format!("recorder-{number}"))
                .spawn(move || shared.work())?;
        }
        Ok(Self { shared })
    }

    /// Has something written. Does not wait.
    pub fn push(&self, work: Work) {
        self.shared.lock().work.push_back(work);
        self.shared.came.notify_one();
    }

    /// Forgets what nobody waits for any more.
    pub fn forget_abandoned(&self) {
        self.shared.lock().work.retain(|work| !work.done.is_closed());
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
        self.shared.came.notify_all();
    }
}

impl Shared {
    fn work(&self) {
        let mut buffer = Buffer::new();
        while let Some(work) = self.next() {
            // Who asked learns it from the reply that never comes; the others' lives go on.
            let _ = catch_unwind(AssertUnwindSafe(|| self.write(work, &mut buffer)));
        }
    }

    /// What waits the longest; `None` once the queue is closed and empty.
    fn next(&self) -> Option<Work> {
        let mut waiting = self.lock();
        loop {
            if let Some(work) = waiting.work.pop_front() {
                return Some(work);
            }
            if waiting.is_closed {
                return None;
            }
            waiting = self.came.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn write(&self, work: Work, buffer: &mut Buffer) {
        let started = Instant::now();
        let Work { folder, public, writer, batch, done: reply } = work;
        let mut done = Done { writer, written: 0, outcome: Ok(()) };
        done.outcome = self.write_batch(folder, public, &batch, buffer, &mut done);
        if let Some(writer) = &mut done.writer {
            let synced = writer.sync().map_err(Into::into);
            done.outcome = done.outcome.and(synced);
        }
        ::metrics::histogram!("recorder_write_seconds").record(started.elapsed());
        // Who asked may have given up.
        let _ = reply.send(done);
    }

    fn write_batch(
        &self,
        folder: PathBuf,
        public: bool,
        batch: &Batch,
        buffer: &mut Buffer,
        done: &mut Done,
    ) -> Result<(), Failure> {
        let root = folder.parent().unwrap_or(&folder);
        let free_bytes = self.disk.free_bytes(root)?;
        // The end of a recording is a line.
        if free_bytes < self.config.free_min_bytes && !batch.segments.is_empty() {
            return Err(Failure::NoRoom { free_bytes });
        }
        let writer = match &mut done.writer {
            Some(writer) => writer,
            none => {
                let disk = Arc::clone(&self.disk);
                none.insert(Writer::open(folder, public, &self.config, disk)?)
            }
        };
        let (written, outcome) = writer.append(batch, buffer);
        done.written = written;
        Ok(outcome?)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
