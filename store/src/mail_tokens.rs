//! What is sent by e-mail and admits once: to a new password, or to a verified address.
//!
//! Here: how many a member is sent, which one is good, what it does. Not here: the tokens (only
//! their hashes come in), the mail (`api`).

use media::id::UserId;

use crate::{
    Actor, AuditAction, By, Error, PasswordHash, Store, TokenHash,
    accounts::end_sessions,
    audit::note,
    database::{reading, transaction, writing},
};

/// Mails of one purpose that one member is sent in a day: whoever asks for more in his place shall not
/// fill his mailbox.
const MAX_A_DAY: i64 = 5;
const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// What a token admits to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MailPurpose {
    /// A new password.
    Reset,
    /// A verified address.
    Verification,
}

impl MailPurpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::Reset => "reset",
            Self::Verification => "verification",
        }
    }
}

impl Store {
    /// Makes a token good for the address that the member has now, until `expires_ms`; an earlier one
    /// of the same purpose is not good any more. Gives `false`, and makes none, when he was sent so
    /// many today already or his account is closed.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn issue_mail_token(
        &self,
        user: UserId,
        purpose: MailPurpose,
        token: TokenHash,
        now_ms: i64,
        expires_ms: i64,
    ) -> Result<bool, Error> {
        Ok(transaction!(&self.database, |transaction| {
            // Of two at once the second counts the first.
            sqlx::query(self.database.lock_member())
                .bind(user.get())
                .execute(&mut *transaction)
                .await?;
            let sent: i64 = sqlx::query_scalar(
                "select count(*) from mail_tokens
                 where user_id = $1 and purpose = $2 and created_ms > $3",
            )
            .bind(user.get())
            .bind(purpose.as_str())
            .bind(now_ms - DAY_MS)
            .fetch_one(&mut *transaction)
            .await?;
            if sent >= MAX_A_DAY {
                return Ok(false);
            }
            sqlx::query(
                "update mail_tokens set void_ms = $3
                 where user_id = $1 and purpose = $2 and void_ms is null",
            )
            .bind(user.get())
            .bind(purpose.as_str())
            .bind(now_ms)
            .execute(&mut *transaction)
            .await?;
            sqlx::query(
                "insert into mail_tokens
                     (user_id, purpose, token_hash, email_key, created_ms, expires_ms)
                 select id, $2, $3, email_key, $4, $5 from users where id = $1 and is_active = 1",
            )
            .bind(user.get())
            .bind(purpose.as_str())
            .bind(token.0.as_slice())
            .bind(now_ms)
            .bind(expires_ms)
            .execute(&mut *transaction)
            .await?
            .rows_affected()
                > 0
        }))
    }

    /// Whether a token of this purpose is good now: to be asked before a password is hashed in vain.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn mail_token_is_good(
        &self,
        token: TokenHash,
        purpose: MailPurpose,
        now_ms: i64,
    ) -> Result<bool, Error> {
        let good: i64 = reading!(&self.database, |pool| {
            sqlx::query_scalar(
                "select count(*) from mail_tokens
                 where token_hash = $1 and purpose = $2 and void_ms is null and expires_ms > $3",
            )
            .bind(token.0.as_slice())
            .bind(purpose.as_str())
            .bind(now_ms)
            .fetch_one(pool)
            .await?
        });
        Ok(good > 0)
    }

    /// Uses a token up, which gives its member a new password and ends all his sessions. Who reads
    /// what is sent to the address has verified it, too. `None` when the token is not good, or the
    /// member has another address by now, or his account is closed.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn reset_password(
        &self,
        token: TokenHash,
        password: &PasswordHash,
        by: &By,
    ) -> Result<Option<UserId>, Error> {
        let user = self.use_mail_token(token, MailPurpose::Reset, Some(password), by).await?;
        user.inspect(|user| self.changes.sessions_ended(*user));
        Ok(user)
    }

    /// Uses a token up, which verifies the address it was sent to. `None` as above.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn verify_email(&self, token: TokenHash, by: &By) -> Result<Option<UserId>, Error> {
        self.use_mail_token(token, MailPurpose::Verification, None, by).await
    }

    async fn use_mail_token(
        &self,
        token: TokenHash,
        purpose: MailPurpose,
        password: Option<&PasswordHash>,
        by: &By,
    ) -> Result<Option<UserId>, Error> {
        Ok(transaction!(&self.database, |transaction| {
            let whose: Option<i64> =
                sqlx::query_scalar("select user_id from mail_tokens where token_hash = $1")
                    .bind(token.0.as_slice())
                    .fetch_optional(&mut *transaction)
                    .await?;
            // The member before his tokens, as everywhere: else two might wait for each other.
            sqlx::query(self.database.lock_member()).bind(whose).execute(&mut *transaction).await?;
            let used: Option<(i64, String)> = sqlx::query_as(
                "update mail_tokens set void_ms = $3
                 where token_hash = $1 and purpose = $2 and void_ms is null and expires_ms > $3
                 returning user_id, email_key",
            )
            .bind(token.0.as_slice())
            .bind(purpose.as_str())
            .bind(by.now_ms)
            .fetch_optional(&mut *transaction)
            .await?;
            let Some((id, email_key)) = used else { return Ok(None) };
            let user = UserId::new(id);
            let by = By { actor: Actor::Member(user), ..by.clone() };
            let changed = sqlx::query(
                "update users set email_verified_ms = coalesce(email_verified_ms, $3),
                     password_hash = coalesce($4, password_hash)
                 where id = $1 and email_key = $2 and is_active = 1",
            )
            .bind(id)
            .bind(email_key)
            .bind(by.now_ms)
            .bind(password.map(PasswordHash::reveal))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if changed == 0 {
                return Ok(None);
            }
            match purpose {
                MailPurpose::Reset => {
                    note!(&mut *transaction, by, AuditAction::PasswordReset, Some(user), "");
                    end_sessions!(transaction, user, by.now_ms);
                }
                MailPurpose::Verification => {
                    note!(&mut *transaction, by, AuditAction::EmailVerified, Some(user), "");
                }
            }
            Some(user)
        }))
    }

    /// Forgets tokens of more than a day, which is as long as they count. None lives longer.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_mail_tokens(&self, now_ms: i64) -> Result<u64, Error> {
        let purged = writing!(&self.database, |pool| {
            sqlx::query("delete from mail_tokens where created_ms <= $1 and expires_ms <= $2")
                .bind(now_ms - DAY_MS)
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
