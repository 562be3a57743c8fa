//! The right to publish to a live, as long as it lasts.
//!
//! Here: the handle, and how its holder learns that it is worth nothing any more. Not here: the
//! connection it stands for (`ingest`, `src`).

use std::{sync::Arc, time::Duration};

use media::Event;
use packager::Progress;
use tokio::sync::watch;

use crate::{Channel, Error};

/// The one publisher of a channel. Dropping it interrupts the live, unless a newer claim was made.
#[derive(Debug)]
pub struct Publisher {
    channel: Arc<Channel>,
    claim: u64,
    reign: watch::Receiver<Reign>,
}

/// Why a publisher may not go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Revoked {
    /// A newer connection publishes to the live.
    Superseded,
    /// The live is over.
    Ended,
}

/// Who may publish.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Reign {
    /// The newest claim.
    pub(crate) claim: u64,
    /// Nobody may, for good.
    pub(crate) ended: bool,
}

impl Publisher {
    pub(crate) fn new(channel: Arc<Channel>, claim: u64, reign: watch::Receiver<Reign>) -> Self {
        Self { channel, claim, reign }
    }

    /// The channel published to.
    pub fn channel(&self) -> &Arc<Channel> {
        &self.channel
    }

    /// The number of its claim: of two publishers of a channel the later one has the greater. It
    /// never changes.
    pub fn claim(&self) -> u64 {
        self.claim
    }

    /// Hands over a batch of events in one short lock. `events` is empty afterwards, its room kept,
    /// whatever the outcome.
    ///
    /// # Errors
    /// [`Error::Superseded`] and [`Error::Ended`] as [`Publisher::revoked`] tells them;
    /// [`Error::Packager`] at the first event the packager refuses (those before it are in, those
    /// after it are lost); [`Error::Failed`] if it panics. After any of them, close the connection.
    pub fn push(&mut self, events: &mut Vec<Event>) -> Result<Progress, Error> {
        self.channel.push(self.claim, events)
    }

    /// Nothing came for `silent`: readers are told so, as by [`Channel::gap`]. What is pushed later
    /// begins anew, at its next IDR.
    pub fn gap(&mut self, silent: Duration) {
        self.channel.gap_of(self.claim, silent);
    }

    /// Completes when this publisher is superseded or its live has ended. The future borrows
    /// nothing: it may be awaited beside [`Publisher::push`], once or anew each time.
    pub fn revoked(&self) -> impl Future<Output = Revoked> + Send + use<> {
        let (mut reign, claim) = (self.reign.clone(), self.claim);
        async move {
            match reign.wait_for(|reign| reign.ended || reign.claim != claim).await {
                Ok(reign) if reign.claim != claim => Revoked::Superseded,
                Ok(_) | Err(_) => Revoked::Ended,
            }
        }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        self.channel.release(self.claim);
    }
}
