//! What protects accounts without being seen: as many hashes for whoever exists as for nobody,
//! hashes renewed, bodies that are too deep, headers on every answer.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use http::{Method, Request, StatusCode};
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, Unit};
use serde_json::json;

use crate::house::{House, account, config, request};

/// Counts the hashes that are computed for what is asked.
pub async fn hashes<T>(asked: impl Future<Output = T>) -> (T, u64) {
    let counted = Arc::new(Counted(AtomicU64::new(0)));
    let recorder = Hashes(counted.clone());
    let answer = {
        // The thread of a test is its own.
        let _recorded = metrics::set_default_local_recorder(&recorder);
        asked.await
    };
    (answer, counted.0.load(Ordering::Relaxed))
}

struct Counted(AtomicU64);

impl CounterFn for Counted {
    fn increment(&self, by: u64) {
        self.0.fetch_add(by, Ordering::Relaxed);
    }

    fn absolute(&self, _: u64) {}
}

struct Hashes(Arc<Counted>);

impl Recorder for Hashes {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            "api_password_hashes_total" => Counter::from_arc(self.0.clone()),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn an_unknown_address_costs_as_many_hashes_as_a_wrong_password() {
    let house = House::new().await;
    house.member("fatou").await;
    for email in ["fatou@example.org", "nobody@example.org"] {
        let form = json!({"email": email, "password": "wrongpass123"});
        let (answer, hashes) = hashes(house.post("/api/users/login/", form)).await;
        assert_eq!((answer.status, hashes), (StatusCode::UNAUTHORIZED, 1), "{email}");
    }
}

#[tokio::test]
async fn a_registration_with_a_taken_address_costs_as_many_hashes_as_one_with_a_free_one() {
    let house = House::new().await;
    house.member("fatou").await;
    for (email, status) in
        [("fatou@example.org", StatusCode::BAD_REQUEST), ("free@example.org", StatusCode::CREATED)]
    {
        let mut form = account("other");
        form["email"] = json!(email);
        let (answer, hashes) = hashes(house.post("/api/users/register/", form)).await;
        assert_eq!((answer.status, hashes), (status, 1), "{email}");
    }
}

#[tokio::test]
async fn a_sign_in_renews_a_hash_of_other_parameters_and_signs_nobody_out() {
    let mut stronger = config();
    stronger.passwords.memory_kib = 16;
    let house = House::with(stronger).await;
    let member = house.member("fatou").await;
    let stored = async || {
        let found = house.store.user_by_email("fatou@example.org").await.unwrap();
        found.unwrap().1
    };
    let weak = api::hash_password(&config().passwords, "testpass123".into()).unwrap();
    house.store.rehash_password(member.user_id(), &stored().await, &weak).await.unwrap();
    let login = async |password: &str| {
        let form = json!({"email": "fatou@example.org", "password": password});
        hashes(house.post("/api/users/login/", form)).await
    };
    assert_eq!(login("wrongpass123").await.1, 1);
    assert_eq!(stored().await, weak, "nobody knows the password but its member");
    let (answer, computed) = login("testpass123").await;
    assert_eq!((answer.status, computed), (StatusCode::OK, 2));
    assert!(stored().await.reveal().starts_with("$argon2id$v=19$m=16,t=1,p=1$"));
    assert_eq!(login("testpass123").await.1, 1);
    assert_eq!(house.get("/api/users/my-profile/", &member).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_body_that_is_too_deep_is_refused_as_no_json() {
    let house = House::new().await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{{\"email\":{}1{}}}", open.repeat(10_000), close.repeat(10_000));
        let request = Request::post("/api/users/login/")
            .header("content-type", "application/json")
            .body(deep.into())
            .unwrap();
        let answer = house.send(request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body["detail"].as_str().unwrap().starts_with("JSON parse error"));
    }
}

#[tokio::test]
async fn every_answer_says_that_it_is_data_and_no_page() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let start = "/api/posts/live/start/";
    let too_large = request(Method::POST, start, Some(&member), Some(json!("x".repeat(100_000))));
    let preflight = Request::options("/api/posts/")
        .header("origin", "http://localhost:3000")
        .header("access-control-request-method", "GET")
        .body(axum::body::Body::empty())
        .unwrap();
    for (asked, status) in [
        (request(Method::GET, "/api/health/", None, None), StatusCode::OK),
        (request(Method::GET, "/api/posts/", None, None), StatusCode::UNAUTHORIZED),
        (request(Method::GET, "/api/nothing/", None, None), StatusCode::NOT_FOUND),
        (request(Method::PUT, "/api/health/", None, None), StatusCode::METHOD_NOT_ALLOWED),
        (too_large, StatusCode::PAYLOAD_TOO_LARGE),
        (preflight, StatusCode::OK),
    ] {
        let answer = house.send(asked).await;
        assert_eq!(answer.status, status);
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("content-security-policy", "default-src 'none'; frame-ancestors 'none'"),
        ] {
            assert_eq!(answer.headers[name], value, "{status}: {name}");
        }
    }
}

#[tokio::test]
async fn a_page_of_any_number_is_a_page_or_not_found() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for page in ["0", "-1", "4294967295", "4294967296", "99999999999999999999", "1e9", "%C3%A9"] {
        for list in ["/api/posts/", "/api/notifications/", "/api/geography/regions/"] {
            let answer = house.get(&format!("{list}?page={page}&page_size=1000000"), &member).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{list} {page}");
        }
    }
}

#[tokio::test]
async fn the_pages_that_may_call_are_those_of_the_configuration_and_no_other() {
    let mut own = config();
    own.cors_origins = vec!["https://app.example.org".into()];
    let house = House::with(own).await;
    for (origin, may) in [
        ("https://app.example.org", true),
        ("http://localhost:3000", false),
        ("https://app.example.org.evil.test", false),
        ("null", false),
    ] {
        let mut asked = request(Method::GET, "/api/health/", None, None);
        asked.headers_mut().insert("origin", origin.parse().unwrap());
        let answer = house.send(asked).await;
        let allowed = answer.headers.get("access-control-allow-origin");
        assert_eq!(allowed.map(|value| value.to_str().unwrap()), may.then_some(origin));
    }
}
