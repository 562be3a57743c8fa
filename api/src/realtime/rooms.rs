//! The lives that are followed, and their listeners.
//!
//! Here: what is known of a live while somebody follows it, who may hear what of it, and what a
//! listener missed. Not here: how it reaches him (`socket`, `stream`).

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use media::id::{LiveId, PlaybackName, UserId};
use store::{Audience, Change, LiveState, User};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{
    Member,
    events::Event,
    topic::{Frame, Topic},
};
use crate::{
    audience::Circle,
    chat::{self, MessageBody},
    control::LiveControl,
    error::Error,
    json::moment,
    lives::{NO_LIVE, NOT_YOURS, SIGN_IN},
    router::Api,
    site::Site,
};

/// Messages that who comes back is sent; the rest he asks for. A minute of a crowd, and what is read
/// of it.
const MISSED_MAX: usize = 300;

/// Things that exist as long as somebody holds them.
#[derive(Debug)]
pub struct Held<K, T>(Mutex<HashMap<K, Weak<T>>>);

impl<K: Hash + Eq + Copy, T> Held<K, T> {
    pub fn new() -> Self {
        Self(Mutex::default())
    }

    /// The one of this key, if somebody holds it.
    pub fn get(&self, key: K) -> Option<Arc<T>> {
        self.lock().get(&key).and_then(Weak::upgrade)
    }

    /// The one of this key, or else a new one.
    pub fn get_or(&self, key: K, make: impl FnOnce() -> T) -> Arc<T> {
        let mut held = self.lock();
        if let Some(known) = held.get(&key).and_then(Weak::upgrade) {
            return known;
        }
        held.retain(|_, one| one.strong_count() > 0);
        let new = Arc::new(make());
        held.insert(key, Arc::downgrade(&new));
        new
    }

    /// All that somebody holds.
    pub fn all(&self) -> Vec<Arc<T>> {
        self.lock().values().filter_map(Weak::upgrade).collect()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Weak<T>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A live that somebody follows.
#[derive(Debug)]
pub struct Room {
    pub id: LiveId,
    pub name: PlaybackName,
    circle: Circle,
    /// Its state and its viewers, for all who may watch.
    pub state: Arc<Topic>,
    /// What is said, for members who may watch.
    pub chat: Arc<Topic>,
    /// Held while something is written down and published, so that messages leave in the order of
    /// their ids: else who comes back with the last id he has seen may miss one before it.
    pub turn: tokio::sync::Mutex<()>,
    now: Mutex<Now>,
}

/// What changes about a live.
#[derive(Debug, Clone, Copy)]
struct Now {
    state: LiveState,
    viewers: Option<usize>,
    slow_mode_s: u32,
}

impl Room {
    /// The room of a live, from memory while somebody is in it; `None` when there is no such live.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn of(api: &Api, id: LiveId) -> Result<Option<Arc<Self>>, Error> {
        if let Some(known) = api.realtime.rooms.get(id) {
            return Ok(Some(known));
        }
        // What changes while it is read is made up for.
        let mut missed = api.store.changes();
        let Some(found) = api.store.chat_room(id).await? else { return Ok(None) };
        let store::ChatRoom { author, quartier, audience, slow_mode_s, playback_name, state } =
            found;
        let room = api.realtime.rooms.get_or(id, || Self {
            id,
            name: playback_name,
            circle: Circle { audience, author, quartier },
            state: Arc::new(Topic::new()),
            chat: Arc::new(Topic::new()),
            turn: tokio::sync::Mutex::default(),
            now: Mutex::new(Now { state, viewers: None, slow_mode_s }),
        });
        while let Ok(change) = missed.try_recv() {
            if let Change::Live { id, state, at_ms } = change
                && id == room.id
            {
                room.passed(state, at_ms);
            }
        }
        Ok(Some(room))
    }

    /// Whether the member may take messages away and members out.
    pub fn is_moderated_by(&self, user: &User) -> bool {
        user.id == self.circle.author || user.role == store::Role::Admin
    }

    /// Whose live it is.
    pub fn author(&self) -> UserId {
        self.circle.author
    }

    /// Lets those in whom the live is for.
    ///
    /// # Errors
    ///
    /// 403 to all others.
    pub fn admit(&self, reader: Option<&User>) -> Result<(), Error> {
        match reader {
            Some(reader) if self.circle.admits(reader) => Ok(()),
            Some(_) => Err(Error::Forbidden(NOT_YOURS)),
            None if self.circle.audience == Audience::Public => Ok(()),
            None => Err(Error::Forbidden(SIGN_IN)),
        }
    }

    /// The live is in another state.
    pub fn passed(&self, state: LiveState, at_ms: i64) {
        let is_news = std::mem::replace(&mut self.lock().state, state) != state;
        if is_news {
            let (live_id, status, at) = (self.id.get(), state.as_str(), moment(at_ms));
            self.state.publish(&Event::State { live_id, status, at });
        }
    }

    /// Counts those who watch, and tells when there are more or fewer.
    pub fn count(&self, control: &dyn LiveControl) {
        let Some(viewers_count) = control.viewers(&self.name) else { return };
        let before = self.lock().viewers.replace(viewers_count);
        if before != Some(viewers_count) {
            self.state.publish(&Event::Viewers { live_id: self.id.get(), viewers_count });
        }
    }

    /// Members have to wait longer, or less long.
    pub fn slowed(&self, seconds: u32) {
        self.lock().slow_mode_s = seconds;
        self.chat.publish(&Event::SlowMode { live_id: self.id.get(), seconds });
    }

    fn lock(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Everything that one client listens to.
#[derive(Default)]
pub struct Listener {
    room: Option<Arc<Room>>,
    state: Option<Receiver<Frame>>,
    chat: Option<Receiver<Frame>>,
    member: Option<(Arc<Member>, Receiver<Frame>)>,
    /// Up to which message it was told what it had missed.
    caught_up: Option<i64>,
}

/// It was too slow for what is said, and frames are lost to it.
#[derive(Debug)]
pub struct Behind;

impl Listener {
    /// The live that is followed.
    pub fn room(&self) -> Option<&Arc<Room>> {
        self.room.as_ref()
    }

    /// Listens to what a member is notified of.
    pub fn follow_member(&mut self, member: Arc<Member>) {
        let receiver = member.news.listen();
        self.member = Some((member, receiver));
    }

    /// Follows a live and no other; gives what there is to know first: its state and, where the reader
    /// may hear it, what was said, after the message `after` if he has seen that one.
    ///
    /// # Errors
    ///
    /// 404 and 403 where there is nothing for the reader; those of the database.
    pub async fn join(
        &mut self,
        api: &Api,
        room: Arc<Room>,
        reader: Option<&User>,
        after: Option<i64>,
    ) -> Result<Vec<Frame>, Error> {
        room.admit(reader)?;
        self.leave();
        room.count(&*api.control);
        // Listening before reading: what is said in between comes twice rather than never.
        let (state, chat) = (room.state.listen(), reader.map(|_| room.chat.listen()));
        let is_banned = match reader {
            Some(reader) => api.store.is_banned_from_chat(room.id, reader.id).await?,
            None => true,
        };
        let now = *room.lock();
        let joined = Event::Joined {
            live_id: room.id.get(),
            playback_name: room.name.as_str(),
            status: now.state.as_str(),
            viewers_count: now.viewers,
            slow_mode_s: now.slow_mode_s,
            can_read: reader.is_some(),
            can_write: !is_banned && now.state != LiveState::Ended,
            can_moderate: reader.is_some_and(|reader| room.is_moderated_by(reader)),
        };
        let mut frames: Vec<Frame> = Frame::of([&joined]).into_iter().collect();
        self.caught_up = None;
        if let Some(reader) = reader {
            self.caught_up = missed(api, room.id, reader.id, after, &mut frames).await?;
        }
        (self.room, self.state, self.chat) = (Some(room), Some(state), chat);
        Ok(frames)
    }

    /// Follows no live any more.
    pub fn leave(&mut self) {
        (self.room, self.state, self.chat) = (None, None, None);
    }

    /// The next frame. May be dropped while it waits.
    ///
    /// # Errors
    ///
    /// [`Behind`]: it cannot be told everything any more.
    pub async fn next(&mut self) -> Result<Frame, Behind> {
        loop {
            let frame = tokio::select! {
                frame = receive(self.chat.as_mut()) => frame?,
                frame = receive(self.state.as_mut()) => frame?,
                frame = receive(self.member.as_mut().map(|(_, receiver)| receiver)) => frame?,
            };
            // A message may come twice; what else stands in its frame comes once.
            let is_known = frame.is_messages_alone && frame.last_message <= self.caught_up;
            if !is_known {
                return Ok(frame);
            }
        }
    }
}

async fn receive(receiver: Option<&mut Receiver<Frame>>) -> Result<Frame, Behind> {
    let Some(receiver) = receiver else { return std::future::pending().await };
    match receiver.recv().await {
        Ok(frame) => Ok(frame),
        Err(RecvError::Lagged(_)) => Err(Behind),
        // The topic is held by who listens.
        Err(RecvError::Closed) => std::future::pending().await,
    }
}

/// What was said after the message `after`, and which of those before it were taken away; without it,
/// the last that was said. Gives the id up to which everything is told.
async fn missed(
    api: &Api,
    live: LiveId,
    reader: UserId,
    after: Option<i64>,
    frames: &mut Vec<Frame>,
) -> Result<Option<i64>, Error> {
    let (site, live_id) = (Site::of_all(api), live.get());
    let mut told = after;
    let mut count = 0;
    loop {
        let page = api.store.messages(live, told).await?;
        let bodies: Vec<MessageBody> =
            page.iter().map(|row| chat::body(row, Some(reader), &site)).collect();
        let events: Vec<Event<'_>> =
            bodies.iter().map(|message| Event::Message { live_id, message }).collect();
        frames.extend(Frame::of(&events));
        told = page.last().map(|message| message.id).or(told);
        count += page.len();
        if after.is_none() || page.len() < store::MESSAGES_AT_ONCE {
            break;
        }
        if count >= MISSED_MAX {
            let after = told.unwrap_or_default();
            frames.extend(Frame::of([&Event::Gap { live_id, after }]));
            break;
        }
    }
    if let Some(after) = after {
        let gone = api.store.deleted_messages(live, after).await?;
        let events: Vec<Event<'_>> =
            gone.into_iter().map(|id| Event::Deleted { live_id, id }).collect();
        frames.extend(Frame::of(&events));
    }
    Ok(told)
}

/// A live by its id or its public name.
///
/// # Errors
///
/// 404 when there is none.
pub async fn find(api: &Api, wanted: &Wanted) -> Result<Arc<Room>, Error> {
    let id = match wanted {
        Wanted::Id(id) => *id,
        Wanted::Name(name) => api.store.live_by_playback_name(name).await?.ok_or(NO_LIVE)?.id,
    };
    Room::of(api, id).await?.ok_or(NO_LIVE)
}

/// Which live a client names.
pub enum Wanted {
    Id(LiveId),
    Name(String),
}

#[cfg(test)]
mod tests {
    use tokio::sync::broadcast;

    use super::*;

    #[tokio::test]
    async fn who_has_caught_up_is_told_all_but_the_messages_he_has_read() {
        let bodies = [7, 8].map(chat::tests::message);
        let [known, new] = bodies.each_ref().map(|message| Event::Message { live_id: 1, message });
        let deleted = Event::Deleted { live_id: 1, id: 3 };
        let (frames, chat) = broadcast::channel(4);
        for events in [&[&known][..], &[&known, &deleted], &[&known, &new]] {
            frames.send(Frame::of(events.iter().copied()).unwrap()).unwrap();
        }
        let mut listener = Listener { chat: Some(chat), caught_up: Some(7), ..Listener::default() };
        let frame = listener.next().await.unwrap();
        assert!(frame.text.contains(r#"{"type":"chat.deleted","live_id":1,"id":3}"#), "{frame:?}");
        assert_eq!(listener.next().await.unwrap().last_message, Some(8));
    }
}
