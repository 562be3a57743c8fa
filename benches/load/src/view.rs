//! Viewers that behave like players and cost almost nothing.
//!
//! Each keeps one HTTP/1.1 connection, reloads the media playlist every target duration and fetches every new
//! segment. Playlists are read; the bodies of segments are dropped in the kernel (`MSG_TRUNC`), so the
//! viewers never copy what they are sent. Times are taken from the moment a request is written to the moment
//! the last byte of its answer is seen by this thread, so they include the wait for a free core.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
    net::{RecvFlags, recv},
};

use crate::{
    http::Head,
    playlist::{Playlist, resolve},
};

/// A head, and the playlists of this bench, fit in one read of this size.
const READ_LEN: usize = 4_096;
/// How much a single `recv` may drop.
const DROP_LEN: usize = 8 << 20;
/// Segments a player starts behind the newest (rfc8216bis §6.3.3: three target durations).
const START_BEHIND: usize = 3;
/// How long a viewer that met an error waits before it connects again.
const RETRY: Duration = Duration::from_secs(1);

/// What viewers measured since the last [`Viewers::take`].
#[derive(Default)]
pub struct Sample {
    /// Request to last byte of each media playlist, in microseconds.
    pub playlist_us: Vec<u32>,
    /// Request to last byte of each segment, in microseconds.
    pub segment_us: Vec<u32>,
    /// Answers other than 200, connections lost, segments missed.
    pub errors: Vec<String>,
}

/// The value below which the fraction `p` of `times` lies; 0 when there are none.
pub fn percentile(times: &mut [u32], p: f64) -> u32 {
    times.sort_unstable();
    let at = ((times.len() as f64 * p).ceil() as usize).clamp(1, times.len().max(1)) - 1;
    times.get(at).copied().unwrap_or(0)
}

#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    bytes: AtomicU64,
    playing: AtomicUsize,
    sample: Mutex<Sample>,
}

/// Running viewers; they stop when dropped.
pub struct Viewers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Viewers {
    /// Lets `count` viewers of `path` connect, evenly over `ramp`.
    ///
    /// # Errors
    /// When the thread or its `epoll` cannot be made.
    pub fn start(address: SocketAddr, path: &str, count: usize, ramp: Duration) -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let now = Instant::now();
        let mut crowd = Crowd {
            ready: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            timers: (0..count)
                .map(|n| Reverse((now + ramp.mul_f64(n as f64 / count as f64), n)))
                .collect(),
            viewers: (0..count).map(|_| Viewer::new(path)).collect(),
            dropped: vec![0; DROP_LEN],
            address,
            shared: shared.clone(),
        };
        let thread =
            std::thread::Builder::new().name("viewers".into()).spawn(move || crowd.run())?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Bytes received so far, heads included.
    pub fn bytes(&self) -> u64 {
        self.shared.bytes.load(Relaxed)
    }

    /// How many have finished at least one segment.
    pub fn playing(&self) -> usize {
        self.shared.playing.load(Relaxed)
    }

    /// What was measured since the last call.
    pub fn take(&self) -> Sample {
        std::mem::take(&mut self.shared.sample.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        self.shared.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Asked {
    Nothing,
    Playlist,
    Init,
    Segment,
}

struct Viewer {
    socket: Option<TcpStream>,
    /// The playlist reloaded: the given one until it turns out to be a multivariant playlist.
    playlist: String,
    asked: Asked,
    asked_at: Instant,
    /// Head and, for playlists, body so far.
    answer: Vec<u8>,
    /// Bytes of the body still to be dropped, once the head of a segment is known.
    to_drop: Option<usize>,
    queue: VecDeque<(Asked, String)>,
    next_msn: Option<u64>,
    next_reload: Instant,
    has_played: bool,
}

impl Viewer {
    fn new(path: &str) -> Self {
        Self {
            socket: None,
            playlist: path.to_owned(),
            asked: Asked::Nothing,
            asked_at: Instant::now(),
            answer: Vec::new(),
            to_drop: None,
            queue: VecDeque::new(),
            next_msn: None,
            next_reload: Instant::now(),
            has_played: false,
        }
    }

    fn ask(&mut self, what: Asked, path: &str) -> Result<()> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: communiconnect-load\r\nAccept: */*\r\n\r\n"
        );
        (self.asked, self.asked_at, self.to_drop) = (what, Instant::now(), None);
        self.answer.clear();
        self.socket.as_ref().context("not connected")?.write_all_to(request.as_bytes())
    }

    /// Asks for what comes next: a queued address, else the playlist when `now` is its time. Gives the time
    /// to wait for otherwise.
    fn proceed(&mut self, now: Instant) -> Result<Option<Instant>> {
        if let Some((what, path)) = self.queue.pop_front() {
            self.ask(what, &path)?;
            return Ok(None);
        }
        if now < self.next_reload {
            self.asked = Asked::Nothing;
            return Ok(Some(self.next_reload));
        }
        let path = self.playlist.clone();
        self.ask(Asked::Playlist, &path)?;
        Ok(None)
    }

    /// Reads what has come. Gives true when the answer is complete.
    fn receive(&mut self, dropped: &mut [u8], shared: &Shared) -> Result<bool> {
        let socket = self.socket.as_ref().context("not connected")?;
        if let Some(left) = self.to_drop {
            let count = match recv(socket, &mut dropped[..left.min(DROP_LEN)], RecvFlags::TRUNC) {
                Ok((_, 0)) => anyhow::bail!("closed inside a body"),
                Ok((_, count)) => count,
                Err(rustix::io::Errno::AGAIN) => return Ok(false),
                Err(error) => return Err(error.into()),
            };
            shared.bytes.fetch_add(count as u64, Relaxed);
            self.to_drop = Some(left - count);
            return Ok(left == count);
        }
        let mut buffer = [0; READ_LEN];
        let count = match (&*socket).read(&mut buffer) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        shared.bytes.fetch_add(count as u64, Relaxed);
        anyhow::ensure!(self.asked != Asked::Nothing, "an answer nobody asked for");
        self.answer.extend_from_slice(&buffer[..count]);
        let Some(head) = Head::parse(&self.answer) else { return Ok(false) };
        anyhow::ensure!(head.status == 200, "status {}", head.status);
        let left = (head.len + head.body_len.context("no Content-Length")?)
            .checked_sub(self.answer.len())
            .context("body longer than Content-Length")?;
        if self.asked == Asked::Playlist {
            if left == 0 {
                self.answer.drain(..head.len);
            }
        } else {
            self.to_drop = Some(left);
        }
        Ok(left == 0)
    }

    /// Takes a complete answer in.
    fn finish(&mut self, now: Instant, shared: &Shared) -> Result<()> {
        let took_us = now.duration_since(self.asked_at).as_micros() as u32;
        let sample = || shared.sample.lock().unwrap_or_else(PoisonError::into_inner);
        match self.asked {
            Asked::Segment => {
                sample().segment_us.push(took_us);
                if !std::mem::replace(&mut self.has_played, true) {
                    shared.playing.fetch_add(1, Relaxed);
                }
                return Ok(());
            }
            Asked::Init | Asked::Nothing => return Ok(()),
            Asked::Playlist => {}
        }
        let playlist = Playlist::parse(std::str::from_utf8(&self.answer)?);
        if let Some(rendition) = playlist.rendition {
            self.playlist = resolve(&self.playlist, &rendition);
            return Ok(());
        }
        sample().playlist_us.push(took_us);
        let target = Duration::from_secs(playlist.target_duration_s.max(1));
        let end_msn = playlist.first_msn + playlist.segments.len() as u64;
        let next = match self.next_msn {
            Some(next) => next,
            None => {
                if let Some(init) = &playlist.init {
                    self.queue.push_back((Asked::Init, resolve(&self.playlist, init)));
                }
                end_msn - playlist.segments.len().min(START_BEHIND) as u64
            }
        };
        if next < playlist.first_msn {
            sample().errors.push("segments left the window unseen".into());
        }
        let behind = next.saturating_sub(playlist.first_msn) as usize;
        for (address, _) in playlist.segments.iter().skip(behind) {
            self.queue.push_back((Asked::Segment, resolve(&self.playlist, address)));
        }
        // Unchanged: again after half a target duration (rfc8216bis §6.3.4).
        let wait = if end_msn > next { target } else { target / 2 };
        self.next_reload = self.asked_at + wait;
        self.next_msn = Some(end_msn.max(next));
        Ok(())
    }
}

struct Crowd {
    ready: rustix::fd::OwnedFd,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
    viewers: Vec<Viewer>,
    dropped: Vec<u8>,
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Crowd {
    fn run(&mut self) {
        let mut events = Vec::with_capacity(256);
        while !self.shared.stop.load(Relaxed) {
            let now = Instant::now();
            while let Some(&Reverse((at, n))) =
                self.timers.peek().filter(|Reverse((at, _))| *at <= now)
            {
                self.timers.pop();
                let outcome = self.start(n).and_then(|()| self.viewers[n].proceed(now.max(at)));
                self.settle(n, outcome);
            }
            let wait = self.timers.peek().map_or(Duration::from_millis(50), |Reverse((at, _))| {
                at.saturating_duration_since(now).min(Duration::from_millis(50))
            });
            let timeout = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as _ };
            events.clear();
            let _ = epoll::wait(&self.ready, spare_capacity(&mut events), Some(&timeout));
            for event in &events {
                let n = event.data.u64() as usize;
                let outcome = self.respond(n);
                self.settle(n, outcome);
            }
        }
    }

    fn start(&mut self, n: usize) -> Result<()> {
        let viewer = &mut self.viewers[n];
        if viewer.socket.is_none() {
            let socket = TcpStream::connect(self.address)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            epoll::add(
                &self.ready,
                &socket,
                epoll::EventData::new_u64(n as u64),
                epoll::EventFlags::IN,
            )?;
            viewer.socket = Some(socket);
        }
        Ok(())
    }

    fn respond(&mut self, n: usize) -> Result<Option<Instant>> {
        let viewer = &mut self.viewers[n];
        if !viewer.receive(&mut self.dropped, &self.shared)? {
            return Ok(None);
        }
        let now = Instant::now();
        viewer.finish(now, &self.shared)?;
        viewer.proceed(now)
    }

    /// Sets the timer a viewer asked for; on an error, notes it and lets the viewer come again.
    fn settle(&mut self, n: usize, outcome: Result<Option<Instant>>) {
        match outcome {
            Ok(None) => {}
            Ok(Some(at)) => self.timers.push(Reverse((at, n))),
            Err(error) => {
                let viewer = &mut self.viewers[n];
                let note = format!("{error:#} ({})", viewer.playlist);
                self.shared.sample.lock().unwrap_or_else(PoisonError::into_inner).errors.push(note);
                viewer.socket = None;
                viewer.queue.clear();
                viewer.next_reload = Instant::now() + RETRY;
                self.timers.push(Reverse((viewer.next_reload, n)));
            }
        }
    }
}

trait WriteAllTo {
    fn write_all_to(&self, bytes: &[u8]) -> Result<()>;
}

impl WriteAllTo for TcpStream {
    /// A request always fits in the send buffer of an idle connection.
    fn write_all_to(&self, bytes: &[u8]) -> Result<()> {
        let mut socket = self;
        Ok(socket.write_all(bytes)?)
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
