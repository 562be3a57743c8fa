//! HTTPS: its settings, its certificate, which may be replaced while it serves, and the handshake.
//!
//! Here: TLS. Not here: HTTP over it, its limits and its listener (`http`, the same for both).

pub(crate) mod redirect;

use std::{
    fs, io,
    io::Read as _,
    net::SocketAddr,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
};
use serde::Deserialize;
use tokio::{
    signal::unix::Signal,
    sync::watch,
    time::{MissedTickBehavior, interval, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use crate::http::Impatient;

/// The HTTPS listener's settings. Its limits are those of `http`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Address and port. Without them there is no HTTPS.
    pub listen: Option<SocketAddr>,
    /// The certificate and those between it and its authority, a PEM file.
    pub certificate: PathBuf,
    /// Its private key, a PEM file.
    pub key: PathBuf,
    /// How long a handshake may take.
    pub handshake_s: u64,
    /// Whether plain HTTP sends browsers here, media excepted.
    pub redirect: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: None,
            certificate: PathBuf::new(),
            key: PathBuf::new(),
            handshake_s: 10,
            redirect: false,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.handshake_s == 0 {
            return Err("https.handshake_s must be at least 1".into());
        }
        let files = [("certificate", &self.certificate), ("key", &self.key)];
        let missing = files.into_iter().find(|(_, path)| path.as_os_str().is_empty());
        match missing.filter(|_| self.listen.is_some()) {
            Some((setting, _)) => Err(format!("https.{setting} must be set for https.listen")),
            None if self.redirect && self.listen.is_none() => {
                Err("https.redirect: needs https.listen".into())
            }
            None => Ok(()),
        }
    }
}

/// How often the files are looked at. A new certificate is due weeks before the old one ends.
const LOOK: Duration = Duration::from_secs(5);
/// Largest file of certificates or of a key: a chain has a few, of 2 KB each.
const FILE_MAX_BYTES: u64 = 1024 * 1024;
/// What clients are offered, best first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];
/// Bytes the kernel takes on an HTTP/2 connection beyond those it may put on the wire now. By
/// default it takes megabytes, and a playlist waits behind them for seconds on a slow link.
const H2_UNSENT_BYTES: u32 = 64 * 1024;

/// A certificate and its key, as new connections get them.
pub(crate) struct Certificate {
    files: Files,
    handshake: Duration,
    current: watch::Sender<Arc<ServerConfig>>,
    /// The files as they were when last read, good or bad.
    seen: Mutex<Stamps>,
}

/// What a look at the files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// Nothing has changed.
    Same,
    /// New connections get what the files hold now.
    Replaced,
    /// What the files hold is of no use: new connections get what they got before.
    Kept,
}

impl Certificate {
    /// Reads the files for the first time. Blocks: for the start only.
    ///
    /// # Errors
    /// With the setting whose file is of no use.
    pub(crate) fn load(config: &Config) -> anyhow::Result<Self> {
        let files = Files { certificate: config.certificate.clone(), key: config.key.clone() };
        let seen = Mutex::new(files.stamps());
        let (current, _) = watch::channel(Arc::new(files.read()?));
        Ok(Self { files, handshake: Duration::from_secs(config.handshake_s), current, seen })
    }

    /// Reads the files again if they have changed since.
    pub(crate) async fn look(&self) -> Look {
        let seen = *self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        self.read_unless(Some(seen)).await
    }

    /// Reads the files again.
    pub(crate) async fn reload(&self) -> Look {
        self.read_unless(None).await
    }

    /// Replaces the certificate when its files change, and at once at a signal, until the process
    /// ends.
    pub(crate) async fn watch(&self, mut hangup: Signal) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = looks.tick() => self.look().await,
                _ = hangup.recv() => self.reload().await,
            };
        }
    }

    async fn read_unless(&self, seen: Option<Stamps>) -> Look {
        let files = self.files.clone();
        let read = move || {
            // Before reading: what is written meanwhile is found at the next look.
            let stamps = files.stamps();
            (Some(stamps) != seen).then(|| (stamps, files.read()))
        };
        // Files are not for the runtime's threads.
        let Ok(Some((stamps, read))) = tokio::task::spawn_blocking(read).await else {
            return Look::Same;
        };
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = stamps;
        let certificate = self.files.certificate.display();
        match read {
            Ok(config) => {
                self.current.send_replace(Arc::new(config));
                tracing::info!(%certificate, "new HTTPS connections get the certificate just read");
                Look::Replaced
            }
            Err(error) => {
                tracing::warn!(
                    "the HTTPS certificate is not replaced, the old one goes on: {error:#}"
                );
                Look::Kept
            }
        }
    }

    /// Begins TLS with a client. `None` for one that cannot, or takes too long.
    pub(crate) async fn greet(&self, socket: Impatient) -> Option<TlsStream<Impatient>> {
        let acceptor = TlsAcceptor::from(self.current.borrow().clone());
        let greeted = timeout(self.handshake, acceptor.accept(socket)).await;
        let Ok(Ok(socket)) = greeted else {
            ::metrics::counter!("https_handshakes_failed_total").increment(1);
            return None;
        };
        let (tcp, session) = socket.get_ref();
        if session.alpn_protocol() == Some(b"h2") {
            // A kernel that does not know it serves the same, later.
            let _ = socket2::SockRef::from(tcp.tcp()).set_tcp_notsent_lowat(H2_UNSENT_BYTES);
        }
        Some(socket)
    }
}

#[derive(Clone)]
struct Files {
    certificate: PathBuf,
    key: PathBuf,
}

/// What tells one version of a file from the next; `None` for a file that is not there.
type Stamp = Option<(u64, u64, i64, i64)>;
type Stamps = [Stamp; 2];

impl Files {
    fn stamps(&self) -> Stamps {
        [&self.certificate, &self.key].map(|path| {
            let file = fs::metadata(path).ok()?;
            Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        })
    }

    fn read(&self) -> anyhow::Result<ServerConfig> {
        let Self { certificate, key } = self;
        let certificate_context = || format!("https.certificate {}", certificate.display());
        let key_context = || format!("https.key {}", key.display());
        let chain =
            CertificateDer::pem_slice_iter(&read(certificate).with_context(certificate_context)?)
                .collect::<Result<Vec<_>, _>>()
                .with_context(certificate_context)?;
        if chain.is_empty() {
            bail!("{}: no certificate in this file", certificate_context());
        }
        let key = read(key)
            .and_then(|pem| Ok(PrivateKeyDer::from_pem_slice(&pem)?))
            .with_context(key_context)?;
        let provider = aws_lc_rs::default_provider();
        check(&provider, &chain, &key).map_err(|reason| match reason {
            Wrong::Certificate(error) => anyhow::Error::new(error).context(certificate_context()),
            Wrong::Key(error) => anyhow::Error::new(error).context(key_context()),
            Wrong::Pair => anyhow::anyhow!(
                "{}: not the key of the certificate in {}",
                key_context(),
                certificate.display()
            ),
        })?;
        Ok(server(provider, chain, key)?)
    }
}

fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(FILE_MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > FILE_MAX_BYTES {
        return Err(io::Error::from(io::ErrorKind::FileTooLarge).into());
    }
    Ok(bytes)
}

/// Which of the two is of no use.
enum Wrong {
    Certificate(rustls::Error),
    Key(rustls::Error),
    Pair,
}

fn check(
    provider: &CryptoProvider,
    chain: &[CertificateDer<'static>],
    key: &PrivateKeyDer<'static>,
) -> Result<(), Wrong> {
    let key = provider.key_provider.load_private_key(key.clone_key()).map_err(Wrong::Key)?;
    match rustls::sign::CertifiedKey::new(chain.to_vec(), key).keys_match() {
        Ok(()) => Ok(()),
        Err(rustls::Error::InconsistentKeys(_)) => Err(Wrong::Pair),
        Err(error) => Err(Wrong::Certificate(error)),
    }
}

/// TLS 1.2 and 1.3. Sessions are resumed by tickets, which take no memory here; a new certificate
/// comes with a new key for them, so that nobody goes on with the old one.
fn server(
    provider: CryptoProvider,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(provider))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
    config.ticketer = aws_lc_rs::Ticketer::new()?;
    Ok(config)
}

#[cfg(test)]
mod tests;
