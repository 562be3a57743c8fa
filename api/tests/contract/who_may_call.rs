//! `docs/api.md` says who may call what. Here it is held to its word.

use std::{collections::BTreeSet, path::Path};

use api::Rate;
use http::{Method, StatusCode};
use serde_json::json;
use store::{PostId, Reported};

use crate::{
    described::Document,
    house::{Answer, House, Member, Part, config, form, mp4, png},
    push, resumable,
};

#[derive(Debug, Clone)]
struct Line {
    method: Method,
    path: String,
    who: String,
}

#[tokio::test]
async fn every_line_of_the_table_is_true() {
    let place = Place::new().await;
    for line in table() {
        let stranger = place.call(&line, None).await;
        let other = place.call(&line, Some(&place.other)).await;
        let owner = place.call(&line, Some(&place.owner)).await;
        match line.who.as_str() {
            "anyone" | "anyone or member" => {
                assert!(
                    is_answered(&line, stranger),
                    "{line:?}: a stranger is answered {stranger}"
                );
            }
            "member" => {
                assert_eq!(stranger, StatusCode::UNAUTHORIZED, "{line:?}: a stranger");
                assert!(other.is_success(), "{line:?}: a member is answered {other}");
            }
            "owner" => {
                assert_eq!(stranger, StatusCode::UNAUTHORIZED, "{line:?}: a stranger");
                assert_eq!(other, StatusCode::FORBIDDEN, "{line:?}: another member");
                assert!(owner.is_success(), "{line:?}: the owner is answered {owner}");
            }
            "admin" => {
                assert_eq!(stranger, StatusCode::UNAUTHORIZED, "{line:?}: a stranger");
                assert_eq!(other, StatusCode::FORBIDDEN, "{line:?}: a member");
                assert_eq!(owner, StatusCode::FORBIDDEN, "{line:?}: the owner");
                let admin = place.call(&line, Some(&place.admin)).await;
                assert!(admin.is_success(), "{line:?}: an admin is answered {admin}");
            }
            who => panic!("{line:?}: nobody is called {who}"),
        }
    }
}

/// Defects 2 and 22 among others: what the table does not list cannot be done.
#[tokio::test]
async fn every_method_that_the_table_does_not_list_is_refused() {
    let place = Place::new().await;
    let lines = table();
    let paths: BTreeSet<&String> = lines.iter().map(|line| &line.path).collect();
    for path in paths {
        for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            let listed = lines.iter().any(|line| &line.path == path && line.method == method);
            if listed {
                continue;
            }
            let line = Line { method, path: path.clone(), who: "nobody".into() };
            let answer = place.call(&line, Some(&place.owner)).await;
            assert_eq!(answer, StatusCode::METHOD_NOT_ALLOWED, "{line:?}");
        }
    }
}

/// A route that is not in the table is not described for people; one that is in it alone is gone.
#[test]
fn every_route_is_in_the_table_and_says_the_same_of_who_may_call() {
    let written: BTreeSet<(String, String, String)> = table()
        .into_iter()
        .map(|Line { method, path, who }| (method.to_string(), path, who))
        .collect();
    let said = Document::new().lines();
    let (missing, gone): (Vec<_>, Vec<_>) =
        (said.difference(&written).collect(), written.difference(&said).collect());
    assert!(missing.is_empty(), "add these lines to the table of docs/api.md: {missing:#?}");
    assert!(gone.is_empty(), "the table of docs/api.md has lines that no route has: {gone:#?}");
}

/// The table of `docs/api.md`.
fn table() -> Vec<Line> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
    let text = std::fs::read_to_string(page).unwrap();
    let lines: Vec<Line> = text
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.split('|').map(str::trim).collect();
            let [_, method, path, who, _, _] = cells[..] else { return None };
            let path = path.strip_prefix('`')?.strip_suffix('`')?;
            let path = path.starts_with("/api/").then(|| path.to_owned())?;
            Some(Line { method: method.parse().unwrap(), path, who: who.to_owned() })
        })
        .collect();
    assert!(lines.len() >= 27, "the table was not read: {lines:?}");
    lines
}

/// Whether a stranger was let in. Some lines want what a test cannot make up here, a token out of a
/// letter or a connection that becomes another; what they say of its lack is no refusal of the caller.
fn is_answered(line: &Line, status: StatusCode) -> bool {
    let wants_more = line.path.ends_with("/confirm/") || line.path == "/api/realtime/";
    status.is_success() || (wants_more && status == StatusCode::BAD_REQUEST)
}

/// What a route that takes a file is sent.
fn file_of(path: &str) -> Option<Part> {
    match path {
        "/api/posts/media/upload/" => Some(Part::file("file", "a.png", &png(4, 3, 10))),
        "/api/posts/live/{id}/upload-video/" => Some(Part::file("video", "a.webm", &mp4(10))),
        _ => None,
    }
}

struct Place {
    house: House,
    document: Document,
    owner: Member,
    other: Member,
    admin: Member,
}

impl Place {
    async fn new() -> Self {
        let mut config = config();
        config.limits.live_start = Rate { burst: 10_000, per_minute: 60 };
        config.limits.writing = Rate { burst: 10_000, per_minute: 60 };
        config.limits.address = Rate { burst: 10_000, per_minute: 60 };
        config.limits.user = Rate { burst: 10_000, per_minute: 60 };
        config.limits.upload = Rate { burst: 10_000, per_minute: 60 };
        config.limits.mail_address = Rate { burst: 10_000, per_minute: 60 };
        config.limits.mail_account = Rate { burst: 10_000, per_minute: 60 };
        config.limits.register_address = Rate { burst: 10_000, per_minute: 60 };
        // A mail server that nobody reaches: what is sent is not of interest here.
        config.public_http_url = Some("http://live.test".into());
        config.smtp.host = "127.0.0.1".into();
        config.smtp.port = 1;
        config.smtp.from = "noreply@example.org".into();
        let house = House::with(config).await;
        let (owner, other) = (house.member("owner").await, house.member("other").await);
        let admin = house.admin("admin").await;
        Self { house, document: Document::new(), owner, other, admin }
    }

    /// Calls a line of the table, with the body of its example, and holds the answer to the document.
    async fn call(&self, line: &Line, member: Option<&Member>) -> StatusCode {
        let answer = self.answer(line, member).await;
        if line.who != "nobody" {
            self.document.holds(&line.method, &line.path, &answer);
        }
        answer.status
    }

    /// Calls it on things that exist: places, and what is the owner's: his posts, a live with its post,
    /// a comment on it, a picture; and what the caller himself has shared or was told.
    async fn answer(&self, line: &Line, member: Option<&Member>) -> Answer {
        let live = self.house.start_live(&self.owner).await;
        let id = if line.path.contains("/geography/") {
            self.place(&line.path)
        } else if line.path.contains("/posts/user/") || line.path.contains("/admin/users/") {
            self.owner.id.to_string()
        } else if line.path.contains("/posts/comments/") {
            let comments = format!("/api/posts/{}/comments/", live["id"]);
            let body = json!({"content": "Bonjour"});
            self.house.write(&comments, &self.owner, body).await["id"].to_string()
        } else if line.path.contains("/push/") {
            let new = self.house.call(
                Method::POST,
                "/api/notifications/push/subscriptions/",
                Some(member.unwrap_or(&self.owner)),
                Some(push::subscription("https://push.example.org/a")),
            );
            new.await.body["id"].to_string()
        } else if line.path.contains("/notifications/") {
            self.notification(member.unwrap_or(&self.owner)).await
        } else if line.path.contains("/reports/") {
            self.report(live["id"].as_i64().unwrap()).await
        } else if line.path.contains("/media/") {
            let media = self.house.bring(&self.owner, &png(4, 3, 10)).await.body["id"].clone();
            let body = json!({"content": "Bonjour", "media_files": [media]});
            self.house.write("/api/posts/", &self.owner, body).await;
            media.to_string()
        } else {
            live["id"].to_string()
        };
        if line.method == Method::DELETE
            && line.path.ends_with("/like/")
            && let Some(member) = member
        {
            // There must be a like to take back.
            self.house.write(&format!("/api/posts/{id}/like/"), member, json!({})).await;
        }
        if line.method == Method::DELETE && line.path.ends_with("/share/") {
            self.share(&live["id"].to_string(), member).await;
        }
        let said = if line.path.contains("{message_id}") {
            let chat = format!("/api/posts/live/{id}/chat/");
            let body = json!({"content": "Bonjour"});
            self.house.write(&chat, &self.owner, body).await["id"].to_string()
        } else {
            String::new()
        };
        let path = line
            .path
            .replace("{id}", &id)
            .replace("{message_id}", &said)
            .replace("{user_id}", &self.other.id.to_string())
            .replace("{playback_name}", live["playback_name"].as_str().unwrap());
        if let Some(part) = file_of(&line.path)
            && let Some(member) = member
            && line.method == Method::POST
        {
            return self.house.send(form("POST", &path, member, &[part])).await;
        }
        if line.path.starts_with("/api/uploads/") {
            let upload = resumable::create(&self.house, &self.owner, 100).await;
            let path = path.replace("/api/uploads/{upload_id}/", &upload);
            let request = resumable::request(line.method.clone(), &path, member, 0, vec![]);
            let answer = self.house.send(request).await;
            // A member may not have many of them open.
            api::tidy(&self.house.store, &self.house.storage, i64::MAX).await;
            return answer;
        }
        if line.path == "/api/posts/live/{id}/download/" {
            // Its author allows it.
            let allow = format!("/api/posts/live/{id}/downloads/");
            let body = json!({"downloads_allowed": true});
            self.house.call(Method::PUT, &allow, Some(&self.owner), Some(body)).await;
        }
        if line.path == "/api/users/change-password/" && line.method == Method::POST {
            // Whose password it is does not matter, and who changes his is signed out.
            let passing = self.house.member(&format!("passing{}", live["id"])).await;
            let form = json!({"old_password": "testpass123", "password": "testpass456",
                "password_confirm": "testpass456"});
            let member = member.map(|_| &passing);
            return self.house.call(line.method.clone(), &path, member, Some(form)).await;
        }
        if line.path == "/api/realtime/events/" && line.method == Method::GET {
            return self.house.begin(&format!("{path}?live_id={id}"), member).await;
        }
        let mut body = match line.who.as_str() {
            "nobody" => None,
            _ => self.document.example(&line.method, &line.path),
        };
        if line.path == "/api/token/refresh/" {
            // The one example that cannot be true.
            let member = self.house.member(live["playback_name"].as_str().unwrap()).await;
            body = Some(json!({"refresh": member.refresh}));
        }
        self.house.call(line.method.clone(), &path, member, body).await
    }

    /// A report that nobody has looked at.
    async fn report(&self, post: i64) -> String {
        let reported = Reported::Post(PostId::new(post));
        let reporter = self.other.user_id();
        self.house.store.report(reporter, reported, "", self.house.now_ms()).await.unwrap();
        let open = self.house.store.open_reports(1).await.unwrap();
        open.rows.last().unwrap().id.to_string()
    }

    async fn share(&self, post: &str, member: Option<&Member>) {
        let path = format!("/api/posts/posts/{post}/share/");
        self.house.call(Method::POST, &path, member, Some(json!({}))).await;
    }

    /// The newest notification of a member, of whose new post another makes a share.
    async fn notification(&self, member: &Member) -> String {
        let live = self.house.start_live(member).await;
        let reader = if member.id == self.owner.id { &self.other } else { &self.owner };
        self.share(&live["id"].to_string(), Some(reader)).await;
        let list = self.house.get("/api/notifications/", member).await.body;
        list["results"][0]["id"].to_string()
    }

    fn place(&self, path: &str) -> String {
        let places = self.house.store.geography();
        let kind = path.split('/').nth(3).unwrap();
        let id = match kind {
            "regions" => places.regions()[0].id.get(),
            "prefectures" => places.prefectures()[0].id.get(),
            "communes" => places.communes()[0].id.get(),
            "quartiers" => places.quartiers()[0].id.get(),
            _ => panic!("no such place: {kind}"),
        };
        id.to_string()
    }
}
