//! Starts everything, in order, and owns the way down.

use std::{
    collections::HashMap,
    fs,
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use anyhow::Context as _;
use api::Workshop;
use axum::{Router, http::request::Parts};
use commons::Commons;
use delivery::Delivery;
use hub::Hub;
use ingest::Listener;
use pictures::Pictures;
use recorder::{Library, Recorder, System, Uploader};
use storage::Storage;
use store::Store;
use tokio::{
    net::TcpListener,
    runtime::{Handle, Runtime},
    signal::unix::{SignalKind, signal},
    sync::watch,
};
use tracing::info;

use crate::{
    config::Config,
    http,
    https::{Certificate, redirect},
    keys::{self, Keys},
    lives::{Lives, Recordings, now_ms},
    metrics, web,
};

/// How long viewers of a live have, at the way down, to read that it stops: twice the time between
/// two playlists. Nobody connected: no wait.
const FAREWELL: Duration = Duration::from_secs(4);
/// How long requests under way have to finish after that.
const DRAIN: Duration = Duration::from_secs(5);

/// How often expired sessions are forgotten, and files that belong to nothing deleted. They take room,
/// nothing else.
const PURGE: Duration = Duration::from_secs(3_600);

/// How often the database is asked whether a live has begun whose neighbours are to be told: one
/// look at a table that is nearly always empty.
const ANNOUNCE: Duration = Duration::from_secs(2);

/// How often recordings are looked at that may have to give way: in a minute a hundred lives write 2 GB.
const SWEEP_RECORDINGS: Duration = Duration::from_secs(60);

/// How often it is noted that the server runs: after a crash, lives whose grace is over by then have ended.
const SIGN_OF_LIFE: Duration = Duration::from_secs(2);

/// The folder of recordings, below the data folder and in the bucket.
pub(crate) const RECORDINGS_FOLDER: &str = "recordings";

/// The folder in which pictures are made, likewise.
const PICTURES_FOLDER: &str = "pictures";

/// Where the listeners ended up, for whoever asked for port 0.
const ADDRESSES_FILE: &str = "addresses.json";
/// Locked by the server that uses the folder.
const LOCK_FILE: &str = "lock";

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// When the data folder, the database or a port cannot be had.
pub fn run(config: Config) -> anyhow::Result<()> {
    // Publishers have threads of their own: an edge that wakes ten thousand viewers is milliseconds of
    // work, behind which no socket of an encoder should wait (ADR 25).
    let publishers = runtime("publishers")?;
    runtime("house")?.block_on(serve(config, publishers.handle()))
}

fn runtime(name: &str) -> anyhow::Result<Runtime> {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.enable_all().thread_name(name).build().context("cannot start the runtime")
}

async fn serve(mut config: Config, publishers: &Handle) -> anyhow::Result<()> {
    let started = Instant::now();
    let stop = stop_signal()?;
    let alive_ms = last_sign_of_life(&config.data_dir);
    let folder = Arc::new(take_folder(&config.data_dir)?);
    let stamps = keys::stamps(&config.data_dir);
    let secret = match &config.api.jwt_secret {
        Some(secret) => secret.clone(),
        None => {
            let Keys { current, retired } = Keys::load_or_make(&config.data_dir)?;
            config.api.keyring.replace(&current, &retired);
            current
        }
    };
    let keyring = config.api.jwt_secret.is_none().then(|| config.api.keyring.clone());
    if config.api.push.vapid_key.is_none() {
        config.api.push.vapid_key = Some(keys::vapid(&config.data_dir)?);
    }
    let keys = delivery::Keys::derive(secret.reveal());
    let recorder = metrics::install()?;
    config.api.commons = Commons::open(&config.redis, secret.reveal())
        .map_err(|setting| anyhow::anyhow!("redis.{setting}"))?;
    let store = Store::open(&config.database_url()).await.context("cannot open the database")?;
    let _database = store
        .own()
        .await?
        .context("database_url: another server runs on this database; each needs one of its own")?;

    let storage =
        Storage::open(&config.storage, &config.data_dir).context("cannot open the storage")?;

    // Before anything is put right in the database: a server that cannot listen changes nothing.
    let rtmp = publishers
        .spawn(Listener::bind(config.ingest.clone()))
        .await?
        .with_context(|| format!("ingest.listen {}: cannot be bound", config.ingest.listen))?;
    let http = bind("http.listen", config.http.listen)?;
    let https = match config.https.listen {
        Some(address) => Some((bind("https.listen", address)?, Certificate::load(&config.https)?)),
        None => None,
    };
    let metrics = bind("metrics.listen", config.metrics.listen)?;
    let addresses = Addresses {
        http: http.local_addr()?,
        https: https.as_ref().map(|(listener, _)| listener.local_addr()).transpose()?,
        rtmp: rtmp.local_addr(),
        metrics: metrics.local_addr()?,
    };
    if config.api.public_rtmp_port == 0 {
        config.api.public_rtmp_port = addresses.rtmp.port();
    }

    let depot = storage.depot(RECORDINGS_FOLDER, config.recording.upload_max_bytes_per_s);
    let public = config.storage.public_base_url.as_deref().filter(|_| config.recording.direct);
    let depot = match public {
        Some(base_url) => depot.map(|depot| depot.read_by_the_public(base_url)),
        None => depot,
    };
    let recordings = Library::open_with(config.data_dir.join(RECORDINGS_FOLDER), depot)
        .context("cannot read the folder of recordings")?;
    let uploader = Uploader::new(recordings.clone(), &config.recording);
    let live_recorder = match config.recording.enabled {
        true => Some(
            Recorder::start(recordings.clone(), config.recording.clone(), Arc::new(System))
                .context("cannot start the recorder")?,
        ),
        false => None,
    };
    let audit = config.api.audit.clone();
    let workshop =
        Workshop::open(&config.api, store.clone(), storage.clone(), api::Clock::system())
            .map_err(|setting| anyhow::anyhow!("api.{setting}"))?;
    // One more than of lives: for the recordings.
    let worker = workshop.worker(config.pictures.at_once + 1);
    let scratch = config.data_dir.join(PICTURES_FOLDER);
    let pictures = Pictures::open(config.pictures.clone(), worker, recordings.clone(), scratch)
        .context("cannot make the folder in which pictures are made")?;
    let hub = Hub::new();
    let lives = Lives::new(
        store.clone(),
        hub.clone(),
        config.packager.clone(),
        config.lives.clone(),
        config.delivery.count_viewers,
        delivery::Tickets::new(&config.delivery, &keys),
        Recordings {
            library: recordings.clone(),
            recorder: live_recorder,
            uploader: uploader.clone(),
            pictures: pictures.clone(),
            rewind_s: config.delivery.rewind_s,
        },
    );
    lives.restore(alive_ms).await.context("cannot put the lives of the last run right")?;

    let public_url = config.api.public_http_url.clone();
    let pusher = api::Pusher::new(store.clone(), &config.api, api::Clock::system());
    let media = Delivery::new(hub.clone(), &config.delivery, keys);
    let trusted = config.api.trusted_proxies.clone();
    let client =
        move |asked: &Parts| api::Client::of(&asked.extensions, &asked.headers, &trusted).address;
    let media = media.with_recordings(recordings.clone()).with_pictures(pictures);
    let media = Arc::new(media.with_clients(client));
    let control = Arc::new(lives.clone());
    let api = api::router(store.clone(), storage.clone(), workshop.clone(), config.api, control)?;
    let pages = Router::new()
        .merge(api.clone())
        .merge(api::files(storage.clone()))
        .merge(web::router(hub, api, config.storage.public_base_url.as_deref()));
    let whole = http::Site::new(media.clone(), pages);
    let plain = match addresses.https.filter(|_| config.https.redirect) {
        Some(https) => {
            http::Site::new(media, redirect::router(public_url.as_deref(), https.port()))
        }
        None => whole.clone(),
    };
    let (drain, draining) = watch::channel(false);
    let viewers = Arc::new(http::Connections::default());
    let limits = config.http;
    tokio::spawn(http::serve(http, None, plain, limits.clone(), viewers.clone(), draining.clone()));
    let mut certificate_watch = None;
    if let Some((listener, certificate)) = https {
        let certificate = Arc::new(certificate);
        let hangup = signal(SignalKind::hangup()).context("cannot listen for SIGHUP")?;
        let (viewers, draining) = (viewers.clone(), draining.clone());
        let served = certificate.clone();
        tokio::spawn(http::serve(listener, Some(served), whole, limits, viewers, draining));
        certificate_watch = Some(tokio::spawn(async move { certificate.watch(hangup).await }));
    }
    let figures = metrics::Figures {
        recorder: recorder.clone(),
        lives: lives.clone(),
        encoders: rtmp.counters(),
        viewers: viewers.clone(),
    };
    let scrapers = Arc::new(http::Connections::default());
    let scraped = metrics::router(figures);
    tokio::spawn(http::serve(metrics, None, scraped, http::Config::default(), scrapers, draining));
    let background = [
        tokio::spawn(metrics::upkeep(recorder)),
        tokio::spawn(give_signs_of_life(folder.clone())),
        tokio::spawn(purge(store.clone(), storage, audit)),
        tokio::spawn(announce_lives(store.clone())),
        tokio::spawn(sweep_recordings(lives.clone(), recordings, store.clone(), config.recording)),
        tokio::spawn(async move {
            if let Some(uploader) = uploader {
                uploader.run().await;
            }
        }),
        tokio::spawn(async move {
            match pusher {
                Ok(pusher) => pusher.run().await,
                // A machine without certificates still serves lives.
                Err(error) => tracing::error!(%error, "no push message will be sent"),
            }
        }),
        tokio::spawn(workshop.run()),
        tokio::spawn({
            let lives = lives.clone();
            async move { lives.sweep().await }
        }),
    ];
    let keys_watch =
        keyring.map(|keyring| tokio::spawn(keys::watch(config.data_dir.clone(), keyring, stamps)));
    let receiving = publishers.spawn({
        let lives = lives.clone();
        async move { lives.receive(rtmp).await }
    });
    addresses.write(&config.data_dir)?;
    info!(
        http = %addresses.http, https = addresses.https.map(tracing::field::display),
        rtmp = %addresses.rtmp, metrics = %addresses.metrics,
        data_dir = %config.data_dir.display(), ready_ms = started.elapsed().as_millis(),
        "ready: the page is on http, encoders publish to rtmp"
    );

    stop.await;
    info!(
        "stopping: publishers are told; viewers of what is not recorded read the end of their playlists"
    );
    receiving.abort();
    if lives.drain().await > 0 && viewers.count() > 0 {
        tokio::time::sleep(FAREWELL).await;
    }
    let _ = drain.send(true);
    if tokio::time::timeout(DRAIN, viewers.gone()).await.is_err() {
        info!(connections = viewers.count(), "some viewers were still connected");
    }
    background
        .iter()
        .chain(&certificate_watch)
        .chain(&keys_watch)
        .for_each(tokio::task::JoinHandle::abort);
    store.close().await;
    let _ = fs::remove_file(config.data_dir.join(ADDRESSES_FILE));
    info!("stopped");
    Ok(())
}

/// Makes the data folder, readable by the server alone, and takes it: two servers on one folder
/// would end each other's lives. Given back when the file is closed.
pub(crate) fn take_folder(data_dir: &Path) -> anyhow::Result<fs::File> {
    use std::os::unix::fs::DirBuilderExt as _;
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("data_dir {}: cannot be created", data_dir.display()))?;
    let path = data_dir.join(LOCK_FILE);
    // Untouched until it is ours: when it was last changed tells when the last server was there.
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.try_lock().map_err(|error| match error {
        fs::TryLockError::WouldBlock => {
            anyhow::anyhow!("data_dir {}: another server uses it", data_dir.display())
        }
        fs::TryLockError::Error(error) => {
            anyhow::anyhow!("cannot lock {}: {error}", path.display())
        }
    })?;
    Ok(file)
}

/// When a server last used the data folder, in Unix milliseconds: at the latest [`SIGN_OF_LIFE`] before its end.
pub(crate) fn last_sign_of_life(data_dir: &Path) -> Option<i64> {
    let changed = fs::metadata(data_dir.join(LOCK_FILE)).and_then(|file| file.modified()).ok()?;
    let since_epoch = changed.duration_since(SystemTime::UNIX_EPOCH).ok()?;
    i64::try_from(since_epoch.as_millis()).ok()
}

/// Tells the next server when this one was there, until the process ends.
async fn give_signs_of_life(lock: Arc<fs::File>) {
    let mut ticks = tokio::time::interval(SIGN_OF_LIFE);
    loop {
        ticks.tick().await;
        let lock = lock.clone();
        let given = tokio::task::spawn_blocking(move || lock.set_modified(SystemTime::now()));
        if let Ok(Err(error)) = given.await {
            tracing::warn!(%error, "cannot note in the data folder that the server runs");
        }
    }
}

/// Forgets what has expired and deletes what belongs to nothing, until the process ends.
async fn purge(store: Store, storage: Storage, audit: api::Audit) {
    const DAY_MS: i64 = 24 * 60 * 60 * 1000;
    let mut ticks = tokio::time::interval(PURGE);
    loop {
        ticks.tick().await;
        let now_ms = now_ms();
        let oldest_ms = now_ms - i64::from(audit.days) * DAY_MS;
        for (what, purged) in [
            ("expired sessions", store.purge_sessions(now_ms).await),
            ("links that were sent", store.purge_mail_tokens(now_ms).await),
            ("the end of the audit log", store.purge_audit(oldest_ms, audit.max_lines).await),
        ] {
            if let Err(error) = purged {
                tracing::error!(%error, "cannot forget {what}");
            }
        }
        api::tidy(&store, &storage, now_ms).await;
    }
}

/// Has recordings go that were deleted, give way that are too old or too much, and be shown that are not, until the
/// process ends.
async fn sweep_recordings(
    lives: Lives,
    recordings: Library,
    store: Store,
    config: recorder::Config,
) {
    let mut ticks = tokio::time::interval(SWEEP_RECORDINGS);
    let mut is_bucket_known = false;
    loop {
        ticks.tick().await;
        // Once: later nothing is in the bucket that was not here.
        is_bucket_known = is_bucket_known || lives.find_recordings().await;
        lives.settle_recordings().await;
        let owners = match config.max_bytes_per_user {
            Some(_) => lives.owners_of_recordings().await,
            None => HashMap::new(),
        };
        let (recordings, config) = (recordings.clone(), config.clone());
        let sweep = move || recordings.sweep(&config, SystemTime::now(), &owners);
        for name in tokio::task::spawn_blocking(sweep).await.unwrap_or_default() {
            if let Err(error) = store.forget_recording(&name).await {
                tracing::error!(%name, %error, "a recording that is gone is still shown");
            }
        }
    }
}

/// Tells the neighbours of lives that have begun, and who took part in those that are over, until the process ends. What is left then is told
/// after the next start.
async fn announce_lives(store: Store) {
    let mut ticks = tokio::time::interval(ANNOUNCE);
    loop {
        ticks.tick().await;
        loop {
            match store.announce_lives(now_ms()).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::error!(%error, "cannot tell the neighbours of a live");
                    break;
                }
            }
        }
    }
}

fn bind(setting: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    http::bind(address).with_context(|| format!("{setting} {address}: cannot be bound"))
}

struct Addresses {
    http: SocketAddr,
    https: Option<SocketAddr>,
    rtmp: SocketAddr,
    metrics: SocketAddr,
}

impl Addresses {
    /// Written whole or not at all: whoever waits for the file reads complete addresses.
    fn write(&self, data_dir: &Path) -> anyhow::Result<()> {
        let Self { http, https, rtmp, metrics } = self;
        let https = https.map(|https| format!("\"https\":\"{https}\",")).unwrap_or_default();
        let text = format!(
            "{{\"http\":\"{http}\",{https}\"rtmp\":\"{rtmp}\",\"metrics\":\"{metrics}\"}}\n"
        );
        let path = data_dir.join(ADDRESSES_FILE);
        let partial = path.with_extension("json.partial");
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, &path))
            .with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Completes at the first SIGTERM or SIGINT. A second SIGINT ends the process at once.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tokio::spawn(async move {
            interrupt.recv().await;
            std::process::exit(130);
        });
    })
}
