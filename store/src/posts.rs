//! Posts: written, changed and looked at by members, found with author, place and live.
//!
//! Here: lists and single posts, their views. Not here: comments, likes (`reactions` brings the
//! newest of both), what posts show (`attachments`), the post of a live as it is made (`lives`).

use std::sync::Arc;

use media::id::{LiveId, PlaybackName, UserId};

use crate::{
    Audience, Author, CommuneId, Error, Geography, LiveState, MediaId, NotificationKind, PAGE_SIZE,
    Page, Quartier, QuartierId, Store,
    attachments::attach_media,
    authors::{AuthorRow, author_columns},
    database::{reading, row, transaction},
    lives::stored_name,
    mentions::{Place, newly_mentioned},
    notifications::{Note, Notify as _},
    text::{fold, like_anywhere, storable},
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum PostSort {
    /// `-created_at`
    #[default]
    Newest,
    /// `created_at`
    Oldest,
    /// `-likes_count`, then newest
    MostLiked,
    /// `likes_count`, then newest
    LeastLiked,
}

/// Which posts are asked for. `Default` is the first page of all, newest first.
#[derive(Debug, Clone)]
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

/// Which posts of a scope, whose parameter is $1, a [`PostQuery`] means; another parameter that is
/// null asks nothing.
macro_rules! where_asked {
    ($scope:literal) => {
        concat!(
            "where ",
            $scope,
            " and ($2 is null or p.post_type = $2)
              and ($3 is null or p.is_live_post = $3)
              and ($4 is null or p.search_text like $4 escape '\\'
                   or (p.is_anonymous = 0
                       and u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
                           like $4 escape '\\'))
              and ($5 is null or p.is_anonymous = $5)"
        )
    };
}

impl Store {
    /// One page of posts. A page past the end is empty, and [`Page::exists`] says so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn posts(&self, query: &PostQuery) -> Result<Page<Post>, Error> {
        let (count, select) = query.statements();
        let scope = match query.scope {
            Scope::Everywhere => None,
            Scope::Commune(id) => Some(id.get()),
            Scope::Author(id) => Some(id.get()),
        };
        let post_type = query.post_type.map(PostType::as_str);
        let is_live_post = query.is_live_post.map(i64::from);
        let is_anonymous = query.is_anonymous.map(i64::from);
        let pattern =
            query.search.as_deref().filter(|text| !text.trim().is_empty()).map(like_anywhere);
        let offset = i64::from(query.page.saturating_sub(1)) * i64::from(PAGE_SIZE);

        let (count, rows): (i64, Vec<PostRow>) = reading!(&self.database, |pool| {
            let count = sqlx::query_scalar(count)
                .bind(scope)
                .bind(post_type)
                .bind(is_live_post)
                .bind(pattern.as_deref())
                .bind(is_anonymous)
                .fetch_one(pool)
                .await?;
            let rows = if query.page == 0 || offset >= count {
                Vec::new()
            } else {
                sqlx::query_as(select)
                    .bind(scope)
                    .bind(post_type)
                    .bind(is_live_post)
                    .bind(pattern.as_deref())
                    .bind(is_anonymous)
                    .bind(i64::from(PAGE_SIZE))
                    .bind(offset)
                    .fetch_all(pool)
                    .await?
            };
            (count, rows)
        });
        Ok(Page {
            count: u64::try_from(count).unwrap_or(0),
            number: query.page,
            rows: rows
                .into_iter()
                .map(|row| row.into_post(self.geography()))
                .collect::<Result<_, _>>()?,
        })
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
                "insert into posts (author_id, quartier_id, title, content, search_text, \
                     post_type, is_anonymous, created_ms, updated_ms)
                 select u.id, u.quartier_id, $2, $3, $4, $5, $6, $7, $7
                 from users u where u.id = $1 and u.quartier_id is not null
                 returning id",
            )
            .bind(new.author.get())
            .bind(storable(&new.title))
            .bind(storable(&new.content))
            .bind(searchable(&new.title, &new.content))
            .bind(new.post_type.as_str())
            .bind(i64::from(new.is_anonymous))
            .bind(new.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let id = id.map(PostId).ok_or(Error::NoQuartier)?;
            attach_media!(transaction, id, new.author, &new.media);
            let names = newly_mentioned(&mentionable(&new.title, &new.content), "");
            let kind = NotificationKind::Mention;
            let note = Note::about(id, kind, new.author, new.author, new.now_ms);
            (id, transaction.mention(&names, Place::Post, &note).await?)
        });
        self.changes.told(noted);
        Ok(id)
    }

    /// Changes a post, and tells those whom it did not name before; says whether there is one. Whose
    /// it is the caller has seen to.
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
            let Some((author, _)) = found else { return Ok(false) };
            let (title, content): (String, String) =
                sqlx::query_as("select title, content from posts where id = $1")
                    .bind(id.0)
                    .fetch_one(&mut *transaction)
                    .await?;
            let before = mentionable(&title, &content);
            let (title, content) =
                (change.title.unwrap_or(title), change.content.unwrap_or(content));
            sqlx::query(
                "update posts set title = $2, content = $3, search_text = $4,
                     post_type = coalesce($5, post_type),
                     is_anonymous = coalesce($6, is_anonymous),
                     updated_ms = $7
                 where id = $1",
            )
            .bind(id.0)
            .bind(storable(&title))
            .bind(storable(&content))
            .bind(searchable(&title, &content))
            .bind(change.post_type.map(PostType::as_str))
            .bind(change.is_anonymous.map(i64::from))
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
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
    /// The statements that count and list the posts it means. Each scope has its own, so that it is
    /// answered from an index. Posts of the same instant or number of likes keep an order too, else
    /// a page might repeat what another has shown.
    fn statements(&self) -> (&'static str, &'static str) {
        let sort = self.sort;
        macro_rules! sorted {
            ($scope:literal, $order:literal) => {
                select_posts!(where_asked!($scope), " order by ", $order, " limit $6 offset $7")
            };
        }
        macro_rules! of {
            ($scope:literal) => {
                (
                    concat!(
                        "select count(*) from posts p join users u on u.id = p.author_id ",
                        where_asked!($scope)
                    ),
                    match sort {
                        PostSort::Newest => sorted!($scope, "p.created_ms desc, p.id desc"),
                        PostSort::Oldest => sorted!($scope, "p.created_ms, p.id"),
                        PostSort::MostLiked => {
                            sorted!($scope, "p.likes_count desc, p.created_ms desc, p.id desc")
                        }
                        PostSort::LeastLiked => {
                            sorted!($scope, "p.likes_count, p.created_ms desc, p.id desc")
                        }
                    },
                )
            };
        }
        match self.scope {
            Scope::Everywhere => of!("$1 is null"),
            Scope::Commune(_) => {
                of!("p.quartier_id in (select id from quartiers where commune_id = $1)")
            }
            Scope::Author(_) => of!("p.author_id = $1"),
        }
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
