//! Who is watching a live now.
//!
//! Here: when each viewer was last seen, and how many were seen lately enough. Not here: how one
//! viewer is told from another, and what makes him seen (`delivery`).

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

/// How often those who left are looked for: a count is late by no more than this, and costs nothing
/// in between.
const SWEEP: Duration = Duration::from_secs(1);

/// The viewers of one channel.
#[derive(Debug, Default)]
pub(crate) struct Viewers {
    present: Mutex<Present>,
    /// Those of all channels of the hub.
    in_all: Arc<AtomicUsize>,
}

#[derive(Debug, Default)]
struct Present {
    seen_at: HashMap<u64, Instant>,
    swept_at: Option<Instant>,
}

impl Viewers {
    /// Most viewers of one live that are told apart: half of the whole, so that one great live leaves
    /// room for the others. More are not counted.
    const MAX: usize = 50_000;
    /// Most viewers of all lives: some 30 bytes each, five times the connections a server takes by
    /// default.
    const MAX_IN_ALL: usize = 100_000;

    /// Nobody yet; counted with the others in `in_all`.
    pub(crate) fn new(in_all: Arc<AtomicUsize>) -> Self {
        Self { present: Mutex::default(), in_all }
    }

    /// This viewer is there now. `kept` is for how long one who is not seen again stays: asked only
    /// where room has to be made.
    pub(crate) fn saw(&self, viewer: u64, now: Instant, kept: impl FnOnce() -> Duration) {
        let mut present = self.lock();
        if let Some(seen_at) = present.seen_at.get_mut(&viewer) {
            *seen_at = now;
            return;
        }
        let is_full = self.in_all.load(Ordering::Relaxed) >= Self::MAX_IN_ALL;
        if is_full || present.seen_at.len() >= Self::MAX {
            self.sweep(&mut present, now, kept());
        }
        if present.seen_at.len() < Self::MAX && self.take_place() {
            present.seen_at.insert(viewer, now);
        }
    }

    /// How many were seen within `kept`.
    pub(crate) fn count(&self, now: Instant, kept: Duration) -> usize {
        let mut present = self.lock();
        self.sweep(&mut present, now, kept);
        present.seen_at.len()
    }

    fn sweep(&self, present: &mut Present, now: Instant, kept: Duration) {
        if present.swept_at.is_some_and(|swept_at| now.duration_since(swept_at) < SWEEP) {
            return;
        }
        present.swept_at = Some(now);
        let before = present.seen_at.len();
        present.seen_at.retain(|_, seen_at| now.duration_since(*seen_at) < kept);
        self.in_all.fetch_sub(before - present.seen_at.len(), Ordering::Relaxed);
    }

    fn take_place(&self) -> bool {
        let is_free = self.in_all.fetch_add(1, Ordering::Relaxed) < Self::MAX_IN_ALL;
        if !is_free {
            self.in_all.fetch_sub(1, Ordering::Relaxed);
        }
        is_free
    }

    fn lock(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Viewers {
    fn drop(&mut self) {
        let left = self.lock().seen_at.len();
        self.in_all.fetch_sub(left, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEPT: Duration = Duration::from_secs(10);

    #[test]
    fn a_viewer_seen_twice_is_one() {
        let (viewers, now) = (Viewers::default(), Instant::now());
        viewers.saw(1, now, || KEPT);
        viewers.saw(1, now + SWEEP, || KEPT);
        viewers.saw(2, now + SWEEP, || KEPT);
        assert_eq!(viewers.count(now + SWEEP, KEPT), 2);
    }

    #[test]
    fn a_viewer_not_seen_for_long_has_left() {
        let (viewers, now) = (Viewers::default(), Instant::now());
        viewers.saw(1, now, || KEPT);
        viewers.saw(2, now + KEPT / 2, || KEPT);
        assert_eq!(viewers.count(now + KEPT - Duration::from_millis(1), KEPT), 2);
        assert_eq!(viewers.count(now + KEPT + SWEEP, KEPT), 1);
        assert_eq!(viewers.in_all.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn more_than_are_told_apart_are_not_counted_until_some_leave() {
        let (viewers, now) = (Viewers::default(), Instant::now());
        (0..).take(Viewers::MAX + 10).for_each(|viewer| viewers.saw(viewer, now, || KEPT));
        assert_eq!(viewers.count(now, KEPT), Viewers::MAX);
        viewers.saw(u64::MAX, now + KEPT, || KEPT);
        assert_eq!(viewers.count(now + KEPT, KEPT), 1);
    }

    #[test]
    fn the_viewers_of_all_lives_share_one_limit_and_give_their_places_back() {
        let in_all = Arc::new(AtomicUsize::new(Viewers::MAX_IN_ALL - 1));
        let [one, other] = [(); 2].map(|()| Viewers::new(in_all.clone()));
        let now = Instant::now();
        one.saw(1, now, || KEPT);
        other.saw(2, now, || KEPT);
        assert_eq!((one.count(now, KEPT), other.count(now, KEPT)), (1, 0));
        drop(one);
        other.saw(2, now, || KEPT);
        assert_eq!(other.count(now, KEPT), 1);
    }
}
