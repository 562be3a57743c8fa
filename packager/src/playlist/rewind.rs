//! The media playlist of what viewers of a live may go back to: what was listed since it began, and is on, without
//! parts (ADR 48).
//!
//! Here: its lines. Not here: which segments it lists (`recorder`), how a text that grows is kept (`hub`).
//!
//! It is long, and data is dear: what follows from the lines before is not said again. A date is said where it is
//! not the end of the segment before, which spares three of four bytes.

use std::fmt::{self, Write};

use super::{
    media::{Prefix, Seconds, SegmentUri},
    recorded,
    wall_clock::WallClock,
};
use crate::{Listed, Rendition};

pub use super::media::SKIP_TARGETS;

/// The last line once the live is over.
pub const ENDLIST: &str = "#EXT-X-ENDLIST\n";

/// Dates are in milliseconds and lengths in microseconds.
const SAME_DATE_US: i64 = 1_000;

/// A segment as a rendition lists it.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// The number in its name.
    pub number: u64,
    /// How the rendition listed it.
    pub listed: Listed,
    /// Whether timestamps or configuration break before it.
    pub discontinuity: bool,
}

/// What stands before the segments.
#[derive(Debug, Clone, Copy)]
pub struct Head {
    /// What is listed.
    pub rendition: Rendition,
    /// That of the live.
    pub target_duration_s: u32,
    /// The Media Sequence Number of the first segment.
    pub first_msn: u64,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`, where it is to be said.
    pub discontinuity_sequence: Option<u64>,
    /// Whether every segment can be decoded alone.
    pub independent: bool,
    /// Segments left out of a Playlist Delta Update (rfc8216bis §6.2.5.1), if it is one.
    pub skipped: usize,
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let target_us = u64::from(self.target_duration_s) * 1_000_000;
        writeln!(f, "#EXTM3U")?;
        writeln!(f, "#EXT-X-VERSION:{}", if self.skipped > 0 { 9 } else { 6 })?;
        writeln!(f, "#EXT-X-TARGETDURATION:{}", self.target_duration_s)?;
        let skip_until = Seconds(SKIP_TARGETS * target_us);
        writeln!(f, "#EXT-X-SERVER-CONTROL:CAN-SKIP-UNTIL={skip_until}")?;
        writeln!(f, "#EXT-X-MEDIA-SEQUENCE:{}", self.first_msn)?;
        if let Some(left) = self.discontinuity_sequence {
            writeln!(f, "#EXT-X-DISCONTINUITY-SEQUENCE:{left}")?;
        }
        if self.independent {
            writeln!(f, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        if self.skipped > 0 {
            writeln!(f, "#EXT-X-SKIP:SKIPPED-SEGMENTS={}", self.skipped)?;
        }
        Ok(())
    }
}

/// Writes segments one after the other.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pen {
    init_id: Option<u32>,
    /// When what was written ends, as its reader reckons, in Unix microseconds.
    end_us: Option<i64>,
}

impl Pen {
    /// One that goes on after segments that were left out, the last of which needs this init segment.
    pub fn after(init_id: Option<u32>) -> Self {
        Self { init_id, end_us: None }
    }

    /// Adds the lines of a segment.
    pub fn write(&mut self, to: &mut String, rendition: Rendition, entry: &Entry) {
        self.lines(to, rendition, entry).expect("writing to memory does not fail");
    }

    fn lines(&mut self, to: &mut String, rendition: Rendition, entry: &Entry) -> fmt::Result {
        let Entry { number, listed, discontinuity } = entry;
        if *discontinuity {
            writeln!(to, "#EXT-X-DISCONTINUITY")?;
        }
        // As in the list of the live: players that reset at a discontinuity need it again.
        if let Some(id) = listed.init_id
            && (*discontinuity || self.init_id != Some(id))
        {
            writeln!(to, "#EXT-X-MAP:URI=\"{}init-{id}.mp4\"", Prefix(rendition))?;
            self.init_id = Some(id);
        }
        let at_us = listed.program_date_time_ms.saturating_mul(1_000);
        let follows = self.end_us.filter(|end| at_us.abs_diff(*end) <= SAME_DATE_US as u64);
        let at_us = match follows.filter(|_| !discontinuity) {
            Some(end_us) => end_us,
            None => {
                let date = WallClock(listed.program_date_time_ms);
                writeln!(to, "#EXT-X-PROGRAM-DATE-TIME:{date}")?;
                at_us
            }
        };
        let length_us = i64::try_from(listed.duration_us).unwrap_or(i64::MAX);
        self.end_us = Some(at_us.saturating_add(length_us));
        if listed.is_gap {
            writeln!(to, "#EXT-X-GAP")?;
        }
        writeln!(to, "#EXTINF:{},", Seconds(listed.duration_us))?;
        writeln!(to, "{}", SegmentUri(rendition, *number))
    }
}

/// The file name of the media playlist of a rendition.
pub fn file_name(rendition: Rendition) -> String {
    recorded::file_name(rendition).replace(".m3u8", SUFFIX)
}

/// What those file names end with.
pub const SUFFIX: &str = "-rewind.m3u8";

/// The line of a multivariant playlist that has players begin so far into what it offers
/// (`EXT-X-START`, §4.4.2.2).
pub fn start(offset_us: u64) -> String {
    format!("#EXT-X-START:TIME-OFFSET={},PRECISE=YES\n", Seconds(offset_us))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, at_ms: i64) -> Entry {
        let listed = Listed {
            duration_us: 2_000_000,
            program_date_time_ms: at_ms,
            is_gap: false,
            init_id: Some(0),
        };
        Entry { number, listed, discontinuity: false }
    }

    fn written(entries: &[Entry]) -> String {
        let (mut pen, mut text) = (Pen::default(), String::new());
        entries.iter().for_each(|entry| pen.write(&mut text, Rendition::Source, entry));
        text
    }

    #[test]
    fn a_date_is_said_where_it_does_not_follow() {
        let dates = |entries: &[Entry]| written(entries).matches("DATE-TIME").count();
        assert_eq!(dates(&[entry(0, 0), entry(1, 2_000), entry(2, 4_001)]), 1);
        assert_eq!(dates(&[entry(0, 0), entry(1, 2_002)]), 2);
        assert_eq!(dates(&[entry(0, 0), entry(1, 1_990)]), 2);
        let broken = Entry { discontinuity: true, ..entry(1, 2_000) };
        assert_eq!(dates(&[entry(0, 0), broken]), 2, "also after a discontinuity (§6.2.1)");
        // A millisecond each is not let go.
        let drifting: Vec<_> = (0..10).map(|n| entry(n, n as i64 * 2_001)).collect();
        assert_eq!(dates(&drifting), 5);
    }

    #[test]
    fn an_init_segment_is_said_where_it_changes_and_after_a_break() {
        let changed = |id| Listed { init_id: Some(id), ..entry(0, 0).listed };
        let text = written(&[
            entry(0, 0),
            entry(1, 2_000),
            Entry { listed: changed(1), ..entry(2, 4_000) },
            Entry { discontinuity: true, listed: changed(1), ..entry(3, 6_000) },
        ]);
        let maps: Vec<_> = text.lines().filter(|line| line.contains("MAP")).collect();
        let [zero, one] = [0, 1].map(|id| format!("#EXT-X-MAP:URI=\"init-{id}.mp4\""));
        assert_eq!(maps, [&zero, &one, &one]);
    }

    #[test]
    fn a_delta_update_says_its_first_date_and_no_known_init_segment() {
        let (mut pen, mut text) = (Pen::after(Some(0)), String::new());
        pen.write(&mut text, Rendition::SOUND, &entry(7, 0));
        let date = "#EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z";
        assert_eq!(text, format!("{date}\n#EXTINF:2,\naudio-7.m4s\n"));
    }
}
