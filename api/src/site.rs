//! The addresses under which the outside reaches this server.
//!
//! Here: every URL an answer holds. Not here: what is behind them.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use http::{
    header::HOST,
    request::Parts,
    uri::{Authority, Scheme},
};
use media::id::{PlaybackName, StreamKey};
use storage::Urls;

use crate::{
    address::Client,
    config::Config,
    error::Error,
    router::{Api, Shared},
};

/// The port an RTMP address means when it names none.
const RTMP_PORT: u16 = 1935;

/// The server as the client of one request sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// `https://live.example.org`, no slash at the end.
    http: String,
    /// `rtmp://live.example.org/live`.
    rtmp: String,
    /// Where stored files are.
    urls: Arc<Urls>,
}

impl Site {
    /// The server as all who listen together see it: without a configured address of its own, its
    /// files are named by their path alone. The host that one of them asked is not for the others.
    pub fn of_all(api: &Api) -> Self {
        let http = api.config.public_http_url.as_deref().unwrap_or_default();
        let http = http.trim_end_matches('/').to_owned();
        Self { http, rtmp: String::new(), urls: Arc::clone(api.storage.urls()) }
    }

    /// The multivariant playlist, fMP4; with the ticket of one viewer, where the live asks for one.
    pub fn hls(&self, name: &PlaybackName, ticket: Option<&str>) -> String {
        self.playlist(name, "", ticket)
    }

    /// The multivariant playlist, MPEG-TS; with a ticket likewise.
    pub fn hls_ts(&self, name: &PlaybackName, ticket: Option<&str>) -> String {
        self.playlist(name, "-ts", ticket)
    }

    /// The multivariant playlist of what viewers of a live may go back to; with a ticket likewise.
    pub fn hls_rewind(&self, name: &PlaybackName, ticket: Option<&str>) -> String {
        self.playlist(name, "-rewind", ticket)
    }

    /// The multivariant playlist of the recording of a live, by its playback name; with a ticket likewise.
    pub fn vod(&self, name: &str, ticket: Option<&str>) -> String {
        let query = ticket.map(|ticket| format!("?ticket={ticket}")).unwrap_or_default();
        format!("{}/vod/{name}/index.m3u8{query}", self.http)
    }

    /// The newest picture of a live, taken in this minute since 1970: what loaded it once need not again before
    /// another. With a ticket likewise.
    pub fn live_poster(&self, name: &PlaybackName, minute: u64, ticket: Option<&str>) -> String {
        let query = ticket.map(|ticket| format!("&ticket={ticket}")).unwrap_or_default();
        format!("{}/hls/{name}/poster.jpg?v={minute}{query}", self.http)
    }

    /// The poster of the recording of a live, by its playback name; with a ticket likewise.
    pub fn vod_poster(&self, name: &str, ticket: Option<&str>) -> String {
        let query = ticket.map(|ticket| format!("?ticket={ticket}")).unwrap_or_default();
        format!("{}/vod/{name}/poster.jpg{query}", self.http)
    }

    /// The page where a live is watched.
    pub fn watch(&self, name: &PlaybackName) -> String {
        format!("{}/live/{name}", self.http)
    }

    /// A stored file as it is shown, by its name: a picture in the size of a screen, where a service
    /// shrinks it.
    pub fn media(&self, name: &str) -> String {
        self.shrunk(name).unwrap_or_else(|| self.stored(name))
    }

    /// A stored file as it was brought.
    pub fn stored(&self, name: &str) -> String {
        self.urls.object(&self.http, name)
    }

    /// A stored picture in the size of a screen; `None` where no service shrinks it.
    pub fn shrunk(&self, name: &str) -> Option<String> {
        is_picture(name).then(|| self.urls.picture(&self.stored(name))).flatten()
    }

    /// A stored picture in a small size, as far as a service shrinks it.
    pub fn thumbnail(&self, name: &str) -> String {
        let stored = self.stored(name);
        self.urls.thumbnail(&stored).unwrap_or(stored)
    }

    /// Any path of this server.
    pub fn at(&self, path_and_query: &str) -> String {
        format!("{}{path_and_query}", self.http)
    }

    /// What an encoder calls the server.
    pub fn rtmp_server(&self) -> &str {
        &self.rtmp
    }

    /// Server and key in one, for encoders with one field. For the owner's eyes only.
    pub fn rtmp_url(&self, key: &StreamKey) -> String {
        format!("{}/{}", self.rtmp, key.reveal())
    }

    fn playlist(&self, name: &PlaybackName, kind: &str, ticket: Option<&str>) -> String {
        let query = ticket.map(|ticket| format!("?ticket={ticket}")).unwrap_or_default();
        format!("{}/hls/{name}{kind}.m3u8{query}", self.http)
    }

    fn of(config: &Config, urls: &Arc<Urls>, host: Option<&Authority>, is_https: bool) -> Self {
        let scheme = if is_https { "https" } else { "http" };
        let from_request = || match host {
            Some(host) => format!("{scheme}://{host}"),
            None => format!("{scheme}://localhost"),
        };
        let http = match &config.public_http_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => from_request(),
        };
        let rtmp_host = config.public_rtmp_host.clone().unwrap_or_else(|| hostname(&http));
        let rtmp = match config.public_rtmp_port {
            0 | RTMP_PORT => format!("rtmp://{rtmp_host}/live"),
            port => format!("rtmp://{rtmp_host}:{port}/live"),
        };
        Self { http, rtmp, urls: Arc::clone(urls) }
    }
}

impl FromRequestParts<Shared> for Site {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, api: &Shared) -> Result<Self, Error> {
        let client = Client::of(&parts.extensions, &parts.headers, &api.config.trusted_proxies);
        let urls = api.storage.urls();
        Ok(Self::of(&api.config, urls, host(parts).as_ref(), is_https(client, parts)))
    }
}

fn is_picture(name: &str) -> bool {
    name.parse::<storage::ObjectName>().is_ok_and(|name| name.kind().is_picture())
}

/// Whether the client speaks HTTPS: with its proxy, which says so, else with this server, which then
/// leaves a [`Scheme`] with the request.
fn is_https(client: Client, parts: &Parts) -> bool {
    let said = parts.headers.get("x-forwarded-proto").filter(|_| client.proxied);
    match said {
        Some(proto) => proto == "https",
        None => parts.extensions.get() == Some(&Scheme::HTTPS),
    }
}

/// The host the client asked for: `Host`, or `:authority` in HTTP/2. `None` for one that could not
/// stand in a URL.
fn host(parts: &Parts) -> Option<Authority> {
    let authority = match parts.headers.get(HOST) {
        Some(value) => value.to_str().ok()?.parse().ok()?,
        None => parts.uri.authority()?.clone(),
    };
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
    let text = authority.as_str();
    (!text.is_empty() && text.chars().all(is_plain)).then_some(authority)
}

/// The host of `scheme://host[:port]`, brackets included.
fn hostname(origin: &str) -> String {
    let authority = origin.split("//").nth(1).unwrap_or_default();
    authority
        .parse::<Authority>()
        .map_or_else(|_| "localhost".to_owned(), |authority| authority.host().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(config: Config, host: &str) -> Site {
        Site::of(&config, &Arc::default(), Some(&host.parse().unwrap()), false)
    }

    #[test]
    fn without_configuration_the_host_of_the_request_is_used() {
        let site = site(Config::default(), "192.168.1.7:8080");
        let name = "abc".parse().unwrap();
        assert_eq!(site.hls(&name, None), "http://192.168.1.7:8080/hls/abc.m3u8");
        let with_ticket = site.hls_ts(&name, Some("10ff"));
        assert_eq!(with_ticket, "http://192.168.1.7:8080/hls/abc-ts.m3u8?ticket=10ff");
        assert_eq!(site.rtmp_server(), "rtmp://192.168.1.7/live");
    }

    #[test]
    fn a_configured_address_is_used_whatever_was_asked() {
        let public_http_url = Some("https://live.example.org".to_owned());
        let config = Config { public_http_url, public_rtmp_port: 1936, ..Config::default() };
        let site = site(config, "evil.example");
        assert_eq!(site.watch(&"abc".parse().unwrap()), "https://live.example.org/live/abc");
        assert_eq!(site.rtmp_server(), "rtmp://live.example.org:1936/live");
    }

    #[test]
    fn encoders_may_have_a_host_of_their_own() {
        let config =
            Config { public_rtmp_host: Some("rtmp.example.org".to_owned()), ..Config::default() };
        assert_eq!(site(config, "example.org").rtmp_server(), "rtmp://rtmp.example.org/live");
    }

    #[test]
    fn the_scheme_is_the_one_the_client_itself_speaks() {
        let asked = |direct: Option<Scheme>, forwarded: Option<&str>, proxied: bool| {
            let mut request = http::Request::new(());
            direct.into_iter().for_each(|scheme| drop(request.extensions_mut().insert(scheme)));
            if let Some(proto) = forwarded {
                request.headers_mut().insert("x-forwarded-proto", proto.parse().unwrap());
            }
            let address = "192.0.2.1".parse().unwrap();
            is_https(Client { address, proxied }, &request.into_parts().0)
        };
        assert!(!asked(None, None, false));
        assert!(!asked(Some(Scheme::HTTP), None, false));
        assert!(asked(Some(Scheme::HTTPS), None, false));
        assert!(asked(None, Some("https"), true));
        assert!(!asked(None, Some("https"), false), "not a proxy we believe");
        assert!(!asked(Some(Scheme::HTTPS), Some("http"), true), "its proxy speaks TLS to us");
    }

    #[test]
    fn an_ipv6_host_keeps_its_brackets() {
        assert_eq!(site(Config::default(), "[::1]:8080").rtmp_server(), "rtmp://[::1]/live");
    }
}
