//! What a worker that is in somebody else's hands cannot do.
//!
//! The attempts are in the program itself (`src/attempts.rs`), behind the sandbox, and not in a release.
#![allow(clippy::unwrap_used, reason = "these are tests")]
#![cfg(debug_assertions)]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use support::{Bench, PROGRAM};
use worker::protocol::{Done, Job, Landlock, Limits, Line, Sandbox, Task};

/// Starts a worker, with a job to shrink a picture.
fn start(bench: &Bench, arguments: &[&str], limits: Limits) -> Child {
    let pipes = || Stdio::piped();
    let mut worker = Command::new(PROGRAM);
    worker.args(arguments).stdin(pipes()).stdout(pipes()).stderr(pipes());
    let mut worker = worker.spawn().unwrap();
    worker.stdin.take().unwrap().write_all(&job(bench, limits)).unwrap();
    worker
}

fn job(bench: &Bench, limits: Limits) -> Vec<u8> {
    let input = bench.made("in.png", "-f lavfi -i color=red:s=32x32 -frames:v 1");
    let job = Job { input, task: Task::Picture { into: bench.out() }, limits };
    serde_json::to_vec(&job).unwrap()
}

/// Runs a job, or an attempt in the midst of it.
fn run(arguments: &[&str], limits: Limits) -> Output {
    start(&Bench::new(), arguments, limits).wait_with_output().unwrap()
}

fn attempt(name: &str) -> Output {
    run(&["--attempt", name], limits())
}

fn limits() -> Limits {
    Limits::of(&Task::Probe)
}

fn done() -> Done {
    let output = run(&[], limits());
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

/// What this kernel offers, asked without the worker.
fn landlock_of_the_kernel() -> Landlock {
    const VERSION: u32 = 1;
    let (nothing, call) = (std::ptr::null::<u8>(), libc::SYS_landlock_create_ruleset);
    // SAFETY: with this flag the kernel answers a number, and reads and makes nothing.
    #[allow(unsafe_code)]
    match unsafe { libc::syscall(call, nothing, 0_usize, VERSION) } {
        // ABI 6, of Linux 6.12, is all that is asked for.
        6.. => Landlock::Full,
        1..=5 => Landlock::Partial,
        _ => Landlock::None,
    }
}

/// Whether this machine gives a network of its own to who asks for one.
fn a_network_can_be_had() -> bool {
    let unshare = |arguments: &[&str]| {
        Command::new("unshare").args(arguments).arg("true").output().unwrap().status.success()
    };
    unshare(&["--user", "--net"]) || unshare(&["--net"])
}

/// Whether nothing but the rights of the user keeps files apart here.
fn is_without_landlock() -> bool {
    let is_without = landlock_of_the_kernel() == Landlock::None;
    if is_without {
        eprintln!("this kernel has no Landlock: not tried");
    }
    is_without
}

/// Waits until a worker that was asked to spin is behind its sandbox.
fn is_spinning(said: impl std::io::Read) -> impl std::io::Read {
    let mut said = BufReader::new(said);
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    assert_eq!(line, "spinning\n");
    said
}

#[test]
fn it_says_of_its_sandbox_what_this_machine_gives() {
    let sandbox = Sandbox {
        rlimits: true,
        no_new_privs: true,
        seccomp: true,
        landlock: landlock_of_the_kernel(),
        network_namespace: a_network_can_be_had(),
    };
    assert_eq!(done().sandbox, sandbox);
}

#[test]
fn what_it_says_of_its_sandbox_the_kernel_says_too() {
    let bench = Bench::new();
    let mut worker = start(&bench, &["--attempt", "spin"], limits());
    let _said = is_spinning(worker.stderr.take().unwrap());
    let folder = Path::new("/proc").join(worker.id().to_string());
    let status = fs::read_to_string(folder.join("status")).unwrap();
    let most = fs::read_to_string(folder.join("limits")).unwrap();
    let its_network = fs::read_link(folder.join("ns/net")).unwrap();
    worker.kill().unwrap();
    worker.wait().unwrap();

    let line = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().split_whitespace().next().unwrap().to_owned()
    };
    assert_eq!(line(&status, "NoNewPrivs:"), "1");
    // Filters.
    assert_eq!(line(&status, "Seccomp:"), "2");
    for rights in ["CapEff:", "CapPrm:", "CapInh:"] {
        assert_eq!(line(&status, rights), "0000000000000000", "{rights}");
    }
    assert_eq!(line(&most, "Max file size"), limits().output_bytes.to_string());
    assert_eq!(line(&most, "Max address space"), limits().memory_bytes.to_string());
    assert_eq!(line(&most, "Max open files"), limits().open_files.to_string());
    assert_eq!(line(&most, "Max processes"), "0");
    let is_elsewhere = its_network != fs::read_link("/proc/self/ns/net").unwrap();
    assert_eq!(is_elsewhere, a_network_can_be_had());
}

#[test]
fn other_files_are_out_of_reach() {
    if is_without_landlock() {
        return;
    }
    for name in ["read", "write", "list"] {
        assert_refused(&attempt(name));
    }
}

#[test]
fn no_files_can_be_made_beside_those_of_the_task_so_that_they_are_bounded_in_all() {
    if is_without_landlock() {
        return;
    }
    let bench = Bench::new();
    let another = bench.out().join("another.jpg");
    for (name, aim) in [("create", &another), ("unnamed", &bench.out())] {
        let arguments = ["--attempt", name, aim.to_str().unwrap()];
        assert_refused(&start(&bench, &arguments, limits()).wait_with_output().unwrap());
    }
    assert!(!another.exists());
    let own = bench.out().join("large.jpg");
    let arguments = ["--attempt", "create", own.to_str().unwrap()];
    let output = start(&bench, &arguments, limits()).wait_with_output().unwrap();
    assert_eq!(output.stderr, b"done\n", "{output:?}");
}

#[test]
fn what_the_server_had_open_by_oversight_is_closed() {
    let bench = Bench::new();
    let job = bench.written("job", &job(&bench, limits()));
    let output = Command::new("sh")
        .args(["-c", r#"exec "$0" --attempt inherited 7 <"$1" 7<"$1""#, PROGRAM])
        .arg(job)
        .output()
        .unwrap();
    assert_refused(&output);
}

/// A process of the same user, as the server is one. It ends well when nobody disturbs it.
struct Neighbour(Child);

impl Neighbour {
    fn new() -> Self {
        Self(Command::new("cat").stdin(Stdio::piped()).spawn().unwrap())
    }

    fn attacked_by(&self, attempt: &str) -> Output {
        let aim = self.0.id().to_string();
        run(&["--attempt-behind-calls-alone", attempt, &aim], limits())
    }

    fn was_undisturbed(mut self) -> bool {
        drop(self.0.stdin.take());
        self.0.wait().unwrap().success()
    }
}

#[test]
fn the_list_of_calls_alone_keeps_signals_from_others() {
    let neighbour = Neighbour::new();
    let output = neighbour.attacked_by("signal");
    assert!(neighbour.was_undisturbed(), "{output:?}");
    assert_killed(&output, libc::SIGSYS);
}

#[test]
fn the_list_of_calls_alone_keeps_the_kernel_from_signalling_others_for_it() {
    let neighbour = Neighbour::new();
    let output = neighbour.attacked_by("owner");
    assert!(neighbour.was_undisturbed(), "{output:?}");
    assert_refused(&output);
}

#[test]
fn it_ends_with_the_server() {
    let bench = Bench::new();
    let job = bench.written("job", &job(&bench, Limits { cpu_seconds: 300, ..limits() }));
    // A server that is killed: a shell. Its worker holds the other end of stderr.
    let mut server = Command::new("sh")
        .args(["-c", r#""$0" --attempt spin <"$1" & echo $!; wait"#, PROGRAM])
        .arg(job)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut number = String::new();
    BufReader::new(server.stdout.as_mut().unwrap()).read_line(&mut number).unwrap();
    let mut said = is_spinning(server.stderr.take().unwrap());
    server.kill().unwrap();
    server.wait().unwrap();

    let (tell, told) = mpsc::channel();
    let reader = std::thread::spawn(move || {
        let end = said.read_to_end(&mut Vec::new());
        let _ = tell.send(end.is_ok());
    });
    let ended = told.recv_timeout(Duration::from_secs(20));
    if ended.is_err() {
        Command::new("kill").args(["-KILL", number.trim()]).status().unwrap();
    }
    reader.join().unwrap();
    assert_eq!(ended, Ok(true), "the worker lives on");
}

#[test]
fn it_does_not_begin_when_the_server_is_gone_already() {
    let bench = Bench::new();
    let pipes = || Stdio::piped();
    let mut worker = Command::new(PROGRAM);
    worker.args(["--attempt", "spin"]).stdin(pipes()).stdout(pipes()).stderr(pipes());
    let mut worker = worker.spawn().unwrap();
    drop(worker.stdout.take());
    let job = job(&bench, Limits { cpu_seconds: 1, ..limits() });
    worker.stdin.take().unwrap().write_all(&job).unwrap();
    let output = worker.wait_with_output().unwrap();
    assert!(output.stderr.is_empty() && output.status.code() == Some(1), "{output:?}");
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
    let output = run(&["--attempt", "spin"], Limits { cpu_seconds: 1, ..limits() });
    assert_killed(&output, libc::SIGXCPU);
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
