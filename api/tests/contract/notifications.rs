//! Notifications: told by both sets of paths, and as each member wants to be told.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

/// Fatou, whose post Binta has shared.
async fn shared_post(house: &House) -> (Member, Member, Value) {
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    share(house, &binta, &live["id"]).await;
    (fatou, binta, live)
}

async fn share(house: &House, member: &Member, post: &Value) {
    let path = format!("/api/posts/posts/{post}/share/");
    let answer = house.call(Method::POST, &path, Some(member), Some(json!({}))).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
}

async fn counts(house: &House, member: &Member) -> (i64, i64) {
    let body = house.get("/api/notifications/count/", member).await.body;
    assert_eq!(body.as_object().unwrap().len(), 2);
    (body["unread_count"].as_i64().unwrap(), body["total_count"].as_i64().unwrap())
}

async fn call(house: &House, method: Method, path: &str, member: &Member, body: Value) -> Answer {
    house.call(method, &format!("/api/notifications/{path}"), Some(member), Some(body)).await
}

async fn prefer(house: &House, member: &Member, preferences: Value) -> Answer {
    call(house, Method::PATCH, "preferences/", member, preferences).await
}

/// The ids of a member's notifications, newest first.
async fn ids(house: &House, member: &Member) -> Vec<Value> {
    let body = house.get("/api/notifications/", member).await.body;
    body["results"].as_array().unwrap().iter().map(|row| row["id"].clone()).collect()
}

/// Defect 41.
#[tokio::test]
async fn an_author_is_told_of_a_share_by_both_sets_of_paths() {
    let house = House::new().await;
    let (fatou, binta, live) = shared_post(&house).await;
    house.pass_s(5 * 60);
    let answer = house.get("/api/notifications/?page=1&page_size=10", &fatou).await;
    assert_eq!((&answer.body["count"], &answer.body["next"]), (&json!(1), &Value::Null));
    let row = &answer.body["results"][0];
    assert_eq!(
        row,
        &json!({
            "id": row["id"],
            "sender": {"id": binta.id, "username": "binta", "first_name": "Fatou", "last_name": "Diallo"},
            "recipient": fatou.id,
            "notification_type": "post_shared",
            "title": "Fatou a partagé votre publication",
            "message": "Live streaming",
            "is_read": false,
            "created_at": "2025-07-23T11:05:00.000000Z",
            "time_ago": "il y a 5 minutes",
            "extra_data": {"post_id": live["id"], "post_title": "Live streaming"},
        })
    );
    let first_server = house.get("/api/notifications/list/", &fatou).await;
    assert_eq!(
        first_server.body,
        json!({
            "notifications": [row], "total_pages": 1, "current_page": 1,
            "has_next": false, "has_previous": false,
        })
    );
    assert_eq!(counts(&house, &fatou).await, (1, 1));
    assert_eq!(counts(&house, &binta).await, (0, 0));
    for text in [answer.text, first_server.text] {
        assert!(!text.contains("example.org") && !text.contains("email"), "{text}");
    }
}

#[tokio::test]
async fn the_same_share_again_does_not_pile_up() {
    let house = House::new().await;
    let (fatou, binta, live) = shared_post(&house).await;
    let path = format!("/api/posts/posts/{}/share/", live["id"]);
    for _ in 0..3 {
        let gone = house.call(Method::DELETE, &path, Some(&binta), None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(counts(&house, &fatou).await, (0, 0), "what was undone is no news");
        share(&house, &binta, &live["id"]).await;
        assert_eq!(counts(&house, &fatou).await, (1, 1));
    }
}

/// Defect 41.
#[tokio::test]
async fn the_commune_is_told_that_a_live_has_begun() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let far = house.member_of("sekou", "Kaloum").await;
    let live = house.start_live(&fatou).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    while house.store.announce_lives(house.now_ms()).await.unwrap() {}
    let row = &house.get("/api/notifications/", &binta).await.body["results"][0];
    assert_eq!(
        (&row["notification_type"], &row["title"]),
        (&json!("live_started"), &json!("Fatou a démarré un live"))
    );
    assert_eq!(row["extra_data"]["live_title"], "Live streaming");
    assert_eq!(counts(&house, &fatou).await, (0, 0));
    assert_eq!(counts(&house, &far).await, (0, 0));
}

/// Defect 41: preferences were stored and never applied.
#[tokio::test]
async fn preferences_are_kept_and_honoured() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let mut expected = json!({
        "likes_notifications": true, "comments_notifications": true, "follows_notifications": true,
        "live_notifications": true, "mention_notifications": true, "system_notifications": true,
        "community_alert_notifications": true, "email_notifications": true,
        "push_notifications": true, "in_app_notifications": true,
        "notification_frequency": "immediate",
    });
    let path = "/api/notifications/preferences/";
    assert_eq!(house.get(path, &fatou).await.body, expected);
    let change = json!({"in_app_notifications": false, "likes_notifications": "false"});
    for (name, value) in
        [("in_app_notifications", json!(false)), ("likes_notifications", json!(false))]
    {
        expected[name] = value;
    }
    let answer = prefer(&house, &fatou, change).await;
    assert_eq!((answer.status, answer.body), (StatusCode::OK, expected.clone()));
    let live = house.start_live(&fatou).await;
    share(&house, &binta, &live["id"]).await;
    assert_eq!(counts(&house, &fatou).await, (0, 0));

    let change = json!({"in_app_notifications": true});
    let answer = call(&house, Method::PUT, "preferences/", &fatou, change).await;
    expected["in_app_notifications"] = json!(true);
    assert_eq!((answer.status, answer.body), (StatusCode::OK, expected.clone()));
    assert_eq!(house.get(path, &fatou).await.body, expected);
    let live = house.start_live(&fatou).await;
    share(&house, &binta, &live["id"]).await;
    assert_eq!(counts(&house, &fatou).await, (1, 1));
}

#[tokio::test]
async fn who_wants_to_be_told_daily_is_told_at_midnight() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    prefer(&house, &fatou, json!({"notification_frequency": "daily"})).await;
    let live = house.start_live(&fatou).await;
    share(&house, &binta, &live["id"]).await;
    // 11:05 to midnight.
    house.pass_s((12 * 60 + 54) * 60);
    let fatou = sign_in(&house, "fatou").await;
    assert_eq!(counts(&house, &fatou).await, (0, 0));
    assert!(ids(&house, &fatou).await.is_empty());
    house.pass_s(60);
    assert_eq!(counts(&house, &fatou).await, (1, 1));
    let row = &house.get("/api/notifications/", &fatou).await.body["results"][0];
    assert_eq!(row["created_at"], "2025-07-23T11:05:00.000000Z");
}

async fn sign_in(house: &House, name: &str) -> Member {
    let form = json!({"email": format!("{name}@example.org"), "password": "testpass123"});
    crate::house::signed_in(&house.post("/api/users/login/", form).await)
}

#[tokio::test]
async fn preferences_that_cannot_be_are_refused_by_name_and_change_nothing() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let path = "/api/notifications/preferences/";
    let before = house.get(path, &fatou).await.body;
    for (name, odd) in [
        ("likes_notifications", json!(null)),
        ("likes_notifications", json!(1)),
        ("in_app_notifications", json!("oui")),
        ("push_notifications", json!([true])),
        ("notification_frequency", json!("yearly")),
        ("notification_frequency", json!(null)),
        ("notification_frequency", json!("")),
        ("notification_frequency", json!(7)),
    ] {
        let mut body = json!({"live_notifications": false});
        body[name] = odd.clone();
        let answer = prefer(&house, &fatou, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{name} = {odd}");
        assert!(answer.body[name][0].is_string(), "{}", answer.text);
    }
    assert_eq!(house.get(path, &fatou).await.body, before);
}

#[tokio::test]
async fn notifications_are_marked_as_read_by_every_path() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let success = json!({"status": "success"});
    for n in 0..4 {
        let live = house.start_live(&fatou).await;
        share(&house, &binta, &live["id"]).await;
        let id = ids(&house, &fatou).await[0].clone();
        assert_eq!(counts(&house, &fatou).await, (1, n + 1));
        let answer = match n {
            0 => call(&house, Method::POST, &format!("mark-read/{id}/"), &fatou, json!({})).await,
            1 => call(&house, Method::POST, "mark-all-read/", &fatou, json!({})).await,
            2 => {
                let body = json!({"notification_ids": [id, 99_999]});
                call(&house, Method::PATCH, "mark-as-read/", &fatou, body).await
            }
            _ => {
                call(&house, Method::PATCH, "mark-as-read/", &fatou, json!({"mark_all": true}))
                    .await
            }
        };
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &success));
        assert_eq!(counts(&house, &fatou).await, (0, n + 1));
    }
}

#[tokio::test]
async fn what_cannot_be_marked_is_refused() {
    let house = House::new().await;
    let (fatou, ..) = shared_post(&house).await;
    for odd in [
        json!({}),
        json!({"mark_all": false}),
        json!({"notification_ids": null}),
        json!({"notification_ids": 3}),
        json!({"notification_ids": ["x"]}),
        json!({"notification_ids": [1.5]}),
        json!({"notification_ids": vec![1; 201]}),
        json!({"mark_all": "tout"}),
        json!({"mark_all": null}),
    ] {
        let answer = call(&house, Method::PATCH, "mark-as-read/", &fatou, odd.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
    }
    for id in ["99999", "x", "0"] {
        let answer =
            call(&house, Method::POST, &format!("mark-read/{id}/"), &fatou, json!({})).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
    }
    assert_eq!(counts(&house, &fatou).await, (1, 1));
}

#[tokio::test]
async fn a_notification_is_its_recipients_alone() {
    let house = House::new().await;
    let (fatou, binta, _) = shared_post(&house).await;
    let id = ids(&house, &fatou).await[0].clone();
    let no_such = json!({"error": "Notification non trouvée"});
    let delete = format!("{id}/delete/");
    for (method, path) in
        [(Method::POST, format!("mark-read/{id}/")), (Method::DELETE, delete.clone())]
    {
        let answer = call(&house, method, &path, &binta, json!({})).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::NOT_FOUND, &no_such), "{path}");
    }
    let body = json!({"notification_ids": [id]});
    call(&house, Method::PATCH, "mark-as-read/", &binta, body).await;
    call(&house, Method::POST, "mark-all-read/", &binta, json!({})).await;
    assert_eq!(counts(&house, &fatou).await, (1, 1));

    let answer = call(&house, Method::DELETE, &delete, &fatou, json!({})).await;
    assert_eq!((answer.status, &*answer.text), (StatusCode::NO_CONTENT, ""));
    let answer = call(&house, Method::DELETE, &delete, &fatou, json!({})).await;
    assert_eq!((answer.status, &answer.body), (StatusCode::NOT_FOUND, &no_such));
    assert_eq!(counts(&house, &fatou).await, (0, 0));
}

#[tokio::test]
async fn notifications_are_filtered_and_cut_into_pages() {
    let house = House::new().await;
    let (fatou, ..) = shared_post(&house).await;
    for list in ["", "list/"] {
        for (query, expected) in [
            ("type=post_shared", 1),
            ("type=like", 0),
            ("is_read=false", 1),
            ("is_read=true", 0),
            ("is_read=0&type=post_shared", 1),
        ] {
            let body = house.get(&format!("/api/notifications/{list}?{query}"), &fatou).await.body;
            let rows = body.get("results").unwrap_or_else(|| &body["notifications"]);
            assert_eq!(rows.as_array().unwrap().len(), expected, "{list}?{query}");
        }
        for (query, field) in [("type=zzz", "type"), ("is_read=zzz", "is_read")] {
            let answer = house.get(&format!("/api/notifications/{list}?{query}"), &fatou).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST);
            assert_eq!(answer.body, json!({field: ["« zzz » n'est pas un choix valide."]}));
        }
        for page in ["2", "0", "x", "4294967296"] {
            let answer = house.get(&format!("/api/notifications/{list}?page={page}"), &fatou).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{page}");
            assert_eq!(answer.body, json!({"detail": "Page non valide."}));
        }
    }
}

/// The types and titles of a member's notifications, newest first.
async fn told(house: &House, member: &Member) -> Vec<(String, String)> {
    let body = house.get("/api/notifications/", member).await.body;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let rows = body["results"].as_array().unwrap().iter();
    rows.map(|row| (text(&row["notification_type"]), text(&row["title"]))).collect()
}

#[tokio::test]
async fn a_like_is_told_once_however_often_it_is_given_and_not_when_it_was_taken_back() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let path = format!("/api/posts/{}/like/", live["id"]);
    for _ in 0..3 {
        house.write(&path, &binta, json!({})).await;
        let expected = ("like".to_owned(), "Fatou a aimé votre publication".to_owned());
        assert_eq!(told(&house, &fatou).await, [expected]);
        house.call(Method::DELETE, &path, Some(&binta), None).await;
        assert_eq!(counts(&house, &fatou).await, (0, 0));
    }
    house.write(&path, &fatou, json!({})).await;
    assert_eq!(counts(&house, &fatou).await, (0, 0), "one's own like is no news");
}

#[tokio::test]
async fn a_reply_tells_the_author_of_the_comment_and_the_author_of_the_post() {
    let house = House::new().await;
    let [fatou, binta, aissatou] =
        [house.member("fatou").await, house.member("binta").await, house.member("aissatou").await];
    let live = house.start_live(&fatou).await;
    let comments = format!("/api/posts/{}/comments/", live["id"]);
    let comment = house.write(&comments, &binta, json!({"content": "Bravo"})).await;
    let reply = format!("/api/posts/comments/{}/reply/", comment["id"]);
    house.write(&reply, &aissatou, json!({"content": "Oui"})).await;
    let comment_on_post = ("comment".to_owned(), "Fatou a commenté votre publication".to_owned());
    assert_eq!(told(&house, &fatou).await, [comment_on_post.clone(), comment_on_post]);
    let answer = ("comment".to_owned(), "Fatou a répondu à votre commentaire".to_owned());
    assert_eq!(told(&house, &binta).await, [answer]);
    let body = house.get("/api/notifications/", &binta).await.body;
    assert_eq!(body["results"][0]["extra_data"]["comment_content"], "Oui");

    // A comment that is deleted takes what was told of it, and of what answers it.
    let path = format!("/api/posts/comments/{}/", comment["id"]);
    house.call(Method::DELETE, &path, Some(&binta), None).await;
    assert_eq!((counts(&house, &fatou).await, counts(&house, &binta).await), ((0, 0), (0, 0)));
}

/// Defect 8.
#[tokio::test]
async fn who_comments_without_his_name_is_not_named_to_the_author() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let comments = format!("/api/posts/{}/comments/", live["id"]);
    house.write(&comments, &binta, json!({"content": "Bravo", "is_anonymous": true})).await;
    let answer = house.get("/api/notifications/", &fatou).await;
    assert_eq!(answer.body["count"], 1);
    assert!(!answer.text.contains("binta"), "{}", answer.text);
}
