//! Files that members bring: how large, how many at once, and the one way by which they are kept.
//!
//! Here: the settings, the places, from a file that has come to an object that belongs to somebody,
//! and the end of objects that belong to nobody. Not here: how a file comes (`form`), what a member
//! says about it (`attachments`).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use media::id::UserId;
use serde::Deserialize;
use storage::{Arrived, Content, Kind, ObjectName, Storage};
use store::{Approval, NewMedia, Store};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{
    error::Error,
    form::{Failure, Refusal},
    moderation::Subject,
    resumable,
    router::{Api, Shared},
    workshop::Ready,
};

/// How long a name that was stored may wait for its row: longer than the storage takes at most for a
/// file and its small picture, a service that judges it and any database that is away, since what
/// comes under it later is never found again.
const CLAIM_MS: i64 = 2 * 60 * 60 * 1000;
const _: () = assert!(CLAIM_MS as u128 >= 3 * storage::PUT_LONGEST.as_millis());

/// When a member who sends too many files at once may send the next.
const NEXT_FILE_S: i64 = 5;

/// What a member is told when we fail to keep his file.
pub const NOT_STORED: &str = "Le fichier n'a pas pu être enregistré. Veuillez réessayer.";

/// Settings of what members bring. Sizes are in bytes; the API tells them in MB of 1024 x 1024.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Largest picture. 10 MB, as the web client promises.
    pub image_max_bytes: u64,
    /// Largest video. 50 MB, likewise.
    pub video_max_bytes: u64,
    /// Largest recording of a live. 500 MB: 25 minutes as browsers record.
    pub recording_max_bytes: u64,
    /// Largest picture of a member. 5 MB, as the web client promises.
    pub profile_picture_max_bytes: u64,
    /// Most pixels of a picture: what a small file unfolds to on a viewer's phone. 100 million: no
    /// phone takes larger ones by default.
    pub image_max_pixels: u64,
    /// Longest video, in seconds, by what is measured: a minute, as was always said.
    pub video_max_s: u64,
    /// Longest recording of a live, in seconds. Two hours.
    pub recording_max_s: u64,
    /// Most that all media of one member take. 5 GB.
    pub member_max_bytes: u64,
    /// Files that come in at once, in all and from one member: they lie on the disk meanwhile. The
    /// web client sends the five of a post one beside the other.
    pub at_once: usize,
    /// The latter.
    pub at_once_per_member: usize,
    /// Longest time a file may take to come in, in seconds. 50 MB need half an hour at 230 kbit/s.
    pub timeout_s: u64,
    /// How long nothing may come, in seconds. Mobile links pause for seconds, not for this long.
    pub stalled_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            image_max_bytes: 10 * 1024 * 1024,
            video_max_bytes: 50 * 1024 * 1024,
            recording_max_bytes: 500 * 1024 * 1024,
            profile_picture_max_bytes: 5 * 1024 * 1024,
            image_max_pixels: 100_000_000,
            video_max_s: 60,
            recording_max_s: 7200,
            member_max_bytes: 5 * 1024 * 1024 * 1024,
            at_once: 32,
            at_once_per_member: 6,
            timeout_s: 1800,
            stalled_s: 30,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let at_least_one = [
            ("image_max_bytes", self.image_max_bytes),
            ("video_max_bytes", self.video_max_bytes),
            ("recording_max_bytes", self.recording_max_bytes),
            ("profile_picture_max_bytes", self.profile_picture_max_bytes),
            ("image_max_pixels", self.image_max_pixels),
            ("video_max_s", self.video_max_s),
            ("recording_max_s", self.recording_max_s),
            ("member_max_bytes", self.member_max_bytes),
            ("at_once", self.at_once as u64),
            ("at_once_per_member", self.at_once_per_member as u64),
            ("timeout_s", self.timeout_s),
            ("stalled_s", self.stalled_s),
        ];
        match at_least_one.into_iter().find(|(_, value)| *value == 0) {
            Some((setting, _)) => Err(format!("uploads.{setting}: must be at least 1")),
            None => Ok(()),
        }
    }
}

/// The places of files that come in.
pub struct Slots {
    all: Arc<Semaphore>,
    each: usize,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

/// A place, given back on drop.
pub struct Slot {
    _place: OwnedSemaphorePermit,
    member: UserId,
    taken: Arc<Mutex<HashMap<UserId, usize>>>,
}

impl Slots {
    /// All places are free.
    pub fn new(config: &Config) -> Self {
        Self {
            all: Arc::new(Semaphore::new(config.at_once.min(Semaphore::MAX_PERMITS))),
            each: config.at_once_per_member,
            taken: Arc::default(),
        }
    }

    /// Takes a place.
    ///
    /// # Errors
    ///
    /// 429 when the member has as many as he may, 503 when none is free.
    pub fn enter(&self, member: UserId) -> Result<Slot, Error> {
        let place = Arc::clone(&self.all).try_acquire_owned().map_err(|_| Error::Busy)?;
        let mut taken = lock(&self.taken);
        let his = taken.entry(member).or_default();
        if *his >= self.each {
            return Err(Error::Throttled(NEXT_FILE_S));
        }
        *his += 1;
        Ok(Slot { _place: place, member, taken: Arc::clone(&self.taken) })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if let Some(his) = taken.get_mut(&self.member) {
            *his -= 1;
            if *his == 0 {
                taken.remove(&self.member);
            }
        }
    }
}

fn lock(taken: &Mutex<HashMap<UserId, usize>>) -> MutexGuard<'_, HashMap<UserId, usize>> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A file that has come and is what it says.
pub struct File {
    pub arrived: Arrived,
    pub content: Content,
}

/// The names under which something is stored.
pub struct Kept {
    pub name: ObjectName,
    pub thumbnail: Option<ObjectName>,
}

/// Stores a file, and the small picture of it, under names of their own, which belong to nothing until
/// a row claims them.
///
/// # Errors
///
/// 503 when the storage or the database does not answer.
pub async fn keep(
    store: &Store,
    storage: &Storage,
    now_ms: i64,
    ready: Ready,
) -> Result<Kept, Error> {
    let name = put(store, storage, now_ms, ready.kind, ready.arrived).await?;
    let thumbnail = match ready.small {
        Some((small, kind)) => Some(put(store, storage, now_ms, kind, small).await?),
        None => None,
    };
    Ok(Kept { name, thumbnail })
}

async fn put(
    store: &Store,
    storage: &Storage,
    now_ms: i64,
    kind: Kind,
    file: Arrived,
) -> Result<ObjectName, Error> {
    let name = ObjectName::draw(kind).map_err(|fault| Error::fault(NOT_STORED, fault))?;
    store.note_loose_object(name.as_str(), now_ms.saturating_add(CLAIM_MS)).await?;
    storage.put(&name, file).await?;
    Ok(name)
}

/// Makes a picture of a member ready and stores it: the small one, which is all that is ever shown.
///
/// # Errors
///
/// As [`put_media`].
pub async fn put_portrait(api: &Shared, file: File) -> Result<ObjectName, Failure> {
    let mut ready = api.workshop.prepare(file, 0).await?;
    if let Some((small, kind)) = ready.small.take() {
        (ready.arrived, ready.kind) = (small, kind);
    }
    let kept = keep(&api.store, &api.storage, api.clock.now_ms(), ready).await?;
    let subject = Subject { name: &kept.name, thumbnail: None, title: "", description: "" };
    match api.workshop.judge().judge(&subject).await {
        (Approval::Rejected | Approval::Inappropriate, _) => Err(Refusal::Unwanted.into()),
        _ => Ok(kept.name),
    }
}

/// What a member says about what he brings.
pub struct Said {
    pub title: String,
    pub description: String,
}

/// Makes a file ready, stores it and asks whether others may see it: the row it is to have.
///
/// # Errors
///
/// Why it will never be shown; 503 when the storage, the database or the workshop has no room.
pub async fn put_media(
    api: &Shared,
    owner: UserId,
    file: File,
    longest_s: u64,
    Said { title, description }: Said,
) -> Result<NewMedia, Failure> {
    let longest_ms = longest_s.saturating_mul(1000);
    let ready = api.workshop.prepare(file, longest_ms).await?;
    let media_type = ready.media_type();
    let size_bytes = i64::try_from(ready.arrived.len()).unwrap_or(i64::MAX);
    let dimensions = ready.dimensions.map(|(width, height)| (width.into(), height.into()));
    let duration_ms = ready.duration_ms.and_then(|ms| i64::try_from(ms).ok());
    let blur_hash = ready.blur_hash.clone();
    let to_do = ready.is_raw.then(|| i64::try_from(longest_ms).unwrap_or(i64::MAX));
    let now_ms = api.clock.now_ms();
    let Kept { name, thumbnail } = keep(&api.store, &api.storage, now_ms, ready).await?;
    let (approval, reason) = match to_do {
        // What will be shown is judged once it is there.
        Some(_) => (Approval::Pending, None),
        None => {
            let (title, description) = (title.as_str(), description.as_str());
            let thumbnail = thumbnail.as_ref();
            let subject = Subject { name: &name, thumbnail, title, description };
            api.workshop.judge().judge(&subject).await
        }
    };
    Ok(NewMedia {
        owner,
        name: name.as_str().to_owned(),
        media_type,
        title,
        description,
        size_bytes,
        dimensions,
        duration_ms,
        approval,
        owner_max_bytes: member_max_bytes(api),
        thumbnail: thumbnail.map(|name| name.as_str().to_owned()),
        blur_hash,
        to_do,
        reason,
        now_ms,
    })
}

/// Most that all media of one member take, as the database counts.
pub fn member_max_bytes(api: &Api) -> i64 {
    i64::try_from(api.config.uploads.member_max_bytes).unwrap_or(i64::MAX)
}

/// Whether a member may bring so much more, as far as is known before it is kept.
///
/// # Errors
///
/// Only those of the database.
pub async fn has_room(api: &Api, member: UserId, more_bytes: u64) -> Result<bool, Error> {
    let bytes = u64::try_from(api.store.media_bytes_of(member).await?).unwrap_or(0);
    Ok(bytes.saturating_add(more_bytes) <= api.config.uploads.member_max_bytes)
}

/// Deletes an object that belongs to nothing any more. What cannot be deleted now is left to
/// [`tidy`].
pub async fn discard(store: &Store, storage: &Storage, name: &str) -> bool {
    // A name of another form was never stored here.
    if let Ok(name) = name.parse::<ObjectName>()
        && let Err(error) = storage.delete(&name).await
    {
        tracing::warn!(%error, object = %name, "an object that belongs to nothing is still there");
        return false;
    }
    if let Err(error) = store.forget_loose_object(name).await {
        tracing::warn!(%error, "an object that was deleted is still noted");
        return false;
    }
    true
}

/// Deletes what belongs to nothing at `now_ms`: of media that are gone, of requests that ended
/// halfway, of files that came in pieces and are given up. Ends early when the storage or the database
/// does not answer.
pub async fn tidy(store: &Store, storage: &Storage, now_ms: i64) {
    if let Err(error) = tidied(store, storage, now_ms).await {
        tracing::warn!(%error, "what belongs to nothing is still there");
    }
}

async fn tidied(store: &Store, storage: &Storage, now_ms: i64) -> Result<(), Error> {
    store.forget_expired_uploads(now_ms).await?;
    // Whoever goes on with an upload has found its row before there is a file.
    for number in storage.partials().await? {
        if store.upload(&resumable::id_of(number)).await?.is_none() {
            storage.give_up(number).await?;
        }
    }
    loop {
        let names = store.loose_objects(now_ms).await?;
        for name in &names {
            if !discard(store, storage, name).await {
                return Ok(());
            }
        }
        if names.is_empty() {
            return Ok(());
        }
    }
}

/// So many bytes in the words of the contract.
pub fn megabytes(bytes: u64) -> String {
    format!("{}MB", bytes / (1024 * 1024))
}

/// Whether a kind is one a browser records.
pub const RECORDED: [Kind; 3] = [Kind::Mp4, Kind::QuickTime, Kind::WebM];

/// The kinds of pictures.
pub const PICTURES: [Kind; 4] = [Kind::Jpeg, Kind::Png, Kind::Gif, Kind::WebP];

/// Everything that is taken.
pub const ALL: [Kind; 8] = [
    Kind::Jpeg,
    Kind::Png,
    Kind::Gif,
    Kind::WebP,
    Kind::Mp4,
    Kind::QuickTime,
    Kind::WebM,
    Kind::Avi,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_given_back_and_nobody_has_more_than_his() {
        let slots = Slots::new(&Config { at_once: 3, at_once_per_member: 2, ..Config::default() });
        let (one, other) = (UserId::new(1), UserId::new(2));
        let first = slots.enter(one).ok().unwrap();
        let _second = slots.enter(one).ok().unwrap();
        assert!(matches!(slots.enter(one), Err(Error::Throttled(_))));
        let _third = slots.enter(other).ok().unwrap();
        assert!(matches!(slots.enter(other), Err(Error::Busy)));
        drop(first);
        assert!(slots.enter(one).is_ok());
        assert_eq!(lock(&slots.taken).len(), 2);
    }
}
