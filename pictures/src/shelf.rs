//! The pictures of a recording, beside it on the disk.
//!
//! ```text
//! recordings/k3v9…/pictures/index               a line of JSON for each sheet, and for each poster
//!                           1764280800000-12-0badcafe.jpg  a sheet
//!                           poster.jpg
//!                           complete            empty, once there will be no more of them
//! ```
//!
//! Nothing here is worth a checksum: what is lost or torn is left out, and what was not complete is made again.
//! Everything here blocks.

use std::{
    fs::{self, File},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::sheet::{Poster, Sheet, SheetName};

const FOLDER: &str = "pictures";
const INDEX: &str = "index";
const POSTER: &str = "poster.jpg";
const COMPLETE: &str = "complete";

/// What is there.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    pub sheets: Vec<Sheet>,
    pub poster: Option<Poster>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Sheet(Sheet),
    Poster(Poster),
}

/// Longest index read: that of a live of a week.
const MAX_INDEX_BYTES: u64 = 8 * 1024 * 1024;

/// What is kept beside the recording in `recording`; nothing where there is nothing.
///
/// # Errors
/// Those of the disk.
pub(crate) fn read(recording: &Path) -> io::Result<Kept> {
    let path = recording.join(FOLDER).join(INDEX);
    let mut kept = Kept::default();
    let text = match fs::metadata(&path) {
        Ok(it) if it.len() > MAX_INDEX_BYTES => return Err(io::ErrorKind::FileTooLarge.into()),
        Ok(_) => fs::read(&path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(kept),
        Err(error) => return Err(error),
    };
    for line in text.split(|byte| *byte == b'\n') {
        match serde_json::from_slice(line) {
            Ok(Line::Sheet(sheet)) => kept.sheets.push(sheet),
            Ok(Line::Poster(poster)) => kept.poster = Some(poster),
            Err(_) => {}
        }
    }
    Ok(kept)
}

/// Keeps a sheet, and a poster where there is a better one.
///
/// # Errors
/// Not found where nothing of the live is recorded; the others of the disk.
pub(crate) fn add(
    recording: &Path,
    sheet: Option<(&Sheet, &Bytes)>,
    poster: Option<(&Poster, &Bytes)>,
) -> io::Result<()> {
    let folder = recording.join(FOLDER);
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    let mut lines = Vec::new();
    let mut tell = |line: Line| {
        // Before it too: what a crash tore off spoils itself alone.
        lines.push(b'\n');
        serde_json::to_writer(&mut lines, &line)?;
        lines.push(b'\n');
        Ok::<_, io::Error>(())
    };
    if let Some((sheet, bytes)) = sheet
        && let Some(name) = sheet.name()
    {
        put(&folder, &name.to_string(), bytes)?;
        tell(Line::Sheet(sheet.clone()))?;
    }
    if let Some((poster, bytes)) = poster {
        put(&folder, POSTER, bytes)?;
        tell(Line::Poster(poster.clone()))?;
    }
    let mut options = File::options();
    let mut index = options.append(true).create(true).mode(0o600).open(folder.join(INDEX))?;
    index.write_all(&lines)
}

/// Whole or not at all.
fn put(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let partial = folder.join("partial");
    let mut file =
        File::options().write(true).create(true).truncate(true).mode(0o600).open(&partial)?;
    file.write_all(bytes)?;
    file.sync_data()?;
    fs::rename(partial, folder.join(name))
}

/// Notes that there will be no more of them.
pub(crate) fn complete(recording: &Path) -> io::Result<()> {
    let folder = recording.join(FOLDER);
    match fs::DirBuilder::new().mode(0o700).create(&folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    File::options()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(folder.join(COMPLETE))?;
    Ok(())
}

pub(crate) fn is_complete(recording: &Path) -> io::Result<bool> {
    recording.join(FOLDER).join(COMPLETE).try_exists()
}

/// Throws all away.
pub(crate) fn clear(recording: &Path) -> io::Result<()> {
    match fs::remove_dir_all(recording.join(FOLDER)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(crate) fn sheet_path(recording: &Path, name: SheetName) -> PathBuf {
    recording.join(FOLDER).join(name.to_string())
}

pub(crate) fn poster_path(recording: &Path) -> PathBuf {
    recording.join(FOLDER).join(POSTER)
}
