//! Tag headers, as they stand inside aggregate messages and FLV files (Annex E.4.1).

use bytes::{Buf, Bytes};

/// One tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// 8 audio, 9 video, 18 script data: the same numbers as RTMP message types.
    pub kind: u8,
    /// The tag's own time in milliseconds.
    pub at_ms: u32,
    /// What follows the header, in memory of its own.
    pub body: Bytes,
}

const HEADER_LEN: usize = 11;
/// The size of the tag before, written after each one.
const BACK_POINTER_LEN: usize = 4;

/// Takes the next tag off the front of `rest`; `None` when no whole tag is left.
///
/// The body is copied out: a sample is held, and counted, by its own length, and must not keep a
/// message of megabytes alive.
pub fn next(rest: &mut Bytes) -> Option<Tag> {
    let [kind, a, b, c, time @ .., _, _, _] = *rest.first_chunk::<HEADER_LEN>()?;
    let len = u32::from_be_bytes([0, a, b, c]) as usize;
    if rest.len() - HEADER_LEN < len {
        return None;
    }
    rest.advance(HEADER_LEN);
    let body = Bytes::copy_from_slice(&rest.split_to(len));
    rest.advance(rest.len().min(BACK_POINTER_LEN));
    Some(Tag { kind: kind & 0x1F, at_ms: at_ms(time), body })
}

/// The time of the tag at the front of `bytes`.
pub fn peek_at_ms(bytes: &[u8]) -> Option<u32> {
    let [_, _, _, _, time @ .., _, _, _] = *bytes.first_chunk::<HEADER_LEN>()?;
    Some(at_ms(time))
}

/// 24 bits, then the 8 above them.
fn at_ms([b, c, d, a]: [u8; 4]) -> u32 {
    u32::from_be_bytes([a, b, c, d])
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO_TAGS: &[u8] = &[
        8, 0, 0, 2, 0, 0, 5, 1, 0, 0, 0, b'a', b'b', 0, 0, 0, 13, //
        9, 0, 0, 1, 0, 0, 6, 1, 0, 0, 0, b'c', 0, 0, 0, 12,
    ];

    #[test]
    fn tags_come_one_after_another_with_their_extended_time() {
        let mut rest = Bytes::from_static(TWO_TAGS);
        let first = next(&mut rest).unwrap();
        assert_eq!((first.kind, first.at_ms, &first.body[..]), (8, 0x0100_0005, &b"ab"[..]));
        let second = next(&mut rest).unwrap();
        assert_eq!((second.kind, second.at_ms, &second.body[..]), (9, 0x0100_0006, &b"c"[..]));
        assert_eq!(next(&mut rest), None);
    }

    #[test]
    fn a_tag_that_is_kept_does_not_keep_the_message_it_came_in() {
        let mut rest = Bytes::from(TWO_TAGS.to_vec());
        let tag = next(&mut rest).unwrap();
        assert!(rest.is_unique());
        assert_eq!(Vec::from(tag.body).capacity(), 2);
    }

    #[test]
    fn a_tag_cut_anywhere_is_no_tag() {
        for len in 0..13 {
            assert_eq!(next(&mut Bytes::from_static(&TWO_TAGS[..len])), None, "{len}");
        }
    }

    #[test]
    fn the_last_back_pointer_may_be_missing() {
        assert!(next(&mut Bytes::from_static(&TWO_TAGS[..13])).is_some());
    }
}
