use super::*;
use crate::testing::{NOW_MS, on_both};

/// Seven days, as the refresh tokens live.
const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;
const EXPIRES_MS: i64 = NOW_MS + WEEK_MS;

fn token(n: u8) -> TokenHash {
    TokenHash([n; 32])
}

on_both! {
    async fn a_token_is_exchanged_for_the_next(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        for n in 1..5 {
            let rotation = db.rotate_session(token(n), token(n + 1), NOW_MS, EXPIRES_MS).await;
            assert_eq!(rotation.unwrap(), Rotation::Rotated(user));
        }
    }

    async fn a_token_used_again_revokes_its_whole_session(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        db.start_session(user, token(101), NOW_MS, EXPIRES_MS).await.unwrap();
        db.rotate_session(token(1), token(2), NOW_MS, EXPIRES_MS).await.unwrap();
        db.rotate_session(token(2), token(3), NOW_MS, EXPIRES_MS).await.unwrap();

        let again = db.rotate_session(token(1), token(4), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(again, Rotation::Reused(user));
        let newest = db.rotate_session(token(3), token(5), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(newest, Rotation::Unknown);
        // Another session of the same member goes on.
        let other = db.rotate_session(token(101), token(102), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(other, Rotation::Rotated(user));
    }

    async fn of_two_exchanges_at_once_one_is_reuse(db: Fixture) {
        let user = db.user_called("awa").await.id;
        for round in 0..8_u8 {
            let (old, new_one, new_two) = (token(round), token(100 + round), token(200 + round));
            db.start_session(user, old, NOW_MS, EXPIRES_MS).await.unwrap();
            let (first, second) = (db.clone(), db.clone());
            let (one, two) = tokio::join!(
                tokio::spawn(async move {
                    first.rotate_session(old, new_one, NOW_MS, EXPIRES_MS).await.unwrap()
                }),
                tokio::spawn(async move {
                    second.rotate_session(old, new_two, NOW_MS, EXPIRES_MS).await.unwrap()
                }),
            );
            let outcomes = [one.unwrap(), two.unwrap()];
            assert!(outcomes.contains(&Rotation::Rotated(user)), "{outcomes:?}");
            assert!(outcomes.contains(&Rotation::Reused(user)), "{outcomes:?}");
            for new in [new_one, new_two] {
                let after = db.rotate_session(new, token(255), NOW_MS, EXPIRES_MS).await.unwrap();
                assert_eq!(after, Rotation::Unknown);
            }
        }
    }

    async fn an_expired_or_invented_token_is_unknown(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        let invented = db.rotate_session(token(9), token(2), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(invented, Rotation::Unknown);
        let late = db.rotate_session(token(1), token(2), EXPIRES_MS, EXPIRES_MS * 2).await.unwrap();
        assert_eq!(late, Rotation::Unknown);
    }

    async fn any_token_of_a_session_ends_it(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        db.rotate_session(token(1), token(2), NOW_MS, EXPIRES_MS).await.unwrap();
        assert!(db.end_session(token(1)).await.unwrap());
        assert!(!db.end_session(token(2)).await.unwrap());
        let after = db.rotate_session(token(2), token(3), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(after, Rotation::Unknown);
    }

    async fn what_has_expired_is_forgotten_and_nothing_else(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        db.start_session(user, token(2), NOW_MS, EXPIRES_MS + 1).await.unwrap();
        // Rotation prolongs a session.
        db.start_session(user, token(3), NOW_MS, EXPIRES_MS).await.unwrap();
        db.rotate_session(token(3), token(4), NOW_MS, EXPIRES_MS + 1).await.unwrap();

        assert_eq!(db.purge_sessions(EXPIRES_MS).await.unwrap(), 1);
        assert!(!db.end_session(token(1)).await.unwrap());
        assert!(db.end_session(token(2)).await.unwrap());
        assert!(db.end_session(token(4)).await.unwrap());
    }

    async fn a_session_of_nobody_is_refused(db: Fixture) {
        let nobody = db.start_session(UserId::new(404), token(1), NOW_MS, EXPIRES_MS).await;
        assert!(matches!(nobody, Err(Error::UnknownUser)));
    }

    async fn the_oldest_session_gives_way_to_one_too_many(db: Fixture) {
        let user = db.user_called("awa").await.id;
        let other = db.user_called("other").await.id;
        db.start_session(other, token(250), NOW_MS, EXPIRES_MS).await.unwrap();
        for n in 0..=MAX_SESSIONS as u8 {
            db.start_session(user, token(n), NOW_MS, EXPIRES_MS).await.unwrap();
        }
        assert!(!db.end_session(token(0)).await.unwrap());
        assert!(db.end_session(token(1)).await.unwrap());
        assert!(db.end_session(token(250)).await.unwrap());
    }

    async fn a_session_remembers_a_bounded_number_of_used_tokens(db: Fixture) {
        let user = db.user_called("awa").await.id;
        let nth = |n: i64| {
            let mut hash = [0; 32];
            hash[..8].copy_from_slice(&n.to_be_bytes());
            TokenHash(hash)
        };
        db.start_session(user, nth(0), NOW_MS, EXPIRES_MS).await.unwrap();
        for n in 0..=MAX_USED_TOKENS {
            db.rotate_session(nth(n), nth(n + 1), NOW_MS, EXPIRES_MS).await.unwrap();
        }
        let forgotten = db.rotate_session(nth(0), nth(-1), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(forgotten, Rotation::Unknown);
        let remembered = db.rotate_session(nth(1), nth(-1), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(remembered, Rotation::Reused(user));
    }

    async fn the_sessions_of_a_member_go_with_him(db: Fixture) {
        let user = db.user_called("awa").await.id;
        db.start_session(user, token(1), NOW_MS, EXPIRES_MS).await.unwrap();
        db.execute(format!("delete from users where id = {user}")).await.unwrap();
        let after = db.rotate_session(token(1), token(2), NOW_MS, EXPIRES_MS).await.unwrap();
        assert_eq!(after, Rotation::Unknown);
    }
}

#[test]
fn the_hash_of_a_token_never_prints() {
    assert_eq!(format!("{:?}", token(7)), "…");
}
