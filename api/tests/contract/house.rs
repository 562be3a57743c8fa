//! A whole API on a database of its own, and the few things every test does with it.

use std::{
    net::{IpAddr, SocketAddr},
    ops::Range,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use api::{
    Clip, Clock, Config, Incoming, LiveControl, Moment, NoFilm, Passwords, Secret, Workshop,
};
use axum::{
    Extension, Router,
    body::{Body, Bytes},
    extract::ConnectInfo,
};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use media::id::{LiveId, PlaybackName, UserId};
use serde_json::{Value, json};
use storage::Storage;
use store::{By, LiveRow, LiveState, Role, Store};
use tempfile::TempDir;
use tokio::{net::TcpSocket, sync::watch};
use tower::ServiceExt;

/// 2025-07-23T11:05:00Z
pub const START_MS: i64 = 1_753_268_700_000;

pub struct House {
    pub store: Store,
    pub storage: Storage,
    pub workshop: Workshop,
    pub control: Arc<FakeControl>,
    app: Router,
    now_ms: Arc<AtomicI64>,
    /// Turned true, it ends what stays.
    pub drain: watch::Sender<bool>,
    folder: Arc<TempDir>,
}

pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub text: String,
}

pub struct Member {
    pub id: i64,
    pub access: String,
    pub refresh: String,
}

/// Remembers what it was told to end; answers what the test put there.
#[derive(Default)]
pub struct FakeControl {
    pub created: Mutex<Vec<LiveId>>,
    pub ended: Mutex<Vec<(LiveId, PlaybackName)>>,
    /// What the recorder makes of the next live that ends.
    pub recording: Mutex<Option<(Store, LiveId, store::NewMedia)>>,
    pub unrecorded: Mutex<Vec<PlaybackName>>,
    /// Which clips were asked for, and what they are; a short film where nothing is said.
    pub cut: Mutex<Vec<(PlaybackName, Range<Moment>)>>,
    pub film: Mutex<Option<Result<Vec<u8>, NoFilm>>>,
    pub incoming: Mutex<Option<Incoming>>,
    pub viewers: Mutex<Option<usize>>,
    pub bucket: Mutex<Option<bool>>,
    /// How far back viewers may go.
    pub rewind_from: Mutex<Option<i64>>,
    pub poster: Mutex<Option<u64>>,
    /// How many it gave.
    pub tickets: AtomicI64,
    pub panics: std::sync::atomic::AtomicBool,
}

impl LiveControl for FakeControl {
    fn created(&self, live: &LiveRow) {
        self.created.lock().unwrap().push(live.id);
    }

    fn status(&self, _name: &PlaybackName) -> Option<Incoming> {
        assert!(!self.panics.load(Ordering::Relaxed), "the secret reason of a panic");
        self.incoming.lock().unwrap().clone()
    }

    fn viewers(&self, _name: &PlaybackName) -> Option<usize> {
        *self.viewers.lock().unwrap()
    }

    fn ticket(&self, name: &PlaybackName, address: IpAddr) -> String {
        let given = self.tickets.fetch_add(1, Ordering::Relaxed);
        format!("{given}-of-{name}-for-{address}")
    }

    fn end(&self, id: LiveId, name: &PlaybackName) {
        self.ended.lock().unwrap().push((id, name.clone()));
    }

    fn recorded(&self, _name: &PlaybackName) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let recording = self.recording.lock().unwrap().take();
        Box::pin(async move {
            if let Some((store, live, media)) = recording {
                store.create_recording(live, media).await.unwrap();
            }
        })
    }

    fn unrecord(&self, name: &PlaybackName) {
        self.unrecorded.lock().unwrap().push(name.clone());
    }

    fn bucket(&self) -> Option<bool> {
        *self.bucket.lock().unwrap()
    }

    fn poster(&self, _name: &PlaybackName) -> Option<u64> {
        *self.poster.lock().unwrap()
    }

    fn rewind_from(&self, _name: &PlaybackName, _started_ms: i64) -> Option<i64> {
        *self.rewind_from.lock().unwrap()
    }

    fn download(&self, name: &PlaybackName, file: &str, address: IpAddr) -> Option<(String, u64)> {
        let is_recorded = !self.unrecorded.lock().unwrap().contains(name);
        is_recorded.then(|| (format!("/vod/{name}/for-{address}/{file}"), 1_800_000_000))
    }

    fn clip(
        &self,
        name: &PlaybackName,
        wanted: Range<Moment>,
    ) -> Pin<Box<dyn Future<Output = Result<Clip, NoFilm>> + Send>> {
        self.cut.lock().unwrap().push((name.clone(), wanted));
        let film = self.film.lock().unwrap().clone().unwrap_or_else(|| Ok(mp4(10)));
        Box::pin(async move {
            let film = film?;
            let len = film.len() as u64;
            let pieces: Vec<_> = film.chunks(10).map(|it| Ok(Bytes::copy_from_slice(it))).collect();
            Ok(Clip { len, pieces: stream::iter(pieces).boxed() })
        })
    }
}

/// The defaults, with a password hash that costs nothing and without a media worker.
pub fn config() -> Config {
    let mut config = Config {
        jwt_secret: Some(Secret::new([7; 32])),
        passwords: Passwords { memory_kib: 8, passes: 1, ..Passwords::default() },
        ..Config::default()
    };
    // Files here are structures without pixels; `tests/media.rs` has a worker and real ones.
    config.workshop.worker = "off".into();
    config
}

impl House {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        Self::with_storage(config, storage::Config::default()).await
    }

    pub async fn with_storage(config: Config, storage: storage::Config) -> Self {
        let folder = Arc::new(tempfile::tempdir().unwrap());
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        Self::on(folder, now_ms, config, storage).await
    }

    /// Another server on the same database, at the same time.
    pub async fn beside(&self, config: Config) -> Self {
        let (folder, now_ms) = (Arc::clone(&self.folder), Arc::clone(&self.now_ms));
        Self::on(folder, now_ms, config, storage::Config::default()).await
    }

    async fn on(
        folder: Arc<TempDir>,
        now_ms: Arc<AtomicI64>,
        config: Config,
        storage: storage::Config,
    ) -> Self {
        let url = format!("sqlite:{}", folder.path().join("api.db").display());
        let store = Store::open(&url).await.unwrap();
        let storage = Storage::open(&storage, folder.path()).unwrap();
        let control = Arc::new(FakeControl::default());
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || now_ms.load(Ordering::Relaxed))
        };
        let workshop =
            Workshop::open(&config, store.clone(), storage.clone(), clock.clone()).unwrap();
        let api = api::router_at(
            store.clone(),
            storage.clone(),
            workshop.clone(),
            config,
            control.clone(),
            clock,
        );
        let app = api.unwrap().merge(api::files(storage.clone()));
        let drain = watch::Sender::new(false);
        Self { store, storage, workshop, control, app, now_ms, drain, folder }
    }

    pub fn clock(&self) -> Clock {
        let now_ms = Arc::clone(&self.now_ms);
        Clock::new(move || now_ms.load(Ordering::Relaxed))
    }

    /// The house on a port, for clients that stay. What waits for one of them is `send_buffer_bytes`
    /// in its socket and no more.
    pub async fn listen_with(&self, send_buffer_bytes: Option<u32>) -> SocketAddr {
        let socket = TcpSocket::new_v4().unwrap();
        if let Some(bytes) = send_buffer_bytes {
            socket.set_send_buffer_size(bytes).unwrap();
        }
        socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        let listener = socket.listen(64).unwrap();
        let address = listener.local_addr().unwrap();
        let connection = api::Connection::new(self.drain.subscribe(), Arc::new(()));
        let app = self.app.clone().layer(Extension(connection));
        let app = app.into_make_service_with_connect_info::<SocketAddr>();
        tokio::spawn(async { axum::serve(listener, app).await.unwrap() });
        address
    }

    pub async fn listen(&self) -> SocketAddr {
        self.listen_with(None).await
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub fn pass_s(&self, seconds: i64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let (parts, bytes) = self.fetch(request).await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
    }

    /// The status alone, of an answer that may not end.
    pub async fn status(&self, path: &str, member: Option<&Member>) -> StatusCode {
        self.begin(path, member).await.status
    }

    /// The beginning of an answer: some have no end.
    pub async fn begin(&self, path: &str, member: Option<&Member>) -> Answer {
        let request = request(Method::GET, path, member, None);
        let (parts, _) = self.app.clone().oneshot(request).await.unwrap().into_parts();
        let (status, headers) = (parts.status, parts.headers);
        Answer { status, headers, body: Value::Null, text: String::new() }
    }

    /// The answer as it is: stored files are no text.
    pub async fn fetch(&self, request: Request<Body>) -> (http::response::Parts, Bytes) {
        let mut request = request;
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            let peer = SocketAddr::from(([203, 0, 113, 9], 4711));
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        (parts, body.collect().await.unwrap().to_bytes())
    }

    /// Files that are stored, or on their way in: how many lie in a folder of the server.
    pub fn files_in(&self, folder: &str) -> usize {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().path().is_file()).count()
    }

    /// Their bytes.
    pub fn bytes_in(&self, folder: &str) -> usize {
        let entries = std::fs::read_dir(self.folder.path().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().metadata().map_or(0, |file| file.len() as usize)).sum()
    }

    /// Has the storage fail, as a disk may, until it is [mended](Self::mend_storage).
    pub fn break_storage(&self) {
        let folder = self.folder.path();
        std::fs::rename(folder.join("media"), folder.join("away")).unwrap();
        std::fs::write(folder.join("media"), b"no folder").unwrap();
    }

    pub fn mend_storage(&self) {
        let folder = self.folder.path();
        std::fs::remove_file(folder.join("media")).unwrap();
        std::fs::rename(folder.join("away"), folder.join("media")).unwrap();
    }

    /// Has `member` bring a file, and gives what he is answered.
    pub async fn bring(&self, member: &Member, file: &[u8]) -> Answer {
        let parts = [Part::file("file", "photo.png", file)];
        self.send(form("POST", "/api/posts/media/upload/", member, &parts)).await
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        member: Option<&Member>,
        body: Option<Value>,
    ) -> Answer {
        self.send(request(method, path, member, body)).await
    }

    pub async fn get(&self, path: &str, member: &Member) -> Answer {
        self.call(Method::GET, path, Some(member), None).await
    }

    pub async fn look(&self, path: &str) -> Answer {
        self.call(Method::GET, path, None, None).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, None, Some(body)).await
    }

    /// The first quartier of a commune.
    pub fn quartier(&self, commune: &str) -> i64 {
        let quartiers = self.store.geography().quartiers();
        quartiers.iter().find(|place| place.commune.name == commune).unwrap().id.get()
    }

    /// Registers `name`, who lives in Dixinn.
    pub async fn member(&self, name: &str) -> Member {
        self.member_of(name, "Dixinn").await
    }

    pub async fn member_of(&self, name: &str, commune: &str) -> Member {
        let mut account = account(name);
        account["quartier"] = json!(self.quartier(commune));
        signed_in(&self.post("/api/users/register/", account).await)
    }

    /// Registers `name`, whom whoever runs the place has made one of his own.
    pub async fn admin(&self, name: &str) -> Member {
        let member = self.member(name).await;
        self.promote(&member, Role::Admin).await;
        member
    }

    /// Makes a member what only an operator can make the first one.
    pub async fn promote(&self, member: &Member, role: Role) {
        self.store.set_role(member.user_id(), role, &By::console(self.now_ms())).await.unwrap();
    }

    pub async fn homeless_member(&self, name: &str) -> Member {
        signed_in(&self.post("/api/users/register/", account(name)).await)
    }

    pub async fn start_live(&self, member: &Member) -> Value {
        let answer =
            self.call(Method::POST, "/api/posts/live/start/", Some(member), Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        answer.body
    }

    /// Makes something that is made by a POST.
    pub async fn write(&self, path: &str, member: &Member, body: Value) -> Value {
        let answer = self.call(Method::POST, path, Some(member), Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{path}: {}", answer.text);
        answer.body
    }

    /// As if an encoder had published the live.
    pub async fn publish(&self, live_id: i64) {
        let id = LiveId::new(live_id);
        let moved = self
            .store
            .set_live_state(id, &[LiveState::Created], LiveState::Live, self.now_ms())
            .await;
        assert!(moved.unwrap());
    }
}

/// A registration form, all fields as the web client sends them.
pub fn account(name: &str) -> Value {
    json!({
        "username": name,
        "email": format!("{name}@example.org"),
        "password": "testpass123",
        "password_confirm": "testpass123",
        "first_name": "Fatou",
        "last_name": "Diallo",
        "phone_number": "+224123456789",
        "accept_terms": true,
    })
}

pub fn request(
    method: Method,
    path: &str,
    member: Option<&Member>,
    body: Option<Value>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path).header(header::HOST, "live.test");
    if let Some(member) = member {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", member.access));
    }
    match body {
        Some(body) => request
            .header(header::CONTENT_TYPE, "application/json")
            .body(Body::from(body.to_string()))
            .unwrap(),
        None => request.body(Body::empty()).unwrap(),
    }
}

/// A part of a form.
pub struct Part {
    head: String,
    bytes: Vec<u8>,
}

impl Part {
    pub fn text(name: &str, text: &str) -> Self {
        Self { head: format!("name=\"{name}\""), bytes: text.into() }
    }

    /// A file that is declared to be a PNG, whatever it is.
    pub fn file(name: &str, file_name: &str, bytes: &[u8]) -> Self {
        let head = format!("name=\"{name}\"; filename=\"{file_name}\"\r\nContent-Type: image/png");
        Self { head, bytes: bytes.into() }
    }
}

/// A request with a form.
pub fn form(method: &str, path: &str, member: &Member, parts: &[Part]) -> Request<Body> {
    let mut body = Vec::new();
    for Part { head, bytes } in parts {
        let head = format!("--edge\r\nContent-Disposition: form-data; {head}\r\n\r\n");
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--edge--\r\n");
    Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "live.test")
        .header(header::AUTHORIZATION, format!("Bearer {}", member.access))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge")
        .body(Body::from(body))
        .unwrap()
}

/// The structure of a PNG of this size, with so many bytes of data, none of which is a picture.
pub fn png(width: u32, height: u32, data_bytes: usize) -> Vec<u8> {
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let len = u32::try_from(data.len()).unwrap().to_be_bytes();
        [&len[..], name, data, &[0; 4]].concat()
    };
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(b"IHDR", &[&size[..], &[8, 2, 0, 0, 0]].concat());
    let data = chunk(b"IDAT", &vec![7; data_bytes]);
    [b"\x89PNG\r\n\x1a\n", &header[..], &data, &chunk(b"IEND", b"")].concat()
}

/// The structure of an MP4 file of one minute, 640x360, with so many bytes of data.
pub fn mp4(data_bytes: usize) -> Vec<u8> {
    let boxed = |name: &[u8; 4], content: &[u8]| {
        let len = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
        [&len[..], name, content].concat()
    };
    let header = [&[0; 12][..], &1000_u32.to_be_bytes(), &60_000_u32.to_be_bytes()].concat();
    let matrix = [65_536_u32, 0, 0, 0, 65_536, 0, 0, 0, 0x4000_0000].map(u32::to_be_bytes);
    let size = [640_u32 << 16, 360 << 16].map(u32::to_be_bytes).concat();
    let track = boxed(b"tkhd", &[&[0; 40][..], &matrix.concat(), &size].concat());
    let handler = boxed(b"mdia", &boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide"));
    let film = [boxed(b"mvhd", &header), boxed(b"trak", &[track, handler].concat())].concat();
    let brand = boxed(b"ftyp", b"isom\0\0\0\0isom");
    [brand, boxed(b"moov", &film), boxed(b"mdat", &vec![7; data_bytes])].concat()
}

pub fn signed_in(answer: &Answer) -> Member {
    let token = |name: &str| answer.body["tokens"][name].as_str().expect(&answer.text).to_owned();
    Member {
        id: answer.body["user"]["id"].as_i64().unwrap(),
        access: token("access"),
        refresh: token("refresh"),
    }
}

impl Member {
    pub fn user_id(&self) -> UserId {
        UserId::new(self.id)
    }
}
