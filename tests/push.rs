//! Push messages through the whole house: from what one member does to the push service of another's
//! browser.
//!
//! Here: that the server sends by itself, under the key it keeps. Not here: what the browser reads, and
//! what becomes of a message that does not come through (`api`).

mod support;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::{Value, json};
use support::House;
use support::api::Member;
use support::http;

/// For anything done at once.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn what_a_member_is_told_goes_to_his_browser_under_a_key_that_stays() {
    let (service, received) = push_service();
    let mut house = House::start_with(&[("API__PUSH__ALLOW_PRIVATE", "true")]);
    let (fatou, binta) = (house.member(), house.member());
    // The browser of the example of RFC 8291.
    let browser = json!({
        "endpoint": format!("http://{service}/fatou"),
        "keys": {
            "p256dh": "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
            "auth": "BTBZMqHH6r4Tts7J_aSIgg",
        },
    });
    post(&house, &fatou, "/api/notifications/push/subscriptions/", &browser);
    let live = fatou.start_live();
    let comments = format!("/api/posts/{}/comments/", live.id);
    post(&house, &binta, &comments, &json!({"content": "Bravo"}));
    let head = received.recv_timeout(SOON).expect("a message comes");
    assert!(head.starts_with("POST /fatou HTTP/1.1\r\n"), "{head}");
    let key = public_key(&house);
    assert!(head.contains(&format!(", k={key}\r\n")), "{head}");

    let kept = house.folder().join("data/vapid-key");
    let mode = std::fs::metadata(&kept).expect("the key is kept").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    house.crash();
    house.restart();
    assert_eq!(public_key(&house), key);
    let binta = binta.sign_in_again(house.http);
    post(&house, &binta, &comments, &json!({"content": "Encore bravo"}));
    received.recv_timeout(SOON).expect("the browser is still known");
    assert!(!house.log().contains("/fatou"), "the address of a browser is a secret");
}

/// Takes every message, and says how it began.
fn push_service() -> (SocketAddr, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let (says, received) = channel();
    std::thread::spawn(move || {
        while let Ok((mut socket, _)) = listener.accept() {
            let mut reader = BufReader::new(socket.try_clone().expect("the same socket"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).is_ok_and(|n| n > 0) {}
            let length = head.to_lowercase().lines().find_map(|line| {
                line.strip_prefix("content-length: ").and_then(|length| length.parse().ok())
            });
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            let _ = socket.write_all(
                b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            if says.send(head).is_err() {
                return;
            }
        }
    });
    (address, received)
}

#[track_caller]
fn post(house: &House, member: &Member, path: &str, body: &Value) {
    let headers = [("Authorization", &*member.bearer()), ("Content-Type", "application/json")];
    let answer = http::send(house.http, "POST", path, &headers, body.to_string().as_bytes());
    assert_eq!(answer.status, 201, "{path}: {}", answer.text());
}

#[track_caller]
fn public_key(house: &House) -> String {
    let answer = http::get(house.http, "/api/notifications/push/key/").json();
    answer["public_key"].as_str().expect("a key").to_owned()
}
