//! Pictures and videos of members, made ready by the real media worker behind the real server.
//!
//! Here: what comes out of files of Debian's ffmpeg and of files that nobody's program would make; what
//! a crash of the server leaves. Not here: what the worker does to each kind of file (`media-worker`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::api::Member;
use support::peer::output_of;
use support::{House, wait, worker};

/// For a few seconds of a small video, in a debug build on a machine that does something else too.
const MADE_WITHIN: Duration = Duration::from_secs(120);
/// For anything done at once.
const SOON: Duration = Duration::from_secs(60);

const FILM: &str =
    "-f lavfi -i testsrc2=s=320x240:r=25:d=3 -f lavfi -i sine=440:d=3 -pix_fmt yuv420p";
const PICTURE: &str = "-f lavfi -i testsrc2=s=2400x1200 -frames:v 1";

#[test]
fn a_photograph_is_shrunk_and_turned_and_does_not_say_where_it_was_taken() {
    let house = worker::start(&[]);
    let plain = fs::read(made(&house, "plain.jpg", PICTURE)).expect("a picture");
    let photograph = written(&house, "in.jpg", &with_exif(&plain, 6));
    let member = house.member();
    let media = bring(&house, &member, &photograph);
    assert_eq!(media["media_type"], "image", "{media}");
    assert_eq!(media["approval_status"], "approved");
    // Turned by a quarter, then bounded.
    assert_eq!((media["width"].as_u64(), media["height"].as_u64()), (Some(960), Some(1920)));
    assert!(media["blur_hash"].as_str().is_some_and(|hash| hash.len() > 10), "{media}");
    let (large, small) = (read(&house, &media["file"]), read(&house, &media["thumbnail_url"]));
    assert_eq!(media["file_size"].as_u64(), Some(large.len() as u64));
    for bytes in [&large, &small] {
        assert!(!contains(bytes, b"CONAKRY") && !contains(bytes, b"Exif"));
    }
    assert!(small.len() < large.len());
    assert_eq!(house_files(&house), 2, "what was brought is not kept");
}

#[test]
fn a_video_that_every_browser_plays_is_kept_but_for_its_notes_and_shown_at_once() {
    let house = worker::start(&[]);
    let film =
        made(&house, "in.mp4", &format!("{FILM} -c:v libx264 -c:a aac -movflags +faststart"));
    let media = bring(&house, &house.member(), &film);
    assert_eq!(media["approval_status"], "approved", "{media}");
    assert_eq!(media["processing_status"], "done");
    let (brought, kept) = (fs::read(&film).expect("the film"), read(&house, &media["file"]));
    assert_eq!(kept.len(), brought.len());
    let data = position(&brought, b"mdat");
    assert!(kept[data..] == brought[data..], "not a byte of picture and sound has changed");
    assert!(contains(&brought, b"udta") && !contains(&kept, b"udta"));
    let poster = media["thumbnail_url"].as_str().expect("a poster");
    assert!(poster.ends_with(".jpg") && !read(&house, &media["thumbnail_url"]).is_empty());
}

#[test]
fn other_videos_are_pending_until_they_are_mp4_for_everybody() {
    let house = worker::start(&[]);
    let member = house.member();
    for (name, codecs) in [
        ("in.avi", "-c:v mpeg4 -c:a mp3"),
        ("in.mov", "-c:v mjpeg -pix_fmt yuvj420p -c:a pcm_s16le"),
        ("in.webm", "-c:v libvpx -c:a libvorbis"),
        ("behind.mp4", "-c:v libx264 -c:a aac"),
    ] {
        let film = made(&house, name, &format!("{FILM} {codecs}"));
        let media = bring(&house, &member, &film);
        assert_eq!(media["approval_status"], "pending", "{name}: {media}");
        let ready = until_made(&house, &member, &media);
        assert_eq!(ready["approval_status"], "approved", "{name}: {ready}");
        assert_eq!(ready["file_type"], "video/mp4", "{name}");
        assert_eq!(ready["processing_progress"], 100, "{name}");
        assert!(ready["duration"].as_str().is_some_and(|it| it.starts_with("00:00:0")), "{ready}");
        assert!(ready["thumbnail_url"].is_string(), "{name}: {ready}");
        let bytes = written(&house, "back.mp4", &read(&house, &ready["file"]));
        let codecs = output_of(ffprobe(&bytes), SOON);
        assert_eq!(String::from_utf8_lossy(&codecs).trim(), "h264\naac", "{name}");
    }
}

#[test]
fn a_picture_that_moves_becomes_a_video_with_a_picture() {
    let house = worker::start(&[]);
    let gif = made(&house, "in.gif", "-f lavfi -i testsrc2=s=160x120:r=10:d=1");
    let media = bring(&house, &house.member(), &gif);
    assert_eq!((&media["media_type"], &media["file_type"]), (&"video".into(), &"video/mp4".into()));
    assert!(media["thumbnail_url"].is_string(), "{media}");
}

#[test]
fn a_video_is_as_long_as_it_is_measured_not_as_it_says() {
    let house = worker::start(&[("API__UPLOADS__VIDEO_MAX_S", "1")]);
    let member = house.member();
    let long = made(&house, "long.mp4", &format!("{FILM} -c:v libx264 -movflags +faststart"));
    let mut lying = fs::read(&long).expect("a film");
    // A duration of one second in the headers of the film and its tracks.
    for name in [b"mvhd", b"mdhd"] {
        let at = position(&lying, name) + 4;
        let timescale: [u8; 4] = lying[at + 12..at + 16].try_into().expect("four bytes");
        lying[at + 16..at + 20].copy_from_slice(&timescale);
    }
    for film in [long, written(&house, "lying.mp4", &lying)] {
        let refused = refusal(&house, &member, &film);
        assert_eq!(refused, "La vidéo ne peut pas dépasser 1 secondes", "{}", film.display());
    }
    // A recorder in a browser says nothing at all.
    let webm = made(&house, "live.webm", &format!("{FILM} -c:v libvpx -live 1 -f webm"));
    assert_eq!(refusal(&house, &member, &webm), "La vidéo ne peut pas dépasser 1 secondes");
}

#[test]
fn what_was_in_hand_when_the_server_died_is_made_by_the_next() {
    let mut house = worker::start(&[]);
    let member = house.member();
    let film = made(&house, "in.avi", &format!("{FILM} -c:v mpeg4").replace("d=3", "d=20"));
    let media = bring(&house, &member, &film);
    wait::until("the work begins", SOON, || {
        (look(&house, &member, &media)["processing_status"] == "running").then_some(())
    });
    house.crash();
    house.restart_in_place();
    let ready = until_made(&house, &member, &media);
    assert_eq!(ready["processing_status"], "done", "{ready}");
}

#[test]
fn hostile_files_are_refused_or_fail_and_disturb_nobody() {
    let house = worker::start(&[]);
    let member = house.member();
    bring(&house, &member, &made(&house, "first.jpg", PICTURE));
    let before_kib = house.peak_memory_kib();
    let jpeg = fs::read(made(&house, "plain.jpg", PICTURE)).expect("a picture");
    let mp4 =
        fs::read(made(&house, "plain.mp4", &format!("{FILM} -c:v libx264 -movflags +faststart")))
            .expect("a film");
    let svg = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>".to_vec();
    let mut wide = jpeg.clone();
    let frame = position(&wide, &[0xff, 0xc0]) + 5;
    wide[frame..frame + 4].copy_from_slice(&[0x75, 0x30, 0x75, 0x30]);
    let mut lying_avi =
        fs::read(made(&house, "plain.avi", &format!("{FILM} -c:v mpeg4"))).expect("avi");
    // Four thousand million pictures, one each hour.
    let header = position(&lying_avi, b"avih") + 8;
    lying_avi[header..header + 4].fill(0xff);
    lying_avi[header + 16..header + 20].fill(0xff);
    for (name, bytes) in [
        ("svg", svg),
        ("a picture of 900 million pixels", wide),
        ("a bomb", bomb()),
        ("half a picture", jpeg[..jpeg.len() / 2].to_vec()),
        ("a page behind a picture", [b"GIF89a".as_slice(), b"<script>alert(1)</script>"].concat()),
        ("half a film", mp4[..mp4.len() / 2].to_vec()),
        ("ten thousand tracks", many_tracks(&mp4)),
        ("a table that has no end", endless_table(&mp4)),
    ] {
        let file = written(&house, "hostile", &bytes);
        let said = refusal(&house, &member, &file);
        assert!(said.len() > 10, "{name}: {said}");
    }
    let (status, answer) = send(&house, &member, &written(&house, "hostile", &lying_avi));
    if status == 201 {
        let end = until_made(&house, &member, &answer);
        assert!(end["duration"].as_str().is_some_and(|it| it < "00:01:02"), "{end}");
    } else {
        assert_eq!(status, 400, "{answer}");
    }
    // Whoever comes next is served as ever.
    let media = bring(&house, &member, &written(&house, "good.jpg", &jpeg));
    assert_eq!(media["approval_status"], "approved");
    let grown_kib = house.peak_memory_kib().saturating_sub(before_kib);
    assert!(grown_kib < 30 * 1024, "{grown_kib} KiB more for hostile files");
}

#[test]
fn a_video_that_cannot_be_made_says_so_to_its_owner_and_the_next_is_made() {
    let folder = tempfile::tempdir().expect("a folder");
    let dying = worker::dying(folder.path());
    let house = worker::start(&[("API__WORKSHOP__WORKER", &dying), ("API__WORKSHOP__TRIES", "1")]);
    let member = house.member();
    let film = made(&house, "in.avi", &format!("{FILM} -c:v mpeg4"));
    let media = bring(&house, &member, &film);
    let end = until_made(&house, &member, &media);
    assert_eq!(
        (&end["processing_status"], &end["approval_status"]),
        (&"failed".into(), &"rejected".into())
    );
    assert!(end["status_reason"].as_str().is_some_and(|it| it.contains("MP4")), "{end}");
    let picture = bring(&house, &member, &made(&house, "in.png", PICTURE));
    assert_eq!(picture["approval_status"], "approved");
}

/// A file that Debian's ffmpeg makes.
fn made(house: &House, name: &str, arguments: &str) -> PathBuf {
    let path = house.folder().join(name);
    let mut command = Command::new("ffmpeg");
    command.args(["-nostdin", "-v", "error", "-y"]).args(arguments.split_whitespace()).arg(&path);
    output_of(command, SOON);
    path
}

fn written(house: &House, name: &str, bytes: &[u8]) -> PathBuf {
    let path = house.folder().join(name);
    fs::write(&path, bytes).expect("a file");
    path
}

/// What a member who brings a file is answered.
fn send(house: &House, member: &Member, file: &Path) -> (u16, Value) {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--write-out", "\n%{http_code}"]);
    command.args(["--header", &format!("Authorization: {}", member.bearer())]);
    command.args(["--form", &format!("file=@{}", file.display())]);
    command.arg(house.url("/api/posts/media/upload/"));
    let answer = String::from_utf8(output_of(command, MADE_WITHIN)).expect("a text");
    let (body, status) = answer.rsplit_once('\n').expect("a status");
    let body = serde_json::from_str(body).unwrap_or_else(|_| panic!("not JSON: {body}"));
    (status.parse().expect("a number"), body)
}

#[track_caller]
fn bring(house: &House, member: &Member, file: &Path) -> Value {
    let (status, media) = send(house, member, file);
    assert_eq!(status, 201, "{media}\n{}", house.log());
    media
}

/// Why a file is not taken.
#[track_caller]
fn refusal(house: &House, member: &Member, file: &Path) -> String {
    let (status, answer) = send(house, member, file);
    assert_eq!(status, 400, "{answer}\n{}", house.log());
    answer["file"][0].as_str().expect("a reason").to_owned()
}

fn look(house: &House, member: &Member, media: &Value) -> Value {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body"]);
    command.args(["--header", &format!("Authorization: {}", member.bearer())]);
    command.arg(house.url(&format!("/api/posts/media/{}/", media["id"])));
    serde_json::from_slice(&output_of(command, SOON)).expect("media")
}

/// Media once it is what it will stay.
fn until_made(house: &House, member: &Member, media: &Value) -> Value {
    wait::until("the video is made, or has failed", MADE_WITHIN, || {
        let media = look(house, member, media);
        let is_made =
            media["processing_status"] == "done" || media["processing_status"] == "failed";
        is_made.then_some(media)
    })
}

fn read(house: &House, url: &Value) -> Vec<u8> {
    let url = url.as_str().expect("an address");
    assert!(url.starts_with(&house.url("/media/")), "{url}");
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail", url]);
    output_of(command, SOON)
}

fn house_files(house: &House) -> usize {
    fs::read_dir(house.folder().join("data/media")).expect("a folder").count()
}

fn ffprobe(path: &Path) -> Command {
    let mut command = Command::new("ffprobe");
    command.args(["-v", "error", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]).arg(path);
    command
}

fn contains(bytes: &[u8], needle: &[u8]) -> bool {
    bytes.windows(needle.len()).any(|window| window == needle)
}

#[track_caller]
fn position(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).position(|window| window == needle).expect("it is there")
}

/// A JPEG with an EXIF block behind its first marker: an orientation, and where it was taken.
fn with_exif(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: u32, value: [u8; 4]| {
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count.to_le_bytes(), &value].concat()
    };
    let exif = [
        b"Exif\0\0II*\0\x08\0\0\0\x02\0".to_vec(),
        entry(0x0112, 3, 1, [orientation, 0, 0, 0]),
        entry(0x8825, 4, 1, 38_u32.to_le_bytes()),
        vec![0; 4],
        b"\x01\0".to_vec(),
        entry(0x1b, 2, 8, 56_u32.to_le_bytes()),
        vec![0; 4],
        b"CONAKRY\0".to_vec(),
    ]
    .concat();
    let length = u16::try_from(exif.len() + 2).expect("small").to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// A PNG of 8000x8000 pixels in a few hundred kilobytes, with too few of them.
fn bomb() -> Vec<u8> {
    use std::io::Write as _;
    let chunk = |name: &[u8; 4], data: &[u8]| {
        let mut sum = flate2::Crc::new();
        sum.update(name);
        sum.update(data);
        let length = u32::try_from(data.len()).expect("small").to_be_bytes();
        [&length[..], name, data, &sum.sum().to_be_bytes()].concat()
    };
    let mut packed = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    for _ in 0..100 {
        packed.write_all(&vec![0; 1 << 20]).expect("memory");
    }
    let size = [8000_u32.to_be_bytes(), 8000_u32.to_be_bytes()].concat();
    let header = chunk(b"IHDR", &[&size[..], &[8, 6, 0, 0, 0]].concat());
    let data = chunk(b"IDAT", &packed.finish().expect("memory"));
    [b"\x89PNG\r\n\x1a\n", &header[..], &data, &chunk(b"IEND", b"")].concat()
}

/// The film with its index made over by `change`, before its data.
fn with_index(mp4: &[u8], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let at = position(mp4, b"moov") - 4;
    let length = u32::from_be_bytes(mp4[at..at + 4].try_into().expect("four bytes")) as usize;
    let index = change(mp4[at + 8..at + length].to_vec());
    let length_now = u32::try_from(index.len() + 8).expect("small").to_be_bytes();
    [&mp4[..at], &length_now, b"moov", &index, &mp4[at + length..]].concat()
}

fn many_tracks(mp4: &[u8]) -> Vec<u8> {
    with_index(mp4, |index| {
        let at = position(&index, b"trak") - 4;
        let length = u32::from_be_bytes(index[at..at + 4].try_into().expect("four bytes")) as usize;
        let track = index[at..at + length].to_vec();
        [&index[..at], &track.repeat(10_000), &index[at + length..]].concat()
    })
}

/// A table of samples that says it has four thousand million rows.
fn endless_table(mp4: &[u8]) -> Vec<u8> {
    with_index(mp4, |mut index| {
        for name in [b"stsz", b"stts", b"stsc"] {
            let at = position(&index, name) + 8;
            let at = if name == b"stsz" { at + 4 } else { at };
            index[at..at + 4].fill(0xff);
        }
        index
    })
}
