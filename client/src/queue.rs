//! The queue behind [`outbox`](crate::outbox): the waiting messages, their order, and the state of the attempts.

use serde::{Deserialize, Serialize};

use crate::backoff::Backoff;
use crate::contacts::ContactId;
use crate::context::Context;
use crate::conversation::{message_key, parse_message_key};
use crate::event::StorageFault;
use crate::record::{Kind, Record};
use crate::sorted_map::SortedMap;

const FIRST_WAIT: u64 = 400;
const LONGEST_WAIT: u64 = 30_000;
/// How long, in milliseconds, before the user is told that a message has not got through yet.
const TROUBLE_AFTER: u64 = 8_000;

/// The inbox that a message is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// A contact's.
    Contact(ContactId),
    /// The user's own: copies for their other browsers.
    Own,
}

/// Identifies an entry: the message, and whether it is the user's own copy. Sorted by lane, then in the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lane: Lane,
    pub(crate) contact: ContactId,
    pub(crate) order: u64,
}

/// The record of kind [`Kind::Outbox`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The envelope's JSON, set on the first attempt.
    pub(crate) sealed: Option<String>,
    /// Why the relay refused it, in one sentence. A refused entry waits for the user.
    pub(crate) refused: Option<String>,
}

/// All entries, and the state of the attempts.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) entries: SortedMap<Key, Entry>,
    pub(crate) attempts: SortedMap<Lane, Attempts>,
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
    /// The cause of a long delay, in one sentence. The attempts continue.
    pub(crate) trouble: Option<String>,
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
    /// Loads a record.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is not an outbox record.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.entries.insert(Key::parse(&record.id)?, record.read()?);
        Ok(())
    }

    /// The entry of the user's own message, until it reaches the relay.
    pub(crate) fn entry(&self, contact: ContactId, order: u64) -> Option<&Entry> {
        self.entries.get(&Key { lane: Lane::Contact(contact), contact, order })
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
    pub(crate) fn trouble(&self, lane: Lane) -> Option<&str> {
        self.attempts.get(&lane)?.trouble.as_deref()
    }

    pub(crate) fn lanes(&self) -> Vec<Lane> {
        let mut lanes: Vec<Lane> = self.entries.keys().map(|key| key.lane).collect();
        lanes.dedup();
        lanes
    }

    pub(crate) fn in_lane(&self, lane: Lane) -> impl Iterator<Item = (&Key, &Entry)> {
        let first = Key { lane, contact: ContactId(0), order: 0 };
        self.entries.starting_at(first).take_while(move |(key, _)| key.lane == lane)
    }

    pub(crate) fn in_flight(&self, key: Key) -> bool {
        self.attempts.get(&key.lane).is_some_and(|attempts| attempts.in_flight == Some(key))
    }

    pub(crate) fn is_free(&self, lane: Lane, now: u64) -> bool {
        self.attempts.get(&lane).is_none_or(|attempts| {
            attempts.in_flight.is_none() && attempts.retry_at.is_none_or(|at| at <= now)
        })
    }

    pub(crate) fn refuse(&mut self, key: Key, reason: String, cx: &mut Context<'_>) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.refused.is_none()) {
            entry.refused = Some(reason);
            cx.save(entry.record(key));
        }
    }
}

impl Entry {
    pub(crate) fn record(&self, key: Key) -> Record {
        Record::put(Kind::Outbox, key.record_id(), self)
    }
}

impl Key {
    pub(crate) fn record_id(self) -> String {
        let message = message_key(self.contact, self.order);
        match self.lane {
            Lane::Contact(_) => message,
            Lane::Own => format!("own/{message}"),
        }
    }

    pub(crate) fn parse(id: &str) -> Result<Self, StorageFault> {
        let (own, message) = id.strip_prefix("own/").map_or((false, id), |message| (true, message));
        let (contact, order) = parse_message_key(message)?;
        Ok(Self { lane: if own { Lane::Own } else { Lane::Contact(contact) }, contact, order })
    }
}
