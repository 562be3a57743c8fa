//! What lives look like, as the worker makes it of one picture of theirs.

#![allow(clippy::unwrap_used, reason = "these are tests")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use support::{Bench, assert_near, code, pixel};
use worker::Failed;
use worker::protocol::{Code, Image, Outcome, Still, Task};

/// Red above, blue below.
const FLAG: &str = "-f lavfi -i color=red:s=WxH:r=1:d=1 -vf drawbox=y=ih/2:h=ih:c=blue:t=fill";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p";
const FRAGMENTED: &str = "-frames:v 1 -movflags empty_moov+default_base_moof+frag_keyframe -f mp4";

async fn thumbnail(bench: &Bench, input: &Path) -> Result<Still, Failed> {
    match bench.run(input, Task::Thumbnail { into: bench.out() }).await? {
        Outcome::Thumbnail(still) => Ok(still),
        other => panic!("{other:?}"),
    }
}

async fn sheet(
    bench: &Bench,
    tiles: &[Vec<u8>],
    lengths: Vec<u32>,
    columns: u32,
) -> Result<Image, Failed> {
    let input = bench.written("tiles", &tiles.concat());
    match bench.run(&input, Task::Sheet { into: bench.out(), lengths, columns }).await? {
        Outcome::Sheet(image) => Ok(image),
        other => panic!("{other:?}"),
    }
}

fn film(bench: &Bench, size: &str, codec: &str) -> PathBuf {
    bench.made("in.mp4", &format!("{} {codec} {FRAGMENTED}", FLAG.replace("WxH", size)))
}

fn lengths(tiles: &[Vec<u8>]) -> Vec<u32> {
    tiles.iter().map(|it| u32::try_from(it.len()).unwrap()).collect()
}

#[tokio::test]
async fn one_picture_of_every_codec_of_lives_becomes_a_poster_and_a_thumbnail() {
    let bench = Bench::new();
    for codec in [
        H264,
        "-c:v libx265 -preset ultrafast -pix_fmt yuv420p -tag:v hvc1 -x265-params log-level=error",
        "-c:v libsvtav1 -preset 12 -pix_fmt yuv420p",
        "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
    ] {
        let still = thumbnail(&bench, &film(&bench, "1920x1080", codec)).await.unwrap();
        let sizes = [&still.large, &still.small].map(|it| (it.width, it.height));
        assert_eq!(sizes, [(480, 270), (160, 90)], "{codec}");
        for image in [&still.large, &still.small] {
            assert_near(pixel(&bench.output(image), 50, 20), [255, 0, 0]);
            assert_near(pixel(&bench.output(image), 50, 80), [0, 0, 255]);
        }
        assert!(still.large.size_bytes < 20_000 && still.small.size_bytes < 4_000, "{still:?}");
    }
}

#[tokio::test]
async fn a_live_that_stands_stands_in_its_pictures() {
    let bench = Bench::new();
    let still = thumbnail(&bench, &film(&bench, "720x1280", H264)).await.unwrap();
    let sizes = [&still.large, &still.small].map(|it| (it.width, it.height));
    assert_eq!(sizes, [(270, 480), (90, 160)]);
}

#[tokio::test]
async fn a_picture_that_was_hurt_is_a_picture_or_is_refused() {
    let bench = Bench::new();
    let whole = fs::read(film(&bench, "640x360", H264)).unwrap();
    for at in (0..whole.len()).step_by(whole.len() / 40) {
        let mut hurt = whole.clone();
        hurt[at] ^= 0xff;
        let end = thumbnail(&bench, &bench.written("hurt.mp4", &hurt)).await;
        assert!(matches!(end, Ok(_) | Err(Failed::Refused { .. })), "{at}: {end:?}");
        let end = thumbnail(&bench, &bench.written("cut.mp4", &whole[..at])).await;
        assert!(matches!(end, Ok(_) | Err(Failed::Refused { .. })), "{at}: {end:?}");
    }
}

#[tokio::test]
async fn a_picture_of_too_many_pixels_is_refused() {
    let bench = Bench::new();
    let end = thumbnail(&bench, &film(&bench, "8192x4320", H264)).await;
    assert_eq!(code(end), Code::TooManyPixels);
}

#[tokio::test]
async fn thumbnails_are_laid_side_by_side_in_their_order() {
    let bench = Bench::new();
    let colours = ["red", "lime", "blue", "white", "yellow"];
    let tiles: Vec<Vec<u8>> = colours
        .iter()
        .map(|colour| {
            let made = format!("-f lavfi -i color={colour}:s=160x90 -frames:v 1");
            fs::read(bench.made("tile.jpg", &made)).unwrap()
        })
        .collect();
    let image = sheet(&bench, &tiles, lengths(&tiles), 4).await.unwrap();
    assert_eq!((image.width, image.height), (640, 180));
    let path = bench.output(&image);
    assert_near(pixel(&path, 12, 25), [255, 0, 0]);
    assert_near(pixel(&path, 37, 25), [0, 255, 0]);
    assert_near(pixel(&path, 62, 25), [0, 0, 255]);
    assert_near(pixel(&path, 87, 25), [255, 255, 255]);
    assert_near(pixel(&path, 12, 75), [255, 255, 0]);
    assert_near(pixel(&path, 87, 75), [0, 0, 0]);
}

#[tokio::test]
async fn what_makes_no_sheet_is_refused() {
    let bench = Bench::new();
    let tile = |size: &str| {
        let made = format!("-f lavfi -i color=red:s={size} -frames:v 1");
        fs::read(bench.made("tile.jpg", &made)).unwrap()
    };
    let (lying, standing) = (tile("160x90"), tile("90x160"));
    let mixed = [lying.clone(), standing];
    assert_eq!(code(sheet(&bench, &mixed, lengths(&mixed), 4).await), Code::BadJob);
    let one = [lying];
    assert_eq!(code(sheet(&bench, &one, vec![], 4).await), Code::BadJob);
    assert_eq!(code(sheet(&bench, &one, lengths(&one), 0).await), Code::BadJob);
    assert_eq!(code(sheet(&bench, &one, vec![20], 4).await), Code::Unreadable);
    assert_eq!(code(sheet(&bench, &one, vec![u32::MAX, 9], 4).await), Code::Unreadable);
    let many = vec![u32::try_from(one[0].len()).unwrap(); 10_000];
    assert_eq!(code(sheet(&bench, &one, many, 4).await), Code::TooManyPixels);
}
