use super::*;
use crate::{
    LiveState, NewLive,
    testing::{Fixture, NOW_MS, new_live, on_both},
};

async fn say(db: &Fixture, live: LiveId, author: UserId, content: &str) -> Option<i64> {
    let (message_type, content) = (MessageType::Text, content.to_owned());
    let new = NewMessage { live, author, message_type, content, reply_to: None, now_ms: NOW_MS };
    id(db.say(&new).await.unwrap())
}

fn id(said: Said) -> Option<i64> {
    if let Said::Yes { id, .. } = said { Some(id) } else { None }
}

async fn words(db: &Fixture, live: LiveId, after: Option<i64>) -> Vec<String> {
    let messages = db.messages(live, after).await.unwrap();
    messages.into_iter().map(|message| message.content).collect()
}

on_both! {
    async fn what_is_said_is_read_oldest_first_with_who_said_it(db: Fixture) {
        let author = db.user_called("fatou").await;
        let live = db.live_of(author.id).await.id;
        let first = say(&db, live, author.id, "Bonjour").await.unwrap();
        let reader = db.user_called("binta").await.id;
        let new = NewMessage {
            live, author: reader, message_type: MessageType::Emoji, content: "👏\0".to_owned(),
            reply_to: Some(first), now_ms: NOW_MS + 1,
        };
        let second = id(db.say(&new).await.unwrap()).unwrap();
        let messages = db.messages(live, None).await.unwrap();
        assert_eq!(messages.iter().map(|message| message.id).collect::<Vec<_>>(), [first, second]);
        assert_eq!((messages[0].author.id, &*messages[0].author.first_name), (author.id, "fatou"));
        assert_eq!(messages[0].message_type, MessageType::Text);
        assert_eq!((messages[1].author.id, messages[1].created_ms), (reader, NOW_MS + 1));
        assert_eq!((messages[1].message_type, &*messages[1].content), (MessageType::Emoji, "👏\u{fffd}"));
    }

    /// Defect 36.
    async fn what_was_said_is_read_after_the_end_and_nothing_is_added(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let live = db.live_of(author).await.id;
        say(&db, live, author, "Bonjour").await.unwrap();
        let from = [LiveState::Created];
        db.set_live_state(live, &from, LiveState::Ended, NOW_MS).await.unwrap();
        assert_eq!(say(&db, live, author, "Trop tard").await, None);
        assert_eq!(words(&db, live, None).await, ["Bonjour"]);
    }

    async fn an_answer_is_bounded_and_the_rest_is_asked_for_by_id(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let live = db.live_of(author).await.id;
        let mut ids = Vec::new();
        for n in 0..230 {
            ids.push(say(&db, live, author, &n.to_string()).await.unwrap());
        }
        let newest = words(&db, live, None).await;
        assert_eq!((newest.len(), &*newest[0], &*newest[99]), (100, "130", "229"));
        let first = words(&db, live, Some(0)).await;
        assert_eq!((first.len(), &*first[0], &*first[99]), (100, "0", "99"));
        let last = words(&db, live, Some(ids[199])).await;
        assert_eq!((last.len(), &*last[0], &*last[29]), (30, "200", "229"));
        assert!(words(&db, live, Some(ids[229])).await.is_empty());
        assert!(words(&db, live, Some(i64::MAX)).await.is_empty());
    }

    async fn each_live_has_a_chat_of_its_own(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let other = db.user_called("binta").await.id;
        let (live, another) = (db.live_of(author).await.id, db.live_of(other).await.id);
        say(&db, live, author, "ici").await.unwrap();
        say(&db, another, author, "là").await.unwrap();
        assert_eq!(words(&db, live, Some(0)).await, ["ici"]);
        assert_eq!(words(&db, another, None).await, ["là"]);
    }

    async fn a_room_says_whom_it_is_for(db: Fixture) {
        let author = db.user_called("fatou").await;
        for audience in [Audience::Public, Audience::Quartier] {
            let new = NewLive { audience, ..new_live(author.id) };
            let live = db.create_live(new).await.unwrap();
            let playback_name = live.playback_name;
            let live = live.id;
            let room = db.chat_room(live).await.unwrap().unwrap();
            let quartier = author.quartier.as_ref().unwrap().id;
            assert_eq!(room, ChatRoom {
 author: author.id, quartier, audience, slow_mode_s: 0, playback_name, state: LiveState::Created });
        }
        assert_eq!(db.chat_room(LiveId::new(404)).await.unwrap(), None);
        assert_eq!(say(&db, LiveId::new(404), author.id, "Allô ?").await, None);
    }
}

#[test]
fn a_type_reads_back_as_it_is_stored() {
    for kind in [MessageType::Text, MessageType::Emoji, MessageType::Reaction] {
        assert_eq!(MessageType::parse(kind.as_str()), Some(kind));
    }
    assert_eq!(MessageType::parse("zzz"), None);
}

on_both! {
    async fn slow_mode_holds_everybody_but_the_author_of_the_live(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let reader = db.user_called("binta").await.id;
        let live = db.live_of(author).await.id;
        assert!(db.set_slow_mode(live, 10).await.unwrap());
        assert_eq!(db.chat_room(live).await.unwrap().unwrap().slow_mode_s, 10);
        let say = async |author, now_ms| {
            db.say(&NewMessage { now_ms, ..message(live, author) }).await.unwrap()
        };
        assert!(matches!(say(reader, NOW_MS).await, Said::Yes { .. }));
        assert_eq!(say(reader, NOW_MS + 9_999).await, Said::TooSoon { wait_ms: 1 });
        assert!(matches!(say(reader, NOW_MS + 10_000).await, Said::Yes { .. }));
        assert!(matches!(say(author, NOW_MS).await, Said::Yes { .. }));
        assert!(matches!(say(author, NOW_MS).await, Said::Yes { .. }));
        assert!(!db.set_slow_mode(LiveId::new(live.get() + 1), 10).await.unwrap());
    }

    async fn who_is_banned_writes_beside_other_lives_and_here_once_let_back(db: Fixture) {
        let (author, other) =
            (db.user_called("fatou").await.id, db.user_called("aissatou").await.id);
        let reader = db.user_called("binta").await.id;
        let (live, another) = (db.live_of(author).await.id, db.live_of(other).await.id);
        for _ in 0..2 {
            assert!(db.ban_from_chat(live, reader, NOW_MS).await.unwrap());
        }
        assert!(!db.ban_from_chat(live, UserId::new(reader.get() + 9), NOW_MS).await.unwrap());
        assert!(db.is_banned_from_chat(live, reader).await.unwrap());
        assert_eq!(db.say(&message(live, reader)).await.unwrap(), Said::Banned);
        assert!(matches!(db.say(&message(another, reader)).await.unwrap(), Said::Yes { .. }));
        assert!(db.unban_from_chat(live, reader).await.unwrap());
        assert!(!db.unban_from_chat(live, reader).await.unwrap());
        assert!(matches!(db.say(&message(live, reader)).await.unwrap(), Said::Yes { .. }));
    }

    async fn of_a_message_taken_away_the_id_remains_and_nothing_answers_it(db: Fixture) {
        let author = db.user_called("fatou").await.id;
        let other = db.user_called("binta").await.id;
        let (live, another) = (db.live_of(author).await.id, db.live_of(other).await.id);
        let first = say(&db, live, author, "Bonjour").await.unwrap();
        let second = say(&db, live, author, "encore").await.unwrap();
        assert_eq!(db.message_author(live, first).await.unwrap(), Some(author));
        assert!(!db.delete_message(another, first, NOW_MS).await.unwrap());
        assert!(db.delete_message(live, first, NOW_MS).await.unwrap());
        assert!(!db.delete_message(live, first, NOW_MS).await.unwrap());
        assert_eq!(db.message_author(live, first).await.unwrap(), None);
        assert_eq!(words(&db, live, None).await, ["encore"]);
        assert_eq!(words(&db, live, Some(0)).await, ["encore"]);
        assert_eq!(db.deleted_messages(live, second).await.unwrap(), [first]);
        assert!(db.deleted_messages(live, first - 1).await.unwrap().is_empty());
        assert_eq!(
            db.number("select count(*) from live_messages where content = 'Bonjour'").await,
            0
        );
        for (beside, reply_to) in [(live, first), (another, second)] {
            let answer = NewMessage { reply_to: Some(reply_to), ..message(beside, author) };
            assert_eq!(db.say(&answer).await.unwrap(), Said::NoSuchMessage);
        }
        let answer = NewMessage { reply_to: Some(second), ..message(live, other) };
        assert!(matches!(db.say(&answer).await.unwrap(), Said::Yes { .. }));
        assert_eq!(db.messages(live, Some(second)).await.unwrap()[0].reply_to, Some(second));
    }
}

fn message(live: LiveId, author: UserId) -> NewMessage {
    let (message_type, content) = (MessageType::Text, "Bonjour".to_owned());
    NewMessage { live, author, message_type, content, reply_to: None, now_ms: NOW_MS }
}
