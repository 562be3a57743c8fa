//! Likes: given, taken back, counted, shown.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

async fn post_of(house: &House, member: &Member) -> String {
    let post = house.write("/api/posts/", member, json!({"content": "Marché de Madina"})).await;
    format!("/api/posts/{}/", post["id"])
}

async fn call(house: &House, method: Method, member: &Member, post: &str) -> Answer {
    house.call(method, &format!("{post}like/"), Some(member), None).await
}

async fn like(house: &House, member: &Member, post: &str) -> Answer {
    call(house, Method::POST, member, post).await
}

#[tokio::test]
async fn a_like_is_answered_with_who_likes_since_when() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let answer = like(&house, &binta, &post).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    assert!(answer.body["id"].is_i64());
    assert_eq!(answer.body["user"]["id"], binta.id);
    assert_eq!(answer.body["created_at"], "2025-07-23T11:05:00.000000Z");
    let read = house.get(&post, &fatou).await.body;
    assert_eq!(read["likes"], json!([answer.body]));
    // Defect 7.
    assert!(!answer.text.contains("example.org") && !answer.text.contains("+224"));
}

/// Defect 6: whether a reader likes a post is his own.
#[tokio::test]
async fn each_reader_is_told_of_his_own_like() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    like(&house, &binta, &post).await;
    for (reader, liked) in [(&fatou, false), (&binta, true)] {
        let read = house.get(&post, reader).await.body;
        let row = &house.get("/api/posts/", reader).await.body["results"][0];
        for post in [&read, row] {
            assert_eq!(post["is_liked_by_user"], liked);
            assert_eq!(
                (&post["likes_count"], &post["likes"][0]["user"]["id"]),
                (&json!(1), &json!(binta.id))
            );
        }
    }
}

#[tokio::test]
async fn a_second_like_is_refused_in_the_words_the_client_compares() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    like(&house, &member, &post).await;
    let answer = like(&house, &member, &post).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(answer.body, json!({"detail": "Vous avez déjà liké ce post"}));
    assert_eq!(house.get(&post, &member).await.body["likes_count"], 1);
}

#[tokio::test]
async fn a_like_is_taken_back_once() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    like(&house, &member, &post).await;
    let answer = call(&house, Method::DELETE, &member, &post).await;
    assert_eq!((answer.status, answer.text.as_str()), (StatusCode::NO_CONTENT, ""));
    let read = house.get(&post, &member).await.body;
    assert_eq!(
        (&read["likes_count"], &read["likes"], &read["is_liked_by_user"]),
        (&json!(0), &json!([]), &json!(false))
    );
    let answer = call(&house, Method::DELETE, &member, &post).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert_eq!(answer.body, json!({"detail": "Vous n'avez pas liké ce post"}));
}

#[tokio::test]
async fn a_post_that_is_not_there_is_not_liked() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for method in [Method::POST, Method::DELETE] {
        let answer = call(&house, method, &member, "/api/posts/99999/").await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, json!({"detail": "Pas trouvé."}));
    }
}

/// Defect 43, and the race that gave 500.
#[tokio::test]
async fn the_same_member_who_likes_twice_at_once_likes_once() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let post = post_of(&house, &member).await;
    let (one, other) = tokio::join!(like(&house, &member, &post), like(&house, &member, &post));
    let mut answers = [one.status, other.status];
    answers.sort_unstable();
    assert_eq!(answers, [StatusCode::CREATED, StatusCode::BAD_REQUEST]);
    assert_eq!(house.get(&post, &member).await.body["likes_count"], 1);
}

#[tokio::test]
async fn posts_are_sorted_by_their_likes() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let mut posts = Vec::new();
    for _ in 0..3 {
        posts.push(post_of(&house, &member).await);
        house.pass_s(1);
    }
    like(&house, &member, &posts[1]).await;
    let order = async |sort: &str| {
        let list = house.get(&format!("/api/posts/?sort={sort}"), &member).await.body;
        let ids: Vec<Value> =
            list["results"].as_array().unwrap().iter().map(|post| post["id"].clone()).collect();
        ids.iter()
            .map(|id| posts.iter().position(|post| *post == format!("/api/posts/{id}/")).unwrap())
            .collect::<Vec<_>>()
    };
    assert_eq!(order("-likes_count").await, [1, 2, 0]);
    assert_eq!(order("likes_count").await, [0, 2, 1], "from its other end");
    assert_eq!(order("-created_at").await, [2, 1, 0]);
}
