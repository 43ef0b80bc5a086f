//! The index of a conversation: its rows without their texts. It is read when the account opens, and knows how many rows there are,
//! where they are, and which messages and envelopes have arrived.

use std::collections::HashMap;

use kez_core::content::MessageId;
use kez_core::envelope::{EnvelopeHash, OpenError};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::message::{Author, StoredBody, StoredMessage};
use super::pages::PAGE;
use crate::kernel::context::Context;
use crate::kernel::place::Slot;
use crate::kernel::record::{Kind, Record, StorageFault};

/// How many orders a block covers. A block is one record.
const BLOCK: u64 = 4 * PAGE;

/// The first eight bytes of a SHA-256 hash. Two of 100,000 random ones are equal with a chance of 3 in 10^10.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Tag([u8; 8]);

/// One row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) order: u64,
    /// Of the author and the message's id; `None` for a row without an id.
    message: Option<Tag>,
    /// Of the envelope; `None` for a message written here, and for an event.
    envelope: Option<Tag>,
    /// The time to show, Unix seconds.
    pub(crate) at: u64,
    pub(crate) mine: bool,
    /// Whether it counts as unread while it is beyond the read mark.
    pub(crate) can_be_unread: bool,
    /// Whether its envelope was sealed for a key that was unknown then.
    sealed_for_another: bool,
}

/// The index of a conversation.
#[derive(Default)]
pub(crate) struct Index {
    /// By order.
    entries: Vec<Entry>,
    orders: HashMap<Tag, u64>,
    /// The blocks that have changed since they were stored.
    changed: Vec<u64>,
    /// The blocks whose records could not be read. Their entries are rebuilt from their pages.
    damaged: Vec<u64>,
}

impl Tag {
    /// The tag of a message by its author and its id.
    fn of_message(author: Author, id: &MessageId) -> Self {
        let hash = match author {
            Author::Them => Sha256::new_with_prefix([0]),
            Author::Me => Sha256::new_with_prefix([1]),
            Author::Member(root) => Sha256::new_with_prefix([2]).chain_update(root.as_bytes()),
        };
        Self::start(&hash.chain_update(id.as_str()).finalize())
    }

    /// The tag of an envelope.
    pub(crate) fn of_envelope(envelope: &EnvelopeHash) -> Self {
        Self::start(envelope.as_bytes())
    }

    fn start(hash: &[u8]) -> Self {
        Self(hash.first_chunk().copied().unwrap_or_default())
    }
}

impl Entry {
    fn of(order: u64, message: &StoredMessage) -> Self {
        Self {
            order,
            message: message.id.as_ref().map(|id| Tag::of_message(message.author(), id)),
            envelope: message.envelope.as_ref().map(Tag::of_envelope),
            at: message.shown_at(),
            mine: message.mine,
            can_be_unread: message.can_be_unread(),
            sealed_for_another: message.body == StoredBody::Undecryptable(OpenError::WrongRecipient),
        }
    }

    /// Whether it came in an envelope.
    pub(crate) const fn has_envelope(&self) -> bool {
        self.envelope.is_some()
    }
}

impl Index {
    /// Loads a block.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, block: u64, record: &Record) -> Result<(), StorageFault> {
        match record.read::<Vec<Entry>>() {
            Ok(entries) => {
                for entry in entries.into_iter().filter(|entry| entry.order / BLOCK == block) {
                    self.add(entry);
                }
                Ok(())
            }
            Err(fault) => {
                self.damaged.push(block);
                Err(fault)
            }
        }
    }

    /// Adds the row of a message.
    pub(crate) fn insert(&mut self, order: u64, message: &StoredMessage) {
        self.add(Entry::of(order, message));
        self.change(order / BLOCK);
    }

    fn add(&mut self, entry: Entry) {
        if let Some(tag) = entry.message {
            self.orders.insert(tag, entry.order);
        }
        match self.find(entry.order) {
            Ok(at) => drop(std::mem::replace(&mut self.entries[at], entry)),
            Err(at) => self.entries.insert(at, entry),
        }
    }

    /// Removes a row.
    pub(crate) fn remove(&mut self, order: u64) {
        if let Ok(at) = self.find(order) {
            if let Some(tag) = self.entries.remove(at).message {
                self.orders.remove(&tag);
            }
            self.change(order / BLOCK);
        }
    }

    /// Removes the rows of envelopes that were sealed for a key that was unknown then. Returns their orders.
    pub(crate) fn remove_sealed_for_another(&mut self) -> Vec<u64> {
        let removed = self.entries.iter().filter(|entry| entry.sealed_for_another).map(|entry| entry.order);
        let removed: Vec<u64> = removed.collect();
        for order in &removed {
            self.remove(*order);
        }
        removed
    }

    /// Whether there may be rows in a page.
    pub(crate) fn has_rows(&self, page: u64) -> bool {
        !self.of_page(page).is_empty() || self.damaged.contains(&(page * PAGE / BLOCK))
    }

    /// The rows of a page whose block could not be read, rebuilt from its messages.
    pub(crate) fn restore<'a>(
        &mut self,
        page: u64,
        messages: impl Iterator<Item = (u64, &'a StoredMessage)>,
    ) {
        if self.damaged.contains(&(page * PAGE / BLOCK)) {
            messages.for_each(|(order, message)| self.insert(order, message));
        }
    }

    /// The pages of the blocks that could not be read.
    pub(crate) fn damaged_pages(&self) -> impl Iterator<Item = u64> {
        let pages = BLOCK / PAGE;
        self.damaged.iter().flat_map(move |block| block * pages..(block + 1) * pages)
    }

    /// The pages of the blocks that could not be read are loaded.
    pub(crate) fn repaired(&mut self) {
        for block in std::mem::take(&mut self.damaged) {
            self.change(block);
        }
    }

    /// The rows in order.
    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The rows of a page.
    pub(crate) fn of_page(&self, page: u64) -> &[Entry] {
        let (from, to) = (self.count_before(page * PAGE), self.count_before((page + 1) * PAGE));
        self.entries.get(from..to).unwrap_or_default()
    }

    pub(crate) fn get(&self, order: u64) -> Option<&Entry> {
        self.entries.get(self.find(order).ok()?)
    }

    /// How many rows come before this order.
    pub(crate) fn count_before(&self, order: u64) -> usize {
        self.entries.partition_point(|entry| entry.order < order)
    }

    /// The order of the message with this author and id.
    pub(crate) fn order_of(&self, author: Author, id: &MessageId) -> Option<u64> {
        self.orders.get(&Tag::of_message(author, id)).copied()
    }

    /// The envelopes that contained the rows.
    pub(crate) fn envelopes(&self) -> impl Iterator<Item = Tag> {
        self.entries.iter().filter_map(|entry| entry.envelope)
    }

    /// Stores the blocks that have changed.
    pub(crate) fn save(&mut self, slot: Slot, cx: &mut Context<'_>) {
        for block in std::mem::take(&mut self.changed) {
            let (from, to) = (self.count_before(block * BLOCK), self.count_before((block + 1) * BLOCK));
            match self.entries.get(from..to).unwrap_or_default() {
                [] => cx.delete(Kind::Index, slot.key(block)),
                entries => cx.put(Kind::Index, slot.key(block), &entries),
            }
        }
    }

    /// The blocks that have a record.
    pub(crate) fn blocks(&self) -> Vec<u64> {
        let mut blocks: Vec<u64> = self.entries.iter().map(|entry| entry.order / BLOCK).collect();
        blocks.extend(&self.damaged);
        blocks.dedup();
        blocks
    }

    fn change(&mut self, block: u64) {
        if !self.changed.contains(&block) {
            self.changed.push(block);
        }
    }

    fn find(&self, order: u64) -> Result<usize, usize> {
        self.entries.binary_search_by_key(&order, |entry| entry.order)
    }
}
