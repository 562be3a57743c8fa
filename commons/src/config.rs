//! The settings of what servers have in common.

use std::fmt;

use redis::Client;
use serde::Deserialize;

/// Fewest bytes of the secret.
const SECRET_MIN_BYTES: usize = 16;

/// Settings of the Redis. Every one has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// `redis://[user]:password@host:port/database`, `rediss://` over TLS, or `redis+unix:///path`. Without
    /// it there is none, and each server is alone.
    pub url: Option<Secret>,
    /// What addresses and e-mail addresses are hashed with before they stand in the Redis. By default the
    /// secret of the database's servers, who then share with no others.
    pub secret: Option<Secret>,
    /// Longest wait for an answer, in milliseconds. One on the same network takes less than one; whoever
    /// waits for it is a member who waits.
    pub deadline_ms: u64,
}

impl Config {
    /// Says which setting cannot be, if any.
    ///
    /// # Errors
    ///
    /// The name of the first such setting, and why.
    pub fn validate(&self) -> Result<(), String> {
        if self.secret.as_ref().is_some_and(|secret| secret.0.len() < SECRET_MIN_BYTES) {
            return Err(format!("secret: at least {SECRET_MIN_BYTES} bytes are needed"));
        }
        if !(1..=5_000).contains(&self.deadline_ms) {
            return Err("deadline_ms: must be between 1 and 5000".into());
        }
        self.client().map(drop)
    }

    /// Who would connect; `None` where there is no Redis.
    pub(crate) fn client(&self) -> Result<Option<Client>, String> {
        let Some(url) = self.url.as_ref().filter(|url| !url.0.is_empty()) else { return Ok(None) };
        // What the library says of a wrong URL may hold parts of it, a password among them.
        let wrong = |_| "url: must be like redis://:password@host:6379/0".to_owned();
        Client::open(url.0.as_str()).map(Some).map_err(wrong)
    }
}

impl Default for Config {
    fn default() -> Self {
        Self { url: None, secret: None, deadline_ms: 50 }
    }
}

/// A secret given by configuration. Prints as `…`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    pub(crate) fn reveal(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
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
    fn the_defaults_are_valid_and_there_is_no_redis() {
        assert_eq!(Config::default().validate(), Ok(()));
        assert!(Config::default().client().unwrap().is_none());
    }

    #[test]
    fn a_refusal_begins_with_the_name_of_the_setting_and_holds_no_secret() {
        let url = "http://:hunter2@host".to_owned();
        let said = refusal(|c| c.url = Some(Secret::new(url)));
        assert!(said.starts_with("url:") && !said.contains("hunter2"), "{said}");
        assert!(refusal(|c| c.secret = Some(Secret::new("short"))).starts_with("secret:"));
        assert!(refusal(|c| c.deadline_ms = 0).starts_with("deadline_ms:"));
    }

    #[test]
    fn a_configuration_prints_no_secret() {
        let secret = || Some(Secret::new("redis://:hunter2@host"));
        let config = Config { url: secret(), secret: secret(), ..Config::default() };
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<Config>(r#"{"urls": "x"}"#).unwrap_err();
        assert!(error.to_string().contains("urls"));
    }
}
