//! The client's stored records, by kind and id. The driver seals them before writing.
//!
//! A record is one byte with the format number, followed by the value in Postcard encoding, which stores no field
//! names. Adding, moving or removing a field or variant of a kind therefore makes a new format of that kind, with the
//! next number and a migration from the old one.

use std::ops::RangeInclusive;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

/// Why the storage failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StorageFault {
    /// The browser's quota is used up.
    Full,
    /// Another tab holds an older version of the database open, or the browser refuses storage.
    Unavailable,
    /// A record could not be opened: it was modified, or belongs to another account.
    Damaged,
    /// A newer version of the app has written a record of a kind or format that this version does not know.
    Newer,
    /// Another worker has taken over the storage, so nothing was written.
    Superseded,
}

/// The format number of values outside of records, in the vault's header.
const HEADER_FORMAT: u8 = 2;

/// The kinds of records. Their text form is part of every record's storage key and must never change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// The seed, the handle and the progress of the registration. One record.
    Account,
    /// Cursor, epoch, installation id, the server's configuration. One record.
    Sync,
    /// A contact with their pinned key and signed registration.
    Contact,
    /// The summary of a conversation: its last row, how far it was read, and which envelopes were sent and received.
    Conversation,
    /// A part of a conversation's index: which rows there are.
    Index,
    /// A page of a conversation: its messages. The only kind that is not read when the account opens.
    Page,
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
    /// The key of this browser as a device of the account. One record.
    Device,
    /// A key package of this device, with its secret.
    Package,
    /// A group: who belongs to it, how far its log was read, and what is to be changed.
    Group,
    /// The MLS state of a group: the engine's bytes.
    State,
    /// A member of a group, with the verified part of their sigchain.
    Member,
    /// A link with another browser that is not complete yet. One record.
    Link,
    /// The link to a group, the user's own request to join it, and the people who ask to.
    GroupInvites,
    /// What the user calls their devices, and what these have told each other. One record.
    Devices,
}

impl Kind {
    /// All kinds.
    const ALL: [Self; 20] = [
        Self::Account,
        Self::Sync,
        Self::Contact,
        Self::Conversation,
        Self::Index,
        Self::Page,
        Self::Outbox,
        Self::Draft,
        Self::Quarantine,
        Self::Chain,
        Self::Nkey,
        Self::Invite,
        Self::Device,
        Self::Package,
        Self::Group,
        Self::State,
        Self::Member,
        Self::GroupInvites,
        Self::Devices,
        Self::Link,
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
            Self::Conversation => "conversation",
            Self::Index => "index",
            Self::Page => "page",
            Self::Outbox => "outbox",
            Self::Draft => "draft",
            Self::Quarantine => "quarantine",
            Self::Chain => "chain",
            Self::Nkey => "nkey",
            Self::Invite => "invite",
            Self::Device => "device",
            Self::Package => "package",
            Self::Group => "group",
            Self::State => "state",
            Self::Member => "member",
            Self::GroupInvites => "group-invites",
            Self::Devices => "devices",
            Self::Link => "link",
        }
    }

    /// The number of the format in which this version writes values of this kind.
    const fn format(self) -> u8 {
        match self {
            Self::Index
            | Self::Device
            | Self::Package
            | Self::State
            | Self::Member
            | Self::GroupInvites
            | Self::Link => 1,
            Self::Draft | Self::Nkey | Self::Invite | Self::Devices => 2,
            Self::Account | Self::Page | Self::Sync | Self::Outbox | Self::Quarantine | Self::Group => 3,
            Self::Contact | Self::Chain => 4,
            Self::Conversation => 7,
        }
    }

    /// The oldest format that this version reads: later ones only have variants that it lacks, or there is a migration.
    const fn oldest_format(self) -> u8 {
        match self {
            Self::Page | Self::Group | Self::Devices => 1,
            Self::Account => 2,
            Self::Contact | Self::Chain => 3,
            Self::Conversation => 5,
            kind => kind.format(),
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
    /// The format number and the encoded value. `None` deletes, and among the records that the storage returns, stands for
    /// one that could not be opened.
    pub value: Option<Zeroizing<Vec<u8>>>,
}

impl Record {
    /// Writes `value` under (kind, id).
    pub(crate) fn put(kind: Kind, id: impl Into<String>, value: &impl Serialize) -> Self {
        Self { kind, id: id.into(), value: Some(encode_as(kind.format(), value)) }
    }

    /// Deletes the value under (kind, id).
    pub(crate) fn delete(kind: Kind, id: impl Into<String>) -> Self {
        Self { kind, id: id.into(), value: None }
    }

    /// Decodes the value.
    ///
    /// # Errors
    /// [`StorageFault::Newer`] when it has a format that this version does not know, and [`StorageFault::Damaged`] when
    /// there is no value, or when it does not match the kind.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, StorageFault> {
        let value = self.value.as_ref().ok_or(StorageFault::Damaged)?;
        decode_as(self.kind.oldest_format()..=self.kind.format(), value)
    }

    /// Whether the value has this format.
    pub(crate) fn has_format(&self, format: u8) -> bool {
        self.value.as_ref().and_then(|value| value.first()) == Some(&format)
    }
}

/// Encodes a value of the vault's header.
pub fn encode(value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    encode_as(HEADER_FORMAT, value)
}

/// If encoding fails, which does not happen for any type here, the result is empty, and reading it back reports damage.
fn encode_as(format: u8, value: &impl Serialize) -> Zeroizing<Vec<u8>> {
    let bytes = postcard::to_extend(value, vec![format]);
    debug_assert!(bytes.is_ok(), "records hold what Postcard can write");
    Zeroizing::new(bytes.unwrap_or_default())
}

/// Decodes the output of [`encode`].
///
/// # Errors
/// [`StorageFault::Newer`] when it has a format that this version does not know, and [`StorageFault::Damaged`] for
/// anything else.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, StorageFault> {
    decode_as(HEADER_FORMAT..=HEADER_FORMAT, bytes)
}

fn decode_as<T: DeserializeOwned>(known: RangeInclusive<u8>, bytes: &[u8]) -> Result<T, StorageFault> {
    let (format, value) = bytes.split_first().ok_or(StorageFault::Damaged)?;
    match postcard::take_from_bytes(value) {
        _ if format > known.end() => Err(StorageFault::Newer),
        _ if format < known.start() => Err(StorageFault::Damaged),
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

    use super::{Kind, StorageFault, decode, encode};

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
        let (mut older, mut newer) = (bytes.to_vec(), bytes.to_vec());
        older[0] -= 1;
        newer[0] += 1;
        for damaged in [&[], &bytes[..bytes.len() - 1], &longer, &older] {
            assert_eq!(decode::<(String, u64)>(damaged), Err(StorageFault::Damaged));
        }
        assert_eq!(decode::<(String, u64)>(&newer), Err(StorageFault::Newer));
    }
}
