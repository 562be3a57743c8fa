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
        atomic::{AtomicBool, Ordering::Relaxed},
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
    time::Sleep,
};
use tower::ServiceExt as _;

use crate::throttle::network;

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
const MAX_H2_STREAMS: u32 = 32;
/// An HTTP/2 connection is asked to end after this long, and is closed [`Config::stalled_s`] later:
/// a peer that keeps its flow-control window shut, and answers pings, would hold answers for ever.
/// An honest one reconnects without noticing.
const H2_LIFE: Duration = Duration::from_secs(120);
/// How often a silent HTTP/2 connection is asked whether it still lives.
const H2_PING_INTERVAL: Duration = Duration::from_secs(20);
/// How much of a body is handed to the socket at a time. References, not copies: a quarter of a
/// megabyte takes a segment in few system calls (0.026 CPU s per Gbit against 0.040 with 64 KiB, when measured alone).
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

/// Serves `router` until `drain` turns true. Requests under way then finish in tasks of their own:
/// [`Connections::gone`] waits for them.
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
        let patience = Patience {
            first_bytes: Duration::from_secs(config.idle_s),
            stalled: Duration::from_secs(config.stalled_s),
        };
        tokio::spawn(async move {
            let _place = place;
            let _ = socket.set_nodelay(true);
            let service = router.map_request(move |mut request: axum::http::Request<_>| {
                request.extensions_mut().insert(ConnectInfo(peer));
                request
            });
            let socket = Impatient::new(socket, patience);
            let is_h2 = socket.is_h2.clone();
            let connection =
                server.serve_connection(TokioIo::new(socket), TowerToHyperService::new(service));
            tokio::pin!(connection);
            let too_old = async {
                loop {
                    tokio::time::sleep(H2_LIFE).await;
                    if is_h2.load(Relaxed) {
                        break;
                    }
                }
            };
            // What ends a connection early (a viewer leaving) is no news.
            let patience = tokio::select! {
                _ = connection.as_mut() => return,
                _ = drain.wait_for(|drain| *drain) => None,
                () = too_old => Some(patience.stalled),
            };
            connection.as_mut().graceful_shutdown();
            match patience {
                Some(patience) => drop(tokio::time::timeout(patience, connection).await),
                None => drop(connection.await),
            }
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
    by_network: Mutex<HashMap<IpAddr, usize>>,
    total: watch::Sender<usize>,
}

impl Connections {
    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        *self.total.borrow()
    }

    /// Waits until there is none.
    pub(crate) async fn gone(&self) {
        let _ = self.total.subscribe().wait_for(|total| *total == 0).await;
    }

    fn enter(all: &Arc<Self>, address: IpAddr, config: &Config) -> Option<Place> {
        let network = network(address);
        let mut by_network = all.lock();
        let here = by_network.get(&network).copied().unwrap_or(0);
        if here >= config.max_connections_per_address || all.count() >= config.max_connections {
            return None;
        }
        by_network.insert(network, here + 1);
        all.total.send_modify(|total| *total += 1);
        Some(Place { all: all.clone(), network })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.by_network.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection's place, given back on drop.
struct Place {
    all: Arc<Connections>,
    network: IpAddr,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_network = self.all.lock();
        if let Some(here) = by_network.get_mut(&self.network) {
            *here -= 1;
            if *here == 0 {
                by_network.remove(&self.network);
            }
        }
        self.all.total.send_modify(|total| *total -= 1);
    }
}

/// How long a peer may keep us waiting.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// For the bytes that tell HTTP/1 from HTTP/2. hyper has a timer for what follows them only.
    first_bytes: Duration,
    /// For taking a byte of an answer.
    stalled: Duration,
}

/// What every HTTP/2 connection begins with (RFC 9113 §3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A socket that gives up on a peer that says nothing at first, or takes nothing later.
struct Impatient {
    socket: TcpStream,
    patience: Patience,
    /// How much of [`PREFACE`] has come; `None` once something else came, or all of it.
    preface: Option<usize>,
    is_h2: Arc<AtomicBool>,
    /// Armed while the first bytes are missing.
    silent: Option<Pin<Box<Sleep>>>,
    /// Armed while a write is stuck.
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Impatient {
    fn new(socket: TcpStream, patience: Patience) -> Self {
        let is_h2 = Arc::default();
        Self { socket, patience, preface: Some(0), is_h2, silent: None, stuck: None }
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

    fn watch<T>(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.stuck = None;
            return written;
        }
        ready!(expired(&mut self.stuck, self.patience.stalled, cx));
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
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.socket).poll_read(cx, buffer);
        if self.preface.is_none() {
            return read;
        }
        if read.is_ready() {
            self.recognise(buffer.filled().get(before..).unwrap_or_default());
            return read;
        }
        let patience = self.patience.first_bytes;
        ready!(expired(&mut self.silent, patience, cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
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
    async fn a_client_that_says_nothing_or_half_a_sentence_is_let_go() {
        let (address, _drain) = start(Config::default()).await;
        for said in [&b""[..], b"PRI * HT", b"GET / HT", PREFACE] {
            let mut socket = TcpStream::connect(address).await.expect("connected");
            socket.write_all(said).await.expect("sent");
            let mut rest = Vec::new();
            let patience = Duration::from_secs(300);
            let closed = tokio::time::timeout(patience, socket.read_to_end(&mut rest)).await;
            assert!(closed.is_ok(), "{}", String::from_utf8_lossy(said));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_http_2_connection_that_only_answers_pings_ends() {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        const PING: u8 = 6;
        const ACK: u8 = 1;
        let (address, _drain) = start(Config::default()).await;
        let mut socket = TcpStream::connect(address).await.expect("connected");
        socket.write_all(&[PREFACE, &SETTINGS].concat()).await.expect("sent");
        let started = tokio::time::Instant::now();
        let mut head = [0; 9];
        while socket.read_exact(&mut head).await.is_ok() {
            let mut payload = vec![0; usize::from(u16::from_be_bytes([head[1], head[2]]))];
            if socket.read_exact(&mut payload).await.is_err() {
                break;
            }
            if head[3] == PING && head[4] == 0 {
                head[4] = ACK;
                let _ = socket.write_all(&[&head[..], &payload].concat()).await;
            }
        }
        let life = started.elapsed();
        assert!(life >= H2_LIFE && life < H2_LIFE * 2, "{life:?}");
    }

    #[tokio::test]
    async fn an_answer_under_way_when_draining_begins_is_finished() {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (drain, draining) = watch::channel(false);
        let router = Router::new().route("/large", get(|| async { vec![7_u8; 16 << 20] }));
        let connections = Arc::new(Connections::default());
        let server = serve(listener, router, Config::default(), connections.clone(), draining);
        let server = tokio::spawn(server);
        let mut socket = TcpStream::connect(address).await.expect("connected");
        ask(&mut socket, "/large").await;
        let mut answer = vec![0; 1024];
        socket.read_exact(&mut answer).await.expect("its beginning");
        drain.send(true).expect("serving");
        server.await.expect("no panic");
        assert_eq!(connections.count(), 1);
        socket.read_to_end(&mut answer).await.expect("its end");
        assert!(answer.len() > 16 << 20);
        connections.gone().await;
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
