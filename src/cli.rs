//! The command line: what can be asked and how the answer looks. One command a file. Commands about
//! what this machine stores open the store beside a running daemon; commands about what a worker does
//! ask the worker over its API. `serve` is not here: `app` runs it.

mod client;
mod completions;
pub mod demo;
mod doctor;
mod imap;
mod import;
mod keys;
mod migrate;
mod openapi;
pub mod output;
mod replay;
mod rotate;

mod surfaces;
mod trial;

use crate::config::Config;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

/// What was asked has failed, or a check of `doctor` found something.
pub const EXIT_FAILED: u8 = 1;
/// The command line or the configuration is wrong; nothing was tried.
pub const EXIT_USAGE: u8 = 2;

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 what was asked failed, or a check found something; 2 the command line or the \
configuration is wrong.

Examples:
  inlet                                     start the daemon
  inlet keys create --name website --json   make an API key
  inlet doctor                              look whether everything is in order";

/// Inbound message worker: IMAP mailboxes and webhooks into one store of conversations.
#[derive(Debug, Parser)]
#[command(name = "inlet", version, after_help = EXIT_CODES, disable_help_subcommand = true)]
pub struct Arguments {
    /// A configuration file, read after config/default.toml and before the environment.
    #[arg(long, global = true, value_name = "FILE", env = "INLET_CONFIG")]
    pub config: Option<PathBuf>,
    /// What to do; without it, serve.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// What `inlet` can be asked to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the daemon (the same as no command).
    #[command(after_help = "Example:\n  inlet serve --config config/production.toml")]
    Serve,
    /// Make, list and revoke API keys; works beside a running daemon on the same store.
    #[command(subcommand)]
    Keys(keys::Command),
    /// List, add, show, pause and remove surfaces; asks a running worker.
    #[command(subcommand)]
    Surfaces(surfaces::Command),
    /// Verify, poll and look at a mailbox; asks a running worker.
    #[command(subcommand)]
    Imap(imap::Command),
    /// Read dead letters of a surface again; asks a running worker.
    Replay(replay::Arguments),
    /// Take mail in files into the store, as history; works beside a running daemon.
    Import(import::Arguments),
    /// Check configuration, store, key, disk, clock and each mailbox.
    Doctor(doctor::Arguments),
    /// Bring the schema of the store up to date.
    #[command(after_help = "Example:\n  DATABASE_URL=postgres://inlet@db/inlet inlet migrate")]
    Migrate,
    /// Print the description of the API (OpenAPI 3.1, JSON).
    #[command(after_help = "Example:\n  inlet openapi > openapi.json")]
    Openapi,
    /// Show what a worker does, on one that is started in a temporary directory and goes away again.
    Demo(demo::Arguments),
    /// Print the completions of a shell.
    Completions(completions::Arguments),
}

/// Where a running worker is. The key to ask it with is `INLET_API_KEY` alone, so that it stands in no
/// list of processes.
#[derive(Debug, Clone, Args)]
pub struct WorkerAddress {
    /// The worker's address; by default the configured `server.listen`.
    #[arg(long, env = "INLET_URL", value_name = "URL")]
    pub url: Option<String>,
}

/// Runs a command other than `serve` and `demo` to its end; what it has to say goes to standard output, and
/// failures to standard error.
pub async fn run(command: Command, config: Config) -> ExitCode {
    let outcome = match command {
        // These two need the daemon, which is made above the command line.
        Command::Serve | Command::Demo(_) => Ok(ExitCode::SUCCESS),
        Command::Keys(command) => keys::run(command, config).await,
        Command::Surfaces(command) => surfaces::run(command, &config).await,
        Command::Imap(command) => imap::run(command, &config).await,
        Command::Replay(arguments) => replay::run(&arguments, &config).await,
        Command::Import(arguments) => import::run(arguments, config).await,
        Command::Doctor(arguments) => doctor::run(arguments, config).await,
        Command::Migrate => migrate::run(config).await,
        Command::Openapi => openapi::run(),
        Command::Completions(arguments) => completions::run(&arguments),
    };
    outcome.unwrap_or_else(|error| {
        output::complain(&format!("{error:#}"));
        ExitCode::from(EXIT_FAILED)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    fn leaves(command: &clap::Command) -> Vec<&clap::Command> {
        let below: Vec<_> = command.get_subcommands().flat_map(leaves).collect();
        if below.is_empty() { vec![command] } else { below }
    }

    #[test]
    fn every_command_shows_an_example_of_itself() {
        let root = Arguments::command();
        root.clone().debug_assert();
        for command in leaves(&root) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let name = command.get_name();
            let shows_itself = help.split_whitespace().any(|word| word == name);
            assert!(help.contains("Example") && shows_itself, "{name}: {help}");
        }
    }
}
