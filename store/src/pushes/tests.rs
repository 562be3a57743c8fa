use media::id::{LiveId, PlaybackName};

use super::*;
use crate::{
    Frequency, PostId, PreferenceChange, Switch,
    testing::{Fixture, NOW_MS, on_both},
};

const HOUR_MS: i64 = 3_600_000;
/// When a claim that nothing becomes of comes again.
const AGAIN_MS: i64 = NOW_MS + 60_000;

fn browser(user: UserId, name: &str) -> NewSubscription {
    NewSubscription {
        user,
        endpoint: format!("https://push.example.org/{name}"),
        p256dh: [4; 65],
        auth: [7; 16],
        now_ms: NOW_MS,
    }
}

async fn subscribe(db: &Fixture, user: UserId, name: &str) -> SubscriptionId {
    db.subscribe(&browser(user, name), 10).await.unwrap().0
}

async fn claim(db: &Fixture, now_ms: i64) -> Vec<DuePush> {
    db.claim_pushes(now_ms, now_ms + 60_000, 100).await.unwrap()
}

async fn waiting(db: &Fixture) -> i64 {
    db.number("select count(*) from push_messages").await
}

/// An author with a browser, his post, and who likes it.
async fn author_with_a_browser(db: &Fixture) -> (UserId, PostId, UserId) {
    let author = db.user_called("fatou").await.id;
    subscribe(db, author, "fatou").await;
    (author, db.post_of(author).await, db.user_called("binta").await.id)
}

async fn prefer(db: &Fixture, user: UserId, change: impl FnOnce(&mut PreferenceChange)) {
    let mut preferences = PreferenceChange::default();
    change(&mut preferences);
    db.set_preferences(user, &preferences).await.unwrap();
}

on_both! {
    async fn what_a_member_is_told_goes_to_each_of_his_browsers(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        subscribe(&db, author, "telephone").await;
        subscribe(&db, reader, "binta").await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let due = claim(&db, NOW_MS).await;
        let mut endpoints: Vec<&str> = due.iter().map(|it| it.endpoint.as_str()).collect();
        endpoints.sort_unstable();
        assert_eq!(endpoints, ["https://push.example.org/fatou", "https://push.example.org/telephone"]);
        let Some(News::One(told, live)) = &due[0].news else { panic!("no news") };
        assert_eq!((told.recipient, told.sender.as_ref().unwrap().id), (author, reader));
        assert_eq!((due[0].p256dh, due[0].auth, due[0].attempts), ([4; 65], [7; 16], 0));
        assert_eq!((live, due[0].expires_ms), (&None, NOW_MS + 24 * HOUR_MS));
    }

    async fn what_is_claimed_comes_again_when_nothing_becomes_of_it(db: Fixture) {
        let (_, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        assert_eq!(claim(&db, NOW_MS).await.len(), 1);
        assert!(claim(&db, AGAIN_MS - 1).await.is_empty());
        // As after a crash, in another run.
        let again = Store::open(&db.url).await.unwrap();
        assert_eq!(again.claim_pushes(AGAIN_MS, AGAIN_MS + 1, 100).await.unwrap().len(), 1);
        again.close().await;
    }

    async fn no_more_are_claimed_than_asked_for_and_the_first_first(db: Fixture) {
        let (_, post, reader) = author_with_a_browser(&db).await;
        for n in 0..3 {
            let sender = db.user_called(&format!("reader{n}")).await.id;
            db.like(post, sender, NOW_MS - n).await.unwrap();
        }
        db.like(post, reader, NOW_MS + 1).await.unwrap();
        let due = db.claim_pushes(NOW_MS, AGAIN_MS, 2).await.unwrap();
        let mut created: Vec<i64> = due.iter().map(|it| it.expires_ms - 24 * HOUR_MS).collect();
        created.sort_unstable();
        assert_eq!(created, [NOW_MS - 2, NOW_MS - 1]);
        assert_eq!(claim(&db, NOW_MS).await.len(), 1);
        assert!(claim(&db, NOW_MS).await.is_empty());
    }

    async fn what_was_undone_is_not_sent(db: Fixture) {
        let (_, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        db.unlike(post, reader).await.unwrap();
        assert_eq!(waiting(&db).await, 0);
    }

    async fn who_wants_no_pushes_gets_none(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        for switch in [Switch::Push, Switch::Likes, Switch::InApp] {
            prefer(&db, author, |it| it.set(switch, false)).await;
            db.like(post, reader, NOW_MS).await.unwrap();
            assert_eq!(waiting(&db).await, 0, "{switch:?}");
            db.unlike(post, reader).await.unwrap();
            prefer(&db, author, |it| it.set(switch, true)).await;
        }
        db.like(post, reader, NOW_MS).await.unwrap();
        assert_eq!(waiting(&db).await, 1);
    }

    async fn what_comes_hourly_comes_as_one_message(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        prefer(&db, author, |it| it.frequency = Some(Frequency::Hourly)).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let sekou = db.user_called("sekou").await.id;
        db.like(post, sekou, NOW_MS + 1).await.unwrap();
        let due_ms = NOW_MS - NOW_MS % HOUR_MS + HOUR_MS;
        assert!(claim(&db, due_ms - 1).await.is_empty());
        let [due] = &claim(&db, due_ms).await[..] else { panic!("not one") };
        assert_eq!(due.news, Some(News::Many(2)));
        db.settle_pushes(&[(due.id, Settlement::Sent)], due_ms).await.unwrap();
        // What was read before it came is no news any more.
        db.unlike(post, sekou).await.unwrap();
        db.like(post, sekou, due_ms).await.unwrap();
        db.read_all_notifications(author, due_ms + HOUR_MS).await.unwrap();
        let [due] = &claim(&db, due_ms + HOUR_MS).await[..] else { panic!("not one") };
        assert_eq!(due.news, None);
    }

    async fn a_live_that_begins_is_pushed_to_those_who_are_told_of_it(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = db.user_called("near").await.id;
        subscribe(&db, near, "near").await;
        let live = db.live_of(author).await;
        publish(&db, live.id).await;
        let [due] = &claim(&db, NOW_MS).await[..] else { panic!("not one") };
        let Some(News::One(told, name)) = &due.news else { panic!("no news") };
        assert_eq!(told.kind, NotificationKind::LiveStarted);
        assert_eq!(name, &Some::<PlaybackName>(live.playback_name));
        assert_eq!(due.expires_ms, NOW_MS + HOUR_MS);
    }

    async fn a_live_that_is_over_is_not_pushed_as_one_that_begins(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let near = db.user_called("near").await.id;
        subscribe(&db, near, "near").await;
        let live = db.live_of(author).await.id;
        publish(&db, live).await;
        db.set_live_state(live, &[LiveState::Live], LiveState::Ended, NOW_MS).await.unwrap();
        let [due] = &claim(&db, NOW_MS).await[..] else { panic!("not one") };
        assert_eq!(due.news, None);
    }

    async fn what_is_too_old_is_no_news_any_more(db: Fixture) {
        let (_, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let [due] = &claim(&db, NOW_MS + 24 * HOUR_MS).await[..] else { panic!("not one") };
        assert_eq!(due.news, None);
        db.settle_pushes(&[(due.id, Settlement::Dropped)], NOW_MS).await.unwrap();
        assert_eq!(waiting(&db).await, 0);
    }

    async fn what_was_sent_is_forgotten_and_remembered_of_the_browser(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let due = claim(&db, NOW_MS).await;
        db.settle_pushes(&[(due[0].id, Settlement::Sent)], NOW_MS + 5).await.unwrap();
        assert_eq!(waiting(&db).await, 0);
        assert_eq!(db.subscriptions(author).await.unwrap()[0].sent_ms, Some(NOW_MS + 5));
    }

    async fn what_is_put_off_comes_at_its_time_and_counts_when_it_was_tried(db: Fixture) {
        let (_, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let id = claim(&db, NOW_MS).await[0].id;
        for (was_tried, attempts) in [(false, 0), (true, 1), (true, 2)] {
            let later = Settlement::Later { next_ms: NOW_MS + 7, was_tried };
            db.settle_pushes(&[(id, later)], NOW_MS).await.unwrap();
            assert!(claim(&db, NOW_MS + 6).await.is_empty());
            assert_eq!(claim(&db, NOW_MS + 7).await[0].attempts, attempts);
        }
    }

    async fn a_browser_that_is_gone_goes_with_all_that_waits_for_it(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        db.like(post, db.user_called("sekou").await.id, NOW_MS).await.unwrap();
        let id = claim(&db, NOW_MS).await[0].id;
        db.settle_pushes(&[(id, Settlement::Gone)], NOW_MS).await.unwrap();
        assert!(db.subscriptions(author).await.unwrap().is_empty());
        assert_eq!(waiting(&db).await, 0);
    }

    async fn a_browser_whose_service_refuses_again_and_again_is_forgotten(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        let refuse = async |settlement| {
            db.like(post, reader, NOW_MS).await.unwrap();
            let id = claim(&db, NOW_MS).await[0].id;
            db.settle_pushes(&[(id, settlement)], NOW_MS).await.unwrap();
            db.unlike(post, reader).await.unwrap();
        };
        for _ in 1..REFUSALS_MAX {
            refuse(Settlement::Refused).await;
        }
        refuse(Settlement::Sent).await;
        for _ in 1..REFUSALS_MAX {
            refuse(Settlement::Refused).await;
        }
        assert_eq!(db.subscriptions(author).await.unwrap().len(), 1);
        refuse(Settlement::Refused).await;
        assert!(db.subscriptions(author).await.unwrap().is_empty());
    }

    async fn the_same_browser_again_is_the_same_subscription(db: Fixture) {
        let (author, ..) = author_with_a_browser(&db).await;
        let new = NewSubscription { auth: [9; 16], ..browser(author, "fatou") };
        let (id, is_new) = db.subscribe(&new, 10).await.unwrap();
        assert!(!is_new);
        let subscriptions = db.subscriptions(author).await.unwrap();
        assert_eq!(subscriptions.iter().map(|it| it.id).collect::<Vec<_>>(), [id]);
    }

    async fn a_browser_is_told_nothing_once_all_sessions_were_ended(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        db.revoke_sessions(author, &crate::By::console(NOW_MS)).await.unwrap();
        assert!(db.subscriptions(author).await.unwrap().is_empty());
        assert_eq!(waiting(&db).await, 0);
    }

    async fn a_browser_belongs_to_who_signed_in_to_it_last(db: Fixture) {
        let (author, post, reader) = author_with_a_browser(&db).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        let (_, is_new) = db.subscribe(&browser(reader, "fatou"), 10).await.unwrap();
        assert!(is_new);
        assert!(db.subscriptions(author).await.unwrap().is_empty());
        assert_eq!(waiting(&db).await, 0, "what waited for the other is not shown to this one");
    }

    async fn a_member_keeps_the_browsers_he_renewed_last(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        for (n, name) in ["a", "b", "c", "a", "d"].into_iter().enumerate() {
            let now_ms = NOW_MS + i64::try_from(n).unwrap();
            db.subscribe(&NewSubscription { now_ms, ..browser(author, name) }, 3).await.unwrap();
        }
        let kept = db.subscriptions(author).await.unwrap();
        let mut kept: Vec<&str> = kept.iter().map(|it| &it.endpoint[25..]).collect();
        kept.sort_unstable();
        assert_eq!(kept, ["a", "c", "d"]);
    }

    async fn nobody_forgets_the_browser_of_another(db: Fixture) {
        let (author, _, reader) = author_with_a_browser(&db).await;
        let id = db.subscriptions(author).await.unwrap()[0].id;
        assert!(!db.unsubscribe(reader, id).await.unwrap());
        assert!(db.unsubscribe(author, id).await.unwrap());
        assert!(!db.unsubscribe(author, id).await.unwrap());
    }
}

async fn publish(db: &Fixture, live: LiveId) {
    let from = [LiveState::Created];
    assert!(db.set_live_state(live, &from, LiveState::Live, NOW_MS).await.unwrap());
    while db.announce_lives(NOW_MS).await.unwrap() {}
}
