//! What becomes of a job when its worker is not what it should be: the workers here are scripts.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use communiconnect_worker::protocol::{Code, Job, Limits, Outcome, Task};
use communiconnect_worker::{Failed, Resource, Worker};
use tempfile::TempDir;
use tokio::sync::oneshot;

/// Longer than anything here takes; a test that reaches it has failed.
const PLENTY: Duration = Duration::from_secs(60);
/// For workers that never end: enough to start in.
const SHORT: Duration = Duration::from_secs(2);

const DONE: &str = r#"{"line":"done","outcome":{"kind":"probed","medium":"video","container":"avi",
 "size_bytes":7,"duration_ms":null,"tracks":[],"track_count":0,"faststart":false,
 "plays_in_browsers":false},"sandbox":{"rlimits":true,"no_new_privs":true,"seccomp":true,
 "landlock":"full","network_namespace":true}}"#;

/// A worker that is a script of the shell. `$0` is its path.
struct Script {
    folder: TempDir,
    worker: Worker,
}

impl Script {
    fn new(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("worker");
        // Written by a child: what this process held open for writing, a fork of another test could keep
        // open, and then it cannot be run.
        let mut writer = Command::new("sh")
            .args(["-c", r#"cat >"$0" && chmod +x "$0""#])
            .arg(&path)
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        let text = format!("#!/bin/sh\n{text}\n");
        writer.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        assert!(writer.wait().unwrap().success());
        Self { worker: Worker::at(path, 1), folder }
    }

    /// Reads its job, says `lines`, ends well.
    fn saying(lines: &str) -> Self {
        Self::new(&format!("/bin/cat >/dev/null\n/bin/cat <<'END'\n{lines}\nEND"))
    }

    /// Writes its own number and that of a child that never ends into files, says so, and never ends.
    fn endless() -> Self {
        let said = r#"echo '{"line":"progress","permille":1}'"#;
        let forever = "/usr/bin/tail -f /dev/null";
        Self::new(&format!(
            "{forever} &\necho $! >$0.child\necho $$ >$0.itself\n{said}\nexec {forever}"
        ))
    }

    async fn run(&self, deadline: Duration) -> Result<Outcome, Failed> {
        self.worker.run(&job(), deadline, |_| ()).await.map(|done| done.outcome)
    }

    fn numbers(&self) -> [u32; 2] {
        ["worker.child", "worker.itself"].map(|name| {
            let text = std::fs::read_to_string(self.folder.path().join(name)).unwrap();
            text.trim().parse().unwrap()
        })
    }
}

fn job() -> Job {
    Job { input: "/in".into(), task: Task::Probe, limits: Limits::of(&Task::Probe) }
}

#[tokio::test]
async fn a_worker_that_is_done_is_believed_and_heard_on_the_way() {
    let progress = r#"{"line":"progress","permille":250}
{"line":"progress","permille":9000}"#;
    let script = Script::saying(&format!("{progress}\n{}", DONE.replace('\n', "")));
    let mut heard = Vec::new();
    let done = script.worker.run(&job(), PLENTY, |permille| heard.push(permille)).await.unwrap();
    assert!(matches!(done.outcome, Outcome::Probed(probe) if probe.container == "avi"));
    assert_eq!(heard, [250, 1000]);
}

#[tokio::test]
async fn it_gets_its_job_and_nothing_of_the_environment() {
    let script = Script::new(
        r#"/usr/bin/tr -d '"{}' >$0.job; /usr/bin/env >$0.env
           echo '{"line":"error","code":"too_long","reason":"7 s"}'; exit 1"#,
    );
    let refused = Failed::Refused { code: Code::TooLong, reason: "7 s".into() };
    assert_eq!(script.run(PLENTY).await, Err(refused));
    let read = |name| std::fs::read_to_string(script.folder.path().join(name)).unwrap();
    assert!(read("worker.job").starts_with("input:/in,task:kind:probe"), "{}", read("worker.job"));
    assert!(!read("worker.env").contains("CARGO"), "{}", read("worker.env"));
}

#[tokio::test]
async fn it_is_the_last_to_be_given_a_processor_from_its_first_step_on() {
    let script = Script::new("/bin/cat >/dev/null; /usr/bin/nice >$0.nice; exit 1");
    assert!(script.run(PLENTY).await.is_err());
    let nice = std::fs::read_to_string(script.folder.path().join("worker.nice")).unwrap();
    assert_eq!(nice.trim(), "19");
}

#[tokio::test]
async fn a_crash_is_told_by_its_signal_and_the_end_of_its_words() {
    let script = Script::new("/usr/bin/seq 9999 >&2; echo the end >&2; kill -SEGV $$");
    let Err(Failed::Crashed { how, stderr }) = script.run(PLENTY).await else { panic!() };
    assert!(how.contains("signal: 11"), "{how}");
    assert!(stderr.ends_with("9999\nthe end") && stderr.len() <= 4096, "{stderr}");
}

#[tokio::test]
async fn what_the_kernel_ends_for_its_limits_took_too_much() {
    for (end, resource) in [
        ("kill -XCPU $$", Resource::Cpu),
        ("kill -XFSZ $$", Resource::Disk),
        ("echo 'memory allocation of 9 bytes failed' >&2; kill -ABRT $$", Resource::Memory),
    ] {
        assert_eq!(Script::new(end).run(PLENTY).await, Err(Failed::TooMuch(resource)), "{end}");
    }
}

#[tokio::test]
async fn words_of_another_language_are_a_crash() {
    for lines in ["hello", "{}", r#"{"line":"done"}"#, ""] {
        let end = Script::saying(lines).run(PLENTY).await;
        assert!(matches!(end, Err(Failed::Crashed { .. })), "{lines}: {end:?}");
    }
}

#[tokio::test]
async fn a_file_outside_of_the_output_folder_is_not_believed() {
    let image = |name: &str| {
        format!(r#"{{"file":"{name}","format":"jpeg","width":1,"height":1,"size_bytes":1}}"#)
    };
    for (name, is_good) in [("large.jpg", true), ("../../etc/passwd", false)] {
        let (large, small) = (image(name), image("small.jpg"));
        let line = format!(
            r#"{{"line":"done","outcome":{{"kind":"poster","large":{large},"small":{small},"blurhash":""}},
               "sandbox":{{"rlimits":true,"no_new_privs":true,"seccomp":true,"landlock":"none",
               "network_namespace":false}}}}"#
        );
        let end = Script::saying(&line.replace('\n', "")).run(PLENTY).await;
        assert_eq!(end.is_ok(), is_good, "{end:?}");
    }
}

#[tokio::test]
async fn done_is_not_done_if_it_then_fails() {
    let script = Script::new(&format!("echo '{}'; exit 4", DONE.replace('\n', "")));
    assert!(matches!(script.run(PLENTY).await, Err(Failed::Crashed { .. })));
}

#[tokio::test]
async fn a_flood_is_stopped_and_the_memory_here_stays_as_it_is() {
    let before_kb = peak_kb();
    for flood in [
        r#"exec /usr/bin/yes '{"line":"progress","permille":1}'"#,
        "exec /bin/cat /dev/zero",
        "exec /usr/bin/yes >&2",
    ] {
        assert_eq!(
            Script::new(flood).run(PLENTY).await,
            Err(Failed::TooMuch(Resource::Words)),
            "{flood}"
        );
    }
    let grown_kb = peak_kb() - before_kb;
    assert!(grown_kb < 8 * 1024, "{grown_kb} KB");
}

#[tokio::test]
async fn what_hangs_is_killed_at_its_deadline_with_all_that_it_started() {
    let script = Script::endless();
    assert_eq!(script.run(SHORT).await, Err(Failed::TimedOut(SHORT)));
    gone(script.numbers()).await;
}

#[tokio::test]
async fn a_child_that_keeps_the_pipes_open_does_not_keep_the_job() {
    let script =
        Script::new("/usr/bin/tail -f /dev/null &\necho $! | /usr/bin/tee $0.child >$0.itself");
    assert_eq!(script.run(SHORT).await, Err(Failed::TimedOut(SHORT)));
    gone(script.numbers()).await;
}

#[tokio::test]
async fn a_job_that_nobody_waits_for_any_more_leaves_no_process() {
    let script = Script::endless();
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let job = job();
    let run = script.worker.run(&job, PLENTY, |_| {
        let _ = tell.take().map(|tell| tell.send(()));
    });
    tokio::select! {
        end = run => panic!("{end:?}"),
        // Its numbers are written: the job is dropped here.
        heard = told => heard.unwrap(),
    }
    gone(script.numbers()).await;
}

#[tokio::test]
async fn jobs_wait_for_a_place() {
    let busy = "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done";
    let done = DONE.replace('\n', "");
    let script = Script::new(&format!(
        "/bin/mkdir $0.place || exit 7\n{busy}\n/bin/rmdir $0.place\necho '{done}'"
    ));
    let (a, b, c) = tokio::join!(script.run(PLENTY), script.run(PLENTY), script.run(PLENTY));
    for end in [a, b, c] {
        assert!(end.is_ok(), "two were in one place: {end:?}");
    }
}

#[tokio::test]
async fn nobody_waits_for_a_place_without_limit() {
    let script = Script::endless();
    let (tell, told) = oneshot::channel();
    let mut tell = Some(tell);
    let job = job();
    let first = script.worker.run(&job, PLENTY, |_| {
        let _ = tell.take().map(|tell| tell.send(()));
    });
    let second = async {
        told.await.unwrap();
        // The other has the place.
        tokio::time::timeout(PLENTY / 2, script.run(SHORT)).await
    };
    tokio::select! {
        end = first => panic!("{end:?}"),
        end = second => assert_eq!(end, Ok(Err(Failed::Busy(SHORT)))),
    }
    gone(script.numbers()).await;
}

#[tokio::test]
async fn a_program_by_a_relative_path_is_found_and_started() {
    let script = Script::saying(&DONE.replace('\n', ""));
    // By a folder that is here, and not where the worker begins.
    let here = std::env::current_dir().unwrap();
    let up: PathBuf = here.components().skip(1).map(|_| "..").collect();
    let path =
        Path::new("src/..").join(up).join(script.worker.program().strip_prefix("/").unwrap());
    let worker = Worker::find(Some(&path), 1).unwrap();
    let end = worker.run(&job(), PLENTY, |_| ()).await;
    assert!(end.is_ok(), "{end:?}");
}

#[tokio::test]
async fn a_worker_that_is_not_there_is_said_so() {
    let worker = Worker::at("/nowhere/worker".into(), 1);
    let end = worker.run(&job(), PLENTY, |_| ()).await;
    assert!(matches!(end, Err(Failed::NotStarted(_))), "{end:?}");
}

#[tokio::test]
async fn only_a_program_is_found() {
    let script = Script::new("");
    let program = script.worker.program();
    assert_eq!(
        Worker::find(Some(program), 1).map(|it| it.program().to_owned()),
        Some(program.into())
    );
    let folder: PathBuf = script.folder.path().into();
    assert!(Worker::find(Some(&folder), 1).is_none());
    assert!(Worker::find(Some(Path::new("/dev/null")), 1).is_none());
}

/// The most memory that this process ever held.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Waits until no process has these numbers, but for those that are dead and not yet buried.
async fn gone(numbers: [u32; 2]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    for number in numbers {
        while is_alive(number) {
            assert!(Instant::now() < deadline, "{number} lives on");
            tokio::task::yield_now().await;
        }
    }
}

fn is_alive(number: u32) -> bool {
    std::fs::read_to_string(format!("/proc/{number}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().is_some_and(|it| it.starts_with(" Z")))
}
