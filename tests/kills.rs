//! A server that is killed again and again under lives that are watched, and what its viewers lose by it.
//!
//! Here: kills at random instants (`KILLS=100`, `KILLS_SEED=…` for the same ones again; few without), viewers who
//! remember every name they were ever told and its bytes, encoders that come back. Not here: one restart in every
//! detail (`life_of_a_live`, `packager/tests/past.rs`).

mod support;

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use support::House;
use support::api::Live;
use support::http::{self, Response};
use support::peer::Peer;
use support::playlist::resolve;
use support::source::{self, Pace, Source, USUAL, VIDEO, Video};
use support::wait;

/// An IDR every second.
const BRISK: Source = Source { video: Some(Video { gop: 30, ..VIDEO }), ..USUAL };
const LIVES: usize = 3;
const FEW_KILLS: u64 = 4;
const RENDITIONS: [&str; 3] = ["source", "audio", "source-ts"];
/// Start of a server and an encoder, on a busy machine.
const BACK_WITHIN: Duration = Duration::from_secs(60);
const ARCHIVED_WITHIN: Duration = Duration::from_secs(30);

#[test]
fn a_server_killed_again_and_again_costs_its_viewers_pauses() {
    let kills = number("KILLS").unwrap_or(FEW_KILLS);
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_nanos() as u64;
    let seed = number("KILLS_SEED").unwrap_or(clock);
    println!("KILLS={kills} KILLS_SEED={seed}");
    let mut chance = Chance(seed | 1);

    let brisk = [("PACKAGER__SEGMENT_TARGET_MS", "1000"), ("PACKAGER__MAX_GAP_MS", "1000")];
    let mut house = House::start_with(&brisk);
    let lives: Vec<Live> = (0..LIVES).map(|_| house.live()).collect();
    let mut encoders: Vec<Peer> = lives.iter().map(|live| push(&house, live)).collect();
    let runs = Runs::default();
    let viewers: Vec<_> = lives
        .iter()
        .map(|live| {
            let (server, address, runs) = (house.http, live.fmp4(), runs.clone());
            thread::spawn(move || Viewer::watch(server, &address, &runs))
        })
        .collect();
    for live in &lives {
        wait::until_true("it is on", BACK_WITHIN, || house.get(&live.fmp4()).status == 200);
    }

    for kill in 1..=kills {
        pause(Duration::from_millis(chance.below(4_000)));
        runs.0.ended.fetch_add(1, Ordering::SeqCst);
        house.crash();
        pause(Duration::from_millis(chance.below(500)));
        house.restart_in_place();
        runs.0.begun.fetch_add(1, Ordering::SeqCst);
        encoders = lives.iter().map(|live| push(&house, live)).collect();
        println!("kill {kill}: up again");
        assert!(viewers.iter().all(|viewer| !viewer.is_finished()), "a viewer gave up");
    }

    let members: Vec<_> = lives.iter().map(|live| live.member.sign_in_again(house.http)).collect();
    for (live, member) in lives.iter().zip(&members) {
        wait::until_true("its encoder is back", BACK_WITHIN, || {
            member.status_of(live.id)["status"] == "live"
        });
    }
    pause(Duration::from_secs(3));
    runs.0.over.store(true, Ordering::SeqCst);
    let viewers: Vec<Viewer> = viewers
        .into_iter()
        .map(|viewer| viewer.join().expect("a viewer has no complaint"))
        .collect();
    for (live, member) in lives.iter().zip(&members) {
        assert_eq!(member.stop(live.id).json()["video_saved"], true, "live {}", live.id);
    }
    drop(encoders);
    let (mut listed, mut lost) = (0, 0);
    for (live, viewer) in lives.iter().zip(&viewers) {
        wait::until_true("it can be watched again", ARCHIVED_WITHIN, || {
            house.get(&format!("/vod/{}/index.m3u8", live.name)).status == 200
        });
        listed += viewer.names.len();
        lost += viewer.lost.len();
        viewer.assert_all_kept(&house, live);
    }
    println!(
        "{listed} segments, parts and init segments were read; {lost} segments were lost in the instant they were listed"
    );
    // An instant is some milliseconds of a second.
    assert!(lost as u64 <= 1 + kills / 10, "{lost} segments lost by {kills} kills");
    house.terminate();
    assert!(house.wait_for_exit(BACK_WITHIN).success());
    let mut doctor = Command::new(env!("CARGO_BIN_EXE_communiconnect-live"));
    doctor.envs(house.environment()).args(["doctor", "--deep"]);
    let told = doctor.output().expect("the doctor comes");
    let said = String::from_utf8_lossy(&told.stdout).into_owned();
    assert!(told.status.success(), "{said}{}", String::from_utf8_lossy(&told.stderr));
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|error| panic!("{variable}={text}: {error}")))
}

fn push(house: &House, live: &Live) -> Peer {
    source::push_by_ffmpeg(&BRISK.flv(), &house.rtmp_url(&live.key), Pace::Endless, house.folder())
}

/// Lets time go by in which anything may happen.
fn pause(length: Duration) {
    let since = Instant::now();
    wait::until_true("time goes by", length + BACK_WITHIN, || since.elapsed() >= length);
}

/// Marsaglia's xorshift: the same seed, the same instants.
struct Chance(u64);

impl Chance {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// What viewers know of the server.
#[derive(Clone, Default)]
struct Runs(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// Runs of the server that are about to end, or have.
    ended: AtomicU64,
    /// Those that began after it.
    begun: AtomicU64,
    over: AtomicBool,
}

impl Runs {
    /// The run that an answer is of, if it is of one alone that is not about to end.
    fn present(&self) -> Option<u64> {
        let begun = self.0.begun.load(Ordering::SeqCst);
        (self.0.ended.load(Ordering::SeqCst) == begun).then_some(begun)
    }
}

/// A viewer of everything a live is offered as.
struct Viewer {
    server: SocketAddr,
    runs: Runs,
    folder: String,
    lists: [List; RENDITIONS.len()],
    /// Of every name ever listed what it is the name of.
    names: HashMap<String, u64>,
    /// Segments that were listed in the instant before a kill, and are gaps now.
    lost: Vec<String>,
}

#[derive(Default)]
struct List {
    /// What stands at each MSN, and whether it is a gap.
    at: BTreeMap<u64, (String, bool)>,
    first_msn: u64,
    discontinuities: u64,
    target: Option<String>,
}

impl Viewer {
    fn watch(server: SocketAddr, address: &str, runs: &Runs) -> Self {
        let text = wait::until("the live begins", BACK_WITHIN, || {
            let answer = http::try_send(server, "GET", address, &[], b"").ok()?;
            (answer.status == 200).then(|| answer.text())
        });
        let uri = text.lines().find(|line| line.contains(".m3u8")).expect("a rendition");
        let media = resolve(address, uri);
        let folder = media.rsplit_once('/').expect("in a folder").0.to_owned();
        let mut viewer = Self {
            server,
            runs: runs.clone(),
            folder,
            lists: Default::default(),
            names: HashMap::new(),
            lost: Vec::new(),
        };
        let mut run = None;
        while !runs.0.over.load(Ordering::SeqCst) {
            let present = runs.present();
            if present.is_none() || !viewer.poll(run != present) {
                // Whoever finds nobody asks again.
                wait::until_true("the server is back", BACK_WITHIN, || {
                    TcpStream::connect(server).is_ok() && runs.present().is_some()
                });
                continue;
            }
            run = present;
        }
        viewer
    }

    /// Reads every playlist once, and everything that is new in it; after a restart everything. False if the
    /// server went away meanwhile.
    fn poll(&mut self, is_new_run: bool) -> bool {
        (0..RENDITIONS.len()).all(|which| self.read(which, is_new_run).is_some())
    }

    fn read(&mut self, which: usize, is_new_run: bool) -> Option<()> {
        let run = self.runs.present()?;
        let path = format!("{}/{}.m3u8", self.folder, RENDITIONS[which]);
        // The first waits for what comes, for all of them.
        let next = self.lists[which].at.last_key_value().map(|(msn, _)| msn + 1);
        let query = match next {
            Some(next) if which == 0 && !is_new_run => format!("?_HLS_msn={next}"),
            _ => String::new(),
        };
        let mut answer = self.get(&format!("{path}{query}"), run)?;
        if answer.status == 503 && !query.is_empty() {
            answer = self.get(&path, run)?;
        }
        // MPEG-TS begins with the second segment.
        if answer.status == 503 && next.is_none() {
            return Some(());
        }
        let text = answer.text();
        assert_eq!(answer.status, 200, "{path}{query}: {text}");
        assert!(!text.contains("#EXT-X-ENDLIST"), "{path} ends:\n{text}");
        self.take(which, &path, &text, run, is_new_run)
    }

    fn take(
        &mut self,
        which: usize,
        path: &str,
        text: &str,
        run: u64,
        is_new_run: bool,
    ) -> Option<()> {
        let number = |tag: &str| {
            text.lines().find_map(|line| line.strip_prefix(tag)?.parse::<u64>().ok()).unwrap_or(0)
        };
        let first = number("#EXT-X-MEDIA-SEQUENCE:");
        let discontinuities = number("#EXT-X-DISCONTINUITY-SEQUENCE:");
        let targets: Vec<_> = text
            .lines()
            .filter(|line| line.contains("TARGETDURATION") || line.contains("PART-INF"))
            .collect();
        let list = &mut self.lists[which];
        let before = list.target.get_or_insert(targets.concat());
        assert_eq!(*before, targets.concat(), "{path} promises otherwise:\n{text}");
        assert!(
            first >= list.first_msn && discontinuities >= list.discontinuities,
            "{path} went back from {} and {}:\n{text}",
            list.first_msn,
            list.discontinuities
        );
        (list.first_msn, list.discontinuities) = (first, discontinuities);
        let (mut msn, mut is_gap, mut wanted) = (first, false, Vec::new());
        for line in text.lines() {
            let quoted = |tag: &str| {
                let rest = line.strip_prefix(tag)?;
                Some(rest.split_once("URI=\"")?.1.split_once('"')?.0)
            };
            let part = quoted("#EXT-X-PART:").filter(|_| !line.contains("GAP=YES"));
            wanted.extend(part.or(quoted("#EXT-X-MAP:")).map(|uri| resolve(path, uri)));
            is_gap |= line == "#EXT-X-GAP";
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let name = resolve(path, line);
            self.place(which, msn, &name, is_gap, text);
            if !is_gap {
                wanted.push(name);
            }
            (msn, is_gap) = (msn + 1, false);
        }
        for name in wanted {
            if is_new_run || !self.names.contains_key(&name) {
                self.fetch(&name, text, run)?;
            }
        }
        Some(())
    }

    /// Notes what stands at an MSN: what stood there before, or a gap where the newest were lost.
    fn place(&mut self, which: usize, msn: u64, name: &str, is_gap: bool, text: &str) {
        let list = &mut self.lists[which];
        let newest = list.at.last_key_value().map_or(0, |(newest, _)| *newest);
        let now = (name.to_owned(), is_gap);
        let Some(before) = list.at.insert(msn, now.clone()) else { return };
        if before == now {
            return;
        }
        let may_be_lost = is_gap && before.0 != now.0 && msn + 2 > newest;
        assert!(may_be_lost, "MSN {msn} was {before:?}:\n{text}");
        if !before.1 {
            self.lost.push(before.0);
        }
    }

    /// Reads what a name stands for, and holds it against what it stood for before.
    fn fetch(&mut self, name: &str, text: &str, run: u64) -> Option<()> {
        let answer = self.get(name, run)?;
        assert_eq!(answer.status, 200, "{name} is listed and not there:\n{text}");
        let body = digest(&answer.body);
        let before = *self.names.entry(name.to_owned()).or_insert(body);
        assert_eq!(before, body, "{name} has other bytes");
        Some(())
    }

    /// An answer of one run of the server; none if it went away.
    fn get(&self, path: &str, run: u64) -> Option<Response> {
        let answer = http::try_send(self.server, "GET", path, &[], b"");
        let is_of_run = self.runs.present() == Some(run);
        match answer {
            Ok(answer) if is_of_run => Some(answer),
            Err(error) if is_of_run => panic!("{path}: {error}"),
            _ => None,
        }
    }

    /// Every segment that was ever listed can be had, under its name or in the recording.
    fn assert_all_kept(&self, house: &House, live: &Live) {
        let mut kept = 0;
        for (name, body) in &self.names {
            let (folder, file) = name.rsplit_once('/').expect("in a folder");
            let numbers = file.trim_end_matches(".m4s").trim_end_matches(".mp4");
            // Parts are bytes of their segment, and MPEG-TS is not recorded.
            if numbers.contains('.') || self.lost.contains(name) {
                continue;
            }
            let epoch = folder.rsplit_once('/').expect("an epoch").1;
            let recorded = format!("/vod/{}/{epoch}/{file}", live.name);
            let mut places = [name, &recorded].into_iter().map(|path| house.get(path));
            let is_there = places.any(|it| it.status == 200 && digest(&it.body) == *body);
            assert!(is_there, "{name} is lost");
            kept += 1;
        }
        assert!(kept > 10, "{kept} of {}", self.names.len());
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    hasher.finish()
}
