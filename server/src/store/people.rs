//! The users that an account has accepted, and those that it has blocked.

use std::str::FromStr;

use kez_core::handle::Handle;
use kez_core::identity::Primary;

use super::{AccountId, Answer};

/// The largest number of users on one list of one account.
pub const MOST_LISTED: u64 = 10_000;

/// The lists of users.
pub trait People {
    /// Puts a user on a list, unless already listed; `false` when the list is full. The requests of a contact become
    /// known messages.
    fn list(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, bool>;

    /// Removes a user from a list, if listed.
    fn unlist(&self, owner: AccountId, list: List, peer: AccountId) -> Answer<'_, ()>;

    /// The users on both lists of an account, by handle.
    fn listed(&self, owner: AccountId) -> Answer<'_, Vec<Listed>>;
}

/// The kind of list. The numbers are stored in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum List {
    /// Users whom the owner has accepted: they may send more, and their messages do not count toward the strangers'
    /// share.
    Contacts = 1,
    /// Users whose messages are never delivered to the owner.
    Blocks = 2,
}

/// A user on a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// The list.
    pub list: List,
    /// The user's account.
    pub id: AccountId,
    /// The user's handle.
    pub handle: Handle,
    /// The user's key.
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
