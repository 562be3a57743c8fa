//! Posts: written, changed and looked at by members, found with author, place and live.
//!
//! Here: lists and single posts, their views. Not here: comments, likes (`reactions` brings the
//! newest of both), what posts show (`attachments`), the post of a live as it is made (`lives`).

pub(crate) mod letters;
mod search;

use std::sync::Arc;

use media::id::{LiveId, PlaybackName, UserId};
use sqlx::AssertSqlSafe;

use crate::{
    Audience, Author, CommuneId, Error, Geography, LiveState, MediaId, NotificationKind, PAGE_SIZE,
    Page, Quartier, QuartierId, Store,
    attachments::attach_media,
    authors::{AuthorRow, author_columns},
    database::{reading, row, transaction},
    lives::stored_name,
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _},
    text::{fold, storable},
};

/// Names a post. The id of a live is the id of its post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PostId(i64);

impl PostId {
    /// Wraps a number, which need not be the id of anything.
    pub const fn new(id: i64) -> Self {
        Self(id)
    }

    /// The number itself.
    pub const fn get(self) -> i64 {
        self.0
    }
}

impl From<LiveId> for PostId {
    fn from(id: LiveId) -> Self {
        Self(id.get())
    }
}

/// A post, with all a reader is shown of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Never given twice.
    pub id: PostId,
    /// Who wrote it. Whoever shows an anonymous post to others must leave this out.
    pub author: Author,
    /// Where it belongs.
    pub quartier: Arc<Quartier>,
    /// May be empty.
    pub title: String,
    /// The text.
    pub content: String,
    /// What kind of post.
    pub post_type: PostType,
    /// Whether a live is going on, or about to, under this post.
    pub is_live_post: bool,
    /// Whether the team keeps it on top.
    pub is_pinned: bool,
    /// Whether other readers must not learn who wrote it.
    pub is_anonymous: bool,
    /// How many like it.
    pub likes_count: i64,
    /// How many comments, replies included.
    pub comments_count: i64,
    /// How many times it was looked at.
    pub views_count: i64,
    /// How many times it was shared.
    pub shares_count: i64,
    /// When it was made, in Unix milliseconds.
    pub created_ms: i64,
    /// When it last changed, in Unix milliseconds.
    pub updated_ms: i64,
    /// The live it announces or announced.
    pub live: Option<PostLive>,
}

/// The live of a post, without anything secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostLive {
    /// The public name in the HLS addresses.
    pub playback_name: PlaybackName,
    /// What it is about; may be empty.
    pub description: String,
    /// Whom it is for.
    pub audience: Audience,
    /// Where it stands.
    pub state: LiveState,
    /// When it was first published, in Unix milliseconds.
    pub started_ms: Option<i64>,
    /// When it ended, in Unix milliseconds.
    pub ended_ms: Option<i64>,
}

/// What kind of post.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PostType {
    /// Information; also every live.
    Info,
    /// Something that takes place.
    Event,
    /// A call for help.
    Help,
    /// An announcement.
    Announcement,
    /// A discussion.
    Discussion,
    /// Not written today; rows of this type are read.
    Live,
}

impl PostType {
    /// The type as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Event => "event",
            Self::Help => "help",
            Self::Announcement => "announcement",
            Self::Discussion => "discussion",
            Self::Live => "live",
        }
    }

    /// The type a text stands for, stored or from a reader.
    pub fn parse(text: &str) -> Option<Self> {
        use PostType::{Announcement, Discussion, Event, Help, Info, Live};
        [Info, Event, Help, Announcement, Discussion, Live]
            .into_iter()
            .find(|post_type| post_type.as_str() == text)
    }
}

/// Whose posts a reader is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Scope {
    /// Everybody's: a reader without quartier.
    #[default]
    Everywhere,
    /// Those of one commune, all its quartiers.
    Commune(CommuneId),
    /// Those of one member, wherever they belong.
    Author(UserId),
}

/// In which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum PostSort {
    /// `-created_at`
    #[default]
    Newest,
    /// `created_at`
    Oldest,
    /// `-likes_count`, then newest
    MostLiked,
    /// `likes_count`, then oldest: [`Self::MostLiked`] from its other end
    LeastLiked,
}

/// Which posts are asked for. `Default` is the first page of all, newest first.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PostQuery {
    /// Whose.
    pub scope: Scope,
    /// Only of this type. The API's `type=live` is `is_live_post: Some(true)`.
    pub post_type: Option<PostType>,
    /// Only those with, or without, a live going on.
    pub is_live_post: Option<bool>,
    /// Only those that name, or do not name, their author. Whoever lists the posts of one author
    /// for others must ask for those that do.
    pub is_anonymous: Option<bool>,
    /// Only those whose title, text or author's name contains this, accents and case set aside.
    /// Anonymous posts are not found by their author's name.
    pub search: Option<String>,
    /// In which order.
    pub sort: PostSort,
    /// Which page, from 1.
    pub page: u32,
}

impl Default for PostQuery {
    fn default() -> Self {
        Self {
            scope: Scope::default(),
            post_type: None,
            is_live_post: None,
            is_anonymous: None,
            search: None,
            sort: PostSort::default(),
            page: 1,
        }
    }
}

/// A post to be written. Already validated.
#[derive(Debug, Clone)]
pub struct NewPost {
    /// Who writes it; must have a quartier, where the post will belong.
    pub author: UserId,
    /// May be empty.
    pub title: String,
    /// The text.
    pub content: String,
    /// What kind of post.
    pub post_type: PostType,
    /// Whether other readers must not learn who wrote it.
    pub is_anonymous: bool,
    /// What it shows, in this order: approved media of its author.
    pub media: Vec<MediaId>,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// What an author changes in his post: `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct PostChange {
    /// New title.
    pub title: Option<String>,
    /// New text.
    pub content: Option<String>,
    /// New kind.
    pub post_type: Option<PostType>,
    /// Whether other readers must not learn who wrote it.
    pub is_anonymous: Option<bool>,
}

/// The beginning of every statement that reads a [`PostRow`].
macro_rules! select_posts {
    ($($rest:expr),+) => {
        concat!(
            "select p.id, p.quartier_id, p.title, p.content, p.post_type, p.is_live_post, \
                 p.is_pinned, p.is_anonymous, p.likes_count, p.comments_count, p.views_count, \
                 p.shares_count, p.created_ms, p.updated_ms, \
                 l.playback_name, l.description, l.audience, l.state, l.started_ms, l.ended_ms, ",
            author_columns!(),
            " from posts p \
             join users u on u.id = p.author_id \
             left join lives l on l.id = p.id ",
            $($rest),+
        )
    };
}
use select_posts;

/// Posts that a search finds at most: the newest. Ten pages, which nobody turns to the end, and what a
/// word that every post has costs no more for.
pub const SEARCH_MAX: u32 = 200;

/// Posts that are passed over one by one; of more, whole days are (`post_days`).
const PASSED_OVER_MAX: i64 = 1000;

/// The length of a day of `post_days`, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// The comments of `$2` on the post `$1` name nobody from now on.
const HIDE_COMMENTS: &str =
    "update comments set is_anonymous = 1 where post_id = $1 and author_id = $2";
/// Nor what was told of them.
const HIDE_WHAT_WAS_TOLD: &str = "update notifications set is_anonymous = 1
     where post_id = $1 and sender_id = $2 and comment_id is not null";

/// Makes a post found by what it says and by who wrote it; to be called again when that changes.
macro_rules! make_searchable {
    ($transaction:ident, $id:expr, $title:expr, $content:expr) => {
        sqlx::query("delete from post_search where rowid = $1")
            .bind($id)
            .execute(&mut *$transaction)
            .await?;
        sqlx::query(
            "insert into post_search (rowid, place, words, author)
             select p.id, '/' || p.commune_id || '/', $2,
                 case p.is_anonymous
                     when 0 then u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
                     else ''
                 end
             from posts p join users u on u.id = p.author_id where p.id = $1",
        )
        .bind($id)
        .bind($crate::posts::searchable($title, $content))
        .execute(&mut *$transaction)
        .await?;
    };
}
pub(crate) use make_searchable;

impl Store {
    /// One page of posts. A page past the end is empty, and [`Page::exists`] says so. Of a search the
    /// newest [`SEARCH_MAX`] are the whole list.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn posts(&self, query: &PostQuery) -> Result<Page<Post>, Error> {
        let text = query.search.as_deref().map(str::trim).filter(|text| !text.is_empty());
        let (count, rows) = match text {
            None => self.listed_posts(query).await?,
            Some(text) => self.found_posts(query, text).await?,
        };
        let rows = rows.into_iter().map(|row| row.into_post(self.geography()));
        Ok(Page { count, number: query.page, rows: rows.collect::<Result<_, _>>()? })
    }

    async fn listed_posts(&self, query: &PostQuery) -> Result<(u64, Vec<PostRow>), Error> {
        let count = self.one_number(query.count()).await?;
        let offset = query.offset();
        if query.page == 0 || offset >= count {
            return Ok((count.cast_unsigned(), Vec::new()));
        }
        // From the nearer end: the last page costs what the first does.
        let limit = (count - offset).min(i64::from(PAGE_SIZE));
        let (from, mut passed_over) = if offset > count / 2 {
            (query.sort.reversed(), count - offset - limit)
        } else {
            (query.sort, offset)
        };
        let day: Option<(i64, i64)> = match query.days_before(from, passed_over) {
            Some(asked) => reading!(&self.database, |pool| asked.rows(pool).await?).pop(),
            None => None,
        };
        // The ids first, which the index has: rows that are passed over are not read.
        let mut asked = Asked::new(select_posts!("where p.id in (select p.id from posts p "));
        query.conditions(&mut asked);
        if let Some((day, before)) = day {
            let (side, bound) = match from {
                PostSort::Newest => (" and p.created_ms < ", day + 1),
                _ => (" and p.created_ms >= ", day),
            };
            asked.push(side);
            asked.bind(bound * DAY_MS);
            passed_over -= before;
        }
        asked.push(&format!(" order by {} limit ", from.order()));
        asked.bind(limit);
        asked.push(" offset ");
        asked.bind(passed_over);
        asked.push(&format!(") order by {}", query.sort.order()));
        let rows = reading!(&self.database, |pool| asked.rows(pool).await?);
        Ok((count.cast_unsigned(), rows))
    }

    async fn one_number(&self, asked: Asked) -> Result<i64, Error> {
        let found: Vec<(i64,)> = reading!(&self.database, |pool| asked.rows(pool).await?);
        Ok(found.first().map_or(0, |(number,)| *number))
    }

    /// The post of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn post(&self, id: impl Into<PostId>) -> Result<Option<Post>, Error> {
        const SELECT: &str = select_posts!("where p.id = $1");
        let id: PostId = id.into();
        let row: Option<PostRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.get()).fetch_optional(pool).await?
        });
        row.map(|row| row.into_post(self.geography())).transpose()
    }

    /// Writes a post, in the quartier of its author, and tells those it names.
    ///
    /// # Errors
    /// [`Error::NoQuartier`], also when there is no such author; [`Error::UnknownMedia`] and
    /// [`Error::TooManyMedia`], and nothing is written.
    pub async fn create_post(&self, new: NewPost) -> Result<PostId, Error> {
        let (id, noted) = transaction!(&self.database, |transaction| {
            let id: Option<i64> = sqlx::query_scalar(
                "insert into posts (author_id, quartier_id, commune_id, title, content, post_type, \
                     is_anonymous, created_ms, updated_ms)
                 select u.id, q.id, q.commune_id, $2, $3, $4, $5, $6, $6
                 from users u join quartiers q on q.id = u.quartier_id where u.id = $1
                 returning id",
            )
            .bind(new.author.get())
            .bind(storable(&new.title))
            .bind(storable(&new.content))
            .bind(new.post_type.as_str())
            .bind(i64::from(new.is_anonymous))
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let id = id.map(PostId).ok_or(Error::NoQuartier)?;
            make_searchable!(transaction, id.0, &new.title, &new.content);
            attach_media!(transaction, id, new.author, &new.media);
            let names = newly_mentioned(&mentionable(&new.title, &new.content), "");
            let kind = NotificationKind::Mention;
            let note = Note::about(id, kind, new.author, new.author, new.now_ms);
            (id, transaction.mention(&names, Place::Post, &note).await?)
        });
        self.changes.told(noted);
        Ok(id)
    }

    /// Changes a post, and tells those whom it did not name before; says whether there is one. What its
    /// author has said of it by then becomes anonymous with it. Whose it is the caller has seen to.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn update_post(
        &self,
        id: PostId,
        change: PostChange,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let lock_post = self.database.lock_post();
        let noted = transaction!(&self.database, |transaction| {
            let found: Option<(i64, i64)> =
                sqlx::query_as(lock_post).bind(id.0).fetch_optional(&mut *transaction).await?;
            let Some((author, was_anonymous)) = found else { return Ok(false) };
            let (title, content): (String, String) =
                sqlx::query_as("select title, content from posts where id = $1")
                    .bind(id.0)
                    .fetch_one(&mut *transaction)
                    .await?;
            let before = mentionable(&title, &content);
            let (title, content) =
                (change.title.clone().unwrap_or(title), change.content.clone().unwrap_or(content));
            sqlx::query(
                "update posts set title = $2, content = $3,
                     post_type = coalesce($4, post_type),
                     is_anonymous = coalesce($5, is_anonymous),
                     updated_ms = $6
                 where id = $1",
            )
            .bind(id.0)
            .bind(storable(&title))
            .bind(storable(&content))
            .bind(change.post_type.map(PostType::as_str))
            .bind(change.is_anonymous.map(i64::from))
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
            make_searchable!(transaction, id.0, &title, &content);
            if change.is_anonymous == Some(true) && was_anonymous == 0 {
                for hide in [HIDE_COMMENTS, HIDE_WHAT_WAS_TOLD] {
                    sqlx::query(hide).bind(id.0).bind(author).execute(&mut *transaction).await?;
                }
            }
            let names = newly_mentioned(&mentionable(&title, &content), &before);
            let (kind, author) = (NotificationKind::Mention, UserId::new(author));
            let note = Note::about(id, kind, author, author, now_ms);
            transaction.mention(&names, Place::Post, &note).await?
        });
        self.changes.told(noted);
        Ok(true)
    }

    /// Deletes a post with all that belongs to it, its live included; says whether there was one.
    /// Whose it is, and that its live has ended, the caller has seen to.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn delete_post(&self, id: PostId) -> Result<bool, Error> {
        let deleted = transaction!(&self.database, |transaction| {
            // The live first, as when its state changes: else the two might wait for each other.
            sqlx::query("delete from lives where id = $1")
                .bind(id.0)
                .execute(&mut *transaction)
                .await?;
            sqlx::query("delete from posts where id = $1")
                .bind(id.0)
                .execute(&mut *transaction)
                .await?
                .rows_affected()
        });
        Ok(deleted > 0)
    }

    /// Counts a view of a post, and notes who looked; says whether there is such a post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn count_view(&self, id: PostId, by: UserId, now_ms: i64) -> Result<bool, Error> {
        transaction!(&self.database, |transaction| {
            let counted =
                sqlx::query("update posts set views_count = views_count + 1 where id = $1")
                    .bind(id.0)
                    .execute(&mut *transaction)
                    .await?
                    .rows_affected();
            if counted == 0 {
                return Ok(false);
            }
            sqlx::query(
                "insert into post_views (post_id, user_id, viewed_ms) values ($1, $2, $3)
                 on conflict do nothing",
            )
            .bind(id.0)
            .bind(by.get())
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
        });
        Ok(true)
    }

    /// How many members have looked at a post, each counted once; 0 when there is no such post.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn unique_views(&self, id: PostId) -> Result<i64, Error> {
        Ok(reading!(&self.database, |pool| {
            sqlx::query_scalar("select count(*) from post_views where post_id = $1")
                .bind(id.0)
                .fetch_one(pool)
                .await?
        }))
    }
}

impl PostQuery {
    /// How many posts it means: those of a commune or of everywhere are kept count of, those of one
    /// member are counted in their index.
    fn count(&self) -> Asked {
        if matches!(self.scope, Scope::Author(_)) || self.is_anonymous.is_some() {
            let mut asked = Asked::new("select count(*) from posts p ");
            self.conditions(&mut asked);
            return asked;
        }
        let mut asked =
            Asked::new("select cast(coalesce(sum(p.posts), 0) as bigint) from post_counts p ");
        self.conditions(&mut asked);
        asked
    }

    /// The day that its page begins in, counted from the end that `from` begins at, and how many posts the
    /// days before that have. Nothing where posts have no order in time, or less is passed over than that is worth.
    fn days_before(&self, from: PostSort, passed_over: i64) -> Option<Asked> {
        let order = match from {
            PostSort::Newest => "desc",
            PostSort::Oldest => "asc",
            PostSort::MostLiked | PostSort::LeastLiked => return None,
        };
        let is_of_all_kinds = self.post_type.is_none() && self.is_live_post.is_none();
        let is_of_one_member =
            matches!(self.scope, Scope::Author(_)) || self.is_anonymous.is_some();
        if is_of_one_member || !is_of_all_kinds || passed_over < PASSED_OVER_MAX {
            return None;
        }
        let mut asked = Asked::new(
            "select day, before from (select p.day, sum(p.posts) as posts, \
                 cast(sum(sum(p.posts)) over (order by p.day ",
        );
        asked.push(order);
        asked.push(") - sum(p.posts) as bigint) as before from post_days p ");
        self.conditions(&mut asked);
        asked.push(" group by p.day) d where posts > 0 and before <= ");
        asked.bind(passed_over);
        asked.push(" order by before desc limit 1");
        Some(asked)
    }

    /// The `where` of posts, or of their counts, called `p`.
    fn conditions(&self, asked: &mut Asked) {
        match self.scope {
            Scope::Everywhere => asked.push("where true"),
            Scope::Commune(id) => {
                asked.push("where p.commune_id = ");
                asked.bind(id.get());
            }
            Scope::Author(id) => {
                asked.push("where p.author_id = ");
                asked.bind(id.get());
            }
        }
        if let Some(post_type) = self.post_type {
            asked.push(" and p.post_type = ");
            asked.bind(post_type.as_str().to_owned());
        }
        // Written out, so that the index of those going live is one of them.
        if let Some(is_live_post) = self.is_live_post {
            asked.push(if is_live_post {
                " and p.is_live_post = 1"
            } else {
                " and p.is_live_post = 0"
            });
        }
        if let Some(is_anonymous) = self.is_anonymous {
            asked.push(if is_anonymous {
                " and p.is_anonymous = 1"
            } else {
                " and p.is_anonymous = 0"
            });
        }
    }

    /// Rows before its page.
    fn offset(&self) -> i64 {
        i64::from(self.page.saturating_sub(1)) * i64::from(PAGE_SIZE)
    }
}

impl PostSort {
    /// The same order from its other end.
    fn reversed(self) -> Self {
        match self {
            Self::Newest => Self::Oldest,
            Self::Oldest => Self::Newest,
            Self::MostLiked => Self::LeastLiked,
            Self::LeastLiked => Self::MostLiked,
        }
    }

    /// Posts of the same instant or number of likes keep an order too, else a page might repeat what
    /// another has shown.
    fn order(self) -> &'static str {
        match self {
            Self::Newest => "p.created_ms desc, p.id desc",
            Self::Oldest => "p.created_ms, p.id",
            Self::MostLiked => "p.likes_count desc, p.created_ms desc, p.id desc",
            Self::LeastLiked => "p.likes_count, p.created_ms, p.id",
        }
    }
}

/// A statement put together from what is asked: the words are ours, every value is bound.
struct Asked {
    sql: String,
    values: Vec<Value>,
}

enum Value {
    Number(i64),
    Text(String),
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl Asked {
    fn new(beginning: &str) -> Self {
        Self { sql: beginning.to_owned(), values: Vec::new() }
    }

    fn push(&mut self, words: &str) {
        self.sql.push_str(words);
    }

    fn bind(&mut self, value: impl Into<Value>) {
        self.values.push(value.into());
        self.push(&format!("${}", self.values.len()));
    }

    /// Runs it. Planned each time, for these very values: a common word and a rare one, the first page
    /// and the last, are not found in the same way.
    async fn rows<'a, D, R>(&'a self, pool: &sqlx::Pool<D>) -> sqlx::Result<Vec<R>>
    where
        D: sqlx::Database + sqlx::database::HasStatementCache,
        R: for<'r> sqlx::FromRow<'r, D::Row> + Send + Unpin,
        i64: sqlx::Encode<'a, D> + sqlx::Type<D>,
        &'a str: sqlx::Encode<'a, D> + sqlx::Type<D>,
        <D as sqlx::Database>::Arguments: sqlx::IntoArguments<D>,
        for<'c> &'c sqlx::Pool<D>: sqlx::Executor<'c, Database = D>,
    {
        let mut select = sqlx::query_as(AssertSqlSafe(self.sql.clone())).persistent(false);
        for value in &self.values {
            select = match value {
                Value::Number(number) => select.bind(*number),
                Value::Text(text) => select.bind(text.as_str()),
            };
        }
        select.fetch_all(pool).await
    }
}

/// Title and text as they may name somebody.
pub(crate) fn mentionable(title: &str, content: &str) -> String {
    format!("{title}\n{content}")
}

/// Title and text as they are searched.
pub(crate) fn searchable(title: &str, content: &str) -> String {
    fold(&format!("{title}\n{content}"))
}

row! {
    /// A row of `posts` with its author's and, if there is one, its live's.
    struct PostRow {
        id: i64,
        quartier_id: i64,
        title: String,
        content: String,
        post_type: String,
        is_live_post: i64,
        is_pinned: i64,
        is_anonymous: i64,
        likes_count: i64,
        comments_count: i64,
        views_count: i64,
        shares_count: i64,
        created_ms: i64,
        updated_ms: i64,
        playback_name: Option<String>,
        description: Option<String>,
        audience: Option<String>,
        state: Option<String>,
        started_ms: Option<i64>,
        ended_ms: Option<i64>,
        ..author: AuthorRow,
    }
}

impl PostRow {
    fn into_post(self, geography: &Geography) -> Result<Post, Error> {
        let quartier = |id| geography.quartier(QuartierId::new(id)).cloned();
        let live = match (self.playback_name, self.audience, self.state) {
            (Some(name), Some(audience), Some(state)) => Some(PostLive {
                playback_name: stored_name(&name)?,
                audience: Audience::from_stored(&audience)?,
                description: self.description.unwrap_or_default(),
                state: LiveState::from_stored(&state)?,
                started_ms: self.started_ms,
                ended_ms: self.ended_ms,
            }),
            _ => None,
        };
        Ok(Post {
            id: PostId(self.id),
            author: self.author.into_author(geography)?,
            // Places are read when the store opens: another instance with a longer list may have
            // added one since.
            quartier: quartier(self.quartier_id).ok_or_else(|| {
                Error::Database("a post lies in a quartier added since the start".into())
            })?,
            title: self.title,
            content: self.content,
            post_type: PostType::parse(&self.post_type).ok_or_else(|| {
                Error::Database("the type of a post is unknown to this version".into())
            })?,
            is_live_post: self.is_live_post != 0,
            is_pinned: self.is_pinned != 0,
            is_anonymous: self.is_anonymous != 0,
            likes_count: self.likes_count,
            comments_count: self.comments_count,
            views_count: self.views_count,
            shares_count: self.shares_count,
            created_ms: self.created_ms,
            updated_ms: self.updated_ms,
            live,
        })
    }
}

#[cfg(test)]
mod tests;
