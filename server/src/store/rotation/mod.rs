//! The rotation of an account to its next key.

use kez_core::handle::Handle;
use kez_core::identity::Primary;
use kez_core::time::Timestamp;

use super::{AccountId, Answer};

/// The part of a store for key rotations.
pub trait Rotations {
    /// Transfers an account to its next key, if it still belongs to the previous one. Lookup, inbox and authentication
    /// change in one transaction, and the bindings of the former key end.
    fn rotate(&self, rotation: Rotation) -> Answer<'_, RotationOutcome>;
}

/// A rotation that the account's sigchain authorises.
#[derive(Clone, Debug)]
pub struct Rotation {
    /// The account.
    pub account: AccountId,
    /// Its handle.
    pub handle: Handle,
    /// The key that held it so far.
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

/// The result of a [`Rotation`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RotationOutcome {
    /// The account belongs to the next key.
    Rotated,
    /// It no longer belonged to the previous key.
    Overtaken,
    /// The next key holds, or has held, an account.
    PrimaryTaken,
}
