//! Settings of the pictures.

use std::time::Duration;

use serde::Deserialize;

/// Settings of the pictures.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether lives and recordings get pictures, where there is a media worker.
    pub enabled: bool,
    /// Seconds between two of them.
    pub every_s: u32,
    /// Lives whose picture is made at once; the others are passed over until their next segment.
    pub at_once: usize,
    /// Longest time for one of them.
    pub timeout_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self { enabled: true, every_s: 10, at_once: 2, timeout_s: 10 }
    }
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// A sentence that names the first setting that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        if !(2..=3_600).contains(&self.every_s) {
            return Err("every_s: 2 to 3600".into());
        }
        if !(1..=64).contains(&self.at_once) {
            return Err("at_once: 1 to 64; set enabled = false to have none".into());
        }
        if !(1..=600).contains(&self.timeout_s) {
            return Err("timeout_s: 1 to 600".into());
        }
        Ok(())
    }

    pub(crate) fn every(&self) -> Duration {
        Duration::from_secs(self.every_s.into())
    }
}
