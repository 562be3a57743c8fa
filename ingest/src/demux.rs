//! FLV tags to media events.
//!
//! Here: which tags become samples, and when: milliseconds that wrap become ticks that do not, DTS
//! never goes back, AAC is timed by counting its samples. Not here: the layout of tags (`flv`), how
//! they travelled (`rtmp`), where segments end (`packager`).
//!
//! A bad tag is dropped and counted; after a configuration that cannot be read, so is what it
//! describes, until one comes that can. Only what we do not carry ends a live.

mod clock;

use std::sync::Arc;

use bytes::Bytes;
use media::{
    Event, Kind, Sample, Timescale, Track,
    codec::{aac, h264},
};

use self::clock::{AudioCounter, Clock};
use crate::flv::{
    self,
    audio::{self, AudioTag},
    video::{self, VideoTag},
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
    /// Times moved: a DTS that went back, a composition offset beyond belief, audio re-anchored.
    pub timestamp_repairs: u64,
    /// Jumps of the encoder's clock that were bridged.
    pub timestamp_jumps: u64,
}

/// Turns the tags of one publisher into media events.
pub struct Demuxer {
    clock: Clock,
    /// The configuration in force, or why pictures are dropped.
    video: Result<h264::Config, String>,
    /// The DTS of the last picture, in milliseconds.
    last_video_dts_ms: i64,
    /// The configuration in force, or why sound is dropped.
    audio: Result<aac::Config, String>,
    /// There from the first sound on: time goes on from one configuration to the next.
    audio_counter: Option<AudioCounter>,
    counts: Counts,
}

impl Default for Demuxer {
    fn default() -> Self {
        Self {
            clock: Clock::default(),
            video: Err("video before its configuration".to_owned()),
            last_video_dts_ms: 0,
            audio: Err("audio before its configuration".to_owned()),
            audio_counter: None,
            counts: Counts::default(),
        }
    }
}

impl Demuxer {
    /// Takes the body of a video tag and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec is not H.264, or a form of it that is not carried.
    pub fn video(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        match video::parse(body) {
            Ok(VideoTag::Config(record)) => self.video_config(record, events)?,
            Ok(VideoTag::Frame { cts_ms, avcc }) => self.video_frame(at_ms, cts_ms, avcc, events),
            Ok(VideoTag::Nothing) => {}
            Err(error) => self.fail(Kind::Video, error)?,
        }
        Ok(())
    }

    /// Takes the body of an audio tag and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec is not AAC, or a profile of AAC that browsers do not play.
    pub fn audio(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        match audio::parse(body) {
            Ok(AudioTag::Config(asc)) => self.audio_config(asc, events)?,
            Ok(AudioTag::Frame(data)) => self.audio_frame(at_ms, data, events),
            Ok(AudioTag::Nothing) => {}
            Err(error) => self.fail(Kind::Audio, error)?,
        }
        Ok(())
    }

    /// What was counted so far.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    fn video_config(
        &mut self,
        record: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        if self.video.as_ref().is_ok_and(|config| config.record == record) {
            return Ok(());
        }
        if record.is_empty() {
            // It says nothing: some encoders end or pause with one.
            self.drop_tag("an empty video configuration".to_owned());
            return Ok(());
        }
        let parsed = h264::Config::parse(record);
        if let Ok(config) = &parsed {
            events.push(Event::TrackChanged(Arc::new(Track::h264(config.clone()))));
        }
        self.video = self.usable(Kind::Video, parsed)?;
        Ok(())
    }

    fn video_frame(&mut self, at_ms: u32, cts_ms: i32, avcc: Bytes, events: &mut Vec<Event>) {
        let config = match &self.video {
            Ok(config) => config,
            Err(reason) => return self.drop_tag(reason.clone()),
        };
        let is_sync = match find_idr(config, &avcc) {
            Ok(is_sync) => is_sync,
            Err(reason) => return self.drop_tag(reason),
        };
        let reading = self.clock.read(Kind::Video, at_ms);
        let dts_ms = reading.at_ms.max(self.last_video_dts_ms);
        // A DTS moved forward leaves the picture where it was shown.
        let shown_ms = i64::from(cts_ms) - (dts_ms - reading.at_ms);
        let believable = i64::from(-MAX_CTS_MS)..=i64::from(MAX_CTS_MS);
        let cts_ms = if believable.contains(&shown_ms) { shown_ms } else { 0 };
        self.last_video_dts_ms = dts_ms;
        self.counts.timestamp_jumps += u64::from(reading.jumped);
        let repaired = dts_ms != reading.at_ms || cts_ms != shown_ms;
        self.counts.timestamp_repairs += u64::from(repaired);
        events.push(Event::Sample(Sample {
            kind: Kind::Video,
            dts_ticks: Timescale::MILLIS.rescale(dts_ms, Timescale::VIDEO),
            cts_ticks: Timescale::MILLIS.rescale(cts_ms, Timescale::VIDEO) as i32,
            is_sync,
            data: avcc,
        }));
    }

    fn audio_config(
        &mut self,
        asc: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        if self.audio.as_ref().is_ok_and(|config| config.asc == asc) {
            return Ok(());
        }
        if asc.is_empty() {
            self.drop_tag("an empty audio configuration".to_owned());
            return Ok(());
        }
        let parsed = aac::Config::parse(asc);
        if let Ok(config) = &parsed {
            self.audio_counter =
                self.audio_counter.as_ref().map(|counter| counter.rescaled(config));
            events.push(Event::TrackChanged(Arc::new(Track::aac(config.clone()))));
        }
        self.audio = self.usable(Kind::Audio, parsed)?;
        Ok(())
    }

    fn audio_frame(&mut self, at_ms: u32, data: Bytes, events: &mut Vec<Event>) {
        let config = match &self.audio {
            Ok(config) => config,
            Err(reason) => return self.drop_tag(reason.clone()),
        };
        if data.is_empty() {
            return self.drop_tag("an empty audio frame".to_owned());
        }
        let reading = self.clock.read(Kind::Audio, at_ms);
        let counter = self.audio_counter.get_or_insert_with(|| AudioCounter::new(config));
        let stamp = counter.stamp(reading.at_ms);
        self.counts.timestamp_jumps += u64::from(reading.jumped);
        self.counts.timestamp_repairs += u64::from(stamp.repaired);
        events.push(Event::Sample(Sample {
            kind: Kind::Audio,
            dts_ticks: stamp.dts_ticks,
            cts_ticks: 0,
            is_sync: true,
            data,
        }));
    }

    /// What a configuration just parsed means for the tags that follow. Those after one that cannot be
    /// read are dropped for that reason: under the configuration before it they would be noise.
    fn usable<C>(
        &mut self,
        kind: Kind,
        parsed: Result<C, media::Error>,
    ) -> Result<Result<C, String>, UnsupportedCodec> {
        match parsed {
            Ok(config) => Ok(Ok(config)),
            Err(media::Error::Unsupported { what, value }) => {
                Err(UnsupportedCodec { kind, codec: format!("{what} {value}") })
            }
            Err(error) => {
                let reason = format!("no usable configuration: {error}");
                self.drop_tag(reason.clone());
                Ok(Err(reason))
            }
        }
    }

    fn fail(&mut self, kind: Kind, error: flv::Error) -> Result<(), UnsupportedCodec> {
        if let flv::Error::Codec(codec) = error {
            return Err(UnsupportedCodec { kind, codec });
        }
        self.drop_tag(error.to_string());
        Ok(())
    }

    fn drop_tag(&mut self, reason: String) {
        self.counts.dropped_tags += 1;
        self.counts.last_drop = Some(reason);
    }
}

/// Whether an access unit holds an IDR picture; an error when its lengths do not add up or it holds
/// nothing. The frame type of the tag is not asked: encoders mark recovery points as key frames.
fn find_idr(config: &h264::Config, avcc: &Bytes) -> Result<bool, String> {
    let mut nal_units = 0;
    let mut is_idr = false;
    for nal in config.nal_units(avcc.clone()) {
        let nal = nal.map_err(|error| error.to_string())?;
        is_idr |= h264::nal_unit_type(&nal) == h264::nal_type::IDR;
        nal_units += 1;
    }
    if nal_units == 0 { Err("an empty access unit".to_owned()) } else { Ok(is_idr) }
}

#[cfg(test)]
mod tests;
