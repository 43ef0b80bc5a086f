//! An account that goes over to its next key.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::{AccountId, Answer};

/// The part of a store that lets accounts outlive their keys.
pub trait Rotations {
    /// Gives an account to its next key, if it still belongs to the one before: lookup, inbox and authentication change
    /// hands in one transaction, and the bindings of the former key end.
    fn rotate(&self, rotation: Rotation) -> Answer<'_, RotationOutcome>;
}

/// A change of keys that the account's sigchain authorises.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub handle: Handle,
    /// The key that holds it until now.
    pub from: Primary,
    /// The key that holds it from now on.
    pub to: Primary,
    /// The first key of the account's sigchain.
    pub root: Primary,
    /// The new key's signed registration, in canonical JSON.
    pub registration: String,
    /// The server's time.
    pub now: Timestamp,
}

/// What became of a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationOutcome {
    /// The account belongs to the next key.
    Rotated,
    /// It did not belong to the key before any more.
    Overtaken,
    /// The next key holds an account, or held one.
    PrimaryTaken,
}
