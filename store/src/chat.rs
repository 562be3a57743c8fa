//! What is said beside a live.
//!
//! Here: messages, and until when they are taken. Not here: who may read them (`api` knows whom a
//! live is for), how they reach those who watch.

use media::id::{LiveId, UserId};

use crate::{
    Audience, Error, NotificationKind, QuartierId, Store,
    database::{reading, row, transaction},
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _},
    text::storable,
};

/// Most messages in one answer: what a screen shows and some to scroll back to.
const MESSAGES_AT_ONCE: i64 = 100;

/// The live that is talked about, as far as it matters who talks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChatRoom {
    /// Whose live it is.
    pub author: UserId,
    /// Of its post.
    pub quartier: QuartierId,
    /// Whom it is for.
    pub audience: Audience,
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
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatMessage {
    /// Never given twice; later messages have higher ones.
    pub id: i64,
    /// By whom.
    pub author: ChatAuthor,
    /// What it is.
    pub message_type: MessageType,
    /// The words.
    pub content: String,
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
            "select m.id, m.message_type, m.content, m.created_ms, u.id as author_id, \
                 u.first_name, u.last_name, u.profile_picture \
             from live_messages m join users u on u.id = m.author_id ",
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
        let row: Option<(i64, i64, String)> = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select l.author_id, p.quartier_id, l.audience
                 from lives l join posts p on p.id = l.id where l.id = $1",
            )
            .bind(live.get())
            .fetch_optional(pool)
            .await?
        });
        row.map(|(author, quartier, audience)| {
            Ok(ChatRoom {
                author: UserId::new(author),
                quartier: QuartierId::new(quartier),
                audience: Audience::from_stored(&audience)?,
            })
        })
        .transpose()
    }

    /// Says something beside a live, tells those it names, and gives its id; `None` when the live has
    /// ended or there is none.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn say(&self, new: &NewMessage) -> Result<Option<i64>, Error> {
        let id = transaction!(&self.database, |transaction| {
            let id: Option<i64> = sqlx::query_scalar(
                "insert into live_messages (live_id, author_id, message_type, content, created_ms)
                 select id, $2, $3, $4, $5 from lives where id = $1 and state <> 'ended'
                 returning id",
            )
            .bind(new.live.get())
            .bind(new.author.get())
            .bind(new.message_type.as_str())
            .bind(storable(&new.content))
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            if id.is_some() {
                let (kind, post) = (NotificationKind::Mention, new.live.into());
                let note = Note::about(post, kind, new.author, new.author, new.now_ms);
                let note = Note { text: &new.content, ..note };
                let names = newly_mentioned(&new.content, "");
                transaction.mention(&names, Place::Chat, &note).await?;
            }
            id
        });
        Ok(id)
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
        const NEWEST: &str = select_messages!("where m.live_id = $1 order by m.id desc limit $2");
        const AFTER: &str =
            select_messages!("where m.live_id = $1 and m.id > $3 order by m.id limit $2");
        let rows: Vec<MessageRow> = reading!(&self.database, |pool| {
            match after {
                Some(after) => {
                    let query = sqlx::query_as(AFTER).bind(live.get()).bind(MESSAGES_AT_ONCE);
                    query.bind(after).fetch_all(pool).await?
                }
                None => {
                    let query = sqlx::query_as(NEWEST).bind(live.get()).bind(MESSAGES_AT_ONCE);
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
        created_ms: i64,
        author_id: i64,
        first_name: String,
        last_name: String,
        profile_picture: Option<String>,
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
            message_type: MessageType::parse(&row.message_type).ok_or_else(|| {
                Error::Database("the type of a message is unknown to this version".into())
            })?,
            content: row.content,
            created_ms: row.created_ms,
        })
    }
}

#[cfg(test)]
mod tests;
