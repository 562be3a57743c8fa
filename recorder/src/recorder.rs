//! Follows lives while they are on.
//!
//! Here: the cursor of each recording, what it does when the disk does not keep up, what is told of it. Not
//! here: threads and files (`queue`, `writer`).
//!
//! A recording is a reader like any other: it takes references of segments that are complete, by number,
//! from the window of the channel, which is all the buffer there is. What leaves the window before the disk
//! took it is lost to the recording, never to the live; it goes on with the next segment that opens on an IDR.

use std::{
    collections::HashMap,
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hub::{Access, Channel, Complete};
use media::id::PlaybackName;
use packager::{Rendition, Segment};
use tokio::{
    runtime::Handle,
    sync::{oneshot, watch},
    time::{Instant, sleep, sleep_until},
};

use crate::{
    Config, Disk, Library, Standing,
    queue::{Done, Failure, Queue, Work},
    writer::{Batch, Writer},
};

/// Segments, and bytes, that one piece of work holds: they are in memory as long as the disk takes.
const BATCH_SEGMENTS: usize = 8;
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// After a failure the disk is left alone for so long.
const RETRY: Duration = Duration::from_secs(2);
/// How long a recording may take to be finished once its live has ended: it holds the window until then.
const FINISH: Duration = Duration::from_secs(60);
/// So many segments behind the live the broadcaster is told.
const BEHIND_SEGMENTS: u64 = 4;

/// Records lives. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub struct Recorder(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    recordings: Library,
    queue: Queue,
    runtime: Handle,
    running: Mutex<HashMap<PlaybackName, watch::Receiver<Progress>>>,
    draining: AtomicBool,
}

/// How a recording goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// What it does.
    pub state: State,
    /// Segments written.
    pub written: u64,
    /// Segments that were lost to it.
    pub lost: u64,
}

/// What a recording does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// It keeps up with the live, or nothing came yet.
    #[default]
    Recording,
    /// The disk is slower than the live.
    Behind,
    /// It waits: there is too little room on the disk.
    NoRoom,
    /// It waits: the disk took nothing.
    Failing,
}

impl Recorder {
    /// A recorder that writes below the folder of `recordings`, to `disk`. Its tasks are of the runtime it is made
    /// in.
    ///
    /// # Errors
    /// When there are no threads for it.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(recordings: Library, config: Config, disk: Arc<dyn Disk>) -> io::Result<Self> {
        let queue = Queue::start(config, disk)?;
        let runtime = Handle::current();
        let (running, draining) = (Mutex::default(), AtomicBool::new(false));
        Ok(Self(Arc::new(Inner { recordings, queue, runtime, running, draining })))
    }

    /// Records a live from its first segment that is still there to its end. One that is recorded already goes
    /// on; a recording of an earlier run of the server is added to.
    pub fn record(&self, channel: &Arc<Channel>) {
        self.resume(channel, 0);
    }

    /// The same from an MSN on: what is before was recorded by an earlier run of the server.
    pub fn resume(&self, channel: &Arc<Channel>, next_msn: u64) {
        let name = channel.name();
        let (progress, watched) = watch::channel(Progress::default());
        {
            let mut running = self.running();
            if running.contains_key(name) {
                return;
            }
            running.insert(name.clone(), watched);
        }
        let is_there = self.0.recordings.standing(name.as_str()) != Standing::Unknown;
        self.0.recordings.begin(name);
        let mut follower = Follower {
            recorder: self.clone(),
            folder: self.0.recordings.folder(name),
            channel: Arc::clone(channel),
            progress,
            cursor: Cursor { next_msn, ..Cursor::default() },
            writer: None,
            is_there,
            deadline: None,
        };
        self.0.runtime.spawn(async move { follower.follow().await });
    }

    /// How the recording of a live goes; `None` if it is not recorded now.
    pub fn progress(&self, name: &PlaybackName) -> Option<Progress> {
        self.running().get(name).map(|progress| *progress.borrow())
    }

    /// Waits until the recording of a live that has ended can be read.
    pub async fn finished(&self, name: &PlaybackName) {
        let running = self.running().get(name).cloned();
        if let Some(mut progress) = running {
            while progress.changed().await.is_ok() {}
        }
    }

    /// The server goes down: recordings of lives that end from now on are left open, for these go on after the
    /// next start. Completes when what is complete of them is written.
    pub fn drain(&self) -> impl Future<Output = ()> + Send + use<> {
        self.0.draining.store(true, Ordering::Relaxed);
        let recorder = self.clone();
        async move {
            loop {
                let next = recorder.running().keys().next().cloned();
                let Some(name) = next else { return };
                recorder.finished(&name).await;
            }
        }
    }

    /// How many lives are recorded now, and how many of them wait for the disk.
    pub fn counts(&self) -> (usize, usize) {
        let running = self.running();
        let waits =
            |progress: &&watch::Receiver<Progress>| progress.borrow().state != State::Recording;
        (running.len(), running.values().filter(waits).count())
    }

    fn running(&self) -> MutexGuard<'_, HashMap<PlaybackName, watch::Receiver<Progress>>> {
        self.0.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Follows one live.
struct Follower {
    recorder: Recorder,
    channel: Arc<Channel>,
    folder: PathBuf,
    progress: watch::Sender<Progress>,
    cursor: Cursor,
    writer: Option<Writer>,
    /// Whether anything was ever written, by this run of the server or an earlier one.
    is_there: bool,
    /// By when all must be done, once the live has ended.
    deadline: Option<Instant>,
}

/// Where a recording is in the window of its live.
#[derive(Debug, Default)]
struct Cursor {
    next_msn: u64,
    /// What left the window and is not told of yet, the first and the last.
    lost: Option<(u64, u64)>,
    /// What comes next must open on an IDR.
    must_open: bool,
}

/// Also when its task is stopped by a defect of ours. Those who wait see the end last.
impl Drop for Follower {
    fn drop(&mut self) {
        let name = self.channel.name();
        self.recorder.0.recordings.finish(name, self.is_there);
        self.recorder.running().remove(name);
    }
}

impl Follower {
    async fn follow(&mut self) {
        let mut complete = self.channel.follow();
        loop {
            let newest = *complete.borrow_and_update();
            if newest.ended {
                self.deadline.get_or_insert_with(|| Instant::now() + FINISH);
            }
            let lost_before = self.cursor.lost_count();
            let segments = self.cursor.take(&self.channel, newest);
            self.told_of_losses(lost_before);
            if segments.is_empty() {
                match newest.ended {
                    true => return self.finish().await,
                    false if complete.changed().await.is_err() => return,
                    false => continue,
                }
            }
            let behind =
                newest.last_msn.map_or(0, |last| last.saturating_sub(self.cursor.next_msn));
            let is_last = behind < segments.len() as u64;
            match self.write(segments, None).await {
                Some(Ok(())) if is_last || behind < BEHIND_SEGMENTS => {
                    self.tell(State::Recording);
                }
                Some(Ok(())) => self.tell(State::Behind),
                Some(Err(failure)) => {
                    self.failed(&failure);
                    if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                        return;
                    }
                    sleep(RETRY).await;
                }
                None => return,
            }
        }
    }

    /// Writes down that the live is over, where anything of it was written.
    async fn finish(&mut self) {
        if !self.is_there || self.recorder.0.draining.load(Ordering::Relaxed) {
            return;
        }
        if let Some(Err(failure)) = self.write(Vec::new(), Some(now_ms())).await {
            // It can be read all the same.
            self.failed(&failure);
        }
        let Progress { written, lost, .. } = *self.progress.borrow();
        let name = self.channel.name();
        tracing::info!(%name, segments = written, lost, "recording finished");
    }

    /// Has segments written; `None` if that takes longer than anybody waits for.
    async fn write(
        &mut self,
        segments: Vec<Arc<Segment>>,
        ended_ms: Option<i64>,
    ) -> Option<Result<(), Failure>> {
        let bytes: usize = segments.iter().map(|it| it.size_bytes(Rendition::Source)).sum();
        let after_msn = self.cursor.next_msn + segments.len() as u64;
        let (done, came) = oneshot::channel();
        let batch = Batch {
            epoch: self.channel.epoch().to_string(),
            lost: self.cursor.lost,
            segments,
            labels: self.channel.labels(),
            ended_ms,
        };
        self.recorder.0.queue.push(Work {
            folder: self.folder.clone(),
            public: self.channel.access() == Access::Everyone,
            writer: self.writer.take(),
            batch,
            done,
        });
        let Done { writer, written, outcome } = self.wait(came, after_msn).await?;
        self.writer = writer;
        self.is_there |= self.writer.is_some();
        self.recorder.0.recordings.wrote(self.channel.name());
        if written > 0 {
            self.cursor.written(written as u64);
            ::metrics::counter!("recorder_segments_total").increment(written as u64);
            self.progress.send_modify(|progress| progress.written += written as u64);
        }
        if outcome.is_ok() {
            ::metrics::counter!("recorder_bytes_total").increment(bytes as u64);
        }
        Some(outcome)
    }

    /// Waits for the disk: as long as the live is on, and [`FINISH`] after it. Meanwhile it is told when the live
    /// is ahead of what the disk was given, all before `after_msn`.
    async fn wait(&self, mut came: oneshot::Receiver<Done>, after_msn: u64) -> Option<Done> {
        let mut complete = self.channel.follow();
        let too_late = async {
            let deadline = loop {
                let newest = *complete.borrow_and_update();
                if let Some(deadline) = self.deadline {
                    break deadline;
                }
                let is_behind =
                    newest.last_msn.is_some_and(|last| last >= after_msn + BEHIND_SEGMENTS);
                // One that fails goes on to say so.
                if is_behind && self.progress.borrow().state == State::Recording {
                    self.tell(State::Behind);
                }
                if newest.ended || complete.changed().await.is_err() {
                    break Instant::now() + FINISH;
                }
            };
            sleep_until(deadline).await;
        };
        tokio::select! {
            biased;
            done = &mut came => return done.ok(),
            () = too_late => {}
        }
        let name = self.channel.name();
        tracing::error!(%name, "the disk takes nothing: what it was given of a live that is over is left to it");
        drop(came);
        self.recorder.0.queue.forget_abandoned();
        None
    }

    fn told_of_losses(&self, before: u64) {
        let new = self.cursor.lost_count().saturating_sub(before);
        if new == 0 {
            return;
        }
        let name = self.channel.name();
        // Once for each time that it happens: the same loss grows without a word.
        if before == 0 {
            tracing::warn!(
                %name, segments = new,
                "the disk is slower than a live: its recording has a gap"
            );
        }
        ::metrics::counter!("recorder_lost_segments_total").increment(new);
        self.progress.send_modify(|progress| progress.lost += new);
    }

    fn failed(&self, failure: &Failure) {
        ::metrics::counter!("recorder_failures_total").increment(1);
        let (name, state) = (self.channel.name(), self.progress.borrow().state);
        let now = match failure {
            Failure::NoRoom { .. } => State::NoRoom,
            Failure::Disk(_) => State::Failing,
        };
        // Once, and not every other second.
        if state != now {
            tracing::error!(%name, %failure, "a live is not recorded; it goes on, and so will its recording");
        }
        self.tell(now);
    }

    fn tell(&self, state: State) {
        self.progress
            .send_if_modified(|progress| std::mem::replace(&mut progress.state, state) != state);
    }
}

impl Cursor {
    /// The next segments that are there, few enough to be held while they are written. They stay where they are
    /// until [`Cursor::written`] says so.
    fn take(&mut self, channel: &Channel, newest: Complete) -> Vec<Arc<Segment>> {
        let mut segments: Vec<Arc<Segment>> = Vec::new();
        let mut bytes = 0;
        let Some(last) = newest.last_msn else { return segments };
        for msn in self.next_msn..=last {
            if segments.len() >= BATCH_SEGMENTS || bytes >= BATCH_BYTES {
                break;
            }
            match channel.segment(msn) {
                Some(segment) if segment.independent() || !self.must_open => {
                    bytes += segment.size_bytes(Rendition::Source);
                    self.must_open = false;
                    segments.push(segment);
                }
                // It left the window, or nothing decodes it.
                _ if segments.is_empty() => {
                    let (first, _) = self.lost.unwrap_or((msn, msn));
                    self.lost = Some((first, msn));
                    self.must_open = true;
                    self.next_msn = msn + 1;
                }
                _ => break,
            }
        }
        segments
    }

    fn written(&mut self, count: u64) {
        self.next_msn += count;
        self.lost = None;
    }

    fn lost_count(&self) -> u64 {
        self.lost.map_or(0, |(first, last)| last - first + 1)
    }
}

fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}
