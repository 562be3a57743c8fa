//! Whether the database and the disk agree: `communiconnect-live doctor`.
//!
//! Here: what may be wrong after crashes, full disks and files that somebody moved; how it is told; what of it is
//! put right. Not here: what the server itself puts right at its start and every minute (`lives`), which is done
//! by the same functions.
//!
//! Nothing is changed without `--repair`, and nothing under a server that runs.

use std::{fmt::Display, io::Write as _};

use anyhow::Context as _;
use media::id::PlaybackName;
use recorder::{Library, Standing};
use storage::Storage;
use store::{LiveRow, LiveState, MediaType, RecordedLive, Store};

use crate::{
    app::{RECORDINGS_FOLDER, last_sign_of_life, take_folder},
    config::Config,
    lives::{UNFINISHED, media_of, now_ms},
};

/// Looks, and puts right what it can if it is asked to. Says whether all is well now.
///
/// # Errors
/// When it cannot look; or may not repair, since a server runs.
pub async fn visit(config: &Config, deep: bool, repair: bool) -> anyhow::Result<bool> {
    let data_dir = &config.data_dir;
    if !data_dir.is_dir() {
        anyhow::bail!("data_dir {}: no such folder", data_dir.display());
    }
    let alive_ms = last_sign_of_life(data_dir);
    let folder = take_folder(data_dir);
    let store = Store::join(&config.database_url())
        .await
        .context("cannot open the database; has the server been started once?")?;
    let owned = store.own().await?;
    let is_running = folder.is_err() || owned.is_none();
    if repair && is_running {
        return Err(match folder {
            Err(error) => error.context("stop the server first"),
            Ok(_) => anyhow::anyhow!("database_url: a server runs on this database; stop it first"),
        });
    }
    let storage = Storage::join(&config.storage, data_dir).context("cannot open the storage")?;
    let depot = storage.depot(RECORDINGS_FOLDER, config.recording.upload_max_bytes_per_s);
    let has_bucket = depot.is_some();
    let library = Library::open_with(data_dir.join(RECORDINGS_FOLDER), depot)
        .context("cannot read the folder of recordings")?;
    let mut doctor = Doctor {
        config,
        store,
        storage,
        recordings: library,
        has_bucket,
        is_running,
        repair,
        left: 0,
        put_right: 0,
    };
    if is_running {
        say("a server runs: what it sees to itself may be on its way");
    }
    doctor.lives(alive_ms).await?;
    doctor.recordings().await?;
    doctor.media().await?;
    if deep {
        doctor.segments().await;
    }
    doctor.leftovers().await?;
    doctor.store.close().await;
    match (doctor.left, doctor.put_right) {
        (0, 0) => say("the database and the disk agree"),
        (0, put_right) => {
            say(format!("{put_right} put right: the database and the disk agree now"))
        }
        (left, 0) if repair => say(format!("{left} wrong, which this command cannot put right")),
        (left, 0) => say(format!("{left} wrong; --repair puts right what can be")),
        (left, put_right) => say(format!("{put_right} put right, {left} still wrong")),
    }
    Ok(doctor.left == 0)
}

struct Doctor<'a> {
    config: &'a Config,
    store: Store,
    storage: Storage,
    recordings: Library,
    has_bucket: bool,
    is_running: bool,
    repair: bool,
    left: usize,
    put_right: usize,
}

impl Doctor<'_> {
    /// Something is wrong that `remedy` puts right.
    async fn wrong<T, E: Display>(
        &mut self,
        what: String,
        done: &str,
        remedy: impl AsyncFnOnce(&Self) -> Result<T, E>,
    ) {
        if !self.repair {
            self.left += 1;
            return say(what);
        }
        match remedy(self).await {
            Ok(_) => {
                self.put_right += 1;
                say(format!("{what}: {done}"));
            }
            Err(error) => {
                self.left += 1;
                say(format!("{what}; it could not be put right: {error}"));
            }
        }
    }

    /// Something is wrong, and only people can put it right.
    fn hopeless(&mut self, what: String) {
        self.left += 1;
        say(what);
    }

    /// Lives that the database holds open and that nobody can publish to any more.
    async fn lives(&mut self, alive_ms: Option<i64>) -> anyhow::Result<()> {
        // A server that runs counts their grace itself.
        if self.is_running {
            return Ok(());
        }
        for live in self.store.unfinished_lives().await? {
            let since_ms = self.lost_since(&live, alive_ms).await;
            let grace_ms = i64::try_from(self.config.lives.grace_s * 1_000).unwrap_or(i64::MAX);
            if since_ms.is_none_or(|since| now_ms().saturating_sub(since) <= grace_ms) {
                continue;
            }
            let what = format!(
                "live {} stands as {}, and its grace is over",
                live.id,
                live.state.as_str()
            );
            let end = async |doctor: &Self| {
                let ended = LiveState::Ended;
                doctor.store.set_live_state(live.id, &UNFINISHED, ended, now_ms()).await
            };
            self.wrong(what, "ended", end).await;
        }
        Ok(())
    }

    /// Since when a live has no publisher.
    async fn lost_since(&self, live: &LiveRow, alive_ms: Option<i64>) -> Option<i64> {
        match live.state {
            LiveState::Created | LiveState::Ended => None,
            LiveState::Interrupted => live.interrupted_ms,
            LiveState::Live => {
                let left = self.recordings.left(&live.playback_name, &self.config.packager).await;
                alive_ms.max(left.ok().map(|left| left.written_ms))
            }
        }
    }

    /// Recordings that belong to nothing, or that their posts do not show.
    async fn recordings(&mut self) -> anyhow::Result<()> {
        let mut names = self.recordings.finished();
        names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        let lives = self.store.lives_of_recordings(&names).await?;
        if lives.is_empty() && names.len() > 1 {
            // As likely it is another database.
            self.hopeless(format!(
                "none of {} recordings is of a live of this database; is it the right one?",
                names.len()
            ));
            return Ok(());
        }
        let deleted = self.store.deleted_recordings().await?;
        for name in names {
            match lives.get(&name) {
                None if deleted.contains(&name) => {
                    let what = format!("recording {name} was deleted, and is still there");
                    let delete = async |doctor: &Self| {
                        doctor.recordings.delete(&name)?;
                        // What is in the bucket the server deletes, and then forgets.
                        if !doctor.has_bucket {
                            doctor.store.recording_is_gone(&name).await?;
                        }
                        anyhow::Ok(())
                    };
                    self.wrong(what, "deleted", delete).await;
                }
                // Its live may be of a newer database.
                None => self.hopeless(format!("recording {name} is of no live of this database")),
                Some(live) if live.is_over && !live.is_shown && live.has_room => {
                    self.unshown(name, live).await;
                }
                Some(_) => {}
            }
        }
        Ok(())
    }

    async fn unshown(&mut self, name: PlaybackName, live: &RecordedLive) {
        let recording = match self.recordings.recording(name.as_str()).await {
            Ok(recording) => recording,
            // Nothing was recorded of it that can be played.
            Err(recorder::Error::Unknown | recorder::Error::Empty) => return,
            Err(error) => return self.hopeless(format!("recording {name}: {error}")),
        };
        let what = format!("live {} is over, and its post does not show recording {name}", live.id);
        let show = async |doctor: &Self| {
            let new = media_of(live.author, &name, recording.summary());
            doctor.store.create_recording(live.id, new).await?;
            anyhow::Ok(())
        };
        self.wrong(what, "it shows it now", show).await;
    }

    /// Media of which there are no bytes.
    async fn media(&mut self) -> anyhow::Result<()> {
        let no_recordings = self.recordings.finished().is_empty();
        let (mut after, mut recordings) = (None, Vec::new());
        loop {
            let some = self.store.stored_media(after).await?;
            let Some(last) = some.last() else { break };
            after = Some(last.id);
            for media in some {
                // What a browser sent of a live is a file like others.
                if media.media_type == MediaType::Live && media.name.parse::<PlaybackName>().is_ok()
                {
                    recordings.push(media.name);
                    continue;
                }
                for name in std::iter::once(media.name).chain(media.thumbnail) {
                    // A name of another form was never stored here.
                    let Ok(name) = name.parse() else { continue };
                    match self.storage.head(&name).await {
                        Ok(Some(_)) => {}
                        Ok(None) => self.hopeless(format!(
                            "media {}: its file {name} is not in the storage; bring it back from a copy, or \
                             have its owner delete the media",
                            media.id.get()
                        )),
                        Err(error) => self.hopeless(format!("file {name}: {error}")),
                    }
                }
            }
        }
        let is_missing = |name: &String| self.recordings.standing(name) == Standing::Unknown;
        let missing: Vec<_> = recordings.iter().filter(|name| is_missing(name)).collect();
        if no_recordings && missing.len() > 1 {
            self.hopeless(format!(
                "{} posts show recordings, and there is none in {RECORDINGS_FOLDER}; is its disk there?",
                missing.len()
            ));
            return Ok(());
        }
        for name in missing {
            if self.has_bucket {
                self.hopeless(format!(
                    "a post shows recording {name}, which is not on this disk: the server looks for it in the bucket \
                     when it starts"
                ));
                continue;
            }
            let what = format!("a post shows recording {name}, which is not there");
            let forget = async |doctor: &Self| match name.parse() {
                Ok(name) => doctor.store.forget_recording(&name).await,
                Err(_) => Ok(()),
            };
            self.wrong(what, "it does not any more", forget).await;
        }
        Ok(())
    }

    /// Reads every byte of every recording that is finished.
    async fn segments(&mut self) {
        for name in self.recordings.finished() {
            let recording = match self.recordings.recording(name.as_str()).await {
                Ok(recording) => recording,
                Err(recorder::Error::Unknown | recorder::Error::Empty) => continue,
                Err(error) => {
                    self.hopeless(format!("recording {name}: {error}"));
                    continue;
                }
            };
            let read = tokio::task::spawn_blocking(move || {
                (recording.summary().damaged, recording.damaged())
            });
            let Ok((lines, segments)) = read.await else {
                self.hopeless(format!("recording {name} cannot be read"));
                continue;
            };
            if lines > 0 {
                self.hopeless(format!("recording {name}: {lines} lines of its index say nothing"));
            }
            match segments {
                Ok(segments) => segments.iter().for_each(|segment| {
                    self.hopeless(format!(
                        "recording {name}: {segment} is damaged, and is not served"
                    ));
                }),
                Err(error) => {
                    self.hopeless(format!("recording {name} cannot be read now: {error}"))
                }
            }
        }
    }

    /// What is left of uploads that nobody goes on with.
    async fn leftovers(&mut self) -> anyhow::Result<()> {
        // One that runs has some at all times, and sees to them every hour.
        if self.is_running {
            return Ok(());
        }
        let mut left = self.store.loose_objects(now_ms()).await?.len();
        for number in self.storage.partials().await? {
            left += usize::from(self.store.upload(&api::upload_id(number)).await?.is_none());
        }
        if left > 0 {
            let what = format!("{left} files of uploads belong to nothing");
            let tidy = async |doctor: &Self| {
                api::tidy(&doctor.store, &doctor.storage, now_ms()).await;
                match doctor.store.loose_objects(now_ms()).await {
                    Ok(left) if left.is_empty() => Ok(()),
                    Ok(left) => Err(format!("{} are left; see the log", left.len())),
                    Err(error) => Err(error.to_string()),
                }
            };
            self.wrong(what, "deleted", tidy).await;
        }
        Ok(())
    }
}

fn say(what: impl Display) {
    // Whoever reads only the first lines closes the pipe.
    let _ = writeln!(std::io::stdout(), "{what}");
}
