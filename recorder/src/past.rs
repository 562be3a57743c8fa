//! What a recording says of a live that was on when the server stopped, so that it can go on.
//!
//! Here: the newest segments, read back into memory, as many as a window holds. Not here: what is made of them
//! (`packager::past`), which lives go on (`src`).
//!
//! Every byte is checked. What cannot be read was listed all the same: it is left out, and the live goes on with a
//! gap there.

use std::{
    collections::HashMap,
    path::Path,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use bytes::Bytes;
use media::{Labels, SoundNumber, Track, id::PlaybackName};
use packager::{Packager, Past, PastSegment, PastTracks, Rendition};

use crate::{
    Error, Library,
    index::{self, Index, Place, Record, Segment, Stored},
    recording::{Blob, read_index},
    writer::has_own_bytes,
};

/// What is left of a live.
#[derive(Debug)]
pub struct Left {
    /// When something was last written of it, in Unix milliseconds.
    pub written_ms: i64,
    /// Whether its end was written.
    pub is_over: bool,
    pub(crate) past: Option<Past>,
    /// The init segments of its epoch as they were.
    inits: Vec<index::Init>,
}

impl Left {
    /// A packager that goes on with it; see [`Packager::revive`]. `None` where there is too little, or where
    /// what viewers have would not be the same.
    pub fn revive(
        self,
        config: packager::Config,
        name: PlaybackName,
        now_ms: i64,
        random: u64,
    ) -> Option<Packager> {
        let packager = Packager::revive(config, name, self.past?, now_ms, random)?;
        // Another version of the server may write them otherwise.
        let is_same = |init: &index::Init| match packager.init(init.rendition, init.id) {
            Some(bytes) => {
                let Place { volume, at, .. } = init.place;
                Place::of(&bytes, volume, at) == init.place
            }
            None => true,
        };
        self.inits.iter().all(is_same).then_some(packager)
    }
}

impl Library {
    /// What is left of a live that nobody writes now.
    ///
    /// # Errors
    /// [`Error::Unknown`] where nothing was written; those of the disk.
    pub async fn left(
        &self,
        name: &PlaybackName,
        config: &packager::Config,
    ) -> Result<Left, Error> {
        if self.standing(name.as_str()) != crate::Standing::Finished {
            return Err(Error::Unknown);
        }
        let (folder, config) = (self.folder(name), config.clone());
        self.read(move || read(&folder, &config)).await
    }
}

fn read(folder: &Path, config: &packager::Config) -> Result<Left, Error> {
    let (index, changed) = read_index(folder)?;
    let written_ms = changed.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis();
    let is_over = matches!(index.records.last(), Some(Record::End { .. }));
    let written_ms = i64::try_from(written_ms).unwrap_or(i64::MAX);
    let (past, inits) = past(folder, index, config).unzip();
    Ok(Left { written_ms, is_over, past, inits: inits.unwrap_or_default() })
}

fn past(
    folder: &Path,
    index: Index,
    config: &packager::Config,
) -> Option<(Past, Vec<index::Init>)> {
    let epoch = index.records.iter().rev().find_map(|record| match record {
        Record::Segment(segment) => Some(segment.epoch.clone()),
        _ => None,
    })?;
    let (mut inits, mut segments, mut labels) = (Vec::new(), Vec::new(), Labels::default());
    for record in index.records {
        match record {
            Record::Init(init) if init.epoch == epoch => inits.push(init),
            Record::Segment(segment) if segment.epoch == epoch => segments.push(segment),
            Record::Labels(called) => labels = index::labels(&called),
            _ => {}
        }
    }
    let last_number = segments.iter().map(|segment| segment.msn).max()?;
    let mut reader = Reader { folder, tracks: HashMap::new() };
    for init in &inits {
        let tracks = init.tracks.iter().cloned().map(Arc::new).collect();
        reader.tracks.insert((init.rendition, init.id), tracks);
    }
    let segments = reader.newest(&segments, config);
    let epoch = epoch.parse().ok()?;
    Some((Past { epoch, labels, segments, last_number }, inits))
}

struct Reader<'a> {
    folder: &'a Path,
    tracks: HashMap<(Rendition, u32), Vec<Arc<Track>>>,
}

impl Reader<'_> {
    /// The newest segments that are whole, one after the other, as many as a window lists and retains.
    fn newest(&self, all: &[Segment], config: &packager::Config) -> Vec<PastSegment> {
        let mut newest: Vec<PastSegment> = Vec::new();
        let (mut length_us, mut bytes, mut listed) = (0, 0, 0);
        for segment in all.iter().rev() {
            let Some(kept) = &segment.kept else { break };
            if let Some(before) = newest.last().map(|after| after.kept.msn()) {
                // Written again after a disk failed.
                if kept.msn() == before {
                    continue;
                }
                if kept.msn() + 1 != before {
                    break;
                }
            }
            match self.segment(segment) {
                Some(read) => {
                    length_us += segment.stored(Rendition::Source).map_or(0, |it| it.duration_us);
                    bytes += read.tracks.iter().map(|it| it.bytes.len()).sum::<usize>();
                    newest.push(read);
                }
                // What came last may have been lost by a power cut.
                None if newest.is_empty() => continue,
                None => break,
            }
            // What may be listed, and behind it what may still be asked for.
            let is_list = length_us < 1_000 * u64::from(config.window_ms)
                || newest.len() <= config.window_min_segments;
            if is_list && newest.len() < config.window_max_segments {
                listed = newest.len();
            }
            if newest.len() > listed + config.retained_segments + 1
                || bytes > config.window_max_bytes.saturating_mul(2)
            {
                break;
            }
        }
        newest.reverse();
        newest
    }

    fn segment(&self, segment: &Segment) -> Option<PastSegment> {
        let source = segment.stored(Rendition::Source)?;
        let own = segment.renditions.iter().filter(|stored| has_own_bytes(stored.rendition));
        Some(PastSegment {
            kept: segment.kept.clone()?,
            number: segment.msn,
            discontinuity: segment.discontinuity,
            independent: !segment.dependent && source.bytes > 0,
            program_date_time_ms: source.date_ms,
            tracks: own.map(|stored| self.rendition(stored)).collect::<Option<_>>()?,
        })
    }

    fn rendition(&self, stored: &Stored) -> Option<PastTracks> {
        let number = match stored.rendition {
            Rendition::Audio(number) => number,
            _ => SoundNumber::FIRST,
        };
        let init_id = stored.init?;
        let tracks = self.tracks.get(&(stored.rendition, init_id))?.clone();
        let bytes = match &stored.place {
            Some(place) => {
                let blob = Blob::in_folder(self.folder, place.clone());
                blob.open().ok()?.read_all().ok()?.into()
            }
            None => Bytes::new(),
        };
        Some(PastTracks { number, init_id, tracks, bytes })
    }
}
