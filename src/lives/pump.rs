//! Carries a publisher's events from its socket to its channel, and says why that ended.

use std::{fmt, panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use ingest::Refusal;
use media::Event;
use tokio::time::{Instant, sleep_until};

use super::{OpenLive, ended};

/// Carries events until one side ends, or a defect of ours does.
pub(super) async fn pump(
    live: &OpenLive,
    number: u64,
    from: &mut ingest::Publisher,
    to: &mut hub::Publisher,
) -> Departure {
    let carried = AssertUnwindSafe(carry(live, number, from, to)).catch_unwind().await;
    carried.unwrap_or(Departure::Panicked)
}

async fn carry(
    live: &OpenLive,
    number: u64,
    from: &mut ingest::Publisher,
    to: &mut hub::Publisher,
) -> Departure {
    let revoked = to.revoked();
    tokio::pin!(revoked);
    let mut events = Vec::new();
    let mut counted = Counted::default();
    let mut heard_at = Instant::now();
    let mut awaited_at = None;
    let silence = sleep_until(heard_at + SILENCE);
    tokio::pin!(silence);
    loop {
        let read = tokio::select! {
            biased;
            reason = &mut revoked => return Departure::Revoked(reason),
            read = from.read(&mut events) => read,
            () = &mut silence => {
                silence.as_mut().reset(watch_silence(heard_at, to));
                continue;
            }
        };
        // Parts are made of the picture and the first sound: what else is said or sounds is no sign of
        // them.
        if events.iter().any(|event| matches!(event, Event::Sample(_))) {
            heard_at = Instant::now();
            if to.channel().watchers() > 0 {
                awaited_at = Some(heard_at);
            }
            let hurry = awaited_at.is_some_and(|at| heard_at.duration_since(at) < STILL_AWAITED);
            if let Err(error) = from.hurry(hurry) {
                return Departure::Ingest(error);
            }
        }
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

/// After so long without media viewers are told of a gap. Late media is not lost before: networks
/// of phones stand still for a second or two and then deliver everything. The standard wants a new
/// segment within one and a half target durations (rfc8216bis §6.2.2), which are three seconds.
const SILENCE: Duration = Duration::from_secs(3);

/// Viewers at low latency wait nearly all the time; between two requests they are not forgotten.
const STILL_AWAITED: Duration = Duration::from_secs(2);

/// Lists the silence of a publisher, if it lasts; says when to look again.
fn watch_silence(heard_at: Instant, to: &mut hub::Publisher) -> Instant {
    let silent = heard_at.elapsed();
    if silent < SILENCE {
        return heard_at + SILENCE;
    }
    to.gap(silent);
    Instant::now() + to.channel().targets().map_or(SILENCE, |targets| targets.part)
}

/// Why a publisher is no longer served.
pub(super) enum Departure {
    /// It went by itself, with or without saying so.
    Left {
        clean: bool,
    },
    Revoked(hub::Revoked),
    /// The server goes down.
    Draining,
    Ingest(ingest::Error),
    Hub(hub::Error),
    /// A defect of ours, in the task of this publisher alone.
    Panicked,
}

impl Departure {
    /// What to tell the encoder, if it is still there.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        match self {
            Self::Left { .. } => None,
            Self::Panicked => Some(Refusal::Unavailable("Erreur du serveur.".into())),
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

impl fmt::Display for Departure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { clean: true } => f.write_str("it stopped publishing"),
            Self::Left { clean: false } => f.write_str("connection lost"),
            Self::Revoked(hub::Revoked::Superseded) => f.write_str("superseded"),
            Self::Revoked(hub::Revoked::Ended) => f.write_str("the live ended"),
            Self::Draining => f.write_str("the server goes down"),
            Self::Panicked => f.write_str("a panic in its task"),
            Self::Ingest(error) => error.fmt(f),
            Self::Hub(error) => error.fmt(f),
        }
    }
}

/// What of a publisher's figures the metrics have seen.
#[derive(Default)]
struct Counted {
    bytes: u64,
    dropped: u64,
    repaired: u64,
    metadata: u64,
    dropped_metadata: u64,
}

impl Counted {
    fn count(&mut self, stats: &ingest::Stats) {
        let repaired = stats.timestamp_repairs + stats.timestamp_jumps;
        for (name, seen, now) in [
            ("ingest_bytes_total", &mut self.bytes, stats.bytes_received),
            ("ingest_dropped_tags_total", &mut self.dropped, stats.dropped_tags),
            ("ingest_timestamp_repairs_total", &mut self.repaired, repaired),
            ("ingest_metadata_total", &mut self.metadata, stats.metadata),
            ("ingest_dropped_metadata_total", &mut self.dropped_metadata, stats.dropped_metadata),
        ] {
            let new = now - std::mem::replace(seen, now);
            if new > 0 {
                ::metrics::counter!(name).increment(new);
            }
        }
    }
}
