//! What is said beside a live.
//!
//! Here: messages, from whom and until when they are taken, how they are taken away. Not here: who may
//! read them (`api` knows whom a live is for), how they reach those who watch.

use media::id::{LiveId, PlaybackName, UserId};

use crate::{
    Audience, Error, LiveState, NotificationKind, QuartierId, Store,
    database::{reading, row, transaction, writing},
    lives::stored_name,
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _, excerpt},
    text::storable,
};

/// Most messages in one answer: what a screen shows and some to scroll back to.
pub const MESSAGES_AT_ONCE: usize = 100;

/// Longest time between two messages of one member that the author of a live may ask for.
pub const SLOW_MODE_MAX_S: u32 = 3600;

/// The live that is talked about, as far as it matters who talks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatRoom {
    /// Whose live it is.
    pub author: UserId,
    /// Of its post.
    pub quartier: QuartierId,
    /// Whom it is for.
    pub audience: Audience,
    /// Seconds between two messages of one member, its author excepted.
    pub slow_mode_s: u32,
    /// The public name under which it is watched.
    pub playback_name: PlaybackName,
    /// Where it stands.
    pub state: LiveState,
}

/// What a message is, as its writer's program says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MessageType {
    /// Words.
    #[default]
    Text,
    /// One emoji, to be shown large.
    Emoji,
    /// A reaction to what is seen.
    Reaction,
}

impl MessageType {
    /// The type as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Emoji => "emoji",
            Self::Reaction => "reaction",
        }
    }

    /// The type a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Text, Self::Emoji, Self::Reaction].into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something to be said.
#[derive(Debug, Clone)]
pub struct NewMessage {
    /// Beside which live.
    pub live: LiveId,
    /// By whom.
    pub author: UserId,
    /// What it is.
    pub message_type: MessageType,
    /// The words.
    pub content: String,
    /// The message it answers.
    pub reply_to: Option<i64>,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// What came of something to be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It was said.
    Yes {
        /// Under this id.
        id: i64,
        /// As of [`ChatMessage::is_anonymous`].
        is_anonymous: bool,
    },
    /// The live has ended, or there is none.
    Over,
    /// The member may not write there.
    Banned,
    /// The member's last message is too young; the next may come in so many milliseconds.
    TooSoon {
        /// At least 1.
        wait_ms: i64,
    },
    /// The message to be answered is not there.
    NoSuchMessage,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Never given twice; later messages have higher ones.
    pub id: i64,
    /// By whom. Whoever shows an anonymous message to others must leave this out.
    pub author: ChatAuthor,
    /// Whether it would tell whose an anonymous live is, beside which its author speaks.
    pub is_anonymous: bool,
    /// What it is.
    pub message_type: MessageType,
    /// The words.
    pub content: String,
    /// The message it answers, which may be gone.
    pub reply_to: Option<i64>,
    /// When, in Unix milliseconds.
    pub created_ms: i64,
}

/// Who speaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatAuthor {
    /// The member.
    pub id: UserId,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Where the picture is stored, relative to the media root.
    pub profile_picture: Option<String>,
}

/// The beginning of every statement that reads a [`MessageRow`].
macro_rules! select_messages {
    ($rest:literal) => {
        concat!(
            "select m.id, m.message_type, m.content, m.reply_to, m.created_ms, u.id as author_id, \
                 u.first_name, u.last_name, u.profile_picture, \
                 case when p.author_id = m.author_id then p.is_anonymous else 0 end as is_anonymous \
             from live_messages m join users u on u.id = m.author_id \
                 join posts p on p.id = m.live_id ",
            $rest
        )
    };
}

impl Store {
    /// Where a live is talked about; `None` when there is no such live.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn chat_room(&self, live: LiveId) -> Result<Option<ChatRoom>, Error> {
        let row: Option<(i64, i64, String, i64, String, String)> =
            reading!(&self.database, |pool| {
                sqlx::query_as(
                    "select l.author_id, p.quartier_id, l.audience, l.slow_mode_s, l.playback_name,
                     l.state
                 from lives l join posts p on p.id = l.id where l.id = $1",
                )
                .bind(live.get())
                .fetch_optional(pool)
                .await?
            });
        row.map(|(author, quartier, audience, slow_mode_s, name, state)| {
            Ok(ChatRoom {
                author: UserId::new(author),
                quartier: QuartierId::new(quartier),
                audience: Audience::from_stored(&audience)?,
                slow_mode_s: u32::try_from(slow_mode_s).unwrap_or(SLOW_MODE_MAX_S),
                playback_name: stored_name(&name)?,
                state: LiveState::from_stored(&state)?,
            })
        })
        .transpose()
    }

    /// Says something beside a live and tells those it names, unless the live has ended or its author
    /// does not want it said. What one member says at the same instant twice may pass slow mode twice:
    /// callers take turns.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn say(&self, new: &NewMessage) -> Result<Said, Error> {
        let (said, noted) = transaction!(&self.database, |transaction| {
            let id: Option<i64> = sqlx::query_scalar(
                "insert into live_messages
                     (live_id, author_id, message_type, content, reply_to, created_ms)
                 select l.id, $2, $3, $4, $5, $6 from lives l
                 where l.id = $1 and l.state <> 'ended'
                   and not exists (select 1 from live_bans where live_id = l.id and user_id = $2)
                   and (l.slow_mode_s = 0 or l.author_id = $2 or not exists (
                       select 1 from live_messages m where m.live_id = l.id and m.author_id = $2
                         and m.created_ms > $6 - l.slow_mode_s * 1000))
                   and ($5 is null or exists (
                       select 1 from live_messages m where m.id = $5 and m.live_id = l.id
                         and m.deleted_ms is null))
                 returning id",
            )
            .bind(new.live.get())
            .bind(new.author.get())
            .bind(new.message_type.as_str())
            .bind(storable(&new.content))
            .bind(new.reply_to)
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let mut noted = Vec::new();
            let mut said = None;
            if let Some(id) = id {
                let unnamed: i64 = sqlx::query_scalar(
                    "select count(*) from posts
                     where id = $1 and author_id = $2 and is_anonymous = 1",
                )
                .bind(new.live.get())
                .bind(new.author.get())
                .fetch_one(&mut *transaction)
                .await?;
                let (kind, post) = (NotificationKind::Mention, new.live.into());
                let note = Note::about(post, kind, new.author, new.author, new.now_ms);
                let note = Note { text: &new.content, ..note };
                let names = newly_mentioned(&new.content, "");
                noted = transaction.mention(&names, Place::Chat, &note).await?;
                said = Some(Said::Yes { id, is_anonymous: unnamed > 0 });
            }
            (said, noted)
        });
        self.changes.told(noted);
        match said {
            Some(said) => Ok(said),
            None => self.unsaid(new).await,
        }
    }

    /// Why it was not said.
    async fn unsaid(&self, new: &NewMessage) -> Result<Said, Error> {
        let row: Option<(String, i64, i64, Option<i64>)> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select l.state,
                     (select count(*) from live_bans where live_id = l.id and user_id = $2),
                     case when l.author_id = $2 then 0 else l.slow_mode_s end,
                     (select max(created_ms) from live_messages
                      where live_id = l.id and author_id = $2)
                 from lives l where l.id = $1",
            )
            .bind(new.live.get())
            .bind(new.author.get())
            .fetch_optional(pool)
            .await?
        });
        let Some((state, bans, slow_mode_s, last_ms)) = row else { return Ok(Said::Over) };
        if LiveState::from_stored(&state)? == LiveState::Ended {
            return Ok(Said::Over);
        }
        if bans > 0 {
            return Ok(Said::Banned);
        }
        let wait_ms = last_ms.map_or(0, |last_ms| last_ms + slow_mode_s * 1000 - new.now_ms);
        Ok(if wait_ms > 0 { Said::TooSoon { wait_ms } } else { Said::NoSuchMessage })
    }

    /// Who said something beside a live, if it is still there.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn message_author(&self, live: LiveId, id: i64) -> Result<Option<UserId>, Error> {
        let author: Option<i64> = reading!(&self.database, |pool| {
            sqlx::query_scalar(
                "select author_id from live_messages
                 where id = $2 and live_id = $1 and deleted_ms is null",
            )
            .bind(live.get())
            .bind(id)
            .fetch_optional(pool)
            .await?
        });
        Ok(author.map(UserId::new))
    }

    /// Takes the words of a message away, also where those it named were told of it; says whether they
    /// were there.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_message(&self, live: LiveId, id: i64, now_ms: i64) -> Result<bool, Error> {
        transaction!(&self.database, |transaction| {
            let said: Option<(i64, String)> = sqlx::query_as(
                "select author_id, content from live_messages
                 where id = $2 and live_id = $1 and deleted_ms is null",
            )
            .bind(live.get())
            .bind(id)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((author, content)) = said else { return Ok(false) };
            sqlx::query("update live_messages set content = '', deleted_ms = $2 where id = $1")
                .bind(id)
                .bind(now_ms)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "delete from notifications
                 where post_id = $1 and sender_id = $2 and kind = 'mention'
                   and comment_id is null and excerpt = $3",
            )
            .bind(live.get())
            .bind(author)
            .bind(excerpt(&content))
            .execute(&mut *transaction)
            .await?;
        });
        Ok(true)
    }

    /// The newest hundred messages up to `up_to` that were taken away: for who was not there then.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn deleted_messages(&self, live: LiveId, up_to: i64) -> Result<Vec<i64>, Error> {
        Ok(reading!(&self.database, |pool| {
            sqlx::query_scalar(
                "select id from live_messages
                 where live_id = $1 and id <= $2 and deleted_ms is not null
                 order by id desc limit $3",
            )
            .bind(live.get())
            .bind(up_to)
            .bind(MESSAGES_AT_ONCE as i64)
            .fetch_all(pool)
            .await?
        }))
    }

    /// Sets the seconds between two messages of one member, at most [`SLOW_MODE_MAX_S`]; says whether
    /// there is such a live.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_slow_mode(&self, live: LiveId, seconds: u32) -> Result<bool, Error> {
        let set = writing!(&self.database, |pool| {
            sqlx::query("update lives set slow_mode_s = $2 where id = $1")
                .bind(live.get())
                .bind(i64::from(seconds.min(SLOW_MODE_MAX_S)))
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(set > 0)
    }

    /// Keeps a member from writing beside a live, once or again; says whether there is such a member.
    ///
    /// # Errors
    /// Those of the database; one of them when there is no such live.
    pub async fn ban_from_chat(
        &self,
        live: LiveId,
        user: UserId,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let banned = writing!(&self.database, |pool| {
            sqlx::query(
                "insert into live_bans (live_id, user_id, created_ms)
                 select $1, u.id, $3 from users u where u.id = $2
                 on conflict (live_id, user_id) do update set created_ms = live_bans.created_ms",
            )
            .bind(live.get())
            .bind(user.get())
            .bind(now_ms)
            .execute(pool)
            .await?
            .rows_affected()
        });
        Ok(banned > 0)
    }

    /// Lets a member write again; says whether he could not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unban_from_chat(&self, live: LiveId, user: UserId) -> Result<bool, Error> {
        let gone = writing!(&self.database, |pool| {
            sqlx::query("delete from live_bans where live_id = $1 and user_id = $2")
                .bind(live.get())
                .bind(user.get())
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(gone > 0)
    }

    /// Whether a member may no longer write beside a live.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn is_banned_from_chat(&self, live: LiveId, user: UserId) -> Result<bool, Error> {
        let bans: i64 = reading!(&self.database, |pool| {
            sqlx::query_scalar("select count(*) from live_bans where live_id = $1 and user_id = $2")
                .bind(live.get())
                .bind(user.get())
                .fetch_one(pool)
                .await?
        });
        Ok(bans > 0)
    }

    /// What was said beside a live, oldest first: the newest hundred, or the first hundred of those
    /// after the message of the id `after`.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn messages(
        &self,
        live: LiveId,
        after: Option<i64>,
    ) -> Result<Vec<ChatMessage>, Error> {
        const NEWEST: &str = select_messages!(
            "where m.live_id = $1 and m.deleted_ms is null order by m.id desc limit $2"
        );
        const AFTER: &str = select_messages!(
            "where m.live_id = $1 and m.deleted_ms is null and m.id > $3 order by m.id limit $2"
        );
        let rows: Vec<MessageRow> = reading!(&self.database, |pool| {
            match after {
                Some(after) => {
                    let query =
                        sqlx::query_as(AFTER).bind(live.get()).bind(MESSAGES_AT_ONCE as i64);
                    query.bind(after).fetch_all(pool).await?
                }
                None => {
                    let query =
                        sqlx::query_as(NEWEST).bind(live.get()).bind(MESSAGES_AT_ONCE as i64);
                    let mut rows: Vec<MessageRow> = query.fetch_all(pool).await?;
                    rows.reverse();
                    rows
                }
            }
        });
        rows.into_iter().map(ChatMessage::try_from).collect()
    }
}

row! {
    /// A row of `live_messages` with who speaks.
    struct MessageRow {
        id: i64,
        message_type: String,
        content: String,
        reply_to: Option<i64>,
        created_ms: i64,
        author_id: i64,
        first_name: String,
        last_name: String,
        profile_picture: Option<String>,
        is_anonymous: i64,
    }
}

impl TryFrom<MessageRow> for ChatMessage {
    type Error = Error;

    fn try_from(row: MessageRow) -> Result<Self, Error> {
        Ok(Self {
            id: row.id,
            author: ChatAuthor {
                id: UserId::new(row.author_id),
                first_name: row.first_name,
                last_name: row.last_name,
                profile_picture: row.profile_picture,
            },
            is_anonymous: row.is_anonymous != 0,
            message_type: MessageType::parse(&row.message_type).ok_or_else(|| {
                Error::Database("the type of a message is unknown to this version".into())
            })?,
            content: row.content,
            reply_to: row.reply_to,
            created_ms: row.created_ms,
        })
    }
}

#[cfg(test)]
mod tests;
