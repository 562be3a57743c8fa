use super::*;
use crate::{
    NewPost,
    testing::{Fixture, NOW_MS, new_post, on_both},
};

fn new_comment(post: PostId, parent: Option<CommentId>, author: &User) -> NewComment<'_> {
    let content = "Bravo".to_owned();
    NewComment { post, parent, author, content, is_anonymous: None, now_ms: NOW_MS }
}

/// A post of a new member.
async fn place(db: &Fixture) -> (PostId, User) {
    let author = db.user_called("mariama").await;
    (db.post_of(author.id).await, author)
}

/// Comments that answer each other, the first the post.
async fn chain(db: &Fixture, post: PostId, author: &User, length: usize) -> Vec<CommentId> {
    let mut ids = Vec::new();
    for _ in 0..length {
        let new = new_comment(post, ids.last().copied(), author);
        ids.push(db.create_comment(new).await.unwrap().id);
    }
    ids
}

/// What the post says, and how many comments there are.
async fn counts(db: &Fixture, post: PostId) -> (i64, i64) {
    let told = db.post(post).await.unwrap().unwrap().comments_count;
    (told, db.number("select count(*) from comments").await)
}

on_both! {
    async fn a_comment_is_counted_with_what_answers_it(db: Fixture) {
        let (post, author) = place(&db).await;
        let reader = db.user_called("hawa").await;
        let first = db.create_comment(new_comment(post, None, &reader)).await.unwrap();
        let reply = new_comment(post, Some(first.id), &author);
        let reply = db.create_comment(reply).await.unwrap();
        assert_eq!((first.level, reply.level), (0, 1));
        assert_eq!(counts(&db, post).await, (2, 2));

        let read = db.comment(first.id).await.unwrap().unwrap();
        let expected =
            Comment { replies_count: 1, replies: vec![reply], ..first };
        assert_eq!(read, expected);
    }

    async fn a_comment_with_signs_no_database_likes_is_kept_as_the_store_can(db: Fixture) {
        let (post, author) = place(&db).await;
        let new = NewComment { content: "a\0b 😀".into(), ..new_comment(post, None, &author) };
        let written = db.create_comment(new).await.unwrap();
        assert_eq!(written.content, "a\u{fffd}b 😀");
        assert_eq!(db.comment(written.id).await.unwrap(), Some(written));
    }

    async fn a_comment_stands_three_deep_and_no_deeper(db: Fixture) {
        let (post, author) = place(&db).await;
        let ids = chain(&db, post, &author, 4).await;
        let deepest = db.comment(ids[3]).await.unwrap().unwrap();
        assert_eq!((deepest.level, deepest.parent), (3, Some(ids[2])));
        let refused = db.create_comment(new_comment(post, Some(ids[3]), &author)).await;
        assert!(matches!(refused, Err(Error::TooDeep)), "{refused:?}");
        assert_eq!(counts(&db, post).await, (4, 4));
    }

    async fn a_thread_takes_so_many_replies_and_no_more(db: Fixture) {
        let (post, author) = place(&db).await;
        let root = chain(&db, post, &author, 2).await[0];
        let double = format!(
            "insert into comments (post_id, author_id, parent_id, root_id, level, content, \
                 is_anonymous, created_ms, updated_ms)
             select post_id, author_id, parent_id, root_id, level, content, \
                 is_anonymous, created_ms, updated_ms
             from comments where parent_id = {}",
            root.get()
        );
        for _ in 0..7 {
            db.execute(double.clone()).await.unwrap();
        }
        for _ in 128..THREAD_REPLIES_MAX {
            db.create_comment(new_comment(post, Some(root), &author)).await.unwrap();
        }
        let refused = db.create_comment(new_comment(post, Some(root), &author)).await;
        assert!(matches!(refused, Err(Error::ThreadFull)), "{refused:?}");
        let replies = db.comment(root).await.unwrap().unwrap().replies;
        assert_eq!(replies.len(), THREAD_REPLIES_MAX as usize);
        // Another thread has room.
        db.create_comment(new_comment(post, None, &author)).await.unwrap();
    }

    async fn only_a_comment_of_the_same_post_is_answered(db: Fixture) {
        let (post, author) = place(&db).await;
        let elsewhere = db.post_of(author.id).await;
        let comment = chain(&db, elsewhere, &author, 1).await[0];
        for parent in [comment, CommentId::new(404)] {
            let refused = db.create_comment(new_comment(post, Some(parent), &author)).await;
            assert!(matches!(refused, Err(Error::UnknownComment)), "{refused:?}");
        }
        let refused = db.create_comment(new_comment(PostId::new(404), None, &author)).await;
        assert!(matches!(refused, Err(Error::UnknownPost)), "{refused:?}");
        assert_eq!(counts(&db, post).await, (0, 1));
    }

    async fn the_author_of_an_anonymous_post_answers_unnamed_unless_he_says_otherwise(db: Fixture) {
        let author = db.user_called("mariama").await;
        let reader = db.user_called("hawa").await;
        let new = NewPost { is_anonymous: true, ..new_post(author.id) };
        let hidden = db.create_post(new).await.unwrap();
        let open = db.post_of(author.id).await;
        for (post, writer, said, expected) in [
            (hidden, &author, None, true),
            (hidden, &author, Some(false), false),
            (hidden, &reader, None, false),
            (hidden, &reader, Some(true), true),
            (open, &author, None, false),
        ] {
            let new = NewComment { is_anonymous: said, ..new_comment(post, None, writer) };
            let written = db.create_comment(new).await.unwrap();
            assert_eq!(written.is_anonymous, expected);
            assert_eq!(db.comment(written.id).await.unwrap(), Some(written));
        }
    }

    async fn a_changed_comment_says_what_it_says_now(db: Fixture) {
        let (post, author) = place(&db).await;
        let ids = chain(&db, post, &author, 2).await;
        assert!(db.update_comment(ids[1], "Merci", None, NOW_MS + 5).await.unwrap());
        let comment = db.comment(ids[1]).await.unwrap().unwrap();
        assert_eq!((comment.content.as_str(), comment.is_anonymous), ("Merci", false));
        assert_eq!((comment.created_ms, comment.updated_ms), (NOW_MS, NOW_MS + 5));
        assert!(db.update_comment(ids[1], "Merci", Some(true), NOW_MS).await.unwrap());
        assert!(db.comment(ids[1]).await.unwrap().unwrap().is_anonymous);
        assert!(!db.update_comment(CommentId::new(404), "x", None, NOW_MS).await.unwrap());
    }

    /// Defect 29.
    async fn a_deleted_comment_takes_its_replies_along_and_all_are_counted_off(db: Fixture) {
        let (post, author) = place(&db).await;
        let ids = chain(&db, post, &author, 4).await;
        chain(&db, post, &author, 1).await;
        db.create_comment(new_comment(post, Some(ids[1]), &author)).await.unwrap();
        assert_eq!(counts(&db, post).await, (6, 6));

        assert!(db.delete_comment(ids[1]).await.unwrap());
        assert_eq!(counts(&db, post).await, (2, 2));
        let root = db.comment(ids[0]).await.unwrap().unwrap();
        assert_eq!((root.replies_count, root.replies.len()), (0, 0));
        for gone in &ids[1..] {
            assert_eq!(db.comment(*gone).await.unwrap(), None);
            assert!(!db.delete_comment(*gone).await.unwrap());
        }
        assert_eq!(counts(&db, post).await, (2, 2));
    }

    async fn comments_written_and_deleted_at_once_leave_a_true_count(db: Fixture) {
        let (post, author) = place(&db).await;
        for _ in 0..4 {
            let ids = chain(&db, post, &author, 3).await;
            let tasks: Vec<_> = (0..12)
                .map(|n| {
                    let (db, author, parent) = (db.clone(), author.clone(), ids[n % 3]);
                    tokio::spawn(async move {
                        if n % 4 == 3 {
                            db.delete_comment(parent).await.unwrap();
                            return;
                        }
                        match db.create_comment(new_comment(post, Some(parent), &author)).await {
                            Ok(_) | Err(Error::UnknownComment) => {}
                            Err(other) => panic!("{other}"),
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            let (told, there) = counts(&db, post).await;
            assert_eq!(told, there);
        }
    }

    async fn a_comment_and_the_end_of_its_post_at_once_agree(db: Fixture) {
        let author = db.user_called("mariama").await;
        for _ in 0..8 {
            let post = db.post_of(author.id).await;
            let (one, other) = (db.clone(), db.clone());
            let writer = author.clone();
            let (written, deleted) = tokio::join!(
                tokio::spawn(async move {
                    one.create_comment(new_comment(post, None, &writer)).await
                }),
                tokio::spawn(async move { other.delete_post(post).await.unwrap() }),
            );
            assert!(deleted.unwrap());
            let written = written.unwrap();
            assert!(matches!(written, Ok(_) | Err(Error::UnknownPost)), "{written:?}");
            assert_eq!(db.number("select count(*) from comments").await, 0);
        }
    }

    async fn comments_are_paged_oldest_first_and_their_replies_stand_under_them(db: Fixture) {
        let (post, author) = place(&db).await;
        let mut expected = Vec::new();
        for _ in 0..21 {
            expected.push(chain(&db, post, &author, 1).await[0]);
        }
        for (parent, level) in [(20, 1), (0, 1), (0, 1)] {
            let reply = new_comment(post, Some(expected[parent]), &author);
            assert_eq!(db.create_comment(reply).await.unwrap().level, level);
        }
        let first = db.comments(post, 1).await.unwrap().unwrap();
        assert_eq!((first.count, first.rows.len()), (21, 20));
        let second = db.comments(post, 2).await.unwrap().unwrap();
        let ids: Vec<_> =
            first.rows.iter().chain(&second.rows).map(|comment| comment.id).collect();
        assert_eq!(ids, expected);
        assert_eq!((first.rows[0].replies.len(), first.rows[0].replies_count), (2, 2));
        assert!(first.rows[0].replies[0].id < first.rows[0].replies[1].id);
        assert!(first.rows[1..].iter().all(|comment| comment.replies.is_empty()));
        assert_eq!(second.rows[0].replies.len(), 1);
        for page in [0, 3, u32::MAX] {
            let past = db.comments(post, page).await.unwrap().unwrap();
            assert!(past.rows.is_empty() && !past.exists());
        }
        assert_eq!(db.comments(PostId::new(404), 1).await.unwrap(), None);
        let quiet = db.post_of(author.id).await;
        assert_eq!(db.comments(quiet, 1).await.unwrap().unwrap().count, 0);
    }

    async fn a_page_holds_the_newest_replies_and_what_they_answer(db: Fixture) {
        let (post, author) = place(&db).await;
        let old = chain(&db, post, &author, 4).await;
        for _ in 0..2 {
            let busy = chain(&db, post, &author, 1).await[0];
            for _ in 0..PAGE_REPLIES_MAX / 2 {
                let reply = new_comment(post, Some(busy), &author);
                db.create_comment(reply).await.unwrap();
            }
        }
        let rows = db.comments(post, 1).await.unwrap().unwrap().rows;
        let shown: Vec<_> = rows.iter().map(|comment| comment.replies.len()).collect();
        assert_eq!(shown, [0, 100, 100]);
        assert_eq!(rows[0].replies_count, 1, "that there is more is told");

        // The newest answers the deepest but one: those above come with it, and no other.
        let newest = new_comment(post, Some(old[2]), &author);
        let newest = db.create_comment(newest).await.unwrap().id;
        let first = db.comments(post, 1).await.unwrap().unwrap().rows.swap_remove(0);
        let path = [&first.replies[0], &first.replies[0].replies[0]];
        assert_eq!(path.map(|comment| comment.id), [old[1], old[2]]);
        let deepest: Vec<_> = path[1].replies.iter().map(|comment| comment.id).collect();
        assert_eq!(deepest, [newest]);
    }
}
