//! The comparison: the floor, nginx and ours, one after the other, on the same input.
//!
//! Here: what is run, for how long, and what is counted. Not here: how it is written down (`report`).

use std::{
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Command,
    sync::{Arc, atomic::Ordering::Relaxed},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    account::{self, Memory},
    classic::Classic,
    floor,
    http::Client,
    input::{GOP_MS, Input},
    low_latency::LowLatency,
    nginx::{self, Nginx},
    ours::{self, Ours},
    playlist::{Playlist, resolve},
    probe::Probe,
    publish::Publishers,
    server::{Server, free_address},
    view::{Viewer, Viewers, percentile},
};

/// How much is run.
pub struct Plan {
    /// Our release binary; without it only the floor and nginx are measured.
    pub ours: Option<PathBuf>,
    /// The input file, made when missing.
    pub input: PathBuf,
    /// Publishers of the ingest rows.
    pub publishers: usize,
    /// Viewers of the delivery rows.
    pub viewers: usize,
    /// How long each row is measured.
    pub window: Duration,
    /// Repetitions of the two rows that measure a time.
    pub repeats: usize,
    /// Low-latency viewers whose cost is measured.
    pub followers: usize,
    /// Low-latency viewers that two cores should bear, with the load itself; where they do not, the
    /// most that they do is looked for.
    pub crowd: usize,
}

/// A window of 30 s must be full, and the segments that left it gone, before memory is looked at: twice the
/// window after the start.
const WARM_UP_MEMORY: Duration = Duration::from_secs(35);
/// First segments, caches and socket buffers have settled.
const WARM_UP: Duration = Duration::from_secs(8);
/// Segments must be listed before viewers come.
const FILL: Duration = Duration::from_secs(9);
/// Viewers connect over whole target durations, so their reloads stay evenly spread.
const RAMP: Duration = Duration::from_secs(6);
/// How long a crowd must be borne.
const CROWDED: Duration = Duration::from_secs(60);
/// Crowds tried when the whole one is too many, each halfway between the most borne and the fewest not.
const SMALLER_CROWDS: usize = 3;
/// A part comes every 200 ms.
const PARTS_PER_S: f64 = 5.0;
/// What a crowd's parts may take, the wait for them included.
pub const PART_P99: Duration = Duration::from_millis(250);
/// How many of a crowd's parts may not have come by the end: 1.5 of a minute's 300, for one is always on its way.
pub const LATE_PARTS_PERCENT: f64 = 0.5;
/// Lives whose listed segments are added up; all have the same bitrate.
const WINDOWS_SAMPLED: usize = 5;
/// How often a playlist that is not there yet is asked for.
const POLL: Duration = Duration::from_millis(2);
/// A live that does not play by then never will.
const PATIENCE: Duration = Duration::from_secs(15);

/// What a server used while publishers sent.
#[derive(Default)]
pub struct Ingest {
    /// Received in the measured time, RTMP headers included.
    pub gbit: f64,
    /// Of the process tree, in the measured time.
    pub cpu: Duration,
    /// Before the first publisher.
    pub memory_idle: Memory,
    /// At the end, publishers still sending.
    pub memory: Memory,
    /// HLS files outside any process.
    pub files_bytes: u64,
    /// All segments listed at the end, when the server holds them itself.
    pub listed_bytes: u64,
    /// All segments held at the end, as the server's own metrics say.
    pub held_bytes: Option<u64>,
    /// Publishers the server closed.
    pub lost: u64,
    /// Longest wait of a message that was due.
    pub late_ms: u64,
}

/// What a server used while viewers watched, and what they saw.
#[derive(Default)]
pub struct Viewing {
    /// Delivered in the measured time, HTTP heads included.
    pub gbit: f64,
    /// Of the process tree, in the measured time.
    pub cpu: Duration,
    /// Of the load tool, in the same time, on the same cores.
    pub load_cpu: Duration,
    /// Viewers that came.
    pub count: usize,
    /// Viewers that played.
    pub playing: usize,
    /// Request to last byte of the playlists: how many, median, 99th percentile in microseconds.
    pub playlists: (usize, u32, u32),
    /// The same of the segments or parts; for parts asked for before they exist, the wait included.
    pub media: (usize, u32, u32),
    /// Measured for so long.
    pub time: Duration,
    /// Failed requests, and the first of them.
    pub errors: (usize, Option<String>),
    /// Of the process tree at the end.
    pub memory: Memory,
}

impl Viewing {
    /// How many of the parts that came in the measured time viewers did not have by its end, in
    /// percent.
    pub fn late_percent(&self) -> f64 {
        let expected = self.time.as_secs_f64() * PARTS_PER_S * self.count as f64;
        (100.0 - self.media.0 as f64 / expected * 100.0).max(0.0)
    }

    /// Whether every one of so many low-latency viewers had what he asked for in time.
    pub fn is_borne(&self) -> bool {
        let p99 = Duration::from_micros(self.media.2.into());
        let all = self.playing == self.count && self.errors.0 == 0;
        all && p99 <= PART_P99 && self.late_percent() <= LATE_PARTS_PERCENT
    }
}

/// How long pictures took from the publisher's kernel to a client that has the part they are in.
#[derive(Clone, Copy, Default)]
pub struct Latency {
    /// Median, in microseconds.
    pub p50_us: u32,
    /// 99th percentile, in microseconds.
    pub p99_us: u32,
    /// Pictures measured.
    pub count: usize,
}

/// What low latency costs and gives.
#[derive(Default)]
pub struct LowLatencyFigures {
    /// Publishers, each live followed by one viewer.
    pub followed: Ingest,
    /// Viewers of one live.
    pub viewing: Viewing,
    /// Of a lone viewer.
    pub alone: Latency,
    /// Of one viewer among the others of [`Self::viewing`].
    pub among: Latency,
    /// Crowds in the order they came: the whole one, then the smaller ones.
    pub crowds: Vec<Viewing>,
    /// Of the lone viewer of another live beside the whole one.
    pub beside: Latency,
}

/// What one server achieved; what was not measured is `None`.
#[derive(Default)]
pub struct Figures {
    /// Version, as the program says it.
    pub version: String,
    /// Publishers, no HLS.
    pub plain: Option<Ingest>,
    /// Publishers, with HLS.
    pub ingest: Option<Ingest>,
    /// Publishers, with HLS, each live recorded; `files_bytes` is what was.
    pub recording: Option<Ingest>,
    /// Viewers.
    pub viewing: Option<Viewing>,
    /// Low latency.
    pub low_latency: Option<LowLatencyFigures>,
    /// Publisher's connect to first segment downloaded, each run.
    pub first_playable: Vec<Duration>,
    /// Start to first accepted connection, each run.
    pub listening: Vec<Duration>,
    /// Start to first answer 200, each run.
    pub answering: Vec<Duration>,
    /// The same with nothing on disk yet; empty for a server that keeps nothing.
    pub first_listening: Vec<Duration>,
}

/// Everything measured.
pub struct Comparison {
    /// What one publisher sends.
    pub input_bps: f64,
    /// Plain `send` from memory.
    pub floor: Viewing,
    /// nginx with its RTMP module.
    pub nginx: Option<Figures>,
    /// CommuniConnect Live.
    pub ours: Option<Figures>,
    /// How long it all took.
    pub took: Duration,
}

/// CPU seconds per gigabit.
pub fn per_gbit(cpu: Duration, gbit: f64) -> f64 {
    if gbit > 0.0 { cpu.as_secs_f64() / gbit } else { 0.0 }
}

/// The middle of some times.
pub fn median(times: &[Duration]) -> Option<Duration> {
    let mut sorted = times.to_vec();
    sorted.sort();
    sorted.get(sorted.len() / 2).copied()
}

/// Runs the part of the plan that low latency is.
///
/// # Errors
/// As [`run`].
pub fn run_low_latency(plan: &Plan) -> Result<LowLatencyFigures> {
    Input::prepare(&plan.input)?;
    let binary = plan.ours.as_deref().context("no binary")?;
    low_latency(plan, binary, &Arc::new(Input::load(&plan.input)?))
}

/// Runs the whole plan.
///
/// # Errors
/// When a server does not start or refuses what it should take.
pub fn run(plan: &Plan) -> Result<Comparison> {
    let begun = Instant::now();
    say("input");
    Input::prepare(&plan.input)?;
    let input = Arc::new(Input::load(&plan.input)?);
    let floor = floor(plan, &input)?;
    let nginx = Nginx::is_installed().then(|| nginx(plan, &input)).transpose().context("nginx")?;
    let ours = plan.ours.is_some().then(|| ours(plan, &input)).transpose().context("ours")?;
    Ok(Comparison { input_bps: input.bits_per_second(), floor, nginx, ours, took: begun.elapsed() })
}

fn floor(plan: &Plan, input: &Input) -> Result<Viewing> {
    say("floor: viewers");
    let address = free_address()?;
    let segment_bytes = input.bits_per_second() as u64 * u64::from(GOP_MS) / 8_000;
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["floor", "--listen", &address.to_string()]);
    command.args(["--segment-bytes", &segment_bytes.to_string()]);
    let server = Server::start(command, address, floor::PLAYLIST)?;
    viewing::<Classic>(&server, address, floor::PLAYLIST, plan.viewers, plan.window)
}

fn nginx(plan: &Plan, input: &Arc<Input>) -> Result<Figures> {
    let mut figures = Figures { version: Nginx::version(), ..Figures::default() };
    let names: Vec<String> = (0..plan.publishers).map(|n| format!("live{n}")).collect();
    {
        say("nginx: publishers, no HLS");
        let nginx = Nginx::start()?;
        let publishers = Publishers::start(input, nginx.rtmp, nginx::PLAIN_APP, &names)?;
        figures.plain = Some(ingest(plan, &nginx.server, &publishers, WARM_UP, Memory::default())?);
    }
    {
        say("nginx: publishers, HLS");
        let nginx = Nginx::start()?;
        let idle = account::memory(nginx.server.pid())?;
        let publishers = Publishers::start(input, nginx.rtmp, nginx::HLS_APP, &names)?;
        let measured = ingest(plan, &nginx.server, &publishers, WARM_UP, idle)?;
        figures.ingest = Some(Ingest { files_bytes: nginx.files_bytes(), ..measured });
    }
    figures.recording = Some(nginx_recording(plan, input)?);
    {
        say("nginx: viewers");
        let nginx = Nginx::start()?;
        let name = ["watched".to_owned()];
        let _publisher = Publishers::start(input, nginx.rtmp, nginx::HLS_APP, &name)?;
        sleep(FILL);
        let path = "/hls/watched.m3u8";
        let (server, http) = (&nginx.server, nginx.http);
        figures.viewing = Some(viewing::<Classic>(server, http, path, plan.viewers, plan.window)?);
    }
    say("nginx: first playable, start");
    let nginx = Nginx::start()?;
    for n in 0..plan.repeats {
        let (name, path) = (format!("first{n}"), format!("/hls/first{n}.m3u8"));
        let took = first_playable(input, nginx.rtmp, nginx::HLS_APP, &name, nginx.http, &path)?;
        figures.first_playable.push(took);
    }
    drop(nginx);
    for _ in 0..2 * plan.repeats {
        let server = Nginx::start()?.server;
        figures.listening.push(server.listening_after);
        figures.answering.push(server.answering_after);
    }
    Ok(figures)
}

fn nginx_recording(plan: &Plan, input: &Arc<Input>) -> Result<Ingest> {
    say("nginx: publishers, HLS, recorded");
    let names: Vec<String> = (0..plan.publishers).map(|n| format!("live{n}")).collect();
    let nginx = Nginx::start()?;
    let publishers = Publishers::start(input, nginx.rtmp, nginx::RECORD_APP, &names)?;
    let measured = ingest(plan, &nginx.server, &publishers, WARM_UP, Memory::default())?;
    Ok(Ingest { files_bytes: nginx.recorded_bytes(), ..measured })
}

fn ours_ingest(plan: &Plan, input: &Arc<Input>, ours: &Ours) -> Result<Ingest> {
    let lives = ours.lives(plan.publishers)?;
    let keys: Vec<String> = lives.iter().map(|live| live.key.clone()).collect();
    let idle = account::memory(ours.server.pid())?;
    let publishers = Publishers::start(input, ours.rtmp, ours::APP, &keys)?;
    let measured = ingest(plan, &ours.server, &publishers, WARM_UP_MEMORY, idle)?;
    let sampled = &lives[..WINDOWS_SAMPLED.min(lives.len())];
    let listed: usize = sampled.iter().map(|live| ours.listed_bytes(live)).sum::<Result<_>>()?;
    Ok(Ingest {
        listed_bytes: (listed * lives.len() / sampled.len()) as u64,
        held_bytes: ours.metric(ours::HELD_BYTES).map(|bytes| bytes as u64),
        ..measured
    })
}

fn ours_recording(plan: &Plan, input: &Arc<Input>, binary: &Path) -> Result<Ingest> {
    say("ours: publishers, HLS, recorded");
    let ours = Ours::start_recording(binary)?;
    let measured = ours_ingest(plan, input, &ours)?;
    let recorded_bytes = ours.metric(ours::RECORDED_BYTES).unwrap_or(0.0) as u64;
    Ok(Ingest { files_bytes: recorded_bytes, ..measured })
}

/// What recording costs: the ingest of nginx and ours without, then with.
///
/// # Errors
/// As [`run`].
pub fn run_recording(plan: &Plan) -> Result<[(&'static str, Ingest); 4]> {
    Input::prepare(&plan.input)?;
    let input = Arc::new(Input::load(&plan.input)?);
    let binary = plan.ours.as_deref().context("no binary")?;
    let ours = ours_ingest(plan, &input, &Ours::start(binary)?)?;
    let recorded = ours_recording(plan, &input, binary)?;
    let names: Vec<String> = (0..plan.publishers).map(|n| format!("live{n}")).collect();
    let server = Nginx::start()?;
    let publishers = Publishers::start(&input, server.rtmp, nginx::HLS_APP, &names)?;
    let nginx = ingest(plan, &server.server, &publishers, WARM_UP, Memory::default())?;
    drop((publishers, server));
    let nginx_recorded = nginx_recording(plan, &input)?;
    Ok([
        ("nginx, HLS", nginx),
        ("nginx, HLS, `record all`", nginx_recorded),
        ("CommuniConnect Live, HLS", ours),
        ("CommuniConnect Live, HLS, recorded", recorded),
    ])
}

fn ours(plan: &Plan, input: &Arc<Input>) -> Result<Figures> {
    let binary = plan.ours.as_deref().context("no binary")?;
    let mut figures = Figures { version: ours::version(binary), ..Figures::default() };
    say("ours: publishers, HLS");
    figures.ingest = Some(ours_ingest(plan, input, &Ours::start(binary)?)?);
    figures.recording = Some(ours_recording(plan, input, binary)?);
    {
        say("ours: viewers");
        let ours = Ours::start(binary)?;
        let live = ours.lives(1)?.remove(0);
        let _publisher = Publishers::start(input, ours.rtmp, ours::APP, &[live.key])?;
        sleep(FILL);
        let (server, http) = (&ours.server, ours.http);
        figures.viewing =
            Some(viewing::<Classic>(server, http, &live.playlist, plan.viewers, plan.window)?);
    }
    figures.low_latency = Some(low_latency(plan, binary, input)?);
    say("ours: first playable, start");
    let server = Ours::start(binary)?;
    for live in server.lives(plan.repeats)? {
        let took =
            first_playable(input, server.rtmp, ours::APP, &live.key, server.http, &live.playlist)?;
        figures.first_playable.push(took);
    }
    drop(server);
    let folder = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
    for _ in 0..2 * plan.repeats {
        figures.first_listening.push(Ours::start(binary)?.server.listening_after);
        let server = Ours::start_in(binary, folder.path())?.server;
        figures.listening.push(server.listening_after);
        figures.answering.push(server.answering_after);
    }
    Ok(figures)
}

/// Steps with nobody in them are left out.
fn low_latency(plan: &Plan, binary: &Path, input: &Arc<Input>) -> Result<LowLatencyFigures> {
    let mut figures = LowLatencyFigures::default();
    if plan.publishers > 0 {
        say("ours, low latency: publishers, a viewer each");
        let ours = Ours::start(binary)?;
        let lives = ours.lives(plan.publishers)?;
        let keys: Vec<String> = lives.iter().map(|live| live.key.clone()).collect();
        let idle = account::memory(ours.server.pid())?;
        let publishers = Publishers::start(input, ours.rtmp, ours::APP, &keys)?;
        let viewers: Vec<Viewers> = lives
            .iter()
            .map(|live| Viewers::start::<LowLatency>(ours.http, &live.playlist, 1, Duration::ZERO))
            .collect::<Result<_>>()?;
        let measured = ingest(plan, &ours.server, &publishers, WARM_UP_MEMORY, idle)?;
        let playing: usize = viewers.iter().map(Viewers::playing).sum();
        ensure!(playing == lives.len(), "{playing} of {} viewers play", lives.len());
        figures.followed = Ingest {
            held_bytes: ours.metric(ours::HELD_BYTES).map(|bytes| bytes as u64),
            ..measured
        };
    }
    if plan.followers > 0 {
        say("ours, low latency: viewers");
        let ours = Ours::start(binary)?;
        let live = ours.lives(1)?.remove(0);
        let publisher = Publishers::start(input, ours.rtmp, ours::APP, &[live.key])?;
        let probe = Probe::start(ours.http, &live.playlist, publisher.pictures())?;
        sleep(FILL);
        probe.take();
        sleep(plan.window);
        figures.alone = latency(&probe);
        let (server, http) = (&ours.server, ours.http);
        let playlist = &live.playlist;
        (figures.viewing, figures.among) =
            followed::<LowLatency>(server, http, playlist, plan.followers, plan.window, &probe)?;
        probe.stop()?;
    }
    if plan.crowd > 0 {
        let (whole, beside) = crowd(binary, input, plan.crowd)?;
        let (mut borne, mut too_many) = (0_usize, plan.crowd);
        let is_borne = whole.is_borne();
        (figures.crowds, figures.beside) = (vec![whole], beside);
        for _ in 0..if is_borne { 0 } else { SMALLER_CROWDS } {
            let count = borne.midpoint(too_many);
            let (smaller, _) = crowd(binary, input, count)?;
            *if smaller.is_borne() { &mut borne } else { &mut too_many } = count;
            figures.crowds.push(smaller);
        }
    }
    Ok(figures)
}

/// Lets `count` viewers watch one live, and one another live beside it.
fn crowd(binary: &Path, input: &Arc<Input>, count: usize) -> Result<(Viewing, Latency)> {
    say(&format!("ours, low latency: {count} viewers"));
    let ours = Ours::start(binary)?;
    let mut lives = ours.lives(2)?;
    let (beside, watched) = (lives.remove(0), lives.remove(0));
    let other = Publishers::start(input, ours.rtmp, ours::APP, &[beside.key])?;
    let probe = Probe::start(ours.http, &beside.playlist, other.pictures())?;
    let _publisher = Publishers::start(input, ours.rtmp, ours::APP, &[watched.key])?;
    sleep(FILL);
    let (server, http) = (&ours.server, ours.http);
    let figures = followed::<LowLatency>(server, http, &watched.playlist, count, CROWDED, &probe)?;
    probe.stop()?;
    Ok(figures)
}

/// [`viewing`], and what `probe` meets meanwhile.
fn followed<V: Viewer>(
    server: &Server,
    address: SocketAddr,
    path: &str,
    count: usize,
    window: Duration,
    probe: &Probe,
) -> Result<(Viewing, Latency)> {
    let viewing = viewing_with::<V>(server, address, path, count, window, || drop(probe.take()))?;
    Ok((viewing, latency(probe)))
}

fn latency(probe: &Probe) -> Latency {
    let mut times = probe.take();
    Latency {
        p50_us: percentile(&mut times, 0.5),
        p99_us: percentile(&mut times, 0.99),
        count: times.len(),
    }
}

/// Measures a server that already receives from `publishers`.
fn ingest(
    plan: &Plan,
    server: &Server,
    publishers: &Publishers,
    warm_up: Duration,
    memory_idle: Memory,
) -> Result<Ingest> {
    let counters = publishers.counters();
    sleep(warm_up);
    let (cpu, bytes) = (account::cpu(server.pid())?, counters.bytes.load(Relaxed));
    counters.late_ms.store(0, Relaxed);
    sleep(plan.window);
    Ok(Ingest {
        cpu: account::cpu(server.pid())? - cpu,
        gbit: (counters.bytes.load(Relaxed) - bytes) as f64 * 8.0 / 1e9,
        memory_idle,
        memory: account::memory(server.pid())?,
        lost: counters.lost.load(Relaxed),
        late_ms: counters.late_ms.load(Relaxed),
        ..Ingest::default()
    })
}

/// Lets viewers watch `path` and measures.
fn viewing<V: Viewer>(
    server: &Server,
    address: SocketAddr,
    path: &str,
    count: usize,
    window: Duration,
) -> Result<Viewing> {
    viewing_with::<V>(server, address, path, count, window, || {})
}

/// The same; `begin` is called when the measured time begins.
fn viewing_with<V: Viewer>(
    server: &Server,
    address: SocketAddr,
    path: &str,
    count: usize,
    window: Duration,
    begin: impl FnOnce(),
) -> Result<Viewing> {
    let viewers = Viewers::start::<V>(address, path, count, RAMP)?;
    sleep(RAMP + WARM_UP / 2);
    begin();
    viewers.take();
    let (cpu, load_cpu) = (account::cpu(server.pid())?, account::own_cpu()?);
    let bytes = viewers.bytes();
    sleep(window);
    let cpu = account::cpu(server.pid())? - cpu;
    let load_cpu = account::own_cpu()? - load_cpu;
    let gbit = (viewers.bytes() - bytes) as f64 * 8.0 / 1e9;
    let mut sample = viewers.take();
    let summary =
        |times: &mut Vec<u32>| (times.len(), percentile(times, 0.5), percentile(times, 0.99));
    Ok(Viewing {
        gbit,
        cpu,
        load_cpu,
        count,
        playing: viewers.playing(),
        playlists: summary(&mut sample.playlist_us),
        media: summary(&mut sample.media_us),
        time: window,
        errors: (sample.errors.len(), sample.errors.into_iter().next()),
        memory: account::memory(server.pid())?,
    })
}

/// From before a publisher connects until the first segment its live lists has been downloaded.
fn first_playable(
    input: &Arc<Input>,
    rtmp: SocketAddr,
    app: &str,
    name: &str,
    http: SocketAddr,
    path: &str,
) -> Result<Duration> {
    let mut client = Client::connect(http)?;
    let begun = Instant::now();
    let _publisher = Publishers::start(input, rtmp, app, &[name.to_owned()])?;
    let mut path = path.to_owned();
    loop {
        ensure!(begun.elapsed() < PATIENCE, "{path} does not become playable");
        let (status, body) = client.get(&path)?;
        let playlist = Playlist::parse(&String::from_utf8_lossy(&body));
        if let (200, Some(rendition)) = (status, &playlist.rendition) {
            path = resolve(&path, rendition);
            continue;
        }
        let (200, Some((segment, _))) = (status, playlist.segments.first()) else {
            sleep(POLL);
            continue;
        };
        for address in playlist.init.iter().chain([segment]) {
            let (status, body) = client.get(&resolve(&path, address))?;
            ensure!(status == 200 && !body.is_empty(), "{address}: {status}");
        }
        return Ok(begun.elapsed());
    }
}

/// Serves the floor on `listen` until ended.
///
/// # Errors
/// When the address is taken.
pub fn serve_floor(listen: SocketAddr, segment_bytes: usize) -> Result<()> {
    floor::serve(TcpListener::bind(listen)?, segment_bytes)
}

/// Tells what is being done.
pub fn say(what: &str) {
    eprintln!("· {what}");
}
