//! Real time over a WebSocket (RFC 6455).
//!
//! Here: what a client may send, pings, and why it is let go. Not here: what it is told (`rooms`).
//!
//! The access token comes in a message: an address ends up in logs, and a browser sends no header.

use std::time::Duration;

use axum::{
    Extension,
    extract::{
        FromRequestParts, State, WebSocketUpgrade,
        ws::{CloseFrame, Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    response::Response,
};
use futures_util::SinkExt as _;
use http::request::Parts;
use media::id::LiveId;
use serde_json::{Map, Value};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};

use super::{
    Connection, Doubts, Place, Realtime, drained,
    events::Event,
    rooms::{self, Listener, Wanted},
    topic::Frame,
};
use crate::{
    address::Client,
    auth::Session,
    chat,
    error::Error,
    json::{Fields, Text, moment, no_choice},
    lives::NO_LIVE,
    router::Shared,
    throttle::{Rate, Throttle},
};

/// Memory of a client from which nothing comes: messages are short and rare.
const READ_BUFFER_BYTES: usize = 2 * 1024;
/// What may wait within the WebSocket itself: more than the longest answer to a client that joins.
const WRITE_BUFFER_MAX_BYTES: usize = 8 * 1024 * 1024;
/// What one client may send, whatever it is; what it says is limited besides, with what its member
/// writes elsewhere.
const MESSAGES: Rate = Rate { burst: 60, per_minute: 300 };
/// Longest `ref`, in characters.
const REFERENCE_MAX_CHARS: usize = 64;
/// How long a client may take to hear why it is let go.
const FAREWELL: Duration = Duration::from_secs(1);

const NO_UPGRADE: &str = "Cette adresse s'ouvre en WebSocket (HTTP/1.1).";
const NOT_TEXT: &str = "Un message est un objet JSON, envoyé comme du texte.";
const NO_ROOM: &str = "Rejoignez d'abord un direct (live.join).";
const OTHER_MEMBER: &str = "Cette connexion est celle d'un autre membre : ouvrez-en une nouvelle.";

/// Why a client is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parting {
    /// It left, or its link broke.
    Gone,
    /// It broke the protocol, or sent what no client sends.
    Hostile(u16, &'static str),
    /// It did not keep up with what is told.
    Slow,
    /// Nothing came from it for too long.
    Silent,
    /// Its access token is too old.
    Expired,
    /// The server goes down.
    Restart,
}

impl Parting {
    /// Code and reason (RFC 6455 §7.4); those from 4000 on are ours.
    fn close(self) -> Option<(u16, &'static str)> {
        match self {
            Self::Gone => None,
            Self::Hostile(code, reason) => Some((code, reason)),
            Self::Slow => Some((1013, "connexion trop lente : reconnectez-vous")),
            Self::Silent => Some((1001, "connexion inactive")),
            Self::Expired => Some((4401, "session expirée : reconnectez-vous")),
            Self::Restart => Some((1012, "le serveur redémarre : reconnectez-vous")),
        }
    }
}

/// Opens a WebSocket, for anyone. A program that can send a header may sign in with it.
pub async fn open(
    State(api): State<Shared>,
    client: Client,
    connection: Option<Extension<Connection>>,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    mut asked: Parts,
) -> Result<Response, Error> {
    let upgrade = upgrade.map_err(|_| Error::Refused(NO_UPGRADE))?;
    let session = match Session::from_request_parts(&mut asked, &api).await {
        Ok(session) => Some(session),
        Err(Error::NoSession) => None,
        Err(error) => return Err(error),
    };
    let place = Realtime::enter(&api, &client)?;
    let message_max_bytes = api.config.realtime.message_max_bytes;
    let upgrade = upgrade
        .max_message_size(message_max_bytes)
        .max_frame_size(message_max_bytes)
        .read_buffer_size(READ_BUFFER_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BUFFER_MAX_BYTES);
    // Kept until the farewell is said: the server waits for it.
    let mut connection = connection.map(|Extension(connection)| connection);
    Ok(upgrade.on_upgrade(async move |socket| {
        let mut talk = Talk {
            stalled: Duration::from_secs(api.config.realtime.stalled_s),
            messages: Throttle::new(MESSAGES, 2),
            listener: Listener::default(),
            session: None,
            doubts: Doubts::default(),
            api,
            client,
            socket,
            _place: place,
        };
        let parting = match session {
            Some(session) => talk.welcome(session).await,
            None => Ok(()),
        };
        let parting = match parting {
            Ok(()) => talk.converse(&mut connection).await,
            Err(parting) => parting,
        };
        talk.part(parting).await;
    }))
}

/// One client.
struct Talk {
    api: Shared,
    client: Client,
    socket: WebSocket,
    session: Option<Session>,
    doubts: Doubts,
    listener: Listener,
    messages: Throttle<()>,
    stalled: Duration,
    _place: Place,
}

impl Talk {
    /// Listens to the client and to what happens, until one of them ends it.
    async fn converse(&mut self, connection: &mut Option<Connection>) -> Parting {
        let idle = Duration::from_secs(self.api.config.realtime.idle_s);
        let mut pings = interval_at(Instant::now() + idle / 3, idle / 3);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut heard = Instant::now();
        // Kept from one turn to the next: with thousands of clients, setting them up anew is work.
        let expired = sleep_until(self.expires().unwrap_or(heard));
        let drained = drained(connection);
        tokio::pin!(expired, drained);
        loop {
            let outcome = tokio::select! {
                frame = self.listener.next() => match frame {
                    Ok(frame) => self.send(frame).await,
                    Err(rooms::Behind) => Err(Parting::Slow),
                },
                message = self.socket.recv() => {
                    heard = Instant::now();
                    let outcome = self.hear(message).await;
                    expired.as_mut().reset(self.expires().unwrap_or(heard));
                    outcome
                }
                _ = pings.tick() => {
                    if heard.elapsed() >= idle {
                        Err(Parting::Silent)
                    } else if self.has_ended().await {
                        Err(Parting::Expired)
                    } else {
                        self.write(Message::Ping(Default::default())).await
                    }
                }
                () = self.doubts.come() => {
                    if self.has_ended().await { Err(Parting::Expired) } else { Ok(()) }
                }
                () = expired.as_mut(), if self.session.is_some() => Err(Parting::Expired),
                () = drained.as_mut() => Err(Parting::Restart),
            };
            if let Err(parting) = outcome {
                return parting;
            }
        }
    }

    /// Whether a password was changed, or an account closed.
    async fn has_ended(&mut self) -> bool {
        match &self.session {
            Some(session) => session.has_ended(&self.api).await,
            None => false,
        }
    }

    /// When the member's token is too old.
    fn expires(&self) -> Option<Instant> {
        let left_ms = self.session.as_ref()?.expires_ms - self.api.clock.now_ms();
        Some(Instant::now() + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)))
    }

    async fn hear(&mut self, message: Option<Result<Message, axum::Error>>) -> Result<(), Parting> {
        let text = match message {
            Some(Ok(Message::Text(text))) => Some(text),
            Some(Ok(Message::Binary(_))) => None,
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => return Ok(()),
            Some(Ok(Message::Close(_))) | None => return Err(Parting::Gone),
            Some(Err(error)) => return Err(parting(&error)),
        };
        if self.messages.take(&(), self.api.clock.now_ms()).is_err() {
            return Err(Parting::Hostile(1008, "trop de messages"));
        }
        let fields = text.and_then(|text| serde_json::from_str::<Map<String, Value>>(&text).ok());
        let Some(fields) = fields else { return self.refuse(None, Error::Refused(NOT_TEXT)).await };
        let reference = fields.get("ref").and_then(Value::as_str);
        let reference =
            reference.map(|text| text.chars().take(REFERENCE_MAX_CHARS).collect::<String>());
        let reference = reference.as_deref();
        match self.answer(fields, reference).await {
            Ok(frames) => {
                for frame in frames {
                    self.send(frame).await?;
                }
                Ok(())
            }
            Err(error) => self.refuse(reference, error).await,
        }
    }

    /// Does what the client asks for; gives what it is told in answer.
    async fn answer(
        &mut self,
        mut fields: Map<String, Value>,
        reference: Option<&str>,
    ) -> Result<Vec<Frame>, Error> {
        let inner = fields.remove("message");
        let mut fields = Fields::from(fields);
        let wanted = fields.text("type", Text::REQUIRED.at_most(REFERENCE_MAX_CHARS));
        let event = match wanted.as_deref() {
            Some("auth") => {
                let token = fields.text("token", Text::REQUIRED);
                fields.finish()?;
                let session = Session::of(&token.unwrap_or_default(), &self.api).await?;
                return self.sign_in(session);
            }
            Some("live.join") => return self.join(fields).await,
            Some("live.leave") => {
                let live_id = self.listener.room().map(|room| room.id.get());
                self.listener.leave();
                Event::Left { live_id: live_id.ok_or(Error::Refused(NO_ROOM))? }
            }
            Some("chat.say") => {
                let session = self.session.as_ref().ok_or(Error::NoSession)?;
                let user = &session.check(&self.api).await?;
                let room = self.listener.room().ok_or(Error::Refused(NO_ROOM))?;
                let Some(Value::Object(message)) = inner else {
                    return Err(Error::field("message", NOT_TEXT));
                };
                let said = chat::speak(&self.api, room, user, Fields::from(message)).await?;
                Event::Said { reference, id: said.id }
            }
            Some("ping") => Event::Pong { reference },
            Some(other) => return Err(Error::field("type", no_choice(other))),
            None => return Err(fields.finish().err().unwrap_or(Error::Refused(NOT_TEXT))),
        };
        Ok(Frame::of([&event]).into_iter().collect())
    }

    /// From now on the client is this member's.
    fn sign_in(&mut self, session: Session) -> Result<Vec<Frame>, Error> {
        match &self.session {
            Some(before) if before.user.id != session.user.id => {
                return Err(Error::Forbidden(OTHER_MEMBER));
            }
            Some(_) => {}
            None => {
                let member =
                    self.api.realtime.member(session.user.id, &self.api.config.realtime)?;
                self.doubts = Doubts::about(&member);
                self.listener.follow_member(member);
            }
        }
        let user_id = session.user.id.get();
        let expires_at = moment(session.expires_ms);
        self.session = Some(session);
        Ok(Frame::of([&Event::Session { user_id, expires_at }]).into_iter().collect())
    }

    async fn join(&mut self, mut fields: Fields) -> Result<Vec<Frame>, Error> {
        let id = fields.id("live_id").flatten();
        let name = fields.text("playback_name", Text::OPTIONAL.if_present().at_most(64));
        let after = fields.id("after").flatten();
        fields.finish()?;
        let wanted = match (id, name) {
            (Some(id), _) => Wanted::Id(LiveId::new(id)),
            (None, Some(name)) => Wanted::Name(name),
            (None, None) => return Err(NO_LIVE),
        };
        // It asks the database, as a request would.
        self.api.limits.watch(&self.client, self.api.clock.now_ms())?;
        let room = rooms::find(&self.api, &wanted).await?;
        let reader = match &self.session {
            Some(session) => Some(session.check(&self.api).await?),
            None => None,
        };
        self.listener.join(&self.api, room, reader.as_ref(), after).await
    }

    async fn welcome(&mut self, session: Session) -> Result<(), Parting> {
        match self.sign_in(session) {
            Ok(frames) => {
                for frame in frames {
                    self.send(frame).await?;
                }
                Ok(())
            }
            Err(error) => {
                self.refuse(None, error).await?;
                Err(Parting::Hostile(1008, "trop de connexions"))
            }
        }
    }

    async fn refuse(&mut self, reference: Option<&str>, error: Error) -> Result<(), Parting> {
        let (status, error) = error.told();
        let event = Event::Error { reference, status: status.as_u16(), error };
        match Frame::of([&event]) {
            Some(frame) => self.send(frame).await,
            None => Ok(()),
        }
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Parting> {
        self.write(Message::Text(frame.text)).await
    }

    async fn write(&mut self, message: Message) -> Result<(), Parting> {
        match timeout(self.stalled, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Parting::Gone),
            Err(_) => Err(Parting::Slow),
        }
    }

    /// Says why, and closes.
    async fn part(mut self, parting: Parting) {
        if parting == Parting::Slow {
            metrics::counter!("realtime_slow_clients_total").increment(1);
        }
        let Some((code, reason)) = parting.close() else { return };
        let frame = CloseFrame { code, reason: reason.into() };
        let _ = timeout(FAREWELL, async {
            self.socket.send(Message::Close(Some(frame))).await?;
            self.socket.flush().await?;
            // Its answer: a socket closed with bytes unread resets, and the reason is lost with it.
            while let Some(Ok(_)) = self.socket.recv().await {}
            Ok::<_, axum::Error>(())
        })
        .await;
    }
}

/// What the client did wrong on the wire.
fn parting(error: &axum::Error) -> Parting {
    // axum keeps the kinds of its library to itself; the first words of each are its own.
    let text = error.to_string();
    if text.contains("too long") || text.contains("too big") || text.contains("Space limit") {
        Parting::Hostile(1009, "message trop grand")
    } else if text.contains("UTF-8") {
        Parting::Hostile(1007, "texte qui n'est pas de l'UTF-8")
    } else if text.contains("protocol error") {
        Parting::Hostile(1002, "erreur de protocole")
    } else {
        Parting::Gone
    }
}
