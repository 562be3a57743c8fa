//! Media: pictures and videos that members bring (contract, sections 2.4, 5 and 8).

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use api::{Rate, Uploads};
use axum::body::Body;
use http::{Method, StatusCode, header};
use serde_json::{Value, json};
use store::{Approval, MediaId, MediaType, NewMedia};

use crate::house::{Answer, House, Member, Part, account, config, form, mp4, png, signed_in};

const UPLOAD: &str = "/api/posts/media/upload/";
const LIST: &str = "/api/posts/media/";

fn path_of(url: &Value) -> String {
    url.as_str().unwrap().strip_prefix("http://live.test").unwrap().to_owned()
}

async fn refusal(house: &House, member: &Member, file: &[u8]) -> String {
    let answer = house.bring(member, file).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!(house.files_in("media"), 0);
    assert_eq!(answer.body.as_object().unwrap().len(), 1, "{}", answer.text);
    answer.body["file"][0].as_str().expect(&answer.text).to_owned()
}

async fn record(house: &House, member: &Member, live: i64, file: &[u8]) -> Answer {
    let parts = [Part::file("video", "live_video_1.webm", file)];
    house.send(form("POST", &format!("/api/posts/live/{live}/upload-video/"), member, &parts)).await
}

/// Defects 34 and 35 of the first version.
#[tokio::test]
async fn what_is_brought_is_answered_as_media_with_absolute_addresses_and_what_was_measured() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let file = png(640, 480, 1000);
    let parts = [
        Part::text("title", "Marché.png"),
        Part::file("file", "../../etc/Marché.html", &file),
        Part::text("description", "À Madina"),
    ];
    let answer = house.send(form("POST", UPLOAD, &member, &parts)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let url = answer.body["file"].as_str().unwrap();
    assert!(url.starts_with("http://live.test/media/") && url.ends_with(".png"), "{url}");
    let name = url.rsplit('/').next().unwrap();
    assert_eq!(name.len(), 32 + 4, "128 bits that nobody can guess: {name}");
    assert_eq!(
        answer.body,
        json!({
            "id": answer.body["id"], "file": url, "file_url": url, "file_type": "image/png",
            "media_type": "image", "title": "Marché.png", "description": "À Madina",
            "duration": null, "file_size": file.len(), "width": 640, "height": 480,
            "is_appropriate": true, "approval_status": "approved", "moderation_score": null,
            "is_live": false, "live_viewers_count": 0, "thumbnail_url": url, "blur_hash": null,
            "processing_status": "done", "processing_progress": 100, "status_reason": null,
            "is_approved_for_publication": true, "cdn_url": null, "cdn_public_id": null,
            "created_at": "2025-07-23T11:05:00.000000Z",
        })
    );
    let (parts, bytes) = house
        .fetch(crate::house::request(Method::GET, &path_of(&answer.body["file"]), None, None))
        .await;
    assert_eq!(parts.status, StatusCode::OK);
    assert_eq!(bytes, file);
    assert_eq!(house.files_in("incoming"), 0);
}

#[tokio::test]
async fn a_video_says_how_long_it_is_and_is_not_its_own_thumbnail() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let media = house.bring(&member, &mp4(1000)).await.body;
    assert_eq!(media["media_type"], "video");
    assert_eq!(media["file_type"], "video/mp4");
    assert_eq!(media["duration"], "00:01:00");
    assert_eq!((&media["width"], &media["height"]), (&json!(640), &json!(360)));
    assert_eq!(media["thumbnail_url"], Value::Null);
    assert!(media["file"].as_str().unwrap().ends_with(".mp4"), "{media}");
}

/// Defect 9 of the first version.
#[tokio::test]
async fn the_type_of_a_file_is_decided_from_its_content_alone() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
    let not_taken = "Seuls les fichiers image et vidéo sont autorisés";
    for file in [
        &svg[..],
        b"<!DOCTYPE html><script>alert(1)</script>",
        b"BM\x36\0\0\0\0\0\0\0\x36\0\0\0",
        b"%PDF-1.7 and so on and so on",
        b"\x89PNG\r\n\x1a\r and so on and so on",
        b"\0\0\0\x20ftypheic\0\0\0\0mif1heic",
        b"GIF",
        b"x",
    ] {
        assert_eq!(refusal(&house, &member, file).await, not_taken);
    }
    let damaged = "Le fichier est endommagé ou incomplet.";
    let (picture, video) = (png(4, 4, 1000), mp4(1000));
    for file in [
        &picture[..500],
        &video[..500],
        &[&picture[..], b"PK\x03\x04 an archive"].concat(),
        b"GIF89a/*<script>alert(1)</script>*/=1;",
        b"\xff\xd8\xff\xe0<script>alert(1)</script>",
    ] {
        assert_eq!(refusal(&house, &member, file).await, damaged);
    }
}

#[tokio::test]
async fn a_file_that_is_missing_or_empty_is_told_so() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    assert_eq!(refusal(&house, &member, b"").await, "Le fichier soumis est vide.");
    let missing = json!({"file": ["Aucun fichier n'a été soumis."]});
    for parts in [
        vec![],
        vec![Part::text("title", "rien")],
        vec![Part::text("file", "a text")],
        vec![Part::file("file", "", b"")],
        vec![Part::file("other", "a.png", &png(4, 4, 4))],
    ] {
        let answer = house.send(form("POST", UPLOAD, &member, &parts)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert_eq!(answer.body, missing);
    }
    let answer = house.call(Method::POST, UPLOAD, Some(&member), Some(json!({"file": 1}))).await;
    assert_eq!(answer.body, missing);
}

#[tokio::test]
async fn a_file_over_its_limit_is_cut_and_told_its_limit() {
    let mut config = config();
    config.uploads = Uploads {
        image_max_bytes: 2 << 20,
        video_max_bytes: 3 << 20,
        image_max_pixels: 1_000_000,
        member_max_bytes: 4 << 20,
        ..Uploads::default()
    };
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let large = refusal(&house, &member, &png(4, 4, 2 << 20)).await;
    assert_eq!(large, "L'image ne peut pas dépasser 2MB");
    let large = refusal(&house, &member, &mp4(3 << 20)).await;
    assert_eq!(large, "La vidéo ne peut pas dépasser 3MB");
    let wide = refusal(&house, &member, &png(1001, 1000, 4)).await;
    assert_eq!(wide, "L'image ne peut pas dépasser 1 millions de pixels");
    assert_eq!(house.files_in("incoming"), 0);

    let fits = house.bring(&member, &mp4((3 << 20) - 1000)).await;
    assert_eq!(fits.status, StatusCode::CREATED, "{}", fits.text);
    let answer = house.bring(&member, &png(4, 4, (1 << 20) + 2000)).await;
    assert_eq!(answer.body, json!({"file": ["Vos fichiers ne peuvent pas dépasser 4MB en tout"]}));
}

/// Defect 32. The video lasts a minute.
#[tokio::test]
async fn a_video_over_its_time_is_refused_and_not_kept() {
    let mut config = config();
    config.uploads.video_max_s = 58;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let refused = refusal(&house, &member, &mp4(1000)).await;
    assert_eq!(refused, "La vidéo ne peut pas dépasser 58 secondes");
    let all = house.get(&format!("{LIST}?approval_status=all"), &member).await.body;
    assert_eq!((&all["count"], house.files_in("media")), (&json!(0), 0));
}

/// Bytes of a form that come one piece after the other; then nothing more, or the end.
fn slowly(pieces: Vec<Vec<u8>>, is_whole: bool) -> Body {
    let pieces = pieces.into_iter().map(Ok::<_, std::io::Error>);
    let pieces = futures_util::stream::iter(pieces);
    if is_whole {
        Body::from_stream(pieces)
    } else {
        use futures_util::StreamExt as _;
        Body::from_stream(pieces.chain(futures_util::stream::pending()))
    }
}

#[tokio::test]
async fn what_is_no_picture_is_refused_before_it_has_come_whole() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let mut request = form("POST", UPLOAD, &member, &[]);
    let head =
        b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n<html>"
            .to_vec();
    *request.body_mut() = slowly(vec![head, b"and so on".to_vec()], false);
    let answer = house.send(request).await;
    assert_eq!(answer.body["file"][0], "Seuls les fichiers image et vidéo sont autorisés");
}

#[tokio::test]
async fn a_form_in_which_no_part_begins_is_refused_before_it_fills_the_memory() {
    use futures_util::StreamExt as _;
    let house = House::new().await;
    let member = house.member("fatou").await;
    for head in ["no boundary", "--edge\r\nX-A: ", "--edge\r\nA:b\r\n\r\nc\r\n--edge\r\nX: "] {
        let mut request = form("POST", UPLOAD, &member, &[]);
        let taken = Arc::new(AtomicUsize::new(0));
        let endless = futures_util::stream::repeat(vec![b'a'; 10_000]).take(1000).inspect({
            let taken = taken.clone();
            move |piece| {
                taken.fetch_add(piece.len(), Ordering::Relaxed);
            }
        });
        let head = futures_util::stream::iter([head.as_bytes().to_vec()]);
        let all = head.chain(endless).map(Ok::<_, std::io::Error>);
        *request.body_mut() = Body::from_stream(all);
        let answer = house.send(request).await;
        assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE, "{}", answer.text);
        let taken = taken.load(Ordering::Relaxed);
        assert!(taken <= 64 * 1024 + 2 * 10_000, "{taken}");
    }
}

#[tokio::test]
async fn a_file_that_is_not_wanted_is_passed_over_however_long_it_is() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let head = |name: &str| {
        format!("--edge\r\nContent-Disposition: form-data; name={name}; filename=a\r\n\r\n").into()
    };
    let mut pieces: Vec<Vec<u8>> = vec![head("other")];
    pieces.extend(png(4, 4, 500_000).chunks(10_000).map(<[u8]>::to_vec));
    pieces.extend([b"\r\n".to_vec(), head("file"), png(4, 4, 4), b"\r\n--edge--\r\n".to_vec()]);
    let mut request = form("POST", UPLOAD, &member, &[]);
    *request.body_mut() = slowly(pieces, true);
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

#[tokio::test]
async fn the_rest_of_a_form_that_is_refused_is_read_and_dropped() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let head =
        "--edge\r\nContent-Disposition: form-data; name=file; filename=a\r\n\r\n<html>nothing";
    let (rest, was_read) = tokio::sync::oneshot::channel();
    let (mut rest, mut pieces) = (Some(rest), 0);
    let body = futures_util::stream::poll_fn(move |_| {
        pieces += 1;
        let piece = match pieces {
            1 => head.as_bytes().to_vec(),
            // A part whose beginning never comes among them.
            2..100 => b"\r\n--edge\r\nX-A: a".repeat(1000),
            _ => {
                rest.take().map(|rest| rest.send(()));
                return std::task::Poll::Ready(None);
            }
        };
        std::task::Poll::Ready(Some(Ok::<_, std::io::Error>(piece)))
    });
    let mut request = form("POST", UPLOAD, &member, &[]);
    *request.body_mut() = Body::from_stream(body);
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    tokio::time::timeout(Duration::from_secs(20), was_read).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_file_that_stops_coming_is_given_up_and_leaves_nothing() {
    let mut config = config();
    config.uploads.stalled_s = 1;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let mut request = form("POST", UPLOAD, &member, &[]);
    let head =
        b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
    *request.body_mut() = slowly(vec![head, png(4, 4, 1000)], false);
    let answer = tokio::time::timeout(Duration::from_secs(20), house.send(request)).await.unwrap();
    assert_eq!(answer.status, StatusCode::REQUEST_TIMEOUT, "{}", answer.text);
    assert_eq!((house.files_in("media"), house.files_in("incoming")), (0, 0));
}

#[tokio::test]
async fn a_form_that_ends_in_the_midst_of_its_file_leaves_nothing() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let mut request = form("POST", UPLOAD, &member, &[]);
    let head =
        b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
    *request.body_mut() = slowly(vec![head, png(4, 4, 1000)], true);
    let answer = house.send(request).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    assert_eq!((house.files_in("media"), house.files_in("incoming")), (0, 0));
}

#[tokio::test]
async fn a_member_brings_so_many_files_at_once() {
    let mut config = config();
    config.uploads.at_once_per_member = 1;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let mut request = form("POST", UPLOAD, &member, &[]);
    let head =
        b"--edge\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n".to_vec();
    *request.body_mut() = slowly(vec![head], false);
    let mut first = Box::pin(house.send(request));
    let comes_in = async {
        while house.files_in("incoming") == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = &mut first => panic!("a form that never comes was answered"),
        () = comes_in => {}
    }
    let refused = house.bring(&member, &png(4, 4, 4)).await;
    assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS, "{}", refused.text);
    assert!(refused.headers.contains_key(header::RETRY_AFTER));
    drop(first);
    let free = house.bring(&member, &png(4, 4, 4)).await;
    assert_eq!(free.status, StatusCode::CREATED, "{}", free.text);
}

#[tokio::test]
async fn files_brought_at_once_never_take_more_than_a_member_may_have() {
    let mut config = config();
    config.uploads.member_max_bytes = 250_000;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let file = png(4, 4, 100_000);
    let bring = || house.bring(&member, &file);
    let answers = tokio::join!(bring(), bring(), bring(), bring());
    let answers = [answers.0, answers.1, answers.2, answers.3];
    let (kept, refused): (Vec<_>, Vec<_>) =
        answers.iter().partition(|answer| answer.status == StatusCode::CREATED);
    assert_eq!(kept.len(), 2);
    for answer in refused {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
        assert!(answer.body["file"][0].as_str().unwrap().contains("en tout"), "{}", answer.text);
    }
    api::tidy(&house.store, &house.storage, i64::MAX).await;
    assert_eq!(house.files_in("media"), 2);
}

#[tokio::test]
async fn a_member_brings_so_many_files_a_minute() {
    let mut config = config();
    config.limits.upload = Rate { burst: 2, per_minute: 1 };
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    for status in [StatusCode::CREATED, StatusCode::CREATED, StatusCode::TOO_MANY_REQUESTS] {
        assert_eq!(house.bring(&member, &png(4, 4, 4)).await.status, status);
    }
    house.pass_s(60);
    assert_eq!(house.bring(&member, &png(4, 4, 4)).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn a_member_lists_his_own_media_and_nobody_elses() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let mut ids = Vec::new();
    for _ in 0..2 {
        ids.push(house.bring(&fatou, &png(4, 4, 4)).await.body["id"].clone());
    }
    house.bring(&binta, &png(4, 4, 4)).await;
    let listed = house.get(LIST, &fatou).await.body;
    assert_eq!(listed["count"], 2);
    assert_eq!(listed["results"][0]["id"], ids[1], "newest first");
    assert_eq!(listed["results"][1]["id"], ids[0]);
    let past = house.get("/api/posts/media/?page=2", &fatou).await;
    assert_eq!(
        (past.status, &past.body["detail"]),
        (StatusCode::NOT_FOUND, &json!("Page non valide."))
    );
}

#[tokio::test]
async fn media_that_is_not_approved_is_seen_by_its_owner_alone() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let media = house.store.create_media(NewMedia {
        owner: fatou.user_id(),
        name: format!("{:032x}.jpg", 1),
        media_type: MediaType::Image,
        title: String::new(),
        description: String::new(),
        size_bytes: 1,
        dimensions: None,
        duration_ms: None,
        approval: Approval::Pending,
        owner_max_bytes: i64::MAX,
        thumbnail: None,
        blur_hash: None,
        to_do: None,
        reason: None,
        now_ms: house.now_ms(),
    });
    let path = format!("{LIST}{}/", media.await.unwrap().id.get());
    let seen = house.get(&path, &fatou).await.body;
    assert_eq!(seen["approval_status"], "pending");
    assert_eq!(seen["is_approved_for_publication"], false);
    assert_eq!(house.get(&path, &binta).await.status, StatusCode::NOT_FOUND);
    for method in [Method::PUT, Method::DELETE] {
        let answer = house.call(method, &path, Some(&binta), Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert_eq!(house.get(LIST, &fatou).await.body["count"], 0);
}

#[tokio::test]
async fn an_owner_renames_and_deletes_his_media() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let media = house.bring(&fatou, &png(4, 4, 4)).await.body;
    let path = format!("{LIST}{}/", media["id"]);
    let change = json!({"title": "Le port", "description": "Le soir"});
    let answer = house.call(Method::PUT, &path, Some(&fatou), Some(change)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let post = json!({"content": "Bonsoir", "media_files": [media["id"]]});
    house.write("/api/posts/", &fatou, post).await;
    let seen = house.get(&path, &binta).await.body;
    assert_eq!((&seen["title"], &seen["description"]), (&json!("Le port"), &json!("Le soir")));
    let long = json!({"title": "x".repeat(201)});
    let answer = house.call(Method::PUT, &path, Some(&fatou), Some(long)).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);

    for method in [Method::PUT, Method::DELETE] {
        let answer = house.call(method, &path, Some(&binta), Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.body["detail"], "Vous ne pouvez modifier que vos propres médias");
    }
    let answer = house.call(Method::DELETE, &path, Some(&fatou), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(house.get(&path, &fatou).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.look(&path_of(&media["file"])).await.status, StatusCode::NOT_FOUND);
    assert_eq!(house.files_in("media"), 0);
}

#[tokio::test]
async fn files_are_found_where_the_settings_say_and_pictures_where_they_are_shrunk() {
    let storage = storage::Config {
        public_base_url: Some("https://cdn.test/files".into()),
        picture_url: Some("https://shrink.test/{options}/{url}".into()),
        picture_options: "large".into(),
        thumbnail_options: "small".into(),
        ..storage::Config::default()
    };
    let house = House::with_storage(config(), storage).await;
    let member = house.member("fatou").await;
    let picture = house.bring(&member, &png(4, 4, 4)).await.body;
    let stored = picture["file_url"].as_str().unwrap();
    assert!(stored.starts_with("https://cdn.test/files/"), "{stored}");
    let escaped = stored.replace(':', "%3A").replace('/', "%2F");
    assert_eq!(picture["file"], format!("https://shrink.test/large/{escaped}"));
    assert_eq!(picture["cdn_url"], picture["file"]);
    assert_eq!(picture["thumbnail_url"], format!("https://shrink.test/small/{escaped}"));
    let video = house.bring(&member, &mp4(4)).await.body;
    assert_eq!(video["file"], video["file_url"]);
    assert_eq!(video["cdn_url"], Value::Null);
}

#[tokio::test]
async fn the_recording_of_a_live_becomes_media_of_its_post() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let id = live["live_id"].as_i64().unwrap();
    let before = house.get(&format!("/api/posts/{id}/"), &member).await.body["content"].clone();
    let answer = record(&house, &member, id, &mp4(1000)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert_eq!(answer.body["message"], "Vidéo uploadée avec succès");
    let url = answer.body["file_url"].as_str().unwrap();
    // The client calls it webm whatever it is.
    assert!(url.starts_with("http://live.test/media/") && url.ends_with(".mp4"), "{url}");
    let media = house.get(&format!("{LIST}{}/", answer.body["media_id"]), &member).await.body;
    assert_eq!(media["title"], "Vidéo du live - Live streaming");
    assert_eq!(media["approval_status"], "approved");
    assert_eq!(media["duration"], "00:01:00");

    let post = store::PostId::new(id);
    let shown = house.store.media_of_posts(&[post]).await.unwrap().remove(&post).unwrap();
    assert_eq!(shown[0].media.id, MediaId::new(answer.body["media_id"].as_i64().unwrap()));
    assert!(shown[0].is_recording);
    assert_eq!(house.get(&format!("/api/posts/{id}/"), &member).await.body["content"], before);
}

#[tokio::test]
async fn a_live_that_stops_names_the_recording_sent_before() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let id = house.start_live(&member).await["live_id"].as_i64().unwrap();
    let recorded = record(&house, &member, id, &mp4(10)).await.body;
    let stop = format!("/api/posts/live/{id}/stop/");
    let answer = house.call(Method::PUT, &stop, Some(&member), Some(json!({}))).await;
    assert_eq!(answer.body["video_saved"], true);
    assert_eq!(answer.body["video_id"], recorded["media_id"]);
}

#[tokio::test]
async fn the_recording_of_a_live_for_a_quartier_is_for_that_quartier() {
    let house = House::new().await;
    let [here, there] = ["Dixinn", "Ratoma"].map(|commune| house.quartier(commune));
    let mut members = Vec::new();
    for (name, quartier) in [("fatou", here), ("binta", here), ("sekou", there)] {
        let mut form = account(name);
        form["quartier"] = json!(quartier);
        members.push(signed_in(&house.post("/api/users/register/", form).await));
    }
    let [fatou, binta, sekou] = members.as_slice() else { panic!("three") };
    let live = house.write("/api/posts/live/start/", fatou, json!({"audience": "quartier"})).await;
    let id = live["live_id"].as_i64().unwrap();
    let recorded = record(&house, fatou, id, &mp4(10)).await.body;
    let (post, media) = (format!("/api/posts/{id}/"), format!("{LIST}{}/", recorded["media_id"]));
    for neighbour in [fatou, binta] {
        let shown = house.get(&post, neighbour).await.body;
        assert_eq!(shown["live_stream"]["id"], recorded["media_id"]);
        assert_eq!(house.get(&media, neighbour).await.status, StatusCode::OK);
    }
    let name = recorded["file_url"].as_str().unwrap().rsplit('/').next().unwrap();
    for path in [&post, "/api/posts/", &format!("/api/posts/user/{}/", fatou.id)] {
        let shown = house.get(path, sekou).await;
        assert_eq!(shown.status, StatusCode::OK, "{path}");
        assert!(!shown.text.contains(name), "{path}: {}", shown.text);
    }
    let shown = house.get(&post, sekou).await.body;
    assert_eq!((&shown["live_stream"], &shown["has_media"]), (&Value::Null, &json!(false)));
    assert_eq!(house.get(&media, sekou).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn media_that_no_post_shows_is_its_owners_alone() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let media = house.bring(&fatou, &png(4, 4, 4)).await.body;
    let path = format!("{LIST}{}/", media["id"]);
    assert_eq!(house.get(&path, &fatou).await.status, StatusCode::OK);
    assert_eq!(house.get(&path, &binta).await.status, StatusCode::NOT_FOUND);
    let body = json!({"content": "Au marché", "media_files": [media["id"]]});
    let post = house.write("/api/posts/", &fatou, body).await;
    assert_eq!(house.get(&path, &binta).await.body["id"], media["id"]);
    let post = format!("/api/posts/{}/", post["id"]);
    house.call(Method::DELETE, &post, Some(&fatou), None).await;
    assert_eq!(house.get(&path, &binta).await.status, StatusCode::NOT_FOUND);
}

/// Defect 3 of the first version.
#[tokio::test]
async fn nobody_but_its_author_sends_the_recording_of_a_live() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let id = house.start_live(&fatou).await["live_id"].as_i64().unwrap();
    let answer = record(&house, &binta, id, &mp4(10)).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{}", answer.text);
    let answer = record(&house, &binta, 404, &mp4(10)).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body, json!({"error": "Post live non trouvé"}));
    assert_eq!(house.files_in("media"), 0);
}

#[tokio::test]
async fn a_recording_is_a_video_that_browsers_record() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let id = house.start_live(&member).await["live_id"].as_i64().unwrap();
    let required = json!({"error": "Fichier vidéo requis"});
    let path = format!("/api/posts/live/{id}/upload-video/");
    for parts in [vec![], vec![Part::file("file", "a.mp4", &mp4(10))]] {
        let answer = house.send(form("POST", &path, &member, &parts)).await;
        assert_eq!((answer.status, answer.body), (StatusCode::BAD_REQUEST, required.clone()));
    }
    for file in [&png(4, 4, 4)[..], b"abcd", b"RIFF\x04\0\0\0AVI and so on"] {
        let answer = record(&house, &member, id, file).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, json!({"error": "Type de fichier non supporté"}));
    }
}

#[tokio::test]
async fn a_recording_may_come_for_a_day_after_the_end() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let id = house.start_live(&member).await["live_id"].as_i64().unwrap();
    let stop = format!("/api/posts/live/{id}/stop/");
    house.call(Method::PUT, &stop, Some(&member), Some(json!({}))).await;
    house.pass_s(3000);
    assert_eq!(record(&house, &member, id, &mp4(10)).await.status, StatusCode::CREATED);
    house.pass_s(24 * 60 * 60);
    let form = json!({"email": "fatou@example.org", "password": "testpass123"});
    let member = crate::house::signed_in(&house.post("/api/users/login/", form).await);
    let answer = record(&house, &member, id, &mp4(10)).await;
    assert_eq!(answer.body, json!({"error": "Ce live est terminé depuis trop longtemps"}));
}

#[tokio::test]
async fn what_belongs_to_nothing_is_deleted_once_its_time_has_come() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let kept = house.bring(&member, &png(4, 4, 4)).await.body;
    let name = storage::ObjectName::draw(storage::Kind::Png).unwrap();
    let mut incoming = house.storage.receive().await.unwrap();
    incoming.write(&png(4, 4, 4)).await.unwrap();
    house.storage.put(&name, incoming.finish().await.unwrap()).await.unwrap();
    house.store.note_loose_object(name.as_str(), house.now_ms() + 1000).await.unwrap();
    api::tidy(&house.store, &house.storage, house.now_ms()).await;
    assert_eq!(house.files_in("media"), 2);
    api::tidy(&house.store, &house.storage, house.now_ms() + 1000).await;
    assert_eq!(house.files_in("media"), 1);
    assert_eq!(house.look(&path_of(&kept["file"])).await.status, StatusCode::OK);
    assert!(house.store.loose_objects(i64::MAX).await.unwrap().is_empty());
}
