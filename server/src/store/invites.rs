//! Invitations, for a server without open registration.

use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;

use super::connection::{Connection, records, values};
use super::{Store, StoreError};

/// A new invitation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvite {
    /// The hash of its code.
    pub hash: InviteHash,
    /// The operator's label.
    pub label: String,
    /// How many accounts it can create.
    pub uses: u64,
    /// The server's time.
    pub now: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
}

/// An invitation without its code, which is not stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its number.
    pub id: i64,
    /// The operator's label.
    pub label: String,
    /// How many accounts it can create.
    pub uses: u64,
    /// How many accounts it has created.
    pub used: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it expires.
    pub expires_at: Timestamp,
    /// Whether the operator has revoked it.
    pub revoked: bool,
}

impl Invite {
    /// Whether it is valid now.
    pub fn counts(&self, now: Timestamp) -> bool {
        self.over(now).is_none()
    }

    /// Why it is not valid now; `None` when it is.
    pub fn over(&self, now: Timestamp) -> Option<Over> {
        match self {
            Self { revoked: true, .. } => Some(Over::Revoked),
            _ if self.used >= self.uses => Some(Over::UsedUp),
            _ if now >= self.expires_at => Some(Over::Expired),
            _ => None,
        }
    }
}

/// Why an invitation is no longer valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The operator has revoked it.
    #[error("this invitation was withdrawn: ask for another one")]
    Revoked,
    /// It has created all of its accounts.
    #[error("this invitation is used up: ask for another one")]
    UsedUp,
    /// It has expired.
    #[error("this invitation has expired: ask for another one")]
    Expired,
}

impl Store {
    /// Stores a new invitation.
    pub async fn create_invite(&self, invite: NewInvite) -> Result<Invite, StoreError> {
        const SQL: &str = "INSERT INTO invites (hash, label, uses, created_at, expires_at) \
            VALUES ($1, $2, $3, $4, $5) RETURNING id, label, uses, used, created_at, expires_at, revoked";
        let NewInvite { hash, label, uses, now, expires_at } = invite;
        let values = [hash.into(), label.into(), uses.into(), now.into(), expires_at.into()];
        self.write(move |connection| connection.only_row(SQL, &values)).await
    }

    /// The invitation with this code.
    pub async fn invite(&self, hash: InviteHash) -> Result<Option<Invite>, StoreError> {
        const SQL: &str =
            "SELECT id, label, uses, used, created_at, expires_at, revoked FROM invites WHERE hash = $1";
        self.read(move |connection| connection.row(SQL, values![hash])).await
    }

    /// All invitations, newest first, including those that are no longer valid.
    pub async fn invites(&self) -> Result<Vec<Invite>, StoreError> {
        const SQL: &str =
            "SELECT id, label, uses, used, created_at, expires_at, revoked FROM invites ORDER BY id DESC";
        self.read(|connection| connection.rows(SQL, &[])).await
    }

    /// Revokes an invitation; `false` when there is none with this number.
    pub async fn revoke_invite(&self, id: i64) -> Result<bool, StoreError> {
        const SQL: &str = "UPDATE invites SET revoked = 1 WHERE id = $1";
        Ok(self.write(move |connection| connection.execute(SQL, values![id])).await? == 1)
    }
}

/// Uses an invitation up by one, if there is a valid one.
pub(super) fn use_invite(
    connection: &mut Connection<'_>,
    hash: InviteHash,
    now: Timestamp,
) -> Result<bool, StoreError> {
    const SQL: &str = "UPDATE invites SET used = used + 1 \
        WHERE hash = $1 AND used < uses AND expires_at > $2 AND revoked = 0";
    Ok(connection.execute(SQL, values![hash, now])? == 1)
}

records! {
    Invite { id, label, uses, used, created_at, expires_at, revoked }
}
