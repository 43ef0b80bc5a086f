//! The content of a message: one JSON object, the same whatever carries it. Each kind has a file that both reads and
//! writes it.
//!
//! ```json
//! {"id": "<ULID>", "kind": "text", "sent_at": "2026-11-28T16:00:00Z", "text": "..."}
//! ```
//!
//! A reader shows a kind that it does not know as unsupported, unless `quiet` is true: then it counts and drops the
//! content. It ignores unknown members. A known member of a wrong type makes the content malformed, except `sent_at`,
//! which then counts as absent.

mod archive;
mod copy;
mod face;
mod former_key;
mod history;
mod reaction;
mod sent;
mod sync;
mod text;

use std::fmt;
use std::str::FromStr;

use rand_core::CryptoRng;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;
use zeroize::Zeroizing;

use crate::canonical_json::{self, Numbers};
use crate::identity::Primary;
use crate::time::Timestamp;

pub use archive::{Archive, MOST_ARCHIVED};
pub use copy::EnvelopeCopy;
pub use face::Face;
pub use former_key::FormerKey;
pub use history::{History, MAX_PART_BYTES, Past, PastReaction};
pub use reaction::{Emoji, InvalidEmoji, Reaction};
pub use sent::Sent;
pub use sync::{Change, Chat, InvalidChat, MOST_CHANGES, Sync};
pub use text::Text;

/// The most bytes of a message's id.
const MOST_ID_BYTES: usize = 64;

/// What a message says.
#[derive(Clone, Debug)]
pub struct Content {
    /// The author's id for this message, unique per author: a ULID from this client, the same in the user's own copy
    /// and in every retry.
    pub id: MessageId,
    /// When it was sent, according to its author.
    pub sent_at: Option<Timestamp>,
    /// Its kind, with the members of that kind.
    pub what: What,
}

/// The kinds of contents.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum What {
    /// Text.
    Text(Text),
    /// A reaction to a message.
    Reaction(Reaction),
    /// A copy of a content that the user sent.
    Sent(Sent),
    /// A former key of the user's.
    FormerKey(FormerKey),
    /// The name of a group.
    Face(Face),
    /// What the user has done in another browser.
    Sync(Sync),
    /// Earlier messages, for a new browser of the user's.
    History(History),
    /// Earlier messages, for a browser that is restored from the recovery words.
    Archive(Archive),
    /// What an envelope contained, for the user's browsers that have no recovery words.
    Copy(EnvelopeCopy),
    /// A kind that this version does not know. Its members are not kept.
    Unknown {
        /// The name of the kind.
        #[serde(skip)]
        kind: String,
        /// Whether a reader that does not know the kind counts and drops the content instead of showing it.
        #[serde(skip)]
        quiet: bool,
    },
}

/// An author's id for a message: 1 to 64 bytes without control characters.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct MessageId(String);

/// Names a message by its author and the author's id for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ref {
    /// The author: the root of their sigchain or, without a chain, their first key.
    pub by: Primary,
    /// The id.
    pub id: MessageId,
}

/// The text is not the id of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the id of a message has 1 to 64 bytes and no control characters")]
pub struct InvalidMessageId;

/// The content does not follow the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content is malformed")]
pub struct MalformedContent {
    /// Whether its `quiet` is true, so that a reader counts and drops it.
    pub quiet: bool,
}

/// The members that every kind has.
#[derive(Deserialize)]
struct Common {
    id: MessageId,
    kind: String,
    #[serde(default)]
    quiet: bool,
    sent_at: Option<Value>,
}

/// The content as it is written.
#[derive(Serialize)]
struct Written<'a> {
    id: &'a MessageId,
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    quiet: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sent_at: Option<Timestamp>,
    #[serde(flatten)]
    what: &'a What,
}

impl Content {
    /// A text message.
    pub fn text(id: MessageId, text: impl Into<String>, sent_at: Timestamp) -> Self {
        Self { id, sent_at: Some(sent_at), what: What::Text(Text { text: text.into(), re: None }) }
    }

    /// The copy of this content for the user's own browsers.
    #[must_use]
    pub fn own_copy(&self, to: Primary) -> Self {
        let what = What::Sent(Sent { to, message: Box::new(self.clone()) });
        Self { id: self.id.clone(), sent_at: self.sent_at, what }
    }

    /// Parses a content. Only `id`, `kind` and the members that the kind requires have to be there.
    ///
    /// # Errors
    /// [`MalformedContent`] when the text is not a JSON object with the required members, or a member has a wrong type.
    pub fn parse(json: &[u8]) -> Result<Self, MalformedContent> {
        let value =
            canonical_json::parse(json, Numbers::Any).map_err(|_| MalformedContent { quiet: false })?;
        Self::from_value(value)
    }

    /// The JSON text. It may hold a secret key, so it is wiped from memory when dropped.
    pub fn to_json(&self) -> Zeroizing<Vec<u8>> {
        let json = serde_json::to_vec(self);
        debug_assert!(json.is_ok(), "text, numbers and text keys always serialise");
        Zeroizing::new(json.unwrap_or_default())
    }

    pub(crate) fn from_value(value: Value) -> Result<Self, MalformedContent> {
        let quiet = value.get("quiet") == Some(&Value::Bool(true));
        let read = || {
            let Common { id, kind, quiet, sent_at } = Common::deserialize(&value).ok()?;
            let sent_at = optional(sent_at.as_ref());
            Some(Self { id, sent_at, what: What::read(kind, quiet, value)? })
        };
        read().ok_or(MalformedContent { quiet })
    }
}

impl What {
    /// The members of the kind; `None` if they are malformed.
    fn read(kind: String, quiet: bool, members: Value) -> Option<Self> {
        fn known<T: DeserializeOwned>(members: Value) -> Option<T> {
            serde_json::from_value(members).ok()
        }
        match kind.as_str() {
            "text" => known(members).map(Self::Text),
            "reaction" => known(members).map(Self::Reaction),
            "sent" => known(members).map(Self::Sent),
            "former_key" => known(members).map(Self::FormerKey),
            "face" => known(members).map(Self::Face),
            "sync" => known(members).map(Self::Sync),
            "history" => known(members).map(Self::History),
            "archive" => known(members).map(Self::Archive),
            "copy" => known(members).map(Self::Copy),
            _ => Some(Self::Unknown { kind, quiet }),
        }
    }

    /// The name of the kind.
    pub fn kind(&self) -> &str {
        match self {
            Self::Text(_) => "text",
            Self::Reaction(_) => "reaction",
            Self::Sent(_) => "sent",
            Self::FormerKey(_) => "former_key",
            Self::Face(_) => "face",
            Self::Sync(_) => "sync",
            Self::History(_) => "history",
            Self::Archive(_) => "archive",
            Self::Copy(_) => "copy",
            Self::Unknown { kind, .. } => kind,
        }
    }

    /// Whether a reader that does not know the kind drops the content.
    pub const fn is_quiet(&self) -> bool {
        match self {
            Self::Unknown { quiet, .. } => *quiet,
            Self::Reaction(_) | Self::Sync(_) | Self::History(_) | Self::Archive(_) | Self::Copy(_) => true,
            Self::Text(_) | Self::Sent(_) | Self::FormerKey(_) | Self::Face(_) => false,
        }
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let quiet = self.what.is_quiet().then_some(true);
        let Self { id, sent_at, what } = self;
        Written { id, kind: what.kind(), quiet, sent_at: *sent_at, what }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(Value::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// An optional member; `None` if it is absent or malformed.
pub(crate) fn optional<T: DeserializeOwned>(member: Option<&Value>) -> Option<T> {
    T::deserialize(member?).ok()
}

impl MessageId {
    /// A new ULID: 48 bits of the time, Unix milliseconds, then 80 random bits, in Crockford's base 32. ULIDs sort by
    /// their time.
    pub fn ulid(at: u64, rng: &mut impl CryptoRng) -> Self {
        const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
        let random = u128::from(rng.next_u64()) << 16 | u128::from(rng.next_u32() & 0xFFFF);
        let bits = u128::from(at & 0xFFFF_FFFF_FFFF) << 80 | random;
        let digit = |place: u32| char::from(CROCKFORD[(bits >> (5 * place)) as usize % 32]);
        Self((0..26).rev().map(digit).collect())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for MessageId {
    type Error = InvalidMessageId;

    fn try_from(id: String) -> Result<Self, InvalidMessageId> {
        let fits = (1..=MOST_ID_BYTES).contains(&id.len()) && !id.contains(char::is_control);
        if fits { Ok(Self(id)) } else { Err(InvalidMessageId) }
    }
}

impl FromStr for MessageId {
    type Err = InvalidMessageId;

    fn from_str(id: &str) -> Result<Self, InvalidMessageId> {
        id.to_owned().try_into()
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests;
