//! What is wrong with a chain.

use kez_core::sigchain::{Body, Link};
use serde::{Deserialize, Serialize};

/// What is wrong with a chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainAlarm {
    /// The server now shows fewer links than before.
    Shorter,
    /// The server now shows a different chain than before.
    Forked,
    /// Someone else was shown a different chain.
    Contradicted,
    /// Someone else was shown more links than the server shows here.
    Withheld,
    /// The chain has a link of a kind that this version does not know.
    UnknownKind,
    /// A link does not follow its predecessor, is not authorised, or has an invalid signature.
    Broken,
    /// The owner has closed the chain.
    Closed,
    /// The user's own chain has a link that this browser did not create.
    NotMine,
    /// The user's own chain has a device that this browser did not add.
    DeviceAdded,
    /// A device was removed from the user's own chain, and not by this browser.
    DeviceRemoved,
}

impl ChainAlarm {
    /// Whether the alarm means that the chain must not be extended in its current form.
    pub(crate) const fn is_about_server(self) -> bool {
        !matches!(self, Self::NotMine | Self::DeviceAdded | Self::DeviceRemoved)
    }

    /// How grave it is: an alarm replaces one of less gravity.
    pub(super) const fn gravity(self) -> u8 {
        match self {
            Self::DeviceRemoved => 0,
            Self::DeviceAdded => 1,
            _ => 2,
        }
    }

    /// What a link of the user's own chain means that this browser did not make.
    pub(super) const fn about_foreign(link: &Link) -> Self {
        match link.body() {
            Body::AddDevice(_) => Self::DeviceAdded,
            Body::RevokeDevice { .. } => Self::DeviceRemoved,
            _ => Self::NotMine,
        }
    }
}
