//! FLV tags to media events.
//!
//! Here: which tags become samples, and when: milliseconds that wrap become ticks that do not, DTS
//! never goes back, AAC is timed by counting its samples. Not here: the layout of tags (`flv`), how
//! they travelled (`rtmp`), where segments end (`packager`).
//!
//! A bad tag is dropped and counted; only a codec we do not carry ends a live.

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
    /// Tags dropped: malformed, or before their track's configuration.
    pub dropped_tags: u64,
    /// Why the last one was dropped.
    pub last_drop: Option<String>,
    /// Times moved: a DTS that went back, a composition offset beyond belief, audio re-anchored.
    pub timestamp_repairs: u64,
    /// Jumps of the encoder's clock that were bridged.
    pub timestamp_jumps: u64,
}

/// Turns the tags of one publisher into media events.
#[derive(Default)]
pub struct Demuxer {
    clock: Clock,
    video: Option<VideoTrack>,
    audio: Option<AudioTrack>,
    counts: Counts,
}

struct VideoTrack {
    config: h264::Config,
    /// The DTS of the last sample, in milliseconds.
    last_dts_ms: i64,
}

struct AudioTrack {
    config: aac::Config,
    counter: AudioCounter,
}

impl Demuxer {
    /// Takes the body of a video tag and appends what it brings to `events`.
    ///
    /// # Errors
    /// When the codec is not H.264.
    pub fn video(
        &mut self,
        at_ms: u32,
        body: Bytes,
        events: &mut Vec<Event>,
    ) -> Result<(), UnsupportedCodec> {
        self.counts.tags += 1;
        match video::parse(body) {
            Ok(VideoTag::Config(record)) => self.video_config(record, events),
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

    fn video_config(&mut self, record: Bytes, events: &mut Vec<Event>) {
        if self.video.as_ref().is_some_and(|track| track.config.record == record) {
            return;
        }
        match h264::Config::parse(record) {
            Ok(config) => {
                let last_dts_ms = self.video.take().map_or(0, |track| track.last_dts_ms);
                events.push(Event::TrackChanged(Arc::new(Track::h264(config.clone()))));
                self.video = Some(VideoTrack { config, last_dts_ms });
            }
            Err(error) => self.drop_tag(error.to_string()),
        }
    }

    fn video_frame(&mut self, at_ms: u32, cts_ms: i32, avcc: Bytes, events: &mut Vec<Event>) {
        let Some(track) = &mut self.video else {
            return self.drop_tag("video before its configuration".to_owned());
        };
        let is_sync = match find_idr(&track.config, &avcc) {
            Ok(is_sync) => is_sync,
            Err(reason) => return self.drop_tag(reason),
        };
        let reading = self.clock.read(Kind::Video, at_ms);
        let dts_ms = reading.at_ms.max(track.last_dts_ms);
        // A DTS moved forward leaves the picture where it was shown.
        let shown_ms = i64::from(cts_ms) - (dts_ms - reading.at_ms);
        let believable = i64::from(-MAX_CTS_MS)..=i64::from(MAX_CTS_MS);
        let cts_ms = if believable.contains(&shown_ms) { shown_ms } else { 0 };
        track.last_dts_ms = dts_ms;
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
        if self.audio.as_ref().is_some_and(|track| track.config.asc == asc) {
            return Ok(());
        }
        match aac::Config::parse(asc) {
            Ok(config) => {
                let counter = match self.audio.take() {
                    Some(track) => track.counter.rescaled(&config),
                    None => AudioCounter::new(&config),
                };
                events.push(Event::TrackChanged(Arc::new(Track::aac(config.clone()))));
                self.audio = Some(AudioTrack { config, counter });
                Ok(())
            }
            Err(media::Error::Unsupported { what, value }) => {
                Err(UnsupportedCodec { kind: Kind::Audio, codec: format!("{what} {value}") })
            }
            Err(error) => {
                self.drop_tag(error.to_string());
                Ok(())
            }
        }
    }

    fn audio_frame(&mut self, at_ms: u32, data: Bytes, events: &mut Vec<Event>) {
        let Some(track) = &mut self.audio else {
            return self.drop_tag("audio before its configuration".to_owned());
        };
        if data.is_empty() {
            return self.drop_tag("an empty audio frame".to_owned());
        }
        let reading = self.clock.read(Kind::Audio, at_ms);
        let stamp = track.counter.stamp(reading.at_ms);
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
