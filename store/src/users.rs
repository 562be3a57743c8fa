//! Members: accounts and profiles.
//!
//! Here: what a member is, and what makes two accounts the same. Not here: how a password becomes
//! a hash, what a valid name looks like (`api`).

use std::{fmt, sync::Arc};

use media::id::UserId;
use time::Date;

use crate::{
    AuditAction, By, Error, Field, Geography, Quartier, QuartierId, Store,
    audit::note,
    database::{reading, row, transaction, writing},
    text::{fold, key, storable},
};

/// A member, as only he himself may see it whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Never given twice.
    pub id: UserId,
    /// Unique, case set aside.
    pub username: String,
    /// As the member wrote it; unique, case set aside.
    pub email: String,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub phone_number: String,
    /// Day of birth, if told.
    pub date_of_birth: Option<Date>,
    /// May be empty.
    pub bio: String,
    /// Under which name the picture is stored.
    pub profile_picture: Option<String>,
    /// Where the member lives, names included.
    pub quartier: Option<Arc<Quartier>>,
    /// What the member may do.
    pub role: Role,
    /// Whether the team has checked who it is.
    pub is_verified: bool,
    /// Whether the team has checked where it lives.
    pub is_geographically_verified: bool,
    /// Whether the account may sign in.
    pub is_active: bool,
    /// When the account was made, in Unix milliseconds.
    pub joined_ms: i64,
    /// Last sign-in with the password, in Unix milliseconds.
    pub last_login_ms: Option<i64>,
    /// When the member showed that he reads what is sent to his address, in Unix milliseconds.
    pub email_verified_ms: Option<i64>,
    /// How often all his sessions were ended at once: access tokens of an earlier one are refused.
    pub generation: i64,
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// A member like any other.
    User,
    /// Speaks for the project in his quartier.
    Ambassador,
    /// Runs the place.
    Admin,
}

impl Role {
    /// The role as stored and as the API names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Ambassador => "ambassador",
            Self::Admin => "admin",
        }
    }

    /// The role that [`Role::as_str`] names so.
    pub fn named(text: &str) -> Option<Self> {
        [Self::User, Self::Ambassador, Self::Admin].into_iter().find(|role| role.as_str() == text)
    }

    /// The role a stored text stands for.
    pub(crate) fn from_stored(text: &str) -> Result<Self, Error> {
        Self::named(text).ok_or_else(|| Error::Database("a role is unknown to this version".into()))
    }
}

/// A hashed password in PHC string form. Prints as `…`.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(String);

impl PasswordHash {
    /// Wraps what the hash function gave.
    pub fn new(phc: impl Into<String>) -> Self {
        Self(phc.into())
    }

    /// The hash itself, for verification.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// An account to be made. Already validated; nothing is checked here but uniqueness and quartier.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// Unique, case set aside: two accounts that read alike are a way to pass for another.
    pub username: String,
    /// Unique, case set aside.
    pub email: String,
    /// The hash of the password.
    pub password_hash: PasswordHash,
    /// May be empty.
    pub first_name: String,
    /// May be empty.
    pub last_name: String,
    /// May be empty.
    pub phone_number: String,
    /// Day of birth, if told.
    pub date_of_birth: Option<Date>,
    /// May be empty.
    pub bio: String,
    /// Where the member lives.
    pub quartier: Option<QuartierId>,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// What a member changes in his profile: `None` leaves a value as it is.
#[derive(Debug, Clone, Default)]
pub struct ProfileChange {
    /// New first name.
    pub first_name: Option<String>,
    /// New last name.
    pub last_name: Option<String>,
    /// New address; unique, case set aside.
    pub email: Option<String>,
    /// New telephone number.
    pub phone_number: Option<String>,
    /// New text about oneself.
    pub bio: Option<String>,
    /// New day of birth; `Some(None)` clears it.
    pub date_of_birth: Option<Option<Date>>,
    /// New quartier; `Some(None)` clears it.
    pub quartier: Option<Option<QuartierId>>,
    /// New picture; `Some(None)` clears it.
    pub profile_picture: Option<Option<String>>,
}

/// The columns of [`UserRow`].
macro_rules! user_columns {
    () => {
        "id, username, email, password_hash, first_name, last_name, phone_number, date_of_birth, \
         bio, profile_picture, quartier_id, role, is_verified, is_geographically_verified, \
         is_active, joined_ms, last_login_ms, email_verified_ms, generation"
    };
}
pub(crate) use user_columns;

/// Claims the name of a new picture in the storage and gives back that of the old one, within an
/// open transaction.
macro_rules! exchange_picture {
    ($transaction:ident, $user:expr, $new:expr) => {
        sqlx::query(
            "insert into loose_objects (name, delete_after_ms)
             select profile_picture, 0 from users where id = $1 and profile_picture is not null
             on conflict do nothing",
        )
        .bind($user.get())
        .execute(&mut *$transaction)
        .await?;
        sqlx::query("delete from loose_objects where name = $1")
            .bind($new)
            .execute(&mut *$transaction)
            .await?;
    };
}

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Taken`] when the name or the address belongs to another account, also when both
    /// are asked for at the same instant; [`Error::UnknownQuartier`].
    pub async fn create_user(&self, new: NewUser) -> Result<User, Error> {
        const INSERT: &str = concat!(
            "insert into users (username, username_key, email, email_key, password_hash,
                 first_name, first_name_search, last_name, last_name_search, phone_number,
                 date_of_birth, bio, quartier_id, joined_ms)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
             on conflict do nothing
             returning ",
            user_columns!()
        );
        self.check_quartier(new.quartier)?;
        let row: Option<UserRow> = writing!(&self.database, |pool| {
            sqlx::query_as(INSERT)
                .bind(storable(&new.username))
                .bind(key(&new.username))
                .bind(storable(new.email.trim()))
                .bind(key(&new.email))
                .bind(new.password_hash.reveal())
                .bind(storable(&new.first_name))
                .bind(fold(&new.first_name))
                .bind(storable(&new.last_name))
                .bind(fold(&new.last_name))
                .bind(storable(&new.phone_number))
                .bind(new.date_of_birth.map(|date| date.to_string()))
                .bind(storable(&new.bio))
                .bind(new.quartier.map(QuartierId::get))
                .bind(new.now_ms)
                .fetch_optional(pool)
                .await?
        });
        match row {
            Some(row) => row.into_user(self.geography()),
            None => Err(self.taken(&new.username).await?),
        }
    }

    /// The member of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        const SELECT: &str = concat!("select ", user_columns!(), " from users where id = $1");
        let row: Option<UserRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(id.get()).fetch_optional(pool).await?
        });
        row.map(|row| row.into_user(self.geography())).transpose()
    }

    /// The member of this address, case set aside, and his password's hash.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<(User, PasswordHash)>, Error> {
        const SELECT: &str =
            concat!("select ", user_columns!(), " from users where email_key = $1");
        let row: Option<UserRow> = reading!(&self.database, |pool| {
            sqlx::query_as(SELECT).bind(key(email)).fetch_optional(pool).await?
        });
        row.map(|mut row| {
            let hash = PasswordHash(std::mem::take(&mut row.password_hash));
            Ok((row.into_user(self.geography())?, hash))
        })
        .transpose()
    }

    /// Changes a profile and gives it back as it is now. The name of a picture that is replaced or
    /// taken away becomes one that belongs to nothing; a new address has yet to be verified, and is
    /// noted in the audit log.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::Taken`] for the address, [`Error::UnknownQuartier`].
    pub async fn update_user(
        &self,
        id: UserId,
        change: ProfileChange,
        by: &By,
    ) -> Result<User, Error> {
        // A value that may be cleared comes with a flag: null alone would not say which is meant.
        const UPDATE: &str = concat!(
            "update users set
                 first_name = coalesce($2, first_name),
                 first_name_search = coalesce($3, first_name_search),
                 last_name = coalesce($4, last_name),
                 last_name_search = coalesce($5, last_name_search),
                 email = coalesce($6, email),
                 email_key = coalesce($7, email_key),
                 email_verified_ms =
                     case when coalesce($7, email_key) = email_key then email_verified_ms end,
                 phone_number = coalesce($8, phone_number),
                 bio = coalesce($9, bio),
                 date_of_birth = case when $10 = 1 then $11 else date_of_birth end,
                 quartier_id = case when $12 = 1 then $13 else quartier_id end,
                 profile_picture = case when $14 = 1 then $15 else profile_picture end
             where id = $1
             returning ",
            user_columns!()
        );
        self.check_quartier(change.quartier.flatten())?;
        let (email, first_name, last_name) = (
            change.email.as_deref().map(str::trim),
            change.first_name.as_deref(),
            change.last_name.as_deref(),
        );
        let row: UserRow = transaction!(&self.database, |transaction| {
            let old_email: Option<String> =
                sqlx::query_scalar("select email from users where id = $1")
                    .bind(id.get())
                    .fetch_optional(&mut *transaction)
                    .await?;
            if let Some(picture) = &change.profile_picture {
                exchange_picture!(transaction, id, picture.as_deref());
            }
            let changed = sqlx::query_as(UPDATE)
                .bind(id.get())
                .bind(first_name.map(storable))
                .bind(first_name.map(fold))
                .bind(last_name.map(storable))
                .bind(last_name.map(fold))
                .bind(email.map(storable))
                .bind(email.map(key))
                .bind(change.phone_number.as_deref().map(storable))
                .bind(change.bio.as_deref().map(storable))
                .bind(i64::from(change.date_of_birth.is_some()))
                .bind(change.date_of_birth.flatten().map(|date| date.to_string()))
                .bind(i64::from(change.quartier.is_some()))
                .bind(change.quartier.flatten().map(QuartierId::get))
                .bind(i64::from(change.profile_picture.is_some()))
                .bind(change.profile_picture.as_ref().and_then(|p| p.as_deref()).map(storable))
                .fetch_optional(&mut *transaction)
                .await;
            let row: UserRow = match changed {
                Ok(Some(row)) => row,
                Ok(None) => return Err(Error::UnknownUser),
                // The address is the only unique value that changes here.
                Err(error) if is_unique_violation(&error) => {
                    return Err(Error::Taken { field: Field::Email });
                }
                Err(error) => return Err(error.into()),
            };
            if old_email.is_some_and(|old_email| old_email != row.email) {
                note!(&mut *transaction, by, AuditAction::EmailChanged, Some(id), "");
            }
            if first_name.is_some() || last_name.is_some() {
                sqlx::query(
                    "update post_search set author = (
                         select first_name_search || ' ' || last_name_search || ' ' || username_key
                         from users where id = $1)
                     where rowid in (select id from posts where author_id = $1 and is_anonymous = 0)",
                )
                .bind(id.get())
                .execute(&mut *transaction)
                .await?;
            }
            row
        });
        row.into_user(self.geography())
    }

    /// Notes a sign-in with the password. Nothing happens if there is no such member.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_last_login(&self, id: UserId, now_ms: i64) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            sqlx::query("update users set last_login_ms = $2 where id = $1")
                .bind(id.get())
                .bind(now_ms)
                .execute(pool)
                .await?;
        });
        Ok(())
    }

    /// Which value stood in the way of an account: if it was not the name, it was the address.
    async fn taken(&self, username: &str) -> Result<Error, Error> {
        let holder: Option<i64> = writing!(&self.database, |pool| {
            sqlx::query_scalar("select id from users where username_key = $1")
                .bind(key(username))
                .fetch_optional(pool)
                .await?
        });
        let field = if holder.is_some() { Field::Username } else { Field::Email };
        Ok(Error::Taken { field })
    }

    fn check_quartier(&self, id: Option<QuartierId>) -> Result<(), Error> {
        match id {
            Some(id) if self.geography().quartier(id).is_none() => Err(Error::UnknownQuartier),
            _ => Ok(()),
        }
    }
}

fn is_unique_violation(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(|error| error.is_unique_violation())
}

row! {
    /// A row of `users`.
    pub(crate) struct UserRow {
        id: i64,
        username: String,
        email: String,
        password_hash: String,
        first_name: String,
        last_name: String,
        phone_number: String,
        date_of_birth: Option<String>,
        bio: String,
        profile_picture: Option<String>,
        quartier_id: Option<i64>,
        role: String,
        is_verified: i64,
        is_geographically_verified: i64,
        is_active: i64,
        joined_ms: i64,
        last_login_ms: Option<i64>,
        email_verified_ms: Option<i64>,
        generation: i64,
    }
}

impl UserRow {
    pub(crate) fn into_user(self, geography: &Geography) -> Result<User, Error> {
        Ok(User {
            id: UserId::new(self.id),
            username: self.username,
            email: self.email,
            first_name: self.first_name,
            last_name: self.last_name,
            phone_number: self.phone_number,
            date_of_birth: self.date_of_birth.as_deref().map(parse_date).transpose()?,
            bio: self.bio,
            profile_picture: self.profile_picture,
            quartier: self
                .quartier_id
                .and_then(|id| geography.quartier(QuartierId::new(id)))
                .cloned(),
            role: Role::from_stored(&self.role)?,
            is_verified: self.is_verified != 0,
            is_geographically_verified: self.is_geographically_verified != 0,
            is_active: self.is_active != 0,
            joined_ms: self.joined_ms,
            last_login_ms: self.last_login_ms,
            email_verified_ms: self.email_verified_ms,
            generation: self.generation,
        })
    }
}

fn parse_date(text: &str) -> Result<Date, Error> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| Error::Database("a day of birth is not a date".into()))
}

#[cfg(test)]
mod tests;
