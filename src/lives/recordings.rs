//! What becomes of the recordings of lives that are over.
//!
//! Here: that their posts show them, and that they go with their posts or with their media. Not here: how a live
//! is written (`recorder`), which recordings give way to newer ones (`app`).
//!
//! Each of it is done at once where it is due. What a crash, a disk or a database prevented is found again by
//! [`Lives::settle_recordings`]: what should be is in the database, and in the folder of a recording whether it
//! was ever shown.

use std::{io, ops::Range};

use api::{Clip, Moment, NoFilm};
use futures_util::{StreamExt as _, stream::try_unfold};
use media::id::{LiveId, PlaybackName, UserId};
use recorder::When;
use store::{Approval, MediaType, NewMedia, RecordedLive};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::{Lives, now_ms};

impl Lives {
    /// Makes the recording of a live that is over media of its post.
    pub(super) async fn archive(&self, id: LiveId, author: UserId, name: &PlaybackName) {
        if let Some(recorder) = &self.0.recorder {
            recorder.finished(name).await;
        }
        let recording = match self.0.recordings.recording(name.as_str()).await {
            Ok(recording) => recording,
            // Nobody published, or nothing of it can be played.
            Err(recorder::Error::Unknown | recorder::Error::Empty) => return,
            Err(error) => return error!(live.id = %id, %error, "cannot read a recording"),
        };
        let new = media_of(author, name, recording.summary());
        match self.0.store.create_recording(id, new).await {
            Ok(media) => {
                info!(live.id = %id, media.id = media.id.get(), "live recorded");
                self.note_shown(name.clone()).await;
            }
            // Its post was deleted meanwhile, and took the live along.
            Err(store::Error::UnknownPost) => self.unrecord(name.clone()),
            Err(error) => error!(live.id = %id, %error, "a recording is not shown by its post"),
        }
    }

    /// Deletes a recording, once nobody writes it.
    pub(super) fn unrecord(&self, name: PlaybackName) {
        let lives = self.clone();
        tokio::spawn(async move { lives.delete_recording(name).await });
    }

    async fn delete_recording(&self, name: PlaybackName) {
        if let Some(recorder) = &self.0.recorder {
            recorder.finished(&name).await;
        }
        // It may have become media since its post was deleted.
        if let Err(error) = self.0.store.forget_recording(&name).await {
            error!(%name, %error, "a recording that is gone is still shown");
        }
        let library = self.0.recordings.clone();
        let deleted = spawn_blocking({
            let name = name.clone();
            move || library.delete(&name)
        });
        if let Ok(Err(error)) = deleted.await {
            error!(%name, %error, "a recording that belongs to nothing is still there");
        }
    }

    /// Deletes recordings that belong to nothing any more, and has posts show those that they do not show yet.
    pub(crate) async fn settle_recordings(&self) {
        let mut names = self.0.recordings.finished();
        // What becomes of these is being seen to.
        names.retain(|name| !self.0.open.contains_key(name));
        let lives = match self.0.store.lives_of_recordings(&names).await {
            Ok(lives) => lives,
            Err(error) => return error!(%error, "cannot look for the lives of the recordings"),
        };
        if lives.is_empty() && names.len() > 1 {
            // More likely another database than so many deletions that all failed.
            let recordings = names.len();
            return warn!(recordings, "no recording is of a live of this database: all are left");
        }
        for name in names {
            match lives.get(&name) {
                None => self.delete_recording(name).await,
                Some(live) if live.is_over => self.settle(live, name).await,
                Some(_) => {}
            }
        }
    }

    async fn settle(&self, live: &RecordedLive, name: PlaybackName) {
        let library = self.0.recordings.clone();
        let was_shown = spawn_blocking({
            let name = name.clone();
            move || library.is_shown(&name)
        });
        match (was_shown.await, live.is_shown) {
            (Ok(Ok(false)), true) => self.note_shown(name).await,
            // Its media was deleted.
            (Ok(Ok(true)), false) => self.delete_recording(name).await,
            (Ok(Ok(false)), false) if live.has_room => {
                self.archive(live.id, live.author, &name).await;
            }
            (Ok(Err(error)), _) => error!(%name, %error, "cannot look at a recording"),
            _ => {}
        }
    }

    /// Cuts a clip out of the recording of a live.
    pub(super) async fn cut(
        self,
        name: PlaybackName,
        wanted: Range<Moment>,
    ) -> Result<Clip, NoFilm> {
        let library = self.0.recordings.clone();
        let when = |moment: Moment| match moment {
            Moment::At(ms) => When::PlayedMs(ms),
            Moment::Date(ms) => When::DateMs(ms),
        };
        let none = |error: recorder::Error| match error {
            recorder::Error::Unknown => NoFilm::Unknown,
            recorder::Error::Empty => NoFilm::Nothing,
            recorder::Error::Busy => NoFilm::Busy,
            error => {
                error!(%name, %error, "a clip cannot be made of a recording");
                NoFilm::Failed
            }
        };
        let film = library.clip(name.as_str(), when(wanted.start)..when(wanted.end)).await;
        let film = film.map_err(none)?;
        let (len, reel) = (film.len(), film.reel());
        let pieces = try_unfold((library, reel, 0), move |(library, mut reel, at)| async move {
            let read = move || Ok((reel.read(at..len)?, reel));
            let (piece, reel) = library.read(read).await.map_err(io::Error::other)?;
            let next = at + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, (library, reel, next))))
        });
        Ok(Clip { len, pieces: pieces.boxed() })
    }

    async fn note_shown(&self, name: PlaybackName) {
        let library = self.0.recordings.clone();
        let noted = spawn_blocking({
            let name = name.clone();
            move || library.set_shown(&name)
        });
        match noted.await {
            // It was deleted meanwhile.
            Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => {}
            Ok(Err(error)) => warn!(%name, %error, "cannot note that a recording is shown"),
            _ => {}
        }
    }
}

/// What the post of a live shows of its recording.
fn media_of(owner: UserId, name: &PlaybackName, summary: recorder::Summary) -> NewMedia {
    let signed = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    NewMedia {
        owner,
        name: name.to_string(),
        media_type: MediaType::Live,
        title: "Enregistrement du direct".into(),
        description: String::new(),
        size_bytes: signed(summary.bytes).max(1),
        dimensions: summary.picture.map(|(width, height)| (width.into(), height.into())),
        duration_ms: Some(signed(summary.duration_ms)),
        // It was shown as it happened.
        approval: Approval::Approved,
        // How much recordings may take is in the settings of the server.
        owner_max_bytes: i64::MAX,
        thumbnail: None,
        blur_hash: None,
        to_do: None,
        reason: None,
        now_ms: now_ms(),
    }
}
