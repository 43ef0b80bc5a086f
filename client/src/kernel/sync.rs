//! The state of one installation: how far it has read, and the counters for record names.

use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use kez_core::envelope::EnvelopeHash;
use kez_core::message::Chain;

use crate::kernel::record::{Kind, Record};

/// The record of kind [`Kind::Sync`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredSync {
    /// Identifies this installation in every chain: 16 hexadecimal digits.
    pub(crate) installation: String,
    /// The epoch of the relay's database; `None` before the first answer.
    pub(crate) epoch: Option<String>,
    /// The seq of the last item that was processed.
    pub(crate) cursor: u64,
    /// The last seq that was acknowledged to the server.
    pub(crate) acknowledged: u64,
    /// Messages that reached the relay before this time, Unix seconds, were read in another browser; 0 if there was none.
    pub(crate) read_before: u64,
    /// The number of the last contact.
    pub(crate) last_contact: u64,
    /// The number of the last quarantined envelope.
    pub(crate) last_quarantined: u64,
    /// The number of unreadable envelopes that belong to no conversation.
    pub(crate) unreadable: u64,
    /// The chain of the user's own copies.
    pub(crate) own_chain: ChainHead,
}

/// The end of a chain of sent envelopes: their number, and the last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ChainHead {
    n: u64,
    last: Option<EnvelopeHash>,
}

impl ChainHead {
    /// The chain position of this installation's next message.
    pub(crate) fn next(&self, installation: &str) -> Chain {
        Chain { id: installation.to_owned(), n: self.n.saturating_add(1), prev: self.last }
    }

    /// Records the envelope of the next message.
    pub(crate) const fn advance(&mut self, hash: EnvelopeHash) {
        *self = Self { n: self.n.saturating_add(1), last: Some(hash) };
    }
}

impl StoredSync {
    /// A new installation, which has read nothing.
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

    /// Becomes another installation, whose chains begin anew.
    pub(crate) fn begin_installation(&mut self, rng: &mut dyn CryptoRng) {
        (self.installation, self.own_chain) = (Self::new(rng).installation, ChainHead::default());
    }

    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Sync, "sync", self)
    }
}
