//! The multivariant playlist (rfc8216bis §4.4.6), by the types of `m3u8-rs`.

use std::collections::HashMap;

use m3u8_rs::{MasterPlaylist, QuotedOrUnquoted, Resolution, VariantStream};
use media::{
    Kind,
    id::{Epoch, PlaybackName},
};

use super::rates;
use crate::{Container, segmenter::Promise, window::Window};

pub(crate) fn render(
    container: Container,
    window: &Window,
    promise: Promise,
    name: &PlaybackName,
    epoch: &Epoch,
) -> Option<String> {
    let (bandwidth, average) = rates::bandwidth(container, window, promise.target_duration_s);
    let rendition = if container == Container::Fmp4 { "source" } else { "source-ts" };
    let newest = window.newest_with_video().and_then(|segment| segment.tracks().video.as_ref());
    let resolution = newest
        .and_then(|track| track.picture())
        .map(|picture| Resolution { width: picture.width.into(), height: picture.height.into() });
    // Its own type would write 30 where the standard says 30.000.
    let frame_rate = rates::frame_rate(window).map(|fps| {
        HashMap::from([("FRAME-RATE".to_owned(), QuotedOrUnquoted::Unquoted(format!("{fps:.3}")))])
    });
    let playlist = MasterPlaylist {
        variants: vec![VariantStream {
            uri: format!("{name}/{epoch}/{rendition}.m3u8"),
            bandwidth,
            average_bandwidth: Some(average),
            codecs: Some(codecs(window)),
            resolution,
            other_attributes: frame_rate,
            ..Default::default()
        }],
        ..Default::default()
    };
    let mut text = Vec::with_capacity(512);
    playlist.write_to(&mut text).ok()?;
    String::from_utf8(text).ok()
}

/// Every codec a listed segment needs (rfc8216bis §4.4.6.2), pictures first, newest first: a player
/// that opens its decoders by this list must not meet one that is not in it.
fn codecs(window: &Window) -> String {
    let mut names: Vec<String> = Vec::new();
    for kind in [Kind::Video, Kind::Audio] {
        let tracks = window.listed().rev().filter_map(|segment| segment.tracks().get(kind));
        for name in tracks.map(|track| track.codec_string()) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
    }
    names.join(",")
}
