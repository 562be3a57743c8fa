//! Sessions: tokens, their rotation and their end.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use http::{Method, Request, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member};

const PROFILE: &str = "/api/users/my-profile/";

async fn refresh(house: &House, token: &str) -> Answer {
    house.post("/api/token/refresh/", json!({"refresh": token})).await
}

fn with(answer: &Answer, member: &Member) -> Member {
    let token = |name: &str| answer.body[name].as_str().expect(&answer.text).to_owned();
    Member { id: member.id, access: token("access"), refresh: token("refresh") }
}

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn assert_dead(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.body,
        json!({"detail": "Le jeton est invalide ou expiré", "code": "token_not_valid"})
    );
}

#[tokio::test]
async fn the_claims_are_those_clients_know() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let now_s = house.now_ms() / 1000;
    for (token, token_type, life_s) in
        [(&member.access, "access", 3600), (&member.refresh, "refresh", 7 * 24 * 3600)]
    {
        let mut claims = claims(token);
        let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
        assert_eq!(jti.as_str().unwrap().len(), 32);
        assert_eq!(
            claims,
            json!({
                "token_type": token_type, "iat": now_s, "exp": now_s + life_s,
                "user_id": member.id, "generation": 0,
            })
        );
    }
}

#[tokio::test]
async fn without_a_token_there_is_no_session() {
    let answer = House::new().await.look(PROFILE).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body, json!({"detail": "Informations d'authentification non fournies."}));
    assert_eq!(answer.headers["www-authenticate"], r#"Bearer realm="api""#);
}

#[tokio::test]
async fn a_refresh_token_opens_no_door() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let wrong = Member { access: member.refresh.clone(), ..member };
    let answer = house.get(PROFILE, &wrong).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(
        answer.body,
        json!({
            "detail": "Le type de jeton fourni n'est pas valide",
            "code": "token_not_valid",
            "messages": [{
                "token_class": "AccessToken", "token_type": "access",
                "message": "Le jeton est du mauvais type",
            }],
        })
    );
}

#[tokio::test]
async fn an_access_token_lasts_an_hour() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    house.pass_s(3599);
    assert_eq!(house.get(PROFILE, &member).await.status, StatusCode::OK);
    house.pass_s(1);
    let answer = house.get(PROFILE, &member).await;
    assert_eq!(answer.status, StatusCode::UNAUTHORIZED);
    assert_eq!(answer.body["code"], "token_not_valid");
}

#[tokio::test]
async fn what_is_no_token_is_refused_as_one() {
    let house = House::new().await;
    for value in ["Bearer", "Bearer ", "Bearer x", "Bearer a.b.c", "bearer é"] {
        let request = Request::get(PROFILE).header("authorization", value).body("".into()).unwrap();
        let answer = house.send(request).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{value}");
        assert_eq!(answer.body["code"], "token_not_valid", "{value}");
    }
}

/// Defect 11.
#[tokio::test]
async fn a_refresh_token_is_good_once_and_gives_two_new_ones() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let answer = refresh(&house, &member.refresh).await;
    assert_eq!(answer.status, StatusCode::OK);
    let renewed = with(&answer, &member);
    assert_eq!(house.get(PROFILE, &renewed).await.status, StatusCode::OK);
    assert_eq!(refresh(&house, &renewed.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_used_refresh_token_that_comes_back_ends_the_session() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let renewed = with(&refresh(&house, &member.refresh).await, &member);
    assert_dead(&refresh(&house, &member.refresh).await);
    assert_dead(&refresh(&house, &renewed.refresh).await);
}

#[tokio::test]
async fn the_end_of_one_session_is_not_the_end_of_another() {
    let house = House::new().await;
    let phone = house.member("fatou").await;
    let form = json!({"email": "fatou@example.org", "password": "testpass123"});
    let desktop = crate::house::signed_in(&house.post("/api/users/login/", form).await);
    refresh(&house, &phone.refresh).await;
    assert_dead(&refresh(&house, &phone.refresh).await);
    assert_eq!(refresh(&house, &desktop.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_refresh_token_lasts_seven_days() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    house.pass_s(7 * 24 * 3600);
    assert_dead(&refresh(&house, &member.refresh).await);
}

#[tokio::test]
async fn an_access_token_refreshes_nothing() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    assert_dead(&refresh(&house, &member.access).await);
}

#[tokio::test]
async fn a_refresh_without_its_token_is_no_401() {
    let house = House::new().await;
    for (body, message) in [
        (json!({}), "Ce champ est obligatoire."),
        (json!({"refresh": ""}), "Ce champ ne peut être vide."),
        (json!({"refresh": null}), "Ce champ ne peut être nul."),
    ] {
        let answer = house.post("/api/token/refresh/", body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert_eq!(answer.body, json!({"refresh": [message]}));
    }
}

#[tokio::test]
async fn signing_out_kills_the_refresh_token_it_is_given() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let body = json!({"refresh": member.refresh});
    let answer = house.call(Method::POST, "/api/users/logout/", Some(&member), Some(body)).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, json!({"message": "Déconnexion réussie"}));
    assert_dead(&refresh(&house, &member.refresh).await);
}

#[tokio::test]
async fn signing_out_without_a_body_is_polite_and_harmless() {
    let house = House::new().await;
    let member = house.member("fatou").await;
    let answer = house.call(Method::POST, "/api/users/logout/", Some(&member), None).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(refresh(&house, &member.refresh).await.status, StatusCode::OK);
}

#[tokio::test]
async fn nobody_signs_another_out() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let body = json!({"refresh": fatou.refresh});
    house.call(Method::POST, "/api/users/logout/", Some(&binta), Some(body)).await;
    assert_eq!(refresh(&house, &fatou.refresh).await.status, StatusCode::OK);
}
