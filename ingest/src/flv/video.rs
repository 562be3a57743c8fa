//! Video tags: H.264 (`AVCVIDEOPACKET`), in the classic header or behind the FourCC `avc1`.

use bytes::Bytes;

use super::{Error, four_cc_name, take};

/// The body of a video tag, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoTag {
    /// An `AVCDecoderConfigurationRecord`.
    Config(Bytes),
    /// An access unit.
    Frame {
        /// Presentation minus decode time in milliseconds, signed.
        cts_ms: i32,
        /// NAL units in AVCC form.
        avcc: Bytes,
    },
    /// Nothing to carry: end of sequence, a seek command, HDR metadata.
    Nothing,
}

/// Frame type 5 is a command to a player, not a picture (Annex E.4.3.1).
const COMMAND_FRAME: u8 = 5;
const AVC: u8 = 7;

/// Reads the body of a video tag.
///
/// # Errors
/// [`Error::Codec`] for anything but H.264; otherwise when the tag is too short or of an unknown
/// packet type.
pub fn parse(mut body: Bytes) -> Result<VideoTag, Error> {
    let [first] = take(&mut body, "video tag")?;
    if first & 0x80 != 0 {
        return parse_four_cc(first, body);
    }
    match first & 0x0F {
        AVC if first >> 4 == COMMAND_FRAME => Ok(VideoTag::Nothing),
        AVC => parse_avc(body),
        other => Err(Error::Codec(codec_name(other))),
    }
}

/// `AVCVIDEOPACKET` (Annex E.4.3.2).
fn parse_avc(mut body: Bytes) -> Result<VideoTag, Error> {
    let [packet_type, cts @ ..] = take::<4>(&mut body, "AVC packet")?;
    match packet_type {
        0 => Ok(VideoTag::Config(body)),
        1 => Ok(VideoTag::Frame { cts_ms: i24(cts), avcc: body }),
        2 => Ok(VideoTag::Nothing),
        value => Err(Error::Unknown { what: "AVC packet", value }),
    }
}

/// `ExVideoTagHeader` of enhanced RTMP: the packet type where the codec was, then a FourCC.
fn parse_four_cc(first: u8, mut body: Bytes) -> Result<VideoTag, Error> {
    let four_cc = take::<4>(&mut body, "video FourCC")?;
    if &four_cc != b"avc1" {
        return Err(Error::Codec(four_cc_name(four_cc)));
    }
    if first >> 4 & 7 == COMMAND_FRAME {
        return Ok(VideoTag::Nothing);
    }
    match first & 0x0F {
        0 => Ok(VideoTag::Config(body)),
        1 => {
            let cts = take(&mut body, "composition time")?;
            Ok(VideoTag::Frame { cts_ms: i24(cts), avcc: body })
        }
        2 | 4 => Ok(VideoTag::Nothing),
        3 => Ok(VideoTag::Frame { cts_ms: 0, avcc: body }),
        value => Err(Error::Unknown { what: "extended video packet", value }),
    }
}

fn i24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

/// The codec ids of Annex E.4.3.1, and one that Chinese encoders added.
fn codec_name(id: u8) -> String {
    let name = match id {
        1 => "JPEG",
        2 => "Sorenson H.263",
        3 => "Screen video",
        4 => "On2 VP6",
        5 => "On2 VP6 with alpha",
        6 => "Screen video 2",
        8 => "H.263",
        9 => "MPEG-4 part 2",
        12 => "HEVC",
        13 => "AV1",
        _ => return format!("video codec {id}"),
    };
    format!("{name} (FLV id {id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<VideoTag, Error> {
        super::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn composition_time_is_signed() {
        let frame = |cts_ms| Ok(VideoTag::Frame { cts_ms, avcc: Bytes::from_static(b"x") });
        assert_eq!(parse(b"\x27\x01\xFF\xFF\xBEx"), frame(-66));
        assert_eq!(parse(b"\x27\x01\x00\x00\x42x"), frame(66));
        assert_eq!(parse(b"\x27\x01\x80\x00\x00x"), frame(-8_388_608));
    }

    #[test]
    fn a_configuration_an_end_of_sequence_and_a_command_are_told_apart() {
        assert_eq!(parse(b"\x17\x00\0\0\0cfg"), Ok(VideoTag::Config(Bytes::from_static(b"cfg"))));
        assert_eq!(parse(b"\x17\x02\0\0\0"), Ok(VideoTag::Nothing));
        assert_eq!(parse(b"\x57\x00"), Ok(VideoTag::Nothing));
    }

    #[test]
    fn h264_behind_a_four_cc_is_h264() {
        assert_eq!(parse(b"\x90avc1cfg"), Ok(VideoTag::Config(Bytes::from_static(b"cfg"))));
        let frame = VideoTag::Frame { cts_ms: -1, avcc: Bytes::from_static(b"x") };
        assert_eq!(parse(b"\x91avc1\xFF\xFF\xFFx"), Ok(frame));
        let frame = VideoTag::Frame { cts_ms: 0, avcc: Bytes::from_static(b"x") };
        assert_eq!(parse(b"\xA3avc1x"), Ok(frame));
    }

    #[test]
    fn other_codecs_are_named() {
        for (bytes, name) in [
            (&b"\x22"[..], "Sorenson H.263 (FLV id 2)"),
            (b"\x24", "On2 VP6 (FLV id 4)"),
            (b"\x1C\x00\0\0\0", "HEVC (FLV id 12)"),
            (b"\x90hvc1", "HEVC (hvc1)"),
            (b"\x90av01", "AV1 (av01)"),
            (b"\x90vp09", "VP9 (vp09)"),
            (b"\x90a\xFF\x00b", "\"a\\xff\\x00b\""),
        ] {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(super::parse(bytes), Err(Error::Codec(name.to_owned())));
        }
    }

    #[test]
    fn short_tags_are_errors() {
        for bytes in [&b""[..], b"\x17", b"\x17\x01\0\0", b"\x90hv", b"\x91avc1\0"] {
            let result = super::parse(Bytes::from_static(bytes));
            assert!(matches!(result, Err(Error::Truncated { .. })), "{bytes:x?}");
        }
    }
}
