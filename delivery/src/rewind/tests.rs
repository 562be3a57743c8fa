use bytes::Bytes;
use http::{StatusCode, header};
use hub::Access;
use packager::{Rendition, rewind};

use crate::{Config, vod::tests::House};

/// A live whose first segments left its window, and what was in the second of them.
async fn long(access: Access, config: &Config) -> (House, Bytes) {
    let house = House::with(access, config);
    let second = house.channel.segment(1).unwrap().bytes(Rendition::Source).unwrap();
    house.go_on(150..1_500).await;
    assert!(house.channel.segment(1).is_none());
    (house, second)
}

fn uncounted() -> Config {
    Config { count_viewers: false, ..Config::default() }
}

fn uris(playlist: &str) -> Vec<&str> {
    playlist.lines().filter(|line| !line.starts_with('#')).collect()
}

#[tokio::test]
async fn a_live_is_gone_back_in_to_its_beginning_under_the_names_it_listed() {
    let (house, second) = long(Access::Everyone, &uncounted()).await;
    let multivariant = house.get("/hls/a-rewind.m3u8").await;
    let folder = format!("/hls/a/{}", house.channel.epoch());
    let list = uris(&multivariant.text())[0].to_owned();
    assert_eq!(format!("/hls/{list}"), format!("{folder}/source-rewind.m3u8"));
    let list = house.get(&format!("/hls/{list}")).await;
    assert_eq!(list.header(header::CONTENT_TYPE), "application/vnd.apple.mpegurl");
    let live = house.get(&format!("{folder}/source.m3u8")).await;
    assert_eq!(list.header(header::CACHE_CONTROL), live.header(header::CACHE_CONTROL));
    let text = list.text();
    let listed = uris(&text);
    assert_eq!(listed.len() as u64, house.channel.state().last_msn.unwrap() + 1);
    let segment = house.get(&format!("{folder}/{}", listed[1])).await;
    assert_eq!((segment.status, segment.body.as_ref()), (StatusCode::OK, Some(&second)));
    assert!(segment.header(header::CACHE_CONTROL).contains("immutable"));
    assert_eq!(segment.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), "*");
    let range = [(header::RANGE, "bytes=300000-300009")];
    let part = house.ask(&format!("{folder}/1.m4s"), &range).await;
    assert_eq!(
        (part.status, part.body.unwrap()),
        (StatusCode::PARTIAL_CONTENT, second.slice(300_000..300_010))
    );
    assert_eq!(house.get(&format!("{folder}/init-0.mp4")).await.status, StatusCode::OK);
    for unknown in ["100000.m4s", "audio-1.m4s", "init-7.mp4", "1.ts"] {
        let answer = house.get(&format!("{folder}/{unknown}")).await;
        assert!(answer.failed_as(404, "unknown_segment"), "{unknown}");
    }
}

#[tokio::test]
async fn who_has_a_list_is_sent_what_is_new() {
    let (house, _) = long(Access::Everyone, &uncounted()).await;
    let path = format!("/hls/a/{}/source-rewind.m3u8", house.channel.epoch());
    let whole = house.get(&path).await;
    let delta = house.get(&format!("{path}?_HLS_skip=YES")).await.text();
    assert!(
        delta.contains("#EXT-X-SKIP:SKIPPED-SEGMENTS=") && whole.text().contains(uris(&delta)[0])
    );
    assert!(!whole.text().contains("SKIP:"));
    let etag = whole.header(header::ETAG).to_owned();
    let known = house.ask(&path, &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
    let gzipped = house.ask(&path, &[(header::ACCEPT_ENCODING, "gzip")]).await;
    assert_eq!(gzipped.header(header::CONTENT_ENCODING), "gzip");
    assert!(house.get(&format!("{path}?_HLS_part=1")).await.failed_as(400, "bad_directives"));
}

#[tokio::test]
async fn players_begin_where_they_are_told_and_a_date_that_is_none_is_refused() {
    let (house, _) = long(Access::Everyone, &uncounted()).await;
    let text = house.get("/hls/a-rewind.m3u8?from=1700000010500").await.text();
    assert!(text.contains("#EXT-X-START:TIME-OFFSET=10.5,PRECISE=YES\n"), "{text}");
    for odd in ["from=", "from=now", "from=1.5", "from=99999999999999999999"] {
        let answer = house.get(&format!("/hls/a-rewind.m3u8?{odd}")).await;
        assert!(answer.failed_as(400, "bad_date"), "{odd}");
    }
}

#[tokio::test]
async fn what_is_not_recorded_or_not_allowed_has_no_way_back() {
    let (house, _) = long(Access::Everyone, &Config { rewind_s: Some(0), ..uncounted() }).await;
    let folder = format!("/hls/a/{}", house.channel.epoch());
    for path in ["/hls/a-rewind.m3u8", &format!("{folder}/source-rewind.m3u8")] {
        assert!(house.get(path).await.failed_as(404, "no_rewind"), "{path}");
    }
    assert!(house.get(&format!("{folder}/1.m4s")).await.failed_as(404, "unknown_segment"));
    let (mut house, _) = long(Access::Everyone, &uncounted()).await;
    house.delivery.recordings = None;
    assert!(house.get("/hls/a-rewind.m3u8").await.failed_as(404, "no_rewind"));
    assert!(house.get("/hls/b-rewind.m3u8").await.failed_as(404, "unknown_live"));
}

#[tokio::test]
async fn going_back_in_a_private_live_takes_a_ticket_for_everything() {
    let (house, second) = long(Access::Ticket, &uncounted()).await;
    let (ticket, epoch) = (house.ticket(), house.channel.epoch());
    assert!(house.get("/hls/a-rewind.m3u8").await.failed_as(403, "no_ticket"));
    let multivariant = house.get(&format!("/hls/a-rewind.m3u8?ticket={ticket}")).await;
    let text = multivariant.text();
    assert_eq!(uris(&text), [format!("a/{epoch}/{ticket}/source-rewind.m3u8")]);
    for file in ["source-rewind.m3u8", "1.m4s", "init-0.mp4"] {
        let bare = house.get(&format!("/hls/a/{epoch}/{file}")).await;
        assert!(bare.failed_as(403, "no_ticket"), "{file}");
        let mine = house.get(&format!("/hls/a/{epoch}/{ticket}/{file}")).await;
        assert_eq!(mine.status, StatusCode::OK, "{file}");
        assert!(!mine.header(header::CACHE_CONTROL).contains("public"), "{file}");
    }
    let segment = house.get(&format!("/hls/a/{epoch}/{ticket}/1.m4s")).await;
    assert_eq!(segment.body.unwrap(), second);
}

#[tokio::test]
async fn who_goes_back_is_one_of_those_who_watch() {
    let (house, _) = long(Access::Everyone, &Config::default()).await;
    let viewers = || house.channel.viewers(tokio::time::Instant::now());
    let multivariant = house.get("/hls/a-rewind.m3u8").await.text();
    let list = uris(&multivariant)[0].to_owned();
    assert!(list.contains("?session="), "{list}");
    assert_eq!(viewers(), 0);
    house.get(&format!("/hls/{list}")).await;
    assert_eq!(viewers(), 1);
    // He is the same when he brings his session to the live, and back.
    let (_, session) = list.split_once('?').unwrap();
    let again = house.get(&format!("/hls/a.m3u8?{session}")).await.text();
    house.get(&format!("/hls/{}", uris(&again)[0])).await;
    assert_eq!(viewers(), 1);
}

#[tokio::test]
async fn who_went_back_comes_to_the_end_when_the_live_is_gone() {
    let (house, second) = long(Access::Everyone, &uncounted()).await;
    let folder = format!("/hls/a/{}", house.channel.epoch());
    house.get(&format!("{folder}/source-rewind.m3u8")).await;
    house.channel.end();
    let list = house.get(&format!("{folder}/source-rewind.m3u8")).await.text();
    let last = house.channel.state().last_msn.unwrap();
    let is_whole = list.contains(&format!("\n{last}.m4s\n"));
    assert!(is_whole || !list.ends_with(rewind::ENDLIST), "no end without the last segment");
    house.recorder.finished(house.channel.name()).await;
    let list = house.get(&format!("{folder}/source-rewind.m3u8")).await.text();
    assert!(list.ends_with(rewind::ENDLIST), "once the recording is finished");
    assert_eq!(uris(&list).len() as u64, last + 1);
    house.hub.close(house.channel.name());
    assert_eq!(house.get(&format!("{folder}/1.m4s")).await.body.unwrap(), second);
    assert_eq!(house.get(&format!("{folder}/init-0.mp4")).await.status, StatusCode::OK);
    for file in uris(&list) {
        assert_eq!(house.get(&format!("{folder}/{file}")).await.status, StatusCode::OK, "{file}");
    }
    assert!(house.get("/hls/a-rewind.m3u8").await.text().contains("../vod/a/"));
}
