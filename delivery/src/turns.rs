//! Who sends first when several answers share one HTTP/2 connection.
//!
//! Here: bodies cut into frames, and a less urgent one waiting for a more urgent one. Not here: how
//! urgent something is (`priority`), frames on the wire and flow control (hyper): what was handed
//! over leaves in turn, whatever its urgency, so little is handed over at a time.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::priority::Urgency;

/// How much a body hands over in one turn: two DATA frames of the size that players leave it at
/// (RFC 9113 §4.2). One costs a fifth more CPU time over TLS, four let twice as much leave first.
const TURN_BYTES: usize = 32 * 1024;
/// For how long a body that does not move holds back less urgent ones. A slow link moves a frame
/// well within this; a client that reads its answers one after the other, the least urgent first,
/// would otherwise wait for ever.
const PATIENCE: Duration = Duration::from_secs(1);

/// The answers under way on one HTTP/2 connection.
///
/// The listener puts one into the extensions of every request of such a connection. There are as
/// many answers as it allows requests at once. Without it, as for HTTP/1.1, bodies leave whole.
#[derive(Debug, Clone, Default)]
pub struct Turns(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    next_id: u64,
    under_way: Vec<UnderWay>,
}

/// An answer that has something to send.
#[derive(Debug)]
struct UnderWay {
    id: u64,
    urgency: Urgency,
    /// When it last handed something over.
    moved: Instant,
    /// Set while it waits for a more urgent one.
    waiting: Option<Waker>,
}

impl Turns {
    /// The place of one answer; it takes part once it has something to send.
    pub(crate) fn turn(&self, urgency: Urgency) -> Turn {
        Turn { turns: self.clone(), urgency, id: None, stalled: None }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Until when somebody with this urgency waits, unless others move meanwhile.
    fn held_back_until(&self, urgency: Urgency, now: Instant) -> Option<Instant> {
        self.under_way
            .iter()
            .filter(|other| other.urgency < urgency)
            // One that waits itself will move once it may.
            .map(|other| if other.waiting.is_some() { now } else { other.moved })
            .map(|moved| moved + PATIENCE)
            .filter(|until| *until > now)
            .max()
    }

    fn enter(&mut self, urgency: Urgency, now: Instant) -> u64 {
        let id = self.next_id;
        self.next_id += 1;
        self.under_way.push(UnderWay { id, urgency, moved: now, waiting: None });
        id
    }

    fn of(&mut self, id: u64) -> Option<&mut UnderWay> {
        self.under_way.iter_mut().find(|one| one.id == id)
    }
}

/// One answer among those of its connection.
#[derive(Debug)]
pub(crate) struct Turn {
    turns: Turns,
    urgency: Urgency,
    /// Set from the first thing to send to the end, or to a pause.
    id: Option<u64>,
    /// Runs out when those it waits for do not move.
    stalled: Option<Pin<Box<Sleep>>>,
}

impl Turn {
    /// Waits until nothing more urgent is on its way.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            let Some(until) = self.held_back_until(cx) else { return Poll::Ready(()) };
            let stalled = self.stalled.get_or_insert_with(|| Box::pin(sleep_until(until)));
            if stalled.deadline() != until {
                stalled.as_mut().reset(until);
            }
            ready!(stalled.as_mut().poll(cx));
        }
    }

    fn held_back_until(&mut self, cx: &Context<'_>) -> Option<Instant> {
        let now = Instant::now();
        let mut state = self.turns.lock();
        let urgency = self.urgency;
        let id = *self.id.get_or_insert_with(|| state.enter(urgency, now));
        let until = state.held_back_until(urgency, now);
        if let Some(own) = state.of(id) {
            match until {
                Some(_) => own.waiting = Some(cx.waker().clone()),
                None => (own.waiting, own.moved) = (None, now),
            }
        }
        until
    }

    /// Nothing to send, for now or any more: those it held back go on.
    fn leave(&mut self) {
        let Some(id) = self.id.take() else { return };
        let mut state = self.turns.lock();
        state.under_way.retain(|one| one.id != id);
        for other in state.under_way.iter().filter(|other| other.urgency > self.urgency) {
            other.waiting.as_ref().inspect(|waker| waker.wake_by_ref());
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.leave();
    }
}

/// A body that hands over [`TURN_BYTES`] a turn. Its bytes are not copied.
#[derive(Debug)]
pub(crate) struct Paced<B> {
    body: B,
    /// Taken from `body` and not yet handed over.
    rest: Bytes,
    turn: Turn,
}

impl<B> Paced<B> {
    pub(crate) fn new(body: B, turn: Turn) -> Self {
        Self { body, rest: Bytes::new(), turn }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Paced<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        if self.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(cx) else {
                self.turn.leave();
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => self.rest = data,
                Some(Ok(Err(trailers))) => return Poll::Ready(Some(Ok(trailers))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        ready!(self.turn.poll(cx));
        let len = self.rest.len().min(TURN_BYTES);
        Poll::Ready(Some(Ok(Frame::data(self.rest.split_to(len)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (inner, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut hint = SizeHint::new();
        hint.set_lower(inner.lower().saturating_add(rest));
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint
    }
}

#[cfg(test)]
mod tests;
