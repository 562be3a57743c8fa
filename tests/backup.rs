//! The database copied from under a server that is written to, and put back: the real binary.

#![allow(clippy::unwrap_used)]

mod support;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Output},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use serde_json::json;
use support::{House, api::Member, http};

/// Runs a command of the binary on the data folder of `house`.
fn command(house: &House, words: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_communiconnect-live"))
        .args(words)
        .current_dir(house.folder())
        .env_remove("DATABASE_URL")
        .env("COMMUNICONNECT_DATA_DIR", house.folder().join("data"))
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

fn write(server: SocketAddr, member: &Member, content: &str) -> i64 {
    let body = json!({ "content": content }).to_string();
    let headers = [("Authorization", &*member.bearer()), ("Content-Type", "application/json")];
    let answer = http::send(server, "POST", "/api/posts/", &headers, body.as_bytes());
    assert_eq!(answer.status, 201, "{}", answer.text());
    answer.json()["id"].as_i64().unwrap()
}

fn status_of(member: &Member, post: i64) -> u16 {
    member.get(&format!("/api/posts/{post}/")).status
}

#[test]
fn a_copy_taken_while_members_write_gives_a_server_that_serves_all_of_it() {
    let settings = [("API__LIMITS__WRITING", "{burst=100000,per_minute=100000}")];
    let mut house = House::start_with(&settings);
    let members: Vec<Member> = (0..3).map(|_| house.member()).collect();
    let (written, stop) = (Mutex::new(Vec::new()), AtomicBool::new(false));
    let server = house.http;
    let before = thread::scope(|threads| {
        for member in &members {
            let (written, stop) = (&written, &stop);
            threads.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    let id = write(server, member, "Pendant la copie");
                    written.lock().unwrap().push(id);
                }
            });
        }
        while written.lock().unwrap().len() < 60 {
            thread::yield_now();
        }
        let before = written.lock().unwrap().clone();
        let output = command(&house, &["backup", "copy.sqlite"]);
        stop.store(true, Ordering::Relaxed);
        assert!(output.status.success(), "{}", said(&output));
        assert!(said(&output).contains("verified"), "{}", said(&output));
        before
    });
    let after = write(server, &members[0], "Après la copie");

    let again = command(&house, &["backup", "copy.sqlite"]);
    assert!(!again.status.success() && said(&again).contains("--force"), "{}", said(&again));
    let running = command(&house, &["restore", "copy.sqlite"]);
    assert!(!running.status.success(), "{}", said(&running));
    assert!(said(&running).contains("another server uses it"), "{}", said(&running));
    assert_eq!(status_of(&members[0], after), 200, "a refused restore changes nothing");

    // As a crash leaves it: with a log beside the file.
    house.crash();
    let data = house.folder().join("data");
    assert!(data.join("communiconnect.sqlite-wal").exists());
    let restored = command(&house, &["restore", "copy.sqlite"]);
    assert!(restored.status.success(), "{}", said(&restored));
    assert!(!data.join("communiconnect.sqlite-wal").exists());
    house.restart();
    let member = members[0].sign_in_again(house.http);
    for id in before {
        assert_eq!(status_of(&member, id), 200, "post {id} was acknowledged before the copy");
    }
    assert_eq!(status_of(&member, after), 404, "it was written after the copy");
    write(house.http, &member, "Et la suite");

    // What was replaced is there whole, with the log that belongs to it.
    let aside = replaced(&data).into_os_string().into_string().unwrap();
    assert!(Path::new(&format!("{aside}-wal")).exists(), "{aside}");
}

#[test]
fn a_file_that_is_no_copy_leaves_the_database_as_it_was() {
    let mut house = House::start();
    let member = house.member();
    let post = write(house.http, &member, "Bonjour");
    house.terminate();
    house.wait_for_exit(Duration::from_secs(20));
    let data = house.folder().join("data");
    let before = fs::read(data.join("communiconnect.sqlite")).unwrap();
    fs::write(house.folder().join("torn.sqlite"), &before[..before.len() / 2]).unwrap();
    fs::write(house.folder().join("text.sqlite"), "bonjour").unwrap();
    for file in ["torn.sqlite", "text.sqlite", "missing.sqlite"] {
        let refused = command(&house, &["restore", file]);
        assert!(!refused.status.success(), "{file}: {}", said(&refused));
        assert!(said(&refused).contains("nothing was changed"), "{file}: {}", said(&refused));
    }
    assert_eq!(fs::read(data.join("communiconnect.sqlite")).unwrap(), before);
    let left: Vec<_> = fs::read_dir(&data).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().contains("restoring")), "{left:?}");
    house.restart();
    let member = member.sign_in_again(house.http);
    assert_eq!(status_of(&member, post), 200);
}

#[test]
fn postgresql_has_a_program_of_its_own_which_is_named() {
    let run = |words: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"))
            .args(words)
            .env("DATABASE_URL", "postgres://someone:hunter2@127.0.0.1:1/none")
            .output()
            .unwrap();
        assert!(!output.status.success());
        assert!(!said(&output).contains("hunter2"), "{}", said(&output));
        said(&output)
    };
    let backup = run(&["backup", "f.dump"]);
    assert!(backup.contains("pg_dump --format=custom --file=f.dump \"$DATABASE_URL\""), "{backup}");
    let restore = run(&["restore", "f.dump"]);
    assert!(restore.contains("pg_restore --clean --if-exists --no-owner"), "{restore}");
}

fn replaced(data: &Path) -> std::path::PathBuf {
    let files = fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path());
    let mut aside = files.filter(|path| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.contains(".before-") && !name.ends_with("-wal") && !name.ends_with("-shm")
    });
    aside.next().expect("the database that was replaced")
}
