use super::*;
use crate::{
    Frequency, NewComment, NewShare, PreferenceChange, ShareType, Switch, User,
    database::transaction,
    testing::{Fixture, NOW_MS, on_both},
};

/// Notes something in a transaction of its own.
async fn note(db: &Fixture, note: Note<'_>) {
    async fn noted(db: &Fixture, note: Note<'_>) -> Result<(), Error> {
        transaction!(&db.database, |transaction| {
            let _ = transaction.notify(&note).await?;
        });
        Ok(())
    }
    noted(db, note).await.unwrap();
}

fn query(recipient: UserId) -> NotificationQuery {
    NotificationQuery { recipient, kind: None, is_read: None, page: 1, now_ms: NOW_MS }
}

async fn told(db: &Fixture, recipient: UserId) -> Vec<Notification> {
    db.notifications(&query(recipient)).await.unwrap().rows
}

async fn counts(db: &Fixture, recipient: UserId) -> (i64, i64) {
    let counts = db.notification_counts(recipient, NOW_MS).await.unwrap();
    (counts.unread, counts.total)
}

/// An author with a post, and a reader of it.
async fn author_and_reader(db: &Fixture) -> (UserId, PostId, UserId) {
    let author = db.user_called("fatou").await.id;
    let post = db.live_of(author).await.id.into();
    (author, post, db.user_called("binta").await.id)
}

fn like(post: PostId, sender: UserId, recipient: UserId) -> Note<'static> {
    Note::about(post, NotificationKind::Like, sender, recipient, NOW_MS)
}

on_both! {
    async fn an_act_is_told_with_its_sender_and_its_post(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        note(&db, like(post, reader, author)).await;
        let [notification] = &told(&db, author).await[..] else { panic!("not one") };
        assert_eq!((notification.recipient, notification.kind), (author, NotificationKind::Like));
        let sender = notification.sender.as_ref().unwrap();
        assert_eq!((sender.id, sender.username.as_str()), (reader, "binta"));
        let noted = notification.post.as_ref().unwrap();
        assert_eq!((noted.id, noted.author, noted.title.as_str()), (post, author, "Fête de quartier"));
        assert_eq!(noted.excerpt, "Live démarré !");
        assert_eq!((notification.comment, notification.excerpt.as_str()), (None, ""));
        assert_eq!((notification.is_read, notification.created_ms), (false, NOW_MS));
        assert_eq!(counts(&db, author).await, (1, 1));
        assert_eq!(counts(&db, reader).await, (0, 0));
    }

    async fn nobody_is_told_of_what_he_does_himself(db: Fixture) {
        let (author, post, _) = author_and_reader(&db).await;
        note(&db, like(post, author, author)).await;
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    /// Defect of the first version: like and unlike, again and again, piled up.
    async fn the_same_act_again_replaces_what_was_told_of_it(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        note(&db, like(post, reader, author)).await;
        let first = told(&db, author).await[0].id;
        db.read_notifications(author, &[first]).await.unwrap();
        for _ in 0..5 {
            note(&db, like(post, reader, author)).await;
        }
        assert_eq!(counts(&db, author).await, (1, 1));
        // Another act, another sender and another post are something else.
        let other = db.user_called("sekou").await.id;
        let another = db.live_of(author).await.id.into();
        note(&db, like(post, other, author)).await;
        note(&db, like(another, reader, author)).await;
        let shared = Note { kind: NotificationKind::PostShared, ..like(post, reader, author) };
        note(&db, shared).await;
        for comment in [7, 8, 7] {
            let kind = NotificationKind::Comment;
            let (comment, text) = (Some(comment), "Bravo");
            note(&db, Note { kind, comment, text, ..like(post, reader, author) }).await;
        }
        assert_eq!(counts(&db, author).await, (6, 6));
    }

    async fn the_same_act_at_one_instant_is_told_once(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let notes: Vec<_> = (0..10)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { note(&db, like(post, reader, author)).await })
            })
            .collect();
        for note in notes {
            note.await.unwrap();
        }
        assert_eq!(counts(&db, author).await, (1, 1));
    }

    async fn what_was_undone_is_not_told_any_more(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        for how in [ShareType::Share, ShareType::Repost] {
            let comment = String::new();
            let new = NewShare { post, user: reader, how, comment, now_ms: NOW_MS };
            db.share(new).await.unwrap();
        }
        assert_eq!(told(&db, author).await[0].kind, NotificationKind::PostShared);
        db.unshare(post, reader, ShareType::Repost).await.unwrap();
        assert_eq!(counts(&db, author).await, (1, 1), "one of two shares is still there");
        db.unshare(post, reader, ShareType::Share).await.unwrap();
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    async fn sharing_ones_own_post_is_told_nobody(db: Fixture) {
        let (author, post, _) = author_and_reader(&db).await;
        let new = NewShare {
            post, user: author, how: ShareType::Share, comment: String::new(), now_ms: NOW_MS,
        };
        assert!(db.share(new).await.unwrap().unwrap().is_new);
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    /// Defect 41: preferences were stored and never applied.
    async fn each_switch_turns_off_its_own_kind(db: Fixture) {
        use NotificationKind as Kind;
        let (author, post, reader) = author_and_reader(&db).await;
        let switches = [
            (Switch::Likes, Kind::Like),
            (Switch::Comments, Kind::Comment),
            (Switch::Follows, Kind::Follow),
            (Switch::Live, Kind::LiveStarted),
            (Switch::Live, Kind::LiveEnded),
            (Switch::Mention, Kind::Mention),
            (Switch::System, Kind::System),
        ];
        for (switch, kind) in switches {
            let mut change = PreferenceChange::default();
            change.set(switch, false);
            db.set_preferences(author, &change).await.unwrap();
            let before = counts(&db, author).await.1;
            note(&db, Note { kind, ..like(post, reader, author) }).await;
            assert_eq!(counts(&db, author).await.1, before, "{kind:?}");
            change.set(switch, true);
            db.set_preferences(author, &change).await.unwrap();
            note(&db, Note { kind, ..like(post, reader, author) }).await;
            assert_eq!(counts(&db, author).await.1, before + 1, "{kind:?}");
        }
    }

    async fn who_wants_nothing_on_the_site_is_told_nothing(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let mut change = PreferenceChange::default();
        change.set(Switch::InApp, false);
        db.set_preferences(author, &change).await.unwrap();
        for kind in NotificationKind::ALL {
            note(&db, Note { kind, ..like(post, reader, author) }).await;
        }
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    async fn an_account_that_is_closed_is_told_nothing(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        db.execute(format!("update users set is_active = 0 where id = {author}")).await.unwrap();
        note(&db, like(post, reader, author)).await;
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    async fn what_comes_hourly_or_daily_comes_together(db: Fixture) {
        const HOUR_MS: i64 = 3_600_000;
        const DAY_MS: i64 = 24 * HOUR_MS;
        let (author, post, reader) = author_and_reader(&db).await;
        for (frequency, period_ms) in [(Frequency::Hourly, HOUR_MS), (Frequency::Daily, DAY_MS)] {
            let change = PreferenceChange { frequency: Some(frequency), ..Default::default() };
            db.set_preferences(author, &change).await.unwrap();
            note(&db, like(post, reader, author)).await;
            let due_ms = NOW_MS - NOW_MS % period_ms + period_ms;
            for (now_ms, expected) in [(NOW_MS, 0), (due_ms - 1, 0), (due_ms, 1)] {
                let counts = db.notification_counts(author, now_ms).await.unwrap();
                assert_eq!((counts.unread, counts.total), (expected, expected), "{frequency:?}");
                let query = NotificationQuery { now_ms, ..query(author) };
                let page = db.notifications(&query).await.unwrap();
                assert_eq!(i64::try_from(page.count).unwrap(), expected, "{frequency:?}");
            }
            // Whoever reads all he sees has not read what is yet to come.
            db.read_all_notifications(author, due_ms - 1).await.unwrap();
            assert_eq!(db.notification_counts(author, due_ms).await.unwrap().unread, 1);
        }
    }

    async fn an_anonymous_sender_stays_so(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let (comment, text) = (Some(7), "Je l'ai vu aussi");
        let kind = NotificationKind::Comment;
        let about = like(post, reader, author);
        let secret = Note { kind, comment, text, is_anonymous: true, ..about };
        note(&db, secret).await;
        let [notification] = &told(&db, author).await[..] else { panic!("not one") };
        assert_eq!(notification.sender, None);
        assert_eq!((notification.comment, &*notification.excerpt), (Some(7), "Je l'ai vu aussi"));
    }

    async fn the_author_of_an_anonymous_post_is_not_named_as_its_sender(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let started = NotificationKind::LiveStarted;
        note(&db, Note::about(post, started, author, reader, NOW_MS)).await;
        assert!(told(&db, reader).await[0].sender.is_some());
        db.execute(format!("update posts set is_anonymous = 1 where id = {}", post.get()))
            .await
            .unwrap();
        assert_eq!(told(&db, reader).await[0].sender, None);
        // Those who do something about it are.
        note(&db, like(post, reader, author)).await;
        assert_eq!(told(&db, author).await[0].sender.as_ref().unwrap().id, reader);
    }

    async fn a_long_comment_is_told_by_its_beginning(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let text = "é\0".repeat(500);
        let (kind, comment, text) = (NotificationKind::Comment, Some(7), text.as_str());
        note(&db, Note { kind, comment, text, ..like(post, reader, author) }).await;
        let excerpt = &told(&db, author).await[0].excerpt;
        assert_eq!(*excerpt, "é\u{fffd}".repeat(50));
    }

    async fn a_member_keeps_the_newest_of_a_flood(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        let kept = i64::from(NOTIFICATIONS_KEPT);
        for id in 1..=kept + 5 {
            let (kind, comment) = (NotificationKind::Comment, Some(id));
            note(&db, Note { kind, comment, ..like(post, reader, author) }).await;
        }
        assert_eq!(counts(&db, author).await, (kept, kept));
        assert_eq!(told(&db, author).await[0].comment, Some(kept + 5));
        let page = NOTIFICATIONS_KEPT / crate::PAGE_SIZE;
        let last = db.notifications(&NotificationQuery { page, ..query(author) }).await.unwrap();
        assert_eq!(last.rows.last().unwrap().comment, Some(6));
    }

    /// Each tells first whose post it is, then whom it names, and makes room among what both have: in
    /// the opposite order, with a PostgreSQL that gives one of the two up.
    async fn of_those_who_wait_for_each_other_nobody_is_refused(db: Fixture) {
        let [fatou, binta] = [db.user_called("fatou").await, db.user_called("binta").await];
        let [one, other] = [db.user_called("one").await, db.user_called("other").await];
        let posts = [db.post_of(fatou.id).await, db.post_of(binta.id).await];
        for recipient in [fatou.id, binta.id] {
            db.execute(format!(
                "with recursive numbers (n) as (
                     select 1 union all select n + 1 from numbers where n < {NOTIFICATIONS_KEPT}
                 )
                 insert into notifications (recipient_id, kind, excerpt, created_ms, due_ms)
                 select {recipient}, 'system', '', 0, 0 from numbers"
            ))
            .await
            .unwrap();
        }
        let rounds = 3;
        for _ in 0..rounds {
            let says = |author: &User, post, name: &str| {
                let (db, author, content) = (db.clone(), author.clone(), format!("@{name}"));
                tokio::spawn(async move {
                    let (parent, is_anonymous, author) = (None, None, &author);
                    let new =
                        NewComment { post, parent, author, content, is_anonymous, now_ms: NOW_MS };
                    db.create_comment(new).await
                })
            };
            let (first, second) =
                tokio::join!(says(&one, posts[0], "binta"), says(&other, posts[1], "fatou"));
            first.unwrap().unwrap();
            second.unwrap().unwrap();
        }
        for reader in [fatou.id, binta.id] {
            let comments = told(&db, reader).await;
            assert_eq!(comments.iter().filter(|told| told.comment.is_some()).count(), 2 * rounds);
        }
    }

    async fn notifications_are_found_by_kind_and_by_whether_they_were_read(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        note(&db, like(post, reader, author)).await;
        note(&db, Note { kind: NotificationKind::PostShared, ..like(post, reader, author) }).await;
        let ids: Vec<i64> = told(&db, author).await.iter().map(|row| row.id).collect();
        assert!(ids[0] > ids[1], "newest first");
        assert_eq!(db.read_notifications(author, &ids[1..]).await.unwrap(), 1);
        let found = async |kind, is_read| {
            let query = NotificationQuery { kind, is_read, ..query(author) };
            let page = db.notifications(&query).await.unwrap();
            assert_eq!(page.count, page.rows.len() as u64);
            page.rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(found(None, Some(false)).await, ids[..1]);
        assert_eq!(found(None, Some(true)).await, ids[1..]);
        assert_eq!(found(Some(NotificationKind::Like), None).await, ids[1..]);
        assert!(found(Some(NotificationKind::Like), Some(false)).await.is_empty());
        assert!(found(Some(NotificationKind::Mention), None).await.is_empty());
        assert_eq!(counts(&db, author).await, (1, 2));
        db.read_all_notifications(author, NOW_MS).await.unwrap();
        assert_eq!(counts(&db, author).await, (0, 2));
    }

    async fn nobody_touches_the_notifications_of_another(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        note(&db, like(post, reader, author)).await;
        let id = told(&db, author).await[0].id;
        assert_eq!(db.read_notifications(reader, &[id, 404]).await.unwrap(), 0);
        assert_eq!(db.read_notifications(reader, &[]).await.unwrap(), 0);
        db.read_all_notifications(reader, NOW_MS).await.unwrap();
        assert!(!db.delete_notification(reader, id).await.unwrap());
        assert_eq!(counts(&db, author).await, (1, 1));
        assert!(db.delete_notification(author, id).await.unwrap());
        assert!(!db.delete_notification(author, id).await.unwrap());
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    async fn a_post_that_goes_takes_what_was_told_of_it_along(db: Fixture) {
        let (author, post, reader) = author_and_reader(&db).await;
        note(&db, like(post, reader, author)).await;
        db.execute(format!("delete from posts where id = {}", post.get())).await.unwrap();
        assert_eq!(counts(&db, author).await, (0, 0));
    }

    async fn what_the_site_says_by_itself_is_read_too(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        for _ in 0..2 {
            db.execute(format!(
                "insert into notifications (recipient_id, kind, excerpt, created_ms, due_ms)
                 values ({author}, 'system', 'Bienvenue', 0, 0)"
            ))
            .await
            .unwrap();
        }
        let rows = told(&db, author).await;
        assert_eq!(rows.len(), 2);
        assert_eq!((&rows[0].sender, &rows[0].post), (&None, &None));
        assert_eq!((rows[0].kind, &*rows[0].excerpt), (NotificationKind::System, "Bienvenue"));
    }

    async fn counting_is_answered_from_one_index(db: Fixture) {
        let plan = match &db.database {
            crate::database::Database::Sqlite { reader, .. } => {
                let plan: Vec<(i64, i64, i64, String)> = sqlx::query_as(
                    "explain query plan
                     select count(case when is_read = 0 then 1 end), count(*) from notifications
                     where recipient_id = 1 and due_ms <= 2",
                )
                .fetch_all(reader)
                .await
                .unwrap();
                plan.into_iter().map(|step| step.3).collect::<String>()
            }
            crate::database::Database::Postgres(pool, _) => {
                let mut connection = pool.acquire().await.unwrap();
                // An empty table is read whole, which costs nothing either.
                sqlx::query("set enable_seqscan = off").execute(&mut *connection).await.unwrap();
                sqlx::query("set enable_bitmapscan = off").execute(&mut *connection).await.unwrap();
                let plan: Vec<String> = sqlx::query_scalar(
                    "explain select count(case when is_read = 0 then 1 end), count(*)
                     from notifications where recipient_id = 1 and due_ms <= 2",
                )
                .fetch_all(&mut *connection)
                .await
                .unwrap();
                plan.concat()
            }
        };
        assert!(plan.contains("notifications_of_recipient"), "{plan}");
        assert!(plan.to_lowercase().contains("covering index") || plan.contains("Index Only"), "{plan}");
    }
}

#[test]
fn a_kind_reads_back_as_it_is_stored() {
    for kind in NotificationKind::ALL {
        assert_eq!(NotificationKind::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(NotificationKind::parse("zzz"), None);
}
