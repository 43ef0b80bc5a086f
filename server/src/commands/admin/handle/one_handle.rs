//! The arguments of an action on one handle.

use clap::Args;
use kez_core::handle::Handle;
use kez_core::time::Timestamp;

use crate::clock::{Clock as _, SystemClock};
use crate::commands::{Database, Failure, Output};
use crate::store::{Store, StoreError};

/// A handle on a database.
#[derive(Clone, Debug, Args)]
pub(super) struct OneHandle {
    /// The handle, without the name of the server.
    pub(super) handle: Handle,
    #[command(flatten)]
    pub(super) database: Database,
    #[command(flatten)]
    pub(super) output: Output,
}

impl OneHandle {
    /// Opens the store for a change, and closes it again.
    pub(super) async fn with_store<T>(
        &self,
        work: impl AsyncFnOnce(&Store, Handle, Timestamp) -> Result<T, StoreError>,
    ) -> Result<T, Failure> {
        let store = self.database.open().await?;
        let done = work(&store, self.handle.clone(), SystemClock.now()).await;
        store.close().await;
        done.map_err(Failure::failed)
    }

    pub(super) fn not_held(&self) -> Failure {
        Failure::no(format!("no account holds {}", self.handle))
    }
}
