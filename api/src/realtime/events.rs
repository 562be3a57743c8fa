//! What is told: every event, in its shape (`docs/api.md`, "Real time").

use serde::Serialize;
use serde_json::Value;

use crate::{chat::MessageBody, notifications::NotificationBody};

/// Something a client is told.
#[derive(Debug, Serialize)]
#[serde(tag = "type")]
pub enum Event<'a> {
    /// Who the client is taken for, from now on.
    #[serde(rename = "session")]
    Session { user_id: i64, expires_at: String },
    /// The client follows a live; what it is like now.
    #[serde(rename = "live.joined")]
    Joined {
        live_id: i64,
        playback_name: &'a str,
        status: &'static str,
        viewers_count: Option<usize>,
        slow_mode_s: u32,
        can_read: bool,
        can_write: bool,
        can_moderate: bool,
    },
    /// The client no longer follows it.
    #[serde(rename = "live.left")]
    Left { live_id: i64 },
    /// The live passed into another state.
    #[serde(rename = "live.state")]
    State { live_id: i64, status: &'static str, at: String },
    /// Others watch it than a moment ago.
    #[serde(rename = "live.viewers")]
    Viewers { live_id: i64, viewers_count: usize },
    /// Something was said.
    #[serde(rename = "chat.message")]
    Message { live_id: i64, message: &'a MessageBody },
    /// It was taken away.
    #[serde(rename = "chat.deleted")]
    Deleted { live_id: i64, id: i64 },
    /// More was said since than is sent: the rest is asked for with `after`.
    #[serde(rename = "chat.gap")]
    Gap { live_id: i64, after: i64 },
    /// A member may no longer write.
    #[serde(rename = "chat.banned")]
    Banned { live_id: i64, user_id: i64 },
    /// He may again.
    #[serde(rename = "chat.unbanned")]
    Unbanned { live_id: i64, user_id: i64 },
    /// So many seconds must lie between two messages of one member.
    #[serde(rename = "chat.slow_mode")]
    SlowMode { live_id: i64, seconds: u32 },
    /// What the client wanted to say was said, under this id.
    #[serde(rename = "chat.said")]
    Said {
        #[serde(rename = "ref")]
        reference: Option<&'a str>,
        id: i64,
    },
    /// The member is told of something.
    #[serde(rename = "notification")]
    Notification { notification: &'a NotificationBody },
    /// The server is there.
    #[serde(rename = "pong")]
    Pong {
        #[serde(rename = "ref")]
        reference: Option<&'a str>,
    },
    /// What the client sent was not done.
    #[serde(rename = "error")]
    Error {
        #[serde(rename = "ref")]
        reference: Option<&'a str>,
        status: u16,
        /// What the same refusal is over HTTP.
        error: Value,
    },
}

impl Event<'_> {
    /// The id of the message it brings.
    pub fn message_id(&self) -> Option<i64> {
        match self {
            Self::Message { message, .. } => Some(message.id),
            _ => None,
        }
    }
}
