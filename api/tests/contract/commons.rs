//! What servers have in common, with a real Redis that dies, hangs and forgets.

use std::time::{Duration, Instant};

use api::{Config, Rate};
use commons::{Commons, Secret};
use http::{Method, StatusCode};
use serde_json::json;
use store::By;
use tokio::time::timeout;

use crate::{
    house::{Answer, House, config},
    limits::{RIGHT, WRONG, assert_slowed, login},
};

#[allow(dead_code, reason = "shared with the tests of other rooms")]
#[path = "../../../commons/tests/support/redis.rs"]
mod support;

pub use support::Redis;

/// Longer than anything takes, shorter than anybody waits.
const LONG: Duration = Duration::from_secs(30);
const EMAIL: &str = "fatou@example.org";
/// By what the servers of one database know each other.
const SITE: &[u8] = b"one database";

/// The settings of a server that has found the Redis, and is patient with it on a busy machine.
pub async fn shared(redis: &Redis) -> Config {
    let config = impatient(redis, 5_000);
    found(&config.commons, true).await;
    config
}

fn impatient(redis: &Redis, deadline_ms: u64) -> Config {
    let url = Some(Secret::new(redis.url()));
    let settings = commons::Config { url, deadline_ms, ..commons::Config::default() };
    Config { commons: Commons::open(&settings, SITE).unwrap(), ..config() }
}

async fn found(commons: &Commons, is_there: bool) {
    let known = async {
        while commons.is_there() != Some(is_there) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, known).await.expect("it is seen whether the Redis is there");
}

/// `times` wrong passwords, each from another address, by each of the servers in turn.
async fn guess(houses: &[&House], times: u8) {
    for n in 0..times {
        let house = houses[usize::from(n) % houses.len()];
        let answer = login(house, &format!("198.51.100.{n}"), EMAIL, WRONG).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{n}: {}", answer.text);
    }
}

async fn try_it(house: &House) -> Answer {
    login(house, "192.0.2.77", EMAIL, RIGHT).await
}

#[tokio::test]
async fn two_servers_count_the_guesses_at_one_account_together() {
    let redis = Redis::start();
    let one = House::with(shared(&redis).await).await;
    one.member("fatou").await;
    let other = one.beside(shared(&redis).await).await;
    guess(&[&one, &other], 10).await;
    assert_slowed(&try_it(&one).await, 30);
    assert_slowed(&try_it(&other).await, 30);
    one.pass_s(30);
    assert_eq!(try_it(&other).await.status, StatusCode::OK);
}

#[tokio::test]
async fn what_was_tried_and_who_is_known_outlive_a_server() {
    let redis = Redis::start();
    let before = House::with(shared(&redis).await).await;
    before.member("fatou").await;
    let home = "198.51.100.70";
    assert_eq!(login(&before, home, EMAIL, RIGHT).await.status, StatusCode::OK);
    guess(&[&before], 10).await;
    let after = before.beside(shared(&redis).await).await;
    drop(before);
    assert_slowed(&try_it(&after).await, 30);
    let at_home = login(&after, home, EMAIL, RIGHT).await;
    assert_eq!(at_home.status, StatusCode::OK, "strangers cannot keep a member out");
}

#[tokio::test]
async fn what_one_member_writes_is_counted_on_all_servers_and_no_other_member_with_it() {
    let redis = Redis::start();
    let few = async || {
        let mut config = shared(&redis).await;
        config.limits.writing = Rate { burst: 2, per_minute: 60 };
        config
    };
    let one = House::with(few().await).await;
    let other = one.beside(few().await).await;
    let (fatou, binta) = (one.member("fatou").await, one.member("binta").await);
    let body = || json!({"content": "Bonjour", "post_type": "info"});
    one.write("/api/posts/", &fatou, body()).await;
    other.write("/api/posts/", &fatou, body()).await;
    let third = one.call(Method::POST, "/api/posts/", Some(&fatou), Some(body())).await;
    assert_slowed(&third, 1);
    other.write("/api/posts/", &binta, body()).await;
}

/// One is told the same, to the second, whether the count is in a Redis or in the server.
#[tokio::test]
async fn a_limit_in_common_answers_as_one_alone() {
    let redis = Redis::start();
    let mut answers = Vec::new();
    let first = shared(&redis).await;
    for (config, after) in [(config(), config()), (first, shared(&redis).await)] {
        let house = House::with(config).await;
        house.member("fatou").await;
        // In the Redis alone is what the next server is told of it.
        guess(&[&house], 9).await;
        let beside = house.beside(after).await;
        let asked = if answers.is_empty() { &house } else { &beside };
        let mut told = Vec::new();
        for (from, password, wait_s) in [
            (100, WRONG, 0),
            (101, WRONG, 29),
            (102, RIGHT, 1),
            (103, RIGHT, 0),
            (104, WRONG, 0),
            (105, WRONG, 45),
            (106, WRONG, 0),
            (107, WRONG, 600),
            (108, WRONG, 0),
        ] {
            let answer = login(asked, &format!("203.0.113.{from}"), EMAIL, password).await;
            let retry_after = answer.headers.get("retry-after").cloned();
            told.push((answer.status.as_u16(), retry_after, answer.text.contains("ralentie")));
            house.pass_s(wait_s);
        }
        answers.push(told);
    }
    assert_eq!(answers[0], answers[1]);
    let seconds = answers[0].iter().filter_map(|(_, after, _)| after.as_ref()?.to_str().ok());
    assert_eq!(seconds.collect::<Vec<_>>(), ["30", "1", "30", "15"]);
}

#[tokio::test]
async fn a_redis_that_dies_loosens_no_limit_and_fails_no_request() {
    let mut redis = Redis::start();
    let (mine, theirs) = (shared(&redis).await, shared(&redis).await);
    let commons = mine.commons.clone();
    let one = House::with(mine).await;
    let member = one.member("fatou").await;
    let other = one.beside(theirs).await;
    guess(&[&one], 6).await;
    redis.die();
    // Whatever is asked meanwhile, what this server saw counts on.
    guess(&[&one], 4).await;
    assert_slowed(&try_it(&one).await, 30);
    assert_eq!(one.get("/api/users/my-profile/", &member).await.status, StatusCode::OK);
    found(&commons, false).await;
    let health = one.look("/api/health/").await;
    assert_eq!((health.status, &health.body["redis"]), (StatusCode::OK, &json!("away")));
    redis.live();
    found(&commons, true).await;
    assert_eq!(one.look("/api/health/").await.body["redis"], "on");
    // It came back with nothing, and that is no licence.
    assert_slowed(&try_it(&one).await, 30);
    drop(other);
}

#[tokio::test]
async fn a_redis_that_forgets_loosens_no_limit_of_the_server_that_counted() {
    let redis = Redis::start();
    let one = House::with(shared(&redis).await).await;
    one.member("fatou").await;
    guess(&[&one], 10).await;
    redis.say("FLUSHALL");
    assert_slowed(&try_it(&one).await, 30);
}

#[tokio::test]
async fn a_redis_that_hangs_holds_up_the_first_who_asks_and_nobody_after() {
    const DEADLINE_MS: u64 = 400;
    let redis = Redis::start();
    let config = impatient(&redis, DEADLINE_MS);
    let commons = config.commons.clone();
    found(&commons, true).await;
    let house = House::with(config).await;
    let member = house.member("fatou").await;
    let write = async || {
        let (started, body) = (Instant::now(), json!({"content": "Bonjour", "post_type": "info"}));
        house.write("/api/posts/", &member, body).await;
        started.elapsed()
    };
    redis.hang();
    let (first, second) = (write().await, write().await);
    assert!(first >= Duration::from_millis(DEADLINE_MS), "{first:?}");
    assert!(second < Duration::from_millis(DEADLINE_MS), "{second:?}");
    redis.go_on();
    found(&commons, true).await;
}

#[tokio::test]
async fn a_token_that_was_revoked_is_refused_by_all_servers_whatever_becomes_of_the_redis() {
    let mut redis = Redis::start();
    let one = House::with(shared(&redis).await).await;
    let other = one.beside(shared(&redis).await).await;
    let profile = "/api/users/my-profile/";
    for n in 0..4 {
        let member = one.member(&format!("member{n}")).await;
        assert_eq!(other.get(profile, &member).await.status, StatusCode::OK);
        one.store.revoke_sessions(member.user_id(), &By::console(one.now_ms())).await.unwrap();
        match n {
            0 => {}
            1 => drop(redis.say("FLUSHALL")),
            2 => redis.hang(),
            _ => redis.die(),
        }
        for house in [&one, &other] {
            let answer = house.get(profile, &member).await;
            assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{n}: {}", answer.text);
            let form = Some(json!({"refresh": member.refresh}));
            let again = house.call(Method::POST, "/api/token/refresh/", None, form).await;
            assert_eq!(again.status, StatusCode::UNAUTHORIZED, "{n}: {}", again.text);
        }
    }
}

#[tokio::test]
async fn health_says_nothing_of_a_redis_that_nobody_asked_for() {
    let health = House::new().await.look("/api/health/").await;
    assert_eq!(health.body.get("redis"), None);
}
