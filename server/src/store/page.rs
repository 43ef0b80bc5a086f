//! Builds a page of an inbox from rows, for both databases.

use kez_core::time::Timestamp;
use prometheus_client::metrics::counter::Counter;
use sha2::{Digest, Sha256};

use super::{InboxId, PageLimit, StoreError, StoredMessage};

/// A page that grows row by row. An envelope whose bytes do not match the stored SHA-256 is left out, logged and
/// counted. A damaged disk must not make the server deliver garbage, which might not even be JSON and so break the
/// whole page for its reader. Nor should it hold back the messages that follow.
pub(super) struct Page {
    inbox: InboxId,
    limit: PageLimit,
    items: Vec<StoredMessage>,
    bytes: usize,
    after: u64,
    left_out: u64,
    full: bool,
}

impl Page {
    /// An empty page after `since`.
    pub(super) const fn new(inbox: InboxId, since: u64, limit: PageLimit) -> Self {
        Self { inbox, limit, items: Vec::new(), bytes: 0, after: since, left_out: 0, full: false }
    }

    /// The inbox of the page.
    pub(super) const fn inbox(&self) -> InboxId {
        self.inbox
    }

    /// The last number that was read.
    pub(super) const fn after(&self) -> u64 {
        self.after
    }

    /// The number of items that still fit.
    pub(super) fn room(&self) -> u64 {
        if self.full { 0 } else { self.limit.items.saturating_sub(self.items.len() as u64) }
    }

    /// The limit of bytes.
    pub(super) const fn most_bytes(&self) -> u64 {
        self.limit.bytes as u64
    }

    /// The number of rows left out so far. The caller must replace them with further rows: a page is short only at the
    /// end of the inbox.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Adds a row; `false` when the page has no room for it or for the rows that follow.
    pub(super) fn take(
        &mut self,
        seq: i64,
        created_at: i64,
        hash: &[u8],
        envelope: &[u8],
    ) -> Result<bool, StoreError> {
        let seq = seq.try_into().map_err(|_| StoreError::Corrupt("sequence number"))?;
        if self.room() == 0 {
            return Ok(false);
        }
        if Sha256::digest(envelope).as_slice() != hash {
            self.after = seq;
            self.left_out += 1;
            return Ok(true);
        }
        if self.bytes + envelope.len() > self.limit.bytes && !self.items.is_empty() {
            self.full = true;
            return Ok(false);
        }
        let created_at = created_at.try_into().map_err(|_| StoreError::Corrupt("time"))?;
        self.bytes += envelope.len();
        self.after = seq;
        self.items.push(StoredMessage {
            seq,
            created_at: Timestamp::from_unix(created_at),
            envelope: envelope.to_vec(),
        });
        Ok(true)
    }

    /// The items of the page. `damaged` counts the envelopes that were left out.
    pub(super) fn into_items(self, damaged: &Counter) -> Vec<StoredMessage> {
        if self.left_out > 0 {
            let (inbox, rows, up_to) = (self.inbox.0, self.left_out, self.after);
            tracing::error!(inbox, rows, up_to, "stored envelopes are damaged and are left out");
            damaged.inc_by(rows);
        }
        self.items
    }
}
