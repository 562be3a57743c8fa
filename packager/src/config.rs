//! What an operator may set, and why each default is what it is.

use serde::{Deserialize, Serialize};

/// Settings of a [`Packager`](crate::Packager). All have defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Length of a part, in milliseconds; `PART-TARGET` is a twelfth above it. 200 ms keeps
    /// low-latency viewers within about a second of the edge, at five small requests a second.
    pub part_target_ms: u32,
    /// A segment is cut before the first IDR at or past this length, in milliseconds. 2 s is what
    /// most encoders use as their keyframe interval, and gives a first picture quickly.
    pub segment_target_ms: u32,
    /// Greatest `EXT-X-TARGETDURATION`, in seconds. A publisher whose GOP is longer has its
    /// segments cut inside the GOP. 6 s is what the standard advises (rfc8216bis App. B); a viewer
    /// without low latency already joins 18 s late.
    pub target_duration_max_s: u32,
    /// The list holds at least this much media, in milliseconds: what a viewer may pause or lose
    /// without missing anything.
    pub window_ms: u32,
    /// The list holds at least this many segments: players want some six to choose from.
    pub window_min_segments: usize,
    /// The list never holds more segments than this, whatever their length: a publisher that sends
    /// an endless row of discontinuities must not make an endless playlist.
    pub window_max_segments: usize,
    /// Bytes above which the oldest segments leave the list early, though never below three
    /// target durations. MPEG-TS forms count once they were asked for; the bound is checked with
    /// each new segment. 64 MiB is 30 s at 17 Mbit/s, or at 8.5 Mbit/s in both forms. At twice
    /// this even the three target durations give way.
    pub window_max_bytes: usize,
    /// Segments kept, unlisted, after they left the list, for viewers who hold an older playlist.
    /// The standard asks for the segment's length after its time in the list (rfc8216bis §6.2.2);
    /// three leave a slow viewer some seconds more.
    pub retained_segments: usize,
    /// Bytes of one segment above which the publisher is refused: it sends no IDR, or more than
    /// any viewer could follow.
    pub segment_max_bytes: usize,
    /// How much media of one track is gathered, in milliseconds, before the live starts without
    /// the other one. Costs nothing while shorter than a segment.
    pub start_wait_ms: u32,
    /// A track silent for this long while the other goes on, in milliseconds, is no longer
    /// declared; players stall on a declared track without samples.
    pub track_absent_ms: u32,
    /// A step between two samples of a track longer than this, in milliseconds, is a
    /// discontinuity and not a long sample.
    pub max_gap_ms: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            part_target_ms: 200,
            segment_target_ms: 2_000,
            target_duration_max_s: 6,
            window_ms: 30_000,
            window_min_segments: 7,
            window_max_segments: 256,
            window_max_bytes: 64 << 20,
            retained_segments: 3,
            segment_max_bytes: 50_000_000,
            start_wait_ms: 500,
            track_absent_ms: 3_000,
            max_gap_ms: 2_000,
        }
    }
}

impl Config {
    /// Whether the settings make sense together.
    ///
    /// # Errors
    /// A sentence that names the setting and its bounds.
    pub fn validate(&self) -> Result<(), String> {
        let within = |name: &str, value: u64, least: u64, most: u64| {
            if (least..=most).contains(&value) {
                Ok(())
            } else {
                Err(format!("{name} is {value}: it must be from {least} to {most}"))
            }
        };
        let segment_ms = u64::from(self.segment_target_ms);
        within("part_target_ms", self.part_target_ms.into(), 100, segment_ms.clamp(100, 1_000))?;
        within("target_duration_max_s", self.target_duration_max_s.into(), 1, 60)?;
        let longest_ms = u64::from(self.target_duration_max_s) * 1_000;
        within("segment_target_ms", segment_ms, 500, longest_ms)?;
        within("window_ms", self.window_ms.into(), 3 * segment_ms, 24 * 3_600_000)?;
        within("window_min_segments", self.window_min_segments as u64, 3, 100)?;
        let most = self.window_max_segments as u64;
        within("window_max_segments", most, self.window_min_segments as u64, 100_000)?;
        within("window_max_bytes", self.window_max_bytes as u64, 1 << 20, 1 << 40)?;
        within("retained_segments", self.retained_segments as u64, 1, 100)?;
        within("segment_max_bytes", self.segment_max_bytes as u64, 100_000, 1 << 30)?;
        within("start_wait_ms", self.start_wait_ms.into(), 0, 10_000)?;
        within("track_absent_ms", self.track_absent_ms.into(), 500, 60_000)?;
        within("max_gap_ms", self.max_gap_ms.into(), 100, segment_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid() {
        assert_eq!(Config::default().validate(), Ok(()));
    }

    #[test]
    fn an_invalid_setting_is_refused_by_its_name() {
        let config = Config { max_gap_ms: 60_000, ..Config::default() };
        assert!(config.validate().is_err_and(|text| text.starts_with("max_gap_ms is 60000")));
    }
}
