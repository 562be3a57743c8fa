//! Who is asking: accounts, sign-in, sessions.
//!
//! Here: registration, sign-in, refresh, sign-out, and the extractor every other route uses. Not
//! here: how tokens and passwords are made (`token`, `password`).

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::{HeaderMap, StatusCode, header::AUTHORIZATION, request::Parts};
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{NewUser, QuartierId, Rotation, User};

use crate::{
    address::Client,
    error::Error,
    json::{Fields, Text, unknown_key},
    openapi::{Body, Routes, anyone, member, post},
    password::Password,
    router::{Api, Shared},
    site::Site,
    token::{self, TokenPair, TokenType},
    users::{self, UserBody},
};

const PASSWORD: Text = Text::REQUIRED.at_least(8);
/// Longest user name, first name and last name, in characters.
const NAME_MAX_CHARS: usize = 150;

const WRONG_CREDENTIALS: &str = "Email ou mot de passe incorrect";

/// The routes of accounts and sessions.
pub fn router() -> Routes {
    let name = Text::OPTIONAL.at_most(NAME_MAX_CHARS);
    let email = |body: Body| {
        body.texts("email", Text::REQUIRED, json!({"format": "email"}), "fatou@example.org")
    };
    let password = |body: Body, rule| body.text("password", rule, "testpass123");
    let account = email(Body::default().texts(
        "username",
        Text::REQUIRED.at_most(NAME_MAX_CHARS),
        json!({"description": "lettres, chiffres et @ . + - _"}),
        "fatou",
    ));
    let account = password(account, PASSWORD.untrimmed())
        .text("password_confirm", Text::REQUIRED.untrimmed(), "testpass123")
        .text("first_name", name, "Fatou")
        .text("last_name", name, "Diallo")
        .texts("phone_number", Text::OPTIONAL, users::phone_number_schema(), "+224123456789")
        .date("date_of_birth", "1990-05-17")
        .id("quartier", Some(1))
        .text("bio", users::BIO, "Commerçante à Madina");
    let refresh = |rule| Body::default().text("refresh", rule, "eyJhbGciOiJIUzI1NiJ9.e30.c2lnbsOp");
    Routes::about("Comptes et sessions")
        .route(
            "/api/users/register",
            post(register, anyone("Créer un compte").takes(account).created::<SignedIn>()),
        )
        .route(
            "/api/users/login",
            post(
                login,
                anyone("Ouvrir une session")
                    .takes(password(email(Body::default()), Text::REQUIRED))
                    .ok::<SignedIn>()
                    .or(401),
            ),
        )
        .route(
            "/api/users/logout",
            post(
                logout,
                member("Fermer la session de `refresh`")
                    .takes(refresh(Text::OPTIONAL))
                    .ok::<Said>(),
            ),
        )
        .route(
            "/api/token/refresh",
            post(
                self::refresh,
                anyone("Échanger un jeton contre deux nouveaux")
                    .takes(refresh(Text::REQUIRED))
                    .ok::<TokenPair>()
                    .or(401),
            ),
        )
}

/// The member who asks. Refuses before the body is read.
pub struct AuthUser(pub User);

#[derive(Serialize, JsonSchema)]
struct SignedIn {
    user: UserBody,
    tokens: TokenPair,
    message: &'static str,
}

#[derive(Serialize, JsonSchema)]
struct Said {
    message: &'static str,
}

async fn register(
    State(api): State<Shared>,
    client: Client,
    site: Site,
    fields: Fields,
) -> Result<(StatusCode, Json<SignedIn>), Error> {
    let now_ms = api.clock.now_ms();
    let registration = Registration::read(fields, &api)?;
    api.limits.register(&client, now_ms)?;
    let email = registration.account.email.clone();
    let password_hash = api.hasher.hash(registration.password).await?;
    let new = NewUser { password_hash, now_ms, ..registration.account };
    let user = api.store.create_user(new).await.map_err(users::refused)?;
    api.limits.signed_in(&client, &email, now_ms);
    let tokens = open_session(&api, user.id, now_ms).await?;
    let body =
        SignedIn { user: UserBody::new(&user, &site), tokens, message: "Inscription réussie !" };
    Ok((StatusCode::CREATED, Json(body)))
}

async fn login(
    State(api): State<Shared>,
    client: Client,
    site: Site,
    fields: Fields,
) -> Result<Json<SignedIn>, Error> {
    let now_ms = api.clock.now_ms();
    let (email, password) = credentials(&fields)?;
    let attempt = api.limits.login(&client, &email, now_ms)?;
    let checked = check(&api, &email, password).await;
    if !matches!(checked, Ok(None)) {
        attempt.forgive();
    }
    let Some(user) = checked? else {
        tracing::info!(client.address = %client.address, "a sign-in failed");
        return Err(Error::SignIn(WRONG_CREDENTIALS));
    };
    api.limits.signed_in(&client, &email, now_ms);
    if !user.is_active {
        return Err(Error::SignIn("Compte désactivé"));
    }
    api.store.set_last_login(user.id, now_ms).await?;
    let user = User { last_login_ms: Some(now_ms), ..user };
    let tokens = open_session(&api, user.id, now_ms).await?;
    let user = UserBody::new(&user, &site);
    Ok(Json(SignedIn { user, tokens, message: "Connexion réussie !" }))
}

/// Ends the session whose refresh token is given. Without one there is nothing to end: the access
/// token dies of age.
async fn logout(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    mut fields: Fields,
) -> Result<Json<Said>, Error> {
    let given = if fields.raw("refresh").is_none_or(serde_json::Value::is_null) {
        None
    } else {
        fields.text("refresh", Text::OPTIONAL)
    };
    fields.finish()?;
    if let Some(refresh) = given
        && api.tokens.read(&refresh, TokenType::Refresh, api.clock.now_ms()) == Ok(user.id)
    {
        api.store.end_session(token::hash(&refresh)).await?;
    }
    Ok(Json(Said { message: "Déconnexion réussie" }))
}

async fn refresh(State(api): State<Shared>, mut fields: Fields) -> Result<Json<TokenPair>, Error> {
    let now_ms = api.clock.now_ms();
    let given = fields.text("refresh", Text::REQUIRED);
    fields.finish()?;
    let given = given.unwrap_or_default();
    let user =
        api.tokens.read(&given, TokenType::Refresh, now_ms).map_err(|_| Error::BadRefresh)?;
    let tokens = api.tokens.pair(user, now_ms)?;
    let expires_ms = api.tokens.refresh_expires_ms(now_ms);
    let rotation =
        api.store.rotate_session(token::hash(&given), tokens.refresh.hash(), now_ms, expires_ms);
    match rotation.await? {
        Rotation::Rotated(owner) if owner == user => {}
        Rotation::Rotated(_) | Rotation::Unknown => return Err(Error::BadRefresh),
        Rotation::Reused(user) => {
            tracing::warn!(user.id = user.get(), "a used refresh token came back; session ended");
            return Err(Error::BadRefresh);
        }
    }
    let still_open = api.store.user(user).await?.is_some_and(|user| user.is_active);
    if still_open { Ok(Json(tokens)) } else { Err(Error::BadRefresh) }
}

impl FromRequestParts<Shared> for AuthUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let now_ms = api.clock.now_ms();
        let token = bearer(&parts.headers)?;
        let id = api.tokens.read(token, TokenType::Access, now_ms).map_err(Error::BadSession)?;
        tracing::Span::current().record("user.id", id.get());
        api.limits.member(id, now_ms)?;
        let user = api.store.user(id).await?.filter(|user| user.is_active);
        user.map(Self).ok_or(Error::MemberGone)
    }
}

impl FromRequestParts<Shared> for Client {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.extensions, &parts.headers, &api.config.trusted_proxies))
    }
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1). Another scheme is no session.
fn bearer(headers: &HeaderMap) -> Result<&str, Error> {
    let value = headers.get(AUTHORIZATION).ok_or(Error::NoSession)?;
    let value = value.to_str().map_err(|_| Error::BadSession(token::Refusal::Invalid))?;
    match value.trim().split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        None if value.trim().eq_ignore_ascii_case("bearer") => {
            Err(Error::BadSession(token::Refusal::Invalid))
        }
        _ => Err(Error::NoSession),
    }
}

async fn open_session(api: &Api, user: UserId, now_ms: i64) -> Result<TokenPair, Error> {
    let tokens = api.tokens.pair(user, now_ms)?;
    let expires_ms = api.tokens.refresh_expires_ms(now_ms);
    api.store.start_session(user, tokens.refresh.hash(), now_ms, expires_ms).await?;
    Ok(tokens)
}

/// The member of this address, if the password is his. As long for an address nobody has.
async fn check(api: &Api, email: &str, password: Password) -> Result<Option<User>, Error> {
    let (user, hash) = api.store.user_by_email(email).await?.unzip();
    let matches = api.hasher.matches(password, hash).await?;
    Ok(user.filter(|_| matches))
}

/// What is needed to sign in, in this endpoint's own words.
fn credentials(fields: &Fields) -> Result<(String, Password), Error> {
    let text = |name| fields.raw(name).and_then(|value| value.as_str()).unwrap_or_default();
    let (email, password) = (text("email").trim(), text("password"));
    if email.is_empty() || password.is_empty() {
        return Err(Error::Invalid("Email et mot de passe requis"));
    }
    if !users::is_email(email) {
        return Err(Error::Invalid("Format d'email invalide"));
    }
    Ok((email.to_owned(), Password::new(password.to_owned())))
}

/// An account asked for, checked as far as that goes without the database.
struct Registration {
    /// Without its password hash and its time.
    account: NewUser,
    password: Password,
}

impl Registration {
    fn read(mut fields: Fields, api: &Api) -> Result<Self, Error> {
        let name = Text::OPTIONAL.at_most(NAME_MAX_CHARS);
        let username = fields.text_that(
            "username",
            Text::REQUIRED.at_most(NAME_MAX_CHARS),
            is_username,
            "Saisissez un nom d'utilisateur valide. Il ne peut contenir que des lettres, des \
             chiffres et les caractères @/./+/-/_.",
        );
        let email = users::email(&mut fields, Text::REQUIRED);
        let password = fields.text("password", PASSWORD.untrimmed());
        let confirmation = fields.text("password_confirm", Text::REQUIRED.untrimmed());
        let first_name = fields.text("first_name", name);
        let last_name = fields.text("last_name", name);
        let phone_number = users::phone_number(&mut fields);
        let date_of_birth = fields.date("date_of_birth");
        let quartier = quartier(&mut fields, api);
        let bio = fields.text("bio", users::BIO);
        fields.finish()?;
        if password != confirmation {
            return Err(Error::field(
                "non_field_errors",
                "Les mots de passe ne correspondent pas.",
            ));
        }
        Ok(Self {
            account: NewUser {
                username: username.unwrap_or_default(),
                email: email.unwrap_or_default(),
                password_hash: store::PasswordHash::new(""),
                first_name: first_name.unwrap_or_default(),
                last_name: last_name.unwrap_or_default(),
                phone_number: phone_number.unwrap_or_default(),
                date_of_birth: date_of_birth.flatten(),
                bio: bio.unwrap_or_default(),
                quartier: quartier.flatten(),
                now_ms: 0,
            },
            password: Password::new(password.unwrap_or_default()),
        })
    }
}

/// The `quartier` field: `Some(None)` clears it, an id must be one of ours.
pub fn quartier(fields: &mut Fields, api: &Api) -> Option<Option<QuartierId>> {
    let id = fields.id("quartier")?;
    match id.map(QuartierId::new) {
        Some(id) if api.store.geography().quartier(id).is_none() => {
            fields.refuse("quartier", unknown_key(id.get()))
        }
        id => Some(id),
    }
}

/// Letters and digits of any script, and `@ . + - _`.
fn is_username(text: &str) -> bool {
    text.chars().all(|c| c.is_alphanumeric() || matches!(c, '@' | '.' | '+' | '-' | '_'))
}
