//! One elementary stream and its configuration.

use crate::{
    Timescale,
    codec::{aac, h264},
};

/// Which of a live's two tracks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The picture.
    Video,
    /// The sound.
    Audio,
}

/// One elementary stream (one video, one audio) and its configuration (ISO/IEC 14496-12 §3.1.19).
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// Ticks per second of its samples: 90 000 for video, the sample rate for audio.
    pub timescale: Timescale,
    /// How its samples are coded.
    pub codec: Codec,
}

/// How the samples of a track are coded.
#[derive(Debug, Clone, PartialEq)]
pub enum Codec {
    /// H.264 access units in AVCC form.
    H264(h264::Config),
    /// Raw AAC access units, without ADTS header.
    Aac(aac::Config),
}

impl Track {
    /// A track of H.264 at 90 kHz.
    pub fn h264(config: h264::Config) -> Self {
        Self { timescale: Timescale::VIDEO, codec: Codec::H264(config) }
    }

    /// A track of AAC, timed in its own samples.
    pub fn aac(config: aac::Config) -> Self {
        Self { timescale: config.timescale(), codec: Codec::Aac(config) }
    }

    /// Picture or sound.
    pub fn kind(&self) -> Kind {
        match self.codec {
            Codec::H264(_) => Kind::Video,
            Codec::Aac(_) => Kind::Audio,
        }
    }

    /// The codec as playlists name it (RFC 6381 §3.3), such as `avc1.64001f` or `mp4a.40.2`.
    pub fn codec_string(&self) -> String {
        match &self.codec {
            Codec::H264(config) => config.codec_string(),
            Codec::Aac(config) => config.codec_string(),
        }
    }
}
