//! What a recorder keeps of a segment beside its bytes, and the forms that are made of these bytes again.
//!
//! Here: how renditions list a segment, their init segments, one track of stored bytes alone. Not here:
//! where anything is stored (`recorder`), the playlists of recordings (`playlist::recorded`).

use std::sync::Arc;

use bytes::Bytes;
use media::{Kind, SoundNumber, Timescale, Track, codec::Picture};

use crate::{
    Rendition, Segment,
    fmp4::{emsg::Emsg, fragment},
    part::Run,
    segment::Head,
    tracks::TrackSet,
};

/// How a rendition lists a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// `EXTINF`, in microseconds.
    pub duration_us: u64,
    /// `EXT-X-PROGRAM-DATE-TIME`, in Unix milliseconds.
    pub program_date_time_ms: i64,
    /// Whether it holds nothing for the rendition (`EXT-X-GAP`).
    pub is_gap: bool,
    /// The init segment it needs.
    pub init_id: Option<u32>,
}

/// An init segment of a rendition, and what a multivariant playlist says of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Init {
    /// Of which rendition.
    pub rendition: Rendition,
    /// Its id among those of the rendition, within the epoch.
    pub id: u32,
    /// `ftyp` and `moov`.
    pub bytes: Bytes,
    /// The codecs it declares (RFC 6381), the picture's first.
    pub codecs: Vec<String>,
    /// The picture it declares.
    pub picture: Option<Picture>,
    /// Loudspeakers fed by the sound it declares.
    pub channels: Option<u8>,
    /// Ticks per second of its track; of the picture, where there are two.
    pub timescale: Timescale,
    /// What it declares, the picture first.
    pub tracks: Vec<Arc<Track>>,
}

impl Segment {
    /// How a rendition lists it.
    pub fn listed(&self, rendition: Rendition) -> Listed {
        let head = self.head();
        let duration_us = match rendition {
            Rendition::Audio(_) => head.shown(rendition).map(|part| part.length_us).sum(),
            _ => self.duration_us(),
        };
        Listed {
            duration_us,
            program_date_time_ms: head.program_date_time_ms(rendition),
            is_gap: self.is_gap(rendition),
            init_id: head.init_id(rendition),
        }
    }

    /// The renditions it can be listed in, MPEG-TS left out. The source and the sounds beside the first
    /// have bytes of their own; the others are made of the source's.
    pub fn renditions(&self) -> Vec<Rendition> {
        let Head { tracks, others, .. } = self.head();
        let mut renditions = vec![Rendition::Source];
        renditions.extend(tracks.video.as_ref().map(|_| Rendition::Video));
        renditions.extend(tracks.audio.as_ref().map(|_| Rendition::SOUND));
        renditions.extend(others.iter().map(|other| Rendition::Audio(other.number)));
        renditions
    }

    /// The init segment that it needs in a rendition.
    pub fn init(&self, rendition: Rendition) -> Option<Init> {
        let Head { tracks, others, .. } = self.head();
        match rendition {
            Rendition::Source => Some(of_tracks(rendition, tracks, Some(&tracks.init), true, true)),
            Rendition::SourceTs => None,
            Rendition::Video => tracks
                .video
                .as_ref()
                .map(|_| of_tracks(rendition, tracks, tracks.video_init.as_ref(), true, false)),
            Rendition::Audio(SoundNumber::FIRST) => tracks
                .audio
                .as_ref()
                .map(|_| of_tracks(rendition, tracks, tracks.audio_init.as_ref(), false, true)),
            Rendition::Audio(number) => {
                let other = others.iter().find(|other| other.number == number)?;
                let tracks = &other.tracks;
                Some(of_tracks(rendition, tracks, Some(&tracks.init), false, true))
            }
        }
    }

    /// Pictures in it.
    pub fn pictures(&self) -> u64 {
        self.parts().iter().map(|part| u64::from(part.pictures)).sum()
    }
}

fn of_tracks(
    rendition: Rendition,
    tracks: &TrackSet,
    bytes: Option<&Bytes>,
    has_video: bool,
    has_audio: bool,
) -> Init {
    let video = tracks.video.as_ref().filter(|_| has_video);
    let audio = tracks.audio.as_ref().filter(|_| has_audio);
    let declared = || video.into_iter().chain(audio);
    Init {
        rendition,
        id: tracks.init_id,
        bytes: bytes.cloned().unwrap_or_default(),
        codecs: declared().map(|track| track.codec_string()).collect(),
        picture: video.and_then(|track| track.picture()),
        channels: audio.and_then(|track| track.sound()).map(|sound| sound.channels),
        timescale: declared().next().map_or(Timescale::MILLIS, |track| track.timescale),
        tracks: declared().cloned().collect(),
    }
}

/// One track of the stored bytes of a segment alone, as [`Segment::bytes`] gave it while the live was on:
/// the picture's or the first sound's. `timescale` is that of the track. `None` if these are not the bytes
/// of a segment.
pub fn alone(kind: Kind, segment: &[u8], timescale: Timescale) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while !rest.is_empty() {
        let said_len = fragment::boxes(rest)
            .take_while(|it| it.kind == *b"emsg")
            .map(|it| it.whole.len())
            .sum::<usize>();
        let (said, from_fragment) = rest.split_at_checked(said_len)?;
        let (fragment, after) = fragment::split(from_fragment)?;
        rest = after;
        let runs = fragment::read(fragment)?;
        let (Some(run), end) = (match kind {
            Kind::Video => (runs.video, runs.audio.map_or(fragment.len(), |audio| audio.data)),
            Kind::Audio => (runs.audio, fragment.len()),
        }) else {
            continue;
        };
        for (emsg, written_in) in Emsg::read_all(said).zip(Emsg::timescales(said)) {
            let at_ticks = written_in.rescale(emsg.at_ticks, timescale);
            Emsg { at_ticks, ..emsg }.write(&mut out, timescale);
        }
        fragment::write_alone(kind, fragment, &run, end, &mut out);
    }
    // A sound is a tenth of the whole.
    out.shrink_to_fit();
    Some(out)
}

/// The picture that the bytes of a segment open on, as a fragment of its own: behind the init segment of the
/// picture alone ([`Rendition::Video`]) a film of one picture. `None` if nothing decodes it alone, and where
/// the bytes end before the part that it is in does.
pub fn opening_picture(segment: &[u8]) -> Option<Vec<u8>> {
    let mut rest = segment;
    loop {
        let said_len: usize = fragment::boxes(rest)
            .take_while(|it| it.kind == *b"emsg")
            .map(|it| it.whole.len())
            .sum();
        let (fragment, after) = fragment::split(rest.get(said_len..)?)?;
        rest = after;
        let Some(run) = fragment::read(fragment)?.video else { continue };
        let opening = fragment.get(run.table..)?.get(..fragment::VIDEO_ENTRY_LEN)?;
        let opening = fragment::Entry::read(opening).filter(|it| it.is_sync)?;
        let end = run.data.checked_add(opening.size as usize)?;
        let mut out = Vec::new();
        fragment::write_alone(Kind::Video, fragment, &Run { count: 1, ..run }, end, &mut out);
        return (!out.is_empty()).then_some(out);
    }
}
