//! Private lives: who brings a ticket plays, and nobody else is told anything.

use super::*;

/// Where nobody is counted, so that a URL holds a ticket alone.
fn private() -> (House, Publisher) {
    let config = Config { count_viewers: false, ..Config::default() };
    private_with(config)
}

fn private_with(config: Config) -> (House, Publisher) {
    let house = House::build(config, packager::Config::default(), Access::Ticket);
    let publisher = house.publish(4_500);
    (house, publisher)
}

/// A ticket of the house, given at a Unix time.
fn ticket_at(config: &Config, name: &str, at_s: u64) -> String {
    let tickets = Tickets::new(config, &Keys::derive(b"secret"));
    tickets.give(&name.parse().unwrap(), "192.0.2.1".parse().unwrap(), at_s).to_string()
}

fn ticket(name: &str) -> String {
    ticket_at(&Config::default(), name, now_s())
}

/// One URL of each kind, under a ticket or, where it is empty, without.
fn every_kind(house: &House, ticket: &str) -> Vec<String> {
    let folder = if ticket.is_empty() { String::new() } else { format!("{ticket}/") };
    let query = if ticket.is_empty() { String::new() } else { format!("?ticket={ticket}") };
    let multivariant =
        ["", "-ts", "-audio"].map(|rendition| format!("/hls/a{rendition}.m3u8{query}"));
    let below = ["source.m3u8", "source-ts.m3u8", "audio.m3u8", "init-0.mp4", "audio-init-0.mp4"];
    let media = ["1.m4s", "1.ts", "audio-1.m4s", "1.0.m4s", "audio-1.0.m4s"];
    let below = below.into_iter().chain(media).map(|file| house.path(&format!("{folder}{file}")));
    multivariant.into_iter().chain(below).collect()
}

#[tokio::test]
async fn who_brings_a_ticket_is_served_everything_and_no_shared_cache_keeps_it() {
    let (house, _publisher) = private();
    for url in every_kind(&house, &ticket("a")) {
        let answer = house.get(&url).await;
        assert_eq!(answer.status, StatusCode::OK, "{url}: {}", answer.text());
        assert!(answer.header("cache-control").starts_with("private, "), "{url}");
    }
}

/// [`Answer::read`] checks CORS on each.
#[tokio::test]
async fn without_a_good_ticket_everything_is_refused() {
    let (house, _publisher) = private();
    let expired = ticket_at(&Config::default(), "a", now_s() - 12 * 3_600 - 1);
    let forged = format!("{}00", &ticket("a")[..40]);
    for bad in ["", &expired, &forged, &ticket("b")] {
        for url in every_kind(&house, bad) {
            let answer = house.get(&url).await;
            assert_eq!(answer.status, StatusCode::FORBIDDEN, "{url}");
            assert_eq!(
                (&*answer.code(), answer.header("cache-control")),
                ("no_ticket", "no-store")
            );
        }
    }
    let nothing = house.get("/hls/a/otherepo/99.m4s").await;
    assert_eq!(nothing.code(), "no_ticket", "not even what there is not is told");
    let head = Answer::read(house.ask(Method::HEAD, "/hls/a.m3u8", &[]).await).await;
    assert_eq!(head.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_player_finds_everything_under_his_ticket_in_playlists_that_all_share() {
    let (house, _publisher) = private_with(Config::default());
    let [one, other] = [now_s(), now_s() + 1].map(|at_s| ticket_at(&Config::default(), "a", at_s));
    let mut texts = Vec::new();
    for ticket in [one, other] {
        let own = house.get(&format!("/hls/a.m3u8?ticket={ticket}")).await;
        let own = m3u8_rs::parse_master_playlist_res(&own.body).unwrap();
        let uri = format!("/hls/{}", own.variants[0].uri);
        assert!(uri.contains(&format!("/{ticket}/source.m3u8?session=")), "{uri}");
        let media = house.get(&uri).await;
        assert_eq!(media.status, StatusCode::OK);
        let listed = m3u8_rs::parse_media_playlist_res(&media.body).unwrap();
        let (folder, _) = uri.rsplit_once('/').unwrap();
        let segment = house.get(&format!("{folder}/{}", listed.segments[0].uri)).await;
        assert_eq!(segment.status, StatusCode::OK);
        texts.push(media.body);
    }
    assert_eq!(texts[0].as_ptr(), texts[1].as_ptr(), "one rendering");
    assert_eq!(house.channel.viewers(Instant::now()), 2);
}

#[tokio::test]
async fn a_ticket_has_one_place_in_a_url() {
    let (house, _publisher) = private();
    let ticket = ticket("a");
    let answer = house.get(&house.path(&format!("source.m3u8?ticket={ticket}"))).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "what it names would have none");
}

#[tokio::test]
async fn a_public_live_knows_no_tickets() {
    let (house, _publisher) = House::with_media();
    for file in ["source.m3u8", "1.m4s", "1.ts", "init-0.mp4"] {
        let answer = house.get(&house.path(&format!("{}/{file}", ticket("a")))).await;
        assert_eq!(
            (answer.status, &*answer.code()),
            (StatusCode::NOT_FOUND, "not_found"),
            "{file}"
        );
    }
    let plain = house.get("/hls/a.m3u8").await;
    let asked = house.get(&format!("/hls/a.m3u8?ticket={}", ticket("a"))).await;
    assert_eq!((asked.status, asked.body), (StatusCode::OK, plain.body));
}

#[tokio::test]
async fn what_a_private_live_does_not_have_is_told_to_its_viewers_and_kept_by_nobody() {
    let (house, _publisher) = private();
    let answer = house.get(&house.path(&format!("{}/99.m4s", ticket("a")))).await;
    assert_eq!((answer.status, &*answer.code()), (StatusCode::NOT_FOUND, "unknown_segment"));
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn a_bound_ticket_is_good_from_where_it_was_given() {
    let config = Config { ticket_binds_address: true, ..Config::default() };
    let (house, _publisher) = private_with(config.clone());
    let url = house.path(&format!("{}/1.m4s", ticket_at(&config, "a", now_s())));
    for (address, status) in [("192.0.2.1", StatusCode::OK), ("192.0.2.2", StatusCode::FORBIDDEN)] {
        let peer = SocketAddr::new(address.parse().unwrap(), 4711);
        let request = http::Request::get(&url).extension(ConnectInfo(peer));
        let request = request.body(Body::empty()).unwrap();
        let answer = house.delivery.answer(request).await;
        assert_eq!(answer.status(), status, "{address}");
    }
    assert_eq!(house.get(&url).await.status, StatusCode::FORBIDDEN, "nobody knows from where");
}
