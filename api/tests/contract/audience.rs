//! Whom a live is for: said by its author, and who is given its addresses.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{Answer, House, Member, account, signed_in};

/// A live for the quartier of its author.
async fn private_live(house: &House, author: &Member) -> Value {
    let wanted = json!({"audience": "quartier"});
    let path = "/api/posts/live/start/";
    let answer = house.call(Method::POST, path, Some(author), Some(wanted)).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    answer.body
}

/// Registers a member of the quartier that is the `n`th of Dixinn.
async fn member_of_quartier(house: &House, name: &str, n: usize) -> Member {
    let quartiers = house.store.geography().quartiers();
    let of_dixinn = quartiers.iter().filter(|place| place.commune.name == "Dixinn");
    let mut account = account(name);
    account["quartier"] = json!(of_dixinn.map(|place| place.id.get()).nth(n).unwrap());
    signed_in(&house.post("/api/users/register/", account).await)
}

async fn watch(house: &House, live: &Value, member: Option<&Member>) -> Answer {
    let path = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    house.call(Method::GET, &path, member, None).await
}

/// What `hls_url` is before the ticket.
fn is_address_with_ticket(url: &Value, live: &Value) -> bool {
    let name = live["playback_name"].as_str().unwrap();
    let ticket = url.as_str().unwrap_or_default();
    let ticket = ticket.strip_prefix(&format!("http://live.test/hls/{name}.m3u8?ticket="));
    ticket.is_some_and(|ticket| ticket.contains(&format!("of-{name}-for-203.0.113.9")))
}

#[tokio::test]
async fn a_live_is_for_everybody_unless_its_author_says_otherwise() {
    let house = House::new().await;
    let author = house.member("fatou").await;
    for body in [json!({}), json!({"audience": "public"})] {
        let path = "/api/posts/live/start/";
        let live = house.call(Method::POST, path, Some(&author), Some(body)).await.body;
        assert_eq!(live["audience"], "public");
        let watched = watch(&house, &live, None).await.body;
        assert_eq!(
            (&watched["audience"], &watched["hls_url"]),
            (&live["audience"], &live["hls_url"])
        );
        assert!(!live["hls_url"].as_str().unwrap().contains('?'));
    }
}

#[tokio::test]
async fn an_audience_that_is_none_is_refused_by_its_name() {
    let house = House::new().await;
    let author = house.member("fatou").await;
    for odd in [json!("amis"), json!(""), json!("Public"), json!(null), json!(3), json!(["public"])]
    {
        let body = Some(json!({"audience": odd}));
        let answer = house.call(Method::POST, "/api/posts/live/start/", Some(&author), body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{odd}");
        assert!(answer.body["audience"][0].is_string(), "{}", answer.text);
    }
    let body = Some(json!({"audience": "amis"}));
    let answer = house.call(Method::POST, "/api/posts/live/start/", Some(&author), body).await;
    assert_eq!(answer.body, json!({"audience": ["« amis » n'est pas un choix valide."]}));
}

#[tokio::test]
async fn the_author_and_his_neighbours_are_given_addresses_with_a_ticket_of_their_own() {
    let house = House::new().await;
    let author = member_of_quartier(&house, "fatou", 0).await;
    let neighbour = member_of_quartier(&house, "binta", 0).await;
    let live = private_live(&house, &author).await;
    assert_eq!(live["audience"], "quartier");
    assert!(is_address_with_ticket(&live["hls_url"], &live), "{live}");

    let status = house.get(&format!("/api/posts/live/{}/status/", live["id"]), &author).await.body;
    assert!(is_address_with_ticket(&status["hls_url"], &live), "{status}");
    let mut given = vec![live["hls_url"].clone(), status["hls_url"].clone()];
    for member in [&author, &neighbour] {
        let watched = watch(&house, &live, Some(member)).await;
        assert_eq!(watched.status, StatusCode::OK, "{}", watched.text);
        assert_eq!(watched.headers["cache-control"], "no-store");
        let post = house.get(&format!("/api/posts/{}/", live["id"]), member).await.body;
        assert_eq!(post["hls_url"], post["live"]["hls_url"]);
        given.extend([watched.body["hls_url"].clone(), post["hls_url"].clone()]);
    }
    assert!(given.iter().all(|url| is_address_with_ticket(url, &live)), "{given:?}");
    let mut tickets: Vec<_> = given.iter().map(Value::to_string).collect();
    tickets.sort();
    tickets.dedup();
    assert_eq!(tickets.len(), given.len(), "none is given twice: {given:?}");
}

#[tokio::test]
async fn a_member_of_another_quartier_sees_the_post_and_no_address() {
    let house = House::new().await;
    let author = member_of_quartier(&house, "fatou", 0).await;
    let other = member_of_quartier(&house, "binta", 1).await;
    let live = private_live(&house, &author).await;
    let post = house.get(&format!("/api/posts/{}/", live["id"]), &other).await;
    let list = house.get("/api/posts/?type=live", &other).await;
    for (post, text) in [(&post.body, &post.text), (&list.body["results"][0], &list.text)] {
        assert_eq!(post["id"], live["id"]);
        assert_eq!(post["live"]["audience"], "quartier");
        for url in [&post["hls_url"], &post["live"]["hls_url"], &post["live"]["hls_ts_url"]] {
            assert_eq!(*url, Value::Null);
        }
        assert!(!text.contains("ticket"), "{text}");
    }
    let refused = watch(&house, &live, Some(&other)).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    let text = "Ce direct est réservé aux membres du quartier de son auteur.";
    assert_eq!(refused.body, json!({"detail": text, "error": text, "message": text}));
}

#[tokio::test]
async fn a_stranger_is_asked_to_sign_in_and_told_nothing_of_the_live() {
    let house = House::new().await;
    let author = house.member("fatou").await;
    let live = private_live(&house, &author).await;
    // Also right after somebody who may: what is kept for a second is not his answer.
    assert_eq!(watch(&house, &live, Some(&author)).await.status, StatusCode::OK);
    let refused = watch(&house, &live, None).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body["detail"].as_str().unwrap().starts_with("Connectez-vous"));
    assert!(!refused.text.contains("ticket") && !refused.text.contains("Live streaming"));
}

#[tokio::test]
async fn a_session_that_is_over_is_told_apart_from_none() {
    let house = House::new().await;
    let author = house.member("fatou").await;
    let live = private_live(&house, &author).await;
    let stale = Member { access: "nonsense".into(), ..house.member("binta").await };
    assert_eq!(watch(&house, &live, Some(&stale)).await.status, StatusCode::UNAUTHORIZED);
    let public = house.start_live(&house.member("aissata").await).await;
    assert_eq!(watch(&house, &public, Some(&stale)).await.status, StatusCode::OK);
}
