use std::{io::Read, panic, thread};

use futures_util::FutureExt;
use media::{Kind, Sample, Track, codec::h264};

use tokio::task::yield_now;

use super::*;
use crate::{Hub, OpenError, Revoked};

/// Written by ffmpeg 5.1 (libx264 High@3.1, 1280x720 at 30 fps).
const AVCC: &[u8] = &[
    0x01, 0x64, 0x00, 0x1f, 0xff, 0xe1, 0x00, 0x1a, 0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0x50,
    0x05, 0xbb, 0x01, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00, 0x03, 0x03, 0xc0, 0xf1, 0x83,
    0x19, 0x60, 0x01, 0x00, 0x06, 0x68, 0xeb, 0xe3, 0xcb, 0x22, 0xc0,
];

fn track() -> Event {
    let config = h264::Config::parse(Bytes::from_static(AVCC)).unwrap();
    Event::TrackChanged(Arc::new(Track::h264(config)))
}

/// Pictures `numbers` of 30 a second, an IDR every two seconds.
fn pictures(numbers: std::ops::Range<i64>) -> Vec<Event> {
    numbers
        .map(|n| {
            let is_sync = n % 60 == 0;
            let nal = if is_sync { 0x65 } else { 0x41 };
            Event::Sample(Sample {
                kind: Kind::Video,
                dts_ticks: n * 3000,
                cts_ticks: 0,
                is_sync,
                data: Bytes::from(vec![0, 0, 0, 5, nal, 1, 2, 3, n as u8]),
            })
        })
        .collect()
}

fn name(text: &str) -> PlaybackName {
    text.parse().unwrap()
}

fn open(hub: &Hub, as_name: &str) -> Arc<Channel> {
    let epoch = Epoch::from_random([7; 5]);
    let packager = Packager::new(packager::Config::default(), name(as_name), epoch);
    hub.open(name(as_name), packager, Access::Everyone).unwrap()
}

/// A live of which `pictures` pictures have come.
fn live(count: i64) -> (Arc<Channel>, Publisher) {
    let channel = open(&Hub::new(), "a");
    let mut publisher = channel.claim(0);
    publisher.push(&mut vec![track()]).unwrap();
    publisher.push(&mut pictures(0..count)).unwrap();
    (channel, publisher)
}

fn text(channel: &Channel) -> String {
    let playlist = channel.media_playlist(Rendition::Source).unwrap();
    String::from_utf8(playlist.text().to_vec()).unwrap()
}

#[test]
fn a_name_is_open_once() {
    let hub = Hub::new();
    let first = open(&hub, "a");
    let packager =
        Packager::new(packager::Config::default(), name("a"), Epoch::from_random([8; 5]));
    assert_eq!(
        hub.open(name("a"), packager, Access::Everyone).unwrap_err(),
        OpenError::AlreadyOpen
    );
    assert!(Arc::ptr_eq(&hub.channel("a").unwrap(), &first));
}

#[test]
fn asking_for_unknown_names_leaves_no_state() {
    let hub = Hub::new();
    assert!((0..1000).all(|n| hub.channel(&n.to_string()).is_none()));
    assert_eq!(hub.held(), 0);
}

#[test]
fn closing_ends_the_live_and_frees_its_name() {
    let hub = Hub::new();
    let channel = open(&hub, "a");
    hub.close(&name("a"));
    hub.close(&name("a"));
    assert!(channel.state().ended);
    assert!(hub.channel("a").is_none());
    assert_eq!(hub.held(), 0);
    open(&hub, "a");
    assert_eq!(hub.held(), 1);
}

#[test]
fn a_full_hub_opens_no_more() {
    let hub = Hub::new();
    for n in 0..Hub::MAX_CHANNELS {
        open(&hub, &n.to_string());
    }
    let packager =
        Packager::new(packager::Config::default(), name("x"), Epoch::from_random([8; 5]));
    assert_eq!(hub.open(name("x"), packager, Access::Everyone).unwrap_err(), OpenError::Full);
    hub.close(&name("0"));
    open(&hub, "x");
}

#[test]
fn a_newer_claim_takes_over_at_once() {
    let (channel, mut old) = live(90);
    let revoked = old.revoked();
    let mut new = channel.claim(3_000);
    assert_eq!(revoked.now_or_never(), Some(Revoked::Superseded));
    assert!(matches!(old.push(&mut pictures(90..91)), Err(Error::Superseded)));
    assert_eq!(new.revoked().now_or_never(), None);
    new.push(&mut vec![track()]).unwrap();
    drop(old);
    assert!(channel.has_publisher());
    new.push(&mut pictures(0..1)).unwrap();
}

#[test]
fn sequence_numbers_go_on_across_a_takeover() {
    let (channel, _old) = live(90);
    let mut new = channel.claim(3_000);
    new.push(&mut vec![track()]).unwrap();
    new.push(&mut pictures(0..121)).unwrap();
    let text = text(&channel);
    assert_eq!(text.matches("#EXT-X-DISCONTINUITY\n").count(), 1, "{text}");
    for msn in 0..4 {
        assert_eq!(text.matches(&format!("\n{msn}.m4s")).count(), 1, "{text}");
    }
}

#[test]
fn a_publisher_that_goes_away_leaves_what_it_sent() {
    let (channel, publisher) = live(90);
    assert!(channel.state().published);
    drop(publisher);
    assert!(!channel.state().published && !channel.has_publisher());
    let text = text(&channel);
    assert!(text.contains("\n1.m4s") && !text.contains("ENDLIST"), "{text}");
}

#[test]
fn ending_closes_the_playlist_and_tells_the_publisher() {
    let (channel, mut publisher) = live(90);
    channel.end();
    let state = channel.state();
    channel.end();
    assert_eq!(channel.state(), state);
    assert!(state.ended && !state.published);
    assert!(text(&channel).ends_with("#EXT-X-ENDLIST\n"));
    assert_eq!(publisher.revoked().now_or_never(), Some(Revoked::Ended));
    let mut events = pictures(90..91);
    assert!(matches!(publisher.push(&mut events), Err(Error::Ended)));
    assert!(events.is_empty());
}

#[test]
fn a_suspended_live_is_closed_and_its_playlist_does_not_end() {
    let (channel, mut publisher) = live(90);
    let mut complete = channel.follow();
    complete.borrow_and_update();
    let before = channel.state();
    channel.suspend();
    let state = channel.state();
    assert!(state.suspended && state.is_final() && !state.ended && !state.published);
    assert!(state.last_msn > before.last_msn, "the open segment is listed");
    assert!(complete.borrow_and_update().ended, "who reads whole segments waits for no other");
    assert!(!text(&channel).contains("#EXT-X-ENDLIST"));
    assert_eq!(publisher.revoked().now_or_never(), Some(Revoked::Ended));
    assert!(matches!(publisher.push(&mut pictures(90..91)), Err(Error::Ended)));
    channel.gap(Duration::from_secs(60));
    let late = channel.claim(0);
    assert_eq!(late.revoked().now_or_never(), Some(Revoked::Ended));
    assert_eq!(channel.state(), state, "nothing changes any more");
}

#[test]
fn a_claim_on_an_ended_live_is_revoked_already() {
    let (channel, _publisher) = live(1);
    channel.end();
    let mut late = channel.claim(0);
    assert_eq!(late.revoked().now_or_never(), Some(Revoked::Ended));
    assert!(matches!(late.push(&mut vec![track()]), Err(Error::Ended)));
    assert!(!channel.has_publisher());
}

#[tokio::test]
async fn readers_are_woken_by_the_first_segment_and_not_before() {
    let (channel, mut publisher) = live(1);
    let mut watch = channel.watch(Awaited::Playlist);
    watch.mark_unchanged();
    // Without sound, pictures wait half a second for it; then the first part is the first segment.
    for n in 1..15 {
        publisher.push(&mut pictures(n..n + 1)).unwrap();
        yield_now().await;
    }
    assert!(!watch.has_changed().unwrap());
    assert_eq!(watch.borrow().edge, None);
    publisher.push(&mut pictures(15..16)).unwrap();
    watch.changed().await.unwrap();
    assert!(watch.borrow_and_update().edge.is_some());
    publisher.push(&mut pictures(16..22)).unwrap();
    watch.changed().await.unwrap();
}

#[tokio::test]
async fn a_publisher_wakes_one_task_however_many_wait() {
    let (channel, mut publisher) = live(61);
    let waiting: Vec<_> = (0..100).map(|_| channel.watch(Awaited::Playlist)).collect();
    assert_eq!((channel.watchers(), channel.state.receiver_count()), (100, 1));
    publisher.push(&mut pictures(61..91)).unwrap();
    for mut reader in waiting {
        let state = reader.wait_for(|state| *state == channel.state()).await.unwrap();
        assert_eq!(*state, channel.state());
    }
    assert_eq!(channel.watchers(), 0);
}

#[tokio::test]
async fn who_waits_for_a_part_is_told_before_who_waits_for_a_playlist() {
    let (channel, mut publisher) = live(61);
    let order = Arc::new(Mutex::new(Vec::new()));
    let readers = [Awaited::Playlist, Awaited::Media, Awaited::Playlist, Awaited::Media];
    let told: Vec<_> = readers
        .into_iter()
        .map(|awaited| {
            let (mut watch, order) = (channel.watch(awaited), Arc::clone(&order));
            watch.mark_unchanged();
            tokio::spawn(async move {
                watch.changed().await.unwrap();
                order.lock().unwrap().push(awaited);
            })
        })
        .collect();
    yield_now().await;
    publisher.push(&mut pictures(61..91)).unwrap();
    for reader in told {
        reader.await.unwrap();
    }
    use Awaited::{Media, Playlist};
    assert_eq!(*order.lock().unwrap(), [Media, Media, Playlist, Playlist]);
}

#[test]
fn a_playlist_is_rendered_once_until_it_changes() {
    let (channel, mut publisher) = live(61);
    let read = || channel.media_playlist(Rendition::Source).unwrap();
    let first = read();
    assert!(Arc::ptr_eq(&first, &read()));
    let ts = || channel.media_playlist(Rendition::SourceTs).unwrap();
    let first_ts = ts();
    publisher.push(&mut pictures(61..67)).unwrap();
    assert_ne!(first.text(), read().text(), "a part is news");
    assert_ne!(first.etag(), read().etag());
    assert!(Arc::ptr_eq(&first_ts, &ts()), "where parts are listed");
    publisher.push(&mut pictures(67..121)).unwrap();
    assert_ne!(first_ts.etag(), ts().etag());
}

#[test]
fn an_entity_tag_tells_what_is_listed_and_not_when_it_was_first_read() {
    // The second has parts of the next segment already, which this rendition does not list.
    let lives = [61, 90].map(live);
    let [early, late] = [0, 1].map(|at| lives[at].0.media_playlist(Rendition::SourceTs).unwrap());
    assert_eq!(early.text(), late.text());
    assert_eq!(early.etag(), late.etag());
}

#[test]
fn a_later_claim_has_a_greater_number() {
    let (channel, old) = live(1);
    let new = channel.claim(3_000);
    assert!(old.claim() < new.claim());
    channel.end();
    assert!(new.claim() < channel.claim(6_000).claim());
}

#[test]
fn the_renditions_have_playlists_of_their_own() {
    let (channel, _publisher) = live(61);
    let [fmp4, ts] = [Rendition::Source, Rendition::SourceTs].map(|rendition| {
        let media = channel.media_playlist(rendition).unwrap();
        let multivariant = channel.multivariant_playlist(rendition).unwrap();
        (media.text().clone(), multivariant.text().clone())
    });
    assert_ne!(fmp4.0, ts.0);
    assert_ne!(fmp4.1, ts.1);
}

#[test]
fn gzip_gives_the_text_back_and_is_made_once() {
    let (channel, _publisher) = live(61);
    let playlist = channel.media_playlist(Rendition::SourceTs).unwrap();
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(&playlist.gzip()[..]).read_to_end(&mut plain).unwrap();
    assert_eq!(plain, playlist.text()[..]);
    assert_eq!(playlist.gzip().as_ptr(), playlist.gzip().as_ptr());
}

#[test]
fn a_panic_of_the_packager_ends_this_live_alone() {
    let hub = Hub::new();
    let (broken, healthy) = (open(&hub, "a"), open(&hub, "b"));
    let mut publisher = broken.claim(0);
    publisher.push(&mut vec![track()]).unwrap();
    publisher.push(&mut pictures(0..90)).unwrap();
    let attempt = broken.lock().attempt(|_| panic::panic_any("a defect"));
    assert!(matches!(attempt, Err(Error::Failed)));
    assert!(matches!(publisher.push(&mut pictures(90..91)), Err(Error::Failed)));
    assert_eq!(publisher.revoked().now_or_never(), Some(Revoked::Ended));
    assert!(text(&broken).ends_with("#EXT-X-ENDLIST\n"));
    healthy.claim(0).push(&mut vec![track()]).unwrap();
    assert!(!healthy.state().ended);
}

#[test]
fn a_packager_that_cannot_finish_leaves_its_last_playlist_closed() {
    let (channel, _publisher) = live(90);
    let before = text(&channel);
    channel.lock().frozen = true;
    let (listed, _hint) = before.split_once("#EXT-X-PRELOAD-HINT").unwrap();
    assert_eq!(text(&channel), format!("{listed}#EXT-X-ENDLIST\n"));
    assert_eq!(text(&channel), format!("{listed}#EXT-X-ENDLIST\n"), "once");
    let multivariant = channel.multivariant_playlist(Rendition::Source);
    assert!(multivariant.is_none(), "nobody had asked for it");
}

#[test]
fn a_poisoned_lock_is_taken_all_the_same() {
    let (channel, mut publisher) = live(61);
    let poisoner = Arc::clone(&channel);
    let panicked = thread::spawn(move || {
        let _inner = poisoner.lock();
        panic::resume_unwind(Box::new("a reader's defect"));
    });
    assert!(panicked.join().is_err());
    publisher.push(&mut pictures(61..62)).unwrap();
    assert!(channel.media_playlist(Rendition::Source).is_some());
}

#[test]
fn readers_beside_a_publisher_see_sequence_numbers_grow() {
    let (channel, mut publisher) = live(61);
    thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut newest = 0;
                while !channel.state().ended {
                    let edge = channel.state().edge.unwrap();
                    assert!(edge.msn >= newest);
                    newest = edge.msn;
                    channel.media_playlist(Rendition::Source).unwrap().gzip();
                    thread::yield_now();
                }
            });
        }
        let pushed = (61..1200).try_for_each(|n| publisher.push(&mut pictures(n..n + 1)).map(drop));
        channel.end();
        pushed.unwrap();
    });
    // The first part, then every two seconds.
    assert_eq!(channel.report().segments_total, 21);
}

#[test]
fn a_reader_of_whole_segments_is_told_of_these_and_of_the_end_and_hurries_nobody() {
    let (channel, mut publisher) = live(70);
    let mut complete = channel.follow();
    let first = *complete.borrow_and_update();
    assert_eq!(first, Complete { last_msn: channel.state().last_msn, ended: false });
    assert_eq!(channel.watchers(), 0);
    let edge = channel.state().edge;
    publisher.push(&mut pictures(70..110)).unwrap();
    assert!(channel.state().edge > edge, "parts came");
    assert!(!complete.has_changed().unwrap(), "which are nothing to it");
    publisher.push(&mut pictures(110..130)).unwrap();
    assert!(complete.has_changed().unwrap());
    assert!(complete.borrow_and_update().last_msn > first.last_msn);
    channel.end();
    assert!(complete.borrow_and_update().ended);
}
