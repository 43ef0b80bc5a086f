//! What the chains report to the other parts.

use kez_core::identity::{Peer, PublicIdentity, SecretIdentity};
use kez_core::sigchain::{Hash, Link};
use serde::{Deserialize, Serialize};

use super::ChainAlarm;

/// What an answer about the user's own chain means for the other parts.
#[must_use]
pub(crate) enum OwnNews {
    /// Nothing.
    None,
    /// The chain has new links. They may name former keys of the user's. Those that this browser did not make are named.
    Links(Vec<ForeignLink>),
    /// The user's registration, as the server has it.
    Registration(String),
    /// The server has accepted the new key. The account must be saved with it in the same event: the record of the chain no
    /// longer has its seed.
    Key(Box<ChangedKey>),
}

/// A link of the user's chain that this browser did not make.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ForeignLink {
    pub(crate) seqno: u64,
    pub(crate) hash: Hash,
    /// What it means unless another device of the user's has made it.
    pub(crate) alarm: ChainAlarm,
}

impl From<&Link> for ForeignLink {
    fn from(link: &Link) -> Self {
        Self { seqno: link.seqno(), hash: link.hash(), alarm: ChainAlarm::about_foreign(link) }
    }
}

/// The user's new key, which the server has accepted.
pub(crate) struct ChangedKey {
    /// The new key.
    pub(crate) key: SecretIdentity,
    /// The user as the recipient of their own copies.
    pub(crate) myself: Peer,
    /// The signed claim of the handle by the new key.
    pub(crate) registration: Option<String>,
}

/// What an answer about a contact's chain means for the other parts.
#[must_use]
pub(crate) struct ContactNews {
    pub(crate) key: KeyNews,
    /// How many devices were added. The first device of a person counts as none: it is the browser that they had.
    pub(crate) devices_added: usize,
}

/// What a contact's chain says about the pinned key.
#[must_use]
pub(crate) enum KeyNews {
    /// Nothing new.
    None,
    /// The pinned key is the current one, and it has replaced these.
    Former(Vec<PublicIdentity>),
    /// The new key of the contact has replaced the pinned one.
    Replaced,
    /// A key has replaced the pinned one, but its registration is not known yet.
    Unregistered,
}

impl From<KeyNews> for ContactNews {
    fn from(key: KeyNews) -> Self {
        Self { key, devices_added: 0 }
    }
}
