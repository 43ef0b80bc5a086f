//! The list of conversations.

use std::cmp::Reverse;

use kez_core::display;

use super::{ConversationRow, Preview};
use crate::kernel::place::Place;
use crate::messages::{Conversation, StoredBody, StoredMessage};
use crate::people::Contact;
use crate::session::Session;

/// The most characters in a preview.
const PREVIEW_CHARS: usize = 120;

/// One row for each contact who is not blocked, newest activity first.
pub(crate) fn conversations(session: &Session) -> Vec<ConversationRow> {
    let wanted = session.contacts.iter().filter(|(_, contact)| !contact.stored.standing.blocked);
    let rows = wanted.map(|(id, contact)| {
        let conversation = session.conversations.get(&Place::Direct(id));
        let last = conversation.and_then(Conversation::last);
        let active = last.map_or((contact.stored.since, 0), |message| (message.kept_at, message.arrival));
        ((Reverse(active), contact.stored.handle.as_str()), row(contact, conversation))
    });
    let mut rows = rows.collect::<Vec<_>>();
    rows.sort_by_key(|(place, _)| *place);
    rows.into_iter().map(|(_, row)| row).collect()
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
        Some((true, StoredBody::Text { text, .. })) => Preview::Mine(one_line(text)),
        Some((_, StoredBody::KeyReplaced)) => Preview::KeyReplaced,
        Some((false, StoredBody::Text { text, .. })) => Preview::Theirs(one_line(text)),
        Some(_) => Preview::Unreadable,
    }
}

fn one_line(text: &str) -> String {
    let line = text.trim_start().lines().next().unwrap_or_default();
    display::limited(line).take(PREVIEW_CHARS).collect()
}
