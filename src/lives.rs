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
    net::IpAddr,
    ops::Range,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use api::{Clip, Moment, NoFilm};
use dashmap::DashMap;
use delivery::Tickets;
use futures_util::{StreamExt as _, stream};
use hub::{Access, Channel, Hub};
use ingest::{Listener, PublishRequest, Refusal};
use media::id::{Epoch, LiveId, PlaybackName, UserId};
use packager::Packager;
use pictures::Pictures;
use recorder::{Library, Recorder, Standing, Uploader};
use serde::Deserialize;
use store::{Audience, LiveRow, LiveState, Store};
use tokio::sync::watch;
use tracing::{error, info, warn};

use self::{
    pump::{Departure, pump},
    status::describe,
};
use crate::throttle::Throttle;

mod pump;
mod recordings;
mod status;

pub(crate) use recordings::media_of;

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
        if !(1..=8_760).contains(&self.unused_h) {
            return Err("lives.unused_h must lie between 1 and 8760".into());
        }
        if !(1..=3_600).contains(&self.grace_s) {
            return Err("lives.grace_s must lie between 1 and 3600".into());
        }
        Ok(())
    }
}

/// How often lives that nobody published, or that the database knows wrongly, are looked for.
const SWEEP: Duration = Duration::from_secs(10);
/// The states from which a live may still change.
pub(crate) const UNFINISHED: [LiveState; 3] =
    [LiveState::Created, LiveState::Live, LiveState::Interrupted];
/// How often the grace of a live without any media is looked at.
const GRACE_TICK: Duration = Duration::from_secs(1);
/// How long a drain waits for publishers to be told and their lives to be written down.
const DRAIN: Duration = Duration::from_secs(5);

/// How long the end of a live waits for its recording to be shown: some lines on a disk and in a database.
const ARCHIVED: Duration = Duration::from_secs(3);

/// Windows read from the disk at once when the server starts.
const RESTORED_AT_ONCE: usize = 4;

/// What the last run left of a live.
enum LeftOf {
    /// Nothing to go on with: its viewers begin anew.
    Nothing,
    Past(Box<Packager>),
    /// Its grace is over.
    TooOld,
}

/// What is recorded.
pub struct Recordings {
    /// All recordings, also those of a time when somebody recorded.
    pub library: Library,
    /// Who records every live, if anybody does.
    pub recorder: Option<Recorder>,
    /// Who sends recordings into the bucket, where there is one.
    pub uploader: Option<Uploader>,
    /// What lives and these look like.
    pub pictures: Pictures,
    /// How far viewers may go back in lives that are recorded, in seconds; 0: not at all. Without it to their beginning.
    pub rewind_s: Option<u64>,
}

/// All lives of the house. Cloning is cheap: every clone is the same.
#[derive(Clone)]
pub struct Lives(Arc<Inner>);

struct Inner {
    store: Store,
    hub: Hub,
    packager: packager::Config,
    config: Config,
    counts_viewers: bool,
    tickets: Tickets,
    /// Who records every live, if anybody does.
    recorder: Option<Recorder>,
    recordings: Library,
    /// Who sends them into the bucket, where there is one.
    uploader: Option<Uploader>,
    pictures: Pictures,
    /// See [`Recordings::rewind_s`].
    rewind_s: Option<u64>,
    /// Whose turn it is to have pictures made of a recording.
    picturing: tokio::sync::Mutex<()>,
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
    /// Orders what publishers, their successors and the grace do and write down.
    turn: tokio::sync::Mutex<Turn>,
    ended: AtomicBool,
    /// The database did not take the last change of state.
    unwritten: AtomicBool,
    incoming: Mutex<Option<Incoming>>,
    /// Set once its recording, if there is one, is media of its post.
    archived: watch::Sender<bool>,
}

#[derive(Default)]
struct Turn {
    /// Publishers so far: a grace timer sees whether one came back.
    publishers: u64,
}

/// What the current publisher is like.
struct Incoming {
    number: u64,
    encoder: Option<String>,
    connected_ms: i64,
    stats: ingest::Stats,
}

impl OpenLive {
    /// What should stand in the database.
    fn state(&self) -> LiveState {
        if self.ended.load(Ordering::Relaxed) {
            LiveState::Ended
        } else if self.channel.has_publisher() {
            LiveState::Live
        } else {
            LiveState::Interrupted
        }
    }

    /// Remembers a publisher, unless a newer one was faster.
    fn arrived(&self, newcomer: Incoming) {
        let mut incoming = lock(&self.incoming);
        if incoming.as_ref().is_none_or(|present| present.number < newcomer.number) {
            *incoming = Some(newcomer);
        }
    }

    /// Remembers what publisher `number` sent, unless another one has come since.
    fn note(&self, number: u64, stats: ingest::Stats) {
        if let Some(incoming) = lock(&self.incoming).as_mut().filter(|it| it.number == number) {
            incoming.stats = stats;
        }
    }
}

impl Lives {
    /// No live yet: see [`Lives::restore`].
    pub fn new(
        store: Store,
        hub: Hub,
        packager: packager::Config,
        config: Config,
        counts_viewers: bool,
        tickets: Tickets,
        Recordings { library: recordings, recorder, uploader, pictures, rewind_s }: Recordings,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            hub,
            packager,
            config,
            counts_viewers,
            tickets,
            recorder,
            recordings,
            uploader,
            pictures,
            rewind_s,
            picturing: tokio::sync::Mutex::default(),
            throttle: Throttle::default(),
            open: DashMap::new(),
            draining: AtomicBool::new(false),
            handled: watch::Sender::new(0),
        }))
    }

    /// Puts right what the last run left: a live that is within its grace waits for its publisher like any
    /// other that was interrupted, with the playlists that its viewers have; one that is not has ended. The last run
    /// was there until `alive_ms` (Unix time), if that is known.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn restore(&self, alive_ms: Option<i64>) -> Result<(), store::Error> {
        let mut rows = self.0.store.unfinished_lives().await?;
        // Should the hub be too small for all, those that were on the air come first.
        rows.sort_by_key(|row| row.state == LiveState::Created);
        let read = |row| async move {
            let left = self.left_of(&row, alive_ms).await;
            (row, left)
        };
        let mut found = pin!(stream::iter(rows).map(read).buffered(RESTORED_AT_ONCE));
        while let Some((row, left)) = found.next().await {
            let past = match left {
                LeftOf::Nothing => None,
                LeftOf::Past(packager) => Some(*packager),
                LeftOf::TooOld => {
                    info!(live.id = %row.id, "the server was away for longer than the grace: live ended");
                    self.end_unopened(&row).await?;
                    continue;
                }
            };
            let goes_on = past.is_some();
            let Ok(live) = self.open_with(&row, past) else {
                warn!(live.id = %row.id, "no room for a live of the last run: live ended");
                self.end_unopened(&row).await?;
                continue;
            };
            if row.state != LiveState::Created {
                info!(live.id = %row.id, goes_on, "live left open by the last run: waiting for its publisher");
                self.write(&live, LiveState::Interrupted).await;
                self.end_after_grace(live, 0);
            }
        }
        Ok(())
    }

    /// What the last run left of a live.
    async fn left_of(&self, row: &LiveRow, alive_ms: Option<i64>) -> LeftOf {
        if row.state == LiveState::Created {
            return LeftOf::Nothing;
        }
        let Inner { recordings, packager, config, .. } = &*self.0;
        let left = match recordings.left(&row.playback_name, packager).await {
            Ok(left) => Some(left),
            Err(recorder::Error::Unknown) => None,
            Err(error) => {
                warn!(live.id = %row.id, %error, "what was recorded of a live cannot be read");
                None
            }
        };
        // Since then nobody publishes.
        let since_ms = match row.state {
            LiveState::Interrupted => row.interrupted_ms,
            _ => alive_ms.max(left.as_ref().map(|left| left.written_ms)),
        };
        let now_ms = now_ms();
        let grace_ms = i64::try_from(config.grace_s * 1_000).unwrap_or(i64::MAX);
        let is_over = left.as_ref().is_some_and(|left| left.is_over);
        if is_over || since_ms.is_some_and(|since| now_ms.saturating_sub(since) > grace_ms) {
            return LeftOf::TooOld;
        }
        // Without a recorder it could not go on a second time.
        let left = left.filter(|_| self.0.recorder.is_some());
        let (config, name) = (packager.clone(), row.playback_name.clone());
        let revived = left.and_then(|left| {
            let random = u64::from_ne_bytes(random());
            let past = || left.revive(config, name, now_ms, random);
            // A recording that brings us down would do so at every start.
            std::panic::catch_unwind(AssertUnwindSafe(past)).unwrap_or_default()
        });
        revived.map_or(LeftOf::Nothing, |packager| LeftOf::Past(Box::new(packager)))
    }

    /// Ends a live of the last run that has no channel. Its recording, if there is one, is shown with all others
    /// that are not shown yet.
    async fn end_unopened(&self, row: &LiveRow) -> Result<(), store::Error> {
        let ended = LiveState::Ended;
        self.0.store.set_live_state(row.id, &UNFINISHED, ended, now_ms()).await.map(drop)
    }

    /// Receives publishers until the listener closes.
    pub async fn receive(&self, mut listener: Listener) {
        while let Some(request) = listener.accept().await {
            let lives = self.clone();
            tokio::spawn(async move { lives.handle(request).await });
        }
    }

    /// Ends lives that were created and never published, and writes again what the database did not
    /// take, until the process ends.
    pub async fn sweep(&self) {
        let mut ticks = tokio::time::interval(SWEEP);
        loop {
            ticks.tick().await;
            let open: Vec<_> = self.0.open.iter().map(|entry| entry.value().clone()).collect();
            for live in open.into_iter().filter(|live| live.unwritten.load(Ordering::Relaxed)) {
                let _turn = live.turn.lock().await;
                self.write(&live, live.state()).await;
            }
            let before_ms = now_ms() - self.0.config.unused_h as i64 * 3_600_000;
            match self.0.store.end_stale_lives(before_ms, now_ms()).await {
                Ok(ended) => ended.into_iter().for_each(|id| self.close_left_over(id)),
                Err(error) => error!(%error, "cannot end the lives that are left over"),
            }
        }
    }

    /// Tells every publisher that the server goes down, and writes their lives down as interrupted. Those that are
    /// recorded go on after the next start, and their viewers are told of no end; those of the others read
    /// ENDLIST, and it says how many of these were published.
    pub async fn drain(&self) -> usize {
        self.0.draining.store(true, Ordering::Relaxed);
        // Before the channels end: for recordings it is not the end.
        let recorded = self.0.recorder.as_ref().map(Recorder::drain);
        let open: Vec<_> = self.0.open.iter().map(|entry| entry.value().clone()).collect();
        let mut ended = 0;
        for live in &open {
            if self.is_recorded(live) {
                live.channel.suspend();
                continue;
            }
            ended += usize::from(live.channel.has_publisher());
            live.channel.end();
        }
        let mut handled = self.0.handled.subscribe();
        let all_told = tokio::time::timeout(DRAIN, handled.wait_for(|handled| *handled == 0));
        if all_told.await.is_err() {
            warn!("some publishers were still connected when the server stopped");
        }
        if let Some(recorded) = recorded
            && tokio::time::timeout(DRAIN, recorded).await.is_err()
        {
            warn!("the disk did not take the end of every recording in time");
        }
        ended
    }

    /// Whether all of a live is on the disk, or will be soon.
    fn is_recorded(&self, live: &OpenLive) -> bool {
        let recorder = self.0.recorder.as_ref();
        let progress = recorder.and_then(|recorder| recorder.progress(live.channel.name()));
        let keeps_up = progress.is_some_and(|it| it.state == recorder::State::Recording);
        keeps_up && live.channel.state().last_msn.is_some()
    }

    /// Sets the gauges that are read when asked rather than counted as they change.
    pub(crate) fn record_gauges(&self) {
        let (mut publishing, mut segments, mut bytes, mut viewers) = (0_u32, 0, 0, 0);
        let channels: Vec<_> =
            self.0.open.iter().map(|entry| entry.value().channel.clone()).collect();
        let now = tokio::time::Instant::now();
        for channel in &channels {
            let report = channel.report();
            publishing += u32::from(channel.has_publisher());
            segments += report.segments_listed;
            bytes += report.bytes_held;
            viewers += channel.viewers(now);
        }
        ::metrics::gauge!("lives_open").set(channels.len() as f64);
        ::metrics::gauge!("lives_publishing").set(f64::from(publishing));
        if self.0.counts_viewers {
            ::metrics::gauge!("lives_viewers").set(viewers as f64);
        }
        let (recorded, waiting) = self.0.recorder.as_ref().map_or((0, 0), Recorder::counts);
        ::metrics::gauge!("recorder_lives").set(recorded as f64);
        ::metrics::gauge!("recorder_lives_waiting").set(waiting as f64);
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
        let (number, mut claim) = self.begin(&live).await;
        info!(%peer, live.id = %live.id, encoder, "publishing");
        ::metrics::counter!("ingest_publishes_total").increment(1);
        live.arrived(Incoming {
            number,
            encoder,
            connected_ms: now_ms(),
            stats: publishing.stats(),
        });

        let departure = pump(&live, number, &mut publishing, &mut claim).await;
        let departure = if self.is_draining() { Departure::Draining } else { departure };
        let stats = publishing.stats();
        info!(
            %peer, live.id = %live.id, bytes = stats.bytes_received, dropped = stats.dropped_tags,
            last_drop = stats.last_drop, "publisher left: {departure}"
        );
        // The viewers' side and the record first: an encoder that no longer reads takes its time.
        drop(claim);
        self.interrupt(&live, number).await;
        match (departure.refusal(), &departure) {
            // To the same address: whoever serves there next knows the key.
            (Some(refusal), Departure::Draining) => {
                publishing.ask_to_reconnect(None, refusal).await;
            }
            (Some(refusal), _) => publishing.close(refusal).await,
            (None, _) => {}
        }
    }

    /// Claims the channel and writes down that the live is being published; gives the number of
    /// its publisher too, the newest having the highest.
    async fn begin(&self, live: &Arc<OpenLive>) -> (u64, hub::Publisher) {
        let mut turn = live.turn.lock().await;
        let claim = live.channel.claim(now_ms());
        turn.publishers += 1;
        // Not a change when the newcomer takes over from a connection that still lingers.
        self.write(live, LiveState::Live).await;
        (turn.publishers, claim)
    }

    /// Writes down that publisher `number` is gone, unless another one has come since.
    async fn interrupt(&self, live: &Arc<OpenLive>, number: u64) {
        let turn = live.turn.lock().await;
        if turn.publishers != number {
            return;
        }
        *lock(&live.incoming) = None;
        if live.ended.load(Ordering::Relaxed) {
            return;
        }
        if live.channel.state().ended && !self.is_draining() {
            // The packager failed: nothing can be added to what the viewers have.
            self.write(live, LiveState::Ended).await;
            return self.close(live);
        }
        self.write(live, LiveState::Interrupted).await;
        if !self.is_draining() {
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
        // A good key behind a bad address gets in, later.
        tokio::time::sleep(self.0.throttle.wait(address, Instant::now())).await;
        match self.live_of(request).await {
            Ok(live) => {
                self.0.throttle.succeeded(address);
                Ok(live)
            }
            Err(refusal) => {
                warn!(peer = %request.peer(), "publisher refused: {}", refusal.description());
                // The rest is no guess at a key, or no fault of the encoder's.
                if matches!(refusal, Refusal::Unauthorized(_) | Refusal::BadName(_)) {
                    let delay = self.0.throttle.failed(address, Instant::now());
                    tokio::time::sleep(delay).await;
                }
                Err(refusal)
            }
        }
    }

    async fn live_of(&self, request: &PublishRequest) -> Result<Arc<OpenLive>, Refusal> {
        if request.app() != "live" {
            // Not repeated: half a key may stand there.
            return Err(Refusal::BadName(
                "Adresse inconnue : le serveur attend rtmp://…/live et la clé de stream.".into(),
            ));
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
        self.open(&row)
    }

    /// The open live of `row`, opened now if it was not.
    fn open(&self, row: &LiveRow) -> Result<Arc<OpenLive>, Refusal> {
        self.open_with(row, None)
    }

    /// The same; what is opened goes on with its past, if it has one.
    fn open_with(&self, row: &LiveRow, past: Option<Packager>) -> Result<Arc<OpenLive>, Refusal> {
        let full = || Refusal::Unavailable("Le serveur est plein : réessayez plus tard.".into());
        let known = || self.0.open.get(&row.playback_name).map(|live| live.clone());
        if let Some(live) = known() {
            return if live.ended.load(Ordering::Relaxed) { Err(ended()) } else { Ok(live) };
        }
        // The recording has what the past is made of; the gaps after it are new.
        let next_msn = past.as_ref().and_then(Packager::past_msn).map_or(0, |last| last + 1);
        let packager = past.unwrap_or_else(|| {
            let epoch = Epoch::from_random(random());
            Packager::new(self.0.packager.clone(), row.playback_name.clone(), epoch)
        });
        let access = match row.audience {
            Audience::Public => Access::Everyone,
            Audience::Quartier => Access::Ticket,
        };
        let channel = match self.0.hub.open(row.playback_name.clone(), packager, access) {
            Ok(channel) => channel,
            // Two requests opened it at once: the other one's is the one.
            Err(hub::OpenError::AlreadyOpen) => return known().ok_or_else(full),
            Err(error) => {
                error!(live.id = %row.id, %error, "cannot open a live");
                return Err(full());
            }
        };
        if let Some(recorder) = &self.0.recorder {
            recorder.resume(&channel, next_msn);
        }
        self.0.pictures.follow(&channel);
        let live = Arc::new(OpenLive {
            id: row.id,
            author: row.author,
            channel,
            turn: tokio::sync::Mutex::default(),
            ended: AtomicBool::new(false),
            unwritten: AtomicBool::new(false),
            incoming: Mutex::new(None),
            archived: watch::Sender::new(false),
        });
        self.0.open.insert(row.playback_name.clone(), live.clone());
        Ok(live)
    }

    /// Writes the state of a live down. When the database does not take it the live goes on, and
    /// [`Lives::sweep`] tries again; when the owner has ended the live meanwhile, it ends.
    async fn write(&self, live: &Arc<OpenLive>, to: LiveState) {
        let store = &self.0.store;
        let written = match store.set_live_state(live.id, &UNFINISHED, to, now_ms()).await {
            // Nothing to change: it stands so already, or it was ended.
            Ok(false) if to != LiveState::Ended => store.live(live.id).await.map(|row| {
                if row.is_none_or(|row| row.state == LiveState::Ended) {
                    self.close(live);
                }
            }),
            outcome => outcome.map(drop),
        };
        live.unwritten.store(written.is_err(), Ordering::Relaxed);
        if let Err(error) = written {
            error!(live.id = %live.id, %error, "cannot write the state of a live");
        }
    }

    fn end_after_grace(&self, live: Arc<OpenLive>, number: u64) {
        let (lives, grace) = (self.clone(), Duration::from_secs(self.0.config.grace_s));
        tokio::spawn(async move {
            let gone_at = tokio::time::Instant::now();
            while gone_at.elapsed() < grace {
                let targets = live.channel.targets();
                let tick = targets.map_or(GRACE_TICK, |targets| targets.part);
                tokio::time::sleep(tick.min(grace.saturating_sub(gone_at.elapsed()))).await;
                if live.turn.lock().await.publishers != number || live.ended.load(Ordering::Relaxed)
                {
                    return;
                }
                live.channel.gap(gone_at.elapsed());
            }
            let turn = live.turn.lock().await;
            if turn.publishers == number && !live.ended.load(Ordering::Relaxed) {
                info!(live.id = %live.id, "no publisher within the grace: live ended");
                lives.write(&live, LiveState::Ended).await;
                lives.close(&live);
            }
        });
    }

    fn close_left_over(&self, id: LiveId) {
        info!(live.id = %id, "never published, or of a closed account: live ended");
        if let Some(live) = self.find(|live| live.id == id) {
            self.close(&live);
        }
    }

    /// The open live that `is` picks, if it has not ended.
    fn find(&self, is: impl Fn(&OpenLive) -> bool) -> Option<Arc<OpenLive>> {
        let wanted = |live: &OpenLive| !live.ended.load(Ordering::Relaxed) && is(live);
        self.0.open.iter().find(|entry| wanted(entry.value())).map(|entry| entry.value().clone())
    }

    /// Ends the channel now, and forgets it once its viewers had time to finish what is listed and
    /// the database knows.
    fn close(&self, live: &Arc<OpenLive>) {
        if live.ended.swap(true, Ordering::Relaxed) {
            return;
        }
        live.channel.end();
        let (lives, live) = (self.clone(), live.clone());
        tokio::spawn({
            let (lives, live) = (lives.clone(), live.clone());
            async move {
                lives.archive(live.id, live.author, live.channel.name()).await;
                live.archived.send_replace(true);
            }
        });
        let window_ms = u64::from(self.0.packager.window_ms);
        let farewell = Duration::from_millis(live.channel.report().listed_ms.max(window_ms));
        tokio::spawn(async move {
            tokio::time::sleep(farewell).await;
            while live.unwritten.load(Ordering::Relaxed) {
                tokio::time::sleep(SWEEP).await;
            }
            let name = live.channel.name();
            lives.0.hub.close(name);
            lives.0.open.remove(name);
        });
    }

    fn is_draining(&self) -> bool {
        self.0.draining.load(Ordering::Relaxed)
    }
}

impl api::LiveControl for Lives {
    fn created(&self, row: &LiveRow) {
        // Of two lives asked for at once the later one lives, in whichever order they come here.
        let of_author = |live: &OpenLive| live.author == row.author;
        if self.find(|live| of_author(live) && live.id > row.id).is_some() {
            return;
        }
        if let Some(earlier) = self.find(|live| of_author(live) && live.id < row.id) {
            self.close(&earlier);
        }
        let _ = self.open(row);
    }

    fn status(&self, name: &PlaybackName) -> Option<api::Incoming> {
        let live = self.0.open.get(name)?.clone();
        let incoming = lock(&live.incoming);
        let recording = self.0.recorder.as_ref().and_then(|recorder| recorder.progress(name));
        incoming.as_ref().map(|incoming| describe(incoming, &live.channel.report(), recording))
    }

    fn viewers(&self, name: &PlaybackName) -> Option<usize> {
        let live = || self.0.open.get(name).map(|live| live.channel.clone());
        let count = || live().map_or(0, |channel| channel.viewers(tokio::time::Instant::now()));
        self.0.counts_viewers.then(count)
    }

    fn ticket(&self, name: &PlaybackName, address: IpAddr) -> String {
        let now_s = u64::try_from(now_ms() / 1_000).unwrap_or_default();
        self.0.tickets.give(name, address, now_s).to_string()
    }

    fn end(&self, _id: LiveId, name: &PlaybackName) {
        if let Some(live) = self.0.open.get(name).map(|live| live.clone()) {
            self.close(&live);
        }
    }

    fn recorded(&self, name: &PlaybackName) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let live = self.0.open.get(name).map(|live| live.clone());
        Box::pin(async move {
            if let Some(live) = live {
                let mut archived = live.archived.subscribe();
                let _ = tokio::time::timeout(ARCHIVED, archived.wait_for(|done| *done)).await;
            }
        })
    }

    fn unrecord(&self, name: &PlaybackName) {
        self.unrecord(name.clone());
    }

    fn bucket(&self) -> Option<bool> {
        self.0.uploader.as_ref().map(Uploader::is_there)
    }

    fn poster(&self, name: &PlaybackName) -> Option<u64> {
        self.0.pictures.album(name.as_str())?.poster().map(|picture| picture.date_ms)
    }

    fn rewind_from(&self, name: &PlaybackName, started_ms: i64) -> Option<i64> {
        self.0.recorder.as_ref()?.progress(name)?;
        match self.0.rewind_s.map(i64::try_from) {
            Some(Ok(0)) => None,
            Some(Ok(window_s)) => {
                Some(started_ms.max(now_ms().saturating_sub(window_s.saturating_mul(1_000))))
            }
            Some(Err(_)) | None => Some(started_ms),
        }
    }

    fn download(&self, name: &PlaybackName, file: &str, address: IpAddr) -> Option<(String, u64)> {
        let is_there = self.0.recordings.standing(name.as_str()) == Standing::Finished;
        let now_s = u64::try_from(now_ms() / 1000).unwrap_or(0);
        is_there.then(|| self.0.tickets.download(name, file, address, now_s)).flatten()
    }

    fn clip(
        &self,
        name: &PlaybackName,
        wanted: Range<Moment>,
    ) -> Pin<Box<dyn Future<Output = Result<Clip, NoFilm>> + Send>> {
        Box::pin(self.clone().cut(name.clone(), wanted))
    }
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
