//! Playlist requests that came before the first segment.
//!
//! Here: how many may wait, how long, and what wakes them. Not here: what they are answered.

use std::time::Duration;

use hub::{Channel, State};
use metrics::Gauge;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{Config, failure::Failure, metrics::Metrics};

/// Where requests wait. A place is taken on entering and given back on leaving, also when the
/// viewer goes away and the request is dropped.
#[derive(Debug)]
pub(crate) struct WaitingRoom {
    places: Semaphore,
    max_per_live: usize,
    wait: Duration,
}

/// One that waits: counted while it exists.
struct Waiting<'a>(&'a Gauge);

impl WaitingRoom {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            places: Semaphore::new(config.max_waiting.min(Semaphore::MAX_PERMITS)),
            max_per_live: config.max_waiting_per_live,
            wait: Duration::from_millis(config.first_segment_wait_ms),
        }
    }

    /// Waits until `channel` is in a state that is `enough`, or has ended, at most the time set.
    /// A channel that is there already is not waited for.
    ///
    /// # Errors
    /// [`Failure::Busy`] at once when too many wait; [`Failure::NotStarted`] when time is over.
    pub(crate) async fn wait(
        &self,
        channel: &Channel,
        metrics: &Metrics,
        enough: impl Fn(&State) -> bool,
    ) -> Result<(), Failure> {
        let _place = self.places.try_acquire().map_err(|_| Failure::Busy)?;
        let mut state = channel.watch();
        if channel.watchers() > self.max_per_live {
            return Err(Failure::Busy);
        }
        let _waiting = Waiting::counted(&metrics.waiting);
        let since = Instant::now();
        // The channel is held, so its sender outlives this.
        match timeout(self.wait, state.wait_for(|state| enough(state) || state.ended)).await {
            Ok(_) => {
                metrics.first_playlist_seconds.record(since.elapsed());
                Ok(())
            }
            Err(_) => Err(Failure::NotStarted),
        }
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
