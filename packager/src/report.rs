//! What a packager tells about itself, for the broadcaster's page and the metrics.

/// What is being packaged now, and how it goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// The picture, while there is one.
    pub video: Option<VideoReport>,
    /// The sound, while there is one.
    pub audio: Option<AudioReport>,
    /// Bits per second of the last seconds, container included.
    pub bitrate_bps: u64,
    /// Time between the last two IDR pictures, in milliseconds.
    pub last_gop_ms: Option<u64>,
    /// Longest recent time between two IDR pictures, in milliseconds; the open GOP counts once it
    /// is longer than those before it. Above 4 000 the broadcaster deserves a warning.
    pub longest_recent_gop_ms: Option<u64>,
    /// `EXT-X-TARGETDURATION`, once frozen.
    pub target_duration_s: Option<u32>,
    /// Segments completed since the packager was made.
    pub segments_total: u64,
    /// Parts completed since the packager was made.
    pub parts_total: u64,
    /// Parts without media listed since, for the silence of a publisher.
    pub gap_parts_total: u64,
    /// Segments listed now.
    pub segments_listed: usize,
    /// Their duration, in milliseconds.
    pub listed_ms: u64,
    /// Bytes of all segments held: listed, retained and open, with those MPEG-TS renditions that
    /// were asked for.
    pub bytes_held: usize,
    /// Discontinuities announced since the packager was made.
    pub discontinuities_total: u64,
    /// Segments that do not open on an IDR, because a GOP outgrew the target duration.
    pub dependent_segments_total: u64,
    /// Samples packaged since the packager was made.
    pub samples_total: u64,
    /// Samples left out: before the first IDR, malformed, late, or of a track not declared.
    pub samples_dropped_total: u64,
    /// Samples whose timestamps were repaired: not increasing, or an impossible composition
    /// offset.
    pub samples_repaired_total: u64,
    /// Timed metadata packaged since the packager was made.
    pub metadata_total: u64,
    /// Timed metadata left out: too much that waits, or its publisher left before its time came.
    pub metadata_dropped_total: u64,
}

/// The picture as it comes in.
#[derive(Debug, Clone, PartialEq)]
pub struct VideoReport {
    /// RFC 6381 name, such as `avc1.64001f`.
    pub codec: String,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Frames per second as the parameter set declares them.
    pub declared_fps: Option<f64>,
    /// Frames per second as they come in.
    pub measured_fps: Option<f64>,
}

/// The sound as it comes in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioReport {
    /// RFC 6381 name, such as `mp4a.40.2`.
    pub codec: String,
    /// Samples per second heard: after SBR, when that is signalled.
    pub sample_rate_hz: u32,
    /// Loudspeakers fed.
    pub channels: u8,
}
