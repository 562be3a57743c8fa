//! Posts, as far as lives need them: lists and single posts.
//!
//! Here: the shape of a post and who is shown what of it. Not here: starting and stopping a live
//! (`lives`).

use axum::{Json, Router, extract::State, routing::get};
use serde::Serialize;
use store::{LiveState, Post, PostId, PostLive, PostQuery, PostSort, PostType, Scope, User};

use crate::{
    address::Client,
    audience::{Circle, Visit},
    auth::AuthUser,
    error::Error,
    geography::QuartierBody,
    json::{PathId, moment, no_choice},
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
    audience: &'static str,
    /// Null for who may not watch.
    hls_url: Option<String>,
    hls_ts_url: Option<String>,
    watch_url: String,
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    list: List,
) -> Result<Json<Listed<PostBody>>, Error> {
    let page = api.store.posts(&query(&list, &user)?).await?;
    let visit = Visit { api: &api, client, site: &list.site };
    Ok(Json(list.listed(page, |post| PostBody::new(post, &user, &visit))?))
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<PostBody>, Error> {
    let post = api.store.post(PostId::new(id)).await?.ok_or(Error::NotFound)?;
    let visit = Visit { api: &api, client, site: &site };
    Ok(Json(PostBody::new(&post, &user, &visit)))
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
        Some(text) => (Some(post_type(text).ok_or_else(|| no_such("type", text))?), None),
    };
    let is_live_post = match list.param("is_live_post") {
        None => None,
        Some(text) if text.eq_ignore_ascii_case("true") || text == "1" => Some(true),
        Some(text) if text.eq_ignore_ascii_case("false") || text == "0" => Some(false),
        Some(text) => return Err(no_such("is_live_post", text)),
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

fn no_such(field: &str, text: &str) -> Error {
    Error::field(field, no_choice(text))
}

impl PostBody {
    /// Shows a post to `reader`.
    fn new(post: &Post, reader: &User, visit: &Visit<'_>) -> Self {
        let live = post.live.as_ref().map(|live| LiveBody::new(post, live, reader, visit));
        let is_on = post.live.as_ref().is_some_and(|live| live.state != LiveState::Ended);
        Self {
            id: post.id.get(),
            author: AuthorBody::new(&post.author, post.is_anonymous, Some(reader.id), visit.site),
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
            hls_url: live.as_ref().filter(|_| is_on).and_then(|live| live.hls_url.clone()),
            live,
        }
    }
}

impl LiveBody {
    fn new(post: &Post, live: &PostLive, reader: &User, visit: &Visit<'_>) -> Self {
        let name = &live.playback_name;
        let (audience, author, quartier) = (live.audience, post.author.id, post.quartier.id);
        let may_watch = Circle { audience, author, quartier }.admits(reader);
        let playlists = may_watch.then(|| visit.playlists(name, audience));
        let (hls_url, hls_ts_url) =
            playlists.map(|playlists| (playlists.hls_url, playlists.hls_ts_url)).unzip();
        Self {
            status: live.state.as_str(),
            title: post.title.clone(),
            description: live.description.clone(),
            playback_name: name.to_string(),
            started_at: live.started_ms.map(moment),
            ended_at: live.ended_ms.map(moment),
            viewers_count: visit.api.control.viewers(name),
            audience: audience.as_str(),
            hls_url,
            hls_ts_url,
            watch_url: visit.site.watch(name),
        }
    }
}
