//! Notifications: what a member is told of what others do.
//!
//! Here: noting them together with the act itself, lists and counts. Not here: what each member wants
//! to be told (`preferences`), neighbours of a live, who are told by and by (`announcements`), who is
//! named in a text (`mentions`), what goes to the members' browsers (`pushes`), the words (`api`).
//!
//! A notification is noted in the transaction of the act, as the recipient wants it: not at all, at
//! once, or from the end of the hour or of the day on (`due_ms`). Each member keeps the newest
//! [`NOTIFICATIONS_KEPT`].

use media::id::UserId;

use crate::{
    Error, Page, PostId, Store, Told,
    database::{reading, row, writing},
    mentions::{NAMES_AT_ONCE, Place, THOSE_NAMED},
    page::read_page,
    pushes::queue_pushes,
    text::storable,
};

/// Notifications kept for each member; the oldest give way. Ten pages: nobody reads further, and
/// counting them stays cheap however often it is asked.
pub const NOTIFICATIONS_KEPT: u32 = 200;

/// Characters of a comment or a post that are shown with a notification.
const EXCERPT_CHARS: usize = 100;

/// What a member is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NotificationKind {
    /// Somebody likes the member's post.
    Like,
    /// Somebody comments on the member's post, or replies to the member's comment.
    Comment,
    /// Somebody follows the member.
    Follow,
    /// A neighbour's live has begun.
    LiveStarted,
    /// A live is over in which the member took part.
    LiveEnded,
    /// Somebody names the member.
    Mention,
    /// Somebody passes the member's post on.
    PostShared,
    /// The site itself has something to say.
    System,
}

impl NotificationKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Like,
        Self::Comment,
        Self::Follow,
        Self::LiveStarted,
        Self::LiveEnded,
        Self::Mention,
        Self::PostShared,
        Self::System,
    ];

    /// The kind as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Like => "like",
            Self::Comment => "comment",
            Self::Follow => "follow",
            Self::LiveStarted => "live_started",
            Self::LiveEnded => "live_ended",
            Self::Mention => "mention",
            Self::PostShared => "post_shared",
            Self::System => "system",
        }
    }

    /// The kind a text stands for, stored or from a member.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// One act of one member, as another is told of it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Note<'a> {
    /// Who is told. Nobody is told of what he does himself.
    pub(crate) recipient: UserId,
    /// What.
    pub(crate) kind: NotificationKind,
    /// Whose act it is.
    pub(crate) sender: UserId,
    /// Whether the recipient must not learn whose.
    pub(crate) is_anonymous: bool,
    /// The post it is about.
    pub(crate) post: Option<PostId>,
    /// The comment it is about.
    pub(crate) comment: Option<i64>,
    /// What was said, if not in the post itself.
    pub(crate) text: &'a str,
    /// Now, in Unix milliseconds.
    pub(crate) now_ms: i64,
}

impl Note<'_> {
    /// `sender` did something about a post, under his own name.
    pub(crate) fn about(
        post: PostId,
        kind: NotificationKind,
        sender: UserId,
        recipient: UserId,
        now_ms: i64,
    ) -> Self {
        let (post, comment, text) = (Some(post), None, "");
        Self { recipient, kind, sender, is_anonymous: false, post, comment, text, now_ms }
    }
}

/// What came of a [`Note`]: nothing, when its recipient does not want to know.
#[must_use = "who is connected is told after the commit: Changes::told"]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noted(pub(crate) Option<Told>);

/// A transaction in which a member does what another is told of.
pub(crate) trait Notify {
    /// Notes it for the recipient, if he wants to know. The same act told before gives way: whoever
    /// likes a post again and again is told of once.
    /// What it gives is passed on once the transaction is committed (`Changes::told`).
    async fn notify(&mut self, note: &Note<'_>) -> sqlx::Result<Noted>;

    /// Notes for those of `names` who may see it that `note` mentions them, whose recipient does not
    /// matter. Told again of the same text is only who is named in a chat.
    async fn mention(
        &mut self,
        names: &[String],
        place: Place,
        note: &Note<'_>,
    ) -> sqlx::Result<Vec<Noted>>;

    /// Takes back what was told of an act that was undone.
    async fn withdraw(&mut self, note: &Note<'_>) -> sqlx::Result<()>;

    /// Queues notifications, just made, for the browsers of those they are for. Every one that is ever
    /// made comes here.
    async fn queue(&mut self, ids: &[i64]) -> sqlx::Result<()>;
}

/// What a recipient `u` with the preferences `p`, if he ever changed any, wants to be told: that of a
/// `$kind`. Shares have no switch of their own.
macro_rules! wanted {
    ($kind:literal) => {
        concat!(
            "u.is_active = 1 and coalesce(p.in_app, 1) = 1 and coalesce(case ",
            $kind,
            " when 'like' then p.likes
                 when 'comment' then p.comments
                 when 'follow' then p.follows
                 when 'live_started' then p.live
                 when 'live_ended' then p.live
                 when 'mention' then p.mention
                 when 'system' then p.system
             end, 1) = 1"
        )
    };
}

/// When a recipient with the preferences `p` is shown what happens at `$now`. Conakry keeps UTC.
macro_rules! due {
    ($now:literal) => {
        concat!(
            "case p.frequency when 'hourly' then (",
            $now,
            " / 3600000 + 1) * 3600000 when 'daily' then (",
            $now,
            " / 86400000 + 1) * 86400000 else ",
            $now,
            " end"
        )
    };
}

pub(crate) use {due, wanted};

const WITHDRAW: &str = "delete from notifications
     where sender_id = $1 and kind = $2 and coalesce(post_id, 0) = $3
       and coalesce(comment_id, 0) = $4 and recipient_id = $5";

/// Two who note the same at one instant leave one (`notifications_once`).
const NOTE: &str = concat!(
    "insert into notifications (recipient_id, kind, sender_id, is_anonymous, post_id, comment_id,
         excerpt, created_ms, due_ms)
     select u.id, $2, $3, $4, $5, $6, $7, $8, ",
    due!("$8"),
    " from users u left join notification_preferences p on p.user_id = u.id
      where u.id = $1 and ",
    wanted!("$2"),
    " on conflict do nothing returning id"
);

const MAKE_ROOM: &str = "delete from notifications
     where recipient_id = $1 and id <= (
         select id from notifications where recipient_id = $1
         order by id desc limit 1 offset $2
     )";

macro_rules! notify_on {
    ($connection:ty) => {
        impl Notify for $connection {
            async fn notify(&mut self, note: &Note<'_>) -> sqlx::Result<Noted> {
                if note.recipient == note.sender {
                    return Ok(Noted(None));
                }
                self.withdraw(note).await?;
                let id: Option<i64> = sqlx::query_scalar(NOTE)
                    .bind(note.recipient.get())
                    .bind(note.kind.as_str())
                    .bind(note.sender.get())
                    .bind(i64::from(note.is_anonymous))
                    .bind(note.post.map(PostId::get))
                    .bind(note.comment)
                    .bind(storable(excerpt(note.text)))
                    .bind(note.now_ms)
                    .fetch_optional(&mut *self)
                    .await?;
                let Some(id) = id else { return Ok(Noted(None)) };
                self.queue(&[id]).await?;
                sqlx::query(MAKE_ROOM)
                    .bind(note.recipient.get())
                    .bind(i64::from(NOTIFICATIONS_KEPT))
                    .execute(&mut *self)
                    .await?;
                Ok(Noted(Some(Told { id, recipient: note.recipient })))
            }

            async fn mention(
                &mut self,
                names: &[String],
                place: Place,
                note: &Note<'_>,
            ) -> sqlx::Result<Vec<Noted>> {
                if names.is_empty() {
                    return Ok(Vec::new());
                }
                let mut named = sqlx::query_scalar(THOSE_NAMED)
                    .bind(note.post.map_or(0, PostId::get))
                    .bind(note.sender.get())
                    .bind(i64::from(place == Place::Chat))
                    .bind(note.comment.unwrap_or(0));
                for n in 0..NAMES_AT_ONCE {
                    named = named.bind(names.get(n).map(String::as_str));
                }
                let named: Vec<i64> = named.fetch_all(&mut *self).await?;
                let mut noted = Vec::new();
                for recipient in named.into_iter().map(UserId::new) {
                    let kind = NotificationKind::Mention;
                    // A post is shown as it is now; other texts are told by their beginning.
                    let text = if place == Place::Post { "" } else { note.text };
                    noted.push(self.notify(&Note { recipient, kind, text, ..*note }).await?);
                }
                Ok(noted)
            }

            async fn queue(&mut self, ids: &[i64]) -> sqlx::Result<()> {
                if ids.is_empty() {
                    return Ok(());
                }
                queue_pushes(ids).build().execute(&mut *self).await?;
                Ok(())
            }

            async fn withdraw(&mut self, note: &Note<'_>) -> sqlx::Result<()> {
                sqlx::query(WITHDRAW)
                    .bind(note.sender.get())
                    .bind(note.kind.as_str())
                    .bind(note.post.map_or(0, PostId::get))
                    .bind(note.comment.unwrap_or(0))
                    .bind(note.recipient.get())
                    .execute(&mut *self)
                    .await?;
                Ok(())
            }
        }
    };
}
notify_on!(sqlx::SqliteConnection);
notify_on!(sqlx::PgConnection);

/// The beginning of `text`.
pub(crate) fn excerpt(text: &str) -> &str {
    text.char_indices().nth(EXCERPT_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// A notification, as its recipient is shown it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// Never given twice; later ones are higher.
    pub id: i64,
    /// Who is told.
    pub recipient: UserId,
    /// Of what.
    pub kind: NotificationKind,
    /// Whose act it is; `None` for one who did it anonymously, and for the site itself.
    pub sender: Option<Sender>,
    /// The post it is about.
    pub post: Option<NotedPost>,
    /// The comment it is about.
    pub comment: Option<i64>,
    /// The beginning of the comment, or what the site has to say.
    pub excerpt: String,
    /// Whether the recipient has read it.
    pub is_read: bool,
    /// When it happened, in Unix milliseconds.
    pub created_ms: i64,
}

/// Whose act a member is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// The member.
    pub id: UserId,
    /// The member's name on the site.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
}

/// The post a member is told about, as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotedPost {
    /// Which.
    pub id: PostId,
    /// May be empty.
    pub title: String,
    /// The beginning of its text.
    pub excerpt: String,
    /// Who wrote it. Not to be shown: it may be anonymous.
    pub author: UserId,
}

/// Which notifications are asked for.
#[derive(Debug, Clone)]
pub struct NotificationQuery {
    /// Whose.
    pub recipient: UserId,
    /// Only of this kind.
    pub kind: Option<NotificationKind>,
    /// Only those read, or not read.
    pub is_read: Option<bool>,
    /// Which page, from 1.
    pub page: u32,
    /// Now, in Unix milliseconds: what is due later is not there yet.
    pub now_ms: i64,
}

/// How many notifications a member has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    /// Not read.
    pub unread: i64,
    /// Read or not.
    pub total: i64,
}

/// The columns of a [`NotificationRow`].
macro_rules! notification_columns {
    () => {
        "n.id, n.recipient_id, n.kind, n.post_id, n.comment_id, n.excerpt, n.is_read, n.created_ms, \
         p.title, substr(p.content, 1, 100) as post_excerpt, \
         p.author_id, u.id as sender_id, u.username, u.first_name, u.last_name"
    };
}

/// Where they come from. Who wrote an anonymous post is not told as the sender of what is said of the
/// post itself or beside its live; comments say of themselves whether they are anonymous.
macro_rules! notification_tables {
    () => {
        "notifications n \
             left join posts p on p.id = n.post_id \
             left join users u on u.id = n.sender_id and n.is_anonymous = 0 \
                 and (coalesce(p.is_anonymous, 0) = 0 or p.author_id <> n.sender_id \
                     or n.comment_id is not null) "
    };
}

pub(crate) use {notification_columns, notification_tables};

/// Which of a member's notifications are asked for.
macro_rules! asked {
    () => {
        "where n.recipient_id = $1 and n.due_ms <= $2
           and ($3 is null or n.kind = $3) and ($4 is null or n.is_read = $4)"
    };
}

impl Store {
    /// Those of these notifications that are there and due, oldest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn notifications_by_id(
        &self,
        ids: &[i64],
        now_ms: i64,
    ) -> Result<Vec<Notification>, Error> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let rows: Vec<NotificationRow> = reading!(&self.database, |pool| {
            let mut select = sqlx::QueryBuilder::new(concat!(
                "select ",
                notification_columns!(),
                " from ",
                notification_tables!(),
                "where n.due_ms <= "
            ));
            select.push_bind(now_ms).push(" and n.id in (");
            let mut list = select.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            select.push(") order by n.id");
            select.build_query_as().fetch_all(pool).await?
        });
        rows.into_iter().map(Notification::try_from).collect()
    }

    /// One page of a member's notifications, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn notifications(
        &self,
        query: &NotificationQuery,
    ) -> Result<Page<Notification>, Error> {
        const COUNT: &str = concat!("select count(*) from notifications n ", asked!());
        const SELECT: &str = concat!(
            "select ",
            notification_columns!(),
            " from ",
            notification_tables!(),
            asked!(),
            " order by n.id desc limit $5 offset $6"
        );
        let (recipient, now_ms) = (query.recipient.get(), query.now_ms);
        let (kind, is_read) =
            (query.kind.map(NotificationKind::as_str), query.is_read.map(i64::from));
        let page = read_page!(
            &self.database,
            query.page,
            COUNT,
            SELECT,
            [recipient, now_ms, kind, is_read]
        );
        page.try_map(|row: NotificationRow| row.try_into())
    }

    /// How many notifications a member has. Answered from an index alone: clients ask all the time.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn notification_counts(
        &self,
        recipient: UserId,
        now_ms: i64,
    ) -> Result<Counts, Error> {
        let (unread, total) = reading!(&self.database, |pool| {
            sqlx::query_as(
                "select count(case when is_read = 0 then 1 end), count(*) from notifications
                 where recipient_id = $1 and due_ms <= $2",
            )
            .bind(recipient.get())
            .bind(now_ms)
            .fetch_one(pool)
            .await?
        });
        Ok(Counts { unread, total })
    }

    /// Marks some of a member's notifications as read; ids that are not his are passed over. Gives
    /// how many there were, read before or not.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn read_notifications(&self, recipient: UserId, ids: &[i64]) -> Result<u64, Error> {
        if ids.is_empty() {
            return Ok(0);
        }
        let read = writing!(&self.database, |pool| {
            let mut update = sqlx::QueryBuilder::new(
                "update notifications set is_read = 1 where recipient_id = ",
            );
            update.push_bind(recipient.get()).push(" and id in (");
            let mut list = update.separated(", ");
            for id in ids {
                list.push_bind(*id);
            }
            update.push(")");
            update.build().execute(pool).await?.rows_affected()
        });
        Ok(read)
    }

    /// Marks all that a member can see now as read.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn read_all_notifications(
        &self,
        recipient: UserId,
        now_ms: i64,
    ) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query(
                "update notifications set is_read = 1
                 where recipient_id = $1 and due_ms <= $2 and is_read = 0",
            )
            .bind(recipient.get())
            .bind(now_ms)
            .execute(pool)
            .await?;
        });
        Ok(())
    }

    /// Deletes a notification of a member; says whether he had it.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_notification(&self, recipient: UserId, id: i64) -> Result<bool, Error> {
        let gone = writing!(&self.database, |pool| {
            sqlx::query("delete from notifications where id = $2 and recipient_id = $1")
                .bind(recipient.get())
                .bind(id)
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(gone > 0)
    }
}

row! {
    /// A row of `notifications` with its sender, where he may be known, and its post.
    pub(crate) struct NotificationRow {
        id: i64,
        recipient_id: i64,
        kind: String,
        post_id: Option<i64>,
        comment_id: Option<i64>,
        excerpt: String,
        is_read: i64,
        created_ms: i64,
        title: Option<String>,
        post_excerpt: Option<String>,
        author_id: Option<i64>,
        sender_id: Option<i64>,
        username: Option<String>,
        first_name: Option<String>,
        last_name: Option<String>,
    }
}

impl TryFrom<NotificationRow> for Notification {
    type Error = Error;

    fn try_from(row: NotificationRow) -> Result<Self, Error> {
        let post = match (row.post_id, row.author_id) {
            (Some(id), Some(author)) => Some(NotedPost {
                id: PostId::new(id),
                title: row.title.unwrap_or_default(),
                excerpt: row.post_excerpt.unwrap_or_default(),
                author: UserId::new(author),
            }),
            _ => None,
        };
        let sender = row.sender_id.map(|id| Sender {
            id: UserId::new(id),
            username: row.username.unwrap_or_default(),
            first_name: row.first_name.unwrap_or_default(),
            last_name: row.last_name.unwrap_or_default(),
        });
        Ok(Self {
            id: row.id,
            recipient: UserId::new(row.recipient_id),
            kind: NotificationKind::parse(&row.kind).ok_or_else(|| {
                Error::Database("the kind of a notification is unknown to this version".into())
            })?,
            sender,
            post,
            comment: row.comment_id,
            excerpt: row.excerpt,
            is_read: row.is_read != 0,
            created_ms: row.created_ms,
        })
    }
}

#[cfg(test)]
mod tests;
