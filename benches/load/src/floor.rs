//! The floor: the same answers from memory with plain `send`, by a server that does nothing else.
//!
//! What it costs is what loopback TCP costs. It answers `/floor.m3u8` with a playlist that gains a segment
//! every two seconds and any other path with one segment of the input's bitrate.

use std::{
    io::{ErrorKind, IoSlice, Read, Write},
    net::{TcpListener, TcpStream},
    time::Instant,
};

use anyhow::Result;
use rustix::{buffer::spare_capacity, event::epoll};

/// The path of the playlist.
pub const PLAYLIST: &str = "/floor.m3u8";
const WINDOW: u64 = 15;
const SEGMENT_S: u64 = 2;
const LISTENER: u64 = u64::MAX;

/// Serves segments of `segment_bytes` until the process is ended.
///
/// # Errors
/// When `epoll` fails.
pub fn serve(listener: TcpListener, segment_bytes: usize) -> Result<()> {
    let segment = vec![0x5a; segment_bytes];
    let started = Instant::now();
    let ready = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    listener.set_nonblocking(true)?;
    epoll::add(&ready, &listener, epoll::EventData::new_u64(LISTENER), epoll::EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut events = Vec::with_capacity(256);
    loop {
        events.clear();
        match epoll::wait(&ready, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            if event.data.u64() == LISTENER {
                while let Ok((socket, _)) = listener.accept() {
                    socket.set_nonblocking(true)?;
                    socket.set_nodelay(true)?;
                    let data = epoll::EventData::new_u64(connections.len() as u64);
                    // Edge-triggered: read and write readiness without further calls.
                    let flags =
                        epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
                    epoll::add(&ready, &socket, data, flags)?;
                    connections.push(Some(Connection {
                        socket,
                        head: Vec::new(),
                        sent: 0,
                        body: false,
                    }));
                }
                continue;
            }
            let slot = &mut connections[event.data.u64() as usize];
            if slot.as_mut().is_some_and(|connection| connection.serve(&segment, started).is_err())
            {
                *slot = None;
            }
        }
    }
}

struct Connection {
    socket: TcpStream,
    /// Head of the answer (for playlists, the whole answer); empty when nothing is being sent.
    head: Vec<u8>,
    sent: usize,
    body: bool,
}

impl Connection {
    fn serve(&mut self, segment: &[u8], started: Instant) -> Result<()> {
        loop {
            if self.head.is_empty() {
                let mut request = [0; 1_024];
                match self.socket.read(&mut request) {
                    Ok(0) => anyhow::bail!("closed"),
                    Ok(count) => self.answer(&request[..count], segment, started),
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            let body = if self.body { segment } else { &[] };
            while self.sent < self.head.len() + body.len() {
                let head = &self.head[self.sent.min(self.head.len())..];
                let rest = &body[self.sent.saturating_sub(self.head.len())..];
                match self.socket.write_vectored(&[IoSlice::new(head), IoSlice::new(rest)]) {
                    Ok(count) => self.sent += count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                    Err(error) => return Err(error.into()),
                }
            }
            self.head.clear();
        }
    }

    fn answer(&mut self, request: &[u8], segment: &[u8], started: Instant) {
        self.sent = 0;
        self.body = !request[4.min(request.len())..].starts_with(PLAYLIST.as_bytes());
        if self.body {
            self.head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", segment.len())
                .into_bytes();
            return;
        }
        let first = started.elapsed().as_secs() / SEGMENT_S;
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:{SEGMENT_S}\n#EXT-X-MEDIA-SEQUENCE:{first}\n"
        );
        for msn in first..first + WINDOW {
            text += &format!("#EXTINF:{SEGMENT_S}.000,\n{msn}.ts\n");
        }
        self.head =
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()).into_bytes();
    }
}
