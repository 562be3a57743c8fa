//! What is made of files before they are shown.
//!
//! Here: pictures shrunk and videos looked at while their sender waits; videos that not every browser
//! plays turned into one that does, later, in their order; what a failure of the media worker means.
//! Not here: the worker itself (`worker`), where files are kept (`uploads`), whether others may see
//! them (`moderation`).

use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};

use serde::Deserialize;
use storage::{Arrived, Kind, ObjectName, Storage};
use store::{MadeMedia, Media, MediaId, MediaJob, MediaType, Store};
use tokio::{
    sync::{Notify, watch},
    task::{self, JoinSet},
};
use worker::{
    Bench, Failed, Worker,
    protocol::{Code, Image, ImageFormat, Job, Limits, Medium, Outcome, Probe, Still, Task, Video},
};

use crate::{
    clock::Clock,
    config,
    error::Error,
    form::{Failure, Refusal},
    moderation::{Judge, Subject},
    uploads::{self, File},
};

/// How long a sender waits until somebody has looked at his file: for a place, then for the look.
const PATIENCE: Duration = Duration::from_secs(120);
/// So many seconds of the clock has each of a processor, on a machine that does something else too.
const CROWD: u64 = 3;
/// How often what waits is looked for, though nobody said that something does: tries that failed come
/// back.
const LOOK: Duration = Duration::from_secs(10);
/// The wait before the second try; before the third twice as long.
const RETRY_MS: i64 = 30_000;
/// How long what was brought is still there once it is replaced: its sender may be watching it.
const LINGER_MS: i64 = 10 * 60 * 1000;
/// Progress is noted in steps of a twentieth.
const STEP_PERMILLE: u16 = 50;
/// A camera that was told to stop after a minute stops a little later.
const LENIENCE_MS: u64 = 1000;
/// Bytes of a transcoded second, with room to spare: the worker's own bound is 2.5 Mbit/s, and sound.
const SECOND_BYTES: u64 = 500_000;
/// Bytes of what is not transcoded seconds.
const FRAME_BYTES: u64 = 16 * 1024 * 1024;
/// A film has a picture, sounds, texts; more than that is made to hurt.
const TRACKS_MAX: u64 = 64;

/// What the owner of a video is told that came to nothing by no fault that we know of.
const UNPREPARED: &str =
    "La vidéo n'a pas pu être préparée. Envoyez-la dans un autre format, par exemple en MP4.";

/// Settings of what is made of files.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The media worker: `auto` looks beside the server's own program, then in `PATH`; `off` does
    /// without; anything else is its path, and must be there.
    pub worker: String,
    /// Pictures, and looks at videos, at once: each takes a core for about a second, and up to 1.5 GB.
    pub pictures_at_once: usize,
    /// Videos transcoded at once: each takes a core for half as long as it plays.
    pub videos_at_once: usize,
    /// Processor time for a picture or a look at a video, in seconds: twenty times what honest ones
    /// take.
    pub picture_cpu_s: u64,
    /// Longest time for a video, in seconds: four hours, for the longest recording on a slow machine.
    pub video_timeout_s: u64,
    /// Tries of a video whose worker died, or whose server did, before its owner is told.
    pub tries: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            worker: "auto".into(),
            pictures_at_once: 2,
            videos_at_once: 1,
            picture_cpu_s: 20,
            video_timeout_s: 14_400,
            tries: 5,
        }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let at_least_one = [
            ("pictures_at_once", self.pictures_at_once as u64),
            ("videos_at_once", self.videos_at_once as u64),
            ("picture_cpu_s", self.picture_cpu_s),
            ("video_timeout_s", self.video_timeout_s),
            ("tries", self.tries.into()),
        ];
        match at_least_one.into_iter().find(|(_, value)| *value == 0) {
            Some((setting, _)) => Err(format!("workshop.{setting}: must be at least 1")),
            None => Ok(()),
        }
    }

    /// The worker, with places for so many jobs.
    fn find(&self, at_once: usize) -> Result<Option<Worker>, String> {
        match self.worker.as_str() {
            "off" => Ok(None),
            "auto" => Ok(Worker::find(None, at_once)),
            path => match Worker::find(Some(Path::new(path)), at_once) {
                Some(worker) => Ok(Some(worker)),
                None => Err(format!("workshop.worker: {path} is no program")),
            },
        }
    }
}

/// Makes of files what is shown. Cheap to clone.
#[derive(Clone)]
pub struct Workshop(Arc<Inner>);

struct Inner {
    config: Config,
    image_max_pixels: u64,
    /// For what a sender waits for.
    quick: Option<Worker>,
    /// For what nobody waits for.
    long: Option<Worker>,
    store: Store,
    storage: Storage,
    clock: Clock,
    judge: Judge,
    wake: Notify,
}

/// A file that is ready to be kept.
pub struct Ready {
    /// What is kept.
    pub arrived: Arrived,
    /// What that is.
    pub kind: Kind,
    /// In pixels, as far as it is known.
    pub dimensions: Option<(u32, u32)>,
    /// How long it plays, likewise.
    pub duration_ms: Option<u64>,
    /// A small picture of it.
    pub small: Option<(Arrived, Kind)>,
    /// A few colours to show before any picture.
    pub blur_hash: Option<String>,
    /// Not every browser plays it: it is to be transcoded.
    pub is_raw: bool,
}

/// Why a job did not end as wished.
enum Setback {
    /// Another try would end likewise.
    Hopeless(Refusal),
    /// Another try may end better.
    Again(String),
}

impl Workshop {
    /// Looks for the media worker and says in the log what there is, and what there is not.
    ///
    /// # Errors
    ///
    /// The text begins with the name of a setting that cannot be.
    pub fn open(
        config: &config::Config,
        store: Store,
        storage: Storage,
        clock: Clock,
    ) -> Result<Self, String> {
        let of = &config.workshop;
        let (quick, long) = (of.find(of.pictures_at_once)?, of.find(of.videos_at_once)?);
        match &quick {
            Some(worker) => {
                tracing::info!(program = %worker.program().display(), "the media worker is there");
            }
            None => tracing::warn!(
                "there is no media worker: pictures and videos are shown as they are brought, but \
                 without what cameras note in them; see docs/operating.md"
            ),
        }
        let judge = Judge::new(config)?;
        Ok(Self(Arc::new(Inner {
            config: of.clone(),
            image_max_pixels: config.uploads.image_max_pixels,
            quick,
            long,
            store,
            storage,
            clock,
            judge,
            wake: Notify::new(),
        })))
    }

    /// Whether there is a worker.
    pub fn is_on(&self) -> bool {
        self.0.quick.is_some()
    }

    /// The media worker for somebody else, with places for so many jobs; `None` where there is none.
    pub fn worker(&self, at_once: usize) -> Option<Worker> {
        self.0.quick.as_ref().map(|quick| Worker::at(quick.program().to_owned(), at_once))
    }

    /// Who says whether others may see what was made.
    pub(crate) fn judge(&self) -> &Judge {
        &self.0.judge
    }

    /// Says that a video waits for its turn.
    pub(crate) fn wake(&self) {
        self.0.wake.notify_one();
    }

    /// Makes of a file what can be made while its sender waits: of a picture all, of a video its poster,
    /// if every browser plays it as it is.
    ///
    /// # Errors
    ///
    /// Why it will never be shown; that nobody can look at it now.
    pub(crate) async fn prepare(&self, file: File, longest_ms: u64) -> Result<Ready, Failure> {
        match &self.0.quick {
            None => {
                check_duration(file.content.duration_ms, longest_ms)?;
                Ok(Ready::as_brought(file))
            }
            Some(worker) if file.content.kind.is_picture() => self.shrink(worker, file).await,
            Some(worker) => self.look(worker, file, longest_ms).await,
        }
    }

    async fn shrink(&self, worker: &Worker, file: File) -> Result<Ready, Failure> {
        let bench = self.bench()?;
        let task = Task::Picture { into: bench.path().to_owned() };
        match self.quickly(worker, &file.arrived, task).await? {
            Outcome::Picture(picture) => {
                let small = self.take_image(&bench, &picture.still.small).await?;
                let blur_hash = Some(picture.still.blurhash);
                let main = match &picture.moving {
                    Some(film) => self.film(&bench, film).await?,
                    None => self.picture(&bench, &picture.still.large).await?,
                };
                Ok(main.ready(Some(small), blur_hash))
            }
            _ => Err(nonsense()),
        }
    }

    async fn look(&self, worker: &Worker, file: File, longest_ms: u64) -> Result<Ready, Failure> {
        let Outcome::Probed(probe) = self.quickly(worker, &file.arrived, Task::Probe).await? else {
            return Err(nonsense());
        };
        if probe.medium != Medium::Video || probe.track_count > TRACKS_MAX {
            return Err(Refusal::NoPicture.into());
        }
        check_duration(probe.duration_ms, longest_ms)?;
        let mut ready = Ready::as_brought(file);
        ready.duration_ms = probe.duration_ms.or(ready.duration_ms);
        ready.dimensions = shown_size(&probe).or(ready.dimensions);
        ready.is_raw = !probe.plays_in_browsers;
        if !ready.is_raw {
            let bench = self.bench()?;
            let still = self.poster(worker, &ready.arrived, &bench).await?;
            ready.small = Some(self.take_image(&bench, &still.small).await?);
            ready.blur_hash = Some(still.blurhash);
        }
        Ok(ready)
    }

    /// A folder for one job.
    fn bench(&self) -> Result<Bench, storage::Error> {
        let folder = self.0.storage.work_folder();
        let fails = |source| storage::Error::File { path: folder.to_owned(), source };
        Bench::in_folder(folder).map_err(fails)
    }

    async fn film(&self, bench: &Bench, film: &Video) -> Result<Made, storage::Error> {
        let made = bench.made(film.file.as_str()).await?;
        Ok(Made {
            arrived: self.0.storage.take_made(&made).await?,
            kind: Kind::Mp4,
            dimensions: (film.width, film.height),
            duration_ms: Some(film.duration_ms),
        })
    }

    async fn picture(&self, bench: &Bench, image: &Image) -> Result<Made, storage::Error> {
        let (arrived, kind) = self.take_image(bench, image).await?;
        let dimensions = (image.width, image.height);
        Ok(Made { arrived, kind, dimensions, duration_ms: None })
    }

    async fn take_image(
        &self,
        bench: &Bench,
        image: &Image,
    ) -> Result<(Arrived, Kind), storage::Error> {
        let kind = match image.format {
            ImageFormat::Jpeg => Kind::Jpeg,
            ImageFormat::Png => Kind::Png,
        };
        let made = bench.made(image.file.as_str()).await?;
        Ok((self.0.storage.take_made(&made).await?, kind))
    }

    async fn poster(
        &self,
        worker: &Worker,
        film: &Arrived,
        bench: &Bench,
    ) -> Result<Still, Failure> {
        let task = Task::Poster { into: bench.path().to_owned(), at_ms: None };
        match self.quickly(worker, film, task).await? {
            Outcome::Poster(still) => Ok(still),
            _ => Err(nonsense()),
        }
    }

    /// Does a job whose end somebody waits for.
    async fn quickly(
        &self,
        worker: &Worker,
        file: &Arrived,
        task: Task,
    ) -> Result<Outcome, Failure> {
        let cpu_seconds = self.0.config.picture_cpu_s;
        let deadline = Duration::from_secs(cpu_seconds.saturating_mul(CROWD));
        let mut limits = Limits { cpu_seconds, ..Limits::of(&task) };
        if matches!(task, Task::Picture { .. }) {
            limits.pixels = limits.pixels.min(self.0.image_max_pixels);
        }
        let job = Job { input: file.path().to_owned(), task, limits };
        let done = tokio::time::timeout(PATIENCE, worker.run(&job, deadline, |_| ()));
        let done = done.await.map_err(|_| Error::Busy)?;
        done.map(|done| done.outcome).map_err(|failed| match refusal_of(&failed, &limits) {
            // The machine has too much to do: the file had less than its time of a processor, or none.
            _ if matches!(failed, Failed::TimedOut(_) | Failed::Busy(_)) => {
                tracing::warn!(%failed, "a file has to be brought again");
                Failure::Other(Error::Busy)
            }
            Some(refusal) => {
                tracing::info!(%failed, "a file is of no use to the media worker");
                Failure::File(refusal)
            }
            None => Failure::Other(Error::fault(uploads::NOT_STORED, failed)),
        })
    }

    /// Transcodes what waits, until it is dropped. What it had in hand then, or when the server died, is
    /// taken again by the next.
    pub async fn run(self) {
        let waiting = loop {
            match self.0.store.resume_media_jobs().await {
                Ok(waiting) => break waiting,
                Err(error) => tracing::error!(%error, "cannot see which videos wait"),
            }
            tokio::time::sleep(LOOK).await;
        };
        if self.0.long.is_none() {
            if waiting > 0 {
                tracing::warn!(waiting, "videos wait for a media worker, which is not there");
            }
            return;
        }
        let mut jobs = JoinSet::new();
        let mut in_hand: HashMap<task::Id, MediaId> = HashMap::new();
        loop {
            while jobs.len() < self.0.config.videos_at_once {
                match self.0.store.take_media_job(self.0.clock.now_ms()).await {
                    Ok(Some(job)) => {
                        let (workshop, id) = (self.clone(), job.media.id);
                        let started = jobs.spawn(async move { workshop.work(&job).await });
                        in_hand.insert(started.id(), id);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::error!(%error, "cannot see which videos wait");
                        break;
                    }
                }
            }
            tokio::select! {
                Some(ended) = jobs.join_next_with_id() => match ended {
                    Ok((id, ())) => drop(in_hand.remove(&id)),
                    Err(panicked) => if let Some(id) = in_hand.remove(&panicked.id()) {
                        // The panic hook has said where.
                        self.put_back(id, 1).await;
                    },
                },
                () = self.0.wake.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// One try of one video.
    async fn work(&self, job: &MediaJob) {
        let id = job.media.id;
        // What ends the server too is never judged after its try.
        if job.tries > i64::from(self.0.config.tries) {
            tracing::error!(media.id = id.get(), tries = job.tries, "a video is given up");
            return self.give_up(id, UNPREPARED).await;
        }
        let setback = match self.transcode(job).await {
            Ok(made) => match self.finish(job, &made).await {
                Ok(()) => return,
                Err(error) => Setback::Again(error.to_string()),
            },
            Err(setback) => setback,
        };
        let is_last = job.tries >= i64::from(self.0.config.tries);
        let reason = match setback {
            Setback::Hopeless(refusal) => refusal.message(),
            Setback::Again(error) if !is_last => {
                tracing::warn!(media.id = id.get(), tries = job.tries, %error,
                    "a video is not ready yet: it will be tried again");
                return self.put_back(id, job.tries).await;
            }
            Setback::Again(error) => {
                tracing::error!(media.id = id.get(), tries = job.tries, %error,
                    "a video is given up");
                UNPREPARED.to_owned()
            }
        };
        tracing::info!(media.id = id.get(), reason, "a video came to nothing");
        self.give_up(id, &reason).await;
    }

    async fn give_up(&self, id: MediaId, reason: &str) {
        if let Err(error) = self.0.store.fail_media_job(id, reason).await {
            tracing::error!(media.id = id.get(), %error, "cannot give a video up");
        }
    }

    async fn put_back(&self, id: MediaId, tries: i64) {
        let wait_ms = RETRY_MS.saturating_mul(1 << tries.clamp(1, 10)) / 2;
        let retry_ms = self.0.clock.now_ms().saturating_add(wait_ms);
        if let Err(error) = self.0.store.put_back_media_job(id, retry_ms).await {
            tracing::error!(media.id = id.get(), %error, "a video waits for the next start");
        }
    }

    async fn transcode(&self, job: &MediaJob) -> Result<MadeMedia, Setback> {
        let (Some(quick), Some(long)) = (&self.0.quick, &self.0.long) else {
            return Err(Setback::Again("there is no media worker".into()));
        };
        let name: ObjectName = job.media.name.parse().map_err(again)?;
        let brought = self.0.storage.bring_back(&name).await.map_err(again)?;
        let bench = self.bench().map_err(again)?;
        let longest_ms = u64::try_from(job.longest_ms).unwrap_or(0).saturating_add(LENIENCE_MS);
        let task = Task::Transcode { into: bench.path().to_owned() };
        let limits = Limits {
            duration_ms: longest_ms,
            output_bytes: (longest_ms / 1000).saturating_mul(SECOND_BYTES) + FRAME_BYTES,
            ..Limits::of(&task)
        };
        let order = Job { input: brought.path().to_owned(), task, limits };
        let film = match self.slowly(long, &order, job.media.id).await {
            Ok(Outcome::Transcoded(film)) => self.film(&bench, &film).await.map_err(again)?,
            Ok(_) => return Err(Setback::Again("not what was asked for".into())),
            Err(failed @ Failed::Crashed { .. }) => return Err(again(failed)),
            Err(failed) => {
                return Err(match refusal_of(&failed, &limits) {
                    Some(refusal) => Setback::Hopeless(refusal),
                    None => again(failed),
                });
            }
        };
        let still = self.poster(quick, &film.arrived, &bench).await.map_err(again_later)?;
        let small = self.take_image(&bench, &still.small).await.map_err(again)?;
        self.keep(&job.media, film.ready(Some(small), Some(still.blurhash))).await.map_err(again)
    }

    /// Does a job whose end nobody waits for, and notes how far it is.
    async fn slowly(&self, worker: &Worker, job: &Job, id: MediaId) -> Result<Outcome, Failed> {
        let (tell, mut told) = watch::channel(0);
        let deadline = Duration::from_secs(self.0.config.video_timeout_s);
        let progress = move |permille| {
            tell.send_replace(permille);
        };
        let working = worker.run(job, deadline, progress);
        let noting = async {
            let mut noted = 0;
            while told.changed().await.is_ok() {
                let permille = *told.borrow_and_update();
                if permille >= noted + STEP_PERMILLE {
                    noted = permille;
                    if let Err(error) = self.0.store.set_media_progress(id, permille.into()).await {
                        tracing::warn!(%error, "the progress of a video is not noted");
                    }
                }
            }
        };
        let (done, ()) = tokio::join!(working, noting);
        done.map(|done| done.outcome)
    }

    /// Stores what was made of media, and asks whether others may see it.
    async fn keep(&self, media: &Media, ready: Ready) -> Result<MadeMedia, Error> {
        let now_ms = self.0.clock.now_ms();
        let size_bytes = i64::try_from(ready.arrived.len()).unwrap_or(i64::MAX);
        let (dimensions, duration_ms) = (ready.dimensions.unwrap_or_default(), ready.duration_ms);
        let blur_hash = ready.blur_hash.clone();
        let kept = uploads::keep(&self.0.store, &self.0.storage, now_ms, ready).await?;
        let subject = Subject {
            name: &kept.name,
            thumbnail: kept.thumbnail.as_ref(),
            title: &media.title,
            description: &media.description,
        };
        let (approval, reason) = self.0.judge.judge(&subject).await;
        Ok(MadeMedia {
            name: kept.name.as_str().to_owned(),
            thumbnail: kept.thumbnail.map(|name| name.as_str().to_owned()),
            blur_hash,
            size_bytes,
            dimensions: (dimensions.0.into(), dimensions.1.into()),
            duration_ms: duration_ms.and_then(|ms| i64::try_from(ms).ok()).unwrap_or(0),
            approval,
            reason,
        })
    }

    async fn finish(&self, job: &MediaJob, made: &MadeMedia) -> Result<(), store::Error> {
        let delete_after_ms = self.0.clock.now_ms().saturating_add(LINGER_MS);
        let id = job.media.id;
        if self.0.store.finish_media_job(id, made, delete_after_ms).await? {
            let state = made.approval.as_str();
            tracing::info!(media.id = id.get(), approval = state, "a video is ready");
        } else {
            tracing::info!(media.id = id.get(), "a video was deleted while it was made ready");
        }
        Ok(())
    }
}

impl Ready {
    /// A file as it was brought, of which nothing is made.
    fn as_brought(File { arrived, content }: File) -> Self {
        Self {
            arrived,
            kind: content.kind,
            dimensions: content.dimensions,
            duration_ms: content.duration_ms,
            small: None,
            blur_hash: None,
            is_raw: false,
        }
    }

    /// What it is to those who look at it.
    pub fn media_type(&self) -> MediaType {
        if self.kind.is_picture() { MediaType::Image } else { MediaType::Video }
    }
}

/// What the worker has made, as a file that has come.
struct Made {
    arrived: Arrived,
    kind: Kind,
    dimensions: (u32, u32),
    duration_ms: Option<u64>,
}

impl Made {
    fn ready(self, small: Option<(Arrived, Kind)>, blur_hash: Option<String>) -> Ready {
        Ready {
            arrived: self.arrived,
            kind: self.kind,
            dimensions: Some(self.dimensions),
            duration_ms: self.duration_ms,
            small,
            blur_hash,
            is_raw: false,
        }
    }
}

/// The size of the pictures of a video, as they are shown.
fn shown_size(probe: &Probe) -> Option<(u32, u32)> {
    let track = probe.tracks.iter().find(|track| track.kind == "video")?;
    let (width, height) = (track.width?, track.height?);
    let is_turned = matches!(track.rotation, Some(90 | 270));
    Some(if is_turned { (height, width) } else { (width, height) })
}

fn check_duration(duration_ms: Option<u64>, longest_ms: u64) -> Result<(), Refusal> {
    match duration_ms {
        Some(ms) if ms > longest_ms.saturating_add(LENIENCE_MS) => {
            Err(Refusal::TooLong(longest_ms))
        }
        _ => Ok(()),
    }
}

/// Why a file is of no use, if that is what a failure means; else it is a fault of ours.
fn refusal_of(failed: &Failed, limits: &Limits) -> Option<Refusal> {
    match failed {
        Failed::Refused { code, .. } => match code {
            Code::TooManyPixels => Some(Refusal::TooManyPixels(limits.pixels)),
            Code::TooLong => Some(Refusal::TooLong(limits.duration_ms.saturating_sub(LENIENCE_MS))),
            Code::Unsupported | Code::Unreadable => Some(Refusal::Broken),
            Code::NoPicture => Some(Refusal::NoPicture),
            Code::TooLarge | Code::TooMuchMemory => Some(Refusal::TooHeavy),
            Code::BadJob | Code::NotAFile | Code::Output | Code::Sandbox => None,
        },
        Failed::TooMuch(_) | Failed::TimedOut(_) => Some(Refusal::TooHeavy),
        // Decoders die of what they decode.
        Failed::Crashed { .. } => Some(Refusal::Broken),
        _ => None,
    }
}

fn nonsense() -> Failure {
    Failure::Other(Error::fault(uploads::NOT_STORED, "the media worker did another job"))
}

fn again(error: impl std::fmt::Display) -> Setback {
    Setback::Again(error.to_string())
}

fn again_later(failure: Failure) -> Setback {
    match failure {
        Failure::File(refusal) => Setback::Again(refusal.message()),
        Failure::Other(error) => again(error),
    }
}
