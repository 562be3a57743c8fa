//! Going back in a live that is on (ADR 48): its other playlists, and the segments that left its window.
//!
//! Here: whether one may go back, and where to. Not here: what there is to go back to (`recorder::Rewind`).
//!
//! The multivariant playlist takes `?from=`, a date in Unix milliseconds: players then begin there. Its media playlists
//! name segments as the live's do, so that caches have each once.

use std::sync::Arc;

use axum::response::Response;
use http::request::Parts;
use hub::{Channel, Playlist};
use metrics::Counter;
use packager::Rendition;
use recorder::{Content, Error, Library, Rewind, Standing};

use crate::{
    Directives, Malformed, caching::Kept, directives::parameter, failure::Failure,
    router::Delivery, vod::unreadable,
};

/// The parameter that says where to begin.
const FROM: &str = "from";

impl Delivery {
    /// The multivariant playlist of what viewers may go back to.
    pub(crate) async fn rewind_multivariant(
        &self,
        channel: &Channel,
        rendition: Rendition,
        asked: &Parts,
    ) -> Result<Arc<Playlist>, Failure> {
        let from_ms = parameter(asked.uri.query(), FROM);
        let from_ms = from_ms.map(|it| it.parse().map_err(|_| Failure::Date)).transpose()?;
        let (_, rewind) = self.begun(channel, asked).await?;
        let of_sound = rendition == Rendition::SOUND;
        rewind.multivariant_playlist(of_sound, from_ms).ok_or(Failure::NotStarted)
    }

    /// A media playlist of it.
    pub(crate) async fn rewind_media(
        &self,
        channel: &Channel,
        rendition: Rendition,
        asked: &Parts,
    ) -> Result<Arc<Playlist>, Failure> {
        let directives =
            Directives::parse(asked.uri.query()).map_err(|Malformed| Failure::Directives)?;
        // Before what is listed is known: the end comes after its last segment, and that once it is written.
        let has_ended = channel.state().ended && !self.is_written(channel);
        let (library, rewind) = self.begun(channel, asked).await?;
        let playlist = library.rewind_playlist(&rewind, rendition, directives.skip, has_ended);
        let playlist = playlist.await.map_err(unreadable(channel.name().as_str()))?;
        playlist.ok_or(Failure::UnknownPath)
    }

    /// Something that left the window of a live.
    pub(crate) async fn rewound(
        &self,
        channel: &Channel,
        rendition: Rendition,
        seek: impl Fn(&Rewind) -> Option<Content>,
        kept: &Kept,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let (library, rewind) = self.rewind_of(channel).await.map_err(|failure| match failure {
            Failure::NoRewind => Failure::UnknownSegment,
            failure => failure,
        })?;
        let name = channel.name().as_str();
        let content = seek(&rewind).ok_or(Failure::UnknownSegment)?;
        self.stored(library, name, rendition, content, kept, asked, sent_bytes).await
    }

    /// What there is to go back to, once there is something.
    async fn begun(
        &self,
        channel: &Channel,
        asked: &Parts,
    ) -> Result<(&Library, Arc<Rewind>), Failure> {
        let found = self.rewind_of(channel).await?;
        if channel.state().last_msn.is_some() {
            return Ok(found);
        }
        let source = Rendition::Source;
        self.first(channel, source, asked, |channel| channel.media_playlist(source)).await?;
        self.rewind_of(channel).await
    }

    /// Whether some of the live may still come to its recording.
    fn is_written(&self, channel: &Channel) -> bool {
        let name = channel.name().as_str();
        self.recordings.as_ref().is_some_and(|it| it.standing(name) == Standing::Written)
    }

    async fn rewind_of(&self, channel: &Channel) -> Result<(&Library, Arc<Rewind>), Failure> {
        let (Some(library), Some(window)) = (&self.recordings, self.rewind) else {
            return Err(Failure::NoRewind);
        };
        match library.rewind(channel, window).await {
            Ok(rewind) => Ok((library, rewind)),
            Err(Error::Unknown) => Err(Failure::NoRewind),
            Err(error) => Err(unreadable(channel.name().as_str())(error)),
        }
    }
}

#[cfg(test)]
mod tests;
