//! Kind `archive`: `{"messages": [..], "registration": {..}, "name": ".."}`. A client seals earlier messages of one
//! conversation to its own key, for a browser that is restored from the recovery words. From any other sender it has no
//! meaning.
//!
//! The messages have the members of those in kind `history`, all with the same `chat`, the oldest first. `registration` is
//! the signed registration of the person of a chat of two, `name` the name of a group; both may be absent.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::Past;

/// The most messages in one content.
pub const MOST_ARCHIVED: usize = 100;

/// The members of kind `archive`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Archive {
    /// The messages, the oldest first.
    pub messages: Vec<Past>,
    /// The registration of the person, for a reader that does not know them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration: Option<Box<RawValue>>,
    /// The name of the group, for a reader that does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}
