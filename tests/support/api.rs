//! Accounts and lives through the JSON API, as a client of `docs/api-contract.md`.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

use super::http::{self, Response};

/// A registered member, signed in.
#[derive(Clone)]
pub struct Member {
    server: SocketAddr,
    access: String,
    /// His e-mail address, to sign in again after a restart.
    pub email: String,
}

/// A live of a member, as `live/start` answered it.
pub struct Live {
    /// Its author.
    pub member: Member,
    /// Its id, the post's too.
    pub id: i64,
    /// What the encoder is given. Secret.
    pub key: String,
    /// What viewers are given.
    pub name: String,
    /// Everything `live/start` said.
    pub answer: Value,
}

/// Of every member.
pub const PASSWORD: &str = "testpass123";

impl Member {
    /// Registers somebody new, with a quartier, so that he may go live.
    #[track_caller]
    pub fn register(server: SocketAddr) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("membre{}", COUNT.fetch_add(1, Ordering::Relaxed));
        let email = format!("{name}@example.org");
        let body = json!({
            "username": name, "email": email, "password": PASSWORD, "password_confirm": PASSWORD,
            "first_name": "Aïssatou", "last_name": "Diallo", "quartier": first_quartier(server),
        });
        let answer = post(server, None, "/api/users/register/", &body);
        assert_eq!(answer.status, 201, "register: {}", answer.text());
        Self { server, access: access_token(&answer), email }
    }

    /// The same member on a server that was started again elsewhere.
    #[track_caller]
    pub fn sign_in_again(&self, server: SocketAddr) -> Self {
        let body = json!({ "email": self.email, "password": PASSWORD });
        let answer = post(server, None, "/api/users/login/", &body);
        assert_eq!(answer.status, 200, "login: {}", answer.text());
        Self { server, access: access_token(&answer), email: self.email.clone() }
    }

    /// Starts a live, which waits for its encoder.
    #[track_caller]
    pub fn start_live(&self) -> Live {
        self.start_live_for("public")
    }

    /// Starts a live for an audience.
    #[track_caller]
    pub fn start_live_for(&self, audience: &str) -> Live {
        let answer = self.try_start_live_for(audience);
        assert_eq!(answer.status, 201, "live/start: {}", answer.text());
        let answer = answer.json();
        let text = |key: &str| {
            let value = answer.get(key).and_then(Value::as_str);
            value.unwrap_or_else(|| panic!("live/start has no {key}: {answer}")).to_owned()
        };
        Live {
            member: self.clone(),
            id: answer["live_id"].as_i64().expect("live_id is a number"),
            key: text("stream_key"),
            name: text("playback_name"),
            answer,
        }
    }

    /// Asks for a live, whatever the answer.
    #[track_caller]
    pub fn try_start_live(&self) -> Response {
        self.try_start_live_for("public")
    }

    fn try_start_live_for(&self, audience: &str) -> Response {
        let body = json!({
            "title": "Marché de Madina", "description": "", "content": "En direct",
            "audience": audience,
        });
        post(self.server, Some(&self.access), "/api/posts/live/start/", &body)
    }

    /// `GET path` as this member.
    #[track_caller]
    pub fn get(&self, path: &str) -> Response {
        http::send(self.server, "GET", path, &[("Authorization", &self.bearer())], b"")
    }

    /// The state and measurements of a live, as its author sees them.
    #[track_caller]
    pub fn status_of(&self, live: i64) -> Value {
        let answer = self.get(&format!("/api/posts/live/{live}/status/"));
        assert_eq!(answer.status, 200, "status: {}", answer.text());
        answer.json()
    }

    /// Asks for the end of a live.
    #[track_caller]
    pub fn stop(&self, live: i64) -> Response {
        let headers = [("Authorization", &*self.bearer()), ("Content-Type", "application/json")];
        http::send(self.server, "PUT", &format!("/api/posts/live/{live}/stop/"), &headers, b"{}")
    }

    /// What stands in his requests.
    pub fn bearer(&self) -> String {
        format!("Bearer {}", self.access)
    }
}

impl Live {
    /// The multivariant playlist of what viewers may go back to.
    pub fn rewind(&self) -> String {
        format!("/hls/{}-rewind.m3u8", self.name)
    }

    /// The multivariant playlist of the fMP4 rendition.
    pub fn fmp4(&self) -> String {
        format!("/hls/{}.m3u8", self.name)
    }

    /// The multivariant playlist of the MPEG-TS rendition.
    pub fn ts(&self) -> String {
        format!("/hls/{}-ts.m3u8", self.name)
    }

    /// The page a viewer opens.
    pub fn watch_page(&self) -> String {
        format!("/live/{}", self.name)
    }

    /// Ends the live, by its author.
    #[track_caller]
    pub fn stop(&self) {
        let answer = self.member.stop(self.id);
        assert_eq!(answer.status, 200, "live/stop: {}", answer.text());
    }

    /// `created`, `live`, `interrupted` or `ended`, and what the publisher sends.
    #[track_caller]
    pub fn status(&self) -> Value {
        self.member.status_of(self.id)
    }

    /// The state alone.
    #[track_caller]
    pub fn state(&self) -> String {
        self.status()["status"].as_str().unwrap_or_default().to_owned()
    }
}

fn first_quartier(server: SocketAddr) -> i64 {
    let geography = http::get(server, "/api/users/geographic-data/").json();
    let path = "/regions/0/prefectures/0/communes/0/quartiers/0/id";
    let id = geography.pointer(path).and_then(Value::as_i64);
    id.unwrap_or_else(|| panic!("no quartier in geographic-data: {geography}"))
}

fn access_token(answer: &Response) -> String {
    let answer = answer.json();
    let token = answer.pointer("/tokens/access").and_then(Value::as_str);
    token.unwrap_or_else(|| panic!("no access token: {answer}")).to_owned()
}

fn post(server: SocketAddr, access: Option<&str>, path: &str, body: &Value) -> Response {
    let bearer = access.map(|access| format!("Bearer {access}"));
    let mut headers = vec![("Content-Type", "application/json")];
    headers.extend(bearer.iter().map(|bearer| ("Authorization", bearer.as_str())));
    http::send(server, "POST", path, &headers, body.to_string().as_bytes())
}
