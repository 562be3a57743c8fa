//! Files as strangers send them, jobs for the real worker, and another program that reads its work.
#![allow(dead_code)] // each test binary uses its part

pub mod files;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;
use worker::protocol::{Code, Image, Job, Limits, Outcome, Picture, Probe, Still, Task, Video};
use worker::{Failed, Worker};

/// Far more than any job here takes.
const PLENTY: Duration = Duration::from_secs(100);

/// The program under test.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_communiconnect-media-worker");

/// A folder of inputs, and one of outputs.
pub struct Bench {
    folder: TempDir,
}

impl Bench {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        Self { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn out(&self) -> PathBuf {
        self.path("out")
    }

    pub fn output(&self, image: &Image) -> PathBuf {
        self.out().join(image.file.as_str())
    }

    /// A file that Debian's ffmpeg makes.
    pub fn made(&self, name: &str, arguments: &str) -> PathBuf {
        let path = self.path(name);
        let mut command = Command::new("ffmpeg");
        command.args(["-nostdin", "-v", "error", "-y"]).args(arguments.split_whitespace());
        let output = command.arg(&path).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }

    /// A file of these bytes.
    pub fn written(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }

    pub async fn run(&self, input: &Path, task: Task) -> Result<Outcome, Failed> {
        let limits = Limits::of(&task);
        self.run_within(input, task, limits).await
    }

    pub async fn run_within(
        &self,
        input: &Path,
        task: Task,
        limits: Limits,
    ) -> Result<Outcome, Failed> {
        let worker = Worker::at(PROGRAM.into(), 1);
        let job = Job { input: input.into(), task, limits };
        worker.run(&job, PLENTY, |_| ()).await.map(|done| done.outcome)
    }

    pub async fn probe(&self, input: &Path) -> Result<Probe, Failed> {
        match self.run(input, Task::Probe).await? {
            Outcome::Probed(probe) => Ok(probe),
            other => panic!("{other:?}"),
        }
    }

    pub async fn picture(&self, input: &Path) -> Result<Picture, Failed> {
        match self.run(input, Task::Picture { into: self.out() }).await? {
            Outcome::Picture(picture) => Ok(picture),
            other => panic!("{other:?}"),
        }
    }

    pub async fn poster(&self, input: &Path, at_ms: Option<u64>) -> Result<Still, Failed> {
        match self.run(input, Task::Poster { into: self.out(), at_ms }).await? {
            Outcome::Poster(still) => Ok(still),
            other => panic!("{other:?}"),
        }
    }

    pub async fn transcode(&self, input: &Path) -> Result<Video, Failed> {
        match self.run(input, Task::Transcode { into: self.out() }).await? {
            Outcome::Transcoded(video) => Ok(video),
            other => panic!("{other:?}"),
        }
    }
}

/// Why it was refused; panics if it was not.
#[track_caller]
pub fn code<T: std::fmt::Debug>(end: Result<T, Failed>) -> Code {
    match end {
        Err(Failed::Refused { code, .. }) => code,
        other => panic!("not refused: {other:?}"),
    }
}

/// What ffprobe says of a file, after reading it to its end without an error.
pub fn ffprobe(path: &Path) -> Value {
    let arguments = "-v error -count_frames -show_format -show_streams -of json";
    let output = Command::new("ffprobe").args(arguments.split(' ')).arg(path).output().unwrap();
    let complaints = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && complaints.is_empty(), "{complaints}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The track of a kind, as ffprobe sees it.
#[track_caller]
pub fn track<'a>(probed: &'a Value, kind: &str) -> &'a Value {
    let tracks = probed["streams"].as_array().unwrap();
    tracks
        .iter()
        .find(|it| it["codec_type"] == kind)
        .unwrap_or_else(|| panic!("no {kind}: {probed}"))
}

/// Seconds, as ffprobe writes them.
pub fn seconds(value: &Value) -> f64 {
    value.as_str().unwrap().parse().unwrap()
}

/// The pixel at a place, in per cent of both sides, of the first picture of a file, as ffmpeg decodes
/// it: red, green, blue, alpha.
pub fn pixel(path: &Path, x_percent: usize, y_percent: usize) -> [u8; 4] {
    let probed = ffprobe(path);
    let video = track(&probed, "video");
    let side = |name: &str| video[name].as_u64().unwrap() as usize;
    let (width, height) = (side("width"), side("height"));
    let output: Output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "error", "-i"])
        .arg(path)
        .args(["-frames:v", "1", "-f", "rawvideo", "-pix_fmt", "rgba", "-"])
        .output()
        .unwrap();
    assert_eq!(output.stdout.len(), width * height * 4);
    let at = (height * y_percent / 100 * width + width * x_percent / 100) * 4;
    output.stdout[at..at + 4].try_into().unwrap()
}

/// Whether two colours look the same.
#[track_caller]
pub fn assert_near(seen: [u8; 4], wanted: [u8; 3]) {
    let is_near = seen.iter().zip(wanted).all(|(a, b)| a.abs_diff(b) <= 24);
    assert!(is_near, "{seen:?} is not {wanted:?}");
}

pub fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|it| it == needle)
}
