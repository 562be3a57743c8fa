//! FLV tags to media events.
//!
//! Here: which tags become samples, and when: milliseconds that wrap become ticks that do not, DTS
//! never goes back, sound is timed by counting its samples. Not here: the layout of tags (`flv`), how
//! they travelled (`rtmp`), where segments end (`packager`).
//!
//! A bad tag is dropped and counted; after a configuration that cannot be read, so is what it
//! describes, until one comes that can. Only what we do not carry ends a live.

mod clock;
pub mod data;
mod pictures;
mod sounds;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use media::{Event, Kind, Sample, Timescale, Track};

use self::{
    clock::{AudioCounter, Clock},
    pictures::Pictures,
    sounds::Sounds,
};
use crate::{
    flv::{
        self,
        audio::{self, AudioCodec, AudioTag},
        video::{self, VideoCodec, VideoTag},
    },
    rtmp::amf0::Value,
};

/// Largest composition offset believed, either way. B-frame pyramids need some hundred milliseconds.
const MAX_CTS_MS: i32 = 10_000;

/// A codec that is not carried: the live cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{codec} is not supported; send H.264 video and AAC audio")]
pub struct UnsupportedCodec {
    /// Picture or sound.
    pub kind: Kind,
    /// The codec, by name.
    pub codec: String,
}

/// What was counted while demuxing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counts {
    /// Tags received.
    pub tags: u64,
    /// Tags dropped: malformed, before their track's configuration, or after one that is malformed.
    pub dropped_tags: u64,
    /// Why the last one was dropped.
    pub last_drop: Option<String>,
    /// Times moved: a DTS that went back, a composition offset beyond belief, audio re-anchored,
    /// stretched or, where there was too much of it, left out.
    pub timestamp_repairs: u64,
    /// Jumps of the encoder's clock that were bridged.
    pub timestamp_jumps: u64,
    /// Tags with tracks beside the one that is carried.
    pub other_tracks: u64,
    /// Timed metadata passed on.
    pub metadata: u64,
    /// Timed metadata dropped: too long, too much of it, not to be read.
    pub dropped_metadata: u64,
    /// Why the last of it was dropped.
    pub last_metadata_drop: Option<data::Dropped>,
}

/// Turns the tags of one publisher into media events.
#[derive(Default)]
pub struct Demuxer {
    clock: Clock,
    pictures: Pictures,
    /// The DTS of the last picture, in milliseconds.
    last_video_dts_ms: i64,
    sounds: Sounds,
    /// There from the first sound on: time goes on from one configuration to the next.
    audio_counter: Option<AudioCounter>,
    metadata_rate: data::Rate,
    counts: Counts,
}

/// Why a tag brings nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Failure {
    /// It is dropped, for this reason.
    Drop(String),
    /// It is of a codec, or a form of one, that is not carried.
    Unsupported(String),
}

impl Failure {
    /// Of a configuration record. What follows one that cannot be read is dropped for that reason:
    /// under the configuration before it, it would be noise.
    fn of_configuration(error: media::Error) -> Self {
        match error {
            media::Error::Unsupported { .. } => Self::of_frame(error),
            error => Self::Drop(format!("no usable configuration: {error}")),
        }
    }

    /// Of a frame that is its own configuration.
    fn of_frame(error: media::Error) -> Self {
        match error {
            media::Error::Unsupported { what, value } => {
                Self::Unsupported(format!("{what} {value}"))
            }
            error => Self::of_data(error),
        }
    }

    /// Of a picture or sound under a configuration.
    fn of_data(error: media::Error) -> Self {
        Self::Drop(error.to_string())
    }
}

impl From<flv::Error> for Failure {
    fn from(error: flv::Error) -> Self {
        match error {
            flv::Error::Codec(codec) => Self::Unsupported(codec),
            error => Self::Drop(error.to_string()),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Drop(reason) | Self::Unsupported(reason)) = self;
        f.write_str(reason)
    }
}

impl Demuxer {
    /// Takes the body of a video tag and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec, or a form of it, is not carried.
    pub fn video(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        let outcome = video::parse(body).map_err(Failure::from).and_then(|body| {
            self.counts.other_tracks += u64::from(body.other_tracks);
            match body.tag {
                VideoTag::Config { codec, record } => {
                    let changed = self.pictures.configure(codec, record)?;
                    events.extend(changed.map(Event::TrackChanged));
                    Ok(())
                }
                VideoTag::Frame { codec, cts_ms, offset_ns, data } => {
                    self.picture(at_ms, Shown { cts_ms, offset_ns }, codec, data, events)
                }
                VideoTag::Nothing => Ok(()),
            }
        });
        self.settle(Kind::Video, outcome)
    }

    /// Takes the body of an audio tag and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec, or a form of it that browsers do not play, is not carried.
    pub fn audio(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        let outcome = audio::parse(body).map_err(Failure::from).and_then(|body| {
            self.counts.other_tracks += u64::from(body.other_tracks);
            match body.tag {
                AudioTag::Config { codec, record } => {
                    if let Some(track) = self.sounds.configure(codec, record)? {
                        self.sound_changed(track, events);
                    }
                    Ok(())
                }
                AudioTag::Frame { codec, data } => self.sound(at_ms, codec, data, events),
                AudioTag::Nothing => Ok(()),
            }
        });
        self.settle(Kind::Audio, outcome)
    }

    /// Takes a data message, or what a script tag holds, and appends the metadata it is to `events`, if
    /// it is for viewers. `values` are what follows its name; `None` if they cannot be read.
    pub fn data(
        &mut self,
        at_ms: u32,
        name: String,
        values: Option<&[Value]>,
        events: &mut Vec<Event>,
    ) {
        if !data::is_for_viewers(&name) {
            return;
        }
        let counted = self.metadata_rate.count(self.clock.now_ms());
        let at_ms = self.clock.beside(at_ms);
        match counted.and_then(|()| data::metadata(name, values, at_ms)) {
            Ok(metadata) => {
                self.counts.metadata += 1;
                events.push(Event::Metadata(metadata));
            }
            Err(reason) => {
                self.counts.dropped_metadata += 1;
                self.counts.last_metadata_drop = Some(reason);
            }
        }
    }

    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn picture(
        &mut self,
        at_ms: u32,
        shown: Shown,
        codec: VideoCodec,
        data: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let admitted = self.pictures.admit(codec, data)?;
        events.extend(admitted.changed.map(Event::TrackChanged));
        let reading = self.clock.read(Kind::Video, at_ms);
        let dts_ms = reading.at_ms.max(self.last_video_dts_ms);
        // A DTS moved forward leaves the picture where it was shown.
        let shown_ms = i64::from(shown.cts_ms) - (dts_ms - reading.at_ms);
        let believable = i64::from(-MAX_CTS_MS)..=i64::from(MAX_CTS_MS);
        let cts_ms = if believable.contains(&shown_ms) { shown_ms } else { 0 };
        self.last_video_dts_ms = dts_ms;
        self.counts.timestamp_jumps += u64::from(reading.jumped);
        let repaired = dts_ms != reading.at_ms || cts_ms != shown_ms;
        self.counts.timestamp_repairs += u64::from(repaired);
        let cts_ticks = Timescale::MILLIS.rescale(cts_ms, Timescale::VIDEO) + shown.offset_ticks();
        events.push(Event::Sample(Sample {
            kind: Kind::Video,
            dts_ticks: Timescale::MILLIS.rescale(dts_ms, Timescale::VIDEO),
            cts_ticks: cts_ticks as i32,
            is_sync: admitted.is_sync,
            data: admitted.data,
        }));
        Ok(())
    }

    fn sound(
        &mut self,
        at_ms: u32,
        codec: AudioCodec,
        mut data: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        if data.is_empty() {
            return Err(Failure::Drop("an empty audio frame".to_owned()));
        }
        // Where RTMP places the next frame: the tag says it of the first one.
        let mut placed_ms = None;
        while !data.is_empty() {
            let admitted = self.sounds.take(codec, &mut data)?;
            if let Some(track) = admitted.changed {
                self.sound_changed(track, events);
            }
            let Some(timescale) = self.sounds.timescale() else { continue };
            let at_ms = placed_ms.unwrap_or_else(|| {
                let reading = self.clock.read(Kind::Audio, at_ms);
                self.counts.timestamp_jumps += u64::from(reading.jumped);
                reading.at_ms
            });
            placed_ms = Some(at_ms + timescale.rescale(admitted.ticks.into(), Timescale::MILLIS));
            let counter = self.audio_counter.get_or_insert_with(|| AudioCounter::new(timescale));
            let stamp = counter.stamp(at_ms, admitted.ticks);
            self.counts.timestamp_repairs += u64::from(stamp.repaired);
            let Some(dts_ticks) = stamp.dts_ticks else { continue };
            events.push(Event::Sample(Sample {
                kind: Kind::Audio,
                dts_ticks,
                cts_ticks: 0,
                is_sync: true,
                data: admitted.data,
            }));
        }
        Ok(())
    }

    /// Sound goes on in the ticks of its new track.
    fn sound_changed(&mut self, track: Arc<Track>, events: &mut Vec<Event>) {
        let rescaled = self.audio_counter.as_ref().map(|counter| counter.rescaled(track.timescale));
        self.audio_counter = rescaled;
        events.push(Event::TrackChanged(track));
    }

    fn settle(&mut self, kind: Kind, outcome: Result<(), Failure>) -> Result<(), UnsupportedCodec> {
        match outcome {
            Ok(()) => Ok(()),
            Err(Failure::Unsupported(codec)) => Err(UnsupportedCodec { kind, codec }),
            Err(Failure::Drop(reason)) => {
                self.counts.dropped_tags += 1;
                self.counts.last_drop = Some(reason);
                Ok(())
            }
        }
    }
}

/// When a picture is shown, from the time of its tag on.
#[derive(Clone, Copy)]
struct Shown {
    cts_ms: i32,
    /// Less than a millisecond, in nanoseconds.
    offset_ns: u32,
}

impl Shown {
    /// The offset at 90 kHz, to the nearest tick.
    fn offset_ticks(self) -> i64 {
        (i64::from(self.offset_ns) * 90 + 500_000) / 1_000_000
    }
}

#[cfg(test)]
mod tests;
