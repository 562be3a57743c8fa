use axum::{extract::Extension, routing::get};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{patience::PREFACE, *};

/// More than all buffers between the two ends.
pub(crate) const LARGE_BYTES: usize = 64 << 20;

/// A server with a few pages.
pub(crate) struct Started {
    pub(crate) address: SocketAddr,
    pub(crate) connections: Arc<Connections>,
    pub(crate) drain: watch::Sender<bool>,
}

impl Started {
    pub(crate) fn with(certificate: Option<Arc<Certificate>>, limits: Config) -> Self {
        let router = Router::new()
            .route(
                "/",
                get(|ConnectInfo(peer): ConnectInfo<SocketAddr>| async move { peer.to_string() }),
            )
            .route(
                "/scheme",
                get(|Extension(scheme): Extension<Scheme>| async move { scheme.to_string() }),
            )
            .route("/large", get(|| async { vec![0_u8; LARGE_BYTES] }));
        Self::serving(router, certificate, limits)
    }

    fn serving(
        site: impl Into<Site>,
        certificate: Option<Arc<Certificate>>,
        limits: Config,
    ) -> Self {
        let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
        let address = listener.local_addr().expect("bound");
        let (drain, draining) = watch::channel(false);
        let connections = Arc::<Connections>::default();
        tokio::spawn(serve(
            listener,
            certificate,
            site.into(),
            limits,
            connections.clone(),
            draining,
        ));
        Self { address, connections, drain }
    }
}

impl Connections {
    /// Waits until there is one.
    pub(crate) async fn some(&self) {
        let _ = self.total.subscribe().wait_for(|total| *total > 0).await;
    }
}

async fn start(config: Config) -> (SocketAddr, watch::Sender<bool>) {
    let Started { address, drain, .. } = Started::with(None, config);
    (address, drain)
}

pub(crate) async fn ask(socket: &mut (impl AsyncWrite + Unpin), path: &str) {
    let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
    socket.write_all(request.as_bytes()).await.expect("sent");
}

mod urgency;

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
async fn every_answer_is_of_the_type_it_says_and_no_other() {
    let (address, _drain) = start(Config::default()).await;
    let mut socket = TcpStream::connect(address).await.expect("connected");
    ask(&mut socket, "/").await;
    let mut answer = [0; 1024];
    let len = socket.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    assert!(answer.contains("x-content-type-options: nosniff\r\n"), "{answer}");
}

#[tokio::test]
async fn a_head_that_does_not_end_is_refused_before_it_fills_the_memory() {
    let (address, _drain) = start(Config::default()).await;
    let mut socket = TcpStream::connect(address).await.expect("connected");
    let endless = format!("GET / HTTP/1.1\r\nhost: x\r\nx: {}", "a".repeat(4 * WRITE_BUFFER_BYTES));
    // It may be closed while we still write.
    let _ = socket.write_all(endless.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
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

#[tokio::test(start_paused = true)]
async fn an_old_connection_is_closed_once_nothing_arrives_on_it_any_more() {
    let arriving = Arc::new(AtomicUsize::new(0));
    let patience = Duration::from_secs(20);
    let begun = tokio::time::Instant::now();
    let looks = Request::get("/").body(()).expect("a request");
    let _looks = Arrival::of(&looks, &arriving);
    closed(std::future::pending::<()>(), patience, &arriving).await;
    assert_eq!(begun.elapsed(), patience);

    let brings = Request::post("/").body(()).expect("a request");
    let arrival = Arrival::of(&brings, &arriving);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(1000)).await;
        drop(arrival);
    });
    closed(std::future::pending::<()>(), patience, &arriving).await;
    let open_for = begun.elapsed();
    assert!(open_for > Duration::from_secs(1000) && open_for < Duration::from_secs(1060));
}

#[tokio::test]
async fn an_answer_under_way_when_draining_begins_is_finished() {
    let listener = bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = listener.local_addr().expect("bound");
    let (drain, draining) = watch::channel(false);
    let router = Router::new().route("/large", get(|| async { vec![7_u8; 16 << 20] }));
    let connections = Arc::new(Connections::default());
    let server = serve(listener, None, router, Config::default(), connections.clone(), draining);
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
    assert!(rest.len() < LARGE_BYTES);
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
