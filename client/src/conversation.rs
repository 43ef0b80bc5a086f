//! A conversation: its messages in order of arrival, and the state derived from them.

use std::collections::{HashMap, HashSet};

use kez_core::envelope::{EnvelopeHash, OpenError};
use kez_core::message::Chain;
use serde::{Deserialize, Serialize};

use crate::contacts::ContactId;
use crate::event::StorageFault;
use crate::record::{Kind, Record};
use crate::sorted_map::SortedMap;
use crate::view::{FormerKey, MessageBody};

/// The longest plausible delivery delay, in seconds: a week.
const LONGEST_ON_THE_WAY: u64 = 7 * 24 * 60 * 60;

/// The record of kind [`Kind::Message`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    /// The id that the sender chose; `None` if the envelope could not be opened.
    pub(crate) id: Option<String>,
    /// Whether the user wrote it.
    pub(crate) mine: bool,
    pub(crate) body: MessageBody,
    /// When it was sent, Unix seconds, by the sender's clock.
    pub(crate) sent_at: u64,
    /// When it reached the relay or, for the user's own messages, when it was written; Unix seconds.
    pub(crate) kept_at: u64,
    /// How many messages, in all conversations, arrived before it. Orders messages of the same second.
    pub(crate) arrival: u64,
    /// The envelope that contained it; `None` for messages written here.
    pub(crate) envelope: Option<EnvelopeHash>,
    /// The sender's installation, and the message's number there.
    pub(crate) chain: Option<Link>,
    /// Which former key it was sealed with or for, if any.
    pub(crate) former_key: Option<FormerKey>,
}

/// The position of a received message in its sender's chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Link {
    id: String,
    n: u64,
    prev: Option<EnvelopeHash>,
}

impl From<Chain> for Link {
    fn from(chain: Chain) -> Self {
        Self { id: chain.id, n: chain.n, prev: chain.prev }
    }
}

/// A conversation in memory.
#[derive(Default)]
pub(crate) struct Conversation {
    messages: SortedMap<u64, StoredMessage>,
    own: HashMap<String, u64>,
    theirs: HashSet<String>,
    /// The envelope at each number of each of the contact's chains; the first one where there were several.
    chains: HashMap<String, SortedMap<u64, Option<EnvelopeHash>>>,
    /// The unsent text in the composer.
    pub(crate) draft: String,
    unread: u64,
}

impl Conversation {
    /// Adds a message with the next order, or with its stored order.
    pub(crate) fn insert(&mut self, order: u64, message: StoredMessage, read_up_to: u64) {
        if let Some(id) = &message.id {
            if message.mine {
                self.own.insert(id.clone(), order);
            } else {
                self.theirs.insert(id.clone());
            }
        }
        if let Some(link) = message.chain.as_ref().filter(|_| !message.mine) {
            let chain = self.chains.entry(link.id.clone()).or_default();
            chain.get_or_insert_with(link.n, || message.envelope);
        }
        if order > read_up_to && message.can_be_unread() {
            self.unread += 1;
        }
        self.messages.insert(order, message);
    }

    /// The order of the next message.
    pub(crate) fn next_order(&self) -> u64 {
        self.messages.last().map_or(1, |(order, _)| order + 1)
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

    /// The order of the user's own message with this id.
    pub(crate) fn own(&self, id: &str) -> Option<u64> {
        self.own.get(id).copied()
    }

    /// Whether this conversation already has a message of theirs with this id.
    pub(crate) fn has_theirs(&self, id: &str) -> bool {
        self.theirs.contains(id)
    }

    /// Removes the rows of envelopes that were sealed for a key that was unknown then. Returns their orders.
    pub(crate) fn remove_sealed_for_others(&mut self) -> Vec<u64> {
        let other = MessageBody::Undecryptable { why: OpenError::WrongRecipient };
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
            self.own.remove(&id);
        }
    }

    pub(crate) const fn unread(&self) -> u64 {
        self.unread
    }

    /// The first unread message after `read_up_to`.
    pub(crate) fn first_unread(&self, read_up_to: u64) -> Option<u64> {
        let mut after = self.messages.starting_at(read_up_to.saturating_add(1));
        after.find(|(_, message)| message.can_be_unread()).map(|(order, _)| *order)
    }

    /// Marks everything as read. Returns the new mark if anything was unread.
    pub(crate) fn mark_read(&mut self) -> Option<u64> {
        if self.unread == 0 {
            return None;
        }
        self.unread = 0;
        self.messages.iter().rev().find(|(_, message)| !message.mine).map(|(order, _)| *order)
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

    /// How many of the sender's messages directly before this one are missing. Late arrivals reduce the number.
    pub(crate) fn missing_before(&self, message: &StoredMessage) -> u64 {
        let Some(link) = message.chain.as_ref().filter(|_| !message.mine) else { return 0 };
        let before = self.chains.get(&link.id).and_then(|seen| seen.before(&link.n));
        link.n.saturating_sub(before.map_or(0, |(n, _)| *n)).saturating_sub(1)
    }

    /// Whether the message contradicts its sender's chain: it names a different predecessor than the envelope we have,
    /// or its number is taken. Then a message was replaced, or the sender's storage was copied.
    pub(crate) fn contradicts_chain(&self, message: &StoredMessage) -> bool {
        let Some(link) = message.chain.as_ref().filter(|_| !message.mine) else { return false };
        let Some(seen) = self.chains.get(&link.id) else { return false };
        let before = link.n.checked_sub(1).and_then(|n| seen.get(&n));
        let other_before = match (link.prev, before) {
            (Some(_), _) if link.n <= 1 => true,
            (Some(named), Some(Some(here))) => named != *here,
            _ => false,
        };
        other_before || seen.get(&link.n).is_some_and(|first| *first != message.envelope)
    }
}

impl StoredMessage {
    /// A row without a sender: an event that happened at this time, Unix seconds.
    pub(crate) const fn note(body: MessageBody, at: u64) -> Self {
        let (id, envelope, chain, former_key) = (None, None, None, None);
        Self { id, mine: false, body, sent_at: at, kept_at: at, arrival: 0, envelope, chain, former_key }
    }

    /// The time to show: the sender's time, limited by the relay's. A wrong clock could otherwise put a message among,
    /// and date, the messages of others.
    pub(crate) fn shown_at(&self) -> u64 {
        self.sent_at.clamp(self.kept_at.saturating_sub(LONGEST_ON_THE_WAY), self.kept_at)
    }

    /// A readable message from someone else. Envelopes that cannot be opened do not count: anyone can make them.
    fn can_be_unread(&self) -> bool {
        !self.mine && !matches!(self.body, MessageBody::Undecryptable { .. } | MessageBody::KeyReplaced)
    }

    pub(crate) fn record(&self, contact: ContactId, order: u64) -> Record {
        Record::put(Kind::Message, message_key(contact, order), self)
    }

    /// The id of the row in the thread: the ULID of the user's own message, or an id made here, since a sender could
    /// choose a colliding one.
    pub(crate) fn row_id(&self, order: u64) -> String {
        match &self.id {
            Some(id) if self.mine => id.clone(),
            _ => format!("in-{order}"),
        }
    }
}

/// The record id of a message: `c1/000000000007`.
pub(crate) fn message_key(contact: ContactId, order: u64) -> String {
    format!("{contact}/{order:012}")
}

/// Parses the result of [`message_key`].
///
/// # Errors
/// [`StorageFault::Damaged`] when it is malformed.
pub(crate) fn parse_message_key(key: &str) -> Result<(ContactId, u64), StorageFault> {
    let (contact, order) = key.split_once('/').ok_or(StorageFault::Damaged)?;
    Ok((contact.parse()?, order.parse().map_err(|_| StorageFault::Damaged)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn theirs(n: u64) -> StoredMessage {
        StoredMessage {
            id: Some(format!("m{n}")),
            mine: false,
            body: MessageBody::Text { text: format!("{n}") },
            sent_at: 0,
            kept_at: 0,
            arrival: 0,
            envelope: None,
            former_key: None,
            chain: Some(Link { id: "00".into(), n, prev: None }),
        }
    }

    fn chained(n: u64, envelope: u8, prev: Option<u8>) -> StoredMessage {
        let hash = |byte: u8| format!("{byte:02x}").repeat(32).parse::<EnvelopeHash>().ok();
        let chain = Some(Link { id: "00".into(), n, prev: prev.and_then(hash) });
        StoredMessage { envelope: hash(envelope), chain, ..theirs(n) }
    }

    #[test]
    fn what_does_not_fit_the_chain_is_noticed() {
        let contradictions = |messages: &[StoredMessage]| -> Vec<bool> {
            let mut conversation = Conversation::default();
            for message in messages {
                conversation.insert(conversation.next_order(), message.clone(), 0);
            }
            conversation.rows(0, 9).map(|(_, message)| conversation.contradicts_chain(message)).collect()
        };
        let good = [chained(1, 1, None), chained(2, 2, Some(1)), chained(3, 3, Some(2))];
        assert_eq!(contradictions(&good), [false; 3]);
        assert_eq!(
            contradictions(&[chained(3, 3, Some(2)), chained(1, 1, None)]),
            [false; 2],
            "2 is missing"
        );
        assert_eq!(contradictions(&[chained(1, 1, None), chained(2, 2, Some(9))]), [false, true]);
        assert_eq!(contradictions(&[chained(2, 2, Some(9)), chained(1, 1, None)]), [true, false]);
        assert_eq!(contradictions(&[chained(1, 1, None), chained(1, 2, None)]), [false, true]);
        assert_eq!(contradictions(&[chained(1, 1, Some(9))]), [true], "nothing comes before the first");
    }

    #[test]
    fn a_gap_shrinks_when_late_messages_come() {
        let mut conversation = Conversation::default();
        for n in [2, 6] {
            conversation.insert(conversation.next_order(), theirs(n), 0);
        }
        let missing = |conversation: &Conversation| -> Vec<u64> {
            conversation.rows(0, 9).map(|(_, message)| conversation.missing_before(message)).collect()
        };
        assert_eq!(missing(&conversation), [1, 3]);
        conversation.insert(conversation.next_order(), theirs(4), 0);
        assert_eq!(missing(&conversation), [1, 1, 1]);
        for n in [1, 3, 5] {
            conversation.insert(conversation.next_order(), theirs(n), 0);
        }
        assert_eq!(missing(&conversation), [0; 6]);
    }

    #[test]
    fn absurd_numbers_are_only_numbers() {
        let mut conversation = Conversation::default();
        for n in [0, u64::MAX] {
            conversation.insert(conversation.next_order(), theirs(n), 0);
        }
        assert_eq!(
            conversation.rows(1, 1).map(|(_, m)| conversation.missing_before(m)).sum::<u64>(),
            u64::MAX - 1
        );
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
        let mut conversation = Conversation::default();
        assert_eq!(conversation.rows(0, 2).count(), 0);
        for n in 1..=5 {
            conversation.insert(conversation.next_order(), theirs(n), 3);
        }
        let orders =
            |skipped, count| conversation.rows(skipped, count).map(|(order, _)| order).collect::<Vec<_>>();
        assert_eq!((orders(3, 2), orders(0, 9), orders(9, 1)), (vec![4, 5], vec![1, 2, 3, 4, 5], vec![]));
        assert_eq!((conversation.count_before(3), conversation.order_at(2)), (2, Some(3)));
        assert_eq!((conversation.unread(), conversation.first_unread(3)), (2, Some(4)));
        assert_eq!((conversation.mark_read(), conversation.mark_read()), (Some(5), None));
    }

    #[test]
    fn keys_read_back() {
        let key = message_key(ContactId(12), 7);
        assert_eq!((key.as_str(), parse_message_key(&key)), ("c12/000000000007", Ok((ContactId(12), 7))));
        for damaged in ["", "c1", "c/1", "1/1", "c1/x"] {
            assert_eq!(parse_message_key(damaged), Err(StorageFault::Damaged));
        }
    }
}
