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
mod labels;
mod line;
mod pictures;
mod sounds;

use std::{collections::BTreeMap, fmt, sync::Arc};

use bytes::Bytes;
use media::{Event, Kind, Labels, Sample, SoundNumber, Timescale};

use self::{clock::Clock, line::Line, pictures::Pictures};
use crate::{
    flv::{
        self,
        audio::{self, Packet},
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
    /// Tracks of tags that are not carried: pictures beside the first, sounds beyond the last number,
    /// and sounds beside the first in a codec that is not known.
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
    metadata_rate: data::Rate,
    /// Those that came. Most publishers have one.
    sounds: BTreeMap<SoundNumber, Line>,
    labels: Arc<Labels>,
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

    /// Takes the body of an audio tag, of one sound or several, and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec of the first sound, or a form of it that browsers do not play, is not carried.
    pub fn audio(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        let packets = match audio::parse(body) {
            Ok(packets) => packets,
            Err(error) => return self.settle(Kind::Audio, Err(error.into())),
        };
        for packet in packets {
            let outcome =
                packet.map_err(Failure::from).and_then(|it| self.sound(at_ms, it, events));
            self.settle(Kind::Audio, outcome)?;
        }
        Ok(())
    }

    /// Takes what `onMetaData` says, and appends to `events` if sounds are called otherwise.
    pub fn metadata(&mut self, metadata: &Value, events: &mut Vec<Event>) {
        let labels = labels::read(metadata);
        if labels != *self.labels {
            self.labels = Arc::new(labels);
            events.push(Event::SoundsLabelled(self.labels.clone()));
        }
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
        packet: Packet,
        events: &mut Vec<Event>,
    ) -> Result<(), Failure> {
        let Some(number) = SoundNumber::new(packet.track) else {
            self.counts.other_tracks += 1;
            return Ok(());
        };
        let outcome = packet.tag.map_err(Failure::from).and_then(|tag| {
            let line = self.sounds.entry(number).or_insert_with(|| Line::new(number));
            line.take(at_ms, tag, (&mut self.clock, &mut self.counts), events)
        });
        match outcome {
            // Of those beside the first the live does not depend.
            Err(Failure::Unsupported(_)) if number != SoundNumber::FIRST => {
                self.counts.other_tracks += 1;
                Ok(())
            }
            outcome => outcome,
        }
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
