//! Paced publishers: each writes the same loop, with its own timestamps, in real time.
//!
//! One thread serves them all. A publisher costs one `writev` per message that is due: the header is
//! patched on the stack, the body comes from the shared input.

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};

use crate::{
    flv,
    input::{GOP_MS, Input, LOOP_MS},
    rtmp::{self, Connection},
};

/// How often publishers are looked at: far below the distance of two messages of an encoder.
const TICK: Duration = Duration::from_millis(2);
/// Messages written at once by a publisher that has fallen behind.
const BATCH: usize = 16;

/// What the publishers have done so far.
#[derive(Default)]
pub struct Counters {
    /// Bytes handed to the kernel, chunk headers included.
    pub bytes: AtomicU64,
    /// Messages handed over completely.
    pub messages: AtomicU64,
    /// Connections the server closed.
    pub lost: AtomicU64,
    /// The longest a message waited after it was due, in milliseconds.
    pub late_ms: AtomicU64,
}

/// When each picture of the first publisher was handed to the kernel, in the order of sending.
#[derive(Default)]
pub struct PicturesSent(Mutex<Vec<Instant>>);

impl PicturesSent {
    /// The moments of `count` pictures from the `from`th on, as far as they have been sent.
    pub fn range(&self, from: usize, count: usize) -> Vec<Instant> {
        let sent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sent.iter().skip(from).take(count).copied().collect()
    }

    fn note(&self, at: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(at);
    }
}

/// Running publishers; they stop when dropped.
pub struct Publishers {
    counters: Arc<Counters>,
    pictures: Arc<PicturesSent>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Publishers {
    /// Connects a publisher for each name, one after the other, then lets all of them run, their IDRs spread
    /// evenly over a GOP.
    ///
    /// # Errors
    /// When a connection is refused.
    pub fn start(
        input: &Arc<Input>,
        address: SocketAddr,
        app: &str,
        names: &[String],
    ) -> Result<Self> {
        let counters = Arc::new(Counters::default());
        let stop = Arc::new(AtomicBool::new(false));
        let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let mut publishers = Vec::new();
        for (n, name) in names.iter().enumerate() {
            let connection = Connection::publish(address, app, name)
                .with_context(|| format!("publisher {n} of {}", names.len()))?;
            connection.socket.set_nonblocking(true)?;
            let data = epoll::EventData::new_u64(n as u64);
            epoll::add(&ready, &connection.socket, data, epoll::EventFlags::IN)?;
            publishers.push(Some(Publisher::new(connection, input)));
        }
        let pictures = Arc::new(PicturesSent::default());
        if let Some(Some(first)) = publishers.first_mut() {
            first.pictures = Some(pictures.clone());
        }
        let first = Instant::now();
        for (n, publisher) in publishers.iter_mut().flatten().enumerate() {
            let stagger_ms = u64::from(GOP_MS) * n as u64 / names.len() as u64;
            publisher.start = first + Duration::from_millis(stagger_ms);
        }
        let thread = std::thread::Builder::new().name("publishers".into()).spawn({
            let (counters, stop, input) = (counters.clone(), stop.clone(), input.clone());
            move || {
                let mut events = Vec::with_capacity(256);
                while !stop.load(Relaxed) {
                    events.clear();
                    let wait = sleep_of(&publishers, &input);
                    let timeout = Timespec { tv_sec: 0, tv_nsec: wait.as_nanos() as _ };
                    let _ = epoll::wait(&ready, spare_capacity(&mut events), Some(&timeout));
                    for event in &events {
                        let slot = &mut publishers[event.data.u64() as usize];
                        if slot.as_mut().is_some_and(|publisher| publisher.listen().is_err()) {
                            counters.lost.fetch_add(1, Relaxed);
                            *slot = None;
                        }
                    }
                    let now = Instant::now();
                    for slot in &mut publishers {
                        let Some(publisher) = slot else { continue };
                        if publisher.send_due(&input, now, &counters).is_err() {
                            counters.lost.fetch_add(1, Relaxed);
                            *slot = None;
                        }
                    }
                }
            }
        })?;
        Ok(Self { counters, pictures, stop, thread: Some(thread) })
    }

    /// What they have done so far.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// When the first of them sent its pictures.
    pub fn pictures(&self) -> Arc<PicturesSent> {
        self.pictures.clone()
    }
}

/// Until a lone publisher's next message is due: what it sends is then on time to the microsecond.
/// Many together wake up by the tick.
fn sleep_of(publishers: &[Option<Publisher>], input: &Input) -> Duration {
    match publishers {
        [Some(lone)] => {
            let due = lone.start + Duration::from_millis(at(input, lone.sent).1);
            due.saturating_duration_since(Instant::now()).min(TICK)
        }
        _ => TICK,
    }
}

impl Drop for Publishers {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Publisher {
    connection: Connection,
    start: Instant,
    /// Messages of all loops sent so far.
    sent: usize,
    /// Bytes of the next message sent so far.
    partial: usize,
    /// Bytes still to be sent before the first message.
    preamble: Vec<u8>,
    /// Where to note the pictures sent.
    pictures: Option<Arc<PicturesSent>>,
}

impl Publisher {
    fn new(connection: Connection, input: &Input) -> Self {
        let preamble = input.preamble.clone();
        Self { connection, start: Instant::now(), sent: 0, partial: 0, preamble, pictures: None }
    }

    /// Reads acknowledgements away and answers pings.
    fn listen(&mut self) -> Result<()> {
        let mut buffer = [0; 4_096];
        let count = match self.connection.socket.read(&mut buffer) {
            Ok(0) => anyhow::bail!("closed"),
            Ok(count) => count,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.connection.reader.extend(&buffer[..count]);
        while let Some(message) = self.connection.reader.next()? {
            // Only between messages: a pong inside one would break it.
            if let Some(answer) = message.answer().filter(|_| self.partial == 0) {
                self.connection.socket.write_all(&answer)?;
            }
        }
        Ok(())
    }

    fn send_due(&mut self, input: &Input, now: Instant, counters: &Counters) -> Result<()> {
        let Some(elapsed) = now.checked_duration_since(self.start) else { return Ok(()) };
        if !self.preamble.is_empty() {
            self.connection.socket.write_all(&self.preamble)?;
            self.preamble.clear();
        }
        let elapsed_ms = elapsed.as_millis() as u64;
        loop {
            let mut headers = [[0; rtmp::HEADER_LEN]; BATCH];
            let mut due = 0;
            while due < BATCH {
                let (message, at_ms) = at(input, self.sent + due);
                if at_ms > elapsed_ms {
                    break;
                }
                headers[due].copy_from_slice(&input.bytes[message.offset..][..rtmp::HEADER_LEN]);
                headers[due][1..4].copy_from_slice(&(at_ms as u32).to_be_bytes()[1..]);
                headers[due][8..].copy_from_slice(&self.connection.stream_id.to_le_bytes());
                due += 1;
            }
            if due == 0 {
                return Ok(());
            }
            let mut slices = [IoSlice::new(&[]); 2 * BATCH];
            for (n, header) in headers.iter().enumerate().take(due) {
                let (message, _) = at(input, self.sent + n);
                let skip = if n == 0 { self.partial } else { 0 };
                let body = &input.bytes[message.offset..][rtmp::HEADER_LEN..message.len];
                slices[2 * n] = IoSlice::new(&header[skip.min(rtmp::HEADER_LEN)..]);
                slices[2 * n + 1] = IoSlice::new(&body[skip.saturating_sub(rtmp::HEADER_LEN)..]);
            }
            match (&self.connection.socket).write_vectored(&slices[..2 * due]) {
                Ok(count) => self.advance(input, count, counters),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    let late_ms = elapsed_ms - at(input, self.sent).1;
                    counters.late_ms.fetch_max(late_ms, Relaxed);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
            let (_, next_ms) = at(input, self.sent);
            counters.late_ms.fetch_max(elapsed_ms.saturating_sub(next_ms), Relaxed);
        }
    }

    fn advance(&mut self, input: &Input, count: usize, counters: &Counters) {
        counters.bytes.fetch_add(count as u64, Relaxed);
        self.partial += count;
        loop {
            let message = at(input, self.sent).0;
            if self.partial < message.len {
                return;
            }
            if let Some(pictures) = &self.pictures
                && input.bytes[message.offset + rtmp::TYPE_AT] == flv::VIDEO
            {
                pictures.note(Instant::now());
            }
            self.partial -= message.len;
            self.sent += 1;
            counters.messages.fetch_add(1, Relaxed);
        }
    }
}

/// The `n`th message of all loops and when it is due, from the start. Timestamps stay below 2^24 ms for
/// four hours, so the header never needs its extension.
fn at(input: &Input, n: usize) -> (&crate::input::Message, u64) {
    let message = &input.messages[n % input.messages.len()];
    let loops = (n / input.messages.len()) as u64;
    (message, loops * u64::from(LOOP_MS) + u64::from(message.at_ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::Message;

    #[test]
    fn the_loop_goes_on_where_it_ended() {
        let message = |at_ms| Message { at_ms, offset: 0, len: 20 };
        let messages = vec![message(0), message(LOOP_MS - 40)];
        let input = Input { bytes: vec![0; 20], messages, preamble: Vec::new() };
        let times: Vec<u64> = (0..4).map(|n| at(&input, n).1).collect();
        assert_eq!(times, [0, 23_960, 24_000, 47_960]);
    }
}
