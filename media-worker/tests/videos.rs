//! Videos as members send them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::path::Path;

use support::{Bench, PROGRAM, assert_near, code, ffprobe, pixel, seconds, track};
use worker::Worker;
use worker::protocol::{Code, Job, Limits, Medium, Outcome, Probe, Task, Video};

/// Two seconds of picture and sound.
const FILM: &str = "-f lavfi -i testsrc2=s=640x360:r=25:d=2 -f lavfi -i sine=440:d=2";
const H264_AAC: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";

async fn film(bench: &Bench, name: &str, rest: &str) -> std::path::PathBuf {
    bench.made(name, &format!("{FILM} {rest}"))
}

#[tokio::test]
async fn what_browsers_play_is_known() {
    let bench = Bench::new();
    for (name, rest, plays) in [
        ("a.mp4", format!("{H264_AAC} -movflags +faststart"), true),
        ("b.mp4", H264_AAC.to_owned(), false),
        ("c.mp4", "-c:v libx264 -pix_fmt yuv444p -c:a aac -movflags +faststart".to_owned(), false),
        (
            "d.mp4",
            "-c:v libx264 -pix_fmt yuv420p10le -c:a aac -movflags +faststart".to_owned(),
            false,
        ),
        ("e.mp4", "-c:v mpeg4 -c:a aac -movflags +faststart".to_owned(), false),
        (
            "f.mp4",
            "-c:v libx264 -pix_fmt yuv420p -c:a libmp3lame -movflags +faststart".to_owned(),
            false,
        ),
        ("g.webm", "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -c:a libopus".to_owned(), false),
    ] {
        let probe = bench.probe(&film(&bench, name, &rest).await).await.unwrap();
        assert_eq!(
            (probe.medium, probe.plays_in_browsers),
            (Medium::Video, plays),
            "{name}: {probe:?}"
        );
    }
}

#[tokio::test]
async fn a_container_is_told_by_its_bytes() {
    let bench = Bench::new();
    let vp8 = "-c:v libvpx -deadline realtime -c:a libopus";
    for (container, rest) in [
        ("mp4", format!("{H264_AAC} -f mp4")),
        ("mov", format!("{H264_AAC} -movflags +faststart -f mov")),
        ("avi", "-c:v mpeg4 -c:a libmp3lame -f avi".to_owned()),
        ("webm", format!("{vp8} -f webm")),
        ("matroska", format!("{vp8} -f matroska")),
    ] {
        let probe = bench.probe(&film(&bench, "in.bin", &rest).await).await.unwrap();
        assert_eq!((&*probe.container, probe.plays_in_browsers), (container, false));
    }
}

#[tokio::test]
async fn a_probe_says_what_ffprobe_says() {
    let bench = Bench::new();
    let input = film(&bench, "in.mov", H264_AAC).await;
    let Probe { duration_ms, tracks, track_count, size_bytes, .. } =
        bench.probe(&input).await.unwrap();
    let theirs = ffprobe(&input);
    let (video, audio) = (track(&theirs, "video"), track(&theirs, "audio"));
    let theirs_ms = seconds(&theirs["format"]["duration"]) * 1000.0;
    assert!(duration_ms.unwrap().abs_diff(theirs_ms as u64) <= 1);
    assert_eq!((track_count, size_bytes), (2, input.metadata().unwrap().len()));
    assert_eq!(tracks[0].codec, video["codec_name"].as_str().unwrap());
    assert_eq!(tracks[0].width.map(u64::from), video["width"].as_u64());
    assert_eq!(tracks[0].height.map(u64::from), video["height"].as_u64());
    assert_eq!(tracks[0].pixel_format.as_deref(), video["pix_fmt"].as_str());
    assert_eq!((tracks[0].frame_rate, tracks[0].rotation), (Some(25.0), Some(0)));
    assert_eq!(tracks[1].codec, audio["codec_name"].as_str().unwrap());
    assert_eq!(tracks[1].sample_rate, Some(44_100));
    assert_eq!(tracks[1].channels.map(u64::from), audio["channels"].as_u64());
}

#[tokio::test]
async fn sound_alone_is_said_to_be_that() {
    let bench = Bench::new();
    let input = bench.made("in.mp3", "-f lavfi -i sine=440:d=1");
    assert_eq!(bench.probe(&input).await.unwrap().medium, Medium::Sound);
    assert_eq!(code(bench.transcode(&input).await), Code::NoPicture);
    assert_eq!(code(bench.poster(&input, None).await), Code::NoPicture);
}

/// The file plays everywhere, for a reader that is not ours and for our own.
async fn assert_plays(bench: &Bench, video: &Video, lasts: f64) -> serde_json::Value {
    let path = bench.out().join(video.file.as_str());
    let probed = ffprobe(&path);
    let picture = track(&probed, "video");
    assert_eq!((&picture["codec_name"], &picture["pix_fmt"]), (&"h264".into(), &"yuv420p".into()));
    assert!((seconds(&probed["format"]["duration"]) - lasts).abs() < 0.15, "{probed}");
    assert!(video.duration_ms.abs_diff((lasts * 1000.0) as u64) < 150, "{video:?}");
    assert_eq!(video.size_bytes, path.metadata().unwrap().len());
    assert!(!video.damaged);
    assert!(bench.probe(&path).await.unwrap().plays_in_browsers);
    probed
}

#[tokio::test]
async fn every_kind_of_video_becomes_one_that_plays_everywhere() {
    let bench = Bench::new();
    for (name, rest) in [
        ("in.mp4", H264_AAC),
        ("in.mov", H264_AAC),
        ("in.avi", "-c:v mpeg4 -q:v 4 -c:a libmp3lame"),
        ("pcm.avi", "-c:v mjpeg -c:a pcm_s16le -ac 1 -ar 22050"),
        ("in.webm", "-c:v libvpx-vp9 -cpu-used 8 -deadline realtime -c:a libopus"),
        ("in.mkv", "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -c:a flac -ac 6"),
        ("in.ts", H264_AAC),
        ("in.wmv", "-c:v wmv2 -c:a wmav2"),
    ] {
        let video = bench.transcode(&film(&bench, name, rest).await).await.unwrap();
        let probed = assert_plays(&bench, &video, 2.0).await;
        let sound = track(&probed, "audio");
        assert_eq!(sound["codec_name"], "aac", "{name}");
        assert!((seconds(&sound["duration"]) - 2.0).abs() < 0.1, "{name}: {sound}");
        let pictures: u64 =
            track(&probed, "video")["nb_read_frames"].as_str().unwrap().parse().unwrap();
        assert!(pictures.abs_diff(50) <= 2, "{name}: {pictures}");
        assert!(video.has_sound);
        assert_eq!((video.width, video.height), (640, 360));
    }
}

#[tokio::test]
async fn picture_and_sound_stay_together() {
    let bench = Bench::new();
    // A white picture and a beep at the first second; the sound begins half a second late.
    let input = bench.made(
        "in.mkv",
        "-f lavfi -i color=black:s=320x240:r=25:d=2,drawbox=c=white:t=fill:enable=between(t\\,1\\,1.2) \
         -itsoffset 0.5 -f lavfi -i aevalsrc=if(between(t\\,0.5\\,0.7)\\,sin(5000*t)\\,0):d=1.5:s=44100 \
         -c:v libx264 -c:a aac",
    );
    let video = bench.transcode(&input).await.unwrap();
    let path = bench.out().join(video.file.as_str());
    let seen = first_time(&path, "blackdetect=d=0.1", "black_end:");
    let heard = first_time_of_sound(&path);
    assert!((seen - 1.0).abs() < 0.05 && (heard - 1.0).abs() < 0.05, "{seen} {heard}");
}

/// The first number behind `key` in what a filter of ffmpeg logs.
fn first_time(path: &Path, filter: &str, key: &str) -> f64 {
    logged(path, &["-vf", filter, "-an"], key)
}

fn first_time_of_sound(path: &Path) -> f64 {
    logged(path, &["-af", "silencedetect=n=-30dB:d=0.1", "-vn"], "silence_end:")
}

fn logged(path: &Path, arguments: &[&str], key: &str) -> f64 {
    let output = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-i"])
        .arg(path)
        .args(arguments)
        .args(["-f", "null", "-"])
        .output()
        .unwrap();
    let log = String::from_utf8_lossy(&output.stderr);
    let (_, behind) = log.split_once(key).unwrap_or_else(|| panic!("no {key} in {log}"));
    behind.split_whitespace().next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn a_large_film_is_bounded_and_slowed_to_thirty_pictures_a_second() {
    let bench = Bench::new();
    let arguments = "-f lavfi -i testsrc2=s=1920x1080:r=60:d=1 -c:v libx264 -preset ultrafast";
    let video = bench.transcode(&bench.made("in.mp4", arguments)).await.unwrap();
    let probed = assert_plays(&bench, &video, 1.0).await;
    assert_eq!((video.width, video.height, video.has_sound), (1280, 720, false));
    assert_eq!(track(&probed, "video")["nb_read_frames"], "30");
}

#[tokio::test]
async fn what_a_telephone_filmed_standing_stands() {
    let bench = Bench::new();
    let two_colours = "-f lavfi -i color=red:s=320x360:d=1 -f lavfi -i color=blue:s=320x360:d=1 \
        -filter_complex hstack -c:v libx264 -pix_fmt yuv420p";
    let lying = bench.made("lying.mp4", two_colours);
    let input = bench.path("in.mp4");
    let turned = std::process::Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(&lying)
        // What ffmpeg 5.1 calls 270, counted the other way.
        .args(["-c", "copy", "-metadata:s:v:0", "rotate=270"])
        .arg(&input)
        .status();
    assert!(turned.unwrap().success());
    assert_eq!(bench.probe(&input).await.unwrap().tracks[0].rotation, Some(90));
    let video = bench.transcode(&input).await.unwrap();
    assert_eq!((video.width, video.height), (360, 640));
    let film = bench.out().join(video.file.as_str());
    // Turned to the right: what was left is on top.
    assert_near(pixel(&film, 50, 20), [254, 0, 0]);
    assert_near(pixel(&film, 50, 80), [0, 0, 254]);
    let poster = bench.poster(&input, None).await.unwrap();
    assert_eq!((poster.large.width, poster.large.height), (360, 640));
    assert_near(pixel(&bench.output(&poster.large), 50, 20), [254, 0, 0]);
}

#[tokio::test]
async fn wide_pixels_become_square() {
    let bench = Bench::new();
    let arguments = "-f lavfi -i testsrc2=s=720x576:d=1 -vf setsar=64/45 -c:v mpeg2video";
    let video = bench.transcode(&bench.made("in.mpg", arguments)).await.unwrap();
    assert_eq!((video.width, video.height), (1024, 576));
}

#[tokio::test]
async fn a_poster_shows_something() {
    let bench = Bench::new();
    // Black for two of four seconds.
    let arguments = "-f lavfi -i testsrc2=s=640x360:r=25:d=4 \
        -vf drawbox=c=black:t=fill:enable=lt(t\\,2) -c:v libx264 -g 25";
    let input = bench.made("in.mp4", arguments);
    let colours = |still: &worker::protocol::Still| {
        let path = bench.output(&still.large);
        [10, 30, 50, 70, 90].map(|at| pixel(&path, at, at))
    };
    let chosen = bench.poster(&input, None).await.unwrap();
    assert!(colours(&chosen).iter().flatten().any(|it| (60..250).contains(it)), "black");
    let asked = bench.poster(&input, Some(500)).await.unwrap();
    assert!(colours(&asked).iter().all(|it| it[0] < 20 && it[1] < 20), "not that one");
    assert_eq!((asked.small.width, asked.small.height), (480, 270));
    assert_eq!(ffprobe(&bench.output(&asked.large))["streams"][0]["codec_name"], "mjpeg");
}

#[tokio::test]
async fn a_poster_beyond_the_end_is_one_of_the_film() {
    let bench = Bench::new();
    let input = film(&bench, "in.mp4", H264_AAC).await;
    assert_eq!(bench.poster(&input, Some(3_600_000)).await.unwrap().large.width, 640);
}

#[tokio::test]
async fn where_a_film_was_shot_is_not_in_what_becomes_of_it() {
    let bench = Bench::new();
    let place = "-metadata location=+09.5370-013.6785/ -metadata comment=CONAKRY";
    let input = film(&bench, "in.mp4", &format!("{H264_AAC} {place}")).await;
    assert!(support::contains(&std::fs::read(&input).unwrap(), b"CONAKRY"));
    let video = bench.transcode(&input).await.unwrap();
    let bytes = std::fs::read(bench.out().join(video.file.as_str())).unwrap();
    assert!(!support::contains(&bytes, b"CONAKRY") && !support::contains(&bytes, b"+09.5370"));
}

#[tokio::test]
async fn progress_is_said() {
    let bench = Bench::new();
    let input = film(&bench, "in.mp4", H264_AAC).await;
    let task = Task::Transcode { into: bench.out() };
    let job = Job { input, limits: Limits::of(&task), task };
    let mut heard = Vec::new();
    let worker = Worker::at(PROGRAM.into(), 1);
    let deadline = std::time::Duration::from_secs(100);
    let done = worker.run(&job, deadline, |permille| heard.push(permille)).await.unwrap();
    assert!(heard.len() > 10 && heard.is_sorted() && heard.last() >= Some(&900), "{heard:?}");
    assert!(matches!(done.outcome, Outcome::Transcoded(_)));
}
