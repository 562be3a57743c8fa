//! Recordings: the URLs under `/vod/`, and how what they name is served.
//!
//! Here: paths, tickets, bodies that come from a disk. Not here: what a recording is (`recorder`).
//!
//! A body is read in pieces of 256 KiB, each when the socket took the one before: a viewer who takes nothing
//! costs a piece and an open file, of which there are as many at once as [`BODIES_AT_ONCE`] (and files of whole
//! recordings: `film`). A piece that is
//! damaged ends its body early, so that a player takes it for a lost connection and never for media.

use std::{ops::Range, sync::Arc};

use axum::{body::Body, response::Response};
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Method, request::Parts};
use hub::Access;
use media::id::PlaybackName;
use metrics::Counter;
use packager::Rendition;
use recorder::{Content, Error, Library, Open, Recording, Standing};

use crate::{
    MediaPath, Ticket, answer,
    caching::{self, Kept},
    directives::parameter,
    failure::Failure,
    film,
    path::is_word,
    router::{Delivery, content_type, now_s, peer},
    ticket::{self, is_file_name},
};

/// Bodies of recordings on their way at once. Each is an open file and a piece, or one track of a segment.
pub(crate) const BODIES_AT_ONCE: usize = 1_000;

/// What a path below `/vod/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct VodPath<'a> {
    pub name: &'a str,
    pub ticket: Option<&'a str>,
    pub thing: Thing<'a>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing<'a> {
    /// `/vod/{name}/index.m3u8`
    Multivariant,
    /// `/vod/{name}/source.m3u8`, `/vod/{name}/{ticket}/source.m3u8`
    Media(Rendition),
    /// `/vod/{name}/{epoch}/init-0.mp4`, `/vod/{name}/{ticket}/{epoch}/init-0.mp4`
    Init(&'a str, Rendition, u32),
    /// `/vod/{name}/{epoch}/17.m4s`, `/vod/{name}/{ticket}/{epoch}/17.m4s`
    Segment(&'a str, Rendition, u64),
    /// `/vod/{name}/{ticket}/{title}.mp4`: all of it, as a file called so.
    Film(&'a str),
}

impl<'a> VodPath<'a> {
    /// Everything below it is answered.
    pub const ROOT: &'static str = "/vod/";

    /// Reads the path of a URL. `None` when it names nothing of ours.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path.len() > MediaPath::MAX_LEN {
            return None;
        }
        let (name, rest) = path.strip_prefix(Self::ROOT)?.split_once('/')?;
        let (ticket, rest) = match rest.split_once('/') {
            Some((ticket, rest)) if Ticket::parse(ticket).is_some() => (Some(ticket), rest),
            _ => (None, rest),
        };
        let thing = match rest.split_once('/') {
            None if rest == "index.m3u8" && ticket.is_none() => Thing::Multivariant,
            None if ticket.is_some() && is_file_name(rest) => Thing::Film(rest),
            None => Thing::Media(MediaPath::playlist(rest)?),
            Some((epoch, file)) if is_word(epoch, MediaPath::MAX_EPOCH_LEN) => {
                match MediaPath::file(name, epoch, ticket, file)? {
                    MediaPath::Init { rendition, id, .. } => Thing::Init(epoch, rendition, id),
                    MediaPath::Segment { rendition, number, .. } => {
                        Thing::Segment(epoch, rendition, number)
                    }
                    _ => return None,
                }
            }
            Some(_) => return None,
        };
        is_word(name, PlaybackName::MAX_LEN).then_some(Self { name, ticket, thing })
    }
}

impl Delivery {
    /// What a path names in the recordings.
    pub(crate) async fn recorded(
        &self,
        path: VodPath<'_>,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let library = self.recordings.as_ref().ok_or(Failure::UnknownRecording)?;
        if let Thing::Film(file) = path.thing {
            let found = self.film(library, path, file, asked, sent_bytes).await;
            return Ok(found.unwrap_or_else(|failure| answer::unkept(answer::failure(failure))));
        }
        let recording = find(library, path.name).await?;
        let is_private = recording.access() == Access::Ticket;
        let found = self.found_in(library, &recording, path, asked, sent_bytes).await;
        match found {
            Err(failure) if is_private => Ok(answer::unkept(answer::failure(failure))),
            found => found,
        }
    }

    async fn found_in(
        &self,
        library: &Library,
        recording: &Recording,
        path: VodPath<'_>,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let ticket = match (recording.access(), path.thing) {
            (Access::Everyone, _) if path.ticket.is_some() => return Err(Failure::UnknownPath),
            (Access::Everyone, _) => None,
            (Access::Ticket, Thing::Multivariant) => {
                Some(parameter(asked.uri.query(), ticket::PARAMETER).ok_or(Failure::NoTicket)?)
            }
            (Access::Ticket, _) => Some(path.ticket.ok_or(Failure::NoTicket)?),
        };
        if ticket.is_some_and(|it| !self.tickets.admits(it, path.name, peer(asked), now_s())) {
            return Err(Failure::NoTicket);
        }
        let kept = if ticket.is_some() { &self.private } else { &self.public };
        let headers = &asked.headers;
        let content = match path.thing {
            Thing::Multivariant => {
                return offered(recording, "", ticket, kept, headers, sent_bytes);
            }
            Thing::Media(rendition) => {
                let playlist = recording.media_playlist(rendition).ok_or(Failure::UnknownPath)?;
                let cache_control = kept.blocking(playlist.target_duration_s());
                return Ok(answer::playlist(&playlist, cache_control, headers, sent_bytes));
            }
            Thing::Init(epoch, rendition, id) => {
                recording.init(epoch, rendition, id).map(|it| (rendition, it))
            }
            Thing::Segment(epoch, rendition, number) => {
                recording.segment(epoch, rendition, number).map(|it| (rendition, it))
            }
            Thing::Film(_) => return Err(Failure::UnknownPath),
        };
        let (rendition, content) = content.ok_or(Failure::UnknownSegment)?;
        self.stored(library, path.name, rendition, content, kept, asked, sent_bytes).await
    }

    /// Something of the recording of a name, whole or the range asked for.
    #[expect(clippy::too_many_arguments, reason = "what is answered, of what, and to whom")]
    pub(crate) async fn stored(
        &self,
        library: &Library,
        name: &str,
        rendition: Rendition,
        content: Content,
        kept: &Kept,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let len = match &content {
            Content::Nothing => 0,
            Content::Alone(alone) => alone.len(),
            Content::Stored(blob) => blob.len(),
        };
        let (content_type, cache_control) = (content_type(rendition), kept.segment.clone());
        let (response, range) =
            answer::immutable_head(len, content_type, cache_control, &asked.headers);
        let Some(range) = range else { return Ok(response) };
        // What nobody reads is not read.
        let body = match asked.method == Method::HEAD || range.is_empty() {
            true => Body::empty(),
            false => self.body(library, name, content, range.clone(), sent_bytes).await?,
        };
        Ok(answer::with_length(response, body, range.end - range.start))
    }

    /// The bytes of `range`, where there is a place for them.
    async fn body(
        &self,
        library: &Library,
        name: &str,
        content: Content,
        range: Range<u64>,
        sent_bytes: Counter,
    ) -> Result<Body, Failure> {
        let place = Arc::clone(&self.bodies).try_acquire_owned().map_err(|_| Failure::Busy)?;
        let (from, is_far) = (range.clone(), content.is_far());
        // Before the head is sent: what cannot be read is told.
        let (open, first) = match content {
            Content::Nothing => return Ok(Body::empty()),
            Content::Alone(alone) => {
                let whole = library.read_from(is_far, move || alone.read()).await;
                let whole = whole.map_err(unreadable(name))?;
                (None, answer::slice(&whole, from))
            }
            Content::Stored(blob) => {
                let read = move || {
                    let open = blob.open()?;
                    let first = open.read(from)?;
                    Ok((Some(open), first))
                };
                library.read_from(is_far, read).await.map_err(unreadable(name))?
            }
        };
        let reader = Reader { recordings: library.clone(), name: name.to_owned(), sent_bytes };
        Ok(pieces(reader, open, place, first, range))
    }

    /// What a path of a live names whose channel is gone: its playlist, as it stands, so that no player has to follow
    /// anywhere, and its segments, for who went back and has not come to its end.
    pub(crate) async fn recorded_live(
        &self,
        path: MediaPath<'_>,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let thing = match path {
            MediaPath::Init { epoch, rendition, id, .. } => Thing::Init(epoch, rendition, id),
            MediaPath::Segment { epoch, rendition, number, .. } => {
                Thing::Segment(epoch, rendition, number)
            }
            MediaPath::Multivariant { rendition: Rendition::Source, .. }
            | MediaPath::Rewind { rendition: Rendition::Source, .. } => Thing::Multivariant,
            _ => return Err(Failure::UnknownLive),
        };
        let name = path.name();
        if thing != Thing::Multivariant {
            let path = VodPath { name, ticket: path.ticket(), thing };
            return match self.recorded(path, asked, sent_bytes).await {
                Err(Failure::UnknownRecording | Failure::NotFinished) => Err(Failure::UnknownLive),
                answered => answered,
            };
        }
        let library = self.recordings.as_ref().ok_or(Failure::UnknownLive)?;
        let recording = match find(library, name).await {
            Err(Failure::UnknownRecording | Failure::NotFinished) => {
                return Err(Failure::UnknownLive);
            }
            found => found?,
        };
        let ticket = match recording.access() {
            Access::Everyone => None,
            Access::Ticket => {
                let ticket = parameter(asked.uri.query(), ticket::PARAMETER);
                let admits = |it: &&str| self.tickets.admits(it, name, peer(asked), now_s());
                Some(ticket.filter(admits).ok_or(Failure::NoTicket)?)
            }
        };
        let kept = if ticket.is_some() { &self.private } else { &self.public };
        let folder = format!("../vod/{name}/");
        offered(&recording, &folder, ticket, kept, &asked.headers, sent_bytes)
    }
}

/// The recording of a name, if it is finished.
pub(crate) async fn find(library: &Library, name: &str) -> Result<Arc<Recording>, Failure> {
    match library.standing(name) {
        Standing::Unknown => Err(Failure::UnknownRecording),
        Standing::Written => Err(Failure::NotFinished),
        Standing::Finished => library.recording(name).await.map_err(unreadable(name)),
    }
}

/// The multivariant playlist of a recording, whose media playlists are below `folder`.
fn offered(
    recording: &Recording,
    folder: &str,
    ticket: Option<&str>,
    kept: &Kept,
    asked: &HeaderMap,
    sent_bytes: Counter,
) -> Result<Response, Failure> {
    let playlist = recording.multivariant_playlist().ok_or(Failure::UnknownRecording)?;
    let cache_control = match ticket {
        Some(_) => caching::OWN,
        None => kept.blocking(playlist.target_duration_s()),
    };
    if folder.is_empty() && ticket.is_none() {
        return Ok(answer::playlist(&playlist, cache_control, asked, sent_bytes));
    }
    let mark =
        format!("{}{}", ticket.unwrap_or_default(), if folder.is_empty() { "" } else { "l" });
    let own = playlist.for_viewer(&mark, |to, uri| {
        to.push_str(folder);
        to.extend(ticket.into_iter().flat_map(|ticket| [ticket, "/"]));
        to.push_str(uri);
    });
    Ok(answer::playlist(&own, cache_control, asked, sent_bytes))
}

/// Who reads a body.
pub(crate) struct Reader {
    pub recordings: Library,
    pub name: String,
    pub sent_bytes: Counter,
}

/// Where pieces of a body come from. Blocks.
pub(crate) trait Pieces: Send + 'static {
    /// Bytes from the beginning of a range on: some, or none where there are none.
    fn piece(&mut self, range: Range<u64>) -> Result<Bytes, Error>;

    /// Whether they are in the bucket: see [`Library::read_from`].
    fn is_far(&self) -> bool;
}

/// None where all is read already.
impl Pieces for Option<Open> {
    fn piece(&mut self, range: Range<u64>) -> Result<Bytes, Error> {
        self.as_ref().map_or(Ok(Bytes::new()), |open| open.read(range))
    }

    fn is_far(&self) -> bool {
        self.as_ref().is_some_and(Open::is_far)
    }
}

/// A body of the bytes of `range`, of which the first were read already. It keeps its place as long as it is
/// there.
pub(crate) fn pieces(
    reader: Reader,
    from: impl Pieces,
    place: impl Send + 'static,
    first: Bytes,
    range: Range<u64>,
) -> Body {
    let start = (reader, place, from, Some(first), range);
    Body::from_stream(stream::try_unfold(start, |state| async move {
        let (reader, place, mut from, ready, range) = state;
        let (piece, from) = match ready {
            Some(ready) => (ready, from),
            None if range.is_empty() => return Ok::<_, Error>(None),
            None => {
                let wanted = range.clone();
                let is_far = from.is_far();
                let read = move || Ok((from.piece(wanted)?, from));
                let read = reader.recordings.read_from(is_far, read).await;
                read.inspect_err(|error| unread(&reader, error))?
            }
        };
        reader.sent_bytes.increment(piece.len() as u64);
        let rest = range.start + piece.len() as u64..range.end;
        Ok((!piece.is_empty()).then_some((piece, (reader, place, from, None, rest))))
    }))
}

fn unread(reader: &Reader, error: &Error) {
    log(&reader.name, error);
    film::forget(&reader.recordings, &reader.name, error);
}

/// What is told of an error in the recording of a name.
pub(crate) fn unreadable(name: &str) -> impl Fn(Error) -> Failure {
    move |error| match error {
        Error::Unknown | Error::Empty => Failure::UnknownRecording,
        Error::Busy => Failure::Busy,
        Error::Away(_) => {
            log(name, &error);
            Failure::Away
        }
        Error::TooLong => Failure::TooLong,
        Error::Damaged | Error::Disk(_) => {
            log(name, &error);
            Failure::Unreadable
        }
    }
}

fn log(name: &str, error: &Error) {
    tracing::error!(name, %error, "a recording could not be read");
    metrics::counter!("delivery_unreadable_recordings_total").increment(1);
}

#[cfg(test)]
pub(crate) mod tests;
