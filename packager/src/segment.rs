//! A segment: a whole number of parts.

use bytes::Bytes;

/// A complete Media Segment (rfc8216bis §3): immutable, except that its MPEG-TS form is made when
/// first asked for.
#[derive(Debug)]
pub struct Segment {
    msn: u64,
    parts: Vec<Bytes>,
}

impl Segment {
    /// Its Media Sequence Number.
    pub fn msn(&self) -> u64 {
        self.msn
    }

    /// Its length in seconds, as `EXTINF` says it.
    pub fn duration_s(&self) -> f64 {
        0.0
    }

    /// Whether timestamps or configuration break before it (`EXT-X-DISCONTINUITY`).
    pub fn discontinuity(&self) -> bool {
        false
    }

    /// Whether it opens on an IDR, so that it can be decoded alone.
    pub fn independent(&self) -> bool {
        true
    }

    /// Wall-clock time of its first sample, in Unix milliseconds.
    pub fn program_date_time_ms(&self) -> i64 {
        0
    }

    /// The init segment it needs; see [`Packager::init`](crate::Packager::init).
    pub fn init_id(&self) -> u32 {
        0
    }

    /// Bytes of its fMP4 form.
    pub fn size_bytes(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    /// Bytes of its MPEG-TS form, known without making it.
    pub fn ts_size_bytes(&self) -> usize {
        0
    }

    /// Its fMP4 form: the bytes of its parts, in order, not copied.
    pub fn fmp4(&self) -> impl Iterator<Item = Bytes> {
        self.parts.iter().cloned()
    }

    /// Its MPEG-TS form, made at the first call.
    pub fn ts(&self) -> Bytes {
        Bytes::new()
    }
}
