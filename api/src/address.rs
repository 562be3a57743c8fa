//! Where a request comes from.
//!
//! Here: which proxies are believed, and the client's address behind them. Not here: what is done
//! with the address (`router`, `auth`).

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    str::FromStr,
};

use axum::extract::ConnectInfo;
use http::{Extensions, HeaderMap};
use serde::{Deserialize, Deserializer, de};

/// Entries of `X-Forwarded-For` looked at, from the right. A real chain has two or three.
const MAX_HOPS: usize = 16;

/// A range of addresses: `10.0.0.0/8`, `fd00::/8`, or one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    base: IpAddr,
    prefix_bits: u32,
}

/// A text that is not a range of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an address or a range such as 10.0.0.0/8")]
pub struct InvalidNetwork;

impl Network {
    /// Whether `address` lies within the range.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.base, address.to_canonical()) {
            (IpAddr::V4(base), IpAddr::V4(address)) => {
                same_prefix(base.to_bits().into(), address.to_bits().into(), 32, self.prefix_bits)
            }
            (IpAddr::V6(base), IpAddr::V6(address)) => {
                same_prefix(base.to_bits(), address.to_bits(), 128, self.prefix_bits)
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = InvalidNetwork;

    fn from_str(text: &str) -> Result<Self, InvalidNetwork> {
        let (base, prefix) = match text.split_once('/') {
            Some((base, prefix)) => (base, Some(prefix)),
            None => (text, None),
        };
        let base: IpAddr = base.parse().map_err(|_| InvalidNetwork)?;
        let width = if base.is_ipv4() { 32 } else { 128 };
        let prefix_bits = match prefix {
            Some(prefix) => prefix.parse().map_err(|_| InvalidNetwork)?,
            None => width,
        };
        if prefix_bits > width {
            return Err(InvalidNetwork);
        }
        Ok(Self { base, prefix_bits })
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix_bits)
    }
}

/// The client of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client {
    /// Its address; unspecified when the server was not told (`ConnectInfo` is missing).
    pub address: IpAddr,
    /// Whether the request came through a proxy we believe, and so its `X-Forwarded-*` headers.
    pub proxied: bool,
}

impl Client {
    /// Finds the client of a request: the peer of the socket or, behind trusted proxies, the
    /// nearest address of `X-Forwarded-For` that is not one of them.
    pub fn of(extensions: &Extensions, headers: &HeaderMap, trusted: &[Network]) -> Self {
        let peer = extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
                peer.ip().to_canonical()
            });
        let is_trusted = |address: IpAddr| trusted.iter().any(|network| network.contains(address));
        if !is_trusted(peer) {
            return Self { address: peer, proxied: false };
        }
        let mut address = peer;
        for hop in forwarded_for(headers).take(MAX_HOPS) {
            let Some(hop) = hop else { break };
            address = hop;
            if !is_trusted(hop) {
                break;
            }
        }
        Self { address, proxied: true }
    }

    /// What limits count by: the address, or the /64 of an IPv6 one, which is what one
    /// subscriber is given (RFC 6177 §2).
    pub fn limit_key(&self) -> IpAddr {
        match self.address {
            IpAddr::V4(_) => self.address,
            IpAddr::V6(address) => {
                IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
            }
        }
    }
}

/// The entries of `X-Forwarded-For`, nearest first; `None` for one that is not an address.
fn forwarded_for(headers: &HeaderMap) -> impl Iterator<Item = Option<IpAddr>> {
    let mut lines: Vec<&str> = headers
        .get_all("x-forwarded-for")
        .iter()
        .map(|line| line.to_str().unwrap_or_default())
        .collect();
    lines.reverse();
    lines.into_iter().flat_map(|line| line.rsplit(',')).map(|entry| {
        let entry = entry.trim();
        let address = entry.parse().or_else(|_| entry.parse::<SocketAddr>().map(|peer| peer.ip()));
        address.ok().map(|address: IpAddr| address.to_canonical())
    })
}

fn same_prefix(a: u128, b: u128, width: u32, prefix_bits: u32) -> bool {
    prefix_bits == 0 || (a ^ b) >> (width - prefix_bits) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(peer: &str, forwarded: &[&str], trusted: &[&str]) -> Client {
        let mut extensions = Extensions::new();
        extensions.insert(ConnectInfo(SocketAddr::new(peer.parse().unwrap(), 4711)));
        let mut headers = HeaderMap::new();
        for line in forwarded {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let trusted: Vec<Network> = trusted.iter().map(|text| text.parse().unwrap()).collect();
        Client::of(&extensions, &headers, &trusted)
    }

    #[test]
    fn a_forwarded_address_from_a_stranger_is_not_believed() {
        let found = client("203.0.113.9", &["198.51.100.1"], &["127.0.0.1"]);
        assert_eq!(found, Client { address: "203.0.113.9".parse().unwrap(), proxied: false });
    }

    #[test]
    fn a_forwarded_address_from_a_trusted_proxy_is_believed() {
        let found = client("127.0.0.1", &["198.51.100.1"], &["127.0.0.0/8"]);
        assert_eq!(found, Client { address: "198.51.100.1".parse().unwrap(), proxied: true });
    }

    #[test]
    fn what_the_client_wrote_itself_before_the_proxy_is_not_believed() {
        let found = client("10.0.0.1", &["1.2.3.4, 198.51.100.1, 10.0.0.7"], &["10.0.0.0/8"]);
        assert_eq!(found.address, "198.51.100.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn several_headers_read_as_one_list() {
        let found = client("10.0.0.1", &["1.2.3.4", "198.51.100.1"], &["10.0.0.0/8"]);
        assert_eq!(found.address, "198.51.100.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_entry_that_is_no_address_ends_the_search() {
        let found = client("10.0.0.1", &["1.2.3.4, unknown"], &["10.0.0.0/8"]);
        assert_eq!(found.address, "10.0.0.1".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_ipv6_subscriber_is_one_key_whatever_address_is_used() {
        let one = client("2001:db8:1:2::1", &[], &[]);
        let other = client("2001:db8:1:2:ffff::9", &[], &[]);
        assert_eq!(one.limit_key(), other.limit_key());
    }

    #[test]
    fn a_range_knows_its_own() {
        let range: Network = "172.16.0.0/12".parse().unwrap();
        assert!(range.contains("172.31.255.255".parse().unwrap()));
        assert!(!range.contains("172.32.0.0".parse().unwrap()));
        assert!(range.contains("::ffff:172.16.0.1".parse().unwrap()));
        assert!(!range.contains("fd00::1".parse().unwrap()));
    }

    #[test]
    fn what_is_not_a_range_is_refused() {
        for text in ["", "localhost", "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8/8", "::/129"] {
            assert_eq!(text.parse::<Network>(), Err(InvalidNetwork), "{text}");
        }
    }
}
