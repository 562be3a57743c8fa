//! Sockets that give up on a peer that keeps us waiting, for plain HTTP and HTTPS alike.
//!
//! [`Impatient`] sits on TCP itself and watches what the peer takes; [`Opening`] sits where HTTP
//! begins and watches the first bytes. With HTTPS, TLS lies between the two. Not here: how long the
//! handshake between them may take (`tls`), and everything hyper has a timer for.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::Sleep,
};

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A TCP socket that gives up on a peer that takes nothing.
///
/// Below TLS: there a byte taken is a byte taken, and no buffer of ours hides that none is.
pub(crate) struct Impatient {
    socket: TcpStream,
    /// How long a write may be stuck.
    stalled: Duration,
    /// Armed while one is.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    pub(super) fn new(socket: TcpStream, stalled: Duration) -> Self {
        Self { socket, stalled, stuck: None }
    }

    /// The socket itself, for its options.
    pub(crate) fn tcp(&self) -> &TcpStream {
        &self.socket
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        ready!(expired(&mut self.stuck, self.stalled, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

/// Arms `deadline` if it is not, and waits for it.
fn expired(
    deadline: &mut Option<Pin<Box<Sleep>>>,
    after: Duration,
    cx: &mut Context<'_>,
) -> Poll<()> {
    deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep(after))).as_mut().poll(cx)
}

impl AsyncRead for Impatient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Impatient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.watch(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.socket).poll_write_vectored(cx, slices);
        self.watch(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// Where HTTP begins: gives up on a peer that does not say which one it speaks. hyper has a timer
/// for what follows only.
pub(super) struct Opening<S> {
    socket: S,
    /// How long the first bytes may take.
    first_bytes: Duration,
    /// How much of [`PREFACE`] has come; `None` once something else came, or all of it.
    preface: Option<usize>,
    is_h2: Arc<AtomicBool>,
    /// Armed while the first bytes are missing.
    silent: Option<Pin<Box<Sleep>>>,
}

impl<S> Opening<S> {
    pub(super) fn new(socket: S, first_bytes: Duration) -> Self {
        Self { socket, first_bytes, preface: Some(0), is_h2: Arc::default(), silent: None }
    }

    /// Whether the peer speaks HTTP/2, once it is known.
    pub(super) fn is_h2(&self) -> Arc<AtomicBool> {
        self.is_h2.clone()
    }

    /// Looks at the first bytes as they come.
    fn recognise(&mut self, bytes: &[u8]) {
        let Some(known) = self.preface else { return };
        let expected = PREFACE.get(known..).unwrap_or_default();
        let len = bytes.len().min(expected.len());
        let same = bytes.get(..len) == expected.get(..len);
        self.preface = (same && known + len < PREFACE.len()).then_some(known + len);
        if self.preface.is_none() {
            self.is_h2.store(same, Relaxed);
            self.silent = None;
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Opening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if self.preface.is_none() {
            return read;
        }
        if read.is_ready() {
            self.recognise(buffer.filled().get(before..).unwrap_or_default());
            return read;
        }
        let first_bytes = self.first_bytes;
        ready!(expired(&mut self.silent, first_bytes, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Opening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
