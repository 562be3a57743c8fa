use time::macros::date;

use super::*;
use crate::{
    AuditQuery,
    testing::{NOW_MS, on_both},
};

on_both! {
    async fn an_account_reads_back_as_it_was_made(db: Fixture) {
        let made = db
            .create_user(NewUser {
                last_name: "Diallo".into(),
                phone_number: "+224123456789".into(),
                date_of_birth: Some(date!(1990 - 02 - 03)),
                bio: "Né à Donka".into(),
                ..db.new_user("Aïssatou")
            })
            .await
            .unwrap();
        assert!(made.id.get() > 0);
        assert_eq!(db.user(made.id).await.unwrap().as_ref(), Some(&made));
        assert_eq!(made.username, "Aïssatou");
        assert_eq!(made.last_name, "Diallo");
        assert_eq!(made.phone_number, "+224123456789");
        assert_eq!(made.date_of_birth, Some(date!(1990 - 02 - 03)));
        assert_eq!(made.bio, "Né à Donka");
        assert_eq!(made.quartier.as_ref().unwrap().location(), "Almamya, Kaloum");
        assert_eq!((made.joined_ms, made.last_login_ms), (NOW_MS, None));
        assert_eq!((made.role, made.is_active, made.is_verified), (Role::User, true, false));
        assert!(!made.is_geographically_verified && made.profile_picture.is_none());
    }

    async fn an_unknown_member_is_none(db: Fixture) {
        assert_eq!(db.user(UserId::new(404)).await.unwrap(), None);
        assert_eq!(db.user(UserId::new(-1)).await.unwrap(), None);
        assert!(db.user_by_email("nobody@example.org").await.unwrap().is_none());
        assert!(db.user_by_email("\0").await.unwrap().is_none());
    }

    async fn an_address_is_found_whatever_its_case(db: Fixture) {
        let user = db
            .create_user(NewUser { email: "Élise@Example.org".into(), ..db.new_user("elise") })
            .await
            .unwrap();
        let (found, hash) = db.user_by_email(" éLISE@example.ORG ").await.unwrap().unwrap();
        assert_eq!(found, user);
        assert_eq!(found.email, "Élise@Example.org");
        assert_eq!(hash.reveal(), "$argon2id$secret");
    }

    async fn a_taken_name_or_address_is_told(db: Fixture) {
        db.user_called("mamadou").await;
        let same_name = NewUser { email: "other@example.org".into(), ..db.new_user("MAMADOU") };
        let error = db.create_user(same_name).await.unwrap_err();
        assert!(matches!(error, Error::Taken { field: Field::Username }), "{error}");

        let same_email = NewUser { email: "MAMADOU@example.org".into(), ..db.new_user("other") };
        let error = db.create_user(same_email).await.unwrap_err();
        assert!(matches!(error, Error::Taken { field: Field::Email }), "{error}");
    }

    async fn of_two_accounts_asked_for_at_once_one_is_made(db: Fixture) {
        for round in 0..8 {
            let name = format!("twin{round}");
            let (first, second) = (db.clone(), db.clone());
            let (one, two) = (db.new_user(&name), db.new_user(&name));
            let (one, two) = tokio::join!(
                tokio::spawn(async move { first.create_user(one).await }),
                tokio::spawn(async move { second.create_user(two).await }),
            );
            let outcomes = [one.unwrap(), two.unwrap()];
            assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1);
            assert!(
                outcomes
                    .iter()
                    .any(|o| matches!(o, Err(Error::Taken { field: Field::Username })))
            );
        }
    }

    async fn an_account_in_no_known_quartier_is_refused(db: Fixture) {
        let nowhere = NewUser { quartier: Some(QuartierId::new(9999)), ..db.new_user("x") };
        assert!(matches!(db.create_user(nowhere).await, Err(Error::UnknownQuartier)));
        let homeless = NewUser { quartier: None, ..db.new_user("x") };
        assert_eq!(db.create_user(homeless).await.unwrap().quartier, None);
    }

    async fn a_change_touches_only_what_it_names(db: Fixture) {
        let before = db.user_called("fanta").await;
        let nothing = db.change_profile(before.id, ProfileChange::default()).await.unwrap();
        assert_eq!(nothing, before);

        let donka = db.quartier("Dixinn", "Donka");
        let change = ProfileChange {
            first_name: Some("Fanta".into()),
            bio: Some("Bonjour".into()),
            date_of_birth: Some(Some(date!(2001 - 12 - 31))),
            quartier: Some(Some(donka)),
            profile_picture: Some(Some("profile_pictures/a.png".into())),
            ..ProfileChange::default()
        };
        let after = db.change_profile(before.id, change).await.unwrap();
        assert_eq!(after.first_name, "Fanta");
        assert_eq!(after.bio, "Bonjour");
        assert_eq!(after.date_of_birth, Some(date!(2001 - 12 - 31)));
        assert_eq!(after.quartier.as_ref().unwrap().id, donka);
        assert_eq!(after.profile_picture.as_deref(), Some("profile_pictures/a.png"));
        assert_eq!((&after.last_name, &after.email), (&before.last_name, &before.email));

        let cleared = ProfileChange {
            date_of_birth: Some(None),
            quartier: Some(None),
            profile_picture: Some(None),
            ..ProfileChange::default()
        };
        let last = db.change_profile(before.id, cleared).await.unwrap();
        assert_eq!((last.date_of_birth, last.quartier, last.profile_picture), (None, None, None));
        assert_eq!(last.bio, "Bonjour");
    }

    async fn an_address_changes_unless_another_has_it(db: Fixture) {
        let user = db.user_called("sekou").await;
        db.user_called("other").await;
        let to = |email: &str| ProfileChange { email: Some(email.into()), ..Default::default() };

        let taken = db.change_profile(user.id, to("OTHER@example.org")).await;
        assert!(matches!(taken, Err(Error::Taken { field: Field::Email })));
        // One's own address in another case is no conflict.
        db.change_profile(user.id, to("SEKOU@example.org")).await.unwrap();
        db.change_profile(user.id, to("new@example.org")).await.unwrap();
        db.change_profile(user.id, to("new@example.org")).await.unwrap();
        let query = AuditQuery { page: 1, ..AuditQuery::default() };
        let noted = db.audit_lines(&query).await.unwrap();
        let changes = noted.rows.iter().map(|line| (&*line.action, line.subject));
        assert_eq!(changes.collect::<Vec<_>>(), [("email_changed", Some(user.id)); 2]);
        assert!(db.user_by_email("sekou@example.org").await.unwrap().is_none());
        assert!(db.user_by_email("NEW@example.org").await.unwrap().is_some());
    }

    async fn a_change_of_nobody_or_to_nowhere_is_refused(db: Fixture) {
        let nobody = db.change_profile(UserId::new(404), ProfileChange::default()).await;
        assert!(matches!(nobody, Err(Error::UnknownUser)));
        let user = db.user_called("lost").await;
        let change =
            ProfileChange { quartier: Some(Some(QuartierId::new(9999))), ..Default::default() };
        assert!(matches!(db.change_profile(user.id, change).await, Err(Error::UnknownQuartier)));
    }

    async fn a_sign_in_is_noted(db: Fixture) {
        let user = db.user_called("binta").await;
        db.set_last_login(user.id, NOW_MS + 5).await.unwrap();
        db.set_last_login(UserId::new(404), NOW_MS).await.unwrap();
        assert_eq!(db.user(user.id).await.unwrap().unwrap().last_login_ms, Some(NOW_MS + 5));
    }

    async fn an_id_is_never_given_twice(db: Fixture) {
        let first = db.user_called("first").await;
        db.execute(format!("delete from users where id = {}", first.id)).await.unwrap();
        assert!(db.user_called("second").await.id > first.id);
    }

    async fn text_that_postgresql_cannot_hold_is_kept_in_part(db: Fixture) {
        let user = db.create_user(NewUser { bio: "a\0b".into(), ..db.new_user("nul") }).await;
        assert_eq!(user.unwrap().bio, "a\u{fffd}b");
    }
}

#[test]
fn a_password_hash_never_prints() {
    assert_eq!(format!("{:?}", PasswordHash::new("$argon2id$secret")), "…");
}
