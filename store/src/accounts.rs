//! What is done to accounts: roles, closing and opening, passwords, the end of all sessions.
//!
//! Here: acts of those who run the place and of members on their own password; each writes its line
//! of the audit log in its own transaction. Not here: profiles (`users`), one session (`sessions`),
//! who may do it (`api`, the command line).

use media::id::UserId;

use crate::{
    Actor, AuditAction, By, Error, Page, PasswordHash, Role, Store, User,
    audit::note,
    database::{reading, transaction, writing},
    page::read_page,
    text::key,
    users::{UserRow, user_columns},
};

/// Ends all sessions of a member within an open transaction: refresh tokens go, and access tokens
/// given until now are of an earlier generation. What was sent to him by e-mail admits no more, and his
/// browsers are told nothing more until they say again that they are his.
macro_rules! end_sessions {
    ($transaction:ident, $user:expr, $now_ms:expr) => {
        sqlx::query("delete from sessions where user_id = $1")
            .bind($user.get())
            .execute(&mut *$transaction)
            .await?;
        sqlx::query("delete from push_subscriptions where user_id = $1")
            .bind($user.get())
            .execute(&mut *$transaction)
            .await?;
        sqlx::query("update users set generation = generation + 1 where id = $1")
            .bind($user.get())
            .execute(&mut *$transaction)
            .await?;
        sqlx::query(
            "update mail_tokens set void_ms = $2
             where user_id = $1 and purpose = 'reset' and void_ms is null",
        )
        .bind($user.get())
        .bind($now_ms)
        .execute(&mut *$transaction)
        .await?;
    };
}
pub(crate) use end_sessions;

/// Keeps the account `$id`, and that of the member who changes it, as they are until an open
/// transaction ends, and gives the role and the activity of the first. Leaves the function with
/// [`Error::UnknownUser`], and with [`Error::NotAdmin`] unless who changes it still runs the place:
/// nobody changes himself, so that of two admins who put each other out at once one stays.
macro_rules! account_before {
    ($database:expr, $transaction:ident, $id:expr, $by:expr) => {{
        let (id, by): (UserId, &By) = ($id, $by);
        let actor = if let Actor::Member(actor) = by.actor { Some(actor.get()) } else { None };
        let accounts: Vec<(i64, String, i64)> = sqlx::query_as($database.lock_members())
            .bind(id.get())
            .bind(actor)
            .fetch_all(&mut *$transaction)
            .await?;
        let runs_the_place = |(account, role, is_active): &(i64, String, i64)| {
            Some(*account) == actor && role == Role::Admin.as_str() && *is_active != 0
        };
        if actor.is_some() && !accounts.iter().any(runs_the_place) {
            return Err(Error::NotAdmin);
        }
        let found = accounts.into_iter().find(|(account, ..)| *account == id.get());
        let (_, role, is_active) = found.ok_or(Error::UnknownUser)?;
        (role, is_active)
    }};
}

impl Store {
    /// The member whom an operator means: by address where there is an `@`, by id where there are only
    /// digits, else by name, case set aside. One text never means two: a member may be called like
    /// the address or the id of another.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user_meant_by(&self, text: &str) -> Result<Option<User>, Error> {
        const SELECT: &str =
            concat!("select ", user_columns!(), " from users where username_key = $1");
        let text = text.trim();
        if text.contains('@') {
            return Ok(self.user_by_email(text).await?.map(|(user, _)| user));
        }
        if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
            let Ok(id) = text.parse() else { return Ok(None) };
            return self.user(UserId::new(id)).await;
        }
        let row: Option<UserRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(key(text)).fetch_optional(pool).await?
        });
        row.map(|row| row.into_user(self.geography())).transpose()
    }

    /// Members by page, oldest first; those of one role, or all.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn users(&self, role: Option<Role>, page: u32) -> Result<Page<User>, Error> {
        const COUNT: &str = "select count(*) from users where $1 is null or role = $1";
        const SELECT: &str = concat!(
            "select ",
            user_columns!(),
            " from users where $1 is null or role = $1 order by id limit $2 offset $3"
        );
        let role = role.map(Role::as_str);
        let page = read_page!(&self.database, page, COUNT, SELECT, [role]);
        page.try_map(|row: UserRow| row.into_user(self.geography()))
    }

    /// Gives a member a role; says whether he had another.
    ///
    /// # Errors
    /// [`Error::UnknownUser`]; [`Error::NotAdmin`] when the member who does it is none any more.
    pub async fn set_role(&self, id: UserId, role: Role, by: &By) -> Result<bool, Error> {
        Ok(transaction!(&self.database, |transaction| {
            let (had, _) = account_before!(self.database, transaction, id, by);
            let changes = had != role.as_str();
            if changes {
                sqlx::query("update users set role = $2 where id = $1")
                    .bind(id.get())
                    .bind(role.as_str())
                    .execute(&mut *transaction)
                    .await?;
                let detail = format!("{had} → {}", role.as_str());
                note!(&mut *transaction, by, AuditAction::RoleChanged, Some(id), &detail);
            }
            changes
        }))
    }

    /// Closes an account, which ends its sessions, or opens it again; says whether it was otherwise.
    ///
    /// # Errors
    /// [`Error::UnknownUser`]; [`Error::NotAdmin`] when the member who does it is none any more.
    pub async fn set_active(&self, id: UserId, is_active: bool, by: &By) -> Result<bool, Error> {
        let changed = transaction!(&self.database, |transaction| {
            let (_, was_active) = account_before!(self.database, transaction, id, by);
            let changes = was_active != i64::from(is_active);
            if changes {
                sqlx::query("update users set is_active = $2 where id = $1")
                    .bind(id.get())
                    .bind(i64::from(is_active))
                    .execute(&mut *transaction)
                    .await?;
                let action =
                    if is_active { AuditAction::Activated } else { AuditAction::Deactivated };
                note!(&mut *transaction, by, action, Some(id), "");
                if !is_active {
                    end_sessions!(transaction, id, by.now_ms);
                }
            }
            changes
        });
        if changed && !is_active {
            self.changes.sessions_ended(id);
        }
        Ok(changed)
    }

    /// Gives an account another password and ends all its sessions; `action` says how it came about.
    ///
    /// # Errors
    /// [`Error::UnknownUser`].
    pub async fn set_password(
        &self,
        id: UserId,
        hash: &PasswordHash,
        action: AuditAction,
        by: &By,
    ) -> Result<(), Error> {
        transaction!(&self.database, |transaction| {
            let changed = sqlx::query("update users set password_hash = $2 where id = $1")
                .bind(id.get())
                .bind(hash.reveal())
                .execute(&mut *transaction)
                .await?
                .rows_affected();
            if changed == 0 {
                return Err(Error::UnknownUser);
            }
            note!(&mut *transaction, by, action, Some(id), "");
            end_sessions!(transaction, id, by.now_ms);
        });
        self.changes.sessions_ended(id);
        Ok(())
    }

    /// Replaces the hash of a password by another of the same password, unless it was changed
    /// meanwhile.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn rehash_password(
        &self,
        id: UserId,
        old: &PasswordHash,
        new: &PasswordHash,
    ) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("update users set password_hash = $3 where id = $1 and password_hash = $2")
                .bind(id.get())
                .bind(old.reveal())
                .bind(new.reveal())
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Ends all sessions of a member, on all his devices.
    ///
    /// # Errors
    /// [`Error::UnknownUser`].
    pub async fn revoke_sessions(&self, id: UserId, by: &By) -> Result<(), Error> {
        transaction!(&self.database, |transaction| {
            let there: Option<i64> = sqlx::query_scalar("select id from users where id = $1")
                .bind(id.get())
                .fetch_optional(&mut *transaction)
                .await?;
            there.ok_or(Error::UnknownUser)?;
            note!(&mut *transaction, by, AuditAction::SessionsRevoked, Some(id), "");
            end_sessions!(transaction, id, by.now_ms);
        });
        self.changes.sessions_ended(id);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
