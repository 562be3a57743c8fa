//! Comments: written, answered, read, changed, deleted.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

async fn post_of(house: &House, member: &Member) -> String {
    let post = house.write("/api/posts/", member, json!({"content": "Marché de Madina"})).await;
    format!("/api/posts/{}/", post["id"])
}

async fn comment(house: &House, member: &Member, post: &str) -> Value {
    house.write(&format!("{post}comments/"), member, json!({"content": "Bravo"})).await
}

fn path_of(comment: &Value) -> String {
    format!("/api/posts/comments/{}/", comment["id"])
}

async fn try_reply(house: &House, member: &Member, comment: &Value) -> Answer {
    let path = format!("{}reply/", path_of(comment));
    house.call(Method::POST, &path, Some(member), Some(json!({"content": "Merci"}))).await
}

async fn reply(house: &House, member: &Member, comment: &Value) -> Value {
    let answer = try_reply(house, member, comment).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.body
}

#[tokio::test]
async fn a_comment_is_answered_whole_and_is_in_the_next_list() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let written = comment(&house, &binta, &post).await;
    let author = written["author"].clone();
    assert_eq!(author["id"], binta.id);
    assert_eq!(
        written,
        json!({
            "id": written["id"], "author": author, "content": "Bravo", "is_anonymous": false,
            "parent_comment": null, "replies": [], "replies_count": 0, "is_reply": false,
            "level": 0, "created_at": "2025-07-23T11:05:00.000000Z",
            "updated_at": "2025-07-23T11:05:00.000000Z",
        })
    );
    let list = house.get(&format!("{post}comments/"), &fatou).await.body;
    assert_eq!(list, json!({"count": 1, "next": null, "previous": null, "results": [written]}));
    let row = &house.get("/api/posts/", &fatou).await.body["results"][0];
    assert_eq!((&row["comments"], &row["comments_count"]), (&json!([written]), &json!(1)));
    assert_eq!(house.get(&path_of(&written), &fatou).await.body, written);
}

/// Defect 27.
#[tokio::test]
async fn a_reply_is_a_comment_with_its_id_by_either_path() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let above = comment(&house, &member, &post).await;
    let body = json!({"content": "Merci", "parent_comment": above["id"]});
    let by_post = house.write(&format!("{post}comments/"), &member, body).await;
    let by_comment = reply(&house, &member, &above).await;
    for reply in [by_post, by_comment] {
        assert!(reply["id"].as_i64().unwrap() > above["id"].as_i64().unwrap());
        assert_eq!(reply["parent_comment"], above["id"]);
        assert_eq!((&reply["is_reply"], &reply["level"]), (&json!(true), &json!(1)));
        assert_eq!(reply["author"]["id"], member.id);
    }
    assert_eq!(house.get(&post, &member).await.body["comments_count"], 3);
}

/// Defect 28.
#[tokio::test]
async fn a_reply_is_shown_once_under_what_it_answers() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let above = comment(&house, &member, &post).await;
    let below = reply(&house, &member, &above).await;
    let read = house.get(&post, &member).await.body;
    let list = house.get(&format!("{post}comments/"), &member).await.body;
    for comments in [&read["comments"], &list["results"]] {
        assert_eq!(comments.as_array().unwrap().len(), 1);
        assert_eq!(comments[0]["replies"], json!([below]));
        assert_eq!(comments[0]["replies_count"], 1);
    }
    assert_eq!(house.get(&path_of(&below), &member).await.body, below);
}

/// Defect 27.
#[tokio::test]
async fn replies_go_three_deep_by_either_path() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let mut deepest = comment(&house, &member, &post).await;
    for level in 1..=3 {
        deepest = reply(&house, &member, &deepest).await;
        assert_eq!(deepest["level"], level);
    }
    let expected =
        json!({"non_field_errors": ["La profondeur maximale des réponses est de 3 niveaux"]});
    let body = json!({"content": "Merci", "parent_comment": deepest["id"]});
    let comments = format!("{post}comments/");
    let by_post = house.call(Method::POST, &comments, Some(&member), Some(body)).await;
    for answer in [try_reply(&house, &member, &deepest).await, by_post] {
        assert_eq!((answer.status, answer.body), (StatusCode::BAD_REQUEST, expected.clone()));
    }
}

#[tokio::test]
async fn a_thread_that_is_full_says_so() {
    let mut config = crate::house::config();
    let many = api::Rate { burst: 1000, per_minute: 60 };
    (config.limits.writing, config.limits.user, config.limits.address) = (many, many, many);
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let above = comment(&house, &member, &post).await;
    for _ in 0..200 {
        reply(&house, &member, &above).await;
    }
    let answer = try_reply(&house, &member, &above).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    let text = "Ce commentaire a atteint la limite de 200 réponses";
    assert_eq!(answer.body, json!({"non_field_errors": [text]}));
    let whole = house.get(&path_of(&above), &member).await.body;
    assert_eq!(whole["replies"].as_array().unwrap().len(), 200);
}

#[tokio::test]
async fn what_is_not_there_is_not_commented() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let (here, there) = (post_of(&house, &member).await, post_of(&house, &member).await);
    let elsewhere = comment(&house, &member, &there).await;
    let body = || Some(json!({"content": "Merci"}));
    for (method, path) in [
        (Method::GET, "/api/posts/99999/comments/"),
        (Method::POST, "/api/posts/99999/comments/"),
        (Method::POST, "/api/posts/comments/99999/reply/"),
        (Method::GET, "/api/posts/comments/99999/"),
        (Method::PUT, "/api/posts/comments/99999/"),
        (Method::DELETE, "/api/posts/comments/99999/"),
        (Method::GET, "/api/posts/comments/x/"),
    ] {
        let answer = house.call(method.clone(), path, Some(&member), body()).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{method} {path}");
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}), "{method} {path}");
    }
    for parent in [elsewhere["id"].clone(), json!(99999)] {
        let body = json!({"content": "Merci", "parent_comment": parent});
        let path = format!("{here}comments/");
        let answer = house.call(Method::POST, &path, Some(&member), Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        let text = format!("Clé primaire « {parent} » non valide - l'objet n'existe pas.");
        assert_eq!(answer.body, json!({"parent_comment": [text]}));
    }
}

/// Defect 21.
#[tokio::test]
async fn null_and_odd_types_never_break_a_comment() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let written = comment(&house, &member, &post).await;
    let blank = json!({"content": ["Ce champ ne peut être vide."]});
    let long = json!("é".repeat(2001));
    for (method, path) in [
        (Method::POST, format!("{post}comments/")),
        (Method::POST, format!("{}reply/", path_of(&written))),
        (Method::PUT, path_of(&written)),
    ] {
        let send = async |body| house.call(method.clone(), &path, Some(&member), Some(body)).await;
        for odd in [json!(null), json!(3), json!(["a"]), json!({}), json!("a\0b"), long.clone()] {
            let answer = send(json!({"content": odd})).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {odd}");
            assert!(answer.body["content"][0].is_string(), "{path}: {}", answer.text);
        }
        assert_eq!(send(json!({"content": " "})).await.body, blank);
        let missing = send(json!({})).await.body;
        assert_eq!(missing, json!({"content": ["Ce champ est obligatoire."]}));
        let answer = send(json!({"content": "x", "is_anonymous": "peut-être"})).await;
        assert_eq!(answer.body, json!({"is_anonymous": ["Doit être un booléen valide."]}));
    }
    for odd in [json!(1.5), json!(true), json!([1]), json!("x"), json!(-1), json!(1e300)] {
        let body = json!({"content": "x", "parent_comment": odd});
        let path = format!("{post}comments/");
        let answer = house.call(Method::POST, &path, Some(&member), Some(body)).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["parent_comment"][0].is_string(), "{}", answer.text);
    }
    assert_eq!(house.get(&path_of(&written), &member).await.body, written);
}

#[tokio::test]
async fn an_author_changes_his_comment() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let written = comment(&house, &member, &post).await;
    let below = reply(&house, &member, &written).await;
    house.pass_s(60);
    let path = path_of(&written);
    let body = json!({"content": "Bravo à tous"});
    let answer = house.call(Method::PUT, &path, Some(&member), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    assert_eq!(answer.body["content"], "Bravo à tous");
    assert_eq!(answer.body["created_at"], "2025-07-23T11:05:00.000000Z");
    assert_eq!(answer.body["updated_at"], "2025-07-23T11:06:00.000000Z");
    assert_eq!(answer.body["replies"], json!([below]));
    assert_eq!(house.get(&path, &member).await.body, answer.body);
}

/// Defect 19.
#[tokio::test]
async fn nobody_changes_or_deletes_the_comment_of_another() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let written = comment(&house, &binta, &post).await;
    let path = path_of(&written);
    for (method, text) in [
        (Method::PUT, "Vous ne pouvez modifier que vos propres commentaires"),
        (Method::DELETE, "Vous ne pouvez supprimer que vos propres commentaires"),
    ] {
        let body = Some(json!({"content": "Pris"}));
        let answer = house.call(method, &path, Some(&fatou), body).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
        assert_eq!(answer.body, json!({"detail": text, "error": text, "message": text}));
    }
    assert_eq!(house.get(&path, &fatou).await.body, written);
}

/// Defect 29.
#[tokio::test]
async fn a_deleted_comment_is_counted_off_with_its_replies() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let above = comment(&house, &member, &post).await;
    let below = reply(&house, &member, &above).await;
    reply(&house, &member, &below).await;
    comment(&house, &member, &post).await;
    assert_eq!(house.get(&post, &member).await.body["comments_count"], 4);
    let answer = house.call(Method::DELETE, &path_of(&above), Some(&member), None).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let read = house.get(&post, &member).await.body;
    assert_eq!(read["comments_count"], 1);
    assert_eq!(read["comments"].as_array().unwrap().len(), 1);
    assert_eq!(house.get(&path_of(&below), &member).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn comments_are_paged_oldest_first_and_a_row_of_a_list_holds_the_last_ten() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let mut ids = Vec::new();
    for _ in 0..21 {
        ids.push(comment(&house, &member, &post).await["id"].clone());
    }
    let ids_of = |comments: &Value| -> Vec<Value> {
        comments.as_array().unwrap().iter().map(|comment| comment["id"].clone()).collect()
    };
    let first = house.get(&format!("{post}comments/"), &member).await.body;
    assert_eq!(ids_of(&first["results"]), ids[..20]);
    assert_eq!((&first["count"], &first["previous"]), (&json!(21), &Value::Null));
    let next = first["next"].as_str().unwrap().strip_prefix("http://live.test").unwrap();
    let second = house.get(next, &member).await.body;
    assert_eq!(ids_of(&second["results"]), ids[20..]);
    let past = house.get(&format!("{post}comments/?page=3"), &member).await;
    assert_eq!(past.status, StatusCode::NOT_FOUND);
    assert_eq!(past.body, json!({"detail": "Page non valide."}));
    let row = &house.get("/api/posts/", &member).await.body["results"][0];
    assert_eq!(ids_of(&row["comments"]), ids[11..]);
    assert_eq!(row["comments_count"], 21);
}
