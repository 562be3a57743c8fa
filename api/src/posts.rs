//! Posts: written, listed, read, changed, deleted.
//!
//! Here: the shape of a post and who is shown what of it. Not here: starting and stopping a live
//! (`lives`), likes and comments (`likes`, `comments`).

use std::{collections::HashMap, sync::Arc};

use axum::{Json, extract::State};
use http::StatusCode;
use media::id::{LiveId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use store::{
    LiveState, MediaId, MediaType, NewPost, POST_MEDIA_MAX, Page, Post, PostChange, PostId,
    PostLive, PostMedia, PostQuery, PostSort, PostType, Reactions, Scope, Store, User,
};

use crate::{
    address::Client,
    attachments::MediaBody,
    audience::{Circle, Playlists, Visit},
    auth::AuthUser,
    comments::CommentBody,
    error::Error,
    geography::QuartierBody,
    json::{
        BLANK, Fields, NULL, PathId, Text, moment, no_choice, not_a_key, not_a_list, unknown_key,
    },
    likes::LikeBody,
    lives,
    openapi::{Body, Routes, get, member, owner, post},
    page::{List, Listed},
    router::Shared,
    site::Site,
    users::AuthorBody,
};

/// Longest title, in characters.
pub const TITLE: Text = Text::OPTIONAL.at_most(200);
/// Longest text of a post, in characters: a long page, well within a body.
pub const LONG_TEXT: Text = Text::OPTIONAL.at_most(5000);

/// How long an author may change what others may have read already (API contract, section 6).
const CHANGEABLE_MS: i64 = 30 * 60 * 1000;

/// Pages of posts kept for a moment: the first ones of each commune. One is some ten KB, and a MB if all
/// in it is as long as can be.
pub(crate) const LISTED_MAX: usize = 128;
/// Later pages are seldom asked for twice in a second.
const LISTED_PAGES: u32 = 5;
/// What a member may write. A live is not made by hand.
const KINDS: [PostType; 5] =
    [PostType::Info, PostType::Event, PostType::Help, PostType::Announcement, PostType::Discussion];
/// How lists are ordered, the newest first without a word.
const SORTS: [&str; 4] = ["created_at", "-created_at", "likes_count", "-likes_count"];

pub const NO_QUARTIER: &str = "Vous devez avoir un quartier assigné pour publier";
const NOTHING_IN_IT: &str = "Vous devez ajouter du contenu ou des médias";
const TOO_MANY_FILES: &str = "Vous ne pouvez pas ajouter plus de 5 fichiers à une publication";
const NOT_YOURS_TO_CHANGE: &str = "Vous ne pouvez modifier que vos propres posts";
const NOT_YOURS_TO_DELETE: &str = "Vous ne pouvez supprimer que vos propres posts";
const TOO_LATE: &str =
    "Vous ne pouvez plus modifier ce post. La limite de 30 minutes est dépassée.";

/// The routes of posts.
pub fn router() -> Routes {
    let written = || {
        Body::default()
            .text("title", TITLE, "Marché de Madina")
            .text("content", LONG_TEXT, "Le marché rouvre lundi.")
            .choice("post_type", &KINDS.map(PostType::as_str), "info")
            .flag("is_anonymous", false)
    };
    let list = |what| {
        let kinds: Vec<&str> = KINDS.map(PostType::as_str).into_iter().chain(["live"]).collect();
        member(what)
            .by_page()
            .searched()
            .asks("type", json!({"type": "string", "enum": kinds}))
            .asks("is_live_post", json!({"type": "boolean"}))
            .asks("sort", json!({"type": "string", "enum": SORTS}))
            .ok::<Listed<PostBody>>()
    };
    let change = || owner("La changer, pendant 30 minutes").takes(written()).ok::<PostBody>();
    let view = || member("Compter une vue").ok::<Counted>();
    Routes::about("Publications")
        .route(
            "/api/posts",
            get(self::list, list("Celles de sa commune")).post(
                create,
                member("Publier")
                    .takes(written().ids("media_files", POST_MEDIA_MAX))
                    .created::<PostBody>(),
            ),
        )
        .route(
            "/api/posts/{id}",
            get(read, member("Une publication, avec son live").ok::<PostBody>())
                .put(update, change())
                .patch(update, change())
                .delete(delete, owner("La supprimer, et son live").gone()),
        )
        .route("/api/posts/user/{id}", get(list_of_member, list("Celles d'un membre")))
        .route("/api/posts/{id}/increment-views", post(count_view, view()))
        // Where the existing web client calls it.
        .route("/api/posts/posts/{id}/increment-views", post(count_view, view()))
}

/// A post, as one reader is shown it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct PostBody {
    id: i64,
    author: AuthorBody,
    quartier: QuartierBody,
    title: String,
    content: String,
    #[schemars(extend("enum" = ["info", "event", "help", "announcement", "discussion"]))]
    post_type: &'static str,
    media_files: Vec<MediaBody>,
    live_stream: Option<MediaBody>,
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
    comments: Vec<CommentBody>,
    likes: Vec<LikeBody>,
    is_liked_by_user: bool,
    has_media: bool,
    media_count: usize,
    /// Where to watch, while there is something to watch.
    hls_url: Option<String>,
    live: Option<LiveBody>,
}

/// The live of a post.
#[derive(Debug, Serialize, JsonSchema)]
struct LiveBody {
    #[schemars(extend("enum" = ["created", "live", "interrupted", "ended"]))]
    status: &'static str,
    title: String,
    description: String,
    playback_name: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    /// Null where viewers are not counted.
    viewers_count: Option<usize>,
    #[schemars(extend("enum" = ["public", "quartier"]))]
    audience: &'static str,
    /// Null for who may not watch.
    hls_url: Option<String>,
    hls_ts_url: Option<String>,
    watch_url: String,
    /// What it looks like now; null before there is a picture, and once it is over: see `live_stream`.
    thumbnail_url: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Counted {
    message: &'static str,
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    list: List,
) -> Result<Json<Listed<PostBody>>, Error> {
    let scope = match &user.quartier {
        Some(quartier) => Scope::Commune(quartier.commune.id),
        None => Scope::Everywhere,
    };
    let query = query(&list, scope)?;
    listed(&query, &user, &list, &Visit { api: &api, client, site: &list.site }).await
}

/// The posts of one member, without those that others must not know to be his.
async fn list_of_member(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    PathId(id): PathId,
    list: List,
) -> Result<Json<Listed<PostBody>>, Error> {
    let author = UserId::new(id);
    let mut query = query(&list, Scope::Author(author))?;
    if author != user.id {
        query.is_anonymous = Some(false);
    }
    let posts =
        listed(&query, &user, &list, &Visit { api: &api, client, site: &list.site }).await?;
    // Whoever has posts is there.
    if posts.is_empty() {
        api.store.user(author).await?.ok_or(Error::NotFound)?;
    }
    Ok(posts)
}

async fn create(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    mut fields: Fields,
) -> Result<(StatusCode, Json<PostBody>), Error> {
    let title = fields.text("title", TITLE);
    let content = fields.text("content", LONG_TEXT);
    let post_type = type_field(&mut fields);
    let is_anonymous = fields.flag("is_anonymous");
    let files = files(&mut fields);
    if content.as_deref() == Some("") && files.is_empty() {
        fields.refuse::<()>("content", BLANK);
    }
    let without_content = fields.raw("content").is_none();
    fields.finish()?;
    if without_content && files.is_empty() {
        return Err(Error::field("non_field_errors", NOTHING_IN_IT));
    }
    if user.quartier.is_none() {
        return Err(Error::field("non_field_errors", NO_QUARTIER));
    }
    let now_ms = api.clock.now_ms();
    api.limits.writing(user.id, now_ms).await?;
    let new = NewPost {
        author: user.id,
        title: title.unwrap_or_default(),
        content: content.unwrap_or_default(),
        post_type: post_type.unwrap_or(PostType::Info),
        is_anonymous: is_anonymous.unwrap_or_default(),
        media: files,
        now_ms,
    };
    let id = api.store.create_post(new).await.map_err(|error| match error {
        store::Error::NoQuartier => Error::field("non_field_errors", NO_QUARTIER),
        store::Error::UnknownMedia { id } => {
            Error::field("media_files", unknown_key(Value::from(id.get())))
        }
        other => other.into(),
    })?;
    let body = shown(id, &user, &Visit { api: &api, client, site: &site }).await?;
    Ok((StatusCode::CREATED, Json(body)))
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<PostBody>, Error> {
    shown(PostId::new(id), &user, &Visit { api: &api, client, site: &site }).await.map(Json)
}

async fn update(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<Json<PostBody>, Error> {
    let id = PostId::new(id);
    let post = api.store.post(id).await?.ok_or(Error::NotFound)?;
    if post.author.id != user.id {
        return Err(Error::Forbidden(NOT_YOURS_TO_CHANGE));
    }
    let now_ms = api.clock.now_ms();
    if now_ms.saturating_sub(post.created_ms) > CHANGEABLE_MS {
        return Err(Error::Forbidden(TOO_LATE));
    }
    let change = PostChange {
        title: fields.text("title", TITLE),
        content: fields.text("content", LONG_TEXT),
        post_type: type_field(&mut fields),
        is_anonymous: fields.flag("is_anonymous"),
    };
    if change.content.as_deref() == Some("") && api.store.media_of_posts(&[id]).await?.is_empty() {
        fields.refuse::<()>("content", BLANK);
    }
    fields.finish()?;
    // It may tell as many of what it says as a new one.
    api.limits.writing(user.id, now_ms).await?;
    if !api.store.update_post(id, change, now_ms).await? {
        return Err(Error::NotFound);
    }
    if let Some(live) = &post.live {
        api.watched.forget(&live.playback_name);
    }
    shown(id, &user, &Visit { api: &api, client, site: &site }).await.map(Json)
}

/// Deletes a post, having ended its live: whoever is cut short in between may ask again.
async fn delete(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    let post = api.store.post(PostId::new(id)).await?.ok_or(Error::NotFound)?;
    if post.author.id != user.id {
        return Err(Error::Forbidden(NOT_YOURS_TO_DELETE));
    }
    if let Some(live) = &post.live {
        lives::end(&api, LiveId::new(id), &live.playback_name).await?;
    }
    if !api.store.delete_post(post.id).await? {
        return Err(Error::NotFound);
    }
    if let Some(live) = &post.live {
        api.watched.forget(&live.playback_name);
        api.control.unrecord(&live.playback_name);
    }
    tracing::info!(post.id = id, user.id = user.id.get(), "a post was deleted");
    Ok(StatusCode::NO_CONTENT)
}

/// The one place where views are counted.
async fn count_view(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<Json<Counted>, Error> {
    if !api.store.count_view(PostId::new(id), user.id, api.clock.now_ms()).await? {
        return Err(Error::NotFound);
    }
    Ok(Json(Counted { message: "Vue incrémentée" }))
}

/// A page of posts with what members made of them: the same for every reader.
pub(crate) struct Shown {
    page: Page<Post>,
    reactions: Vec<Reactions>,
    media: HashMap<PostId, Vec<PostMedia>>,
}

impl Shown {
    async fn read(store: &Store, query: &PostQuery) -> Result<Self, Error> {
        let page = store.posts(query).await?;
        let ids: Vec<PostId> = page.rows.iter().map(|post| post.id).collect();
        let reactions = store.reactions(&ids).await?;
        let media = store.media_of_posts(&ids).await?;
        Ok(Self { page, reactions, media })
    }
}

/// A page of posts, each with what members made of it, as `user` is shown it.
async fn listed(
    query: &PostQuery,
    user: &User,
    list: &List,
    visit: &Visit<'_>,
) -> Result<Json<Listed<PostBody>>, Error> {
    let Visit { api, .. } = *visit;
    let read = async || Shown::read(&api.store, query).await.map(Some);
    let shown = if query.search.is_none() && query.page <= LISTED_PAGES {
        api.listed.get(query, &api.clock, || api.store.writes(), read).await?
    } else {
        read().await?.map(Arc::new)
    };
    let shown = shown.ok_or(Error::NotFound)?;
    let Page { count, number, rows } = &shown.page;
    let ids: Vec<PostId> = rows.iter().map(|post| post.id).collect();
    let liked = api.store.liked(&ids, user.id).await?;
    let rows = rows.iter().zip(&shown.reactions).collect();
    let row = |(post, reactions): &(&Post, &Reactions)| {
        let media = shown.media.get(&post.id).map(Vec::as_slice).unwrap_or_default();
        PostBody::new(post, reactions, liked.contains(&post.id), media, user, visit)
    };
    list.listed(Page { count: *count, number: *number, rows }, row).map(Json)
}

/// One post, with what members made of it.
///
/// # Errors
///
/// 404; those of the database.
pub async fn shown(id: PostId, user: &User, visit: &Visit<'_>) -> Result<PostBody, Error> {
    let store = &visit.api.store;
    let post = store.post(id).await?.ok_or(Error::NotFound)?;
    let reactions = store.reactions(&[id]).await?.pop().unwrap_or_default();
    let is_liked = store.liked(&[id], user.id).await?.contains(&id);
    let media = store.media_of_posts(&[id]).await?.remove(&id).unwrap_or_default();
    Ok(PostBody::new(&post, &reactions, is_liked, &media, user, visit))
}

/// Which posts of `scope` are asked for.
fn query(list: &List, scope: Scope) -> Result<PostQuery, Error> {
    let (post_type, only_lives) = match list.param("type") {
        None => (None, None),
        // A live is marked by `is_live_post`; its type is `info`.
        Some("live") => (None, Some(true)),
        Some(_) => (list.choice("type", post_type)?, None),
    };
    let is_live_post = list.flag("is_live_post")?;
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
        is_anonymous: None,
        search: list.search(),
        sort,
        page: list.page()?,
    })
}

/// The `post_type` field. A live is not made by hand.
fn type_field(fields: &mut Fields) -> Option<PostType> {
    let text = fields.text("post_type", Text::REQUIRED.if_present())?;
    match post_type(&text) {
        Some(kind) => Some(kind),
        None => fields.refuse("post_type", no_choice(&text)),
    }
}

/// The `media_files` field: ids, of which the database knows whose they are.
fn files(fields: &mut Fields) -> Vec<MediaId> {
    let ids = match fields.raw("media_files").cloned() {
        None => return Vec::new(),
        Some(Value::Array(ids)) => ids,
        // A form has no empty list.
        Some(Value::String(text)) if text.trim().is_empty() => return Vec::new(),
        Some(other) => {
            let message = if other.is_null() { NULL.to_owned() } else { not_a_list(&other) };
            fields.refuse::<()>("media_files", message);
            return Vec::new();
        }
    };
    if ids.len() > POST_MEDIA_MAX {
        fields.refuse::<()>("non_field_errors", TOO_MANY_FILES);
        return Vec::new();
    }
    let known = ids.iter().filter_map(|id| match id.as_i64() {
        Some(number) => Some(MediaId::new(number)),
        None => {
            let message = if id.is_number() { unknown_key(id) } else { not_a_key(id) };
            fields.refuse("media_files", message)
        }
    });
    known.collect()
}

fn post_type(text: &str) -> Option<PostType> {
    KINDS.into_iter().find(|kind| kind.as_str() == text)
}

impl PostBody {
    /// Shows a post to `reader`.
    fn new(
        post: &Post,
        reactions: &Reactions,
        is_liked: bool,
        media: &[PostMedia],
        reader: &User,
        visit: &Visit<'_>,
    ) -> Self {
        let is_named = !post.is_anonymous || post.author.id == reader.id;
        let file = |shown: &PostMedia| {
            let media = MediaBody::new(&shown.media, visit.site);
            let media = match &post.live {
                Some(live) if shown.media.media_type == MediaType::Live => {
                    media.watched_at(visit.recording(&live.playback_name, live.audience))
                }
                _ => media,
            };
            if is_named { media } else { media.unnamed() }
        };
        // A recording is for those the live was for.
        let may_watch = post.live.as_ref().is_none_or(|live| circle(post, live).admits(reader));
        let media: Vec<&PostMedia> =
            media.iter().filter(|shown| may_watch && shown.media.is_seen_by(reader)).collect();
        let comment = |comment| CommentBody::new(comment, reader.id, visit.site);
        let like = |like| LikeBody::new(like, post, reader.id, visit.site);
        let live = post.live.as_ref().map(|live| LiveBody::new(post, live, may_watch, visit));
        let is_recorded = media.iter().any(|shown| shown.media.media_type == MediaType::Live);
        let is_on = post.live.as_ref().is_some_and(|live| live.state != LiveState::Ended);
        Self {
            id: post.id.get(),
            author: AuthorBody::new(&post.author, post.is_anonymous, Some(reader.id), visit.site),
            quartier: QuartierBody::new(&post.quartier),
            title: post.title.clone(),
            content: post.content.clone(),
            post_type: post.post_type.as_str(),
            media_files: media.iter().copied().map(file).collect(),
            live_stream: media.iter().copied().find(|shown| shown.is_recording).map(file),
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
            comments: reactions.comments.iter().map(comment).collect(),
            likes: reactions.likes.iter().map(like).collect(),
            is_liked_by_user: is_liked,
            has_media: !media.is_empty(),
            media_count: media.len(),
            hls_url: live
                .as_ref()
                .filter(|_| is_on || is_recorded)
                .and_then(|live| live.hls_url.clone()),
            live,
        }
    }
}

/// Those the live of a post is for.
fn circle(post: &Post, live: &PostLive) -> Circle {
    Circle { audience: live.audience, author: post.author.id, quartier: post.quartier.id }
}

impl LiveBody {
    fn new(post: &Post, live: &PostLive, may_watch: bool, visit: &Visit<'_>) -> Self {
        let (name, audience) = (&live.playback_name, live.audience);
        let playlists = may_watch.then(|| visit.playlists(name, audience));
        let (hls_url, hls_ts_url, thumbnail_url) = match playlists {
            Some(Playlists { hls_url, hls_ts_url, thumbnail_url }) => {
                (Some(hls_url), Some(hls_ts_url), thumbnail_url)
            }
            None => (None, None, None),
        };
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
            thumbnail_url,
        }
    }
}
