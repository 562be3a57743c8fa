use super::*;
use crate::{
    NewUser,
    testing::{Fixture, NOW_MS, key_hash, new_live, on_both},
};

const ALL: [LiveState; 4] =
    [LiveState::Created, LiveState::Live, LiveState::Interrupted, LiveState::Ended];

on_both! {
    async fn a_live_is_found_by_id_key_and_name(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        let new = new_live(author);
        let live = db.create_live(new.clone()).await.unwrap();
        assert_eq!((live.author, live.state, live.created_ms), (author, LiveState::Created, NOW_MS));
        assert_eq!((live.title.as_str(), live.description.as_str()), (&*new.title, &*new.description));
        assert_eq!((live.started_ms, live.interrupted_ms, live.ended_ms), (None, None, None));

        assert_eq!(db.live(live.id).await.unwrap().as_ref(), Some(&live));
        assert_eq!(db.live_by_key(&new.key_hash).await.unwrap().as_ref(), Some(&live));
        let by_name = db.live_by_playback_name(new.playback_name.as_str()).await.unwrap();
        assert_eq!(by_name, Some(live));
    }

    async fn a_live_is_for_whom_its_author_said(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        for audience in [Audience::Public, Audience::Quartier] {
            let live = db.create_live(NewLive { audience, ..new_live(author) }).await.unwrap();
            assert_eq!(live.audience, audience);
            assert_eq!(db.live(live.id).await.unwrap().unwrap().audience, audience);
            let post = db.post(live.id).await.unwrap().unwrap();
            assert_eq!(post.live.unwrap().audience, audience);
        }
    }

    async fn others_may_download_a_live_where_its_author_says_so(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        let allowed = NewLive { downloads_allowed: true, ..new_live(author) };
        let first = db.create_live(allowed).await.unwrap();
        let second = db.create_live(new_live(author)).await.unwrap();
        assert_eq!((first.downloads_allowed, second.downloads_allowed), (true, false));
        assert!(db.live(first.id).await.unwrap().unwrap().downloads_allowed);
        assert!(!db.live(second.id).await.unwrap().unwrap().downloads_allowed);
        assert!(db.allow_downloads(second.id, true).await.unwrap());
        assert!(db.allow_downloads(first.id, false).await.unwrap());
        assert!(!db.live(first.id).await.unwrap().unwrap().downloads_allowed);
        assert!(db.live(second.id).await.unwrap().unwrap().downloads_allowed);
        assert!(!db.allow_downloads(LiveId::new(404), true).await.unwrap());
    }

    async fn an_unknown_live_is_none(db: Fixture) {
        assert_eq!(db.live(LiveId::new(404)).await.unwrap(), None);
        assert_eq!(db.live_by_key(&key_hash(0)).await.unwrap(), None);
        for name in ["abcd", "", "../x", "a\0", &"a".repeat(1000)] {
            assert_eq!(db.live_by_playback_name(name).await.unwrap(), None);
        }
    }

    async fn starting_again_ends_a_live_never_published(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        let first = db.live_of(author).await;
        let second =
            db.create_live(NewLive { now_ms: NOW_MS + 7, ..new_live(author) }).await.unwrap();
        assert_ne!(first.id, second.id);

        let first = db.live(first.id).await.unwrap().unwrap();
        assert_eq!((first.state, first.ended_ms), (LiveState::Ended, Some(NOW_MS + 7)));
        let post = db.post(first.id).await.unwrap().unwrap();
        assert_eq!((post.is_live_post, post.updated_ms), (false, NOW_MS + 7));
        assert!(db.post(second.id).await.unwrap().unwrap().is_live_post);
    }

    async fn a_live_that_was_published_is_not_ended_by_another(db: Fixture) {
        use LiveState::{Created, Ended, Interrupted, Live};
        let author = db.user_called("kadiatou").await.id;
        let first = db.live_of(author).await.id;
        for (from, to) in [(Created, Live), (Live, Interrupted)] {
            assert!(db.set_live_state(first, &[from], to, NOW_MS).await.unwrap());
            let refused = db.create_live(new_live(author)).await;
            assert!(matches!(refused, Err(Error::AlreadyLive { id }) if id == first));
            assert_eq!(db.live(first).await.unwrap().unwrap().state, to);
        }
        // The refusal left no post behind, and the end makes room.
        assert_eq!(db.posts(&crate::PostQuery::default()).await.unwrap().count, 1);
        assert!(db.set_live_state(first, &[Interrupted], Ended, NOW_MS).await.unwrap());
        db.create_live(new_live(author)).await.unwrap();
    }

    async fn a_live_needs_an_author_who_lives_somewhere(db: Fixture) {
        let nobody = db.create_live(new_live(UserId::new(404))).await;
        assert!(matches!(nobody, Err(Error::UnknownUser)));
        let homeless =
            db.create_user(NewUser { quartier: None, ..db.new_user("nomade") }).await.unwrap();
        let refused = db.create_live(new_live(homeless.id)).await;
        assert!(matches!(refused, Err(Error::NoQuartier)));
    }

    async fn two_lives_asked_for_at_once_leave_one(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        for _ in 0..8 {
            let (first, second) = (db.clone(), db.clone());
            let (one, two) = tokio::join!(
                tokio::spawn(async move { first.create_live(new_live(author)).await.unwrap() }),
                tokio::spawn(async move { second.create_live(new_live(author)).await.unwrap() }),
            );
            let unfinished = db.unfinished_lives().await.unwrap();
            assert_eq!(unfinished.len(), 1);
            assert!([one.unwrap().id, two.unwrap().id].contains(&unfinished[0].id));
        }
    }

    async fn a_publisher_and_a_second_start_at_once_agree(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        for _ in 0..8 {
            let live = db.live_of(author).await.id;
            let (publisher, starter) = (db.clone(), db.clone());
            let (published, started) = tokio::join!(
                tokio::spawn(async move {
                    let from = [LiveState::Created];
                    publisher.set_live_state(live, &from, LiveState::Live, NOW_MS).await.unwrap()
                }),
                tokio::spawn(async move { starter.create_live(new_live(author)).await }),
            );
            match (published.unwrap(), started.unwrap()) {
                (true, Err(Error::AlreadyLive { id })) => assert_eq!(id, live),
                (false, Ok(_)) => {}
                other => panic!("{other:?}"),
            }
            for live in db.unfinished_lives().await.unwrap() {
                db.set_live_state(live.id, &ALL, LiveState::Ended, NOW_MS).await.unwrap();
            }
        }
    }

    async fn the_database_itself_allows_one_unfinished_live(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        let first = db.live_of(author).await.id;
        db.set_live_state(first, &ALL, LiveState::Ended, NOW_MS).await.unwrap();
        db.live_of(author).await;
        let forced = format!("update lives set state = 'live', ended_ms = null where id = {first}");
        let error = db.execute(forced).await.unwrap_err().to_string();
        assert!(error.contains("UniqueViolation"), "{error}");
    }

    async fn a_live_goes_through_its_states_and_never_back(db: Fixture) {
        use LiveState::{Created, Ended, Interrupted, Live};
        let live = db.live_of(db.user_called("kadiatou").await.id).await.id;
        let step = async |from: &[LiveState], to, now_ms| {
            db.set_live_state(live, from, to, now_ms).await.unwrap()
        };
        assert!(!step(&[Live], Interrupted, NOW_MS).await);
        assert!(!step(&ALL, Interrupted, NOW_MS).await, "nothing is published yet");
        assert!(!step(&[], Live, NOW_MS).await);
        assert!(step(&[Created, Interrupted], Live, NOW_MS + 1).await);
        assert!(!step(&ALL, Created, NOW_MS).await);
        assert!(!step(&ALL, Live, NOW_MS + 2).await, "it is live already");
        assert!(step(&[Live], Interrupted, NOW_MS + 3).await);
        let row = db.live(live).await.unwrap().unwrap();
        assert_eq!((row.started_ms, row.interrupted_ms), (Some(NOW_MS + 1), Some(NOW_MS + 3)));
        assert!(step(&[Created, Interrupted], Live, NOW_MS + 4).await);
        assert!(db.post(live).await.unwrap().unwrap().is_live_post);
        assert!(step(&ALL, Ended, NOW_MS + 5).await);

        let row = db.live(live).await.unwrap().unwrap();
        assert_eq!(row.state, Ended);
        assert_eq!(
            (row.started_ms, row.interrupted_ms, row.ended_ms),
            (Some(NOW_MS + 1), None, Some(NOW_MS + 5))
        );
        let post = db.post(live).await.unwrap().unwrap();
        assert_eq!((post.is_live_post, post.updated_ms), (false, NOW_MS + 5));
        for to in ALL {
            assert!(!step(&ALL, to, NOW_MS + 6).await, "{to:?} after the end");
        }
        assert_eq!(db.live(live).await.unwrap().unwrap(), row);
    }

    async fn of_two_who_end_a_live_at_once_one_is_told(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        for _ in 0..8 {
            let live = db.live_of(author).await.id;
            let (first, second) = (db.clone(), db.clone());
            let end = |db: Fixture| async move {
                db.set_live_state(live, &ALL, LiveState::Ended, NOW_MS).await.unwrap()
            };
            let (one, two) = tokio::join!(tokio::spawn(end(first)), tokio::spawn(end(second)));
            assert_ne!(one.unwrap(), two.unwrap());
        }
    }

    async fn lives_left_unfinished_are_listed_oldest_first(db: Fixture) {
        let mut expected = Vec::new();
        for name in ["a", "b", "c", "d"] {
            let author = db.user_called(name).await.id;
            let live = db.live_of(author).await.id;
            expected.push(live);
        }
        db.set_live_state(expected[1], &ALL, LiveState::Live, NOW_MS).await.unwrap();
        db.set_live_state(expected[2], &ALL, LiveState::Ended, NOW_MS).await.unwrap();
        expected.remove(2);
        let found: Vec<_> =
            db.unfinished_lives().await.unwrap().into_iter().map(|live| live.id).collect();
        assert_eq!(found, expected);
    }

    async fn only_lives_never_published_go_stale(db: Fixture) {
        let mut lives = Vec::new();
        for (n, name) in ["old", "young", "live"].into_iter().enumerate() {
            let author = db.user_called(name).await.id;
            let now_ms = if name == "young" { NOW_MS } else { NOW_MS - 1 };
            lives.push(db.create_live(NewLive { now_ms, ..new_live(author) }).await.unwrap().id);
            assert_eq!(lives.len(), n + 1);
        }
        db.set_live_state(lives[2], &ALL, LiveState::Live, NOW_MS).await.unwrap();

        let ended = db.end_stale_lives(NOW_MS, NOW_MS + 9).await.unwrap();
        assert_eq!(ended, [lives[0]]);
        let old = db.live(lives[0]).await.unwrap().unwrap();
        assert_eq!((old.state, old.ended_ms), (LiveState::Ended, Some(NOW_MS + 9)));
        assert!(!db.post(lives[0]).await.unwrap().unwrap().is_live_post);
        assert_eq!(db.live(lives[1]).await.unwrap().unwrap().state, LiveState::Created);
        assert_eq!(db.live(lives[2]).await.unwrap().unwrap().state, LiveState::Live);
        assert!(db.end_stale_lives(NOW_MS, NOW_MS).await.unwrap().is_empty());
    }

    async fn a_live_ends_when_the_account_of_its_member_is_closed(db: Fixture) {
        let (awa, other) = (db.user_called("awa").await.id, db.user_called("other").await.id);
        let (live, goes_on) = (db.live_of(awa).await.id, db.live_of(other).await.id);
        for id in [live, goes_on] {
            db.set_live_state(id, &ALL, LiveState::Live, NOW_MS).await.unwrap();
        }
        assert!(db.end_stale_lives(0, NOW_MS).await.unwrap().is_empty());
        let network = String::new();
        let by = crate::By { network, ..crate::By::console(NOW_MS) };
        db.set_active(awa, false, &by).await.unwrap();
        assert_eq!(db.end_stale_lives(0, NOW_MS + 9).await.unwrap(), [live]);
        let ended = db.live(live).await.unwrap().unwrap();
        assert_eq!((ended.state, ended.ended_ms), (LiveState::Ended, Some(NOW_MS + 9)));
        assert_eq!(db.live(goes_on).await.unwrap().unwrap().state, LiveState::Live);
    }

    async fn the_key_itself_is_nowhere_in_what_is_stored(db: Fixture) {
        let author = db.user_called("kadiatou").await.id;
        let key = media::id::StreamKey::from_random(author, [9; 20]);
        let new = NewLive { key_hash: key.hash(), ..new_live(author) };
        assert!(!format!("{new:?}").contains(key.reveal()));
        let live = db.create_live(new).await.unwrap();
        assert_eq!(db.live_by_key(&key.hash()).await.unwrap(), Some(live));
    }
}

#[test]
fn nothing_follows_the_end() {
    assert!(ALL.iter().all(|&state| !LiveState::Ended.may_become(state)));
}

#[test]
fn a_state_reads_back_as_it_is_stored() {
    for state in ALL {
        assert_eq!(LiveState::from_stored(state.as_str()).unwrap(), state);
    }
    assert!(LiveState::from_stored("archived").is_err());
}
