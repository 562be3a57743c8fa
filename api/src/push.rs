//! Push messages: the browsers a member wants to be told in, and what a message says.
//!
//! Here: subscriptions and the shape of a message. Not here: which addresses may be named (`reach`),
//! sending (`pusher`), who is told what (`store`).

use axum::{Json, extract::State};
use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use http::StatusCode;
use media::id::PlaybackName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{
    NewSubscription, News, Notification, NotificationKind, PostId, Subscription, SubscriptionId,
};

use crate::{
    auth::AuthUser,
    config::Secret,
    error::Error,
    json::{Fields, NULL, PathId, REQUIRED, Text, moment},
    notifications,
    openapi::{Body, Routes, anyone, delete, get, member},
    reach,
    router::Shared,
    sealed,
    vapid::{self, Vapid},
};

const NO_SUBSCRIPTION: Error = Error::Missing("Abonnement non trouvé");
const NO_ENDPOINT: &str = "Adresse de service de notification non valide : une adresse https publique \
     est requise, telle que le navigateur la donne.";
const NO_KEYS: &str = "Un objet avec « p256dh » et « auth » est requis.";
const NO_P256DH: &str = "« p256dh » n'est pas une clé publique P-256 en base64url.";
const NO_AUTH: &str = "« auth » n'est pas un secret de 16 octets en base64url.";

/// Longest text of a message: that of the longest title. Even where JSON writes six bytes for each of
/// its characters, and of a name, all of it is sealed ([`sealed::PLAIN_MAX_BYTES`]).
const TEXT_MAX_CHARS: usize = 200;
/// The page that lists what a member is told.
const NOTIFICATIONS_PAGE: &str = "/notifications";

/// Browsers write base64url, most without padding, some tools with it.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// How members' browsers are told (Web Push: RFC 8030, RFC 8291, RFC 8292).
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The private key of this server, in base64url, as [`crate::new_vapid_key`] draws it. Without one
    /// the router makes its own, and every browser has to subscribe again when the server starts.
    pub vapid_key: Option<Secret>,
    /// Whom push services may turn to: `mailto:…` or `https://…`. By default `public_http_url` where
    /// it is https; Apple's service takes nothing without one.
    pub contact: Option<String>,
    /// Browsers of one member; more, and those not renewed the longest give way.
    pub devices_per_member: u32,
    /// Messages on their way at once: at 50 ms each, 32 are 600 a second.
    pub at_once: usize,
    /// Longest time for one message, in seconds.
    pub timeout_s: u64,
    /// Whether services may have private addresses, other ports and plain HTTP: for tests, and for a
    /// service of one's own. Members can then make the server send requests inside its own network.
    pub allow_private: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            vapid_key: None,
            contact: None,
            devices_per_member: 10,
            at_once: 32,
            timeout_s: 10,
            allow_private: false,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if let Some(Err(error)) = self.vapid_key.as_ref().map(|key| Vapid::new(key, None)) {
            return Err(format!("push.vapid_key: {error}"));
        }
        let is_contact =
            |text: &String| text.starts_with("mailto:") || text.starts_with("https://");
        if self.contact.as_ref().is_some_and(|text| !is_contact(text)) {
            return Err("push.contact: must begin with mailto: or https://".into());
        }
        if !(1..=100).contains(&self.devices_per_member) {
            return Err("push.devices_per_member: must be between 1 and 100".into());
        }
        if !(1..=1000).contains(&self.at_once) {
            return Err("push.at_once: must be between 1 and 1000".into());
        }
        if !(1..=120).contains(&self.timeout_s) {
            return Err("push.timeout_s: must be between 1 and 120".into());
        }
        Ok(())
    }
}

/// The routes of push messages.
pub fn router() -> Routes {
    let text = json!({"type": "string"});
    let keys = json!({
        "type": "object",
        "required": ["p256dh", "auth"],
        "properties": {"p256dh": text, "auth": text},
    });
    // The browser of RFC 8291 §5.
    let (p256dh, auth) = (
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
        "BTBZMqHH6r4Tts7J_aSIgg",
    );
    let wanted = Body::default()
        .texts(
            "endpoint",
            Text::REQUIRED,
            json!({"format": "uri"}),
            "https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
        )
        .must("keys", keys, json!({"p256dh": p256dh, "auth": auth}));
    Routes::about("Notifications dans le navigateur")
        .route(
            "/api/notifications/push/key",
            get(key, anyone("La clé avec laquelle un navigateur s'abonne").ok::<KeyBody>()),
        )
        .route(
            "/api/notifications/push/subscriptions",
            get(list, member("Ses navigateurs abonnés").ok::<Vec<SubscriptionBody>>()).post(
                subscribe,
                member("Abonner un navigateur, ou le renouveler")
                    .takes(wanted)
                    .created::<Subscribed>()
                    .ok::<Subscribed>(),
            ),
        )
        .route(
            "/api/notifications/push/subscriptions/{id}",
            delete(unsubscribe, member("Ne plus avertir l'un d'eux").gone()),
        )
}

#[derive(Serialize, JsonSchema)]
struct KeyBody {
    public_key: String,
}

#[derive(Serialize, JsonSchema)]
struct SubscriptionBody {
    id: i64,
    /// The host of its push service: whose browser it is.
    service: String,
    created_at: String,
    last_sent_at: Option<String>,
}

#[derive(Serialize, JsonSchema)]
struct Subscribed {
    id: i64,
}

async fn key(State(api): State<Shared>) -> Json<KeyBody> {
    Json(KeyBody { public_key: api.vapid.public().to_owned() })
}

async fn list(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
) -> Result<Json<Vec<SubscriptionBody>>, Error> {
    let subscriptions = api.store.subscriptions(user.id).await?;
    Ok(Json(subscriptions.iter().map(SubscriptionBody::new).collect()))
}

/// Takes what a browser's `PushSubscription` gives as JSON; again for the same browser is no other.
async fn subscribe(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    mut fields: Fields,
) -> Result<(StatusCode, Json<Subscribed>), Error> {
    let config = &api.config.push;
    let endpoint = fields.text("endpoint", Text::REQUIRED).and_then(|text| {
        match reach::endpoint(&text, config.allow_private) {
            Some(url) => Some(url.to_string()),
            None => fields.refuse("endpoint", NO_ENDPOINT),
        }
    });
    let keys = keys(&mut fields);
    fields.finish()?;
    let (Some(endpoint), Some((p256dh, auth))) = (endpoint, keys) else {
        return Err(Error::field("keys", NO_KEYS));
    };
    let new = NewSubscription { user: user.id, endpoint, p256dh, auth, now_ms: api.clock.now_ms() };
    let (id, is_new) = api.store.subscribe(&new, config.devices_per_member).await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Subscribed { id: id.get() })))
}

async fn unsubscribe(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
) -> Result<StatusCode, Error> {
    if api.store.unsubscribe(user.id, SubscriptionId::new(id)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(NO_SUBSCRIPTION)
    }
}

/// The `keys` of a subscription: the browser's public key and the secret it shares with us.
fn keys(fields: &mut Fields) -> Option<([u8; 65], [u8; 16])> {
    let keys = match fields.raw("keys") {
        None => return fields.refuse("keys", REQUIRED),
        Some(Value::Null) => return fields.refuse("keys", NULL),
        Some(Value::Object(keys)) => keys.clone(),
        Some(_) => return fields.refuse("keys", NO_KEYS),
    };
    let bytes = |name: &str| {
        keys.get(name).and_then(Value::as_str).and_then(|text| BASE64.decode(text).ok())
    };
    let p256dh = bytes("p256dh").and_then(|bytes| bytes.try_into().ok()).filter(sealed::is_key);
    let Some(p256dh) = p256dh else { return fields.refuse("keys", NO_P256DH) };
    match bytes("auth").and_then(|bytes| bytes.try_into().ok()) {
        Some(auth) => Some((p256dh, auth)),
        None => fields.refuse("keys", NO_AUTH),
    }
}

impl SubscriptionBody {
    fn new(row: &Subscription) -> Self {
        let url = reqwest::Url::parse(&row.endpoint).ok();
        Self {
            id: row.id.get(),
            service: url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default(),
            created_at: moment(row.created_ms),
            last_sent_at: row.sent_ms.map(moment),
        }
    }
}

/// The key to sign with: the configured one, or a random one that nobody keeps.
///
/// # Errors
///
/// When the key is none, or the system gives no random bytes; in words for an operator.
pub fn vapid(config: &crate::Config) -> Result<Vapid, String> {
    let drawn;
    let key = match &config.push.vapid_key {
        Some(key) => key,
        None => {
            drawn = vapid::new_vapid_key().map_err(|error| error.to_string())?;
            &drawn
        }
    };
    let site = || config.public_http_url.clone().filter(|url| url.starts_with("https://"));
    let contact = config.push.contact.clone().or_else(site);
    Vapid::new(key, contact).map_err(|error| format!("push.vapid_key: {error}"))
}

/// How soon a service should wake a device for a message (RFC 8030 §5.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    Low,
    Normal,
    High,
}

impl Urgency {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

/// What a message says, before it is sealed.
#[derive(Debug, Serialize)]
pub struct Message {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<i64>,
    notification_type: &'static str,
    title: String,
    message: String,
    /// Where it leads, on this site.
    url: String,
    /// What is told next under the same one takes its place, on the device and, as `Topic`
    /// (RFC 8030 §5.4), while it waits for it.
    tag: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    extra_data: About,
    #[serde(skip)]
    pub urgency: Urgency,
}

/// What a message is about, for programs: ids alone, since a message has room for its text once.
#[derive(Debug, Default, Serialize)]
struct About {
    #[serde(skip_serializing_if = "Option::is_none")]
    post_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment_id: Option<i64>,
}

impl Message {
    pub fn new(news: &News) -> Self {
        match news {
            News::One(row, live) => Self::of_one(row, live.as_ref()),
            News::Many(count) => Self {
                id: None,
                notification_type: "digest",
                title: "CommuniConnect".to_owned(),
                message: match count {
                    1 => "Vous avez une nouvelle notification".to_owned(),
                    count => format!("Vous avez {count} nouvelles notifications"),
                },
                url: NOTIFICATIONS_PAGE.to_owned(),
                tag: "digest".to_owned(),
                created_at: None,
                extra_data: About::default(),
                urgency: Urgency::Normal,
            },
        }
    }

    fn of_one(row: &Notification, live: Option<&PlaybackName>) -> Self {
        use NotificationKind as Kind;
        let post = row.post.as_ref().map_or(0, |post| PostId::get(post.id));
        let (urgency, tag) = match row.kind {
            // The end of a live takes the place of its beginning.
            Kind::LiveStarted => (Urgency::High, format!("live-{post}")),
            Kind::LiveEnded => (Urgency::Low, format!("live-{post}")),
            Kind::Like | Kind::PostShared => {
                (Urgency::Low, format!("{}-{post}", row.kind.as_str()))
            }
            Kind::Comment | Kind::Mention | Kind::Follow | Kind::System => {
                (Urgency::Normal, format!("n-{}", row.id))
            }
        };
        Self {
            id: Some(row.id),
            notification_type: row.kind.as_str(),
            title: notifications::title(row),
            message: notifications::message(row).chars().take(TEXT_MAX_CHARS).collect(),
            url: match (live, &row.post) {
                (Some(name), _) => format!("/live/{name}"),
                (None, Some(post)) => format!("/post/{}", post.id.get()),
                (None, None) => NOTIFICATIONS_PAGE.to_owned(),
            },
            tag,
            created_at: Some(moment(row.created_ms)),
            extra_data: About {
                post_id: row.post.as_ref().map(|post| post.id.get()),
                comment_id: row.comment,
            },
            urgency,
        }
    }

    /// The name under which the next one takes its place: at most 32 characters of base64url.
    pub fn topic(&self) -> &str {
        &self.tag
    }
}

#[cfg(test)]
mod tests {
    use media::id::UserId;

    use super::*;

    fn refusal(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config::default();
        change(&mut config);
        config.validate().unwrap_err()
    }

    #[test]
    fn a_refusal_begins_with_the_name_of_the_setting() {
        assert_eq!(Config::default().validate(), Ok(()));
        let key = |c: &mut Config| c.vapid_key = Some(Secret::new("zzz"));
        assert!(refusal(key).starts_with("push.vapid_key:"));
        let contact = |c: &mut Config| c.contact = Some("fatou@example.org".into());
        assert!(refusal(contact).starts_with("push.contact:"));
        assert!(refusal(|c| c.devices_per_member = 0).starts_with("push.devices_per_member:"));
        assert!(refusal(|c| c.at_once = 0).starts_with("push.at_once:"));
        assert!(refusal(|c| c.timeout_s = 0).starts_with("push.timeout_s:"));
    }

    /// Everything as long as it can be, of a character that JSON writes as six.
    fn longest(kind: NotificationKind) -> Notification {
        let odd = |chars: usize| "\u{1}".repeat(chars);
        let user = UserId::new(i64::MAX);
        let (username, first_name, last_name) = (odd(150), odd(150), odd(150));
        let (title, excerpt) = (odd(200), odd(5000));
        Notification {
            id: i64::MAX,
            recipient: UserId::new(1),
            kind,
            sender: Some(store::Sender { id: user, username, first_name, last_name }),
            post: Some(store::NotedPost {
                id: PostId::new(i64::MAX),
                title,
                excerpt: excerpt.clone(),
                author: user,
            }),
            comment: Some(i64::MAX),
            excerpt,
            is_read: false,
            created_ms: 0,
        }
    }

    /// What a member writes must never be what keeps others from being told.
    #[test]
    fn the_longest_message_is_sealed() {
        let live = Some(PlaybackName::from_random([255; 10]));
        let row = Box::new(longest(NotificationKind::LiveStarted));
        let plain = serde_json::to_vec(&Message::new(&News::One(row, live))).unwrap();
        assert!(plain.len() <= sealed::PLAIN_MAX_BYTES, "{}", plain.len());
    }

    #[test]
    fn a_topic_is_what_services_take() {
        let kinds =
            [NotificationKind::PostShared, NotificationKind::LiveEnded, NotificationKind::Mention];
        for kind in kinds {
            let message = Message::new(&News::One(Box::new(longest(kind)), None));
            let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
            assert!(message.topic().chars().all(is_allowed), "{}", message.topic());
            assert!((1..=32).contains(&message.topic().len()), "{}", message.topic());
        }
    }
}
