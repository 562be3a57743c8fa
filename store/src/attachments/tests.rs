use super::*;
use crate::{
    NewPost, ProfileChange,
    testing::{NOW_MS, new_post, next_number, on_both},
};

/// A picture to be remembered, under a name that no other has.
fn new_media(owner: UserId) -> NewMedia {
    NewMedia {
        owner,
        name: format!("{:032x}.jpg", next_number()),
        media_type: MediaType::Image,
        title: "Marché".to_owned(),
        description: String::new(),
        size_bytes: 1000,
        dimensions: Some((640, 480)),
        duration_ms: None,
        approval: Approval::Approved,
        owner_max_bytes: i64::MAX,
        thumbnail: None,
        blur_hash: None,
        to_do: None,
        reason: None,
        now_ms: NOW_MS,
    }
}

/// Has a post show media as the transaction that makes a post does.
async fn attach(db: &Store, post: PostId, owner: UserId, ids: &[MediaId]) -> Result<(), Error> {
    transaction!(&db.database, |transaction| {
        attach_media!(transaction, post, owner, ids);
    });
    Ok(())
}

async fn names_of(db: &Store, post: PostId) -> Vec<String> {
    shown_to(db, post, &stranger(db).await).await
}

/// The first member, as if he were another, who has nothing.
async fn stranger(db: &Store) -> User {
    let member = db.user(UserId::new(1)).await.unwrap().unwrap();
    User { id: UserId::new(404), ..member }
}

/// Names of what a post shows to a reader.
async fn shown_to(db: &Store, post: PostId, reader: &User) -> Vec<String> {
    let shown = db.media_of_posts(&[post]).await.unwrap();
    let shown = shown.get(&post).into_iter().flatten().map(|shown| &shown.media);
    shown.filter(|media| media.is_seen_by(reader)).map(|media| media.name.clone()).collect()
}

on_both! {
    async fn media_is_found_by_its_id_as_it_was_made(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        for new in [
            new_media(owner),
            NewMedia {
                media_type: MediaType::Video,
                dimensions: None,
                duration_ms: Some(61_000),
                approval: Approval::Pending,
                title: "a\0b".to_owned(),
                ..new_media(owner)
            },
        ] {
            let made = db.create_media(new).await.unwrap();
            assert_eq!(db.media(made.id).await.unwrap(), Some(made));
        }
        assert_eq!(db.media(MediaId::new(404)).await.unwrap(), None);
    }

    async fn a_post_that_would_show_what_it_may_not_is_not_written(db: Fixture) {
        let (owner, other) = (db.user_called("aissatou").await.id, db.user_called("binta").await.id);
        let (mine, theirs) = (
            db.create_media(new_media(owner)).await.unwrap().id,
            db.create_media(new_media(other)).await.unwrap().id,
        );
        let post = |media| NewPost { media, ..new_post(owner) };
        for refused in [theirs, MediaId::new(404)] {
            let outcome = db.create_post(post(vec![mine, refused])).await;
            assert!(matches!(outcome, Err(Error::UnknownMedia { id }) if id == refused));
        }
        assert_eq!(db.media_of_posts(&[PostId::new(1), PostId::new(2)]).await.unwrap().len(), 0);
        let id = db.create_post(post(vec![mine])).await.unwrap();
        assert_eq!(names_of(&db, id).await.len(), 1);
    }

    async fn media_has_an_owner_who_exists(db: Fixture) {
        let refused = db.create_media(new_media(UserId::new(404))).await;
        assert!(matches!(refused, Err(Error::UnknownUser)));
    }

    async fn a_member_lists_his_own_approved_media_newest_first(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let other = db.user_called("binta").await.id;
        let mut made = Vec::new();
        for _ in 0..crate::PAGE_SIZE + 1 {
            made.push(db.create_media(new_media(owner)).await.unwrap());
        }
        db.create_media(new_media(other)).await.unwrap();
        let hidden = NewMedia { approval: Approval::Rejected, ..new_media(owner) };
        db.create_media(hidden).await.unwrap();
        made.reverse();

        let approved = Some(Approval::Approved);
        let first = db.media_of(owner, approved, 1).await.unwrap();
        assert_eq!((first.count, &first.rows[..]), (21, &made[..20]));
        assert_eq!(db.media_of(owner, approved, 2).await.unwrap().rows, made[20..]);
        assert!(!db.media_of(owner, approved, 3).await.unwrap().exists());
        assert_eq!(db.media_of(owner, Some(Approval::Rejected), 1).await.unwrap().count, 1);
        assert_eq!(db.media_of(owner, None, 1).await.unwrap().count, 22);
    }

    async fn the_bytes_of_a_member_add_up(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        assert_eq!(db.media_bytes_of(owner).await.unwrap(), 0);
        for size_bytes in [5_000_000_000, 7] {
            db.create_media(NewMedia { size_bytes, ..new_media(owner) }).await.unwrap();
        }
        assert_eq!(db.media_bytes_of(owner).await.unwrap(), 5_000_000_007);
    }

    async fn media_brought_at_once_never_take_more_than_a_member_may_have(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let new = || NewMedia { owner_max_bytes: 2999, ..new_media(owner) };
        let live = db.live_of(owner).await.id;
        let made = tokio::join!(
            db.create_media(new()),
            db.create_media(new()),
            db.create_recording(live, new()),
            db.create_media(new()),
            db.create_recording(live, new()),
        );
        let made = [made.0, made.1, made.2, made.3, made.4];
        assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 2);
        assert!(made.iter().all(|made| {
            matches!(made, Ok(_) | Err(Error::NoRoom { max_bytes: 2999 }))
        }));
        assert_eq!(db.media_bytes_of(owner).await.unwrap(), 2000);
    }

    async fn only_the_owner_changes_media(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let other = db.user_called("binta").await.id;
        let made = db.create_media(new_media(owner)).await.unwrap();
        let change = MediaChange { description: Some("Madina".into()), ..MediaChange::default() };
        assert_eq!(db.update_media(made.id, other, change.clone()).await.unwrap(), None);
        let changed = db.update_media(made.id, owner, change).await.unwrap().unwrap();
        assert_eq!((changed.title.as_str(), changed.description.as_str()), ("Marché", "Madina"));
        assert_eq!(db.media(made.id).await.unwrap(), Some(changed));
    }

    async fn only_the_owner_deletes_media_and_its_name_is_left_to_be_deleted(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let other = db.user_called("binta").await.id;
        let made = db.create_media(new_media(owner)).await.unwrap();
        let post = PostId::from(db.live_of(owner).await.id);
        attach(&db, post, owner, &[made.id]).await.unwrap();

        assert!(!db.delete_media(made.id, other, NOW_MS).await.unwrap());
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty());
        assert!(db.delete_media(made.id, owner, NOW_MS).await.unwrap());
        assert!(!db.delete_media(made.id, owner, NOW_MS).await.unwrap());
        assert_eq!(db.media(made.id).await.unwrap(), None);
        assert!(names_of(&db, post).await.is_empty());
        assert_eq!(db.loose_objects(NOW_MS).await.unwrap(), std::slice::from_ref(&made.name));
        db.forget_loose_object(&made.name).await.unwrap();
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty());
    }

    async fn a_name_that_is_never_claimed_is_found_again(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let (kept, lost) = (new_media(owner), new_media(owner));
        for new in [&kept, &lost] {
            db.note_loose_object(&new.name, NOW_MS + 1).await.unwrap();
        }
        db.create_media(kept).await.unwrap();
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty());
        assert_eq!(db.loose_objects(NOW_MS + 1).await.unwrap(), [lost.name]);
    }

    async fn a_picture_that_is_replaced_is_left_to_be_deleted(db: Fixture) {
        let member = db.user_called("aissatou").await.id;
        let to = |name: Option<&str>| ProfileChange {
            profile_picture: Some(name.map(str::to_owned)),
            ..ProfileChange::default()
        };
        db.note_loose_object("one.jpg", NOW_MS).await.unwrap();
        let changed = db.change_profile(member, to(Some("one.jpg"))).await.unwrap();
        assert_eq!(changed.profile_picture.as_deref(), Some("one.jpg"));
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty());
        db.change_profile(member, to(Some("two.jpg"))).await.unwrap();
        assert_eq!(db.loose_objects(NOW_MS).await.unwrap(), ["one.jpg"]);
        db.change_profile(member, ProfileChange::default()).await.unwrap();
        assert_eq!(db.loose_objects(NOW_MS).await.unwrap(), ["one.jpg"]);
        db.change_profile(member, to(None)).await.unwrap();
        assert_eq!(db.loose_objects(NOW_MS).await.unwrap(), ["one.jpg", "two.jpg"]);
    }

    async fn a_change_that_is_refused_gives_no_picture_away(db: Fixture) {
        let member = db.user_called("aissatou").await.id;
        db.user_called("binta").await;
        let picture = |name: &str| Some(Some(name.to_owned()));
        let change = ProfileChange { profile_picture: picture("one.jpg"), ..Default::default() };
        db.change_profile(member, change).await.unwrap();
        let taken = ProfileChange {
            profile_picture: picture("two.jpg"),
            email: Some("binta@example.org".into()),
            ..Default::default()
        };
        assert!(matches!(db.change_profile(member, taken).await, Err(Error::Taken { .. })));
        assert!(db.loose_objects(NOW_MS).await.unwrap().is_empty());
    }

    async fn posts_show_their_media_in_order(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let mut posts = Vec::new();
        for _ in 0..3 {
            posts.push(PostId::from(db.live_of(owner).await.id));
        }
        let one = db.create_media(new_media(owner)).await.unwrap();
        let two = db.create_media(new_media(owner)).await.unwrap();
        attach(&db, posts[0], owner, &[two.id, one.id]).await.unwrap();
        attach(&db, posts[2], owner, &[one.id]).await.unwrap();

        let mut asked = vec![PostId::new(404); 30];
        asked.extend(&posts);
        let shown = db.media_of_posts(&asked).await.unwrap();
        let media = |post| {
            let shown = shown.get(post)?.iter();
            Some(shown.map(|shown| shown.media.clone()).collect::<Vec<_>>())
        };
        assert_eq!(media(&posts[0]), Some(vec![two, one.clone()]));
        assert_eq!(media(&posts[1]), None);
        assert_eq!(media(&posts[2]), Some(vec![one]));
    }

    async fn what_is_not_approved_is_shown_to_its_owner_and_to_admins(db: Fixture) {
        let owner = db.user_called("aissatou").await;
        let other = db.user_called("binta").await;
        let post = PostId::from(db.live_of(owner.id).await.id);
        let pending = NewMedia { approval: Approval::Pending, ..new_media(owner.id) };
        let pending = db.create_media(pending).await.unwrap();
        attach(&db, post, owner.id, &[pending.id]).await.unwrap();
        for approval in [Approval::Pending, Approval::Rejected, Approval::Inappropriate] {
            db.decide_media(pending.id, approval, None, &crate::By::console(NOW_MS)).await.unwrap().unwrap();
            assert!(shown_to(&db, post, &other).await.is_empty(), "{approval:?}");
            assert_eq!(shown_to(&db, post, &owner).await, [pending.name.as_str()]);
            let admin = User { role: Role::Admin, ..other.clone() };
            assert_eq!(shown_to(&db, post, &admin).await, [pending.name.as_str()]);
        }
        db.decide_media(pending.id, Approval::Approved, None, &crate::By::console(NOW_MS)).await.unwrap().unwrap();
        assert_eq!(shown_to(&db, post, &other).await, [pending.name.as_str()]);
    }

    /// Defects 15 and 31 of the first version.
    async fn a_post_shows_media_of_its_author_alone_that_is_not_refused(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let other = db.user_called("binta").await.id;
        let post = PostId::from(db.live_of(owner).await.id);
        let own = db.create_media(new_media(owner)).await.unwrap().id;
        let foreign = db.create_media(new_media(other)).await.unwrap().id;
        let rejected = NewMedia { approval: Approval::Rejected, ..new_media(owner) };
        let rejected = db.create_media(rejected).await.unwrap().id;
        for refused in [foreign, rejected, MediaId::new(404), own] {
            let error = attach(&db, post, owner, &[own, refused]).await.unwrap_err();
            assert!(matches!(error, Error::UnknownMedia { id } if id == refused), "{error}");
            assert!(names_of(&db, post).await.is_empty(), "all or nothing");
        }
    }

    async fn a_post_shows_five_media_at_most(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let post = PostId::from(db.live_of(owner).await.id);
        let mut ids = Vec::new();
        for _ in 0..POST_MEDIA_MAX + 1 {
            ids.push(db.create_media(new_media(owner)).await.unwrap().id);
        }
        assert!(matches!(attach(&db, post, owner, &ids).await, Err(Error::TooManyMedia)));
        attach(&db, post, owner, &ids[..POST_MEDIA_MAX]).await.unwrap();
        assert_eq!(names_of(&db, post).await.len(), POST_MEDIA_MAX);
    }

    async fn what_the_server_recorded_of_a_live_takes_no_room_of_its_author_and_can_be_forgotten(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let live = db.live_of(owner).await;
        let name = live.playback_name.to_string();
        let media_type = MediaType::Live;
        let new = NewMedia { name, media_type, owner_max_bytes: i64::MAX, ..new_media(owner) };
        let recording = db.create_recording(live.id, new).await.unwrap();
        assert_eq!(db.media_bytes_of(owner).await.unwrap(), 0);
        let upload = db.create_media(new_media(owner)).await.unwrap();
        let (other, none) = ("someotherlive".parse().unwrap(), Vec::<MediaId>::new());
        db.forget_recording(&other).await.unwrap();
        let shown = |media: Option<&Vec<PostMedia>>| -> Vec<MediaId> {
            media.into_iter().flatten().map(|shown| shown.media.id).collect()
        };
        let of_post = db.media_of_posts(&[live.id.into()]).await.unwrap();
        assert_eq!(shown(of_post.get(&live.id.into())), [recording.id]);
        db.forget_recording(&live.playback_name).await.unwrap();
        let of_post = db.media_of_posts(&[live.id.into()]).await.unwrap();
        assert_eq!(shown(of_post.get(&live.id.into())), none);
        assert!(db.media(recording.id).await.unwrap().is_none());
        assert!(db.media(upload.id).await.unwrap().is_some());
    }

    async fn what_is_stored_is_told_of_media_after_media(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let live = db.live_of(owner).await;
        let upload = db.create_media(new_media(owner)).await.unwrap();
        let name = live.playback_name.to_string();
        let new = NewMedia { name, media_type: MediaType::Live, ..new_media(owner) };
        let recording = db.create_recording(live.id, new).await.unwrap();
        let told = |media: &crate::Media| StoredMedia {
            id: media.id,
            name: media.name.clone(),
            media_type: media.media_type,
            thumbnail: media.thumbnail.clone(),
        };
        let [upload, recording] = [&upload, &recording].map(told);
        assert_eq!(db.stored_media(None).await.unwrap(), [upload.clone(), recording.clone()]);
        assert_eq!(db.stored_media(Some(upload.id)).await.unwrap(), std::slice::from_ref(&recording));
        assert_eq!(db.stored_media(Some(recording.id)).await.unwrap(), []);
    }

    async fn the_lives_of_recordings_are_found_with_what_their_posts_show(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let live = db.live_of(owner).await;
        // More than one statement asks for.
        let mut names: Vec<_> =
            (0..POSTS_AT_ONCE + 5).map(|n| format!("nolive{n}").parse().unwrap()).collect();
        names.push(live.playback_name.clone());
        let known = async || {
            let lives = db.lives_of_recordings(&names).await.unwrap();
            assert!(lives.len() <= 1, "{lives:?}");
            lives.get(&live.playback_name).copied()
        };
        let (id, author) = (live.id, owner);
        let on = RecordedLive {
            id,
            author,
            is_over: false,
            is_shown: false,
            has_poster: false,
            has_room: true,
        };
        assert_eq!(known().await, Some(on));
        let created = [crate::LiveState::Created];
        db.set_live_state(id, &created, crate::LiveState::Ended, NOW_MS).await.unwrap();
        assert_eq!(known().await, Some(RecordedLive { is_over: true, ..on }));
        let name = live.playback_name.to_string();
        let new =
            NewMedia { name, media_type: MediaType::Live, thumbnail: None, ..new_media(owner) };
        let media = db.create_recording(id, new).await.unwrap().id;
        let shown = RecordedLive { is_over: true, is_shown: true, ..on };
        assert_eq!(known().await, Some(shown));
        db.set_poster(&"someotherlive".parse().unwrap(), "L0").await.unwrap();
        assert_eq!(known().await, Some(shown));
        db.set_poster(&live.playback_name, "LEHV6n").await.unwrap();
        assert_eq!(known().await, Some(RecordedLive { has_poster: true, ..shown }));
        let media = db.media(media).await.unwrap().unwrap();
        assert_eq!(media.thumbnail.as_deref(), Some(live.playback_name.as_str()));
        assert_eq!(media.blur_hash.as_deref(), Some("LEHV6n"));
        for _ in 1..POST_MEDIA_MAX {
            db.create_recording(id, new_media(owner)).await.unwrap();
        }
        let full = RecordedLive { has_poster: true, has_room: false, ..shown };
        assert_eq!(known().await, Some(full));
        assert!(db.delete_post(id.into()).await.unwrap());
        assert_eq!(known().await, None);
    }

    async fn a_recording_is_to_go_once_its_live_or_its_media_is_deleted_until_it_is_gone(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let [kept, without_media, without_live] =
            [db.live_of(owner).await, db.live_of(owner).await, db.live_of(owner).await];
        for live in [&kept, &without_media, &without_live] {
            let name = live.playback_name.to_string();
            let new = NewMedia { name, media_type: MediaType::Live, ..new_media(owner) };
            db.create_recording(live.id, new).await.unwrap();
        }
        // What a browser sent of a live is a file of the storage.
        let sent = NewMedia { media_type: MediaType::Live, ..new_media(owner) };
        let sent = db.create_recording(kept.id, sent).await.unwrap();
        let upload = db.create_media(new_media(owner)).await.unwrap();
        for media in [sent.id, upload.id] {
            assert!(db.delete_media(media, owner, NOW_MS).await.unwrap());
        }
        assert_eq!(db.deleted_recordings().await.unwrap(), []);

        db.forget_recording(&without_media.playback_name).await.unwrap();
        assert!(db.delete_post(without_live.id.into()).await.unwrap());
        let mut expected = [&without_media, &without_live].map(|live| live.playback_name.clone());
        let mut deleted = db.deleted_recordings().await.unwrap();
        expected.sort_by_key(PlaybackName::to_string);
        deleted.sort_by_key(PlaybackName::to_string);
        assert_eq!(deleted, expected);
        let known = db.lives_of_recordings(&expected).await.unwrap();
        assert!(known.is_empty(), "one to go is not to be shown again: {known:?}");

        db.recording_is_gone(&without_media.playback_name).await.unwrap();
        assert_eq!(db.deleted_recordings().await.unwrap(), [without_live.playback_name]);
        // A member takes all of his along.
        db.execute(format!("delete from users where id = {owner}")).await.unwrap();
        assert_eq!(db.deleted_recordings().await.unwrap().len(), 3);
    }

    async fn a_later_recording_takes_the_place_of_the_earlier(db: Fixture) {
        let owner = db.user_called("aissatou").await.id;
        let live = db.live_of(owner).await.id;
        let mut recordings = Vec::new();
        for _ in 0..POST_MEDIA_MAX {
            recordings.push(db.create_recording(live, new_media(owner)).await.unwrap());
        }
        let shown = db.media_of_posts(&[live.into()]).await.unwrap();
        let shown = &shown[&live.into()];
        let last = recordings.last().unwrap();
        assert_eq!(shown.len(), POST_MEDIA_MAX);
        assert!(shown.iter().all(|shown| shown.is_recording == (shown.media.id == last.id)));

        let refused = db.create_recording(live, new_media(owner)).await;
        assert!(matches!(refused, Err(Error::TooManyMedia)));
        let first = recordings[0].id;
        assert!(db.delete_media(first, owner, 0).await.unwrap());
        let newest = db.create_recording(live, new_media(owner)).await.unwrap();
        let shown = db.media_of_posts(&[live.into()]).await.unwrap();
        let last = shown[&live.into()].last().unwrap();
        assert_eq!((last.media.id, last.is_recording), (newest.id, true));
        let nowhere = db.create_recording(LiveId::new(404), new_media(owner)).await;
        assert!(matches!(nowhere, Err(Error::UnknownPost)));
        assert_eq!(db.media_of(owner, None, 1).await.unwrap().count, POST_MEDIA_MAX as u64);
    }
}
