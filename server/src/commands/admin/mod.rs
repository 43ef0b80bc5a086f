//! `kez-chat-server admin ...`: looking after a server through its database, whether it runs or not.

mod handle;
mod invite;
mod report;
mod stats;
mod usage;

use std::process::ExitCode;

use clap::Subcommand;

use super::report as outcome;

/// What can be looked after.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Look after handles and who holds them.
    #[command(subcommand)]
    Handle(handle::AdminHandle),
    /// Invitations, for a server with `--registration invite`.
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// What people have reported about others.
    #[command(subcommand)]
    Report(report::ReportCommand),
    /// How much there is.
    Stats(stats::Stats),
    /// What each account stores, the largest first.
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
