//! The init segment: `ftyp` and `moov`, written by `mp4-atom`.

use bytes::Bytes;
use media::{
    Codec, Track,
    codec::{aac, h264},
};
use mp4_atom::{
    Audio, Avc1, Avcc, AvccExt, Dinf, Dref, DrefEntry, Encode, Esds, FourCC, Ftyp, Hdlr, Matrix,
    Mdhd, Mdia, Minf, Moov, Mp4a, Mvex, Mvhd, Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url,
    Visual, Vmhd,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor, SLConfig},
};

use super::{AUDIO_TRACK_ID, VIDEO_TRACK_ID};
use crate::{Error, tracks::Announced};

/// Writes the init segment of these tracks.
pub(crate) fn write(tracks: &Announced) -> Result<Bytes, Error> {
    let present: Vec<(u32, &Track)> = [
        tracks.video.as_deref().map(|track| (VIDEO_TRACK_ID, track)),
        tracks.audio.as_deref().map(|track| (AUDIO_TRACK_ID, track)),
    ]
    .into_iter()
    .flatten()
    .collect();
    let moov = Moov {
        mvhd: Mvhd {
            timescale: 1_000,
            rate: 1.into(),
            volume: 1.into(),
            next_track_id: AUDIO_TRACK_ID + 1,
            ..Default::default()
        },
        mvex: Some(Mvex {
            trex: present.iter().map(|&(id, _)| trex(id)).collect(),
            ..Default::default()
        }),
        trak: present.iter().map(|&(id, track)| trak(id, track)).collect(),
        ..Default::default()
    };
    let mut init = Vec::with_capacity(2_048);
    ftyp()
        .encode(&mut init)
        .and_then(|()| moov.encode(&mut init))
        .map_err(|e| Error::Init(e.to_string()))?;
    Ok(init.into())
}

fn ftyp() -> Ftyp {
    Ftyp {
        major_brand: FourCC::new(b"iso6"),
        minor_version: 0,
        // CMAF (ISO/IEC 23000-19 §7.2) asks for `cmfc`.
        compatible_brands: [b"iso6", b"mp41", b"cmfc"].map(FourCC::new).to_vec(),
    }
}

fn trex(track_id: u32) -> Trex {
    Trex { track_id, default_sample_description_index: 1, ..Default::default() }
}

fn trak(track_id: u32, track: &Track) -> Trak {
    let (entry, is_video) = match &track.codec {
        Codec::H264(config) => (avc1(config).into(), true),
        Codec::Aac(config) => (mp4a(config).into(), false),
    };
    let (width, height) = match &track.codec {
        Codec::H264(config) => (clamp_u16(config.width), clamp_u16(config.height)),
        Codec::Aac(_) => (0, 0),
    };
    Trak {
        tkhd: Tkhd {
            track_id,
            enabled: true,
            in_movie: true,
            alternate_group: u16::from(!is_video),
            volume: u8::from(!is_video).into(),
            matrix: Matrix::default(),
            width: width.into(),
            height: height.into(),
            ..Default::default()
        },
        mdia: Mdia {
            mdhd: Mdhd {
                timescale: track.timescale.get(),
                language: "und".into(),
                ..Default::default()
            },
            hdlr: Hdlr {
                handler: FourCC::new(if is_video { b"vide" } else { b"soun" }),
                name: if is_video { "VideoHandler" } else { "SoundHandler" }.into(),
            },
            minf: Minf {
                vmhd: is_video.then(Vmhd::default),
                smhd: (!is_video).then(Smhd::default),
                dinf: Dinf { dref: Dref { entries: vec![DrefEntry::Url(Url::default())] } },
                stbl: Stbl {
                    stsd: Stsd { codecs: vec![entry] },
                    stco: Some(Stco::default()),
                    ..Default::default()
                },
                ..Default::default()
            },
        },
        ..Default::default()
    }
}

fn avc1(config: &h264::Config) -> Avc1 {
    Avc1 {
        visual: Visual {
            data_reference_index: 1,
            width: clamp_u16(config.width),
            height: clamp_u16(config.height),
            ..Default::default()
        },
        avcc: avcc(config),
        ..Default::default()
    }
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

fn mp4a(config: &aac::Config) -> Mp4a {
    /// `objectTypeIndication` of MPEG-4 audio, and `streamType` of audio (ISO/IEC 14496-1 §7.2.6.6).
    const MPEG4_AUDIO: u8 = 0x40;
    const AUDIO_STREAM: u8 = 0x05;
    Mp4a {
        audio: Audio {
            data_reference_index: 1,
            channel_count: config.channel_count().into(),
            sample_size: 16,
            // The field has 16 bits before its point; above, the configuration alone tells.
            sample_rate: u16::try_from(config.sample_rate_hz).unwrap_or(0).into(),
        },
        esds: Esds {
            es_desc: EsDescriptor {
                es_id: AUDIO_TRACK_ID as u16,
                dec_config: DecoderConfig {
                    object_type_indication: MPEG4_AUDIO,
                    stream_type: AUDIO_STREAM,
                    dec_specific: Some(DecoderSpecific {
                        raw: config.asc.to_vec(),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
                sl_config: SLConfig::default(),
                ..Default::default()
            },
        },
        btrt: None,
        taic: None,
    }
}

fn clamp_u16(pixels: u32) -> u16 {
    u16::try_from(pixels).unwrap_or(u16::MAX)
}
