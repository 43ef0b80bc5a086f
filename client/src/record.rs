//! What the client keeps in storage: records by kind and id, sealed by the driver before they are written.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::event::StorageFault;

/// The kinds of records. Their text form is part of every record's storage key and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The seed, the handle and how far registration has come. One record.
    Account,
    /// Cursor, epoch, installation id, what the server said of itself. One record.
    Sync,
    /// A person with their pinned key and signed registration.
    Contact,
    /// A message in a conversation, sent or received.
    Message,
    /// A message that still has to reach the relay.
    Outbox,
    /// What stands unsent in a composer.
    Draft,
    /// An envelope that could not be opened or whose sender is not resolved yet.
    Quarantine,
    /// What was verified of a sigchain: one's own, or a contact's.
    Chain,
}

impl Kind {
    /// The text form: `account`, `sync`, ...
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Sync => "sync",
            Self::Contact => "contact",
            Self::Message => "message",
            Self::Outbox => "outbox",
            Self::Draft => "draft",
            Self::Quarantine => "quarantine",
            Self::Chain => "chain",
        }
    }
}

/// One write: the value under (kind, id) becomes `value`, or goes when there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its kind.
    pub kind: Kind,
    /// Its name within the kind. Says nothing about people: it stands unsealed in the storage.
    pub id: String,
    /// JSON text; `None` deletes.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Record {
    /// Writes `value` under (kind, id). A value that has no JSON form, which no type here is, deletes nothing and writes
    /// an empty text that is noticed as damage when it is read.
    pub(crate) fn put(kind: Kind, id: impl Into<String>, value: &impl Serialize) -> Self {
        let json = serde_json::to_vec(value);
        debug_assert!(json.is_ok(), "records hold text, numbers and lists under text keys");
        Self { kind, id: id.into(), value: Some(Zeroizing::new(json.unwrap_or_default())) }
    }

    /// Deletes what stands under (kind, id).
    pub(crate) fn delete(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), value: None }
    }

    /// Reads the value back.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when there is none, or it is not what was written under this kind.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, StorageFault> {
        let value = self.value.as_ref().ok_or(StorageFault::Damaged)?;
        serde_json::from_slice(value).map_err(|_| StorageFault::Damaged)
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({:?}, {})", self.kind, self.id)
    }
}
