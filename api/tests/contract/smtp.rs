//! A mail server of the tests' own: RFC 5321 with STARTTLS (RFC 3207) and AUTH PLAIN (RFC 4954), as
//! far as one client asks, with a certificate that its authority alone knows.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::{Config, Secret, Security, Smtp};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::pki_types::PrivateKeyDer;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;

/// For anything that comes at once, on a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub struct MailServer {
    port: u16,
    folder: TempDir,
    mails: mpsc::UnboundedReceiver<Mail>,
    ended: watch::Receiver<usize>,
}

/// What the server is like.
#[derive(Clone, Copy)]
pub struct Manner {
    pub offers_tls: bool,
    /// Mails it does not take for now, before it takes the next.
    pub refuses: usize,
}

/// A mail that was taken.
#[derive(Debug)]
pub struct Mail {
    pub to: String,
    pub was_encrypted: bool,
    pub login: Option<String>,
    /// With the encoding of its text undone.
    pub text: String,
}

impl Default for Manner {
    fn default() -> Self {
        Self { offers_tls: true, refuses: 0 }
    }
}

impl MailServer {
    pub async fn start(manner: Manner) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("ca.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(tls));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (taken, mails) = mpsc::unbounded_channel();
        let refusals = Arc::new(AtomicUsize::new(manner.refuses));
        let (counted, ended) = watch::channel(0);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let counted = counted.clone();
                let session = Session {
                    offers_tls: manner.offers_tls,
                    refusals: refusals.clone(),
                    taken: taken.clone(),
                };
                let acceptor = acceptor.clone();
                tokio::spawn(async move {
                    session.run(socket, acceptor).await;
                    counted.send_modify(|ended| *ended += 1);
                });
            }
        });
        Self { port, folder, mails, ended }
    }

    /// Settings that send mail here.
    pub fn settings(&self, config: Config) -> Config {
        Config {
            public_http_url: Some("https://live.example.org".into()),
            smtp: Smtp {
                host: "localhost".into(),
                port: self.port,
                security: Security::Starttls,
                username: "communiconnect".into(),
                password: Some(Secret::new("mail-password")),
                from: "CommuniConnect <noreply@example.org>".into(),
                ca_file: Some(self.authority()),
                ..Smtp::default()
            },
            ..config
        }
    }

    fn authority(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// The next mail that is taken.
    pub async fn next(&mut self) -> Mail {
        timeout(SOON, self.mails.recv()).await.expect("a mail in time").unwrap()
    }

    /// Sessions that are over, whatever came of them.
    pub fn ended(&self) -> usize {
        *self.ended.borrow()
    }

    /// Waits until so many sessions are over.
    pub async fn end_of(&mut self, sessions: usize) {
        let over = self.ended.wait_for(|ended| *ended >= sessions);
        timeout(SOON, over).await.expect("sessions end in time").unwrap();
    }

    pub fn has_taken_nothing(&mut self) -> bool {
        self.mails.try_recv().is_err()
    }
}

impl Mail {
    /// The token behind the `#` of its link.
    pub fn token(&self) -> String {
        let link = self.text.split("https://live.example.org/").nth(1).expect(&self.text);
        let token = link.split('#').nth(1).unwrap();
        token.chars().take_while(char::is_ascii_alphanumeric).collect()
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    StartTls,
    End,
}

struct Session {
    offers_tls: bool,
    refusals: Arc<AtomicUsize>,
    taken: mpsc::UnboundedSender<Mail>,
}

impl Session {
    async fn run(&self, socket: TcpStream, acceptor: TlsAcceptor) -> Option<()> {
        let mut plain = BufReader::new(socket);
        plain.write_all(b"220 mail.test ESMTP\r\n").await.ok()?;
        if self.converse(&mut plain, false).await? == Next::StartTls {
            let secure = acceptor.accept(plain.into_inner()).await.ok()?;
            self.converse(&mut BufReader::new(secure), true).await?;
        }
        Some(())
    }

    async fn converse(
        &self,
        socket: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        is_encrypted: bool,
    ) -> Option<Next> {
        let (mut login, mut to) = (None, String::new());
        loop {
            let line = line(socket).await?;
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            let answer = match verb.as_str() {
                "EHLO" if self.offers_tls && !is_encrypted => "250-mail.test\r\n250 STARTTLS",
                // Without TLS it takes passwords all the same, as careless servers do.
                "EHLO" => "250-mail.test\r\n250 AUTH PLAIN",
                "STARTTLS" => {
                    socket.write_all(b"220 go on\r\n").await.ok()?;
                    return Some(Next::StartTls);
                }
                "AUTH" => {
                    let coded = line.split(' ').nth(2)?;
                    let plain = BASE64_STANDARD.decode(coded).ok()?;
                    login = Some(String::from_utf8(plain).ok()?.replace('\0', " "));
                    "235 welcome"
                }
                "MAIL" => "250 fine",
                "RCPT" => {
                    to = line.split(['<', '>']).nth(1)?.to_owned();
                    "250 fine"
                }
                "DATA" => {
                    socket.write_all(b"354 go on\r\n").await.ok()?;
                    let mut text = String::new();
                    loop {
                        match self::line(socket).await?.as_str() {
                            "." => break,
                            line => text += &format!("{line}\r\n"),
                        }
                    }
                    let refused =
                        self.refusals.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                            left.checked_sub(1)
                        });
                    if refused.is_ok() {
                        "451 not now"
                    } else {
                        let mail = Mail {
                            to: to.clone(),
                            was_encrypted: is_encrypted,
                            login: login.clone(),
                            text: text.replace("=\r\n", ""),
                        };
                        self.taken.send(mail).ok()?;
                        "250 taken"
                    }
                }
                "QUIT" => {
                    socket.write_all(b"221 good-bye\r\n").await.ok()?;
                    return Some(Next::End);
                }
                _ => "250 fine",
            };
            socket.write_all(format!("{answer}\r\n").as_bytes()).await.ok()?;
        }
    }
}

async fn line(socket: &mut (impl AsyncBufReadExt + Unpin)) -> Option<String> {
    let mut line = String::new();
    let read = socket.read_line(&mut line).await.ok()?;
    (read > 0).then(|| line.trim_end().to_owned())
}
