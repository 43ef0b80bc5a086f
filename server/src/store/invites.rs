//! Invitations, for a server without open registration.

use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;

use super::{Answer, StoreError};

/// The invitations of a server. A registration with an invitation uses it up by one: [`super::Claim::invite`].
pub trait Invites {
    /// Stores a new invitation.
    fn create_invite(&self, invite: NewInvite) -> Answer<'_, Invite>;

    /// The invitation with this code.
    fn invite(&self, hash: InviteHash) -> Answer<'_, Option<Invite>>;

    /// All invitations, newest first, including those that are no longer valid.
    fn invites(&self) -> Answer<'_, Vec<Invite>>;

    /// Revokes an invitation; `false` when there is none with this number.
    fn revoke_invite(&self, id: i64) -> Answer<'_, bool>;
}

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
