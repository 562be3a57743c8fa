//! Video tags: H.264 in the classic header (`AVCVIDEOPACKET`), H.264, HEVC, AV1 and VP9 behind a
//! FourCC.

use bytes::Bytes;

use super::{Error, enhanced, four_cc_name, take};

/// How the pictures of a tag are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VideoCodec {
    /// H.264.
    Avc,
    /// H.265.
    Hevc,
    /// AV1.
    Av1,
    /// VP9.
    Vp9,
}

/// The body of a video tag, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoTag {
    /// A configuration record.
    Config {
        /// What it configures.
        codec: VideoCodec,
        /// The record, as the codec's binding to MP4 defines it.
        record: Bytes,
    },
    /// A picture.
    Frame {
        /// How it is coded.
        codec: VideoCodec,
        /// Presentation minus decode time in milliseconds, signed.
        cts_ms: i32,
        /// What to add to the presentation time, in nanoseconds; less than a millisecond.
        offset_ns: u32,
        /// The access unit: NAL units in AVCC form, or OBUs, or a VP9 frame.
        data: Bytes,
    },
    /// Nothing to carry: end of sequence, a seek command, HDR metadata, another track.
    Nothing,
}

/// Frame type 5 is a command to a player, not a picture (Annex E.4.3.1).
const COMMAND_FRAME: u8 = 5;
/// Codec ids of the classic header: H.264, and HEVC as Chinese encoders added it, in the same form.
const AVC: u8 = 7;
const HEVC: u8 = 12;

/// `VideoPacketType` of Enhanced RTMP v2.
mod packet_type {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const SEQUENCE_END: u8 = 2;
    pub const CODED_FRAMES_X: u8 = 3;
    pub const METADATA: u8 = 4;
    pub const MPEG2_TS_SEQUENCE_START: u8 = 5;
    pub const MULTITRACK: u8 = 6;
}

/// The body of a video tag: one picture is carried, that of track 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// What is carried of it.
    pub tag: VideoTag,
    /// Whether it held tracks that are not.
    pub other_tracks: bool,
}

impl Body {
    /// All of a tag that holds one track.
    fn of(tag: VideoTag) -> Self {
        Self { tag, other_tracks: false }
    }
}

/// Reads the body of a video tag.
///
/// # Errors
/// [`Error::Codec`] for what is not carried; otherwise when the tag is too short or of an unknown
/// packet type.
pub fn parse(mut body: Bytes) -> Result<Body, Error> {
    let [first] = take(&mut body, "video tag")?;
    if first & 0x80 != 0 {
        return parse_extended(first, body);
    }
    let codec = match first & 0x0F {
        AVC => VideoCodec::Avc,
        HEVC => VideoCodec::Hevc,
        other => return Err(Error::Codec(codec_name(other))),
    };
    if first >> 4 == COMMAND_FRAME {
        return Ok(Body::of(VideoTag::Nothing));
    }
    parse_avc(codec, body).map(Body::of)
}

/// `AVCVIDEOPACKET` (Annex E.4.3.2).
fn parse_avc(codec: VideoCodec, mut body: Bytes) -> Result<VideoTag, Error> {
    let [packet_type, cts @ ..] = take::<4>(&mut body, "AVC packet")?;
    match packet_type {
        0 => Ok(VideoTag::Config { codec, record: body }),
        1 => Ok(VideoTag::Frame { codec, cts_ms: i24(cts), offset_ns: 0, data: body }),
        2 => Ok(VideoTag::Nothing),
        value => Err(Error::Unknown { what: "AVC packet", value }),
    }
}

/// `ExVideoTagHeader`: the packet type where the codec was, modifiers, then tracks with a FourCC.
fn parse_extended(first: u8, mut body: Bytes) -> Result<Body, Error> {
    let mut kind = first & 0x0F;
    let offset_ns = enhanced::modifiers(&mut kind, &mut body)?;
    if kind != packet_type::METADATA && first >> 4 & 7 == COMMAND_FRAME {
        return Ok(Body::of(VideoTag::Nothing));
    }
    let mut parsed = Body { tag: VideoTag::Nothing, other_tracks: false };
    for track in enhanced::Tracks::read(&mut kind, packet_type::MULTITRACK, body)? {
        let track = track?;
        if track.id == 0 && parsed.tag == VideoTag::Nothing {
            parsed.tag = parse_track(kind, track.four_cc, offset_ns, track.body)?;
        } else {
            parsed.other_tracks = true;
        }
    }
    Ok(parsed)
}

/// `ExVideoTagBody` of one track.
fn parse_track(
    kind: u8,
    four_cc: [u8; 4],
    offset_ns: u32,
    mut body: Bytes,
) -> Result<VideoTag, Error> {
    let (codec, says_composition_time) = match &four_cc {
        b"avc1" => (VideoCodec::Avc, true),
        b"hvc1" => (VideoCodec::Hevc, true),
        b"av01" => (VideoCodec::Av1, false),
        b"vp09" => (VideoCodec::Vp9, false),
        _ => return Err(Error::Codec(four_cc_name(four_cc))),
    };
    match kind {
        packet_type::SEQUENCE_START => Ok(VideoTag::Config { codec, record: body }),
        packet_type::CODED_FRAMES if says_composition_time => {
            let cts = take(&mut body, "composition time")?;
            Ok(VideoTag::Frame { codec, cts_ms: i24(cts), offset_ns, data: body })
        }
        packet_type::CODED_FRAMES | packet_type::CODED_FRAMES_X => {
            Ok(VideoTag::Frame { codec, cts_ms: 0, offset_ns, data: body })
        }
        packet_type::SEQUENCE_END | packet_type::METADATA => Ok(VideoTag::Nothing),
        packet_type::MPEG2_TS_SEQUENCE_START => {
            let name = four_cc_name(four_cc);
            Err(Error::Codec(format!("{name} behind a sequence start of MPEG-2 TS")))
        }
        value => Err(Error::Unknown { what: "extended video packet", value }),
    }
}

fn i24([a, b, c]: [u8; 3]) -> i32 {
    i32::from_be_bytes([a, b, c, 0]) >> 8
}

/// The codec ids of Annex E.4.3.1.
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
        _ => return format!("video codec {id}"),
    };
    format!("{name} (FLV id {id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<VideoTag, Error> {
        super::parse(Bytes::from_static(bytes)).map(|body| body.tag)
    }

    fn config(codec: VideoCodec) -> Result<VideoTag, Error> {
        Ok(VideoTag::Config { codec, record: Bytes::from_static(b"cfg") })
    }

    fn frame(codec: VideoCodec, cts_ms: i32) -> Result<VideoTag, Error> {
        Ok(VideoTag::Frame { codec, cts_ms, offset_ns: 0, data: Bytes::from_static(b"x") })
    }

    #[test]
    fn composition_time_is_signed() {
        assert_eq!(parse(b"\x27\x01\xFF\xFF\xBEx"), frame(VideoCodec::Avc, -66));
        assert_eq!(parse(b"\x27\x01\x00\x00\x42x"), frame(VideoCodec::Avc, 66));
        assert_eq!(parse(b"\x27\x01\x80\x00\x00x"), frame(VideoCodec::Avc, -8_388_608));
    }

    #[test]
    fn a_configuration_an_end_of_sequence_and_a_command_are_told_apart() {
        assert_eq!(parse(b"\x17\x00\0\0\0cfg"), config(VideoCodec::Avc));
        assert_eq!(parse(b"\x17\x02\0\0\0"), Ok(VideoTag::Nothing));
        assert_eq!(parse(b"\x57\x00"), Ok(VideoTag::Nothing));
    }

    #[test]
    fn hevc_under_the_id_that_was_never_standardised_is_hevc() {
        assert_eq!(parse(b"\x1C\x00\0\0\0cfg"), config(VideoCodec::Hevc));
        assert_eq!(parse(b"\x2C\x01\x00\x00\x42x"), frame(VideoCodec::Hevc, 66));
    }

    #[test]
    fn every_codec_has_its_four_cc_and_only_those_with_nal_units_a_composition_time() {
        for (four_cc, codec, says_composition_time) in [
            (b"avc1", VideoCodec::Avc, true),
            (b"hvc1", VideoCodec::Hevc, true),
            (b"av01", VideoCodec::Av1, false),
            (b"vp09", VideoCodec::Vp9, false),
        ] {
            let tag = |first: u8, rest: &[u8]| {
                let bytes = [&[first][..], four_cc, rest].concat();
                super::parse(bytes.into()).map(|body| body.tag)
            };
            assert_eq!(tag(0x90, b"cfg"), config(codec));
            if says_composition_time {
                assert_eq!(tag(0xA1, b"\xFF\xFF\xFFx"), frame(codec, -1));
            } else {
                assert_eq!(tag(0xA1, b"x"), frame(codec, 0));
            }
            assert_eq!(tag(0xA3, b"x"), frame(codec, 0));
            assert_eq!(tag(0x92, b""), Ok(VideoTag::Nothing), "an end of sequence");
            assert_eq!(tag(0x94, b"\x02\0\x09colorInfo"), Ok(VideoTag::Nothing), "metadata");
        }
    }

    #[test]
    fn a_command_behind_an_extended_header_has_no_four_cc() {
        assert_eq!(parse(b"\xD1\x00"), Ok(VideoTag::Nothing));
        // Of metadata the frame type means nothing.
        assert_eq!(parse(b"\xD4av01"), Ok(VideoTag::Nothing));
    }

    #[test]
    fn a_nanosecond_offset_comes_with_its_frame() {
        let tag = parse(b"\xA7\x02\x00\x03\xE8\x01hvc1\x00\x00\x42x");
        let data = Bytes::from_static(b"x");
        let frame = VideoTag::Frame { codec: VideoCodec::Hevc, cts_ms: 66, offset_ns: 1_000, data };
        assert_eq!(tag, Ok(frame));
    }

    #[test]
    fn of_several_tracks_the_first_is_taken_and_the_others_noted() {
        let bytes = b"\xA6\x13av01\x00\0\0\x01x\x01\0\0\x01y";
        let body = super::parse(Bytes::from_static(bytes)).unwrap();
        assert_eq!((Ok(body.tag), body.other_tracks), (frame(VideoCodec::Av1, 0), true));
        let body = super::parse(Bytes::from_static(b"\xA6\x03av01\x00x")).unwrap();
        assert_eq!((Ok(body.tag), body.other_tracks), (frame(VideoCodec::Av1, 0), false));
        let body = super::parse(Bytes::from_static(b"\xA6\x03vvc1\x01x")).unwrap();
        assert_eq!((body.tag, body.other_tracks), (VideoTag::Nothing, true));
    }

    #[test]
    fn other_codecs_are_named() {
        for (bytes, name) in [
            (&b"\x22"[..], "Sorenson H.263 (FLV id 2)"),
            (b"\x24", "On2 VP6 (FLV id 4)"),
            (b"\x1D", "video codec 13"),
            (b"\x90vp08", "VP8 (vp08)"),
            (b"\x90vvc1", "VVC (vvc1)"),
            (b"\x95av01", "AV1 (av01) behind a sequence start of MPEG-2 TS"),
            (b"\x90a\xFF\x00b", "\"a\\xff\\x00b\""),
        ] {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(super::parse(bytes), Err(Error::Codec(name.to_owned())));
        }
    }

    #[test]
    fn short_tags_are_errors() {
        for bytes in [&b""[..], b"\x17", b"\x17\x01\0\0", b"\x90hv", b"\x91avc1\0", b"\xA7\x02\0"] {
            let result = super::parse(Bytes::from_static(bytes));
            assert!(matches!(result, Err(Error::Truncated { .. })), "{bytes:x?}");
        }
    }
}
