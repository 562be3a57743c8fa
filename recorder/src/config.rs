//! Settings of the recorder.

use serde::Deserialize;

/// Settings of the recorder.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Whether lives are recorded.
    pub enabled: bool,
    /// How many days a recording is kept after it was last written to.
    pub max_age_days: Option<u32>,
    /// Most bytes of all recordings; the oldest give way, never one of a live that is on.
    pub max_bytes: Option<u64>,
    /// Bytes that are to stay free on the disk: below them nothing is recorded.
    pub free_min_bytes: u64,
    /// Bytes and seconds of media after which another volume is begun.
    pub volume_max_bytes: u64,
    /// See [`Config::volume_max_bytes`].
    pub volume_max_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            max_age_days: None,
            max_bytes: None,
            free_min_bytes: 2 << 30,
            volume_max_bytes: 32 << 20,
            volume_max_s: 60,
        }
    }
}

impl Config {
    /// Checks the settings.
    ///
    /// # Errors
    /// A sentence that names the first setting that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        if self.max_age_days == Some(0) {
            return Err("max_age_days: at least 1; without it recordings are kept".into());
        }
        if self.max_bytes == Some(0) {
            return Err("max_bytes: at least 1; set enabled = false to record nothing".into());
        }
        if !(1 << 20..=1 << 40).contains(&self.volume_max_bytes) {
            return Err("volume_max_bytes: 1 MiB to 1 TiB".into());
        }
        if !(1..=3_600).contains(&self.volume_max_s) {
            return Err("volume_max_s: 1 to 3600".into());
        }
        Ok(())
    }
}
