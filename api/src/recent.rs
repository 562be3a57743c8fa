//! Answers kept for a moment.
//!
//! Here: what was just read from the database about a live, so that its viewers, however many, ask
//! the database once in a while and not each time. Not here: what is read (`lives`), the clock.

use std::{
    collections::HashMap,
    hash::BuildHasher,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use media::id::PlaybackName;
use tokio::sync::Semaphore;

use crate::clock::Clock;

/// How long an answer serves. Viewers ask every few seconds: one late is not seen.
const KEPT_MS: i64 = 1000;
/// Names with an answer at once, of some hundred bytes each. Beyond, the database is asked.
const NAMES_MAX: usize = 1000;
/// Questions under way at once; names share them by their hash. Of those who ask for one name in
/// the same moment, the first asks the database and the others read what he was told.
const TURNS: usize = 16;

/// The newest answers by the name they are about. Only what exists is remembered, so that made-up
/// names leave nothing behind.
pub struct Recent<T> {
    answers: Mutex<HashMap<PlaybackName, Answer<T>>>,
    turns: [Semaphore; TURNS],
}

struct Answer<T> {
    /// When its question was asked.
    at_ms: i64,
    value: Arc<T>,
}

impl<T> Recent<T> {
    /// Nothing is known yet.
    pub fn new() -> Self {
        Self { answers: Mutex::default(), turns: std::array::from_fn(|_| Semaphore::new(1)) }
    }

    /// What is known of `name`, else what `ask` finds. `None` when there is no such name.
    ///
    /// # Errors
    ///
    /// Those of `ask`; nothing is remembered then.
    pub async fn get<E>(
        &self,
        name: &PlaybackName,
        clock: &Clock,
        ask: impl AsyncFnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        if let Some(known) = self.known(name, clock.now_ms()) {
            return Ok(Some(known));
        }
        let _turn = self.turn(name).acquire().await;
        let at_ms = clock.now_ms();
        if let Some(known) = self.known(name, at_ms) {
            return Ok(Some(known));
        }
        let Some(found) = ask().await? else { return Ok(None) };
        let value = Arc::new(found);
        self.remember(name, Answer { at_ms, value: Arc::clone(&value) });
        Ok(Some(value))
    }

    /// What was known of `name` is no longer so.
    pub fn forget(&self, name: &PlaybackName) {
        self.lock().remove(name);
    }

    fn known(&self, name: &PlaybackName, now_ms: i64) -> Option<Arc<T>> {
        let answers = self.lock();
        answers.get(name).filter(|answer| answer.serves(now_ms)).map(|answer| answer.value.clone())
    }

    fn remember(&self, name: &PlaybackName, answer: Answer<T>) {
        let mut answers = self.lock();
        if answers.len() >= NAMES_MAX {
            answers.retain(|_, older| older.serves(answer.at_ms));
        }
        if answers.len() < NAMES_MAX || answers.contains_key(name) {
            answers.insert(name.clone(), answer);
        }
    }

    fn turn(&self, name: &PlaybackName) -> &Semaphore {
        let hash = self.lock().hasher().hash_one(name);
        &self.turns[hash as usize % TURNS]
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<PlaybackName, Answer<T>>> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Answer<T> {
    /// Young enough; a clock that went back makes it too old.
    fn serves(&self, now_ms: i64) -> bool {
        (0..KEPT_MS).contains(&now_ms.saturating_sub(self.at_ms))
    }
}

#[cfg(test)]
mod tests {
    use std::{
        convert::Infallible,
        sync::atomic::{AtomicI64, AtomicUsize, Ordering},
    };

    use super::*;

    struct Asked {
        recent: Recent<usize>,
        clock: Clock,
        now_ms: Arc<AtomicI64>,
        times: AtomicUsize,
    }

    impl Asked {
        fn new() -> Self {
            let now_ms = Arc::new(AtomicI64::new(1_753_268_700_000));
            let told = Arc::clone(&now_ms);
            let clock = Clock::new(move || told.load(Ordering::Relaxed));
            Self { recent: Recent::new(), clock, now_ms, times: AtomicUsize::new(0) }
        }

        /// Asks for `name`, which is answered with how often anybody asked.
        async fn ask(&self, name: &str) -> usize {
            let name = name.parse().unwrap();
            let found = self.recent.get(&name, &self.clock, async || {
                tokio::task::yield_now().await;
                Ok::<_, Infallible>(Some(self.times.fetch_add(1, Ordering::Relaxed) + 1))
            });
            *found.await.unwrap().unwrap()
        }
    }

    #[tokio::test]
    async fn an_answer_serves_for_a_second() {
        let asked = Asked::new();
        assert_eq!(asked.ask("kaloum").await, 1);
        asked.now_ms.fetch_add(999, Ordering::Relaxed);
        assert_eq!(asked.ask("kaloum").await, 1);
        asked.now_ms.fetch_add(1, Ordering::Relaxed);
        assert_eq!(asked.ask("kaloum").await, 2);
    }

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_question() {
        let asked = Asked::new();
        let all = tokio::join!(asked.ask("kaloum"), asked.ask("kaloum"), asked.ask("kaloum"));
        assert_eq!(all, (1, 1, 1));
    }

    #[tokio::test]
    async fn what_is_forgotten_is_asked_again() {
        let asked = Asked::new();
        asked.ask("kaloum").await;
        asked.recent.forget(&"kaloum".parse().unwrap());
        assert_eq!(asked.ask("kaloum").await, 2);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_leaves_nothing() {
        let asked = Asked::new();
        let name = "nobody".parse().unwrap();
        let nothing = async || Ok::<_, Infallible>(None);
        assert_eq!(asked.recent.get(&name, &asked.clock, nothing).await, Ok(None));
        assert!(asked.recent.lock().is_empty());
    }

    #[tokio::test]
    async fn the_names_stay_within_their_limit_and_the_old_make_room() {
        let asked = Asked::new();
        for n in 0..NAMES_MAX + 10 {
            asked.ask(&format!("live{n}")).await;
        }
        assert_eq!(asked.recent.lock().len(), NAMES_MAX);
        asked.now_ms.fetch_add(KEPT_MS, Ordering::Relaxed);
        let times = asked.ask("another").await;
        assert_eq!(asked.ask("another").await, times);
        assert_eq!(asked.recent.lock().len(), 1);
    }

    #[tokio::test]
    async fn an_answer_from_the_future_does_not_serve() {
        let asked = Asked::new();
        asked.ask("kaloum").await;
        asked.now_ms.fetch_sub(1, Ordering::Relaxed);
        assert_eq!(asked.ask("kaloum").await, 2);
    }
}
