//! What the server recorded of a live, as media of its post.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use store::{Approval, LiveState, MediaType, NewMedia};

use crate::house::{House, Member, START_MS};

/// Has the next live that ends be recorded.
fn will_be_recorded(house: &House, member: &Member, live: &Value) {
    let new = NewMedia {
        owner: media::id::UserId::new(member.id),
        name: live["playback_name"].as_str().unwrap().into(),
        media_type: MediaType::Live,
        title: "Enregistrement du direct".into(),
        description: String::new(),
        // More than a member may bring.
        size_bytes: 50_000_000_000,
        dimensions: Some((1_280, 720)),
        duration_ms: Some(3_723_000),
        approval: Approval::Approved,
        owner_max_bytes: i64::MAX,
        thumbnail: None,
        blur_hash: None,
        to_do: None,
        reason: None,
        now_ms: START_MS,
    };
    let id = media::id::LiveId::new(live["live_id"].as_i64().unwrap());
    *house.control.recording.lock().unwrap() = Some((house.store.clone(), id, new));
}

async fn recorded(house: &House, member: &Member, wanted: Value) -> (Value, Value) {
    let live = house.write("/api/posts/live/start/", member, wanted).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    will_be_recorded(house, member, &live);
    let stop = format!("/api/posts/live/{}/stop/", live["id"]);
    let answer = house.call(Method::PUT, &stop, Some(member), Some(json!({}))).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    (live, answer.body)
}

#[tokio::test]
async fn a_live_that_stops_names_what_the_server_recorded_and_its_post_shows_it() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (live, stopped) = recorded(&house, &member, json!({})).await;
    assert_eq!(stopped["video_saved"], true);
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
    let shown = &post["live_stream"];
    assert_eq!(shown["id"], stopped["video_id"]);
    let name = live["playback_name"].as_str().unwrap();
    let file = format!("http://live.test/vod/{name}/index.m3u8");
    assert_eq!((&shown["file"], &shown["file_url"]), (&json!(file), &json!(file)));
    assert_eq!(shown["file_type"], "application/vnd.apple.mpegurl");
    assert_eq!((&shown["media_type"], &shown["is_live"]), (&json!("live"), &json!(false)));
    assert_eq!((&shown["duration"], &shown["height"]), (&json!("01:02:03"), &json!(720)));
    assert_eq!(shown["thumbnail_url"], Value::Null, "nobody has made one");
    assert_eq!(post["hls_url"], live["hls_url"], "it leads to the recording now");
    house.store.set_poster(&name.parse().unwrap(), "LEHV6n").await.unwrap();
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
    let poster = format!("http://live.test/vod/{name}/poster.jpg");
    assert_eq!(post["live_stream"]["thumbnail_url"], poster);
    assert_eq!(post["live_stream"]["blur_hash"], "LEHV6n");
    let watched = house.get(&format!("/api/lives/{name}/"), &member).await.body;
    assert_eq!(
        watched["recording"],
        json!({"hls_url": file, "duration": "01:02:03", "file_size": shown["file_size"], "thumbnail_url": poster})
    );
    // It is no upload of his, which have a limit.
    let owner = media::id::UserId::new(member.id);
    assert_eq!(house.store.media_bytes_of(owner).await.unwrap(), 0);
}

#[tokio::test]
async fn a_recording_for_a_quartier_is_shown_with_a_ticket_to_those_it_is_for() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (live, _) = recorded(&house, &member, json!({"audience": "quartier"})).await;
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
    let file = post["live_stream"]["file"].as_str().unwrap();
    assert!(file.contains("/index.m3u8?ticket="), "{file}");
    let name = live["playback_name"].as_str().unwrap();
    house.store.set_poster(&name.parse().unwrap(), "LEHV6n").await.unwrap();
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &member).await.body;
    let poster = post["live_stream"]["thumbnail_url"].as_str().unwrap();
    assert!(poster.contains("/poster.jpg?ticket="), "{poster}");
}

#[tokio::test]
async fn its_owner_and_admins_find_a_recording_for_a_quartier_with_a_ticket_wherever_media_is() {
    let house = House::new().await;
    let (member, admin) = (house.member("fatou").await, house.admin("binta").await);
    let (live, stopped) = recorded(&house, &member, json!({"audience": "quartier"})).await;
    let name = live["playback_name"].as_str().unwrap();
    house.store.set_poster(&name.parse().unwrap(), "LEHV6n").await.unwrap();
    let one = format!("/api/posts/media/{}/", stopped["video_id"]);
    let approve = format!("/api/moderation/media/{}/approve/", stopped["video_id"]);
    let queue = "/api/moderation/media/?status=approved";
    let mut tickets = std::collections::BTreeSet::new();
    for (method, path, who) in [
        (Method::GET, "/api/posts/media/", &member),
        (Method::GET, &one, &member),
        (Method::PUT, &one, &member),
        (Method::GET, &one, &admin),
        (Method::GET, queue, &admin),
        (Method::POST, &approve, &admin),
    ] {
        let sent = (method != Method::GET).then(|| json!({}));
        let answer = house.call(method.clone(), path, Some(who), sent).await.body;
        let media = answer["results"].get(0).unwrap_or(&answer);
        for (field, file) in
            [("file", "index.m3u8"), ("file_url", "index.m3u8"), ("thumbnail_url", "poster.jpg")]
        {
            let address = media[field].as_str().unwrap_or_default();
            let bare = format!("http://live.test/vod/{name}/{file}?ticket=");
            let ticket = address.strip_prefix(&bare).unwrap_or_default();
            assert!(ticket.contains("-of-"), "{method} {path}: {field} {address}");
            tickets.insert(ticket.to_owned());
        }
    }
    assert_eq!(tickets.len(), 6, "one for each answer");
    let private = &stopped["video_id"];
    // That of a live for everybody asks for none.
    let (open, stopped) = recorded(&house, &member, json!({})).await;
    let one = format!("/api/posts/media/{}/", stopped["video_id"]);
    let name = open["playback_name"].as_str().unwrap();
    let file = format!("http://live.test/vod/{name}/index.m3u8");
    assert_eq!(house.get(&one, &member).await.body["file"], file);
    // A post for everybody that shows the other one admits nobody to it.
    let far = house.member_of("mamadou", "Kaloum").await;
    let shown = json!({"content": "À revoir", "media_files": [private]});
    let post = house.write("/api/posts/", &member, shown).await;
    for path in [format!("/api/posts/{}/", post["id"]), format!("/api/posts/media/{private}/")] {
        let seen = house.get(&path, &far).await;
        assert!(seen.status == StatusCode::OK && !seen.text.contains("ticket"), "{}", seen.text);
    }
}

#[tokio::test]
async fn a_recording_that_an_admin_refuses_is_deleted() {
    let house = House::new().await;
    let (member, admin) = (house.member("fatou").await, house.admin("binta").await);
    let (kept, stopped) = recorded(&house, &member, json!({})).await;
    let decide = |stopped: &Value, how: &str| {
        format!("/api/moderation/media/{}/{how}/", stopped["video_id"])
    };
    let approve = decide(&stopped, "approve");
    assert_eq!(house.call(Method::POST, &approve, Some(&admin), Some(json!({}))).await.status, 200);
    let mut refused = Vec::new();
    for must_not in [false, true] {
        let (live, stopped) = recorded(&house, &member, json!({})).await;
        let why = json!({"reason": "violence", "inappropriate": must_not});
        let reject = decide(&stopped, "reject");
        let answer = house.call(Method::POST, &reject, Some(&admin), Some(why)).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        refused.push(live["playback_name"].as_str().unwrap().to_owned());
    }
    let gone: Vec<_> = house.control.unrecorded.lock().unwrap().clone();
    let gone: Vec<_> = gone.iter().map(|name| name.as_str()).collect();
    assert_eq!(gone, refused, "and not {}", kept["playback_name"]);
}

#[tokio::test]
async fn a_recording_goes_with_its_post_and_with_its_media() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (first, _) = recorded(&house, &member, json!({})).await;
    let post = format!("/api/posts/{}/", first["id"]);
    assert_eq!(house.call(Method::DELETE, &post, Some(&member), None).await.status, 204);
    let (second, stopped) = recorded(&house, &member, json!({})).await;
    let media = format!("/api/posts/media/{}/", stopped["video_id"]);
    assert_eq!(house.call(Method::DELETE, &media, Some(&member), None).await.status, 204);
    let gone: Vec<_> = house.control.unrecorded.lock().unwrap().clone();
    let gone: Vec<_> = gone.iter().map(|name| name.as_str()).collect();
    assert_eq!(gone, [&first, &second].map(|live| live["playback_name"].as_str().unwrap()));
    let post = house.get(&format!("/api/posts/{}/", second["id"]), &member).await.body;
    assert_eq!((&post["live_stream"], &post["hls_url"]), (&Value::Null, &Value::Null));
    let id = media::id::LiveId::new(second["id"].as_i64().unwrap());
    assert_eq!(house.store.live(id).await.unwrap().unwrap().state, LiveState::Ended);
}
