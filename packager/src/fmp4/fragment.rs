//! One `moof` and `mdat`, written by hand at the end of their segment.
//!
//! Layout (ISO/IEC 14496-12 §8.8): `moof` { `mfhd`, a `traf` per track { `tfhd`, `tfdt` version 1,
//! `trun` version 1 } }, then `mdat` with the samples of the video, then those of the audio.

use media::Kind;

use super::{AUDIO_TRACK_ID, VIDEO_TRACK_ID};
use crate::part::{Run, Timed};

/// A `trun` entry of the video: duration, size, flags, composition offset.
pub(crate) const VIDEO_ENTRY_LEN: usize = 16;
/// A `trun` entry of the audio: duration, size.
pub(crate) const AUDIO_ENTRY_LEN: usize = 8;

const BOX_LEN: usize = 8;
const FULL_BOX_LEN: usize = 12;
const MFHD_LEN: usize = FULL_BOX_LEN + 4;
const TFDT_LEN: usize = FULL_BOX_LEN + 8;
const TRUN_HEAD_LEN: usize = FULL_BOX_LEN + 8;

/// Where the sequence number stands in a fragment.
const SEQUENCE: std::ops::Range<usize> = BOX_LEN + FULL_BOX_LEN..BOX_LEN + MFHD_LEN;

/// `sample_depends_on` 2: depends on no other.
const SYNC: u32 = 0x0200_0000;
/// `sample_depends_on` 1, `sample_is_non_sync_sample`.
const NON_SYNC: u32 = 0x0101_0000;

/// Appends a fragment with these samples to `out`; says where each track's lie in it.
pub(crate) fn write(
    out: &mut Vec<u8>,
    sequence: u32,
    video: &[Timed],
    audio: &[Timed],
) -> (Option<Run>, Option<Run>) {
    let moof_len = BOX_LEN + MFHD_LEN + VIDEO.traf_len(video.len()) + AUDIO.traf_len(audio.len());
    let (video_len, audio_len) = (payload_len(video), payload_len(audio));
    let total = moof_len + BOX_LEN + video_len + audio_len;

    let start = out.len();
    out.reserve(total);
    put_box(out, moof_len, b"moof");
    put_full_box(out, MFHD_LEN, b"mfhd", 0, 0);
    put_u32(out, sequence);
    let data = moof_len + BOX_LEN;
    let video_run = VIDEO.put_samples(out, start, video, data);
    let audio_run = AUDIO.put_samples(out, start, audio, data + video_len);
    put_box(out, BOX_LEN + video_len + audio_len, b"mdat");
    for sample in video.iter().chain(audio) {
        out.extend_from_slice(&sample.data);
    }
    debug_assert_eq!(out.len(), start + total);
    (video_run, audio_run)
}

/// Bytes of a fragment with this many samples of one track alone.
pub(crate) fn alone_len(kind: Kind, count: usize, payload_len: usize) -> usize {
    BOX_LEN + MFHD_LEN + Shape::of(kind).traf_len(count) + BOX_LEN + payload_len
}

/// Appends a fragment with one track of `fragment` alone, whose samples lie there as `run` says, up to
/// the offset `end`. Its sequence number stays.
pub(crate) fn write_alone(kind: Kind, fragment: &[u8], run: &Run, end: usize, out: &mut Vec<u8>) {
    let shape = Shape::of(kind);
    let table_len = run.count.saturating_mul(shape.entry_len);
    let table = run.table..run.table.saturating_add(table_len);
    let (Some(sequence), Some(table), Some(payload)) =
        (fragment.get(SEQUENCE), fragment.get(table), fragment.get(run.data..end))
    else {
        return;
    };
    let moof_len = BOX_LEN + MFHD_LEN + shape.traf_len(run.count);
    out.reserve(alone_len(kind, run.count, payload.len()));
    put_box(out, moof_len, b"moof");
    put_full_box(out, MFHD_LEN, b"mfhd", 0, 0);
    out.extend_from_slice(sequence);
    shape.put_head(out, run.dts_ticks, run.count, moof_len + BOX_LEN);
    out.extend_from_slice(table);
    put_box(out, BOX_LEN + payload.len(), b"mdat");
    out.extend_from_slice(payload);
}

/// A box in a row of boxes.
pub(crate) struct Box<'a> {
    pub kind: [u8; 4],
    /// Its head included.
    pub whole: &'a [u8],
}

/// The boxes of a row, up to one that does not fit.
pub(crate) fn boxes(mut row: &[u8]) -> impl Iterator<Item = Box<'_>> {
    std::iter::from_fn(move || {
        let len = u32::from_be_bytes(*row.first_chunk()?) as usize;
        let kind = *row.get(4..)?.first_chunk()?;
        let (whole, rest) = row.split_at_checked(len).filter(|_| len >= BOX_LEN)?;
        row = rest;
        Some(Box { kind, whole })
    })
}

/// The fragment that `bytes` begin with, and what comes after it.
pub(crate) fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut boxes = boxes(bytes);
    let moof = boxes.next().filter(|it| it.kind == *b"moof")?;
    let mdat = boxes.next().filter(|it| it.kind == *b"mdat")?;
    bytes.split_at_checked(moof.whole.len() + mdat.whole.len())
}

/// The sequence number of a fragment.
pub(crate) fn sequence(fragment: &[u8]) -> Option<u32> {
    fragment.get(SEQUENCE)?.first_chunk().copied().map(u32::from_be_bytes)
}

/// Where the samples of each track lie in a fragment.
#[derive(Default)]
pub(crate) struct Runs {
    pub video: Option<Run>,
    pub audio: Option<Run>,
}

/// Finds the samples of a fragment written by [`write()`] again.
pub(crate) fn read(fragment: &[u8]) -> Option<Runs> {
    let moof = boxes(fragment).next()?.whole;
    let mut runs = Runs::default();
    // Where a box begins in the fragment.
    let mut at = BOX_LEN;
    for it in boxes(moof.get(BOX_LEN..)?) {
        let start = at;
        at += it.whole.len();
        if it.kind != *b"traf" {
            continue;
        }
        let (mut track_id, mut dts_ticks, mut table) = (None, None, None);
        let mut inner_at = start + BOX_LEN;
        for inner in boxes(it.whole.get(BOX_LEN..)?) {
            let word = |at| inner.whole.get(at..).and_then(<[u8]>::first_chunk);
            let number = |at| word(at).copied().map(u32::from_be_bytes);
            match &inner.kind {
                b"tfhd" => track_id = number(FULL_BOX_LEN),
                b"tfdt" => {
                    let time = inner.whole.get(FULL_BOX_LEN..).and_then(<[u8]>::first_chunk);
                    dts_ticks = time.copied().map(i64::from_be_bytes);
                }
                b"trun" => {
                    let (count, data) = (number(FULL_BOX_LEN)?, number(FULL_BOX_LEN + 4)?);
                    table = Some((inner_at + TRUN_HEAD_LEN, count as usize, data as usize));
                }
                _ => {}
            }
            inner_at += inner.whole.len();
        }
        let (table, count, data) = table?;
        let run = Run { dts_ticks: dts_ticks?, table, count, data };
        match track_id? {
            VIDEO_TRACK_ID => runs.video = Some(run),
            AUDIO_TRACK_ID => runs.audio = Some(run),
            _ => return None,
        }
    }
    Some(runs)
}

/// A `trun` entry, read back.
pub(crate) struct Entry {
    pub duration_ticks: u32,
    pub size: u32,
    pub is_sync: bool,
    pub cts_ticks: i32,
}

impl Entry {
    /// Reads an entry written by [`write()`], of either length.
    pub fn read(entry: &[u8]) -> Option<Self> {
        let (words, _) = entry.as_chunks::<4>();
        let word = |at: usize| words.get(at).copied().map(u32::from_be_bytes);
        Some(Self {
            duration_ticks: word(0)?,
            size: word(1)?,
            is_sync: word(2).is_none_or(|flags| flags == SYNC),
            cts_ticks: word(3).unwrap_or(0) as i32,
        })
    }
}

/// How the `traf` of a track looks.
struct Shape {
    track_id: u32,
    tfhd_flags: u32,
    default_flags: Option<u32>,
    trun_flags: u32,
    entry_len: usize,
}

/// `default-base-is-moof`; `trun` with data offset, duration, size, flags, composition offset.
const VIDEO: Shape = Shape {
    track_id: VIDEO_TRACK_ID,
    tfhd_flags: 0x02_0000,
    default_flags: None,
    trun_flags: 0x0f01,
    entry_len: VIDEO_ENTRY_LEN,
};

/// `default-base-is-moof`, default flags; `trun` with data offset, duration, size.
const AUDIO: Shape = Shape {
    track_id: AUDIO_TRACK_ID,
    tfhd_flags: 0x02_0020,
    default_flags: Some(SYNC),
    trun_flags: 0x0301,
    entry_len: AUDIO_ENTRY_LEN,
};

impl Shape {
    const fn of(kind: Kind) -> &'static Self {
        match kind {
            Kind::Video => &VIDEO,
            Kind::Audio => &AUDIO,
        }
    }

    fn tfhd_len(&self) -> usize {
        FULL_BOX_LEN + 4 + if self.default_flags.is_some() { 4 } else { 0 }
    }

    fn trun_len(&self, count: usize) -> usize {
        TRUN_HEAD_LEN + count * self.entry_len
    }

    fn traf_len(&self, count: usize) -> usize {
        if count == 0 {
            return 0;
        }
        BOX_LEN + self.tfhd_len() + TFDT_LEN + self.trun_len(count)
    }

    /// A `traf` up to the entries of its `trun`, which the caller writes.
    fn put_head(&self, out: &mut Vec<u8>, dts_ticks: i64, count: usize, data: usize) {
        put_box(out, self.traf_len(count), b"traf");
        put_full_box(out, self.tfhd_len(), b"tfhd", 0, self.tfhd_flags);
        put_u32(out, self.track_id);
        if let Some(flags) = self.default_flags {
            put_u32(out, flags);
        }
        put_full_box(out, TFDT_LEN, b"tfdt", 1, 0);
        out.extend_from_slice(&dts_ticks.max(0).to_be_bytes());
        put_full_box(out, self.trun_len(count), b"trun", 1, self.trun_flags);
        put_u32(out, count as u32);
        put_u32(out, data as u32);
    }

    fn put_samples(
        &self,
        out: &mut Vec<u8>,
        start: usize,
        samples: &[Timed],
        data: usize,
    ) -> Option<Run> {
        let first = samples.first()?;
        self.put_head(out, first.dts_ticks, samples.len(), data);
        let table = out.len() - start;
        for sample in samples {
            put_u32(out, sample.duration_ticks);
            put_u32(out, sample.data.len() as u32);
            if self.default_flags.is_none() {
                put_u32(out, if sample.is_sync { SYNC } else { NON_SYNC });
                put_u32(out, sample.cts_ticks as u32);
            }
        }
        Some(Run { dts_ticks: first.dts_ticks, table, count: samples.len(), data })
    }
}

fn payload_len(samples: &[Timed]) -> usize {
    samples.iter().map(|sample| sample.data.len()).sum()
}

/// Sizes fit: a segment, and so a part, is far below 4 GiB (`segment_max_bytes`).
fn put_box(out: &mut Vec<u8>, len: usize, kind: &[u8; 4]) {
    put_u32(out, len as u32);
    out.extend_from_slice(kind);
}

pub(super) fn put_full_box(out: &mut Vec<u8>, len: usize, kind: &[u8; 4], version: u8, flags: u32) {
    put_box(out, len, kind);
    put_u32(out, u32::from(version) << 24 | flags);
}

pub(super) fn put_u32(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}
