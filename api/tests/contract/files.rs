//! Stored files: `/media/<name>`.

use axum::body::{Body, Bytes};
use http::{HeaderMap, Method, Request, StatusCode, header};

use crate::house::{House, mp4, png};

/// A house with one stored file, and where it is.
async fn stored(file: &[u8]) -> (House, String) {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let media = house.bring(&member, file).await.body;
    let path = media["file"].as_str().unwrap().strip_prefix("http://live.test").unwrap().to_owned();
    (house, path)
}

async fn ask(
    house: &House,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Bytes) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, bytes) = house.fetch(request.body(Body::empty()).unwrap()).await;
    (parts.status, parts.headers, bytes)
}

#[tokio::test]
async fn a_stored_file_is_sent_as_what_it_is_and_nothing_else() {
    for (file, kind) in [(png(4, 4, 200_000), "image/png"), (mp4(200_000), "video/mp4")] {
        let (house, path) = stored(&file).await;
        let (status, headers, bytes) = ask(&house, Method::GET, &path, &[]).await;
        assert_eq!((status, &bytes[..]), (StatusCode::OK, &file[..]));
        let name = path.rsplit('/').next().unwrap();
        for (header, value) in [
            ("content-type", kind),
            ("content-length", &file.len().to_string()),
            ("x-content-type-options", "nosniff"),
            ("content-security-policy", "default-src 'none'; sandbox"),
            ("content-disposition", &format!("inline; filename=\"{name}\"")),
            ("cache-control", "public, max-age=31536000, immutable"),
            ("accept-ranges", "bytes"),
            ("access-control-allow-origin", "*"),
            ("cross-origin-resource-policy", "cross-origin"),
            ("etag", &format!("\"{name}\"")),
        ] {
            assert_eq!(headers.get(header).unwrap(), value, "{header}");
        }
        assert!(headers.contains_key(header::LAST_MODIFIED));
        assert!(!headers.contains_key(header::SET_COOKIE));

        let (status, of_head, bytes) = ask(&house, Method::HEAD, &path, &[]).await;
        assert_eq!((status, bytes.len()), (StatusCode::OK, 0));
        assert_eq!(of_head, headers);
    }
}

#[tokio::test]
async fn a_part_of_a_file_is_the_bytes_that_were_asked_for() {
    let file: Vec<u8> = png(4, 4, 200_000);
    let (house, path) = stored(&file).await;
    let size = file.len();
    for (range, first, last) in
        [("bytes=0-9", 0, 9), ("bytes=70000-", 70_000, size - 1), ("bytes=-5", size - 5, size - 1)]
    {
        let (status, headers, bytes) = ask(&house, Method::GET, &path, &[("range", range)]).await;
        assert_eq!(status, StatusCode::PARTIAL_CONTENT);
        assert_eq!(bytes, file[first..=last], "{range}");
        assert_eq!(headers[header::CONTENT_RANGE], format!("bytes {first}-{last}/{size}"));
        assert_eq!(headers[header::CONTENT_LENGTH], (last - first + 1).to_string());
    }
    let past = format!("bytes={size}-");
    let (status, headers, _) = ask(&house, Method::GET, &path, &[("range", &past)]).await;
    assert_eq!(status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(headers[header::CONTENT_RANGE], format!("bytes */{size}"));
    let several = [("range", "bytes=0-1,5-6")];
    let (status, _, bytes) = ask(&house, Method::GET, &path, &several).await;
    assert_eq!((status, bytes.len()), (StatusCode::OK, size));
}

#[tokio::test]
async fn a_part_of_another_file_than_the_client_has_is_the_whole() {
    let (house, path) = stored(&png(4, 4, 1000)).await;
    let (_, headers, _) = ask(&house, Method::HEAD, &path, &[]).await;
    let (etag, at) = (headers[header::ETAG].to_str(), headers[header::LAST_MODIFIED].to_str());
    for (known, status) in [
        (etag.unwrap(), StatusCode::PARTIAL_CONTENT),
        (at.unwrap(), StatusCode::PARTIAL_CONTENT),
        ("\"another\"", StatusCode::OK),
        ("W/\"another\"", StatusCode::OK),
        ("Thu, 01 Jan 1970 00:00:00 GMT", StatusCode::OK),
    ] {
        let asked = [("range", "bytes=0-9"), ("if-range", known)];
        assert_eq!(ask(&house, Method::GET, &path, &asked).await.0, status, "{known}");
    }
}

#[tokio::test]
async fn a_file_that_the_client_has_is_not_sent_again() {
    let (house, path) = stored(&png(4, 4, 1000)).await;
    let (_, headers, _) = ask(&house, Method::HEAD, &path, &[]).await;
    let etag = headers[header::ETAG].to_str().unwrap().to_owned();
    let at = headers[header::LAST_MODIFIED].to_str().unwrap().to_owned();
    let list = format!("\"other\", W/{etag}");
    for (header, known, status) in [
        ("if-none-match", etag.as_str(), StatusCode::NOT_MODIFIED),
        ("if-none-match", list.as_str(), StatusCode::NOT_MODIFIED),
        ("if-none-match", "*", StatusCode::NOT_MODIFIED),
        ("if-none-match", "\"other\"", StatusCode::OK),
        ("if-modified-since", at.as_str(), StatusCode::NOT_MODIFIED),
        ("if-modified-since", "Thu, 01 Jan 1970 00:00:00 GMT", StatusCode::OK),
        ("if-modified-since", "yesterday", StatusCode::OK),
    ] {
        let answer = ask(&house, Method::GET, &path, &[(header, known)]).await;
        assert_eq!(answer.0, status, "{header}: {known}");
        assert_eq!(answer.2.is_empty(), status == StatusCode::NOT_MODIFIED);
    }
    // What a client knows by name outweighs what it knows by time.
    let both = [("if-none-match", "\"other\""), ("if-modified-since", at.as_str())];
    assert_eq!(ask(&house, Method::GET, &path, &both).await.0, StatusCode::OK);
}

#[tokio::test]
async fn whoever_finds_too_many_reading_is_told_to_come_again() {
    let storage = storage::Config { reads_at_once: 1, ..storage::Config::default() };
    let house = House::with_storage(crate::house::config(), storage).await;
    let member = house.member("fatou").await;
    let media = house.bring(&member, &png(4, 4, 1000)).await.body;
    let path = media["file"].as_str().unwrap().strip_prefix("http://live.test").unwrap();
    let name = path.strip_prefix("/media/").unwrap().parse().unwrap();
    let reader = house.storage.read(&name, 0..1000).await.unwrap();
    let (status, headers, _) = ask(&house, Method::GET, path, &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers[header::RETRY_AFTER], "5");
    assert_eq!(ask(&house, Method::HEAD, path, &[]).await.0, StatusCode::OK, "it opens nothing");
    drop(reader);
    assert_eq!(ask(&house, Method::GET, path, &[]).await.0, StatusCode::OK);
}

#[tokio::test]
async fn what_is_no_name_or_no_file_is_not_found_and_not_remembered() {
    let (house, path) = stored(&png(4, 4, 1000)).await;
    let other = path.replace(".png", ".jpg");
    for path in [
        &other,
        "/media/",
        "/media/x",
        "/media/..%2Fapi.db",
        "/media/%2e%2e%2fapi.db",
        "/media/..%2Fincoming%2Fx",
        "/media/%00",
        "/media/%ff",
    ] {
        let (status, headers, _) = ask(&house, Method::GET, path, &[]).await;
        assert!(status.is_client_error(), "{path}: {status}");
        assert_ne!(
            headers.get("cache-control").map(|value| value.as_bytes()),
            Some(&b"public, max-age=31536000, immutable"[..])
        );
    }
    for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        let (status, ..) = ask(&house, method, &path, &[]).await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }
}
