//! A group, as its thread, its dialogs and the list of conversations show it.

use serde::{Deserialize, Serialize};

use crate::kernel::reason::Reason;

/// What a row of the list says about a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// Its name.
    pub name: String,
    /// Who added the user, while the group is a request: a handle without `@`.
    pub added_by: Option<String>,
    /// Whether the user takes part.
    pub inside: bool,
}

/// The group of the open thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupView {
    /// Its id, 32 hexadecimal digits.
    pub gid: String,
    /// Its name.
    pub name: String,
    /// Whether the user takes part.
    pub stage: GroupStage,
    /// Whether the user is an admin.
    pub admin: bool,
    /// The members, in alphabetical order, the user included.
    pub members: Vec<MemberRow>,
    /// The number to compare: six groups of five digits, equal for all members in the same state.
    pub number: Option<String>,
    /// Whether a member has no device in the group yet, so that this member cannot read what is sent now.
    pub incomplete: bool,
    /// Whether a change of the group is under way.
    pub busy: bool,
    /// Why the last change failed.
    pub error: Option<Reason>,
    /// For an admin: what follows `/g#` in the link to the group, while this browser has one that the server knows.
    pub link: Option<String>,
    /// For an admin: the people who ask to join, in the order in which they asked.
    pub asking: Vec<AskingRow>,
}

/// A person who asks to join a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskingRow {
    /// The handle, without `@`.
    pub handle: String,
    /// Whether the user compared the safety number with this person.
    pub verified: bool,
}

/// The user's own request to join a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedRow {
    /// What follows `/g#` in the link.
    pub link: String,
    /// Whether the server has it, so that it waits for approval.
    pub sent: bool,
    /// Why the server has refused it.
    pub refused: Option<Reason>,
}

/// How the user takes part in a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupStage {
    /// It is being created or joined.
    Joining,
    /// The user is a member.
    In,
    /// The user has left.
    Left,
    /// The user was removed.
    Removed,
    /// Something is wrong: nothing is sent.
    Broken(Reason),
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRow {
    /// The handle, without `@`.
    pub handle: String,
    /// Whether it is the user.
    pub me: bool,
    /// Whether the member is an admin.
    pub admin: bool,
    /// Whether the user compared the safety number with this member.
    pub verified: bool,
    /// How many devices of this member are in the group.
    pub devices: u64,
}

/// An event of a group. Handles are without `@`; `None` is the user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupLine {
    /// The group was created.
    Created {
        /// By whom.
        by: Option<String>,
    },
    /// A member was added.
    Added {
        /// By whom.
        by: Option<String>,
        /// Who.
        who: Option<String>,
    },
    /// A member was removed.
    Removed {
        /// By whom.
        by: Option<String>,
        /// Who.
        who: Option<String>,
    },
    /// A member has left.
    Left {
        /// Who.
        who: Option<String>,
    },
    /// The group got another name.
    Renamed {
        /// By whom.
        by: Option<String>,
        /// The name.
        name: String,
    },
    /// A member became an admin, or no longer is one.
    Role {
        /// By whom.
        by: Option<String>,
        /// Who.
        who: Option<String>,
        /// Whether the member is an admin now.
        admin: bool,
    },
    /// A device of a member joined.
    Device {
        /// Whose.
        who: Option<String>,
    },
    /// This browser joined anew: it may have missed messages.
    Rejoined,
    /// A conversation with one person has moved to MLS.
    Upgraded,
}
