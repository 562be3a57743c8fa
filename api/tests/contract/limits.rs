//! How often one may ask. Time is moved by hand.

use std::net::{IpAddr, SocketAddr};

use api::Rate;
use axum::{body::Body, extract::ConnectInfo};
use http::{Method, Request, StatusCode};
use serde_json::json;

use crate::house::{Answer, House, config, request};

pub const WRONG: &str = "wrongpass123";
pub const RIGHT: &str = "testpass123";

pub async fn login(house: &House, from: &str, email: &str, password: &str) -> Answer {
    let form = json!({"email": email, "password": password});
    house
        .send(from_address(request(Method::POST, "/api/users/login/", None, Some(form)), from))
        .await
}

fn from_address(mut request: Request<Body>, address: &str) -> Request<Body> {
    let address: IpAddr = address.parse().unwrap();
    request.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 4711)));
    request
}

pub fn assert_slowed(answer: &Answer, retry_after_s: i64) {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(answer.headers["retry-after"], retry_after_s.to_string());
    let detail = answer.body["detail"].as_str().unwrap();
    assert!(detail.starts_with("Requête ralentie. "), "{detail}");
}

/// Defect 13.
#[tokio::test]
async fn an_account_takes_ten_wrong_passwords_then_one_every_half_minute() {
    let house = House::new().await;
    house.member("fatou").await;
    for n in 0..10 {
        let answer = login(&house, &format!("198.51.100.{n}"), "fatou@example.org", WRONG).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    }
    assert_slowed(&login(&house, "198.51.100.77", "FATOU@example.org", RIGHT).await, 30);
    house.pass_s(30);
    assert_eq!(
        login(&house, "198.51.100.77", "fatou@example.org", RIGHT).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn strangers_cannot_keep_a_member_out_of_an_address_he_uses() {
    let house = House::new().await;
    house.member("fatou").await;
    let (email, home, cafe) = ("fatou@example.org", "198.51.100.70", "198.51.100.71");
    assert_eq!(login(&house, home, "Fatou@example.org", RIGHT).await.status, StatusCode::OK);
    for n in 0..10 {
        login(&house, &format!("198.51.100.{n}"), email, WRONG).await;
    }
    assert_slowed(&login(&house, cafe, email, RIGHT).await, 30);
    assert_eq!(login(&house, home, email, RIGHT).await.status, StatusCode::OK);
    // There too, a list of passwords is not worth trying.
    for _ in 0..10 {
        assert_eq!(login(&house, home, email, WRONG).await.status, StatusCode::UNAUTHORIZED);
    }
    assert_slowed(&login(&house, home, email, RIGHT).await, 30);
}

#[tokio::test]
async fn the_address_of_a_registration_is_one_the_member_uses() {
    let house = House::new().await;
    house.member("fatou").await;
    for n in 0..10 {
        login(&house, &format!("198.51.100.{n}"), "fatou@example.org", WRONG).await;
    }
    let answer = login(&house, "203.0.113.9", "fatou@example.org", RIGHT).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_neighbourhood_that_watches_is_not_slowed_nor_keeps_others_from_asking() {
    let house = House::new().await;
    let live = house.start_live(&house.member("fatou").await).await;
    let path = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    for _ in 0..2000 {
        assert_eq!(house.look(&path).await.status, StatusCode::OK);
    }
    assert_eq!(house.look("/api/health/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn the_questions_of_watch_pages_have_a_limit_of_their_own() {
    let mut config = config();
    config.limits.watch_address = Rate { burst: 3, per_minute: 60 };
    let house = House::with(config).await;
    let live = house.start_live(&house.member("fatou").await).await;
    let path = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    for _ in 0..3 {
        assert_eq!(house.look(&path).await.status, StatusCode::OK);
    }
    assert_slowed(&house.look(&path).await, 1);
}

#[tokio::test]
async fn made_up_names_of_lives_cost_as_any_request() {
    let mut config = config();
    config.limits.address = Rate { burst: 3, per_minute: 60 };
    let house = House::with(config).await;
    for n in 0..3 {
        let answer = house.look(&format!("/api/lives/nobody{n}/")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND);
    }
    assert_slowed(&house.look("/api/lives/nobody/").await, 1);
}

#[tokio::test]
async fn an_account_that_does_not_exist_is_slowed_as_one_that_does() {
    let house = House::new().await;
    for _ in 0..10 {
        login(&house, "198.51.100.1", "nobody@example.org", WRONG).await;
    }
    assert_slowed(&login(&house, "198.51.100.1", "nobody@example.org", WRONG).await, 30);
}

#[tokio::test]
async fn an_address_that_tries_many_accounts_is_slowed() {
    let house = House::new().await;
    house.member("fatou").await;
    for n in 0..30 {
        login(&house, "198.51.100.1", &format!("member{n}@example.org"), WRONG).await;
    }
    assert_slowed(&login(&house, "198.51.100.1", "fatou@example.org", RIGHT).await, 3);
    assert_eq!(
        login(&house, "198.51.100.2", "fatou@example.org", RIGHT).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn the_right_password_is_never_slowed() {
    let house = House::new().await;
    house.member("fatou").await;
    for _ in 0..50 {
        let answer = login(&house, "198.51.100.1", "fatou@example.org", RIGHT).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
}

/// Defect 12.
#[tokio::test]
async fn a_made_up_forwarded_address_does_not_escape_the_limit() {
    let house = House::new().await;
    for n in 0..30 {
        let form = json!({"email": format!("member{n}@example.org"), "password": WRONG});
        let mut request = request(Method::POST, "/api/users/login/", None, Some(form));
        let forwarded = format!("192.0.2.{n}").parse().unwrap();
        request.headers_mut().insert("x-forwarded-for", forwarded);
        house.send(request).await;
    }
    let form = json!({"email": "another@example.org", "password": WRONG});
    let mut last = request(Method::POST, "/api/users/login/", None, Some(form));
    last.headers_mut().insert("x-forwarded-for", "192.0.2.200".parse().unwrap());
    assert_slowed(&house.send(last).await, 3);
}

#[tokio::test]
async fn behind_a_trusted_proxy_each_client_has_its_own_limit() {
    let mut config = config();
    config.trusted_proxies = vec!["127.0.0.1".parse().unwrap()];
    config.limits.address = Rate { burst: 1, per_minute: 1 };
    let house = House::with(config).await;
    let ask = async |client: &str| {
        let mut request =
            from_address(request(Method::GET, "/api/health/", None, None), "127.0.0.1");
        request.headers_mut().insert("x-forwarded-for", client.parse().unwrap());
        house.send(request).await.status
    };
    assert_eq!(ask("192.0.2.1").await, StatusCode::OK);
    assert_eq!(ask("192.0.2.1").await, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(ask("192.0.2.2").await, StatusCode::OK);
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_slowed_and_then_forgiven() {
    let mut config = config();
    config.limits.address = Rate { burst: 3, per_minute: 60 };
    let house = House::with(config).await;
    for _ in 0..3 {
        assert_eq!(house.look("/api/health/").await.status, StatusCode::OK);
    }
    let answer = house.look("/api/health/").await;
    assert_slowed(&answer, 1);
    assert_eq!(answer.body["error"], "Trop de requêtes. Veuillez patienter.");
    house.pass_s(1);
    assert_eq!(house.look("/api/health/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_member_is_slowed_wherever_he_asks_from() {
    let mut config = config();
    config.limits.user = Rate { burst: 2, per_minute: 60 };
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let ask = async |from: &str| {
        let request = request(Method::GET, "/api/users/my-profile/", Some(&member), None);
        house.send(from_address(request, from)).await
    };
    assert_eq!(ask("198.51.100.1").await.status, StatusCode::OK);
    assert_eq!(ask("198.51.100.2").await.status, StatusCode::OK);
    assert_slowed(&ask("198.51.100.3").await, 1);
}

#[tokio::test]
async fn a_page_of_ten_calls_is_never_slowed_by_the_defaults() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for _ in 0..10 {
        for _ in 0..10 {
            assert_eq!(house.get("/api/posts/", &member).await.status, StatusCode::OK);
        }
        house.pass_s(5);
    }
}

#[tokio::test]
async fn accounts_are_not_made_by_the_thousand() {
    let house = House::new().await;
    for n in 0..20 {
        house.member(&format!("member{n}")).await;
    }
    let answer = house.post("/api/users/register/", crate::house::account("onemore")).await;
    assert_slowed(&answer, 30);
}

#[tokio::test]
async fn lives_are_not_started_by_the_thousand() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    for _ in 0..10 {
        house.start_live(&member).await;
    }
    let start = "/api/posts/live/start/";
    assert_slowed(&house.call(Method::POST, start, Some(&member), Some(json!({}))).await, 30);
}

/// Each change of a text may name others, who are told of it.
#[tokio::test]
async fn texts_are_not_changed_over_and_over() {
    let mut config = config();
    config.limits.writing = Rate { burst: 4, per_minute: 1 };
    let house = House::with(config).await;
    let fatou = house.member("fatou").await;
    let post = house.write("/api/posts/", &fatou, json!({"content": "Bonjour"})).await;
    let post = format!("/api/posts/{}/", post["id"]);
    let comment = house.write(&format!("{post}comments/"), &fatou, json!({"content": "Oui"})).await;
    let comment = format!("/api/posts/comments/{}/", comment["id"]);
    let change = async |path: &str| {
        house.call(Method::PUT, path, Some(&fatou), Some(json!({"content": "Bonsoir"}))).await
    };
    for path in [&post, &comment] {
        assert_eq!(change(path).await.status, StatusCode::OK);
    }
    for path in [&post, &comment] {
        assert_slowed(&change(path).await, 60);
    }
}
