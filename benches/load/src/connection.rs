//! One HTTP/1.1 connection of a viewer, kept alive and never waited for.
//!
//! Here: a request out, its answer in. Bodies that nobody reads are dropped in the kernel
//! (`MSG_TRUNC`), so viewers never copy what they are sent. Not here: what is asked when (`classic`,
//! `low_latency`).

use std::{
    io::{ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Instant,
};

use anyhow::{Context, Result, bail, ensure};
use rustix::{
    event::epoll,
    fd::OwnedFd,
    net::{RecvFlags, recv},
};

use crate::http::Head;

/// A head, and the playlists of this bench, fit in one read of this size.
const READ_LEN: usize = 8_192;
/// How much a single `recv` may drop.
pub const DROP_LEN: usize = 8 << 20;

/// What becomes of a body.
#[derive(Clone, Copy, PartialEq)]
pub enum Body {
    /// It is kept for reading.
    Kept,
    /// It is dropped in the kernel.
    Dropped,
}

/// A connection, or the lack of one.
#[derive(Default)]
pub struct Connection {
    socket: Option<TcpStream>,
    asked: Option<(Instant, Body)>,
    /// Head and, if it is kept, body so far.
    answer: Vec<u8>,
    /// Bytes of the body still to be dropped, once the head is known.
    to_drop: Option<usize>,
}

impl Connection {
    /// Connects, unless it is connected, and asks `ready` to tell of it by `token`.
    ///
    /// # Errors
    /// When nobody listens.
    pub fn open(&mut self, address: SocketAddr, ready: &OwnedFd, token: u64) -> Result<()> {
        if self.socket.is_none() {
            let socket = TcpStream::connect(address)?;
            socket.set_nodelay(true)?;
            socket.set_nonblocking(true)?;
            let token = epoll::EventData::new_u64(token);
            epoll::add(ready, &socket, token, epoll::EventFlags::IN)?;
            self.socket = Some(socket);
        }
        Ok(())
    }

    /// Whether an answer is awaited.
    pub fn is_busy(&self) -> bool {
        self.asked.is_some()
    }

    /// Asks for `path`. A request always fits in the send buffer of an idle connection.
    ///
    /// # Errors
    /// When the connection is lost.
    pub fn ask(&mut self, path: &str, body: Body) -> Result<()> {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: communiconnect-load\r\nAccept: */*\r\n\r\n"
        );
        (self.asked, self.to_drop) = (Some((Instant::now(), body)), None);
        self.answer.clear();
        Ok(self.socket.as_mut().context("not connected")?.write_all(request.as_bytes())?)
    }

    /// Reads what has come, and counts it. Gives when it was asked for and the body, if that was to
    /// be kept, once the answer is complete.
    ///
    /// # Errors
    /// When the connection is lost, or the answer is not 200 with a `Content-Length`.
    pub fn receive(
        &mut self,
        dropped: &mut [u8],
        bytes: &AtomicU64,
    ) -> Result<Option<(Instant, &[u8])>> {
        let socket = self.socket.as_mut().context("not connected")?;
        let left = match self.to_drop {
            Some(left) => {
                let limit = left.min(DROP_LEN).min(dropped.len());
                let count = match recv(&*socket, &mut dropped[..limit], RecvFlags::TRUNC) {
                    Ok((_, 0)) => bail!("closed inside a body"),
                    Ok((_, count)) => count,
                    Err(rustix::io::Errno::AGAIN) => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                bytes.fetch_add(count as u64, Relaxed);
                let left = left - count;
                self.to_drop = Some(left);
                left
            }
            None => {
                let mut buffer = [0; READ_LEN];
                let count = match socket.read(&mut buffer) {
                    Ok(0) => bail!("closed"),
                    Ok(count) => count,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                    Err(error) => return Err(error.into()),
                };
                bytes.fetch_add(count as u64, Relaxed);
                let (_, body) = self.asked.context("an answer nobody asked for")?;
                self.answer.extend_from_slice(&buffer[..count]);
                let Some(head) = Head::parse(&self.answer) else { return Ok(None) };
                ensure!(head.status == 200, "status {}", head.status);
                let left = (head.len + head.body_len.context("no Content-Length")?)
                    .checked_sub(self.answer.len())
                    .context("body longer than Content-Length")?;
                match body {
                    Body::Dropped => self.to_drop = Some(left),
                    Body::Kept if left == 0 => drop(self.answer.drain(..head.len)),
                    Body::Kept => {}
                }
                left
            }
        };
        if left > 0 {
            return Ok(None);
        }
        let (asked_at, body) = self.asked.take().context("an answer nobody asked for")?;
        Ok(Some((asked_at, if body == Body::Kept { &self.answer } else { &[] })))
    }
}
