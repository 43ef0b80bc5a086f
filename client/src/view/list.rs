//! The list of conversations.

use std::cmp::Reverse;

use super::{ConversationRow, MessageBody, Preview};
use crate::contacts::Contact;
use crate::conversation::{Conversation, StoredMessage};
use crate::session::Session;

/// How many characters a preview has at most.
const PREVIEW_CHARS: usize = 120;

/// One row for each contact, newest activity first.
pub(crate) fn conversations(session: &Session) -> Vec<ConversationRow> {
    let mut rows: Vec<((u64, u64), ConversationRow)> = session
        .contacts
        .iter()
        .map(|(id, contact)| {
            let conversation = session.conversations.get(&id);
            let last = conversation.and_then(Conversation::last);
            let active = last.map_or((contact.stored.since, 0), |message| (message.kept_at, message.arrival));
            (active, row(contact, conversation, last))
        })
        .collect();
    rows.sort_by(|(a, row_a), (b, row_b)| (Reverse(a), &row_a.handle).cmp(&(Reverse(b), &row_b.handle)));
    rows.into_iter().map(|(_, row)| row).collect()
}

fn row(
    contact: &Contact,
    conversation: Option<&Conversation>,
    last: Option<&StoredMessage>,
) -> ConversationRow {
    let draft = conversation.map_or("", |conversation| conversation.draft.as_str());
    ConversationRow {
        handle: contact.stored.handle.to_string(),
        preview: if draft.trim().is_empty() { preview(last) } else { Preview::Draft(one_line(draft)) },
        at: last.map(|message| message.sent_at),
        unread: conversation.map_or(0, Conversation::unread),
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
    text.trim_start().lines().next().unwrap_or_default().chars().take(PREVIEW_CHARS).collect()
}
