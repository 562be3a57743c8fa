//! Our server against the draft, clause by clause, while lives of many kinds go on.
//!
//! Here: what is published, who watches, and which clauses must have been put to the test. Not here: the
//! clauses (`support/conformance`), nor the proof that each can fail (`hls_clauses`).
//!
//! `CONFORMANCE_MINUTES=10 cargo test --test hls_conformance` watches ten minutes longer; nextest would
//! end it.

mod support;

#[path = "support/conformance/mod.rs"]
mod conformance;
#[path = "support/encoder.rs"]
mod encoder;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use conformance::clause::Scene;
use conformance::client::{Clock, Viewer};
use conformance::exchange::{Exchange, bare};
use conformance::multivariant::Multivariant;
use conformance::report::Report;
use conformance::witness::{Settings, Witness};
use encoder::{Encoder, Script, Turn};
use support::api::Live;
use support::peer::extra_minutes;
use support::source::{Source, USUAL, VIDEO, Video};
use support::{House, READY_WITHIN, wait};

/// An IDR every second, longer than an ordinary run.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), seconds: 40, ..USUAL };

/// Another picture size, and the same sound.
const LARGER: Source =
    Source { video: Some(Video { gop: 30, size: "426x240", ..VIDEO }), seconds: 40, ..USUAL };

/// Forced IDRs after 0.3, 0.5, 0.4 and 0.2 seconds.
const IRREGULAR: Source =
    Source { video: Some(Video { gop: 42, forced: &[9, 24, 36], ..VIDEO }), seconds: 42, ..USUAL };

/// Sixty pictures a second.
const FAST: Source =
    Source { video: Some(Video { rate: "60", gop: 60, ..VIDEO }), seconds: 40, ..USUAL };

/// Sound alone.
const SOUND: Source = Source { video: None, seconds: 40, ..USUAL };

/// Another sound, at another rate.
const SECOND_SOUND: Source = Source { video: None, audio_hz: Some(44_100), seconds: 40 };

/// Segments of a second, in a window that is a little longer than the skip boundary: everything that
/// takes a window or six target durations happens in seconds.
const HOUSE: &[(&str, &str)] = &[
    ("PACKAGER__SEGMENT_TARGET_MS", "1000"),
    ("PACKAGER__WINDOW_MS", "9000"),
    // No longer than a segment.
    ("PACKAGER__MAX_GAP_MS", "1000"),
];

/// Segments watched in an ordinary run: a window, and as many again to see the first ones leave.
const SEGMENTS: u64 = 18;

/// Debug builds of everything, on a machine that has other things to do.
const SETTINGS: Settings = Settings {
    allowance: Duration::from_millis(600),
    prompt: Duration::from_millis(500),
    full_speed: Duration::from_millis(200),
    changes_are_planned: false,
};

/// What every live of an ordinary run shows.
const ALWAYS: &[Scene] = &[
    Scene::LowLatency,
    Scene::PartsLeft,
    Scene::Delta,
    Scene::Removal,
    Scene::End,
    Scene::Fmp4,
    Scene::Ts,
    Scene::Twins,
];

/// A live of one kind.
struct Scenario {
    name: &'static str,
    script: Script,
    shows: &'static [Scene],
}

const STEADY: Script = Script {
    source: BRISK,
    second_sound: None,
    jitter: Duration::ZERO,
    turn: Turn::None,
    says: false,
};

const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "B-frames",
        script: Script { says: true, ..STEADY },
        shows: &[Scene::Video, Scene::Renditions],
    },
    Scenario {
        name: "irregular GOPs",
        script: Script { source: IRREGULAR, ..STEADY },
        shows: &[Scene::Video, Scene::Renditions],
    },
    Scenario {
        name: "jitter",
        script: Script { jitter: Duration::from_millis(150), ..STEADY },
        shows: &[Scene::Video, Scene::Renditions],
    },
    Scenario {
        name: "a drop and a return",
        script: Script { turn: Turn::Silence(Duration::from_secs(5)), ..STEADY },
        shows: &[
            Scene::Video,
            Scene::Renditions,
            Scene::Discontinuity,
            Scene::DiscontinuityRemoval,
            Scene::Gap,
        ],
    },
    Scenario {
        name: "a change of the picture",
        script: Script { turn: Turn::Change(LARGER), ..STEADY },
        shows: &[
            Scene::Video,
            Scene::Renditions,
            Scene::Discontinuity,
            Scene::DiscontinuityRemoval,
            Scene::Change,
        ],
    },
    Scenario {
        name: "sixty pictures a second",
        script: Script { source: FAST, ..STEADY },
        shows: &[Scene::Video, Scene::Renditions, Scene::Fast],
    },
    Scenario {
        name: "sound alone",
        script: Script { source: SOUND, says: true, ..STEADY },
        shows: &[],
    },
    Scenario {
        name: "two sounds",
        script: Script { second_sound: Some(SECOND_SOUND), ..STEADY },
        shows: &[Scene::Video, Scene::Renditions, Scene::Sounds],
    },
];

#[test]
fn lives_of_many_kinds_keep_every_clause() {
    watch_all();
}

/// Runs every scenario beside the others, on one server.
#[track_caller]
fn watch_all() {
    // Sources are made before anything is on the clock.
    for source in [BRISK, LARGER, IRREGULAR, FAST, SOUND, SECOND_SOUND] {
        source.flv();
    }
    let house = House::start_with(HOUSE);
    let failures: Vec<String> = thread::scope(|scope| {
        let watch_one = |scenario| {
            let house = &house;
            (scenario, scope.spawn(move || watch(house, scenario)))
        };
        let runs: Vec<(&Scenario, _)> = SCENARIOS.iter().map(watch_one).collect();
        let faults = runs.into_iter().filter_map(|(scenario, run)| {
            let Scenario { name, shows, .. } = scenario;
            let report = run.join().unwrap_or_else(|_| panic!("{name}: no report"));
            let scenes: Vec<Scene> = ALWAYS.iter().chain(*shows).copied().collect();
            report.faults(&scenes).map(|faults| format!("{name}\n{faults}"))
        });
        faults.collect()
    });
    assert!(failures.is_empty(), "{} lives\n{}", failures.len(), failures.join("\n"));
}

/// Publishes one live, has it watched by viewers of every kind, and ends it.
fn watch(house: &House, scenario: &Scenario) -> Report {
    let live = house.live();
    let clock = Arc::new(Clock::default());
    let encoder = {
        let encoder = Encoder::new(house.rtmp, &live.key, clock.clone());
        let script = scenario.script;
        thread::spawn(move || encoder.broadcast(&script))
    };
    let (log, seen) = channel();
    let new_viewer = || Viewer::new(house.http, clock.clone(), log.clone());
    let witness = {
        let clock = clock.clone();
        thread::spawn(move || testify(&seen, &clock))
    };
    let stalls = {
        let clock = clock.clone();
        thread::spawn(move || clock.watch_for_stalls())
    };

    let mut followers = Vec::new();
    let mut others = vec![encoder, stalls];
    let mut paths = Vec::new();
    for (multivariant, path) in media_playlists(house, &[live.fmp4(), live.ts(), live.rewind()]) {
        let progress = Arc::new(AtomicU64::new(0));
        let (hints, hinted) = channel();
        let (loads, wanted) = channel();
        followers.push((
            progress.clone(),
            spawn(new_viewer(), &path, move |viewer, path| {
                viewer.follow(path, &hints, &loads, &progress);
            }),
        ));
        others.push(spawn(new_viewer(), &path, move |viewer, _| viewer.load(&hinted)));
        others.push(spawn(new_viewer(), &path, move |viewer, _| viewer.load(&wanted)));
        others.push(spawn(new_viewer(), &path, move |viewer, path| {
            viewer.reload(&multivariant, path);
        }));
        others.push(spawn(new_viewer(), &path, |viewer, path| viewer.update(path)));
        others.push(spawn(new_viewer(), &path, |viewer, path| viewer.wait(path)));
        others.push(spawn(new_viewer(), &path, |viewer, path| viewer.probe(path)));
        paths.push(path);
    }
    let segments = SEGMENTS + 60 * extra_minutes();
    let within = READY_WITHIN + Duration::from_secs(2 * segments);
    wait::until_true("both playlists go on", within, || {
        let done = |(progress, follower): &(Arc<AtomicU64>, JoinHandle<()>)| {
            progress.load(Ordering::Relaxed) >= segments || follower.is_finished()
        };
        followers.iter().all(done)
    });
    end(&live, followers.into_iter().map(|(_, follower)| follower).collect(), &clock);
    for other in others {
        other
            .join()
            .unwrap_or_else(|_| panic!("{}: a viewer or the encoder failed", scenario.name));
    }
    for path in paths {
        new_viewer().ask_after_the_end(&path);
    }
    drop(log);
    let mut witness = witness.join().expect("the witness saw everything");
    witness.ended();
    let mut report = witness.finish();
    // The first part is a segment of its own, so that there is something to play after 200 ms: what is
    // left of its GOP has no IDR.
    report.pardon("every_segment_has_a_sync_sample", 1);
    // Sound that waits for its pictures when they end goes into the last part, however long that gets:
    // once for each publication.
    report.pardon("part_is_within_the_part_target", 2);
    report
}

/// Ends the live; its followers see the end, and then the run is over.
fn end(live: &Live, followers: Vec<JoinHandle<()>>, clock: &Clock) {
    live.stop();
    let all_seen = || followers.iter().all(JoinHandle::is_finished);
    wait::until_true("the end is seen", READY_WITHIN, all_seen);
    clock.end();
    for follower in followers {
        follower.join().expect("a follower came to the end");
    }
}

fn spawn(
    viewer: Viewer,
    path: &str,
    watch: impl FnOnce(Viewer, &str) + Send + 'static,
) -> JoinHandle<()> {
    let path = path.to_owned();
    thread::spawn(move || watch(viewer, &path))
}

/// The media playlists of multivariant playlists, each with its own, as soon as they are there.
fn media_playlists(house: &House, multivariants: &[String]) -> Vec<(String, String)> {
    let mut paths = Vec::new();
    for multivariant in multivariants {
        let playlist = wait::until("the multivariant playlist is there", READY_WITHIN, || {
            let answer = house.get(multivariant);
            (answer.status == 200).then(|| Multivariant::parse(&answer.text()))
        });
        for path in playlist.media_playlists(multivariant) {
            if !paths.iter().any(|(_, known): &(_, String)| bare(known) == bare(&path)) {
                paths.push((multivariant.clone(), path));
            }
        }
    }
    paths
}

/// Lets a witness see what viewers saw, in the order in which they saw it: what two of them saw at the
/// same moment may be told in another.
fn testify(seen: &Receiver<Exchange>, clock: &Clock) -> Witness {
    const TOLD_WITHIN: Duration = Duration::from_secs(2);
    let mut witness = Witness::new(SETTINGS);
    let mut waiting: Vec<Exchange> = Vec::new();
    for exchange in seen {
        let settled = exchange.received.saturating_sub(TOLD_WITHIN);
        waiting.push(exchange);
        if waiting.len() > 500 {
            clock.take_stalls().into_iter().for_each(|(from, until)| witness.silence(from, until));
            waiting.sort_by_key(|exchange| exchange.received);
            let count = waiting.partition_point(|exchange| exchange.received <= settled);
            waiting.drain(..count).for_each(|exchange| witness.observe(&exchange));
        }
    }
    clock.take_stalls().into_iter().for_each(|(from, until)| witness.silence(from, until));
    waiting.sort_by_key(|exchange| exchange.received);
    waiting.iter().for_each(|exchange| witness.observe(exchange));
    witness
}
