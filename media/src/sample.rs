//! What flows from `ingest` to `packager`.

use std::sync::Arc;

use bytes::Bytes;

use crate::{Kind, Labels, SoundNumber, Track};

/// The data of one track at one time: a video access unit, or an audio frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// The track it belongs to.
    pub kind: Kind,
    /// Decode time in ticks of the track's timescale; never decreases within a track, never wraps.
    pub dts_ticks: i64,
    /// Presentation time minus decode time, in ticks. May be negative: some encoders send it so.
    pub cts_ticks: i32,
    /// Whether decoding may start here: an IDR picture or what its codec has for it, or any audio.
    pub is_sync: bool,
    /// The access unit, in the form that [`Codec`](crate::Codec) names. Never empty.
    pub data: Bytes,
}

/// Something a publisher says at one time of its live: a caption of its page, a score, a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// When, in milliseconds on the line of the publisher's decode times. Never negative.
    pub at_ms: i64,
    /// What its kind is called, such as `onTextData`: printable ASCII, never empty.
    pub name: String,
    /// What it says, as JSON.
    pub value: String,
}

/// One step of a publisher's media.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// The picture or the first sound appears or changes its configuration. A repeated identical
    /// configuration is not an event.
    TrackChanged(Arc<Track>),
    /// A sample of the picture or the first sound, announced before.
    Sample(Sample),
    /// Timed metadata.
    Metadata(Metadata),
    /// The same as [`Event::TrackChanged`] of a sound beside the first.
    OtherSoundChanged(SoundNumber, Arc<Track>),
    /// The same as [`Event::Sample`] of a sound beside the first.
    OtherSound(SoundNumber, Sample),
    /// The sounds are called otherwise than before.
    SoundsLabelled(Arc<Labels>),
}
