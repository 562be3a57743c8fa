//! Shares: posts passed on, within the site and elsewhere.
//!
//! Here: what a member says when he shares, and who did. Not here: figures (`analytics`), what the
//! author is told (`store` notes it).

use axum::{Json, extract::State};
use http::StatusCode;
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{ExternalShare, NewShare, Platform, PostId, Share, ShareType};

use crate::{
    ago,
    auth::AuthUser,
    error::Error,
    json::{Fields, PathId, REQUIRED, Text, moment, no_choice},
    openapi::{Body, Routes, get, member, post},
    page::{List, Listed},
    router::Shared,
    site::Site,
    users::AuthorBody,
};

/// Longest word beside a share, in characters, as for messages.
const COMMENT: Text = Text::OPTIONAL.at_most(1000);

/// The routes of shares. The doubled segment is what clients call.
pub fn router() -> Routes {
    let how = || Body::default().choice("share_type", &["share", "repost"], "share");
    let said = |body: Body, name| body.text(name, COMMENT, "À lire");
    let platforms = json!({"enum": Platform::ALL.map(Platform::as_str)});
    Routes::about("Partages")
        .route(
            "/api/posts/posts/{id}/share",
            post(
                share,
                member("Partager une publication")
                    .takes(said(said(how(), "comment"), "message"))
                    .created::<SharedBody>()
                    .ok::<SharedBody>(),
            )
            .delete(unshare, member("Ne plus la partager").takes(how()).gone()),
        )
        .route(
            "/api/posts/posts/{id}/shares",
            get(shares, member("Qui l'a partagée").by_page().ok::<Listed<ShareBody>>()),
        )
        .route(
            "/api/posts/posts/{id}/share-external",
            post(
                share_external,
                member("Noter un partage ailleurs")
                    .takes(said(
                        Body::default().texts("platform", Text::REQUIRED, platforms, "whatsapp"),
                        "message",
                    ))
                    .created::<SharedExternallyBody>()
                    .ok::<SharedExternallyBody>(),
            ),
        )
        .route(
            "/api/posts/posts/{id}/external-shares",
            get(
                external_shares,
                member("Qui l'a partagée ailleurs").by_page().ok::<Listed<ExternalShareBody>>(),
            ),
        )
}

#[derive(Serialize, JsonSchema)]
struct SharedBody {
    message: &'static str,
    share_id: i64,
    /// The same, as scripts read it.
    id: i64,
}

#[derive(Serialize, JsonSchema)]
struct SharedExternallyBody {
    message: String,
    platform: &'static str,
    platform_display: &'static str,
    share_id: i64,
}

/// A post passed on within the site.
#[derive(Serialize, JsonSchema)]
struct ShareBody {
    id: i64,
    user: AuthorBody,
    post: i64,
    #[schemars(extend("enum" = ["share", "repost"]))]
    share_type: &'static str,
    comment: String,
    created_at: String,
    time_ago: String,
}

/// A post passed on elsewhere. What was said there stays there.
#[derive(Serialize, JsonSchema)]
struct ExternalShareBody {
    id: i64,
    user: AuthorBody,
    platform: &'static str,
    platform_display: &'static str,
    shared_at: String,
    time_ago: String,
}

async fn share(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<(StatusCode, Json<SharedBody>), Error> {
    let how = share_type(&mut fields);
    let comment = comment(&mut fields);
    fields.finish()?;
    let now_ms = api.clock.now_ms();
    let new = NewShare { post: PostId::new(id), user: user.id, how, comment, now_ms };
    let shared = api.store.share(new).await?.ok_or(Error::NotFound)?;
    let (status, message) = if shared.is_new {
        (StatusCode::CREATED, "Post partagé avec succès !")
    } else {
        (StatusCode::OK, "Vous avez déjà partagé ce post")
    };
    Ok((status, Json(SharedBody { message, share_id: shared.id, id: shared.id })))
}

async fn unshare(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<StatusCode, Error> {
    let how = share_type(&mut fields);
    fields.finish()?;
    if api.store.unshare(PostId::new(id), user.id, how).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(Error::Missing("Partage non trouvé"))
    }
}

async fn shares(
    State(api): State<Shared>,
    AuthUser(reader): AuthUser,
    PathId(id): PathId,
    list: List,
) -> Result<Json<Listed<ShareBody>>, Error> {
    let page = api.store.shares(PostId::new(id), list.page()?).await?.ok_or(Error::NotFound)?;
    let now_ms = api.clock.now_ms();
    Ok(Json(list.listed(page, |share| ShareBody::new(share, id, reader.id, &list.site, now_ms))?))
}

async fn share_external(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<(StatusCode, Json<SharedExternallyBody>), Error> {
    let platform = fields.text("platform", Text::REQUIRED).and_then(|text| {
        Platform::parse(&text).or_else(|| fields.refuse("platform", no_choice(&text)))
    });
    let comment = fields.text("message", COMMENT).unwrap_or_default();
    fields.finish()?;
    let how = platform.ok_or_else(|| Error::field("platform", REQUIRED))?;
    let now_ms = api.clock.now_ms();
    let new = NewShare { post: PostId::new(id), user: user.id, how, comment, now_ms };
    let shared = api.store.share_external(new).await?.ok_or(Error::NotFound)?;
    let platform_display = display(how);
    let (status, message) = if shared.is_new {
        (StatusCode::CREATED, format!("Post partagé sur {platform_display}"))
    } else {
        (StatusCode::OK, format!("Vous avez déjà partagé ce post sur {platform_display}"))
    };
    let (platform, share_id) = (how.as_str(), shared.id);
    Ok((status, Json(SharedExternallyBody { message, platform, platform_display, share_id })))
}

async fn external_shares(
    State(api): State<Shared>,
    AuthUser(reader): AuthUser,
    PathId(id): PathId,
    list: List,
) -> Result<Json<Listed<ExternalShareBody>>, Error> {
    let page = api.store.external_shares(PostId::new(id), list.page()?).await?;
    let page = page.ok_or(Error::NotFound)?;
    let now_ms = api.clock.now_ms();
    Ok(Json(
        list.listed(page, |share| ExternalShareBody::new(share, reader.id, &list.site, now_ms))?,
    ))
}

/// The `share_type` field; a plain share without one.
fn share_type(fields: &mut Fields) -> ShareType {
    let text = fields.text("share_type", Text::OPTIONAL).filter(|text| !text.is_empty());
    let share_type = text.map(|text| {
        ShareType::parse(&text).or_else(|| fields.refuse("share_type", no_choice(&text)))
    });
    share_type.flatten().unwrap_or_default()
}

/// The `comment` field, which scripts call `message`.
fn comment(fields: &mut Fields) -> String {
    let comment = fields.text("comment", COMMENT).filter(|text| !text.is_empty());
    let message = fields.text("message", COMMENT);
    comment.or(message).unwrap_or_default()
}

/// A platform as people call it.
fn display(platform: Platform) -> &'static str {
    match platform {
        Platform::WhatsApp => "WhatsApp",
        Platform::Facebook => "Facebook",
        Platform::Twitter => "Twitter",
        Platform::Telegram => "Telegram",
        Platform::Email => "Email",
        Platform::CopyLink => "Copier le lien",
    }
}

impl ShareBody {
    fn new(share: &Share, post: i64, reader: UserId, site: &Site, now_ms: i64) -> Self {
        Self {
            id: share.id,
            user: AuthorBody::new(&share.user, share.is_anonymous, Some(reader), site),
            post,
            share_type: share.share_type.as_str(),
            comment: share.comment.clone(),
            created_at: moment(share.created_ms),
            time_ago: ago::briefly(share.created_ms, now_ms),
        }
    }
}

impl ExternalShareBody {
    fn new(share: &ExternalShare, reader: UserId, site: &Site, now_ms: i64) -> Self {
        Self {
            id: share.id,
            user: AuthorBody::new(&share.user, share.is_anonymous, Some(reader), site),
            platform: share.platform.as_str(),
            platform_display: display(share.platform),
            shared_at: moment(share.created_ms),
            time_ago: ago::briefly(share.created_ms, now_ms),
        }
    }
}
