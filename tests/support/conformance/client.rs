//! Viewers of a real server: what they ask for, and when.
//!
//! Here: a low-latency player at the edge, one who reloads as the oldest players do, one who takes delta
//! updates, a patient one who lets himself be blocked, and one who asks what he should not. Each
//! tells the witness all he saw. Not here: whether it was right (`clauses`).

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use super::connection::Connection;
use super::exchange::{Asked, Exchange, resolve};
use super::playlist::{Edge, Media, Part};

/// How often a viewer looks who is not told when something comes.
const GLANCE: Duration = Duration::from_millis(200);

/// How often the odd questions are asked.
const ODD: Duration = Duration::from_millis(700);

/// How often the clock is looked at, how late that is in a machine that has stalled, and for how long
/// before and after it nothing can be told.
const BEAT: Duration = Duration::from_millis(20);
const STALL: Duration = Duration::from_millis(100);
const AFTERMATH: Duration = Duration::from_secs(1);

/// Far beyond anything a live will come to while it is watched.
const FAR_SEGMENTS: u64 = 50;
const FAR_PARTS: usize = 400;

/// The time of one run, and whether it is over.
#[derive(Debug)]
pub struct Clock {
    start: Instant,
    over: Mutex<bool>,
    bell: Condvar,
    stalls: Mutex<Vec<(Duration, Duration)>>,
}

impl Default for Clock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            over: Mutex::new(false),
            bell: Condvar::new(),
            stalls: Mutex::default(),
        }
    }
}

impl Clock {
    /// Since the run began.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// Waits, as players wait between two reloads. False when the run is over.
    pub fn pause(&self, how_long: Duration) -> bool {
        let over = self.over.lock().expect("nobody panics with it");
        let (over, _) = self
            .bell
            .wait_timeout_while(over, how_long, |over| !*over)
            .expect("nobody panics with it");
        !*over
    }

    /// Waits until `moment`. False when the run is over.
    pub fn pause_until(&self, moment: Duration) -> bool {
        self.pause(moment.saturating_sub(self.now()))
    }

    /// Notes when this machine had no time for a thread that only wanted to look at the clock: nothing
    /// that was timed then tells of the server. Returns when the run is over.
    pub fn watch_for_stalls(&self) {
        loop {
            let before = self.now();
            if !self.pause(BEAT) {
                return;
            }
            let now = self.now();
            if now > before + BEAT + STALL {
                let stall = (before.saturating_sub(AFTERMATH), now + AFTERMATH);
                self.stalls.lock().expect("nobody panics with it").push(stall);
            }
        }
    }

    /// The stalls that were noted since this was asked last.
    pub fn take_stalls(&self) -> Vec<(Duration, Duration)> {
        std::mem::take(&mut *self.stalls.lock().expect("nobody panics with it"))
    }

    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        *self.over.lock().expect("nobody panics with it")
    }

    /// It is over.
    pub fn end(&self) {
        *self.over.lock().expect("nobody panics with it") = true;
        self.bell.notify_all();
    }
}

/// One viewer with a connection of his own.
pub struct Viewer {
    connection: Connection,
    clock: Arc<Clock>,
    log: Sender<Exchange>,
}

/// What a player wants loaded beside its playlists.
pub type Wanted = (Asked, String);

impl Viewer {
    /// Connects when he asks for something.
    pub fn new(server: SocketAddr, clock: Arc<Clock>, log: Sender<Exchange>) -> Self {
        Self { connection: Connection::new(server), clock, log }
    }

    /// Asks, and tells the witness what came.
    #[track_caller]
    pub fn ask(&mut self, asked: Asked, path: &str, query: &str, gzip_welcome: bool) -> Exchange {
        // A media playlist may have a query of its own, which stays there.
        let (path, own) = path.split_once('?').unwrap_or((path, ""));
        let query = [own, query].join(if own.is_empty() || query.is_empty() { "" } else { "&" });
        let url = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let sent = self.clock.now();
        let answer = self.connection.get(&url, gzip_welcome);
        let received = self.clock.now();
        let answer = answer.unwrap_or_else(|error| panic!("GET {url}: {error}"));
        let exchange = Exchange {
            asked,
            path: path.into(),
            query,
            gzip_welcome,
            sent,
            first_byte: answer.first_byte.saturating_duration_since(self.clock.start),
            received,
            status: answer.status,
            headers: answer.headers,
            body: answer.body,
        };
        // Nobody listens any more when the run has failed already.
        let _ = self.log.send(exchange.clone());
        exchange
    }

    fn playlist(&mut self, path: &str, query: &str, gzip_welcome: bool) -> Option<Media> {
        let exchange = self.ask(Asked::Playlist, path, query, gzip_welcome);
        (exchange.status == 200).then(|| Media::parse(&exchange.text()))
    }

    /// Follows the live edge to its end as a low-latency player does, where the server lets him: one
    /// blocking reload after another, and the hinted part beside each. `progress` is how many segments
    /// he has seen.
    pub fn follow(
        mut self,
        path: &str,
        hints: &Sender<Wanted>,
        loads: &Sender<Wanted>,
        progress: &AtomicU64,
    ) {
        let mut player = Player::default();
        let mut query = String::new();
        while !self.clock.is_over() {
            let Some(media) = self.playlist(path, &query, true) else {
                // Refused, or given up: as a player does, from the beginning.
                query.clear();
                self.clock.pause(GLANCE);
                continue;
            };
            player.see(path, &media, hints, loads);
            progress.store(player.segments.len() as u64, Ordering::Relaxed);
            if media.ended {
                return;
            }
            let edge = media.edge();
            let advanced = edge > player.edge;
            player.edge = player.edge.max(edge);
            query = if !can_block(&media) {
                self.clock.pause(GLANCE);
                String::new()
            } else if media.has_parts() {
                format!("_HLS_msn={}&_HLS_part={}", edge.open, edge.parts)
            } else {
                format!("_HLS_msn={}", edge.open)
            };
            if !advanced {
                // Blocked and not served: not to be asked in a circle.
                self.clock.pause(GLANCE / 4);
            }
        }
    }

    /// Loads what a player wants, in its order.
    pub fn load(mut self, wanted: &Receiver<Wanted>) {
        for (asked, path) in wanted {
            self.ask(asked, &path, "", false);
        }
    }

    /// Reloads by the clock, without gzip, and asks for what has just left the list.
    pub fn reload(mut self, multivariant: &str, path: &str) {
        let mut before = Media::default();
        while self.clock.pause(GLANCE) {
            self.ask(Asked::Multivariant, multivariant, "", true);
            let Some(media) = self.playlist(path, "", false) else { continue };
            for (asked, uri) in departed(&before, &media) {
                self.ask(asked, &resolve(path, &uri), "", false);
            }
            before = media;
        }
    }

    /// Takes delta updates, each beside the whole playlist of the same edge.
    pub fn update(mut self, path: &str) {
        let mut asks = ["_HLS_skip=YES", "_HLS_skip=v2"].into_iter().cycle();
        let mut edge: Option<Edge> = None;
        while self.clock.pause(Duration::ZERO) {
            let Some(skip) = asks.next() else { return };
            let blocking =
                edge.map(|edge| format!("_HLS_msn={}&_HLS_part={}&", edge.open, edge.parts));
            let query = blocking.unwrap_or_default() + skip;
            let came = self.playlist(path, &query, true);
            let whole = self.playlist(path, "", true);
            let next = whole.or(came);
            let blocks = next.as_ref().is_some_and(|media| can_block(media) && media.has_parts());
            edge = next.filter(|media| blocks && !media.ended).map(|media| media.edge());
            if edge.is_none() {
                self.clock.pause(ODD);
            }
        }
    }

    /// Asks for segments, and for the part after the last one of a segment, and waits.
    pub fn wait(mut self, path: &str) {
        while !self.clock.is_over() {
            let Some(media) = self.playlist(path, "", true) else {
                self.clock.pause(GLANCE);
                continue;
            };
            if !can_block(&media) || media.ended {
                self.clock.pause(ODD);
                continue;
            }
            let open = media.edge().open;
            self.playlist(path, &format!("_HLS_msn={open}"), true);
            let usual = media.segments.iter().map(|segment| segment.parts.len()).max();
            if let Some(parts) = usual.filter(|parts| *parts > 0) {
                let next = open + 1;
                self.playlist(path, &format!("_HLS_msn={next}&_HLS_part={parts}"), true);
            }
        }
    }

    /// Asks the odd questions.
    pub fn probe(mut self, path: &str) {
        while self.clock.pause(ODD) {
            if let Some(media) = self.playlist(path, "", true) {
                self.odd_questions(path, &media);
            }
        }
    }

    fn odd_questions(&mut self, path: &str, media: &Media) {
        let Edge { open, parts } = media.edge();
        for query in [
            "_HLS_part=0".to_owned(),
            format!("_HLS_msn={}", open + FAR_SEGMENTS),
            format!("_HLS_msn={open}&_HLS_part={}", parts + FAR_PARTS),
            "_HLS_msn=0".to_owned(),
            format!("_HLS_msn={}&_HLS_part=0", open.saturating_sub(1)),
            format!("_HLS_msn={}", open.saturating_sub(1)),
            "_HLS_skip=YES".to_owned(),
        ] {
            self.ask(Asked::Playlist, path, &query, true);
        }
        // One that joins at the newest segment, and needs its first parts.
        let newest = media.segments.iter().chain([&media.open]).rev().take(2);
        let parts: Vec<String> = newest
            .flat_map(|segment| segment.parts.iter().filter(|part| !part.gap).take(1))
            .map(|part| resolve(path, &part.uri))
            .collect();
        for part in parts {
            self.ask(Asked::Part, &part, "", false);
        }
        // Names that nothing of ours has, in the folder where ours are.
        self.ask(Asked::Playlist, &resolve(path, "nothing.m3u8"), "", true);
        let listed = media.segments.last().map_or("0.m4s", |segment| segment.uri.as_str());
        let extension = listed.rsplit_once('.').map_or("m4s", |(_, extension)| extension);
        let far = format!("{}.{extension}", open + FAR_SEGMENTS);
        self.ask(Asked::Segment, &resolve(path, &far), "", false);
    }

    /// After the end: directives mean nothing.
    pub fn ask_after_the_end(mut self, path: &str) {
        let Some(media) = self.playlist(path, "", true) else { return };
        let open = media.edge().open;
        for query in [
            format!("_HLS_msn={}", open + FAR_SEGMENTS),
            format!("_HLS_msn={open}&_HLS_part=0"),
            "_HLS_skip=YES".to_owned(),
            "_HLS_skip=v2".to_owned(),
            String::new(),
        ] {
            self.ask(Asked::Playlist, path, &query, true);
        }
    }
}

/// What a player has seen.
#[derive(Default)]
struct Player {
    edge: Edge,
    segments: BTreeSet<String>,
    parts: BTreeSet<String>,
    maps: BTreeSet<String>,
    has_begun: bool,
}

impl Player {
    /// Wants what is new, and what is hinted.
    fn see(&mut self, path: &str, media: &Media, hints: &Sender<Wanted>, loads: &Sender<Wanted>) {
        let want = |sender: &Sender<Wanted>, asked, path: &str| {
            // The loader may have ended with the run.
            let _ = sender.send((asked, path.to_owned()));
        };
        for segment in media.segments.iter().chain([&media.open]) {
            if let Some(map) = segment.map.as_ref().map(|map| resolve(path, map))
                && self.maps.insert(map.clone())
            {
                want(loads, Asked::Map, &map);
            }
            for part in &segment.parts {
                let part = resolve(path, &part.uri);
                // At first he joins at the newest segment, whose parts he needs no more.
                if self.parts.insert(part.clone()) && self.has_begun {
                    want(loads, Asked::Part, &part);
                }
            }
        }
        for segment in media.segments.iter().filter(|segment| !segment.gap) {
            let segment = resolve(path, &segment.uri);
            if self.segments.insert(segment.clone()) {
                want(loads, Asked::Segment, &segment);
            }
        }
        if let Some(hint) = media.hint("PART") {
            let part = resolve(path, &hint.uri);
            if self.parts.insert(part.clone()) {
                want(hints, Asked::Part, &part);
            }
        }
        self.has_begun = true;
    }
}

fn can_block(media: &Media) -> bool {
    media.control.as_ref().is_some_and(|control| control.is_yes("CAN-BLOCK-RELOAD"))
}

/// What `after` lists no more.
fn departed(before: &Media, after: &Media) -> Vec<(Asked, String)> {
    let parts = |media: &Media| -> BTreeSet<String> {
        let segments = media.segments.iter().chain([&media.open]);
        let available = |part: &&Part| !part.gap;
        segments.flat_map(|s| s.parts.iter().filter(available).map(|p| p.uri.clone())).collect()
    };
    let first = after.media_sequence.unwrap_or(0);
    let gone = before.segments.iter().filter(|segment| segment.msn < first && !segment.gap);
    let gone = gone.map(|segment| (Asked::Segment, segment.uri.clone()));
    let (old, new) = (parts(before), parts(after));
    let gone_parts = old.difference(&new).map(|uri| (Asked::Part, uri.clone()));
    gone.chain(gone_parts).collect()
}
