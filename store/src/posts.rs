//! Posts, as far as lives need them: found by their readers, with author, place and live.
//!
//! Here: lists and single posts. Not here: comments, likes, uploads.

use std::sync::Arc;

use media::id::{LiveId, PlaybackName, UserId};

use crate::{CommuneId, Error, LiveState, Page, Quartier, Role, Store};

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

impl Store {
    /// One page of posts. A page past the end is empty, and [`Page::exists`] says so.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn posts(&self, query: &PostQuery) -> Result<Page<Post>, Error> {
        let _ = query;
        unimplemented!()
    }

    /// The post of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn post(&self, id: impl Into<PostId>) -> Result<Option<Post>, Error> {
        let _: PostId = id.into();
        unimplemented!()
    }
}
