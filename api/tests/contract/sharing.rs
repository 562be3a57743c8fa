//! Sharing: posts passed on within the site and elsewhere, and how they do.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

/// A post of Fatou's, and the path below which it is shared.
async fn post_of(house: &House, member: &Member) -> String {
    format!("/api/posts/posts/{}", house.start_live(member).await["id"])
}

async fn share(house: &House, member: &Member, post: &str, body: Value) -> Answer {
    house.call(Method::POST, &format!("{post}/share/"), Some(member), Some(body)).await
}

async fn unshare(house: &House, member: &Member, post: &str, body: Option<Value>) -> Answer {
    house.call(Method::DELETE, &format!("{post}/share/"), Some(member), body).await
}

async fn share_external(house: &House, member: &Member, post: &str, body: Value) -> Answer {
    house.call(Method::POST, &format!("{post}/share-external/"), Some(member), Some(body)).await
}

/// `shares_count` as a reader of the post sees it.
async fn count(house: &House, member: &Member, post: &str) -> Value {
    let id = post.rsplit('/').next().unwrap();
    house.get(&format!("/api/posts/{id}/"), member).await.body["shares_count"].clone()
}

/// Defect 26.
#[tokio::test]
async fn a_share_is_confirmed_and_counted_once() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let first = share(&house, &binta, &post, json!({})).await;
    assert_eq!(first.status, StatusCode::CREATED);
    let id = &first.body["share_id"];
    assert!(id.is_i64());
    let message = "Post partagé avec succès !";
    assert_eq!(first.body, json!({"message": message, "share_id": id, "id": id}));
    let again = share(&house, &binta, &post, json!({"share_type": "share"})).await;
    assert_eq!(again.status, StatusCode::OK);
    let message = "Vous avez déjà partagé ce post";
    assert_eq!(again.body, json!({"message": message, "share_id": id, "id": id}));
    assert_eq!(count(&house, &fatou, &post).await, 1);
}

/// Defect 24.
#[tokio::test]
async fn a_repost_is_not_a_share_and_what_was_said_is_kept() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let id = post.rsplit('/').next().unwrap().parse::<i64>().unwrap();
    share(&house, &binta, &post, json!({"comment": " À voir ", "message": "non"})).await;
    house.pass_s(5 * 60);
    let repost = json!({"share_type": "repost", "message": "À lire"});
    assert_eq!(share(&house, &binta, &post, repost).await.status, StatusCode::CREATED);
    assert_eq!(count(&house, &fatou, &post).await, 2);
    let answer = house.get(&format!("{post}/shares/"), &fatou).await;
    assert_eq!(answer.body["count"], 2);
    let (repost, share) = (&answer.body["results"][0], &answer.body["results"][1]);
    assert_eq!((&repost["share_type"], &repost["comment"]), (&json!("repost"), &json!("À lire")));
    assert_eq!((&share["share_type"], &share["comment"]), (&json!("share"), &json!("À voir")));
    assert_eq!(
        (&repost["time_ago"], &share["time_ago"]),
        (&json!("À l'instant"), &json!("Il y a 5min"))
    );
    assert_eq!(share["post"], id);
    assert_eq!(share["created_at"], "2025-07-23T11:05:00.000000Z");
    assert_eq!(share["user"]["id"], binta.id);
    for private in ["binta@example.org", "+224", "last_login", "birth"] {
        assert!(!answer.text.contains(private), "{private} in {}", answer.text);
    }
}

/// Defect 21.
#[tokio::test]
async fn odd_types_never_break_a_share() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    for field in ["share_type", "comment", "message"] {
        for odd in [json!(null), json!(3), json!(["a"]), json!({"a": 1}), json!(true)] {
            let answer = share(&house, &binta, &post, json!({field: odd})).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field} = {odd}");
            assert!(answer.body[field][0].is_string(), "{}", answer.text);
        }
    }
    for unknown in ["like", "recommend", "Share"] {
        let answer = share(&house, &binta, &post, json!({"share_type": unknown})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{unknown}");
        let message = format!("« {unknown} » n'est pas un choix valide.");
        assert_eq!(answer.body, json!({"share_type": [message]}));
        let answer = unshare(&house, &binta, &post, Some(json!({"share_type": unknown}))).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{unknown}");
    }
    let long = json!({"comment": "é".repeat(1001)});
    assert_eq!(share(&house, &binta, &post, long).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(count(&house, &fatou, &post).await, 0);
}

/// Defect 23.
#[tokio::test]
async fn a_share_is_taken_back_without_a_word() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    share(&house, &binta, &post, json!({})).await;
    share(&house, &binta, &post, json!({"share_type": "repost"})).await;
    for body in [None, Some(json!({"share_type": "repost"}))] {
        let answer = unshare(&house, &binta, &post, body.clone()).await;
        assert_eq!((answer.status, &*answer.text), (StatusCode::NO_CONTENT, ""));
        let answer = unshare(&house, &binta, &post, body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
        assert_eq!(answer.body, json!({"error": "Partage non trouvé"}));
    }
    assert_eq!(count(&house, &fatou, &post).await, 0);
}

#[tokio::test]
async fn nobody_takes_back_the_share_of_another() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    share(&house, &binta, &post, json!({})).await;
    assert_eq!(unshare(&house, &fatou, &post, None).await.status, StatusCode::NOT_FOUND);
    assert_eq!(count(&house, &fatou, &post).await, 1);
}

#[tokio::test]
async fn a_post_nobody_wrote_cannot_be_shared_nor_asked_about() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for id in ["99999", "0", "x", "99999999999999999999"] {
        let post = format!("/api/posts/posts/{id}");
        let platform = json!({"platform": "email"});
        let mut answers = vec![
            share(&house, &member, &post, json!({})).await,
            share_external(&house, &member, &post, platform).await,
        ];
        for list in ["shares", "external-shares", "analytics"] {
            answers.push(house.get(&format!("{post}/{list}/"), &member).await);
        }
        for answer in answers {
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{id}");
            assert_eq!(answer.body, json!({"detail": "Pas trouvé."}), "{id}");
        }
    }
}

/// Defect 25.
#[tokio::test]
async fn a_post_is_passed_on_to_a_platform_that_exists_and_to_no_other() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    for (platform, display) in [
        ("whatsapp", "WhatsApp"),
        ("facebook", "Facebook"),
        ("twitter", "Twitter"),
        ("telegram", "Telegram"),
        ("email", "Email"),
        ("copy_link", "Copier le lien"),
    ] {
        let body = json!({"platform": platform, "message": "À voir"});
        let first = share_external(&house, &binta, &post, body.clone()).await;
        assert_eq!(first.status, StatusCode::CREATED);
        let expected = |message: String| {
            json!({
                "message": message, "platform": platform, "platform_display": display,
                "share_id": first.body["share_id"],
            })
        };
        assert_eq!(first.body, expected(format!("Post partagé sur {display}")));
        let again = share_external(&house, &binta, &post, body).await;
        assert_eq!(again.status, StatusCode::OK);
        assert_eq!(again.body, expected(format!("Vous avez déjà partagé ce post sur {display}")));
    }
    assert_eq!(count(&house, &fatou, &post).await, 0, "these are counted apart");

    let missing = share_external(&house, &binta, &post, json!({})).await;
    assert_eq!(missing.status, StatusCode::BAD_REQUEST);
    assert_eq!(missing.body, json!({"platform": ["Ce champ est obligatoire."]}));
    for odd in [json!("minitel"), json!(""), json!(null), json!(3), json!(["email"])] {
        let answer = share_external(&house, &binta, &post, json!({"platform": odd})).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["platform"][0].is_string(), "{}", answer.text);
    }
    for odd in [json!(null), json!(3), json!([]), json!("é".repeat(1001))] {
        let body = json!({"platform": "email", "message": odd});
        let answer = share_external(&house, &fatou, &post, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["message"][0].is_string(), "{}", answer.text);
    }
}

#[tokio::test]
async fn those_who_passed_a_post_on_are_listed_without_what_they_wrote() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let body = json!({"platform": "whatsapp", "message": "pour toi seule"});
    let made = share_external(&house, &binta, &post, body).await.body;
    house.pass_s(59 * 60);
    let answer = house.get(&format!("{post}/external-shares/"), &fatou).await;
    let row = &answer.body["results"][0];
    assert_eq!(row["user"]["id"], binta.id);
    let mut expected = json!({
        "id": made["share_id"], "platform": "whatsapp", "platform_display": "WhatsApp",
        "shared_at": "2025-07-23T11:05:00.000000Z", "time_ago": "Il y a 59min",
    });
    expected["user"] = row["user"].clone();
    assert_eq!(row, &expected);
    assert!(!answer.text.contains("pour toi seule") && !answer.text.contains("example.org"));
}

#[tokio::test]
async fn lists_of_shares_are_cut_into_pages() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let post = post_of(&house, &fatou).await;
    share(&house, &fatou, &post, json!({})).await;
    for list in ["shares", "external-shares"] {
        let first = house.get(&format!("{post}/{list}/?page=1"), &fatou).await;
        assert_eq!((first.status, &first.body["next"]), (StatusCode::OK, &Value::Null));
        for page in ["2", "0", "x"] {
            let answer = house.get(&format!("{post}/{list}/?page={page}"), &fatou).await;
            assert_eq!(answer.status, StatusCode::NOT_FOUND, "{list} {page}");
            assert_eq!(answer.body, json!({"detail": "Page non valide."}));
        }
    }
}

/// Has each of `viewers` look at a post, and `member` like and comment it.
async fn look_like_and_comment(house: &House, viewers: &[&Member], member: &Member, id: i64) {
    for viewer in viewers {
        let path = format!("/api/posts/{id}/increment-views/");
        house.call(Method::POST, &path, Some(viewer), Some(json!({}))).await;
    }
    house.write(&format!("/api/posts/{id}/like/"), member, json!({})).await;
    let comment = json!({"content": "Bravo"});
    house.write(&format!("/api/posts/{id}/comments/"), member, comment).await;
}

#[tokio::test]
async fn a_post_says_how_it_does() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    let id = post.rsplit('/').next().unwrap().parse::<i64>().unwrap();
    share(&house, &binta, &post, json!({})).await;
    for (member, platform) in [(&binta, "whatsapp"), (&fatou, "whatsapp"), (&binta, "copy_link")] {
        share_external(&house, member, &post, json!({"platform": platform})).await;
    }
    look_like_and_comment(&house, &[&fatou, &binta, &binta, &binta], &binta, id).await;
    house.pass_s(60);
    let answer = house.get(&format!("{post}/analytics/"), &binta).await;
    assert_eq!(
        answer.body,
        json!({
            "id": id, "post": id,
            "total_views": 4, "unique_views": 2,
            "total_likes": 1, "total_comments": 1,
            "total_shares": 1, "total_external_shares": 3,
            "viral_score": 75.0, "viral_score_formatted": "75.0% ⚡ POPULAIRE",
            "engagement_rate": 75.0, "engagement_rate_formatted": "75.0%",
            "reach_multiplier": null,
            "whatsapp_shares": 2, "facebook_shares": 0, "twitter_shares": 0, "telegram_shares": 0,
            "email_shares": 0,
            "external_shares_breakdown": {
                "whatsapp": 2, "facebook": 0, "twitter": 0, "telegram": 0, "email": 0,
                "copy_link": 1, "total": 3,
            },
            "created_at": "2025-07-23T11:05:00.000000Z",
            "updated_at": "2025-07-23T11:06:00.000000Z",
        })
    );
}

/// Defect 44.
#[tokio::test]
async fn unique_views_count_each_member_once() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let post = post_of(&house, &fatou).await;
    for member in [&binta, &binta, &fatou, &binta] {
        house.call(Method::POST, &format!("{post}/increment-views/"), Some(member), None).await;
    }
    let figures = house.get(&format!("{post}/analytics/"), &fatou).await.body;
    assert_eq!((&figures["total_views"], &figures["unique_views"]), (&json!(4), &json!(2)));
}

#[tokio::test]
async fn a_member_sees_how_all_his_posts_do() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let (first, second) = (post_of(&house, &fatou).await, post_of(&house, &fatou).await);
    for post in [&first, &second] {
        share(&house, &binta, post, json!({})).await;
    }
    let id = first.rsplit('/').next().unwrap().parse().unwrap();
    look_like_and_comment(&house, &[&fatou, &binta, &binta], &binta, id).await;
    let body = house.get("/api/posts/analytics/user/", &fatou).await.body;
    assert_eq!((&body["user_id"], &body["username"]), (&json!(fatou.id), &json!("fatou")));
    assert_eq!((&body["total_posts"], &body["total_shares_received"]), (&json!(2), &json!(2)));
    let totals = ["likes", "comments", "views"].map(|what| &body[format!("total_{what}_received")]);
    assert_eq!(totals, [&json!(1), &json!(1), &json!(3)]);
    let recent = body["recent_posts_analytics"].as_array().unwrap();
    assert_eq!(recent.len(), 2);
    assert_eq!(recent[0]["post_id"].to_string(), second.rsplit('/').next().unwrap());
    assert_eq!(
        (&recent[0]["content"], &recent[0]["shares_count"]),
        (&json!("Live en cours"), &json!(1))
    );
    let others = house.get("/api/posts/analytics/user/", &binta).await.body;
    assert_eq!(
        (&others["total_posts"], &others["recent_posts_analytics"]),
        (&json!(0), &json!([]))
    );
}
