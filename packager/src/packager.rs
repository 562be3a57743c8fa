//! The packager: takes events, decides, keeps the window.
//!
//! Here: publishers that begin and go, tracks that change, the wall clock. Not here: what happens
//! to samples (`intake`, `running`), what is listed (`output`, `window`).

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use media::{
    Codec, Event, Kind, Labels, Sample, Timescale, Track,
    codec::x264,
    id::{Epoch, PlaybackName},
};

use crate::{
    AudioReport, Config, Edge, Error, Numbers, Progress, Rendition, Report, Segment, VideoReport,
    intake::{Intake, Selection},
    output::Output,
    playlist::{
        self,
        media::{Listing, Offered},
    },
    running::{Running, Start, Step, Way},
    segmenter::Gops,
    sounds::SoundSet,
    timeline,
    tracks::{Announced, TrackSet},
};

/// A break in timestamps longer than this cannot be silence: a publisher silent for so long is
/// cut. The wall clock of what follows then goes on as if there had been none.
const LONGEST_SILENCE_MS: i64 = 15_000;

/// Turns the events of one live into parts, segments and playlists.
///
/// One value serves a whole live: publishers come ([`Packager::begin`]) and go
/// ([`Packager::interrupt`]); sequence numbers and the timeline go on.
#[derive(Debug)]
pub struct Packager {
    name: PlaybackName,
    epoch: Epoch,
    output: Output,
    run: Option<Run>,
    finished: bool,
    /// The newest segment that was kept, of one that goes on.
    past_msn: Option<u64>,
}

/// The current publisher.
#[derive(Debug)]
struct Run {
    announced: Announced,
    wall_clock_ms: i64,
    /// Publisher's time of its first sample.
    first_ms: Option<i64>,
    /// Whether any of its media was packaged.
    has_media: bool,
    way: Option<Way>,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting(Intake),
    Running(Box<Running>),
}

impl Packager {
    /// A packager without media. `config` is expected to be valid; see [`Config::validate`].
    pub fn new(config: Config, name: PlaybackName, epoch: Epoch) -> Self {
        Self {
            name,
            epoch,
            output: Output::new(config),
            run: None,
            finished: false,
            past_msn: None,
        }
    }

    /// One that goes on with what is listed; see [`Packager::revive`].
    pub(crate) fn going_on(
        name: PlaybackName,
        epoch: Epoch,
        output: Output,
        past_msn: u64,
    ) -> Self {
        Self { name, epoch, output, run: None, finished: false, past_msn: Some(past_msn) }
    }

    /// The newest segment that is listed again, of a live that goes on.
    pub fn past_msn(&self) -> Option<u64> {
        self.past_msn
    }

    /// The name viewers know the live by.
    pub fn name(&self) -> &PlaybackName {
        &self.name
    }

    /// The random name of this packager's life, part of every media URL.
    pub fn epoch(&self) -> &Epoch {
        &self.epoch
    }

    /// How segments are called.
    pub fn numbers(&self) -> &Numbers {
        &self.output.numbers
    }

    /// A publisher begins, or resumes, at `wall_clock_ms` (Unix time): what follows is a new run
    /// of timestamps and configuration, announced as a discontinuity if anything came before.
    /// The timeline itself continues after all that was packaged, so that no decode time is ever
    /// used twice. Does nothing once the live is finished.
    pub fn begin(&mut self, wall_clock_ms: i64) {
        self.interrupt();
        if self.finished {
            return;
        }
        self.output.counts.dropped += self.output.sounds.begin();
        // Another encoder, or another setting of it.
        self.output.gops = Gops::default();
        self.output.counts.labellings += 1;
        self.run = Some(Run {
            announced: Announced::default(),
            wall_clock_ms,
            first_ms: None,
            has_media: false,
            way: None,
            state: State::Waiting(Intake::default()),
        });
    }

    /// Takes the next event of the current publisher.
    ///
    /// # Errors
    /// When nobody began, the live is finished, or the publisher must be refused. What was packaged
    /// before stays; the publisher should be cut and [`Packager::interrupt`] called.
    pub fn push(&mut self, event: Event) -> Result<Progress, Error> {
        if self.finished {
            return Err(Error::Finished);
        }
        let run = self.run.as_mut().ok_or(Error::NotBegun)?;
        match event {
            Event::Metadata(metadata) => {
                let all_wait = self.output.metadata.add(&metadata);
                self.output.counts.metadata_dropped += u64::from(!all_wait);
                Ok(Progress::default())
            }
            Event::TrackChanged(track) => run.change(track, &mut self.output),
            Event::Sample(sample) => run.take(sample, VecDeque::new(), &mut self.output),
            // What is beside the first sound waits for the parts that these bring.
            Event::OtherSoundChanged(number, track) => {
                let Output { sounds, counts, .. } = &mut self.output;
                counts.dropped += sounds.announce(number, track);
                Ok(Progress::default())
            }
            Event::OtherSound(number, sample) => {
                let Output { sounds, counts, .. } = &mut self.output;
                counts.dropped += sounds.push(number, sample);
                Ok(Progress::default())
            }
            Event::SoundsLabelled(labels) => {
                self.output.sounds.labels = labels;
                self.output.counts.labellings += 1;
                Ok(Progress::default())
            }
        }
    }

    /// The publisher is gone: closes the open part and segment.
    pub fn interrupt(&mut self) -> Progress {
        match self.run.take() {
            Some(run) => run.end(&mut self.output),
            None => Progress::default(),
        }
    }

    /// Nothing came for `silent_ms`, from a publisher that is gone or silent: closes the open part and
    /// segment, and lists parts without media for that time (`EXT-X-GAP`, rfc8216bis §4.4.4.7). To be
    /// said again as the silence goes on. What comes later begins anew, at its next IDR.
    pub fn gap(&mut self, silent_ms: u64) -> Progress {
        if self.finished {
            return Progress::default();
        }
        let mut progress = match &mut self.run {
            Some(run) => run.pause(&mut self.output),
            None => Progress::default(),
        };
        progress |= self.output.add_gaps(silent_ms);
        progress
    }

    /// The live is over: as [`Packager::interrupt`], and playlists end with `EXT-X-ENDLIST`.
    pub fn finish(&mut self) -> Progress {
        let mut progress = self.interrupt();
        progress |= self.output.close_segment();
        progress.segment |= !self.finished;
        self.finished = true;
        progress
    }

    /// The newest complete part.
    pub fn edge(&self) -> Option<Edge> {
        self.output.edge
    }

    /// The part that comes next, as playlists hint at it. An IDR that is due and does not come, or that
    /// comes though it was not due, makes it another.
    pub fn next_part(&self) -> Edge {
        self.output.next_part()
    }

    /// Whether [`Packager::finish`] was called.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// The media playlist of a rendition as of now; `None` before there is enough to play.
    pub fn media_playlist(&self, rendition: Rendition) -> Option<String> {
        self.listing(rendition)?.render()
    }

    /// The same as a Playlist Delta Update (rfc8216bis §6.2.5.1), where something can be left out.
    pub fn media_playlist_delta(&self, rendition: Rendition) -> Option<String> {
        self.listing(rendition)?.render_delta()
    }

    /// The multivariant playlist that offers a rendition (and, with the source, its sound alone) as
    /// of now; `None` before there is enough to play. Where several sounds are listed, the source is
    /// offered as its picture alone and the sounds to choose from, and its sound as all of them.
    pub fn multivariant_playlist(&self, rendition: Rendition) -> Option<String> {
        let listing = self.listing(rendition)?;
        let labels = &self.output.sounds.labels;
        playlist::multivariant::render(listing, labels, &self.name, &self.epoch)
    }

    /// What the publisher calls its sounds.
    pub fn labels(&self) -> &Arc<Labels> {
        &self.output.sounds.labels
    }

    /// Whether what is listed can be offered as a rendition: MPEG-TS does not carry every codec, the
    /// picture alone goes with several sounds, and not every number has a sound.
    pub fn offers(&self, rendition: Rendition) -> bool {
        let Output { window, sounds, .. } = &self.output;
        match rendition {
            Rendition::Source | Rendition::SOUND => true,
            Rendition::SourceTs => window.listed().all(|segment| segment.has_ts()),
            Rendition::Video => sounds.packaged.has_others(),
            Rendition::Audio(number) => sounds.packaged.contains(number),
        }
    }

    fn listing(&self, rendition: Rendition) -> Option<Listing<'_>> {
        let Output { window, open, promise, sounds, numbers, .. } = &self.output;
        let promise = (*promise)?;
        let (has_audio, has_both) = window.listed().rev().fold((false, false), |(any, both), s| {
            let tracks = s.tracks();
            let audio = tracks.audio.is_some();
            (any || audio, both || audio && tracks.video.is_some())
        });
        // Once there were several sounds, those who chose one go on with it; where it is missing they
        // are told of gaps.
        let several = sounds.packaged.has_others();
        let offered = Offered {
            source: !several,
            video: several && window.newest_with_video().is_some(),
            sounds: match several {
                true => sounds.packaged,
                false if has_both => SoundSet::FIRST,
                false => SoundSet::default(),
            },
        };
        let (is_there, others) = match rendition {
            _ if !self.offers(rendition) => (false, Offered::default()),
            Rendition::Source => (true, offered),
            // Nobody who asks for it knows parts: the first segment alone is too short to start on.
            Rendition::SourceTs => (window.len() > 1 || self.finished, Offered::default()),
            Rendition::Video => (offered.video, offered),
            Rendition::SOUND if !several => (has_audio, offered),
            Rendition::Audio(number) => (offered.sounds.contains(number), offered),
        };
        let (open, next, ended) = (open.as_ref(), self.output.next_part(), self.finished);
        let others = others.without(rendition);
        is_there.then_some(Listing {
            rendition,
            others,
            window,
            open,
            next,
            numbers,
            promise,
            ended,
        })
    }

    /// A segment that is listed or still retained.
    pub fn segment(&self, msn: u64) -> Option<Arc<Segment>> {
        self.output.window.get(msn)
    }

    /// A part of a rendition, while its segment is open, listed or retained.
    pub fn part(&mut self, rendition: Rendition, msn: u64, index: u32) -> Option<Bytes> {
        match self.output.open.as_mut().filter(|open| open.head.msn == msn) {
            Some(open) => open.part(index, rendition),
            None => self.output.window.get(msn)?.part(index, rendition),
        }
    }

    /// The init segment (`ftyp`, `moov`) of that id for a rendition, while a segment held here needs
    /// it.
    pub fn init(&self, rendition: Rendition, id: u32) -> Option<Bytes> {
        match rendition {
            Rendition::SOUND => self.output.inits.get(rendition, id),
            Rendition::Audio(number) => self.output.sounds.init(number, id),
            _ => self.output.inits.get(rendition, id),
        }
    }

    /// Sequence number of the newest complete segment.
    pub fn last_msn(&self) -> Option<u64> {
        Some(self.output.window.newest()?.msn())
    }

    /// `PART-TARGET` in milliseconds: every part is at most this long. Frozen with the first
    /// segment; `None` before.
    pub fn part_target_ms(&self) -> Option<u32> {
        Some(self.output.promise?.part_target_ms)
    }

    /// `EXT-X-TARGETDURATION` in seconds. Frozen with the first segment; `None` before.
    pub fn target_duration_s(&self) -> Option<u32> {
        Some(self.output.promise?.target_duration_s)
    }

    /// Grows whenever the multivariant playlists and those without parts change: a segment is listed
    /// (and others leave), sounds are called otherwise, or the live is finished. Two playlists read at
    /// the same revision are the same.
    pub fn segments_revision(&self) -> u64 {
        let counts = &self.output.counts;
        counts.segments + counts.labellings + u64::from(self.finished)
    }

    /// Grows whenever the media playlist of a rendition changes.
    pub fn playlist_revision(&self, rendition: Rendition) -> u64 {
        let counts = &self.output.counts;
        let edges = counts.parts + counts.gaps + counts.belied_hints;
        self.segments_revision() + if rendition.has_parts() { edges } else { 0 }
    }

    /// How it goes, now.
    pub fn report(&self) -> Report {
        let output = &self.output;
        let running = match &self.run {
            Some(Run { state: State::Running(running), .. }) => Some(running),
            _ => None,
        };
        let video = running.and_then(|running| running.tracks().video.as_deref());
        let audio = running.and_then(|running| running.tracks().audio.as_deref());
        let rates = playlist::rates::recent(output);
        let has_gops = running.filter(|_| video.is_some());
        let open_ms = has_gops.and_then(|r| output.gops.open_ms(r.tracks().timescale));
        Report {
            video: video.and_then(|track| video_report(track, rates.fps)),
            audio: audio.and_then(audio_report),
            bitrate_bps: rates.bitrate_bps,
            last_gop_ms: output.gops.last_ms(),
            longest_recent_gop_ms: output.gops.longest_ms().max(open_ms),
            target_duration_s: self.target_duration_s(),
            segments_total: output.counts.segments,
            parts_total: output.counts.parts,
            gap_parts_total: output.counts.gaps,
            segments_listed: output.window.len(),
            listed_ms: output.window.duration_us() / 1_000,
            bytes_held: output.window.held_bytes() + output.open_bytes(),
            discontinuities_total: output.counts.discontinuities,
            dependent_segments_total: output.counts.dependent_segments,
            samples_total: output.counts.samples,
            samples_dropped_total: output.counts.dropped,
            samples_repaired_total: output.counts.repaired,
            metadata_total: output.counts.metadata,
            metadata_dropped_total: output.counts.metadata_dropped,
        }
    }
}

impl Run {
    /// A track appears or changes.
    fn change(&mut self, track: Arc<Track>, out: &mut Output) -> Result<Progress, Error> {
        let kind = track.kind();
        if !self.announced.set(track) {
            return Ok(Progress::default());
        }
        match &mut self.state {
            State::Waiting(intake) => {
                out.counts.dropped += intake.forget(kind) as u64;
                Ok(Progress::default())
            }
            // What begins to be announced is declared once it really comes.
            State::Running(running) if running.tracks().get(kind).is_none() => {
                Ok(Progress::default())
            }
            State::Running(_) => {
                let Some(running) = self.stop() else { return Ok(Progress::default()) };
                let (mut progress, back) = running.close_for_change(kind, out);
                progress |= self.take_all(back.into(), out)?;
                Ok(progress)
            }
        }
    }

    fn take(
        &mut self,
        sample: Sample,
        mut queue: VecDeque<Sample>,
        out: &mut Output,
    ) -> Result<Progress, Error> {
        let mut progress = Progress::default();
        let mut next = Some(sample);
        while let Some(sample) = next.take().or_else(|| queue.pop_front()) {
            progress |= self.take_one(sample, &mut queue, out)?;
        }
        Ok(progress)
    }

    fn take_all(
        &mut self,
        mut queue: VecDeque<Sample>,
        out: &mut Output,
    ) -> Result<Progress, Error> {
        match queue.pop_front() {
            Some(first) => self.take(first, queue, out),
            None => Ok(Progress::default()),
        }
    }

    /// Takes a sample; puts into `queue` those that must be taken again. Every turn of the loop
    /// above ends: a start packages the sample it starts with for good.
    fn take_one(
        &mut self,
        sample: Sample,
        queue: &mut VecDeque<Sample>,
        out: &mut Output,
    ) -> Result<Progress, Error> {
        let Some(track) = self
            .announced
            .get(sample.kind)
            .filter(|_| timeline::is_believable(sample.dts_ticks) && !sample.data.is_empty())
        else {
            out.counts.dropped += 1;
            return Ok(Progress::default());
        };
        let timescale = track.timescale;
        match &mut self.state {
            State::Waiting(intake) => {
                let at_ms = timescale.rescale(sample.dts_ticks, Timescale::MILLIS);
                self.first_ms.get_or_insert(at_ms);
                if !intake.add(sample, timescale) {
                    out.counts.dropped += 1;
                }
                let limit_bytes = out.config.segment_max_bytes;
                if intake.bytes() > limit_bytes {
                    return Err(Error::SegmentTooLarge { size_bytes: intake.bytes(), limit_bytes });
                }
                if let Some(selection) = intake.ready(&self.announced, &out.config) {
                    self.start(selection, queue, out)?;
                }
                Ok(Progress::default())
            }
            State::Running(running) => match running.push(sample, out)? {
                Step::Done(progress) => Ok(progress),
                Step::Break(progress, back) => {
                    self.stop();
                    back.into_iter().rev().for_each(|sample| queue.push_front(sample));
                    Ok(progress)
                }
            },
        }
    }

    /// Media begins: what was gathered is taken again, by a running state.
    fn start(
        &mut self,
        selection: Selection,
        queue: &mut VecDeque<Sample>,
        out: &mut Output,
    ) -> Result<(), Error> {
        let State::Waiting(intake) = &mut self.state else { return Ok(()) };
        let tracks = Announced {
            video: self.announced.video.clone().filter(|_| selection.video),
            audio: self.announced.audio.clone().filter(|_| selection.audio),
        };
        let tracks = out.inits.get_or_write(tracks)?;
        let samples = intake.take(tracks.main);
        let Some(first) = samples.first().filter(|first| first.kind == tracks.main) else {
            return Ok(());
        };
        if let Some(hint_ms) = gop_hint_ms(&tracks, first) {
            out.gops.hint_ms = Some(hint_ms);
        }
        // One without media, if any.
        out.close_segment();
        let first_dts_ticks = first.dts_ticks;
        let first_ms = tracks.timescale.rescale(first_dts_ticks, Timescale::MILLIS);
        let wall_ms = self.wall_ms(first_ms, out);
        self.has_media = true;
        let start = Start { tracks, first_dts_ticks, wall_ms, before: self.way.take() };
        self.state = State::Running(Box::new(Running::new(start, out)));
        samples.into_iter().rev().for_each(|sample| queue.push_front(sample));
        Ok(())
    }

    /// Wall-clock time of the first sample of a start: the publisher's clock tells, as long as it
    /// can be believed; never before the end of what was packaged.
    fn wall_ms(&self, first_ms: i64, out: &Output) -> i64 {
        let since_ms = first_ms.saturating_sub(self.first_ms.unwrap_or(first_ms));
        let told = self.wall_clock_ms.saturating_add(since_ms);
        match out.end_wall_ms {
            Some(end) if !self.has_media => {
                let since_ms = since_ms.clamp(0, LONGEST_SILENCE_MS);
                self.wall_clock_ms.saturating_add(since_ms).max(end)
            }
            Some(end) => {
                let gap_ms = told.saturating_sub(end);
                if gap_ms > LONGEST_SILENCE_MS { end } else { told.max(end) }
            }
            None => self.wall_clock_ms.saturating_add(since_ms.clamp(0, LONGEST_SILENCE_MS)),
        }
    }

    /// Closes what was running, if anything was; its publisher may go on.
    fn pause(&mut self, out: &mut Output) -> Progress {
        self.stop().map_or_else(Progress::default, |running| running.close(out))
    }

    /// Back to waiting; gives what was running.
    fn stop(&mut self) -> Option<Box<Running>> {
        match std::mem::replace(&mut self.state, State::Waiting(Intake::default())) {
            State::Running(running) => {
                self.way = Some(running.way());
                Some(running)
            }
            State::Waiting(_) => None,
        }
    }

    /// Closes everything. Media that was still gathered begins with the tracks at hand.
    fn end(mut self, out: &mut Output) -> Progress {
        let mut progress = Progress::default();
        if let State::Waiting(intake) = &self.state
            && let Some(selection) = intake.at_hand()
        {
            let mut queue = VecDeque::new();
            if self.start(selection, &mut queue, out).is_ok() {
                progress |= self.take_all(queue, out).unwrap_or_default();
            }
        }
        if let Some(running) = self.stop() {
            progress |= running.close(out);
        }
        out.counts.metadata_dropped += out.metadata.clear() as u64;
        progress
    }
}

/// Distance between keyframes that the encoder announces in its first picture, in milliseconds.
fn gop_hint_ms(tracks: &TrackSet, first: &Sample) -> Option<u64> {
    let video = tracks.video.as_deref().filter(|_| first.kind == Kind::Video)?;
    let Codec::H264(config) = &video.codec else { return None };
    let pictures = x264::keyint(config.nal_units(first.data.clone()))?;
    let millis = f64::from(pictures) * 1_000.0 / config.declared_fps?;
    Some(millis.round() as u64)
}

fn video_report(track: &Track, measured_fps: Option<f64>) -> Option<VideoReport> {
    let picture = track.picture()?;
    Some(VideoReport {
        codec: track.codec_string(),
        width: picture.width,
        height: picture.height,
        declared_fps: picture.declared_fps,
        measured_fps,
    })
}

fn audio_report(track: &Track) -> Option<AudioReport> {
    let sound = track.sound()?;
    Some(AudioReport {
        codec: track.codec_string(),
        sample_rate_hz: sound.sample_rate_hz,
        channels: sound.channels,
    })
}
