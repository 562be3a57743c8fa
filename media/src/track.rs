//! One elementary stream and its configuration.

use bytes::Bytes;

use crate::{
    Timescale,
    codec::{Picture, Sound, aac, ac3, av1, flac, h264, hevc, mp3, opus, vp9},
};

/// Picture or sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

/// One elementary stream (one video, one audio) and its configuration (ISO/IEC 14496-12 §3.1.19).
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Track {
    /// Ticks per second of its samples: 90 000 for video, the sample rate for audio.
    pub timescale: Timescale,
    /// How its samples are coded.
    pub codec: Codec,
}

/// How the samples of a track are coded.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub enum Codec {
    /// H.264 access units in AVCC form.
    H264(h264::Config),
    /// HEVC access units in AVCC form.
    Hevc(hevc::Config),
    /// AV1 temporal units without delimiter.
    Av1(av1::Config),
    /// VP9 frames and superframes.
    Vp9(vp9::Config),
    /// Raw AAC access units, without ADTS header.
    Aac(aac::Config),
    /// Opus packets.
    Opus(opus::Config),
    /// FLAC frames.
    Flac(flac::Config),
    /// MP3 frames.
    Mp3(mp3::Config),
    /// Frames of AC-3 or E-AC-3.
    Ac3(ac3::Config),
}

impl Track {
    /// A track of H.264 at 90 kHz.
    pub fn h264(config: h264::Config) -> Self {
        Self { timescale: Timescale::VIDEO, codec: Codec::H264(config) }
    }

    /// A track of HEVC at 90 kHz.
    pub fn hevc(config: hevc::Config) -> Self {
        Self { timescale: Timescale::VIDEO, codec: Codec::Hevc(config) }
    }

    /// A track of AV1 at 90 kHz.
    pub fn av1(config: av1::Config) -> Self {
        Self { timescale: Timescale::VIDEO, codec: Codec::Av1(config) }
    }

    /// A track of VP9 at 90 kHz.
    pub fn vp9(config: vp9::Config) -> Self {
        Self { timescale: Timescale::VIDEO, codec: Codec::Vp9(config) }
    }

    /// A track of AAC, timed in its own samples.
    pub fn aac(config: aac::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Aac(config) }
    }

    /// A track of Opus, timed in its own samples.
    pub fn opus(config: opus::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Opus(config) }
    }

    /// A track of FLAC, timed in its own samples.
    pub fn flac(config: flac::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Flac(config) }
    }

    /// A track of MP3, timed in its own samples.
    pub fn mp3(config: mp3::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Mp3(config) }
    }

    /// A track of AC-3 or E-AC-3, timed in its own samples.
    pub fn ac3(config: ac3::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Ac3(config) }
    }

    /// Picture or sound.
    pub fn kind(&self) -> Kind {
        match self.codec {
            Codec::H264(_) | Codec::Hevc(_) | Codec::Av1(_) | Codec::Vp9(_) => Kind::Video,
            Codec::Aac(_) | Codec::Opus(_) | Codec::Flac(_) | Codec::Mp3(_) | Codec::Ac3(_) => {
                Kind::Audio
            }
        }
    }

    /// What its picture looks like; `None` for sound.
    pub fn picture(&self) -> Option<Picture> {
        match &self.codec {
            Codec::H264(config) => Some(config.picture()),
            Codec::Hevc(config) => Some(config.picture),
            Codec::Av1(config) => Some(config.picture),
            Codec::Vp9(config) => Some(config.picture),
            Codec::Aac(_) | Codec::Opus(_) | Codec::Flac(_) | Codec::Mp3(_) | Codec::Ac3(_) => None,
        }
    }

    /// What its sound is like; `None` for a picture.
    pub fn sound(&self) -> Option<Sound> {
        match &self.codec {
            Codec::Aac(config) => Some(config.sound()),
            Codec::Opus(config) => Some(config.sound()),
            Codec::Flac(config) => Some(config.sound()),
            Codec::Mp3(config) => Some(config.sound()),
            Codec::Ac3(config) => Some(config.sound()),
            Codec::H264(_) | Codec::Hevc(_) | Codec::Av1(_) | Codec::Vp9(_) => None,
        }
    }

    /// The codec as playlists name it (RFC 6381 §3.3), such as `avc1.64001f` or `mp4a.40.2`.
    pub fn codec_string(&self) -> String {
        match &self.codec {
            Codec::H264(config) => config.codec_string(),
            Codec::Hevc(config) => config.codec_string(),
            Codec::Av1(config) => config.codec_string(),
            Codec::Vp9(config) => config.codec_string(),
            Codec::Aac(config) => config.codec_string(),
            Codec::Opus(_) => "Opus".into(),
            Codec::Flac(_) => "fLaC".into(),
            // What Apple and hls.js call it. The other name, `mp4a.6B`, hls.js does not know; and
            // Chromium takes MP3 from MPEG-TS alone, whatever it is called.
            Codec::Mp3(_) => "mp4a.40.34".into(),
            Codec::Ac3(config) => if config.is_enhanced { "ec-3" } else { "ac-3" }.into(),
        }
    }

    /// How long a sample of sound lasts, in ticks, as it says itself; `None` if it is malformed, and
    /// for a picture, which lasts until the next one.
    pub fn sound_ticks(&self, data: &[u8]) -> Option<u32> {
        match &self.codec {
            Codec::Aac(config) => config.is_frame(data).then_some(config.samples_per_frame),
            Codec::Opus(_) => opus::packet_ticks(data),
            Codec::Flac(_) => flac::frame_ticks(data),
            Codec::Mp3(config) => mp3::Frame::read(data).ok().map(|_| config.frame_ticks()),
            Codec::Ac3(_) => ac3::data_ticks(data),
            Codec::H264(_) | Codec::Hevc(_) | Codec::Av1(_) | Codec::Vp9(_) => None,
        }
    }

    /// Whether a sample is of the form its codec asks for, as far as it must be to be carried.
    pub fn is_well_formed(&self, data: &Bytes) -> bool {
        let whole = |units: h264::NalUnits| {
            let mut units = units.peekable();
            units.peek().is_some() && units.all(|unit| unit.is_ok())
        };
        match &self.codec {
            Codec::H264(config) => whole(config.nal_units(data.clone())),
            Codec::Hevc(config) => whole(config.nal_units(data.clone())),
            Codec::Av1(_) => av1::TemporalUnit::read(data).is_ok(),
            Codec::Vp9(_) => vp9::Frame::read(data).is_ok(),
            Codec::Aac(_) | Codec::Opus(_) | Codec::Flac(_) | Codec::Mp3(_) | Codec::Ac3(_) => {
                self.sound_ticks(data).is_some()
            }
        }
    }
}
