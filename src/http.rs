//! The HTTP listener: HTTP/1.1 and HTTP/2 (h2c) on one port, with its limits.
//!
//! Here: connections. Not here: routes (`api`, `delivery`, `web`).

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use axum::{Router, extract::ConnectInfo};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
    service::TowerToHyperService,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{Instant, Sleep},
};
use tower::ServiceExt as _;

/// The HTTP listener's settings.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port.
    pub listen: SocketAddr,
    /// Connections at once, over all addresses.
    pub max_connections: usize,
    /// Connections at once from one address.
    pub max_connections_per_address: usize,
    /// How long a request's head may take to arrive, and an idle connection is kept.
    pub idle_s: u64,
    /// How long a client may take no byte of an answer.
    pub stalled_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            max_connections: 20_000,
            max_connections_per_address: 5_000,
            idle_s: 30,
            stalled_s: 20,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let at_least_one = [
            ("max_connections", self.max_connections as u64),
            ("max_connections_per_address", self.max_connections_per_address as u64),
            ("idle_s", self.idle_s),
            ("stalled_s", self.stalled_s),
        ];
        match at_least_one.into_iter().find(|(_, value)| *value == 0) {
            Some((setting, _)) => Err(format!("http.{setting} must be at least 1")),
            None => Ok(()),
        }
    }
}

/// HTTP/2 requests one connection may have under way: a player needs a handful, a page a few dozen.
const MAX_H2_STREAMS: u32 = 128;
/// How often a silent HTTP/2 connection is asked whether it still lives.
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How much of a body is handed to the socket at a time. References, not copies: a quarter of a
/// megabyte takes a segment in few system calls (0.026 CPU s per Gbit, against 0.040 with 64 KiB).
/// It bounds the head of a request too.
const WRITE_BUFFER_BYTES: usize = 256 * 1024;
/// Connections the kernel keeps for us while we accept: a thousand viewers may arrive at once.
const BACKLOG: u32 = 4_096;

/// Binds the listener.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let domain = socket2::Domain::for_address(address);
    let socket = socket2::Socket::new(domain, socket2::Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG as i32)?;
    TcpListener::from_std(socket.into())
}

/// Serves `router` until `drain` turns true, then lets running requests finish.
pub(crate) async fn serve(
    listener: TcpListener,
    router: Router,
    config: Config,
    connections: Arc<Connections>,
    mut drain: watch::Receiver<bool>,
) {
    let server = Arc::new(server(&config));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = drain.wait_for(|drain| *drain) => break,
        };
        let (socket, peer) = match accepted {
            Ok(accepted) => accepted,
            // Out of file descriptors, most often: accepting again at once would only spin.
            Err(error) => {
                tracing::warn!(%error, "cannot accept an HTTP connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
        };
        let Some(place) = Connections::enter(&connections, peer.ip(), &config) else {
            ::metrics::counter!("http_connections_refused_total").increment(1);
            continue;
        };
        let (server, router, mut drain) = (server.clone(), router.clone(), drain.clone());
        let stalled = Duration::from_secs(config.stalled_s);
        tokio::spawn(async move {
            let _place = place;
            let _ = socket.set_nodelay(true);
            let service = router.map_request(move |mut request: axum::http::Request<_>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
            let io = TokioIo::new(Impatient::new(socket, stalled));
            let connection = server.serve_connection(io, TowerToHyperService::new(service));
            tokio::pin!(connection);
            // What ends a connection early (a viewer leaving) is no news.
            tokio::select! {
                _ = connection.as_mut() => return,
                _ = drain.wait_for(|drain| *drain) => connection.as_mut().graceful_shutdown(),
            }
            let _ = connection.await;
        });
    }
}

fn server(config: &Config) -> auto::Builder<TokioExecutor> {
    let idle = Duration::from_secs(config.idle_s);
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(idle)
        .max_buf_size(WRITE_BUFFER_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(MAX_H2_STREAMS)
        .keep_alive_interval(H2_PING_INTERVAL)
        .keep_alive_timeout(idle);
    server
}

/// Who is connected now.
#[derive(Debug, Default)]
pub(crate) struct Connections {
    by_address: Mutex<HashMap<IpAddr, usize>>,
    total: AtomicUsize,
}

impl Connections {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.total.load(Relaxed)
    }

    fn enter(all: &Arc<Self>, address: IpAddr, config: &Config) -> Option<Place> {
        let mut by_address = all.lock();
        let here = by_address.entry(address).or_insert(0);
        if *here >= config.max_connections_per_address
            || all.total.load(Relaxed) >= config.max_connections
        {
            if *here == 0 {
                by_address.remove(&address);
            }
            return None;
        }
        *here += 1;
        all.total.fetch_add(1, Relaxed);
        Some(Place { all: all.clone(), address })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, given back on drop.
struct Place {
    all: Arc<Connections>,
    address: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.all.lock();
        if let Some(here) = by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.address);
            }
        }
        self.all.total.fetch_sub(1, Relaxed);
    }
}

/// A socket that gives up when its peer takes no byte for too long.
struct Impatient {
    socket: TcpStream,
    patience: Duration,
    /// Armed while a write is stuck.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(socket: TcpStream, patience: Duration) -> Self {
        Self { socket, patience, deadline: None }
    }

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.deadline = None;
            return written;
        }
        let until = Instant::now() + self.patience;
        let deadline =
            self.deadline.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
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

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    use super::*;

    async fn start(config: Config) -> (SocketAddr, watch::Sender<bool>) {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (drain, draining) = watch::channel(false);
        let router = Router::new()
            .route(
                "/",
                get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
            )
            .route("/large", get(|| async { vec![0_u8; 64 << 20] }));
        tokio::spawn(serve(listener, router, config, Arc::default(), draining));
        (address, drain)
    }

    async fn ask(socket: &mut TcpStream, path: &str) {
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        socket.write_all(request.as_bytes()).await.expect("sent");
    }

    #[tokio::test]
    async fn a_handler_learns_the_address_of_its_peer() {
        let (address, _drain) = start(Config::default()).await;
        let mut socket = TcpStream::connect(address).await.expect("connected");
        ask(&mut socket, "/").await;
        let mut answer = [0; 1024];
        let len = socket.read(&mut answer).await.expect("an answer");
        let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
        assert!(answer.ends_with(&socket.local_addr().expect("bound").to_string()), "{answer}");
    }

    #[tokio::test]
    async fn a_connection_over_the_limit_is_closed_and_the_first_goes_on() {
        let config = Config { max_connections_per_address: 1, ..Config::default() };
        let (address, _drain) = start(config).await;
        let mut first = TcpStream::connect(address).await.expect("connected");
        ask(&mut first, "/").await;
        assert_ne!(first.read(&mut [0; 1024]).await.expect("an answer"), 0);
        let mut second = TcpStream::connect(address).await.expect("connected");
        assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
        ask(&mut first, "/").await;
        assert_ne!(first.read(&mut [0; 1024]).await.expect("an answer"), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_sends_half_a_head_is_let_go() {
        let (address, _drain) = start(Config::default()).await;
        let mut socket = TcpStream::connect(address).await.expect("connected");
        socket.write_all(b"GET / HT").await.expect("sent");
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_byte_of_its_answer_is_let_go() {
        let (address, _drain) = start(Config::default()).await;
        let mut socket = TcpStream::connect(address).await.expect("connected");
        ask(&mut socket, "/large").await;
        // Nothing is read until the server has given up; then the answer ends early.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let mut rest = Vec::new();
        let _ = socket.read_to_end(&mut rest).await;
        assert!(rest.len() < 64 << 20);
    }

    #[tokio::test]
    async fn draining_closes_idle_connections_and_accepts_no_more() {
        let (address, drain) = start(Config::default()).await;
        let mut socket = TcpStream::connect(address).await.expect("connected");
        ask(&mut socket, "/").await;
        assert_ne!(socket.read(&mut [0; 1024]).await.expect("an answer"), 0);
        drain.send(true).expect("serving");
        assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
    }
}
