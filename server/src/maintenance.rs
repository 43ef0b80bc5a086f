//! What a server does by itself, whoever calls: it takes notice of accounts that changed elsewhere, and deletes what it
//! has kept long enough.

use std::time::Duration;

use kez_core::time::Timestamp;
use tokio::time::interval;

use crate::error::log_failure;
use crate::state::AppState;
use crate::store::moderation::PORTION;
use crate::store::{AccountId, StoreError};

/// How soon a change that another process made about an account counts here.
const NOTICE_EVERY: Duration = Duration::from_secs(1);
/// How often old messages are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long changes of accounts are kept for other processes to notice, in seconds.
const CHANGES_KEPT: u64 = 60 * 60;
/// How many inboxes are looked at in one query.
const INBOXES: u64 = 1000;

/// Takes notice of accounts that were banned, deleted or given to another key, by another node or by a command.
pub async fn notice_account_changes(state: AppState) {
    let (mut every, mut seen) = (interval(NOTICE_EVERY), None);
    loop {
        every.tick().await;
        match changes_after(&state, seen).await {
            Ok(revision) => seen = Some(revision),
            Err(error) => log_failure(&error),
        }
    }
}

async fn changes_after(state: &AppState, seen: Option<u64>) -> Result<u64, StoreError> {
    // Nothing is remembered from before the start.
    let Some(mut seen) = seen else { return state.store.account_revision().await };
    for change in state.store.account_changes(seen).await? {
        state.holder_changed(change.account, &change.handle);
        seen = change.revision;
    }
    Ok(seen)
}

/// Deletes messages that are older than `--retention`, in portions between which everybody else has a turn.
pub async fn forget_old_messages(state: AppState) {
    let mut every = interval(FORGET_EVERY);
    loop {
        every.tick().await;
        match forget(&state).await {
            Ok(0) => {}
            Ok(messages) => tracing::info!(messages, "deleted messages that were older than --retention"),
            Err(error) => log_failure(&error),
        }
    }
}

async fn forget(state: &AppState) -> Result<u64, StoreError> {
    let (store, now) = (&state.store, state.now());
    store.forget_changes(Timestamp::from_unix(now.unix().saturating_sub(CHANGES_KEPT))).await?;
    let Some(before) = state.config.operations.retention.cutoff(now) else { return Ok(0) };
    let (mut last, mut forgotten) = (AccountId(0), 0);
    loop {
        let inboxes = store.oldest_messages(last, INBOXES).await?;
        let Some((end, _)) = inboxes.last() else { return Ok(forgotten) };
        last = *end;
        let due = |oldest: Option<Timestamp>| oldest.is_some_and(|oldest| oldest < before);
        for (inbox, _) in inboxes.into_iter().filter(|(_, oldest)| due(*oldest)) {
            match forget_of(state, inbox, before).await {
                Ok(messages) => forgotten += messages,
                // A damaged page is in the way of its own inbox alone, and a lock passes. It is tried again.
                Err(error @ (StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::Locked)) => {
                    log_failure(&error);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

async fn forget_of(state: &AppState, inbox: AccountId, before: Timestamp) -> Result<u64, StoreError> {
    let mut forgotten = 0;
    loop {
        let portion = state.store.forget_messages(inbox, before).await?;
        forgotten += portion;
        if portion < PORTION {
            return Ok(forgotten);
        }
    }
}
