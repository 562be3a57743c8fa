//! What only one browser can read (RFC 8291, in the coding of RFC 8188).
//!
//! Here: bytes in, bytes out. Not here: what they say, how they travel (`pusher`).

use aws_lc_rs::{
    aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    agreement::{ECDH_P256, ParsedPublicKey, PrivateKey, UnparsedPublicKey, agree},
    hkdf::{HKDF_SHA256, KeyType, Prk, Salt},
};

use crate::random::random_bytes;

/// Most bytes of a message before it is sealed: services take 4096 after (RFC 8030 §7.2), of which
/// 86 are the header, 16 the tag and one says where the padding begins.
pub const PLAIN_MAX_BYTES: usize = 4096 - 86 - 17;

/// The one record is as long as services take (RFC 8188 §2).
const RECORD_BYTES: u32 = 4096;

/// Whether `bytes` are a point of P-256, uncompressed, as the key of a browser has to be.
pub fn is_key(bytes: &[u8; 65]) -> bool {
    ParsedPublicKey::try_from(UnparsedPublicKey::new(&ECDH_P256, bytes)).is_ok()
}

/// Seals `plain` for the browser with the public key `p256dh` that shares the secret `auth`. `None` for
/// what is longer than [`PLAIN_MAX_BYTES`], for a key that is none, and when there is no randomness.
pub fn seal(plain: &[u8], p256dh: &[u8; 65], auth: &[u8; 16]) -> Option<Vec<u8>> {
    let own = PrivateKey::generate(&ECDH_P256).ok()?;
    seal_with(plain, p256dh, auth, &own, random_bytes().ok()?)
}

/// As [`seal`], with the key and the salt of the message, neither of which may serve twice.
fn seal_with(
    plain: &[u8],
    p256dh: &[u8; 65],
    auth: &[u8; 16],
    own: &PrivateKey,
    salt: [u8; 16],
) -> Option<Vec<u8>> {
    if plain.len() > PLAIN_MAX_BYTES {
        return None;
    }
    let public = own.compute_public_key().ok()?;
    let theirs = UnparsedPublicKey::new(&ECDH_P256, p256dh.as_slice());
    let shared = agree(own, theirs, (), |secret| Ok(Salt::new(HKDF_SHA256, auth).extract(secret)));
    // RFC 8291 §3.4.
    let info = [b"WebPush: info\0".as_slice(), p256dh, public.as_ref()];
    let input: [u8; 32] = expand(&shared.ok()?, &info)?;
    // RFC 8188 §2.2 and §2.3.
    let prk = Salt::new(HKDF_SHA256, &salt).extract(&input);
    let key: [u8; 16] = expand(&prk, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce: [u8; 12] = expand(&prk, &[b"Content-Encoding: nonce\0"])?;

    let mut record = [plain, &[2]].concat();
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).ok()?);
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).ok()?;
    let length = [u8::try_from(public.as_ref().len()).ok()?];
    Some([&salt[..], &RECORD_BYTES.to_be_bytes(), &length, public.as_ref(), &record].concat())
}

fn expand<const N: usize>(prk: &Prk, info: &[&[u8]]) -> Option<[u8; N]> {
    struct Length(usize);
    impl KeyType for Length {
        fn len(&self) -> usize {
            self.0
        }
    }
    let mut bytes = [0; N];
    prk.expand(info, Length(N)).ok()?.fill(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

    use super::*;

    fn bytes<const N: usize>(text: &str) -> [u8; N] {
        URL_SAFE_NO_PAD.decode(text).unwrap().try_into().unwrap()
    }

    fn browser() -> ([u8; 65], [u8; 16]) {
        let key = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
        (bytes(key), bytes("BTBZMqHH6r4Tts7J_aSIgg"))
    }

    /// RFC 8291, appendix A, whole.
    #[test]
    fn the_example_of_the_standard_is_sealed_as_it_says() {
        let (p256dh, auth) = browser();
        let own: [u8; 32] = bytes("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw");
        let own = PrivateKey::from_private_key(&ECDH_P256, &own).unwrap();
        let salt = bytes("DGv6ra1nlYgDCS1FRnbzlw");
        let plain = b"When I grow up, I want to be a watermelon";
        let sealed = seal_with(plain, &p256dh, &auth, &own, salt).unwrap();
        assert_eq!(
            URL_SAFE_NO_PAD.encode(sealed),
            "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
        );
    }

    #[test]
    fn what_services_do_not_take_is_not_sealed() {
        let (p256dh, auth) = browser();
        let sealed = |len| seal(&vec![b'a'; len], &p256dh, &auth).map(|sealed| sealed.len());
        assert_eq!(sealed(PLAIN_MAX_BYTES), Some(4096));
        assert_eq!(sealed(PLAIN_MAX_BYTES + 1), None);
    }

    #[test]
    fn a_key_must_lie_on_the_curve() {
        let (p256dh, auth) = browser();
        assert!(is_key(&p256dh));
        for odd in [[4; 65], [0; 65]] {
            assert!(!is_key(&odd));
            assert_eq!(seal(b"", &odd, &auth), None);
        }
    }
}
