//! Lives: from the moment a member asks for one until it has ended.
//!
//! Here: the states of a live and which may follow which. Not here: what viewers are shown (the
//! post, in `posts`), the connection of the publisher, how long one waits for it.

use media::id::{KeyHash, LiveId, PlaybackName, UserId};

use crate::{Error, Store};

/// A live as the database knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveRow {
    /// Also the id of its post.
    pub id: LiveId,
    /// Whose live it is.
    pub author: UserId,
    /// The title of its post.
    pub title: String,
    /// May be empty.
    pub description: String,
    /// The public name in the HLS addresses.
    pub playback_name: PlaybackName,
    /// Where it stands.
    pub state: LiveState,
    /// When it was asked for, in Unix milliseconds.
    pub created_ms: i64,
    /// When it was first published, in Unix milliseconds.
    pub started_ms: Option<i64>,
    /// When its publisher was lost, in Unix milliseconds; only while interrupted.
    pub interrupted_ms: Option<i64>,
    /// When it ended, in Unix milliseconds.
    pub ended_ms: Option<i64>,
}

/// Where a live stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LiveState {
    /// Asked for; nothing was published yet.
    Created,
    /// Being published.
    Live,
    /// Its publisher is gone and may come back.
    Interrupted,
    /// Over for good.
    Ended,
}

impl LiveState {
    /// The state as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Live => "live",
            Self::Interrupted => "interrupted",
            Self::Ended => "ended",
        }
    }

    /// Whether a live may pass from this state to `next`. Nothing follows `Ended`.
    pub fn may_become(self, next: Self) -> bool {
        use LiveState::{Created, Ended, Interrupted, Live};
        matches!(
            (self, next),
            (Created, Live | Ended) | (Live, Interrupted | Ended) | (Interrupted, Live | Ended)
        )
    }
}

/// A live to be made.
#[derive(Debug, Clone)]
pub struct NewLive {
    /// Whose live it is; must have a quartier.
    pub author: UserId,
    /// Title of live and post.
    pub title: String,
    /// What it is about; may be empty.
    pub description: String,
    /// The text of the post.
    pub content: String,
    /// The hash of the stream key.
    pub key_hash: KeyHash,
    /// The public name, random.
    pub playback_name: PlaybackName,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

impl Store {
    /// Makes a live and its post, in the quartier of its author.
    ///
    /// An earlier live of the same author that was never published is ended. Two calls at the same
    /// instant behave as if one came after the other, so that one unfinished live remains.
    ///
    /// # Errors
    /// [`Error::AlreadyLive`] when an earlier live was published and has not ended,
    /// [`Error::NoQuartier`], [`Error::UnknownUser`].
    pub async fn create_live(&self, new: NewLive) -> Result<LiveRow, Error> {
        let _ = new;
        unimplemented!()
    }

    /// The live that this key publishes, ended or not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live_by_key(&self, key: &KeyHash) -> Result<Option<LiveRow>, Error> {
        let _ = key;
        unimplemented!()
    }

    /// The live of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live(&self, id: LiveId) -> Result<Option<LiveRow>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// The live of this public name. Any text may be asked for.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live_by_playback_name(&self, name: &str) -> Result<Option<LiveRow>, Error> {
        let _ = name;
        unimplemented!()
    }

    /// Moves a live to the state `to` if it stands in one of `from` and may pass from there to
    /// `to` ([`LiveState::may_become`]); says whether it did. Race-free: of two callers that ask
    /// for the same step, one is told `true`.
    ///
    /// Becoming `Live` sets `started_ms` the first time; becoming `Ended` sets `ended_ms` and takes
    /// the live mark off the post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_live_state(
        &self,
        id: LiveId,
        from: &[LiveState],
        to: LiveState,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let _ = (id, from, to, now_ms);
        unimplemented!()
    }

    /// Every live that has not ended, oldest first: what start-up has to put right.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unfinished_lives(&self) -> Result<Vec<LiveRow>, Error> {
        unimplemented!()
    }

    /// Ends the lives asked for before `before_ms` and never published; gives their ids.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_stale_created_lives(
        &self,
        before_ms: i64,
        now_ms: i64,
    ) -> Result<Vec<LiveId>, Error> {
        let _ = (before_ms, now_ms);
        unimplemented!()
    }
}
