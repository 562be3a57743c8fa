//! Waiting for a condition, with a deadline. The only place where tests pause.

use std::time::{Duration, Instant};

/// Short enough that nobody waits for it, long enough not to burn a core that an encoder needs.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers, and panics with `what` when `within` has passed.
#[track_caller]
pub fn until<T>(what: &str, within: Duration, mut probe: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + within;
    loop {
        if let Some(answer) = probe() {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {within:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// [`until`], for a plain condition.
#[track_caller]
pub fn until_true(what: &str, within: Duration, mut probe: impl FnMut() -> bool) {
    until(what, within, || probe().then_some(()));
}
