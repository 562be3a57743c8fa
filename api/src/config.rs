//! The settings of the API and what each is for.

use std::fmt;

use commons::Commons;
use http::HeaderValue;
use serde::Deserialize;

use crate::{
    address::Network, films, mail, moderation, push, realtime, throttle::Rate, token::Keyring,
    uploads, workshop,
};

/// Settings of the API. Every one has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Signs the tokens (HS256), at least 32 bytes (RFC 7518 §3.2). Without one the router makes
    /// its own, and every session ends when the server does.
    pub jwt_secret: Option<Secret>,
    /// What `jwt_secret` was before: tokens it signed are still believed. To be taken out once
    /// `refresh_token_s` have passed, and at once if it was stolen.
    pub jwt_retired_secret: Option<Secret>,
    /// The keys in use, when whoever assembles the server keeps them himself; else those above.
    #[serde(skip)]
    pub keyring: Keyring,
    /// What this server has in common with others, by whoever assembles it: nothing by default.
    #[serde(skip)]
    pub commons: Commons,
    /// Life of an access token, in seconds. 1 h: what a stolen one is worth.
    pub access_token_s: u32,
    /// Life of a refresh token, in seconds. 7 days: a member who comes back every week stays
    /// signed in.
    pub refresh_token_s: u32,
    /// Origins whose pages may call the API with credentials. By default the development servers
    /// of the web client; the page this server itself serves needs none.
    pub cors_origins: Vec<String>,
    /// Proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed, as addresses or
    /// ranges. None by default: anybody can write these headers.
    pub trusted_proxies: Vec<Network>,
    /// Where viewers reach this server, such as `https://live.example.org`. By default the `Host`
    /// of each request.
    pub public_http_url: Option<String>,
    /// The host encoders publish to. By default that of `public_http_url`, or the `Host` of each
    /// request.
    pub public_rtmp_host: Option<String>,
    /// The port encoders publish to; 1935 is left out of the URLs. 0, the default, is the port
    /// this server listens on, which whoever assembles it fills in.
    pub public_rtmp_port: u16,
    /// Largest JSON body, in bytes. 64 KiB: ten times the longest post.
    pub body_max_bytes: usize,
    /// Longest time a request may take, body included, in milliseconds. A client slower than that
    /// holds a connection for nothing.
    pub request_timeout_ms: u64,
    /// How often somebody may ask.
    pub limits: Limits,
    /// How passwords are hashed.
    pub passwords: Passwords,
    /// What members may bring.
    pub uploads: uploads::Config,
    /// Clips of recordings.
    pub clips: films::Config,
    /// How much may be told as it happens.
    pub realtime: realtime::Config,
    /// What is made of it.
    pub workshop: workshop::Config,
    /// Whether others may see it.
    pub moderation: moderation::Config,
    /// How members' browsers are told.
    pub push: push::Config,
    /// By whom e-mail is sent.
    pub smtp: mail::Config,
    /// What is kept of who did what.
    pub audit: Audit,
}

/// What is kept of who did what to accounts.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Audit {
    /// Days a line is kept: half a year, for a theft is often noticed late.
    pub days: u32,
    /// Lines kept, however young: 100 MB, should somebody guess passwords for months.
    pub max_lines: u32,
}

impl Audit {
    fn validate(&self) -> Result<(), String> {
        if !(1..=3_650).contains(&self.days) {
            return Err("audit.days: must be between 1 and 3650".into());
        }
        if self.max_lines == 0 {
            return Err("audit.max_lines: must be at least 1".into());
        }
        Ok(())
    }
}

impl Default for Audit {
    fn default() -> Self {
        Self { days: 180, max_lines: 500_000 }
    }
}

/// How often somebody may ask. Addresses count by /64 in IPv6.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// All requests of one address. Generous: behind a mobile operator one address is a
    /// neighbourhood, and a page is about ten calls.
    pub address: Rate,
    /// What the pages of one address ask about lives they watch, apart from all other requests:
    /// fifteen a minute for each viewer of an interrupted live, and such an address may have
    /// thousands. Answered from memory.
    pub watch_address: Rate,
    /// All requests of one signed-in member. A page, a post with five files and a live with its
    /// status every two seconds fit many times over.
    pub user: Rate,
    /// Failed sign-ins to one account, from all addresses where nobody signed in to it lately, and
    /// apart from them from each where somebody did. Ten tries, then one every 30 s: no list of
    /// passwords is worth trying at that pace.
    pub login_account: Rate,
    /// Failed sign-ins from one address, whatever the account. Thirty, for a shared address, then
    /// one every 3 s.
    pub login_address: Rate,
    /// Mails asked for from one address, and with tokens of such mails tried: ten, then one every
    /// 30 s.
    pub mail_address: Rate,
    /// Mails asked for to one address, whether an account has it or not: three, then one a minute;
    /// and not more than five a day, which the database counts.
    pub mail_account: Rate,
    /// Accounts created from one address: twenty, for a meeting where everybody joins, then one
    /// every 30 s.
    pub register_address: Rate,
    /// Lives started by one member: ten, for somebody fighting with his encoder, then one every
    /// 30 s. Each leaves a post.
    pub live_start: Rate,
    /// Posts, comments and messages in chats written by one member: fifty, for whoever answers all
    /// of his readers, then one every 2 s. Nobody types faster for long.
    pub writing: Rate,
    /// Files brought by one member: four posts of five at once, then one every 3 s.
    pub upload: Rate,
    /// Addresses, members or accounts remembered by each limit: about 6 MB each when full.
    pub max_keys: usize,
}

/// How passwords are hashed (Argon2id, RFC 9106).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Passwords {
    /// Memory of one hash, in KiB. 19 MiB with 2 passes is the first choice of the OWASP password
    /// storage guide.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Hashes computed at once: bounds the memory (`memory_kib` each) and leaves processors to
    /// the lives.
    pub at_once: usize,
    /// Requests that may wait for their turn; the next one is answered 503. At 30 ms a hash the
    /// last of 64 waits for two seconds.
    pub waiting: usize,
}

/// A secret given by configuration. Prints as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes of a secret.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// The secret as text, for those who send it.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0).into_owned()
    }

    /// The bytes, for those who sign.
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Config {
    /// Says which setting cannot be, if any.
    ///
    /// # Errors
    ///
    /// The name of the first such setting, and why.
    pub fn validate(&self) -> Result<(), String> {
        const SECRET_MIN_BYTES: usize = 32;
        let secrets =
            [("jwt_secret", &self.jwt_secret), ("jwt_retired_secret", &self.jwt_retired_secret)];
        for (setting, secret) in secrets {
            if secret.as_ref().is_some_and(|secret| secret.0.len() < SECRET_MIN_BYTES) {
                return Err(format!("{setting}: at least {SECRET_MIN_BYTES} bytes are needed"));
            }
        }
        if self.jwt_retired_secret.is_some() && self.jwt_secret.is_none() {
            return Err("jwt_retired_secret: needs jwt_secret, which takes its place".into());
        }
        if self.access_token_s == 0 {
            return Err("access_token_s: must be at least 1".into());
        }
        if self.refresh_token_s < self.access_token_s {
            return Err("refresh_token_s: must be at least access_token_s".into());
        }
        if let Some(origin) = self.cors_origins.iter().find(|origin| !is_origin(origin)) {
            return Err(format!("cors_origins: {origin:?} is not like https://example.org"));
        }
        if self.public_http_url.as_ref().is_some_and(|url| !is_origin(url)) {
            return Err("public_http_url: must be like https://live.example.org, no path".into());
        }
        if self.public_rtmp_host.as_ref().is_some_and(|host| host.is_empty() || host.contains('/'))
        {
            return Err("public_rtmp_host: must be a host name or an address".into());
        }
        if self.body_max_bytes == 0 {
            return Err("body_max_bytes: must be at least 1".into());
        }
        if self.request_timeout_ms == 0 {
            return Err("request_timeout_ms: must be at least 1".into());
        }
        self.limits.validate()?;
        self.passwords.validate()?;
        self.smtp.validate()?;
        if self.smtp.is_on() && self.public_http_url.is_none() {
            return Err("public_http_url: must be set for smtp.host, whose mails lead there".into());
        }
        self.audit.validate()?;
        self.uploads.validate()?;
        self.clips.validate()?;
        self.push.validate()?;
        self.workshop.validate()?;
        self.moderation.validate()?;
        self.realtime.validate()
    }
}

impl Default for Config {
    fn default() -> Self {
        let development_ports = [3000, 3001, 3002, 3004];
        let cors_origins = ["localhost", "127.0.0.1"]
            .iter()
            .flat_map(|host| development_ports.map(|port| format!("http://{host}:{port}")))
            .collect();
        Self {
            jwt_secret: None,
            jwt_retired_secret: None,
            keyring: Keyring::default(),
            commons: Commons::default(),
            access_token_s: 60 * 60,
            refresh_token_s: 7 * 24 * 60 * 60,
            cors_origins,
            trusted_proxies: Vec::new(),
            public_http_url: None,
            public_rtmp_host: None,
            public_rtmp_port: 0,
            body_max_bytes: 64 * 1024,
            request_timeout_ms: 30_000,
            limits: Limits::default(),
            passwords: Passwords::default(),
            uploads: uploads::Config::default(),
            clips: films::Config::default(),
            push: push::Config::default(),
            smtp: mail::Config::default(),
            audit: Audit::default(),
            workshop: workshop::Config::default(),
            moderation: moderation::Config::default(),
            realtime: realtime::Config::default(),
        }
    }
}

impl Limits {
    fn validate(&self) -> Result<(), String> {
        self.address.validate("limits.address")?;
        self.watch_address.validate("limits.watch_address")?;
        self.user.validate("limits.user")?;
        self.login_account.validate("limits.login_account")?;
        self.login_address.validate("limits.login_address")?;
        self.mail_address.validate("limits.mail_address")?;
        self.mail_account.validate("limits.mail_account")?;
        self.register_address.validate("limits.register_address")?;
        self.live_start.validate("limits.live_start")?;
        self.writing.validate("limits.writing")?;
        self.upload.validate("limits.upload")?;
        if self.max_keys < 2 {
            return Err("limits.max_keys: must be at least 2".into());
        }
        Ok(())
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            address: Rate { burst: 300, per_minute: 1200 },
            watch_address: Rate { burst: 3000, per_minute: 30_000 },
            user: Rate { burst: 200, per_minute: 600 },
            login_account: Rate { burst: 10, per_minute: 2 },
            login_address: Rate { burst: 30, per_minute: 20 },
            mail_address: Rate { burst: 10, per_minute: 2 },
            mail_account: Rate { burst: 3, per_minute: 1 },
            register_address: Rate { burst: 20, per_minute: 2 },
            live_start: Rate { burst: 10, per_minute: 2 },
            writing: Rate { burst: 50, per_minute: 30 },
            upload: Rate { burst: 20, per_minute: 20 },
            max_keys: 65_536,
        }
    }
}

impl Passwords {
    fn validate(&self) -> Result<(), String> {
        const MIN_MEMORY_KIB: u32 = 8;
        const MAX_MEMORY_KIB: u32 = 1024 * 1024;
        if !(MIN_MEMORY_KIB..=MAX_MEMORY_KIB).contains(&self.memory_kib) {
            return Err(format!(
                "passwords.memory_kib: must be between {MIN_MEMORY_KIB} and {MAX_MEMORY_KIB}"
            ));
        }
        if !(1..=1000).contains(&self.passes) {
            return Err("passwords.passes: must be between 1 and 1000".into());
        }
        if !(1..=1024).contains(&self.at_once) {
            return Err("passwords.at_once: must be between 1 and 1024".into());
        }
        if self.waiting > 100_000 {
            return Err("passwords.waiting: must be at most 100000".into());
        }
        Ok(())
    }
}

impl Default for Passwords {
    fn default() -> Self {
        Self { memory_kib: 19 * 1024, passes: 2, at_once: 2, waiting: 64 }
    }
}

/// `scheme://host[:port]`, as a browser writes it in `Origin` (RFC 6454 §6.2).
fn is_origin(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    host.is_some_and(|host| !host.is_empty() && !host.contains(['/', '?', '#', '@', '*', ' ']))
        && HeaderValue::from_str(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.validate().unwrap_err()
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn a_refusal_begins_with_the_name_of_the_setting() {
        assert!(refusal(|c| c.jwt_secret = Some(Secret::new("short"))).starts_with("jwt_secret:"));
        assert!(refusal(|c| c.cors_origins = vec!["*".into()]).starts_with("cors_origins:"));
        assert!(
            refusal(|c| c.public_http_url = Some("https://a/b".into()))
                .starts_with("public_http_url:")
        );
        assert!(refusal(|c| c.limits.user.burst = 0).starts_with("limits.user:"));
        assert!(refusal(|c| c.passwords.at_once = 0).starts_with("passwords.at_once:"));
        assert!(refusal(|c| c.realtime.idle_s = 0).starts_with("realtime.idle_s:"));
        assert!(refusal(|c| c.refresh_token_s = 1).starts_with("refresh_token_s:"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<Config>(r#"{"jwt_secrets": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("jwt_secrets"));
    }

    #[test]
    fn a_configuration_prints_no_secret() {
        let config = Config { jwt_secret: Some(Secret::new("s3cr3t")), ..Config::default() };
        assert!(!format!("{config:?}").contains("s3cr3t"));
    }
}
