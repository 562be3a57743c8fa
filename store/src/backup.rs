//! Copies of a SQLite file, taken while it is in use, and what a file offered as one is worth.
//!
//! Here: the copy, its verification. Not here: PostgreSQL, which has programs of its own for that; where
//! copies lie and which file is put in whose place (the server's `backup`).

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{
    Connection, SqliteConnection,
    sqlite::{SqliteConnectOptions, SqliteSynchronous},
};

use crate::{
    Error,
    database::{BUSY_TIMEOUT, blocking, known_steps, prepare_file},
};

/// How often whoever waits for a copy is told how far it is.
const TOLD_EVERY: Duration = Duration::from_millis(500);

/// What [`verify`] has found to be whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// The newest migration that it has seen. One that is missing is made up at the next start.
    pub step: i64,
    /// Size of the file.
    pub bytes: u64,
}

/// The file of a `sqlite:` address; `None` for another.
pub fn sqlite_file(url: &str) -> Option<PathBuf> {
    let path = url.strip_prefix("sqlite:")?;
    Some(path.strip_prefix("//").unwrap_or(path).into())
}

/// Writes to the new file `to` what is in the SQLite file `from` at this moment, whoever reads and
/// writes it meanwhile, and verifies it. `told` hears now and then how many bytes of about how many are
/// written.
///
/// One statement, which reads one state of the database (ADR 37): writers go on beside it, and what they
/// write after its beginning is not in it.
///
/// # Errors
/// [`Error::File`] when a file cannot be read or written, [`Error::Damaged`] when the copy is not whole,
/// else those of the database. What was written by then is for the caller to remove.
pub async fn copy(from: &Path, to: &Path, told: impl Fn(u64, u64)) -> Result<Verified, Error> {
    let new = to.to_owned();
    // Made here, for its owner's eyes only: SQLite would give it the rights of any file.
    blocking(move || prepare_file(&new)).await?;
    let options = SqliteConnectOptions::new()
        .filename(from)
        .create_if_missing(false)
        .synchronous(SqliteSynchronous::Normal)
        .busy_timeout(BUSY_TIMEOUT);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let bytes: i64 = sqlx::query_scalar(
        "select (select page_count from pragma_page_count) * (select page_size from pragma_page_size)",
    )
    .fetch_one(&mut connection)
    .await?;
    let target = to.to_string_lossy().into_owned();
    {
        let copied = sqlx::query("vacuum into $1").bind(target).execute(&mut connection);
        let mut copied = std::pin::pin!(copied);
        let mut ticks = tokio::time::interval(TOLD_EVERY);
        loop {
            tokio::select! {
                done = &mut copied => {
                    done?;
                    break;
                }
                _ = ticks.tick() => {
                    let so_far = fs::metadata(to).map_or(0, |file| file.len());
                    told(so_far, bytes.cast_unsigned());
                }
            }
        }
    }
    connection.close().await?;
    let written = to.to_owned();
    // SQLite does not wait for the disk here.
    blocking(move || sync(&written)).await?;
    verify(to).await
}

/// Reads all of a SQLite file that nobody writes, and says what it is.
///
/// # Errors
/// [`Error::Damaged`] when something in it does not hold together, [`Error::Migration`] when it is
/// of a newer version or of another program, else those of the database.
pub async fn verify(path: &Path) -> Result<Verified, Error> {
    // As it lies there, without what a log beside it would add.
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .read_only(true)
        .immutable(true);
    let mut connection = SqliteConnection::connect_with(&options).await?;
    let damaged = |what: String| Error::Damaged { path: path.to_owned(), what };
    let found: Vec<String> = sqlx::query_scalar("pragma integrity_check(1)")
        .fetch_all(&mut connection)
        .await
        .map_err(|_| damaged("it cannot be read as a database".to_owned()))?;
    if found != ["ok"] {
        return Err(damaged(found.join("; ")));
    }
    let strays: i64 = sqlx::query_scalar("select count(*) from pragma_foreign_key_check")
        .fetch_one(&mut connection)
        .await?;
    if strays > 0 {
        return Err(damaged(format!("{strays} rows refer to rows that are not there")));
    }
    let steps: Vec<(i64, Vec<u8>)> = sqlx::query_as(
        "select version, checksum from _sqlx_migrations where success order by version",
    )
    .fetch_all(&mut connection)
    .await
    .map_err(|_| Error::Migration("it is no database of this program".to_owned()))?;
    connection.close().await?;
    let known = known_steps();
    for (step, checksum) in &steps {
        match known.iter().find(|(version, _)| version == step) {
            Some((_, known)) if known == checksum => {}
            _ => {
                let why = format!("it is of another version of the program (step {step})");
                return Err(Error::Migration(why));
            }
        }
    }
    let bytes =
        fs::metadata(path).map_err(|source| Error::File { path: path.to_owned(), source })?.len();
    Ok(Verified { step: steps.last().map_or(0, |(step, _)| *step), bytes })
}

fn sync(path: &Path) -> Result<(), Error> {
    let synced = fs::File::open(path).and_then(|file| file.sync_all());
    synced.map_err(|source: io::Error| Error::File { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests;
