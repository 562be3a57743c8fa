//! Several answers on one HTTP/2 connection whose window is the narrow place: what leaves first.

use std::{future::poll_fn, task::Poll};

use axum::http::HeaderMap;
use bytes::Bytes;
use h2::{RecvStream, client::SendRequest};
use hub::{Hub, Publisher};
use media::{Event, Kind, Sample, Track, codec::h264, id::Epoch};
use packager::Packager;

use super::*;

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
/// Of one segment, at least.
const SEGMENT_BYTES: usize = 2 << 20;
/// What a client may have before it says that it took something (RFC 9113 §6.9.2).
const WINDOW_BYTES: usize = 65_535;
/// What is inside the connection when something more urgent comes, of each other answer, may still
/// leave before it.
const INSIDE_BYTES: usize = H2_SEND_BUFFER_BYTES + TURN_BYTES;
/// What an answer hands over at a time.
const TURN_BYTES: usize = 32 * 1024;

/// A live called `a` with segments 0 to 4, served over HTTP/2; all but segment 1, which goes on where
/// the first part ended, hold an IDR.
struct House {
    _publisher: Publisher,
    _server: Started,
    client: SendRequest<Bytes>,
    folder: String,
}

impl House {
    async fn start() -> Self {
        let hub = Hub::new();
        let epoch = Epoch::from_random([1, 2, 3, 4, 5]);
        let folder = format!("/hls/a/{epoch}");
        let name: media::id::PlaybackName = "a".parse().expect("a name");
        let packager = Packager::new(packager::Config::default(), name.clone(), epoch);
        let channel =
            hub.open(name, packager, hub::Access::Everyone).expect("the first of its name");
        let mut publisher = channel.claim(1_700_000_000_000);
        publisher.push(&mut four_segments()).expect("media");
        let keys = delivery::Keys::derive(b"secret");
        let media = Arc::new(Delivery::new(hub, &delivery::Config::default(), keys));
        let site = Site::new(media, Router::new());
        let server = Started::serving(site, None, Config::default());
        let socket = TcpStream::connect(server.address).await.expect("connected");
        // Every answer may have all of what the connection may have.
        let mut client = h2::client::Builder::new();
        client.initial_window_size(16 << 20);
        let (client, connection) = client.handshake(socket).await.expect("HTTP/2");
        tokio::spawn(connection);
        Self { _publisher: publisher, _server: server, client, folder }
    }

    async fn get(&mut self, file: &str, priority: Option<&'static str>) -> Answer {
        let mut request = Request::get(format!("http://x{}/{file}", self.folder));
        if let Some(priority) = priority {
            request = request.header("priority", priority);
        }
        let request = request.body(()).expect("a request");
        let (answer, _) = self.client.send_request(request, true).expect("sent");
        let (head, body) = answer.await.expect("an answer").into_parts();
        assert_eq!(head.status, 200, "{file}");
        Answer { headers: head.headers, body, bytes: 0, ended: false }
    }
}

/// Pictures of 40 ms, an IDR of [`SEGMENT_BYTES`] every two seconds.
fn four_segments() -> Vec<Event> {
    let track =
        Track::h264(h264::Config::parse(Bytes::from_static(AVCC)).expect("a configuration"));
    let pictures = (0..=8_000).step_by(40).map(|at_ms: i64| {
        let is_sync = at_ms % 2_000 == 0;
        let len = if is_sync { SEGMENT_BYTES } else { 40 };
        let mut data = u32::try_from(len).expect("small").to_be_bytes().to_vec();
        data.push(if is_sync { 0x65 } else { 0x41 });
        data.resize(4 + len, 0xab);
        let sample = Sample {
            kind: Kind::Video,
            dts_ticks: at_ms * 90,
            cts_ticks: 0,
            is_sync,
            data: data.into(),
        };
        Event::Sample(sample)
    });
    std::iter::once(Event::TrackChanged(Arc::new(track))).chain(pictures).collect()
}

/// One answer, as far as it has come.
struct Answer {
    headers: HeaderMap,
    body: RecvStream,
    bytes: usize,
    ended: bool,
}

impl Answer {
    /// Takes what is there, and gives the server as much room as that was.
    fn poll_take(&mut self, cx: &mut std::task::Context<'_>) -> Poll<()> {
        if self.ended {
            return Poll::Pending;
        }
        self.body.poll_data(cx).map(|data| match data {
            Some(data) => {
                let len = data.expect("no error").len();
                self.bytes += len;
                self.body.flow_control().release_capacity(len).expect("taken");
            }
            None => self.ended = true,
        })
    }
}

/// Takes from all of `answers` until `enough`.
async fn take(answers: &mut [&mut Answer], enough: impl Fn(&[&mut Answer]) -> bool) {
    while !enough(answers) {
        poll_fn(|cx| {
            let ready = answers.iter_mut().any(|answer| answer.poll_take(cx).is_ready());
            if ready { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

#[tokio::test]
async fn a_playlist_overtakes_the_segments_of_its_connection() {
    let mut house = House::start().await;
    let mut segments = Vec::new();
    for msn in [0, 2, 3, 4] {
        segments.push(house.get(&format!("{msn}.m4s"), None).await);
    }
    let mut all: Vec<_> = segments.iter_mut().collect();
    let bytes = |answers: &[&mut Answer]| answers.iter().map(|answer| answer.bytes).sum::<usize>();
    take(&mut all, |answers| bytes(answers) > SEGMENT_BYTES).await;
    let before = bytes(&all);
    let mut playlist = house.get("source.m3u8", None).await;
    all.push(&mut playlist);
    take(&mut all, |answers| answers.last().is_some_and(|playlist| playlist.ended)).await;
    let between = bytes(&all) - before;
    assert!(between < WINDOW_BYTES + 4 * INSIDE_BYTES, "{between}");
}

#[tokio::test]
async fn a_segment_overtakes_one_that_its_client_fetches_ahead() {
    let mut house = House::start().await;
    let mut ahead = house.get("3.m4s", Some("u=6")).await;
    take(&mut [&mut ahead], |answers| answers[0].bytes > SEGMENT_BYTES / 4).await;
    let before = ahead.bytes;
    let mut now = house.get("2.m4s", Some("u=2, i")).await;
    take(&mut [&mut ahead, &mut now], |answers| answers[1].ended).await;
    assert!(now.bytes > SEGMENT_BYTES);
    let between = ahead.bytes - before;
    assert!(between < WINDOW_BYTES + INSIDE_BYTES, "{between}");
    take(&mut [&mut ahead], |answers| answers[0].ended).await;
    assert!(ahead.bytes > SEGMENT_BYTES, "it comes in the end");
}

#[tokio::test]
async fn answers_say_how_urgent_they_are() {
    let mut house = House::start().await;
    for (file, urgency) in [("source.m3u8", "u=1"), ("init-0.mp4", "u=2"), ("0.m4s", "u=3")] {
        let answer = house.get(file, None).await;
        assert_eq!(answer.headers["priority"], urgency, "{file}");
    }
}
