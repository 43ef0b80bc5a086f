//! The client's stored records, by kind and id. The driver seals them before writing.
//!
//! A record is one byte with the format number, followed by the value in Postcard encoding, which stores no field
//! names. Adding, moving or removing a field or variant therefore makes a new format, with a new number and a migration
//! from the old one.

use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use crate::event::StorageFault;

/// The format number of values.
const FORMAT: u8 = 2;

/// The kinds of records. Their text form is part of every record's storage key and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The seed, the handle and the progress of the registration. One record.
    Account,
    /// Cursor, epoch, installation id, the server's configuration. One record.
    Sync,
    /// A contact with their pinned key and signed registration.
    Contact,
    /// A message in a conversation, sent or received.
    Message,
    /// A message that has not reached the relay yet.
    Outbox,
    /// The unsent text of a composer.
    Draft,
    /// An envelope that could not be opened or whose sender is not resolved yet.
    Quarantine,
    /// The verified part of a sigchain: the user's own, or a contact's.
    Chain,
    /// This browser's NATS key. One record.
    Nkey,
    /// The invitation for a registration that is still pending. One record.
    Invite,
}

impl Kind {
    /// All kinds.
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

/// A write: sets the value under (kind, id), or deletes it when there is none.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// Its kind.
    pub kind: Kind,
    /// Its name within the kind. Reveals nothing about people, since ids are stored unencrypted.
    pub id: String,
    /// The output of [`encode`]; `None` deletes.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Record {
    /// Writes `value` under (kind, id).
    pub(crate) fn put(kind: Kind, id: impl Into<String>, value: &impl Serialize) -> Self {
        Self { kind, id: id.into(), value: Some(encode(value)) }
    }

    /// Deletes the value under (kind, id).
    pub(crate) fn delete(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), value: None }
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when there is no value, or when it does not match the kind.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, StorageFault> {
        decode(self.value.as_ref().ok_or(StorageFault::Damaged)?)
    }
}

/// Encodes a value for storage. If encoding fails, which does not happen for any type here, the result is empty, and
/// reading it back reports damage.
pub fn encode(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let bytes = postcard::to_extend(value, vec![FORMAT]);
    debug_assert!(bytes.is_ok(), "records hold what Postcard can write");
    Zeroizing::new(bytes.unwrap_or_default())
}

/// Decodes the output of [`encode`].
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
