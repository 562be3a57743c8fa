//! What those who run the place do to accounts, and what they read about it.
//!
//! Here: roles, closing and opening accounts, the audit log. Not here: decisions about what members
//! show. The first admin is made on the machine (`communiconnect-live user role`).

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::request::Parts;
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{Actor, AuditAction, AuditLine, AuditQuery, Role, User};

use crate::{
    address::Client,
    auth::{self, AuthUser},
    error::Error,
    json::{Fields, PathId, Text, moment, no_choice},
    openapi::{Body, Routes, admin, get, patch},
    page::{List, Listed},
    router::Shared,
};

const ADMINS_ONLY: &str = "Seuls les administrateurs peuvent faire cela.";
const NOT_HIMSELF: &str =
    "Vous ne pouvez ni changer votre propre rôle ni fermer votre propre compte.";

/// The routes of admins.
pub fn router() -> Routes {
    let roles = [Role::User, Role::Ambassador, Role::Admin].map(Role::as_str);
    let wanted = Body::default().choice("role", &roles, "user").flag("is_active", true);
    let actions = json!({"type": "string", "enum": AuditAction::ALL.map(AuditAction::as_str)});
    let account = json!({"type": "integer", "format": "int64"});
    Routes::about("Administration")
        .route(
            "/api/admin/users/{id}",
            patch(
                change,
                admin("Donner un rôle, fermer ou rouvrir un compte").takes(wanted).ok::<Account>(),
            ),
        )
        .route(
            "/api/admin/audit",
            get(
                audit,
                admin("Qui a fait quoi aux comptes")
                    .by_page()
                    .asks("action", actions)
                    .asks("user", account)
                    .ok::<Listed<Line>>(),
            ),
        )
}

/// A member who runs the place. Others are refused before the body is read.
pub struct Admin(pub User);

#[derive(Serialize, JsonSchema)]
struct Account {
    id: i64,
    username: String,
    #[schemars(extend("enum" = ["user", "ambassador", "admin"]))]
    role: &'static str,
    is_active: bool,
}

#[derive(Serialize, JsonSchema)]
struct Line {
    id: i64,
    at: String,
    action: String,
    actor: Someone,
    subject: Option<Member>,
    network: String,
    detail: String,
}

#[derive(Serialize, JsonSchema)]
struct Someone {
    #[schemars(extend("enum" = ["member", "console", "visitor"]))]
    kind: &'static str,
    id: Option<i64>,
    username: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Member {
    id: i64,
    username: Option<String>,
}

async fn change(
    State(api): State<Shared>,
    Admin(admin): Admin,
    client: Client,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<Json<Account>, Error> {
    let role = match fields.text("role", Text::REQUIRED.if_present()) {
        Some(text) => match Role::named(&text) {
            Some(role) => Some(role),
            None => fields.refuse("role", no_choice(&text)),
        },
        None => None,
    };
    let is_active = fields.flag("is_active");
    fields.finish()?;
    let id = UserId::new(id);
    let user = api.store.user(id).await?.ok_or(Error::NotFound)?;
    // There is always one admin left: the store lets only those act who are.
    if id == admin.id {
        return Err(Error::Forbidden(NOT_HIMSELF));
    }
    let by = auth::by(Actor::Member(admin.id), &client, api.clock.now_ms());
    if let Some(role) = role {
        api.store.set_role(id, role, &by).await.map_err(refused)?;
    }
    if let Some(is_active) = is_active {
        api.store.set_active(id, is_active, &by).await.map_err(refused)?;
    }
    Ok(Json(Account {
        id: id.get(),
        username: user.username,
        role: role.unwrap_or(user.role).as_str(),
        is_active: is_active.unwrap_or(user.is_active),
    }))
}

async fn audit(
    State(api): State<Shared>,
    Admin(_): Admin,
    list: List,
) -> Result<Json<Listed<Line>>, Error> {
    let action = list.choice("action", AuditAction::named)?;
    let user = match list.param("user").map(str::parse) {
        None => None,
        Some(Ok(id)) => Some(UserId::new(id)),
        Some(Err(_)) => return Err(Error::field("user", "Un identifiant est attendu.")),
    };
    let query = AuditQuery { action, user, page: list.page()? };
    list.listed(api.store.audit_lines(&query).await?, Line::new).map(Json)
}

fn refused(error: store::Error) -> Error {
    match error {
        store::Error::NotAdmin => Error::Forbidden(ADMINS_ONLY),
        other => other.into(),
    }
}

impl FromRequestParts<Shared> for Admin {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let AuthUser(user) = AuthUser::from_request_parts(parts, api).await?;
        if user.role == Role::Admin { Ok(Self(user)) } else { Err(Error::Forbidden(ADMINS_ONLY)) }
    }
}

impl Line {
    fn new(line: &AuditLine) -> Self {
        let (kind, id) = match line.actor {
            Actor::Member(id) => ("member", Some(id.get())),
            Actor::Console => ("console", None),
            Actor::Visitor => ("visitor", None),
        };
        Self {
            id: line.id,
            at: moment(line.at_ms),
            action: line.action.clone(),
            actor: Someone { kind, id, username: line.actor_name.clone() },
            subject: line
                .subject
                .map(|id| Member { id: id.get(), username: line.subject_name.clone() }),
            network: line.network.clone(),
            detail: line.detail.clone(),
        }
    }
}
