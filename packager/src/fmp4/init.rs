//! The init segment: `ftyp` and `moov`, written by `mp4-atom`.

use bytes::Bytes;
use media::{Kind, Track};
use mp4_atom::{
    Dinf, Dref, DrefEntry, Encode, FourCC, Ftyp, Hdlr, Matrix, Mdhd, Mdia, Minf, Moov, Mvex, Mvhd,
    Smhd, Stbl, Stco, Stsd, Tkhd, Trak, Trex, Url, Vmhd,
};

use super::{AUDIO_TRACK_ID, VIDEO_TRACK_ID, clamp_u16, sample_entry};
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
    let failed = |error: mp4_atom::Error| Error::Init(error.to_string());
    let traks = present.iter().map(|&(id, track)| trak(id, track)).collect::<Result<_, _>>();
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
        trak: traks.map_err(failed)?,
        ..Default::default()
    };
    let mut init = Vec::with_capacity(2_048);
    ftyp().encode(&mut init).and_then(|()| moov.encode(&mut init)).map_err(failed)?;
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

fn trak(track_id: u32, track: &Track) -> Result<Trak, mp4_atom::Error> {
    let is_video = track.kind() == Kind::Video;
    let (width, height) = track
        .picture()
        .map_or((0, 0), |picture| (clamp_u16(picture.width), clamp_u16(picture.height)));
    Ok(Trak {
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
                    stsd: Stsd { codecs: vec![sample_entry::write(track)?] },
                    stco: Some(Stco::default()),
                    ..Default::default()
                },
                ..Default::default()
            },
        },
        ..Default::default()
    })
}
