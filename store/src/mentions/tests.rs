use media::id::UserId;

use super::*;
use crate::{
    Audience, Comment, MessageType, NewComment, NewLive, NewMessage, NewPost, NewUser,
    Notification, NotificationKind, NotificationQuery, PostChange, PostId, PreferenceChange, Said,
    Switch, User,
    testing::{Fixture, NOW_MS, new_live, new_post, on_both},
};

async fn told(db: &Fixture, recipient: UserId) -> Vec<Notification> {
    let query = NotificationQuery { recipient, kind: None, is_read: None, page: 1, now_ms: NOW_MS };
    db.notifications(&query).await.unwrap().rows
}

/// How often a member was told that he was mentioned.
async fn mentions(db: &Fixture, recipient: UserId) -> usize {
    let rows = told(db, recipient).await;
    rows.iter().filter(|row| row.kind == NotificationKind::Mention).count()
}

async fn member_of(db: &Fixture, name: &str, commune: &str, quartier: &str) -> UserId {
    let quartier = Some(db.quartier(commune, quartier));
    db.create_user(NewUser { quartier, ..db.new_user(name) }).await.unwrap().id
}

async fn write(db: &Fixture, author: UserId, content: &str) -> PostId {
    let content = content.to_owned();
    db.create_post(NewPost { content, ..new_post(author) }).await.unwrap()
}

async fn edit(db: &Fixture, post: PostId, content: &str) {
    let content = Some(content.to_owned());
    assert!(db.update_post(post, PostChange { content, ..<_>::default() }, NOW_MS).await.unwrap());
}

async fn comment(db: &Fixture, post: PostId, author: &User, content: &str) -> Comment {
    let (parent, is_anonymous, content) = (None, None, content.to_owned());
    let new = NewComment { post, parent, author, content, is_anonymous, now_ms: NOW_MS };
    db.create_comment(new).await.unwrap()
}

on_both! {
    async fn who_is_named_in_a_post_is_told(db: Fixture) {
        let fatou = db.user_called("Fatou").await.id;
        let binta = db.user_called("Binta").await.id;
        let post = write(&db, fatou, "Merci @BINTA, et @personne !").await;
        let [row] = &told(&db, binta).await[..] else { panic!("not one") };
        assert_eq!((row.kind, row.post.as_ref().unwrap().id), (NotificationKind::Mention, post));
        assert_eq!((row.comment, row.excerpt.as_str()), (None, ""));
        assert_eq!(row.sender.as_ref().unwrap().id, fatou);
        assert_eq!(mentions(&db, fatou).await, 0);
    }

    async fn nobody_is_told_that_he_names_himself(db: Fixture) {
        let fatou = db.user_called("fatou").await.id;
        write(&db, fatou, "Signé : @fatou").await;
        assert!(told(&db, fatou).await.is_empty());
    }

    async fn a_post_that_changes_tells_those_whom_it_did_not_name_before(db: Fixture) {
        let fatou = db.user_called("fatou").await.id;
        let [binta, sekou] = [db.user_called("binta").await.id, db.user_called("sekou").await.id];
        let post = write(&db, fatou, "Avec @binta").await;
        let ids = async || told(&db, binta).await.iter().map(|row| row.id).collect::<Vec<_>>();
        let first = ids().await;
        edit(&db, post, "Avec @binta et @sekou").await;
        assert_eq!(mentions(&db, sekou).await, 1);
        assert_eq!(ids().await, first);
        // Taken out and put in again: not told again.
        edit(&db, post, "Avec @sekou").await;
        edit(&db, post, "Avec @sekou et @binta").await;
        assert_eq!(ids().await, first);
    }

    async fn a_text_in_another_commune_names_nobody_who_takes_no_part_in_it(db: Fixture) {
        let fatou = db.user_called("fatou").await;
        let near = member_of(&db, "near", "Kaloum", "Boulbinet").await;
        let far = member_of(&db, "far", "Dixinn", "Donka").await;
        let admin = member_of(&db, "admin", "Dixinn", "Donka").await;
        db.execute(format!("update users set role = 'admin' where id = {admin}")).await.unwrap();
        let nomad = db.create_user(NewUser { quartier: None, ..db.new_user("nomad") }).await;
        let post = write(&db, fatou.id, "@near @far @admin @nomad").await;
        let nomad = nomad.unwrap().id;
        let mut counts = Vec::new();
        for member in [near, far, admin, nomad] {
            counts.push(mentions(&db, member).await);
        }
        assert_eq!(counts, [1, 0, 1, 1]);
        let guest = db.user(far).await.unwrap().unwrap();
        comment(&db, post, &guest, "J'ai eu le lien").await;
        comment(&db, post, &fatou, "Merci @far").await;
        assert_eq!(mentions(&db, far).await, 1);
    }

    async fn a_comment_is_told_once_to_an_author_whom_it_names(db: Fixture) {
        let [fatou, binta] = [db.user_called("fatou").await, db.user_called("binta").await];
        let post = db.post_of(fatou.id).await;
        let said = comment(&db, post, &binta, "Bravo @fatou").await;
        let [row] = &told(&db, fatou.id).await[..] else { panic!("not one") };
        assert_eq!((row.kind, row.comment), (NotificationKind::Comment, Some(said.id.get())));
        // Who does not want to hear of comments may still want to hear of his name.
        let mut change = PreferenceChange::default();
        change.set(Switch::Comments, false);
        db.set_preferences(fatou.id, &change).await.unwrap();
        comment(&db, post, &binta, "Encore bravo @fatou").await;
        assert_eq!(mentions(&db, fatou.id).await, 1);
        change.set(Switch::Mention, false);
        db.set_preferences(fatou.id, &change).await.unwrap();
        comment(&db, post, &binta, "Toujours bravo @fatou").await;
        assert_eq!(mentions(&db, fatou.id).await, 1);
    }

    async fn a_comment_that_changes_tells_those_whom_it_did_not_name_before(db: Fixture) {
        let [fatou, binta] = [db.user_called("fatou").await, db.user_called("binta").await];
        let sekou = db.user_called("sekou").await.id;
        let post = db.post_of(fatou.id).await;
        let said = comment(&db, post, &binta, "Bravo").await;
        for _ in 0..2 {
            assert!(db.update_comment(said.id, "Bravo @sekou", None, NOW_MS).await.unwrap());
        }
        let [row] = &told(&db, sekou).await[..] else { panic!("not one") };
        assert_eq!((row.comment, &*row.excerpt), (Some(said.id.get()), "Bravo @sekou"));
        assert!(db.delete_comment(said.id).await.unwrap());
        assert!(told(&db, sekou).await.is_empty());
    }

    async fn who_names_without_his_name_is_not_named(db: Fixture) {
        let [fatou, binta] = [db.user_called("fatou").await, db.user_called("binta").await];
        let sekou = db.user_called("sekou").await.id;
        let content = "@sekou".to_owned();
        let secret = NewPost { is_anonymous: true, content, ..new_post(fatou.id) };
        let post = db.create_post(secret).await.unwrap();
        let said = comment(&db, post, &binta, "Oui").await;
        assert!(db.update_comment(said.id, "Oui @sekou", Some(true), NOW_MS).await.unwrap());
        let rows = told(&db, sekou).await;
        assert_eq!(rows.iter().map(|row| &row.sender).collect::<Vec<_>>(), [&None, &None]);
    }

    async fn what_is_said_beside_a_live_tells_those_it_is_for(db: Fixture) {
        let fatou = db.user_called("fatou").await.id;
        let near = member_of(&db, "near", "Kaloum", "Boulbinet").await;
        let here = member_of(&db, "here", "Kaloum", "Almamya").await;
        for (audience, expected) in [(Audience::Quartier, [0, 1]), (Audience::Public, [1, 1])] {
            let live = db.create_live(NewLive { audience, ..new_live(fatou) }).await.unwrap().id;
            let say = NewMessage {
                live,
                author: fatou,
                message_type: MessageType::Text,
                content: "Bonjour @near et @here".to_owned(),
                reply_to: None,
                now_ms: NOW_MS,
            };
            assert!(matches!(db.say(&say).await.unwrap(), Said::Yes { .. }));
            let counts = [mentions(&db, near).await, mentions(&db, here).await];
            // What is said next replaces what was told before.
            let Said::Yes { id, .. } = db.say(&say).await.unwrap() else { panic!("not said") };
            assert_eq!([mentions(&db, near).await, mentions(&db, here).await], counts);
            assert_eq!(counts, expected, "{audience:?}");
            assert_eq!(told(&db, here).await[0].excerpt, "Bonjour @near et @here");
            // Taken away, it is told no more.
            assert!(db.delete_message(live, id, NOW_MS).await.unwrap());
            assert_eq!([mentions(&db, near).await, mentions(&db, here).await], [0, 0]);
            db.execute(format!("delete from posts where id = {live}")).await.unwrap();
        }
    }

    async fn a_live_names_those_who_stand_in_its_title(db: Fixture) {
        let fatou = db.user_called("fatou").await.id;
        let binta = db.user_called("binta").await.id;
        let title = "Concert avec @binta".to_owned();
        db.create_live(NewLive { title, ..new_live(fatou) }).await.unwrap();
        assert_eq!(mentions(&db, binta).await, 1);
    }

    async fn a_list_of_names_tells_the_first_ten(db: Fixture) {
        let fatou = db.user_called("fatou").await.id;
        let mut members = Vec::new();
        for n in 0..=MENTIONS_MAX {
            members.push(db.user_called(&format!("m{n}")).await.id);
        }
        let names: Vec<String> = (0..=MENTIONS_MAX).map(|n| format!("@m{n}.")).collect();
        write(&db, fatou, &names.join(" ")).await;
        for (n, member) in members.into_iter().enumerate() {
            assert_eq!(mentions(&db, member).await, usize::from(n < MENTIONS_MAX), "{n}");
        }
    }
}

#[test]
fn a_name_begins_after_an_at_sign_and_ends_before_a_sentence_does() {
    for (text, names) in [
        ("@fatou", &["fatou"][..]),
        ("(@Fatou) l'@aïssatou", &["fatou", "aïssatou"]),
        ("avec @fatou.", &["fatou.", "fatou"]),
        ("@fatou... @fatou", &["fatou...", "fatou"]),
        ("@a.b+c-d_", &["a.b+c-d_"]),
        ("écrire à fatou@example.org", &[]),
        ("@ seul, @. et @@", &[]),
        ("@@fatou", &["@fatou"]),
        ("", &[]),
    ] {
        assert_eq!(newly_mentioned(text, ""), names, "{text}");
    }
    assert_eq!(newly_mentioned(&format!("@{}", "a".repeat(151)), ""), [""; 0]);
}

#[test]
fn a_name_that_stood_there_before_is_not_new() {
    assert_eq!(newly_mentioned("@fatou et @binta", "Bonjour @Fatou."), ["binta"]);
}
