//! The multivariant playlist (rfc8216bis §4.4.6), by the types of `m3u8-rs`.

use std::collections::HashMap;

use m3u8_rs::{
    AlternativeMedia, AlternativeMediaType, MasterPlaylist, QuotedOrUnquoted, Resolution,
    VariantStream,
};
use media::{
    Labels, SoundNumber, Track,
    codec::Picture,
    id::{Epoch, PlaybackName},
};

use super::{
    media::{Listing, PlaylistUri},
    rates,
};
use crate::{Rendition, window::Window};

/// `GROUP-ID` of the sounds to choose from: there is one group.
pub(crate) const GROUP: &str = "sound";

/// Offers the rendition of `listing`, and after the source its sound alone; where several sounds are
/// listed, the picture alone and the sounds to choose from (§4.4.6.2.1).
pub(crate) fn render(
    listing: Listing<'_>,
    labels: &Labels,
    name: &PlaybackName,
    epoch: &Epoch,
) -> Option<String> {
    let sounds = listed_sounds(listing.window);
    // One sound travels with its picture, and so does the first of several in MPEG-TS.
    let several = sounds.iter().any(|it| *it != SoundNumber::FIRST)
        && listing.rendition != Rendition::SourceTs;
    let has_picture = listing.window.newest_with_video().is_some();
    let has_both =
        || listing.window.listed().any(|it| it.has_video() && it.tracks().audio.is_some());
    let of_sounds = || sounds.iter().copied().map(Rendition::Audio);
    // The sound of those who do not choose.
    let sound = of_sounds().next();
    let offered = match (listing.rendition, sound) {
        (Rendition::Source, Some(sound)) if several && has_picture => vec![Rendition::Video, sound],
        (_, Some(sound)) if several => vec![sound],
        (Rendition::Source, _) if has_both() => vec![Rendition::Source, Rendition::SOUND],
        (rendition, _) => vec![rendition],
    };
    let uri = |rendition| format!("{name}/{epoch}/{}", PlaylistUri(rendition));
    let variants = offered.into_iter().map(|rendition| {
        let with: Vec<_> = match rendition {
            Rendition::Video => std::iter::once(rendition).chain(of_sounds()).collect(),
            Rendition::Audio(_) if several => of_sounds().collect(),
            _ => vec![rendition],
        };
        let (bandwidth, average_bandwidth) = bandwidth(&listing, &with);
        let variant = VariantStream {
            uri: uri(rendition),
            bandwidth,
            average_bandwidth: Some(average_bandwidth),
            codecs: Some(codecs(listing.window, &with)),
            audio: several.then(|| GROUP.to_owned()),
            ..Default::default()
        };
        match rendition {
            Rendition::Audio(_) => variant,
            _ => with_picture(variant, listing.window),
        }
    });
    let channels = |number| {
        let track = newest_track(listing.window, Rendition::Audio(number));
        track.and_then(|track| track.sound()).map(|sound| sound.channels)
    };
    let alternatives = match several {
        true => alternatives(sounds.iter().map(|it| (*it, channels(*it))), labels, uri),
        false => Vec::new(),
    };
    write(variants.collect(), alternatives)
}

/// The text of a playlist.
pub(crate) fn write(
    variants: Vec<VariantStream>,
    alternatives: Vec<AlternativeMedia>,
) -> Option<String> {
    let playlist = MasterPlaylist { variants, alternatives, ..Default::default() };
    let mut text = Vec::with_capacity(512);
    playlist.write_to(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// The sounds that something is listed of, by number.
fn listed_sounds(window: &Window) -> Vec<SoundNumber> {
    let is_listed = |number: &SoundNumber| {
        window.listed().any(|segment| !segment.is_gap(Rendition::Audio(*number)))
    };
    SoundNumber::all().filter(is_listed).collect()
}

/// The sounds to choose from (§4.4.6.1), each with the loudspeakers it feeds.
pub(crate) fn alternatives(
    sounds: impl Iterator<Item = (SoundNumber, Option<u8>)>,
    labels: &Labels,
    uri: impl Fn(Rendition) -> String,
) -> Vec<AlternativeMedia> {
    let mut alternatives: Vec<AlternativeMedia> = Vec::new();
    for (number, channels) in sounds {
        let label = labels.get(number);
        let language = label.language.as_ref().map(|language| language.as_str().to_owned());
        let place = number.index() + 1;
        let mut name = match (&label.name, &language) {
            (Some(name), _) => name.as_str().to_owned(),
            (None, Some(language)) => language.clone(),
            (None, None) => format!("Piste {place}"),
        };
        // Names differ within a group.
        while alternatives.iter().any(|other| other.name == name) {
            name = format!("{name} ({place})");
        }
        let is_default = alternatives.is_empty();
        // A player that chooses by itself must have something to tell them by.
        let is_told = language.is_some() && alternatives.iter().all(|it| it.language != language);
        alternatives.push(AlternativeMedia {
            media_type: AlternativeMediaType::Audio,
            uri: Some(uri(Rendition::Audio(number))),
            group_id: GROUP.to_owned(),
            language,
            name,
            default: is_default,
            autoselect: is_default || is_told,
            channels: channels.map(|channels| channels.to_string()),
            ..Default::default()
        });
    }
    alternatives
}

/// `BANDWIDTH` and `AVERAGE-BANDWIDTH` of renditions of which the picture is played with one of the
/// sounds.
fn bandwidth(listing: &Listing<'_>, renditions: &[Rendition]) -> (u64, u64) {
    let target_duration_s = listing.promise.target_duration_s;
    let of =
        |rendition: &Rendition| rates::bandwidth(*rendition, listing.window, target_duration_s);
    let (sounds, pictures): (Vec<_>, Vec<_>) =
        renditions.iter().partition(|rendition| matches!(rendition, Rendition::Audio(_)));
    let largest = |(peak, average): (u64, u64), (p, a): (u64, u64)| (peak.max(p), average.max(a));
    let sound = sounds.into_iter().map(of).fold((0, 0), largest);
    let picture = pictures.into_iter().map(of).fold((0, 0), largest);
    (picture.0 + sound.0, picture.1 + sound.1)
}

fn with_picture(variant: VariantStream, window: &Window) -> VariantStream {
    let newest = window.newest_with_video().and_then(|segment| segment.tracks().video.as_ref());
    showing(variant, newest.and_then(|track| track.picture()), rates::frame_rate(window))
}

/// The same variant with what is said of its picture.
pub(crate) fn showing(
    variant: VariantStream,
    picture: Option<Picture>,
    fps: Option<f64>,
) -> VariantStream {
    let resolution = picture
        .map(|picture| Resolution { width: picture.width.into(), height: picture.height.into() });
    // Its own type would write 30 where the standard says 30.000.
    let frame_rate = fps.map(|fps| {
        HashMap::from([("FRAME-RATE".to_owned(), QuotedOrUnquoted::Unquoted(format!("{fps:.3}")))])
    });
    VariantStream { resolution, other_attributes: frame_rate, ..variant }
}

/// Every codec a listed segment needs (rfc8216bis §4.4.6.2), pictures first, newest first: a player
/// that opens its decoders by this list must not meet one that is not in it.
fn codecs(window: &Window, renditions: &[Rendition]) -> String {
    let mut names: Vec<String> = Vec::new();
    for rendition in renditions {
        let alone: &[Rendition] = match rendition {
            Rendition::Source | Rendition::SourceTs => &[Rendition::Video, Rendition::SOUND],
            rendition => std::slice::from_ref(rendition),
        };
        for &rendition in alone {
            for name in tracks(window, rendition).map(Track::codec_string) {
                if !names.contains(&name) {
                    names.push(name);
                }
            }
        }
    }
    names.join(",")
}

fn newest_track(window: &Window, rendition: Rendition) -> Option<&Track> {
    tracks(window, rendition).next()
}

/// What listed segments declare of the picture or a sound, newest first.
fn tracks(window: &Window, rendition: Rendition) -> impl Iterator<Item = &Track> {
    window.listed().rev().filter_map(move |segment| match rendition {
        Rendition::Audio(number) => segment.head().sound(number).map(|(track, _)| &**track),
        _ => segment.tracks().video.as_deref(),
    })
}
