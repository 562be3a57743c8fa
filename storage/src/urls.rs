//! Where clients find what is stored.
//!
//! Here: the addresses that the settings make of a name. Not here: this server's own address, which
//! the caller knows.

use crate::Config;

/// The addresses of stored files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Urls {
    base: Option<String>,
    picture: Option<Template>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Template {
    url: String,
    picture_options: String,
    thumbnail_options: String,
}

impl Urls {
    /// The addresses that these settings make.
    pub fn new(config: &Config) -> Self {
        Self {
            base: config.public_base_url.as_ref().map(|url| url.trim_end_matches('/').to_owned()),
            picture: config.picture_url.as_ref().map(|url| Template {
                url: url.clone(),
                picture_options: config.picture_options.clone(),
                thumbnail_options: config.thumbnail_options.clone(),
            }),
        }
    }

    /// The address of an object; below `site`, this server's own address, where no other is set.
    pub fn object(&self, site: &str, name: &str) -> String {
        match &self.base {
            Some(base) => format!("{base}/{name}"),
            None => format!("{site}/media/{name}"),
        }
    }

    /// Where the picture at `url` is found in the size of a screen; `None` where no service shrinks.
    pub fn picture(&self, url: &str) -> Option<String> {
        self.picture.as_ref().map(|template| template.fill(&template.picture_options, url))
    }

    /// Where the picture at `url` is found in a small size; `None` likewise.
    pub fn thumbnail(&self, url: &str) -> Option<String> {
        self.picture.as_ref().map(|template| template.fill(&template.thumbnail_options, url))
    }
}

impl Template {
    fn fill(&self, options: &str, url: &str) -> String {
        self.url.replace("{options}", options).replace("{url}", &escaped(url))
    }
}

/// `url` as one segment of a path (RFC 3986 §2.3).
fn escaped(url: &str) -> String {
    let mut escaped = String::with_capacity(url.len() + 16);
    for byte in url.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            escaped.push_str(&format!("%{byte:02X}"));
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_found_at_this_server_unless_another_place_is_set() {
        let own = Urls::new(&Config::default());
        assert_eq!(own.object("https://live.test", "a.jpg"), "https://live.test/media/a.jpg");
        let public_base_url = Some("https://cdn.test/files/".to_owned());
        let elsewhere = Urls::new(&Config { public_base_url, ..Config::default() });
        assert_eq!(elsewhere.object("https://live.test", "a.jpg"), "https://cdn.test/files/a.jpg");
    }

    #[test]
    fn a_picture_is_asked_of_the_service_that_shrinks_it() {
        let picture_url = Some("https://shrink.test/fetch/{options}/{url}".to_owned());
        let urls = Urls::new(&Config { picture_url, ..Config::default() });
        let whole = urls.picture("https://a.test/x.jpg").unwrap();
        let options = "c_limit,w_1920,h_1080,q_85";
        assert_eq!(
            whole,
            format!("https://shrink.test/fetch/{options}/https%3A%2F%2Fa.test%2Fx.jpg")
        );
        assert!(urls.thumbnail("https://a.test/x.jpg").unwrap().contains("w_480"));
        assert_eq!(Urls::default().picture("https://a.test/x.jpg"), None);
    }
}
