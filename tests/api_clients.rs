//! The API as programs of others use it: Swagger UI, Schemathesis, curl, requests, a tus client.
//!
//! Here: what it says of itself, held against a whole server; and that those who know only a protocol
//! or a contract find their way. Not here: each promise by itself (`api/tests/contract`).

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::Value;
use support::House;
use support::api::Member;
use support::page::Page;
use support::peer::{Peer, output_of};

/// For a client that does a few dozen things.
const SOON: Duration = Duration::from_secs(60);
/// Schemathesis sends one or two thousand requests, and a debug build answers on a busy machine.
const CALLED_WITHIN: Duration = Duration::from_secs(140);

/// Each value at and past its limits, one by one; and a few put together at random.
const EVERY_LIMIT: &str = "examples,coverage";
const ANYTHING: &str = "examples,fuzzing";

/// Who calls as fast as he can is no member, and is not told to wait.
///
/// Letters go to a server that nobody reaches.
const AT_WILL: [(&str, &str); 15] = {
    const MANY: &str = "{burst=1000000,per_minute=1000000}";
    [
        ("API__LIMITS__ADDRESS", MANY),
        ("API__LIMITS__WATCH_ADDRESS", MANY),
        ("API__LIMITS__USER", MANY),
        ("API__LIMITS__LOGIN_ACCOUNT", MANY),
        ("API__LIMITS__LOGIN_ADDRESS", MANY),
        ("API__LIMITS__REGISTER_ADDRESS", MANY),
        ("API__LIMITS__MAIL_ADDRESS", MANY),
        ("API__LIMITS__MAIL_ACCOUNT", MANY),
        ("API__LIMITS__LIVE_START", MANY),
        ("API__LIMITS__WRITING", MANY),
        ("API__LIMITS__UPLOAD", MANY),
        ("API__PUBLIC_HTTP_URL", "http://live.test"),
        ("API__SMTP__HOST", "127.0.0.1"),
        ("API__SMTP__PORT", "1"),
        ("API__SMTP__FROM", "noreply@example.org"),
    ]
};

#[test]
fn chromium_shows_the_page_of_the_api_whole_and_asks_no_other_host() {
    let house = House::start();
    let document = house.get("/api/schema/").json();
    let paths = document["paths"].as_object().expect("paths").values();
    let operations: usize = paths.map(|path| path.as_object().expect("operations").len()).sum();
    let policy = house.get("/api/docs/").header("content-security-policy").map(str::to_owned);
    assert!(policy.is_some_and(|policy| policy.contains("script-src 'self'")), "no policy");
    let seen = Page::open("docs.mjs", &house, "/api/docs/").hear();
    assert_eq!(seen["operations"], operations, "{seen}");
    assert!(seen["title"].as_str().is_some_and(|title| title.contains("CommuniConnect")), "{seen}");
    assert_eq!(seen["elsewhere"], Value::Array(vec![]));
    assert_eq!(seen["errors"], Value::Array(vec![]));
}

#[test]
fn what_a_stranger_is_answered_is_what_is_described() {
    let house = House::start_with(&AT_WILL);
    all_is_as_described(&house, None, ANYTHING);
}

#[test]
fn what_a_member_is_answered_is_what_is_described() {
    let house = House::start_with(&AT_WILL);
    all_is_as_described(&house, Some(&house.member()), EVERY_LIMIT);
}

#[test]
fn what_an_admin_is_answered_is_what_is_described() {
    let house = House::start_with(&AT_WILL);
    let admin = house.member();
    let promote = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1], timeout=20); \
                   db.execute(\"update users set role = 'admin'\"); db.commit()";
    let mut python = Command::new("python3");
    python.args(["-c", promote]).arg(house.folder().join("data/communiconnect.sqlite"));
    output_of(python, SOON);
    all_is_as_described(&house, Some(&admin), ANYTHING);
}

/// No more than the page says, in the order it says it, with a real encoder.
#[test]
fn the_commands_of_the_documentation_put_a_live_on_the_air() {
    let house = House::start();
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md");
    let page = fs::read_to_string(page).expect("docs/api.md");
    let blocks: Vec<&str> =
        page.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(blocks.len() >= 5, "the commands were not found");
    let commands: Vec<String> = blocks
        .iter()
        .map(|block| block.replace("http://localhost:8080", &house.url("")))
        // The encoder goes on while its live is watched.
        .map(|block| if block.contains("ffmpeg") { format!("{{ {block}}} &\n") } else { block })
        .collect();
    let script = format!("set -euo pipefail\n{}wait\n", commands.concat());
    let mut bash = Command::new("bash");
    bash.args(["-c", &script]).current_dir(house.folder());
    let said = String::from_utf8(output_of(bash, CALLED_WITHIN)).expect("text");
    for word in ["#EXTM3U", "avc1", "Live arrêté"] {
        assert!(said.contains(word), "{word}: {said}");
    }
}

#[test]
fn clients_of_the_contract_go_their_way_with_and_without_the_last_slash() {
    let house = House::start();
    let picture = house.folder().join("picture.png");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=64x48", "-frames:v", "1"]);
    ffmpeg.arg(&picture);
    output_of(ffmpeg, SOON);
    let picture = picture.display().to_string();
    for slash in ["/", ""] {
        let said = output_of(client("existing.py", &[&house.url(""), &picture, slash]), SOON);
        assert_eq!(String::from_utf8_lossy(&said).trim(), "ok", "with {slash:?}");
    }
}

#[test]
fn tuspy_goes_on_where_its_link_broke() {
    let house = House::start();
    let member = house.member();
    let film = house.folder().join("film.mp4");
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-f", "lavfi", "-i", "testsrc=size=320x240", "-t", "2"]);
    // Uncompressed enough to be cut in its midst.
    ffmpeg.args(["-c:v", "mpeg4", "-b:v", "20M", "-minrate", "20M", "-maxrate", "20M"]);
    ffmpeg.args(["-bufsize", "20M", "-f", "mp4"]).arg(&film);
    output_of(ffmpeg, SOON);
    let whole = fs::read(&film).expect("a film");
    assert!(whole.len() > 2_000_000, "{} bytes", whole.len());
    let token = member.bearer();
    let token = token.trim_start_matches("Bearer ");
    let tus = client("tus.py", &[&house.url(""), token, &film.display().to_string()]);
    let said: Value = serde_json::from_slice(&output_of(tus, SOON)).expect("one line of JSON");
    let began_at: Vec<u64> =
        said["began_at"].as_array().expect("pieces").iter().filter_map(Value::as_u64).collect();
    assert!(matches!(began_at[..], [0, again] if again > 500_000), "{said}");
    let address = said["media"]["file_url"].as_str().expect("an address");
    let kept = house.get(address.trim_start_matches(&house.url("")));
    // What a film notes about itself, at its end, is overwritten.
    let notes = whole.windows(4).rposition(|name| name == b"udta").expect("notes");
    assert!(kept.body.len() == whole.len() && kept.body[..notes] == whole[..notes], "{said}");
}

/// Has Schemathesis call every operation with what it may be sent and with what it may not, the same
/// at every run, and hold every answer to `/api/schema/`.
fn all_is_as_described(house: &House, member: Option<&Member>, phases: &str) {
    const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,\
                          response_headers_conformance,response_schema_conformance";
    let mut command = Command::new(clients().join("schemathesis"));
    command.args(["run", &house.url("/api/schema/"), "--checks", CHECKS]);
    // An answer that has no end.
    command.args(["--exclude-path", "/api/realtime/events/"]);
    command.args(["--phases", phases, "--max-examples", "4"]);
    command.args(["--generation-deterministic", "--seed", "1"]);
    command.args(["--no-shrink", "--no-color", "--warnings", "off", "--request-timeout", "30"]);
    let hooks = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    command.env("SCHEMATHESIS_HOOKS", "schemathesis_hooks").env("PYTHONPATH", hooks);
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    if let Some(member) = member {
        command.args(["--header", &format!("Authorization: {}", member.bearer())]);
    }
    command.current_dir(house.folder());
    let mut peer = Peer::spawn("schemathesis", command, house.folder());
    let status = peer.wait(CALLED_WITHIN);
    let log = peer.log();
    let errors = house.log();
    assert!(status.success(), "{log}\n{errors}");
    assert!(!errors.contains("\"ERROR\"") && !errors.contains(" ERROR "), "{errors}");
}

/// A script of `tests/clients`, run by the Python that `scripts/peers.sh` made for them.
fn client(script: &str, arguments: &[&str]) -> Command {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(script);
    let mut command = Command::new(clients().join("python"));
    command.arg(script).args(arguments);
    command
}

fn clients() -> PathBuf {
    let home = |name| std::env::var_os(name).map(PathBuf::from);
    let cache = home("XDG_CACHE_HOME").or_else(|| Some(home("HOME")?.join(".cache")));
    cache.expect("a home").join("communiconnect-live/clients/bin")
}
