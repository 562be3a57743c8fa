//! The index of a recording: what was written, where it lies, and how to tell that it is whole.
//!
//! Here: records and the lines they are kept in. Not here: files (`writer`, `recording`).
//!
//! One record is one line: a version, the CRC-32 of the rest, and JSON.
//!
//! ```text
//! ⏎1 89abcdef {"segment":{"epoch":"k3v9…","msn":17,…}}⏎
//! ```
//!
//! A line that ends too early, was never written or has a byte turned is passed over, and the others stand:
//! there is an end of line on both sides of each, so that no damage joins two. What everything depends on is
//! said twice ([`Live`], [`Init`]).

use std::fmt::Write as _;

use media::{Label, Labels, Language, Name, SoundNumber, Timescale, Track, codec::Picture};
use packager::{Kept, Listed, Rendition};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::DeserializeOwned};

/// The version of the lines written here. One that is not known is passed over.
const VERSION: u8 = b'1';
/// The version, the checksum and the spaces after them.
const HEAD_LEN: usize = 11;

/// One thing that is known of a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Record {
    Live(Live),
    Init(Init),
    Segment(Segment),
    Labels(Vec<Called>),
    /// Segments of an epoch that were not written, the first and the last.
    Lost {
        epoch: String,
        first: u64,
        last: u64,
    },
    /// Another run of the server goes on with it.
    Resumed,
    /// The live is over.
    End {
        at_ms: i64,
    },
}

/// Whom it is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub public: bool,
}

/// An init segment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Init {
    pub epoch: String,
    #[serde(with = "rendition_name")]
    pub rendition: Rendition,
    pub id: u32,
    pub codecs: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub picture: Option<Size>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    pub timescale: u32,
    /// What it declares, for a live that goes on.
    #[serde(default)]
    pub tracks: Vec<Track>,
    pub place: Place,
}

/// The size of a picture, and its rate as declared.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub width: u32,
    pub height: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fps: Option<f64>,
}

/// A segment, in every rendition it was offered in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Segment {
    pub epoch: String,
    /// The number in its name, which is its MSN until the server is started again ([`packager::Numbers`]).
    pub msn: u64,
    #[serde(default, skip_serializing_if = "is_false")]
    pub discontinuity: bool,
    #[serde(default, skip_serializing_if = "is_false")]
    pub dependent: bool,
    #[serde(default, skip_serializing_if = "is_zero")]
    pub pictures: u64,
    pub renditions: Vec<Stored>,
    /// For a live that goes on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Kept>,
}

/// A segment in one rendition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    #[serde(with = "rendition_name")]
    pub rendition: Rendition,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<u32>,
    pub date_ms: i64,
    pub duration_us: u64,
    /// Its bytes as viewers get it; zero of a gap.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub bytes: u64,
    /// Where they lie; nowhere where they are made of those of the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Place>,
}

/// Where bytes lie, and the CRC-32 of each [`Place::PIECE`] of them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    pub volume: u32,
    pub at: u64,
    pub len: u64,
    pub crc: Vec<u32>,
}

/// What a sound is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Called {
    pub number: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Place {
    /// Bytes that are read and checked in one go: as much as a socket takes at once.
    pub const PIECE: usize = 256 * 1024;

    /// The place of `bytes` at an offset of a volume.
    pub fn of(bytes: &[u8], volume: u32, at: u64) -> Self {
        let crc = bytes.chunks(Self::PIECE).map(crc32fast::hash).collect();
        Self { volume, at, len: bytes.len() as u64, crc }
    }

    pub fn end(&self) -> u64 {
        self.at.saturating_add(self.len)
    }

    /// Whether there is a checksum for every piece.
    fn is_complete(&self) -> bool {
        self.len.div_ceil(Self::PIECE as u64) == self.crc.len() as u64
    }
}

impl Segment {
    /// What is known of a segment before its bytes lie anywhere.
    pub fn of(epoch: &str, segment: &packager::Segment) -> Self {
        let stored = |rendition: Rendition| {
            let listed = segment.listed(rendition);
            let bytes = if listed.is_gap { 0 } else { segment.size_bytes(rendition) as u64 };
            Stored {
                rendition,
                init: listed.init_id,
                date_ms: listed.program_date_time_ms,
                duration_us: listed.duration_us,
                bytes,
                place: None,
            }
        };
        Self {
            epoch: epoch.to_owned(),
            msn: segment.number(),
            discontinuity: segment.discontinuity(),
            dependent: !segment.independent() && !segment.is_gap(Rendition::Source),
            pictures: segment.pictures(),
            renditions: segment.renditions().into_iter().map(stored).collect(),
            kept: Some(segment.kept()),
        }
    }

    /// Whether it holds nothing at all.
    pub fn is_gap(&self) -> bool {
        self.renditions.iter().all(|stored| stored.bytes == 0)
    }

    pub fn stored(&self, rendition: Rendition) -> Option<&Stored> {
        self.renditions.iter().find(|stored| stored.rendition == rendition)
    }

    /// How a rendition lists it; a gap as long as the source where it is not in it.
    pub fn listed(&self, rendition: Rendition) -> Listed {
        let own = self.stored(rendition);
        let stored = own.or(self.stored(Rendition::Source));
        Listed {
            duration_us: stored.map_or(0, |stored| stored.duration_us),
            program_date_time_ms: stored.map_or(0, |stored| stored.date_ms),
            is_gap: own.is_none_or(|stored| stored.bytes == 0),
            init_id: own.and_then(|stored| stored.init),
        }
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        self.renditions.iter().filter_map(|stored| stored.place.as_ref())
    }
}

impl Record {
    /// The places it names.
    pub fn places(&self) -> Vec<&Place> {
        match self {
            Self::Init(init) => vec![&init.place],
            Self::Segment(segment) => segment.places().collect(),
            Self::Live(_)
            | Self::Labels(_)
            | Self::Lost { .. }
            | Self::Resumed
            | Self::End { .. } => Vec::new(),
        }
    }

    /// The line of it, with an end of line on both sides.
    pub fn line(&self) -> String {
        line_of(self)
    }

    fn read(line: &[u8]) -> Option<Self> {
        let record = from_line(line)?;
        let is_whole = Self::places(&record).into_iter().all(Place::is_complete);
        is_whole.then_some(record)
    }
}

/// The line of something, with an end of line on both sides.
pub(crate) fn line_of(it: &impl Serialize) -> String {
    let json = serde_json::to_string(it).expect("what is kept has no map with odd keys");
    let mut line = String::with_capacity(json.len() + HEAD_LEN + 2);
    let (version, crc) = (char::from(VERSION), crc32fast::hash(json.as_bytes()));
    writeln!(line, "\n{version} {crc:08x} {json}").expect("writing to memory does not fail");
    line
}

/// What a line says, without the ends of line; `None` where it says nothing any more.
pub(crate) fn from_line<T: DeserializeOwned>(line: &[u8]) -> Option<T> {
    let (head, json) = line.split_at_checked(HEAD_LEN)?;
    let [VERSION, b' ', crc @ .., b' '] = head else { return None };
    let crc = u32::from_str_radix(std::str::from_utf8(crc).ok()?, 16).ok()?;
    (crc32fast::hash(json) == crc).then(|| serde_json::from_slice(json).ok())?
}

/// What can be read of an index.
#[derive(Debug, Default)]
pub(crate) struct Index {
    pub records: Vec<Record>,
    /// Lines that say nothing any more.
    pub damaged: usize,
    /// Where the last line that says something ends.
    pub whole_len: u64,
}

impl Index {
    /// Reads the lines of an index, whatever has become of them.
    pub fn read(bytes: &[u8]) -> Self {
        let mut index = Self::default();
        let mut at = 0;
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            at += line.len() as u64;
            let text = line.strip_suffix(b"\n");
            match text.and_then(Record::read) {
                Some(record) => {
                    index.records.push(record);
                    index.whole_len = at;
                }
                None => index.damaged += usize::from(line != b"\n"),
            }
        }
        index
    }
}

/// What a recording says of labels.
pub(crate) fn called(labels: &Labels) -> Vec<Called> {
    let all = SoundNumber::all().map(|number| (number, labels.get(number)));
    let said = all.filter(|(_, label)| **label != Label::default());
    said.map(|(number, label)| Called {
        number: number.index() as u8,
        language: label.language.as_ref().map(|it| it.as_str().to_owned()),
        name: label.name.as_ref().map(|it| it.as_str().to_owned()),
    })
    .collect()
}

/// The labels that a recording says.
pub(crate) fn labels(called: &[Called]) -> Labels {
    let mut labels = Labels::default();
    for it in called {
        if let Some(label) = labels.0.get_mut(usize::from(it.number)) {
            label.language = it.language.as_deref().and_then(Language::parse);
            label.name = it.name.as_deref().and_then(Name::parse);
        }
    }
    labels
}

impl From<Picture> for Size {
    fn from(Picture { width, height, declared_fps: fps }: Picture) -> Self {
        Self { width, height, fps }
    }
}

impl From<Size> for Picture {
    fn from(Size { width, height, fps: declared_fps }: Size) -> Self {
        Self { width, height, declared_fps }
    }
}

impl Init {
    /// What is said of an init segment that lies at a place.
    pub fn of(epoch: &str, init: &packager::Init, place: Place) -> Self {
        Self {
            epoch: epoch.to_owned(),
            rendition: init.rendition,
            id: init.id,
            codecs: init.codecs.clone(),
            picture: init.picture.map(Into::into),
            channels: init.channels,
            timescale: init.timescale.get(),
            tracks: init.tracks.iter().map(|track| Track::clone(track)).collect(),
            place,
        }
    }

    pub fn timescale(&self) -> Timescale {
        Timescale::new(self.timescale).unwrap_or(Timescale::MILLIS)
    }
}

fn is_false(flag: &bool) -> bool {
    !flag
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// Renditions by the names that their playlists have.
mod rendition_name {
    use super::*;

    pub fn serialize<S: Serializer>(it: &Rendition, serializer: S) -> Result<S::Ok, S::Error> {
        let file = packager::vod::file_name(*it);
        serializer.serialize_str(file.trim_end_matches(".m3u8"))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Rendition, D::Error> {
        let text = String::deserialize(from)?;
        let file = format!("{text}.m3u8");
        let sounds = SoundNumber::all().map(Rendition::Audio);
        let mut all = [Rendition::Source, Rendition::Video].into_iter().chain(sounds);
        let named = all.find(|rendition| packager::vod::file_name(*rendition) == file);
        named.ok_or_else(|| serde::de::Error::custom("no rendition of this version"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn segment(msn: u64) -> Record {
        let stored = Stored {
            rendition: Rendition::Source,
            init: Some(0),
            date_ms: 1_700_000_000_000,
            duration_us: 2_000_000,
            bytes: 3,
            place: Some(Place::of(b"abc", 0, 3 * msn)),
        };
        let renditions = vec![stored];
        Record::Segment(Segment {
            epoch: "e9".into(),
            msn,
            discontinuity: msn == 2,
            dependent: false,
            pictures: 60,
            renditions,
            kept: None,
        })
    }

    fn records() -> Vec<Record> {
        let sound = SoundNumber::new(2).unwrap();
        let init = Record::Init(Init {
            epoch: "e9".into(),
            rendition: Rendition::Audio(sound),
            id: 0,
            codecs: vec!["mp4a.40.2".into()],
            picture: Some(Size { width: 1_280, height: 720, fps: Some(29.97) }),
            channels: Some(2),
            timescale: 48_000,
            tracks: Vec::new(),
            place: Place::of(&[7; 700], 0, 0),
        });
        let lost = Record::Lost { epoch: "e9".into(), first: 3, last: 9 };
        let called = Called { number: 1, language: Some("fr".into()), name: None };
        let mut records = vec![Record::Live(Live { public: true }), init];
        records.extend((0..3).map(segment));
        records.extend([lost, Record::Labels(vec![called]), Record::Resumed]);
        records.push(Record::End { at_ms: 5 });
        records
    }

    fn written(records: &[Record]) -> Vec<u8> {
        records.iter().map(Record::line).collect::<String>().into_bytes()
    }

    #[test]
    fn records_are_read_as_they_were_written() {
        let bytes = written(&records());
        let index = Index::read(&bytes);
        assert_eq!(index.records, records());
        assert_eq!((index.damaged, index.whole_len), (0, bytes.len() as u64));
    }

    #[test]
    fn an_index_cut_anywhere_loses_the_line_it_was_cut_in_and_no_other() {
        let (records, bytes) = (records(), written(&records()));
        let ends: Vec<usize> =
            (1..=records.len()).map(|count| written(&records[..count]).len()).collect();
        for len in 0..=bytes.len() {
            let index = Index::read(&bytes[..len]);
            let whole = ends.iter().filter(|end| **end <= len).count();
            assert_eq!(index.records, records[..whole], "cut at {len}");
            assert!(index.whole_len <= len as u64);
        }
    }

    #[test]
    fn a_byte_turned_anywhere_costs_one_record_at_most() {
        let (records, bytes) = (records(), written(&records()));
        for at in 0..bytes.len() {
            for turn in [0x01, 0x0a, 0x80, 0xff] {
                let mut turned = bytes.clone();
                turned[at] ^= turn;
                let read = Index::read(&turned).records;
                assert!(read.len() + 1 >= records.len(), "byte {at}");
                assert!(read.iter().all(|record| records.contains(record)), "byte {at}");
            }
        }
    }

    #[test]
    fn a_line_of_another_version_is_passed_over() {
        let text = segment(0).line().replacen('1', "2", 1);
        let index = Index::read(format!("{text}{}", segment(1).line()).as_bytes());
        assert_eq!((index.records, index.damaged), (vec![segment(1)], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, lines in proptest::collection::vec("1 [0-9a-f]{8} .{0,40}", 0..5)) {
            Index::read(&bytes);
            Index::read(lines.join("\n").as_bytes());
        }
    }
}
