use std::path::Path;

use axum::http::Request;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::{ClientConfig, ProtocolVersion, RootCertStore, pki_types::ServerName};
use tempfile::TempDir;
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client};

use super::*;
use crate::http::{self, tests::Started};

/// An authority of its own, and the files it has written for the server.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    root: CertificateDer<'static>,
    folder: TempDir,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::new([]).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root = params.self_signed(&key).expect("signed").der().clone();
        let folder = tempfile::tempdir().expect("a folder");
        Self { issuer: Issuer::new(params, key), root, folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A certificate for `localhost`, and its key, as PEM.
    fn issue(&self) -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        let certificate = params.signed_by(&key, &self.issuer).expect("signed");
        (certificate.pem(), key.serialize_pem())
    }

    /// Replaces both files by a new pair; gives the certificate back.
    fn renew(&self) -> CertificateDer<'static> {
        let (certificate, key) = self.issue();
        self.write("certificate.pem", &certificate);
        self.write("key.pem", &key);
        CertificateDer::from_pem_slice(certificate.as_bytes()).expect("just made")
    }

    /// Beside it first, then in its place: as the tools that renew certificates do.
    fn write(&self, name: &str, text: &str) {
        let partial = self.path("partial");
        fs::write(&partial, text)
            .and_then(|()| fs::rename(partial, self.path(name)))
            .expect("kept");
    }

    fn config(&self) -> Config {
        Config {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 0))),
            certificate: self.path("certificate.pem"),
            key: self.path("key.pem"),
            ..Config::default()
        }
    }

    /// A client that trusts this authority alone and speaks `protocols`.
    fn client(&self, protocols: &[&[u8]]) -> TlsConnector {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).expect("a root");
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(rustls::ALL_VERSIONS)
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Arc::new(config).into()
    }
}

/// A server on HTTPS and the authority its clients trust.
struct House {
    authority: Authority,
    certificate: Arc<Certificate>,
    server: Started,
}

impl House {
    async fn start() -> Self {
        Self::with(http::Config::default()).await
    }

    async fn with(limits: http::Config) -> Self {
        let authority = Authority::new();
        authority.renew();
        let certificate = Arc::new(Certificate::load(&authority.config()).expect("a good pair"));
        let server = Started::with(Some(certificate.clone()), limits);
        Self { authority, certificate, server }
    }

    async fn tcp(&self) -> TcpStream {
        TcpStream::connect(self.server.address).await.expect("connected")
    }

    async fn connect(&self, protocols: &[&[u8]]) -> client::TlsStream<TcpStream> {
        let name = ServerName::try_from("localhost").expect("a name");
        let connector = self.authority.client(protocols);
        connector.connect(name, self.tcp().await).await.expect("greeted")
    }
}

/// The certificate a client was shown.
fn shown(socket: &client::TlsStream<TcpStream>) -> CertificateDer<'static> {
    let chain = socket.get_ref().1.peer_certificates().expect("shown");
    chain[0].clone().into_owned()
}

/// One request over HTTP/1.1, and its answer's body.
async fn ask(socket: &mut (impl AsyncRead + AsyncWrite + Unpin), path: &str) -> String {
    http::tests::ask(socket, path).await;
    let mut answer = [0; 1024];
    let len = socket.read(&mut answer).await.expect("an answer");
    let answer = String::from_utf8_lossy(&answer[..len]).into_owned();
    answer.rsplit("\r\n\r\n").next().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_client_speaks_http_1_1_over_tls() {
    let house = House::start().await;
    for protocols in [&[&b"http/1.1"[..]][..], &[]] {
        let mut socket = house.connect(protocols).await;
        assert_eq!(socket.get_ref().1.alpn_protocol(), protocols.first().copied());
        assert_eq!(ask(&mut socket, "/scheme").await, "https");
    }
}

#[tokio::test]
async fn a_client_that_can_speaks_http_2_over_tls() {
    let house = House::start().await;
    let socket = house.connect(&[b"h2", b"http/1.1"]).await;
    assert_eq!(socket.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    assert_eq!(socket.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
    let (mut client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    tokio::spawn(connection);
    let request = Request::get("https://localhost/scheme").body(()).expect("a request");
    let (answer, _) = client.send_request(request, true).expect("sent");
    let mut body = answer.await.expect("an answer").into_body();
    assert_eq!(body.data().await.expect("a body").expect("whole"), "https");
}

#[tokio::test]
async fn a_new_certificate_is_shown_to_new_clients_and_the_old_ones_go_on() {
    let house = House::start().await;
    let mut before = house.connect(&[]).await;
    let renewed = house.authority.renew();
    assert_ne!(shown(&before), renewed);
    assert_eq!(house.certificate.look().await, Look::Replaced);
    let after = house.connect(&[]).await;
    assert_eq!(shown(&after), renewed);
    assert_eq!(ask(&mut before, "/scheme").await, "https");
    assert_eq!(house.certificate.look().await, Look::Same);
}

#[tokio::test]
async fn a_signal_reads_the_files_again_though_they_look_the_same() {
    let house = House::start().await;
    assert_eq!(house.certificate.reload().await, Look::Replaced);
}

#[tokio::test]
async fn a_bad_new_pair_keeps_the_old_one_until_it_is_put_right() {
    let house = House::start().await;
    let old = shown(&house.connect(&[]).await);
    let (certificate, key) = house.authority.issue();
    house.authority.write("certificate.pem", &certificate);
    assert_eq!(house.certificate.look().await, Look::Kept, "the key is that of another");
    assert_eq!(house.certificate.look().await, Look::Same, "told once");
    house.authority.write("key.pem", "no key");
    assert_eq!(house.certificate.look().await, Look::Kept);
    fs::remove_file(house.authority.path("key.pem")).expect("it was there");
    assert_eq!(house.certificate.look().await, Look::Kept);
    assert_eq!(shown(&house.connect(&[]).await), old);
    house.authority.write("key.pem", &key);
    assert_eq!(house.certificate.look().await, Look::Replaced);
    assert_ne!(shown(&house.connect(&[]).await), old);
}

#[test]
fn a_bad_pair_does_not_start_and_its_setting_is_named() {
    let authority = Authority::new();
    authority.renew();
    let (_, other_key) = authority.issue();
    authority.write("other-key.pem", &other_key);
    authority.write("empty.pem", "");
    let cases = [
        ("absent.pem", "key.pem", "https.certificate"),
        ("empty.pem", "key.pem", "https.certificate"),
        ("certificate.pem", "absent.pem", "https.key"),
        ("certificate.pem", "empty.pem", "https.key"),
        ("certificate.pem", "certificate.pem", "https.key"),
        ("certificate.pem", "other-key.pem", "https.key"),
    ];
    for (certificate, key, setting) in cases {
        let [certificate, key] = [certificate, key].map(|name| authority.path(name));
        let config = Config { certificate, key, ..authority.config() };
        let error = Certificate::load(&config).err().map(|error| format!("{error:#}"));
        assert!(error.as_deref().is_some_and(|error| error.starts_with(setting)), "{error:?}");
    }
}

#[test]
fn no_line_of_a_key_is_in_an_error() {
    let authority = Authority::new();
    let (_, key) = authority.issue();
    let secret = key.lines().nth(1).expect("base64").to_owned();
    authority.renew();
    authority.write("key.pem", &key.replace(&secret, &format!("{secret}!")));
    let error = Certificate::load(&authority.config()).err().expect("no base64");
    assert!(!format!("{error:?}").contains(&secret[..16]));
}

#[test]
fn a_file_without_end_is_not_read_to_its_end() {
    assert!(read(Path::new("/dev/zero")).is_err());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_handshake_is_let_go() {
    let house = House::start().await;
    let half_a_hello = [22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3];
    for said in [&[][..], &half_a_hello] {
        let mut socket = house.tcp().await;
        let started = tokio::time::Instant::now();
        socket.write_all(said).await.expect("sent");
        let _ = socket.read_to_end(&mut Vec::new()).await;
        assert_eq!(started.elapsed().as_secs(), Config::default().handshake_s, "{said:?}");
    }
}

#[tokio::test]
async fn one_that_does_not_speak_tls_is_let_go_at_once() {
    let house = House::start().await;
    let mut socket = house.tcp().await;
    http::tests::ask(&mut socket, "/").await;
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer).await;
    assert!(!answer.starts_with(b"HTTP"));
}

#[tokio::test(start_paused = true)]
async fn one_that_says_nothing_after_its_handshake_is_let_go() {
    let house = House::start().await;
    let mut socket = house.connect(&[]).await;
    let started = tokio::time::Instant::now();
    let _ = socket.read_to_end(&mut Vec::new()).await;
    assert_eq!(started.elapsed().as_secs(), http::Config::default().idle_s);
}

#[tokio::test(start_paused = true)]
async fn one_that_takes_no_byte_of_its_answer_is_let_go() {
    let house = House::start().await;
    let mut socket = house.connect(&[]).await;
    http::tests::ask(&mut socket, "/large").await;
    // Nothing is read until the server has given up; then the answer ends early.
    house.server.connections.gone().await;
    let mut rest = Vec::new();
    let _ = socket.read_to_end(&mut rest).await;
    assert!(rest.len() < http::tests::LARGE_BYTES);
}

#[tokio::test]
async fn connections_count_from_before_their_handshake() {
    let limits = http::Config { max_connections_per_address: 1, ..http::Config::default() };
    let house = House::with(limits).await;
    let silent = house.tcp().await;
    let mut second = house.tcp().await;
    assert_eq!(second.read(&mut [0; 1]).await.unwrap_or(0), 0);
    drop(silent);
    house.server.connections.gone().await;
    assert_eq!(ask(&mut house.connect(&[]).await, "/scheme").await, "https");
}

#[tokio::test]
async fn draining_waits_for_no_handshake() {
    let house = House::start().await;
    let mut socket = house.tcp().await;
    house.server.connections.some().await;
    house.server.drain.send(true).expect("serving");
    house.server.connections.gone().await;
    assert_eq!(socket.read(&mut [0; 1]).await.unwrap_or(0), 0);
}
