//! What can go wrong, told without SQL text, without values and without secrets.

use std::path::PathBuf;

use media::id::LiveId;

/// Why the database did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database address is not one we can open. The address itself may hold a password and is
    /// not repeated.
    #[error("the database address is not valid: {0}")]
    Url(&'static str),
    /// The database file, or its folder, could not be made.
    #[error("cannot prepare the database file {}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The tables are not those this version can work with.
    #[error("cannot bring the database up to date: {0}")]
    Migration(String),
    /// The embedded list of places cannot be read.
    #[error("the list of places is not valid: {0}")]
    Geography(String),
    /// Another account has this value already.
    #[error("another account has this {field} already")]
    Taken {
        /// The value that must be unique.
        field: Field,
    },
    /// The member has a live that was published and has not ended.
    #[error("live {id} of this member has not ended")]
    AlreadyLive {
        /// That live.
        id: LiveId,
    },
    /// The member has no quartier, and what was asked needs one.
    #[error("this member has no quartier")]
    NoQuartier,
    /// No quartier has this id.
    #[error("there is no such quartier")]
    UnknownQuartier,
    /// No member has this id.
    #[error("there is no such member")]
    UnknownUser,
    /// The database cannot be reached, or is too busy to answer in time. Worth another try later.
    #[error("the database is not available: {0}")]
    Unavailable(Fault),
    /// The database refused a statement, or gave back what we do not understand.
    #[error("the database failed: {0}")]
    Database(Fault),
}

/// A value that only one account may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// `username`
    Username,
    /// `email`
    Email,
}

impl std::fmt::Display for Field {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Username => "username",
            Self::Email => "email",
        })
    }
}

/// A failure of the database in words fit for a log: its code and the name of a constraint or
/// column, never a statement or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault(String);

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
