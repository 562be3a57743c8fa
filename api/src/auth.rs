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
use store::{Actor, AuditAction, By, NewUser, PasswordHash, QuartierId, Rotation, User};

use crate::{
    address::Client,
    error::Error,
    json::{Fields, Text, unknown_key},
    limits::Attempt,
    openapi::{Body, Routes, anyone, member, post},
    password::{self, Password},
    recovery,
    router::{Api, Shared},
    site::Site,
    token::{self, Bearer, TokenPair, TokenType},
    users::{self, UserBody},
};

/// Longest user name, first name and last name, in characters.
const NAME_MAX_CHARS: usize = 150;

/// A new password, in any form that asks for one.
pub const NEW_PASSWORD: Text = Text::REQUIRED.at_least(password::MIN_CHARS).untrimmed();
/// The same once more, or one that exists.
pub const SAME_PASSWORD: Text = Text::REQUIRED.untrimmed();

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
    let account = password(account, NEW_PASSWORD)
        .text("password_confirm", SAME_PASSWORD, "testpass123")
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

/// A member who stays, and until when.
pub struct Session {
    pub user: User,
    /// When the access token ends, in Unix milliseconds.
    pub expires_ms: i64,
}

#[derive(Serialize, JsonSchema)]
struct SignedIn {
    user: UserBody,
    tokens: TokenPair,
    message: &'static str,
}

/// That it is done, in words.
#[derive(Serialize, JsonSchema)]
pub struct Said {
    pub message: &'static str,
}

async fn register(
    State(api): State<Shared>,
    client: Client,
    site: Site,
    fields: Fields,
) -> Result<(StatusCode, Json<SignedIn>), Error> {
    let now_ms = api.clock.now_ms();
    let registration = Registration::read(fields, &api)?;
    api.limits.register(&client, now_ms).await?;
    let email = registration.account.email.clone();
    let password_hash = api.hasher.hash(registration.password).await?;
    let new = NewUser { password_hash, now_ms, ..registration.account };
    let user = api.store.create_user(new).await.map_err(users::refused)?;
    api.limits.signed_in(&client, &email, now_ms).await;
    let tokens = open_session(&api, &user, now_ms).await?;
    recovery::ask_to_verify(&api, &user);
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
    let attempt = api.limits.login(&client, &email, now_ms).await?;
    let by = |actor| by(actor, &client, now_ms);
    let (known, right) = check(&api, &email, &password, attempt).await?;
    let Some((user, hash)) = right else {
        tracing::info!(client.address = %client.address, "a sign-in failed");
        // The same for an address that nobody has.
        api.store.audit(&by(Actor::Visitor), AuditAction::SignInFailed, known, "").await?;
        return Err(Error::SignIn(WRONG_CREDENTIALS));
    };
    api.limits.signed_in(&client, &email, now_ms).await;
    if !user.is_active {
        let failed = AuditAction::SignInFailed;
        api.store.audit(&by(Actor::Visitor), failed, known, "compte désactivé").await?;
        return Err(Error::SignIn("Compte désactivé"));
    }
    // Another time, should too many wait for the processor now.
    if api.hasher.is_outdated(&hash)
        && let Ok(new) = api.hasher.hash(password).await
    {
        api.store.rehash_password(user.id, &hash, &new).await?;
    }
    api.store.set_last_login(user.id, now_ms).await?;
    let user = User { last_login_ms: Some(now_ms), ..user };
    let tokens = open_session(&api, &user, now_ms).await?;
    api.store.audit(&by(Actor::Member(user.id)), AuditAction::SignIn, known, "").await?;
    let user = UserBody::new(&user, &site);
    Ok(Json(SignedIn { user, tokens, message: "Connexion réussie !" }))
}

/// Ends the session whose refresh token is given. Without one there is nothing to end: the access
/// token dies of age.
async fn logout(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    mut fields: Fields,
) -> Result<Json<Said>, Error> {
    let given = if fields.raw("refresh").is_none_or(serde_json::Value::is_null) {
        None
    } else {
        fields.text("refresh", Text::OPTIONAL)
    };
    fields.finish()?;
    let now_ms = api.clock.now_ms();
    if let Some(refresh) = given
        && api.tokens.read(&refresh, TokenType::Refresh, now_ms) == Ok(Bearer::from(&user))
        && api.store.end_session(token::hash(&refresh)).await?
    {
        let by = by(Actor::Member(user.id), &client, now_ms);
        api.store.audit(&by, AuditAction::SignOut, Some(user.id), "").await?;
    }
    Ok(Json(Said { message: "Déconnexion réussie" }))
}

async fn refresh(
    State(api): State<Shared>,
    client: Client,
    mut fields: Fields,
) -> Result<Json<TokenPair>, Error> {
    let now_ms = api.clock.now_ms();
    let given = fields.text("refresh", Text::REQUIRED);
    fields.finish()?;
    let given = given.unwrap_or_default();
    let bearer =
        api.tokens.read(&given, TokenType::Refresh, now_ms).map_err(|_| Error::BadRefresh)?;
    let tokens = api.tokens.pair(bearer, now_ms)?;
    let expires_ms = api.tokens.refresh_expires_ms(now_ms);
    let rotation =
        api.store.rotate_session(token::hash(&given), tokens.refresh.hash(), now_ms, expires_ms);
    match rotation.await? {
        Rotation::Rotated(owner) if owner == bearer.user => {}
        Rotation::Rotated(_) | Rotation::Unknown => return Err(Error::BadRefresh),
        Rotation::Reused(user) => {
            tracing::warn!(user.id = user.get(), "a used refresh token came back; session ended");
            let by = by(Actor::Visitor, &client, now_ms);
            api.store.audit(&by, AuditAction::TokenReused, Some(user), "").await?;
            return Err(Error::BadRefresh);
        }
    }
    let user = api.store.user(bearer.user).await?;
    let still_open = user.is_some_and(|user| user.is_active && Bearer::from(&user) == bearer);
    if still_open { Ok(Json(tokens)) } else { Err(Error::BadRefresh) }
}

impl Session {
    /// The member of an access token.
    ///
    /// # Errors
    ///
    /// 401 when it is not a good one or its member is gone, 429 when he asks too often.
    pub async fn of(token: &str, api: &Api) -> Result<Self, Error> {
        let now_ms = api.clock.now_ms();
        let (bearer, expires_ms) =
            api.tokens.read_until(token, TokenType::Access, now_ms).map_err(Error::BadSession)?;
        tracing::Span::current().record("user.id", bearer.user.get());
        api.limits.member(bearer.user, now_ms)?;
        Ok(Self { user: who_is(bearer, api).await?, expires_ms })
    }

    /// Its member as he is now, where a session lasts longer than one request.
    ///
    /// # Errors
    ///
    /// 401 when it has been ended meanwhile.
    pub async fn check(&self, api: &Api) -> Result<User, Error> {
        who_is(Bearer::from(&self.user), api).await
    }

    /// Whether it has been ended; not when nobody can tell.
    pub async fn has_ended(&self, api: &Api) -> bool {
        matches!(self.check(api).await, Err(Error::BadSession(_) | Error::MemberGone))
    }
}

/// The member of a token, as he is now.
async fn who_is(bearer: Bearer, api: &Api) -> Result<User, Error> {
    let user = api.store.user(bearer.user).await?.filter(|user| user.is_active);
    let user = user.ok_or(Error::MemberGone)?;
    // All sessions of the member were ended since: a password was changed, or an account closed.
    if Bearer::from(&user) != bearer {
        return Err(Error::BadSession(token::Refusal::Invalid));
    }
    Ok(user)
}

impl FromRequestParts<Shared> for Session {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        Self::of(bearer(&parts.headers)?, api).await
    }
}

impl FromRequestParts<Shared> for AuthUser {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        Session::from_request_parts(parts, api).await.map(|session| Self(session.user))
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

/// Opens a session of a member who has just shown who he is.
pub async fn open_session(api: &Api, user: &User, now_ms: i64) -> Result<TokenPair, Error> {
    let tokens = api.tokens.pair(Bearer::from(user), now_ms)?;
    let expires_ms = api.tokens.refresh_expires_ms(now_ms);
    api.store.start_session(user.id, tokens.refresh.hash(), now_ms, expires_ms).await?;
    Ok(tokens)
}

/// Who acts, as the audit log keeps it: the network of the client, not its address.
pub fn by(actor: Actor, client: &Client, now_ms: i64) -> By {
    By { actor, network: store::network_of(client.address), now_ms }
}

/// Sees that a signed-in member knows his password, which stands in `field`. Whoever found his telephone
/// guesses no faster than at the door.
///
/// # Errors
///
/// 400 on that field when he does not, 429 when he tried too often.
pub async fn prove(
    api: &Api,
    client: &Client,
    user: &User,
    password: String,
    field: &str,
) -> Result<(), Error> {
    let attempt = api.limits.login(client, &user.email, api.clock.now_ms()).await?;
    match check(api, &user.email, &Password::new(password), attempt).await? {
        (_, Some(_)) => Ok(()),
        (_, None) => Err(Error::field(field, "Le mot de passe actuel est incorrect.")),
    }
}

/// Whose address it is, and the member with his hash if the password is his. As long for an address
/// nobody has. Only a wrong password counts as an attempt.
async fn check(
    api: &Api,
    email: &str,
    password: &Password,
    attempt: Attempt<'_>,
) -> Result<(Option<UserId>, Option<(User, PasswordHash)>), Error> {
    let checked = async {
        let found = api.store.user_by_email(email).await?;
        let hash = found.as_ref().map(|(_, hash)| hash.clone());
        let matches = api.hasher.matches(password.clone(), hash).await?;
        Ok((found.as_ref().map(|(user, _)| user.id), found.filter(|_| matches)))
    };
    let checked = checked.await;
    if !matches!(checked, Ok((_, None))) {
        attempt.forgive().await;
    }
    checked
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
        let (password, confirmation) = new_password(&mut fields);
        let first_name = fields.text("first_name", name);
        let last_name = fields.text("last_name", name);
        let phone_number = users::phone_number(&mut fields);
        let date_of_birth = fields.date("date_of_birth");
        let quartier = quartier(&mut fields, api);
        let bio = fields.text("bio", users::BIO);
        fields.finish()?;
        let password = confirmed(password, confirmation)?;
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
            password,
        })
    }
}

/// The two fields of a new password.
pub fn new_password(fields: &mut Fields) -> (Option<String>, Option<String>) {
    (fields.text("password", NEW_PASSWORD), fields.text("password_confirm", SAME_PASSWORD))
}

/// The new password, if it was typed twice alike.
pub fn confirmed(
    password: Option<String>,
    confirmation: Option<String>,
) -> Result<Password, Error> {
    if password != confirmation {
        return Err(Error::field("non_field_errors", "Les mots de passe ne correspondent pas."));
    }
    Ok(Password::new(password.unwrap_or_default()))
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
