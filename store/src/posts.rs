//! Posts, as far as lives need them: found by their readers, with author, place and live.
//!
//! Here: lists and single posts. Not here: comments, likes, uploads.

use std::sync::Arc;

use media::id::{LiveId, PlaybackName, UserId};

use crate::{
    Audience, CommuneId, Error, Geography, LiveState, PAGE_SIZE, Page, Quartier, QuartierId, Role,
    Store,
    database::{reading, row},
    lives::stored_name,
    text::like_anywhere,
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

/// The author of a post: what other members may see of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// The member.
    pub id: UserId,
    /// The member's name on the site.
    pub username: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// Where the picture is stored, relative to the media root.
    pub profile_picture: Option<String>,
    /// Where the member lives now, which need not be where the post belongs.
    pub quartier: Option<Arc<Quartier>>,
    /// What the member may do.
    pub role: Role,
    /// Whether the team has checked who it is.
    pub is_verified: bool,
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
            search: None,
            sort: PostSort::default(),
            page: 1,
        }
    }
}

/// The beginning of every statement that reads a [`PostRow`].
macro_rules! select_posts {
    ($($rest:expr),+) => {
        concat!(
            "select p.id, p.quartier_id, p.title, p.content, p.post_type, p.is_live_post, \
                 p.is_pinned, p.is_anonymous, p.likes_count, p.comments_count, p.views_count, \
                 p.shares_count, p.created_ms, p.updated_ms, \
                 u.id as author_id, u.username, u.first_name, u.last_name, u.profile_picture, \
                 u.quartier_id as author_quartier_id, u.role, u.is_verified, \
                 l.playback_name, l.description, l.audience, l.state, l.started_ms, l.ended_ms \
             from posts p \
             join users u on u.id = p.author_id \
             left join lives l on l.id = p.id ",
            $($rest),+
        )
    };
}

/// Which posts a [`PostQuery`] means; a null parameter asks nothing.
macro_rules! where_asked {
    () => {
        "where ($1 is null or p.quartier_id in (select id from quartiers where commune_id = $1))
           and ($2 is null or p.post_type = $2)
           and ($3 is null or p.is_live_post = $3)
           and ($4 is null or p.search_text like $4 escape '\\'
                or (p.is_anonymous = 0
                    and u.first_name_search || ' ' || u.last_name_search || ' ' || u.username_key
                        like $4 escape '\\'))"
    };
}

impl Store {
    /// One page of posts. A page past the end is empty, and [`Page::exists`] says so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn posts(&self, query: &PostQuery) -> Result<Page<Post>, Error> {
        const COUNT: &str = concat!(
            "select count(*) from posts p join users u on u.id = p.author_id ",
            where_asked!()
        );
        let commune = match query.scope {
            Scope::Everywhere => None,
            Scope::Commune(id) => Some(id.get()),
        };
        let post_type = query.post_type.map(PostType::as_str);
        let is_live_post = query.is_live_post.map(i64::from);
        let pattern =
            query.search.as_deref().filter(|text| !text.trim().is_empty()).map(like_anywhere);
        let offset = i64::from(query.page.saturating_sub(1)) * i64::from(PAGE_SIZE);

        let (count, rows): (i64, Vec<PostRow>) = reading!(&self.database, |pool| {
            let count = sqlx::query_scalar(COUNT)
                .bind(commune)
                .bind(post_type)
                .bind(is_live_post)
                .bind(pattern.as_deref())
                .fetch_one(pool)
                .await?;
            let rows = if query.page == 0 || offset >= count {
                Vec::new()
            } else {
                sqlx::query_as(query.sort.select())
                    .bind(commune)
                    .bind(post_type)
                    .bind(is_live_post)
                    .bind(pattern.as_deref())
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
}

impl PostSort {
    /// The statement that lists posts in this order. Posts of the same instant or number of likes
    /// keep an order too, else a page might repeat what another has shown.
    fn select(self) -> &'static str {
        macro_rules! sorted {
            ($order:literal) => {
                select_posts!(where_asked!(), $order, " limit $5 offset $6")
            };
        }
        match self {
            Self::Newest => sorted!(" order by p.created_ms desc, p.id desc"),
            Self::Oldest => sorted!(" order by p.created_ms, p.id"),
            Self::MostLiked => {
                sorted!(" order by p.likes_count desc, p.created_ms desc, p.id desc")
            }
            Self::LeastLiked => sorted!(" order by p.likes_count, p.created_ms desc, p.id desc"),
        }
    }
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
        author_id: i64,
        username: String,
        first_name: String,
        last_name: String,
        profile_picture: Option<String>,
        author_quartier_id: Option<i64>,
        role: String,
        is_verified: i64,
        playback_name: Option<String>,
        description: Option<String>,
        audience: Option<String>,
        state: Option<String>,
        started_ms: Option<i64>,
        ended_ms: Option<i64>,
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
            author: Author {
                id: UserId::new(self.author_id),
                username: self.username,
                first_name: self.first_name,
                last_name: self.last_name,
                profile_picture: self.profile_picture,
                quartier: self.author_quartier_id.and_then(quartier),
                role: Role::from_stored(&self.role)?,
                is_verified: self.is_verified != 0,
            },
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
