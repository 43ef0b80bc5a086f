//! Invitations to groups, by the hashes of their codes (docs/SPEC.md, section 17).

use kez_core::invite::InviteHash;
use kez_core::sigchain::Hash;
use kez_core::time::Timestamp;

use super::GroupNumber;
use crate::store::connection::{Connection, records, values};
use crate::store::{Store, StoreError};

/// The most invitations of a group at one time.
pub const MOST_INVITES: u64 = 20;

/// An invitation to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupInvite {
    /// The hash of its code.
    pub hash: InviteHash,
    /// The group.
    pub group: GroupNumber,
    /// When it expires.
    pub expires_at: Timestamp,
    /// How many requests it allows.
    pub uses: u64,
}

/// The result of storing an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InviteOutcome {
    /// It is stored, in place of one with this hash.
    Stored,
    /// Another group has an invitation with this hash.
    Conflict,
    /// The group has [`MOST_INVITES`].
    TooMany,
}

/// What an account that belongs to a group can know of an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InviteUse {
    /// The hash of its code.
    pub hash: Hash,
    /// When it expires.
    pub expires_at: Timestamp,
    /// How many requests it allows.
    pub uses: u64,
    /// How many requests came with it.
    pub used: u64,
}

impl Store {
    /// Stores an invitation. One with this hash keeps the number of its requests.
    pub async fn put_group_invite(
        &self,
        invite: GroupInvite,
        now: Timestamp,
    ) -> Result<InviteOutcome, StoreError> {
        self.write(move |connection| put(connection, &invite, now)).await
    }

    /// Revokes an invitation to a group, if there is one.
    pub async fn revoke_group_invite(&self, group: GroupNumber, hash: InviteHash) -> Result<(), StoreError> {
        const SQL: &str = "DELETE FROM group_invites WHERE hash = $1 AND group_id = $2";
        self.write(move |connection| connection.execute(SQL, values![hash, group]).map(drop)).await
    }

    /// The invitations to a group.
    pub async fn group_invites(&self, group: GroupNumber) -> Result<Vec<InviteUse>, StoreError> {
        const SQL: &str =
            "SELECT hash, expires_at, uses, used FROM group_invites WHERE group_id = $1 ORDER BY hash";
        self.read(move |connection| connection.rows(SQL, values![group])).await
    }

    /// Deletes expired invitations to groups. Returns their number.
    pub async fn sweep_group_invites(&self, now: Timestamp) -> Result<u64, StoreError> {
        const SQL: &str = "DELETE FROM group_invites WHERE expires_at <= $1";
        self.write(move |connection| connection.execute(SQL, values![now])).await
    }
}

fn put(
    connection: &mut Connection<'_>,
    invite: &GroupInvite,
    now: Timestamp,
) -> Result<InviteOutcome, StoreError> {
    const EXPIRED: &str = "DELETE FROM group_invites WHERE group_id = $1 AND expires_at <= $2";
    const OTHERS: &str = "SELECT count(*) FROM group_invites WHERE group_id = $1 AND hash <> $2";
    const PUT: &str = "INSERT INTO group_invites (hash, group_id, expires_at, uses) VALUES ($1, $2, $3, $4) \
        ON CONFLICT (hash) DO UPDATE SET expires_at = excluded.expires_at, uses = excluded.uses \
        WHERE group_invites.group_id = excluded.group_id";
    let GroupInvite { hash, group, expires_at, uses } = *invite;
    connection.lock_inbox(group.log())?;
    connection.execute(EXPIRED, values![group, now])?;
    if connection.only_row::<u64>(OTHERS, values![group, hash])? >= MOST_INVITES {
        return Ok(InviteOutcome::TooMany);
    }
    match connection.execute(PUT, values![hash, group, expires_at, uses])? {
        0 => Ok(InviteOutcome::Conflict),
        _ => Ok(InviteOutcome::Stored),
    }
}

records! {
    InviteUse { hash, expires_at, uses, used }
}
