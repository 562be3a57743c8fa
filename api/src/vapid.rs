//! Who a push message comes from (VAPID, RFC 8292).
//!
//! Here: the key of this server, and what it signs for a push service. Not here: where the key is kept
//! (whoever assembles the server), what is sent (`pusher`).

use aws_lc_rs::{
    agreement::{ECDH_P256, PrivateKey},
    encoding::{AsBigEndian as _, EcPrivateKeyBin},
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;

use crate::config::Secret;

/// For how long what was signed is good: half of what services take, so that clocks may differ.
const GOOD_FOR_S: i64 = 12 * 60 * 60;

/// A text that is not the private key of a point of P-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the 32 bytes of a P-256 private key in base64url")]
pub struct InvalidKey;

/// The key of this server.
pub struct Vapid {
    signing: EncodingKey,
    public: String,
    contact: Option<String>,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl Vapid {
    /// Signs with `key`, as [`new_vapid_key`] makes it. `contact` is whom a service may turn to.
    ///
    /// # Errors
    ///
    /// [`InvalidKey`].
    pub fn new(key: &Secret, contact: Option<String>) -> Result<Self, InvalidKey> {
        let text = std::str::from_utf8(key.reveal()).map_err(|_| InvalidKey)?;
        let bytes = URL_SAFE_NO_PAD.decode(text.trim().trim_end_matches('='));
        let bytes = bytes.map_err(|_| InvalidKey)?;
        let private = PrivateKey::from_private_key(&ECDH_P256, &bytes).map_err(|_| InvalidKey)?;
        let public = private.compute_public_key().map_err(|_| InvalidKey)?;
        let pair = EcdsaKeyPair::from_private_key_and_public_key(
            &ECDSA_P256_SHA256_FIXED_SIGNING,
            &bytes,
            public.as_ref(),
        );
        let document = pair.map_err(|_| InvalidKey)?.to_pkcs8v1().map_err(|_| InvalidKey)?;
        Ok(Self {
            signing: EncodingKey::from_ec_der(document.as_ref()),
            public: URL_SAFE_NO_PAD.encode(public.as_ref()),
            contact,
        })
    }

    /// The public key, uncompressed, in base64url: what a browser subscribes with.
    pub fn public(&self) -> &str {
        &self.public
    }

    /// The `Authorization` of a message to the service at `origin` (RFC 8292 §3); `None` when it
    /// cannot be signed.
    pub fn authorization(&self, origin: &str, now_ms: i64) -> Option<String> {
        let exp = now_ms.div_euclid(1000) + GOOD_FOR_S;
        let claims = Claims { aud: origin, exp, sub: self.contact.as_deref() };
        let token = jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &self.signing);
        Some(format!("vapid t={}, k={}", token.ok()?, self.public))
    }
}

/// Whether a server can sign with `key`.
///
/// # Errors
///
/// [`InvalidKey`].
pub fn check_vapid_key(key: &Secret) -> Result<(), InvalidKey> {
    Vapid::new(key, None).map(drop)
}

/// Draws a private key, in base64url, as other servers and their tools write it too.
///
/// # Errors
///
/// When the system gives no random bytes.
pub fn new_vapid_key() -> Result<Secret, crate::NoRandomness> {
    let failed = |_| crate::NoRandomness::new("no key could be drawn");
    let key = PrivateKey::generate(&ECDH_P256).map_err(failed)?;
    let bytes: EcPrivateKeyBin<'_> = key.as_be_bytes().map_err(failed)?;
    Ok(Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_is_none_is_refused() {
        let zeros = URL_SAFE_NO_PAD.encode([0; 32]);
        for text in ["", "zzz", "AAAA", "é", zeros.as_str()] {
            assert!(Vapid::new(&Secret::new(text), None).is_err(), "{text}");
        }
    }

    /// RFC 8291, appendix A, "as_private" and "as_public".
    #[test]
    fn the_public_key_follows_from_the_private_one() {
        let key = Secret::new("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let vapid = Vapid::new(&key, None).unwrap();
        assert_eq!(
            vapid.public(),
            "BP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A8"
        );
    }

    #[test]
    fn two_servers_draw_two_keys() {
        let [one, other] = [new_vapid_key().unwrap(), new_vapid_key().unwrap()];
        assert_ne!(one, other);
        assert!(Vapid::new(&one, None).is_ok());
    }
}
