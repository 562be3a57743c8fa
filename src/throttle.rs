//! Slows an address that keeps trying stream keys.
//!
//! A key has 160 random bits: it cannot be guessed. What this protects is the database and the log.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use delivery::network;

/// How long a failure counts.
const MEMORY: Duration = Duration::from_secs(600);
/// Failures after which every key of an address waits before it is looked up: a household behind
/// one address mistypes a few times, a script thousands of times. A good key still gets in, since a
/// carrier's NAT puts strangers behind one address.
const MAX_FAILURES: u32 = 20;
/// The first failures are answered after 250 ms, 500 ms, 1 s, …
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// … up to this, half the time an encoder waits for an answer.
const MAX_DELAY: Duration = Duration::from_secs(4);
/// Addresses remembered: some 100 bytes each. When full, the oldest failures are forgotten first.
const MAX_ADDRESSES: usize = 10_000;

/// Counts failed keys by address.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: Mutex<HashMap<IpAddr, Failures>>,
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

impl Throttle {
    /// How long a key from `address` must wait before it is looked up.
    pub(crate) fn wait(&self, address: IpAddr, now: Instant) -> Duration {
        let failures = self.lock().get(&network(address)).copied();
        let too_many = failures.is_some_and(|failures| {
            failures.count >= MAX_FAILURES && now.duration_since(failures.last) < MEMORY
        });
        if too_many { MAX_DELAY } else { Duration::ZERO }
    }

    /// Remembers a failure and says how long its answer must wait.
    pub(crate) fn failed(&self, address: IpAddr, now: Instant) -> Duration {
        let mut all = self.lock();
        let address = network(address);
        if all.len() >= MAX_ADDRESSES && !all.contains_key(&address) {
            make_room(&mut all, now);
        }
        let failures = all.entry(address).or_insert(Failures { count: 0, last: now });
        if now.duration_since(failures.last) >= MEMORY {
            failures.count = 0;
        }
        failures.count = failures.count.saturating_add(1);
        failures.last = now;
        FIRST_DELAY.saturating_mul(1 << (failures.count - 1).min(8)).min(MAX_DELAY)
    }

    /// Forgets the failures of `address`: a good key came from there.
    pub(crate) fn succeeded(&self, address: IpAddr) {
        self.lock().remove(&network(address));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<IpAddr, Failures>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn make_room(all: &mut HashMap<IpAddr, Failures>, now: Instant) {
    all.retain(|_, failures| now.duration_since(failures.last) < MEMORY);
    if all.len() >= MAX_ADDRESSES
        && let Some(oldest) = all.iter().min_by_key(|(_, f)| f.last).map(|(address, _)| *address)
    {
        all.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    #[test]
    fn each_failure_waits_longer_up_to_a_ceiling() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        let delays: Vec<_> = (0..7).map(|_| throttle.failed(HERE, now).as_millis()).collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 4000, 4000]);
    }

    #[test]
    fn after_twenty_failures_every_key_waits_until_ten_minutes_have_passed() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for _ in 0..MAX_FAILURES {
            assert_eq!(throttle.wait(HERE, now), Duration::ZERO);
            throttle.failed(HERE, now);
        }
        assert_eq!(throttle.wait(HERE, now), MAX_DELAY);
        assert_eq!(throttle.wait(HERE, now + MEMORY), Duration::ZERO);
    }

    #[test]
    fn a_good_key_clears_its_address() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed(HERE, now);
        throttle.succeeded(HERE);
        assert_eq!(throttle.failed(HERE, now), FIRST_DELAY);
    }

    #[test]
    fn the_neighbours_of_an_ipv6_subscriber_share_his_count() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        throttle.failed("2001:db8::1".parse().expect("address"), now);
        assert!(throttle.failed("2001:db8::2".parse().expect("address"), now) > FIRST_DELAY);
    }

    #[test]
    fn memory_is_bounded_whatever_the_number_of_addresses() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        for n in 0..MAX_ADDRESSES as u32 + 50 {
            throttle.failed(IpAddr::V4(n.into()), now);
        }
        assert_eq!(throttle.lock().len(), MAX_ADDRESSES);
    }
}
