//! The messages of a conversation, in pages. A message's order is its number in the conversation; a page covers 64
//! orders, is one record, and is read when it is needed.

use kez_core::identity::Primary;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::index::Index;
use super::message::{Former, IntoAuthor, StoredBody, StoredMessage};
use crate::kernel::context::Context;
use crate::kernel::place::Slot;
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::sorted_map::SortedMap;

/// How many orders a page covers.
pub(crate) const PAGE: u64 = 64;

/// The format of pages in which messages have no author.
const WITHOUT_AUTHORS: u8 = 1;
/// The format of pages in which messages do not tell which way they came.
const WITHOUT_WAY: u8 = 2;

/// The record of kind [`Kind::Page`]: messages by order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct StoredPage(Vec<(u64, StoredMessage)>);

/// The pages that are in memory.
#[derive(Default)]
pub(crate) struct Pages(SortedMap<u64, Page>);

#[derive(Default)]
struct Page {
    messages: SortedMap<u64, StoredMessage>,
    /// Whether it has changed since it was stored.
    changed: bool,
    /// The number of the event that used it last.
    used: u64,
}

/// The number of the page that covers this order.
pub(crate) const fn page_of(order: u64) -> u64 {
    order / PAGE
}

/// The messages of a page that was read, by order.
///
/// # Errors
/// [`StorageFault`] when the record cannot be read.
pub(crate) fn read(record: &Record) -> Result<Vec<(u64, StoredMessage)>, StorageFault> {
    if record.has_format(WITHOUT_AUTHORS) {
        read_former::<()>(record)
    } else if record.has_format(WITHOUT_WAY) {
        read_former::<Option<Primary>>(record)
    } else {
        record.read::<StoredPage>().map(|page| page.0)
    }
}

fn read_former<T: IntoAuthor + DeserializeOwned>(
    record: &Record,
) -> Result<Vec<(u64, StoredMessage)>, StorageFault> {
    let messages: Vec<(u64, Former<T>)> = record.read()?;
    Ok(messages.into_iter().map(|(order, message)| (order, message.into())).collect())
}

impl Pages {
    /// Keeps a page that was read from storage, unless it is in memory already. Rows that cannot be read are shown as
    /// damaged.
    pub(crate) fn insert(&mut self, page: u64, messages: Vec<(u64, StoredMessage)>, index: &Index, now: u64) {
        if self.0.contains_key(&page) {
            return;
        }
        let mut stored = SortedMap::default();
        for (order, message) in messages {
            stored.insert(order, message);
        }
        let mut messages = SortedMap::default();
        for entry in index.of_page(page) {
            let damaged = || StoredMessage::note(StoredBody::Damaged, entry.at);
            messages.insert(entry.order, stored.remove(&entry.order).unwrap_or_else(damaged));
        }
        self.0.insert(page, Page { messages, changed: false, used: now });
    }

    /// Whether the messages of a page are in memory. A page without rows has no record.
    pub(crate) fn has(&self, page: u64, index: &Index) -> bool {
        self.0.contains_key(&page) || !index.has_rows(page)
    }

    pub(crate) fn get(&self, order: u64) -> Option<&StoredMessage> {
        self.0.get(&page_of(order))?.messages.get(&order)
    }

    /// A message that is about to change.
    pub(crate) fn change(&mut self, order: u64) -> Option<&mut StoredMessage> {
        let page = self.0.get_mut(&page_of(order))?;
        page.changed = true;
        page.messages.get_mut(&order)
    }

    /// Adds a message. Its page must be in memory, or have no rows.
    pub(crate) fn add(&mut self, order: u64, message: StoredMessage) {
        let page = self.0.get_or_default(page_of(order));
        page.changed = true;
        page.messages.insert(order, message);
    }

    /// Removes a message.
    pub(crate) fn remove(&mut self, order: u64) {
        if let Some(page) = self.0.get_mut(&page_of(order)) {
            page.changed |= page.messages.remove(&order).is_some();
        }
    }

    /// The messages of a page that is in memory.
    pub(crate) fn messages(
        &self,
        page: u64,
    ) -> Option<impl DoubleEndedIterator<Item = (u64, &StoredMessage)>> {
        let page = self.0.get(&page)?;
        Some(page.messages.iter().map(|(order, message)| (*order, message)))
    }

    /// Stores the pages that have changed. Returns their numbers.
    pub(crate) fn save(&mut self, (slot, now): (Slot, u64), cx: &mut Context<'_>) -> Vec<u64> {
        let mut saved = Vec::new();
        for (number, page) in self.0.iter_mut().filter(|(_, page)| page.changed) {
            (page.changed, page.used) = (false, now);
            saved.push(*number);
            // Damaged ones are not stored: the index still lists them.
            let messages = page.messages.iter().filter(|(_, message)| message.body != StoredBody::Damaged);
            let messages: Vec<_> = messages.map(|(order, message)| (*order, message)).collect();
            match messages.as_slice() {
                [] => cx.delete(Kind::Page, slot.key(*number)),
                messages => cx.put(Kind::Page, slot.key(*number), &messages),
            }
        }
        saved
    }

    /// The pages in memory, with the number of the event that used them last.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (u64, u64)> {
        self.0.iter().map(|(number, page)| (*number, page.used))
    }

    /// Drops a stored page from memory.
    pub(crate) fn drop(&mut self, page: u64) {
        self.0.remove(&page);
    }
}
