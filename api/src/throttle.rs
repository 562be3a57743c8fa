//! How often somebody may ask.
//!
//! Here: a token bucket per key, in one number each (the generic cell rate algorithm, ITU-T I.371
//! annex A), in a map that cannot outgrow its limit, and beside it one that other servers take from too.
//! Not here: who is limited by what (`router`, `auth`), the clock: every time is an argument.

use std::{
    collections::HashMap,
    hash::Hash,
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use commons::{Bucket, Commons, Name, Whose};
use media::id::UserId;
use serde::Deserialize;

/// How many requests at once, and how many a minute after that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Requests that may come at once after a rest.
    pub burst: u32,
    /// Requests that become possible again each minute.
    pub per_minute: u32,
}

impl Rate {
    /// Says what is wrong with the rate, if anything.
    ///
    /// # Errors
    ///
    /// When either number is 0: nobody could ever ask again.
    pub fn validate(&self, setting: &str) -> Result<(), String> {
        if self.burst == 0 || self.per_minute == 0 {
            return Err(format!("{setting}: burst and per_minute must be at least 1"));
        }
        Ok(())
    }

    /// Microseconds that one request costs.
    fn cost_us(self) -> i64 {
        60_000_000 / i64::from(self.per_minute.max(1))
    }

    fn bucket(self) -> Bucket {
        let cost_us = self.cost_us();
        Bucket { cost_us, room_us: cost_us.saturating_mul(i64::from(self.burst)) }
    }
}

/// Asked too often; the next request is possible in so many seconds, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooSoon {
    /// For `Retry-After`.
    pub retry_after_s: i64,
}

impl TooSoon {
    fn by(wait_us: i64) -> Self {
        Self { retry_after_s: wait_us.saturating_add(999_999) / 1_000_000 }
    }
}

/// One bucket per key.
#[derive(Debug)]
pub struct Throttle<K> {
    rate: Rate,
    max_keys: usize,
    /// When the bucket of a key is full again, in Unix microseconds.
    full_at_us: Mutex<HashMap<K, i64>>,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// Full buckets for everybody, at most `max_keys` remembered.
    pub fn new(rate: Rate, max_keys: usize) -> Self {
        Self { rate, max_keys, full_at_us: Mutex::default() }
    }

    /// Takes one request from the bucket of `key`.
    ///
    /// # Errors
    ///
    /// When the bucket is empty. A refused request costs nothing.
    pub fn take(&self, key: &K, now_ms: i64) -> Result<(), TooSoon> {
        let now_us = now_ms.saturating_mul(1000);
        let Bucket { cost_us, room_us } = self.rate.bucket();
        let mut full_at_us = self.lock();
        let full_at = full_at_us.get(key).copied().unwrap_or(now_us).max(now_us);
        let then = full_at.saturating_add(cost_us);
        let wait_us = then.saturating_sub(now_us).saturating_sub(room_us);
        if wait_us > 0 {
            return Err(TooSoon::by(wait_us));
        }
        if !full_at_us.contains_key(key) && full_at_us.len() >= self.max_keys {
            forget(&mut full_at_us, now_us, self.max_keys / 2);
        }
        full_at_us.insert(key.clone(), then);
        Ok(())
    }

    /// Puts back what [`Throttle::take`] took, for a request that turned out harmless.
    pub fn give_back(&self, key: &K) {
        if let Some(full_at_us) = self.lock().get_mut(key) {
            *full_at_us = full_at_us.saturating_sub(self.rate.cost_us());
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, i64>> {
        self.full_at_us.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What has a bucket, as other servers name it.
pub trait Owner: Hash + Eq + Clone {
    /// Whose it is.
    fn whose(&self) -> Whose<'_>;
}

impl Owner for IpAddr {
    fn whose(&self) -> Whose<'_> {
        Whose::Address(*self)
    }
}

impl Owner for UserId {
    fn whose(&self) -> Whose<'_> {
        Whose::Member(self.get())
    }
}

/// The hash of an account as it was named.
impl Owner for [u8; 32] {
    fn whose(&self) -> Whose<'_> {
        Whose::Account(self)
    }
}

/// One bucket per key, from which other servers take too.
///
/// Each server also counts by itself what it lets pass. So it goes on where it was when what they have in
/// common is lost, and is never more lenient than if it were alone.
pub struct CommonThrottle<K> {
    what: &'static str,
    own: Throttle<K>,
    commons: Commons,
}

/// One request that was taken, and stays so unless it is given back.
pub struct Taken<'a, K: Owner> {
    from: &'a CommonThrottle<K>,
    key: K,
    /// Whether others know of it.
    in_common: bool,
}

impl<K: Owner> CommonThrottle<K> {
    /// Full buckets for everybody, but for whom other servers know of by this word.
    pub fn new(what: &'static str, rate: Rate, max_keys: usize, commons: &Commons) -> Self {
        Self { what, own: Throttle::new(rate, max_keys), commons: commons.clone() }
    }

    /// Takes one request from the bucket of `key`.
    ///
    /// # Errors
    ///
    /// When the bucket is empty. A refused request costs nothing.
    pub async fn take(&self, key: &K, now_ms: i64) -> Result<Taken<'_, K>, TooSoon> {
        self.own.take(key, now_ms)?;
        let now_us = now_ms.saturating_mul(1000);
        let wait_us = self.commons.take(&self.name(key), self.own.rate.bucket(), now_us).await;
        if let Some(wait_us @ 1..) = wait_us {
            self.own.give_back(key);
            return Err(TooSoon::by(wait_us));
        }
        Ok(Taken { from: self, key: key.clone(), in_common: wait_us.is_some() })
    }

    fn name<'a>(&self, key: &'a K) -> Name<'a> {
        Name { what: self.what, whose: key.whose() }
    }
}

impl<K: Owner> Taken<'_, K> {
    /// Puts it back, for a request that turned out harmless.
    pub async fn give_back(self) {
        let Self { from, key, in_common } = self;
        from.own.give_back(&key);
        if in_common {
            from.commons.give_back(&from.name(&key), from.own.rate.bucket()).await;
        }
    }
}

/// Drops the buckets that are full again; when that leaves more than `keep`, also the fuller ones,
/// so that whoever is being slowed stays slowed. Called once per `keep` new keys at most.
fn forget<K: Hash + Eq + Clone>(full_at_us: &mut HashMap<K, i64>, now_us: i64, keep: usize) {
    full_at_us.retain(|_, full_at| *full_at > now_us);
    if full_at_us.len() > keep {
        let mut by_need: Vec<(i64, K)> =
            full_at_us.drain().map(|(key, full_at)| (full_at, key)).collect();
        by_need.sort_unstable_by_key(|(full_at, _)| std::cmp::Reverse(*full_at));
        by_need.truncate(keep);
        full_at_us.extend(by_need.into_iter().map(|(full_at, key)| (key, full_at)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN_AT_ONCE_THEN_ONE_A_SECOND: Rate = Rate { burst: 10, per_minute: 60 };
    const NOW: i64 = 1_753_268_700_000;

    fn emptied(key: u32) -> Throttle<u32> {
        let throttle = Throttle::new(TEN_AT_ONCE_THEN_ONE_A_SECOND, 100);
        for _ in 0..10 {
            throttle.take(&key, NOW).unwrap();
        }
        throttle
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_says_how_long_to_wait() {
        assert_eq!(emptied(1).take(&1, NOW), Err(TooSoon { retry_after_s: 1 }));
    }

    #[test]
    fn a_bucket_fills_again_at_its_rate() {
        let throttle = emptied(1);
        assert_eq!(throttle.take(&1, NOW + 1000), Ok(()));
        assert_eq!(throttle.take(&1, NOW + 1000), Err(TooSoon { retry_after_s: 1 }));
    }

    #[test]
    fn one_key_does_not_empty_the_bucket_of_another() {
        assert_eq!(emptied(1).take(&2, NOW), Ok(()));
    }

    #[test]
    fn a_refused_request_does_not_lengthen_the_wait() {
        let throttle = emptied(1);
        for _ in 0..100 {
            throttle.take(&1, NOW).unwrap_err();
        }
        assert_eq!(throttle.take(&1, NOW + 1000), Ok(()));
    }

    #[test]
    fn a_request_given_back_can_be_taken_again() {
        let throttle = emptied(1);
        throttle.give_back(&1);
        assert_eq!(throttle.take(&1, NOW), Ok(()));
    }

    #[test]
    fn the_map_stays_within_its_limit_and_keeps_whoever_is_slowed() {
        let throttle = emptied(0);
        for key in 1..10_000 {
            throttle.take(&key, NOW).unwrap();
        }
        assert!(throttle.lock().len() <= 100);
        assert_eq!(throttle.take(&0, NOW), Err(TooSoon { retry_after_s: 1 }));
    }

    #[test]
    fn a_clock_that_goes_back_locks_nobody_out_for_longer_than_the_burst() {
        let throttle = emptied(1);
        let TooSoon { retry_after_s } = throttle.take(&1, NOW - 5000).unwrap_err();
        assert_eq!(retry_after_s, 6);
    }
}
