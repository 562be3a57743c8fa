//! The multivariant playlist (rfc8216bis §4.4.6), by the types of `m3u8-rs`.

use std::collections::HashMap;

use m3u8_rs::{MasterPlaylist, QuotedOrUnquoted, Resolution, VariantStream};
use media::id::{Epoch, PlaybackName};

use super::rates;
use crate::{Container, segmenter::Promise, window::Window};

pub(crate) fn render(
    container: Container,
    window: &Window,
    promise: Promise,
    name: &PlaybackName,
    epoch: &Epoch,
) -> Option<String> {
    let tracks = window.last()?.tracks();
    let (bandwidth, average) = rates::bandwidth(container, window, promise.target_duration_s);
    let codecs: Vec<_> =
        tracks.video.iter().chain(&tracks.audio).map(|track| track.codec_string()).collect();
    let rendition = if container == Container::Fmp4 { "source" } else { "source-ts" };
    let resolution = tracks
        .h264()
        .map(|config| Resolution { width: config.width.into(), height: config.height.into() });
    // Its own type would write 30 where the standard says 30.000.
    let frame_rate = rates::frame_rate(window).map(|fps| {
        HashMap::from([("FRAME-RATE".to_owned(), QuotedOrUnquoted::Unquoted(format!("{fps:.3}")))])
    });
    let playlist = MasterPlaylist {
        variants: vec![VariantStream {
            uri: format!("{name}/{epoch}/{rendition}.m3u8"),
            bandwidth,
            average_bandwidth: Some(average),
            codecs: Some(codecs.join(",")),
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
