//! Every clause of the conformance checker can fail.
//!
//! Here: one good live, made by hand, which keeps every clause and exercises all of them (`good`); and
//! for each clause a violation, which that clause alone finds (`violations`). Not here: our server
//! (`hls_conformance.rs`).

#[path = "../support/conformance/mod.rs"]
mod conformance;

mod bytes;
mod good;
mod violations;

use std::collections::BTreeSet;
use std::sync::LazyLock;
use std::time::Duration;

use conformance::clause::CLAUSES;
use conformance::exchange::Exchange;
use conformance::report::Report;
use conformance::witness::{Settings, Witness};
use violations::{Live, VIOLATIONS, Violation};

#[test]
fn the_good_live_keeps_every_clause_and_exercises_all() {
    let live = Live { exchanges: good::live(good::WINDOW), silence_is_known: true };
    let report = witness(&live);
    let idle = CLAUSES.iter().map(|clause| clause.name).filter(|name| report.exercised(name) == 0);
    let idle: Vec<&str> = idle.collect();
    assert!(report.violated().is_empty() && idle.is_empty(), "{report}\nidle: {idle:#?}");
}

#[test]
fn every_clause_has_one_name_and_one_violation() {
    let names: BTreeSet<&str> = CLAUSES.iter().map(|clause| clause.name).collect();
    assert_eq!(names.len(), CLAUSES.len(), "a name stands twice");
    let broken: Vec<&str> = VIOLATIONS.iter().map(|violation| violation.clause).collect();
    let listed: Vec<&str> = CLAUSES.iter().map(|clause| clause.name).collect();
    assert_eq!(broken, listed, "in the order of the table");
}

#[test]
fn every_violation_is_found_by_its_clause_and_no_other() {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let lots = VIOLATIONS.chunks(VIOLATIONS.len().div_ceil(threads));
    let wrong: Vec<String> = std::thread::scope(|scope| {
        let lots: Vec<_> = lots
            .map(|lot| scope.spawn(|| lot.iter().filter_map(verdict).collect::<Vec<_>>()))
            .collect();
        lots.into_iter().flat_map(|lot| lot.join().expect("a verdict on each")).collect()
    });
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What is wrong with what was found of a violation.
fn verdict(violation: &Violation) -> Option<String> {
    static USUAL: LazyLock<Vec<Exchange>> = LazyLock::new(|| good::live(good::WINDOW));
    let mut exchanges = match violation.window {
        good::WINDOW => USUAL.clone(),
        window => good::live(window),
    };
    if !violation.all_renditions {
        exchanges.retain(|one| !one.path.starts_with("/b") && !one.path.starts_with("/t"));
    }
    let mut live = Live { exchanges, silence_is_known: true };
    (violation.spoil)(&mut live);
    live.exchanges.sort_by_key(|exchange| exchange.received);
    let report = witness(&live);
    let found: BTreeSet<&str> = report.violated().into_iter().collect();
    let expected = violation.with.iter().chain([&violation.clause]).copied().collect();
    (found != expected).then(|| format!("{}: found {found:?}\n{report}", violation.clause))
}

fn witness(live: &Live) -> Report {
    let mut witness = Witness::new(Settings {
        allowance: Duration::from_millis(50),
        prompt: Duration::from_millis(100),
        full_speed: Duration::from_millis(50),
        changes_are_planned: true,
    });
    if live.silence_is_known {
        let (from, until) = good::silence();
        witness.silence(from, until);
    }
    witness.ended();
    for exchange in &live.exchanges {
        witness.observe(exchange);
    }
    witness.finish()
}
