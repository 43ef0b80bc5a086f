//! Notices accounts that other processes have changed.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::interval;

use crate::accounts::directory::Directory;
use crate::edge::error::log_failure;
use crate::store::{Store, StoreError};

/// How soon a change to an account by another process takes effect here.
const NOTICE_EVERY: Duration = Duration::from_secs(1);

/// Notices accounts that another node or a command has banned, deleted or given to another key.
pub async fn notice_account_changes(store: Arc<Store>, directory: Arc<Directory>) {
    let (mut every, mut seen) = (interval(NOTICE_EVERY), None);
    loop {
        every.tick().await;
        match changes_after(&store, &directory, seen).await {
            Ok(revision) => seen = Some(revision),
            Err(error) => log_failure(&error),
        }
    }
}

async fn changes_after(store: &Store, directory: &Directory, seen: Option<u64>) -> Result<u64, StoreError> {
    // Nothing is cached from before the start.
    let Some(mut seen) = seen else { return store.account_revision().await };
    for change in store.account_changes(seen).await? {
        directory.holder_changed(change.account, &change.handle);
        seen = change.revision;
    }
    Ok(seen)
}
