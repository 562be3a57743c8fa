//! What a publisher's sound is: the configuration in force, and how long each frame lasts.
//!
//! Here: records and frames to tracks. Not here: their times (`clock`), the layout of tags (`flv`).

use std::sync::Arc;

use bytes::Bytes;
use media::{
    Codec, Timescale, Track,
    codec::{aac, ac3, flac, mp3, opus},
};

use super::Failure;
use crate::flv::audio::AudioCodec;

/// The configuration in force, or why sound is dropped.
pub(super) struct Sounds(Result<Configured, String>);

/// A configuration, and the track it makes.
struct Configured {
    codec: AudioCodec,
    /// Empty where frames configure themselves.
    record: Bytes,
    track: Arc<Track>,
}

/// A frame that goes on.
pub(super) struct Admitted {
    /// The frame.
    pub data: Bytes,
    /// How long it sounds, in ticks of the track.
    pub ticks: u32,
    /// The track from here on, where it is another than before.
    pub changed: Option<Arc<Track>>,
}

impl Default for Sounds {
    fn default() -> Self {
        Self(Err("audio before its configuration".to_owned()))
    }
}

impl Sounds {
    /// Takes a configuration; gives the track, if it is new.
    pub fn configure(
        &mut self,
        codec: AudioCodec,
        record: Bytes,
    ) -> Result<Option<Arc<Track>>, Failure> {
        if self.0.as_ref().is_ok_and(|it| it.codec == codec && it.record == record) {
            return Ok(None);
        }
        if record.is_empty() && codec != AudioCodec::Opus {
            return Err(Failure::Drop("an empty audio configuration".to_owned()));
        }
        let track = match codec {
            AudioCodec::Aac => aac::Config::parse(record.clone()).map(Track::aac),
            // An empty header means mono or stereo, which decoders tell by themselves.
            AudioCodec::Opus if record.is_empty() => Ok(Track::opus(opus::Config::stereo())),
            AudioCodec::Opus => opus::Config::parse(record.clone()).map(Track::opus),
            AudioCodec::Flac => flac::Config::parse(record.clone()).map(Track::flac),
            AudioCodec::Mp3 | AudioCodec::Ac3 => return Ok(None),
        };
        match track {
            Ok(track) => Ok(Some(self.set(codec, record, track))),
            Err(error) => {
                let failure = Failure::of_configuration(error);
                self.0 = Err(failure.to_string());
                Err(failure)
            }
        }
    }

    /// Takes the next frame off the front of a tag's data, which is not empty. After an error nothing
    /// is left of it.
    pub fn take(&mut self, codec: AudioCodec, rest: &mut Bytes) -> Result<Admitted, Failure> {
        let (frame, changed) = match codec {
            AudioCodec::Mp3 => self.take_mp3(rest)?,
            AudioCodec::Ac3 => self.take_ac3(rest)?,
            AudioCodec::Aac | AudioCodec::Opus | AudioCodec::Flac => (std::mem::take(rest), None),
        };
        let configured = self.0.as_ref().map_err(|reason| Failure::Drop(reason.clone()))?;
        if configured.codec != codec {
            return Err(Failure::Drop("audio of another codec than its configuration".to_owned()));
        }
        match configured.track.sound_ticks(&frame) {
            Some(ticks) => Ok(Admitted { data: frame, ticks, changed }),
            None => Err(Failure::Drop("an audio frame that is malformed".to_owned())),
        }
    }

    /// Ticks per second of the sound.
    pub fn timescale(&self) -> Option<Timescale> {
        self.0.as_ref().ok().map(|configured| configured.track.timescale)
    }

    fn take_mp3(&mut self, rest: &mut Bytes) -> Result<(Bytes, Option<Arc<Track>>), Failure> {
        let (config, frame) = mp3::take_frame(rest).map_err(Failure::of_data)?;
        let is_known = matches!(self.track(), Some(Codec::Mp3(known)) if *known == config);
        let changed = (!is_known).then(|| Track::mp3(config));
        Ok((frame, changed.map(|track| self.set(AudioCodec::Mp3, Bytes::new(), track))))
    }

    fn take_ac3(&mut self, rest: &mut Bytes) -> Result<(Bytes, Option<Arc<Track>>), Failure> {
        let is_configured = matches!(self.track(), Some(Codec::Ac3(_)));
        let (config, frame) = ac3::take_sample(rest).map_err(|error| {
            // Noise among good frames ends nothing; a first one that is not carried does.
            if is_configured { Failure::of_data(error) } else { Failure::of_frame(error) }
        })?;
        let is_known = matches!(self.track(), Some(Codec::Ac3(known)) if config.continues(known));
        let changed = (!is_known).then(|| Track::ac3(config));
        Ok((frame, changed.map(|track| self.set(AudioCodec::Ac3, Bytes::new(), track))))
    }

    fn track(&self) -> Option<&Codec> {
        self.0.as_ref().ok().map(|configured| &configured.track.codec)
    }

    fn set(&mut self, codec: AudioCodec, record: Bytes, track: Track) -> Arc<Track> {
        let track = Arc::new(track);
        self.0 = Ok(Configured { codec, record, track: track.clone() });
        track
    }
}
