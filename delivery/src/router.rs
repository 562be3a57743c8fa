//! From a request to its answer.
//!
//! Here: which live, which epoch, which of its things, and whether to wait for it. Not here: how
//! paths and headers are read (`path`, `headers`), how answers are made (`answer`).

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use axum::{extract::ConnectInfo, response::Response};
use bytes::Bytes;
use http::{Method, Request, header::RANGE, request::Parts};
use hub::{Access, Awaited, Channel, Hub, Playlist, State};
use metrics::Counter;
use packager::{Edge, Rendition};
use pictures::Pictures;
use recorder::{Library, Rewind};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    Config, Directives, Keys, Malformed, MediaPath, Position, Tickets, answer,
    caching::{self, Keeper, Kept},
    directives::parameter,
    failure::Failure,
    key::Key,
    metrics::{Kind, Metrics},
    pictures::PicturePath,
    priority,
    session::{self, Session},
    shares::Shares,
    ticket,
    vod::{self, VodPath},
    waiting::WaitingRoom,
};

/// Serves what is open in a hub. It stands beside the routers of the house and not inside of one: there
/// are thousands of requests a second, which need neither a second look at their path nor a layer.
pub struct Delivery {
    pub(crate) hub: Hub,
    waiting: WaitingRoom,
    metrics: Metrics,
    pub(crate) tickets: Tickets,
    /// The recordings of lives that are over, if there may be any.
    pub(crate) recordings: Option<Library>,
    /// The pictures of lives and of these, if there may be any.
    pub(crate) pictures: Option<Pictures>,
    /// Places for bodies of recordings on their way.
    pub(crate) bodies: Arc<Semaphore>,
    /// Places for recordings that are sent as files.
    pub(crate) downloads: Arc<Semaphore>,
    pub(crate) download_shares: Shares,
    clients: Option<Clients>,
    /// The key of viewing sessions, if viewers are counted.
    sessions: Option<Key>,
    pub(crate) first_segment_wait: Duration,
    /// How far viewers may go back, if at all.
    pub(crate) rewind: Option<Option<Duration>>,
    /// How long what is served may be kept: of public lives, of private ones.
    pub(crate) public: Kept,
    pub(crate) private: Kept,
}

/// Says where a request comes from.
type Clients = Box<dyn Fn(&Parts) -> IpAddr + Send + Sync>;

impl Delivery {
    /// Whether it answers a path: everything below `/hls/` and `/vod/`.
    pub fn answers(path: &str) -> bool {
        path.starts_with("/hls/") || path.starts_with(VodPath::ROOT)
    }

    /// Serves `hub`. Viewers' sessions and their tickets for private lives are signed by `keys`. Binds
    /// its metrics to the recorder that is installed at this moment.
    pub fn new(hub: Hub, config: &Config, keys: Keys) -> Self {
        Self {
            hub,
            waiting: WaitingRoom::new(config),
            metrics: Metrics::new(),
            tickets: Tickets::new(config, &keys),
            recordings: None,
            pictures: None,
            bodies: Arc::new(Semaphore::new(vod::BODIES_AT_ONCE)),
            downloads: Arc::new(Semaphore::new(config.downloads_at_once)),
            download_shares: Shares::new(config.downloads_per_address),
            clients: None,
            sessions: config.count_viewers.then_some(keys.sessions),
            first_segment_wait: Duration::from_millis(config.first_segment_wait_ms),
            rewind: match config.rewind_s {
                Some(0) => None,
                window_s => Some(window_s.map(Duration::from_secs)),
            },
            public: Kept::new(Keeper::Anybody, config),
            private: Kept::new(Keeper::Viewer, config),
        }
    }

    /// The same, which serves recordings too.
    pub fn with_recordings(mut self, recordings: Library) -> Self {
        self.recordings = Some(recordings);
        self
    }

    /// The same, which serves pictures too.
    pub fn with_pictures(mut self, pictures: Pictures) -> Self {
        self.pictures = Some(pictures);
        self
    }

    /// The same, for which `client` says where the download of a recording goes: who came through a proxy comes
    /// from where that says. Without it all come from where their connection does.
    pub fn with_clients(
        mut self,
        client: impl Fn(&Parts) -> IpAddr + Send + Sync + 'static,
    ) -> Self {
        self.clients = Some(Box::new(client));
        self
    }

    /// Where a request comes from.
    pub(crate) fn client(&self, asked: &Parts) -> Option<IpAddr> {
        match &self.clients {
            Some(client) => Some(client(asked)),
            None => peer(asked),
        }
    }

    /// Answers a request, whatever its method and path; its body is nobody's. Where requests carry
    /// `ConnectInfo<SocketAddr>`, an address may not take all places of those who wait.
    pub async fn answer<B>(&self, request: Request<B>) -> Response {
        let (mut asked, _) = request.into_parts();
        let is_head = asked.method == Method::HEAD;
        if is_head {
            // Ranges are defined for GET alone (RFC 9110 §14.2).
            asked.headers.remove(RANGE);
        }
        let path = MediaPath::parse(asked.uri.path());
        let vod = VodPath::parse(asked.uri.path());
        let picture = PicturePath::parse(asked.uri.path());
        let kind = match (vod, picture) {
            (Some(_), _) => Kind::Recording,
            (None, Some(_)) => Kind::Picture,
            (None, None) => path.as_ref().map_or(Kind::Other, Kind::of),
        };
        let response = match asked.method {
            Method::GET | Method::HEAD => match (path, vod) {
                (Some(path), _) => self.get(path, kind, &asked).await,
                (None, Some(path)) => {
                    let sent_bytes = self.metrics.sent_bytes(kind);
                    self.recorded(path, &asked, sent_bytes).await
                }
                (None, None) => match picture {
                    Some(path) => {
                        let sent_bytes = self.metrics.sent_bytes(kind);
                        self.picture(path, &asked, sent_bytes).await
                    }
                    None => Err(Failure::UnknownPath),
                },
            },
            Method::OPTIONS => Ok(answer::preflight()),
            _ => Err(Failure::Method),
        };
        let response = response.unwrap_or_else(answer::failure);
        self.metrics.answered(kind, response.status());
        let response = priority::apply(kind, &asked, response);
        if is_head { answer::head(response) } else { response }
    }

    async fn get(
        &self,
        path: MediaPath<'_>,
        kind: Kind,
        asked: &Parts,
    ) -> Result<Response, Failure> {
        let Some(channel) = self.hub.channel(path.name()) else {
            return self.recorded_live(path, asked, self.metrics.sent_bytes(kind)).await;
        };
        match channel.access() {
            Access::Everyone if path.ticket().is_some() => Err(Failure::UnknownPath),
            Access::Everyone => self.found(&channel, path, None, kind, asked).await,
            Access::Ticket => {
                let ticket = match path {
                    MediaPath::Multivariant { .. } | MediaPath::Rewind { .. } => {
                        parameter(asked.uri.query(), ticket::PARAMETER)
                    }
                    _ => path.ticket(),
                };
                let ticket = ticket.ok_or(Failure::NoTicket)?;
                if !self.tickets.admits(ticket, path.name(), peer(asked), now_s()) {
                    return Err(Failure::NoTicket);
                }
                let found = self.found(&channel, path, Some(ticket), kind, asked).await;
                found.or_else(|failure| Ok(answer::unkept(answer::failure(failure))))
            }
        }
    }

    /// What a path names in `channel`, for one who may have it.
    async fn found(
        &self,
        channel: &Channel,
        path: MediaPath<'_>,
        ticket: Option<&str>,
        kind: Kind,
        asked: &Parts,
    ) -> Result<Response, Failure> {
        if path.epoch().is_some_and(|epoch| epoch != channel.epoch().as_str()) {
            return Err(Failure::WrongEpoch);
        }
        if path.rendition().is_of_some_lives() && !channel.offers(path.rendition()) {
            return Err(Failure::UnknownPath);
        }
        let sent_bytes = self.metrics.sent_bytes(kind);
        let headers = &asked.headers;
        let kept = if ticket.is_some() { &self.private } else { &self.public };
        let immutable = |body, content_type| {
            let cache_control = kept.segment.clone();
            answer::immutable(body, content_type, cache_control, headers, sent_bytes.clone())
        };
        Ok(match path {
            MediaPath::Multivariant { rendition, .. } => {
                let read = |channel: &Channel| channel.multivariant_playlist(rendition);
                let playlist = self.first(channel, rendition, asked, read).await?;
                self.multivariant(channel, &playlist, ticket, kept, asked, sent_bytes)
            }
            MediaPath::Rewind { rendition, .. } => {
                let playlist = self.rewind_multivariant(channel, rendition, asked).await?;
                self.multivariant(channel, &playlist, ticket, kept, asked, sent_bytes)
            }
            MediaPath::RewindMedia { rendition, .. } => {
                let _present = self.presence(channel, asked);
                let playlist = self.rewind_media(channel, rendition, asked).await?;
                let cache_control = kept.plain(playlist.target_duration_s());
                answer::playlist(&playlist, cache_control, headers, sent_bytes)
            }
            MediaPath::Media { rendition, .. } => {
                let _present = self.presence(channel, asked);
                let (playlist, is_blocking) = self.media(channel, rendition, asked).await?;
                let target_duration_s = playlist.target_duration_s();
                let cache_control = match is_blocking {
                    true => kept.blocking(target_duration_s),
                    false => kept.plain(target_duration_s),
                };
                answer::playlist(&playlist, cache_control, headers, sent_bytes)
            }
            MediaPath::Init { rendition, id, .. } => {
                let Some(init) = channel.init(rendition, id) else {
                    let seek = |rewind: &Rewind| rewind.init(rendition, id);
                    return self.rewound(channel, rendition, seek, kept, asked, sent_bytes).await;
                };
                immutable(init, content_type(rendition))
            }
            MediaPath::Segment { rendition, number, .. } => {
                let msn = channel.numbers().msn(number);
                let Some(segment) = msn.and_then(|msn| channel.segment(msn)) else {
                    let seek = |rewind: &Rewind| rewind.segment(rendition, number);
                    return self.rewound(channel, rendition, seek, kept, asked, sent_bytes).await;
                };
                if rendition == Rendition::SourceTs && !segment.has_ts() {
                    return Err(Failure::NotInMpegTs);
                }
                // A gap has no media, and is asked for by who does not know of gaps: GStreamer gives a
                // live up for a 404, and goes on after an empty segment.
                let bytes = segment.bytes(rendition).unwrap_or_default();
                immutable(bytes, content_type(rendition))
            }
            MediaPath::Part { rendition, number, index, .. } => {
                let msn = channel.numbers().msn(number).ok_or(Failure::UnknownSegment)?;
                let at = Edge { msn, part: index };
                immutable(self.part(channel, rendition, at, asked).await?, content_type(rendition))
            }
        })
    }

    /// A multivariant playlist as one viewer gets it.
    fn multivariant(
        &self,
        channel: &Channel,
        playlist: &Playlist,
        ticket: Option<&str>,
        kept: &Kept,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Response {
        let session = self.session(channel, asked).map(|session| session.to_string());
        if let Some(mark) = session.as_deref().or(ticket) {
            let own = playlist.for_viewer(mark, |to, uri| {
                write_own(to, uri, ticket, session.as_deref());
            });
            answer::playlist(&own, caching::OWN, &asked.headers, sent_bytes)
        } else {
            let cache_control = kept.plain(playlist.target_duration_s());
            answer::playlist(playlist, cache_control, &asked.headers, sent_bytes)
        }
    }

    /// The session of who asks for a multivariant playlist: the one he brings, or a new one. None
    /// where viewers are not counted, or cannot be told apart.
    fn session(&self, channel: &Channel, asked: &Parts) -> Option<Session> {
        let key = self.sessions.as_ref()?;
        brought(key, channel, asked).or_else(|| {
            let mut random = [0; 8];
            getrandom::fill(&mut random).ok()?;
            Some(Session::from_random(key, random, channel))
        })
    }

    /// Notes that the viewer of a media playlist is there, if he says who he is: now, and when he is
    /// answered or gives up.
    fn presence<'a>(&self, channel: &'a Channel, asked: &Parts) -> Option<Presence<'a>> {
        let session = brought(self.sessions.as_ref()?, channel, asked)?;
        let presence = Presence { channel, viewer: session.viewer() };
        presence.note();
        Some(presence)
    }

    /// A media playlist as its directives ask (rfc8216bis §6.2.5), and whether it had to come to a
    /// position.
    async fn media(
        &self,
        channel: &Channel,
        rendition: Rendition,
        asked: &Parts,
    ) -> Result<(Arc<Playlist>, bool), Failure> {
        let whole = |channel: &Channel| channel.media_playlist(rendition);
        // Who is not told of directives sends none, or another server's.
        if !rendition.has_parts() {
            return Ok((self.first(channel, rendition, asked, whole).await?, false));
        }
        let directives =
            Directives::parse(asked.uri.query()).map_err(|Malformed| Failure::Directives)?;
        if channel.state().edge.is_none() {
            self.first(channel, rendition, asked, whole).await?;
        }
        if let Some(position) = directives.position {
            self.reach(channel, position, asked).await?;
        }
        let playlist = match directives.skip {
            true => channel.media_playlist_delta(rendition),
            false => whole(channel),
        };
        let failure = || if channel.state().ended { Failure::Ended } else { Failure::NotStarted };
        Ok((playlist.ok_or_else(failure)?, directives.position.is_some()))
    }

    /// Waits until `channel` has come to a position, or has ended.
    async fn reach(
        &self,
        channel: &Channel,
        position: Position,
        asked: &Parts,
    ) -> Result<(), Failure> {
        let state = channel.state();
        // What goes on after a restart cannot be waited for here.
        if state.suspended && !position.is_reached(&state) {
            return Err(Failure::Blocked);
        }
        if state.ended || position.is_reached(&state) {
            return Ok(());
        }
        let targets = state.targets.ok_or(Failure::NotStarted)?;
        if position.is_too_far(&state, targets.part) {
            return Err(Failure::TooFar);
        }
        let longest = targets.segment * BLOCKED_TARGETS;
        let reached = |state: &State| position.is_reached(state);
        let came = self.wait(channel, Awaited::Playlist, asked, longest, reached).await?;
        let state = channel.state();
        match came && (state.ended || !state.suspended || position.is_reached(&state)) {
            true => Ok(()),
            false => Err(Failure::Blocked),
        }
    }

    /// A part, waiting for it if it is the one that comes next: no byte is sent before it is whole
    /// (rfc8216bis §6.2.6).
    async fn part(
        &self,
        channel: &Channel,
        rendition: Rendition,
        at: Edge,
        asked: &Parts,
    ) -> Result<Bytes, Failure> {
        let read = || channel.part(rendition, at.msn, at.part);
        if let Some(part) = read() {
            return Ok(part);
        }
        let state = channel.state();
        let is_next = rendition.has_parts() && !state.is_final() && state.next_part == Some(at);
        if is_next {
            let targets = state.targets.ok_or(Failure::UnknownSegment)?;
            let longest = targets.segment * BLOCKED_TARGETS;
            // Or another one in its place: then nothing more is known of this one. Those who wait may
            // be told of older states first.
            let since = state.revision;
            let came = |state: &State| state.revision >= since && state.next_part != Some(at);
            self.wait(channel, Awaited::Media, asked, longest, came).await?;
            return read().ok_or(Failure::Belied);
        }
        // It may have come since it was looked for.
        read().ok_or(Failure::UnknownSegment)
    }

    /// What `read` finds in `channel`, waiting for the first segment if it must.
    pub(crate) async fn first(
        &self,
        channel: &Channel,
        rendition: Rendition,
        asked: &Parts,
        read: impl Fn(&Channel) -> Option<Arc<Playlist>>,
    ) -> Result<Arc<Playlist>, Failure> {
        if let Some(playlist) = read(channel) {
            return Ok(playlist);
        }
        let since = Instant::now();
        let enough = |state: &State| match rendition.has_parts() {
            true => state.edge.is_some(),
            // The first segment alone, a fifth of a second, is no start for who knows no parts.
            false => state.last_msn.is_some_and(|last| last > 0),
        };
        let longest = self.first_segment_wait;
        let came = self.wait(channel, Awaited::Playlist, asked, longest, enough).await?;
        let playlist = read(channel).ok_or_else(|| match came {
            true if !channel.offers(rendition) => Failure::NotInMpegTs,
            true if channel.state().ended => Failure::Ended,
            _ => Failure::NotStarted,
        })?;
        self.metrics.first_playlist_seconds.record(since.elapsed());
        Ok(playlist)
    }

    async fn wait(
        &self,
        channel: &Channel,
        awaited: Awaited,
        asked: &Parts,
        longest: Duration,
        enough: impl Fn(&State) -> bool,
    ) -> Result<bool, Failure> {
        self.waiting.wait(channel, awaited, peer(asked), &self.metrics, longest, enough).await
    }
}

/// A viewer whose request is being answered.
struct Presence<'a> {
    channel: &'a Channel,
    viewer: u64,
}

impl Presence<'_> {
    fn note(&self) {
        self.channel.saw(self.viewer, Instant::now());
    }
}

impl Drop for Presence<'_> {
    fn drop(&mut self) {
        self.note();
    }
}

/// The session in the query of a request, if `channel` gave it.
fn brought(key: &Key, channel: &Channel, asked: &Parts) -> Option<Session> {
    let text = parameter(asked.uri.query(), session::PARAMETER)?;
    Session::read(key, text, channel)
}

/// Writes the URI of a media playlist as one viewer asks for it: under his ticket, in the name of
/// his session.
fn write_own(to: &mut String, uri: &str, ticket: Option<&str>, session: Option<&str>) {
    match (uri.rsplit_once('/'), ticket) {
        (Some((folder, file)), Some(ticket)) => to.extend([folder, "/", ticket, "/", file]),
        _ => to.push_str(uri),
    }
    to.extend(session.into_iter().flat_map(|session| ["?", session::PARAMETER, "=", session]));
}

pub(crate) fn peer(asked: &Parts) -> Option<IpAddr> {
    asked.extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip())
}

/// Now, in Unix seconds.
pub(crate) fn now_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

/// A request blocked for longer than so many target durations is given up (rfc8216bis §6.2.5.2).
const BLOCKED_TARGETS: u32 = 3;

/// `video/iso.segment` is as right for fMP4 and known to fewer players and proxies.
pub(crate) fn content_type(rendition: Rendition) -> &'static str {
    match rendition {
        Rendition::Source | Rendition::Video => "video/mp4",
        Rendition::SourceTs => "video/mp2t",
        Rendition::Audio(_) => "audio/mp4",
    }
}

#[cfg(test)]
mod tests;
