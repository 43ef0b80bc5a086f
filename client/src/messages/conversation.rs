//! A conversation: its summary and its index, which are read when the account opens, and its messages in pages, which are
//! read when they are needed.

use kez_core::content::MessageId;
use kez_core::display;
use kez_core::envelope::EnvelopeHash;
use kez_core::identity::Primary;
use kez_core::message::Chain;
use serde::{Deserialize, Serialize};

use super::index::{Index, Tag};
use super::message::{
    Author, Position, ROW_PREFIX, StoredBody, StoredLine, StoredMessage, StoredReaction, merge, their_row_id,
};
use super::pages::{self, Pages, page_of};
use super::sequences::Sequences;
use crate::kernel::context::Context;
use crate::kernel::place::Slot;
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::sync::ChainHead;

/// The most messages that are not here yet, or not in memory, whose reactions are kept.
const MOST_WAITING: usize = 200;
/// The first order after the messages that a linked browser gets from another one.
const HISTORY_END: u64 = 1 << 32;
/// The most characters of a text in the list of conversations.
const LINE_CHARS: usize = 120;

/// The record of kind [`Kind::Conversation`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Summary {
    /// The order of the next content, whether or not it makes a row; 0 stands for 1.
    next: u64,
    /// The order of their newest message that was read; 0 for none.
    read_up_to: u64,
    /// The last row.
    last: Option<LastRow>,
    /// The chain of envelopes sent here.
    sent: ChainHead,
    /// The envelopes that have arrived here.
    received: Sequences,
    /// Reactions to messages that are not here yet, or not in memory, by author and id, the oldest first.
    waiting: Vec<((Author, MessageId), Vec<StoredReaction>)>,
}

/// What the list of conversations shows of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct LastRow {
    order: u64,
    pub(crate) mine: bool,
    pub(crate) line: Line,
    /// The time to show, Unix seconds.
    pub(crate) at: u64,
    pub(crate) kept_at: u64,
    pub(crate) arrival: u64,
}

/// The start of a row, on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Line {
    Text(String),
    KeyReplaced,
    Unreadable,
    DeviceAdded,
    /// A member of the group wrote this.
    Member(Primary, String),
    /// An event of the group.
    Group(StoredLine),
}

/// A conversation in memory.
#[derive(Default)]
pub(crate) struct Conversation {
    slot: Slot,
    summary: Summary,
    /// Whether the summary has changed since it was stored.
    changed: bool,
    index: Index,
    pages: Pages,
    /// The unsent text in the composer.
    pub(crate) draft: String,
    unread: u64,
}

impl Conversation {
    /// An empty conversation.
    pub(crate) fn new(slot: Slot) -> Self {
        Self { slot, ..Self::default() }
    }

    /// An empty conversation of a browser that gets earlier messages later: their orders come before all others.
    pub(crate) fn after_history(slot: Slot) -> Self {
        let summary = Summary { next: HISTORY_END, read_up_to: HISTORY_END - 1, ..Summary::default() };
        Self { slot, summary, changed: true, ..Self::default() }
    }

    /// Loads the summary.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.summary = record.read()?;
        Ok(())
    }

    /// Loads a block of the index. [`Conversation::on_rows_loaded`] is to be called after the last one.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load_index(&mut self, block: u64, record: &Record) -> Result<(), StorageFault> {
        self.index.load(block, record)
    }

    /// Loads a page, and applies the reactions that waited for its messages. Its rows are shown as damaged when the record
    /// cannot be read.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load_page(&mut self, page: u64, record: &Record, now: u64) -> Result<(), StorageFault> {
        let read = pages::read(record);
        let fault = read.as_ref().err().copied();
        let messages = read.unwrap_or_default();
        self.index.restore(page, messages.iter().map(|(order, message)| (*order, message)));
        self.pages.insert(page, messages, &self.index, now);
        self.on_rows_loaded();
        self.update_last();
        for (of, reactions) in std::mem::take(&mut self.summary.waiting) {
            let here = self.index.order_of(of.0, &of.1).filter(|order| page_of(*order) == page);
            match here.and_then(|order| self.pages.change(order)) {
                Some(message) => {
                    self.changed = true;
                    for reaction in reactions {
                        merge(&mut message.reactions, reaction);
                    }
                }
                None => self.summary.waiting.push((of, reactions)),
            }
        }
        fault.map_or(Ok(()), Err)
    }

    /// Rows were added without being new.
    pub(crate) fn on_rows_loaded(&mut self) {
        if let Some(last) = self.index.entries().last() {
            self.summary.next = self.summary.next.max(last.order + 1);
        }
        self.unread = self.unread_rows().count() as u64;
    }

    /// Stores what has changed. Returns the pages that were stored.
    pub(crate) fn save(&mut self, now: u64, cx: &mut Context<'_>) -> Vec<u64> {
        if std::mem::take(&mut self.changed) {
            cx.put(Kind::Conversation, self.slot.to_string(), &self.summary);
        }
        self.index.save(self.slot, cx);
        self.pages.save((self.slot, now), cx)
    }

    /// Deletes all records.
    pub(crate) fn erase(&self, cx: &mut Context<'_>) {
        for block in self.index.blocks() {
            cx.delete(Kind::Index, self.slot.key(block));
        }
        for page in self.pages_with_rows() {
            cx.delete(Kind::Page, self.slot.key(page));
        }
        for kind in [Kind::Draft, Kind::Conversation] {
            cx.delete(kind, self.slot.to_string());
        }
    }

    /// The number of the conversation in record ids.
    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    /// Whether a page is in memory, or has no rows.
    pub(crate) fn has_page(&self, page: u64) -> bool {
        self.pages.has(page, &self.index)
    }

    /// The page of the next row.
    pub(crate) const fn next_page(&self) -> u64 {
        page_of(self.summary.next)
    }

    /// The pages that have rows, in order.
    pub(crate) fn pages_with_rows(&self) -> Vec<u64> {
        let mut pages: Vec<u64> = self.index.entries().iter().map(|entry| page_of(entry.order)).collect();
        pages.extend(self.index.damaged_pages());
        pages.sort_unstable();
        pages.dedup();
        pages
    }

    /// For each page that has rows: its number, the time of its last row in Unix seconds, and the number of rows.
    pub(crate) fn rows_of_pages(&self) -> Vec<(u64, u64, u64)> {
        let mut pages: Vec<(u64, u64, u64)> = Vec::new();
        for entry in self.index.entries() {
            match pages.last_mut() {
                Some((page, at, rows)) if *page == page_of(entry.order) => {
                    (*at, *rows) = (entry.at, *rows + 1)
                }
                _ => pages.push((page_of(entry.order), entry.at, 1)),
            }
        }
        pages
    }

    /// The messages of a page that was read only to be searched.
    pub(crate) fn read_page(&self, record: &Record) -> impl Iterator<Item = (u64, StoredMessage)> {
        let messages = pages::read(record).unwrap_or_default().into_iter();
        messages.filter(|(order, _)| self.has_row(*order))
    }

    /// The pages that have to be read to rebuild their part of the index.
    pub(crate) fn damaged_pages(&self) -> Vec<u64> {
        self.index.damaged_pages().collect()
    }

    /// The pages of [`Conversation::damaged_pages`] were loaded.
    pub(crate) fn on_repaired(&mut self) {
        self.index.repaired();
    }

    /// The pages in memory, with the number of the event that used them last.
    pub(crate) fn page_uses(&self) -> impl Iterator<Item = (u64, u64)> {
        self.pages.uses()
    }

    /// Drops a stored page from memory.
    pub(crate) fn drop_page(&mut self, page: u64) {
        self.pages.drop(page);
    }

    /// The messages of a page, if it is in memory.
    pub(crate) fn messages_of(
        &self,
        page: u64,
    ) -> Option<impl DoubleEndedIterator<Item = (u64, &StoredMessage)>> {
        self.pages.messages(page)
    }

    /// Takes the next order. If its page is neither in memory nor empty, another page begins.
    pub(crate) fn take_order(&mut self) -> u64 {
        let mut order = self.summary.next.max(1);
        while !self.has_page(page_of(order)) {
            order = (page_of(order) + 1) * pages::PAGE;
        }
        self.summary.next = order + 1;
        self.changed = true;
        order
    }

    /// Records that this order is in use.
    pub(crate) fn uses(&mut self, order: u64) {
        self.summary.next = self.summary.next.max(order.saturating_add(1));
    }

    /// Adds a message under an order that was taken.
    pub(crate) fn insert(&mut self, order: u64, message: StoredMessage) {
        if let Some(at) = &message.position {
            self.summary.received.made_row(&at.installation, at.n);
        }
        if order > self.summary.read_up_to && message.can_be_unread() {
            self.unread += 1;
        }
        self.summary.last = Some(LastRow::of(order, &message));
        self.changed = true;
        self.index.insert(order, &message);
        self.pages.add(order, message);
    }

    /// Records an envelope of the other side in its sequence.
    pub(crate) fn receive(&mut self, chain: Chain, envelope: EnvelopeHash) -> Position {
        let taken = self.summary.received.record(&chain, envelope);
        self.changed = true;
        Position { installation: chain.id, n: chain.n, taken }
    }

    /// Records an item of a group's log in the sequence of its sender. The first one that was read begins the sequence: who
    /// joins a group has not seen what came before.
    pub(crate) fn receive_in_group(&mut self, mut chain: Chain, item: EnvelopeHash) -> Position {
        if self.summary.received.is_new(&chain.id) {
            chain.prev = None;
            self.summary.received.begin(&chain, item);
            self.changed = true;
            return Position { installation: chain.id, n: chain.n, taken: false };
        }
        self.receive(chain, item)
    }

    /// The end of the chain of envelopes sent here.
    pub(crate) const fn sent_head(&self) -> ChainHead {
        self.summary.sent
    }

    /// The last envelope was not sent after all: the chain goes on after the one before it.
    pub(crate) const fn continue_after(&mut self, head: ChainHead) {
        self.summary.sent = head;
        self.changed = true;
    }

    /// The position of this installation's next envelope.
    pub(crate) fn next_position(&self, installation: &str) -> Chain {
        self.summary.sent.next(installation)
    }

    /// Records the envelope at the next position.
    pub(crate) const fn sent(&mut self, envelope: EnvelopeHash) {
        self.summary.sent.advance(envelope);
        self.changed = true;
    }

    /// The next envelope begins another sequence: an unproven key is not known to have the messages so far.
    pub(crate) fn restart_sequence(&mut self) {
        self.summary.sent = ChainHead::default();
        self.changed = true;
    }

    /// A message in memory.
    pub(crate) fn get(&self, order: u64) -> Option<&StoredMessage> {
        self.index.get(order).and_then(|_| self.pages.get(order))
    }

    /// Whether there is a row with this order.
    pub(crate) fn has_row(&self, order: u64) -> bool {
        self.index.get(order).is_some()
    }

    /// The order of the message with this author and id.
    pub(crate) fn order_of(&self, author: impl Into<Author>, id: &MessageId) -> Option<u64> {
        self.index.order_of(author.into(), id)
    }

    /// The order of the message with this [`StoredMessage::row_id`].
    pub(crate) fn order_of_row(&self, row: &str) -> Option<u64> {
        match row.strip_prefix(ROW_PREFIX).and_then(|order| order.parse().ok()) {
            Some(order) => self.index.get(order).filter(|entry| !entry.mine).map(|entry| entry.order),
            None => self.order_of(true, &row.parse().ok()?),
        }
    }

    /// The id of the row with this order in the thread, if the message is in memory or not the user's.
    pub(crate) fn row_id(&self, order: u64) -> String {
        self.pages.get(order).map_or_else(|| their_row_id(order), |message| message.row_id(order))
    }

    /// The order of the first row at or after a time, Unix seconds, or of the last row.
    pub(crate) fn order_at_time(&self, time: u64) -> Option<u64> {
        let entries = self.index.entries();
        entries.iter().find(|entry| entry.at >= time).or(entries.last()).map(|entry| entry.order)
    }

    /// Applies a reaction to a message, named by its author and id, or keeps it until the message is in memory.
    /// Returns the page to load for it.
    pub(crate) fn react(&mut self, of: (Author, MessageId), reaction: StoredReaction) -> Option<u64> {
        let order = self.index.order_of(of.0, &of.1);
        if let Some(message) = order.and_then(|order| self.pages.change(order)) {
            merge(&mut message.reactions, reaction);
            return None;
        }
        self.changed = true;
        let waiting = &mut self.summary.waiting;
        let mut reactions = match waiting.iter().position(|(other, _)| *other == of) {
            Some(at) => waiting.remove(at).1,
            None => Vec::new(),
        };
        merge(&mut reactions, reaction);
        waiting.push((of, reactions));
        let excess = waiting.len().saturating_sub(MOST_WAITING);
        waiting.drain(..excess);
        order.map(page_of)
    }

    /// Whether a reaction to a message would change nothing. A message whose page is not in memory is not known to have it.
    pub(crate) fn has_reaction(&self, of: &(Author, MessageId), new: &StoredReaction) -> bool {
        let here = self.index.order_of(of.0, &of.1).and_then(|order| self.pages.get(order));
        let waiting = self.summary.waiting.iter().filter(|(other, _)| other == of);
        let mut all = here.into_iter().flat_map(|message| &message.reactions);
        let has_it = |old: &StoredReaction| (old.by, &old.emoji) == (new.by, &new.emoji) && old.replaces(new);
        all.any(has_it) || waiting.flat_map(|(_, reactions)| reactions).any(has_it)
    }

    /// The reactions that waited for this message.
    pub(crate) fn take_waiting(&mut self, author: Author, id: &MessageId) -> Vec<StoredReaction> {
        let waiting = &mut self.summary.waiting;
        let at = waiting.iter().position(|((by, other), _)| (*by, other) == (author, id));
        self.changed |= at.is_some();
        at.map(|at| waiting.remove(at).1).unwrap_or_default()
    }

    /// Removes the rows of envelopes that were sealed for a key that was unknown then. Their pages lose them when they are
    /// stored again.
    pub(crate) fn remove_sealed_for_another(&mut self) {
        for order in self.index.remove_sealed_for_another() {
            self.pages.remove(order);
        }
        self.update_last();
        self.unread = self.unread_rows().count() as u64;
    }

    /// The envelopes that contained the messages.
    pub(crate) fn envelopes(&self) -> impl Iterator<Item = Tag> {
        self.index.envelopes()
    }

    /// The orders of the other side's newest messages that came in an envelope, the newest first.
    pub(crate) fn newest_received(&self, most: usize) -> impl Iterator<Item = u64> {
        let received = self.index.entries().iter().rev().filter(|entry| !entry.mine && entry.has_envelope());
        received.take(most).map(|entry| entry.order)
    }

    /// Removes one of the user's own messages. Its page is in memory.
    pub(crate) fn remove_own(&mut self, order: u64) {
        self.index.remove(order);
        self.pages.remove(order);
        self.update_last();
    }

    /// The last row may be another one now. It is unknown until its page is in memory.
    fn update_last(&mut self) {
        let last = self.index.entries().last().map(|entry| entry.order);
        if last != self.summary.last.as_ref().map(|last| last.order) {
            self.summary.last = last.and_then(|order| Some(LastRow::of(order, self.pages.get(order)?)));
            self.changed = true;
        }
    }

    /// The page of the last row, if what the row says is unknown.
    pub(crate) fn page_of_unknown_last(&self) -> Option<u64> {
        let last = self.index.entries().last().filter(|_| self.summary.last.is_none());
        last.map(|last| page_of(last.order))
    }

    pub(crate) const fn unread(&self) -> u64 {
        self.unread
    }

    /// The first unread message.
    pub(crate) fn first_unread(&self) -> Option<u64> {
        self.unread_rows().next()
    }

    fn unread_rows(&self) -> impl Iterator<Item = u64> {
        let read = self.index.count_before(self.summary.read_up_to.saturating_add(1));
        let after = self.index.entries().iter().skip(read);
        after.filter(|entry| entry.can_be_unread).map(|entry| entry.order)
    }

    /// Marks everything as read.
    pub(crate) fn mark_read(&mut self) {
        if self.unread == 0 {
            return;
        }
        self.unread = 0;
        if let Some(entry) = self.index.entries().iter().rev().find(|entry| !entry.mine) {
            self.summary.read_up_to = entry.order;
            self.changed = true;
        }
    }

    /// The order of the newest message of others that was read; 0 for none.
    pub(crate) const fn read_up_to(&self) -> u64 {
        self.summary.read_up_to
    }

    /// Another browser of the user's has read up to this message. A mark never goes back.
    pub(crate) fn on_read_elsewhere(&mut self, order: u64) {
        if order > self.summary.read_up_to {
            self.summary.read_up_to = order;
            self.unread = self.unread_rows().count() as u64;
            self.changed = true;
        }
    }

    /// The order of the next content.
    pub(crate) fn next_order(&self) -> u64 {
        self.summary.next.max(1)
    }

    /// The order of the last row before an order.
    pub(crate) fn row_before(&self, order: u64) -> Option<u64> {
        self.order_at(self.count_before(order).checked_sub(1)?)
    }

    /// When the row with this order was sent, Unix seconds.
    pub(crate) fn time_of(&self, order: u64) -> Option<u64> {
        self.index.get(order).map(|entry| entry.at)
    }

    /// Adds a message from before all others. It is no news: neither the last row nor the read mark changes.
    pub(crate) fn insert_first(&mut self, message: StoredMessage) {
        let first = self.order_at(0).unwrap_or(HISTORY_END);
        let Some(mut order) = first.checked_sub(1).filter(|order| *order > 0) else { return };
        if !self.has_page(page_of(order)) {
            // Its page is not in memory: another one begins before it.
            let Some(before) = (page_of(order) * pages::PAGE).checked_sub(1).filter(|order| *order > 0)
            else {
                return;
            };
            order = before;
        }
        if self.summary.last.is_none() {
            self.summary.last = Some(LastRow::of(order, &message));
        }
        self.changed = true;
        self.index.insert(order, &message);
        self.pages.add(order, message);
    }

    pub(crate) const fn last(&self) -> Option<&LastRow> {
        self.summary.last.as_ref()
    }

    pub(crate) fn len(&self) -> usize {
        self.index.entries().len()
    }

    /// The orders of `count` rows, after skipping the first `skipped`.
    pub(crate) fn orders(&self, skipped: usize, count: usize) -> impl Iterator<Item = u64> {
        self.index.entries().iter().skip(skipped).take(count).map(|entry| entry.order)
    }

    /// How many rows come before this order.
    pub(crate) fn count_before(&self, order: u64) -> usize {
        self.index.count_before(order)
    }

    /// The order of the row that has `before` rows before it.
    pub(crate) fn order_at(&self, before: usize) -> Option<u64> {
        self.index.entries().get(before).map(|entry| entry.order)
    }

    /// How many of the sender's envelopes between this message and the one before it are missing. Late arrivals reduce
    /// the number.
    pub(crate) fn missing_before(&self, message: &StoredMessage) -> u64 {
        let Some(at) = &message.position else { return 0 };
        self.summary.received.missing_before(&at.installation, at.n)
    }

    /// Whether the message, or a content without a row before it, contradicts its sender's sequence: it names a
    /// different predecessor than the envelope that arrived, or its number was taken. Then a message was replaced, or the
    /// sender's storage was copied.
    pub(crate) fn contradicts(&self, message: &StoredMessage) -> bool {
        let Some(at) = &message.position else { return false };
        at.taken || self.summary.received.is_contradicted_before(&at.installation, at.n)
    }
}

impl LastRow {
    fn of(order: u64, message: &StoredMessage) -> Self {
        let line = match &message.body {
            StoredBody::Text { text, .. } => match message.author() {
                Author::Member(root) => Line::Member(root, one_line(text)),
                Author::Me | Author::Them => Line::Text(one_line(text)),
            },
            StoredBody::Group(line) => Line::Group(line.clone()),
            StoredBody::KeyReplaced => Line::KeyReplaced,
            StoredBody::DeviceAdded => Line::DeviceAdded,
            _ => Line::Unreadable,
        };
        let (kept_at, arrival) = (message.kept_at, message.arrival);
        Self { order, mine: message.mine, line, at: message.shown_at(), kept_at, arrival }
    }
}

/// The start of a text, on one line.
pub(crate) fn one_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    display::limited(line).take(LINE_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(n: u64) -> StoredMessage {
        let body = StoredBody::Text { text: format!("{n}"), re: None };
        StoredMessage { id: format!("m{n}").parse().ok(), ..StoredMessage::note(body, n) }
    }

    #[test]
    fn rows_are_read_in_part_by_order() {
        let mut conversation = Conversation::new(Slot(1));
        assert_eq!(conversation.orders(0, 2).count(), 0);
        for n in 1..=5 {
            let order = conversation.take_order();
            conversation.insert(order, theirs(n));
            if n == 3 {
                conversation.mark_read();
                assert_eq!(conversation.unread(), 0);
            }
        }
        let orders = |skipped, count| conversation.orders(skipped, count).collect::<Vec<_>>();
        assert_eq!((orders(3, 2), orders(0, 9), orders(9, 1)), (vec![4, 5], vec![1, 2, 3, 4, 5], vec![]));
        assert_eq!((conversation.count_before(3), conversation.order_at(2)), (2, Some(3)));
        assert_eq!((conversation.unread(), conversation.first_unread()), (2, Some(4)));
        let times = [0, 3, 9].map(|time| conversation.order_at_time(time));
        assert_eq!(times, [Some(1), Some(3), Some(5)]);
        conversation.mark_read();
        assert_eq!((conversation.unread(), conversation.first_unread()), (0, None));
    }

    #[test]
    fn rows_are_found_by_their_ids() {
        let mut conversation = Conversation::new(Slot(1));
        let id: MessageId = "01JD".parse().unwrap();
        conversation.insert(1, StoredMessage { mine: true, id: Some(id.clone()), ..theirs(1) });
        conversation.insert(2, StoredMessage { id: Some(id.clone()), ..theirs(2) });
        assert_eq!((conversation.order_of(true, &id), conversation.order_of(false, &id)), (Some(1), Some(2)));
        let found = ["01JD", "in-2", "in-1", "in-3", "01JE"].map(|row| conversation.order_of_row(row));
        assert_eq!(found, [Some(1), Some(2), None, None, None]);
    }
}
