//! Audio tags: AAC (`AACAUDIODATA`) and MP3 in the classic header, AAC, Opus, FLAC, MP3, AC-3 and
//! E-AC-3 behind a FourCC.

use bytes::Bytes;

use super::{Error, enhanced, four_cc_name, take};

/// How the sound of a tag is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AudioCodec {
    /// AAC.
    Aac,
    /// Opus.
    Opus,
    /// FLAC.
    Flac,
    /// MP3: its frames say the rest.
    Mp3,
    /// AC-3 or E-AC-3: its frames say which.
    Ac3,
}

/// What a tag brings of one sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioTag {
    /// A configuration record.
    Config {
        /// What it configures.
        codec: AudioCodec,
        /// An `AudioSpecificConfig`, an `OpusHead`, a `STREAMINFO`.
        record: Bytes,
    },
    /// Sound.
    Frame {
        /// How it is coded.
        codec: AudioCodec,
        /// A frame; with MP3 and AC-3 perhaps several.
        data: Bytes,
    },
    /// Nothing to carry: end of sequence, channel layout.
    Nothing,
}

/// Sound formats of Annex E.4.2.1.
const MP3: u8 = 2;
const AAC: u8 = 10;
const MP3_8_KHZ: u8 = 14;
/// `ExHeader` of Enhanced RTMP, in the place of a sound format.
const EXTENDED: u8 = 9;

/// `AudioPacketType` of Enhanced RTMP v2.
mod packet_type {
    pub const SEQUENCE_START: u8 = 0;
    pub const CODED_FRAMES: u8 = 1;
    pub const SEQUENCE_END: u8 = 2;
    /// Which loudspeaker a channel feeds. The records of the codecs we carry say it themselves.
    pub const MULTICHANNEL_CONFIG: u8 = 4;
    pub const MULTITRACK: u8 = 5;
}

/// One sound of an audio tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// The number of the sound (`audioTrackId`); 0 where the tag has none.
    pub track: u8,
    /// What it brings; [`Error::Codec`] for what is not carried.
    pub tag: Result<AudioTag, Error>,
}

/// The sounds of an audio tag, in their order, as they are read.
#[derive(Debug, Clone)]
pub struct Packets(Sounds);

#[derive(Debug, Clone)]
enum Sounds {
    /// Of the classic header, if it was not given yet.
    Classic(Option<AudioTag>),
    /// Behind the extended one, all of one packet type.
    Extended { packet_type: u8, tracks: enhanced::Tracks },
}

/// Reads the body of an audio tag.
///
/// # Errors
/// [`Error::Codec`] for what is not carried; otherwise when the tag is too short or of an unknown
/// packet type.
pub fn parse(mut body: Bytes) -> Result<Packets, Error> {
    let [first] = take(&mut body, "audio tag")?;
    let classic = |tag| Ok(Packets(Sounds::Classic(Some(tag))));
    match first >> 4 {
        AAC => classic(parse_aac(body)?),
        // Rate and channels of the header cannot say what every frame says.
        MP3 | MP3_8_KHZ => classic(AudioTag::Frame { codec: AudioCodec::Mp3, data: body }),
        EXTENDED => parse_extended(first & 0x0F, body),
        other => Err(Error::Codec(codec_name(other))),
    }
}

impl Iterator for Packets {
    type Item = Result<Packet, Error>;

    /// An error of the packet as a whole is the last item.
    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.0 {
            Sounds::Classic(tag) => tag.take().map(|tag| Ok(Packet { track: 0, tag: Ok(tag) })),
            Sounds::Extended { packet_type, tracks } => {
                let packet = tracks.next()?.map(|track| Packet {
                    track: track.id,
                    tag: parse_track(*packet_type, track.four_cc, track.body),
                });
                Some(packet)
            }
        }
    }
}

/// `AACAUDIODATA` (Annex E.4.2.2).
fn parse_aac(mut body: Bytes) -> Result<AudioTag, Error> {
    let codec = AudioCodec::Aac;
    let [packet_type] = take(&mut body, "AAC packet")?;
    match packet_type {
        0 => Ok(AudioTag::Config { codec, record: body }),
        1 => Ok(AudioTag::Frame { codec, data: body }),
        value => Err(Error::Unknown { what: "AAC packet", value }),
    }
}

/// `ExAudioTagHeader`: the packet type, modifiers, then tracks with a FourCC.
fn parse_extended(mut packet_type: u8, mut body: Bytes) -> Result<Packets, Error> {
    // Sound is timed by counting its samples, which is finer than any refined timestamp.
    let _offset_ns = enhanced::modifiers(&mut packet_type, &mut body)?;
    let tracks = enhanced::Tracks::read(&mut packet_type, packet_type::MULTITRACK, body)?;
    Ok(Packets(Sounds::Extended { packet_type, tracks }))
}

/// `ExAudioTagBody` of one track.
fn parse_track(kind: u8, four_cc: [u8; 4], body: Bytes) -> Result<AudioTag, Error> {
    let codec = match &four_cc {
        b"mp4a" => AudioCodec::Aac,
        b"Opus" => AudioCodec::Opus,
        b"fLaC" => AudioCodec::Flac,
        b".mp3" => AudioCodec::Mp3,
        b"ac-3" | b"ec-3" => AudioCodec::Ac3,
        _ => return Err(Error::Codec(four_cc_name(four_cc))),
    };
    match kind {
        // There is nothing to configure: whatever is in it, the frames know better.
        packet_type::SEQUENCE_START if matches!(codec, AudioCodec::Mp3 | AudioCodec::Ac3) => {
            Ok(AudioTag::Nothing)
        }
        packet_type::SEQUENCE_START => Ok(AudioTag::Config { codec, record: body }),
        packet_type::CODED_FRAMES => Ok(AudioTag::Frame { codec, data: body }),
        packet_type::SEQUENCE_END | packet_type::MULTICHANNEL_CONFIG => Ok(AudioTag::Nothing),
        value => Err(Error::Unknown { what: "extended audio packet", value }),
    }
}

/// The sound formats of Annex E.4.2.1.
fn codec_name(id: u8) -> String {
    let name = match id {
        0 => "PCM",
        1 => "ADPCM",
        3 => "PCM, little endian",
        4 => "Nellymoser 16 kHz",
        5 => "Nellymoser 8 kHz",
        6 => "Nellymoser",
        7 => "G.711 A-law",
        8 => "G.711 mu-law",
        11 => "Speex",
        13 => "Opus",
        _ => return format!("audio codec {id}"),
    };
    format!("{name} (FLV id {id})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bytes: &'static [u8]) -> Result<AudioTag, Error> {
        super::parse(Bytes::from_static(bytes))?.next().expect("a sound")?.tag
    }

    fn config(codec: AudioCodec, record: &'static [u8]) -> Result<AudioTag, Error> {
        Ok(AudioTag::Config { codec, record: Bytes::from_static(record) })
    }

    fn frame(codec: AudioCodec, data: &'static [u8]) -> Result<AudioTag, Error> {
        Ok(AudioTag::Frame { codec, data: Bytes::from_static(data) })
    }

    #[test]
    fn a_configuration_and_an_access_unit_are_told_apart() {
        assert_eq!(parse(b"\xAF\x00\x12\x10"), config(AudioCodec::Aac, b"\x12\x10"));
        assert_eq!(parse(b"\xAF\x01aac"), frame(AudioCodec::Aac, b"aac"));
    }

    #[test]
    fn mp3_has_no_configuration_at_either_of_its_two_ids() {
        for bytes in [b"\x2Fmp3", b"\xEAmp3"] {
            assert_eq!(parse(bytes), frame(AudioCodec::Mp3, b"mp3"));
        }
        assert_eq!(parse(b"\x90.mp3"), Ok(AudioTag::Nothing));
    }

    #[test]
    fn every_codec_has_its_four_cc() {
        for (start, frames, codec) in [
            (&b"\x90mp4ax"[..], &b"\x91mp4ax"[..], AudioCodec::Aac),
            (b"\x90Opusx", b"\x91Opusx", AudioCodec::Opus),
            (b"\x90fLaCx", b"\x91fLaCx", AudioCodec::Flac),
        ] {
            assert_eq!(parse(start), config(codec, b"x"));
            assert_eq!(parse(frames), frame(codec, b"x"));
        }
        for (frames, codec) in [
            (b"\x91.mp3x", AudioCodec::Mp3),
            (b"\x91ac-3x", AudioCodec::Ac3),
            (b"\x91ec-3x", AudioCodec::Ac3),
        ] {
            assert_eq!(parse(frames), frame(codec, b"x"));
        }
        assert_eq!(parse(b"\x92Opus"), Ok(AudioTag::Nothing), "an end of sequence");
        assert_eq!(parse(b"\x94Opus\x01\x02\0\0\0\x03"), Ok(AudioTag::Nothing), "loudspeakers");
    }

    #[test]
    fn modifiers_are_passed_over() {
        assert_eq!(parse(b"\x97\x02\x00\x03\xE8\x01Opusx"), frame(AudioCodec::Opus, b"x"));
    }

    #[test]
    fn a_tag_of_several_sounds_gives_each_with_its_number() {
        let sounds = |bytes| {
            let packets = super::parse(Bytes::from_static(bytes)).unwrap();
            packets.map(|packet| packet.map(|it| (it.track, it.tag))).collect::<Vec<_>>()
        };
        let two_codecs = b"\x95\x21mp4a\x01\0\0\x01yOpus\x00\0\0\x01x";
        let (aac, opus) = (frame(AudioCodec::Aac, b"y"), frame(AudioCodec::Opus, b"x"));
        assert_eq!(sounds(two_codecs), [Ok((1, aac)), Ok((0, opus))]);
        let one_codec = b"\x95\x10Opus\x00\0\0\x01a\x03\0\0\x01b";
        let [a, b] = [b"a", b"b"].map(|record| config(AudioCodec::Opus, record));
        assert_eq!(sounds(one_codec), [Ok((0, a)), Ok((3, b))]);
        assert_eq!(sounds(b"\x95\x01mp4a\x02x"), [Ok((2, frame(AudioCodec::Aac, b"x")))]);
    }

    #[test]
    fn a_codec_that_is_not_carried_hides_no_other_sound() {
        let bytes = b"\x95\x21dtsc\x01\0\0\x01yOpus\x00\0\0\x01x";
        let mut packets = super::parse(Bytes::from_static(bytes)).unwrap();
        let unknown = Err(Error::Codec("\"dtsc\"".to_owned()));
        assert_eq!(packets.next(), Some(Ok(Packet { track: 1, tag: unknown })));
        let opus = frame(AudioCodec::Opus, b"x");
        assert_eq!(packets.next(), Some(Ok(Packet { track: 0, tag: opus })));
    }

    #[test]
    fn other_codecs_are_named() {
        for (bytes, name) in [
            (&b"\xB6"[..], "Speex (FLV id 11)"),
            (b"\x7F", "G.711 A-law (FLV id 7)"),
            (b"\x90dtsc", "\"dtsc\""),
        ] {
            assert_eq!(parse(bytes), Err(Error::Codec(name.to_owned())));
        }
    }

    #[test]
    fn short_tags_are_errors() {
        for bytes in [&b""[..], b"\xAF", b"\x90mp4", b"\x97\x02\0", b"\x95"] {
            assert!(matches!(parse(bytes), Err(Error::Truncated { .. })), "{bytes:x?}");
        }
    }
}
