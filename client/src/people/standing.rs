//! What the user has decided about a contact, and what the server knows of it.

use serde::{Deserialize, Serialize};

use crate::kernel::requests::ListChange;

/// The state of a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Block {
    /// Not blocked.
    #[default]
    None,
    /// Blocked: their messages are not shown.
    Set,
    /// Unblocked here, but the server does not know yet and keeps holding back their messages.
    Lifting,
}

/// A row of the list "Blocked".
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedRow {
    /// The blocked handle.
    pub handle: String,
    /// Whether the server still has to learn that the block is lifted ([`Block::Lifting`]).
    pub lifting: bool,
    /// Whether the server denies this block. The block stays in force here until the user lifts it or blocks again.
    pub in_doubt: bool,
}

/// A contact's status with the user.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// They wrote first, and the user has not replied.
    pub(crate) request: bool,
    /// The user wants the conversation.
    pub(crate) accepted: bool,
    /// Their messages are not shown.
    pub(crate) blocked: bool,
    /// The value of `accepted` last sent to the server.
    pub(super) told_accepted: bool,
    /// The value of `blocked` last sent to the server.
    pub(super) told_blocked: bool,
    /// Whether the server does not list a block that was sent to it: another browser may have lifted it, or the server has lost it.
    pub(super) in_doubt: bool,
}

impl Standing {
    /// The standing of a contact who wrote first.
    pub(crate) const fn request() -> Self {
        Self {
            request: true,
            accepted: false,
            blocked: false,
            told_accepted: false,
            told_blocked: false,
            in_doubt: false,
        }
    }

    pub(super) const fn change(self) -> Option<ListChange> {
        match (self.blocked, self.told_blocked) {
            (true, false) => Some(ListChange::Blocked),
            (false, true) => Some(ListChange::Unblocked),
            _ if self.accepted && !self.told_accepted => Some(ListChange::Accepted),
            _ => None,
        }
    }

    /// The state of the block. Until the server knows that a block is lifted, it keeps holding back their messages.
    pub(crate) const fn block(self) -> Block {
        match (self.blocked, self.told_blocked) {
            (true, _) => Block::Set,
            (false, true) => Block::Lifting,
            (false, false) => Block::None,
        }
    }

    /// Another browser of the user's has decided this, and tells the server. What was decided here as well, this browser
    /// still tells the server itself: until it has, the server's list says otherwise.
    pub(crate) fn follow(&mut self, accepted: bool, blocked: bool) {
        self.request &= !accepted && !blocked;
        if self.accepted != accepted {
            (self.accepted, self.told_accepted) = (accepted, accepted);
        }
        if self.blocked != blocked {
            (self.blocked, self.told_blocked) = (blocked, blocked);
        }
    }

    pub(super) const fn acknowledged(&mut self, change: ListChange) {
        match change {
            ListChange::Accepted => self.told_accepted = true,
            ListChange::Blocked => self.told_blocked = true,
            ListChange::Unblocked => self.told_blocked = false,
        }
    }
}
