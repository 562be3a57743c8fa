//! Requests that wait: for a first segment, or for what comes next (rfc8216bis §6.2.5.2, §6.2.6).
//!
//! Here: how many may wait, and what wakes them. Not here: what they are answered.

use std::{net::IpAddr, time::Duration};

use hub::{Awaited, Channel, State};
use metrics::Gauge;
use tokio::{sync::Semaphore, time::timeout};

use crate::{Config, failure::Failure, metrics::Metrics, shares::Shares};

/// Where requests wait. A place is taken on entering and given back on leaving, also when the
/// viewer goes away and the request is dropped.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    places: Semaphore,
    max_per_live: usize,
    shares: Shares,
}

/// One that waits: counted while it exists.
struct Waiting<'a>(&'a Gauge);

impl WaitingRoom {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            places: Semaphore::new(config.max_waiting.min(Semaphore::MAX_PERMITS)),
            max_per_live: config.max_waiting_per_live,
            shares: Shares::new(config.max_waiting_per_address),
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
        let _share = peer.map(|peer| self.shares.take(peer).ok_or(Failure::Busy)).transpose()?;
        let mut state = channel.watch(awaited);
        if channel.watchers() > self.max_per_live {
            return Err(Failure::Busy);
        }
        let _waiting = Waiting::counted(&metrics.waiting);
        let came = state.wait_for(|state| enough(state) || state.is_final());
        Ok(timeout(longest, came).await.is_ok())
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
