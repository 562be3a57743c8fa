//! Lives: asked for, looked at, ended.
//!
//! Here: what a broadcaster and a viewer ask about a live. Not here: posts (`posts`), anything that
//! plays.

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::{StatusCode, request::Parts};
use media::id::{LiveId, PlaybackName, StreamKey};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;
use store::{
    Approval, Audience, Author, LiveRow, LiveState, Media, MediaType, NewLive, Post, PostId,
    QuartierId, User,
};

use crate::{
    address::Client,
    attachments::duration,
    audience::{Circle, Playlists, Visit},
    auth::AuthUser,
    control::Incoming,
    error::Error,
    json::{Fields, PathId, Text, moment, no_choice, path_param},
    openapi::{Body, Routes, anyone, get, member, owner, post, put},
    posts::{LONG_TEXT, TITLE},
    random::{NoRandomness, random_bytes},
    router::{Api, Shared},
    site::Site,
    users::AuthorBody,
};

/// The route every viewer's page asks, as [`router`] has it.
pub const WATCH_ROUTE: &str = "/api/lives/{playback_name}";
/// Lives whose answer is kept for a moment, of some hundred bytes each.
pub const WATCHED_MAX: usize = 1000;

/// There is no such live.
pub const NO_LIVE: Error = Error::Missing("Live non trouvé");
const NOT_STARTED: &str = "Erreur lors du démarrage du live. Veuillez réessayer.";
/// For whom a live may be, of whom it is not known who he is.
pub const SIGN_IN: &str =
    "Connectez-vous pour regarder ce direct : il est réservé au quartier de son auteur.";
/// For whom a live is not.
pub const NOT_YOURS: &str = "Ce direct est réservé aux membres du quartier de son auteur.";
const NO_QUARTIER: &str = "Vous devez être assigné à un quartier pour démarrer un live";

/// The routes of lives.
pub fn router() -> Routes {
    let wanted = Body::default()
        .text("title", TITLE, "Marché de Madina")
        .text("description", LONG_TEXT, "En direct du marché")
        .text("content", LONG_TEXT, "Live démarré !")
        .choice("audience", &[Audience::Public, Audience::Quartier].map(Audience::as_str), "public")
        .flag("downloads_allowed", false);
    let video = json!({"type": ["object", "null"], "description": "n'est pas regardé"});
    Routes::about("Lives")
        .route(
            "/api/posts/live/start",
            post(
                start,
                member("Démarrer un live ; la clé de publication n'est montrée qu'ici")
                    .takes(wanted)
                    .created::<Started>()
                    .or(409),
            ),
        )
        .route(
            "/api/posts/live/{id}/stop",
            put(
                stop,
                owner("L'arrêter")
                    .takes(Body::default().field("video_data", video, json!(null)))
                    .ok::<Stopped>(),
            ),
        )
        .route(
            "/api/posts/live/{id}/status",
            get(status, owner("Où il en est, et ce que l'encodeur envoie").ok::<Status>()),
        )
        .route(
            "/api/lives/{playback_name}",
            get(watch, anyone("Ce que montre la page d'un live").or_member().ok::<Watched>()),
        )
}

/// A live as its viewers may know it, whatever the host they asked.
pub struct Public {
    live: LiveRow,
    author: Author,
    quartier: QuartierId,
    is_anonymous: bool,
    /// Of one that is over, where there is one.
    recording: Option<Media>,
}

/// A live that was started. The only answer that ever holds the stream key.
#[derive(Serialize, JsonSchema)]
struct Started {
    live_id: i64,
    stream_key: String,
    post_id: i64,
    rtmp_url: String,
    hls_url: String,
    message: &'static str,
    id: i64,
    playback_name: String,
    rtmp_server: String,
    hls_ts_url: String,
    watch_url: String,
    title: String,
    description: String,
    #[schemars(extend("enum" = ["public", "quartier"]))]
    audience: &'static str,
    downloads_allowed: bool,
}

#[derive(Serialize, JsonSchema)]
struct Stopped {
    message: &'static str,
    video_saved: bool,
    video_id: Option<i64>,
}

/// A live, for its broadcaster.
#[derive(Serialize, JsonSchema)]
struct Status {
    #[schemars(extend("enum" = ["created", "live", "interrupted", "ended"]))]
    status: &'static str,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    hls_url: String,
    watch_url: String,
    playback_name: String,
    title: String,
    #[schemars(extend("enum" = ["public", "quartier"]))]
    audience: &'static str,
    /// Whether others may have its recording as a file.
    downloads_allowed: bool,
    viewers_count: Option<usize>,
    incoming: Option<Incoming>,
}

/// A live, for its viewers, who need no account where it is for everybody.
#[derive(Serialize, JsonSchema)]
struct Watched {
    /// Of the live, and of its post.
    id: i64,
    playback_name: String,
    title: String,
    description: String,
    #[schemars(extend("enum" = ["created", "live", "interrupted", "ended"]))]
    status: &'static str,
    created_at: String,
    started_at: Option<String>,
    ended_at: Option<String>,
    author: AuthorBody,
    #[schemars(extend("enum" = ["public", "quartier"]))]
    audience: &'static str,
    /// Whether members may have its recording as a file.
    downloads_allowed: bool,
    viewers_count: Option<usize>,
    hls_url: String,
    hls_ts_url: String,
    /// What it looks like now; null before there is a picture, and once it is over.
    thumbnail_url: Option<String>,
    /// Of a live that is on, where viewers may go back in it.
    rewind: Option<RewindBody>,
    /// Of a live that is over, while it is kept: `hls_url` plays it then.
    recording: Option<RecordingBody>,
}

/// What viewers of a live may go back to.
#[derive(Serialize, JsonSchema)]
struct RewindBody {
    /// Plays it; with `from`, a date in Unix milliseconds, from there on.
    hls_url: String,
    /// Its oldest moment.
    from: String,
}

/// The recording of a live, for those who may watch it.
#[derive(Serialize, JsonSchema)]
struct RecordingBody {
    hls_url: String,
    duration: Option<String>,
    /// Bytes of all of it.
    file_size: i64,
    thumbnail_url: Option<String>,
}

async fn start(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    fields: Fields,
) -> Result<(StatusCode, Json<Started>), Error> {
    let wanted = Wanted::read(fields)?;
    let now_ms = api.clock.now_ms();
    if user.quartier.is_none() {
        return Err(Error::Invalid(NO_QUARTIER));
    }
    api.limits.live_start(user.id, now_ms).await?;
    let random = |fault: NoRandomness| Error::fault(NOT_STARTED, fault);
    let key = StreamKey::from_random(user.id, random_bytes().map_err(random)?);
    let new = NewLive {
        author: user.id,
        title: wanted.title,
        description: wanted.description,
        content: wanted.content,
        audience: wanted.audience,
        downloads_allowed: wanted.downloads_allowed,
        key_hash: key.hash(),
        playback_name: PlaybackName::from_random(random_bytes().map_err(random)?),
        now_ms,
    };
    let live = api.store.create_live(new).await.map_err(not_started)?;
    api.control.created(&live);
    tracing::info!(live.id = live.id.get(), user.id = user.id.get(), "a live was asked for");
    let visit = Visit { api: &api, client, site: &site };
    Ok((StatusCode::CREATED, Json(Started::new(live, &key, &visit))))
}

/// Ends a live. `video_data`, which the existing client sends, names a file of its own browser and
/// is not looked at.
async fn stop(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    _fields: Fields,
) -> Result<Json<Stopped>, Error> {
    let live = api.store.live(LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    if live.author != user.id {
        return Err(Error::Forbidden("Vous ne pouvez arrêter que vos propres lives"));
    }
    if !end(&api, live.id, &live.playback_name).await? {
        return Err(NO_LIVE);
    }
    tracing::info!(live.id = live.id.get(), user.id = user.id.get(), "a live was stopped");
    api.control.recorded(&live.playback_name).await;
    let post = PostId::new(live.id.get());
    let shown = api.store.media_of_posts(&[post]).await?;
    let recording = shown.values().flatten().find(|shown| shown.is_recording);
    let video_id = recording.map(|recording| recording.media.id.get());
    Ok(Json(Stopped { message: "Live arrêté", video_saved: video_id.is_some(), video_id }))
}

/// Ends a live, its record and its publisher; says whether it had not ended before.
///
/// # Errors
///
/// Those of the database; nothing is ended then.
pub async fn end(api: &Api, id: LiveId, name: &PlaybackName) -> Result<bool, Error> {
    const UNFINISHED: [LiveState; 3] =
        [LiveState::Created, LiveState::Live, LiveState::Interrupted];
    let now_ms = api.clock.now_ms();
    let ended = api.store.set_live_state(id, &UNFINISHED, LiveState::Ended, now_ms).await?;
    // Even if it had ended: a request cut short may have ended the record and not the publisher.
    api.watched.forget(name);
    api.control.end(id, name);
    Ok(ended)
}

async fn status(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<Status>, Error> {
    let live = api.store.live(LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    if live.author != user.id {
        return Err(Error::Forbidden("Vous ne pouvez consulter que vos propres lives"));
    }
    let incoming = match live.state {
        LiveState::Ended => None,
        _ => api.control.status(&live.playback_name),
    };
    let viewers = api.control.viewers(&live.playback_name);
    let visit = Visit { api: &api, client, site: &site };
    Ok(Json(Status::new(live, incoming, viewers, &visit)))
}

async fn watch(
    State(api): State<Shared>,
    client: Client,
    site: Site,
    Name(name): Name,
    mut asked: Parts,
) -> Result<Json<Watched>, Error> {
    // Its own changes are told by `forget`: what is written meanwhile about anything else is no reason
    // for all its viewers to ask the database.
    let read = async || public(&api, &client, &name).await;
    let found = api.watched.get(&name, &api.clock, || 0, read);
    let public = found.await?.ok_or(Error::NotFound)?;
    if public.live.audience != Audience::Public {
        // Who sends a session for a live that takes none is not asked for a good one.
        let reader = match AuthUser::from_request_parts(&mut asked, &api).await {
            Ok(AuthUser(reader)) => reader,
            Err(Error::NoSession) => return Err(Error::Forbidden(SIGN_IN)),
            Err(error) => return Err(error),
        };
        if !public.admits(&reader) {
            return Err(Error::Forbidden(NOT_YOURS));
        }
    }
    let visit = Visit { api: &api, client, site: &site };
    Ok(Json(Watched::new(&public, api.control.viewers(&name), &visit)))
}

/// Reads a live from the database. Whoever makes it look for a name that nobody has pays as for
/// any other request; viewers of a live do not.
async fn public(api: &Api, client: &Client, name: &PlaybackName) -> Result<Option<Public>, Error> {
    api.limits.request(client, api.clock.now_ms())?;
    let Some(live) = api.store.live_by_playback_name(name.as_str()).await? else {
        return Ok(None);
    };
    let Some(post) = api.store.post(live.id).await? else { return Ok(None) };
    api.limits.forgive_request(client);
    let quartier = post.quartier.id;
    let recording = match live.state {
        LiveState::Ended => {
            let shown = api.store.media_of_posts(&[post.id]).await?;
            let mut shown = shown.into_values().flatten().map(|shown| shown.media);
            shown.find(|it| it.media_type == MediaType::Live && it.approval == Approval::Approved)
        }
        _ => None,
    };
    let Post { author, is_anonymous, .. } = post;
    Ok(Some(Public { live, author, quartier, is_anonymous, recording }))
}

impl Public {
    fn admits(&self, reader: &User) -> bool {
        let Self { live, quartier, .. } = self;
        let (audience, author, quartier) = (live.audience, live.author, *quartier);
        Circle { audience, author, quartier }.admits(reader)
    }
}

/// The playback name of the path. One that cannot be is unknown, and the database is not asked.
struct Name(PlaybackName);

impl FromRequestParts<Shared> for Name {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let text = path_param(parts, api, "playback_name").await?;
        text.parse().map(Self).map_err(|_| Error::NotFound)
    }
}

/// What a broadcaster says about the live to be started.
struct Wanted {
    title: String,
    description: String,
    content: String,
    audience: Audience,
    downloads_allowed: bool,
}

impl Wanted {
    fn read(mut fields: Fields) -> Result<Self, Error> {
        let title = fields.text("title", TITLE);
        let description = fields.text("description", LONG_TEXT);
        let content = fields.text("content", LONG_TEXT);
        let audience = fields.text("audience", Text::OPTIONAL);
        let audience = audience.map(|text| match Audience::parse(&text) {
            Some(audience) => audience,
            None => {
                fields.refuse::<()>("audience", no_choice(&text));
                Audience::default()
            }
        });
        let downloads_allowed = fields.flag("downloads_allowed");
        fields.finish()?;
        let or = |text: Option<String>, default: &str| {
            text.filter(|text| !text.is_empty()).unwrap_or_else(|| default.to_owned())
        };
        Ok(Self {
            title: or(title, "Live streaming"),
            description: description.unwrap_or_default(),
            content: or(content, "Live en cours"),
            audience: audience.unwrap_or_default(),
            downloads_allowed: downloads_allowed.unwrap_or_default(),
        })
    }
}

impl Started {
    fn new(live: LiveRow, key: &StreamKey, visit: &Visit<'_>) -> Self {
        let (name, site) = (&live.playback_name, visit.site);
        let Playlists { hls_url, hls_ts_url, .. } = visit.playlists(name, live.audience);
        Self {
            live_id: live.id.get(),
            stream_key: key.reveal().to_owned(),
            post_id: live.id.get(),
            rtmp_url: site.rtmp_url(key),
            hls_url,
            message: "Live démarré avec succès",
            id: live.id.get(),
            playback_name: name.to_string(),
            rtmp_server: site.rtmp_server().to_owned(),
            hls_ts_url,
            watch_url: site.watch(name),
            audience: live.audience.as_str(),
            downloads_allowed: live.downloads_allowed,
            title: live.title,
            description: live.description,
        }
    }
}

impl Status {
    fn new(
        live: LiveRow,
        incoming: Option<Incoming>,
        viewers_count: Option<usize>,
        visit: &Visit<'_>,
    ) -> Self {
        Self {
            status: live.state.as_str(),
            created_at: moment(live.created_ms),
            started_at: live.started_ms.map(moment),
            ended_at: live.ended_ms.map(moment),
            hls_url: visit.playlists(&live.playback_name, live.audience).hls_url,
            watch_url: visit.site.watch(&live.playback_name),
            audience: live.audience.as_str(),
            downloads_allowed: live.downloads_allowed,
            playback_name: live.playback_name.to_string(),
            title: live.title,
            viewers_count,
            incoming,
        }
    }
}

impl Watched {
    fn new(public: &Public, viewers_count: Option<usize>, visit: &Visit<'_>) -> Self {
        let Public { live, author, is_anonymous, recording, .. } = public;
        let Playlists { hls_url, hls_ts_url, thumbnail_url } =
            visit.playlists(&live.playback_name, live.audience);
        let recording = recording.as_ref().map(|media| {
            let at = visit.recording(&live.playback_name, live.audience);
            RecordingBody {
                hls_url: at.playlist_url,
                duration: media.duration_ms.map(duration),
                file_size: media.size_bytes,
                thumbnail_url: media.thumbnail.as_ref().map(|_| at.poster_url),
            }
        });
        let is_on = live.ended_ms.is_none();
        let from = live
            .started_ms
            .filter(|_| is_on)
            .and_then(|started_ms| visit.api.control.rewind_from(&live.playback_name, started_ms));
        let rewind = from.map(|from_ms| RewindBody {
            hls_url: visit.rewind(&live.playback_name, live.audience),
            from: moment(from_ms),
        });
        Self {
            id: live.id.get(),
            playback_name: live.playback_name.to_string(),
            status: live.state.as_str(),
            created_at: moment(live.created_ms),
            started_at: live.started_ms.map(moment),
            ended_at: live.ended_ms.map(moment),
            author: AuthorBody::new(author, *is_anonymous, None, visit.site),
            audience: live.audience.as_str(),
            downloads_allowed: live.downloads_allowed,
            viewers_count,
            hls_url,
            hls_ts_url,
            thumbnail_url,
            rewind,
            recording,
            title: live.title.clone(),
            description: live.description.clone(),
        }
    }
}

fn not_started(error: store::Error) -> Error {
    match error {
        store::Error::AlreadyLive { id } => Error::AlreadyLive(id),
        store::Error::NoQuartier => Error::Invalid(NO_QUARTIER),
        store::Error::UnknownUser => Error::MemberGone,
        store::Error::Unavailable(_) => error.into(),
        fault => Error::fault(NOT_STARTED, fault),
    }
}
