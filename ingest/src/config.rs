//! What an operator may set.

use std::net::{Ipv4Addr, SocketAddr};

use serde::{Deserialize, Serialize};

/// Settings of the RTMP side. Times are in milliseconds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where encoders connect. 1935 is the port of RTMP: no encoder needs to be told.
    pub listen: SocketAddr,
    /// Connections at once, publishing or not. Default 1000: ten times the lives a machine carries, so
    /// that strangers who connect and say nothing do not keep encoders out.
    pub max_connections: usize,
    /// Connections at once from one address (IPv6: one /64). Default 50: a school or a carrier's NAT
    /// shares one. Loopback is not limited: it is a proxy that speaks for many.
    pub max_connections_per_address: usize,
    /// From connecting to asking to publish. Default 10 s: a satellite link needs 4.
    pub publish_timeout_ms: u64,
    /// A publisher that sends nothing at all for this long is gone. Default 15 s: longer than any
    /// hiccup of a mobile network that TCP survives, shorter than the grace of an interrupted live.
    pub silence_timeout_ms: u64,
    /// For how long a peer may leave our answers unread. Default 5 s.
    pub write_timeout_ms: u64,
    /// Bits per second of one publisher, averaged over ten seconds. Default 50 Mbit/s: 2160p60 as
    /// encoders recommend it. More is a mistake, or a file pushed at full speed.
    pub max_bits_per_second: u64,
    /// A publisher's socket is read this often, so that one wake-up serves many messages. Default
    /// 20 ms: one picture at 50 frames per second, a tenth of a part. At most 100: what arrives between
    /// two reads must fit into the receive buffer of the kernel, or the encoder is slowed.
    pub coalesce_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 1935)),
            max_connections: 1000,
            max_connections_per_address: 50,
            publish_timeout_ms: 10_000,
            silence_timeout_ms: 15_000,
            write_timeout_ms: 5_000,
            max_bits_per_second: 50_000_000,
            coalesce_ms: 20,
        }
    }
}

impl Config {
    /// Checks that the settings make sense together.
    ///
    /// # Errors
    /// Names the setting and what it should be.
    pub fn validate(&self) -> Result<(), String> {
        let within = |name: &str, value: u64, min: u64, max: u64| {
            let ok = (min..=max).contains(&value);
            ok.then_some(()).ok_or_else(|| format!("{name} is {value}: {min} to {max} expected"))
        };
        within("max_connections", self.max_connections as u64, 1, 1_000_000)?;
        let per_address = self.max_connections_per_address as u64;
        within("max_connections_per_address", per_address, 1, self.max_connections as u64)?;
        within("publish_timeout_ms", self.publish_timeout_ms, 100, 600_000)?;
        within("silence_timeout_ms", self.silence_timeout_ms, 1_000, 600_000)?;
        within("write_timeout_ms", self.write_timeout_ms, 100, 600_000)?;
        within("max_bits_per_second", self.max_bits_per_second, 64_000, 10_000_000_000)?;
        within("coalesce_ms", self.coalesce_ms, 1, 100)
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
    fn a_setting_that_makes_no_sense_is_named() {
        let config = Config { coalesce_ms: 0, ..Config::default() };
        assert!(config.validate().unwrap_err().starts_with("coalesce_ms"));
    }

    #[test]
    fn an_unknown_setting_is_refused() {
        assert!(toml::from_str::<Config>("listn = \"0.0.0.0:1935\"").is_err());
        let config: Config = toml::from_str("coalesce_ms = 40").unwrap();
        assert_eq!(config, Config { coalesce_ms: 40, ..Config::default() });
    }
}
