//! What an operator does on the machine: `communiconnect-live user …`, `keys …`, `audit`,
//! `backup`, `restore`, `doctor`.
//!
//! Here: the commands and what they print. Works beside a running server, which sees each change at
//! the next request: the database is shared, and the lock on the data folder is the server's alone.
//! Not here: what each change means (`store`), how the database is copied
//! (`backup`), settings (`config`).

use std::{
    io::{self, BufRead as _, IsTerminal as _, Write as _},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Subcommand, ValueEnum};
use commons::Commons;
use media::id::UserId;
use store::{Actor, AuditAction, AuditLine, AuditQuery, By, ProfileChange, Role, Store, User};

use crate::{backup, config::Config, doctor, keys::Keys, lives::now_ms};

/// What to do in place of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Members: who they are, what they may do, their passwords and sessions
    #[command(subcommand)]
    User(UserCommand),
    /// The key that signs sessions
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The audit log: who did what to accounts, newest first
    Audit {
        /// Only this action, such as sign_in_failed or role_changed
        #[arg(long)]
        action: Option<String>,
        /// Only what this member did, or what was done to him
        #[arg(long, value_name = "MEMBER")]
        user: Option<String>,
        /// Twenty lines each
        #[arg(long, default_value_t = 1)]
        page: u32,
    },
    /// Copies the database to FILE, also while the server runs; files of members are not in it
    Backup {
        /// Where to, on any disk
        file: PathBuf,
        /// Replace FILE if it is there
        #[arg(long)]
        force: bool,
    },
    /// Puts a copy in the place of the database, which is kept aside; the server must not run
    Restore {
        /// What `backup` made
        file: PathBuf,
    },
    /// Whether the database and the disk agree: lives, recordings, files of members.
    /// Ends with 0 if they do (now), 1 if something is wrong, 2 if it could not look
    Doctor {
        /// Read every byte of every recording too
        #[arg(long)]
        deep: bool,
        /// Put right what can be; the server must not run
        #[arg(long)]
        repair: bool,
    },
}

/// MEMBER is an e-mail address (with an @), an id (digits alone) or a user name.
#[derive(Debug, Subcommand)]
pub enum UserCommand {
    /// Lists members, oldest first
    List {
        /// Only those of this role
        #[arg(long)]
        role: Option<RoleName>,
        /// Twenty members each
        #[arg(long, default_value_t = 1)]
        page: u32,
    },
    /// Shows one member
    Show {
        /// Whom
        member: String,
    },
    /// Gives a role
    Role {
        /// To whom
        member: String,
        /// Which
        role: RoleName,
    },
    /// Opens an account that was closed
    Activate {
        /// Whose
        member: String,
    },
    /// Closes an account: its sessions end and nobody signs in to it
    Deactivate {
        /// Whose
        member: String,
    },
    /// Gives an account another e-mail address, which has yet to be verified
    Email {
        /// Whose
        member: String,
        /// Which
        address: String,
    },
    /// Sets a password, read from standard input; all sessions of the member end
    Password {
        /// Whose
        member: String,
    },
    /// Ends all sessions of a member
    Revoke {
        /// Whose
        member: String,
    },
}

/// What is done to the key that signs sessions.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// Makes a new key. Sessions of the old one go on until they expire
    Rotate {
        /// The old key was stolen: nothing that it signed is believed any more, everybody signs in again
        #[arg(long)]
        revoke: bool,
    },
}

/// What a member may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum RoleName {
    /// A member like any other
    User,
    /// Speaks for the project in his quartier
    Ambassador,
    /// Runs the place
    Admin,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::User => Self::User,
            RoleName::Ambassador => Self::Ambassador,
            RoleName::Admin => Self::Admin,
        }
    }
}

/// Does what an operator asks for, prints what came of it, and says with what the process ends.
///
/// # Errors
/// With what was wrong, or could not be had.
pub fn run(command: Command, config: &Config) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        let command = match command {
            Command::Backup { file, force } => {
                backup::back_up(config, &file, force).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Command::Restore { file } => {
                backup::restore(config, &file).await?;
                return Ok(ExitCode::SUCCESS);
            }
            Command::Doctor { deep, repair } => {
                return Ok(match doctor::visit(config, deep, repair).await {
                    Ok(true) => ExitCode::SUCCESS,
                    Ok(false) => ExitCode::from(1),
                    Err(error) => {
                        eprintln!("communiconnect-live: {error:#}");
                        ExitCode::from(2)
                    }
                });
            }
            command => command,
        };
        // Asked before anything is opened: somebody may take long to type it.
        let password = match &command {
            Command::User(UserCommand::Password { .. }) => Some(read_password()?),
            _ => None,
        };
        let store = Store::join(&config.database_url())
            .await
            .context("cannot open the database; has the server been started once?")?;
        let done = match command {
            Command::User(command) => user(&store, config, command, password).await,
            Command::Keys(KeysCommand::Rotate { revoke }) => rotate(&store, config, revoke).await,
            Command::Audit { action, user, page } => audit(&store, action, user, page).await,
            Command::Backup { .. } | Command::Restore { .. } | Command::Doctor { .. } => {
                Ok(String::new())
            }
        };
        store.close().await;
        let text = done?;
        // Whoever reads only the first lines closes the pipe.
        match io::stdout().write_all(text.as_bytes()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(ExitCode::SUCCESS),
        }
    })
}

async fn user(
    store: &Store,
    config: &Config,
    command: UserCommand,
    password: Option<String>,
) -> anyhow::Result<String> {
    let by = by();
    Ok(match command {
        UserCommand::List { role, page } => list(store, role, page).await?,
        UserCommand::Show { member } => shown(&meant(store, &member).await?),
        UserCommand::Role { member, role } => {
            let user = meant(store, &member).await?;
            let role = Role::from(role);
            let changed = store.set_role(user.id, role, &by).await?;
            said(&user, changed, &format!("role is now {}", role.as_str()))
        }
        UserCommand::Activate { member } => {
            let user = meant(store, &member).await?;
            let changed = store.set_active(user.id, true, &by).await?;
            said(&user, changed, "account is open")
        }
        UserCommand::Deactivate { member } => {
            let user = meant(store, &member).await?;
            let changed = store.set_active(user.id, false, &by).await?;
            tell_server(config, user.id).await?;
            said(&user, changed, "account is closed, its sessions have ended")
        }
        UserCommand::Email { member, address } => {
            let user = meant(store, &member).await?;
            let address = address.trim();
            if !api::is_email(address) {
                bail!("{}: not an e-mail address", printable(address));
            }
            let change = ProfileChange { email: Some(address.into()), ..ProfileChange::default() };
            match store.update_user(user.id, change, &by).await {
                Ok(_) => said(&user, user.email != address, "address is changed"),
                Err(store::Error::Taken { .. }) => bail!("another member has this address"),
                Err(error) => return Err(error.into()),
            }
        }
        UserCommand::Password { member } => {
            let user = meant(store, &member).await?;
            let hash = api::hash_password(&config.api.passwords, password.unwrap_or_default())
                .map_err(anyhow::Error::msg)?;
            store.set_password(user.id, &hash, AuditAction::PasswordSet, &by).await?;
            tell_server(config, user.id).await?;
            said(&user, true, "password is set, its sessions have ended")
        }
        UserCommand::Revoke { member } => {
            let user = meant(store, &member).await?;
            store.revoke_sessions(user.id, &by).await?;
            tell_server(config, user.id).await?;
            said(&user, true, "sessions have ended")
        }
    })
}

/// Has a running server look at once at the connections of a member whose sessions have ended, where there
/// is a Redis. Without one, or when it is away, it does so within half a minute.
async fn tell_server(config: &Config, user: UserId) -> anyhow::Result<()> {
    let api = &config.api;
    let secrets = match &api.jwt_secret {
        Some(secret) => {
            std::iter::once(secret.clone()).chain(api.jwt_retired_secret.clone()).collect()
        }
        None => Keys::load(&config.data_dir)?.map_or_else(Vec::new, |keys| {
            // It was started with one of them.
            let retired = keys.retired.into_iter().map(|(secret, _)| secret);
            std::iter::once(keys.current).chain(retired).collect()
        }),
    };
    for secret in secrets {
        let commons = Commons::open(&config.redis, secret.reveal()).map_err(anyhow::Error::msg)?;
        commons.settle().await;
        commons.tell(user.get()).await;
    }
    Ok(())
}

async fn list(store: &Store, role: Option<RoleName>, page: u32) -> anyhow::Result<String> {
    let page = store.users(role.map(Role::from), page).await?;
    if !page.exists() {
        bail!("there are only {} pages", page.pages());
    }
    let mut text = format!("{:>6}  {:<10}  {:<6}  {:<24}  e-mail\n", "id", "role", "open", "name");
    for user in &page.rows {
        let open = if user.is_active { "yes" } else { "no" };
        let role = user.role.as_str();
        let (id, name, email) = (user.id.get(), printable(&user.username), printable(&user.email));
        text += &format!("{id:>6}  {role:<10}  {open:<6}  {name:<24}  {email}\n");
    }
    Ok(text + &format!("page {} of {}, {} members\n", page.number, page.pages(), page.count))
}

async fn rotate(store: &Store, config: &Config, revoke: bool) -> anyhow::Result<String> {
    if config.api.jwt_secret.is_some() {
        bail!(
            "api.jwt_secret is set: change it there, put the old one in api.jwt_retired_secret until \
             its sessions have ended, and start the server again"
        );
    }
    let life = Duration::from_secs(config.api.refresh_token_s.into());
    Keys::rotate(&config.data_dir, now_ms(), (!revoke).then_some(life))?;
    let detail = if revoke { "the old keys were revoked" } else { "" };
    store.audit(&by(), AuditAction::KeysRotated, None, detail).await?;
    Ok(if revoke {
        "A new key signs sessions within five seconds; everybody signs in again.\n".to_owned()
    } else {
        let days = life.as_secs_f64() / 86_400.0;
        format!(
            "A new key signs sessions within five seconds; the old is believed for {days:.1} days.\n"
        )
    })
}

async fn audit(
    store: &Store,
    action: Option<String>,
    user: Option<String>,
    page: u32,
) -> anyhow::Result<String> {
    let action = match action {
        None => None,
        Some(name) => Some(AuditAction::named(&name).with_context(|| {
            let known: Vec<_> = AuditAction::ALL.iter().map(|action| action.as_str()).collect();
            format!("--action {name}: not one of {}", known.join(", "))
        })?),
    };
    let user: Option<UserId> = match user {
        None => None,
        Some(text) => Some(meant(store, &text).await?.id),
    };
    let page = store.audit_lines(&AuditQuery { action, user, page }).await?;
    if !page.exists() {
        bail!("there are only {} pages", page.pages());
    }
    let lines: String = page.rows.iter().map(line).collect();
    Ok(lines + &format!("page {} of {}, {} lines\n", page.number, page.pages(), page.count))
}

fn line(line: &AuditLine) -> String {
    let named = |id: UserId, name: &Option<String>| {
        format!("{}#{id}", printable(name.as_deref().unwrap_or_default()))
    };
    let actor = match line.actor {
        Actor::Member(id) => named(id, &line.actor_name),
        Actor::Console => "console".to_owned(),
        Actor::Visitor => "visitor".to_owned(),
    };
    let subject = line.subject.map(|id| named(id, &line.subject_name)).unwrap_or_default();
    let detail = printable(&line.detail);
    let (at, action, network) = (api::moment(line.at_ms), &line.action, &line.network);
    let text = format!("{at}  {action:<16}  {actor:<20}  {subject:<20}  {network:<20}  {detail}");
    format!("{}\n", text.trim_end())
}

async fn meant(store: &Store, member: &str) -> anyhow::Result<User> {
    let found = store.user_meant_by(member).await?;
    found.with_context(|| format!("{member}: no such member (an e-mail address, an id or a name)"))
}

fn said(user: &User, changed: bool, what: &str) -> String {
    let before = if changed { "" } else { " (as before)" };
    format!("{}#{}: {what}{before}\n", printable(&user.username), user.id)
}

fn shown(user: &User) -> String {
    let date = |at_ms: Option<i64>| at_ms.map_or_else(|| "never".to_owned(), api::moment);
    let quartier = user.quartier.as_ref().map(|q| q.location()).unwrap_or_default();
    let rows = [
        ("id", user.id.to_string()),
        ("name", printable(&user.username)),
        ("e-mail", printable(&user.email)),
        ("e-mail verified", date(user.email_verified_ms)),
        ("role", user.role.as_str().to_owned()),
        ("account", if user.is_active { "open" } else { "closed" }.to_owned()),
        ("quartier", quartier),
        ("joined", date(Some(user.joined_ms))),
        ("last sign-in", date(user.last_login_ms)),
    ];
    rows.iter().map(|(name, value)| format!("{name:<16} {value}\n")).collect()
}

/// What members wrote, without the signs by which a terminal is told what to do.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn by() -> By {
    By::console(now_ms())
}

/// One line of standard input. A terminal is asked, and shows what is typed: use a pipe where others
/// look on.
fn read_password() -> anyhow::Result<String> {
    /// More than anybody types.
    const MAX_BYTES: u64 = 4096;
    if io::stdin().is_terminal() {
        eprint!("New password: ");
    }
    let mut line = String::new();
    io::Read::take(io::stdin().lock(), MAX_BYTES)
        .read_line(&mut line)
        .context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password on standard input");
    }
    Ok(password.to_owned())
}
