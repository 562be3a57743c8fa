use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::body::Body;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderMap, StatusCode, header};
use http_body_util::BodyExt;
use hub::Publisher;
use media::{
    Event, Kind, Sample, Track,
    codec::{aac, h264, opus},
    id::{Epoch, PlaybackName},
};
use packager::Packager;
use proptest::prelude::*;
use tokio::{task::yield_now, time::Instant};

use super::*;

mod low_latency;
mod tickets;
mod viewers;

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];

fn tracks() -> Vec<Event> {
    let video = h264::Config::parse(Bytes::from_static(AVCC)).unwrap();
    let audio = aac::Config::parse(Bytes::from_static(&[0x11, 0x90])).unwrap();
    [Track::h264(video), Track::aac(audio)].map(|t| Event::TrackChanged(Arc::new(t))).to_vec()
}

/// Milliseconds `range` of 25 pictures a second, an IDR every two seconds, and AAC at 48 kHz.
fn media(range: std::ops::Range<i64>) -> Vec<Event> {
    let audio = (0..)
        .map(|n| (n * 1024 * 1000 / 48_000, n))
        .skip_while(|(at_ms, _)| *at_ms < range.start)
        .take_while(|(at_ms, _)| *at_ms < range.end)
        .map(|(at_ms, n)| (at_ms, sample(Kind::Audio, n * 1024, true, n)));
    let video = range
        .clone()
        .filter(|at_ms| at_ms % 40 == 0)
        .map(|at_ms| (at_ms, sample(Kind::Video, at_ms * 90, at_ms % 2_000 == 0, at_ms / 40)));
    let mut all: Vec<_> = audio.chain(video).collect();
    all.sort_by_key(|(at_ms, _)| *at_ms);
    all.into_iter().map(|(_, sample)| Event::Sample(sample)).collect()
}

fn sample(kind: Kind, dts_ticks: i64, is_sync: bool, n: i64) -> Sample {
    let nal = if is_sync { 0x65 } else { 0x41 };
    let data = match kind {
        Kind::Video => [&[0, 0, 0, 40, nal][..], &[n as u8; 39]].concat(),
        Kind::Audio => vec![n as u8; 30],
    };
    Sample { kind, dts_ticks, cts_ticks: 0, is_sync, data: data.into() }
}

/// A server with one live called `a`. Viewers are counted where a test says so alone: then every one
/// has a multivariant playlist of his own.
struct House {
    channel: Arc<Channel>,
    delivery: Arc<Delivery>,
}

impl House {
    fn new() -> Self {
        Self::with(Config { count_viewers: false, ..Config::default() })
    }

    fn with(config: Config) -> Self {
        Self::packaging(config, packager::Config::default())
    }

    fn packaging(config: Config, packager: packager::Config) -> Self {
        Self::build(config, packager, Access::Everyone)
    }

    fn build(config: Config, packager: packager::Config, access: Access) -> Self {
        let hub = Hub::new();
        let name: PlaybackName = "a".parse().unwrap();
        let epoch = Epoch::from_random([1, 2, 3, 4, 5]);
        let packager = Packager::new(packager, name.clone(), epoch);
        let channel = hub.open(name, packager, access).unwrap();
        let delivery = Arc::new(Delivery::new(hub, &config, Keys::derive(b"secret")));
        Self { delivery, channel }
    }

    /// One whose live has three segments, the first a fifth of a second long, and a fourth begun.
    fn with_media() -> (Self, Publisher) {
        let house = Self::new();
        let publisher = house.publish(4_500);
        (house, publisher)
    }

    fn publish(&self, len_ms: i64) -> Publisher {
        let mut publisher = self.channel.claim(1_700_000_000_000);
        publisher.push(&mut tracks()).unwrap();
        publisher.push(&mut media(0..len_ms)).unwrap();
        publisher
    }

    /// The path of a file of the live's epoch.
    fn path(&self, file: &str) -> String {
        format!("/hls/a/{}/{file}", self.channel.epoch())
    }

    fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)]) -> Asking {
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::empty()).unwrap();
        let delivery = self.delivery.clone();
        async move { delivery.answer(request).await }.boxed()
    }

    async fn get(&self, path: &str) -> Answer {
        self.get_with(path, &[]).await
    }

    async fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        Answer::read(self.ask(Method::GET, path, headers).await).await
    }
}

type Asking = futures_util::future::BoxFuture<'static, Response>;

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    /// How long the body was said to be before it came.
    len: Option<u64>,
    body: Bytes,
}

impl Answer {
    async fn read(response: Response) -> Self {
        let (head, body) = response.into_parts();
        let len = http_body::Body::size_hint(&body).exact();
        let body = body.collect().await.unwrap().to_bytes();
        assert_eq!(head.headers[header::ACCESS_CONTROL_ALLOW_ORIGIN], "*");
        assert!(head.headers.contains_key(header::ACCESS_CONTROL_EXPOSE_HEADERS));
        Self { status: head.status, headers: head.headers, len, body }
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/json");
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap();
        json["code"].as_str().unwrap().to_owned()
    }
}

/// The answer of one that waited: those who wait are told when the tests' one thread is free.
async fn told(asking: Asking, why: &str) -> Answer {
    yield_now().await;
    Answer::read(asking.now_or_never().expect(why)).await
}

/// Whether one still waits, after what happened.
async fn unmoved(asking: &mut Asking) -> bool {
    yield_now().await;
    asking.now_or_never().is_none()
}

#[tokio::test]
async fn a_player_finds_everything_the_playlists_name() {
    let (house, _publisher) = House::with_media();
    for (start, media_type) in [("/hls/a.m3u8", "video/mp4"), ("/hls/a-ts.m3u8", "video/mp2t")] {
        let multivariant = house.get(start).await;
        let multivariant = m3u8_rs::parse_master_playlist_res(&multivariant.body).unwrap();
        let media_path = format!("/hls/{}", multivariant.variants[0].uri);
        let media = house.get(&media_path).await;
        assert_eq!(media.status, StatusCode::OK, "{media_path}");
        let media = m3u8_rs::parse_media_playlist_res(&media.body).unwrap();
        assert_eq!(media.segments.len(), 3);
        for segment in media.segments {
            let init = segment.map.into_iter().map(|map| map.uri);
            for uri in init.chain([segment.uri]) {
                let found = house.get(&house.path(&uri)).await;
                assert_eq!(found.status, StatusCode::OK, "{uri}");
                assert_eq!(found.header("content-type"), media_type, "{uri}");
                assert_eq!(found.len, Some(found.body.len() as u64));
                assert!(!found.body.is_empty());
            }
        }
    }
}

#[tokio::test]
async fn a_playlist_is_kept_half_a_target_duration_and_a_segment_for_long() {
    let (house, _publisher) = House::with_media();
    for path in ["/hls/a.m3u8".to_owned(), house.path("source.m3u8")] {
        let playlist = house.get(&path).await;
        assert_eq!(playlist.header("cache-control"), "public, max-age=1");
        assert_eq!(playlist.header("content-type"), "application/vnd.apple.mpegurl");
        assert_eq!(playlist.header("vary"), "Accept-Encoding");
        assert_eq!(playlist.len, Some(playlist.body.len() as u64));
    }
    let segment = house.get(&house.path("0.m4s")).await;
    assert_eq!(segment.header("cache-control"), "public, max-age=3600, immutable");
    assert_eq!(segment.header("accept-ranges"), "bytes");
}

#[tokio::test]
async fn gzip_gives_the_same_playlist_back() {
    let (house, _publisher) = House::with_media();
    let path = house.path("source-ts.m3u8");
    let plain = house.get(&path).await;
    let packed = house.get_with(&path, &[("accept-encoding", "br, gzip")]).await;
    assert_eq!(plain.header("content-encoding"), "");
    assert_eq!(packed.header("content-encoding"), "gzip");
    let mut unpacked = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..]).read_to_end(&mut unpacked).unwrap();
    assert_eq!(unpacked, plain.body);
    let refused = house.get_with(&path, &[("accept-encoding", "gzip;q=0")]).await;
    assert_eq!(refused.body, plain.body);
}

#[tokio::test]
async fn what_a_viewer_holds_already_is_not_sent_again() {
    let (house, mut publisher) = House::with_media();
    for path in ["/hls/a.m3u8".to_owned(), house.path("source.m3u8"), house.path("1.ts")] {
        let first = house.get(&path).await;
        let again = [("if-none-match", first.header("etag"))];
        let second = house.get_with(&path, &again).await;
        assert_eq!(second.status, StatusCode::NOT_MODIFIED, "{path}");
        assert!(second.body.is_empty());
        assert_eq!(second.header("etag"), first.header("etag"));
    }
    let path = house.path("source.m3u8");
    let first = house.get(&path).await;
    publisher.push(&mut media(4_500..6_100)).unwrap();
    let again = [("if-none-match", first.header("etag"))];
    assert_eq!(house.get_with(&path, &again).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_query_that_is_not_for_us_changes_nothing() {
    let (house, _publisher) = House::with_media();
    for (file, query) in [("source.m3u8", "x=1&token"), ("source-ts.m3u8", "_HLS_msn=nonsense")] {
        let path = house.path(file);
        let plain = house.get(&path).await;
        assert_eq!(house.get(&format!("{path}?{query}")).await.body, plain.body);
    }
}

#[tokio::test]
async fn head_tells_the_length_and_sends_nothing() {
    let (house, _publisher) = House::with_media();
    for path in ["/hls/a.m3u8", &house.path("0.m4s"), &house.path("0.ts"), "/hls/unknown.m3u8"] {
        let get = house.get(path).await;
        let range = [("range", "bytes=0-9")];
        let head = Answer::read(house.ask(Method::HEAD, path, &range).await).await;
        assert_eq!(head.status, get.status);
        assert_eq!(head.header("content-length"), get.body.len().to_string(), "{path}");
        assert_eq!(head.header("content-type"), get.header("content-type"));
        assert!(head.body.is_empty());
    }
}

#[tokio::test]
async fn a_browser_may_ask_from_any_page() {
    let house = House::new();
    let asked = [("origin", "https://example.org"), ("access-control-request-headers", "range")];
    let answer = Answer::read(house.ask(Method::OPTIONS, "/hls/a.m3u8", &asked).await).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert!(answer.header("access-control-allow-headers").contains("Range"));
    assert!(answer.header("access-control-allow-methods").contains("HEAD"));
    for exposed in ["Content-Length", "Content-Range", "Date", "Age"] {
        assert!(answer.header("access-control-expose-headers").contains(exposed));
    }
}

/// [`Answer::read`] checks CORS on each.
#[tokio::test]
async fn every_failure_has_its_reason() {
    let (house, _publisher) = House::with_media();
    for (path, code) in [
        ("/hls/".to_owned(), "not_found"),
        ("/hls/a".to_owned(), "not_found"),
        ("/hls/a/../secret".to_owned(), "not_found"),
        ("/hls/%ff%00.m3u8".to_owned(), "not_found"),
        (format!("/hls/{}.m3u8", "a".repeat(5_000)), "not_found"),
        ("/hls/nobody.m3u8".to_owned(), "unknown_live"),
        ("/hls/nobody/x/0.ts".to_owned(), "unknown_live"),
        ("/hls/a/otherepo/source.m3u8".to_owned(), "wrong_epoch"),
        ("/hls/a/otherepo/0.m4s".to_owned(), "wrong_epoch"),
        (house.path("3.m4s"), "unknown_segment"),
        (house.path("3.7.m4s"), "unknown_segment"),
        (house.path("1.99.m4s"), "unknown_segment"),
        (house.path("99999999999.ts"), "unknown_segment"),
        (house.path("init-4000.mp4"), "unknown_segment"),
        (house.path("other.m3u8"), "not_found"),
    ] {
        let answer = house.get(&path).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::NOT_FOUND, code),
            "{path}"
        );
        assert_eq!(answer.header("cache-control"), "public, max-age=1");
    }
    let post = Answer::read(house.ask(Method::POST, "/hls/a.m3u8", &[]).await).await;
    assert_eq!(post.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(post.code(), "method_not_allowed");
    assert_eq!(post.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_live_of_a_codec_unknown_to_mpeg_ts_is_offered_without_it() {
    let house = House::new();
    let mut publisher = house.channel.claim(1_700_000_000_000);
    let opus = Event::TrackChanged(Arc::new(Track::opus(opus::Config::stereo())));
    publisher.push(&mut vec![tracks().remove(0), opus]).unwrap();
    publisher.push(&mut media(0..4_500)).unwrap();
    for path in ["/hls/a-ts.m3u8".into(), house.path("source-ts.m3u8"), house.path("0.ts")] {
        let answer = house.get(&path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.code(), "not_in_mpegts", "{path}");
    }
    for path in ["/hls/a.m3u8".into(), house.path("source.m3u8"), house.path("0.m4s")] {
        assert_eq!(house.get(&path).await.status, StatusCode::OK, "{path}");
    }
}

#[tokio::test]
async fn a_range_beyond_the_end_is_refused_with_the_length() {
    let (house, _publisher) = House::with_media();
    let path = house.path("0.m4s");
    let len = house.get(&path).await.body.len();
    let answer = house.get_with(&path, &[("range", &format!("bytes={len}-"))]).await;
    assert_eq!(answer.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(answer.header("content-range"), format!("bytes */{len}"));
    assert_eq!(answer.code(), "range_not_satisfiable");
}

#[tokio::test]
async fn a_range_of_another_version_is_answered_with_the_whole() {
    let (house, _publisher) = House::with_media();
    let path = house.path("0.ts");
    let whole = house.get(&path).await;
    let same = [("range", "bytes=0-9"), ("if-range", whole.header("etag"))];
    assert_eq!(house.get_with(&path, &same).await.body, whole.body[..10]);
    let other = [("range", "bytes=0-9"), ("if-range", "\"other\"")];
    assert_eq!(house.get_with(&path, &other).await.body, whole.body);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_range_is_a_slice_of_the_whole(first in 0_usize..40_000, len in 1_usize..40_000, ts: bool) {
        static HOUSE: std::sync::LazyLock<(House, Publisher)> =
            std::sync::LazyLock::new(House::with_media);
        let (house, _) = &*HOUSE;
        let path = house.path(if ts { "1.ts" } else { "1.m4s" });
        let get = |headers| house.get_with(&path, headers).now_or_never().unwrap();
        let whole = get(&[]).body;
        prop_assert!(whole.len() > 3_000);
        let first = first % whole.len();
        let last = first + len - 1;
        let part = get(&[("range", &format!("bytes={first}-{last}"))]);
        let end = whole.len().min(last + 1);
        prop_assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        prop_assert_eq!(&part.body, &whole.slice(first..end));
        let said = format!("bytes {first}-{}/{}", end - 1, whole.len());
        prop_assert_eq!(part.header("content-range"), said);
        prop_assert_eq!(part.len, Some((end - first) as u64));
    }
}

#[tokio::test]
async fn an_unknown_name_is_answered_at_once_and_leaves_nothing() {
    let house = House::new();
    for n in 0..1000 {
        let answer = house.get(&format!("/hls/b{n}.m3u8")).now_or_never().unwrap();
        assert_eq!(answer.code(), "unknown_live");
    }
    assert_eq!(house.channel.watchers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_before_the_first_segment_gets_it_when_it_is_there() {
    let house = House::new();
    let mut asking = house.ask(Method::GET, "/hls/a.m3u8", &[]);
    assert!((&mut asking).now_or_never().is_none(), "nobody publishes yet");
    let mut publisher = house.publish(150);
    assert!(unmoved(&mut asking).await, "no segment is complete yet");
    publisher.push(&mut media(150..170)).unwrap();
    let answer = told(asking, "the segment is there").await;
    assert!(answer.text().starts_with("#EXTM3U"));
    assert_eq!(house.channel.watchers(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_request_before_the_first_segment_is_told_when_to_come_back() {
    let house = House::new();
    let asked_at = Instant::now();
    let answer = house.get("/hls/a.m3u8").await;
    assert_eq!(asked_at.elapsed().as_secs(), 8);
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "not_started"));
    assert_eq!(answer.header("retry-after"), "2");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_live_that_ends_are_told_at_once() {
    let house = House::new();
    let mut asking = house.ask(Method::GET, "/hls/a-ts.m3u8", &[]);
    assert!((&mut asking).now_or_never().is_none());
    house.channel.end();
    let answer = told(asking, "woken by the end").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "ended"));
    let late = house.get("/hls/a.m3u8").now_or_never().expect("nothing to wait for");
    assert_eq!(late.code(), "ended");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_live_that_goes_on_after_a_restart_are_told_to_ask_again() {
    let (house, _publisher) = House::with_media();
    let reload = house.path("source.m3u8?_HLS_msn=4");
    let mut asking = house.ask(Method::GET, &reload, &[]);
    assert!((&mut asking).now_or_never().is_none());
    house.channel.suspend();
    let answer = told(asking, "woken").await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    let late = house.get(&reload).now_or_never().expect("nothing to wait for");
    assert_eq!(late.status, StatusCode::SERVICE_UNAVAILABLE);
    let plain = house.get(&house.path("source.m3u8")).await;
    assert!(plain.status == StatusCode::OK && !plain.text().contains("#EXT-X-ENDLIST"));
}

#[tokio::test]
async fn an_ended_live_is_served_to_its_end() {
    let (house, _publisher) = House::with_media();
    house.channel.end();
    let playlist = house.get(&house.path("source.m3u8")).await;
    assert!(playlist.text().ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(house.get(&house.path("3.m4s")).await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn no_more_wait_than_there_are_places() {
    for config in [
        Config { max_waiting: 2, max_waiting_per_live: 2, ..Config::default() },
        Config { max_waiting: 20, max_waiting_per_live: 2, ..Config::default() },
    ] {
        let house = House::with(config);
        let mut waiting = [(); 2].map(|()| house.ask(Method::GET, "/hls/a.m3u8", &[]));
        assert!(waiting.iter_mut().all(|asking| asking.now_or_never().is_none()));
        let refused = house.get("/hls/a.m3u8").now_or_never().unwrap();
        assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!((refused.code().as_str(), refused.header("retry-after")), ("busy", "5"));
        assert_eq!(refused.header("cache-control"), "no-store");
        let [gone, _stays] = waiting;
        drop(gone);
        assert!(house.ask(Method::GET, "/hls/a.m3u8", &[]).now_or_never().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn one_address_does_not_take_all_places() {
    let house = House::with(Config { max_waiting_per_address: 2, ..Config::default() });
    let ask = |address: &str| {
        let peer = SocketAddr::new(address.parse().unwrap(), 4711);
        let request = http::Request::get("/hls/a.m3u8").extension(ConnectInfo(peer));
        let request = request.body(Body::empty()).unwrap();
        let delivery = house.delivery.clone();
        async move { delivery.answer(request).await }.boxed()
    };
    let refused = |address| ask(address).now_or_never().map(|answer| answer.status());
    for [first, second, other] in [
        ["192.0.2.1", "::ffff:192.0.2.1", "192.0.2.2"],
        ["2001:db8::1", "2001:db8::ffff:1:2:3", "2001:db8:0:1::1"],
    ] {
        let mut waiting = [ask(first), ask(second)];
        assert!(waiting.iter_mut().all(|asking| asking.now_or_never().is_none()));
        assert_eq!(refused(first), Some(StatusCode::SERVICE_UNAVAILABLE));
        assert_eq!(refused(other), None);
        drop(waiting);
        assert_eq!(refused(first), None, "a place is given back");
    }
    let mut unknown = [(); 3].map(|()| house.ask(Method::GET, "/hls/a.m3u8", &[]));
    assert!(unknown.iter_mut().all(|asking| asking.now_or_never().is_none()));
    drop(unknown);
    assert_eq!(house.channel.watchers(), 0);
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_requests_are_each_woken_once() {
    const VIEWERS: usize = 10_000;
    let house = House::new();
    let mut publisher = house.publish(100);
    let polls = Arc::new(AtomicUsize::new(0));
    let viewers: Vec<_> = (0..VIEWERS)
        .map(|_| {
            let mut asking = house.ask(Method::GET, "/hls/a.m3u8", &[]);
            let polls = Arc::clone(&polls);
            tokio::spawn(std::future::poll_fn(move |context| {
                polls.fetch_add(1, Ordering::Relaxed);
                asking.poll_unpin(context)
            }))
        })
        .collect();
    while house.channel.watchers() < VIEWERS {
        tokio::task::yield_now().await;
    }
    for at_ms in (100..200).step_by(10) {
        publisher.push(&mut media(at_ms..at_ms + 10)).unwrap();
        tokio::task::yield_now().await;
    }
    publisher.push(&mut media(200..210)).unwrap();
    for viewer in viewers {
        assert_eq!(viewer.await.unwrap().status(), StatusCode::OK);
    }
    assert_eq!(polls.load(Ordering::Relaxed), 2 * VIEWERS, "one to ask, one to be answered");
}

#[test]
fn every_answer_is_counted() {
    let recorder = Counts::default();
    metrics::with_local_recorder(&recorder, || {
        let (house, _publisher) = House::with_media();
        let sent = house.get("/hls/a.m3u8").now_or_never().unwrap().body.len();
        house.get("/hls/nobody.m3u8").now_or_never().unwrap();
        house.get("/hls/a").now_or_never().unwrap();
        for (key, count) in [
            ("delivery_requests_total multivariant 200", 1),
            ("delivery_requests_total multivariant 404", 1),
            ("delivery_requests_total other 404", 1),
            ("delivery_requests_total segment 200", 0),
            ("delivery_sent_bytes_total multivariant", sent),
        ] {
            assert_eq!(recorder.count(key), count, "{key}");
        }
    });
}

/// Remembers counters, as text.
#[derive(Default)]
struct Counts(
    std::sync::Mutex<std::collections::HashMap<String, Arc<std::sync::atomic::AtomicU64>>>,
);

impl Counts {
    fn count(&self, key: &str) -> usize {
        self.0.lock().unwrap()[key].load(Ordering::Relaxed) as usize
    }
}

impl metrics::Recorder for Counts {
    fn describe_counter(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_gauge(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }
    fn describe_histogram(
        &self,
        _: metrics::KeyName,
        _: Option<metrics::Unit>,
        _: metrics::SharedString,
    ) {
    }

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        let labels = key.labels().map(|label| format!(" {}", label.value()));
        let key = labels.fold(key.name().to_owned(), |key, label| key + &label);
        metrics::Counter::from_arc(Arc::clone(self.0.lock().unwrap().entry(key).or_default()))
    }

    fn register_gauge(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        _: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[tokio::test]
async fn what_a_live_is_not_offered_as_is_not_there() {
    let (house, _publisher) = House::with_media();
    for file in ["video.m3u8", "audio-2.m3u8", "video-3.m4s", "audio-2-3.m4s", "video-init-0.mp4"] {
        let answer = house.get(&house.path(file)).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "not_found"));
    }
    assert_eq!(house.get(&house.path("2.m4s")).await.status, StatusCode::OK);
}
