//! What has just been written, for whoever tells it at once.
//!
//! Here: that a member was notified, that his sessions ended and that a live changed, each after its commit. Not here: chat,
//! whose order matters and is kept where messages are passed on; to whom anything is told.

use media::id::{LiveId, UserId};
use tokio::sync::broadcast;

use crate::{LiveState, Store, notifications::Noted};

/// Changes that wait for a listener: some twenty announcements to a quartier. One that is further
/// behind learns how many it missed.
const WAITING: usize = 4096;

/// Something that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// A member was notified.
    Notified(Told),
    /// All sessions of a member were ended at once.
    SessionsEnded(UserId),
    /// A live passed into another state.
    Live {
        /// Which.
        id: LiveId,
        /// That state.
        state: LiveState,
        /// When, in Unix milliseconds.
        at_ms: i64,
    },
}

/// A notification that was made. It may be due later only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// Its id.
    pub id: i64,
    /// Whose it is.
    pub recipient: UserId,
}

/// Tells all who listen.
#[derive(Clone)]
pub(crate) struct Changes(broadcast::Sender<Change>);

impl Changes {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(WAITING))
    }

    /// These notes were made, and committed.
    pub(crate) fn told(&self, noted: impl IntoIterator<Item = Noted>) {
        for told in noted.into_iter().filter_map(|Noted(told)| told) {
            self.send(Change::Notified(told));
        }
    }

    /// All sessions of a member were ended, and that is committed.
    pub(crate) fn sessions_ended(&self, user: UserId) {
        self.send(Change::SessionsEnded(user));
    }

    /// A live passed into another state, and that is committed.
    pub(crate) fn live(&self, id: LiveId, state: LiveState, at_ms: i64) {
        self.send(Change::Live { id, state, at_ms });
    }

    fn send(&self, change: Change) {
        // Nobody may be listening.
        let _ = self.0.send(change);
    }
}

impl Store {
    /// Everything that is written from now on, by this store and its clones: one server owns a
    /// database ([`Store::own`]), so that this is everything there is.
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        AuditAction, By, MailPurpose, NotificationKind, PasswordHash, TokenHash,
        testing::{NOW_MS, on_both},
    };

    on_both! {
        async fn who_listens_is_told_of_each_notification_that_was_made(db: Fixture) {
            let author = db.user_called("fatou").await.id;
            let reader = db.user_called("binta").await.id;
            let post = db.post_of(author).await;
            let mut changes = db.changes();
            db.like(post, author, NOW_MS).await.unwrap();
            db.like(post, reader, NOW_MS).await.unwrap();
            let Change::Notified(told) = changes.recv().await.unwrap() else { panic!("another") };
            assert_eq!(told.recipient, author);
            let made = db.notifications_by_id(&[told.id], NOW_MS).await.unwrap();
            assert_eq!(made[0].kind, NotificationKind::Like);
            assert_eq!(made[0].sender.as_ref().unwrap().id, reader);
            assert!(db.notifications_by_id(&[told.id], NOW_MS - 1).await.unwrap().is_empty());
            assert!(changes.try_recv().is_err(), "nobody is told of what he does himself");
        }

        async fn who_listens_is_told_of_every_end_of_all_sessions(db: Fixture) {
            let user = db.user_called("fatou").await.id;
            let by = By::console(NOW_MS);
            let mut changes = db.changes();
            db.revoke_sessions(user, &by).await.unwrap();
            let hash = PasswordHash::new("phc");
            db.set_password(user, &hash, AuditAction::PasswordSet, &by).await.unwrap();
            let token = TokenHash([1; 32]);
            let reset = MailPurpose::Reset;
            let until_ms = by.now_ms + 1;
            assert!(db.issue_mail_token(user, reset, token, by.now_ms, until_ms).await.unwrap());
            db.reset_password(token, &hash, &by).await.unwrap().unwrap();
            db.set_active(user, false, &by).await.unwrap();
            db.set_active(user, false, &by).await.unwrap();
            db.set_active(user, true, &by).await.unwrap();
            for _ in 0..4 {
                assert_eq!(changes.try_recv().unwrap(), Change::SessionsEnded(user));
            }
            assert!(changes.try_recv().is_err(), "an account that is opened ends none");
        }

        async fn who_listens_is_told_of_each_state_of_a_live(db: Fixture) {
            let author = db.user_called("fatou").await.id;
            let neighbour = db.user_called("binta").await.id;
            let unused = db.live_of(author).await.id;
            let mut changes = db.changes();
            let id = db.live_of(author).await.id;
            let from = [LiveState::Created, LiveState::Live];
            db.set_live_state(id, &from, LiveState::Live, NOW_MS + 1).await.unwrap();
            db.set_live_state(id, &from, LiveState::Live, NOW_MS + 2).await.unwrap();
            db.announce_lives(NOW_MS).await.unwrap();
            let live = |id, state, at_ms| Change::Live { id, state, at_ms };
            assert_eq!(changes.recv().await.unwrap(), live(unused, LiveState::Ended, NOW_MS));
            assert_eq!(changes.recv().await.unwrap(), live(id, LiveState::Live, NOW_MS + 1));
            let Change::Notified(told) = changes.recv().await.unwrap() else { panic!("another") };
            assert_eq!(told.recipient, neighbour);
        }
    }
}
