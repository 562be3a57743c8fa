//! Signatures on what viewers carry in their URLs.
//!
//! Here: the keys, and the one way a text is made of signed bytes. Not here: what is signed
//! (`session`, `ticket`).

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// The keys of delivery. One secret gives them all, and none of them tells another.
#[derive(Debug, Clone)]
pub struct Keys {
    pub(crate) sessions: Key,
    pub(crate) tickets: Key,
}

impl Keys {
    /// The keys that a secret of the server gives, always the same.
    pub fn derive(secret: &[u8]) -> Self {
        Self {
            sessions: Key::derive(secret, b"communiconnect viewing session"),
            tickets: Key::derive(secret, b"communiconnect playback ticket"),
        }
    }
}

/// A key for HMAC-SHA256 (RFC 2104), its padding hashed already. Prints as `…`.
#[derive(Clone)]
pub(crate) struct Key(Hmac<Sha256>);

impl Key {
    fn derive(secret: &[u8], label: &[u8]) -> Self {
        let derived = keyed(secret).chain_update(label).finalize().into_bytes();
        Self(keyed(&derived))
    }

    /// The first `N` bytes of the signature of `parts`, end to end.
    pub(crate) fn sign<const N: usize>(&self, parts: &[&[u8]]) -> [u8; N] {
        let whole = self.over(parts).finalize().into_bytes();
        let mut tag = [0; N];
        tag.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
        tag
    }

    /// Whether `tag` begins the signature of `parts`. Takes as long for a wrong one.
    pub(crate) fn is_signed(&self, parts: &[&[u8]], tag: &[u8]) -> bool {
        self.over(parts).verify_truncated_left(tag).is_ok()
    }

    fn over(&self, parts: &[&[u8]]) -> Hmac<Sha256> {
        parts.iter().fold(self.0.clone(), |mac, part| mac.chain_update(part))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length")
}

/// Bytes as lowercase hexadecimal digits: one spelling, and any URL holds it.
pub(crate) fn write_hex(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}

/// Reads what [`write_hex`] wrote, and nothing else.
pub(crate) fn read_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let (digits, rest) = text.as_bytes().as_chunks::<2>();
    if digits.len() != N || !rest.is_empty() {
        return None;
    }
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let mut bytes = [0; N];
    for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
        *byte = value(*high)? << 4 | value(*low)?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hex<'a>(&'a [u8]);

    impl fmt::Display for Hex<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write_hex(self.0, f)
        }
    }

    /// RFC 4231 §4.3.
    #[test]
    fn a_signature_is_that_of_the_standard() {
        let key = Key(keyed(b"Jefe"));
        let tag: [u8; 32] = key.sign(&[b"what do ya want ", b"for nothing?"]);
        assert_eq!(
            Hex(&tag).to_string(),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        );
        assert!(key.is_signed(&[b"what do ya want for nothing?"], &tag[..8]));
        assert!(!key.is_signed(&[b"what do ya want for nothing!"], &tag[..8]));
    }

    #[test]
    fn keys_of_two_labels_or_two_secrets_differ() {
        let tag = |secret: &[u8], label: &[u8]| Key::derive(secret, label).sign::<8>(&[]);
        assert_ne!(tag(b"a", b"x"), tag(b"a", b"y"));
        assert_ne!(tag(b"a", b"x"), tag(b"b", b"x"));
        assert_eq!(format!("{:?}", Key::derive(b"a", b"x")), "…");
    }

    #[test]
    fn hexadecimal_digits_have_one_spelling() {
        assert_eq!(read_hex(&Hex(&[0, 0xa9, 0xff]).to_string()), Some([0, 0xa9, 0xff]));
        for text in ["", "0", "000", "0000", "0G", "0A", "é"] {
            assert_eq!(read_hex::<1>(text), None, "{text}");
        }
    }
}
