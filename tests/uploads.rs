//! Files of members through the whole house, with curl as the client.
//!
//! Here: bytes that come slowly, over both HTTPs, and what they cost; parts of files, read back by a
//! program that knows ranges. Not here: what is refused (`api`), stores that die (`storage`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::House;
use support::api::Member;
use support::peer::output_of;

const MIB: usize = 1024 * 1024;
/// For anything done at once.
const SOON: Duration = Duration::from_secs(30);

#[test]
fn fifty_megabytes_come_in_slowly_and_are_read_back_and_memory_stays_flat() {
    let house = without_worker();
    let member = house.member();
    let film = film(house.folder(), 50 * MIB - 4096);
    // Whatever is made once is made before it is measured.
    bring(&house, &member, &self::film(house.folder(), MIB), &[]);
    let before_kib = house.peak_memory_kib();
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let media = bring(&house, &member, &film, &[version, "--limit-rate", "16M"]);
        assert_eq!(media["file_size"], fs::metadata(&film).expect("a film").len());
        let back = house.folder().join("back");
        curl(&house, &media, &[version, "--limit-rate", "50M", "-o", &back.display().to_string()]);
        assert!(fs::read(&back).expect("read back") == fs::read(&film).expect("a film"));
    }
    let grown_kib = house.peak_memory_kib().saturating_sub(before_kib);
    assert!(grown_kib < 20 * 1024, "{grown_kib} KiB more for 50 MB at a time");
}

#[test]
fn curl_reads_the_parts_it_asks_for() {
    let house = without_worker();
    let film = film(house.folder(), 3 * MIB);
    let media = bring(&house, &house.member(), &film, &[]);
    let whole = fs::read(&film).expect("a film");
    for (range, part) in [
        ("0-0", &whole[..1]),
        ("1000000-1999999", &whole[1_000_000..2_000_000]),
        ("3000000-", &whole[3_000_000..]),
        ("-17", &whole[whole.len() - 17..]),
    ] {
        assert!(curl(&house, &media, &["--range", range]) == part, "{range}");
    }
    // What broke off in the midst goes on where it was.
    let half = house.folder().join("half");
    fs::write(&half, &whole[..1_234_567]).expect("half of it");
    curl(&house, &media, &["--continue-at", "-", "-o", &half.display().to_string()]);
    assert!(fs::read(&half).expect("the rest") == whole);

    let etags = house.folder().join("etag").display().to_string();
    curl(&house, &media, &["--etag-save", &etags]);
    let status = ["--etag-compare", &etags, "--write-out", "%{http_code}"];
    assert_eq!(String::from_utf8_lossy(&curl(&house, &media, &status)), "304");
    let past = ["--range", "99999999-", "--write-out", "%{http_code}"];
    assert_eq!(String::from_utf8_lossy(&curl(&house, &media, &past)), "416");
}

#[test]
fn what_was_brought_is_there_after_a_crash() {
    let mut house = without_worker();
    let film = film(house.folder(), MIB);
    let media = bring(&house, &house.member(), &film, &[]);
    house.crash();
    fs::write(house.folder().join("data/incoming/half"), "half").expect("half received");
    house.restart_in_place();
    assert!(curl(&house, &media, &[]) == fs::read(&film).expect("a film"));
    assert!(!house.folder().join("data/incoming/half").exists());
}

/// Films here are structures without pixels, of which no worker would make anything.
fn without_worker() -> House {
    House::start_with(&[("API__WORKSHOP__WORKER", "off")])
}

/// Has a member bring a file with curl, and gives the media he is answered.
fn bring(house: &House, member: &Member, file: &Path, more: &[&str]) -> Value {
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error", "--fail-with-body"]).args(more);
    command.args(["--header", &format!("Authorization: {}", member.bearer())]);
    command.args(["--form", &format!("file=@{}", file.display()), "--form", "title=film"]);
    command.arg(house.url("/api/posts/media/upload/"));
    let answer = output_of(command, Duration::from_secs(100));
    serde_json::from_slice(&answer).expect("media")
}

/// Reads a file with curl.
fn curl(house: &House, media: &Value, more: &[&str]) -> Vec<u8> {
    let url = media["file"].as_str().expect("an address");
    assert!(url.starts_with(&house.url("/media/")), "{url}");
    let mut command = Command::new("curl");
    command.args(["--silent", "--show-error"]).args(more).arg(url);
    output_of(command, SOON)
}

/// The structure of an MP4 file with so many bytes of data, no two pages of them alike.
fn film(folder: &Path, data_bytes: usize) -> PathBuf {
    let boxed = |name: &[u8; 4], content: &[u8]| {
        let len = u32::try_from(content.len() + 8).expect("small").to_be_bytes();
        [&len[..], name, content].concat()
    };
    let header = [&[0; 12][..], &1000_u32.to_be_bytes(), &60_000_u32.to_be_bytes()].concat();
    let matrix = [65_536_u32, 0, 0, 0, 65_536, 0, 0, 0, 0x4000_0000].map(u32::to_be_bytes);
    let size = [640_u32 << 16, 360 << 16].map(u32::to_be_bytes).concat();
    let track = boxed(b"tkhd", &[&[0; 40][..], &matrix.concat(), &size].concat());
    let handler = boxed(b"mdia", &boxed(b"hdlr", b"\0\0\0\0\0\0\0\0vide"));
    let film = [boxed(b"mvhd", &header), boxed(b"trak", &[track, handler].concat())].concat();
    let data: Vec<u8> = (0..data_bytes as u32 / 4).flat_map(u32::to_le_bytes).collect();
    let brand = boxed(b"ftyp", b"isom\0\0\0\0isom");
    let path = folder.join(format!("film-{data_bytes}.mp4"));
    let whole = [brand, boxed(b"moov", &film), boxed(b"mdat", &data)].concat();
    fs::write(&path, whole).expect("a film");
    path
}
