//! Requests that wait: for a first segment, or for what comes next (rfc8216bis §6.2.5.2, §6.2.6).
//!
//! Here: how many may wait, and what wakes them. Not here: what they are answered.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{Mutex, PoisonError},
    time::Duration,
};

use hub::{Awaited, Channel, State};
use metrics::Gauge;
use tokio::{sync::Semaphore, time::timeout};

use crate::{Config, failure::Failure, metrics::Metrics};

/// Where requests wait. A place is taken on entering and given back on leaving, also when the
/// viewer goes away and the request is dropped.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    places: Semaphore,
    max_per_live: usize,
    max_per_address: usize,
    /// Those who wait, by address: an entry goes with the last of them, so there are never more
    /// than places.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of an address, taken while it exists.
struct Share<'a> {
    room: &'a WaitingRoom,
    address: IpAddr,
}

/// One that waits: counted while it exists.
struct Waiting<'a>(&'a Gauge);

impl WaitingRoom {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            places: Semaphore::new(config.max_waiting.min(Semaphore::MAX_PERMITS)),
            max_per_live: config.max_waiting_per_live,
            max_per_address: config.max_waiting_per_address,
            by_address: Mutex::default(),
        }
    }

    /// Waits until the state of `channel` is `enough`, or final: at most so long, and not at all if that is
    /// so already. True if it came.
    ///
    /// # Errors
    /// [`Failure::Busy`] at once when too many wait: of `peer`, for this live, or in all.
    pub(crate) async fn wait(
        &self,
        channel: &Channel,
        awaited: Awaited,
        peer: Option<IpAddr>,
        metrics: &Metrics,
        longest: Duration,
        enough: impl Fn(&State) -> bool,
    ) -> Result<bool, Failure> {
        let _place = self.places.try_acquire().map_err(|_| Failure::Busy)?;
        let _share = peer.map(|peer| self.share(peer).ok_or(Failure::Busy)).transpose()?;
        let mut state = channel.watch(awaited);
        if channel.watchers() > self.max_per_live {
            return Err(Failure::Busy);
        }
        let _waiting = Waiting::counted(&metrics.waiting);
        let came = state.wait_for(|state| enough(state) || state.is_final());
        Ok(timeout(longest, came).await.is_ok())
    }

    /// A place for one more of this address.
    fn share(&self, peer: IpAddr) -> Option<Share<'_>> {
        let address = network(peer);
        let mut by_address = self.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = by_address.entry(address).or_default();
        if *taken >= self.max_per_address {
            return None;
        }
        *taken += 1;
        Some(Share { room: self, address })
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        let mut by_address = self.room.by_address.lock().unwrap_or_else(PoisonError::into_inner);
        if let Entry::Occupied(mut taken) = by_address.entry(self.address) {
            *taken.get_mut() -= 1;
            if *taken.get() == 0 {
                taken.remove();
            }
        }
    }
}

/// Whom an address stands for: in IPv6 the /64, which is what one subscriber gets at least.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

impl<'a> Waiting<'a> {
    fn counted(gauge: &'a Gauge) -> Self {
        gauge.increment(1);
        Self(gauge)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.decrement(1);
    }
}
