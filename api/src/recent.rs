//! Answers kept for a moment.
//!
//! Here: what was just read from the database about a live or a page of posts, so that its readers,
//! however many, ask the database once in a while and not each time. Not here: what is read (`lives`,
//! `posts`), the clock.

use std::{
    collections::HashMap,
    hash::{BuildHasher, Hash},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::Semaphore;

use crate::clock::Clock;

/// How long an answer serves. Viewers ask every few seconds: one late is not seen.
const KEPT_MS: i64 = 1000;
/// Questions under way at once; keys share them by their hash. Of those who ask about one in the same
/// moment, the first asks the database and the others read what he was told.
const TURNS: usize = 16;

/// The newest answers by what they are about. Only what exists is remembered, so that made-up keys leave
/// nothing behind.
pub struct Recent<K, T> {
    /// Keys with an answer at once. Beyond, the database is asked.
    max: usize,
    answers: Mutex<HashMap<K, Answer<T>>>,
    turns: [Semaphore; TURNS],
}

struct Answer<T> {
    /// When its question was asked.
    at_ms: i64,
    /// The edition of what it is about, then.
    edition: u64,
    value: Arc<T>,
}

impl<K: Hash + Eq + Clone, T> Recent<K, T> {
    /// Nothing is known yet; at most `max` answers will be.
    pub fn new(max: usize) -> Self {
        Self { max, answers: Mutex::default(), turns: std::array::from_fn(|_| Semaphore::new(1)) }
    }

    /// What is known of `key`, else what `ask` finds. `None` when there is no such thing.
    ///
    /// `edition` is a number that grows when what is asked about has changed: nobody is given an answer
    /// to a question that was asked at a smaller number than he came at. Whoever has come while another
    /// asks shares the next question with all who wait.
    ///
    /// # Errors
    ///
    /// Those of `ask`; nothing is remembered then.
    pub async fn get<E>(
        &self,
        key: &K,
        clock: &Clock,
        edition: impl Fn() -> u64,
        ask: impl AsyncFnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<Arc<T>>, E> {
        let came_at = edition();
        if let Some(known) = self.known(key, came_at, clock.now_ms()) {
            return Ok(Some(known));
        }
        let _turn = self.turn(key).acquire().await;
        let at_ms = clock.now_ms();
        if let Some(known) = self.known(key, came_at, at_ms) {
            return Ok(Some(known));
        }
        let edition = edition();
        let Some(found) = ask().await? else { return Ok(None) };
        let value = Arc::new(found);
        self.remember(key, Answer { at_ms, edition, value: Arc::clone(&value) });
        Ok(Some(value))
    }

    /// What was known of `key` is no longer so.
    pub fn forget(&self, key: &K) {
        self.lock().remove(key);
    }

    fn known(&self, key: &K, edition: u64, now_ms: i64) -> Option<Arc<T>> {
        let answers = self.lock();
        let known = answers.get(key).filter(|answer| answer.serves(now_ms));
        known.filter(|answer| answer.edition >= edition).map(|answer| answer.value.clone())
    }

    fn remember(&self, key: &K, answer: Answer<T>) {
        let mut answers = self.lock();
        if answers.len() >= self.max {
            answers.retain(|_, older| older.serves(answer.at_ms));
        }
        if answers.len() < self.max || answers.contains_key(key) {
            answers.insert(key.clone(), answer);
        }
    }

    fn turn(&self, key: &K) -> &Semaphore {
        let hash = self.lock().hasher().hash_one(key);
        &self.turns[hash as usize % TURNS]
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Answer<T>>> {
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
        sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering},
    };

    use super::*;

    const MAX: usize = 100;

    struct Asked {
        recent: Recent<String, usize>,
        clock: Clock,
        now_ms: Arc<AtomicI64>,
        edition: AtomicU64,
        times: AtomicUsize,
    }

    impl Asked {
        fn new() -> Self {
            let now_ms = Arc::new(AtomicI64::new(1_753_268_700_000));
            let told = Arc::clone(&now_ms);
            let clock = Clock::new(move || told.load(Ordering::Relaxed));
            let (edition, times) = (AtomicU64::new(0), AtomicUsize::new(0));
            Self { recent: Recent::new(MAX), clock, now_ms, edition, times }
        }

        /// Asks for `name`, which is answered with how often anybody asked.
        async fn ask(&self, name: &str) -> usize {
            let (name, edition) = (name.to_owned(), || self.edition.load(Ordering::Relaxed));
            let found = self.recent.get(&name, &self.clock, edition, async || {
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
    async fn whoever_comes_after_a_change_is_told_of_it() {
        let asked = Asked::new();
        assert_eq!(asked.ask("kaloum").await, 1);
        asked.edition.fetch_add(1, Ordering::Relaxed);
        assert_eq!(asked.ask("kaloum").await, 2);
        assert_eq!(asked.ask("kaloum").await, 2);
    }

    #[tokio::test]
    async fn a_question_asked_before_a_change_is_no_answer_after_it() {
        let asked = Asked::new();
        let late = async {
            tokio::task::yield_now().await;
            asked.edition.fetch_add(1, Ordering::Relaxed);
            tokio::join!(asked.ask("kaloum"), asked.ask("kaloum"))
        };
        let name = "kaloum".to_owned();
        let slow = asked.recent.get(
            &name,
            &asked.clock,
            || asked.edition.load(Ordering::Relaxed),
            async || {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
                Ok::<_, Infallible>(Some(0))
            },
        );
        let (early, late) = tokio::join!(slow, late);
        assert_eq!((*early.unwrap().unwrap(), late), (0, (1, 1)), "the late share one question");
    }

    #[tokio::test]
    async fn what_is_forgotten_is_asked_again() {
        let asked = Asked::new();
        asked.ask("kaloum").await;
        asked.recent.forget(&"kaloum".to_owned());
        assert_eq!(asked.ask("kaloum").await, 2);
    }

    #[tokio::test]
    async fn a_name_that_does_not_exist_leaves_nothing() {
        let asked = Asked::new();
        let name = "nobody".to_owned();
        let nothing = async || Ok::<_, Infallible>(None);
        assert_eq!(asked.recent.get(&name, &asked.clock, || 0, nothing).await, Ok(None));
        assert!(asked.recent.lock().is_empty());
    }

    #[tokio::test]
    async fn the_names_stay_within_their_limit_and_the_old_make_room() {
        let asked = Asked::new();
        for n in 0..MAX + 10 {
            asked.ask(&format!("live{n}")).await;
        }
        assert_eq!(asked.recent.lock().len(), MAX);
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
