//! The account: the ways to get one, its stored form, its passphrase, and how it ends.

mod exit;
mod join;
mod onboarding;
mod passphrase;
mod registering;
mod restore;

use kez_core::handle::{Handle, ServerName};
use kez_core::identity::SecretIdentity;
use serde::{Deserialize, Serialize};

use crate::kernel::record::StorageFault;
use crate::kernel::record::{Kind, Record};
use crate::kernel::seed::StoredSeed;

pub(crate) use exit::AccountExit;
pub use exit::LeavingView;
pub(crate) use join::Join;
pub use join::{Availability, JoinStep};
pub(crate) use onboarding::Onboarding;
pub(crate) use passphrase::PassphraseChange;
pub use passphrase::PassphraseView;
pub(crate) use registering::LONGEST_CLAIM_AGE;
pub(crate) use restore::Restore;

/// An account that can be opened.
pub(crate) struct Ready {
    pub(crate) account: StoredAccount,
    pub(crate) has_passphrase: bool,
    pub(crate) records: Vec<Record>,
}

/// The record of kind [`Kind::Account`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    pub(crate) seed: StoredSeed,
    pub(crate) handle: Handle,
    pub(crate) server: ServerName,
    /// The signed claim as it was or will be posted.
    pub(crate) registration: Option<String>,
    /// When the claim was signed, Unix milliseconds.
    pub(crate) signed_at: u64,
    /// Whether the server has accepted it.
    pub(crate) registered: bool,
    /// Whether the account was restored from its words. Other browsers may then know more about it than this one.
    pub(crate) restored: bool,
    /// Whether the user has confirmed that they have the words.
    pub(crate) phrase_confirmed: bool,
    /// The keys that this one has replaced. They only open envelopes that were sealed for them.
    pub(crate) former: Vec<StoredSeed>,
}

impl StoredAccount {
    pub(crate) fn identity(&self) -> SecretIdentity {
        SecretIdentity::from_seed(self.seed.0.clone())
    }

    pub(crate) fn record(&self) -> Record {
        Record::put(Kind::Account, "account", self)
    }

    /// Finds the account record.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when there is none.
    pub(crate) fn find(records: &[Record]) -> Result<Self, StorageFault> {
        let record = records.iter().find(|record| record.kind == Kind::Account);
        record.ok_or(StorageFault::Damaged)?.read()
    }
}
