//! What encoders send: files made once with FFmpeg, and the ways of pushing them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::cache;
use super::peer::{Peer, output_of};

/// Encoding the longest source takes a fraction of this on one busy core.
const ENCODE_WITHIN: Duration = Duration::from_secs(90);

/// A test picture with a running clock, and a tone with a beep each second.
#[derive(Debug, Clone, Copy)]
pub struct Source {
    /// The picture, when there is one.
    pub video: Option<Video>,
    /// The sampling rate of the sound, when there is one.
    pub audio_hz: Option<u32>,
    /// Its length.
    pub seconds: u32,
}

/// H.264 by x264.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Video {
    /// `320x180`.
    pub size: &'static str,
    /// Pictures per second, as FFmpeg writes it: `30000/1001`.
    pub rate: &'static str,
    /// Pictures from IDR to IDR; when some are forced, the length of their pattern.
    pub gop: u32,
    /// Pictures of the pattern that are IDRs too, beside the first.
    pub forced: &'static [u32],
    /// Consecutive B-frames.
    pub b_frames: u32,
    /// `baseline`, `main`, `high`: what of H.264 it uses, and says in its SPS.
    pub profile: &'static str,
}

/// 30 pictures a second with B-frames and an IDR every two seconds.
pub const VIDEO: Video =
    Video { size: "320x180", rate: "30", gop: 60, forced: &[], b_frames: 2, profile: "high" };

/// What most tests publish: six segments.
pub const USUAL: Source = Source { video: Some(VIDEO), audio_hz: Some(48_000), seconds: 12 };

impl Source {
    /// The file as it goes over the wire; encoded when it is asked for the first time.
    pub fn flv(&self) -> PathBuf {
        self.file(|part| {
            let mut ffmpeg = ffmpeg();
            if let Some(video) = self.video {
                let picture = format!("testsrc2=size={}:rate={}", video.size, video.rate);
                ffmpeg.args(["-f", "lavfi", "-i", &picture]);
            }
            if let Some(hz) = self.audio_hz {
                let tone = format!("sine=frequency=440:beep_factor=4:sample_rate={hz}");
                ffmpeg.args(["-f", "lavfi", "-i", &tone]);
            }
            if let Some(video) = self.video {
                let (gop, b_frames) = (video.gop.to_string(), video.b_frames.to_string());
                ffmpeg.args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]);
                ffmpeg.args(["-profile:v", video.profile]);
                ffmpeg.args(["-g", &gop, "-keyint_min", &gop, "-sc_threshold", "0"]);
                // A fixed pattern: B-frames wherever they were asked for, whatever the picture.
                ffmpeg.args(["-bf", &b_frames, "-x264-params", "b-adapt=0", "-b:v", "400k"]);
                if !video.forced.is_empty() {
                    let forced = video.forced.iter().chain([&0]);
                    let terms = forced.map(|at| format!("eq(mod(n,{gop}),{at})"));
                    let expression = terms.collect::<Vec<_>>().join("+");
                    ffmpeg.args(["-force_key_frames", &format!("expr:{expression}")]);
                }
            }
            ffmpeg.args(["-c:a", "aac", "-b:a", "96k", "-ac", "2"]);
            ffmpeg.args(["-t", &self.seconds.to_string(), "-f", "flv"]).arg(part);
            ffmpeg
        })
    }

    fn file(&self, make: impl FnOnce(&Path) -> Command) -> PathBuf {
        let video = self.video.map_or("novideo".into(), |video| {
            let rate = video.rate.replace('/', ":");
            let forced: String = video.forced.iter().map(|at| format!("+{at}")).collect();
            let Video { size, gop, b_frames, profile, .. } = video;
            format!("{size}-{rate}fps-g{gop}{forced}-b{b_frames}-{profile}")
        });
        let audio = self.audio_hz.map_or("noaudio".into(), |hz| format!("{hz}Hz"));
        cached(&format!("source-{video}-{audio}-{}s.flv", self.seconds), make)
    }
}

/// The sound of a file as it is, and some seconds of a test picture beside it; made when it is asked
/// for the first time.
pub fn beside_a_picture(sound: &Path, seconds: u64) -> PathBuf {
    let name = sound.file_name().expect("a file").display();
    cached(&format!("picture-beside-{name}"), |part| {
        let mut ffmpeg = ffmpeg();
        let picture = format!("testsrc2=size=320x180:rate=30:duration={seconds}");
        ffmpeg.args(["-f", "lavfi", "-i", &picture, "-i"]).arg(sound);
        ffmpeg.args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p"]);
        ffmpeg.args(["-g", "60", "-keyint_min", "60", "-sc_threshold", "0"]);
        ffmpeg.args(["-bf", "2", "-b:v", "400k", "-c:a", "copy", "-f", "flv"]).arg(part);
        ffmpeg
    })
}

fn cached(name: &str, make: impl FnOnce(&Path) -> Command) -> PathBuf {
    let path = cache().join(name);
    if !path.exists() {
        // Several tests may make it at the same moment; each renames a whole file.
        let part = tempfile::NamedTempFile::new_in(cache()).expect("a file in the cache");
        output_of(make(part.path()), ENCODE_WITHIN);
        part.persist(&path).expect("the source takes its name");
    }
    path
}

/// How fast a file goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as the server reads.
    Unpaced,
    /// As a camera would.
    RealTime,
    /// As a camera would, again and again: ends only when it is ended.
    Endless,
}

/// FFmpeg remuxes the file to `url`.
pub fn push_by_ffmpeg(file: &Path, url: &str, pace: Pace, folder: &Path) -> Peer {
    let mut ffmpeg = ffmpeg();
    match pace {
        Pace::Unpaced => {}
        Pace::RealTime => {
            ffmpeg.arg("-re");
        }
        Pace::Endless => {
            ffmpeg.args(["-re", "-stream_loop", "-1"]);
        }
    }
    ffmpeg.arg("-i").arg(file).args(["-c", "copy", "-f", "flv", url]);
    Peer::spawn("ffmpeg", ffmpeg, folder)
}

/// FFmpeg remuxes the file to `url` as a camera would, again and again, with timestamps that begin at
/// `starts_at`.
pub fn push_from(file: &Path, url: &str, starts_at: Duration, folder: &Path) -> Peer {
    let mut ffmpeg = ffmpeg();
    ffmpeg.args(["-re", "-stream_loop", "-1", "-i"]).arg(file);
    ffmpeg.args(["-output_ts_offset", &starts_at.as_secs().to_string()]);
    ffmpeg.args(["-c", "copy", "-f", "flv", url]);
    Peer::spawn("ffmpeg", ffmpeg, folder)
}

/// A camera that shows the time, for `latency.mjs` to read.
pub fn push_clock(url: &str, folder: &Path) -> Peer {
    let mut clock = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/clock.sh"));
    clock.arg(url);
    Peer::spawn("clock", clock, folder)
}

/// GStreamer remuxes the file to `url` through `sink`: `rtmp2sink` is its own, `rtmpsink` is librtmp.
///
/// Its `flvmux` counts from the first presentation time and sends what is earlier as zero: with
/// B-frames the first decode times, and one AAC frame of the sound, share a time.
pub fn push_by_gstreamer(source: &Source, url: &str, sink: &str, folder: &Path) -> Peer {
    let mut gst = Command::new("gst-launch-1.0");
    gst.args(["--quiet", "filesrc"]).arg(format!("location={}", source.flv().display()));
    gst.args("! flvdemux name=demux flvmux name=mux streamable=true !".split(' '));
    // librtmp takes options behind spaces, and needs to be told that this is live.
    let location = if sink == "rtmpsink" { format!("{url} live=1") } else { url.to_owned() };
    gst.args([sink, "sync=false"]).arg(format!("location={location}"));
    if source.video.is_some() {
        gst.args("demux.video ! queue ! h264parse ! mux.video".split(' '));
    }
    if source.audio_hz.is_some() {
        gst.args("demux.audio ! queue ! aacparse ! mux.audio".split(' '));
    }
    Peer::spawn("gstreamer", gst, folder)
}

/// FFmpeg, silent unless something is wrong.
pub fn ffmpeg() -> Command {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-hide_banner", "-nostdin", "-loglevel", "warning", "-y"]);
    ffmpeg
}
