//! How the codecs of a set of tracks are carried in MPEG-TS, if they are.
//!
//! Here: which codecs there are, their stream types, what goes around each sample. Not here: PES
//! headers and packets (`pes`, `packet`).
//!
//! | codec | stream type | |
//! | --- | --- | --- |
//! | H.264 | 0x1b | byte stream, parameter sets before each IDR |
//! | HEVC | 0x24 | byte stream, parameter sets before each IRAP |
//! | AAC | 0x0f | ADTS |
//! | MP3 | 0x03, 0x04 at the lower rates | as it is |
//! | AC-3, E-AC-3 | 0x81, 0x87 (ATSC A/53 part 3, A/52 Annex G), which HLS players expect | as it is |
//!
//! AV1, VP9, Opus and FLAC have no stream type that players of HLS know.

use std::sync::Arc;

use media::{Codec, Kind, Sample, Track, codec::aac};

use super::{adts, annexb::AnnexB};

/// How the tracks of a set are carried.
#[derive(Debug)]
pub(crate) struct Carriage {
    pub video: Option<Video>,
    pub audio: Option<Audio>,
}

/// How the picture is carried.
#[derive(Debug)]
pub(crate) struct Video {
    pub stream_type: u8,
    pub units: AnnexB,
}

/// How the sound is carried.
#[derive(Debug)]
pub(crate) struct Audio {
    pub stream_type: u8,
    /// `stream_id` of its PES packets (ISO/IEC 13818-1 table 2-22).
    pub stream_id: u8,
    pub track: Arc<Track>,
    pub framing: Framing,
}

/// What goes before each frame of sound.
#[derive(Debug)]
pub(crate) enum Framing {
    Adts(aac::Config),
    Nothing,
}

impl Carriage {
    /// `None` if one of the tracks cannot be carried.
    pub fn new(video: Option<&Track>, audio: Option<&Arc<Track>>) -> Option<Self> {
        let video = match video {
            Some(track) => Some(Video::new(track)?),
            None => None,
        };
        let audio = match audio {
            Some(track) => Some(Audio::new(track)?),
            None => None,
        };
        Some(Self { video, audio })
    }

    /// Bytes a sample takes as PES payload; `None` if it is malformed.
    pub fn payload_len(&self, sample: &Sample) -> Option<u32> {
        match sample.kind {
            Kind::Video => self.video.as_ref()?.units.payload_len(&sample.data, sample.is_sync),
            Kind::Audio => u32::try_from(sample.data.len()).ok(),
        }
    }
}

impl Video {
    fn new(track: &Track) -> Option<Self> {
        const H264: u8 = 0x1b;
        const HEVC: u8 = 0x24;
        Some(match &track.codec {
            Codec::H264(config) => Self { stream_type: H264, units: AnnexB::h264(config) },
            Codec::Hevc(config) => Self { stream_type: HEVC, units: AnnexB::hevc(config) },
            Codec::Av1(_) | Codec::Vp9(_) => return None,
            Codec::Aac(_) | Codec::Opus(_) | Codec::Flac(_) | Codec::Mp3(_) | Codec::Ac3(_) => {
                return None;
            }
        })
    }
}

impl Audio {
    fn new(track: &Arc<Track>) -> Option<Self> {
        const MPEG1_AUDIO: u8 = 0x03;
        const MPEG2_AUDIO: u8 = 0x04;
        const AAC_IN_ADTS: u8 = 0x0f;
        const AC3: u8 = 0x81;
        const EAC3: u8 = 0x87;
        /// `audio stream number 0`, and `private_stream_1`, where sound that is not MPEG's goes.
        const AUDIO: u8 = 0xc0;
        const PRIVATE: u8 = 0xbd;
        let (stream_type, stream_id, framing) = match &track.codec {
            Codec::Aac(config) => (AAC_IN_ADTS, AUDIO, Framing::Adts(config.clone())),
            Codec::Mp3(config) if config.is_mpeg1 => (MPEG1_AUDIO, AUDIO, Framing::Nothing),
            Codec::Mp3(_) => (MPEG2_AUDIO, AUDIO, Framing::Nothing),
            Codec::Ac3(config) if config.is_enhanced => (EAC3, PRIVATE, Framing::Nothing),
            Codec::Ac3(_) => (AC3, PRIVATE, Framing::Nothing),
            Codec::Opus(_) | Codec::Flac(_) => return None,
            Codec::H264(_) | Codec::Hevc(_) | Codec::Av1(_) | Codec::Vp9(_) => return None,
        };
        Some(Self { stream_type, stream_id, track: track.clone(), framing })
    }
}

impl Framing {
    /// Bytes before each frame.
    pub fn len(&self) -> usize {
        match self {
            Self::Adts(_) => adts::HEADER_LEN,
            Self::Nothing => 0,
        }
    }

    /// Gives the bytes before a frame of `frame_len` bytes.
    pub fn write(&self, frame_len: usize, mut put: impl FnMut(&[u8])) {
        if let Self::Adts(config) = self {
            put(&adts::header(config, frame_len));
        }
    }
}
