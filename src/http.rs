//! The HTTP listeners: HTTP/1.1 and HTTP/2 on one port, plain or over TLS, with their limits.
//!
//! Here: connections. Not here: routes (`api`, `delivery`, `web`), certificates and handshakes
//! (`https`).

mod patience;

use std::{
    collections::HashMap,
    convert::Infallible,
    io,
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::ConnectInfo,
    http::{HeaderValue, Request, Version, header::X_CONTENT_TYPE_OPTIONS, uri::Scheme},
    response::Response,
};
use delivery::{Delivery, Turns, network};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto,
};
use serde::Deserialize;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpListener,
    sync::watch,
};
use tower::ServiceExt as _;

use crate::https::Certificate;

pub(crate) use patience::Impatient;
use patience::Opening;

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
/// How much of one answer waits inside an HTTP/2 connection. What waits there leaves in turn with
/// other answers, whatever their urgency; with less, a fast link would run dry between two wake-ups.
const H2_SEND_BUFFER_BYTES: usize = 32 * 1024;
/// An HTTP/2 connection is asked to end after this long, and is closed [`Config::stalled_s`] later:
/// a peer that keeps its flow-control window shut, and answers pings, would hold answers for ever.
/// An honest one reconnects without noticing. What it is sending us still arrives.
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

/// What a listener serves: media by the shortest way, everything else by a router.
#[derive(Clone)]
pub(crate) struct Site {
    media: Option<Arc<Delivery>>,
    rest: Router,
}

impl Site {
    /// Media, and what is not media.
    pub(crate) fn new(media: Arc<Delivery>, rest: Router) -> Self {
        Self { media: Some(media), rest }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response {
        match &self.media {
            Some(media) if Delivery::answers(request.uri().path()) => media.answer(request).await,
            _ => {
                let Ok(response) = self.rest.clone().oneshot(request.map(Body::new)).await;
                response
            }
        }
    }
}

impl From<Router> for Site {
    fn from(rest: Router) -> Self {
        Self { media: None, rest }
    }
}

/// Serves `site` until `drain` turns true, over TLS where there is a certificate. Requests under
/// way then finish in tasks of their own: [`Connections::gone`] waits for them.
pub(crate) async fn serve(
    listener: TcpListener,
    certificate: Option<Arc<Certificate>>,
    site: impl Into<Site>,
    config: Config,
    connections: Arc<Connections>,
    mut drain: watch::Receiver<bool>,
) {
    let front = Front {
        server: Arc::new(server(&config)),
        site: Arc::new(site.into()),
        first_bytes: Duration::from_secs(config.idle_s),
        stalled: Duration::from_secs(config.stalled_s),
        scheme: if certificate.is_some() { Scheme::HTTPS } else { Scheme::HTTP },
        drain: drain.clone(),
    };
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
        let _ = socket.set_nodelay(true);
        let socket = Impatient::new(socket, front.stalled);
        let front = front.clone();
        // Two kinds of task: a plain connection does not carry the room that TLS needs.
        match certificate.clone() {
            None => tokio::spawn(async move { front.converse(socket, peer, place).await }),
            Some(certificate) => tokio::spawn(async move {
                let mut drain = front.drain.clone();
                let greeted = tokio::select! {
                    greeted = certificate.greet(socket) => greeted,
                    _ = drain.wait_for(|drain| *drain) => None,
                };
                if let Some(socket) = greeted {
                    front.converse(socket, peer, place).await;
                }
            }),
        };
    }
}

/// What all connections of a listener have in common.
#[derive(Clone)]
struct Front {
    server: Arc<auto::Builder<TokioExecutor>>,
    site: Arc<Site>,
    first_bytes: Duration,
    stalled: Duration,
    scheme: Scheme,
    drain: watch::Receiver<bool>,
}

impl Front {
    /// Speaks HTTP on one connection, to its end.
    async fn converse(
        self,
        socket: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
        peer: SocketAddr,
        place: Place,
    ) {
        let Self { server, site, first_bytes, stalled, scheme, mut drain } = self;
        // A WebSocket outlives the HTTP it began with: it keeps the place and is told of the drain.
        let kept = api::Connection::new(drain.clone(), Arc::new(place));
        let turns = Turns::default();
        let arriving = Arc::new(AtomicUsize::new(0));
        let counted = arriving.clone();
        let service = service_fn(move |mut request: Request<Incoming>| {
            let arrival = Arrival::of(&request, &counted);
            let is_h2 = request.version() == Version::HTTP_2;
            let is_media = Delivery::answers(request.uri().path());
            let told = request.extensions_mut();
            told.insert(ConnectInfo(peer));
            if !is_media {
                told.insert(kept.clone());
            }
            if scheme == Scheme::HTTPS {
                told.insert(scheme.clone());
            }
            if is_h2 {
                told.insert(turns.clone());
            }
            let site = site.clone();
            async move {
                let mut answer = site.answer(request).await;
                // Whatever a room forgot: no answer is taken for another type than it says.
                answer
                    .headers_mut()
                    .entry(X_CONTENT_TYPE_OPTIONS)
                    .or_insert(HeaderValue::from_static("nosniff"));
                drop(arrival);
                Ok::<_, Infallible>(answer)
            }
        });
        let socket = Opening::new(socket, first_bytes);
        let is_h2 = socket.is_h2();
        let connection = server.serve_connection_with_upgrades(TokioIo::new(socket), service);
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
            () = too_old => Some(stalled),
        };
        connection.as_mut().graceful_shutdown();
        let Some(patience) = patience else { return drop(connection.await) };
        closed(connection, patience, &arriving).await;
    }
}

/// Waits for the end of a connection that was asked to end: no longer than `patience`, unless something
/// still arrives on it.
async fn closed(connection: impl Future, patience: Duration, arriving: &AtomicUsize) {
    tokio::pin!(connection);
    while tokio::time::timeout(patience, connection.as_mut()).await.is_err() {
        if arriving.load(Relaxed) == 0 {
            return;
        }
    }
}

/// A request that brings something, until it is answered: the API bounds how long that takes, and a
/// file over a weak link takes longer than a connection is old.
struct Arrival(Option<Arc<AtomicUsize>>);

impl Arrival {
    fn of<B>(request: &Request<B>, counted: &Arc<AtomicUsize>) -> Self {
        Self((!request.method().is_safe()).then(|| {
            counted.fetch_add(1, Relaxed);
            counted.clone()
        }))
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        if let Some(counted) = &self.0 {
            counted.fetch_sub(1, Relaxed);
        }
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
        .max_send_buf_size(H2_SEND_BUFFER_BYTES)
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

#[cfg(test)]
pub(crate) mod tests;
