use super::*;
use crate::testing::{Fixture, NOW_MS, next_number, on_both};

/// So many members.
async fn members(db: &Fixture, count: usize) -> Vec<UserId> {
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(db.user_called(&format!("member{}", next_number())).await.id);
    }
    members
}

/// What the post says, and how many likes there are.
async fn counts(db: &Fixture, post: PostId) -> (i64, i64) {
    let told = db.post(post).await.unwrap().unwrap().likes_count;
    (told, db.number("select count(*) from likes").await)
}

on_both! {
    async fn a_like_is_counted_once(db: Fixture) {
        let members = members(&db, 2).await;
        let (author, reader) = (members[0], members[1]);
        let post = db.post_of(author).await;
        db.like(post, reader, NOW_MS).await.unwrap();
        assert_eq!(counts(&db, post).await, (1, 1));
        let again = db.like(post, reader, NOW_MS).await;
        assert!(matches!(again, Err(Error::AlreadyLiked)), "{again:?}");
        assert_eq!(counts(&db, post).await, (1, 1));
        db.like(post, author, NOW_MS).await.unwrap();
        assert_eq!(counts(&db, post).await, (2, 2));
    }

    async fn a_like_taken_back_is_counted_off_once(db: Fixture) {
        let member = members(&db, 1).await[0];
        let post = db.post_of(member).await;
        db.like(post, member, NOW_MS).await.unwrap();
        db.unlike(post, member).await.unwrap();
        assert_eq!(counts(&db, post).await, (0, 0));
        let again = db.unlike(post, member).await;
        assert!(matches!(again, Err(Error::NotLiked)), "{again:?}");
        assert_eq!(counts(&db, post).await, (0, 0));
    }

    async fn an_unknown_post_is_not_liked(db: Fixture) {
        let member = members(&db, 1).await[0];
        let unknown = PostId::new(404);
        assert!(matches!(db.like(unknown, member, NOW_MS).await, Err(Error::UnknownPost)));
        assert!(matches!(db.unlike(unknown, member).await, Err(Error::UnknownPost)));
    }

    async fn many_members_who_like_a_post_at_once_are_all_counted(db: Fixture) {
        let members = members(&db, 40).await;
        let post = db.post_of(members[0]).await;
        let likes: Vec<_> = members
            .into_iter()
            .map(|member| {
                let db = db.clone();
                tokio::spawn(async move { db.like(post, member, NOW_MS).await })
            })
            .collect();
        for like in likes {
            like.await.unwrap().unwrap();
        }
        assert_eq!(counts(&db, post).await, (40, 40));
    }

    async fn of_many_likes_of_one_member_at_once_one_is_taken(db: Fixture) {
        let member = members(&db, 1).await[0];
        let post = db.post_of(member).await;
        let likes: Vec<_> = (0..8)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move { db.like(post, member, NOW_MS).await })
            })
            .collect();
        let mut taken = 0;
        for like in likes {
            match like.await.unwrap() {
                Ok(_) => taken += 1,
                Err(Error::AlreadyLiked) => {}
                Err(other) => panic!("{other}"),
            }
        }
        assert_eq!((taken, counts(&db, post).await), (1, (1, 1)));
    }

    /// What locks what in another order would wait in a circle here, and be refused by PostgreSQL.
    async fn likes_given_and_taken_back_at_once_leave_a_true_count(db: Fixture) {
        let members = members(&db, 3).await;
        let post = db.post_of(members[0]).await;
        let tasks: Vec<_> = (0..60)
            .map(|n| {
                let (db, member) = (db.clone(), members[n % 3]);
                tokio::spawn(async move {
                    let outcome = match (n / 3) % 2 {
                        0 => db.like(post, member, NOW_MS).await.map(drop),
                        _ => db.unlike(post, member).await,
                    };
                    match outcome {
                        Ok(()) | Err(Error::AlreadyLiked | Error::NotLiked) => {}
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
