//! How many of something one address has at once.

use std::{
    collections::{HashMap, hash_map::Entry},
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What addresses have, each at most so many. Cloning is cheap: every clone is the same.
#[derive(Debug, Clone)]
pub(crate) struct Shares(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    max: usize,
    /// An entry goes with the last that its address has, so that there are never more than are had.
    by_address: Mutex<HashMap<IpAddr, usize>>,
}

/// One that an address has while this exists.
#[derive(Debug)]
pub(crate) struct Share {
    shares: Shares,
    address: IpAddr,
}

impl Shares {
    pub fn new(max: usize) -> Self {
        Self(Arc::new(Inner { max, by_address: Mutex::default() }))
    }

    /// One more for who comes from `peer`, unless he has all that he may.
    pub fn take(&self, peer: IpAddr) -> Option<Share> {
        let address = network(peer);
        let mut by_address = self.lock();
        let taken = by_address.entry(address).or_default();
        if *taken >= self.0.max {
            return None;
        }
        *taken += 1;
        Some(Share { shares: self.clone(), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.by_address.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if let Entry::Occupied(mut taken) = self.shares.lock().entry(self.address) {
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
