//! Whether others may see what members bring: a service, admins, reports (docs/api.md, "Moderation").

use std::sync::{Arc, Mutex};

use api::{Moderation, Rate, Secret};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

use crate::house::{House, Member, config, png};

const QUEUE: &str = "/api/moderation/media/";

/// A service that answers everybody the same, or nobody, and remembers what it was asked.
struct Service {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Service {
    async fn answering(answer: Option<Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/judge", listener.local_addr().unwrap());
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let heard = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((mut socket, _)) = listener.accept().await {
                let (answer, heard) = (answer.clone(), Arc::clone(&heard));
                tokio::spawn(async move {
                    let mut request = Vec::new();
                    while !is_whole(&request) {
                        if socket.read_buf(&mut request).await.unwrap_or(0) == 0 {
                            return;
                        }
                    }
                    heard.lock().unwrap().push(String::from_utf8(request).unwrap());
                    match answer {
                        Some(answer) => drop(socket.write_all(&answer).await),
                        None => std::future::pending().await,
                    }
                });
            }
        });
        Self { url, asked }
    }

    async fn saying(body: Value) -> Self {
        Self::answering(Some(response("200 OK", &body.to_string()))).await
    }
}

fn response(status: &str, body: &str) -> Vec<u8> {
    let len = body.len();
    format!("HTTP/1.1 {status}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}").into()
}

/// Whether a request has come with all of its body.
fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request).to_lowercase();
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    length.is_some_and(|length| body.len() >= length.trim().parse().unwrap())
}

async fn house_asking(service: &Service) -> House {
    let mut config = config();
    config.moderation = Moderation {
        url: Some(service.url.clone()),
        token: Some(Secret::new("s3cr3t")),
        files_url: Some("https://files.test".into()),
        timeout_ms: 300,
        ..Moderation::default()
    };
    House::with(config).await
}

/// A house where everything waits for an admin.
async fn strict_house() -> House {
    let mut config = config();
    config.moderation.review = true;
    House::with(config).await
}

async fn bring(house: &House, member: &Member) -> Value {
    let answer = house.bring(member, &png(4, 4, 4)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.body
}

fn path(media: &Value) -> String {
    format!("/api/posts/media/{}/", media["id"])
}

async fn decide(house: &House, admin: &Member, media: &Value, how: &str, body: Value) -> Value {
    let path = format!("{QUEUE}{}/{how}/", media["id"]);
    let answer = house.call(Method::POST, &path, Some(admin), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    answer.body
}

#[tokio::test]
async fn a_service_is_asked_about_what_would_be_shown_and_its_word_is_kept() {
    for (decision, status) in
        [("approve", "approved"), ("reject", "rejected"), ("review", "pending")]
    {
        let service = Service::saying(json!({"decision": decision, "reason": "violence"})).await;
        let house = house_asking(&service).await;
        let media = bring(&house, &house.member("fatou").await).await;
        assert_eq!(media["approval_status"], status, "{media}");
        let reason = if decision == "approve" { Value::Null } else { json!("violence") };
        assert_eq!(media["status_reason"], reason);
        let asked = service.asked.lock().unwrap().join("");
        assert!(asked.to_lowercase().contains("authorization: bearer s3cr3t"), "{asked}");
        let question: Value =
            serde_json::from_str(asked.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        let name = media["file"].as_str().unwrap().rsplit('/').next().unwrap();
        assert_eq!(question["file_url"], format!("https://files.test/media/{name}"));
        assert_eq!(question["file_type"], "image/png");
    }
}

#[tokio::test]
async fn what_a_service_does_not_decide_in_time_waits_for_an_admin() {
    let answers = [
        ("hangs", None),
        ("garbage", Some(response("200 OK", "<html>yes</html>"))),
        ("an answer nobody knows", Some(response("200 OK", r#"{"decision": "maybe"}"#))),
        ("a fault", Some(response("500 Internal Server Error", r#"{"decision": "approve"}"#))),
        (
            "elsewhere",
            Some(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n".into()),
        ),
        ("no HTTP", Some(b"approve".into())),
        ("too much", Some(response("200 OK", &" ".repeat(1 << 20)))),
        ("half", Some(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"decision\"".into())),
    ];
    for (what, answer) in answers {
        let service = Service::answering(answer).await;
        let house = house_asking(&service).await;
        let media = bring(&house, &house.member("fatou").await).await;
        assert_eq!(media["approval_status"], "pending", "{what}");
        assert_eq!(service.asked.lock().unwrap().len(), 1, "{what}");
    }
    // One that is not there at all.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let house = house_asking(&Service { url, asked: Arc::default() }).await;
    let media = bring(&house, &house.member("fatou").await).await;
    assert_eq!(media["approval_status"], "pending");
}

#[tokio::test]
async fn media_that_waits_is_seen_by_its_owner_and_admins_until_one_approves() {
    let house = strict_house().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let admin = house.admin("admin").await;
    let media = bring(&house, &fatou).await;
    assert_eq!(media["approval_status"], "pending");
    let post = json!({"content": "", "media_files": [media["id"]]});
    let post = house.write("/api/posts/", &fatou, post).await;
    let post = format!("/api/posts/{}/", post["id"]);
    for (member, sees) in [(&fatou, true), (&admin, true), (&binta, false)] {
        assert_eq!(house.get(&path(&media), member).await.status.is_success(), sees);
        let shown = house.get(&post, member).await.body;
        assert_eq!(shown["media_count"], u8::from(sees), "{shown}");
        let listed = house.get("/api/posts/", member).await.body;
        assert_eq!(listed["results"][0]["media_count"], u8::from(sees));
    }
    let queue = house.get(QUEUE, &admin).await.body;
    assert_eq!((&queue["count"], &queue["results"][0]["id"]), (&json!(1), &media["id"]));
    assert_eq!(queue["results"][0]["owner"]["username"], "fatou");

    let decided = decide(&house, &admin, &media, "approve", json!({})).await;
    assert_eq!(decided["approval_status"], "approved");
    assert_eq!(house.get(QUEUE, &admin).await.body["count"], 0);
    assert_eq!(house.get(&post, &binta).await.body["media_count"], 1);
}

#[tokio::test]
async fn media_that_is_rejected_is_seen_no_more_and_its_owner_is_told_why() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let admin = house.admin("admin").await;
    let media = bring(&house, &fatou).await;
    let post = json!({"content": "Bonjour", "media_files": [media["id"]]});
    house.write("/api/posts/", &fatou, post).await;
    assert_eq!(house.get(&path(&media), &binta).await.status, StatusCode::OK);
    let reject = format!("{QUEUE}{}/reject/", media["id"]);
    let unsaid = house.call(Method::POST, &reject, Some(&admin), Some(json!({}))).await;
    assert_eq!(unsaid.body, json!({"reason": ["Ce champ est obligatoire."]}));
    let body = json!({"reason": "Violence", "inappropriate": true});
    decide(&house, &admin, &media, "reject", body).await;
    assert_eq!(house.get(&path(&media), &binta).await.status, StatusCode::NOT_FOUND);
    let seen = house.get(&path(&media), &fatou).await.body;
    assert_eq!(seen["status_reason"], "Violence");
    assert_eq!(
        (&seen["approval_status"], &seen["is_appropriate"]),
        (&json!("inappropriate"), &json!(false))
    );
    let refused = json!({"content": "Encore", "media_files": [media["id"]]});
    let refused = house.call(Method::POST, "/api/posts/", Some(&fatou), Some(refused)).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.text);
    let listed = house.get("/api/posts/media/", &fatou).await.body;
    assert_eq!(listed["count"], 0);
    let listed = house.get("/api/posts/media/?approval_status=inappropriate", &fatou).await.body;
    assert_eq!(listed["count"], 1);
}

#[tokio::test]
async fn a_member_reports_a_thing_once_and_admins_see_it_until_it_is_decided() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let admin = house.admin("admin").await;
    let media = bring(&house, &fatou).await;
    let post = json!({"content": "Bonjour", "media_files": [media["id"]]});
    let post = house.write("/api/posts/", &fatou, post).await;
    let of_media = format!("{}report/", path(&media));
    let of_post = format!("/api/posts/{}/report/", post["id"]);
    for path in [&of_media, &of_post] {
        let body = || Some(json!({"reason": "Insultes"}));
        let first = house.call(Method::POST, path, Some(&binta), body()).await;
        assert_eq!(first.status, StatusCode::CREATED, "{}", first.text);
        let again = house.call(Method::POST, path, Some(&binta), body()).await;
        assert_eq!(again.status, StatusCode::OK, "{}", again.text);
    }
    let open = house.get("/api/moderation/reports/", &admin).await.body;
    assert_eq!(open["count"], 2, "{open}");
    assert_eq!(open["results"][0]["media"], media["id"]);
    assert_eq!(
        (&open["results"][1]["post"], &open["results"][1]["reason"]),
        (&post["id"], &json!("Insultes"))
    );
    assert_eq!(open["results"][1]["reporter"]["username"], "binta");

    decide(&house, &admin, &media, "approve", json!({})).await;
    let close = format!("/api/moderation/reports/{}/close/", open["results"][1]["id"]);
    let closed = house.call(Method::POST, &close, Some(&admin), None).await;
    assert_eq!(closed.status, StatusCode::NO_CONTENT, "{}", closed.text);
    assert_eq!(house.get("/api/moderation/reports/", &admin).await.body["count"], 0);
}

#[tokio::test]
async fn nobody_reports_what_he_cannot_see_nor_without_end() {
    let mut config = config();
    config.moderation.review = true;
    config.limits.writing = Rate { burst: 3, per_minute: 1 };
    let house = House::with(config).await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let media = bring(&house, &fatou).await;
    let report = |path: String| {
        let house = &house;
        let binta = &binta;
        async move { house.call(Method::POST, &path, Some(binta), Some(json!({}))).await.status }
    };
    assert_eq!(report(format!("{}report/", path(&media))).await, StatusCode::NOT_FOUND);
    assert_eq!(report("/api/posts/404/report/".into()).await, StatusCode::NOT_FOUND);
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(report("/api/posts/404/report/".into()).await);
    }
    assert_eq!(statuses.last(), Some(&StatusCode::TOO_MANY_REQUESTS), "{statuses:?}");
}
