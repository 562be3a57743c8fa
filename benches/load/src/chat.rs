//! A crowd that talks beside one live, over WebSockets.
//!
//! Here: as many clients as asked for, some of whom speak; how long each delivery took. One thread, so
//! that what is measured includes our own reading and nothing is hidden. Not here: the server.

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    buffer::spare_capacity,
    event::{Timespec, epoll},
};
use serde_json::{Value, json};

use crate::{account, http::Head, ours::Ours, view::percentile};

/// What is asked for.
pub struct Plan {
    /// Clients in all.
    pub listeners: usize,
    /// Those of them who speak, each a member; the others belong to them.
    pub speakers: usize,
    /// Messages a second, in all.
    pub per_second: f64,
    /// How long they talk.
    pub time: Duration,
}

/// Before every moment that is written into a message.
const MARK: &[u8] = b"a=";
/// How long the last messages may take.
const REST: Duration = Duration::from_secs(3);

/// Lets them talk and prints what came of it.
///
/// # Errors
/// When the server refuses something.
pub fn run(ours: &Ours, plan: &Plan) -> Result<()> {
    let members = ours.members(plan.speakers)?;
    let live = ours.chat(&members[0])?;
    let pid = ours.server.pid();
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let empty = account::memory(pid)?;
    let mut crowd = Vec::with_capacity(plan.listeners);
    for n in 0..plan.listeners {
        let client = Client::open(ours.http, &members[n % members.len()], live)?;
        let data = epoll::EventData::new_u64(n as u64);
        epoll::add(&ready, &client.socket, data, epoll::EventFlags::IN)?;
        crowd.push(client);
    }
    let mut talk = Talk { ready, crowd, begun: Instant::now(), taken_us: Vec::new(), frames: 0 };
    talk.read_for(REST)?;
    (talk.taken_us, talk.frames) = (Vec::new(), 0);
    let (before, cpu) = (account::memory(pid)?, account::cpu(pid)?);
    let begun = Instant::now();
    let mut said = 0;
    while begun.elapsed() < plan.time {
        let due = Duration::from_secs_f64(f64::from(said) / plan.per_second);
        if let Some(wait) = due.checked_sub(begun.elapsed()) {
            talk.read_for(wait)?;
            continue;
        }
        talk.say(said as usize % plan.speakers)?;
        said += 1;
    }
    let cpu = account::cpu(pid)? - cpu;
    talk.read_for(REST)?;
    let after = account::memory(pid)?;
    let dropped = talk.crowd.iter().filter(|client| client.is_closed).count();
    let wanted = said as usize * plan.listeners;
    let taken = &mut talk.taken_us;
    let ms = |us: u32| f64::from(us) / 1e3;
    println!(
        "{} clients, {said} messages in {:.1} s, {} of {wanted} deliveries in {} frames",
        plan.listeners,
        plan.time.as_secs_f64(),
        taken.len(),
        talk.frames
    );
    println!(
        "delivery: p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms; {dropped} clients dropped",
        ms(percentile(taken, 0.5)),
        ms(percentile(taken, 0.99)),
        ms(percentile(taken, 1.0))
    );
    println!(
        "server: {:.2} processors; RSS {:.1} MB empty, {:.1} MB before, {:.1} MB after; load {}",
        cpu.as_secs_f64() / plan.time.as_secs_f64(),
        empty.rss_bytes as f64 / 1e6,
        before.rss_bytes as f64 / 1e6,
        after.rss_bytes as f64 / 1e6,
        std::fs::read_to_string("/proc/loadavg")?.trim()
    );
    ensure!(taken.len() == wanted, "{} deliveries are missing", wanted - taken.len());
    Ok(())
}

struct Talk {
    ready: rustix::fd::OwnedFd,
    crowd: Vec<Client>,
    begun: Instant,
    taken_us: Vec<u32>,
    frames: u64,
}

impl Talk {
    /// Speaker `n` says when it is.
    fn say(&mut self, n: usize) -> Result<()> {
        let at_us = self.begun.elapsed().as_micros();
        let content = format!("a={at_us};{}", "Bonjour à tous ! ".repeat(4));
        let message = json!({"type": "chat.say", "message": {"content": content}});
        let client = &mut self.crowd[n];
        client.socket.set_nonblocking(false)?;
        client.send(&message)?;
        client.socket.set_nonblocking(true)?;
        Ok(())
    }

    /// Reads what comes within `time`.
    fn read_for(&mut self, time: Duration) -> Result<()> {
        let until = Instant::now() + time;
        let mut events = Vec::with_capacity(256);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let timeout =
                Timespec { tv_sec: left.as_secs() as i64, tv_nsec: i64::from(left.subsec_nanos()) };
            events.clear();
            epoll::wait(&self.ready, spare_capacity(&mut events), Some(&timeout))?;
            for event in &events {
                let client = &mut self.crowd[event.data.u64() as usize];
                let (begun, taken_us) = (self.begun, &mut self.taken_us);
                self.frames += client.read(|text| {
                    let now_us = begun.elapsed().as_micros() as u64;
                    for at_us in moments(text) {
                        taken_us.push(now_us.saturating_sub(at_us) as u32);
                    }
                })?;
                if client.is_closed {
                    epoll::delete(&self.ready, &client.socket)?;
                }
            }
            if left.is_zero() {
                return Ok(());
            }
        }
    }
}

/// The moments that messages in `text` were said at.
fn moments(text: &[u8]) -> impl Iterator<Item = u64> {
    text.windows(MARK.len() + 1).enumerate().filter_map(|(at, window)| {
        let is_mark = window[0] == b'"' && &window[1..] == MARK;
        let digits = text.get(at + 1 + MARK.len()..).filter(|_| is_mark)?;
        let end = digits.iter().position(|byte| !byte.is_ascii_digit())?;
        std::str::from_utf8(&digits[..end]).ok()?.parse().ok()
    })
}

/// One client.
struct Client {
    socket: TcpStream,
    read: Vec<u8>,
    is_closed: bool,
}

impl Client {
    /// Opens a WebSocket, signs in and joins.
    fn open(address: SocketAddr, token: &str, live: i64) -> Result<Self> {
        let socket = TcpStream::connect(address)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(Duration::from_secs(20)))?;
        let mut client = Self { socket, read: Vec::new(), is_closed: false };
        // The key is that of RFC 6455 §1.3: nobody looks whether it is new.
        client.socket.write_all(
            b"GET /api/realtime/ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\n\
              Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
              Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )?;
        let mut bytes = [0; 4096];
        let head = loop {
            let count = client.socket.read(&mut bytes)?;
            ensure!(count > 0, "the server closed the connection");
            client.read.extend_from_slice(&bytes[..count]);
            if let Some(head) = Head::parse(&client.read) {
                break head;
            }
        };
        ensure!(head.status == 101, "no WebSocket: {}", head.status);
        client.read.drain(..head.len);
        client.send(&json!({"type": "auth", "token": token}))?;
        client.send(&json!({"type": "live.join", "live_id": live}))?;
        client.await_joined()?;
        client.socket.set_nonblocking(true)?;
        Ok(client)
    }

    fn await_joined(&mut self) -> Result<()> {
        let mut bytes = [0; 4096];
        loop {
            while let Some((opcode, start, end)) = frame(&self.read) {
                let text = self.read.drain(..end).skip(start).collect::<Vec<u8>>();
                ensure!(opcode == 1, "closed: {}", String::from_utf8_lossy(&text));
                let events: Value = serde_json::from_slice(&text)?;
                match events[0]["type"].as_str() {
                    Some("live.joined") => return Ok(()),
                    Some("session") => {}
                    _ => bail!("{events}"),
                }
            }
            let count = self.socket.read(&mut bytes)?;
            ensure!(count > 0, "the server closed the connection");
            self.read.extend_from_slice(&bytes[..count]);
        }
    }

    fn send(&mut self, message: &Value) -> Result<()> {
        self.write(1, message.to_string().as_bytes())
    }

    /// Masked with zeros, which is allowed and costs nothing.
    fn write(&mut self, opcode: u8, payload: &[u8]) -> Result<()> {
        let mut frame = vec![0x80 | opcode];
        match payload.len() {
            len @ 0..126 => frame.push(0x80 | len as u8),
            len => {
                let len = u16::try_from(len).context("a message that short tools send")?;
                frame.push(0x80 | 126);
                frame.extend_from_slice(&len.to_be_bytes());
            }
        }
        frame.extend_from_slice(&[0; 4]);
        frame.extend_from_slice(payload);
        self.socket.write_all(&frame)?;
        Ok(())
    }

    /// Reads all that came; gives the number of frames.
    fn read(&mut self, mut heard: impl FnMut(&[u8])) -> Result<u64> {
        let mut bytes = [0; 65_536];
        let mut frames = 0;
        match self.socket.read(&mut bytes) {
            Ok(0) => self.is_closed = true,
            Ok(count) => self.read.extend_from_slice(&bytes[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => self.is_closed = true,
        }
        let mut at = 0;
        while let Some((opcode, start, end)) = frame(&self.read[at..]) {
            let payload = at + start..at + end;
            match opcode {
                1 => {
                    heard(&self.read[payload]);
                    frames += 1;
                }
                8 => self.is_closed = true,
                9 => {
                    let payload = self.read[payload].to_vec();
                    self.write(10, &payload)?;
                }
                _ => {}
            }
            at += end;
        }
        self.read.drain(..at);
        Ok(frames)
    }
}

/// Opcode, begin and end of the payload of a whole frame at the start of `bytes`.
fn frame(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let opcode = bytes.first()? & 0x0f;
    let (start, len) = match *bytes.get(1)? {
        126 => (4, u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?).into()),
        127 => (10, u64::from_be_bytes(bytes.get(2..10)?.try_into().ok()?) as usize),
        len => (2, len.into()),
    };
    (bytes.len() >= start + len).then_some((opcode, start, start + len))
}

/// The live that the talk needs.
impl Ours {
    /// The id of a live of the member with this token.
    fn chat(&self, token: &str) -> Result<i64> {
        let mut client = crate::http::Client::connect(self.http)?;
        let live = client.post("/api/posts/live/start/", token, &json!({"title": "Mesure"}))?;
        live["live_id"].as_i64().context("no live_id")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_whole_or_not_there() {
        let long = [&[0x81, 126, 0, 200][..], &[b'x'; 200]].concat();
        assert_eq!(frame(&[0x81, 2, b'a', b'b', 0x81]), Some((1, 2, 4)));
        assert_eq!(frame(&[0x81, 2, b'a']), None);
        assert_eq!(frame(&long), Some((1, 4, 204)));
        assert_eq!(frame(&long[..203]), None);
    }

    #[test]
    fn moments_are_found_in_the_words() {
        let text = br#"[{"content":"a=12;x"},{"content":"a=345;x"},{"a=":"a="}]"#;
        assert_eq!(moments(text).collect::<Vec<_>>(), [12, 345]);
    }
}
