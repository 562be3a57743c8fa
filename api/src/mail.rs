//! E-mail: what members are written, and how it leaves.
//!
//! Here: the settings, the texts, a bounded number of letters on their way to one SMTP server
//! (RFC 5321, RFC 6409), tried again for a while. Not here: who is written and when (`recovery`).
//! A letter holds nothing that a member wrote: whoever registers with the address of another could
//! have us send it.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use lettre::{
    Address, AsyncSmtpTransport, AsyncTransport, Message, Tokio1Executor,
    message::{
        Mailbox, MultiPart,
        header::{Header, HeaderName, HeaderValue},
    },
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, Tls, TlsParameters},
    },
};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    config::Secret,
    error::Error,
    random::{NoRandomness, random_bytes},
};

/// Letters on their way at once, those that wait for another try included. The next is refused, to
/// whoever asks.
const MAX_WAITING: usize = 256;
/// Connections to the SMTP server at once: what a small relay takes from one client.
const MAX_CONNECTIONS: usize = 4;
/// After how long a letter is tried again that the server did not take for now.
const RETRIES: [Duration; 3] =
    [Duration::from_secs(2), Duration::from_secs(30), Duration::from_secs(300)];

/// By whom e-mail is sent. Without a host, by nobody.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The SMTP server that takes our mail; empty: none is sent.
    pub host: String,
    /// Its port: 587 for submission (RFC 6409), 465 with `security = "tls"` (RFC 8314).
    pub port: u16,
    /// How the connection is secured.
    pub security: Security,
    /// For servers that ask who we are; empty: we do not say.
    pub username: String,
    /// Its password. Better in the environment or in a file than beside the other settings.
    pub password: Option<Secret>,
    /// A file that holds the password alone.
    pub password_file: Option<PathBuf>,
    /// Who writes: `CommuniConnect <ne-pas-repondre@example.org>`, or the address alone.
    pub from: String,
    /// A PEM file of the authority that signed the server's certificate, if the system does not know
    /// it.
    pub ca_file: Option<PathBuf>,
    /// How long each step of the exchange may take, in seconds.
    pub timeout_s: u64,
}

/// How the connection to the SMTP server is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Security {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS (RFC 3207), without which nothing is sent.
    Starttls,
    /// None: for a relay on the same machine.
    None,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            security: Security::Starttls,
            username: String::new(),
            password: None,
            password_file: None,
            from: String::new(),
            ca_file: None,
            timeout_s: 20,
        }
    }
}

impl Config {
    /// Whether mail is sent at all.
    pub fn is_on(&self) -> bool {
        !self.host.is_empty()
    }

    /// Says which setting cannot be, if any.
    ///
    /// # Errors
    ///
    /// The name of the first such setting, and why.
    pub fn validate(&self) -> Result<(), String> {
        if !self.is_on() {
            return Ok(());
        }
        if self.from.parse::<Mailbox>().is_err() {
            return Err("smtp.from: must be like CommuniConnect <noreply@example.org>".into());
        }
        if self.port == 0 {
            return Err("smtp.port: must be at least 1".into());
        }
        if self.timeout_s == 0 {
            return Err("smtp.timeout_s: must be at least 1".into());
        }
        let has_password = self.password.is_some() || self.password_file.is_some();
        if self.username.is_empty() == has_password {
            return Err("smtp.username: goes with smtp.password or smtp.password_file".into());
        }
        let is_here = matches!(self.host.as_str(), "localhost" | "127.0.0.1" | "::1");
        if self.security == Security::None && has_password && !is_here {
            return Err("smtp.security: \"none\" would send the password in clear".into());
        }
        Ok(())
    }
}

/// Where letters leave, if they do.
#[derive(Clone)]
pub struct Outbox(Option<Arc<Post>>);

struct Post {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    waiting: Arc<Semaphore>,
    connections: Semaphore,
}

/// A place among the letters on their way, taken before it is known whether there is anybody to write
/// to.
pub struct Place {
    post: Arc<Post>,
    _waiting: OwnedSemaphorePermit,
}

/// What is written to a member.
pub struct Letter {
    /// Its subject.
    pub subject: &'static str,
    /// What it is about, in French.
    pub text: &'static str,
    /// The same, shorter, in English.
    pub english: &'static str,
    /// What the link is called.
    pub action: &'static str,
    /// Where it leads; may hold a token.
    pub link: String,
    /// What to do if it comes as a surprise, in French.
    pub otherwise: &'static str,
}

impl Outbox {
    /// Reads what the settings name. Connects to nothing yet.
    ///
    /// # Errors
    ///
    /// The name of the setting whose file is of no use.
    pub fn open(config: &Config) -> Result<Self, String> {
        if !config.is_on() {
            return Ok(Self(None));
        }
        let host = config.host.clone();
        let tls = || -> Result<TlsParameters, String> {
            let mut tls = TlsParameters::builder(host.clone());
            if let Some(path) = &config.ca_file {
                let refused = |error: &dyn std::fmt::Display| {
                    format!("smtp.ca_file {}: {error}", path.display())
                };
                let pem = fs::read(path).map_err(|error| refused(&error))?;
                let authority = Certificate::from_pem(&pem).map_err(|error| refused(&error))?;
                tls = tls.add_root_certificate(authority);
            }
            tls.build_rustls().map_err(|error| format!("smtp: TLS: {error}"))
        };
        let tls = match config.security {
            Security::Tls => Tls::Wrapper(tls()?),
            Security::Starttls => Tls::Required(tls()?),
            Security::None => Tls::None,
        };
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(Duration::from_secs(config.timeout_s)));
        if let Some(password) = password(config)? {
            transport = transport.credentials(Credentials::new(config.username.clone(), password));
        }
        Ok(Self(Some(Arc::new(Post {
            transport: transport.build(),
            from: config.from.parse().map_err(|error| format!("smtp.from: {error}"))?,
            waiting: Arc::new(Semaphore::new(MAX_WAITING)),
            connections: Semaphore::new(MAX_CONNECTIONS),
        }))))
    }

    /// Takes a place for a letter.
    ///
    /// # Errors
    ///
    /// [`Error::NoMail`] where no mail is sent, [`Error::Busy`] when too many letters wait.
    pub fn place(&self) -> Result<Place, Error> {
        let post = self.0.clone().ok_or(Error::NoMail)?;
        let waiting = Arc::clone(&post.waiting);
        let _waiting = waiting.try_acquire_owned().map_err(|_| Error::Busy)?;
        Ok(Place { post, _waiting })
    }
}

impl Place {
    /// Sends a letter to an address, trying again what the server did not take for now. What it will
    /// never take is given up; either is logged without the address.
    pub async fn send(self, to: &str, letter: &Letter) {
        let message = match letter.message(&self.post.from, to) {
            Ok(message) => message,
            Err(reason) => {
                tracing::warn!(reason, "a letter could not be written");
                return outcome("failed");
            }
        };
        for wait in RETRIES.map(Some).into_iter().chain([None]) {
            let sent = match self.post.connections.acquire().await {
                Ok(_connection) => self.post.transport.send(message.clone()).await,
                Err(_) => return,
            };
            let Err(error) = sent else { return outcome("sent") };
            // What the server says may repeat the address.
            let code = error.status().map_or(0, u16::from);
            match wait.filter(|_| !error.is_permanent()) {
                Some(wait) => {
                    let wait_s = wait.as_secs();
                    tracing::info!(smtp.code = code, wait_s, "a letter was not taken for now");
                    tokio::time::sleep(wait).await;
                }
                None => {
                    tracing::warn!(smtp.code = code, "a letter was not sent");
                    return outcome("failed");
                }
            }
        }
    }
}

impl Letter {
    fn message(&self, from: &Mailbox, to: &str) -> Result<Message, String> {
        let to: Address = to.parse().map_err(|_| "the address is none".to_owned())?;
        let id = random_bytes()
            .map(u128::from_be_bytes)
            .map_err(|NoRandomness { .. }| "the system gives no random bytes".to_owned())?;
        let Self { subject, text, english, action, link, otherwise } = self;
        let plain = format!(
            "Bonjour,\n\n{text}\n\n{action} :\n{link}\n\n{otherwise}\n\n-- \nCommuniConnect\n\n{english}\n{link}\n"
        );
        // The texts are ours and the link has no sign that HTML reads otherwise.
        let html = format!(
            "<!doctype html><html lang=\"fr\"><meta charset=\"utf-8\"><body \
             style=\"font-family:sans-serif;line-height:1.5;max-width:34em;margin:1em auto\">\
             <p>Bonjour,</p><p>{text}</p>\
             <p><a href=\"{link}\" style=\"display:inline-block;padding:.6em 1em;border-radius:.5em;\
             background:#0b6b3a;color:#fff;text-decoration:none\">{action}</a></p>\
             <p>Ou copiez cette adresse dans votre navigateur :<br>{link}</p><p>{otherwise}</p>\
             <p>CommuniConnect</p><hr><p lang=\"en\">{english}</p></body></html>"
        );
        Message::builder()
            .from(from.clone())
            .to(Mailbox::new(None, to))
            .subject(*subject)
            .message_id(Some(format!("<{id:032x}@{}>", from.email.domain())))
            .header(AutoSubmitted)
            .multipart(MultiPart::alternative_plain_html(plain, html))
            .map_err(|error| error.to_string())
    }
}

/// Keeps holiday notices from answering (RFC 3834 §5).
#[derive(Debug, Clone)]
struct AutoSubmitted;

impl Header for AutoSubmitted {
    fn name() -> HeaderName {
        HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> HeaderValue {
        HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

fn outcome(outcome: &'static str) {
    metrics::counter!("api_mails_total", "outcome" => outcome).increment(1);
}

/// The password, from the settings or its file; a line end behind it is none of it.
fn password(config: &Config) -> Result<Option<String>, String> {
    if let Some(path) = &config.password_file {
        let text = fs::read_to_string(path)
            .map_err(|error| format!("smtp.password_file {}: {error}", path.display()))?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    let Some(password) = &config.password else { return Ok(None) };
    let password = String::from_utf8(password.reveal().to_vec());
    password.map(Some).map_err(|_| "smtp.password: must be text".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config {
            host: "mail.example.org".into(),
            from: "CommuniConnect <noreply@example.org>".into(),
            ..Config::default()
        };
        change(&mut config);
        config.validate().unwrap_err()
    }

    #[test]
    fn a_setting_that_cannot_be_is_refused_by_its_name() {
        assert!(refusal(|c| c.from = "nobody".into()).starts_with("smtp.from:"));
        assert!(refusal(|c| c.port = 0).starts_with("smtp.port:"));
        assert!(refusal(|c| c.username = "u".into()).starts_with("smtp.username:"));
        assert!(refusal(|c| c.password = Some(Secret::new("p"))).starts_with("smtp.username:"));
        let clear = refusal(|c| {
            c.security = Security::None;
            c.username = "u".into();
            c.password = Some(Secret::new("p"));
        });
        assert!(clear.starts_with("smtp.security:"), "{clear}");
    }

    #[test]
    fn a_password_file_holds_one_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        fs::write(&path, "pass word\n").unwrap();
        let config = Config { password_file: Some(path), ..Config::default() };
        assert_eq!(password(&config).unwrap().as_deref(), Some("pass word"));
        let config = Config { password_file: Some(folder.path().join("none")), ..config };
        assert!(password(&config).unwrap_err().starts_with("smtp.password_file"));
    }

    #[tokio::test]
    async fn letters_on_their_way_have_a_limit() {
        let config = Config {
            host: "127.0.0.1".into(),
            from: "noreply@example.org".into(),
            security: Security::None,
            ..Config::default()
        };
        let outbox = Outbox::open(&config).unwrap();
        let places: Vec<_> = (0..MAX_WAITING).map(|_| outbox.place().unwrap()).collect();
        assert!(matches!(outbox.place(), Err(Error::Busy)));
        drop(places);
        assert!(outbox.place().is_ok());
        let off = Outbox::open(&Config::default()).unwrap();
        assert!(matches!(off.place(), Err(Error::NoMail)));
    }

    #[test]
    fn a_letter_is_text_and_html_in_french_first_and_names_nobody() {
        let letter = Letter {
            subject: "Votre mot de passe",
            text: "Vous avez demandé un nouveau mot de passe.",
            english: "You asked for a new password.",
            action: "Choisir un mot de passe",
            link: "https://live.example.org/mot-de-passe#token".into(),
            otherwise: "Sinon, ignorez ce message.",
        };
        let from = "CommuniConnect <noreply@example.org>".parse().unwrap();
        let message = letter.message(&from, "fatou@example.org").unwrap().formatted();
        let text = String::from_utf8(message).unwrap();
        for part in [
            "From: CommuniConnect <noreply@example.org>",
            "To: fatou@example.org",
            "Auto-Submitted: auto-generated",
            "Content-Type: multipart/alternative",
            "Content-Type: text/plain",
            "Content-Type: text/html",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
        assert!(text.contains("@example.org>\r\n"), "{text}");
        assert!(letter.message(&from, "no address").is_err());
    }
}
