//! Real time as server-sent events (HTML Living Standard §9.2), for clients whose network lets no
//! WebSocket through.
//!
//! Here: one live and the member's notifications, from the request on. Saying is `POST`, as ever.

use std::{
    collections::VecDeque,
    convert::Infallible,
    time::{Duration, Instant},
};

use axum::{
    Extension,
    extract::{FromRequestParts, State},
    response::{
        IntoResponse, Response,
        sse::{self, KeepAlive, Sse},
    },
};
use futures_util::{Stream, stream::unfold};
use http::{HeaderName, HeaderValue, request::Parts};
use media::id::LiveId;

use super::{
    Connection, Doubts, Place, Realtime, drained,
    events::Event,
    rooms::{self, Listener, Wanted},
    topic::Frame,
};
use crate::{
    address::Client,
    auth::Session,
    error::Error,
    json::moment,
    page::List,
    router::{Api, Shared},
};

/// The id of the last event a client has seen, sent by itself when it comes back.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// How soon a client comes back.
const RETRY: Duration = Duration::from_secs(2);
/// Between two signs of life: proxies end what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// How often it is seen whether the session was ended meanwhile.
const LOOK: Duration = Duration::from_secs(25);

const NOTHING: &str = "Indiquez un direct (live_id ou playback_name), ou connectez-vous.";
const NO_ID: &str = "Un nombre entier valide est requis.";

/// What is told to one client, until its token is too old, it is too slow, or the server goes down;
/// it then comes back by itself.
pub async fn open(
    State(api): State<Shared>,
    client: Client,
    connection: Option<Extension<Connection>>,
    list: List,
    mut asked: Parts,
) -> Result<Response, Error> {
    let session = match Session::from_request_parts(&mut asked, &api).await {
        Ok(session) => Some(session),
        Err(Error::NoSession) => None,
        Err(error) => return Err(error),
    };
    let seen = asked.headers.get(LAST_EVENT_ID).and_then(|id| id.to_str().ok());
    let after = seen.or_else(|| list.param("after")).map(|id| number("after", id)).transpose()?;
    let wanted = match (list.param("live_id"), list.param("playback_name")) {
        (Some(id), _) => Some(Wanted::Id(LiveId::new(number("live_id", id)?))),
        (None, Some(name)) => Some(Wanted::Name(name.to_owned())),
        (None, None) if session.is_none() => return Err(Error::Refused(NOTHING)),
        (None, None) => None,
    };
    let place = Realtime::enter(&api, &client)?;
    let (told, doubts) = told(&api, session.as_ref(), wanted, after).await?;
    let session = session.map(|session| {
        let left_ms = session.expires_ms - api.clock.now_ms();
        let expires = Instant::now() + Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        SignedIn { session, expires, look: Instant::now() + LOOK, doubts, api }
    });
    let connection = connection.map(|Extension(connection)| connection);
    let reading = Reading { told, session, connection, _place: place };
    let keep_alive = KeepAlive::new().interval(KEEP_ALIVE);
    let mut response = Sse::new(reading.events()).keep_alive(keep_alive).into_response();
    // nginx would gather it for later.
    let unbuffered = HeaderValue::from_static("no");
    response.headers_mut().insert(HeaderName::from_static("x-accel-buffering"), unbuffered);
    Ok(response)
}

/// What one client is told: first what there is already.
struct Told {
    first: VecDeque<Frame>,
    listener: Listener,
}

async fn told(
    api: &Api,
    session: Option<&Session>,
    wanted: Option<Wanted>,
    after: Option<i64>,
) -> Result<(Told, Doubts), Error> {
    let (mut first, mut listener) = (VecDeque::new(), Listener::default());
    let mut doubts = Doubts::default();
    if let Some(session) = session {
        let (user_id, expires_at) = (session.user.id.get(), moment(session.expires_ms));
        let member = api.realtime.member(session.user.id, &api.config.realtime)?;
        doubts = Doubts::about(&member);
        listener.follow_member(member);
        first.extend(Frame::of([&Event::Session { user_id, expires_at }]));
    }
    if let Some(wanted) = wanted {
        let room = rooms::find(api, &wanted).await?;
        let reader = session.map(|session| &session.user);
        first.extend(listener.join(api, room, reader, after).await?);
    }
    Ok((Told { first, listener }, doubts))
}

/// One client that reads.
struct Reading {
    told: Told,
    session: Option<SignedIn>,
    connection: Option<Connection>,
    _place: Place,
}

/// A session that lasts.
struct SignedIn {
    session: Session,
    expires: Instant,
    /// When it is next seen whether it was ended.
    look: Instant,
    doubts: Doubts,
    api: Shared,
}

impl SignedIn {
    /// Waits until its token is too old, or it was ended.
    async fn end(&mut self) {
        loop {
            tokio::select! {
                () = tokio::time::sleep_until(self.expires.min(self.look).into()) => {}
                () = self.doubts.come() => self.look = Instant::now(),
            }
            if Instant::now() >= self.expires {
                return;
            }
            // What is told meanwhile may cut it short: it is then seen the next time.
            if self.session.has_ended(&self.api).await {
                return;
            }
            self.look = Instant::now() + LOOK;
        }
    }
}

impl Reading {
    fn events(self) -> impl Stream<Item = Result<sse::Event, Infallible>> {
        unfold(self, async |mut reading| {
            let frame = reading.next().await?;
            // A frame is one line: JSON of ours holds no line break.
            let mut event = sse::Event::default().retry(RETRY).data(frame.text.as_str());
            if let Some(id) = frame.last_message {
                event = event.id(id.to_string());
            }
            Some((Ok(event), reading))
        })
    }

    async fn next(&mut self) -> Option<Frame> {
        let Self { told, session, connection, .. } = self;
        if let Some(frame) = told.first.pop_front() {
            return Some(frame);
        }
        let expired = async {
            match session {
                Some(session) => session.end().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            frame = told.listener.next() => frame.ok(),
            () = expired => None,
            () = drained(connection) => None,
        }
    }
}

fn number(name: &str, text: &str) -> Result<i64, Error> {
    text.parse().map_err(|_| Error::field(name, NO_ID))
}
