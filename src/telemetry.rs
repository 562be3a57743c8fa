//! Logs: one line an event, readable alone, with fields to search.

use std::io::{IsTerminal as _, stderr};

use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How the server logs.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What is logged, in the syntax of `tracing` directives.
    pub filter: String,
    /// For people or for machines.
    pub format: LogFormat,
}

/// The form of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    Text,
    /// One JSON object a line.
    Json,
}

impl Default for Config {
    fn default() -> Self {
        Self { filter: "info".into(), format: LogFormat::Text }
    }
}

impl Config {
    pub(crate) fn validate(&self) -> Result<(), String> {
        let parsed = EnvFilter::builder().parse(&self.filter);
        parsed.map(drop).map_err(|error| format!("log.filter: {error}"))
    }
}

/// Sends logs to standard error. Later calls change nothing.
pub fn init_logs(config: &Config) {
    let filter = EnvFilter::builder().parse_lossy(&config.filter);
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(stderr().is_terminal())
        .with_writer(stderr);
    let _ = match config.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}
