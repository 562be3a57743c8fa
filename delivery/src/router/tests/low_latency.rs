//! Blocking reloads, parts that are about to come, delta updates.

use super::*;

/// A live whose segments 0 to 2 are complete, with parts 0 and 1 of segment 3.
fn house() -> (House, Publisher) {
    House::with_media()
}

impl House {
    fn reload(&self, query: &str) -> Asking {
        self.ask(Method::GET, &self.path(&format!("source.m3u8?{query}")), &[])
    }

    fn reload_now(&self, query: &str) -> Answer {
        let answer = self.reload(query).now_or_never().expect("an answer at once");
        Answer::read(answer).now_or_never().unwrap()
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_waits_for_its_part_and_no_longer() {
    let (house, mut publisher) = house();
    let mut asking = house.reload("_HLS_msn=3&_HLS_part=2");
    assert!((&mut asking).now_or_never().is_none());
    publisher.push(&mut media(4_500..4_550)).unwrap();
    assert!(unmoved(&mut asking).await, "half a part is none");
    publisher.push(&mut media(4_550..4_570)).unwrap();
    let answer = told(asking, "the part is there").await;
    assert!(answer.text().contains("URI=\"3.2.m4s\"") && !answer.text().contains("\n3.m4s"));
    assert_eq!(answer.header("cache-control"), "public, max-age=12");
    assert_eq!(house.channel.watchers(), 0);
}

#[tokio::test(start_paused = true)]
async fn the_part_after_one_that_nobody_was_told_of_yet_is_waited_for() {
    let (house, mut publisher) = house();
    let ask = |part: &str| house.ask(Method::GET, &house.path(part), &[]);
    let mut first = ask("3.2.m4s");
    assert!((&mut first).now_or_never().is_none());
    // Nobody runs between the two: those who wait still know the state before.
    publisher.push(&mut media(4_500..4_570)).unwrap();
    let mut second = ask("3.3.m4s");
    assert!((&mut second).now_or_never().is_none(), "it is the one that comes next");
    assert_eq!(told(first, "the part is there").await.status, StatusCode::OK);
    assert!(unmoved(&mut second).await);
    publisher.push(&mut media(4_570..4_770)).unwrap();
    assert_eq!(told(second, "the next is there").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn no_cache_keeps_that_a_hinted_part_did_not_come() {
    let (house, mut publisher) = house();
    // An IDR is due at 6 s: the part after this one begins another segment.
    publisher.push(&mut media(4_500..5_970)).unwrap();
    let mut hinted = house.ask(Method::GET, &house.path("4.0.m4s"), &[]);
    assert!((&mut hinted).now_or_never().is_none());
    drop(publisher);
    assert!(unmoved(&mut hinted).await, "the encoder may come back");
    house.channel.gap(Duration::from_secs(1));
    let answer = told(hinted, "there is a gap in its place").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_FOUND, "unknown_segment"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test(start_paused = true)]
async fn a_hint_is_taken_back_with_the_picture_that_belies_it() {
    let (house, mut publisher) = house();
    publisher.push(&mut media(4_500..5_970)).unwrap();
    let hint = |text: &str| {
        text.split("PART,URI=\"").last().unwrap().split('"').next().unwrap().to_owned()
    };
    let playlist = house.get(&house.path("source.m3u8")).await;
    assert_eq!(hint(playlist.text()), "4.0.m4s");
    let mut hinted = house.ask(Method::GET, &house.path("4.0.m4s"), &[]);
    assert!((&mut hinted).now_or_never().is_none());
    // No IDR, where one is due.
    let picture = sample(Kind::Video, 6_000 * 90, false, 150);
    publisher.push(&mut vec![Event::Sample(picture)]).unwrap();
    assert_eq!(told(hinted, "it does not come").await.status, StatusCode::NOT_FOUND);
    let next = house.get(&house.path("source.m3u8")).await;
    assert_eq!(hint(next.text()), "3.10.m4s");
    assert_ne!(next.header("etag"), playlist.header("etag"));
    let mut asking = house.ask(Method::GET, &house.path("3.10.m4s"), &[]);
    assert!((&mut asking).now_or_never().is_none());
    publisher.push(&mut media(6_010..6_210)).unwrap();
    assert_eq!(told(asking, "it does").await.status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_reload_without_a_part_waits_for_the_whole_segment() {
    let (house, mut publisher) = house();
    let mut asking = house.reload("_HLS_msn=3");
    publisher.push(&mut media(4_500..6_000)).unwrap();
    assert!((&mut asking).now_or_never().is_none());
    publisher.push(&mut media(6_000..6_100)).unwrap();
    let answer = told(asking, "the segment is there").await;
    assert!(answer.text().contains("\n3.m4s"));
}

#[tokio::test(start_paused = true)]
async fn a_part_past_the_last_of_its_segment_means_the_first_of_the_next() {
    let (house, mut publisher) = house();
    assert!(house.reload_now("_HLS_msn=2&_HLS_part=10").text().contains("URI=\"3.1.m4s\""));
    let mut asking = house.reload("_HLS_msn=3&_HLS_part=10");
    publisher.push(&mut media(4_500..6_100)).unwrap();
    assert!((&mut asking).now_or_never().is_none(), "segment 3 is complete, 4 has no part");
    publisher.push(&mut media(6_100..6_300)).unwrap();
    let answer = told(asking, "its first part is there").await;
    assert!(answer.text().contains("URI=\"4.0.m4s\""));
}

#[tokio::test(start_paused = true)]
async fn what_is_listed_or_left_the_list_is_answered_at_once() {
    let (house, mut publisher) = house();
    publisher.push(&mut media(4_500..90_000)).unwrap();
    let plain = house.get(&house.path("source.m3u8")).await;
    assert!(!plain.text().contains("\n0.m4s"), "the first segments left the list");
    for query in ["_HLS_msn=0", "_HLS_msn=0&_HLS_part=0", "_HLS_msn=3&_HLS_part=99"] {
        let answer = house.reload_now(query);
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &plain.body), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn positions_that_no_player_would_ask_for_are_refused_at_once() {
    let (house, _publisher) = house();
    for (query, code) in [
        ("_HLS_part=1", "bad_directives"),
        ("_HLS_msn=x", "bad_directives"),
        ("_HLS_msn=5", "too_far"),
        ("_HLS_msn=3&_HLS_part=16", "too_far"),
        ("_HLS_msn=18446744073709551615&_HLS_part=4294967295", "too_far"),
    ] {
        let answer = house.reload_now(query);
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::BAD_REQUEST, code),
            "{query}"
        );
    }
    for query in ["_HLS_msn=4", "_HLS_msn=3&_HLS_part=14", "_HLS_msn=4&_HLS_part=0"] {
        assert!(house.reload(query).now_or_never().is_none(), "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reload_that_waits_in_vain_is_given_up() {
    let (house, _publisher) = house();
    let asked_at = Instant::now();
    let answer = Answer::read(house.reload("_HLS_msn=3&_HLS_part=2").await).await;
    assert_eq!(asked_at.elapsed().as_secs(), 6, "three target durations");
    assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("blocked", "1"));
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_live_answers_all_who_wait_and_ignores_directives() {
    let (house, _publisher) = house();
    let waiting = ["_HLS_msn=4", "_HLS_msn=3&_HLS_part=2&_HLS_skip=YES"].map(|q| house.reload(q));
    let part = house.ask(Method::GET, &house.path("3.3.m4s"), &[]);
    house.channel.end();
    for asking in waiting {
        let answer = told(asking, "woken by the end").await;
        assert!(answer.text().ends_with("#EXT-X-ENDLIST\n"));
        assert!(!answer.text().contains("PRELOAD-HINT") && !answer.text().contains("EXT-X-SKIP"));
    }
    assert_eq!(part.now_or_never().unwrap().status(), StatusCode::NOT_FOUND);
    assert_eq!(house.reload_now("_HLS_msn=900").status, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn the_part_that_comes_next_is_held_until_it_is_whole() {
    let (house, mut publisher) = house();
    let playlist = house.get(&house.path("source.m3u8")).await;
    assert!(playlist.text().contains("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"3.2.m4s\"\n"));
    let path = house.path("3.2.m4s");
    let mut asking = house.ask(Method::GET, &path, &[]);
    assert!((&mut asking).now_or_never().is_none());
    let after = house.get(&house.path("3.3.m4s")).now_or_never().expect("nobody was told of it");
    assert_eq!((after.status, after.code().as_str()), (StatusCode::NOT_FOUND, "unknown_segment"));
    publisher.push(&mut media(4_500..4_700)).unwrap();
    let held = told(asking, "whole").await;
    assert_eq!(held.header("cache-control"), "public, max-age=3600, immutable");
    assert_eq!(held.header("content-type"), "video/mp4");
    assert_eq!(house.get(&path).await.body, held.body);
}

#[tokio::test]
async fn a_part_never_changes_and_all_of_them_are_the_segment() {
    let (house, mut publisher) = house();
    for prefix in ["", "audio-"] {
        let early = house.get(&house.path(&format!("{prefix}3.1.m4s"))).await;
        assert_eq!(early.status, StatusCode::OK, "of an open segment");
        publisher.push(&mut media(4_500..6_100)).unwrap();
        let mut parts = Vec::new();
        for index in 0..10 {
            let part = house.get(&house.path(&format!("{prefix}3.{index}.m4s"))).await;
            assert!(index != 1 || part.body == early.body);
            parts.extend_from_slice(&part.body);
        }
        let whole = house.get(&house.path(&format!("{prefix}3.m4s"))).await;
        assert_eq!(whole.body, parts);
        let beyond = house.get(&house.path(&format!("{prefix}3.10.m4s"))).await;
        assert_eq!(beyond.status, StatusCode::NOT_FOUND);
    }
}

#[tokio::test]
async fn a_delta_update_leaves_out_what_its_reader_has() {
    let (house, mut publisher) = house();
    let short = house.reload_now("_HLS_skip=YES");
    assert!(!short.text().contains("EXT-X-SKIP"), "there is nothing to leave out yet");
    publisher.push(&mut media(4_500..60_000)).unwrap();
    let whole = house.get(&house.path("source.m3u8")).await;
    let delta = house.reload_now("_HLS_skip=v2");
    assert_eq!(house.reload_now("_HLS_skip=YES").body, delta.body);
    assert_ne!(delta.header("etag"), whole.header("etag"));
    let (head, rest) = delta.text().split_once("#EXT-X-SKIP:SKIPPED-SEGMENTS=").expect("a skip");
    let (skipped, rest) = rest.split_once('\n').unwrap();
    let (skipped, of) =
        (skipped.parse::<usize>().unwrap(), whole.text().matches("#EXTINF").count());
    assert_eq!(rest.matches("#EXTINF").count() + skipped, of);
    assert!(head.contains("#EXT-X-VERSION:9\n") && whole.text().ends_with(rest));
    // More than six target durations are left; with one segment less there would be less.
    let first = rest.find("#EXTINF:").unwrap();
    let seconds: f64 = rest[first..]
        .lines()
        .filter_map(|line| line.strip_prefix("#EXTINF:")?.strip_suffix(',')?.parse::<f64>().ok())
        .sum();
    assert!((12.0..16.0).contains(&seconds), "{seconds}");
}

#[tokio::test(start_paused = true)]
async fn a_silent_publisher_is_told_of_in_gaps() {
    let (house, mut publisher) = house();
    let silent = Duration::from_millis;
    let mut asking = house.reload("_HLS_msn=4&_HLS_part=0");
    publisher.gap(silent(100));
    assert!(unmoved(&mut asking).await, "segment 3 ends, silence is not a part long");
    publisher.gap(silent(300));
    let answer = told(asking, "a gap is an answer").await;
    assert!(answer.text().contains("#EXT-X-PART:DURATION=0.2,URI=\"4.0.m4s\",GAP=YES\n"));
    assert_eq!(house.get(&house.path("4.0.m4s")).await.status, StatusCode::NOT_FOUND);
    publisher.gap(silent(5_500));
    publisher.push(&mut media(10_000..12_500)).unwrap();
    let playlist = house.get(&house.path("source.m3u8")).await;
    let gap = "#EXT-X-GAP\n#EXTINF:2,\n4.m4s\n";
    assert!(playlist.text().contains(gap), "{}", playlist.text());
    let without_media = house.get(&house.path("4.m4s")).await;
    assert_eq!((without_media.status, without_media.body.len()), (StatusCode::OK, 0));
    assert_eq!(playlist.text().matches("#EXT-X-DISCONTINUITY\n").count(), 1);
    let back = house.get(&house.path("7.0.m4s")).await;
    assert_eq!(back.status, StatusCode::OK, "{}", playlist.text());
    house.channel.gap(silent(9_000));
    let after = house.get(&house.path("source.m3u8")).await;
    assert_eq!(after.body, playlist.body, "there is a publisher, and he sends");
}

#[tokio::test]
async fn the_sound_alone_is_a_rendition_of_its_own() {
    let (house, _publisher) = house();
    let multivariant = house.get("/hls/a.m3u8").await;
    let multivariant = m3u8_rs::parse_master_playlist_res(&multivariant.body).unwrap();
    let [source, sound] = &multivariant.variants[..] else { panic!("{multivariant:?}") };
    assert_eq!(sound.codecs.as_deref(), Some("mp4a.40.2"));
    assert!(sound.resolution.is_none() && sound.bandwidth < source.bandwidth);
    let media = house.get(&house.path("audio.m3u8")).await;
    assert!(media.text().contains("#EXT-X-MAP:URI=\"audio-init-0.mp4\""));
    assert!(media.text().contains("URI=\"source.m3u8\",LAST-MSN=3,LAST-PART=1"));
    let init = house.get(&house.path("audio-init-0.mp4")).await;
    assert_eq!(init.header("content-type"), "audio/mp4");
    let alone = house.get("/hls/a-audio.m3u8").await;
    assert_eq!(alone.text().matches("#EXT-X-STREAM-INF").count(), 1);
}
