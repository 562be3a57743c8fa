use super::*;
use crate::{
    AuditQuery, NewUser, Rotation, TokenHash,
    testing::{Fixture, NOW_MS, on_both},
};

const LATER_MS: i64 = NOW_MS + 1000;

fn console() -> By {
    By::console(LATER_MS)
}

async fn user(db: &Fixture, id: UserId) -> User {
    db.user(id).await.unwrap().unwrap()
}

/// What was written down, newest first: actions and details.
async fn noted(db: &Fixture) -> Vec<(String, String)> {
    let query = AuditQuery { page: 1, ..AuditQuery::default() };
    let lines = db.audit_lines(&query).await.unwrap().rows;
    lines.into_iter().map(|line| (line.action, line.detail)).collect()
}

/// A session of a member, and what becomes of its token.
async fn session(db: &Fixture, id: UserId, n: u8) {
    db.start_session(id, TokenHash([n; 32]), NOW_MS, NOW_MS * 2).await.unwrap();
}

async fn is_open(db: &Fixture, n: u8) -> bool {
    let new = TokenHash([n + 100; 32]);
    let rotation = db.rotate_session(TokenHash([n; 32]), new, LATER_MS, NOW_MS * 2).await.unwrap();
    matches!(rotation, Rotation::Rotated(_))
}

on_both! {
    async fn a_member_is_meant_by_address_by_id_or_by_name_and_never_by_two(db: Fixture) {
        let awa = db.user_called("Awa").await;
        // Called like the address and like the id of the other.
        for name in ["awa@example.org".to_owned(), awa.id.to_string()] {
            let mail = format!("impostor-{}@example.org", name.len());
            db.create_user(NewUser { email: mail, ..db.new_user(&name) }).await.unwrap();
        }
        for text in [" AWA ", "awa@EXAMPLE.org", &awa.id.to_string()] {
            assert_eq!(db.user_meant_by(text).await.unwrap().map(|user| user.id), Some(awa.id));
        }
        for text in ["", "nobody", "nobody@example.org", "404", "99999999999999999999"] {
            assert_eq!(db.user_meant_by(text).await.unwrap(), None, "{text}");
        }
    }

    async fn members_are_listed_by_page_and_by_role(db: Fixture) {
        for n in 0..21 {
            db.user_called(&format!("member{n:02}")).await;
        }
        let last = db.user_called("last").await;
        db.set_role(last.id, Role::Admin, &console()).await.unwrap();
        let all = db.users(None, 2).await.unwrap();
        assert_eq!((all.count, all.rows.len()), (22, 2));
        assert_eq!(all.rows[1].id, last.id);
        let admins = db.users(Some(Role::Admin), 1).await.unwrap();
        assert_eq!((admins.count, admins.rows[0].username.as_str()), (1, "last"));
    }

    async fn a_role_is_given_once_and_noted_once(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        assert!(db.set_role(awa, Role::Ambassador, &console()).await.unwrap());
        assert!(!db.set_role(awa, Role::Ambassador, &console()).await.unwrap());
        assert_eq!(user(&db, awa).await.role, Role::Ambassador);
        assert_eq!(noted(&db).await, [("role_changed".into(), "user → ambassador".into())]);
    }

    async fn an_account_that_is_closed_loses_its_sessions_and_can_be_opened_again(db: Fixture) {
        let (awa, other) = (db.user_called("awa").await.id, db.user_called("other").await.id);
        session(&db, awa, 1).await;
        session(&db, other, 2).await;
        assert!(db.set_active(awa, false, &console()).await.unwrap());
        assert!(!db.set_active(awa, false, &console()).await.unwrap());
        let closed = user(&db, awa).await;
        assert_eq!((closed.is_active, closed.generation), (false, 1));
        assert!(!is_open(&db, 1).await && is_open(&db, 2).await);
        assert!(db.set_active(awa, true, &console()).await.unwrap());
        assert!(user(&db, awa).await.is_active);
        let actions: Vec<String> = noted(&db).await.into_iter().map(|(action, _)| action).collect();
        assert_eq!(actions, ["activated", "deactivated"]);
    }

    async fn a_new_password_ends_every_session(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        session(&db, awa, 1).await;
        session(&db, awa, 2).await;
        let hash = PasswordHash::new("$argon2id$other");
        db.set_password(awa, &hash, AuditAction::PasswordSet, &console()).await.unwrap();
        let (now, stored) = db.user_by_email("awa@example.org").await.unwrap().unwrap();
        assert_eq!((stored, now.generation), (hash, 1));
        assert!(!is_open(&db, 1).await && !is_open(&db, 2).await);
        assert_eq!(noted(&db).await, [("password_set".into(), String::new())]);
    }

    async fn a_hash_is_replaced_unless_the_password_was_changed_meanwhile(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        session(&db, awa, 1).await;
        let (first, second) = (PasswordHash::new("$argon2id$secret"), PasswordHash::new("$2"));
        db.rehash_password(awa, &first, &second).await.unwrap();
        db.rehash_password(awa, &first, &PasswordHash::new("$3")).await.unwrap();
        let (_, stored) = db.user_by_email("awa@example.org").await.unwrap().unwrap();
        assert_eq!(stored, second);
        assert!(is_open(&db, 1).await, "the same password: nobody is signed out");
    }

    async fn all_sessions_end_together_and_others_go_on(db: Fixture) {
        let (awa, other) = (db.user_called("awa").await.id, db.user_called("other").await.id);
        session(&db, awa, 1).await;
        session(&db, other, 2).await;
        db.revoke_sessions(awa, &console()).await.unwrap();
        assert!(!is_open(&db, 1).await && is_open(&db, 2).await);
        assert_eq!(user(&db, awa).await.generation, 1);
        assert_eq!(user(&db, other).await.generation, 0);
    }

    async fn nothing_is_done_to_nobody(db: Fixture) {
        let nobody = UserId::new(404);
        let hash = PasswordHash::new("$");
        let done = [
            db.set_role(nobody, Role::Admin, &console()).await.map(drop),
            db.set_active(nobody, false, &console()).await.map(drop),
            db.set_password(nobody, &hash, AuditAction::PasswordSet, &console()).await,
            db.revoke_sessions(nobody, &console()).await,
        ];
        assert!(done.iter().all(|done| matches!(done, Err(Error::UnknownUser))), "{done:?}");
        assert!(noted(&db).await.is_empty());
    }

    async fn two_admins_who_put_each_other_out_at_once_leave_one(db: Fixture) {
        let one = db.user_called("one").await.id;
        let other = db.user_called("other").await.id;
        let by = |actor| By { actor: Actor::Member(actor), ..console() };
        for round in 0..20 {
            for admin in [one, other] {
                db.set_role(admin, Role::Admin, &console()).await.unwrap();
                db.set_active(admin, true, &console()).await.unwrap();
            }
            let out = async |whom, who| {
                if round % 2 == 0 {
                    db.set_role(whom, Role::User, &by(who)).await
                } else {
                    db.set_active(whom, false, &by(who)).await
                }
            };
            let (first, second) = tokio::join!(out(one, other), out(other, one));
            let done = [first, second];
            assert!(done.iter().any(|done| matches!(done, Ok(true))), "{done:?}");
            assert!(done.iter().any(|done| matches!(done, Err(Error::NotAdmin))), "{done:?}");
            let mut left = 0;
            for admin in [one, other] {
                let admin = user(&db, admin).await;
                left += i32::from(admin.role == Role::Admin && admin.is_active);
            }
            assert_eq!(left, 1);
        }
        assert!(matches!(db.set_role(one, Role::User, &by(UserId::new(404))).await, Err(Error::NotAdmin)));
    }

    async fn of_two_who_give_one_role_at_once_one_has_given_it(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        let (first, second) = (db.clone(), db.clone());
        let (one, two) = tokio::join!(
            tokio::spawn(async move { first.set_role(awa, Role::Admin, &console()).await.unwrap() }),
            tokio::spawn(async move { second.set_role(awa, Role::Admin, &console()).await.unwrap() }),
        );
        assert_ne!(one.unwrap(), two.unwrap());
        assert_eq!(noted(&db).await.len(), 1);
    }
}
