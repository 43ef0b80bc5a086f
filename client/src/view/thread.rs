//! The open conversation.

use kez_core::display;
use kez_core::envelope::OpenError;
use kez_core::handle::Handle;
use kez_core::safety_number::safety_number;
use serde::{Deserialize, Serialize};

use super::excerpt::excerpt;
use super::groups;
use super::{Block, ChainAlarm, FormerKey, GroupLine, GroupView};
use crate::kernel::context::{Halt, Shared};
use crate::kernel::place::Place;
use crate::kernel::reason::Reason;
use crate::kernel::tabs::Tab;
use crate::messages::{Author, Conversation, MOST_REACTIONS, StoredBody, StoredMessage, StoredReaction};
use crate::people::Contact;
use crate::session::Session;
use crate::session::directory::HandleState;

/// The most emojis that are shown below one message.
const MOST_EMOJIS: usize = 64;
/// The most people that are named for one emoji.
const MOST_NAMES: usize = 3;

/// What is wrong with the key history of a person in a conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonAlarm {
    /// The person's handle.
    pub handle: String,
    /// What is wrong.
    pub alarm: ChainAlarm,
}

/// The open conversation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThreadView {
    /// The contact's handle, or `g/` and a group's id, as in the URL.
    pub handle: String,
    /// The group, if it is one.
    pub group: Option<GroupView>,
    /// Whether the conversation can be shown.
    pub state: ThreadState,
    /// A part of the messages, oldest first: at most 200, wherever in the conversation the tab is.
    pub messages: Vec<MessageRow>,
    /// Whether there are older messages than those in `messages`.
    pub has_older: bool,
    /// Whether there are newer messages than those in `messages`.
    pub has_newer: bool,
    /// The number of messages in the whole conversation.
    pub total: u64,
    /// The message below the line "New messages": the first that was unread when the thread was opened.
    pub first_unread: Option<String>,
    /// The row to scroll to, with the number of the jump: every jump of a tab has another one.
    pub jump: Option<(String, u64)>,
    /// The unsent text in the composer, kept across a reload. The page reads it when it opens the thread.
    pub draft: String,
    /// Increases when another tab changed the draft, or sent it. The page then reads it again.
    pub draft_version: u64,
    /// Their key; the new one while `key_changed`, so that it can be compared before it is accepted.
    pub primary: Option<String>,
    /// The safety number with that key, twelve groups of five digits.
    pub safety_number: Option<String>,
    /// Whether the user confirmed that it matches.
    pub verified: bool,
    /// The key behind the handle has changed: tell the user, and ask before the next message.
    pub key_changed: bool,
    /// Whether the history of their key proves that they changed it themselves.
    pub key_change_proven: bool,
    /// The alarm about the history of their key, if any; of a group, about a member's.
    pub chain_alarm: Option<PersonAlarm>,
    /// An unknown sender wrote first: "Accept" and "Block" are offered.
    pub request: bool,
    /// Whether this contact is blocked.
    pub block: Block,
    /// Why nothing can be sent to this contact, if that is so.
    pub stopped: Option<Reason>,
    /// Why the last "Send" was refused (too long, say).
    pub refused: Option<Reason>,
}

/// Whether a conversation can be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ThreadState {
    /// The handle is being looked up.
    Resolving,
    /// Ready.
    Ready,
    /// The handle is not registered, or it is invalid.
    NotFound,
    /// The server could not be reached, or its answer has no valid proof.
    Unavailable,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MessageRow {
    /// Its id, unique in the thread: the key of the row.
    pub id: String,
    /// Whether the user wrote it.
    pub mine: bool,
    /// Who wrote it, in a group: a handle without `@`. `None` for the user's own messages.
    pub author: Option<String>,
    /// What the row shows.
    pub body: MessageBody,
    /// Whether `body` is only the start of a long text. The full text is shown on request
    /// ([`UiEvent::WholeTextWanted`](crate::kernel::event::UiEvent::WholeTextWanted)).
    pub cut: bool,
    /// `data-state`.
    pub state: DeliveryState,
    /// When it was sent, Unix seconds, by the sender's clock within limits: never later than its arrival at the relay,
    /// and at most a week earlier.
    pub at: u64,
    /// How many of the sender's messages are missing right before this one.
    pub missing_before: u64,
    /// Whether it contradicts the sender's earlier messages: a message was replaced, or sent from a copy of the
    /// sender's storage.
    pub contradicts_chain: bool,
    /// Which replaced key it was sealed with or for, if any.
    pub former_key: Option<FormerKey>,
    /// Whether it came in an envelope after the conversation had moved to MLS.
    pub old_way: bool,
    /// Why sending failed, if it did.
    pub error: Option<Reason>,
    /// The reactions, sorted by emoji.
    pub reactions: Vec<ReactionRow>,
}

/// A reaction to a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReactionRow {
    /// The emoji.
    pub emoji: String,
    /// Whether the user has set it.
    pub mine: bool,
    /// How many people have set it.
    pub count: u64,
    /// The handles of the others, at most three.
    pub others: Vec<String>,
}

/// What a row shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageBody {
    /// Text.
    Text {
        /// The text.
        text: String,
    },
    /// A kind that this version does not know.
    Unsupported,
    /// An event, not a message: the other person has changed their key, and its history proves that.
    KeyReplaced,
    /// An event, not a message: the history of the other person's key has another device.
    DeviceAdded,
    /// An event, not a message: something changed in the group.
    Group(GroupLine),
    /// An envelope that could not be opened.
    Undecryptable {
        /// Why; its `Display` completes "This message could not be read: ...".
        why: OpenError,
    },
    /// The content was malformed.
    Malformed,
    /// The message could not be read from this browser's storage.
    Damaged,
}

/// The state of a message: `data-state` is the snake-case name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    /// Not at the relay yet.
    Sending,
    /// Durable at the relay.
    Sent,
    /// Refused, or delayed: "Retry" or "Delete". Unless refused, the client keeps retrying on its own.
    Failed,
    /// From the other person.
    Received,
    /// From the other person, but not readable.
    Undecryptable,
}

/// What the tab shows of the conversation in its URL.
pub(crate) fn thread(session: &Session, tab: &Tab, shared: &Shared) -> Option<ThreadView> {
    let at = tab.at.as_ref()?;
    if let Some(Place::Group(gid)) = session.place_shown(at) {
        return groups::thread(session, tab, shared, gid);
    }
    let handle = session.handle_at(at).filter(|handle| *handle != session.me.handle);
    let id = handle.as_ref().and_then(|handle| session.contacts.by_handle(handle));
    let contact = id.and_then(|id| session.contacts.get(id));
    let place = id.map(Place::Direct);
    let conversation = place.and_then(|place| session.conversations.get(&place));
    let found = handle.as_ref().and_then(|handle| session.directory.handles.get(handle));
    let key = match (contact.map(|contact| &contact.stored), found) {
        (Some(stored), _) => Some(stored.shown_key()),
        (None, Some(HandleState::Found(found))) => Some(found.key.primary()),
        _ => None,
    };
    let extent = conversation.map(|conversation| tab.window.extent(conversation)).unwrap_or_default();
    Some(ThreadView {
        handle: at.clone(),
        group: None,
        state: state(handle.as_ref(), contact, found),
        messages: place.zip(conversation).map_or_else(Vec::new, |(place, conversation)| {
            rows_of(session, shared, tab, place, conversation)
        }),
        has_older: extent.older > 0,
        has_newer: extent.newer > 0,
        total: conversation.map_or(0, |conversation| conversation.len() as u64),
        jump: tab.jump.zip(conversation).map(|((order, number), talk)| (talk.row_id(order), number)),
        first_unread: tab.first_unread.clone(),
        draft: conversation.map(|conversation| conversation.draft.clone()).unwrap_or_default(),
        draft_version: tab.draft_version,
        primary: key.map(|key| key.to_string()),
        safety_number: key.map(|key| safety_number(&session.me.key.public().primary(), &key)),
        verified: contact.is_some_and(|contact| contact.stored.verified),
        key_changed: contact.is_some_and(|contact| contact.stored.awaits_person()),
        key_change_proven: contact.is_some_and(|contact| contact.stored.new_key.is_none()),
        chain_alarm: contact.zip(id).and_then(|(contact, id)| {
            let alarm = session.chains.contacts().alarm(id)?;
            Some(PersonAlarm { handle: contact.stored.handle.to_string(), alarm })
        }),
        request: contact.is_some_and(|contact| contact.stored.standing.request),
        block: contact.map(|contact| contact.stored.standing.block()).unwrap_or_default(),
        stopped: id.and_then(|id| session.why_not_sent(id)),
        refused: tab.refused.clone(),
    })
}

/// The rows that a tab shows of a conversation.
pub(super) fn rows_of(
    session: &Session,
    shared: &Shared,
    tab: &Tab,
    place: Place,
    conversation: &Conversation,
) -> Vec<MessageRow> {
    let extent = tab.window.extent(conversation);
    let source = Source { session, shared, tab, place, conversation };
    let orders = conversation.orders(extent.older, extent.shown);
    let rows = orders.filter_map(|order| Some(source.row(order, conversation.get(order)?)));
    one_of_damaged(rows.collect())
}

fn state(handle: Option<&Handle>, contact: Option<&Contact>, found: Option<&HandleState>) -> ThreadState {
    match (handle, contact, found) {
        (None, ..) => ThreadState::NotFound,
        (_, Some(_), _) | (_, _, Some(HandleState::Found(_))) => ThreadState::Ready,
        (_, _, Some(HandleState::Asked) | None) => ThreadState::Resolving,
        (_, _, Some(HandleState::NotFound)) => ThreadState::NotFound,
        (_, _, Some(HandleState::Unavailable)) => ThreadState::Unavailable,
    }
}

/// Rows that follow each other and cannot be read, from a damaged page, are shown as one.
fn one_of_damaged(mut rows: Vec<MessageRow>) -> Vec<MessageRow> {
    rows.dedup_by(|row, before| row.body == MessageBody::Damaged && before.body == MessageBody::Damaged);
    rows
}

/// The data from which rows are built.
struct Source<'a> {
    session: &'a Session,
    shared: &'a Shared,
    tab: &'a Tab,
    place: Place,
    conversation: &'a Conversation,
}

impl Source<'_> {
    fn row(&self, order: u64, message: &StoredMessage) -> MessageRow {
        let (state, error) = self.delivery(order, message);
        let id = message.row_id(order);
        let (body, cut) = self.body(&id, &message.body);
        MessageRow {
            id,
            mine: message.mine,
            author: message.from.and_then(|root| groups::handle_of(self.session, &root)),
            body,
            cut,
            state,
            at: message.shown_at(),
            missing_before: self.conversation.missing_before(message),
            contradicts_chain: self.conversation.contradicts(message),
            former_key: message.former_key,
            old_way: message.old_way,
            error,
            reactions: self.reactions(message),
        }
    }

    /// The reactions that are set, at most [`MOST_REACTIONS`] of each person and [`MOST_EMOJIS`] in all: the smallest by
    /// bytes.
    fn reactions(&self, message: &StoredMessage) -> Vec<ReactionRow> {
        let mut rows: Vec<ReactionRow> = Vec::new();
        for of_one in message.reactions.chunk_by(|one, next| one.by == next.by) {
            let set = of_one.iter().filter(|of| of.on).take(MOST_REACTIONS);
            for StoredReaction { by, emoji, .. } in set {
                let at = rows.iter().position(|row| row.emoji == emoji.as_str()).unwrap_or_else(|| {
                    let emoji = emoji.as_str().to_owned();
                    rows.push(ReactionRow { emoji, mine: false, count: 0, others: Vec::new() });
                    rows.len() - 1
                });
                let Some(row) = rows.get_mut(at) else { continue };
                row.count += 1;
                row.mine |= *by == Author::Me;
                if row.others.len() < MOST_NAMES {
                    row.others.extend(self.name_of(*by));
                }
            }
        }
        rows.sort_by(|a, b| a.emoji.cmp(&b.emoji));
        rows.truncate(MOST_EMOJIS);
        rows
    }

    /// The handle of an author other than the user.
    fn name_of(&self, author: Author) -> Option<String> {
        match (author, self.place) {
            (Author::Member(root), _) => groups::handle_of(self.session, &root),
            (Author::Them, Place::Direct(person)) => {
                let contact = self.session.contacts.get(person)?;
                Some(contact.stored.handle.to_string())
            }
            _ => None,
        }
    }

    /// The body that the row shows, and whether that is only an excerpt.
    fn body(&self, row: &str, body: &StoredBody) -> (MessageBody, bool) {
        let text = match body {
            StoredBody::Text { text, .. } => text,
            StoredBody::Unsupported => return (MessageBody::Unsupported, false),
            StoredBody::KeyReplaced => return (MessageBody::KeyReplaced, false),
            StoredBody::DeviceAdded => return (MessageBody::DeviceAdded, false),
            StoredBody::Group(line) => return (MessageBody::Group(groups::line(self.session, line)), false),
            StoredBody::Undecryptable(why) => return (MessageBody::Undecryptable { why: *why }, false),
            StoredBody::Malformed => return (MessageBody::Malformed, false),
            StoredBody::Damaged => return (MessageBody::Damaged, false),
        };
        let (text, cut) = match self.tab.shown_whole.iter().any(|whole| whole == row) {
            true => (display::limit_marks(text), false),
            false => excerpt(text),
        };
        (MessageBody::Text { text }, cut)
    }

    fn delivery(&self, order: u64, message: &StoredMessage) -> (DeliveryState, Option<Reason>) {
        let entry = self.session.outbox.entry(self.place, order);
        match (message.mine, entry) {
            (true, None) => (DeliveryState::Sent, None),
            (true, Some(entry)) => {
                let halted = self.shared.halted.map(|halt| match halt {
                    Halt::Storage(fault) => Reason::NotSent(fault),
                    Halt::Removed => Reason::BrowserRemoved,
                });
                let trouble = || self.session.trouble(self.place);
                match entry.refused().cloned().or(halted).or_else(trouble) {
                    Some(why) => (DeliveryState::Failed, Some(why)),
                    None => (DeliveryState::Sending, None),
                }
            }
            (false, _) if matches!(message.body, StoredBody::Undecryptable(_) | StoredBody::Damaged) => {
                (DeliveryState::Undecryptable, None)
            }
            (false, _) => (DeliveryState::Received, None),
        }
    }
}
