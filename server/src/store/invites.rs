//! Invitations, for a server that does not take everybody.

use kez_core::invite::InviteHash;
use kez_core::time::Timestamp;

use super::{Answer, StoreError};

/// The invitations of a server. One is used up by the registration that carries it: [`super::Claim::invite`].
pub trait Invites {
    /// Keeps a new invitation.
    fn create_invite(&self, invite: NewInvite) -> Answer<'_, Invite>;

    /// The one with this code.
    fn invite(&self, hash: InviteHash) -> Answer<'_, Option<Invite>>;

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
        self.over(now).is_none()
    }

    /// Why it makes no account now; `None` when it does.
    pub fn over(&self, now: Timestamp) -> Option<Over> {
        match self {
            Self { revoked: true, .. } => Some(Over::Revoked),
            _ if self.used >= self.uses => Some(Over::UsedUp),
            _ if now >= self.expires_at => Some(Over::Expired),
            _ => None,
        }
    }
}

/// Why an invitation makes no more accounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Over {
    /// The operator has ended it.
    #[error("this invitation was withdrawn: ask for another one")]
    Revoked,
    /// It has made its accounts.
    #[error("this invitation is used up: ask for another one")]
    UsedUp,
    /// Its time has passed.
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
