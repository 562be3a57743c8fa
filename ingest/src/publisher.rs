//! The one connection that sends media to a live.
//!
//! Here: when the socket is read, the limits that hold while media flows, what was counted. Not here:
//! the protocol (`rtmp`), tags to samples (`demux`).
//!
//! The socket leaves tokio's reactor. An encoder writes some eighty small messages a second, and waking
//! up for each costs more than handling it; so the socket is read on a timer, every `coalesce_ms`, and
//! all sockets of a listener on the same ticks. What is written in between waits in the kernel. Where
//! somebody waits for the next picture ([`Publisher::hurry`]), it goes back to the reactor and is read
//! as its bytes come.

use std::{
    io::{self, Read as _, Write as _},
    net::SocketAddr,
    sync::Arc,
    time::Duration,
};

use media::Event;
use tokio::{
    net::TcpStream,
    time::{Instant, sleep_until, timeout_at},
};
use tracing::info;

use crate::{
    Error, Refusal,
    admission::Slot,
    connection::{Connection, Shared, with_read_buffer},
    demux::Demuxer,
    rtmp::{self, Session, amf0::Value, session::bounded},
};

/// Over how long the bit rate is averaged: a picture group and a burst after a stall are forgiven.
const RATE_WINDOW: Duration = Duration::from_secs(10);
/// Longest name of an encoder kept, in characters.
const MAX_ENCODER_CHARS: usize = 64;

/// What one call of [`Publisher::read`] came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    /// Events were appended; more may come.
    More,
    /// The encoder is done.
    Ended {
        /// It said so (`FCUnpublish`, `deleteStream`); otherwise the connection just closed.
        clean: bool,
    },
}

/// What the encoder declares in `onMetaData`. Hints: it may be absent, and it may be wrong.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Hints {
    /// The encoder's name for itself, printable and short.
    pub encoder: Option<String>,
    /// Pictures per second.
    pub fps: Option<f64>,
    /// Video bits per second.
    pub video_bits_per_second: Option<f64>,
    /// Audio bits per second.
    pub audio_bits_per_second: Option<f64>,
}

/// What was counted on one publisher's connection.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stats {
    /// Bytes received, handshake and chunk headers included.
    pub bytes_received: u64,
    /// Audio and video tags received.
    pub tags: u64,
    /// Tags dropped: malformed, before their track's configuration, or after one that is malformed.
    pub dropped_tags: u64,
    /// Why the last one was dropped.
    pub last_drop: Option<String>,
    /// Times moved because they went back, drifted or were beyond belief.
    pub timestamp_repairs: u64,
    /// Jumps of the encoder's clock that were bridged.
    pub timestamp_jumps: u64,
    /// Timed metadata passed on.
    pub metadata: u64,
    /// Timed metadata dropped: too long, too much of it, not to be read.
    pub dropped_metadata: u64,
    /// Messages the encoder began and never finished.
    pub abandoned_messages: u64,
    /// What the encoder declares.
    pub hints: Hints,
}

/// The one connection that sends media to a live. Dropping it closes the connection.
pub struct Publisher {
    /// `None` once hung up.
    socket: Option<Socket>,
    peer: SocketAddr,
    session: Session,
    demuxer: Demuxer,
    early: Vec<u8>,
    unsent: Vec<u8>,
    unsent_since: Option<Instant>,
    /// When the socket is read next; at once when `None`.
    next_read: Option<Instant>,
    heard_at: Instant,
    rate: Rate,
    received: u64,
    abandoned_messages: u64,
    hints: Hints,
    told_other_tracks: bool,
    told_dropped_metadata: bool,
    told_repairs: bool,
    shared: Arc<Shared>,
    slot: Option<Slot>,
}

/// How a socket is waited for.
enum Socket {
    /// Non-blocking, not known to the reactor, read on a timer.
    OnTicks(std::net::TcpStream),
    /// Known to the reactor.
    AsBytesCome(TcpStream),
}

impl Socket {
    fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::OnTicks(socket) => { socket }.read(buffer),
            Self::AsBytesCome(socket) => socket.try_read(buffer),
        }
    }

    fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::OnTicks(socket) => { socket }.write(bytes),
            Self::AsBytesCome(socket) => socket.try_write(bytes),
        }
    }

    /// The same connection, waited for in the other way.
    fn turned(self) -> io::Result<Self> {
        match self {
            Self::OnTicks(socket) => TcpStream::from_std(socket).map(Self::AsBytesCome),
            Self::AsBytesCome(socket) => socket.into_std().map(Self::OnTicks),
        }
    }
}

/// What one read of the socket came to.
enum Heard {
    Nothing,
    Something,
    Unpublish,
    EndOfStream,
}

impl Publisher {
    pub(crate) fn new(connection: Connection) -> Result<Self, Error> {
        let Connection { stream, peer, session, early, shared, slot } = connection;
        let now = Instant::now();
        Ok(Self {
            socket: Some(Socket::OnTicks(stream.into_std()?)),
            peer,
            rate: Rate { since: now, received: session.received() },
            received: session.received(),
            abandoned_messages: session.abandoned_messages(),
            session,
            demuxer: Demuxer::default(),
            early,
            unsent: Vec::new(),
            unsent_since: None,
            next_read: None,
            heard_at: now,
            hints: Hints::default(),
            told_other_tracks: false,
            told_dropped_metadata: false,
            told_repairs: false,
            shared,
            slot: Some(slot),
        })
    }

    /// The encoder's address.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Waits for bytes, then appends every event they complete to `events`, which is not cleared.
    ///
    /// Cancel safe: a call dropped while it waits loses nothing.
    ///
    /// # Errors
    /// When the connection failed or a limit was passed; the encoder was then told why, and nothing
    /// more will come.
    pub async fn read(&mut self, events: &mut Vec<Event>) -> Result<Read, Error> {
        loop {
            // A peer that sends faster than we read must not keep the thread to itself.
            tokio::task::coop::consume_budget().await;
            if let Some(at) = self.next_read {
                self.wait(at).await?;
                self.next_read = None;
            }
            let known = events.len();
            match self.read_now(events) {
                Ok(Heard::Unpublish) => {
                    // Beside the caller: the encoder's last commands are read, so that our close
                    // does not reset its connection while it still writes.
                    if let Some(connection) = self.take_connection() {
                        tokio::spawn(connection.hang_up());
                    }
                    return Ok(Read::Ended { clean: true });
                }
                Ok(Heard::EndOfStream) => return Ok(Read::Ended { clean: false }),
                Ok(Heard::Something) if events.len() > known => return Ok(Read::More),
                Ok(Heard::Something | Heard::Nothing) => {}
                Err(error) => {
                    self.give_up(&error);
                    return Err(error);
                }
            }
        }
    }

    /// Whether somebody waits for what comes next: bytes are then read as they come, and not on the
    /// next tick. To be said again as that changes; saying the same twice costs nothing.
    ///
    /// # Errors
    /// When the socket cannot be registered with the reactor; the connection is then lost.
    pub fn hurry(&mut self, somebody_waits: bool) -> Result<(), Error> {
        let hurries = matches!(self.socket, Some(Socket::AsBytesCome(_)));
        if hurries != somebody_waits
            && let Some(socket) = self.socket.take()
        {
            self.socket = Some(socket.turned()?);
        }
        Ok(())
    }

    /// Until the socket is to be read again, at `tick` where it is read on ticks.
    async fn wait(&self, tick: Instant) -> Result<(), Error> {
        match &self.socket {
            Some(Socket::AsBytesCome(socket)) => {
                let limit = Duration::from_millis(self.shared.config.silence_timeout_ms);
                // What could not be sent is tried again then.
                let latest = if self.unsent.is_empty() { self.heard_at + limit } else { tick };
                match timeout_at(latest, socket.readable()).await {
                    Ok(ready) => ready.map_err(Error::from),
                    Err(_) => Ok(()),
                }
            }
            _ => {
                sleep_until(tick).await;
                Ok(())
            }
        }
    }

    /// What was counted so far.
    pub fn stats(&self) -> Stats {
        let counts = self.demuxer.counts();
        Stats {
            bytes_received: self.received,
            tags: counts.tags,
            dropped_tags: counts.dropped_tags,
            last_drop: counts.last_drop.clone(),
            timestamp_repairs: counts.timestamp_repairs,
            timestamp_jumps: counts.timestamp_jumps,
            metadata: counts.metadata,
            dropped_metadata: counts.dropped_metadata,
            abandoned_messages: self.abandoned_messages,
            hints: self.hints.clone(),
        }
    }

    /// Tells the encoder why it may not go on, and closes the connection. Takes 7 s at most.
    pub async fn close(mut self, reason: Refusal) {
        if let Some(connection) = self.take_connection() {
            connection.refuse(&reason).await;
        }
    }

    /// Asks an encoder that said it can (Enhanced RTMP) to connect again, to `tc_url` or to the same
    /// address, and gives it 2 s to leave by itself; closes on any other as [`Publisher::close`] does.
    pub async fn ask_to_reconnect(mut self, tc_url: Option<&str>, otherwise: Refusal) {
        if !self.session.capabilities().can_reconnect {
            return self.close(otherwise).await;
        }
        if let Some(connection) = self.take_connection() {
            connection.ask_to_reconnect(tc_url, otherwise.description()).await;
        }
    }

    fn read_now(&mut self, events: &mut Vec<Event>) -> Result<Heard, Error> {
        let heard = if self.early.is_empty() {
            self.read_socket(events)?
        } else {
            let early = std::mem::take(&mut self.early);
            self.digest(&early, events)?
        };
        let now = Instant::now();
        match heard {
            Heard::Something => self.heard_at = now,
            Heard::Nothing => self.check_silence(now)?,
            Heard::Unpublish | Heard::EndOfStream => {}
        }
        self.rate.check(now, self.received, self.shared.config.max_bits_per_second)?;
        self.flush(now)?;
        Ok(heard)
    }

    fn read_socket(&mut self, events: &mut Vec<Event>) -> Result<Heard, Error> {
        with_read_buffer(|buffer| {
            match self.socket()?.read(buffer) {
                Ok(0) => Ok(Heard::EndOfStream),
                Ok(len) => {
                    if len < buffer.len() {
                        // The socket is empty now.
                        self.next_read = Some(self.next_tick());
                    }
                    self.digest(buffer.get(..len).unwrap_or_default(), events)
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.next_read = Some(self.next_tick());
                    Ok(Heard::Nothing)
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Heard::Nothing),
                Err(error) => Err(error.into()),
            }
        })
    }

    fn socket(&self) -> Result<&Socket, Error> {
        self.socket.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotConnected).into())
    }

    /// The next instant of the grid that all sockets of the listener share.
    fn next_tick(&self) -> Instant {
        let period_us = self.shared.config.coalesce_ms.saturating_mul(1_000).max(1);
        let elapsed = self.shared.epoch.elapsed().as_micros() as u64;
        let ticks = elapsed / period_us + 1;
        self.shared.epoch + Duration::from_micros(ticks.saturating_mul(period_us))
    }

    fn digest(&mut self, mut input: &[u8], events: &mut Vec<Event>) -> Result<Heard, Error> {
        let result = self.digest_all(&mut input, events);
        self.received = self.session.received();
        self.abandoned_messages = self.session.abandoned_messages();
        result
    }

    fn digest_all(&mut self, input: &mut &[u8], events: &mut Vec<Event>) -> Result<Heard, Error> {
        while let Some(event) = self.session.read(input)? {
            match event {
                rtmp::Event::Video { at_ms, body } => self.demuxer.video(at_ms, body, events)?,
                rtmp::Event::Audio { at_ms, body } => self.demuxer.audio(at_ms, body, events)?,
                rtmp::Event::Metadata(metadata) => {
                    self.hints = Hints::read(&metadata);
                    self.demuxer.metadata(&metadata, events);
                }
                rtmp::Event::Data { at_ms, name, values } => {
                    self.demuxer.data(at_ms, name, values.as_deref(), events);
                }
                rtmp::Event::Unpublish => return Ok(Heard::Unpublish),
                rtmp::Event::Publish(_) => {}
            }
        }
        self.note_other_tracks();
        self.note_dropped_metadata();
        self.note_repairs();
        Ok(Heard::Something)
    }

    /// Says once that some of what comes is not carried.
    fn note_other_tracks(&mut self) {
        if self.demuxer.counts().other_tracks > 0 && !self.told_other_tracks {
            self.told_other_tracks = true;
            let peer = self.peer;
            info!(%peer, "some tracks are not carried: of pictures the first is, of sounds 0 to 7");
        }
    }

    /// Says once that not all metadata is taken, and why.
    fn note_dropped_metadata(&mut self) {
        if let Some(reason) = self.demuxer.counts().last_metadata_drop
            && !self.told_dropped_metadata
        {
            self.told_dropped_metadata = true;
            let peer = self.peer;
            info!(%peer, %reason, "timed metadata dropped; more of it will only be counted");
        }
    }

    /// Says once that the encoder's times are not taken as they come.
    fn note_repairs(&mut self) {
        if self.demuxer.counts().timestamp_repairs > 0 && !self.told_repairs {
            self.told_repairs = true;
            let peer = self.peer;
            info!(%peer, "the encoder's times go back, or drift from its sound: mended and counted");
        }
    }

    fn check_silence(&self, now: Instant) -> Result<(), Error> {
        let limit = Duration::from_millis(self.shared.config.silence_timeout_ms);
        if now.duration_since(self.heard_at) >= limit { Err(Error::Silent(limit)) } else { Ok(()) }
    }

    /// Sends what the socket takes; the rest waits, for a while.
    fn flush(&mut self, now: Instant) -> Result<(), Error> {
        self.unsent.extend(self.session.take_output());
        if self.unsent.is_empty() {
            return Ok(());
        }
        match self.socket()?.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent.min(self.unsent.len()))),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        if self.unsent.is_empty() {
            self.unsent_since = None;
            return Ok(());
        }
        let since = *self.unsent_since.get_or_insert(now);
        let limit = self.shared.write_timeout();
        let stuck =
            now.duration_since(since) >= limit || self.unsent.len() > rtmp::session::MAX_OUTPUT;
        if stuck { Err(Error::WriteTimeout(limit)) } else { Ok(()) }
    }

    /// Tells the encoder what went wrong, beside the caller: a farewell takes as long as the peer
    /// takes to listen.
    fn give_up(&mut self, error: &Error) {
        let Some(mut connection) = self.take_connection() else { return };
        let refusal = match error {
            Error::Io(_) | Error::WriteTimeout(_) => return,
            // It has been told already, in the words of its own command.
            Error::Protocol(rtmp::Error::PlayRefused) => None,
            other => Some(Refusal::Rejected(other.to_string())),
        };
        if let Some(refusal) = refusal {
            connection.session.refuse(refusal.code(), refusal.description());
        }
        tokio::spawn(connection.hang_up());
    }

    /// The socket and session back in the reactor, for a farewell.
    fn take_connection(&mut self) -> Option<Connection> {
        let stream = match self.socket.take()? {
            Socket::OnTicks(socket) => TcpStream::from_std(socket).ok()?,
            Socket::AsBytesCome(socket) => socket,
        };
        let mut session = std::mem::take(&mut self.session);
        session.put_back_output(std::mem::take(&mut self.unsent));
        Some(Connection {
            stream,
            peer: self.peer,
            session,
            early: Vec::new(),
            shared: self.shared.clone(),
            slot: self.slot.take()?,
        })
    }
}

/// Bytes of the current stretch of [`RATE_WINDOW`].
struct Rate {
    since: Instant,
    received: u64,
}

impl Rate {
    fn check(&mut self, now: Instant, received: u64, max: u64) -> Result<(), Error> {
        let bits = (received - self.received).saturating_mul(8);
        let per_window = max.saturating_mul(RATE_WINDOW.as_secs());
        if bits > per_window {
            let elapsed_ms = now.duration_since(self.since).as_millis().max(1) as u64;
            let bits_per_second = bits.saturating_mul(1_000) / elapsed_ms;
            return Err(Error::TooFast { bits_per_second, max });
        }
        if now.duration_since(self.since) >= RATE_WINDOW {
            *self = Self { since: now, received };
        }
        Ok(())
    }
}

impl Hints {
    fn read(metadata: &Value) -> Self {
        let number = |name| {
            let value = metadata.property(name).and_then(Value::as_number);
            value.filter(|n| n.is_finite() && *n > 0.0)
        };
        let encoder = metadata.property("encoder").and_then(Value::as_str);
        Self {
            encoder: encoder.map(|e| bounded(e, MAX_ENCODER_CHARS)).filter(|e| !e.is_empty()),
            fps: number("framerate").or_else(|| number("fps")),
            // Kilobits of a thousand, says the standard; encoders differ.
            video_bits_per_second: number("videodatarate").map(|kilobits| kilobits * 1_000.0),
            audio_bits_per_second: number("audiodatarate").map(|kilobits| kilobits * 1_000.0),
        }
    }
}
