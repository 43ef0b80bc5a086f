//! What the client keeps in storage: records by kind and id, sealed by the driver before they are written.
//!
//! A record's bytes are one byte, the number of the format, then the value in the form of Postcard, which knows no names:
//! a field or variant that is added, moved or removed makes another format, with a new number and a step that reads the
//! old one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::event::StorageFault;

/// The number of the form in which values are written.
const FORMAT: u8 = 2;

/// The kinds of records. Their text form is part of every record's storage key and never changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// This browser's key at NATS. One record.
    Nkey,
    /// The invitation that a registration still needs. One record.
    Invite,
}

impl Kind {
    /// All of them.
    const ALL: [Self; 10] = [
        Self::Account,
        Self::Sync,
        Self::Contact,
        Self::Message,
        Self::Outbox,
        Self::Draft,
        Self::Quarantine,
        Self::Chain,
        Self::Nkey,
        Self::Invite,
    ];

    /// The kind with this text form.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

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
            Self::Nkey => "nkey",
            Self::Invite => "invite",
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
    /// What [`encode`] made; `None` deletes.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Record {
    /// Writes `value` under (kind, id).
    pub(crate) fn put(kind: Kind, id: impl Into<String>, value: &impl Serialize) -> Self {
        Self { kind, id: id.into(), value: Some(encode(value)) }
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
        decode(self.value.as_ref().ok_or(StorageFault::Damaged)?)
    }
}

/// A value as it is stored. One that cannot be written, which no type here is, becomes no bytes, which are noticed as
/// damage when they are read.
pub fn encode(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let bytes = postcard::to_extend(value, vec![FORMAT]);
    debug_assert!(bytes.is_ok(), "records hold what Postcard can write");
    Zeroizing::new(bytes.unwrap_or_default())
}

/// Reads back what [`encode`] made.
///
/// # Errors
/// [`StorageFault::Damaged`] for anything else.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageFault> {
    let Some((&FORMAT, value)) = bytes.split_first() else { return Err(StorageFault::Damaged) };
    match postcard::take_from_bytes(value) {
        Ok((value, [])) => Ok(value),
        _ => Err(StorageFault::Damaged),
    }
}

impl std::fmt::Debug for Record {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Record({:?}, {})", self.kind, self.id)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{Kind, decode, encode};
    use crate::event::StorageFault;

    #[test]
    fn kinds_have_one_name_each() {
        for kind in Kind::ALL {
            assert_eq!(Kind::parse(kind.as_str()), Some(kind));
        }
        assert_eq!(Kind::parse("Account"), None);
    }

    #[test]
    fn only_what_was_written_reads_back() {
        let bytes = encode(&("words", 7_u64));
        assert_eq!(decode::<(String, u64)>(&bytes).unwrap(), ("words".to_owned(), 7));
        let mut longer = bytes.to_vec();
        longer.push(0);
        let mut of_another_format = bytes.to_vec();
        of_another_format[0] += 1;
        for damaged in [&[], &bytes[..bytes.len() - 1], &longer, &of_another_format] {
            assert_eq!(decode::<(String, u64)>(damaged), Err(StorageFault::Damaged));
        }
    }
}
