//! From a request to its answer.
//!
//! Here: which live, which epoch, which of its things, and whether to wait for it. Not here: how
//! paths and headers are read (`path`, `headers`), how answers are made (`answer`).

use std::{net::SocketAddr, sync::Arc};

use axum::{
    Router,
    extract::{ConnectInfo, Request, State},
    response::Response,
    routing::any,
};
use http::{HeaderValue, Method, header::RANGE, request::Parts};
use hub::{Channel, Hub, Playlist};
use packager::Container;

use crate::{
    Config, MediaPath, answer, caching,
    failure::Failure,
    metrics::{Kind, Metrics},
    priority,
    waiting::WaitingRoom,
};

/// The routes under `/hls/`, serving what is open in `hub`.
///
/// Binds its metrics to the recorder that is installed at this moment. The service answers every
/// method and path below `/hls/` itself; it reads no request body and needs no layer. Where requests
/// carry `ConnectInfo<SocketAddr>`, an address may not take all places of those who wait.
pub fn router(hub: Hub, config: Config) -> Router {
    let delivery = Delivery {
        hub,
        waiting: WaitingRoom::new(&config),
        metrics: Metrics::new(),
        segment_cache_control: caching::segment(&config),
    };
    Router::new()
        .route("/hls/", any(serve))
        .route("/hls/{*path}", any(serve))
        .with_state(Arc::new(delivery))
}

struct Delivery {
    hub: Hub,
    waiting: WaitingRoom,
    metrics: Metrics,
    segment_cache_control: HeaderValue,
}

async fn serve(State(delivery): State<Arc<Delivery>>, request: Request) -> Response {
    let (mut asked, _) = request.into_parts();
    if asked.method == Method::HEAD {
        // Ranges are defined for GET alone (RFC 9110 §14.2).
        asked.headers.remove(RANGE);
    }
    let path = MediaPath::parse(asked.uri.path());
    let kind = path.as_ref().map_or(Kind::Other, Kind::of);
    let response = match asked.method {
        Method::GET | Method::HEAD => match path {
            Some(path) => delivery.get(path, kind, &asked).await,
            None => Err(Failure::UnknownPath),
        },
        Method::OPTIONS => Ok(answer::preflight()),
        _ => Err(Failure::Method),
    };
    let response = response.unwrap_or_else(answer::failure);
    delivery.metrics.answered(kind, response.status());
    priority::apply(kind, &asked, response)
}

impl Delivery {
    async fn get(
        &self,
        path: MediaPath<'_>,
        kind: Kind,
        asked: &Parts,
    ) -> Result<Response, Failure> {
        let channel = self.hub.channel(path.name()).ok_or(Failure::UnknownLive)?;
        if path.epoch().is_some_and(|epoch| epoch != channel.epoch().as_str()) {
            return Err(Failure::WrongEpoch);
        }
        let sent_bytes = self.metrics.sent_bytes(kind);
        let immutable = |body, content_type| {
            let cache_control = self.segment_cache_control.clone();
            let headers = &asked.headers;
            answer::immutable(body, content_type, cache_control, headers, sent_bytes.clone())
        };
        Ok(match path {
            MediaPath::Multivariant { container, .. } => {
                let read = |channel: &Channel| channel.multivariant_playlist(container);
                let playlist = self.playlist(&channel, asked, read).await?;
                answer::playlist(&playlist, &asked.headers, sent_bytes)
            }
            MediaPath::Media { container, .. } => {
                let read = |channel: &Channel| channel.media_playlist(container);
                let playlist = self.playlist(&channel, asked, read).await?;
                answer::playlist(&playlist, &asked.headers, sent_bytes)
            }
            MediaPath::Init { id, .. } => {
                let init = channel.init(id).ok_or(Failure::UnknownSegment)?;
                immutable(init, "video/mp4")
            }
            MediaPath::Segment { msn, container, .. } => {
                let segment = channel.segment(msn).ok_or(Failure::UnknownSegment)?;
                // `video/iso.segment` is as right for fMP4 and known to fewer players and proxies.
                match container {
                    Container::Fmp4 => immutable(segment.fmp4(), "video/mp4"),
                    Container::Ts => immutable(segment.ts(), "video/mp2t"),
                }
            }
        })
    }

    /// What `read` finds in `channel`, waiting for the first segment if it must.
    async fn playlist(
        &self,
        channel: &Channel,
        asked: &Parts,
        read: impl Fn(&Channel) -> Option<Arc<Playlist>>,
    ) -> Result<Arc<Playlist>, Failure> {
        if let Some(playlist) = read(channel) {
            return Ok(playlist);
        }
        let peer = asked.extensions.get().map(|ConnectInfo::<SocketAddr>(peer)| peer.ip());
        self.waiting.wait(channel, peer, &self.metrics, |state| state.edge.is_some()).await?;
        read(channel).ok_or(Failure::Ended)
    }
}

#[cfg(test)]
mod tests;
