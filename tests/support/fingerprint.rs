//! Bit-exact comparison: the `framemd5` of every sample, before and after the server.
//!
//! Samples are compared twice. As packets: NAL units without parameter sets and access unit
//! delimiters, which each container carries in its own place; AAC without ADTS headers. And as
//! pictures and sound, decoded: then the parameter sets and the order are proven too.

use std::time::Duration;

use super::peer::output_of;
use super::source::ffmpeg;

/// FFmpeg reads a playlist about as fast as it is served; the rest is a busy machine.
const READ_WITHIN: Duration = Duration::from_secs(60);

/// RTMP counts whole milliseconds, so two clocks may differ by one; and 90 kHz ticks round.
const TOLERANCE_S: f64 = 0.001_05;

/// All samples of an input.
#[derive(Debug)]
pub struct Fingerprint {
    /// Packets of the video track.
    pub video: Vec<Unit>,
    /// Packets of the audio track.
    pub audio: Vec<Unit>,
    /// Decoded pictures.
    pub pictures: Vec<Unit>,
    /// Decoded sound, one entry for each AAC frame.
    pub sound: Vec<Unit>,
}

/// FFmpeg's bitstream filters that take off what each container carries in a place of its own.
#[derive(Debug, Clone, Copy)]
pub struct Filters {
    /// For pictures.
    pub video: &'static str,
    /// For sound.
    pub audio: &'static str,
}

/// H.264 without parameter sets and access unit delimiters.
pub const H264_UNITS: &str = "h264_mp4toannexb,filter_units=remove_types=7-9";
/// HEVC without parameter sets, access unit delimiters and the SEI that its record may hold.
pub const HEVC_UNITS: &str = "hevc_mp4toannexb,filter_units=remove_types=32-35|39";

/// One packet, picture or block of sound.
#[derive(Debug, Clone)]
pub struct Unit {
    /// Decode time.
    pub dts_s: f64,
    /// Presentation time.
    pub pts_s: f64,
    /// MD5 of its bytes.
    pub hash: String,
}

impl Fingerprint {
    /// Reads a file or a URL of H.264 and AAC to its end.
    #[track_caller]
    pub fn of(input: &str) -> Self {
        Self::through(input, Filters { video: H264_UNITS, audio: "aac_adtstoasc" })
    }

    /// Reads a file or a URL to its end.
    #[track_caller]
    pub fn through(input: &str, filters: Filters) -> Self {
        let folder = tempfile::tempdir().expect("a temp folder");
        let packets = folder.path().join("packets");
        let decoded = folder.path().join("decoded");
        let mut ffmpeg = ffmpeg();
        ffmpeg.args(["-loglevel", "error", "-copyts"]);
        if input.starts_with("http") {
            ffmpeg.args(["-live_start_index", "0"]);
        }
        // Of several renditions the first has the picture and its sound.
        let tracks = ["-map", "0:v:0?", "-map", "0:a:0?"];
        ffmpeg.args(["-i", input]).args(tracks).args(["-c", "copy"]);
        ffmpeg.args(["-bsf:v", filters.video, "-bsf:a", filters.audio]);
        ffmpeg.args(["-f", "framemd5"]).arg(&packets);
        ffmpeg.args(tracks).args(["-fps_mode", "passthrough"]);
        ffmpeg.args(["-f", "framemd5"]).arg(&decoded);
        output_of(ffmpeg, READ_WITHIN);
        let read = |path| std::fs::read_to_string(path).expect("a framemd5 file");
        let [video, audio] = parse(&read(packets));
        let [pictures, sound] = parse(&read(decoded));
        Self { video, audio, pictures, sound }
    }

    /// Asserts that every sample of `source` is in `self`, once, in order, bit by bit, in time.
    #[track_caller]
    pub fn assert_same_as(&self, source: &Self, what: &str) {
        self.assert_samples_of(source, what);
        let (theirs, ours) = (source.origin_s(), self.origin_s());
        assert_times(&source.video, theirs, &self.video, ours, &format!("{what}: video"));
        assert_times(&source.audio, theirs, &self.audio, ours, &format!("{what}: audio"));
    }

    /// [`Fingerprint::assert_same_as`] for an encoder that moves timestamps.
    #[track_caller]
    pub fn assert_samples_of(&self, source: &Self, what: &str) {
        assert_same(&source.video, &self.video, &format!("{what}: video packets"));
        assert_same(&source.audio, &self.audio, &format!("{what}: audio packets"));
        assert_same(&source.pictures, &self.pictures, &format!("{what}: pictures"));
        assert_same(&source.sound, &self.sound, &format!("{what}: sound"));
    }

    /// The zero of both tracks: when the first picture is seen, or the first sound is heard when
    /// there is no picture. Sound is timed by the picture's zero, so lips stay on words.
    fn origin_s(&self) -> f64 {
        self.video.first().or(self.audio.first()).expect("an input with samples").pts_s
    }
}

#[track_caller]
fn assert_same(source: &[Unit], got: &[Unit], what: &str) {
    let different = source.iter().zip(got).position(|(source, got)| source.hash != got.hash);
    if let Some(at) = different {
        let elsewhere = got.iter().position(|unit| unit.hash == source[at].hash);
        panic!(
            "{what}: number {at} of {} differs ({} came; the expected one is at {elsewhere:?})",
            source.len(),
            got.len()
        );
    }
    assert_eq!(got.len(), source.len(), "{what}: how many");
}

#[track_caller]
fn assert_times(source: &[Unit], zero_s: f64, got: &[Unit], got_zero_s: f64, what: &str) {
    for (at, (source, got)) in source.iter().zip(got).enumerate() {
        let wanted = (source.dts_s - zero_s, source.pts_s - zero_s);
        let came = (got.dts_s - got_zero_s, got.pts_s - got_zero_s);
        let off = (came.0 - wanted.0).abs().max((came.1 - wanted.1).abs());
        assert!(off <= TOLERANCE_S, "{what} number {at}: (DTS, PTS) {came:?} s, not {wanted:?} s");
    }
}

/// The video and audio lines of a `framemd5` file.
fn parse(text: &str) -> [Vec<Unit>; 2] {
    let mut of_kind = [Vec::new(), Vec::new()];
    let mut tracks: Vec<(usize, f64)> = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("#tb ") {
            let (_, base) = rest.split_once(": ").expect("#tb N: A/B");
            let (over, under) = base.split_once('/').expect("#tb N: A/B");
            let number = |text: &str| text.trim().parse::<f64>().expect("a number");
            tracks.push((0, number(over) / number(under)));
        } else if let Some(rest) = line.strip_prefix("#media_type ") {
            let kind = usize::from(rest.ends_with("audio"));
            tracks.last_mut().expect("#tb comes first").0 = kind;
        } else if !line.starts_with('#') {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let track: usize = fields[0].parse().expect("a track number");
            let (kind, base_s) = tracks[track];
            let time_s = |field: &str| field.parse::<f64>().expect("a time") * base_s;
            let (dts_s, pts_s) = (time_s(fields[1]), time_s(fields[2]));
            of_kind[kind].push(Unit { dts_s, pts_s, hash: fields[5].to_owned() });
        }
    }
    of_kind
}
