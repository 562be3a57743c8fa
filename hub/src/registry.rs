//! Which lives are open.
//!
//! Here: the map from playback name to channel. Not here: what a channel holds. A name that is not
//! in the map leaves no trace, however often it is asked for.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use dashmap::{DashMap, Entry};
use media::id::PlaybackName;
use packager::Packager;

use crate::{Access, Channel};

/// All open channels. Cloning is cheap: every clone is the same hub.
#[derive(Debug, Clone, Default)]
pub struct Hub {
    registry: Arc<Registry>,
}

#[derive(Debug, Default)]
struct Registry {
    channels: DashMap<Box<str>, Arc<Channel>>,
    /// Counted apart: `DashMap::len` locks every shard.
    open: AtomicUsize,
    /// Viewers that are told apart, of all channels.
    viewers: Arc<AtomicUsize>,
}

/// Why a channel was not opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The name has a channel already.
    #[error("this live is already open")]
    AlreadyOpen,
    /// There are [`Hub::MAX_CHANNELS`] of them.
    #[error("{} lives are open already", Hub::MAX_CHANNELS)]
    Full,
}

impl Hub {
    /// Most channels open at once. A window of 30 s at 2.5 Mbit/s takes some 10 MB, so memory ends
    /// well before this; the limit keeps a fault elsewhere from filling the map.
    pub const MAX_CHANNELS: usize = 10_000;

    /// A hub without channels.
    pub fn new() -> Self {
        Self::default()
    }

    /// Opens the channel of a live that is about to receive its publisher, for the first time or again.
    ///
    /// # Errors
    /// When `name` is open already (nothing is replaced), or the hub is full.
    pub fn open(
        &self,
        name: PlaybackName,
        packager: Packager,
        access: Access,
    ) -> Result<Arc<Channel>, OpenError> {
        let Registry { channels, open, viewers } = &*self.registry;
        match channels.entry(name.as_str().into()) {
            Entry::Occupied(_) => Err(OpenError::AlreadyOpen),
            Entry::Vacant(vacant) => {
                if open.fetch_add(1, Ordering::Relaxed) >= Self::MAX_CHANNELS {
                    open.fetch_sub(1, Ordering::Relaxed);
                    return Err(OpenError::Full);
                }
                let channel = Arc::new(Channel::new(name, packager, access, viewers.clone()));
                vacant.insert(Arc::clone(&channel));
                Ok(channel)
            }
        }
    }

    /// The channel open under `name`, if there is one.
    pub fn channel(&self, name: &str) -> Option<Arc<Channel>> {
        self.registry.channels.get(name).map(|channel| Arc::clone(&channel))
    }

    /// Ends the channel of `name`, if there is one, and forgets it. Readers that hold it keep what
    /// they have; nobody finds it again.
    pub fn close(&self, name: &PlaybackName) {
        let removed = self.registry.channels.remove(name.as_str());
        if let Some((_, channel)) = removed {
            self.registry.open.fetch_sub(1, Ordering::Relaxed);
            channel.end();
        }
    }

    /// Names in the map.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.registry.channels.len()
    }
}
