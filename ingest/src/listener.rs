//! The RTMP port.
//!
//! Here: accepting sockets, and serving each up to its request to publish in a task of its own. Not
//! here: what is said on them (`connection`), how many there may be (`admission`).

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use socket2::{SockRef, TcpKeepalive};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::mpsc,
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{debug, info, warn};

use crate::{
    Config, Counters, Error, PublishRequest,
    admission::{Admission, RefusalLog, Slot},
    connection::{Connection, Shared},
    rtmp::{self, Session},
};

/// Connections the kernel holds for us: every encoder of a full server reconnecting at once.
const BACKLOG: u32 = 1024;
/// Requests to publish that wait for a verdict to begin. Past it, encoders wait in their tasks.
const WAITING_REQUESTS: usize = 64;
/// Rest after a failed accept, which is mostly a lack of file descriptors.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// Idle time before the kernel probes a peer: it matters only while a verdict is pending, media has
/// its own timeout.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// The RTMP port, open.
///
/// Dropping it stops accepting, like [`Listener::close`]; publishers go on.
pub struct Listener {
    local_addr: SocketAddr,
    requests: mpsc::Receiver<PublishRequest>,
    counters: Arc<Counters>,
    accepting: JoinHandle<()>,
}

impl Listener {
    /// Opens the port and begins to accept connections.
    ///
    /// # Errors
    /// When the address cannot be bound, or ([`io::ErrorKind::InvalidInput`]) the configuration does
    /// not [validate](Config::validate).
    pub async fn bind(config: Config) -> io::Result<Self> {
        config.validate().map_err(|why| io::Error::new(io::ErrorKind::InvalidInput, why))?;
        let socket =
            if config.listen.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        socket.set_reuseaddr(true)?;
        socket.bind(config.listen)?;
        let listener = socket.listen(BACKLOG)?;
        let local_addr = listener.local_addr()?;
        let admission = Admission::new(&config);
        let counters = admission.counters().clone();
        let shared = Arc::new(Shared { config, epoch: Instant::now() });
        let (sender, requests) = mpsc::channel(WAITING_REQUESTS);
        let accepting = tokio::spawn(accept_all(listener, admission, shared, sender));
        Ok(Self { local_addr, requests, counters, accepting })
    }

    /// The address bound, its port chosen.
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// The next encoder that asks to publish. `None` once closed and no connection is left that could
    /// still ask.
    pub async fn accept(&mut self) -> Option<PublishRequest> {
        self.requests.recv().await
    }

    /// What was counted so far, and goes on being counted: for metrics.
    pub fn counters(&self) -> Arc<Counters> {
        self.counters.clone()
    }

    /// Closes the port. Connections that are here may still ask to publish, within their timeout.
    pub fn close(&self) {
        self.accepting.abort();
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.close();
    }
}

async fn accept_all(
    listener: TcpListener,
    admission: Admission,
    shared: Arc<Shared>,
    requests: mpsc::Sender<PublishRequest>,
) {
    let mut refusals = RefusalLog::default();
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => match admission.admit(peer.ip()) {
                Some(slot) => {
                    let connection = connect(stream, peer, slot, shared.clone());
                    let counters = admission.counters().clone();
                    tokio::spawn(serve(connection, counters, requests.clone()));
                }
                None => {
                    if let Some(count) = refusals.note(Instant::now()) {
                        warn!(%peer, count, "refused RTMP connections: too many are open");
                    }
                }
            },
            Err(error) => {
                warn!(%error, "could not accept an RTMP connection");
                sleep(ACCEPT_REST).await;
            }
        }
    }
}

fn connect(stream: TcpStream, peer: SocketAddr, slot: Slot, shared: Arc<Shared>) -> Connection {
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE);
    let tuned = stream.set_nodelay(true).and(SockRef::from(&stream).set_tcp_keepalive(&keepalive));
    if let Err(error) = tuned {
        debug!(%peer, %error, "could not set the options of an RTMP socket");
    }
    Connection { stream, peer, session: Session::new(), early: Vec::new(), shared, slot }
}

async fn serve(
    mut connection: Connection,
    counters: Arc<Counters>,
    requests: mpsc::Sender<PublishRequest>,
) {
    let limit = Duration::from_millis(connection.shared.config.publish_timeout_ms);
    let asked = timeout(limit, connection.until_publish()).await;
    let error = match asked {
        Ok(Ok(publish)) => {
            // Nobody to ask any more means that the server stops: the request closes by itself.
            let _ = requests.send(PublishRequest::new(connection, publish)).await;
            return;
        }
        Ok(Err(error)) => error,
        Err(_) => Error::PublishTimeout(limit),
    };
    counters.count_failed();
    let peer = connection.peer;
    match &error {
        // Port scanners: not worth a line in a production log.
        Error::Protocol(rtmp::Error::Handshake(_)) | Error::Left | Error::PublishTimeout(_) => {
            debug!(%peer, %error, "an RTMP connection ended before it published");
        }
        _ => info!(%peer, %error, "an RTMP connection ended before it published"),
    }
    connection.hang_up().await;
}
