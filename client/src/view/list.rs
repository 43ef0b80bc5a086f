//! The list of conversations.

use super::{ConversationRow, Preview};
use crate::messages::{Conversation, LastRow, Line, one_line};
use crate::people::Contact;
use crate::session::Session;

/// One row for each contact who is not blocked, newest activity first.
pub(crate) fn conversations(session: &Session) -> Vec<ConversationRow> {
    session.by_activity().into_iter().map(|(contact, conversation)| row(contact, conversation)).collect()
}

fn row(contact: &Contact, conversation: Option<&Conversation>) -> ConversationRow {
    let last = conversation.and_then(Conversation::last);
    let request = contact.stored.standing.request;
    let draft = conversation.map_or("", |conversation| conversation.draft.as_str());
    ConversationRow {
        handle: contact.stored.handle.to_string(),
        primary: contact.stored.key.primary().to_string(),
        preview: if draft.trim().is_empty() { preview(last) } else { Preview::Draft(one_line(draft)) },
        at: last.map(|last| last.at),
        unread: conversation.filter(|_| !request).map_or(0, Conversation::unread),
        request,
        verified: contact.stored.verified,
    }
}

fn preview(last: Option<&LastRow>) -> Preview {
    match last.map(|last| (last.mine, &last.line)) {
        None => Preview::Nothing,
        Some((true, Line::Text(text))) => Preview::Mine(text.clone()),
        Some((false, Line::Text(text))) => Preview::Theirs(text.clone()),
        Some((_, Line::KeyReplaced)) => Preview::KeyReplaced,
        Some((_, Line::DeviceAdded)) => Preview::DeviceAdded,
        Some((_, Line::Unreadable)) => Preview::Unreadable,
    }
}
