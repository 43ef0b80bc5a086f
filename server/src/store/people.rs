//! The users that an account has accepted, and those that it has blocked.

use kez_core::handle::Handle;
use kez_core::identity::Primary;

use super::connection::{Connection, FromColumn, Value, records, values};
use super::inboxes::accept_requests;
use super::{AccountId, Store, StoreError};

/// The largest number of users on one list of one account.
pub const MOST_LISTED: u64 = 10_000;

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

impl Store {
    /// Puts a user on a list, unless already listed; `false` when the list is full. The requests of a contact become
    /// known messages.
    pub async fn list(&self, owner: AccountId, list: List, peer: AccountId) -> Result<bool, StoreError> {
        match list {
            List::Contacts => self.change_messages(move |connection| accept(connection, owner, peer)).await,
            List::Blocks => self.write(move |connection| add(connection, owner, list, peer)).await,
        }
    }

    /// Removes a user from a list, if listed.
    pub async fn unlist(&self, owner: AccountId, list: List, peer: AccountId) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM listed WHERE owner = $1 AND list = $2 AND peer = $3";
        self.write(move |connection| connection.execute(SQL, values![owner, list, peer])).await.map(drop)
    }

    /// The users on both lists of an account, by handle.
    pub async fn listed(&self, owner: AccountId) -> Result<Vec<Listed>, StoreError> {
        const SQL: &str = "SELECT list, id, handle, primary_key FROM listed JOIN accounts ON id = peer \
            WHERE owner = $1 ORDER BY handle";
        self.read(move |connection| connection.rows(SQL, values![owner])).await
    }
}

fn accept(connection: &mut Connection<'_>, owner: AccountId, peer: AccountId) -> Result<bool, StoreError> {
    connection.lock_inbox(owner.inbox())?;
    let listed = add(connection, owner, List::Contacts, peer)?;
    if listed {
        accept_requests(connection, owner.inbox(), peer)?;
    }
    Ok(listed)
}

fn add(
    connection: &mut Connection<'_>,
    owner: AccountId,
    list: List,
    peer: AccountId,
) -> Result<bool, StoreError> {
    // The accounts of both may have been deleted in the meantime.
    const ADD: &str = "INSERT INTO listed (owner, list, peer) SELECT $1, $2, $3 \
        WHERE (SELECT count(*) FROM listed WHERE owner = $1 AND list = $2) < $4 ON CONFLICT DO NOTHING";
    const STANDS: &str = "SELECT list FROM listed WHERE owner = $1 AND list = $2 AND peer = $3";
    let added = connection.execute(ADD, values![owner, list, peer, MOST_LISTED])?;
    Ok(added == 1 || connection.row::<List>(STANDS, values![owner, list, peer])?.is_some())
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::Number(list as i64)
    }
}

impl FromColumn for List {
    fn from_column(value: Value) -> Result<Self, StoreError> {
        match value {
            Value::Number(1) => Ok(Self::Contacts),
            Value::Number(2) => Ok(Self::Blocks),
            _ => Err(StoreError::Corrupt("list")),
        }
    }
}

records! {
    Listed { list, id, handle, primary }
}
