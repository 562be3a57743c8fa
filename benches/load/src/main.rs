//! Drives a live server with publishers and viewers and accounts for what that costs it.
//!
//! ```text
//! communiconnect-load compare [--ours BINARY] [--page FILE] [--json FILE] [--publishers 100] [--viewers 2000]
//!                             [--window-s 30] [--repeats 5] [--followers 1000] [--crowd 5000]
//! communiconnect-load low-latency [the same]
//! communiconnect-load chat [--ours BINARY] [--listeners 2000] [--speakers 25] [--per-second 50] [--seconds 60]
//! communiconnect-load api [--ours BINARY] [--postgres URL] [--seconds 30] [--posts N] [--page FILE]
//! communiconnect-load recording [the same as compare]
//! communiconnect-load vod [--ours BINARY] [--viewers 200] [--seconds 60] [--recordings 10000]
//! communiconnect-load prepare
//! communiconnect-load publish --to HOST:PORT [--app live] --names A,B,... [--seconds 60] [--pid N]
//! communiconnect-load view --from HOST:PORT --path /hls/NAME.m3u8 [--viewers 2000] [--seconds 60] [--pid N]
//! communiconnect-load follow --from HOST:PORT --path /hls/NAME.m3u8 [--viewers 1000] [--seconds 60] [--pid N]
//! communiconnect-load cpu --pid N [--seconds 10]
//! communiconnect-load floor --listen HOST:PORT --segment-bytes N
//! ```
//!
//! Every command takes `--input FILE` (made when missing). `--pid` adds what that process tree used meanwhile.

mod account;
mod api;
mod chat;
mod classic;
mod compare;
mod connection;
mod floor;
mod flv;
mod http;
mod input;
mod low_latency;
mod nginx;
mod ours;
mod playlist;
mod probe;
mod publish;
mod report;
mod rtmp;
mod seed;
mod server;
mod view;
mod vod;

use std::{
    collections::HashMap,
    fs,
    path::PathBuf,
    str::FromStr,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::sleep,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::{
    classic::Classic,
    compare::Plan,
    input::Input,
    low_latency::LowLatency,
    publish::Publishers,
    view::{Viewer, Viewers, percentile},
};

/// Viewers connect during this part of the time asked for.
const RAMP: Duration = Duration::from_secs(4);

fn main() -> Result<()> {
    raise_open_files()?;
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let options = Options::parse(words)?;
    let seconds = Duration::from_secs(options.or("seconds", 60)?);
    let pid = options.optional::<u32>("pid")?;
    let input_path =
        options.or("input", std::env::temp_dir().join("communiconnect-load-720p30.flv"))?;
    let load = || {
        Input::prepare(&input_path)?;
        Input::load(&input_path).map(Arc::new)
    };
    match command.as_str() {
        "prepare" => {
            let input = load()?;
            println!("{}: {:.3} Mbit/s", input_path.display(), input.bits_per_second() / 1e6);
        }
        "publish" => {
            let names: Vec<String> =
                options.needed::<String>("names")?.split(',').map(Into::into).collect();
            let app: String = options.or("app", ours::APP.to_owned())?;
            let publishers = Publishers::start(&load()?, options.needed("to")?, &app, &names)?;
            let counters = publishers.counters();
            account_for(pid, seconds, || counters.bytes.load(Relaxed))?;
            let (lost, late_ms) = (counters.lost.load(Relaxed), counters.late_ms.load(Relaxed));
            println!(
                "{} messages, {lost} lost, {late_ms} ms late",
                counters.messages.load(Relaxed)
            );
        }
        "view" => view::<Classic>(&options, 2_000, seconds, pid)?,
        "follow" => view::<LowLatency>(&options, 1_000, seconds, pid)?,
        "chat" => {
            let binary = options.or("ours", ours::default_binary())?;
            let plan = chat::Plan {
                listeners: options.or("listeners", 2_000)?,
                speakers: options.or("speakers", 25)?,
                per_second: options.or("per-second", 50.0)?,
                time: seconds,
            };
            chat::run(&ours::Ours::start(&fs::canonicalize(binary)?)?, &plan)?;
        }
        "cpu" => account_for(Some(options.needed("pid")?), seconds, || 0)?,
        "floor" => {
            compare::serve_floor(options.needed("listen")?, options.needed("segment-bytes")?)?
        }
        "compare" => run_comparison(&options, input_path)?,
        "api" => run_api(&options)?,
        "recording" => {
            for (name, ingest) in compare::run_recording(&plan(&options, input_path)?)? {
                println!("{}", report::ingest_row(name, &ingest));
            }
        }
        "vod" => {
            let binary = options.or("ours", ours::default_binary())?;
            let plan = vod::Plan {
                ours: fs::canonicalize(&binary)
                    .with_context(|| format!("no {}", binary.display()))?,
                viewers: options.or("viewers", 200)?,
                recordings: options.or("recordings", 10_000)?,
                time: seconds,
            };
            println!("{}", vod::run(&plan, &load()?)?);
        }
        "low-latency" => {
            let figures = compare::run_low_latency(&plan(&options, input_path)?)?;
            println!("{:#}", report::low_latency_json(&figures));
        }
        other => bail!(
            "no command {other:?}: prepare, publish, view, follow, cpu, floor, compare, recording, vod, low-latency, chat, api"
        ),
    }
    Ok(())
}

fn view<V: Viewer>(
    options: &Options,
    usual: usize,
    seconds: Duration,
    pid: Option<u32>,
) -> Result<()> {
    let (address, path) = (options.needed("from")?, options.needed::<String>("path")?);
    let viewers = Viewers::start::<V>(address, &path, options.or("viewers", usual)?, RAMP)?;
    sleep(RAMP * 2);
    viewers.take();
    account_for(pid, seconds.saturating_sub(RAMP * 2), || viewers.bytes())?;
    let mut sample = viewers.take();
    for (what, times) in [("playlists", &mut sample.playlist_us), ("media", &mut sample.media_us)] {
        let (p50, p99) = (percentile(times, 0.5), percentile(times, 0.99));
        println!("{} {what}: p50 {p50} µs, p99 {p99} µs", times.len());
    }
    println!("{} playing, {} errors", viewers.playing(), sample.errors.len());
    sample.errors.iter().take(5).for_each(|error| println!("{error}"));
    Ok(())
}

fn plan(options: &Options, input: PathBuf) -> Result<Plan> {
    let ours = options.optional::<PathBuf>("ours")?.map(fs::canonicalize).transpose()?;
    Ok(Plan {
        ours: ours.or_else(|| fs::canonicalize(ours::default_binary()).ok()),
        input,
        publishers: options.or("publishers", 100)?,
        viewers: options.or("viewers", 2_000)?,
        window: Duration::from_secs(options.or("window-s", 30)?),
        repeats: options.or("repeats", 5)?,
        followers: options.or("followers", 1_000)?,
        crowd: options.or("crowd", 5_000)?,
    })
}

/// Measures the API, and writes its section of the page anew.
fn run_api(options: &Options) -> Result<()> {
    let ours = options.optional::<PathBuf>("ours")?.unwrap_or_else(ours::default_binary);
    let plan = api::Plan {
        ours: fs::canonicalize(&ours).with_context(|| format!("no {}", ours.display()))?,
        postgres: options.optional("postgres")?,
        time: Duration::from_secs(options.or("seconds", 30)?),
        posts: options.optional("posts")?,
    };
    let section = report::api(&api::run(&plan)?);
    println!("{section}");
    if let Some(path) = options.optional::<PathBuf>("page")? {
        let page = fs::read_to_string(&path)?;
        fs::write(&path, report::with_api(&page, &section))?;
    }
    Ok(())
}

fn run_comparison(options: &Options, input: PathBuf) -> Result<()> {
    let plan = plan(options, input)?;
    let comparison = compare::run(&plan)?;
    let mut page = report::page(&plan, &comparison);
    if let (Some(ours), Some(postgres)) = (&plan.ours, options.optional("postgres")?) {
        let (ours, time) = (ours.clone(), Duration::from_secs(30));
        let figures = api::run(&api::Plan { ours, postgres: Some(postgres), time, posts: None })?;
        page = report::with_api(&page, &report::api(&figures));
    }
    println!("{page}");
    if let Some(path) = options.optional::<PathBuf>("page")? {
        fs::write(&path, page).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some(path) = options.optional::<PathBuf>("json")? {
        fs::create_dir_all(path.parent().context("--json names no file")?)?;
        let figures = serde_json::to_string_pretty(&report::figures(&plan, &comparison))?;
        fs::write(&path, figures + "\n")
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Waits, then prints what went through and what `pid` used for it.
fn account_for(pid: Option<u32>, time: Duration, bytes: impl Fn() -> u64) -> Result<()> {
    let cpu_before = pid.map(account::cpu).transpose()?;
    let bytes_before = bytes();
    sleep(time);
    let gbit = (bytes() - bytes_before) as f64 * 8.0 / 1e9;
    println!("{gbit:.3} Gbit in {} s", time.as_secs());
    if let (Some(pid), Some(before)) = (pid, cpu_before) {
        let (cpu, memory) = (account::cpu(pid)? - before, account::memory(pid)?);
        let per_gbit = compare::per_gbit(cpu, gbit);
        println!("{:.2} CPU s, {per_gbit:.4} per Gbit", cpu.as_secs_f64());
        println!(
            "{:.1} MB RSS, {:.1} MB PSS",
            memory.rss_bytes as f64 / 1e6,
            memory.pss_bytes as f64 / 1e6
        );
    }
    Ok(())
}

/// Thousands of viewers need as many sockets; the servers we start inherit the limit.
fn raise_open_files() -> Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("cannot raise the limit of open files")
}

struct Options(HashMap<String, String>);

impl Options {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self> {
        let mut options = HashMap::new();
        while let Some(word) = words.next() {
            let name = word.strip_prefix("--").ok_or_else(|| anyhow!("unexpected {word:?}"))?;
            let value = words.next().with_context(|| format!("--{name} needs a value"))?;
            options.insert(name.to_owned(), value);
        }
        Ok(Self(options))
    }

    fn optional<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<Option<T>> {
        let parse = |text: &String| text.parse().with_context(|| format!("--{name}: {text:?}"));
        self.0.get(name).map(parse).transpose()
    }

    fn or<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
        default: T,
    ) -> Result<T> {
        Ok(self.optional(name)?.unwrap_or(default))
    }

    fn needed<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &self,
        name: &str,
    ) -> Result<T> {
        self.optional(name)?.with_context(|| format!("--{name} is missing"))
    }
}
