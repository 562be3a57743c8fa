//! What servers have in common, in a Redis beside them.
//!
//! Here: buckets that several servers take from, marks that outlive a server, and word from one server to
//! the others; the connection, and how its death is survived. Not here: what is limited and by what, nor
//! whose session is good (`api`, `store`): whatever stands in the Redis may be lost at any moment, and
//! nothing that is answered may be wrong for it.
//!
//! | what | where |
//! | --- | --- |
//! | the settings | `config` |
//! | the connection, which comes and goes | `link` |
//! | how things are called there | `names` |
//!
//! Every function answers within the deadline of the settings, and at once while the Redis is away.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

mod config;
mod link;
mod names;

use std::{sync::Arc, time::Duration};

use redis::cmd;
use tokio::sync::broadcast;

pub use config::{Config, Secret};
use link::Link;
use names::Names;
pub use names::{Name, Whose};

/// What other servers said and nobody has heard yet. Who is further behind misses some.
const WAITING: usize = 256;

/// Takes from a bucket (`KEYS[1]`) at a time (`ARGV[1]`) what one request costs (`ARGV[2]`), where there
/// is room for so much (`ARGV[3]`), all in microseconds; gives how long to wait. It keeps when the bucket
/// is full again, until then. Numbers of Lua are exact up to 2^53: Unix microseconds until the year 2255.
const TAKE: &str = "
    local now, cost, room = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
    local full = math.max(tonumber(redis.call('get', KEYS[1])) or now, now) + cost
    local wait = full - now - room
    if wait > 0 then return wait end
    local life_ms = string.format('%.0f', math.ceil((full - now) / 1000))
    redis.call('set', KEYS[1], string.format('%.0f', full), 'px', life_ms)
    return 0";

/// Puts back into a bucket (`KEYS[1]`) what one request costs (`ARGV[1]`).
const GIVE_BACK: &str = "
    local full = tonumber(redis.call('get', KEYS[1]))
    if full then
        redis.call('set', KEYS[1], string.format('%.0f', full - tonumber(ARGV[1])), 'keepttl')
    end
    return 0";

/// A bucket that fills at a steady rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bucket {
    /// What one request costs, in microseconds of filling.
    pub cost_us: i64,
    /// What a full bucket holds, in the same.
    pub room_us: i64,
}

/// What this server has in common with others. Cheap to clone; all clones share the connections. The
/// default is a server that is alone.
#[derive(Clone, Default)]
pub struct Commons(Option<Arc<Shared>>);

struct Shared {
    link: Link,
    names: Names,
    /// The channel by which servers of one database tell each other.
    channel: String,
    told: broadcast::Sender<i64>,
}

impl Commons {
    /// Begins to look for the Redis of the settings, if there is one, and goes on for as long as there is a
    /// clone. Names are hashed with `site_secret`, which all servers of one database have and no others.
    /// To be called within a runtime.
    ///
    /// # Errors
    ///
    /// The name of the setting that cannot be, and why.
    pub fn open(config: &Config, site_secret: &[u8]) -> Result<Self, String> {
        config.validate()?;
        let Some(client) = config.client()? else { return Ok(Self::default()) };
        let common_secret = config.secret.as_ref().map_or(site_secret, Secret::reveal);
        let names = Names::new(site_secret, common_secret);
        let channel = names.channel();
        let told = broadcast::Sender::new(WAITING);
        let deadline = Duration::from_millis(config.deadline_ms);
        let link = Link::open(client, deadline, channel.clone(), told.clone());
        Ok(Self(Some(Arc::new(Shared { link, names, channel, told }))))
    }

    /// Whether the Redis answers; `None` where there is none.
    pub fn is_there(&self) -> Option<bool> {
        self.0.as_ref().map(|shared| shared.link.is_there())
    }

    /// Takes from a bucket: gives how long to wait for it, in microseconds, 0 when it was taken. `None` when
    /// nobody can tell.
    pub async fn take(&self, name: &Name<'_>, bucket: Bucket, now_us: i64) -> Option<i64> {
        let shared = self.0.as_ref()?;
        let mut take = cmd("EVAL");
        take.arg(TAKE).arg(1).arg(shared.names.of(name));
        take.arg(now_us).arg(bucket.cost_us).arg(bucket.room_us);
        shared.link.ask(&take).await
    }

    /// Puts back what [`Commons::take`] took.
    pub async fn give_back(&self, name: &Name<'_>, bucket: Bucket) {
        let Some(shared) = &self.0 else { return };
        let mut give = cmd("EVAL");
        give.arg(GIVE_BACK).arg(1).arg(shared.names.of(name)).arg(bucket.cost_us);
        shared.link.ask::<()>(&give).await;
    }

    /// Marks something for a while.
    pub async fn mark(&self, name: &Name<'_>, life: Duration) {
        let Some(shared) = &self.0 else { return };
        let life_ms = u64::try_from(life.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut set = cmd("SET");
        set.arg(shared.names.of(name)).arg(1).arg("PX").arg(life_ms);
        shared.link.ask::<()>(&set).await;
    }

    /// Whether something is marked; `None` when nobody can tell.
    pub async fn is_marked(&self, name: &Name<'_>) -> Option<bool> {
        let shared = self.0.as_ref()?;
        let mut exists = cmd("EXISTS");
        exists.arg(shared.names.of(name));
        shared.link.ask(&exists).await
    }

    /// Tells all servers of this database, this one too, to look again at a member: something about his
    /// sessions was written. Who does not hear of it finds out by itself, later.
    pub async fn tell(&self, member: i64) {
        let Some(shared) = &self.0 else { return };
        let mut publish = cmd("PUBLISH");
        publish.arg(&shared.channel).arg(member);
        shared.link.ask::<()>(&publish).await;
    }

    /// The members that servers of this database tell of from now on.
    pub fn told(&self) -> Option<broadcast::Receiver<i64>> {
        self.0.as_ref().map(|shared| shared.told.subscribe())
    }

    /// Waits until the Redis answers, for a program that has one thing to say; not longer than it may take
    /// to find it.
    pub async fn settle(&self) {
        if let Some(shared) = &self.0 {
            shared.link.settle().await;
        }
    }
}

impl std::fmt::Debug for Commons {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "with others" } else { "alone" })
    }
}
