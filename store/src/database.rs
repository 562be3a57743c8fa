//! The connections: which database, how many, how they are set up.
//!
//! Here: pools, limits, migrations, and the macros that write a statement once for both databases.
//! Not here: any statement about members, posts or lives.

use std::{
    fs,
    io::{self, ErrorKind},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    str::FromStr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{
    ConnectOptions, Connection, PgConnection, PgPool, SqlitePool,
    migrate::{Migration, MigrationType, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, Geography, geography::seed};

/// How long a caller waits for a connection, or for PostgreSQL to accept one, before it is told
/// that the database is not available: longer than any burst of ours, shorter than a browser waits.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// How long SQLite waits for another process (a backup, the `sqlite3` shell) to release the file.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connections that read a SQLite file. Each is a thread; statements take well under a millisecond,
/// so a few are enough.
const SQLITE_READERS: u32 = 4;

/// Pages that each connection to a SQLite file keeps, in KiB, as `pragma cache_size` has it. A search reads some
/// megabytes of its index; a small file never fills it.
const SQLITE_CACHE_KIB: &str = "-16384";

/// Connections to PostgreSQL: a tenth of what its default configuration offers to everybody
/// (`max_connections` = 100), so that others fit beside us.
const POSTGRES_CONNECTIONS: u32 = 10;

/// A connection to PostgreSQL that was not used for so long is tried before it is.
const RESTED: Duration = Duration::from_secs(1);

/// Longest statement PostgreSQL works on for us, in milliseconds. Ours take a few.
const POSTGRES_STATEMENT_TIMEOUT_MS: &str = "10000";

/// The pools of the database in use.
#[derive(Clone)]
pub(crate) enum Database {
    /// A file of ours. SQLite has one writer at a time: with a pool of one, callers queue here, in
    /// order, and never meet `SQLITE_BUSY`. Readers see the last commit and are never blocked (WAL).
    Sqlite {
        /// The one connection that writes.
        writer: SqlitePool,
        /// Those that only read.
        reader: SqlitePool,
        /// What has been written through them.
        writes: Writes,
    },
    /// A server, and what has been written to it by us.
    Postgres(PgPool, Writes),
}

/// How often this process has written to the database. What was read at one number is what is there as
/// long as the number stays, but for what other programs write.
#[derive(Clone, Default)]
pub(crate) struct Writes(Arc<AtomicU64>);

/// Something is being written; counted when it is over, whatever came of it.
#[must_use = "dropping it counts the write"]
pub(crate) struct Writing<'a>(&'a Writes);

impl Drop for Writing<'_> {
    fn drop(&mut self) {
        self.0.0.fetch_add(1, Ordering::AcqRel);
    }
}

/// The advisory lock of the one server of a PostgreSQL database: "CommLive" in ASCII.
const OWNER_LOCK: i64 = 0x436f_6d6d_4c69_7665;

/// Who opens a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Opening {
    /// The server, which brings its tables up to date.
    Own,
    /// Somebody beside it.
    Join,
}

/// Refuses a database whose tables are not those of the migrations.
macro_rules! check_steps {
    ($migrator:expr, $connection:expr) => {{
        let applied: Vec<i64> = sqlx::query_scalar(
            "select version from _sqlx_migrations where success order by version",
        )
        .fetch_all($connection)
        .await
        .map_err(|_| Error::Migration("no server has opened it yet".to_owned()))?;
        let known: Vec<i64> = $migrator.iter().map(|step| step.version).collect();
        if applied != known {
            return Err(Error::Migration(
                "it is that of another version: start the server of this one first".to_owned(),
            ));
        }
    }};
}

/// The right to be the one server of a database. Given back on drop.
#[must_use = "dropping it gives the database to the next server"]
#[derive(Debug)]
pub struct Ownership(#[expect(dead_code, reason = "held for its lock")] Option<PgConnection>);

/// Evaluates an expression on the pool that reads, once for each kind of database.
macro_rules! reading {
    ($database:expr, |$pool:ident| $body:expr) => {
        match $database {
            $crate::database::Database::Sqlite { reader: $pool, .. } => $body,
            $crate::database::Database::Postgres($pool, _) => $body,
        }
    };
}

/// How often a write is tried again in whose way others stood.
pub(crate) const TRIES_MORE: u32 = 5;

/// Runs a block until no other transaction of PostgreSQL stands in its way, so often and no more; it
/// is left by `return` and `?` as any other. Two who wait for each other's rows are no fault of
/// either, and rows have no order that everybody takes: of one of the two nothing is done, and it
/// comes again at once.
macro_rules! until_done {
    ($body:expr) => {{
        let mut tries_more = $crate::database::TRIES_MORE;
        loop {
            let mut done = None;
            let left = $crate::database::left_by(async {
                done = Some($body);
                $crate::database::at_its_end()
            })
            .await;
            match (done, left) {
                (Some(value), _) => break value,
                (None, Err(error)) if tries_more > 0 && error.is_contention() => tries_more -= 1,
                (None, left) => return left,
            }
        }
    }};
}

/// Evaluates an expression on the pool that writes, once for each kind of database.
macro_rules! writing {
    ($database:expr, |$pool:ident| $body:expr) => {{
        let _writing = $database.writing();
        match $database {
            $crate::database::Database::Sqlite { writer: $pool, .. } => $body,
            $crate::database::Database::Postgres($pool, _) => {
                $crate::database::until_done!($body)
            }
        }
    }};
}

/// Runs a block in a transaction and commits it; a `return` or `?` inside rolls back. In PostgreSQL it
/// may run again ([`until_done`]): it takes nothing away from what is around it.
///
/// SQLite takes the write lock at once (`begin immediate`): a transaction that reads first and asks
/// for the lock later is refused when another process has written in between.
macro_rules! transaction {
    ($database:expr, |$transaction:ident| $body:block) => {{
        let _writing = $database.writing();
        match $database {
            $crate::database::Database::Sqlite { writer, .. } => {
                let mut $transaction = writer.begin_with("begin immediate").await?;
                let value = $body;
                $transaction.commit().await?;
                value
            }
            $crate::database::Database::Postgres(pool, _) => $crate::database::until_done!({
                let mut $transaction = pool.begin().await?;
                let value = $body;
                $transaction.commit().await?;
                value
            }),
        }
    }};
}

/// A struct read from the columns of the same names, from either database. A part written
/// `..name: Type` is a struct of the same kind, read from the same row.
macro_rules! row {
    ($(#[$doc:meta])* $visibility:vis struct $name:ident {
        $($column:ident: $type:ty,)* $(..$part:ident: $part_type:ty,)*
    }) => {
        $(#[$doc])*
        $visibility struct $name { $($column: $type,)* $($part: $part_type,)* }

        row!(@from sqlx::sqlite::SqliteRow, $name { $($column)* $(..$part)* });
        row!(@from sqlx::postgres::PgRow, $name { $($column)* $(..$part)* });
    };
    (@from $row:ty, $name:ident { $($column:ident)* $(..$part:ident)* }) => {
        impl sqlx::FromRow<'_, $row> for $name {
            fn from_row(row: &$row) -> sqlx::Result<Self> {
                #[allow(unused_imports, reason = "a row may have parts alone")]
                use sqlx::Row as _;
                Ok(Self {
                    $($column: row.try_get(stringify!($column))?,)*
                    $($part: sqlx::FromRow::from_row(row)?,)*
                })
            }
        }
    };
}

pub(crate) use {reading, row, transaction, until_done, writing};

/// How a block of [`until_done`] was left, by `return` or `?`.
pub(crate) async fn left_by<T>(block: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    block.await
}

/// What stands for the leaving of a block that was not left; nobody looks at it.
pub(crate) fn at_its_end<T>() -> Result<T, Error> {
    Err(Error::Unavailable("nothing is wrong".into()))
}

impl Database {
    /// The statement that gives the author of a post and whether it is anonymous, and keeps others
    /// from changing what belongs to the post until the transaction ends. Whatever counts likes and
    /// comments begins with it: all take the same lock first, so none waits for another in a circle.
    pub(crate) fn lock_post(&self) -> &'static str {
        match self {
            // A transaction that writes is alone in SQLite, which knows no locks on rows.
            Self::Sqlite { .. } => "select author_id, is_anonymous from posts where id = $1",
            Self::Postgres(..) => {
                "select author_id, is_anonymous from posts where id = $1 for no key update"
            }
        }
    }

    /// The statement that gives the role of a member, if there is one, and keeps others from changing
    /// his row or counting what is his until the transaction ends. Taken before
    /// [`Database::lock_post`].
    pub(crate) fn lock_member(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "select role from users where id = $1",
            Self::Postgres(..) => "select role from users where id = $1 for no key update",
        }
    }

    /// The same of two members, in the order of their ids, so that two who lock each other do not wait
    /// in a circle: id, role and whether the account is open.
    pub(crate) fn lock_members(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => {
                "select id, role, is_active from users where id in ($1, $2) order by id"
            }
            Self::Postgres(..) => {
                "select id, role, is_active from users where id in ($1, $2) order by id \
                 for no key update"
            }
        }
    }

    /// Opens the database, brings its tables up to date and reads the places, having filled in
    /// those that are missing.
    pub(crate) async fn open(url: &str) -> Result<(Self, Geography), Error> {
        Self::open_as(url, Opening::Own).await
    }

    /// As [`Database::open`], for a database whose tables are up to date already.
    pub(crate) async fn join(url: &str) -> Result<(Self, Geography), Error> {
        Self::open_as(url, Opening::Join).await
    }

    async fn open_as(url: &str, opening: Opening) -> Result<(Self, Geography), Error> {
        match url.split_once(':') {
            Some(("sqlite", path)) => {
                open_sqlite(path.strip_prefix("//").unwrap_or(path).into(), opening).await
            }
            Some(("postgres" | "postgresql", _)) => open_postgres(url, opening).await,
            _ => Err(Error::Url("it begins neither with sqlite: nor with postgres:")),
        }
    }

    /// See [`Writes`].
    pub(crate) fn writes(&self) -> u64 {
        let (Self::Sqlite { writes, .. } | Self::Postgres(_, writes)) = self;
        writes.0.load(Ordering::Acquire)
    }

    /// To be held while something is written.
    pub(crate) fn writing(&self) -> Writing<'_> {
        let (Self::Sqlite { writes, .. } | Self::Postgres(_, writes)) = self;
        Writing(writes)
    }

    pub(crate) async fn ping(&self) -> Result<(), Error> {
        reading!(self, |pool| sqlx::query("select 1").execute(pool).await.map(drop))?;
        Ok(())
    }

    pub(crate) async fn own(&self) -> Result<Option<Ownership>, Error> {
        let Self::Postgres(pool, _) = self else { return Ok(Some(Ownership(None))) };
        // Locks of a session end with its connection, which is therefore kept out of the pool.
        let mut connection = pool.acquire().await?.detach();
        let free: bool = sqlx::query_scalar("select pg_try_advisory_lock($1)")
            .bind(OWNER_LOCK)
            .fetch_one(&mut connection)
            .await?;
        Ok(free.then_some(Ownership(Some(connection))))
    }

    pub(crate) async fn close(&self) {
        match self {
            // The writer last: the last connection moves the log into the file.
            Self::Sqlite { writer, reader, .. } => {
                reader.close().await;
                writer.close().await;
            }
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

async fn open_sqlite(path: PathBuf, opening: Opening) -> Result<(Database, Geography), Error> {
    if path.as_os_str().is_empty() || path == Path::new(":memory:") {
        return Err(Error::Url("sqlite: is not followed by the path of a file"));
    }
    let options = SqliteConnectOptions::new()
        .filename(&path)
        .journal_mode(SqliteJournalMode::Wal)
        // In WAL mode a power cut may lose the last commits but never the file's integrity.
        .synchronous(SqliteSynchronous::Normal)
        .foreign_keys(true)
        .pragma("cache_size", SQLITE_CACHE_KIB)
        .busy_timeout(BUSY_TIMEOUT);
    let options = tell_statements(options);
    if opening == Opening::Own {
        blocking(move || prepare_file(&path)).await?;
    }

    let pool = SqlitePoolOptions::new()
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false);
    let writer = pool
        .clone()
        .max_connections(1)
        .connect_with(options.clone().optimize_on_close(true, 400))
        .await?;
    let mut connection = writer.acquire().await?;
    let migrator = migrations_of!("sqlite");
    match opening {
        Opening::Own => migrator.run_direct(None, &mut *connection, false).await?,
        Opening::Join => check_steps!(migrator, &mut *connection),
    }
    let geography = seed::sqlite(&mut connection).await?;
    drop(connection);

    let reader =
        pool.max_connections(SQLITE_READERS).connect_lazy_with(options.pragma("query_only", "on"));
    Ok((Database::Sqlite { writer, reader, writes: Writes::default() }, geography))
}

async fn open_postgres(url: &str, opening: Opening) -> Result<(Database, Geography), Error> {
    let options = PgConnectOptions::from_str(url)
        .map_err(|_| Error::Url("it is not of the form postgres://user:password@host:port/name"))?
        .application_name("communiconnect-live");
    let options = tell_statements(options);

    // On a connection of its own: a migration may take longer than a statement may, and a failure
    // is told as it is, not as a timeout of the pool.
    let mut connection =
        tokio::time::timeout(ACQUIRE_TIMEOUT, PgConnection::connect_with(&options))
            .await
            .map_err(|_| Error::Unavailable("no answer in time".into()))??;
    let migrator = migrations_of!("postgres");
    match opening {
        Opening::Own => migrator.run_direct(None, &mut connection, false).await?,
        Opening::Join => check_steps!(migrator, &mut connection),
    }
    let geography = seed::postgres(&mut connection).await?;
    connection.close().await?;

    let options = options.options([
        ("statement_timeout", POSTGRES_STATEMENT_TIMEOUT_MS),
        ("idle_in_transaction_session_timeout", POSTGRES_STATEMENT_TIMEOUT_MS),
        // Statements of some milliseconds: compiling one, or starting workers for it, takes longer than it does.
        ("jit", "off"),
        ("max_parallel_workers_per_gather", "0"),
    ]);
    let pool = PgPoolOptions::new()
        .max_connections(POSTGRES_CONNECTIONS)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        // A connection just used is good; one that rested may have been cut meanwhile.
        .test_before_acquire(false)
        .before_acquire(|connection, known| {
            Box::pin(async move {
                if known.idle_for > RESTED {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .connect_lazy_with(options);
    Ok((Database::Postgres(pool, Writes::default()), geography))
}

/// Statements are told at the most talkative level only: at another they would drown what matters.
/// Values are never among what is told.
fn tell_statements<O: ConnectOptions>(options: O) -> O {
    let level = "trace".parse().expect("is a level");
    options.log_statements(level).log_slow_statements(level, Duration::MAX)
}

/// The migrations of one folder, embedded. Once merged, a file is never edited: its checksum is in
/// every database that has run it.
macro_rules! migrations_of {
    ($folder:literal) => {
        migrations_of! { $folder:
            1, "places", "0001_places.sql";
            2, "members", "0002_members.sql";
            3, "posts and lives", "0003_posts_and_lives.sql";
            4, "audience", "0004_audience.sql";
            5, "comments and likes", "0005_comments_and_likes.sql";
            6, "sharing, notifications, chat", "0006_sharing_notifications_chat.sql";
            7, "media", "0007_media.sql";
            8, "media work", "0008_media_work.sql";
            9, "chat moderation", "0009_chat_moderation.sql";
            10, "mentions, farewells, push", "0010_mentions_farewells_push.sql";
            11, "security", "0011_security.sql";
            12, "lists at scale", "0012_lists_at_scale.sql";
            15, "search by place", "0015_search_by_place.sql";
            16, "pages far into a list", "0016_pages_far_into_a_list.sql";
            17, "deleted recordings", "0017_deleted_recordings.sql";
            18, "downloads", "0018_downloads.sql";
        }
    };
    ($folder:literal: $($version:literal, $name:literal, $file:literal;)+) => {
        migrator([$((
            $version,
            $name,
            include_str!(concat!("../../migrations/", $folder, "/", $file)),
        )),+])
    };
}
use migrations_of;

/// Versions and checksums of the migrations of SQLite, in order.
pub(crate) fn known_steps() -> Vec<(i64, Vec<u8>)> {
    let steps = migrations_of!("sqlite");
    steps.iter().map(|step| (step.version, step.checksum.to_vec())).collect()
}

fn migrator<const N: usize>(files: [(i64, &'static str, &'static str); N]) -> Migrator {
    let migrations = files.map(|(version, name, sql)| {
        use sqlx::SqlSafeStr;
        Migration::new(version, name.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}

/// Creates the database file, for its owner's eyes only, and the folder it lies in. SQLite gives
/// the files it puts beside it the same permissions. A file that exists keeps those it has.
pub(crate) fn prepare_file(path: &Path) -> Result<(), Error> {
    let fails = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::File { path, source }
    };
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(fails(folder))?;
    }
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(fails(path)(error)),
        _ => Ok(()),
    }
}

pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(_) => {
            Err(Error::from(sqlx::Error::Io(io::Error::other("the opening was interrupted"))))
        }
    }
}

#[cfg(test)]
mod tests;
