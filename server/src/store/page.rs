//! A page of an inbox, as it is put together from rows, for every engine.

use prometheus_client::metrics::counter::Counter;
use sha2::{Digest, Sha256};

use super::row::{signed, time, unsigned};
use super::{AccountId, PageLimit, StoreError, StoredMessage};

/// The columns of an item: number, time, hash, envelope.
pub(super) type ItemRow = (i64, i64, Vec<u8>, Vec<u8>);

/// A page that grows row by row. An envelope whose bytes are not those that were stored, as their SHA-256 says, is left
/// out, logged and counted: a disk that lost bits is no reason to hand out garbage (which might not even be JSON, so that
/// a reader of the page fails on all of it), nor to keep back what stands behind it.
pub(super) struct Page<'a> {
    inbox: AccountId,
    limit: PageLimit,
    damaged: &'a Counter,
    items: Vec<StoredMessage>,
    bytes: usize,
    /// The last number that was looked at.
    after: u64,
    /// How many rows of this batch were left out; before the first batch, none is known to be whole.
    left_out: Option<u64>,
    full: bool,
}

impl<'a> Page<'a> {
    /// Nothing after `since` was read yet. `damaged` counts what is left out.
    pub(super) fn new(inbox: AccountId, since: u64, limit: PageLimit, damaged: &'a Counter) -> Self {
        Self { inbox, limit, damaged, items: Vec::new(), bytes: 0, after: since, left_out: None, full: false }
    }

    /// After which number rows are to be read next, and how many at most. None once the page is done: what was left
    /// out is made up for by further rows, so that a page is short only at the end of the inbox.
    pub(super) fn wants(&mut self) -> Option<(i64, i64)> {
        let room = self.limit.items.saturating_sub(self.items.len() as u64);
        match self.left_out.replace(0) {
            Some(0) => return None,
            Some(rows) => {
                let (inbox, after) = (self.inbox.0, self.after);
                tracing::error!(inbox, rows, after, "stored envelopes are damaged and are left out");
                self.damaged.inc_by(rows);
            }
            None => {}
        }
        (room > 0 && !self.full).then(|| (signed(self.after), signed(room)))
    }

    /// Takes a row in; `false` when the page has no room for it or what follows.
    pub(super) fn take(&mut self, (seq, created_at, hash, envelope): ItemRow) -> Result<bool, StoreError> {
        let seq = unsigned(seq)?;
        if Sha256::digest(&envelope).as_slice() != hash {
            self.after = seq;
            self.left_out = self.left_out.map(|rows| rows + 1);
            return Ok(true);
        }
        self.bytes += envelope.len();
        if self.bytes > self.limit.bytes && !self.items.is_empty() {
            self.full = true;
            return Ok(false);
        }
        self.after = seq;
        self.items.push(StoredMessage { seq, created_at: time(created_at)?, envelope });
        Ok(true)
    }

    pub(super) fn into_items(self) -> Vec<StoredMessage> {
        self.items
    }
}
