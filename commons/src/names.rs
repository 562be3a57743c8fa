//! How things are called in the Redis.
//!
//! Here: that a name tells what it is for and nothing of whom: who may read the Redis, or a copy of it,
//! learns no address, and servers of different databases never mean the same by one name.

use std::{fmt::Write as _, net::IpAddr};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What every name begins with: a Redis may serve other programs too.
const PREFIX: &str = "communiconnect";
/// Bytes of a hash that stand in a name.
const HASH_BYTES: usize = 16;

/// What something is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name<'a> {
    /// What it is for, in a word.
    pub what: &'static str,
    /// Whose it is.
    pub whose: Whose<'a>,
}

/// Whose something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose<'a> {
    /// Of an address, which means the same everywhere.
    Address(IpAddr),
    /// Of an e-mail address, or more of that kind; likewise.
    Account(&'a [u8]),
    /// Likewise, but as the servers of one database know it: who proves at one site that an address is his
    /// has proved nothing at another.
    AccountHere(&'a [u8]),
    /// Of a member, whose number means something in his own database alone.
    Member(i64),
}

/// Makes names.
pub(crate) struct Names {
    site: Hmac<Sha256>,
    common: Hmac<Sha256>,
}

impl Names {
    /// Hashes what one database knows with one secret, and what means the same everywhere with the other.
    pub(crate) fn new(site_secret: &[u8], common_secret: &[u8]) -> Self {
        // The secrets sign other things elsewhere.
        let key = |secret| {
            let mut mac = keyed(secret);
            mac.update(b"names in what servers have in common");
            keyed(&mac.finalize().into_bytes())
        };
        Self { site: key(site_secret), common: key(common_secret) }
    }

    pub(crate) fn of(&self, name: &Name<'_>) -> String {
        match name.whose {
            Whose::Address(IpAddr::V4(address)) => {
                named(&self.common, name.what, &address.octets())
            }
            Whose::Address(IpAddr::V6(address)) => {
                named(&self.common, name.what, &address.octets())
            }
            Whose::Account(bytes) => named(&self.common, name.what, bytes),
            Whose::AccountHere(bytes) => named(&self.site, name.what, bytes),
            Whose::Member(id) => named(&self.site, name.what, &id.to_be_bytes()),
        }
    }

    /// The channel of the servers of one database.
    pub(crate) fn channel(&self) -> String {
        named(&self.site, "look-again", b"")
    }
}

fn named(key: &Hmac<Sha256>, what: &str, whose: &[u8]) -> String {
    let mut mac = key.clone();
    mac.update(what.as_bytes());
    mac.update(b"\0");
    mac.update(whose);
    let mut name = format!("{PREFIX}:{what}:");
    for byte in mac.finalize().into_bytes().iter().take(HASH_BYTES) {
        let _ = write!(name, "{byte:02x}");
    }
    name
}

fn keyed(secret: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(secret).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: Name<'_> = Name { what: "login", whose: Whose::Account(b"fatou@example.org") };
    const MEMBER: Name<'_> = Name { what: "login", whose: Whose::Member(30) };

    #[test]
    fn a_name_tells_what_it_is_for_and_not_whose_it_is() {
        let name = Names::new(b"a", b"b").of(&MAIL);
        assert!(name.starts_with("communiconnect:login:"), "{name}");
        assert!(!name.contains("fatou") && !name.contains("66617475"), "{name}");
        assert_eq!(name.len(), "communiconnect:login:".len() + 2 * HASH_BYTES);
    }

    #[test]
    fn servers_of_two_databases_may_mean_the_same_address_but_never_the_same_member() {
        let (one, other) = (Names::new(b"one", b"common"), Names::new(b"other", b"common"));
        assert_eq!(one.of(&MAIL), other.of(&MAIL));
        assert_ne!(one.of(&MEMBER), other.of(&MEMBER));
        let proved = Name { whose: Whose::AccountHere(b"fatou@example.org"), ..MAIL };
        assert_ne!(one.of(&proved), other.of(&proved));
        assert_eq!(one.of(&proved), Names::new(b"one", b"another").of(&proved));
        assert_ne!(one.channel(), other.channel());
    }

    #[test]
    fn without_a_secret_of_their_own_they_mean_nothing_by_the_names_of_others() {
        let (one, other) = (Names::new(b"one", b"one"), Names::new(b"other", b"other"));
        assert_ne!(one.of(&MAIL), other.of(&MAIL));
        assert_eq!(one.of(&MAIL), Names::new(b"one", b"one").of(&MAIL));
    }

    #[test]
    fn one_limit_is_not_another() {
        let names = Names::new(b"a", b"a");
        assert_ne!(names.of(&MAIL), names.of(&Name { what: "mail", ..MAIL }));
    }
}
