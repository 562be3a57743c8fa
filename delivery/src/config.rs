//! Settings of delivery.

use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

/// Settings of delivery. Every one has a default that suits a server of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How long a playlist asked for before the first segment waits for it, in milliseconds.
    ///
    /// A first segment takes a fifth of a second once there is a publisher; 8 s covers an encoder
    /// that is just connecting, and stays under the 10 s after which hls.js and AVPlayer give up.
    pub first_segment_wait_ms: u64,
    /// How many requests may wait at once, all lives together.
    ///
    /// A low-latency viewer always waits, for a playlist and for a part. Each holds some 2 KB;
    /// 100 000 are 200 MB.
    pub max_waiting: usize,
    /// How many requests may wait for one live.
    ///
    /// Half of the whole, so that one awaited live leaves room for the others.
    pub max_waiting_per_live: usize,
    /// How many requests of one address (of one /64 in IPv6) may wait.
    ///
    /// A school or a mobile operator brings hundreds of viewers behind one address; a twentieth of
    /// the whole leaves room for the others. Behind a reverse proxy all
    /// viewers come from its address: set it to `max_waiting` there.
    pub max_waiting_per_address: usize,
    /// Whether viewers are counted.
    ///
    /// Each then gets a multivariant playlist of his own, which no cache may keep, and asks for his
    /// media playlists by URLs of his own. Segments and parts stay shared. Behind a CDN that serves
    /// playlists too, the count is of those who reach this server: turn it off there.
    pub count_viewers: bool,
    /// How long a ticket for a private live is good, in seconds.
    ///
    /// Half a day outlasts any live; who was let in by mistake is out tomorrow. The page fetches another
    /// when its own has expired.
    pub ticket_life_s: u32,
    /// Whether a ticket is good from the address alone that it was given to (in IPv6: its /64).
    ///
    /// A ticket that is passed on is then of no use elsewhere. But phones change their address between
    /// Wi-Fi and mobile data, and behind a proxy this server sees one address for all: off by default.
    pub ticket_binds_address: bool,
    /// How long an address is good under which a recording is had as a file, in seconds.
    ///
    /// A browser that lost its connection goes on under the same address: an hour is a gigabyte at 2 Mbit/s. It
    /// stays in the list of downloads, so that it should not be good for days.
    pub download_ticket_life_s: u32,
    /// How many recordings are sent as files at once.
    ///
    /// Each holds the tables of its recording, some 3 MB an hour, and a place among those who read the disk now and
    /// then; beyond, the answer is 503.
    pub downloads_at_once: usize,
    /// How many of these go to one address (to one /64 in IPv6); beyond, the answer is 429.
    ///
    /// A program that fetches files opens several connections for one, and a family or a carrier's NAT is one
    /// address; an eighth of the whole leaves room for the others. Behind proxies of `api.trusted_proxies` it is the
    /// address that they tell.
    pub downloads_per_address: usize,
    /// How far viewers may go back in a live that is recorded, in seconds; 0: not at all. Without it to its beginning.
    ///
    /// What they load for it is some 5 KB an hour, once; the rest is on the disk already.
    pub rewind_s: Option<u64>,
    /// How long a segment may be cached, in seconds.
    ///
    /// Its URL never names anything else, so a year would be true. But a phone that keeps a live for
    /// a year has lost its storage to bytes nobody asks for again, while the six target durations of
    /// rfc8216bis appendix B are too short for a viewer who pauses. An hour serves both.
    pub segment_max_age_s: u32,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            first_segment_wait_ms: 8_000,
            max_waiting: 100_000,
            max_waiting_per_live: 50_000,
            max_waiting_per_address: 5_000,
            count_viewers: true,
            ticket_life_s: 43_200,
            ticket_binds_address: false,
            download_ticket_life_s: 3_600,
            downloads_at_once: 64,
            downloads_per_address: 8,
            rewind_s: None,
            segment_max_age_s: 3_600,
        }
    }
}

impl Config {
    /// Longest wait that makes sense: no player is still there after it.
    const MAX_WAIT_MS: u64 = 60_000;
    /// More waiting requests than one process has sockets for.
    const MAX_WAITING: usize = 1_000_000;

    /// Shorter ones would be renewed all the time; longer ones would outlive every live.
    const TICKET_LIFE_S: RangeInclusive<u32> = 60..=604_800;
    /// More than one server has bodies for.
    const DOWNLOADS_AT_ONCE: RangeInclusive<usize> = 1..=1_000;

    /// Checks the settings.
    ///
    /// # Errors
    /// A sentence that names the first setting that is out of bounds.
    pub fn validate(&self) -> Result<(), String> {
        if self.first_segment_wait_ms > Self::MAX_WAIT_MS {
            return Err(format!("first_segment_wait_ms: at most {}", Self::MAX_WAIT_MS));
        }
        if !(1..=Self::MAX_WAITING).contains(&self.max_waiting) {
            return Err(format!("max_waiting: 1 to {}", Self::MAX_WAITING));
        }
        if !(1..=self.max_waiting).contains(&self.max_waiting_per_live) {
            return Err("max_waiting_per_live: 1 to max_waiting".into());
        }
        if !(1..=Self::MAX_WAITING).contains(&self.max_waiting_per_address) {
            return Err(format!("max_waiting_per_address: 1 to {}", Self::MAX_WAITING));
        }
        let lives = [
            ("ticket_life_s", self.ticket_life_s),
            ("download_ticket_life_s", self.download_ticket_life_s),
        ];
        if let Some((setting, _)) =
            lives.iter().find(|(_, life_s)| !Self::TICKET_LIFE_S.contains(life_s))
        {
            let (least, most) = Self::TICKET_LIFE_S.into_inner();
            return Err(format!("{setting}: {least} to {most}"));
        }
        if !Self::DOWNLOADS_AT_ONCE.contains(&self.downloads_at_once) {
            let (least, most) = Self::DOWNLOADS_AT_ONCE.into_inner();
            return Err(format!("downloads_at_once: {least} to {most}"));
        }
        if !Self::DOWNLOADS_AT_ONCE.contains(&self.downloads_per_address) {
            let (least, most) = Self::DOWNLOADS_AT_ONCE.into_inner();
            return Err(format!("downloads_per_address: {least} to {most}"));
        }
        Ok(())
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
    fn a_setting_out_of_bounds_is_named() {
        let refused = |config: Config| config.validate().unwrap_err();
        let config = Config { first_segment_wait_ms: 60_001, ..Config::default() };
        assert!(refused(config).starts_with("first_segment_wait_ms:"));
        assert!(
            refused(Config { max_waiting: 0, ..Config::default() }).starts_with("max_waiting:")
        );
        let config = Config { download_ticket_life_s: 59, ..Config::default() };
        assert!(refused(config).starts_with("download_ticket_life_s:"));
        let config = Config { downloads_at_once: 0, ..Config::default() };
        assert!(refused(config).starts_with("downloads_at_once:"));
        let config = Config { downloads_per_address: 0, ..Config::default() };
        assert!(refused(config).starts_with("downloads_per_address:"));
        let config = Config { max_waiting_per_live: 100_001, ..Config::default() };
        assert!(refused(config).starts_with("max_waiting_per_live:"));
        let config = Config { max_waiting_per_address: 0, ..Config::default() };
        assert!(refused(config).starts_with("max_waiting_per_address:"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(serde_json::from_str::<Config>(r#"{"max_waitin":1}"#).is_err());
        assert_eq!(serde_json::from_str::<Config>("{}").unwrap(), Config::default());
    }
}
