use media::id::{LiveId, UserId};

use super::*;
use crate::{
    Audience, NewLive, NewUser, Notification, NotificationKind, NotificationQuery,
    PreferenceChange, Switch,
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

    async fn a_live_that_is_over_is_no_news_any_more(db: Fixture) {
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
}
