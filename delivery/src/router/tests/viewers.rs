//! Who is counted as watching, and until when.

use std::time::Duration;

use super::*;

/// A server that counts, whose live can be played.
fn counting() -> (House, Publisher) {
    let house = House::with(Config::default());
    let publisher = house.publish(4_500);
    (house, publisher)
}

impl House {
    fn viewers(&self) -> usize {
        self.channel.viewers(Instant::now())
    }

    /// The URIs of the media playlists that a viewer finds at `path`.
    async fn offered(&self, path: &str) -> Vec<String> {
        let playlist = self.get(path).await;
        let playlist = m3u8_rs::parse_master_playlist_res(&playlist.body).unwrap();
        playlist.variants.iter().map(|variant| format!("/hls/{}", variant.uri)).collect()
    }

    /// The first media playlist of a viewer who has just come.
    async fn newcomer(&self) -> String {
        self.offered("/hls/a.m3u8").await.remove(0)
    }
}

#[tokio::test]
async fn each_viewer_is_counted_once_whatever_he_plays() {
    let (house, _publisher) = counting();
    for path in ["/hls/a.m3u8", "/hls/a-audio.m3u8", "/hls/a-ts.m3u8"] {
        let before = house.viewers();
        for uri in house.offered(path).await {
            for _ in 0..2 {
                assert_eq!(house.get(&uri).await.status, StatusCode::OK, "{uri}");
            }
        }
        assert_eq!(house.viewers(), before + 1, "{path}");
    }
}

#[tokio::test]
async fn a_viewer_who_asks_again_under_his_session_stays_the_same() {
    let (house, _publisher) = counting();
    let own = house.newcomer().await;
    let (_, session) = own.split_once('?').unwrap();
    assert_eq!(house.newcomer().await.split_once('?').unwrap().0, own.split_once('?').unwrap().0);
    assert_eq!(house.offered(&format!("/hls/a.m3u8?{session}")).await[0], own);
    assert_ne!(house.newcomer().await, own);
}

#[tokio::test]
async fn who_has_read_the_multivariant_playlist_alone_does_not_watch() {
    let (house, _publisher) = counting();
    house.newcomer().await;
    assert_eq!(house.viewers(), 0);
}

#[tokio::test]
async fn a_session_nobody_gave_is_served_and_not_counted() {
    let (house, _publisher) = counting();
    let plain = house.get(&house.path("source.m3u8")).await;
    for odd in ["", "session", "session=", "session=%00", &format!("session={}", "0".repeat(32))] {
        let answer = house.get(&house.path(&format!("source.m3u8?{odd}"))).await;
        assert_eq!((answer.status, &answer.body), (StatusCode::OK, &plain.body), "{odd}");
        assert_eq!(answer.header("cache-control"), plain.header("cache-control"), "{odd}");
    }
    assert_eq!(house.viewers(), 0);
}

#[tokio::test]
async fn all_viewers_share_one_media_playlist_and_the_urls_in_it() {
    let (house, _publisher) = counting();
    let (one, other) = (house.newcomer().await, house.newcomer().await);
    let (one, other) = (house.get(&one).await, house.get(&other).await);
    assert_eq!(one.body, other.body);
    assert_eq!(one.body.as_ptr(), other.body.as_ptr(), "one rendering");
    assert_eq!(one.header("etag"), other.header("etag"));
    assert!(!one.text().contains("session"));
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_asks_for_nothing_more_has_left_after_a_while() {
    let (house, _publisher) = counting();
    let (one, other) = (house.newcomer().await, house.newcomer().await);
    house.get(&one).await;
    house.get(&other).await;
    tokio::time::advance(Duration::from_secs(6)).await;
    house.get(&one).await;
    assert_eq!(house.viewers(), 2);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(house.viewers(), 1);
    tokio::time::advance(Duration::from_secs(6)).await;
    assert_eq!(house.viewers(), 0);
    house.get(&one).await;
    assert_eq!(house.viewers(), 1, "and may come back");
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_is_made_to_wait_is_there() {
    let config = packager::Config { segment_target_ms: 6_000, ..packager::Config::default() };
    let house = House::packaging(Config::default(), config);
    let _publisher = house.publish(4_500);
    let asking = format!("{}&_HLS_msn=2", house.newcomer().await);
    let mut asking = house.ask(Method::GET, &asking, &[]);
    assert!((&mut asking).now_or_never().is_none());
    let target = house.channel.targets().unwrap().segment;
    let waited = Instant::now();
    assert_eq!(asking.await.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(waited.elapsed(), target * BLOCKED_TARGETS);
    assert_eq!(house.viewers(), 1);
    tokio::time::advance(Duration::from_secs(9)).await;
    assert_eq!(house.viewers(), 1, "from when he was answered");
}

#[tokio::test]
async fn nobody_watches_a_live_that_has_ended() {
    let (house, _publisher) = counting();
    let own = house.newcomer().await;
    house.get(&own).await;
    assert_eq!(house.viewers(), 1);
    house.channel.end();
    assert_eq!(house.viewers(), 0);
    assert_eq!(house.get(&own).await.status, StatusCode::OK);
    assert_eq!(house.viewers(), 0);
}

#[tokio::test]
async fn a_playlist_of_ones_own_is_kept_by_nobody() {
    let (house, _publisher) = counting();
    let own = house.get("/hls/a.m3u8").await;
    assert_eq!(own.header("cache-control"), "private, no-store");
    let packed = house.get_with("/hls/a.m3u8", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.header("content-encoding"), "gzip");
    assert_ne!(own.header("etag"), packed.header("etag"), "another viewer");
}

#[tokio::test]
async fn where_nobody_is_counted_playlists_are_shared_and_kept() {
    let (house, _publisher) = House::with_media();
    let playlist = house.get("/hls/a.m3u8").await;
    assert_eq!(playlist.header("cache-control"), "public, max-age=1");
    assert!(!playlist.text().contains('?'));
    house.get(&house.newcomer().await).await;
    assert_eq!(house.viewers(), 0);
}
