//! Waiting for a condition, with a deadline. The only place where tests pause.

use std::time::{Duration, Instant};

/// The first pause: short enough that nobody waits for it.
const SHORTEST_PAUSE: Duration = Duration::from_millis(10);
/// The longest: what takes seconds is asked for rarely, to leave the cores to encoders and to stay
/// below the API's limits.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// Asks `probe` until it answers, and panics with `what` when `within` has passed.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    let mut pause = SHORTEST_PAUSE;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(pause);
        pause = LONGEST_PAUSE.min(pause * 5 / 4);
    }
}

/// [`until`], for a plain condition.
#[track_caller]
pub fn until_true(what: &str, within: Duration, mut probe: impl FnMut() -> bool) {
    until(what, within, || probe().then_some(()));
}
