//! Passwords: hashed and compared, away from the runtime's threads.
//!
//! Here: Argon2id, how many at once, how many may wait. Not here: who may try how often (`auth`).

use std::{fmt, sync::Arc};

use argon2::{
    Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version,
    password_hash::phc::PasswordHash,
};
use store::PasswordHash as StoredHash;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::config;

/// Shortest password, in characters.
pub const MIN_CHARS: usize = 8;

/// A password in clear, on its way to be hashed. Prints as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

/// Why there is no answer about a password.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// Too many wait already.
    #[error("too many passwords wait to be hashed")]
    Busy,
    /// The library or its thread failed.
    #[error("password not hashed: {0}")]
    Failed(String),
}

/// Hashes and compares passwords.
pub struct Hasher {
    argon2: Argon2<'static>,
    /// How every hash made here begins.
    beginning: String,
    /// The hash of no password, compared when the account does not exist, so that the answer
    /// takes as long as for one that does.
    nobody: Arc<str>,
    /// One permit per hash computed or waiting.
    admitted: Arc<Semaphore>,
    /// One permit per hash computed.
    computed: Arc<Semaphore>,
}

impl Hasher {
    /// Hashes as configured.
    ///
    /// # Errors
    ///
    /// When the parameters are not Argon2's, or the system gives no random bytes.
    pub fn new(config: &config::Passwords) -> Result<Self, Fault> {
        let argon2 = argon2(config)?;
        let nobody = argon2.hash_password(b"nobody").map_err(failed)?.to_string();
        let beginning = format!("$argon2id$v=19$m={},t={},p=1$", config.memory_kib, config.passes);
        Ok(Self {
            argon2,
            beginning,
            nobody: nobody.into(),
            admitted: Arc::new(Semaphore::new(config.at_once.saturating_add(config.waiting))),
            computed: Arc::new(Semaphore::new(config.at_once)),
        })
    }

    /// The hash of a password with a salt of its own, in the PHC string format.
    ///
    /// # Errors
    ///
    /// [`Fault::Busy`] when too many wait.
    pub async fn hash(&self, password: Password) -> Result<StoredHash, Fault> {
        let argon2 = self.argon2.clone();
        self.compute(move || {
            let hash = argon2.hash_password(password.0.as_bytes()).map_err(failed)?;
            Ok(StoredHash::new(hash.to_string()))
        })
        .await
    }

    /// Whether a hash was made by other parameters than those configured now.
    pub fn is_outdated(&self, hash: &StoredHash) -> bool {
        !hash.reveal().starts_with(&self.beginning)
    }

    /// Whether `password` is the one that was hashed. Takes as long, and says no, when there is no
    /// hash to compare with.
    ///
    /// # Errors
    ///
    /// [`Fault::Busy`] when too many wait; [`Fault::Failed`] when the stored hash cannot be read.
    pub async fn matches(
        &self,
        password: Password,
        hash: Option<StoredHash>,
    ) -> Result<bool, Fault> {
        let argon2 = self.argon2.clone();
        let nobody = Arc::clone(&self.nobody);
        self.compute(move || {
            let parsed = PasswordHash::new(hash.as_ref().map_or(&nobody, StoredHash::reveal))
                .map_err(failed)?;
            let same = argon2.verify_password(password.0.as_bytes(), &parsed).is_ok();
            Ok(same && hash.is_some())
        })
        .await
    }

    /// Runs `work` on a thread that may block. The permits go with it: a client that hangs up does
    /// not make room for another hash while its own is still computed.
    async fn compute<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Fault> {
        metrics::counter!("api_password_hashes_total").increment(1);
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| Fault::Busy)?;
        let computed = Arc::clone(&self.computed).acquire_owned().await.map_err(failed)?;
        let permits: [OwnedSemaphorePermit; 2] = [admitted, computed];
        tokio::task::spawn_blocking(move || {
            let result = work();
            drop(permits);
            result
        })
        .await
        .map_err(failed)?
    }
}

/// Hashes a password on the calling thread, for whoever has no API running.
///
/// # Errors
///
/// When it is shorter than a member's may be, or the library fails; the text says which.
pub fn hash_password(config: &config::Passwords, password: String) -> Result<StoredHash, String> {
    if password.chars().count() < MIN_CHARS {
        return Err(format!("a password has at least {MIN_CHARS} characters"));
    }
    let argon2 = argon2(config).map_err(|fault| fault.to_string())?;
    let hash = argon2.hash_password(password.as_bytes()).map_err(|error| error.to_string())?;
    Ok(StoredHash::new(hash.to_string()))
}

fn argon2(config: &config::Passwords) -> Result<Argon2<'static>, Fault> {
    let params = Params::new(config.memory_kib, config.passes, 1, None).map_err(failed)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

impl Password {
    /// Wraps what the member typed.
    pub fn new(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

fn failed(error: impl fmt::Display) -> Fault {
    Fault::Failed(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hasher(at_once: usize, waiting: usize) -> Hasher {
        Hasher::new(&config::Passwords { memory_kib: 8, passes: 1, at_once, waiting }).unwrap()
    }

    fn password(text: &str) -> Password {
        Password::new(text.to_owned())
    }

    #[tokio::test]
    async fn a_password_matches_its_own_hash_only() {
        let hasher = hasher(1, 8);
        let hash = hasher.hash(password("testpass123")).await.unwrap();
        assert!(hasher.matches(password("testpass123"), Some(hash.clone())).await.unwrap());
        assert!(!hasher.matches(password("testpass124"), Some(hash)).await.unwrap());
    }

    #[tokio::test]
    async fn nobody_has_no_password_that_matches() {
        assert!(!hasher(1, 8).matches(password("nobody"), None).await.unwrap());
    }

    #[tokio::test]
    async fn the_hash_is_argon2id_and_salted() {
        let hasher = hasher(1, 8);
        let one = hasher.hash(password("testpass123")).await.unwrap();
        assert!(one.reveal().starts_with("$argon2id$v=19$m=8,t=1,p=1$"));
        assert_ne!(one, hasher.hash(password("testpass123")).await.unwrap());
    }

    #[tokio::test]
    async fn a_hash_of_other_parameters_is_outdated_and_still_matches() {
        let weak = hasher(1, 8).hash(password("testpass123")).await.unwrap();
        let config =
            config::Passwords { memory_kib: 16, passes: 2, ..config::Passwords::default() };
        let strong = Hasher::new(&config).unwrap();
        assert!(strong.is_outdated(&weak) && !hasher(1, 8).is_outdated(&weak));
        assert!(strong.matches(password("testpass123"), Some(weak)).await.unwrap());
        assert!(!strong.is_outdated(&strong.hash(password("testpass123")).await.unwrap()));
    }

    #[test]
    fn the_defaults_are_the_first_choice_of_owasp() {
        let config = config::Passwords::default();
        let hash = hash_password(&config, "testpass123".into()).unwrap();
        assert!(hash.reveal().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(hash_password(&config, "court".into()).is_err());
    }

    #[tokio::test]
    async fn who_would_wait_too_long_is_told_at_once() {
        let hasher = hasher(1, 0);
        let _busy = Arc::clone(&hasher.admitted).try_acquire_owned().unwrap();
        assert!(matches!(hasher.hash(password("testpass123")).await, Err(Fault::Busy)));
    }

    #[test]
    fn a_password_never_prints() {
        assert_eq!(format!("{:?}", password("testpass123")), "…");
    }
}
