//! `kez-chat-server admin handle ban HANDLE` and `unban HANDLE`.

use clap::Args;
use serde_json::json;

use super::one_handle::OneHandle;
use crate::commands::{Failure, Report};
use crate::store::moderation;

/// Suspends an account.
#[derive(Debug, Args)]
pub(in crate::commands) struct Ban {
    #[command(flatten)]
    pub(super) handle: OneHandle,
    /// The reason, for other operators; it is not shown to anyone else.
    #[arg(long, default_value = "", value_name = "TEXT")]
    reason: String,
}

impl Ban {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let Self { handle, reason } = self;
        let banned = handle
            .with_store(async |store, name, at| store.ban(name, moderation::Ban { at, reason }).await)
            .await?;
        if !banned {
            return Err(handle.not_held());
        }
        let name = &handle.handle;
        Ok(Report::new(format!("{name} is banned"), json!({ "handle": name, "state": "banned" })))
    }
}

/// Lifts a ban.
#[derive(Debug, Args)]
pub(in crate::commands) struct Unban {
    #[command(flatten)]
    pub(super) handle: OneHandle,
}

impl Unban {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let unbanned =
            self.handle.with_store(async |store, handle, now| store.unban(handle, now).await).await?;
        let name = &self.handle.handle;
        if !unbanned {
            return Err(Failure::no(format!("{name} is not banned")));
        }
        Ok(Report::new(format!("{name} can be used again"), json!({ "handle": name, "state": "held" })))
    }
}
