//! Files that no program would make, byte by byte.

use flate2::{Compress, Compression, FlushCompress};

/// An EXIF block (TIFF 6.0, EXIF 2.32 §4.6): an orientation, and where it was taken.
pub fn exif(orientation: u16) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0".to_vec();
    let entry = |to: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        to.extend(tag.to_le_bytes());
        to.extend(kind.to_le_bytes());
        to.extend(count.to_le_bytes());
        to.extend(value);
    };
    let [low, high] = orientation.to_le_bytes();
    // Two entries: orientation, and the place of the block of GPS behind them.
    tiff.extend(2_u16.to_le_bytes());
    entry(&mut tiff, 0x0112, 3, 1, [low, high, 0, 0]);
    entry(&mut tiff, 0x8825, 4, 1, 38_u32.to_le_bytes());
    tiff.extend([0; 4]);
    // Three: north, the latitude as three fractions, and the name of the method.
    tiff.extend(3_u16.to_le_bytes());
    entry(&mut tiff, 1, 2, 2, *b"N\0\0\0");
    entry(&mut tiff, 2, 5, 3, 80_u32.to_le_bytes());
    entry(&mut tiff, 0x1b, 2, 8, 104_u32.to_le_bytes());
    tiff.extend([0; 4]);
    for number in [9_u32, 1, 30, 1, 33, 1] {
        tiff.extend(number.to_le_bytes());
    }
    tiff.extend(b"CONAKRY\0");
    tiff
}

/// A JPEG with a segment (APPn or a comment) behind its first marker.
pub fn with_segment(jpeg: &[u8], marker: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, marker], &length, content, &jpeg[2..]].concat()
}

/// [`with_segment`] for EXIF.
pub fn with_exif(jpeg: &[u8], orientation: u16) -> Vec<u8> {
    with_segment(jpeg, 0xe1, &[b"Exif\0\0".as_slice(), &exif(orientation)].concat())
}

/// What the header of a PNG says.
pub struct Png {
    pub width: u32,
    pub height: u32,
    pub bits: u8,
    pub colour_type: u8,
}

impl Png {
    /// The file, with deflated pixels and other chunks before them.
    pub fn of(&self, pixels: &[u8], chunks: &[(&[u8; 4], Vec<u8>)]) -> Vec<u8> {
        let mut header = [self.width.to_be_bytes(), self.height.to_be_bytes()].concat();
        header.extend([self.bits, self.colour_type, 0, 0, 0]);
        let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
        chunk(&mut file, b"IHDR", &header);
        for (name, content) in chunks {
            chunk(&mut file, name, content);
        }
        chunk(&mut file, b"IDAT", pixels);
        chunk(&mut file, b"IEND", &[]);
        file
    }
}

/// At least so many bytes of zero, deflated to a thousandth (RFC 1950): one block again and again, since
/// compressing a gigabyte would take longer than what is tested.
pub fn zeros(bytes: usize) -> Vec<u8> {
    const BLOCK: usize = 1 << 20;
    let mut block = Vec::with_capacity(1 << 16);
    let mut deflate = Compress::new(Compression::fast(), false);
    deflate.compress_vec(&[0; BLOCK], &mut block, FlushCompress::Full).unwrap();
    let count = bytes.div_ceil(BLOCK);
    let sum = u32::try_from(count * BLOCK % 65_521).unwrap() << 16 | 1;
    let end_of_blocks = [3, 0];
    [&[0x78, 1], &*block.repeat(count), &end_of_blocks, &sum.to_be_bytes()].concat()
}

fn chunk(file: &mut Vec<u8>, name: &[u8; 4], content: &[u8]) {
    file.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
    let mut sum = flate2::Crc::new();
    sum.update(name);
    sum.update(content);
    file.extend(name);
    file.extend(content);
    file.extend(sum.sum().to_be_bytes());
}

/// A box of MP4.
pub fn mp4_box(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let size = u32::try_from(content.len() + 8).unwrap();
    [&size.to_be_bytes(), name.as_slice(), content].concat()
}
