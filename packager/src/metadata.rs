//! Timed metadata: what waits for the part of its time, and the ID3 tag it becomes.
//!
//! Here: how much waits, the tag (ID3v2.4.0, §3.1, §4.2.6). Not here: which part it goes into
//! (`running`), what carries it (`fmp4::emsg`, `ts`).

use std::collections::VecDeque;

use media::Metadata;

/// Most that waits: two seconds of what ingest lets through. What is furthest ahead goes first.
const MAX_PENDING: usize = 100;

/// Metadata whose part is not closed yet, in the order of its times.
#[derive(Debug, Default)]
pub(crate) struct Pending(VecDeque<Waiting>);

#[derive(Debug)]
struct Waiting {
    /// The publisher's time.
    at_ms: i64,
    tag: Vec<u8>,
}

/// Metadata in its part.
#[derive(Debug)]
pub(crate) struct Said {
    /// When, on the main track.
    pub at_ticks: i64,
    /// No other of this live has it.
    pub id: u32,
    /// The ID3 tag.
    pub tag: Vec<u8>,
}

impl Pending {
    /// Takes one; false if one was dropped for it.
    pub fn add(&mut self, metadata: &Metadata) -> bool {
        let at_ms = metadata.at_ms;
        let after = self.0.partition_point(|waiting| waiting.at_ms <= at_ms);
        self.0.insert(after, Waiting { at_ms, tag: id3_tag(&metadata.name, &metadata.value) });
        self.0.len() <= MAX_PENDING || self.0.pop_back().is_none()
    }

    /// Takes the first, if its time is one that `is_due`.
    pub fn pop_if(&mut self, is_due: impl Fn(i64) -> bool) -> Option<(i64, Vec<u8>)> {
        let first = self.0.pop_front_if(|waiting| is_due(waiting.at_ms))?;
        Some((first.at_ms, first.tag))
    }

    /// Drops all; says how many.
    pub fn clear(&mut self) -> usize {
        std::mem::take(&mut self.0).len()
    }
}

/// An ID3v2.4.0 tag of one user-defined text (`TXXX`, §4.2.6), in UTF-8: what it is called, and what
/// it says.
fn id3_tag(name: &str, value: &str) -> Vec<u8> {
    const HEADER_LEN: usize = 10;
    const UTF_8: u8 = 3;
    let text_len = 1 + name.len() + 1 + value.len();
    let mut tag = Vec::with_capacity(2 * HEADER_LEN + text_len);
    tag.extend_from_slice(b"ID3\x04\0\0");
    tag.extend_from_slice(&syncsafe(HEADER_LEN + text_len));
    tag.extend_from_slice(b"TXXX");
    tag.extend_from_slice(&syncsafe(text_len));
    tag.extend_from_slice(&[0, 0, UTF_8]);
    tag.extend_from_slice(name.as_bytes());
    tag.push(0);
    tag.extend_from_slice(value.as_bytes());
    tag
}

/// Seven bits in each byte (§6.2): a tag is far below the 256 MB that go in.
fn syncsafe(len: usize) -> [u8; 4] {
    [21, 14, 7, 0].map(|shift| (len >> shift) as u8 & 0x7f)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(at_ms: i64, value: &str) -> Metadata {
        Metadata { at_ms, name: "onTextData".to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_tag_is_that_of_the_standard() {
        let tag = id3_tag("onTextData", r#"{"text":"é"}"#);
        let mut expected = b"ID3\x04\0\0\0\0\0\x23TXXX\0\0\0\x19\0\0\x03onTextData\0".to_vec();
        expected.extend_from_slice("{\"text\":\"é\"}".as_bytes());
        assert_eq!(tag, expected);
    }

    #[test]
    fn a_long_tag_says_its_length_in_seven_bits_a_byte() {
        let tag = id3_tag("n", &"x".repeat(1_000));
        assert_eq!((&tag[6..10], &tag[14..18]), (&[0, 0, 7, 117][..], &[0, 0, 7, 107][..]));
    }

    #[test]
    fn what_waits_leaves_in_the_order_of_its_times() {
        let mut pending = Pending::default();
        for at_ms in [30, 10, 20, 40] {
            assert!(pending.add(&metadata(at_ms, "1")));
        }
        let due = std::iter::from_fn(|| Some(pending.pop_if(|at_ms| at_ms < 35)?.0));
        assert_eq!(due.collect::<Vec<_>>(), [10, 20, 30]);
        assert_eq!(pending.clear(), 1);
    }

    #[test]
    fn of_too_much_that_waits_the_furthest_goes() {
        let mut pending = Pending::default();
        for at_ms in 0..MAX_PENDING as i64 {
            assert!(pending.add(&metadata(i64::MAX - at_ms, "1")));
        }
        assert!(!pending.add(&metadata(5, "1")));
        assert_eq!(pending.pop_if(|_| true).unwrap().0, 5);
        assert_eq!(pending.clear(), MAX_PENDING - 1);
    }
}
