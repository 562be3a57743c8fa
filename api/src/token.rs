//! The two tokens of a session.
//!
//! Here: their claims, how they are signed and read. Not here: which refresh tokens are still good
//! (`store` keeps their hashes), the answers (`error`, `auth`).

use std::fmt;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use media::id::UserId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use store::TokenHash;

use crate::{
    config::Config,
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

/// Signs and reads tokens.
pub struct Tokens {
    signing: EncodingKey,
    reading: DecodingKey,
    validation: Validation,
    access_s: i64,
    refresh_s: i64,
}

/// What a token says.
#[derive(Serialize, Deserialize)]
struct Claims {
    token_type: TokenType,
    exp: i64,
    iat: i64,
    jti: String,
    user_id: i64,
}

impl Tokens {
    /// Signs with the configured secret, or with a random one that nobody keeps.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn new(config: &Config) -> Result<Self, NoRandomness> {
        let random = random_bytes::<32>()?;
        let secret = config.jwt_secret.as_ref().map_or(&random[..], |secret| secret.reveal());
        let mut validation = Validation::new(Algorithm::HS256);
        // The time is an argument here; `read` looks at `exp` itself.
        validation.validate_exp = false;
        validation.leeway = 0;
        Ok(Self {
            signing: EncodingKey::from_secret(secret),
            reading: DecodingKey::from_secret(secret),
            validation,
            access_s: config.access_token_s.into(),
            refresh_s: config.refresh_token_s.into(),
        })
    }

    /// Makes the two tokens of `user`.
    ///
    /// # Errors
    ///
    /// When the system gives no random bytes.
    pub fn pair(&self, user: UserId, now_ms: i64) -> Result<TokenPair, Fault> {
        Ok(TokenPair {
            refresh: self.sign(TokenType::Refresh, user, now_ms)?,
            access: self.sign(TokenType::Access, user, now_ms)?,
        })
    }

    /// Whose token this is, if it is a good one of the expected type.
    ///
    /// # Errors
    ///
    /// [`Refusal`] says why not.
    pub fn read(&self, token: &str, expected: TokenType, now_ms: i64) -> Result<UserId, Refusal> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.reading, &self.validation)
            .map_err(|_| Refusal::Invalid)?
            .claims;
        if claims.exp <= now_ms.div_euclid(1000) {
            return Err(Refusal::Invalid);
        }
        if claims.token_type != expected {
            return Err(Refusal::WrongType);
        }
        Ok(UserId::new(claims.user_id))
    }

    /// When a refresh token made now ends, in Unix milliseconds.
    pub fn refresh_expires_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.refresh_s * 1000)
    }

    fn sign(&self, token_type: TokenType, user: UserId, now_ms: i64) -> Result<Token, Fault> {
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
            user_id: user.get(),
        };
        Ok(Token(jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &self.signing)?))
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

/// A token could not be made.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The system gave no random bytes.
    #[error(transparent)]
    Random(#[from] NoRandomness),
    /// The library did not sign.
    #[error("token not signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Secret;

    const NOW: i64 = 1_753_268_700_000;
    const USER: UserId = UserId::new(30);

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
    fn a_token_without_signature_is_refused() {
        // {"alg":"none"} and claims that would be good.
        let token = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.eyJ0b2tlbl90eXBlIjoiYWNjZXNzIiwiZXhwIjo5OTk5\
                     OTk5OTk5LCJpYXQiOjEsImp0aSI6IngiLCJ1c2VyX2lkIjozMH0.";
        assert_eq!(tokens("a").read(token, TokenType::Access, NOW), Err(Refusal::Invalid));
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
