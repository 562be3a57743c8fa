//! Media: what members bring for their posts, and the recordings of their lives.
//!
//! Here: the shape of media, and what a member does with his own. Not here: how files come (`form`)
//! and are kept (`uploads`), which post shows them.

use axum::{
    Json,
    extract::{Request, State},
};
use http::StatusCode;
use media::id::LiveId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use storage::ObjectName;
use store::{
    Approval, LiveState, Media, MediaChange, MediaId, MediaType, Role, Showing, User, Work,
};

use crate::{
    address::Client,
    audience::{Circle, Recording, Visit},
    auth::AuthUser,
    error::Error,
    form::{Failure, Form, Refusal, Wanted},
    json::{Fields, PathId, Text, moment},
    openapi::{Body, Routes, get, member, owner, post},
    page::{List, Listed},
    router::{Api, Shared},
    site::Site,
    uploads::{self, ALL, File, RECORDED, Said},
};

/// What a member says about his media.
pub const TITLE: Text = Text::OPTIONAL.at_most(200);
/// Likewise, at length.
pub const DESCRIPTION: Text = Text::OPTIONAL.at_most(5000);

/// How long after the end of a live its recording may come: an upload over a weak link can end late,
/// and a broadcaster may come home first.
const RECORDING_LATE_MS: i64 = 24 * 60 * 60 * 1000;

const NOT_YOURS: &str = "Vous ne pouvez modifier que vos propres médias";
const NOT_YOUR_LIVE: &str = "Vous ne pouvez envoyer la vidéo que de vos propres lives";
const NO_LIVE: Error = Error::Missing("Post live non trouvé");
const NO_VIDEO: Error = Error::Invalid("Fichier vidéo requis");
const NO_SUCH_VIDEO: Error = Error::Invalid("Type de fichier non supporté");
const TOO_LATE: Error = Error::Invalid("Ce live est terminé depuis trop longtemps");
const NO_MORE: Error = Error::Invalid("Ce live a déjà toutes ses vidéos");

/// The routes of media.
pub fn router() -> Routes {
    let said = || {
        Body::default().text("title", TITLE, "Le port au matin").text(
            "description",
            DESCRIPTION,
            "Vu du marché",
        )
    };
    let approvals: Vec<&str> =
        Approval::ALL.map(Approval::as_str).into_iter().chain(["all"]).collect();
    Routes::about("Médias")
        .route(
            "/api/posts/media",
            get(
                list,
                member("Les siens")
                    .by_page()
                    .asks("approval_status", json!({"type": "string", "enum": approvals}))
                    .ok::<Listed<MediaBody>>(),
            ),
        )
        .route(
            "/api/posts/media/upload",
            post(
                upload,
                member("Apporter une image ou une vidéo")
                    .takes_form(said().file("file", true))
                    .created::<MediaBody>(),
            ),
        )
        .route(
            "/api/posts/media/{id}",
            get(read, member("Un média").ok::<MediaBody>())
                .put(update, owner("Changer ce qu'il dit").takes(said()).ok::<MediaBody>())
                .delete(delete, owner("Le supprimer").gone()),
        )
        .route(
            "/api/posts/live/{id}/upload-video",
            post(
                record,
                owner("Apporter l'enregistrement d'un live")
                    .takes_form(Body::default().file("video", true))
                    .created::<Recorded>(),
            ),
        )
}

/// Media, as members are shown it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MediaBody {
    id: i64,
    /// Where it is shown from: by the service that shrinks pictures, where there is one.
    file: String,
    /// Where it is as it was brought.
    file_url: String,
    file_type: &'static str,
    #[schemars(extend("enum" = ["image", "video", "live"]))]
    media_type: &'static str,
    title: String,
    description: String,
    duration: Option<String>,
    file_size: i64,
    width: Option<i64>,
    height: Option<i64>,
    is_appropriate: bool,
    #[schemars(extend("enum" = ["pending", "approved", "rejected", "inappropriate"]))]
    approval_status: &'static str,
    moderation_score: Option<f64>,
    is_live: bool,
    live_viewers_count: u32,
    /// Null for a video of which nobody has made a picture (yet).
    thumbnail_url: Option<String>,
    /// A few colours to show before it is there (BlurHash).
    blur_hash: Option<String>,
    #[schemars(extend("enum" = ["waiting", "running", "done", "failed"]))]
    processing_status: &'static str,
    /// In per cent.
    processing_progress: i64,
    /// For its owner: why it came to nothing, or is not shown.
    status_reason: Option<String>,
    is_approved_for_publication: bool,
    cdn_url: Option<String>,
    cdn_public_id: Option<String>,
    created_at: String,
}

#[derive(Serialize, JsonSchema)]
struct Recorded {
    message: &'static str,
    media_id: i64,
    file_url: String,
}

async fn upload(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    request: Request,
) -> Result<(StatusCode, Json<MediaBody>), Error> {
    const FILE: &str = "file";
    api.limits.upload(user.id, api.clock.now_ms()).await?;
    let wanted = Wanted {
        name: FILE,
        kinds: &ALL,
        picture_max_bytes: api.config.uploads.image_max_bytes,
        video_max_bytes: api.config.uploads.video_max_bytes,
    };
    let of_file = |failure: Failure| failure.of_field(FILE);
    let Form { mut fields, file, slot } =
        Form::read(request, &api, user.id, &wanted).await.map_err(of_file)?;
    let title = fields.text("title", TITLE);
    let description = fields.text("description", DESCRIPTION);
    let file = match file {
        Some(file) => Some(has_room(&api, user.id, file).await.map_err(of_file)?),
        None => fields.refuse(FILE, Refusal::Missing.message()),
    };
    fields.finish()?;
    let Some(file) = file else { return Err(Failure::from(Refusal::Missing).of_field(FILE)) };
    let (title, description) = (title.unwrap_or_default(), description.unwrap_or_default());
    let (longest_s, said) = (api.config.uploads.video_max_s, Said { title, description });
    let new = uploads::put_media(&api, user.id, file, longest_s, said).await.map_err(of_file)?;
    let media = api.store.create_media(new).await.map_err(gone)?;
    api.workshop.wake();
    drop(slot);
    tracing::info!(media.id = media.id.get(), user.id = user.id.get(), "media came in");
    Ok((StatusCode::CREATED, Json(MediaBody::new(&media, &site))))
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    list: List,
) -> Result<Json<Listed<MediaBody>>, Error> {
    let approval = match list.param("approval_status") {
        None => Some(Approval::Approved),
        Some("all") => None,
        Some(_) => list.choice("approval_status", Approval::of)?,
    };
    let page = api.store.media_of(user.id, approval, list.page()?).await?;
    let visit = Visit { api: &api, client, site: &list.site };
    Ok(Json(list.listed(page, |media| MediaBody::of_admitted(media, &visit))?))
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<MediaBody>, Error> {
    let (media, is_named) = seen(&api, &user, id).await?;
    let is_admitted = media.owner == user.id || user.role == Role::Admin;
    let body = match is_admitted {
        true => MediaBody::of_admitted(&media, &Visit { api: &api, client, site: &site }),
        false => MediaBody::new(&media, &site),
    };
    Ok(Json(if is_named { body } else { body.unnamed() }))
}

/// The media of this id, if the member may see it, and whether he may know what its owner says of it.
/// Owner and admins see all; others what is approved and shown by a post that they may see: ids can be
/// counted, and each answer holds the name that admits to the file.
///
/// # Errors
///
/// 404 when he may not, or there is none.
pub async fn seen(api: &Api, user: &User, id: i64) -> Result<(Media, bool), Error> {
    let media = api.store.media(MediaId::new(id)).await?.ok_or(Error::NotFound)?;
    if media.owner == user.id || user.role == Role::Admin {
        return Ok((media, true));
    }
    if !media.is_seen_by(user) {
        return Err(Error::NotFound);
    }
    let admits = |shown: &Showing| {
        let Showing { audience, author, quartier, .. } = *shown;
        Circle { audience, author, quartier }.admits(user)
    };
    let shown = api.store.showings(media.id).await?;
    let mut shown = shown.iter().filter(|shown| admits(shown)).peekable();
    shown.peek().ok_or(Error::NotFound)?;
    let is_named = shown.any(|shown| !shown.is_anonymous);
    Ok((media, is_named))
}

async fn update(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<Json<MediaBody>, Error> {
    let title = fields.text("title", TITLE);
    let description = fields.text("description", DESCRIPTION);
    own(&api, &user, id).await?;
    fields.finish()?;
    let change = MediaChange { title, description };
    let media = api.store.update_media(MediaId::new(id), user.id, change).await?;
    let visit = Visit { api: &api, client, site: &site };
    Ok(Json(MediaBody::of_admitted(&media.ok_or(Error::NotFound)?, &visit)))
}

async fn delete(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    let media = own(&api, &user, id).await?;
    if !api.store.delete_media(media.id, user.id, api.clock.now_ms()).await? {
        return Err(Error::NotFound);
    }
    tracing::info!(media.id = id, user.id = user.id.get(), "media was deleted");
    unrecord(&api, &media);
    for name in [Some(&media.name), media.thumbnail.as_ref()].into_iter().flatten() {
        uploads::discard(&api.store, &api.storage, name).await;
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Has the recording of a live deleted, if this is one: what is served below `/vod/` asks nobody.
pub fn unrecord(api: &Shared, media: &Media) {
    if media.media_type == MediaType::Live
        && let Ok(name) = media.name.parse()
    {
        api.control.unrecord(&name);
    }
}

/// The recording that a browser made of a live, as its owner sends it at the end.
async fn record(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    site: Site,
    PathId(id): PathId,
    request: Request,
) -> Result<(StatusCode, Json<Recorded>), Error> {
    const VIDEO: &str = "video";
    let now_ms = api.clock.now_ms();
    let live = api.store.live(LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    if live.author != user.id {
        return Err(Error::Forbidden(NOT_YOUR_LIVE));
    }
    let is_late = |ended_ms: i64| now_ms.saturating_sub(ended_ms) > RECORDING_LATE_MS;
    if live.state == LiveState::Ended && live.ended_ms.is_some_and(is_late) {
        return Err(TOO_LATE);
    }
    api.limits.upload(user.id, now_ms).await?;
    let wanted = Wanted {
        name: VIDEO,
        kinds: &RECORDED,
        picture_max_bytes: 0,
        video_max_bytes: api.config.uploads.recording_max_bytes,
    };
    let of_video = |failure: Failure| match failure {
        Failure::File(Refusal::Missing) => NO_VIDEO,
        Failure::File(Refusal::Kind) => NO_SUCH_VIDEO,
        failure => failure.of_field(VIDEO),
    };
    let form = Form::read(request, &api, user.id, &wanted).await.map_err(of_video)?;
    let file = has_room(&api, user.id, form.file.ok_or(NO_VIDEO)?).await.map_err(of_video)?;
    let title = format!("Vidéo du live - {}", live.title);
    let title = title.chars().take(200).collect();
    let (longest_s, description) = (api.config.uploads.recording_max_s, String::new());
    let said = Said { title, description };
    let new = uploads::put_media(&api, user.id, file, longest_s, said).await.map_err(of_video)?;
    let media = api.store.create_recording(live.id, new).await.map_err(|error| match error {
        store::Error::TooManyMedia => NO_MORE,
        store::Error::UnknownPost => NO_LIVE,
        store::Error::NoRoom { max_bytes } => of_video(Refusal::no_room(max_bytes).into()),
        error => gone(error),
    })?;
    api.workshop.wake();
    drop(form.slot);
    tracing::info!(live.id = id, media.id = media.id.get(), "the recording of a live came in");
    let body = Recorded {
        message: "Vidéo uploadée avec succès",
        media_id: media.id.get(),
        file_url: site.stored(&media.name),
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// The member's own media of this id.
async fn own(api: &Api, user: &store::User, id: i64) -> Result<Media, Error> {
    let media = api.store.media(MediaId::new(id)).await?;
    match media {
        Some(media) if media.owner == user.id => Ok(media),
        Some(media) if media.approval == Approval::Approved => Err(Error::Forbidden(NOT_YOURS)),
        _ => Err(Error::NotFound),
    }
}

async fn has_room(api: &Api, member: media::id::UserId, file: File) -> Result<File, Failure> {
    if uploads::has_room(api, member, file.content.len).await? {
        Ok(file)
    } else {
        Err(Refusal::NoRoom(api.config.uploads.member_max_bytes).into())
    }
}

/// Why there is no row.
pub fn gone(error: store::Error) -> Error {
    match error {
        store::Error::UnknownUser => Error::MemberGone,
        store::Error::NoRoom { max_bytes } => {
            Failure::from(Refusal::no_room(max_bytes)).of_field("file")
        }
        error => error.into(),
    }
}

/// What a recording is: a playlist of HLS.
const PLAYLIST: &str = "application/vnd.apple.mpegurl";

impl MediaBody {
    /// Without what its owner says of it, which may be a file's name: for others, where a post hides
    /// who wrote it.
    pub fn unnamed(self) -> Self {
        Self { title: String::new(), description: String::new(), ..self }
    }

    /// The same, shown from where one reader watches it.
    pub fn watched_at(self, at: Recording) -> Self {
        let Recording { playlist_url, poster_url } = at;
        let thumbnail_url = self.thumbnail_url.map(|_| poster_url);
        Self { file: playlist_url.clone(), file_url: playlist_url, thumbnail_url, ..self }
    }

    /// Shows media to its owner or to an admin, whom every live admits: recordings with a ticket of his where
    /// one is asked for.
    pub fn of_admitted(media: &Media, visit: &Visit<'_>) -> Self {
        let body = Self::new(media, visit.site);
        match media.name.parse() {
            Ok(name) if media.media_type == MediaType::Live => {
                body.watched_at(visit.recording(&name, media.audience))
            }
            _ => body,
        }
    }

    /// Shows media to whoever may see it.
    pub fn new(media: &Media, site: &Site) -> Self {
        let is_approved = media.approval == Approval::Approved;
        let kind = media.name.parse::<ObjectName>().ok().map(|name| name.kind());
        let is_picture = media.media_type == MediaType::Image;
        let is_recording = media.media_type == MediaType::Live;
        let of_recording = is_recording.then(|| site.vod(&media.name, None));
        Self {
            id: media.id.get(),
            file: of_recording.clone().unwrap_or_else(|| site.media(&media.name)),
            file_url: of_recording.unwrap_or_else(|| site.stored(&media.name)),
            file_type: match kind {
                Some(kind) => kind.mime(),
                None if is_recording => PLAYLIST,
                None => "application/octet-stream",
            },
            media_type: media.media_type.as_str(),
            title: media.title.clone(),
            description: media.description.clone(),
            duration: media.duration_ms.map(duration),
            file_size: media.size_bytes,
            width: media.width,
            height: media.height,
            is_appropriate: media.approval != Approval::Inappropriate,
            approval_status: media.approval.as_str(),
            moderation_score: None,
            // What is media is over.
            is_live: false,
            live_viewers_count: 0,
            thumbnail_url: match &media.thumbnail {
                Some(_) if is_recording => Some(site.vod_poster(&media.name, None)),
                Some(small) => Some(site.thumbnail(small)),
                None => is_picture.then(|| site.thumbnail(&media.name)),
            },
            blur_hash: media.blur_hash.clone(),
            processing_status: media.work.as_str(),
            processing_progress: match media.work {
                Work::Done => 100,
                _ => media.progress_permille / 10,
            },
            status_reason: media.reason.clone(),
            is_approved_for_publication: is_approved,
            cdn_url: if is_picture { site.shrunk(&media.name) } else { None },
            cdn_public_id: None,
            created_at: moment(media.created_ms),
        }
    }
}

/// `HH:MM:SS`, and microseconds where it is no whole number of seconds.
pub fn duration(ms: i64) -> String {
    let (seconds, rest_ms) = (ms.div_euclid(1000), ms.rem_euclid(1000));
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let whole = format!("{hours:02}:{minutes:02}:{seconds:02}");
    if rest_ms == 0 { whole } else { format!("{whole}.{:06}", rest_ms * 1000) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_written_as_the_clients_read_it() {
        assert_eq!(duration(0), "00:00:00");
        assert_eq!(duration(3_723_000), "01:02:03");
        assert_eq!(duration(61_250), "00:01:01.250000");
        assert_eq!(duration(400_000_000), "111:06:40");
    }
}
