//! Takes pictures of a live while it is on.
//!
//! Here: when one is due, what happens when it cannot be had. A follower is a reader like the recorder: it is
//! woken by complete segments, and takes the picture that the newest one opens on, if it is due and has a place.

use std::{path::Path, sync::Arc, time::Duration};

use hub::Channel;
use packager::{Rendition, Segment};
use tokio::{
    sync::watch,
    task::spawn_blocking,
    time::{Instant, timeout},
};

use crate::{Album, Failed, Pictures, desk::Desk, recorded::MOST_TILES, sheet::Tile, shelf};

/// A segment of the usual two seconds that ends a moment early is not too early.
const EARLY: Duration = Duration::from_secs(1);
/// After failures in a row the next try comes later, at most so many times.
const PATIENCE_MAX: u32 = 32;
/// Longest wait for the last sheet.
const FINISH: Duration = Duration::from_secs(30);

pub(crate) async fn follow(
    pictures: Pictures,
    desk: Arc<Desk>,
    channel: Arc<Channel>,
    album: Arc<Album>,
    alive: watch::Sender<()>,
) {
    // Also when this task is stopped by a defect of ours. Those who wait see the end last.
    let gone = Gone { pictures, channel, _alive: alive };
    let folder = gone.pictures.0.recordings.folder(gone.channel.name());
    let read = spawn_blocking({
        let folder = folder.clone();
        move || shelf::read(&folder)
    });
    if let Ok(Ok(kept)) = read.await {
        album.resume(kept);
    }
    let follower = Follower { every: gone.pictures.0.config.every(), desk, album, gone: &gone };
    follower.follow(&folder).await;
}

struct Follower<'a> {
    every: Duration,
    desk: Arc<Desk>,
    album: Arc<Album>,
    gone: &'a Gone,
}

struct Gone {
    pictures: Pictures,
    channel: Arc<Channel>,
    _alive: watch::Sender<()>,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.pictures.lock().live.remove(self.channel.name());
    }
}

impl Follower<'_> {
    async fn follow(&self, folder: &Path) {
        let channel = &self.gone.channel;
        let mut complete = channel.follow();
        let (mut due, mut failures) = (Instant::now(), 0_u32);
        loop {
            let newest = *complete.borrow_and_update();
            if newest.ended {
                break;
            }
            let segment = newest.last_msn.filter(|_| Instant::now() >= due);
            let segment = segment.and_then(|msn| channel.segment(msn));
            if let Some((film, tile)) = segment.and_then(|segment| self.opening(&segment)) {
                match self.desk.place() {
                    None => ::metrics::counter!("pictures_skipped_total").increment(1),
                    Some(_place) => {
                        let begun = Instant::now();
                        let taken = self.take(film, tile, folder).await;
                        failures = self.told(&taken, failures);
                        // A live of days does not get ever more of them.
                        let stretch = 1 + self.album.count() / MOST_TILES;
                        let patience = 1_u32.wrapping_shl(failures.min(5)).min(PATIENCE_MAX);
                        let every = self.every * patience * u32::try_from(stretch).unwrap_or(1);
                        due = begun + every.saturating_sub(EARLY);
                    }
                }
            }
            if complete.changed().await.is_err() {
                break;
            }
        }
        let rest = async {
            while self.album.has_open() {
                self.album.keep(&self.desk, folder).await?;
            }
            Ok::<_, Failed>(())
        };
        if let Ok(Err(failed)) = timeout(FINISH, rest).await {
            self.told(&Err(failed), 0);
        }
    }

    /// The picture that a segment opens on, as a film of it alone.
    fn opening(&self, segment: &Segment) -> Option<(Vec<u8>, Tile)> {
        let date_ms = u64::try_from(segment.program_date_time_ms()).ok()?;
        let mut film = segment.init(Rendition::Video)?.bytes.to_vec();
        film.extend(packager::opening_picture(&segment.bytes(Rendition::Source)?)?);
        let epoch = self.gone.channel.epoch().to_string();
        Some((film, Tile { date_ms, epoch, msn: segment.number() }))
    }

    async fn take(&self, film: Vec<u8>, tile: Tile, folder: &Path) -> Result<(), Failed> {
        let picture = self.desk.thumbnail(film).await?;
        ::metrics::counter!("pictures_made_total").increment(1);
        if self.album.add(tile, picture) {
            self.album.keep(&self.desk, folder).await?;
        }
        Ok(())
    }

    /// Says what went wrong, the first time in a row; gives how often that was.
    fn told(&self, taken: &Result<(), Failed>, before: u32) -> u32 {
        let Err(failed) = taken else { return 0 };
        // Of a live that is not recorded nothing is kept.
        if matches!(failed, Failed::Disk(error) if error.kind() == std::io::ErrorKind::NotFound) {
            return 0;
        }
        ::metrics::counter!("pictures_failed_total").increment(1);
        let name = self.gone.channel.name();
        if before == 0 {
            tracing::warn!(%name, %failed, "no picture could be made of a live, which goes on");
        }
        before.saturating_add(1)
    }
}
