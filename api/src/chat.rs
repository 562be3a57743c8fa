//! What is said beside a live.
//!
//! Here: messages of members to those who watch. Not here: the live itself (`lives`).

use axum::{Json, extract::State};
use http::StatusCode;
use media::id::LiveId;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};
use store::{ChatMessage, ChatRoom, MessageType, NewMessage, User};

use crate::{
    audience::Circle,
    auth::AuthUser,
    error::Error,
    json::{Fields, PathId, Text, moment, no_choice},
    lives::{NO_LIVE, NOT_YOURS},
    openapi::{Body, Routes, get, member},
    page::List,
    router::{Api, Shared},
    site::Site,
};

/// Longest message, in characters.
const CONTENT: Text = Text::REQUIRED.at_most(1000);

const EMPTY: &str = "Le contenu du message ne peut pas être vide";
const OVER: &str = "Ce live est terminé : on ne peut plus y écrire.";
const NO_ID: &str = "Un nombre entier valide est requis.";

/// The routes of the chat: two paths for one thing.
pub fn router() -> Routes {
    let after = json!({"type": "integer", "format": "int64", "minimum": 0});
    let read_ = member("Ce qui s'est dit, les cent derniers ou ceux d'après")
        .asks("after", after)
        .ok::<Vec<MessageBody>>()
        .or(403);
    let said = member("Dire quelque chose")
        .takes(
            Body::default().text("content", CONTENT, "Bonjour à tous").choice(
                "type",
                &[MessageType::Text, MessageType::Emoji, MessageType::Reaction]
                    .map(MessageType::as_str),
                "text",
            ),
        )
        .created::<MessageBody>()
        .or(403)
        .or(409);
    Routes::about("Discussion d'un live")
        .route("/api/posts/live/{id}/chat", get(read, read_.clone()).post(say, said.clone()))
        .route("/api/posts/live/{id}/chat/messages", get(read, read_).post(say, said))
}

/// Something that was said.
#[derive(Serialize, JsonSchema)]
struct MessageBody {
    id: i64,
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["text", "emoji", "reaction"]))]
    message_type: &'static str,
    content: String,
    timestamp: String,
    author: SpeakerBody,
}

#[derive(Serialize, JsonSchema)]
struct SpeakerBody {
    id: i64,
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
    room(&api, LiveId::new(id), &user).await?;
    let messages = api.store.messages(LiveId::new(id), after).await?;
    Ok(Json(messages.iter().map(|message| MessageBody::new(message, &list.site)).collect()))
}

async fn say(
    State(api): State<Shared>,
    AuthUser(user): AuthUser,
    PathId(id): PathId,
    site: Site,
    fields: Fields,
) -> Result<(StatusCode, Json<MessageBody>), Error> {
    let (message_type, content) = message(fields)?;
    let live = LiveId::new(id);
    room(&api, live, &user).await?;
    let now_ms = api.clock.now_ms();
    api.limits.writing(user.id, now_ms)?;
    let new = NewMessage { live, author: user.id, message_type, content, now_ms };
    // The live was there a moment ago: if nothing was said, it has ended.
    let id = api.store.say(&new).await?.ok_or(Error::Over(OVER))?;
    let body = MessageBody {
        id,
        message_type: message_type.as_str(),
        content: new.content,
        timestamp: moment(now_ms),
        author: SpeakerBody {
            id: user.id.get(),
            first_name: user.first_name,
            last_name: user.last_name,
            profile_picture: user.profile_picture.as_deref().map(|path| site.media(path)),
        },
    };
    Ok((StatusCode::CREATED, Json(body)))
}

/// Lets those in whom the live is for.
async fn room(api: &Api, live: LiveId, user: &User) -> Result<(), Error> {
    let ChatRoom { audience, author, quartier } =
        api.store.chat_room(live).await?.ok_or(NO_LIVE)?;
    let circle = Circle { audience, author, quartier };
    if circle.admits(user) { Ok(()) } else { Err(Error::Forbidden(NOT_YOURS)) }
}

/// What is to be said. Nothing at all is refused in this endpoint's own words.
fn message(mut fields: Fields) -> Result<(MessageType, String), Error> {
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
    fields.finish()?;
    Ok((message_type.flatten().unwrap_or_default(), content.unwrap_or_default()))
}

impl MessageBody {
    fn new(message: &ChatMessage, site: &Site) -> Self {
        let author = &message.author;
        Self {
            id: message.id,
            message_type: message.message_type.as_str(),
            content: message.content.clone(),
            timestamp: moment(message.created_ms),
            author: SpeakerBody {
                id: author.id.get(),
                first_name: author.first_name.clone(),
                last_name: author.last_name.clone(),
                profile_picture: author.profile_picture.as_deref().map(|path| site.media(path)),
            },
        }
    }
}
