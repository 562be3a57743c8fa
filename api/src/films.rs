//! Recordings of lives as files: downloads and clips.
//!
//! Here: who may have one, what it is called, what becomes of a clip. Not here: their bytes (the server has them,
//! asked through [`LiveControl`](crate::LiveControl)), where they are fetched (`delivery`).

use axum::{Json, extract::State};
use futures_util::StreamExt as _;
use http::StatusCode;
use media::id::LiveId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{Audience, LiveRow, MediaId, NewPost, PostId, PostType, Role, User};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    address::Client,
    attachments,
    audience::{Circle, Visit},
    auth::AuthUser,
    control::{Clip, Moment, NoFilm},
    error::Error,
    form::{self, Failure, Refusal},
    json::{Fields, PathId, REQUIRED, moment},
    lives::{NO_LIVE, NOT_YOURS},
    openapi::{Body, Routes, member, owner, post, put},
    posts::{self, LONG_TEXT, PostBody, TITLE},
    router::{Api, Shared},
    site::Site,
    uploads::{self, File, Said},
};

/// The route of clips, which take longer than other requests.
pub const CLIP_ROUTE: &str = "/api/posts/live/{id}/clip";

const NO_RECORDING: Error = Error::Missing("Ce direct n'a pas d'enregistrement, ou pas encore");
const NOT_ALLOWED: Error =
    Error::Forbidden("L'auteur de ce direct ne permet pas de télécharger son enregistrement.");
const NOT_YOURS_TO_CHANGE: Error =
    Error::Forbidden("Vous ne pouvez modifier que vos propres lives");
const NOT_YOURS_TO_CUT: Error =
    Error::Forbidden("Vous ne pouvez prendre un extrait que de vos propres lives");
const FOR_NEIGHBOURS: &str = "Ce direct est réservé à votre quartier, et un extrait serait visible \
                              de tous : téléchargez-le plutôt.";
/// It was judged, and refused.
const UNWANTED: &str = "Cet extrait n'est pas autorisé.";
const NO_TIME: &str =
    "Donnez un nombre de secondes depuis le début, ou une date au format ISO 8601.";
const BACKWARD: &str = "La fin de l'extrait doit venir après son début.";
const NO_KEYFRAME: &str = "L'encodeur de ce direct a envoyé trop peu d'images clés : il n'y en a pas à \
                           moins de 30 secondes de ces moments, et l'extrait serait bien plus long. \
                           Choisissez d'autres moments, ou téléchargez l'enregistrement.";
const NOTHING_THEN: &str = "Rien n'est enregistré à ce moment du direct.";

/// Settings of clips.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Longest clip, in seconds, as it is asked for: from one keyframe to another it may be some seconds longer.
    pub max_s: u64,
    /// Largest clip, in bytes. 500 MB: ten minutes at 6 Mbit/s.
    pub max_bytes: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { max_s: 600, max_bytes: 500 * 1024 * 1024 }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        match (self.max_s, self.max_bytes) {
            (0, _) => Err("clips.max_s: must be at least 1".into()),
            (_, 0) => Err("clips.max_bytes: must be at least 1".into()),
            _ => Ok(()),
        }
    }
}

/// The routes of files made of recordings.
pub fn router() -> Routes {
    let allowed = Body::default().flag("downloads_allowed", true);
    let when = json!({
        "oneOf": [{"type": "number", "minimum": 0}, {"type": "string", "format": "date-time"}],
        "description": "secondes depuis le début de l'enregistrement, ou date",
    });
    let cut = Body::default()
        .must("start", when.clone(), json!(12.5))
        .must("end", when, json!(42))
        .text("title", TITLE, "Le but de la victoire")
        .text("content", LONG_TEXT, "À revoir !");
    Routes::about("Lives")
        .route(
            "/api/posts/live/{id}/downloads",
            put(
                allow,
                owner("Permettre aux autres de télécharger l'enregistrement, ou ne plus le permettre")
                    .takes(allowed)
                    .ok::<Allowed>(),
            ),
        )
        .route(
            "/api/posts/live/{id}/download",
            post(
                download,
                member("Une adresse, valable peu de temps, où prendre l'enregistrement en un fichier MP4")
                    .created::<Download>()
                    .or(403),
            ),
        )
        .route(
            CLIP_ROUTE,
            post(
                clip,
                owner("Publier un extrait de l'enregistrement, coupé aux images clés")
                    .takes(cut)
                    .created::<PostBody>(),
            ),
        )
}

#[derive(Serialize, JsonSchema)]
struct Allowed {
    downloads_allowed: bool,
}

/// Where a recording is had as a file.
#[derive(Serialize, JsonSchema)]
struct Download {
    /// Good for who has it, until `expires_at`.
    url: String,
    file_name: String,
    expires_at: String,
}

async fn allow(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<Json<Allowed>, Error> {
    let id = LiveId::new(id);
    let live = api.store.live(id).await?.ok_or(NO_LIVE)?;
    if live.author != user.id {
        return Err(NOT_YOURS_TO_CHANGE);
    }
    let is_given = fields.raw("downloads_allowed").is_some();
    let allowed = fields.flag("downloads_allowed");
    if !is_given {
        fields.refuse::<()>("downloads_allowed", REQUIRED);
    }
    fields.finish()?;
    let downloads_allowed = allowed.unwrap_or_default();
    if !api.store.allow_downloads(id, downloads_allowed).await? {
        return Err(NO_LIVE);
    }
    api.watched.forget(&live.playback_name);
    Ok(Json(Allowed { downloads_allowed }))
}

async fn download(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<(StatusCode, Json<Download>), Error> {
    let live = api.store.live(LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    may_download(&api, &live, &user).await?;
    let file_name = file_name(&live);
    let given = api.control.download(&live.playback_name, &file_name, client.address);
    let (path, expires_s) = given.ok_or(NO_RECORDING)?;
    let expires_ms = i64::try_from(expires_s).unwrap_or(i64::MAX).saturating_mul(1000);
    let (url, expires_at) = (site.at(&path), moment(expires_ms));
    Ok((StatusCode::CREATED, Json(Download { url, file_name, expires_at })))
}

/// Its author and those who run the place always; others who may watch, where its author allows it.
async fn may_download(api: &Api, live: &LiveRow, user: &User) -> Result<(), Error> {
    if user.id == live.author || user.role == Role::Admin {
        return Ok(());
    }
    let post = api.store.post(PostId::new(live.id.get())).await?.ok_or(NO_LIVE)?;
    let (audience, author, quartier) = (live.audience, live.author, post.quartier.id);
    if !(Circle { audience, author, quartier }).admits(user) {
        return Err(Error::Forbidden(NOT_YOURS));
    }
    if live.downloads_allowed { Ok(()) } else { Err(NOT_ALLOWED) }
}

/// The title and the day of a live in letters that every system takes: `marche-de-madina-2026-07-23.mp4`.
fn file_name(live: &LiveRow) -> String {
    const TITLE_MAX: usize = 56;
    let folded = store::fold(&live.title);
    let is_plain = |c: char| c.is_ascii_alphanumeric();
    let mut title = String::new();
    for word in folded.split(|c| !is_plain(c)).filter(|word| !word.is_empty()) {
        if title.len() + 1 + word.len() > TITLE_MAX {
            break;
        }
        title.extend((!title.is_empty()).then_some("-").into_iter().chain([word]));
    }
    let title = if title.is_empty() { "direct" } else { &title };
    let at = moment(live.started_ms.unwrap_or(live.created_ms));
    format!("{title}-{}.mp4", at.get(..10).unwrap_or("video"))
}

async fn clip(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
    fields: Fields,
) -> Result<(StatusCode, Json<PostBody>), Error> {
    let live = api.store.live(LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    if live.author != user.id {
        return Err(NOT_YOURS_TO_CUT);
    }
    let wanted = Wanted::read(fields, &live, api.config.clips.max_s)?;
    if user.quartier.is_none() {
        return Err(Error::field("non_field_errors", posts::NO_QUARTIER));
    }
    if live.audience != Audience::Public {
        return Err(Error::field("non_field_errors", FOR_NEIGHBOURS));
    }
    let now_ms = api.clock.now_ms();
    api.limits.upload(user.id, now_ms).await?;
    api.limits.writing(user.id, now_ms).await?;
    let slot = api.slots.enter(user.id)?;
    let cut = api.control.clip(&live.playback_name, wanted.start..wanted.end).await;
    let cut = cut.map_err(|none| match none {
        NoFilm::Unknown => NO_RECORDING,
        NoFilm::Nothing => Error::field("start", NOTHING_THEN),
        NoFilm::NoKeyframe => Error::field("non_field_errors", NO_KEYFRAME),
        NoFilm::Busy => Error::Busy,
        NoFilm::Failed => Error::fault(uploads::NOT_STORED, "the recording cannot be read"),
    })?;
    let of_clip = |failure: Failure| failure.of_field("non_field_errors");
    let file = receive(&api, &user, cut).await.map_err(of_clip)?;
    // A clip may be longer than it was asked for by what is between keyframes: half of it at either end.
    const BETWEEN_KEYFRAMES_S: u64 = 60;
    let longest_s = api.config.clips.max_s.saturating_add(BETWEEN_KEYFRAMES_S);
    let said = Said { title: wanted.title.clone(), description: String::new() };
    let new = uploads::put_media(&api, user.id, file, longest_s, said).await.map_err(of_clip)?;
    let media = api.store.create_media(new).await.map_err(attachments::gone)?;
    api.workshop.wake();
    drop(slot);
    let Wanted { title, content, .. } = wanted;
    // Whoever hides that the live is his hides it of the clip, too.
    let announced = api.store.post(live.id).await?;
    let is_anonymous = announced.is_some_and(|post| post.is_anonymous);
    let post = new_post(&api, &user, (title, content), is_anonymous, media.id).await;
    let post = match post {
        Ok(post) => post,
        Err(error) => {
            // Nobody asked for it alone.
            if api.store.delete_media(media.id, user.id, now_ms).await? {
                for name in [Some(&media.name), media.thumbnail.as_ref()].into_iter().flatten() {
                    uploads::discard(&api.store, &api.storage, name).await;
                }
            }
            return Err(error);
        }
    };
    tracing::info!(live.id = id, post.id = post.get(), user.id = user.id.get(), "a clip was made");
    let visit = Visit { api: &api, client, site: &site };
    Ok((StatusCode::CREATED, Json(posts::shown(post, &user, &visit).await?)))
}

async fn new_post(
    api: &Api,
    user: &User,
    (title, content): (String, String),
    is_anonymous: bool,
    media: MediaId,
) -> Result<PostId, Error> {
    let new = NewPost {
        author: user.id,
        title,
        content,
        post_type: PostType::Info,
        is_anonymous,
        media: vec![media],
        now_ms: api.clock.now_ms(),
    };
    api.store.create_post(new).await.map_err(|error| match error {
        store::Error::UnknownMedia { .. } => Error::field("non_field_errors", UNWANTED),
        error => error.into(),
    })
}

/// Puts a clip down as a file that its author brought.
async fn receive(api: &Shared, user: &User, mut cut: Clip) -> Result<File, Failure> {
    let max_bytes = api.config.clips.max_bytes;
    if cut.len > max_bytes {
        return Err(Refusal::TooLarge(storage::Kind::Mp4, max_bytes).into());
    }
    if !uploads::has_room(api, user.id, cut.len).await? {
        return Err(Refusal::NoRoom(api.config.uploads.member_max_bytes).into());
    }
    let mut incoming = api.storage.receive().await?;
    while let Some(piece) = cut.pieces.next().await {
        let piece = piece.map_err(|fault| Error::fault(uploads::NOT_STORED, fault))?;
        incoming.write(&piece).await.map_err(storage::Error::from)?;
    }
    form::examine(api, incoming.finish().await.map_err(storage::Error::from)?).await
}

/// What a member says about the clip to be made.
struct Wanted {
    start: Moment,
    end: Moment,
    title: String,
    content: String,
}

impl Wanted {
    fn read(mut fields: Fields, live: &LiveRow, max_s: u64) -> Result<Self, Error> {
        let start = when(&mut fields, "start");
        let end = when(&mut fields, "end");
        let title = fields.text("title", TITLE);
        let content = fields.text("content", LONG_TEXT);
        if let (Some(start), Some(end)) = (start, end) {
            let length_ms = match (start, end) {
                (Moment::At(start), Moment::At(end)) => Some(i128::from(end) - i128::from(start)),
                (Moment::Date(start), Moment::Date(end)) => {
                    Some(i128::from(end) - i128::from(start))
                }
                // How far one is from the other the recording knows alone.
                _ => None,
            };
            match length_ms {
                None => fields.refuse::<()>("end", MIXED),
                Some(..=0) => fields.refuse::<()>("end", BACKWARD),
                Some(ms) if ms > i128::from(max_s) * 1000 => {
                    let message = format!("Un extrait ne peut pas dépasser {max_s} secondes.");
                    fields.refuse::<()>("end", message)
                }
                Some(_) => None,
            };
        }
        fields.finish()?;
        let (Some(start), Some(end)) = (start, end) else {
            return Err(Error::field("start", REQUIRED));
        };
        let or = |text: Option<String>, default: String| {
            text.filter(|it| !it.is_empty()).unwrap_or(default)
        };
        let named: String =
            format!("Extrait du direct - {}", live.title).chars().take(200).collect();
        let content = or(content, "Un extrait de mon direct".into());
        Ok(Self { start, end, title: or(title, named), content })
    }
}

const MIXED: &str = "Donnez le début et la fin de la même façon : en secondes ou par des dates.";

/// A time in a recording: a number of seconds, also as a text, or a date.
fn when(fields: &mut Fields, name: &str) -> Option<Moment> {
    const MAX_S: f64 = 1e9;
    let seconds = |seconds: f64| {
        (0.0..=MAX_S).contains(&seconds).then(|| Moment::At((seconds * 1000.0).round() as u64))
    };
    let found = match fields.raw(name) {
        None => return fields.refuse(name, REQUIRED),
        Some(Value::Number(number)) => number.as_f64().and_then(seconds),
        Some(Value::String(text)) => match text.trim().parse().ok() {
            Some(number) => seconds(number),
            None => OffsetDateTime::parse(text.trim(), &Rfc3339).ok().and_then(|date| {
                let ms = date.unix_timestamp_nanos().div_euclid(1_000_000);
                i64::try_from(ms).ok().map(Moment::Date)
            }),
        },
        Some(_) => None,
    };
    match found {
        Some(found) => Some(found),
        None => fields.refuse(name, NO_TIME),
    }
}

#[cfg(test)]
mod tests {
    use store::LiveState;

    use super::*;

    fn live(title: &str) -> LiveRow {
        LiveRow {
            id: LiveId::new(1),
            author: media::id::UserId::new(1),
            title: title.into(),
            description: String::new(),
            playback_name: "ab".parse().unwrap(),
            audience: Audience::Public,
            downloads_allowed: false,
            state: LiveState::Ended,
            created_ms: 1_753_268_700_000,
            started_ms: None,
            interrupted_ms: None,
            ended_ms: Some(1_753_268_700_000),
        }
    }

    #[test]
    fn a_file_is_called_like_its_live_in_plain_letters() {
        let called = |title: &str| file_name(&live(title));
        assert_eq!(called("Marché de Madina, l’été"), "marche-de-madina-l-ete-2025-07-23.mp4");
        assert_eq!(called("../../etc/passwd\"\r\n.exe"), "etc-passwd-exe-2025-07-23.mp4");
        assert_eq!(called("直播"), "direct-2025-07-23.mp4");
        assert_eq!(called(&"très ".repeat(40)).len(), 54 + "-2025-07-23.mp4".len());
    }

    fn wanted(body: Value) -> Result<(Moment, Moment), Error> {
        let fields = Fields::from(body.as_object().unwrap().clone());
        Wanted::read(fields, &live("Fête"), 600).map(|it| (it.start, it.end))
    }

    #[test]
    fn a_clip_is_between_two_times_or_two_dates() {
        let at = |body| wanted(body).ok();
        assert_eq!(
            at(json!({"start": 1.5, "end": "9"})),
            Some((Moment::At(1_500), Moment::At(9_000)))
        );
        let dates = json!({"start": "2025-07-23T11:05:00Z", "end": "2025-07-23T13:05:01+02:00"});
        let (start, end) = (1_753_268_700_000, 1_753_268_701_000);
        assert_eq!(at(dates), Some((Moment::Date(start), Moment::Date(end))));
    }

    #[test]
    fn what_is_wrong_with_a_time_is_said_of_its_field() {
        let refused = |body: Value, field: &str, why: &str| match wanted(body.clone()) {
            Err(Error::Fields(fields)) => {
                let said = format!("{fields:?}");
                assert!(said.contains(field) && said.contains(why), "{body}: {said}");
            }
            _ => panic!("{body} is taken"),
        };
        refused(json!({"end": 4}), "start", REQUIRED);
        refused(json!({"start": 1}), "end", REQUIRED);
        for odd in [json!(-1), json!("hier"), json!(null), json!([1]), json!("NaN"), json!(1e300)] {
            refused(json!({"start": odd, "end": 4}), "start", NO_TIME);
        }
        refused(json!({"start": 4, "end": 4}), "end", BACKWARD);
        refused(json!({"start": 0, "end": 601}), "end", "600 secondes");
        refused(json!({"start": 0, "end": "2025-07-23T11:05:00Z"}), "end", MIXED);
    }
}
