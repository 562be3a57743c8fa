//! Reads the tags of an FLV file (Adobe FLV v10.1, Annex E). Trusted input: our own `ffmpeg` wrote it.

use anyhow::{Context, Result, ensure};

/// Type of an audio tag.
pub const AUDIO: u8 = 8;
/// Type of a video tag.
pub const VIDEO: u8 = 9;
/// Type of a script data tag.
pub const SCRIPT: u8 = 18;

/// One FLV tag.
pub struct Tag<'a> {
    /// [`AUDIO`], [`VIDEO`] or [`SCRIPT`].
    pub kind: u8,
    /// What an RTMP message of the same type carries.
    pub body: &'a [u8],
}

impl Tag<'_> {
    /// Whether this is an AVC or AAC sequence header (E.4.2.1, E.4.3.1).
    pub fn is_sequence_header(&self) -> bool {
        self.kind != SCRIPT && self.body.get(1) == Some(&0)
    }

    /// Whether this carries H.264 or AAC data, as opposed to a header or the end of a sequence.
    pub fn is_frame(&self) -> bool {
        self.kind != SCRIPT && self.body.get(1) == Some(&1)
    }
}

/// The tags of a whole file, in order.
///
/// # Errors
/// When the file is no FLV or ends inside a tag.
pub fn tags(file: &[u8]) -> Result<Vec<Tag<'_>>> {
    const FILE_HEADER_LEN: usize = 9;
    const TAG_HEADER_LEN: usize = 11;
    const BACK_POINTER_LEN: usize = 4;
    ensure!(file.starts_with(b"FLV"), "not an FLV file");
    let mut rest =
        file.get(FILE_HEADER_LEN + BACK_POINTER_LEN..).context("FLV header cut short")?;
    let mut tags = Vec::new();
    while let Some((header, after)) = rest.split_at_checked(TAG_HEADER_LEN) {
        let size = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
        let (body, after) = after.split_at_checked(size).context("FLV tag cut short")?;
        tags.push(Tag { kind: header[0] & 0x1f, body });
        rest = after.get(BACK_POINTER_LEN..).unwrap_or_default();
    }
    Ok(tags)
}
