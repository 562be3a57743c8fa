//! Lives: from the moment a member asks for one until it has ended.
//!
//! Here: the states of a live and which may follow which. Not here: what viewers are shown (the
//! post, in `posts`), the connection of the publisher, how long one waits for it.

use media::id::{KeyHash, LiveId, PlaybackName, UserId};

use crate::{
    Error, NotificationKind, PostId, Store,
    announcements::{PUT_DOWN_ANNOUNCEMENTS, PUT_DOWN_FAREWELL},
    database::{Database, reading, row, transaction},
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _},
    posts::{make_searchable, mentionable},
    text::storable,
};

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
    /// Whom it is for.
    pub audience: Audience,
    /// Whether others than its author may have its recording as a file.
    pub downloads_allowed: bool,
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

/// Whom a live is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Audience {
    /// Everybody who has the link.
    #[default]
    Public,
    /// The members of the quartier of its post.
    Quartier,
}

impl Audience {
    /// The audience as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Quartier => "quartier",
        }
    }

    /// The audience a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Public, Self::Quartier].into_iter().find(|audience| audience.as_str() == text)
    }

    /// The audience a stored text stands for.
    pub(crate) fn from_stored(text: &str) -> Result<Self, Error> {
        Self::parse(text).ok_or_else(|| {
            Error::Database("the audience of a live is unknown to this version".into())
        })
    }
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

    /// The state a stored text stands for.
    pub(crate) fn from_stored(text: &str) -> Result<Self, Error> {
        [Self::Created, Self::Live, Self::Interrupted, Self::Ended]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| Error::Database("the state of a live is unknown to this version".into()))
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
    /// Whom it is for.
    pub audience: Audience,
    /// Whether others than its author may have its recording as a file.
    pub downloads_allowed: bool,
    /// The hash of the stream key.
    pub key_hash: KeyHash,
    /// The public name, random.
    pub playback_name: PlaybackName,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// The beginning of every statement that reads a [`LiveRecord`].
macro_rules! select_lives {
    ($rest:literal) => {
        concat!(
            "select l.id, l.author_id, p.title, l.description, l.playback_name, l.audience, \
                 l.downloads_allowed, l.state, l.created_ms, l.started_ms, l.interrupted_ms, l.ended_ms \
             from lives l join posts p on p.id = l.id ",
            $rest
        )
    };
}

impl Store {
    /// Makes a live and its post, in the quartier of its author, and tells those whom the post names.
    ///
    /// An earlier live of the same author that was never published is ended. Two calls at the same
    /// instant behave as if one came after the other, so that one unfinished live remains.
    ///
    /// # Errors
    /// [`Error::AlreadyLive`] when an earlier live was published and has not ended,
    /// [`Error::NoQuartier`], [`Error::UnknownUser`].
    pub async fn create_live(&self, new: NewLive) -> Result<LiveRow, Error> {
        let lock_author = match self.database {
            // A transaction that writes is alone in SQLite, which knows no locks on rows.
            Database::Sqlite { .. } => "select quartier_id from users where id = $1",
            // Two calls of one author wait for each other here; else each would see no live, and
            // the unique index would make one of them fail.
            Database::Postgres(..) => {
                "select quartier_id from users where id = $1 for no key update"
            }
        };
        let author = new.author.get();
        let (id, unused, noted) = transaction!(&self.database, |transaction| {
            let quartier: Option<Option<i64>> = sqlx::query_scalar(lock_author)
                .bind(author)
                .fetch_optional(&mut *transaction)
                .await?;
            let quartier = quartier.ok_or(Error::UnknownUser)?.ok_or(Error::NoQuartier)?;

            let unused: Vec<i64> = sqlx::query_scalar(
                "update lives set state = 'ended', ended_ms = $2
                 where author_id = $1 and state = 'created'
                 returning id",
            )
            .bind(author)
            .bind(new.now_ms)
            .fetch_all(&mut *transaction)
            .await?;
            let unfinished: Option<i64> = sqlx::query_scalar(
                "select id from lives
                 where author_id = $1 and state in ('created', 'live', 'interrupted')",
            )
            .bind(author)
            .fetch_optional(&mut *transaction)
            .await?;
            if let Some(id) = unfinished {
                return Err(Error::AlreadyLive { id: LiveId::new(id) });
            }
            sqlx::query(
                "update posts set is_live_post = 0, updated_ms = $2
                 where author_id = $1 and is_live_post = 1",
            )
            .bind(author)
            .bind(new.now_ms)
            .execute(&mut *transaction)
            .await?;

            let id: i64 = sqlx::query_scalar(
                "insert into posts (author_id, quartier_id, commune_id, title, content, post_type, \
                     is_live_post, created_ms, updated_ms)
                 select $1, q.id, q.commune_id, $3, $4, 'info', 1, $5, $5
                 from quartiers q where q.id = $2
                 returning id",
            )
            .bind(author)
            .bind(quartier)
            .bind(storable(&new.title))
            .bind(storable(&new.content))
            .bind(new.now_ms)
            .fetch_one(&mut *transaction)
            .await?;
            make_searchable!(transaction, id, &new.title, &new.content);
            sqlx::query(
                "insert into lives (id, author_id, description, playback_name, key_hash, audience, \
                     downloads_allowed, created_ms)
                 values ($1, $2, $3, $4, $5, $6, $7, $8)",
            )
            .bind(id)
            .bind(author)
            .bind(storable(&new.description))
            .bind(new.playback_name.as_str())
            .bind(new.key_hash.0.as_slice())
            .bind(new.audience.as_str())
            .bind(i64::from(new.downloads_allowed))
            .bind(new.now_ms)
            .execute(&mut *transaction)
            .await?;
            let names = newly_mentioned(&mentionable(&new.title, &new.content), "");
            let kind = NotificationKind::Mention;
            let note = Note::about(PostId::new(id), kind, new.author, new.author, new.now_ms);
            let noted = transaction.mention(&names, Place::Post, &note).await?;
            (id, unused, noted)
        });
        self.changes.told(noted);
        for id in unused {
            self.changes.live(LiveId::new(id), LiveState::Ended, new.now_ms);
        }
        Ok(LiveRow {
            id: LiveId::new(id),
            author: new.author,
            title: storable(&new.title).into_owned(),
            description: storable(&new.description).into_owned(),
            playback_name: new.playback_name,
            audience: new.audience,
            downloads_allowed: new.downloads_allowed,
            state: LiveState::Created,
            created_ms: new.now_ms,
            started_ms: None,
            interrupted_ms: None,
            ended_ms: None,
        })
    }

    /// The live that this key publishes, ended or not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live_by_key(&self, key: &KeyHash) -> Result<Option<LiveRow>, Error> {
        const SELECT: &str = select_lives!("where l.key_hash = $1");
        let record: Option<LiveRecord> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(key.0.as_slice()).fetch_optional(pool).await?
        });
        record.map(LiveRow::try_from).transpose()
    }

    /// The live of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live(&self, id: LiveId) -> Result<Option<LiveRow>, Error> {
        const SELECT: &str = select_lives!("where l.id = $1");
        let record: Option<LiveRecord> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.get()).fetch_optional(pool).await?
        });
        record.map(LiveRow::try_from).transpose()
    }

    /// The live of this public name. Any text may be asked for.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn live_by_playback_name(&self, name: &str) -> Result<Option<LiveRow>, Error> {
        const SELECT: &str = select_lives!("where l.playback_name = $1");
        let Ok(name) = name.parse::<PlaybackName>() else { return Ok(None) };
        let record: Option<LiveRecord> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(name.as_str()).fetch_optional(pool).await?
        });
        record.map(LiveRow::try_from).transpose()
    }

    /// Moves a live to the state `to` if it stands in one of `from` and may pass from there to
    /// `to` ([`LiveState::may_become`]); says whether it did. Race-free: of two callers that ask
    /// for the same step, one is told `true`.
    ///
    /// Becoming `Live` the first time sets `started_ms` and lets [`Store::announce_lives`] tell the
    /// neighbours; becoming `Ended` sets `ended_ms`, takes the live mark off the post and lets it tell
    /// those who took part.
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
        // One parameter for each state a live can leave; null equals nothing.
        let leaves = |state: LiveState| {
            (from.contains(&state) && state.may_become(to)).then_some(state.as_str())
        };
        let moved = transaction!(&self.database, |transaction| {
            let moved = sqlx::query(
                "update lives set
                     state = $2,
                     started_ms = case when $2 = 'live' then coalesce(started_ms, $3)
                         else started_ms end,
                     interrupted_ms = case when $2 = 'interrupted' then $3 end,
                     ended_ms = case when $2 = 'ended' then $3 end
                 where id = $1 and state in ($4, $5, $6)",
            )
            .bind(id.get())
            .bind(to.as_str())
            .bind(now_ms)
            .bind(leaves(LiveState::Created))
            .bind(leaves(LiveState::Live))
            .bind(leaves(LiveState::Interrupted))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if moved > 0 && to == LiveState::Live {
                // Nothing the second time: it did not start now.
                sqlx::query(PUT_DOWN_ANNOUNCEMENTS)
                    .bind(id.get())
                    .bind(now_ms)
                    .execute(&mut *transaction)
                    .await?;
            }
            if moved > 0 && to == LiveState::Ended {
                sqlx::query(PUT_DOWN_FAREWELL).bind(id.get()).execute(&mut *transaction).await?;
                sqlx::query("update posts set is_live_post = 0, updated_ms = $2 where id = $1")
                    .bind(id.get())
                    .bind(now_ms)
                    .execute(&mut *transaction)
                    .await?;
            }
            moved
        });
        if moved > 0 {
            self.changes.live(id, to, now_ms);
        }
        Ok(moved > 0)
    }

    /// Says whether others than its author may have the recording of a live as a file; whether there is such a live.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn allow_downloads(&self, id: LiveId, allowed: bool) -> Result<bool, Error> {
        let changed = transaction!(&self.database, |transaction| {
            sqlx::query("update lives set downloads_allowed = $2 where id = $1")
                .bind(id.get())
                .bind(i64::from(allowed))
                .execute(&mut *transaction)
                .await?
                .rows_affected()
        });
        Ok(changed > 0)
    }

    /// Every live that has not ended, oldest first: what start-up has to put right.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unfinished_lives(&self) -> Result<Vec<LiveRow>, Error> {
        const SELECT: &str =
            select_lives!("where l.state in ('created', 'live', 'interrupted') order by l.id");
        let records: Vec<LiveRecord> =
            reading!(&self.database, |pool| { sqlx::query_as(SELECT).fetch_all(pool).await? });
        records.into_iter().map(LiveRow::try_from).collect()
    }

    /// Ends the lives that were made before `before_ms` and never published, and those of members whose
    /// accounts are closed; gives their ids.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_stale_lives(&self, before_ms: i64, now_ms: i64) -> Result<Vec<LiveId>, Error> {
        let ids: Vec<i64> = transaction!(&self.database, |transaction| {
            let ids = sqlx::query_scalar(
                "update lives set state = 'ended', ended_ms = $2
                 where state in ('created', 'live', 'interrupted') and (
                     state = 'created' and created_ms < $1
                     or author_id in (select id from users where is_active = 0)
                 )
                 returning id",
            )
            .bind(before_ms)
            .bind(now_ms)
            .fetch_all(&mut *transaction)
            .await?;
            for id in &ids {
                sqlx::query("update posts set is_live_post = 0, updated_ms = $2 where id = $1")
                    .bind::<i64>(*id)
                    .bind(now_ms)
                    .execute(&mut *transaction)
                    .await?;
            }
            ids
        });
        let ids: Vec<LiveId> = ids.into_iter().map(LiveId::new).collect();
        ids.iter().for_each(|id| self.changes.live(*id, LiveState::Ended, now_ms));
        Ok(ids)
    }
}

row! {
    /// A row of `lives` with the title of its post. The hash of the key stays where it is.
    struct LiveRecord {
        id: i64,
        author_id: i64,
        title: String,
        description: String,
        playback_name: String,
        audience: String,
        downloads_allowed: i64,
        state: String,
        created_ms: i64,
        started_ms: Option<i64>,
        interrupted_ms: Option<i64>,
        ended_ms: Option<i64>,
    }
}

impl TryFrom<LiveRecord> for LiveRow {
    type Error = Error;

    fn try_from(record: LiveRecord) -> Result<Self, Error> {
        Ok(Self {
            id: LiveId::new(record.id),
            author: UserId::new(record.author_id),
            title: record.title,
            description: record.description,
            playback_name: stored_name(&record.playback_name)?,
            audience: Audience::from_stored(&record.audience)?,
            downloads_allowed: record.downloads_allowed != 0,
            state: LiveState::from_stored(&record.state)?,
            created_ms: record.created_ms,
            started_ms: record.started_ms,
            interrupted_ms: record.interrupted_ms,
            ended_ms: record.ended_ms,
        })
    }
}

/// The playback name a stored text stands for.
pub(crate) fn stored_name(text: &str) -> Result<PlaybackName, Error> {
    text.parse().map_err(|_| Error::Database("a playback name is malformed".into()))
}

#[cfg(test)]
mod tests;
