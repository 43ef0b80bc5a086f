//! The list of conversations.

use std::cmp::Reverse;

use super::{ConversationRow, Preview, groups};
use crate::kernel::place::Place;
use crate::messages::{Conversation, LastRow, Line, one_line};
use crate::people::Contact;
use crate::session::Session;

/// One row for each contact who is not blocked and for each group, newest activity first.
pub(crate) fn conversations(session: &Session) -> Vec<ConversationRow> {
    let contacts = session.by_activity().into_iter().map(|(contact, conversation)| {
        let active = activity(conversation, contact.stored.since);
        (active, row(session, contact, conversation))
    });
    let mut rows: Vec<_> = contacts.collect();
    for (gid, group) in session.groups.iter().filter(|(gid, _)| session.is_listed(*gid)) {
        if let Some(conversation) = session.conversations.get(&Place::Group(gid)) {
            let preview = preview(session, conversation.last());
            let row = groups::row(session, (gid, group), conversation, preview);
            rows.push((activity(Some(conversation), group.stored.since), row));
        }
    }
    rows.sort_by_key(|(active, _)| Reverse(*active));
    rows.into_iter().map(|(_, row)| row).collect()
}

/// When something happened last in a conversation that began at `since`: Unix seconds, and the order within a second.
fn activity(conversation: Option<&Conversation>, since: u64) -> (u64, u64) {
    conversation.and_then(Conversation::last).map_or((since, 0), |last| (last.kept_at, last.arrival))
}

fn row(session: &Session, contact: &Contact, conversation: Option<&Conversation>) -> ConversationRow {
    let last = conversation.and_then(Conversation::last);
    let request = contact.stored.standing.request;
    let draft = conversation.map_or("", |conversation| conversation.draft.as_str());
    let preview = || preview(session, last);
    ConversationRow {
        handle: contact.stored.handle.to_string(),
        primary: contact.stored.key.primary().to_string(),
        group: None,
        preview: if draft.trim().is_empty() { preview() } else { Preview::Draft(one_line(draft)) },
        at: last.map(|last| last.at),
        unread: conversation.filter(|_| !request).map_or(0, Conversation::unread),
        request,
        verified: contact.stored.verified,
    }
}

fn preview(session: &Session, last: Option<&LastRow>) -> Preview {
    match last.map(|last| (last.mine, &last.line)) {
        None => Preview::Nothing,
        Some((true, Line::Text(text))) => Preview::Mine(text.clone()),
        Some((false, Line::Text(text))) => Preview::Theirs(text.clone()),
        Some((_, Line::KeyReplaced)) => Preview::KeyReplaced,
        Some((_, Line::DeviceAdded)) => Preview::DeviceAdded,
        Some((_, Line::Unreadable)) => Preview::Unreadable,
        Some((_, Line::Member(root, text))) => match groups::handle_of(session, root) {
            Some(handle) => Preview::Member(handle, text.clone()),
            None => Preview::Mine(text.clone()),
        },
        Some((_, Line::Group(line))) => Preview::Group(groups::line(session, line)),
    }
}
