//! The sounds beside the first: what waits of them, and where on the timeline it lands.
//!
//! Parts and segments are cut by the main track alone (`segmenter`). A sound beside the first follows:
//! its samples wait until the part of their time is closed, and then become a part of their own. It
//! joins at the beginning of a segment, because what a playlist says of a segment is said with its
//! first part; while it is silent its parts are gaps. Nothing that it does breaks the picture: where
//! its clock jumps, it alone is set right.
//!
//! Not here: the first sound, which travels with the picture (`running`); bytes (`part`).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use media::{Kind, Labels, Sample, SoundNumber, Timescale, Track};

use crate::{
    Config, Rendition,
    intake::SAMPLE_OVERHEAD_BYTES,
    part::Timed,
    running::set_durations,
    segment::OtherSound,
    timeline::{self, Lane, Place},
    tracks::{Announced, Inits, TrackSet},
};

/// What may wait of one sound: ten seconds of a lossless one, more than any start waits for its IDR.
const MAX_WAITING_BYTES: usize = 2 << 20;

/// All sounds beside the first, of one live.
#[derive(Debug, Default)]
pub(crate) struct OtherSounds {
    lines: Vec<Line>,
    /// What the publishers call their sounds, the first included.
    pub labels: Arc<Labels>,
    /// Every sound that was packaged so far, the first included.
    pub packaged: SoundSet,
}

/// One sound beside the first.
#[derive(Debug)]
struct Line {
    number: SoundNumber,
    inits: Inits,
    /// What the current publisher announced.
    tracks: Option<Arc<TrackSet>>,
    /// Samples for the open part or a later one, in the publisher's time.
    waiting: VecDeque<Waiting>,
    waiting_bytes: usize,
    /// Its way onto the timeline, in this run.
    lane: Option<Lane>,
    /// What segments of this run declare of it.
    declared: Option<Arc<TrackSet>>,
    /// Where the main track was when it was declared: nothing of it lies before.
    joined_ticks: i64,
    /// Where it ends on the timeline.
    end: Option<(i64, Timescale)>,
}

#[derive(Debug)]
struct Waiting {
    dts_ticks: i64,
    duration_ticks: u32,
    data: Bytes,
}

/// Where the main track is when a part of it is closed.
pub(crate) struct MainTrack<'a> {
    pub lane: &'a Lane,
    pub timescale: Timescale,
    pub newest: i64,
    /// The end of the part; `None` when nothing comes after it.
    pub until: Option<i64>,
}

impl MainTrack<'_> {
    /// Whether what begins at `ticks` of a sound begins before the end of the part.
    pub fn is_before_end(&self, ticks: i64, timescale: Timescale) -> bool {
        self.until.is_none_or(|until| ticks < self.timescale.rescale(until, timescale))
    }
}

impl OtherSounds {
    /// Whether there is one at all.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The sounds of a live that goes on: for each the sets of tracks that its segments declare, and where it
    /// ends. `next_id` is one that no set had.
    pub fn revive(
        &mut self,
        number: SoundNumber,
        sets: &[Arc<TrackSet>],
        end: Option<(i64, Timescale)>,
        next_id: u32,
    ) {
        self.lines.push(Line { inits: Inits::of(sets, next_id), end, ..Line::new(number) });
    }

    /// A new publisher: what was announced is forgotten, names included. Says how many samples are
    /// dropped.
    pub fn begin(&mut self) -> u64 {
        self.restart();
        self.labels = Arc::default();
        let dropped = self.lines.iter_mut().map(|line| {
            line.tracks = None;
            line.forget()
        });
        dropped.sum()
    }

    /// A new run of the main track: all find their way anew. What waits goes on waiting.
    pub fn restart(&mut self) {
        for line in &mut self.lines {
            line.lane = None;
            line.declared = None;
        }
    }

    /// A sound appears or changes. Says how many samples of its old configuration are dropped.
    pub fn announce(&mut self, number: SoundNumber, track: Arc<Track>) -> u64 {
        let at = self.lines.iter().position(|line| line.number == number).unwrap_or_else(|| {
            self.lines.push(Line::new(number));
            self.lines.len() - 1
        });
        self.lines.get_mut(at).map_or(0, |line| line.announce(track))
    }

    /// Takes a sample. Says how many are dropped, which may be this one.
    pub fn push(&mut self, number: SoundNumber, sample: Sample) -> u64 {
        self.line(number).map_or(1, |line| line.push(sample))
    }

    /// What a segment declares that opens with a sample of the main track at `at_ticks`, and whether
    /// that contradicts the segment before it.
    pub fn declare(&mut self, at_ticks: i64) -> (Vec<OtherSound>, bool) {
        let mut changed = false;
        let declared = self.lines.iter_mut().filter_map(|line| {
            let tracks = line.tracks.clone()?;
            match &line.declared {
                Some(before) if Arc::ptr_eq(before, &tracks) => {}
                None if line.waiting.is_empty() => return None,
                before => {
                    changed |= before.is_some();
                    line.joined_ticks = at_ticks;
                    line.declared = Some(tracks.clone());
                }
            }
            Some(OtherSound { number: line.number, tracks, parts: Vec::new() })
        });
        (declared.collect(), changed)
    }

    /// Puts what belongs into the part that ends now into `room`. Says how many samples are dropped.
    pub fn take(
        &mut self,
        sound: &OtherSound,
        main: &MainTrack<'_>,
        config: &Config,
        room: &mut Vec<Timed>,
    ) -> u64 {
        let Some(line) = self.line(sound.number) else { return 0 };
        // Of another configuration than the segment declares.
        if !line.tracks.as_ref().is_some_and(|tracks| Arc::ptr_eq(tracks, &sound.tracks)) {
            return 0;
        }
        let dropped = line.take(main, config, room);
        if !room.is_empty() {
            self.packaged.insert(sound.number);
        }
        dropped
    }

    /// Where what waits for the part that ends now ends, in ticks of the main track; `None` if nothing does.
    pub fn waiting_end(&self, main: &MainTrack<'_>, config: &Config) -> Option<i64> {
        self.lines.iter().filter_map(|line| line.waiting_end(main, config)).max()
    }

    /// The init segment of that id of a sound, while something needs it.
    pub fn init(&self, number: SoundNumber, id: u32) -> Option<Bytes> {
        let line = self.lines.iter().find(|line| line.number == number)?;
        line.inits.get(Rendition::Audio(number), id)
    }

    /// The first whole second at or after all their ends.
    pub fn next_second(&self) -> i64 {
        let ends = self.lines.iter().filter_map(|line| line.end);
        ends.map(timeline::whole_second_after).fold(timeline::START_S, i64::max)
    }

    fn line(&mut self, number: SoundNumber) -> Option<&mut Line> {
        self.lines.iter_mut().find(|line| line.number == number)
    }
}

impl Line {
    fn new(number: SoundNumber) -> Self {
        Self {
            number,
            inits: Inits::default(),
            tracks: None,
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            lane: None,
            declared: None,
            joined_ticks: 0,
            end: None,
        }
    }

    fn announce(&mut self, track: Arc<Track>) -> u64 {
        let known = self.tracks.as_ref().and_then(|tracks| tracks.audio.as_ref());
        if track.kind() != Kind::Audio || known == Some(&track) {
            return 0;
        }
        let alone = Announced { video: None, audio: Some(track) };
        // One that no init segment can describe is not there; the live goes on.
        self.tracks = self.inits.get_or_write(alone).ok();
        self.lane = None;
        self.forget()
    }

    fn forget(&mut self) -> u64 {
        self.waiting_bytes = 0;
        let dropped = self.waiting.len() as u64;
        self.waiting.clear();
        dropped
    }

    fn push(&mut self, sample: Sample) -> u64 {
        let track = self.tracks.as_ref().and_then(|tracks| tracks.audio.as_ref());
        let believable = timeline::is_believable(sample.dts_ticks) && !sample.data.is_empty();
        let ticks = track.filter(|_| believable).and_then(|it| it.sound_ticks(&sample.data));
        let Some(duration_ticks) = ticks else { return 1 };
        let Sample { dts_ticks, data, .. } = sample;
        self.waiting_bytes += data.len() + SAMPLE_OVERHEAD_BYTES;
        self.waiting.push_back(Waiting { dts_ticks, duration_ticks, data });
        let mut dropped = 0;
        while self.waiting_bytes > MAX_WAITING_BYTES && self.pop().is_some() {
            dropped += 1;
        }
        dropped
    }

    fn pop(&mut self) -> Option<Waiting> {
        let oldest = self.waiting.pop_front()?;
        self.waiting_bytes =
            self.waiting_bytes.saturating_sub(oldest.data.len() + SAMPLE_OVERHEAD_BYTES);
        Some(oldest)
    }

    fn take(&mut self, main: &MainTrack<'_>, config: &Config, room: &mut Vec<Timed>) -> u64 {
        let mut dropped = 0;
        while let Some(landing) = self.next_landing(main, config) {
            let Some(Waiting { duration_ticks, data, .. }) = self.pop() else { break };
            match landing {
                Place::At(dts_ticks) => room.push(Timed {
                    dts_ticks,
                    cts_ticks: 0,
                    duration_ticks,
                    is_sync: true,
                    ts_len: 0,
                    data,
                }),
                Place::Break => dropped += 1,
            }
        }
        set_durations(room);
        dropped
    }

    /// Where the oldest sample that waits lands; nowhere if it lies before all that may be said of the
    /// sound, or its clock went back. `None` if it belongs to a later part.
    fn next_landing(&mut self, main: &MainTrack<'_>, config: &Config) -> Option<Place> {
        let timescale = self.tracks.as_ref()?.timescale;
        let next = self.waiting.front()?;
        let lane = self.lane.get_or_insert_with(|| {
            // The newest tells whether the clocks agree: the oldest may wait since long ago.
            let newest = self.waiting.back().unwrap_or(next);
            let lane = main.lane.beside(timescale, newest.dts_ticks, main.newest, config);
            let end = self.end.map_or(0, |end| timeline::end_in(end, timescale));
            lane.starting_at(next.dts_ticks).not_before(end)
        });
        let mapped = lane.map(next.dts_ticks);
        if runs_ahead(lane, mapped, main, config) {
            // Its clock jumped: it lands beside the main track, with the next part.
            self.lane = None;
            return None;
        }
        if !main.is_before_end(mapped, timescale) {
            return None;
        }
        let step_ticks = next.duration_ticks.max(1);
        let joined = main.timescale.rescale(self.joined_ticks, timescale);
        if mapped.saturating_add(step_ticks.into()) <= joined {
            return Some(Place::Break);
        }
        let place = lane.place_after_silence(next.dts_ticks, step_ticks);
        match place {
            Place::At(at) => self.end = Some((at.saturating_add(step_ticks.into()), timescale)),
            Place::Break => self.lane = None,
        }
        Some(place)
    }

    /// Where the newest sample ends that waits for the part that ends now, of a sound that has come
    /// before, in ticks of the main track.
    fn waiting_end(&self, main: &MainTrack<'_>, config: &Config) -> Option<i64> {
        let (tracks, lane) = (self.declared.as_ref()?, self.lane.as_ref()?);
        let belongs = |sample: &&Waiting| {
            let at = lane.map(sample.dts_ticks);
            main.is_before_end(at, tracks.timescale) && !runs_ahead(lane, at, main, config)
        };
        self.waiting.front().filter(belongs)?;
        let last = self.waiting.iter().rfind(belongs)?;
        let end = lane.map(last.dts_ticks).saturating_add(last.duration_ticks.into());
        Some(tracks.timescale.rescale(end, main.timescale))
    }
}

/// Whether a place on the way of a sound lies so far ahead of the main track that its clock must have jumped.
fn runs_ahead(lane: &Lane, at: i64, main: &MainTrack<'_>, config: &Config) -> bool {
    lane.ahead_ms(at, main.newest, main.timescale) > config.track_absent_ms.into()
}

/// Some of the sounds of a live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct SoundSet(u8);

// A bit for each.
const _: () = assert!(SoundNumber::COUNT == u8::BITS as usize);

impl SoundSet {
    /// The first alone.
    pub const FIRST: Self = Self(1);

    pub fn insert(&mut self, number: SoundNumber) {
        self.0 |= 1 << number.index();
    }

    pub fn without(self, number: SoundNumber) -> Self {
        Self(self.0 & !(1 << number.index()))
    }

    pub fn contains(self, number: SoundNumber) -> bool {
        self.0 & 1 << number.index() != 0
    }

    /// Whether a sound beside the first is in it.
    pub fn has_others(self) -> bool {
        self.0 > 1
    }

    pub fn iter(self) -> impl Iterator<Item = SoundNumber> {
        SoundNumber::all().filter(move |number| self.contains(*number))
    }
}
