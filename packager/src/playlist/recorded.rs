//! Playlists of a recording: what was listed while its live was on, from the first segment to the end
//! (`EXT-X-PLAYLIST-TYPE:VOD`, rfc8216bis §4.4.3.5).
//!
//! Segments keep the names they had, in a folder of their epoch. A silence that was listed as gaps is
//! left out: nobody comes later to wait through it, and the date after it tells how long it was.

use std::fmt::{self, Write};

use m3u8_rs::VariantStream;
use media::{Labels, SoundNumber, codec::Picture};

use super::{
    media::{PlaylistUri, Prefix, Seconds, SegmentUri},
    multivariant, rates,
    wall_clock::WallClock,
};
use crate::{Listed, Rendition};

const HEAD_LEN: usize = 160;
const SEGMENT_LEN: usize = 100;

/// A segment of a recording as one rendition lists it.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// Its epoch.
    pub epoch: &'a str,
    /// Its Media Sequence Number there.
    pub msn: u64,
    /// How the rendition listed it.
    pub listed: Listed,
    /// Whether timestamps or configuration break before it.
    pub discontinuity: bool,
    /// Whether it can be decoded alone.
    pub independent: bool,
    /// Where it lies, if not under its name beside the playlist.
    pub outside: Option<Outside<'a>>,
    /// The same of its init segment.
    pub init_outside: Option<Outside<'a>>,
}

/// Bytes of a file elsewhere (`EXT-X-BYTERANGE`, rfc8216bis §4.4.4.2).
#[derive(Debug, Clone, Copy)]
pub struct Outside<'a> {
    /// The address of the file.
    pub url: &'a str,
    /// Where they begin.
    pub at: u64,
    /// How many they are.
    pub len: u64,
}

impl fmt::Display for Outside<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.len, self.at)
    }
}

/// A rendition of a recording, as the multivariant playlist offers it.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Which.
    pub rendition: Rendition,
    /// `BANDWIDTH` and `AVERAGE-BANDWIDTH`; see [`bandwidth`].
    pub bandwidth: (u64, u64),
    /// Every codec that it needs (RFC 6381).
    pub codecs: Vec<String>,
    /// Its picture.
    pub picture: Option<Picture>,
    /// Pictures per second; see [`frame_rate`].
    pub fps: Option<f64>,
    /// Loudspeakers fed by its sound.
    pub channels: Option<u8>,
}

/// The file name of the media playlist of a rendition, as multivariant playlists say it.
pub fn file_name(rendition: Rendition) -> String {
    PlaylistUri(rendition).to_string()
}

/// The least `EXT-X-TARGETDURATION` of these segments, in seconds: the longest, rounded.
pub fn target_duration_s<'a>(entries: impl Iterator<Item = Entry<'a>>) -> u32 {
    let rounded = |entry: Entry<'_>| (entry.listed.duration_us + 500_000) / 1_000_000;
    u32::try_from(entries.map(rounded).max().unwrap_or(0)).unwrap_or(u32::MAX).max(1)
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` of segments of so many bytes and microseconds, in bit/s.
pub fn bandwidth(
    sizes: impl Iterator<Item = (u64, u64)> + Clone,
    target_duration_s: u32,
) -> (u64, u64) {
    rates::bandwidth_of(sizes, target_duration_s)
}

/// Pictures per second of so many in so many microseconds, `declared` where the measure agrees.
pub fn frame_rate(pictures: u64, length_us: u64, declared: Option<f64>) -> Option<f64> {
    (pictures > 0 && length_us > 0).then(|| rates::measured(pictures, length_us, declared))
}

/// The media playlist of a rendition. `target_duration_s` is the same for all renditions (§6.2.4), and at least
/// that of each.
pub fn media<'a>(
    rendition: Rendition,
    target_duration_s: u32,
    entries: impl ExactSizeIterator<Item = Entry<'a>> + Clone,
) -> String {
    let mut text = String::with_capacity(HEAD_LEN + entries.len() * SEGMENT_LEN);
    write_media(&mut text, rendition, target_duration_s, entries)
        .expect("writing to memory does not fail");
    text
}

fn write_media<'a>(
    text: &mut String,
    rendition: Rendition,
    target_duration_s: u32,
    entries: impl Iterator<Item = Entry<'a>> + Clone,
) -> fmt::Result {
    writeln!(text, "#EXTM3U")?;
    writeln!(text, "#EXT-X-VERSION:6")?;
    writeln!(text, "#EXT-X-TARGETDURATION:{target_duration_s}")?;
    writeln!(text, "#EXT-X-MEDIA-SEQUENCE:0")?;
    writeln!(text, "#EXT-X-PLAYLIST-TYPE:VOD")?;
    if matches!(rendition, Rendition::Audio(_)) || entries.clone().all(|it| it.independent) {
        writeln!(text, "#EXT-X-INDEPENDENT-SEGMENTS")?;
    }
    let mut map = None;
    for (at, entry) in entries.enumerate() {
        let Entry { epoch, msn, listed, .. } = entry;
        if entry.discontinuity && at > 0 {
            writeln!(text, "#EXT-X-DISCONTINUITY")?;
        }
        // As while it was live: players that reset at a discontinuity need it again.
        if let Some(id) = listed.init_id
            && (entry.discontinuity || map != Some((epoch, id)))
        {
            let prefix = Prefix(rendition);
            match entry.init_outside {
                Some(it) => writeln!(text, "#EXT-X-MAP:URI=\"{}\",BYTERANGE=\"{it}\"", it.url)?,
                None => writeln!(text, "#EXT-X-MAP:URI=\"{epoch}/{prefix}init-{id}.mp4\"")?,
            }
            map = Some((epoch, id));
        }
        writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", WallClock(listed.program_date_time_ms))?;
        if listed.is_gap {
            writeln!(text, "#EXT-X-GAP")?;
        }
        writeln!(text, "#EXTINF:{},", Seconds(listed.duration_us))?;
        match entry.outside {
            Some(it) => writeln!(text, "#EXT-X-BYTERANGE:{it}\n{}", it.url)?,
            None => writeln!(text, "{epoch}/{}", SegmentUri(rendition, msn))?,
        }
    }
    writeln!(text, "#EXT-X-ENDLIST")
}

/// The multivariant playlist: the source and its sound alone; where there are several sounds, the picture
/// alone and the sounds to choose from, as while it was live (§4.4.6.2.1). `uri` says where each media playlist is.
pub fn multivariant(
    offers: &[Offer],
    labels: &Labels,
    uri: impl Fn(Rendition) -> String,
) -> Option<String> {
    let of = |rendition: Rendition| offers.iter().find(|offer| offer.rendition == rendition);
    let sounds = || {
        let numbered = |offer: &Offer| match offer.rendition {
            Rendition::Audio(number) => Some((number, offer.channels)),
            _ => None,
        };
        offers.iter().filter_map(numbered)
    };
    let first_sound = sounds().next().map(|(number, _)| Rendition::Audio(number));
    let several = sounds().any(|(number, _)| number != SoundNumber::FIRST);
    let has_picture = of(Rendition::Video).is_some();
    let offered = match first_sound {
        Some(sound) if several && has_picture => vec![Rendition::Video, sound],
        Some(sound) if several => vec![sound],
        Some(sound) if has_picture => vec![Rendition::Source, sound],
        Some(sound) if of(Rendition::Source).is_none() => vec![sound],
        _ => vec![Rendition::Source],
    };
    let variants = offered.into_iter().filter_map(of).map(|offer| {
        let is_sound = matches!(offer.rendition, Rendition::Audio(_));
        let beside = offers.iter().filter(|it| match it.rendition {
            Rendition::Audio(_) => several && it.rendition != offer.rendition,
            _ => false,
        });
        let mut codecs = offer.codecs.clone();
        let (mut peak, mut average) = (0, 0);
        for other in beside {
            let is_new = |codec: &&String| !offer.codecs.contains(codec);
            codecs.extend(other.codecs.iter().filter(is_new).cloned());
            peak = other.bandwidth.0.max(peak);
            average = other.bandwidth.1.max(average);
        }
        let (own_peak, own_average) = offer.bandwidth;
        let bandwidth = match is_sound {
            true => (own_peak.max(peak), own_average.max(average)),
            false => (own_peak + peak, own_average + average),
        };
        codecs.dedup();
        let variant = VariantStream {
            uri: uri(offer.rendition),
            bandwidth: bandwidth.0,
            average_bandwidth: Some(bandwidth.1),
            codecs: Some(codecs.join(",")),
            audio: several.then(|| multivariant::GROUP.to_owned()),
            ..Default::default()
        };
        multivariant::showing(variant, offer.picture, offer.fps)
    });
    let alternatives = match several {
        true => multivariant::alternatives(sounds(), labels, &uri),
        false => Vec::new(),
    };
    multivariant::write(variants.collect(), alternatives)
}
