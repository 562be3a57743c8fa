//! What the log says, and what it never says.
//!
//! A program of its own, with one test: which events are recorded is decided for all threads
//! together, and tests beside this one would decide it too.

#![allow(clippy::unwrap_used)]

// Under the short name the other crates use.
extern crate communiconnect_api as api;

// Shared with the tests of the contract, which use all of it.
#[allow(dead_code)]
#[path = "contract/house.rs"]
mod house;

use std::{
    io,
    sync::{Arc, Mutex},
};

use http::Method;
use serde_json::json;

use crate::house::{House, png};

#[tokio::test]
async fn the_log_names_requests_and_no_secret() {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .init();
    let house = House::new().await;
    let member = house.member("fatou").await;
    let form = json!({"email": "fatou@example.org", "password": "wrongpass123"});
    house.post("/api/users/login/", form).await;
    for _ in 0..2 {
        house.post("/api/token/refresh/", json!({"refresh": member.refresh})).await;
    }
    let live = house.start_live(&member).await;
    // The name of a file is all that admits to it.
    let media = house.bring(&member, &png(4, 4, 4)).await.body;
    let path = media["file"].as_str().unwrap().strip_prefix("http://live.test").unwrap();
    let name = path.strip_prefix("/media/").unwrap();
    house.break_storage();
    house.look(path).await;
    let id = &media["id"];
    house.call(Method::DELETE, &format!("/api/posts/media/{id}/"), Some(&member), None).await;
    let text = log.text();
    assert!(text.contains("a file cannot be looked at"), "{text}");
    assert!(text.contains("an object that belongs to nothing is still there"), "{text}");
    assert!(text.contains("/api/posts/live/start/"), "{text}");
    assert!(text.contains("a used refresh token came back"), "{text}");
    let key = live["stream_key"].as_str().unwrap();
    for secret in [&member.access, &member.refresh, key, "testpass123", "wrongpass123", name] {
        assert!(!text.contains(secret));
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
