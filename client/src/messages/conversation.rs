//! A conversation: its messages in order of arrival, and the state derived from them.

use std::collections::HashMap;

use kez_core::content::{Emoji, MessageId, Ref};
use kez_core::envelope::{EnvelopeHash, OpenError};
use kez_core::message::Chain;
use serde::{Deserialize, Serialize};

use super::sequences::Sequences;
use crate::kernel::place::Slot;
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;
use crate::kernel::sync::ChainHead;

/// The most reactions of one side that are set and shown on one message.
pub(crate) const MOST_REACTIONS: usize = 8;
/// The most emojis that are kept of one side on one message: the smallest by bytes, in whatever order they come.
const MOST_EMOJIS: usize = 64;
/// The most messages that are not here yet whose reactions are kept.
const MOST_WAITING: usize = 200;
/// The longest plausible delivery delay, in seconds: a week.
const LONGEST_ON_THE_WAY: u64 = 7 * 24 * 60 * 60;

/// The record of kind [`Kind::Message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    /// The id that the author chose; `None` if the envelope could not be opened.
    pub(crate) id: Option<MessageId>,
    /// Whether the user wrote it.
    pub(crate) mine: bool,
    pub(crate) body: StoredBody,
    /// When it was sent, Unix seconds, by the sender's clock.
    pub(crate) sent_at: u64,
    /// When it reached the relay or, for the user's own messages, when it was written; Unix seconds.
    pub(crate) kept_at: u64,
    /// How many messages, in all conversations, arrived before it. Orders messages of the same second.
    pub(crate) arrival: u64,
    /// The envelope that contained it; `None` for messages written here.
    pub(crate) envelope: Option<EnvelopeHash>,
    /// Its position in its sender's sequence, for messages of others.
    pub(crate) position: Option<Position>,
    /// Which former key it was sealed with or for, if any.
    pub(crate) former_key: Option<FormerKey>,
    /// Sorted by side and emoji.
    pub(crate) reactions: Vec<StoredReaction>,
}

/// The last reaction of one side (the user's, if `mine`) with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredReaction {
    pub(crate) mine: bool,
    pub(crate) emoji: Emoji,
    /// Whether it was signed with, or sealed for, a key that was replaced since. Then any other one counts instead, so
    /// that the holder of a stolen key has not the last word.
    pub(crate) former: bool,
    pub(crate) id: MessageId,
    pub(crate) on: bool,
}

/// What a message says, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredBody {
    /// Text.
    Text {
        text: String,
        /// The message that it answers.
        re: Option<Ref>,
    },
    /// A kind that the version that received it did not know.
    Unsupported,
    /// An event: the other person has changed their key, and their sigchain proves that.
    KeyReplaced,
    /// An envelope that could not be opened.
    Undecryptable(OpenError),
    /// The content was malformed.
    Malformed,
    /// The record could not be read. Never written.
    Damaged,
}

/// Which replaced key a message was sealed with or for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerKey {
    /// The sender signed it with a key that they have since replaced.
    Theirs,
    /// It was sealed for a key that the user has since replaced.
    Mine,
}

/// The position of a received message in its sender's sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The sender's installation.
    pub(crate) installation: String,
    /// The number.
    pub(crate) n: u64,
    /// Whether the number was taken when it arrived.
    pub(crate) taken: bool,
}

/// The record of kind [`Kind::Conversation`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Summary {
    /// The order of the next content, whether or not it makes a row; 0 stands for 1.
    next: u64,
    /// The order of their newest message that was read; 0 for none.
    read_up_to: u64,
    /// The chain of envelopes sent here.
    sent: ChainHead,
    /// The envelopes that have arrived here.
    received: Sequences,
    /// Reactions to messages that are not here yet, by author and id, the oldest first.
    waiting: Vec<((bool, MessageId), Vec<StoredReaction>)>,
}

/// A conversation in memory.
pub(crate) struct Conversation {
    slot: Slot,
    summary: Summary,
    messages: SortedMap<u64, StoredMessage>,
    /// The numbers of the messages in their senders' sequences.
    numbers: SortedMap<(String, u64), ()>,
    /// The order of each message, by author and id.
    orders: HashMap<(bool, MessageId), u64>,
    /// The unsent text in the composer.
    pub(crate) draft: String,
    unread: u64,
}

impl Conversation {
    /// An empty conversation.
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            slot,
            summary: Summary::default(),
            messages: SortedMap::default(),
            numbers: SortedMap::default(),
            orders: HashMap::new(),
            draft: String::new(),
            unread: 0,
        }
    }

    /// Loads the summary.
    ///
    /// # Errors
    /// [`StorageFault`](crate::kernel::event::StorageFault) when the record cannot be read.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), crate::kernel::event::StorageFault> {
        self.summary = record.read()?;
        Ok(())
    }

    /// The number of the conversation in record ids.
    pub(crate) const fn slot(&self) -> Slot {
        self.slot
    }

    /// The summary, to be stored after every change of it.
    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Conversation, self.slot.to_string(), &self.summary)
    }

    /// Takes the next order. The summary is to be stored.
    pub(crate) fn take_order(&mut self) -> u64 {
        let order = self.summary.next.max(1);
        self.summary.next = order + 1;
        order
    }

    /// Records that this order is in use.
    pub(crate) fn uses(&mut self, order: u64) {
        self.summary.next = self.summary.next.max(order.saturating_add(1));
    }

    /// Adds a message under its order.
    pub(crate) fn insert(&mut self, order: u64, message: StoredMessage) {
        self.uses(order);
        if let Some(id) = &message.id {
            self.orders.insert((message.mine, id.clone()), order);
        }
        if let Some(at) = &message.position {
            self.numbers.insert((at.installation.clone(), at.n), ());
        }
        if order > self.summary.read_up_to && message.can_be_unread() {
            self.unread += 1;
        }
        self.messages.insert(order, message);
    }

    /// Records an envelope of the other side in its sequence. The summary is to be stored.
    pub(crate) fn receive(&mut self, chain: Chain, envelope: EnvelopeHash) -> Position {
        let taken = self.summary.received.record(&chain, envelope);
        Position { installation: chain.id, n: chain.n, taken }
    }

    /// The position of this installation's next envelope.
    pub(crate) fn next_position(&self, installation: &str) -> Chain {
        self.summary.sent.next(installation)
    }

    /// Records the envelope at the next position. The summary is to be stored.
    pub(crate) const fn sent(&mut self, envelope: EnvelopeHash) {
        self.summary.sent.advance(envelope);
    }

    /// The next envelope begins another sequence: an unproven key is not known to have the messages so far. The summary
    /// is to be stored.
    pub(crate) fn restart_sequence(&mut self) {
        self.summary.sent = ChainHead::default();
    }

    pub(crate) fn get(&self, order: u64) -> Option<&StoredMessage> {
        self.messages.get(&order)
    }

    /// The order of every message.
    pub(crate) fn orders(&self) -> Vec<u64> {
        self.messages.keys().copied().collect()
    }

    /// All messages, in order.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &StoredMessage> {
        self.messages.values()
    }

    /// The order of the message with this id, written by the user (`mine`) or by the other side.
    pub(crate) fn order_of(&self, mine: bool, id: &MessageId) -> Option<u64> {
        self.orders.get(&(mine, id.clone())).copied()
    }

    /// The order of the message with this [`StoredMessage::row_id`].
    pub(crate) fn order_of_row(&self, row: &str) -> Option<u64> {
        let theirs = row.strip_prefix(ROW_PREFIX).and_then(|order| order.parse().ok());
        let order = theirs.or_else(|| self.order_of(true, &row.parse().ok()?))?;
        self.get(order).filter(|message| message.row_id(order) == row).map(|_| order)
    }

    /// Applies a reaction to a message of the user (`true`) or the other side, or keeps it until the message comes. Returns
    /// what is to be stored.
    pub(crate) fn react(&mut self, of: (bool, MessageId), reaction: StoredReaction) -> Option<Record> {
        if let Some(order) = self.orders.get(&of).copied() {
            let message = self.messages.get_mut(&order)?;
            return merge(&mut message.reactions, reaction).then(|| message.record(self.slot, order));
        }
        let waiting = &mut self.summary.waiting;
        let mut reactions = match waiting.iter().position(|(other, _)| *other == of) {
            Some(at) => waiting.remove(at).1,
            None => Vec::new(),
        };
        merge(&mut reactions, reaction);
        waiting.push((of, reactions));
        let excess = waiting.len().saturating_sub(MOST_WAITING);
        waiting.drain(..excess);
        Some(self.record())
    }

    /// The reactions that waited for this message. The summary is to be stored.
    pub(crate) fn take_waiting(&mut self, mine: bool, id: &MessageId) -> Vec<StoredReaction> {
        let waiting = &mut self.summary.waiting;
        let at = waiting.iter().position(|((by_me, other), _)| (*by_me, other) == (mine, id));
        at.map(|at| waiting.remove(at).1).unwrap_or_default()
    }

    /// Removes the rows of envelopes that were sealed for a key that was unknown then. Returns their orders.
    pub(crate) fn remove_sealed_for_others(&mut self) -> Vec<u64> {
        let other = StoredBody::Undecryptable(OpenError::WrongRecipient);
        let orders: Vec<u64> = self
            .messages
            .iter()
            .filter(|(_, message)| message.body == other)
            .map(|(order, _)| *order)
            .collect();
        for order in &orders {
            self.messages.remove(order);
        }
        orders
    }

    /// The envelopes that contained the messages.
    pub(crate) fn envelopes(&self) -> impl Iterator<Item = EnvelopeHash> {
        self.messages.values().filter_map(|message| message.envelope)
    }

    /// Removes one of the user's own messages.
    pub(crate) fn remove_own(&mut self, order: u64) {
        if let Some(id) = self.messages.remove(&order).and_then(|message| message.id) {
            self.orders.remove(&(true, id));
        }
    }

    pub(crate) const fn unread(&self) -> u64 {
        self.unread
    }

    /// The first unread message.
    pub(crate) fn first_unread(&self) -> Option<u64> {
        let mut after = self.messages.starting_at(self.summary.read_up_to.saturating_add(1));
        after.find(|(_, message)| message.can_be_unread()).map(|(order, _)| *order)
    }

    /// Marks everything as read. Returns whether anything was unread; the summary is then to be stored.
    pub(crate) fn mark_read(&mut self) -> bool {
        if self.unread == 0 {
            return false;
        }
        self.unread = 0;
        if let Some((order, _)) = self.messages.iter().rev().find(|(_, message)| !message.mine) {
            self.summary.read_up_to = *order;
        }
        true
    }

    pub(crate) fn last(&self) -> Option<&StoredMessage> {
        self.messages.last().map(|(_, message)| message)
    }

    pub(crate) fn len(&self) -> usize {
        self.messages.len()
    }

    /// `count` messages in order, after skipping the first `skipped`.
    pub(crate) fn rows(&self, skipped: usize, count: usize) -> impl Iterator<Item = (u64, &StoredMessage)> {
        self.messages.iter().skip(skipped).take(count).map(|(order, message)| (*order, message))
    }

    /// How many messages come before this order.
    pub(crate) fn count_before(&self, order: u64) -> usize {
        self.messages.count_before(&order)
    }

    /// The order of the message that has `before` messages before it.
    pub(crate) fn order_at(&self, before: usize) -> Option<u64> {
        self.messages.keys().nth(before).copied()
    }

    /// How many of the sender's envelopes between this message and the one before it are missing. Late arrivals reduce
    /// the number.
    pub(crate) fn missing_before(&self, message: &StoredMessage) -> u64 {
        let Some(at) = &message.position else { return 0 };
        self.summary.received.missing_between(&at.installation, self.number_before(at), at.n)
    }

    /// Whether the message, or a content without a row before it, contradicts its sender's sequence: it names a
    /// different predecessor than the envelope that arrived, or its number was taken. Then a message was replaced, or the
    /// sender's storage was copied.
    pub(crate) fn contradicts(&self, message: &StoredMessage) -> bool {
        let Some(at) = &message.position else { return false };
        at.taken
            || self.summary.received.is_contradicted_between(&at.installation, self.number_before(at), at.n)
    }

    /// The number of the installation's message before this one, or 0.
    fn number_before(&self, at: &Position) -> u64 {
        match self.numbers.before(&(at.installation.clone(), at.n)) {
            Some(((installation, n), ())) if *installation == at.installation => *n,
            _ => 0,
        }
    }
}

/// Adds a reaction, unless a later one with the same emoji is there. Returns whether it is now the last one.
fn merge(reactions: &mut Vec<StoredReaction>, new: StoredReaction) -> bool {
    let key = |of: &StoredReaction| (of.mine, of.emoji.clone());
    match reactions.binary_search_by_key(&key(&new), key) {
        Ok(at) if reactions.get(at).is_some_and(|old| (!old.former, &old.id) >= (!new.former, &new.id)) => {
            return false;
        }
        Ok(at) => drop(std::mem::replace(&mut reactions[at], new)),
        Err(at) => {
            let mine = new.mine;
            reactions.insert(at, new);
            if reactions.iter().filter(|of| of.mine == mine).count() > MOST_EMOJIS
                && let Some(last) = reactions.iter().rposition(|of| of.mine == mine)
            {
                reactions.remove(last);
            }
        }
    }
    true
}

/// The start of the row id of a message of the other side.
const ROW_PREFIX: &str = "in-";

impl StoredMessage {
    /// A row without an author: an event that happened at this time, Unix seconds.
    pub(crate) fn note(body: StoredBody, at: u64) -> Self {
        let (id, envelope, position, former_key, reactions) = (None, None, None, None, Vec::new());
        let (mine, sent_at, kept_at, arrival) = (false, at, at, 0);
        Self { id, mine, body, sent_at, kept_at, arrival, envelope, position, former_key, reactions }
    }

    /// The time to show: the sender's time, limited by the relay's. A wrong clock could otherwise put a message among,
    /// and date, the messages of others.
    pub(crate) fn shown_at(&self) -> u64 {
        self.sent_at.clamp(self.kept_at.saturating_sub(LONGEST_ON_THE_WAY), self.kept_at)
    }

    /// A readable message from someone else. Envelopes that cannot be opened do not count: anyone can make them.
    fn can_be_unread(&self) -> bool {
        let is_readable = !matches!(
            self.body,
            StoredBody::Undecryptable(_) | StoredBody::KeyReplaced | StoredBody::Damaged
        );
        !self.mine && is_readable
    }

    pub(crate) fn record(&self, slot: Slot, order: u64) -> Record {
        Record::put(Kind::Message, slot.key(order), self)
    }

    /// The id of the row in the thread: the ULID of the user's own message, or an id made here, since a sender could
    /// choose a colliding one.
    pub(crate) fn row_id(&self, order: u64) -> String {
        match &self.id {
            Some(id) if self.mine => id.to_string(),
            _ => format!("{ROW_PREFIX}{order}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(n: u64) -> StoredMessage {
        let body = StoredBody::Text { text: format!("{n}"), re: None };
        StoredMessage { id: format!("m{n}").parse().ok(), ..StoredMessage::note(body, 0) }
    }

    #[test]
    fn a_wrong_clock_dates_nothing_absurdly() {
        let shown = |sent_at, kept_at| StoredMessage { sent_at, kept_at, ..theirs(1) }.shown_at();
        let now = 1_795_374_000;
        assert_eq!(shown(now - 100, now), now - 100);
        assert_eq!(shown(253_402_300_799, now), now, "the year 9999");
        assert_eq!(shown(0, now), now - LONGEST_ON_THE_WAY, "1970");
        assert_eq!(shown(5, 3), 3);
    }

    #[test]
    fn a_part_of_many() {
        let mut conversation = Conversation::new(Slot(1));
        assert_eq!(conversation.rows(0, 2).count(), 0);
        for n in 1..=5 {
            let order = conversation.take_order();
            conversation.insert(order, theirs(n));
            if n == 3 {
                assert!(conversation.mark_read());
            }
        }
        let orders =
            |skipped, count| conversation.rows(skipped, count).map(|(order, _)| order).collect::<Vec<_>>();
        assert_eq!((orders(3, 2), orders(0, 9), orders(9, 1)), (vec![4, 5], vec![1, 2, 3, 4, 5], vec![]));
        assert_eq!((conversation.count_before(3), conversation.order_at(2)), (2, Some(3)));
        assert_eq!((conversation.unread(), conversation.first_unread()), (2, Some(4)));
        assert!(conversation.mark_read() && !conversation.mark_read());
        assert_eq!(conversation.first_unread(), None);
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
