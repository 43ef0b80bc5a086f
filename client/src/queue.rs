//! The queue behind [`outbox`](crate::outbox): what waits, in which order, and how the attempts go.

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
/// After how long, in milliseconds, the person is told that a message has not got through yet.
const TROUBLE_AFTER: u64 = 8_000;

/// Whose inbox it goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// A contact's.
    Contact(ContactId),
    /// One's own: copies for one's other browsers.
    Own,
}

/// Names an entry: the message, and whether it is its copy to oneself. Sorted by lane, then in the order of writing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lane: Lane,
    pub(crate) contact: ContactId,
    pub(crate) order: u64,
}

/// The record of kind [`Kind::Outbox`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The envelope's JSON, from the first attempt on.
    pub(crate) sealed: Option<String>,
    /// Why the relay has refused it, in one sentence: it waits for the person.
    pub(crate) refused: Option<String>,
}

/// All entries, and how the attempts go.
#[derive(Default)]
pub(crate) struct Outbox {
    pub(crate) entries: SortedMap<Key, Entry>,
    pub(crate) attempts: SortedMap<Lane, Attempts>,
}

/// How the attempts in one lane go.
pub(crate) struct Attempts {
    pub(crate) in_flight: Option<Key>,
    pub(crate) retry_at: Option<u64>,
    pub(crate) backoff: Backoff,
    /// How often the server did not take this account's signature.
    pub(crate) signatures_refused: u32,
    /// Since when the first message of the lane is tried.
    pub(crate) since: Option<u64>,
    /// What is the matter, in one sentence, where it takes long. The attempts go on.
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
    /// When the person is to be told that it takes long.
    pub(crate) fn trouble_at(&self) -> Option<u64> {
        self.since.filter(|_| self.trouble.is_none()).map(|since| since.saturating_add(TROUBLE_AFTER))
    }
}

impl Outbox {
    /// Takes in a record.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is none of the outbox.
    pub(crate) fn load(&mut self, record: &Record) -> Result<(), StorageFault> {
        self.entries.insert(Key::parse(&record.id)?, record.read()?);
        Ok(())
    }

    /// What has become of one's own message, while it is not at the relay.
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

    /// What is the matter with the messages of a lane, where they take long.
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
