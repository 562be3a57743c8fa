//! A playlist that only grows at its end and loses what is oldest: each piece of it is compressed once.
//!
//! Here: bytes. Not here: what a piece says (`packager`), when it is full or leaves (`recorder`).
//!
//! Three hours are some 150 KB of text and 20 KB of gzip. Pieces are deflated by themselves and end on a byte
//! (RFC 1951 §3.2.4), so that they stand one after the other in one gzip member: Chromium reads no more than the
//! first of several.

use std::{collections::VecDeque, io::Write as _};

use bytes::Bytes;
use flate2::{Compression, Crc, write::DeflateEncoder};

use crate::Playlist;

/// RFC 1952 §2.3: deflate, no flags, no time, no system.
const GZIP_HEAD: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
/// A last block without bytes, with fixed codes (RFC 1951 §3.2.6).
const LAST_BLOCK: [u8; 2] = [0x03, 0x00];

/// The pieces of a playlist that are complete.
#[derive(Debug, Default)]
pub struct Scroll(VecDeque<Piece>);

#[derive(Debug)]
struct Piece {
    text: Box<str>,
    deflated: Box<[u8]>,
    crc: Crc,
}

impl Scroll {
    /// Adds a piece.
    pub fn push(&mut self, text: String) {
        self.0.push_back(Piece::new(text));
    }

    /// The oldest piece leaves.
    pub fn drop_first(&mut self) {
        self.0.pop_front();
    }

    /// Bytes it takes in memory.
    pub fn held_bytes(&self) -> usize {
        self.0.iter().map(|piece| piece.text.len() + piece.deflated.len()).sum()
    }

    /// The playlist of these pieces between `head` and `tail`; see [`Playlist::new`]. Its entity tag is made of `mark`
    /// and of what it says.
    pub fn playlist(
        &self,
        head: String,
        tail: String,
        mark: &str,
        target_duration_s: u32,
    ) -> Playlist {
        let (head, tail) = (Piece::new(head), Piece::new(tail));
        let pieces = || [&head].into_iter().chain(&self.0).chain([&tail]);
        let mut text = String::with_capacity(pieces().map(|piece| piece.text.len()).sum());
        let deflated: usize = pieces().map(|piece| piece.deflated.len()).sum();
        let mut gzip = Vec::with_capacity(deflated + 32);
        gzip.extend(GZIP_HEAD);
        let mut crc = Crc::new();
        for piece in pieces() {
            text.push_str(&piece.text);
            gzip.extend_from_slice(&piece.deflated);
            crc.combine(&piece.crc);
        }
        gzip.extend(LAST_BLOCK);
        gzip.extend(crc.sum().to_le_bytes());
        gzip.extend(crc.amount().to_le_bytes());
        let etag = format!("W/\"{mark}.{:08x}\"", crc.sum());
        Playlist::gzipped(text, Bytes::from(gzip), etag, target_duration_s)
    }
}

impl Piece {
    fn new(text: String) -> Self {
        let mut crc = Crc::new();
        crc.update(text.as_bytes());
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
        encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.flush())
            .expect("writing to memory does not fail");
        // Flushed and not finished: the last block of the member comes after all pieces.
        let deflated = std::mem::take(encoder.get_mut()).into_boxed_slice();
        Self { text: text.into_boxed_str(), deflated, crc }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    fn lines(range: std::ops::Range<u32>) -> String {
        range.map(|n| format!("#EXTINF:2,\n{n}.m4s\n")).collect()
    }

    #[test]
    fn its_gzip_form_is_one_member_that_says_the_same() {
        let mut scroll = Scroll::default();
        let mut expected = lines(0..0);
        for pieces in 0..4_u32 {
            let tail = lines(pieces * 128..pieces * 128 + 7);
            let playlist = scroll.playlist("#EXTM3U\n".into(), tail.clone(), "1", 2);
            let whole = format!("#EXTM3U\n{expected}{tail}");
            assert_eq!(playlist.text(), whole.as_bytes());
            // A decoder of one member, as browsers have.
            let mut read = String::new();
            let mut decoder = GzDecoder::new(&playlist.gzip()[..]);
            decoder.read_to_string(&mut read).unwrap();
            assert_eq!(read, whole);
            assert!(decoder.into_inner().is_empty(), "nothing behind it");
            let piece = lines(pieces * 128..(pieces + 1) * 128);
            expected.push_str(&piece);
            scroll.push(piece);
        }
        scroll.drop_first();
        let playlist = scroll.playlist(String::new(), String::new(), "1", 2);
        assert_eq!(playlist.text(), lines(128..512).as_bytes());
        assert!(playlist.gzip().len() < playlist.text().len() / 4);
    }
}
