//! Kind `sync`: `{"changes": [{"<change>": {..}}, ..]}`. One of the user's devices tells the others what the user has done
//! there. It counts only in the group of the user's own devices. A reader ignores changes that it does not know.
//!
//! | change | members |
//! |---|---|
//! | `read` | `chat`, `by`, `id`: the user has read the chat up to this message |
//! | `standing` | `root`, `accepted`, `blocked`, and `registration`, the person's signed registration, for a reader that does not know them |
//! | `group` | `gid`, `accepted`, and `name` if it is known |
//! | `verified` | `root`, `key`: the user has compared this key; `key` is absent when the user takes that back |
//! | `name` | `device`, `name`: what the user calls a device; an empty name takes it back |
//! | `link` | `seqno`, `hash`: the device adds this link to the user's sigchain |
//! | `keep_history` | `on`: whether messages are kept for the recovery words |
//! | `words` | `device`, `has`: whether a device has the recovery words |

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::MessageId;
use crate::identity::Primary;
use crate::mls::GroupId;
use crate::sigchain::{DeviceId, Hash};

/// The most changes in one content.
pub const MOST_CHANGES: usize = 1_000;

/// The most bytes of the name of a device.
const MOST_NAME_BYTES: usize = 256;

/// The members of kind `sync`.
#[derive(Clone, Debug, Serialize)]
pub struct Sync {
    /// The changes, in the order in which they happened.
    pub changes: Vec<Change>,
}

/// What the user has done.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Everything up to this message is read.
    Read {
        /// The chat.
        chat: Chat,
        /// The author's root.
        by: Primary,
        /// The author's id for the message.
        id: MessageId,
    },
    /// A person was accepted or blocked, or neither any more.
    Standing {
        /// The root of their sigchain.
        root: Primary,
        /// Whether the user wants to hear from them.
        accepted: bool,
        /// Whether the user has blocked them.
        blocked: bool,
        /// Their signed registration.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        registration: Option<Box<RawValue>>,
    },
    /// A group was accepted, or is only a request.
    Group {
        /// The group.
        gid: GroupId,
        /// Whether the user takes part.
        accepted: bool,
        /// Its name, as last heard.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// A safety number was compared.
    Verified {
        /// The root of the person's sigchain.
        root: Primary,
        /// The key that was compared; none when the user takes that back.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        key: Option<Primary>,
    },
    /// A device has a name.
    Name {
        /// The device.
        device: DeviceId,
        /// The name; empty for none.
        name: String,
    },
    /// The sender of this content makes a link of the user's sigchain.
    Link {
        /// Its sequence number.
        seqno: u64,
        /// Its hash.
        hash: Hash,
    },
    /// Messages are kept for the recovery words (kind `archive`), or no longer.
    KeepHistory {
        /// Whether they are.
        on: bool,
    },
    /// A device has the recovery words, or no longer.
    Words {
        /// The device.
        device: DeviceId,
        /// Whether it has them.
        has: bool,
    },
}

/// A conversation, as the user's own devices name it: the root of a person, or the id of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Chat {
    /// With one person.
    Person(Primary),
    /// In a group.
    Group(GroupId),
}

/// The text names no conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a chat is the root of a person or the id of a group")]
pub struct InvalidChat;

#[derive(Deserialize)]
struct Raw {
    changes: Vec<Value>,
}

impl<'de> Deserialize<'de> for Sync {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Raw { changes } = Raw::deserialize(deserializer)?;
        let known = changes.into_iter().take(MOST_CHANGES).filter_map(|change| {
            // A change of another version is no reason to ignore the others.
            serde_json::from_value(change).ok().filter(Change::is_bounded)
        });
        Ok(Self { changes: known.collect() })
    }
}

impl Change {
    fn is_bounded(&self) -> bool {
        match self {
            Self::Name { name, .. } => name.len() <= MOST_NAME_BYTES && !name.contains(char::is_control),
            _ => true,
        }
    }
}

impl FromStr for Chat {
    type Err = InvalidChat;

    fn from_str(text: &str) -> Result<Self, InvalidChat> {
        let group = || text.parse().map(Self::Group).map_err(|_| InvalidChat);
        text.parse().map(Self::Person).or_else(|_| group())
    }
}

impl TryFrom<String> for Chat {
    type Error = InvalidChat;

    fn try_from(text: String) -> Result<Self, InvalidChat> {
        text.parse()
    }
}

impl From<Chat> for String {
    fn from(chat: Chat) -> Self {
        chat.to_string()
    }
}

impl fmt::Display for Chat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person(root) => root.fmt(f),
            Self::Group(gid) => gid.fmt(f),
        }
    }
}
