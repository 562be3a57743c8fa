//! A part: samples of 200 ms or so, copied once, into one `moof` and `mdat`, after the metadata of
//! its time.
//!
//! Here: what a part holds and how its samples are found again in its own bytes. Not here: where
//! it ends (`segmenter`), how the boxes look (`fmp4`).

use std::ops::Range;

use bytes::Bytes;
use media::{Kind, Sample};

use crate::{
    fmp4::{emsg::Emsg, fragment},
    metadata::Said,
    tracks::TrackSet,
    ts,
};

/// A sample on the timeline of the live, not yet in a part.
#[derive(Debug, Clone)]
pub(crate) struct Timed {
    pub dts_ticks: i64,
    pub cts_ticks: i32,
    pub duration_ticks: u32,
    pub is_sync: bool,
    /// Bytes it takes as PES payload in MPEG-TS.
    pub ts_len: u32,
    pub data: Bytes,
}

/// A complete part (rfc8216bis §4.4.4.9).
///
/// It keeps no bytes, which are its segment's, and no table of its samples: the `trun` inside its
/// bytes is that table, at known places.
#[derive(Debug)]
pub(crate) struct Part {
    /// Where it starts in its segment.
    pub at: usize,
    /// Bytes it takes there.
    pub len: usize,
    /// Those of its metadata, at its start.
    emsg_len: usize,
    /// Length on the main track.
    pub duration_ticks: u64,
    /// Length of its sound, in ticks of the sound.
    pub audio_ticks: u64,
    /// Whether it holds a sample of the main track that can be decoded alone.
    pub independent: bool,
    /// Video samples it holds.
    pub pictures: u32,
    pub ts_packets: ts::Packets,
    video: Option<Run>,
    audio: Option<Run>,
}

/// Where the samples of one track lie in the `moof` and `mdat` of a part.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    /// Decode time of the first.
    pub dts_ticks: i64,
    /// Offset of the first `trun` entry.
    pub table: usize,
    pub count: usize,
    /// Offset of the first payload byte.
    pub data: usize,
}

impl Part {
    /// Copies the samples into a part at the end of `segment`, after what is said meanwhile. Both
    /// tracks in decode order; `main` is the kind the part is cut by.
    pub fn write(
        segment: &mut Vec<u8>,
        sequence: u32,
        tracks: &TrackSet,
        video: &[Timed],
        audio: &[Timed],
        said: &[Said],
    ) -> Self {
        let start = segment.len();
        said.iter().for_each(|said| Emsg::from(said).write(segment, tracks.timescale));
        let emsg_len = segment.len() - start;
        let (video_run, audio_run) = fragment::write(segment, sequence, video, audio);
        let main = if tracks.main == Kind::Video { video } else { audio };
        let length = |samples: &[Timed]| samples.iter().map(|s| u64::from(s.duration_ticks)).sum();
        Self {
            at: start,
            len: segment.len() - start,
            emsg_len,
            duration_ticks: length(main),
            audio_ticks: length(audio),
            independent: main.iter().any(|sample| sample.is_sync),
            pictures: u32::try_from(video.len()).unwrap_or(u32::MAX),
            ts_packets: ts::Packets::count(tracks, video, audio, said),
            video: video_run,
            audio: audio_run,
        }
    }

    /// A part of this length without media, after `at` bytes of its segment (`GAP=YES`).
    pub fn gap(at: usize, duration_ticks: u64) -> Self {
        Self {
            at,
            len: 0,
            emsg_len: 0,
            duration_ticks,
            audio_ticks: 0,
            independent: false,
            pictures: 0,
            ts_packets: ts::Packets::default(),
            video: None,
            audio: None,
        }
    }

    /// The part that [`Part::write`] made of these bytes of a segment, found again; a gap where there are
    /// none. `duration_ticks` is how long it is listed. `None` if they are no part's.
    pub fn read(
        segment: &Bytes,
        bytes: Range<usize>,
        duration_ticks: u64,
        tracks: &TrackSet,
    ) -> Option<Self> {
        if bytes.is_empty() {
            return Some(Self::gap(bytes.start, duration_ticks));
        }
        let mut part = Self { len: bytes.len(), ..Self::gap(bytes.start, duration_ticks) };
        let whole = segment.get(bytes)?;
        let said = fragment::boxes(whole).take_while(|it| it.kind == *b"emsg");
        part.emsg_len = said.map(|it| it.whole.len()).sum();
        let (fragment, rest) = fragment::split(part.fragment(segment))?;
        if !rest.is_empty() {
            return None;
        }
        fragment::Runs { video: part.video, audio: part.audio } = fragment::read(fragment)?;
        let (video, audio) =
            (part.timed(segment, Kind::Video, tracks)?, part.timed(segment, Kind::Audio, tracks)?);
        let said = part.metadata(segment).map(|it| Said {
            at_ticks: it.at_ticks,
            id: it.id,
            tag: it.tag.to_vec(),
        });
        let said: Vec<_> = said.collect();
        part.ts_packets = ts::Packets::count(tracks, &video, &audio, &said);
        part.pictures = u32::try_from(video.len()).ok()?;
        part.audio_ticks = audio.iter().map(|sample| u64::from(sample.duration_ticks)).sum();
        let main = if tracks.main == Kind::Video { video } else { audio };
        part.independent = main.iter().any(|sample| sample.is_sync);
        Some(part)
    }

    /// The samples of one track as they came; `None` if some of them are not there.
    fn timed(&self, segment: &Bytes, kind: Kind, tracks: &TrackSet) -> Option<Vec<Timed>> {
        let timed = self.samples(segment, kind).map(|it| {
            let PartSample { dts_ticks, cts_ticks, duration_ticks, is_sync, data } = it;
            let data = segment.slice_ref(data);
            let sample = Sample { kind, dts_ticks, cts_ticks, is_sync, data };
            let ts_len = match &tracks.ts {
                Some(carriage) => carriage.payload_len(&sample)?,
                None => 0,
            };
            let data = sample.data;
            Some(Timed { dts_ticks, cts_ticks, duration_ticks, is_sync, ts_len, data })
        });
        let timed = timed.collect::<Option<Vec<_>>>()?;
        (timed.len() == self.run(kind).map_or(0, |run| run.count)).then_some(timed)
    }

    /// The end of its last sample of a kind, on its own track.
    pub fn end_ticks(&self, segment: &[u8], kind: Kind) -> Option<i64> {
        let last = self.samples(segment, kind).last()?;
        Some(last.dts_ticks.saturating_add(last.duration_ticks.into()))
    }

    /// The sequence number of its fragment.
    pub fn sequence(&self, segment: &[u8]) -> Option<u32> {
        fragment::sequence(self.fragment(segment))
    }

    /// Whether it holds nothing.
    pub fn is_gap(&self) -> bool {
        self.len == 0
    }

    /// Whether it holds samples of a kind.
    pub fn has(&self, kind: Kind) -> bool {
        self.run(kind).is_some()
    }

    /// Decode time of the first sample of a kind, on its own track.
    pub fn start(&self, kind: Kind) -> Option<i64> {
        self.run(kind).map(|run| run.dts_ticks)
    }

    /// Its bytes among those of its segment.
    pub fn bytes<'a>(&self, segment: &'a [u8]) -> &'a [u8] {
        segment.get(self.at..self.at + self.len).unwrap_or_default()
    }

    /// Its `moof` and `mdat`.
    fn fragment<'a>(&self, segment: &'a [u8]) -> &'a [u8] {
        self.bytes(segment).get(self.emsg_len..).unwrap_or_default()
    }

    /// The metadata of its time, whose ticks are those of the main track.
    pub fn metadata<'a>(&self, segment: &'a [u8]) -> impl Iterator<Item = Emsg<'a>> + use<'a> {
        Emsg::read_all(self.bytes(segment).get(..self.emsg_len).unwrap_or_default())
    }

    /// Bytes of a part of one of its tracks alone.
    pub fn alone_len(&self, kind: Kind) -> usize {
        self.run(kind).map_or(0, |run| {
            self.emsg_len + fragment::alone_len(kind, run.count, self.end(kind) - run.data)
        })
    }

    /// Appends a part of one of its tracks alone, with its metadata, to `out`, made from the bytes of
    /// its segment.
    pub fn write_alone(&self, kind: Kind, segment: &[u8], tracks: &TrackSet, out: &mut Vec<u8>) {
        let (Some(run), Some(track)) = (self.run(kind), tracks.get(kind)) else { return };
        for emsg in self.metadata(segment) {
            let at_ticks = tracks.timescale.rescale(emsg.at_ticks, track.timescale);
            Emsg { at_ticks, ..emsg }.write(out, track.timescale);
        }
        fragment::write_alone(kind, self.fragment(segment), run, self.end(kind), out);
    }

    fn run(&self, kind: Kind) -> Option<&Run> {
        match kind {
            Kind::Video => self.video.as_ref(),
            Kind::Audio => self.audio.as_ref(),
        }
    }

    /// Where the payload of a track ends in the fragment: the sound comes last.
    fn end(&self, kind: Kind) -> usize {
        match (kind, &self.audio) {
            (Kind::Video, Some(audio)) => audio.data,
            _ => self.len - self.emsg_len,
        }
    }

    /// The samples of one track, read back from the bytes of its segment.
    pub fn samples<'a>(
        &self,
        segment: &'a [u8],
        kind: Kind,
    ) -> impl Iterator<Item = PartSample<'a>> + use<'a> {
        let (run, entry_len) = match kind {
            Kind::Video => (self.video, fragment::VIDEO_ENTRY_LEN),
            Kind::Audio => (self.audio, fragment::AUDIO_ENTRY_LEN),
        };
        let bytes = self.fragment(segment);
        let table = run.and_then(|run| bytes.get(run.table..run.table + run.count * entry_len));
        let mut dts_ticks = run.map_or(0, |run| run.dts_ticks);
        let mut at = run.map_or(0, |run| run.data);
        table.unwrap_or_default().chunks_exact(entry_len).filter_map(move |entry| {
            let entry = fragment::Entry::read(entry)?;
            let data = bytes.get(at..at + entry.size as usize)?;
            let sample = PartSample {
                dts_ticks,
                cts_ticks: entry.cts_ticks,
                duration_ticks: entry.duration_ticks,
                is_sync: entry.is_sync,
                data,
            };
            at += data.len();
            dts_ticks += i64::from(entry.duration_ticks);
            Some(sample)
        })
    }
}

/// A sample inside a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PartSample<'a> {
    pub dts_ticks: i64,
    pub cts_ticks: i32,
    pub duration_ticks: u32,
    pub is_sync: bool,
    pub data: &'a [u8],
}
