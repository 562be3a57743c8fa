//! The media playlist (rfc8216bis §4.4.3, §4.4.4), written by hand: `m3u8-rs` has no type for
//! parts.

use std::fmt::{self, Display, Write};

use super::wall_clock::WallClock;
use crate::{
    Edge, Numbers, Rendition, Segment,
    segment::{Head, OpenSegment},
    segmenter::Promise,
    sounds::SoundSet,
    window::Window,
};

/// Bytes to reserve for the head, for each segment, and for each part.
const HEAD_LEN: usize = 384;
const SEGMENT_LEN: usize = 96;
const PART_LEN: usize = 64;
/// Parts worth reserving for: those of three target durations of 2 s, and of the open segment.
const USUAL_PARTS: usize = 40;

/// `CAN-SKIP-UNTIL` in target durations: the least allowed (§4.4.3.8).
pub const SKIP_TARGETS: u64 = 6;
/// `HOLD-BACK` in target durations, and `PART-HOLD-BACK` in part targets: the least that is advised.
const HOLD_BACK_TARGETS: u64 = 3;
/// Parts are listed this many target durations from the edge (§4.4.4.9).
const PARTS_TARGETS: u64 = 3;

/// What a media playlist is made from.
#[derive(Clone, Copy)]
pub(crate) struct Listing<'a> {
    pub rendition: Rendition,
    /// The other renditions of the same presentation.
    pub others: Offered,
    pub window: &'a Window,
    pub open: Option<&'a OpenSegment>,
    /// The part that comes next.
    pub next: Edge,
    pub numbers: &'a Numbers,
    pub promise: Promise,
    pub ended: bool,
}

/// Some renditions with parts.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Offered {
    pub source: bool,
    pub video: bool,
    pub sounds: SoundSet,
}

impl Offered {
    /// The same without one.
    pub fn without(mut self, rendition: Rendition) -> Self {
        match rendition {
            Rendition::Source => self.source = false,
            Rendition::SourceTs => {}
            Rendition::Video => self.video = false,
            Rendition::Audio(number) => self.sounds = self.sounds.without(number),
        }
        self
    }

    fn iter(self) -> impl Iterator<Item = Rendition> {
        let pictures = [(self.source, Rendition::Source), (self.video, Rendition::Video)];
        let pictures = pictures.into_iter().filter_map(|(is_there, it)| is_there.then_some(it));
        pictures.chain(self.sounds.iter().map(Rendition::Audio))
    }
}

impl Listing<'_> {
    /// The whole playlist; `None` before the first segment is complete.
    pub fn render(&self) -> Option<String> {
        self.render_after(0)
    }

    /// A Playlist Delta Update (§6.2.5.1), or the whole where nothing can be skipped.
    pub fn render_delta(&self) -> Option<String> {
        self.render_after(self.skippable())
    }

    fn render_after(&self, skipped: usize) -> Option<String> {
        let first = self.window.first()?;
        let len = HEAD_LEN + self.window.len() * SEGMENT_LEN + USUAL_PARTS * PART_LEN;
        let mut text = String::with_capacity(len);
        self.head(&mut text, first, skipped > 0).ok()?;
        self.body(&mut text, skipped).ok()?;
        if self.ended {
            text.push_str("#EXT-X-ENDLIST\n");
        } else if self.rendition.has_parts() {
            self.outlook(&mut text).ok()?;
        }
        Some(text)
    }

    fn head(&self, text: &mut String, first: &Segment, is_delta: bool) -> fmt::Result {
        let Promise { target_duration_s, part_target_ms } = self.promise;
        // EXT-X-SKIP needs 9, EXT-X-MAP outside I-frame playlists 6, decimal EXTINF 3 (§8).
        let version = match self.rendition {
            _ if is_delta => 9,
            Rendition::Source | Rendition::Video | Rendition::Audio(_) => 6,
            Rendition::SourceTs => 3,
        };
        writeln!(text, "#EXTM3U")?;
        writeln!(text, "#EXT-X-VERSION:{version}")?;
        writeln!(text, "#EXT-X-TARGETDURATION:{target_duration_s}")?;
        if self.rendition.has_parts() {
            let target_us = u64::from(target_duration_s) * 1_000_000;
            let part_us = u64::from(part_target_ms) * 1_000;
            writeln!(
                text,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL={},HOLD-BACK={},\
                 PART-HOLD-BACK={}",
                Seconds(SKIP_TARGETS * target_us),
                Seconds(HOLD_BACK_TARGETS * target_us),
                Seconds(HOLD_BACK_TARGETS * part_us)
            )?;
            writeln!(text, "#EXT-X-PART-INF:PART-TARGET={}", Seconds(part_us))?;
        }
        writeln!(text, "#EXT-X-MEDIA-SEQUENCE:{}", first.msn())?;
        // Discontinuities that left the list; the first segment's own is still in it.
        let left = first.head().discontinuity_number - u64::from(first.discontinuity());
        // Owed from the first segment on that leaves a list with a discontinuity in it (§6.2.2).
        let is_owed = || first.msn() > 0 && self.window.listed().any(|one| one.discontinuity());
        if left > 0 || is_owed() {
            writeln!(text, "#EXT-X-DISCONTINUITY-SEQUENCE:{left}")?;
        }
        if matches!(self.rendition, Rendition::Audio(_)) || self.all_independent() {
            writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
        }
        Ok(())
    }

    /// The open segment counts: its parts are listed too.
    fn all_independent(&self) -> bool {
        let open = self.open.filter(|_| self.rendition.has_parts()).map(|open| &open.head);
        let heads = self.window.listed().map(|segment| segment.head()).chain(open);
        // A segment without media has no sample to open on.
        heads.filter(|head| !head.parts.iter().all(|part| part.is_gap())).all(|h| h.independent)
    }

    fn body(&self, text: &mut String, skipped: usize) -> fmt::Result {
        if skipped > 0 {
            writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}")?;
        }
        let parts_from = self.parts_from();
        let mut init_id = None;
        for (at, segment) in self.window.listed().enumerate() {
            if at < skipped {
                init_id = segment.head().init_id(self.rendition).or(init_id);
                continue;
            }
            self.segment_head(text, segment.head(), &mut init_id)?;
            if at >= parts_from {
                self.parts(text, segment.head())?;
            }
            if segment.is_gap(self.rendition) {
                writeln!(text, "#EXT-X-GAP")?;
            }
            writeln!(text, "#EXTINF:{},", Seconds(self.segment_us(segment)))?;
            writeln!(text, "{}", SegmentUri(self.rendition, segment.number()))?;
        }
        if let Some(head) = self.open_head() {
            self.segment_head(text, head, &mut init_id)?;
            self.parts(text, head)?;
        }
        Ok(())
    }

    fn segment_head(
        &self,
        text: &mut String,
        head: &Head,
        init_id: &mut Option<u32>,
    ) -> fmt::Result {
        if head.discontinuity {
            writeln!(text, "#EXT-X-DISCONTINUITY")?;
        }
        // Said again after every discontinuity, changed or not: players that reset there need it.
        if let Some(id) = head.init_id(self.rendition)
            && (head.discontinuity || *init_id != Some(id))
        {
            writeln!(text, "#EXT-X-MAP:URI=\"{}init-{id}.mp4\"", Prefix(self.rendition))?;
            *init_id = Some(id);
        }
        let at_ms = head.program_date_time_ms(self.rendition);
        writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", WallClock(at_ms))
    }

    fn parts(&self, text: &mut String, head: &Head) -> fmt::Result {
        for (index, part) in head.shown(self.rendition).enumerate() {
            let length = Seconds(part.length_us);
            let uri = PartUri(self.rendition, head.number, index);
            write!(text, "#EXT-X-PART:DURATION={length},URI=\"{uri}\"")?;
            if part.is_independent {
                write!(text, ",INDEPENDENT=YES")?;
            }
            if part.is_gap {
                write!(text, ",GAP=YES")?;
            }
            writeln!(text)?;
        }
        Ok(())
    }

    /// What comes next, and how far the other renditions are.
    fn outlook(&self, text: &mut String) -> fmt::Result {
        let number = self.numbers.of(self.next.msn);
        let next = PartUri(self.rendition, number, self.next.part as usize);
        // Always there, or hls.js asks for the playlist in a loop.
        writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{next}\"")?;
        let newest = self.open_head().or(self.window.newest().map(|segment| segment.head()));
        let last = newest.map(|head| (head.msn, head.parts.len().saturating_sub(1)));
        // All renditions are made of the same parts.
        for (other, (msn, part)) in self.others.iter().zip(last.into_iter().cycle()) {
            let uri = PlaylistUri(other);
            writeln!(
                text,
                "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}"
            )?;
        }
        Ok(())
    }

    /// The open segment, once it has parts that are listed.
    fn open_head(&self) -> Option<&Head> {
        let open = self.open.filter(|_| self.rendition.has_parts())?;
        Some(&open.head).filter(|head| !head.parts.is_empty())
    }

    fn open_us(&self) -> u64 {
        let head = self.open_head();
        head.map_or(0, |head| head.shown(self.rendition).map(|part| part.length_us).sum())
    }

    /// As `EXTINF` says it: where that has parts, their sum.
    fn segment_us(&self, segment: &Segment) -> u64 {
        match self.rendition {
            Rendition::Audio(_) => {
                segment.head().shown(self.rendition).map(|part| part.length_us).sum()
            }
            _ => segment.duration_us(),
        }
    }

    /// The first segment, by its place in the list, whose parts are listed: those that begin no
    /// more than three target durations from the end.
    fn parts_from(&self) -> usize {
        // At the end nobody waits for less than a segment, and hls.js, told of parts and of the end at
        // once, leaves out those of the last segment that it has not fetched.
        if !self.rendition.has_parts() || self.ended {
            return usize::MAX;
        }
        self.place_within(PARTS_TARGETS, self.open_us(), |end_us, length_us| end_us + length_us)
    }

    /// How many segments a delta update leaves out: those that end further from the end of the
    /// last complete one than the skip boundary (§6.2.5.1).
    fn skippable(&self) -> usize {
        if self.ended || !self.rendition.has_parts() {
            return 0;
        }
        self.place_within(SKIP_TARGETS, 0, |end_us, _| end_us)
    }

    /// The place of the oldest segment for which `distance` of its end's distance from what is
    /// `beyond_us` past the last complete segment, and of its length, in microseconds, is within so
    /// many target durations.
    fn place_within(
        &self,
        targets: u64,
        beyond_us: u64,
        distance: impl Fn(u64, u64) -> u64,
    ) -> usize {
        let limit_us = targets * u64::from(self.promise.target_duration_s) * 1_000_000;
        let mut end_us = beyond_us;
        let within = self.window.listed().rev().take_while(|segment| {
            let length_us = self.segment_us(segment);
            let is_within = distance(end_us, length_us) <= limit_us;
            end_us += length_us;
            is_within
        });
        self.window.len() - within.count()
    }
}

/// Where the media playlist of a rendition is, beside the others.
pub(crate) struct PlaylistUri(pub Rendition);

impl Display for PlaylistUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rendition::Source => f.write_str("source.m3u8"),
            Rendition::SourceTs => f.write_str("source-ts.m3u8"),
            Rendition::Video => f.write_str("video.m3u8"),
            Rendition::SOUND => f.write_str("audio.m3u8"),
            Rendition::Audio(number) => write!(f, "audio-{}.m3u8", number.index() + 1),
        }
    }
}

/// What the names of its segments, parts and init segments begin with. People count sounds from one.
pub(crate) struct Prefix(pub Rendition);

impl Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Rendition::Source | Rendition::SourceTs => Ok(()),
            Rendition::Video => f.write_str("video-"),
            Rendition::SOUND => f.write_str("audio-"),
            Rendition::Audio(number) => write!(f, "audio-{}-", number.index() + 1),
        }
    }
}

pub(crate) struct SegmentUri(pub Rendition, pub u64);

impl Display for SegmentUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let extension = if self.0 == Rendition::SourceTs { "ts" } else { "m4s" };
        write!(f, "{}{}.{extension}", Prefix(self.0), self.1)
    }
}

struct PartUri(Rendition, u64, usize);

impl Display for PartUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}.{}.m4s", Prefix(self.0), self.1, self.2)
    }
}

/// Microseconds as decimal seconds, with no more digits than it takes: data is dear.
pub(crate) struct Seconds(pub u64);

impl Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, mut micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        if micros == 0 {
            return write!(f, "{whole}");
        }
        let mut digits = 6;
        while micros % 10 == 0 {
            (micros, digits) = (micros / 10, digits - 1);
        }
        write!(f, "{whole}.{micros:0digits$}")
    }
}
