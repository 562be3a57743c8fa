use super::*;
use crate::{
    MediaType, NewMedia, Work,
    testing::{NOW_MS, next_number, on_both},
};
use media::id::UserId;

/// A film that is still to be turned into what everybody plays.
fn film(owner: UserId) -> NewMedia {
    NewMedia {
        owner_max_bytes: i64::MAX,
        owner,
        name: format!("{:032x}.avi", next_number()),
        media_type: MediaType::Video,
        title: String::new(),
        description: String::new(),
        size_bytes: 1000,
        dimensions: None,
        duration_ms: None,
        approval: Approval::Pending,
        thumbnail: None,
        blur_hash: None,
        to_do: Some(60_000),
        reason: None,
        now_ms: NOW_MS,
    }
}

fn made() -> MadeMedia {
    MadeMedia {
        name: format!("{:032x}.mp4", next_number()),
        thumbnail: Some(format!("{:032x}.jpg", next_number())),
        blur_hash: Some("LEHV6nWB2yk8".to_owned()),
        size_bytes: 500,
        dimensions: (640, 360),
        duration_ms: 4000,
        approval: Approval::Approved,
        reason: None,
    }
}

on_both! {
    async fn jobs_are_taken_in_order_and_once(db: Fixture) {
        let owner = db.user_called("mariama").await.id;
        let one = db.create_media(film(owner)).await.unwrap();
        let two = db.create_media(film(owner)).await.unwrap();
        db.create_media(NewMedia { to_do: None, ..film(owner) }).await.unwrap();
        let first = db.take_media_job(NOW_MS).await.unwrap().unwrap();
        assert_eq!((first.media.id, first.tries, first.longest_ms), (one.id, 1, 60_000));
        assert_eq!(first.media.work, Work::Running);
        assert_eq!(db.take_media_job(NOW_MS).await.unwrap().unwrap().media.id, two.id);
        assert_eq!(db.take_media_job(NOW_MS).await.unwrap(), None);
    }

    async fn what_was_in_hand_is_taken_again_and_every_try_counts(db: Fixture) {
        let owner = db.user_called("mariama").await.id;
        let one = db.create_media(film(owner)).await.unwrap();
        db.take_media_job(NOW_MS).await.unwrap().unwrap();
        assert_eq!(db.resume_media_jobs().await.unwrap(), 1);
        let again = db.take_media_job(NOW_MS).await.unwrap().unwrap();
        assert_eq!((again.media.id, again.tries), (one.id, 2));
        db.put_back_media_job(one.id, NOW_MS + 1).await.unwrap();
        assert_eq!(db.take_media_job(NOW_MS).await.unwrap(), None, "not yet");
        assert_eq!(db.take_media_job(NOW_MS + 1).await.unwrap().unwrap().tries, 3);
    }

    async fn what_is_made_takes_the_place_of_what_was_brought(db: Fixture) {
        let owner = db.user_called("mariama").await.id;
        let brought = db.create_media(film(owner)).await.unwrap();
        let made = made();
        let small = made.thumbnail.clone().unwrap();
        for name in [&made.name, &small] {
            db.note_loose_object(name, NOW_MS).await.unwrap();
        }
        assert!(!db.finish_media_job(brought.id, &made, NOW_MS).await.unwrap(), "not in hand");
        db.take_media_job(NOW_MS).await.unwrap().unwrap();
        db.set_media_progress(brought.id, 500).await.unwrap();
        assert_eq!(db.media(brought.id).await.unwrap().unwrap().progress_permille, 500);
        assert!(db.finish_media_job(brought.id, &made, NOW_MS + 9).await.unwrap());

        let media = db.media(brought.id).await.unwrap().unwrap();
        assert_eq!((media.work, media.approval), (Work::Done, Approval::Approved));
        assert_eq!((media.width, media.height, media.duration_ms), (Some(640), Some(360), Some(4000)));
        assert_eq!((media.name, media.thumbnail), (made.name.clone(), made.thumbnail.clone()));
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty(), "both names are claimed");
        assert_eq!(db.loose_objects(NOW_MS + 9).await.unwrap(), [brought.name]);

        assert!(db.delete_media(brought.id, owner, NOW_MS).await.unwrap());
        let mut loose = db.loose_objects(NOW_MS).await.unwrap();
        loose.sort();
        let mut names = [made.name, small];
        names.sort();
        assert_eq!(loose, names);
    }

    async fn media_that_is_deleted_meanwhile_is_not_brought_back(db: Fixture) {
        let owner = db.user_called("mariama").await.id;
        let brought = db.create_media(film(owner)).await.unwrap();
        db.take_media_job(NOW_MS).await.unwrap().unwrap();
        db.delete_media(brought.id, owner, NOW_MS).await.unwrap();
        let made = made();
        db.note_loose_object(&made.name, NOW_MS + 1).await.unwrap();
        assert!(!db.finish_media_job(brought.id, &made, NOW_MS).await.unwrap());
        assert_eq!(db.loose_objects(NOW_MS + 1).await.unwrap(), [brought.name, made.name]);
    }

    async fn a_job_that_is_given_up_says_why_and_is_not_taken_again(db: Fixture) {
        let owner = db.user_called("mariama").await.id;
        let brought = db.create_media(film(owner)).await.unwrap();
        db.take_media_job(NOW_MS).await.unwrap().unwrap();
        db.fail_media_job(brought.id, "trop longue").await.unwrap();
        let media = db.media(brought.id).await.unwrap().unwrap();
        assert_eq!((media.work, media.approval), (Work::Failed, Approval::Rejected));
        assert_eq!(media.reason.as_deref(), Some("trop longue"));
        assert_eq!(db.take_media_job(i64::MAX).await.unwrap(), None);
        let decided = db.decide_media(brought.id, Approval::Approved, None, &crate::By::console(NOW_MS)).await.unwrap();
        assert_eq!(decided, None, "there is nothing to be shown");
    }

    async fn admins_see_what_waits_for_them_and_decide(db: Fixture) {
        let owner = db.user_called("mariama").await;
        let waiting = NewMedia { to_do: None, ..film(owner.id) };
        let one = db.create_media(waiting.clone()).await.unwrap();
        let two = NewMedia { name: "two.avi".into(), ..waiting };
        let two = db.create_media(two).await.unwrap();
        db.create_media(film(owner.id)).await.unwrap();
        let queue = db.media_by_approval(Approval::Pending, 1).await.unwrap();
        assert_eq!(queue.count, 2, "what is still being made is not among them");
        let seen: Vec<_> = queue.rows.iter().map(|(media, owner)| (media.id, owner.id)).collect();
        assert_eq!(seen, [(one.id, owner.id), (two.id, owner.id)]);

        let decided =
            db.decide_media(one.id, Approval::Rejected, Some("violence"), &crate::By::console(NOW_MS)).await.unwrap();
        assert_eq!(decided.unwrap().reason.as_deref(), Some("violence"));
        db.decide_media(two.id, Approval::Approved, None, &crate::By::console(NOW_MS)).await.unwrap().unwrap();
        assert_eq!(db.media_by_approval(Approval::Pending, 1).await.unwrap().count, 0);
        let refused = db.media_by_approval(Approval::Rejected, 1).await.unwrap();
        assert_eq!(refused.rows[0].0.id, one.id);
    }
}
