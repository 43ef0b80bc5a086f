//! Reading logs: the inbox of an account, and its groups as far as the account may read them.

use std::io::Write as _;

use kez_core::mls::GroupId;

use crate::relay::items;
use crate::store::groups::GroupNumber;
use crate::store::{AccountId, PageLimit, Store, StoreError, StoredMessage};

/// The items of a group after a cursor, up to the one that took the account out.
///
/// # Errors
/// When the store does not answer.
pub async fn page_of_group(
    store: &Store,
    account: AccountId,
    group: GroupNumber,
    since: u64,
    limit: PageLimit,
) -> Result<Vec<StoredMessage>, StoreError> {
    let mut page = store.page_after(group.log(), since, limit).await?;
    if !page.is_empty()
        // Read after the page: the commit that takes an account out and the end of what it reads are one transaction.
        && let Some(until) = store.reads_up_to(account, group).await?
    {
        page.truncate(page.partition_point(|item| item.seq <= until));
    }
    Ok(page)
}

/// A frame with items, as live streams send it. `last` is the highest number of the log, if more items may follow.
///
/// # Errors
/// [`StoreError::Corrupt`] when an envelope is not text, which this server never stores.
pub fn frame(
    epoch: &str,
    group: Option<GroupId>,
    page: &[StoredMessage],
    last: Option<u64>,
) -> Result<String, StoreError> {
    let mut frame = Vec::new();
    // Writing to a `Vec` cannot fail.
    let _ = write!(frame, r#"{{"epoch":"{epoch}""#);
    if let Some(group) = group {
        let _ = write!(frame, r#","group":"{group}""#);
    }
    frame.extend_from_slice(br#","items":"#);
    items::write(&mut frame, page);
    if let Some(last) = last {
        let _ = write!(frame, r#","last":{last}"#);
    }
    frame.push(b'}');
    // The envelopes were valid UTF-8 when they arrived.
    String::from_utf8(frame).map_err(|_| StoreError::Corrupt("envelope"))
}
