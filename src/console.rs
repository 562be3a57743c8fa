//! What an operator does on the machine: `communiconnect-live backup`, `restore`.
//!
//! Here: the commands and what they print. Not here: what each does (`backup`), settings (`config`).

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Subcommand;

use crate::{backup, config::Config};

/// What to do in place of serving.
#[derive(Debug, Subcommand)]
pub enum Command {
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
}

/// Does what an operator asks for, and prints what came of it.
///
/// # Errors
/// With what was wrong, or could not be had.
pub fn run(command: Command, config: &Config) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.context("cannot start the runtime")?.block_on(async {
        match command {
            Command::Backup { file, force } => backup::back_up(config, &file, force).await,
            Command::Restore { file } => backup::restore(config, &file).await,
        }
    })
}
