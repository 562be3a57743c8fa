//! Posts, as far as lives need them: lists and single posts.
//!
//! Here: the shape of a post and who is shown what of it. Not here: starting and stopping a live
//! (`lives`).

use axum::{Json, Router, extract::State, routing::get};
use media::id::UserId;
use serde::Serialize;
use store::{LiveState, Post, PostId, PostLive, PostQuery, PostSort, PostType, Scope, User};

use crate::{
    auth::AuthUser,
    control::LiveControl,
    error::Error,
    geography::QuartierBody,
    json::{PathId, moment},
    page::{List, Listed},
    router::Shared,
    site::Site,
    users::AuthorBody,
};

/// The routes of posts.
pub fn router() -> Router<Shared> {
    Router::new().route("/api/posts", get(list)).route("/api/posts/{id}", get(read))
}

/// A post, as one reader is shown it.
#[derive(Debug, Serialize)]
pub struct PostBody {
    id: i64,
    author: AuthorBody,
    quartier: QuartierBody,
    title: String,
    content: String,
    post_type: &'static str,
    media_files: [(); 0],
    live_stream: Option<()>,
    is_live_post: bool,
    is_pinned: bool,
    is_anonymous: bool,
    /// Every post is public; the client shows what it reads here.
    privacy: &'static str,
    likes_count: i64,
    comments_count: i64,
    views_count: i64,
    shares_count: i64,
    created_at: String,
    updated_at: String,
    comments: [(); 0],
    likes: [(); 0],
    is_liked_by_user: bool,
    has_media: bool,
    media_count: u32,
    /// Where to watch, while there is something to watch.
    hls_url: Option<String>,
    live: Option<LiveBody>,
}

/// The live of a post.
#[derive(Debug, Serialize)]
struct LiveBody {
    status: &'static str,
    title: String,
    description: String,
    playback_name: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// Null where viewers are not counted.
    viewers_count: Option<usize>,
    hls_url: String,
    hls_ts_url: String,
    watch_url: String,
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    list: List,
) -> Result<Json<Listed<PostBody>>, Error> {
    let page = api.store.posts(&query(&list, &user)?).await?;
    Ok(Json(list.listed(page, |post| PostBody::new(post, user.id, &*api.control, &list.site))?))
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<PostBody>, Error> {
    let post = api.store.post(PostId::new(id)).await?.ok_or(Error::NotFound)?;
    Ok(Json(PostBody::new(&post, user.id, &*api.control, &site)))
}

/// Which posts `user` is asking for: those of his commune, or all while he has no quartier.
fn query(list: &List, user: &User) -> Result<PostQuery, Error> {
    let scope = match &user.quartier {
        Some(quartier) => Scope::Commune(quartier.commune.id),
        None => Scope::Everywhere,
    };
    let (post_type, only_lives) = match list.param("type") {
        None => (None, None),
        // A live is marked by `is_live_post`; its type is `info`.
        Some("live") => (None, Some(true)),
        Some(text) => (Some(post_type(text).ok_or_else(|| no_choice("type", text))?), None),
    };
    let is_live_post = match list.param("is_live_post") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        Some(text) => return Err(no_choice("is_live_post", text)),
    };
    let sort = match list.param("sort") {
        Some("created_at") => PostSort::Oldest,
        Some("likes_count") => PostSort::LeastLiked,
        Some("-likes_count") => PostSort::MostLiked,
        _ => PostSort::Newest,
    };
    Ok(PostQuery {
        scope,
        post_type,
        is_live_post: only_lives.or(is_live_post),
        search: list.search(),
        sort,
        page: list.page()?,
    })
}

fn post_type(text: &str) -> Option<PostType> {
    use PostType::{Announcement, Discussion, Event, Help, Info};
    [Info, Event, Help, Announcement, Discussion].into_iter().find(|kind| kind.as_str() == text)
}

fn no_choice(field: &str, text: &str) -> Error {
    Error::field(field, format!("« {text} » n'est pas un choix valide."))
}

impl PostBody {
    /// Shows a post to `reader`.
    fn new(post: &Post, reader: UserId, control: &dyn LiveControl, site: &Site) -> Self {
        let on_air = post.live.as_ref().filter(|live| live.state != LiveState::Ended);
        Self {
            id: post.id.get(),
            author: AuthorBody::new(&post.author, post.is_anonymous, Some(reader), site),
            quartier: QuartierBody::new(&post.quartier),
            title: post.title.clone(),
            content: post.content.clone(),
            post_type: post.post_type.as_str(),
            media_files: [],
            live_stream: None,
            is_live_post: post.is_live_post,
            is_pinned: post.is_pinned,
            is_anonymous: post.is_anonymous,
            privacy: "public",
            likes_count: post.likes_count,
            comments_count: post.comments_count,
            views_count: post.views_count,
            shares_count: post.shares_count,
            created_at: moment(post.created_ms),
            updated_at: moment(post.updated_ms),
            comments: [],
            likes: [],
            is_liked_by_user: false,
            has_media: false,
            media_count: 0,
            hls_url: on_air.map(|live| site.hls(&live.playback_name)),
            live: post.live.as_ref().map(|live| {
                let viewers = control.viewers(&live.playback_name);
                LiveBody::new(live, &post.title, viewers, site)
            }),
        }
    }
}

impl LiveBody {
    fn new(live: &PostLive, title: &str, viewers_count: Option<usize>, site: &Site) -> Self {
        Self {
            status: live.state.as_str(),
            title: title.to_owned(),
            description: live.description.clone(),
            playback_name: live.playback_name.to_string(),
            started_at: live.started_ms.map(moment),
            ended_at: live.ended_ms.map(moment),
            viewers_count,
            hls_url: site.hls(&live.playback_name),
            hls_ts_url: site.hls_ts(&live.playback_name),
            watch_url: site.watch(&live.playback_name),
        }
    }
}
