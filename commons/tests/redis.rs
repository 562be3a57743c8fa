//! What servers have in common in a real Redis, which dies, hangs and forgets.

#![allow(clippy::unwrap_used)]

// Under the short name the other crates use.
extern crate communiconnect_commons as commons;

#[allow(dead_code, reason = "shared with the tests of other rooms")]
#[path = "support/redis.rs"]
mod support;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, Instant},
};

use commons::{Bucket, Commons, Config, Name, Secret, Whose};
use support::Redis;
use tokio::time::timeout;

/// Longer than anything takes, shorter than anybody waits.
const LONG: Duration = Duration::from_secs(20);
const MINUTE_US: i64 = 60_000_000;
/// Three at once, then one a minute: nothing of it runs out while a busy machine thinks.
const THREE: Bucket = Bucket { cost_us: MINUTE_US, room_us: 3 * MINUTE_US };
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));
const NOW_US: i64 = 1_753_268_700_000_000;
const ADDRESS: Name<'_> = Name { what: "address", whose: Whose::Address(HERE) };
const MEMBER: Name<'_> = Name { what: "writing", whose: Whose::Member(30) };

/// A server of the database of this secret that has found the Redis. It is patient: what is shared here is
/// asked for on a busy machine.
async fn server(redis: &Redis, site_secret: &str) -> Commons {
    let commons = patient(redis, site_secret, 5_000);
    found(&commons, true).await;
    commons
}

fn patient(redis: &Redis, site_secret: &str, deadline_ms: u64) -> Commons {
    let url = Some(Secret::new(redis.url()));
    let config = Config { url, deadline_ms, ..Config::default() };
    Commons::open(&config, site_secret.as_bytes()).unwrap()
}

/// Waits until a server has found the Redis, or has missed it.
async fn found(commons: &Commons, is_there: bool) {
    let known = async {
        while commons.is_there() != Some(is_there) {
            tokio::task::yield_now().await;
        }
    };
    timeout(LONG, known).await.expect("it is seen whether the Redis is there");
}

#[tokio::test]
async fn two_servers_take_from_one_bucket() {
    let redis = Redis::start();
    let (one, other) = (server(&redis, "site").await, server(&redis, "site").await);
    for name in [ADDRESS, MEMBER] {
        assert_eq!(one.take(&name, THREE, NOW_US).await, Some(0));
        assert_eq!(other.take(&name, THREE, NOW_US).await, Some(0));
        assert_eq!(one.take(&name, THREE, NOW_US).await, Some(0));
        assert_eq!(other.take(&name, THREE, NOW_US).await, Some(MINUTE_US));
        // A refused request costs nothing, and the bucket fills at its rate.
        assert_eq!(other.take(&name, THREE, NOW_US + MINUTE_US / 4).await, Some(MINUTE_US / 4 * 3));
        assert_eq!(other.take(&name, THREE, NOW_US + MINUTE_US).await, Some(0));
        assert_eq!(one.take(&name, THREE, NOW_US + MINUTE_US).await, Some(MINUTE_US));
        one.give_back(&name, THREE).await;
        assert_eq!(other.take(&name, THREE, NOW_US + MINUTE_US).await, Some(0));
    }
}

#[tokio::test]
async fn members_of_two_databases_are_not_one_member() {
    let redis = Redis::start();
    let (one, other) = (server(&redis, "site").await, server(&redis, "another").await);
    for _ in 0..3 {
        assert_eq!(one.take(&MEMBER, THREE, NOW_US).await, Some(0));
    }
    assert_eq!(other.take(&MEMBER, THREE, NOW_US).await, Some(0));
}

#[tokio::test]
async fn a_bucket_outlives_its_server() {
    let redis = Redis::start();
    let before = server(&redis, "site").await;
    for _ in 0..3 {
        before.take(&ADDRESS, THREE, NOW_US).await.unwrap();
    }
    drop(before);
    assert_eq!(server(&redis, "site").await.take(&ADDRESS, THREE, NOW_US).await, Some(MINUTE_US));
}

#[tokio::test]
async fn a_mark_is_seen_by_others_until_its_life_is_over() {
    let redis = Redis::start();
    let (one, other) = (server(&redis, "site").await, server(&redis, "site").await);
    assert_eq!(other.is_marked(&ADDRESS).await, Some(false));
    one.mark(&ADDRESS, Duration::from_secs(3600)).await;
    assert_eq!(other.is_marked(&ADDRESS).await, Some(true));
    one.mark(&ADDRESS, Duration::from_millis(1)).await;
    let over = async { while other.is_marked(&ADDRESS).await != Some(false) {} };
    timeout(LONG, over).await.expect("a mark ends");
}

#[tokio::test]
async fn everything_ends_by_itself_and_tells_nothing_of_whom() {
    let redis = Redis::start();
    let one = server(&redis, "site").await;
    for name in [ADDRESS, MEMBER] {
        one.take(&name, THREE, NOW_US).await.unwrap();
        one.give_back(&name, THREE).await;
    }
    one.mark(&Name { what: "familiar", ..ADDRESS }, Duration::from_secs(60)).await;
    let keys = redis.keys();
    // What it tries itself on may be there or be gone.
    let kept: Vec<_> = keys.iter().filter(|key| !key.ends_with(":trial")).collect();
    assert_eq!(kept.len(), 3, "{keys:?}");
    for key in kept {
        assert!(!key.contains("198.51.100.7") && key.starts_with("communiconnect:"), "{key}");
        let life_ms: i64 = redis.say(&format!("PTTL {key}"))[1..].trim().parse().unwrap();
        assert!((1..=60_000).contains(&life_ms), "{key}: {life_ms} ms");
    }
}

#[tokio::test]
async fn servers_of_one_database_tell_each_other_and_no_others() {
    let redis = Redis::start();
    let (one, other) = (server(&redis, "site").await, server(&redis, "site").await);
    let stranger = server(&redis, "another").await;
    let (mut heard, mut strange) = (other.told().unwrap(), stranger.told().unwrap());
    one.tell(30).await;
    assert_eq!(timeout(LONG, heard.recv()).await.unwrap(), Ok(30));
    stranger.tell(31).await;
    assert_eq!(timeout(LONG, strange.recv()).await.unwrap(), Ok(31), "and not 30");
}

#[tokio::test]
async fn a_redis_that_dies_is_missed_and_found_again() {
    let mut redis = Redis::start();
    let one = server(&redis, "site").await;
    let mut told = one.told().unwrap();
    redis.die();
    found(&one, false).await;
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, None);
    assert_eq!(one.is_marked(&ADDRESS).await, None);
    one.tell(30).await;
    redis.live();
    found(&one, true).await;
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, Some(0));
    one.tell(31).await;
    assert_eq!(timeout(LONG, told.recv()).await.unwrap(), Ok(31));
}

#[tokio::test]
async fn a_redis_that_hangs_costs_one_deadline_and_nothing_after_it() {
    const DEADLINE_MS: u64 = 300;
    let redis = Redis::start();
    let one = patient(&redis, "site", DEADLINE_MS);
    found(&one, true).await;
    redis.hang();
    let started = Instant::now();
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, None);
    let first = started.elapsed();
    assert!(first >= Duration::from_millis(DEADLINE_MS), "{first:?}");
    assert!(first < Duration::from_millis(3 * DEADLINE_MS), "{first:?}");
    assert_eq!(one.is_there(), Some(false));
    let started = Instant::now();
    for _ in 0..10_000 {
        assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, None);
    }
    let all_others = started.elapsed();
    assert!(all_others < Duration::from_millis(DEADLINE_MS), "{all_others:?}");
    redis.go_on();
    found(&one, true).await;
}

#[tokio::test]
async fn a_redis_that_hangs_is_missed_though_nobody_asks() {
    let redis = Redis::start();
    let one = server(&redis, "site").await;
    redis.hang();
    found(&one, false).await;
    redis.go_on();
}

#[tokio::test]
async fn a_redis_that_forgot_everything_goes_on() {
    let redis = Redis::start();
    let one = server(&redis, "site").await;
    for _ in 0..3 {
        one.take(&ADDRESS, THREE, NOW_US).await.unwrap();
    }
    redis.say("FLUSHALL");
    redis.say("SCRIPT FLUSH");
    one.give_back(&ADDRESS, THREE).await;
    for _ in 0..3 {
        assert_eq!(
            one.take(&ADDRESS, THREE, NOW_US).await,
            Some(0),
            "and no more room than there was"
        );
    }
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, Some(MINUTE_US));
    assert_eq!(one.is_there(), Some(true));
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_as_good_as_none() {
    let redis = Redis::start();
    let one = server(&redis, "site").await;
    redis.say("CONFIG SET maxmemory 1");
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, None);
    let late = patient(&redis, "site", 5_000);
    late.settle().await;
    assert_eq!((one.is_there(), late.is_there()), (Some(false), Some(false)));
    redis.say("CONFIG SET maxmemory 0");
    found(&one, true).await;
}

/// `docs/operating.md` says what it has to be allowed.
#[tokio::test]
async fn a_user_who_may_do_what_is_documented_and_no_more_is_enough() {
    let redis = Redis::start();
    let may = "+eval +get +set +exists +publish +subscribe +ping +select +client";
    let documented = include_str!("../../docs/operating.md");
    assert!(documented.contains(may));
    let user = "ACL SETUSER live on >secret -@all ~communiconnect:* &communiconnect:*";
    assert_eq!(redis.say(&format!("{user} {may}")), "", "it is taken");
    let url = redis.url().replace(&format!(":{}", support::PASSWORD), "live:secret");
    let config = Config { url: Some(Secret::new(url)), deadline_ms: 5_000, ..Config::default() };
    let one = Commons::open(&config, b"site").unwrap();
    found(&one, true).await;
    let mut told = one.told().unwrap();
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, Some(0));
    one.give_back(&ADDRESS, THREE).await;
    one.mark(&ADDRESS, LONG).await;
    assert_eq!(one.is_marked(&ADDRESS).await, Some(true));
    one.tell(30).await;
    assert_eq!(timeout(LONG, told.recv()).await.unwrap(), Ok(30));
}

#[tokio::test]
async fn a_wrong_password_is_no_redis() {
    let redis = Redis::start();
    let url = Some(Secret::new(redis.url().replace(support::PASSWORD, "another")));
    let one = Commons::open(&Config { url, ..Config::default() }, b"site").unwrap();
    one.settle().await;
    assert_eq!(one.is_there(), Some(false));
}

#[tokio::test]
async fn a_server_without_a_redis_is_alone() {
    let one = Commons::open(&Config::default(), b"site").unwrap();
    one.settle().await;
    assert_eq!(one.is_there(), None);
    assert_eq!(one.take(&ADDRESS, THREE, NOW_US).await, None);
    assert!(one.told().is_none());
}
