//! The audit log: what was done to accounts and by those who run the place, by whom and from where.
//!
//! Here: one line for each act, written in the transaction of the act where there is one, and how
//! much of them is kept. Not here: who may read them (`api`). No line holds a secret or a whole
//! address.

use std::net::IpAddr;

use media::id::UserId;

use crate::{
    Error, Page, Store,
    database::{row, writing},
    page::read_page,
    text::storable,
};

/// Longest detail of a line, in characters; the rest is left out.
const DETAIL_MAX_CHARS: usize = 200;

/// Who acts, from where and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct By {
    /// Who it is.
    pub actor: Actor,
    /// The network he acts from, as [`network_of`] tells it; empty at the console.
    pub network: String,
    /// Now, in Unix milliseconds.
    pub now_ms: i64,
}

/// Who may act.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Actor {
    /// A member, signed in or just proven to be himself.
    Member(UserId),
    /// An operator on the machine.
    Console,
    /// Somebody not signed in.
    Visitor,
}

impl By {
    /// An operator on the machine.
    pub fn console(now_ms: i64) -> Self {
        Self { actor: Actor::Console, network: String::new(), now_ms }
    }
}

/// What can be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AuditAction {
    /// A session was opened with the password.
    SignIn,
    /// A wrong password, a closed account, or an address nobody has.
    SignInFailed,
    /// A session was ended by its member.
    SignOut,
    /// A used refresh token came back, and its session was ended.
    TokenReused,
    /// All sessions of a member were ended.
    SessionsRevoked,
    /// A member changed his password, knowing the old one.
    PasswordChanged,
    /// A member was given a new password by a link sent to his address.
    PasswordReset,
    /// An operator set a password.
    PasswordSet,
    /// A member showed that he reads what is sent to his address.
    EmailVerified,
    /// A member gave another address, knowing his password.
    EmailChanged,
    /// A role was given.
    RoleChanged,
    /// An account was closed.
    Deactivated,
    /// An account was opened again.
    Activated,
    /// A decision about what members show.
    Moderated,
    /// The key that signs sessions was changed.
    KeysRotated,
}

impl AuditAction {
    /// All of them.
    pub const ALL: [Self; 15] = [
        Self::SignIn,
        Self::SignInFailed,
        Self::SignOut,
        Self::TokenReused,
        Self::SessionsRevoked,
        Self::PasswordChanged,
        Self::PasswordReset,
        Self::PasswordSet,
        Self::EmailVerified,
        Self::EmailChanged,
        Self::RoleChanged,
        Self::Deactivated,
        Self::Activated,
        Self::Moderated,
        Self::KeysRotated,
    ];

    /// The action as stored and as it is asked for.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::SignIn => "sign_in",
            Self::SignInFailed => "sign_in_failed",
            Self::SignOut => "sign_out",
            Self::TokenReused => "token_reused",
            Self::SessionsRevoked => "sessions_revoked",
            Self::PasswordChanged => "password_changed",
            Self::PasswordReset => "password_reset",
            Self::PasswordSet => "password_set",
            Self::EmailVerified => "email_verified",
            Self::EmailChanged => "email_changed",
            Self::RoleChanged => "role_changed",
            Self::Deactivated => "deactivated",
            Self::Activated => "activated",
            Self::Moderated => "moderated",
            Self::KeysRotated => "keys_rotated",
        }
    }

    /// The action that [`AuditAction::as_str`] names so.
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.as_str() == text)
    }
}

/// A line of the audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditLine {
    /// Grows.
    pub id: i64,
    /// When, in Unix milliseconds.
    pub at_ms: i64,
    /// What: as [`AuditAction::as_str`], or a word of a newer version.
    pub action: String,
    /// Who; a member who is gone is a visitor.
    pub actor: Actor,
    /// How the member who acted is called.
    pub actor_name: Option<String>,
    /// On whom.
    pub subject: Option<UserId>,
    /// How he is called.
    pub subject_name: Option<String>,
    /// From which network; may be empty.
    pub network: String,
    /// What else there is to say; may be empty.
    pub detail: String,
}

/// Which lines of the audit log.
#[derive(Debug, Clone, Default)]
pub struct AuditQuery {
    /// Those of this action.
    pub action: Option<AuditAction>,
    /// Those of what this member did, or what was done to him.
    pub user: Option<UserId>,
    /// Which page, from 1.
    pub page: u32,
}

/// What the log keeps of an address: the /24 of IPv4, the /48 of IPv6. A network is enough to see where
/// guesses come from, and is nobody's home.
pub fn network_of(address: IpAddr) -> String {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("{a}.{b}.{c}.0/24")
        }
        IpAddr::V6(address) => {
            let network = address.to_bits() & (u128::MAX << 80);
            format!("{}/48", std::net::Ipv6Addr::from_bits(network))
        }
    }
}

/// Writes a line within an open transaction, or on a connection of its own.
macro_rules! note {
    ($executor:expr, $by:expr, $action:expr, $subject:expr, $detail:expr) => {{
        let (actor, actor_id) = $crate::audit::stored_actor($by.actor);
        let subject: Option<media::id::UserId> = $subject;
        sqlx::query(
            "insert into audit (at_ms, action, actor, actor_id, subject_id, network, detail)
             values ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind($by.now_ms)
        .bind($action.as_str())
        .bind(actor)
        .bind(actor_id)
        .bind(subject.map(media::id::UserId::get))
        .bind(&$by.network)
        .bind($crate::audit::short($detail))
        .execute($executor)
        .await?
    }};
}
pub(crate) use note;

impl Store {
    /// Writes a line: `by` did `action` to `subject`. Where the act itself is written by the store, it
    /// writes the line too, in the same transaction; this is for what happens outside.
    ///
    /// `detail` is for people: never a secret, and not an address of anybody.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn audit(
        &self,
        by: &By,
        action: AuditAction,
        subject: Option<UserId>,
        detail: &str,
    ) -> Result<(), Error> {
        writing!(&self.database, |pool| {
            note!(pool, by, action, subject, detail);
        });
        Ok(())
    }

    /// The audit log, newest first.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn audit_lines(&self, query: &AuditQuery) -> Result<Page<AuditLine>, Error> {
        macro_rules! asked_for {
            () => {
                "($1 is null or audit.action = $1)
                 and ($2 is null or audit.subject_id = $2 or audit.actor_id = $2)"
            };
        }
        const COUNT: &str = concat!("select count(*) from audit where ", asked_for!());
        const SELECT: &str = concat!(
            "select audit.id, audit.at_ms, audit.action, audit.actor, audit.actor_id,
                 actors.username as actor_name, audit.subject_id,
                 subjects.username as subject_name, audit.network, audit.detail
             from audit
             left join users as actors on actors.id = audit.actor_id
             left join users as subjects on subjects.id = audit.subject_id
             where ",
            asked_for!(),
            " order by audit.id desc limit $3 offset $4"
        );
        let action = query.action.map(AuditAction::as_str);
        let user = query.user.map(UserId::get);
        let page = read_page!(&self.database, query.page, COUNT, SELECT, [action, user]);
        page.try_map(|row: AuditRow| Ok(row.into()))
    }

    /// Forgets what was written before `before_ms`, and all but the newest `keep` lines. Gives how many
    /// were forgotten.
    ///
    /// # Errors
    /// Only those of the database.
    pub async fn purge_audit(&self, before_ms: i64, keep: u32) -> Result<u64, Error> {
        let purged = writing!(&self.database, |pool| {
            sqlx::query(
                "delete from audit
                 where at_ms < $1
                     or id <= (select id from audit order by id desc limit 1 offset $2)",
            )
            .bind(before_ms)
            .bind(i64::from(keep))
            .execute(pool)
            .await?
            .rows_affected()
        });
        Ok(purged)
    }
}

/// The columns that tell who acted.
pub(crate) fn stored_actor(actor: Actor) -> (&'static str, Option<i64>) {
    match actor {
        Actor::Member(id) => ("member", Some(id.get())),
        Actor::Console => ("console", None),
        Actor::Visitor => ("visitor", None),
    }
}

/// A detail as it is stored.
pub(crate) fn short(detail: &str) -> String {
    storable(detail).chars().take(DETAIL_MAX_CHARS).collect()
}

row! {
    struct AuditRow {
        id: i64,
        at_ms: i64,
        action: String,
        actor: String,
        actor_id: Option<i64>,
        actor_name: Option<String>,
        subject_id: Option<i64>,
        subject_name: Option<String>,
        network: String,
        detail: String,
    }
}

impl From<AuditRow> for AuditLine {
    fn from(row: AuditRow) -> Self {
        let actor = match (row.actor.as_str(), row.actor_id) {
            ("console", _) => Actor::Console,
            (_, Some(id)) => Actor::Member(UserId::new(id)),
            (_, None) => Actor::Visitor,
        };
        Self {
            id: row.id,
            at_ms: row.at_ms,
            action: row.action,
            actor,
            actor_name: row.actor_name,
            subject: row.subject_id.map(UserId::new),
            subject_name: row.subject_name,
            network: row.network,
            detail: row.detail,
        }
    }
}

#[cfg(test)]
mod tests;
