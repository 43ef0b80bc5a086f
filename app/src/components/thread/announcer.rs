//! Announces new messages to screen readers.

use kez_client::view::{MessageBody, MessageRow};
use leptos::prelude::*;

use crate::session::use_session;

/// How many characters of a message are announced; the rest can be read in the thread.
const SPOKEN_CHARS: usize = 200;

/// A live region that holds the newest message from the other user, if it arrived while the thread was open.
#[component]
pub(super) fn Announcer(handle: String) -> impl IntoView {
    let session = use_session();
    let total = session.thread_part_of(&handle, |thread| thread.total);
    let spoken = RwSignal::new(String::new());
    Effect::new(move |before: Option<u64>| {
        let total = total.get();
        if before.is_some_and(|before| total > before) {
            let newest = session
                .messages
                .with_untracked(|messages| messages.last().and_then(|row| words(&handle, row)));
            if let Some(newest) = newest {
                spoken.set(newest);
            }
        }
        total
    });
    view! { <p class="sr-only" aria-live="polite" translate="no">{move || spoken.get()}</p> }
}

/// The announcement for a message; `None` for messages that this user sent.
fn words(handle: &str, row: &MessageRow) -> Option<String> {
    match &row.body {
        _ if row.mine => None,
        MessageBody::Text { text } => {
            let text: String = text.chars().take(SPOKEN_CHARS).collect();
            Some(format!("@{handle}: {text}"))
        }
        MessageBody::KeyReplaced | MessageBody::DeviceAdded | MessageBody::Damaged => None,
        MessageBody::Unsupported | MessageBody::Undecryptable { .. } | MessageBody::Malformed => {
            Some(format!("@{handle}: a message that cannot be read"))
        }
    }
}
