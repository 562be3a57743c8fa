//! Pictures: the URLs of posters and thumbnails, and how what they name is served.
//!
//! Here: paths, tickets, caching. Not here: what pictures there are (`pictures`).
//!
//! | path | what |
//! | --- | --- |
//! | `/hls/{name}/poster.jpg` | what the live looks like now; once it is over, its recording |
//! | `/hls/{name}/thumbnails.vtt` | where its thumbnails are (WebVTT), while it is on |
//! | `/hls/{name}/thumbnails/{date}-{count}-{sum}.jpg` | some of these, in one picture |
//! | `/vod/{name}/…` | the same of its recording |
//!
//! A private live wants a ticket: the poster as `?ticket=`, the others as a folder after the name, so that one
//! WebVTT is good for all who have one (ADR 21).

use std::sync::Arc;

use axum::response::Response;
use bytes::Bytes;
use http::request::Parts;
use hub::{Access, Channel, Playlist};
use media::id::PlaybackName;
use metrics::Counter;
use pictures::{Found, Pictures, SheetName};
use recorder::{Error, Recording};

use crate::{
    MediaPath, Ticket, answer,
    directives::parameter,
    failure::Failure,
    path::is_word,
    router::{Delivery, now_s, peer},
    ticket,
    vod::{VodPath, find, unreadable},
};

/// What a path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PicturePath<'a> {
    pub name: &'a str,
    /// Below `/vod/`: of its recording alone.
    pub is_recorded: bool,
    /// As a folder.
    pub ticket: Option<&'a str>,
    pub thing: Thing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    Poster,
    Index,
    Sheet(SheetName),
}

impl<'a> PicturePath<'a> {
    /// Reads the path of a URL. `None` when it names nothing of ours.
    pub fn parse(path: &'a str) -> Option<Self> {
        if path.len() > MediaPath::MAX_LEN {
            return None;
        }
        let (rest, is_recorded) = match path.strip_prefix(VodPath::ROOT) {
            Some(rest) => (rest, true),
            None => (path.strip_prefix("/hls/")?, false),
        };
        let (name, rest) = rest.split_once('/')?;
        let (ticket, rest) = match rest.split_once('/') {
            Some((ticket, rest)) if Ticket::parse(ticket).is_some() => (Some(ticket), rest),
            _ => (None, rest),
        };
        let thing = match rest {
            "poster.jpg" if ticket.is_none() => Thing::Poster,
            "thumbnails.vtt" => Thing::Index,
            other => Thing::Sheet(other.strip_prefix("thumbnails/")?.parse().ok()?),
        };
        is_word(name, PlaybackName::MAX_LEN).then_some(Self { name, is_recorded, ticket, thing })
    }
}

/// What is answered.
enum Shown {
    /// Whose address names something else later, told apart by a number.
    Newest(u64, Bytes),
    /// Whose address never does.
    Forever(Bytes),
    Index(Arc<Playlist>),
}

impl Delivery {
    /// What a path names among the pictures.
    pub(crate) async fn picture(
        &self,
        path: PicturePath<'_>,
        asked: &Parts,
        sent_bytes: Counter,
    ) -> Result<Response, Failure> {
        let pictures = self.pictures.as_ref().ok_or(Failure::NoPicture)?;
        // What its channel still lists of a live that is over has no pictures any more; the recording has.
        let is_on = |channel: &Arc<Channel>| {
            !path.is_recorded && (!channel.state().ended || pictures.album(path.name).is_some())
        };
        let channel = self.hub.channel(path.name).filter(is_on);
        let recording = match (&channel, &self.recordings) {
            (Some(_), _) => None,
            (None, Some(library)) => Some(find(library, path.name).await?),
            (None, None) => return Err(Failure::UnknownLive),
        };
        let access = match (&channel, &recording) {
            (Some(channel), _) => channel.access(),
            (None, recording) => recording.as_ref().map_or(Access::Ticket, |it| it.access()),
        };
        let ticket = match (access, path.thing) {
            (Access::Everyone, _) if path.ticket.is_some() => return Err(Failure::UnknownPath),
            (Access::Everyone, _) => None,
            (Access::Ticket, Thing::Poster) => parameter(asked.uri.query(), ticket::PARAMETER),
            (Access::Ticket, _) => path.ticket,
        };
        if access == Access::Ticket {
            let admits = |it: &str| self.tickets.admits(it, path.name, peer(asked), now_s());
            ticket.filter(|it| admits(it)).ok_or(Failure::NoTicket)?;
        }
        // Its line of time is not that of the live.
        if recording.is_some() && !path.is_recorded && path.thing == Thing::Index {
            return Err(Failure::NoPicture);
        }
        let shown = match &recording {
            None => self.of_live(pictures, path).await,
            Some(recording) => of_recording(pictures, path, recording).await,
        };
        let kept = if ticket.is_some() { &self.private } else { &self.public };
        // What is over does not change, but for pictures that are made later.
        let good_s = if recording.is_some() { RECORDED_S } else { pictures.every_s() };
        match shown {
            Ok(Shown::Forever(bytes)) => {
                let cache_control = kept.segment.clone();
                let headers = &asked.headers;
                Ok(answer::picture(answer::immutable(
                    bytes,
                    JPEG,
                    cache_control,
                    headers,
                    sent_bytes,
                )))
            }
            Ok(Shown::Newest(number, bytes)) => {
                let cache_control = kept.seconds(good_s);
                let newest =
                    answer::newest(bytes, number, JPEG, cache_control, &asked.headers, sent_bytes);
                Ok(answer::picture(newest))
            }
            Ok(Shown::Index(index)) => {
                let cache_control = kept.seconds(good_s);
                Ok(answer::text(
                    &index,
                    "text/vtt; charset=utf-8",
                    cache_control,
                    &asked.headers,
                    sent_bytes,
                ))
            }
            Err(failure) if ticket.is_some() => Ok(answer::unkept(answer::failure(failure))),
            Err(failure) => Err(failure),
        }
    }

    async fn of_live(&self, pictures: &Pictures, path: PicturePath<'_>) -> Result<Shown, Failure> {
        let album = pictures.album(path.name).ok_or(Failure::NoPicture)?;
        match path.thing {
            Thing::Poster => {
                let newest = album.poster().ok_or(Failure::NoPicture)?;
                Ok(Shown::Newest(newest.date_ms, newest.bytes))
            }
            Thing::Index => {
                let every_ms = u64::from(pictures.every_s()) * 1_000;
                album.index(every_ms).map(Shown::Index).ok_or(Failure::NoPicture)
            }
            Thing::Sheet(name) => match album.sheet(name).ok_or(Failure::NoPicture)? {
                Found::Here(bytes) => Ok(Shown::Forever(bytes)),
                Found::Kept => file(pictures, path.name, Some(name)).await.map(Shown::Forever),
            },
        }
    }
}

async fn of_recording(
    pictures: &Pictures,
    path: PicturePath<'_>,
    recording: &Recording,
) -> Result<Shown, Failure> {
    let made = pictures.made(path.name).await.map_err(missing(path.name))?;
    match path.thing {
        Thing::Poster => {
            let poster = made.poster().ok_or(Failure::NoPicture)?;
            Ok(Shown::Newest(poster.bytes, file(pictures, path.name, None).await?))
        }
        Thing::Index => made.index(recording).map(Shown::Index).ok_or(Failure::NoPicture),
        Thing::Sheet(name) if made.has(name) => {
            file(pictures, path.name, Some(name)).await.map(Shown::Forever)
        }
        Thing::Sheet(_) => Err(Failure::NoPicture),
    }
}

async fn file(pictures: &Pictures, name: &str, sheet: Option<SheetName>) -> Result<Bytes, Failure> {
    pictures.file(name, sheet).await.map_err(missing(name))
}

fn missing(name: &str) -> impl Fn(Error) -> Failure {
    move |error| match error {
        Error::Unknown | Error::Empty => Failure::NoPicture,
        error => unreadable(name)(error),
    }
}

/// How long what is known of the pictures of a recording may be kept.
const RECORDED_S: u32 = 300;
const JPEG: &str = "image/jpeg";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_picture_has_its_path() {
        let sheet = SheetName { date_ms: 1_764_280_800_000, count: 12, sum: 7 };
        let ticket = format!("10{}", "ab".repeat(20));
        let things = [
            ("poster.jpg".to_owned(), Thing::Poster),
            ("thumbnails.vtt".to_owned(), Thing::Index),
            (format!("thumbnails/{sheet}"), Thing::Sheet(sheet)),
        ];
        for (root, is_recorded) in [("hls", false), ("vod", true)] {
            for (file, thing) in &things {
                let path = format!("/{root}/abc234/{file}");
                let (name, thing) = ("abc234", *thing);
                let picture = PicturePath { name, is_recorded, ticket: None, thing };
                assert_eq!(PicturePath::parse(&path), Some(picture), "{path}");
                let path = format!("/{root}/abc234/{ticket}/{file}");
                let picture = PicturePath { ticket: Some(&ticket), ..picture };
                let picture = (thing != Thing::Poster).then_some(picture);
                assert_eq!(PicturePath::parse(&path), picture, "{path}");
                assert!(MediaPath::parse(&path).is_none() && VodPath::parse(&path).is_none());
            }
        }
    }

    #[test]
    fn what_is_no_picture_names_nothing() {
        for path in [
            "/hls/abc234/poster.png",
            "/hls/ABC/poster.jpg",
            "/hls/../poster.jpg",
            "/hls/abc234/e9/poster.jpg",
            "/hls/abc234/thumbnails/",
            "/hls/abc234/thumbnails/../index",
            "/hls/abc234/thumbnails/1-2.jpg",
            "/hls//poster.jpg",
            "/media/abc234/poster.jpg",
        ] {
            assert_eq!(PicturePath::parse(path), None, "{path}");
        }
    }
}
