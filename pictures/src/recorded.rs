//! The pictures of a recording: those its live got, or where these are too few, others.

use std::{collections::HashMap, path::Path, sync::OnceLock};
use std::{io, sync::Arc};

use hub::Playlist;
use media::id::PlaybackName;
use recorder::{Moment, Recording};
use tokio::task::spawn_blocking;

use crate::{
    Failed, Pictures,
    album::Album,
    desk::Desk,
    sheet::{self, Poster, Sheet, Tile},
    shelf,
};

/// Thumbnails of one recording: twelve hours, one every ten seconds. In a longer one they are further apart.
pub(crate) const MOST_TILES: usize = 4_320;
/// After so many failures in a row, or in all, a recording has the pictures it has.
const FAILURES_IN_A_ROW: u32 = 4;
const FAILURES: u32 = 12;

/// The pictures of a recording that has all that it will have.
#[derive(Debug)]
pub struct Made {
    sheets: Vec<Sheet>,
    poster: Option<Poster>,
    index: OnceLock<Arc<Playlist>>,
}

impl Made {
    pub(crate) fn read(folder: &Path) -> io::Result<Self> {
        if !shelf::is_complete(folder)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let shelf::Kept { sheets, poster } = shelf::read(folder)?;
        Ok(Self { sheets, poster, index: OnceLock::new() })
    }

    /// The poster, if there is one.
    pub fn poster(&self) -> Option<&Poster> {
        self.poster.as_ref()
    }

    /// Where the thumbnails of `recording` are, in WebVTT, on its line of time. `None` where there are none. Rendered
    /// once.
    pub fn index(&self, recording: &Recording) -> Option<Arc<Playlist>> {
        let make = || {
            let begins: HashMap<(&str, u64), u64> =
                recording.moments().map(|it| ((it.epoch, it.msn), it.at_ms)).collect();
            let at_ms = |tile: &Tile| begins.get(&(tile.epoch.as_str(), tile.msn)).copied();
            let last = self.sheets.iter().flat_map(|it| &it.tiles).filter_map(at_ms).max();
            let rest_ms = recording.summary().duration_ms.saturating_sub(last.unwrap_or(0));
            Arc::new(sheet::index(self.sheets.iter(), at_ms, rest_ms.max(1)))
        };
        (!self.sheets.is_empty()).then(|| Arc::clone(self.index.get_or_init(make)))
    }

    /// Whether there is such a sheet.
    pub fn has(&self, name: crate::SheetName) -> bool {
        self.sheets.iter().any(|sheet| sheet.name() == Some(name))
    }
}

impl Pictures {
    /// Whether a recording has all the pictures that it will have, as far as is known, or nobody makes any. One whose
    /// poster is not shown has to be looked at.
    pub async fn is_complete(&self, name: &PlaybackName, is_shown: bool) -> bool {
        if self.0.desk.is_none() || self.lock().complete.contains(name) {
            return true;
        }
        if !is_shown {
            return false;
        }
        let folder = self.0.recordings.folder(name);
        let is_complete = blocking(&folder, shelf::is_complete).await.unwrap_or(false);
        if is_complete {
            self.lock().complete.insert(name.clone());
        }
        is_complete
    }

    /// Sees to it that a recording has pictures: once its live has no more to come, those are looked at, and made
    /// anew where they are too few. To be called for one recording at a time; that of three hours takes a minute
    /// or two of what nobody else wants of a processor. Gives its poster.
    ///
    /// # Errors
    /// What may be better another time; what is wrong with the recording is not.
    pub async fn make(
        &self,
        name: &PlaybackName,
        recording: &Recording,
    ) -> Result<Option<Poster>, Failed> {
        let Some(desk) = &self.0.desk else { return Ok(None) };
        let ended = self.lock().live.get(name).map(|(_, ended)| ended.clone());
        if let Some(mut ended) = ended {
            while ended.changed().await.is_ok() {}
        }
        let folder = self.0.recordings.folder(name);
        let kept =
            blocking(&folder, |folder| Ok((shelf::read(folder)?, shelf::is_complete(folder)?)));
        let (kept, is_complete) = kept.await?;
        let poster = if is_complete {
            kept.poster
        } else {
            let wanted = self.wanted(recording);
            let poster = if covers(&kept.sheets, &wanted, recording) {
                kept.poster
            } else {
                match self.make_anew(desk, &folder, name, recording, &wanted).await {
                    Err(failed) if !failed.is_ours() => {
                        ::metrics::counter!("pictures_failed_total").increment(1);
                        tracing::warn!(%name, %failed, "a recording has no thumbnails");
                        None
                    }
                    made => made?,
                }
            };
            blocking(&folder, shelf::complete).await?;
            poster
        };
        let mut shelves = self.lock();
        shelves.forget(name);
        shelves.complete.insert(name.clone());
        Ok(poster)
    }

    /// The moments that thumbnails should show.
    fn wanted<'a>(&self, recording: &'a Recording) -> Vec<Moment<'a>> {
        let longest = recording.summary().duration_ms / MOST_TILES as u64;
        let every_ms = (u64::from(self.0.config.every_s) * 1_000).max(longest);
        let mut due_ms = 0;
        let mut wanted = Vec::new();
        for moment in recording.moments() {
            if moment.at_ms >= due_ms {
                due_ms = moment.at_ms + every_ms;
                wanted.push(moment);
            }
        }
        wanted
    }

    async fn make_anew(
        &self,
        desk: &Desk,
        folder: &Path,
        name: &PlaybackName,
        recording: &Recording,
        wanted: &[Moment<'_>],
    ) -> Result<Option<Poster>, Failed> {
        blocking(folder, shelf::clear).await?;
        let album = Album::default();
        let (mut in_a_row, mut in_all) = (0, 0);
        for moment in wanted {
            match self.make_one(desk, &album, recording, moment).await {
                Ok(true) => album.keep(desk, folder).await?,
                Ok(false) => {}
                Err(failed) if failed.is_ours() => return Err(failed),
                Err(failed) => {
                    (in_a_row, in_all) = (in_a_row + 1, in_all + 1);
                    ::metrics::counter!("pictures_failed_total").increment(1);
                    tracing::warn!(%name, at_ms = moment.at_ms, %failed, "no picture of a recording");
                    if in_a_row >= FAILURES_IN_A_ROW || in_all >= FAILURES {
                        break;
                    }
                    continue;
                }
            }
            in_a_row = 0;
        }
        while album.has_open() {
            album.keep(desk, folder).await?;
        }
        tracing::info!(%name, thumbnails = album.count(), "pictures were made of a recording");
        Ok(blocking(folder, shelf::read).await?.poster)
    }

    async fn make_one(
        &self,
        desk: &Desk,
        album: &Album,
        recording: &Recording,
        moment: &Moment<'_>,
    ) -> Result<bool, Failed> {
        let opening = recording.opening(moment).ok_or(recorder::Error::Damaged)?;
        let is_far = opening.is_far();
        let film = self.0.recordings.read_from(is_far, move || opening.read()).await?;
        let picture = desk.thumbnail(film).await?;
        ::metrics::counter!("pictures_made_total").increment(1);
        let date_ms = u64::try_from(moment.date_ms).unwrap_or_default();
        let tile = Tile { date_ms, epoch: moment.epoch.to_owned(), msn: moment.msn };
        Ok(album.add(tile, picture))
    }
}

/// Whether three of four moments have a thumbnail that is nearer than the next but one.
fn covers(sheets: &[Sheet], wanted: &[Moment<'_>], recording: &Recording) -> bool {
    let begins: HashMap<(&str, u64), u64> =
        recording.moments().map(|it| ((it.epoch, it.msn), it.at_ms)).collect();
    let tiles = sheets.iter().flat_map(|sheet| &sheet.tiles);
    let mut have_ms: Vec<u64> =
        tiles.filter_map(|it| begins.get(&(it.epoch.as_str(), it.msn)).copied()).collect();
    have_ms.sort_unstable();
    let apart_ms = match wanted {
        [first, .., last] => (last.at_ms - first.at_ms) / (wanted.len() as u64 - 1),
        _ => u64::MAX,
    };
    let has = |moment: &&Moment<'_>| {
        let after = have_ms.partition_point(|it| *it < moment.at_ms);
        let near = [after.checked_sub(1), Some(after)].into_iter().flatten();
        near.filter_map(|at| have_ms.get(at)).any(|it| it.abs_diff(moment.at_ms) <= apart_ms)
    };
    wanted.iter().filter(has).count() * 4 >= wanted.len() * 3
}

/// Runs what blocks on a thread for that.
async fn blocking<T: Send + 'static>(
    folder: &Path,
    run: impl FnOnce(&Path) -> io::Result<T> + Send + 'static,
) -> Result<T, Failed> {
    let folder = folder.to_owned();
    Ok(spawn_blocking(move || run(&folder)).await.map_err(io::Error::other)??)
}
