use super::*;
use crate::{
    AuditQuery, ProfileChange, Rotation,
    testing::{Fixture, NOW_MS, on_both},
};

const HOUR_MS: i64 = 60 * 60 * 1000;
const UNTIL_MS: i64 = NOW_MS + HOUR_MS;

fn token(n: u8) -> TokenHash {
    TokenHash([n; 32])
}

fn by(now_ms: i64) -> By {
    By { actor: Actor::Visitor, network: "192.0.2.0/24".to_owned(), now_ms }
}

fn password() -> PasswordHash {
    PasswordHash::new("$argon2id$new")
}

async fn issue(db: &Fixture, user: UserId, purpose: MailPurpose, n: u8) -> bool {
    db.issue_mail_token(user, purpose, token(n), NOW_MS, UNTIL_MS).await.unwrap()
}

async fn is_good(db: &Fixture, purpose: MailPurpose, n: u8, now_ms: i64) -> bool {
    db.mail_token_is_good(token(n), purpose, now_ms).await.unwrap()
}

on_both! {
    async fn a_token_gives_a_new_password_once_and_ends_all_sessions(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        db.start_session(awa, token(100), NOW_MS, NOW_MS * 2).await.unwrap();
        assert!(issue(&db, awa, MailPurpose::Reset, 1).await);
        assert!(is_good(&db, MailPurpose::Reset, 1, NOW_MS).await);
        assert_eq!(db.reset_password(token(1), &password(), &by(NOW_MS)).await.unwrap(), Some(awa));
        let (user, hash) = db.user_by_email("awa@example.org").await.unwrap().unwrap();
        assert_eq!((hash, user.generation), (password(), 1));
        assert_eq!(user.email_verified_ms, Some(NOW_MS));
        let rotated = db.rotate_session(token(100), token(101), NOW_MS, NOW_MS * 2).await.unwrap();
        assert_eq!(rotated, Rotation::Unknown);

        assert!(!is_good(&db, MailPurpose::Reset, 1, NOW_MS).await);
        assert_eq!(db.reset_password(token(1), &password(), &by(NOW_MS)).await.unwrap(), None);
        let query = AuditQuery { page: 1, ..AuditQuery::default() };
        let lines = db.audit_lines(&query).await.unwrap().rows;
        assert_eq!(lines.len(), 1);
        assert_eq!((lines[0].action.as_str(), lines[0].actor), ("password_reset", Actor::Member(awa)));
    }

    async fn of_two_who_use_one_token_at_once_one_has_used_it(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        let (first, second) = (db.clone(), db.clone());
        let (one, two) = tokio::join!(
            tokio::spawn(async move {
                first.reset_password(token(1), &password(), &by(NOW_MS)).await.unwrap()
            }),
            tokio::spawn(async move {
                second.reset_password(token(1), &password(), &by(NOW_MS)).await.unwrap()
            }),
        );
        let mut used = [one.unwrap(), two.unwrap()];
        used.sort();
        assert_eq!(used, [None, Some(awa)]);
    }

    async fn a_token_is_good_for_its_purpose_until_it_expires_and_no_longer(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        assert!(is_good(&db, MailPurpose::Reset, 1, UNTIL_MS - 1).await);
        assert!(!is_good(&db, MailPurpose::Reset, 1, UNTIL_MS).await);
        assert!(!is_good(&db, MailPurpose::Verification, 1, NOW_MS).await);
        assert_eq!(db.verify_email(token(1), &by(NOW_MS)).await.unwrap(), None);
        assert_eq!(db.reset_password(token(1), &password(), &by(UNTIL_MS)).await.unwrap(), None);
        assert_eq!(db.reset_password(token(9), &password(), &by(NOW_MS)).await.unwrap(), None);
    }

    async fn a_newer_token_takes_the_place_of_the_older(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        issue(&db, awa, MailPurpose::Verification, 2).await;
        issue(&db, awa, MailPurpose::Reset, 3).await;
        assert!(!is_good(&db, MailPurpose::Reset, 1, NOW_MS).await);
        assert!(is_good(&db, MailPurpose::Verification, 2, NOW_MS).await);
        assert!(is_good(&db, MailPurpose::Reset, 3, NOW_MS).await);
    }

    async fn a_member_is_sent_five_a_day_and_no_more(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        for n in 0..5 {
            assert!(issue(&db, awa, MailPurpose::Reset, n).await);
        }
        assert!(!issue(&db, awa, MailPurpose::Reset, 5).await);
        assert!(is_good(&db, MailPurpose::Reset, 4, NOW_MS).await, "the last one stays good");
        assert!(issue(&db, awa, MailPurpose::Verification, 6).await);
        let tomorrow = NOW_MS + DAY_MS;
        let again = db.issue_mail_token(awa, MailPurpose::Reset, token(7), tomorrow, tomorrow + 1);
        assert!(again.await.unwrap());
    }

    async fn a_token_sent_to_an_address_that_was_left_admits_nobody(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        issue(&db, awa, MailPurpose::Verification, 2).await;
        let change = ProfileChange { email: Some("new@example.org".into()), ..Default::default() };
        db.change_profile(awa, change).await.unwrap();
        assert_eq!(db.reset_password(token(1), &password(), &by(NOW_MS)).await.unwrap(), None);
        assert_eq!(db.verify_email(token(2), &by(NOW_MS)).await.unwrap(), None);
        assert_eq!(db.user(awa).await.unwrap().unwrap().generation, 0);
    }

    async fn a_verified_address_stays_so_until_it_changes(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Verification, 1).await;
        assert_eq!(db.verify_email(token(1), &by(NOW_MS + 1)).await.unwrap(), Some(awa));
        let verified = async || db.user(awa).await.unwrap().unwrap().email_verified_ms;
        assert_eq!(verified().await, Some(NOW_MS + 1));
        for (change, expected) in [
            (ProfileChange { bio: Some("Bonjour".into()), ..Default::default() }, Some(NOW_MS + 1)),
            (ProfileChange { email: Some("AWA@example.org".into()), ..Default::default() }, Some(NOW_MS + 1)),
            (ProfileChange { email: Some("other@example.org".into()), ..Default::default() }, None),
        ] {
            db.change_profile(awa, change).await.unwrap();
            assert_eq!(verified().await, expected);
        }
    }

    async fn an_account_that_is_closed_is_sent_nothing_and_admits_nobody(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        issue(&db, awa, MailPurpose::Verification, 2).await;
        db.set_active(awa, false, &by(NOW_MS)).await.unwrap();
        assert!(!issue(&db, awa, MailPurpose::Reset, 3).await);
        assert!(!is_good(&db, MailPurpose::Reset, 1, NOW_MS).await);
        assert_eq!(db.verify_email(token(2), &by(NOW_MS)).await.unwrap(), None);
    }

    async fn tokens_are_forgotten_after_a_day(db: Fixture) {
        let awa = db.user_called("awa").await.id;
        issue(&db, awa, MailPurpose::Reset, 1).await;
        assert_eq!(db.purge_mail_tokens(NOW_MS + DAY_MS - 1).await.unwrap(), 0);
        assert_eq!(db.purge_mail_tokens(NOW_MS + DAY_MS).await.unwrap(), 1);
    }
}
