//! What becomes of the recordings of lives that are over.
//!
//! Here: that their posts show them, what they look like, and that they go with their posts or with their media. Not
//! here: how a live is written (`recorder`), which recordings give way to newer ones (`app`), how pictures are made
//! (`pictures`).
//!
//! Each of it is done at once where it is due. What a crash, a disk or a database prevented is found again by
//! [`Lives::settle_recordings`]: the database says which posts show no recording, and which recordings were deleted.
//! One that it says nothing of is left alone.

use std::{collections::HashMap, io, ops::Range, sync::atomic::Ordering};

use api::{Clip, Moment, NoFilm};
use futures_util::{StreamExt as _, stream::try_unfold};
use media::id::{LiveId, PlaybackName, UserId};
use recorder::{Standing, When};
use store::{Approval, MediaType, NewMedia};
use tokio::task::spawn_blocking;
use tracing::{error, info, warn};

use super::{Lives, now_ms};

impl Lives {
    /// Makes the recording of a live that is over media of its post.
    pub(super) async fn archive(&self, id: LiveId, author: UserId, name: &PlaybackName) {
        if let Some(recorder) = &self.0.recorder {
            recorder.finished(name).await;
        }
        let mut recording = self.0.recordings.recording(name.as_str()).await;
        let was_published = || {
            let live = self.0.open.get(name);
            live.is_some_and(|live| live.channel.state().last_msn.is_some())
        };
        // The disk was lost while it was on. Should the bucket not answer, it is asked again every minute.
        if matches!(recording, Err(recorder::Error::Unknown)) && was_published() {
            self.0.is_bucket_known.store(false, Ordering::Relaxed);
            self.find_recordings().await;
            recording = self.0.recordings.recording(name.as_str()).await;
        }
        let recording = match recording {
            Ok(recording) => recording,
            // Nobody published, or nothing of it can be played.
            Err(recorder::Error::Unknown | recorder::Error::Empty) => return,
            Err(error) => return error!(live.id = %id, %error, "cannot read a recording"),
        };
        let new = media_of(author, name, recording.summary());
        match self.0.store.create_recording(id, new).await {
            Ok(media) => {
                info!(live.id = %id, media.id = media.id.get(), "live recorded");
                let (lives, name) = (self.clone(), name.clone());
                tokio::spawn(async move {
                    let _turn = lives.0.picturing.lock().await;
                    lives.picture(&name).await;
                });
            }
            // Its post was deleted meanwhile, and took the live along.
            Err(store::Error::UnknownPost) => self.unrecord(name.clone()),
            Err(error) => error!(live.id = %id, %error, "a recording is not shown by its post"),
        }
    }

    /// Deletes a recording, once nobody writes it.
    pub(super) fn unrecord(&self, name: PlaybackName) {
        let lives = self.clone();
        tokio::spawn(async move { _ = lives.delete_recording(name).await });
    }

    /// Says whether it makes sense to go on with another: not where the bucket does not answer.
    async fn delete_recording(&self, name: PlaybackName) -> bool {
        if let Some(recorder) = &self.0.recorder {
            recorder.finished(&name).await;
        }
        // It may have become media since its post was deleted.
        if let Err(error) = self.0.store.forget_recording(&name).await {
            error!(%name, %error, "a recording that is gone is still shown");
        }
        self.0.pictures.forget(&name);
        let library = self.0.recordings.clone();
        let deleted = spawn_blocking({
            let name = name.clone();
            move || library.delete(&name)
        });
        match deleted.await {
            // Somebody publishes to its live again.
            Ok(Ok(_)) if self.0.recordings.standing(name.as_str()) == Standing::Written => {
                return true;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => {
                error!(%name, %error, "a deleted recording is still on the disk");
                return true;
            }
            Err(_) => return true,
        }
        // The disk may be lost, and what it remembers of deletions: the database does until all is gone.
        if let Some(bucket) = &self.0.uploader
            && !bucket.delete(&name).await
        {
            return false;
        }
        if let Err(error) = self.0.store.recording_is_gone(&name).await {
            error!(%name, %error, "cannot note that a recording is gone");
        }
        true
    }

    /// Deletes the recordings that were deleted and are still there, and has posts show those that they do not show
    /// yet.
    pub(crate) async fn settle_recordings(&self) {
        // What becomes of those of open lives is being seen to.
        let is_open = |name: &PlaybackName| self.0.open.contains_key(name);
        match self.0.store.deleted_recordings().await {
            Ok(deleted) => {
                for name in deleted.into_iter().filter(|name| !is_open(name)) {
                    if !self.delete_recording(name).await {
                        break;
                    }
                }
            }
            Err(error) => return error!(%error, "cannot look for deleted recordings"),
        }
        let mut names = self.0.recordings.finished();
        names.retain(|name| !is_open(name));
        let lives = match self.0.store.lives_of_recordings(&names).await {
            Ok(lives) => lives,
            Err(error) => return error!(%error, "cannot look for the lives of the recordings"),
        };
        metrics::gauge!("recordings_of_no_live").set((names.len() - lives.len()) as f64);
        let mut bare = Vec::new();
        for (name, live) in lives {
            // Also where the disk that had them was lost. What is in the bucket alone waits until it is watched.
            let may_have = live.is_over && live.is_shown && !self.0.recordings.is_far(&name);
            if may_have && !self.0.pictures.is_complete(&name, live.has_poster).await {
                bare.push(name.clone());
            }
            if live.is_over && !live.is_shown && live.has_room {
                self.archive(live.id, live.author, &name).await;
            }
        }
        if !bare.is_empty() {
            let lives = self.clone();
            tokio::spawn(async move { lives.picture_all(bare).await });
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
            recorder::Error::NoKeyframe => NoFilm::NoKeyframe,
            recorder::Error::Busy | recorder::Error::Away(_) => NoFilm::Busy,
            error => {
                error!(%name, %error, "a clip cannot be made of a recording");
                NoFilm::Failed
            }
        };
        let film = library.clip(name.as_str(), when(wanted.start)..when(wanted.end)).await;
        let film = film.map_err(none)?;
        let (len, reel) = (film.len(), film.reel());
        let pieces = try_unfold((library, reel, 0), move |(library, mut reel, at)| async move {
            let is_far = reel.is_far();
            let read = move || Ok((reel.read(at..len)?, reel));
            let (piece, reel) = library.read_from(is_far, read).await.map_err(io::Error::other)?;
            let next = at + piece.len() as u64;
            Ok((!piece.is_empty()).then_some((piece, (library, reel, next))))
        });
        Ok(Clip { len, pieces: pieces.boxed() })
    }

    /// Has recordings get their pictures one after the other, unless some do already.
    async fn picture_all(&self, names: Vec<PlaybackName>) {
        let Ok(_turn) = self.0.picturing.try_lock() else { return };
        for name in names {
            self.picture(&name).await;
        }
    }

    /// Has a recording get its pictures, and its post show its poster.
    async fn picture(&self, name: &PlaybackName) {
        let Ok(recording) = self.0.recordings.recording(name.as_str()).await else { return };
        let poster = match self.0.pictures.make(name, &recording).await {
            Ok(Some(poster)) => poster,
            Ok(None) => return,
            Err(error) => return warn!(%name, %error, "a recording has no pictures yet"),
        };
        if let Err(error) = self.0.store.set_poster(name, &poster.blurhash).await {
            error!(%name, %error, "the poster of a recording is not shown by its post");
        }
    }

    /// Remembers the recordings of this database that are in the bucket and not on the disk, as when that was lost:
    /// once, and again when a recording turns out to be lost. Those of other servers are left alone.
    pub(crate) async fn find_recordings(&self) {
        let Some(bucket) = &self.0.uploader else { return };
        if self.0.is_bucket_known.swap(true, Ordering::Relaxed) {
            return;
        }
        let not_asked = || self.0.is_bucket_known.store(false, Ordering::Relaxed);
        let names = match bucket.look_for_unknown().await {
            Ok(names) => names,
            Err(error) => {
                not_asked();
                return warn!(%error, "cannot look into the bucket for recordings that the disk has not");
            }
        };
        let lives = match self.0.store.lives_of_recordings(&names).await {
            Ok(lives) => lives,
            Err(error) => {
                not_asked();
                return error!(%error, "cannot look for the lives of the recordings in the bucket");
            }
        };
        let names: Vec<_> = names.into_iter().filter(|name| lives.contains_key(name)).collect();
        if !names.is_empty() {
            let recordings = names.len();
            info!(
                recordings,
                "recordings that the disk has not are in the bucket: they are read from there"
            );
        }
        self.0.recordings.found_far(names);
    }

    /// Whose lives the recordings are of; nobody's where that cannot be learnt.
    pub(crate) async fn owners_of_recordings(&self) -> HashMap<PlaybackName, UserId> {
        let names = self.0.recordings.names();
        match self.0.store.lives_of_recordings(&names).await {
            Ok(lives) => lives.into_iter().map(|(name, live)| (name, live.author)).collect(),
            Err(error) => {
                error!(%error, "cannot look for the owners of the recordings");
                HashMap::new()
            }
        }
    }
}

/// What the post of a live shows of its recording.
pub(crate) fn media_of(owner: UserId, name: &PlaybackName, summary: recorder::Summary) -> NewMedia {
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
