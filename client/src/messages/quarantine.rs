//! Waiting mail: until the registry has named the owner of the signing key, or until the user accepts a key.
//!
//! It is stored separately and within limits. Mail beyond a share for each key and for all keys together is left on the
//! relay, and read again once the key is known. So no mail is lost, and no key can displace another's mail.
//!
//! Also the hashes of unreadable envelopes, so that each is counted once.

use kez_core::envelope::EnvelopeHash;
use kez_core::identity::Primary;
use serde::{Deserialize, Serialize};

use crate::kernel::context::Context;
use crate::kernel::event::StorageFault;
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;

/// The limit for all keys together on waiting envelopes, on keys with mail left on the relay, and on remembered hashes
/// of unreadable envelopes.
const MOST: usize = 1_000;
/// The limit in bytes on envelopes that wait for all keys together.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The limit on envelopes that wait for one key.
const MOST_FOR_ONE: usize = 32;
/// The limit in bytes on envelopes that wait for one key; a single envelope may exceed it.
const MOST_BYTES_FOR_ONE: usize = 512 * 1024;
/// How long an envelope waits here, in seconds, before it is left on the relay.
const LONGEST_HELD: u64 = 30 * 24 * 60 * 60;
/// How long, in seconds, before mail that was left on the relay is given up.
const LONGEST_LEFT: u64 = 180 * 24 * 60 * 60;

/// Mail that waits until the signing key is identified: by the server, or by the user who accepts a new key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WaitingRow {
    /// The key, `ed25519:<hex>`.
    pub key: String,
    /// The number of waiting messages.
    pub messages: u64,
    /// The start of the wait, Unix seconds.
    pub since: u64,
}

/// The record of kind [`Kind::Quarantine`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Quarantined {
    /// An envelope that waits for this key.
    Waiting(Held),
    /// An unreadable envelope.
    Unreadable {
        /// Its hash.
        hash: EnvelopeHash,
    },
    /// Mail for this key was left on the relay, from a position on.
    Left(Left),
}

/// A waiting envelope.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The key that must be known first: the sender's or, for the user's own copy, the recipient's.
    pub(crate) key: Primary,
    pub(crate) hash: EnvelopeHash,
    /// The envelope's JSON as received.
    pub(crate) envelope: String,
    /// When the relay stored it, Unix seconds.
    pub(crate) kept_at: u64,
    /// Its position in the inbox.
    pub(crate) seq: u64,
    /// Whether it is a copy of the user's own message. Copies are exempt from the share for each key.
    pub(crate) own_copy: bool,
    /// Whether its content is quiet: it waits, but its sender is not looked up for it.
    pub(crate) quiet: bool,
    /// When it was quarantined, Unix seconds.
    pub(crate) since: u64,
}

/// Mail for a key, left on the relay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Left {
    pub(crate) key: Primary,
    /// The first position that was left.
    pub(crate) from: u64,
    /// The last position that was left.
    pub(crate) to: u64,
    /// How many envelopes were seen and left there.
    pub(crate) messages: u64,
    /// Whether some of them are copies of the user's own messages.
    pub(crate) own_copy: bool,
    /// When the first was left, Unix seconds.
    pub(crate) since: u64,
}

/// The whole quarantine, in order of arrival.
#[derive(Default)]
pub(crate) struct Quarantine {
    waiting: SortedMap<u64, Held>,
    bytes: usize,
    /// Mail left on the relay, by key, with the number of the record.
    left: SortedMap<Primary, (u64, Left)>,
    /// Unreadable envelopes, by the number of their record.
    unreadable: SortedMap<u64, EnvelopeHash>,
}

/// What was released for some keys.
pub(crate) struct Released {
    /// The envelopes that were held here, in order.
    pub(crate) held: Vec<(u64, Held)>,
    /// The first position from which to read again.
    pub(crate) left_from: Option<u64>,
    /// How many envelopes were left on the relay.
    pub(crate) left: u64,
}

impl Quarantine {
    /// Loads a record. Returns the hash of an envelope that must not be processed again.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is not a quarantine record.
    pub(crate) fn load(&mut self, record: &Record) -> Result<Option<EnvelopeHash>, StorageFault> {
        let number = record.id.strip_prefix('q').and_then(|number| number.parse().ok());
        let number = number.ok_or(StorageFault::Damaged)?;
        Ok(match record.read()? {
            Quarantined::Waiting(held) => {
                let hash = held.hash;
                self.insert(number, held);
                Some(hash)
            }
            Quarantined::Unreadable { hash } => {
                self.unreadable.insert(number, hash);
                Some(hash)
            }
            Quarantined::Left(left) => {
                self.left.insert(left.key, (number, left));
                None
            }
        })
    }

    /// Quarantines an envelope, here or on the relay. Returns the hashes of those that are now only on the relay: they
    /// must be processed when they arrive again.
    pub(crate) fn hold(&mut self, numbers: &mut u64, held: Held, cx: &mut Context<'_>) -> Vec<EnvelopeHash> {
        // Later mail must not overtake mail that was left on the relay.
        if self.left.contains_key(&held.key) || self.is_beyond_its_share(&held) {
            let hash = held.hash;
            self.leave(numbers, &held, cx);
            return vec![hash];
        }
        *numbers += 1;
        self.put_back(*numbers, held, cx);
        let mut hashes = Vec::new();
        while self.waiting.len() > MOST || self.bytes > MOST_BYTES {
            let Some(held) = self.newest_of_the_heaviest().and_then(|number| self.take(number, cx)) else {
                break;
            };
            hashes.push(held.hash);
            self.leave(numbers, &held, cx);
        }
        hashes
    }

    /// Puts an envelope back under its previous number.
    pub(crate) fn put_back(&mut self, number: u64, held: Held, cx: &mut Context<'_>) {
        cx.save(Record::put(Kind::Quarantine, record_id(number), &Quarantined::Waiting(held.clone())));
        self.insert(number, held);
    }

    /// Releases the mail that waits for these keys.
    pub(crate) fn release(&mut self, keys: &[Primary], cx: &mut Context<'_>) -> Released {
        let wanted = self.waiting.iter().filter(|(_, held)| keys.contains(&held.key));
        let numbers: Vec<u64> = wanted.map(|(number, _)| *number).collect();
        let held = numbers.into_iter().filter_map(|number| Some((number, self.take(number, cx)?))).collect();
        let mut released = Released { held, left_from: None, left: 0 };
        for key in keys {
            if let Some((number, left)) = self.left.remove(key) {
                cx.delete(Kind::Quarantine, record_id(number));
                released.left_from = Some(released.left_from.map_or(left.from, |from| from.min(left.from)));
                released.left += left.messages;
            }
        }
        released
    }

    /// Handles the timer: mail that has waited here too long is left on the relay, and later given up. Returns the
    /// hashes of envelopes that are now only on the relay, and how many were given up.
    pub(crate) fn expire(&mut self, numbers: &mut u64, cx: &mut Context<'_>) -> (Vec<EnvelopeHash>, u64) {
        let now = cx.wall() / 1000;
        let old = self.waiting.iter().filter(|(_, held)| held.since.saturating_add(LONGEST_HELD) < now);
        // Newest first, so that the first position to read again is that of the oldest.
        let old: Vec<u64> = old.map(|(number, _)| *number).rev().collect();
        let mut hashes = Vec::new();
        for number in old {
            if let Some(held) = self.take(number, cx) {
                hashes.push(held.hash);
                self.leave(numbers, &held, cx);
            }
        }
        let given_up = self.left.values().filter(|(_, left)| left.since.saturating_add(LONGEST_LEFT) < now);
        let given_up: Vec<Primary> = given_up.map(|(_, left)| left.key).collect();
        (hashes, self.release(&given_up, cx).left)
    }

    /// The relay has restarted its numbering, so the positions are invalid: everything is read again from the start.
    pub(crate) fn forget_left(&mut self, cx: &mut Context<'_>) {
        for (number, _) in std::mem::take(&mut self.left).values() {
            cx.delete(Kind::Quarantine, record_id(*number));
        }
    }

    /// The keys that mail is waiting for, the one with the latest mail first. Quiet mail alone is no reason to ask about
    /// a key.
    pub(crate) fn keys(&self) -> Vec<Primary> {
        let mut keys: Vec<Primary> = Vec::new();
        let mut known = SortedMap::<Primary, ()>::default();
        let held = self.waiting.values().filter(|held| !held.quiet);
        let held = held.map(|held| held.key).collect::<Vec<_>>();
        for key in held.into_iter().rev().chain(self.left.keys().copied()) {
            if known.insert(key, ()).is_none() {
                keys.push(key);
            }
        }
        keys
    }

    /// Whether copies of the user's own messages are waiting.
    pub(crate) fn holds_own_copies(&self) -> bool {
        self.waiting.values().any(|held| held.own_copy) || self.left.values().any(|(_, left)| left.own_copy)
    }

    /// The first position of a copy of the user's own message that was left on the relay.
    pub(crate) fn first_own_copy_left(&self) -> Option<u64> {
        self.left.values().filter(|(_, left)| left.own_copy).map(|(_, left)| left.from).min()
    }

    /// Whether mail waits for this key.
    pub(crate) fn holds_for(&self, key: &Primary) -> bool {
        self.left.contains_key(key) || self.waiting.values().any(|held| held.key == *key)
    }

    /// Waiting mail from others, by key.
    pub(crate) fn rows(&self) -> Vec<WaitingRow> {
        let mut rows = SortedMap::<Primary, WaitingRow>::default();
        let mut add = |key: &Primary, messages, since| {
            let empty = || WaitingRow { key: key.to_string(), messages: 0, since };
            let row = rows.get_or_insert_with(*key, empty);
            row.messages += messages;
            row.since = row.since.min(since);
        };
        for held in self.waiting.values().filter(|held| !held.own_copy && !held.quiet) {
            add(&held.key, 1, held.since);
        }
        for (_, left) in self.left.values().filter(|(_, left)| !left.own_copy) {
            add(&left.key, left.messages, left.since);
        }
        rows.values().cloned().collect()
    }

    /// Whether the hash of this unreadable envelope was recorded.
    pub(crate) fn remember_unreadable(&mut self, number: u64, hash: EnvelopeHash) -> bool {
        let remembered = self.unreadable.len() < MOST;
        if remembered {
            self.unreadable.insert(number, hash);
        }
        remembered
    }

    /// Forgets the unreadable envelopes, which may be readable now. Returns the ids of their records.
    pub(crate) fn forget_unreadable(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreadable).keys().copied().map(record_id).collect()
    }

    /// The hashes of the envelopes that wait here.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = EnvelopeHash> {
        self.waiting.values().map(|held| held.hash)
    }

    fn insert(&mut self, number: u64, held: Held) {
        self.bytes += held.envelope.len();
        self.waiting.insert(number, held);
    }

    fn take(&mut self, number: u64, cx: &mut Context<'_>) -> Option<Held> {
        let held = self.waiting.remove(&number)?;
        self.bytes -= held.envelope.len();
        cx.delete(Kind::Quarantine, record_id(number));
        Some(held)
    }

    fn leave(&mut self, numbers: &mut u64, held: &Held, cx: &mut Context<'_>) {
        if !self.left.contains_key(&held.key) {
            if self.left.len() >= MOST {
                self.forget_oldest_left(cx);
            }
            *numbers += 1;
            let (key, from) = (held.key, held.seq);
            let since = cx.wall() / 1000;
            let left = Left { key, from, to: 0, messages: 0, own_copy: false, since };
            self.left.insert(key, (*numbers, left));
        }
        if let Some((number, left)) = self.left.get_mut(&held.key) {
            // An envelope that is read again was already counted.
            left.messages += u64::from(held.seq < left.from || held.seq > left.to || left.messages == 0);
            left.from = left.from.min(held.seq);
            left.to = left.to.max(held.seq);
            left.own_copy |= held.own_copy;
            cx.save(Record::put(Kind::Quarantine, record_id(*number), &Quarantined::Left(left.clone())));
        }
    }

    fn forget_oldest_left(&mut self, cx: &mut Context<'_>) {
        let oldest = self.left.values().filter(|(_, left)| !left.own_copy).min_by_key(|(number, _)| *number);
        if let Some((number, key)) = oldest.map(|(number, left)| (*number, left.key)) {
            self.left.remove(&key);
            cx.delete(Kind::Quarantine, record_id(number));
        }
    }

    fn is_beyond_its_share(&self, held: &Held) -> bool {
        let (mut count, mut bytes) = (0, 0);
        for other in self.waiting.values().filter(|other| other.key == held.key) {
            count += 1;
            bytes += other.envelope.len();
        }
        let more = bytes + held.envelope.len() > MOST_BYTES_FOR_ONE;
        !held.own_copy && count > 0 && (count >= MOST_FOR_ONE || more)
    }

    /// The newest envelope of the key with the most waiting bytes.
    fn newest_of_the_heaviest(&self) -> Option<u64> {
        let mut by_key = SortedMap::<Primary, (usize, u64)>::default();
        for (number, held) in self.waiting.iter() {
            let (bytes, newest) = by_key.get_or_default(held.key);
            *bytes += held.envelope.len();
            *newest = *number;
        }
        by_key.values().max_by_key(|(bytes, _)| *bytes).map(|(_, newest)| *newest)
    }
}

/// The record id of the quarantined envelope with this number.
pub(crate) fn record_id(number: u64) -> String {
    format!("q{number:012}")
}
