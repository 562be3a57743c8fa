//! For each clause, a way to break it and nothing else.
//!
//! Here: changes to the good live, each as small as the clause allows. Where one thing cannot be wrong
//! without another, the others are named beside it. Not here: whether they are found (`main`).

use std::time::Duration;

use crate::bytes;
use crate::conformance::exchange::{Asked, Exchange};
use crate::good::{self, PARTS, date, listed_at};

/// A live that may be spoiled, and what is told to its witness.
pub struct Live {
    /// Every observation.
    pub exchanges: Vec<Exchange>,
    /// Whether the witness knows that the encoder was silent.
    pub silence_is_known: bool,
}

/// A way to break a clause.
pub struct Violation {
    /// The clause.
    pub clause: &'static str,
    /// What cannot be right when it is broken.
    pub with: &'static [&'static str],
    /// Whether it takes more than one rendition; one alone is judged faster.
    pub all_renditions: bool,
    /// Segments in the list.
    pub window: u64,
    /// What is done to the good live.
    pub spoil: fn(&mut Live),
}

const fn one(clause: &'static str, spoil: fn(&mut Live)) -> Violation {
    Violation { clause, with: &[], all_renditions: false, window: good::WINDOW, spoil }
}

const fn all(clause: &'static str, spoil: fn(&mut Live)) -> Violation {
    Violation { all_renditions: true, ..one(clause, spoil) }
}

impl Violation {
    const fn with(self, with: &'static [&'static str]) -> Self {
        Self { with, ..self }
    }
}

impl Live {
    /// The playlist of `a` that was asked for with `query` while `msn` was open.
    fn probe(&mut self, msn: u64, query: &str) -> &mut Exchange {
        let since = listed_at(msn, 1);
        let asked = |one: &&mut Exchange| one.asked == Asked::Playlist && one.path == "/a.m3u8";
        let mut found = self.exchanges.iter_mut().filter(asked);
        let found = found.find(|one| one.sent > since && one.query == query);
        found.unwrap_or_else(|| panic!("no {query:?} at {msn}"))
    }

    /// The plain playlist in the midst of things.
    fn plain(&mut self) -> &mut Exchange {
        self.probe(11, "")
    }

    /// The last plain playlist, after the end.
    fn last(&mut self) -> &mut Exchange {
        let plain = |one: &&mut Exchange| one.path == "/a.m3u8" && one.query.is_empty();
        self.exchanges.iter_mut().filter(plain).max_by_key(|one| one.sent).expect("a last one")
    }

    /// Every whole or delta playlist of a rendition.
    fn playlists(&mut self, rendition: &str) -> impl Iterator<Item = &mut Exchange> {
        let path = format!("/{rendition}.m3u8");
        self.exchanges.iter_mut().filter(move |one| one.path == path && one.status == 200)
    }

    /// Replaces text in every playlist of `a`.
    #[track_caller]
    fn everywhere(&mut self, from: &str, to: &str) {
        self.everywhere_in("a", from, to);
    }

    #[track_caller]
    fn everywhere_in(&mut self, rendition: &str, from: &str, to: &str) {
        let mut changed = false;
        for exchange in self.playlists(rendition) {
            let text = exchange.text();
            changed |= text.contains(from);
            exchange.body = text.replace(from, to).into_bytes();
        }
        assert!(changed, "{from:?} is nowhere");
    }

    /// Leaves out every line that begins so, in every playlist of `a`.
    fn without(&mut self, start: &str) {
        for exchange in self.playlists("a") {
            exchange.without(start);
        }
    }

    /// The answers to requests for media under this path.
    fn loads(&mut self, path: &str) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.iter_mut().filter(move |one| one.path == path)
    }

    /// Replaces the bytes under a path.
    fn fill(&mut self, path: &str, body: &[u8]) {
        for load in self.loads(path) {
            load.body = body.to_vec();
        }
    }

    fn multivariants(&mut self) -> impl Iterator<Item = &mut Exchange> {
        self.exchanges.iter_mut().filter(|one| one.asked == Asked::Multivariant)
    }

    fn drop_loads(&mut self, paths: &[&str]) {
        self.exchanges.retain(|one| !paths.contains(&one.path.as_str()));
    }

    /// Answers with what a plain request got, at the same time.
    fn answer_plainly(&mut self, query: &str, as_if: &str, age: &str) {
        let mut answer = self.plain().clone();
        answer.query = as_if.into();
        answer.keep_for(age);
        *self.probe(11, query) = answer;
    }
}

impl Exchange {
    #[track_caller]
    fn edit(&mut self, from: &str, to: &str) {
        let text = self.text();
        assert!(text.contains(from), "{from:?} is not in\n{text}");
        self.body = text.replacen(from, to, 1).into_bytes();
    }

    fn without(&mut self, start: &str) {
        let text = self.text();
        let lines = text.lines().filter(|line| !line.starts_with(start));
        self.body = lines.map(|line| format!("{line}\n")).collect::<String>().into_bytes();
    }

    fn set(&mut self, name: &str, value: &str) {
        self.headers.retain(|(key, _)| key != name);
        self.headers.push((name.into(), value.into()));
    }

    fn keep_for(&mut self, seconds: &str) {
        self.set("cache-control", &format!("public, max-age={seconds}"));
    }

    fn fail(&mut self, status: u16) {
        self.status = status;
        self.body.clear();
        self.keep_for("1");
    }

    fn late(&mut self, by_ms: u64) {
        self.first_byte += Duration::from_millis(by_ms);
        self.received += Duration::from_millis(by_ms);
    }
}

/// Segment 1 of `a`, whose first parts nobody asked for, with its pictures as told.
fn segment_one(shift: u64, sync_part: Option<usize>) -> Vec<u8> {
    let part = |part: usize| {
        let at = good::decode_time(1) + shift + 500 * part as u64;
        bytes::fragment(at, 20, sync_part == Some(part), 0)
    };
    (0..PARTS).flat_map(part).collect()
}

/// The lines of a segment of `a` without parts.
fn lines_of(msn: u64) -> String {
    format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:2.00000,\na/{msn}.m4s\n", date(msn))
}

/// Moves the dates of these segments by milliseconds.
fn move_dates(live: &mut Live, msns: std::ops::Range<u64>, by_ms: i64) {
    for msn in msns.clone() {
        let moved = good::date_at(good::decode_time(msn).saturating_add_signed(by_ms));
        live.everywhere(&format!("TIME:{}\n", date(msn)), &format!("TIME:!{moved}\n"));
    }
    live.everywhere("TIME:!", "TIME:");
}

/// All of them.
pub const VIOLATIONS: &[Violation] = &[
    one("playlist_is_plain_utf8", |live| live.plain().edit("2.00000,\n", "2.00000,\u{7}\n")),
    one("extm3u_is_the_first_line", |live| live.plain().edit("#EXTM3U", "\n#EXTM3U")),
    one("attribute_lists_are_well_formed", |live| {
        live.multivariants().for_each(|one| one.edit("#EXTM3U", "#EXTM3U\n#EXT-X-MEDIA:A=1,,B=2"));
    }),
    one("required_attributes_are_there", |live| {
        live.multivariants().for_each(|one| one.body.extend(b"alone.m3u8\n"));
    }),
    one("version_appears_once", |live| {
        live.plain().edit("#EXT-X-VERSION:6\n", "#EXT-X-VERSION:6\n#EXT-X-VERSION:6\n");
    }),
    one("version_is_high_enough", |live| {
        live.probe(11, "_HLS_skip=YES").edit("VERSION:9", "VERSION:8");
    }),
    one("version_is_no_higher_than_needed", |live| live.plain().edit("VERSION:6", "VERSION:7")),
    one("media_playlist_tags_appear_once", |live| {
        live.plain().edit("#EXTM3U", "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS");
    }),
    one("every_segment_has_extinf", |live| live.plain().edit("2.00000,\n", "2.00000\n")),
    one("sequence_numbers_stand_before_the_first_segment", |live| {
        let tag = "#EXT-X-DISCONTINUITY-SEQUENCE:0\n";
        live.plain().edit(tag, "");
        live.plain().edit("a/4.m4s\n", &format!("a/4.m4s\n{tag}"));
    }),
    one("target_duration_is_there", |live| live.plain().edit("#EXT-X-TARGETDURATION:2\n", "")),
    one("target_duration_never_changes", |live| live.plain().edit("DURATION:2\n", "DURATION:3\n")),
    one("extinf_rounds_within_the_target", |live| {
        live.everywhere("2.00000,\na/12.m4s", "2.60000,\na/12.m4s");
    })
    .with(&[
        "dates_follow_durations",
        "extinf_is_the_sum_of_its_parts",
        "extinf_is_the_duration_of_the_samples",
        "part_tags_leave_after_three_targets",
    ]),
    one("live_has_no_playlist_type", |live| {
        live.plain().edit("#EXTM3U", "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT");
    }),
    one("media_sequence_never_decreases", |live| {
        live.plain().edit("MEDIA-SEQUENCE:3\n", "MEDIA-SEQUENCE:2\n");
    }),
    one("media_sequence_counts_removals", |live| {
        live.plain().edit("MEDIA-SEQUENCE:3\n", "MEDIA-SEQUENCE:4\n");
    }),
    one("media_sequence_is_there_after_removals", |live| {
        live.plain().edit("#EXT-X-MEDIA-SEQUENCE:3\n", "");
    }),
    one("discontinuity_sequence_never_decreases", |live| {
        live.probe(19, "").edit("DISCONTINUITY-SEQUENCE:1\n", "DISCONTINUITY-SEQUENCE:0\n");
    }),
    one("discontinuity_sequence_counts_removals", |live| {
        live.plain().edit("DISCONTINUITY-SEQUENCE:0\n", "DISCONTINUITY-SEQUENCE:1\n");
    }),
    one("discontinuity_sequence_is_there_after_removals", |live| {
        live.plain().edit("#EXT-X-DISCONTINUITY-SEQUENCE:0\n", "");
    }),
    one("listed_segment_keeps_its_uri", |live| live.plain().edit("a/7.m4s", "a/7x.m4s")),
    one("listed_segment_keeps_its_duration", |live| {
        live.plain().edit("2.00000,\na/5.m4s", "2.0000,\na/5.m4s");
    }),
    one("listed_segment_keeps_its_tags", |live| {
        let said = date(6);
        live.plain().edit(&said, &said.replace('Z', "+00:00"));
    }),
    one("listed_segment_keeps_its_discontinuity", |live| {
        let lines = lines_of(6);
        live.plain().edit(&lines, &format!("#EXT-X-DISCONTINUITY\n{lines}"));
    }),
    one("listed_segments_stay_until_removed", |live| {
        live.plain().without("#EXT-X-PART:DURATION=0.50000,URI=\"a/11.");
        live.plain().edit("TYPE=PART,URI=\"a/11.2", "TYPE=PART,URI=\"a/11.0");
    }),
    one("uri_names_one_segment", |live| {
        live.everywhere("\na/14.m4s", "\na/4.m4s");
        live.drop_loads(&["/a/4.m4s", "/a/14.m4s"]);
    }),
    one("same_edge_same_playlist", |live| live.plain().without("#EXT-X-INDEPENDENT-SEGMENTS")),
    Violation { window: 2, ..one("window_holds_three_targets", |_| {}) },
    one("new_segment_comes_in_time", |live| live.silence_is_known = false)
        .with(&["new_part_comes_in_time"]),
    one("endlist_is_final", |live| {
        let last = live.last();
        last.without("#EXT-X-PART:");
        last.body.extend(lines_of(20).into_bytes());
    }),
    one("ended_live_has_endlist", |live| {
        live.exchanges.retain(|one| one.received < good::ended_at());
    }),
    one("every_fmp4_segment_has_a_map", |live| {
        live.without("#EXT-X-MAP:");
        live.everywhere("VERSION:6", "VERSION:3");
    }),
    one("gap_segments_have_gap_parts", |live| {
        live.everywhere("\"a/13.1.m4s\",GAP=YES", "\"a/13.1.m4s\"");
    }),
    one("every_playlist_has_dates", |live| {
        live.without("#EXT-X-PROGRAM-DATE-TIME:");
        live.without("#EXT-X-DATERANGE:");
    }),
    one("dates_have_a_zone_and_milliseconds", |live| live.everywhere(".000Z\n", ".000\n")),
    one("every_discontinuity_has_a_date", |live| {
        live.everywhere(&format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(10)), "");
    }),
    one("dates_are_unambiguous", |live| move_dates(live, 16..20, -9_500)),
    one("dates_follow_durations", |live| move_dates(live, 12..16, 500)),
    one("dateranges_come_with_dates", |live| live.without("#EXT-X-PROGRAM-DATE-TIME:"))
        .with(&["every_playlist_has_dates"]),
    one("dateranges_stay_while_they_map", |live| {
        live.probe(19, "").without("#EXT-X-DATERANGE:ID=\"long\"");
    }),
    one("part_inf_comes_with_parts", |live| live.without("#EXT-X-PART-INF:")),
    one("part_target_never_changes", |live| {
        live.plain().edit("PART-TARGET=0.5", "PART-TARGET=0.55");
    }),
    one("part_is_within_the_part_target", |live| {
        live.everywhere("PART-TARGET=0.5", "PART-TARGET=0.48");
    }),
    one("part_is_at_least_85_percent", |live| {
        live.everywhere("PART-TARGET=0.5", "PART-TARGET=0.6");
        live.everywhere("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.8");
    }),
    one("segment_tags_stand_before_the_first_part", |live| {
        let tag = format!("#EXT-X-PROGRAM-DATE-TIME:{}\n", date(9));
        live.plain().edit(&tag, "");
        live.plain().edit("#EXTINF:2.00000,\na/9.m4s", &format!("{tag}#EXTINF:2.00000,\na/9.m4s"));
    }),
    one("listed_part_never_changes", |live| {
        live.plain().edit("\"a/10.0.m4s\",INDEPENDENT=YES", "\"a/10.0.m4s\"");
    }),
    one("uri_names_one_part", |live| {
        live.everywhere("a/12.1.m4s", "a/6.1.m4s");
        live.drop_loads(&["/a/6.1.m4s", "/a/12.1.m4s"]);
    }),
    one("parts_leave_in_order", |live| {
        live.plain().without("#EXT-X-PART:DURATION=0.50000,URI=\"a/10.");
    }),
    one("part_tags_leave_after_three_targets", |live| {
        let parts: String = (0..PARTS).map(|part| good::part_line("a", 8, part)).collect();
        live.plain().edit("#EXTINF:2.00000,\na/8.", &format!("{parts}#EXTINF:2.00000,\na/8."));
    }),
    one("new_part_comes_in_time", |live| live.probe(12, "_HLS_msn=12&_HLS_part=2").late(300)),
    one("extinf_is_the_sum_of_its_parts", |live| {
        live.everywhere("2.00000,\na/12.m4s", "2.00100,\na/12.m4s");
    }),
    one("parts_hold_the_samples_of_their_segment", |live| {
        let body = bytes::fragment(good::decode_time(12) + 5, 20, true, 0);
        live.fill("/a/12.0.m4s", &body);
    }),
    one("parts_are_the_bytes_of_their_segment", |live| {
        live.loads("/a/12.1.m4s").for_each(|one| *one.body.last_mut().expect("bytes") ^= 1);
    }),
    one("independent_parts_hold_a_sync_sample", |live| {
        live.everywhere("\"a/12.1.m4s\"\n", "\"a/12.1.m4s\",INDEPENDENT=YES\n");
        live.everywhere("PART,URI=\"a/12.1.m4s\",INDEPENDENT=YES", "PART,URI=\"a/12.1.m4s\"");
    }),
    one("parts_with_a_sync_sample_are_independent", |live| {
        live.everywhere("\"a/12.0.m4s\",INDEPENDENT=YES", "\"a/12.0.m4s\"");
    }),
    one("part_duration_is_that_of_its_samples", |live| {
        live.everywhere("0.50000,URI=\"a/12.1", "0.49000,URI=\"a/12.1");
        live.everywhere("0.50000,URI=\"a/12.2", "0.51000,URI=\"a/12.2");
        live.everywhere("PART-TARGET=0.5", "PART-TARGET=0.51");
        live.everywhere("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.53");
    }),
    one("reload_may_block", |live| live.everywhere("CAN-BLOCK-RELOAD=YES,", ""))
        .with(&["plain_playlists_keep_half_a_target"]),
    one("part_hold_back_comes_with_parts", |live| live.everywhere("PART-HOLD-BACK=1.5,", "")),
    one("part_hold_back_is_two_part_targets", |live| {
        live.everywhere("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=0.9");
    }),
    one("part_hold_back_is_three_part_targets", |live| {
        live.everywhere("PART-HOLD-BACK=1.5", "PART-HOLD-BACK=1.4");
    }),
    one("hold_back_is_three_targets", |live| live.everywhere(",HOLD-BACK=6.0", ",HOLD-BACK=5.9")),
    one("skip_boundary_is_six_targets", |live| live.everywhere("UNTIL=12.0", "UNTIL=11.9")),
    one("skipping_dateranges_needs_skipping", |live| {
        live.everywhere("CAN-SKIP-UNTIL=12.0,", "");
        live.exchanges.retain(|one| one.directives().skip.is_none());
    }),
    one("server_control_never_changes", |live| {
        live.plain().edit(",HOLD-BACK=6.0", ",HOLD-BACK=7.0")
    }),
    all("server_control_is_the_same_in_all", |live| {
        live.everywhere_in("b", ",HOLD-BACK=6.0", ",HOLD-BACK=7.0");
    }),
    one("a_part_is_hinted_while_live", |live| live.plain().without("#EXT-X-PRELOAD-HINT")),
    one("no_hint_after_the_end", |live| {
        live.last().body.extend(b"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/20.0.m4s\"\n");
    }),
    one("one_hint_of_each_type", |live| {
        let another = b"#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/99.0.m4s\"\n";
        live.plain().body.extend(another);
    }),
    one("the_hinted_part_comes_next", |live| {
        live.everywhere("TYPE=PART,URI=\"a/12.1.m4s\"", "TYPE=PART,URI=\"a/12.1b.m4s\"");
    }),
    one("a_new_map_is_hinted", |live| live.without("#EXT-X-PRELOAD-HINT:TYPE=MAP")),
    one("hinted_resources_are_served", |live| {
        live.loads("/a/12.1.m4s").for_each(|one| one.fail(404));
    }),
    one("held_parts_come_at_full_speed", |live| {
        live.loads("/a/12.1.m4s").for_each(|one| one.first_byte -= Duration::from_millis(200));
    }),
    one("a_resource_neither_listed_nor_hinted_is_404", |live| {
        live.loads("/a/900.0.m4s").for_each(|one| one.fail(503));
    }),
    one("every_other_rendition_is_reported", |live| {
        live.plain().without("#EXT-X-RENDITION-REPORT:URI=\"b.m3u8\"");
    }),
    one("reports_have_relative_uris", |live| {
        live.plain().edit("URI=\"b.m3u8\"", "URI=\"http://host/b.m3u8\"");
    }),
    one("reports_tell_msn_and_part", |live| live.plain().edit("LAST-MSN=11", "LAST-MSN=\"11\"")),
    all("reports_are_up_to_date", |live| live.plain().edit("LAST-MSN=11", "LAST-MSN=10")),
    one("a_delta_is_given_when_asked", |live| {
        let whole = live.plain().body.clone();
        live.probe(11, "_HLS_skip=YES").body = whole;
    }),
    one("skip_is_ignored_when_it_must", |live| {
        let answer = live.probe(19, "_HLS_skip=YES");
        answer.edit(&lines_of(12), "#EXT-X-SKIP:SKIPPED-SEGMENTS=1\n");
        answer.edit("VERSION:6", "VERSION:9");
    }),
    one("skip_appears_once", |live| {
        let tag = "#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n";
        live.probe(11, "_HLS_skip=YES").edit(tag, &format!("{tag}{tag}"));
    }),
    one("all_beyond_the_skip_boundary_is_skipped", |live| {
        let lines = format!("SKIPPED-SEGMENTS=0\n{}{}", lines_of(3), lines_of(4));
        live.probe(11, "_HLS_skip=YES").edit("SKIPPED-SEGMENTS=2\n", &lines);
    }),
    one("nothing_within_the_skip_boundary_is_skipped", |live| {
        live.probe(11, "_HLS_skip=YES").edit(&lines_of(5), "");
        live.probe(11, "_HLS_skip=YES").edit(&lines_of(6), "");
        live.probe(11, "_HLS_skip=YES").edit("SEGMENTS=2", "SEGMENTS=4");
    }),
    one("skip_leaves_the_discontinuity_sequence", |live| {
        let answer = live.probe(18, "_HLS_skip=YES");
        answer.edit("DISCONTINUITY-SEQUENCE:0", "DISCONTINUITY-SEQUENCE:1");
    }),
    one("a_delta_is_the_rest_of_the_whole", |live| {
        live.probe(11, "_HLS_skip=YES").without("#EXT-X-INDEPENDENT-SEGMENTS");
    }),
    one("v2_tells_the_removed_dateranges", |live| {
        live.probe(11, "_HLS_skip=v2").edit("DATERANGES=\"short\"", "DATERANGES=\"\"");
    }),
    one("v2_leaves_out_old_dateranges", |live| {
        let tag =
            "#EXT-X-DATERANGE:ID=\"long\",START-DATE=\"2026-05-01T12:00:10.000Z\"\n#EXT-X-SKIP";
        live.probe(15, "_HLS_skip=v2").edit("#EXT-X-SKIP", tag);
    }),
    one("msn_alone_waits_for_the_segment", |live| {
        live.answer_plainly("_HLS_msn=11", "_HLS_msn=11", "12");
    }),
    one("msn_and_part_wait_for_the_part", |live| {
        live.answer_plainly("_HLS_msn=1", "_HLS_msn=12&_HLS_part=0", "12");
    }),
    one("past_the_last_part_is_the_next_segment", |live| {
        let answer = live.probe(11, "_HLS_msn=11").clone();
        let asked = live.probe(11, "_HLS_msn=11&_HLS_part=4");
        *asked = Exchange { query: asked.query.clone(), ..answer };
    }),
    one("a_blocked_request_wakes_with_its_edge", |live| live.probe(11, "_HLS_msn=11").late(400)),
    one("what_is_there_is_answered_at_once", |live| live.probe(11, "_HLS_msn=1").late(200)),
    one("what_comes_soon_is_not_refused", |live| live.probe(11, "_HLS_msn=11").fail(400)),
    one("part_without_msn_is_400", |live| {
        live.answer_plainly("_HLS_part=1", "_HLS_part=1", "1");
    }),
    one("a_far_msn_is_400_at_once", |live| {
        live.answer_plainly("_HLS_msn=20", "_HLS_msn=20", "12");
    }),
    one("a_far_part_is_400_at_once", |live| {
        live.answer_plainly("_HLS_msn=11&_HLS_part=40", "_HLS_msn=11&_HLS_part=40", "12");
    }),
    one("blocking_ends_with_503", |live| live.probe(15, "_HLS_msn=16").late(1_000)),
    one("directives_are_ignored_after_the_end", |live| live.probe(19, "_HLS_msn=99").fail(400)),
    one("playlists_have_their_content_type", |live| live.plain().set("content-type", "text/plain")),
    one("playlists_are_gzipped_when_welcome", |live| {
        live.probe(11, "_HLS_msn=1").set("content-encoding", "identity");
    }),
    one("gzip_only_when_welcome", |live| {
        let mut plain = live.exchanges.iter_mut().filter(|one| one.asked == Asked::Playlist);
        let unwelcome = plain.find(|one| one.status == 200 && !one.gzip_welcome);
        unwelcome.expect("a plain one").set("content-encoding", "gzip");
    }),
    one("everything_may_be_read_by_pages", |live| {
        live.probe(11, "_HLS_part=1").headers.retain(|(key, _)| !key.starts_with("access-"));
    }),
    one("plain_playlists_keep_half_a_target", |live| live.plain().keep_for("2")),
    one("blocking_playlists_keep_six_targets", |live| live.probe(11, "_HLS_msn=1").keep_for("3")),
    one("failed_plain_playlists_keep_one_target", |live| {
        live.probe(11, "_HLS_part=1").keep_for("3");
    }),
    one("failed_blocking_playlists_keep_four_targets", |live| {
        live.probe(11, "_HLS_msn=20").keep_for("9");
    }),
    one("segments_keep_six_targets", |live| {
        live.loads("/a/12.m4s").for_each(|one| one.keep_for("11"));
    }),
    one("failed_segments_keep_one_target", |live| {
        live.loads("/a/900.0.m4s").for_each(|one| one.keep_for("3"));
    }),
    one("listed_segments_are_there", |live| live.loads("/a/12.m4s").for_each(|one| one.fail(404))),
    one("listed_parts_are_there", |live| {
        let load = live.loads("/a/5.1.m4s").find(|one| one.sent > listed_at(5, 1));
        load.expect("a second load").fail(404);
    }),
    one("listed_maps_are_there", |live| live.loads("/a/init-1.mp4").for_each(|one| one.fail(404))),
    one("segment_bytes_never_change", |live| {
        let again = live.loads("/a/3.m4s").last().expect("a second load");
        *again.body.last_mut().expect("bytes") ^= 1;
    }),
    one("part_bytes_never_change", |live| {
        let again = live.loads("/a/5.1.m4s").last().expect("a second load");
        *again.body.last_mut().expect("bytes") ^= 1;
    }),
    one("removed_segments_stay_for_a_playlist", |live| {
        live.loads("/a/3.m4s").last().expect("a second load").fail(404);
    }),
    one("removed_parts_stay_for_three_targets", |live| {
        live.loads("/a/5.1.m4s").last().expect("a late load").fail(404);
    }),
    one("maps_are_well_formed", |live| {
        live.loads("/a/init-1.mp4").for_each(|one| one.body[8..12].copy_from_slice(b"isom"));
    }),
    one("fragments_are_well_formed", |live| {
        live.loads("/a/12.m4s").for_each(|one| one.body.truncate(one.body.len() - 1));
    }),
    one("media_continues_from_segment_to_segment", |live| {
        live.fill("/a/1.m4s", &segment_one(5, Some(0)));
    }),
    one("extinf_is_the_duration_of_the_samples", |live| {
        live.everywhere("2.00000,\na/1.m4s", "2.01000,\na/1.m4s");
    })
    .with(&["extinf_is_the_sum_of_its_parts"]),
    one("another_encoding_is_a_discontinuity", |live| {
        let lines =
            format!("#EXT-X-MAP:URI=\"a/init-1.mp4\"\n#EXT-X-PROGRAM-DATE-TIME:{}", date(10));
        live.everywhere(&format!("#EXT-X-DISCONTINUITY\n{lines}"), &lines);
        live.everywhere("DISCONTINUITY-SEQUENCE:1", "DISCONTINUITY-SEQUENCE:0");
    })
    .with(&["dates_follow_durations"]),
    one("independent_segments_open_on_a_sync_sample", |live| {
        live.fill("/a/1.m4s", &segment_one(0, Some(1)));
    }),
    one("every_segment_has_a_sync_sample", |live| {
        live.without("#EXT-X-INDEPENDENT-SEGMENTS");
        live.fill("/a/1.m4s", &segment_one(0, None));
    }),
    all("ts_segments_open_with_their_tables", |live| {
        live.fill("/t/1.ts", &bytes::packets(false, 1));
    }),
    one("bandwidth_is_there", |live| {
        live.multivariants().for_each(|one| one.edit(":BANDWIDTH=", ":X-BANDWIDTH="));
    }),
    one("bandwidth_covers_the_peak", |live| {
        live.multivariants().for_each(|one| one.edit(":BANDWIDTH=", ":BANDWIDTH=1,X-WAS="));
    }),
    one("average_bandwidth_covers_the_average", |live| {
        live.multivariants()
            .for_each(|one| one.edit("AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=1,X="));
    }),
    one("codecs_are_there", |live| {
        live.multivariants().for_each(|one| one.edit("CODECS=", "X-CODECS="));
    }),
    one("codecs_name_every_format", |live| {
        live.multivariants().for_each(|one| one.edit(",mp4a.40.2", ""));
    }),
    one("resolution_is_that_of_the_pictures", |live| {
        live.multivariants().for_each(|one| one.edit("RESOLUTION=", "RESOLUTION=9x9,X="));
    }),
    one("frame_rate_is_told_above_thirty", |live| {
        live.multivariants().for_each(|one| one.edit("FRAME-RATE=", "X-FRAME-RATE="));
    }),
    one("frame_rate_has_three_decimals", |live| {
        live.multivariants().for_each(|one| one.edit("=40.000", "=40.0000"));
    }),
    one("frame_rate_is_that_of_the_pictures", |live| {
        live.multivariants().for_each(|one| one.edit("=40.000", "=30.000"));
    }),
    one("independent_segments_is_said_once", |live| {
        live.multivariants()
            .for_each(|one| one.edit("#EXTM3U", "#EXTM3U\n#EXT-X-INDEPENDENT-SEGMENTS"));
    }),
    one("the_group_of_a_variant_is_there", |live| {
        live.multivariants().for_each(|one| one.edit("AUDIO=\"s\"", "AUDIO=\"other\""));
    }),
    one("members_of_a_group_have_different_names", |live| {
        live.multivariants().for_each(|one| one.edit("NAME=\"B\"", "NAME=\"A\""));
    }),
    one("one_member_of_a_group_is_the_default", |live| {
        live.multivariants().for_each(|one| one.edit("NAME=\"B\"", "NAME=\"B\",DEFAULT=YES"));
    }),
    one("members_that_are_chosen_for_viewers_differ", |live| {
        live.multivariants().for_each(|one| one.edit("LANGUAGE=\"ar\"", "LANGUAGE=\"fr\""));
    }),
    all("renditions_share_the_target_duration", |live| {
        live.everywhere_in("b", "TARGETDURATION:2", "TARGETDURATION:3");
    })
    .with(&[
        "hold_back_is_three_targets",
        "skip_boundary_is_six_targets",
        "blocking_playlists_keep_six_targets",
        "blocking_ends_with_503",
    ]),
    all("renditions_share_discontinuities", |live| {
        for (before, after) in [(1, 6), (0, 5)] {
            let tag = |number: u64| format!("DISCONTINUITY-SEQUENCE:{number}\n");
            live.everywhere_in("b", &tag(before), &tag(after));
        }
    }),
    all("renditions_share_sequence_numbers", |live| {
        for exchange in live.playlists("b") {
            let text = exchange.text();
            let (_, rest) = text.split_once("MEDIA-SEQUENCE:").expect("a number");
            let said = rest.lines().next().expect("a number").to_owned();
            let more = said.parse::<u64>().expect("a number") + 1;
            exchange.edit(&format!("SEQUENCE:{said}\n"), &format!("SEQUENCE:{more}\n"));
        }
    })
    .with(&[
        "what_is_there_is_answered_at_once",
        "reports_are_up_to_date",
        "renditions_move_in_step",
    ]),
    all("renditions_share_dates", |live| live.everywhere_in("b", ".000Z\n", ".500Z\n")),
    all("renditions_move_in_step", |live| {
        let late = Duration::from_millis(700);
        for exchange in live.exchanges.iter_mut().filter(|one| one.path.starts_with("/b")) {
            exchange.sent += late;
            exchange.first_byte += late;
            exchange.received += late;
        }
    })
    .with(&["reports_are_up_to_date"]),
];
