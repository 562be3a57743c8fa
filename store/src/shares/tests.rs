use super::*;
use crate::testing::{Fixture, NOW_MS, on_both};

/// A post of one member, and another member.
async fn post_and_reader(db: &Fixture) -> (PostId, UserId) {
    let author = db.user_called("fatou").await.id;
    (db.live_of(author).await.id.into(), db.user_called("binta").await.id)
}

fn new<How>(post: PostId, user: UserId, how: How) -> NewShare<How> {
    NewShare { post, user, how, comment: "À voir".to_owned(), now_ms: NOW_MS }
}

async fn count(db: &Fixture, post: PostId) -> i64 {
    db.post_figures(post).await.unwrap().unwrap().shares
}

on_both! {
    async fn a_share_is_counted_and_listed_with_who_shared(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        let shared = db.share(new(post, reader, ShareType::Share)).await.unwrap().unwrap();
        assert!(shared.is_new);
        assert_eq!(count(&db, post).await, 1);
        let page = db.shares(post, 1).await.unwrap().unwrap();
        assert_eq!((page.count, page.rows.len()), (1, 1));
        let share = &page.rows[0];
        assert_eq!((share.id, share.share_type), (shared.id, ShareType::Share));
        assert_eq!((share.comment.as_str(), share.created_ms), ("À voir", NOW_MS));
        assert_eq!((share.user.id, share.user.username.as_str()), (reader, "binta"));
        assert_eq!(share.user.quartier.as_ref().unwrap().name, "Almamya");
    }

    async fn a_post_is_shared_once_by_a_member_and_reposted_once(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        let first = db.share(new(post, reader, ShareType::Share)).await.unwrap().unwrap();
        let again = db.share(new(post, reader, ShareType::Share)).await.unwrap().unwrap();
        assert_eq!(again, Shared { id: first.id, is_new: false });
        let repost = db.share(new(post, reader, ShareType::Repost)).await.unwrap().unwrap();
        assert!(repost.is_new && repost.id != first.id);
        assert_eq!(count(&db, post).await, 2);
        let page = db.shares(post, 1).await.unwrap().unwrap();
        let types: Vec<_> = page.rows.iter().map(|share| share.share_type).collect();
        assert_eq!(types, [ShareType::Repost, ShareType::Share], "newest first");
    }

    async fn a_share_taken_back_is_not_counted_any_more(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        db.share(new(post, reader, ShareType::Share)).await.unwrap();
        assert!(!db.unshare(post, reader, ShareType::Repost).await.unwrap());
        assert_eq!(count(&db, post).await, 1);
        assert!(db.unshare(post, reader, ShareType::Share).await.unwrap());
        assert_eq!(count(&db, post).await, 0);
        assert!(!db.unshare(post, reader, ShareType::Share).await.unwrap());
        assert_eq!(count(&db, post).await, 0);
        assert_eq!(db.shares(post, 1).await.unwrap().unwrap().count, 0);
    }

    async fn a_post_nobody_wrote_is_not_shared(db: Fixture) {
        let (_, reader) = post_and_reader(&db).await;
        let nowhere = PostId::new(404);
        assert_eq!(db.share(new(nowhere, reader, ShareType::Share)).await.unwrap(), None);
        assert_eq!(db.share_external(new(nowhere, reader, Platform::Email)).await.unwrap(), None);
        assert!(!db.unshare(nowhere, reader, ShareType::Share).await.unwrap());
        assert_eq!(db.shares(nowhere, 1).await.unwrap(), None);
        assert_eq!(db.external_shares(nowhere, 1).await.unwrap(), None);
    }

    async fn those_who_share_at_once_are_all_counted_and_one_member_once(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        let other = db.user_called("sekou").await.id;
        let sharing: Vec<_> = (0..20)
            .map(|n| {
                let (db, user) = (db.clone(), if n % 2 == 0 { reader } else { other });
                tokio::spawn(async move {
                    db.share(new(post, user, ShareType::Share)).await.unwrap().unwrap()
                })
            })
            .collect();
        let mut made = 0;
        for share in sharing {
            made += u32::from(share.await.unwrap().is_new);
        }
        assert_eq!(made, 2);
        assert_eq!(count(&db, post).await, 2);
        assert_eq!(db.shares(post, 1).await.unwrap().unwrap().count, 2);
    }

    async fn sharing_and_taking_back_at_once_leave_the_count_true(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        let work: Vec<_> = (0..20)
            .map(|n| {
                let db = db.clone();
                tokio::spawn(async move {
                    if n % 2 == 0 {
                        db.share(new(post, reader, ShareType::Share)).await.unwrap();
                    } else {
                        db.unshare(post, reader, ShareType::Share).await.unwrap();
                    }
                })
            })
            .collect();
        for work in work {
            work.await.unwrap();
        }
        let listed = db.shares(post, 1).await.unwrap().unwrap().count;
        assert_eq!(u64::try_from(count(&db, post).await).unwrap(), listed);
    }

    async fn the_database_itself_keeps_a_share_single(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        db.share(new(post, reader, ShareType::Share)).await.unwrap();
        db.share_external(new(post, reader, Platform::Email)).await.unwrap();
        for table in ["post_shares", "external_shares"] {
            let columns = match table {
                "post_shares" => "post_id, user_id, share_type, comment, created_ms",
                _ => "post_id, user_id, platform, message, created_ms",
            };
            let twice =
                format!("insert into {table} ({columns}) select {columns} from {table}");
            let error = db.execute(twice).await.unwrap_err().to_string();
            assert!(error.contains("UniqueViolation"), "{error}");
        }
    }

    async fn each_platform_is_noted_once_for_each_member(db: Fixture) {
        let (post, reader) = post_and_reader(&db).await;
        let first = db.share_external(new(post, reader, Platform::WhatsApp)).await.unwrap();
        let again = db.share_external(new(post, reader, Platform::WhatsApp)).await.unwrap();
        assert_eq!(again.unwrap(), Shared { id: first.unwrap().id, is_new: false });
        db.share_external(new(post, reader, Platform::CopyLink)).await.unwrap();
        let page = db.external_shares(post, 1).await.unwrap().unwrap();
        let platforms: Vec<_> = page.rows.iter().map(|share| share.platform).collect();
        assert_eq!(platforms, [Platform::CopyLink, Platform::WhatsApp]);
        assert_eq!((page.count, page.rows[0].user.id), (2, reader));
        assert_eq!(count(&db, post).await, 0, "what is shared elsewhere is counted apart");
    }

    async fn shares_are_cut_into_pages(db: Fixture) {
        let (post, _) = post_and_reader(&db).await;
        for n in 0..21 {
            let user = db.user_called(&format!("member{n}")).await.id;
            db.share(new(post, user, ShareType::Share)).await.unwrap();
        }
        let [first, second, third] =
            [1, 2, 3].map(|page| { let db = db.clone(); async move { db.shares(post, page).await.unwrap().unwrap() } });
        let (first, second, third) = (first.await, second.await, third.await);
        assert_eq!((first.count, first.rows.len()), (21, 20));
        assert_eq!(second.rows.len(), 1);
        assert_eq!(second.rows[0].user.username, "member0");
        assert!(third.rows.is_empty() && !third.exists());
    }
}

#[test]
fn what_is_stored_reads_back() {
    for platform in Platform::ALL {
        assert_eq!(Platform::from_stored(platform.as_str()).unwrap(), platform);
    }
    for share_type in [ShareType::Share, ShareType::Repost] {
        assert_eq!(ShareType::parse(share_type.as_str()), Some(share_type));
    }
    assert!(Platform::from_stored("smoke signals").is_err());
}
