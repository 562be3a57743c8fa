//! Who may ask how often.
//!
//! Here: one bucket per address, member or account, for each thing that is limited. Not here: the
//! buckets themselves (`throttle`), the figures (`config`).

use std::net::IpAddr;

use media::id::UserId;
use sha2::{Digest, Sha256};

use crate::{
    address::Client,
    config,
    throttle::{Throttle, TooSoon},
};

/// The limits of the API.
pub struct Limits {
    address: Throttle<IpAddr>,
    user: Throttle<UserId>,
    login_account: Throttle<Account>,
    login_address: Throttle<IpAddr>,
    register_address: Throttle<IpAddr>,
    live_start: Throttle<UserId>,
}

/// An account as it was named, which need not exist: a hash, so that every key is as small.
type Account = [u8; 32];

/// A sign-in being tried. It counts as failed until [`Attempt::forgive`].
pub struct Attempt<'a> {
    limits: &'a Limits,
    account: Account,
    address: IpAddr,
}

impl Limits {
    /// Nobody has asked for anything yet.
    pub fn new(config: &config::Limits) -> Self {
        Self {
            address: Throttle::new(config.address, config.max_keys),
            user: Throttle::new(config.user, config.max_keys),
            login_account: Throttle::new(config.login_account, config.max_keys),
            login_address: Throttle::new(config.login_address, config.max_keys),
            register_address: Throttle::new(config.register_address, config.max_keys),
            live_start: Throttle::new(config.live_start, config.max_keys),
        }
    }

    /// Any request, by where it comes from.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn request(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.address.take(&client.limit_key(), now_ms)
    }

    /// Any request of a signed-in member.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn member(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.user.take(&user, now_ms)
    }

    /// A sign-in, whether the account exists or not.
    ///
    /// # Errors
    ///
    /// Too soon, for the account or the address.
    pub fn login(&self, client: &Client, email: &str, now_ms: i64) -> Result<Attempt<'_>, TooSoon> {
        let account = Sha256::digest(email.to_lowercase().as_bytes()).into();
        let address = client.limit_key();
        self.login_account.take(&account, now_ms)?;
        self.login_address
            .take(&address, now_ms)
            .inspect_err(|_| self.login_account.give_back(&account))?;
        Ok(Attempt { limits: self, account, address })
    }

    /// A new account.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn register(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.register_address.take(&client.limit_key(), now_ms)
    }

    /// A new live.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn live_start(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.live_start.take(&user, now_ms)
    }
}

impl Attempt<'_> {
    /// It was no guess: the password was right, or was never looked at.
    pub fn forgive(self) {
        self.limits.login_account.give_back(&self.account);
        self.limits.login_address.give_back(&self.address);
    }
}
