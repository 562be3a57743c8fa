//! The API under load: lists of posts in a database as large as they come, and the places.
//!
//! Here: what is asked of the server, how often, and how long it took. Not here: the rows (`seed`), how it
//! is written down (`report`).

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    thread::{scope, sleep},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use crate::{
    account,
    http::Client,
    ours::Ours,
    seed::{self, Database, Size},
    view::percentile,
};

/// Requests a second of the mixed questions, whatever the answers take.
const RATE: u32 = 200;
/// Connections that share them: more than are ever under way at once while answers are in time.
const CONNECTIONS: usize = 32;
/// Connections that ask as fast as they are answered.
const AT_ONCE: usize = 16;
/// How long each of those is measured, after as long a warm-up as caches need.
const SATURATED: Duration = Duration::from_secs(8);
const WARM_UP: Duration = Duration::from_secs(2);
/// Members who ask. The last of them lives nowhere, and is shown the posts of everywhere.
const MEMBERS: usize = 20;

/// All kinds of questions of that one, told apart: his lists are the longest there are.
const OF_EVERYWHERE: &str = "all of these, by who lives nowhere";

/// The lists of posts, newest first, as members ask for them.
const LIST: &str = "/api/posts/";
/// All places at once.
const PLACES: &str = "/api/users/geographic-data/";

/// What to measure.
pub struct Plan {
    /// Our release binary.
    pub ours: PathBuf,
    /// A PostgreSQL server that may be filled; without it only SQLite is measured.
    pub postgres: Option<String>,
    /// How long the mixed questions are asked.
    pub time: Duration,
    /// Posts of the large databases, where it is not what the page is about: for a quick look.
    pub posts: Option<u32>,
}

/// How a database did.
pub struct Figures {
    /// What it is.
    pub database: &'static str,
    /// How many rows it has.
    pub size: Size,
    /// How long they took to be made.
    pub seeded: Duration,
    /// The mixed questions.
    pub mixed: Mixed,
    /// Lists a second: their first pages, of the members in turn.
    pub lists_per_s: f64,
    /// The same in a database of forty posts.
    pub lists_of_forty_per_s: f64,
    /// Answers a second with all places.
    pub places_per_s: f64,
}

/// The mixed questions, at a fixed rate.
#[derive(Default)]
pub struct Mixed {
    /// Answers.
    pub count: usize,
    /// Median, from when a request was due to its last byte, in microseconds.
    pub p50_us: u32,
    /// 99th percentile, the same.
    pub p99_us: u32,
    /// The longest.
    pub max_us: u32,
    /// The 99th percentile of each kind of question.
    pub kinds: Vec<(&'static str, usize, u32)>,
    /// Answers other than 200, and the first of them.
    pub errors: (usize, Option<String>),
    /// Of the server's process tree, without the database's own processes.
    pub cpu: Duration,
}

/// One who asks.
struct Member {
    token: String,
    /// Pages of his list.
    pages: u64,
}

/// Runs the plan.
///
/// # Errors
/// When a server does not start, or a database cannot be filled.
pub fn run(plan: &Plan) -> Result<Vec<Figures>> {
    let mut figures = vec![one(plan, None)?];
    if let Some(server) = &plan.postgres {
        figures.push(one(plan, Some(server))?);
    }
    Ok(figures)
}

fn one(plan: &Plan, postgres: Option<&str>) -> Result<Figures> {
    let small = Size { posts: 40, members: 40 };
    let (name, mut large) = match postgres {
        None => ("SQLite", Size { posts: 100_000, members: 10_000 }),
        Some(_) => ("PostgreSQL", Size { posts: 1_000_000, members: 100_000 }),
    };
    if let Some(posts) = plan.posts {
        large = Size { posts, members: (posts / 10).max(200) };
    }
    crate::compare::say(&format!("{name}: {} posts", small.posts));
    let lists_of_forty_per_s = with_server(&plan.ours, postgres, small, |server, members, _| {
        saturate(server.http, LIST, members)
    })?;
    crate::compare::say(&format!("{name}: {} posts", large.posts));
    with_server(&plan.ours, postgres, large, |server, members, seeded| {
        let mixed = mixed(server, members, plan.time)?;
        let lists_per_s = saturate(server.http, LIST, members)?;
        let places_per_s = saturate(server.http, PLACES, &[])?;
        Ok(Figures {
            database: name,
            size: large,
            seeded,
            mixed,
            lists_per_s,
            lists_of_forty_per_s,
            places_per_s,
        })
    })
}

/// Makes a database of `size`, starts our server on it and gives both away, with who may ask and how
/// long the rows took.
fn with_server<T>(
    binary: &Path,
    postgres: Option<&str>,
    size: Size,
    measure: impl FnOnce(&Ours, &[Member], Duration) -> Result<T>,
) -> Result<T> {
    let folder = tempfile::Builder::new().prefix("communiconnect-load-").tempdir()?;
    let database = Database::new(postgres, folder.path())?;
    let tokens = {
        let server = Ours::start_on(binary, folder.path(), database.url())?;
        server.members(MEMBERS)?
    };
    let begun = Instant::now();
    seed::fill(&database, size)?;
    let seeded = begun.elapsed();
    let server = Ours::start_on(binary, folder.path(), database.url())?;
    let mut client = Client::connect(server.http)?;
    let members: Vec<Member> = tokens
        .into_iter()
        .map(|token| {
            let (status, body) = client.get_as(LIST, &token)?;
            ensure!(status == 200, "GET {LIST}: {status}");
            let list: serde_json::Value = serde_json::from_slice(&body)?;
            let count = list["count"].as_u64().context("a list without count")?;
            Ok(Member { token, pages: count.div_ceil(20).max(1) })
        })
        .collect::<Result<_>>()?;
    measure(&server, &members, seeded)
}

/// Asks as fast as answers come; gives answers a second. Whom to ask as, if anybody, in turn.
fn saturate(address: SocketAddr, path: &str, members: &[Member]) -> Result<f64> {
    let (begun, counted) = (Instant::now(), AtomicUsize::new(0));
    let outcomes: Vec<Result<()>> = scope(|threads| {
        let asking: Vec<_> = (0..AT_ONCE)
            .map(|n| {
                let counted = &counted;
                threads.spawn(move || -> Result<()> {
                    let mut client = Client::connect(address)?;
                    for turn in n.. {
                        let token = members.get(turn % members.len().max(1));
                        let (status, _) =
                            client.get_as(path, token.map_or("", |member| &member.token))?;
                        ensure!(status == 200, "GET {path}: {status}");
                        match begun.elapsed() {
                            elapsed if elapsed > WARM_UP + SATURATED => break,
                            elapsed if elapsed > WARM_UP => _ = counted.fetch_add(1, Relaxed),
                            _ => {}
                        }
                    }
                    Ok(())
                })
            })
            .collect();
        asking.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    outcomes.into_iter().collect::<Result<()>>()?;
    Ok(counted.into_inner() as f64 / SATURATED.as_secs_f64())
}

/// Asks at [`RATE`], whether or not the answers keep up: what is late is late from when it was due.
fn mixed(server: &Ours, members: &[Member], time: Duration) -> Result<Mixed> {
    let total = (time.as_secs_f64() * f64::from(RATE)) as usize;
    let (next, begun) = (AtomicUsize::new(0), Instant::now() + Duration::from_millis(100));
    let measured = Mutex::new((Vec::<(&'static str, u32)>::new(), Vec::<String>::new()));
    let cpu_before = account::cpu(server.server.pid())?;
    scope(|threads| {
        for _ in 0..CONNECTIONS {
            threads.spawn(|| {
                let mut client = Client::connect(server.http).ok();
                loop {
                    let n = next.fetch_add(1, Relaxed);
                    if n >= total {
                        break;
                    }
                    let due = begun + Duration::from_secs(1) * n as u32 / RATE;
                    sleep(due.saturating_duration_since(Instant::now()));
                    let turn = n * 7 % members.len();
                    let member = &members[turn];
                    let (kind, path) = question(n, member.pages);
                    let kind = if turn + 1 == members.len() { OF_EVERYWHERE } else { kind };
                    let answer = match &mut client {
                        Some(client) => client.get_as(&path, &member.token),
                        None => Err(anyhow::anyhow!("not connected")),
                    };
                    let took = due.elapsed().as_micros() as u32;
                    let mut measured = measured.lock().unwrap_or_else(PoisonError::into_inner);
                    match answer {
                        Ok((200, _)) => measured.0.push((kind, took)),
                        Ok((status, _)) => measured.1.push(format!("{path}: {status}")),
                        Err(error) => measured.1.push(format!("{path}: {error:#}")),
                    }
                }
            });
        }
    });
    let cpu = account::cpu(server.server.pid())? - cpu_before;
    let (taken, errors) = measured.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut all: Vec<u32> = taken.iter().map(|(_, us)| *us).collect();
    let mut kinds: Vec<&'static str> = taken.iter().map(|(kind, _)| *kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let kinds = kinds
        .into_iter()
        .map(|kind| {
            let of_kind = taken.iter().filter(|(other, _)| *other == kind);
            let mut times: Vec<u32> = of_kind.map(|(_, us)| *us).collect();
            (kind, times.len(), percentile(&mut times, 0.99))
        })
        .collect();
    Ok(Mixed {
        count: taken.len(),
        p50_us: percentile(&mut all, 0.5),
        p99_us: percentile(&mut all, 0.99),
        max_us: percentile(&mut all, 1.0),
        kinds,
        errors: (errors.len(), errors.first().cloned()),
        cpu,
    })
}

/// The `n`th question, of a member whose list has so many pages: the same in every run.
fn question(n: usize, pages: u64) -> (&'static str, String) {
    // Spread evenly, and not in step with whose turn it is.
    let dice = n.wrapping_mul(2_654_435_761) >> 7;
    let page = |most: u64| (dice as u64 / 128) % pages.min(most).max(1) + 1;
    match dice % 100 {
        0..40 => ("first page", LIST.to_owned()),
        40..52 => ("second to fifth page", format!("{LIST}?page={}", page(5))),
        52..62 => ("any page", format!("{LIST}?page={}", page(u64::MAX))),
        62..72 => ("of one type", format!("{LIST}?type=event&page={}", page(3))),
        72..80 => ("by likes", format!("{LIST}?sort=-likes_count&page={}", page(3))),
        80..83 => ("oldest first", format!("{LIST}?sort=created_at")),
        83..85 => ("least liked", format!("{LIST}?sort=likes_count")),
        85..90 => ("lives", format!("{LIST}?is_live_post=true")),
        90..93 => ("search: a common word", format!("{LIST}?search=march%C3%A9")),
        93..96 => ("search: a rare word", format!("{LIST}?search={}", seed::rare_word(dice))),
        96..98 => ("search: two words", format!("{LIST}?search=route%20eau")),
        _ => ("search: a name", format!("{LIST}?search=mariama{}", dice % 1000)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_of_every_kind_and_within_the_list() {
        let asked: Vec<_> = (0..6_000).map(|n| question(n, 50)).collect();
        let kinds: std::collections::HashSet<_> = asked.iter().map(|(kind, _)| *kind).collect();
        assert_eq!(kinds.len(), 12);
        let deepest =
            asked.iter().filter_map(|(_, path)| path.split_once("?page=")?.1.parse().ok());
        assert_eq!(deepest.max(), Some(50_u64));
    }
}
