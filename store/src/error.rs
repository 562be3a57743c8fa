//! What can go wrong, told without SQL text, without values and without secrets.

use std::path::PathBuf;

use media::id::LiveId;

use crate::MediaId;

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
    /// A file offered as a database does not hold together.
    #[error("{} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What was found first.
        what: String,
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
    /// The member who does it does not run the place, or not any more.
    #[error("this member is no admin any more")]
    NotAdmin,
    /// No post has this id.
    #[error("there is no such post")]
    UnknownPost,
    /// No comment of the post has this id.
    #[error("there is no such comment")]
    UnknownComment,
    /// The member likes this post already.
    #[error("this member likes this post already")]
    AlreadyLiked,
    /// The member does not like this post.
    #[error("this member does not like this post")]
    NotLiked,
    /// Comments stand so deep and no deeper.
    #[error("this comment stands too deep to be answered")]
    TooDeep,
    /// The thread has all the replies it may have.
    #[error("this thread takes no more replies")]
    ThreadFull,
    /// The member has no approved media of this id, or names it twice.
    #[error("media {} is not there to be shown", id.get())]
    UnknownMedia {
        /// That id.
        id: MediaId,
    },
    /// All media of the member would take more than they may.
    #[error("media of one member take no more than {max_bytes} bytes")]
    NoRoom {
        /// How much they may take.
        max_bytes: i64,
    },
    /// A post cannot show so many media.
    #[error("a post shows no more media")]
    TooManyMedia,
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
pub struct Fault {
    text: String,
    is_contention: bool,
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl<T: Into<String>> From<T> for Fault {
    fn from(text: T) -> Self {
        Self { text: text.into(), is_contention: false }
    }
}

impl Error {
    /// Whether the database gave it up for the sake of another transaction, and would do it now.
    pub(crate) fn is_contention(&self) -> bool {
        matches!(self, Self::Unavailable(fault) if fault.is_contention)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as Sqlx;
        match error {
            Sqlx::Database(error) => refused(error.as_ref()),
            Sqlx::Io(error) => Self::Unavailable(error.to_string().into()),
            Sqlx::Tls(_) => Self::Unavailable("the secure connection failed".into()),
            Sqlx::PoolTimedOut => Self::Unavailable("no connection was free in time".into()),
            Sqlx::PoolClosed => Self::Unavailable("it has been closed".into()),
            Sqlx::WorkerCrashed => Self::Unavailable("its thread has crashed".into()),
            Sqlx::BeginFailed => Self::Unavailable("no transaction could begin".into()),
            Sqlx::ColumnDecode { index, .. } => {
                Self::Database(format!("column {index} does not hold what it should").into())
            }
            Sqlx::ColumnNotFound(name) => {
                Self::Database(format!("column {name} is missing").into())
            }
            Sqlx::RowNotFound => Self::Database("a row that must exist does not".into()),
            Sqlx::Migrate(error) => (*error).into(),
            // The others quote statements, values or the address.
            _ => Self::Database("the exchange with it went wrong".into()),
        }
    }
}

/// What the database itself said. Its message may quote values and statements, and is kept only
/// where the class of the error says that it cannot.
fn refused(error: &dyn sqlx::error::DatabaseError) -> Error {
    let code = error.code().unwrap_or_default();
    let unavailable = if error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>().is_some() {
        // SQLSTATE classes: connection, authorization, unknown database, rollback by the server,
        // resources, operator intervention (a statement that took too long, too), system error.
        ["08", "28", "3D", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class))
    } else {
        // BUSY, LOCKED, READONLY, IOERR, CORRUPT, FULL, CANTOPEN and NOTADB, which stand in the low
        // byte of SQLite's extended codes.
        code.parse::<u32>()
            .is_ok_and(|code| matches!(code & 0xff, 5 | 6 | 8 | 10 | 11 | 13 | 14 | 26))
    };
    if unavailable {
        return Error::Unavailable(Fault {
            text: format!("{} (code {code})", error.message()),
            // Two that waited for each other, or could not be put in an order.
            is_contention: matches!(&*code, "40P01" | "40001"),
        });
    }
    let place = error.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
    Error::Database(format!("{:?} (code {code}{place})", error.kind()).into())
}

impl From<sqlx::migrate::MigrateError> for Error {
    fn from(error: sqlx::migrate::MigrateError) -> Self {
        use sqlx::migrate::MigrateError as Migrate;
        match error {
            Migrate::Execute(error) => error.into(),
            Migrate::ExecuteMigration(error, version) => {
                Self::Migration(format!("step {version} failed: {}", Self::from(error)))
            }
            Migrate::VersionMissing(version) => Self::Migration(format!(
                "it was last opened by a newer version of the program (step {version} is unknown)"
            )),
            Migrate::VersionMismatch(version) => {
                Self::Migration(format!("step {version} is not the one that was applied"))
            }
            Migrate::Dirty(version) => {
                Self::Migration(format!("step {version} was left half done"))
            }
            _ => Self::Migration("the steps cannot be read".to_owned()),
        }
    }
}
