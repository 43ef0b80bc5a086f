//! Builds a page of an inbox from rows, for every engine.

use prometheus_client::metrics::counter::Counter;
use sha2::{Digest, Sha256};

use super::row::{time, unsigned};
use super::{AccountId, PageLimit, StoreError, StoredMessage};

/// The columns of an item: number, time, hash, envelope.
pub(super) type ItemRow<H, E> = (i64, i64, H, E);

/// A page that grows row by row. An envelope whose bytes do not match the stored SHA-256 is left out, logged and
/// counted. A damaged disk must not make the server deliver garbage, which might not even be JSON and so break the
/// whole page for its reader. Nor should it hold back the messages that follow.
pub(super) struct Page {
    inbox: AccountId,
    limit: PageLimit,
    damaged: Counter,
    items: Vec<StoredMessage>,
    bytes: usize,
    after: u64,
    left_out: u64,
    full: bool,
}

impl Page {
    /// An empty page after `since`. `damaged` counts the envelopes that are left out.
    pub(super) fn new(inbox: AccountId, since: u64, limit: PageLimit, damaged: &Counter) -> Self {
        let damaged = damaged.clone();
        Self { inbox, limit, damaged, items: Vec::new(), bytes: 0, after: since, left_out: 0, full: false }
    }

    /// The inbox of the page.
    pub(super) const fn inbox(&self) -> AccountId {
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

    /// The number of rows left out so far. The caller must replace them with further rows: a page is short only at the
    /// end of the inbox.
    pub(super) const fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The bytes of the envelopes on the page.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Adds a row; `false` when the page has no room for it or for the rows that follow.
    pub(super) fn take<H: AsRef<[u8]>, E: AsRef<[u8]> + Into<Vec<u8>>>(
        &mut self,
        (seq, created_at, hash, envelope): ItemRow<H, E>,
    ) -> Result<bool, StoreError> {
        let (seq, length) = (unsigned(seq)?, envelope.as_ref().len());
        if Sha256::digest(&envelope).as_slice() != hash.as_ref() {
            self.after = seq;
            self.left_out += 1;
            return Ok(true);
        }
        if self.bytes + length > self.limit.bytes && !self.items.is_empty() {
            self.full = true;
            return Ok(false);
        }
        self.bytes += length;
        self.after = seq;
        self.items.push(StoredMessage { seq, created_at: time(created_at)?, envelope: envelope.into() });
        Ok(true)
    }

    /// The items of the page.
    pub(super) fn into_items(self) -> Vec<StoredMessage> {
        if self.left_out > 0 {
            let (inbox, rows, up_to) = (self.inbox.0, self.left_out, self.after);
            tracing::error!(inbox, rows, up_to, "stored envelopes are damaged and are left out");
            self.damaged.inc_by(rows);
        }
        self.items
    }
}
