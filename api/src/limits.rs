//! Who may ask how often.
//!
//! Here: one bucket per address, member or account, for each thing that is limited; which addresses
//! an account is used from. Not here: the buckets themselves (`throttle`), the figures (`config`).
//!
//! What could be done to others a second time on another server, or after a restart, has buckets in
//! common. What bounds how much this machine is asked is its own matter, and must cost less than the
//! request that it refuses (ADR 39).

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use commons::{Commons, Name, Whose};
use media::id::UserId;
use sha2::{Digest, Sha256};

use crate::{
    address::Client,
    config,
    throttle::{CommonThrottle, Owner, Taken, Throttle, TooSoon},
};

/// How long after a sign-in its address counts as one of the member's: he comes back within a month.
const FAMILIAR_MS: i64 = 30 * 24 * 60 * 60 * 1000;
const FAMILIAR: Duration = Duration::from_millis(FAMILIAR_MS as u64);

/// The limits of the API.
pub struct Limits {
    address: Throttle<IpAddr>,
    watch_address: Throttle<IpAddr>,
    user: Throttle<UserId>,
    login_account: CommonThrottle<Account>,
    familiar: Familiar,
    login_address: CommonThrottle<IpAddr>,
    mail_address: CommonThrottle<IpAddr>,
    mail_account: CommonThrottle<Account>,
    register_address: CommonThrottle<IpAddr>,
    live_start: CommonThrottle<UserId>,
    writing: CommonThrottle<UserId>,
    upload: CommonThrottle<UserId>,
}

/// An account as it was named, which need not exist, alone or with an address where it is used: a
/// hash, so that every key is as small.
type Account = [u8; 32];

/// The addresses from which accounts were signed in to lately, each with its account: those of this
/// server, and those that others marked.
struct Familiar {
    commons: Commons,
    max: usize,
    signed_in_ms: Mutex<HashMap<Account, i64>>,
}

/// A sign-in being tried. It counts as failed until [`Attempt::forgive`].
pub struct Attempt<'a> {
    account: Taken<'a, Account>,
    address: Taken<'a, IpAddr>,
}

impl Limits {
    /// Nobody has asked for anything yet, but for what other servers know.
    pub fn new(config: &config::Limits, commons: &Commons) -> Self {
        macro_rules! common {
            ($what:ident) => {
                CommonThrottle::new(stringify!($what), config.$what, config.max_keys, commons)
            };
        }
        let familiar = Familiar {
            commons: commons.clone(),
            max: config.max_keys,
            signed_in_ms: Mutex::default(),
        };
        Self {
            address: Throttle::new(config.address, config.max_keys),
            watch_address: Throttle::new(config.watch_address, config.max_keys),
            user: Throttle::new(config.user, config.max_keys),
            login_account: common!(login_account),
            familiar,
            login_address: common!(login_address),
            mail_address: common!(mail_address),
            mail_account: common!(mail_account),
            register_address: common!(register_address),
            live_start: common!(live_start),
            writing: common!(writing),
            upload: common!(upload),
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
    pub async fn login(
        &self,
        client: &Client,
        email: &str,
        now_ms: i64,
    ) -> Result<Attempt<'_>, TooSoon> {
        let address = client.limit_key();
        let here = account_at(email, address);
        let is_familiar = self.familiar.contains(&here, now_ms).await;
        let account = if is_familiar { here } else { account_of(email) };
        let account = self.login_account.take(&account, now_ms).await?;
        let address = self.login_address.take(&address, now_ms).await;
        let (account, address) = both(account, address).await?;
        Ok(Attempt { account, address })
    }

    /// Somebody has just proved that the account is his: he will be known at this address.
    pub async fn signed_in(&self, client: &Client, email: &str, now_ms: i64) {
        self.familiar.insert(account_at(email, client.limit_key()), now_ms).await;
    }

    /// A mail asked for, to an address that an account has or not.
    ///
    /// # Errors
    ///
    /// Too soon, for where it is asked from or where it would go.
    pub async fn mail(&self, client: &Client, email: &str, now_ms: i64) -> Result<(), TooSoon> {
        let account = self.mail_account.take(&account_of(email.trim()), now_ms).await?;
        let address = self.mail_address.take(&client.limit_key(), now_ms).await;
        both(account, address).await.map(drop)
    }

    /// A token of a mail being tried.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub async fn mailed_token(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.mail_address.take(&client.limit_key(), now_ms).await.map(drop)
    }

    /// A new account.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub async fn register(&self, client: &Client, now_ms: i64) -> Result<(), TooSoon> {
        self.register_address.take(&client.limit_key(), now_ms).await.map(drop)
    }

    /// A new live.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub async fn live_start(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.live_start.take(&user, now_ms).await.map(drop)
    }

    /// A new post, comment or message in a chat.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub async fn writing(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.writing.take(&user, now_ms).await.map(drop)
    }

    /// A file that comes in.
    ///
    /// # Errors
    ///
    /// Too soon.
    pub async fn upload(&self, user: UserId, now_ms: i64) -> Result<(), TooSoon> {
        self.upload.take(&user, now_ms).await.map(drop)
    }
}

impl Attempt<'_> {
    /// It was no guess: the password was right, or was never looked at.
    pub async fn forgive(self) {
        self.account.give_back().await;
        self.address.give_back().await;
    }
}

/// What was taken first, with what was to be taken besides; neither when that was too soon.
async fn both<'a, K: Owner, L: Owner>(
    first: Taken<'a, K>,
    second: Result<Taken<'a, L>, TooSoon>,
) -> Result<(Taken<'a, K>, Taken<'a, L>), TooSoon> {
    match second {
        Ok(second) => Ok((first, second)),
        Err(too_soon) => {
            first.give_back().await;
            Err(too_soon)
        }
    }
}

impl Familiar {
    async fn contains(&self, here: &Account, now_ms: i64) -> bool {
        self.knows(here, now_ms) || self.commons.is_marked(&name(here)).await == Some(true)
    }

    async fn insert(&self, here: Account, now_ms: i64) {
        self.learn(here, now_ms);
        self.commons.mark(&name(&here), FAMILIAR).await;
    }

    fn knows(&self, here: &Account, now_ms: i64) -> bool {
        let signed_in_ms = self.signed_in_ms.lock().unwrap_or_else(PoisonError::into_inner);
        signed_in_ms.get(here).is_some_and(|at_ms| is_lately(*at_ms, now_ms))
    }

    fn learn(&self, here: Account, now_ms: i64) {
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

/// Known to this site alone: at another that shares the counts, anybody may register the address.
fn name(here: &Account) -> Name<'_> {
    Name { what: "familiar", whose: Whose::AccountHere(here) }
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

    fn familiar(max: usize) -> Familiar {
        Familiar { commons: Commons::default(), max, signed_in_ms: Mutex::default() }
    }

    #[test]
    fn the_addresses_of_members_stay_within_their_limit_and_the_latest_are_kept() {
        let familiar = familiar(100);
        let place = |n: i64| account_at(&format!("{n}@example.org"), IpAddr::from([192, 0, 2, 1]));
        for n in 0..1000 {
            familiar.learn(place(n), n);
            assert!(familiar.signed_in_ms.lock().unwrap().len() <= 100);
        }
        assert!((960..1000).all(|n| familiar.knows(&place(n), 1000)));
        assert!(!familiar.knows(&place(0), 1000));
    }

    #[test]
    fn an_address_is_familiar_for_a_month() {
        let familiar = familiar(2);
        let place = account_at("fatou@example.org", IpAddr::from([192, 0, 2, 1]));
        familiar.learn(place, 0);
        assert!(familiar.knows(&place, FAMILIAR_MS - 1));
        assert!(!familiar.knows(&place, FAMILIAR_MS));
    }
}
