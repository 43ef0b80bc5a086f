//! Kind `history`: `{"for": "<device>", "part": 3, "of": 17, "messages": [..]}`. One of the user's devices sends earlier
//! messages to a new one, the newest first. It counts only in the group of the user's own devices, at the device that it
//! is for.
//!
//! `part` counts from 1. `of` is how many parts the sender expects; in the last part it equals `part`. The members of a
//! message: `chat`, `id`, `from` (the author's root), `text`, `re` (optional, as in kind `text`), `sent_at`, `kept_at`, and
//! `reactions` (optional), each with `by` (its author's root), `emoji` and its `id`.

use serde::{Deserialize, Serialize};

use super::{Chat, Emoji, MessageId, Ref};
use crate::identity::Primary;
use crate::sigchain::DeviceId;
use crate::time::Timestamp;

/// The most bytes of the messages of one part, as JSON: 128 KiB. A single message may exceed it.
pub const MAX_PART_BYTES: usize = 128 * 1024;

/// The members of kind `history`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct History {
    /// The device that wants it.
    #[serde(rename = "for")]
    pub device: DeviceId,
    /// The number of this part, from 1.
    pub part: u64,
    /// How many parts there will be.
    pub of: u64,
    /// The messages of this part, the newest first.
    pub messages: Vec<Past>,
}

/// An earlier message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Past {
    /// The conversation.
    pub chat: Chat,
    /// The author's id for it.
    pub id: MessageId,
    /// The author's root.
    pub from: Primary,
    /// The text.
    pub text: String,
    /// The message that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub re: Option<Ref>,
    /// When it was sent, according to its author.
    pub sent_at: Timestamp,
    /// When it reached the server.
    pub kept_at: Timestamp,
    /// The reactions to it that are set.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reactions: Vec<PastReaction>,
}

/// A reaction to an earlier message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PastReaction {
    /// The root of its author.
    pub by: Primary,
    /// The emoji.
    pub emoji: Emoji,
    /// The author's id for it.
    pub id: MessageId,
}

impl Past {
    /// About how many bytes it has in a part.
    pub fn size(&self) -> usize {
        serde_json::to_vec(self).map_or(0, |json| json.len() + 1)
    }
}
