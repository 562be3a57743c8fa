use std::time::{Duration, Instant};

use media::id::{LiveId, UserId};

use super::*;
use crate::{
    Audience, MessageType, NewComment, NewLive, NewMessage, NewShare, NewUser, Notification,
    NotificationKind, NotificationQuery, PreferenceChange, Said, ShareType, Switch, User,
    testing::{Fixture, NOW_MS, new_live, on_both},
};

async fn neighbour(db: &Fixture, name: &str, commune: &str, quartier: &str) -> UserId {
    let quartier = Some(db.quartier(commune, quartier));
    db.create_user(NewUser { quartier, ..db.new_user(name) }).await.unwrap().id
}

/// As many members of one quartier as asked for, in one statement.
async fn crowd(db: &Fixture, count: u32) {
    let quartier = db.quartier("Kaloum", "Almamya").get();
    let inserted = db
        .execute(format!(
            "insert into users (username, username_key, email, email_key, password_hash, first_name,
                 first_name_search, last_name, last_name_search, phone_number, bio, quartier_id,
                 joined_ms)
             with recursive numbers (n) as (
                 select 1 union all select n + 1 from numbers where n < {count}
             )
             select 'crowd' || n, 'crowd' || n, n || '@c', n || '@c', '', '', '', '', '', '', '',
                 {quartier}, 0
             from numbers"
        ))
        .await
        .unwrap();
    assert_eq!(inserted, u64::from(count));
}

async fn publish(db: &Fixture, live: LiveId) {
    let from = [LiveState::Created, LiveState::Interrupted];
    assert!(db.set_live_state(live, &from, LiveState::Live, NOW_MS).await.unwrap());
}

/// Tells everybody; says in how many turns.
async fn announce_all(db: &Fixture) -> u32 {
    let mut turns = 0;
    while db.announce_lives(NOW_MS).await.unwrap() {
        turns += 1;
    }
    turns
}

async fn end(db: &Fixture, live: LiveId) {
    let from = [LiveState::Created, LiveState::Live, LiveState::Interrupted];
    assert!(db.set_live_state(live, &from, LiveState::Ended, NOW_MS).await.unwrap());
}

/// One likes a live, one shares it, one comments on it, one speaks beside it.
/// So many bytes, as each database writes them.
fn bytes(db: &Fixture, count: usize) -> String {
    match db.database {
        crate::database::Database::Sqlite { .. } => format!("zeroblob({count})"),
        crate::database::Database::Postgres(..) => format!("'\\x{}'::bytea", "00".repeat(count)),
    }
}

/// Writes as long as `announcing` goes on, and gives how long each of the writes waited, shortest first.
async fn write_beside(
    db: &Fixture,
    author: UserId,
    announcing: tokio::task::JoinHandle<u32>,
) -> (u32, Vec<Duration>) {
    let mut waits = Vec::new();
    while !announcing.is_finished() {
        let started = Instant::now();
        db.post_of(author).await;
        waits.push(started.elapsed());
        tokio::task::yield_now().await;
    }
    waits.sort_unstable();
    (announcing.await.unwrap(), waits)
}

async fn take_part(db: &Fixture, live: LiveId, [likes, shares, comments, speaks]: [&User; 4]) {
    // Again, for some: a like is given once.
    let _ = db.like(live.into(), likes.id, NOW_MS).await;
    let (post, user, how) = (live.into(), shares.id, ShareType::Share);
    let share = NewShare { post, user, how, comment: String::new(), now_ms: NOW_MS };
    db.share(share).await.unwrap().unwrap();
    let (content, now_ms) = (String::from("Bravo"), NOW_MS);
    let new = NewComment {
        post: live.into(),
        parent: None,
        author: comments,
        content: content.clone(),
        is_anonymous: None,
        now_ms,
    };
    db.create_comment(new).await.unwrap();
    let (author, message_type) = (speaks.id, MessageType::Text);
    let message = NewMessage { live, author, message_type, content, reply_to: None, now_ms };
    assert!(matches!(db.say(&message).await.unwrap(), Said::Yes { .. }));
}

async fn told(db: &Fixture, recipient: UserId) -> Vec<Notification> {
    let query = NotificationQuery { recipient, kind: None, is_read: None, page: 1, now_ms: NOW_MS };
    db.notifications(&query).await.unwrap().rows
}

async fn notifications(db: &Fixture) -> i64 {
    reading!(&db.database, |pool| {
        sqlx::query_scalar("select count(*) from notifications").fetch_one(pool).await.unwrap()
    })
}

on_both! {
    /// Defect 41: the notification never went out.
    async fn a_live_that_begins_is_told_to_the_commune_of_its_author(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = neighbour(&db, "near", "Kaloum", "Almamya").await;
        let same_commune = neighbour(&db, "commune", "Kaloum", "Boulbinet").await;
        let elsewhere = neighbour(&db, "elsewhere", "Dixinn", "Donka").await;
        let live = db.live_of(author).await.id;
        assert!(!db.announce_lives(NOW_MS).await.unwrap(), "nothing is on the air yet");
        publish(&db, live).await;
        announce_all(&db).await;
        for member in [near, same_commune] {
            let [notification] = &told(&db, member).await[..] else { panic!("not one") };
            assert_eq!(notification.kind, NotificationKind::LiveStarted);
            assert_eq!(notification.sender.as_ref().unwrap().id, author);
            assert_eq!(notification.post.as_ref().unwrap().id, live.into());
            assert_eq!(notification.created_ms, NOW_MS);
        }
        for member in [author, elsewhere] {
            assert!(told(&db, member).await.is_empty());
        }
        assert!(!db.announce_lives(NOW_MS).await.unwrap());
    }

    async fn a_live_for_a_quartier_is_told_there_alone(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = neighbour(&db, "near", "Kaloum", "Almamya").await;
        let same_commune = neighbour(&db, "commune", "Kaloum", "Boulbinet").await;
        let new = NewLive { audience: Audience::Quartier, ..new_live(author) };
        publish(&db, db.create_live(new).await.unwrap().id).await;
        announce_all(&db).await;
        assert_eq!(told(&db, near).await.len(), 1);
        assert!(told(&db, same_commune).await.is_empty());
    }

    async fn who_does_not_want_to_know_of_lives_is_not_told(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = neighbour(&db, "near", "Kaloum", "Almamya").await;
        let mut change = PreferenceChange::default();
        change.set(Switch::Live, false);
        db.set_preferences(near, &change).await.unwrap();
        publish(&db, db.live_of(author).await.id).await;
        announce_all(&db).await;
        assert!(told(&db, near).await.is_empty());
    }

    async fn a_publisher_that_comes_back_is_no_news(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        neighbour(&db, "near", "Kaloum", "Almamya").await;
        let live = db.live_of(author).await.id;
        publish(&db, live).await;
        announce_all(&db).await;
        let (live_state, lost) = ([LiveState::Live], LiveState::Interrupted);
        db.set_live_state(live, &live_state, lost, NOW_MS + 1).await.unwrap();
        let back = db.set_live_state(live, &[lost], LiveState::Live, NOW_MS + 2).await;
        assert!(back.unwrap());
        assert_eq!(announce_all(&db).await, 0);
        assert_eq!(notifications(&db).await, 1);
    }

    async fn a_crowd_is_told_a_few_at_a_time_and_each_once(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        crowd(&db, 1001).await;
        publish(&db, db.live_of(author).await.id).await;
        assert_eq!(notifications(&db).await, 0, "the start itself tells nobody");
        let mut before = 0;
        while db.announce_lives(NOW_MS).await.unwrap() {
            let now = notifications(&db).await;
            assert!(now - before <= TOLD_AT_ONCE, "{now} after {before}");
            before = now;
        }
        assert_eq!(notifications(&db).await, 1001);
    }

    async fn what_was_cut_short_goes_on_where_it_was_and_tells_nobody_twice(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        crowd(&db, 500).await;
        publish(&db, db.live_of(author).await.id).await;
        assert!(db.announce_lives(NOW_MS).await.unwrap());
        db.close().await;
        let again = Store::open(&db.url).await.unwrap();
        while again.announce_lives(NOW_MS).await.unwrap() {}
        let count: i64 = reading!(&again.database, |pool| {
            sqlx::query_scalar("select count(*) from notifications").fetch_one(pool).await.unwrap()
        });
        assert_eq!(count, 500);
        again.close().await;
    }

    async fn a_live_that_is_over_before_its_turn_is_no_news(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        crowd(&db, 300).await;
        let live = db.live_of(author).await.id;
        publish(&db, live).await;
        let live_state = [LiveState::Live];
        db.set_live_state(live, &live_state, LiveState::Ended, NOW_MS).await.unwrap();
        announce_all(&db).await;
        assert_eq!(notifications(&db).await, 0);
        assert!(!db.announce_lives(NOW_MS).await.unwrap(), "nothing is left to do");
    }

    async fn neighbours_keep_the_newest_of_a_flood_too(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = neighbour(&db, "near", "Kaloum", "Almamya").await;
        let kept = i64::from(NOTIFICATIONS_KEPT);
        db.execute(format!(
            "insert into notifications (recipient_id, kind, excerpt, created_ms, due_ms)
             with recursive numbers (n) as (
                 select 1 union all select n + 1 from numbers where n < {kept}
             )
             select {near}, 'system', n || '', 0, 0 from numbers"
        ))
        .await
        .unwrap();
        publish(&db, db.live_of(author).await.id).await;
        announce_all(&db).await;
        assert_eq!(notifications(&db).await, kept);
        assert_eq!(told(&db, near).await[0].kind, NotificationKind::LiveStarted);
    }

    /// The figures of `docs/database.md`:
    /// `cargo test -p communiconnect-store a_hundred_thousand -- --ignored --nocapture --test-threads 1`
    #[ignore = "measures for minutes"]
    async fn a_hundred_thousand_are_told_while_others_write(db: Fixture) {
        const CROWD: u32 = 100_000;
        let author = db.user_called("fatou").await.id;
        crowd(&db, CROWD).await;
        // Every tenth of them has a browser.
        db.execute(format!(
            "insert into push_subscriptions (user_id, endpoint, p256dh, auth, created_ms, renewed_ms)
             select id, 'https://push.example.org/' || id, {}, {}, 0, 0 from users where id % 10 = 2",
            bytes(&db, 65),
            bytes(&db, 16)
        ))
        .await
        .unwrap();
        publish(&db, db.live_of(author).await.id).await;
        let started = Instant::now();
        let announcing = {
            let db = db.clone();
            tokio::spawn(async move { announce_all(&db).await })
        };
        let (turns, waits) = write_beside(&db, author, announcing).await;
        let took = started.elapsed();
        let at = |share: usize| waits[(waits.len() - 1) * share / 100];
        println!(
            "{CROWD} told in {took:.1?}, {turns} turns; beside it {} posts written, which took \
             {:.1?} (half), {:.1?} (99 %), {:.1?} (longest)",
            waits.len(), at(50), at(99), at(100),
        );
        assert_eq!(notifications(&db).await, i64::from(CROWD));
        assert_eq!(db.number("select count(*) from push_messages").await, i64::from(CROWD / 10));
    }

    async fn those_who_took_part_are_told_that_a_live_is_over(db: Fixture) {
        let author = db.user_called("fatou").await;
        let live = db.live_of(author.id).await.id;
        let mut took_part = Vec::new();
        for name in ["liked", "shared", "commented", "spoke"] {
            took_part.push(db.user_called(name).await);
        }
        let absent = db.user_called("absent").await.id;
        publish(&db, live).await;
        take_part(&db, live, [&took_part[0], &took_part[1], &took_part[2], &took_part[3]]).await;
        take_part(&db, live, [&took_part[0], &took_part[1], &took_part[3], &author]).await;
        end(&db, live).await;
        announce_all(&db).await;
        for member in &took_part {
            let rows = told(&db, member.id).await;
            let [row] = &rows[..] else { panic!("{}: {rows:?}", member.username) };
            assert_eq!(row.kind, NotificationKind::LiveEnded, "{}", member.username);
            assert_eq!(row.post.as_ref().unwrap().id, live.into());
            assert_eq!(row.sender.as_ref().unwrap().id, author.id);
        }
        assert!(told(&db, absent).await.is_empty());
        let of_author = told(&db, author.id).await;
        assert!(of_author.iter().all(|row| row.kind != NotificationKind::LiveEnded));
        assert!(!db.announce_lives(NOW_MS).await.unwrap(), "nothing is left to do");
    }

    async fn who_does_not_want_to_know_of_lives_is_not_told_of_their_end(db: Fixture) {
        let author = db.user_called("fatou").await;
        let spoke = db.user_called("spoke").await;
        let mut change = PreferenceChange::default();
        change.set(Switch::Live, false);
        db.set_preferences(spoke.id, &change).await.unwrap();
        let live = db.live_of(author.id).await.id;
        publish(&db, live).await;
        take_part(&db, live, [&author, &author, &author, &spoke]).await;
        end(&db, live).await;
        announce_all(&db).await;
        assert!(told(&db, spoke.id).await.is_empty());
    }

    async fn a_live_that_was_never_on_the_air_has_no_end(db: Fixture) {
        let author = db.user_called("fatou").await;
        let liked = db.user_called("liked").await;
        let live = db.live_of(author.id).await.id;
        db.like(live.into(), liked.id, NOW_MS).await.unwrap();
        end(&db, live).await;
        assert_eq!(announce_all(&db).await, 0);
        assert!(told(&db, liked.id).await.is_empty());
    }

    async fn a_crowd_is_told_of_the_end_a_few_at_a_time_and_each_once(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let live = db.live_of(author).await.id;
        publish(&db, live).await;
        announce_all(&db).await;
        crowd(&db, 1001).await;
        for (table, by) in [("likes", "user_id"), ("live_messages", "author_id")] {
            let what = if by == "user_id" { "post_id" } else { "live_id" };
            let (columns, values) = match table {
                "likes" => ("", ""),
                _ => (", message_type, content", ", 'text', ''"),
            };
            db.execute(format!(
                "insert into {table} ({what}, {by}, created_ms{columns})
                 select {live}, id, 0{values} from users where id <> {author}"
            ))
            .await
            .unwrap();
        }
        end(&db, live).await;
        assert!(db.announce_lives(NOW_MS).await.unwrap());
        assert_eq!(notifications(&db).await, TOLD_AT_ONCE);
        // As after a restart: how far it came stands in the database alone.
        assert_eq!(announce_all(&db).await, 5);
        assert_eq!(notifications(&db).await, 1001);
    }
}
