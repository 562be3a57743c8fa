//! Reads FLV files tag by tag (Adobe FLV v10.1, Annex E), to publish them from a test.

use std::path::Path;

use bytes::Bytes;

/// One tag: what becomes one RTMP message.
#[derive(Debug, Clone)]
pub struct Tag {
    /// Audio, video or script data.
    pub kind: Kind,
    /// Decode time.
    pub at_ms: u32,
    /// The tag without its header.
    pub body: Bytes,
}

/// What a tag carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Tag type 8.
    Audio,
    /// Tag type 9.
    Video,
    /// Tag type 18: `onMetaData`.
    Script,
}

impl Tag {
    /// Whether a decoder may start here: an IDR of H.264.
    pub fn is_idr(&self) -> bool {
        self.kind == Kind::Video && self.body.first() == Some(&0x17) && !self.is_configuration()
    }

    /// Whether this is a sequence header (avcC or AudioSpecificConfig).
    pub fn is_configuration(&self) -> bool {
        self.kind != Kind::Script && self.body.get(1) == Some(&0)
    }
}

/// Every tag of a file, in its order.
pub fn tags(path: &Path) -> Vec<Tag> {
    const FILE_HEADER_LEN: usize = 9 + 4;
    const TAG_HEADER_LEN: usize = 11;
    const BACK_POINTER_LEN: usize = 4;
    let file = Bytes::from(std::fs::read(path).expect("a readable FLV file"));
    let mut rest = file.slice(FILE_HEADER_LEN..);
    let mut tags = Vec::new();
    while rest.len() >= TAG_HEADER_LEN {
        let size = u32::from_be_bytes([0, rest[1], rest[2], rest[3]]) as usize;
        let at_ms = u32::from_be_bytes([rest[7], rest[4], rest[5], rest[6]]);
        let kind = match rest[0] {
            8 => Kind::Audio,
            9 => Kind::Video,
            18 => Kind::Script,
            other => panic!("FLV tag of type {other}"),
        };
        let body = rest.slice(TAG_HEADER_LEN..TAG_HEADER_LEN + size);
        rest = rest.slice(TAG_HEADER_LEN + size + BACK_POINTER_LEN..);
        tags.push(Tag { kind, at_ms, body });
    }
    tags
}
