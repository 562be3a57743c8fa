//! Sessions: families of refresh tokens, of which only the newest is good.
//!
//! Here: rotation, reuse, the end of a session. Not here: the tokens (only their hashes come in),
//! access tokens, which end by their own expiry.

use std::fmt;

use media::id::UserId;

use crate::{Error, Store};

/// The SHA-256 of a refresh token: all that is stored of it. Prints as `…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash(pub [u8; 32]);

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// What became of a refresh token that was presented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// It was good; it is used up, and the new one is good in its place.
    Rotated(UserId),
    /// It had been used before: somebody else has a copy. The whole session is revoked.
    Reused(UserId),
    /// It was never given, or has expired, or its session has ended.
    Unknown,
}

impl Store {
    /// Opens a session of `user` with its first refresh token, good until `expires_ms`.
    ///
    /// # Errors
    /// [`Error::UnknownUser`].
    pub async fn start_session(
        &self,
        user: UserId,
        token: TokenHash,
        now_ms: i64,
        expires_ms: i64,
    ) -> Result<(), Error> {
        let _ = (user, token, now_ms, expires_ms);
        unimplemented!()
    }

    /// Exchanges the token `old` for `new`, good until `expires_ms`.
    ///
    /// Of two exchanges of one token, at the same instant or later, one is `Rotated` and the other
    /// `Reused`, which also kills the token the first one gave.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rotate_session(
        &self,
        old: TokenHash,
        new: TokenHash,
        now_ms: i64,
        expires_ms: i64,
    ) -> Result<Rotation, Error> {
        let _ = (old, new, now_ms, expires_ms);
        unimplemented!()
    }

    /// Ends the session a token belongs to, whichever of its tokens it is. Says whether there was
    /// one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_session(&self, token: TokenHash) -> Result<bool, Error> {
        let _ = token;
        unimplemented!()
    }

    /// Forgets what expired before `now_ms`; to be called now and then. Gives the number of
    /// sessions forgotten.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_sessions(&self, now_ms: i64) -> Result<u64, Error> {
        let _ = now_ms;
        unimplemented!()
    }
}
