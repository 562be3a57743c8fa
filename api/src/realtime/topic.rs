//! What is told to many at once.
//!
//! Here: events gathered into frames, each written down once, and a bounded window of frames from
//! which every listener reads at its own pace. Not here: what the events are (`events`), who listens.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::broadcast;

use super::events::Event;

/// Frames that a listener may be behind before it is let go. Its socket has taken hundreds of
/// kilobytes by then.
pub const WINDOW: usize = 128;
/// Shortest time between two frames of one topic. What comes after a rest leaves at once.
const PACE_MIN: Duration = Duration::from_millis(20);
/// Longest: an eye takes it for at once.
const PACE_MAX: Duration = Duration::from_millis(200);
/// How much of that time each listener adds. A frame costs some 10 µs of a processor for each of them:
/// so a crowd takes less than half of one, however much is said.
const PACE_PER_LISTENER: Duration = Duration::from_micros(25);

/// Several events: a JSON array. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Frame {
    /// The array.
    pub text: Utf8Bytes,
    /// The id of the last message of a chat in it, if there is one.
    pub last_message: Option<i64>,
    /// Whether it holds nothing else than such messages.
    pub is_messages_alone: bool,
}

/// One thing that is listened to.
#[derive(Debug)]
pub struct Topic {
    frames: broadcast::Sender<Frame>,
    waiting: Mutex<Waiting>,
}

/// What the next frame will hold.
#[derive(Debug, Default)]
struct Waiting {
    text: String,
    last_message: Option<i64>,
    holds_more: bool,
    /// Somebody sees to it that it leaves.
    is_attended: bool,
}

impl Frame {
    /// A frame of these events.
    pub fn of<'a>(events: impl IntoIterator<Item = &'a Event<'a>>) -> Option<Self> {
        let mut waiting = Waiting::default();
        events.into_iter().for_each(|event| waiting.add(event));
        waiting.take()
    }
}

impl Topic {
    /// Nobody listens yet.
    pub fn new() -> Self {
        Self { frames: broadcast::Sender::new(WINDOW), waiting: Mutex::default() }
    }

    /// Everything from now on.
    pub fn listen(&self) -> broadcast::Receiver<Frame> {
        self.frames.subscribe()
    }

    /// How many listen.
    pub fn listeners(&self) -> usize {
        self.frames.receiver_count()
    }

    /// Tells all who listen, soon. In the order of the calls.
    pub fn publish(self: &Arc<Self>, event: &Event<'_>) {
        if self.listeners() == 0 {
            return;
        }
        let mut waiting = self.lock();
        waiting.add(event);
        if !waiting.is_attended {
            waiting.is_attended = true;
            tokio::spawn(Arc::clone(self).attend());
        }
    }

    /// Sends what waits, and what comes meanwhile, until nothing does.
    async fn attend(self: Arc<Self>) {
        while let Some(frame) = self.next_frame() {
            // Nobody may listen any more.
            let _ = self.frames.send(frame);
            tokio::time::sleep(pace(self.listeners())).await;
        }
    }

    fn next_frame(&self) -> Option<Frame> {
        let mut waiting = self.lock();
        let frame = waiting.take();
        waiting.is_attended = frame.is_some();
        frame
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn add(&mut self, event: &Event<'_>) {
        // Shapes of ours always have a text.
        let Ok(text) = serde_json::to_string(event) else { return };
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        self.text.push_str(&text);
        self.last_message = event.message_id().max(self.last_message);
        self.holds_more |= event.message_id().is_none();
    }

    fn take(&mut self) -> Option<Frame> {
        if self.text.is_empty() {
            return None;
        }
        self.text.push(']');
        let text = std::mem::take(&mut self.text).into();
        let is_messages_alone = !std::mem::take(&mut self.holds_more);
        Some(Frame { text, last_message: self.last_message.take(), is_messages_alone })
    }
}

fn pace(listeners: usize) -> Duration {
    let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
    PACE_PER_LISTENER.saturating_mul(listeners).clamp(PACE_MIN, PACE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_first_event_leaves_at_once_and_those_that_follow_share_a_frame() {
        let topic = Arc::new(Topic::new());
        let mut listener = topic.listen();
        let started = std::time::Instant::now();
        for id in 1..=3 {
            topic.publish(&Event::Deleted { live_id: 7, id });
            if id == 1 {
                let frame = listener.recv().await.unwrap();
                assert_eq!(&*frame.text, r#"[{"type":"chat.deleted","live_id":7,"id":1}]"#);
            }
        }
        let frame = listener.recv().await.unwrap();
        assert_eq!(
            &*frame.text,
            r#"[{"type":"chat.deleted","live_id":7,"id":2},{"type":"chat.deleted","live_id":7,"id":3}]"#
        );
        assert!(started.elapsed() >= PACE_MIN);
    }

    #[tokio::test]
    async fn what_nobody_listens_to_is_not_kept() {
        let topic = Arc::new(Topic::new());
        topic.publish(&Event::Deleted { live_id: 7, id: 1 });
        assert!(topic.lock().text.is_empty());
    }

    #[test]
    fn a_crowd_is_told_less_often_and_still_five_times_a_second() {
        assert_eq!(pace(10), PACE_MIN);
        assert_eq!(pace(2_000), Duration::from_millis(50));
        assert_eq!(pace(1_000_000), PACE_MAX);
    }
}
