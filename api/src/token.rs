//! The two tokens of a session.
//!
//! Here: their claims, the keys that sign them and how long each is believed. Not here: which refresh
//! tokens are still good (`store` keeps their hashes), where keys are kept, the answers (`error`,
//! `auth`).

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use media::id::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::{TokenHash, User};

use crate::{
    config::{Config, Secret},
    random::{NoRandomness, random_bytes},
};

/// What a token is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TokenType {
    /// Sent with every request.
    Access,
    /// Exchanged, once, for two new tokens.
    Refresh,
}

/// A signed token (RFC 7519). Prints as `…`.
#[derive(Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Token(String);

/// What a member is given on signing in.
#[derive(Debug, Serialize, JsonSchema)]
pub struct TokenPair {
    /// For the next seven days.
    pub refresh: Token,
    /// For the next hour.
    pub access: Token,
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Not ours, altered, or too old.
    Invalid,
    /// A good token, of the other type.
    WrongType,
}

/// The keys that sign tokens: the newest signs, and those before it are believed until their time is
/// over. All clones are one, so that a running server can be given another. Prints as `…`.
#[derive(Clone, Default)]
pub struct Keyring(Arc<RwLock<Vec<Key>>>);

/// One key and what a token says to name it.
struct Key {
    /// `kid` (RFC 7515 §4.1.4): tells the key from others and nothing about it.
    id: String,
    signing: EncodingKey,
    reading: DecodingKey,
    /// When its tokens are not believed any more, in Unix milliseconds.
    until_ms: i64,
}

/// Signs and reads tokens.
pub struct Tokens {
    keyring: Keyring,
    validation: Validation,
    access_s: i64,
    refresh_s: i64,
}

/// Whose token it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bearer {
    /// The member.
    pub user: UserId,
    /// How often all his sessions had ended when it was made (`User::generation`).
    pub generation: i64,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: i64,
    generation: i64,
}

impl Keyring {
    /// Signs with `current` from now on and believes each of `retired` until its time, in Unix
    /// milliseconds.
    pub fn replace(&self, current: &Secret, retired: &[(Secret, i64)]) {
        let current = (current, i64::MAX);
        let retired = retired.iter().map(|(secret, until_ms)| (secret, *until_ms));
        let keys = std::iter::once(current)
            .chain(retired)
            .map(|(secret, until_ms)| Key {
                id: key_id(secret),
                signing: EncodingKey::from_secret(secret.reveal()),
                reading: DecodingKey::from_secret(secret.reveal()),
                until_ms,
            })
            .collect();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
    }

    /// Whether nothing was put there yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.keys().is_empty()
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<Key>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

impl Tokens {
    /// Signs with the keys of the configuration: its keyring, or else its secret, or else a random one
    /// that nobody keeps.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn new(config: &Config) -> Result<Self, NoRandomness> {
        let keyring = config.keyring.clone();
        if keyring.is_empty() {
            let random = Secret::new(random_bytes::<32>()?);
            let current = config.jwt_secret.as_ref().unwrap_or(&random);
            let retired = config.jwt_retired_secret.clone().map(|secret| (secret, i64::MAX));
            keyring.replace(current, retired.as_slice());
        }
        let mut validation = Validation::new(Algorithm::HS256);
        // The time is an argument here; `read` looks at `exp` itself.
        validation.validate_exp = false;
        validation.leeway = 0;
        Ok(Self {
            keyring,
            validation,
            access_s: config.access_token_s.into(),
            refresh_s: config.refresh_token_s.into(),
        })
    }

    /// Makes the two tokens of a member.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn pair(&self, bearer: Bearer, now_ms: i64) -> Result<TokenPair, Fault> {
        Ok(TokenPair {
            refresh: self.sign(TokenType::Refresh, bearer, now_ms)?,
            access: self.sign(TokenType::Access, bearer, now_ms)?,
        })
    }

    /// Whose token this is, if it is a good one of the expected type.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why not.
    pub fn read(&self, token: &str, expected: TokenType, now_ms: i64) -> Result<Bearer, Refusal> {
        self.read_until(token, expected, now_ms).map(|(bearer, _)| bearer)
    }

    /// As [`Tokens::read`], and when the token ends, in Unix milliseconds.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why not.
    pub fn read_until(
        &self,
        token: &str,
        expected: TokenType,
        now_ms: i64,
    ) -> Result<(Bearer, i64), Refusal> {
        let named = jsonwebtoken::decode_header(token).map_err(|_| Refusal::Invalid)?.kid;
        let claims = {
            let keys = self.keyring.keys();
            let key = keys.iter().find(|key| Some(&key.id) == named.as_ref());
            let key = key.filter(|key| now_ms < key.until_ms).ok_or(Refusal::Invalid)?;
            // Only what `validation` names: what the token says of its algorithm is not believed.
            jsonwebtoken::decode::<Claims>(token, &key.reading, &self.validation)
                .map_err(|_| Refusal::Invalid)?
                .claims
        };
        if claims.exp <= now_ms.div_euclid(1000) {
            return Err(Refusal::Invalid);
        }
        if claims.token_type != expected {
            return Err(Refusal::WrongType);
        }
        let bearer = Bearer { user: UserId::new(claims.user_id), generation: claims.generation };
        Ok((bearer, claims.exp.saturating_mul(1000)))
    }

    /// When a refresh token made now ends, in Unix milliseconds.
    pub fn refresh_expires_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.refresh_s * 1000)
    }

    fn sign(&self, token_type: TokenType, bearer: Bearer, now_ms: i64) -> Result<Token, Fault> {
        let iat = now_ms.div_euclid(1000);
        let life_s = match token_type {
            TokenType::Access => self.access_s,
            TokenType::Refresh => self.refresh_s,
        };
        let jti = u128::from_be_bytes(random_bytes()?);
        let claims = Claims {
            token_type,
            exp: iat.saturating_add(life_s),
            iat,
            jti: format!("{jti:032x}"),
            user_id: bearer.user.get(),
            generation: bearer.generation,
        };
        let keys = self.keyring.keys();
        let newest = keys.first().ok_or(Fault::NoKey)?;
        let header = Header { kid: Some(newest.id.clone()), ..Header::new(Algorithm::HS256) };
        Ok(Token(jsonwebtoken::encode(&header, &claims, &newest.signing)?))
    }
}

impl From<&User> for Bearer {
    fn from(user: &User) -> Self {
        Self { user: user.id, generation: user.generation }
    }
}

impl Token {
    /// What the database keeps in place of the token.
    pub fn hash(&self) -> TokenHash {
        hash(&self.0)
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// The hash of a token that came from outside.
pub fn hash(token: &str) -> TokenHash {
    TokenHash(Sha256::digest(token.as_bytes()).into())
}

/// What names a key: a hash of it, cut short.
fn key_id(secret: &Secret) -> String {
    let mut hash = Sha256::new();
    hash.update(b"the name of a key: ");
    hash.update(secret.reveal());
    hash.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// There is nothing to sign with.
    #[error("no key signs tokens")]
    NoKey,
    /// The system gave no random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The library did not sign.
    #[error("token not signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};

    use super::*;

    const NOW: i64 = 1_753_268_700_000;
    const USER: Bearer = Bearer { user: UserId::new(30), generation: 4 };

    fn tokens(secret: &str) -> Tokens {
        let jwt_secret = Some(Secret::new(secret.repeat(32)));
        Tokens::new(&Config { jwt_secret, ..Config::default() }).unwrap()
    }

    #[test]
    fn a_token_names_its_user_until_it_expires_and_not_a_second_longer() {
        let tokens = tokens("a");
        let access = tokens.pair(USER, NOW).unwrap().access.0;
        assert_eq!(tokens.read(&access, TokenType::Access, NOW + 3_599_999), Ok(USER));
        assert_eq!(tokens.read(&access, TokenType::Access, NOW + 3_600_000), Err(Refusal::Invalid));
    }

    #[test]
    fn a_refresh_token_is_no_access_token() {
        let tokens = tokens("a");
        let refresh = tokens.pair(USER, NOW).unwrap().refresh.0;
        assert_eq!(tokens.read(&refresh, TokenType::Access, NOW), Err(Refusal::WrongType));
    }

    #[test]
    fn a_token_of_another_secret_is_refused() {
        let theirs = tokens("b").pair(USER, NOW).unwrap().access.0;
        assert_eq!(tokens("a").read(&theirs, TokenType::Access, NOW), Err(Refusal::Invalid));
    }

    #[test]
    fn the_algorithm_is_ours_whatever_a_token_says() {
        let tokens = tokens("a");
        let good = tokens.pair(USER, NOW).unwrap().access.0;
        let claims = good.split('.').nth(1).unwrap();
        let kid = jsonwebtoken::decode_header(&good).unwrap().kid.unwrap();
        let header = format!(r#"{{"alg":"none","typ":"JWT","kid":"{kid}"}}"#);
        let none = format!("{}.{claims}.", BASE64_URL_SAFE_NO_PAD.encode(header));
        assert_eq!(tokens.read(&none, TokenType::Access, NOW), Err(Refusal::Invalid));
        // Signed with the right key, in another way.
        let header = Header { kid: Some(kid), ..Header::new(Algorithm::HS512) };
        let claims: Claims =
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
        let key = EncodingKey::from_secret("a".repeat(32).as_bytes());
        let other = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        assert_eq!(tokens.read(&other, TokenType::Access, NOW), Err(Refusal::Invalid));
    }

    #[test]
    fn a_token_names_its_key_and_one_that_names_none_is_refused() {
        let tokens = tokens("a");
        let good = tokens.pair(USER, NOW).unwrap().access.0;
        let header = jsonwebtoken::decode_header(&good).unwrap();
        assert_eq!((header.alg, header.kid.map(|kid| kid.len())), (Algorithm::HS256, Some(16)));
        let [_, claims, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!() };
        let header = BASE64_URL_SAFE_NO_PAD.encode(r#"{"alg":"HS256","typ":"JWT"}"#);
        let nameless = format!("{header}.{claims}.{signature}");
        assert_eq!(tokens.read(&nameless, TokenType::Access, NOW), Err(Refusal::Invalid));
    }

    #[test]
    fn a_retired_key_is_believed_for_as_long_as_its_tokens_live_and_then_refused() {
        let tokens = tokens("a");
        let old = tokens.pair(USER, NOW).unwrap();
        let (first, second) = (Secret::new("a".repeat(32)), Secret::new("b".repeat(32)));
        tokens.keyring.replace(&second, &[(first.clone(), NOW + 1000)]);
        let new = tokens.pair(USER, NOW).unwrap();
        let kid = |token: &Token| jsonwebtoken::decode_header(&token.0).unwrap().kid;
        assert_ne!(kid(&old.access), kid(&new.access));
        assert_eq!(tokens.read(&old.access.0, TokenType::Access, NOW + 999), Ok(USER));
        for token in [&old.access.0, &old.refresh.0] {
            let late = tokens.read(token, TokenType::Access, NOW + 1000);
            assert_eq!(late, Err(Refusal::Invalid));
        }
        assert_eq!(tokens.read(&new.access.0, TokenType::Access, NOW + 1000), Ok(USER));
        // Dropped altogether, as after a theft.
        tokens.keyring.replace(&second, &[]);
        assert_eq!(tokens.read(&old.access.0, TokenType::Access, NOW), Err(Refusal::Invalid));
    }

    #[test]
    fn two_tokens_of_the_same_second_differ() {
        let tokens = tokens("a");
        let (one, other) = (tokens.pair(USER, NOW).unwrap(), tokens.pair(USER, NOW).unwrap());
        assert_ne!(one.refresh.hash(), other.refresh.hash());
    }

    #[test]
    fn a_token_never_prints() {
        assert_eq!(
            format!("{:?}", tokens("a").pair(USER, NOW).unwrap()),
            "TokenPair { refresh: …, access: … }"
        );
    }
}
