//! Whether others may see what members bring.
//!
//! Here: who is asked first (nobody, an admin, or a service over HTTP), what admins decide, what members
//! report. Not here: where the answer is honoured, which is wherever media is shown (`attachments`,
//! `posts`).

use std::time::Duration;

use axum::{Json, extract::State};
use http::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use storage::ObjectName;
use store::{Actor, Approval, By, Media, MediaId, PostId, Report, Reported, User, Work};

use crate::{
    address::Client,
    admin::Admin,
    attachments::{self, MediaBody},
    audience::Visit,
    auth::{self, AuthUser, Said},
    config::{self, Secret},
    error::Error,
    json::{Fields, PathId, Text, moment},
    openapi::{Body, Routes, admin, get, member, post},
    page::{List, Listed},
    router::Shared,
    site::Site,
    users::AuthorBody,
};

/// Why a member reports something.
const REPORT: Text = Text::OPTIONAL.at_most(1000);
/// Why media is refused: its owner reads it.
const REASON: Text = Text::REQUIRED.at_most(500);

/// More than any answer of a service needs.
const ANSWER_MAX_BYTES: usize = 64 * 1024;
/// Characters of a service's reason that are kept.
const REASON_MAX_CHARS: usize = 500;

const NOT_READY: Error = Error::Over("Ce média n'est pas prêt : il ne peut pas encore être jugé");

/// Settings of moderation.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Whether media waits for an admin where no service has decided. By default members are trusted.
    pub review: bool,
    /// The service that is asked about media before others see it: an `http(s)` address it is POSTed to.
    pub url: Option<String>,
    /// What the service knows this server by: sent as `Authorization: Bearer`.
    pub token: Option<Secret>,
    /// Where the service reads files, such as `https://live.example.org`. By default
    /// `api.public_http_url`; one of them must be set.
    pub files_url: Option<String>,
    /// How long the service may take, in milliseconds. Senders of pictures wait for it.
    pub timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { review: false, url: None, token: None, files_url: None, timeout_ms: 5000 }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let is_web = |url: &String| url.starts_with("https://") || url.starts_with("http://");
        if self.url.as_ref().is_some_and(|url| !is_web(url)) {
            return Err("moderation.url: must be an http(s) address".into());
        }
        if self.files_url.as_ref().is_some_and(|url| !is_web(url)) {
            return Err("moderation.files_url: must be like https://live.example.org".into());
        }
        if !(1..=60_000).contains(&self.timeout_ms) {
            return Err("moderation.timeout_ms: must be between 1 and 60000".into());
        }
        Ok(())
    }
}

/// Who says first whether others may see something.
pub struct Judge {
    service: Option<Service>,
    /// Without a service.
    otherwise: Approval,
}

struct Service {
    client: reqwest::Client,
    url: String,
    token: Option<String>,
    files_url: String,
}

/// What is judged.
pub struct Subject<'a> {
    /// The file that would be shown.
    pub name: &'a ObjectName,
    /// A small picture of it.
    pub thumbnail: Option<&'a ObjectName>,
    /// What its owner says about it.
    pub title: &'a str,
    /// Likewise, at length.
    pub description: &'a str,
}

/// What a service is sent.
#[derive(Serialize)]
struct Question<'a> {
    name: &'a str,
    file_url: String,
    file_type: &'static str,
    thumbnail_url: Option<String>,
    title: &'a str,
    description: &'a str,
}

/// What a service answers.
#[derive(Deserialize)]
struct Answer {
    decision: Decision,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Decision {
    Approve,
    Reject,
    Review,
}

impl Judge {
    /// Who is asked, by these settings.
    ///
    /// # Errors
    ///
    /// The text begins with the name of a setting that cannot be.
    pub fn new(config: &config::Config) -> Result<Self, String> {
        let of = &config.moderation;
        let otherwise = if of.review { Approval::Pending } else { Approval::Approved };
        let Some(url) = of.url.clone() else { return Ok(Self { service: None, otherwise }) };
        let files_url = of.files_url.clone().or_else(|| config.public_http_url.clone());
        let files_url = files_url.ok_or(
            "moderation.files_url: must say where the service reads files, or api.public_http_url",
        )?;
        let timeout = Duration::from_millis(of.timeout_ms);
        let client = reqwest::Client::builder()
            .timeout(timeout)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(|error| format!("moderation.url: {error}"))?;
        let token = of.token.as_ref().map(|token| format!("Bearer {}", token.text()));
        let files_url = files_url.trim_end_matches('/').to_owned();
        Ok(Self { service: Some(Service { client, url, token, files_url }), otherwise })
    }

    /// Whether others may see something, and why not. What a service does not decide in time waits for
    /// an admin.
    pub async fn judge(&self, subject: &Subject<'_>) -> (Approval, Option<String>) {
        let Some(service) = &self.service else { return (self.otherwise, None) };
        let answer = match service.ask(subject).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, object = %subject.name,
                    "the moderation service gives no answer: an admin has to");
                return (Approval::Pending, None);
            }
        };
        let reason = answer.reason.map(|text| text.chars().take(REASON_MAX_CHARS).collect());
        let (approval, reason) = match answer.decision {
            Decision::Approve => (Approval::Approved, None),
            Decision::Reject => (Approval::Rejected, reason),
            Decision::Review => (Approval::Pending, reason),
        };
        tracing::info!(object = %subject.name, moderation.by = "service",
            moderation.decision = approval.as_str(), "media was judged");
        (approval, reason)
    }
}

impl Service {
    async fn ask(&self, subject: &Subject<'_>) -> Result<Answer, String> {
        let url_of = |name: &ObjectName| format!("{}/media/{}", self.files_url, name.as_str());
        let question = Question {
            name: subject.name.as_str(),
            file_url: url_of(subject.name),
            file_type: subject.name.kind().mime(),
            thumbnail_url: subject.thumbnail.map(url_of),
            title: subject.title,
            description: subject.description,
        };
        let body = serde_json::to_vec(&question).map_err(|error| error.to_string())?;
        let mut request = self
            .client
            .post(&self.url)
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(token) = &self.token {
            request = request.header(http::header::AUTHORIZATION, token);
        }
        let mut response = request.send().await.map_err(told)?;
        if response.status() != StatusCode::OK {
            return Err(format!("it answers {}", response.status()));
        }
        let mut answer = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(told)? {
            answer.extend_from_slice(&piece);
            if answer.len() > ANSWER_MAX_BYTES {
                return Err("its answer has no end".into());
            }
        }
        serde_json::from_slice(&answer).map_err(|error| format!("its answer is none: {error}"))
    }
}

/// An error without the address, which may hold a secret, and with what caused it.
fn told(error: reqwest::Error) -> String {
    let error = error.without_url();
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

/// The routes of moderation.
pub fn router() -> Routes {
    let report = |what| {
        let reason = Body::default().text("reason", REPORT, "Ce n'est pas vrai");
        member(what).takes(reason).created::<Said>().ok::<Said>()
    };
    let refusal = Body::default()
        .text("reason", REASON, "Cette image montre le visage d'un enfant.")
        .flag("inappropriate", false);
    let waiting = json!({"type": "string", "enum": Approval::ALL.map(Approval::as_str)});
    Routes::about("Modération")
        .route("/api/posts/{id}/report", post(report_post, report("Signaler une publication")))
        .route("/api/posts/media/{id}/report", post(report_media, report("Signaler un média")))
        .route(
            "/api/moderation/media",
            get(
                queue,
                admin("Les médias qui attendent une décision, ou dans un autre état")
                    .by_page()
                    .asks("status", waiting)
                    .ok::<Listed<QueuedBody>>(),
            ),
        )
        .route(
            "/api/moderation/media/{id}/approve",
            post(approve, admin("Le montrer aux autres").ok::<MediaBody>().or(409)),
        )
        .route(
            "/api/moderation/media/{id}/reject",
            post(reject, admin("Ne pas le montrer").takes(refusal).ok::<MediaBody>().or(409)),
        )
        .route(
            "/api/moderation/reports",
            get(
                reports,
                admin("Ce qui est signalé et que personne n'a regardé")
                    .by_page()
                    .ok::<Listed<ReportBody>>(),
            ),
        )
        .route(
            "/api/moderation/reports/{id}/close",
            post(close, admin("Dire qu'on l'a regardé").gone()),
        )
}

/// Media, as an admin is shown it.
#[derive(Serialize, JsonSchema)]
struct QueuedBody {
    #[serde(flatten)]
    media: MediaBody,
    owner: AuthorBody,
}

#[derive(Serialize, JsonSchema)]
struct ReportBody {
    id: i64,
    reporter: AuthorBody,
    post: Option<i64>,
    media: Option<i64>,
    reason: String,
    created_at: String,
}

async fn queue(
    State(api): State<Shared>,
    Admin(admin): Admin,
    client: Client,
    list: List,
) -> Result<Json<Listed<QueuedBody>>, Error> {
    let approval = list.choice("status", Approval::of)?.unwrap_or(Approval::Pending);
    let page = api.store.media_by_approval(approval, list.page()?).await?;
    let visit = Visit { api: &api, client, site: &list.site };
    let listed = list.listed(page, |(media, owner)| QueuedBody {
        media: MediaBody::of_admitted(media, &visit),
        owner: AuthorBody::new(owner, false, Some(admin.id), &list.site),
    })?;
    Ok(Json(listed))
}

async fn approve(
    State(api): State<Shared>,
    Admin(admin): Admin,
    client: Client,
    site: Site,
    PathId(id): PathId,
) -> Result<Json<MediaBody>, Error> {
    let by = auth::by(Actor::Member(admin.id), &client, api.clock.now_ms());
    let media = decide(&api, &by, id, Approval::Approved, None).await?;
    Ok(Json(MediaBody::of_admitted(&media, &Visit { api: &api, client, site: &site })))
}

async fn reject(
    State(api): State<Shared>,
    Admin(admin): Admin,
    client: Client,
    site: Site,
    PathId(id): PathId,
    mut fields: Fields,
) -> Result<Json<MediaBody>, Error> {
    let reason = fields.text("reason", REASON);
    let must_not = fields.flag("inappropriate").unwrap_or(false);
    fields.finish()?;
    let approval = if must_not { Approval::Inappropriate } else { Approval::Rejected };
    let by = auth::by(Actor::Member(admin.id), &client, api.clock.now_ms());
    let media = decide(&api, &by, id, approval, reason.as_deref()).await?;
    Ok(Json(MediaBody::of_admitted(&media, &Visit { api: &api, client, site: &site })))
}

async fn decide(
    api: &Shared,
    by: &By,
    id: i64,
    approval: Approval,
    reason: Option<&str>,
) -> Result<Media, Error> {
    let id = MediaId::new(id);
    let before = api.store.media(id).await?.ok_or(Error::NotFound)?;
    if before.work != Work::Done {
        return Err(NOT_READY);
    }
    let media = api.store.decide_media(id, approval, reason, by).await?;
    let media = media.ok_or(Error::NotFound)?;
    let is_refused = matches!(approval, Approval::Rejected | Approval::Inappropriate);
    if is_refused {
        attachments::unrecord(api, &media);
    }
    tracing::info!(
        moderation.by = ?by.actor,
        media.id = id.get(),
        media.owner = media.owner.get(),
        moderation.decision = approval.as_str(),
        moderation.before = before.approval.as_str(),
        "media was judged"
    );
    Ok(media)
}

async fn report_post(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    fields: Fields,
) -> Result<(StatusCode, Json<Said>), Error> {
    report(&api, &user, Reported::Post(PostId::new(id)), fields).await
}

/// What a member cannot see he cannot report.
async fn report_media(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    fields: Fields,
) -> Result<(StatusCode, Json<Said>), Error> {
    let (media, _) = attachments::seen(&api, &user, id).await?;
    report(&api, &user, Reported::Media(media.id), fields).await
}

async fn report(
    api: &Shared,
    user: &User,
    reported: Reported,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Said>), Error> {
    let reason = fields.text("reason", REPORT).unwrap_or_default();
    fields.finish()?;
    let now_ms = api.clock.now_ms();
    api.limits.writing(user.id, now_ms).await?;
    let noted = api.store.report(user.id, reported, &reason, now_ms).await;
    let is_new = noted.map_err(|error| match error {
        store::Error::UnknownMedia { .. } => Error::NotFound,
        error => error.into(),
    })?;
    if !is_new {
        return Ok((StatusCode::OK, Json(Said { message: "Vous l'avez déjà signalé" })));
    }
    tracing::info!(user.id = user.id.get(), ?reported, "something was reported");
    let message = "Merci, votre signalement sera examiné";
    Ok((StatusCode::CREATED, Json(Said { message })))
}

async fn reports(
    State(api): State<Shared>,
    Admin(admin): Admin,
    list: List,
) -> Result<Json<Listed<ReportBody>>, Error> {
    let page = api.store.open_reports(list.page()?).await?;
    let row = |report: &Report| {
        let (post, media) = match report.reported {
            Reported::Post(id) => (Some(id.get()), None),
            Reported::Media(id) => (None, Some(id.get())),
        };
        ReportBody {
            id: report.id,
            reporter: AuthorBody::new(&report.reporter, false, Some(admin.id), &list.site),
            post,
            media,
            reason: report.reason.clone(),
            created_at: moment(report.created_ms),
        }
    };
    Ok(Json(list.listed(page, row)?))
}

async fn close(
    State(api): State<Shared>,
    Admin(admin): Admin,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    if !api.store.close_report(id, api.clock.now_ms()).await? {
        return Err(Error::NotFound);
    }
    tracing::info!(moderation.by = admin.id.get(), report.id = id, "a report was closed");
    Ok(StatusCode::NO_CONTENT)
}
