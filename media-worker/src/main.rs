//! Looks at what members upload, and makes of it what everybody can be shown.
//!
//! One job a process: a [`worker::protocol::Job`] as JSON on stdin, lines of JSON on stdout
//! (`worker/src/protocol.rs` documents both), files in the folder the job names. Nobody is meant to type
//! this; by hand:
//!
//! ```text
//! $ echo '{"input":"/tmp/cat.gif","task":{"kind":"picture","into":"/tmp/out"},"limits":{
//!     "memory_bytes":1610612736,"cpu_seconds":60,"output_bytes":67108864,"open_files":32,
//!     "input_bytes":67108864,"pixels":67108864,"duration_ms":180000}}' | communiconnect-media-worker
//! ```
//!
//! | job | reads | writes |
//! | --- | --- | --- |
//! | `probe` | pictures, videos, sounds | nothing |
//! | `picture` | JPEG, PNG, GIF, WebP | `large.jpg` or `.png`, `small.jpg` or `.png`; `video.mp4` of one that moves |
//! | `poster` | videos | `large.jpg`, `small.jpg` |
//! | `transcode` | videos | `video.mp4` |
//! | `thumbnail` | a film of one picture | `large.jpg`, `small.jpg` |
//! | `sheet` | JPEGs, end to end | `sheet.jpg` |
//!
//! Here: the order of things, which is read the job, confine oneself ([`sandbox`]), and only then look at
//! the input. Pictures are decoded in Rust (`picture`); FFmpeg decodes videos (`source`) and encodes
//! H.264 (`mp4`). Everything runs on one thread: none could be started.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::indexing_slicing))]

#[cfg(debug_assertions)]
mod attempts;
mod moving;
mod mp4;
mod picture;
mod poster;
mod probe;
mod refusal;
mod sandbox;
mod sheet;
mod size;
mod sound;
mod source;
mod still;
mod thumbnail;
mod transcode;
mod video;

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use worker::protocol::{Code, Done, Job, Line, Outcome, Task};

use refusal::Refusal;

/// A job is some hundred bytes; paths may be long.
const JOB_BYTES: u64 = 64 * 1024;

fn main() -> ExitCode {
    match run() {
        Ok(done) => {
            say(&Line::Done(Box::new(done)));
            ExitCode::SUCCESS
        }
        Err(Refusal { code, reason }) => {
            say(&Line::Error { code, reason });
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<Done, Refusal> {
    sandbox::close_what_was_left_open();
    let job = read_job()?;
    let input = open_input(&job)?;
    #[cfg(debug_assertions)]
    attempts::make_behind_calls_alone_if_asked();
    let sandbox = sandbox::enter(&job)?;
    ffmpeg::log::set_level(ffmpeg::log::Level::Quiet);
    // Tells FFmpeg's errors their texts.
    ffmpeg::init().map_err(Refusal::unreadable)?;
    #[cfg(debug_assertions)]
    attempts::make_if_asked();
    let outcome = match &job.task {
        Task::Probe => Outcome::Probed(probe::probe(input, &job)?),
        Task::Picture { into } => Outcome::Picture(picture::shrink(input, &job.limits, into)?),
        Task::Poster { into, at_ms } => Outcome::Poster(poster::take(&job, into, *at_ms)?),
        Task::Transcode { into } => Outcome::Transcoded(transcode::transcode(&job, into)?),
        Task::Thumbnail { into } => Outcome::Thumbnail(thumbnail::take(&job, into)?),
        Task::Sheet { into, lengths, columns } => {
            Outcome::Sheet(sheet::lay(input, &job.limits, lengths, *columns, into)?)
        }
    };
    Ok(Done { outcome, sandbox })
}

fn read_job() -> Result<Job, Refusal> {
    let mut text = Vec::new();
    let bad = |why: String| Refusal::new(Code::BadJob, why);
    std::io::stdin().take(JOB_BYTES).read_to_end(&mut text).map_err(|it| bad(it.to_string()))?;
    serde_json::from_slice(&text).map_err(|error| bad(error.to_string()))
}

/// Opens the input without reading it. What is no ordinary file could keep a reader waiting for ever.
fn open_input(job: &Job) -> Result<File, Refusal> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let not_a_file = |why: String| Refusal::new(Code::NotAFile, why);
    let file = File::options()
        .read(true)
        .custom_flags(libc::O_NONBLOCK)
        .open(&job.input)
        .map_err(|error| not_a_file(error.to_string()))?;
    let metadata = file.metadata().map_err(|error| not_a_file(error.to_string()))?;
    if !metadata.is_file() {
        return Err(not_a_file("the input is not an ordinary file".into()));
    }
    let (size, limit) = (metadata.len(), job.limits.input_bytes);
    if size > limit {
        let reason = format!("{size} bytes, more than {limit}");
        return Err(Refusal::new(Code::TooLarge, reason));
    }
    Ok(file)
}

/// Writes one line. Who listens no more has no use for the rest either.
fn say(line: &Line) {
    let mut text = serde_json::to_vec(line).expect("every line has a JSON form");
    text.push(b'\n');
    let mut stdout = std::io::stdout();
    if stdout.write_all(&text).and_then(|()| stdout.flush()).is_err() {
        std::process::exit(1);
    }
}
