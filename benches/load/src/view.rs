//! Thousands of viewers that behave like players and cost almost nothing, on one thread.
//!
//! Here: who is woken when, and what all of them measure. Not here: how a player behaves (`classic`,
//! `low_latency`). Times run from the moment a request is written to the moment the last byte of its
//! answer is seen by this thread, so they include the wait for a free core.

use std::{
    cmp::Reverse,
    collections::BinaryHeap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::Result;
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use crate::connection::{Connection, DROP_LEN};

/// How long a viewer that met an error waits before it begins anew.
const RETRY: Duration = Duration::from_secs(1);
/// The longest sleep: how soon the thread sees that it should stop.
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// What viewers measured since the last [`Viewers::take`].
#[derive(Default)]
pub struct Sample {
    /// Request to last byte of each media playlist, in microseconds.
    pub playlist_us: Vec<u32>,
    /// Request to last byte of each segment or part, in microseconds.
    pub media_us: Vec<u32>,
    /// Answers other than 200, connections lost, media missed.
    pub errors: Vec<String>,
}

/// The value below which the fraction `p` of `times` lies; 0 when there are none.
pub fn percentile(times: &mut [u32], p: f64) -> u32 {
    times.sort_unstable();
    let at = ((times.len() as f64 * p).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(at).copied().unwrap_or(0)
}

/// What all viewers share.
#[derive(Default)]
pub struct Tally {
    stop: AtomicBool,
    bytes: AtomicU64,
    playing: AtomicUsize,
    sample: Mutex<Sample>,
}

impl Tally {
    /// What is being measured.
    pub fn sample(&self) -> MutexGuard<'_, Sample> {
        self.sample.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One viewer more has got its first media.
    pub fn plays(&self) {
        self.playing.fetch_add(1, Relaxed);
    }
}

/// How one viewer behaves.
pub trait Viewer: Send + 'static {
    /// One that has asked for nothing yet.
    fn new(path: &str) -> Self;

    /// Its connections.
    fn connections(&mut self) -> &mut [Connection];

    /// Takes a complete answer in, which came on a connection and was asked for so long ago.
    ///
    /// # Errors
    /// When it is none that a player could go on with.
    fn finish(
        &mut self,
        connection: usize,
        took: Duration,
        body: &[u8],
        tally: &Tally,
    ) -> Result<()>;

    /// Asks for what comes next. Gives a time to be called again at, when nothing else would.
    ///
    /// # Errors
    /// When a connection is lost.
    fn proceed(&mut self, now: Instant) -> Result<Option<Instant>>;
}

/// Running viewers; they stop when dropped.
pub struct Viewers {
    tally: Arc<Tally>,
    thread: Option<JoinHandle<()>>,
}

impl Viewers {
    /// Lets `count` viewers of `path` connect, evenly over `ramp`.
    ///
    /// # Errors
    /// When the thread or its `epoll` cannot be made.
    pub fn start<V: Viewer>(
        address: SocketAddr,
        path: &str,
        count: usize,
        ramp: Duration,
    ) -> Result<Self> {
        let tally = Arc::new(Tally::default());
        let now = Instant::now();
        let mut crowd = Crowd {
            ready: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timers: (0..count)
                .map(|n| Reverse((now + ramp.mul_f64(n as f64 / count as f64), n)))
                .collect(),
            viewers: (0..count).map(|_| V::new(path)).collect(),
            dropped: vec![0; DROP_LEN],
            path: path.to_owned(),
            address,
            tally: tally.clone(),
        };
        let thread =
            std::thread::Builder::new().name("viewers".into()).spawn(move || crowd.run())?;
        Ok(Self { tally, thread: Some(thread) })
    }

    /// Bytes received so far, heads included.
    pub fn bytes(&self) -> u64 {
        self.tally.bytes.load(Relaxed)
    }

    /// How many have got media.
    pub fn playing(&self) -> usize {
        self.tally.playing.load(Relaxed)
    }

    /// What was measured since the last call.
    pub fn take(&self) -> Sample {
        std::mem::take(&mut self.tally.sample())
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        self.tally.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Crowd<V> {
    ready: rustix::fd::OwnedFd,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    viewers: Vec<V>,
    dropped: Vec<u8>,
    path: String,
    address: SocketAddr,
    tally: Arc<Tally>,
}

/// Room for the connections of a viewer in the numbers `epoll` gives back.
const CONNECTIONS: u64 = 2;

impl<V: Viewer> Crowd<V> {
    fn run(&mut self) {
        let mut events = Vec::with_capacity(256);
        while !self.tally.stop.load(Relaxed) {
            let now = Instant::now();
            while let Some(&Reverse((at, n))) =
                self.timers.peek().filter(|Reverse((at, _))| *at <= now)
            {
                self.timers.pop();
                let outcome = self.start(n).and_then(|()| self.viewers[n].proceed(now.max(at)));
                self.settle(n, outcome);
            }
            let wait = self.timers.peek().map_or(LONGEST_SLEEP, |Reverse((at, _))| {
                at.saturating_duration_since(now).min(LONGEST_SLEEP)
            });
            let timeout = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as _ };
            events.clear();
            let _ = epoll::wait(&self.ready, spare_capacity(&mut events), Some(&timeout));
            for event in &events {
                let token = event.data.u64();
                let n = (token / CONNECTIONS) as usize;
                let outcome = self.respond(n, (token % CONNECTIONS) as usize);
                self.settle(n, outcome);
            }
        }
    }

    fn start(&mut self, n: usize) -> Result<()> {
        for (c, connection) in self.viewers[n].connections().iter_mut().enumerate() {
            connection.open(self.address, &self.ready, n as u64 * CONNECTIONS + c as u64)?;
        }
        Ok(())
    }

    fn respond(&mut self, n: usize, c: usize) -> Result<Option<Instant>> {
        let viewer = &mut self.viewers[n];
        // Taken out, so that the viewer may look at the body and ask on.
        let Some(mut connection) = viewer.connections().get_mut(c).map(std::mem::take) else {
            return Ok(None);
        };
        let finished = match connection.receive(&mut self.dropped, &self.tally.bytes) {
            Ok(Some((asked_at, body))) => {
                let took = asked_at.elapsed();
                viewer.finish(c, took, body, &self.tally).map(|()| true)
            }
            Ok(None) => Ok(false),
            Err(error) => Err(error),
        };
        viewer.connections()[c] = connection;
        if finished? { viewer.proceed(Instant::now()) } else { Ok(None) }
    }

    /// Sets the timer a viewer asked for; on an error, notes it and lets the viewer begin anew.
    fn settle(&mut self, n: usize, outcome: Result<Option<Instant>>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(at)) => self.timers.push(Reverse((at, n))),
            Err(error) => {
                self.tally.sample().errors.push(format!("{error:#}"));
                self.viewers[n] = V::new(&self.path);
                self.timers.push(Reverse((Instant::now() + RETRY, n)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_a_value_that_was_measured() {
        let mut times: Vec<u32> = (1..=200).rev().collect();
        assert_eq!((percentile(&mut times, 0.5), percentile(&mut times, 0.99)), (100, 198));
        assert_eq!(percentile(&mut [], 0.99), 0);
        assert_eq!(percentile(&mut [3], 0.01), 3);
    }
}
