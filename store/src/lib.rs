//! The database of CommuniConnect Live: every SQL statement of the project.
//!
//! Here: members, their sessions, what was done to them (the audit log), the places they live in,
//! posts, media and lives, what is made of them (likes, comments, shares, chat, notifications), on
//! SQLite or on PostgreSQL. Not here: HTTP, passwords in clear, tokens in clear, stream keys in clear,
//! the clock (every time comes as an argument, in Unix milliseconds).
//!
//! A statement has one text for both databases; where it cannot, the comment beside it says why.
//! The tests run every function on both.

mod accounts;
mod analytics;
mod announcements;
mod attachments;
mod audit;
mod authors;
pub mod backup;
mod changes;
mod chat;
mod comments;
mod database;
mod error;
mod geography;
mod likes;
mod lives;
mod mail_tokens;
mod media_work;
mod mentions;
mod notifications;
mod page;
mod posts;
mod preferences;
mod pushes;
mod reactions;
mod reports;
mod sessions;
mod shares;
mod text;
mod uploads;
mod users;

#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use attachments::{
    Approval, Media, MediaChange, MediaId, MediaType, NewMedia, POST_MEDIA_MAX, PostMedia,
    RecordedLive, Showing, StoredMedia, Work,
};
use changes::Changes;
use database::Database;
pub use database::Ownership;

pub use analytics::{AuthorFigures, PostFigures, RecentPost};
pub use audit::{Actor, AuditAction, AuditLine, AuditQuery, By, network_of};
pub use authors::Author;
pub use changes::{Change, Told};
pub use chat::{
    ChatAuthor, ChatMessage, ChatRoom, MESSAGES_AT_ONCE, MessageType, NewMessage, SLOW_MODE_MAX_S,
    Said,
};
pub use comments::{Comment, CommentId, MAX_LEVEL, NewComment, THREAD_REPLIES_MAX};
pub use error::{Error, Fault, Field};
pub use geography::{
    Commune, CommuneId, Geography, Prefecture, PrefectureId, Quartier, QuartierId, Region, RegionId,
};
pub use likes::Like;
pub use lives::{Audience, LiveRow, LiveState, NewLive};
pub use mail_tokens::MailPurpose;
pub use media_work::{MadeMedia, MediaJob};
pub use mentions::MENTIONS_MAX;
pub use notifications::{
    Counts, NOTIFICATIONS_KEPT, NotedPost, Notification, NotificationKind, NotificationQuery,
    Sender,
};
pub use page::{PAGE_SIZE, Page};
use posts::letters::Letters;
pub use posts::{
    NewPost, Post, PostChange, PostId, PostLive, PostQuery, PostSort, PostType, SEARCH_MAX, Scope,
};
pub use preferences::{Frequency, PreferenceChange, Preferences, Switch};
pub use pushes::{
    DuePush, NewSubscription, News, REFUSALS_MAX, Settlement, Subscription, SubscriptionId,
};
pub use reactions::Reactions;
pub use reports::{Report, Reported};
pub use sessions::{Rotation, TokenHash};
pub use shares::{ExternalShare, NewShare, Platform, Share, ShareType, Shared};
pub use text::fold;
pub use uploads::Upload;
pub use users::{NewUser, PasswordHash, ProfileChange, Role, User};

/// The open database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    database: Database,
    geography: Arc<Geography>,
    changes: Changes,
    letters: Arc<Letters>,
}

impl Store {
    /// Opens the database that `url` names, brings its tables up to date and fills in the places.
    ///
    /// `sqlite:PATH` opens or creates a file, with its folder; `postgres://user@host/name` (or
    /// `postgresql://`) connects to a database that exists.
    ///
    /// # Errors
    /// [`Error::Url`] for any other address, [`Error::File`] when the file cannot be made,
    /// [`Error::Migration`] when the tables are those of another version, [`Error::Unavailable`] or
    /// [`Error::Database`] otherwise.
    pub async fn open(url: &str) -> Result<Self, Error> {
        let (database, geography) = Database::open(url).await?;
        Ok(Self {
            database,
            geography: Arc::new(geography),
            changes: Changes::new(),
            letters: Arc::default(),
        })
    }

    /// Opens a database beside the server that may be running on it: makes no file and changes no
    /// table.
    ///
    /// # Errors
    /// [`Error::Migration`] when a server of this version has not opened it yet; else as
    /// [`Store::open`].
    pub async fn join(url: &str) -> Result<Self, Error> {
        let (database, geography) = Database::join(url).await?;
        Ok(Self {
            database,
            geography: Arc::new(geography),
            changes: Changes::new(),
            letters: Arc::default(),
        })
    }

    /// Regions, prefectures, communes and quartiers, in memory since the opening.
    pub fn geography(&self) -> &Geography {
        &self.geography
    }

    /// Asks the database for a sign of life.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it gives none in time.
    pub async fn ping(&self) -> Result<(), Error> {
        self.database.ping().await
    }

    /// How often this store has written, in all its clones. As long as it stays the same, what was read
    /// before is still so, but for what other programs write. Taken before reading; a write that was
    /// told to its caller is counted.
    pub fn writes(&self) -> u64 {
        self.database.writes()
    }

    /// Makes the caller the one server of this database, for as long as it holds what it is given;
    /// `None` when another is. A SQLite file belongs to whoever holds its folder, and is not asked.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn own(&self) -> Result<Option<Ownership>, Error> {
        self.database.own().await
    }

    /// Waits for statements under way, then closes every connection. Later calls fail with
    /// [`Error::Unavailable`].
    pub async fn close(&self) {
        self.database.close().await;
    }
}
