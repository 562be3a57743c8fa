//! Posts: written, changed, looked at, deleted.

use http::{Method, StatusCode};
use media::id::LiveId;
use serde_json::{Value, json};

use crate::house::{Answer, House, Member, png};

const POSTS: &str = "/api/posts/";

async fn publish(house: &House, member: &Member, body: Value) -> Answer {
    house.call(Method::POST, POSTS, Some(member), Some(body)).await
}

async fn post_of(house: &House, member: &Member) -> String {
    let post = house.write(POSTS, member, json!({"content": "Marché de Madina"})).await;
    format!("/api/posts/{}/", post["id"])
}

async fn change(house: &House, member: &Member, path: &str, body: Value) -> Answer {
    house.call(Method::PUT, path, Some(member), Some(body)).await
}

async fn delete(house: &House, member: &Member, path: &str) -> Answer {
    house.call(Method::DELETE, path, Some(member), None).await
}

fn forbidden(text: &str) -> Value {
    json!({"detail": text, "error": text, "message": text})
}

/// Defects 17 and 18.
#[tokio::test]
async fn a_written_post_is_answered_whole_with_its_id_and_is_in_the_next_list() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let body = json!({
        "title": "Réunion", "content": "Samedi à 10 h", "post_type": "event",
        "is_anonymous": false, "media_files": [], "privacy": "public",
    });
    let answer = publish(&house, &member, body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let post = answer.body;
    assert!(post["id"].as_i64().unwrap() > 0);
    assert_eq!(post["author"]["id"], member.id);
    assert_eq!(post["quartier"]["id"], house.quartier("Dixinn"));
    for (field, value) in [
        ("title", json!("Réunion")),
        ("content", json!("Samedi à 10 h")),
        ("post_type", json!("event")),
        ("is_live_post", json!(false)),
        ("live", Value::Null),
        ("media_files", json!([])),
        ("comments", json!([])),
        ("likes", json!([])),
        ("likes_count", json!(0)),
        ("shares_count", json!(0)),
        ("is_liked_by_user", json!(false)),
        ("privacy", json!("public")),
        ("created_at", json!("2025-07-23T11:05:00.000000Z")),
    ] {
        assert_eq!(post[field], value, "{field}");
    }
    assert_eq!(house.get(POSTS, &member).await.body["results"], json!([post]));
    assert_eq!(house.get(&format!("/api/posts/{}/", post["id"]), &member).await.body, post);
}

#[tokio::test]
async fn a_post_may_be_a_text_alone() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = house.write(POSTS, &member, json!({"content": " Bonjour "})).await;
    assert_eq!(
        (&post["title"], &post["content"], &post["post_type"], &post["is_anonymous"]),
        (&json!(""), &json!("Bonjour"), &json!("info"), &json!(false))
    );
}

#[tokio::test]
async fn a_post_with_nothing_in_it_is_refused_in_the_words_of_the_contract() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let blank = json!({"content": ["Ce champ ne peut être vide."]});
    let nothing = json!({"non_field_errors": ["Vous devez ajouter du contenu ou des médias"]});
    for (body, expected) in [
        (json!({"content": "", "media_files": []}), &blank),
        (json!({"content": " \n "}), &blank),
        (json!({"title": "Réunion", "media_files": []}), &nothing),
        (json!({}), &nothing),
    ] {
        let answer = publish(&house, &member, body.clone()).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(&answer.body, expected, "{body}");
    }
}

#[tokio::test]
async fn a_member_without_quartier_has_nowhere_to_publish() {
    let house = House::new().await;
    let member = house.homeless_member("fatou").await;
    let answer = publish(&house, &member, json!({"content": "Bonjour"})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = "Vous devez avoir un quartier assigné pour publier";
    assert_eq!(answer.body, json!({"non_field_errors": [text]}));
}

/// Defect 31, and a live is not made by hand.
#[tokio::test]
async fn what_a_post_cannot_have_is_refused_field_by_field() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let too_many = "Vous ne pouvez pas ajouter plus de 5 fichiers à une publication";
    for (field, odd, expected) in [
        ("post_type", json!("zzz"), json!({"post_type": ["« zzz » n'est pas un choix valide."]})),
        ("post_type", json!("live"), json!({"post_type": ["« live » n'est pas un choix valide."]})),
        (
            "media_files",
            json!([7, 8]),
            json!({"media_files": ["Clé primaire « 7 » non valide - l'objet n'existe pas."]}),
        ),
        ("media_files", json!([1, 2, 3, 4, 5, 6]), json!({"non_field_errors": [too_many]})),
    ] {
        let answer = publish(&house, &member, json!({"content": "Bonjour", field: odd})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field}: {odd}");
        assert_eq!(answer.body, expected);
    }
    assert_eq!(house.get(POSTS, &member).await.body["count"], 0);
}

/// Defect 21.
#[tokio::test]
async fn null_and_odd_types_never_break_a_post() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = post_of(&house, &member).await;
    let before = house.get(&path, &member).await.body;
    let long = json!("é".repeat(5001));
    for field in ["title", "content", "post_type", "is_anonymous", "media_files"] {
        for odd in
            [json!(null), json!(3), json!(["a"]), json!({"a": 1}), json!("a\0b"), long.clone()]
        {
            let mut body = json!({"content": "Bonjour"});
            body[field] = odd;
            let answer = publish(&house, &member, body.clone()).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
            assert!(answer.body[field][0].is_string(), "{body}: {}", answer.text);
            if field != "media_files" {
                let answer = change(&house, &member, &path, body.clone()).await;
                assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{body}");
            }
        }
    }
    assert_eq!(house.get(&path, &member).await.body, before);
    assert_eq!(house.get(POSTS, &member).await.body["count"], 1);
}

#[tokio::test]
async fn posts_comments_and_messages_are_not_written_by_the_thousand() {
    let mut config = crate::house::config();
    config.limits.writing = api::Rate { burst: 2, per_minute: 60 };
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let path = post_of(&house, &member).await;
    let comments = format!("{path}comments/");
    house.write(&comments, &member, json!({"content": "Bravo"})).await;
    let live = house.start_live(&member).await;
    let chat = format!("/api/posts/live/{}/chat/", live["id"]);
    for path in [POSTS, &comments, &chat] {
        let answer =
            house.call(Method::POST, path, Some(&member), Some(json!({"content": "x"}))).await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers["retry-after"], "1");
    }
    house.pass_s(1);
    house.write(POSTS, &member, json!({"content": "Encore"})).await;
}

#[tokio::test]
async fn an_author_changes_his_post_by_the_fields_he_sends() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = post_of(&house, &member).await;
    house.pass_s(60);
    let answer = change(&house, &member, &path, json!({"content": "Marché fermé"})).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.body["content"], "Marché fermé");
    assert_eq!(answer.body["updated_at"], "2025-07-23T11:06:00.000000Z");
    let body = json!({"title": "Avis", "post_type": "announcement"});
    let answer = house.call(Method::PATCH, &path, Some(&member), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    for (field, value) in
        [("title", "Avis"), ("content", "Marché fermé"), ("post_type", "announcement")]
    {
        assert_eq!(answer.body[field], value);
    }
    assert_eq!(house.get(&path, &member).await.body, answer.body);
    let found = house.get("/api/posts/?search=ferme", &member).await.body;
    assert_eq!(found["count"], 1);
    let emptied = change(&house, &member, &path, json!({"content": ""})).await;
    assert_eq!(emptied.body, json!({"content": ["Ce champ ne peut être vide."]}));
}

/// Defect 16.
#[tokio::test]
async fn what_the_team_decides_is_not_written_by_an_author() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let wanted = json!({
        "content": "Moi d'abord", "is_pinned": true, "is_live_post": true, "likes_count": 99,
        "views_count": 99, "author": 1, "quartier": 1,
    });
    let post = house.write(POSTS, &member, wanted.clone()).await;
    let path = format!("/api/posts/{}/", post["id"]);
    let changed = change(&house, &member, &path, wanted).await.body;
    for post in [post, changed] {
        assert_eq!((&post["is_pinned"], &post["is_live_post"]), (&json!(false), &json!(false)));
        assert_eq!((&post["likes_count"], &post["views_count"]), (&json!(0), &json!(0)));
        assert_eq!(post["author"]["id"], member.id);
        assert_eq!(post["quartier"]["id"], house.quartier("Dixinn"));
    }
}

/// Defect 19.
#[tokio::test]
async fn nobody_changes_or_deletes_the_post_of_another() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let path = post_of(&house, &fatou).await;
    let answer = change(&house, &binta, &path, json!({"content": "Pris"})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.body, forbidden("Vous ne pouvez modifier que vos propres posts"));
    let answer = delete(&house, &binta, &path).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(answer.body, forbidden("Vous ne pouvez supprimer que vos propres posts"));
    assert_eq!(house.get(&path, &fatou).await.body["content"], "Marché de Madina");
}

/// Defect 19.
#[tokio::test]
async fn a_post_is_changed_within_half_an_hour_and_deleted_at_any_time() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let path = post_of(&house, &member).await;
    house.pass_s(30 * 60);
    let answer = change(&house, &member, &path, json!({"content": "À temps"})).await;
    assert_eq!(answer.status, StatusCode::OK);
    house.pass_s(1);
    let answer = change(&house, &member, &path, json!({"content": "Trop tard"})).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(
        answer.body,
        forbidden("Vous ne pouvez plus modifier ce post. La limite de 30 minutes est dépassée.")
    );
    let answer = delete(&house, &member, &path).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let answer = house.call(method, &path, Some(&member), Some(json!({}))).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}));
    }
}

#[tokio::test]
async fn deleting_the_post_of_a_live_ends_the_live() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let id = live["id"].as_i64().unwrap();
    house.publish(id).await;
    let watched = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    assert_eq!(house.look(&watched).await.status, StatusCode::OK);

    let answer = delete(&house, &member, &format!("/api/posts/{id}/")).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    let ended = house.control.ended.lock().unwrap().clone();
    assert_eq!(ended.len(), 1);
    assert_eq!(ended[0].0, LiveId::new(id));
    assert_eq!(ended[0].1.as_str(), live["playback_name"].as_str().unwrap());
    assert_eq!(house.look(&watched).await.status, StatusCode::NOT_FOUND);
    let key = live["stream_key"].as_str().unwrap().parse::<media::id::StreamKey>().unwrap();
    assert!(house.store.live_by_key(&key.hash()).await.unwrap().is_none());
    // The next live starts as if the first had been stopped.
    house.start_live(&member).await;
}

#[tokio::test]
async fn a_changed_live_is_watched_under_its_new_title_at_once() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let live = house.start_live(&member).await;
    let watched = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    assert_eq!(house.look(&watched).await.body["title"], "Live streaming");
    let body = json!({"title": "Fête", "is_anonymous": true});
    change(&house, &member, &format!("/api/posts/{}/", live["id"]), body).await;
    let watched = house.look(&watched).await.body;
    assert_eq!((&watched["title"], &watched["author"]["id"]), (&json!("Fête"), &Value::Null));
}

/// Defects 42 and 43: one place counts, under both paths.
#[tokio::test]
async fn a_view_is_counted_where_the_client_says_so_and_reading_counts_none() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let path = post_of(&house, &fatou).await;
    let doubled = path.replace("/api/posts/", "/api/posts/posts/");
    for path in [&path, &doubled] {
        let path = format!("{path}increment-views/");
        let answer = house.call(Method::POST, &path, Some(&binta), None).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        assert_eq!(answer.body, json!({"message": "Vue incrémentée"}));
    }
    for _ in 0..3 {
        assert_eq!(house.get(&path, &binta).await.body["views_count"], 2);
    }
    let unknown = "/api/posts/99999/increment-views/";
    let answer = house.call(Method::POST, unknown, Some(&binta), None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_posts_of_a_member_are_listed_for_whoever_asks() {
    let house = House::new().await;
    let fatou = house.member_of("fatou", "Dixinn").await;
    let binta = house.member_of("binta", "Kaloum").await;
    post_of(&house, &fatou).await;
    post_of(&house, &binta).await;
    let path = format!("/api/posts/user/{}/", fatou.id);
    for reader in [&fatou, &binta] {
        let list = house.get(&path, reader).await.body;
        assert_eq!((&list["count"], &list["next"]), (&json!(1), &Value::Null));
        assert_eq!(list["results"][0]["author"]["id"], fatou.id);
    }
    assert_eq!(house.get(&format!("{path}?type=event"), &binta).await.body["count"], 0);
    assert_eq!(house.get(&format!("{path}?page=2"), &binta).await.status, StatusCode::NOT_FOUND);
    let unknown = house.get("/api/posts/user/99999/", &binta).await;
    assert_eq!(unknown.status, StatusCode::NOT_FOUND);
    assert_eq!(unknown.body, json!({"detail": "Pas trouvé."}));
}

async fn picture(house: &House, member: &Member) -> Value {
    house.bring(member, &png(4, 3, 10)).await.body
}

/// Defect 30.
#[tokio::test]
async fn a_post_may_be_pictures_alone_and_shows_them_in_their_order() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (first, second) = (picture(&house, &member).await, picture(&house, &member).await);
    for content in [json!(""), Value::Null] {
        let mut body = json!({"content": content, "media_files": [second["id"], first["id"]]});
        if content.is_null() {
            body.as_object_mut().unwrap().remove("content");
        }
        let post = house.write(POSTS, &member, body).await;
        assert_eq!(post["media_files"], json!([second, first]));
        assert_eq!((&post["has_media"], &post["media_count"]), (&json!(true), &json!(2)));
        assert_eq!(post["live_stream"], Value::Null);
        assert_eq!(house.get(POSTS, &member).await.body["results"][0], post);
        // Its text may go again: it is not empty without.
        let path = format!("/api/posts/{}/", post["id"]);
        assert_eq!(
            change(&house, &member, &path, json!({"content": ""})).await.status,
            StatusCode::OK
        );
    }
}

/// Defects 15 and 31.
#[tokio::test]
async fn what_is_not_ones_own_or_not_there_cannot_be_attached() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let (mine, theirs) = (picture(&house, &fatou).await, picture(&house, &binta).await);
    for (ids, refused) in [
        (json!([mine["id"], theirs["id"]]), theirs["id"].clone()),
        (json!([mine["id"], 404]), json!(404)),
        (json!([mine["id"], mine["id"]]), mine["id"].clone()),
    ] {
        let answer = publish(&house, &fatou, json!({"content": "Voici", "media_files": ids})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let message = format!("Clé primaire « {refused} » non valide - l'objet n'existe pas.");
        assert_eq!(answer.body, json!({"media_files": [message]}));
    }
    assert_eq!(house.get(POSTS, &fatou).await.body["count"], 0);
}
