//! The command line: `kez-chat-server [COMMAND] [FLAGS]`, one file per command. Without a command it serves.
//!
//! A command is a struct of its flags with a method that does the work and returns a [`Report`], or a [`Failure`] with
//! the matching exit code. A new command needs a file, a variant of `Command`, and a line in [`CommandLine::run`].

mod admin;
mod audit;
mod backup;
mod check_config;
mod database;
mod gen_keys;
mod healthcheck;
mod migrate;
mod report;
mod restore;
mod serve;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::config::Config;
use crate::config::environment::with_secrets_from_files;
use crate::config::refusal::one_sentence;
use crate::version::version_with_commit;
pub use database::Database;
pub use report::{Code, Failure, Output, Report};

const EXIT_CODES: &str = "Exit codes:\n  \
    0  done\n  \
    1  it could not be done: the database, the disk or the network refused\n  \
    2  the command line, the environment or a setting is wrong; nothing was touched\n  \
    3  the answer is no: nothing of that name, or what was checked does not hold";

/// The KEZ Chat home server: registers handles, answers WebFinger, relays envelopes it cannot read.
///
/// Without a command the program serves, with the flags below.
#[derive(Debug, Parser)]
#[command(name = "kez-chat-server", version = version_with_commit(), args_conflicts_with_subcommands = true, after_help = EXIT_CODES)]
pub struct CommandLine {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: Config,
}

/// The commands of the program.
#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until stopped; the default without a command.
    Serve(Box<Config>),
    /// Bring the database's schema up to date; `serve` does so too.
    Migrate(migrate::Migrate),
    /// Copy the database while the server runs, and check the copy.
    Backup(backup::Backup),
    /// Replace the database with a backup, under a new epoch. The server must not be running.
    Restore(restore::Restore),
    /// Check the settings and the files and addresses they name, and show them without secrets.
    CheckConfig(Box<check_config::CheckConfig>),
    /// Ask a running server whether it is ready.
    Healthcheck(healthcheck::Healthcheck),
    /// Replay a server's log and sigchains from outside, and report disagreements.
    Audit(audit::AuditCommand),
    /// Generate the keys of an installation with NATS, and say where each one goes.
    GenKeys(gen_keys::GenKeys),
    /// Manage the accounts of a server, which may be running.
    #[command(subcommand)]
    Admin(admin::Admin),
}

impl CommandLine {
    /// Parses the process's arguments and environment. `--help` and `--version` print their text and exit.
    ///
    /// # Errors
    /// A sentence for the person at the terminal.
    pub fn from_process() -> Result<Self, Failure> {
        let command = with_secrets_from_files(Self::command()).map_err(Failure::usage)?;
        let parsed = command.clone().try_get_matches().and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| {
            if error.use_stderr() { Failure::usage(one_sentence(&error, &command)) } else { error.exit() }
        })
    }

    /// Runs the command and returns its exit code.
    pub fn run(self) -> ExitCode {
        match self.command.unwrap_or_else(|| Command::Serve(Box::new(self.serve))) {
            Command::Serve(config) => serve::serve(*config),
            Command::Migrate(command) => report::perform(command.output, command.run()),
            Command::Backup(command) => report::perform(command.output, command.run()),
            Command::Restore(command) => report::perform(command.output, command.run()),
            Command::CheckConfig(command) => report::perform(command.output, command.run()),
            Command::Healthcheck(command) => report::perform(command.output, command.run()),
            Command::Audit(command) => report::perform(command.output, command.run()),
            Command::GenKeys(command) => report::perform(command.output, command.run()),
            Command::Admin(command) => command.run(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(arguments: &[&str]) -> String {
        let command = CommandLine::command();
        let all = ["kez-chat-server"].iter().chain(arguments);
        one_sentence(&command.clone().try_get_matches_from(all).unwrap_err(), &command)
    }

    #[test]
    fn a_refusal_names_the_reason_and_never_repeats_a_secret() {
        for (database, reason) in [
            ("postgresql+psycopg2://kez:hunter2@db/kez", "postgresql+psycopg2://"),
            ("\"postgres://kez:hunter2@db/kez\"", "quotation marks"),
            ("'postgres://kez:hunter2@db/kez'", "quotation marks"),
            ("\u{feff}postgres://kez:hunter2@db/kez", "byte order mark"),
        ] {
            for arguments in [vec!["--db", database], vec!["admin", "stats", "--db", database]] {
                let refusal = refusal(&arguments);
                assert!(refusal.contains("--db") && refusal.contains(reason), "{refusal}");
                assert!(!refusal.contains("hunter2"), "{refusal}");
            }
        }
        let nats = refusal(&["--nats-url", "nats://kez:hunter2@broker:4222"]);
        assert!(nats.contains("--nats-creds") && !nats.contains("hunter2"), "{nats}");
    }

    #[test]
    fn a_refusal_shows_a_value_that_is_no_secret() {
        let refusal = refusal(&["--public-url", "https://host/chat/"]);
        assert!(refusal.contains("https://host/chat/") && refusal.contains("must have no path"), "{refusal}");
    }
}
