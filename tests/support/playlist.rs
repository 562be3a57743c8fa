//! A viewer with a memory: holds every poll of a media playlist against all polls before it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::time::Duration;

use m3u8_rs::MediaPlaylist;
use quick_m3u8::config::ParsingOptionsBuilder;
use quick_m3u8::tag::{KnownTag, hls::Tag};
use quick_m3u8::{HlsLine, Reader};

use super::http::{self, Response};
use super::wait;

/// Start of an encoder, and a busy machine.
const FIRST_SEGMENT_WITHIN: Duration = Duration::from_secs(20);

/// A segment as it was listed, for ever.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// Path on the server.
    pub path: String,
    /// `EXTINF`, in milliseconds.
    pub duration_ms: u64,
    /// Whether `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Its discontinuity sequence number (rfc8216bis §6.2.1).
    pub discontinuity_number: u64,
    /// Path of its init segment.
    pub init: Option<String>,
}

/// One media playlist followed over time.
pub struct Watch {
    server: SocketAddr,
    /// Path of the media playlist.
    pub path: String,
    /// Every segment with media ever listed, by MSN.
    pub segments: BTreeMap<u64, Listed>,
    /// Those without (`EXT-X-GAP`).
    pub gaps: BTreeSet<u64>,
    /// Whether `EXT-X-ENDLIST` was seen.
    pub ended: bool,
    bodies: HashMap<String, Vec<u8>>,
    media_sequence: u64,
    discontinuity_sequence: u64,
    target_duration_s: Option<u64>,
}

impl Watch {
    /// Waits for the multivariant playlist at `multivariant` and follows its first rendition; any other
    /// is sound alone.
    #[track_caller]
    pub fn begin(server: SocketAddr, multivariant: &str) -> Self {
        let answer =
            wait::until("the multivariant playlist is there", FIRST_SEGMENT_WITHIN, || {
                let answer = http::get(server, multivariant);
                (answer.status == 200).then_some(answer)
            });
        let playlist = m3u8_rs::parse_master_playlist_res(&answer.body)
            .unwrap_or_else(|error| panic!("{multivariant} is malformed: {error}"));
        let others = playlist.variants.iter().skip(1).all(|other| other.resolution.is_none());
        assert!(others, "renditions in {}", answer.text());
        let path = resolve(multivariant, &playlist.variants[0].uri);
        Self::of_media_playlist(server, &path)
    }

    /// Follows a media playlist whose path is known.
    pub fn of_media_playlist(server: SocketAddr, path: &str) -> Self {
        Self {
            server,
            path: path.to_owned(),
            segments: BTreeMap::new(),
            gaps: BTreeSet::new(),
            ended: false,
            bodies: HashMap::new(),
            media_sequence: 0,
            discontinuity_sequence: 0,
            target_duration_s: None,
        }
    }

    /// Reads the playlist once, and holds it against everything it said before. Fetches the
    /// segments that are new, so that none is lost when the window moves on.
    #[track_caller]
    pub fn poll(&mut self) {
        let answer = http::get(self.server, &self.path);
        assert_eq!(answer.status, 200, "{}: {}", self.path, answer.text());
        let playlist = m3u8_rs::parse_media_playlist_res(&answer.body)
            .unwrap_or_else(|error| panic!("malformed ({error}):\n{}", answer.text()));
        let text = answer.text();
        self.check_head(&playlist, &text);
        self.check_segments(&playlist, &text);
        second_opinion(&text, &playlist);
    }

    /// Polls until `enough` is true of what was seen.
    #[track_caller]
    pub fn poll_until(&mut self, what: &str, within: Duration, enough: impl Fn(&Self) -> bool) {
        wait::until_true(what, within, || {
            self.poll();
            enough(self)
        });
    }

    /// Polls until `count` more segments are listed than now.
    #[track_caller]
    pub fn poll_for_more(&mut self, count: usize, within: Duration) {
        let wanted = self.segments.len() + count;
        let what = format!("{wanted} segments are listed in {}", self.path);
        self.poll_until(&what, within, |watch| watch.segments.len() >= wanted);
    }

    /// Polls until the playlist ends.
    #[track_caller]
    pub fn poll_to_end(&mut self, within: Duration) {
        self.poll_until("EXT-X-ENDLIST", within, |watch| watch.ended);
    }

    /// The newest MSN listed so far.
    pub fn newest(&self) -> Option<u64> {
        self.segments.keys().chain(&self.gaps).max().copied()
    }

    /// The segment with media that was listed `at`-th, from 0.
    #[track_caller]
    pub fn nth(&self, at: usize) -> &Listed {
        self.segments.values().nth(at).expect("so many segments")
    }

    /// How many discontinuities were announced.
    pub fn discontinuities(&self) -> usize {
        self.segments.values().filter(|segment| segment.discontinuity).count()
    }

    /// The bytes of a segment seen.
    pub fn body(&self, msn: u64) -> &[u8] {
        &self.bodies[&self.segments[&msn].path]
    }

    /// The bytes of an init segment seen.
    pub fn init(&self, path: &str) -> &[u8] {
        &self.bodies[path]
    }

    /// Everything seen, end to end, as a file a demuxer reads: each init segment where it begins
    /// to hold.
    pub fn whole(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut init = None;
        for segment in self.segments.values() {
            if segment.init != init {
                init.clone_from(&segment.init);
                bytes.extend(init.iter().flat_map(|path| self.init(path)));
            }
            bytes.extend_from_slice(&self.bodies[&segment.path]);
        }
        bytes
    }

    #[track_caller]
    fn check_head(&mut self, playlist: &MediaPlaylist, text: &str) {
        let target_s = *self.target_duration_s.get_or_insert(playlist.target_duration);
        assert_eq!(playlist.target_duration, target_s, "TARGETDURATION changed:\n{text}");
        assert!(
            playlist.media_sequence >= self.media_sequence
                && playlist.discontinuity_sequence >= self.discontinuity_sequence,
            "a sequence number went back from {} / {}:\n{text}",
            self.media_sequence,
            self.discontinuity_sequence
        );
        assert!(playlist.playlist_type.is_none(), "PLAYLIST-TYPE in a live:\n{text}");
        assert!(playlist.end_list || !self.ended, "ENDLIST was taken back:\n{text}");
        self.media_sequence = playlist.media_sequence;
        self.discontinuity_sequence = playlist.discontinuity_sequence;
        self.ended = playlist.end_list;
    }

    #[track_caller]
    fn check_segments(&mut self, playlist: &MediaPlaylist, text: &str) {
        let known_newest = self.newest();
        let mut discontinuity_number = playlist.discontinuity_sequence;
        let mut init = None;
        for (msn, segment) in (playlist.media_sequence..).zip(&playlist.segments) {
            discontinuity_number += u64::from(segment.discontinuity);
            init = segment.map.as_ref().map(|map| resolve(&self.path, &map.uri)).or(init);
            let duration_s = f64::from(segment.duration);
            let listed = Listed {
                path: resolve(&self.path, &segment.uri),
                duration_ms: (duration_s * 1000.0).round() as u64,
                discontinuity: segment.discontinuity,
                discontinuity_number,
                init: init.clone(),
            };
            assert!(duration_s.round() as u64 <= playlist.target_duration, "EXTINF:\n{text}");
            let is_gap = segment.unknown_tags.iter().any(|tag| tag.tag == "X-GAP");
            if is_gap || self.gaps.contains(&msn) {
                assert!(is_gap && !self.segments.contains_key(&msn), "MSN {msn} changed:\n{text}");
                self.gaps.insert(msn);
            } else if let Some(before) = self.segments.get(&msn) {
                assert_eq!(before, &listed, "MSN {msn} changed:\n{text}");
            } else {
                assert!(known_newest.is_none_or(|newest| msn > newest), "a gap at {msn}:\n{text}");
                self.keep(msn, listed, text);
            }
        }
        let last = playlist.media_sequence + playlist.segments.len() as u64;
        let newest = self.newest().map_or(0, |newest| newest + 1);
        assert_eq!(last, newest, "the newest segment went back:\n{text}");
    }

    /// Fetches a new segment: listed means downloadable.
    #[track_caller]
    fn keep(&mut self, msn: u64, listed: Listed, text: &str) {
        let twice = self.segments.values().find(|other| other.path == listed.path);
        assert!(twice.is_none(), "{} names two segments:\n{text}", listed.path);
        for path in listed.init.iter().chain([&listed.path]) {
            if !self.bodies.contains_key(path) {
                let answer = http::get(self.server, path);
                assert_eq!(answer.status, 200, "{path} is listed and not there:\n{text}");
                self.bodies.insert(path.clone(), answer.body);
            }
        }
        self.segments.insert(msn, listed);
    }
}

/// The path of `reference` as found in the playlist at `base`.
pub fn resolve(base: &str, reference: &str) -> String {
    if reference.starts_with('/') {
        return reference.to_owned();
    }
    assert!(
        !reference.contains("://"),
        "{reference} is absolute: a cache in front would be passed"
    );
    let folder = base.rfind('/').map_or("", |at| &base[..=at]);
    format!("{folder}{reference}")
}

/// The same playlist read by `quick-m3u8`: every tag is known to it, and it sees the same.
#[track_caller]
fn second_opinion(text: &str, first: &MediaPlaylist) {
    let options = ParsingOptionsBuilder::new().with_parsing_for_all_tags().build();
    let mut reader = Reader::from_str(text, options);
    let mut durations_s = Vec::new();
    let (mut uris, mut discontinuities, mut ended) = (Vec::new(), 0, false);
    let (mut media_sequence, mut discontinuity_sequence, mut target_s) = (0, 0, None);
    loop {
        let line = reader.read_line();
        let line = line.unwrap_or_else(|error| panic!("quick-m3u8: {error:?} in\n{text}"));
        match line {
            None => break,
            Some(HlsLine::Uri(uri)) => uris.push(uri.into_owned()),
            Some(HlsLine::UnknownTag(tag)) => panic!("unknown tag {tag:?} in\n{text}"),
            Some(HlsLine::KnownTag(KnownTag::Hls(tag))) => match tag {
                Tag::Inf(inf) => durations_s.push(inf.duration()),
                Tag::MediaSequence(tag) => media_sequence = tag.media_sequence(),
                Tag::DiscontinuitySequence(tag) => {
                    discontinuity_sequence = tag.discontinuity_sequence();
                }
                Tag::Targetduration(tag) => target_s = Some(tag.target_duration()),
                Tag::Discontinuity(_) => discontinuities += 1,
                Tag::Endlist(_) => ended = true,
                _ => {}
            },
            Some(_) => {}
        }
    }
    let segments = &first.segments;
    let theirs: Vec<&str> = segments.iter().map(|segment| segment.uri.as_str()).collect();
    assert_eq!(uris, theirs, "URIs:\n{text}");
    assert_eq!(durations_s.len(), segments.len(), "EXTINF:\n{text}");
    // `m3u8-rs` drops what stands before the parts of a segment that is not complete.
    let open = text.rsplit_once(&format!("\n{}\n", theirs.last().copied().unwrap_or_default()));
    let opening = open.is_some_and(|(_, open)| open.contains("#EXT-X-DISCONTINUITY\n"));
    let marked =
        segments.iter().filter(|segment| segment.discontinuity).count() + usize::from(opening);
    assert_eq!(
        (media_sequence, discontinuity_sequence, target_s, discontinuities, ended),
        (
            first.media_sequence,
            first.discontinuity_sequence,
            Some(first.target_duration),
            marked,
            first.end_list
        ),
        "two parsers differ on\n{text}"
    );
}

/// The answer to the multivariant playlist now, whatever it is.
pub fn peek(server: SocketAddr, multivariant: &str) -> Response {
    http::get(server, multivariant)
}
