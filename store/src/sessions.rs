//! Sessions: families of refresh tokens, of which only the newest is good.
//!
//! Here: rotation, reuse, the end of a session. Not here: the tokens (only their hashes come in),
//! access tokens, which end by their own expiry.

use std::fmt;

use media::id::UserId;

use crate::{
    Error, Store,
    database::{transaction, writing},
};

/// Sessions one member may have at once; the oldest gives way. Far more devices than a member has,
/// few enough that signing in over and over does not fill the table.
const MAX_SESSIONS: i64 = 32;

/// Used tokens remembered per session, to notice their reuse. A client refreshes every hour: this
/// is more than its seven days.
const MAX_USED_TOKENS: i64 = 200;

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
    /// Opens a session of `user` with its first refresh token, good until `expires_ms`. The oldest
    /// session gives way when the member has too many.
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
        transaction!(&self.database, |transaction| {
            let session: Option<i64> = sqlx::query_scalar(
                "insert into sessions (user_id, created_ms, expires_ms)
                 select id, $2, $3 from users where id = $1
                 returning id",
            )
            .bind(user.get())
            .bind(now_ms)
            .bind(expires_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let session = session.ok_or(Error::UnknownUser)?;
            sqlx::query(
                "insert into session_tokens (session_id, token_hash, expires_ms)
                 values ($1, $2, $3)",
            )
            .bind(session)
            .bind(token.0.as_slice())
            .bind(expires_ms)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "delete from sessions
                 where user_id = $1 and id <= (
                     select id from sessions where user_id = $1
                     order by id desc limit 1 offset $2
                 )",
            )
            .bind(user.get())
            .bind(MAX_SESSIONS)
            .execute(&mut *transaction)
            .await?;
        });
        Ok(())
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
        let rotation = transaction!(&self.database, |transaction| {
            // Writing the session first makes all that happens to it wait in one line: whoever
            // comes second sees what the first did to the token.
            let session: Option<(i64, i64)> = sqlx::query_as(
                "update sessions set expires_ms = expires_ms
                 where id = (select session_id from session_tokens where token_hash = $1)
                 returning id, user_id",
            )
            .bind(old.0.as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((session, user)) = session else { return Ok(Rotation::Unknown) };

            let used: Option<(i64, Option<i64>)> = sqlx::query_as(
                "select expires_ms, rotated_ms from session_tokens where token_hash = $1",
            )
            .bind(old.0.as_slice())
            .fetch_optional(&mut *transaction)
            .await?;
            match used {
                Some((_, Some(_))) => {
                    sqlx::query("delete from sessions where id = $1")
                        .bind(session)
                        .execute(&mut *transaction)
                        .await?;
                    Rotation::Reused(UserId::new(user))
                }
                Some((good_until_ms, None)) if now_ms < good_until_ms => {
                    sqlx::query("update session_tokens set rotated_ms = $2 where token_hash = $1")
                        .bind(old.0.as_slice())
                        .bind(now_ms)
                        .execute(&mut *transaction)
                        .await?;
                    sqlx::query(
                        "insert into session_tokens (session_id, token_hash, expires_ms)
                         values ($1, $2, $3)",
                    )
                    .bind(session)
                    .bind(new.0.as_slice())
                    .bind(expires_ms)
                    .execute(&mut *transaction)
                    .await?;
                    sqlx::query("update sessions set expires_ms = $2 where id = $1")
                        .bind(session)
                        .bind(expires_ms)
                        .execute(&mut *transaction)
                        .await?;
                    sqlx::query(
                        "delete from session_tokens
                         where session_id = $1 and id < (
                             select id from session_tokens where session_id = $1
                             order by id desc limit 1 offset $2
                         )",
                    )
                    .bind(session)
                    .bind(MAX_USED_TOKENS)
                    .execute(&mut *transaction)
                    .await?;
                    Rotation::Rotated(UserId::new(user))
                }
                _ => Rotation::Unknown,
            }
        });
        Ok(rotation)
    }

    /// Ends the session a token belongs to, whichever of its tokens it is. Says whether there was
    /// one.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn end_session(&self, token: TokenHash) -> Result<bool, Error> {
        let ended = writing!(&self.database, |pool| {
            sqlx::query(
                "delete from sessions
                 where id = (select session_id from session_tokens where token_hash = $1)",
            )
            .bind(token.0.as_slice())
            .execute(pool)
            .await?
            .rows_affected()
        });
        Ok(ended > 0)
    }

    /// Forgets the sessions whose newest token expired at or before `now_ms`; to be called now and
    /// then. Gives their number.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_sessions(&self, now_ms: i64) -> Result<u64, Error> {
        let purged = writing!(&self.database, |pool| {
            sqlx::query("delete from sessions where expires_ms <= $1")
                .bind(now_ms)
                .execute(pool)
                .await?
                .rows_affected()
        });
        Ok(purged)
    }
}

#[cfg(test)]
mod tests;
