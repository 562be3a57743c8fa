//! What happens, told as it happens.
//!
//! Here: chat, state and viewers of a live, and a member's notifications, over a WebSocket (`socket`)
//! or as server-sent events (`stream`), for as long as the client stays. Not here: what is told (each
//! resource publishes its own), saying and moderating (`chat`), the database's part (`store`).
//!
//! Whatever is told is written down once (`topic`), and every client reads it from a bounded window:
//! who cannot follow is let go and comes back with the last id it has seen. See ADR 33.

use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, Once, PoisonError, Weak},
    time::Duration,
};

use commons::Commons;
use http::StatusCode;
use media::id::{LiveId, UserId};
use serde::Deserialize;
use serde_json::json;
use store::{Change, Notification, Told};
use tokio::sync::{
    broadcast::{Receiver, error::RecvError},
    watch,
};

use self::{
    events::Event,
    rooms::{Held, Room},
    topic::Topic,
};
use crate::{
    address::Client,
    error::Error,
    notifications::NotificationBody,
    openapi::{Routes, anyone, get},
    router::{Api, Shared},
};

pub mod events;
pub mod rooms;
mod socket;
mod stream;
mod topic;

/// Where a WebSocket is opened, as [`router`] has it.
pub const SOCKET_ROUTE: &str = "/api/realtime";
/// Where server-sent events are read, likewise.
pub const STREAM_ROUTE: &str = "/api/realtime/events";

/// How often viewers are counted.
const PULSE: Duration = Duration::from_secs(1);
/// Notifications read from the database at once.
const NOTIFICATIONS_AT_ONCE: usize = 200;

/// How much real time there may be.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Clients at once: about 20 KB each.
    pub max_clients: usize,
    /// Clients at once from one address (IPv6: one /64). A carrier's NAT puts thousands behind one.
    pub max_clients_per_address: usize,
    /// Clients at once of one member: a phone, a computer and some forgotten tabs.
    pub max_clients_per_member: usize,
    /// Largest message of a client, in bytes: the longest text a chat takes, all of it escaped.
    pub message_max_bytes: usize,
    /// A client that sends nothing for so long, not even the answer to a ping, is gone. It is asked
    /// three times meanwhile: mobile links pause for seconds, and proxies end what is silent for a
    /// minute.
    pub idle_s: u64,
    /// How long a client may take no byte.
    pub stalled_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_clients: 10_000,
            max_clients_per_address: 5_000,
            max_clients_per_member: 10,
            message_max_bytes: 16 * 1024,
            idle_s: 75,
            stalled_s: 10,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let at_least = [
            ("max_clients", self.max_clients as u64, 1),
            ("max_clients_per_address", self.max_clients_per_address as u64, 1),
            ("max_clients_per_member", self.max_clients_per_member as u64, 1),
            ("message_max_bytes", self.message_max_bytes as u64, 1024),
            ("idle_s", self.idle_s, 3),
            ("stalled_s", self.stalled_s, 1),
        ];
        match at_least.into_iter().find(|(_, value, least)| value < least) {
            Some((name, _, least)) => Err(format!("realtime.{name}: must be at least {least}")),
            None => Ok(()),
        }
    }
}

/// The connection that brought a request, put into its extensions by whoever serves it. A client that
/// stays keeps it: it counts as long as that, and goes when it has to.
#[derive(Clone)]
pub struct Connection {
    drain: watch::Receiver<bool>,
    _place: Arc<dyn Send + Sync>,
}

impl Connection {
    /// A connection that is to end once `drain` turns true, and occupies `place` until it does.
    pub fn new(drain: watch::Receiver<bool>, place: Arc<dyn Send + Sync>) -> Self {
        Self { drain, _place: place }
    }
}

/// Waits until the connection is to end.
async fn drained(connection: &mut Option<Connection>) {
    // Whoever would turn it may be gone: nothing will be asked any more.
    if let Some(Connection { drain, .. }) = connection
        && drain.wait_for(|drain| *drain).await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// A member who is connected.
#[derive(Debug)]
pub struct Member {
    /// What he is notified of.
    news: Arc<Topic>,
    /// Changed when his sessions may have ended.
    sessions: watch::Sender<()>,
}

impl Member {
    fn new() -> Self {
        Self { news: Arc::new(Topic::new()), sessions: watch::Sender::new(()) }
    }
}

/// Whether it has to be seen whether a session was ended, now rather than by and by.
#[derive(Default)]
struct Doubts(Option<watch::Receiver<()>>);

impl Doubts {
    /// Of one who has just signed in. The first comes at once: his session may have ended between being
    /// looked at and this.
    fn about(member: &Member) -> Self {
        let mut sessions = member.sessions.subscribe();
        sessions.mark_changed();
        Self(Some(sessions))
    }

    /// Waits for the next. May be dropped while it waits.
    async fn come(&mut self) {
        let Some(sessions) = &mut self.0 else { return std::future::pending().await };
        // The member is held by who listens.
        if sessions.changed().await.is_err() {
            std::future::pending().await
        }
    }
}

/// Who listens to what.
pub struct Realtime {
    /// The lives that are followed.
    pub rooms: Held<LiveId, Room>,
    members: Held<UserId, Member>,
    places: Arc<Places>,
    pulse: Once,
}

impl Realtime {
    /// Nobody listens yet.
    pub fn new() -> Self {
        let places = Arc::default();
        Self { rooms: Held::new(), members: Held::new(), places, pulse: Once::new() }
    }

    /// Tells a member of a notification, wherever he is connected.
    pub fn notify(&self, notification: &Notification, now_ms: i64) {
        if let Some(member) = self.members.get(notification.recipient) {
            let body = NotificationBody::new(notification, now_ms);
            member.news.publish(&Event::Notification { notification: &body });
        }
    }

    /// Has all clients of a member see whether his sessions were ended.
    fn doubt(&self, user: UserId) {
        if let Some(member) = self.members.get(user) {
            member.sessions.send_replace(());
        }
    }

    /// A member, for one more of his clients.
    ///
    /// # Errors
    ///
    /// 429 when he has as many as he may have.
    fn member(&self, user: UserId, config: &Config) -> Result<Arc<Member>, Error> {
        let member = self.members.get_or(user, Member::new);
        if member.news.listeners() >= config.max_clients_per_member {
            return Err(Error::Status(StatusCode::TOO_MANY_REQUESTS, TOO_MANY));
        }
        Ok(member)
    }

    /// Lets a client in.
    ///
    /// # Errors
    ///
    /// 503 when the house is full, 429 when its address has as many as it may have.
    fn enter(api: &Shared, client: &Client) -> Result<Place, Error> {
        let place = Places::enter(&api.realtime.places, client, &api.config.realtime)?;
        api.realtime.pulse.call_once(|| {
            tokio::spawn(pulse(Arc::downgrade(api), api.store.changes()));
        });
        Ok(place)
    }

    async fn carry(&self, api: &Api, changes: Vec<Change>) {
        let mut ids = Vec::new();
        for change in changes {
            match change {
                Change::Live { id, state, at_ms } => {
                    if let Some(room) = self.rooms.get(id) {
                        room.passed(state, at_ms);
                    }
                }
                Change::SessionsEnded(user) => self.doubt(user),
                Change::Notified(Told { id, recipient }) => {
                    ids.extend(self.members.get(recipient).map(|_| id));
                }
            }
        }
        let now_ms = api.clock.now_ms();
        match api.store.notifications_by_id(&ids, now_ms).await {
            Ok(made) => made.iter().for_each(|notification| self.notify(notification, now_ms)),
            Err(error) => tracing::error!(%error, "members were not told of notifications at once"),
        }
    }
}

const TOO_MANY: &str = "Trop de connexions en temps réel : fermez d'autres onglets ou appareils.";

/// The routes of real time.
pub fn router() -> Routes {
    let id = || json!({"type": "integer", "format": "int64", "minimum": 0});
    Routes::about("Temps réel")
        .route(
            SOCKET_ROUTE,
            get(
                socket::open,
                anyone("Un WebSocket : ce qui arrive, quand cela arrive")
                    .or_member()
                    .empty(StatusCode::SWITCHING_PROTOCOLS)
                    .or(400),
            ),
        )
        .route(
            STREAM_ROUTE,
            get(
                stream::open,
                anyone("La même chose en « server-sent events »")
                    .or_member()
                    .asks("live_id", id())
                    .asks("playback_name", json!({"type": "string"}))
                    .asks("after", id())
                    .header("Last-Event-ID", false, id())
                    .goes_on()
                    .or(404),
            ),
        )
}

/// Counts viewers and carries changes, as long as there is an API.
async fn pulse(api: Weak<Api>, mut changes: Receiver<Change>) {
    let mut ticks = tokio::time::interval(PULSE);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut told = api.upgrade().and_then(|api| api.config.commons.told());
    loop {
        let change = tokio::select! {
            _ = ticks.tick() => None,
            change = changes.recv() => Some(change),
            user = by_others(told.as_mut()) => Some(Ok(Change::SessionsEnded(user))),
        };
        let Some(api) = api.upgrade() else { return };
        match change {
            None => api.realtime.rooms.all().iter().for_each(|room| room.count(&*api.control)),
            Some(Ok(change)) => {
                let mut batch = vec![change];
                while batch.len() < NOTIFICATIONS_AT_ONCE
                    && let Ok(change) = changes.try_recv()
                {
                    batch.push(change);
                }
                api.realtime.carry(&api, batch).await;
            }
            Some(Err(RecvError::Lagged(missed))) => {
                tracing::warn!(missed, "more was written at once than could be told of");
                for room in api.realtime.rooms.all() {
                    if let Ok(Some(row)) = api.store.live(room.id).await {
                        room.passed(row.state, api.clock.now_ms());
                    }
                }
            }
            Some(Err(RecvError::Closed)) => return,
        }
    }
}

/// The next member whose sessions another server ended. What is missed is seen by and by.
async fn by_others(told: Option<&mut Receiver<i64>>) -> UserId {
    let Some(told) = told else { return std::future::pending().await };
    loop {
        match told.recv().await {
            Ok(user) => return UserId::new(user),
            Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return std::future::pending().await,
        }
    }
}

/// Tells other servers of the members whose sessions this one ended, as long as there is a database.
pub async fn tell_others(mut changes: Receiver<Change>, commons: Commons) {
    loop {
        match changes.recv().await {
            Ok(Change::SessionsEnded(user)) => commons.tell(user.get()).await,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
            Err(RecvError::Closed) => return,
        }
    }
}

/// Who is connected, by address.
#[derive(Debug, Default)]
struct Places(Mutex<HashMap<IpAddr, usize>>);

/// A client's place, given back on drop.
struct Place {
    places: Arc<Places>,
    address: IpAddr,
}

impl Places {
    fn enter(places: &Arc<Self>, client: &Client, config: &Config) -> Result<Place, Error> {
        let address = client.limit_key();
        let mut by_address = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if by_address.values().sum::<usize>() >= config.max_clients {
            return Err(Error::Busy);
        }
        let here = by_address.entry(address).or_default();
        if *here >= config.max_clients_per_address {
            return Err(Error::Status(StatusCode::TOO_MANY_REQUESTS, TOO_MANY));
        }
        *here += 1;
        metrics::gauge!("realtime_clients").increment(1.0);
        Ok(Place { places: Arc::clone(places), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut by_address = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = by_address.get_mut(&self.address) {
            *here -= 1;
            if *here == 0 {
                by_address.remove(&self.address);
            }
        }
        metrics::gauge!("realtime_clients").decrement(1.0);
    }
}
