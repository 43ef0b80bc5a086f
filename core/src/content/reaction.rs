//! Kind `reaction`, quiet: `{"of": {"by": "ed25519:<hex>", "id": "..."}, "emoji": "👍", "on": true}`. Of the reactions of one
//! author with one emoji to one message, the one with the greatest id counts; one with a replaced key gives way to any other.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::Ref;

/// The members of kind `reaction`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reaction {
    /// The message.
    pub of: Ref,
    /// The emoji.
    pub emoji: Emoji,
    /// Whether it is set or withdrawn.
    pub on: bool,
}

/// An emoji: 1 to 32 bytes without control characters and white space.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct Emoji(String);

/// The text is not an emoji.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an emoji has 1 to 32 bytes, no control characters and no white space")]
pub struct InvalidEmoji;

impl Emoji {
    /// The emoji as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Emoji {
    type Error = InvalidEmoji;

    fn try_from(text: String) -> Result<Self, InvalidEmoji> {
        let odd = |c: char| c.is_control() || c.is_whitespace();
        if (1..=32).contains(&text.len()) && !text.contains(odd) { Ok(Self(text)) } else { Err(InvalidEmoji) }
    }
}

impl FromStr for Emoji {
    type Err = InvalidEmoji;

    fn from_str(text: &str) -> Result<Self, InvalidEmoji> {
        text.to_owned().try_into()
    }
}
