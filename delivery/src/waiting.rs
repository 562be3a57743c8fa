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

    /// Waits until the state of `channel` is `enough`, or it has ended: at most the time set, and not
    /// at all if that is so already.
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
        let awaited = state.wait_for(|state| enough(state) || state.ended);
        let Ok(state) = timeout(self.wait, awaited).await else {
            return Err(Failure::NotStarted);
        };
        // The channel is held, so its sender is there, and the state with it.
        if state.is_ok_and(|state| enough(&state)) {
            metrics.first_playlist_seconds.record(since.elapsed());
        }
        Ok(())
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
