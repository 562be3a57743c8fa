//! Files that were made to hurt, and files that were hurt.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;
use std::process::Command;

use support::files::{Png, mp4_box, with_segment, zeros};
use support::{Bench, code, contains, ffprobe};
use worker::protocol::{Code, Limits, Task};
use worker::{Failed, Resource};

const FILM: &str = "-f lavfi -i testsrc2=s=640x360:r=25:d=4 -f lavfi -i sine=440:d=4 \
    -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac";
const PICTURE: &str = "-f lavfi -i testsrc2=s=640x360 -frames:v 1";

#[tokio::test]
async fn a_film_without_its_end_is_what_there_is_of_it_and_said_to_be_damaged() {
    let bench = Bench::new();
    let whole = fs::read(bench.made("whole.mp4", &format!("{FILM} -movflags +faststart"))).unwrap();
    let input = bench.written("in.mp4", &whole[..whole.len() / 2]);
    let video = bench.transcode(&input).await.unwrap();
    assert!(video.damaged && (1_000..3_500).contains(&video.duration_ms), "{video:?}");
    ffprobe(&bench.out().join(video.file.as_str()));
    assert!(bench.poster(&input, Some(3_900)).await.is_ok());
}

#[tokio::test]
async fn a_film_without_its_index_is_unreadable() {
    let bench = Bench::new();
    let whole = fs::read(bench.made("whole.mp4", FILM)).unwrap();
    let input = bench.written("in.mp4", &whole[..whole.len() / 2]);
    assert_eq!(code(bench.probe(&input).await), Code::Unreadable);
    assert_eq!(code(bench.transcode(&input).await), Code::Unreadable);
    assert_eq!(code(bench.poster(&input, None).await), Code::Unreadable);
}

#[tokio::test]
async fn a_picture_that_breaks_off_is_unreadable() {
    let bench = Bench::new();
    for name in ["in.png", "in.webp"] {
        let whole = fs::read(bench.made(name, PICTURE)).unwrap();
        let input = bench.written(name, &whole[..whole.len() / 2]);
        assert_eq!(code(bench.picture(&input).await), Code::Unreadable, "{name}");
    }
}

#[tokio::test]
async fn a_film_with_holes_in_it_is_still_a_film() {
    let bench = Bench::new();
    let mut bytes =
        fs::read(bench.made("whole.avi", &FILM.replace("libx264 -preset ultrafast", "mpeg4")))
            .unwrap();
    let length = bytes.len();
    for at in (length / 4..length * 3 / 4).step_by(997) {
        bytes[at] ^= 0xff;
    }
    let video = bench.transcode(&bench.written("in.avi", &bytes)).await.unwrap();
    ffprobe(&bench.out().join(video.file.as_str()));
    assert!(video.duration_ms > 2_000, "{video:?}");
}

#[tokio::test]
async fn nothing_and_noise_and_text_are_refused() {
    let bench = Bench::new();
    let noise: Vec<u8> =
        (0..200_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for (name, bytes) in [("empty", vec![]), ("noise", noise), ("text", b"hello\n".repeat(999))] {
        let input = bench.written(name, &bytes);
        assert_eq!(code(bench.picture(&input).await), Code::Unsupported, "{name}");
        let refused = code(bench.probe(&input).await);
        assert!(matches!(refused, Code::Unreadable | Code::Unsupported), "{name}: {refused}");
        let refused = code(bench.transcode(&input).await);
        assert!(matches!(refused, Code::Unreadable | Code::Unsupported), "{name}: {refused}");
    }
}

#[tokio::test]
async fn drawings_and_playlists_are_not_looked_at() {
    let bench = Bench::new();
    let svg =
        br#"<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9">
        <script>alert(1)</script><rect width="9" height="9"/></svg>"#;
    let secret = bench.made("secret.mp4", FILM);
    let playlist = format!(
        "#EXTM3U\n#EXT-X-TARGETDURATION:4\n#EXTINF:4,\n{}\n#EXT-X-ENDLIST\n",
        secret.display()
    );
    let concat = format!("ffconcat version 1.0\nfile {}\n", secret.display());
    for (name, bytes) in [
        ("in.svg", svg.as_slice()),
        ("in.m3u8", playlist.as_bytes()),
        ("in.mp4", concat.as_bytes()),
        ("in.bmp", b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0"),
    ] {
        let input = bench.written(name, bytes);
        assert_eq!(code(bench.picture(&input).await), Code::Unsupported, "{name}");
        let refused = code(bench.transcode(&input).await);
        assert!(matches!(refused, Code::Unsupported | Code::Unreadable), "{name}: {refused}");
    }
}

#[tokio::test]
async fn a_picture_of_900_megapixels_is_refused_before_it_is_unpacked() {
    let bench = Bench::new();
    let png = Png { width: 30_000, height: 30_000, bits: 1, colour_type: 0 };
    let bytes = png.of(&zeros(30_000 * (30_000 / 8 + 1)), &[]);
    assert!(bytes.len() < 1_000_000, "{}", bytes.len());
    let input = bench.written("in.png", &bytes);
    assert_eq!(code(bench.picture(&input).await), Code::TooManyPixels);
    assert_eq!(code(bench.probe(&input).await), Code::TooManyPixels);
}

#[tokio::test]
async fn headers_that_lie_about_the_size_are_refused() {
    let bench = Bench::new();
    let png = Png { width: u32::MAX >> 1, height: u32::MAX >> 1, bits: 8, colour_type: 6 };
    let mut jpeg = fs::read(bench.made("plain.jpg", PICTURE)).unwrap();
    let start_of_frame = jpeg.windows(2).position(|it| it == [0xff, 0xc0]).unwrap();
    jpeg[start_of_frame + 5..start_of_frame + 9].fill(0xff);
    let mut gif = fs::read(bench.made("plain.gif", PICTURE)).unwrap();
    gif[6..10].fill(0xff);
    for (name, bytes) in [("in.png", png.of(&zeros(99), &[])), ("in.jpg", jpeg), ("in.gif", gif)] {
        let refused = code(bench.picture(&bench.written(name, &bytes)).await);
        assert!(
            matches!(refused, Code::TooManyPixels | Code::TooMuchMemory | Code::Unreadable),
            "{name}: {refused}"
        );
    }
}

#[tokio::test]
async fn a_film_of_too_many_pixels_is_refused() {
    let bench = Bench::new();
    let input = bench
        .made("in.mkv", "-f lavfi -i color=red:s=8192x4320:r=1:d=1 -c:v libx264 -preset ultrafast");
    assert_eq!(code(bench.transcode(&input).await), Code::TooManyPixels);
    assert_eq!(code(bench.poster(&input, None).await), Code::TooManyPixels);
}

#[tokio::test]
async fn bombs_in_pictures_burst_within_their_limits() {
    let bench = Bench::new();
    let small = Png { width: 64, height: 64, bits: 8, colour_type: 2 };
    // As much as the process may hold in all, the program itself included.
    let bomb = zeros(768 << 20);
    let profile = [b"icc\0\0".as_slice(), &bomb].concat();
    let text = [b"Comment\0\0".as_slice(), &bomb].concat();
    let pixels = zeros(64 * 193);
    let largest = Png { width: 5_000, height: 5_000, bits: 16, colour_type: 6 };
    for (name, bytes) in [
        ("profile.png", small.of(&pixels, &[(b"iCCP", profile)])),
        ("text.png", small.of(&pixels, &[(b"zTXt", text)])),
        ("pixels.png", small.of(&bomb, &[])),
        ("largest.png", largest.of(&zeros(5_000 * 40_001), &[])),
    ] {
        let task = Task::Picture { into: bench.out() };
        let limits = Limits { memory_bytes: 768 << 20, ..Limits::of(&task) };
        let end = bench.run_within(&bench.written(name, &bytes), task, limits).await;
        let is_bounded = match &end {
            Ok(_) | Err(Failed::TooMuch(Resource::Memory)) => true,
            Err(Failed::Refused { code, .. }) => {
                matches!(code, Code::TooMuchMemory | Code::Unreadable | Code::TooManyPixels)
            }
            Err(_) => false,
        };
        assert!(is_bounded, "{name}: {end:?}");
    }
}

#[tokio::test]
async fn ten_thousand_tracks_are_refused() {
    let bench = Bench::new();
    let tracks = mp4_box(b"trak", &[]).repeat(10_000);
    let bytes = [mp4_box(b"ftyp", b"isom\0\0\0\0isom"), mp4_box(b"moov", &tracks)].concat();
    let input = bench.written("in.mp4", &bytes);
    assert_eq!(code(bench.probe(&input).await), Code::Unreadable);
    assert_eq!(code(bench.transcode(&input).await), Code::Unreadable);
}

#[tokio::test]
async fn what_else_is_in_a_file_does_not_come_out() {
    let bench = Bench::new();
    let script = b"<script>alert('polyglot')</script>";
    let jpeg = fs::read(bench.made("plain.jpg", PICTURE)).unwrap();
    let mut gif = fs::read(bench.made("plain.gif", PICTURE)).unwrap();
    gif.extend(script);
    let archive =
        [with_segment(&jpeg, 0xfe, script), b"PK\x03\x04".to_vec(), script.to_vec()].concat();
    for (name, bytes) in [("in.jpg", archive), ("in.gif", gif)] {
        let picture = bench.picture(&bench.written(name, &bytes)).await.unwrap();
        for image in [&picture.still.large, &picture.still.small] {
            let written = fs::read(bench.output(image)).unwrap();
            assert!(
                !contains(&written, b"polyglot") && !contains(&written, b"PK\x03\x04"),
                "{name}"
            );
        }
    }
}

#[tokio::test]
async fn what_never_ends_is_not_read() {
    let bench = Bench::new();
    let pipe = bench.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for path in [pipe.as_path(), "/dev/zero".as_ref(), "/".as_ref(), "/nowhere".as_ref()] {
        assert_eq!(code(bench.picture(path).await), Code::NotAFile, "{}", path.display());
        assert_eq!(code(bench.transcode(path).await), Code::NotAFile, "{}", path.display());
    }
}

#[tokio::test]
async fn a_film_that_is_too_long_is_refused_even_if_it_does_not_say_so() {
    let bench = Bench::new();
    let task = || Task::Transcode { into: bench.out() };
    let limits = Limits { duration_ms: 2_000, ..Limits::of(&task()) };
    // A live recording of WebM has no duration in its header.
    let live = "-f lavfi -i testsrc2=s=320x240:r=25:d=6 -c:v libvpx -deadline realtime -live 1";
    for (name, arguments) in [("in.mp4", FILM), ("in.webm", live)] {
        let input = bench.made(name, arguments);
        let end = bench.run_within(&input, task(), limits).await;
        assert_eq!(code(end), Code::TooLong, "{name}");
    }
    let input = bench.made("in.gif", "-f lavfi -i testsrc=s=320x240:r=10:d=4");
    let task = Task::Picture { into: bench.out() };
    assert_eq!(code(bench.run_within(&input, task, limits).await), Code::TooLong);
}

#[tokio::test]
async fn what_is_too_large_is_not_opened_and_not_written() {
    let bench = Bench::new();
    let input = bench.made("in.mp4", FILM);
    let task = || Task::Transcode { into: bench.out() };
    let small_input = Limits { input_bytes: 999, ..Limits::of(&task()) };
    assert_eq!(code(bench.run_within(&input, task(), small_input).await), Code::TooLarge);
    let small_output = Limits { output_bytes: 9_999, ..Limits::of(&task()) };
    let end = bench.run_within(&input, task(), small_output).await;
    assert_eq!(end.unwrap_err(), Failed::TooMuch(Resource::Disk));
}

#[tokio::test]
async fn memory_and_processor_time_run_out_by_name() {
    let bench = Bench::new();
    let input = bench.made("in.png", "-f lavfi -i color=red:s=8000x8000 -frames:v 1");
    let task = || Task::Picture { into: bench.out() };
    let little = Limits { memory_bytes: 300 << 20, ..Limits::of(&task()) };
    let end = bench.run_within(&input, task(), little).await.unwrap_err();
    let is_memory = |it: &Failed| {
        matches!(
            it,
            Failed::TooMuch(Resource::Memory) | Failed::Refused { code: Code::TooMuchMemory, .. }
        )
    };
    assert!(is_memory(&end), "{end:?}");
    let input = bench.made("in.mkv", "-f lavfi -i testsrc2=s=1920x1080:r=30:d=8 -c:v mpeg4 -q:v 3");
    let task = Task::Transcode { into: bench.out() };
    let little = Limits { cpu_seconds: 1, ..Limits::of(&task) };
    let end = bench.run_within(&input, task, little).await.unwrap_err();
    assert_eq!(end, Failed::TooMuch(Resource::Cpu));
}

#[tokio::test]
async fn an_output_folder_that_is_not_there_is_said_so() {
    let bench = Bench::new();
    let input = bench.made("in.jpg", PICTURE);
    let task = Task::Picture { into: bench.path("nowhere") };
    assert_eq!(code(bench.run(&input, task).await), Code::Output);
}
