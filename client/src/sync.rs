//! What one installation remembers of its own state: how far it has read, and the counters behind record names.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use kez_core::envelope::EnvelopeHash;
use kez_core::message::Chain;

use crate::record::{Kind, Record};

/// The record of kind [`Kind::Sync`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredSync {
    /// Names this installation in every chain: 16 hexadecimal digits.
    pub(crate) installation: String,
    /// The relay's database; `None` before the first answer.
    pub(crate) epoch: Option<String>,
    /// The last seq that was taken in.
    pub(crate) cursor: u64,
    /// Up to which seq the server was told that everything is stored here.
    pub(crate) acknowledged: u64,
    /// What came to the relay before this time, Unix seconds, was read in another browser; 0 where there was none.
    pub(crate) read_before: u64,
    /// The number of the last contact.
    pub(crate) last_contact: u64,
    /// The number of the last quarantined envelope.
    pub(crate) last_quarantined: u64,
    /// Envelopes that could not be read and belong to no conversation.
    pub(crate) unreadable: u64,
    /// The chain of copies to oneself.
    pub(crate) own_chain: ChainHead,
}

/// The end of a chain of sent envelopes: how many there were, and the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainHead {
    n: u64,
    last: Option<EnvelopeHash>,
}

impl ChainHead {
    /// Where the next message stands in the chain of this installation.
    pub(crate) fn next(&self, installation: &str) -> Chain {
        Chain { id: installation.to_owned(), n: self.n.saturating_add(1), prev: self.last }
    }

    /// The next message was sealed into this envelope.
    pub(crate) const fn advance(&mut self, hash: EnvelopeHash) {
        *self = Self { n: self.n.saturating_add(1), last: Some(hash) };
    }
}

impl StoredSync {
    /// A new installation that has read nothing.
    pub(crate) fn new(rng: &mut (impl CryptoRng + ?Sized)) -> Self {
        Self {
            installation: format!("{:016x}", rng.next_u64()),
            epoch: None,
            cursor: 0,
            acknowledged: 0,
            read_before: 0,
            last_contact: 0,
            last_quarantined: 0,
            unreadable: 0,
            own_chain: ChainHead::default(),
        }
    }

    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Sync, "sync", self)
    }
}
