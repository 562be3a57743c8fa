//! One configuration: a TOML file, environment over it, each crate's settings in its own section.
//!
//! `settings.toml` beside this file is the reference: it documents every setting with its default,
//! `--help` prints it, and a test holds it equal to the code.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Parser;
use figment::{
    Figment,
    providers::{Env, Format, Toml},
};
use serde::Deserialize;

use crate::console::Command;

/// Every setting with its default and its reason, as shown by `--help`.
pub const REFERENCE: &str = include_str!("settings.toml");

/// Prefix of the environment variables; `__` stands between a section and a setting.
const ENVIRONMENT_PREFIX: &str = "COMMUNICONNECT_";

/// A live-streaming media server: RTMP in, HLS out.
#[derive(Debug, Parser)]
#[command(version, after_help = "`--help` explains every setting.", after_long_help = long_help())]
struct Arguments {
    /// TOML file of settings; the environment is read over it
    #[arg(long, value_name = "FILE", global = true)]
    config: Option<PathBuf>,
    /// Without one, the server runs
    #[command(subcommand)]
    command: Option<Command>,
}

/// All settings of the server.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Folder of everything the server writes.
    pub data_dir: PathBuf,
    /// `postgres://…`, or empty for a SQLite file in `data_dir`. `DATABASE_URL` sets it too.
    pub database_url: Secret,
    /// The HTTP listener.
    pub http: crate::http::Config,
    /// The HTTPS listener.
    pub https: crate::https::Config,
    /// RTMP.
    pub ingest: ingest::Config,
    /// Parts, segments and windows.
    pub packager: packager::Config,
    /// HLS over HTTP.
    pub delivery: delivery::Config,
    /// The JSON API.
    pub api: api::Config,
    /// Where uploaded files live.
    pub storage: storage::Config,
    /// What is kept of lives.
    pub recording: recorder::Config,
    /// What lives and recordings look like.
    pub pictures: pictures::Config,
    /// What servers have in common.
    pub redis: commons::Config,
    /// The life of a live.
    pub lives: crate::lives::Config,
    /// Prometheus.
    pub metrics: crate::metrics::Config,
    /// Logs.
    pub log: crate::telemetry::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            data_dir: "data".into(),
            database_url: Secret::default(),
            http: Default::default(),
            https: Default::default(),
            ingest: Default::default(),
            packager: Default::default(),
            delivery: Default::default(),
            api: Default::default(),
            storage: Default::default(),
            recording: Default::default(),
            pictures: Default::default(),
            redis: Default::default(),
            lives: Default::default(),
            metrics: Default::default(),
            log: Default::default(),
        }
    }
}

impl Config {
    /// The database to open: the one configured, else a file in the data folder.
    pub fn database_url(&self) -> String {
        if self.database_url.reveal().is_empty() {
            format!("sqlite:{}", self.data_dir.join("communiconnect.sqlite").display())
        } else {
            self.database_url.reveal().to_owned()
        }
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// With the name of the first setting that cannot work, and why.
    pub fn validate(&self) -> anyhow::Result<()> {
        self.http
            .validate()
            .and_then(|()| self.https.validate())
            .and_then(|()| self.lives.validate())
            .map_err(anyhow::Error::msg)?;
        for (section, outcome) in [
            ("ingest", self.ingest.validate()),
            ("packager", self.packager.validate()),
            ("delivery", self.delivery.validate()),
            ("api", self.api.validate()),
            ("storage", self.storage.validate()),
            ("recording", self.recording.validate()),
            ("pictures", self.pictures.validate()),
            ("redis", self.redis.validate()),
        ] {
            outcome.map_err(|reason| anyhow::anyhow!("{}", with_section(section, &reason)))?;
        }
        if self.recording.direct
            && (self.storage.s3.is_none() || self.storage.public_base_url.is_none())
        {
            bail!(
                "recording.direct: needs storage.s3 and storage.public_base_url, where its bucket is read"
            );
        }
        let listeners = [
            ("http.listen", Some(self.http.listen)),
            ("https.listen", self.https.listen),
            ("ingest.listen", Some(self.ingest.listen)),
            ("metrics.listen", Some(self.metrics.listen)),
        ];
        for (n, (name, address)) in listeners.iter().enumerate() {
            let Some(address) = address else { continue };
            let same = listeners.iter().skip(n + 1).find(|(_, other)| *other == Some(*address));
            if let Some((other, _)) = same.filter(|_| address.port() != 0) {
                bail!("{name} and {other} are both {address}: each needs a port of its own");
            }
        }
        self.log.validate().map_err(anyhow::Error::msg)
    }
}

/// A setting that never prints.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The value in clear, for the one place that uses it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

/// Reads the arguments, the file they name and the environment: the settings, and what to do in place
/// of serving.
///
/// # Errors
/// With the name of the setting that is unknown, of the wrong type or out of bounds.
pub fn load() -> anyhow::Result<(Config, Option<Command>)> {
    let arguments = Arguments::parse();
    let mut figment = Figment::new();
    if let Some(path) = &arguments.config {
        if !path.is_file() {
            bail!("--config {}: no such file", path.display());
        }
        figment = figment.merge(Toml::file_exact(path));
    }
    let figment = figment
        .merge(Env::prefixed(ENVIRONMENT_PREFIX).split("__"))
        .merge(Env::raw().only(&["DATABASE_URL"]));
    Ok((read(&figment)?, arguments.command))
}

fn read(figment: &Figment) -> anyhow::Result<Config> {
    let config: Config = figment.extract().map_err(explain).context("invalid setting")?;
    config.validate().context("invalid setting")?;
    Ok(config)
}

/// figment names the profile and the source; people want the setting.
fn explain(error: figment::Error) -> anyhow::Error {
    let reasons: Vec<_> = error
        .into_iter()
        .map(|error| {
            let setting = error.path.join(".");
            let kind = &error.kind;
            if setting.is_empty() { kind.to_string() } else { format!("{setting}: {kind}") }
        })
        .collect();
    anyhow::anyhow!(reasons.join("; "))
}

fn with_section(section: &str, reason: &str) -> String {
    if reason.starts_with(section) { reason.to_owned() } else { format!("{section}.{reason}") }
}

fn long_help() -> String {
    format!(
        "Settings, with their defaults. In a file: as below. In the environment: \
         {ENVIRONMENT_PREFIX}<SECTION>__<SETTING>,\nfor example {ENVIRONMENT_PREFIX}HTTP__LISTEN=0.0.0.0:80 \
         (settings of no section: {ENVIRONMENT_PREFIX}DATA_DIR); DATABASE_URL for the database.\n\n{REFERENCE}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_toml(text: &str) -> anyhow::Result<Config> {
        read(&Figment::new().merge(Toml::string(text)))
    }

    #[test]
    fn the_reference_says_what_the_code_does() {
        let reference = from_toml(REFERENCE).expect("the reference is valid");
        assert_eq!(format!("{reference:#?}"), format!("{:#?}", Config::default()));
    }

    #[test]
    fn an_unknown_setting_is_refused_by_its_name() {
        let error = from_toml("[http]\nlissten = '0.0.0.0:80'").unwrap_err();
        assert!(format!("{error:#}").contains("lissten"), "{error:#}");
    }

    #[test]
    fn a_setting_of_the_wrong_type_is_refused_by_its_name() {
        let error = from_toml("[lives]\ngrace_s = 'long'").unwrap_err();
        assert!(format!("{error:#}").contains("lives.grace_s"), "{error:#}");
    }

    #[test]
    fn an_impossible_value_is_refused_by_its_name() {
        let error = from_toml("[lives]\nunused_h = 0").unwrap_err();
        assert!(format!("{error:#}").contains("lives.unused_h"), "{error:#}");
    }

    #[test]
    fn two_listeners_on_one_port_are_refused() {
        let error = from_toml("[http]\nlisten='127.0.0.1:9'\n[ingest]\nlisten='127.0.0.1:9'");
        assert!(error.is_err());
    }

    #[test]
    fn viewers_are_led_into_a_bucket_only_where_it_is_read() {
        let s3 = "[storage.s3]\nbucket = 'abc'\nkey_id = 'i'\nsecret = 's'";
        let base = "[storage]\npublic_base_url = 'https://cdn.test'";
        let direct = "[recording]\ndirect = true";
        assert!(from_toml(&format!("{direct}\n{base}\n{s3}")).is_ok());
        for text in [format!("{direct}\n{base}"), format!("{direct}\n{s3}")] {
            let error = format!("{:#}", from_toml(&text).unwrap_err());
            assert!(error.contains("recording.direct"), "{error}");
        }
    }

    #[test]
    fn https_needs_a_certificate_and_its_key_and_a_port_of_its_own() {
        let files = "certificate = 'c'\nkey = 'k'";
        assert!(from_toml(&format!("[https]\nlisten = '0.0.0.0:8443'\n{files}")).is_ok());
        for (text, setting) in [
            ("listen = '0.0.0.0:8443'\nkey = 'k'".to_owned(), "https.certificate"),
            ("listen = '0.0.0.0:8443'\ncertificate = 'c'".to_owned(), "https.key"),
            (format!("listen = '0.0.0.0:8080'\n{files}"), "https.listen"),
            ("redirect = true".to_owned(), "https.redirect"),
            ("handshake_s = 0".to_owned(), "https.handshake_s"),
        ] {
            let error = format!("{:#}", from_toml(&format!("[https]\n{text}")).unwrap_err());
            assert!(error.contains(setting), "{error}");
        }
    }

    #[test]
    fn a_database_password_never_prints() {
        let config = from_toml("database_url = 'postgres://u:hunter2@h/d'").expect("valid");
        assert!(!format!("{config:?}").contains("hunter2"));
    }
}
