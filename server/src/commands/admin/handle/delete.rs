//! `kez-chat-server admin handle delete HANDLE`.

use clap::Args;
use serde_json::json;

use super::one_handle::OneHandle;
use crate::commands::{Failure, Report};
use crate::store::moderation::HandleState;

/// See the module.
#[derive(Debug, Args)]
pub(in crate::commands) struct Delete {
    #[command(flatten)]
    pub(super) handle: OneHandle,
    /// Confirm the deletion, which cannot be undone.
    #[arg(long, required = true)]
    yes: bool,
}

impl Delete {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let deleted =
            self.handle.with_store(async |store, handle, now| match store.handle_state(handle).await? {
                HandleState::Held(listed) => store.delete_account(listed.account.id, now).await,
                _ => Ok(false),
            });
        if !deleted.await? {
            return Err(self.handle.not_held());
        }
        let name = &self.handle.handle;
        let text = format!("{name} is deleted and stays reserved for twelve months");
        Ok(Report::new(text, json!({ "handle": name, "state": "reserved" })))
    }
}
