//! What the API asks of the media path.
//!
//! Here: the questions, and the shape of the answers. Not here: the answers (the server gives
//! them), anything about bytes.

use std::{io, net::IpAddr, ops::Range, pin::Pin};

use axum::body::Bytes;
use futures_util::stream::BoxStream;
use media::id::{LiveId, PlaybackName};
use schemars::JsonSchema;
use serde::Serialize;
use store::LiveRow;

/// What the API may ask of the media path. Never blocks.
pub trait LiveControl: Send + Sync + 'static {
    /// A live was asked for: viewers may come before its publisher does. An earlier live of the
    /// same author that was never published is over.
    fn created(&self, live: &LiveRow);

    /// What the publisher of a live sends now; `None` when there is no publisher.
    fn status(&self, name: &PlaybackName) -> Option<Incoming>;

    /// How many watch a live now, nobody once it has ended; `None` where viewers are not counted.
    fn viewers(&self, name: &PlaybackName) -> Option<usize>;

    /// A ticket for a live that is not for everybody, given to who comes from `address`.
    fn ticket(&self, name: &PlaybackName, address: IpAddr) -> String;

    /// Ends a live: its publisher is cut, its playlists are closed. Nothing happens if it is not
    /// on the air.
    fn end(&self, id: LiveId, name: &PlaybackName);

    /// Completes when the recording of a live that has ended is media of its post, or when that takes longer
    /// than anybody should wait; at once where none is made.
    fn recorded(&self, name: &PlaybackName) -> Pin<Box<dyn Future<Output = ()> + Send>>;

    /// The recording of a live belongs to nothing any more: it is to be deleted.
    fn unrecord(&self, name: &PlaybackName);

    /// Whether the bucket takes recordings; `None` where they go into none.
    fn bucket(&self) -> Option<bool>;

    /// When the newest picture of a live that is on was taken, in Unix milliseconds; `None` before there is one.
    fn poster(&self, name: &PlaybackName) -> Option<u64>;

    /// How far viewers of a live that is on and began at `started_ms` may go back: to which moment, in Unix
    /// milliseconds; `None` where not at all.
    fn rewind_from(&self, name: &PlaybackName, started_ms: i64) -> Option<i64>;

    /// The path under which the recording of a live is had as a file of this name, given to who comes from `address`,
    /// and when it is good no more, in Unix seconds; `None` where there is no recording, or not yet.
    fn download(&self, name: &PlaybackName, file: &str, address: IpAddr) -> Option<(String, u64)>;

    /// What was recorded of a live between two times, as an MP4 cut at keyframes.
    fn clip(
        &self,
        name: &PlaybackName,
        wanted: Range<Moment>,
    ) -> Pin<Box<dyn Future<Output = Result<Clip, NoFilm>> + Send>>;
}

/// A time in a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// So many milliseconds after its beginning, as it is played.
    At(u64),
    /// When it was live, in Unix milliseconds.
    Date(i64),
}

/// An MP4 on its way.
pub struct Clip {
    /// Its length in bytes.
    pub len: u64,
    /// Its bytes.
    pub pieces: BoxStream<'static, io::Result<Bytes>>,
}

/// Why there is no film of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoFilm {
    /// There is no recording, or not yet.
    Unknown,
    /// Nothing was recorded then.
    Nothing,
    /// Too many read recordings.
    Busy,
    /// It cannot be read.
    Failed,
}

/// What a publisher sends now.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Incoming {
    /// The pictures, if any came.
    pub video: Option<IncomingVideo>,
    /// The sound, if any came.
    pub audio: Option<IncomingAudio>,
    /// Measured, in bits a second.
    pub bitrate_bps: u64,
    /// Length of the last complete GOP, in seconds.
    pub gop_seconds: Option<f64>,
    /// Tags that were not understood and left out.
    pub dropped_tags: u64,
    /// What the encoder says it is.
    pub encoder: Option<String>,
    /// When the publisher connected, in Unix milliseconds; `connected_at` in the answer.
    #[serde(rename = "connected_at", serialize_with = "as_moment")]
    #[schemars(with = "String")]
    pub connected_ms: i64,
    /// What the broadcaster should change.
    pub warnings: Vec<Warning>,
}

/// The pictures a publisher sends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct IncomingVideo {
    /// Codec string (RFC 6381), such as `avc1.64001f`.
    pub codec: String,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Measured, in pictures a second.
    pub fps: Option<f64>,
}

/// The sound a publisher sends.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct IncomingAudio {
    /// Codec string (RFC 6381), such as `mp4a.40.2`.
    pub codec: String,
    /// In samples a second.
    pub sample_rate_hz: u32,
    /// 1 or 2, seldom more.
    pub channels: u32,
}

/// Something the broadcaster should change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Warning {
    /// For programs: `gop_too_long`, ...
    pub code: String,
    /// For the broadcaster, in French.
    pub message: String,
}

fn as_moment<S: serde::Serializer>(at_ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::json::moment(*at_ms))
}
