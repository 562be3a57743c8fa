//! Reads a media playlist as the draft writes it (§4.4.3, §4.4.4, §4.4.5), low-latency tags included.
//!
//! Here: what stands in one text, and what is wrong with the text itself. Not here: what may follow
//! upon what (`clauses`). Nothing is refused: a fault is noted under the name of its clause, and the
//! rest is read as well as it can be.

use super::attributes::{Attributes, Date, decimal};

/// A fault of the text: the clause, and what is wrong.
pub type Fault = (&'static str, String);

/// One media playlist.
#[derive(Debug, Clone, Default)]
pub struct Media {
    /// What is wrong with the text.
    pub faults: Vec<Fault>,
    /// `EXT-X-VERSION`.
    pub version: Option<u64>,
    /// The lowest and the highest version that what is used calls for (§8).
    pub version_called_for: (u64, u64),
    /// `EXT-X-TARGETDURATION`.
    pub target_s: Option<u64>,
    /// `EXT-X-MEDIA-SEQUENCE`.
    pub media_sequence: Option<u64>,
    /// `EXT-X-DISCONTINUITY-SEQUENCE`.
    pub discontinuity_sequence: Option<u64>,
    /// `EXT-X-PLAYLIST-TYPE` is there.
    pub has_type: bool,
    /// `EXT-X-ENDLIST` is there.
    pub ended: bool,
    /// `EXT-X-INDEPENDENT-SEGMENTS` is there.
    pub independent_segments: bool,
    /// `EXT-X-SERVER-CONTROL`.
    pub control: Option<Attributes>,
    /// `EXT-X-PART-INF` is there; its `PART-TARGET`.
    pub part_target_s: Option<f64>,
    /// `EXT-X-SKIP`.
    pub skip: Option<Skip>,
    /// The segments, in order.
    pub segments: Vec<Segment>,
    /// What stands after the last URI: the parts of the open segment, and the tags before them.
    pub open: Segment,
    /// `EXT-X-PRELOAD-HINT`, in order.
    pub hints: Vec<Hint>,
    /// `EXT-X-RENDITION-REPORT`.
    pub reports: Vec<Attributes>,
    /// `EXT-X-DATERANGE`.
    pub dateranges: Vec<Attributes>,
}

/// One segment, and the tags that apply to it.
#[derive(Debug, Clone, Default)]
pub struct Segment {
    /// Its number, skipped ones counted.
    pub msn: u64,
    /// As written; resolve before use.
    pub uri: String,
    /// `EXTINF`, as written.
    pub duration: String,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// The map that applies, wherever it stands.
    pub map: Option<String>,
    /// `EXT-X-PROGRAM-DATE-TIME`, as written.
    pub date: Option<String>,
    /// `EXT-X-GAP`.
    pub gap: bool,
    /// `EXT-X-KEY`, `EXT-X-BYTERANGE`, `EXT-X-BITRATE`: whatever else is said of it.
    pub other_tags: Vec<String>,
    /// Its parts.
    pub parts: Vec<Part>,
}

/// One partial segment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Part {
    /// As written.
    pub uri: String,
    /// `DURATION`, as written.
    pub duration: String,
    /// `INDEPENDENT=YES`.
    pub independent: bool,
    /// `GAP=YES`.
    pub gap: bool,
    /// `BYTERANGE`.
    pub byte_range: Option<String>,
}

/// `EXT-X-SKIP`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Skip {
    /// `SKIPPED-SEGMENTS`.
    pub segments: u64,
    /// `RECENTLY-REMOVED-DATERANGES`.
    pub removed_dateranges: Option<Vec<String>>,
    /// How often the tag stands there.
    pub times: u32,
}

/// `EXT-X-PRELOAD-HINT`.
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// `PART` or `MAP`.
    pub kind: String,
    /// As written.
    pub uri: String,
}

/// Where a playlist ends: the next position that it does not list yet.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// The number of the segment that is not complete yet.
    pub open: u64,
    /// How many of its parts are listed.
    pub parts: usize,
}

impl Segment {
    /// `EXTINF`, in seconds.
    pub fn duration_s(&self) -> f64 {
        decimal(&self.duration).unwrap_or(0.0)
    }

    /// Its date.
    pub fn date(&self) -> Option<Date> {
        Date::parse(self.date.as_deref()?)
    }
}

impl Part {
    /// `DURATION`, in seconds.
    pub fn duration_s(&self) -> f64 {
        decimal(&self.duration).unwrap_or(0.0)
    }
}

impl Media {
    /// Reads a text.
    pub fn parse(text: &str) -> Self {
        let mut reader = Reader::default();
        reader.check_characters(text);
        for line in text.lines() {
            reader.line(line);
        }
        reader.finish()
    }

    /// Where it ends.
    pub fn edge(&self) -> Edge {
        let skipped = self.skip.as_ref().map_or(0, |skip| skip.segments);
        let first = self.media_sequence.unwrap_or(0) + skipped;
        Edge { open: first + self.segments.len() as u64, parts: self.open.parts.len() }
    }

    /// The duration of what is listed; parts of the open segment are not.
    pub fn duration_s(&self) -> f64 {
        self.segments.iter().map(Segment::duration_s).sum()
    }

    /// The hint of that type.
    pub fn hint(&self, kind: &str) -> Option<&Hint> {
        self.hints.iter().find(|hint| hint.kind == kind)
    }

    /// Whether it uses partial segments.
    pub fn has_parts(&self) -> bool {
        self.segments.iter().chain([&self.open]).any(|segment| !segment.parts.is_empty())
    }
}

/// Reading under way.
#[derive(Default)]
struct Reader {
    media: Media,
    map: Option<String>,
    lines: usize,
    versions: u32,
    singles: Vec<String>,
    uses: Vec<u64>,
    most: u64,
    i_frames_only: bool,
    has_map: bool,
}

/// Tags of which a media playlist has at most one (§4.4.2, §4.4.3).
const SINGLES: [&str; 8] = [
    "EXT-X-INDEPENDENT-SEGMENTS",
    "EXT-X-TARGETDURATION",
    "EXT-X-MEDIA-SEQUENCE",
    "EXT-X-DISCONTINUITY-SEQUENCE",
    "EXT-X-ENDLIST",
    "EXT-X-PLAYLIST-TYPE",
    "EXT-X-PART-INF",
    "EXT-X-SERVER-CONTROL",
];

/// The version of decimal durations.
const DECIMALS: u64 = 3;

impl Reader {
    fn fault(&mut self, clause: &'static str, words: impl Into<String>) {
        self.media.faults.push((clause, words.into()));
    }

    fn check_characters(&mut self, text: &str) {
        let control = |c: &char| c.is_control() && *c != '\n' && *c != '\r';
        let tab_list = |line: &str| line.starts_with("#EXT-X-SKIP:");
        let foul = text.lines().any(|line| {
            // The list of removed date ranges is separated by tabs (§4.4.5.2).
            line.chars().any(|c| control(&c) && !(c == '\t' && tab_list(line)))
        });
        if foul || text.contains('\u{feff}') || text.contains('\u{fffd}') {
            self.fault("playlist_is_plain_utf8", "control characters, a mark, or no UTF-8");
        }
    }

    fn line(&mut self, line: &str) {
        self.lines += 1;
        if self.lines == 1 && line != "#EXTM3U" {
            self.fault("extm3u_is_the_first_line", line);
        }
        let Some(tag) = line.strip_prefix('#') else {
            if !line.is_empty() {
                self.uri(line);
            }
            return;
        };
        if !tag.starts_with("EXT") {
            return;
        }
        let (name, value) = tag.split_once(':').unwrap_or((tag, ""));
        if SINGLES.contains(&name) {
            if self.singles.iter().any(|seen| seen == name) {
                self.fault("media_playlist_tags_appear_once", line);
            }
            self.singles.push(name.into());
        }
        self.tag(name, value, line);
    }

    fn tag(&mut self, name: &str, value: &str, line: &str) {
        match name {
            "EXT-X-VERSION" => {
                self.versions += 1;
                if self.versions > 1 {
                    self.fault("version_appears_once", line);
                }
                self.media.version = value.parse().ok();
            }
            "EXT-X-TARGETDURATION" => self.media.target_s = value.parse().ok(),
            "EXT-X-MEDIA-SEQUENCE" => {
                self.expect_no_segment(line);
                self.media.media_sequence = value.parse().ok();
            }
            "EXT-X-DISCONTINUITY-SEQUENCE" => {
                self.expect_no_segment(line);
                self.media.discontinuity_sequence = value.parse().ok();
            }
            "EXT-X-PLAYLIST-TYPE" => self.media.has_type = true,
            "EXT-X-ENDLIST" => self.media.ended = true,
            "EXT-X-INDEPENDENT-SEGMENTS" => self.media.independent_segments = true,
            "EXT-X-I-FRAMES-ONLY" => {
                self.i_frames_only = true;
                self.uses.push(4);
            }
            "EXT-X-PART-INF" => {
                let list = self.list(value, line);
                self.media.part_target_s =
                    self.required(&list, line, "PART-TARGET", |list| list.decimal("PART-TARGET"));
            }
            "EXT-X-SERVER-CONTROL" => self.media.control = Some(self.list(value, line)),
            "EXT-X-SKIP" => self.skip(value, line),
            "EXT-X-PART" => self.part(value, line),
            "EXT-X-PRELOAD-HINT" => {
                let list = self.list(value, line);
                let kind = self.required(&list, line, "TYPE", |list| list.bare("TYPE"));
                let uri = self.required(&list, line, "URI", |list| list.quoted("URI"));
                self.media.hints.push(Hint { kind, uri });
            }
            "EXT-X-RENDITION-REPORT" => {
                let list = self.list(value, line);
                self.media.reports.push(list);
            }
            "EXT-X-DATERANGE" => {
                let list = self.list(value, line);
                let _: String = self.required(&list, line, "ID", |list| list.quoted("ID"));
                self.media.dateranges.push(list);
            }
            "EXT-X-DEFINE" => {
                let list = self.list(value, line);
                self.uses.push(if list.has("QUERYPARAM") { 11 } else { 8 });
            }
            _ => self.segment_tag(name, value, line),
        }
    }

    fn segment_tag(&mut self, name: &str, value: &str, line: &str) {
        match name {
            "EXTINF" => {
                let (duration, _) = value.split_once(',').unwrap_or((value, ""));
                let valid = value.contains(',') && decimal(duration).is_some();
                if !valid || !self.media.open.duration.is_empty() {
                    self.fault("every_segment_has_extinf", line);
                }
                if duration.contains('.') {
                    self.uses.push(3);
                }
                self.media.open.duration = duration.into();
                return;
            }
            "EXT-X-GAP" => self.media.open.gap = true,
            "EXT-X-DISCONTINUITY" => self.media.open.discontinuity = true,
            "EXT-X-PROGRAM-DATE-TIME" => self.media.open.date = Some(value.into()),
            "EXT-X-MAP" => {
                let list = self.list(value, line);
                self.has_map = true;
                let uri: String = self.required(&list, line, "URI", |list| list.quoted("URI"));
                self.map = Some(uri);
            }
            "EXT-X-KEY" => {
                let list = self.list(value, line);
                let _: String = self.required(&list, line, "METHOD", |list| list.bare("METHOD"));
                self.uses.extend(list.has("IV").then_some(2));
                let five = list.has("KEYFORMAT") || list.bare("METHOD") == Some("SAMPLE-AES");
                self.uses.extend(five.then_some(5));
                self.media.open.other_tags.push(line.into());
            }
            "EXT-X-BYTERANGE" => {
                self.uses.push(4);
                self.media.open.other_tags.push(line.into());
            }
            "EXT-X-BITRATE" => self.media.open.other_tags.push(line.into()),
            _ => return,
        }
        // EXT-X-GAP tells of the whole segment and may come late; the others shape its first part.
        let shapes_parts =
            ["EXT-X-DISCONTINUITY", "EXT-X-KEY", "EXT-X-MAP", "EXT-X-PROGRAM-DATE-TIME"];
        if shapes_parts.contains(&name) && !self.media.open.parts.is_empty() {
            self.fault("segment_tags_stand_before_the_first_part", line);
        }
    }

    fn skip(&mut self, value: &str, line: &str) {
        let list = self.list(value, line);
        let segments =
            self.required(&list, line, "SKIPPED-SEGMENTS", |list| list.integer("SKIPPED-SEGMENTS"));
        let removed = list.quoted("RECENTLY-REMOVED-DATERANGES");
        let removed_dateranges = removed.map(|removed| {
            removed.split('\t').filter(|id| !id.is_empty()).map(str::to_owned).collect::<Vec<_>>()
        });
        self.uses.push(9);
        // 10 where date ranges are left out, which the text alone does not tell.
        self.most = if removed_dateranges.is_some() { 10 } else { 9 };
        let times = self.media.skip.as_ref().map_or(0, |skip| skip.times) + 1;
        self.media.skip = Some(Skip { segments, removed_dateranges, times });
    }

    fn part(&mut self, value: &str, line: &str) {
        let list = self.list(value, line);
        let uri = self.required(&list, line, "URI", |list| list.quoted("URI"));
        let duration: String = self.required(&list, line, "DURATION", |list| {
            list.decimal("DURATION").and(list.bare("DURATION"))
        });
        self.media.open.parts.push(Part {
            uri,
            duration,
            independent: list.is_yes("INDEPENDENT"),
            gap: list.is_yes("GAP"),
            byte_range: list.quoted("BYTERANGE").map(str::to_owned),
        });
    }

    fn uri(&mut self, uri: &str) {
        let mut segment = std::mem::take(&mut self.media.open);
        if segment.duration.is_empty() {
            self.fault("every_segment_has_extinf", uri);
        }
        segment.uri = uri.into();
        segment.map.clone_from(&self.map);
        self.media.segments.push(segment);
    }

    fn expect_no_segment(&mut self, line: &str) {
        let open = &self.media.open;
        if !self.media.segments.is_empty() || !open.duration.is_empty() || open.discontinuity {
            self.fault("sequence_numbers_stand_before_the_first_segment", line);
        }
    }

    fn list(&mut self, value: &str, line: &str) -> Attributes {
        match Attributes::parse(value) {
            Ok(list) => {
                self.uses.extend(list.names().any(|name| name.starts_with("REQ-")).then_some(12));
                list
            }
            Err(error) => {
                self.fault("attribute_lists_are_well_formed", format!("{line}: {error}"));
                Attributes::default()
            }
        }
    }

    fn required<'a, T, O: From<T> + Default>(
        &mut self,
        list: &'a Attributes,
        line: &str,
        name: &str,
        read: impl FnOnce(&'a Attributes) -> Option<T>,
    ) -> O {
        let value = read(list);
        // A list that could not be read has its own fault.
        if value.is_none() && *list != Attributes::default() {
            self.fault("required_attributes_are_there", format!("{name} in {line}"));
        }
        value.map(O::from).unwrap_or_default()
    }

    fn finish(mut self) -> Media {
        if self.has_map {
            self.uses.push(if self.i_frames_only { 5 } else { 6 });
        }
        let least = self.uses.iter().copied().max().unwrap_or(1);
        // A live whose durations are whole so far may have others later, and its version may not
        // change (§6.2.1).
        self.media.version_called_for = (least, least.max(self.most).max(DECIMALS));
        self.media.open.map = self.map;
        let skipped = self.media.skip.as_ref().map_or(0, |skip| skip.segments);
        let first = self.media.media_sequence.unwrap_or(0) + skipped;
        let segments = self.media.segments.iter_mut().chain([&mut self.media.open]);
        for (msn, segment) in (first..).zip(segments) {
            segment.msn = msn;
        }
        self.media
    }
}
