//! `kez-chat-server admin handle reserve HANDLE` and `release HANDLE`.

use clap::Args;
use serde_json::json;

use super::one_handle::OneHandle;
use crate::commands::{Failure, Report};

/// Reserves a handle.
#[derive(Debug, Args)]
pub(in crate::commands) struct Reserve {
    #[command(flatten)]
    pub(super) handle: OneHandle,
}

impl Reserve {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let reserved =
            self.handle.with_store(async |store, handle, now| store.reserve(handle, None, now).await).await?;
        let name = &self.handle.handle;
        if !reserved {
            return Err(Failure::no(format!("an account holds {name}; ban or delete the account instead")));
        }
        Ok(Report::new(format!("{name} is reserved"), json!({ "handle": name, "state": "reserved" })))
    }
}

/// Releases a handle.
#[derive(Debug, Args)]
pub(in crate::commands) struct Release {
    #[command(flatten)]
    pub(super) handle: OneHandle,
}

impl Release {
    pub(in crate::commands) async fn run(self) -> Result<Report, Failure> {
        let released =
            self.handle.with_store(async |store, handle, now| store.release(handle, now).await).await?;
        let name = &self.handle.handle;
        if !released {
            return Err(Failure::no(format!("{name} is not reserved in the database")));
        }
        Ok(Report::new(format!("{name} is free"), json!({ "handle": name, "state": "free" })))
    }
}
