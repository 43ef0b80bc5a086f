//! Deletes expired messages, key packages and links between browsers.

use std::sync::Arc;
use std::time::Duration;

use kez_core::api::KeepDays;
use kez_core::time::Timestamp;
use tokio::time::interval;

use crate::clock::Clock;
use crate::config::operations::Retention;
use crate::edge::error::log_failure;
use crate::store::groups::GroupNumber;
use crate::store::moderation::PORTION;
use crate::store::{InboxId, Store, StoreError};

/// The interval between searches for old messages.
const SEARCH_EVERY: Duration = Duration::from_secs(60 * 60);
/// How long account changes are kept for other processes to notice, in seconds.
const CHANGES_KEPT: u64 = 60 * 60;
/// How long acknowledged message requests are kept, in seconds: 30 days.
const REQUESTS_KEPT: u64 = 30 * 24 * 60 * 60;
/// How long Welcomes are kept, in seconds: 30 days.
pub const WELCOMES_KEPT: u64 = 30 * 24 * 60 * 60;
/// The number of inboxes per query.
const INBOXES: u64 = 1000;

/// Deletes messages that are older than `--retention`, or than their owners' limit, and expired key packages, in
/// portions that let other writes through.
pub async fn delete_expired_messages(
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    retention: Retention,
    groups: Retention,
) {
    let mut every = interval(SEARCH_EVERY);
    loop {
        every.tick().await;
        let (store, now) = (&*store, clock.now());
        report(
            "deleted messages that were older than --retention",
            delete_past_retention(store, now, retention).await,
        );
        report(
            "deleted acknowledged messages that were older than their owners want",
            delete_past_owners_limits(store, now).await,
        );
        report("deleted old message requests", delete_old_requests(store, now).await);
        report(
            "deleted items of groups that were older than --group-retention",
            sweep_groups(store, now, groups).await,
        );
        match store.sweep_packages(now).await {
            Ok(0) => {}
            Ok(packages) => tracing::info!(packages, "deleted expired key packages"),
            Err(error) => log_failure(&error),
        }
        if let Err(error) = store.sweep_links(now).await {
            log_failure(&error);
        }
    }
}

fn report(what: &'static str, deleted: Result<u64, StoreError>) {
    match deleted {
        Ok(0) => {}
        Ok(messages) => tracing::info!(messages, "{what}"),
        Err(error) => log_failure(&error),
    }
}

/// Deletes messages that are older than the limit of each owner.
async fn delete_past_owners_limits(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let (mut last, mut deleted) = (InboxId::FIRST, 0);
    loop {
        let inboxes = store.limited_inboxes(last, INBOXES).await?;
        let Some((end, _)) = inboxes.last() else { return Ok(deleted) };
        last = *end;
        for (inbox, days) in inboxes {
            deleted += skip_failed_inbox(delete_past_limit(store, now, inbox, days).await)?;
        }
    }
}

/// Deletes the acknowledged messages of an inbox that are older than its owner's limit.
///
/// # Errors
/// When the store does not answer.
pub async fn delete_past_limit(
    store: &Store,
    now: Timestamp,
    inbox: InboxId,
    days: KeepDays,
) -> Result<u64, StoreError> {
    let before = Timestamp::from_unix(now.unix().saturating_sub(days.seconds()));
    portions(|| store.forget_acknowledged(inbox, before)).await
}

/// Deletes old acknowledged message requests.
async fn delete_old_requests(store: &Store, now: Timestamp) -> Result<u64, StoreError> {
    let before = Timestamp::from_unix(now.unix().saturating_sub(REQUESTS_KEPT));
    let (mut last, mut deleted) = (InboxId::FIRST, 0);
    loop {
        let inboxes = store.inboxes_with_requests(before, last, INBOXES).await?;
        let Some(end) = inboxes.last() else { return Ok(deleted) };
        last = *end;
        for inbox in inboxes {
            deleted += skip_failed_inbox(portions(|| store.forget_requests(inbox, before)).await)?;
        }
    }
}

async fn delete_past_retention(
    store: &Store,
    now: Timestamp,
    retention: Retention,
) -> Result<u64, StoreError> {
    store.forget_changes(Timestamp::from_unix(now.unix().saturating_sub(CHANGES_KEPT))).await?;
    let Some(before) = retention.cutoff(now) else { return Ok(0) };
    let (mut last, mut deleted) = (InboxId::FIRST, 0);
    loop {
        let inboxes = store.oldest_messages(last, INBOXES).await?;
        let Some((end, _)) = inboxes.last() else { return Ok(deleted) };
        last = *end;
        let due = |oldest: Option<Timestamp>| oldest.is_some_and(|oldest| oldest < before);
        for (inbox, _) in inboxes.into_iter().filter(|(_, oldest)| due(*oldest)) {
            deleted += skip_failed_inbox(portions(|| store.forget_messages(inbox, before)).await)?;
        }
    }
}

/// Deletes old items of groups, unused Welcomes, and groups without members. Returns the number of items.
async fn sweep_groups(store: &Store, now: Timestamp, retention: Retention) -> Result<u64, StoreError> {
    let before = |seconds| Timestamp::from_unix(now.unix().saturating_sub(seconds));
    store.sweep_welcomes(before(WELCOMES_KEPT)).await?;
    while store.sweep_groups().await? > 0 {}
    let Some(before) = retention.cutoff(now) else { return Ok(0) };
    let (mut last, mut deleted) = (GroupNumber(0), 0);
    loop {
        let groups = store.oldest_group_items(last).await?;
        let Some((end, _)) = groups.last() else { return Ok(deleted) };
        last = *end;
        for (group, _) in
            groups.into_iter().filter(|(_, oldest)| oldest.is_some_and(|oldest| oldest < before))
        {
            deleted += skip_failed_inbox(portions(|| store.forget_messages(group.log(), before)).await)?;
        }
    }
}

/// A damaged page affects only its own inbox, and a lock is temporary. The deletion is tried again later.
fn skip_failed_inbox(deleted: Result<u64, StoreError>) -> Result<u64, StoreError> {
    match deleted {
        Err(error @ (StoreError::Database(_) | StoreError::Corrupt(_) | StoreError::Locked)) => {
            log_failure(&error);
            Ok(0)
        }
        deleted => deleted,
    }
}

/// Deletes portion by portion until nothing is left to delete.
async fn portions<D: Future<Output = Result<u64, StoreError>>>(
    delete: impl Fn() -> D,
) -> Result<u64, StoreError> {
    let mut deleted = 0;
    loop {
        let portion = delete().await?;
        deleted += portion;
        if portion < PORTION {
            return Ok(deleted);
        }
    }
}
