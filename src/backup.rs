//! The database copied while the server runs, and put back while it does not.
//!
//! Here: which file goes where, and in which order, so that whatever is cut short leaves a database that
//! can be opened. Not here: how a copy is made and verified (`store::backup`).

use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use store::backup::{copy, sqlite_file, verify};

use crate::{app::take_folder, config::Config, lives::now_ms};

/// Copies the database to `to`. A file that is there is replaced only with `force`, and only by a copy
/// that is whole.
///
/// # Errors
/// When the database is not a SQLite file, or the copy cannot be made.
pub async fn back_up(config: &Config, to: &Path, force: bool) -> anyhow::Result<()> {
    let Some(from) = sqlite_file(&config.database_url()) else {
        bail!(
            "the database is PostgreSQL, which has a program for this:\n  \
             pg_dump --format=custom --file={} \"$DATABASE_URL\"",
            to.display()
        );
    };
    if !from.is_file() {
        bail!("{}: no such database; has the server been started once?", from.display());
    }
    if same_file(&from, to) {
        bail!("{} is the database itself", to.display());
    }
    if to.exists() && !force {
        bail!("{} is there already; --force replaces it", to.display());
    }
    let partial = beside(to, ".partial");
    let _ = fs::remove_file(&partial);
    let copied = copy(&from, &partial, tell).await;
    let outcome = copied.map_err(anyhow::Error::from).and_then(|copy| {
        put(&partial, to)?;
        Ok(copy)
    });
    let copy = outcome.inspect_err(|_| _ = fs::remove_file(&partial))?;
    println!("{}: {:.1} MB, verified", to.display(), megabytes(copy.bytes));
    Ok(())
}

/// Puts the copy `from` in the place of the database, which is kept beside it.
///
/// # Errors
/// When a server runs on the data folder, the database is not a SQLite file, or the copy is not whole;
/// nothing is changed then.
pub async fn restore(config: &Config, from: &Path) -> anyhow::Result<()> {
    let Some(database) = sqlite_file(&config.database_url()) else {
        bail!(
            "the database is PostgreSQL, which has a program for this; with the server stopped:\n  \
             pg_restore --clean --if-exists --no-owner --dbname=\"$DATABASE_URL\" {}",
            from.display()
        );
    };
    let _folder = take_folder(&config.data_dir).context("stop the server first")?;
    if same_file(from, &database) {
        bail!("{} is the database itself", from.display());
    }
    // What is verified is what will be read: the copy on this disk.
    let incoming = beside(&database, ".restoring");
    let prepared = bring(from, &incoming);
    let verified = match prepared {
        Ok(()) => verify(&incoming).await.map_err(anyhow::Error::from),
        Err(error) => Err(error),
    };
    let verified = verified
        .with_context(|| format!("{} cannot be restored, nothing was changed", from.display()))
        .inspect_err(|_| _ = fs::remove_file(&incoming))?;

    let aside = database.exists().then(|| beside(&database, &format!(".before-{}", now_ms())));
    if let Some(aside) = &aside {
        // A second name for it, so that at no moment there is no database: the server would make one.
        fs::hard_link(&database, aside)
            .with_context(|| format!("cannot keep the database as {}", aside.display()))
            .inspect_err(|_| _ = fs::remove_file(&incoming))?;
        // The log of a server that was killed belongs to the old file; read with the new one it would
        // destroy it.
        for log in ["-wal", "-shm"] {
            move_if_there(&beside(&database, log), &beside(aside, log))?;
        }
    }
    put(&incoming, &database)?;
    println!(
        "{}: restored, {:.1} MB; start the server",
        database.display(),
        megabytes(verified.bytes)
    );
    if let Some(aside) = aside {
        println!("what was there before: {}", aside.display());
    }
    Ok(())
}

/// Copies `from` to `to`, for the owner's eyes only, and waits for the disk.
fn bring(from: &Path, to: &Path) -> anyhow::Result<()> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut source = fs::File::open(from).with_context(|| format!("{}", from.display()))?;
    if !source.metadata()?.is_file() {
        bail!("{}: not a file", from.display());
    }
    let mut target = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(to)
        .with_context(|| format!("cannot write {}", to.display()))?;
    io::copy(&mut source, &mut target)
        .and_then(|_| target.sync_all())
        .with_context(|| format!("cannot write {}", to.display()))
}

/// Gives a whole file its name, at once and for good.
fn put(file: &Path, name: &Path) -> anyhow::Result<()> {
    let folder = match name.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    fs::rename(file, name)
        .and_then(|()| fs::File::open(folder)?.sync_all())
        .with_context(|| format!("cannot write {}", name.display()))
}

fn move_if_there(from: &Path, to: &Path) -> anyhow::Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot move {}", from.display()))
        }
        _ => Ok(()),
    }
}

/// The path of a file called as `path`, and `more`.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn tell(bytes: u64, of: u64) {
    let percent = bytes.saturating_mul(100) / of.max(1);
    let _ = writeln!(
        io::stderr(),
        "{percent} %: {:.1} of about {:.1} MB",
        megabytes(bytes),
        megabytes(of)
    );
}

fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
