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
    /// Most bytes of all recordings of the lives of one member; his oldest give way.
    pub max_bytes_per_user: Option<u64>,
    /// Bytes that are to stay free on the disk: below them nothing is recorded.
    pub free_min_bytes: u64,
    /// Bytes and seconds of media after which another volume is begun.
    pub volume_max_bytes: u64,
    /// See [`Config::volume_max_bytes`].
    pub volume_max_s: u32,
    /// Whether recordings go into the bucket, where there is one.
    pub upload: bool,
    /// Bytes a second that go there at most, all recordings together.
    pub upload_max_bytes_per_s: u64,
    /// Whether playlists lead viewers of recordings for everybody into the bucket.
    pub direct: bool,
    /// Most bytes of recordings that stay on the disk although they are in the bucket; the oldest leave.
    pub local_max_bytes: Option<u64>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            enabled: true,
            max_age_days: None,
            max_bytes: None,
            max_bytes_per_user: None,
            free_min_bytes: 2 << 30,
            volume_max_bytes: 32 << 20,
            volume_max_s: 60,
            upload: true,
            upload_max_bytes_per_s: 50_000_000,
            direct: false,
            local_max_bytes: None,
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
        if self.max_bytes_per_user == Some(0) {
            return Err("max_bytes_per_user: at least 1; without it members share max_bytes".into());
        }
        // Below, a volume takes longer than a store waits for its pieces.
        if self.upload_max_bytes_per_s < 100_000 {
            return Err(
                "upload_max_bytes_per_s: at least 100000; set upload = false to send nothing"
                    .into(),
            );
        }
        if !(1 << 20..=1 << 35).contains(&self.volume_max_bytes) {
            return Err("volume_max_bytes: 1 MiB to 32 GiB, as buckets take them".into());
        }
        if !(1..=3_600).contains(&self.volume_max_s) {
            return Err("volume_max_s: 1 to 3600".into());
        }
        Ok(())
    }
}
