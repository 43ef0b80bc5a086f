//! The epoch in an append: a compare-and-swap on the row of the log (docs/SPEC.md, section 17).

use kez_core::mls::LeafId;
use kez_core::mls::policy::Role;
use kez_core::time::Timestamp;

use super::{GroupNumber, MOST_MEMBERSHIPS, NewMember, memberships};
use crate::store::connection::{Connection, values};
use crate::store::{AccountId, StoreError};

/// The epoch in which an item was made. The append refuses it unless the log is in that epoch.
#[derive(Clone, Debug)]
pub enum At {
    /// A message.
    Epoch(u64),
    /// A commit, which begins the next epoch.
    Commit {
        /// The epoch in which it was made.
        epoch: u64,
        /// What it brings.
        next: Box<NewEpoch>,
    },
}

/// What a commit brings.
#[derive(Clone, Debug, Default)]
pub struct NewEpoch {
    /// What the server knows of the tree from now on.
    pub state: Vec<u8>,
    /// The `GroupInfo` of the new epoch.
    pub info: Vec<u8>,
    /// Its ratchet tree.
    pub tree: Vec<u8>,
    /// Accounts that come.
    pub joined: Vec<NewMember>,
    /// Accounts that go.
    pub left: Vec<AccountId>,
    /// Roles that change.
    pub roles: Vec<(AccountId, Role)>,
    /// The Welcome of devices that come.
    pub welcome: Option<NewWelcome>,
}

/// A Welcome for several devices.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewWelcome {
    /// The devices that it is for.
    pub devices: Vec<LeafId>,
    /// The Welcome.
    pub welcome: Vec<u8>,
    /// The ratchet tree of the new epoch.
    pub tree: Vec<u8>,
}

impl At {
    /// The epoch in which the item was made.
    pub const fn epoch(&self) -> u64 {
        match self {
            Self::Epoch(epoch) | Self::Commit { epoch, .. } => *epoch,
        }
    }

    /// The epoch of the log once the item is in it.
    pub(in crate::store) const fn after(&self) -> u64 {
        match self {
            Self::Epoch(epoch) => *epoch,
            Self::Commit { epoch, .. } => *epoch + 1,
        }
    }
}

/// Writes what a commit brings, in the transaction that appends the commit with this number.
///
/// # Errors
/// [`StoreError::TooManyGroups`] when an account that comes belongs to too many groups.
pub(in crate::store) fn advance(
    connection: &mut Connection<'_>,
    group: GroupNumber,
    seq: u64,
    now: Timestamp,
    (epoch, next): (u64, &NewEpoch),
) -> Result<(), StoreError> {
    const EPOCH: &str = "UPDATE inboxes SET epoch = $2 WHERE account = $1";
    const STATE: &str = "UPDATE groups SET state = $2, info = $3, tree = $4, ahead = 0 WHERE id = $1";
    const LEFT: &str =
        "UPDATE group_members SET until = $3, leaving = 0 WHERE account = $1 AND group_id = $2";
    const ROLE: &str = "UPDATE group_members SET role = $3 WHERE account = $1 AND group_id = $2";
    const WELCOME: &str = "INSERT INTO group_welcomes (group_id, seq, created_at, devices, welcome, tree) \
        VALUES ($1, $2, $3, $4, $5, $6)";
    connection.execute(EPOCH, values![group.log(), epoch])?;
    connection
        .execute(STATE, values![group, next.state.as_slice(), next.info.as_slice(), next.tree.as_slice()])?;
    for account in &next.left {
        connection.execute(LEFT, values![*account, group, seq])?;
    }
    for (account, role) in &next.roles {
        connection.execute(ROLE, values![*account, group, *role])?;
    }
    for member in &next.joined {
        if memberships(connection, member.account)? >= MOST_MEMBERSHIPS {
            return Err(StoreError::TooManyGroups);
        }
        join(connection, group, member, seq - 1)?;
    }
    if let Some(NewWelcome { devices, welcome, tree }) = &next.welcome {
        let devices: Vec<u8> = devices.iter().flat_map(leaf_bytes).collect();
        let values = values![group, seq, now, devices, welcome.as_slice(), tree.as_slice()];
        connection.execute(WELCOME, values)?;
    }
    Ok(())
}

/// Adds a member who reads the items after `since`. An account that was deleted in the meantime is left out.
pub(super) fn join(
    connection: &mut Connection<'_>,
    group: GroupNumber,
    member: &NewMember,
    since: u64,
) -> Result<(), StoreError> {
    const SQL: &str = "INSERT INTO group_members (account, group_id, since, role, added_by) \
        SELECT id, $2, $3, $4, $5 FROM accounts WHERE id = $1 \
        ON CONFLICT (account, group_id) DO UPDATE SET since = excluded.since, until = NULL, leaving = 0, \
            role = excluded.role, added_by = excluded.added_by";
    let NewMember { account, role, added_by } = *member;
    connection.execute(SQL, values![account, group, since, role, added_by]).map(drop)
}

/// Root and device, one after the other.
pub(super) fn leaf_bytes(leaf: &LeafId) -> [u8; 48] {
    let mut bytes = [0; 48];
    let both = leaf.root.as_bytes().iter().chain(leaf.device.as_bytes());
    for (to, from) in bytes.iter_mut().zip(both) {
        *to = *from;
    }
    bytes
}
