//! `kez-chat-server admin ...`: looking after a server through its database, whether it runs or not.

mod handle;
mod invite;
mod stats;

use std::process::ExitCode;

use clap::Subcommand;

use super::report;

/// What can be looked after.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// Look after handles and who holds them.
    #[command(subcommand)]
    Handle(handle::AdminHandle),
    /// Invitations, for a server with `--registration invite`.
    #[command(subcommand)]
    Invite(invite::InviteCommand),
    /// How much there is.
    Stats(stats::Stats),
}

impl Admin {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Handle(command) => command.run(),
            Self::Invite(command) => command.run(),
            Self::Stats(command) => report::perform(command.output, command.run()),
        }
    }
}
