//! The pictures of a live, or of a recording while they are made.
//!
//! Here: tiles that wait for their sheet, the newest picture and the best. In memory is what is not on the disk
//! yet: two minutes of tiles, and two posters. Where nothing is recorded no sheet is kept, and the oldest tiles go.

use std::{
    path::Path,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};

use bytes::Bytes;
use hub::Playlist;
use tokio::task::spawn_blocking;

use crate::{
    Failed,
    desk::{Desk, Thumbnail},
    sheet::{self, COLUMNS, Poster, Sheet, SheetName, TILES, Tile},
    shelf,
};

/// The pictures of a live.
#[derive(Debug, Default)]
pub struct Album(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    /// On the disk.
    sheets: Vec<Arc<Sheet>>,
    /// Not yet: each a sheet of one tile.
    open: Vec<(Arc<Sheet>, Bytes)>,
    newest: Option<Picture>,
    /// The poster of the recording.
    best: Option<Poster>,
    /// A better one that is not on the disk yet.
    better: Option<(Poster, Bytes)>,
    /// Where these thumbnails are, once somebody asked; another one whenever they change.
    index: Arc<OnceLock<Option<Arc<Playlist>>>>,
}

/// A picture, and when it was live.
#[derive(Debug, Clone)]
pub struct Picture {
    /// In Unix milliseconds: another picture has another.
    pub date_ms: u64,
    /// JPEG.
    pub bytes: Bytes,
}

/// Where a sheet is.
#[derive(Debug, Clone)]
pub enum Found {
    /// Here: JPEG.
    Here(Bytes),
    /// Beside the recording: see [`Pictures::file`](crate::Pictures::file).
    Kept,
}

impl Album {
    /// The newest picture.
    pub fn poster(&self) -> Option<Picture> {
        self.lock().newest.clone()
    }

    /// Where thumbnails are, in WebVTT, on a line of time that begins with the first of them; `every_ms` is how long
    /// the last stands for. `None` before there is one. Rendered once for all who ask, until there are others.
    pub fn index(&self, every_ms: u64) -> Option<Arc<Playlist>> {
        let index = Arc::clone(&self.lock().index);
        index.get_or_init(|| self.render(every_ms).map(Arc::new)).clone()
    }

    fn render(&self, every_ms: u64) -> Option<Playlist> {
        let all: Vec<Arc<Sheet>> = {
            let pages = self.lock();
            let open = pages.open.iter().map(|(sheet, _)| sheet);
            pages.sheets.iter().chain(open).cloned().collect()
        };
        let dates = all.iter().flat_map(|sheet| &sheet.tiles).map(|tile| tile.date_ms);
        let began_ms = dates.min()?;
        let at_ms = |tile: &Tile| tile.date_ms.checked_sub(began_ms);
        Some(sheet::index(all.iter().map(Arc::as_ref), at_ms, every_ms))
    }

    /// A sheet that the index names.
    pub fn sheet(&self, name: SheetName) -> Option<Found> {
        let pages = self.lock();
        let open = pages.open.iter().find(|(sheet, _)| sheet.name() == Some(name));
        let kept = || pages.sheets.iter().any(|sheet| sheet.name() == Some(name));
        open.map(|(_, bytes)| Found::Here(bytes.clone())).or_else(|| kept().then_some(Found::Kept))
    }

    /// Takes in what an earlier run of the server kept.
    pub(crate) fn resume(&self, kept: shelf::Kept) {
        let mut pages = self.lock();
        pages.sheets = kept.sheets.into_iter().map(Arc::new).collect();
        pages.best = kept.poster;
        pages.changed();
    }

    /// How many thumbnails there are.
    pub(crate) fn count(&self) -> usize {
        let pages = self.lock();
        pages.sheets.iter().map(|sheet| sheet.tiles.len()).sum::<usize>() + pages.open.len()
    }

    /// Adds a picture; says whether those that wait are to be kept before the next.
    pub(crate) fn add(&self, tile: Tile, picture: Thumbnail) -> bool {
        let mut pages = self.lock();
        let Thumbnail { poster, blurhash, tile: bytes, size: (width, height) } = picture;
        pages.newest = Some(Picture { date_ms: tile.date_ms, bytes: poster.clone() });
        let offered = Poster { blurhash, bytes: poster.len() as u64 };
        if pages.best.as_ref().is_none_or(|best| offered.bytes > best.bytes) {
            pages.best = Some(offered.clone());
            pages.better = Some((offered, poster));
        }
        let sum = sheet::sum(&bytes);
        let sheet = Sheet { width, height, columns: 1, tiles: vec![tile], sum };
        pages.open.push((Arc::new(sheet), bytes));
        pages.changed();
        pages.is_full()
    }

    /// Keeps what waits, so far as it fits a sheet, beside the recording in `recording`. Where nothing is
    /// recorded it goes.
    pub(crate) async fn keep(&self, desk: &Desk, recording: &Path) -> Result<(), Failed> {
        let (mut sheet, tiles, better) = {
            let pages = self.lock();
            let Some((sheet, tiles)) = pages.next_sheet() else { return Ok(()) };
            (sheet, tiles, pages.better.clone())
        };
        let count = tiles.len();
        let laid = desk.sheet(tiles, sheet.columns).await;
        let added = match laid {
            Ok(laid) => {
                sheet.sum = sheet::sum(&laid);
                let (recording, sheet) = (recording.to_owned(), sheet.clone());
                let add = move || {
                    let poster = better.as_ref().map(|(poster, bytes)| (poster, bytes));
                    shelf::add(&recording, Some((&sheet, &laid)), poster)
                };
                let added = spawn_blocking(add).await.map_err(std::io::Error::other)?;
                added.map_err(Failed::from)
            }
            Err(failed) => Err(failed),
        };
        let mut pages = self.lock();
        match &added {
            Ok(()) => {
                pages.open.drain(..count);
                pages.sheets.push(Arc::new(sheet));
                pages.better = None;
            }
            // They have had their chance: memory is for two minutes of them. The recording gets others.
            Err(_) if pages.is_full() => drop(pages.open.drain(..count)),
            Err(_) => {}
        }
        pages.changed();
        added
    }

    /// Whether some wait.
    pub(crate) fn has_open(&self) -> bool {
        !self.lock().open.is_empty()
    }

    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pages {
    /// As many as make a sheet, or those of one size before one of another.
    fn is_full(&self) -> bool {
        let size = |(sheet, _): &(Arc<Sheet>, Bytes)| (sheet.width, sheet.height);
        let first = self.open.first().map(size);
        self.open.len() >= TILES || self.open.iter().any(|it| Some(size(it)) != first)
    }

    fn changed(&mut self) {
        self.index = Arc::default();
    }

    /// The first that fit together, as one sheet that is still to be laid.
    fn next_sheet(&self) -> Option<(Sheet, Vec<Bytes>)> {
        let (first, _) = self.open.first()?;
        let (width, height) = (first.width, first.height);
        let fits =
            |(sheet, _): &&(Arc<Sheet>, Bytes)| (sheet.width, sheet.height) == (width, height);
        let together = || self.open.iter().take(TILES).take_while(fits);
        let tiles: Vec<Tile> = together().flat_map(|(sheet, _)| sheet.tiles.clone()).collect();
        let columns = COLUMNS.min(u32::try_from(tiles.len()).unwrap_or(COLUMNS));
        let sheet = Sheet { width, height, columns, tiles, sum: 0 };
        Some((sheet, together().map(|(_, bytes)| bytes.clone()).collect()))
    }
}
