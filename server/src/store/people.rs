//! What people have told their server about other people: whom they have accepted, and whom they have blocked.

use std::str::FromStr;

use kez_core::handle::Handle;
use kez_core::identity::Primary;

use super::{AccountId, Answer};

/// The most people on one list of one account.
pub const MOST_LISTED: u64 = 10_000;

/// Lists of people.
pub trait People {
    /// Puts somebody on a list, where they may stand already; `false` when the list is full. The requests of a contact
    /// become known messages.
    fn list(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, bool>;

    /// Takes somebody off a list, where they may not stand at all.
    fn unlist(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, ()>;

    /// Who stands on both lists of an account, by handle.
    fn listed(&self, owner: AccountId) -> Answer<'_, Vec<Listed>>;
}

/// Which list. The numbers stand in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Those whom the owner has accepted: they may send more, and their messages are not held in the strangers' share.
    Contacts = 1,
    /// Those whose messages are never delivered to the owner.
    Blocks = 2,
}

/// Somebody on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list.
    pub list: List,
    /// Their account.
    pub id: AccountId,
    /// Their handle.
    pub handle: Handle,
    /// Their key.
    pub primary: Primary,
}

impl List {
    /// The list with this number.
    pub(super) const fn numbered(number: i64) -> Option<Self> {
        match number {
            1 => Some(Self::Contacts),
            2 => Some(Self::Blocks),
            _ => None,
        }
    }
}

/// The columns of [`Listed`].
pub(super) type ListedRow = (i64, i64, String, String);

impl TryFrom<ListedRow> for Listed {
    type Error = super::StoreError;

    fn try_from((list, id, handle, primary): ListedRow) -> Result<Self, Self::Error> {
        use super::StoreError::Corrupt;
        Ok(Self {
            list: List::numbered(list).ok_or(Corrupt("list"))?,
            id: AccountId(id),
            handle: Handle::from_str(&handle).map_err(|_| Corrupt("handle"))?,
            primary: Primary::from_str(&primary).map_err(|_| Corrupt("key"))?,
        })
    }
}
