//! The queue behind `session::outbox`: the waiting contents, their order, and the state of the attempts.

use kez_core::content::Content;
use serde::{Deserialize, Serialize};

use crate::kernel::backoff::Backoff;
use crate::kernel::context::Context;
use crate::kernel::event::StorageFault;
use crate::kernel::place::{Key, Lane, Place, Slot};
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::kernel::sorted_map::SortedMap;

const FIRST_WAIT: u64 = 400;
const LONGEST_WAIT: u64 = 30_000;
/// How long, in milliseconds, before the user is told that a message has not got through yet.
const TROUBLE_AFTER: u64 = 8_000;
/// The start of a record id in the user's own lane.
const OWN: &str = "own/";

/// The record of kind [`Kind::Outbox`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct StoredEntry {
    /// The content's JSON.
    content: String,
    /// The envelope's JSON, set on the first attempt.
    sealed: Option<String>,
    /// Why the relay refused it. A refused entry waits for the user.
    refused: Option<Reason>,
}

/// A content that waits, or its copy.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// The id of its record.
    id: String,
    stored: StoredEntry,
}

/// All entries, and the state of the attempts.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) entries: SortedMap<Key, Entry>,
    pub(crate) attempts: SortedMap<Lane, Attempts>,
    /// Entries whose turn has not come yet. Known in memory only.
    held: SortedMap<Key, ()>,
}

/// The state of the attempts in one lane.
pub(crate) struct Attempts {
    pub(crate) in_flight: Option<Key>,
    pub(crate) retry_at: Option<u64>,
    pub(crate) backoff: Backoff,
    /// How often the server rejected this account's signature.
    pub(crate) signatures_refused: u32,
    /// When the attempts at the first message of the lane began.
    pub(crate) since: Option<u64>,
    /// The cause of a long delay. The attempts continue.
    pub(crate) trouble: Option<Reason>,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            in_flight: None,
            retry_at: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            signatures_refused: 0,
            since: None,
            trouble: None,
        }
    }
}

impl Attempts {
    /// When to tell the user about the delay.
    pub(crate) fn trouble_at(&self) -> Option<u64> {
        self.since.filter(|_| self.trouble.is_none()).map(|since| since.saturating_add(TROUBLE_AFTER))
    }
}

impl Outbox {
    /// The slot and order in the id of a record, and whether it is in the user's own lane.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is not the id of an outbox record.
    pub(crate) fn parse_id(id: &str) -> Result<(bool, Slot, u64), StorageFault> {
        let (own, key) = id.strip_prefix(OWN).map_or((false, id), |key| (true, key));
        let (slot, order) = Slot::parse_key(key)?;
        Ok((own, slot, order))
    }

    /// Loads a record. An entry that cannot be read is kept as one that was refused: its message was not sent.
    ///
    /// # Errors
    /// [`StorageFault`] when the record cannot be read.
    pub(crate) fn load(&mut self, key: Key, record: &Record) -> Result<(), StorageFault> {
        let read = record.read();
        let refused = Some(Reason::DamagedMessage);
        let lost = || StoredEntry { content: String::new(), sealed: None, refused };
        let fault = read.as_ref().err().copied();
        self.entries.insert(key, Entry { id: record.id.clone(), stored: read.unwrap_or_else(|_| lost()) });
        fault.map_or(Ok(()), Err)
    }

    /// Adds a content, and stores it.
    pub(crate) fn add(&mut self, key: Key, slot: Slot, content: &Content, cx: &mut Context<'_>) {
        let id = slot.key(key.order);
        let id = if key.lane == Lane::Own { format!("{OWN}{id}") } else { id };
        let content = String::from_utf8(content.to_json().to_vec()).unwrap_or_default();
        let entry = Entry { id, stored: StoredEntry { content, sealed: None, refused: None } };
        cx.save(entry.record());
        self.entries.insert(key, entry);
    }

    /// Removes an entry, and its record.
    pub(crate) fn remove(&mut self, key: Key, cx: &mut Context<'_>) -> Option<Entry> {
        let entry = self.entries.remove(&key)?;
        self.held.remove(&key);
        cx.delete(Kind::Outbox, entry.id.clone());
        Some(entry)
    }

    /// Has an entry wait, while others of its lane pass.
    pub(crate) fn hold(&mut self, key: Key) {
        self.held.insert(key, ());
    }

    /// The entries that have waited. It is their turn now.
    pub(crate) fn take_held(&mut self) -> Vec<Key> {
        let held = std::mem::take(&mut self.held);
        held.keys().copied().collect()
    }

    /// The entries of a conversation: messages and copies.
    pub(crate) fn keys_of(&self, place: Place) -> Vec<Key> {
        self.entries.keys().filter(|key| key.place == place).copied().collect()
    }

    /// The entry of the user's own message, until it reaches the relay.
    pub(crate) fn entry(&self, place: Place, order: u64) -> Option<&Entry> {
        self.entries.get(&Key { lane: Lane::Place(place), place, order })
    }

    /// When the next attempt is due.
    pub(crate) fn wake(&self) -> Option<u64> {
        let wakes = self.attempts.iter().flat_map(|(lane, attempts)| {
            let trouble = attempts.trouble_at().filter(|_| *lane != Lane::Own);
            [attempts.retry_at, trouble]
        });
        wakes.flatten().min()
    }

    /// The cause of a long delay in a lane.
    pub(crate) fn trouble(&self, lane: Lane) -> Option<&Reason> {
        self.attempts.get(&lane)?.trouble.as_ref()
    }

    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self.entries.keys().map(|key| key.lane).collect();
        lanes.dedup();
        lanes
    }

    /// The first entry of a lane that waits for its turn.
    pub(crate) fn next_in(&self, lane: Lane) -> Option<Key> {
        let mut of_lane = self.entries.iter().filter(|(key, _)| key.lane == lane);
        let is_next = |key: &Key, entry: &Entry| entry.refused().is_none() && !self.held.contains_key(key);
        of_lane.find(|(key, entry)| is_next(key, entry)).map(|(key, _)| *key)
    }

    pub(crate) fn in_flight(&self, key: Key) -> bool {
        self.attempts.get(&key.lane).is_some_and(|attempts| attempts.in_flight == Some(key))
    }

    pub(crate) fn is_free(&self, lane: Lane, now: u64) -> bool {
        self.attempts.get(&lane).is_none_or(|attempts| {
            attempts.in_flight.is_none() && attempts.retry_at.is_none_or(|at| at <= now)
        })
    }

    pub(crate) fn refuse(&mut self, key: Key, reason: Reason, cx: &mut Context<'_>) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.refused().is_none()) {
            entry.stored.refused = Some(reason);
            cx.save(entry.record());
        }
    }

    /// Lets the refused entries of a lane wait for their turn again.
    pub(crate) fn forgive(&mut self, lane: Lane, cx: &mut Context<'_>) {
        for (_, entry) in self.entries.iter_mut().filter(|(key, _)| key.lane == lane) {
            if entry.stored.refused.take().is_some() {
                cx.save(entry.record());
            }
        }
    }

    /// Has the matching entries sealed anew on their next attempt.
    pub(crate) fn forget_sealed(&mut self, which: impl Fn(Lane) -> bool, cx: &mut Context<'_>) {
        for (_, entry) in self.entries.iter_mut().filter(|(key, _)| which(key.lane)) {
            if entry.stored.sealed.take().is_some() {
                cx.save(entry.record());
            }
        }
    }

    /// Stores the envelope of an entry.
    pub(crate) fn seal(&mut self, key: Key, envelope: &str, cx: &mut Context<'_>) {
        if let Some(entry) = self.entries.get_mut(&key) {
            entry.stored.sealed = Some(envelope.to_owned());
            cx.save(entry.record());
        }
    }
}

impl Entry {
    /// The content; `None` if it could not be read from the storage.
    pub(crate) fn content(&self) -> Option<Content> {
        Content::parse(self.stored.content.as_bytes()).ok()
    }

    /// The envelope, once it is sealed.
    pub(crate) fn sealed(&self) -> Option<&str> {
        self.stored.sealed.as_deref()
    }

    /// Why it was refused, if it was.
    pub(crate) fn refused(&self) -> Option<&Reason> {
        self.stored.refused.as_ref()
    }

    fn record(&self) -> Record {
        Record::put(Kind::Outbox, self.id.clone(), &self.stored)
    }
}
