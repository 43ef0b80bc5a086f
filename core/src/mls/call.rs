//! What a client asks of its MLS engine; [`super::reply`] is the answer. Both are plain data that Postcard writes.
//!
//! The engine is a pure function: time, randomness, the device's key, the certified devices and the group's state are all
//! in the [`Call`], and the new state is in the reply. The same call gives the same bytes.

use serde::{Deserialize, Serialize};

use super::credential::Credential;
use super::policy::Policy;
use super::raw::Bytes;
use super::{GroupId, LeafId, raw};
use crate::identity::{Primary, Seed};
use crate::sigchain::Hash;
use crate::time::Timestamp;

/// The most items in one [`Op::Process`].
pub const MAX_ITEMS: usize = 100;
/// The most bytes that the items of one [`Op::Process`], or the texts of one [`Op::Seal`], may have together: 512 KiB.
pub const MAX_ITEM_BYTES: usize = 512 * 1024;
/// The most key packages that one [`Op::Packages`] makes.
pub const MAX_PACKAGES: u8 = 60;

/// One call of the engine.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Call {
    /// The client's time.
    #[serde(with = "raw")]
    pub now: Timestamp,
    /// 32 fresh random bytes: all randomness of this call is derived from them.
    #[serde(with = "raw")]
    pub seed: Seed,
    /// The device that calls.
    pub me: Me,
    /// The devices that verified sigchains certify, or once certified. A leaf of any other device is refused.
    pub certified: Vec<Certified>,
    /// What to do.
    pub op: Op,
}

/// The device that calls.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Me {
    /// Its credential.
    pub credential: Credential,
    /// The seed of its key.
    #[serde(with = "raw")]
    pub secret: Seed,
}

/// A device as its verified sigchain certifies it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certified {
    /// What the chain says of it: root, device, and the link that added it.
    pub credential: Credential,
    /// The device's key in that link. It was accepted when the link was parsed.
    #[serde(with = "raw")]
    pub key: Primary,
    /// The time since which the device is no longer live: revoked or expired. A leaf that it makes from then on is
    /// refused; one that it made before stays valid until a commit removes it.
    #[serde(with = "raw")]
    pub ended: Option<Timestamp>,
}

/// An operation. Each but the first two needs the state that the last reply for this group contained.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Op {
    /// Makes key packages, with which others can add this device while it is offline.
    Packages {
        /// How many for one use each, at most [`MAX_PACKAGES`].
        count: u8,
        /// Whether to make one of last resort too.
        last_resort: bool,
        /// When they expire.
        #[serde(with = "raw")]
        until: Timestamp,
    },
    /// Creates a group with this device as its only leaf, in epoch 0.
    Create {
        /// 16 random bytes.
        #[serde(with = "raw")]
        gid: GroupId,
        /// Who belongs to it.
        policy: Policy,
    },
    /// Encrypts messages in the present epoch, in order.
    Seal {
        /// The group's state.
        state: Bytes,
        /// The plaintexts.
        texts: Vec<Bytes>,
    },
    /// Makes a commit and keeps it pending in the state. It is applied when [`Op::Process`] meets it in the log; another
    /// commit drops it.
    Commit {
        /// The group's state.
        state: Bytes,
        /// The key packages of devices to add.
        add: Vec<Bytes>,
        /// The leaves to remove.
        remove: Vec<LeafId>,
        /// The new policy, if it changes.
        policy: Option<Policy>,
        /// What the item's `why` proves.
        may: May,
    },
    /// Joins by a Welcome.
    Welcome {
        /// The Welcome, an `MLSMessage`.
        welcome: Bytes,
        /// The ratchet tree of its epoch.
        tree: Bytes,
        /// The secrets of key packages that this device has made.
        packages: Vec<PackageSecret>,
    },
    /// Joins by an external commit. A leaf of this device that is in the tree is replaced.
    Rejoin {
        /// The `GroupInfo` of the last commit, an `MLSMessage`.
        info: Bytes,
        /// The ratchet tree of its epoch.
        tree: Bytes,
    },
    /// Applies items of the log, in order. An item that fails leaves no trace.
    Process {
        /// The group's state.
        state: Bytes,
        /// At most [`MAX_ITEMS`], of [`MAX_ITEM_BYTES`] together.
        items: Vec<Item>,
    },
    /// Shows the group to a server whose state is older, and compares it with the server's.
    Export {
        /// The group's state.
        state: Bytes,
        /// The `GroupInfo` that the server shows, an `MLSMessage`.
        beside: Bytes,
    },
}

/// A message or commit of the log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Item {
    /// Its `MLSMessage`.
    pub mls: Bytes,
    /// When the server stored it. Lifetimes are judged at this time, so that all members judge alike.
    #[serde(with = "raw")]
    pub stored_at: Timestamp,
    /// What its `why` proves.
    pub may: May,
}

/// What the statements beside a commit allow every member to do. The caller has verified them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct May {
    /// The accounts that have said that they leave this group.
    #[serde(with = "raw")]
    pub left: Vec<Primary>,
    /// The devices that their chain has revoked.
    pub revoked: Vec<LeafId>,
}

/// What is kept for a key package until it is used or expires.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSecret {
    /// The reference of the key package (RFC 9420, section 5.2).
    #[serde(with = "raw")]
    pub reference: Hash,
    /// The engine's bytes.
    pub secret: Bytes,
}
