//! How many connections there may be, in all and from one address.

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use crate::Config;

/// What the listener counted since it was bound. All but [`Counters::open`] only grow.
#[derive(Debug, Default)]
pub struct Counters {
    connections: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    open: AtomicU64,
}

impl Counters {
    /// Connections accepted: taken in, whatever became of them.
    pub fn connections(&self) -> u64 {
        self.connections.load(Ordering::Relaxed)
    }

    /// Connections closed at once, not accepted, because there were too many, in all or from one
    /// address.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Accepted connections that ended without ever asking to publish: port scanners, viewers, peers
    /// that broke the protocol or took too long. A wrong key is not among them.
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }

    /// Accepted connections open now, publishing or not. A gauge.
    pub fn open(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    pub(crate) fn count_failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

/// Hands out slots.
#[derive(Clone)]
pub(crate) struct Admission {
    shared: Arc<Shared>,
}

struct Shared {
    max: usize,
    max_per_address: usize,
    counters: Arc<Counters>,
    open: Mutex<Open>,
}

/// Bounded by `max`: an address is forgotten with its last connection.
#[derive(Default)]
struct Open {
    total: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// The right to one connection, given back when dropped.
pub(crate) struct Slot {
    shared: Arc<Shared>,
    address: IpAddr,
}

impl Admission {
    pub fn new(config: &Config) -> Self {
        let shared = Shared {
            max: config.max_connections,
            max_per_address: config.max_connections_per_address,
            counters: Arc::default(),
            open: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    pub fn counters(&self) -> &Arc<Counters> {
        &self.shared.counters
    }

    /// A slot for a connection from `peer`, unless there are too many.
    pub fn admit(&self, peer: IpAddr) -> Option<Slot> {
        let address = accountable(peer);
        let admitted = self.shared.take(address);
        let counters = &self.shared.counters;
        let counter = if admitted { &counters.connections } else { &counters.refused };
        counter.fetch_add(1, Ordering::Relaxed);
        admitted.then(|| Slot { shared: self.shared.clone(), address })
    }
}

/// At most one line of log in this time about connections refused: whoever floods the port must not
/// flood the log.
const REFUSAL_LOG_PERIOD: Duration = Duration::from_secs(10);

/// Says when refused connections are worth a line of log, and how many it stands for.
#[derive(Default)]
pub(crate) struct RefusalLog {
    logged_at: Option<Instant>,
    unlogged: u64,
}

impl RefusalLog {
    /// Notes one refused connection. Gives how many were refused since the last line, this one
    /// included, if it is time for the next.
    pub fn note(&mut self, now: Instant) -> Option<u64> {
        self.unlogged += 1;
        let due = self.logged_at.is_none_or(|at| now.duration_since(at) >= REFUSAL_LOG_PERIOD);
        due.then(|| {
            self.logged_at = Some(now);
            std::mem::take(&mut self.unlogged)
        })
    }
}

impl Shared {
    fn take(&self, address: IpAddr) -> bool {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let here = open.by_address.get(&address).copied().unwrap_or_default();
        let crowded = here >= self.max_per_address && !address.is_loopback();
        if open.total >= self.max || crowded {
            return false;
        }
        open.total += 1;
        open.by_address.insert(address, here + 1);
        self.counters.open.store(open.total as u64, Ordering::Relaxed);
        true
    }

    fn give_back(&self, address: IpAddr) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.total -= 1;
        self.counters.open.store(open.total as u64, Ordering::Relaxed);
        if let Some(here) = open.by_address.get_mut(&address) {
            *here -= 1;
            if *here == 0 {
                open.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.shared.give_back(self.address);
    }
}

/// Whom a connection counts against: an IPv4 address, or the /64 that a household gets of IPv6.
fn accountable(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            let network = v6.to_bits() & !u128::from(u64::MAX);
            IpAddr::V6(Ipv6Addr::from_bits(network))
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Admission {
        let config =
            Config { max_connections: 5, max_connections_per_address: 2, ..Config::default() };
        Admission::new(&config)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_address_gets_its_share_and_a_closed_connection_frees_a_slot() {
        let admission = admission();
        let first = admission.admit(ip("192.0.2.1"));
        let second = admission.admit(ip("192.0.2.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(ip("192.0.2.1")).is_none());
        assert!(admission.admit(ip("192.0.2.2")).is_some());
        drop(first);
        assert!(admission.admit(ip("192.0.2.1")).is_some());
    }

    #[test]
    fn addresses_of_one_ipv6_network_count_as_one_and_mapped_ipv4_as_ipv4() {
        let admission = admission();
        let _slots = [admission.admit(ip("2001:db8::1")), admission.admit(ip("2001:db8::2"))];
        assert!(admission.admit(ip("2001:db8::3")).is_none());
        assert!(admission.admit(ip("2001:db8:0:1::1")).is_some());
        assert_eq!(accountable(ip("::ffff:192.0.2.1")), ip("192.0.2.1"));
    }

    #[test]
    fn refused_connections_are_logged_at_once_then_every_ten_seconds_with_their_number() {
        let mut log = RefusalLog::default();
        let began = Instant::now();
        let at = |ms| began + Duration::from_millis(ms);
        assert_eq!(log.note(at(0)), Some(1));
        assert_eq!([1, 5_000, 9_999].map(|ms| log.note(at(ms))), [None; 3]);
        assert_eq!(log.note(at(10_000)), Some(4));
        assert_eq!(log.note(at(10_001)), None);
        assert_eq!(log.note(at(60_000)), Some(2));
    }

    #[test]
    fn accepted_refused_and_open_connections_are_counted_apart() {
        let admission = admission();
        let slots = [(); 3].map(|()| admission.admit(ip("192.0.2.1")));
        drop(slots);
        let counters = admission.counters();
        assert_eq!((counters.connections(), counters.refused()), (2, 1));
        assert_eq!((counters.open(), counters.failed()), (0, 0));
    }

    #[test]
    fn loopback_is_limited_only_by_the_total() {
        let admission = admission();
        let slots: Vec<_> = (0..6).map(|_| admission.admit(ip("127.0.0.1"))).collect();
        assert_eq!(slots.iter().flatten().count(), 5);
        assert_eq!((admission.counters().open(), admission.counters().refused()), (5, 1));
        drop(slots);
        assert_eq!(admission.counters().open(), 0);
        assert!(admission.shared.open.lock().unwrap().by_address.is_empty());
    }
}
