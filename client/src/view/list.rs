//! The list of conversations.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use kez_core::display;

use super::{ConversationRow, MessageBody, Preview};
use crate::contacts::{Contact, ContactId};
use crate::conversation::{Conversation, StoredMessage};
use crate::session::Session;

/// How many characters a preview has at most.
const PREVIEW_CHARS: usize = 120;

/// One row for each contact who is not blocked, newest activity first.
pub(crate) fn conversations(session: &Session) -> Vec<ConversationRow> {
    let wanted = session.contacts.iter().filter(|(_, contact)| !contact.stored.standing.blocked);
    let keys = wanted.map(|(id, contact)| {
        let last = session.conversations.get(&id).and_then(Conversation::last);
        let active = last.map_or((contact.stored.since, 0), |message| (message.kept_at, message.arrival));
        (Reverse(active), &contact.stored.handle, id)
    });
    // Sorted by a heap: the code of the library's sort is ten times as large, and a browser has to load it.
    let sorted = keys.collect::<BinaryHeap<_>>().into_sorted_vec();
    let row_of = |id: ContactId| Some(row(session.contacts.get(id)?, session.conversations.get(&id)));
    sorted.into_iter().filter_map(|(_, _, id)| row_of(id)).collect()
}

fn row(contact: &Contact, conversation: Option<&Conversation>) -> ConversationRow {
    let last = conversation.and_then(Conversation::last);
    let request = contact.stored.standing.request;
    let draft = conversation.map_or("", |conversation| conversation.draft.as_str());
    ConversationRow {
        handle: contact.stored.handle.to_string(),
        primary: contact.stored.key.primary().to_string(),
        preview: if draft.trim().is_empty() { preview(last) } else { Preview::Draft(one_line(draft)) },
        at: last.map(StoredMessage::shown_at),
        unread: conversation.filter(|_| !request).map_or(0, Conversation::unread),
        request,
        verified: contact.stored.verified,
    }
}

fn preview(last: Option<&StoredMessage>) -> Preview {
    match last.map(|message| (message.mine, &message.body)) {
        None => Preview::Nothing,
        Some((true, MessageBody::Text { text })) => Preview::Mine(one_line(text)),
        Some((_, MessageBody::KeyReplaced)) => Preview::Theirs("Changed the key".to_owned()),
        Some((false, MessageBody::Text { text })) => Preview::Theirs(one_line(text)),
        Some(_) => Preview::Unreadable,
    }
}

fn one_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    display::limited(line).take(PREVIEW_CHARS).collect()
}
