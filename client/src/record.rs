//! What the client keeps in storage: records by kind and id, sealed by the driver before they are written.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

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

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({:?}, {})", self.kind, self.id)
    }
}
