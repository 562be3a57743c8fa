//! Push messages: what a browser reads of them, and what becomes of them at its push service.
//!
//! The services are servers of these tests. They check the signature, and a browser of these tests
//! opens what came, by the text of the standards and not by the code of the crate.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use api::{Config, Push, Pusher, new_vapid_key};
use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree},
    hmac, signature,
};
use axum::{Router, body::Bytes, extract::State, routing::any};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, Method, StatusCode, Uri, header};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::Notify, task::JoinHandle};

use crate::house::{Answer, House, Member, config};

const PATH: &str = "/api/notifications/push/subscriptions/";

/// A subscription as browsers write it, of a browser that nobody has.
pub fn subscription(endpoint: &str) -> Value {
    Browser::new().subscription(endpoint)
}

/// A browser that reads what is sent to it.
struct Browser {
    key: PrivateKey,
    auth: [u8; 16],
}

impl Browser {
    fn new() -> Self {
        Self { key: PrivateKey::generate(&ECDH_P256).unwrap(), auth: [42; 16] }
    }

    fn public(&self) -> Vec<u8> {
        self.key.compute_public_key().unwrap().as_ref().to_vec()
    }

    fn subscription(&self, endpoint: &str) -> Value {
        let [p256dh, auth] =
            [&self.public()[..], &self.auth].map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
        json!({"endpoint": endpoint, "expirationTime": null, "keys": {"p256dh": p256dh, "auth": auth}})
    }

    /// Opens a message: RFC 8188 §2, RFC 8291 §3.3 and §3.4, HKDF by hand from HMAC (RFC 5869).
    fn open(&self, body: &[u8]) -> Value {
        let (salt, rest) = body.split_at(16);
        let (record_bytes, rest) = rest.split_at(4);
        assert_eq!(record_bytes, 4096_u32.to_be_bytes());
        let (length, rest) = rest.split_at(1);
        let (sender, record) = rest.split_at(length[0].into());
        let mac = |key: &[u8], text: &[u8]| {
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
        };
        let theirs = UnparsedPublicKey::new(&ECDH_P256, sender);
        let shared = agree(&self.key, theirs, (), |secret| Ok(secret.to_vec())).unwrap();
        let info = [b"WebPush: info\0", &self.public()[..], sender, &[1]].concat();
        let input = mac(&mac(&self.auth, &shared), &info);
        let prk = mac(salt, &input);
        let key = mac(&prk, b"Content-Encoding: aes128gcm\0\x01");
        let nonce = mac(&prk, b"Content-Encoding: nonce\0\x01");
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key[..16]).unwrap());
        let nonce = Nonce::try_assume_unique_for_key(&nonce[..12]).unwrap();
        let mut record = record.to_vec();
        let plain = key.open_in_place(nonce, Aad::empty(), &mut record).unwrap();
        let (last, text) = plain.split_last().unwrap();
        assert_eq!(*last, 2, "the last record says that it is");
        serde_json::from_slice(text).unwrap()
    }
}

/// A push service that answers what it was told to, then 201.
struct Service {
    url: String,
    shared: Arc<Shared>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    received: Mutex<Vec<(Uri, HeaderMap, Bytes)>>,
    answers: Mutex<VecDeque<(StatusCode, &'static str, String)>>,
    /// What it waits for before it answers, and what it says when a message comes.
    waits_for: Option<Arc<Notify>>,
    says: Option<Arc<Notify>>,
}

impl Service {
    async fn new() -> Self {
        Self::with(Shared::default()).await
    }

    async fn with(shared: Shared) -> Self {
        async fn receive(
            State(shared): State<Arc<Shared>>,
            uri: Uri,
            headers: HeaderMap,
            body: Bytes,
        ) -> (StatusCode, HeaderMap) {
            shared.received.lock().unwrap().push((uri, headers, body));
            if let Some(says) = &shared.says {
                says.notify_one();
            }
            if let Some(waits_for) = &shared.waits_for {
                waits_for.notified().await;
            }
            let answer = shared.answers.lock().unwrap().pop_front();
            let Some((status, name, value)) = answer else {
                return (StatusCode::CREATED, HeaderMap::new());
            };
            (status, HeaderMap::from_iter([(name.parse().unwrap(), value.parse().unwrap())]))
        }
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(shared);
        let app = Router::new().fallback(any(receive)).with_state(Arc::clone(&shared));
        let serving = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, shared, serving }
    }

    fn will_answer(&self, status: StatusCode, (name, value): (&'static str, &str)) {
        self.shared.answers.lock().unwrap().push_back((status, name, value.to_owned()));
    }

    /// What came since it was last asked.
    fn received(&self) -> Vec<(Uri, HeaderMap, Bytes)> {
        std::mem::take(&mut self.shared.received.lock().unwrap())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A house that may reach the services of a test, and sends.
async fn sending_house(change: impl FnOnce(&mut Push)) -> (House, Pusher, Config) {
    let mut config = config();
    config.push.vapid_key = Some(new_vapid_key().unwrap());
    config.push.contact = Some("mailto:equipe@example.org".to_owned());
    config.push.allow_private = true;
    change(&mut config.push);
    let house = House::with(config.clone()).await;
    let pusher = Pusher::new(house.store.clone(), &config, house.clock()).unwrap();
    (house, pusher, config)
}

async fn subscribe(house: &House, member: &Member, body: Value) -> Answer {
    house.call(Method::POST, PATH, Some(member), Some(body)).await
}

async fn subscriptions(house: &House, member: &Member) -> Value {
    house.get(PATH, member).await.body
}

/// Fatou with a browser at a service, a post of hers, and Binta.
async fn fatou_and_binta(
    house: &House,
    browser: &Browser,
    service: &Service,
) -> (Member, Member, Value) {
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let body = browser.subscription(&format!("{}/fatou", service.url));
    assert_eq!(subscribe(house, &fatou, body).await.status, StatusCode::CREATED);
    let content = json!({"content": "Le marché est ouvert"});
    let post = house.write("/api/posts/", &fatou, content).await["id"].clone();
    (fatou, binta, post)
}

async fn like(house: &House, member: &Member, post: &Value) {
    house.write(&format!("/api/posts/{post}/like/"), member, json!({})).await;
}

async fn comment(house: &House, member: &Member, post: &Value) {
    let path = format!("/api/posts/{post}/comments/");
    house.write(&path, member, json!({"content": "Bravo"})).await;
}

#[tokio::test]
async fn a_browser_reads_what_its_member_is_told_and_its_service_knows_who_sent_it() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (_, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    like(&house, &binta, &post).await;
    house.pass_s(60);
    assert_eq!(pusher.flush().await.unwrap(), 1);
    let [(uri, headers, body)] = &service.received()[..] else { panic!("not one") };
    assert_eq!(uri.path(), "/fatou");

    // RFC 8030: for how long, how soon, and in whose place.
    assert_eq!(headers["TTL"], (24 * 3600 - 60).to_string());
    assert_eq!(headers["Urgency"], "low");
    assert_eq!(headers["Topic"], format!("like-{post}"));
    assert_eq!(headers[header::CONTENT_ENCODING], "aes128gcm");

    // RFC 8292.
    let key = house.look("/api/notifications/push/key/").await.body["public_key"].clone();
    let key = key.as_str().unwrap();
    let (token, k) = headers[header::AUTHORIZATION].to_str().unwrap().split_once(", k=").unwrap();
    assert_eq!(k, key);
    let token = token.strip_prefix("vapid t=").unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let key = URL_SAFE_NO_PAD.decode(key).unwrap();
    let key = signature::UnparsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, key);
    key.verify(signed.as_bytes(), &URL_SAFE_NO_PAD.decode(signature).unwrap()).unwrap();
    let (head, claims) = signed.split_once('.').unwrap();
    let [head, claims] = [head, claims].map(|part| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    });
    assert_eq!(head["alg"], "ES256");
    assert_eq!(claims["aud"], service.url);
    assert_eq!(claims["sub"], "mailto:equipe@example.org");
    let good_for_s = claims["exp"].as_i64().unwrap() - house.now_ms() / 1000;
    assert!((1..=24 * 3600).contains(&good_for_s), "{good_for_s}");

    // RFC 8291.
    let message = browser.open(body);
    assert_eq!(
        message,
        json!({
            "id": message["id"],
            "notification_type": "like",
            "title": "Fatou a aimé votre publication",
            "message": "Le marché est ouvert",
            "url": format!("/post/{post}"),
            "tag": format!("like-{post}"),
            "created_at": "2025-07-23T11:05:00.000000Z",
            "extra_data": {"post_id": post},
        })
    );
    assert_eq!(pusher.flush().await.unwrap(), 0, "once is enough");
}

#[tokio::test]
async fn a_live_is_pushed_at_once_and_leads_to_where_it_is_watched() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (_, binta, _) = fatou_and_binta(&house, &browser, &service).await;
    let live = house.start_live(&binta).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    while house.store.announce_lives(house.now_ms()).await.unwrap() {}
    pusher.flush().await.unwrap();
    let [(_, headers, body)] = &service.received()[..] else { panic!("not one") };
    assert_eq!(
        (&headers["Urgency"], &headers["TTL"]),
        (&"high".parse().unwrap(), &"3600".parse().unwrap())
    );
    let message = browser.open(body);
    assert_eq!(message["url"], format!("/live/{}", live["playback_name"].as_str().unwrap()));
    assert_eq!(message["title"], "Fatou a démarré un live");
}

#[tokio::test]
async fn whose_an_anonymous_live_is_no_browser_is_told() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (_, binta, _) = fatou_and_binta(&house, &browser, &service).await;
    let live = house.start_live(&binta).await;
    let hidden = Some(json!({"is_anonymous": true}));
    let post = format!("/api/posts/{}/", live["id"]);
    house.call(Method::PATCH, &post, Some(&binta), hidden).await;
    let chat = format!("/api/posts/live/{}/chat/", live["id"]);
    house.write(&chat, &binta, json!({"content": "@fatou, regarde"})).await;
    house.publish(live["id"].as_i64().unwrap()).await;
    while house.store.announce_lives(house.now_ms()).await.unwrap() {}
    pusher.flush().await.unwrap();
    let received = service.received();
    let mut titles: Vec<Value> =
        received.iter().map(|(.., body)| browser.open(body)["title"].clone()).collect();
    titles.sort_by_key(Value::to_string);
    let expected =
        ["Quelqu'un a démarré un live", "Quelqu'un vous a mentionné dans le chat d'un live"];
    assert_eq!(titles, expected);
}

#[tokio::test]
async fn who_is_told_daily_is_pushed_one_message_for_the_day() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (fatou, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    let daily = json!({"notification_frequency": "daily"});
    house.call(Method::PATCH, "/api/notifications/preferences/", Some(&fatou), Some(daily)).await;
    like(&house, &binta, &post).await;
    comment(&house, &binta, &post).await;
    assert_eq!(pusher.flush().await.unwrap(), 0);
    house.pass_s((12 * 60 + 55) * 60);
    assert_eq!(pusher.flush().await.unwrap(), 1);
    let message = browser.open(&service.received()[0].2);
    assert_eq!(message["message"], "Vous avez 2 nouvelles notifications");
}

#[tokio::test]
async fn who_turns_pushes_off_gets_none() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (fatou, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    let off = json!({"push_notifications": false});
    house.call(Method::PATCH, "/api/notifications/preferences/", Some(&fatou), Some(off)).await;
    like(&house, &binta, &post).await;
    pusher.flush().await.unwrap();
    assert!(service.received().is_empty());
}

#[tokio::test]
async fn a_browser_that_its_service_does_not_know_any_more_is_forgotten() {
    for status in [StatusCode::GONE, StatusCode::NOT_FOUND] {
        let (house, mut pusher, _) = sending_house(|_| {}).await;
        let (service, browser) = (Service::new().await, Browser::new());
        let (fatou, binta, post) = fatou_and_binta(&house, &browser, &service).await;
        service.will_answer(status, ("x", "y"));
        like(&house, &binta, &post).await;
        pusher.flush().await.unwrap();
        assert_eq!(subscriptions(&house, &fatou).await, json!([]), "{status}");
    }
}

#[tokio::test]
async fn a_service_that_asks_for_time_is_given_it() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (fatou, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        service.will_answer(status, ("Retry-After", "120"));
        comment(&house, &binta, &post).await;
        pusher.flush().await.unwrap();
        assert_eq!(service.received().len(), 1);
        // Nor is it asked for anything else.
        comment(&house, &binta, &post).await;
        house.pass_s(119);
        pusher.flush().await.unwrap();
        assert!(service.received().is_empty(), "{status}");
        house.pass_s(1);
        pusher.flush().await.unwrap();
        assert_eq!(service.received().len(), 2, "{status}");
    }
    assert_eq!(subscriptions(&house, &fatou).await.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_that_fails_is_tried_again_later_and_later() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (_, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    like(&house, &binta, &post).await;
    for wait_s in [30, 60, 120] {
        service.will_answer(StatusCode::INTERNAL_SERVER_ERROR, ("x", "y"));
        pusher.flush().await.unwrap();
        assert_eq!(service.received().len(), 1);
        house.pass_s(wait_s - 1);
        pusher.flush().await.unwrap();
        assert!(service.received().is_empty(), "{wait_s}");
        house.pass_s(1);
    }
    pusher.flush().await.unwrap();
    assert_eq!(service.received().len(), 1);
}

#[tokio::test]
async fn what_waited_for_a_server_that_was_down_is_sent_when_it_is_back() {
    let (house, pusher, config) = sending_house(|_| {}).await;
    let (service, browser) = (Service::new().await, Browser::new());
    let (_, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    like(&house, &binta, &post).await;
    // Taken by a sender of which nothing was heard again.
    let now_ms = house.now_ms();
    assert_eq!(house.store.claim_pushes(now_ms, now_ms + 60_000, 10).await.unwrap().len(), 1);
    drop(pusher);
    let mut pusher = Pusher::new(house.store.clone(), &config, house.clock()).unwrap();
    pusher.flush().await.unwrap();
    assert!(service.received().is_empty());
    house.pass_s(60);
    pusher.flush().await.unwrap();
    assert_eq!(service.received().len(), 1);
}

/// The slow one answers when the other has its message: were they sent one after the other, it never
/// would.
#[tokio::test]
async fn a_slow_service_keeps_nobody_waiting() {
    let (house, mut pusher, _) = sending_house(|push| push.at_once = 2).await;
    let arrived = Arc::new(Notify::new());
    let slow = Shared { waits_for: Some(arrived.clone()), ..Shared::default() };
    let slow = Service::with(slow).await;
    let quick = Service::with(Shared { says: Some(arrived), ..Shared::default() }).await;
    let browser = Browser::new();
    let (fatou, binta, post) = fatou_and_binta(&house, &browser, &slow).await;
    subscribe(&house, &fatou, browser.subscription(&quick.url)).await;
    like(&house, &binta, &post).await;
    pusher.flush().await.unwrap();
    assert_eq!((slow.received().len(), quick.received().len()), (1, 1));
    house.pass_s(3600);
    assert_eq!(pusher.flush().await.unwrap(), 0, "both took it");
}

/// An address that a member chose must not lead this server on, nor into its own network.
#[tokio::test]
async fn a_service_that_sends_elsewhere_is_not_followed() {
    let (house, mut pusher, _) = sending_house(|_| {}).await;
    let (service, inside, browser) = (Service::new().await, Service::new().await, Browser::new());
    let (fatou, binta, post) = fatou_and_binta(&house, &browser, &service).await;
    for _ in 0..store::REFUSALS_MAX {
        assert_eq!(subscriptions(&house, &fatou).await.as_array().unwrap().len(), 1);
        service.will_answer(StatusCode::TEMPORARY_REDIRECT, ("Location", &inside.url));
        comment(&house, &binta, &post).await;
        pusher.flush().await.unwrap();
    }
    assert_eq!(service.received().len(), store::REFUSALS_MAX as usize);
    assert!(inside.received().is_empty());
    assert_eq!(subscriptions(&house, &fatou).await, json!([]), "it never takes anything");
}

#[tokio::test]
async fn a_name_that_means_an_address_inside_is_not_gone_to() {
    let (house, mut pusher, _) = sending_house(|push| push.allow_private = false).await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let answer = subscribe(&house, &fatou, subscription("https://localhost/a")).await;
    assert_eq!(answer.status, StatusCode::CREATED, "what it means is seen when it is gone to");
    let post =
        house.write("/api/posts/", &fatou, json!({"content": "Bonjour"})).await["id"].clone();
    for _ in 0..store::REFUSALS_MAX {
        comment(&house, &binta, &post).await;
        assert_eq!(pusher.flush().await.unwrap(), 1);
    }
    assert_eq!(subscriptions(&house, &fatou).await, json!([]));
}

#[tokio::test]
async fn a_member_sees_and_forgets_his_own_browsers() {
    let house = House::new().await;
    let (fatou, binta) = (house.member("fatou").await, house.member("binta").await);
    let body = subscription("https://push.example.org/secret");
    let answer = subscribe(&house, &fatou, body.clone()).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let id = answer.body["id"].clone();
    assert_eq!(subscribe(&house, &fatou, body).await.status, StatusCode::OK, "the same again");
    let list = house.get(PATH, &fatou).await;
    let expected = json!([{
        "id": id, "service": "push.example.org",
        "created_at": "2025-07-23T11:05:00.000000Z", "last_sent_at": null,
    }]);
    assert_eq!(list.body, expected);
    assert_eq!(subscriptions(&house, &binta).await, json!([]));
    let path = format!("{PATH}{id}/");
    let gone = async |member| house.call(Method::DELETE, &path, Some(member), None).await;
    let answer = gone(&binta).await;
    let missing = json!({"error": "Abonnement non trouvé"});
    assert_eq!((answer.status, answer.body), (StatusCode::NOT_FOUND, missing));
    assert_eq!(gone(&fatou).await.status, StatusCode::NO_CONTENT);
    assert_eq!(gone(&fatou).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_member_has_so_many_browsers_and_no_more() {
    let (house, ..) = sending_house(|push| push.devices_per_member = 2).await;
    let fatou = house.member("fatou").await;
    for n in 0..3 {
        subscribe(&house, &fatou, subscription(&format!("https://push.example.org/{n}"))).await;
        house.pass_s(1);
    }
    assert_eq!(subscriptions(&house, &fatou).await.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn subscriptions_that_cannot_be_are_refused_by_name() {
    let house = House::new().await;
    let fatou = house.member("fatou").await;
    let good = subscription("https://push.example.org/a");
    for (field, odd) in [
        ("endpoint", json!(null)),
        ("endpoint", json!(7)),
        ("endpoint", json!("")),
        ("endpoint", json!("http://push.example.org/a")),
        ("endpoint", json!("https://127.0.0.1/a")),
        ("endpoint", json!("https://169.254.169.254/latest/meta-data/")),
        ("endpoint", json!("https://[::1]/a")),
        ("endpoint", json!("https://push.example.org:22/a")),
        ("endpoint", json!(format!("https://push.example.org/{}", "a".repeat(3000)))),
        ("keys", json!(null)),
        ("keys", json!("zzz")),
        ("keys", json!({})),
        ("keys", json!({"p256dh": good["keys"]["p256dh"]})),
        ("keys", json!({"p256dh": good["keys"]["p256dh"], "auth": "AAAA"})),
        ("keys", json!({"p256dh": "AAAA", "auth": good["keys"]["auth"]})),
        // As long as a key, but on no curve.
        ("keys", json!({"p256dh": URL_SAFE_NO_PAD.encode([4; 65]), "auth": good["keys"]["auth"]})),
    ] {
        let mut body = good.clone();
        body[field] = odd.clone();
        let answer = subscribe(&house, &fatou, body).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{field} = {odd}");
        assert!(answer.body[field][0].is_string(), "{}", answer.text);
    }
    assert_eq!(subscriptions(&house, &fatou).await, json!([]));
}
