//! Anonymous posts and comments: they name their author to nobody but himself, wherever they show.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::house::{House, Member, account, png, signed_in};

/// A place where Mariama has written without her name, and others with theirs.
struct Place {
    house: House,
    mariama: Member,
    binta: Member,
    post: String,
}

/// What would give her away.
const HER: [&str; 3] = ["mariama", "Mariama", "Soumah"];

impl Place {
    async fn new() -> Self {
        let house = House::new().await;
        let binta = house.member("binta").await;
        let mut form = account("mariama");
        form["first_name"] = json!("Mariama");
        form["last_name"] = json!("Soumah");
        form["quartier"] = json!(house.quartier("Dixinn"));
        let mariama = signed_in(&house.post("/api/users/register/", form).await);
        let body = json!({"content": "Une question", "is_anonymous": true});
        let post = house.write("/api/posts/", &mariama, body).await;
        let post = format!("/api/posts/{}/", post["id"]);
        Self { house, mariama, binta, post }
    }

    async fn comment(&self, member: &Member, body: Value) -> Value {
        self.house.write(&format!("{}comments/", self.post), member, body).await
    }

    /// Every answer in which the post, or what was made of it, shows.
    fn everywhere(&self) -> Vec<String> {
        vec![
            "/api/posts/".to_owned(),
            "/api/posts/?search=question".to_owned(),
            "/api/posts/?sort=-likes_count".to_owned(),
            self.post.clone(),
            format!("{}comments/", self.post),
            self.post.replace("/posts/", "/posts/posts/") + "shares/",
            self.post.replace("/posts/", "/posts/posts/") + "external-shares/",
            "/api/notifications/".to_owned(),
        ]
    }

    /// Reads everything as Binta does and finds nothing of Mariama in it, `hidden` times nobody.
    async fn assert_unnamed(&self, more: &[String]) {
        for path in self.everywhere().iter().chain(more) {
            let answer = self.house.get(path, &self.binta).await;
            assert_eq!(answer.status, StatusCode::OK, "{path}");
            for word in HER {
                assert!(!answer.text.contains(word), "{path}: {word} in {}", answer.text);
            }
            assert!(!has_id(&answer.body, self.mariama.id), "{path}: {}", answer.text);
        }
    }
}

/// Whether an author or a user in the answer has this id.
fn has_id(value: &Value, id: i64) -> bool {
    match value {
        Value::Array(values) => values.iter().any(|value| has_id(value, id)),
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            (name == "author" || name == "user") && value["id"] == id || has_id(value, id)
        }),
        _ => false,
    }
}

/// Defect 8.
#[tokio::test]
async fn an_anonymous_post_names_its_author_to_himself_alone() {
    let place = Place::new().await;
    place.assert_unnamed(&[]).await;
    let read = place.house.get(&place.post, &place.binta).await.body;
    assert_eq!(read["is_anonymous"], true);
    assert_eq!(read["author"]["id"], Value::Null);
    for empty in ["first_name", "last_name", "full_name", "username"] {
        assert_eq!(read["author"][empty], "", "{empty}");
    }
    assert_eq!(read["author"]["profile_picture"], Value::Null);
    for path in ["/api/posts/", &format!("/api/posts/user/{}/", place.mariama.id)] {
        let list = place.house.get(path, &place.mariama).await.body;
        assert_eq!(list["results"][0]["author"]["id"], place.mariama.id, "{path}");
    }
}

/// Defect 8: asked for by their author, anonymous posts would be named by the question.
#[tokio::test]
async fn the_posts_of_a_member_leave_out_the_anonymous_for_others() {
    let place = Place::new().await;
    let open = place.house.write("/api/posts/", &place.mariama, json!({"content": "Ouvert"})).await;
    let path = format!("/api/posts/user/{}/", place.mariama.id);
    for query in ["", "?search=question", "?type=info", "?is_live_post=false", "?sort=created_at"] {
        let list = place.house.get(&format!("{path}{query}"), &place.binta).await.body;
        let ids: Vec<&Value> =
            list["results"].as_array().unwrap().iter().map(|post| &post["id"]).collect();
        let expected = if query.contains("search") { vec![] } else { vec![&open["id"]] };
        assert_eq!(list["count"], expected.len(), "{query}");
        assert_eq!(ids, expected, "{query}");
    }
    assert_eq!(place.house.get(&path, &place.mariama).await.body["count"], 2);
    let found = place.house.get("/api/posts/?search=mariama", &place.binta).await.body;
    assert_eq!(found["results"][0]["id"], open["id"]);
    assert_eq!(found["count"], 1);
}

/// Defect 8.
#[tokio::test]
async fn an_anonymous_comment_names_its_author_to_himself_alone() {
    let place = Place::new().await;
    let above = place.comment(&place.binta, json!({"content": "Laquelle ?"})).await;
    let body = json!({
        "content": "Celle-ci", "is_anonymous": true, "parent_comment": above["id"],
    });
    let hidden = place.comment(&place.mariama, body).await;
    assert_eq!(hidden["author"]["id"], place.mariama.id, "her own answer");
    let path = format!("/api/posts/comments/{}/", hidden["id"]);
    let thread = format!("/api/posts/comments/{}/", above["id"]);
    place.assert_unnamed(&[path.clone(), thread.clone()]).await;
    let read = place.house.get(&path, &place.binta).await.body;
    assert_eq!((&read["is_anonymous"], &read["author"]["id"]), (&json!(true), &Value::Null));
    let read = place.house.get(&thread, &place.mariama).await.body;
    assert_eq!(read["replies"][0]["author"]["id"], place.mariama.id);
    let answer = place
        .house
        .call(Method::PUT, &path, Some(&place.binta), Some(json!({"content": "Pris"})))
        .await;
    assert!(!answer.text.contains("ariama"));
}

#[tokio::test]
async fn the_author_of_an_anonymous_post_answers_without_being_named() {
    let place = Place::new().await;
    let above = place.comment(&place.binta, json!({"content": "Laquelle ?"})).await;
    // The client has no way to say more in a reply.
    let path = format!("/api/posts/comments/{}/reply/", above["id"]);
    let reply = place.house.write(&path, &place.mariama, json!({"content": "Celle-ci"})).await;
    assert_eq!(reply["is_anonymous"], true);
    place.comment(&place.mariama, json!({"content": "Merci"})).await;
    place.assert_unnamed(&[]).await;
    let body = json!({"content": "C'est moi", "is_anonymous": false});
    let named = place.comment(&place.mariama, body).await;
    let path = format!("/api/posts/comments/{}/", named["id"]);
    assert_eq!(place.house.get(&path, &place.binta).await.body["author"]["id"], place.mariama.id);
}

#[tokio::test]
async fn the_author_of_an_anonymous_post_likes_it_without_being_named() {
    let place = Place::new().await;
    let like = format!("{}like/", place.post);
    let own = place.house.write(&like, &place.mariama, json!({})).await;
    assert_eq!(own["user"]["id"], place.mariama.id);
    place.house.write(&like, &place.binta, json!({})).await;
    place.assert_unnamed(&[]).await;
    let read = place.house.get(&place.post, &place.binta).await.body;
    assert_eq!(read["likes"][0]["user"]["id"], place.binta.id);
    assert_eq!(read["likes"][1]["user"]["id"], Value::Null);
    let read = place.house.get(&place.post, &place.mariama).await.body;
    assert_eq!(read["likes"][1]["user"]["id"], place.mariama.id);
}

#[tokio::test]
async fn the_author_of_an_anonymous_post_shares_it_without_being_named() {
    let place = Place::new().await;
    let post = place.post.replace("/posts/", "/posts/posts/");
    for (list, body) in [
        ("share", json!({"comment": "À lire"})),
        ("share-external", json!({"platform": "whatsapp"})),
    ] {
        for member in [&place.mariama, &place.binta] {
            place.house.write(&format!("{post}{list}/"), member, body.clone()).await;
        }
    }
    place.assert_unnamed(&[]).await;
    for list in ["shares", "external-shares"] {
        let path = format!("{post}{list}/");
        for (reader, hers) in
            [(&place.binta, Value::Null), (&place.mariama, json!(place.mariama.id))]
        {
            let rows = place.house.get(&path, reader).await.body["results"].clone();
            assert_eq!(rows[0]["user"]["id"], place.binta.id, "{list}");
            assert_eq!(rows[1]["user"]["id"], hers, "{list}");
        }
    }
}

#[tokio::test]
async fn media_of_an_anonymous_post_tell_nothing_of_their_author() {
    let place = Place::new().await;
    let media = place.house.bring(&place.mariama, &png(4, 4, 4)).await.body;
    let one = format!("/api/posts/media/{}/", media["id"]);
    let title = json!({"title": "CV Mariama Soumah"});
    place.house.call(Method::PUT, &one, Some(&place.mariama), Some(title)).await;
    let body =
        json!({"content": "Une question", "is_anonymous": true, "media_files": [media["id"]]});
    let post = place.house.write("/api/posts/", &place.mariama, body).await;
    let post = format!("/api/posts/{}/", post["id"]);
    place.assert_unnamed(&[post.clone(), one.clone()]).await;
    let own = place.house.get(&post, &place.mariama).await.body;
    assert_eq!(own["media_files"][0]["title"], "CV Mariama Soumah");
}

#[tokio::test]
async fn a_post_made_anonymous_later_is_so_at_once() {
    let place = Place::new().await;
    let open = place.house.write("/api/posts/", &place.mariama, json!({"content": "Ouvert"})).await;
    let path = format!("/api/posts/{}/", open["id"]);
    let body = Some(json!({"is_anonymous": true}));
    let changed = place.house.call(Method::PATCH, &path, Some(&place.mariama), body).await;
    assert_eq!(changed.body["author"]["id"], place.mariama.id);
    place.assert_unnamed(&[path]).await;
}

/// A live that becomes anonymous before anybody publishes it.
async fn anonymous_live(place: &Place) -> Value {
    let live = place.house.start_live(&place.mariama).await;
    let path = format!("/api/posts/{}/", live["id"]);
    let body = Some(json!({"is_anonymous": true}));
    let hidden = place.house.call(Method::PATCH, &path, Some(&place.mariama), body).await;
    assert_eq!(hidden.status, StatusCode::OK, "{}", hidden.text);
    live
}

#[tokio::test]
async fn the_author_of_an_anonymous_live_speaks_there_without_being_named() {
    let place = Place::new().await;
    let live = anonymous_live(&place).await;
    let chat = format!("/api/posts/live/{}/chat/", live["id"]);
    let said = json!({"content": "@binta, à gauche"});
    let own = place.house.write(&chat, &place.mariama, said).await;
    assert_eq!(own["author"]["id"], place.mariama.id, "her own");
    place.house.write(&chat, &place.binta, json!({"content": "Merci"})).await;
    let again = format!("{chat}messages/");
    place.assert_unnamed(&[chat.clone(), again]).await;
    let nobody = json!({"id": null, "first_name": "", "last_name": "", "profile_picture": null});
    let read = place.house.get(&chat, &place.binta).await.body;
    assert_eq!((&read[0]["author"], &read[1]["author"]["id"]), (&nobody, &json!(place.binta.id)));
    let read = place.house.get(&chat, &place.mariama).await.body;
    assert_eq!(read[0]["author"]["id"], place.mariama.id);
    let told = place.house.get("/api/notifications/", &place.binta).await.body;
    let told = &told["results"][0];
    assert_eq!(told["title"], "Quelqu'un vous a mentionné dans le chat d'un live");
    assert_eq!(told["sender"], Value::Null);
}

#[tokio::test]
async fn whose_an_anonymous_live_is_is_told_neither_when_it_begins_nor_when_it_ends() {
    let place = Place::new().await;
    let live = anonymous_live(&place).await;
    let chat = format!("/api/posts/live/{}/chat/", live["id"]);
    place.house.write(&chat, &place.binta, json!({"content": "Bonjour"})).await;
    let tell = async || {
        while place.house.store.announce_lives(place.house.now_ms()).await.unwrap() {}
    };
    place.house.publish(live["id"].as_i64().unwrap()).await;
    tell().await;
    let watched = format!("/api/lives/{}/", live["playback_name"].as_str().unwrap());
    place.assert_unnamed(std::slice::from_ref(&watched)).await;
    let stop = format!("/api/posts/live/{}/stop/", live["id"]);
    place.house.call(Method::PUT, &stop, Some(&place.mariama), Some(json!({}))).await;
    tell().await;
    place.assert_unnamed(&[watched]).await;
    let told = place.house.get("/api/notifications/", &place.binta).await.body;
    let titles = [0, 1].map(|n| told["results"][n]["title"].clone());
    assert_eq!(titles, ["Quelqu'un a terminé son live", "Quelqu'un a démarré un live"]);
}

#[tokio::test]
async fn what_the_author_of_a_post_said_of_it_becomes_anonymous_with_it() {
    let place = Place::new().await;
    let open = place.house.write("/api/posts/", &place.mariama, json!({"content": "Ouvert"})).await;
    let post = format!("/api/posts/{}/", open["id"]);
    let comments = format!("{post}comments/");
    let asked = place.house.write(&comments, &place.binta, json!({"content": "Où ?"})).await;
    let reply = json!({"content": "@binta ici", "parent_comment": asked["id"]});
    place.house.write(&comments, &place.mariama, reply).await;
    let body = Some(json!({"is_anonymous": true}));
    place.house.call(Method::PATCH, &post, Some(&place.mariama), body).await;
    place.assert_unnamed(&[post, comments.clone()]).await;
    let read = place.house.get(&comments, &place.mariama).await.body;
    assert_eq!(read["results"][0]["replies"][0]["author"]["id"], place.mariama.id);
    assert_eq!(read["results"][0]["author"]["id"], place.binta.id);
}
