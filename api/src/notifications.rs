//! Notifications: what a member is told of what others do, and what he wants to be told.
//!
//! Here: the words, and the two sets of paths that clients know. Not here: noting them (`store`).

use std::borrow::Cow;

use axum::{Json, extract::State};
use http::StatusCode;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Map, Value, json};
use store::{
    Frequency, NOTIFICATIONS_KEPT, Notification, NotificationKind, NotificationQuery, Page,
    PreferenceChange, Preferences, Switch,
};

use crate::{
    ago,
    auth::AuthUser,
    error::Error,
    json::{Fields, PathId, REQUIRED, Text, moment, no_choice},
    openapi::{Body, Routes, delete, get, member, patch, post},
    page::{List, Listed},
    router::{Api, Shared},
};

const NO_NOTIFICATION: Error = Error::Missing("Notification non trouvée");
const NO_LIST: &str = "Une liste d'identifiants est requise.";

/// The switches by the names that clients know.
const SWITCHES: [(&str, Switch); Switch::ALL.len()] = [
    ("likes_notifications", Switch::Likes),
    ("comments_notifications", Switch::Comments),
    ("follows_notifications", Switch::Follows),
    ("live_notifications", Switch::Live),
    ("mention_notifications", Switch::Mention),
    ("system_notifications", Switch::System),
    ("community_alert_notifications", Switch::CommunityAlert),
    ("email_notifications", Switch::Email),
    ("push_notifications", Switch::Push),
    ("in_app_notifications", Switch::InApp),
];
const FREQUENCY: &str = "notification_frequency";
const FREQUENCIES: [Frequency; 3] = [Frequency::Immediate, Frequency::Hourly, Frequency::Daily];

/// The routes of notifications: those of the first server, and those its web client asked for.
pub fn router() -> Routes {
    let asked = |what| {
        let kinds =
            json!({"type": "string", "enum": NotificationKind::ALL.map(NotificationKind::as_str)});
        member(what).by_page().asks("type", kinds).asks("is_read", json!({"type": "boolean"}))
    };
    let marked = Body::default().ids("notification_ids", NOTIFICATIONS_KEPT as usize);
    let switched = |body: Body, (name, _)| body.flag(name, true);
    let wanted = SWITCHES.into_iter().fold(Body::default(), switched).choice(
        FREQUENCY,
        &FREQUENCIES.map(Frequency::as_str),
        "immediate",
    );
    let change = member("Changer ce dont on veut être averti").takes(wanted).ok::<Wishes>();
    Routes::about("Notifications")
        .route(
            "/api/notifications",
            get(list, asked("Les siennes").ok::<Listed<NotificationBody>>()),
        )
        .route("/api/notifications/count", get(count, member("Combien").ok::<CountBody>()))
        .route(
            "/api/notifications/list",
            get(
                list_of_the_first_server,
                asked("Les siennes, comme le premier serveur").ok::<NotificationList>(),
            ),
        )
        .route(
            "/api/notifications/mark-read/{id}",
            post(mark_one, member("En marquer une comme lue").ok::<Done>()),
        )
        .route(
            "/api/notifications/mark-all-read",
            post(mark_all, member("Les marquer toutes comme lues").ok::<Done>()),
        )
        .route(
            "/api/notifications/mark-as-read",
            patch(
                mark,
                member("En marquer comme lues").takes(marked.flag("mark_all", true)).ok::<Done>(),
            ),
        )
        .route("/api/notifications/{id}/delete", delete(remove, member("En supprimer une").gone()))
        .route(
            "/api/notifications/preferences",
            get(preferences, member("Ce dont on veut être averti").ok::<Wishes>())
                .put(set_preferences, change.clone())
                .patch(set_preferences, change),
        )
}

/// Preferences, by the names that clients know.
#[derive(Serialize)]
struct Wishes(Map<String, Value>);

impl JsonSchema for Wishes {
    fn schema_name() -> Cow<'static, str> {
        "Wishes".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let names: Vec<&str> = SWITCHES.iter().map(|(name, _)| *name).chain([FREQUENCY]).collect();
        let switches = SWITCHES.iter().map(|(name, _)| (*name, json!({"type": "boolean"})));
        let frequency = json!({"type": "string", "enum": FREQUENCIES.map(Frequency::as_str)});
        let properties: Map<String, Value> = switches
            .chain([(FREQUENCY, frequency)])
            .map(|(name, schema)| (name.to_owned(), schema))
            .collect();
        json_schema!({"type": "object", "required": names, "properties": properties})
    }
}

#[derive(Serialize, JsonSchema)]
struct CountBody {
    unread_count: i64,
    total_count: i64,
}

#[derive(Serialize, JsonSchema)]
struct NotificationList {
    notifications: Vec<NotificationBody>,
    total_pages: u64,
    current_page: u32,
    has_next: bool,
    has_previous: bool,
}

/// Something a member is told.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NotificationBody {
    id: i64,
    sender: Option<SenderBody>,
    recipient: i64,
    notification_type: &'static str,
    title: String,
    message: String,
    is_read: bool,
    created_at: String,
    time_ago: String,
    extra_data: ExtraData,
}

/// A member, by name alone.
#[derive(Debug, Serialize, JsonSchema)]
struct SenderBody {
    id: i64,
    username: String,
    first_name: String,
    last_name: String,
}

/// What a notification is about, for programs.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct ExtraData {
    #[serde(skip_serializing_if = "Option::is_none")]
    post_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    post_title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    live_title: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Done {
    status: &'static str,
}

const DONE: Json<Done> = Json(Done { status: "success" });

async fn count(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
) -> Result<Json<CountBody>, Error> {
    let counts = api.store.notification_counts(user.id, api.clock.now_ms()).await?;
    Ok(Json(CountBody { unread_count: counts.unread, total_count: counts.total }))
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    list: List,
) -> Result<Json<Listed<NotificationBody>>, Error> {
    let query = query(&list, &user, &api)?;
    let page = api.store.notifications(&query).await?;
    Ok(Json(list.listed(page, |row| NotificationBody::new(row, query.now_ms))?))
}

async fn list_of_the_first_server(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    list: List,
) -> Result<Json<NotificationList>, Error> {
    let query = query(&list, &user, &api)?;
    let page = api.store.notifications(&query).await?;
    if !page.exists() {
        return Err(Error::NoPage);
    }
    Ok(Json(NotificationList::new(&page, query.now_ms)))
}

async fn mark_one(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<Json<Done>, Error> {
    match api.store.read_notifications(user.id, &[id]).await? {
        0 => Err(NO_NOTIFICATION),
        _ => Ok(DONE),
    }
}

async fn mark_all(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
) -> Result<Json<Done>, Error> {
    api.store.read_all_notifications(user.id, api.clock.now_ms()).await?;
    Ok(DONE)
}

async fn mark(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    mut fields: Fields,
) -> Result<Json<Done>, Error> {
    let all = fields.flag("mark_all").unwrap_or_default();
    let ids = if all { None } else { ids(&mut fields, "notification_ids") };
    fields.finish()?;
    match ids {
        Some(ids) => {
            api.store.read_notifications(user.id, &ids).await?;
        }
        None => api.store.read_all_notifications(user.id, api.clock.now_ms()).await?,
    }
    Ok(DONE)
}

async fn remove(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    if api.store.delete_notification(user.id, id).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NO_NOTIFICATION)
    }
}

async fn preferences(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
) -> Result<Json<Wishes>, Error> {
    let preferences = api.store.preferences(user.id).await?;
    Ok(Json(preferences_body(&preferences)))
}

/// Changes what is named, by PUT too: the first client sends what it shows, which is not all.
async fn set_preferences(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    mut fields: Fields,
) -> Result<Json<Wishes>, Error> {
    let mut change = PreferenceChange::default();
    for (name, which) in SWITCHES {
        if let Some(is_on) = fields.flag(name) {
            change.set(which, is_on);
        }
    }
    change.frequency = fields.text(FREQUENCY, Text::REQUIRED.if_present()).and_then(|text| {
        Frequency::parse(&text).or_else(|| fields.refuse(FREQUENCY, no_choice(&text)))
    });
    fields.finish()?;
    let preferences = api.store.set_preferences(user.id, &change).await?;
    Ok(Json(preferences_body(&preferences)))
}

fn preferences_body(preferences: &Preferences) -> Wishes {
    let mut body: Map<String, Value> = SWITCHES
        .into_iter()
        .map(|(name, switch)| (name.to_owned(), preferences.is_on(switch).into()))
        .collect();
    body.insert(FREQUENCY.to_owned(), preferences.frequency.as_str().into());
    Wishes(body)
}

/// Which notifications are asked for, by `type`, `is_read` and `page`.
fn query(list: &List, user: &store::User, api: &Api) -> Result<NotificationQuery, Error> {
    Ok(NotificationQuery {
        recipient: user.id,
        kind: list.choice("type", NotificationKind::parse)?,
        is_read: list.flag("is_read")?,
        page: list.page()?,
        now_ms: api.clock.now_ms(),
    })
}

/// A field that lists ids, no more than a member has notifications.
fn ids(fields: &mut Fields, name: &str) -> Option<Vec<i64>> {
    let Some(value) = fields.raw(name) else { return fields.refuse(name, REQUIRED) };
    let ids: Option<Vec<i64>> =
        value.as_array().and_then(|ids| ids.iter().map(Value::as_i64).collect());
    match ids {
        Some(ids) if ids.len() <= NOTIFICATIONS_KEPT as usize => Some(ids),
        Some(_) => {
            let message = format!(
                "Assurez-vous que cette liste comporte au plus {NOTIFICATIONS_KEPT} identifiants."
            );
            fields.refuse(name, message)
        }
        None => fields.refuse(name, NO_LIST),
    }
}

impl NotificationList {
    fn new(page: &Page<Notification>, now_ms: i64) -> Self {
        Self {
            notifications: page.rows.iter().map(|row| NotificationBody::new(row, now_ms)).collect(),
            total_pages: page.pages(),
            current_page: page.number,
            has_next: page.next().is_some(),
            has_previous: page.previous().is_some(),
        }
    }
}

impl NotificationBody {
    /// As its recipient is shown it at `now_ms`.
    pub fn new(row: &Notification, now_ms: i64) -> Self {
        let sender = row.sender.as_ref().map(|sender| SenderBody {
            id: sender.id.get(),
            username: sender.username.clone(),
            first_name: sender.first_name.clone(),
            last_name: sender.last_name.clone(),
        });
        Self {
            id: row.id,
            title: title(row),
            message: message(row),
            sender,
            recipient: row.recipient.get(),
            notification_type: row.kind.as_str(),
            is_read: row.is_read,
            created_at: moment(row.created_ms),
            time_ago: ago::in_words(row.created_ms, now_ms),
            extra_data: ExtraData::new(row),
        }
    }
}

impl ExtraData {
    fn new(row: &Notification) -> Self {
        let is_live =
            matches!(row.kind, NotificationKind::LiveStarted | NotificationKind::LiveEnded);
        let title = row.post.as_ref().map(|post| post.title.clone());
        Self {
            post_id: row.post.as_ref().map(|post| post.id.get()),
            live_title: title.clone().filter(|_| is_live),
            post_title: title,
            comment_id: row.comment,
            comment_content: row.comment.map(|_| row.excerpt.clone()),
        }
    }
}

/// Who did what, in one line.
pub fn title(row: &Notification) -> String {
    let who = row.sender.as_ref().map_or("Quelqu'un", |sender| match sender.first_name.as_str() {
        "" => &sender.username,
        first_name => first_name,
    });
    let is_own_post = row.post.as_ref().is_some_and(|post| post.author == row.recipient);
    let did = match row.kind {
        NotificationKind::Like => "a aimé votre publication",
        NotificationKind::Comment if is_own_post => "a commenté votre publication",
        NotificationKind::Comment => "a répondu à votre commentaire",
        NotificationKind::Follow => "vous suit",
        NotificationKind::LiveStarted => "a démarré un live",
        NotificationKind::LiveEnded => "a terminé son live",
        NotificationKind::Mention if row.comment.is_some() => {
            "vous a mentionné dans un commentaire"
        }
        NotificationKind::Mention if !row.excerpt.is_empty() => {
            "vous a mentionné dans le chat d'un live"
        }
        NotificationKind::Mention => "vous a mentionné dans une publication",
        NotificationKind::PostShared => "a partagé votre publication",
        NotificationKind::System => return "CommuniConnect".to_owned(),
    };
    format!("{who} {did}")
}

/// What it is about: what was said, else the post by its title or its first words.
pub fn message(row: &Notification) -> String {
    let (title, excerpt) =
        row.post.as_ref().map_or(("", ""), |post| (&*post.title, &*post.excerpt));
    let texts = [row.excerpt.as_str(), title, excerpt];
    texts.into_iter().find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}
