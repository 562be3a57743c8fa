//! What a worker that is in somebody else's hands cannot do.
//!
//! The attempts are in the program itself (`src/attempts.rs`), behind the sandbox, and not in a release.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![cfg(debug_assertions)]

mod support;

use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};

use support::{Bench, PROGRAM};
use worker::protocol::{Done, Job, Landlock, Limits, Line, Task};

/// Runs a job, or an attempt in the midst of it.
fn run(attempt: Option<&str>, limits: Limits) -> Output {
    let bench = Bench::new();
    let input = bench.made("in.png", "-f lavfi -i color=red:s=32x32 -frames:v 1");
    let job = Job { input, task: Task::Picture { into: bench.out() }, limits };
    let mut worker = Command::new(PROGRAM);
    if let Some(attempt) = attempt {
        worker.args(["--attempt", attempt]);
    }
    let pipes = worker.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut worker = pipes.spawn().unwrap();
    let text = serde_json::to_vec(&job).unwrap();
    worker.stdin.take().unwrap().write_all(&text).unwrap();
    worker.wait_with_output().unwrap()
}

fn attempt(name: &str) -> Output {
    run(Some(name), limits())
}

fn limits() -> Limits {
    Limits::of(&Task::Probe)
}

fn done() -> Done {
    let output = run(None, limits());
    let last = output.stdout.split(|it| *it == b'\n').rfind(|line| !line.is_empty()).unwrap();
    match serde_json::from_slice(last).unwrap() {
        Line::Done(done) => *done,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn assert_refused(output: &Output) {
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.starts_with("refused: "), "{:?}: {said}", output.status);
}

#[track_caller]
fn assert_killed(output: &Output, signal: i32) {
    assert_eq!(output.status.signal(), Some(signal), "{output:?}");
}

#[test]
fn other_files_are_out_of_reach() {
    if done().sandbox.landlock == Landlock::None {
        eprintln!("this kernel has no Landlock: only the rights of the user keep files apart");
        return;
    }
    for name in ["read", "write", "list"] {
        assert_refused(&attempt(name));
    }
}

#[test]
fn a_socket_is_the_end() {
    assert_killed(&attempt("socket"), libc::SIGSYS);
}

#[test]
fn a_program_is_the_end() {
    assert_killed(&attempt("program"), libc::SIGSYS);
}

#[test]
fn no_process_and_no_thread_can_be_started() {
    assert_refused(&attempt("fork"));
    assert_refused(&attempt("thread"));
}

#[test]
fn no_code_can_be_made() {
    assert_refused(&attempt("code"));
}

#[test]
fn eight_gigabytes_are_refused() {
    assert_refused(&attempt("memory"));
    let output = attempt("abort");
    assert_killed(&output, libc::SIGABRT);
    // What `worker` knows it by.
    assert!(String::from_utf8_lossy(&output.stderr).contains("memory allocation of"), "{output:?}");
}

#[test]
fn the_processor_is_taken_away() {
    assert_killed(&run(Some("spin"), Limits { cpu_seconds: 1, ..limits() }), libc::SIGXCPU);
}

#[test]
fn what_is_not_a_job_is_refused_before_anything_is_read() {
    for text in ["", "{}", "nonsense", r#"{"input":"/etc/passwd","task":{"kind":"other"}}"#] {
        let mut worker =
            Command::new(PROGRAM).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        worker.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = worker.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(
            String::from_utf8_lossy(&output.stdout).contains(r#""code":"bad_job""#),
            "{output:?}"
        );
    }
}
