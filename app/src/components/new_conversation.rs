//! The dialog "New conversation".

use kez_client::event::UiEvent;
use leptos::{ev, html, prelude::*};

use crate::components::dialog::Dialog;
use crate::components::field::{ErrorText, Field, text_of};
use crate::navigation::use_navigation;
use crate::reactive::{effect, memo};
use crate::session::use_session;
use crate::text::sentence;

/// Asks for a handle. Once the handle is found, the dialog closes and the conversation opens.
#[component]
pub(crate) fn NewConversationDialog(open: RwSignal<bool>) -> impl IntoView {
    let session = use_session();
    let navigation = use_navigation();
    let started = memo(move || session.new_conversation.with(|dialog| dialog.started.clone()));
    effect(move || {
        if let Some(handle) = started.get() {
            open.set(false);
            session.send(UiEvent::ConversationDialogClosed);
            navigation.go(&format!("/messages/{handle}"));
        }
    });
    let on_close = Callback::new(move |()| {
        if open.get_untracked() {
            open.set(false);
            session.send(UiEvent::ConversationDialogClosed);
        }
    });
    view! {
        <Dialog id="new-conversation-title" title="New conversation" open on_close>
            <NewConversationForm/>
        </Dialog>
    }
}

#[component]
fn NewConversationForm() -> impl IntoView {
    let session = use_session();
    let node = NodeRef::<html::Input>::new();
    let busy = Signal::derive(move || session.new_conversation.with(|dialog| dialog.busy));
    let error =
        Signal::derive(move || session.new_conversation.with(|dialog| dialog.error.as_ref().map(sentence)));
    let start = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let to = text_of(node).trim().to_owned();
        if !to.is_empty() && !busy.get_untracked() {
            session.send(UiEvent::ConversationStarted { to });
        }
    };
    view! {
        <form class="stack" on:submit=start>
            <Field label="To" id="new-conversation-to" node autofocus=true described_by="new-conversation-hint"/>
            <p id="new-conversation-hint" class="hint">"A handle, like @bob"</p>
            <ErrorText text=error/>
            <p class="actions">
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || if busy.get() { "Looking up…" } else { "Start" }}
                </button>
            </p>
        </form>
    }
}
