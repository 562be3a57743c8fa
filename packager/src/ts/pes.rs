//! PES packets (ISO/IEC 13818-1 §2.4.3.6): a picture each, a few audio frames together, an ID3 tag.
//!
//! The number of transport packets follows from lengths alone, so that it is known before the
//! packets are made. This is why a picture's PES header always has the same length.

use media::{Kind, Timescale};

use super::{
    carriage,
    packet::{BODY_LEN, Mark, PCR_FIELD_LEN, Pid, Writer},
};
use crate::{part::PartSample, tracks::TrackSet};

/// Start code, length, flags, then room for PTS and DTS.
const VIDEO_HEADER_LEN: usize = 9 + 10;
/// Start code, length, flags, PTS.
const AUDIO_HEADER_LEN: usize = 9 + 5;
const VIDEO_STREAM_ID: u8 = 0xe0;
/// `private_stream_1` (Apple, Timed Metadata for HTTP Live Streaming, §2.3).
const METADATA_STREAM_ID: u8 = 0xbd;
/// As that of the sound.
const METADATA_HEADER_LEN: usize = AUDIO_HEADER_LEN;
/// How far the PCR runs before the DTS, in 90 kHz ticks: half a second for the demultiplexer.
const PCR_LEAD_90K: i64 = 45_000;
/// Most payload of an audio PES, well below the 16 bits of its length.
const MAX_AUDIO_PAYLOAD: usize = 60_000;
/// Longest audio PES when the sound carries the PCR, which must come every 100 ms (§2.7.2).
const PCR_INTERVAL_MS: u64 = 90;

/// Transport packets of a picture whose payload is `payload_len` long.
pub(crate) fn video_packets(payload_len: usize) -> u64 {
    packets(VIDEO_HEADER_LEN + payload_len, PCR_FIELD_LEN)
}

fn packets(pes_len: usize, field_len: usize) -> u64 {
    1 + pes_len.saturating_sub(BODY_LEN - field_len).div_ceil(BODY_LEN) as u64
}

/// Writes a picture whose DTS and PTS are `dts_90k` and `pts_90k`.
pub(crate) fn write_video(
    out: &mut Writer,
    video: &carriage::Video,
    picture: &PartSample<'_>,
    (dts_90k, pts_90k): (i64, i64),
    discontinuity: bool,
) {
    let Some(payload_len) = video.units.payload_len(picture.data, picture.is_sync) else { return };
    let mark = Mark {
        discontinuity,
        random_access: picture.is_sync,
        pcr_90k: Some(wrap(dts_90k.saturating_sub(PCR_LEAD_90K))),
    };
    let len = VIDEO_HEADER_LEN + payload_len as usize;
    out.open_pes(Pid::Video, len, mark);
    // A length of 0: as long as it takes, which is allowed for video.
    if pts_90k == dts_90k {
        out.put(&[0, 0, 1, VIDEO_STREAM_ID, 0, 0, 0x84, 0x80, 10]);
        out.put(&stamp(0x2, pts_90k));
        out.put(&[0xff; 5]);
    } else {
        out.put(&[0, 0, 1, VIDEO_STREAM_ID, 0, 0, 0x84, 0xc0, 10]);
        out.put(&stamp(0x3, pts_90k));
        out.put(&stamp(0x1, dts_90k));
    }
    video.units.write(picture.data, picture.is_sync, |bytes| out.put(bytes));
}

/// What grouping must know of an audio frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AudioSample {
    pub dts_ticks: i64,
    /// Time to the next one.
    pub duration_ticks: u32,
    /// How long it sounds.
    pub sound_ticks: u32,
    pub len: usize,
}

/// Audio frames that share a PES.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Group {
    pub dts_ticks: i64,
    pub frames: usize,
    /// What goes before each frame included.
    pub payload_len: usize,
}

/// How the sound of a set of tracks is packed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape<'a> {
    audio: &'a carriage::Audio,
    carries_pcr: bool,
    timescale: Timescale,
    /// Longest sound of one PES.
    max_ticks: u64,
}

impl<'a> Shape<'a> {
    pub fn new(tracks: &TrackSet, audio: &'a carriage::Audio) -> Self {
        let carries_pcr = tracks.main == Kind::Audio;
        let timescale = audio.track.timescale;
        let interval = PCR_INTERVAL_MS * u64::from(timescale.get()) / 1_000;
        let max_ticks = if carries_pcr { interval } else { u64::MAX };
        Self { audio, carries_pcr, timescale, max_ticks }
    }

    /// What grouping must know of a frame with these times and bytes.
    pub fn sample(&self, dts_ticks: i64, duration_ticks: u32, data: &[u8]) -> AudioSample {
        let sound_ticks = self.audio.track.sound_ticks(data).unwrap_or(0);
        AudioSample { dts_ticks, duration_ticks, sound_ticks, len: data.len() }
    }

    pub fn audio_packets(&self, payload_len: usize) -> u64 {
        let field_len = if self.carries_pcr { PCR_FIELD_LEN } else { 0 };
        packets(AUDIO_HEADER_LEN + payload_len, field_len)
    }

    /// Groups the frames of one part: contiguous ones only, since only the first has a PTS.
    pub fn group(self, samples: impl Iterator<Item = AudioSample>) -> impl Iterator<Item = Group> {
        let framing_len = self.audio.framing.len();
        let mut samples = samples.peekable();
        std::iter::from_fn(move || {
            let first = samples.next()?;
            let mut group = Group {
                dts_ticks: first.dts_ticks,
                frames: 1,
                payload_len: framing_len + first.len,
            };
            let mut ticks = u64::from(first.sound_ticks);
            let mut last = first;
            while last.duration_ticks == last.sound_ticks {
                let fits = |next: &AudioSample| {
                    group.payload_len + framing_len + next.len <= MAX_AUDIO_PAYLOAD
                        && ticks + u64::from(next.sound_ticks) <= self.max_ticks
                };
                let Some(next) = samples.next_if(fits) else { break };
                group.frames += 1;
                group.payload_len += framing_len + next.len;
                ticks += u64::from(next.sound_ticks);
                last = next;
            }
            Some(group)
        })
    }

    pub fn write_audio<'b>(
        &self,
        out: &mut Writer,
        group: &Group,
        frames: impl Iterator<Item = PartSample<'b>>,
        discontinuity: bool,
    ) {
        let pts = self.timescale.rescale(group.dts_ticks, Timescale::VIDEO);
        let mark = if self.carries_pcr {
            let pcr_90k = Some(wrap(pts.saturating_sub(PCR_LEAD_90K)));
            Mark { discontinuity, random_access: true, pcr_90k }
        } else {
            Mark::default()
        };
        out.open_pes(Pid::Audio, AUDIO_HEADER_LEN + group.payload_len, mark);
        // What follows the length field: flags, PTS, payload.
        let [high, low] = ((AUDIO_HEADER_LEN - 6 + group.payload_len) as u16).to_be_bytes();
        out.put(&[0, 0, 1, self.audio.stream_id, high, low, 0x84, 0x80, 5]);
        out.put(&stamp(0x2, pts));
        for frame in frames {
            self.audio.framing.write(frame.data.len(), |bytes| out.put(bytes));
            out.put(frame.data);
        }
    }
}

/// Transport packets of metadata whose ID3 tag is `tag_len` long.
pub(crate) fn metadata_packets(tag_len: usize) -> u64 {
    packets(METADATA_HEADER_LEN + tag_len, 0)
}

/// Writes an ID3 tag, far shorter than the 64 KiB of a PES.
pub(crate) fn write_metadata(out: &mut Writer, tag: &[u8], pts_90k: i64) {
    out.open_pes(Pid::Metadata, METADATA_HEADER_LEN + tag.len(), Mark::default());
    let [high, low] = ((METADATA_HEADER_LEN - 6 + tag.len()) as u16).to_be_bytes();
    // Aligned: the tag begins with the payload.
    out.put(&[0, 0, 1, METADATA_STREAM_ID, high, low, 0x84, 0x80, 5]);
    out.put(&stamp(0x2, pts_90k));
    out.put(tag);
}

/// The 33 bits of MPEG-TS: wraps every 26.5 hours, here and nowhere else.
fn wrap(ticks_90k: i64) -> u64 {
    ticks_90k as u64 & ((1 << 33) - 1)
}

/// A PTS or DTS of 33 bits with its marker bits (table 2-21).
fn stamp(prefix: u8, ticks_90k: i64) -> [u8; 5] {
    let ticks = wrap(ticks_90k);
    [
        prefix << 4 | (ticks >> 29) as u8 & 0x0e | 1,
        (ticks >> 22) as u8,
        (ticks >> 14) as u8 | 1,
        (ticks >> 7) as u8,
        (ticks << 1) as u8 | 1,
    ]
}
