//! The samples of one track of a film, in runs where they are alike.
//!
//! Here: `stbl` and the edits that say when it begins (ISO/IEC 14496-12 §8.5 to §8.7). Not here: which samples
//! (`film`).

use std::mem::{Discriminant, discriminant};

use bytes::Bytes;
use media::{Kind, Label, Labels, SoundNumber, Timescale};
use mp4_atom::{
    Avc1, Co64, Codec, Ctts, CttsEntry, Dinf, Dref, DrefEntry, Edts, Elst, ElstEntry, FourCC, Hdlr,
    Hvc1, Matrix, Mdhd, Mdia, Minf, Smhd, Stbl, Stco, Stsc, StscEntry, Stsd, Stss, Stsz,
    StszSamples, Stts, SttsEntry, Tkhd, Trak, Url, Vmhd,
};

use super::{DeclaredTrack, FILM, NANOS, Row, language};

/// One track: the picture or a sound, as long as its codec stays the same. Another configuration of the same codec
/// is another sample entry; another codec another track, since no player goes from one to the other in one.
#[derive(Debug)]
pub(super) struct Table {
    kind: Kind,
    number: SoundNumber,
    codec: (Discriminant<Codec>, u8),
    timescale: Timescale,
    entries: Vec<Codec>,
    durations: Vec<SttsEntry>,
    offsets: Vec<CttsEntry>,
    sizes: Vec<u32>,
    /// Numbers of the samples that can be decoded alone, from 1; of pictures.
    sync: Vec<u32>,
    /// Where each chunk begins, in bytes of the payload.
    chunks: Vec<u64>,
    chunk_runs: Vec<StscEntry>,
    /// On the timeline of the film, in ticks of this track.
    first_dts: i64,
    last_dts: i64,
    last_duration: u32,
    shown_from: i64,
    shown_until: i64,
}

/// What all tracks of a film share.
pub(super) struct Kept<'a> {
    pub labels: &'a Labels,
    /// When the first of them begins to be seen or heard.
    pub begin_ns: i64,
    /// No track goes on where another one ended.
    pub is_one_each: bool,
    pub is_large: bool,
}

impl Table {
    pub fn new(number: SoundNumber, track: &DeclaredTrack) -> Self {
        Self {
            kind: track.kind,
            number,
            codec: codec(&track.entry),
            timescale: track.timescale,
            entries: Vec::new(),
            durations: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            sync: Vec::new(),
            chunks: Vec::new(),
            chunk_runs: Vec::new(),
            first_dts: 0,
            last_dts: 0,
            last_duration: 0,
            shown_from: i64::MAX,
            shown_until: i64::MIN,
        }
    }

    pub fn is_of(&self, number: SoundNumber, track: &DeclaredTrack) -> bool {
        let is_same = self.kind == track.kind && self.codec == codec(&track.entry);
        is_same && (self.kind == Kind::Video || self.number == number)
    }

    /// Pictures first, then the sounds by their numbers.
    pub fn order(&self) -> (bool, usize) {
        (self.kind == Kind::Audio, self.number.index())
    }

    /// Whether it is the same picture or sound, in another codec.
    pub fn is_sequel(&self, of: &Self) -> bool {
        self.order() == of.order()
    }

    /// Adds the samples of a row as a chunk at an offset of the payload; each of them that can be decoded alone
    /// comes after `sets_len` bytes of parameter sets.
    pub fn add_chunk(&mut self, row: &Row<'_>, at: u64, shift_ns: i64, sets_len: u32) {
        let own = row.track.timescale;
        let shift = NANOS.rescale(shift_ns, own);
        let entry = self.entries.iter().position(|known| *known == row.track.entry);
        let entry = entry.unwrap_or_else(|| {
            self.entries.push(row.track.entry.clone());
            self.entries.len() - 1
        });
        self.chunks.push(at);
        let run = StscEntry {
            first_chunk: self.chunks.len() as u32,
            samples_per_chunk: row.samples.len() as u32,
            sample_description_index: entry as u32 + 1,
        };
        let is_alike = |last: &StscEntry| {
            let StscEntry { samples_per_chunk, sample_description_index, .. } = run;
            (last.samples_per_chunk, last.sample_description_index)
                == (samples_per_chunk, sample_description_index)
        };
        if !self.chunk_runs.last().is_some_and(is_alike) {
            self.chunk_runs.push(run);
        }
        for sample in &row.samples {
            let here = |ticks: i64| own.rescale(ticks.saturating_add(shift), self.timescale);
            let mut dts = here(sample.dts_ticks);
            let pts = here(sample.pts_ticks());
            if self.sizes.is_empty() {
                self.first_dts = dts;
            } else {
                // Rounding may put a sample a tick before the end of the one before.
                dts = dts.max(self.last_dts.saturating_add(1));
                let step = u32::try_from(dts - self.last_dts).unwrap_or(u32::MAX);
                push_duration(&mut self.durations, step);
            }
            let duration = own.rescale(sample.duration_ticks.into(), self.timescale);
            self.last_dts = dts;
            self.last_duration = u32::try_from(duration).unwrap_or(u32::MAX);
            self.shown_from = self.shown_from.min(pts);
            self.shown_until = self.shown_until.max(pts.saturating_add(duration));
            let sets_len = if sample.is_sync { sets_len } else { 0 };
            self.sizes.push(sample.size.saturating_add(sets_len));
            if self.kind == Kind::Video {
                push_offset(&mut self.offsets, pts.saturating_sub(dts));
                if sample.is_sync {
                    self.sync.push(self.sizes.len() as u32);
                }
            }
        }
    }

    pub fn shown_from_ns(&self) -> i64 {
        self.timescale.rescale(self.shown_from, NANOS)
    }

    pub fn shown_until_ns(&self) -> i64 {
        self.end_ns(self.shown_until)
    }

    pub fn decoded_until_ns(&self) -> i64 {
        self.end_ns(self.last_dts.saturating_add(self.last_duration.into()))
    }

    /// Upward, so that nothing begins before it.
    fn end_ns(&self, ticks: i64) -> i64 {
        self.timescale.rescale(ticks, NANOS).saturating_add(1)
    }

    pub fn held_bytes(&self) -> usize {
        size_of_val(&*self.durations)
            + size_of_val(&*self.offsets)
            + size_of_val(&*self.sizes)
            + size_of_val(&*self.sync)
            + size_of_val(&*self.chunks)
            + size_of_val(&*self.chunk_runs)
    }

    /// The track, whose chunks are counted from the beginning of the payload.
    pub fn trak(mut self, track_id: u32, kept: &Kept<'_>) -> Trak {
        let is_video = self.kind == Kind::Video;
        push_duration(&mut self.durations, self.last_duration);
        // Times of the track count from its first sample; what is seen earlier than it is decoded moves there.
        let early = self.first_dts.saturating_sub(self.shown_from).max(0);
        self.offsets.iter_mut().for_each(|it| it.sample_offset += early);
        let has_offsets = self.offsets.iter().any(|it| it.sample_offset != 0);
        let edits = self.edits(kept.begin_ns, early);
        let duration = edits.iter().map(|edit| edit.segment_duration).sum();
        let (width, height) = self
            .entries
            .iter()
            .filter_map(Codec::visual)
            .fold((0, 0), |(w, h), it| (it.width.max(w), it.height.max(h)));
        let unnamed = Label::default();
        let label = if is_video { &unnamed } else { kept.labels.get(self.number) };
        let plain = if is_video { "VideoHandler" } else { "SoundHandler" };
        let length = i64::from(self.last_duration) + self.last_dts - self.first_dts;
        let is_first = self.number == SoundNumber::FIRST;
        let samples = match self.sizes.first() {
            Some(&size) if size > 0 && self.sizes.iter().all(|it| *it == size) => {
                StszSamples::Identical { count: self.sizes.len() as u32, size }
            }
            _ => StszSamples::Different { sizes: self.sizes.clone() },
        };
        let all_sync = self.sync.len() == self.sizes.len();
        let (stco, co64) = match kept.is_large {
            true => (None, Some(Co64 { entries: self.chunks })),
            false => {
                let entries = self.chunks.iter().map(|at| *at as u32).collect();
                (Some(Stco { entries }), None)
            }
        };
        Trak {
            tkhd: Tkhd {
                track_id,
                duration,
                enabled: is_video || is_first,
                in_movie: true,
                // Of these one is heard. What goes on in another codec is no alternative to what came before.
                alternate_group: u16::from(!is_video && kept.is_one_each),
                volume: u8::from(!is_video).into(),
                matrix: Matrix::default(),
                width: width.into(),
                height: height.into(),
                ..Default::default()
            },
            edts: Some(Edts { elst: Some(Elst { entries: edits }) }),
            mdia: Mdia {
                mdhd: Mdhd {
                    timescale: self.timescale.get(),
                    duration: u64::try_from(length).unwrap_or(0),
                    language: language::code(label.language.as_ref()),
                    ..Default::default()
                },
                hdlr: Hdlr {
                    handler: FourCC::new(if is_video { b"vide" } else { b"soun" }),
                    name: label.name.as_ref().map_or(plain, |name| name.as_str()).into(),
                },
                minf: Minf {
                    vmhd: is_video.then(Vmhd::default),
                    smhd: (!is_video).then(Smhd::default),
                    dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
                    stbl: Stbl {
                        stsd: Stsd { codecs: self.entries },
                        stts: Stts { entries: self.durations },
                        ctts: has_offsets.then_some(Ctts { entries: self.offsets }),
                        stss: (is_video && !all_sync).then_some(Stss { entries: self.sync }),
                        stsc: Stsc { entries: self.chunk_runs },
                        stsz: Stsz { samples },
                        stco,
                        co64,
                        ..Default::default()
                    },
                    ..Default::default()
                },
            },
            ..Default::default()
        }
    }

    /// From the beginning of the film: nothing, as long as this track is not yet there, then all of it from its
    /// first picture on.
    fn edits(&self, begin_ns: i64, early: i64) -> Vec<ElstEntry> {
        let film = |ticks: i64| u64::try_from(self.timescale.rescale(ticks, FILM)).unwrap_or(0);
        let late_ns = self.shown_from_ns().saturating_sub(begin_ns);
        let late = u64::try_from(NANOS.rescale(late_ns, FILM)).unwrap_or(0);
        let media_rate = 1.into();
        let empty = ElstEntry { segment_duration: late, media_time: None, media_rate };
        let from = self.shown_from.saturating_sub(self.first_dts).saturating_add(early);
        let all = ElstEntry {
            // Upward: players drop what begins after the end.
            segment_duration: film(self.shown_until.saturating_sub(self.shown_from)) + 1,
            media_time: Some(u64::try_from(from).unwrap_or(0)),
            media_rate: 1.into(),
        };
        match late {
            0 => vec![all],
            _ => vec![empty, all],
        }
    }
}

/// What a player has to have for it: the sample entry, and what MPEG-4 calls the kind of its sound.
fn codec(entry: &Codec) -> (Discriminant<Codec>, u8) {
    let object_type = match entry {
        Codec::Mp4a(mp4a) => mp4a.esds.es_desc.dec_config.object_type_indication,
        _ => 0,
    };
    (discriminant(entry), object_type)
}

/// The parameter sets of an entry, each after its length as in the samples.
pub(super) fn parameter_sets(entry: &Codec) -> Bytes {
    let (length_size, sets): (u8, Vec<&Vec<u8>>) = match entry {
        Codec::Avc1(Avc1 { avcc, .. }) => {
            let sets = avcc.sequence_parameter_sets.iter().chain(&avcc.picture_parameter_sets);
            (avcc.length_size, sets.collect())
        }
        Codec::Hvc1(Hvc1 { hvcc, .. }) => {
            let sets = hvcc.arrays.iter().flat_map(|array| &array.nalus);
            (hvcc.length_size_minus_one + 1, sets.collect())
        }
        // They have theirs in every keyframe, or none.
        _ => return Bytes::new(),
    };
    let mut bytes = Vec::new();
    for set in sets {
        let len = (set.len() as u32).to_be_bytes();
        bytes.extend_from_slice(
            len.get(4_usize.saturating_sub(length_size.into())..).unwrap_or_default(),
        );
        bytes.extend_from_slice(set);
    }
    bytes.into()
}

fn push_duration(runs: &mut Vec<SttsEntry>, sample_delta: u32) {
    match runs.last_mut() {
        Some(last) if last.sample_delta == sample_delta => last.sample_count += 1,
        _ => runs.push(SttsEntry { sample_count: 1, sample_delta }),
    }
}

fn push_offset(runs: &mut Vec<CttsEntry>, sample_offset: i64) {
    match runs.last_mut() {
        Some(last) if last.sample_offset == sample_offset => last.sample_count += 1,
        _ => runs.push(CttsEntry { sample_count: 1, sample_offset }),
    }
}
