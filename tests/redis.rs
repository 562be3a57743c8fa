//! A Redis beside the whole house, which dies and comes back.
//!
//! Here: that the settings reach it, what an operator sees of it, and what outlives a server for it. Not
//! here: what is shared and how its death is survived in each case (`commons`, `api`).

mod support;

#[allow(dead_code, reason = "shared with the tests of other rooms")]
#[path = "../commons/tests/support/redis.rs"]
mod redis;

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::{Duration, Instant};

use redis::{PASSWORD, Redis};
use serde_json::json;
use support::House;
use support::http;
use support::wait;

/// For anything done at once.
const SOON: Duration = Duration::from_secs(30);
/// Well before a session that lasts is looked at by and by, 25 s after it opened.
const UNTOLD: Duration = Duration::from_secs(12);

fn house_of(redis: &Redis) -> House {
    house_with(redis, &[])
}

fn house_with(redis: &Redis, settings: &[(&str, &str)]) -> House {
    let url = redis.url();
    // Whoever waits here is a test on a busy machine.
    let patient = [("REDIS__URL", url.as_str()), ("REDIS__DEADLINE_MS", "5000")];
    let house = House::start_with(&[&patient, settings].concat());
    seen(&house, "on", 1);
    house
}

/// Waits until an operator sees the Redis so.
fn seen(house: &House, status: &str, up: u8) {
    wait::until_true("health tells of the Redis", SOON, || {
        let health = house.get("/api/health/");
        assert_eq!(health.status, 200);
        health.json()["redis"] == status
    });
    let figures = http::get(house.metrics, "/metrics").text();
    assert!(figures.contains(&format!("redis_up {up}\n")), "{figures}");
}

fn guess(house: &House, email: &str) -> u16 {
    let form = json!({"email": email, "password": "wrongpass123"}).to_string();
    let headers = [("Content-Type", "application/json")];
    http::send(house.http, "POST", "/api/users/login/", &headers, form.as_bytes()).status
}

#[test]
fn what_was_guessed_outlives_the_server_and_the_redis_may_die() {
    let mut redis = Redis::start();
    let mut house = house_of(&redis);
    // Nobody has signed in from here: whoever registers is known where he does.
    let member = house.member();
    redis.say("FLUSHALL");
    house.crash();
    house.restart();
    seen(&house, "on", 1);
    for _ in 0..10 {
        assert_eq!(guess(&house, &member.email), 401);
    }
    assert_eq!(guess(&house, &member.email), 429);
    house.crash();
    house.restart();
    seen(&house, "on", 1);
    assert_eq!(guess(&house, &member.email), 429, "the Redis remembers");

    redis.die();
    seen(&house, "away", 0);
    assert_eq!(house.member().get("/api/users/my-profile/").status, 200);
    redis.live();
    seen(&house, "on", 1);
    let log = house.log();
    let told = |what| log.matches(what).count();
    assert_eq!(told("the Redis does not answer"), 1, "{log}");
    assert_eq!(told("the Redis answers"), 2, "it was there, and came back: {log}");
    assert!(!log.contains(PASSWORD), "{log}");
}

#[test]
fn sites_of_one_secret_count_the_guesses_at_one_address_together() {
    const EMAIL: &str = "fatou@example.org";
    let redis = Redis::start();
    let secret = ("REDIS__SECRET", "what these two sites have in common");
    let (one, other) = (house_with(&redis, &[secret]), house_with(&redis, &[secret]));
    let stranger = house_of(&redis);
    for n in 0..10 {
        assert_eq!(guess(if n % 2 == 0 { &one } else { &other }, EMAIL), 401);
    }
    assert_eq!((guess(&one, EMAIL), guess(&other, EMAIL)), (429, 429));
    assert_eq!(guess(&stranger, EMAIL), 401);
}

#[test]
fn a_server_starts_without_the_redis_it_is_to_have() {
    let mut redis = Redis::start();
    redis.die();
    let house = House::start_with(&[("REDIS__URL", &redis.url())]);
    seen(&house, "away", 0);
    assert_eq!(house.member().get("/api/users/my-profile/").status, 200);
    redis.live();
    seen(&house, "on", 1);
}

#[test]
fn who_is_connected_is_sent_away_as_soon_as_an_operator_ends_his_sessions() {
    let redis = Redis::start();
    let house = house_of(&redis);
    let member = house.member();
    let mut stream = TcpStream::connect(house.http).expect("the server listens");
    stream.set_read_timeout(Some(SOON)).expect("a limit");
    let bearer = member.bearer();
    write!(
        stream,
        "GET /api/realtime/events/ HTTP/1.1\r\nHost: live.test\r\nAuthorization: {bearer}\r\n\r\n"
    )
    .expect("it is asked");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.find(|line| line.contains("\"session\"")).expect("he is told who he is");

    let started = Instant::now();
    let revoked = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"))
        .args(["user", "revoke", &member.email])
        .envs(house.environment())
        .env_remove("DATABASE_URL")
        .status()
        .expect("the command runs");
    assert!(revoked.success());
    lines.find(|line| line == "0").expect("the answer ends");
    assert!(started.elapsed() < UNTOLD, "{:?}", started.elapsed());
}
