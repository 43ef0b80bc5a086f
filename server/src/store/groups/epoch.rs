//! The epoch in an append: a compare-and-swap on the row of the log (docs/SPEC.md, section 17).

use kez_core::invite::InviteHash;
use kez_core::mls::LeafId;
use kez_core::time::Timestamp;

use crate::store::connection::{Connection, values};
use crate::store::error::StoreError;
use crate::store::types::{AccountId, GroupNumber};

pub use crate::store::types::{At, NewEpoch, NewMember, NewWelcome};

/// The most groups that an account belongs to at one time.
pub const MOST_MEMBERSHIPS: u64 = 1000;

/// Writes what an item brings besides itself, in the transaction that appends it with this number.
///
/// # Errors
/// For a commit [`StoreError::TooManyGroups`] when an account that comes belongs to too many groups; for a statement of
/// leaving [`StoreError::NoSuchAccount`] when the account does not belong to the group; for a request
/// [`StoreError::InviteRefused`] when its invitation is not valid.
pub(in crate::store) fn apply(
    connection: &mut Connection<'_>,
    group: GroupNumber,
    seq: u64,
    now: Timestamp,
    at: &At,
) -> Result<(), StoreError> {
    match at {
        At::Epoch(_) => Ok(()),
        At::Commit { epoch, next } => advance(connection, group, seq, now, (epoch + 1, next)),
        At::Leave(account) => leave(connection, group, *account),
        At::Request(invite) => use_up(connection, group, *invite, now),
    }
}

/// Marks a member as leaving.
fn leave(connection: &mut Connection<'_>, group: GroupNumber, account: AccountId) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE group_members SET leaving = 1 \
        WHERE account = $1 AND group_id = $2 AND until IS NULL";
    match connection.execute(SQL, values![account, group])? {
        0 => Err(StoreError::NoSuchAccount),
        _ => Ok(()),
    }
}

/// Uses an invitation up by one.
///
/// # Errors
/// [`StoreError::InviteRefused`] when it is not valid.
fn use_up(
    connection: &mut Connection<'_>,
    group: GroupNumber,
    hash: InviteHash,
    now: Timestamp,
) -> Result<(), StoreError> {
    const SQL: &str = "UPDATE group_invites SET used = used + 1 \
        WHERE hash = $1 AND group_id = $2 AND used < uses AND expires_at > $3";
    match connection.execute(SQL, values![hash, group, now])? {
        0 => Err(StoreError::InviteRefused),
        _ => Ok(()),
    }
}

/// Writes what a commit brings.
fn advance(
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

/// The number of groups that an account belongs to.
pub(super) fn memberships(connection: &mut Connection<'_>, account: AccountId) -> Result<u64, StoreError> {
    const SQL: &str = "SELECT count(*) FROM group_members WHERE account = $1 AND until IS NULL";
    connection.only_row(SQL, values![account])
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
