//! What is said beside a live.
//!
//! Here: messages of members to those who watch, and what the author of the live has against them.
//! Not here: the live itself (`lives`), how messages reach those who watch (`realtime`).

use std::sync::Arc;

use axum::{
    Json,
    extract::{FromRequestParts, State},
};
use http::{StatusCode, request::Parts};
use media::id::{LiveId, UserId};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use store::{ChatAuthor, ChatMessage, MessageType, NewMessage, SLOW_MODE_MAX_S, Said, User};

use crate::{
    auth::AuthUser,
    error::Error,
    json::{Fields, PathId, Text, moment, no_choice, path_param, unknown_key},
    lives::NO_LIVE,
    openapi::{Body, Routes, delete, get, member, owner, put},
    page::List,
    realtime::{events::Event, rooms::Room},
    router::{Api, Shared},
    site::Site,
};

/// Longest message, in characters.
const CONTENT: Text = Text::REQUIRED.at_most(1000);

const EMPTY: &str = "Le contenu du message ne peut pas être vide";
const OVER: &str = "Ce live est terminé : on ne peut plus y écrire.";
const BANNED: &str = "L'auteur de ce direct ne vous laisse plus y écrire.";
const NOT_AUTHOR: &str = "Seul l'auteur du direct peut faire cela.";
const NOT_YOUR_MESSAGE: &str = "Vous ne pouvez supprimer que vos propres messages.";
const NO_MESSAGE: Error = Error::Missing("Message non trouvé");
const NO_MEMBER: Error = Error::Missing("Membre non trouvé");
const OWN_CHAT: &str = "L'auteur d'un direct peut toujours y écrire.";
const NO_ID: &str = "Un nombre entier valide est requis.";

/// The routes of the chat: two paths for reading and saying.
pub fn router() -> Routes {
    let after = json!({"type": "integer", "format": "int64", "minimum": 0});
    let read_ = member("Ce qui s'est dit, les cent derniers ou ceux d'après")
        .asks("after", after)
        .ok::<Vec<MessageBody>>()
        .or(403);
    let said = member("Dire quelque chose")
        .takes(
            Body::default()
                .text("content", CONTENT, "Bonjour à tous")
                .choice(
                    "type",
                    &[MessageType::Text, MessageType::Emoji, MessageType::Reaction]
                        .map(MessageType::as_str),
                    "text",
                )
                .id("reply_to", None),
        )
        .created::<MessageBody>()
        .or(403)
        .or(409);
    let seconds = json!({"type": "integer", "minimum": 0, "maximum": SLOW_MODE_MAX_S});
    Routes::about("Discussion d'un live")
        .route("/api/posts/live/{id}/chat", get(read, read_.clone()).post(say, said.clone()))
        .route("/api/posts/live/{id}/chat/messages", get(read, read_).post(say, said))
        .route(
            "/api/posts/live/{id}/chat/messages/{message_id}",
            delete(take_away, owner("Retirer un message").gone()),
        )
        .route(
            "/api/posts/live/{id}/chat/bans/{user_id}",
            put(ban, owner("Ne plus laisser un membre y écrire").gone().or(400))
                .delete(unban, owner("Le laisser y écrire de nouveau").gone()),
        )
        .route(
            "/api/posts/live/{id}/chat/slow-mode",
            put(
                slow_down,
                owner("Le temps entre deux messages d'un membre")
                    .takes(Body::default().must("seconds", seconds, 5.into()))
                    .ok::<SlowMode>(),
            ),
        )
}

/// Something that was said.
#[derive(Debug, Serialize, JsonSchema)]
pub struct MessageBody {
    pub id: i64,
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["text", "emoji", "reaction"]))]
    message_type: &'static str,
    content: String,
    timestamp: String,
    author: SpeakerBody,
    /// Absent where nothing is answered, as the first server's messages had it.
    #[serde(skip_serializing_if = "Option::is_none")]
    reply_to: Option<i64>,
}

/// Who speaks. The author of an anonymous live is an object that names nobody: clients read it unguarded.
#[derive(Debug, Default, Serialize, JsonSchema)]
struct SpeakerBody {
    id: Option<i64>,
    first_name: String,
    last_name: String,
    profile_picture: Option<String>,
}

async fn read(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    list: List,
) -> Result<Json<Vec<MessageBody>>, Error> {
    let after = list.param("after").map(str::parse::<i64>);
    let after = after.transpose().map_err(|_| Error::field("after", NO_ID))?;
    room(&api, id, &user).await?;
    let messages = api.store.messages(LiveId::new(id), after).await?;
    Ok(Json(messages.iter().map(|message| body(message, Some(user.id), &list.site)).collect()))
}

async fn say(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    site: Site,
    fields: Fields,
) -> Result<(StatusCode, Json<MessageBody>), Error> {
    let room = Room::of(&api, LiveId::new(id)).await?.ok_or(NO_LIVE)?;
    let said = speak(&api, &room, &user, fields).await?;
    Ok((StatusCode::CREATED, Json(body(&said, Some(user.id), &site))))
}

/// Says something, for all who read and all who listen, however it came.
///
/// # Errors
///
/// 400, 403, 409 and 429 for what may not be said, there or now.
pub async fn speak(
    api: &Api,
    room: &Arc<Room>,
    user: &User,
    fields: Fields,
) -> Result<ChatMessage, Error> {
    let Wanted { message_type, content, reply_to } = message(fields)?;
    room.admit(Some(user))?;
    api.limits.writing(user.id, api.clock.now_ms()).await?;
    let _turn = room.turn.lock().await;
    let now_ms = api.clock.now_ms();
    let new =
        NewMessage { live: room.id, author: user.id, message_type, content, reply_to, now_ms };
    let (id, is_anonymous) = match api.store.say(&new).await? {
        Said::Yes { id, is_anonymous } => (id, is_anonymous),
        Said::Over => return Err(Error::Over(OVER)),
        Said::Banned => return Err(Error::Forbidden(BANNED)),
        Said::TooSoon { wait_ms } => return Err(Error::Throttled((wait_ms + 999) / 1000)),
        Said::NoSuchMessage => {
            let message = unknown_key(reply_to.unwrap_or_default());
            return Err(Error::field("reply_to", message));
        }
    };
    let author = ChatAuthor {
        id: user.id,
        first_name: user.first_name.clone(),
        last_name: user.last_name.clone(),
        profile_picture: user.profile_picture.clone(),
    };
    let NewMessage { message_type, content, .. } = new;
    let created_ms = now_ms;
    let said =
        ChatMessage { id, author, is_anonymous, message_type, content, reply_to, created_ms };
    // One text for all who listen, himself among them, who is told its id (`chat.said`).
    let message = body(&said, None, &Site::of_all(api));
    room.chat.publish(&Event::Message { live_id: room.id.get(), message: &message });
    Ok(said)
}

/// Takes a message away: one's own, or any beside one's own live.
async fn take_away(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(live): PathId,
    MessageId(id): MessageId,
) -> Result<StatusCode, Error> {
    let room = room(&api, live, &user).await?;
    let author = api.store.message_author(room.id, id).await?.ok_or(NO_MESSAGE)?;
    if author != user.id && !room.is_moderated_by(&user) {
        return Err(Error::Forbidden(NOT_YOUR_MESSAGE));
    }
    let _turn = room.turn.lock().await;
    if !api.store.delete_message(room.id, id, api.clock.now_ms()).await? {
        return Err(NO_MESSAGE);
    }
    room.chat.publish(&Event::Deleted { live_id: room.id.get(), id });
    Ok(StatusCode::NO_CONTENT)
}

/// Keeps a member from writing. What he wrote stays until it is taken away.
async fn ban(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(live): PathId,
    MemberId(banned): MemberId,
) -> Result<StatusCode, Error> {
    let room = moderated(&api, live, &user).await?;
    if banned == room.author() {
        return Err(Error::Invalid(OWN_CHAT));
    }
    if !api.store.ban_from_chat(room.id, banned, api.clock.now_ms()).await? {
        return Err(NO_MEMBER);
    }
    tracing::info!(live.id = live, user.id = banned.get(), "a member was banned from a chat");
    room.chat.publish(&Event::Banned { live_id: live, user_id: banned.get() });
    Ok(StatusCode::NO_CONTENT)
}

async fn unban(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(live): PathId,
    MemberId(banned): MemberId,
) -> Result<StatusCode, Error> {
    let room = moderated(&api, live, &user).await?;
    if api.store.unban_from_chat(room.id, banned).await? {
        room.chat.publish(&Event::Unbanned { live_id: live, user_id: banned.get() });
    }
    Ok(StatusCode::NO_CONTENT)
}

/// What the author of a live asks of those who write.
#[derive(Serialize, JsonSchema)]
struct SlowMode {
    seconds: u32,
}

async fn slow_down(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(live): PathId,
    mut fields: Fields,
) -> Result<Json<SlowMode>, Error> {
    let seconds = fields.raw("seconds").and_then(Value::as_u64);
    let seconds = seconds.and_then(|seconds| u32::try_from(seconds).ok());
    let seconds = seconds.filter(|seconds| *seconds <= SLOW_MODE_MAX_S).or_else(|| {
        let message = format!("Un nombre de secondes entre 0 et {SLOW_MODE_MAX_S} est requis.");
        fields.refuse("seconds", message)
    });
    fields.finish()?;
    let seconds = seconds.unwrap_or_default();
    let room = moderated(&api, live, &user).await?;
    if !api.store.set_slow_mode(room.id, seconds).await? {
        return Err(NO_LIVE);
    }
    room.slowed(seconds);
    Ok(Json(SlowMode { seconds }))
}

/// The room of a live, for one it is for.
async fn room(api: &Api, live: i64, user: &User) -> Result<Arc<Room>, Error> {
    let room = Room::of(api, LiveId::new(live)).await?.ok_or(NO_LIVE)?;
    room.admit(Some(user))?;
    Ok(room)
}

/// The room of a live, for one who says who may write.
async fn moderated(api: &Api, live: i64, user: &User) -> Result<Arc<Room>, Error> {
    let room = room(api, live, user).await?;
    if room.is_moderated_by(user) { Ok(room) } else { Err(Error::Forbidden(NOT_AUTHOR)) }
}

/// The message of the path.
struct MessageId(i64);

/// The member of the path.
struct MemberId(UserId);

impl FromRequestParts<Shared> for MessageId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let text = path_param(parts, api, "message_id").await?;
        text.parse().map(Self).map_err(|_| Error::NotFound)
    }
}

impl FromRequestParts<Shared> for MemberId {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let text = path_param(parts, api, "user_id").await?;
        text.parse().map(|id| Self(UserId::new(id))).map_err(|_| Error::NotFound)
    }
}

/// Something to be said, as it was sent.
struct Wanted {
    message_type: MessageType,
    content: String,
    reply_to: Option<i64>,
}

/// What is to be said. Nothing at all is refused in this endpoint's own words.
fn message(mut fields: Fields) -> Result<Wanted, Error> {
    let is_empty = match fields.raw("content") {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.trim().is_empty(),
        Some(_) => false,
    };
    if is_empty {
        return Err(Error::Invalid(EMPTY));
    }
    let content = fields.text("content", CONTENT);
    let message_type = fields.text("type", Text::OPTIONAL).filter(|text| !text.is_empty());
    let message_type = message_type
        .map(|text| MessageType::parse(&text).or_else(|| fields.refuse("type", no_choice(&text))));
    let reply_to = fields.id("reply_to").flatten();
    fields.finish()?;
    Ok(Wanted {
        message_type: message_type.flatten().unwrap_or_default(),
        content: content.unwrap_or_default(),
        reply_to,
    })
}

/// A message as `reader` is shown it, with addresses of `site`.
pub fn body(message: &ChatMessage, reader: Option<UserId>, site: &Site) -> MessageBody {
    let author = &message.author;
    let is_named = !message.is_anonymous || reader == Some(author.id);
    let named = || SpeakerBody {
        id: Some(author.id.get()),
        first_name: author.first_name.clone(),
        last_name: author.last_name.clone(),
        profile_picture: author.profile_picture.as_deref().map(|path| site.media(path)),
    };
    MessageBody {
        id: message.id,
        message_type: message.message_type.as_str(),
        content: message.content.clone(),
        timestamp: moment(message.created_ms),
        author: if is_named { named() } else { SpeakerBody::default() },
        reply_to: message.reply_to,
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A message of nobody, for those who pass messages on.
    pub fn message(id: i64) -> MessageBody {
        MessageBody {
            id,
            message_type: MessageType::Text.as_str(),
            content: "Bonjour".to_owned(),
            timestamp: moment(0),
            author: SpeakerBody::default(),
            reply_to: None,
        }
    }
}
