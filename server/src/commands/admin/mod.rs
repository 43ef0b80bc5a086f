//! `kez-chat-server admin ...`: looking after a server through its database, whether it runs or not.

mod stats;

use std::process::ExitCode;

use clap::Subcommand;

use super::report;

/// What can be looked after.
#[derive(Debug, Subcommand)]
pub(super) enum Admin {
    /// How much there is.
    Stats(stats::Stats),
}

impl Admin {
    pub(super) fn run(self) -> ExitCode {
        match self {
            Self::Stats(command) => report::perform(command.output, command.run()),
        }
    }
}
