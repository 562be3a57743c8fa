//! Recordings: many viewers of as many of them, faster than they were made, and a start beside thousands.
//!
//! Here: how they are made (one is recorded and copied), viewers who note when they would stall. Not here: what
//! recording costs (`compare`).

use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    thread::{self, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::{
    account,
    http::Client,
    input::Input,
    ours::{self, Ours},
    playlist::{Playlist, resolve},
    publish::Publishers,
    view::percentile,
};

/// How much is run.
pub struct Plan {
    /// Our release binary.
    pub ours: PathBuf,
    /// Viewers, and recordings they watch.
    pub viewers: usize,
    /// Recordings on the disk at the start that is measured.
    pub recordings: usize,
    /// How long what they watch is.
    pub time: Duration,
}

/// How fast they watch.
const SPEED: f64 = 2.0;
/// Seconds of media that a viewer loads ahead of what he sees.
const AHEAD_S: f64 = 10.0;
/// Viewers come within this time, evenly.
const RAMP: Duration = Duration::from_secs(2);
/// From the last of the publisher to a recording: the grace, and some.
const RECORDED_WITHIN: Duration = Duration::from_secs(60);
/// What starting beside the recordings should take.
const START_MAX: Duration = Duration::from_secs(1);
const MAX_VIEWERS: usize = 1_000;
/// A file may have so many names on ext4.
const MAX_RECORDINGS: usize = 60_000;

/// What came of it.
pub struct Figures {
    answering_after: Duration,
    recordings: usize,
    viewers: usize,
    media_s: f64,
    stalls: usize,
    errors: usize,
    /// From coming to the first segment, and request to last byte of each segment, in microseconds.
    first_us: Vec<u32>,
    segments_us: Vec<u32>,
    gbit: f64,
    cpu: Duration,
    load_cpu: Duration,
}

#[derive(Default)]
struct Watched {
    stalls: usize,
    media_s: f64,
    bytes: usize,
    first_us: Vec<u32>,
    segments_us: Vec<u32>,
}

/// Makes the recordings, starts beside them, and has them watched.
///
/// # Errors
/// When the server, the disk or the publisher fails; not when viewers stall.
pub fn run(plan: &Plan, input: &Arc<Input>) -> Result<Figures> {
    ensure!((1..=MAX_VIEWERS).contains(&plan.viewers), "--viewers: 1 to {MAX_VIEWERS}");
    ensure!(plan.recordings <= MAX_RECORDINGS, "--recordings: at most {MAX_RECORDINGS}");
    let first = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
    let name = record(plan, input, first.path())?;
    let recorded = first.path().join("recordings").join(name);
    let data = copies(plan, &recorded)?;
    let ours = Ours::start_recording_in(&plan.ours, data.path())?;
    let (cpu, load_cpu) = (account::cpu(ours.server.pid())?, account::own_cpu()?);
    let viewers: Vec<_> = (0..plan.viewers)
        .map(|n| {
            let (address, wait) = (ours.http, RAMP * n as u32 / plan.viewers as u32);
            thread::spawn(move || {
                sleep(wait);
                watch(address, &format!("/vod/{}/index.m3u8", watched_name(n)))
            })
        })
        .collect();
    let outcomes: Vec<Result<Watched>> =
        viewers.into_iter().map(|it| it.join().expect("a viewer does not panic")).collect();
    let mut figures = Figures {
        answering_after: ours.server.answering_after,
        recordings: plan.recordings.max(plan.viewers),
        viewers: plan.viewers,
        media_s: 0.0,
        stalls: 0,
        errors: 0,
        first_us: Vec::new(),
        segments_us: Vec::new(),
        gbit: 0.0,
        cpu: account::cpu(ours.server.pid())? - cpu,
        load_cpu: account::own_cpu()? - load_cpu,
    };
    for outcome in outcomes {
        match outcome {
            Ok(watched) => {
                figures.stalls += watched.stalls;
                figures.media_s = watched.media_s;
                figures.gbit += watched.bytes as f64 * 8.0 / 1e9;
                figures.first_us.extend(watched.first_us);
                figures.segments_us.extend(watched.segments_us);
            }
            Err(error) => {
                figures.errors += 1;
                eprintln!("{error:#}");
            }
        }
    }
    Ok(figures)
}

/// Records one live; gives its name.
fn record(plan: &Plan, input: &Arc<Input>, folder: &Path) -> Result<String> {
    let ours = Ours::start_recording_in(&plan.ours, folder)?;
    let live = ours.lives(1)?.pop().context("a live")?;
    let publishers = Publishers::start(input, ours.rtmp, ours::APP, &[live.key])?;
    sleep(plan.time);
    drop(publishers);
    let name = live.playlist.strip_prefix("/hls/").and_then(|path| path.strip_suffix(".m3u8"));
    let name = name.context("the address of a live")?.to_owned();
    let begun = Instant::now();
    let mut client = Client::connect(ours.http)?;
    while client.get(&format!("/vod/{name}/index.m3u8"))?.0 != 200 {
        ensure!(begun.elapsed() < RECORDED_WITHIN, "nothing was recorded");
        sleep(Duration::from_millis(200));
    }
    Ok(name)
}

/// A data folder with copies of a recording: those that are watched have bytes of their own on the disk, the rest
/// are other names of the same.
fn copies(plan: &Plan, recorded: &Path) -> Result<TempDir> {
    // On the same disk, for a file has its names on one.
    let data = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
    let root = data.path().join("recordings");
    for n in 0..plan.viewers.max(plan.recordings) {
        let folder = root.join(watched_name(n));
        fs::create_dir_all(&folder)?;
        for entry in fs::read_dir(recorded)? {
            let entry = entry?;
            let to = folder.join(entry.file_name());
            match n < plan.viewers {
                true => fs::copy(entry.path(), to).map(drop),
                false => fs::hard_link(entry.path(), to),
            }?;
        }
    }
    Ok(data)
}

fn watched_name(n: usize) -> String {
    format!("recording{n}")
}

/// Watches one recording to its end, and notes when what comes next was not there in time.
fn watch(address: SocketAddr, path: &str) -> Result<Watched> {
    let came = Instant::now();
    let mut client = Client::connect(address)?;
    let mut playlist = |path: &str| -> Result<Playlist> {
        let (status, body) = client.get(path)?;
        ensure!(status == 200, "{path}: {status}");
        Ok(Playlist::parse(&String::from_utf8(body)?))
    };
    let media = resolve(path, &playlist(path)?.rendition.context("no rendition")?);
    let playlist = playlist(&media)?;
    let mut watched = Watched::default();
    if let Some(init) = &playlist.init {
        client.get(&resolve(&media, init))?;
    }
    // When he would see the beginning of the recording, had he never stalled later than now.
    let mut began: Option<Instant> = None;
    for (address, duration_s) in &playlist.segments {
        let shown_after = Duration::from_secs_f64(watched.media_s / SPEED);
        if let Some(began) = began {
            let loads_after = Duration::from_secs_f64((watched.media_s - AHEAD_S).max(0.0) / SPEED);
            sleep((began + loads_after).saturating_duration_since(Instant::now()));
        }
        let asked = Instant::now();
        let path = resolve(&media, address);
        let (status, body) = client.get(&path)?;
        ensure!(status == 200, "{path}: {status}");
        watched.segments_us.push(micros(asked.elapsed()));
        watched.bytes += body.len();
        let late = began.map(|began| Instant::now().saturating_duration_since(began + shown_after));
        match late {
            None => {
                watched.first_us.push(micros(came.elapsed()));
                began = Some(Instant::now());
            }
            Some(late) if !late.is_zero() => {
                watched.stalls += 1;
                began = began.map(|began| began + late);
            }
            Some(_) => {}
        }
        watched.media_s += duration_s;
    }
    Ok(watched)
}

fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut first, mut segments) = (self.first_us.clone(), self.segments_us.clone());
        let ms = |times: &mut Vec<u32>, part| f64::from(percentile(times, part)) / 1e3;
        let reached = |is: bool| if is { "reached" } else { "**missed**" };
        writeln!(f, "| what | CommuniConnect Live | to reach | |\n| --- | --- | --- | --- |")?;
        writeln!(
            f,
            "| {} viewers of as many recordings of {:.0} s at {SPEED} times real time | {} stalls, {} errors | none | {} |",
            self.viewers,
            self.media_s,
            self.stalls,
            self.errors,
            reached(self.stalls + self.errors == 0)
        )?;
        writeln!(
            f,
            "| start beside {} recordings, to the first answer | {} ms | {} ms | {} |",
            self.recordings,
            self.answering_after.as_millis(),
            START_MAX.as_millis(),
            reached(self.answering_after <= START_MAX)
        )?;
        write!(
            f,
            "\nFirst segment: p50 {:.1} ms, p99 {:.1} ms; each segment: p50 {:.1} ms, p99 {:.1} ms; {:.2} Gbit; the server took \
             {:.2} CPU s, the load {:.2}.",
            ms(&mut first, 0.5),
            ms(&mut first, 0.99),
            ms(&mut segments, 0.5),
            ms(&mut segments, 0.99),
            self.gbit,
            self.cpu.as_secs_f64(),
            self.load_cpu.as_secs_f64()
        )
    }
}
