//! The account (none yet, locked, or open) and its stored form.

use kez_core::handle::{Handle, ServerName};
use kez_core::identity::{SecretIdentity, Seed};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::join::Join;
use crate::kernel::event::StorageFault;
use crate::kernel::reason::Reason;
use crate::kernel::record::{Kind, Record};
use crate::restore::Restore;
use crate::session::Session;

/// The state of the account.
#[derive(Default)]
pub(crate) enum Account {
    /// The storage has not answered yet.
    #[default]
    Loading,
    /// The storage cannot be used.
    Unusable(StorageFault),
    /// No account. The user may be joining or restoring one.
    None(Box<Onboarding>),
    /// An account locked by a passphrase.
    Locked {
        /// Whether an attempt is under way.
        busy: bool,
        /// Why the last attempt failed.
        error: Option<Reason>,
    },
    /// An unlocked account.
    Open(Box<Session>),
}

/// The ways to get an account: joining and restoring.
#[derive(Default)]
pub(crate) struct Onboarding {
    pub(crate) join: Join,
    pub(crate) restore: Restore,
    /// The handle of an account whose storage was lost.
    pub(crate) lost: Option<String>,
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

/// A seed in serialisable form. The record that holds it is sealed before it is stored.
#[derive(Clone)]
pub(crate) struct StoredSeed(pub(crate) Seed);

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

impl Serialize for StoredSeed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.as_bytes().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredSeed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = Zeroizing::new(<[u8; 32]>::deserialize(deserializer)?);
        Ok(Self(Seed::from_bytes(*bytes)))
    }
}
