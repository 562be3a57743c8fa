//! Players made of GStreamer.

use std::process::Command;
use std::time::Duration;

use super::House;
use super::peer::output_of;

/// A player that reads a dozen segments, decoding them.
const PLAYED_WITHIN: Duration = Duration::from_secs(45);

/// How many pictures a player made of GStreamer decodes: `playbin` asks for its older demuxer of
/// HLS, `playbin3` for the newer one.
#[track_caller]
pub fn pictures_played(house: &House, player: &str, path: &str) -> usize {
    let pictures = house.folder().join(format!("{player}.gray"));
    let into_file = format!(
        "video-sink=videoconvert ! video/x-raw,format=GRAY8 ! filesink location={}",
        pictures.display()
    );
    let ranks = match player {
        "playbin" => "hlsdemux:MAX,hlsdemux2:NONE",
        _ => "hlsdemux2:MAX,hlsdemux:NONE",
    };
    let mut gst = Command::new("gst-launch-1.0");
    gst.env("GST_PLUGIN_FEATURE_RANK", ranks);
    gst.args(["--quiet", player]).arg(format!("uri={}", house.url(path)));
    gst.args([&into_file, "audio-sink=fakesink"]);
    output_of(gst, PLAYED_WITHIN);
    let bytes = std::fs::metadata(&pictures).expect("pictures").len() as usize;
    bytes / (320 * 180)
}
