//! What `doctor` says of a data folder, and what it puts right.
//!
//! Here: the real binary beside a server, and after one that crashed in the midst of everything. Not here: what the
//! server puts right by itself (`recordings`, `life_of_a_live`).

mod support;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use support::House;
use support::api::Live;
use support::http;
use support::peer::output_of;
use support::rtmp::Client;
use support::source::{self, Pace, USUAL};
use support::wait;

const PUSHED_WITHIN: Duration = Duration::from_secs(40);
const SOON: Duration = Duration::from_secs(10);

/// What it says, and with what it ends.
fn doctor(house: &House, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"));
    for (key, _) in std::env::vars() {
        if key.starts_with("COMMUNICONNECT_") || key == "DATABASE_URL" {
            command.env_remove(key);
        }
    }
    let output = command.envs(house.environment()).arg("doctor").args(arguments).output();
    let output = output.expect("the command runs");
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

fn recorded(house: &House) -> Live {
    let live = house.live();
    let folder = tempfile::tempdir().expect("a temp folder");
    let url = house.rtmp_url(&live.key);
    let mut encoder = source::push_by_ffmpeg(&USUAL.flv(), &url, Pace::Unpaced, folder.path());
    encoder.wait_success(PUSHED_WITHIN);
    wait::until_true("all is read", PUSHED_WITHIN, || live.state() == "interrupted");
    assert_eq!(live.member.stop(live.id).json()["video_saved"], true);
    live
}

fn recording_of(house: &House, live: &Live) -> PathBuf {
    house.folder().join("data/recordings").join(&live.name)
}

fn change_database(house: &House, statements: &str) {
    let mut python = Command::new("python3");
    let run = "import sqlite3, sys; sqlite3.connect(sys.argv[1]).executescript(\
        'pragma foreign_keys = on; ' + sys.argv[2])";
    let database = house.folder().join("data/communiconnect.sqlite");
    python.args(["-c", run]).arg(database).arg(statements);
    output_of(python, SOON);
}

#[test]
fn what_a_crash_left_in_disagreement_is_told_and_put_right() {
    let mut house = House::start_with(&[("LIVES__GRACE_S", "1")]);
    let [unshown, deleted, gone, alone] = std::array::from_fn(|_| recorded(&house));
    let open = house.live();
    let mut client = Client::connect(house.rtmp);
    client.publish(&open.key).expect("the key is good");
    wait::until_true("it is on", SOON, || open.state() == "live");
    let (code, said) = doctor(&house, &["--deep"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("a server runs") && said.contains("agree"), "{said}");
    let (code, said) = doctor(&house, &["--repair"]);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("stop the server first"), "{said}");

    house.crash();
    let crashed = Instant::now();
    change_database(
        &house,
        &format!(
            "delete from media where name in ('{unshown}', '{deleted}'); \
             delete from deleted_recordings where name = '{unshown}'; \
             delete from lives where playback_name = '{alone}'",
            unshown = unshown.name,
            deleted = deleted.name,
            alone = alone.name,
        ),
    );
    fs::remove_dir_all(recording_of(&house, &gone)).expect("it was recorded");
    let leftover = house.folder().join("data/incoming/partial").join(format!("{:032x}", 7));
    fs::write(&leftover, b"half a film").expect("a folder for it");
    wait::until_true("its grace is over", SOON, || crashed.elapsed() > Duration::from_secs(2));

    let wrong = [
        format!("live {} stands as live, and its grace is over", open.id),
        format!(
            "live {} is over, and its post does not show recording {}",
            unshown.id, unshown.name
        ),
        format!("recording {} was deleted, and is still there", deleted.name),
        format!("a post shows recording {}, which is not there", gone.name),
        format!("recording {} was deleted, and is still there", alone.name),
        "1 files of uploads belong to nothing".to_owned(),
    ];
    let (code, said) = doctor(&house, &[]);
    assert_eq!(code, Some(1), "{said}");
    for what in &wrong {
        assert!(said.lines().any(|line| line == what), "{what}:\n{said}");
    }
    assert!(said.contains(&format!("{} wrong; --repair", wrong.len())), "{said}");
    assert!(recording_of(&house, &deleted).exists() && leftover.exists(), "nothing was changed");

    let (code, said) = doctor(&house, &["--repair"]);
    assert_eq!(code, Some(0), "{said}");
    for what in &wrong {
        let is_it = |line: &str| line.starts_with(&format!("{what}: "));
        assert!(said.lines().any(is_it), "{what}:\n{said}");
    }
    assert!(!recording_of(&house, &deleted).exists() && !recording_of(&house, &alone).exists());
    assert!(!leftover.exists());
    let (code, said) = doctor(&house, &["--deep"]);
    assert_eq!(code, Some(0), "{said}");

    house.restart();
    let member = unshown.member.sign_in_again(house.http);
    let post = member.get(&format!("/api/posts/{}/", unshown.id)).json();
    assert!(post["live_stream"]["file"].is_string(), "{post:#}");
    assert_eq!(open.member.sign_in_again(house.http).status_of(open.id)["status"], "ended");
}

#[test]
fn what_only_people_can_put_right_is_told() {
    let mut house = House::start();
    let live = recorded(&house);
    let volume = recording_of(&house, &live).join("00000.volume");
    house.crash();
    let mut bytes = fs::read(&volume).expect("it was recorded");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&volume, bytes).expect("ours");
    let (code, said) = doctor(&house, &[]);
    assert_eq!(code, Some(0), "nothing is read through: {said}");
    for arguments in [&["--deep"][..], &["--deep", "--repair"]] {
        let (code, said) = doctor(&house, arguments);
        assert_eq!(code, Some(1), "{said}");
        let damaged = said.lines().filter(|line| line.contains("is damaged, and is not served"));
        assert_eq!(damaged.count(), 1, "{said}");
    }
    let object = "0123456789abcdef0123456789abcdef.jpg";
    change_database(
        &house,
        &format!(
            "insert into media (owner_id, name, media_type, title, description, size_bytes, \
             approval_status, created_ms) select author_id, '{object}', 'image', '', '', 1, 'approved', 1 \
             from lives where playback_name = '{}'",
            live.name
        ),
    );
    let (code, said) = doctor(&house, &["--repair"]);
    assert_eq!(code, Some(1), "{said}");
    // Its whole name would be an address.
    assert!(said.contains("its file 01234567….jpg is not in the storage"), "{said}");
    // Nobody said that it is to go.
    change_database(
        &house,
        &format!(
            "delete from lives where playback_name = '{0}'; delete from deleted_recordings where name = '{0}'",
            live.name
        ),
    );
    let (code, said) = doctor(&house, &["--repair"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is of no live of this database"), "{said}");
    assert!(recording_of(&house, &live).exists());
    // Of another data folder, or with its disk away: nothing is deleted for that.
    let recordings = house.folder().join("data/recordings");
    fs::rename(&recordings, house.folder().join("elsewhere")).expect("ours");
    fs::create_dir_all(recordings.join("another1")).expect("ours");
    fs::create_dir_all(recordings.join("another2")).expect("ours");
    let (code, said) = doctor(&house, &["--repair"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("none of 2 recordings is of a live of this database"), "{said}");
    assert!(recordings.join("another1").exists());
    house.restart();
    let answer = http::get(house.http, "/api/geography/regions/");
    assert!(answer.status < 500);
}
