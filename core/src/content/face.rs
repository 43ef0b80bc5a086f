//! Kind `face`: `{"name": "...", "about": "...", "expires": 86400}`. The name of a group. `about` and `expires` are optional.
//! It counts only from an admin of the group, and the last one in the order of the group's log counts.

use serde::{Deserialize, Serialize};

/// The members of kind `face`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Face {
    /// The name of the group.
    pub name: String,
    /// A description.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// How many seconds after it was sent a message disappears.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires: Option<u64>,
}
