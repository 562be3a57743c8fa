//! Passwords changed and forgotten, and addresses verified.
//!
//! Here: what a member does about his own password, and what is sent to him for it. Not here: the
//! mail itself (`mail`), how many he is sent and which token is good (`store`).
//!
//! Whether an address has an account is told to nobody: the answer is made before it is looked up.

use axum::{Json, extract::State};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{Actor, AuditAction, MailPurpose, TokenHash, User};

use crate::{
    address::Client,
    auth::{self, AuthUser, Said},
    error::Error,
    json::{Fields, Text},
    mail::{Letter, Place},
    openapi::{Body, Routes, anyone, member, post},
    random::random_bytes,
    router::{Api, Shared},
    token::{self, TokenPair},
    users,
};

/// How long the link to a new password is good: somebody who forgot it waits for it.
const RESET_LIFE_MS: i64 = 60 * 60 * 1000;
/// How long the link that verifies an address is good.
const VERIFICATION_LIFE_MS: i64 = 24 * 60 * 60 * 1000;

const ASKED: &str = "Si un compte existe avec cette adresse, un e-mail vient de lui être envoyé.";
const IGNORE: &str = "Si vous n'avez rien demandé, ignorez ce message : rien ne change.";
const LINK_IS_OVER: &str = "Ce lien n'est plus valable. Demandez-en un nouveau.";

/// The routes of passwords and addresses.
pub fn router() -> Routes {
    let email = json!({"format": "email"});
    let email = Body::default().texts("email", Text::REQUIRED, email, "fatou@example.org");
    let token = || Body::default().text("token", Text::REQUIRED, "1f0e4c5a");
    let new = |body: Body| {
        body.text("password", auth::NEW_PASSWORD, "un-autre-mot").text(
            "password_confirm",
            auth::SAME_PASSWORD,
            "un-autre-mot",
        )
    };
    let known = Body::default().text("old_password", auth::SAME_PASSWORD, "mot-de-passe");
    Routes::about("Mots de passe et adresses")
        .route(
            "/api/users/change-password",
            post(
                change,
                member("Changer son mot de passe ; les autres sessions se ferment")
                    .takes(new(known))
                    .ok::<Changed>(),
            ),
        )
        .route(
            "/api/users/password-reset",
            post(
                ask_to_reset,
                anyone("Recevoir un lien vers un nouveau mot de passe").takes(email).ok::<Said>(),
            ),
        )
        .route(
            "/api/users/password-reset/confirm",
            post(
                reset,
                anyone("Choisir un mot de passe, avec le jeton du lien")
                    .takes(new(token()))
                    .ok::<Said>(),
            ),
        )
        .route(
            "/api/users/verify-email",
            post(ask_again, member("Recevoir un lien qui vérifie son adresse").ok::<Said>()),
        )
        .route(
            "/api/users/verify-email/confirm",
            post(
                verify,
                anyone("Vérifier son adresse, avec le jeton du lien").takes(token()).ok::<Said>(),
            ),
        )
}

#[derive(Serialize, JsonSchema)]
struct Changed {
    tokens: TokenPair,
    message: &'static str,
}

/// A new password for who knows the old one. All sessions end, and this one goes on with new tokens.
async fn change(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    mut fields: Fields,
) -> Result<Json<Changed>, Error> {
    let now_ms = api.clock.now_ms();
    let old = fields.text("old_password", auth::SAME_PASSWORD);
    let (password, confirmation) = auth::new_password(&mut fields);
    fields.finish()?;
    let password = auth::confirmed(password, confirmation)?;
    auth::prove(&api, &client, &user, old.unwrap_or_default(), "old_password").await?;
    let hash = api.hasher.hash(password).await?;
    let by = auth::by(Actor::Member(user.id), &client, now_ms);
    let changed = api.store.set_password(user.id, &hash, AuditAction::PasswordChanged, &by);
    changed.await.map_err(users::refused)?;
    let user = api.store.user(user.id).await?.ok_or(Error::MemberGone)?;
    let tokens = auth::open_session(&api, &user, now_ms).await?;
    Ok(Json(Changed {
        tokens,
        message: "Mot de passe modifié. Vos autres appareils sont déconnectés.",
    }))
}

async fn ask_to_reset(
    State(api): State<Shared>,
    client: Client,
    mut fields: Fields,
) -> Result<Json<Said>, Error> {
    let email = users::email(&mut fields, Text::REQUIRED);
    fields.finish()?;
    let email = email.unwrap_or_default();
    let place = api.outbox.place()?;
    api.limits.mail(&client, &email, api.clock.now_ms()).await?;
    tokio::spawn(async move {
        match api.store.user_by_email(&email).await {
            Ok(Some((user, _))) => write(&api, place, &user, MailPurpose::Reset).await,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "nobody could be looked up for a new password"),
        }
    });
    Ok(Json(Said { message: ASKED }))
}

async fn reset(
    State(api): State<Shared>,
    client: Client,
    mut fields: Fields,
) -> Result<Json<Said>, Error> {
    let now_ms = api.clock.now_ms();
    let token = fields.text("token", Text::REQUIRED);
    let (password, confirmation) = auth::new_password(&mut fields);
    fields.finish()?;
    let password = auth::confirmed(password, confirmation)?;
    api.limits.mailed_token(&client, now_ms).await?;
    let token = token::hash(&token.unwrap_or_default());
    let over = || Error::field("token", LINK_IS_OVER);
    // A hash is dear: none for a token that is made up.
    if !api.store.mail_token_is_good(token, MailPurpose::Reset, now_ms).await? {
        return Err(over());
    }
    let hash = api.hasher.hash(password).await?;
    let by = auth::by(Actor::Visitor, &client, now_ms);
    api.store.reset_password(token, &hash, &by).await?.ok_or_else(over)?;
    Ok(Json(Said { message: "Mot de passe modifié. Vous pouvez vous connecter." }))
}

async fn ask_again(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
) -> Result<Json<Said>, Error> {
    if user.email_verified_ms.is_some() {
        return Ok(Json(Said { message: "Votre adresse est déjà vérifiée." }));
    }
    let place = api.outbox.place()?;
    api.limits.mail(&client, &user.email, api.clock.now_ms()).await?;
    tokio::spawn(async move { write(&api, place, &user, MailPurpose::Verification).await });
    Ok(Json(Said { message: "Un e-mail vient de vous être envoyé." }))
}

async fn verify(
    State(api): State<Shared>,
    client: Client,
    mut fields: Fields,
) -> Result<Json<Said>, Error> {
    let now_ms = api.clock.now_ms();
    let token = fields.text("token", Text::REQUIRED);
    fields.finish()?;
    api.limits.mailed_token(&client, now_ms).await?;
    let by = auth::by(Actor::Visitor, &client, now_ms);
    let verified = api.store.verify_email(token::hash(&token.unwrap_or_default()), &by).await?;
    verified.ok_or_else(|| Error::field("token", LINK_IS_OVER))?;
    Ok(Json(Said { message: "Votre adresse est vérifiée. Merci !" }))
}

/// Asks a member who has just given an address to verify it, where mail is sent and has room.
pub fn ask_to_verify(api: &Shared, user: &User) {
    let Ok(place) = api.outbox.place() else { return };
    let (api, user) = (api.clone(), user.clone());
    tokio::spawn(async move { write(&api, place, &user, MailPurpose::Verification).await });
}

/// Tells the address that a member had that he has another now, if he showed that he read it: to one
/// that may be a stranger's nothing is written that he did not ask for.
pub fn tell_of_change(api: &Shared, before: &User) {
    let Ok(place) = api.outbox.place() else { return };
    if before.email_verified_ms.is_none() {
        return;
    }
    let (api, email) = (api.clone(), before.email.clone());
    tokio::spawn(async move { place.send(&email, &farewell(site(&api))).await });
}

/// Makes a token and sends it. What goes wrong is logged: whoever asked has had his answer.
async fn write(api: &Shared, place: Place, user: &User, purpose: MailPurpose) {
    let secret = match random_bytes::<32>() {
        Ok(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>(),
        Err(error) => return tracing::error!(%error, "no letter is written"),
    };
    let now_ms = api.clock.now_ms();
    let life_ms = match purpose {
        MailPurpose::Reset => RESET_LIFE_MS,
        MailPurpose::Verification => VERIFICATION_LIFE_MS,
    };
    let token: TokenHash = token::hash(&secret);
    let expires_ms = now_ms.saturating_add(life_ms);
    match api.store.issue_mail_token(user.id, purpose, token, now_ms, expires_ms).await {
        Ok(true) => {
            place.send(&user.email, &letter(purpose, site(api), &secret)).await;
        }
        Ok(false) => tracing::info!(user.id = user.id.get(), "no more letters for him today"),
        Err(error) => tracing::error!(%error, "no letter is written"),
    }
}

/// Where links lead. Never the host of the request: whoever asks in the place of a member chooses it.
fn site(api: &Api) -> &str {
    api.config.public_http_url.as_deref().unwrap_or_default().trim_end_matches('/')
}

/// What is written to an address that is no member's any more.
fn farewell(site: &str) -> Letter {
    Letter {
        subject: "Votre adresse e-mail a changé",
        text: "L'adresse e-mail de votre compte CommuniConnect vient d'être changée par quelqu'un \
               qui a donné votre mot de passe. Nous n'écrirons plus à celle-ci.",
        english: "The e-mail address of your CommuniConnect account has just been changed by somebody who \
                  gave your password. If it was not you, tell those who run the site at once.",
        action: "Ouvrir CommuniConnect",
        link: format!("{site}/"),
        otherwise: "Si ce n'était pas vous, prévenez tout de suite ceux qui tiennent ce site.",
    }
}

/// The token stands behind `#`, which browsers send to no server.
fn letter(purpose: MailPurpose, site: &str, secret: &str) -> Letter {
    match purpose {
        MailPurpose::Reset => Letter {
            subject: "Choisissez un nouveau mot de passe",
            text: "Vous avez demandé un nouveau mot de passe pour votre compte CommuniConnect. Le lien \
                   ci-dessous est valable une heure et ne sert qu'une fois.",
            english: "You asked for a new password for your CommuniConnect account. The link is good \
                      for one hour, once. If you did not ask, ignore this message.",
            action: "Choisir un nouveau mot de passe",
            link: format!("{site}/mot-de-passe#{secret}"),
            otherwise: IGNORE,
        },
        MailPurpose::Verification => Letter {
            subject: "Vérifiez votre adresse e-mail",
            text: "Cette adresse a été donnée pour un compte CommuniConnect. Confirmez que c'est bien \
                   la vôtre : le lien ci-dessous est valable un jour.",
            english: "This address was given for a CommuniConnect account. The link confirms that it \
                      is yours and is good for one day. If it was not you, ignore this message.",
            action: "Vérifier mon adresse",
            link: format!("{site}/verification#{secret}"),
            otherwise: IGNORE,
        },
    }
}
