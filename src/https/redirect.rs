//! Sends browsers from plain HTTP to HTTPS (308: a form is sent again as it was).

use axum::{
    Router,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header, uri::Authority},
    response::{IntoResponse as _, Response},
};

/// The port `https://` means when it names none.
const HTTPS_PORT: u16 = 443;

/// Answers every path. `public_url` is where the outside finds the server; without it, the host of
/// each request at `port`.
pub(crate) fn router(public_url: Option<&str>, port: u16) -> Router {
    let public = public_url.filter(|url| url.starts_with("https://"));
    let public = public.map(|url| url.trim_end_matches('/').to_owned());
    Router::new().fallback(move |uri: Uri, headers: HeaderMap| {
        let answer = location(public.as_deref(), port, &uri, &headers)
            .map_or_else(|| StatusCode::BAD_REQUEST.into_response(), to);
        async move { answer }
    })
}

fn to(location: HeaderValue) -> Response {
    (StatusCode::PERMANENT_REDIRECT, [(header::LOCATION, location)]).into_response()
}

/// The same thing over HTTPS. `None` where the host asked for could not stand in a URL.
fn location(
    public: Option<&str>,
    port: u16,
    uri: &Uri,
    headers: &HeaderMap,
) -> Option<HeaderValue> {
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let origin = match public {
        Some(public) => public.to_owned(),
        None => {
            let authority: Authority = match headers.get(header::HOST) {
                Some(host) => host.to_str().ok()?.parse().ok()?,
                None => uri.authority()?.clone(),
            };
            // A name before an `@` is not part of the host.
            let host = authority.host();
            if port == HTTPS_PORT {
                format!("https://{host}")
            } else {
                format!("https://{host}:{port}")
            }
        }
    };
    HeaderValue::try_from(format!("{origin}{path}")).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent_to(public: Option<&str>, port: u16, host: &'static str, path: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static(host));
        let location = location(public, port, &path.parse().expect("a path"), &headers)?;
        Some(location.to_str().expect("text").to_owned())
    }

    #[test]
    fn a_browser_finds_the_same_page_on_the_same_host() {
        let cases = [
            (443, "example.org:8080", "/live/a?x=1", "https://example.org/live/a?x=1"),
            (8443, "192.168.1.7:8080", "/", "https://192.168.1.7:8443/"),
            (8443, "[::1]:8080", "/", "https://[::1]:8443/"),
            (443, "evil.example@example.org", "/", "https://example.org/"),
        ];
        for (port, host, path, expected) in cases {
            assert_eq!(sent_to(None, port, host, path).as_deref(), Some(expected));
        }
    }

    #[test]
    fn the_public_address_is_used_whatever_was_asked() {
        let public = Some("https://live.example.org");
        let location = sent_to(public, 8443, "evil.example", "/live/a");
        assert_eq!(location.as_deref(), Some("https://live.example.org/live/a"));
    }

    #[test]
    fn a_host_that_cannot_stand_in_a_url_is_sent_nowhere() {
        assert_eq!(sent_to(None, 443, "a b", "/"), None);
    }
}
