use http::{HeaderName, Request, StatusCode, header, request::Parts};
use hub::Access;

use crate::{
    Config,
    vod::tests::{Answer, House},
};

const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-for");

/// An address of the recording as a file.
fn address(house: &House) -> String {
    house.download("Fete-2026-11-27.mp4")
}

#[tokio::test]
async fn a_recording_is_had_as_a_file_whose_length_is_known_before() {
    for access in [Access::Everyone, Access::Ticket] {
        let house = House::over(access).await;
        let film = house.get(&address(&house)).await;
        assert_eq!(film.status, StatusCode::OK);
        let body = film.body.as_ref().unwrap();
        assert_eq!(film.header(header::CONTENT_LENGTH), body.len().to_string());
        assert_eq!(film.header(header::CONTENT_TYPE), "video/mp4");
        let name = "attachment; filename=\"Fete-2026-11-27.mp4\"";
        assert_eq!(film.header(header::CONTENT_DISPOSITION), name);
        assert_eq!(film.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff");
        assert_eq!(film.header(header::CACHE_CONTROL), "private, no-store");
        assert_eq!(film.header(header::ACCEPT_RANGES), "bytes");
        assert_eq!(&body[4..8], b"ftyp");
        assert!(body.len() > 3_000_000, "all 150 pictures");
        let head = house.head(&address(&house)).await;
        assert_eq!(head.header(header::CONTENT_LENGTH), body.len().to_string());
        assert!(head.body.unwrap().is_empty());
    }
}

#[tokio::test]
async fn ranges_of_a_file_put_together_are_the_file() {
    let house = House::over(Access::Everyone).await;
    let path = address(&house);
    let whole = house.get(&path).await;
    let (etag, body) = (whole.header(header::ETAG).to_owned(), whole.body.unwrap());
    assert!(etag.starts_with('"'), "strong, or no browser goes on: {etag}");
    let mut joined = Vec::new();
    for start in (0..body.len()).step_by(700_001) {
        let asked = format!("bytes={start}-{}", start + 700_000);
        let range = [(header::RANGE, asked.as_str()), (header::IF_RANGE, &etag)];
        let part = house.ask(&path, &range).await;
        assert_eq!(part.status, StatusCode::PARTIAL_CONTENT);
        let end = (start + 700_000).min(body.len() - 1);
        let said = format!("bytes {start}-{end}/{}", body.len());
        assert_eq!(part.header(header::CONTENT_RANGE), said);
        joined.extend_from_slice(&part.body.unwrap());
    }
    assert!(joined == body);
    let tail = house.ask(&path, &[(header::RANGE, "bytes=-100")]).await;
    assert_eq!(tail.body, Some(body.slice(body.len() - 100..)));
    let beyond = format!("bytes={}-", body.len());
    let beyond = house.ask(&path, &[(header::RANGE, &beyond)]).await;
    assert!(beyond.failed_as(416, "range_not_satisfiable"));
    let of_another = [(header::RANGE, "bytes=0-9"), (header::IF_RANGE, "\"0-0\"")];
    let other: Answer = house.ask(&path, &of_another).await;
    assert_eq!((other.status, other.body), (StatusCode::OK, Some(body)), "of another file: all");
    let known = house.ask(&path, &[(header::IF_NONE_MATCH, &etag)]).await;
    assert_eq!(known.status, StatusCode::NOT_MODIFIED);
}

#[tokio::test]
async fn nobody_has_a_file_without_an_address_that_was_given_for_it() {
    let house = House::over(Access::Everyone).await;
    let path = address(&house);
    let watching = house.ticket();
    for forged in [
        path.replace("Fete", "Foire"),
        path.replacen("/a/12", "/a/10", 1),
        format!("/vod/a/{watching}/Fete-2026-11-27.mp4"),
    ] {
        let refused = house.get(&forged).await;
        assert!(refused.failed_as(403, "no_ticket"), "{forged}");
        assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
    }
    for odd in [
        "/vod/a/Fete-2026-11-27.mp4",
        &path.replace("Fete", "%2e%2e"),
        &path.replace(".mp4", ".exe"),
    ] {
        assert!(house.get(odd).await.failed_as(404, "not_found"), "{odd}");
    }
    // What is good for a file plays nothing.
    let ticket = path.split('/').nth(3).unwrap();
    let private = House::over(Access::Ticket).await;
    let playlist = private.get(&format!("/vod/a/{ticket}/source.m3u8")).await;
    assert!(playlist.failed_as(403, "no_ticket"));
    let on_air = House::new(Access::Everyone);
    assert!(on_air.get(&address(&on_air)).await.failed_as(404, "not_finished"));
}

#[tokio::test]
async fn files_beyond_those_that_are_sent_at_once_are_told_to_come_again() {
    let house = House::over(Access::Everyone).await;
    let (path, places) = (address(&house), house.delivery.downloads.available_permits());
    let held = house.delivery.downloads.clone();
    let _held = held.try_acquire_many_owned(u32::try_from(places).unwrap()).unwrap();
    let refused = house.get(&path).await;
    assert!(refused.failed_as(503, "busy"));
    assert_eq!(refused.header(header::RETRY_AFTER), "5");
}

#[tokio::test]
async fn a_file_of_which_something_is_damaged_breaks_off_and_the_next_one_does_without() {
    let house = House::over(Access::Everyone).await;
    let path = address(&house);
    let whole = house.get(&path).await;
    house.damage(1);
    let broken = house.get(&path).await;
    assert_eq!((broken.status, broken.body), (StatusCode::OK, None), "it breaks off");
    let next = house.get(&path).await;
    let (len, before) = (next.body.as_ref().unwrap().len(), whole.body.as_ref().unwrap().len());
    assert!(len > 1_000_000 && len < before, "{len} of {before}");
    assert_ne!(next.header(header::ETAG), whole.header(header::ETAG));
}

#[tokio::test]
async fn an_address_has_so_many_files_on_their_way_and_others_have_theirs() {
    let mut house = House::over(Access::Everyone).await;
    let from = |address: &'static str| [(FORWARDED, address)];
    let client = |asked: &Parts| asked.headers[FORWARDED].to_str().unwrap().parse().unwrap();
    house.limit(Config { downloads_per_address: 2, ..Config::default() }, client);
    let path = address(&house);
    let begun = async |address| {
        let asked = Request::get(&path).header(FORWARDED, address).body(()).unwrap();
        house.delivery.answer(asked).await
    };
    // Neither is read to its end.
    let held = [begun("2001:db8::1").await, begun("2001:db8::2").await];
    assert!(held.iter().all(|it| it.status() == StatusCode::OK));
    let refused = house.ask(&path, &from("2001:db8::3")).await;
    assert!(refused.failed_as(429, "too_many_downloads"), "of one /64: {}", refused.status);
    assert_eq!(refused.header(header::RETRY_AFTER), "60");
    assert_eq!(refused.header(header::CACHE_CONTROL), "no-store");
    assert_eq!(house.ask(&path, &from("2001:db8:0:1::1")).await.status, StatusCode::OK);
    drop(held);
    assert_eq!(house.ask(&path, &from("2001:db8::3")).await.status, StatusCode::OK);
}
