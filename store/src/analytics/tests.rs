use super::*;
use crate::{
    NewLive, NewShare,
    testing::{NOW_MS, new_live, on_both},
};

on_both! {
    async fn the_figures_of_a_post_are_those_that_were_counted(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let post: PostId = db.live_of(author).await.id.into();
        db.execute(format!(
            "update posts set likes_count = 3, comments_count = 2, views_count = 9,
                 shares_count = 1 where id = {}",
            post.get()
        ))
        .await
        .unwrap();
        for (name, platform) in [
            ("binta", Platform::WhatsApp),
            ("sekou", Platform::WhatsApp),
            ("hawa", Platform::CopyLink),
        ] {
            let user = db.user_called(name).await.id;
            let comment = String::new();
            let new = NewShare { post, user, how: platform, comment, now_ms: NOW_MS };
            db.share_external(new).await.unwrap();
        }
        let figures = db.post_figures(post).await.unwrap().unwrap();
        assert_eq!((figures.likes, figures.comments), (3, 2));
        assert_eq!((figures.views, figures.shares, figures.created_ms), (9, 1, NOW_MS));
        assert_eq!(figures.external_shares, [(Platform::CopyLink, 1), (Platform::WhatsApp, 2)]);
        assert_eq!(db.post_figures(PostId::new(404)).await.unwrap(), None);
    }

    async fn the_posts_of_a_member_are_summed_and_the_newest_told_apart(db: Fixture) {
        let (author, other) = (db.user_called("fatou").await.id, db.user_called("binta").await.id);
        db.live_of(other).await;
        for n in 0..7 {
            let content = format!("{n}{}", "é".repeat(200));
            let new = NewLive { content, now_ms: NOW_MS + n, ..new_live(author) };
            db.create_live(new).await.unwrap();
        }
        db.execute(
            "update posts set likes_count = 1, comments_count = 2, views_count = 3, shares_count = 4"
                .to_owned(),
        )
        .await
        .unwrap();
        let figures = db.author_figures(author).await.unwrap();
        assert_eq!((figures.posts, figures.likes, figures.comments), (7, 7, 14));
        assert_eq!((figures.views, figures.shares), (21, 28));
        let times: Vec<i64> = figures.recent.iter().map(|post| post.created_ms - NOW_MS).collect();
        assert_eq!(times, [6, 5, 4, 3, 2]);
        let newest = &figures.recent[0];
        assert_eq!(newest.excerpt, format!("6{}", "é".repeat(99)));
        let counts = (newest.likes, newest.comments, newest.views, newest.shares);
        assert_eq!(counts, (1, 2, 3, 4));
    }

    async fn a_member_without_posts_has_figures_of_zero(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let figures = db.author_figures(author).await.unwrap();
        assert_eq!((figures.posts, figures.views, figures.recent.len()), (0, 0, 0));
    }
}
