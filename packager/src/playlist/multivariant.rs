//! The multivariant playlist (rfc8216bis §4.4.6), by the types of `m3u8-rs`.

use std::collections::HashMap;

use m3u8_rs::{MasterPlaylist, QuotedOrUnquoted, Resolution, VariantStream};
use media::{
    Kind,
    id::{Epoch, PlaybackName},
};

use super::{
    media::{Listing, playlist_name},
    rates,
};
use crate::{Rendition, window::Window};

/// Offers the rendition of `listing`, and after the source its sound alone.
pub(crate) fn render(listing: Listing<'_>, name: &PlaybackName, epoch: &Epoch) -> Option<String> {
    let sound = listing.others.iter().filter(|_| listing.rendition == Rendition::Source);
    let offered = std::iter::once(&listing.rendition).chain(sound);
    let variants = offered.map(|&rendition| {
        let (bandwidth, average) =
            rates::bandwidth(rendition, listing.window, listing.promise.target_duration_s);
        let variant = VariantStream {
            uri: format!("{name}/{epoch}/{}.m3u8", playlist_name(rendition)),
            bandwidth,
            average_bandwidth: Some(average),
            codecs: Some(codecs(listing.window, rendition)),
            ..Default::default()
        };
        if rendition == Rendition::Audio { variant } else { with_picture(variant, listing.window) }
    });
    let playlist = MasterPlaylist { variants: variants.collect(), ..Default::default() };
    let mut text = Vec::with_capacity(512);
    playlist.write_to(&mut text).ok()?;
    String::from_utf8(text).ok()
}

fn with_picture(variant: VariantStream, window: &Window) -> VariantStream {
    let newest = window.newest_with_video().and_then(|segment| segment.tracks().video.as_ref());
    let resolution = newest
        .and_then(|track| track.picture())
        .map(|picture| Resolution { width: picture.width.into(), height: picture.height.into() });
    // Its own type would write 30 where the standard says 30.000.
    let frame_rate = rates::frame_rate(window).map(|fps| {
        HashMap::from([("FRAME-RATE".to_owned(), QuotedOrUnquoted::Unquoted(format!("{fps:.3}")))])
    });
    VariantStream { resolution, other_attributes: frame_rate, ..variant }
}

/// Every codec a listed segment needs (rfc8216bis §4.4.6.2), pictures first, newest first: a player
/// that opens its decoders by this list must not meet one that is not in it.
fn codecs(window: &Window, rendition: Rendition) -> String {
    let mut names: Vec<String> = Vec::new();
    let kinds: &[Kind] = match rendition {
        Rendition::Source | Rendition::SourceTs => &[Kind::Video, Kind::Audio],
        Rendition::Audio => &[Kind::Audio],
    };
    for &kind in kinds {
        let tracks = window.listed().rev().filter_map(|segment| segment.tracks().get(kind));
        for name in tracks.map(|track| track.codec_string()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.join(",")
}
