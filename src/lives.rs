//! The life of a live: admit, pump, interrupt, end.
//!
//! Here: who may publish and what happens when he leaves. Not here: bytes (`ingest`, `packager`),
//! what viewers are told (`delivery`), SQL (`store`).
//!
//! ```text
//! created ──publish──▶ live ──publisher gone──▶ interrupted ──same key, within grace──▶ live
//!    │ unused_h           │ owner                  │ grace over, or owner
//!    └────────────────────┴───────────▶ ended ◀────┘
//! ```

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use dashmap::DashMap;
use hub::{Channel, Hub};
use ingest::{Listener, PublishRequest, Refusal};
use media::id::{Epoch, LiveId, PlaybackName, UserId};
use packager::Packager;
use serde::Deserialize;
use store::{LiveRow, LiveState, Store};
use tokio::sync::watch;
use tracing::{error, info, warn};

use crate::throttle::Throttle;

/// How long a live waits for its publisher.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long an interrupted live waits for its publisher.
    pub grace_s: u64,
    /// How long a live may stay unpublished.
    pub unused_h: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self { grace_s: 30, unused_h: 24 }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        if self.unused_h == 0 {
            return Err("lives.unused_h must be at least 1".into());
        }
        if !(1..=3_600).contains(&self.grace_s) {
            return Err("lives.grace_s must lie between 1 and 3600".into());
        }
        Ok(())
    }
}

/// How often lives that nobody published are looked for.
const SWEEP: Duration = Duration::from_secs(60);
/// How long a drain waits for publishers to be told and their lives to be written down.
const DRAIN: Duration = Duration::from_secs(5);
/// An IDR every two seconds is what HLS asks for; past this, joining and switching suffer.
const LONG_GOP_MS: u64 = 4_000;
/// Nearly twice what 720p30 asks for: past this a phone shows no better picture, and data is dear.
const HEAVY_BPS: u64 = 4_500_000;

/// All lives of the house. Cloning is cheap: every clone is the same.
#[derive(Clone)]
pub struct Lives(Arc<Inner>);

struct Inner {
    store: Store,
    hub: Hub,
    packager: packager::Config,
    config: Config,
    throttle: Throttle,
    open: DashMap<PlaybackName, Arc<OpenLive>>,
    /// Set once the server is going down: lives are interrupted, not ended.
    draining: AtomicBool,
    /// Publishers between their admission and the last word about them in the database.
    handled: watch::Sender<usize>,
}

/// A live that has not ended, or ended less than a window ago.
struct OpenLive {
    id: LiveId,
    author: UserId,
    channel: Arc<Channel>,
    /// Counts publishers, so that a grace timer knows whether one came back. The lock orders what
    /// a newcomer and his predecessor write into the database.
    publishes: tokio::sync::Mutex<u64>,
    ended: AtomicBool,
    incoming: Mutex<Option<Incoming>>,
}

/// What the current publisher is like.
struct Incoming {
    number: u64,
    encoder: Option<String>,
    connected_ms: i64,
    stats: ingest::Stats,
}

impl OpenLive {
    /// Remembers what publisher `number` sent, unless another one has come since.
    fn note(&self, number: u64, stats: ingest::Stats) {
        if let Some(incoming) = lock(&self.incoming).as_mut().filter(|it| it.number == number) {
            incoming.stats = stats;
        }
    }
}

impl Lives {
    /// No live yet: see [`Lives::restore`].
    pub fn new(store: Store, hub: Hub, packager: packager::Config, config: Config) -> Self {
        Self(Arc::new(Inner {
            store,
            hub,
            packager,
            config,
            throttle: Throttle::default(),
            open: DashMap::new(),
            draining: AtomicBool::new(false),
            handled: watch::Sender::new(0),
        }))
    }

    /// Puts right what the last run left: a live it left `live` waits for its publisher like any
    /// other that was interrupted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn restore(&self) -> Result<(), store::Error> {
        for row in self.0.store.unfinished_lives().await? {
            let Some(live) = self.open(&row) else { continue };
            if row.state == LiveState::Live {
                self.write_state(&live, &[LiveState::Live], LiveState::Interrupted).await;
            }
            if row.state != LiveState::Created {
                info!(live.id = %row.id, "live left open by the last run: waiting for its publisher");
                self.end_after_grace(live, 0);
            }
        }
        Ok(())
    }

    /// Receives publishers until the listener closes.
    pub async fn receive(&self, mut listener: Listener) {
        while let Some(request) = listener.accept().await {
            let lives = self.clone();
            tokio::spawn(async move { lives.handle(request).await });
        }
    }

    /// Ends lives that were created and never published, until the process ends.
    pub async fn sweep(&self) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let before_ms = now_ms() - self.0.config.unused_h as i64 * 3_600_000;
            match self.0.store.end_stale_created_lives(before_ms, now_ms()).await {
                Ok(ended) => ended.into_iter().for_each(|id| self.close_unused(id)),
                Err(error) => error!(%error, "cannot end the lives nobody published"),
            }
        }
    }

    /// Tells every publisher that the server goes down, writes their lives down as interrupted, and
    /// says how many there were. Viewers read ENDLIST: the next run packages under another epoch.
    pub async fn drain(&self) -> usize {
        self.0.draining.store(true, Ordering::Relaxed);
        let open: Vec<_> = self.0.open.iter().map(|entry| entry.value().clone()).collect();
        let mut publishing = 0;
        for live in &open {
            publishing += usize::from(live.channel.has_publisher());
            live.channel.end();
        }
        let mut handled = self.0.handled.subscribe();
        let all_told = tokio::time::timeout(DRAIN, handled.wait_for(|handled| *handled == 0));
        if all_told.await.is_err() {
            warn!("some publishers were still connected when the server stopped");
        }
        publishing
    }

    /// Sets the gauges that are read when asked rather than counted as they change.
    pub(crate) fn record_gauges(&self) {
        let (mut publishing, mut segments, mut bytes) = (0_u32, 0_usize, 0_usize);
        let channels: Vec<_> =
            self.0.open.iter().map(|entry| entry.value().channel.clone()).collect();
        for channel in &channels {
            let report = channel.report();
            publishing += u32::from(channel.has_publisher());
            segments += report.segments_listed;
            bytes += report.bytes_held;
        }
        ::metrics::gauge!("lives_open").set(channels.len() as f64);
        ::metrics::gauge!("lives_publishing").set(f64::from(publishing));
        ::metrics::gauge!("packager_window_segments").set(segments as f64);
        ::metrics::gauge!("packager_window_bytes").set(bytes as f64);
    }

    async fn handle(&self, request: PublishRequest) {
        self.0.handled.send_modify(|handled| *handled += 1);
        // A panic must not keep the way down waiting.
        let _handled = OnDrop(|| self.0.handled.send_modify(|handled| *handled -= 1));
        let peer = request.peer();
        let live = match self.admit(&request).await {
            Ok(live) => live,
            Err(refusal) => {
                ::metrics::counter!("ingest_refused_total").increment(1);
                return request.reject(refusal).await;
            }
        };
        let encoder = request.encoder().map(str::to_owned);
        let mut publishing = match request.accept().await {
            Ok(publisher) => publisher,
            Err(error) => return warn!(%peer, live.id = %live.id, %error, "publisher left at once"),
        };
        // Claimed only now: an encoder that leaves before its answer never disturbs the one before.
        let mut claim = live.channel.claim(now_ms());
        let number = self.begin(&live).await;
        info!(%peer, live.id = %live.id, encoder, "publishing");
        ::metrics::counter!("ingest_publishes_total").increment(1);
        *lock(&live.incoming) =
            Some(Incoming { number, encoder, connected_ms: now_ms(), stats: publishing.stats() });

        let departure = pump(&live, number, &mut publishing, &mut claim).await;
        let departure = if self.is_draining() { Departure::Draining } else { departure };
        let stats = publishing.stats();
        info!(
            %peer, live.id = %live.id, bytes = stats.bytes_received, dropped = stats.dropped_tags,
            "publisher left: {departure}"
        );
        if let Some(refusal) = departure.refusal() {
            publishing.close(refusal).await;
        }
        drop(claim);
        self.interrupt(&live, number).await;
    }

    /// Writes down that a live is being published; gives the number of its publisher.
    async fn begin(&self, live: &OpenLive) -> u64 {
        let mut publishes = live.publishes.lock().await;
        *publishes += 1;
        // Not a change when the newcomer takes over from a connection that still lingers.
        self.write_state(live, &[LiveState::Created, LiveState::Interrupted], LiveState::Live)
            .await;
        *publishes
    }

    /// Writes down that publisher `number` is gone, unless another one has come since.
    async fn interrupt(&self, live: &Arc<OpenLive>, number: u64) {
        let publishes = live.publishes.lock().await;
        if *publishes != number {
            return;
        }
        *lock(&live.incoming) = None;
        if self.write_state(live, &[LiveState::Live], LiveState::Interrupted).await
            && !self.is_draining()
        {
            self.end_after_grace(live.clone(), number);
        }
    }

    /// Whether the key opens a live, before any media is accepted.
    async fn admit(&self, request: &PublishRequest) -> Result<Arc<OpenLive>, Refusal> {
        let address = request.peer().ip();
        if self.is_draining() {
            return Err(Refusal::Unavailable(
                "Le serveur redémarre : réessayez dans un instant.".into(),
            ));
        }
        if self.0.throttle.is_blocked(address, Instant::now()) {
            return Err(Refusal::Unauthorized(
                "Trop de clés refusées depuis votre adresse : réessayez dans dix minutes.".into(),
            ));
        }
        match self.live_of(request).await {
            Ok(live) => {
                self.0.throttle.succeeded(address);
                Ok(live)
            }
            Err(refusal) => {
                let delay = self.0.throttle.failed(address, Instant::now());
                warn!(
                    peer = %request.peer(), delay_ms = delay.as_millis(),
                    "publisher refused: {}", refusal.description()
                );
                tokio::time::sleep(delay).await;
                Err(refusal)
            }
        }
    }

    async fn live_of(&self, request: &PublishRequest) -> Result<Arc<OpenLive>, Refusal> {
        if request.app() != "live" {
            return Err(Refusal::BadName(format!(
                "Adresse inconnue : le serveur attend rtmp://…/live, pas …/{}.",
                request.app()
            )));
        }
        let key = request.key().map_err(|_| unknown_key())?;
        let row = match self.0.store.live_by_key(&key.hash()).await {
            Ok(row) => row.ok_or_else(unknown_key)?,
            Err(error) => {
                error!(%error, "cannot look a stream key up");
                return Err(Refusal::Unavailable(
                    "Erreur du serveur : réessayez dans un instant.".into(),
                ));
            }
        };
        if row.author != key.user() {
            return Err(unknown_key());
        }
        if row.state == LiveState::Ended {
            return Err(ended());
        }
        self.open(&row).ok_or_else(|| {
            Refusal::Unavailable("Le serveur est plein : réessayez plus tard.".into())
        })
    }

    /// The open live of `row`, opened now if it was not. `None` when the hub is full or the live
    /// has ended in the meantime.
    fn open(&self, row: &LiveRow) -> Option<Arc<OpenLive>> {
        if let Some(live) = self.0.open.get(&row.playback_name) {
            return (!live.ended.load(Ordering::Relaxed)).then(|| live.clone());
        }
        let epoch = Epoch::from_random(random());
        let packager = Packager::new(self.0.packager.clone(), row.playback_name.clone(), epoch);
        let channel = match self.0.hub.open(row.playback_name.clone(), packager) {
            Ok(channel) => channel,
            // Two requests opened it at once: the other one's is the one.
            Err(hub::OpenError::AlreadyOpen) => {
                return self.0.open.get(&row.playback_name).map(|live| live.clone());
            }
            Err(error) => {
                error!(live.id = %row.id, %error, "cannot open a live");
                return None;
            }
        };
        let live = Arc::new(OpenLive {
            id: row.id,
            author: row.author,
            channel,
            publishes: tokio::sync::Mutex::new(0),
            ended: AtomicBool::new(false),
            incoming: Mutex::new(None),
        });
        self.0.open.insert(row.playback_name.clone(), live.clone());
        Some(live)
    }

    async fn write_state(&self, live: &OpenLive, from: &[LiveState], to: LiveState) -> bool {
        match self.0.store.set_live_state(live.id, from, to, now_ms()).await {
            Ok(changed) => changed,
            Err(error) => {
                // The live itself goes on: the next change, or the next start, puts it right.
                error!(live.id = %live.id, %error, "cannot write the state of a live");
                true
            }
        }
    }

    fn end_after_grace(&self, live: Arc<OpenLive>, number: u64) {
        let (lives, grace) = (self.clone(), Duration::from_secs(self.0.config.grace_s));
        tokio::spawn(async move {
            tokio::time::sleep(grace).await;
            let publishes = live.publishes.lock().await;
            if *publishes == number {
                let unpublished = [LiveState::Interrupted, LiveState::Live];
                if lives.write_state(&live, &unpublished, LiveState::Ended).await {
                    info!(live.id = %live.id, "no publisher within the grace: live ended");
                }
                lives.close(&live);
            }
        });
    }

    fn close_unused(&self, id: LiveId) {
        info!(live.id = %id, "never published: live ended");
        if let Some(live) = self.find(|live| live.id == id) {
            self.close(&live);
        }
    }

    /// The open live that `is` picks, if it has not ended.
    fn find(&self, is: impl Fn(&OpenLive) -> bool) -> Option<Arc<OpenLive>> {
        let wanted = |live: &OpenLive| !live.ended.load(Ordering::Relaxed) && is(live);
        self.0.open.iter().find(|entry| wanted(entry.value())).map(|entry| entry.value().clone())
    }

    /// Ends the channel now, and forgets it once its viewers had a window's time to finish.
    fn close(&self, live: &Arc<OpenLive>) {
        if live.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        live.channel.end();
        let (lives, live) = (self.clone(), live.clone());
        let window = Duration::from_millis(self.0.packager.window_ms.into());
        tokio::spawn(async move {
            tokio::time::sleep(window).await;
            let name = live.channel.name();
            lives.0.hub.close(name);
            lives.0.open.remove(name);
        });
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

/// What of a publisher's figures the metrics have seen.
#[derive(Default)]
struct Counted {
    bytes: u64,
    dropped: u64,
    repaired: u64,
}

impl Counted {
    fn count(&mut self, stats: &ingest::Stats) {
        let repaired = stats.timestamp_repairs + stats.timestamp_jumps;
        for (name, seen, now) in [
            ("ingest_bytes_total", &mut self.bytes, stats.bytes_received),
            ("ingest_dropped_tags_total", &mut self.dropped, stats.dropped_tags),
            ("ingest_timestamp_repairs_total", &mut self.repaired, repaired),
        ] {
            let new = now - std::mem::replace(seen, now);
            if new > 0 {
                ::metrics::counter!(name).increment(new);
            }
        }
    }
}

/// Why a publisher is no longer served.
enum Departure {
    /// It went by itself, with or without saying so.
    Left {
        clean: bool,
    },
    Revoked(hub::Revoked),
    Draining,
    Ingest(ingest::Error),
    Hub(hub::Error),
}

impl Departure {
    /// What to tell the encoder, if it is still there.
    fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Left { .. } => None,
            Self::Revoked(hub::Revoked::Superseded) | Self::Hub(hub::Error::Superseded) => {
                Some(Refusal::Superseded(
                    "Une autre connexion diffuse ce direct avec la même clé.".into(),
                ))
            }
            Self::Revoked(hub::Revoked::Ended) | Self::Hub(hub::Error::Ended) => Some(ended()),
            Self::Draining => {
                Some(Refusal::Unavailable("Le serveur redémarre : reconnectez-vous.".into()))
            }
            Self::Ingest(error) => Some(Refusal::Rejected(error.to_string())),
            Self::Hub(error) => Some(Refusal::Rejected(error.to_string())),
        }
    }
}

impl std::fmt::Display for Departure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Left { clean: true } => f.write_str("it stopped publishing"),
            Self::Left { clean: false } => f.write_str("connection lost"),
            Self::Revoked(hub::Revoked::Superseded) => f.write_str("superseded"),
            Self::Revoked(hub::Revoked::Ended) => f.write_str("the live ended"),
            Self::Draining => f.write_str("the server goes down"),
            Self::Ingest(error) => error.fmt(f),
            Self::Hub(error) => error.fmt(f),
        }
    }
}

/// Carries events from the socket to the channel until one of them ends.
async fn pump(
    live: &OpenLive,
    number: u64,
    from: &mut ingest::Publisher,
    to: &mut hub::Publisher,
) -> Departure {
    let revoked = to.revoked();
    tokio::pin!(revoked);
    let mut events = Vec::new();
    let mut counted = Counted::default();
    loop {
        let read = tokio::select! {
            biased;
            reason = &mut revoked => return Departure::Revoked(reason),
            read = from.read(&mut events) => read,
        };
        if !events.is_empty() {
            match to.push(&mut events) {
                Ok(progress) if progress.part || progress.segment => {
                    let stats = from.stats();
                    counted.count(&stats);
                    live.note(number, stats);
                }
                Ok(_) => {}
                Err(error) => return Departure::Hub(error),
            }
        }
        match read {
            Ok(ingest::Read::More) => {}
            Ok(ingest::Read::Ended { clean }) => return Departure::Left { clean },
            Err(error) => return Departure::Ingest(error),
        }
    }
}

impl api::LiveControl for Lives {
    fn created(&self, row: &LiveRow) {
        let superseded = self.find(|live| live.author == row.author && live.id != row.id);
        if let Some(earlier) = superseded {
            self.close(&earlier);
        }
        self.open(row);
    }

    fn status(&self, name: &PlaybackName) -> Option<api::Incoming> {
        let live = self.0.open.get(name)?.clone();
        let incoming = lock(&live.incoming);
        incoming.as_ref().map(|incoming| describe(incoming, &live.channel.report()))
    }

    fn end(&self, _id: LiveId, name: &PlaybackName) {
        if let Some(live) = self.0.open.get(name).map(|live| live.clone()) {
            self.close(&live);
        }
    }
}

fn describe(incoming: &Incoming, report: &packager::Report) -> api::Incoming {
    let seconds = |ms: u64| ms as f64 / 1_000.0;
    api::Incoming {
        video: report.video.as_ref().map(|video| api::IncomingVideo {
            codec: video.codec.clone(),
            width: video.width,
            height: video.height,
            fps: video.measured_fps.or(video.declared_fps),
        }),
        audio: report.audio.as_ref().map(|audio| api::IncomingAudio {
            codec: audio.codec.clone(),
            sample_rate_hz: audio.sample_rate_hz,
            channels: audio.channels.into(),
        }),
        bitrate_bps: report.bitrate_bps,
        gop_seconds: report.last_gop_ms.map(seconds),
        dropped_tags: incoming.stats.dropped_tags + report.samples_dropped_total,
        encoder: incoming.encoder.clone(),
        connected_ms: incoming.connected_ms,
        warnings: warnings(report),
    }
}

/// What the broadcaster should change, most harmful first.
fn warnings(report: &packager::Report) -> Vec<api::Warning> {
    let mut warnings = Vec::new();
    let mut warn = |code: &str, message: String| {
        warnings.push(api::Warning { code: code.into(), message });
    };
    if let Some(gop_ms) = report.longest_recent_gop_ms.filter(|ms| *ms > LONG_GOP_MS) {
        warn(
            "gop_too_long",
            format!(
                "Votre encodeur envoie une image-clé toutes les {:.1} s : réglez l'intervalle \
                 d'images-clés sur 2 s, sinon vos spectateurs attendent avant de voir l'image.",
                gop_ms as f64 / 1_000.0
            ),
        );
    }
    if report.bitrate_bps > HEAVY_BPS {
        warn(
            "bitrate_high",
            format!(
                "Votre direct pèse {:.1} Mbit/s : beaucoup de spectateurs n'ont pas ce débit. \
                 1,5 à 2,5 Mbit/s suffisent en 720p.",
                report.bitrate_bps as f64 / 1e6
            ),
        );
    }
    if report.segments_total > 0 && report.audio.is_none() {
        warn("no_audio", "Aucun son ne nous parvient : vérifiez le micro dans l'encodeur.".into());
    }
    warnings
}

pub(crate) fn now_ms() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bits = [0; N];
    getrandom::fill(&mut bits).expect("the system's random generator answers");
    bits
}

/// Runs a closure when it leaves scope, by whatever way.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn unknown_key() -> Refusal {
    Refusal::Unauthorized(
        "Clé de stream inconnue : copiez-la de nouveau depuis la page du direct.".into(),
    )
}

fn ended() -> Refusal {
    Refusal::Ended("Ce direct est terminé : lancez-en un nouveau depuis la page.".into())
}
