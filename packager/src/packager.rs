//! The packager: takes events, decides, keeps the window.

use std::sync::Arc;

use bytes::Bytes;
use media::id::{Epoch, PlaybackName};

use crate::{Config, Container, Edge, Error, Progress, Report, Segment};

/// Turns the events of one live into parts, segments and playlists.
///
/// One value serves a whole live: publishers come ([`Packager::begin`]) and go
/// ([`Packager::interrupt`]); sequence numbers and the timeline go on.
#[derive(Debug)]
pub struct Packager {
    config: Config,
    name: PlaybackName,
    epoch: Epoch,
    finished: bool,
}

impl Packager {
    /// A packager without media. `config` is expected to be valid; see [`Config::validate`].
    pub fn new(config: Config, name: PlaybackName, epoch: Epoch) -> Self {
        Self { config, name, epoch, finished: false }
    }

    /// The name viewers know the live by.
    pub fn name(&self) -> &PlaybackName {
        &self.name
    }

    /// The random name of this run, part of every media URL.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// A publisher begins, or resumes, at `wall_clock_ms` (Unix time): what follows is a new run
    /// of timestamps and configuration, announced as a discontinuity if anything came before.
    /// Does nothing once the live is finished.
    pub fn begin(&mut self, wall_clock_ms: i64) {
        let _ = wall_clock_ms;
    }

    /// Takes the next event of the current publisher.
    ///
    /// # Errors
    /// When nobody began, the live is finished, or the publisher must be refused. What was packaged
    /// before stays; the publisher should be cut and [`Packager::interrupt`] called.
    pub fn push(&mut self, event: media::Event) -> Result<Progress, Error> {
        let _ = (event, &self.config);
        if self.finished { Err(Error::Finished) } else { Ok(Progress::default()) }
    }

    /// The publisher is gone: closes the open part and segment.
    pub fn interrupt(&mut self) -> Progress {
        Progress::default()
    }

    /// The live is over: as [`Packager::interrupt`], and playlists end with `EXT-X-ENDLIST`.
    pub fn finish(&mut self) -> Progress {
        self.finished = true;
        Progress { part: false, segment: true }
    }

    /// The newest complete part.
    pub fn edge(&self) -> Option<Edge> {
        None
    }

    /// Whether [`Packager::finish`] was called.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The media playlist as of now; `None` before the first segment is complete.
    pub fn media_playlist(&self, container: Container) -> Option<String> {
        let _ = container;
        None
    }

    /// The multivariant playlist as of now; `None` before the first segment is complete.
    pub fn multivariant_playlist(&self, container: Container) -> Option<String> {
        let _ = container;
        None
    }

    /// A segment that is listed or still retained.
    pub fn segment(&self, msn: u64) -> Option<Arc<Segment>> {
        let _ = msn;
        None
    }

    /// The init segment (`moov`) of that id, while a segment held here needs it.
    pub fn init(&self, id: u32) -> Option<Bytes> {
        let _ = id;
        None
    }

    /// How it goes, now.
    pub fn report(&self) -> Report {
        Report::default()
    }
}
