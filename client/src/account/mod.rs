//! The account: the ways to get one, its stored form, its passphrase, and how it ends.

mod exit;
mod join;
mod linking;
mod onboarding;
mod passphrase;
mod registering;
mod restore;

use kez_core::handle::{Handle, ServerName};
use serde::{Deserialize, Serialize};

use crate::kernel::me::{AccountKey, StoredKey};
use crate::kernel::record::{Kind, Record, StorageFault};
use crate::kernel::seed::StoredSeed;

pub(crate) use exit::AccountExit;
pub use exit::LeavingView;
pub(crate) use join::Join;
pub use join::{Availability, JoinStep};
pub use linking::LinkStep;
pub(crate) use onboarding::Onboarding;
pub(crate) use passphrase::PassphraseChange;
pub use passphrase::PassphraseView;
pub(crate) use registering::LONGEST_CLAIM_AGE;
pub(crate) use restore::Restore;

/// The format of accounts whose browser always has the recovery words.
const WITH_WORDS: u8 = 2;

/// An account that can be opened.
pub(crate) struct Ready {
    pub(crate) account: StoredAccount,
    pub(crate) has_passphrase: bool,
    pub(crate) records: Vec<Record>,
}

/// The record of kind [`Kind::Account`].
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoredAccount {
    pub(crate) key: StoredKey,
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

/// The account in the format in which every browser has the recovery words.
#[derive(Deserialize)]
struct WithWords {
    seed: StoredSeed,
    handle: Handle,
    server: ServerName,
    registration: Option<String>,
    signed_at: u64,
    registered: bool,
    restored: bool,
    phrase_confirmed: bool,
    former: Vec<StoredSeed>,
}

impl StoredAccount {
    pub(crate) fn identity(&self) -> AccountKey {
        self.key.key()
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
        let record = record.ok_or(StorageFault::Damaged)?;
        if record.has_format(WITH_WORDS) { record.read::<WithWords>().map(Self::from) } else { record.read() }
    }
}

impl From<WithWords> for StoredAccount {
    fn from(account: WithWords) -> Self {
        Self {
            key: StoredKey::Seed(account.seed),
            handle: account.handle,
            server: account.server,
            registration: account.registration,
            signed_at: account.signed_at,
            registered: account.registered,
            restored: account.restored,
            phrase_confirmed: account.phrase_confirmed,
            former: account.former,
        }
    }
}
