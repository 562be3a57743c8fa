//! How often a request asks the database.
//!
//! A program of its own, with one test: what the database is asked is told by threads of its own,
//! so that all are listened to, and tests beside this one would be heard too.

#![allow(clippy::unwrap_used)]

// Under the short name the other crates use.
extern crate communiconnect_api as api;

// Shared with the tests of the contract, which use all of it.
#[allow(dead_code)]
#[path = "contract/house.rs"]
mod house;

use std::{
    fmt::Debug,
    sync::{Arc, Mutex},
};

use api::Rate;
use serde_json::json;
use tracing::field::{Field, Visit};
use tracing_subscriber::{Layer, layer::SubscriberExt};

use crate::house::{House, Member, config};

/// Most statements of one page: who asks, how many there are, the page itself with its authors and
/// lives, likes, comments, files, which of them the reader likes.
const MOST: usize = 7;

#[tokio::test]
async fn a_page_of_twenty_takes_no_more_statements_than_a_page_of_one() {
    let statements = Statements::default();
    let subscriber = tracing_subscriber::registry().with(statements.clone());
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let mut config = config();
    config.limits.user = Rate { burst: 10_000, per_minute: 60 };
    config.limits.writing = Rate { burst: 10_000, per_minute: 60 };
    config.limits.address = Rate { burst: 10_000, per_minute: 60 };
    let house = House::with(config).await;
    let mut members = Vec::new();
    for n in 0..4 {
        members.push(house.member(&format!("member{n}")).await);
    }
    let first = busy_post(&house, &members).await;
    let pages = [
        "/api/posts/".to_owned(),
        "/api/posts/?search=diallo&sort=-likes_count".to_owned(),
        format!("/api/posts/user/{}/", members[0].id),
        format!("{first}comments/"),
        first,
    ];
    let mut of_one = Vec::new();
    for page in &pages {
        of_one.push(asked_for(&house, &statements, page, &members[1]).await);
    }
    for _ in 0..19 {
        busy_post(&house, &members).await;
    }
    let rows = house.get("/api/posts/", &members[1]).await.body["results"].clone();
    assert_eq!(rows.as_array().unwrap().len(), 20);
    assert!(rows.as_array().unwrap().iter().all(
        |post| post["comments"][0]["replies"][0].is_object()
            && post["likes"][3].is_object()
            && post["is_liked_by_user"] == true
    ));
    for (page, of_one) in pages.iter().zip(of_one) {
        let asked = asked_for(&house, &statements, page, &members[1]).await;
        assert_eq!(asked.len(), of_one.len(), "{page}: {asked:#?}");
        assert!((1..=MOST).contains(&asked.len()), "{page}: {asked:#?}");
    }

    // Whoever asks for the same page at once is told who he is and what he likes.
    let page = "/api/posts/";
    asked_for(&house, &statements, page, &members[1]).await;
    let again = asked_again(&house, &statements, page, &members[2]).await;
    assert_eq!(again.len(), 2, "{again:#?}");
    house
        .write(&format!("{}like/", busy_post(&house, &members[..1]).await), &members[2], json!({}))
        .await;
    let after = asked_again(&house, &statements, page, &members[2]).await;
    assert_eq!(after.len(), MOST, "something was written: {after:#?}");
}

/// The statements of one request, when nobody has asked for the same lately.
async fn asked_for(
    house: &House,
    statements: &Statements,
    path: &str,
    member: &Member,
) -> Vec<String> {
    house.pass_s(1);
    asked_again(house, statements, path, member).await
}

async fn asked_again(
    house: &House,
    statements: &Statements,
    path: &str,
    member: &Member,
) -> Vec<String> {
    statements.0.lock().unwrap().clear();
    assert_eq!(house.get(path, member).await.status, http::StatusCode::OK, "{path}");
    statements.0.lock().unwrap().clone()
}

/// A post that everybody likes, comments and answers.
async fn busy_post(house: &House, members: &[Member]) -> String {
    let post = house.write("/api/posts/", &members[0], json!({"content": "Bonjour"})).await;
    let post = format!("/api/posts/{}/", post["id"]);
    for member in members {
        house.write(&format!("{post}like/"), member, json!({})).await;
        let said = json!({"content": "Bravo"});
        let comment = house.write(&format!("{post}comments/"), member, said.clone()).await;
        let reply = format!("/api/posts/comments/{}/reply/", comment["id"]);
        house.write(&reply, &members[0], said).await;
    }
    post
}

/// What the database was asked.
#[derive(Clone, Default)]
struct Statements(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            let mut statement = Text::default();
            event.record(&mut statement);
            // How a connection is set up when it is opened, whoever asks first.
            if !statement.0.starts_with("PRAGMA") {
                self.0.lock().unwrap().push(statement.0);
            }
        }
    }
}

/// The first words of a statement.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "summary" {
            value.clone_into(&mut self.0);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "summary" {
            self.0 = format!("{value:?}");
        }
    }
}
