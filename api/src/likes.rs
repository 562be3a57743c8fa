//! Likes: given and taken back.
//!
//! Here: the member's own like of a post. Not here: the likes beside a post (`posts`).

use axum::{Json, extract::State};
use http::StatusCode;
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Author, Like, Post, PostId};

use crate::{
    auth::AuthUser,
    error::Error,
    json::{PathId, moment},
    openapi::{Routes, member, post},
    router::Shared,
    site::Site,
    users::AuthorBody,
};

/// The web client compares this text.
const ALREADY: Error = Error::Refused("Vous avez déjà liké ce post");
const NOT_LIKED: Error = Error::Absent("Vous n'avez pas liké ce post");

/// The routes of likes.
pub fn router() -> Routes {
    Routes::about("J'aime").route(
        "/api/posts/{id}/like",
        post(like, member("Aimer une publication").created::<LikeBody>().or(400))
            .delete(unlike, member("Ne plus l'aimer").gone()),
    )
}

/// A like, as one reader is shown it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct LikeBody {
    id: i64,
    user: AuthorBody,
    created_at: String,
}

async fn like(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
) -> Result<(StatusCode, Json<LikeBody>), Error> {
    let now_ms = api.clock.now_ms();
    let id = api.store.like(PostId::new(id), user.id, now_ms).await.map_err(refused)?;
    let body = LikeBody {
        id,
        user: AuthorBody::new(&Author::from(&user), false, Some(user.id), &site),
        created_at: moment(now_ms),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

async fn unlike(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    api.store.unlike(PostId::new(id), user.id).await.map_err(refused)?;
    Ok(StatusCode::NO_CONTENT)
}

impl LikeBody {
    /// Shows a like of `post` to `reader`. The author of an anonymous post is not named here either.
    pub fn new(like: &Like, post: &Post, reader: UserId, site: &Site) -> Self {
        let is_anonymous = post.is_anonymous && like.user.id == post.author.id;
        Self {
            id: like.id,
            user: AuthorBody::new(&like.user, is_anonymous, Some(reader), site),
            created_at: moment(like.created_ms),
        }
    }
}

fn refused(error: store::Error) -> Error {
    match error {
        store::Error::AlreadyLiked => ALREADY,
        store::Error::NotLiked => NOT_LIKED,
        other => other.into(),
    }
}
