//! What holds for every request: shapes of errors, slashes, bodies, origins, the log, the metrics.

use std::{
    io::{self, Read},
    sync::Mutex,
};

use http::{Method, Request, StatusCode, header::ACCEPT_ENCODING};
use serde_json::json;

use crate::house::{Answer, House, account, config, request, signed_in};

fn post(
    path: &str,
    content_type: &str,
    body: impl Into<axum::body::Body>,
) -> Request<axum::body::Body> {
    Request::post(path).header("content-type", content_type).body(body.into()).unwrap()
}

fn preflight(origin: &str) -> Request<axum::body::Body> {
    Request::options("/api/posts/live/start/")
        .header("origin", origin)
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "authorization,content-type")
        .body("".into())
        .unwrap()
}

fn has_header(answer: &Answer, name: &str, part: &str) -> bool {
    answer.headers.get(name).is_some_and(|value| value.to_str().unwrap().contains(part))
}

#[tokio::test]
async fn health_says_ok() {
    let answer = House::new().await.look("/api/health/").await;
    assert_eq!(answer.status, StatusCode::OK);
    let message = "API CommuniConnect is running";
    let body = json!({"status": "ok", "message": message, "media_processing": "off"});
    assert_eq!(answer.body, body);
}

#[tokio::test]
async fn health_says_when_the_database_is_gone() {
    let house = House::new().await;
    house.store.close().await;
    assert_eq!(house.look("/api/health/").await.status, StatusCode::SERVICE_UNAVAILABLE);
}

/// Defect 14.
#[tokio::test]
async fn health_tells_whether_recordings_reach_their_bucket_and_is_well_without() {
    let house = House::new().await;
    for (bucket, told) in
        [(None, json!(null)), (Some(true), json!("on")), (Some(false), json!("away"))]
    {
        *house.control.bucket.lock().unwrap() = bucket;
        let health = house.look("/api/health/").await;
        assert_eq!((health.status, &health.body["bucket"]), (StatusCode::OK, &told));
    }
}

#[tokio::test]
async fn a_database_that_is_gone_is_not_described() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    house.store.close().await;
    let answer = house.get("/api/posts/", &member).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers.contains_key("retry-after"));
    for word in ["pool", "closed", "sql", "database"] {
        assert!(!answer.text.to_lowercase().contains(word), "{}", answer.text);
    }
}

#[tokio::test]
async fn an_unknown_path_is_a_404_in_json() {
    let house = House::new().await;
    for path in ["/api", "/api/", "/api/nothing/", "/api/posts/1/nothing/", "/api//posts/"] {
        let answer = house.look(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}), "{path}");
        assert_eq!(answer.headers["content-type"], "application/json", "{path}");
    }
}

/// Defect 22.
#[tokio::test]
async fn a_wrong_method_is_a_405_that_says_the_right_ones() {
    let house = House::new().await;
    for (method, path, allowed) in [
        (Method::PUT, "/api/posts/live/start/", "POST"),
        (Method::POST, "/api/posts/live/5/stop/", "PUT"),
        (Method::DELETE, "/api/geography/regions/", "GET"),
    ] {
        let answer = house.call(method.clone(), path, None, None).await;
        assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.body, json!({"detail": format!("Méthode « {method} » non autorisée.")}));
        assert!(has_header(&answer, "allow", allowed), "{path}");
    }
}

/// Defect 22.
#[tokio::test]
async fn a_path_means_the_same_without_its_last_slash() {
    let house = House::new().await;
    let answer = house.post("/api/users/register", account("fatou")).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let member = signed_in(&answer);
    assert_eq!(house.get("/api/users/my-profile", &member).await.status, StatusCode::OK);
    assert_eq!(house.get("/api/posts?type=live", &member).await.status, StatusCode::OK);
    let quartier = house.quartier("Kaloum");
    let path = format!("/api/geography/quartiers/{quartier}");
    assert_eq!(house.look(&path).await.status, StatusCode::OK);
    let answer = house.call(Method::PUT, "/api/posts/live/start", None, None).await;
    assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn what_is_not_json_is_refused_as_such() {
    let house = House::new().await;
    for text in ["{", "{\"a\":}", "nothing", "\u{feff}{}", "{} {}"] {
        let answer = house.send(post("/api/users/login/", "application/json", text)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}");
        let detail = answer.body["detail"].as_str().unwrap();
        assert!(detail.starts_with("JSON parse error - "), "{detail}");
    }
    let deep = "[".repeat(10_000);
    let answer = house.send(post("/api/users/login/", "application/json", deep)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_that_is_no_object_is_a_400() {
    let house = House::new().await;
    for text in ["null", "3", "[]", "\"x\""] {
        let answer = house.send(post("/api/users/register/", "application/json", text)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{text}");
        assert!(answer.body["non_field_errors"][0].is_string());
    }
}

#[tokio::test]
async fn a_body_of_another_type_is_a_415_and_one_too_large_a_413() {
    let house = House::new().await;
    let answer = house.send(post("/api/users/login/", "text/xml", "<a/>")).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    assert_eq!(answer.body["detail"], "Type de média « text/xml » non supporté dans la requête.");
    let large = format!("{{\"email\": \"{}\"}}", "a".repeat(64 * 1024));
    let answer = house.send(post("/api/users/login/", "application/json", large)).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.body["detail"].is_string());
}

#[tokio::test]
async fn a_stranger_is_refused_before_his_body_is_read() {
    let house = House::new().await;
    let answer = house.send(post("/api/posts/live/start/", "application/json", "{")).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_given_up() {
    let mut config = config();
    config.request_timeout_ms = 1;
    let house = House::with(config).await;
    let never = axum::body::Body::new(NeverEnding);
    let answer = house.send(post("/api/users/login/", "application/json", never)).await;
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn the_pages_of_the_web_client_may_call() {
    let house = House::new().await;
    let answer = house.send(preflight("http://localhost:3000")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert!(has_header(&answer, "access-control-allow-origin", "http://localhost:3000"));
    assert!(has_header(&answer, "access-control-allow-credentials", "true"));
    assert!(has_header(&answer, "access-control-allow-methods", "PATCH"));
    assert!(has_header(&answer, "access-control-allow-headers", "authorization"));
    assert!(has_header(&answer, "access-control-max-age", "86400"));
}

#[tokio::test]
async fn a_page_from_elsewhere_may_not() {
    let house = House::new().await;
    let answer = house.send(preflight("https://evil.example")).await;
    assert!(!answer.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn an_error_can_be_read_across_origins_too() {
    let house = House::new().await;
    let mut request = request(Method::GET, "/api/nothing/", None, None);
    request.headers_mut().insert("origin", "http://127.0.0.1:3001".parse().unwrap());
    let answer = house.send(request).await;
    assert!(has_header(&answer, "access-control-allow-origin", "http://127.0.0.1:3001"));
}

#[tokio::test]
async fn every_answer_is_named_and_kept_by_no_cache() {
    let house = House::new().await;
    for path in ["/api/health/", "/api/nothing/", "/api/posts/"] {
        let answer = house.look(path).await;
        assert_eq!(answer.headers["cache-control"], "no-store", "{path}");
        assert_eq!(answer.headers["x-request-id"].len(), 16, "{path}");
        assert_eq!(answer.headers["x-content-type-options"], "nosniff", "{path}");
    }
}

#[tokio::test]
async fn a_long_answer_travels_compressed_to_who_takes_it_so() {
    let house = House::new().await;
    let asked = |path: &str, coding: &str| {
        let mut request = request(Method::GET, path, None, None);
        request.headers_mut().insert(ACCEPT_ENCODING, coding.parse().unwrap());
        request
    };
    let path = "/api/users/geographic-data/";
    let (parts, packed) = house.fetch(asked(path, "gzip, br")).await;
    assert_eq!(parts.headers["content-encoding"], "gzip");
    assert!(parts.headers["vary"].to_str().unwrap().contains("accept-encoding"));
    let mut text = String::new();
    flate2::read::GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let (parts, plain) = house.fetch(asked(path, "identity")).await;
    assert!(!parts.headers.contains_key("content-encoding"));
    assert_eq!(text.as_bytes(), &plain[..]);
    assert!(packed.len() * 4 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
    // It would save no packet.
    let (parts, _) = house.fetch(asked("/api/health/", "gzip")).await;
    assert!(!parts.headers.contains_key("content-encoding"));
}

#[test]
fn a_setting_that_cannot_be_is_refused_by_its_name() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let house = House::new().await;
        let mut config = config();
        config.access_token_s = 0;
        let refused = api::router(
            house.store.clone(),
            house.storage.clone(),
            house.workshop.clone(),
            config,
            house.control.clone(),
        )
        .unwrap_err();
        assert!(refused.to_string().starts_with("access_token_s:"), "{refused}");
    });
}

#[test]
fn requests_are_counted_by_route_and_never_by_what_strangers_write() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let counted = Counted::default();
    metrics::with_local_recorder(&counted, || {
        runtime.block_on(async {
            let house = House::new().await;
            house.look("/api/geography/regions/1/").await;
            house.look("/api/made-up-by-a-stranger/").await;
            let odd = Request::builder().method("ODD").uri("/api/health/").body("".into());
            house.send(odd.unwrap()).await;
        });
    });
    let keys = counted.0.lock().unwrap().join("\n");
    assert!(keys.contains("/api/geography/regions/{id}/"), "{keys}");
    assert!(!keys.contains("made-up") && !keys.contains("ODD"), "{keys}");
}

/// A body whose end never comes.
struct NeverEnding;

impl http_body::Body for NeverEnding {
    type Data = bytes::Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<http_body::Frame<bytes::Bytes>, io::Error>>> {
        std::task::Poll::Pending
    }
}

/// Remembers the keys of what is counted.
#[derive(Default)]
struct Counted(Mutex<Vec<String>>);

impl metrics::Recorder for Counted {
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
        self.0.lock().unwrap().push(key.to_string());
        metrics::Counter::noop()
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        self.0.lock().unwrap().push(key.to_string());
        metrics::Gauge::noop()
    }

    fn register_histogram(
        &self,
        key: &metrics::Key,
        _: &metrics::Metadata<'_>,
    ) -> metrics::Histogram {
        self.0.lock().unwrap().push(key.to_string());
        metrics::Histogram::noop()
    }
}
