//! What cameras note beside a picture or a film: where it was taken, by whose telephone, when.
//!
//! Here: those notes overwritten in place, so that nothing of a file is ever in memory, no length changes,
//! and what shows a picture as it was meant stays: which way up it is, its colours. Not here: pixels and
//! sound; what a file is, which was found out before.
//!
//! | kind | what goes | source |
//! | --- | --- | --- |
//! | JPEG | APPn but JFIF, ICC and Adobe; comments | ITU-T T.81 §B.2.4; EXIF 2.32 §4.7 |
//! | PNG | every chunk that is not about pixels | W3C PNG, third edition, §11.3 |
//! | WebP | EXIF, XMP | RFC 9649 §2.7.1.5 |
//! | MP4, QuickTime | `udta`, `meta`, `uuid` of the film and its tracks | ISO/IEC 14496-12 §8.10, §8.11 |

use std::io::{self, Read, Seek, SeekFrom, Write};

use super::{Content, Kind, Refused};

/// Bytes of an EXIF block that are looked at for the way up: its first entries.
const HEAD_BYTES: usize = 4096;
/// Entries of a block that are looked at.
const ENTRIES_MAX: usize = 128;
/// The block that says the way up and nothing else.
const TIFF_LEN: usize = 26;

/// Chunks of a PNG that say how its pixels look.
const OF_PIXELS: [&[u8; 4]; 16] = [
    b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"iCCP", b"cICP",
    b"sBIT", b"bKGD", b"pHYs", b"acTL", b"fcTL", b"fdAT",
];

/// Overwrites the notes of a file that was found to be `content`.
///
/// # Errors
///
/// [`Refused::Unreadable`] when the file cannot be read or written; [`Refused::Broken`] when it is not what
/// it was found to be.
pub fn blank_notes(file: impl Read + Write + Seek, content: &Content) -> Result<(), Refused> {
    let mut pen = Pen { file, len: content.len };
    match content.kind {
        Kind::Jpeg => jpeg(&mut pen),
        Kind::Png => png(&mut pen),
        Kind::WebP => webp(&mut pen),
        Kind::Mp4 | Kind::QuickTime => boxes(&mut pen, 0, content.len, 0),
        // Cameras write neither GIF nor WebM; AVI is from before they knew where they are.
        Kind::Gif | Kind::WebM | Kind::Avi => Ok(()),
    }
}

/// Reads and overwrites within a file.
struct Pen<F> {
    file: F,
    len: u64,
}

impl<F: Read + Write + Seek> Pen<F> {
    fn read<const N: usize>(&mut self, at: u64) -> Result<[u8; N], Refused> {
        let mut bytes = [0; N];
        if at.saturating_add(N as u64) > self.len {
            return Err(Refused::Broken);
        }
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// The first bytes of what lies at `at`.
    fn head(&mut self, at: u64, len: u64) -> Result<Vec<u8>, Refused> {
        let mut head = Vec::new();
        self.file.seek(SeekFrom::Start(at))?;
        (&mut self.file).take(len.min(HEAD_BYTES as u64)).read_to_end(&mut head)?;
        Ok(head)
    }

    /// Puts `bytes` down, as far as they fit, and nothing behind them.
    fn fill(&mut self, at: u64, len: u64, bytes: &[u8], nothing: u8) -> Result<(), Refused> {
        if at.saturating_add(len) > self.len {
            return Err(Refused::Broken);
        }
        let bytes = if bytes.len() as u64 <= len { bytes } else { &[] };
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(bytes)?;
        io::copy(&mut io::repeat(nothing).take(len - bytes.len() as u64), &mut self.file)?;
        Ok(())
    }
}

fn jpeg<F: Read + Write + Seek>(pen: &mut Pen<F>) -> Result<(), Refused> {
    const EXIF: &[u8] = b"Exif\0\0";
    let mut at = 2;
    loop {
        let [mark, marker] = pen.read(at)?;
        at += match (mark, marker) {
            // Fill bytes stand before a marker.
            (0xff, 0xff) => 1,
            (0xff, 0x01) => 2,
            // Pixels, or their end.
            (0xff, 0xda | 0xd9) => return Ok(()),
            (0xff, _) => {
                let len = u64::from(u16::from_be_bytes(pen.read(at + 2)?));
                let (begin, inside) = (at + 4, len.checked_sub(2).ok_or(Refused::Broken)?);
                let head = pen.head(begin, inside)?;
                let is_kept = match marker {
                    0xe0 | 0xee => true,
                    0xe2 => head.starts_with(b"ICC_PROFILE\0"),
                    0xe1..=0xef | 0xfe => false,
                    _ => true,
                };
                if !is_kept {
                    let way_up = head.strip_prefix(EXIF).and_then(orientation);
                    let block = way_up.map(|way_up| [EXIF, &tiff(way_up)].concat());
                    pen.fill(begin, inside, &block.unwrap_or_default(), 0)?;
                }
                2 + len
            }
            _ => return Err(Refused::Broken),
        };
    }
}

fn png<F: Read + Write + Seek>(pen: &mut Pen<F>) -> Result<(), Refused> {
    let mut at = 8;
    loop {
        let len = u64::from(u32::from_be_bytes(pen.read(at)?));
        let name: [u8; 4] = pen.read(at + 4)?;
        let begin = at + 8;
        if !OF_PIXELS.contains(&&name) {
            // One that nobody knows is passed over by all.
            let mut known = *b"nuLl";
            let mut block = Vec::new();
            if &name == b"eXIf"
                && let Some(way_up) = orientation(&pen.head(begin, len)?)
                && len >= TIFF_LEN as u64
            {
                known = name;
                block = tiff(way_up).to_vec();
            }
            pen.fill(at + 4, 4, &known, 0)?;
            pen.fill(begin, len, &block, 0)?;
            let sum = checksum(&[&known[..], &block].concat(), len - block.len() as u64);
            pen.fill(begin + len, 4, &sum.to_be_bytes(), 0)?;
        }
        if &name == b"IEND" {
            return Ok(());
        }
        at = begin + len + 4;
    }
}

fn webp<F: Read + Write + Seek>(pen: &mut Pen<F>) -> Result<(), Refused> {
    let mut at = 12;
    while at + 8 <= pen.len {
        let name: [u8; 4] = pen.read(at)?;
        let len = u64::from(u32::from_le_bytes(pen.read(at + 4)?));
        match &name {
            b"EXIF" => {
                let head = pen.head(at + 8, len)?;
                let head = head.strip_prefix(b"Exif\0\0").unwrap_or(&head);
                let block = orientation(head).map(tiff);
                let block = block.as_ref().map(|it| it.as_slice()).unwrap_or_default();
                pen.fill(at + 8, len, block, 0)?;
            }
            // A text of nothing.
            b"XMP " => pen.fill(at + 8, len, &[], b' ')?,
            _ => {}
        }
        at += 8 + len + len % 2;
    }
    Ok(())
}

/// Boxes from `at` to `end`, which lie so deep: a file, its film, a track.
fn boxes<F: Read + Write + Seek>(
    pen: &mut Pen<F>,
    mut at: u64,
    end: u64,
    depth: u8,
) -> Result<(), Refused> {
    while at + 8 <= end {
        let short = u32::from_be_bytes(pen.read(at)?);
        let name: [u8; 4] = pen.read(at + 4)?;
        let (len, header) = match short {
            0 => (end - at, 8),
            1 => (u64::from_be_bytes(pen.read(at + 8)?), 16),
            len => (u64::from(len), 8),
        };
        let after = at.checked_add(len).filter(|after| *after <= end && len >= header);
        let after = after.ok_or(Refused::Broken)?;
        match (&name, depth) {
            (b"moov", 0) | (b"trak", 1) => boxes(pen, at + header, after, depth + 1)?,
            (b"udta" | b"meta" | b"uuid", _) => {
                pen.fill(at + 4, 4, b"free", 0)?;
                pen.fill(at + header, len - header, &[], 0)?;
            }
            _ => {}
        }
        at = after;
    }
    Ok(())
}

/// The way up that an EXIF block says, if it is not the usual one (EXIF 2.32 §4.6.4, tag 0x0112).
fn orientation(block: &[u8]) -> Option<u8> {
    let is_little = match block.get(..4)? {
        b"II*\0" => true,
        b"MM\0*" => false,
        _ => return None,
    };
    let u16_at = |at: usize| {
        let bytes = block.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if is_little { u16::from_le_bytes(bytes) } else { u16::from_be_bytes(bytes) })
    };
    let first = block.get(4..8)?.try_into().ok()?;
    let first = if is_little { u32::from_le_bytes(first) } else { u32::from_be_bytes(first) };
    let first = usize::try_from(first).ok()?;
    let entries = usize::from(u16_at(first)?).min(ENTRIES_MAX);
    let entry = (0..entries)
        .map(|entry| first.saturating_add(2 + 12 * entry))
        .find(|at| u16_at(*at) == Some(0x0112))?;
    let way_up = u16_at(entry.checked_add(8)?)?;
    u8::try_from(way_up).ok().filter(|it| (2..=8).contains(it))
}

/// The block that says this way up.
fn tiff(way_up: u8) -> [u8; TIFF_LEN] {
    let mut block = *b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0\0";
    if let Some(value) = block.get_mut(18) {
        *value = way_up;
    }
    block
}

/// CRC-32 (W3C PNG, annex D) of `bytes` and so many zeros.
fn checksum(bytes: &[u8], zeros: u64) -> u32 {
    let zeros = usize::try_from(zeros).unwrap_or(usize::MAX);
    let all = bytes.iter().copied().chain(std::iter::repeat_n(0, zeros));
    let sum = all.fold(u32::MAX, |sum, byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| {
            if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 }
        })
    });
    !sum
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::content::examine;

    /// The file without its notes, which is still the same picture.
    fn without_notes(file: &[u8]) -> Vec<u8> {
        let len = file.len() as u64;
        let content = examine(Cursor::new(file), len, 1_000_000).unwrap();
        let mut bytes = file.to_vec();
        blank_notes(Cursor::new(&mut bytes), &content).unwrap();
        let after = examine(Cursor::new(&bytes), len, 1_000_000).unwrap();
        assert_eq!(after, content);
        bytes
    }

    fn contains(bytes: &[u8], needle: &[u8]) -> bool {
        bytes.windows(needle.len()).any(|window| window == needle)
    }

    /// The way up, and where it was taken.
    fn exif(way_up: u8) -> Vec<u8> {
        let mut block = b"MM\0*\0\0\0\x08\0\x02\x01\x12\0\x03\0\0\0\x01\0\0\0\0".to_vec();
        block[19] = way_up;
        block.extend(b"\x88\x25\0\x04\0\0\0\x01\0\0\0\x26\0\0\0\0GPS: CONAKRY");
        block
    }

    fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
        let len = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
        [&[0xff, marker], &len[..], content].concat()
    }

    const JPEG: &[u8] = include_bytes!("../../testdata/small.jpg");
    const PNG: &[u8] = include_bytes!("../../testdata/small.png");
    const WEBP: &[u8] = include_bytes!("../../testdata/moving.webp");
    const MP4: &[u8] = include_bytes!("../../testdata/small.mp4");

    #[test]
    fn a_photograph_forgets_where_it_was_taken_and_not_which_way_up_it_is() {
        let notes = [
            segment(0xe1, &[b"Exif\0\0", &exif(6)[..]].concat()),
            segment(0xe1, b"http://ns.adobe.com/xap/1.0/\0CONAKRY"),
            segment(0xe2, b"ICC_PROFILE\0\x01\x01colours"),
            segment(0xfe, b"CONAKRY"),
        ]
        .concat();
        let bytes = without_notes(&[&JPEG[..2], &notes, &JPEG[2..]].concat());
        assert!(!contains(&bytes, b"CONAKRY") && !contains(&bytes, b"adobe.com"));
        assert!(contains(&bytes, b"colours"));
        let kept = bytes.windows(6).position(|window| window == b"Exif\0\0").unwrap() + 6;
        assert_eq!(orientation(&bytes[kept..]), Some(6));
        assert_eq!(without_notes(JPEG).len(), JPEG.len());
    }

    #[test]
    fn a_drawing_forgets_its_texts_and_keeps_its_checksums() {
        let chunk = |name: &[u8; 4], data: &[u8]| {
            let len = u32::try_from(data.len()).unwrap().to_be_bytes();
            let sum = checksum(&[&name[..], data].concat(), 0).to_be_bytes();
            [&len[..], name, data, &sum].concat()
        };
        assert!(contains(PNG, &chunk(b"IEND", b"")), "the sum is that of the standard");
        // Behind the header: a signature of 8 bytes, a chunk of 25.
        let notes = [chunk(b"eXIf", &exif(3)), chunk(b"tEXt", b"Place\0CONAKRY")].concat();
        let bytes = without_notes(&[&PNG[..33], &notes, &PNG[33..]].concat());
        assert!(!contains(&bytes, b"CONAKRY"));
        let padded = [&tiff(3)[..], &vec![0; exif(3).len() - TIFF_LEN]].concat();
        assert!(contains(&bytes, &chunk(b"eXIf", &padded)));
        assert!(contains(&bytes, &chunk(b"nuLl", &[0; 13])));
    }

    #[test]
    fn a_webp_forgets_too() {
        let note = [b"EXIF", &44_u32.to_le_bytes()[..], &exif(8)[..44]].concat();
        let text = [b"XMP ", &8_u32.to_le_bytes()[..], b"CONAKRY "].concat();
        let mut file = [WEBP, &note, &text].concat();
        let form = u32::try_from(file.len() - 8).unwrap().to_le_bytes();
        file[4..8].copy_from_slice(&form);
        let bytes = without_notes(&file);
        assert!(!contains(&bytes, b"CONAKRY") && !contains(&bytes, b"GPS"));
        assert!(contains(&bytes, &tiff(8)));
    }

    #[test]
    fn a_film_forgets_where_it_was_taken_and_stays_one() {
        let place =
            [&40_u32.to_be_bytes()[..], b"udta", &32_u32.to_be_bytes(), b"\xa9xyz"].concat();
        let place = [&place[..], b"\0\x12\x15\xc7+09.5-13.7/CONAKRY"].concat();
        let place = [&place[..], &vec![0; 40 - place.len()]].concat();
        let at = MP4.windows(4).position(|window| window == b"moov").unwrap() - 4;
        let len = u32::from_be_bytes(MP4[at..at + 4].try_into().unwrap());
        let longer = (len + 40).to_be_bytes();
        let end = at + len as usize;
        let file = [&MP4[..at], &longer, &MP4[at + 4..end], &place, &MP4[end..]].concat();
        let bytes = without_notes(&file);
        assert!(!contains(&bytes, b"CONAKRY") && !contains(&bytes, b"udta"));
    }

    #[test]
    fn what_lies_about_its_lengths_is_broken_and_no_more() {
        for kind in [Kind::Jpeg, Kind::Png, Kind::WebP, Kind::Mp4] {
            for cut in 0..64 {
                let noise: Vec<u8> = (0..cut).map(|n: u8| n.wrapping_mul(37) ^ 0xff).collect();
                let len = noise.len() as u64;
                let content = Content { kind, len, dimensions: None, duration_ms: None };
                let _ = blank_notes(Cursor::new(noise), &content);
            }
        }
    }
}
