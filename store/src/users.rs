//! Members: accounts and profiles.
//!
//! Here: what a member is, and what makes two accounts the same. Not here: how a password becomes
//! a hash, what a valid name looks like (`api`).

use std::{fmt, sync::Arc};

use media::id::UserId;
use time::Date;

use crate::{Error, Quartier, QuartierId, Store};

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
    /// Where the picture is stored, relative to the media root.
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

impl Store {
    /// Makes an account.
    ///
    /// # Errors
    /// [`Error::Taken`] when the name or the address belongs to another account, also when both
    /// are asked for at the same instant; [`Error::UnknownQuartier`].
    pub async fn create_user(&self, new: NewUser) -> Result<User, Error> {
        let _ = new;
        unimplemented!()
    }

    /// The member of this id.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user(&self, id: UserId) -> Result<Option<User>, Error> {
        let _ = id;
        unimplemented!()
    }

    /// The member of this address, case set aside, and his password's hash.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn user_by_email(&self, email: &str) -> Result<Option<(User, PasswordHash)>, Error> {
        let _ = email;
        unimplemented!()
    }

    /// Changes a profile and gives it back as it is now.
    ///
    /// # Errors
    /// [`Error::UnknownUser`], [`Error::Taken`] for the address, [`Error::UnknownQuartier`].
    pub async fn update_user(&self, id: UserId, change: ProfileChange) -> Result<User, Error> {
        let _ = (id, change);
        unimplemented!()
    }

    /// Notes a sign-in with the password. Nothing happens if there is no such member.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn set_last_login(&self, id: UserId, now_ms: i64) -> Result<(), Error> {
        let _ = (id, now_ms);
        unimplemented!()
    }
}
