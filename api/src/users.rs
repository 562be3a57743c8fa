//! Members, as they are shown and as they change themselves.
//!
//! Here: a member's own profile, the public view of an author, the geography as the registration
//! form reads it. Not here: signing in (`auth`).

use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    response::IntoResponse,
};
use http::header::CONTENT_TYPE;
use media::id::UserId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use store::{Actor, Author, Field, ProfileChange, Quartier, Role, User};

use crate::{
    address::Client,
    auth::{self, AuthUser},
    error::Error,
    form::{Failure, Form, MULTIPART, Refusal, Wanted},
    geography::GeographicData,
    json::{Fields, Text, content_type, date_text, moment},
    openapi::{Body, Routes, anyone, get, member},
    recovery,
    router::Shared,
    site::Site,
    uploads::{self, File, PICTURES, Slot},
};

/// What a member writes about himself.
pub const BIO: Text = Text::OPTIONAL.at_most(500);

const NAME: Text = Text::OPTIONAL.at_most(150);
const CURRENT_PASSWORD: &str = "current_password";
const NO_PASSWORD: &str = "Pour changer d'adresse e-mail, indiquez votre mot de passe actuel.";
const PICTURE: &str = "profile_picture";
const NO_PICTURE: &str = "Transférez une image valide. Le fichier que vous avez transféré n'est pas une \
                          image ou est endommagé.";
const NO_PLACE: &str = "Non spécifié";

/// The routes of members.
pub fn router() -> Routes {
    let change = || {
        Body::default()
            .text("first_name", NAME, "Fatou")
            .text("last_name", NAME, "Diallo")
            .texts(
                "email",
                Text::REQUIRED.if_present(),
                json!({"format": "email"}),
                "fatou.diallo@example.org",
            )
            .text(CURRENT_PASSWORD, auth::SAME_PASSWORD.if_present(), "testpass123")
            .texts("phone_number", Text::OPTIONAL, phone_number_schema(), "620635764")
            .text("bio", BIO, "Commerçante à Madina")
            .date("date_of_birth", "1990-05-17")
            .id("quartier", Some(1))
    };
    let says = member("Changer son profil")
        .takes(change().field(PICTURE, json!({"type": "null"}), json!(null)))
        .takes_form(change().file(PICTURE, false))
        .ok::<Updated>();
    Routes::about("Profil")
        .route(
            "/api/users/my-profile",
            get(profile, member("Son propre profil").ok::<UserBody>())
                .patch(update, says.clone())
                .put(update, says),
        )
        .route(
            "/api/users/geographic-data",
            get(geographic_data, anyone("Tous les lieux, pour s'inscrire").ok::<GeographicData>()),
        )
}

/// A member, for himself alone.
#[derive(Debug, Serialize, JsonSchema)]
pub struct UserBody {
    id: i64,
    username: String,
    email: String,
    first_name: String,
    last_name: String,
    full_name: String,
    phone_number: String,
    date_of_birth: Option<String>,
    bio: String,
    profile_picture: Option<String>,
    quartier: Option<i64>,
    #[schemars(extend("enum" = ["user", "ambassador", "admin"]))]
    role: &'static str,
    is_verified: bool,
    is_geographically_verified: bool,
    email_verified: bool,
    location_info: String,
    is_ambassador: bool,
    is_admin: bool,
    followers_count: u32,
    following_count: u32,
    is_following: bool,
    can_follow: bool,
    date_joined: String,
    last_login: Option<String>,
    is_active: bool,
}

/// A member, for others: nothing by which to reach or to trace him.
#[derive(Debug, Serialize, JsonSchema)]
pub struct AuthorBody {
    id: Option<i64>,
    username: String,
    first_name: String,
    last_name: String,
    full_name: String,
    profile_picture: Option<String>,
    quartier: Option<i64>,
    location_info: String,
    #[schemars(extend("enum" = ["user", "ambassador", "admin"]))]
    role: &'static str,
    is_verified: bool,
}

#[derive(Serialize, JsonSchema)]
struct Updated {
    user: UserBody,
    message: &'static str,
}

async fn profile(AuthUser(user): AuthUser, site: Site) -> Json<UserBody> {
    Json(UserBody::new(&user, &site))
}

async fn update(
    State(api): State<Shared>,
    AuthUser(before): AuthUser,
    client: Client,
    site: Site,
    request: Request,
) -> Result<Json<Updated>, Error> {
    let (mut fields, file) = change_of(request, &api, before.id).await?;
    let password = fields.text(CURRENT_PASSWORD, auth::SAME_PASSWORD.if_present());
    let mut change = ProfileChange {
        first_name: fields.text("first_name", NAME),
        last_name: fields.text("last_name", NAME),
        email: email(&mut fields, Text::REQUIRED.if_present()),
        phone_number: phone_number(&mut fields),
        bio: fields.text("bio", BIO),
        date_of_birth: fields.date("date_of_birth"),
        quartier: auth::quartier(&mut fields, &api),
        profile_picture: no_picture(&mut fields),
    };
    fields.finish()?;
    // Where the links to a new password go decides whose account it is: a session alone, which may have
    // been stolen, does not. Clients send the address they were shown along with the rest.
    if change.email.as_ref().is_some_and(|email| *email != before.email) {
        let password = password.ok_or_else(|| Error::field(CURRENT_PASSWORD, NO_PASSWORD))?;
        auth::prove(&api, &client, &before, password, CURRENT_PASSWORD).await?;
    }
    // Held until all is written down.
    let _slot = match file {
        Some((file, slot)) => {
            let refused = |failure: Failure| failure.of_field(PICTURE);
            let name = uploads::put_portrait(&api, file).await.map_err(refused)?;
            change.profile_picture = Some(Some(name.as_str().to_owned()));
            Some(slot)
        }
        None => None,
    };
    let had = before.profile_picture.as_deref().filter(|_| change.profile_picture.is_some());
    let by = auth::by(Actor::Member(before.id), &client, api.clock.now_ms());
    let user = api.store.update_user(before.id, change, &by).await.map_err(refused)?;
    if let Some(name) = had {
        uploads::discard(&api.store, &api.storage, name).await;
    }
    if user.email != before.email && user.email_verified_ms.is_none() {
        recovery::tell_of_change(&api, &before);
        recovery::ask_to_verify(&api, &user);
    }
    let user = UserBody::new(&user, &site);
    Ok(Json(Updated { user, message: "Profil mis à jour avec succès !" }))
}

async fn geographic_data(State(api): State<Shared>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json")], api.places.clone())
}

/// The body of a profile change: JSON, or the form by which the client sends a picture.
async fn change_of(
    request: Request,
    api: &Shared,
    member: UserId,
) -> Result<(Fields, Option<(File, Slot)>), Error> {
    if content_type(&request).as_deref() != Some(MULTIPART) {
        return Ok((Fields::from_request(request, api).await?, None));
    }
    let wanted = Wanted {
        name: PICTURE,
        kinds: &PICTURES,
        picture_max_bytes: api.config.uploads.profile_picture_max_bytes,
        video_max_bytes: 0,
    };
    api.limits.upload(member, api.clock.now_ms()).await?;
    let form =
        Form::read(request, api, member, &wanted).await.map_err(|failure| match failure {
            Failure::File(Refusal::Kind | Refusal::Broken) => Error::field(PICTURE, NO_PICTURE),
            failure => failure.of_field(PICTURE),
        })?;
    let Form { mut fields, file, slot } = form;
    // A form has no null: a text in the place of the picture says nothing about it.
    fields.leave_out(PICTURE);
    Ok((fields, file.map(|file| (file, slot))))
}

impl UserBody {
    /// Shows a member to himself.
    pub fn new(user: &User, site: &Site) -> Self {
        Self {
            id: user.id.get(),
            username: user.username.clone(),
            email: user.email.clone(),
            first_name: user.first_name.clone(),
            last_name: user.last_name.clone(),
            full_name: full_name(&user.first_name, &user.last_name),
            phone_number: user.phone_number.clone(),
            date_of_birth: user.date_of_birth.map(date_text),
            bio: user.bio.clone(),
            profile_picture: user.profile_picture.as_deref().map(|path| site.media(path)),
            quartier: user.quartier.as_ref().map(|quartier| quartier.id.get()),
            role: user.role.as_str(),
            is_verified: user.is_verified,
            is_geographically_verified: user.is_geographically_verified,
            email_verified: user.email_verified_ms.is_some(),
            location_info: location(user.quartier.as_deref()),
            is_ambassador: user.role == Role::Ambassador,
            is_admin: user.role == Role::Admin,
            followers_count: 0,
            following_count: 0,
            is_following: false,
            can_follow: false,
            date_joined: moment(user.joined_ms),
            last_login: user.last_login_ms.map(moment),
            is_active: user.is_active,
        }
    }
}

impl AuthorBody {
    /// Shows the author of something to `reader`. An anonymous author is shown to himself only:
    /// the client looks for his id to offer the edit menu, and reads the object unguarded, so
    /// others are given one that names nobody.
    pub fn new(author: &Author, is_anonymous: bool, reader: Option<UserId>, site: &Site) -> Self {
        if is_anonymous && reader != Some(author.id) {
            return Self::nobody();
        }
        Self {
            id: Some(author.id.get()),
            username: author.username.clone(),
            first_name: author.first_name.clone(),
            last_name: author.last_name.clone(),
            full_name: full_name(&author.first_name, &author.last_name),
            profile_picture: author.profile_picture.as_deref().map(|path| site.media(path)),
            quartier: author.quartier.as_ref().map(|quartier| quartier.id.get()),
            location_info: location(author.quartier.as_deref()),
            role: author.role.as_str(),
            is_verified: author.is_verified,
        }
    }

    fn nobody() -> Self {
        Self {
            id: None,
            username: String::new(),
            first_name: String::new(),
            last_name: String::new(),
            full_name: String::new(),
            profile_picture: None,
            quartier: None,
            location_info: NO_PLACE.to_owned(),
            role: Role::User.as_str(),
            is_verified: false,
        }
    }
}

/// An account that cannot be, in the words of its field.
pub fn refused(error: store::Error) -> Error {
    match error {
        store::Error::Taken { field: Field::Username } => {
            Error::field("username", "Un utilisateur avec ce nom existe déjà.")
        }
        store::Error::Taken { field: Field::Email } => {
            Error::field("email", "Un objet Utilisateur avec ce champ email existe déjà.")
        }
        store::Error::UnknownUser => Error::MemberGone,
        other => other.into(),
    }
}

/// The `email` field.
pub fn email(fields: &mut Fields, rule: Text) -> Option<String> {
    fields.text_that("email", rule, is_email, "Saisissez une adresse e-mail valide.")
}

/// The `phone_number` field.
pub fn phone_number(fields: &mut Fields) -> Option<String> {
    fields.text_that(
        "phone_number",
        Text::OPTIONAL,
        is_phone_number,
        "Le numéro de téléphone doit être au format: '+999999999'. Jusqu'à 15 chiffres autorisés.",
    )
}

/// Whether a text has the form of a mailbox (RFC 5321 §4.1.2, without quoted names and address
/// literals).
pub fn is_email(text: &str) -> bool {
    const MAX_LEN: usize = 254;
    const LOCAL_MAX_LEN: usize = 64;
    const LABEL_MAX_LEN: usize = 63;
    let is_atom = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_MAX_LEN
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    let Some((local, domain)) = text.rsplit_once('@') else { return false };
    text.len() <= MAX_LEN
        && local.len() <= LOCAL_MAX_LEN
        && local.split('.').all(is_atom)
        && domain.contains('.')
        && domain.split('.').all(is_label)
}

/// The same in JSON Schema.
pub fn phone_number_schema() -> Value {
    json!({"pattern": r"^(\+?1?[0-9]{9,15})?$"})
}

/// `+999999999`: an optional plus, an optional country code 1, then 9 to 15 digits.
fn is_phone_number(text: &str) -> bool {
    let digits = text.strip_prefix('+').unwrap_or(text);
    let has_length =
        (9..=15).contains(&digits.len()) || (digits.len() == 16 && digits.starts_with('1'));
    has_length && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The `profile_picture` field of a JSON body: null takes the picture away, which is all it can do.
fn no_picture(fields: &mut Fields) -> Option<Option<String>> {
    match fields.raw(PICTURE)? {
        Value::Null => Some(None),
        _ => fields.refuse(PICTURE, NO_PICTURE),
    }
}

fn full_name(first: &str, last: &str) -> String {
    format!("{first} {last}").trim().to_owned()
}

fn location(quartier: Option<&Quartier>) -> String {
    quartier.map_or_else(|| NO_PLACE.to_owned(), Quartier::location)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_addresses_are_addresses() {
        for text in ["a@b.gn", "fatou.diallo+live@exemple.com", "x_y@sub-domain.example.org"] {
            assert!(is_email(text), "{text}");
        }
    }

    #[test]
    fn what_no_mail_could_reach_is_no_address() {
        let long = format!("{}@example.org", "a".repeat(65));
        for text in [
            "", "a", "a@", "@b.gn", "a@b", "a b@c.gn", "a@b..gn", ".a@b.gn", "a@-b.gn", "a@b.gn\n",
            "a@@b.gn", &long,
        ] {
            assert!(!is_email(text), "{text}");
        }
    }

    #[test]
    fn the_numbers_of_the_client_scripts_are_numbers() {
        for text in ["+224123456789", "620635764", "+11234567890123456"[..16].as_ref()] {
            assert!(is_phone_number(text), "{text}");
        }
        for text in ["12345678", "+", "+22412345678901234", "6206 35764", "٦٢٠٦٣٥٧٦٤"] {
            assert!(!is_phone_number(text), "{text}");
        }
    }
}
