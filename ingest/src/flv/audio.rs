//! Audio tags: AAC (`AACAUDIODATA`), in the classic header or behind the FourCC `mp4a`.

use bytes::Bytes;

use super::{Error, four_cc_name, take};

/// The body of an audio tag, understood.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioTag {
    /// An `AudioSpecificConfig`.
    Config(Bytes),
    /// A raw access unit.
    Frame(Bytes),
    /// Nothing to carry: end of sequence, channel layout.
    Nothing,
}

const AAC: u8 = 10;
/// `ExHeader` of enhanced RTMP, in the place of a sound format.
const FOUR_CC: u8 = 9;

/// Reads the body of an audio tag.
///
/// # Errors
/// [`Error::Codec`] for anything but AAC; otherwise when the tag is too short or of an unknown packet
/// type.
pub fn parse(mut body: Bytes) -> Result<AudioTag, Error> {
    let [first] = take(&mut body, "audio tag")?;
    match first >> 4 {
        AAC => parse_aac(body),
        FOUR_CC => parse_four_cc(first & 0x0F, body),
        other => Err(Error::Codec(codec_name(other))),
    }
}

/// `AACAUDIODATA` (Annex E.4.2.2).
fn parse_aac(mut body: Bytes) -> Result<AudioTag, Error> {
    let [packet_type] = take(&mut body, "AAC packet")?;
    match packet_type {
        0 => Ok(AudioTag::Config(body)),
        1 => Ok(AudioTag::Frame(body)),
        value => Err(Error::Unknown { what: "AAC packet", value }),
    }
}

/// `ExAudioTagHeader` of enhanced RTMP.
fn parse_four_cc(packet_type: u8, mut body: Bytes) -> Result<AudioTag, Error> {
    let four_cc = take::<4>(&mut body, "audio FourCC")?;
    if &four_cc != b"mp4a" {
        return Err(Error::Codec(four_cc_name(four_cc)));
    }
    match packet_type {
        0 => Ok(AudioTag::Config(body)),
        1 => Ok(AudioTag::Frame(body)),
        2 | 4 => Ok(AudioTag::Nothing),
        value => Err(Error::Unknown { what: "extended audio packet", value }),
    }
}

/// The sound formats of Annex E.4.2.1.
fn codec_name(id: u8) -> String {
    let name = match id {
        0 => "PCM",
        1 => "ADPCM",
        2 => "MP3",
        3 => "PCM, little endian",
        4 => "Nellymoser 16 kHz",
        5 => "Nellymoser 8 kHz",
        6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        13 => "Opus",
        14 => "MP3 8 kHz",
        _ => return format!("audio codec {id}"),
    };
    format!("{name} (FLV id {id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<AudioTag, Error> {
        super::parse(Bytes::from_static(bytes))
    }

    #[test]
    fn a_configuration_and_an_access_unit_are_told_apart() {
        assert_eq!(
            parse(b"\xAF\x00\x12\x10"),
            Ok(AudioTag::Config(Bytes::from_static(b"\x12\x10")))
        );
        assert_eq!(parse(b"\xAF\x01aac"), Ok(AudioTag::Frame(Bytes::from_static(b"aac"))));
        assert_eq!(
            parse(b"\x90mp4a\x12\x10"),
            Ok(AudioTag::Config(Bytes::from_static(b"\x12\x10")))
        );
    }

    #[test]
    fn other_codecs_are_named() {
        for (bytes, name) in [
            (&b"\x2F"[..], "MP3 (FLV id 2)"),
            (b"\xB6", "Speex (FLV id 11)"),
            (b"\x7F", "G.711 A-law (FLV id 7)"),
            (b"\x90Opus", "Opus"),
        ] {
            let bytes = Bytes::from_static(bytes);
            assert_eq!(super::parse(bytes), Err(Error::Codec(name.to_owned())));
        }
    }

    #[test]
    fn short_tags_are_errors() {
        for bytes in [&b""[..], b"\xAF", b"\x90mp4"] {
            let result = super::parse(Bytes::from_static(bytes));
            assert!(matches!(result, Err(Error::Truncated { .. })), "{bytes:x?}");
        }
    }
}
