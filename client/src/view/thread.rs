//! The open conversation.

use kez_core::handle::Handle;
use kez_core::safety_number::safety_number;

use super::{DeliveryState, MessageBody, MessageRow, ThreadState, ThreadView};
use crate::contacts::{Contact, ContactId};
use crate::context::Shared;
use crate::conversation::{Conversation, StoredMessage};
use crate::directory::HandleState;
use crate::session::Session;
use crate::tabs::Tab;

/// What the tab shows of the conversation in its URL.
pub(crate) fn thread(session: &Session, tab: &Tab, shared: &Shared) -> Option<ThreadView> {
    let at = tab.at.as_ref()?;
    let handle = session.handle_at(at).filter(|handle| *handle != session.handle);
    let id = handle.as_ref().and_then(|handle| session.contacts.by_handle(handle));
    let contact = id.and_then(|id| session.contacts.get(id));
    let conversation = id.and_then(|id| session.conversations.get(&id));
    let found = handle.as_ref().and_then(|handle| session.directory.handles.get(handle));
    let key = match (contact.map(|contact| &contact.stored), found) {
        (Some(stored), _) => Some(stored.new_key.as_ref().map_or(stored.key, |new| new.key).primary()),
        (None, Some(HandleState::Found(found))) => Some(found.key.primary()),
        _ => None,
    };
    Some(ThreadView {
        handle: at.clone(),
        state: state(handle.as_ref(), contact, found),
        messages: id.zip(conversation).map_or_else(Vec::new, |(id, conversation)| {
            let rows = conversation.newest(tab.window);
            rows.map(|(order, message)| row(session, shared, id, conversation, order, message)).collect()
        }),
        has_older: conversation.is_some_and(|conversation| conversation.len() > tab.window),
        first_unread: tab.first_unread.clone(),
        draft: conversation.map(|conversation| conversation.draft.clone()).unwrap_or_default(),
        primary: key.map(|key| key.to_string()),
        safety_number: key.map(|key| safety_number(&session.me.public().primary(), &key)),
        verified: contact.is_some_and(|contact| contact.stored.verified),
        key_changed: contact.is_some_and(|contact| contact.stored.awaits_person()),
        key_change_proven: contact.is_some_and(|contact| contact.stored.new_key.is_none()),
        chain_alarm: id.and_then(|id| session.chains.people.get(&id)).and_then(|watched| watched.alarm),
        request: contact.is_some_and(|contact| contact.stored.standing.request),
        blocked: contact.is_some_and(|contact| contact.stored.standing.blocked),
        refused: tab.refused.clone(),
    })
}

fn state(handle: Option<&Handle>, contact: Option<&Contact>, found: Option<&HandleState>) -> ThreadState {
    match (handle, contact, found) {
        (None, ..) => ThreadState::NotFound,
        (_, Some(_), _) | (_, _, Some(HandleState::Found(_))) => ThreadState::Ready,
        (_, _, Some(HandleState::Asked) | None) => ThreadState::Resolving,
        (_, _, Some(HandleState::Nobody)) => ThreadState::NotFound,
        (_, _, Some(HandleState::Unavailable)) => ThreadState::Unavailable,
    }
}

fn row(
    session: &Session,
    shared: &Shared,
    contact: ContactId,
    conversation: &Conversation,
    order: u64,
    message: &StoredMessage,
) -> MessageRow {
    let (state, error) = delivery(session, shared, contact, order, message);
    MessageRow {
        id: message.row_id(order),
        mine: message.mine,
        body: message.body.clone(),
        state,
        at: message.sent_at,
        missing_before: conversation.missing_before(message),
        contradicts_chain: conversation.contradicts_chain(message),
        former_key: message.former_key,
        error,
    }
}

fn delivery(
    session: &Session,
    shared: &Shared,
    contact: ContactId,
    order: u64,
    message: &StoredMessage,
) -> (DeliveryState, Option<String>) {
    let entry = session.outbox.entry(contact, order);
    match (message.mine, entry) {
        (true, None) => (DeliveryState::Sent, None),
        (true, Some(entry)) => match (&entry.failure, shared.halted) {
            (Some(failure), _) => (DeliveryState::Failed, Some(failure.reason.clone())),
            (None, Some(fault)) => (DeliveryState::Failed, Some(format!("Not sent: {fault}."))),
            (None, None) => (DeliveryState::Sending, None),
        },
        (false, _) if matches!(message.body, MessageBody::Undecryptable { .. }) => {
            (DeliveryState::Undecryptable, None)
        }
        (false, _) => (DeliveryState::Received, None),
    }
}
