//! Sample entries: what an init segment says of a codec (ISO/IEC 14496-12 §8.5.2).
//!
//! Here: one entry for each codec, from its configuration. Not here: the boxes around it (`init`).

use media::{
    Codec, Track,
    codec::{Picture, Sound, aac, ac3, av1, flac, h264, hevc, mp3, opus, vp9},
};
use mp4_atom::{
    Ac3, Ac3SpecificBox, Atom, Audio, Av01, Av1c, Avc1, Avcc, AvccExt, Dfla, Dops, Eac3,
    Ec3IndependentSubstream, Ec3SpecificBox, Esds, Flac, Hvc1, Hvcc, Mp4a, Opus,
    OpusChannelMapping, Visual, Vp09, VpcC,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};

use super::{AUDIO_TRACK_ID, clamp_u16};

/// The sample entry of a track.
pub(super) fn write(track: &Track) -> Result<mp4_atom::Codec, mp4_atom::Error> {
    Ok(match &track.codec {
        Codec::H264(config) => avc1(config).into(),
        Codec::Hevc(config) => hvc1(config)?.into(),
        Codec::Av1(config) => av01(config)?.into(),
        Codec::Vp9(config) => vp09(config).into(),
        Codec::Aac(config) => mp4a(config).into(),
        Codec::Opus(config) => opus(config).into(),
        Codec::Flac(config) => flac(config)?.into(),
        Codec::Mp3(config) => mp3(config).into(),
        Codec::Ac3(config) if config.is_enhanced => ec3(config).into(),
        Codec::Ac3(config) => ac3(config).into(),
    })
}

fn visual(picture: Picture) -> Visual {
    Visual {
        data_reference_index: 1,
        width: clamp_u16(picture.width),
        height: clamp_u16(picture.height),
        ..Default::default()
    }
}

/// Sound with this rate in the entry, which may be another one than is heard.
fn audio(sound: Sound, sample_rate_hz: u32) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: sound.channels.into(),
        sample_size: 16,
        // The field has 16 bits before its point; above, the configuration alone tells.
        sample_rate: u16::try_from(sample_rate_hz).unwrap_or(0).into(),
    }
}

fn avc1(config: &h264::Config) -> Avc1 {
    Avc1 { visual: visual(config.picture()), avcc: avcc(config), ..Default::default() }
}

fn avcc(config: &h264::Config) -> Avcc {
    let [profile, constraints, level] = config.profile_level;
    Avcc {
        configuration_version: 1,
        avc_profile_indication: profile,
        profile_compatibility: constraints,
        avc_level_indication: level,
        length_size: config.nal_length_size as u8,
        sequence_parameter_sets: config.sps.iter().map(|nal| nal.to_vec()).collect(),
        picture_parameter_sets: config.pps.iter().map(|nal| nal.to_vec()).collect(),
        ext: avcc_ext(config),
    }
}

/// What follows the parameter sets for High profiles (ISO/IEC 14496-15 §5.3.3.1.2). Encoders leave
/// it out or cut it short as often as not.
fn avcc_ext(config: &h264::Config) -> Option<AvccExt> {
    const HEAD_LEN: usize = 6;
    const PPS_COUNT_LEN: usize = 1;
    let sets: usize = config.sps.iter().chain(&config.pps).map(|nal| 2 + nal.len()).sum();
    let tail = config.record.get(HEAD_LEN + PPS_COUNT_LEN + sets..)?;
    let &[chroma, luma_depth, chroma_depth, 0] = tail.first_chunk()? else { return None };
    Some(AvccExt {
        chroma_format: chroma & 3,
        bit_depth_luma: 8 + (luma_depth & 7),
        bit_depth_chroma: 8 + (chroma_depth & 7),
        sequence_parameter_sets_ext: Vec::new(),
    })
}

fn hvc1(config: &hevc::Config) -> Result<Hvc1, mp4_atom::Error> {
    let hvcc = Hvcc::decode_body(&mut &*config.record)?;
    Ok(Hvc1 { visual: visual(config.picture), hvcc, ..Default::default() })
}

fn av01(config: &av1::Config) -> Result<Av01, mp4_atom::Error> {
    let av1c = Av1c::decode_body(&mut &*config.record)?;
    Ok(Av01 { visual: visual(config.picture), av1c, ..Default::default() })
}

fn vp09(config: &vp9::Config) -> Vp09 {
    let [color_primaries, transfer_characteristics, matrix_coefficients] = config.colour;
    let vpcc = VpcC {
        profile: config.profile,
        level: config.level,
        bit_depth: config.bit_depth,
        chroma_subsampling: config.chroma_subsampling,
        video_full_range_flag: config.full_range,
        color_primaries,
        transfer_characteristics,
        matrix_coefficients,
        codec_initialization_data: Vec::new(),
    };
    Vp09 { visual: visual(config.picture), vpcc, ..Default::default() }
}

fn mp4a(config: &aac::Config) -> Mp4a {
    /// `objectTypeIndication` of MPEG-4 audio (ISO/IEC 14496-1 §7.2.6.6).
    const MPEG4_AUDIO: u8 = 0x40;
    let specific = DecoderSpecific { raw: config.asc.to_vec(), ..Default::default() };
    Mp4a {
        audio: audio(config.sound(), config.sample_rate_hz),
        esds: esds(MPEG4_AUDIO, Some(specific)),
        btrt: None,
        taic: None,
    }
}

fn mp3(config: &mp3::Config) -> Mp4a {
    /// `objectTypeIndication` of the audio of MPEG-1, and of that of MPEG-2.
    const MPEG1_AUDIO: u8 = 0x6b;
    const MPEG2_AUDIO: u8 = 0x69;
    Mp4a {
        audio: audio(config.sound(), config.sample_rate_hz),
        esds: esds(if config.is_mpeg1 { MPEG1_AUDIO } else { MPEG2_AUDIO }, None),
        btrt: None,
        taic: None,
    }
}

fn esds(object_type_indication: u8, dec_specific: Option<DecoderSpecific>) -> Esds {
    /// `streamType` of audio.
    const AUDIO_STREAM: u8 = 0x05;
    Esds {
        es_desc: EsDescriptor {
            es_id: AUDIO_TRACK_ID as u16,
            dec_config: DecoderConfig {
                object_type_indication,
                stream_type: AUDIO_STREAM,
                dec_specific,
                ..Default::default()
            },
            sl_config: SLConfig::default(),
            ..Default::default()
        },
    }
}

fn opus(config: &opus::Config) -> Opus {
    let sound = config.sound();
    let channel_mapping = config.mapping.as_ref().map(|mapping| OpusChannelMapping {
        family: mapping.family,
        stream_count: mapping.streams,
        coupled_count: mapping.coupled,
        channel_mapping: mapping.table.to_vec(),
    });
    Opus {
        audio: audio(sound, sound.sample_rate_hz),
        dops: Dops {
            output_channel_count: config.channels,
            pre_skip: config.pre_skip,
            input_sample_rate: config.input_sample_rate_hz,
            output_gain: config.output_gain,
            channel_mapping,
        },
        btrt: None,
    }
}

fn flac(config: &flac::Config) -> Result<Flac, mp4_atom::Error> {
    // A rate beyond the field is told by its largest divisor that fits (FLAC in ISOBMFF §3.3.2).
    let mut sample_rate_hz = config.sample_rate_hz;
    while sample_rate_hz > u16::MAX.into() && sample_rate_hz.is_multiple_of(2) {
        sample_rate_hz /= 2;
    }
    let mut audio = audio(config.sound(), sample_rate_hz);
    audio.sample_size = config.bits_per_sample.into();
    // Version and flags of the box; the block's header, which says that it is the last one.
    let mut body = vec![0, 0, 0, 0, 0x80, 0, 0, flac::STREAM_INFO_LEN as u8];
    body.extend_from_slice(&config.stream_info);
    Ok(Flac { audio, dfla: Dfla::decode_body(&mut &*body)? })
}

fn ac3(config: &ac3::Config) -> Ac3 {
    Ac3 {
        audio: audio(config.sound(), config.sample_rate_hz),
        dac3: Ac3SpecificBox {
            fscod: config.rate_code,
            bsid: config.bitstream_id,
            bsmod: config.bitstream_mode,
            acmod: config.channel_mode,
            lfeon: config.has_lfe,
            bit_rate_code: config.bit_rate_code,
        },
    }
}

fn ec3(config: &ac3::Config) -> Eac3 {
    Eac3 {
        audio: audio(config.sound(), config.sample_rate_hz),
        dec3: Ec3SpecificBox {
            data_rate: config.bit_rate_kbps,
            substreams: vec![Ec3IndependentSubstream {
                fscod: config.rate_code,
                bsid: config.bitstream_id,
                asvc: false,
                bsmod: config.bitstream_mode,
                acmod: config.channel_mode,
                lfeon: config.has_lfe,
                num_dep_sub: 0,
                chan_loc: None,
            }],
        },
    }
}
