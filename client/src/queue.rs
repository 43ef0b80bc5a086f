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
    /// Why it waits for the person, where it does.
    pub(crate) failure: Option<Failure>,
}

/// Why an entry is not sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    /// One sentence.
    pub(crate) reason: String,
    /// The relay has refused this message; otherwise it could not be reached.
    pub(crate) refused: bool,
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
    /// The server did not take this account's signature.
    pub(crate) unsigned: bool,
}

impl Default for Attempts {
    fn default() -> Self {
        Self {
            in_flight: None,
            retry_at: None,
            backoff: Backoff::new(FIRST_WAIT, LONGEST_WAIT),
            unsigned: false,
        }
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
        self.attempts.values().filter_map(|attempts| attempts.retry_at).min()
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

    pub(crate) fn fail(&mut self, key: Key, failure: Failure, cx: &mut Context<'_>) {
        if let Some(entry) = self.entries.get_mut(&key).filter(|entry| entry.failure.is_none()) {
            entry.failure = Some(failure);
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
