//! Keys of the data folder: those that sign sessions, made, changed, and read again while they serve, and
//! the one that signs push messages.
//!
//! Here: files readable by the server alone. `token-secret` is the key that signs;
//! `token-secret.retired` holds those before it, each with the moment until which it is believed. Not
//! here: tokens, messages (`api`). What the settings hold has no file: whoever sets it keeps the key.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, bail};

/// The key that signs, made at the first start.
const SECRET_FILE: &str = "token-secret";
/// Those before it: a line each, `until_ms key`, in hexadecimal.
const RETIRED_FILE: &str = "token-secret.retired";
/// The key that signs push messages, made at the first start. Browsers subscribe with it: without it,
/// all again.
const VAPID_FILE: &str = "vapid-key";
const SECRET_BYTES: usize = 32;
/// Keys believed at once beside the newest. Who changes the key more often drops the oldest.
const MAX_RETIRED: usize = 8;
/// Largest file of keys.
const FILE_MAX_BYTES: u64 = 64 * 1024;
/// How often the files are looked at while the server runs.
const LOOK: Duration = Duration::from_secs(5);
/// How much longer than its tokens a key is believed: a running server signs with it until its next look.
const MARGIN_MS: i64 = 60_000;

/// The keys of the data folder.
pub(crate) struct Keys {
    /// Signs.
    pub current: api::Secret,
    /// Believed until so many Unix milliseconds.
    pub retired: Vec<(api::Secret, i64)>,
}

impl Keys {
    /// Reads the keys, or makes the first one.
    ///
    /// # Errors
    /// When a file cannot be read or written, or is not what we wrote.
    pub(crate) fn load_or_make(data_dir: &Path) -> anyhow::Result<Self> {
        if let Some(keys) = Self::load(data_dir)? {
            return Ok(keys);
        }
        let first = random()?;
        write(&data_dir.join(SECRET_FILE), &first)?;
        Ok(Self { current: api::Secret::new(first), retired: Vec::new() })
    }

    /// Reads the keys; `None` where there are none yet.
    ///
    /// # Errors
    /// As above, but for writing.
    pub(crate) fn load(data_dir: &Path) -> anyhow::Result<Option<Self>> {
        let path = data_dir.join(SECRET_FILE);
        let Some(current) = read(&path)? else { return Ok(None) };
        if current.len() < SECRET_BYTES {
            bail!("{} is too short: delete it and everybody signs in again", path.display());
        }
        let path = data_dir.join(RETIRED_FILE);
        let text = read(&path)?.unwrap_or_default();
        let retired = String::from_utf8_lossy(&text)
            .lines()
            .map(|line| {
                parse(line)
                    .with_context(|| format!("{}: not what was written there", path.display()))
            })
            .collect::<anyhow::Result<_>>()?;
        Ok(Some(Self { current: api::Secret::new(current), retired }))
    }

    /// Puts a new key in the place of the one that signs, whose tokens are believed for `life` more;
    /// with no `life`, none but those of the new key are, from the next look on.
    ///
    /// # Errors
    /// When a file cannot be read or written.
    pub(crate) fn rotate(
        data_dir: &Path,
        now_ms: i64,
        life: Option<Duration>,
    ) -> anyhow::Result<()> {
        let new = random()?;
        let old = Self::load(data_dir)?;
        let mut lines = Vec::new();
        if let (Some(old), Some(life)) = (old, life) {
            let life_ms = i64::try_from(life.as_millis()).unwrap_or(i64::MAX);
            let until_ms = now_ms.saturating_add(life_ms).saturating_add(MARGIN_MS);
            let still_good = old.retired.into_iter().filter(|(_, until_ms)| *until_ms > now_ms);
            lines = std::iter::once((old.current, until_ms)).chain(still_good).collect();
        }
        lines.truncate(MAX_RETIRED);
        let text: String =
            lines.iter().map(|(key, until_ms)| format!("{until_ms} {}\n", hex(key))).collect();
        // The old key first: were we interrupted, it would be there twice and not missing.
        write(&data_dir.join(RETIRED_FILE), text.as_bytes())?;
        write(&data_dir.join(SECRET_FILE), &new)
    }
}

/// The key that signs push messages, made if there is none.
///
/// # Errors
/// When the file cannot be read or written, or holds no key.
pub(crate) fn vapid(data_dir: &Path) -> anyhow::Result<api::Secret> {
    let path = data_dir.join(VAPID_FILE);
    let Some(kept) = read(&path)? else {
        let made = api::new_vapid_key()?;
        write(&path, made.reveal())?;
        return Ok(made);
    };
    let key = api::Secret::new(kept);
    api::check_vapid_key(&key).with_context(|| {
        format!("{}: delete it and every browser subscribes again", path.display())
    })?;
    Ok(key)
}

/// Gives a running server the keys that the files hold, when they change, until the process ends.
///
/// `seen` tells the files from before they were read.
pub(crate) async fn watch(data_dir: PathBuf, keyring: api::Keyring, mut seen: Stamps) {
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let now = stamps(&data_dir);
        if now == seen {
            continue;
        }
        let folder = data_dir.clone();
        // Files are not for the runtime's threads.
        match tokio::task::spawn_blocking(move || Keys::load(&folder)).await {
            Ok(Ok(Some(keys))) => {
                keyring.replace(&keys.current, &keys.retired);
                tracing::info!(retired = keys.retired.len(), "sessions are signed with a new key");
            }
            Ok(Ok(None)) => tracing::warn!("{SECRET_FILE} is gone: the old key goes on signing"),
            Ok(Err(error)) => tracing::warn!("the old keys go on: {error:#}"),
            Err(_) => continue,
        }
        seen = now;
    }
}

/// What tells one version of the files from the next.
pub(crate) type Stamps = [Option<(u64, u64, i64, i64)>; 2];

/// The files as they are now.
pub(crate) fn stamps(data_dir: &Path) -> Stamps {
    [SECRET_FILE, RETIRED_FILE].map(|name| {
        let file = fs::metadata(data_dir.join(name)).ok()?;
        Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
    })
}

fn random() -> anyhow::Result<[u8; SECRET_BYTES]> {
    let mut bytes = [0; SECRET_BYTES];
    getrandom::fill(&mut bytes).context("the system's random generator does not answer")?;
    Ok(bytes)
}

fn read(path: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    let context = || format!("cannot read {}", path.display());
    match fs::File::open(path) {
        Ok(file) => file.take(FILE_MAX_BYTES).read_to_end(&mut bytes).with_context(context)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).with_context(context),
    };
    Ok(Some(bytes))
}

/// Written whole or not at all: half a key would stop the next start. It belongs to whom its folder
/// belongs to, also when an administrator changes the key.
fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    let context = || format!("cannot write {}", path.display());
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&partial)
        .with_context(context)?;
    let folder = fs::metadata(path.with_file_name(".")).with_context(context)?;
    if folder.uid() != file.metadata().with_context(context)?.uid() {
        std::os::unix::fs::fchown(&file, Some(folder.uid()), Some(folder.gid()))
            .with_context(context)?;
    }
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&partial, path))
        .with_context(context)
}

fn hex(key: &api::Secret) -> String {
    key.reveal().iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(line: &str) -> Option<(api::Secret, i64)> {
    let (until_ms, key) = line.split_once(' ')?;
    if key.len() < 2 * SECRET_BYTES || !key.is_ascii() {
        return None;
    }
    let digits = key.as_bytes().chunks(2);
    let key: Option<Vec<u8>> =
        digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect();
    Some((api::Secret::new(key?), until_ms.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_MS: i64 = 1_750_000_000_000;
    const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
    const WEEK_MS: i64 = 7 * 24 * 3_600_000;

    fn load(folder: &tempfile::TempDir) -> Keys {
        Keys::load_or_make(folder.path()).expect("keys")
    }

    #[test]
    fn the_first_key_is_made_once_for_its_owner_alone() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = load(&folder).current;
        assert!(load(&folder).current == first);
        assert_eq!(first.reveal().len(), SECRET_BYTES);
        let file = fs::metadata(folder.path().join(SECRET_FILE)).expect("a file");
        assert_eq!(file.mode() & 0o777, 0o600);
    }

    #[test]
    fn the_old_key_is_believed_for_as_long_as_its_tokens_live() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = load(&folder).current;
        Keys::rotate(folder.path(), NOW_MS, Some(WEEK)).expect("rotated");
        let second = load(&folder);
        assert!(second.current != first);
        assert!(second.retired == [(first.clone(), NOW_MS + WEEK_MS + MARGIN_MS)]);
        // Within the week both are, after it the first is forgotten.
        Keys::rotate(folder.path(), NOW_MS + 1, Some(WEEK)).expect("rotated");
        let third = load(&folder).retired;
        assert!(third.len() == 2 && third[0].0 == second.current && third[1].0 == first);
        Keys::rotate(folder.path(), NOW_MS + 2 * WEEK_MS, Some(WEEK)).expect("rotated");
        assert_eq!(load(&folder).retired.len(), 1);
        let file = fs::metadata(folder.path().join(RETIRED_FILE)).expect("a file");
        assert_eq!(file.mode() & 0o777, 0o600);
    }

    #[test]
    fn after_a_theft_no_old_key_is_believed() {
        let folder = tempfile::tempdir().expect("a folder");
        let first = load(&folder).current;
        Keys::rotate(folder.path(), NOW_MS, Some(WEEK)).expect("rotated");
        Keys::rotate(folder.path(), NOW_MS, None).expect("rotated");
        let now = load(&folder);
        assert!(now.retired.is_empty() && now.current != first);
    }

    #[test]
    fn keys_that_are_remembered_have_a_limit() {
        let folder = tempfile::tempdir().expect("a folder");
        for _ in 0..20 {
            Keys::rotate(folder.path(), NOW_MS, Some(WEEK)).expect("rotated");
        }
        assert_eq!(load(&folder).retired.len(), MAX_RETIRED);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_by_its_name_and_not_repeated() {
        let folder = tempfile::tempdir().expect("a folder");
        load(&folder);
        for text in ["hunter2", "12 zz", &format!("x {}", "ab".repeat(32)), "1 é"] {
            fs::write(folder.path().join(RETIRED_FILE), text).expect("written");
            let error = Keys::load_or_make(folder.path()).err().expect("refused");
            let error = format!("{error:#}");
            assert!(error.contains(RETIRED_FILE) && !error.contains("hunter2"), "{error}");
        }
    }
}
