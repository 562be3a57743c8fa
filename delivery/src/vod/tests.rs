use std::{fs, ops::Range, sync::Mutex};

use bytes::Bytes;
use http::{Request, StatusCode, header, request::Builder};
use http_body_util::BodyExt as _;
use hub::{Channel, Hub, Publisher};
use media::{
    Event, Kind, Sample, Track,
    codec::h264,
    id::{Epoch, PlaybackName},
};
use packager::Packager;
use recorder::{Recorder, System};
use tempfile::TempDir;

use super::*;
use crate::{Config, Keys, Tickets};

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];
/// A picture, so that a segment of 50 of them is of several pieces.
const PICTURE_BYTES: usize = 20_000;

/// A server with one live called `a`, and its recording.
pub(crate) struct House {
    folder: TempDir,
    pub(crate) hub: Hub,
    pub(crate) channel: Arc<Channel>,
    pub(crate) recorder: Recorder,
    pub(crate) delivery: Delivery,
    publisher: Mutex<Publisher>,
}

impl House {
    pub(crate) fn new(access: Access) -> Self {
        Self::with(access, &Config { count_viewers: false, ..Config::default() })
    }

    pub(crate) fn with(access: Access, config: &Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::open(folder.path().to_owned()).unwrap();
        let of_recorder = recorder::Config { free_min_bytes: 0, ..Default::default() };
        let recorder = Recorder::start(library.clone(), of_recorder, Arc::new(System)).unwrap();
        let hub = Hub::new();
        let name: PlaybackName = "a".parse().unwrap();
        let epoch = Epoch::from_random([7; 5]);
        let packager = Packager::new(packager::Config::default(), name.clone(), epoch);
        let channel = hub.open(name, packager, access).unwrap();
        recorder.record(&channel);
        let mut publisher = channel.claim(1_700_000_000_000);
        let video = Track::h264(h264::Config::parse(Bytes::from_static(AVCC)).unwrap());
        publisher.push(&mut vec![Event::TrackChanged(Arc::new(video))]).unwrap();
        publisher.push(&mut pictures(0..150)).unwrap();
        let delivery = Delivery::new(hub.clone(), config, Keys::derive(b"secret"));
        let delivery = delivery.with_recordings(library);
        let publisher = Mutex::new(publisher);
        Self { folder, hub, channel, recorder, delivery, publisher }
    }

    /// Sends so many pictures more, no faster than the disk takes them.
    pub(crate) async fn go_on(&self, numbers: Range<i64>) {
        for from in numbers.clone().step_by(150) {
            let mut some = pictures(from..numbers.end.min(from + 150));
            self.publisher.lock().unwrap().push(&mut some).unwrap();
            let last = self.channel.state().last_msn.unwrap();
            while self.recorder.progress(self.channel.name()).unwrap().written <= last {
                tokio::task::yield_now().await;
            }
        }
    }

    /// The same server with other limits, told where requests come from.
    pub(crate) fn limit(
        &mut self,
        config: Config,
        client: impl Fn(&Parts) -> std::net::IpAddr + Send + Sync + 'static,
    ) {
        let delivery = Delivery::new(self.hub.clone(), &config, Keys::derive(b"secret"));
        let library = self.delivery.recordings.clone().unwrap();
        self.delivery = delivery.with_recordings(library).with_clients(client);
    }

    /// One whose live is over and gone.
    pub(crate) async fn over(access: Access) -> Self {
        let house = Self::new(access);
        house.channel.end();
        house.recorder.finished(house.channel.name()).await;
        house.hub.close(house.channel.name());
        house
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask(path, &[]).await
    }

    pub(crate) async fn ask(&self, path: &str, headers: &[(header::HeaderName, &str)]) -> Answer {
        self.send(Request::builder().uri(path), headers).await
    }

    pub(crate) async fn head(&self, path: &str) -> Answer {
        self.send(Request::head(path), &[]).await
    }

    async fn send(&self, mut request: Builder, headers: &[(header::HeaderName, &str)]) -> Answer {
        for (name, value) in headers {
            request = request.header(name, *value);
        }
        let response = self.delivery.answer(request.body(()).unwrap()).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.ok().map(|body| body.to_bytes());
        Answer { status: head.status, headers: head.headers, body }
    }

    /// Where a segment is, and its bytes while it was live.
    fn segment(&self, msn: u64) -> (String, Bytes) {
        let bytes = self.channel.segment(msn).unwrap().bytes(Rendition::Source).unwrap();
        (format!("/vod/a/{}/{msn}.m4s", self.channel.epoch()), bytes)
    }

    /// The path of the recording as a file of this name.
    pub(crate) fn download(&self, file: &str) -> String {
        let tickets = Tickets::new(&Config::default(), &Keys::derive(b"secret"));
        let address = [192, 0, 2, 1].into();
        tickets.download(self.channel.name(), file, address, now_s()).unwrap().0
    }

    /// Turns a bit of a segment on the disk, in its second piece.
    pub(crate) fn damage(&self, msn: u64) {
        let (_, bytes) = self.segment(msn);
        let volume = self.folder.path().join("a/00000.volume");
        let mut written = fs::read(&volume).unwrap();
        let at = written.windows(64).position(|it| it == &bytes[..64]).unwrap();
        written[at + 300_000] ^= 1;
        fs::write(&volume, written).unwrap();
    }

    pub(crate) fn ticket(&self) -> String {
        let tickets = Tickets::new(&Config::default(), &Keys::derive(b"secret"));
        let address = [192, 0, 2, 1].into();
        tickets.give(self.channel.name(), address, now_s()).to_string()
    }
}

pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    headers: HeaderMap,
    /// None when it broke off.
    pub(crate) body: Option<Bytes>,
}

impl Answer {
    pub(crate) fn header(&self, name: header::HeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone().unwrap().to_vec()).unwrap()
    }

    pub(crate) fn failed_as(&self, status: u16, code: &str) -> bool {
        self.status == status && self.text().contains(&format!("\"code\":\"{code}\""))
    }
}

fn pictures(numbers: Range<i64>) -> Vec<Event> {
    let picture = |n: i64| {
        let is_sync = n % 50 == 0;
        let nal = if is_sync { 0x65 } else { 0x41 };
        let len = u32::try_from(PICTURE_BYTES).unwrap().to_be_bytes();
        let mut data = [&len[..], &[nal]].concat();
        data.resize(4 + PICTURE_BYTES, n as u8);
        let (kind, dts_ticks, cts_ticks) = (Kind::Video, n * 3_600, 0);
        Event::Sample(Sample { kind, dts_ticks, cts_ticks, is_sync, data: data.into() })
    };
    numbers.map(picture).collect()
}

#[test]
fn every_url_of_a_recording_is_understood_and_no_other() {
    let ticket = format!("10{}", "ab".repeat(20));
    fn read(path: &str) -> Option<(bool, Thing<'_>)> {
        VodPath::parse(path).map(|it| (it.ticket.is_some(), it.thing))
    }
    assert_eq!(read("/vod/a/index.m3u8"), Some((false, Thing::Multivariant)));
    assert_eq!(read("/vod/a/source.m3u8"), Some((false, Thing::Media(Rendition::Source))));
    let segment = Thing::Segment("e9", Rendition::SOUND, 17);
    assert_eq!(read("/vod/a/e9/audio-17.m4s"), Some((false, segment)));
    let init = Thing::Init("e9", Rendition::Video, 3);
    let path = format!("/vod/a/{ticket}/e9/video-init-3.mp4");
    assert_eq!(read(&path), Some((true, init)));
    assert_eq!(read("/vod/a/e9/video-init-3.mp4"), Some((false, init)));
    for path in [
        "/vod/",
        "/vod/a",
        "/vod/a/",
        "/vod/a.m3u8",
        "/vod/A/index.m3u8",
        "/vod/../index.m3u8",
        "/vod/a/e9/17.4.m4s",
        "/vod/a/e9/source.m3u8",
        "/vod/a/e9/e9/0.m4s",
        "/vod/a/E9/0.m4s",
        "/vod/a/../0.m4s",
        &format!("/vod/a/{ticket}/index.m3u8"),
    ] {
        assert_eq!(read(path), None, "{path}");
    }
}

#[tokio::test]
async fn a_recording_is_served_whole_and_in_ranges() {
    let house = House::over(Access::Everyone).await;
    let (path, bytes) = house.segment(1);
    assert!(bytes.len() > 2 * 256 * 1024, "several pieces");
    let whole = house.get(&path).await;
    assert_eq!((whole.status, whole.body.as_ref()), (StatusCode::OK, Some(&bytes)));
    assert_eq!(whole.header(header::CONTENT_TYPE), "video/mp4");
    assert_eq!(whole.header(header::CONTENT_LENGTH), bytes.len().to_string());
    assert!(whole.header(header::CACHE_CONTROL).contains("immutable"));
    assert_eq!(whole.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    for range in [0..1, 262_143..262_145, 100..600_000, 262_144..524_288] {
        let asked = format!("bytes={}-{}", range.start, range.end - 1);
        let part = house.ask(&path, &[(header::RANGE, &asked)]).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(part.body, Some(bytes.slice(range.clone())), "{asked}");
        let said = format!("bytes {}-{}/{}", range.start, range.end - 1, bytes.len());
        assert_eq!(part.header(header::CONTENT_RANGE), said);
    }
    let beyond = format!("bytes={}-", bytes.len());
    assert_eq!(house.ask(&path, &[(header::RANGE, &beyond)]).await.status, 416);
    let etag = whole.header(header::ETAG).to_owned();
    let again = house.ask(&path, &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!((again.status, again.body), (StatusCode::NOT_MODIFIED, Some(Bytes::new())));
}

#[tokio::test]
async fn bodies_that_nobody_takes_leave_no_place_for_more_until_they_are_gone() {
    let house = House::over(Access::Everyone).await;
    let (path, bytes) = house.segment(1);
    let others = u32::try_from(BODIES_AT_ONCE).unwrap() - 1;
    let _others = house.delivery.bodies.try_acquire_many(others).unwrap();
    let last = house.delivery.answer(Request::get(&path).body(()).unwrap()).await.into_body();
    let refused = house.get(&path).await;
    assert!(refused.failed_as(503, "busy"));
    assert_eq!(refused.header(header::RETRY_AFTER), "5");
    // Where nothing is read no place is needed.
    let head = Request::head(&path).body(()).unwrap();
    let head = house.delivery.answer(head).await;
    assert_eq!(head.status(), StatusCode::OK);
    assert_eq!(head.headers()[header::CONTENT_LENGTH], bytes.len().to_string().as_str());
    let etag = [(header::IF_NONE_MATCH, caching::IMMUTABLE_ETAG)];
    assert_eq!(house.ask(&path, &etag).await.status, StatusCode::NOT_MODIFIED);
    drop(last);
    assert_eq!(house.get(&path).await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_address_of_a_live_lists_its_recording_once_the_live_is_gone() {
    let house = House::over(Access::Everyone).await;
    let vod = house.get("/vod/a/index.m3u8").await;
    let live = house.get("/hls/a.m3u8").await;
    assert_eq!(vod.header(header::CONTENT_TYPE), "application/vnd.apple.mpegurl");
    assert_eq!(live.text(), vod.text().replace("source.m3u8", "../vod/a/source.m3u8"));
    assert_ne!(live.header(header::ETAG), vod.header(header::ETAG));
    let media = house.get("/vod/a/source.m3u8").await.text();
    assert!(media.ends_with("#EXT-X-ENDLIST\n"), "{media}");
    // Media that players of the live still know is gone with it, and MPEG-TS was not recorded.
    let old = format!("/hls/a/{}/source.m3u8", house.channel.epoch());
    assert!(house.get(&old).await.failed_as(404, "unknown_live"));
    assert!(house.get("/hls/a-ts.m3u8").await.failed_as(404, "unknown_live"));
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json() {
    let house = House::new(Access::Everyone);
    assert!(house.get("/vod/a/index.m3u8").await.failed_as(404, "not_finished"));
    assert!(house.get("/vod/b/index.m3u8").await.failed_as(404, "unknown_recording"));
    let house = House::over(Access::Everyone).await;
    let epoch = house.channel.epoch();
    for file in ["99.m4s", "init-9.mp4", "audio-2-0.m4s", "0.ts"] {
        let answer = house.get(&format!("/vod/a/{epoch}/{file}")).await;
        assert!(answer.failed_as(404, "unknown_segment"), "{file}");
    }
    assert!(house.get("/vod/a/zz/0.m4s").await.failed_as(404, "unknown_segment"));
    assert!(house.get("/vod/a/audio.m3u8").await.failed_as(404, "not_found"), "it had none");
}

#[tokio::test]
async fn a_private_recording_is_for_those_with_a_ticket() {
    let house = House::over(Access::Ticket).await;
    let ticket = house.ticket();
    let (path, bytes) = house.segment(0);
    for bare in ["/vod/a/index.m3u8", "/vod/a/source.m3u8", "/hls/a.m3u8", &path] {
        let refused = house.get(bare).await;
        assert!(refused.failed_as(403, "no_ticket"), "{bare}");
        assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
    }
    let own = house.get(&format!("/vod/a/index.m3u8?ticket={ticket}")).await;
    assert!(own.text().contains(&format!("\n{ticket}/source.m3u8\n")), "{}", own.text());
    assert_eq!(own.header(header::CACHE_CONTROL), "private, no-store");
    let live = house.get(&format!("/hls/a.m3u8?ticket={ticket}")).await;
    assert!(live.text().contains(&format!("\n../vod/a/{ticket}/source.m3u8\n")));
    assert_eq!(house.get(&format!("/vod/a/{ticket}/source.m3u8")).await.status, 200);
    let segment = house.get(&path.replacen("/a/", &format!("/a/{ticket}/"), 1)).await;
    assert_eq!(segment.body, Some(bytes));
    assert!(segment.header(header::CACHE_CONTROL).starts_with("private"));
    let beyond = path.replacen("/a/", &format!("/a/{ticket}/"), 1).replace("/0.m4s", "/999.m4s");
    let missing = house.get(&beyond).await;
    assert_eq!(missing.status, 404);
    assert_eq!(missing.header(header::CACHE_CONTROL), "no-store");
    let other = format!("10{}", "ab".repeat(20));
    let refused = house.get(&format!("/vod/a/{other}/source.m3u8")).await;
    assert!(refused.failed_as(403, "no_ticket"));
}

#[tokio::test]
async fn a_damaged_piece_is_never_served() {
    let house = House::over(Access::Everyone).await;
    let (path, bytes) = house.segment(1);
    house.damage(1);
    // The first piece is good and the second is not: the body ends too early.
    let broken = house.get(&path).await;
    assert_eq!((broken.status, broken.body), (StatusCode::OK, None));
    let good = house.ask(&path, &[(header::RANGE, "bytes=0-999")]).await;
    assert_eq!(good.body, Some(bytes.slice(..1_000)));
    let bad = house.ask(&path, &[(header::RANGE, "bytes=300000-300009")]).await;
    assert!(bad.failed_as(404, "unreadable"));
}

#[tokio::test]
async fn nobody_asks_the_server_to_read_what_lies_beside_its_recordings() {
    let house = House::over(Access::Everyone).await;
    fs::create_dir(house.folder.path().join("B")).unwrap();
    fs::write(house.folder.path().join("secret"), "secret").unwrap();
    let library = Library::open(house.folder.path().to_owned()).unwrap();
    assert_eq!(library.standing("B"), Standing::Unknown);
    for path in ["/vod/B/index.m3u8", "/vod/../secret", "/vod/a/../../secret", "/vod/%2e%2e/secret"]
    {
        assert_eq!(house.get(path).await.status, 404, "{path}");
    }
}
