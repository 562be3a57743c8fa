//! Comments: what members answer to a post and to each other.
//!
//! Here: writing, changing, deleting and reading comments, as trees, with the count of their post.
//! Not here: the newest comments of a list of posts (`reactions`).

use std::collections::HashMap;

use media::id::UserId;

use crate::{
    Author, Error, Geography, NotificationKind, Page, PostId, Store, User,
    authors::AuthorRow,
    database::{reading, row, transaction},
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _, excerpt},
    page::read_page_if,
    text::storable,
};

/// The deepest a comment may stand under another (API contract, section 6).
pub const MAX_LEVEL: u8 = 3;
/// Most replies of one thread: more than people follow, and few enough to be read at once.
pub const THREAD_REPLIES_MAX: u32 = 200;
/// Most replies on one page of comments, what they answer not counted: the newest.
const PAGE_REPLIES_MAX: u32 = 200;

/// Names a comment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommentId(i64);

impl CommentId {
    /// Wraps a number, which need not be the id of anything.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

/// A comment, with what answers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comment {
    /// Never given twice; greater than that of the comment it answers.
    pub id: CommentId,
    /// What it is about.
    pub post: PostId,
    /// Who wrote it. Whoever shows an anonymous comment to others must leave this out.
    pub author: Author,
    /// The text.
    pub content: String,
    /// Whether other readers must not learn who wrote it.
    pub is_anonymous: bool,
    /// The comment it answers.
    pub parent: Option<CommentId>,
    /// How many comments stand above it, at most [`MAX_LEVEL`].
    pub level: u8,
    /// How many answer it directly, shown here or not.
    pub replies_count: i64,
    /// When it was written, in Unix milliseconds.
    pub created_ms: i64,
    /// When it last changed, in Unix milliseconds.
    pub updated_ms: i64,
    /// Those that answer it, oldest first, as far as they were asked for.
    pub replies: Vec<Comment>,
}

/// A comment to be written. Already validated.
#[derive(Debug, Clone)]
pub struct NewComment<'a> {
    /// What it is about.
    pub post: PostId,
    /// The comment it answers, if any.
    pub parent: Option<CommentId>,
    /// Who writes it.
    pub author: &'a User,
    /// The text.
    pub content: String,
    /// Whether other readers must not learn who wrote it. Not said, it is so for the author of an
    /// anonymous post: an answer to his readers must not give him away.
    pub is_anonymous: Option<bool>,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// The comments whose ids the statement has put in `shown`, as [`CommentRow`]s, oldest first. Asked for
/// with `in`: joined, SQLite takes `shown` for large and reads every comment there is.
macro_rules! select_shown {
    () => {
        concat!(
            "select c.id, c.post_id, c.parent_id, c.level, c.content, c.is_anonymous, \
                 c.replies_count, c.created_ms, c.updated_ms, ",
            $crate::authors::author_columns!(),
            " from comments c join users u on u.id = c.author_id \
             where c.id in (select id from shown) order by c.id"
        )
    };
}

/// The same for a statement that has found `roots` (id) and `replies` (id, parent_id): with them
/// come the comments that stand between, of which there are at most two above a reply.
macro_rules! select_threads {
    () => {
        concat!(
            "shown as (
                 select id from roots
                 union select id from replies
                 union select parent_id from replies
                 union select m.parent_id from comments m
                     where m.id in (select parent_id from replies) and m.parent_id is not null
             ) ",
            $crate::comments::select_shown!()
        )
    };
}
pub(crate) use {select_shown, select_threads};

impl Store {
    /// One page of the comments of a post, oldest first, with their newest replies; `None` when
    /// there is no such post. A page past the end is empty, and [`Page::exists`] says so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn comments(&self, post: PostId, page: u32) -> Result<Option<Page<Comment>>, Error> {
        const COUNT: &str = "select (select count(*) from comments \
                 where post_id = p.id and parent_id is null) \
             from posts p where p.id = $1";
        const SELECT: &str = concat!(
            "with roots as materialized (
                 select id from comments where post_id = $1 and parent_id is null
                 order by id limit $2 offset $3
             ),
             replies as materialized (
                 select id, parent_id from comments where root_id in (select id from roots)
                 order by id desc limit $4
             ), ",
            select_threads!()
        );
        let most = i64::from(PAGE_REPLIES_MAX);
        let page = read_page_if!(&self.database, page, COUNT, SELECT, [post.get()] most);
        let Some(Page { count, number, rows }) = page else { return Ok(None) };
        Ok(Some(Page { count, number, rows: trees(rows, self.geography())? }))
    }

    /// The comment of this id, with all that answers it.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn comment(&self, id: CommentId) -> Result<Option<Comment>, Error> {
        const SELECT: &str = concat!(
            "with shown as (
                 select t.id from comments c join comments t
                     on t.id = coalesce(c.root_id, c.id) or t.root_id = coalesce(c.root_id, c.id)
                 where c.id = $1
             ) ",
            select_shown!()
        );
        let rows: Vec<CommentRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.0).fetch_all(pool).await?
        });
        let thread = trees(rows, self.geography())?;
        Ok(thread.into_iter().find_map(|root| root.within(id)))
    }

    /// Whose the comment of this id is, and what it is about.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn comment_owner(&self, id: CommentId) -> Result<Option<(UserId, PostId)>, Error> {
        let found: Option<(i64, i64)> = reading!(&self.database, |pool| {
            sqlx::query_as("select author_id, post_id from comments where id = $1")
                .bind(id.0)
                .fetch_optional(pool)
                .await?
        });
        Ok(found.map(|(author, post)| (UserId::new(author), PostId::new(post))))
    }

    /// Writes a comment, counts it, and tells the author of the post and of the comment it answers,
    /// and those it names.
    ///
    /// # Errors
    /// [`Error::UnknownPost`]; [`Error::UnknownComment`] when the post has no such comment to be
    /// answered; [`Error::TooDeep`] and [`Error::ThreadFull`] when that comment takes no reply.
    pub async fn create_comment(&self, new: NewComment<'_>) -> Result<Comment, Error> {
        let author = new.author.id.get();
        let lock_post = self.database.lock_post();
        let (comment, noted) = transaction!(&self.database, |transaction| {
            let found: Option<(i64, i64)> = sqlx::query_as(lock_post)
                .bind(new.post.get())
                .fetch_optional(&mut *transaction)
                .await?;
            let (post_author, post_is_anonymous) = found.ok_or(Error::UnknownPost)?;
            let parent: Option<ParentRow> = sqlx::query_as(
                "select c.author_id, c.level, coalesce(c.root_id, c.id) as root_id,
                     (select count(*) from comments t
                      where t.root_id = coalesce(c.root_id, c.id)) as thread_replies
                 from comments c where c.id = $1 and c.post_id = $2",
            )
            .bind(new.parent.map(CommentId::get))
            .bind(new.post.get())
            .fetch_optional(&mut *transaction)
            .await?;
            if new.parent.is_some() && parent.is_none() {
                return Err(Error::UnknownComment);
            }
            let level = parent.as_ref().map_or(Ok(0), ParentRow::level_below)?;
            let is_anonymous = match new.is_anonymous {
                Some(is_anonymous) => is_anonymous,
                None => post_is_anonymous != 0 && post_author == author,
            };
            let id: i64 = sqlx::query_scalar(
                "insert into comments (post_id, author_id, parent_id, root_id, level, content, \
                     is_anonymous, created_ms, updated_ms)
                 values ($1, $2, $3, $4, $5, $6, $7, $8, $8)
                 returning id",
            )
            .bind(new.post.get())
            .bind(author)
            .bind(new.parent.map(CommentId::get))
            .bind(parent.as_ref().map(|parent| parent.root_id))
            .bind(i64::from(level))
            .bind(storable(&new.content))
            .bind(i64::from(is_anonymous))
            .bind(new.now_ms)
            .fetch_one(&mut *transaction)
            .await?;
            sqlx::query("update comments set replies_count = replies_count + 1 where id = $1")
                .bind(new.parent.map(CommentId::get))
                .execute(&mut *transaction)
                .await?;
            sqlx::query("update posts set comments_count = comments_count + 1 where id = $1")
                .bind(new.post.get())
                .execute(&mut *transaction)
                .await?;
            let kind = NotificationKind::Comment;
            let note = Note {
                comment: Some(id),
                text: &new.content,
                is_anonymous,
                ..Note::about(new.post, kind, new.author.id, new.author.id, new.now_ms)
            };
            let parent_author = parent.as_ref().map(|parent| parent.author_id);
            // Whose post and comment it is, is told of the comment on his post.
            let told = parent_author.filter(|author| *author != post_author);
            let mut recipients: Vec<i64> =
                [Some(post_author), told].into_iter().flatten().collect();
            // Each makes room among what its recipient has: in one order, none waits for another in
            // a circle.
            recipients.sort_unstable();
            let mut noted = Vec::new();
            for recipient in recipients.into_iter().map(UserId::new) {
                noted.push(transaction.notify(&Note { recipient, ..note }).await?);
            }
            let names = newly_mentioned(&new.content, "");
            noted.extend(transaction.mention(&names, Place::Comment, &note).await?);
            let comment = Comment {
                id: CommentId(id),
                post: new.post,
                author: new.author.into(),
                content: storable(&new.content).into_owned(),
                is_anonymous,
                parent: new.parent,
                level,
                replies_count: 0,
                created_ms: new.now_ms,
                updated_ms: new.now_ms,
                replies: Vec::new(),
            };
            (comment, noted)
        });
        self.changes.told(noted);
        Ok(comment)
    }

    /// Changes the text of a comment, and whether it is anonymous if that is said, also in what was
    /// told of it, and tells those whom it did not name before; says whether there is one. Whose it is
    /// the caller has seen to.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn update_comment(
        &self,
        id: CommentId,
        content: &str,
        is_anonymous: Option<bool>,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let noted = transaction!(&self.database, |transaction| {
            let before: Option<String> =
                sqlx::query_scalar("select content from comments where id = $1")
                    .bind(id.0)
                    .fetch_optional(&mut *transaction)
                    .await?;
            let changed: Option<(i64, i64, i64)> = sqlx::query_as(
                "update comments set content = $2, is_anonymous = coalesce($3, is_anonymous),
                     updated_ms = $4
                 where id = $1
                 returning post_id, author_id, is_anonymous",
            )
            .bind(id.0)
            .bind(storable(content))
            .bind(is_anonymous.map(i64::from))
            .bind(now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let (Some(before), Some((post, author, is_anonymous))) = (before, changed) else {
                return Ok(false);
            };
            let (kind, author) = (NotificationKind::Mention, UserId::new(author));
            let note = Note {
                comment: Some(id.0),
                text: content,
                is_anonymous: is_anonymous != 0,
                ..Note::about(PostId::new(post), kind, author, author, now_ms)
            };
            sqlx::query(
                "update notifications set excerpt = $3, is_anonymous = $4
                 where post_id = $1 and comment_id = $2",
            )
            .bind(post)
            .bind(id.0)
            .bind(storable(excerpt(content)))
            .bind(is_anonymous)
            .execute(&mut *transaction)
            .await?;
            let names = newly_mentioned(content, &before);
            transaction.mention(&names, Place::Comment, &note).await?
        });
        self.changes.told(noted);
        Ok(true)
    }

    /// Deletes a comment with all that answers it, what was told of them, and counts them off; says
    /// whether there was one. Whose it is the caller has seen to.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_comment(&self, id: CommentId) -> Result<bool, Error> {
        let lock_post = self.database.lock_post();
        transaction!(&self.database, |transaction| {
            let found: Option<(i64, Option<i64>)> =
                sqlx::query_as("select post_id, parent_id from comments where id = $1")
                    .bind(id.0)
                    .fetch_optional(&mut *transaction)
                    .await?;
            let Some((post, parent)) = found else { return Ok(false) };
            sqlx::query(lock_post).bind(post).execute(&mut *transaction).await?;
            // Counted after the lock: a reply may have come, or all of it may have gone.
            let gone: i64 = sqlx::query_scalar(
                "with recursive gone (id) as (
                     select id from comments where id = $1
                     union all select c.id from comments c join gone on c.parent_id = gone.id
                 )
                 select count(*) from gone",
            )
            .bind(id.0)
            .fetch_one(&mut *transaction)
            .await?;
            if gone == 0 {
                return Ok(false);
            }
            sqlx::query(
                "with recursive gone (id) as (
                     select id from comments where id = $1
                     union all select c.id from comments c join gone on c.parent_id = gone.id
                 )
                 delete from notifications where post_id = $2 and comment_id in (select id from gone)",
            )
            .bind(id.0)
            .bind(post)
            .execute(&mut *transaction)
            .await?;
            // Those that answer it go with it.
            sqlx::query("delete from comments where id = $1")
                .bind(id.0)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("update comments set replies_count = replies_count - 1 where id = $1")
                .bind(parent)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("update posts set comments_count = comments_count - $2 where id = $1")
                .bind(post)
                .bind(gone)
                .execute(&mut *transaction)
                .await?;
        });
        Ok(true)
    }
}

impl Comment {
    /// The comment of this id, if it is this one or stands under it.
    fn within(self, id: CommentId) -> Option<Self> {
        if self.id == id {
            return Some(self);
        }
        self.replies.into_iter().find_map(|reply| reply.within(id))
    }
}

row! {
    /// A row of `comments` with its author's.
    pub(crate) struct CommentRow {
        id: i64,
        post_id: i64,
        parent_id: Option<i64>,
        level: i64,
        content: String,
        is_anonymous: i64,
        replies_count: i64,
        created_ms: i64,
        updated_ms: i64,
        ..author: AuthorRow,
    }
}

row! {
    /// What decides whether a comment takes a reply.
    struct ParentRow {
        author_id: i64,
        level: i64,
        root_id: i64,
        thread_replies: i64,
    }
}

impl ParentRow {
    /// The level of a reply to it.
    fn level_below(&self) -> Result<u8, Error> {
        let level = level(self.level)?;
        if level >= MAX_LEVEL {
            return Err(Error::TooDeep);
        }
        if self.thread_replies >= i64::from(THREAD_REPLIES_MAX) {
            return Err(Error::ThreadFull);
        }
        Ok(level + 1)
    }
}

/// Rows, oldest first, as the trees they are. A row whose parent is not among them is left out.
pub(crate) fn trees(rows: Vec<CommentRow>, geography: &Geography) -> Result<Vec<Comment>, Error> {
    let mut roots = Vec::new();
    let mut replies: HashMap<CommentId, Vec<Comment>> = HashMap::new();
    // The newest first: whatever answers a comment has a greater id.
    for row in rows.into_iter().rev() {
        let id = CommentId(row.id);
        let mut comment = Comment {
            id,
            post: PostId::new(row.post_id),
            author: row.author.into_author(geography)?,
            content: row.content,
            is_anonymous: row.is_anonymous != 0,
            parent: row.parent_id.map(CommentId),
            level: level(row.level)?,
            replies_count: row.replies_count,
            created_ms: row.created_ms,
            updated_ms: row.updated_ms,
            replies: replies.remove(&id).unwrap_or_default(),
        };
        comment.replies.reverse();
        match comment.parent {
            None => roots.push(comment),
            Some(parent) => replies.entry(parent).or_default().push(comment),
        }
    }
    roots.reverse();
    Ok(roots)
}

fn level(stored: i64) -> Result<u8, Error> {
    u8::try_from(stored).map_err(|_| Error::Database("a comment stands deeper than can be".into()))
}

#[cfg(test)]
mod tests;
