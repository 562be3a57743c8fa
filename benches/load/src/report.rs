//! Writes a comparison down: a page to read and figures to compare.

use std::{
    fmt::Write,
    fs,
    process::Command,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{Value, json};

use crate::{
    account::Memory,
    api,
    compare::{
        Comparison, Figures, Ingest, LATE_PARTS_PERCENT, Latency, LowLatencyFigures, PART_P99,
        Plan, Viewing, median, per_gbit,
    },
};

const MB: f64 = 1e6;
/// What we want to reach, relative to nginx in the same run where nginx has a figure.
const INGEST_OF_NGINX: f64 = 0.65;
const VIEWING_OF_NGINX: f64 = 1.25;
/// What recording may cost, relative to not recording.
const RECORDING: f64 = 1.15;
const LIVE_MB: f64 = 0.4;
const PLAYLIST_P99: Duration = Duration::from_millis(5);
const FIRST_PLAYABLE: Duration = Duration::from_millis(500);
/// At low latency.
const FOLLOWING: f64 = 0.12;
const LATENCY_P50: Duration = Duration::from_millis(102);
const LATENCY_P99: Duration = Duration::from_millis(201);
/// MediaMTX 1.9 with parts of 200 ms, measured before on such a machine, not in this run.
mod mediamtx {
    pub const INGEST: f64 = 2.28;
    pub const FOLLOWING: f64 = 0.491;
    pub const LATENCY_MS: (f64, f64) = (104.0, 202.0);
    pub const FIRST_PLAYABLE_S: f64 = 4.0;
}
const LISTENING: Duration = Duration::from_millis(100);

/// The page.
pub fn page(plan: &Plan, comparison: &Comparison) -> String {
    let mut page = String::new();
    let machine = Machine::look();
    let (nginx, ours) = (comparison.nginx.as_ref(), comparison.ours.as_ref());
    let _ = writeln!(
        page,
        "# Performance\n\nWritten by `make bench` on {} in {} s; do not edit by hand.\n",
        machine.date,
        comparison.took.as_secs()
    );
    let _ = writeln!(
        page,
        "| what | nginx | CommuniConnect Live | to reach | |\n| --- | --- | --- | --- | --- |"
    );
    for row in rows(plan, comparison) {
        let _ = writeln!(page, "{row}");
    }
    let _ = writeln!(page, "\n## Behind the table\n");
    let _ = writeln!(
        page,
        "| | CPU s | Gbit | CPU s per Gbit | resident (PSS) | HLS files, or recorded | closed by the server | longest wait of a message |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let ingests = [
        ("nginx, RTMP without HLS", nginx.and_then(|f| f.plain.as_ref())),
        ("nginx, HLS", nginx.and_then(|f| f.ingest.as_ref())),
        ("nginx, HLS, `record all`", nginx.and_then(|f| f.recording.as_ref())),
        ("CommuniConnect Live, HLS", ours.and_then(|f| f.ingest.as_ref())),
        ("CommuniConnect Live, HLS, recorded", ours.and_then(|f| f.recording.as_ref())),
    ];
    for (name, ingest) in ingests {
        let Some(i) = ingest else { continue };
        let _ = writeln!(page, "{}", ingest_row(name, i));
    }
    let _ = writeln!(
        page,
        "\n| | CPU s | Gbit | CPU s per Gbit | playing | playlists: p50, p99 | segments: p50, p99 | errors |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let viewings = [
        ("floor: `send` from memory", Some(&comparison.floor)),
        ("nginx", nginx.and_then(|f| f.viewing.as_ref())),
        ("CommuniConnect Live", ours.and_then(|f| f.viewing.as_ref())),
    ];
    for (name, viewing) in viewings {
        let Some(v) = viewing else { continue };
        let _ = writeln!(page, "{}", viewing_row(name, v));
    }
    if let Some(low) = ours.and_then(|f| f.low_latency.as_ref()) {
        let (ingest, first) =
            (ours.and_then(|f| f.ingest.as_ref()), ours.and_then(|f| median(&f.first_playable)));
        let _ = write!(page, "{}", low_latency(plan, ingest, first, low));
    }
    if let Some(i) = ours.and_then(|f| f.ingest.as_ref()) {
        let _ = writeln!(page, "\nMemory of our {} lives: {}.", plan.publishers, memory_story(i));
    }
    let _ = write!(page, "{}", method(plan, comparison, &machine));
    page
}

/// What low latency costs and gives.
fn low_latency(
    plan: &Plan,
    ingest: Option<&Ingest>,
    first_playable: Option<Duration>,
    low: &LowLatencyFigures,
) -> String {
    let mut text = String::from(
        "\n## Low latency: parts of 200 ms\n\n\
         | what | MediaMTX, earlier | CommuniConnect Live | to reach | |\n| --- | --- | --- | --- | --- |\n",
    );
    let ms = |us: u32| Some(f64::from(us) / 1e3);
    let show_ms = |v: f64| format!("{v:.1} ms");
    let cost = |v: &Viewing| Some(per_gbit(v.cpu, v.gbit));
    let mut line = |row: String| {
        let _ = writeln!(text, "{row}");
    };
    let ingest = ingest.map(|i| per_gbit(i.cpu, i.gbit));
    let name = format!("ingest, {} publishers, CPU s per Gbit", plan.publishers);
    line(row(&name, (Some(mediamtx::INGEST), ingest), None, "above", |v| format!("{v:.3}")));
    let followed = Some(per_gbit(low.followed.cpu, low.followed.gbit));
    let name = "the same, a viewer on each, delivery included";
    line(row(name, (None, followed), None, "", |v| format!("{v:.3}")));
    let beyond = Some(beyond_mb(&low.followed) / plan.publishers as f64);
    let name = "memory of such a live beyond its window's bytes";
    line(row(name, (None, beyond), None, "", |v| format!("{v:.2} MB")));
    line(row(
        &format!("{} viewers, CPU s per Gbit", plan.followers),
        (Some(mediamtx::FOLLOWING), cost(&low.viewing)),
        Some(FOLLOWING),
        "0.12",
        |v| format!("{v:.3}"),
    ));
    for (whom, latency, is_promised) in [
        ("a lone viewer", low.alone, true),
        (&*format!("one of {} viewers", plan.followers), low.among, true),
        (&*format!("beside a live with {} viewers", plan.crowd), low.beside, false),
    ] {
        let limit = |limit| is_promised.then(|| millis(limit));
        let (p50, p99) = mediamtx::LATENCY_MS;
        let reference = |v| is_promised.then_some(v);
        let name = format!("picture sent to part downloaded, {whom}, p50");
        let both = (reference(p50), ms(latency.p50_us));
        line(row(&name, both, limit(LATENCY_P50), "102 ms", show_ms));
        let both = (reference(p99), ms(latency.p99_us));
        line(row("the same, p99", both, limit(LATENCY_P99), "201 ms", show_ms));
    }
    if let Some(crowd) = low.crowds.first() {
        let name = format!("{} viewers: part asked for to part downloaded, p99", crowd.count);
        let p99 = (None, ms(crowd.media.2));
        line(row(&name, p99, Some(millis(PART_P99)), "250 ms", show_ms));
        let name = "parts of that time they did not have by its end";
        let late = (None, Some(crowd.late_percent()));
        line(row(name, late, Some(LATE_PARTS_PERCENT), "0.5 %", |v| format!("{v:.2} %")));
        let borne = low.crowds.iter().filter(|crowd| crowd.is_borne()).map(|crowd| crowd.count);
        let most = borne.max().map(|count| count as f64);
        let name = "most viewers of those tried who had all of it in time, for 60 s";
        line(row(name, (None, most), None, "", |v| format!("{v}")));
    }
    let first = (Some(mediamtx::FIRST_PLAYABLE_S), first_playable.map(|t| t.as_secs_f64()));
    let name = "publisher's connect to first playable (median)";
    line(row(name, first, Some(FIRST_PLAYABLE.as_secs_f64()), "0.5 s", |v| format!("{v:.3} s")));
    let _ = writeln!(
        text,
        "\n| | CPU s | Gbit | CPU s per Gbit | playing | playlists: p50, p99 | parts: p50, p99 | errors |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    for v in std::iter::once(&low.viewing).chain(&low.crowds) {
        let _ = writeln!(text, "{}", viewing_row(&format!("{} viewers", v.count), v));
    }
    let _ = writeln!(
        text,
        "\nThe machine's cores, where server and load tool work side by side:\n\n\
         | viewers | server | load tool | parts late |\n| --- | --- | --- | --- |"
    );
    for v in std::iter::once(&low.viewing).chain(&low.crowds) {
        let cores = |cpu: Duration| cpu.as_secs_f64() / v.time.as_secs_f64();
        let (server, load, late) = (cores(v.cpu), cores(v.load_cpu), v.late_percent());
        let _ = writeln!(text, "| {} | {server:.2} | {load:.2} | {late:.2} % |", v.count);
    }
    text
}

/// The first version of CommuniConnect, as its founding report measured it: two workers, no cache, forty
/// posts; requests a second and milliseconds.
mod first_version {
    pub const LISTS_PER_S: f64 = 15.0;
    pub const LISTS_P99_MS: f64 = 653.0;
    pub const PLACES_PER_S: f64 = 145.0;
}
/// What we want to reach of those.
const LISTS_OF_FIRST: f64 = 200.0;
const PLACES_OF_FIRST: f64 = 100.0;
const LISTS_P99: Duration = Duration::from_millis(20);

/// What the API's section begins with, and the one after it.
const API: &str = "## The API: ";
const METHOD: &str = "## How it is measured";

/// The section about the API.
pub fn api(databases: &[api::Figures]) -> String {
    let machine = Machine::look();
    let mut text = format!(
        "{API}lists of posts and places\n\nMeasured on {}, when {:.1} other processes wanted a core.\n\n\
         | what | first version | CommuniConnect Live | to reach | |\n| --- | --- | --- | --- | --- |\n",
        machine.date, machine.others
    );
    let mut line = |name: String, first: Option<f64>, ours: f64, limit: f64, per_s: bool| {
        let show = |v: f64| if per_s { format!("{v:.0}/s") } else { format!("{v:.1} ms") };
        let is_reached = if per_s { ours >= limit } else { ours <= limit };
        let verdict = if is_reached { "reached" } else { "**missed**" };
        let first = first.map_or("–".to_owned(), show);
        let _ =
            writeln!(text, "| {name} | {first} | {} | {} | {verdict} |", show(ours), show(limit));
    };
    for f in databases {
        let (name, posts) = (f.database, f.size.posts);
        let p99 = f64::from(f.mixed.p99_us) / 1e3;
        let what = format!("{name}, {posts} posts: 200 mixed lists a second, p99");
        line(what, Some(first_version::LISTS_P99_MS), p99, millis(LISTS_P99), false);
        let first = first_version::LISTS_PER_S;
        let limit = first * LISTS_OF_FIRST;
        let what = format!("{name}, 40 posts: lists, as many as can be");
        line(what, Some(first), f.lists_of_forty_per_s, limit, true);
        let what = format!("{name}, {posts} posts: lists, as many as can be");
        line(what, None, f.lists_per_s, limit, true);
        let first = first_version::PLACES_PER_S;
        let what = format!("{name}: all places, as many as can be");
        line(what, Some(first), f.places_per_s, first * PLACES_OF_FIRST, true);
    }
    let _ = writeln!(
        text,
        "\n| mixed lists | answers | p50 | p99 | longest | errors | CPU s, without the database's processes | rows made in |\n\
         | --- | --- | --- | --- | --- | --- | --- | --- |"
    );
    let ms = |us: u32| f64::from(us) / 1e3;
    for f in databases {
        let m = &f.mixed;
        let _ = writeln!(
            text,
            "| {} | {} | {:.1} ms | {:.1} ms | {:.1} ms | {} | {:.1} | {} s |",
            f.database,
            m.count,
            ms(m.p50_us),
            ms(m.p99_us),
            ms(m.max_us),
            m.errors.1.as_ref().map_or("0".to_owned(), |e| format!("{}: {e}", m.errors.0)),
            m.cpu.as_secs_f64(),
            f.seeded.as_secs()
        );
    }
    let _ = writeln!(text, "\n| p99 of each kind | {} |", names(databases).join(" | "));
    let _ = writeln!(text, "| --- |{}", " --- |".repeat(databases.len()));
    for (n, (kind, ..)) in databases.first().into_iter().flat_map(|f| &f.mixed.kinds).enumerate() {
        let of = |f: &api::Figures| {
            f.mixed
                .kinds
                .get(n)
                .map_or("–".to_owned(), |(_, count, us)| format!("{:.1} ms of {count}", ms(*us)))
        };
        let all: Vec<String> = databases.iter().map(of).collect();
        let _ = writeln!(text, "| {kind} | {} |", all.join(" | "));
    }
    text += "\n- **Mixed lists** are asked for when they are due, 200 a second for 30 s by 20 members of different communes \
             (one of none, who is shown everybody's), and timed from then to the last byte.\n\
             - **As many as can be**: 16 connections ask again as soon as they are answered, the load tool on the same cores; the \
             members' first pages in turn. Nobody writes meanwhile; each write has the pages read anew (ADR 36).\n\
             - Members have liked, commented and illustrated the posts: two likes, one and a half comments and a tenth of a picture each.\n\
             - The first version's figures are those it was replaced for: two workers, its cache off, forty posts.\n";
    text
}

fn names(databases: &[api::Figures]) -> Vec<&'static str> {
    databases.iter().map(|f| f.database).collect()
}

/// `page` with this section about the API, in the place of the one it has.
pub fn with_api(page: &str, section: &str) -> String {
    let (before, after) = page.split_once(METHOD).unwrap_or((page, ""));
    let before = before.split(API).next().unwrap_or_default();
    format!("{before}{section}\n{METHOD}{after}")
}

/// A line about publishers.
pub fn ingest_row(name: &str, i: &Ingest) -> String {
    format!(
        "| {name} | {:.2} | {:.2} | {:.3} | {} | {} | {} | {} ms |",
        i.cpu.as_secs_f64(),
        i.gbit,
        per_gbit(i.cpu, i.gbit),
        mb(i.memory.pss_bytes),
        mb(i.files_bytes),
        i.lost,
        i.late_ms
    )
}

fn viewing_row(name: &str, v: &Viewing) -> String {
    let ms = |us: u32| f64::from(us) / 1e3;
    format!(
        "| {name} | {:.2} | {:.1} | {:.4} | {} | {}: {:.2} ms, {:.2} ms | {}: {:.1} ms, {:.1} ms | {} |",
        v.cpu.as_secs_f64(),
        v.gbit,
        per_gbit(v.cpu, v.gbit),
        v.playing,
        v.playlists.0,
        ms(v.playlists.1),
        ms(v.playlists.2),
        v.media.0,
        ms(v.media.1),
        ms(v.media.2),
        v.errors.0
    )
}

/// The same figures for programs.
pub fn figures(plan: &Plan, comparison: &Comparison) -> Value {
    let machine = Machine::look();
    json!({
        "date": machine.date, "cpu": machine.cpu, "cores": machine.cores, "kernel": machine.kernel, "tcp": machine.congestion_control,
        "publishers": plan.publishers, "viewers": plan.viewers, "window_s": plan.window.as_secs(),
        "input_bps": comparison.input_bps.round(), "took_s": comparison.took.as_secs(),
        "floor": viewing_json(&comparison.floor),
        "nginx": comparison.nginx.as_ref().map(figures_json),
        "ours": comparison.ours.as_ref().map(figures_json),
    })
}

fn rows(plan: &Plan, comparison: &Comparison) -> Vec<String> {
    let (nginx, ours) = (comparison.nginx.as_ref(), comparison.ours.as_ref());
    let ingest = |f: &Figures| f.ingest.as_ref().map(|i| per_gbit(i.cpu, i.gbit));
    let viewing = |f: &Figures| f.viewing.as_ref().map(|v| per_gbit(v.cpu, v.gbit));
    let p99 = |f: &Figures| f.viewing.as_ref().map(|v| f64::from(v.playlists.2) / 1e3);
    let resident = |f: &Figures| f.ingest.as_ref().map(|i| i.memory.pss_bytes as f64 / MB);
    let first = |f: &Figures| median(&f.first_playable).map(|t| t.as_secs_f64());
    let start = |f: &Figures| median(&f.listening).map(millis);
    let relative = |of: fn(&Figures) -> Option<f64>, factor: f64| {
        nginx.and_then(of).map(|value| value * factor)
    };
    let both = |of: &dyn Fn(&Figures) -> Option<f64>| (nginx.and_then(of), ours.and_then(of));

    let (n, o) = both(&ingest);
    let limit = relative(|f| f.ingest.as_ref().map(|i| per_gbit(i.cpu, i.gbit)), INGEST_OF_NGINX);
    let mut rows = vec![row(
        &format!("ingest with HLS, {} publishers, CPU s per Gbit", plan.publishers),
        (n, o),
        limit,
        &format!("{INGEST_OF_NGINX} × nginx"),
        |v| format!("{v:.3}"),
    )];
    rows.push(row("the same, resident memory in all", both(&resident), None, "", |v| {
        format!("{v:.0} MB")
    }));
    let beyond =
        ours.and_then(|f| f.ingest.as_ref()).map(|i| beyond_mb(i) / plan.publishers as f64);
    let name = "memory of a live beyond its window's bytes";
    rows.push(row(name, (None, beyond), Some(LIVE_MB), "0.4 MB", |v| format!("{v:.2} MB")));
    let recording = |f: &Figures| f.recording.as_ref().map(|i| per_gbit(i.cpu, i.gbit));
    let limit = ours.and_then(ingest).map(|value| value * RECORDING);
    rows.push(row(
        "the same, each live recorded",
        both(&recording),
        limit,
        &format!("{RECORDING} × not recorded"),
        |v| format!("{v:.3}"),
    ));
    let limit = relative(|f| f.viewing.as_ref().map(|v| per_gbit(v.cpu, v.gbit)), VIEWING_OF_NGINX);
    rows.push(row(
        &format!("{} viewers, 2 s segments, CPU s per Gbit", plan.viewers),
        both(&viewing),
        limit,
        &format!("{VIEWING_OF_NGINX} × nginx"),
        |v| format!("{v:.4}"),
    ));
    let limit = Some(millis(PLAYLIST_P99));
    rows.push(row("their playlist p99", both(&p99), limit, "5 ms", |v| format!("{v:.2} ms")));
    let limit = Some(FIRST_PLAYABLE.as_secs_f64());
    let name = "publisher's connect to first playable (median)";
    rows.push(row(name, both(&first), limit, "0.5 s", |v| format!("{v:.3} s")));
    let limit = Some(millis(LISTENING));
    let name = "listening after start (median)";
    rows.push(row(name, both(&start), limit, "100 ms", |v| format!("{v:.1} ms")));
    let fresh = ours.and_then(|f| median(&f.first_listening)).map(millis);
    let name = "the same, first start in an empty folder";
    rows.push(row(name, (None, fresh), limit, "100 ms", |v| format!("{v:.1} ms")));
    rows
}

fn row(
    name: &str,
    (nginx, ours): (Option<f64>, Option<f64>),
    limit: Option<f64>,
    target: &str,
    show: impl Fn(f64) -> String,
) -> String {
    let text = |value: Option<f64>| value.map_or("–".to_owned(), &show);
    let verdict = match (ours, limit) {
        (Some(ours), Some(limit)) if ours <= limit => "reached",
        (Some(_), Some(_)) => "**missed**",
        _ => "",
    };
    let reach = match limit {
        Some(limit) if target.contains("nginx") => format!("{target} = {}", show(limit)),
        _ => target.to_owned(),
    };
    format!("| {name} | {} | {} | {reach} | {verdict} |", text(nginx), text(ours))
}

/// Segments held are the server's own figure when it gives one, else what its playlists list.
fn beyond_mb(i: &Ingest) -> f64 {
    let segments = i.held_bytes.unwrap_or(i.listed_bytes);
    (i.memory.pss_bytes as f64 - i.memory_idle.pss_bytes as f64 - segments as f64) / MB
}

fn memory_story(i: &Ingest) -> String {
    let held =
        i.held_bytes.map_or("held: not said".to_owned(), |bytes| format!("held {}", mb(bytes)));
    format!(
        "{} before the first publisher, {} at the end; segments listed {}, {held}",
        mb(i.memory_idle.pss_bytes),
        mb(i.memory.pss_bytes),
        mb(i.listed_bytes)
    )
}

fn method(plan: &Plan, comparison: &Comparison, machine: &Machine) -> String {
    let versions =
        |f: &Option<Figures>| f.as_ref().map_or("not measured".into(), |f| f.version.clone());
    format!(
        "
## How it is measured

`benches/load` drives every server in turn over loopback, with the same input: one loop of 24 s, 720p30
H.264 at 2.5 Mbit/s without B-frames and AAC at 128 kbit/s, an IDR every 2 s, {:.2} Mbit/s as RTMP.

- **Cost** is the CPU time, user and kernel, of the server's process tree over {} s, after a warm-up,
  divided by the bits its clients exchanged with it meanwhile. The load runs on the same cores; that
  changes waiting times, not this figure. Loopback charges the receiver's half of TCP largely to whoever
  sends: the floor is what plain `send` from memory costs with the same viewers.
- **Publishers** write each message when it is due (`TCP_NODELAY`, chunks of 4096 bytes), their IDRs spread over a
  GOP, the loop repeated with rising timestamps.
- **Viewers** keep one HTTP/1.1 connection each, reload the media playlist every target duration, fetch each new
  segment and drop its body in the kernel. Their times run from the request to the last byte of the answer
  and include the wait for a core.
- **Memory** is the proportional set size of the tree with the window full. nginx keeps its window in files
  (tmpfs here), ours is in the process; so ours is counted beyond the bytes of the segments it holds.
- **Recorded**: nginx writes FLV without syncing, ours its segments, each synced (ADR 40); both to the same disk.
- **First playable** runs from before the publisher's TCP connect until the first listed segment (and init segment) has been
  downloaded, asked for every 2 ms. Ours lists its first part as a segment of its own (ADR 17).
- **Low-latency viewers** keep two HTTP/1.1 connections each: one holds a blocking reload (a delta update), the other the part
  hinted at; both are asked for again when they come, so that their times hold the wait for the part, 200 ms when nothing is late.
  All viewers of a live are woken at once, and the load tool, on the same two cores, with them. Where the largest crowd is too
  many, the most that are not are looked for by halving three times, each with a server of its own, for 60 s.
- **Picture sent to part downloaded** is taken for each picture, from the moment the publisher's `writev` of it returned to the
  moment its part is whole at a client that had asked before: 0 to 167 ms at 30 pictures a second where
  a part ends with its last picture (ADR 27), 33 to 200 ms where it waits for the next one.
- **Start** runs from `exec` to the first accepted HTTP connection.
- nginx has `sendfile`, `tcp_nopush`, no log, a worker per core, HLS in tmpfs with 2 s fragments and a window of 30 s.

| | |
| --- | --- |
| machine | {}, {} cores, {:.0} GB, Linux {}, TCP {} |
| nginx | {} with nginx-rtmp |
| CommuniConnect Live | {} |
",
        comparison.input_bps / 1e6,
        plan.window.as_secs(),
        machine.cpu,
        machine.cores,
        machine.memory_gb,
        machine.kernel,
        machine.congestion_control,
        versions(&comparison.nginx),
        versions(&comparison.ours),
    )
}

fn figures_json(f: &Figures) -> Value {
    let times = |times: &[Duration]| times.iter().copied().map(millis).collect::<Vec<_>>();
    json!({
        "version": f.version,
        "plain": f.plain.as_ref().map(ingest_json),
        "ingest": f.ingest.as_ref().map(ingest_json),
        "recording": f.recording.as_ref().map(ingest_json),
        "viewing": f.viewing.as_ref().map(viewing_json),
        "low_latency": f.low_latency.as_ref().map(low_latency_json),
        "first_playable_ms": times(&f.first_playable),
        "listening_ms": times(&f.listening),
        "answering_ms": times(&f.answering),
        "first_listening_ms": times(&f.first_listening),
    })
}

/// What low latency costs and gives, for programs.
pub fn low_latency_json(f: &LowLatencyFigures) -> Value {
    let latency = |l: Latency| json!({"p50_us": l.p50_us, "p99_us": l.p99_us, "pictures": l.count});
    json!({
        "followed": ingest_json(&f.followed),
        "viewing": viewing_json(&f.viewing), "alone": latency(f.alone), "among": latency(f.among),
        "crowds": f.crowds.iter().map(viewing_json).collect::<Vec<_>>(), "beside": latency(f.beside),
    })
}

fn ingest_json(i: &Ingest) -> Value {
    json!({
        "gbit": i.gbit, "cpu_s": i.cpu.as_secs_f64(), "cpu_s_per_gbit": per_gbit(i.cpu, i.gbit),
        "memory_idle": memory_json(i.memory_idle), "memory": memory_json(i.memory),
        "files_bytes": i.files_bytes, "listed_bytes": i.listed_bytes, "held_bytes": i.held_bytes,
        "lost": i.lost, "late_ms": i.late_ms,
    })
}

fn viewing_json(v: &Viewing) -> Value {
    let summary = |(count, p50, p99): (usize, u32, u32)| json!({"count": count, "p50_us": p50, "p99_us": p99});
    json!({
        "count": v.count, "gbit": v.gbit, "load_cpu_s": v.load_cpu.as_secs_f64(), "cpu_s": v.cpu.as_secs_f64(), "cpu_s_per_gbit": per_gbit(v.cpu, v.gbit),
        "playing": v.playing, "playlists": summary(v.playlists), "media": summary(v.media), "time_s": v.time.as_secs(),
        "errors": v.errors.0, "first_error": v.errors.1, "memory": memory_json(v.memory),
    })
}

fn memory_json(memory: Memory) -> Value {
    json!({"rss_bytes": memory.rss_bytes, "pss_bytes": memory.pss_bytes})
}

fn mb(bytes: u64) -> String {
    format!("{:.0} MB", bytes as f64 / MB)
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

struct Machine {
    date: String,
    cpu: String,
    cores: usize,
    memory_gb: f64,
    kernel: String,
    /// Processes that wanted a core, on the average of the last minute.
    others: f64,
    /// How TCP paces itself: BBR sends from timers, whose time no process is charged for.
    congestion_control: String,
}

impl Machine {
    fn look() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let value = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        };
        let memory_kb = value(&read("/proc/meminfo"), "MemTotal")
            .and_then(|text| text.trim_end_matches(" kB").parse::<f64>().ok());
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let date =
            Command::new("date").args(["-u", "-d", &format!("@{}", now.as_secs()), "+%F"]).output();
        Self {
            date: date
                .map(|out| String::from_utf8_lossy(&out.stdout).trim().into())
                .unwrap_or_default(),
            cpu: value(&read("/proc/cpuinfo"), "model name").unwrap_or_default(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_gb: memory_kb.unwrap_or(0.0) / 1024.0 / 1024.0,
            others: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|text| text.parse().ok())
                .unwrap_or(0.0),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            congestion_control: read("/proc/sys/net/ipv4/tcp_congestion_control").trim().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_section_about_the_api_is_replaced_and_stands_before_the_method() {
        let page = "# Performance\n\n## How it is measured\n\nSo.\n";
        let once = with_api(page, "## The API: old\n");
        let twice = with_api(&once, "## The API: new\n");
        assert_eq!(twice, "# Performance\n\n## The API: new\n\n## How it is measured\n\nSo.\n");
    }
}
