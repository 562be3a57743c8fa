use super::*;
use crate::{
    Author, CommentId, NewComment, User,
    testing::{Fixture, NOW_MS, on_both},
};

async fn comment(
    db: &Fixture,
    post: PostId,
    parent: Option<CommentId>,
    author: &User,
) -> CommentId {
    let content = "Bravo".to_owned();
    let new = NewComment { post, parent, author, content, is_anonymous: None, now_ms: NOW_MS };
    db.create_comment(new).await.unwrap().id
}

async fn reactions(db: &Fixture, post: PostId) -> Reactions {
    db.reactions(&[post]).await.unwrap().swap_remove(0)
}

/// The ids of comments and of all that is shown under them, level by level.
fn shown(comments: &[Comment]) -> Vec<CommentId> {
    let below = comments.iter().flat_map(|comment| shown(&comment.replies));
    comments.iter().map(|comment| comment.id).chain(below).collect()
}

on_both! {
    async fn each_post_has_its_own_and_nothing_is_an_answer_too(db: Fixture) {
        let (mariama, hawa) = (db.user_called("mariama").await, db.user_called("hawa").await);
        let mut posts = Vec::new();
        for _ in 0..45 {
            posts.push(db.post_of(mariama.id).await);
        }
        db.like(posts[0], hawa.id, NOW_MS).await.unwrap();
        db.like(posts[44], mariama.id, NOW_MS + 1).await.unwrap();
        let told = comment(&db, posts[44], None, &hawa).await;
        posts.push(PostId::new(404));

        let found = db.reactions(&posts).await.unwrap();
        assert_eq!(found.len(), 46);
        assert!(found[0].comments.is_empty());
        let liked = db.liked(&posts, hawa.id).await.unwrap();
        assert_eq!(liked, HashSet::from([posts[0]]), "another likes the other");
        assert_eq!(found[0].likes[0].user, Author::from(&hawa));
        assert_eq!((found[44].likes.len(), found[44].likes[0].created_ms), (1, NOW_MS + 1));
        assert_eq!(shown(&found[44].comments), [told]);
        assert_eq!(found[44].comments[0].author.username, "hawa");
        for quiet in found[1..44].iter().chain(&found[45..]) {
            assert_eq!(*quiet, Reactions::default());
        }
        assert!(db.reactions(&[]).await.unwrap().is_empty());
    }

    async fn the_last_likes_are_shown_and_an_older_one_of_the_reader_still_counts(db: Fixture) {
        let first = db.user_called("first").await;
        let post = db.post_of(first.id).await;
        db.like(post, first.id, NOW_MS).await.unwrap();
        let mut expected = Vec::new();
        for n in 0..LIKES_SHOWN {
            let member = db.user_called(&format!("member{n}")).await;
            expected.push(db.like(post, member.id, NOW_MS).await.unwrap());
        }
        expected.reverse();
        let found = reactions(&db, post).await;
        assert_eq!(found.likes.iter().map(|like| like.id).collect::<Vec<_>>(), expected);
        assert!(db.liked(&[post], first.id).await.unwrap().contains(&post));
        db.unlike(post, first.id).await.unwrap();
        assert!(db.liked(&[post], first.id).await.unwrap().is_empty());
    }

    async fn the_last_comments_are_shown_oldest_first(db: Fixture) {
        let author = db.user_called("mariama").await;
        let post = db.post_of(author.id).await;
        let mut all = Vec::new();
        for _ in 0..COMMENTS_SHOWN + 2 {
            all.push(comment(&db, post, None, &author).await);
        }
        // A reply to one that is shown, and to one that is not.
        let reply = comment(&db, post, Some(all[5]), &author).await;
        comment(&db, post, Some(all[0]), &author).await;
        let found = reactions(&db, post).await.comments;
        let expected: Vec<_> = all[2..].iter().copied().chain([reply]).collect();
        assert_eq!(shown(&found), expected);
        assert_eq!(found[3].replies[0].id, reply);
    }

    /// Defect 28, and the bound on a busy post.
    async fn the_last_replies_are_shown_once_under_what_they_answer(db: Fixture) {
        let author = db.user_called("mariama").await;
        let post = db.post_of(author.id).await;
        let root = comment(&db, post, None, &author).await;
        let hidden = comment(&db, post, Some(root), &author).await;
        let below = comment(&db, post, Some(root), &author).await;
        let deeper = comment(&db, post, Some(below), &author).await;
        let mut expected = vec![root, below, deeper];
        for _ in 0..REPLIES_SHOWN {
            expected.push(comment(&db, post, Some(deeper), &author).await);
        }
        let found = reactions(&db, post).await.comments;
        assert_eq!(shown(&found), expected);
        assert_eq!(found[0].replies_count, 2, "{hidden:?} is counted");
    }
}
