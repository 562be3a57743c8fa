//! What a live looks like where its address is shared: in a message, in a feed, on another page.
//!
//! Here: the tags of Open Graph (ogp.me) and the answer of oEmbed (oembed.com), made of what the API tells
//! anybody: a live that is not for everybody has neither. Not here: the page that they lead to (`web`).

use std::{fmt::Write as _, time::Duration};

use axum::{
    Router,
    body::{Body, to_bytes},
    http::{HeaderName, Request, StatusCode, Uri, header, request::Parts},
};
use media::id::PlaybackName;
use serde::{Deserialize, Serialize};
use tower::Service as _;

/// The page comes without a preview rather than later.
const PATIENCE: Duration = Duration::from_secs(1);

/// What the API tells of a live is a few hundred bytes, and its texts have limits.
const ANSWER_MAX: usize = 256 * 1024;

/// What decides under which address the server was asked, and for whom.
const ORIGIN: [HeaderName; 3] = [
    header::HOST,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// The size of an embedded player that nobody limits, in pixels.
const SIZE: (u32, u32) = (640, 360);

/// A live, for who has not opened it yet.
#[derive(Debug)]
pub(super) struct Preview {
    /// `https://live.example.org`.
    origin: String,
    name: PlaybackName,
    live: Told,
}

/// A live as the API tells of it.
#[derive(Debug, Deserialize)]
struct Told {
    title: String,
    description: String,
    status: String,
    hls_url: String,
    thumbnail_url: Option<String>,
    author: Author,
    recording: Option<Recording>,
}

#[derive(Debug, Deserialize)]
struct Author {
    first_name: String,
    last_name: String,
}

#[derive(Debug, Deserialize)]
struct Recording {
    thumbnail_url: Option<String>,
}

/// What oEmbed answers for a video (§2.3.4.2).
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Embed {
    r#type: &'static str,
    version: &'static str,
    provider_name: &'static str,
    provider_url: String,
    title: String,
    author_name: String,
    html: String,
    width: u32,
    height: u32,
}

impl Preview {
    /// Asks the API for a live as `asked` came to the server, without what says who asks.
    ///
    /// # Errors
    /// The status it answers with; 504 when it does not in time.
    pub async fn of(
        mut api: Router,
        name: &PlaybackName,
        asked: &Parts,
    ) -> Result<Self, StatusCode> {
        let authority = asked.uri.authority().map(|host| format!("http://{host}"));
        let uri = format!("{}/api/lives/{name}", authority.unwrap_or_default());
        let mut request = Request::new(Body::empty());
        *request.uri_mut() = uri.parse().unwrap_or_else(|_| Uri::default());
        *request.extensions_mut() = asked.extensions.clone();
        for name in ORIGIN {
            for value in asked.headers.get_all(&name) {
                request.headers_mut().append(&name, value.clone());
            }
        }
        let answer = tokio::time::timeout(PATIENCE, api.call(request)).await;
        let Ok(answer) = answer.map_err(|_| StatusCode::GATEWAY_TIMEOUT)?;
        if answer.status() != StatusCode::OK {
            return Err(answer.status());
        }
        let body = to_bytes(answer.into_body(), ANSWER_MAX).await;
        let live = body.ok().and_then(|body| serde_json::from_slice::<Told>(&body).ok());
        let live = live.ok_or(StatusCode::BAD_GATEWAY)?;
        let (origin, _) = live.hls_url.split_once("/hls/").ok_or(StatusCode::BAD_GATEWAY)?;
        Ok(Self { origin: origin.to_owned(), name: name.clone(), live })
    }

    /// `page` with the tags of this live in its head.
    pub fn fill(&self, page: &str) -> String {
        let title = self.title();
        let named = format!("<title>{} · {}</title>", escaped(&title), super::NAME);
        let page = page.replacen(&format!("<title>{}</title>", super::NAME), &named, 1);
        page.replacen("</head>", &format!("{}</head>", self.tags(&title)), 1)
    }

    fn tags(&self, title: &str) -> String {
        let Self { origin, name, .. } = self;
        let watch = self.watch();
        let text = self.text();
        let mut tags = vec![
            ("og:site_name", super::NAME),
            ("og:locale", "fr_FR"),
            ("og:type", "video.other"),
            ("og:title", title),
            ("og:description", &text),
            ("og:url", &watch),
            ("twitter:card", "summary_large_image"),
        ];
        if let Some(picture) = self.picture() {
            tags.extend([("og:image", picture), ("og:image:alt", title)]);
        }
        let mut head = String::new();
        for (property, content) in tags {
            let _ =
                writeln!(head, "<meta property=\"{property}\" content=\"{}\">", escaped(content));
        }
        let _ = writeln!(head, "<link rel=\"canonical\" href=\"{}\">", escaped(&watch));
        let _ = writeln!(
            head,
            "<link rel=\"alternate\" type=\"application/json+oembed\" \
             href=\"{}/oembed?url={}/live/{name}\" title=\"{}\">",
            escaped(origin),
            escaped(origin),
            escaped(title),
        );
        head
    }

    /// What oEmbed answers for a place of at most so many pixels.
    pub fn embed(&self, max_width: Option<u32>, max_height: Option<u32>) -> Embed {
        let (width, height) = fitted(max_width, max_height);
        let src = format!("{}/embed/{}", self.origin, self.name);
        Embed {
            r#type: "video",
            version: "1.0",
            provider_name: super::NAME,
            provider_url: self.origin.clone(),
            title: self.title(),
            author_name: self.author(),
            html: format!(
                "<iframe src=\"{}\" title=\"{}\" width=\"{width}\" height=\"{height}\" \
                 allow=\"autoplay; fullscreen; picture-in-picture\" allowfullscreen \
                 style=\"border:0\"></iframe>",
                escaped(&src),
                escaped(&self.title()),
            ),
            width,
            height,
        }
    }

    fn title(&self) -> String {
        let title = &self.live.title;
        match (self.live.status.as_str(), &self.live.recording) {
            ("live" | "interrupted", _) => format!("EN DIRECT : {title}"),
            ("ended", Some(_)) => format!("À revoir : {title}"),
            ("ended", None) => format!("Direct terminé : {title}"),
            _ => format!("Bientôt en direct : {title}"),
        }
    }

    fn text(&self) -> String {
        let description = &self.live.description;
        // Not where he lives: what others were told once they keep.
        let all = [self.author(), description.clone()];
        let all: Vec<_> = all.iter().filter(|it| !it.is_empty()).map(String::as_str).collect();
        all.join(" · ").chars().take(300).collect()
    }

    fn author(&self) -> String {
        let Author { first_name, last_name, .. } = &self.live.author;
        format!("{first_name} {last_name}").trim().to_owned()
    }

    fn picture(&self) -> Option<&str> {
        let recording = self.live.recording.as_ref();
        self.live
            .thumbnail_url
            .as_deref()
            .or_else(|| recording?.thumbnail_url.as_deref())
            .filter(|url| url.contains("://"))
    }

    fn watch(&self) -> String {
        format!("{}/live/{}", self.origin, self.name)
    }
}

/// The largest size of [`SIZE`]'s shape within these; never none at all.
fn fitted(max_width: Option<u32>, max_height: Option<u32>) -> (u32, u32) {
    let (width, height) = SIZE;
    let by_height = max_height.map(|most| most.min(height) * width / height);
    let width = width.min(max_width.unwrap_or(width)).min(by_height.unwrap_or(width)).max(1);
    (width, (width * height / SIZE.0).max(1))
}

/// `text` between tags or within quotes (HTML, "escaping a string").
fn escaped(text: &str) -> String {
    let mut html = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c if c.is_control() => html.push(' '),
            c => html.push(c),
        }
    }
    html
}

#[cfg(test)]
mod tests {
    use axum::{Json, routing::get};
    use serde_json::{Value, json};

    use super::*;

    fn told(status: &str, recording: Value) -> Value {
        json!({
            "playback_name": "k3nw0d", "title": "Fête \"<b>\" & co", "description": "À Nongo",
            "status": status, "hls_url": "https://direct.test/hls/k3nw0d.m3u8",
            "thumbnail_url": (status == "live").then_some("https://direct.test/hls/k3nw0d/poster.jpg?v=1"),
            "author": { "first_name": "Aïssatou", "last_name": "Baldé" },
            "recording": recording,
        })
    }

    async fn preview(live: Value) -> Result<Preview, StatusCode> {
        let api = Router::new().route("/api/lives/{name}", get(async move || Json(live)));
        let (asked, ()) = Request::new(()).into_parts();
        Preview::of(api, &"k3nw0d".parse().expect("a name"), &asked).await
    }

    #[tokio::test]
    async fn a_shared_live_shows_its_picture_and_that_it_is_on() {
        let page = "<head><title>CommuniConnect Live</title></head><body>";
        let page = preview(told("live", json!(null))).await.expect("a live").fill(page);
        for tag in [
            "<title>EN DIRECT : Fête &quot;&lt;b&gt;&quot; &amp; co · CommuniConnect Live</title>",
            "property=\"og:title\" content=\"EN DIRECT : Fête &quot;&lt;b&gt;&quot; &amp; co\"",
            "property=\"og:description\" content=\"Aïssatou Baldé · À Nongo\"",
            "property=\"og:image\" content=\"https://direct.test/hls/k3nw0d/poster.jpg?v=1\"",
            "property=\"og:url\" content=\"https://direct.test/live/k3nw0d\"",
            "href=\"https://direct.test/oembed?url=https://direct.test/live/k3nw0d\"",
        ] {
            assert!(page.contains(tag), "{tag} in {page}");
        }
        assert!(page.ends_with("</head><body>") && !page.contains("<b>"));
    }

    #[tokio::test]
    async fn a_live_that_is_over_is_shown_as_such() {
        let title = async |live| preview(live).await.expect("a live").title();
        let kept = json!({ "thumbnail_url": "https://direct.test/vod/k3nw0d/poster.jpg" });
        assert!(title(told("ended", kept.clone())).await.starts_with("À revoir : "));
        assert!(title(told("ended", json!(null))).await.starts_with("Direct terminé : "));
        assert!(title(told("created", json!(null))).await.starts_with("Bientôt en direct : "));
        let picture = preview(told("ended", kept)).await.expect("a live");
        assert_eq!(picture.picture(), Some("https://direct.test/vod/k3nw0d/poster.jpg"));
    }

    #[tokio::test]
    async fn what_the_api_tells_nobody_has_no_preview() {
        let api =
            Router::new().route("/api/lives/{name}", get(async || (StatusCode::FORBIDDEN, "non")));
        let (mut asked, ()) = Request::new(()).into_parts();
        asked.headers.insert(header::AUTHORIZATION, header::HeaderValue::from_static("Bearer x"));
        let found = Preview::of(api, &"k3nw0d".parse().expect("a name"), &asked).await;
        assert_eq!(found.err(), Some(StatusCode::FORBIDDEN));
        let who = async |headers: axum::http::HeaderMap| {
            assert!(!headers.contains_key(header::AUTHORIZATION));
            StatusCode::NOT_FOUND
        };
        let api = Router::new().route("/api/lives/{name}", get(who));
        let found = Preview::of(api, &"k3nw0d".parse().expect("a name"), &asked).await;
        assert_eq!(found.err(), Some(StatusCode::NOT_FOUND));
    }

    #[tokio::test]
    async fn an_embedded_player_fits_where_it_goes() {
        let live = preview(told("live", json!(null))).await.expect("a live");
        let html = live.embed(None, None).html;
        assert!(html.starts_with("<iframe src=\"https://direct.test/embed/k3nw0d\" "), "{html}");
        assert!(!html.contains("<b>"), "{html}");
        assert_eq!(fitted(None, None), (640, 360));
        assert_eq!(fitted(Some(320), None), (320, 180));
        assert_eq!(fitted(Some(1000), Some(90)), (160, 90));
        assert_eq!(fitted(Some(0), Some(0)), (1, 1));
        assert_eq!(fitted(Some(u32::MAX), Some(u32::MAX)), (640, 360));
    }
}
