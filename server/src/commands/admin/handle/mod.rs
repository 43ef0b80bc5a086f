//! `kez-chat-server admin handle ...`: manages handles and their accounts. A running server notices a change within a
//! second.

mod ban;
mod delete;
mod export;
mod list;
mod one_handle;
mod reserve;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use crate::commands::report;

/// The actions on a handle.
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum AdminHandle {
    /// List all accounts in the order of their handles.
    List(list::List),
    /// Show who holds a handle, and whether it is banned or reserved.
    Show(show::Show),
    /// Ban an account: it cannot be found, and it neither receives nor reads.
    Ban(ban::Ban),
    /// Lift the ban of an account.
    Unban(ban::Unban),
    /// Reserve a free handle, so that it cannot be claimed.
    Reserve(reserve::Reserve),
    /// Release a handle that was reserved by this command or by a deletion.
    Release(reserve::Release),
    /// Delete an account with everything stored for it.
    Delete(delete::Delete),
    /// Write everything stored for an account to a file, in the same form as its owner's export.
    Export(export::Export),
}

impl AdminHandle {
    pub(in crate::commands) fn run(self) -> ExitCode {
        match self {
            Self::List(command) => report::perform(command.output, command.run()),
            Self::Show(command) => report::perform(command.handle.output, command.run()),
            Self::Ban(command) => report::perform(command.handle.output, command.run()),
            Self::Unban(command) => report::perform(command.handle.output, command.run()),
            Self::Reserve(command) => report::perform(command.handle.output, command.run()),
            Self::Release(command) => report::perform(command.handle.output, command.run()),
            Self::Delete(command) => report::perform(command.handle.output, command.run()),
            Self::Export(command) => report::perform(command.handle.output, command.run()),
        }
    }
}
