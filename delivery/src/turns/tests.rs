use std::{
    convert::Infallible,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    task::Wake,
};

use http_body_util::Full;
use tokio::time::advance;

use super::*;

const PLAYLIST: u8 = 1;
const SEGMENT: u8 = 3;

/// Counts how often it is woken.
#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

type Answer = Paced<Full<Bytes>>;

fn answer(turns: &Turns, urgency: u8, turns_left: usize) -> Answer {
    let bytes = Bytes::from(vec![urgency; turns_left * TURN_BYTES]);
    Paced::new(Full::new(bytes), turns.turn(Urgency::new(urgency)))
}

fn poll_with(answer: &mut Answer, waker: &Waker) -> Poll<usize> {
    let frame = Pin::new(answer).poll_frame(&mut Context::from_waker(waker));
    frame.map(|frame: Option<Result<_, Infallible>>| {
        frame.map_or(0, |frame| frame.unwrap().into_data().unwrap().len())
    })
}

fn poll(answer: &mut Answer) -> Poll<usize> {
    poll_with(answer, Waker::noop())
}

#[tokio::test(start_paused = true)]
async fn a_body_leaves_in_turns_and_is_not_copied() {
    let bytes = Bytes::from(vec![0; TURN_BYTES + 1]);
    let turn = Turns::default().turn(Urgency::new(SEGMENT));
    let mut body = Paced::new(Full::new(bytes.clone()), turn);
    for (start, len) in [(0, TURN_BYTES), (TURN_BYTES, 1)] {
        assert_eq!(body.size_hint().exact(), Some((bytes.len() - start) as u64));
        assert!(!body.is_end_stream());
        let frame = Pin::new(&mut body).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("{frame:?}") };
        let data = frame.into_data().unwrap();
        assert_eq!((data.as_ptr(), data.len()), (bytes[start..].as_ptr(), len));
    }
    assert!(body.is_end_stream());
}

#[tokio::test(start_paused = true)]
async fn a_less_urgent_body_waits_for_a_more_urgent_one_and_is_woken_by_its_end() {
    let turns = Turns::default();
    let (mut segment, mut playlist) = (answer(&turns, SEGMENT, 3), answer(&turns, PLAYLIST, 2));
    assert_eq!(poll(&mut segment), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert_eq!(poll_with(&mut segment, &waker), Poll::Pending);
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    assert_eq!(poll_with(&mut segment, &waker), Poll::Pending, "the last frame is on its way");
    assert_eq!(woken.0.load(Relaxed), 0);
    drop(playlist);
    assert_eq!(woken.0.load(Relaxed), 1);
    assert_eq!(poll_with(&mut segment, &waker), Poll::Ready(TURN_BYTES));
}

#[tokio::test(start_paused = true)]
async fn equally_urgent_bodies_take_turns() {
    let turns = Turns::default();
    let (mut one, mut other) = (answer(&turns, SEGMENT, 2), answer(&turns, SEGMENT, 2));
    for _ in 0..2 {
        assert_eq!(poll(&mut one), Poll::Ready(TURN_BYTES));
        assert_eq!(poll(&mut other), Poll::Ready(TURN_BYTES));
    }
}

#[tokio::test(start_paused = true)]
async fn connections_do_not_wait_for_each_other() {
    let mut playlist = answer(&Turns::default(), PLAYLIST, 2);
    let mut segment = answer(&Turns::default(), SEGMENT, 2);
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut segment), Poll::Ready(TURN_BYTES));
}

#[tokio::test(start_paused = true)]
async fn a_body_whose_client_does_not_read_it_holds_nobody_back_for_long() {
    let turns = Turns::default();
    let (mut segment, mut playlist) = (answer(&turns, SEGMENT, 3), answer(&turns, PLAYLIST, 2));
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut segment), Poll::Pending);
    let started = Instant::now();
    let frame = std::future::poll_fn(|cx| Pin::new(&mut segment).poll_frame(cx)).await;
    assert!(frame.is_some());
    assert_eq!(started.elapsed(), PATIENCE);
    assert_eq!(poll(&mut segment), Poll::Ready(TURN_BYTES), "it does not wait again");
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut segment), Poll::Pending, "the other one moves again");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_waits_itself_still_comes_before_less_urgent_ones() {
    let turns = Turns::default();
    let [mut playlist, mut segment, mut ahead] =
        [PLAYLIST, SEGMENT, 6].map(|urgency| answer(&turns, urgency, 4));
    assert_eq!(poll(&mut segment), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    assert_eq!(poll(&mut segment), Poll::Pending);
    advance(PATIENCE / 2).await;
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    advance(PATIENCE / 2).await;
    drop(playlist);
    assert_eq!(poll(&mut ahead), Poll::Pending);
    assert_eq!(poll(&mut segment), Poll::Ready(TURN_BYTES));
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_a_body_and_one_that_was_dropped_leave_nothing_behind() {
    let turns = Turns::default();
    drop(answer(&turns, PLAYLIST, 1));
    let mut playlist = answer(&turns, PLAYLIST, 2);
    assert_eq!(poll(&mut playlist), Poll::Ready(TURN_BYTES));
    drop(playlist);
    assert!(turns.lock().under_way.is_empty());
}
