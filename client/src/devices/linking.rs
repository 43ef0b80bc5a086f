//! "Link a device": the old browser's side of a link, in memory until the new device's link is made.

use kez_core::link::{LinkCode, LinkKeys, LinkOffer};
use kez_core::sigchain::{DeviceId, Draft, Hash};
use serde::{Deserialize, Serialize};

use crate::kernel::reason::Reason;

/// The steps of "Link a device".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LinkingStep {
    /// Nothing is under way.
    #[default]
    Code,
    /// The offer is being fetched.
    Looking,
    /// "Link this browser to ...?"
    Confirm,
    /// The browsers are talking to each other.
    Linking,
    /// The other browser belongs to the account.
    Linked,
}

/// A link with a new browser.
#[derive(Default)]
pub(crate) struct Linking {
    pub(crate) stage: Stage,
    pub(crate) error: Option<Reason>,
    /// When the next request is due.
    pub(crate) due: Option<u64>,
    /// When the attempt ends.
    pub(crate) until: u64,
}

#[derive(Default)]
pub(crate) enum Stage {
    #[default]
    Idle,
    /// The offer with this code is being fetched.
    Looking(LinkCode),
    /// The user is asked.
    Asking(Box<Offered>),
    /// The introduction is posted, and then the countersignature awaited.
    Talking(Box<Talk>),
    /// The new device's link is on its way into the chain.
    Appending(Box<Talk>),
    /// The new browser is told, which it may also find out by itself.
    Telling,
    Linked,
}

/// An offer that has the code that the user typed.
pub(crate) struct Offered {
    pub(crate) id: Hash,
    pub(crate) offer: LinkOffer,
}

/// A conversation with a new browser.
pub(crate) struct Talk {
    pub(crate) id: Hash,
    pub(crate) keys: LinkKeys,
    pub(crate) device: DeviceId,
    pub(crate) draft: Draft,
    /// The sealed introduction; `None` once the server has it.
    pub(crate) introduction: Option<String>,
}

impl Linking {
    /// The step on screen.
    pub(crate) const fn step(&self) -> LinkingStep {
        match &self.stage {
            Stage::Idle => LinkingStep::Code,
            Stage::Looking(_) => LinkingStep::Looking,
            Stage::Asking(_) => LinkingStep::Confirm,
            Stage::Talking(_) | Stage::Appending(_) => LinkingStep::Linking,
            Stage::Telling | Stage::Linked => LinkingStep::Linked,
        }
    }

    /// Ends the attempt for this reason.
    pub(crate) fn fail(&mut self, why: Reason) {
        *self = Self { error: Some(why), ..Self::default() };
    }
}
