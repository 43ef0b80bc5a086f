//! `kez-chat-server admin ...`: manages a server through its database, whether the server is running or not.

mod handle;
mod invite;
mod report;
mod stats;
mod usage;

use std::process::ExitCode;

use clap::Subcommand;

use super::report as outcome;

/// The areas of administration.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Manage handles and their accounts.
    #[command(subcommand)]
    Handle(handle::AdminHandle),
    /// Invitations, for a server with `--registration invite`.
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// Reports that users have made about others.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// Totals of accounts and messages.
    Stats(stats::Stats),
    /// What each account stores, largest first.
    Usage(usage::Usage),
}

impl Admin {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Handle(command) => command.run(),
            Self::Invite(command) => command.run(),
            Self::Report(command) => command.run(),
            Self::Stats(command) => outcome::perform(command.output, command.run()),
            Self::Usage(command) => outcome::perform(command.output, command.run()),
        }
    }
}
