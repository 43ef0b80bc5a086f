//! A message as it is stored: its content, where it came from, and the reactions to it.

use kez_core::content::{Emoji, MessageId, Ref};
use kez_core::envelope::{EnvelopeHash, OpenError};
use kez_core::identity::Primary;
use serde::{Deserialize, Serialize};

/// The most reactions of one person that are set and shown on one message.
pub(crate) const MOST_REACTIONS: usize = 8;
/// The most emojis that are kept of one person on one message: the smallest by bytes, in whatever order they come.
const MOST_EMOJIS: usize = 64;
/// The most reactions that are kept on one message: those of the smallest authors, in whatever order they come.
const MOST_KEPT: usize = 512;
/// The longest plausible delivery delay, in seconds: a week.
const LONGEST_ON_THE_WAY: u64 = 7 * 24 * 60 * 60;

/// A message, as a page stores it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredMessage {
    /// The id that the author chose; `None` if the envelope could not be opened.
    pub(crate) id: Option<MessageId>,
    /// Whether the user wrote it.
    pub(crate) mine: bool,
    pub(crate) body: StoredBody,
    /// When it was sent, Unix seconds, by the sender's clock.
    pub(crate) sent_at: u64,
    /// When it reached the relay or, for the user's own messages, when it was written; Unix seconds.
    pub(crate) kept_at: u64,
    /// How many messages, in all conversations, arrived before it. Orders messages of the same second.
    pub(crate) arrival: u64,
    /// The envelope that contained it; `None` for messages written here.
    pub(crate) envelope: Option<EnvelopeHash>,
    /// Its position in its sender's sequence, for messages of others.
    pub(crate) position: Option<Position>,
    /// Which former key it was sealed with or for, if any.
    pub(crate) former_key: Option<FormerKey>,
    /// Sorted by author and emoji.
    pub(crate) reactions: Vec<StoredReaction>,
    /// In a group, who wrote it: the root of the author's sigchain. `None` for the user's own messages and for events.
    pub(crate) from: Option<Primary>,
    /// Whether it came in an envelope after the conversation had moved to MLS.
    pub(crate) old_way: bool,
}

/// A message in a page of an earlier format. `T` is what followed the reactions: nothing in format 1, which knew no groups,
/// and the author in format 2.
#[derive(Deserialize)]
pub(super) struct Former<T> {
    id: Option<MessageId>,
    mine: bool,
    body: StoredBody,
    sent_at: u64,
    kept_at: u64,
    arrival: u64,
    envelope: Option<EnvelopeHash>,
    position: Option<Position>,
    former_key: Option<FormerKey>,
    reactions: Vec<StoredReaction>,
    from: T,
}

impl<T: IntoAuthor> From<Former<T>> for StoredMessage {
    fn from(old: Former<T>) -> Self {
        let Former {
            id,
            mine,
            body,
            sent_at,
            kept_at,
            arrival,
            envelope,
            position,
            former_key,
            reactions,
            from,
        } = old;
        let (from, old_way) = (from.into_author(), false);
        Self {
            id,
            mine,
            body,
            sent_at,
            kept_at,
            arrival,
            envelope,
            position,
            former_key,
            reactions,
            from,
            old_way,
        }
    }
}

/// The author in an earlier format.
pub(super) trait IntoAuthor {
    /// The root of the author's sigchain, if the format had one.
    fn into_author(self) -> Option<Primary>;
}

impl IntoAuthor for () {
    fn into_author(self) -> Option<Primary> {
        None
    }
}

impl IntoAuthor for Option<Primary> {
    fn into_author(self) -> Self {
        self
    }
}

/// The author of a message or a reaction. Two authors may choose the same id. Earlier formats had a `bool` here: the first two
/// are stored like `false` and `true`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Author {
    /// The other person of a conversation with one person.
    Them,
    /// The user.
    Me,
    /// A member of the group.
    Member(Primary),
}

impl From<bool> for Author {
    /// The user if `mine`, or the other person.
    fn from(mine: bool) -> Self {
        if mine { Self::Me } else { Self::Them }
    }
}

/// The last reaction of one author with one emoji.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StoredReaction {
    pub(crate) by: Author,
    pub(crate) emoji: Emoji,
    /// Whether it was signed with, or sealed for, a key that was replaced since. Any other reaction then takes
    /// precedence, so that the holder of a stolen key cannot override it.
    pub(crate) former: bool,
    pub(crate) id: MessageId,
    pub(crate) on: bool,
}

/// The content of a message, as stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredBody {
    /// Text.
    Text {
        text: String,
        /// The message that it answers.
        re: Option<Ref>,
    },
    /// A kind that the version that received it did not know.
    Unsupported,
    /// An event: the other person has changed their key, and their sigchain proves that.
    KeyReplaced,
    /// An envelope that could not be opened.
    Undecryptable(OpenError),
    /// The content was malformed.
    Malformed,
    /// The record could not be read. Never written.
    Damaged,
    /// An event: the other person's sigchain certifies another device.
    DeviceAdded,
    /// An event of the group.
    Group(StoredLine),
}

/// An event of a group. People are named by the roots of their sigchains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum StoredLine {
    Created {
        by: Primary,
    },
    Added {
        by: Primary,
        who: Primary,
    },
    Removed {
        by: Primary,
        who: Primary,
    },
    Left {
        who: Primary,
    },
    Renamed {
        by: Primary,
        name: String,
    },
    Role {
        by: Primary,
        who: Primary,
        admin: bool,
    },
    Device {
        who: Primary,
    },
    Rejoined,
    /// The conversation of two people has moved to MLS.
    Upgraded,
}

/// Which replaced key a message was sealed with or for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FormerKey {
    /// The sender signed it with a key that they have since replaced.
    Theirs,
    /// It was sealed for a key that the user has since replaced.
    Mine,
}

/// The position of a received message in its sender's sequence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// The sender's installation.
    pub(crate) installation: String,
    /// The number.
    pub(crate) n: u64,
    /// Whether the number was taken when it arrived.
    pub(crate) taken: bool,
}

impl StoredReaction {
    /// Whether another reaction of the same author with the same emoji changes nothing once this one is there.
    pub(super) fn replaces(&self, other: &Self) -> bool {
        (!self.former, &self.id) >= (!other.former, &other.id)
    }
}

/// Adds a reaction, unless a later one with the same emoji is there. Returns whether it is now the last one.
pub(super) fn merge(reactions: &mut Vec<StoredReaction>, new: StoredReaction) -> bool {
    let key = |of: &StoredReaction| (of.by, of.emoji.clone());
    match reactions.binary_search_by_key(&key(&new), key) {
        Ok(at) if reactions.get(at).is_some_and(|old| old.replaces(&new)) => return false,
        Ok(at) => drop(std::mem::replace(&mut reactions[at], new)),
        Err(at) => {
            let by = new.by;
            reactions.insert(at, new);
            if reactions.iter().filter(|of| of.by == by).count() > MOST_EMOJIS
                && let Some(last) = reactions.iter().rposition(|of| of.by == by)
            {
                reactions.remove(last);
            }
            reactions.truncate(MOST_KEPT);
        }
    }
    true
}

/// The start of the row id of a message of the other side.
pub(super) const ROW_PREFIX: &str = "in-";

impl StoredMessage {
    /// A row without an author: an event that happened at this time, Unix seconds.
    pub(crate) fn note(body: StoredBody, at: u64) -> Self {
        let (id, envelope, position, former_key, reactions) = (None, None, None, None, Vec::new());
        let (mine, sent_at, kept_at, arrival) = (false, at, at, 0);
        let (from, old_way) = (None, false);
        Self {
            id,
            mine,
            body,
            sent_at,
            kept_at,
            arrival,
            envelope,
            position,
            former_key,
            reactions,
            from,
            old_way,
        }
    }

    /// Adds a reaction, unless a later one with the same emoji is there.
    pub(crate) fn react(&mut self, reaction: StoredReaction) {
        merge(&mut self.reactions, reaction);
    }

    /// Who wrote it.
    pub(crate) fn author(&self) -> Author {
        self.from.filter(|_| !self.mine).map_or(Author::from(self.mine), Author::Member)
    }

    /// The time to show: the sender's time, limited by the relay's. A wrong clock could otherwise put a message among,
    /// and date, the messages of others.
    pub(crate) fn shown_at(&self) -> u64 {
        self.sent_at.clamp(self.kept_at.saturating_sub(LONGEST_ON_THE_WAY), self.kept_at)
    }

    /// A readable message from someone else. Envelopes that cannot be opened do not count: anyone can make them.
    pub(super) fn can_be_unread(&self) -> bool {
        let is_readable = !matches!(
            self.body,
            StoredBody::Undecryptable(_)
                | StoredBody::KeyReplaced
                | StoredBody::DeviceAdded
                | StoredBody::Group(_)
                | StoredBody::Damaged
        );
        !self.mine && is_readable
    }

    /// The id of the row in the thread: the ULID of the user's own message, or an id made here, since a sender could
    /// choose a colliding one.
    pub(crate) fn row_id(&self, order: u64) -> String {
        match &self.id {
            Some(id) if self.mine => id.to_string(),
            _ => their_row_id(order),
        }
    }
}

/// The id of the row of a message of the other side, or of an event.
pub(crate) fn their_row_id(order: u64) -> String {
    format!("{ROW_PREFIX}{order}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authors_are_stored_as_before_there_were_groups() {
        for (author, before) in [(Author::Them, false), (Author::Me, true)] {
            assert_eq!(postcard::to_allocvec(&author), postcard::to_allocvec(&before));
        }
    }

    #[test]
    fn members_cannot_make_the_reactions_grow_for_ever() {
        let member = |n: u8| Author::Member(format!("ed25519:{n:064x}").parse().unwrap());
        let reaction = |by: Author, n: usize| StoredReaction {
            by,
            emoji: format!("e{n:02}").parse().unwrap(),
            former: false,
            id: "01JD".parse().unwrap(),
            on: true,
        };
        let all = || (0..20).flat_map(|who| (0..80).map(move |n| (who, n)));
        let (mut there, mut back) = (Vec::new(), Vec::new());
        for (who, n) in all() {
            merge(&mut there, reaction(member(who), n));
        }
        for (who, n) in all().collect::<Vec<_>>().into_iter().rev() {
            merge(&mut back, reaction(member(who), n));
        }
        assert_eq!(there.len(), MOST_KEPT);
        assert_eq!(there, back, "in whatever order they come");
        assert!(there.iter().filter(|of| of.by == member(3)).count() <= MOST_EMOJIS);
    }

    #[test]
    fn the_shown_time_stays_near_the_arrival() {
        let shown = |sent_at, kept_at| {
            StoredMessage { sent_at, kept_at, ..StoredMessage::note(StoredBody::Malformed, 0) }.shown_at()
        };
        let now = 1_795_374_000;
        assert_eq!(shown(now - 100, now), now - 100);
        assert_eq!(shown(253_402_300_799, now), now, "the year 9999");
        assert_eq!(shown(0, now), now - LONGEST_ON_THE_WAY, "1970");
        assert_eq!(shown(5, 3), 3);
    }
}
