//! Which push services are reached: those of the internet, never what is beside or behind this server.
//!
//! Here: which addresses a member may name, and the client that goes there. Whoever subscribes chooses
//! where this server sends requests; so it goes over HTTPS, to port 443, to no private address,
//! whatever a name resolves to at that moment, and follows no redirect. Not here: what is sent
//! (`pusher`).

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use reqwest::{
    Client, Url,
    dns::{Addrs, Name, Resolve, Resolving},
    redirect::Policy,
};

/// Longest address of a browser at its push service: several times what there is.
pub const ENDPOINT_MAX_BYTES: usize = 2048;

/// A name that stands for no address outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the name has no public address")]
pub struct NotOutside;

/// The address of a browser at its push service, if this server may go there. `allow_private` lets it
/// go anywhere.
pub fn endpoint(text: &str, allow_private: bool) -> Option<Url> {
    if text.len() > ENDPOINT_MAX_BYTES {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let is_plain = url.username().is_empty() && url.password().is_none();
    if !is_plain || url.fragment().is_some() || !url.has_host() {
        return None;
    }
    if allow_private {
        return matches!(url.scheme(), "http" | "https").then_some(url);
    }
    let host = url.host_str()?;
    let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_outside = literal.map_or(true, is_public);
    // The usual port of the scheme is never written out in a parsed address.
    (url.scheme() == "https" && url.port().is_none() && is_outside).then_some(url)
}

/// Goes to push services. Each request takes at most `timeout`, whatever it waits for.
///
/// # Errors
///
/// When the system has no certificates to know services by.
pub fn client(timeout: Duration, allow_private: bool) -> reqwest::Result<Client> {
    Client::builder()
        .dns_resolver(Outside { allow_private })
        .https_only(!allow_private)
        .redirect(Policy::none())
        .no_proxy()
        .referer(false)
        .timeout(timeout)
        .build()
}

/// Resolves names to the public addresses they have now.
struct Outside {
    allow_private: bool,
}

impl Resolve for Outside {
    fn resolve(&self, name: Name) -> Resolving {
        let allow_private = self.allow_private;
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let outside = found.filter(|found| allow_private || is_public(found.ip()));
            let outside: Vec<SocketAddr> = outside.collect();
            if outside.is_empty() {
                return Err(NotOutside.into());
            }
            let addresses: Addrs = Box::new(outside.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an address is one of the internet: none of those that the registries of special addresses
/// (RFC 6890) keep for something else.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let is_special = address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (b == 18 || b == 19));
    !is_special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, .., g, h] = address.segments();
    // Through a translator (RFC 6052) an IPv4 address is reached.
    if address.octets()[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] {
        let [[c, d], [e, f]] = [g, h].map(u16::to_be_bytes);
        return is_public_v4(Ipv4Addr::new(c, d, e, f));
    }
    let is_global_unicast = a & 0xe000 == 0x2000;
    // Teredo, benchmarks and others of 2001::/23; documentation; 6to4, which ends in any IPv4 address.
    let is_special =
        matches!((a, b), (0x2001, 0..0x200 | 0xdb8) | (0x2002, _) | (0x3fff, 0..0x1000));
    is_global_unicast && !is_special
}

impl Outside {
    /// For whoever shares it with a client.
    #[cfg(test)]
    async fn look_up(self, name: &str) -> Result<Vec<SocketAddr>, String> {
        let found = self.resolve(name.parse().map_err(|_| "no name")?).await;
        found.map(Iterator::collect).map_err(|error| error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_the_internet_are_reached_over_https_alone() {
        for good in [
            "https://fcm.googleapis.com/fcm/send/abc:def",
            "https://updates.push.services.mozilla.com:443/wpush/v2/gAAA",
            "https://web.push.apple.com/QA?x=1",
            "https://93.184.215.14/a",
            "https://[2606:2800:21f::1]/a",
        ] {
            assert!(endpoint(good, false).is_some(), "{good}");
        }
        for bad in [
            "",
            "fcm.googleapis.com/a",
            "http://fcm.googleapis.com/a",
            "ftp://fcm.googleapis.com/a",
            "file:///etc/passwd",
            "https://fcm.googleapis.com:8443/a",
            "https://user@fcm.googleapis.com/a",
            "https://:secret@fcm.googleapis.com/a",
            "https://fcm.googleapis.com/a#b",
            "https://127.0.0.1/a",
            "https://127.1/a",
            "https://2130706433/a",
            "https://0x7f000001/a",
            "https://10.0.0.1/a",
            "https://169.254.169.254/latest/meta-data",
            "https://[::1]/a",
            "https://[::ffff:127.0.0.1]/a",
            "https://[fe80::1]/a",
        ] {
            assert_eq!(endpoint(bad, false), None, "{bad}");
        }
        let long = format!("https://example.org/{}", "a".repeat(ENDPOINT_MAX_BYTES));
        assert_eq!(endpoint(&long, false), None);
    }

    #[test]
    fn a_service_of_ones_own_is_reached_where_that_is_allowed() {
        for own in ["http://127.0.0.1:4711/a", "https://push.internal:8443/a"] {
            assert!(endpoint(own, true).is_some(), "{own}");
        }
        for bad in ["ftp://127.0.0.1/a", "http://user@127.0.0.1/a", "zzz"] {
            assert_eq!(endpoint(bad, true), None, "{bad}");
        }
    }

    #[test]
    fn addresses_kept_for_something_else_are_not_outside() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.1.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:8.8.8.8",
            "::8.8.8.8",
            "64:ff9b::10.0.0.1",
            "64:ff9b:1::808:808",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:a00:1::1",
            "3fff::1",
            "100::1",
        ] {
            assert!(!is_public(inside.parse().unwrap()), "{inside}");
        }
        for outside in [
            "8.8.8.8",
            "100.63.0.1",
            "100.128.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.20.0.1",
            "2606:4700::1",
            "2a00:1450::1",
            "2001:4860::8888",
            "64:ff9b::8.8.8.8",
        ] {
            assert!(is_public(outside.parse().unwrap()), "{outside}");
        }
    }

    /// A name may be made to mean another address after it was looked at.
    #[tokio::test]
    async fn a_name_is_looked_at_again_when_it_is_resolved() {
        let name = "localhost";
        let refused = Outside { allow_private: false }.look_up(name).await;
        assert_eq!(refused, Err(NotOutside.to_string()));
        assert!(Outside { allow_private: true }.look_up(name).await.is_ok());
    }
}
