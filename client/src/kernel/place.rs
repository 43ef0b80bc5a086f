//! Names of people and conversations.

use std::fmt;
use std::str::FromStr;

use kez_core::identity::Primary;
use kez_core::mls::GroupId;
use serde::{Deserialize, Serialize};

use crate::kernel::event::StorageFault;

/// A person: the root of their sigchain, as it was known when they became a contact. A person keeps this name through
/// every change of their key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct PersonId(pub(crate) Primary);

/// A conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    /// With one person.
    Direct(PersonId),
    /// In a group.
    Group(GroupId),
}

impl Place {
    /// The person of a conversation with one person.
    pub(crate) const fn person(self) -> Option<PersonId> {
        match self {
            Self::Direct(person) => Some(person),
            Self::Group(_) => None,
        }
    }
}

/// A conversation's local number, `c1`, `c2`, ... Record ids are stored in the clear, so they contain this number, which
/// reveals nothing about people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u64);

/// A page of messages in a conversation.
pub(crate) type PageKey = (Place, u64);

/// The inbox that a content is sent to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// That of a conversation.
    Place(Place),
    /// The user's own: copies for their other browsers.
    Own,
}

/// Identifies an entry: its lane, and the content's order in its conversation. Sorted in the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) lane: Lane,
    pub(crate) place: Place,
    pub(crate) order: u64,
}

impl From<PersonId> for Place {
    fn from(person: PersonId) -> Self {
        Self::Direct(person)
    }
}

impl Slot {
    /// The id of the record with this order in the conversation: `c1/000000000007`.
    pub(crate) fn key(self, order: u64) -> String {
        format!("{self}/{order:012}")
    }

    /// Parses the result of [`Slot::key`].
    ///
    /// # Errors
    /// [`StorageFault::Damaged`] when it is malformed.
    pub(crate) fn parse_key(key: &str) -> Result<(Self, u64), StorageFault> {
        let (slot, order) = key.split_once('/').ok_or(StorageFault::Damaged)?;
        Ok((slot.parse()?, order.parse().map_err(|_| StorageFault::Damaged)?))
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "c{}", self.0)
    }
}

impl FromStr for Slot {
    type Err = StorageFault;

    fn from_str(text: &str) -> Result<Self, StorageFault> {
        let number = text.strip_prefix('c').and_then(|number| number.parse().ok());
        number.map(Self).ok_or(StorageFault::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        let key = Slot(12).key(7);
        assert_eq!((key.as_str(), Slot::parse_key(&key)), ("c12/000000000007", Ok((Slot(12), 7))));
        for damaged in ["", "c1", "c/1", "1/1", "c1/x"] {
            assert_eq!(Slot::parse_key(damaged), Err(StorageFault::Damaged));
        }
    }
}
