//! Pictures as members send them.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;
use std::path::Path;

use support::files::with_exif;
use support::{Bench, assert_near, contains, ffprobe, pixel, seconds, track};
use worker::protocol::{Image, ImageFormat, Medium};

/// Red on the left, blue on the right.
const TWO_COLOURS: &str = "-f lavfi -i color=red:s=300x200 -f lavfi -i color=blue:s=300x200 \
    -filter_complex hstack -frames:v 1";
const RED: [u8; 3] = [254, 0, 0];
const BLUE: [u8; 3] = [0, 0, 254];

/// The file is what the answer says, for a reader that is not ours.
fn assert_is(bench: &Bench, image: &Image, codec: &str, size: (u64, u64)) {
    let path = bench.output(image);
    let probed = ffprobe(&path);
    let video = track(&probed, "video");
    assert_eq!(video["codec_name"], codec);
    assert_eq!((video["width"].as_u64(), video["height"].as_u64()), (Some(size.0), Some(size.1)));
    assert_eq!((u64::from(image.width), u64::from(image.height)), size);
    assert_eq!(image.size_bytes, fs::metadata(path).unwrap().len());
}

#[tokio::test]
async fn a_large_photograph_is_shrunk_to_two_sizes() {
    let bench = Bench::new();
    let input = bench.made("in.jpg", "-f lavfi -i testsrc2=s=4000x3000 -frames:v 1 -q:v 2");
    let picture = bench.picture(&input).await.unwrap();
    assert_is(&bench, &picture.still.large, "mjpeg", (1440, 1080));
    assert_is(&bench, &picture.still.small, "mjpeg", (480, 360));
    assert!(picture.moving.is_none());
    assert_eq!(picture.still.blurhash.len(), 28);
    assert_eq!(bench.probe(&input).await.unwrap().medium, Medium::Picture);
}

#[tokio::test]
async fn a_small_picture_is_not_made_larger() {
    let bench = Bench::new();
    let picture = bench.picture(&bench.made("in.jpg", TWO_COLOURS)).await.unwrap();
    assert_is(&bench, &picture.still.large, "mjpeg", (600, 200));
    assert_is(&bench, &picture.still.small, "mjpeg", (480, 160));
}

#[tokio::test]
async fn a_photograph_stands_upright_and_does_not_say_where_it_was_taken() {
    let bench = Bench::new();
    let jpeg = fs::read(bench.made("plain.jpg", TWO_COLOURS)).unwrap();
    let input = bench.written("in.jpg", &with_exif(&jpeg, 6));
    assert!(contains(&fs::read(&input).unwrap(), b"CONAKRY"));
    let picture = bench.picture(&input).await.unwrap();
    // Turned to the right: what was left is on top.
    assert_is(&bench, &picture.still.large, "mjpeg", (200, 600));
    assert_near(pixel(&bench.output(&picture.still.large), 50, 20), RED);
    assert_near(pixel(&bench.output(&picture.still.large), 50, 80), BLUE);
    for image in [&picture.still.large, &picture.still.small] {
        let bytes = fs::read(bench.output(image)).unwrap();
        assert!(!contains(&bytes, b"CONAKRY") && !contains(&bytes, b"Exif"));
    }
}

#[tokio::test]
async fn what_is_transparent_stays_so() {
    let bench = Bench::new();
    let drawing = "-f lavfi -i color=red@0.5:s=2400x600,format=rgba -frames:v 1";
    for name in ["in.png", "in.webp"] {
        let picture = bench.picture(&bench.made(name, drawing)).await.unwrap();
        assert_eq!(picture.still.large.format, ImageFormat::Png);
        assert_is(&bench, &picture.still.large, "png", (1920, 480));
        let [red, _, _, alpha] = pixel(&bench.output(&picture.still.small), 50, 50);
        assert!(red > 240 && alpha.abs_diff(127) < 4, "{name}: {red} {alpha}");
    }
}

#[tokio::test]
async fn a_gif_that_moves_becomes_a_film_and_a_picture() {
    let bench = Bench::new();
    let input = bench.made("in.gif", "-f lavfi -i testsrc=s=321x241:r=10:d=2");
    assert_moves(&bench, &input, 2.0, (320, 240)).await;
}

#[tokio::test]
async fn a_webp_that_moves_becomes_a_film_and_a_picture() {
    let bench = Bench::new();
    let arguments = "-f lavfi -i testsrc=s=320x240:r=10:d=2 -c:v libwebp_anim -loop 0";
    let input = bench.made("in.webp", arguments);
    assert_moves(&bench, &input, 2.0, (320, 240)).await;
}

async fn assert_moves(bench: &Bench, input: &Path, lasts: f64, size: (u64, u64)) {
    let picture = bench.picture(input).await.unwrap();
    let film = picture.moving.expect("it moves");
    let probed = ffprobe(&bench.out().join(film.file.as_str()));
    let video = track(&probed, "video");
    assert_eq!(video["codec_name"], "h264");
    assert_eq!(video["pix_fmt"], "yuv420p");
    assert_eq!((video["width"].as_u64(), video["height"].as_u64()), (Some(size.0), Some(size.1)));
    assert!((seconds(&probed["format"]["duration"]) - lasts).abs() < 0.1, "{probed}");
    assert_eq!(probed["streams"].as_array().unwrap().len(), 1, "silent");
    assert!(film.duration_ms.abs_diff((lasts * 1000.0) as u64) < 100);
    assert!(!bench.output(&picture.still.large).metadata().unwrap().is_dir());
}

#[tokio::test]
async fn a_gif_of_one_picture_does_not_move() {
    let bench = Bench::new();
    let input = bench.made("in.gif", "-f lavfi -i testsrc=s=320x240 -frames:v 1");
    assert!(bench.picture(&input).await.unwrap().moving.is_none());
    assert_eq!(bench.out().join("video.mp4").metadata().unwrap().len(), 0);
}

#[tokio::test]
async fn sixteen_bits_a_channel_become_eight() {
    let bench = Bench::new();
    let input = bench.made("in.png", "-f lavfi -i testsrc2=s=640x480 -frames:v 1 -pix_fmt rgb48be");
    let picture = bench.picture(&input).await.unwrap();
    let probed = ffprobe(&bench.output(&picture.still.large));
    let format = track(&probed, "video")["pix_fmt"].as_str().unwrap().to_owned();
    assert!(["rgb24", "yuvj420p"].contains(&format.as_str()), "{format}");
}
