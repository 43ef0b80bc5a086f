//! The MLS profile of groups (RFC 9420; docs/SPEC.md, section 15): the parts that need no MLS engine.
//!
//! Members of a group are accounts, named by the roots of their sigchains; leaves are devices. The engine is the package
//! `kez-mls`, a pure function from a [`call::Call`] to a [`reply::Reply`]. Clients and servers build calls and read
//! replies with the types in this module.

pub mod call;
pub mod credential;
mod group_id;
pub mod header;
pub mod policy;
mod raw;
pub mod reply;
pub mod signature;

use serde::{Deserialize, Serialize};

pub use group_id::{GroupId, InvalidGroupId};
pub use raw::Bytes;

use crate::identity::Primary;
use crate::sigchain::DeviceId;

/// The cipher suite of every group: X25519, AES-128-GCM, SHA-256, Ed25519 (RFC 9420, section 17.1).
pub const CIPHER_SUITE: u16 = 1;
/// The most leaves of a group.
pub const MAX_LEAVES: usize = 500;
/// The longest lifetime of a key package: 90 days.
pub const MAX_PACKAGE_SECONDS: u64 = 90 * 24 * 60 * 60;
/// The shortest time that an uploaded key package must still have: one day.
pub const MIN_PACKAGE_SECONDS: u64 = 24 * 60 * 60;

/// A device of an account: the identity of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LeafId {
    /// The root of the account's sigchain.
    #[serde(with = "raw")]
    pub root: Primary,
    /// The device.
    #[serde(with = "raw")]
    pub device: DeviceId,
}
