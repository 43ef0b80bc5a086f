//! Members of groups with our engine and with openmls, behind one trait: for the tests (`tests/openmls.rs`) and the figures
//! (`examples/figures`). A failure of an engine ends the program: neither has anything to go on with.

mod device;
mod ours;
mod theirs;

use std::time::SystemTime;

use kez_core::mls::GroupId;
use kez_core::mls::policy::Policy;
use kez_core::time::Timestamp;

pub use device::{Device, certified, policy};
pub use ours::Ours;
pub use theirs::Theirs;

/// The group that all members are in.
pub const GID: GroupId = GroupId::from_bytes([0xC0; 16]);

/// The system's time. openmls reads the clock itself, so all live in the present.
pub fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    Timestamp::from_unix(since.as_secs())
}

/// A device in a group.
pub trait Member {
    /// Creates the group, with this device as its only leaf.
    fn create(&mut self, policy: &Policy);

    /// Makes a key package, an `MLSMessage`.
    fn package(&mut self) -> Vec<u8>;

    /// Joins by a Welcome, with the tree of its epoch.
    fn join(&mut self, welcome: &[u8], tree: &[u8]);

    /// Joins by an external commit, in its own place if it has one. Returns the commit.
    fn rejoin(&mut self, info: &[u8], tree: &[u8]) -> Vec<u8>;

    /// Makes a commit that adds the devices of these key packages, else removes a device, else only replaces the
    /// member's own keys. It is not applied.
    fn commit(&mut self, add: &[Vec<u8>], remove: Option<&Device>) -> Commit;

    /// Applies a commit: another member's, or the one that this member has made last.
    fn apply(&mut self, mls: &[u8], own: bool);

    /// Encrypts a message. Returns an `MLSMessage`.
    fn seal(&mut self, text: &[u8]) -> Vec<u8>;

    /// Decrypts a message.
    fn open(&mut self, mls: &[u8]) -> Vec<u8>;

    /// The epoch and its authenticator: equal for all members in the same state.
    fn agreed(&self) -> (u64, Vec<u8>);

    /// The `GroupInfo` and the ratchet tree of the present epoch, as newcomers need them.
    fn export(&mut self) -> (Vec<u8>, Vec<u8>);

    /// The size in bytes of what the member stores for the group.
    fn stored(&self) -> usize;
}

/// A commit for the log, and what comes with it.
pub struct Commit {
    /// The commit, an `MLSMessage`.
    pub mls: Vec<u8>,
    /// The Welcome of the devices that it adds, if any.
    pub welcome: Option<Vec<u8>>,
}
