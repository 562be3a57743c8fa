//! Files that come in pieces (tus 1.0.0).

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use futures_util::StreamExt as _;
use http::{Method, Request, StatusCode, header};
use serde_json::json;

use crate::house::{Answer, House, Member, config, mp4, png};

const ROOT: &str = "/api/uploads/";

/// A request with what every one of them may need.
pub fn request(
    method: Method,
    path: &str,
    member: Option<&Member>,
    offset: usize,
    piece: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "live.test")
        .header("tus-resumable", "1.0.0")
        .header("upload-length", "100")
        .header("upload-offset", offset)
        .header(header::CONTENT_TYPE, "application/offset+octet-stream");
    if let Some(member) = member {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", member.access));
    }
    request.body(piece.into()).unwrap()
}

async fn begin(house: &House, member: &Member, length: usize, metadata: &str) -> Answer {
    let mut request = request(Method::POST, ROOT, Some(member), 0, Body::empty());
    request.headers_mut().insert("upload-length", length.into());
    request.headers_mut().insert("upload-metadata", metadata.parse().unwrap());
    house.send(request).await
}

/// Where a new upload of so many bytes goes on.
pub async fn create(house: &House, member: &Member, length: usize) -> String {
    // "film.mp4", "Le soir"
    let answer =
        begin(house, member, length, "filename ZmlsbS5tcDQ=,description TGUgc29pcg==,is_x").await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let url = answer.headers[header::LOCATION].to_str().unwrap();
    url.strip_prefix("http://live.test").unwrap().to_owned()
}

async fn send(house: &House, member: &Member, path: &str, at: usize, piece: &[u8]) -> Answer {
    house.send(request(Method::PATCH, path, Some(member), at, piece.to_vec())).await
}

async fn offset(house: &House, member: &Member, path: &str) -> usize {
    let answer = house.send(request(Method::HEAD, path, Some(member), 0, Body::empty())).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.headers["cache-control"], "no-store");
    answer.headers["upload-offset"].to_str().unwrap().parse().unwrap()
}

/// Files of uploads that are not whole.
fn partial(house: &House) -> usize {
    house.files_in("incoming/partial")
}

#[tokio::test]
async fn a_file_in_pieces_becomes_the_media_a_form_would_have_made() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = mp4(10_000);
    let path = create(&house, &member, file.len()).await;
    let mut at = 0;
    for piece in file.chunks(3000) {
        assert_eq!(offset(&house, &member, &path).await, at);
        let answer = send(&house, &member, &path, at, piece).await;
        at += piece.len();
        assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.text);
        assert_eq!(answer.headers["upload-offset"], at.to_string());
        assert_eq!(answer.headers["tus-resumable"], "1.0.0");
        assert_eq!(answer.headers.contains_key("media-id"), at == file.len());
    }
    // Whoever lost the last answer asks again.
    let again = send(&house, &member, &path, at, b"").await;
    let media = again.headers["media-id"].to_str().unwrap();
    let media = house.get(&format!("/api/posts/media/{media}/"), &member).await.body;
    assert_eq!((&media["title"], &media["description"]), (&json!("film.mp4"), &json!("Le soir")));
    assert_eq!((&media["file_size"], &media["duration"]), (&json!(at), &json!("00:01:00")));
    let stored = media["file"].as_str().unwrap().strip_prefix("http://live.test").unwrap();
    let (_, bytes) = house.fetch(crate::house::request(Method::GET, stored, None, None)).await;
    assert_eq!(bytes, file);
    assert_eq!((partial(&house), house.files_in("incoming"), house.files_in("media")), (0, 0, 1));
}

#[tokio::test]
async fn a_piece_that_broke_off_is_kept_as_far_as_it_came() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = png(4, 4, 10_000);
    let path = create(&house, &member, file.len()).await;
    let came = futures_util::stream::iter([Ok(file[..5000].to_vec())]);
    let broke = futures_util::stream::iter([Err(std::io::Error::other("a tunnel"))]);
    let body = Body::from_stream(came.chain(broke));
    house.send(request(Method::PATCH, &path, Some(&member), 0, body)).await;
    assert_eq!(offset(&house, &member, &path).await, 5000);
    let answer = send(&house, &member, &path, 5000, &file[5000..]).await;
    assert!(answer.headers.contains_key("media-id"), "{}", answer.text);
}

#[tokio::test]
async fn a_piece_goes_on_where_the_file_stopped_and_nowhere_else() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = png(4, 4, 1000);
    let path = create(&house, &member, file.len()).await;
    send(&house, &member, &path, 0, &file[..500]).await;
    for at in [0, 499, 501, 9999] {
        let answer = send(&house, &member, &path, at, &file[500..]).await;
        assert_eq!(answer.status, StatusCode::CONFLICT, "{at}");
    }
    let answer = send(&house, &member, &path, 500, &vec![0; 2000]).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert_eq!(offset(&house, &member, &path).await, 500);
    let mut request = request(Method::PATCH, &path, Some(&member), 500, file[500..].to_vec());
    request.headers_mut().insert("content-type", "application/json".parse().unwrap());
    assert_eq!(house.send(request).await.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}

/// A piece that begins to come, and comes no further.
fn never() -> Body {
    Body::from_stream(futures_util::stream::pending::<std::io::Result<Vec<u8>>>())
}

/// Waits for something, and lets others go on meanwhile.
async fn until(is_so: impl Fn() -> bool) {
    let waits = async {
        while !is_so() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waits).await.expect("it comes to be so");
}

/// What is answered once nothing else is done to the upload.
async fn in_turn(house: &House, member: &Member, method: Method, path: &str, at: usize) -> Answer {
    loop {
        let request = request(method.clone(), path, Some(member), at, Body::empty());
        let answer = house.send(request).await;
        if answer.status != StatusCode::LOCKED {
            return answer;
        }
    }
}

#[tokio::test]
async fn one_thing_at_a_time_is_done_to_an_upload() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = create(&house, &member, 1000).await;
    let mut first = Box::pin(house.send(request(Method::PATCH, &path, Some(&member), 0, never())));
    tokio::select! {
        _ = &mut first => panic!("a piece that never comes was answered"),
        () = until(|| partial(&house) > 0) => {}
    }
    for method in [Method::PATCH, Method::HEAD, Method::DELETE] {
        let second = request(method.clone(), &path, Some(&member), 0, Body::empty());
        assert_eq!(house.send(second).await.status, StatusCode::LOCKED, "{method}");
    }
    drop(first);
    let next = in_turn(&house, &member, Method::PATCH, &path, 0).await;
    assert_eq!(next.status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn an_upload_that_was_given_up_is_not_begun_again_by_what_came_beside() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for _ in 0..10 {
        let path = create(&house, &member, 1000).await;
        let delete = request(Method::DELETE, &path, Some(&member), 0, Body::empty());
        tokio::join!(
            send(&house, &member, &path, 0, b""),
            house.send(delete),
            send(&house, &member, &path, 0, b""),
        );
        in_turn(&house, &member, Method::DELETE, &path, 0).await;
        assert_eq!(partial(&house), 0);
    }
}

#[tokio::test]
async fn asking_how_much_has_come_makes_no_file() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = create(&house, &member, 1000).await;
    assert_eq!(offset(&house, &member, &path).await, 0);
    assert_eq!(partial(&house), 0);
}

#[tokio::test]
async fn pieces_whose_upload_is_gone_are_deleted() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = create(&house, &member, 1000).await;
    send(&house, &member, &path, 0, &png(4, 4, 10)).await;
    house.storage.partial(7).await.unwrap().write(b"a piece").await.unwrap();
    assert_eq!(partial(&house), 2);
    api::tidy(&house.store, &house.storage, house.now_ms()).await;
    assert_eq!(partial(&house), 1);
    assert_eq!(offset(&house, &member, &path).await, png(4, 4, 10).len());
}

/// A client takes "all is there" for the end, and does not come back.
#[tokio::test]
async fn a_file_that_is_whole_and_no_media_yet_becomes_it_when_it_is_asked_about() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = mp4(10_000);
    let path = create(&house, &member, file.len()).await;
    house.break_storage();
    let answer = send(&house, &member, &path, 0, &file).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{}", answer.text);
    let answer = in_turn(&house, &member, Method::HEAD, &path, 0).await;
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    house.mend_storage();
    let answer = in_turn(&house, &member, Method::HEAD, &path, 0).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.headers["upload-offset"], file.len().to_string());
    let media = answer.headers["media-id"].to_str().unwrap();
    let media = house.get(&format!("/api/posts/media/{media}/"), &member).await.body;
    assert_eq!(media["file_size"], file.len());
    assert_eq!((partial(&house), house.files_in("media")), (0, 1));
}

#[tokio::test]
async fn a_file_whose_sender_leaves_at_its_end_becomes_media_all_the_same() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = mp4(10_000);
    let path = create(&house, &member, file.len()).await;
    let mut last = Box::pin(send(&house, &member, &path, 0, &file));
    tokio::select! {
        biased;
        () = until(|| house.bytes_in("incoming/partial") == file.len()) => {}
        _ = &mut last => panic!("it was to be left"),
    }
    drop(last);
    until(|| partial(&house) == 0).await;
    let answer = in_turn(&house, &member, Method::HEAD, &path, 0).await;
    assert!(answer.headers.contains_key("media-id"), "{:?}", answer.headers);
}

/// All of it has come, though not the end of its piece.
#[tokio::test]
async fn a_file_that_is_whole_becomes_media_however_its_piece_ends() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = mp4(10_000);
    let path = create(&house, &member, file.len()).await;
    let came = futures_util::stream::iter([Ok::<_, std::io::Error>(file.clone())]);
    let body = Body::from_stream(came.chain(futures_util::stream::pending()));
    let mut last = Box::pin(house.send(request(Method::PATCH, &path, Some(&member), 0, body)));
    tokio::select! {
        () = until(|| house.bytes_in("incoming/partial") == file.len()) => {}
        _ = &mut last => panic!("a piece that does not end was answered"),
    }
    drop(last);
    until(|| partial(&house) == 0).await;
    let answer = in_turn(&house, &member, Method::HEAD, &path, 0).await;
    assert!(answer.headers.contains_key("media-id"), "{:?}", answer.headers);

    let path = create(&house, &member, file.len()).await;
    let came = futures_util::stream::iter([Ok(file.clone())]);
    let broke = futures_util::stream::iter([Err(std::io::Error::other("a tunnel"))]);
    let body = Body::from_stream(came.chain(broke));
    let answer = house.send(request(Method::PATCH, &path, Some(&member), 0, body)).await;
    assert!(answer.headers.contains_key("media-id"), "{}", answer.text);
}

/// The one thread that may block is kept busy, so that what is written waits for it.
#[test]
fn what_is_being_written_when_its_sender_leaves_is_written_before_anything_else_is_done() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().max_blocking_threads(1).build();
    runtime.unwrap().block_on(async {
        let house = House::new().await;
        let member = house.member("fatou").await;
        let file = mp4(10_000);
        let path = create(&house, &member, file.len()).await;
        let (free, is_free) = std::sync::mpsc::channel::<()>();
        let came = Arc::new(AtomicBool::new(false));
        let body = futures_util::stream::once({
            let (piece, came) = (file[..5000].to_vec(), came.clone());
            async move {
                tokio::task::spawn_blocking(move || is_free.recv());
                came.store(true, Ordering::Relaxed);
                Ok::<_, std::io::Error>(piece)
            }
        });
        let body = Body::from_stream(body.chain(futures_util::stream::pending()));
        let mut first = Box::pin(house.send(request(Method::PATCH, &path, Some(&member), 0, body)));
        tokio::select! {
            _ = &mut first => panic!("a piece that is not written was answered"),
            () = until(|| came.load(Ordering::Relaxed)) => {}
        }
        drop(first);
        let look = house.send(request(Method::HEAD, &path, Some(&member), 0, Body::empty()));
        let look = tokio::time::timeout(Duration::from_secs(20), look).await;
        assert_eq!(look.expect("it does not wait").status, StatusCode::LOCKED);
        drop(free);
        let look = in_turn(&house, &member, Method::HEAD, &path, 0).await;
        assert_eq!(look.headers["upload-offset"], "5000");
    });
}

#[tokio::test]
async fn a_file_in_pieces_is_held_to_the_limits_of_a_form() {
    let mut config = config();
    config.uploads.image_max_bytes = 1 << 20;
    config.uploads.video_max_bytes = 2 << 20;
    config.uploads.member_max_bytes = 3 << 20;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let answer = begin(&house, &member, (2 << 20) + 1, "").await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);

    for (file, length, message) in [
        (&b"<html><script>"[..], 100, "Seuls les fichiers image et vidéo sont autorisés"),
        (&png(4, 4, 10), (1 << 20) + 1, "L'image ne peut pas dépasser 1MB"),
        (&png(4, 4, 10)[..60], 60, "Le fichier est endommagé ou incomplet."),
        (b"x", 1, "Seuls les fichiers image et vidéo sont autorisés"),
    ] {
        let path = create(&house, &member, length).await;
        let answer = send(&house, &member, &path, 0, file).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert_eq!(answer.body, json!({"file": [message]}));
        let gone = send(&house, &member, &path, 0, file).await;
        assert_eq!(gone.status, StatusCode::NOT_FOUND);
    }
    create(&house, &member, 2 << 20).await;
    let answer = begin(&house, &member, 2 << 20, "").await;
    assert_eq!(answer.body, json!({"file": ["Vos fichiers ne peuvent pas dépasser 3MB en tout"]}));
    assert_eq!((partial(&house), house.files_in("media")), (0, 0));
}

#[tokio::test]
async fn what_cannot_be_an_upload_is_refused() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for length in ["", "0", "-1", "+5", "x", "99999999999999999999999"] {
        let mut request = request(Method::POST, ROOT, Some(&member), 0, Body::empty());
        request.headers_mut().insert("upload-length", length.parse().unwrap());
        let answer = house.send(request).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{length}: {}", answer.text);
    }
    for metadata in
        ["filename !", "filename /w==", "title ====", &format!("title {}", "YWFh".repeat(100))]
    {
        let answer = begin(&house, &member, 10, metadata).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{metadata}: {}", answer.text);
    }
    for id in ["1", "..%2F1", "0123456789ABCDEF0123456789ABCDEF", &"0".repeat(32)] {
        let path = format!("{ROOT}{id}/");
        assert_eq!(send(&house, &member, &path, 0, b"").await.status, StatusCode::NOT_FOUND);
    }
    for _ in 0..10 {
        create(&house, &member, 10).await;
    }
    let eleventh = begin(&house, &member, 10, "").await;
    assert_eq!(eleventh.status, StatusCode::BAD_REQUEST, "{}", eleventh.text);
}

#[tokio::test]
async fn a_client_of_another_version_is_told_which_is_spoken() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let mut request = request(Method::POST, ROOT, Some(&member), 0, Body::empty());
    request.headers_mut().insert("tus-resumable", "0.2.2".parse().unwrap());
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::PRECONDITION_FAILED);
    assert_eq!(answer.headers["tus-version"], "1.0.0");
    let options = Request::options(ROOT).header("origin", "http://localhost:3000");
    let answer = house.send(options.body(Body::empty()).unwrap()).await;
    assert!(answer.status.is_success());
    assert_eq!(answer.headers["tus-version"], "1.0.0");
    assert_eq!(answer.headers["tus-extension"], "creation,expiration,termination");
    let allowed = answer.headers["access-control-allow-headers"].to_str().unwrap();
    for name in ["tus-resumable", "upload-length", "upload-metadata", "upload-offset"] {
        assert!(allowed.contains(name), "{allowed}");
    }
}

#[tokio::test]
async fn an_upload_that_nobody_goes_on_with_is_given_up() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = png(4, 4, 1000);
    let (old, young) =
        (create(&house, &member, file.len()).await, create(&house, &member, file.len()).await);
    send(&house, &member, &old, 0, &file[..100]).await;
    house.pass_s(1800);
    send(&house, &member, &young, 0, &file[..100]).await;
    house.pass_s(1000);
    api::tidy(&house.store, &house.storage, house.now_ms()).await;
    assert_eq!(partial(&house), 2);
    let day_ms = 24 * 60 * 60 * 1000;
    api::tidy(&house.store, &house.storage, house.now_ms() - 1_000_001 + day_ms).await;
    assert_eq!(partial(&house), 1);
    assert_eq!(offset(&house, &member, &young).await, 100);

    let answer = house.send(request(Method::DELETE, &young, Some(&member), 0, Body::empty())).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(partial(&house), 0);
}
