//! A good live, made by hand: what a server without fault would have answered, and when.
//!
//! Here: three renditions of forty seconds in virtual time, with everything a clause may ask for: a
//! change of configuration, a gap, date ranges, a silence of the encoder, an end; and viewers of every
//! kind. Not here: what is wrong with it (`violations`).

use std::fmt::Write;
use std::time::Duration;

use crate::bytes;
use crate::conformance::exchange::{Asked, Exchange, SkipAsked};
use crate::conformance::playlist::Edge;

/// Target duration, in seconds.
pub const TARGET_S: u64 = 2;
/// Parts of a segment; each is half a second, the part target.
pub const PARTS: usize = 4;
const PART_MS: u64 = 500;
const SEGMENT_MS: u64 = PART_MS * PARTS as u64;
/// Segments of the whole live.
const SEGMENTS: u64 = 20;
/// Segments in the list, in the good live.
pub const WINDOW: u64 = 8;
/// The picture changes its size here.
const CHANGED: u64 = 10;
/// The encoder's data is missing here.
const GAP: u64 = 13;
/// The encoder was silent before this one.
const RESUMED: u64 = 16;
const SILENCE_MS: u64 = 8_000;
/// What the change of configuration took, on the wall clock and in the media.
const CHANGE_MS: u64 = 3_000;
/// When viewers come: something is listed.
const FIRST_EDGE: Edge = Edge { open: 1, parts: 2 };
/// How long a server needs to answer, in the good live.
const ANSWER: Duration = Duration::from_millis(2);

/// The media playlists, by their short names.
pub const RENDITIONS: [&str; 3] = ["a", "b", "t"];

/// When the encoder fell silent, and when it was back.
pub fn silence() -> (Duration, Duration) {
    (listed_at(RESUMED - 1, PARTS - 1), listed_at(RESUMED, 0))
}

/// When part `part` of `msn` came into the lists.
pub fn listed_at(msn: u64, part: usize) -> Duration {
    let late_ms = if msn >= RESUMED { SILENCE_MS } else { 0 };
    Duration::from_millis(1_000 + late_ms + (msn * PARTS as u64 + part as u64 + 1) * PART_MS)
}

pub fn ended_at() -> Duration {
    listed_at(SEGMENTS - 1, PARTS - 1)
}

/// The next edge after the one whose newest part came at `at`.
fn edge_at(at: Duration) -> Edge {
    let mut edge = Edge::default();
    while edge.open < SEGMENTS && listed_at(edge.open, edge.parts) <= at {
        edge = after(edge);
    }
    edge
}

fn after(edge: Edge) -> Edge {
    if edge.parts + 1 == PARTS {
        Edge { open: edge.open + 1, parts: 0 }
    } else {
        Edge { open: edge.open, parts: edge.parts + 1 }
    }
}

/// When the part at this edge comes, or the end.
fn comes_at(edge: Edge) -> Duration {
    if edge.open >= SEGMENTS { ended_at() } else { listed_at(edge.open, edge.parts) }
}

pub fn decode_time(msn: u64) -> u64 {
    let change = if msn >= CHANGED { CHANGE_MS } else { 0 };
    let silence = if msn >= RESUMED { SILENCE_MS } else { 0 };
    msn * SEGMENT_MS + change + silence
}

/// The date of a segment, as playlists say it.
pub fn date(msn: u64) -> String {
    date_at(decode_time(msn))
}

/// A date, in milliseconds since the live began.
pub fn date_at(ms: u64) -> String {
    let (minutes, ms) = (ms / 60_000, ms % 60_000);
    format!("2026-05-01T12:{minutes:02}:{:02}.{:03}Z", ms / 1_000, ms % 1_000)
}

fn map_of(msn: u64) -> u8 {
    u8::from(msn >= CHANGED)
}

fn is_discontinuity(msn: u64) -> bool {
    msn == CHANGED || msn == RESUMED
}

fn extension(rendition: &str) -> &'static str {
    if rendition == "t" { "ts" } else { "m4s" }
}

/// The bytes of a part.
fn part_bytes(rendition: &str, msn: u64, part: usize) -> Vec<u8> {
    let seed = (msn as u8) << 3 | part as u8;
    if rendition == "t" {
        return bytes::packets(part == 0, seed);
    }
    let at = decode_time(msn) + part as u64 * PART_MS;
    let pictures = PART_MS as u32 / bytes::PICTURE_TICKS;
    bytes::fragment(at, pictures, part == 0, seed)
}

/// The bytes of a segment.
pub fn segment_bytes(rendition: &str, msn: u64) -> Vec<u8> {
    (0..PARTS).flat_map(|part| part_bytes(rendition, msn, part)).collect()
}

/// The multivariant playlist.
fn multivariant(at: Duration) -> String {
    let changed = edge_at(at).open > CHANGED;
    let size = if changed { "640x360" } else { "320x180" };
    let mut text = String::from(
        "#EXTM3U\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"A\",LANGUAGE=\"fr\",DEFAULT=YES,AUTOSELECT=YES\n\
         #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"s\",NAME=\"B\",LANGUAGE=\"ar\",AUTOSELECT=YES\n",
    );
    for rendition in RENDITIONS {
        let bits = segment_bytes(rendition, 0).len() as u64 * 8 / TARGET_S;
        let _ = writeln!(
            text,
            "#EXT-X-STREAM-INF:BANDWIDTH={bits},AVERAGE-BANDWIDTH={bits},\
             CODECS=\"avc1.64001f,mp4a.40.2\",RESOLUTION={size},FRAME-RATE=40.000,AUDIO=\"s\"\n\
             {rendition}.m3u8"
        );
    }
    text
}

/// A media playlist as it stands at `at`, of `window` segments.
pub fn media(window: u64, rendition: &str, at: Duration, skip: Option<SkipAsked>) -> String {
    let edge = edge_at(at);
    let ended = edge.open == SEGMENTS;
    let first = edge.open.saturating_sub(window);
    let skipped = match skip {
        // Twelve seconds are six segments; parts of the open one do not count.
        Some(_) if !ended => edge.open.saturating_sub(first).saturating_sub(6),
        _ => 0,
    };
    let skip = skip.filter(|_| skipped > 0);
    let version = match (skip, rendition) {
        (Some(SkipAsked::SegmentsAndDateRanges), _) => 10,
        (Some(SkipAsked::Segments), _) => 9,
        (None, "t") => 3,
        (None, _) => 6,
    };
    let passed = (0..first).filter(|msn| is_discontinuity(*msn)).count();
    let mut text = format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{TARGET_S}\n\
         #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12.0,CAN-SKIP-DATERANGES=YES,\
         PART-HOLD-BACK=1.5,HOLD-BACK=6.0\n\
         #EXT-X-PART-INF:PART-TARGET=0.5\n#EXT-X-MEDIA-SEQUENCE:{first}\n\
         #EXT-X-DISCONTINUITY-SEQUENCE:{passed}\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    );
    dateranges(&mut text, window, at, skip);
    if skip.is_some() {
        let removed = if skip == Some(SkipAsked::SegmentsAndDateRanges) {
            format!(",RECENTLY-REMOVED-DATERANGES=\"{}\"", recently_removed(window, at))
        } else {
            String::new()
        };
        let _ = writeln!(text, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}{removed}");
    }
    let mut map = (skipped > 0).then(|| map_of(first + skipped - 1));
    for msn in first + skipped..edge.open {
        segment(&mut text, rendition, msn, edge, &mut map);
    }
    if ended {
        text.push_str("#EXT-X-ENDLIST\n");
        return text;
    }
    if edge.parts > 0 {
        tags(&mut text, rendition, edge.open, &mut map);
        for part in 0..edge.parts {
            text.push_str(&part_line(rendition, edge.open, part));
        }
    }
    hints(&mut text, rendition, edge, map);
    for other in RENDITIONS.iter().filter(|other| **other != rendition) {
        let (msn, part) =
            if edge.parts == 0 { (edge.open - 1, PARTS - 1) } else { (edge.open, edge.parts - 1) };
        let _ = writeln!(
            text,
            "#EXT-X-RENDITION-REPORT:URI=\"{other}.m3u8\",LAST-MSN={msn},LAST-PART={part}"
        );
    }
    text
}

/// One range that leaves with its segment, and one that stays.
fn dateranges(text: &mut String, window: u64, at: Duration, skip: Option<SkipAsked>) {
    let v2 = skip == Some(SkipAsked::SegmentsAndDateRanges);
    let old = |msn: u64| v2 && at > listed_at(msn, PARTS - 1) + Duration::from_secs(12);
    let edge = edge_at(at);
    if edge.open > 2 && edge.open.saturating_sub(window) <= 2 && !old(2) {
        let _ =
            writeln!(text, "#EXT-X-DATERANGE:ID=\"short\",START-DATE=\"{}\",DURATION=1.0", date(2));
    }
    if edge.open > 5 && !old(5) {
        let _ =
            writeln!(text, "#EXT-X-DATERANGE:ID=\"long\",START-DATE=\"{}\",DURATION=99.0", date(5));
    }
}

fn recently_removed(window: u64, at: Duration) -> &'static str {
    let left_at = listed_at(2 + window, PARTS - 1);
    let recent = at >= left_at && at < left_at + Duration::from_secs(12);
    if recent { "short" } else { "" }
}

fn segment(text: &mut String, rendition: &str, msn: u64, edge: Edge, map: &mut Option<u8>) {
    tags(text, rendition, msn, map);
    let to_end_ms = (edge.open - msn) * SEGMENT_MS + edge.parts as u64 * PART_MS;
    if to_end_ms <= 3 * TARGET_S * 1_000 {
        for part in 0..PARTS {
            text.push_str(&part_line(rendition, msn, part));
        }
    }
    if msn == GAP {
        text.push_str("#EXT-X-GAP\n");
    }
    let _ = writeln!(text, "#EXTINF:2.00000,\n{rendition}/{msn}.{}", extension(rendition));
}

fn tags(text: &mut String, rendition: &str, msn: u64, map: &mut Option<u8>) {
    if is_discontinuity(msn) {
        text.push_str("#EXT-X-DISCONTINUITY\n");
    }
    if rendition != "t" && *map != Some(map_of(msn)) {
        *map = Some(map_of(msn));
        let _ = writeln!(text, "#EXT-X-MAP:URI=\"{rendition}/init-{}.mp4\"", map_of(msn));
    }
    let _ = writeln!(text, "#EXT-X-PROGRAM-DATE-TIME:{}", date(msn));
}

/// `EXT-X-PART` of a part.
pub fn part_line(rendition: &str, msn: u64, part: usize) -> String {
    let independent = if part == 0 { ",INDEPENDENT=YES" } else { "" };
    let gap = if msn == GAP { ",GAP=YES" } else { "" };
    let uri = part_uri(rendition, msn, part);
    format!("#EXT-X-PART:DURATION=0.50000,URI=\"{uri}\"{independent}{gap}\n")
}

fn part_uri(rendition: &str, msn: u64, part: usize) -> String {
    format!("{rendition}/{msn}.{part}.{}", extension(rendition))
}

fn hints(text: &mut String, rendition: &str, edge: Edge, map: Option<u8>) {
    let uri = part_uri(rendition, edge.open, edge.parts);
    let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{uri}\"");
    let next = map_of(edge.open);
    if rendition != "t" && map.is_some_and(|map| map != next) {
        let _ = writeln!(text, "#EXT-X-PRELOAD-HINT:TYPE=MAP,URI=\"{rendition}/init-{next}.mp4\"");
    }
}

/// All observations of the good live, in the order in which they were received.
pub fn live(window: u64) -> Vec<Exchange> {
    let mut viewers = Viewers { window, exchanges: Vec::new() };
    for rendition in RENDITIONS {
        viewers.follow(rendition);
        viewers.load_media(rendition);
        viewers.come_late(rendition);
    }
    for seconds in [12, 26, 38] {
        viewers.multivariant(Duration::from_secs(seconds) + ANSWER * 10);
    }
    viewers.probe("a");
    viewers.stall("a");
    let mut exchanges = viewers.exchanges;
    exchanges.sort_by_key(|exchange| exchange.received);
    exchanges
}

struct Viewers {
    window: u64,
    exchanges: Vec<Exchange>,
}

impl Viewers {
    /// From the first edge to the end by blocking reloads, with a hinted part each time.
    fn follow(&mut self, rendition: &str) {
        let mut edge = FIRST_EDGE;
        let mut sent = comes_at(edge) - Duration::from_millis(100);
        self.playlist(rendition, "", sent, sent + ANSWER);
        while edge.open < SEGMENTS {
            let query = format!("_HLS_msn={}&_HLS_part={}", edge.open, edge.parts);
            let coming = comes_at(edge);
            let silent = edge == Edge { open: RESUMED, parts: 0 };
            if silent {
                // Three target durations, and it is still not there.
                let given_up = sent + Duration::from_secs(3 * TARGET_S);
                self.failed(
                    Asked::Playlist,
                    &format!("{rendition}.m3u8"),
                    &query,
                    503,
                    sent,
                    given_up,
                );
                sent = given_up;
            }
            let received = coming + ANSWER;
            self.playlist(rendition, &query, sent, received);
            if edge.open != GAP {
                self.part(rendition, edge, sent, received);
            }
            sent = received + ANSWER;
            edge = after(edge);
        }
        self.playlist(rendition, "", sent, sent + ANSWER);
    }

    fn load_media(&mut self, rendition: &str) {
        for msn in 0..SEGMENTS {
            let path = format!("{rendition}/{msn}.{}", extension(rendition));
            let listed = comes_at(Edge { open: msn, parts: PARTS - 1 }).max(comes_at(FIRST_EDGE));
            let sent = listed + ANSWER * 10;
            if msn == GAP {
                self.failed(Asked::Segment, &path, "", 404, sent, sent + ANSWER);
                continue;
            }
            let body = segment_bytes(rendition, msn);
            self.found(Asked::Segment, &path, body.clone(), sent, sent + ANSWER);
            // Another viewer, half a minute of window later: gone from the list, and still there.
            let gone = listed + Duration::from_millis(self.window * SEGMENT_MS + 1_000);
            if msn + self.window + 2 < SEGMENTS {
                self.found(Asked::Segment, &path, body, gone, gone + ANSWER);
            }
        }
        for (map, (width, height)) in [(0, (320, 180)), (1, (640, 360))] {
            if rendition != "t" {
                let sent = comes_at(FIRST_EDGE) + Duration::from_secs(25 * map);
                let path = format!("{rendition}/init-{map}.mp4");
                self.found(Asked::Map, &path, bytes::init(width, height), sent, sent + ANSWER);
            }
        }
    }

    /// Listed parts, asked for again: at once, and after their tags went.
    fn come_late(&mut self, rendition: &str) {
        for (msn, part) in [(3, 0), (5, 1), (8, 2)] {
            let path = part_uri(rendition, msn, part);
            for late in [Duration::from_millis(200), Duration::from_millis(9_000)] {
                let sent = listed_at(msn, part) + late;
                let body = part_bytes(rendition, msn, part);
                self.found(Asked::Part, &path, body, sent, sent + ANSWER);
            }
        }
    }

    fn multivariant(&mut self, sent: Duration) {
        let body = multivariant(sent).into_bytes();
        let exchange =
            self.exchange(Asked::Multivariant, "live.m3u8", "", 200, sent, sent + ANSWER);
        exchange.body = body;
        exchange.with_gzip("application/vnd.apple.mpegurl", TARGET_S / 2);
    }

    /// The odd questions.
    fn probe(&mut self, rendition: &str) {
        let path = format!("{rendition}.m3u8");
        for msn in [4, 9, 11, 15, 18] {
            let at = listed_at(msn, 1) + ANSWER * 20;
            for query in ["_HLS_skip=YES", "_HLS_skip=v2", ""] {
                self.playlist(rendition, query, at, at + ANSWER);
            }
            let answered = at + ANSWER;
            // The segment under way, and the part after its last one.
            let whole = comes_at(Edge { open: msn, parts: PARTS - 1 }) + ANSWER;
            self.playlist(rendition, &format!("_HLS_msn={msn}"), at, whole);
            let next =
                if msn == 15 { whole } else { comes_at(Edge { open: msn + 1, parts: 0 }) + ANSWER };
            if msn != 15 {
                self.playlist(rendition, &format!("_HLS_msn={msn}&_HLS_part={PARTS}"), at, next);
            }
            self.playlist(rendition, "_HLS_msn=1", at, answered);
            self.playlist(rendition, &format!("_HLS_msn={msn}&_HLS_part=1"), at, answered);
            self.failed(Asked::Playlist, &path, "_HLS_part=1", 400, at, answered);
            let far = format!("_HLS_msn={}", msn + 9);
            self.failed(Asked::Playlist, &path, &far, 400, at, answered);
            let far = format!("_HLS_msn={msn}&_HLS_part=40");
            self.failed(Asked::Playlist, &path, &far, 400, at, answered);
            self.failed(Asked::Part, &part_uri(rendition, 900, 0), "", 404, at, answered);
            self.failed(Asked::Playlist, "none.m3u8", "", 404, at, answered);
        }
        let plain = self
            .exchanges
            .iter_mut()
            .filter(|one| one.asked == Asked::Playlist && one.query.is_empty());
        for exchange in plain.skip(1).step_by(2) {
            exchange.gzip_welcome = false;
            exchange.headers.retain(|(key, _)| key != "content-encoding");
        }
        let at = listed_at(SEGMENTS - 1, 1) + ANSWER * 20;
        self.playlist(rendition, "", at, at + ANSWER);
        let at = ended_at() + Duration::from_secs(1);
        for query in ["_HLS_skip=YES", "_HLS_msn=99", "_HLS_msn=3&_HLS_part=1", ""] {
            self.playlist(rendition, query, at, at + ANSWER);
        }
    }

    /// A request for what the silent encoder does not send.
    fn stall(&mut self, rendition: &str) {
        let sent = silence().0 + ANSWER * 20;
        let given_up = sent + Duration::from_secs(3 * TARGET_S);
        let query = format!("_HLS_msn={RESUMED}");
        self.failed(Asked::Playlist, &format!("{rendition}.m3u8"), &query, 503, sent, given_up);
    }

    fn playlist(&mut self, rendition: &str, query: &str, sent: Duration, received: Duration) {
        let path = format!("{rendition}.m3u8");
        let blocking = query.contains("_HLS_msn");
        let window = self.window;
        let exchange = self.exchange(Asked::Playlist, &path, query, 200, sent, received);
        let skip = exchange.directives().skip;
        exchange.body = media(window, rendition, received, skip).into_bytes();
        let age_s = if blocking { 6 * TARGET_S } else { TARGET_S / 2 };
        exchange.with_gzip("application/vnd.apple.mpegurl", age_s);
    }

    fn part(&mut self, rendition: &str, edge: Edge, sent: Duration, received: Duration) {
        let path = part_uri(rendition, edge.open, edge.parts);
        let body = part_bytes(rendition, edge.open, edge.parts);
        self.found(Asked::Part, &path, body, sent, received);
    }

    fn found(
        &mut self,
        asked: Asked,
        path: &str,
        body: Vec<u8>,
        sent: Duration,
        received: Duration,
    ) {
        let exchange = self.exchange(asked, path, "", 200, sent, received);
        exchange.body = body;
        exchange.keep(6 * TARGET_S);
    }

    fn failed(
        &mut self,
        asked: Asked,
        path: &str,
        query: &str,
        status: u16,
        sent: Duration,
        received: Duration,
    ) {
        let exchange = self.exchange(asked, path, query, status, sent, received);
        exchange.keep(1);
    }

    fn exchange(
        &mut self,
        asked: Asked,
        path: &str,
        query: &str,
        status: u16,
        sent: Duration,
        received: Duration,
    ) -> &mut Exchange {
        self.exchanges.push(Exchange {
            asked,
            path: format!("/{path}"),
            query: query.into(),
            gzip_welcome: false,
            sent,
            first_byte: received - Duration::from_millis(1),
            received,
            status,
            headers: vec![("access-control-allow-origin".into(), "*".into())],
            body: Vec::new(),
        });
        self.exchanges.last_mut().expect("just pushed")
    }
}

impl Exchange {
    fn keep(&mut self, age_s: u64) {
        self.headers.push(("cache-control".into(), format!("public, max-age={age_s}")));
    }

    fn with_gzip(&mut self, kind: &str, age_s: u64) {
        self.gzip_welcome = true;
        self.headers.push(("content-type".into(), kind.into()));
        self.headers.push(("content-encoding".into(), "gzip".into()));
        self.keep(age_s);
    }
}
