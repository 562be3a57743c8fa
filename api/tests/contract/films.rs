//! Recordings of lives as files: who may have them, and clips.

use api::{Moment, NoFilm};
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member, config, mp4};

async fn download(house: &House, live: &Value, member: &Member) -> Answer {
    let path = format!("/api/posts/live/{}/download/", live["id"]);
    house.call(Method::POST, &path, Some(member), None).await
}

async fn allow(house: &House, live: &Value, member: &Member, body: Value) -> Answer {
    let path = format!("/api/posts/live/{}/downloads/", live["id"]);
    house.call(Method::PUT, &path, Some(member), Some(body)).await
}

async fn clip(house: &House, live: &Value, member: &Member, body: Value) -> Answer {
    let path = format!("/api/posts/live/{}/clip/", live["id"]);
    house.call(Method::POST, &path, Some(member), Some(body)).await
}

#[tokio::test]
async fn a_recording_is_had_by_its_author_and_by_those_he_allows() {
    let house = House::new().await;
    let (author, other) = (house.member("fatou").await, house.member("mamadou").await);
    let admin = house.admin("binta").await;
    let wanted = json!({"title": "Fête à Nongo"});
    let live = house.write("/api/posts/live/start/", &author, wanted).await;
    assert_eq!(live["downloads_allowed"], false);
    let own = download(&house, &live, &author).await;
    assert_eq!(own.status, StatusCode::CREATED, "{}", own.text);
    let (name, file) = (live["playback_name"].as_str().unwrap(), "fete-a-nongo-2025-07-23.mp4");
    assert_eq!(own.body["file_name"], file);
    assert_eq!(own.body["url"], format!("http://live.test/vod/{name}/for-203.0.113.9/{file}"));
    assert_eq!(own.body["expires_at"], "2027-01-15T08:00:00.000000Z");
    assert_eq!(download(&house, &live, &admin).await.status, StatusCode::CREATED);
    let refused = download(&house, &live, &other).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("ne permet pas"), "{}", refused.text);
    let watched = format!("/api/lives/{name}/");
    assert_eq!(house.get(&watched, &other).await.body["downloads_allowed"], false);

    let allowed = allow(&house, &live, &author, json!({"downloads_allowed": true})).await;
    assert_eq!(
        (allowed.status, &allowed.body),
        (StatusCode::OK, &json!({"downloads_allowed": true}))
    );
    assert_eq!(download(&house, &live, &other).await.status, StatusCode::CREATED);
    assert_eq!(house.get(&watched, &other).await.body["downloads_allowed"], true);
    let status = format!("/api/posts/live/{}/status/", live["id"]);
    assert_eq!(house.get(&status, &author).await.body["downloads_allowed"], true);

    allow(&house, &live, &author, json!({"downloads_allowed": false})).await;
    assert_eq!(download(&house, &live, &other).await.status, StatusCode::FORBIDDEN);
    for (body, why) in
        [(json!({}), "obligatoire"), (json!({"downloads_allowed": "oui"}), "booléen")]
    {
        let odd = allow(&house, &live, &author, body).await;
        assert_eq!(odd.status, StatusCode::BAD_REQUEST);
        assert!(odd.body["downloads_allowed"].to_string().contains(why), "{}", odd.text);
    }
}

#[tokio::test]
async fn a_recording_for_a_quartier_is_had_by_nobody_else_whatever_is_allowed() {
    let house = House::new().await;
    let (author, far) = (house.member("fatou").await, house.member_of("mamadou", "Kaloum").await);
    let wanted = json!({"audience": "quartier", "downloads_allowed": true});
    let live = house.write("/api/posts/live/start/", &author, wanted).await;
    assert_eq!(live["downloads_allowed"], true);
    let near = house.member("aissatou").await;
    assert_eq!(download(&house, &live, &near).await.status, StatusCode::CREATED);
    let refused = download(&house, &live, &far).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.text.contains("réservé"), "{}", refused.text);
    let cut = clip(&house, &live, &author, json!({"start": 0, "end": 5})).await;
    assert_eq!(cut.status, StatusCode::BAD_REQUEST);
    assert!(cut.body["non_field_errors"].to_string().contains("visible de tous"), "{}", cut.text);
}

#[tokio::test]
async fn what_is_not_recorded_is_had_by_nobody() {
    let house = House::new().await;
    let author = house.member("fatou").await;
    let live = house.start_live(&author).await;
    house
        .control
        .unrecorded
        .lock()
        .unwrap()
        .push(live["playback_name"].as_str().unwrap().parse().unwrap());
    let none = download(&house, &live, &author).await;
    assert_eq!(none.status, StatusCode::NOT_FOUND);
    assert!(none.body["error"].as_str().unwrap().contains("pas d'enregistrement"), "{}", none.text);
    assert_eq!(download(&house, &json!({"id": 404}), &author).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_clip_is_a_post_with_a_video_of_its_author() {
    let house = House::new().await;
    let (author, other) = (house.member("fatou").await, house.member("mamadou").await);
    let live = house.write("/api/posts/live/start/", &author, json!({"title": "Derby"})).await;
    let before = house.store.media_bytes_of(author.user_id()).await.unwrap();
    let made =
        clip(&house, &live, &author, json!({"start": 1.5, "end": 20, "content": "But !"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.body["title"], "Extrait du direct - Derby");
    assert_eq!(
        (&made.body["content"], &made.body["is_live_post"]),
        (&json!("But !"), &json!(false))
    );
    let video = &made.body["media_files"][0];
    assert_eq!((&video["media_type"], &video["file_type"]), (&json!("video"), &json!("video/mp4")));
    let asked = house.control.cut.lock().unwrap().clone();
    let name = live["playback_name"].as_str().unwrap();
    assert_eq!(asked, [(name.parse().unwrap(), Moment::At(1_500)..Moment::At(20_000))]);
    let post = format!("/api/posts/{}/", made.body["id"]);
    assert_eq!(house.get(&post, &other).await.body["media_files"][0]["id"], video["id"]);
    let after = house.store.media_bytes_of(author.user_id()).await.unwrap();
    assert_eq!(after - before, mp4(10).len() as i64, "it counts as what he brings");
}

#[tokio::test]
async fn a_clip_of_an_anonymous_live_names_nobody() {
    let house = House::new().await;
    let (author, other) = (house.member("fatou").await, house.member("mamadou").await);
    let live = house.start_live(&author).await;
    let post = format!("/api/posts/{}/", live["id"]);
    let hidden =
        house.call(Method::PUT, &post, Some(&author), Some(json!({"is_anonymous": true}))).await;
    assert_eq!(hidden.status, StatusCode::OK, "{}", hidden.text);
    let made = clip(&house, &live, &author, json!({"start": 0, "end": 3})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let seen = house.get(&format!("/api/posts/{}/", made.body["id"]), &other).await;
    assert_eq!(seen.body["author"]["id"], Value::Null, "{}", seen.text);
    assert!(!seen.text.contains("fatou"), "{}", seen.text);
}

#[tokio::test]
async fn what_is_wrong_with_a_clip_is_said_and_leaves_nothing() {
    let mut config = config();
    config.clips.max_bytes = 600;
    let house = House::with(config).await;
    let author = house.member("fatou").await;
    let live = house.start_live(&author).await;
    let refused = async |body: Value, status: u16, field: &str, why: &str| {
        let answer = clip(&house, &live, &author, body).await;
        assert_eq!(answer.status, status, "{}", answer.text);
        assert!(answer.body[field].to_string().contains(why), "{}", answer.text);
    };
    refused(json!({}), 400, "end", "obligatoire").await;
    refused(json!({"start": 9, "end": 2}), 400, "end", "après son début").await;
    refused(json!({"start": 0, "end": 9_000}), 400, "end", "600 secondes").await;
    refused(json!({"start": "midi", "end": 3}), 400, "start", "nombre de secondes").await;
    let good = json!({"start": 0, "end": 3});
    for (none, status, field, why) in [
        (NoFilm::Unknown, 404, "error", "pas d'enregistrement"),
        (NoFilm::Nothing, 400, "start", "Rien n'est enregistré"),
        (NoFilm::NoKeyframe, 400, "non_field_errors", "d'autres moments"),
        (NoFilm::Busy, 503, "detail", ""),
        (NoFilm::Failed, 500, "error", "enregistré"),
    ] {
        *house.control.film.lock().unwrap() = Some(Err(none));
        refused(good.clone(), status, field, why).await;
    }
    *house.control.film.lock().unwrap() = Some(Ok(mp4(5_000)));
    refused(good.clone(), 400, "non_field_errors", "dépasser").await;
    *house.control.film.lock().unwrap() = Some(Ok(b"not a film at all, not a film".repeat(9)));
    refused(good.clone(), 400, "non_field_errors", "").await;
    assert_eq!(house.store.media_bytes_of(author.user_id()).await.unwrap(), 0);
}
