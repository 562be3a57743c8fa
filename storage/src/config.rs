//! The settings of the storage and what each is for.

use std::{fmt, path::PathBuf};

use serde::Deserialize;

/// Settings of the storage. Every one has a default.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The folder of stored files, below the data folder where it is relative. Not used with `s3`.
    pub folder: PathBuf,
    /// The S3-compatible store that is used in place of the folder.
    pub s3: Option<S3>,
    /// Where clients read stored files, such as `https://media.example.org`: a public bucket, or a
    /// CDN before it or before this server. By default this server's own `/media`.
    pub public_base_url: Option<String>,
    /// How pictures are asked of a service that shrinks them as they are fetched:
    /// `https://res.cloudinary.com/NAME/image/fetch/{options}/{url}`. By default they are shown as
    /// they were brought.
    pub picture_url: Option<String>,
    /// What stands for `{options}` where a picture is shown whole. Bounds it to 1920x1080.
    pub picture_options: String,
    /// What stands for `{options}` where it is shown small.
    pub thumbnail_options: String,
    /// Stored files that are read at once, by all clients of this server's `/media`: each is an open
    /// file or a connection to the store for as long as its client takes.
    pub reads_at_once: usize,
}

/// A bucket of an S3-compatible store. It must exist.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct S3 {
    /// `https://host[:port]` of the store; none for Amazon's own of `region`.
    pub endpoint: Option<String>,
    /// The bucket.
    pub bucket: String,
    /// The region that requests are signed for. Most stores but Amazon's take any.
    pub region: String,
    /// Who signs.
    pub key_id: String,
    /// By what.
    pub secret: Secret,
    /// Whether the bucket stands in the path (`https://host/bucket`), as it may everywhere, or in
    /// the host (`https://bucket.host`), as newer buckets of Amazon want it.
    pub path_style: bool,
    /// For how long a request is tried again while the store does not answer, in seconds. A store
    /// that restarts is back within 30.
    pub retry_s: u64,
}

/// A secret given by configuration. Prints as `…`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a secret.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    #[cfg(feature = "s3")]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            folder: "media".into(),
            s3: None,
            public_base_url: None,
            picture_url: None,
            picture_options: "c_limit,w_1920,h_1080,q_85".into(),
            thumbnail_options: "c_limit,w_480,h_480,q_auto".into(),
            reads_at_once: 1000,
        }
    }
}

impl Default for S3 {
    fn default() -> Self {
        Self {
            endpoint: None,
            bucket: String::new(),
            region: "us-east-1".into(),
            key_id: String::new(),
            secret: Secret::default(),
            path_style: true,
            retry_s: 30,
        }
    }
}

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    ///
    /// A sentence that begins with the name of the setting.
    pub fn validate(&self) -> Result<(), String> {
        if self.folder.as_os_str().is_empty() {
            return Err("folder: must be a path".into());
        }
        if self.reads_at_once == 0 {
            return Err("reads_at_once: must be at least 1".into());
        }
        if let Some(s3) = &self.s3 {
            s3.validate()?;
        }
        if self.public_base_url.as_deref().is_some_and(|url| !is_base_url(url)) {
            return Err("public_base_url: must be http(s)://host, with a path or without, and \
                        nothing after it"
                .into());
        }
        if let Some(url) = &self.picture_url
            && !(is_web(url) && url.contains("{url}"))
        {
            return Err("picture_url: must be an http(s) address that holds {url}".into());
        }
        let names = [
            ("picture_options", &self.picture_options),
            ("thumbnail_options", &self.thumbnail_options),
        ];
        match names.into_iter().find(|(_, options)| !options.bytes().all(is_option)) {
            Some((name, _)) => Err(format!("{name}: must be such as c_limit,w_1920,q_85")),
            None => Ok(()),
        }
    }
}

impl S3 {
    fn validate(&self) -> Result<(), String> {
        if self.endpoint.as_deref().is_some_and(|url| !is_base_url(url)) {
            return Err("s3.endpoint: must be http(s)://host[:port]".into());
        }
        let is_bucket = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        if !(3..=63).contains(&self.bucket.len()) || !self.bucket.bytes().all(is_bucket) {
            return Err("s3.bucket: must be the name of a bucket".into());
        }
        let given =
            [("region", &self.region), ("key_id", &self.key_id), ("secret", &self.secret.0)];
        if let Some((name, _)) = given.into_iter().find(|(_, text)| text.trim().is_empty()) {
            return Err(format!("s3.{name}: must be given"));
        }
        // The signature of a request is good for five minutes.
        if !(1..=240).contains(&self.retry_s) {
            return Err("s3.retry_s: must be between 1 and 240".into());
        }
        Ok(())
    }
}

fn is_web(url: &str) -> bool {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
        && url.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_base_url(url: &str) -> bool {
    is_web(url) && !url.contains(['?', '#', '@', '{', '}', '"', '<', '>', '\\'])
}

fn is_option(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b",_-.:/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3() -> S3 {
        S3 {
            bucket: "media".into(),
            key_id: "id".into(),
            secret: Secret::new("hunter2"),
            ..S3::default()
        }
    }

    fn refusal(change: impl FnOnce(&mut Config)) -> String {
        let mut config = Config { s3: Some(s3()), ..Config::default() };
        assert_eq!(config.validate(), Ok(()));
        change(&mut config);
        config.validate().unwrap_err()
    }

    fn of_s3(change: impl FnOnce(&mut S3)) -> String {
        refusal(|config| change(config.s3.as_mut().unwrap()))
    }

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn a_refusal_begins_with_the_name_of_the_setting() {
        for (said, setting) in [
            (refusal(|c| c.folder = "".into()), "folder:"),
            (refusal(|c| c.reads_at_once = 0), "reads_at_once:"),
            (refusal(|c| c.public_base_url = Some("media.example.org".into())), "public_base_url:"),
            (refusal(|c| c.public_base_url = Some("https://a/?b".into())), "public_base_url:"),
            (refusal(|c| c.picture_url = Some("https://a/fetch/".into())), "picture_url:"),
            (refusal(|c| c.picture_options = "w 1\"".into()), "picture_options:"),
            (refusal(|c| c.thumbnail_options = "<b>".into()), "thumbnail_options:"),
            (of_s3(|s3| s3.endpoint = Some("s3.example.org".into())), "s3.endpoint:"),
            (of_s3(|s3| s3.bucket = String::new()), "s3.bucket:"),
            (of_s3(|s3| s3.bucket = "a/b".into()), "s3.bucket:"),
            (of_s3(|s3| s3.region = " ".into()), "s3.region:"),
            (of_s3(|s3| s3.key_id = String::new()), "s3.key_id:"),
            (of_s3(|s3| s3.secret = Secret::default()), "s3.secret:"),
            (of_s3(|s3| s3.retry_s = 0), "s3.retry_s:"),
        ] {
            assert!(said.starts_with(setting), "{setting} {said}");
        }
    }

    #[test]
    fn a_secret_never_prints() {
        assert!(!format!("{:?}", s3()).contains("hunter2"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        let error = serde_json::from_str::<Config>(r#"{"s3": {"buckets": "x"}}"#).unwrap_err();
        assert!(error.to_string().contains("buckets"));
    }
}
