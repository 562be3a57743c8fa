//! The database of CommuniConnect Live: every SQL statement of the project.
//!
//! Here: members, their sessions, the places they live in, posts, media and lives, on SQLite or on
//! PostgreSQL. Not here: HTTP, passwords in clear, tokens in clear, stream keys in clear, the clock
//! (every time comes as an argument, in Unix milliseconds).
//!
//! A statement has one text for both databases; where it cannot, the comment beside it says why.
//! The tests run every function on both.

mod attachments;
mod database;
mod error;
mod geography;
mod lives;
mod page;
mod posts;
mod sessions;
mod text;
mod uploads;
mod users;

#[cfg(test)]
mod testing;

use std::sync::Arc;

pub use attachments::{
    Approval, Media, MediaChange, MediaId, MediaType, NewMedia, POST_MEDIA_MAX, PostMedia,
};
use database::Database;
pub use database::Ownership;
pub use error::{Error, Fault, Field};
pub use geography::{
    Commune, CommuneId, Geography, Prefecture, PrefectureId, Quartier, QuartierId, Region, RegionId,
};
pub use lives::{Audience, LiveRow, LiveState, NewLive};
pub use page::{PAGE_SIZE, Page};
pub use posts::{Author, Post, PostId, PostLive, PostQuery, PostSort, PostType, Scope};
pub use sessions::{Rotation, TokenHash};
pub use uploads::Upload;
pub use users::{NewUser, PasswordHash, ProfileChange, Role, User};

/// The open database. Cheap to clone; all clones share the connections.
#[derive(Clone)]
pub struct Store {
    database: Database,
    geography: Arc<Geography>,
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
        Ok(Self { database, geography: Arc::new(geography) })
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
