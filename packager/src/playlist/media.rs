//! The media playlist (rfc8216bis §4.4.3, §4.4.4), written by hand: `m3u8-rs` has no type for
//! parts.

use std::fmt::{self, Write};

use super::wall_clock::WallClock;
use crate::{Container, Segment, segmenter::Promise, window::Window};

/// Bytes to reserve for the head and for each segment.
const HEAD_LEN: usize = 256;
const SEGMENT_LEN: usize = 96;

pub(crate) fn render(
    container: Container,
    window: &Window,
    promise: Promise,
    ended: bool,
) -> Option<String> {
    let first = window.first()?;
    let mut text = String::with_capacity(HEAD_LEN + window.len() * SEGMENT_LEN);
    head(&mut text, container, window, first, promise).ok()?;
    let mut init_id = None;
    for segment in window.listed() {
        entry(&mut text, container, segment, &mut init_id).ok()?;
    }
    if ended {
        text.push_str("#EXT-X-ENDLIST\n");
    }
    Some(text)
}

fn head(
    text: &mut String,
    container: Container,
    window: &Window,
    first: &Segment,
    promise: Promise,
) -> fmt::Result {
    // EXT-X-MAP outside I-frame playlists needs 6, decimal EXTINF 3 (§8).
    let version = if container == Container::Fmp4 { 6 } else { 3 };
    writeln!(text, "#EXTM3U")?;
    writeln!(text, "#EXT-X-VERSION:{version}")?;
    writeln!(text, "#EXT-X-TARGETDURATION:{}", promise.target_duration_s)?;
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", first.msn())?;
    // Discontinuities that left the list; the first segment's own is still in it.
    let left = first.discontinuity_number() - u64::from(first.discontinuity());
    if left > 0 {
        writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{left}")?;
    }
    if window.listed().all(|segment| segment.independent()) {
        writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    Ok(())
}

fn entry(
    text: &mut String,
    container: Container,
    segment: &Segment,
    init_id: &mut Option<u32>,
) -> fmt::Result {
    if segment.discontinuity() {
        writeln!(text, "#EXT-X-DISCONTINUITY")?;
    }
    // Said again after every discontinuity, changed or not: players that reset there need it.
    if container == Container::Fmp4
        && (segment.discontinuity() || *init_id != Some(segment.init_id()))
    {
        writeln!(text, "#EXT-X-MAP:URI=\"init-{}.mp4\"", segment.init_id())?;
        *init_id = Some(segment.init_id());
    }
    writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", WallClock(segment.program_date_time_ms()))?;
    let (seconds, micros) = (segment.duration_us() / 1_000_000, segment.duration_us() % 1_000_000);
    writeln!(text, "#EXTINF:{seconds}.{micros:06},")?;
    let extension = if container == Container::Fmp4 { "m4s" } else { "ts" };
    writeln!(text, "{}.{extension}", segment.msn())
}
