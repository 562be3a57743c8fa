//! Comments: written, answered, read, changed, deleted.
//!
//! Here: the comments of one post and the shape of a comment. Not here: the newest comments beside
//! a post, which the store finds for a whole page (`posts`).

use axum::{Json, extract::State};
use http::StatusCode;
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use store::{Comment, CommentId, NewComment, PostId, THREAD_REPLIES_MAX, User};

use crate::{
    auth::AuthUser,
    error::Error,
    json::{Fields, PathId, Text, moment, unknown_key},
    openapi::{Body, Routes, get, member, owner, post},
    page::{List, Listed},
    router::{Api, Shared},
    site::Site,
    users::AuthorBody,
};

/// Longest comment, in characters: a page of a post may hold a thousand of them.
const CONTENT: Text = Text::REQUIRED.at_most(2000);

const TOO_DEEP: &str = "La profondeur maximale des réponses est de 3 niveaux";
const NOT_YOURS_TO_CHANGE: &str = "Vous ne pouvez modifier que vos propres commentaires";
const NOT_YOURS_TO_DELETE: &str = "Vous ne pouvez supprimer que vos propres commentaires";

/// The routes of comments.
pub fn router() -> Routes {
    let said = || Body::default().text("content", CONTENT, "Merci !").flag("is_anonymous", false);
    Routes::about("Commentaires")
        .route(
            "/api/posts/{id}/comments",
            get(list, member("Ceux d'une publication").by_page().ok::<Listed<CommentBody>>()).post(
                create,
                member("Commenter, ou répondre")
                    .takes(said().id("parent_comment", None))
                    .created::<CommentBody>(),
            ),
        )
        .route(
            "/api/posts/comments/{id}",
            get(read, member("Un commentaire et ses réponses").ok::<CommentBody>())
                .put(update, owner("Le changer").takes(said()).ok::<CommentBody>())
                .delete(delete, owner("Le supprimer, et ses réponses").gone()),
        )
        .route(
            "/api/posts/comments/{id}/reply",
            post(reply, member("Répondre").takes(said()).created::<CommentBody>()),
        )
}

/// A comment, as one reader is shown it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CommentBody {
    id: i64,
    author: AuthorBody,
    content: String,
    is_anonymous: bool,
    parent_comment: Option<i64>,
    replies: Vec<CommentBody>,
    replies_count: i64,
    is_reply: bool,
    level: u8,
    created_at: String,
    updated_at: String,
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    list: List,
) -> Result<Json<Listed<CommentBody>>, Error> {
    let page = api.store.comments(PostId::new(id), list.page()?).await?.ok_or(Error::NotFound)?;
    list.listed(page, |comment| CommentBody::new(comment, user.id, &list.site)).map(Json)
}

async fn create(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<(StatusCode, Json<CommentBody>), Error> {
    let parent = fields.id("parent_comment").flatten();
    let said = Said::read(fields)?;
    let parent = parent.map(CommentId::new);
    let comment = write(&api, &user, PostId::new(id), parent, said).await?;
    Ok((StatusCode::CREATED, Json(CommentBody::new(&comment, user.id, &site))))
}

async fn reply(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
    fields: Fields,
) -> Result<(StatusCode, Json<CommentBody>), Error> {
    let said = Said::read(fields)?;
    let id = CommentId::new(id);
    let (_, post) = api.store.comment_owner(id).await?.ok_or(Error::NotFound)?;
    let comment = write(&api, &user, post, Some(id), said).await?;
    Ok((StatusCode::CREATED, Json(CommentBody::new(&comment, user.id, &site))))
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<CommentBody>, Error> {
    let comment = api.store.comment(CommentId::new(id)).await?.ok_or(Error::NotFound)?;
    Ok(Json(CommentBody::new(&comment, user.id, &site)))
}

async fn update(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
    fields: Fields,
) -> Result<Json<CommentBody>, Error> {
    let id = own(&api, id, &user, NOT_YOURS_TO_CHANGE).await?;
    let Said { content, is_anonymous } = Said::read(fields)?;
    let now_ms = api.clock.now_ms();
    api.limits.writing(user.id, now_ms).await?;
    api.store.update_comment(id, &content, is_anonymous, now_ms).await?;
    let comment = api.store.comment(id).await?.ok_or(Error::NotFound)?;
    Ok(Json(CommentBody::new(&comment, user.id, &site)))
}

async fn delete(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    let id = own(&api, id, &user, NOT_YOURS_TO_DELETE).await?;
    if !api.store.delete_comment(id).await? {
        return Err(Error::NotFound);
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The comment of the path, if it is the member's; `refusal` otherwise.
async fn own(api: &Api, id: i64, user: &User, refusal: &'static str) -> Result<CommentId, Error> {
    let id = CommentId::new(id);
    let (owner, _) = api.store.comment_owner(id).await?.ok_or(Error::NotFound)?;
    if owner == user.id { Ok(id) } else { Err(Error::Forbidden(refusal)) }
}

async fn write(
    api: &Api,
    author: &User,
    post: PostId,
    parent: Option<CommentId>,
    said: Said,
) -> Result<Comment, Error> {
    let now_ms = api.clock.now_ms();
    api.limits.writing(author.id, now_ms).await?;
    let Said { content, is_anonymous } = said;
    let new = NewComment { post, parent, author, content, is_anonymous, now_ms };
    api.store.create_comment(new).await.map_err(|error| match (error, parent) {
        (store::Error::UnknownComment, Some(parent)) => {
            Error::field("parent_comment", unknown_key(parent.get()))
        }
        (store::Error::TooDeep, _) => Error::field("non_field_errors", TOO_DEEP),
        (store::Error::ThreadFull, _) => Error::field(
            "non_field_errors",
            format!("Ce commentaire a atteint la limite de {THREAD_REPLIES_MAX} réponses"),
        ),
        (other, _) => other.into(),
    })
}

/// What a member writes in a comment.
struct Said {
    content: String,
    is_anonymous: Option<bool>,
}

impl Said {
    fn read(mut fields: Fields) -> Result<Self, Error> {
        let content = fields.text("content", CONTENT);
        let is_anonymous = fields.flag("is_anonymous");
        fields.finish()?;
        Ok(Self { content: content.unwrap_or_default(), is_anonymous })
    }
}

impl CommentBody {
    /// Shows a comment, and what answers it, to `reader`.
    pub fn new(comment: &Comment, reader: UserId, site: &Site) -> Self {
        Self {
            id: comment.id.get(),
            author: AuthorBody::new(&comment.author, comment.is_anonymous, Some(reader), site),
            content: comment.content.clone(),
            is_anonymous: comment.is_anonymous,
            parent_comment: comment.parent.map(CommentId::get),
            replies: comment.replies.iter().map(|reply| Self::new(reply, reader, site)).collect(),
            replies_count: comment.replies_count,
            is_reply: comment.parent.is_some(),
            level: comment.level,
            created_at: moment(comment.created_ms),
            updated_at: moment(comment.updated_ms),
        }
    }
}
