//! Invitations, for a server that does not take everybody.

use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;

use super::{Answer, StoreError};

/// The invitations of a server. One is used up by the registration that carries it: [`super::Claim::invite`].
pub trait Invites {
    /// Keeps a new invitation.
    fn create_invite(&self, invite: NewInvite) -> Answer<'_, Invite>;

    /// All of them, the newest first, also those that are over.
    fn invites(&self) -> Answer<'_, Vec<Invite>>;

    /// Ends an invitation; `false` when there is none with this number.
    fn revoke_invite(&self, id: i64) -> Answer<'_, bool>;
}

/// An invitation to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewInvite {
    /// What its code is recognised by.
    pub hash: InviteHash,
    /// What the operator calls it.
    pub label: String,
    /// How many accounts it makes.
    pub uses: u64,
    /// The server's time.
    pub now: Timestamp,
    /// From when on it makes none.
    pub expires_at: Timestamp,
}

/// An invitation, without its code, which nobody keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invite {
    /// Its number.
    pub id: i64,
    /// What the operator calls it.
    pub label: String,
    /// How many accounts it makes.
    pub uses: u64,
    /// How many it has made.
    pub used: u64,
    /// When it was made.
    pub created_at: Timestamp,
    /// From when on it makes none.
    pub expires_at: Timestamp,
    /// Whether the operator has ended it.
    pub revoked: bool,
}

impl Invite {
    /// Whether it makes an account now.
    pub fn counts(&self, now: Timestamp) -> bool {
        !self.revoked && self.used < self.uses && now < self.expires_at
    }
}

/// The columns of [`Invite`].
pub(super) type InviteRow = (i64, String, i64, i64, i64, i64, bool);

impl TryFrom<InviteRow> for Invite {
    type Error = StoreError;

    fn try_from(row: InviteRow) -> Result<Self, StoreError> {
        use super::row::{time, unsigned};
        let (id, label, uses, used, created_at, expires_at, revoked) = row;
        Ok(Self {
            id,
            label,
            uses: unsigned(uses)?,
            used: unsigned(used)?,
            created_at: time(created_at)?,
            expires_at: time(expires_at)?,
            revoked,
        })
    }
}
