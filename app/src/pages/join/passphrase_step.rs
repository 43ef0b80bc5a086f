//! Step 4: an optional passphrase for this browser.

use kez_client::event::UiEvent;
use kez_client::secret::Secret;
use leptos::{ev, html, prelude::*};

use super::{BackButton, busy_of, error_of};
use crate::components::field::{ErrorText, Field, text_of};
use crate::session::use_session;

#[component]
pub(super) fn PassphraseStep() -> impl IntoView {
    let session = use_session();
    let first = NodeRef::<html::Input>::new();
    let second = NodeRef::<html::Input>::new();
    let differ = RwSignal::new(false);
    let busy = busy_of(session);
    let failed = error_of(session);
    let error = Signal::derive(move || match differ.get() {
        true => Some("The two passphrases do not match.".to_owned()),
        false => failed.get(),
    });
    let create = move |event: ev::SubmitEvent| {
        event.prevent_default();
        let passphrase = Secret::new(text_of(first));
        differ.set(passphrase != Secret::new(text_of(second)));
        if !differ.get_untracked() && !busy.get_untracked() {
            session.send(UiEvent::AccountCreated { passphrase });
        }
    };
    view! {
        <form class="stack" on:submit=create>
            <h2>"Lock this browser"</h2>
            <p>
                "A passphrase encrypts your keys and messages in this browser. You enter it each time you come back. \
                 You may leave it empty."
            </p>
            <Field label="Passphrase" id="join-passphrase" node=first secret=true autocomplete="new-password" disabled=busy/>
            <Field label="Repeat passphrase" id="join-repeat" node=second secret=true autocomplete="new-password" disabled=busy/>
            <ErrorText text=error/>
            <p class="actions">
                <BackButton/>
                <button type="submit" class="button button-primary" disabled=move || busy.get()>
                    {move || if busy.get() { "Creating…" } else { "Create account" }}
                </button>
            </p>
        </form>
    }
}
