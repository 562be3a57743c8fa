//! What the tests share: a store of their own on each database, gone when they end.

use std::{
    any::Any,
    future::Future,
    ops::Deref,
    panic::resume_unwind,
    sync::atomic::{AtomicU32, Ordering},
    time::{SystemTime, UNIX_EPOCH},
};

use media::id::{KeyHash, PlaybackName, UserId};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use crate::{
    Audience, By, Error, LiveRow, NewLive, NewPost, NewUser, PasswordHash, PostId, PostType,
    ProfileChange, QuartierId, Store, User,
    database::{reading, writing},
};

/// Makes two tests of each function: on SQLite, and on PostgreSQL. A test never passes because a
/// database is missing: without PostgreSQL it fails.
macro_rules! on_both {
    ($($(#[$attribute:meta])* async fn $name:ident($fixture:ident: Fixture) $body:block)+) => {
        $(
            mod $name {
                #[allow(unused_imports)]
                use super::*;

                async fn body($fixture: $crate::testing::Fixture) $body

                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_sqlite() {
                    $crate::testing::on_sqlite(body).await;
                }

                $(#[$attribute])*
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn on_postgres() {
                    $crate::testing::on_postgres(body).await;
                }
            }
        )+
    };
}
pub(crate) use on_both;

/// The time of every test, unless it says otherwise, in Unix milliseconds.
pub(crate) const NOW_MS: i64 = 1_750_000_000_000;

/// An empty store and what a test needs to fill it.
#[derive(Clone)]
pub(crate) struct Fixture {
    /// What [`Store::open`] was given.
    pub(crate) url: String,
    store: Store,
}

impl Deref for Fixture {
    type Target = Store;

    fn deref(&self) -> &Store {
        &self.store
    }
}

impl Fixture {
    async fn new(url: String) -> Self {
        let store = Store::open(&url).await.expect("the store opens");
        Self { url, store }
    }

    /// A store that is open already.
    pub(crate) fn of(store: Store) -> Self {
        Self { url: String::new(), store }
    }

    /// A quartier of a commune, by name.
    pub(crate) fn quartier(&self, commune: &str, name: &str) -> QuartierId {
        let mut quartiers = self.geography().quartiers().iter();
        quartiers.find(|q| q.name == name && q.commune.name == commune).expect("a place").id
    }

    /// An account to be made, living in Kaloum.
    pub(crate) fn new_user(&self, username: &str) -> NewUser {
        NewUser {
            username: username.to_owned(),
            email: format!("{username}@example.org"),
            password_hash: PasswordHash::new("$argon2id$secret"),
            first_name: username.to_owned(),
            last_name: "Camara".to_owned(),
            phone_number: String::new(),
            date_of_birth: None,
            bio: String::new(),
            quartier: Some(self.quartier("Kaloum", "Almamya")),
            now_ms: NOW_MS,
        }
    }

    /// An account made.
    pub(crate) async fn user_called(&self, username: &str) -> User {
        self.create_user(self.new_user(username)).await.expect("a new member")
    }

    /// What a member changes about himself.
    pub(crate) async fn change_profile(
        &self,
        id: UserId,
        change: ProfileChange,
    ) -> Result<User, Error> {
        self.update_user(id, change, &By::console(NOW_MS)).await
    }

    /// Runs a statement the store has no function for.
    pub(crate) async fn execute(&self, sql: String) -> Result<u64, Error> {
        Ok(writing!(&self.store.database, |pool| {
            let sql = AssertSqlSafe(sql.clone());
            sqlx::query(sql).execute(pool).await?.rows_affected()
        }))
    }

    /// The one number that a statement gives which the store has no function for.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let sql = AssertSqlSafe(sql.to_owned());
        let number: sqlx::Result<i64> = reading!(&self.store.database, |pool| {
            sqlx::query_scalar(sql).fetch_one(pool).await
        });
        number.expect("a number")
    }

    /// A post just written.
    pub(crate) async fn post_of(&self, author: UserId) -> PostId {
        self.create_post(new_post(author)).await.expect("a new post")
    }

    /// A live just asked for.
    pub(crate) async fn live_of(&self, author: UserId) -> LiveRow {
        self.create_live(new_live(author)).await.expect("a new live")
    }
}

/// A post to be written.
pub(crate) fn new_post(author: UserId) -> NewPost {
    NewPost {
        author,
        title: "Marché".to_owned(),
        content: "Le marché de Madina est ouvert".to_owned(),
        post_type: PostType::Event,
        is_anonymous: false,
        media: Vec::new(),
        now_ms: NOW_MS,
    }
}

/// A live to be made, with a key and a name that no other has.
pub(crate) fn new_live(author: UserId) -> NewLive {
    let n = next_number();
    let mut bits = [0; 10];
    bits[..4].copy_from_slice(&n.to_be_bytes());
    NewLive {
        author,
        title: "Fête de quartier".to_owned(),
        description: "En direct de la place".to_owned(),
        content: "Live démarré !".to_owned(),
        audience: Audience::Public,
        downloads_allowed: false,
        key_hash: key_hash(n),
        playback_name: PlaybackName::from_random(bits),
        now_ms: NOW_MS,
    }
}

/// The hash of a key that exists only as a number.
pub(crate) fn key_hash(n: u32) -> KeyHash {
    let mut hash = [0; 32];
    hash[..4].copy_from_slice(&n.to_be_bytes());
    KeyHash(hash)
}

/// A number no other caller of this process gets.
pub(crate) fn next_number() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Runs a test on a SQLite file of its own.
pub(crate) async fn on_sqlite<F>(body: impl FnOnce(Fixture) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let folder = tempfile::tempdir().expect("a folder");
    let url = format!("sqlite:{}", folder.path().join("data/live.db").display());
    let fixture = Fixture::new(url).await;
    let store = fixture.store.clone();
    let outcome = tokio::spawn(body(fixture)).await;
    store.close().await;
    pass_on(outcome);
}

/// Runs a test on a PostgreSQL database of its own, dropped whatever becomes of the test.
pub(crate) async fn on_postgres<F>(body: impl FnOnce(Fixture) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let server = postgres_server();
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock");
    let name = format!(
        "communiconnect_test_{}_{}_{}",
        since_epoch.as_millis(),
        std::process::id(),
        next_number()
    );
    let mut admin = PgConnection::connect(&server).await.expect("the PostgreSQL of the tests");
    let create = format!("create database {name}");
    sqlx::query(AssertSqlSafe(create)).execute(&mut admin).await.expect("a new database");

    let (address, _) = server.rsplit_once('/').expect("an address that ends in a database");
    let fixture = Fixture::new(format!("{address}/{name}")).await;
    let store = fixture.store.clone();
    let outcome = tokio::spawn(body(fixture)).await;
    store.close().await;
    let drop = format!("drop database {name} with (force)");
    sqlx::query(AssertSqlSafe(drop)).execute(&mut admin).await.expect("the database goes");
    pass_on(outcome);
}

/// The address of the server the test command has started.
pub(crate) fn postgres_server() -> String {
    std::env::var("TEST_DATABASE_URL").expect(
        "TEST_DATABASE_URL is not set, and every test also runs on PostgreSQL: use `make test`, or \
         eval \"$(scripts/postgres.sh start)\" first",
    )
}

fn pass_on(outcome: Result<(), tokio::task::JoinError>) {
    if let Err(error) = outcome {
        let panic: Box<dyn Any + Send> = error.into_panic();
        resume_unwind(panic);
    }
}
