//! `kez-chat-server admin handle ...`: looking after handles and who holds them. A running server takes notice within a
//! second.

mod ban;
mod delete;
mod export;
mod list;
mod reserve;
mod show;

use std::process::ExitCode;
use std::sync::Arc;

use clap::{Args, Subcommand};
use kez_core::handle::Handle;

use crate::clock::{Clock as _, SystemClock};
use crate::commands::{Database, Failure, Output, report};
use crate::store::{Answer, Store};
use kez_core::time::Timestamp;

/// What can be done about a handle.
#[derive(Debug, Subcommand)]
pub(in crate::commands) enum AdminHandle {
    /// List all accounts in the order of their handles.
    List(list::List),
    /// Say who holds a handle, and whether it is banned or reserved.
    Show(show::Show),
    /// Put an account out of use: nobody finds it, and it neither receives nor reads.
    Ban(ban::Ban),
    /// Put a banned account back into use.
    Unban(ban::Unban),
    /// Keep a free handle back, so that nobody can claim it.
    Reserve(reserve::Reserve),
    /// Let a handle go that was reserved, by this command or by a deletion.
    Release(reserve::Release),
    /// Delete an account with everything stored for it.
    Delete(delete::Delete),
    /// Write everything stored for an account into a file, as its owner gets it.
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

/// A handle on a database.
#[derive(Clone, Debug, Args)]
struct OneHandle {
    /// The handle, without the name of the server.
    handle: Handle,
    #[command(flatten)]
    database: Database,
    #[command(flatten)]
    output: Output,
}

impl OneHandle {
    /// Opens the store to change something in it, and closes it again.
    async fn with_store<T>(
        &self,
        work: impl for<'a> FnOnce(&'a Arc<dyn Store>, Handle, Timestamp) -> Answer<'a, T>,
    ) -> Result<T, Failure> {
        let store = self.database.open().await?;
        let done = work(&store, self.handle.clone(), SystemClock.now()).await;
        store.close().await;
        done.map_err(Failure::failed)
    }

    fn nobody(&self) -> Failure {
        Failure::no(format!("nobody holds {}", self.handle))
    }
}
