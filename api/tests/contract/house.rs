//! A whole API on a database of its own, and the few things every test does with it.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, Ordering},
    },
};

use api::{Clock, Config, Incoming, LiveControl, Passwords, Secret};
use axum::{Router, body::Body, extract::ConnectInfo};
use http::{HeaderMap, Method, Request, StatusCode, header};
use http_body_util::BodyExt;
use media::id::{LiveId, PlaybackName, UserId};
use serde_json::{Value, json};
use store::{LiveRow, LiveState, Store};
use tempfile::TempDir;
use tower::ServiceExt;

/// 2025-07-23T11:05:00Z
pub const START_MS: i64 = 1_753_268_700_000;

pub struct House {
    pub store: Store,
    pub control: Arc<FakeControl>,
    app: Router,
    now_ms: Arc<AtomicI64>,
    _folder: TempDir,
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
    pub incoming: Mutex<Option<Incoming>>,
    pub viewers: Mutex<Option<usize>>,
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
}

/// The defaults, with a password hash that costs nothing.
pub fn config() -> Config {
    Config {
        jwt_secret: Some(Secret::new([7; 32])),
        passwords: Passwords { memory_kib: 8, passes: 1, ..Passwords::default() },
        ..Config::default()
    }
}

impl House {
    pub async fn new() -> Self {
        Self::with(config()).await
    }

    pub async fn with(config: Config) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("api.db").display());
        let store = Store::open(&url).await.unwrap();
        let control = Arc::new(FakeControl::default());
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let clock = {
            let now_ms = Arc::clone(&now_ms);
            Clock::new(move || now_ms.load(Ordering::Relaxed))
        };
        let app = api::router_at(store.clone(), config, control.clone(), clock).unwrap();
        Self { store, control, app, now_ms, _folder: folder }
    }

    pub fn now_ms(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    pub fn pass_s(&self, seconds: i64) {
        self.now_ms.fetch_add(seconds * 1000, Ordering::Relaxed);
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let mut request = request;
        if request.extensions().get::<ConnectInfo<SocketAddr>>().is_none() {
            let peer = SocketAddr::from(([203, 0, 113, 9], 4711));
            request.extensions_mut().insert(ConnectInfo(peer));
        }
        let response = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8(bytes.to_vec()).unwrap();
        let body = serde_json::from_str(&text).unwrap_or(Value::Null);
        Answer { status: parts.status, headers: parts.headers, body, text }
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
