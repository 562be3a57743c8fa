//! What an operator does on the machine, beside the running server.
//!
//! Here: the commands of the binary on the data of a server that runs; keys changed while it serves. Not here: what each change means (`store`, `api`).

mod support;

use std::io::Write as _;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use support::House;
use support::api::{Member, PASSWORD};
use support::http;
use support::wait;

/// Twice what the server needs to see a new key.
const SEEN_WITHIN: Duration = Duration::from_secs(30);

/// Runs a command on the data of `house`, with `input` as its standard input.
fn run(house: &House, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"));
    for (key, _) in std::env::vars() {
        if key.starts_with("COMMUNICONNECT_") || key == "DATABASE_URL" {
            command.env_remove(key);
        }
    }
    command.envs(house.environment()).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the command runs");
    let mut stdin = child.stdin.take().expect("piped");
    // Who asks for no input may be gone before it is written.
    let _ = stdin.write_all(input.as_bytes());
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

#[track_caller]
fn told(house: &House, arguments: &[&str], input: &str) -> String {
    let output = run(house, arguments, input);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {error}");
    String::from_utf8(output.stdout).expect("text")
}

fn profile(member: &Member) -> (u16, Value) {
    let answer = member.get("/api/users/my-profile/");
    (answer.status, answer.json())
}

fn sign_in(house: &House, member: &Member, password: &str) -> u16 {
    let form = json!({"email": member.email, "password": password}).to_string();
    let headers = [("Content-Type", "application/json")];
    http::send(house.http, "POST", "/api/users/login/", &headers, form.as_bytes()).status
}

#[test]
fn an_operator_changes_members_beside_a_running_server() {
    let house = &House::start();
    let member = house.member();
    let email = member.email.clone();
    let id = profile(&member).1["id"].to_string();

    told(house, &["user", "role", &email, "admin"], "");
    assert_eq!(profile(&member).1["role"], "admin");
    let admins = told(house, &["user", "list", "--role", "admin"], "");
    assert!(admins.contains(&email) && admins.contains("1 members"), "{admins}");
    assert!(told(house, &["user", "role", &id, "admin"], "").contains("as before"));
    told(house, &["user", "role", &id, "user"], "");
    assert_eq!(profile(&member).1["role"], "user");

    told(house, &["user", "deactivate", &email], "");
    assert_eq!(profile(&member).0, 401);
    assert_eq!(sign_in(house, &member, PASSWORD), 401);
    told(house, &["user", "activate", &email], "");
    assert_eq!(sign_in(house, &member, PASSWORD), 200);

    told(house, &["user", "password", &email], "a-new-password\n");
    assert_eq!(sign_in(house, &member, PASSWORD), 401);
    assert_eq!(sign_in(house, &member, "a-new-password"), 200);

    let other = format!("other.{email}");
    assert!(told(house, &["user", "email", &email, &other], "").contains("address is changed"));
    assert_eq!(sign_in(house, &member, "a-new-password"), 401);
    assert!(told(house, &["user", "show", &id], "").contains(&other));
    assert!(told(house, &["user", "email", &id, &other], "").contains("as before"));
    told(house, &["user", "email", &id, &email], "");
    assert_eq!(sign_in(house, &member, "a-new-password"), 200);

    let shown = told(house, &["user", "show", &email], "");
    assert!(shown.contains("open") && shown.contains(&email), "{shown}");
    let log = told(house, &["audit", "--user", &email], "");
    let actions = [
        "email_changed",
        "password_set",
        "activated",
        "deactivated",
        "role_changed",
        "sign_in_failed",
        "sign_in",
    ];
    for action in actions {
        assert!(log.contains(action), "{action} in {log}");
    }
    assert!(!log.contains("a-new-password") && !log.contains("127.0.0.1"), "{log}");
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let house = House::start();
    let member = house.member();
    let email = member.email.clone();
    let taken = house.member().email;
    for (arguments, input, said) in [
        (&["user", "show", "nobody@example.org"][..], "", "no such member"),
        (&["user", "role", &email, "root"], "", "possible values: user, ambassador, admin"),
        (&["user", "email", &email, "fatou"], "", "not an e-mail address"),
        (&["user", "email", &email, &taken], "", "another member has this address"),
        (&["user", "password", &email], "", "no password on standard input"),
        (&["user", "password", &email], "court\n", "at least 8 characters"),
        (&["user", "list", "--page", "9"], "", "only 1 pages"),
        (&["audit", "--action", "else"], "", "not one of sign_in"),
    ] {
        let output = run(&house, arguments, input);
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && error.contains(said), "{arguments:?}: {error}");
    }
    assert_eq!(sign_in(&house, &member, PASSWORD), 200);
    let folder = tempfile::tempdir().expect("a folder");
    let output = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"))
        .args(["user", "list"])
        .env("COMMUNICONNECT_DATA_DIR", folder.path())
        .env_remove("DATABASE_URL")
        .output()
        .expect("the command runs");
    assert!(!output.status.success());
    let left = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(left, 0, "nothing is made where no server has been");
}

/// What a token says before its claims: which key signed it.
fn header(member: &Member) -> String {
    member.bearer().split('.').next().expect("a token").to_owned()
}

#[test]
fn a_new_key_signs_while_the_server_runs_and_the_old_is_believed_until_it_is_revoked() {
    // Whoever waits for the new key registers again and again.
    let many = ("API__LIMITS__REGISTER_ADDRESS", "{burst=100000,per_minute=100000}");
    let house = House::start_with(&[many]);
    let before = house.member();
    told(&house, &["keys", "rotate"], "");
    let after = wait::until("a token of the new key", SEEN_WITHIN, || {
        let member = house.member();
        (header(&member) != header(&before)).then_some(member)
    });
    assert_eq!(profile(&before).0, 200, "the old key is believed");
    assert_eq!(profile(&after).0, 200);

    told(&house, &["keys", "rotate", "--revoke"], "");
    wait::until("the old keys are refused", SEEN_WITHIN, || {
        (profile(&after).0 == 401).then_some(())
    });
    assert_eq!(profile(&before).0, 401);
    assert_eq!(profile(&house.member()).0, 200);
    assert!(told(&house, &["audit", "--action", "keys_rotated"], "").contains("2 lines"));
}
