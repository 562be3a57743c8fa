//! Chat: what is said beside a live.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

const PATHS: [&str; 2] = ["chat", "chat/messages"];

async fn say(house: &House, member: &Member, live: &Value, body: Value) -> Answer {
    let path = format!("/api/posts/live/{}/chat/", live["id"]);
    house.call(Method::POST, &path, Some(member), Some(body)).await
}

async fn read(house: &House, member: &Member, live: &Value, query: &str) -> Answer {
    house.get(&format!("/api/posts/live/{}/chat/{query}", live["id"]), member).await
}

#[tokio::test]
async fn what_is_said_by_either_path_is_read_by_either() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let live = house.start_live(&fatou).await;
    let mut said = Vec::new();
    for path in PATHS {
        let path = format!("/api/posts/live/{}/{path}/", live["id"]);
        let body = json!({"content": " Bonjour ", "type": "text"});
        let answer = house.call(Method::POST, &path, Some(&binta), Some(body)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
        assert_eq!(
            answer.body,
            json!({
                "id": answer.body["id"], "type": "text", "content": "Bonjour",
                "timestamp": "2025-07-23T11:05:00.000000Z",
                "author": {
                    "id": binta.id, "first_name": "Fatou", "last_name": "Diallo",
                    "profile_picture": null,
                },
            })
        );
        said.push(answer.body);
    }
    for path in PATHS {
        let answer = house.get(&format!("/api/posts/live/{}/{path}/", live["id"]), &fatou).await;
        assert_eq!(answer.body, json!(said), "a bare array, oldest first");
    }
}

/// Defect 36.
#[tokio::test]
async fn the_chat_of_a_live_that_was_stopped_is_read_and_not_added_to() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    say(&house, &fatou, &live, json!({"content": "Bonjour"})).await;
    let stop = format!("/api/posts/live/{}/stop/", live["id"]);
    assert_eq!(
        house.call(Method::PUT, &stop, Some(&fatou), Some(json!({}))).await.status,
        StatusCode::OK
    );
    let answer = read(&house, &fatou, &live, "").await;
    assert_eq!((answer.status, &answer.body[0]["content"]), (StatusCode::OK, &json!("Bonjour")));
    let refused = say(&house, &fatou, &live, json!({"content": "Trop tard"})).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let text = "Ce live est terminé : on ne peut plus y écrire.";
    assert_eq!(refused.body, json!({"detail": text, "error": text, "message": text}));
    assert_eq!(read(&house, &fatou, &live, "").await.body.as_array().unwrap().len(), 1);
}

/// Defect 21.
#[tokio::test]
async fn a_message_is_a_text_of_at_most_a_thousand_characters() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    for empty in
        [json!({}), json!({"content": ""}), json!({"content": " \n"}), json!({"content": null})]
    {
        let answer = say(&house, &fatou, &live, empty).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let text = "Le contenu du message ne peut pas être vide";
        assert_eq!(answer.body, json!({"error": text}));
    }
    for odd in [
        json!(3),
        json!(["a"]),
        json!({"a": 1}),
        json!(true),
        json!("a\0b"),
        json!("é".repeat(1001)),
    ] {
        let answer = say(&house, &fatou, &live, json!({"content": odd})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["content"][0].is_string(), "{}", answer.text);
    }
    for odd in [json!("video"), json!(3), json!(null)] {
        let answer = say(&house, &fatou, &live, json!({"content": "a", "type": odd})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["type"][0].is_string(), "{}", answer.text);
    }
    assert_eq!(read(&house, &fatou, &live, "").await.body, json!([]));
    for kind in ["text", "emoji", "reaction"] {
        let body = json!({"content": "é".repeat(1000), "type": kind});
        let answer = say(&house, &fatou, &live, body).await;
        assert_eq!((answer.status, &answer.body["type"]), (StatusCode::CREATED, &json!(kind)));
    }
}

#[tokio::test]
async fn what_was_said_since_is_asked_for_by_id() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = house.start_live(&fatou).await;
    let mut ids = Vec::new();
    for n in 0..101 {
        // As fast as one member may go on writing.
        house.pass_s(2);
        let said = say(&house, &fatou, &live, json!({"content": n.to_string()})).await;
        ids.push(said.body["id"].clone());
    }
    let all = read(&house, &fatou, &live, "").await.body;
    assert_eq!(all.as_array().unwrap().len(), 100, "the newest hundred");
    assert_eq!((&all[0]["id"], &all[99]["id"]), (&ids[1], &ids[100]));
    let since = read(&house, &fatou, &live, &format!("?after={}", ids[98])).await.body;
    assert_eq!((&since[0]["id"], &since[1]["id"], &since[2]), (&ids[99], &ids[100], &Value::Null));
    assert_eq!(read(&house, &fatou, &live, &format!("?after={}", ids[100])).await.body, json!([]));
    for odd in ["x", "1.5", "99999999999999999999", "%00"] {
        let answer = read(&house, &fatou, &live, &format!("?after={odd}")).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["after"][0].is_string(), "{}", answer.text);
    }
}

#[tokio::test]
async fn a_live_nobody_started_has_no_chat() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let live = json!({"id": 99_999});
    let answers = [
        read(&house, &fatou, &live, "").await,
        say(&house, &fatou, &live, json!({"content": "Allô"})).await,
    ];
    for answer in answers {
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, json!({"error": "Live non trouvé"}));
    }
}

#[tokio::test]
async fn the_chat_of_a_live_for_a_quartier_is_for_that_quartier() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let far = house.member_of("sekou", "Kaloum").await;
    let body = Some(json!({"audience": "quartier"}));
    let live = house.call(Method::POST, "/api/posts/live/start/", Some(&fatou), body).await.body;
    assert_eq!(
        say(&house, &binta, &live, json!({"content": "Ici"})).await.status,
        StatusCode::CREATED
    );
    assert_eq!(read(&house, &binta, &live, "").await.status, StatusCode::OK);
    let read = read(&house, &far, &live, "").await;
    let said = say(&house, &far, &live, json!({"content": "Là"})).await;
    for answer in [read, said] {
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert!(!answer.text.contains("Ici"), "{}", answer.text);
    }
}
