//! The in-memory home of one live.
//!
//! Here: one packager, its lock, who may push into it, what its readers may take, and the word that
//! goes out when something changes. Not here: the publisher's handle (`publisher`), how renderings
//! are kept (`playlist`), names (`registry`).
//!
//! # When the packager panics
//! The panic is caught under the lock, the live ends with what it had, and its publisher gets
//! [`Error::Failed`]. If the packager cannot even finish, the playlists it last gave are closed in
//! its place. No other live notices. A lock poisoned in spite of that is taken all the same:
//! a reader's panic changes nothing a later reader could trip over.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, atomic::AtomicUsize},
    time::Duration,
};

use bytes::Bytes;
use media::{
    Event, Labels,
    id::{Epoch, PlaybackName},
};
use packager::{Edge, Numbers, Packager, Progress, Rendition, Report, Segment};
use tokio::{sync::watch, time::Instant};

use crate::{
    Error, Playlist, Publisher,
    playlist::{Renderings, Which},
    publisher::Reign,
    viewers::Viewers,
};

/// A viewer is there for so many target durations after he was last seen: one more than a request
/// for a playlist may be made to wait (rfc8216bis §6.2.5.2).
const PRESENCE_TARGETS: u32 = 4;
/// … and for no less than this. Players on weak links pause between two playlists; and before the
/// first segment nothing is promised.
const PRESENCE_MIN: Duration = Duration::from_secs(10);

/// The in-memory home of one live: one publisher at a time, any number of readers.
#[derive(Debug)]
pub struct Channel {
    name: PlaybackName,
    epoch: Epoch,
    numbers: Numbers,
    access: Access,
    inner: Mutex<Inner>,
    state: watch::Sender<State>,
    /// What of it a reader of whole segments waits for.
    complete: watch::Sender<Complete>,
    /// The same for those who wait, who may be many (see [`relay`]).
    relayed: OnceLock<Relayed>,
    reign: watch::Sender<Reign>,
    viewers: Viewers,
}

/// Who may read a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Access {
    /// Everybody.
    #[default]
    Everyone,
    /// Whoever brings a ticket for it.
    Ticket,
}

/// What a reader waits for; who waits for media is told first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Awaited {
    /// A part.
    Media,
    /// A playlist.
    Playlist,
}

/// Where those who wait are told.
#[derive(Debug)]
struct Relayed {
    media: watch::Sender<State>,
    playlists: watch::Sender<State>,
}

/// What readers wait for a change of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct State {
    /// Grows with every change inside, also those that show nowhere else yet.
    pub revision: u64,
    /// The newest complete part. `None` until the first segment is listed: before that there is no
    /// playlist, and those who wait for one are woken once, not at every part.
    pub edge: Option<Edge>,
    /// The part that comes next, as the playlists hint at it; `None` as long as there are none.
    pub next_part: Option<Edge>,
    /// The newest complete segment.
    pub last_msn: Option<u64>,
    /// What is promised, from the first segment on: here, so that those who wait need no lock for it.
    pub targets: Option<Targets>,
    /// Whether a publisher is connected now.
    pub published: bool,
    /// Whether the live is over: the playlists say so, and nothing will change any more.
    pub ended: bool,
    /// Whether nothing will change any more here, though the live goes on; see [`Channel::suspend`].
    pub suspended: bool,
}

impl State {
    /// Whether nothing will change any more.
    pub fn is_final(&self) -> bool {
        self.ended || self.suspended
    }
}

/// What a reader of whole segments waits for a change of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Complete {
    /// The newest complete segment.
    pub last_msn: Option<u64>,
    /// Whether no other will follow.
    pub ended: bool,
}

/// What a channel promises for its whole life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Targets {
    /// `EXT-X-TARGETDURATION`.
    pub segment: Duration,
    /// `PART-TARGET`.
    pub part: Duration,
}

#[derive(Debug)]
struct Inner {
    packager: Packager,
    renderings: Renderings,
    revision: u64,
    /// The number of the newest claim; older ones push in vain.
    claim: u64,
    published: bool,
    listed: bool,
    ended: bool,
    suspended: bool,
    /// The packager panicked.
    failed: bool,
    /// It cannot even finish or render: its last playlists stand for it.
    frozen: bool,
}

impl Channel {
    pub(crate) fn new(
        name: PlaybackName,
        packager: Packager,
        access: Access,
        viewers_in_all: Arc<AtomicUsize>,
    ) -> Self {
        let (epoch, numbers) = (packager.epoch().clone(), packager.numbers().clone());
        let inner = Inner {
            renderings: Renderings::default(),
            revision: 0,
            claim: 0,
            published: false,
            listed: packager.last_msn().is_some(),
            ended: false,
            suspended: false,
            failed: false,
            frozen: false,
            packager,
        };
        let state = inner.state();
        let complete = Complete { last_msn: state.last_msn, ended: false };
        Self {
            name,
            epoch,
            numbers,
            access,
            inner: Mutex::new(inner),
            state: watch::Sender::new(state),
            complete: watch::Sender::new(complete),
            relayed: OnceLock::new(),
            reign: watch::Sender::default(),
            viewers: Viewers::new(viewers_in_all),
        }
    }

    /// The name it is open under.
    pub fn name(&self) -> &PlaybackName {
        &self.name
    }

    /// The epoch of its media URLs.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How its segments are called.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Who may read it, for its whole life.
    pub fn access(&self) -> Access {
        self.access
    }

    /// Makes the caller the one publisher of this live, from now on. An earlier publisher, if it is
    /// still there, is told at once ([`Publisher::revoked`]) and can push nothing more: an encoder
    /// that reconnects does not wait for its dead connection to be noticed.
    ///
    /// `wall_clock_ms` is the Unix time in milliseconds, for `EXT-X-PROGRAM-DATE-TIME`. The claim on
    /// a live that has ended is given, and revoked already.
    pub fn claim(self: &Arc<Self>, wall_clock_ms: i64) -> Publisher {
        let (claim, state) = {
            let mut inner = self.lock();
            inner.claim += 1;
            if !inner.is_final() {
                inner.interrupt();
                inner.published = inner.attempt(|packager| packager.begin(wall_clock_ms)).is_ok();
                inner.revision += 1;
            }
            (inner.claim, inner.state())
        };
        self.announce(state);
        self.reign.send_modify(|reign| reign.claim = reign.claim.max(claim));
        Publisher::new(Arc::clone(self), claim, self.reign.subscribe())
    }

    /// Ends the live: the last segment is closed, the playlists say `EXT-X-ENDLIST`, everybody who
    /// waits is woken, the publisher is told. Doing so again changes nothing.
    pub fn end(&self) {
        let state = {
            let mut inner = self.lock();
            inner.end();
            inner.state()
        };
        self.announce(state);
    }

    /// The server goes down, and the live goes on after its next start: the last segment is closed, the publisher
    /// is told, and nothing can be added any more. Playlists do not end, so that their readers ask again.
    pub fn suspend(&self) {
        let state = {
            let mut inner = self.lock();
            if !inner.is_final() {
                inner.interrupt();
                inner.suspended = true;
                inner.revision += 1;
            }
            inner.state()
        };
        self.announce(state);
    }

    /// A receiver that sees every later change of [`State`], and the present one at once or in a
    /// moment. Its readers are woken by a task of the runtime that the first of them is in.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn watch(&self, awaited: Awaited) -> watch::Receiver<State> {
        let Relayed { media, playlists } =
            self.relayed.get_or_init(|| relay(self.state.subscribe()));
        match awaited {
            Awaited::Media => media.subscribe(),
            Awaited::Playlist => playlists.subscribe(),
        }
    }

    /// A receiver for a reader who is no viewer: it sees complete segments and the end alone, and
    /// nobody is hurried for it.
    pub fn follow(&self) -> watch::Receiver<Complete> {
        self.complete.subscribe()
    }

    /// What the publisher calls its sounds.
    pub fn labels(&self) -> Arc<Labels> {
        Arc::clone(self.lock().packager.labels())
    }

    /// How many receivers [`Channel::watch`] has given that are still held.
    pub fn watchers(&self) -> usize {
        self.relayed.get().map_or(0, |Relayed { media, playlists }| {
            media.receiver_count() + playlists.receiver_count()
        })
    }

    /// What a receiver of [`Channel::watch`] sees now or in a moment.
    pub fn state(&self) -> State {
        *self.state.borrow()
    }

    /// The media playlist of a rendition; `None` before there is enough to play.
    ///
    /// Rendered once per change, whatever the number of viewers.
    pub fn media_playlist(&self, rendition: Rendition) -> Option<Arc<Playlist>> {
        self.playlist(Which::Media(rendition))
    }

    /// The same without what a reader of the last one has, where something can be left out.
    pub fn media_playlist_delta(&self, rendition: Rendition) -> Option<Arc<Playlist>> {
        self.playlist(Which::Delta(rendition))
    }

    /// The multivariant playlist that offers a rendition; `None` before there is enough to play.
    pub fn multivariant_playlist(&self, rendition: Rendition) -> Option<Arc<Playlist>> {
        self.playlist(Which::Multivariant(rendition))
    }

    /// Whether the live is offered as a rendition, as far as is known: MPEG-TS does not carry every
    /// codec. Where it is not, there are no playlists.
    pub fn offers(&self, rendition: Rendition) -> bool {
        self.lock().packager.offers(rendition)
    }

    /// The segment with this Media Sequence Number, while it is listed or retained.
    pub fn segment(&self, msn: u64) -> Option<Arc<Segment>> {
        self.lock().packager.segment(msn)
    }

    /// A part of a rendition, while its segment is open, listed or retained.
    pub fn part(&self, rendition: Rendition, msn: u64, index: u32) -> Option<Bytes> {
        let mut inner = self.lock();
        // What is complete needs no lock: the sound alone may have to be made first.
        match inner.packager.segment(msn) {
            Some(segment) => {
                drop(inner);
                segment.part(index, rendition)
            }
            None => inner.packager.part(rendition, msn, index),
        }
    }

    /// The init segment `id` of a rendition, while a retained segment needs it.
    pub fn init(&self, rendition: Rendition, id: u32) -> Option<Bytes> {
        self.lock().packager.init(rendition, id)
    }

    /// Greatest duration of a segment and of a part, as promised with the first segment.
    pub fn targets(&self) -> Option<Targets> {
        self.state().targets
    }

    /// The publisher has been gone for `silent`: readers are told so, in parts without media. Has no
    /// effect before the first segment, nor while somebody publishes, nor once the live has ended.
    pub fn gap(&self, silent: Duration) {
        self.gap_if(silent, |inner| !inner.published);
    }

    /// The same of the publisher with this claim, who is there and sends nothing.
    pub(crate) fn gap_of(&self, claim: u64, silent: Duration) {
        self.gap_if(silent, |inner| inner.published && inner.claim == claim);
    }

    fn gap_if(&self, silent: Duration, is_so: impl Fn(&Inner) -> bool) {
        let silent_ms = u64::try_from(silent.as_millis()).unwrap_or(u64::MAX);
        let state = {
            let mut inner = self.lock();
            if inner.is_final() || !is_so(&inner) {
                return;
            }
            let progress = inner.attempt(|packager| packager.gap(silent_ms)).unwrap_or_default();
            inner.note(progress);
            inner.state()
        };
        self.announce(state);
    }

    /// A viewer is there now; `viewer` tells him from the others of this live. Of more than some
    /// ten thousand, the last are not counted.
    pub fn saw(&self, viewer: u64, now: Instant) {
        if !self.state().ended {
            self.viewers.saw(viewer, now, || self.presence());
        }
    }

    /// How many viewers are there now; nobody once the live has ended.
    pub fn viewers(&self, now: Instant) -> usize {
        if self.state().ended { 0 } else { self.viewers.count(now, self.presence()) }
    }

    fn presence(&self) -> Duration {
        let target = self.targets().map(|targets| targets.segment).unwrap_or_default();
        PRESENCE_MIN.max(target * PRESENCE_TARGETS)
    }

    /// What is being received: tracks, rates, sizes.
    pub fn report(&self) -> Report {
        self.lock().packager.report()
    }

    /// Whether a publisher is connected now.
    pub fn has_publisher(&self) -> bool {
        self.lock().published
    }

    /// Takes the events of the publisher with this claim; `events` is empty afterwards.
    pub(crate) fn push(&self, claim: u64, events: &mut Vec<Event>) -> Result<Progress, Error> {
        let (outcome, state) = {
            let mut inner = self.lock();
            let outcome = inner.push(claim, events);
            (outcome, inner.state())
        };
        events.clear();
        self.announce(state);
        outcome
    }

    /// The publisher with this claim is gone.
    pub(crate) fn release(&self, claim: u64) {
        let state = {
            let mut inner = self.lock();
            if inner.claim == claim {
                inner.interrupt();
            }
            inner.state()
        };
        self.announce(state);
    }

    fn playlist(&self, which: Which) -> Option<Arc<Playlist>> {
        let mut inner = self.lock();
        let ended = inner.ended;
        let playlist = inner.playlist(which, &self.epoch);
        if inner.ended != ended {
            let state = inner.state();
            drop(inner);
            self.announce(state);
        }
        playlist
    }

    /// Passes `state` on. It was read under the lock and is sent outside of it, where a newer one may
    /// have been faster. Readers are woken only by what they can see.
    fn announce(&self, state: State) {
        self.state.send_if_modified(|current| {
            if state.revision <= current.revision {
                return false;
            }
            let same_but_newer = State { revision: state.revision, ..*current };
            *current = state;
            state != same_but_newer
        });
        self.complete.send_if_modified(|complete| {
            let newer = Complete { last_msn: state.last_msn, ended: state.is_final() };
            let is_newer = newer.last_msn > complete.last_msn || newer.ended && !complete.ended;
            if is_newer {
                complete.last_msn = newer.last_msn.max(complete.last_msn);
                complete.ended |= newer.ended;
            }
            is_newer
        });
        if state.is_final() {
            self.reign.send_if_modified(|reign| !std::mem::replace(&mut reign.ended, true));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes every state on until the channel is gone.
///
/// Waking ten thousand who wait takes milliseconds. They are the task's; the publisher, who has the
/// next samples to read, wakes the task (ADR 25). Those who wait for a part are woken first, and the
/// others when these had a turn: the bytes of media are what a picture waits for (ADR 30).
fn relay(mut from: watch::Receiver<State>) -> Relayed {
    let newest = *from.borrow_and_update();
    let relayed =
        Relayed { media: watch::Sender::new(newest), playlists: watch::Sender::new(newest) };
    let (media, playlists) = (relayed.media.clone(), relayed.playlists.clone());
    tokio::spawn(async move {
        while from.changed().await.is_ok() {
            let newest = *from.borrow_and_update();
            media.send_replace(newest);
            if media.receiver_count() > 0 {
                tokio::task::yield_now().await;
            }
            playlists.send_replace(newest);
        }
    });
    relayed
}

impl Inner {
    fn state(&self) -> State {
        State {
            revision: self.revision,
            edge: self.packager.edge().filter(|_| self.listed),
            next_part: self.listed.then(|| self.packager.next_part()),
            last_msn: self.packager.last_msn(),
            targets: self.targets(),
            published: self.published,
            ended: self.ended,
            suspended: self.suspended,
        }
    }

    fn is_final(&self) -> bool {
        self.ended || self.suspended
    }

    fn targets(&self) -> Option<Targets> {
        Some(Targets {
            segment: Duration::from_secs(self.packager.target_duration_s()?.into()),
            part: Duration::from_millis(self.packager.part_target_ms()?.into()),
        })
    }

    fn push(&mut self, claim: u64, events: &mut Vec<Event>) -> Result<Progress, Error> {
        if self.claim != claim {
            return Err(Error::Superseded);
        }
        if self.is_final() {
            return Err(if self.failed { Error::Failed } else { Error::Ended });
        }
        let mut total = Progress::default();
        let pushed = self.attempt(|packager| {
            for event in events.drain(..) {
                total |= packager.push(event)?;
            }
            Ok(())
        });
        self.note(total);
        pushed?.map_err(Error::Packager)?;
        Ok(total)
    }

    /// The publisher is gone: the open part and segment are closed as they stand.
    fn interrupt(&mut self) {
        if std::mem::take(&mut self.published) {
            self.revision += 1;
            let progress = self.attempt(Packager::interrupt).unwrap_or_default();
            self.note(progress);
        }
    }

    fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.published = false;
            self.revision += 1;
            let finished = self.attempt(Packager::finish);
            self.frozen |= finished.is_err();
            self.note(finished.unwrap_or_default());
        }
    }

    fn note(&mut self, progress: Progress) {
        self.listed |= progress.segment;
        self.revision += u64::from(progress.part || progress.segment || progress.hint);
    }

    /// Runs `step`, and ends this live, alone, if it panics.
    fn attempt<T>(&mut self, step: impl FnOnce(&mut Packager) -> T) -> Result<T, Error> {
        catch_unwind(AssertUnwindSafe(|| step(&mut self.packager))).map_err(|_| {
            self.failed = true;
            self.end();
            Error::Failed
        })
    }

    fn playlist(&mut self, which: Which, epoch: &Epoch) -> Option<Arc<Playlist>> {
        if self.frozen {
            return self.renderings.last(which);
        }
        let Self { packager, renderings, .. } = self;
        let rendered = catch_unwind(AssertUnwindSafe(|| {
            let revision = match which {
                Which::Media(rendition) | Which::Delta(rendition) => {
                    packager.playlist_revision(rendition)
                }
                Which::Multivariant(_) => packager.segments_revision(),
            };
            renderings.get(which, revision, || {
                let (text, form) = match which {
                    Which::Media(rendition) => (packager.media_playlist(rendition), ""),
                    Which::Delta(rendition) => (packager.media_playlist_delta(rendition), ".d"),
                    Which::Multivariant(rendition) => {
                        (packager.multivariant_playlist(rendition), "")
                    }
                };
                let text = text?;
                let etag = format!("W/\"{epoch}.{revision}{form}\"");
                let target_duration_s = packager.target_duration_s().unwrap_or_default();
                Some((text, etag, target_duration_s))
            })
        }));
        rendered.unwrap_or_else(|_| {
            self.failed = true;
            self.frozen = true;
            self.end();
            self.renderings.last(which)
        })
    }
}

#[cfg(test)]
mod tests;
