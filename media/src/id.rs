//! Names of things: lives, users, playback names, stream keys, epochs.
//!
//! Randomness comes in as an argument: this crate knows no generator.

use std::{fmt, str::FromStr, sync::Arc};

use sha2::{Digest, Sha256};

macro_rules! numeric_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(i64);

        impl $name {
            /// Wraps the number the database gave.
            pub const fn new(id: i64) -> Self {
                Self(id)
            }

            /// The number itself.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

numeric_id!(
    /// One broadcast of a member, from start to archive. It is also the id of the live's post.
    LiveId
);
numeric_id!(
    /// A member.
    UserId
);

/// An id or a name that does not have the expected form.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a {0}")]
pub struct InvalidId(&'static str);

/// The public, random name under which viewers find a live. Says nothing about its stream key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PlaybackName(Arc<str>);

impl PlaybackName {
    /// Longest name accepted in a URL.
    pub const MAX_LEN: usize = 64;

    /// Makes a name out of 80 random bits: sixteen characters of a phone-friendly alphabet.
    pub fn from_random(bits: [u8; 10]) -> Self {
        Self(base32(&bits).into())
    }

    /// The name as it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlaybackName {
    type Err = InvalidId;

    /// Accepts 1 to 64 lowercase letters and digits.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if is_lower_alphanumeric(text, Self::MAX_LEN) {
            Ok(Self(text.into()))
        } else {
            Err(InvalidId("playback name"))
        }
    }
}

impl fmt::Display for PlaybackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The random name of one packager run, part of every media URL, so that no URL ever names two
/// contents.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Epoch(Arc<str>);

impl Epoch {
    /// Makes an epoch out of 40 random bits.
    pub fn from_random(bits: [u8; 5]) -> Self {
        Self(base32(&bits).into())
    }

    /// The epoch as it stands in a URL.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Epoch {
    type Err = InvalidId;

    /// Accepts 1 to 16 lowercase letters and digits.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const MAX_LEN: usize = 16;
        match is_lower_alphanumeric(text, MAX_LEN) {
            true => Ok(Self(text.into())),
            false => Err(InvalidId("epoch")),
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The secret that allows publishing to one live: `live_<user id>_<secret>`.
///
/// Prints as `…`; [`StreamKey::reveal`] is for the one answer that shows it to its owner.
#[derive(Clone, PartialEq, Eq)]
pub struct StreamKey {
    user: UserId,
    text: String,
}

/// The SHA-256 of a stream key: all that is ever stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl StreamKey {
    /// Longest key accepted from the network, query string excluded.
    pub const MAX_LEN: usize = 128;

    /// Makes the key of `user` out of 160 random bits.
    pub fn from_random(user: UserId, bits: [u8; 20]) -> Self {
        Self { user, text: format!("live_{user}_{}", base32(&bits)) }
    }

    /// The user the key names. Only a claim until the hash is found in the database.
    pub fn user(&self) -> UserId {
        self.user
    }

    /// What the database keeps in place of the key.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.text.as_bytes()).into())
    }

    /// The key in clear, for its owner's eyes.
    pub fn reveal(&self) -> &str {
        &self.text
    }
}

impl FromStr for StreamKey {
    type Err = InvalidId;

    /// Accepts `live_<digits>_<lowercase letters and digits>`, at most [`StreamKey::MAX_LEN`] long.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        const INVALID: InvalidId = InvalidId("stream key");
        if text.len() > Self::MAX_LEN {
            return Err(INVALID);
        }
        let rest = text.strip_prefix("live_").ok_or(INVALID)?;
        let (user, secret) = rest.split_once('_').ok_or(INVALID)?;
        if !is_lower_alphanumeric(secret, Self::MAX_LEN)
            || !user.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(INVALID);
        }
        let user = UserId::new(user.parse().map_err(|_| INVALID)?);
        Ok(Self { user, text: text.to_owned() })
    }
}

impl fmt::Debug for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "live_{}_…", self.user)
    }
}

fn is_lower_alphanumeric(text: &str, max_len: usize) -> bool {
    !text.is_empty()
        && text.len() <= max_len
        && text.bytes().all(|b| b.is_ascii_digit() || b.is_ascii_lowercase())
}

/// Base 32 in lowercase without padding, over an alphabet free of `0`/`o` and `1`/`l`
/// look-alikes, so that a name can be read out over the phone.
fn base32(bytes: &[u8]) -> String {
    const ALPHABET: [char; 32] = [
        'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'i', 'j', 'k', 'm', 'n', 'p', 'q', 'r', 's', 't',
        'u', 'v', 'w', 'x', 'y', 'z', '2', '3', '4', '5', '6', '7', '8', '9',
    ];
    let mut text = String::with_capacity((bytes.len() * 8).div_ceil(5));
    let (mut buffer, mut held) = (0_u32, 0);
    for &byte in bytes {
        buffer = buffer << 8 | u32::from(byte);
        held += 8;
        while held >= 5 {
            held -= 5;
            text.extend(ALPHABET.get((buffer >> held) as usize & 31));
        }
        buffer &= (1 << held) - 1;
    }
    if held > 0 {
        text.extend(ALPHABET.get((buffer << (5 - held)) as usize & 31));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_key_reads_back_as_written() {
        let key = StreamKey::from_random(UserId::new(30), [7; 20]);
        assert_eq!(key.reveal().parse(), Ok(key.clone()));
        assert_eq!(key.user(), UserId::new(30));
    }

    #[test]
    fn a_stream_key_never_prints_its_secret() {
        let key = StreamKey::from_random(UserId::new(30), [7; 20]);
        assert_eq!(format!("{key:?}"), "live_30_…");
    }

    #[test]
    fn a_key_without_owner_or_secret_is_refused() {
        for text in [
            "",
            "live_",
            "live_3",
            "live_3_",
            "live__abc",
            "live_-3_abc",
            "live_3_a/b",
            "vod_3_abc",
        ] {
            assert!(text.parse::<StreamKey>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_playback_name_is_sixteen_characters_that_read_back() {
        let name = PlaybackName::from_random([0xAB; 10]);
        assert_eq!(name.as_str().len(), 16);
        assert_eq!(name.as_str().parse(), Ok(name.clone()));
    }

    #[test]
    fn a_playback_name_holds_nothing_but_lowercase_letters_and_digits() {
        for text in ["", "../x", "A", "a b", "é", &"a".repeat(65)] {
            assert!(text.parse::<PlaybackName>().is_err(), "{text}");
        }
    }

    #[test]
    fn different_random_bits_give_different_names() {
        let names: std::collections::HashSet<_> =
            (0..=255).map(|n| PlaybackName::from_random([n; 10])).collect();
        assert_eq!(names.len(), 256);
    }
}
