//! Who may ask how often.
//!
//! Here: one bucket per address, member or account, for each thing that is limited; which addresses
//! an account is used from. Not here: the buckets themselves (`throttle`), the figures (`config`).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
};

use media::id::UserId;
use sha2::{Digest, Sha256};

use crate::{
    address::Client,
    config,
    throttle::{Throttle, TooSoon},
};

/// How long after a sign-in its address counts as one of the member's: he comes back within a month.
const FAMILIAR_MS: i64 = 30 * 24 * 60 * 60 * 1000;

/// The limits of the API.
pub struct Limits {
    address: Throttle<IpAddr>,
    watch_address: Throttle<IpAddr>,
    user: Throttle<UserId>,
    login_account: Throttle<Account>,
    familiar: Familiar,
    login_address: Throttle<IpAddr>,
    mail_address: Throttle<IpAddr>,
    mail_account: Throttle<Account>,
    register_address: Throttle<IpAddr>,
    live_start: Throttle<UserId>,
    writing: Throttle<UserId>,
    upload: Throttle<UserId>,
}

/// An account as it was named, which need not exist, alone or with an address where it is used: a
/// hash, so that every key is as small.
type Account = [u8; 32];

/// The addresses from which accounts were signed in to lately, each with its account.
struct Familiar {
    max: usize,
    signed_in_ms: Mutex<HashMap<Account, i64>>,
}

/// A sign-in being tried. It counts as failed until [`Attempt::forgive`].
pub struct Attempt<'a> {
    limits: &'a Limits,
    /// Whose bucket was taken from.
    account: Account,
    address: IpAddr,
}

impl Limits {
    /// Nobody has asked for anything yet.
    pub fn new(config: &config::Limits) -> Self {
        Self {
            address: Throttle::new(config.address, config.max_keys),
            watch_address: Throttle::new(config.watch_address, config.max_keys),
            user: Throttle::new(config.user, config.max_keys),
            login_account: Throttle::new(config.login_account, config.max_keys),
            familiar: Familiar { max: config.max_keys, signed_in_ms: Mutex::default() },
            login_address: Throttle::new(config.login_address, config.max_keys),
            mail_address: Throttle::new(config.mail_address, config.max_keys),
            mail_account: Throttle::new(config.mail_account, config.max_keys),
            register_address: Throttle::new(config.register_address, config.max_keys),
            live_start: Throttle::new(config.live_start, config.max_keys),
            writing: Throttle::new(config.writing, config.max_keys),
            upload: Throttle::new(config.upload, config.max_keys),
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

    /// Puts back what [`Limits::request`] took.
    pub fn forgive_request(&self, client: &Client) {
        self.address.give_back(&client.limit_key());
    }

    /// A question about a live, by where it comes from.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn watch(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.watch_address.take(&client.limit_key(), now_ms)
    }

    /// Any request of a signed-in member.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn member(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.user.take(&user, now_ms)
    }

    /// A sign-in, whether the account exists or not. An address the account is used from has a
    /// bucket of its own: strangers, who empty the other, cannot keep the member out.
    ///
    /// # Errors
    ///
    /// Too soon, for the account or the address.
    pub fn login(&self, client: &Client, email: &str, now_ms: i64) -> Result<Attempt<'_>, TooSoon> {
        let address = client.limit_key();
        let here = account_at(email, address);
        let account = if self.familiar.contains(&here, now_ms) { here } else { account_of(email) };
        self.login_account.take(&account, now_ms)?;
        self.login_address
            .take(&address, now_ms)
            .inspect_err(|_| self.login_account.give_back(&account))?;
        Ok(Attempt { limits: self, account, address })
    }

    /// Somebody has just proved that the account is his: he will be known at this address.
    pub fn signed_in(&self, client: &Client, email: &str, now_ms: i64) {
        self.familiar.insert(account_at(email, client.limit_key()), now_ms);
    }

    /// A mail asked for, to an address that an account has or not.
    ///
    /// # Errors
    ///
    /// Too soon, for where it is asked from or where it would go.
    pub fn mail(&self, client: &Client, email: &str, now_ms: i64) -> Result<(), TooSoon> {
        let account = account_of(email.trim());
        self.mail_account.take(&account, now_ms)?;
        self.mail_address
            .take(&client.limit_key(), now_ms)
            .inspect_err(|_| self.mail_account.give_back(&account))
    }

    /// A token of a mail being tried.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn mailed_token(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.mail_address.take(&client.limit_key(), now_ms)
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

    /// A new post, comment or message in a chat.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn writing(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.writing.take(&user, now_ms)
    }

    /// A file that comes in.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub fn upload(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.upload.take(&user, now_ms)
    }
}

impl Attempt<'_> {
    /// It was no guess: the password was right, or was never looked at.
    pub fn forgive(self) {
        self.limits.login_account.give_back(&self.account);
        self.limits.login_address.give_back(&self.address);
    }
}

impl Familiar {
    fn contains(&self, here: &Account, now_ms: i64) -> bool {
        let signed_in_ms = self.signed_in_ms.lock().unwrap_or_else(PoisonError::into_inner);
        signed_in_ms.get(here).is_some_and(|at_ms| is_lately(*at_ms, now_ms))
    }

    fn insert(&self, here: Account, now_ms: i64) {
        let mut signed_in_ms = self.signed_in_ms.lock().unwrap_or_else(PoisonError::into_inner);
        if !signed_in_ms.contains_key(&here) && signed_in_ms.len() >= self.max {
            let mut times: Vec<i64> = signed_in_ms.values().copied().collect();
            // The later half stays: this is done once per so many sign-ins.
            let (_, median, _) = times.select_nth_unstable(self.max / 2);
            let median = *median;
            signed_in_ms.retain(|_, at_ms| *at_ms > median && is_lately(*at_ms, now_ms));
        }
        signed_in_ms.insert(here, now_ms);
    }
}

fn is_lately(at_ms: i64, now_ms: i64) -> bool {
    now_ms.saturating_sub(at_ms) < FAMILIAR_MS
}

fn account_of(email: &str) -> Account {
    Sha256::digest(email.to_lowercase().as_bytes()).into()
}

fn account_at(email: &str, address: IpAddr) -> Account {
    // No address in text is part of an e-mail address: none has a space.
    Sha256::digest(format!("{} {address}", email.to_lowercase()).as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_members_stay_within_their_limit_and_the_latest_are_kept() {
        let familiar = Familiar { max: 100, signed_in_ms: Mutex::default() };
        let place = |n: i64| account_at(&format!("{n}@example.org"), IpAddr::from([192, 0, 2, 1]));
        for n in 0..1000 {
            familiar.insert(place(n), n);
            assert!(familiar.signed_in_ms.lock().unwrap().len() <= 100);
        }
        assert!((960..1000).all(|n| familiar.contains(&place(n), 1000)));
        assert!(!familiar.contains(&place(0), 1000));
    }

    #[test]
    fn an_address_is_familiar_for_a_month() {
        let familiar = Familiar { max: 2, signed_in_ms: Mutex::default() };
        let place = account_at("fatou@example.org", IpAddr::from([192, 0, 2, 1]));
        familiar.insert(place, 0);
        assert!(familiar.contains(&place, FAMILIAR_MS - 1));
        assert!(!familiar.contains(&place, FAMILIAR_MS));
    }
}
