//! `emsg`: timed metadata before the `moof` of its part (ISO/IEC 23009-1 §5.10.3.3, version 1).
//!
//! The scheme is that of AOM's "Carriage of ID3 Timed Metadata in CMAF" v1: `value` is empty, the
//! duration unknown, the message an ID3v2.4 tag.

use media::Timescale;

use super::fragment::{put_full_box, put_u32};
use crate::metadata::Said;

const SCHEME: &[u8] = b"https://aomedia.org/emsg/ID3\0";
/// All before the message: the head of a full box, timescale, time, duration, id, scheme, no value.
const HEAD_LEN: usize = 12 + 4 + 8 + 4 + 4 + SCHEME.len() + 1;
const UNKNOWN_DURATION: u32 = u32::MAX;

/// A box, read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Emsg<'a> {
    /// `presentation_time`, in ticks of the timescale it was written in.
    pub at_ticks: i64,
    pub id: u32,
    /// `message_data`: an ID3 tag.
    pub tag: &'a [u8],
}

impl<'a> From<&'a Said> for Emsg<'a> {
    fn from(said: &'a Said) -> Self {
        Self { at_ticks: said.at_ticks, id: said.id, tag: &said.tag }
    }
}

impl<'a> Emsg<'a> {
    /// Appends the box to `out`, its time being in ticks of `timescale`. Its length is the same in all.
    pub fn write(&self, out: &mut Vec<u8>, timescale: Timescale) {
        put_full_box(out, HEAD_LEN + self.tag.len(), b"emsg", 1, 0);
        put_u32(out, timescale.get());
        out.extend_from_slice(&self.at_ticks.to_be_bytes());
        put_u32(out, UNKNOWN_DURATION);
        put_u32(out, self.id);
        out.extend_from_slice(SCHEME);
        out.push(0);
        out.extend_from_slice(self.tag);
    }

    /// The timescales that the boxes of a row were written in.
    pub fn timescales(boxes: &'a [u8]) -> impl Iterator<Item = Timescale> {
        const TIMESCALE: std::ops::Range<usize> = 12..16;
        super::fragment::boxes(boxes).map_while(|it| {
            let ticks = it.whole.get(TIMESCALE)?.first_chunk()?;
            Timescale::new(u32::from_be_bytes(*ticks))
        })
    }

    /// The boxes of a row written here.
    pub fn read_all(mut boxes: &'a [u8]) -> impl Iterator<Item = Self> {
        const TIME: std::ops::Range<usize> = 16..24;
        const ID: std::ops::Range<usize> = 28..32;
        std::iter::from_fn(move || {
            let len = u32::from_be_bytes(*boxes.first_chunk()?) as usize;
            let (whole, rest) = boxes.split_at_checked(len)?;
            boxes = rest;
            Some(Self {
                at_ticks: i64::from_be_bytes(*whole.get(TIME)?.first_chunk()?),
                id: u32::from_be_bytes(*whole.get(ID)?.first_chunk()?),
                tag: whole.get(HEAD_LEN..)?,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use mp4_atom::{Any, Encode, ReadFrom};

    use super::*;

    #[test]
    fn another_reader_finds_what_was_written() {
        let mut out = Vec::new();
        for (at_ticks, id) in [(900_000, 0), (1 << 40, 7)] {
            Emsg { at_ticks, id, tag: b"ID3 tag" }.write(&mut out, Timescale::VIDEO);
        }
        let read: Vec<_> = Emsg::read_all(&out).map(|it| (it.at_ticks, it.id, it.tag)).collect();
        assert_eq!(read, [(900_000, 0, &b"ID3 tag"[..]), (1 << 40, 7, b"ID3 tag")]);
        let (mut rest, mut again) = (&out[..], Vec::new());
        for number in [0, 7] {
            let Ok(Any::Emsg(emsg)) = Any::read_from(&mut rest) else { panic!("no emsg") };
            assert_eq!((emsg.timescale, emsg.event_duration, emsg.id), (90_000, u32::MAX, number));
            assert_eq!(emsg.scheme_id_uri, "https://aomedia.org/emsg/ID3");
            assert_eq!((emsg.value.as_str(), &emsg.message_data[..]), ("", &b"ID3 tag"[..]));
            emsg.encode(&mut again).unwrap();
        }
        assert_eq!(again, out, "times included");
        assert!(rest.is_empty());
    }
}
