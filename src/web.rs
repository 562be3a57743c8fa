//! The page, embedded in the binary: `web/dist`, each file with its `.br` and `.gz` twins; of the page of
//! the API the `.gz` alone.

mod preview;

use std::io::Write as _;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, request::Parts},
    response::{IntoResponse, Response},
    routing::get,
};
use hub::{Access, Hub};
use media::id::PlaybackName;
use rust_embed::{EmbeddedFile, RustEmbed};
use serde::Deserialize;

use preview::Preview;

/// What the page is called.
const NAME: &str = "CommuniConnect Live";

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/web/dist"]
#[allow_missing = true]
struct Dist;

/// Everything is ours alone; media source extensions hand the player a `blob:`, pictures may come from
/// a service that shrinks them, and what members brought from where the storage says, if it says so.
fn content_security_policy(public_base_url: Option<&str>, framed_by: &str) -> HeaderValue {
    let files = public_base_url.and_then(origin).map(|origin| format!(" {origin}"));
    let files = files.unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; \
         img-src 'self' https: data:{files}; media-src 'self' blob:{files}; connect-src 'self'{files}; \
         manifest-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'self'; \
         frame-ancestors {framed_by}"
    );
    // Without the files of a host that no header can hold.
    HeaderValue::from_str(&policy).unwrap_or_else(|_| content_security_policy(None, framed_by))
}

/// The scheme and host of an address; none where more than a host would be let in by it.
fn origin(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.authority()?.as_str();
    let is_host = host.bytes().all(|it| it.is_ascii_alphanumeric() || b"-.:[]".contains(&it));
    is_host.then(|| Some(format!("{}://{host}", uri.scheme_str()?)))?
}

/// What the page is served from.
#[derive(Clone)]
struct Page {
    hub: Hub,
    /// What the API tells anybody, the page may tell.
    api: Router,
    policy: HeaderValue,
    /// Of the player that other pages show.
    embedded_policy: HeaderValue,
}

impl Page {
    fn new(hub: Hub, api: Router, public_base_url: Option<&str>) -> Self {
        let policy = |framed_by| content_security_policy(public_base_url, framed_by);
        Self { hub, api, policy: policy("'self'"), embedded_policy: policy("*") }
    }

    fn answer(&self, path: &str, plain: EmbeddedFile, request: &HeaderMap) -> Response {
        let mut response = answer(path, plain, request);
        response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, self.policy.clone());
        response
    }
}

/// Files under `assets/` carry a hash of their content in their names.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// The rest may change with the next version: asked for again, answered by 304.
const REVALIDATE: HeaderValue = HeaderValue::from_static("no-cache");

const REFERRERS: HeaderValue = HeaderValue::from_static("strict-origin-when-cross-origin");

/// Where the API is shown to people; the document itself is at `/api/schema/`.
const DOCS: [&str; 2] = ["/api/docs", "/api/docs/"];

/// Serves the page: its files, `live.html` where a live is watched, and `index.html` for every other
/// path of its own. Both are the same page; the first names what a live needs, and tells programs what they show
/// of it where its address is shared. And the page of the API; and `/oembed`, for who embeds the player.
///
/// Files of members may come from `public_base_url`.
pub(crate) fn router(hub: Hub, api: Router, public_base_url: Option<&str>) -> Router {
    let page = Page::new(hub, api, public_base_url);
    let [docs, docs_with_slash] = DOCS;
    Router::new()
        .route_service(docs, get(show_docs).with_state(page.clone()))
        .route_service(docs_with_slash, get(show_docs).with_state(page.clone()))
        .route_service("/oembed", get(embed).with_state(page.clone()))
        .fallback_service(get(serve).with_state(page))
}

/// What a page asks that wants to show a live (oembed.com §2.2).
#[derive(Deserialize)]
struct Wanted {
    url: String,
    format: Option<String>,
    maxwidth: Option<u32>,
    maxheight: Option<u32>,
}

async fn embed(State(page): State<Page>, Query(wanted): Query<Wanted>, asked: Parts) -> Response {
    let anybody = (header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    let refused =
        |status: StatusCode, why: &'static str| (status, [anybody.clone()], why).into_response();
    if wanted.format.is_some_and(|format| format != "json") {
        return refused(StatusCode::NOT_IMPLEMENTED, "Seul le format json existe.");
    }
    let path =
        wanted.url.parse::<Uri>().ok().map(|url| url.path().trim_start_matches('/').to_owned());
    let Some(live) = path.and_then(|path| watched(&path)) else {
        return refused(StatusCode::NOT_FOUND, "Cette adresse n'est pas celle d'un direct.");
    };
    match Preview::of(page.api, &live, &asked).await {
        Ok(preview) => {
            ([anybody], Json(preview.embed(wanted.maxwidth, wanted.maxheight))).into_response()
        }
        // As the standard has it for what is not for everybody.
        Err(StatusCode::FORBIDDEN) => {
            refused(StatusCode::UNAUTHORIZED, "Ce direct n'est pas pour tout le monde.")
        }
        Err(StatusCode::NOT_FOUND) => refused(StatusCode::NOT_FOUND, "Ce direct n'existe pas."),
        Err(status) => refused(status, "Réessayez dans un instant."),
    }
}

async fn show_docs(State(page): State<Page>, request: HeaderMap) -> Response {
    let docs = "docs.html";
    Dist::get(docs).map_or_else(not_built, |plain| page.answer(docs, plain, &request))
}

async fn serve(State(page): State<Page>, asked: Parts) -> Response {
    let (path, request) = (asked.uri.path(), &asked.headers);
    let path = path.trim_start_matches('/');
    let is_file = path.rsplit('/').next().is_some_and(|name| name.contains('.'));
    if path.starts_with("api/")
        || path.starts_with("hls/")
        || path.starts_with("media/")
        || (is_file && Dist::get(path).is_none() && Dist::get(&format!("{path}.gz")).is_none())
    {
        return (StatusCode::NOT_FOUND, "Page introuvable.").into_response();
    }
    let watched = watched(path);
    let path = match watched {
        _ if is_file => path,
        Some(_) => "live.html",
        None => "index.html",
    };
    let Some(plain) = Dist::get(path) else {
        return packed(path).unwrap_or_else(not_built);
    };
    // The player of a live, and no other page of the site: whatever is in a frame of somebody else can be clicked on
    // by who takes it for something else.
    let is_embedded = watched.is_some() && !is_file && asked.uri.path().starts_with("/embed/");
    let preview = match &watched {
        Some(live) => Preview::of(page.api.clone(), live, &asked).await.ok(),
        None => None,
    };
    let mut response = match preview.zip(std::str::from_utf8(&plain.data).ok()) {
        Some((preview, html)) => filled(preview.fill(html), request),
        None => answer(path, plain, request),
    };
    let policy = if is_embedded { &page.embedded_policy } else { &page.policy };
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy.clone());
    if let Some(link) = watched.and_then(|live| early_playlist(&page.hub, &live)) {
        response.headers_mut().insert(header::LINK, link);
    }
    response
}

fn not_built() -> Response {
    let hint =
        "La page n'est pas dans ce binaire : construisez-la avec `make web`, puis recompilez.\n";
    (StatusCode::NOT_FOUND, hint).into_response()
}

/// A file that is embedded as `.gz` alone, for whoever asks: there is no browser that cannot read it.
fn packed(path: &str) -> Option<Response> {
    let file = Dist::get(&format!("{path}.gz"))?;
    let kind = if path.ends_with(".css") { "text/css" } else { "text/javascript" };
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (header::CONTENT_ENCODING, HeaderValue::from_static("gzip")),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::CACHE_CONTROL, FOREVER),
    ];
    Some((headers, file.data).into_response())
}

/// The live that is watched at `path` of the page, or of its player alone.
fn watched(path: &str) -> Option<PlaybackName> {
    path.strip_prefix("live/").or_else(|| path.strip_prefix("embed/"))?.parse().ok()
}

/// The page with what is told of a live in it: made for this request.
fn filled(html: String, request: &HeaderMap) -> Response {
    let mut response = ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], ()).into_response();
    let mut set = |name, value| _ = response.headers_mut().insert(name, value);
    set(header::CACHE_CONTROL, REVALIDATE);
    set(header::VARY, HeaderValue::from_static("accept-encoding"));
    set(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    set(header::REFERRER_POLICY, REFERRERS);
    if !names(request, header::ACCEPT_ENCODING, "gzip") {
        *response.body_mut() = html.into();
        return response;
    }
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    // Into memory nothing fails.
    let _ = packed.write_all(html.as_bytes());
    let packed = packed.finish().unwrap_or_default();
    set(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    *response.body_mut() = packed.into();
    response
}

/// Asks the browser for the playlist of a live while it still loads the page (RFC 8288; HTML, link type
/// `preload`): the player then finds it there, one round trip earlier. Not where there is none, or where
/// the page has to ask for a ticket first.
fn early_playlist(hub: &Hub, live: &PlaybackName) -> Option<HeaderValue> {
    hub.channel(live.as_str()).filter(|channel| channel.access() == Access::Everyone)?;
    let link = format!("</hls/{live}.m3u8>; rel=preload; as=fetch; crossorigin");
    HeaderValue::from_str(&link).ok()
}

fn answer(path: &str, plain: EmbeddedFile, request: &HeaderMap) -> Response {
    let mut etag = String::with_capacity(18);
    etag.push('"');
    for byte in plain.metadata.sha256_hash().iter().take(8) {
        etag.push_str(&format!("{byte:02x}"));
    }
    etag.push('"');
    let kind = plain.metadata.mimetype().to_owned();
    let mut headers = HeaderMap::new();
    let mut set = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    set(
        header::CONTENT_TYPE,
        &if kind.starts_with("text/") { format!("{kind}; charset=utf-8") } else { kind },
    );
    set(header::ETAG, &etag);
    set(header::VARY, "accept-encoding");
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    let caching = if path.starts_with("assets/") { FOREVER } else { REVALIDATE };
    headers.insert(header::CACHE_CONTROL, caching);
    headers.insert(header::REFERRER_POLICY, REFERRERS);
    if names(request, header::IF_NONE_MATCH, &etag) {
        return (StatusCode::NOT_MODIFIED, headers).into_response();
    }
    for (coding, suffix) in [("br", ".br"), ("gzip", ".gz")] {
        if names(request, header::ACCEPT_ENCODING, coding)
            && let Some(packed) = Dist::get(&format!("{path}{suffix}"))
        {
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(coding));
            return (headers, packed.data).into_response();
        }
    }
    (headers, plain.data).into_response()
}

/// Whether the comma-separated header `name` lists `item`, and not with a quality of zero.
fn names(request: &HeaderMap, name: header::HeaderName, item: &str) -> bool {
    request.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|list| {
        list.split(',').any(|entry| {
            let mut words = entry.split(';').map(str::trim);
            let listed = words.next().is_some_and(|word| word.trim_start_matches("W/") == item);
            let refused = words.any(|word| {
                word.strip_prefix("q=").and_then(|q| q.parse::<f32>().ok()) == Some(0.0)
            });
            listed && !refused
        })
    })
}

#[cfg(test)]
mod tests {
    use media::id::Epoch;
    use packager::Packager;

    use super::*;

    fn accept(value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_coding_is_used_only_when_the_client_takes_it() {
        assert!(names(&accept("gzip, br;q=0.9"), header::ACCEPT_ENCODING, "br"));
        assert!(!names(&accept("gzip, br;q=0"), header::ACCEPT_ENCODING, "br"));
        assert!(!names(&accept("gzip"), header::ACCEPT_ENCODING, "br"));
    }

    #[test]
    fn who_comes_to_watch_is_told_of_the_playlist_with_the_page() {
        let hub = Hub::new();
        for (name, access) in [("k3nw0d", Access::Everyone), ("secret", Access::Ticket)] {
            let name: PlaybackName = name.parse().expect("a name");
            let epoch = Epoch::from_random([1, 2, 3, 4, 5]);
            let packager = Packager::new(packager::Config::default(), name.clone(), epoch);
            hub.open(name, packager, access).expect("the first of its name");
        }
        let link = |path| watched(path).and_then(|live| early_playlist(&hub, &live));
        let playlist = "</hls/k3nw0d.m3u8>; rel=preload; as=fetch; crossorigin";
        assert_eq!(link("live/k3nw0d").expect("a live"), playlist);
        for path in ["", "live/", "live/%3E;x", "connexion", "live/nobody", "live/secret"] {
            assert_eq!(link(path), None, "{path}");
        }
    }

    #[test]
    fn files_of_members_may_come_from_where_the_storage_says_and_from_nowhere_else() {
        let policy =
            |url| content_security_policy(url, "'self'").to_str().expect("a text").to_owned();
        let own = policy(None);
        assert!(own.contains("media-src 'self' blob:;"), "{own}");
        let elsewhere = policy(Some("http://cdn.test:9000/files/"));
        assert!(elsewhere.contains("media-src 'self' blob: http://cdn.test:9000;"), "{elsewhere}");
        assert!(elsewhere.contains("img-src 'self' https: data: http://cdn.test:9000;"));
        // Recordings are fetched.
        assert!(elsewhere.contains("connect-src 'self' http://cdn.test:9000;"), "{elsewhere}");
        for odd in ["https://a;script-src *", "https://a b", "https://*", "nowhere"] {
            assert_eq!(policy(Some(odd)), own, "{odd}");
        }
    }

    #[tokio::test]
    async fn others_may_frame_the_player_of_a_live_and_nothing_else() {
        let framed_by = async |path: &str| {
            let page = Page::new(Hub::new(), Router::new(), None);
            let (asked, ()) = axum::http::Request::get(path).body(()).expect("a path").into_parts();
            let answer = serve(State(page), asked).await;
            let policy = answer.headers().get(header::CONTENT_SECURITY_POLICY).cloned();
            policy.map(|policy| policy.to_str().expect("a text").contains("frame-ancestors *"))
        };
        // Without a page in this binary there is nothing to frame.
        if let Some(player) = framed_by("/embed/k3nw0d").await {
            assert!(player);
            for path in ["/", "/live/k3nw0d", "/embed/", "/embed/a/b", "/embed/ABC", "/embed"] {
                assert_eq!(framed_by(path).await, Some(false), "{path}");
            }
        }
    }

    #[tokio::test]
    async fn a_missing_file_and_unknown_api_paths_are_not_the_page() {
        for path in ["/assets/no.js", "/api/none", "/hls/none", "/media/none"] {
            let page = Page::new(Hub::new(), Router::new(), None);
            let (asked, ()) = axum::http::Request::get(path).body(()).expect("a path").into_parts();
            let answer = serve(State(page), asked).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }
}
