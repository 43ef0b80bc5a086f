//! Envelopes that wait: for the registry to say whose key signed them, or for the person to accept a key. And the names
//! of those that nobody can read, so that they are counted once.

use kez_core::envelope::EnvelopeHash;
use kez_core::identity::Primary;
use serde::{Deserialize, Serialize};

use crate::event::StorageFault;
use crate::record::{Kind, Record};
use crate::sorted_map::SortedMap;

/// The most envelopes that wait, and the most unreadable ones that are remembered by name.
pub(crate) const MOST: usize = 1_000;
/// The most bytes of envelopes that wait.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// The record of kind [`Kind::Quarantine`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Quarantined {
    /// It waits for this key.
    Waiting(Held),
    /// It was not readable.
    Unreadable {
        /// Its name.
        hash: EnvelopeHash,
    },
}

/// An envelope that waits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    /// The key that has to be known first: the sender's, or the recipient's of a copy to oneself.
    pub(crate) key: Primary,
    pub(crate) hash: EnvelopeHash,
    /// The envelope's JSON as it came.
    pub(crate) envelope: String,
    /// When the relay stored it, Unix seconds.
    pub(crate) kept_at: u64,
}

/// All of them, in the order in which they came.
#[derive(Default)]
pub(crate) struct Quarantine {
    waiting: SortedMap<u64, Held>,
    bytes: usize,
    /// Those that nobody could read, by the number of their record.
    unreadable: SortedMap<u64, EnvelopeHash>,
}

impl Quarantine {
    /// Takes in a record.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is none of the quarantine.
    pub(crate) fn load(&mut self, record: &Record) -> Result<EnvelopeHash, StorageFault> {
        let number = record.id.strip_prefix('q').and_then(|number| number.parse().ok());
        match record.read()? {
            Quarantined::Waiting(held) => {
                let hash = held.hash;
                self.hold(number.ok_or(StorageFault::Damaged)?, held);
                Ok(hash)
            }
            Quarantined::Unreadable { hash } => {
                self.unreadable.insert(number.ok_or(StorageFault::Damaged)?, hash);
                Ok(hash)
            }
        }
    }

    pub(crate) fn hold(&mut self, number: u64, held: Held) {
        self.bytes += held.envelope.len();
        self.waiting.insert(number, held);
    }

    /// Takes out what waits for these keys, in order.
    pub(crate) fn release(&mut self, keys: &[Primary]) -> Vec<(u64, Held)> {
        let numbers: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, held)| keys.contains(&held.key))
            .map(|(number, _)| *number)
            .collect();
        let released: Vec<(u64, Held)> =
            numbers.into_iter().filter_map(|number| Some((number, self.waiting.remove(&number)?))).collect();
        self.bytes -= released.iter().map(|(_, held)| held.envelope.len()).sum::<usize>();
        released
    }

    /// Whether something waits for this key.
    pub(crate) fn holds_for(&self, key: &Primary) -> bool {
        self.waiting.values().any(|held| held.key == *key)
    }

    /// The keys that are waited for, in order.
    pub(crate) fn keys(&self) -> Vec<Primary> {
        let mut keys: Vec<Primary> = Vec::new();
        for held in self.waiting.values() {
            if let Err(at) = keys.binary_search(&held.key) {
                keys.insert(at, held.key);
            }
        }
        keys
    }

    pub(crate) fn is_full(&self) -> bool {
        self.waiting.len() >= MOST || self.bytes >= MOST_BYTES
    }

    /// Whether one more unreadable envelope is remembered by name.
    pub(crate) fn remember_unreadable(&mut self, number: u64, hash: EnvelopeHash) -> bool {
        let remembered = self.unreadable.len() < MOST;
        if remembered {
            self.unreadable.insert(number, hash);
        }
        remembered
    }

    /// Forgets the unreadable ones, which can be read now; gives the ids of their records.
    pub(crate) fn forget_unreadable(&mut self) -> Vec<String> {
        std::mem::take(&mut self.unreadable).keys().copied().map(record_id).collect()
    }

    /// The names of those that wait.
    pub(crate) fn hashes(&self) -> impl Iterator<Item = EnvelopeHash> {
        self.waiting.values().map(|held| held.hash)
    }
}

/// The record id of the quarantined envelope with this number.
pub(crate) fn record_id(number: u64) -> String {
    format!("q{number:012}")
}

/// Holds an envelope.
pub(crate) fn waiting_record(number: u64, held: &Held) -> Record {
    Record::put(Kind::Quarantine, record_id(number), &Quarantined::Waiting(held.clone()))
}
