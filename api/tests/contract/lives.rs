//! Lives: started, found, watched over, stopped.

use std::sync::atomic::Ordering;

use api::{Incoming, IncomingAudio, IncomingVideo, Warning};
use http::{Method, StatusCode};
use media::id::{LiveId, StreamKey};
use serde_json::{Value, json};
use store::LiveState;

use crate::house::{Answer, House, Member, START_MS};

const START: &str = "/api/posts/live/start/";

async fn start(house: &House, member: &Member, body: Value) -> Answer {
    house.call(Method::POST, START, Some(member), Some(body)).await
}

async fn stop(house: &House, member: &Member, id: impl std::fmt::Display, body: Value) -> Answer {
    let path = format!("/api/posts/live/{id}/stop/");
    house.call(Method::PUT, &path, Some(member), Some(body)).await
}

async fn state(house: &House, id: &Value) -> LiveState {
    house.store.live(LiveId::new(id.as_i64().unwrap())).await.unwrap().unwrap().state
}

#[tokio::test]
async fn a_live_is_given_all_a_broadcaster_needs() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let wanted = json!({"title": "Marché", "description": "De Madina", "content": "Venez"});
    let answer = start(&house, &member, wanted).await;
    assert_eq!(answer.status, StatusCode::CREATED);
    let (key, name) = (answer.body["stream_key"].clone(), answer.body["playback_name"].clone());
    let (key, name) = (key.as_str().unwrap(), name.as_str().unwrap());
    let id = &answer.body["id"];
    assert_eq!(
        answer.body,
        json!({
            "live_id": id, "post_id": id, "id": id, "stream_key": key,
            "rtmp_server": "rtmp://live.test/live",
            "rtmp_url": format!("rtmp://live.test/live/{key}"),
            "hls_url": format!("http://live.test/hls/{name}.m3u8"),
            "hls_ts_url": format!("http://live.test/hls/{name}-ts.m3u8"),
            "watch_url": format!("http://live.test/live/{name}"),
            "playback_name": name, "title": "Marché", "description": "De Madina", "audience": "public",
            "downloads_allowed": false,
            "message": "Live démarré avec succès",
        })
    );
    assert_eq!(answer.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_live_is_announced_to_the_media_path_before_its_publisher_comes() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let announced = house.control.created.lock().unwrap().clone();
    assert_eq!(announced, [LiveId::new(live["id"].as_i64().unwrap())]);
}

/// Defect 37.
#[tokio::test]
async fn the_title_and_description_of_a_live_are_kept_and_shown() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let wanted = json!({"title": "Marché", "description": "De Madina", "content": "Venez"});
    let live = start(&house, &fatou, wanted).await.body;
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &binta).await.body;
    let row = &house.get("/api/posts/?type=live", &binta).await.body["results"][0];
    for post in [&post, row] {
        assert_eq!((&post["title"], &post["content"]), (&json!("Marché"), &json!("Venez")));
        assert_eq!(post["live"]["description"], "De Madina");
    }
    let name = live["playback_name"].as_str().unwrap();
    let watched = house.look(&format!("/api/lives/{name}/")).await.body;
    assert_eq!(
        (&watched["title"], &watched["description"]),
        (&json!("Marché"), &json!("De Madina"))
    );
    // The name under which it is watched publishes nothing.
    let key = name.parse::<StreamKey>();
    assert!(key.is_err(), "{name}");
}

#[tokio::test]
async fn a_live_without_a_word_has_the_words_of_the_contract() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let post = house.get(&format!("/api/posts/{}/", live["post_id"]), &member).await.body;
    assert_eq!(post["title"], "Live streaming");
    assert_eq!(post["content"], "Live en cours");
    assert_eq!(post["live"]["description"], "");
}

/// Defects 4 and 5.
#[tokio::test]
async fn the_key_is_long_random_known_by_its_hash_and_not_told_by_the_public_name() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (one, other) = (house.start_live(&member).await, house.start_live(&member).await);
    let key: StreamKey = one["stream_key"].as_str().unwrap().parse().unwrap();
    assert_eq!(key.user(), member.user_id());
    // 32 characters of 5 bits each.
    assert_eq!(key.reveal().rsplit('_').next().unwrap().len(), 32);
    assert_ne!(one["stream_key"], other["stream_key"]);
    assert_ne!(one["playback_name"], other["playback_name"]);
    assert!(!key.reveal().contains(one["playback_name"].as_str().unwrap()));
    let found = house.store.live_by_key(&key.hash()).await.unwrap().unwrap();
    assert_eq!(found.id.get(), one["live_id"].as_i64().unwrap());
}

/// Defect 4: what viewers, other members and the owner himself read later.
#[tokio::test]
async fn the_key_is_in_no_other_answer() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let (id, name) = (&live["id"], live["playback_name"].as_str().unwrap());
    let key_start = format!("live_{}_", member.id);
    for path in [
        "/api/posts/".to_owned(),
        "/api/posts/?type=live".to_owned(),
        format!("/api/posts/{id}/"),
        format!("/api/posts/live/{id}/status/"),
        format!("/api/lives/{name}/"),
    ] {
        let answer = house.get(&path, &member).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert!(!answer.text.contains(&key_start), "{path}: {}", answer.text);
        assert!(!answer.text.contains("rtmp"), "{path}: {}", answer.text);
    }
}

#[tokio::test]
async fn a_member_without_quartier_is_told_to_choose_one() {
    let house = House::new().await;
    let member = house.homeless_member("fatou").await;
    let answer = start(&house, &member, json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(
        answer.body,
        json!({"error": "Vous devez être assigné à un quartier pour démarrer un live"})
    );
}

/// Defect 21.
#[tokio::test]
async fn null_and_odd_types_never_break_a_start() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for field in ["title", "description", "content"] {
        for odd in [json!(null), json!(3), json!(["a"]), json!({"a": 1}), json!(true)] {
            let answer = start(&house, &member, json!({field: odd})).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field} = {odd}");
            assert!(answer.body[field][0].is_string(), "{}", answer.text);
        }
    }
    let answer = start(&house, &member, json!({"title": "é".repeat(201)})).await;
    assert_eq!(
        answer.body,
        json!({"title": ["Assurez-vous que ce champ comporte au plus 200 caractères."]})
    );
}

#[tokio::test]
async fn starting_again_ends_a_live_that_was_never_published() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (one, other) = (house.start_live(&member).await, house.start_live(&member).await);
    assert_eq!(state(&house, &one["id"]).await, LiveState::Ended);
    assert_eq!(state(&house, &other["id"]).await, LiveState::Created);
}

#[tokio::test]
async fn starting_again_while_a_live_goes_on_is_refused_and_says_which() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    let answer = start(&house, &member, json!({})).await;
    assert_eq!(answer.status, StatusCode::CONFLICT);
    let text = "Vous avez déjà un live en cours. Arrêtez-le avant d'en démarrer un autre.";
    assert_eq!(
        answer.body,
        json!({"detail": text, "error": text, "message": text, "live_id": live["id"]})
    );
    assert_eq!(state(&house, &live["id"]).await, LiveState::Live);
}

#[tokio::test]
async fn stopping_cuts_the_publisher_and_ends_the_live() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    let answer = stop(&house, &member, &live["id"], json!({})).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(
        answer.body,
        json!({"message": "Live arrêté", "video_saved": false, "video_id": null})
    );
    assert_eq!(state(&house, &live["id"]).await, LiveState::Ended);
    let ended = house.control.ended.lock().unwrap().clone();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0.get(), live["id"].as_i64().unwrap());
    assert_eq!(ended[0].1.as_str(), live["playback_name"].as_str().unwrap());
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
    assert_eq!(post["is_live_post"], false);
    assert_eq!(post["hls_url"], Value::Null);
    assert_eq!(post["live"]["status"], "ended");
}

/// Defect 3.
#[tokio::test]
async fn nobody_stops_the_live_of_another() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let answer = stop(&house, &binta, &live["id"], json!({})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    let text = "Vous ne pouvez arrêter que vos propres lives";
    assert_eq!(answer.body, json!({"detail": text, "error": text, "message": text}));
    assert_eq!(state(&house, &live["id"]).await, LiveState::Created);
    assert!(house.control.ended.lock().unwrap().is_empty());
}

#[tokio::test]
async fn an_unknown_live_and_one_already_stopped_are_not_found() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    stop(&house, &member, &live["id"], json!({})).await;
    for id in [live["id"].clone(), json!(99999)] {
        let answer = stop(&house, &member, &id, json!({})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, json!({"error": "Live non trouvé"}));
    }
    // The order to end it may be repeated, and concerns no other live.
    let ended = house.control.ended.lock().unwrap();
    assert!(ended.iter().all(|(id, _)| id.get() == live["id"]), "{ended:?}");
}

/// Defects 10 and 21.
#[tokio::test]
async fn whatever_video_data_is_a_live_stops_and_nothing_of_it_is_kept() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for data in [
        json!(null),
        json!(3),
        json!([]),
        json!("x"),
        json!({"url": "blob:http://x/1", "duration": "?"}),
        json!({"url": "https://evil.test/a.mp4"}),
    ] {
        let live = house.start_live(&member).await;
        let answer = stop(&house, &member, &live["id"], json!({"video_data": data})).await;
        assert_eq!(answer.status, StatusCode::OK, "{data}");
        let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await;
        assert!(!post.text.contains("blob:") && !post.text.contains("evil"), "{}", post.text);
    }
}

#[tokio::test]
async fn a_broadcaster_sees_what_the_encoder_sends() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let path = format!("/api/posts/live/{}/status/", live["id"]);
    let waiting = house.get(&path, &member).await.body;
    assert_eq!(waiting["status"], "created");
    assert_eq!(waiting["incoming"], Value::Null);
    house.publish(live["id"].as_i64().unwrap()).await;
    *house.control.incoming.lock().unwrap() = Some(incoming());
    *house.control.viewers.lock().unwrap() = Some(12);
    let body = house.get(&path, &member).await.body;
    assert_eq!(
        body,
        json!({
            "status": "live",
            "created_at": "2025-07-23T11:05:00.000000Z",
            "started_at": "2025-07-23T11:05:00.000000Z",
            "ended_at": null,
            "hls_url": live["hls_url"], "watch_url": live["watch_url"],
            "playback_name": live["playback_name"], "title": "Live streaming",
            "audience": "public", "downloads_allowed": false, "viewers_count": 12,
            "incoming": {
                "video": {"codec": "avc1.64001f", "width": 1280, "height": 720, "fps": 30.0},
                "audio": {"codec": "mp4a.40.2", "sample_rate_hz": 48000, "channels": 2},
                "bitrate_bps": 2_628_000, "gop_seconds": 2.0, "dropped_tags": 0,
                "encoder": "obs-output module (libobs version 29)",
                "connected_at": "2025-07-23T11:05:00.000000Z",
                "warnings": [{"code": "gop_too_long", "message": "Images clés trop rares"}],
            },
        })
    );
}

#[tokio::test]
async fn viewers_are_told_wherever_a_live_is_shown_and_are_not_as_old_as_the_rest() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let name = live["playback_name"].as_str().unwrap();
    for count in [Some(12), Some(0), None] {
        *house.control.viewers.lock().unwrap() = count;
        let shown = |body: &Value, pointer| body.pointer(pointer).cloned().expect("is there");
        let list = house.get("/api/posts/", &member).await.body;
        assert_eq!(shown(&list, "/results/0/live/viewers_count"), json!(count));
        let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
        assert_eq!(shown(&post, "/live/viewers_count"), json!(count));
        let watched = house.look(&format!("/api/lives/{name}/")).await.body;
        assert_eq!(shown(&watched, "/viewers_count"), json!(count));
    }
}

#[tokio::test]
async fn a_viewer_is_told_how_far_he_may_go_back_as_long_as_the_live_is_on() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let (id, name) = (live["id"].as_i64().unwrap(), live["playback_name"].as_str().unwrap());
    let path = format!("/api/lives/{name}/");
    *house.control.rewind_from.lock().unwrap() = Some(1_764_280_800_123);
    assert_eq!(house.look(&path).await.body["rewind"], Value::Null, "nothing was sent yet");
    house.publish(id).await;
    house.pass_s(1);
    let rewind = house.look(&path).await.body["rewind"].clone();
    let playlist = format!("http://live.test/hls/{name}-rewind.m3u8");
    assert_eq!(rewind, json!({"hls_url": playlist, "from": "2025-11-27T22:00:00.123000Z"}));
    *house.control.rewind_from.lock().unwrap() = None;
    assert_eq!(house.look(&path).await.body["rewind"], Value::Null, "it is not recorded");
}

#[tokio::test]
async fn a_viewer_without_an_account_finds_the_live_and_nothing_private() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let name = live["playback_name"].as_str().unwrap();
    let answer = house.look(&format!("/api/lives/{name}/")).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body["status"], "created");
    assert_eq!(answer.body["hls_url"], live["hls_url"]);
    assert_eq!(answer.body["hls_ts_url"], live["hls_ts_url"]);
    assert_eq!(answer.body["author"]["first_name"], "Fatou");
    for private in ["example.org", "+224", "email", "phone", "birth", "last_login", "stream_key"] {
        assert!(!answer.text.contains(private), "{private} in {}", answer.text);
    }
}

#[tokio::test]
async fn viewers_are_answered_from_memory_for_a_second() {
    let house = House::new().await;
    let live = house.start_live(&house.member("fatou").await).await;
    let path = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    assert_eq!(house.look(&path).await.body["status"], "created");
    house.publish(live["id"].as_i64().unwrap()).await;
    assert_eq!(house.look(&path).await.body["status"], "created");
    house.pass_s(1);
    assert_eq!(house.look(&path).await.body["status"], "live");
}

#[tokio::test]
async fn viewers_learn_at_once_that_a_live_was_stopped() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let path = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    assert_eq!(house.look(&path).await.body["status"], "created");
    stop(&house, &member, &live["id"], json!({})).await;
    assert_eq!(house.look(&path).await.body["status"], "ended");
}

#[tokio::test]
async fn a_playback_name_nobody_has_is_not_found() {
    let house = House::new().await;
    for name in ["abcdefghijkmnpqr", "A", "..%2Fx", "%FF", &"a".repeat(500)] {
        let answer = house.look(&format!("/api/lives/{name}/")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{name}");
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}), "{name}");
    }
}

#[tokio::test]
async fn a_panic_answers_500_and_tells_nobody_why() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    house.control.panics.store(true, Ordering::Relaxed);
    let answer = house.get(&format!("/api/posts/live/{}/status/", live["id"]), &member).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(answer.body["details"], Value::Null);
    assert!(!answer.text.contains("secret reason"), "{}", answer.text);
}

fn incoming() -> Incoming {
    Incoming {
        video: Some(IncomingVideo {
            codec: "avc1.64001f".into(),
            width: 1280,
            height: 720,
            fps: Some(30.0),
        }),
        audio: Some(IncomingAudio {
            codec: "mp4a.40.2".into(),
            sample_rate_hz: 48_000,
            channels: 2,
        }),
        bitrate_bps: 2_628_000,
        gop_seconds: Some(2.0),
        dropped_tags: 0,
        encoder: Some("obs-output module (libobs version 29)".into()),
        connected_ms: START_MS,
        warnings: vec![Warning {
            code: "gop_too_long".into(),
            message: "Images clés trop rares".into(),
        }],
    }
}
