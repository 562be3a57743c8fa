//! The tracks a publisher announced, and the sets of tracks that segments declare.
//!
//! Here: which tracks belong together, under which init segment. Not here: when a set changes
//! (`intake`, `running`).

use std::sync::{Arc, Weak};

use bytes::Bytes;
use media::{Kind, Timescale, Track};

use crate::{Error, Rendition, fmp4, ts};

/// What the current publisher announced.
#[derive(Debug, Clone, Default)]
pub(crate) struct Announced {
    pub video: Option<Arc<Track>>,
    pub audio: Option<Arc<Track>>,
}

impl Announced {
    pub fn get(&self, kind: Kind) -> Option<&Arc<Track>> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
        }
    }

    /// Notes a track; false if it is the one already known.
    pub fn set(&mut self, track: Arc<Track>) -> bool {
        let slot = match track.kind() {
            Kind::Video => &mut self.video,
            Kind::Audio => &mut self.audio,
        };
        if slot.as_deref() == Some(&*track) {
            return false;
        }
        *slot = Some(track);
        true
    }
}

/// The tracks of a segment, really present, and their init segment.
#[derive(Debug)]
pub(crate) struct TrackSet {
    pub init_id: u32,
    pub init: Bytes,
    /// The init segment of its picture alone; `init` where there is nothing else.
    pub video_init: Option<Bytes>,
    /// The init segment of its sound alone; `init` where there is nothing else.
    pub audio_init: Option<Bytes>,
    pub video: Option<Arc<Track>>,
    pub audio: Option<Arc<Track>>,
    /// The track by which parts and segments are cut: the video when there is one.
    pub main: Kind,
    /// Ticks per second of the main track.
    pub timescale: Timescale,
    /// How MPEG-TS carries them; `None` if there is no way for one of them.
    pub ts: Option<ts::Carriage>,
}

impl TrackSet {
    pub fn new(init_id: u32, tracks: Announced) -> Result<Self, Error> {
        let init = fmp4::init::write(&tracks)?;
        let alone = |track: &Option<Arc<Track>>| match track {
            Some(_) if tracks.video.is_none() || tracks.audio.is_none() => Ok(Some(init.clone())),
            Some(track) => {
                let mut alone = Announced::default();
                alone.set(track.clone());
                fmp4::init::write(&alone).map(Some)
            }
            None => Ok(None),
        };
        let (video_init, audio_init) = (alone(&tracks.video)?, alone(&tracks.audio)?);
        let main = if tracks.video.is_some() { Kind::Video } else { Kind::Audio };
        let timescale = tracks.get(main).map_or(Timescale::MILLIS, |track| track.timescale);
        let ts = ts::Carriage::new(tracks.video.as_deref(), tracks.audio.as_ref());
        Ok(Self {
            init_id,
            init,
            video_init,
            audio_init,
            video: tracks.video,
            audio: tracks.audio,
            main,
            timescale,
            ts,
        })
    }

    pub fn get(&self, kind: Kind) -> Option<&Arc<Track>> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
        }
    }

    fn is(&self, tracks: &Announced) -> bool {
        self.video == tracks.video && self.audio == tracks.audio
    }
}

/// The sets in use, so that an unchanged configuration keeps its init segment and a changed one
/// gets an id that was never used before.
#[derive(Debug, Default)]
pub(crate) struct Inits {
    sets: Vec<Weak<TrackSet>>,
    next_id: u32,
}

impl Inits {
    /// Those of a live that goes on. `next_id` is one that no set had.
    pub fn of(sets: &[Arc<TrackSet>], next_id: u32) -> Self {
        Self { sets: sets.iter().map(Arc::downgrade).collect(), next_id }
    }

    /// The set of exactly these tracks.
    pub fn get_or_write(&mut self, tracks: Announced) -> Result<Arc<TrackSet>, Error> {
        self.sets.retain(|set| set.strong_count() > 0);
        let known = self.sets.iter().filter_map(Weak::upgrade).find(|set| set.is(&tracks));
        if let Some(set) = known {
            return Ok(set);
        }
        let set = Arc::new(TrackSet::new(self.next_id, tracks)?);
        self.next_id = self.next_id.wrapping_add(1);
        self.sets.push(Arc::downgrade(&set));
        Ok(set)
    }

    /// The init segment of that id for a rendition, while something needs it.
    pub fn get(&self, rendition: Rendition, id: u32) -> Option<Bytes> {
        let set = self.sets.iter().filter_map(Weak::upgrade).find(|set| set.init_id == id)?;
        match rendition {
            Rendition::Source => Some(set.init.clone()),
            Rendition::SourceTs => None,
            Rendition::Video => set.video_init.clone(),
            Rendition::Audio(_) => set.audio_init.clone(),
        }
    }
}
