//! What admins do to accounts, and what is written down of it.

use http::{Method, StatusCode};
use serde_json::{Value, json};
use store::Role;

use crate::house::{Answer, House, Member};

const AUDIT: &str = "/api/admin/audit/";
const PROFILE: &str = "/api/users/my-profile/";

async fn admin(house: &House) -> Member {
    house.admin("admin").await
}

async fn change(house: &House, by: &Member, of: &Member, change: Value) -> Answer {
    let path = format!("/api/admin/users/{}/", of.id);
    house.call(Method::PATCH, &path, Some(by), Some(change)).await
}

/// Actions and what else was said, newest first.
async fn audit(house: &House, admin: &Member, query: &str) -> Vec<(String, String)> {
    let answer = house.get(&format!("{AUDIT}{query}"), admin).await;
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let lines = answer.body["results"].as_array().unwrap().iter();
    lines.map(|line| (text(&line["action"]), text(&line["detail"]))).collect()
}

#[tokio::test]
async fn a_role_is_given_by_an_admin_alone_and_written_down() {
    let house = House::new().await;
    let (admin, fatou) = (admin(&house).await, house.member("fatou").await);
    let ambassador = json!({"role": "ambassador"});
    let refused = change(&house, &fatou, &fatou, ambassador.clone()).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(house.get(PROFILE, &fatou).await.body["role"], "user");

    let answer = change(&house, &admin, &fatou, ambassador).await;
    assert_eq!(
        answer.body,
        json!({"id": fatou.id, "username": "fatou", "role": "ambassador", "is_active": true})
    );
    assert_eq!(house.get(PROFILE, &fatou).await.body["is_ambassador"], true);
    let answer = house.get(&format!("{AUDIT}?action=role_changed&user={}", fatou.id), &admin).await;
    let [line] = &answer.body["results"].as_array().unwrap()[..] else { panic!("{}", answer.text) };
    assert_eq!(
        line,
        &json!({
            "id": line["id"], "at": "2025-07-23T11:05:00.000000Z", "action": "role_changed",
            "actor": {"kind": "member", "id": admin.id, "username": "admin"},
            "subject": {"id": fatou.id, "username": "fatou"},
            "network": "203.0.113.0/24", "detail": "user → ambassador",
        })
    );
}

#[tokio::test]
async fn an_ambassador_is_no_admin_and_an_admin_who_was_demoted_neither() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    for (role, status) in [
        (Role::Ambassador, StatusCode::FORBIDDEN),
        (Role::Admin, StatusCode::OK),
        (Role::User, StatusCode::FORBIDDEN),
    ] {
        house.promote(&fatou, role).await;
        assert_eq!(house.get(AUDIT, &fatou).await.status, status, "{role:?}");
    }
}

#[tokio::test]
async fn an_admin_neither_changes_his_own_role_nor_closes_his_account() {
    let house = House::new().await;
    let admin = admin(&house).await;
    for own in [json!({"role": "user"}), json!({"is_active": false})] {
        assert_eq!(change(&house, &admin, &admin, own).await.status, StatusCode::FORBIDDEN);
    }
    assert_eq!(house.get(PROFILE, &admin).await.body["is_admin"], true);
}

#[tokio::test]
async fn what_cannot_be_changed_is_refused_by_its_name() {
    let house = House::new().await;
    let (admin, fatou) = (admin(&house).await, house.member("fatou").await);
    for (odd, field) in [
        (json!({"role": "root"}), "role"),
        (json!({"role": null}), "role"),
        (json!({"role": ["admin"]}), "role"),
        (json!({"is_active": "peut-être"}), "is_active"),
        (json!({"is_active": null}), "is_active"),
    ] {
        let answer = change(&house, &admin, &fatou, odd).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
        assert!(answer.body[field].is_array(), "{}", answer.text);
    }
    let nobody = Member { id: 404, access: String::new(), refresh: String::new() };
    let answer = change(&house, &admin, &nobody, json!({"role": "admin"})).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    for query in ["?action=else", "?user=fatou"] {
        let answer = house.get(&format!("{AUDIT}{query}"), &admin).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{query}");
    }
}

#[tokio::test]
async fn a_closed_account_is_out_at_once_and_stays_out_until_it_is_opened_again() {
    let house = House::new().await;
    let (admin, fatou) = (admin(&house).await, house.member("fatou").await);
    let answer = change(&house, &admin, &fatou, json!({"is_active": false})).await;
    assert_eq!(answer.body["is_active"], false, "{}", answer.text);
    assert_eq!(house.get(PROFILE, &fatou).await.status, StatusCode::UNAUTHORIZED);
    let form = json!({"email": "fatou@example.org", "password": "testpass123"});
    let answer = house.post("/api/users/login/", form.clone()).await;
    assert_eq!(answer.body, json!({"error": "Compte désactivé"}));

    change(&house, &admin, &fatou, json!({"is_active": true})).await;
    assert_eq!(house.post("/api/users/login/", form).await.status, StatusCode::OK);
    // What was signed in before stays out.
    assert_eq!(house.get(PROFILE, &fatou).await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn sign_ins_and_sign_outs_are_written_down_and_no_secret_is() {
    let house = House::new().await;
    let (admin, fatou) = (admin(&house).await, house.member("fatou").await);
    let login = async |email: &str, password: &str| {
        house.post("/api/users/login/", json!({"email": email, "password": password})).await
    };
    login("fatou@example.org", "wrongpass123").await;
    login("nobody@example.org", "wrongpass123").await;
    login("fatou@example.org", "testpass123").await;
    let refresh = json!({"refresh": fatou.refresh});
    let used = house.post("/api/token/refresh/", refresh.clone()).await;
    house.post("/api/token/refresh/", refresh).await;
    let session = crate::house::signed_in(&login("fatou@example.org", "testpass123").await);
    let logout = json!({"refresh": session.refresh});
    house.call(Method::POST, "/api/users/logout/", Some(&session), Some(logout)).await;

    let actions: Vec<String> =
        audit(&house, &admin, "").await.into_iter().map(|(action, _)| action).collect();
    assert_eq!(
        actions,
        [
            "sign_out",
            "sign_in",
            "token_reused",
            "sign_in",
            "sign_in_failed",
            "sign_in_failed",
            "role_changed",
        ]
    );
    let text = house.get(AUDIT, &admin).await.text;
    let used = used.body["refresh"].as_str().unwrap();
    for secret in [
        "wrongpass123",
        "testpass123",
        "nobody@",
        "fatou@",
        "203.0.113.9",
        &fatou.refresh,
        used,
        &session.access,
    ] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn the_audit_log_is_cut_into_pages() {
    let house = House::new().await;
    let (admin, fatou) = (admin(&house).await, house.member("fatou").await);
    for n in 0..21 {
        let role = if n % 2 == 0 { "ambassador" } else { "user" };
        change(&house, &admin, &fatou, json!({"role": role})).await;
    }
    let first = house.get(&format!("{AUDIT}?user={}", fatou.id), &admin).await.body;
    assert_eq!(
        (first["count"].as_i64(), first["results"].as_array().unwrap().len()),
        (Some(21), 20)
    );
    let next = first["next"].as_str().unwrap().strip_prefix("http://live.test").unwrap();
    let last = house.get(next, &admin).await.body;
    assert_eq!(last["results"].as_array().unwrap().len(), 1);
    assert_eq!(house.get(&format!("{AUDIT}?page=9"), &admin).await.status, StatusCode::NOT_FOUND);
}
